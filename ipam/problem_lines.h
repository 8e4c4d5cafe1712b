/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of objects in the log (EDGE): each is said once, when it comes up. */
#ifndef FAIRWAY_IPAM_PROBLEM_LINES_H
#define FAIRWAY_IPAM_PROBLEM_LINES_H

#include "userspace/core/cluster.h"

struct problem_lines {
	char *said; /* what is wrong since it was last asked, one a line */
};

void problem_lines_say(struct problem_lines *, const struct problems *);
void problem_lines_done(struct problem_lines *);

#endif
