/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* ICMP errors about flows of ours: "too big", "unreachable", "time exceeded" repeat the head of a packet as
 * it looked where the error arose, and whoever sent that packet knows it under other addresses. Without
 * translation path MTU discovery fails behind a VIP, and a closed UDP port of a pod stays silent.
 *
 *   where             the quoted packet      becomes                outer addresses
 *   ingress, to VIP   VIP -> client          pod -> client or node  to the pod (from the node, when remote)
 *   ingress, to node  node -> pod            client -> VIP          to the client (from the VIP, if the pod
 * spoke) egress            client -> pod          client -> VIP          from the VIP, if the pod spoke
 *
 * Each changed byte of the quote enters the ICMP checksum; the quote's own sums are kept right as far as they
 * are there. */
#ifndef FAIRWAY_ICMP_ERROR_H
#define FAIRWAY_ICMP_ERROR_H

#include "bpf/icmp.h"

struct quoted {
	__u64 src[2], dst[2];
	__be16 sport, dport;
	__u32 l3, l4; /* offsets in the frame */
	__u8 protocol;
};

/* What it is to become. The quoted sender is whom the error goes to: one address stands for both. */
struct translation {
	__u64 from[2], to[2]; /* of the packet; `to` is the quoted source too */
	__u64 about[2];	      /* the quoted destination */
	__be16 sport, dport;  /* the quoted ports */
};

/* An offset into the quote, bounded for the verifier like packet_l4(). */
lb_inline __u32 quoted_offset(__u32 offset)
{
	__u64 at = offset;

	asm volatile("%0 &= 511" : "+r"(at));
	return (__u32)at;
}

lb_inline bool quoted_addresses(hook_ctx *ctx, struct quoted *quoted, const bool v6)
{
	if (v6) {
		FRAME_AT (ctx, quoted_offset(quoted->l3), struct ipv6hdr, ip6)
			return false;
		quoted->src[0] = lb_load64(ip6->saddr.in6_u.u6_addr8);
		quoted->src[1] = lb_load64(ip6->saddr.in6_u.u6_addr8 + 8);
		quoted->dst[0] = lb_load64(ip6->daddr.in6_u.u6_addr8);
		quoted->dst[1] = lb_load64(ip6->daddr.in6_u.u6_addr8 + 8);
		quoted->protocol = ip6->nexthdr;
		quoted->l4 = quoted->l3 + sizeof(*ip6);
		return ip6->version == 6;
	}
	FRAME_AT (ctx, quoted_offset(quoted->l3), struct iphdr, ip)
		return false;
	quoted->src[0] = ip->saddr;
	quoted->dst[0] = ip->daddr;
	quoted->protocol = ip->protocol;
	quoted->l4 = quoted->l3 + ip->ihl * 4;
	return ip->version == 4 && ip->ihl >= 5 && !(ip->frag_off & bpf_htons(0x1fff));
}

/* The quoted packet, when it is one of TCP or UDP with its first 8 bytes. */
lb_inline bool quoted_parse(hook_ctx *ctx, const struct packet *packet, struct quoted *quoted, const bool v6)
{
	quoted->l3 = packet->l4 + sizeof(struct icmp_header);
	if (!quoted_addresses(ctx, quoted, v6) || quoted->l4 + 8 > (__u32)packet->length + PACKET_L3)
		return false;
	if (quoted->protocol != IPPROTO_TCP && quoted->protocol != IPPROTO_UDP)
		return false;
	FRAME_AT (ctx, quoted_offset(quoted->l4), struct udphdr, ports)
		return false;
	quoted->sport = ports->source;
	quoted->dport = ports->dest;
	return true;
}

/* The addresses; *ret_change: by how much all that is quoted changed, `addresses`: the pseudo-header's part
 * of it. */
lb_inline int quoted_rewrite_addresses(hook_ctx *ctx, const struct quoted *quoted,
				       const struct translation *t, __u64 addresses, __u64 *ret_change,
				       const bool v6)
{
	__sum16 sum;

	if (v6) {
		FRAME_AT (ctx, quoted_offset(quoted->l3), struct ipv6hdr, ip6)
			return -1;
		__u64 *words = (void *)&ip6->saddr;

		words[0] = t->to[0];
		words[1] = t->to[1];
		words[2] = t->about[0];
		words[3] = t->about[1];
		*ret_change = addresses;
		return 0;
	}
	FRAME_AT (ctx, quoted_offset(quoted->l3), struct iphdr, ip)
		return -1;
	ip->saddr = (__be32)t->to[0];
	ip->daddr = (__be32)t->about[0];
	sum = sum_replace(ip->check, addresses);
	*ret_change = addresses + sum_change16(ip->check, sum);
	ip->check = sum;
	return 0;
}

/* TCP's or UDP's own sum, if the quote reaches that far and there is one. */
lb_inline __u64 quoted_rewrite_sum(hook_ctx *ctx, const struct packet *packet, const struct quoted *quoted,
				   __u64 change)
{
	__u32 at = quoted->l4 + (quoted->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check)
								 : offsetof(struct udphdr, check));
	__sum16 old, new;

	if (at + sizeof(__sum16) > (__u32)packet->length + PACKET_L3)
		return 0;
	FRAME_AT (ctx, quoted_offset(at), __sum16, sum)
		return 0;
	old = *sum;
	if (quoted->protocol == IPPROTO_UDP && !old)
		return 0;
	new = sum_replace(old, change);
	if (quoted->protocol == IPPROTO_UDP && !new)
		new = 0xffff;
	*sum = new;
	return sum_change16(old, new);
}

lb_inline int quoted_rewrite(hook_ctx *ctx, const struct packet *packet, const struct quoted *quoted,
			     const struct translation *t, __u64 *ret_change, const bool v6)
{
	__u32 old_ports = quoted->sport | (__u32)quoted->dport << 16,
	      new_ports = t->sport | (__u32)t->dport << 16;
	__u64 addresses = sum_change64(quoted->src[0], t->to[0]) + sum_change64(quoted->src[1], t->to[1]) +
			  sum_change64(quoted->dst[0], t->about[0]) +
			  sum_change64(quoted->dst[1], t->about[1]);
	__u64 ports = sum_change32(old_ports, new_ports);

	if (quoted_rewrite_addresses(ctx, quoted, t, addresses, ret_change, v6))
		return -1;
	FRAME_AT (ctx, quoted_offset(quoted->l4), __u32, words)
		return -1;
	*words = new_ports;
	*ret_change += ports + quoted_rewrite_sum(ctx, packet, quoted, addresses + ports);
	return 0;
}

/* The whole packet; `what` as in rewrite(). */
lb_inline int icmp_rewrite(hook_ctx *ctx, const struct packet *packet, const struct quoted *quoted,
			   const struct translation *t, const int what, const bool v6)
{
	const struct rewrite outer = { .src = { t->from[0], t->from[1] }, .dst = { t->to[0], t->to[1] } };
	__u64 change;

	if (quoted_rewrite(ctx, packet, quoted, t, &change, v6))
		return -1;
	if (v6 ? rewrite_ip6(ctx, &outer, what) : rewrite_ip4(ctx, packet, &outer, what))
		return -1;
	if (v6)
		change += rewrite_address_change(packet, &outer, what, v6);
	FRAME_AT (ctx, packet_l4(packet), struct icmp_header, icmp)
		return -1;
	icmp->checksum = sum_replace(icmp->checksum, change);
	return 0;
}

lb_inline bool address_equal(const __u64 a[2], const __u64 b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

lb_inline void address_copy(__u64 to[2], const __u64 from[2])
{
	to[0] = from[0];
	to[1] = from[1];
}

lb_inline void backend_address(const struct lb_backend *backend, __u64 to[2], const bool v6)
{
	to[0] = v6 ? lb_load64(backend->addr) : (__u32)lb_load64(backend->addr);
	to[1] = v6 ? lb_load64(backend->addr + 8) : 0;
}

/* --- to a VIP: on to the backend ------------------------------------------------------------------ */

/* The flow whose reply is quoted. */
lb_inline bool quoted_flow(const struct quoted *quoted, const struct lb_settings *set,
			   struct selection *selection, const bool v6)
{
	__u32 frontend = frontend_find(quoted->src, quoted->sport, quoted->protocol, v6);
	struct flow_ref ref = { 0 };
	struct flow_key key;

	if (frontend == LB_NO_HANDLE)
		return false;
	key = flow_key_forward(set->seed, frontend, quoted->dst, quoted->dport, v6);
	if (!flow_find(flow_table(v6), &key, &ref, v6))
		return false;
	selection->handle = lb_control_backend(ref.value);
	selection->backend = backend_entry(selection->handle);
	selection->reply_port = ref.ports >> 16;
	return selection->backend && (selection->backend->generation & 15) == selection->handle >> LB_ID_BITS;
}

lb_inline int icmp_dropped(enum lb_reason reason)
{
	count_reason(reason);
	return HOOK_DROP;
}

lb_inline int icmp_error_to_backend(hook_ctx *ctx, const struct packet *packet, __u32 handle lb_unused,
				    enum lb_reason reason lb_unused, const bool v6)
{
	struct selection selection = { 0 };
	struct lb_settings *set = settings();
	struct translation t = { 0 };
	struct quoted quoted = { 0 };
	struct lb_link *link;
	__u64 mac;

	if (!vip_exists(packet->dst, v6))
		return HOOK_PASS;
	if (!set || !quoted_parse(ctx, packet, &quoted, v6) || !quoted_flow(&quoted, set, &selection, v6))
		return icmp_dropped(LB_REASON_ICMP);
	backend_address(selection.backend, t.to, v6);
	address_copy(t.about, quoted.dst);
	t.sport = selection.backend->port;
	t.dport = selection.reply_port;
	if (selection.backend->flags & LB_BACKEND_LOCAL)
		return icmp_rewrite(ctx, packet, &quoted, &t, REWRITE_DST, v6)
			       ? icmp_dropped(LB_REASON_HELPER)
			       : HOOK_UP;
	if (packet_ttl(ctx, v6) <= 1)
		return icmp_dropped(LB_REASON_TTL);
	link = next_hop(&selection, &mac);
	if (!link)
		return icmp_dropped(LB_REASON_NO_NEXT_HOP);
	snat_address(set, t.from, v6);
	address_copy(t.about, t.from);
	if (set_macs(ctx, (__u16 *)&mac, (__u16 *)link->mac) ||
	    icmp_rewrite(ctx, packet, &quoted, &t, REWRITE_SRC | REWRITE_DST | REWRITE_TTL, v6))
		return icmp_dropped(LB_REASON_HELPER);
	return hook_send(ctx, link->ifindex);
}

/* --- about a packet to a backend: on to the client ------------------------------------------------ */

/* The client whose packet is quoted. `snat`: the backend saw the node's address. */
lb_inline bool quoted_reply(const struct quoted *quoted, const struct lb_settings *set, bool snat,
			    struct reply_selection *selection, const bool v6)
{
	struct packet reply = {
		/* the way the backend would answer the quoted packet */
		.src = { quoted->dst[0], quoted->dst[1] },
		.dst = { quoted->src[0], quoted->src[1] },
		.sport = quoted->dport,
		.dport = quoted->sport,
		.protocol = quoted->protocol,
		.v6 = v6,
	};

	return select_reply(&reply, set, snat, selection, v6);
}

/* The error's source is hidden only if it is the backend itself. */
lb_inline void translate_to_client(const struct packet *packet, const struct quoted *quoted,
				   const struct reply_selection *selection, struct translation *t,
				   const bool v6)
{
	struct rewrite reply = { 0 };

	rewrite_reply(selection, &reply, v6);
	address_copy(t->from, address_equal(packet->src, quoted->dst) ? reply.src : packet->src);
	address_copy(t->to, reply.dst);
	address_copy(t->about, reply.src);
	t->sport = reply.dport;
	t->dport = reply.sport;
}

/* To the node's address: about a SNATed packet, or none of our business. */
lb_inline int icmp_error_to_client(hook_ctx *ctx, const struct packet *packet, __u32 handle lb_unused,
				   enum lb_reason reason lb_unused, const bool v6)
{
	struct reply_selection selection = { 0 };
	struct lb_settings *set = settings();
	struct translation t = { 0 };
	struct quoted quoted = { 0 };
	int action;

	if (!set || !quoted_parse(ctx, packet, &quoted, v6) || !snat_address_is(set, quoted.src, v6) ||
	    !snat_port_is(set, quoted.sport) || !quoted_reply(&quoted, set, true, &selection, v6))
		return HOOK_PASS;
	if (packet_ttl(ctx, v6) <= 1)
		return icmp_dropped(LB_REASON_TTL);
	translate_to_client(packet, &quoted, &selection, &t, v6);
	if (icmp_rewrite(ctx, packet, &quoted, &t, REWRITE_SRC | REWRITE_DST | REWRITE_TTL, v6))
		return icmp_dropped(LB_REASON_HELPER);
	action = send_by_route(ctx, set, t.from, t.to, packet->length, v6);
	return action != SEND_FAILED ? action : icmp_dropped(LB_REASON_NO_NEXT_HOP);
}

/* Of those, what ends a client's connect() at once: its pod is gone, or the pod's network. */
lb_inline bool icmp_refuses(hook_ctx *ctx, const struct packet *packet, const struct quoted *quoted,
			    const bool v6)
{
	FRAME_AT (ctx, packet_l4(packet), struct icmp_header, icmp)
		return false;
	if (quoted->protocol != IPPROTO_TCP)
		return false;
	return v6 ? icmp->type == ICMP6_UNREACHABLE
		  : icmp->type == ICMP4_UNREACHABLE && icmp->code != ICMP4_TOO_BIG;
}

/* Leaving by an uplink: a local pod's error, or the node's about a packet that it could not deliver. */
lb_inline int icmp_error_leaving(hook_ctx *ctx, const struct packet *packet, __u32 handle lb_unused,
				 enum lb_reason reason lb_unused, const bool v6)
{
	struct reply_selection selection = { 0 };
	struct lb_settings *set = settings();
	struct translation t = { 0 };
	struct quoted quoted = { 0 };

	if (!set || !quoted_parse(ctx, packet, &quoted, v6) || !address_equal(quoted.src, packet->dst) ||
	    !quoted_reply(&quoted, set, false, &selection, v6))
		return HOOK_PASS;
	if (icmp_refuses(ctx, packet, &quoted, v6) && refusal_is_kept(&selection, v6))
		return icmp_dropped(LB_REASON_REFUSED_LEAVING);
	translate_to_client(packet, &quoted, &selection, &t, v6);
	return icmp_rewrite(ctx, packet, &quoted, &t, REWRITE_SRC, v6) ? icmp_dropped(LB_REASON_HELPER)
								       : HOOK_PASS;
}

#endif
