/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the XDP hook gives to the common body: bounds, sums, sizes, ways out. hook_tc.h gives the same names
 * at TC.
 *
 * At XDP a packet is plain memory and its checksums are complete: they are changed inline (RFC 1624). */
#ifndef FAIRWAY_HOOK_XDP_H
#define FAIRWAY_HOOK_XDP_H

#include "bpf/checksum.h"

typedef struct xdp_md hook_ctx;

#define HOOK_PASS XDP_PASS
#define HOOK_DROP XDP_DROP
/* A packet of ours that the stack is to route, after DNAT. */
#define HOOK_UP	    XDP_PASS
#define SEND_FAILED (-100) /* no action */

lb_inline void *hook_data(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

lb_inline void *hook_end(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

lb_inline __u32 hook_ifindex(const hook_ctx *ctx)
{
	return ctx->ingress_ifindex;
}

/* The driver strips no tag before XDP: a tagged frame shows its EtherType. */
lb_inline bool hook_tagged(const hook_ctx *ctx lb_unused)
{
	return false;
}

/* Headers lie in the first buffer, or the packet is one that we leave alone. */
lb_inline void hook_pull(hook_ctx *ctx lb_unused, __u32 length lb_unused)
{
}

/* Is the frame at least `length` long? Counts all buffers; called only when the first one is shorter. */
lb_inline bool hook_has(hook_ctx *ctx, __u32 length)
{
	if (hook_data(ctx) + length <= hook_end(ctx))
		return true;
	return bpf_xdp_get_buff_len(ctx) >= length;
}

/* Takes the change of addresses and of ports into the sum at `offset`. Packet pointers stay valid. A UDP sum
 * of zero over IPv4 means "none" and stays. */
lb_inline int hook_l4_sum(hook_ctx *ctx, __u32 offset, __u64 addresses, __u64 ports, __u8 protocol,
			  const bool v6 lb_unused)
{
	void *data = hook_data(ctx);
	__sum16 *sum = data + offset;

	if ((void *)(sum + 1) > hook_end(ctx))
		return -1;
	if (protocol == IPPROTO_TCP)
		*sum = sum_replace(*sum, addresses + ports);
	else if (*sum)
		*sum = sum_replace(*sum, addresses + ports) ?: 0xffff;
	return 0;
}

/* A sum that a device is still to finish. */
lb_inline bool hook_sum_is_partial(hook_ctx *ctx lb_unused, __u32 offset lb_unused)
{
	return false;
}

/* `grow` new bytes in front, then the frame is cut to `length`. Packet pointers are gone. */
lb_inline int hook_resize(hook_ctx *ctx, int grow, __u32 length)
{
	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return -1;
	return (int)bpf_xdp_adjust_tail(ctx, (int)(length - bpf_xdp_get_buff_len(ctx)));
}

/* Is the packet longer than a link takes? */
lb_inline bool hook_exceeds(const hook_ctx *ctx lb_unused, __u16 length, __u16 mtu)
{
	return mtu && length > mtu;
}

/* The packet's length, as bpf_fib_lookup() holds it against the route's MTU. */
lb_inline __u16 hook_fib_length(__u16 length)
{
	return length;
}

/* What is sent out of another device is lost, unseen. Back to where it came from always works. */
lb_inline bool hook_can_send(const hook_ctx *ctx, const struct lb_settings *set, __u32 ifindex)
{
	bool can = ifindex == ctx->ingress_ifindex;

#pragma unroll
	for (int i = 0; i < LB_XDP_OUT; i++)
		can |= ifindex == set->xdp_out[i];
	return can;
}

lb_inline int hook_send(hook_ctx *ctx, __u32 ifindex)
{
	return ifindex == ctx->ingress_ifindex ? XDP_TX : (int)bpf_redirect(ifindex, 0);
}

/* The route is known, its neighbour is not: XDP cannot wait for one. */
lb_inline int hook_send_unresolved(hook_ctx *ctx lb_unused, __u32 ifindex lb_unused)
{
	return SEND_FAILED;
}

#endif
