// SPDX-License-Identifier: Apache-2.0
/* The dump is made for the first destination that the kernel calls unreachable, and serves the others. */
#include "userspace/datapath/routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

struct collection {
	struct fib *fib;
	int error;
};

static void collect_route(void *userdata, const struct route_info *route)
{
	struct collection *collection = userdata;

	if (collection->error == 0)
		collection->error = fib_add_route(collection->fib, route);
}

static void collect_rule(void *userdata, const struct rule_info *rule)
{
	struct collection *collection = userdata;

	if (collection->error == 0)
		collection->error = fib_add_rule(collection->fib, rule);
}

static const struct rule_info only_table = {
	.action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN, .ours = true, .suppressed_length = -1
};

static int routes_read(struct routes *routes)
{
	struct collection collection = { &routes->fib, 0 };
	int r;

	if (routes->read)
		return 0;
	r = netlink_each_rule(routes->netlink, ADDR_IPV6, collect_rule, &collection);
	if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP) /* a kernel with one table and no rules */
		r = fib_add_rule(&routes->fib, &only_table);
	if (r == 0)
		r = netlink_each_route(routes->netlink, ADDR_IPV6, collect_route, &collection);
	if (r == 0)
		r = collection.error;
	if (r < 0) {
		fib_done(&routes->fib);
		return r;
	}
	fib_finish(&routes->fib);
	routes->read = true;
	return 0;
}

static int hop_of(struct netlink *netlink, const struct fib_route *found, struct hop_info *ret)
{
	struct route_info route = {
		.destination = found->prefix,
		.type = found->hop.type,
		.nexthop_id = found->nexthop_id,
		.hop = found->hop,
	};
	int r = found->hop.ifindex ? 0 : netlink_route_complete(netlink, &route);

	if (r == 0 && !route.hop.ifindex) /* all that it has are dead */
		r = -ENETUNREACH;
	if (r == 0)
		*ret = route.hop;
	return r;
}

int routes_ask(struct routes *routes, const struct addr *destination, struct hop_info *ret)
{
	int r = netlink_route_get(routes->netlink, destination, ret);
	const struct fib_route *route;

	if (r != -ENETUNREACH || destination->family != ADDR_IPV6)
		return r;
	r = routes_read(routes);
	if (r < 0)
		return r;
	route = fib_lookup(&routes->fib, destination);
	if (!route || !route->nexthop_id || route->hop.type != RTN_UNICAST)
		return -ENETUNREACH;
	return hop_of(routes->netlink, route, ret);
}

void routes_forget(struct routes *routes)
{
	fib_done(&routes->fib);
	routes->read = false;
}
