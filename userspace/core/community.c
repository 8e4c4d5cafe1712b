// SPDX-License-Identifier: Apache-2.0
/* Communities as text and numbers: see community.h. */
#include "userspace/core/community.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/parse.h"

/* IANA's registry of well-known communities, all 65535:x, with the names that routers and Cilium use. */
static const struct well_known {
	const char *name;
	uint16_t low;
} well_known[] = {
	{ "graceful-shutdown", 0 },
	{ "planned-shut", 0 }, /* the older name */
	{ "accept-own", 1 },
	{ "route-filter-translated-v4", 2 },
	{ "route-filter-v4", 3 },
	{ "route-filter-translated-v6", 4 },
	{ "route-filter-v6", 5 },
	{ "llgr-stale", 6 },
	{ "no-llgr", 7 },
	{ "accept-own-nexthop", 8 },
	{ "blackhole", 666 },
	{ "no-export", 65281 },
	{ "no-advertise", 65282 },
	{ "no-export-subconfed", 65283 },
	{ "local-as", 65283 },
	{ "local-AS", 65283 }, /* as FRR writes it */
	{ "no-peer", 65284 },
};

char *community_format(const struct community *community, char buffer[static COMMUNITY_TEXT_MAX])
{
	if (community->large)
		snprintf(buffer, COMMUNITY_TEXT_MAX, "large:%u:%u:%u", community->global, community->local1,
			 community->local2);
	else
		snprintf(buffer, COMMUNITY_TEXT_MAX, "%u:%u", community->global, community->local1);
	return buffer;
}

static int number_compare(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int community_compare(const struct community *a, const struct community *b)
{
	int order;

	if (a->large != b->large)
		return a->large ? 1 : -1;
	order = number_compare(a->global, b->global);
	if (!order)
		order = number_compare(a->local1, b->local1);
	return order ? order : number_compare(a->local2, b->local2);
}

/* `n` numbers of at most `max`, separated by colons, nothing else. */
static int parse_numbers(const char *text, uint64_t max, uint32_t *numbers, size_t n)
{
	char part[sizeof("4294967295")];
	size_t i, length;
	uint64_t number;

	for (i = 0; i < n; i++) {
		length = strcspn(text, ":");
		if (length >= sizeof(part) || (text[length] == ':') != (i + 1 < n))
			return -EINVAL;
		memcpy(part, text, length);
		part[length] = '\0';
		if (parse_number(part, 0, max, &number) < 0)
			return -EINVAL;
		numbers[i] = number;
		text += length + 1;
	}
	return 0;
}

int community_parse(const char *text, struct community *ret)
{
	static const char large[] = "large:";
	uint32_t numbers[3] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (!strcmp(text, well_known[i].name)) {
			*ret = (struct community){ .global = 65535, .local1 = well_known[i].low };
			return 0;
		}
	if (!strncmp(text, large, strlen(large))) {
		if (parse_numbers(text + strlen(large), UINT32_MAX, numbers, 3) < 0)
			return -EINVAL;
		*ret = (struct community){ .large = true, .global = numbers[0], .local1 = numbers[1],
					   .local2 = numbers[2] };
		return 0;
	}
	if (parse_numbers(text, UINT16_MAX, numbers, 2) < 0)
		return -EINVAL;
	*ret = (struct community){ .global = numbers[0], .local1 = numbers[1] };
	return 0;
}

int community_resolve(const struct cluster *cluster, const char *text, struct community *ret)
{
	const struct community_object *object;
	struct community found, candidate;
	bool known = false;
	size_t i, j;

	if (community_parse(text, ret) == 0)
		return 0;
	for (i = 0; i < cluster->n_communities; i++) {
		object = cluster->communities[i];
		for (j = 0; j < object->n_aliases; j++) {
			if (!text_equal(object->aliases[j].name, text))
				continue;
			if (!object->aliases[j].value || community_parse(object->aliases[j].value, &candidate) < 0)
				return -EINVAL;
			if (known && community_compare(&found, &candidate))
				return -EEXIST;
			found = candidate;
			known = true;
		}
	}
	if (!known)
		return -EINVAL;
	*ret = found;
	return 0;
}

const struct community_object *community_refused_with(const struct cluster *cluster, const char *alias)
{
	size_t i;

	for (i = 0; i < cluster->n_communities; i++)
		if (strings_contain(&cluster->communities[i]->refused_aliases, alias))
			return cluster->communities[i];
	return NULL;
}

int communities_check(const struct cluster *cluster, struct problems *problems)
{
	const struct community_object *object;
	const struct community_alias *alias;
	struct community ignored;
	char field[64];
	size_t i, j;
	int r = 0;

	for (i = 0; i < cluster->n_communities && r == 0; i++) {
		object = cluster->communities[i];
		for (j = 0; j < object->n_aliases && r == 0; j++) {
			alias = &object->aliases[j];
			snprintf(field, sizeof(field), "spec.communities[%zu]", j);
			if (!alias->value || community_parse(alias->value, &ignored) < 0)
				r = problems_add_object(problems, OBJECT_COMMUNITY, &object->meta, field,
							"%s: not a community: %s; what uses the alias is not announced",
							alias->name, alias->value ? alias->value : "(no value)");
			else if (community_parse(alias->name, &ignored) == 0)
				r = problems_add_object(problems, OBJECT_COMMUNITY, &object->meta, field,
							"%s is a community itself: the alias is never used",
							alias->name);
			else if (community_resolve(cluster, alias->name, &ignored) == -EEXIST)
				r = problems_add_object(problems, OBJECT_COMMUNITY, &object->meta, field,
							"%s has another value in another Community: what uses the "
							"alias is not announced",
							alias->name);
		}
	}
	return r;
}
