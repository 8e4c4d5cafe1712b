/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one allocation run (run.c), shared by allocator.c (the two phases), offer.c (what a pool would give),
 * answer.c (reasons and messages) and allocations.c (the outcome). Internal to ipam/. */
#ifndef FAIRWAY_IPAM_RUN_H
#define FAIRWAY_IPAM_RUN_H

#include "ipam/allocator.h"
#include "ipam/sharing.h"
#include "ipam/used.h"

struct claim { /* one LoadBalancer Service */
	const struct service *service;
	bool ours;	       /* else only its addresses count */
	const struct tenant *tenant;
	struct request request;
	struct sharing_group *group; /* NULL without a key */
	struct addr held[SLOT_COUNT];	/* in its status and rightly its own */
	struct addr result[SLOT_COUNT]; /* what it has after the run */
	const char *reason;		/* "" or what was not granted; a lost address is said first and stays */
	const char *message;
};

struct run {
	struct arena arena;
	struct pool_book book;
	struct used used;
	struct claim *claims; /* oldest first: creationTimestamp, namespace, name */
	size_t n_claims;
	struct tenant *tenants; /* of the claims that are ours; sorted by name */
	size_t n_tenants;
	struct pool **candidates; /* scratch, n_pools long */
};

int run_init(struct run *, const struct cluster *, bool default_class); /* run_done() also after a failure */
void run_done(struct run *);
int run_hold(struct run *, struct claim *, const struct addr *); /* 0 or -ENOMEM */
void run_leave(struct run *, struct claim *, const struct addr *); /* it stays taken for the rest of the
	run, and costs its quota: it may be there still */

int allocations_write(struct allocations *ret, const struct run *); /* 0 or -ENOMEM; allocations_done() either way */

struct sharer claim_sharer(const struct claim *);

/* --- offer.c: what one pool would give one Service, without giving it ---------------------------------- */

#define QUOTA_EXCEEDED "QuotaExceeded"

enum refusal { /* in answer.c each has its reason and its rank */
	REFUSED_NOT,
	REFUSED_NAMESPACE,
	REFUSED_LABELS,
	REFUSED_MANUAL, /* autoAssign: false, and neither named nor asked for an address */
	REFUSED_UNHEALTHY, /* Invalid or Conflict */
	REFUSED_DISABLED,
	REFUSED_FAMILY,	   /* the pool has no address of the family */
	REFUSED_EXHAUSTED,
	REFUSED_QUOTA,
	REFUSED_OUTSIDE,   /* the requested address is not in the pool */
	REFUSED_AVOIDED,   /* … is one that avoidBuggyIPs keeps out of use */
	REFUSED_IN_USE,	   /* … is another's */
	REFUSED_SHARING,   /* … is another's, and the Service has a key, but the sharing rule says no */
};

struct offer {
	struct pool *pool;
	enum refusal gate;			/* the pool gives this Service nothing at all */
	enum refusal refusals[SLOT_COUNT];	/* of the families that are wanted */
	const struct claim *in_the_way[SLOT_COUNT]; /* REFUSED_IN_USE, REFUSED_SHARING: the oldest such holder */
	const char *sharing_why[SLOT_COUNT];
	struct addr addrs[SLOT_COUNT];
	unsigned n_given, n_joined;
};

/* `by_name`: the Service named the pool or asked for one of its addresses. */
struct offer offer_of_pool(const struct run *, const struct claim *, struct pool *, bool by_name);
bool offer_fits(const struct claim *, const struct offer *); /* all that the Service needs is in it */
bool offer_is_better(const struct claim *, const struct offer *, const struct offer *than);
const struct claim *holder_in_the_way(const struct run *, const struct claim *, const struct addr *,
				      const char **ret_why); /* one that it may not share with; NULL: none */
int note_holder(struct run *, struct used_address *); /* after used_hold(): the newest holder. 0 or -ENOMEM */
/* Does another Service of the same namespace hold it? Then it costs no quota. `entry` may be NULL. */
bool tenant_holds(const struct run *, const struct claim *, const struct used_address *entry);

/* --- answer.c: reasons and messages -------------------------------------------------------------------- */

int answer_lost(struct run *, struct claim *, const char *reason, const struct addr *, const struct claim *in_the_way,
		const char *sharing_why);
int answer_refused(struct run *, struct claim *, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int answer_wish_refused(struct run *, struct claim *, const char *reason, const struct wish *, const char *why);
/* The reason of the pool that came closest, and what each said. */
int answer_no_offer(struct run *, struct claim *, struct pool *const *candidates, size_t n_candidates, bool by_name);
void append_decimal(struct strbuf *, addr_number);

#endif
