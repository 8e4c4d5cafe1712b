// SPDX-License-Identifier: Apache-2.0
/* One next hop after the other: see hops.h. */
#include "userspace/datapath/hops.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "userspace/base/cleanup.h"

/* The lower, the better. */
enum liveliness { HOP_ALIVE, HOP_WITHOUT_CARRIER, HOP_DEAD };

static enum liveliness liveliness_of(unsigned flags)
{
	return flags & RTNH_F_DEAD ? HOP_DEAD : flags & RTNH_F_LINKDOWN ? HOP_WITHOUT_CARRIER : HOP_ALIVE;
}

void route_add_hop(struct route_info *route, const struct hop_info *hop, unsigned flags)
{
	enum liveliness best = route->hop.ifindex ? liveliness_of(route->hop_flags) : HOP_DEAD;

	if (!hop->ifindex)
		return;
	if (liveliness_of(flags) < best) {
		route->hop = *hop;
		route->hop_flags = flags;
	}
	if (route->n_ifindex < ARRAY_SIZE(route->ifindex))
		route->ifindex[route->n_ifindex++] = hop->ifindex;
}

int route_add_object(struct route_info *route, nexthop_object_fn *get, void *userdata)
{
	struct nexthop_object object, member;
	int r = get(userdata, route->nexthop_id, &object);

	if (r < 0)
		return r;
	route_add_hop(route, &object.hop, object.flags);
	for (unsigned i = 0; i < object.n_members; i++) {
		r = get(userdata, object.members[i], &member);
		if (r == 0)
			route_add_hop(route, &member.hop, member.flags);
		else if (r != -ENETUNREACH) /* that one is gone; the group has another since */
			return r;
	}
	return route->n_ifindex ? 0 : -ENETUNREACH;
}
