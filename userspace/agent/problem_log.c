// SPDX-License-Identifier: Apache-2.0
/* Digests of problems, and one Service's among all: see problem_log.h. */
#include "userspace/agent/problem_log.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

uint64_t problems_digest(uint64_t seed, const struct problems *problems)
{
	const struct problem *problem;
	size_t i;

	for (i = 0; i < problems->n; i++) { /* the NULs keep the texts apart */
		problem = &problems->items[i];
		seed = XXH64(problem->object, strlen(problem->object) + 1, seed);
		seed = XXH64(problem->field, strlen(problem->field) + 1, seed);
		seed = XXH64(problem->message, strlen(problem->message) + 1, seed);
	}
	return seed;
}

/* The first problem whose object does not sort before `object`, if its first `length` bytes are those of
 * `object`. */
static const struct problem *find_object(const struct problems *problems, const char *object, size_t length)
{
	size_t at = sorted_place(problems->n, i, strcmp(problems->items[i].object, object) < 0);

	return at < problems->n && !strncmp(problems->items[at].object, object, length) ? &problems->items[at]
											: NULL;
}

const struct problem *problems_find(const struct problems *problems, const char *kind, const char *name)
{
	char object[600];
	int length = snprintf(object, sizeof(object), "%s/%s", kind, name);

	return length < (int)sizeof(object) ? find_object(problems, object, (size_t)length + 1) : NULL;
}

const struct problem *problems_find_kind(const struct problems *problems, const char *kind)
{
	char object[64];
	int length = snprintf(object, sizeof(object), "%s/", kind);

	return length < (int)sizeof(object) ? find_object(problems, object, (size_t)length) : NULL;
}

const struct problem *problems_find_service(const struct problems *problems, const char *namespace,
					    const char *name)
{
	char full[600];

	if (snprintf(full, sizeof(full), "%s/%s", namespace, name) >= (int)sizeof(full))
		return NULL;
	return problems_find(problems, "Service", full);
}

const struct problem *problems_find_unserved(const struct problems *problems, const char *namespace,
					     const char *name)
{
	static const char annotations[] = "metadata.annotations";
	const struct problem *first = problems_find_service(problems, namespace, name), *problem;

	for (problem = first;
	     first && problem < problems->items + problems->n && text_equal(problem->object, first->object);
	     problem++)
		if (strncmp(problem->field, annotations, strlen(annotations)) != 0)
			return problem;
	return first;
}
