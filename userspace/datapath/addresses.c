// SPDX-License-Identifier: Apache-2.0
/* Which addresses are ours: one bit each in lb_vip_filter, an entry in lb_vips for those that behave like a
 * host. Counted per address, for many ports share one, and per bit, for addresses may share that too. */
#include "userspace/datapath/tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "userspace/base/array.h"

struct address_use {
	struct addr addr;
	uint32_t users, hosts; /* who use it; of those, whose address behaves like a host */
	UT_hash_handle hh;
};

static struct lb_vip_key vip_key(const struct addr *addr)
{
	struct lb_vip_key key = { .addr = { [10] = 0xff, [11] = 0xff } };

	if (addr->family == ADDR_IPV4)
		memcpy(key.addr + 12, addr->bytes, 4);
	else
		memcpy(key.addr, addr->bytes, 16);
	return key;
}

static struct addr vip_addr(const struct lb_vip_key *key)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(key->addr, mapped, sizeof(mapped)) == 0 ? table_addr(4, key->addr + 12)
							      : table_addr(6, key->addr);
}

static struct address_use *address_find(const struct tables *tables, const struct addr *addr)
{
	struct address_use *use;

	HASH_FIND(hh, tables->addresses, addr, sizeof(*addr), use);
	return use;
}

static struct address_use *address_enter(struct tables *tables, const struct addr *addr)
{
	struct address_use *use = address_find(tables, addr);
	uint32_t bit = lb_filter_bit(addr->bytes, addr->family == ADDR_IPV6);

	if (use)
		return use;
	use = calloc(1, sizeof(*use));
	if (!use)
		return NULL;
	use->addr = *addr;
	HASH_ADD(hh, tables->addresses, addr, sizeof(use->addr), use);
	/* A count that would overflow stays at its end: its bit is then never cleared, which costs a look-up
	 * only. */
	if (tables->filter_counts[bit] < UINT16_MAX)
		tables->filter_counts[bit]++;
	__atomic_fetch_or(&tables->filter[bit >> 6], 1ull << (bit & 63), __ATOMIC_RELEASE);
	return use;
}

static void address_drop(struct tables *tables, struct address_use *use)
{
	uint32_t bit = lb_filter_bit(use->addr.bytes, use->addr.family == ADDR_IPV6);

	if (tables->filter_counts[bit] < UINT16_MAX && --tables->filter_counts[bit] == 0)
		__atomic_fetch_and(&tables->filter[bit >> 6], ~(1ull << (bit & 63)), __ATOMIC_RELEASE);
	HASH_DEL(tables->addresses, use);
	free(use);
}

int tables_use_address(struct tables *tables, const struct addr *addr, bool like_a_host)
{
	struct address_use *use = address_enter(tables, addr);
	int r = 0;

	if (!use)
		return -ENOMEM;
	if (like_a_host && !use->hosts) {
		struct lb_vip_key key = vip_key(addr);
		struct lb_vip value = { .frontends = 1 };

		r = bpf_map_update_elem(tables->maps[MAP_VIPS].fd, &key, &value, BPF_ANY);
	}
	if (r < 0) {
		if (!use->users)
			address_drop(tables, use);
		return r == -E2BIG ? -ENOSPC : r;
	}
	use->users++;
	use->hosts += like_a_host;
	return 0;
}

void tables_release_address(struct tables *tables, const struct addr *addr, bool like_a_host)
{
	struct address_use *use = address_find(tables, addr);
	struct lb_vip_key key = vip_key(addr);

	if (!use)
		return;
	if (like_a_host && --use->hosts == 0)
		bpf_map_delete_elem(tables->maps[MAP_VIPS].fd, &key);
	if (--use->users == 0)
		address_drop(tables, use);
}

static int mend_vips(struct tables *tables)
{
	int fd = tables->maps[MAP_VIPS].fd, r = 0;
	struct lb_vip_key key, *stale = NULL;
	size_t n = 0, capacity = 0;
	const void *previous = NULL;

	/* Collected first: deleting under bpf_map_get_next_key() would start the walk over. */
	while (bpf_map_get_next_key(fd, previous, &key) == 0) {
		struct addr addr = vip_addr(&key);
		const struct address_use *use = address_find(tables, &addr);

		previous = &key;
		if (use && use->hosts)
			continue;
		r = array_reserve(stale, n, capacity);
		if (r < 0)
			break;
		stale[n++] = key;
	}
	for (size_t i = 0; i < n; i++)
		bpf_map_delete_elem(fd, &stale[i]);
	free(stale);
	return r;
}

int tables_mend_addresses(struct tables *tables)
{
	for (uint32_t word = 0; word < LB_FILTER_WORDS; word++) {
		uint64_t used = 0;

		for (uint32_t bit = 0; bit < 64; bit++)
			used |= (uint64_t)(tables->filter_counts[word << 6 | bit] != 0) << bit;
		if (tables->filter[word] & ~used)
			__atomic_fetch_and(&tables->filter[word], used, __ATOMIC_RELEASE);
	}
	return mend_vips(tables);
}

void tables_done(struct tables *tables)
{
	struct address_use *use, *next;

	HASH_ITER(hh, tables->addresses, use, next)
	{
		HASH_DEL(tables->addresses, use);
		free(use);
	}
	for (uint32_t id = 0; tables->ranges && id < tables->n_frontends; id++)
		free(tables->ranges[id].items);
	free(tables->ranges);
	free(tables->filter_counts);
	*tables = (struct tables){ 0 };
}
