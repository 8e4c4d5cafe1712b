/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to the API server (EDGE): what the event_book wants written, a few at a time. */
#ifndef FAIRWAY_IPAM_EVENT_SENDER_H
#define FAIRWAY_IPAM_EVENT_SENDER_H

#include "ipam/event_book.h"
#include "k8s/api.h"

#define EVENT_SENDER_AT_ONCE 4

struct event_sender;

struct event_sender_fns {		   /* from the loop */
	bool (*may_write)(void *userdata); /* asked before each, and again when it leaves */
	void (*due)(void *userdata); /* there is room, or one has become due: call event_sender_send() */
};

/* api and book must outlive it. 0 or -ENOMEM. */
int event_sender_new(struct sd_event *, struct api *, struct event_book *, const struct event_source *,
		     const struct event_sender_fns *, void *userdata, struct event_sender **ret);
void event_sender_free(struct event_sender *); /* cancels what is under way */
void event_sender_send(struct event_sender *); /* what is due, as far as there is room */
bool event_sender_is_idle(const struct event_sender *);
uint64_t event_sender_count(const struct event_sender *); /* how many were sent */

#endif
