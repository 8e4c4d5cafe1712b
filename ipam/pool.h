/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceIPPools as the allocator sees them (PURE): which ranges are valid, which pools are in conflict, in which order
 * they are tried, whom they select, which address is the lowest free one, and the counts.
 *
 * A pool's health decides what it may give, never what it holds: an address stays with its Service while any pool that
 * can be read contains it. A CIDR with host bits makes its pool Invalid but contains what the rounded one contains, so
 * that a slip of the pen takes nobody's address away.
 *
 * Conflict is decided pair by pair between pools that are not Invalid, disabled ones included (they keep addresses and
 * may be enabled at any time). An elder in conflict with a still older one defeats the younger all the same: which
 * pools give must not depend on a chain of others.
 *
 * Sizes are exact: 128-bit arithmetic, nothing is clamped and nothing is enumerated. */
#ifndef FAIRWAY_IPAM_POOL_H
#define FAIRWAY_IPAM_POOL_H

#include "userspace/core/cluster.h"

enum pool_health { POOL_READY, POOL_DISABLED, POOL_CONFLICT, POOL_INVALID };

enum { SLOT_IPV4, SLOT_IPV6, SLOT_COUNT }; /* index of everything that exists per family */

static inline unsigned family_slot(enum addr_family family)
{
	return family == ADDR_IPV6 ? SLOT_IPV6 : SLOT_IPV4;
}

struct pool_slot { /* one family of one pool */
	size_t first_range, end_range; /* of ranges[] */
	addr_number usable;	       /* how many addresses may be given: without .0 and .255 if avoided */
	addr_number in_use;	       /* of the usable ones, held by whomever; kept by pool_book_count() */
	size_t cursor_range;	       /* no usable address below {cursor_range, cursor} is free */
	addr_number cursor;
};

struct pool {
	const struct service_ip_pool *spec;
	struct addr_range *ranges; /* sorted; disjoint unless in Conflict or Invalid */
	size_t n_ranges;
	struct pool_slot slots[SLOT_COUNT];
	bool unreadable; /* an entry of spec.addresses says nothing: what it held is unknown */
	enum pool_health health;
	const char *message;		/* why not ready; "" */
	uint32_t *held_by_tenant;	/* addresses per namespace, for the quota; NULL without one */
	bool *left_by_tenant;		/* … of which some are given up in this run; NULL likewise */
};

struct pool_book {
	struct pool *pools; /* by name */
	size_t n_pools;
	struct pool **by_owner; /* who owns an address: not Invalid before Invalid, elder first */
	struct pool **by_preference; /* the order in which pools are tried */
	bool any_unreadable;
};

/* A namespace with the labels that the API server gives it (kubernetes.io/metadata.name), also without an object. */
struct tenant {
	const char *name;
	struct labels labels;
};

enum pool_choice { POOL_SELECTS, POOL_NOT_NAMESPACE, POOL_NOT_LABELS };

/* All memory is the arena's. 0 or -ENOMEM. `n_tenants` sizes the quota counters. */
int pool_book_init(struct pool_book *ret, struct arena *, const struct cluster *, size_t n_tenants);
int tenant_init(struct tenant *ret, struct arena *, const struct cluster *, const char *name);

/* What an administrator set: a serviceAllocation before none, then its priority. 0: only their names tell them apart. */
int pool_compare_rank(const struct pool *, const struct pool *);
struct pool *pool_book_find(const struct pool_book *, const char *name); /* or NULL */
struct pool *pool_book_owner(const struct pool_book *, const struct addr *); /* or NULL: in no pool */
void pool_book_count(struct pool *owner, const struct addr *); /* an address became used; owner may be NULL */

bool pool_contains(const struct pool *, const struct addr *);
bool pool_has_family(const struct pool *, enum addr_family);
bool pool_avoids(const struct pool *, const struct addr *); /* .0 or .255 while avoidBuggyIPs */
enum pool_choice pool_selects(const struct pool *, const struct service *, const struct tenant *);

/* The lowest usable address for which is_used() is false. Addresses never become free while a book lives, so the
 * search goes on where it ended: the whole run costs one step per used address. */
typedef bool pool_used_fn(const void *userdata, const struct addr *);
bool pool_lowest_free(struct pool *, enum addr_family, pool_used_fn *is_used, const void *userdata,
		      struct addr *ret);

#endif
