// SPDX-License-Identifier: Apache-2.0
/* Maglev tables: see maglev.h. What is hashed and with which seeds is a contract between nodes that may run
 * different versions: change nothing here without a new table format. */
#include "userspace/core/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/cleanup.h"

/* Any two different numbers would do; these spell "fairway" and its pieces in ASCII. */
#define SEED_OFFSET 0x6661697277617931ULL
#define SEED_SKIP   0x6661697277617932ULL
#define SEED_DIGEST 0x6661697277617933ULL

#define EMPTY	    UINT32_MAX

uint32_t maglev_size(size_t n_backends)
{
	if (!n_backends)
		return 0;
	if (n_backends <= 10)
		return MAGLEV_SMALL;
	return n_backends <= 160 ? MAGLEV_MEDIUM : MAGLEV_LARGE;
}

#define KEY_SIZE 20 /* family, address (16, an IPv4 one zero-padded), port in network order, protocol */

/* Out of line: with a constant length below 32 gcc 12 warns about a branch of xxhash that is never taken. */
static __attribute__((noinline)) uint64_t hash(const void *bytes, size_t length, uint64_t seed)
{
	return XXH64(bytes, length, seed);
}

static void backend_key(const struct backend *backend, enum l4_protocol protocol,
			uint8_t key[static KEY_SIZE])
{
	key[0] = backend->addr.family;
	memcpy(key + 1, backend->addr.bytes, 16);
	key[17] = (uint8_t)(backend->port >> 8);
	key[18] = (uint8_t)backend->port;
	key[19] = (uint8_t)protocol;
}

/* A backend's walk over all slots: size is prime and 0 < skip < size, so it visits each exactly once. */
struct walk {
	uint32_t position, skip;
	uint32_t credit, weight;
};

static struct walk *walks_new(const struct backends *backends, enum l4_protocol protocol, uint32_t size)
{
	struct walk *walks = calloc(backends->n, sizeof(*walks));
	uint8_t key[KEY_SIZE];
	size_t i;

	for (i = 0; walks && i < backends->n; i++) {
		backend_key(&backends->items[i], protocol, key);
		walks[i].position = (uint32_t)(hash(key, sizeof(key), SEED_OFFSET) % size);
		walks[i].skip = (uint32_t)(hash(key, sizeof(key), SEED_SKIP) % (size - 1)) + 1;
		walks[i].weight = backends->items[i].weight;
	}
	return walks;
}

static uint32_t largest_weight(const struct backends *backends)
{
	uint32_t largest = 0;
	size_t i;

	for (i = 0; i < backends->n; i++)
		if (backends->items[i].weight > largest)
			largest = backends->items[i].weight;
	return largest;
}

static void take_slot(struct walk *walk, uint32_t *table, uint32_t size, uint32_t index)
{
	while (table[walk->position] != EMPTY) {
		walk->position += walk->skip;
		if (walk->position >= size)
			walk->position -= size;
	}
	table[walk->position] = index;
}

int maglev_build(const struct backends *backends, enum l4_protocol protocol, uint32_t size, uint32_t *table)
{
	cleanup(freep) struct walk *walks = NULL;
	uint32_t largest = largest_weight(backends), filled = 0;
	size_t i;

	if (!largest || backends->n >= EMPTY ||
	    (size != MAGLEV_SMALL && size != MAGLEV_MEDIUM && size != MAGLEV_LARGE))
		return -EINVAL;
	walks = walks_new(backends, protocol, size);
	if (!walks)
		return -ENOMEM;
	memset(table, 0xff, size * sizeof(*table));
	/* The heaviest takes a slot each round, the others as often as their credit reaches the same sum: a
	 * turn of w slots at once would let a heavy one fill a small table before the light ones came. */
	while (filled < size) {
		for (i = 0; i < backends->n && filled < size; i++) {
			walks[i].credit += walks[i].weight;
			if (walks[i].credit < largest)
				continue;
			walks[i].credit -= largest;
			take_slot(&walks[i], table, size, (uint32_t)i);
			filled++;
		}
	}
	return 0;
}

uint64_t maglev_digest(const struct backends *backends, enum l4_protocol protocol, uint32_t size)
{
	uint64_t digest = SEED_DIGEST ^ size;
	uint8_t record[KEY_SIZE + 2];
	size_t i;

	for (i = 0; i < backends->n; i++) {
		backend_key(&backends->items[i], protocol, record);
		record[KEY_SIZE] = (uint8_t)(backends->items[i].weight >> 8);
		record[KEY_SIZE + 1] = (uint8_t)backends->items[i].weight;
		digest = hash(record, sizeof(record), digest);
	}
	return digest ? digest : 1;
}
