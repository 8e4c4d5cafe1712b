// SPDX-License-Identifier: Apache-2.0
/* The table of taken addresses: see used.h. */
#include "ipam/used.h"

#include <errno.h>
#include <string.h>

/* Addresses of a pool are neighbours: a multiplication spreads them, and what collides are statuses, which only the
 * control plane writes. */
static size_t place_of(const struct used *used, const struct addr *addr)
{
	uint64_t high, low;

	memcpy(&high, addr->bytes, sizeof(high));
	memcpy(&low, addr->bytes + sizeof(high), sizeof(low));
	high = (high ^ (high >> 31) ^ addr->family) * 0x9e3779b97f4a7c15u;
	low = (low + high) * 0xc2b2ae3d27d4eb4fu;
	low ^= low >> 29;
	low *= 0x9e3779b97f4a7c15u;
	return (size_t)(low >> 32) & (used->size - 1);
}

int used_init(struct used *ret, struct arena *arena, size_t n_addresses)
{
	struct used used = { .size = 16 };

	while (used.size < n_addresses * 2)
		used.size *= 2;
	used.table = arena_array(arena, used.size, sizeof(*used.table));
	if (!used.table)
		return -ENOMEM;
	*ret = used;
	return 0;
}

/* The entry of the address, or the empty place where it belongs. */
static struct used_address *find_place(const struct used *used, const struct addr *addr)
{
	size_t place = place_of(used, addr);

	while (used->table[place].addr.family != ADDR_NONE && !addr_equal(&used->table[place].addr, addr))
		place = (place + 1) & (used->size - 1);
	return &used->table[place];
}

struct used_address *used_find(const struct used *used, const struct addr *addr)
{
	struct used_address *entry = find_place(used, addr);

	return entry->addr.family == ADDR_NONE ? NULL : entry;
}

struct used_address *used_hold(struct used *used, struct arena *arena, const struct addr *addr, size_t claim,
			       bool *ret_new)
{
	struct used_address *entry = find_place(used, addr);
	struct holder *holder = arena_alloc(arena, sizeof(*holder));

	if (!holder)
		return NULL;
	*holder = (struct holder){ .claim = claim };
	*ret_new = entry->addr.family == ADDR_NONE;
	entry->addr = *addr;
	if (entry->last_holder)
		entry->last_holder->next = holder;
	else
		entry->holders = holder;
	entry->last_holder = holder;
	entry->n_holders++;
	return entry;
}

int group_add(struct sharing_group *group, struct arena *arena, struct used_address *entry, uint32_t a_port)
{
	if (group->n_addresses == group->capacity) {
		size_t capacity = group->capacity ? group->capacity * 2 : 4;
		struct group_address *addresses = arena_array(arena, capacity, sizeof(*addresses));

		if (!addresses)
			return -ENOMEM;
		if (group->n_addresses)
			memcpy(addresses, group->addresses, group->n_addresses * sizeof(*addresses));
		group->addresses = addresses;
		group->capacity = capacity;
	}
	group->addresses[group->n_addresses++] = (struct group_address){ entry, a_port };
	entry->group = group;
	return 0;
}

void used_leave(struct used *used, const struct addr *addr, size_t claim)
{
	struct used_address *entry = used_find(used, addr);
	struct holder *holder;

	for (holder = entry ? entry->holders : NULL; holder; holder = holder->next)
		if (holder->claim == claim)
			holder->leaving = true;
}

bool used_is_held(const struct used_address *entry)
{
	const struct holder *holder;

	for (holder = entry->holders; holder; holder = holder->next)
		if (!holder->leaving)
			return true;
	return false;
}
