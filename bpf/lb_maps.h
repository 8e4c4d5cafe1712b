/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Every map of the data path: who writes, who reads. All are pinned by user space under their own names in
 * PIN_DIR/v<LB_ABI_VERSION>/ (not by libbpf's pinning attribute: the directory is an option) and adopted by the next agent
 * with bpf_map__reuse_fd() before load. BPF programs only.
 *
 * Sizes: max_entries here are the defaults; user space may set others before load (bpf_map__set_max_entries). Tables of
 * buckets must have a power of two of them, and the masks in rodata (`lb_config`) must say that number - 1,
 * of the map that is really used, also of an adopted one. With an index, at most half of its slots may be filled.
 *
 * Two objects, the same maps in both: lb_xdp.bpf.o (skeleton build/bpf/lb_xdp.skel.h, struct lb_xdp_bpf) and lb_tc.bpf.o
 * (lb_tc.skel.h, struct lb_tc_bpf). Load either or both; the second one takes the maps of the first by reuse_fd, and both
 * get the same lb_config. Programs:
 *   lb_xdp         SEC("xdp")  uplinks, native mode; user space may set BPF_F_XDP_HAS_FRAGS before load (large MTUs)
 *   lb_tc_ingress  SEC("tc")   uplinks where XDP can't: all that lb_xdp does
 *   lb_tc_egress   SEC("tc")   every uplink, with either: replies of local backends get their VIP back
 * TC programs return TC_ACT_UNSPEC for what is not ours, so that other programs on the hook go on. VLAN-tagged frames are
 * not ours: attach to the VLAN device.
 *
 *   map             type           written by        read by     mmap  entries
 *   lb_settings     array          agent             programs    yes   1
 *   lb_vip_filter   array of u64   agent             programs    yes   LB_FILTER_WORDS
 *   lb_fe_index     array          agent             programs    yes   buckets: frontends / 2
 *   lb_be_index     array          agent             programs    yes   buckets: backends / 2
 *   lb_vips         hash           agent             programs    no    frontends
 *   lb_frontends    array          agent             programs    yes   frontends
 *   lb_ranges4|6    LPM trie       agent             programs    no    not preallocated
 *   lb_maglev       array          agent             programs    yes   slots / LB_MAGLEV_LINE
 *   lb_backends     array          agent; WANTED by programs     yes   backends
 *   lb_links        array          agent             programs    yes   LB_MAX_LINKS
 *   lb_flows4|6     array          programs; freed by the agent  yes   buckets
 *   lb_replies4|6   array          programs; freed by the agent  yes   buckets (of lb_flows' number)
 *   lb_locks        array of u32   programs          programs    no    LB_LOCKS
 *   lb_snat_next    array of u32   programs          programs    no    backends
 *   lb_fe_stats     per-CPU array  programs          agent       no    frontends
 *   lb_drops        per-CPU array  programs          agent       no    LB_MAX_REASONS (u64)
 *   lb_events       ring buffer    programs          agent       -     64 KiB
 */
#ifndef FAIRWAY_LB_MAPS_H
#define FAIRWAY_LB_MAPS_H

#include "bpf/lb_abi.h"

#define LB_MAP(name, map_type, flags, key_type, value_type, entries)                                                   \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")

#define LB_MEMORY(name, value_type, entries)                                                                           \
	LB_MAP(name, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, __u32, value_type, entries)

LB_MEMORY(lb_settings, struct lb_settings, 1);
LB_MEMORY(lb_vip_filter, __u64, LB_FILTER_WORDS);
LB_MEMORY(lb_fe_index, struct lb_index_bucket, LB_DEFAULT_FRONTENDS / 2);
LB_MEMORY(lb_be_index, struct lb_index_bucket, LB_DEFAULT_BACKENDS / 2);
LB_MAP(lb_vips, BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct lb_vip_key, struct lb_vip, LB_DEFAULT_FRONTENDS);
LB_MEMORY(lb_frontends, struct lb_frontend, LB_DEFAULT_FRONTENDS);
LB_MAP(lb_ranges4, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct lb_range4_key, __u8, 1 << 20);
LB_MAP(lb_ranges6, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct lb_range6_key, __u8, 1 << 20);
LB_MEMORY(lb_maglev, struct lb_maglev_line, LB_DEFAULT_MAGLEV_SLOTS / LB_MAGLEV_LINE);
LB_MEMORY(lb_backends, struct lb_backend, LB_DEFAULT_BACKENDS);
LB_MEMORY(lb_links, struct lb_link, LB_MAX_LINKS);
LB_MEMORY(lb_flows4, struct lb_flow4_bucket, LB_DEFAULT_FLOW4_BUCKETS);
LB_MEMORY(lb_replies4, struct lb_flow4_bucket, LB_DEFAULT_FLOW4_BUCKETS);
LB_MEMORY(lb_flows6, struct lb_flow6_bucket, LB_DEFAULT_FLOW6_BUCKETS);
LB_MEMORY(lb_replies6, struct lb_flow6_bucket, LB_DEFAULT_FLOW6_BUCKETS);
LB_MAP(lb_locks, BPF_MAP_TYPE_ARRAY, 0, __u32, __u32, LB_LOCKS);
LB_MAP(lb_snat_next, BPF_MAP_TYPE_ARRAY, 0, __u32, __u32, LB_DEFAULT_BACKENDS);
LB_MAP(lb_fe_stats, BPF_MAP_TYPE_PERCPU_ARRAY, 0, __u32, struct lb_frontend_stats, LB_DEFAULT_FRONTENDS);
LB_MAP(lb_drops, BPF_MAP_TYPE_PERCPU_ARRAY, 0, __u32, __u64, LB_MAX_REASONS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} lb_events SEC(".maps");

/* Set by user space before load: skel->rodata->lb_config. */
const volatile struct lb_config lb_config = {
	.fe_index_mask = LB_DEFAULT_FRONTENDS / 2 - 1,
	.be_index_mask = LB_DEFAULT_BACKENDS / 2 - 1,
	.flow4_mask = LB_DEFAULT_FLOW4_BUCKETS - 1,
	.flow6_mask = LB_DEFAULT_FLOW6_BUCKETS - 1,
};

#endif
