// SPDX-License-Identifier: Apache-2.0
/* Table ranges: see table_space.h. Neighbouring free ranges need no merging: freedom is a property of units.
 */
#include "userspace/core/table_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/core/maglev.h"

_Static_assert(MAGLEV_SMALL <= TABLE_UNIT && MAGLEV_MEDIUM <= 16 * TABLE_UNIT &&
		       MAGLEV_LARGE <= 128 * TABLE_UNIT,
	       "units of a table: 1, 16, 128");

static uint32_t units_of(uint32_t size)
{
	return size / TABLE_UNIT + (size % TABLE_UNIT != 0);
}

int table_space_init(struct table_space *space, uint32_t slots)
{
	*space = (struct table_space){ .taken = calloc(slots / TABLE_UNIT + 1, 1),
				       .n_units = slots / TABLE_UNIT };
	return space->taken ? 0 : -ENOMEM;
}

void table_space_done(struct table_space *space)
{
	free(space->taken);
	free(space->resting);
	*space = (struct table_space){ 0 };
}

static void release(struct table_space *space, uint32_t unit, uint32_t n)
{
	memset(space->taken + unit, 0, n);
	space->n_taken -= n;
	if (unit < space->first_free)
		space->first_free = unit;
}

static void wake(struct table_space *space, uint64_t now_msec)
{
	size_t n = 0;

	while (n < space->n_resting && space->resting[n].until_msec <= now_msec) {
		release(space, space->resting[n].unit, space->resting[n].n);
		n++;
	}
	if (!n)
		return;
	space->n_resting -= n;
	memmove(space->resting, space->resting + n, space->n_resting * sizeof(*space->resting));
}

/* The first run of `n` free units; n_units if there is none. */
static uint32_t find_run(struct table_space *space, uint32_t n)
{
	uint32_t unit, run = 0;

	while (space->first_free < space->n_units && space->taken[space->first_free])
		space->first_free++;
	for (unit = space->first_free; unit < space->n_units; unit++) {
		run = space->taken[unit] ? 0 : run + 1;
		if (run == n)
			return unit + 1 - n;
	}
	return space->n_units;
}

int table_space_take(struct table_space *space, uint32_t size, uint64_t now_msec, uint32_t *ret_offset)
{
	uint32_t n = units_of(size), unit;

	wake(space, now_msec);
	unit = find_run(space, n);
	if (unit == space->n_units)
		return -ENOSPC;
	memset(space->taken + unit, 1, n);
	space->n_taken += n;
	*ret_offset = unit * TABLE_UNIT;
	return 0;
}

int table_space_take_this(struct table_space *space, uint32_t offset, uint32_t size)
{
	uint32_t unit = offset / TABLE_UNIT, n = units_of(offset % TABLE_UNIT + size), i;

	if (!size || unit >= space->n_units || n > space->n_units - unit)
		return -ENOSPC;
	for (i = 0; i < n; i++)
		if (space->taken[unit + i])
			return -EEXIST;
	memset(space->taken + unit, 1, n);
	space->n_taken += n;
	return 0;
}

void table_space_give_back(struct table_space *space, uint32_t offset, uint32_t size)
{
	release(space, offset / TABLE_UNIT, units_of(offset % TABLE_UNIT + size));
}

void table_space_rest(struct table_space *space, uint32_t offset, uint32_t size, uint64_t until_msec)
{
	/* Without memory for the note the range stays taken for ever: less space, never a wrong table. */
	if (array_reserve(space->resting, space->n_resting, space->resting_capacity) < 0)
		return;
	space->resting[space->n_resting++] =
		(struct resting_range){ offset / TABLE_UNIT, units_of(offset % TABLE_UNIT + size),
					until_msec };
}
