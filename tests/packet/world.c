// SPDX-License-Identifier: Apache-2.0
/* Loading, filling and running the data path under test; see world.h. */
#include "tests/packet/world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "bpf/lb_tc.skel.h"
#include "bpf/lb_xdp.skel.h"

#define TABLE_SLOTS 16

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* Two uplinks in a namespace of this process alone. Peers have no namespace of their own: nothing is ever
 * sent. */
static void make_network(void)
{
	static const char *const commands[] = {
		"ip link add up0 address " MAC_NODE " index 2 type veth peer name far0 index 3",
		"ip link add up1 address 02:00:00:00:00:12 index 4 type veth peer name far1 index 5",
		"ip link set lo up && ip link set up0 up && ip link set up1 up && ip link set far0 up && ip "
		"link set far1 up",
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
		"ip addr add 10.0.0.2/24 dev up0 && ip addr add fd00::2/64 dev up0 nodad",
		"ip addr add 10.0.1.2/24 dev up1 && ip addr add fd01::2/64 dev up1 nodad",
		"ip neigh add 10.0.0.1 lladdr " MAC_ROUTER " dev up0 nud permanent",
		"ip neigh add fd00::1 lladdr " MAC_ROUTER " dev up0 nud permanent",
		"ip neigh add 10.0.1.1 lladdr 02:00:00:00:00:11 dev up1 nud permanent",
		"ip neigh add fd01::1 lladdr 02:00:00:00:00:11 dev up1 nud permanent",
		"ip route add default via 10.0.0.1 && ip -6 route add default via fd00::1",
		"ip route add 203.0.113.0/24 via 10.0.1.1 && ip -6 route add 2001:db8:113::/48 via fd01::1",
		"ip route add 198.18.0.0/24 via 10.0.0.99 && ip -6 route add 2001:db8:18::/48 via fd00::99",
		"ip route add unreachable 198.18.1.0/24 && ip -6 route add unreachable 2001:db8:19::/48",
	};

	if (unshare(CLONE_NEWNET))
		die("no network namespace (root is needed): %s", strerror(errno));
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (system(commands[i]))
			die("failed: %s", commands[i]);
}

static void set_config(struct lb_config *config, const struct world *world)
{
	config->flow4_mask = world->flow4_buckets - 1;
	config->flow6_mask = world->flow6_buckets - 1;
	config->fe_index_mask = 64 - 1;
	config->be_index_mask = 64 - 1;
	config->weak_memory = world->weak_memory;
}

static void set_sizes(struct bpf_object *object, const struct world *world)
{
	const struct {
		const char *map;
		uint32_t entries;
	} sizes[] = {
		{ "lb_fe_index", 64 },
		{ "lb_be_index", 64 },
		{ "lb_frontends", 128 },
		{ "lb_fe_stats", 128 },
		{ "lb_backends", 128 },
		{ "lb_snat_next", 128 },
		{ "lb_maglev", 4096 },
		{ "lb_flows4", world->flow4_buckets },
		{ "lb_replies4", world->flow4_buckets },
		{ "lb_flows6", world->flow6_buckets },
		{ "lb_replies6", world->flow6_buckets },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (bpf_map__set_max_entries(bpf_object__find_map_by_name(object, sizes[i].map),
					     sizes[i].entries))
			die("size of %s", sizes[i].map);
}

/* The second object uses the maps of the first. */
static void share_maps(struct bpf_object *from, struct bpf_object *to)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, from)
	{
		struct bpf_map *other = bpf_object__find_map_by_name(to, bpf_map__name(map));

		if (!bpf_map__is_internal(map) && other && bpf_map__reuse_fd(other, bpf_map__fd(map)))
			die("map %s", bpf_map__name(map));
	}
}

static void *map_memory(struct bpf_map *map)
{
	size_t size = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *memory =
		mmap(NULL, (size + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		die("mmap of %s: %s", bpf_map__name(map), strerror(errno));
	return memory;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static void load(struct world *world, bool frags)
{
	int r;

	world->xdp = lb_xdp_bpf__open();
	world->tc = lb_tc_bpf__open();
	if (!world->xdp || !world->tc)
		die("cannot open the objects");
	set_config((struct lb_config *)&world->xdp->rodata->lb_config, world);
	set_config((struct lb_config *)&world->tc->rodata->lb_config, world);
	set_sizes(world->xdp->obj, world);
	if (frags)
		bpf_program__set_flags(world->xdp->progs.lb_xdp, BPF_F_XDP_HAS_FRAGS);
	r = lb_xdp_bpf__load(world->xdp);
	if (r)
		die("cannot load lb_xdp: %s", strerror(-r));
	share_maps(world->xdp->obj, world->tc->obj);
	r = lb_tc_bpf__load(world->tc);
	if (r)
		die("cannot load lb_tc: %s", strerror(-r));
}

struct world *world_new(const struct world_options *options)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct world *world = calloc(1, sizeof(*world));

	if (!world)
		die("out of memory");
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	libbpf_set_print(quiet);
	make_network();
	world->flow4_buckets =
		options && options->flow4_buckets ? options->flow4_buckets : WORLD_FLOW_BUCKETS;
	world->flow6_buckets =
		options && options->flow6_buckets ? options->flow6_buckets : WORLD_FLOW_BUCKETS;
	world->weak_memory = options && options->weak_memory;
	load(world, options && options->frags);
	world->settings = map_memory(world->xdp->maps.lb_settings);
	world->vip_filter = map_memory(world->xdp->maps.lb_vip_filter);
	world->fe_index = map_memory(world->xdp->maps.lb_fe_index);
	world->be_index = map_memory(world->xdp->maps.lb_be_index);
	world->frontends = map_memory(world->xdp->maps.lb_frontends);
	world->backends = map_memory(world->xdp->maps.lb_backends);
	world->links = map_memory(world->xdp->maps.lb_links);
	world->maglev = map_memory(world->xdp->maps.lb_maglev);
	world->flows4 = map_memory(world->xdp->maps.lb_flows4);
	world->replies4 = map_memory(world->xdp->maps.lb_replies4);
	world->flows6 = map_memory(world->xdp->maps.lb_flows6);
	world->replies6 = map_memory(world->xdp->maps.lb_replies6);
	world->settings->seed = 0x0123456789abcdef;
	world->settings->tick = 1000;
	world->links[0] = (struct lb_link){ .ifindex = WORLD_UPLINK };
	mac_bytes(MAC_NODE, world->links[0].mac);
	world->links[1] = (struct lb_link){ .ifindex = WORLD_SECOND };
	mac_bytes("02:00:00:00:00:12", world->links[1].mac);
	world_set_snat(world, "10.0.0.2", "fd00::2", 61000, 65535);
	world->settings->xdp_out[0] = WORLD_SECOND;
	return world;
}

static void unmap(void *memory, size_t size)
{
	munmap(memory, (size + 4095) & ~4095ul);
}

void world_free(struct world *world)
{
	if (!world)
		return;
	unmap(world->flows4, world->flow4_buckets * sizeof(*world->flows4));
	unmap(world->replies4, world->flow4_buckets * sizeof(*world->replies4));
	unmap(world->flows6, world->flow6_buckets * sizeof(*world->flows6));
	unmap(world->replies6, world->flow6_buckets * sizeof(*world->replies6));
	lb_tc_bpf__destroy(world->tc);
	lb_xdp_bpf__destroy(world->xdp);
	free(world);
}

void world_forget_flows(struct world *world)
{
	static const struct lb_frontend_stats no_stats[64];
	static const uint64_t no_drops[64];

	memset(world->flows4, 0, world->flow4_buckets * sizeof(*world->flows4));
	memset(world->replies4, 0, world->flow4_buckets * sizeof(*world->replies4));
	memset(world->flows6, 0, world->flow6_buckets * sizeof(*world->flows6));
	memset(world->replies6, 0, world->flow6_buckets * sizeof(*world->replies6));
	for (uint32_t i = 0; i < 128; i++)
		bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_fe_stats), &i, no_stats, 0);
	for (uint32_t i = 0; i < LB_REASON_COUNT; i++)
		bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_drops), &i, no_drops, 0);
	for (uint32_t i = 0; i < 128; i++)
		bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_snat_next), &i, &(uint32_t){ 0 }, 0);
}

void world_set_locks(struct world *world, uint32_t value)
{
	for (uint32_t i = 0; i < LB_LOCKS; i++)
		bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_locks), &i, &value, 0);
}

void world_fill_flows(struct world *world, bool replies)
{
	uint64_t live = (uint64_t)LB_OPEN << LB_CTL_STATE_SHIFT | LB_CTL_FRONTEND | LB_CTL_BACKEND;

	for (uint32_t i = 0; i < world->flow4_buckets; i++)
		for (int slot = 0; slot < LB_SLOTS; slot++)
			(replies ? world->replies4 : world->flows4)[i].slot[slot].control = live;
	for (uint32_t i = 0; i < world->flow6_buckets; i++)
		for (int slot = 0; slot < LB_SLOTS; slot++)
			(replies ? world->replies6 : world->flows6)[i].slot[slot].control = live;
}

/* --- tables --------------------------------------------------------------------------------------- */

static struct lb_index_slot *index_slot(struct lb_index_bucket *index, uint64_t key, uint32_t handle,
					bool insert)
{
	uint32_t at = lb_index_bucket(key);

	for (int probe = 0; probe < LB_INDEX_PROBES; probe++, at++) {
		struct lb_index_bucket *bucket = &index[at & 63];

		for (int i = 0; i < LB_SLOTS; i++)
			if (insert ? !bucket->slot[i].key
				   : bucket->slot[i].key == key && bucket->slot[i].handle == handle)
				return &bucket->slot[i];
		if (insert)
			bucket->slot[0].more = 1;
	}
	die("the index is full");
}

static void index_insert(struct lb_index_bucket *index, uint64_t key, uint32_t handle)
{
	struct lb_index_slot *slot = index_slot(index, key, handle, true);

	slot->handle = handle;
	slot->key = key;
}

static void filter_set(struct world *world, const uint8_t addr[16], int family)
{
	uint32_t bit = lb_filter_bit(addr, family == 6);

	world->vip_filter[bit >> 6] |= 1ull << (bit & 63);
}

void world_set_snat(struct world *world, const char *v4, const char *v6, uint16_t first, uint16_t last)
{
	uint8_t addr[16] = { 0 };

	world->settings->snat_v4 = 0;
	memset(world->settings->snat_v6, 0, 16);
	if (v4) {
		address_bytes(v4, addr);
		memcpy(&world->settings->snat_v4, addr, 4);
		filter_set(world, addr, 4);
	}
	if (v6) {
		address_bytes(v6, addr);
		memcpy(world->settings->snat_v6, addr, 16);
		filter_set(world, addr, 6);
	}
	world->settings->snat_port_first = first;
	world->settings->snat_port_last = last;
}

static void enter_vip(struct world *world, const uint8_t addr[16], int family)
{
	struct lb_vip_key key = { 0 };
	struct lb_vip vip = { 1 };

	if (family == 6) {
		memcpy(key.addr, addr, 16);
	} else {
		key.addr[10] = key.addr[11] = 0xff;
		memcpy(key.addr + 12, addr, 4);
	}
	if (bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_vips), &key, &vip, 0))
		die("lb_vips: %s", strerror(errno));
}

static uint64_t wanted_choice(struct world *world, const struct world_frontend *f)
{
	uint64_t mark = f->ready_elsewhere ? LB_CHOICE_READY_ELSEWHERE : 0;
	uint32_t offset = world->n_maglev;

	if (!f->n_backends)
		return lb_choice(0, 0, f->verdict, f->ranges, f->affinity) | mark;
	for (uint32_t i = 0; i < TABLE_SLOTS; i++)
		world->maglev[offset + i] = f->backends[i % f->n_backends];
	world->n_maglev += TABLE_SLOTS;
	return lb_choice(offset, TABLE_SLOTS, f->verdict, f->ranges, f->affinity) | mark;
}

void world_set_choice(struct world *world, const struct world_frontend *f)
{
	world->frontends[f->id].choice = wanted_choice(world, f);
}

static uint64_t key_of(const uint8_t addr[16], int family, uint16_t port, uint8_t protocol)
{
	return lb_index_key(addr, family == 6, __builtin_bswap16(port), protocol);
}

void world_add_frontend(struct world *world, const struct world_frontend *f)
{
	struct lb_frontend *entry = &world->frontends[f->id];
	uint8_t addr[16];
	int family = address_bytes(f->addr, addr);

	*entry = (struct lb_frontend){ .port = __builtin_bswap16(f->port), .protocol = f->protocol };
	memcpy(entry->addr, addr, 16);
	entry->family = (uint8_t)family;
	entry->generation = f->generation;
	entry->life = LB_USED;
	entry->choice = wanted_choice(world, f);
	filter_set(world, addr, family);
	if (!f->not_a_vip)
		enter_vip(world, addr, family);
	index_insert(world->fe_index, key_of(addr, family, f->port, f->protocol),
		     lb_handle(f->id, f->generation));
}

void world_remove_frontend(struct world *world, const struct world_frontend *f)
{
	uint8_t addr[16];
	int family = address_bytes(f->addr, addr);

	index_slot(world->fe_index, key_of(addr, family, f->port, f->protocol),
		   lb_handle(f->id, f->generation), false)
		->key = 0;
	world->frontends[f->id].life = LB_RETIRED;
}

void world_add_backend(struct world *world, const struct world_backend *b)
{
	struct lb_backend *entry = &world->backends[b->id];
	uint8_t addr[16], mac[6];
	int family = address_bytes(b->addr, addr);
	bool known = entry->life == LB_USED;

	*entry = (struct lb_backend){ .port = __builtin_bswap16(b->port), .protocol = b->protocol };
	memcpy(entry->addr, addr, 16);
	entry->family = (uint8_t)family & 15;
	entry->life = LB_USED;
	entry->state = (uint8_t)b->state;
	entry->flags = b->local ? LB_BACKEND_LOCAL : 0;
	entry->generation = (uint16_t)b->generation;
	if (b->mac) {
		mac_bytes(b->mac, mac);
		entry->next_hop = lb_next_hop(mac, b->link);
	}
	if (!known)
		index_insert(world->be_index, key_of(addr, family, b->port, b->protocol),
			     lb_handle(b->id, b->generation));
}

void world_add_range(struct world *world, uint32_t frontend_id, const char *text, unsigned length)
{
	struct lb_range4_key key4 = { .prefixlen = 32 + length, .frontend = __builtin_bswap32(frontend_id) };
	struct lb_range6_key key6 = { .prefixlen = 32 + length, .frontend = __builtin_bswap32(frontend_id) };
	uint8_t addr[16], one = 1;
	int r;

	if (address_bytes(text, addr) == 4) {
		memcpy(&key4.addr, addr, 4);
		r = bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_ranges4), &key4, &one, 0);
	} else {
		memcpy(key6.addr, addr, 16);
		r = bpf_map_update_elem(bpf_map__fd(world->xdp->maps.lb_ranges6), &key6, &one, 0);
	}
	if (r)
		die("range %s/%u: %s", text, length, strerror(errno));
}

/* --- running -------------------------------------------------------------------------------------- */

int world_fd(struct world *world, enum hook hook)
{
	switch (hook) {
	case HOOK_XDP_INGRESS:
		return bpf_program__fd(world->xdp->progs.lb_xdp);
	case HOOK_TC_INGRESS:
		return bpf_program__fd(world->tc->progs.lb_tc_ingress);
	case HOOK_TC_EGRESS:
		return bpf_program__fd(world->tc->progs.lb_tc_egress);
	}
	return -1;
}

static enum action action_of(enum hook hook, uint32_t value)
{
	if (hook == HOOK_XDP_INGRESS)
		return value == XDP_PASS       ? PASS
		       : value == XDP_DROP     ? DROP
		       : value == XDP_TX       ? TX
		       : value == XDP_REDIRECT ? REDIRECT
					       : OTHER;
	return value == (uint32_t)TC_ACT_UNSPEC ? PASS
	       : value == TC_ACT_SHOT		? DROP
	       : value == TC_ACT_REDIRECT	? REDIRECT
						: OTHER;
}

enum action world_run(struct world *world, enum hook hook, const uint8_t *frame, size_t n,
		      uint8_t out[static FRAME_MAX], size_t *ret_n)
{
	struct xdp_md xdp = { .data_end = (uint32_t)n, .ingress_ifindex = WORLD_UPLINK };
	struct __sk_buff skb = { .ifindex = WORLD_UPLINK, .ingress_ifindex = WORLD_UPLINK };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)n, .data_out = out,
		    .data_size_out = FRAME_MAX, .repeat = 1);

	if (n > WORLD_MTU + 14) /* at TC only what GRO put together is so long */
		skb.gso_size = WORLD_MTU - 100;
	opts.ctx_in = hook == HOOK_XDP_INGRESS ? (void *)&xdp : (void *)&skb;
	opts.ctx_size_in = hook == HOOK_XDP_INGRESS ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(world_fd(world, hook), &opts)) {
		*ret_n = 0;
		return OTHER;
	}
	*ret_n = opts.data_size_out;
	return action_of(hook, opts.retval);
}

void world_reasons(struct world *world, uint64_t counts[static LB_REASON_COUNT])
{
	int n = libbpf_num_possible_cpus();
	uint64_t values[1024];

	if (n > 1024)
		die("too many CPUs");
	for (uint32_t i = 0; i < LB_REASON_COUNT; i++) {
		counts[i] = 0;
		if (bpf_map_lookup_elem(bpf_map__fd(world->xdp->maps.lb_drops), &i, values))
			die("lb_drops: %s", strerror(errno));
		for (int cpu = 0; cpu < n; cpu++)
			counts[i] += values[cpu];
	}
}

struct lb_frontend_stats world_stats(struct world *world, uint32_t id)
{
	struct lb_frontend_stats values[1024], sum = { 0 };
	int n = libbpf_num_possible_cpus();

	if (n > 1024 || bpf_map_lookup_elem(bpf_map__fd(world->xdp->maps.lb_fe_stats), &id, values))
		die("lb_fe_stats: %s", strerror(errno));
	for (int cpu = 0; cpu < n; cpu++) {
		sum.packets += values[cpu].packets;
		sum.bytes += values[cpu].bytes;
		sum.drops += values[cpu].drops;
	}
	return sum;
}

struct taken {
	struct lb_event *last;
	size_t n;
};

static int take_event(void *userdata, void *data, size_t size)
{
	struct taken *taken = userdata;

	if (size >= sizeof(*taken->last))
		memcpy(taken->last, data, sizeof(*taken->last));
	taken->n++;
	return 0;
}

size_t world_events(struct world *world, struct lb_event *ret)
{
	struct taken taken = { ret, 0 };
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(world->xdp->maps.lb_events), take_event, &taken, NULL);

	if (!ring)
		die("ring buffer");
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return taken.n;
}

static bool is_live(uint64_t control)
{
	return lb_control_state(control) >= LB_OPEN;
}

size_t world_count4(const struct lb_flow4_bucket *table, uint32_t buckets)
{
	size_t n = 0;

	for (uint32_t b = 0; b < buckets; b++)
		for (int i = 0; i < LB_SLOTS; i++)
			n += is_live(table[b].slot[i].control);
	return n;
}

size_t world_count6(const struct lb_flow6_bucket *table, uint32_t buckets)
{
	size_t n = 0;

	for (uint32_t b = 0; b < buckets; b++)
		for (int i = 0; i < LB_SLOTS; i++)
			n += is_live(table[b].slot[i].control);
	return n;
}
