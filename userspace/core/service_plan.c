// SPDX-License-Identifier: Apache-2.0
/* The plan of one service, in three steps: which addresses and ports it asks for (frontends.c), which of them
 * it gets beside the others (plan_index.c), and who is behind them (endpoints.c). What a packet then meets
 * are the verdicts of SEMANTICS P1 to P3. */
#include "userspace/core/service_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"
#include "userspace/core/annotations.h"
#include "userspace/core/maglev.h"
#include "userspace/core/source_ranges.h"

void service_plan_free(struct service_plan *plan)
{
	if (!plan)
		return;
	problems_done(&plan->problems);
	arena_done(&plan->arena);
	free(plan);
}
DEFINE_CLEANUP(struct service_plan *, service_plan_free);

enum { V4, V6, FAMILIES };
enum { POLICIES = 2 };

static const enum addr_family family_of[FAMILIES] = { [V4] = ADDR_IPV4, [V6] = ADDR_IPV6 };

static int family_index(const struct addr *addr)
{
	return addr->family == ADDR_IPV4 ? V4 : V6;
}

/* The endpoints of one port and family, and the sets made of them. */
struct port_family {
	bool chosen;
	struct endpoint_choice choice;
	size_t set_plus_one[POLICIES]; /* 0: not made yet */
};

/* What is at hand while one service is planned. */
struct planner {
	const struct cluster *cluster;
	const struct plan_options *options;
	const struct plan_index *index;
	const struct service *service;
	struct families families;
	struct arena scratch;
	struct drafts drafts;
	struct port_family (*ports)[FAMILIES]; /* by service port; in scratch */
	struct source_ranges ranges[FAMILIES];
	const char **nodes; /* names in the plan's arena, sorted, each once */
	size_t n_nodes, nodes_capacity;
	struct service_plan *plan;
};

static void planner_done(struct planner *planner)
{
	drafts_done(&planner->drafts);
	arena_done(&planner->scratch);
	free(planner->nodes);
}

/* --- what it gets
 * ---------------------------------------------------------------------------------------------- */

static int report_shadow(struct planner *planner, const struct draft *draft, const char *by)
{
	char field[DRAFT_FIELD_MAX], addr[ADDR_TEXT_MAX];

	return problems_add_object(
		&planner->plan->problems, OBJECT_SERVICE, &planner->service->meta, draft_field(draft, field),
		"%s is the own address of a pod (an endpoint of Service %s): not served; the service's "
		"other addresses are",
		addr_format(&draft->addr, addr), by);
}

static int report_conflict(struct planner *planner, const struct draft *draft, const struct owner *winner)
{
	char field[DRAFT_FIELD_MAX], addr[ADDR_TEXT_MAX];

	return problems_add_object(
		&planner->plan->problems, OBJECT_SERVICE, &planner->service->meta, draft_field(draft, field),
		"%s port %u/%s belongs to %sService %s/%s, which is served there; not this one",
		addr_format(&draft->addr, addr), draft->port, l4_protocol_name(draft->protocol),
		draft->type == FRONTEND_EXTERNAL_IP ? "" : "the older ", winner->namespace, winner->name);
}

/* Whether the service gets what the draft asks for; says why not. */
static int grant(struct planner *planner, const struct draft *draft, bool *ret_granted)
{
	const struct meta *meta = &planner->service->meta;
	const struct owner *winner;
	const char *by = NULL;

	*ret_granted = false;
	if (draft->type == FRONTEND_LOAD_BALANCER)
		by = plan_index_shadow(planner->index, meta->namespace, &draft->addr);
	if (by)
		return report_shadow(planner, draft, by);
	winner = plan_index_winner(planner->index, &draft->addr, draft->port, draft->protocol);
	if (winner && (strcmp(winner->namespace, meta->namespace) || strcmp(winner->name, meta->name)))
		return report_conflict(planner, draft, winner);
	*ret_granted = true;
	return 0;
}

static int keep_granted(struct planner *planner)
{
	struct drafts *drafts = &planner->drafts;
	size_t i, kept = 0;
	bool granted;
	int r;

	for (i = 0; i < drafts->n; i++) {
		r = grant(planner, &drafts->items[i], &granted);
		if (r < 0)
			return r;
		if (granted)
			drafts->items[kept++] = drafts->items[i];
	}
	drafts->n = kept;
	return 0;
}

/* --- who is behind it
 * ------------------------------------------------------------------------------------------- */

/* The plan outlives the slices, so that names of nodes are copied, each once. */
static int keep_node_name(struct planner *planner, const char *name, const char **ret)
{
	size_t at;

	if (!name)
		name = "";
	at = sorted_place(planner->n_nodes, i, strcmp(planner->nodes[i], name) < 0);
	if (at < planner->n_nodes && !strcmp(planner->nodes[at], name)) {
		*ret = planner->nodes[at];
		return 0;
	}
	if (array_reserve(planner->nodes, planner->n_nodes, planner->nodes_capacity) < 0)
		return -ENOMEM;
	*ret = arena_string(&planner->plan->arena, name);
	if (!*ret)
		return -ENOMEM;
	memmove(planner->nodes + at + 1, planner->nodes + at,
		(planner->n_nodes - at) * sizeof(*planner->nodes));
	planner->nodes[at] = *ret;
	planner->n_nodes++;
	return 0;
}

static int backend_compare(const struct backend *a, const struct backend *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	if (order)
		return order;
	return (a->port > b->port) - (a->port < b->port);
}

/* Copies `from` without what is in `without` or `without_too`, and without remote ones if only_local. All
 * sorted. */
static int copy_backends(struct planner *planner, const struct backends *from, const struct backends *without,
			 const struct backends *without_too, bool only_local, struct backends *ret)
{
	const struct backends *minus[] = { without, without_too };
	size_t at[ARRAY_SIZE(minus)] = { 0 }, i, j, n = 0;
	bool *wanted;

	wanted = arena_array(&planner->scratch, from->n, sizeof(*wanted));
	if (!wanted)
		return -ENOMEM;
	for (i = 0; i < from->n; i++) {
		wanted[i] = from->items[i].local || !only_local;
		for (j = 0; j < ARRAY_SIZE(minus); j++) {
			if (!minus[j])
				continue;
			while (at[j] < minus[j]->n &&
			       backend_compare(&minus[j]->items[at[j]], &from->items[i]) < 0)
				at[j]++;
			if (at[j] < minus[j]->n && !backend_compare(&minus[j]->items[at[j]], &from->items[i]))
				wanted[i] = false;
		}
		n += wanted[i];
	}
	*ret = (struct backends){ 0 };
	if (!n)
		return 0;
	ret->items = arena_array(&planner->plan->arena, n, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (i = 0; i < from->n; i++) {
		if (!wanted[i])
			continue;
		ret->items[ret->n] = from->items[i];
		if (keep_node_name(planner, from->items[i].node, &ret->items[ret->n].node) < 0)
			return -ENOMEM;
		ret->n++;
	}
	return 0;
}

static int choose(struct planner *planner, size_t port, int family, struct port_family **ret)
{
	struct port_family *found = &planner->ports[port][family];
	int r;

	if (!found->chosen) {
		r = endpoints_choose(&planner->scratch, planner->cluster, planner->service,
				     &planner->service->ports[port], family_of[family],
				     planner->options->node, &found->choice);
		if (r < 0)
			return r;
		found->chosen = true;
	}
	*ret = found;
	return 0;
}

/* A service with many ports and many endpoints must not take the table slots of all others: 100 ports with
 * 161 endpoints in two families would ask for 26 million of 16. With the next smaller tables one service
 * takes 3.3 million at most, and 16 slots for each of 1,000 backends are still an even spread. Decided by the
 * object alone, as the size of every table, so that all nodes agree. */
#define MANY_PORTS 8

static uint32_t table_size(const struct service *service, size_t n_backends)
{
	uint32_t size = maglev_size(n_backends);

	return size == MAGLEV_LARGE && service->n_ports > MANY_PORTS ? MAGLEV_MEDIUM : size;
}

static int fill_set(struct planner *planner, struct backend_set *set, const struct endpoint_choice *choice)
{
	bool local = set->policy == POLICY_LOCAL;
	int r;

	r = copy_backends(planner, local ? &choice->local : &choice->cluster, NULL, NULL, false,
			  &set->active);
	if (r == 0)
		r = copy_backends(planner, &choice->terminating, &set->active, NULL, local, &set->draining);
	if (r == 0)
		r = copy_backends(planner, &choice->keep, &set->active, &set->draining, false, &set->keep);
	if (r < 0)
		return r;
	set->table_size = table_size(planner->service, set->active.n);
	set->digest = set->active.n ? maglev_digest(&set->active, set->protocol, set->table_size) : 0;
	return 0;
}

/* The set for one port, family and policy; made when first asked for. */
static int find_set(struct planner *planner, const struct draft *draft, enum traffic_policy policy,
		    size_t *ret)
{
	const struct service_port *port = &planner->service->ports[draft->service_port];
	struct service_plan *plan = planner->plan;
	struct port_family *found;
	struct backend_set *set;
	int r;

	r = choose(planner, draft->service_port, family_index(&draft->addr), &found);
	if (r < 0)
		return r;
	if (!found->set_plus_one[policy]) {
		set = &plan->sets[plan->n_sets];
		*set = (struct backend_set){
			.family = (enum addr_family)draft->addr.family,
			.protocol = port->protocol,
			.policy = policy,
			.port_name = arena_string(&plan->arena, port->name),
		};
		if (!set->port_name)
			return -ENOMEM;
		r = fill_set(planner, set, &found->choice);
		if (r < 0)
			return r;
		found->set_plus_one[policy] = ++plan->n_sets;
	}
	*ret = found->set_plus_one[policy] - 1;
	return 0;
}

/* A SYN that is sent again may reach another node: not one to a node port or a ClusterIP. */
static bool is_shared_by_nodes(enum frontend_type type)
{
	return type == FRONTEND_LOAD_BALANCER || type == FRONTEND_EXTERNAL_IP;
}

static void decide_verdict(struct frontend *frontend, const struct endpoint_choice *choice,
			   const struct backend_set *set)
{
	frontend->ready_elsewhere = frontend->policy == POLICY_LOCAL && is_shared_by_nodes(frontend->type) &&
				    choice->ready_elsewhere;
	if (set->active.n) {
		frontend->verdict = VERDICT_FORWARD;
		frontend->reason = "";
	} else if (!choice->any) {
		frontend->verdict = VERDICT_REJECT; /* P1 */
		frontend->reason = "NoEndpoints";
	} else {
		frontend->verdict = VERDICT_DROP; /* P2, P3 */
		frontend->reason = "NoLocalEndpoints";
	}
}

static int add_frontend(struct planner *planner, const struct draft *draft)
{
	const struct service *service = planner->service;
	struct service_plan *plan = planner->plan;
	struct frontend *frontend = &plan->frontends[plan->n_frontends];
	int family = family_index(&draft->addr), r;

	*frontend = (struct frontend){
		.type = draft->type,
		.addr = draft->addr,
		.port = draft->port,
		.protocol = draft->protocol,
		.policy = draft->type == FRONTEND_CLUSTER_IP ? service->internal_policy
							     : service->external_policy,
		.affinity_sec = service->affinity_sec,
	};
	r = find_set(planner, draft, frontend->policy, &frontend->set);
	if (r < 0)
		return r;
	frontend->port_name = plan->sets[frontend->set].port_name;
	decide_verdict(frontend, &planner->ports[draft->service_port][family].choice,
		       &plan->sets[frontend->set]);
	if (draft->type == FRONTEND_LOAD_BALANCER) { /* R2: VIPs only */
		frontend->source_ranges = planner->ranges[family].items;
		frontend->n_source_ranges = planner->ranges[family].n;
		frontend->source_ranges_deny = planner->ranges[family].deny;
		frontend->source_ranges_closed = planner->ranges[family].closed;
	}
	plan->n_frontends++;
	return 0;
}

static int add_frontends(struct planner *planner)
{
	size_t n = planner->drafts.n, n_ports = planner->service->n_ports, i;
	size_t most_sets = n_ports * FAMILIES * POLICIES;
	struct service_plan *plan = planner->plan;
	int r;

	if (!n)
		return 0;
	plan->frontends = arena_array(&plan->arena, n, sizeof(*plan->frontends));
	plan->sets = arena_array(&plan->arena, n < most_sets ? n : most_sets, sizeof(*plan->sets));
	if (!plan->frontends || !plan->sets)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		r = add_frontend(planner, &planner->drafts.items[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the rest
 * ----------------------------------------------------------------------------------------------------- */

/* An enum addr_family is the version number as people write it. */
static int report_closed(struct planner *planner, int family)
{
	if (!planner->ranges[family].closed || !families_have(&planner->families, family_of[family]))
		return 0;
	return problems_add_object(
		&planner->plan->problems, OBJECT_SERVICE, &planner->service->meta,
		"spec.loadBalancerSourceRanges",
		"which IPv%d sources are meant cannot be told: nobody is let in to the service's IPv%d "
		"addresses until the broken entry is mended",
		family_of[family], family_of[family]);
}

static int read_source_ranges(struct planner *planner)
{
	struct problems *listener = &planner->plan->problems;
	int family, r;

	if (planner->service->type != SERVICE_LOAD_BALANCER)
		return 0;
	for (family = 0; family < FAMILIES; family++) {
		r = source_ranges_of(&planner->plan->arena, planner->service, family_of[family],
				     &planner->ranges[family], listener);
		if (r == 0)
			r = report_closed(planner, family);
		if (r < 0)
			return r;
		listener = NULL;
	}
	return 0;
}

/* VIPs are sorted because frontends are: by type, then address. An address that has SCTP ports alone is none: no packet to
 * it would meet anything in the maps, and while it is announced node and router send it to each other. */
static int collect_vips(struct planner *planner)
{
	struct service_plan *plan = planner->plan;
	size_t i;
	int r;

	plan->vips = arena_array(&plan->arena, plan->n_frontends, sizeof(*plan->vips));
	if (!plan->vips)
		return -ENOMEM;
	if (!service_is_ours(planner->service, planner->options->default_class))
		return 0;
	for (i = 0; i < plan->n_frontends; i++) {
		const struct frontend *frontend = &plan->frontends[i];
		char text[ADDR_TEXT_MAX], field[DRAFT_FIELD_MAX];

		if (frontend->type != FRONTEND_LOAD_BALANCER || frontend->protocol == L4_SCTP ||
		    (plan->n_vips && addr_equal(&plan->vips[plan->n_vips - 1], &frontend->addr)))
			continue;
		plan->vips[plan->n_vips++] = frontend->addr;
		if (plan_index_in_pool(planner->index, &frontend->addr))
			continue;
		r = problems_add_object(
			&plan->problems, OBJECT_SERVICE, &planner->service->meta,
			draft_field(&planner->drafts.items[i], field),
			"no ServiceIPPool contains %s: served all the same, for the status says so",
			addr_format(&frontend->addr, text));
		if (r < 0)
			return r;
	}
	return 0;
}

static int count_endpoints(struct planner *planner)
{
	struct service_plan *plan = planner->plan;
	struct port_family *found;
	int family, r;

	for (family = 0; planner->service->n_ports && family < FAMILIES; family++) {
		if (!families_have(&planner->families, family_of[family]))
			continue;
		r = choose(planner, 0, family, &found);
		if (r < 0)
			return r;
		if (found->choice.n_total <= plan->n_total)
			continue;
		plan->n_total = found->choice.n_total;
		plan->n_ready = found->choice.n_ready;
		plan->n_local = found->choice.local.n;
	}
	return 0;
}

/* H1, H3. Of two families the larger count. */
static int decide_health_check(struct planner *planner)
{
	const struct service *service = planner->service;
	struct service_plan *plan = planner->plan;
	size_t count;
	int family, r;

	if (service->type != SERVICE_LOAD_BALANCER || service->external_policy != POLICY_LOCAL ||
	    !service->health_check_node_port || (!planner->families.v4 && !planner->families.v6))
		return 0;
	plan->health_check_port = service->health_check_node_port;
	for (family = 0; family < FAMILIES; family++) {
		if (!families_have(&planner->families, family_of[family]))
			continue;
		r = endpoints_count_local_ready(planner->cluster, service, family_of[family],
						planner->options->node, &count);
		if (r < 0)
			return r;
		if (count > plan->health_check_local)
			plan->health_check_local = (uint32_t)count;
	}
	return 0;
}

/* One problem for each slice: whoever wrote one broken endpoint may have written thousands. */
static int report_endpoints(struct planner *planner)
{
	const struct meta *meta = &planner->service->meta;
	const struct endpoint_slice *const *slices;
	char field[48], addr[ADDR_TEXT_MAX];
	size_t n_slices, i, j;
	int r;

	slices = cluster_service_slices(planner->cluster, meta->namespace, meta->name, &n_slices);
	for (i = 0; i < n_slices; i++)
		for (j = 0; j < slices[i]->n_endpoints; j++) {
			const struct endpoint *endpoint = &slices[i]->endpoints[j];
			const char *why = endpoint_why_unusable(&endpoint->addr);

			if (!why || slices[i]->family == ADDR_NONE || endpoint->addr.family == ADDR_NONE)
				continue;
			snprintf(field, sizeof(field), "endpoints[%zu].addresses[0]", j);
			r = problems_add_object(&planner->plan->problems, OBJECT_ENDPOINT_SLICE,
						&slices[i]->meta, field,
						"%s is %s: such endpoints are left out, the others are used",
						addr_format(&endpoint->addr, addr), why);
			if (r < 0)
				return r;
			break;
		}
	return 0;
}

/* There may be 10,000 plans: most are one chunk of about the right size. */
static void reserve_memory(struct planner *planner)
{
	const struct meta *meta = &planner->service->meta;
	const struct endpoint_slice *const *slices;
	size_t n_slices, i, n = 0;

	slices = cluster_service_slices(planner->cluster, meta->namespace, meta->name, &n_slices);
	for (i = 0; i < n_slices; i++)
		n += slices[i]->n_endpoints;
	if (n > 1000)
		return; /* many ports may share few endpoints or the other way round: chunks as they come */
	arena_reserve(&planner->plan->arena,
		      192 + n * (sizeof(struct backend) + 16) +
			      planner->drafts.n * (sizeof(struct frontend) + sizeof(struct backend_set) +
						   sizeof(struct addr) + 16));
}

static int make(struct planner *planner)
{
	const struct service *service = planner->service;
	struct service_plan *plan = planner->plan;
	int r;

	r = drafts_make(planner->cluster, planner->options, &planner->index->own, service, &planner->drafts,
			&plan->problems);
	if (r < 0)
		return r;
	reserve_memory(planner);
	plan->namespace = arena_string(&plan->arena, service->meta.namespace);
	plan->name = arena_string(&plan->arena, service->meta.name);
	planner->ports = arena_array(&planner->scratch, service->n_ports, sizeof(*planner->ports));
	if (!plan->namespace || !plan->name || !planner->ports)
		return -ENOMEM;
	plan->external_policy = service->external_policy;
	r = keep_granted(planner);
	if (r == 0)
		r = read_source_ranges(planner);
	if (r == 0)
		r = add_frontends(planner);
	if (r == 0)
		r = collect_vips(planner);
	if (r == 0)
		r = count_endpoints(planner);
	if (r == 0)
		r = decide_health_check(planner);
	if (r == 0)
		r = report_endpoints(planner);
	if (r == 0 && service_is_ours(service, planner->options->default_class))
		r = annotations_check(service, &plan->problems);
	if (r == 0 && plan->n_frontends)
		r = ports_check(service, &plan->problems);
	if (r == 0)
		problems_sort_unique(&plan->problems);
	return r;
}

int service_plan_new(const struct cluster *cluster, const struct plan_options *options,
		     const struct plan_index *index, const struct service *service, struct service_plan **ret)
{
	cleanup(service_plan_freep) struct service_plan *plan = NULL;
	cleanup(planner_done) struct planner planner = {
		.cluster = cluster,
		.options = options,
		.index = index,
		.service = service,
		.families = service_families(service, options),
	};
	int r;

	if (!planner.families.v4 && !planner.families.v6) {
		*ret = NULL;
		return 0;
	}
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	planner.plan = plan;
	r = make(&planner);
	if (r < 0)
		return r;
	*ret = plan->n_frontends || plan->health_check_port || plan->problems.n ? take(plan) : NULL;
	return 0;
}
