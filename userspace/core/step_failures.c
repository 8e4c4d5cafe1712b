// SPDX-License-Identifier: Apache-2.0
/* Steps that build on failed ones: see step_failures.h. */
#include "userspace/core/step_failures.h"

#include <stdlib.h>

#include "userspace/base/array.h"

void step_failures_done(struct step_failures *failures)
{
	free(failures->backends.items);
	free(failures->tables.items);
	*failures = (struct step_failures){ 0 };
}

static bool note(struct failed_ids *ids, uint32_t id)
{
	if (array_reserve(ids->items, ids->n, ids->capacity) < 0)
		return false;
	ids->items[ids->n++] = id;
	ids->sorted = false;
	return true;
}

void step_failures_note(struct step_failures *failures, const struct step *step)
{
	bool noted = true;

	switch (step->kind) {
	case STEP_BACKEND_SET:
		noted = note(&failures->backends, step->backend.id);
		break;
	case STEP_TABLE_WRITE:
		noted = note(&failures->tables, step->table_offset);
		break;
	case STEP_FRONTEND_SET:
	case STEP_FRONTEND_DELETE:
	case STEP_TABLE_FREE:
	case STEP_BACKEND_DELETE:
		break; /* nothing builds on these */
	}
	failures->everything |= !noted;
}

static int id_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static bool holds(struct failed_ids *ids, uint32_t id)
{
	if (!ids->n)
		return false;
	if (!ids->sorted)
		qsort(ids->items, ids->n, sizeof(*ids->items), id_compare);
	ids->sorted = true;
	return bsearch(&id, ids->items, ids->n, sizeof(*ids->items), id_compare);
}

static bool names_failed_backend(struct step_failures *failures, const struct step *step)
{
	uint32_t i;

	for (i = 0; failures->backends.n && i < step->table_size; i++)
		if (holds(&failures->backends, step->table_ids[i]))
			return true;
	return false;
}

bool step_failures_block(struct step_failures *failures, const struct step *step)
{
	switch (step->kind) {
	case STEP_TABLE_WRITE:
		return failures->everything || names_failed_backend(failures, step);
	case STEP_FRONTEND_SET:
		return step->frontend.table_size &&
		       (failures->everything || holds(&failures->tables, step->frontend.table_offset));
	case STEP_BACKEND_SET:
	case STEP_FRONTEND_DELETE:
	case STEP_TABLE_FREE:
	case STEP_BACKEND_DELETE:
		break;
	}
	return false;
}
