// SPDX-License-Identifier: Apache-2.0
/* What is told to struct applied from outside of a diff (the maps at start, the collector's findings) and
 * what is shown of it: see diff.h. */
#include "userspace/core/applied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- at start
 * ----------------------------------------------------------------------------------------------------------
 */

int applied_add_backend(struct applied *applied, const struct applied_backend *backend)
{
	struct backend_record *record;
	int r;

	if (applied_backend_id(applied, &backend->addr, backend->port, backend->protocol) != UINT32_MAX)
		return -EEXIST;
	r = applied_index_reserve_backend(applied);
	if (r == 0)
		r = id_pool_take_this(&applied->backend_ids, backend->id);
	if (r < 0)
		return r;
	r = applied_backend_records_reach(applied, backend->id);
	if (r < 0) {
		id_pool_give_back(&applied->backend_ids, backend->id);
		return r;
	}
	record = &applied->backends[backend->id];
	*record = (struct backend_record){ .life = LIFE_APPLIED, .adopted = true, .backend = *backend };
	applied_index_add_backend(applied, backend->id);
	applied->backend_view_fresh = false;
	return 0;
}

/* The table that an adopted frontend names; *ret NULL for none. */
static int adopt_table(struct applied *applied, const struct applied_frontend *frontend, struct table **ret)
{
	struct table *table;
	int r;

	*ret = NULL;
	if (!frontend->table_size)
		return 0;
	table = applied_table_at(applied, frontend->table_offset, frontend->table_size);
	if (table && table->digest == frontend->digest) {
		*ret = table;
		return 0;
	}
	r = table_space_take_this(&applied->space, frontend->table_offset, frontend->table_size);
	if (r < 0)
		return r;
	table = applied_add_table(applied, frontend->table_offset, frontend->table_size, frontend->digest);
	if (!table) {
		table_space_give_back(&applied->space, frontend->table_offset, frontend->table_size);
		return -ENOMEM;
	}
	table->written = true;
	*ret = table;
	return 0;
}

static int copy_ranges(const struct applied_frontend *from, struct prefix **ret)
{
	*ret = NULL;
	if (!from->n_source_ranges)
		return 0;
	*ret = malloc(from->n_source_ranges * sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, from->source_ranges, from->n_source_ranges * sizeof(**ret));
	return 0;
}

static int adopt_frontend(struct applied *applied, const struct applied_frontend *frontend,
			  struct prefix *ranges)
{
	struct frontend_record *record;
	struct table *table = NULL;
	int r;

	r = applied_frontend_records_reach(applied, frontend->id);
	if (r == 0)
		r = adopt_table(applied, frontend, &table);
	if (r < 0)
		return r;
	record = &applied->frontends[frontend->id];
	*record = (struct frontend_record){ .life = LIFE_APPLIED, .frontend = *frontend, .table = table };
	record->frontend.source_ranges = ranges;
	if (table)
		table->refs++;
	applied_index_add_frontend(applied, frontend->id);
	applied->frontend_view_fresh = false;
	return 0;
}

int applied_add_frontend(struct applied *applied, const struct applied_frontend *frontend)
{
	struct prefix *ranges = NULL;
	int r;

	if (applied_frontend_id(applied, &frontend->addr, frontend->port, frontend->protocol) != UINT32_MAX)
		return -EEXIST;
	r = applied_index_reserve_frontend(applied);
	if (r == 0)
		r = copy_ranges(frontend, &ranges);
	if (r < 0)
		return r;
	r = id_pool_take_this(&applied->frontend_ids, frontend->id);
	if (r == 0) {
		r = adopt_frontend(applied, frontend, ranges);
		if (r < 0)
			id_pool_give_back(&applied->frontend_ids, frontend->id);
	}
	if (r < 0)
		free(ranges);
	return r;
}

int applied_add_retired_frontend(struct applied *applied, uint32_t id, uint32_t generation)
{
	int r = id_pool_take_this(&applied->frontend_ids, id);

	if (r < 0)
		return r;
	r = applied_frontend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->frontend_ids, id);
		return r;
	}
	applied->frontends[id] =
		(struct frontend_record){ .life = LIFE_RETIRED,
					  .frontend = { .id = id, .generation = generation } };
	return 0;
}

int applied_note_free_backend(struct applied *applied, uint32_t id, uint32_t generation)
{
	int r;

	if (id >= applied->backend_ids.limit)
		return 0;
	r = applied_backend_records_reach(applied, id);
	if (r == 0 && applied->backends[id].life == LIFE_FREE)
		applied->backends[id].backend.generation = generation;
	return r;
}

int applied_note_free_frontend(struct applied *applied, uint32_t id, uint32_t generation)
{
	int r;

	if (id >= applied->frontend_ids.limit)
		return 0;
	r = applied_frontend_records_reach(applied, id);
	if (r == 0 && applied->frontends[id].life == LIFE_FREE)
		applied->frontends[id].frontend.generation = generation;
	return r;
}

void applied_backend_unused(struct applied *applied, uint32_t id)
{
	struct backend_record *record = id < applied->n_backend_records ? &applied->backends[id] : NULL;

	if (!record || record->life != LIFE_APPLIED || record->backend.state != BACKEND_GONE)
		return;
	/* Out of memory: the collector's next round says it again. */
	record->unused = applied_list_backend(applied, id) == 0;
}

void applied_frontend_unused(struct applied *applied, uint32_t id)
{
	struct frontend_record *record = id < applied->n_frontend_records ? &applied->frontends[id] : NULL;

	if (!record || record->life != LIFE_RETIRED)
		return;
	record->life = LIFE_FREE;
	id_pool_give_back(&applied->frontend_ids, id);
}

/* --- views
 * --------------------------------------------------------------------------------------------------------------
 */

const struct applied_frontend *applied_find_frontend(const struct applied *applied, const struct addr *addr,
						     uint16_t port, enum l4_protocol protocol)
{
	uint32_t id = applied_frontend_id(applied, addr, port, protocol);

	return id != UINT32_MAX && applied->frontends[id].life == LIFE_APPLIED
		       ? &applied->frontends[id].frontend
		       : NULL;
}

const struct applied_backend *applied_find_backend(const struct applied *applied, const struct addr *addr,
						   uint16_t port, enum l4_protocol protocol)
{
	uint32_t id = applied_backend_id(applied, addr, port, protocol);

	return id != UINT32_MAX && applied->backends[id].life == LIFE_APPLIED ? &applied->backends[id].backend
									      : NULL;
}

static int backend_view_make(struct applied *applied)
{
	size_t i, n = 0;

	free(applied->backend_view);
	applied->backend_view = malloc((applied->backend_index.n + 1) * sizeof(*applied->backend_view));
	if (!applied->backend_view)
		return -ENOMEM;
	for (i = 0; i < applied->n_backend_records; i++)
		if (applied->backends[i].life == LIFE_APPLIED)
			applied->backend_view[n++] = applied->backends[i].backend;
	qsort(applied->backend_view, n, sizeof(*applied->backend_view), applied_backend_compare);
	applied->n_backend_view = n;
	applied->backend_view_fresh = true;
	return 0;
}

static int frontend_view_make(struct applied *applied)
{
	size_t i, n = 0;

	free(applied->frontend_view);
	applied->frontend_view = malloc((applied->frontend_index.n + 1) * sizeof(*applied->frontend_view));
	if (!applied->frontend_view)
		return -ENOMEM;
	for (i = 0; i < applied->n_frontend_records; i++)
		if (applied->frontends[i].life == LIFE_APPLIED)
			applied->frontend_view[n++] = applied->frontends[i].frontend;
	qsort(applied->frontend_view, n, sizeof(*applied->frontend_view), applied_frontend_compare);
	applied->n_frontend_view = n;
	applied->frontend_view_fresh = true;
	return 0;
}

const struct applied_frontend *applied_next_frontend(const struct applied *applied, size_t *cursor,
						     const char **ret_service)
{
	while (*cursor < applied->n_frontend_records) {
		const struct frontend_record *record = &applied->frontends[(*cursor)++];

		if (record->life != LIFE_APPLIED)
			continue;
		*ret_service = record->owner ? record->owner->name : "";
		return &record->frontend;
	}
	return NULL;
}

/* The views are a cache: making one changes nothing that a caller can tell, hence the const. */
const struct applied_frontend *applied_frontends(const struct applied *applied, size_t *ret_n)
{
	struct applied *cache = (struct applied *)applied;

	*ret_n = 0;
	if (!applied->frontend_view_fresh && frontend_view_make(cache) < 0)
		return NULL;
	*ret_n = applied->n_frontend_view;
	return applied->frontend_view;
}

const struct applied_backend *applied_backends(const struct applied *applied, size_t *ret_n)
{
	struct applied *cache = (struct applied *)applied;

	*ret_n = 0;
	if (!applied->backend_view_fresh && backend_view_make(cache) < 0)
		return NULL;
	*ret_n = applied->n_backend_view;
	return applied->backend_view;
}
