// SPDX-License-Identifier: Apache-2.0
/* JSON of the control socket: see views.h. */
#include "userspace/agent/views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/core/explain.h"

/* --- JSON pieces: a comma is due unless something was just opened -------------------------------- */

static void separate(struct strbuf *out)
{
	char last = out->length ? out->text[out->length - 1] : '{';

	if (last != '{' && last != '[' && last != ' ')
		strbuf_append(out, last == '\n' ? "" : ", ");
}

static void key(struct strbuf *out, const char *name)
{
	separate(out);
	strbuf_appendf(out, "\"%s\": ", name);
}

static void put_text(struct strbuf *out, const char *name, const char *value)
{
	key(out, name);
	json_append_string(out, value ? value : "");
}

static void put_number(struct strbuf *out, const char *name, uint64_t value)
{
	key(out, name);
	strbuf_appendf(out, "%" PRIu64, value);
}

static void put_bool(struct strbuf *out, const char *name, bool value)
{
	key(out, name);
	strbuf_append(out, value ? "true" : "false");
}

static void put_addr(struct strbuf *out, const char *name, const struct addr *addr)
{
	char text[ADDR_TEXT_MAX] = "";

	if (addr->family != ADDR_NONE)
		addr_format(addr, text);
	put_text(out, name, text);
}

static void put_number_v6(struct strbuf *out, const char *name, addr_number value)
{
	char digits[48], *end = digits + sizeof(digits);

	*--end = '\0';
	do {
		*--end = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	put_text(out, name, end);
}

static void element(struct strbuf *out, size_t index)
{
	strbuf_append(out, index ? ",\n  " : "\n  ");
}

static void close_list(struct strbuf *out, size_t n)
{
	strbuf_append(out, n ? "\n]" : "]");
}

static void put_texts(struct strbuf *out, const char *name, const struct strings *texts)
{
	size_t i;

	key(out, name);
	strbuf_append(out, "[");
	for (i = 0; i < texts->n; i++) {
		strbuf_append(out, i ? ", " : "");
		json_append_string(out, texts->items[i]);
	}
	strbuf_append(out, "]");
}

/* --- services ------------------------------------------------------------------------------------ */

#define ROW_ADDRESSES_MAX 64

size_t service_row_addresses(const struct service_row *row, struct addr *addresses, size_t capacity)
{
	size_t i, n = 0;

	if (row->plan && row->plan->n_vips) {
		for (i = 0; i < row->plan->n_vips && n < capacity; i++)
			addresses[n++] = row->plan->vips[i];
		return n;
	}
	for (i = 0; i < row->service->n_ingress && n < capacity; i++)
		if (row->service->ingress[i].addr.family != ADDR_NONE)
			addresses[n++] = row->service->ingress[i].addr;
	return n;
}

static const char *policy_name(enum traffic_policy policy)
{
	return policy == POLICY_LOCAL ? "Local" : "Cluster";
}

static void put_ports(struct strbuf *out, const struct service *service)
{
	size_t i;

	key(out, "ports");
	strbuf_append(out, "[");
	for (i = 0; i < service->n_ports; i++)
		strbuf_appendf(out, "%s\"%u/%s\"", i ? ", " : "", service->ports[i].port,
			       l4_protocol_name(service->ports[i].protocol));
	strbuf_append(out, "]");
}

static void put_counters(struct strbuf *out, const struct frontend_counters *counters)
{
	put_number(out, "flows", counters->flows);
	put_number(out, "packets", counters->packets);
	put_number(out, "bytes", counters->bytes);
	put_number(out, "drops", counters->drops);
}

static void put_service(struct strbuf *out, const struct service_row *row)
{
	struct addr addresses[ROW_ADDRESSES_MAX];
	char text[ADDR_TEXT_MAX];
	size_t i, n;

	put_text(out, "namespace", row->service->meta.namespace);
	put_text(out, "name", row->service->meta.name);
	key(out, "addresses");
	strbuf_append(out, "[");
	n = service_row_addresses(row, addresses, ARRAY_SIZE(addresses));
	for (i = 0; i < n; i++)
		strbuf_appendf(out, "%s\"%s\"", i ? ", " : "", addr_format(&addresses[i], text));
	strbuf_append(out, "]");
	put_ports(out, row->service);
	put_text(out, "policy", policy_name(row->service->external_policy));
	put_text(out, "mode", row->mode);
	put_number(out, "backendsReady", row->plan ? row->plan->n_ready : 0);
	put_number(out, "backendsTotal", row->plan ? row->plan->n_total : 0);
	put_number(out, "localBackends", row->plan ? row->plan->n_local : 0);
	put_bool(out, "programmed", row->accepted);
	put_texts(out, "announcedTo", &row->announced_to);
	put_counters(out, &row->counters);
	put_text(out, "problem", row->problem);
}

void view_services_json(struct strbuf *out, const char *node, uint64_t generation,
			const struct service_row *rows, size_t n)
{
	size_t i;

	strbuf_append(out, "{");
	put_text(out, "node", node);
	put_number(out, "generation", generation);
	key(out, "services");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_service(out, &rows[i]);
		strbuf_append(out, "}");
	}
	close_list(out, n);
	strbuf_append(out, "}\n");
}

static void put_backends(struct strbuf *out, const char *name, const struct backends *backends)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	key(out, name);
	strbuf_append(out, "[");
	for (i = 0; backends && i < backends->n; i++) {
		strbuf_appendf(out, "%s{", i ? ", " : "");
		put_text(out, "address", addr_format(&backends->items[i].addr, text));
		put_number(out, "port", backends->items[i].port);
		put_text(out, "node", backends->items[i].node);
		put_bool(out, "local", backends->items[i].local);
		put_number(out, "weight", backends->items[i].weight);
		strbuf_append(out, "}");
	}
	strbuf_append(out, "]");
}

static void put_ranges(struct strbuf *out, const struct frontend *frontend)
{
	char text[PREFIX_TEXT_MAX];
	size_t i;

	key(out, "sourceRanges");
	strbuf_append(out, "[");
	for (i = 0; i < frontend->n_source_ranges; i++)
		strbuf_appendf(out, "%s\"%s\"", i ? ", " : "",
			       prefix_format(&frontend->source_ranges[i], text));
	strbuf_append(out, "]");
	put_text(out, "sourceRangesPolicy", frontend->source_ranges_deny ? "deny" : "allow");
}

static void put_frontend(struct strbuf *out, const struct service_plan *plan, const struct frontend *frontend,
			 const struct frontend_state *state)
{
	const struct backend_set *set = frontend->set < plan->n_sets ? &plan->sets[frontend->set] : NULL;

	put_text(out, "type", frontend_type_name(frontend->type));
	put_addr(out, "address", &frontend->addr);
	put_number(out, "port", frontend->port);
	put_text(out, "protocol", l4_protocol_name(frontend->protocol));
	put_text(out, "portName", frontend->port_name);
	put_text(out, "policy", policy_name(frontend->policy));
	put_text(out, "verdict", verdict_name(frontend->verdict));
	put_text(out, "reason", frontend->reason);
	put_bool(out, "programmed", state->standing);
	if (state->in_maps)
		put_number(out, "id", state->id);
	put_number(out, "tableSize", set && frontend->verdict == VERDICT_FORWARD ? set->table_size : 0);
	put_backends(out, "backends", set ? &set->active : NULL);
	put_backends(out, "draining", set ? &set->draining : NULL);
	put_number(out, "affinitySeconds", frontend->affinity_sec);
	put_ranges(out, frontend);
	put_counters(out, &state->counters);
}

static void put_route(struct strbuf *out, const struct route_row *row)
{
	char text[PREFIX_TEXT_MAX], community[COMMUNITY_TEXT_MAX];
	size_t i;

	put_text(out, "prefix", prefix_format(&row->route->prefix, text));
	put_text(out, "kind", route_kind_name(row->route->kind));
	put_text(out, "peer", row->route->peer);
	put_text(out, "session", row->session);
	put_bool(out, "announced", row->announced);
	put_number(out, "localPref", row->route->local_pref);
	key(out, "communities");
	strbuf_append(out, "[");
	for (i = 0; i < row->route->n_communities; i++)
		strbuf_appendf(out, "%s\"%s\"", i ? ", " : "",
			       community_format(&row->route->communities[i], community));
	strbuf_append(out, "]");
	put_texts(out, "services", &row->route->services);
}

static void put_routes(struct strbuf *out, const struct route_row *rows, size_t n)
{
	size_t i;

	key(out, "routes");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_route(out, &rows[i]);
		strbuf_append(out, "}");
	}
	close_list(out, n);
}

static void put_problems(struct strbuf *out, const struct problems *problems)
{
	size_t i;

	key(out, "problems");
	strbuf_append(out, "[");
	for (i = 0; i < problems->n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_text(out, "object", problems->items[i].object);
		put_text(out, "field", problems->items[i].field);
		put_text(out, "message", problems->items[i].message);
		strbuf_append(out, "}");
	}
	close_list(out, problems->n);
}

void view_service_json(struct strbuf *out, const char *node, const struct service_row *row,
		       const struct frontend_state *states, const struct route_row *routes, size_t n_routes,
		       const struct problems *problems)
{
	size_t n_frontends = row->plan ? row->plan->n_frontends : 0, i;

	strbuf_append(out, "{");
	put_text(out, "node", node);
	put_service(out, row);
	put_text(out, "class", row->service->load_balancer_class);
	key(out, "frontends");
	strbuf_append(out, "[");
	for (i = 0; i < n_frontends; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_frontend(out, row->plan, &row->plan->frontends[i], &states[i]);
		strbuf_append(out, "}");
	}
	close_list(out, n_frontends);
	put_routes(out, routes, n_routes);
	put_problems(out, problems);
	strbuf_append(out, "}\n");
}

/* --- pools, BGP ---------------------------------------------------------------------------------- */

void view_pools_json(struct strbuf *out, const struct pool_usage *pools, size_t n,
		     const struct cluster *cluster)
{
	const struct service_ip_pool *pool;
	const struct strings none = { 0 };
	size_t i;

	strbuf_append(out, "{");
	key(out, "pools");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		pool = cluster_find_pool(cluster, pools[i].name);
		element(out, i);
		strbuf_append(out, "{");
		put_text(out, "name", pools[i].name);
		put_texts(out, "addresses", pool ? &pool->addresses : &none);
		put_bool(out, "autoAssign", pool && pool->auto_assign);
		put_number(out, "assignedIPv4", pools[i].assigned_v4);
		put_number(out, "availableIPv4", pools[i].available_v4);
		put_number_v6(out, "assignedIPv6", pools[i].assigned_v6);
		put_number_v6(out, "availableIPv6", pools[i].available_v6);
		put_bool(out, "ready", pools[i].ready);
		put_text(out, "reason", pools[i].reason);
		put_text(out, "message", pools[i].message);
		strbuf_append(out, "}");
	}
	close_list(out, n);
	strbuf_append(out, "}\n");
}

static void put_peer(struct strbuf *out, const struct frr_peer_view *peer)
{
	put_text(out, "name", peer->name);
	put_addr(out, "address", &peer->address);
	put_text(out, "interface", peer->interface);
	put_number(out, "asn", peer->remote_asn);
	put_text(out, "state", peer->state);
	put_number(out, "uptimeSeconds", peer->uptime_sec);
	put_number(out, "prefixesSent", peer->prefixes_sent);
	put_number(out, "prefixesWanted", peer->prefixes_wanted);
	put_number(out, "prefixesReceived", peer->prefixes_received);
	put_text(out, "bfd", peer->bfd);
	put_text(out, "lastError", peer->last_error);
}

void view_peers_json(struct strbuf *out, const char *node, const char *daemon_state,
		     const struct frr_peer_view *peers, size_t n)
{
	size_t i;

	strbuf_append(out, "{");
	put_text(out, "node", node);
	put_text(out, "daemon", daemon_state);
	key(out, "peers");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_peer(out, &peers[i]);
		strbuf_append(out, "}");
	}
	close_list(out, n);
	strbuf_append(out, "}\n");
}

void view_routes_json(struct strbuf *out, const char *node, bool in_sync, const struct route_row *rows,
		      size_t n)
{
	strbuf_append(out, "{");
	put_text(out, "node", node);
	put_bool(out, "inSync", in_sync);
	put_routes(out, rows, n);
	strbuf_append(out, "}\n");
}

/* --- node, drops, flows -------------------------------------------------------------------------- */

static void put_interfaces(struct strbuf *out, const struct interface_view *interfaces, size_t n)
{
	size_t i;

	key(out, "interfaces");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_text(out, "name", interfaces[i].name);
		put_number(out, "ifindex", interfaces[i].ifindex);
		put_text(out, "hook", interfaces[i].hook);
		put_bool(out, "attached", interfaces[i].attached);
		put_text(out, "why", interfaces[i].why);
		strbuf_append(out, "}");
	}
	close_list(out, n);
}

static void put_findings(struct strbuf *out, const struct host_finding *findings, size_t n)
{
	size_t i;

	key(out, "findings");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_text(out, "what", findings[i].what);
		put_text(out, "found", findings[i].found);
		put_bool(out, "harmful", findings[i].harmful);
		strbuf_append(out, "}");
	}
	close_list(out, n);
}

static void put_source_state(struct strbuf *out, const struct node_row *row)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	put_bool(out, "sourceReachable", row->source_reachable);
	if (row->source_since_sec == INT64_MAX) {
		strbuf_append(&text, "followed");
	} else {
		strbuf_append(&text, row->source_reachable ? "connected since " : "waiting for API server since ");
		strbuf_append_time(&text, row->source_since_sec);
	}
	if (row->source_trouble && *row->source_trouble)
		strbuf_appendf(&text, ": %s", row->source_trouble);
	put_text(out, "sourceState", strbuf_text(&text));
}

void view_node_json(struct strbuf *out, const struct node_row *row)
{
	strbuf_append(out, "{");
	put_text(out, "node", row->node);
	put_text(out, "version", row->version);
	put_number(out, "generation", row->generation);
	put_bool(out, "ready", !row->unready);
	put_text(out, "missing", row->unready);
	put_text(out, "source", row->source);
	put_source_state(out, row);
	put_bool(out, "sourceDelivered", row->delivered);
	put_bool(out, "converged", row->converged);
	put_text(out, "proxyMode", row->proxy_mode);
	put_text(out, "frr", row->daemon_state);
	put_number(out, "services", row->n_services);
	put_number(out, "frontends", row->n_frontends);
	put_number(out, "frontendsMax", row->limits.frontends);
	put_number(out, "backends", row->n_backends);
	put_number(out, "backendsMax", row->limits.backends);
	put_number(out, "tableSlotsMax", row->limits.table_slots);
	put_interfaces(out, row->interfaces, row->n_interfaces);
	put_findings(out, row->findings, row->n_findings);
	put_problems(out, row->problems);
	strbuf_append(out, "}\n");
}

void view_drops_json(struct strbuf *out, const char *node, const struct drop_counter *drops, size_t n)
{
	size_t i;

	strbuf_append(out, "{");
	put_text(out, "node", node);
	key(out, "drops");
	strbuf_append(out, "[");
	for (i = 0; i < n; i++) {
		element(out, i);
		strbuf_append(out, "{");
		put_text(out, "reason", drops[i].reason);
		put_number(out, "packets", drops[i].packets);
		put_text(out, "text", drops[i].text);
		strbuf_append(out, "}");
	}
	close_list(out, n);
	strbuf_append(out, "}\n");
}

void view_flows_begin(struct strbuf *out, const char *node)
{
	strbuf_append(out, "{");
	put_text(out, "node", node);
	key(out, "flows");
	strbuf_append(out, "[");
}

void view_flow(struct strbuf *out, const struct flow_view *flow)
{
	strbuf_append(out, out->length && out->text[out->length - 1] == '[' ? "\n  {" : ",\n  {");
	put_text(out, "protocol", l4_protocol_name(flow->protocol));
	put_addr(out, "client", &flow->client);
	put_number(out, "clientPort", flow->client_port);
	put_addr(out, "vip", &flow->frontend);
	put_number(out, "vipPort", flow->frontend_port);
	put_addr(out, "backend", &flow->backend);
	put_number(out, "backendPort", flow->backend_port);
	put_addr(out, "snat", &flow->snat);
	put_number(out, "snatPort", flow->snat_port);
	put_text(out, "state", flow->state);
	put_number(out, "idleSeconds", flow->idle_sec);
	strbuf_append(out, "}");
}

void view_flows_end(struct strbuf *out, bool truncated)
{
	strbuf_append(out, "]");
	put_bool(out, "truncated", truncated);
	strbuf_append(out, "}\n");
}
