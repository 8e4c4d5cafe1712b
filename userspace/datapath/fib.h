/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's rules and routes of one family as they were dumped, and the route that they lead a packet to
 * (PURE): for where the kernel's own answer is known to be wrong (routes.h).
 *
 * The packet is one of this node without a source address, mark, port or protocol, as RTM_GETROUTE has it
 * without more. Not followed: a rule's suppress_ifgroup, the preference of routers that advertise themselves.
 */
#ifndef FAIRWAY_DATAPATH_FIB_H
#define FAIRWAY_DATAPATH_FIB_H

#include <stddef.h>

#include "userspace/datapath/netlink.h"

struct fib_route {
	struct prefix prefix;
	uint32_t table, metric;
	uint32_t nexthop_id; /* 0: no nexthop object */
	struct hop_info hop;
};

struct fib { /* { 0 }: no rules, so no routes either */
	struct fib_route *routes;
	size_t n_routes, routes_capacity;
	struct rule_info *rules;
	size_t n_rules, rules_capacity;
	bool lengths[129]; /* of prefixes, which ones occur */
};

void fib_done(struct fib *); /* it is { 0 } again */
/* 0 or -ENOMEM. Left out: routes for some sources only, and those of which no next hop is alive. */
int fib_add_route(struct fib *, const struct route_info *);
int fib_add_rule(struct fib *, const struct rule_info *);
void fib_finish(struct fib *); /* before the first look-up */
/* Borrowed. NULL: there is none, or a rule forbids. */
const struct fib_route *fib_lookup(const struct fib *, const struct addr *);

#endif
