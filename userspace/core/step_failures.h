/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be executed because something that it builds on failed: a table that names a backend which is
 * not there, a frontend whose table was not written. Whoever executes steps notes each failure and asks
 * before each step; what is blocked counts as failed. `{ 0 }` is a valid empty one. */
#ifndef FAIRWAY_CORE_STEP_FAILURES_H
#define FAIRWAY_CORE_STEP_FAILURES_H

#include "userspace/core/diff.h"

struct failed_ids {
	uint32_t *items;
	size_t n, capacity;
	bool sorted;
};

struct step_failures {
	struct failed_ids backends, tables; /* tables by offset */
	bool everything; /* memory ran out for the notes: all that could build on a failed step is blocked */
};

void step_failures_done(struct step_failures *);
void step_failures_note(struct step_failures *, const struct step *);
bool step_failures_block(struct step_failures *, const struct step *);

#endif
