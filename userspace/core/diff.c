// SPDX-License-Identifier: Apache-2.0
/* From applied and plan to ordered steps: see diff.h.
 *
 * One diff goes over the services in three passes: those that are no longer planned let go of their backends; those that
 * are planned say what they want, each whole or not at all; then frontends that nobody wanted in this diff are deleted,
 * after a VIP that passed from one service to another found its new owner. At the end all backends and tables whose
 * state may no longer fit are looked at, whoever they belong to.
 *
 * Steps are collected by kind and put together at the end, so that their order over all services is make before break. */
#include "userspace/core/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/applied.h"
#include "userspace/core/maglev.h"

enum bucket { ADD_BACKENDS, WRITE_TABLES, SET_FRONTENDS, DELETE_FRONTENDS, FREE_TABLES, RETIRE_BACKENDS, DELETE_BACKENDS, BUCKETS };

struct step_list {
	struct step *items;
	size_t n, capacity;
};

struct round {
	struct applied *applied;
	const struct node_plan *plan;
	struct step_list buckets[BUCKETS];
	struct arena arena; /* of service names and tables in steps */
	struct problems problems;
};

static void step_done(struct step *step)
{
	if (step->kind == STEP_FRONTEND_SET || step->kind == STEP_FRONTEND_DELETE)
		free(step->frontend.source_ranges);
}

void steps_done(struct steps *steps)
{
	size_t i;

	if (!steps)
		return;
	for (i = 0; i < steps->n; i++)
		step_done(&steps->items[i]);
	free(steps->items);
	arena_done(&steps->arena);
	problems_done(&steps->problems);
	*steps = (struct steps){ 0 };
}

static void round_done(struct round *round)
{
	size_t i, j;

	for (i = 0; i < BUCKETS; i++) {
		for (j = 0; j < round->buckets[i].n; j++)
			step_done(&round->buckets[i].items[j]);
		free(round->buckets[i].items);
	}
	arena_done(&round->arena);
	problems_done(&round->problems);
}

/* --- steps ---------------------------------------------------------------------------------------------------------- */

static struct step *emit(struct round *round, enum bucket bucket, enum step_kind kind, const char *service)
{
	struct step_list *list = &round->buckets[bucket];

	if (array_reserve(list->items, list->n, list->capacity) < 0)
		return NULL;
	list->items[list->n] = (struct step){
		.kind = kind,
		.phase = bucket <= SET_FRONTENDS ? STEP_MAKE : STEP_BREAK,
		.service = service ? service : "",
	};
	return &list->items[list->n++];
}

static int emit_backend(struct round *round, enum bucket bucket, enum step_kind kind, uint32_t id,
			enum backend_state state, bool local)
{
	struct backend_record *record = &round->applied->backends[id];
	struct step *step = emit(round, bucket, kind, record->asker);

	if (!step)
		return -ENOMEM;
	step->backend = record->backend;
	step->backend.state = state;
	step->backend.local = local;
	record->reserved++;
	return 0;
}

static int emit_table_write(struct round *round, struct table *table, const struct backend_set *set, const char *service)
{
	struct step *step = emit(round, WRITE_TABLES, STEP_TABLE_WRITE, service);
	uint32_t i;
	int r;

	if (!step)
		return -ENOMEM;
	step->table_offset = table->offset;
	step->table_size = table->size;
	table->reserved++;
	step->table_ids = arena_array(&round->arena, table->size, sizeof(*step->table_ids));
	if (!step->table_ids)
		return -ENOMEM;
	r = maglev_build(&set->active, set->protocol, table->size, step->table_ids);
	if (r < 0)
		return r;
	for (i = 0; i < table->size; i++)
		step->table_ids[i] = table->ids[step->table_ids[i]];
	return 0;
}

static int copy_ranges(const struct prefix *ranges, size_t n, struct prefix **ret)
{
	struct prefix *copy = NULL;

	if (n) {
		copy = malloc(n * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, ranges, n * sizeof(*copy));
	}
	free(*ret);
	*ret = copy;
	return 0;
}

/* A step takes the frontend away from its table, which nobody may name then. */
static int leave_table(struct round *round, struct frontend_record *record)
{
	if (!record->table)
		return 0;
	if (applied_list_orphan(round->applied, record->table) < 0)
		return -ENOMEM;
	record->table->leaving++;
	return 0;
}

static int emit_frontend_set(struct round *round, uint32_t id, const struct applied_frontend *want, struct table *table,
			     const char *service)
{
	struct frontend_record *record = &round->applied->frontends[id];
	struct step *step = emit(round, SET_FRONTENDS, STEP_FRONTEND_SET, service);

	if (!step)
		return -ENOMEM;
	record->reserved++;
	step->frontend = *want;
	step->frontend.source_ranges = NULL;
	if (table)
		table->reserved++;
	if (record->table != table && leave_table(round, record) < 0)
		return -ENOMEM;
	if (copy_ranges(want->source_ranges, want->n_source_ranges, &step->frontend.source_ranges) < 0)
		return -ENOMEM;
	/* A second copy for diff_commit(), which must not fail. */
	return copy_ranges(want->source_ranges, want->n_source_ranges, &record->next_ranges);
}

static int emit_frontend_delete(struct round *round, uint32_t id, const char *service)
{
	struct frontend_record *record = &round->applied->frontends[id];
	struct step *step = emit(round, DELETE_FRONTENDS, STEP_FRONTEND_DELETE, service);

	if (!step)
		return -ENOMEM;
	record->reserved++;
	step->frontend = record->frontend;
	step->frontend.source_ranges = NULL;
	if (leave_table(round, record) < 0)
		return -ENOMEM;
	return copy_ranges(record->frontend.source_ranges, record->frontend.n_source_ranges,
			   &step->frontend.source_ranges);
}

/* --- what one service wants -------------------------------------------------------------------------------------------- */

struct wanted_frontend {
	uint32_t id; /* UINT32_MAX: left out (SCTP) */
};

struct wanted_set {
	bool used, forward;
	uint32_t *ids; /* of the active backends, in their order */
	struct table *table;
	bool new_table;
};

struct wish {
	const struct service_plan *plan;
	const char *name; /* in the round's arena */
	struct arena scratch;
	struct wanted_frontend *frontends; /* as plan->frontends */
	struct wanted_set *sets;	   /* as plan->sets */
	uint32_t *backends; /* ids with WANT_* bits; becomes the service's */
	size_t n_backends, backends_capacity;
	uint32_t *new_backends, *new_frontends; /* planned for this wish, given back if it does not fit */
	size_t n_new_backends, new_backends_capacity, n_new_frontends, new_frontends_capacity;
	size_t n_sctp;
	const char *lacking; /* what ran out */
};

static void wish_done(struct wish *wish)
{
	arena_done(&wish->scratch);
	free(wish->backends);
	free(wish->new_backends);
	free(wish->new_frontends);
}

static int push(uint32_t **items, size_t *n, size_t *capacity, uint32_t value)
{
	int r = array_grow(items, *n + 1, capacity, sizeof(**items));

	if (r == 0)
		(*items)[(*n)++] = value;
	return r;
}

static int wish_begin(struct round *round, struct wish *wish)
{
	const struct service_plan *plan = wish->plan;
	struct wanted_set *set;
	size_t i;

	wish->frontends = arena_array(&wish->scratch, plan->n_frontends, sizeof(*wish->frontends));
	wish->sets = arena_array(&wish->scratch, plan->n_sets, sizeof(*wish->sets));
	if (!wish->frontends || !wish->sets)
		return -ENOMEM;
	for (i = 0; i < plan->n_frontends; i++) {
		if (plan->frontends[i].protocol == L4_SCTP) {
			wish->frontends[i].id = UINT32_MAX;
			wish->n_sctp++;
			continue;
		}
		set = &wish->sets[plan->frontends[i].set];
		set->used = true;
		set->forward |= plan->frontends[i].verdict == VERDICT_FORWARD;
	}
	return 0;
}

static int want_active(struct round *round, struct wish *wish, const struct backend *backend, enum l4_protocol protocol,
		       uint32_t *ret_id)
{
	struct applied *applied = round->applied;
	uint32_t id = applied_backend_id(applied, &backend->addr, backend->port, protocol);
	int r;

	if (id == UINT32_MAX) {
		r = array_reserve(wish->new_backends, wish->n_new_backends, wish->new_backends_capacity);
		if (r == 0)
			r = applied_plan_backend(applied, &backend->addr, backend->port, protocol, &id);
		if (r < 0) {
			wish->lacking = "backends";
			return r;
		}
		wish->new_backends[wish->n_new_backends++] = id;
	}
	*ret_id = id;
	return push(&wish->backends, &wish->n_backends, &wish->backends_capacity,
		    id | WANT_ACTIVE | (backend->local ? WANT_LOCAL : 0));
}

/* Established flows can only be on backends that stand in the maps: others are not added to be drained. */
static int want_others(struct round *round, struct wish *wish, const struct backends *backends,
		       enum l4_protocol protocol)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < backends->n; i++) {
		const struct backend *backend = &backends->items[i];
		uint32_t id = applied_backend_id(round->applied, &backend->addr, backend->port, protocol);

		if (id != UINT32_MAX)
			r = push(&wish->backends, &wish->n_backends, &wish->backends_capacity,
				 id | (backend->local ? WANT_LOCAL : 0));
	}
	return r;
}

static int want_backends(struct round *round, struct wish *wish)
{
	size_t i, j;
	int r = 0;

	for (i = 0; i < wish->plan->n_sets; i++) {
		const struct backend_set *set = &wish->plan->sets[i];

		if (!wish->sets[i].used)
			continue;
		wish->sets[i].ids = arena_array(&wish->scratch, set->active.n, sizeof(uint32_t));
		if (!wish->sets[i].ids)
			return -ENOMEM;
		for (j = 0; r == 0 && j < set->active.n; j++)
			r = want_active(round, wish, &set->active.items[j], set->protocol, &wish->sets[i].ids[j]);
		if (r == 0)
			r = want_others(round, wish, &set->draining, set->protocol);
		if (r == 0)
			r = want_others(round, wish, &set->keep, set->protocol);
		if (r < 0)
			return r;
	}
	return 0;
}

static int want_frontends(struct round *round, struct wish *wish)
{
	struct applied *applied = round->applied;
	size_t i;
	int r;

	for (i = 0; i < wish->plan->n_frontends; i++) {
		const struct frontend *frontend = &wish->plan->frontends[i];
		uint32_t id;

		if (wish->frontends[i].id == UINT32_MAX)
			continue;
		id = applied_frontend_id(applied, &frontend->addr, frontend->port, frontend->protocol);
		if (id == UINT32_MAX) {
			r = array_reserve(wish->new_frontends, wish->n_new_frontends, wish->new_frontends_capacity);
			if (r == 0)
				r = applied_plan_frontend(applied, &frontend->addr, frontend->port, frontend->protocol,
							  &id);
			if (r < 0) {
				wish->lacking = "frontends";
				return r;
			}
			wish->new_frontends[wish->n_new_frontends++] = id;
		}
		wish->frontends[i].id = id;
	}
	return 0;
}

/* Of a table found at start only the digest is known. It names the ids that the backends had then: they must be there. */
static bool all_applied(const struct applied *applied, const uint32_t *ids, size_t n)
{
	while (n--)
		if (applied->backends[ids[n]].life != LIFE_APPLIED)
			return false;
	return true;
}

/* The table that stands behind one of the set's frontends, if it was built from the same backends. */
static void reuse_tables(struct round *round, struct wish *wish)
{
	size_t i;

	for (i = 0; i < wish->plan->n_frontends; i++) {
		const struct backend_set *set = &wish->plan->sets[wish->plan->frontends[i].set];
		struct wanted_set *want = &wish->sets[wish->plan->frontends[i].set];
		struct table *table;

		if (wish->frontends[i].id == UINT32_MAX || want->table || !want->forward)
			continue;
		table = round->applied->frontends[wish->frontends[i].id].table;
		if (table && table->digest == set->digest && table->size == set->table_size &&
		    (table->known || all_applied(round->applied, want->ids, set->active.n)))
			want->table = table;
	}
}

static int want_tables(struct round *round, struct wish *wish)
{
	struct applied *applied = round->applied;
	size_t i;
	int r;

	reuse_tables(round, wish);
	for (i = 0; i < wish->plan->n_sets; i++) {
		const struct backend_set *set = &wish->plan->sets[i];
		struct wanted_set *want = &wish->sets[i];

		if (!want->forward)
			continue;
		if (want->table) {
			r = applied_know_table(applied, want->table, want->ids, set->active.n);
		} else {
			r = applied_plan_table(applied, set->table_size, set->digest, want->ids, set->active.n,
					       &want->table);
			want->new_table = r == 0;
			if (r < 0)
				wish->lacking = "table slots";
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static void give_back(struct round *round, struct wish *wish)
{
	size_t i;

	for (i = 0; wish->sets && i < wish->plan->n_sets; i++)
		if (wish->sets[i].new_table)
			applied_drop_table(round->applied, wish->sets[i].table);
	for (i = 0; i < wish->n_new_frontends; i++)
		applied_forget_frontend(round->applied, wish->new_frontends[i], false);
	for (i = 0; i < wish->n_new_backends; i++)
		applied_forget_backend(round->applied, wish->new_backends[i]);
}

/* Memory ran out on the way: what no step names and no service owns yet would be found by nobody. Backends are the
 * service's by then. */
static void give_back_untaken(struct round *round, struct wish *wish)
{
	struct applied *applied = round->applied;
	size_t i;

	for (i = 0; i < wish->plan->n_sets; i++)
		if (wish->sets[i].new_table && !wish->sets[i].table->reserved)
			applied_drop_table(applied, wish->sets[i].table);
	for (i = 0; i < wish->n_new_frontends; i++)
		if (!applied->frontends[wish->new_frontends[i]].owner)
			applied_forget_frontend(applied, wish->new_frontends[i], false);
}

/* --- taking it in -------------------------------------------------------------------------------------------------------- */

static void count_wants(struct applied *applied, const uint32_t *backends, size_t n, int by)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct backend_record *record = &applied->backends[backends[i] & WANT_ID];

		if (backends[i] & WANT_ACTIVE)
			record->want_active += (uint32_t)by;
		else
			record->want_other += (uint32_t)by;
		if (backends[i] & WANT_LOCAL)
			record->want_local += (uint32_t)by;
	}
}

static int list_all(struct round *round, const uint32_t *backends, size_t n, const char *asker)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++) {
		struct backend_record *record = &round->applied->backends[backends[i] & WANT_ID];
		enum backend_state target = record->want_active ? BACKEND_ACTIVE :
					    record->want_other ? BACKEND_DRAINING : BACKEND_GONE;

		record->adopted = false;
		if (record->life == LIFE_APPLIED && record->backend.state == target &&
		    record->backend.local == (record->want_local > 0))
			continue;
		record->asker = asker;
		r = applied_list_backend(round->applied, backends[i] & WANT_ID);
	}
	return r;
}

/* Replaces what the service listed; counts always are the sum of all lists. */
static int swap_backends(struct round *round, struct applied_service *service, uint32_t *backends, size_t n,
			 const char *asker)
{
	uint32_t *old = service->backends;
	size_t n_old = service->n_backends;
	int r;

	count_wants(round->applied, old, n_old, -1);
	service->backends = backends;
	service->n_backends = n;
	count_wants(round->applied, backends, n, 1);
	r = list_all(round, old, n_old, asker);
	if (r == 0)
		r = list_all(round, backends, n, asker);
	free(old);
	return r;
}

static void complain(struct applied *applied, struct applied_service *service, char *unfit, size_t n_sctp)
{
	applied->n_complaining -= service->unfit || service->n_sctp;
	free(service->unfit);
	service->unfit = unfit;
	service->n_sctp = n_sctp;
	applied->n_complaining += service->unfit || service->n_sctp;
}

static bool frontend_stands(const struct frontend_record *record, const struct applied_frontend *want,
			    const struct table *table)
{
	const struct applied_frontend *have = &record->frontend;
	size_t i;

	if (record->life != LIFE_APPLIED || record->table != table || have->verdict != want->verdict ||
	    have->type != want->type || have->policy != want->policy || have->digest != want->digest ||
	    have->affinity_sec != want->affinity_sec || have->source_ranges_deny != want->source_ranges_deny ||
	    have->source_ranges_closed != want->source_ranges_closed || have->n_source_ranges != want->n_source_ranges)
		return false;
	for (i = 0; i < want->n_source_ranges; i++)
		if (prefix_compare(&have->source_ranges[i], &want->source_ranges[i]))
			return false;
	return true;
}

static int own(struct applied_service *service, struct frontend_record *record, uint32_t id)
{
	struct applied_service *before = record->owner;
	size_t i;
	int r;

	if (before == service)
		return 0;
	r = push(&service->frontends, &service->n_frontends, &service->frontends_capacity, id);
	if (r < 0)
		return r;
	for (i = 0; before && i < before->n_frontends; i++)
		if (before->frontends[i] == id) {
			before->frontends[i] = before->frontends[--before->n_frontends];
			break;
		}
	record->owner = service;
	return 0;
}

static int take_frontend(struct round *round, struct wish *wish, struct applied_service *service, size_t i)
{
	const struct frontend *frontend = &wish->plan->frontends[i];
	struct frontend_record *record = &round->applied->frontends[wish->frontends[i].id];
	bool forward = frontend->verdict == VERDICT_FORWARD;
	struct table *table = forward ? wish->sets[frontend->set].table : NULL;
	struct applied_frontend want = {
		.addr = frontend->addr,
		.port = frontend->port,
		.protocol = frontend->protocol,
		.id = record->frontend.id,
		.generation = record->frontend.generation,
		.verdict = frontend->verdict,
		.type = frontend->type,
		.policy = frontend->policy,
		.table_offset = table ? table->offset : 0,
		.table_size = table ? table->size : 0,
		.digest = table ? table->digest : 0,
		.affinity_sec = frontend->affinity_sec,
		.source_ranges = frontend->source_ranges,
		.n_source_ranges = frontend->n_source_ranges,
		.source_ranges_deny = frontend->source_ranges_deny,
		.source_ranges_closed = frontend->source_ranges_closed,
	};
	int r = own(service, record, want.id);

	if (r < 0)
		return r;
	record->wanted_in = round->applied->diffs;
	return frontend_stands(record, &want, table) ? 0 :
						       emit_frontend_set(round, want.id, &want, table, wish->name);
}

/* From here on the service gets all that it wants. */
static int take_in(struct round *round, struct wish *wish, struct applied_service *service)
{
	size_t i;
	int r;

	complain(round->applied, service, NULL, wish->n_sctp);
	r = swap_backends(round, service, take(wish->backends), wish->n_backends, wish->name);
	for (i = 0; r == 0 && i < wish->plan->n_sets; i++)
		if (wish->sets[i].new_table)
			r = emit_table_write(round, wish->sets[i].table, &wish->plan->sets[i], wish->name);
	for (i = 0; r == 0 && i < wish->plan->n_frontends; i++)
		if (wish->frontends[i].id != UINT32_MAX)
			r = take_frontend(round, wish, service, i);
	return r;
}

static int remain(struct round *round, struct wish *wish, struct applied_service *service)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	const struct applied *applied = round->applied;
	char *text;
	size_t i;

	strbuf_appendf(&why,
		       "does not fit: no more %s (in use: %" PRIu32 " of %" PRIu32 " frontends, %" PRIu32 " of %" PRIu32
		       " backends, %" PRIu32 " of %" PRIu32 " table slots): what was in force before stays",
		       wish->lacking, applied->frontend_ids.n_taken, applied->frontend_ids.limit,
		       applied->backend_ids.n_taken, applied->backend_ids.limit, applied->space.n_taken * TABLE_UNIT,
		       applied->limits.table_slots);
	text = strbuf_take(&why);
	if (!text)
		return -ENOMEM;
	complain(round->applied, service, text, wish->n_sctp);
	for (i = 0; i < service->n_frontends; i++)
		round->applied->frontends[service->frontends[i]].wanted_in = round->applied->diffs;
	return 0;
}

static int service_name(struct round *round, const struct service_plan *plan, const char **ret)
{
	size_t length = strlen(plan->namespace);
	char *text = arena_alloc(&round->arena, length + strlen(plan->name) + 2);

	if (!text)
		return -ENOMEM;
	memcpy(text, plan->namespace, length);
	text[length] = '/';
	strcpy(text + length + 1, plan->name);
	*ret = text;
	return 0;
}

static int want_service(struct round *round, const struct service_plan *plan)
{
	cleanup(wish_done) struct wish wish = { .plan = plan };
	struct applied_service *service;
	int r;

	r = service_name(round, plan, &wish.name);
	if (r == 0)
		r = applied_make_service(round->applied, wish.name, &service);
	if (r < 0)
		return r;
	service->seen_in = round->applied->diffs;
	r = wish_begin(round, &wish);
	if (r == 0)
		r = want_frontends(round, &wish);
	if (r == 0)
		r = want_backends(round, &wish);
	if (r == 0)
		r = want_tables(round, &wish);
	if (r == 0) {
		r = take_in(round, &wish, service);
		if (r < 0)
			give_back_untaken(round, &wish);
		return r;
	}
	give_back(round, &wish);
	return r == -ENOSPC ? remain(round, &wish, service) : r;
}

/* --- letting go ------------------------------------------------------------------------------------------------------------ */

static int release_service(struct round *round, struct applied_service *service)
{
	size_t i;

	complain(round->applied, service, NULL, 0);
	for (i = service->n_frontends; i-- > 0;) {
		struct frontend_record *record = &round->applied->frontends[service->frontends[i]];

		if (record->life == LIFE_PLANNED && !record->reserved)
			applied_forget_frontend(round->applied, service->frontends[i], false);
	}
	return swap_backends(round, service, NULL, 0, NULL);
}

static bool is_empty(const struct applied_service *service)
{
	return !service->n_frontends && !service->n_backends && !service->unfit && !service->n_sctp;
}

/* Frontends that the service has and nobody wanted in this diff. */
static int delete_unwanted(struct round *round, struct applied_service *service)
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
		r = name ? emit_frontend_delete(round, id, name) : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

static int delete_ownerless(struct round *round)
{
	struct applied *applied = round->applied;
	size_t id;
	int r = 0;

	for (id = 0; r == 0 && id < applied->n_frontend_records; id++)
		if (applied->frontends[id].life == LIFE_APPLIED && !applied->frontends[id].owner)
			r = emit_frontend_delete(round, (uint32_t)id, NULL);
	return r;
}

/* --- backends and tables that are not as they should be -------------------------------------------------------------------- */

/* Gives what is due for one backend; *ret_settled: nothing is, and nothing is awaited. */
static int settle_backend(struct round *round, uint32_t id, bool *ret_settled)
{
	struct applied *applied = round->applied;
	struct backend_record *record = &applied->backends[id];
	bool wanted = record->want_active || record->want_other;
	bool local = wanted ? record->want_local > 0 : record->backend.local;
	enum backend_state target = record->want_active ? BACKEND_ACTIVE :
				    wanted ? BACKEND_DRAINING : BACKEND_GONE;

	*ret_settled = false;
	switch (record->life) {
	case LIFE_FREE:
	case LIFE_RETIRED:
		*ret_settled = true;
		return 0;
	case LIFE_PLANNED:
		if (record->want_active)
			return emit_backend(round, ADD_BACKENDS, STEP_BACKEND_SET, id, BACKEND_ACTIVE, local);
		if (!wanted && !record->reserved && !record->tables) {
			applied_forget_backend(applied, id);
			*ret_settled = true;
		}
		return 0;
	case LIFE_APPLIED:
		break;
	}
	if (record->adopted)
		return 0; /* the first full diff will tell who wants it */
	if (record->backend.state != target || record->backend.local != local)
		return emit_backend(round, target == BACKEND_GONE ? RETIRE_BACKENDS : ADD_BACKENDS, STEP_BACKEND_SET, id,
				    target, local);
	if (target != BACKEND_GONE || !record->unused) {
		*ret_settled = true;
		return 0;
	}
	/* A table that names the id, or of which we do not know what it names, would lead to the id's next owner. */
	if (!record->reserved && !record->tables && !applied->n_unknown_tables)
		return emit_backend(round, DELETE_BACKENDS, STEP_BACKEND_DELETE, id, BACKEND_GONE, local);
	return 0;
}

static int settle_backends(struct round *round)
{
	struct applied *applied = round->applied;
	size_t i, kept = 0;
	bool settled;
	int r = 0;

	for (i = 0; i < applied->n_unsettled; i++) {
		uint32_t id = applied->unsettled[i];

		settled = false;
		if (r == 0)
			r = settle_backend(round, id, &settled);
		applied->backends[id].asker = NULL;
		if (settled)
			applied->backends[id].listed = false;
		else
			applied->unsettled[kept++] = id;
	}
	applied->n_unsettled = kept;
	return r;
}

/* Ids that were planned for a service which is gone come back before others ask for some. */
static void forget_planned(struct applied *applied)
{
	size_t i;

	for (i = 0; i < applied->n_unsettled; i++) {
		uint32_t id = applied->unsettled[i];
		struct backend_record *record = &applied->backends[id];

		if (record->life == LIFE_PLANNED && !record->want_active && !record->want_other && !record->reserved &&
		    !record->tables)
			applied_forget_backend(applied, id);
	}
}

static int settle_tables(struct round *round)
{
	struct applied *applied = round->applied;
	size_t i, kept = 0;
	struct step *step;
	int r = 0;

	for (i = 0; i < applied->n_orphans; i++) {
		struct table *table = applied->orphans[i];
		bool orphan = table->refs == table->leaving && !table->reserved;

		table->leaving = 0;
		if (orphan && r == 0) {
			step = emit(round, FREE_TABLES, STEP_TABLE_FREE, NULL);
			r = step ? 0 : -ENOMEM;
			if (step) {
				step->table_offset = table->offset;
				step->table_size = table->size;
			}
		}
		table->listed = orphan;
		if (orphan)
			applied->orphans[kept++] = table;
	}
	applied->n_orphans = kept;
	return r;
}

/* --- the whole -------------------------------------------------------------------------------------------------------------- */

/* *ret NULL: not in the plan. */
static int find_plan(struct round *round, const char *name, const struct service_plan **ret)
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
static int end_adoption(struct round *round)
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

static int diff_full(struct round *round)
{
	struct applied *applied = round->applied;
	size_t i;
	int r = end_adoption(round);

	for (i = 0; i < round->plan->n_services; i++) {
		struct applied_service *service;
		const char *name;

		r = r < 0 ? r : service_name(round, round->plan->services[i], &name);
		if (r < 0)
			return r;
		service = applied_find_service(applied, name);
		if (service)
			service->seen_in = applied->diffs;
	}
	for (i = 0; r == 0 && i < applied->n_services; i++)
		if (applied->services[i]->seen_in != applied->diffs)
			r = release_service(round, applied->services[i]);
	forget_planned(applied);
	for (i = 0; r == 0 && i < round->plan->n_services; i++)
		r = want_service(round, round->plan->services[i]);
	for (i = 0; r == 0 && i < applied->n_services; i++)
		r = delete_unwanted(round, applied->services[i]);
	if (r == 0)
		r = delete_ownerless(round);
	for (i = applied->n_services; i-- > 0;)
		if (is_empty(applied->services[i]))
			applied_remove_service(applied, applied->services[i]);
	return r;
}

/* `names` are sorted, each once. */
static int diff_some(struct round *round, const struct strings *names)
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
			r = release_service(round, service);
	}
	forget_planned(applied);
	for (i = 0; r == 0 && i < names->n; i++)
		if (plans[i])
			r = want_service(round, plans[i]);
	for (i = 0; r == 0 && i < names->n; i++) {
		service = applied_find_service(applied, names->items[i]);
		if (!service)
			continue;
		r = delete_unwanted(round, service);
		if (is_empty(service))
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

static int report(struct round *round)
{
	const struct applied *applied = round->applied;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && applied->n_complaining && i < applied->n_services; i++) {
		const struct applied_service *service = applied->services[i];
		cleanup(strbuf_done) struct strbuf object = { 0 };

		if (!service->unfit && !service->n_sctp)
			continue;
		strbuf_appendf(&object, "Service/%s", service->name);
		if (service->unfit)
			r = problems_add(&round->problems, strbuf_text(&object), "", "%s", service->unfit);
		if (r == 0 && service->n_sctp)
			r = problems_add(&round->problems, strbuf_text(&object), "spec.ports",
					 "SCTP is not carried by the data path: %zu frontends are left out, the others are "
					 "served",
					 service->n_sctp);
	}
	return r;
}

static int collect(struct round *round, struct steps *ret)
{
	struct steps steps = { 0 };
	size_t i, n = 0;

	for (i = 0; i < BUCKETS; i++)
		n += round->buckets[i].n;
	steps.items = malloc((n ? n : 1) * sizeof(*steps.items));
	if (!steps.items)
		return -ENOMEM;
	steps.capacity = n;
	for (i = 0; i < BUCKETS; i++) {
		if (round->buckets[i].n)
			memcpy(steps.items + steps.n, round->buckets[i].items, round->buckets[i].n * sizeof(*steps.items));
		steps.n += round->buckets[i].n;
		free(round->buckets[i].items);
		round->buckets[i] = (struct step_list){ 0 };
	}
	steps.arena = round->arena;
	steps.problems = round->problems;
	round->arena = (struct arena){ 0 };
	round->problems = (struct problems){ 0 };
	*ret = steps;
	return 0;
}

static void abort_all(struct round *round)
{
	size_t i, j;

	for (i = 0; i < BUCKETS; i++)
		for (j = 0; j < round->buckets[i].n; j++)
			diff_abort(round->applied, &round->buckets[i].items[j]);
}

/* A diff that ran out of memory may have left counts behind. */
static void forget_leaving(struct applied *applied)
{
	size_t i;

	for (i = 0; i < applied->n_orphans; i++)
		applied->orphans[i]->leaving = 0;
}

int diff_plan(struct applied *applied, const struct node_plan *wanted, const struct strings *changed, uint64_t now_msec,
	      struct steps *ret)
{
	cleanup(round_done) struct round round = {
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
		r = settle_backends(&round);
	if (r == 0)
		r = settle_tables(&round);
	if (r == 0)
		r = report(&round);
	if (r == 0)
		r = collect(&round, ret);
	if (r < 0)
		abort_all(&round);
	applied->lost = r < 0;
	return r;
}

/* --- what became of the steps ------------------------------------------------------------------------------------------------- */

static void commit_frontend_set(struct applied *applied, const struct applied_frontend *frontend)
{
	struct frontend_record *record = &applied->frontends[frontend->id];
	struct table *before = record->table;

	free(record->frontend.source_ranges);
	record->frontend = *frontend;
	record->frontend.source_ranges = record->next_ranges;
	record->next_ranges = NULL;
	record->life = LIFE_APPLIED;
	record->reserved--;
	record->table = frontend->table_size ? applied_table_at(applied, frontend->table_offset, frontend->table_size) : NULL;
	if (record->table) {
		record->table->reserved--;
		record->table->refs++;
	}
	/* Without memory for the note its range is lost until the next start: less space, never a wrong table. */
	if (before && --before->refs == 0)
		(void)applied_list_orphan(applied, before);
	applied->frontend_view_fresh = false;
}

static void commit_frontend_delete(struct applied *applied, const struct applied_frontend *frontend)
{
	struct frontend_record *record = &applied->frontends[frontend->id];
	struct applied_service *owner = record->owner;
	struct table *before = record->table;

	applied_forget_frontend(applied, frontend->id, true);
	if (before && --before->refs == 0)
		(void)applied_list_orphan(applied, before);
	if (owner && is_empty(owner))
		applied_remove_service(applied, owner);
}

static void commit_backend_set(struct applied *applied, const struct applied_backend *backend)
{
	struct backend_record *record = &applied->backends[backend->id];

	record->backend = *backend;
	record->life = LIFE_APPLIED;
	record->reserved--;
	record->unused = false;
	applied->backend_view_fresh = false;
}

void diff_commit(struct applied *applied, const struct step *step, uint64_t now_msec)
{
	struct table *table;

	applied->now_msec = now_msec;
	switch (step->kind) {
	case STEP_BACKEND_SET:
		commit_backend_set(applied, &step->backend);
		break;
	case STEP_TABLE_WRITE:
		table = applied_table_at(applied, step->table_offset, step->table_size);
		table->written = true;
		table->reserved--;
		break;
	case STEP_FRONTEND_SET:
		commit_frontend_set(applied, &step->frontend);
		break;
	case STEP_FRONTEND_DELETE:
		commit_frontend_delete(applied, &step->frontend);
		break;
	case STEP_TABLE_FREE: /* but not if the frontend that should have left it did not */
		table = applied_table_at(applied, step->table_offset, step->table_size);
		if (table && !table->refs && !table->reserved)
			applied_drop_table(applied, table);
		break;
	case STEP_BACKEND_DELETE:
		applied->backends[step->backend.id].reserved--;
		applied_forget_backend(applied, step->backend.id);
		break;
	}
}

/* A table that was made for frontends which do not come is nobody's. */
static void abort_table(struct applied *applied, uint32_t offset, uint32_t size)
{
	struct table *table = applied_table_at(applied, offset, size);

	if (!table)
		return;
	table->reserved--;
	if (!table->reserved && !table->refs)
		applied_drop_table(applied, table);
}

void diff_abort(struct applied *applied, const struct step *step)
{
	switch (step->kind) {
	case STEP_BACKEND_SET:
	case STEP_BACKEND_DELETE:
		applied->backends[step->backend.id].reserved--;
		break;
	case STEP_TABLE_WRITE:
		abort_table(applied, step->table_offset, step->table_size);
		break;
	case STEP_FRONTEND_SET:
		applied->frontends[step->frontend.id].reserved--;
		if (step->frontend.table_size)
			abort_table(applied, step->frontend.table_offset, step->frontend.table_size);
		break;
	case STEP_FRONTEND_DELETE:
		applied->frontends[step->frontend.id].reserved--;
		break;
	case STEP_TABLE_FREE:
		break;
	}
}
