/* SPDX-License-Identifier: Apache-2.0 */
/* What one service contributes: for each of its VIPs and each advertisement that matches, the prefix it wants announced from
 * this node. Merging the offers of all services into routes is the second step (routes.c). */
#ifndef FAIRWAY_CORE_ROUTE_OFFERS_H
#define FAIRWAY_CORE_ROUTE_OFFERS_H

#include "userspace/core/route_policy.h"

struct route_offer {
	struct prefix prefix;
	size_t advert; /* index into the policy's adverts */
};

struct route_offers {
	struct route_offer *items; /* malloc'ed; sorted by prefix, advert, each once */
	size_t n, capacity;
	bool reporter; /* this node is among those whose LBNode names the service, see routes_book_is_reporter() */
};

/* 0 or -ENOMEM; adds to `ret`, which starts empty, and to `problems`. */
int route_offers_of_service(const struct route_policy *, const struct cluster *, const struct plan_options *,
			    const struct service *, const struct service_plan *, struct route_offers *ret,
			    struct problems *);
int route_offers_of_node(const struct route_policy *, struct route_offers *ret, struct problems *); /* its PodCIDRs */
/* The Service's own annotation; *ret_valid false: it cannot be read, which is a problem. 0 or -ENOMEM. */
int route_node_selector(struct arena *, const struct service *, struct selector *ret, bool *ret_valid,
			struct problems *);
int route_offer_compare(const struct route_offer *, const struct route_offer *);

#endif
