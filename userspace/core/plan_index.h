/* SPDX-License-Identifier: Apache-2.0 */
/* What ties services together, kept so that one changed service costs little: who claims which address, port
 * and protocol (the oldest wins), and which VIPs are some pod's address (they are refused). Used by plan
 * alone.
 *
 * After -ENOMEM from plan_index_update() the index is stale: build a new one. */
#ifndef FAIRWAY_CORE_PLAN_INDEX_H
#define FAIRWAY_CORE_PLAN_INDEX_H

#include "userspace/core/frontends.h"
#include "userspace/core/service_names.h"

struct owner { /* a service that claims something; its strings are its own */
	char *namespace, *name;
	int64_t created_sec;
	struct drafts drafts; /* what it claims */
	bool stale;	      /* inside plan_index_update(): leaves with its claims */
};

struct claim { /* sorted by address, port, protocol, external IPs last, then the elder owner */
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	enum frontend_type type;
	const struct owner *owner;
};

struct shadow { /* a claimed VIP that is an endpoint of `by` ("namespace/service"); sorted by address, by */
	struct addr addr;
	char *by;
};

struct plan_index {
	struct arena arena; /* of own */
	struct own_addresses own;
	struct addr_range *pool_ranges; /* of all pools, broken ones left out */
	size_t n_pool_ranges, pool_ranges_capacity;
	struct prefix *pod_cidrs; /* of all nodes */
	size_t n_pod_cidrs, pod_cidrs_capacity;
	struct owner **owners; /* sorted by namespace, name */
	size_t n_owners, owners_capacity;
	struct claim *claims;
	size_t n_claims, claims_capacity;
	struct shadow *shadows;
	size_t n_shadows, shadows_capacity;
	bool stale;
};

struct plan_index *plan_index_new(const struct cluster *,
				  const struct plan_options *); /* NULL: out of memory */
void plan_index_free(struct plan_index *);

/* Services of which the Service or its slices changed. Services that gain or lose an address or a VIP's good
 * standing through it are added to *affected. 0 or -ENOMEM. */
int plan_index_update(struct plan_index *, const struct cluster *, const struct plan_options *,
		      const struct strings *changed, struct service_names *affected);

/* The owner whose claim holds: the eldest, of those with more than an external IP if there are any. NULL:
 * nobody. */
const struct owner *plan_index_winner(const struct plan_index *, const struct addr *, uint16_t port,
				      enum l4_protocol);
bool plan_index_in_pool(const struct plan_index *, const struct addr *);
/* "namespace/service" of an endpoint that is a pod with this VIP's address, or NULL. Endpoints are a tenant's
 * word: in another namespace than the VIP's they count only where no pool has the address, or a node has it
 * for pods. */
const char *plan_index_shadow(const struct plan_index *, const char *namespace, const struct addr *);

/* --- between plan_index.c and plan_shadows.c  --- */

/* The first claim that is not before the place. */
size_t plan_index_claim_position(const struct plan_index *, const struct addr *, uint16_t port,
				 enum l4_protocol);
bool plan_index_in_pod_cidr(const struct plan_index *, const struct addr *);
bool plan_index_claims_vip(const struct plan_index *,
			   const struct addr *); /* is it a VIP that somebody claims? */

/* VIPs to look for in all slices: a dense, sorted array, since there may be many endpoints to hold against
 * it. */
struct plan_vips {
	struct addr *items;
	size_t n, capacity;
};
void plan_vips_done(struct plan_vips *);
int plan_vips_add_owner(struct plan_vips *, const struct owner *); /* unsorted; 0 or -ENOMEM */
void plan_vips_sort(struct plan_vips *);

/* Looks for `vips`, or for every claimed VIP if that is NULL. Appends; plan_shadows_sort() at the end.
 * `affected` may be NULL. */
int plan_shadows_scan(struct plan_index *, const struct endpoint_slice *const *slices, size_t n_slices,
		      const struct plan_vips *vips, struct service_names *affected);
void plan_shadows_sort(struct plan_index *);
/* Shadows thrown by changed services, and those of addresses that nobody claims any more, go. 0 or -ENOMEM.
 */
int plan_shadows_drop(struct plan_index *, const struct strings *changed, struct service_names *affected);

#endif
