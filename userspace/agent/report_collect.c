// SPDX-License-Identifier: Apache-2.0
/* See report_collect.h. One walk over the plan makes the rows; what each is announced to tells targets.c. */
#include "userspace/agent/report_collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/agent/problem_log.h"
#include "userspace/agent/releasing.h"
#include "userspace/agent/targets.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/peers.h"
#include "userspace/core/service_names.h"

/* --- services ------------------------------------------------------------------------------------- */

static int peers_of(struct arena *arena, const struct targets *targets, struct report_facts *facts)
{
	size_t i, family, n;
	const struct target *own = targets_of(targets, facts->name, &n);
	const char **names = arena_array(arena, 3 * n, sizeof(*names));

	if (!names)
		return -ENOMEM;
	facts->wanted.items = names;
	facts->up.items = names + n;
	facts->announced.items = names + 2 * n;
	for (i = 0; i < n; i++) {
		facts->wanted.items[facts->wanted.n++] = own[i].peer;
		if (own[i].up)
			facts->up.items[facts->up.n++] = own[i].peer;
		if (own[i].announced)
			facts->announced.items[facts->announced.n++] = own[i].peer;
		for (family = 0; family < 2; family++) {
			facts->wanted_in[family] |= own[i].wanted_in[family];
			facts->told_in[family] |= own[i].told_in[family];
		}
	}
	return 0;
}

struct collector {
	struct agent *agent;
	struct arena *arena;
	const struct cluster *cluster;
	struct targets targets;
	size_t n_peers_in[2]; /* usable ones of this node that carry IPv4, IPv6 */
	struct node_report *report;
};

/* One that has addresses, ours, and not on its way out. */
static bool is_reported(const struct collector *collector, const struct service_plan *plan)
{
	const struct service *service;

	if (plan->n_vips)
		return true;
	service = cluster_find_service(collector->cluster, plan->namespace, plan->name);
	return service && service->n_ingress && !service->meta.deleting &&
	       service_is_ours(service, collector->agent->options->default_class);
}

static int add_service(struct collector *collector, const struct service_plan *plan)
{
	const struct agent *agent = collector->agent;
	const struct problem *problem =
		plan->n_vips ? problems_find_service(&agent->problems, plan->namespace, plan->name)
			     : problems_find_unserved(&agent->problems, plan->namespace, plan->name);
	struct report_facts facts = {
		.name = service_full_name_in(collector->arena, plan->namespace, plan->name),
		.plan = plan,
		.unfit = problems_find_service(&agent->steps.problems, plan->namespace, plan->name) != NULL,
		.problem = problem ? problem->message : NULL,
		.n_peers_in = { collector->n_peers_in[0], collector->n_peers_in[1] },
		.n_peers = agent->n_peers,
		.daemon_state = frr_daemon_state(agent->frr),
	};

	if (!facts.name || peers_of(collector->arena, &collector->targets, &facts) < 0)
		return -ENOMEM;
	facts.accepted = plan->n_vips && accepted_contains(&agent->accepted, facts.name);
	facts.reporter =
		!collector->report->sampled || routes_book_is_reporter(agent->routes_book, facts.name);
	return report_judge(collector->arena, &facts,
			    &collector->report->services[collector->report->n_services++]);
}

static int collect_services(struct collector *collector)
{
	const struct agent *agent = collector->agent;
	struct report_service *leaving;
	size_t i, n_leaving;
	int r;

	r = targets_collect(collector->agent, collector->arena, &collector->targets);
	if (r == 0)
		r = releasing_collect(collector->arena, agent->applied, &agent->plan, &leaving, &n_leaving);
	if (r < 0)
		return r;
	collector->report->services = arena_array(collector->arena, agent->plan.n_services + n_leaving,
						  sizeof(*collector->report->services));
	if (!collector->report->services)
		return -ENOMEM;
	for (i = 0; i < agent->plan.n_services; i++) {
		if (!is_reported(collector, agent->plan.services[i]))
			continue;
		r = add_service(collector, agent->plan.services[i]);
		if (r < 0)
			return r;
	}
	for (i = 0; i < n_leaving; i++)
		collector->report->services[collector->report->n_services++] = leaving[i];
	return 0;
}

/* --- peers, interfaces, readiness ----------------------------------------------------------------- */

/* A session that is not up goes through these again and again, and each would be a write. */
static const char *steady_state(const char *state)
{
	static const char *const passing[] = { "Idle", "Connect", "Active", "OpenSent", "OpenConfirm" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(passing); i++)
		if (text_equal(state, passing[i]))
			return "Active";
	return state;
}

static bool is_configured(const struct frr_peer_view *views, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (text_equal(views[i].name, name))
			return true;
	return false;
}

/* Peers that select this node and of which nothing is configured because something is wrong with them. */
static size_t add_unusable_peers(const struct collector *collector, const struct frr_peer_view *views,
				 size_t n_views, struct lb_node_peer *peers)
{
	const struct cluster *cluster = collector->cluster;
	const struct node *node = cluster_find_node(cluster, collector->agent->node);
	size_t i, n = 0;

	for (i = 0; node && i < cluster->n_peers; i++) {
		const struct bgp_peer *peer = cluster->peers[i];
		const struct problem *problem =
			problems_find(&collector->agent->problems, "BGPPeer", peer->meta.name);

		if (!problem || is_configured(views, n_views, peer->meta.name) ||
		    !peer_selects_node(peer, node))
			continue;
		peers[n++] = (struct lb_node_peer){ .name = peer->meta.name,
						    .address = "",
						    .state = "NotConfigured",
						    .since_sec = INT64_MAX,
						    .last_error = problem->message };
	}
	return n;
}

static int collect_peers(struct collector *collector)
{
	const struct frr_peer_view *views;
	size_t i, n = frr_peers(collector->agent->frr, &views);
	struct lb_node_peer *peers =
		arena_array(collector->arena, n + collector->cluster->n_peers, sizeof(*peers));
	char text[ADDR_TEXT_MAX];

	if (!peers)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		bool numbered = views[i].address.family != ADDR_NONE;

		peers[i] = (struct lb_node_peer){
			.name = views[i].name,
			.address = arena_string(collector->arena, numbered ? addr_format(&views[i].address, text) :
								  views[i].interface ? views[i].interface : ""),
			.state = steady_state(views[i].state),
			.since_sec = INT64_MAX,
			.prefixes_sent = views[i].prefixes_sent,
			.prefixes_received = views[i].prefixes_received,
			.last_error = views[i].last_error,
		};
		if (!peers[i].address)
			return -ENOMEM;
	}
	collector->report->peers = peers;
	collector->report->n_peers = n + add_unusable_peers(collector, views, n, peers + n);
	return 0;
}

static int collect_interfaces(struct collector *collector)
{
	const struct interface_view *views;
	size_t i, n = datapath_interfaces(collector->agent->datapath, &views);
	struct report_interface *interfaces = arena_array(collector->arena, n, sizeof(*interfaces));

	if (!interfaces)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		interfaces[i] = (struct report_interface){
			.name = arena_string(collector->arena, views[i].name),
			.hook = views[i].hook,
			.message = arena_string(collector->arena, views[i].attached ? "" : views[i].why),
		};
		if (!interfaces[i].name || !interfaces[i].message)
			return -ENOMEM;
	}
	collector->report->interfaces = interfaces;
	collector->report->n_interfaces = n;
	return 0;
}

/* Of what is configured: a peer that something is wrong with carries nothing. */
void report_count_families(const struct agent *agent, const struct cluster *cluster, size_t ret[2])
{
	const struct frr_peer_view *views;
	size_t i, n = frr_peers(agent->frr, &views);

	ret[0] = ret[1] = 0;
	for (i = 0; i < n; i++) {
		const struct bgp_peer *peer = cluster_find_peer(cluster, views[i].name);

		ret[0] += peer && peer->ipv4;
		ret[1] += peer && peer->ipv6;
	}
}

const char *agent_unready(const struct agent *agent)
{
	if (!agent->delivered)
		return "the first complete list of objects is not there yet";
	if (!agent->accepted_known)
		return "the first round is not finished";
	if (agent->n_peers && !agent->frr_known)
		return "bgpd has not taken over what should be announced";
	return NULL;
}

static void judge_ready(const struct agent *agent, struct node_report *report)
{
	const char *state = frr_daemon_state(agent->frr), *unready = agent_unready(agent);

	report->ready = false;
	if (agent->failures) {
		report->ready_reason = "MapsNotWritten";
		report->ready_message =
			"what should stand in the maps could not be written; what stood before serves, "
			"and it is tried again";
	} else if (agent->n_peers && !text_equal(state, "connected")) {
		report->ready_reason = "FRRNotConnected";
		report->ready_message = text_equal(state, "not running") ? "FRR is not running on this node"
									 : "FRR does not answer";
	} else if (unready) {
		report->ready_reason = "Starting";
		report->ready_message = unready;
	} else {
		report->ready = true;
		report->ready_reason = "Ready";
		report->ready_message = "";
	}
}

int report_collect(struct agent *agent, struct arena *arena, struct node_report *ret)
{
	struct collector collector = {
		.agent = agent, .arena = arena, .cluster = store_cluster(agent->store), .report = ret
	};
	int r;

	if (!collector.cluster)
		return -ENOMEM;
	*ret = (struct node_report){ .agent_version = FAIRWAY_VERSION,
				     .sampled = collector.cluster->n_nodes > ROUTE_REPORT_ALL_NODES };
	report_count_families(agent, collector.cluster, collector.n_peers_in);
	r = collect_services(&collector);
	if (r >= 0)
		r = collect_peers(&collector);
	if (r >= 0)
		r = collect_interfaces(&collector);
	judge_ready(agent, ret);
	return r;
}
