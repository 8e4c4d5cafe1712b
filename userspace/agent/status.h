/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for the control socket, collected from a running agent (EDGE: counters and FRR are read live).
 * Everything that is collected lives in the caller's arena or is borrowed from the agent, until the loop
 * runs again. */
#ifndef FAIRWAY_AGENT_STATUS_H
#define FAIRWAY_AGENT_STATUS_H

#include "userspace/agent/agent.h"
#include "userspace/agent/metrics.h"
#include "userspace/agent/views.h"

/* LoadBalancer Services of the cluster that are ours, and whatever else is planned; sorted by namespace,
 * name. `namespace` and `name` may be NULL: any. 0 or -ENOMEM. */
int status_services(struct agent *, struct arena *, const char *namespace, const char *name,
		    struct service_row **ret, size_t *ret_n);

/* One state for each frontend of the plan; a valid pointer also for NULL. NULL: out of memory. */
struct frontend_state *status_frontends(struct agent *, struct arena *, const struct service_plan *);

/* The routes of one service ("namespace/name"), or all for NULL. 0 or -ENOMEM. */
int status_routes(struct agent *, struct arena *, const char *service, struct route_row **ret, size_t *ret_n);

struct node_row status_node(struct agent *);
int status_metrics(struct agent *, struct arena *, struct metrics *ret); /* 0 or -ENOMEM */

#endif
