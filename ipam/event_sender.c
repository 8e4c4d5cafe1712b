// SPDX-License-Identifier: Apache-2.0
/* Sending Events: see event_sender.h. */
#include "ipam/event_sender.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

struct item {
	struct event_sender *sender;
	struct api_request *request; /* NULL: there is room */
	size_t token;
	bool again;
};

struct event_sender {
	struct api *api;
	struct event_book *book;
	struct event_source source;
	struct event_sender_fns fns;
	void *userdata;
	struct item items[EVENT_SENDER_AT_ONCE];
	struct loop_timer *due;
	uint64_t n_sent;
};

static bool may_leave(void *userdata)
{
	const struct event_sender *sender = ((const struct item *)userdata)->sender;

	return sender->fns.may_write(sender->userdata);
}

static void on_reply(void *userdata, const struct api_reply *reply)
{
	struct item *item = userdata;
	bool later = !reply->status || reply->status == 429 || reply->status >= 500;
	bool gone = item->again && reply->status == 404;

	item->request = NULL;
	if (reply->status >= 300 && !later && !gone)
		log_debug("event not written: %s", reply->message);
	event_book_answer(item->sender->book, item->token,
			  later	 ? EVENT_LATER
			  : gone ? EVENT_GONE
				 : EVENT_WRITTEN,
			  loop_now_msec());
	item->sender->fns.due(item->sender->userdata);
}

static bool send_next(struct event_sender *sender, struct item *item)
{
	struct event_write write;
	struct api_call call;
	uint64_t now_msec = loop_now_msec(), due_msec;

	if (!event_book_next(sender->book, &sender->source, now_msec, &write, &due_msec)) {
		if (due_msec != UINT64_MAX)
			loop_timer_set(sender->due, due_msec - now_msec);
		return false;
	}
	call = (struct api_call){ .method = write.again ? "PATCH" : "POST",
				  .path = write.path,
				  .content_type =
					  write.again ? "application/merge-patch+json" : "application/json",
				  .body = write.body,
				  .length = write.length,
				  .may_leave = may_leave };
	*item = (struct item){ .sender = sender, .token = write.token, .again = write.again };
	if (api_send(sender->api, &call, on_reply, item, &item->request) < 0) {
		event_book_answer(sender->book, write.token, EVENT_LATER, now_msec);
		loop_timer_set_earlier(sender->due, EVENT_RETRY_MSEC);
		return false;
	}
	sender->n_sent++;
	return true;
}

void event_sender_send(struct event_sender *sender)
{
	size_t i;

	for (i = 0; i < EVENT_SENDER_AT_ONCE; i++)
		if (!sender->items[i].request &&
		    (!sender->fns.may_write(sender->userdata) || !send_next(sender, &sender->items[i])))
			return;
}

bool event_sender_is_idle(const struct event_sender *sender)
{
	size_t i;

	for (i = 0; i < EVENT_SENDER_AT_ONCE; i++)
		if (sender->items[i].request)
			return false;
	return true;
}

uint64_t event_sender_count(const struct event_sender *sender)
{
	return sender->n_sent;
}

static void on_due(void *userdata)
{
	struct event_sender *sender = userdata;

	sender->fns.due(sender->userdata);
}

void event_sender_free(struct event_sender *sender)
{
	size_t i;

	if (!sender)
		return;
	for (i = 0; i < EVENT_SENDER_AT_ONCE; i++)
		api_cancel(sender->items[i].request);
	loop_timer_free(sender->due);
	free(sender);
}

DEFINE_CLEANUP(struct event_sender *, event_sender_free);

int event_sender_new(struct sd_event *event, struct api *api, struct event_book *book,
		     const struct event_source *source, const struct event_sender_fns *fns, void *userdata,
		     struct event_sender **ret)
{
	cleanup(event_sender_freep) struct event_sender *sender = calloc(1, sizeof(*sender));
	int r;

	if (!sender)
		return -ENOMEM;
	sender->api = api;
	sender->book = book;
	sender->source = *source;
	sender->fns = *fns;
	sender->userdata = userdata;
	r = loop_timer_new(event, on_due, sender, &sender->due);
	if (r < 0)
		return r;
	*ret = take(sender);
	return 0;
}
