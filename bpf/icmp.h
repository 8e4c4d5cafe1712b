/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A VIP behaves like a host: it answers pings, resets connections to closed ports, says "port unreachable";
 * and on the way to a backend like a router: it says "too big".
 *
 * Each answer turns the packet round in place and sends it where it came from, to the MAC it came from: that
 * is the router of the client, and asks no table. Answers never go to what could be a forgery's victim many
 * times over: nothing is said about resets, ICMP errors, fragments, or to group, unspecified and loopback
 * addresses. One packet in, one out at most. */
#ifndef FAIRWAY_ICMP_H
#define FAIRWAY_ICMP_H

#include "bpf/rewrite.h"

#define ICMP4_ECHO_REPLY  0
#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO	  8
#define ICMP4_PORT	  3 /* code of unreachable */
#define ICMP6_UNREACHABLE 1
#define ICMP6_ECHO	  128
#define ICMP6_ECHO_REPLY  129
#define ICMP6_PORT	  4
#define ICMP4_TOO_BIG	  4 /* code of unreachable: "fragmentation needed" */
#define ICMP6_TOO_BIG	  2

#define ANSWER_TTL	  64
#define QUOTE_MAX	  160 /* bytes of the packet that an ICMP error repeats; even */

/* SENT: *ret_action is the way out; otherwise the packet is dropped. */
enum answer { ANSWER_NONE, ANSWER_SENT, ANSWER_FAILED };

lb_inline bool address_answerable(const __u64 addr[2], const bool v6)
{
	const __u8 *bytes = (const __u8 *)addr;

	if (v6)
		return bytes[0] != 0xff && (addr[0] || addr[1] & bpf_cpu_to_be64(~1ull));
	return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224;
}

/* May this sender be answered at all? */
lb_inline bool answerable(hook_ctx *ctx, const struct packet *packet, const bool v6)
{
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return false;
	return !(eth->dst[0] & 1) && !(eth->src[0] & 1) && address_answerable(packet->src, v6);
}

/* Fresh Ethernet and IP headers for an answer from the packet's destination to its source. `payload`: bytes
 * behind IP. */
lb_inline int answer_headers(hook_ctx *ctx, const struct packet *packet, const struct frame_ether *was,
			     __u8 protocol, __u16 payload, const bool v6)
{
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return -1;
	if (set_macs(ctx, was->src, was->dst))
		return -1;
	eth->type = was->type;
	if (v6) {
		FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
			return -1;
		*(__be32 *)ip6 = bpf_htonl(6u << 28);
		ip6->payload_len = bpf_htons(payload);
		ip6->nexthdr = protocol;
		ip6->hop_limit = ANSWER_TTL;
		__builtin_memcpy(&ip6->saddr, packet->dst, 16);
		__builtin_memcpy(&ip6->daddr, packet->src, 16);
		return 0;
	}
	FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
		return -1;
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = ANSWER_TTL, .protocol = protocol };
	ip->tot_len = bpf_htons(sizeof(*ip) + payload);
	ip->frag_off = bpf_htons(0x4000);
	ip->saddr = (__be32)packet->dst[0];
	ip->daddr = (__be32)packet->src[0];
	__u64 sum = 0;
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += ((__u32 *)ip)[i];
	ip->check = (__sum16)~sum_fold(sum);
	return 0;
}

/* The pseudo-header's part of a sum: the same for both directions. */
lb_inline __u64 pseudo_sum(const struct packet *packet, __u8 protocol, __u16 length)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 2; i++)
		sum += (packet->src[i] & 0xffffffff) + (packet->src[i] >> 32) +
		       (packet->dst[i] & 0xffffffff) + (packet->dst[i] >> 32);
	return sum + bpf_htons(length) + bpf_htons(protocol);
}

/* --- ping ----------------------------------------------------------------------------------------- */

lb_inline enum answer answer_echo(hook_ctx *ctx, const struct packet *packet, int *ret_action, const bool v6)
{
	const __u8 reply = v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;
	struct rewrite to = { .src = { packet->dst[0], packet->dst[1] },
			      .dst = { packet->src[0], packet->src[1] } };
	struct frame_ether was;

	FRAME_AT (ctx, packet_l4(packet), struct icmp_header, icmp)
		return ANSWER_NONE;
	if (icmp->type != (v6 ? ICMP6_ECHO : ICMP4_ECHO) || icmp->code || !answerable(ctx, packet, v6))
		return ANSWER_NONE;
	icmp->checksum = sum_replace(icmp->checksum, sum_change16(icmp->type, reply));
	icmp->type = reply;
	if (v6) {
		FRAME_AT (ctx, PACKET_L3, struct ipv6hdr, ip6)
			return ANSWER_FAILED;
		ip6->hop_limit = ANSWER_TTL;
		rewrite_ip6(ctx, &to, REWRITE_SRC | REWRITE_DST);
	} else {
		FRAME_AT (ctx, PACKET_L3, struct iphdr, ip)
			return ANSWER_FAILED;
		ip->check = sum_replace(ip->check, sum_change16(ip->ttl, ANSWER_TTL));
		ip->ttl = ANSWER_TTL;
		rewrite_ip4(ctx, packet, &to, REWRITE_SRC | REWRITE_DST);
	}
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return ANSWER_FAILED;
	was = *eth;
	if (set_macs(ctx, was.src, was.dst))
		return ANSWER_FAILED;
	*ret_action = hook_send(ctx, hook_ifindex(ctx));
	return ANSWER_SENT;
}

/* --- RST ------------------------------------------------------------------------------------------ */

/* RFC 9293, 3.10.7.1: with the sender's own acknowledgment number, or acknowledging all that it sent. */
lb_inline struct tcphdr reset_header(const struct packet *packet, const struct tcphdr *tcp)
{
	__u32 length = packet->length + PACKET_L3 - packet->l4 - tcp->doff * 4 + tcp->syn + tcp->fin;
	struct tcphdr reset = { .source = tcp->dest, .dest = tcp->source, .doff = 5, .rst = 1 };

	if (tcp->ack) {
		reset.seq = tcp->ack_seq;
	} else {
		reset.ack = 1;
		reset.ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + length);
	}
	return reset;
}

lb_inline enum answer answer_reset(hook_ctx *ctx, const struct packet *packet, int *ret_action, const bool v6)
{
	const __u32 l4 = PACKET_L3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct tcphdr reset;
	bool partial;
	struct frame_ether was;
	__u64 sum;

	if (packet->tcp_flags & TCP_RST)
		return ANSWER_NONE;
	partial = hook_sum_is_partial(ctx, packet_l4(packet) + offsetof(struct tcphdr, check));
	if (partial && packet->l4 != l4)
		return ANSWER_NONE;
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return ANSWER_NONE;
	FRAME_AT (ctx, packet_l4(packet), struct tcphdr, tcp)
		return ANSWER_NONE;
	was = *eth;
	reset = reset_header(packet, tcp);
	sum = pseudo_sum(packet, IPPROTO_TCP, sizeof(reset));
	if (partial) { /* the device adds the header to what stands there */
		reset.check = (__sum16)sum_fold(sum);
	} else {
#pragma unroll
		for (int i = 0; i < 5; i++)
			sum += ((__u32 *)&reset)[i];
		reset.check = (__sum16)~sum_fold(sum);
	}
	if (hook_resize(ctx, 0, l4 + sizeof(reset)) ||
	    answer_headers(ctx, packet, &was, IPPROTO_TCP, sizeof(reset), v6))
		return ANSWER_FAILED;
	FRAME_AT (ctx, l4, struct tcphdr, answer)
		return ANSWER_FAILED;
	*answer = reset;
	*ret_action = hook_send(ctx, hook_ifindex(ctx));
	return ANSWER_SENT;
}

/* --- unreachable, too big ------------------------------------------------------------------------- */

lb_inline __u64 quote_sum(hook_ctx *ctx, __u32 at)
{
	__u64 sum = 0;

	for (int i = 0; i < QUOTE_MAX / 2; i++, at += 2) {
		FRAME_AT (ctx, at, __u16, word)
			break;
		sum += *word;
	}
	return sum;
}

/* An ICMP error about the packet, which moves back to make room and is cut to what is quoted. */
lb_inline enum answer answer_error(hook_ctx *ctx, const struct packet *packet, struct icmp_header header,
				   int *ret_action, const bool v6)
{
	const __u32 sum_at = packet->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check)
							     : offsetof(struct udphdr, check);
	const __u32 l4 = PACKET_L3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	const __u32 grow = l4 - PACKET_L3 + sizeof(struct icmp_header);
	const __u8 protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	__u32 quote = packet->length < QUOTE_MAX ? packet->length & ~1u : QUOTE_MAX;
	__u16 payload = (__u16)(sizeof(header) + quote);
	struct frame_ether was;
	__u64 sum;

	if (hook_sum_is_partial(ctx, packet_l4(packet) + sum_at))
		return ANSWER_NONE; /* the device would write into the quote, behind our sum */
	FRAME_AT (ctx, 0, struct frame_ether, eth)
		return ANSWER_NONE;
	was = *eth;
	if (hook_resize(ctx, grow, PACKET_L3 + grow + quote) ||
	    answer_headers(ctx, packet, &was, protocol, payload, v6))
		return ANSWER_FAILED;
	FRAME_AT (ctx, l4, struct icmp_header, icmp)
		return ANSWER_FAILED;
	*icmp = header;
	sum = quote_sum(ctx, l4 + sizeof(header)) + (header.type | header.code << 8) + header.rest;
	if (v6)
		sum += pseudo_sum(packet, protocol, payload);
	FRAME_AT (ctx, l4, struct icmp_header, again)
		return ANSWER_FAILED;
	again->checksum = (__sum16)~sum_fold(sum);
	*ret_action = hook_send(ctx, hook_ifindex(ctx));
	return ANSWER_SENT;
}

lb_inline enum answer answer_unreachable(hook_ctx *ctx, const struct packet *packet, int *ret_action,
					 const bool v6)
{
	struct icmp_header header = {
		.type = v6 ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE,
		.code = v6 ? ICMP6_PORT : ICMP4_PORT,
	};

	return answer_error(ctx, packet, header, ret_action, v6);
}

/* The next link takes no more than `mtu` bytes. Said also to who did not ask (DF): fragments would not pass
 * either. */
lb_inline enum answer answer_too_big(hook_ctx *ctx, const struct packet *packet, __u32 mtu, int *ret_action,
				     const bool v6)
{
	struct icmp_header header = {
		.type = v6 ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE,
		.code = v6 ? 0 : ICMP4_TOO_BIG,
		.rest = bpf_htonl(mtu),
	};

	if (packet->kind != PACKET_PORTS || !answerable(ctx, packet, v6))
		return ANSWER_NONE;
	return answer_error(ctx, packet, header, ret_action, v6);
}

/* A port that nobody serves. */
lb_inline enum answer answer_refuse(hook_ctx *ctx, const struct packet *packet, int *ret_action,
				    const bool v6)
{
	if (packet->kind != PACKET_PORTS || !answerable(ctx, packet, v6))
		return ANSWER_NONE;
	return packet->protocol == IPPROTO_TCP ? answer_reset(ctx, packet, ret_action, v6)
					       : answer_unreachable(ctx, packet, ret_action, v6);
}

#endif
