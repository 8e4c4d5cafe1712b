// SPDX-License-Identifier: Apache-2.0
/* What became of the steps: see diff.h. Here struct applied follows the maps, step by step. */
#include "userspace/core/diff_round.h"

#include <stdlib.h>

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
	record->table = frontend->table_size
				? applied_table_at(applied, frontend->table_offset, frontend->table_size)
				: NULL;
	if (record->table) {
		record->table->reserved--;
		record->table->refs++;
	}
	/* Without memory for the note its range is lost until the next start: less space, never a wrong
	 * table. */
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
	if (owner && applied_service_is_empty(owner))
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
