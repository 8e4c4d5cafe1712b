// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Flow after flow through the data path without a system call in between, each one's backend verified.
 *
 * A test run repeats a program on one frame and never restores it: so each repeat first looks at what became
 * of the last packet, then writes the next one over it and tail-calls the program under test. Checksums are
 * not looked at. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lb_abi.h"
#include "tests/packet/hammer.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HAMMER_THREADS);
	__type(key, __u32);
	__type(value, struct hammer);
} hammers SEC(".maps");

/* One for each type of program: a map of programs holds one. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_xdp SEC(".maps"), next_tc SEC(".maps");

/* Flow n: client port 1024 + n % 32768, client address 100.64.0.0 (or fd64::) + n / 32768. */
static __always_inline __be16 flow_port(__u32 n)
{
	return bpf_htons((__u16)(1024 + (n & 32767)));
}

static __always_inline __be32 flow_address(__u32 n)
{
	return bpf_htonl(0x64400000u + (n >> 15));
}

static __always_inline __u32 expected_backend(__u32 n, bool v6)
{
	struct {
		__u64 words[2];
	} client = { { 0 } };
	__u64 folded;
	__u32 hash;

	if (v6) {
		client.words[0] = bpf_cpu_to_be64(0xfd64ull << 48);
		client.words[1] = (__u64)flow_address(n) << 32;
		folded = lb_fold6(client.words[0], client.words[1]);
	} else {
		folded = flow_address(n);
	}
	hash = lb_maglev_hash(folded, flow_port(n), bpf_htons(HAMMER_VIP_PORT), 6, 0);
	return lb_maglev_slot(hash, HAMMER_SLOTS) + 1;
}

static __always_inline void verify(struct hammer *h, const __u8 *frame)
{
	__u8 host = h->v6 ? frame[53] : frame[33];	      /* last byte of the destination */
	const __u8 *subnet = h->v6 ? frame + 38 : frame + 30; /* its first bytes */
	__be16 sport = *(__be16 *)(h->v6 ? frame + 54 : frame + 34);
	__be16 dport = *(__be16 *)(h->v6 ? frame + 56 : frame + 36);
	__u32 n = h->last + h->first;

	if (dport == bpf_htons(HAMMER_VIP_PORT)) {
		h->lost++;
	} else if (subnet[0] == (h->v6 ? 0xfd : 10) && host == expected_backend(n, h->v6) &&
		   sport == flow_port(n) && dport == bpf_htons(HAMMER_POD_PORT)) {
		h->good++;
	} else {
		h->wrong++;
		h->wrong_flow = n;
		h->wrong_addr = host;
	}
}

static __always_inline void write_frame(const struct hammer *h, __u8 *frame, __u32 n)
{
	__builtin_memset(frame, 0, HAMMER_FRAME);
	frame[5] = 2;
	frame[11] = 1;
	if (h->v6) {
		*(__be16 *)(frame + 12) = bpf_htons(0x86dd);
		frame[14] = 0x60;
		frame[19] = 20; /* payload */
		frame[20] = 6;
		frame[21] = 64;
		*(__be16 *)(frame + 22) = bpf_htons(0xfd64);
		*(__be32 *)(frame + 34) = flow_address(n);
		*(__be32 *)(frame + 38) = bpf_htonl(0x20010db8);
		frame[53] = 1;
		frame += 20;
	} else {
		*(__be16 *)(frame + 12) = bpf_htons(0x0800);
		frame[14] = 0x45;
		frame[17] = 40;
		frame[22] = 64;
		frame[23] = 6;
		*(__be32 *)(frame + 26) = flow_address(n);
		*(__be32 *)(frame + 30) = bpf_htonl(0xc0000201);
	}
	*(__be16 *)(frame + 34) = flow_port(n);
	*(__be16 *)(frame + 36) = bpf_htons(HAMMER_VIP_PORT);
	frame[46] = 0x50;
	frame[47] = 0x10;
}

static __always_inline void turn(__u32 thread, void *data, void *end)
{
	struct hammer *h = bpf_map_lookup_elem(&hammers, &thread);

	if (!h || data + HAMMER_FRAME > end)
		return;
	if (h->last < h->flows)
		verify(h, data);
	h->last = h->next;
	h->next += h->stride;
	if (h->next >= h->flows)
		h->next -= h->flows;
	write_frame(h, data, h->last + h->first);
}

SEC("xdp")
int hammer_xdp(struct xdp_md *ctx)
{
	turn(0, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_tail_call(ctx, &next_xdp, 0);
	return XDP_ABORTED;
}

/* Threads 1 and 2: each has its own struct. */
SEC("xdp")
int hammer_xdp_second(struct xdp_md *ctx)
{
	turn(1, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_tail_call(ctx, &next_xdp, 0);
	return XDP_ABORTED;
}

SEC("tc")
int hammer_tc(struct __sk_buff *ctx)
{
	turn(2, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_tail_call(ctx, &next_tc, 0);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
