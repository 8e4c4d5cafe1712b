/* SPDX-License-Identifier: Apache-2.0 */
/* Which Events are written, and when (PURE): events.k8s.io/v1 as Kubernetes' own controllers have them,
 * without storms.
 *
 * What is told again (same object, reason and note) within EVENT_SERIES_MSEC becomes a series of the first:
 * its count grows, and it is written again at most every EVENT_REPEAT_MSEC. Each object has a bucket of
 * EVENT_BURST writes that refills by one every EVENT_REFILL_MSEC, as client-go's; what finds it empty is
 * counted and not written. There is room for EVENT_RECORDS records; the oldest one that waits for nothing
 * goes first. Writes come out in the order in which they were told. */
#ifndef FAIRWAY_IPAM_EVENT_BOOK_H
#define FAIRWAY_IPAM_EVENT_BOOK_H

#include "userspace/core/cluster.h"

#define EVENT_SERIES_MSEC (10 * 60 * 1000)
#define EVENT_REPEAT_MSEC (60 * 1000)
#define EVENT_BURST	  25
#define EVENT_REFILL_MSEC (5 * 60 * 1000)
#define EVENT_TRIES	  4
#define EVENT_RETRY_MSEC  5000
#define EVENT_RECORDS	  4096
#define EVENT_NOTE_MAX	  1024 /* what the API server takes */

struct event {		       /* borrowed */
	enum object_kind kind; /* OBJECT_SERVICE or OBJECT_SERVICE_IP_POOL */
	const char *namespace, *name, *uid;
	bool warning;
	const char *reason, *action; /* static text */
	const char *note;	     /* hostile: bounded and escaped here */
};

struct event_source {	      /* who reports */
	const char *instance; /* --identity */
	uint64_t seed;	      /* makes names of Events unique over restarts */
};

struct event_book;
struct event_book *event_book_new(void); /* NULL: out of memory */
void event_book_free(struct event_book *);

int event_book_tell(struct event_book *, const struct event *, uint64_t now_msec,
		    int64_t now_usec); /* 0 or -ENOMEM */

struct event_write {	  /* borrowed from the book until the next call */
	bool again;	  /* PATCH of the series, else POST */
	const char *path; /* of the collection, or of the Event */
	const char *body;
	size_t length;
	size_t token; /* for event_book_answer() */
};
/* The next write that is due; false: none now, *ret_due_msec is when (UINT64_MAX: nothing waits). It counts
 * as under way until event_book_answer(). */
bool event_book_next(struct event_book *, const struct event_source *, uint64_t now_msec,
		     struct event_write *ret, uint64_t *ret_due_msec);
enum event_answer {
	EVENT_WRITTEN, /* or refused for good: it is not tried again */
	EVENT_GONE,    /* the Event of a series is not there any more: it is begun anew */
	EVENT_LATER, /* no answer, or too busy: EVENT_TRIES times, EVENT_RETRY_MSEC apart; then it is lost */
};
void event_book_answer(struct event_book *, size_t token, enum event_answer, uint64_t now_msec);
uint64_t event_book_dropped(
	const struct event_book *); /* how many were told and not written, by bucket or for want of room */

#endif
