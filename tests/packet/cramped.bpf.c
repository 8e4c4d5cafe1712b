// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Hands a frame on with so little room in front of it that an answer with longer headers cannot be made: the
 * kernel then refuses bpf_xdp_adjust_head(), which no ordinary test run brings about. For frames of FRAME
 * bytes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAME 62  /* the shortest UDP over IPv6 */
#define EAT   208 /* of the 256 bytes in front */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("xdp")
int cramped(struct xdp_md *ctx)
{
	__u8 frame[FRAME];

	if (bpf_xdp_load_bytes(ctx, 0, frame, FRAME) || bpf_xdp_adjust_head(ctx, -EAT) ||
	    bpf_xdp_store_bytes(ctx, 0, frame, FRAME) || bpf_xdp_adjust_tail(ctx, -EAT))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
