/* SPDX-License-Identifier: Apache-2.0 */
/* A set of service names, "namespace/name" (PURE): sorted, each once, owned. */
#ifndef FAIRWAY_AGENT_NAMES_H
#define FAIRWAY_AGENT_NAMES_H

#include "userspace/core/cluster.h"

struct names {
	char **items;
	size_t n, capacity;
};

void names_done(struct names *);
int names_unite(struct names *,
		const struct strings *more);	 /* `more` sorted, each once. 0 or -ENOMEM (nothing added) */
struct strings names_view(const struct names *); /* borrowed */

#endif
