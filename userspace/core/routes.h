/* SPDX-License-Identifier: Apache-2.0 */
/* Which prefixes this node announces to which peer, with which attributes: DESIGN section 5's rules for BGPPeer and
 * BGPAdvertisement, all of them decided here. FRR text is made elsewhere (bgp/frr_config). */
#ifndef FAIRWAY_CORE_ROUTES_H
#define FAIRWAY_CORE_ROUTES_H

#include "userspace/core/community.h"
#include "userspace/core/plan.h"

enum route_kind { ROUTE_SERVICE_IP, ROUTE_POD_CIDR };

const char *route_kind_name(enum route_kind); /* "ServiceIP", "PodCIDR" */

struct route { /* sorted by prefix, then peer; one per prefix and peer: what this peer will receive */
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

/* What this node's data path has accepted: "only an accepted service is announced". Sorted by service, as strcmp() sorts
 * "namespace/name". NULL stands for "all" (offline planning). */
struct accepted {
	const char *const *services; /* "namespace/name" */
	size_t n;
};

/* `plan` tells the served VIPs of each service (refused and conflicting ones are not in it). A service that is being
 * deleted has none: its routes go first, then its frontends, then, when no node lists it any more, its address. Not announced
 * is one whose node-selector can't be read: it narrows, so guessing would announce from nodes that were ruled out.
 * 0 or -ENOMEM; *ret untouched then. */
int routes_decide(const struct cluster *, const struct plan_options *, const struct node_plan *,
		  const struct accepted *, struct routes *ret);
void routes_done(struct routes *);

/* The same decision, remembering what each service contributes, so that a change of one service among ten thousand costs
 * what that service costs and one pass over the rest. `changed` (sorted, each once) as in plan_update(): only Services and
 * EndpointSlices changed, and no others; NULL: anything may have changed, everything is decided anew. After -ENOMEM the book
 * is empty and the next update decides everything. The book borrows nodes, pools, peers and advertisements of the cluster
 * between calls; a change of those comes with NULL. */
struct routes_book;
struct routes_book *routes_book_new(void); /* NULL: out of memory */
void routes_book_free(struct routes_book *);
int routes_book_update(struct routes_book *, const struct cluster *, const struct plan_options *,
		       const struct node_plan *, const struct strings *changed, const struct accepted *,
		       struct routes *ret);

/* Does this node's LBNode name the service ("namespace/name") when all is well with it? In a cluster of at most
 * ROUTE_REPORT_ALL_NODES nodes each does. Else, of the nodes that announce it, the ROUTE_REPORTERS with the highest rendezvous scores do, those of an advertisement's maxNextHops among them; where the node
 * announces nothing of it, the first of all nodes. So whenever anybody announces it, somebody says so. */
#define ROUTE_REPORTERS	       8
#define ROUTE_REPORT_ALL_NODES 16
bool routes_book_is_reporter(const struct routes_book *, const char *service);

/* The peers that select this node and are usable (borrowed, sorted by name); problems of the others are added. See peers.h. */
int routes_peers(struct arena *, const struct cluster *, const struct plan_options *,
		 const struct bgp_peer ***ret_peers, size_t *ret_n, struct problems *);

#endif
