// SPDX-License-Identifier: Apache-2.0
/* The plan of one node: see plan.h. A full plan walks all services; an update replaces the plans of the few
 * that changed and of those that share an address with them. How one service is planned is in service_plan.c.
 */
#include "userspace/core/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"
#include "userspace/core/plan_index.h"
#include "userspace/core/service_plan.h"

const char *frontend_type_name(enum frontend_type type)
{
	switch (type) {
	case FRONTEND_LOAD_BALANCER:
		return "LoadBalancer";
	case FRONTEND_EXTERNAL_IP:
		return "ExternalIP";
	case FRONTEND_NODE_PORT:
		return "NodePort";
	case FRONTEND_CLUSTER_IP:
		return "ClusterIP";
	}
	return "unknown";
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_FORWARD:
		return "forward";
	case VERDICT_REJECT:
		return "reject";
	case VERDICT_DROP:
		return "drop";
	}
	return "unknown";
}

void node_plan_done(struct node_plan *plan)
{
	size_t i;

	if (!plan)
		return;
	for (i = 0; i < plan->n_services; i++)
		service_plan_free(plan->services[i]);
	free(plan->services);
	free(plan->node);
	problems_done(&plan->problems);
	plan_index_free(plan->index);
	arena_done(&plan->touched_arena);
	*plan = (struct node_plan){ 0 };
}

static int name_compare(const struct service_plan *plan, const char *namespace, const char *name)
{
	int order = strcmp(plan->namespace, namespace);

	return order ? order : strcmp(plan->name, name);
}

/* The first place whose service is not before the name. */
static size_t position_of(const struct node_plan *plan, const char *namespace, const char *name)
{
	return sorted_place(plan->n_services, i, name_compare(plan->services[i], namespace, name) < 0);
}

const struct service_plan *node_plan_find(const struct node_plan *plan, const char *namespace,
					  const char *name)
{
	size_t position = position_of(plan, namespace, name);

	if (position == plan->n_services || name_compare(plan->services[position], namespace, name))
		return NULL;
	return plan->services[position];
}

/* --- all of it
 * -------------------------------------------------------------------------------------------------- */

static int report_unknown_node(struct node_plan *plan, const struct cluster *cluster, const char *node)
{
	struct meta meta = { .namespace = "", .name = node };

	if (cluster_find_node(cluster, node))
		return 0;
	return problems_add_object(
		&plan->problems, OBJECT_NODE, &meta, "metadata.name",
		"no such node: it has no NodePort addresses, no zone for topology hints, and announces "
		"nothing");
}

static int plan_all(struct node_plan *plan, const struct cluster *cluster, const struct plan_options *options)
{
	struct service_plan *service;
	size_t i;
	int r;

	plan->node = strdup(options->node);
	plan->index = plan_index_new(cluster, options);
	if (!plan->node || !plan->index)
		return -ENOMEM;
	r = report_unknown_node(plan, cluster, options->node);
	if (r < 0)
		return r;
	for (i = 0; i < cluster->n_services; i++) { /* sorted, so the plan is */
		r = service_plan_new(cluster, options, plan->index, cluster->services[i], &service);
		if (r < 0)
			return r;
		if (!service)
			continue;
		r = array_reserve(plan->services, plan->n_services, plan->capacity);
		if (r < 0) {
			service_plan_free(service);
			return r;
		}
		plan->services[plan->n_services++] = service;
	}
	return 0;
}

int plan_node(const struct cluster *cluster, const struct plan_options *options, struct node_plan *ret)
{
	struct node_plan plan = { 0 };
	int r = plan_all(&plan, cluster, options);

	if (r < 0) {
		node_plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

/* --- what changed
 * ------------------------------------------------------------------------------------------------ */

struct replacement {
	const char *namespace, *name;
	struct service_plan *plan; /* NULL: none any more */
};

struct replacements {
	struct arena arena; /* of names */
	struct replacement *items;
	size_t n, capacity;
};

static void replacements_done(struct replacements *replacements)
{
	size_t i;

	for (i = 0; i < replacements->n; i++)
		service_plan_free(replacements->items[i].plan);
	free(replacements->items);
	arena_done(&replacements->arena);
}

static int replan_one(const struct node_plan *plan, const struct cluster *cluster,
		      const struct plan_options *options, const char *text, struct replacements *replacements)
{
	const char *slash = strchr(text, '/');
	struct replacement fresh = { 0 };
	const struct service *service;
	int r;

	fresh.namespace = arena_string_n(&replacements->arena, text, slash ? (size_t)(slash - text) : 0);
	fresh.name = arena_string(&replacements->arena, slash ? slash + 1 : text);
	if (!fresh.namespace || !fresh.name ||
	    array_reserve(replacements->items, replacements->n, replacements->capacity) < 0)
		return -ENOMEM;
	service = cluster_find_service(cluster, fresh.namespace, fresh.name);
	if (service) {
		r = service_plan_new(cluster, options, plan->index, service, &fresh.plan);
		if (r < 0)
			return r;
	}
	replacements->items[replacements->n++] = fresh;
	return 0;
}

/* Cannot fail: the caller made room. */
static void put_in_place(struct node_plan *plan, struct replacement *fresh)
{
	size_t position = position_of(plan, fresh->namespace, fresh->name);
	struct service_plan **place = plan->services + position;
	bool there = position < plan->n_services && !name_compare(*place, fresh->namespace, fresh->name);
	size_t after = plan->n_services - position;

	if (there) {
		service_plan_free(*place);
		if (fresh->plan) {
			*place = take(fresh->plan);
			return;
		}
		memmove(place, place + 1, (after - 1) * sizeof(*place));
		plan->n_services--;
	} else if (fresh->plan) {
		memmove(place + 1, place, after * sizeof(*place));
		*place = take(fresh->plan);
		plan->n_services++;
	}
}

static int remember_touched(struct arena *arena, const struct service_names *names, struct strings *ret)
{
	size_t i;

	ret->items = arena_array(arena, names->n, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (i = 0; i < names->n; i++) {
		ret->items[i] = arena_string(arena, names->items[i]);
		if (!ret->items[i])
			return -ENOMEM;
	}
	ret->n = names->n;
	return 0;
}

static int replan(struct node_plan *plan, const struct cluster *cluster, const struct plan_options *options,
		  const struct service_names *names)
{
	cleanup(replacements_done) struct replacements replacements = { 0 };
	struct arena touched_arena = { 0 };
	struct strings touched = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < names->n; i++)
		r = replan_one(plan, cluster, options, names->items[i], &replacements);
	if (r == 0)
		r = array_grow(&plan->services, plan->n_services + replacements.n, &plan->capacity,
			       sizeof(*plan->services));
	if (r == 0)
		r = remember_touched(&touched_arena, names, &touched);
	if (r < 0) {
		arena_done(&touched_arena);
		plan->index->stale = true; /* it knows claims that the plan does not */
		return r;
	}
	for (i = 0; i < replacements.n; i++)
		put_in_place(plan, &replacements.items[i]);
	arena_done(&plan->touched_arena);
	plan->touched_arena = touched_arena;
	plan->touched = touched;
	return 0;
}

/* After a failure the index no longer tells what depends on what: everything is planned anew, and touched. */
static int start_over(struct node_plan *plan, const struct cluster *cluster,
		      const struct plan_options *options)
{
	cleanup(service_names_done) struct service_names names = { 0 };
	struct node_plan fresh = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < plan->n_services; i++)
		r = service_names_add(&names, plan->services[i]->namespace, plan->services[i]->name);
	if (r == 0)
		r = plan_node(cluster, options, &fresh);
	for (i = 0; r == 0 && i < fresh.n_services; i++)
		r = service_names_add(&names, fresh.services[i]->namespace, fresh.services[i]->name);
	service_names_sort_unique(&names);
	if (r == 0)
		r = remember_touched(&fresh.touched_arena, &names, &fresh.touched);
	if (r < 0) {
		node_plan_done(&fresh);
		return r;
	}
	node_plan_done(plan);
	*plan = fresh;
	return 0;
}

static int service_names_add_text(struct service_names *names, const char *text)
{
	char *copy;

	if (array_reserve(names->items, names->n, names->capacity) < 0)
		return -ENOMEM;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	names->items[names->n++] = copy;
	return 0;
}

int plan_update(struct node_plan *plan, const struct cluster *cluster, const struct plan_options *options,
		const struct strings *changed)
{
	cleanup(service_names_done) struct service_names names = { 0 };
	size_t i;
	int r;

	if (plan->index->stale)
		return start_over(plan, cluster, options);
	r = plan_index_update(plan->index, cluster, options, changed, &names);
	for (i = 0; r == 0 && i < changed->n; i++)
		r = service_names_add_text(&names, changed->items[i]);
	if (r < 0) {
		plan->index->stale = true;
		return r;
	}
	service_names_sort_unique(&names);
	return replan(plan, cluster, options, &names);
}
