// SPDX-License-Identifier: Apache-2.0
/* Open, adopt or create, load, pin, map. Two objects share every map: what the first one created is pinned
 * before the second one is loaded, which then adopts it like any other pinned map. */
#include "userspace/datapath/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/lb_abi.h"
#include "bpf/lb_tc.skel.h"
#include "bpf/lb_xdp.skel.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

static const char *const map_names[MAP_COUNT] = {
	[MAP_SETTINGS] = "lb_settings",	  [MAP_VIP_FILTER] = "lb_vip_filter",
	[MAP_FE_INDEX] = "lb_fe_index",	  [MAP_BE_INDEX] = "lb_be_index",
	[MAP_VIPS] = "lb_vips",		  [MAP_FRONTENDS] = "lb_frontends",
	[MAP_RANGES4] = "lb_ranges4",	  [MAP_RANGES6] = "lb_ranges6",
	[MAP_MAGLEV] = "lb_maglev",	  [MAP_BACKENDS] = "lb_backends",
	[MAP_LINKS] = "lb_links",	  [MAP_FLOWS4] = "lb_flows4",
	[MAP_REPLIES4] = "lb_replies4",	  [MAP_FLOWS6] = "lb_flows6",
	[MAP_REPLIES6] = "lb_replies6",	  [MAP_LOCKS] = "lb_locks",
	[MAP_SNAT_NEXT] = "lb_snat_next", [MAP_FE_STATS] = "lb_fe_stats",
	[MAP_DROPS] = "lb_drops",	  [MAP_EVENTS] = "lb_events",
};

/* --- sizes ------------------------------------------------------------------------------------ */

static uint32_t round_up_power_of_two(uint32_t n)
{
	uint32_t power = 2; /* a bucket's mask must be at least 1 */

	while (power < n && power < 1u << 31)
		power <<= 1;
	return power;
}

static uint32_t clamp_ids(uint32_t n)
{
	return n > LB_MAX_IDS ? LB_MAX_IDS : n;
}

struct map_sizes map_sizes_for(uint32_t max_flows, uint32_t max_frontends, uint32_t max_backends,
			       uint32_t max_table_slots)
{
	struct map_sizes sizes = { 0 };
	uint32_t flow_buckets = max_flows ? round_up_power_of_two((max_flows + LB_SLOTS - 1) / LB_SLOTS) : 0;

	/* IPv6 gets half as many, as the defaults do: its slots are twice as large. */
	sizes.entries[MAP_FLOWS4] = sizes.entries[MAP_REPLIES4] = flow_buckets;
	sizes.entries[MAP_FLOWS6] = sizes.entries[MAP_REPLIES6] = round_up_power_of_two(flow_buckets / 2);
	if (!flow_buckets)
		sizes.entries[MAP_FLOWS6] = sizes.entries[MAP_REPLIES6] = 0;
	if (max_frontends) {
		uint32_t n = clamp_ids(max_frontends);

		sizes.entries[MAP_FRONTENDS] = sizes.entries[MAP_VIPS] = sizes.entries[MAP_FE_STATS] = n;
		sizes.entries[MAP_FE_INDEX] = round_up_power_of_two((n + 1) / 2);
	}
	if (max_backends) {
		uint32_t n = clamp_ids(max_backends);

		sizes.entries[MAP_BACKENDS] = sizes.entries[MAP_SNAT_NEXT] = n;
		sizes.entries[MAP_BE_INDEX] = round_up_power_of_two((n + 1) / 2);
	}
	if (max_table_slots)
		sizes.entries[MAP_MAGLEV] = (max_table_slots + LB_MAGLEV_LINE - 1) / LB_MAGLEV_LINE;
	return sizes;
}

/* --- adoption --------------------------------------------------------------------------------- */

static void pinned_path(char path[static PATH_MAX], const struct pins *pins, enum map_id id)
{
	snprintf(path, PATH_MAX, "%s/%s", pins->maps, map_names[id]);
}

static bool is_pinned(const struct pins *pins, enum map_id id)
{
	char path[PATH_MAX];

	pinned_path(path, pins, id);
	return access(path, F_OK) == 0;
}

/* -ENOENT: not pinned. -EPROTO: pinned, with another layout; logged, for only here the difference is known. */
static int map_open_pinned(const struct pins *pins, enum map_id id, const struct bpf_map *ours, int *ret_fd,
			   uint32_t *ret_entries)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	char path[PATH_MAX];
	cleanup(closep) int fd = -1;

	pinned_path(path, pins, id);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	if (info.type != bpf_map__type(ours) || info.key_size != bpf_map__key_size(ours) ||
	    info.value_size != bpf_map__value_size(ours) || info.map_flags != bpf_map__map_flags(ours)) {
		log_error("datapath: %s: pinned map has type %u, key %u, value %u, flags %#x, this program "
			  "needs %u, %u, "
			  "%u, %#x; nothing was changed: run the program that made it, or lbagent --cleanup",
			  path, info.type, info.key_size, info.value_size, info.map_flags,
			  bpf_map__type(ours), bpf_map__key_size(ours), bpf_map__value_size(ours),
			  bpf_map__map_flags(ours));
		return -EPROTO;
	}
	*ret_entries = info.max_entries;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Gives one object its maps before load: pinned ones as they are, the others with the wanted size. */
static int object_prepare(struct bpf_object *object, const struct pins *pins, const struct map_sizes *sizes,
			  struct loaded *loaded)
{
	for (int id = 0; id < MAP_COUNT; id++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[id]);
		cleanup(closep) int fd = -1;
		uint32_t entries;
		int r;

		if (!map)
			continue;
		r = map_open_pinned(pins, id, map, &fd, &entries);
		if (r == 0) {
			if (sizes->entries[id] && sizes->entries[id] != entries && !loaded->maps[id].entries)
				log_info("datapath: %s stays as it is pinned, with %u entries instead of %u",
					 map_names[id], entries, sizes->entries[id]);
			r = bpf_map__reuse_fd(map, fd);
			loaded->maps[id].entries = entries;
		} else if (r == -ENOENT) {
			r = sizes->entries[id] ? bpf_map__set_max_entries(map, sizes->entries[id]) : 0;
			loaded->maps[id].entries = bpf_map__max_entries(map);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int object_pin(struct bpf_object *object, const struct pins *pins)
{
	for (int id = 0; id < MAP_COUNT; id++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[id]);
		char path[PATH_MAX];
		int r;

		if (!map || is_pinned(pins, id))
			continue;
		pinned_path(path, pins, id);
		r = bpf_obj_pin(bpf_map__fd(map), path);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The maps depend on each other's sizes; a set that does not fit together was not made by us. */
static int maps_check(const struct loaded *loaded)
{
	static const struct {
		enum map_id id;
		bool buckets;	   /* a power of two */
		enum map_id equal; /* MAP_COUNT: any */
	} rules[] = {
		{ MAP_FE_INDEX, true, MAP_COUNT },	{ MAP_BE_INDEX, true, MAP_COUNT },
		{ MAP_FLOWS4, true, MAP_REPLIES4 },	{ MAP_FLOWS6, true, MAP_REPLIES6 },
		{ MAP_FRONTENDS, false, MAP_FE_STATS }, { MAP_BACKENDS, false, MAP_SNAT_NEXT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		uint32_t n = loaded->maps[rules[i].id].entries;

		if (n < 2 || (rules[i].buckets && (n & (n - 1)) != 0) ||
		    (rules[i].equal != MAP_COUNT && loaded->maps[rules[i].equal].entries != n)) {
			log_error("datapath: %s has %u entries, which does not fit the other maps: lbagent "
				  "--cleanup "
				  "removes them (flows are lost)",
				  map_names[rules[i].id], n);
			return -EPROTO;
		}
	}
	return 0;
}

/* --- objects ---------------------------------------------------------------------------------- */

static int print_libbpf(enum libbpf_print_level level _unused_, const char *format, va_list arguments)
{
	char text[4096];
	int n = vsnprintf(text, sizeof(text), format, arguments);

	if (n > 0 && n < (int)sizeof(text) && text[n - 1] == '\n')
		text[n - 1] = '\0';
	log_debug("%s", text);
	return n;
}

/* libbpf tells a load failure (the verifier's words) as warnings, and so much else that is no failure for us. */
static int print_load_failures(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level != LIBBPF_WARN)
		return print_libbpf(level, format, arguments);
	return vfprintf(stderr, format, arguments);
}

#define CONFIGURE(skeleton, loaded)                                                                          \
	do {                                                                                                 \
		(skeleton)->rodata->lb_config.fe_index_mask = (loaded)->maps[MAP_FE_INDEX].entries - 1;      \
		(skeleton)->rodata->lb_config.be_index_mask = (loaded)->maps[MAP_BE_INDEX].entries - 1;      \
		(skeleton)->rodata->lb_config.flow4_mask = (loaded)->maps[MAP_FLOWS4].entries - 1;           \
		(skeleton)->rodata->lb_config.flow6_mask = (loaded)->maps[MAP_FLOWS6].entries - 1;           \
		(skeleton)->rodata->lb_config.weak_memory = WEAK_MEMORY;                                     \
	} while (0)

#if defined(__x86_64__)
#define WEAK_MEMORY 0
#else
#define WEAK_MEMORY 1
#endif

/* Frames that fill more than one page (an MTU of 9000) need a program that says it can take them; ours can,
 * on kernels that know the flag (5.18). */
static void allow_frags(struct bpf_program *program)
{
	const struct bpf_insn pass[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
					 { .code = BPF_JMP | BPF_EXIT } };
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	cleanup(closep) int probe =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "probe_frags", "GPL", pass, ARRAY_SIZE(pass), &opts);

	if (probe >= 0)
		bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
}

static int objects_load(const struct pins *pins, const struct map_sizes *sizes, struct loaded *loaded)
{
	int r;

	loaded->xdp = lb_xdp_bpf__open();
	loaded->tc = lb_tc_bpf__open();
	if (!loaded->xdp || !loaded->tc)
		return errno ? -errno : -ENOMEM;
	loaded->adopted = is_pinned(pins, MAP_FLOWS4);
	r = object_prepare(loaded->xdp->obj, pins, sizes, loaded);
	if (r == 0)
		r = maps_check(loaded);
	if (r < 0)
		return r;
	CONFIGURE(loaded->xdp, loaded);
	CONFIGURE(loaded->tc, loaded);
	allow_frags(loaded->xdp->progs.lb_xdp);
	r = lb_xdp_bpf__load(loaded->xdp);
	if (r == 0)
		r = object_pin(loaded->xdp->obj, pins);
	if (r == 0)
		r = object_prepare(loaded->tc->obj, pins, sizes, loaded);
	if (r == 0)
		r = lb_tc_bpf__load(loaded->tc);
	if (r == 0)
		r = object_pin(loaded->tc->obj, pins);
	return r;
}

/* Arrays round their elements up to 8 bytes; all of ours are multiples of 8. */
static int map_memory(struct loaded_map *map, const struct bpf_map *info)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *memory;

	map->fd = bpf_map__fd(info);
	if (!(bpf_map__map_flags(info) & BPF_F_MMAPABLE))
		return 0;
	map->bytes = ((size_t)bpf_map__value_size(info) * map->entries + page - 1) / page * page;
	memory = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	map->memory = memory;
	return 0;
}

static int maps_collect(struct loaded *loaded)
{
	for (int id = 0; id < MAP_COUNT; id++) {
		struct bpf_map *map = bpf_object__find_map_by_name(loaded->xdp->obj, map_names[id]);
		int r;

		if (!map)
			map = bpf_object__find_map_by_name(loaded->tc->obj, map_names[id]);
		r = map ? map_memory(&loaded->maps[id], map) : -ENOENT;
		if (r < 0)
			return r;
	}
	return 0;
}

int loaded_open(const struct pins *pins, const struct map_sizes *sizes, struct loaded *ret)
{
	struct loaded loaded = { 0 };
	int r;

	libbpf_set_print(print_load_failures);
	r = objects_load(pins, sizes, &loaded);
	libbpf_set_print(print_libbpf);
	if (r == 0)
		r = maps_collect(&loaded);
	if (r < 0) {
		loaded_close(&loaded);
		return r;
	}
	loaded.programs = (struct hook_programs){
		.xdp = bpf_program__fd(loaded.xdp->progs.lb_xdp),
		.tc_ingress = bpf_program__fd(loaded.tc->progs.lb_tc_ingress),
		.tc_egress = bpf_program__fd(loaded.tc->progs.lb_tc_egress),
	};
	*ret = loaded;
	return 0;
}

void loaded_close(struct loaded *loaded)
{
	for (int id = 0; id < MAP_COUNT; id++)
		if (loaded->maps[id].memory)
			munmap(loaded->maps[id].memory, loaded->maps[id].bytes);
	lb_xdp_bpf__destroy(loaded->xdp);
	lb_tc_bpf__destroy(loaded->tc);
	*loaded = (struct loaded){ 0 };
}
