/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceIP allocation: which Service gets which address from which pool (DESIGN section 5, OUTPUTS "lbctl allocate").
 *
 * Pure and two-phased, as a controller starts: first every address found in statuses is taken, then the rest are
 * allocated, oldest first. Deterministic: the same cluster gives the same answer on every run. */
#ifndef FAIRWAY_IPAM_ALLOCATOR_H
#define FAIRWAY_IPAM_ALLOCATOR_H

#include "userspace/core/cluster.h"

struct allocation { /* one of our LoadBalancer Services; sorted by namespace, name */
	const char *namespace, *name;
	const char *pool; /* "" if none */
	struct addr addresses[2]; /* v4 before v6, or in the order of spec.ipFamilies */
	size_t n_addresses;
	bool kept;	    /* all of them were in the status */
	const char *reason; /* "" or a CamelCase word of OUTPUTS.md */
	const char *message;
	bool passing; /* it is the quota, of which others give up some in this run: the next one may say otherwise */
};

struct pool_usage { /* sorted by name */
	const char *name;
	uint64_t assigned_v4, available_v4;
	addr_number assigned_v6, available_v6; /* exact; printed as decimal strings. ::/0 has 2^128 addresses: not a valid pool */
	bool ready;
	const char *reason, *message; /* "", "Invalid", "Conflict", "Disabled" */
};

struct allocations {
	struct arena arena; /* owns everything below */
	struct allocation *services;
	size_t n_services;
	struct pool_usage *pools;
	size_t n_pools;
};

/* 0 or -ENOMEM; *ret is untouched on failure. */
int allocate(const struct cluster *, bool default_class, struct allocations *ret);
void allocations_done(struct allocations *);

/* Exit status 1 of the offline command: a request that was not satisfied or a pool that is refused (not a disabled one). */
bool allocations_satisfied(const struct allocations *);

void allocations_json(struct strbuf *, const struct allocations *); /* the contract of `lbctl allocate -o json` */

#endif
