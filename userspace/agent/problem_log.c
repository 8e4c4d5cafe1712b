// SPDX-License-Identifier: Apache-2.0
/* Digests of problems, and one Service's among all: see problem_log.h. */
#include "userspace/agent/problem_log.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

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
	size_t low = 0, high = problems->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(problems->items[middle].object, object) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < problems->n && !strncmp(problems->items[low].object, object, length)
		       ? &problems->items[low]
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
