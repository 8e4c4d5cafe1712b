/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The yardstick's tables, as the program reads them and bench/xdp_cost fills them. */
#ifndef FAIRWAY_BENCH_YARDSTICK_H
#define FAIRWAY_BENCH_YARDSTICK_H

#include <linux/types.h>

#define YARDSTICK_RING	       65537
#define YARDSTICK_SERVICES     16
#define YARDSTICK_BUCKET_BITS  19 /* x 4 slots of 32 bytes: 2M flows, 64 MB */
#define YARDSTICK_SERVICE_MASK 16383

struct yardstick_service {
	__u32 address;
	__u16 port;
	__u8 protocol, used;
	__u32 id, unused;
};

struct yardstick_service_bucket {
	struct yardstick_service slots[4];
};

struct yardstick_backend {
	__u32 address;
	__u16 port;
	__u8 target_mac[6], source_mac[6];
	__u16 flags;
	__u32 unused;
};

struct yardstick_flow {
	__u64 addresses, ports; /* 0 in ports: free */
	__u32 unused, seen;
	__u16 backend, service;
	__u32 flags;
};

struct yardstick_flow_bucket {
	struct yardstick_flow slots[4];
};

struct yardstick_counter {
	__u64 packets, bytes;
};

static inline __u64 yardstick_mix(__u64 a, __u64 b)
{
	__u64 hash = a * 0x9E3779B97F4A7C15ull ^ b * 0xC2B2AE3D27D4EB4Full;

	hash ^= hash >> 32;
	hash *= 0xD6E8FEB86659FD93ull;
	return hash ^ hash >> 29;
}

static inline __u32 yardstick_bucket(__u32 address, __u16 port_be, __u8 protocol)
{
	return yardstick_mix((__u64)address << 32 | port_be, protocol) & YARDSTICK_SERVICE_MASK;
}

/* The first eight bytes of a service's slot. */
static inline __u64 yardstick_key(__u32 address, __u16 port_be, __u8 protocol)
{
	return (__u64)address | (__u64)port_be << 32 | (__u64)protocol << 48 | 1ull << 56;
}

#endif
