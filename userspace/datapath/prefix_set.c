// SPDX-License-Identifier: Apache-2.0
/* Longest prefix match by one binary search for each length that occurs: a node has few lengths and few
 * routes. */
#include "userspace/datapath/prefix_set.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/sorted.h"

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

void prefix_set_finish(struct prefix_set *set)
{
	size_t kept = 0;

	prefixes_sort(set->items, set->n);
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
		size_t at;

		if (!lengths[length])
			continue;
		wanted = prefix_mask(&wanted);
		at = sorted_place(set->n, i, prefix_compare(&set->items[i], &wanted) < 0);
		if (at < set->n && prefix_compare(&set->items[at], &wanted) == 0)
			return (ptrdiff_t)at;
	}
	return -1;
}
