// SPDX-License-Identifier: Apache-2.0
/* Opening and closing of everything an agent holds, and the events that end in a round: see agent.h. */
#include "userspace/agent/agent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/core/peers.h"
#include "userspace/io/run_dir.h"
#include "userspace/io/tcp_listen.h"

#define RECONCILE_LIMIT_MSEC 50 /* at the latest so long after the first change */

DEFINE_CLEANUP(struct agent *, agent_free);

/* --- events -------------------------------------------------------------------------------------- */

static void source_changed(void *userdata)
{
	struct agent *agent = userdata;

	if (!agent->changed_usec)
		agent->changed_usec = agent_source_changed_usec(agent->source);
	if (!agent->changed_usec)
		agent->changed_usec = loop_now_usec();
	debounce_kick(agent->reconcile);
}

static void host_addresses_changed(void *userdata)
{
	struct agent *agent = userdata;

	agent->plan_all = true; /* a VIP may have become an address of this host, or ceased to be one */
	debounce_kick(agent->reconcile);
}

static void retry_due(void *userdata)
{
	struct agent *agent = userdata;

	debounce_kick(agent->reconcile);
}

static void break_due(void *userdata)
{
	struct agent *agent = userdata;

	agent_break(agent);
	reporter_kick(agent->reporter);
}

static void reconcile_due(void *userdata)
{
	struct agent *agent = userdata;

	agent_reconcile(agent);
	reporter_kick(agent->reporter);
}

/* Ids came back: backends that left can be cleared now, and what did not fit may fit. */
static void ids_unused(void *userdata, const uint32_t *backend_ids, size_t n_backends,
		       const uint32_t *frontend_ids, size_t n_frontends)
{
	struct agent *agent = userdata;
	size_t i;

	for (i = 0; i < n_backends; i++)
		applied_backend_unused(agent->applied, backend_ids[i]);
	for (i = 0; i < n_frontends; i++)
		applied_frontend_unused(agent->applied, frontend_ids[i]);
	agent->settle = true;
	debounce_kick(agent->reconcile);
}

/* --- BGP sessions: one line when one comes up or goes down --------------------------------------- */

static struct peer_state *peer_state_of(struct agent *agent, const char *name)
{
	struct peer_state *grown;
	char *copy;
	size_t i;

	for (i = 0; i < agent->n_peer_states; i++)
		if (text_equal(agent->peer_states[i].name, name))
			return &agent->peer_states[i];
	grown = realloc(agent->peer_states, (agent->n_peer_states + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	agent->peer_states = grown;
	copy = strdup(name);
	if (!copy)
		return NULL;
	grown[agent->n_peer_states] = (struct peer_state){ .name = copy };
	return &grown[agent->n_peer_states++];
}

static void log_session(const struct frr_peer_view *peer, bool established, bool is_new)
{
	char address[ADDR_TEXT_MAX];
	const char *where =
		peer->address.family == ADDR_NONE ? peer->interface : addr_format(&peer->address, address);

	if (established)
		log_info("peer %s (%s): session is up", peer->name, where);
	else if (is_new)
		log_info("peer %s (%s), AS %u: waiting for its session", peer->name, where, peer->remote_asn);
	else
		log_warn("peer %s (%s): session is down (%s)%s%s", peer->name, where, peer->state,
			 *peer->last_error ? ": " : "", peer->last_error);
}

static bool is_current_peer(const struct frr_peer_view *peers, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (text_equal(peers[i].name, name))
			return true;
	return false;
}

/* A peer that was deleted and comes back later is a new one. */
static void forget_old_peers(struct agent *agent, const struct frr_peer_view *peers, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < agent->n_peer_states; i++) {
		if (is_current_peer(peers, n, agent->peer_states[i].name))
			agent->peer_states[kept++] = agent->peer_states[i];
		else
			free(agent->peer_states[i].name);
	}
	agent->n_peer_states = kept;
}

static void frr_changed(void *userdata)
{
	struct agent *agent = userdata;
	const struct frr_peer_view *peers;
	size_t i, n;
	struct peer_state *state;
	bool established;

	if (!agent->frr) /* still being made */
		return;
	n = frr_peers(agent->frr, &peers);
	for (i = 0; i < n; i++) {
		established = text_equal(peers[i].state, "Established");
		state = peer_state_of(agent, peers[i].name);
		if (!state || (state->told && state->established == established))
			continue;
		log_session(&peers[i], established, !state->told);
		state->told = true;
		state->established = established;
	}
	forget_old_peers(agent, peers, n);
	agent_break(agent);
	reporter_kick(agent->reporter);
}

/* --- what the data path is told of the cluster --------------------------------------------------- */

static struct addr first_of_family(const struct node *node, enum addr_family family)
{
	size_t i;

	for (i = 0; node && i < node->n_internal_ips; i++)
		if (node->internal_ips[i].family == family)
			return node->internal_ips[i];
	return (struct addr){ 0 };
}

/* Also counts the peers. */
static void peer_ends_collect(struct agent *agent, const struct cluster *cluster, struct peer_ends *ret)
{
	const struct node *node = cluster_find_node(cluster, agent->node);
	const struct bgp_peer *peer;
	size_t i;

	ret->addresses = arena_array(&ret->arena, cluster->n_peers, sizeof(*ret->addresses));
	ret->interfaces = arena_array(&ret->arena, cluster->n_peers, sizeof(*ret->interfaces));
	agent->n_peers = 0;
	for (i = 0; ret->addresses && ret->interfaces && node && i < cluster->n_peers; i++) {
		peer = cluster->peers[i];
		if (!peer_selects_node(peer, node))
			continue;
		agent->n_peers++;
		if (peer->peer_address.family != ADDR_NONE)
			ret->addresses[ret->n_addresses++] = peer->peer_address;
		else if (peer->interface &&
			 (ret->interfaces[ret->n_interfaces] = arena_string(&ret->arena, peer->interface)))
			ret->n_interfaces++;
	}
}

static bool peer_ends_equal(const struct peer_ends *a, const struct peer_ends *b)
{
	size_t i;

	if (a->n_addresses != b->n_addresses || a->n_interfaces != b->n_interfaces)
		return false;
	for (i = 0; i < a->n_addresses; i++)
		if (!addr_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	for (i = 0; i < a->n_interfaces; i++)
		if (!text_equal(a->interfaces[i], b->interfaces[i]))
			return false;
	return true;
}

bool agent_datapath_options(struct agent *agent, const struct cluster *cluster, struct datapath_options *ret)
{
	const struct node *node = cluster ? cluster_find_node(cluster, agent->node) : NULL;
	struct addr snat_v4 = first_of_family(node, ADDR_IPV4), snat_v6 = first_of_family(node, ADDR_IPV6);
	const struct agent_options *options = agent->options;
	struct peer_ends ends = { 0 };
	bool changed = !agent->datapath_told || !addr_equal(&snat_v4, &agent->snat_v4) ||
		       !addr_equal(&snat_v6, &agent->snat_v6);

	if (cluster)
		peer_ends_collect(agent, cluster, &ends);
	changed = changed || !peer_ends_equal(&ends, &agent->peer_ends);
	arena_done(&agent->peer_ends.arena);
	agent->peer_ends = ends;
	agent->snat_v4 = snat_v4;
	agent->snat_v6 = snat_v6;
	*ret = (struct datapath_options){
		.pin_dir = options->pin_dir,
		.interfaces = (const char *const *)options->interfaces,
		.n_interfaces = options->n_interfaces,
		.peers = ends.addresses,
		.n_peers = ends.n_addresses,
		.peer_interfaces = ends.interfaces,
		.n_peer_interfaces = ends.n_interfaces,
		.hook = options->hook,
		.snat_port_first = options->snat_port_first,
		.snat_port_last = options->snat_port_last,
		.snat_v4 = snat_v4,
		.snat_v6 = snat_v6,
	};
	return changed;
}

/* --- opening ------------------------------------------------------------------------------------- */

static int failed(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	return error;
}

static int open_sources(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	int r;

	agent->store = store_new();
	if (!agent->store)
		return failed("store of objects", -ENOMEM);
	r = host_addresses_new(agent->event, host_addresses_changed, agent, &agent->host_addresses);
	if (r < 0)
		return failed("addresses of this host", r);
	return agent_source_new(agent->event, options, agent->store, source_changed, agent, &agent->source);
}

static int open_datapath(struct agent *agent)
{
	bool delivered = agent_source_result(agent->source)->delivered;
	const struct cluster *cluster = delivered ? store_cluster(agent->store) : NULL;
	struct datapath_options options;
	struct diff_limits limits;
	size_t n_frontends;
	int r;

	agent_datapath_options(agent, cluster, &options);
	options.snat_unknown = !delivered;
	r = datapath_open(agent->event, &options, &agent->datapath);
	if (r == -EBUSY) {
		log_error("%s: another lbagent holds the maps pinned there; one agent for each --pin-dir",
			  options.pin_dir);
		return r;
	}
	if (r < 0)
		return failed("data path", r);
	agent->datapath_told = delivered;
	limits = datapath_limits(agent->datapath);
	agent->applied = applied_new(&limits);
	if (!agent->applied)
		return failed("data path", -ENOMEM);
	r = datapath_read_applied(agent->datapath, agent->applied);
	if (r < 0)
		return failed("data path: what stands in the pinned maps cannot be read (lbagent --cleanup "
			      "removes it)",
			      r);
	datapath_on_unused(agent->datapath, ids_unused, agent);
	applied_frontends(agent->applied, &n_frontends);
	agent->adopted = n_frontends > 0;
	if (agent->adopted && agent_source_result(agent->source)->statuses_missing)
		log_warn("%s: not there or not readable; what stands in the maps and in FRR stays as it is until it is",
			 agent->options->status_file);
	return 0;
}

static int open_frr(struct agent *agent)
{
	const struct frr_options options = {
		.vty_dir = agent->options->frr_vty_dir,
		.config_file = agent->options->frr_config,
		.secret_namespace = agent_source_namespace(agent->source),
		.cluster_cidrs = agent->options->cluster_cidrs,
		.n_cluster_cidrs = agent->options->n_cluster_cidrs,
	};
	int r = frr_new(agent->event, &options, frr_changed, agent, &agent->frr);

	agent->routes_book = routes_book_new();
	if (r >= 0 && !agent->routes_book)
		r = -ENOMEM;
	return r < 0 ? failed("FRR driver", r) : 0;
}

static int open_control(struct agent *agent)
{
	char path[PATH_MAX];
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/" AGENT_SOCKET, agent->options->run_dir) >= (int)sizeof(path))
		return failed(agent->options->run_dir, -ENAMETOOLONG);
	r = unix_listen(path, &fd);
	if (r >= 0)
		r = http_server_new(agent->event, fd, control_answer, agent, &agent->control);
	return r < 0 ? failed(path, r) : 0;
}

/* In a cluster the kubelet probes; beside manifests only if it is asked for. */
static int open_probes(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	const char *text = options->http_address ? options->http_address : options->manifests ? "" : AGENT_HTTP;
	struct addr addr;
	uint16_t port;
	int fd, r;

	if (!*text)
		return 0;
	if (addr_port_parse(text, &addr, &port) < 0)
		return -EINVAL;
	r = tcp_listen(&addr, port, &fd);
	if (r >= 0)
		r = http_server_new(agent->event, fd, probes_only_answer, agent, &agent->probes);
	if (r < 0)
		log_error("--http-address %s: %s", text, strerror(-r));
	return r;
}

static int open_reporter(struct agent *agent)
{
	int r = agent_source_api(agent->source) ? reporter_new(agent, &agent->reporter) : 0;

	return r < 0 ? failed("LBNode", r) : 0;
}

static int open_loop(struct agent *agent)
{
	int r = debounce_new(agent->event, RECONCILE_LIMIT_MSEC, reconcile_due, agent, &agent->reconcile);

	if (r >= 0)
		r = loop_timer_new(agent->event, retry_due, agent, &agent->retry);
	if (r >= 0)
		r = loop_timer_new(agent->event, break_due, agent, &agent->breaking);
	return r < 0 ? failed("event loop", r) : 0;
}

static void log_started(const struct agent *agent)
{
	cleanup(strbuf_done) struct strbuf hooks = { 0 };
	const struct interface_view *interfaces;
	size_t i, n = datapath_interfaces(agent->datapath, &interfaces), n_frontends;

	for (i = 0; i < n; i++)
		strbuf_appendf(&hooks, "%s%s (%s)", i ? ", " : "", interfaces[i].name, interfaces[i].hook);
	applied_frontends(agent->applied, &n_frontends);
	log_info("lbagent " FAIRWAY_VERSION
		 " on node %s: interfaces %s; %zu frontends adopted; FRR at %s; socket %s/" AGENT_SOCKET,
		 agent->node, n ? strbuf_text(&hooks) : "none yet", n_frontends, agent->options->frr_vty_dir,
		 agent->options->run_dir);
}

int agent_new(struct sd_event *event, const struct agent_options *options, const char *node,
	      struct agent **ret)
{
	cleanup(agent_freep) struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return failed("agent", -ENOMEM);
	agent->event = event;
	agent->options = options;
	agent->node = node;
	r = open_loop(agent);
	if (r >= 0)
		r = open_sources(agent);
	if (r >= 0)
		r = open_datapath(agent);
	if (r >= 0)
		r = open_frr(agent);
	if (r >= 0)
		r = open_control(agent);
	if (r >= 0)
		r = open_probes(agent);
	if (r >= 0)
		r = open_reporter(agent);
	if (r < 0)
		return r;
	log_started(agent);
	if (options->full_proxy)
		log_warn("--proxy-mode full: ClusterIP, NodePort and externalIP frontends are planned (lbctl "
			 "plan shows them), but "
			 "this version's data path serves LoadBalancer VIPs only: keep kube-proxy or its "
			 "like running");
	debounce_kick(agent->reconcile);
	*ret = take(agent);
	return 0;
}

void agent_free(struct agent *agent)
{
	size_t i;

	if (!agent)
		return;
	http_server_free(agent->control);
	http_server_free(agent->probes);
	reporter_free(agent->reporter); /* before the API that it writes through */
	frr_free(agent->frr);
	datapath_close(agent->datapath);
	agent_source_free(agent->source);
	host_addresses_free(agent->host_addresses);
	debounce_free(agent->reconcile);
	loop_timer_free(agent->retry);
	loop_timer_free(agent->breaking);
	steps_done(&agent->steps);
	retiring_done(&agent->retiring);
	names_done(&agent->dirty);
	accepted_done(&agent->accepted);
	node_plan_done(&agent->plan);
	routes_done(&agent->routes);
	routes_book_free(agent->routes_book);
	names_done(&agent->unannounced);
	applied_free(agent->applied);
	store_free(agent->store);
	problems_done(&agent->problems);
	problems_done(&agent->frr_problems);
	for (i = 0; i < agent->n_peer_states; i++)
		free(agent->peer_states[i].name);
	free(agent->peer_states);
	arena_done(&agent->peer_ends.arena);
	free(agent);
}
