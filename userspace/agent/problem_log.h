/* SPDX-License-Identifier: Apache-2.0 */
/* What appeared and what vanished between two lists of problems (PURE), so that each is logged once, when
 * it comes and when it goes. */
#ifndef FAIRWAY_AGENT_PROBLEM_LOG_H
#define FAIRWAY_AGENT_PROBLEM_LOG_H

#include "userspace/core/cluster.h"

typedef void problem_fn(void *userdata, const struct problem *);

/* Both lists as problems_sort_unique() leaves them. */
void problems_compare(const struct problems *before, const struct problems *now, problem_fn *appeared,
		      problem_fn *vanished, void *userdata);

/* A digest of the texts in their order, chained by `seed`: equal lists give equal digests. */
uint64_t problems_digest(uint64_t seed, const struct problems *);

/* Adds copies of all of `from`. 0 or -ENOMEM. */
int problems_add_all(struct problems *, const struct problems *from);

/* In a sorted list the first problem of "Service/NAMESPACE/NAME", of "KIND/NAME", and of any object of a
 * kind; or NULL. */
const struct problem *problems_find_service(const struct problems *, const char *namespace, const char *name);
const struct problem *problems_find(const struct problems *, const char *kind, const char *name);
const struct problem *problems_find_kind(const struct problems *, const char *kind);

#endif
