// SPDX-License-Identifier: Apache-2.0
/* Backends and tables that are not as they should be, whoever they belong to: see diff_round.h. Each diff
 * looks at the short lists of those that may be off, so that a step that failed or waits is found again
 * without walking all of them. */
#include "userspace/core/diff_round.h"

/* Gives what is due for one backend; *ret_settled: nothing is, and nothing is awaited. */
static int settle_backend(struct diff_round *round, uint32_t id, bool *ret_settled)
{
	struct applied *applied = round->applied;
	struct backend_record *record = &applied->backends[id];
	bool wanted = record->want_active || record->want_other;
	bool local = wanted ? record->want_local > 0 : record->backend.local;
	enum backend_state target = record->want_active ? BACKEND_ACTIVE
				    : wanted		? BACKEND_DRAINING
							: BACKEND_GONE;

	*ret_settled = false;
	switch (record->life) {
	case LIFE_FREE:
	case LIFE_RETIRED:
		*ret_settled = true;
		return 0;
	case LIFE_PLANNED:
		if (record->want_active)
			return diff_emit_backend(round, ADD_BACKENDS, STEP_BACKEND_SET, id, BACKEND_ACTIVE,
						 local);
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
		return diff_emit_backend(round, target == BACKEND_GONE ? RETIRE_BACKENDS : ADD_BACKENDS,
					 STEP_BACKEND_SET, id, target, local);
	if (target != BACKEND_GONE || !record->unused) {
		*ret_settled = true;
		return 0;
	}
	/* A table that names the id, or of which we do not know what it names, would lead to the id's next
	 * owner. */
	if (!record->reserved && !record->tables && !applied->n_unknown_tables)
		return diff_emit_backend(round, DELETE_BACKENDS, STEP_BACKEND_DELETE, id, BACKEND_GONE,
					 local);
	return 0;
}

int diff_settle_backends(struct diff_round *round)
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

void diff_forget_planned(struct applied *applied)
{
	size_t i;

	for (i = 0; i < applied->n_unsettled; i++) {
		uint32_t id = applied->unsettled[i];
		struct backend_record *record = &applied->backends[id];

		if (record->life == LIFE_PLANNED && !record->want_active && !record->want_other &&
		    !record->reserved && !record->tables)
			applied_forget_backend(applied, id);
	}
}

int diff_settle_tables(struct diff_round *round)
{
	struct applied *applied = round->applied;
	size_t i, kept = 0;
	int r = 0;

	for (i = 0; i < applied->n_orphans; i++) {
		struct table *table = applied->orphans[i];
		bool orphan = table->refs == table->leaving && !table->reserved;

		table->leaving = 0;
		if (orphan && r == 0)
			r = diff_emit_table_free(round, table);
		table->listed = orphan;
		if (orphan)
			applied->orphans[kept++] = table;
	}
	applied->n_orphans = kept;
	return r;
}
