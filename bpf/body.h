/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What happens to a packet, the same at every hook: lb_ingress() for what comes in on an uplink, lb_egress()
 * for what leaves by one. The programs choose their hook by including hook_xdp.h or hook_tc.h before this. */
#ifndef FAIRWAY_BODY_H
#define FAIRWAY_BODY_H

#include "bpf/icmp_error.h"

/* The packet goes no further; the sender may learn why. `handle`: whose, or LB_NO_HANDLE. */
lb_inline int refuse(hook_ctx *ctx, const struct packet *packet, __u32 handle, enum lb_reason reason,
		     const bool v6)
{
	int action = HOOK_DROP;

	count_dropped(handle, reason);
	if (reason == LB_REASON_CLOSED_PORT || reason == LB_REASON_NO_ENDPOINTS)
		if (answer_refuse(ctx, packet, &action, v6) == ANSWER_FAILED)
			count_reason(LB_REASON_HELPER);
	return action;
}

/* The ways off the fast path are global functions, see flow.h: one for each family. They take the packet
 * apart once more: nothing of it has then to be kept in memory on the fast path, and stacks stay small. Weak,
 * or the compiler sees which arguments one does not use and leaves them out of the call, where the verifier
 * wants them all. */
#define BODY_FUNCTION_IN(name, suffix, v6)                                                                   \
	__weak __noinline int name##suffix(hook_ctx *ctx, __u32 handle, __u32 reason)                        \
	{                                                                                                    \
		struct packet packet = { 0 };                                                                \
                                                                                                             \
		packet_addresses(ctx, &packet, v6);                                                          \
		packet_behind(ctx, &packet, v6);                                                             \
		return name(ctx, &packet, handle, (enum lb_reason)reason, v6);                               \
	}
#define BODY_FUNCTION(name)                                                                                  \
	BODY_FUNCTION_IN(name, 4, false)                                                                     \
	BODY_FUNCTION_IN(name, 6, true)
#define BODY_CALL(name, handle, reason, v6)                                                                  \
	((v6) ? name##6(ctx, handle, reason) : name##4(ctx, handle, reason))

BODY_FUNCTION(refuse)

/* Longer than the link to its backend takes: `mtu` bytes. */
lb_inline int refuse_long(hook_ctx *ctx, const struct packet *packet, __u32 handle, __u32 mtu, const bool v6)
{
	int action = HOOK_DROP;

	count_dropped(handle, LB_REASON_TOO_BIG);
	if (answer_too_big(ctx, packet, mtu, &action, v6) == ANSWER_FAILED)
		count_reason(LB_REASON_HELPER);
	return action;
}

BODY_FUNCTION(refuse_long)

/* --- ingress -------------------------------------------------------------------------------------- */

/* A packet to an address of ours that no frontend serves: as a host would, but never by the host. */
lb_inline int ingress_unserved(hook_ctx *ctx, const struct packet *packet, __u32 handle lb_unused,
			       enum lb_reason reason lb_unused, const bool v6)
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
	case PACKET_ICMP_ERROR: /* went to icmp_error.h */
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

BODY_FUNCTION(ingress_unserved)

BODY_FUNCTION(icmp_error_to_backend)
BODY_FUNCTION(icmp_error_to_client)

/* A remote backend's reply, to the node's address: back to the client. What is no reply of ours goes up. */
lb_inline int ingress_reply(hook_ctx *ctx, const struct packet *packet, __u32 handle lb_unused,
			    enum lb_reason reason lb_unused, const bool v6)
{
	struct reply_selection selection = { 0 };
	struct lb_settings *set = settings();
	struct rewrite to = { 0 };
	int action;

	if (!set || !select_reply(packet, set, true, &selection, v6))
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
	action = send_by_route(ctx, set, to.src, to.dst, packet->length, v6);
	if (action != SEND_FAILED)
		return action;
	count_reason(LB_REASON_NO_NEXT_HOP);
	return HOOK_DROP;
}

BODY_FUNCTION(ingress_reply)

/* A packet whose backend is known. LB_REASON_COUNT and *ret_action, or why it cannot go (TOO_BIG: *ret_action
 * is the MTU). */
lb_inline enum lb_reason ingress_forward(hook_ctx *ctx, const struct packet *packet, __u32 frontend,
					 const struct selection *selection, const struct lb_settings *set,
					 int *ret_action, const bool v6)
{
	enum lb_reason reason;

	*ret_action = HOOK_UP;
	if (selection->backend->flags & LB_BACKEND_LOCAL)
		reason = forward_local(ctx, packet, selection, v6);
	else
		reason = forward_remote(ctx, packet, selection, set, ret_action, v6);
	if (reason == LB_REASON_COUNT)
		count_forwarded(frontend, packet);
	return reason;
}

/* No flow that would serve the packet: one is opened. LB_REASON_COUNT, or why not. */
lb_inline int ingress_open(hook_ctx *ctx lb_unused, const struct packet *packet, __u32 frontend,
			   enum lb_reason reason lb_unused, const bool v6)
{
	struct flow_open open = {
		.client = { packet->src[0], packet->src[1] },
		.frontend = frontend,
		.client_port = packet->sport,
		.vip_port = packet->dport,
		.protocol = packet->protocol,
		.tcp_flags = packet->tcp_flags,
	};

	return select_open(&open, v6);
}

BODY_FUNCTION(ingress_open)

lb_inline int ingress(hook_ctx *ctx, const bool v6)
{
	struct selection selection = { 0 };
	struct packet packet = { 0 };
	struct lb_settings *set;
	enum lb_reason reason;
	__u32 frontend;
	int action;

	if (packet_addresses(ctx, &packet, v6) || !vip_filter_hit(packet.dst, v6))
		return HOOK_PASS;
	set = settings();
	if (!set)
		return HOOK_PASS;
	packet_behind(ctx, &packet, v6);
	if (packet.kind == PACKET_ICMP_ERROR)
		return snat_address_is(set, packet.dst, v6)
			       ? BODY_CALL(icmp_error_to_client, LB_NO_HANDLE, 0, v6)
			       : BODY_CALL(icmp_error_to_backend, LB_NO_HANDLE, 0, v6);
	if (packet.kind != PACKET_PORTS)
		return BODY_CALL(ingress_unserved, LB_NO_HANDLE, 0, v6);
	if (snat_port_is(set, packet.dport) && snat_address_is(set, packet.dst, v6))
		return BODY_CALL(ingress_reply, LB_NO_HANDLE, 0, v6);
	frontend = frontend_find(packet.dst, packet.dport, packet.protocol, v6);
	if (frontend == LB_NO_HANDLE)
		return BODY_CALL(ingress_unserved, LB_NO_HANDLE, 0, v6);
	for (int again = 0; !select_established(&packet, frontend, set, &selection, v6); again++) {
		reason = again ? LB_REASON_FLOW_BUSY : BODY_CALL(ingress_open, frontend, 0, v6);
		if (reason != LB_REASON_COUNT)
			return BODY_CALL(refuse, frontend, reason, v6);
	}
	reason = ingress_forward(ctx, &packet, frontend, &selection, set, &action, v6);
	if (reason == LB_REASON_COUNT)
		return action;
	return reason == LB_REASON_TOO_BIG ? BODY_CALL(refuse_long, frontend, action, v6)
					   : BODY_CALL(refuse, frontend, reason, v6);
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

/* --- egress --------------------------------------------------------------------------------------- */

BODY_FUNCTION(icmp_error_leaving)

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
	if (packet.kind == PACKET_ICMP_ERROR)
		return BODY_CALL(icmp_error_leaving, LB_NO_HANDLE, 0, v6);
	if (packet.kind != PACKET_PORTS || !select_reply(&packet, set, false, &selection, v6))
		return HOOK_PASS;
	if (is_refusal(packet.tcp_flags) && refusal_is_kept(&selection, v6)) {
		count_reason(LB_REASON_REFUSED_LEAVING);
		return HOOK_DROP;
	}
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
