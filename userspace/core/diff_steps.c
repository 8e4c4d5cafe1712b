// SPDX-License-Identifier: Apache-2.0
/* Steps as one diff collects them: see diff_round.h. Whatever a step names is reserved when the step is made,
 * so that diff_abort() of each gives all of it back. */
#include "userspace/core/diff_round.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/core/maglev.h"

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

void diff_round_done(struct diff_round *round)
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

static struct step *emit(struct diff_round *round, enum bucket bucket, enum step_kind kind,
			 const char *service)
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

int diff_emit_backend(struct diff_round *round, enum bucket bucket, enum step_kind kind, uint32_t id,
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

int diff_emit_table_write(struct diff_round *round, struct table *table, const struct backend_set *set,
			  const char *service)
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

int diff_emit_table_free(struct diff_round *round, const struct table *table)
{
	struct step *step = emit(round, FREE_TABLES, STEP_TABLE_FREE, NULL);

	if (!step)
		return -ENOMEM;
	step->table_offset = table->offset;
	step->table_size = table->size;
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
static int leave_table(struct diff_round *round, struct frontend_record *record)
{
	if (!record->table)
		return 0;
	if (applied_list_orphan(round->applied, record->table) < 0)
		return -ENOMEM;
	record->table->leaving++;
	return 0;
}

int diff_emit_frontend_set(struct diff_round *round, uint32_t id, const struct applied_frontend *want,
			   struct table *table, const char *service)
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

int diff_emit_frontend_delete(struct diff_round *round, uint32_t id, const char *service)
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

int diff_round_collect(struct diff_round *round, struct steps *ret)
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
			memcpy(steps.items + steps.n, round->buckets[i].items,
			       round->buckets[i].n * sizeof(*steps.items));
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

void diff_round_abort(struct diff_round *round)
{
	size_t i, j;

	for (i = 0; i < BUCKETS; i++)
		for (j = 0; j < round->buckets[i].n; j++)
			diff_abort(round->applied, &round->buckets[i].items[j]);
}
