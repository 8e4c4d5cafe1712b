/* SPDX-License-Identifier: Apache-2.0 */
/* The next hops of one route (PURE): which of several counts, and those of a nexthop object, which may be a
 * group of others. */
#ifndef FAIRWAY_DATAPATH_HOPS_H
#define FAIRWAY_DATAPATH_HOPS_H

#include "userspace/datapath/netlink.h"

/* A further one, as the kernel lists it, with its RTNH_F_…. The first that is alive becomes route->hop, best
 * one with a carrier; a dead one never does. The kernel calls a hop without carrier dead where the device's
 * settings say so. Each carries the route. */
void route_add_hop(struct route_info *, const struct hop_info *, unsigned flags);

struct nexthop_object {
	uint32_t members[8]; /* of a group; the first 8 of a larger one */
	unsigned n_members;
	struct hop_info hop; /* of one that is no group; ifindex 0: it leads nowhere */
	unsigned flags;	     /* RTNH_F_… */
};

typedef int nexthop_object_fn(void *userdata, uint32_t id, struct nexthop_object *ret);

/* Adds what the route's object has, asked for by `get` (-ENETUNREACH: it is gone). 0, -ENETUNREACH (the
 * object is gone, or has no next hop), or what `get` returned. */
int route_add_object(struct route_info *, nexthop_object_fn *get, void *userdata);

#endif
