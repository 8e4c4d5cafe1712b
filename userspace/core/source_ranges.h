/* SPDX-License-Identifier: Apache-2.0 */
/* spec.loadBalancerSourceRanges of one service and family as prefixes (SEMANTICS R1 to R5). Used by plan
 * alone. */
#ifndef FAIRWAY_CORE_SOURCE_RANGES_H
#define FAIRWAY_CORE_SOURCE_RANGES_H

#include "userspace/core/cluster.h"

/* n == 0 and not closed: everybody. `deny`: the ranges are kept out instead of let in.
 * A broken entry never opens a service. It is left out while others of its family remain that let somebody
 * in; where none does, or where what it should have kept out is unknown (deny), the family is closed. */
struct source_ranges {
	struct prefix *items; /* masked, sorted, each once; in the arena */
	size_t n;
	bool deny, closed;
};

/* Problems are added to *problems once per call, so ask for one family without it. 0 or -ENOMEM. */
int source_ranges_of(struct arena *, const struct service *, enum addr_family, struct source_ranges *ret,
		     struct problems *problems);

#endif
