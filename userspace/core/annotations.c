// SPDX-License-Identifier: Apache-2.0
/* Annotations without effect: see annotations.h. */
#include "userspace/core/annotations.h"

#include <stdio.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define NAME_MAX_BYTES 63 /* of an annotation's name behind its prefix; Kubernetes takes no more */

struct known {
	const char *key;
	const char *only; /* NULL: its reader says what is wrong; else the one value that is built */
};

static const struct known known[] = {
	{ ANNOTATION_POOL, NULL },
	{ ANNOTATION_IPS, NULL },
	{ ANNOTATION_SHARED_IP, NULL },
	{ ANNOTATION_SHARED_IP_NAMESPACES, NULL },
	{ ANNOTATION_NODE_SELECTOR, NULL },
	{ ANNOTATION_SOURCE_RANGES_POLICY, NULL },
	{ ANNOTATION_FORWARDING_MODE, "snat" },
	{ ANNOTATION_LB_ALGORITHM, "maglev" },
};

static const char *name_of(const char *key)
{
	return key + strlen(ANNOTATION_PREFIX);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

/* How many letters have to be put in, taken out, changed or swapped with their neighbour to make `b` of `a`.
 * Both at most NAME_MAX_BYTES. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][NAME_MAX_BYTES + 1], *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t n = strlen(b), i, j;

	for (j = 0; j <= n; j++)
		above[j] = before[j] = (unsigned)j;
	for (i = 1; a[i - 1]; i++) {
		row[0] = (unsigned)i;
		for (j = 1; j <= n; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[n];
}

/* Is nearer than half of it anew; NULL: none is. */
static const char *find_nearest(const char *name)
{
	unsigned best = 0, found;
	const char *nearest = NULL;
	size_t i;

	if (strlen(name) > NAME_MAX_BYTES)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		found = distance(name, name_of(known[i].key));
		if (found * 2 > strlen(name_of(known[i].key)) || (nearest && found >= best))
			continue;
		nearest = known[i].key;
		best = found;
	}
	return nearest;
}

static int report_unknown(const struct service *service, const char *field, const char *key,
			  struct problems *problems)
{
	cleanup(strbuf_done) struct strbuf names = { 0 };
	const char *nearest = find_nearest(name_of(key));
	size_t i;

	if (nearest)
		return problems_add_object(problems, OBJECT_SERVICE, &service->meta, field,
					   "there is no such annotation: ignored; the nearest is %s",
					   nearest);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		strbuf_appendf(&names, "%s%s", i ? ", " : "", name_of(known[i].key));
	return problems_add_object(problems, OBJECT_SERVICE, &service->meta, field,
				   "there is no such annotation: ignored; " ANNOTATION_PREFIX " has %s",
				   strbuf_text(&names));
}

/* *ret_known: NULL: nobody reads it. */
static bool has_no_effect(const struct label *annotation, const struct known **ret_known)
{
	size_t i;

	*ret_known = NULL;
	if (strncmp(annotation->key, ANNOTATION_PREFIX, strlen(ANNOTATION_PREFIX)) != 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(known) && !*ret_known; i++)
		if (text_equal(known[i].key, annotation->key))
			*ret_known = &known[i];
	if (!*ret_known)
		return true;
	return (*ret_known)->only && *annotation->value && !text_equal(annotation->value, (*ret_known)->only);
}

static int report(const struct service *service, const struct label *annotation, const struct known *found,
		  struct problems *problems)
{
	char field[64 + NAME_MAX_BYTES];

	snprintf(field, sizeof(field), "metadata.annotations[%.*s]",
		 (int)(strlen(ANNOTATION_PREFIX) + NAME_MAX_BYTES), annotation->key);
	if (!found)
		return report_unknown(service, field, annotation->key, problems);
	return problems_add_object(problems, OBJECT_SERVICE, &service->meta, field,
				   "only %s is built, and stays in force: \"%.100s\": ignored", found->only,
				   annotation->value);
}

/* "a, b" or "*": the first piece that can be no namespace permits nobody, though its writer meant somebody. */
static int check_sharing_namespaces(const struct service *service, struct problems *problems)
{
	const char *list = labels_find(&service->meta.annotations, ANNOTATION_SHARED_IP_NAMESPACES);

	while (list && *list) {
		const char *start = list + strspn(list, " "), *comma = strchrnul(start, ','), *end = comma;
		char piece[NAME_MAX_BYTES + 1];
		int length;

		while (end > start && end[-1] == ' ')
			end--;
		length = (int)(end - start < NAME_MAX_BYTES ? end - start : NAME_MAX_BYTES);
		snprintf(piece, sizeof(piece), "%.*s", length, start);
		if (end - start > NAME_MAX_BYTES || (*piece && !text_equal(piece, "*") && !text_is_dns_label(piece)))
			return problems_add_object(problems, OBJECT_SERVICE, &service->meta,
						   "metadata.annotations[" ANNOTATION_SHARED_IP_NAMESPACES "]",
						   "not a namespace's name: \"%s\": it permits nobody; write a, b "
						   "or *",
						   piece);
		list = *comma ? comma + 1 : comma;
	}
	return 0;
}

int annotations_check(const struct service *service, struct problems *problems)
{
	const struct labels *all = &service->meta.annotations;
	const struct known *found;
	size_t i, n_told = 0;
	int r = check_sharing_namespaces(service, problems);

	for (i = 0; i < all->n && r == 0; i++) {
		if (!has_no_effect(&all->items[i], &found))
			continue;
		if (n_told++ == ANNOTATIONS_TOLD)
			return problems_add_object(problems, OBJECT_SERVICE, &service->meta,
						   "metadata.annotations",
						   "more of " ANNOTATION_PREFIX " have no effect");
		r = report(service, &all->items[i], found, problems);
	}
	return r;
}
