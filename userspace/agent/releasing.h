/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses this node still holds and should not (PURE): what stands in the maps, less what is planned.
 *
 * lbcontroller gives an address to the next Service when no node names it for the one before. So this is
 * taken from the maps and not from the steps that wait: a step that failed, was given up or has not been
 * thought of yet leaves its frontend where it is, and clients that still know the address would reach the
 * wrong pods. */
#ifndef FAIRWAY_AGENT_RELEASING_H
#define FAIRWAY_AGENT_RELEASING_H

#include "userspace/agent/node_report.h"
#include "userspace/core/diff.h"

/* One row for each service and address, sorted by both; in the arena, texts borrowed from `applied` until it
 * changes. 0 or -ENOMEM. */
int releasing_collect(struct arena *, const struct applied *, const struct node_plan *,
		      struct report_service **ret, size_t *ret_n);

#endif
