/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to the API server (EDGE): one at a time for each object, many objects at once, and never a stale
 * one.
 *
 * A round of the controller computes what should be written now and hands it over whole; what the round
 * before wanted and is not sent yet is forgotten. So nothing is ever sent that was decided on an older world,
 * and a failed write needs no queue: the next round wants it again, not before its backoff is over. An object
 * is left alone
 *
 * - while a write of it is under way, and until the watch has shown what that write made (its version);
 * - after a failure, a conflict too, for 0.1 s and then twice as long up to 30 s. By then the watch has
 *   mostly shown what was in the way;
 * - as to its status, when that is answered with 404 and the object stays: its CRD is too old, or missing. It
 *   is tried again when the object changes, or after 5 minutes; told once for the kind;
 * - as to its status, when our role lacks the right to it for the kind, in a namespace: one object is tried,
 *   after 0.2 to 30 s, all go when it is let through; told once for the kind (forbidden.h);
 * - a condition or a pool's count for 1 s after the last write, mere wording for 30 s: bursts are told once.
 *
 * Addresses go first, Events when nothing else is due; while addresses go out in a rush (rush.h) nothing else
 * goes. `may_write` is asked before each write and again when it leaves the API client's queue and goes out:
 * without leadership nothing does. */
#ifndef FAIRWAY_IPAM_OUTBOX_H
#define FAIRWAY_IPAM_OUTBOX_H

#include "ipam/event_book.h"
#include "ipam/outbox_write.h"
#include "k8s/api.h"

#define OUTBOX_AT_ONCE                                                                                       \
	56 /* writes under way: the API client sends 64 requests at once, and the Lease needs one */
#define OUTBOX_LATER_AT_ONCE 8 /* of those that are not urgent */

struct outbox;

struct outbox_fns { /* all from the loop, `sending` also from outbox_send() */
	bool (*may_write)(void *userdata);
	/* A write to a Service is about to be sent, over this version of it. Not 0: it is not sent. */
	int (*sending)(void *userdata, const struct meta *, const struct service_write *);
	/* It was acknowledged: `version` is what it made. `service` (without its body) is NULL for other
	 * kinds. */
	void (*acknowledged)(void *userdata, const struct meta *, const struct service_write *service,
			     uint64_t version);
	/* It was refused for good: nothing but a change of something else can help. It is tried again all the
	 * same. */
	void (*refused)(void *userdata, enum object_kind, const struct meta *, const char *message);
	void (*due)(void *userdata); /* what was held back may go now, or an answer came: decide anew */
};

int outbox_new(struct sd_event *, struct api *, struct event_book *, const struct event_source *,
	       const struct outbox_fns *, void *userdata, struct outbox **ret);
void outbox_free(struct outbox *); /* cancels what is under way: whether it was executed is not known then */

/* Is it worth deciding about this object now? False: it has to wait, and `due` will come. */
bool outbox_is_ready(struct outbox *, enum object_kind, const struct meta *, uint64_t now_msec);
void outbox_begin(struct outbox *); /* forgets what is not sent */
/* True: only WRITE_NOW leaves, the rest need not even be decided; `due` will come. */
bool outbox_holds_back(struct outbox *, uint64_t now_msec);
/* False: as much is queued as can leave before long; an answer to that brings the next round. */
bool outbox_has_room(const struct outbox *, bool urgent);
int outbox_add(struct outbox *, const struct outbox_write *, uint64_t now_msec); /* 0 or -ENOMEM */
void outbox_send(struct outbox *);
bool outbox_is_idle(const struct outbox *); /* nothing under way */
void outbox_stop(struct outbox *);	    /* sends nothing more; what is under way may end */

struct outbox_counts { /* since the start */
	uint64_t good, conflicts, refused, failed,
		unanswered; /* 2xx, 409, other 4xx, 429 and 5xx, no answer */
	uint64_t events;
	size_t n_queued, n_under_way; /* now */
};
struct outbox_counts outbox_counts(const struct outbox *);

#endif
