/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of this node's report, from the agent's state (EDGE: FRR is read live). */
#ifndef FAIRWAY_AGENT_REPORT_COLLECT_H
#define FAIRWAY_AGENT_REPORT_COLLECT_H

#include "userspace/agent/agent.h"
#include "userspace/agent/node_report.h"

/* Fills services, sampled, peers (without since_sec), interfaces and ready; everything is in the arena or
 * borrowed from the agent until the loop runs again. 0 or -ENOMEM. */
int report_collect(struct agent *, struct arena *, struct node_report *ret);

/* How many usable peers of this node carry IPv4, IPv6. */
void report_count_families(const struct agent *, const struct cluster *, size_t ret[2]);

/* Why the agent is not ready to take traffic (/readyz): NULL if it is. Static text. Once NULL it stays so. */
const char *agent_unready(const struct agent *);

#endif
