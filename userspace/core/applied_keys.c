// SPDX-License-Identifier: Apache-2.0
/* Address, port and protocol -> id: open addressing over the records of struct applied (see applied.h), which
 * hold the keys. Also the order of keys, for what is shown sorted. */
#include "userspace/core/applied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

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
static void index_remove(struct key_index *index, const struct applied *applied, key_of_fn *key_of,
			 uint32_t id)
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
	return index_find(&applied->backend_index, applied, key_of_backend,
			  &(struct key){ addr, port, protocol });
}

uint32_t applied_frontend_id(const struct applied *applied, const struct addr *addr, uint16_t port,
			     enum l4_protocol protocol)
{
	return index_find(&applied->frontend_index, applied, key_of_frontend,
			  &(struct key){ addr, port, protocol });
}

int applied_index_reserve_backend(struct applied *applied)
{
	return index_reserve(&applied->backend_index, applied, key_of_backend);
}

int applied_index_reserve_frontend(struct applied *applied)
{
	return index_reserve(&applied->frontend_index, applied, key_of_frontend);
}

void applied_index_add_backend(struct applied *applied, uint32_t id)
{
	index_add(&applied->backend_index, applied, key_of_backend, id);
}

void applied_index_add_frontend(struct applied *applied, uint32_t id)
{
	index_add(&applied->frontend_index, applied, key_of_frontend, id);
}

void applied_index_remove_backend(struct applied *applied, uint32_t id)
{
	index_remove(&applied->backend_index, applied, key_of_backend, id);
}

void applied_index_remove_frontend(struct applied *applied, uint32_t id)
{
	index_remove(&applied->frontend_index, applied, key_of_frontend, id);
}

int applied_backend_compare(const void *a, const void *b)
{
	struct key left = backend_key(a), right = backend_key(b);

	return key_compare(&left, &right);
}

int applied_frontend_compare(const void *a, const void *b)
{
	struct key left = frontend_key(a), right = frontend_key(b);

	return key_compare(&left, &right);
}
