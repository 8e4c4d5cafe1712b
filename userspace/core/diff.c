// SPDX-License-Identifier: Apache-2.0
/* From applied and plan to ordered steps: see diff.h.
 *
 * One diff goes over the services in three passes: those that are no longer planned let go of their backends;
 * those that are planned say what they want, each whole or not at all; then frontends that nobody wanted in
 * this diff are deleted, after a VIP that passed from one service to another found its new owner. At the end
 * all backends and tables whose state may no longer fit are looked at, whoever they belong to. */
#include "userspace/core/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/diff_round.h"

/* Frontends that the service has and nobody wanted in this diff. */
static int delete_unwanted(struct diff_round *round, struct applied_service *service)
{
	struct applied *applied = round->applied;
	const char *name = NULL;
	size_t i;
	int r;

	for (i = service->n_frontends; i-- > 0;) {
		uint32_t id = service->frontends[i];
		struct frontend_record *record = &applied->frontends[id];

		if (record->wanted_in == applied->diffs)
			continue;
		if (record->life == LIFE_PLANNED) {
			if (!record->reserved)
				applied_forget_frontend(applied, id, false);
			continue;
		}
		if (!name)
			name = arena_string(&round->arena, service->name);
		r = name ? diff_emit_frontend_delete(round, id, name) : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

static int delete_ownerless(struct diff_round *round)
{
	struct applied *applied = round->applied;
	size_t id;
	int r = 0;

	for (id = 0; r == 0 && id < applied->n_frontend_records; id++)
		if (applied->frontends[id].life == LIFE_APPLIED && !applied->frontends[id].owner)
			r = diff_emit_frontend_delete(round, (uint32_t)id, NULL);
	return r;
}

/* *ret NULL: not in the plan. */
static int find_plan(struct diff_round *round, const char *name, const struct service_plan **ret)
{
	const char *slash = strchr(name, '/');
	char *namespace;

	*ret = NULL;
	if (!slash)
		return 0;
	namespace = arena_string_n(&round->arena, name, (size_t)(slash - name));
	if (!namespace)
		return -ENOMEM;
	*ret = node_plan_find(round->plan, namespace, slash + 1);
	return 0;
}

/* What was found at start and no service listed will be looked at: it is nobody's. */
static int end_adoption(struct diff_round *round)
{
	struct applied *applied = round->applied;
	size_t id;
	int r = 0;

	for (id = 0; r == 0 && id < applied->n_backend_records; id++) {
		struct backend_record *record = &applied->backends[id];

		if (!record->adopted)
			continue;
		r = applied_list_backend(applied, (uint32_t)id);
		record->adopted = r < 0;
	}
	return r;
}

static int diff_full(struct diff_round *round)
{
	struct applied *applied = round->applied;
	size_t i;
	int r = end_adoption(round);

	for (i = 0; i < round->plan->n_services; i++) {
		struct applied_service *service;
		const char *name;

		r = r < 0 ? r : diff_service_name(round, round->plan->services[i], &name);
		if (r < 0)
			return r;
		service = applied_find_service(applied, name);
		if (service)
			service->seen_in = applied->diffs;
	}
	for (i = 0; r == 0 && i < applied->n_services; i++)
		if (applied->services[i]->seen_in != applied->diffs)
			r = diff_release_service(round, applied->services[i]);
	diff_forget_planned(applied);
	for (i = 0; r == 0 && i < round->plan->n_services; i++)
		r = diff_want_service(round, round->plan->services[i]);
	for (i = 0; r == 0 && i < applied->n_services; i++)
		r = delete_unwanted(round, applied->services[i]);
	if (r == 0)
		r = delete_ownerless(round);
	for (i = applied->n_services; i-- > 0;)
		if (applied_service_is_empty(applied->services[i]))
			applied_remove_service(applied, applied->services[i]);
	return r;
}

/* `names` are sorted, each once. */
static int diff_some(struct diff_round *round, const struct strings *names)
{
	struct applied *applied = round->applied;
	const struct service_plan **plans = arena_array(&round->arena, names->n, sizeof(*plans));
	struct applied_service *service;
	size_t i;
	int r = plans ? 0 : -ENOMEM;

	for (i = 0; r == 0 && i < names->n; i++) {
		r = find_plan(round, names->items[i], &plans[i]);
		service = applied_find_service(applied, names->items[i]);
		if (r == 0 && !plans[i] && service)
			r = diff_release_service(round, service);
	}
	diff_forget_planned(applied);
	for (i = 0; r == 0 && i < names->n; i++)
		if (plans[i])
			r = diff_want_service(round, plans[i]);
	for (i = 0; r == 0 && i < names->n; i++) {
		service = applied_find_service(applied, names->items[i]);
		if (!service)
			continue;
		r = delete_unwanted(round, service);
		if (applied_service_is_empty(service))
			applied_remove_service(applied, service);
	}
	return r;
}

static int text_pointer_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int unite(struct arena *arena, const struct strings *a, const struct strings *b, struct strings *ret)
{
	size_t i, n = 0;

	ret->items = arena_array(arena, a->n + b->n, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (i = 0; i < a->n; i++)
		ret->items[n++] = a->items[i];
	for (i = 0; i < b->n; i++)
		ret->items[n++] = b->items[i];
	if (n)
		qsort(ret->items, n, sizeof(*ret->items), text_pointer_compare);
	for (i = 0; i < n; i++)
		if (!i || strcmp(ret->items[i], ret->items[ret->n - 1]))
			ret->items[ret->n++] = ret->items[i];
	return 0;
}

static int report(struct diff_round *round)
{
	const struct applied *applied = round->applied;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && applied->n_complaining && i < applied->n_services; i++) {
		const struct applied_service *service = applied->services[i];
		cleanup(strbuf_done) struct strbuf object = { 0 };

		if (!service->unfit)
			continue;
		strbuf_appendf(&object, "Service/%s", service->name);
		r = problems_add(&round->problems, strbuf_text(&object), "", "%s", service->unfit);
	}
	return r;
}

/* A diff that ran out of memory may have left counts behind. */
static void forget_leaving(struct applied *applied)
{
	size_t i;

	for (i = 0; i < applied->n_orphans; i++)
		applied->orphans[i]->leaving = 0;
}

int diff_plan(struct applied *applied, const struct node_plan *wanted, const struct strings *changed,
	      uint64_t now_msec, struct steps *ret)
{
	cleanup(diff_round_done) struct diff_round round = {
		.applied = applied,
		.plan = wanted,
	};
	bool full = !changed || applied->lost;
	struct strings names = { 0 };
	int r;

	applied->diffs++;
	applied->now_msec = now_msec;
	forget_leaving(applied);
	r = full ? diff_full(&round) : unite(&round.arena, changed, &wanted->touched, &names);
	if (r == 0 && !full)
		r = diff_some(&round, &names);
	if (r == 0)
		r = diff_settle_backends(&round);
	if (r == 0)
		r = diff_settle_tables(&round);
	if (r == 0)
		r = report(&round);
	if (r == 0)
		r = diff_round_collect(&round, ret);
	if (r < 0)
		diff_round_abort(&round);
	applied->lost = r < 0;
	return r;
}
