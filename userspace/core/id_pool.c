// SPDX-License-Identifier: Apache-2.0
/* Ids: see id_pool.h. */
#include "userspace/core/id_pool.h"

#include <errno.h>
#include <stdlib.h>

int id_pool_init(struct id_pool *pool, uint32_t limit)
{
	*pool = (struct id_pool){ .taken = calloc(limit / 64 + 1, sizeof(uint64_t)), .limit = limit };
	return pool->taken ? 0 : -ENOMEM;
}

void id_pool_done(struct id_pool *pool)
{
	free(pool->taken);
	*pool = (struct id_pool){ 0 };
}

int id_pool_take(struct id_pool *pool, uint32_t *ret)
{
	uint32_t word, id;

	for (word = pool->first_word; word <= pool->limit / 64; word++) {
		pool->first_word = word;
		if (pool->taken[word] == UINT64_MAX)
			continue;
		id = word * 64 + (uint32_t)__builtin_ctzll(~pool->taken[word]);
		if (id >= pool->limit)
			return -ENOSPC;
		pool->taken[word] |= 1ull << id % 64;
		pool->n_taken++;
		*ret = id;
		return 0;
	}
	return -ENOSPC;
}

int id_pool_take_this(struct id_pool *pool, uint32_t id)
{
	if (id >= pool->limit)
		return -ENOSPC;
	if (pool->taken[id / 64] & 1ull << id % 64)
		return -EEXIST;
	pool->taken[id / 64] |= 1ull << id % 64;
	pool->n_taken++;
	return 0;
}

void id_pool_give_back(struct id_pool *pool, uint32_t id)
{
	pool->taken[id / 64] &= ~(1ull << id % 64);
	pool->n_taken--;
	if (id / 64 < pool->first_word)
		pool->first_word = id / 64;
}
