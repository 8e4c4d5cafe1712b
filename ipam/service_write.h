/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be written to one Service (PURE): its status as read and what it should say -> one PATCH, or
 * none.
 *
 * A strategic merge patch of /status changes addresses, conditions and the finalizer in one write, so an
 * address never stands there without the finalizer, and leaves everything else alone. It is bound to the uid
 * and the resourceVersion that were read: a Service that changed meanwhile is read again first. Nothing that
 * is there is written again.
 *
 * Services of other classes are never touched, unless they were ours. The finalizer has a name that other
 * controllers use too; on a Service that is not ours (any more) it is ours if the condition Allocated is
 * there, for both are written together: the two go once, together. */
#ifndef FAIRWAY_IPAM_SERVICE_WRITE_H
#define FAIRWAY_IPAM_SERVICE_WRITE_H

#include "ipam/allocator.h"
#include "ipam/node_reports.h"
#include "ipam/problem_book.h"
#include "ipam/service_events.h"

#define CLEANUP_FINALIZER "service.kubernetes.io/load-balancer-cleanup"
#define CONDITION_PROBLEM "fairway.dev/Problem" /* True, or not there */

enum write_urgency {
	WRITE_NOTHING,
	WRITE_LAZY, /* only the wording of a condition */
	WRITE_SOON, /* a condition */
	WRITE_NOW,  /* an address or the finalizer */
};

struct service_write {
	enum write_urgency urgency;
	bool gives_addresses; /* ingress is written: the ledger must know before */
	bool had_addresses;   /* the status had others */
	bool adds_finalizer, removes_finalizer;
	struct addr addresses[2];
	size_t n_addresses;
	struct service_notes notes; /* to be told once it is acknowledged */
	struct strbuf body;
};

void service_write_done(struct service_write *);

/* Does the status show the allocation's addresses and no others? */
bool service_shows(const struct service *, const struct allocation *);

/* Has the Service all that is urgent, its addresses and the finalizer? */
bool service_is_settled(const struct service *, const struct allocation *);

/* A Service that is ours and not being deleted. `state` (of its addresses; NULL: it has none) and `problem`
 * (NULL: none) are borrowed. 0 or -ENOMEM. */
int service_write_decide(const struct service *, const struct allocation *, const struct service_state *state,
			 const struct service_problem *problem, int64_t now_sec, struct service_write *ret);
/* One that cannot be read (unusable): its problem alone, everything else stays. 0 or -ENOMEM. */
int service_write_problem(const struct service *, const struct service_problem *, int64_t now_sec,
			  struct service_write *ret);

/* Has a Service something of ours that must go: it is being deleted, or of another type or class? */
bool service_is_to_clean(const struct service *, bool default_class);
/* Takes finalizer (if it is there) and conditions away, once the addresses are let go. 0 or -ENOMEM. */
int service_write_clean(const struct service *, struct service_write *ret);

#endif
