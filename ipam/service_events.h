/* SPDX-License-Identifier: Apache-2.0 */
/* Which Events a Service gets, and when (PURE). The names are those of Kubernetes' own service controller,
 * which dashboards know:
 *
 *   EnsuringLoadBalancer     its first address is about to be written
 *   EnsuredLoadBalancer      … is written
 *   UpdatedLoadBalancer      other addresses are
 *   DeletingLoadBalancer     it goes, or is ours no more
 *   DeletedLoadBalancer      every node has let go, and the finalizer is off
 *   SyncLoadBalancerFailed   (Warning) an address is not given or held too long, a write is refused
 *   UnAvailableLoadBalancer  (Warning) it has an address, and no node is there that may announce it
 *   Problem                  (Warning) as its condition Problem
 *
 * What a condition says is told when the condition turns to it, once the write of that was acknowledged: not
 * again while it stays so, nor for other words (a Problem's message is what its user wrote: it counts). */
#ifndef FAIRWAY_IPAM_SERVICE_EVENTS_H
#define FAIRWAY_IPAM_SERVICE_EVENTS_H

#include "ipam/allocator.h"
#include "ipam/event_book.h"
#include "ipam/node_reports.h"
#include "ipam/problem_book.h"

struct service_write;

enum service_event {
	SERVICE_ENSURING,
	SERVICE_ENSURED,
	SERVICE_UPDATED,
	SERVICE_DELETING,
	SERVICE_DELETED,
	SERVICE_FAILED,	       /* an address is not given */
	SERVICE_OVERDUE,       /* a node does not let go */
	SERVICE_WRITE_REFUSED, /* by the API server, for good */
	SERVICE_UNAVAILABLE,
	SERVICE_PROBLEM,
};

struct event_clock { /* when it is told */
	uint64_t now_msec;
	int64_t wall_usec;
};

/* `note` NULL: the event's own. All of these: 0 or -ENOMEM. */
int service_event_tell(struct event_book *, enum service_event, const struct meta *, const char *note,
		       struct event_clock);
int service_events_sending(struct event_book *, const struct meta *, const struct service_write *,
			   struct event_clock);
int service_events_written(struct event_book *, const struct meta *, const struct service_write *,
			   struct event_clock);

/* What a write of these conditions is to be told with once it is acknowledged. */
#define SERVICE_NOTES_MAX 3
struct service_notes {
	struct service_note {
		enum service_event event;
		char *text;
	} items[SERVICE_NOTES_MAX];
	size_t n;
};

void service_notes_done(struct service_notes *);
int service_notes_copy(const struct service_notes *, struct service_notes *ret);
/* `state` NULL: it has no address. `problem` NULL: nothing is wrong with it. */
int service_notes_decide(const struct service *, const struct allocation *, const struct service_state *state,
			 const struct service_problem *problem, struct service_notes *ret);
int service_notes_add(struct service_notes *, enum service_event, const char *reason, const char *message);
/* Is it another one than the Service's condition Problem says? */
bool service_problem_is_new(const struct service *, const struct service_problem *);

/* "192.0.2.1, 2001:db8::1" or "no address" */
void service_addresses_append(struct strbuf *, const struct service_write *);

#endif
