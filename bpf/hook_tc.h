/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the TC hooks give to the common body, under the names of hook_xdp.h.
 *
 * At TC the sum of a packet may be partial (a local sender leaves the rest to the device) or known to the
 * kernel as a whole (CHECKSUM_COMPLETE), and neither can be seen here: the sums of TCP and UDP go only
 * through bpf_l4_csum_replace(), addresses with the pseudo-header flag, ports without. Header sums of IPv4
 * and those of ICMP are always complete. */
#ifndef FAIRWAY_HOOK_TC_H
#define FAIRWAY_HOOK_TC_H

#include "bpf/checksum.h"

typedef struct __sk_buff hook_ctx;

#define HOOK_PASS   TC_ACT_UNSPEC /* other programs on this hook go on */
#define HOOK_DROP   TC_ACT_SHOT
#define HOOK_UP	    TC_ACT_UNSPEC
#define SEND_FAILED (-100) /* no action */

#ifndef BPF_F_IPV6 /* headers before 6.16 */
#define BPF_F_IPV6 (1ULL << 7)
#endif

/* Loads that the compiler can neither move nor turn into an access relative to a changed ctx, which is
 * refused. */
lb_inline void *hook_data(const hook_ctx *ctx)
{
	void *data;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(data) : "r"(ctx), "i"(offsetof(hook_ctx, data)));
	return data;
}

lb_inline void *hook_end(const hook_ctx *ctx)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(end) : "r"(ctx), "i"(offsetof(hook_ctx, data_end)));
	return end;
}

lb_inline __u32 hook_ifindex(const hook_ctx *ctx)
{
	return ctx->ifindex;
}

lb_inline bool hook_tagged(const hook_ctx *ctx)
{
	return ctx->vlan_present;
}

/* Makes the first `length` bytes directly readable if they are not (or all, of a shorter frame). */
lb_inline void hook_pull(hook_ctx *ctx, __u32 length)
{
	if (hook_data(ctx) + length > hook_end(ctx) && ctx->len > (__u32)(hook_end(ctx) - hook_data(ctx)))
		bpf_skb_pull_data(ctx, ctx->len < length ? ctx->len : length);
}

lb_inline bool hook_has(hook_ctx *ctx, __u32 length)
{
	return ctx->len >= length;
}

lb_inline int hook_l4_sum(hook_ctx *ctx, __u32 offset, __u64 addresses, __u64 ports, __u8 protocol,
			  const bool v6)
{
	__u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 change = sum_fold32(addresses);
	int r = 0;

	if (ports)
		r = bpf_l4_csum_replace(ctx, offset, 0, sum_fold32(ports), flags);
	if (!addresses || r)
		return r;
	if (!v6)
		return bpf_l4_csum_replace(ctx, offset, 0, change, flags | BPF_F_PSEUDO_HDR);
	/* The kernel takes the change into skb->csum too, for in IPv4 the header sum makes up for it. In IPv6
	 * nothing does. 6.16 has a flag; before, put it back. Drop the second half once 6.16 is the minimum.
	 */
	r = bpf_l4_csum_replace(ctx, offset, 0, change, flags | BPF_F_PSEUDO_HDR | BPF_F_IPV6);
	if (r != -22 /* EINVAL */)
		return r;
	r = bpf_l4_csum_replace(ctx, offset, 0, change, flags | BPF_F_PSEUDO_HDR);
	bpf_csum_update(ctx, change); /* fails where skb->csum is not in use */
	return r;
}

/* Nothing shows it but the helper, which leaves a partial sum alone when a part behind the pseudo-header
 * changes. */
lb_inline bool hook_sum_is_partial(hook_ctx *ctx, __u32 offset)
{
	__u16 before = 0, after = 0;

	if (bpf_skb_load_bytes(ctx, offset, &before, 2) || bpf_l4_csum_replace(ctx, offset, 0, 1, 0) ||
	    bpf_skb_load_bytes(ctx, offset, &after, 2))
		return true;
	return before == after || bpf_skb_store_bytes(ctx, offset, &before, 2, 0);
}

/* Cutting first: a GSO packet becomes an ordinary one, and room can be made in it. */
lb_inline int hook_resize(hook_ctx *ctx, int grow, __u32 length)
{
	if (ctx->len != length - grow && bpf_skb_change_tail(ctx, length - grow, 0))
		return -1;
	if (grow && bpf_skb_change_head(ctx, grow, 0))
		return -1;
	return 0;
}

/* What GRO put together leaves in segments, as long as they came. */
lb_inline bool hook_exceeds(const hook_ctx *ctx, __u16 length, __u16 mtu)
{
	return mtu && length > mtu && !ctx->gso_size;
}

/* 0: the kernel looks at the skb instead. What GRO put together is longer than any MTU, and leaves in
 * segments. */
lb_inline __u16 hook_fib_length(__u16 length lb_unused)
{
	return 0;
}

lb_inline bool hook_can_send(const hook_ctx *ctx lb_unused, const struct lb_settings *set lb_unused,
			     __u32 ifindex lb_unused)
{
	return true;
}

lb_inline int hook_send(hook_ctx *ctx lb_unused, __u32 ifindex)
{
	return (int)bpf_redirect(ifindex, 0);
}

lb_inline int hook_send_unresolved(hook_ctx *ctx lb_unused, __u32 ifindex)
{
	return (int)bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

#endif
