/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with what users wrote into their Services (PURE), for their condition Problem: an edit that
 * was refused when it was read, annotations without effect or that cannot be read, broken source ranges. Why
 * an address is not given stands in the condition Allocated instead, what nodes find in Programmed and
 * Announced.
 *
 * A Service is looked at when it changed, not in each round: a tenant may write thousands of broken ranges.
 */
#ifndef FAIRWAY_IPAM_PROBLEM_BOOK_H
#define FAIRWAY_IPAM_PROBLEM_BOOK_H

#include "userspace/core/cluster.h"

struct service_problem {
	char *service;	    /* "namespace/name" */
	const char *reason; /* static, CamelCase */
	char *message;	    /* "FIELD: WHAT; FIELD: WHAT …", printable and bounded */
	int64_t generation; /* of the Service that has it */
};

struct problem_book {		       /* { 0 } is an empty one */
	struct service_problem *items; /* sorted by service; most Services have none */
	size_t n, capacity;
};

void problem_book_done(struct problem_book *);

/* Looks at the Services of `changed` ("namespace/name") again; one that is gone, or not ours, has no problem.
 * 0, or -ENOMEM: some were looked at, call it again with the same ones. */
int problem_book_update(struct problem_book *, const struct cluster *, bool default_class,
			const struct strings *changed);
/* Borrowed until the next update; NULL: nothing is wrong. */
const struct service_problem *problem_book_find(const struct problem_book *, const struct meta *service);

#endif
