// SPDX-License-Identifier: Apache-2.0
/* Longest prefix match by one binary search for each length that occurs: a node has few lengths and few
 * routes. */
#include "userspace/datapath/prefix_set.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"

void prefix_set_done(struct prefix_set *set)
{
	free(set->items);
	*set = (struct prefix_set){ 0 };
}

static bool *lengths_of(const struct prefix_set *set, uint8_t family)
{
	return (bool *)set->lengths[family == ADDR_IPV6];
}

int prefix_set_add(struct prefix_set *set, const struct prefix *prefix)
{
	int r = array_reserve(set->items, set->n, set->capacity);

	if (r < 0)
		return r;
	set->items[set->n++] = prefix_mask(prefix);
	lengths_of(set, prefix->addr.family)[prefix->length] = true;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

void prefix_set_finish(struct prefix_set *set)
{
	size_t kept = 0;

	if (set->n)
		qsort(set->items, set->n, sizeof(*set->items), compare);
	for (size_t i = 0; i < set->n; i++)
		if (!kept || prefix_compare(&set->items[kept - 1], &set->items[i]) != 0)
			set->items[kept++] = set->items[i];
	set->n = kept;
}

ptrdiff_t prefix_set_longest(const struct prefix_set *set, const struct addr *addr)
{
	const bool *lengths = lengths_of(set, addr->family);

	if (!set->n)
		return -1;
	for (int length = addr_bits(addr); length >= 0; length--) {
		struct prefix wanted = { *addr, length };
		const struct prefix *found;

		if (!lengths[length])
			continue;
		wanted = prefix_mask(&wanted);
		found = bsearch(&wanted, set->items, set->n, sizeof(*set->items), compare);
		if (found)
			return found - set->items;
	}
	return -1;
}
