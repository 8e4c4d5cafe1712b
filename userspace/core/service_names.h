/* SPDX-License-Identifier: Apache-2.0 */
/* A growing set of service names, "namespace/name", owned. */
#ifndef FAIRWAY_CORE_SERVICE_NAMES_H
#define FAIRWAY_CORE_SERVICE_NAMES_H

#include <stddef.h>

#include "userspace/base/arena.h"

struct service_names {
	char **items;
	size_t n, capacity;
};

void service_names_done(struct service_names *);
int service_names_add(struct service_names *, const char *namespace, const char *name); /* 0 or -ENOMEM */
void service_names_sort_unique(struct service_names *);

char *service_full_name(const char *namespace,
			const char *name); /* "namespace/name", the caller frees; NULL: out of memory */
char *service_full_name_in(struct arena *, const char *namespace, const char *name); /* the same, in an arena */

#endif
