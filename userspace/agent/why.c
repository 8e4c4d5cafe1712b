// SPDX-License-Identifier: Apache-2.0
/* The walk of `lbctl why`: see why.h. Each step is one function that writes its finding and says whether
 * it is fine. */
#include "userspace/agent/why.h"

#include <string.h>

#include "userspace/agent/node_report.h"
#include "userspace/agent/problem_log.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"
#include "userspace/core/route_policy.h"

static bool step_class(const struct why_input *in, struct strbuf *out)
{
	const struct service *service = in->service;

	if (service->unusable) {
		const struct problem *problem =
			problems_find_service(in->problems, service->meta.namespace, service->meta.name);

		strbuf_appendf(out, "the object was refused when it was read: %s: %s",
			       problem ? problem->field : "", problem ? problem->message : "see the log");
		return false;
	}
	if (service->type != SERVICE_LOAD_BALANCER) {
		strbuf_append(out, "its type is not LoadBalancer");
		return false;
	}
	if (service_is_ours(service, in->default_class)) {
		strbuf_appendf(out, "LoadBalancer, %s",
			       service->load_balancer_class ? "class " FAIRWAY_CLASS
							    : "class-less (--default-class)");
		return true;
	}
	if (service->load_balancer_class)
		strbuf_appendf(out, "spec.loadBalancerClass is %s, not " FAIRWAY_CLASS,
			       service->load_balancer_class);
	else
		strbuf_append(out,
			      "it has no spec.loadBalancerClass, and the agent runs without --default-class");
	return false;
}

static bool has_address(const struct why_input *in)
{
	struct service_row row = { .service = in->service, .plan = in->plan };
	struct addr addresses[1];

	return service_row_addresses(&row, addresses, 1) > 0;
}

static void pools_of_addresses(const struct why_input *in, struct strbuf *out)
{
	struct service_row row = { .service = in->service, .plan = in->plan };
	const struct service_ip_pool *pool;
	struct addr addresses[16];
	char text[ADDR_TEXT_MAX];
	size_t i, n = service_row_addresses(&row, addresses, ARRAY_SIZE(addresses));

	for (i = 0; i < n; i++) {
		pool = cluster_pool_of_address(in->cluster, &addresses[i]);
		strbuf_appendf(out, "%s%s is %s%s%s", i ? ", " : "", addr_format(&addresses[i], text),
			       pool ? "in pool " : "in no pool", pool ? pool->meta.name : "",
			       !pool && in->plan && in->plan->n_vips ? " (served all the same)" : "");
	}
}

static bool step_pool(const struct why_input *in, struct strbuf *out)
{
	if (has_address(in)) {
		pools_of_addresses(in, out);
		return true;
	}
	if (!in->allocation || !in->allocation->n_addresses) {
		strbuf_appendf(out, "no pool gives an address: %s: %s",
			       in->allocation && *in->allocation->reason ? in->allocation->reason
									 : "NoMatchingPool",
			       in->allocation && *in->allocation->message ? in->allocation->message
									  : "there is no pool");
		return false;
	}
	strbuf_appendf(out, "pool %s has an address for it", in->allocation->pool);
	return true;
}

static bool step_address(const struct why_input *in, struct strbuf *out)
{
	const struct problem *problem =
		problems_find_unserved(in->problems, in->service->meta.namespace, in->service->meta.name);
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (in->plan && in->plan->n_vips) {
		for (i = 0; i < in->plan->n_vips; i++)
			strbuf_appendf(out, "%s%s", i ? ", " : "", addr_format(&in->plan->vips[i], text));
		return true;
	}
	if (in->service->meta.deleting)
		strbuf_append(out, "it is being deleted: its routes and frontends are withdrawn, the address "
				   "follows when "
				   "every node has done so");
	else if (!has_address(in))
		strbuf_append(
			out,
			"its status has no address yet: does lbcontroller run, and does the agent read its "
			"--status file?");
	else
		strbuf_appendf(out, "the address of its status is not served: %s",
			       problem ? problem->message
				       : "it is of another kind (ipMode Proxy, or no port)");
	return false;
}

static bool step_endpoints(const struct why_input *in, struct strbuf *out)
{
	const struct service_plan *plan = in->plan;
	bool local = plan->external_policy == POLICY_LOCAL, forwards = false;
	const char *reason = "";
	size_t i;

	for (i = 0; i < plan->n_frontends; i++) {
		if (plan->frontends[i].type != FRONTEND_LOAD_BALANCER)
			continue;
		forwards |= plan->frontends[i].verdict == VERDICT_FORWARD;
		if (plan->frontends[i].verdict != VERDICT_FORWARD)
			reason = plan->frontends[i].reason;
	}
	strbuf_appendf(out, "%zu of %zu ready, %zu on this node, policy %s", plan->n_ready, plan->n_total,
		       plan->n_local, local ? "Local" : "Cluster");
	if (forwards)
		return true;
	if (text_equal(reason, "NoLocalEndpoints"))
		strbuf_appendf(out, ": none on node %s, so it is not served or announced here", in->node);
	else
		strbuf_append(out, ": no usable endpoint, so clients are refused and nothing is announced");
	return false;
}

/* SCTP never does, and is a problem of its own. */
static bool is_to_stand(const struct frontend *frontend)
{
	return frontend->type == FRONTEND_LOAD_BALANCER && frontend->protocol != L4_SCTP;
}

static bool step_maps(const struct why_input *in, struct strbuf *out)
{
	char text[ADDR_TEXT_MAX];
	const struct frontend *frontend;
	size_t i, standing = 0, n = 0;

	for (i = 0; i < in->plan->n_frontends; i++) {
		n += is_to_stand(&in->plan->frontends[i]);
		standing += is_to_stand(&in->plan->frontends[i]) && in->states[i].standing;
	}
	strbuf_appendf(out, "%zu of %zu frontends stand as planned", standing, n);
	for (i = 0; i < in->plan->n_frontends && standing < n; i++) {
		frontend = &in->plan->frontends[i];
		if (!is_to_stand(frontend) || in->states[i].standing)
			continue;
		strbuf_appendf(out, "; %s port %u/%s does not (%s)", addr_format(&frontend->addr, text),
			       frontend->port, l4_protocol_name(frontend->protocol),
			       in->states[i].in_maps ? "an older state serves" : "not in the maps");
		break;
	}
	return in->accepted && standing == n;
}

/* Why nothing is announced, as far as the node itself is the reason. */
static const char *node_excluded(const struct why_input *in)
{
	const struct node *node = cluster_find_node(in->cluster, in->node);

	return node ? node_why_no_services(node) : "there is no Node object of this name";
}

/* The Service may be announced from nowhere because of what is wrong with its own selector, or with an
 * advertisement. */
static void append_suspect(const struct why_input *in, struct strbuf *out)
{
	const struct problem *problem =
		problems_find_service(in->problems, in->service->meta.namespace, in->service->meta.name);

	if (!problem)
		problem = problems_find_kind(in->problems, "BGPAdvertisement");
	if (problem)
		strbuf_appendf(out, "; %s: %s: %s", problem->object, problem->field, problem->message);
}

static bool no_route(const struct why_input *in, struct strbuf *out)
{
	const char *excluded = node_excluded(in);

	if (!in->n_peers)
		strbuf_append(out, "no usable BGPPeer selects this node");
	else if (excluded)
		strbuf_append(out, excluded);
	else if (in->cluster->n_advertisements)
		strbuf_append(
			out,
			"no BGPAdvertisement selects this service on this node (pools, serviceSelectors, "
			"nodeSelectors, maxNextHops, onlyNodesWithEndpoints, drainOnTaints)");
	else
		strbuf_append(out, "its pool's or its own node selector leaves this node out");
	append_suspect(in, out);
	return false;
}

/* A family that no peer is to be told of, beside one that some are: an outage to its clients, and the same
 * that this node's LBNode says. */
static bool both_families_are_routed(const struct why_input *in, struct strbuf *out)
{
	struct report_facts facts = { .plan = in->plan,
				      .n_peers_in = { in->n_peers_in[0], in->n_peers_in[1] } };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	size_t i;

	for (i = 0; i < in->n_routes; i++)
		facts.wanted_in[in->routes[i].route->prefix.addr.family == ADDR_IPV6] = true;
	if (!report_unrouted(&facts, &why))
		return true;
	strbuf_appendf(out, "; " REPORT_PARTLY ": %s", strbuf_text(&why));
	out->failed |= strbuf_failed(&why);
	return false;
}

static bool step_announcement(const struct why_input *in, struct strbuf *out)
{
	char text[PREFIX_TEXT_MAX];
	const struct route_row *row;
	size_t i, up = 0;

	if (!in->n_routes)
		return no_route(in, out);
	for (i = 0; i < in->n_routes; i++) {
		row = &in->routes[i];
		strbuf_appendf(out, "%s%s to %s: ", i ? "; " : "", prefix_format(&row->route->prefix, text),
			       row->route->peer);
		if (!row->announced)
			strbuf_appendf(out, "not in bgpd (FRR is %s)", in->daemon_state);
		else if (!text_equal(row->session, "Established"))
			strbuf_appendf(out, "session is %s",
				       *row->session ? row->session : "not known to FRR");
		else
			strbuf_append(out, "announced");
		up += row->announced && text_equal(row->session, "Established");
	}
	return both_families_are_routed(in, out) && up == in->n_routes;
}

void why_decide(const struct why_input *in, struct why *ret)
{
	static const struct {
		const char *name;
		bool (*check)(const struct why_input *, struct strbuf *);
	} steps[] = {
		{ "class", step_class },	 { "pool", step_pool }, { "address", step_address },
		{ "endpoints", step_endpoints }, { "maps", step_maps }, { "announcement", step_announcement },
	};
	struct why_step *step;
	size_t i;

	_Static_assert(ARRAY_SIZE(steps) == ARRAY_SIZE(ret->steps), "one result for each step");
	*ret = (struct why){ 0 };
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		step = &ret->steps[ret->n++];
		step->name = steps[i].name;
		step->fine = steps[i].check(in, &step->text);
		if (!step->fine)
			return;
	}
}

void why_done(struct why *why)
{
	size_t i;

	for (i = 0; i < why->n; i++)
		strbuf_done(&why->steps[i].text);
	*why = (struct why){ 0 };
}

const char *why_broken(const struct why *why)
{
	return why->n && !why->steps[why->n - 1].fine ? why->steps[why->n - 1].name : "";
}

static void append_member(struct strbuf *out, const char *before, const char *key, const char *value)
{
	strbuf_appendf(out, "%s\"%s\": ", before, key);
	json_append_string(out, value);
}

static void append_problems(struct strbuf *out, const struct problems *problems)
{
	size_t i;

	strbuf_append(out, ", \"problems\": [");
	for (i = 0; i < problems->n; i++) {
		append_member(out, i ? ",\n  {" : "\n  {", "field", problems->items[i].field);
		append_member(out, ", ", "message", problems->items[i].message);
		strbuf_append(out, "}");
	}
	strbuf_append(out, "]");
}

void view_why_json(struct strbuf *out, const char *node, const struct service *service, const struct why *why,
		   const struct problems *problems, const char *note)
{
	size_t i;

	append_member(out, "{", "node", node);
	append_member(out, ", ", "namespace", service->meta.namespace);
	append_member(out, ", ", "name", service->meta.name);
	append_member(out, ", ", "broken", why_broken(why));
	append_member(out, ", ", "note", note);
	append_problems(out, problems);
	strbuf_append(out, ", \"steps\": [");
	for (i = 0; i < why->n; i++) {
		strbuf_appendf(out, "%s\n  {\"step\": \"%s\", \"fine\": %s, \"text\": ", i ? "," : "",
			       why->steps[i].name, why->steps[i].fine ? "true" : "false");
		json_append_string(out, strbuf_text(&why->steps[i].text));
		strbuf_append(out, "}");
	}
	strbuf_append(out, why->n ? "\n]}\n" : "]}\n");
}
