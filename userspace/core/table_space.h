/* SPDX-License-Identifier: Apache-2.0 */
/* Where Maglev tables lie in the slots of the data path: first fit over units of TABLE_UNIT slots, of which
 * the three table sizes take 1, 16 and 128 and so leave no gap that a small table could not fill. A range
 * that was freed rests in quarantine before it is given anew: a packet in flight may still read it. */
#ifndef FAIRWAY_CORE_TABLE_SPACE_H
#define FAIRWAY_CORE_TABLE_SPACE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_UNIT 1024

struct resting_range {
	uint32_t unit, n;
	uint64_t until_msec;
};

struct table_space {
	uint8_t *taken; /* by unit; resting ones are taken */
	uint32_t n_units, n_taken;
	uint32_t first_free;	       /* no unit before it is free */
	struct resting_range *resting; /* in the order of until_msec, as the clock is monotonic */
	size_t n_resting, resting_capacity;
};

int table_space_init(struct table_space *, uint32_t slots); /* 0 or -ENOMEM */
void table_space_done(struct table_space *);
int table_space_take(struct table_space *, uint32_t size, uint64_t now_msec,
		     uint32_t *ret_offset); /* 0 or -ENOSPC */
int table_space_take_this(struct table_space *, uint32_t offset,
			  uint32_t size); /* 0, -EEXIST, -ENOSPC (beyond the end) */
void table_space_give_back(struct table_space *, uint32_t offset,
			   uint32_t size); /* never written: free at once */
void table_space_rest(struct table_space *, uint32_t offset, uint32_t size, uint64_t until_msec);

#endif
