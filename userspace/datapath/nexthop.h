/* SPDX-License-Identifier: Apache-2.0 */
/* Next hops of backends on other nodes (EDGE): which MAC address behind which interface a packet to them must
 * carry.
 *
 * The kernel's tables stay the only truth: its route to each backend gives a gateway (or the backend itself
 * where it is on the link), its neighbour table the gateway's MAC. A gateway that backends need is resolved
 * and kept fresh as long as they need it. While the kernel cannot be asked, what it said last counts. Work is
 * done per gateway and per longest prefix, not per backend. */
#ifndef FAIRWAY_DATAPATH_NEXTHOP_H
#define FAIRWAY_DATAPATH_NEXTHOP_H

#include <stddef.h>

#include "userspace/datapath/netlink.h"

struct nexthops;

/* Told whenever a backend's next hop becomes another one. mac NULL: there is none at present; ifindex then
 * tells behind which interface it is being looked for, 0: there is no route. */
typedef void next_hop_fn(void *userdata, uint32_t backend_id, uint32_t ifindex, const uint8_t *mac);

/* `event` may be NULL (tests): then nexthops_tick() and nexthops_reload() are the caller's to call. */
int nexthops_new(struct sd_event *event, struct netlink *, next_hop_fn *, void *userdata,
		 struct nexthops **ret);
void nexthops_free(struct nexthops *);

/* From now on the backend's next hop is looked after; told at once if it is known. 0 or -ENOMEM. */
int nexthops_watch(struct nexthops *, uint32_t backend_id, const struct addr *);
void nexthops_forget(struct nexthops *, uint32_t backend_id);

/* A packet needed it and found none: the neighbour is asked at once. */
void nexthops_wanted(struct nexthops *, uint32_t backend_id);

/* Events. A change of routes is acted upon a little later, many together. */
void nexthops_routes_changed(struct nexthops *);
void nexthops_neighbour_changed(struct nexthops *, const struct neighbour_info *, bool gone);
int nexthops_reload(struct nexthops *, bool neighbours_too); /* now; after lost events with every neighbour */
void nexthops_tick(struct nexthops *); /* resolve what is missing, refresh what is stale */

struct next_hop_summary {
	size_t backends, unresolved_backends, gateways, unresolved_gateways;
	struct addr example; /* an unresolved gateway or backend; ADDR_NONE: none */
	bool no_route;	     /* the example has no route at all */
};
void nexthops_summary(const struct nexthops *, struct next_hop_summary *ret);

#endif
