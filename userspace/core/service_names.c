// SPDX-License-Identifier: Apache-2.0
/* Sets of service names: see service_names.h. */
#include "userspace/core/service_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

void service_names_done(struct service_names *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct service_names){ 0 };
}

char *service_full_name(const char *namespace, const char *name)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	strbuf_append(&text, namespace);
	strbuf_append(&text, "/");
	strbuf_append(&text, name);
	return strbuf_take(&text);
}

char *service_full_name_in(struct arena *arena, const char *namespace, const char *name)
{
	size_t before = strlen(namespace), after = strlen(name);
	char *text = arena_alloc(arena, before + after + 2); /* the last byte is zero */

	if (!text)
		return NULL;
	memcpy(text, namespace, before);
	text[before] = '/';
	memcpy(text + before + 1, name, after);
	return text;
}

int service_names_add(struct service_names *names, const char *namespace, const char *name)
{
	char *text;

	if (array_reserve(names->items, names->n, names->capacity) < 0)
		return -ENOMEM;
	text = service_full_name(namespace, name);
	if (!text)
		return -ENOMEM;
	names->items[names->n++] = text;
	return 0;
}

static int text_pointer_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void service_names_sort_unique(struct service_names *names)
{
	size_t i, kept = 0;

	if (!names->n)
		return;
	qsort(names->items, names->n, sizeof(*names->items), text_pointer_compare);
	for (i = 1; i < names->n; i++) {
		if (strcmp(names->items[kept], names->items[i]))
			names->items[++kept] = names->items[i];
		else
			free(names->items[i]);
	}
	names->n = kept + 1;
}
