// SPDX-License-Identifier: Apache-2.0
/* Writes under way, and what is held back: see outbox.h. */
#include "ipam/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/rush.h"
#include "k8s/decode.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/loop.h"

#define FIRST_RETRY_MSEC 100
#define MOST_RETRY_MSEC	 30000
#define SOON_MSEC	 1000
#define LAZY_MSEC	 30000
#define QUEUE_ENOUGH	 (4 * OUTBOX_AT_ONCE)
#define FORGET_MSEC	 60000 /* an object that was not written for so long */

struct addressee { /* what is remembered of one that was written */
	enum object_kind kind;
	char *namespace, *name;
	bool busy;
	uint64_t acknowledged_version; /* wait until the watch has shown it */
	unsigned failures;
	uint64_t retry_msec, sent_msec;
};

struct item { /* one write, queued or under way */
	struct outbox *outbox;
	enum object_kind kind;
	struct meta meta; /* namespace, name, uid and version; the texts are the item's */
	char *path, *text;
	size_t length;
	const char *content_type; /* static */
	enum write_urgency urgency;
	bool is_service;
	struct service_write service; /* without its body */
	struct api_request *request;
};

struct queue {
	struct item **items;
	size_t n, next, capacity; /* those before `next` were sent, or dropped */
};

struct event_item {
	struct outbox *outbox;
	struct api_request *request;
	size_t token;
	bool again;
};

struct outbox {
	struct api *api;
	struct event_book *book;
	struct event_source source;
	struct outbox_fns fns;
	void *userdata;
	struct addressee **objects; /* by kind, namespace, name */
	size_t n_objects, objects_capacity;
	struct queue now, later;
	struct item *under_way[OUTBOX_AT_ONCE];
	struct event_item events[OUTBOX_EVENTS_AT_ONCE];
	size_t n_later_under_way;
	struct rush rush;
	struct loop_timer *due, *event_due;
	struct outbox_counts counts;
	bool stopped;
};

/* --- objects ------------------------------------------------------------------------------------------- */

static int compare_object(const struct addressee *object, enum object_kind kind, const char *namespace,
			  const char *name)
{
	int order = object->kind < kind ? -1 : object->kind > kind;

	if (!order)
		order = strcmp(object->namespace, namespace);
	return order ? order : strcmp(object->name, name);
}

static size_t lower_bound(const struct outbox *outbox, enum object_kind kind, const struct meta *meta)
{
	size_t low = 0, high = outbox->n_objects;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_object(outbox->objects[middle], kind, meta->namespace, meta->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct addressee *find_object(const struct outbox *outbox, enum object_kind kind,
				     const struct meta *meta)
{
	size_t at = lower_bound(outbox, kind, meta);

	return at < outbox->n_objects &&
			       !compare_object(outbox->objects[at], kind, meta->namespace, meta->name)
		       ? outbox->objects[at]
		       : NULL;
}

static void object_done(struct addressee *object)
{
	if (!object)
		return;
	free(object->namespace);
	free(object->name);
	free(object);
}

static struct addressee *add_object(struct outbox *outbox, enum object_kind kind, const struct meta *meta)
{
	size_t at = lower_bound(outbox, kind, meta);
	struct addressee *object = find_object(outbox, kind, meta);

	if (object)
		return object;
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->kind = kind;
	object->namespace = strdup(meta->namespace);
	object->name = strdup(meta->name);
	if (!object->namespace || !object->name ||
	    array_reserve(outbox->objects, outbox->n_objects, outbox->objects_capacity) < 0) {
		object_done(object);
		return NULL;
	}
	memmove(outbox->objects + at + 1, outbox->objects + at,
		(outbox->n_objects - at) * sizeof(struct addressee *));
	outbox->objects[at] = object;
	outbox->n_objects++;
	return object;
}

static void forget_old_objects(struct outbox *outbox)
{
	uint64_t now_msec = loop_now_msec();
	size_t i, kept = 0;

	for (i = 0; i < outbox->n_objects; i++) {
		struct addressee *object = outbox->objects[i];

		if (object->busy || now_msec < object->sent_msec + FORGET_MSEC ||
		    now_msec < object->retry_msec)
			outbox->objects[kept++] = object;
		else
			object_done(object);
	}
	outbox->n_objects = kept;
}

/* Not before then; true if that is in the future. */
static bool must_wait(struct outbox *outbox, uint64_t until_msec, uint64_t now_msec)
{
	if (until_msec <= now_msec)
		return false;
	loop_timer_set_earlier(outbox->due, until_msec - now_msec);
	return true;
}

bool outbox_is_ready(struct outbox *outbox, enum object_kind kind, const struct meta *meta, uint64_t now_msec)
{
	const struct addressee *object = find_object(outbox, kind, meta);

	if (!object)
		return true;
	if (object->busy || object->acknowledged_version > meta->resource_version)
		return false; /* an answer, or the watch, comes */
	return !must_wait(outbox, object->retry_msec, now_msec);
}

bool outbox_holds_back(struct outbox *outbox, uint64_t now_msec)
{
	return must_wait(outbox, rush_until(&outbox->rush, now_msec), now_msec);
}

/* --- the queues ---------------------------------------------------------------------------------------- */

static void item_free(struct item *item)
{
	if (!item)
		return;
	free((char *)(uintptr_t)item->meta.namespace);
	free((char *)(uintptr_t)item->meta.name);
	free((char *)(uintptr_t)item->meta.uid);
	free(item->path);
	free(item->text);
	service_notes_done(&item->service.notes);
	free(item);
}

static void queue_reset(struct queue *queue)
{
	size_t i;

	for (i = queue->next; i < queue->n; i++)
		item_free(queue->items[i]);
	queue->n = queue->next = 0;
}

void outbox_begin(struct outbox *outbox)
{
	queue_reset(&outbox->now);
	queue_reset(&outbox->later);
	forget_old_objects(outbox);
}

static const char *collection_of(enum object_kind kind)
{
	switch (kind) {
	case OBJECT_SERVICE:
		return "/api/v1/namespaces/";
	case OBJECT_SERVICE_IP_POOL:
		return "/apis/fairway.dev/v1alpha1/serviceippools";
	case OBJECT_BGP_PEER:
		return "/apis/fairway.dev/v1alpha1/bgppeers";
	case OBJECT_BGP_ADVERTISEMENT:
		return "/apis/fairway.dev/v1alpha1/bgpadvertisements";
	case OBJECT_LB_NODE:
		return "/apis/fairway.dev/v1alpha1/lbnodes";
	case OBJECT_ENDPOINT_SLICE:
	case OBJECT_NODE:
	case OBJECT_NAMESPACE:
	case OBJECT_SECRET:
	case OBJECT_BFD_PROFILE:
	case OBJECT_COMMUNITY:
	case OBJECT_KIND_COUNT:
		break; /* never written */
	}
	return "";
}

/* Names were checked when they were decoded: nothing in them needs an escape. */
static char *path_of(const struct outbox_write *write)
{
	struct strbuf path = { 0 };

	strbuf_append(&path, collection_of(write->kind));
	if (write->kind == OBJECT_SERVICE)
		strbuf_appendf(&path, "%s/services", write->meta->namespace);
	strbuf_appendf(&path, "/%s%s?fieldManager=lbcontroller", write->meta->name,
		       write->is_status ? "/status" : "");
	return strbuf_take(&path);
}

static struct item *item_new(struct outbox *outbox, const struct outbox_write *write)
{
	struct item *item = calloc(1, sizeof(*item));
	int r = 0;

	if (!item)
		return NULL;
	item->outbox = outbox;
	item->kind = write->kind;
	item->meta.namespace = strdup(write->meta->namespace);
	item->meta.name = strdup(write->meta->name);
	item->meta.uid = strdup(write->meta->uid);
	item->meta.resource_version = write->meta->resource_version;
	item->path = path_of(write);
	item->text = strdup(strbuf_text(write->body));
	item->length = write->body->length;
	item->content_type = write->content_type;
	item->urgency = write->urgency;
	item->is_service = write->service != NULL;
	if (write->service) {
		item->service = *write->service;
		item->service.body = (struct strbuf){ 0 };
		item->service.notes = (struct service_notes){ 0 };
		r = service_notes_copy(&write->service->notes, &item->service.notes);
	}
	if (r == 0 && item->meta.namespace && item->meta.name && item->meta.uid && item->path && item->text)
		return item;
	item_free(item);
	return NULL;
}

static uint64_t pause_of(enum write_urgency urgency)
{
	switch (urgency) {
	case WRITE_NOTHING:
	case WRITE_NOW:
		break;
	case WRITE_SOON:
		return SOON_MSEC;
	case WRITE_LAZY:
		return LAZY_MSEC;
	}
	return 0;
}

bool outbox_has_room(const struct outbox *outbox, bool urgent)
{
	return outbox->now.n < QUEUE_ENOUGH && (urgent || outbox->later.n < QUEUE_ENOUGH);
}

int outbox_add(struct outbox *outbox, const struct outbox_write *write, uint64_t now_msec)
{
	struct addressee *object = add_object(outbox, write->kind, write->meta);
	struct queue *queue = write->urgency == WRITE_NOW ? &outbox->now : &outbox->later;
	struct item *item;

	if (!object)
		return -ENOMEM;
	if (object->sent_msec && must_wait(outbox, object->sent_msec + pause_of(write->urgency), now_msec))
		return 0;
	item = item_new(outbox, write);
	if (!item || array_reserve(queue->items, queue->n, queue->capacity) < 0) {
		item_free(item);
		return -ENOMEM;
	}
	queue->items[queue->n++] = item;
	return 0;
}

/* --- sending ------------------------------------------------------------------------------------------- */

static uint64_t retry_after(struct addressee *object, const struct api_reply *reply)
{
	uint64_t msec = FIRST_RETRY_MSEC;
	unsigned i;

	for (i = 0; i < object->failures && msec < MOST_RETRY_MSEC; i++)
		msec *= 2;
	object->failures++;
	if (msec > MOST_RETRY_MSEC)
		msec = MOST_RETRY_MSEC;
	return (int64_t)msec < reply->retry_after_msec ? (uint64_t)reply->retry_after_msec : msec;
}

/* What the write made of the object; 0: it was not executed, or that is not known. Something between us and
 * the server may answer 200 with words of its own. */
static uint64_t version_made(const struct item *item, const struct api_reply *reply)
{
	const struct json *uid = json_member(json_member(reply->body, "metadata"), "uid");

	if (reply->status < 200 || reply->status >= 300 || !uid || !text_equal(uid->text, item->meta.uid))
		return 0;
	return decode_resource_version(reply->body);
}

static void count_reply(struct outbox_counts *counts, int status, bool executed)
{
	if (executed)
		counts->good++;
	else if (status < 300)
		counts->unanswered++;
	else if (status == 409)
		counts->conflicts++;
	else if (status == 429 || status >= 500)
		counts->failed++;
	else
		counts->refused++;
}

static void note_failure(struct item *item, struct addressee *object, const struct api_reply *reply)
{
	struct outbox *outbox = item->outbox;
	uint64_t wait_msec = retry_after(object, reply);
	bool for_good = reply->status >= 400 && reply->status < 500 && reply->status != 404 &&
			reply->status != 409 && reply->status != 429;

	object->retry_msec = loop_now_msec() + wait_msec;
	loop_timer_set_earlier(outbox->due, wait_msec);
	if (!for_good || object->failures > 1)
		return; /* no answer: the API client tells of it */
	log_warn("%s %s%s%s: not written: %s; trying again, less and less often",
		 object_kind_name(item->kind), item->meta.namespace, *item->meta.namespace ? "/" : "",
		 item->meta.name, reply->message);
	outbox->fns.refused(outbox->userdata, item->kind, &item->meta, reply->message);
}

static void pump(struct outbox *outbox);

static void on_reply(void *userdata, const struct api_reply *reply)
{
	struct item *item = userdata;
	struct outbox *outbox = item->outbox;
	struct addressee *object = find_object(outbox, item->kind, &item->meta);
	uint64_t version;
	size_t i;

	for (i = 0; i < OUTBOX_AT_ONCE; i++)
		if (outbox->under_way[i] == item)
			outbox->under_way[i] = NULL;
	outbox->counts.n_under_way--;
	outbox->n_later_under_way -= item->urgency != WRITE_NOW;
	version = version_made(item, reply);
	count_reply(&outbox->counts, reply->status, version != 0);
	object->busy = false;
	if (version) {
		object->failures = 0;
		object->acknowledged_version = version;
		outbox->fns.acknowledged(outbox->userdata, &item->meta,
					 item->is_service ? &item->service : NULL, version);
	} else {
		note_failure(item, object, reply);
	}
	item_free(item);
	pump(outbox);
	outbox->fns.due(outbox->userdata);
}

/* It may have waited in the API client's queue. */
static bool item_may_leave(void *userdata)
{
	const struct outbox *outbox = ((const struct item *)userdata)->outbox;

	return outbox->fns.may_write(outbox->userdata);
}

static bool event_may_leave(void *userdata)
{
	const struct outbox *outbox = ((const struct event_item *)userdata)->outbox;

	return outbox->fns.may_write(outbox->userdata);
}

/* 1: it is under way; 0: it is not to be sent; -errno. */
static int send_item(struct outbox *outbox, struct item *item)
{
	struct addressee *object = find_object(outbox, item->kind, &item->meta);
	struct api_call call = { .method = "PATCH",
				 .path = item->path,
				 .content_type = item->content_type,
				 .body = item->text,
				 .length = item->length,
				 .may_leave = item_may_leave };
	size_t i;
	int r;

	if (!object || object->busy)
		return 0;
	for (i = 0; outbox->under_way[i]; i++)
		;
	r = item->is_service ? outbox->fns.sending(outbox->userdata, &item->meta, &item->service) : 0;
	if (r == 0)
		r = api_send(outbox->api, &call, on_reply, item, &item->request);
	if (r < 0)
		return r;
	object->busy = true;
	object->sent_msec = loop_now_msec();
	outbox->under_way[i] = item;
	outbox->counts.n_under_way++;
	outbox->n_later_under_way += item->urgency != WRITE_NOW;
	if (item->urgency == WRITE_NOW)
		rush_note(&outbox->rush, object->sent_msec);
	return 1;
}

static void send_queue(struct outbox *outbox, struct queue *queue, bool later)
{
	while (queue->next < queue->n && outbox->counts.n_under_way < OUTBOX_AT_ONCE &&
	       !(later && outbox->n_later_under_way >= OUTBOX_LATER_AT_ONCE) &&
	       outbox->fns.may_write(outbox->userdata)) {
		struct item *item = queue->items[queue->next++];

		if (send_item(outbox, item) <= 0)
			item_free(item); /* out of memory: the next round wants it again */
	}
}

/* --- events -------------------------------------------------------------------------------------------- */

static void on_event_reply(void *userdata, const struct api_reply *reply)
{
	struct event_item *item = userdata;
	bool later = !reply->status || reply->status == 429 || reply->status >= 500;
	bool gone = item->again && reply->status == 404;

	item->request = NULL;
	if (reply->status >= 300 && !later && !gone)
		log_debug("event not written: %s", reply->message);
	event_book_answer(item->outbox->book, item->token,
			  later	 ? EVENT_LATER
			  : gone ? EVENT_GONE
				 : EVENT_WRITTEN,
			  loop_now_msec());
	pump(item->outbox);
}

static bool send_event(struct outbox *outbox, struct event_item *item)
{
	struct event_write write;
	struct api_call call;
	uint64_t now_msec = loop_now_msec(), due_msec;

	if (!event_book_next(outbox->book, &outbox->source, now_msec, &write, &due_msec)) {
		if (due_msec != UINT64_MAX)
			loop_timer_set(outbox->event_due, due_msec - now_msec);
		return false;
	}
	call = (struct api_call){ .method = write.again ? "PATCH" : "POST",
				  .path = write.path,
				  .content_type =
					  write.again ? "application/merge-patch+json" : "application/json",
				  .body = write.body,
				  .length = write.length,
				  .may_leave = event_may_leave };
	*item = (struct event_item){ .outbox = outbox, .token = write.token, .again = write.again };
	if (api_send(outbox->api, &call, on_event_reply, item, &item->request) < 0) {
		event_book_answer(outbox->book, write.token, EVENT_LATER, now_msec);
		return false;
	}
	outbox->counts.events++;
	return true;
}

static void send_events(struct outbox *outbox)
{
	size_t i;

	for (i = 0; i < OUTBOX_EVENTS_AT_ONCE; i++)
		if (!outbox->events[i].request &&
		    (!outbox->fns.may_write(outbox->userdata) || !send_event(outbox, &outbox->events[i])))
			return;
}

static void pump(struct outbox *outbox)
{
	if (outbox->stopped)
		return;
	send_queue(outbox, &outbox->now, false);
	if (outbox_holds_back(outbox, loop_now_msec()))
		return;
	send_queue(outbox, &outbox->later, true);
	if (outbox->counts.n_under_way == outbox->n_later_under_way && outbox->now.next == outbox->now.n)
		send_events(outbox);
}

void outbox_send(struct outbox *outbox)
{
	pump(outbox);
}

static void on_event_due(void *userdata)
{
	pump(userdata);
}

static void on_due(void *userdata)
{
	struct outbox *outbox = userdata;

	outbox->fns.due(outbox->userdata);
}

bool outbox_is_idle(const struct outbox *outbox)
{
	size_t i;

	for (i = 0; i < OUTBOX_EVENTS_AT_ONCE; i++)
		if (outbox->events[i].request)
			return false;
	return !outbox->counts.n_under_way;
}

void outbox_stop(struct outbox *outbox)
{
	outbox->stopped = true;
	outbox_begin(outbox);
}

struct outbox_counts outbox_counts(const struct outbox *outbox)
{
	struct outbox_counts counts = outbox->counts;

	counts.n_queued = outbox->now.n - outbox->now.next + outbox->later.n - outbox->later.next;
	return counts;
}

/* --- life ---------------------------------------------------------------------------------------------- */

void outbox_free(struct outbox *outbox)
{
	size_t i;

	if (!outbox)
		return;
	for (i = 0; i < OUTBOX_AT_ONCE; i++)
		if (outbox->under_way[i]) {
			api_cancel(outbox->under_way[i]->request);
			item_free(outbox->under_way[i]);
		}
	for (i = 0; i < OUTBOX_EVENTS_AT_ONCE; i++)
		api_cancel(outbox->events[i].request);
	queue_reset(&outbox->now);
	queue_reset(&outbox->later);
	free(outbox->now.items);
	free(outbox->later.items);
	for (i = 0; i < outbox->n_objects; i++)
		object_done(outbox->objects[i]);
	free(outbox->objects);
	loop_timer_free(outbox->due);
	loop_timer_free(outbox->event_due);
	free(outbox);
}

DEFINE_CLEANUP(struct outbox *, outbox_free);

int outbox_new(struct sd_event *event, struct api *api, struct event_book *book,
	       const struct event_source *source, const struct outbox_fns *fns, void *userdata,
	       struct outbox **ret)
{
	cleanup(outbox_freep) struct outbox *outbox = calloc(1, sizeof(*outbox));
	int r;

	if (!outbox)
		return -ENOMEM;
	outbox->api = api;
	outbox->book = book;
	outbox->source = *source;
	outbox->fns = *fns;
	outbox->userdata = userdata;
	r = loop_timer_new(event, on_due, outbox, &outbox->due);
	if (r == 0)
		r = loop_timer_new(event, on_event_due, outbox, &outbox->event_due);
	if (r < 0)
		return r;
	*ret = take(outbox);
	return 0;
}
