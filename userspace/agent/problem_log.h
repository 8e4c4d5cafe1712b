/* SPDX-License-Identifier: Apache-2.0 */
/* Has anything changed among thousands of problems, and which is a Service's (PURE). */
#ifndef FAIRWAY_AGENT_PROBLEM_LOG_H
#define FAIRWAY_AGENT_PROBLEM_LOG_H

#include "userspace/core/cluster.h"

/* A digest of the texts in their order, chained by `seed`: equal lists give equal digests. */
uint64_t problems_digest(uint64_t seed, const struct problems *);

/* In a sorted list the first problem of "Service/NAMESPACE/NAME", of "KIND/NAME", and of any object of a
 * kind; or NULL. */
const struct problem *problems_find_service(const struct problems *, const char *namespace, const char *name);
const struct problem *problems_find(const struct problems *, const char *kind, const char *name);
const struct problem *problems_find_kind(const struct problems *, const char *kind);
/* Why a Service is not served at all: the first that is not of its annotations, which keep none from that; if
 * there is no such, the first. */
const struct problem *problems_find_unserved(const struct problems *, const char *namespace,
					     const char *name);

#endif
