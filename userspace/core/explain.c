// SPDX-License-Identifier: Apache-2.0
/* Plan, routes and steps as text: see explain.h. The JSON's objects are spread over lines down to frontends;
 * what is listed inside of one (a backend, a route, a problem) takes one line, so that two outputs can be
 * compared by eye. */
#include "userspace/core/explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

/* --- what is shown of a frontend  --- */

static bool is_closed(const struct frontend *frontend)
{
	return frontend->source_ranges_closed;
}

static const char *shown_verdict(const struct frontend *frontend)
{
	return verdict_name(is_closed(frontend) ? VERDICT_DROP : frontend->verdict);
}

static const char *shown_reason(const struct frontend *frontend)
{
	return is_closed(frontend) ? "InvalidSourceRanges" : frontend->reason;
}

static const char *policy_name(enum traffic_policy policy)
{
	switch (policy) {
	case POLICY_CLUSTER:
		return "Cluster";
	case POLICY_LOCAL:
		return "Local";
	}
	return "unknown";
}

static bool is_listed(const struct service_plan *service)
{
	return service->n_frontends || service->health_check_port;
}

/* --- problems of all sources  --- */

struct problem_list {
	const struct problem **items;
	size_t n, capacity;
	bool failed;
};

static void problem_list_done(struct problem_list *list)
{
	free(list->items);
}

static void list_problems(struct problem_list *list, const struct problems *problems)
{
	size_t i;

	for (i = 0; problems && i < problems->n; i++) {
		if (array_reserve(list->items, list->n, list->capacity) < 0) {
			list->failed = true;
			return;
		}
		list->items[list->n++] = &problems->items[i];
	}
}

static int problem_pointer_compare(const void *a, const void *b)
{
	const struct problem *left = *(const struct problem *const *)a,
			     *right = *(const struct problem *const *)b;
	int order = strcmp(left->object, right->object);

	if (!order)
		order = strcmp(left->field, right->field);
	return order ? order : strcmp(left->message, right->message);
}

static void list_all_problems(struct problem_list *list, const struct node_plan *plan,
			      const struct routes *routes, const struct problems *problems)
{
	size_t i, kept = 0;

	list_problems(list, problems);
	list_problems(list, &plan->problems);
	for (i = 0; i < plan->n_services; i++)
		list_problems(list, &plan->services[i]->problems);
	list_problems(list, routes ? &routes->problems : NULL);
	if (!list->n)
		return;
	qsort(list->items, list->n, sizeof(*list->items), problem_pointer_compare);
	for (i = 1; i < list->n; i++)
		if (problem_pointer_compare(&list->items[kept], &list->items[i]))
			list->items[++kept] = list->items[i];
	list->n = kept + 1;
}

bool explain_has_problems(const struct node_plan *plan, const struct routes *routes,
			  const struct problems *problems)
{
	size_t i;

	if ((problems && problems->n) || plan->problems.n || (routes && routes->problems.n))
		return true;
	for (i = 0; i < plan->n_services; i++)
		if (plan->services[i]->problems.n)
			return true;
	return false;
}

/* --- JSON
 * ----------------------------------------------------------------------------------------------------------
 */

static void key(struct strbuf *json, const char *name)
{
	strbuf_appendf(json, "\"%s\": ", name);
}

static void text_member(struct strbuf *json, const char *name, const char *text, const char *after)
{
	key(json, name);
	json_append_string(json, text);
	strbuf_append(json, after);
}

static void address_member(struct strbuf *json, const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];

	text_member(json, "address", addr_format(addr, text), ", ");
}

/* `each` writes item i. Items stand on lines of their own, indented. */
typedef void item_fn(struct strbuf *, const void *items, size_t i);

static void array(struct strbuf *json, const char *indent, const void *items, size_t n, item_fn *each)
{
	size_t i;

	strbuf_append(json, "[");
	for (i = 0; i < n; i++) {
		strbuf_appendf(json, "%s\n%s  ", i ? "," : "", indent);
		each(json, items, i);
	}
	if (n)
		strbuf_appendf(json, "\n%s", indent);
	strbuf_append(json, "]");
}

static void backend_item(struct strbuf *json, const void *items, size_t i)
{
	const struct backend *backend = (const struct backend *)items + i;

	strbuf_append(json, "{ ");
	address_member(json, &backend->addr);
	strbuf_appendf(json, "\"port\": %u, ", backend->port);
	text_member(json, "node", backend->node, ", ");
	strbuf_appendf(json, "\"weight\": %u }", backend->weight);
}

static void source_ranges(struct strbuf *json, const struct frontend *frontend)
{
	char text[PREFIX_TEXT_MAX];
	size_t i;

	strbuf_append(json, "[");
	for (i = 0; i < frontend->n_source_ranges; i++)
		strbuf_appendf(json, "%s\"%s\"", i ? ", " : "",
			       prefix_format(&frontend->source_ranges[i], text));
	strbuf_append(json, "]");
}

struct frontends_of { /* a frontend alone does not know its backends */
	const struct service_plan *service;
};

static void frontend_item(struct strbuf *json, const void *items, size_t i)
{
	const struct service_plan *service = ((const struct frontends_of *)items)->service;
	const struct frontend *frontend = &service->frontends[i];
	const struct backend_set *set = &service->sets[frontend->set];
	static const char indent[] = "          ";

	strbuf_append(json, "{ ");
	text_member(json, "type", frontend_type_name(frontend->type), ", ");
	address_member(json, &frontend->addr);
	strbuf_appendf(json, "\"port\": %u, ", frontend->port);
	text_member(json, "protocol", l4_protocol_name(frontend->protocol), ", ");
	text_member(json, "portName", frontend->port_name, ",\n");
	strbuf_append(json, indent);
	text_member(json, "policy", policy_name(frontend->policy), ", ");
	text_member(json, "verdict", shown_verdict(frontend), ", ");
	text_member(json, "reason", shown_reason(frontend), ",\n");
	strbuf_append(json, indent);
	key(json, "backends");
	array(json, indent, set->active.items, set->active.n, backend_item);
	strbuf_appendf(json, ",\n%s", indent);
	key(json, "draining");
	array(json, indent, set->draining.items, set->draining.n, backend_item);
	strbuf_appendf(json, ",\n%s\"affinitySeconds\": %" PRIu32 ", \"sourceRanges\": ", indent,
		       frontend->affinity_sec);
	source_ranges(json, frontend);
	strbuf_append(json, ", ");
	text_member(json, "sourceRangesPolicy", frontend->source_ranges_deny ? "deny" : "allow", " }");
}

static void service_item(struct strbuf *json, const struct service_plan *service)
{
	struct frontends_of frontends = { service };

	strbuf_append(json, "{ ");
	text_member(json, "namespace", service->namespace, ", ");
	text_member(json, "name", service->name, ",\n      ");
	key(json, "frontends");
	array(json, "      ", &frontends, service->n_frontends, frontend_item);
	if (service->health_check_port)
		strbuf_appendf(json,
			       ",\n      \"healthCheck\": { \"port\": %u, \"localEndpoints\": %" PRIu32 " }",
			       service->health_check_port, service->health_check_local);
	strbuf_append(json, " }");
}

static void services(struct strbuf *json, const struct node_plan *plan)
{
	size_t i, listed = 0;

	key(json, "services");
	strbuf_append(json, "[");
	for (i = 0; i < plan->n_services; i++) {
		if (!is_listed(plan->services[i]))
			continue;
		strbuf_appendf(json, "%s\n    ", listed++ ? "," : "");
		service_item(json, plan->services[i]);
	}
	strbuf_append(json, listed ? "\n  ]" : "]");
}

static void route_item(struct strbuf *json, const void *items, size_t i)
{
	const struct route *route = (const struct route *)items + i;
	char text[PREFIX_TEXT_MAX], community[COMMUNITY_TEXT_MAX];
	size_t j;

	strbuf_append(json, "{ ");
	text_member(json, "prefix", prefix_format(&route->prefix, text), ", ");
	text_member(json, "kind", route_kind_name(route->kind), ", ");
	text_member(json, "peer", route->peer, ", ");
	strbuf_appendf(json, "\"localPref\": %" PRIu32 ", \"communities\": [", route->local_pref);
	for (j = 0; j < route->n_communities; j++)
		strbuf_appendf(json, "%s\"%s\"", j ? ", " : "",
			       community_format(&route->communities[j], community));
	strbuf_append(json, "], \"services\": [");
	for (j = 0; j < route->services.n; j++) {
		strbuf_append(json, j ? ", " : "");
		json_append_string(json, route->services.items[j]);
	}
	strbuf_append(json, "] }");
}

static void problem_item(struct strbuf *json, const void *items, size_t i)
{
	const struct problem *problem = ((const struct problem *const *)items)[i];

	strbuf_append(json, "{ ");
	text_member(json, "object", problem->object, ", ");
	text_member(json, "field", problem->field, ", ");
	text_member(json, "message", problem->message, " }");
}

void explain_plan_json(struct strbuf *json, const struct node_plan *plan, const struct routes *routes,
		       const struct problems *problems)
{
	cleanup(problem_list_done) struct problem_list list = { 0 };

	list_all_problems(&list, plan, routes, problems);
	strbuf_append(json, "{ ");
	text_member(json, "node", plan->node, ",\n  ");
	services(json, plan);
	strbuf_append(json, ",\n  ");
	key(json, "routes");
	array(json, "  ", routes ? routes->items : NULL, routes ? routes->n : 0, route_item);
	strbuf_append(json, ",\n  ");
	key(json, "problems");
	array(json, "  ", list.items, list.n, problem_item);
	strbuf_append(json, " }\n");
	json->failed |= list.failed;
}

/* --- lines for people
 * ----------------------------------------------------------------------------------------------- */

static void address_port(struct strbuf *text, const struct addr *addr, uint16_t port)
{
	char buffer[ADDR_TEXT_MAX];
	bool v6 = addr->family == ADDR_IPV6;

	strbuf_appendf(text, "%s%s%s:%u", v6 ? "[" : "", addr_format(addr, buffer), v6 ? "]" : "", port);
}

static void backend_lines(struct strbuf *text, const char *what, const struct backends *backends)
{
	size_t i;

	for (i = 0; i < backends->n; i++) {
		strbuf_appendf(text, "    %s ", what);
		address_port(text, &backends->items[i].addr, backends->items[i].port);
		if (*backends->items[i].node)
			strbuf_appendf(text, " on %s", backends->items[i].node);
		strbuf_append(text, "\n");
	}
}

static void frontend_lines(struct strbuf *text, const struct service_plan *service,
			   const struct frontend *frontend)
{
	const struct backend_set *set = &service->sets[frontend->set];
	char range[PREFIX_TEXT_MAX];
	size_t i;

	strbuf_appendf(text, "  %s ", frontend_type_name(frontend->type));
	address_port(text, &frontend->addr, frontend->port);
	strbuf_appendf(text, "/%s policy %s: %s", l4_protocol_name(frontend->protocol),
		       policy_name(frontend->policy), shown_verdict(frontend));
	if (*shown_reason(frontend))
		strbuf_appendf(text, " (%s)", shown_reason(frontend));
	if (frontend->ready_elsewhere && frontend->verdict == VERDICT_FORWARD)
		strbuf_append(text, ", ready ones are elsewhere");
	if (frontend->affinity_sec)
		strbuf_appendf(text, ", affinity %" PRIu32 " s", frontend->affinity_sec);
	for (i = 0; i < frontend->n_source_ranges; i++)
		strbuf_appendf(text, "%s%s",
			       i			      ? ", "
			       : frontend->source_ranges_deny ? ", not from "
							      : ", only from ",
			       prefix_format(&frontend->source_ranges[i], range));
	strbuf_append(text, "\n");
	backend_lines(text, "to", &set->active);
	backend_lines(text, "draining", &set->draining);
}

static void route_line(struct strbuf *text, const struct route *route)
{
	char prefix[PREFIX_TEXT_MAX], community[COMMUNITY_TEXT_MAX];
	size_t i;

	strbuf_appendf(text, "announce %s (%s) to %s", prefix_format(&route->prefix, prefix),
		       route_kind_name(route->kind), route->peer);
	if (route->local_pref)
		strbuf_appendf(text, ", local-pref %" PRIu32, route->local_pref);
	for (i = 0; i < route->n_communities; i++)
		strbuf_appendf(text, "%s%s", i ? " " : ", communities ",
			       community_format(&route->communities[i], community));
	for (i = 0; i < route->services.n; i++)
		strbuf_appendf(text, "%s%s", i ? " " : ", for ", route->services.items[i]);
	strbuf_append(text, "\n");
}

void explain_plan_text(struct strbuf *text, const struct node_plan *plan, const struct routes *routes,
		       const struct problems *problems)
{
	cleanup(problem_list_done) struct problem_list list = { 0 };
	size_t i, j;

	list_all_problems(&list, plan, routes, problems);
	for (i = 0; i < plan->n_services; i++) {
		const struct service_plan *service = plan->services[i];

		if (!is_listed(service))
			continue;
		strbuf_appendf(text, "service %s/%s\n", service->namespace, service->name);
		for (j = 0; j < service->n_frontends; j++)
			frontend_lines(text, service, &service->frontends[j]);
		if (service->health_check_port)
			strbuf_appendf(text, "  health check on port %u: %" PRIu32 " local endpoints\n",
				       service->health_check_port, service->health_check_local);
	}
	for (i = 0; routes && i < routes->n; i++)
		route_line(text, &routes->items[i]);
	for (i = 0; i < list.n; i++)
		strbuf_appendf(text, "problem: %s: %s%s%s\n", list.items[i]->object, list.items[i]->field,
			       *list.items[i]->field ? ": " : "", list.items[i]->message);
	text->failed |= list.failed;
}

/* --- steps
 * ------------------------------------------------------------------------------------------------------------
 */

static const char *backend_state_name(enum backend_state state)
{
	switch (state) {
	case BACKEND_ACTIVE:
		return "active";
	case BACKEND_DRAINING:
		return "draining";
	case BACKEND_GONE:
		return "gone";
	}
	return "unknown";
}

static void backend_step(struct strbuf *text, const char *what, const struct applied_backend *backend)
{
	strbuf_appendf(text, "%s backend %" PRIu32 ".%" PRIu32 " ", what, backend->id, backend->generation);
	address_port(text, &backend->addr, backend->port);
	strbuf_appendf(text, "/%s %s %s", l4_protocol_name(backend->protocol),
		       backend_state_name(backend->state), backend->local ? "local" : "remote");
}

static void frontend_step(struct strbuf *text, const char *what, const struct applied_frontend *frontend)
{
	strbuf_appendf(text, "%s frontend %" PRIu32 ".%" PRIu32 " ", what, frontend->id,
		       frontend->generation);
	address_port(text, &frontend->addr, frontend->port);
	strbuf_appendf(text, "/%s", l4_protocol_name(frontend->protocol));
}

void explain_step(struct strbuf *text, const struct step *step)
{
	switch (step->kind) {
	case STEP_BACKEND_SET:
		backend_step(text, "set", &step->backend);
		break;
	case STEP_TABLE_WRITE:
		strbuf_appendf(text, "write table %" PRIu32 "+%" PRIu32, step->table_offset,
			       step->table_size);
		break;
	case STEP_FRONTEND_SET:
		frontend_step(text, "set", &step->frontend);
		strbuf_appendf(text, " %s table %" PRIu32 "+%" PRIu32 ", %zu source ranges",
			       verdict_name(step->frontend.verdict), step->frontend.table_offset,
			       step->frontend.table_size, step->frontend.n_source_ranges);
		if (step->frontend.ready_elsewhere)
			strbuf_append(text, ", ready ones are elsewhere");
		break;
	case STEP_FRONTEND_DELETE:
		frontend_step(text, "delete", &step->frontend);
		break;
	case STEP_TABLE_FREE:
		strbuf_appendf(text, "free table %" PRIu32 "+%" PRIu32, step->table_offset, step->table_size);
		break;
	case STEP_BACKEND_DELETE:
		backend_step(text, "delete", &step->backend);
		break;
	}
	if (step->service && *step->service)
		strbuf_appendf(text, " for %s", step->service);
}
