// SPDX-License-Identifier: Apache-2.0
/* Bookkeeping of what stands in the maps: see diff.h for the contract, applied.h for the inside. Nothing here decides
 * what should stand there. */
#include "userspace/core/applied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

/* --- keys --------------------------------------------------------------------------------------------------------- */

struct key {
	const struct addr *addr;
	uint16_t port;
	enum l4_protocol protocol;
};

static size_t key_hash(const struct key *key)
{
	uint8_t bytes[sizeof(*key->addr) + 3];

	memcpy(bytes, key->addr, sizeof(*key->addr));
	bytes[sizeof(*key->addr)] = (uint8_t)(key->port >> 8);
	bytes[sizeof(*key->addr) + 1] = (uint8_t)key->port;
	bytes[sizeof(*key->addr) + 2] = (uint8_t)key->protocol;
	return (size_t)XXH3_64bits(bytes, sizeof(bytes));
}

static int key_compare(const struct key *a, const struct key *b)
{
	int order = addr_compare(a->addr, b->addr);

	if (order)
		return order;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (a->protocol > b->protocol) - (a->protocol < b->protocol);
}

static struct key backend_key(const struct applied_backend *backend)
{
	return (struct key){ &backend->addr, backend->port, backend->protocol };
}

static struct key frontend_key(const struct applied_frontend *frontend)
{
	return (struct key){ &frontend->addr, frontend->port, frontend->protocol };
}

/* Keys are not in the index but in the records that it names. */
typedef struct key key_of_fn(const struct applied *, uint32_t id);

static struct key key_of_backend(const struct applied *applied, uint32_t id)
{
	return backend_key(&applied->backends[id].backend);
}

static struct key key_of_frontend(const struct applied *applied, uint32_t id)
{
	return frontend_key(&applied->frontends[id].frontend);
}

/* The key's slot, or the empty one where it would go. */
static size_t index_slot(const struct key_index *index, const struct applied *applied, key_of_fn *key_of,
			 const struct key *key)
{
	size_t slot = key_hash(key) & index->mask;

	for (; index->slots[slot]; slot = (slot + 1) & index->mask) {
		struct key other = key_of(applied, index->slots[slot] - 1);

		if (!key_compare(&other, key))
			break;
	}
	return slot;
}

static uint32_t index_find(const struct key_index *index, const struct applied *applied, key_of_fn *key_of,
			   const struct key *key)
{
	size_t slot;

	if (!index->slots)
		return UINT32_MAX;
	slot = index_slot(index, applied, key_of, key);
	return index->slots[slot] - 1; /* an empty one: UINT32_MAX */
}

static int index_reserve(struct key_index *index, const struct applied *applied, key_of_fn *key_of)
{
	struct key_index grown = { .mask = index->slots ? index->mask * 2 + 1 : 63, .n = index->n };
	size_t i;

	if (index->slots && (index->n + 1) * 2 <= index->mask + 1)
		return 0;
	grown.slots = calloc(grown.mask + 1, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (i = 0; index->slots && i <= index->mask; i++) {
		struct key key;

		if (!index->slots[i])
			continue;
		key = key_of(applied, index->slots[i] - 1);
		grown.slots[index_slot(&grown, applied, key_of, &key)] = index->slots[i];
	}
	free(index->slots);
	*index = grown;
	return 0;
}

/* Room was reserved, the record holds the key. */
static void index_add(struct key_index *index, const struct applied *applied, key_of_fn *key_of, uint32_t id)
{
	struct key key = key_of(applied, id);

	index->slots[index_slot(index, applied, key_of, &key)] = id + 1;
	index->n++;
}

/* Those behind it move up, so that no search ends too early. */
static void index_remove(struct key_index *index, const struct applied *applied, key_of_fn *key_of, uint32_t id)
{
	struct key key = key_of(applied, id), other;
	size_t hole = index_slot(index, applied, key_of, &key), slot, home;

	if (index->slots[hole] != id + 1)
		return;
	for (slot = (hole + 1) & index->mask; index->slots[slot]; slot = (slot + 1) & index->mask) {
		other = key_of(applied, index->slots[slot] - 1);
		home = key_hash(&other) & index->mask;
		if (((slot - home) & index->mask) < ((slot - hole) & index->mask))
			continue;
		index->slots[hole] = index->slots[slot];
		hole = slot;
	}
	index->slots[hole] = 0;
	index->n--;
}

uint32_t applied_backend_id(const struct applied *applied, const struct addr *addr, uint16_t port,
			    enum l4_protocol protocol)
{
	return index_find(&applied->backend_index, applied, key_of_backend, &(struct key){ addr, port, protocol });
}

uint32_t applied_frontend_id(const struct applied *applied, const struct addr *addr, uint16_t port,
			     enum l4_protocol protocol)
{
	return index_find(&applied->frontend_index, applied, key_of_frontend, &(struct key){ addr, port, protocol });
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct applied *applied_new(const struct diff_limits *limits)
{
	struct applied *applied = calloc(1, sizeof(*applied));

	if (!applied)
		return NULL;
	applied->limits = *limits;
	if (id_pool_init(&applied->backend_ids, limits->backends < WANT_ID ? limits->backends : WANT_ID) < 0 ||
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

/* --- records -------------------------------------------------------------------------------------------------------- */

/* Records up to the id exist. */
static int backend_records_reach(struct applied *applied, uint32_t id)
{
	size_t n = applied->n_backend_records;
	int r;

	if (id < n)
		return 0;
	r = array_grow(&applied->backends, (size_t)id + 1, &applied->backends_capacity, sizeof(*applied->backends));
	if (r < 0)
		return r;
	memset(applied->backends + n, 0, (id + 1 - n) * sizeof(*applied->backends));
	applied->n_backend_records = (size_t)id + 1;
	return 0;
}

static int frontend_records_reach(struct applied *applied, uint32_t id)
{
	size_t n = applied->n_frontend_records;
	int r;

	if (id < n)
		return 0;
	r = array_grow(&applied->frontends, (size_t)id + 1, &applied->frontends_capacity, sizeof(*applied->frontends));
	if (r < 0)
		return r;
	memset(applied->frontends + n, 0, (id + 1 - n) * sizeof(*applied->frontends));
	applied->n_frontend_records = (size_t)id + 1;
	return 0;
}

int applied_plan_backend(struct applied *applied, const struct addr *addr, uint16_t port, enum l4_protocol protocol,
			 uint32_t *ret_id)
{
	struct backend_record *record;
	uint32_t id;
	int r;

	r = index_reserve(&applied->backend_index, applied, key_of_backend);
	if (r == 0)
		r = id_pool_take(&applied->backend_ids, &id);
	if (r < 0)
		return r;
	r = backend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->backend_ids, id);
		return r;
	}
	record = &applied->backends[id];
	*record = (struct backend_record){
		.life = LIFE_PLANNED,
		.listed = record->listed,
		.backend = { .addr = *addr, .port = port, .protocol = protocol, .id = id,
			     .generation = record->backend.generation + 1 },
	};
	index_add(&applied->backend_index, applied, key_of_backend, id);
	*ret_id = id;
	return 0;
}

int applied_plan_frontend(struct applied *applied, const struct addr *addr, uint16_t port, enum l4_protocol protocol,
			  uint32_t *ret_id)
{
	struct frontend_record *record;
	uint32_t id;
	int r;

	r = index_reserve(&applied->frontend_index, applied, key_of_frontend);
	if (r == 0)
		r = id_pool_take(&applied->frontend_ids, &id);
	if (r < 0)
		return r;
	r = frontend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->frontend_ids, id);
		return r;
	}
	record = &applied->frontends[id];
	*record = (struct frontend_record){
		.life = LIFE_PLANNED,
		.frontend = { .addr = *addr, .port = port, .protocol = protocol, .id = id,
			      .generation = record->frontend.generation + 1 },
	};
	index_add(&applied->frontend_index, applied, key_of_frontend, id);
	*ret_id = id;
	return 0;
}

void applied_forget_backend(struct applied *applied, uint32_t id)
{
	struct backend_record *record = &applied->backends[id];

	index_remove(&applied->backend_index, applied, key_of_backend, id);
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

	index_remove(&applied->frontend_index, applied, key_of_frontend, id);
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

/* --- tables ---------------------------------------------------------------------------------------------------------- */

struct table *applied_table_at(const struct applied *applied, uint32_t offset, uint32_t size)
{
	struct table *table = offset / TABLE_UNIT < applied->space.n_units ? applied->tables[offset / TABLE_UNIT] : NULL;

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

static struct table *table_new(struct applied *applied, uint32_t offset, uint32_t size, uint64_t digest)
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

int applied_plan_table(struct applied *applied, uint32_t size, uint64_t digest, const uint32_t *ids, size_t n_ids,
		       struct table **ret)
{
	struct table *table;
	uint32_t offset;
	int r;

	r = table_space_take(&applied->space, size, applied->now_msec, &offset);
	if (r < 0)
		return r;
	table = table_new(applied, offset, size, digest);
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

/* --- services -------------------------------------------------------------------------------------------------------- */

static size_t service_position(const struct applied *applied, const char *name)
{
	size_t low = 0, high = applied->n_services, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(applied->services[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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

void applied_remove_service(struct applied *applied, struct applied_service *service)
{
	size_t position = service_position(applied, service->name);
	struct applied_service **place = applied->services + position;

	memmove(place, place + 1, (--applied->n_services - position) * sizeof(*place));
	service_free(service);
}

/* --- at start ---------------------------------------------------------------------------------------------------------- */

int applied_add_backend(struct applied *applied, const struct applied_backend *backend)
{
	struct backend_record *record;
	int r;

	if (applied_backend_id(applied, &backend->addr, backend->port, backend->protocol) != UINT32_MAX)
		return -EEXIST;
	r = index_reserve(&applied->backend_index, applied, key_of_backend);
	if (r == 0)
		r = id_pool_take_this(&applied->backend_ids, backend->id);
	if (r < 0)
		return r;
	r = backend_records_reach(applied, backend->id);
	if (r < 0) {
		id_pool_give_back(&applied->backend_ids, backend->id);
		return r;
	}
	record = &applied->backends[backend->id];
	*record = (struct backend_record){ .life = LIFE_APPLIED, .adopted = true, .backend = *backend };
	index_add(&applied->backend_index, applied, key_of_backend, backend->id);
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
	table = table_new(applied, frontend->table_offset, frontend->table_size, frontend->digest);
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

static int adopt_frontend(struct applied *applied, const struct applied_frontend *frontend, struct prefix *ranges)
{
	struct frontend_record *record;
	struct table *table = NULL;
	int r;

	r = frontend_records_reach(applied, frontend->id);
	if (r == 0)
		r = adopt_table(applied, frontend, &table);
	if (r < 0)
		return r;
	record = &applied->frontends[frontend->id];
	*record = (struct frontend_record){ .life = LIFE_APPLIED, .frontend = *frontend, .table = table };
	record->frontend.source_ranges = ranges;
	if (table)
		table->refs++;
	index_add(&applied->frontend_index, applied, key_of_frontend, frontend->id);
	applied->frontend_view_fresh = false;
	return 0;
}

int applied_add_frontend(struct applied *applied, const struct applied_frontend *frontend)
{
	struct prefix *ranges = NULL;
	int r;

	if (applied_frontend_id(applied, &frontend->addr, frontend->port, frontend->protocol) != UINT32_MAX)
		return -EEXIST;
	r = index_reserve(&applied->frontend_index, applied, key_of_frontend);
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
	r = frontend_records_reach(applied, id);
	if (r < 0) {
		id_pool_give_back(&applied->frontend_ids, id);
		return r;
	}
	applied->frontends[id] = (struct frontend_record){ .life = LIFE_RETIRED,
							   .frontend = { .id = id, .generation = generation } };
	return 0;
}

int applied_note_free_backend(struct applied *applied, uint32_t id, uint32_t generation)
{
	int r;

	if (id >= applied->backend_ids.limit)
		return 0;
	r = backend_records_reach(applied, id);
	if (r == 0 && applied->backends[id].life == LIFE_FREE)
		applied->backends[id].backend.generation = generation;
	return r;
}

int applied_note_free_frontend(struct applied *applied, uint32_t id, uint32_t generation)
{
	int r;

	if (id >= applied->frontend_ids.limit)
		return 0;
	r = frontend_records_reach(applied, id);
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

/* --- views -------------------------------------------------------------------------------------------------------------- */

const struct applied_frontend *applied_find_frontend(const struct applied *applied, const struct addr *addr,
						     uint16_t port, enum l4_protocol protocol)
{
	uint32_t id = applied_frontend_id(applied, addr, port, protocol);

	return id != UINT32_MAX && applied->frontends[id].life == LIFE_APPLIED ? &applied->frontends[id].frontend : NULL;
}

const struct applied_backend *applied_find_backend(const struct applied *applied, const struct addr *addr,
						   uint16_t port, enum l4_protocol protocol)
{
	uint32_t id = applied_backend_id(applied, addr, port, protocol);

	return id != UINT32_MAX && applied->backends[id].life == LIFE_APPLIED ? &applied->backends[id].backend : NULL;
}

static int backend_compare(const void *a, const void *b)
{
	struct key left = backend_key(a), right = backend_key(b);

	return key_compare(&left, &right);
}

static int frontend_compare(const void *a, const void *b)
{
	struct key left = frontend_key(a), right = frontend_key(b);

	return key_compare(&left, &right);
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
	qsort(applied->backend_view, n, sizeof(*applied->backend_view), backend_compare);
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
	qsort(applied->frontend_view, n, sizeof(*applied->frontend_view), frontend_compare);
	applied->n_frontend_view = n;
	applied->frontend_view_fresh = true;
	return 0;
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
