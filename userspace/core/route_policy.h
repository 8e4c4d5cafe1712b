/* SPDX-License-Identifier: Apache-2.0 */
/* Everything about announcements that doesn't depend on a single service: BGPAdvertisements with their communities
 * resolved, pools with their ranges parsed, and for each advertisement the nodes that may announce under it. Computed once
 * per change of those objects, for every node, not only this one: `maxNextHops` needs to know whom it chooses from. */
#ifndef FAIRWAY_CORE_ROUTE_POLICY_H
#define FAIRWAY_CORE_ROUTE_POLICY_H

#include "userspace/core/community.h"
#include "userspace/core/plan.h"

struct policy_pool { /* elder first: of two pools that overlap, the younger gives no address */
	const struct service_ip_pool *object;
	struct addr_range *ranges; /* sorted, adjacent and overlapping ones joined */
	size_t n_ranges;
	bool *nodes; /* its nodeSelectors, by node */
};

struct policy_advert { /* a usable BGPAdvertisement, or what stands for "no advertisement at all" */
	const struct bgp_advertisement *object;
	struct community *communities; /* sorted, each once */
	size_t n_communities;
	bool *pools;	/* by pool; NULL: every address, also one of no pool */
	bool *peers;	/* by peer of this node */
	bool *nodes[2]; /* by node: may announce IPv4, IPv6 under it, as far as that is no matter of the service */
};

struct policy_peer {
	const struct bgp_peer *object;
	bool internal;
};

struct policy_node_peers {
	const struct bgp_peer **items;
	size_t n;
	bool known;
};

struct route_policy {
	struct arena arena; /* owns the arrays; objects are borrowed from the cluster */
	const struct node **nodes; /* sorted by name */
	size_t n_nodes;
	size_t self; /* this node; SIZE_MAX: unknown, it announces nothing */
	struct policy_peer *peers; /* of this node, sorted by name */
	size_t n_peers;
	struct policy_pool *pools;
	size_t n_pools;
	struct policy_node_peers *node_peers; /* by node, each when it was asked for */
	struct policy_advert *adverts; /* sorted by name */
	size_t n_adverts;
	struct problems problems;
};

int route_policy_init(const struct cluster *, const struct plan_options *, struct route_policy *ret); /* 0 or -ENOMEM */
void route_policy_done(struct route_policy *);

/* What is wrong with an advertisement whatever the node, as problems; *ret_usable: it is used all the same. 0 or -ENOMEM. */
int route_policy_check(const struct cluster *, const struct bgp_advertisement *, struct problems *, bool *ret_usable);
bool route_policy_selects_everything(const struct bgp_advertisement *); /* it names and selects no pools: every address, also one of none */
bool route_policy_selects_pool(const struct bgp_advertisement *, const struct service_ip_pool *); /* else: by name or labels */
bool route_policy_selects_peer(const struct bgp_advertisement *, const struct bgp_peer *);
bool policy_peer_takes(const struct policy_peer *, enum addr_family); /* addressFamilies */
/* The pool that gave this address, or NULL. */
const struct policy_pool *route_policy_pool(const struct route_policy *, const struct addr *);
/* Is the whole prefix the pool's? NULL: no pool, nothing is. */
bool policy_pool_covers(const struct policy_pool *, const struct prefix *);

/* SEMANTICS L8 and DESIGN section 5: why this node may attract no traffic for ServiceIPs at all; NULL: it may. */
const char *node_why_no_services(const struct node *);

#endif
