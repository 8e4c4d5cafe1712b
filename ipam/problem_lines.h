/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of objects in the log (EDGE): each is said once, when it comes up; of very many at once the first.
 */
#ifndef FAIRWAY_IPAM_PROBLEM_LINES_H
#define FAIRWAY_IPAM_PROBLEM_LINES_H

#include "userspace/core/cluster.h"

struct problem_lines {
	struct problems said; /* what was wrong when it was last asked */
};

/* Sorted, as a source has them. Cheap if nothing changed, whatever tenants have made. */
void problem_lines_say(struct problem_lines *, const struct problems *);
void problem_lines_done(struct problem_lines *);

#endif
