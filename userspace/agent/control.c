// SPDX-License-Identifier: Apache-2.0
/* The HTTP + JSON API on the agent's socket: paths, their parameters, and what is answered. lbctl is its
 * first client. Probes and metrics, which are served over TCP too, are in probes.c. */
#include <errno.h>
#include <string.h>

#include "userspace/agent/agent.h"
#include "userspace/agent/report_collect.h"
#include "userspace/agent/status.h"
#include "userspace/agent/views.h"
#include "userspace/agent/why.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

#define FLOWS_DEFAULT 1000
#define FLOWS_MAX     20000 /* bounds the answer's memory, and the time that the loop is busy with it */

enum {
	STATUS_BAD_REQUEST = 400,
	STATUS_NOT_FOUND = 404,
	STATUS_CONFLICT = 409,
	STATUS_ERROR = 500
};

static void refuse(struct http_reply *reply, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void refuse(struct http_reply *reply, unsigned status, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	reply->status = status;
	strbuf_reset(&reply->body);
	strbuf_append(&reply->body, "{\"error\": ");
	json_append_string(&reply->body, strbuf_text(&text));
	strbuf_append(&reply->body, "}\n");
}

static void refuse_error(struct http_reply *reply, int error)
{
	refuse(reply, STATUS_ERROR, "the agent cannot answer now: %s", strerror(-error));
}

/* --- services ------------------------------------------------------------------------------------ */

static void answer_services(struct agent *agent, const struct http_request *request, struct http_reply *reply)
{
	cleanup(arena_done) struct arena arena = { 0 };
	struct service_row *rows;
	size_t n;
	int r;

	r = status_services(agent, &arena, http_query(request, "namespace"), NULL, &rows, &n);
	if (r < 0)
		refuse_error(reply, r);
	else
		view_services_json(&reply->body, agent->node, agent->generation, rows, n);
}

/* The one Service that ?name= and ?namespace= mean, or NULL: then the reply says why. */
static const struct service_row *requested_service(struct agent *agent, struct arena *arena,
						   const struct http_request *request,
						   struct http_reply *reply)
{
	const char *namespace = http_query(request, "namespace"), *name = http_query(request, "name");
	cleanup(strbuf_done) struct strbuf found = { 0 }, trouble = { 0 };
	struct source_view source = agent_source_view(agent->source);
	struct service_row *rows;
	size_t i, n;
	int r;

	if (!name) {
		refuse(reply, STATUS_BAD_REQUEST, "which service? ?name=NAME is missing");
		return NULL;
	}
	r = status_services(agent, arena, namespace, name, &rows, &n);
	if (r < 0) {
		refuse_error(reply, r);
		return NULL;
	}
	if (n == 1)
		return rows;
	for (i = 0; i < n && i < 8; i++)
		strbuf_appendf(&found, "%s%s", i ? ", " : "", rows[i].service->meta.namespace);
	if (n) {
		refuse(reply, STATUS_CONFLICT, "service %s is in several namespaces (%s): say which with -n",
		       name, strbuf_text(&found));
		return NULL;
	}
	source_view_append_trouble(&source, &trouble);
	if (!trouble.length && !agent->delivered)
		strbuf_append(&trouble, "not all objects are read yet");
	refuse(reply, STATUS_NOT_FOUND, "there is no service %s%s%s on node %s%s%s", namespace ? namespace : "",
	       namespace ? "/" : "", name, agent->node, trouble.length ? "; " : "", strbuf_text(&trouble));
	return NULL;
}

static int service_routes(struct agent *agent, struct arena *arena, const struct service *service,
			  struct route_row **ret, size_t *ret_n)
{
	cleanup(strbuf_done) struct strbuf name = { 0 };

	strbuf_appendf(&name, "%s/%s", service->meta.namespace, service->meta.name);
	return strbuf_failed(&name) ? -ENOMEM : status_routes(agent, arena, strbuf_text(&name), ret, ret_n);
}

/* The problems of one Service, borrowed: they are neighbours in the sorted list. */
static struct problems service_problems(const struct agent *agent, const struct service *service)
{
	cleanup(strbuf_done) struct strbuf object = { 0 };
	struct problems found = { 0 };
	size_t i;

	strbuf_appendf(&object, "Service/%s/%s", service->meta.namespace, service->meta.name);
	for (i = 0; i < agent->problems.n; i++) {
		if (!text_equal(agent->problems.items[i].object, strbuf_text(&object)))
			continue;
		if (!found.n++)
			found.items = &agent->problems.items[i];
	}
	return found;
}

static void answer_service(struct agent *agent, const struct http_request *request, struct http_reply *reply)
{
	cleanup(arena_done) struct arena arena = { 0 };
	const struct service_row *row = requested_service(agent, &arena, request, reply);
	struct frontend_state *states;
	struct problems problems;
	struct route_row *routes;
	size_t n;

	if (!row)
		return;
	states = status_frontends(agent, &arena, row->plan);
	if (!states || service_routes(agent, &arena, row->service, &routes, &n) < 0) {
		refuse_error(reply, -ENOMEM);
		return;
	}
	problems = service_problems(agent, row->service);
	view_service_json(&reply->body, agent->node, row, states, routes, n, &problems);
}

static const struct allocation *find_allocation(const struct allocations *all, const struct service *service)
{
	size_t i;

	for (i = 0; i < all->n_services; i++)
		if (text_equal(all->services[i].namespace, service->meta.namespace) &&
		    text_equal(all->services[i].name, service->meta.name))
			return &all->services[i];
	return NULL;
}

static void answer_why(struct agent *agent, const struct http_request *request, struct http_reply *reply)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	const struct service_row *row = requested_service(agent, &arena, request, reply);
	const struct cluster *cluster = store_cluster(agent->store);
	struct why_input input = { .cluster = cluster, .node = agent->node, .problems = &agent->problems,
				   .default_class = agent->options->default_class,
				   .daemon_state = frr_daemon_state(agent->frr) };
	struct source_view source = agent_source_view(agent->source);
	cleanup(strbuf_done) struct strbuf trouble = { 0 };
	const struct frr_peer_view *peers;
	struct route_row *routes;
	struct problems problems;
	struct why why;

	if (!row)
		return;
	input.service = row->service;
	input.plan = row->plan;
	input.accepted = row->accepted;
	input.states = status_frontends(agent, &arena, row->plan);
	if (!cluster || !input.states || allocate(cluster, agent->options->default_class, &allocations) < 0 ||
	    service_routes(agent, &arena, row->service, &routes, &input.n_routes) < 0) {
		refuse_error(reply, -ENOMEM);
		return;
	}
	input.routes = routes;
	input.allocation = find_allocation(&allocations, row->service);
	input.n_peers = frr_peers(agent->frr, &peers);
	report_count_families(agent, cluster, input.n_peers_in);
	why_decide(&input, &why);
	source_view_append_trouble(&source, &trouble);
	problems = service_problems(agent, row->service);
	view_why_json(&reply->body, agent->node, row->service, &why, &problems, strbuf_text(&trouble));
	why_done(&why);
}

/* --- pools, BGP, node ---------------------------------------------------------------------------- */

static void answer_pools(struct agent *agent, const struct http_request *request _unused_,
			 struct http_reply *reply)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };
	const struct cluster *cluster = store_cluster(agent->store);
	int r = cluster ? allocate(cluster, agent->options->default_class, &allocations) : -ENOMEM;

	if (r < 0)
		refuse_error(reply, r);
	else
		view_pools_json(&reply->body, allocations.pools, allocations.n_pools, cluster);
}

static void answer_peers(struct agent *agent, const struct http_request *request _unused_,
			 struct http_reply *reply)
{
	const struct frr_peer_view *peers;
	size_t n = frr_peers(agent->frr, &peers);

	view_peers_json(&reply->body, agent->node, frr_daemon_state(agent->frr), peers, n);
}

static void answer_routes(struct agent *agent, const struct http_request *request _unused_,
			  struct http_reply *reply)
{
	cleanup(arena_done) struct arena arena = { 0 };
	struct route_row *rows;
	size_t n;
	int r = status_routes(agent, &arena, NULL, &rows, &n);

	if (r < 0)
		refuse_error(reply, r);
	else
		view_routes_json(&reply->body, agent->node, frr_in_sync(agent->frr), rows, n);
}

static void answer_node(struct agent *agent, const struct http_request *request _unused_,
			struct http_reply *reply)
{
	struct node_row row = status_node(agent);

	view_node_json(&reply->body, &row);
}

static void answer_drops(struct agent *agent, const struct http_request *request _unused_,
			 struct http_reply *reply)
{
	const struct drop_counter *drops;
	size_t n = datapath_drops(agent->datapath, &drops);

	view_drops_json(&reply->body, agent->node, drops, n);
}

/* --- flows --------------------------------------------------------------------------------------- */

struct flow_answer {
	struct strbuf *body;
	size_t n, limit;
	bool truncated;
};

static int add_flow(void *userdata, const struct flow_view *flow)
{
	struct flow_answer *answer = userdata;

	if (answer->n == answer->limit) {
		answer->truncated = true;
		return 1;
	}
	answer->n++;
	view_flow(answer->body, flow);
	return 0;
}

/* False: the reply says what is wrong with the parameter. */
static bool query_address(const struct http_request *request, const char *name, struct addr *ret,
			  struct http_reply *reply)
{
	const char *text = http_query(request, name);

	if (!text || !addr_parse(text, ret))
		return true;
	refuse(reply, STATUS_BAD_REQUEST, "%s: not an address: %s", name, text);
	return false;
}

static bool query_limit(const struct http_request *request, size_t *ret, struct http_reply *reply)
{
	const char *text = http_query(request, "limit");
	uint64_t limit = FLOWS_DEFAULT;

	if (text && parse_number(text, 1, FLOWS_MAX, &limit) < 0) {
		refuse(reply, STATUS_BAD_REQUEST, "limit: not a number of 1 to %d: %s", FLOWS_MAX, text);
		return false;
	}
	*ret = limit;
	return true;
}

static void answer_flows(struct agent *agent, const struct http_request *request, struct http_reply *reply)
{
	struct flow_answer answer = { .body = &reply->body };
	struct flow_filter filter = { 0 };
	int r;

	if (!query_address(request, "vip", &filter.frontend, reply) ||
	    !query_address(request, "backend", &filter.backend, reply) ||
	    !query_address(request, "client", &filter.client, reply) ||
	    !query_limit(request, &answer.limit, reply))
		return;
	filter.limit = answer.limit + 1; /* one more tells that the answer is cut */
	view_flows_begin(&reply->body, agent->node);
	r = datapath_each_flow(agent->datapath, &filter, add_flow, &answer);
	view_flows_end(&reply->body, answer.truncated);
	if (r < 0)
		refuse_error(reply, r);
}

/* --- all paths ------------------------------------------------------------------------------------ */

static const struct {
	const char *path;
	void (*answer)(struct agent *, const struct http_request *, struct http_reply *);
} paths[] = {
	{ "/v1/services", answer_services },
	{ "/v1/service", answer_service },
	{ "/v1/why", answer_why },
	{ "/v1/pools", answer_pools },
	{ "/v1/bgp/peers", answer_peers },
	{ "/v1/bgp/routes", answer_routes },
	{ "/v1/node", answer_node },
	{ "/v1/flows", answer_flows },
	{ "/v1/drops", answer_drops },
};

void control_answer(void *agent, const struct http_request *request, struct http_reply *reply)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		if (text_equal(paths[i].path, request->path)) {
			paths[i].answer(agent, request, reply);
			return;
		}
	if (!probe_answer(agent, request, reply))
		refuse(reply, STATUS_NOT_FOUND, "nothing is served at %s", request->path);
}
