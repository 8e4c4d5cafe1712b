/* SPDX-License-Identifier: Apache-2.0 */
/* Which services this node's data path serves, so that they may be announced (PURE): the one value that
 * flows back from the kernel to a decision.
 *
 * A service is accepted once every LoadBalancer frontend of its plan stands in `applied` exactly as
 * wanted. One that was accepted before stays so while each of its VIPs has a frontend in the maps: when a
 * later change does not fit (a full map, no room for a larger table), the old backends go on serving and
 * the failure is a problem that is shown, for withdrawing the route would turn a stale table into an
 * outage. */
#ifndef FAIRWAY_AGENT_ACCEPTED_H
#define FAIRWAY_AGENT_ACCEPTED_H

#include "userspace/core/diff.h"
#include "userspace/core/plan.h"
#include "userspace/core/routes.h"

struct accepted_set {
	struct arena arena; /* owns the names */
	const char **services; /* "namespace/name", sorted by strcmp */
	size_t n;
};

/* `before`: the previous set; NULL at start, when whatever the maps hold was accepted by the agent that
 * wrote it. 0 or -ENOMEM; *ret is untouched on failure. `before` may not be `ret`. */
int accepted_decide(const struct node_plan *, const struct applied *, const struct accepted_set *before,
		    struct accepted_set *ret);
void accepted_done(struct accepted_set *);
bool accepted_contains(const struct accepted_set *, const char *service);
struct accepted accepted_view(const struct accepted_set *); /* borrowed, for routes_decide() */

/* Does this frontend stand in the maps as the plan wants it (verdict, table, affinity, ranges)? */
bool frontend_stands(const struct applied *, const struct service_plan *, const struct frontend *);

#endif
