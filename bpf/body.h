/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What happens to a packet, the same at every hook: lb_ingress() for what comes in on an uplink, lb_egress() for what
 * leaves by one. The programs choose their hook by including hook_xdp.h or hook_tc.h before this. */
#ifndef FAIRWAY_BODY_H
#define FAIRWAY_BODY_H

#include "bpf/icmp.h"

/* The packet goes no further; the sender may learn why. `handle`: whose, or LB_NO_HANDLE. */
lb_inline int refuse(hook_ctx *ctx, const struct packet *packet, __u32 handle, enum lb_reason reason, const bool v6)
{
	int action = HOOK_DROP;

	count_dropped(handle, reason);
	if (reason == LB_REASON_CLOSED_PORT || reason == LB_REASON_NO_ENDPOINTS)
		if (answer_refuse(ctx, packet, &action, v6) == ANSWER_FAILED)
			count_reason(LB_REASON_HELPER);
	return action;
}

/* Global functions too, see flow.h. */
__noinline int refuse4(hook_ctx *ctx, struct packet *packet, __u32 handle, __u32 reason)
{
	return !packet ? HOOK_DROP : refuse(ctx, packet, handle, reason, false);
}

__noinline int refuse6(hook_ctx *ctx, struct packet *packet, __u32 handle, __u32 reason)
{
	return !packet ? HOOK_DROP : refuse(ctx, packet, handle, reason, true);
}

/* Called out of line with a copy: the packet of the fast path then stays in registers. */
lb_inline int refused(hook_ctx *ctx, const struct packet *packet, __u32 handle, enum lb_reason reason, const bool v6)
{
	struct packet copy = *packet;

	return v6 ? refuse6(ctx, &copy, handle, reason) : refuse4(ctx, &copy, handle, reason);
}

/* --- ingress ----------------------------------------------------------------------------------------------------------- */

/* A packet to an address of ours that no frontend serves: as a host would, but never by the host. */
lb_inline int ingress_unserved(hook_ctx *ctx, const struct packet *packet, const bool v6)
{
	int action = HOOK_DROP;

	if (!vip_exists(packet->dst, v6))
		return HOOK_PASS; /* a false positive of the filter, or an address of the node */
	switch ((enum packet_kind)packet->kind) {
	case PACKET_PORTS:
		return refuse(ctx, packet, LB_NO_HANDLE, LB_REASON_CLOSED_PORT, v6);
	case PACKET_ICMP:
		if (answer_echo(ctx, packet, &action, v6) != ANSWER_SENT)
			count_reason(LB_REASON_ICMP);
		return action;
	case PACKET_FRAGMENT:
		count_reason(LB_REASON_FRAGMENT);
		return HOOK_DROP;
	case PACKET_OTHER:
		count_reason(LB_REASON_PROTOCOL);
		return HOOK_DROP;
	case PACKET_TOO_DEEP:
		count_reason(LB_REASON_EXTENSION_HEADERS);
		return HOOK_DROP;
	case PACKET_MALFORMED:
		count_reason(LB_REASON_MALFORMED);
		return HOOK_DROP;
	}
	return HOOK_DROP;
}

__noinline int ingress_unserved4(hook_ctx *ctx, struct packet *packet)
{
	return !packet ? HOOK_DROP : ingress_unserved(ctx, packet, false);
}

__noinline int ingress_unserved6(hook_ctx *ctx, struct packet *packet)
{
	return !packet ? HOOK_DROP : ingress_unserved(ctx, packet, true);
}

/* A remote backend's reply, to the node's address: back to the client, never up. What is no reply of ours goes up. */
lb_inline int ingress_reply(hook_ctx *ctx, const struct packet *packet, const struct lb_settings *set, const bool v6)
{
	struct reply_selection selection = { 0 };
	struct rewrite to = { 0 };
	int action;

	if (!select_reply(packet, set, true, &selection, v6))
		return HOOK_PASS;
	if (packet_ttl(ctx, v6) <= 1) {
		count_reason(LB_REASON_TTL);
		return HOOK_DROP;
	}
	rewrite_reply(&selection, &to, v6);
	if (rewrite(ctx, packet, &to, REWRITE_SRC | REWRITE_DST | REWRITE_TTL, v6)) {
		count_reason(LB_REASON_HELPER);
		return HOOK_DROP;
	}
	action = send_by_route(ctx, &to, packet->length, v6);
	if (action >= 0)
		return action;
	count_reason(LB_REASON_NO_NEXT_HOP);
	return HOOK_DROP;
}

lb_inline int ingress(hook_ctx *ctx, const bool v6)
{
	struct packet packet = { 0 };
	struct selection selection = { 0 };
	struct lb_settings *set;
	enum lb_reason reason;
	int action = HOOK_UP;
	__u32 frontend;

	if (packet_addresses(ctx, &packet, v6) || !vip_filter_hit(packet.dst, v6))
		return HOOK_PASS;
	set = settings();
	if (!set)
		return HOOK_PASS;
	packet_behind(ctx, &packet, v6);
	if (packet.kind == PACKET_PORTS && snat_port_is(set, packet.dport) && snat_address_is(set, packet.dst, v6))
		return ingress_reply(ctx, &packet, set, v6);
	frontend = packet.kind == PACKET_PORTS ? frontend_find(packet.dst, packet.dport, packet.protocol, v6) : LB_NO_HANDLE;
	if (frontend == LB_NO_HANDLE) {
		struct packet copy = packet;

		return v6 ? ingress_unserved6(ctx, &copy) : ingress_unserved4(ctx, &copy);
	}
	reason = select_flow(&packet, frontend, set, &selection, v6);
	if (!selection.backend)
		return refused(ctx, &packet, frontend, reason, v6);
	if (selection.backend->flags & LB_BACKEND_LOCAL)
		reason = forward_local(ctx, &packet, &selection, v6);
	else
		reason = forward_remote(ctx, &packet, &selection, set, &action, v6);
	if (reason != LB_REASON_COUNT)
		return refused(ctx, &packet, frontend, reason, v6);
	count_forwarded(frontend, &packet);
	return action;
}

lb_inline int lb_ingress(hook_ctx *ctx)
{
	hook_pull(ctx, PACKET_HEADERS);
	switch (packet_family(ctx)) {
	case 4:
		return ingress(ctx, false);
	case 6:
		return ingress(ctx, true);
	}
	return HOOK_PASS;
}

/* --- egress ------------------------------------------------------------------------------------------------------------- */

/* A local backend's reply leaves as the VIP's. */
lb_inline int egress(hook_ctx *ctx, const bool v6)
{
	struct reply_selection selection = { 0 };
	struct packet packet = { 0 };
	struct lb_settings *set = settings();
	struct rewrite to = { 0 };

	if (!set || packet_addresses(ctx, &packet, v6))
		return HOOK_PASS;
	packet_behind(ctx, &packet, v6);
	if (packet.kind != PACKET_PORTS || !select_reply(&packet, set, false, &selection, v6))
		return HOOK_PASS;
	rewrite_reply(&selection, &to, v6);
	to.dst[0] = packet.dst[0];
	to.dst[1] = packet.dst[1];
	if (rewrite(ctx, &packet, &to, REWRITE_SRC, v6)) {
		count_reason(LB_REASON_HELPER);
		return HOOK_DROP;
	}
	return HOOK_PASS;
}

lb_inline int lb_egress(hook_ctx *ctx)
{
	hook_pull(ctx, PACKET_HEADERS);
	switch (packet_family(ctx)) {
	case 4:
		return egress(ctx, false);
	case 6:
		return egress(ctx, true);
	}
	return HOOK_PASS;
}

#endif
