// SPDX-License-Identifier: Apache-2.0
/* What is true now, as rows: see status.h. Nothing is kept here; each request collects anew. */
#include "userspace/agent/status.h"

#include <errno.h>
#include <string.h>

#include "userspace/agent/problem_log.h"
#include "userspace/agent/report_collect.h"
#include "userspace/agent/targets.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/service_names.h"

#define REMOTE_MODE "snat" /* how remote backends of policy Cluster are reached: see DESIGN, "Forwarding" */

static void add_counters(struct frontend_counters *sum, const struct frontend_counters *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
	sum->drops += more->drops;
	sum->flows += more->flows;
}

static const char *peer_session(const struct agent *agent, const char *name)
{
	const struct frr_peer_view *peers;
	size_t i, n = frr_peers(agent->frr, &peers);

	for (i = 0; i < n; i++)
		if (text_equal(peers[i].name, name))
			return peers[i].state;
	return "";
}

static bool route_serves(const struct route *route, const char *service)
{
	size_t i;

	for (i = 0; i < route->services.n; i++)
		if (text_equal(route->services.items[i], service))
			return true;
	return false;
}

/* --- routes -------------------------------------------------------------------------------------- */

int status_routes(struct agent *agent, struct arena *arena, const char *service, struct route_row **ret,
		  size_t *ret_n)
{
	const struct route *route;
	struct route_row *rows;
	size_t i, n = 0;

	rows = arena_array(arena, agent->routes.n, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < agent->routes.n; i++) {
		route = &agent->routes.items[i];
		if (service && !route_serves(route, service))
			continue;
		rows[n++] = (struct route_row){ .route = route,
						.announced = frr_announces(agent->frr, &route->prefix),
						.session = peer_session(agent, route->peer) };
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

/* --- services ------------------------------------------------------------------------------------ */

static int announced_peers(struct arena *arena, const struct targets *targets, const char *service, struct strings *ret)
{
	size_t i, n;
	const struct target *own = targets_of(targets, service, &n);

	*ret = (struct strings){ .items = arena_array(arena, n, sizeof(*ret->items)) };
	if (!ret->items)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (own[i].announced)
			ret->items[ret->n++] = own[i].peer;
	return 0;
}

static const char *service_problem(const struct agent *agent, const struct service_row *row)
{
	const struct meta *meta = &row->service->meta;
	const struct problem *problem = problems_find_service(&agent->problems, meta->namespace, meta->name);
	struct addr address;

	if (problem)
		return problem->message;
	if (row->service->meta.deleting)
		return "being deleted";
	if (!service_row_addresses(row, &address, 1))
		return "no address yet";
	if (!agent->delivered)
		return "";
	if (row->plan && row->plan->n_vips && !row->accepted)
		return "not programmed: what the maps lack is tried again";
	return "";
}

struct frontend_state *status_frontends(struct agent *agent, struct arena *arena,
					const struct service_plan *plan)
{
	size_t i, n = plan ? plan->n_frontends : 0;
	const struct applied_frontend *standing;
	const struct frontend *frontend;
	struct frontend_state *states;

	states = arena_array(arena, n, sizeof(*states));
	if (!states)
		return NULL;
	for (i = 0; i < n; i++) {
		frontend = &plan->frontends[i];
		standing = applied_find_frontend(agent->applied, &frontend->addr, frontend->port,
						 frontend->protocol);
		if (!standing)
			continue;
		states[i].id = standing->id;
		states[i].in_maps = true;
		states[i].standing = frontend_stands(agent->applied, plan, frontend);
		datapath_frontend_counters(agent->datapath, standing->id, &states[i].counters);
	}
	return states;
}

static int fill_row(struct agent *agent, struct arena *arena, const struct service *service,
		    const struct targets *targets, struct service_row *row)
{
	const char *name = service_full_name_in(arena, service->meta.namespace, service->meta.name);
	struct frontend_state *states;
	size_t i;

	*row = (struct service_row){ .service = service, .mode = REMOTE_MODE };
	row->plan = node_plan_find(&agent->plan, service->meta.namespace, service->meta.name);
	states = status_frontends(agent, arena, row->plan);
	if (!name || !states)
		return -ENOMEM;
	for (i = 0; row->plan && i < row->plan->n_frontends; i++)
		add_counters(&row->counters, &states[i].counters);
	row->accepted = accepted_contains(&agent->accepted, name);
	row->problem = service_problem(agent, row);
	return announced_peers(arena, targets, name, &row->announced_to);
}

static bool is_listed(const struct agent *agent, const struct service *service, const char *namespace,
		      const char *name)
{
	if (namespace && !text_equal(service->meta.namespace, namespace))
		return false;
	if (name && !text_equal(service->meta.name, name))
		return false;
	/* Of a refused one nobody knows whose it is: it is listed, with what is wrong. */
	return name || service->unusable || service_is_ours(service, agent->options->default_class) ||
	       node_plan_find(&agent->plan, service->meta.namespace, service->meta.name);
}

int status_services(struct agent *agent, struct arena *arena, const char *namespace, const char *name,
		    struct service_row **ret, size_t *ret_n)
{
	const struct cluster *cluster = store_cluster(agent->store);
	struct targets targets;
	struct service_row *rows;
	size_t i, n = 0;
	int r;

	if (!cluster || targets_collect(agent, arena, &targets) < 0)
		return -ENOMEM;
	rows = arena_array(arena, cluster->n_services, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < cluster->n_services; i++) {
		if (!is_listed(agent, cluster->services[i], namespace, name))
			continue;
		r = fill_row(agent, arena, cluster->services[i], &targets, &rows[n++]);
		if (r < 0)
			return r;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

/* --- node, metrics ------------------------------------------------------------------------------- */

struct node_row status_node(struct agent *agent)
{
	struct source_view source = agent_source_view(agent->source);
	struct node_row row = {
		.node = agent->node,
		.source = source.name,
		.source_reachable = source.reachable,
		.source_since_sec = source.is_api ? source.since_sec : INT64_MAX,
		.source_trouble = source.trouble,
		.unready = agent_unready(agent),
		.version = FAIRWAY_VERSION,
		.delivered = agent->delivered,
		.converged = agent->converged,
		.generation = agent->generation,
		.n_services = agent->plan.n_services,
		.limits = datapath_limits(agent->datapath),
		.daemon_state = frr_daemon_state(agent->frr),
		.proxy_mode = "loadbalancer",
		.problems = &agent->problems,
	};

	applied_frontends(agent->applied, &row.n_frontends);
	applied_backends(agent->applied, &row.n_backends);
	row.n_interfaces = datapath_interfaces(agent->datapath, &row.interfaces);
	row.n_findings = datapath_host_findings(agent->datapath, &row.findings);
	return row;
}

static uint64_t counted_total(struct counted *counted, uint64_t now)
{
	if (now < counted->last)
		counted->base += counted->last - now;
	counted->last = now;
	return counted->base + now;
}

static void sum_frontends(struct agent *agent, struct metrics *metrics)
{
	const struct applied_frontend *frontends = applied_frontends(agent->applied, &metrics->n_frontends);
	struct frontend_counters counters;
	uint64_t packets = 0, bytes = 0;
	size_t i;

	for (i = 0; i < metrics->n_frontends; i++) {
		if (datapath_frontend_counters(agent->datapath, frontends[i].id, &counters) < 0)
			continue;
		metrics->flows += counters.flows;
		packets += counters.packets;
		bytes += counters.bytes;
	}
	metrics->packets = counted_total(&agent->packets, packets);
	metrics->bytes = counted_total(&agent->bytes, bytes);
}

static int service_rows(struct agent *agent, struct arena *arena, struct metrics *metrics)
{
	size_t i, n = agent->plan.n_services;
	struct service_metrics *rows;

	if (n > agent->options->metrics_services) {
		metrics->n_services_left_out = n;
		return 0;
	}
	rows = arena_array(arena, n, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		const struct service_plan *plan = agent->plan.services[i];
		const char *name = service_full_name_in(arena, plan->namespace, plan->name);
		struct frontend_state *states = status_frontends(agent, arena, plan);
		size_t j;

		if (!name || !states)
			return -ENOMEM;
		rows[i] = (struct service_metrics){ .namespace = plan->namespace,
						    .name = plan->name,
						    .n_ready = plan->n_ready,
						    .accepted = accepted_contains(&agent->accepted, name) };
		for (j = 0; j < plan->n_frontends; j++)
			add_counters(&rows[i].counters, &states[j].counters);
	}
	metrics->service_rows = rows;
	metrics->n_service_rows = n;
	return 0;
}

static void source_metrics(const struct agent *agent, struct metrics *metrics)
{
	struct source_view source = agent_source_view(agent->source);
	struct reporter_state reporter = reporter_state(agent->reporter);

	metrics->delivered = agent->delivered;
	metrics->is_api = source.is_api;
	metrics->api_reachable = source.reachable;
	metrics->api_requests = source.api.n_requests;
	metrics->api_failures = source.api.n_failures;
	metrics->api_received = source.api.bytes_received;
	metrics->api_sent = source.api.bytes_sent;
	metrics->lists = source.events.n_lists;
	metrics->watches = source.events.n_watches;
	metrics->events = source.events.n_events;
	metrics->report_writes = reporter.n_writes;
	metrics->report_failures = reporter.n_failures;
}

int status_metrics(struct agent *agent, struct arena *arena, struct metrics *ret)
{
	*ret = (struct metrics){
		.version = FAIRWAY_VERSION,
		.ready = !agent_unready(agent),
		.n_services = agent->plan.n_services,
		.n_accepted = agent->accepted.n,
		.n_routes = agent->routes.n,
		.n_problems = agent->problems.n,
		.limits = datapath_limits(agent->datapath),
		.reconciles = agent->n_reconciles,
		.reconcile_failures = agent->n_reconcile_failures,
		.reconcile_seconds_sum = agent->reconcile_seconds_sum,
		.reconcile_seconds_last = agent->reconcile_seconds_last,
		.maps_seconds_last = agent->maps_seconds_last,
		.maps_seconds = &agent->maps_seconds,
		.event_to_maps = &agent->event_to_maps,
		.maps_changed_sec = agent->maps_changed_sec,
		.bgp_in_sync = frr_in_sync(agent->frr),
	};
	source_metrics(agent, ret);
	ret->n_drops = datapath_drops(agent->datapath, &ret->drops);
	ret->n_peers = frr_peers(agent->frr, &ret->peers);
	applied_backends(agent->applied, &ret->n_backends);
	sum_frontends(agent, ret);
	return service_rows(agent, arena, ret);
}
