/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* struct packet, and how it is filled from a frame: first the addresses (enough to tell that a packet is not
 * ours), then what is behind them. Every byte is checked to be there before it is read.
 *
 * Offsets instead of pointers: they outlive the helpers that move a packet. The IP header is at PACKET_L3
 * always (tagged frames are not ours). */
#ifndef FAIRWAY_PACKET_H
#define FAIRWAY_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define PACKET_L3 14
#define PACKET_L4_MAX                                                                                        \
	(PACKET_L3 + 40 + 256) /* below 512, see packet_l4(); longer extension headers are not walked */
#define PACKET_HEADERS	   (PACKET_L4_MAX + 20)
#define PACKET_EXT_HEADERS 6

#define TCP_FIN		   0x01
#define TCP_SYN		   0x02
#define TCP_RST		   0x04
#define TCP_ACK		   0x10

enum packet_kind {
	PACKET_PORTS,	   /* TCP or UDP, its header whole: ports are valid */
	PACKET_ICMP,	   /* ICMP or ICMPv6, 8 bytes at least */
	PACKET_ICMP_ERROR, /* likewise, of a type that quotes a packet */
	PACKET_FRAGMENT,
	PACKET_OTHER,
	PACKET_TOO_DEEP, /* extension headers */
	PACKET_MALFORMED,
};

struct packet {
	__u64 src[2], dst[2]; /* as in memory; IPv4 in the low half of [0] */
	__be16 sport, dport;
	__u16 l4;     /* offset in the frame */
	__u16 length; /* of the IP packet, headers included */
	__u8 protocol;
	__u8 tcp_flags; /* 0 for UDP */
	__u8 kind;	/* enum packet_kind */
	bool v6;
};

struct ext_header {
	__u8 nexthdr, hdrlen;
	__u8 type, segments_left; /* of a routing header */
	__u8 rest[4];
};

/* struct ethhdr is packed, and clang then reads and writes it byte by byte. */
struct frame_ether {
	__u16 dst[3], src[3];
	__be16 type;
};

/* The offset of L4, in a form whose bound the verifier sees: through memory it forgets what 16 bits can hold
 * at most. */
lb_inline __u32 packet_l4(const struct packet *packet)
{
	__u64 at = packet->l4;

	asm volatile("%0 &= 511" : "+r"(at));
	return (__u32)at;
}

#define FRAME_AT(ctx, offset, type, var)                                                                     \
	type *var = hook_data(ctx) + (offset);                                                               \
	if ((void *)(var + 1) > hook_end(ctx))

/* Family from the EtherType: 4, 6, or 0 for what is not ours. */
lb_inline int packet_family(hook_ctx *ctx)
{
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return 0;
	if (hook_tagged(ctx))
		return 0;
	if (eth->type == bpf_htons(ETH_P_IP))
		return 4;
	return eth->type == bpf_htons(ETH_P_IPV6) ? 6 : 0;
}

/* Fills src and dst. -1: too short to have any. */
lb_inline int packet_addresses(hook_ctx *ctx, struct packet *packet, const bool v6)
{
	packet->v6 = v6;
	if (v6) {
		FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
			return -1;
		packet->src[0] = lb_load64(ip6->saddr.in6_u.u6_addr8);
		packet->src[1] = lb_load64(ip6->saddr.in6_u.u6_addr8 + 8);
		packet->dst[0] = lb_load64(ip6->daddr.in6_u.u6_addr8);
		packet->dst[1] = lb_load64(ip6->daddr.in6_u.u6_addr8 + 8);
		return 0;
	}
	FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
		return -1;
	packet->src[0] = ip->saddr;
	packet->dst[0] = ip->daddr;
	packet->src[1] = packet->dst[1] = 0;
	return 0;
}

/* Both families; <linux/icmp.h> would draw in the C library. */
struct icmp_header {
	__u8 type, code;
	__sum16 checksum;
	__u32 rest;
};

/* Unreachable, too big (an unreachable in IPv4), time exceeded, parameter problem. */
lb_inline bool icmp_is_error(__u8 type, const bool v6)
{
	return v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

/* What is at packet->l4: ports, ICMP, or neither. */
lb_inline enum packet_kind packet_transport(hook_ctx *ctx, struct packet *packet)
{
	const __u8 icmp = packet->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	__u32 behind = packet->length + PACKET_L3 - packet->l4;

	packet->tcp_flags = 0;
	if (packet->length + PACKET_L3 < packet->l4)
		return PACKET_MALFORMED;
	if (packet->protocol == IPPROTO_TCP) {
		FRAME_AT (ctx, packet_l4(packet), struct tcphdr, tcp)
			return PACKET_MALFORMED;
		if (behind < sizeof(*tcp) || tcp->doff < 5 || behind < tcp->doff * 4u)
			return PACKET_MALFORMED;
		packet->sport = tcp->source;
		packet->dport = tcp->dest;
		packet->tcp_flags = ((__u8 *)tcp)[13];
		return PACKET_PORTS;
	}
	if (packet->protocol == IPPROTO_UDP) {
		FRAME_AT (ctx, packet_l4(packet), struct udphdr, udp)
			return PACKET_MALFORMED;
		if (behind < sizeof(*udp))
			return PACKET_MALFORMED;
		packet->sport = udp->source;
		packet->dport = udp->dest;
		return PACKET_PORTS;
	}
	if (packet->protocol != icmp)
		return PACKET_OTHER;
	FRAME_AT (ctx, packet_l4(packet), struct icmp_header, header)
		return PACKET_MALFORMED;
	if (behind < sizeof(*header))
		return PACKET_MALFORMED;
	return icmp_is_error(header->type, packet->v6) ? PACKET_ICMP_ERROR : PACKET_ICMP;
}

lb_inline enum packet_kind packet_behind4(hook_ctx *ctx, struct packet *packet)
{
	FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
		return PACKET_MALFORMED;
	packet->protocol = ip->protocol;
	packet->length = bpf_ntohs(ip->tot_len);
	packet->l4 = PACKET_L3 + ip->ihl * 4;
	if (ip->version != 4 || ip->ihl < 5 || !hook_has(ctx, PACKET_L3 + packet->length))
		return PACKET_MALFORMED;
	if (ip->frag_off & bpf_htons(0x3fff))
		return PACKET_FRAGMENT;
	return packet_transport(ctx, packet);
}

lb_inline enum packet_kind packet_extensions(hook_ctx *ctx, struct packet *packet)
{
	__u32 at = packet->l4;

	for (int i = 0; i < PACKET_EXT_HEADERS; i++) {
		switch (packet->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_DSTOPTS:
		case IPPROTO_ROUTING:
			break;
		case IPPROTO_FRAGMENT:
			return PACKET_FRAGMENT;
		default:
			packet->l4 = (__u16)at;
			return packet_transport(ctx, packet);
		}
		packet->l4 = (__u16)at;
		FRAME_AT (ctx, packet_l4(packet), struct ext_header, ext)
			return PACKET_MALFORMED;
		if (packet->protocol == IPPROTO_ROUTING &&
		    ext->segments_left) /* not at its end: dst is not the last */
			return PACKET_TOO_DEEP;
		packet->protocol = ext->nexthdr;
		at += 8 + ext->hdrlen * 8;
		if (at > PACKET_L4_MAX)
			return PACKET_TOO_DEEP;
	}
	return PACKET_TOO_DEEP;
}

lb_inline enum packet_kind packet_behind6(hook_ctx *ctx, struct packet *packet)
{
	FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
		return PACKET_MALFORMED;
	packet->protocol = ip6->nexthdr;
	packet->length = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
	packet->l4 = PACKET_L3 + sizeof(*ip6);
	if (ip6->version != 6 || packet->length < sizeof(*ip6) || !hook_has(ctx, PACKET_L3 + packet->length))
		return PACKET_MALFORMED;
	if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP)
		return packet_transport(ctx, packet);
	return packet_extensions(ctx, packet);
}

/* Everything behind the addresses. */
lb_inline void packet_behind(hook_ctx *ctx, struct packet *packet, const bool v6)
{
	packet->kind = v6 ? packet_behind6(ctx, packet) : packet_behind4(ctx, packet);
}

#endif
