// SPDX-License-Identifier: Apache-2.0
/* Bookkeeping of what stands in the maps: see diff.h for the contract, applied.h for the inside. Nothing here
 * decides what should stand there. */
#include "userspace/core/applied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

/* --- life
 * ---------------------------------------------------------------------------------------------------------
 */

struct applied *applied_new(const struct diff_limits *limits)
{
	struct applied *applied = calloc(1, sizeof(*applied));

	if (!applied)
		return NULL;
	applied->limits = *limits;
	if (id_pool_init(&applied->backend_ids, limits->backends < WANT_ID ? limits->backends : WANT_ID) <
		    0 ||
	    id_pool_init(&applied->frontend_ids, limits->frontends) < 0 ||
	    table_space_init(&applied->space, limits->table_slots) < 0)
		goto fail;
	applied->tables = calloc(applied->space.n_units + 1, sizeof(struct table *));
	if (!applied->tables)
		goto fail;
	return applied;
fail:
	applied_free(applied);
	return NULL;
}

static void table_free(struct table *table)
{
	if (!table)
		return;
	free(table->ids);
	free(table);
}

static void service_free(struct applied_service *service)
{
	free(service->name);
	free(service->backends);
	free(service->frontends);
	free(service->unfit);
	free(service);
}

void applied_free(struct applied *applied)
{
	size_t i;

	if (!applied)
		return;
	for (i = 0; i < applied->n_frontend_records; i++) {
		free(applied->frontends[i].frontend.source_ranges);
		free(applied->frontends[i].next_ranges);
	}
	for (i = 0; applied->tables && i < applied->space.n_units; i++)
		table_free(applied->tables[i]);
	for (i = 0; i < applied->n_services; i++)
		service_free(applied->services[i]);
	id_pool_done(&applied->backend_ids);
	id_pool_done(&applied->frontend_ids);
	table_space_done(&applied->space);
	free(applied->backends);
	free(applied->frontends);
	free(applied->backend_index.slots);
	free(applied->frontend_index.slots);
	free(applied->tables);
	free(applied->services);
	free(applied->unsettled);
	free(applied->orphans);
	free(applied->backend_view);
	free(applied->frontend_view);
	free(applied);
}

/* --- records
 * -------------------------------------------------------------------------------------------------------- */

/* Records up to the id exist. */
int applied_backend_records_reach(struct applied *applied, uint32_t id)
{
	size_t n = applied->n_backend_records;
	int r;

	if (id < n)
		return 0;
	r = array_grow(&applied->backends, (size_t)id + 1, &applied->backends_capacity,
		       sizeof(*applied->backends));
	if (r < 0)
		return r;
	memset(applied->backends + n, 0, (id + 1 - n) * sizeof(*applied->backends));
	applied->n_backend_records = (size_t)id + 1;
	return 0;
}

int applied_frontend_records_reach(struct applied *applied, uint32_t id)
{
	size_t n = applied->n_frontend_records;
	int r;

	if (id < n)
		return 0;
	r = array_grow(&applied->frontends, (size_t)id + 1, &applied->frontends_capacity,
		       sizeof(*applied->frontends));
	if (r < 0)
		return r;
	memset(applied->frontends + n, 0, (id + 1 - n) * sizeof(*applied->frontends));
	applied->n_frontend_records = (size_t)id + 1;
	return 0;
}

int applied_plan_backend(struct applied *applied, const struct addr *addr, uint16_t port,
			 enum l4_protocol protocol, uint32_t *ret_id)
{
	struct backend_record *record;
	uint32_t id;
	int r;

	r = applied_index_reserve_backend(applied);
	if (r == 0)
		r = id_pool_take(&applied->backend_ids, &id);
	if (r < 0)
		return r;
	r = applied_backend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->backend_ids, id);
		return r;
	}
	record = &applied->backends[id];
	*record = (struct backend_record){
		.life = LIFE_PLANNED,
		.listed = record->listed,
		.backend = { .addr = *addr,
			     .port = port,
			     .protocol = protocol,
			     .id = id,
			     .generation = record->backend.generation + 1 },
	};
	applied_index_add_backend(applied, id);
	*ret_id = id;
	return 0;
}

int applied_plan_frontend(struct applied *applied, const struct addr *addr, uint16_t port,
			  enum l4_protocol protocol, uint32_t *ret_id)
{
	struct frontend_record *record;
	uint32_t id;
	int r;

	r = applied_index_reserve_frontend(applied);
	if (r == 0)
		r = id_pool_take(&applied->frontend_ids, &id);
	if (r < 0)
		return r;
	r = applied_frontend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->frontend_ids, id);
		return r;
	}
	record = &applied->frontends[id];
	*record = (struct frontend_record){
		.life = LIFE_PLANNED,
		.frontend = { .addr = *addr,
			      .port = port,
			      .protocol = protocol,
			      .id = id,
			      .generation = record->frontend.generation + 1 },
	};
	applied_index_add_frontend(applied, id);
	*ret_id = id;
	return 0;
}

void applied_forget_backend(struct applied *applied, uint32_t id)
{
	struct backend_record *record = &applied->backends[id];

	applied_index_remove_backend(applied, id);
	applied->backend_view_fresh &= record->life != LIFE_APPLIED;
	*record = (struct backend_record){
		.listed = record->listed,
		.backend = { .id = id, .generation = record->backend.generation },
	};
	id_pool_give_back(&applied->backend_ids, id);
}

static void disown(struct applied_service *service, uint32_t id)
{
	size_t i;

	for (i = 0; i < service->n_frontends; i++)
		if (service->frontends[i] == id) {
			service->frontends[i] = service->frontends[--service->n_frontends];
			return;
		}
}

void applied_forget_frontend(struct applied *applied, uint32_t id, bool retired)
{
	struct frontend_record *record = &applied->frontends[id];

	applied_index_remove_frontend(applied, id);
	applied->frontend_view_fresh &= record->life != LIFE_APPLIED;
	if (record->owner)
		disown(record->owner, id);
	free(record->frontend.source_ranges);
	free(record->next_ranges);
	*record = (struct frontend_record){
		.life = retired ? LIFE_RETIRED : LIFE_FREE,
		.frontend = { .id = id, .generation = record->frontend.generation },
	};
	if (!retired)
		id_pool_give_back(&applied->frontend_ids, id);
}

int applied_list_backend(struct applied *applied, uint32_t id)
{
	if (applied->backends[id].listed)
		return 0;
	if (array_reserve(applied->unsettled, applied->n_unsettled, applied->unsettled_capacity) < 0)
		return -ENOMEM;
	applied->unsettled[applied->n_unsettled++] = id;
	applied->backends[id].listed = true;
	return 0;
}

/* --- tables
 * ----------------------------------------------------------------------------------------------------------
 */

struct table *applied_table_at(const struct applied *applied, uint32_t offset, uint32_t size)
{
	struct table *table =
		offset / TABLE_UNIT < applied->space.n_units ? applied->tables[offset / TABLE_UNIT] : NULL;

	return table && table->offset == offset && table->size == size ? table : NULL;
}

int applied_know_table(struct applied *applied, struct table *table, const uint32_t *ids, size_t n_ids)
{
	size_t i;

	if (table->known)
		return 0;
	table->ids = malloc((n_ids ? n_ids : 1) * sizeof(*ids));
	if (!table->ids)
		return -ENOMEM;
	for (i = 0; i < n_ids; i++) {
		table->ids[i] = ids[i];
		applied->backends[ids[i]].tables++;
	}
	table->n_ids = n_ids;
	table->known = true;
	applied->n_unknown_tables--;
	return 0;
}

struct table *applied_add_table(struct applied *applied, uint32_t offset, uint32_t size, uint64_t digest)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->offset = offset;
	table->size = size;
	table->digest = digest;
	applied->tables[offset / TABLE_UNIT] = table;
	applied->n_unknown_tables++;
	return table;
}

static void table_forget(struct applied *applied, struct table *table)
{
	size_t i;

	applied->tables[table->offset / TABLE_UNIT] = NULL;
	applied->n_unknown_tables -= !table->known;
	for (i = 0; i < table->n_ids; i++)
		applied->backends[table->ids[i]].tables--;
	for (i = 0; table->listed && i < applied->n_orphans; i++)
		if (applied->orphans[i] == table) {
			applied->orphans[i] = applied->orphans[--applied->n_orphans];
			break;
		}
	table_free(table);
}

int applied_plan_table(struct applied *applied, uint32_t size, uint64_t digest, const uint32_t *ids,
		       size_t n_ids, struct table **ret)
{
	struct table *table;
	uint32_t offset;
	int r;

	r = table_space_take(&applied->space, size, applied->now_msec, &offset);
	if (r < 0)
		return r;
	table = applied_add_table(applied, offset, size, digest);
	if (!table || applied_know_table(applied, table, ids, n_ids) < 0) {
		if (table)
			table_forget(applied, table);
		table_space_give_back(&applied->space, offset, size);
		return -ENOMEM;
	}
	*ret = table;
	return 0;
}

void applied_drop_table(struct applied *applied, struct table *table)
{
	if (table->written)
		table_space_rest(&applied->space, table->offset, table->size,
				 applied->now_msec + DIFF_TABLE_QUARANTINE_MSEC);
	else
		table_space_give_back(&applied->space, table->offset, table->size);
	table_forget(applied, table);
}

int applied_list_orphan(struct applied *applied, struct table *table)
{
	if (table->listed)
		return 0;
	if (array_reserve(applied->orphans, applied->n_orphans, applied->orphans_capacity) < 0)
		return -ENOMEM;
	applied->orphans[applied->n_orphans++] = table;
	table->listed = true;
	return 0;
}

/* --- services
 * -------------------------------------------------------------------------------------------------------- */

static size_t service_position(const struct applied *applied, const char *name)
{
	return sorted_place(applied->n_services, i, strcmp(applied->services[i]->name, name) < 0);
}

struct applied_service *applied_find_service(const struct applied *applied, const char *name)
{
	size_t position = service_position(applied, name);

	if (position == applied->n_services || strcmp(applied->services[position]->name, name))
		return NULL;
	return applied->services[position];
}

int applied_make_service(struct applied *applied, const char *name, struct applied_service **ret)
{
	size_t position = service_position(applied, name);
	struct applied_service *service, **place;

	*ret = applied_find_service(applied, name);
	if (*ret)
		return 0;
	if (array_reserve(applied->services, applied->n_services, applied->services_capacity) < 0)
		return -ENOMEM;
	service = calloc(1, sizeof(*service));
	if (!service)
		return -ENOMEM;
	service->name = strdup(name);
	if (!service->name) {
		free(service);
		return -ENOMEM;
	}
	place = applied->services + position;
	memmove(place + 1, place, (applied->n_services - position) * sizeof(*place));
	applied->n_services++;
	*place = *ret = service;
	return 0;
}

bool applied_service_is_empty(const struct applied_service *service)
{
	return !service->n_frontends && !service->n_backends && !service->unfit;
}

void applied_remove_service(struct applied *applied, struct applied_service *service)
{
	size_t position = service_position(applied, service->name);
	struct applied_service **place = applied->services + position;

	memmove(place, place + 1, (--applied->n_services - position) * sizeof(*place));
	service_free(service);
}
