// SPDX-License-Identifier: Apache-2.0
/* From plan and applied to the services that may be announced: see accepted.h. */
#include "userspace/agent/accepted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/core/service_names.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool accepted_contains(const struct accepted_set *set, const char *service)
{
	return set->n && bsearch(&service, set->services, set->n, sizeof(*set->services), compare_names);
}

static bool ranges_equal(const struct frontend *wanted, const struct applied_frontend *standing)
{
	size_t i;

	if (wanted->n_source_ranges != standing->n_source_ranges ||
	    wanted->source_ranges_deny != standing->source_ranges_deny ||
	    wanted->source_ranges_closed != standing->source_ranges_closed)
		return false;
	for (i = 0; i < wanted->n_source_ranges; i++)
		if (prefix_compare(&wanted->source_ranges[i], &standing->source_ranges[i]))
			return false;
	return true;
}

bool frontend_stands(const struct applied *applied, const struct service_plan *plan,
		     const struct frontend *wanted)
{
	const struct applied_frontend *standing;

	standing = applied_find_frontend(applied, &wanted->addr, wanted->port, wanted->protocol);
	if (!standing || standing->verdict != wanted->verdict ||
	    standing->ready_elsewhere != wanted->ready_elsewhere ||
	    standing->affinity_sec != wanted->affinity_sec)
		return false;
	if (wanted->verdict == VERDICT_FORWARD && standing->digest != plan->sets[wanted->set].digest)
		return false;
	return ranges_equal(wanted, standing);
}

static bool vip_has_frontend(const struct applied *applied, const struct service_plan *plan,
			     const struct addr *vip)
{
	const struct frontend *frontend;
	size_t i;

	for (i = 0; i < plan->n_frontends; i++) {
		frontend = &plan->frontends[i];
		if (frontend->type == FRONTEND_LOAD_BALANCER && addr_equal(&frontend->addr, vip) &&
		    applied_find_frontend(applied, vip, frontend->port, frontend->protocol))
			return true;
	}
	return false;
}

static bool stands_exactly(const struct applied *applied, const struct service_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n_frontends; i++)
		if (plan->frontends[i].type == FRONTEND_LOAD_BALANCER &&
		    plan->frontends[i].protocol !=
			    L4_SCTP && /* never carried: the rest of the service may be announced */
		    !frontend_stands(applied, plan, &plan->frontends[i]))
			return false;
	return true;
}

static bool still_serves(const struct applied *applied, const struct service_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n_vips; i++)
		if (!vip_has_frontend(applied, plan, &plan->vips[i]))
			return false;
	return true;
}

/* The plan's order is that of the names but for namespaces that hold a '-' or '.' where another ends: mostly
 * nothing is to do. */
static void sort_names(struct accepted_set *set)
{
	size_t i;

	for (i = 1; i < set->n; i++)
		if (strcmp(set->services[i - 1], set->services[i]) > 0) {
			qsort(set->services, set->n, sizeof(*set->services), compare_names);
			return;
		}
}

int accepted_decide(const struct node_plan *plan, const struct applied *applied,
		    const struct accepted_set *before, struct accepted_set *ret)
{
	cleanup(accepted_done) struct accepted_set set = { 0 };
	const struct service_plan *service;
	char *name;
	size_t i;

	set.services = arena_array(&set.arena, plan->n_services, sizeof(*set.services));
	if (!set.services)
		return -ENOMEM;
	for (i = 0; i < plan->n_services; i++) {
		service = plan->services[i];
		if (!service->n_vips)
			continue;
		name = service_full_name_in(&set.arena, service->namespace, service->name);
		if (!name)
			return -ENOMEM;
		if (stands_exactly(applied, service) ||
		    ((!before || accepted_contains(before, name)) && still_serves(applied, service)))
			set.services[set.n++] = name;
	}
	sort_names(&set);
	*ret = set;
	set = (struct accepted_set){ 0 };
	return 0;
}

void accepted_done(struct accepted_set *set)
{
	arena_done(&set->arena);
	*set = (struct accepted_set){ 0 };
}

struct accepted accepted_view(const struct accepted_set *set)
{
	return (struct accepted){ .services = (const char *const *)set->services, .n = set->n };
}
