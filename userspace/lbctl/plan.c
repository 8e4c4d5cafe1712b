// SPDX-License-Identifier: Apache-2.0
/* lbctl plan: what a node would do, from a directory of manifests, by the very functions that the agent runs.
 * Reads and prints, changes nothing; needs neither root nor kernel. The JSON is OUTPUTS.md's. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/allocator.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/offline.h"

struct plan_command {
	struct offline offline;
	struct plan_options options;
	bool allocate;
};

enum { KEY_NODE = 0x200, KEY_ALLOCATE, KEY_PROXY_MODE, KEY_NAMESPACE };

static const struct argp_option options[] = {
	{ "node", KEY_NODE, "NAME", 0, "the node to plan for (required)", 0 },
	{ "allocate", KEY_ALLOCATE, NULL, 0, "first give addresses, as lbctl allocate does", 0 },
	{ "proxy-mode", KEY_PROXY_MODE, "MODE", 0,
	  "loadbalancer (default), or full: ClusterIP and NodePort too", 0 },
	{ "namespace", KEY_NAMESPACE, "NAME", 0, "where passwordSecrets are (default fairway-system)", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct plan_command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &command->offline;
		return 0;
	case KEY_NODE:
		command->options.node = argument;
		return 0;
	case KEY_ALLOCATE:
		command->allocate = true;
		return 0;
	case KEY_NAMESPACE:
		command->options.secret_namespace = argument;
		return 0;
	case KEY_PROXY_MODE:
		command->options.full_proxy = text_equal(argument, "full");
		if (!command->options.full_proxy && !text_equal(argument, "loadbalancer"))
			argp_error(state, "unknown proxy mode: %s (loadbalancer or full)", argument);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", argument);
		return 0;
	case ARGP_KEY_END:
		if (!command->options.node)
			argp_error(state, "--node NAME is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- --allocate ---------------------------------------------------------------------------------------- */

/* The service as it is once its addresses are in its status. It borrows everything else from the old one. */
static struct service *with_addresses(struct arena *arena, const struct service *old,
				      const struct allocation *allocation)
{
	struct service *service = arena_alloc(arena, sizeof(*service));
	struct ingress_address *ingress = arena_array(arena, allocation->n_addresses, sizeof(*ingress));

	if (!service || !ingress)
		return NULL;
	for (size_t i = 0; i < allocation->n_addresses; i++) {
		ingress[i].addr = allocation->addresses[i];
		for (size_t j = 0; j < old->n_ingress; j++)
			if (addr_equal(&old->ingress[j].addr, &ingress[i].addr))
				ingress[i].proxy_mode = old->ingress[j].proxy_mode;
	}
	*service = *old;
	service->ingress = ingress;
	service->n_ingress = allocation->n_addresses;
	return service;
}

static int report_allocations(const struct cluster *cluster, const struct allocations *allocations,
			      struct problems *problems)
{
	int r = 0;

	for (size_t i = 0; i < allocations->n_services && !r; i++) {
		const struct allocation *service = &allocations->services[i];
		struct meta meta = { .namespace = service->namespace, .name = service->name };

		if (*service->reason)
			r = problems_add_object(problems, OBJECT_SERVICE, &meta, "status.loadBalancer",
						"%s: %s", service->reason, service->message);
	}
	for (size_t i = 0; i < allocations->n_pools && !r; i++) {
		const struct pool_usage *pool = &allocations->pools[i];
		struct meta meta = { .namespace = "", .name = pool->name };

		if (cluster_find_pool(cluster, pool->name)->unusable)
			continue; /* told when it was read */
		if (!pool->ready && !text_equal(pool->reason, "Disabled"))
			r = problems_add_object(problems, OBJECT_SERVICE_IP_POOL, &meta, "spec.addresses",
						"%s: %s", pool->reason, pool->message);
	}
	return r;
}

/* The cluster as it is after the controller has done its work. */
static int allocate_addresses(struct arena *arena, bool default_class, struct cluster *cluster,
			      struct problems *problems)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };
	const struct service **services;
	int r;

	r = allocate(cluster, default_class, &allocations);
	if (r < 0)
		return r;
	services = arena_array(arena, cluster->n_services, sizeof(*services));
	if (!services)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < cluster->n_services; i++) {
		const struct service *service = cluster->services[i];
		const struct allocation *allocation = &allocations.services[at];

		services[i] = service;
		/* Both are sorted by namespace and name, and only our Services have an allocation. */
		if (at == allocations.n_services ||
		    strcmp(allocation->namespace, service->meta.namespace) != 0 ||
		    strcmp(allocation->name, service->meta.name) != 0)
			continue;
		at++;
		services[i] = with_addresses(arena, service, allocation);
		if (!services[i])
			return -ENOMEM;
	}
	cluster->services = services;
	return report_allocations(cluster, &allocations, problems);
}

/* --- the command --------------------------------------------------------------------------------------- */

static int print(const struct plan_command *command, const struct node_plan *plan,
		 const struct routes *routes)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	switch (command->offline.format) {
	case OUTPUT_TEXT:
		explain_plan_text(&text, plan, routes, &command->offline.result.problems);
		break;
	case OUTPUT_JSON:
		explain_plan_json(&text, plan, routes, &command->offline.result.problems);
		break;
	}
	if (strbuf_failed(&text))
		return -ENOMEM;
	fputs(strbuf_text(&text), stdout);
	return 0;
}

static int plan_and_print(struct plan_command *command)
{
	struct problems *problems = &command->offline.result.problems;
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	cleanup(routes_done) struct routes routes = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	const struct cluster *stored = store_cluster(command->offline.store);
	struct cluster cluster;
	int r;

	if (!stored)
		return -ENOMEM;
	cluster = *stored;
	command->options.default_class = command->offline.default_class;
	r = command->allocate ? allocate_addresses(&arena, command->options.default_class, &cluster, problems)
			      : 0;
	if (!r)
		r = plan_node(&cluster, &command->options, &plan);
	if (!r)
		r = routes_decide(&cluster, &command->options, &plan, NULL, &routes);
	if (!r)
		r = print(command, &plan, &routes);
	if (r < 0)
		return r;
	return explain_has_problems(&plan, &routes, problems) ? LBCTL_NOT_FINE : LBCTL_FINE;
}

int command_plan(int argc, char **argv)
{
	static const struct argp_child children[] = { { &offline_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "What a node would do: frontends, backends and routes, from a directory of manifests.",
		.children = children,
	};
	struct plan_command command = { 0 };
	int r;

	if (argp_parse(&argp, argc, argv, 0, NULL, &command))
		return LBCTL_USAGE;
	r = offline_open(&command.offline);
	if (r == LBCTL_FINE)
		r = plan_and_print(&command);
	if (r < 0) {
		fprintf(stderr, "lbctl plan: the plan cannot be made: %s\n", strerror(-r));
		r = LBCTL_NOT_FINE;
	}
	offline_done(&command.offline);
	return r;
}
