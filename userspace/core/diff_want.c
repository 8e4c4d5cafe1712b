// SPDX-License-Identifier: Apache-2.0
/* What one service wants of the data path, whole or not at all: see diff_round.h. First everything that it
 * needs is looked up or planned; only when all of it is there do the service's lists, the counts of its
 * backends and the steps follow. */
#include "userspace/core/diff_round.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/maglev.h"

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
	uint32_t *backends;		   /* ids with WANT_* bits; becomes the service's */
	size_t n_backends, backends_capacity;
	uint32_t *new_backends, *new_frontends; /* planned for this wish, given back if it does not fit */
	size_t n_new_backends, new_backends_capacity, n_new_frontends, new_frontends_capacity;
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

static int wish_begin(struct diff_round *round _unused_, struct wish *wish)
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
			continue;
		}
		set = &wish->sets[plan->frontends[i].set];
		set->used = true;
		set->forward |= plan->frontends[i].verdict == VERDICT_FORWARD;
	}
	return 0;
}

static int want_active(struct diff_round *round, struct wish *wish, const struct backend *backend,
		       enum l4_protocol protocol, uint32_t *ret_id)
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
static int want_others(struct diff_round *round, struct wish *wish, const struct backends *backends,
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

static int want_backends(struct diff_round *round, struct wish *wish)
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
			r = want_active(round, wish, &set->active.items[j], set->protocol,
					&wish->sets[i].ids[j]);
		if (r == 0)
			r = want_others(round, wish, &set->draining, set->protocol);
		if (r == 0)
			r = want_others(round, wish, &set->keep, set->protocol);
		if (r < 0)
			return r;
	}
	return 0;
}

static int want_frontends(struct diff_round *round, struct wish *wish)
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
			r = array_reserve(wish->new_frontends, wish->n_new_frontends,
					  wish->new_frontends_capacity);
			if (r == 0)
				r = applied_plan_frontend(applied, &frontend->addr, frontend->port,
							  frontend->protocol, &id);
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

/* Of a table found at start only the digest is known. It names the ids that the backends had then: they must
 * be there. */
static bool all_applied(const struct applied *applied, const uint32_t *ids, size_t n)
{
	while (n--)
		if (applied->backends[ids[n]].life != LIFE_APPLIED)
			return false;
	return true;
}

/* The table that stands behind one of the set's frontends, if it was built from the same backends. */
static void reuse_tables(struct diff_round *round, struct wish *wish)
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

static int want_tables(struct diff_round *round, struct wish *wish)
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
			r = applied_plan_table(applied, set->table_size, set->digest, want->ids,
					       set->active.n, &want->table);
			want->new_table = r == 0;
			if (r < 0)
				wish->lacking = "table slots";
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static void give_back(struct diff_round *round, struct wish *wish)
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

/* Memory ran out on the way: what no step names and no service owns yet would be found by nobody. Backends
 * are the service's by then. */
static void give_back_untaken(struct diff_round *round, struct wish *wish)
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

/* --- taking it in
 * -------------------------------------------------------------------------------------------------- */

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

static int list_all(struct diff_round *round, const uint32_t *backends, size_t n, const char *asker)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++) {
		struct backend_record *record = &round->applied->backends[backends[i] & WANT_ID];
		enum backend_state target = record->want_active	 ? BACKEND_ACTIVE
					    : record->want_other ? BACKEND_DRAINING
								 : BACKEND_GONE;

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
static int swap_backends(struct diff_round *round, struct applied_service *service, uint32_t *backends,
			 size_t n, const char *asker)
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

static void complain(struct applied *applied, struct applied_service *service, char *unfit)
{
	applied->n_complaining -= service->unfit != NULL;
	free(service->unfit);
	service->unfit = unfit;
	applied->n_complaining += service->unfit != NULL;
}

static bool frontend_stands(const struct frontend_record *record, const struct applied_frontend *want,
			    const struct table *table)
{
	const struct applied_frontend *have = &record->frontend;
	size_t i;

	if (record->life != LIFE_APPLIED || record->table != table || have->verdict != want->verdict ||
	    have->ready_elsewhere != want->ready_elsewhere || have->type != want->type ||
	    have->policy != want->policy || have->digest != want->digest ||
	    have->affinity_sec != want->affinity_sec ||
	    have->source_ranges_deny != want->source_ranges_deny ||
	    have->source_ranges_closed != want->source_ranges_closed ||
	    have->n_source_ranges != want->n_source_ranges)
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

static int take_frontend(struct diff_round *round, struct wish *wish, struct applied_service *service,
			 size_t i)
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
		.ready_elsewhere = frontend->ready_elsewhere,
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
	return frontend_stands(record, &want, table)
		       ? 0
		       : diff_emit_frontend_set(round, want.id, &want, table, wish->name);
}

/* From here on the service gets all that it wants. */
static int take_in(struct diff_round *round, struct wish *wish, struct applied_service *service)
{
	size_t i;
	int r;

	complain(round->applied, service, NULL);
	r = swap_backends(round, service, take(wish->backends), wish->n_backends, wish->name);
	for (i = 0; r == 0 && i < wish->plan->n_sets; i++)
		if (wish->sets[i].new_table)
			r = diff_emit_table_write(round, wish->sets[i].table, &wish->plan->sets[i],
						  wish->name);
	for (i = 0; r == 0 && i < wish->plan->n_frontends; i++)
		if (wish->frontends[i].id != UINT32_MAX)
			r = take_frontend(round, wish, service, i);
	return r;
}

static int remain(struct diff_round *round, struct wish *wish, struct applied_service *service)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	const struct applied *applied = round->applied;
	char *text;
	size_t i;

	strbuf_appendf(&why,
		       "does not fit: no more %s (in use: %" PRIu32 " of %" PRIu32 " frontends, %" PRIu32
		       " of %" PRIu32 " backends, %" PRIu32 " of %" PRIu32
		       " table slots): what was in force before stays",
		       wish->lacking, applied->frontend_ids.n_taken, applied->frontend_ids.limit,
		       applied->backend_ids.n_taken, applied->backend_ids.limit,
		       applied->space.n_taken * TABLE_UNIT, applied->limits.table_slots);
	text = strbuf_take(&why);
	if (!text)
		return -ENOMEM;
	complain(round->applied, service, text);
	for (i = 0; i < service->n_frontends; i++)
		round->applied->frontends[service->frontends[i]].wanted_in = round->applied->diffs;
	return 0;
}

int diff_service_name(struct diff_round *round, const struct service_plan *plan, const char **ret)
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

int diff_want_service(struct diff_round *round, const struct service_plan *plan)
{
	cleanup(wish_done) struct wish wish = { .plan = plan };
	struct applied_service *service;
	int r;

	r = diff_service_name(round, plan, &wish.name);
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

int diff_release_service(struct diff_round *round, struct applied_service *service)
{
	size_t i;

	complain(round->applied, service, NULL);
	for (i = service->n_frontends; i-- > 0;) {
		struct frontend_record *record = &round->applied->frontends[service->frontends[i]];

		if (record->life == LIFE_PLANNED && !record->reserved)
			applied_forget_frontend(round->applied, service->frontends[i], false);
	}
	return swap_backends(round, service, NULL, 0, NULL);
}
