/* SPDX-License-Identifier: Apache-2.0 */
/* What ties services together, kept so that one changed service costs little: who claims which address, port and
 * protocol (the oldest wins), and which VIPs are some pod's address (they are refused). Used by plan alone.
 *
 * After -ENOMEM from plan_index_update() the index is stale: build a new one. */
#ifndef FAIRWAY_CORE_PLAN_INDEX_H
#define FAIRWAY_CORE_PLAN_INDEX_H

#include "userspace/core/frontends.h"

struct owner { /* a service that claims something; its strings are its own */
	char *namespace, *name;
	int64_t created_sec;
	struct drafts drafts; /* what it claims */
	bool stale;	      /* inside plan_index_update(): leaves with its claims */
};

struct claim { /* sorted by address, port, protocol, then the elder owner */
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
	struct owner **owners; /* sorted by namespace, name */
	size_t n_owners, owners_capacity;
	struct claim *claims;
	size_t n_claims, claims_capacity;
	struct shadow *shadows;
	size_t n_shadows, shadows_capacity;
	bool stale;
};

/* A growing set of "namespace/name", owned. */
struct service_names {
	char **items;
	size_t n, capacity;
};
void service_names_done(struct service_names *);
int service_names_add(struct service_names *, const char *namespace, const char *name);
void service_names_sort_unique(struct service_names *);

struct plan_index *plan_index_new(const struct cluster *, const struct plan_options *); /* NULL: out of memory */
void plan_index_free(struct plan_index *);

/* Services of which the Service or its slices changed. Services that gain or lose an address or a VIP's good standing
 * through it are added to *affected. 0 or -ENOMEM. */
int plan_index_update(struct plan_index *, const struct cluster *, const struct plan_options *,
		      const struct strings *changed, struct service_names *affected);

/* The owner whose claim holds: the eldest. NULL if nobody claims it. */
const struct owner *plan_index_winner(const struct plan_index *, const struct addr *, uint16_t port, enum l4_protocol);
bool plan_index_in_pool(const struct plan_index *, const struct addr *);
/* "namespace/service" of an endpoint with this VIP's address, or NULL. */
const char *plan_index_shadow(const struct plan_index *, const struct addr *);

#endif
