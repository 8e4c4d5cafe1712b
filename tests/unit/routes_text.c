// SPDX-License-Identifier: Apache-2.0
/* See routes_text.h. */
#include "tests/unit/routes_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

static void *need(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

const char *routes_text(struct world *world, const struct routes *routes)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	char prefix[PREFIX_TEXT_MAX], community[COMMUNITY_TEXT_MAX];
	const struct route *route;
	size_t i, j;

	for (i = 0; i < routes->n; i++) {
		route = &routes->items[i];
		strbuf_appendf(&text, "%s %s %s", prefix_format(&route->prefix, prefix), route_kind_name(route->kind),
			       route->peer);
		if (route->local_pref)
			strbuf_appendf(&text, " pref=%u", route->local_pref);
		for (j = 0; j < route->n_communities; j++)
			strbuf_appendf(&text, " %s", community_format(&route->communities[j], community));
		for (j = 0; j < route->services.n; j++)
			strbuf_appendf(&text, " %s", route->services.items[j]);
		strbuf_append(&text, "\n");
	}
	return need(arena_string(&world->arena, strbuf_text(&text)));
}

const char *problems_text(struct world *world, const struct problems *problems)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	size_t i;

	for (i = 0; i < problems->n; i++)
		strbuf_appendf(&text, "%s %s: %s\n", problems->items[i].object, problems->items[i].field,
			       problems->items[i].message);
	return need(arena_string(&world->arena, strbuf_text(&text)));
}

static int compare_addresses(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static struct service_plan *plan_of(struct world *world, const struct service *service)
{
	struct service_plan *plan = need(arena_alloc(&world->arena, sizeof(*plan)));
	size_t i;

	plan->namespace = service->meta.namespace;
	plan->name = service->meta.name;
	plan->external_policy = service->external_policy;
	plan->vips = need(arena_array(&world->arena, service->n_ingress, sizeof(*plan->vips)));
	for (i = 0; i < service->n_ingress; i++)
		plan->vips[plan->n_vips++] = service->ingress[i].addr;
	if (plan->n_vips)
		qsort(plan->vips, plan->n_vips, sizeof(*plan->vips), compare_addresses);
	return plan;
}

void routes_plan(struct world *world, struct node_plan *ret)
{
	const struct cluster *cluster = world_cluster(world);
	size_t i;

	*ret = (struct node_plan){ .n_services = cluster->n_services };
	ret->services = need(arena_array(&world->arena, cluster->n_services, sizeof(*ret->services)));
	for (i = 0; i < cluster->n_services; i++)
		ret->services[i] = plan_of(world, cluster->services[i]);
}

void routes_endpoints(struct world *world, const struct service *service, const char *slice, const char *nodes)
{
	static unsigned last; /* every endpoint of a process has an address of its own */
	struct strings words = world_words(world, nodes);
	cleanup(strbuf_done) struct strbuf v4 = { 0 }, v6 = { 0 };
	char name[256];
	size_t i;

	for (i = 0; i < words.n; i++) {
		last++;
		strbuf_appendf(&v4, "10.244.%u.%u@%s ", last / 256 % 256, last % 256, words.items[i]);
		strbuf_appendf(&v6, "fd00:244::%x@%s ", last, words.items[i]);
	}
	snprintf(name, sizeof(name), "%s/%s-4", service->meta.namespace, slice);
	world_slice(world, name, service->meta.name, "http:TCP:8080", strbuf_text(&v4));
	snprintf(name, sizeof(name), "%s/%s-6", service->meta.namespace, slice);
	world_slice(world, name, service->meta.name, "http:TCP:8080", strbuf_text(&v6))->family = ADDR_IPV6;
}

struct service *routes_service(struct world *world, const char *name, const char *vips, enum traffic_policy policy,
			       const char *nodes)
{
	struct service *service = world_service(world, name);

	service->external_policy = policy;
	world_service_port(world, service, "http", L4_TCP, 80, 0);
	world_ingress(world, service, vips);
	routes_endpoints(world, service, service->meta.name, nodes);
	return service;
}

const char *routes_of(struct world *world, const char *node, const char **ret_problems)
{
	cleanup(routes_done) struct routes routes = { 0 };
	struct plan_options options = { .node = node };
	struct node_plan plan;

	routes_plan(world, &plan);
	if (routes_decide(&world->cluster, &options, &plan, NULL, &routes) < 0)
		abort();
	if (ret_problems)
		*ret_problems = problems_text(world, &routes.problems);
	return routes_text(world, &routes);
}
