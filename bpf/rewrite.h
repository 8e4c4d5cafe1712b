/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Addresses, ports, TTL, MAC and their checksums: DNAT, SNAT and the way back, and where the packet leaves.
 *
 * One body for both directions and families: a struct rewrite says what the addresses and ports are to
 * become. TTL is decremented only where the packet does not go through the stack, which does it itself. */
#ifndef FAIRWAY_REWRITE_H
#define FAIRWAY_REWRITE_H

#include "bpf/select.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

struct rewrite {
	__u64 src[2], dst[2];
	__be16 sport, dport;
};

/* What is to change besides dst and the ports; constants at each place. */
#define REWRITE_SRC 1
#define REWRITE_DST 2
#define REWRITE_TTL 4

/* The IPv4 header: new addresses and TTL, its sum with them. */
lb_inline int rewrite_ip4(hook_ctx *ctx, const struct packet *packet, const struct rewrite *to,
			  const int what)
{
	__u64 change = 0;

	FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
		return -1;
	if (what & REWRITE_SRC) {
		change += sum_change32((__u32)packet->src[0], (__u32)to->src[0]);
		ip->saddr = (__be32)to->src[0];
	}
	if (what & REWRITE_DST) {
		change += sum_change32((__u32)packet->dst[0], (__u32)to->dst[0]);
		ip->daddr = (__be32)to->dst[0];
	}
	if (what & REWRITE_TTL) {
		change += sum_change16(ip->ttl,
				       ip->ttl - 1); /* the low byte of its word as it lies in memory */
		ip->ttl--;
	}
	ip->check = sum_replace(ip->check, change);
	return 0;
}

lb_inline int rewrite_ip6(hook_ctx *ctx, const struct rewrite *to, const int what)
{
	FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
		return -1;
	__u64 *addresses = (void *)&ip6->saddr;

	if (what & REWRITE_SRC) {
		addresses[0] = to->src[0];
		addresses[1] = to->src[1];
	}
	if (what & REWRITE_DST) {
		addresses[2] = to->dst[0];
		addresses[3] = to->dst[1];
	}
	if (what & REWRITE_TTL)
		ip6->hop_limit--;
	return 0;
}

/* By how much the addresses change the sum of the pseudo-header. */
lb_inline __u64 rewrite_address_change(const struct packet *packet, const struct rewrite *to, const int what,
				       const bool v6)
{
	__u64 change = 0;

	if (what & REWRITE_SRC)
		change += v6 ? sum_change64(packet->src[0], to->src[0]) +
					  sum_change64(packet->src[1], to->src[1])
			     : sum_change32((__u32)packet->src[0], (__u32)to->src[0]);
	if (what & REWRITE_DST)
		change += v6 ? sum_change64(packet->dst[0], to->dst[0]) +
					  sum_change64(packet->dst[1], to->dst[1])
			     : sum_change32((__u32)packet->dst[0], (__u32)to->dst[0]);
	return change;
}

/* The whole packet. -1: the frame is not what it was when it was parsed; drop it, it may be half rewritten.
 */
lb_inline int rewrite(hook_ctx *ctx, const struct packet *packet, const struct rewrite *to, const int what,
		      const bool v6)
{
	__u32 old_ports = packet->sport | (__u32)packet->dport << 16;
	__u32 new_ports = to->sport | (__u32)to->dport << 16;
	__u32 sum_at = packet->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check)
						       : offsetof(struct udphdr, check);

	if (v6 ? rewrite_ip6(ctx, to, what) : rewrite_ip4(ctx, packet, to, what))
		return -1;
	if (old_ports != new_ports) {
		FRAME_AT (ctx, packet_l4(packet), __u32, ports)
			return -1;
		*ports = new_ports;
	}
	return hook_l4_sum(ctx, packet_l4(packet) + sum_at, rewrite_address_change(packet, to, what, v6),
			   old_ports != new_ports ? sum_change32(old_ports, new_ports) : 0, packet->protocol,
			   v6);
}

lb_inline __u8 packet_ttl(hook_ctx *ctx, const bool v6)
{
	if (v6) {
		FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
			return 0;
		return ip6->hop_limit;
	}
	FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
		return 0;
	return ip->ttl;
}

/* --- counting ------------------------------------------------------------------------------------- */

lb_inline void count_reason(enum lb_reason reason)
{
	__u32 slot = reason;
	__u64 *count = bpf_map_lookup_elem(&lb_drops, &slot);

	if (count)
		*count += 1;
}

lb_inline struct lb_frontend_stats *frontend_stats(__u32 handle)
{
	__u32 id = lb_handle_id(handle);

	return bpf_map_lookup_elem(&lb_fe_stats, &id);
}

lb_inline void count_forwarded(__u32 handle, const struct packet *packet)
{
	struct lb_frontend_stats *stats = frontend_stats(handle);

	if (stats) {
		stats->packets += 1;
		stats->bytes += packet->length + PACKET_L3;
	}
}

lb_inline void count_dropped(__u32 handle, enum lb_reason reason)
{
	struct lb_frontend_stats *stats = handle == LB_NO_HANDLE ? NULL : frontend_stats(handle);

	if (stats)
		stats->drops += 1;
	count_reason(reason);
}

/* --- ways out ------------------------------------------------------------------------------------- */

lb_inline int set_macs(hook_ctx *ctx, const __u16 *dst, const __u16 *src)
{
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return -1;
	eth->dst[0] = dst[0];
	eth->dst[1] = dst[1];
	eth->dst[2] = dst[2];
	eth->src[0] = src[0];
	eth->src[1] = src[1];
	eth->src[2] = src[2];
	return 0;
}

lb_inline void event_send(__u32 kind, __u32 id, __u32 ifindex, const __u64 *addr, bool v6)
{
	struct lb_event *event = bpf_ringbuf_reserve(&lb_events, sizeof(*event), 0);

	if (!event)
		return;
	*event = (struct lb_event){ .kind = kind, .id = id, .ifindex = ifindex, .family = v6 ? 6 : 4 };
	if (addr) {
		__u64 words[2] = { v6 ? addr[0] : (__u32)addr[0], v6 ? addr[1] : 0 };

		__builtin_memcpy(event->addr, words, 16);
	}
	bpf_ringbuf_submit(event, 0);
}

/* The agent is asked once for each time that it withdraws a next hop. */
lb_inline void next_hop_want(struct lb_backend *backend, __u32 handle, __u64 word)
{
	if (!(word & LB_NEXT_HOP_WANTED) &&
	    __sync_val_compare_and_swap(&backend->next_hop, word, word | LB_NEXT_HOP_WANTED) == word)
		event_send(LB_EVENT_NEXT_HOP, lb_handle_id(handle), 0, NULL, false);
}

/* The link of a backend's next hop with the neighbour's MAC in *ret_mac, or NULL: unknown, and the agent was
 * asked. */
lb_inline struct lb_link *next_hop(const struct selection *selection, __u64 *ret_mac)
{
	struct lb_backend *backend = selection->backend;
	__u64 word = *(volatile __u64 *)&backend->next_hop;
	__u32 index = word >> 48 & (LB_MAX_LINKS - 1);
	struct lb_link *link = bpf_map_lookup_elem(&lb_links, &index);

	if (!(word & LB_NEXT_HOP_VALID) || !link || !link->ifindex) {
		next_hop_want(backend, selection->handle, word);
		return NULL;
	}
	*ret_mac = word;
	return link;
}

/* To the client, along the kernel's own route: the packet already has its final addresses. Costs some 120 ns,
 * for replies of remote backends only; a MAC learned from the forward packet would be cheaper, and wrong as
 * soon as one of two routers fails. A client on this node (a process, a pod behind a bridge) is reached
 * through the stack, whose conntrack has seen it ask. An action, or SEND_FAILED: no route or no neighbour. */
lb_inline int send_by_route(hook_ctx *ctx, const struct lb_settings *set, const __u64 src[2],
			    const __u64 dst[2], __u16 length, const bool v6)
{
	struct bpf_fib_lookup fib = { .ifindex = hook_ifindex(ctx), .tot_len = hook_fib_length(length) };
	long r;

	if (v6) {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, src, 16);
		__builtin_memcpy(fib.ipv6_dst, dst, 16);
	} else {
		fib.family = AF_INET;
		fib.ipv4_src = (__be32)src[0];
		fib.ipv4_dst = (__be32)dst[0];
	}
	r = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (r == BPF_FIB_LKUP_RET_NOT_FWDED)
		return HOOK_UP;
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return SEND_FAILED;
	if (!hook_can_send(ctx, set, fib.ifindex))
		return HOOK_UP;
	if (r == BPF_FIB_LKUP_RET_NO_NEIGH) {
		__u64 addr[2];

		__builtin_memcpy(addr, fib.ipv6_dst, 16);
		event_send(LB_EVENT_NEIGHBOUR, 0, fib.ifindex, addr, fib.family == AF_INET6);
		return hook_send_unresolved(ctx, fib.ifindex);
	}
	if (set_macs(ctx, (__u16 *)fib.dmac, (__u16 *)fib.smac))
		return SEND_FAILED;
	return hook_send(ctx, fib.ifindex);
}

/* --- the three rewrites --------------------------------------------------------------------------- */

/* A backend of this node: DNAT, the stack routes (and takes care of the TTL). */
lb_inline enum lb_reason forward_local(hook_ctx *ctx, const struct packet *packet,
				       const struct selection *selection, const bool v6)
{
	struct rewrite to = { .sport = selection->reply_port, .dport = selection->backend->port };

	to.dst[0] = v6 ? lb_load64(selection->backend->addr) : *(__u32 *)selection->backend->addr;
	to.dst[1] = v6 ? lb_load64(selection->backend->addr + 8) : 0;
	return rewrite(ctx, packet, &to, REWRITE_DST, v6) ? LB_REASON_HELPER : LB_REASON_COUNT;
}

lb_inline void snat_address(const struct lb_settings *set, __u64 to[2], const bool v6)
{
	to[0] = v6 ? lb_load64(set->snat_v6) : set->snat_v4;
	to[1] = v6 ? lb_load64(set->snat_v6 + 8) : 0;
}

/* A backend elsewhere: it sees this node's address, and its reply comes back here. *ret_action: the way out,
 * or for TOO_BIG the MTU. */
lb_inline enum lb_reason forward_remote(hook_ctx *ctx, const struct packet *packet,
					const struct selection *selection, const struct lb_settings *set,
					int *ret_action, const bool v6)
{
	struct rewrite to = { .sport = selection->reply_port, .dport = selection->backend->port };
	struct lb_link *link;
	__u64 mac;

	if (packet_ttl(ctx, v6) <= 1)
		return LB_REASON_TTL;
	link = next_hop(selection, &mac);
	if (!link)
		return LB_REASON_NO_NEXT_HOP;
	if (hook_exceeds(ctx, packet->length, link->mtu)) {
		*ret_action = link->mtu;
		return LB_REASON_TOO_BIG;
	}
	snat_address(set, to.src, v6);
	to.dst[0] = v6 ? lb_load64(selection->backend->addr) : *(__u32 *)selection->backend->addr;
	to.dst[1] = v6 ? lb_load64(selection->backend->addr + 8) : 0;
	if (!to.src[0] && !to.src[1])
		return LB_REASON_NO_SNAT_ADDRESS;
	if (set_macs(ctx, (__u16 *)&mac, (__u16 *)link->mac) ||
	    rewrite(ctx, packet, &to, REWRITE_SRC | REWRITE_DST | REWRITE_TTL, v6))
		return LB_REASON_HELPER;
	*ret_action = hook_send(ctx, link->ifindex);
	return LB_REASON_COUNT;
}

/* Where a backend's packet goes back to: from the VIP, to the client's own port. */
lb_inline void rewrite_reply(const struct reply_selection *selection, struct rewrite *to, const bool v6)
{
	to->src[0] = v6 ? lb_load64(selection->frontend->addr) : *(__u32 *)selection->frontend->addr;
	to->src[1] = v6 ? lb_load64(selection->frontend->addr + 8) : 0;
	to->dst[0] = selection->client[0];
	to->dst[1] = selection->client[1];
	to->sport = selection->frontend->port;
	to->dport = selection->client_port;
}

#endif
