// SPDX-License-Identifier: Apache-2.0
/* Source ranges in the two tries. What stands there for each frontend is remembered, so that a change touches
 * only the difference: first what is new is entered, then the frontend is switched, then what is old goes. */
#include "userspace/datapath/tables.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"

union range_key {
	struct lb_range4_key v4;
	struct lb_range6_key v6;
};

static int trie_of(const struct tables *tables, const struct prefix *prefix)
{
	return tables->maps[prefix->addr.family == ADDR_IPV6 ? MAP_RANGES6 : MAP_RANGES4].fd;
}

static union range_key range_key(uint32_t frontend_id, const struct prefix *prefix)
{
	union range_key key = { 0 };

	/* Both begin with the same two words. */
	key.v4.prefixlen = 32 + prefix->length;
	key.v4.frontend = htonl(frontend_id);
	if (prefix->addr.family == ADDR_IPV6)
		memcpy(key.v6.addr, prefix->addr.bytes, 16);
	else
		memcpy(&key.v4.addr, prefix->addr.bytes, 4);
	return key;
}

static bool holds(const struct prefix *items, size_t n, const struct prefix *prefix)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_compare(&items[i], prefix) == 0)
			return true;
	return false;
}

static int range_append(struct range_list *list, const struct prefix *prefix)
{
	struct prefix *grown = realloc(list->items, (list->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	list->items[list->n++] = *prefix;
	return 0;
}

int ranges_add(struct tables *tables, uint32_t frontend_id, const struct prefix *items, size_t n)
{
	struct range_list *list = &tables->ranges[frontend_id];
	const uint8_t present = 1;
	int r;

	for (size_t i = 0; i < n; i++) {
		union range_key key = range_key(frontend_id, &items[i]);

		if (holds(list->items, list->n, &items[i]))
			continue;
		r = range_append(list, &items[i]);
		if (r < 0)
			return r;
		r = bpf_map_update_elem(trie_of(tables, &items[i]), &key, &present, BPF_ANY);
		if (r < 0) {
			list->n--;
			return r;
		}
	}
	return 0;
}

int ranges_trim(struct tables *tables, uint32_t frontend_id, const struct prefix *items, size_t n)
{
	struct range_list *list = &tables->ranges[frontend_id];
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < list->n; i++) {
		union range_key key = range_key(frontend_id, &list->items[i]);
		int deleted;

		if (holds(items, n, &list->items[i])) {
			list->items[kept++] = list->items[i];
			continue;
		}
		deleted = bpf_map_delete_elem(trie_of(tables, &list->items[i]), &key);
		if (deleted < 0 && deleted != -ENOENT) {
			list->items[kept++] = list->items[i];
			r = deleted;
		}
	}
	list->n = kept;
	if (!kept) {
		free(list->items);
		list->items = NULL;
	}
	return r;
}

/* --- what stands in the tries ----------------------------------------------------------------- */

static struct prefix prefix_of_key(const union range_key *key, bool ipv6)
{
	struct prefix prefix = { .length = key->v4.prefixlen - 32 };

	prefix.addr = ipv6 ? table_addr(6, key->v6.addr) : table_addr(4, (const uint8_t *)&key->v4.addr);
	return prefix;
}

static bool has_ranges(const struct tables *tables, uint32_t id)
{
	const struct lb_frontend *entry;
	enum lb_ranges ranges;

	if (id >= tables->n_frontends)
		return false;
	entry = &tables->frontends[id];
	ranges = lb_choice_ranges(entry->choice);
	return entry->life == LB_USED && (ranges == LB_RANGES_ALLOW || ranges == LB_RANGES_DENY);
}

struct key_list {
	union range_key *items;
	size_t n, capacity;
};

static int trie_read(struct tables *tables, bool ipv6, struct key_list *strays)
{
	int fd = tables->maps[ipv6 ? MAP_RANGES6 : MAP_RANGES4].fd, r = 0;
	union range_key key, next;
	const void *previous = NULL;

	while (r == 0 && bpf_map_get_next_key(fd, previous, &next) == 0) {
		uint32_t id = ntohl(next.v4.frontend);
		struct prefix prefix = prefix_of_key(&next, ipv6);

		key = next;
		previous = &key;
		if (has_ranges(tables, id)) {
			r = range_append(&tables->ranges[id], &prefix);
			continue;
		}
		r = array_reserve(strays->items, strays->n, strays->capacity);
		if (r == 0)
			strays->items[strays->n++] = key;
	}
	return r;
}

int ranges_read(struct tables *tables)
{
	int r = 0;

	for (int ipv6 = 0; r == 0 && ipv6 <= 1; ipv6++) {
		struct key_list strays = { 0 };

		r = trie_read(tables, ipv6, &strays);
		for (size_t i = 0; i < strays.n; i++)
			bpf_map_delete_elem(tables->maps[ipv6 ? MAP_RANGES6 : MAP_RANGES4].fd,
					    &strays.items[i]);
		free(strays.items);
	}
	for (uint32_t id = 0; id < tables->n_frontends; id++)
		prefixes_sort(tables->ranges[id].items, tables->ranges[id].n);
	return r;
}
