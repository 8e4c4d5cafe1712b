// SPDX-License-Identifier: Apache-2.0
/* Views of the mapped memory; backends, Maglev slots, next hops, links, settings. */
#include "userspace/datapath/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "userspace/base/log.h"

_Static_assert((int)BACKEND_ACTIVE == LB_BACKEND_ACTIVE && (int)BACKEND_DRAINING == LB_BACKEND_DRAINING &&
		       (int)BACKEND_GONE == LB_BACKEND_GONE,
	       "the plan's states are stored as they are");

static int settings_init(struct lb_settings *settings)
{
	uint64_t seed = 0;

	if (settings->seed)
		return 0;
	while (!seed)
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return -errno;
	__atomic_store_n(&settings->seed, seed, __ATOMIC_RELEASE);
	return 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

int tables_init(struct tables *tables, const struct loaded_map *maps)
{
	*tables = (struct tables){
		.maps = maps,
		.settings = maps[MAP_SETTINGS].memory,
		.filter = maps[MAP_VIP_FILTER].memory,
		.fe_index = { maps[MAP_FE_INDEX].memory, maps[MAP_FE_INDEX].entries - 1 },
		.be_index = { maps[MAP_BE_INDEX].memory, maps[MAP_BE_INDEX].entries - 1 },
		.frontends = maps[MAP_FRONTENDS].memory,
		.backends = maps[MAP_BACKENDS].memory,
		.links = maps[MAP_LINKS].memory,
		.slots = maps[MAP_MAGLEV].memory,
		/* At most half of an index may be filled. */
		.n_frontends =
			smaller(maps[MAP_FRONTENDS].entries, maps[MAP_FE_INDEX].entries * (LB_SLOTS / 2)),
		.n_backends =
			smaller(maps[MAP_BACKENDS].entries, maps[MAP_BE_INDEX].entries * (LB_SLOTS / 2)),
		.n_slots = maps[MAP_MAGLEV].entries * LB_MAGLEV_LINE,
	};
	tables->filter_counts = calloc(1u << LB_FILTER_BITS, sizeof(*tables->filter_counts));
	tables->ranges = calloc(tables->n_frontends, sizeof(*tables->ranges));
	if (!tables->filter_counts || !tables->ranges)
		return -ENOMEM;
	return settings_init(tables->settings);
}

struct addr table_addr(uint8_t family, const uint8_t *bytes)
{
	struct addr addr = { .family = family == 6 ? ADDR_IPV6 : ADDR_IPV4 };

	memcpy(addr.bytes, bytes, family == 6 ? 16 : 4);
	return addr;
}

/* --- backends --------------------------------------------------------------------------------- */

/* `family` and `life` share the byte before `state`; it is written whole, for programs read it meanwhile. */
static uint8_t *life_byte(const struct lb_backend *entry)
{
	return (uint8_t *)&entry->state - 1;
}

uint8_t backend_life(const struct lb_backend *entry)
{
	return __atomic_load_n(life_byte(entry), __ATOMIC_ACQUIRE) >> 4;
}

void backend_set_life(struct lb_backend *entry, enum lb_life life)
{
	__atomic_store_n(life_byte(entry), (uint8_t)(life << 4 | entry->family), __ATOMIC_RELEASE);
}

uint64_t backend_index_key(const struct lb_backend *entry)
{
	return lb_index_key(entry->addr, entry->family == 6, entry->port, entry->protocol);
}

static bool backend_is(const struct lb_backend *entry, const struct applied_backend *backend)
{
	struct addr addr = table_addr(entry->family, entry->addr);

	return addr_equal(&addr, &backend->addr) && entry->port == htons(backend->port) &&
	       entry->protocol == backend->protocol;
}

static int backend_enter(struct tables *tables, struct lb_backend *entry,
			 const struct applied_backend *backend)
{
	int r;

	*entry = (struct lb_backend){
		.port = htons(backend->port),
		.protocol = backend->protocol,
		.family = backend->addr.family,
		.life = LB_EMPTY,
		.state = backend->state,
		.flags = backend->local ? LB_BACKEND_LOCAL : 0,
		.generation = backend->generation,
	};
	memcpy(entry->addr, backend->addr.bytes, sizeof(entry->addr));
	backend_set_life(entry, LB_USED);
	r = index_table_set(&tables->be_index, backend_index_key(entry),
			    lb_handle(backend->id, backend->generation));
	if (r < 0)
		backend_set_life(entry, LB_EMPTY);
	return r;
}

int tables_set_backend(struct tables *tables, const struct applied_backend *backend)
{
	struct lb_backend *entry;

	if (backend->id >= tables->n_backends)
		return -ERANGE;
	entry = &tables->backends[backend->id];
	if (backend_life(entry) != LB_USED)
		return backend_enter(tables, entry, backend);
	if (!backend_is(entry, backend) || entry->generation != (uint16_t)backend->generation)
		return -EEXIST;
	__atomic_store_n(&entry->state, backend->state, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->flags, backend->local ? LB_BACKEND_LOCAL : 0, __ATOMIC_RELEASE);
	return 0;
}

int tables_delete_backend(struct tables *tables, const struct applied_backend *backend)
{
	struct lb_backend *entry;

	if (backend->id >= tables->n_backends)
		return -ERANGE;
	entry = &tables->backends[backend->id];
	if (backend_life(entry) == LB_EMPTY)
		return 0;
	if (!backend_is(entry, backend))
		return -EEXIST;
	index_table_clear(&tables->be_index, backend_index_key(entry), backend->id);
	backend_set_life(entry, LB_EMPTY);
	return 0;
}

/* --- Maglev slots ----------------------------------------------------------------------------- */

int tables_write_slots(struct tables *tables, uint32_t offset, uint32_t size, const uint32_t *ids)
{
	if (offset > tables->n_slots || size > tables->n_slots - offset)
		return -ERANGE;
	memcpy(tables->slots + offset, ids, (size_t)size * sizeof(*ids));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return 0;
}

/* --- next hops -------------------------------------------------------------------------------- */

void tables_set_next_hop(struct tables *tables, uint32_t backend_id, const uint8_t *mac, int link)
{
	uint64_t word = mac ? lb_next_hop(mac, link) : 0;

	if (backend_id < tables->n_backends)
		__atomic_store_n(&tables->backends[backend_id].next_hop, word, __ATOMIC_RELEASE);
}

int tables_next_hop_link(const struct tables *tables, uint32_t backend_id)
{
	uint64_t word;

	if (backend_id >= tables->n_backends)
		return -ENOENT;
	word = __atomic_load_n(&tables->backends[backend_id].next_hop, __ATOMIC_RELAXED);
	return word & LB_NEXT_HOP_VALID ? (int)(word >> 48 & 0xff) : -ENOENT;
}

int tables_find_link(const struct tables *tables, uint32_t ifindex)
{
	for (int i = 0; i < LB_MAX_LINKS; i++)
		if (tables->links[i].ifindex == ifindex)
			return i;
	return -ENOENT;
}

int tables_set_link(struct tables *tables, uint32_t ifindex, const uint8_t mac[6], uint32_t mtu)
{
	int index = tables_find_link(tables, ifindex);

	if (index < 0)
		index = tables_find_link(tables, 0);
	if (index < 0)
		return -ENOSPC;
	/* A frame sent in the moment of a change may carry a mixed source address: it is refused once, and
	 * sent again. */
	if (memcmp(tables->links[index].mac, mac, 6) != 0)
		memcpy(tables->links[index].mac, mac, 6);
	__atomic_store_n(&tables->links[index].mtu, mtu > UINT16_MAX ? 0 : (uint16_t)mtu, __ATOMIC_RELAXED);
	__atomic_store_n(&tables->links[index].ifindex, ifindex, __ATOMIC_RELEASE);
	return index;
}

void tables_clear_link(struct tables *tables, uint32_t ifindex)
{
	int index = tables_find_link(tables, ifindex);

	if (index >= 0)
		__atomic_store_n(&tables->links[index].ifindex, 0, __ATOMIC_RELEASE);
}

/* --- settings --------------------------------------------------------------------------------- */

static int move_address(struct tables *tables, const struct addr *from, const struct addr *to)
{
	int r = 0;

	if (addr_equal(from, to))
		return 0;
	if (to->family)
		r = tables_use_address(tables, to, false);
	if (r == 0 && from->family)
		tables_release_address(tables, from, false);
	return r;
}

/* What the filter was told for this agent's lifetime; a new agent counts anew. */
void tables_read_snat(const struct tables *tables, struct addr *ret_v4, struct addr *ret_v6)
{
	static const uint8_t none[16];
	const struct lb_settings *settings = tables->settings;

	*ret_v4 = *ret_v6 = (struct addr){ 0 };
	if (settings->snat_v4)
		*ret_v4 = table_addr(4, (const uint8_t *)&settings->snat_v4);
	if (memcmp(settings->snat_v6, none, sizeof(none)) != 0)
		*ret_v6 = table_addr(6, settings->snat_v6);
}

int tables_set_snat(struct tables *tables, const struct addr *v4, const struct addr *v6, uint16_t port_first,
		    uint16_t port_last)
{
	struct lb_settings *settings = tables->settings;
	uint32_t word;
	int r;

	if ((v4->family && v4->family != ADDR_IPV4) || (v6->family && v6->family != ADDR_IPV6) ||
	    !port_first || port_first > port_last)
		return -EINVAL;
	r = move_address(tables, &tables->snat_v4, v4);
	if (r == 0)
		r = move_address(tables, &tables->snat_v6, v6);
	if (r < 0)
		return r;
	tables->snat_v4 = *v4;
	tables->snat_v6 = *v6;
	memcpy(&word, v4->bytes, sizeof(word));
	__atomic_store_n(&settings->snat_port_first, port_first, __ATOMIC_RELEASE);
	__atomic_store_n(&settings->snat_port_last, port_last, __ATOMIC_RELEASE);
	__atomic_store_n(&settings->snat_v4, word, __ATOMIC_RELEASE);
	if (memcmp(settings->snat_v6, v6->bytes, sizeof(settings->snat_v6)) != 0)
		memcpy(settings->snat_v6, v6->bytes, sizeof(settings->snat_v6));
	return 0;
}
