/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers 0 .. limit-1 that are given and taken back; always the lowest free one, so that equal histories
 * give equal ids. */
#ifndef FAIRWAY_CORE_ID_POOL_H
#define FAIRWAY_CORE_ID_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct id_pool {
	uint64_t *taken; /* one bit each */
	uint32_t limit, n_taken;
	uint32_t first_word; /* no word before it has a free bit */
};

int id_pool_init(struct id_pool *, uint32_t limit); /* 0 or -ENOMEM */
void id_pool_done(struct id_pool *);
int id_pool_take(struct id_pool *, uint32_t *ret);    /* 0 or -ENOSPC */
int id_pool_take_this(struct id_pool *, uint32_t id); /* 0, -EEXIST (taken), -ENOSPC (not below the limit) */
void id_pool_give_back(struct id_pool *, uint32_t id);

#endif
