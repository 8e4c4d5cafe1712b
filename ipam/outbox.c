// SPDX-License-Identifier: Apache-2.0
/* Writes under way, and what is held back: see outbox.h. */
#include "ipam/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/addressees.h"
#include "ipam/event_sender.h"
#include "ipam/forbidden.h"
#include "ipam/rush.h"
#include "k8s/decode.h"
#include "k8s/json.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/loop.h"

#define QUEUE_ENOUGH (4 * OUTBOX_AT_ONCE)

struct item { /* one write, queued or under way */
	struct outbox *outbox;
	enum object_kind kind;
	struct meta meta; /* namespace, name, uid and version; the texts are the item's */
	char *path, *text;
	size_t length;
	const char *content_type; /* static */
	enum write_urgency urgency;
	bool is_status, is_service;
	struct service_write service; /* without its body */
	struct api_request *request;
};

struct queue {
	struct item **items;
	size_t n, next, capacity; /* those before `next` were sent, or dropped */
};

struct outbox {
	struct api *api;
	struct outbox_fns fns;
	void *userdata;
	struct addressees objects;
	struct forbidden forbidden; /* statuses */
	struct event_sender *events;
	struct queue now, later;
	struct item *under_way[OUTBOX_AT_ONCE];
	size_t n_later_under_way;
	struct rush rush;
	struct loop_timer *due;
	struct outbox_counts counts;
	bool no_status_told[OBJECT_KIND_COUNT]; /* since a status of the kind was written */
	bool stopped;
};

/* --- what is held back ---------------------------------------------------------------------------------- */

/* Whoever only rests is asked for again when that is over. */
static bool is_ready(struct outbox *outbox, enum addressee_answer answer, uint64_t until_msec,
		     uint64_t now_msec)
{
	switch (answer) {
	case ADDRESSEE_READY:
		return true;
	case ADDRESSEE_RESTS:
		loop_timer_set_earlier(outbox->due, until_msec - now_msec);
		break;
	case ADDRESSEE_WAITS:
		break;
	}
	return false;
}

bool outbox_is_ready(struct outbox *outbox, enum object_kind kind, const struct meta *meta, uint64_t now_msec)
{
	const struct addressee *object = addressees_find(&outbox->objects, kind, meta);
	uint64_t until_msec = now_msec;
	enum addressee_answer answer = addressee_ask(object, meta->resource_version, now_msec, &until_msec);

	return is_ready(outbox, answer, until_msec, now_msec);
}

bool outbox_holds_back(struct outbox *outbox, uint64_t now_msec)
{
	uint64_t until_msec = rush_until(&outbox->rush, now_msec);

	if (until_msec)
		loop_timer_set_earlier(outbox->due, until_msec - now_msec);
	return until_msec;
}

static bool may_write_status(struct outbox *outbox, enum object_kind kind, const struct meta *meta,
			     uint64_t now_msec)
{
	uint64_t until_msec = forbidden_until_msec(&outbox->forbidden, kind, meta->namespace);

	return is_ready(outbox, until_msec > now_msec ? ADDRESSEE_RESTS : ADDRESSEE_READY, until_msec,
			now_msec);
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
	addressees_forget_old(&outbox->objects, loop_now_msec());
	forbidden_forget_old(&outbox->forbidden, loop_now_msec());
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
	case OBJECT_BFD_PROFILE:
		return "/apis/fairway.dev/v1alpha1/bfdprofiles";
	case OBJECT_COMMUNITY:
		return "/apis/fairway.dev/v1alpha1/communities";
	case OBJECT_LB_NODE:
		return "/apis/fairway.dev/v1alpha1/lbnodes";
	case OBJECT_ENDPOINT_SLICE:
	case OBJECT_NODE:
	case OBJECT_NAMESPACE:
	case OBJECT_SECRET:
	case OBJECT_KIND_COUNT:
		break; /* never written */
	}
	return "";
}

static const char *resource_of(enum object_kind kind)
{
	return kind == OBJECT_SERVICE ? "services" : strrchr(collection_of(kind), '/') + 1;
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
	item->is_status = write->is_status;
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

bool outbox_has_room(const struct outbox *outbox, bool urgent)
{
	return outbox->now.n < QUEUE_ENOUGH && (urgent || outbox->later.n < QUEUE_ENOUGH);
}

/* 1: the status is as it was read; 0 or -errno. */
static int says_nothing_new(const struct outbox_write *write)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;
	int r;

	if (!write->seen_digest)
		return 0;
	r = json_parse(strbuf_text(write->body), write->body->length, &document, &error);
	return r < 0 ? r : json_digest(json_member(document.first, "status")) == write->seen_digest;
}

int outbox_add(struct outbox *outbox, const struct outbox_write *write, uint64_t now_msec)
{
	struct queue *queue = write->urgency == WRITE_NOW ? &outbox->now : &outbox->later;
	enum addressee_answer answer;
	uint64_t until_msec = now_msec;
	struct addressee *object;
	struct item *item;
	int r = says_nothing_new(write);

	if (r)
		return r < 0 ? r : 0;
	object = addressees_add(&outbox->objects, write->kind, write->meta);
	if (!object)
		return -ENOMEM;
	answer = addressee_ask_urgency(object, write->urgency, now_msec, &until_msec);
	if (!is_ready(outbox, answer, until_msec, now_msec))
		return 0;
	if (write->is_status && !may_write_status(outbox, write->kind, write->meta, now_msec))
		return 0;
	if (write->is_status)
		answer = addressee_ask_status(object, write->meta->resource_version, now_msec, &until_msec);
	if (!is_ready(outbox, answer, until_msec, now_msec))
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

/* An object that is gone, which the watch shows before long, or one whose definition has no status. */
static void note_not_found(struct item *item, struct addressee *object)
{
	struct outbox *outbox = item->outbox;
	uint64_t rest_msec;
	bool no_status =
		addressee_not_found(object, item->meta.resource_version, loop_now_msec(), &rest_msec);

	loop_timer_set_earlier(outbox->due, rest_msec);
	if (!no_status || outbox->no_status_told[item->kind])
		return;
	outbox->no_status_told[item->kind] = true;
	log_warn("CustomResourceDefinition/%s.fairway.dev: has no status (HTTP 404 for that of %s/%s), so "
		 "none is written of its kind; apply the CRDs of this version; tried again every %d minutes",
		 resource_of(item->kind), object_kind_name(item->kind), item->meta.name,
		 ADDRESSEE_NO_STATUS_MSEC / 60000);
}

static void append_cure(struct strbuf *out, const struct item *item, int status)
{
	if (status == 403)
		strbuf_appendf(
			out,
			" (does lbcontroller's ClusterRole allow patch of %s%s? Apply the Roles of this "
			"version)",
			resource_of(item->kind), item->is_status ? "/status" : "");
}

/* The role lacks the right: told as the first of its kind, and by whoever finds no memory to note it. */
static void note_forbidden(struct item *item, const struct api_reply *reply)
{
	cleanup(strbuf_done) struct strbuf cure = { 0 };
	const char *namespace = item->meta.namespace;

	if (!forbidden_refused(&item->outbox->forbidden, item->kind, namespace, loop_now_msec()))
		return;
	append_cure(&cure, item, reply->status);
	log_warn("%s %s%s%s: status not written: %s%s; the others of the kind%s%s wait, one is tried, "
		 "less and less often (every %d s in the end)",
		 object_kind_name(item->kind), namespace, *namespace ? "/" : "", item->meta.name,
		 reply->message, strbuf_text(&cure), *namespace ? " in " : "", namespace,
		 FORBIDDEN_TRY_MSEC / 1000);
}

/* All of the kind may go at once: the round that follows each answer decides about them. */
static void note_let_through(struct item *item)
{
	if (item->is_status && forbidden_end(&item->outbox->forbidden, item->kind, item->meta.namespace))
		log_info("%s/status may be written again", resource_of(item->kind));
}

static void note_failure(struct item *item, struct addressee *object, const struct api_reply *reply)
{
	cleanup(strbuf_done) struct strbuf cure = { 0 };
	struct outbox *outbox = item->outbox;
	uint64_t asked_msec = reply->retry_after_msec > 0 ? (uint64_t)reply->retry_after_msec : 0;
	bool for_good = reply->status >= 400 && reply->status < 500 && reply->status != 404 &&
			reply->status != 409 && reply->status != 429;
	bool by_role = item->is_status && forbidden_by_role(reply->status, reply->message);

	if (reply->status == 404 && item->is_status && !item->is_service) {
		note_not_found(item, object);
		return;
	}
	loop_timer_set_earlier(outbox->due, addressee_failed(object, asked_msec, loop_now_msec()));
	if (by_role)
		note_forbidden(item, reply);
	if (forbidden_let_through(reply->status, reply->message))
		note_let_through(item);
	if (!for_good || object->refusal_told)
		return; /* no answer: the API client tells of it */
	object->refusal_told = true;
	append_cure(&cure, item, reply->status);
	if (!by_role)
		log_warn("%s %s%s%s: not written: %s%s; trying again, less and less often",
			 object_kind_name(item->kind), item->meta.namespace, *item->meta.namespace ? "/" : "",
			 item->meta.name, reply->message, strbuf_text(&cure));
	outbox->fns.refused(outbox->userdata, item->kind, &item->meta, reply->message);
}

static void pump(struct outbox *outbox);

static void on_reply(void *userdata, const struct api_reply *reply)
{
	struct item *item = userdata;
	struct outbox *outbox = item->outbox;
	struct addressee *object = addressees_find(&outbox->objects, item->kind, &item->meta);
	uint64_t version;
	size_t i;

	for (i = 0; i < OUTBOX_AT_ONCE; i++)
		if (outbox->under_way[i] == item)
			outbox->under_way[i] = NULL;
	outbox->counts.n_under_way--;
	outbox->n_later_under_way -= item->urgency != WRITE_NOW;
	version = version_made(item, reply);
	count_reply(&outbox->counts, reply->status, version != 0);
	if (version) {
		addressee_acknowledged(object, version);
		note_let_through(item);
		outbox->no_status_told[item->kind] &= !item->is_status;
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

/* 1: it is under way; 0: it is not to be sent; -errno. */
static int send_item(struct outbox *outbox, struct item *item)
{
	struct addressee *object = addressees_find(&outbox->objects, item->kind, &item->meta);
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
	if (item->is_status && !may_write_status(outbox, item->kind, &item->meta, loop_now_msec()))
		return 0; /* another one is tried */
	for (i = 0; outbox->under_way[i]; i++)
		;
	r = item->is_service ? outbox->fns.sending(outbox->userdata, &item->meta, &item->service) : 0;
	if (r == 0)
		r = api_send(outbox->api, &call, on_reply, item, &item->request);
	if (r < 0)
		return r;
	addressee_sent(object, loop_now_msec());
	if (item->is_status)
		forbidden_sent(&outbox->forbidden, item->kind, item->meta.namespace, object->sent_msec);
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

static void pump(struct outbox *outbox)
{
	if (outbox->stopped)
		return;
	send_queue(outbox, &outbox->now, false);
	if (outbox_holds_back(outbox, loop_now_msec()))
		return;
	send_queue(outbox, &outbox->later, true);
	if (outbox->counts.n_under_way == outbox->n_later_under_way && outbox->now.next == outbox->now.n)
		event_sender_send(outbox->events);
}

static bool may_write(void *userdata)
{
	const struct outbox *outbox = userdata;

	return outbox->fns.may_write(outbox->userdata);
}

static void pump_due(void *userdata)
{
	pump(userdata);
}

void outbox_send(struct outbox *outbox)
{
	pump(outbox);
}

static void on_due(void *userdata)
{
	struct outbox *outbox = userdata;

	outbox->fns.due(outbox->userdata);
}

bool outbox_is_idle(const struct outbox *outbox)
{
	return !outbox->counts.n_under_way && event_sender_is_idle(outbox->events);
}

void outbox_stop(struct outbox *outbox)
{
	outbox->stopped = true;
	outbox_begin(outbox);
}

struct outbox_counts outbox_counts(const struct outbox *outbox)
{
	struct outbox_counts counts = outbox->counts;

	counts.events = event_sender_count(outbox->events);
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
	event_sender_free(outbox->events);
	queue_reset(&outbox->now);
	queue_reset(&outbox->later);
	free(outbox->now.items);
	free(outbox->later.items);
	addressees_done(&outbox->objects);
	forbidden_done(&outbox->forbidden);
	loop_timer_free(outbox->due);
	free(outbox);
}

DEFINE_CLEANUP(struct outbox *, outbox_free);

int outbox_new(struct sd_event *event, struct api *api, struct event_book *book,
	       const struct event_source *source, const struct outbox_fns *fns, void *userdata,
	       struct outbox **ret)
{
	const struct event_sender_fns event_fns = { may_write, pump_due };
	cleanup(outbox_freep) struct outbox *outbox = calloc(1, sizeof(*outbox));
	int r;

	if (!outbox)
		return -ENOMEM;
	outbox->api = api;
	outbox->fns = *fns;
	outbox->userdata = userdata;
	r = loop_timer_new(event, on_due, outbox, &outbox->due);
	if (r == 0)
		r = event_sender_new(event, api, book, source, &event_fns, outbox, &outbox->events);
	if (r < 0)
		return r;
	*ret = take(outbox);
	return 0;
}
