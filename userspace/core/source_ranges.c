// SPDX-License-Identifier: Apache-2.0
/* Source ranges: see source_ranges.h. */
#include "userspace/core/source_ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/annotations.h"

#define ANNOTATION_RANGES "service.beta.kubernetes.io/load-balancer-source-ranges"
#define BLANKS		  " \t\r\n"
#define PROBLEMS_TOLD	  20 /* of one Service: a tenant's list of nonsense must not drown the others' */

struct reader {
	const struct service *service;
	enum addr_family family;
	struct problems *problems; /* NULL: nobody listens */
	struct prefix *items;
	size_t n, capacity;
	bool everybody; /* a /0 of the family */
	bool broken;	/* an entry that is, or could have been meant for, the family */
	size_t n_told;
};

/* The family that broken text was meant for; ADDR_NONE: cannot be told. */
static enum addr_family meant_family(const char *text, size_t length)
{
	if (memchr(text, ':', length))
		return ADDR_IPV6;
	return memchr(text, '.', length) ? ADDR_IPV4 : ADDR_NONE;
}

static int refuse(struct reader *reader, const char *field, const char *text, size_t length)
{
	enum addr_family meant = meant_family(text, length);

	reader->broken |= meant == ADDR_NONE || meant == reader->family;
	if (!reader->problems || reader->n_told > PROBLEMS_TOLD)
		return 0;
	if (reader->n_told++ == PROBLEMS_TOLD)
		return problems_add_object(reader->problems, OBJECT_SERVICE, &reader->service->meta, field,
					   "more entries are no prefixes than are listed here: left out");
	return problems_add_object(reader->problems, OBJECT_SERVICE, &reader->service->meta, field,
				   "not a prefix: \"%.*s\": left out", length > 100 ? 100 : (int)length,
				   text);
}

static int read_range(struct reader *reader, const char *field, const char *text, size_t length)
{
	char copy[PREFIX_TEXT_MAX];
	struct prefix prefix;
	int r;

	while (length && strchr(BLANKS, *text))
		text++, length--;
	while (length && strchr(BLANKS, text[length - 1]))
		length--;
	if (length >= sizeof(copy))
		return refuse(reader, field, text, length);
	memcpy(copy, text, length);
	copy[length] = 0;
	if (prefix_parse(copy, &prefix) < 0)
		return refuse(reader, field, text, length);
	if (prefix.addr.family != reader->family)
		return 0;
	reader->everybody |= prefix.length == 0;
	r = array_reserve(reader->items, reader->n, reader->capacity);
	if (r == 0)
		reader->items[reader->n++] = prefix_mask(&prefix);
	return r;
}

static int read_all(struct reader *reader)
{
	const struct strings *texts = &reader->service->source_ranges;
	const char *list, *end;
	char field[64];
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < texts->n; i++) {
		snprintf(field, sizeof(field), "spec.loadBalancerSourceRanges[%zu]", i);
		r = read_range(reader, field, texts->items[i], strlen(texts->items[i]));
	}
	/* R5: the annotation counts when the field is empty, as for the cloud controllers whose place Fairway
	 * takes. */
	list = texts->n ? NULL : labels_find(&reader->service->meta.annotations, ANNOTATION_RANGES);
	if (!list || !list[strspn(list, BLANKS)])
		return r;
	for (; r == 0; list = end + 1) {
		end = strchrnul(list, ',');
		r = read_range(reader, "metadata.annotations[" ANNOTATION_RANGES "]", list,
			       (size_t)(end - list));
		if (!*end)
			break;
	}
	return r;
}

static int policy_of(const struct service *service, bool *ret_deny, struct problems *problems)
{
	const char *text = labels_find(&service->meta.annotations, ANNOTATION_SOURCE_RANGES_POLICY);

	*ret_deny = text && !strcmp(text, "deny");
	if (!text || *ret_deny || !*text || !strcmp(text, "allow") || !problems)
		return 0;
	return problems_add_object(problems, OBJECT_SERVICE, &service->meta,
				   "metadata.annotations[" ANNOTATION_SOURCE_RANGES_POLICY "]",
				   "neither allow nor deny: \"%.100s\": allow is in force", text);
}

static int store(struct arena *arena, struct reader *reader, struct source_ranges *ranges)
{
	size_t i;

	ranges->items = arena_array(arena, reader->n, sizeof(*ranges->items));
	if (!ranges->items)
		return -ENOMEM;
	prefixes_sort(reader->items, reader->n);
	for (i = 0; i < reader->n; i++)
		if (!i || prefix_compare(&reader->items[i - 1], &reader->items[i]))
			ranges->items[ranges->n++] = reader->items[i];
	return 0;
}

int source_ranges_of(struct arena *arena, const struct service *service, enum addr_family family,
		     struct source_ranges *ret, struct problems *problems)
{
	struct reader reader = { .service = service, .family = family, .problems = problems };
	struct source_ranges ranges = { 0 };
	int r;

	r = policy_of(service, &ranges.deny, problems);
	if (r == 0)
		r = read_all(&reader);
	ranges.closed = reader.broken && (ranges.deny || !reader.n);
	/* R3: a /0 lets everybody in, which is the same as no range. Denied, it is kept: it keeps everybody
	 * out. */
	if (r == 0 && !ranges.closed && (ranges.deny || !reader.everybody))
		r = store(arena, &reader, &ranges);
	free(reader.items);
	if (r == 0)
		*ret = ranges;
	return r;
}
