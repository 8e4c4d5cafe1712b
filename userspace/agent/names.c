// SPDX-License-Identifier: Apache-2.0
/* Sorted sets of names: see names.h. */
#include "userspace/agent/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

void names_done(struct names *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){ 0 };
}

struct strings names_view(const struct names *names)
{
	return (struct strings){ .items = (const char **)names->items, .n = names->n };
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool contains(const struct names *names, size_t n, const char *name)
{
	return n && bsearch(&name, names->items, n, sizeof(*names->items), compare);
}

int names_unite(struct names *names, const struct strings *more)
{
	size_t before = names->n, i;
	char *copy;

	if (array_grow(&names->items, before + more->n, &names->capacity, sizeof(*names->items)) < 0)
		return -ENOMEM;
	for (i = 0; i < more->n; i++) {
		if (contains(names, before, more->items[i]))
			continue;
		copy = strdup(more->items[i]);
		if (!copy)
			break;
		names->items[names->n++] = copy;
	}
	if (i < more->n) {
		while (names->n > before)
			free(names->items[--names->n]);
		return -ENOMEM;
	}
	if (names->n > before)
		qsort(names->items, names->n, sizeof(*names->items), compare);
	return 0;
}
