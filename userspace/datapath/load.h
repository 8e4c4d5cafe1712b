/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF objects (EDGE): opened, given the maps that are pinned (or new ones, which are pinned then),
 * loaded.
 *
 * A pinned map is adopted with the size it has, whatever the options say: flows and entries in it are worth
 * more than a limit. One whose layout is not ours is never touched: -EPROTO. */
#ifndef FAIRWAY_DATAPATH_LOAD_H
#define FAIRWAY_DATAPATH_LOAD_H

#include <stdint.h>

#include "userspace/datapath/attach.h"
#include "userspace/datapath/pins.h"

enum map_id { /* in the order of lb_maps.h */
	      MAP_SETTINGS,
	      MAP_VIP_FILTER,
	      MAP_FE_INDEX,
	      MAP_BE_INDEX,
	      MAP_VIPS,
	      MAP_FRONTENDS,
	      MAP_RANGES4,
	      MAP_RANGES6,
	      MAP_MAGLEV,
	      MAP_BACKENDS,
	      MAP_LINKS,
	      MAP_FLOWS4,
	      MAP_REPLIES4,
	      MAP_FLOWS6,
	      MAP_REPLIES6,
	      MAP_LOCKS,
	      MAP_SNAT_NEXT,
	      MAP_FE_STATS,
	      MAP_DROPS,
	      MAP_EVENTS,
	      MAP_COUNT
};

struct loaded_map {
	int fd; /* borrowed from the object */
	uint32_t entries;
	void *memory; /* of mappable ones: the whole array; else NULL */
	size_t bytes;
};

struct loaded {
	struct lb_xdp_bpf *xdp;
	struct lb_tc_bpf *tc;
	struct hook_programs programs;
	struct loaded_map maps[MAP_COUNT];
	bool adopted; /* the flow tables were there already */
};

/* How many entries each map gets if it is new; 0 in options means the default. */
struct map_sizes {
	uint32_t entries[MAP_COUNT]; /* 0: what the object says */
};
struct map_sizes map_sizes_for(uint32_t max_flows, uint32_t max_frontends, uint32_t max_backends,
			       uint32_t max_table_slots);

int loaded_open(const struct pins *, const struct map_sizes *, struct loaded *ret);
void loaded_close(struct loaded *); /* what is pinned stays; accepts a zeroed one */

#endif
