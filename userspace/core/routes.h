/* SPDX-License-Identifier: Apache-2.0 */
/* Which prefixes this node announces to which peer, with which attributes: DESIGN section 5's rules for BGPPeer and
 * BGPAdvertisement, all of them decided here. FRR text is made elsewhere (bgp/frr_config). */
#ifndef FAIRWAY_CORE_ROUTES_H
#define FAIRWAY_CORE_ROUTES_H

#include "userspace/core/plan.h"

enum route_kind { ROUTE_SERVICE_IP, ROUTE_POD_CIDR };

const char *route_kind_name(enum route_kind); /* "ServiceIP", "PodCIDR" */

struct community { /* standard (RFC 1997) as one 32-bit value, or large (RFC 8092) */
	bool large;
	uint32_t global, local1, local2; /* standard: high half, low half, 0 */
};

#define COMMUNITY_TEXT_MAX 48
char *community_format(const struct community *, char buffer[static COMMUNITY_TEXT_MAX]); /* "65000:1", "large:1:2:3" */
int community_compare(const struct community *, const struct community *);
/* "65000:1", "large:a:b:c", a well-known name ("no-export", …), or an alias of a Community object. 0 or -EINVAL. */
int community_resolve(const struct cluster *, const char *text, struct community *ret);

struct route { /* sorted by prefix, then peer */
	struct prefix prefix;
	enum route_kind kind;
	const char *peer;
	uint32_t local_pref; /* 0: unset or an external peer */
	struct community *communities; /* sorted, each once */
	size_t n_communities;
	struct strings services; /* "namespace/name", sorted: all that cause it; empty for PodCIDR */
};

struct routes {
	struct arena arena; /* owns everything below */
	struct route *items;
	size_t n;
	struct problems problems;
};

/* What this node's data path has accepted: "only an accepted service is announced". Sorted by service. NULL stands
 * for "all" (offline planning). */
struct accepted {
	const char *const *services; /* "namespace/name" */
	size_t n;
};

/* `plan` tells the served VIPs of each service (refused and conflicting ones are not in it). 0 or -ENOMEM. */
int routes_decide(const struct cluster *, const struct plan_options *, const struct node_plan *,
		  const struct accepted *, struct routes *ret);
void routes_done(struct routes *);

/* The peers that select this node and are usable (borrowed, sorted by name); problems of the others are added. */
int routes_peers(struct arena *, const struct cluster *, const char *node, const struct bgp_peer ***ret_peers,
		 size_t *ret_n, struct problems *);

#endif
