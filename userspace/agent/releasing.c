// SPDX-License-Identifier: Apache-2.0
/* The maps against the plan, by address: see releasing.h. */
#include "userspace/agent/releasing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE_MAX 63

static const struct service_plan *find_plan(const struct node_plan *plan, const char *service)
{
	const char *slash = strchr(service, '/');
	char namespace[NAMESPACE_MAX + 1];
	size_t length = slash ? (size_t)(slash - service) : 0;

	if (!slash || length > NAMESPACE_MAX)
		return NULL;
	memcpy(namespace, service, length);
	namespace[length] = '\0';
	return node_plan_find(plan, namespace, slash + 1);
}

/* By another port of the same service too: then only a port goes, the address stays. */
static bool is_planned(const struct node_plan *plan, const char *service, const struct addr *addr)
{
	const struct service_plan *wanted = find_plan(plan, service);
	size_t i;

	for (i = 0; wanted && i < wanted->n_vips; i++)
		if (addr_equal(&wanted->vips[i], addr))
			return true;
	return false;
}

static const struct applied_frontend *next_leaving(const struct applied *applied,
						   const struct node_plan *plan, size_t *cursor,
						   const char **ret_service)
{
	const struct applied_frontend *frontend;

	do
		frontend = applied_next_frontend(applied, cursor, ret_service);
	while (frontend &&
	       (frontend->type != FRONTEND_LOAD_BALANCER || is_planned(plan, *ret_service, &frontend->addr)));
	return frontend;
}

static int compare_rows(const void *a, const void *b)
{
	const struct report_service *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : addr_compare(left->vips, right->vips);
}

static size_t unite(struct report_service *rows, size_t n)
{
	size_t i, kept = 0;

	if (n)
		qsort(rows, n, sizeof(*rows), compare_rows);
	for (i = 0; i < n; i++)
		if (!kept || compare_rows(&rows[kept - 1], &rows[i]))
			rows[kept++] = rows[i];
	return kept;
}

int releasing_collect(struct arena *arena, const struct applied *applied, const struct node_plan *plan,
		      struct report_service **ret, size_t *ret_n)
{
	const struct applied_frontend *frontend;
	struct report_service *rows;
	size_t n = 0, cursor = 0;
	const char *service;

	while (next_leaving(applied, plan, &cursor, &service))
		n++;
	rows = arena_array(arena, n, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (n = cursor = 0; (frontend = next_leaving(applied, plan, &cursor, &service)); n++)
		rows[n] = (struct report_service){
			.name = service,
			.vips = &frontend->addr,
			.n_vips = 1,
			.programmed = true,
			.releasing = true,
			.reason = "Releasing",
			.message = "withdrawn; its frontends go when no router can send to them any more",
		};
	*ret = rows;
	*ret_n = unite(rows, n);
	return 0;
}
