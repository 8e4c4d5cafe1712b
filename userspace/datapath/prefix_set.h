/* SPDX-License-Identifier: Apache-2.0 */
/* The prefixes of all routes of the kernel, and those that its rules are for (PURE), to ask for a route once
 * per longest prefix instead of once per backend: prefixes form a tree, so two addresses with the same
 * longest one have the same covering ones, and every rule and table answers both alike. */
#ifndef FAIRWAY_DATAPATH_PREFIX_SET_H
#define FAIRWAY_DATAPATH_PREFIX_SET_H

#include <stddef.h>

#include "userspace/base/addr.h"

struct prefix_set {	      /* { 0 } is the empty one */
	struct prefix *items; /* after prefix_set_finish(): sorted, each once */
	size_t n, capacity;
	bool lengths[2][129]; /* which ones occur, v4 and v6 */
};

void prefix_set_done(struct prefix_set *);
int prefix_set_add(struct prefix_set *, const struct prefix *); /* masks it; 0 or -ENOMEM */
void prefix_set_finish(struct prefix_set *);			/* before the first search */
/* The index of the longest prefix that holds the address, or -1. */
ptrdiff_t prefix_set_longest(const struct prefix_set *, const struct addr *);

#endif
