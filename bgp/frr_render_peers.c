// SPDX-License-Identifier: Apache-2.0
/* A BGPPeer as FRR's statements about a neighbour: see frr_config.h. */
#include "bgp/frr_render.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/core/peers.h"

#define HOLD_TIME_SEC	 9 /* a silent router is given up after 9 s */
#define CONNECT_TIME_SEC 1
#define ALLOW_AS_IN	 1
#define ALLOW_AS_IN_FRR	 3 /* FRR's own default, which it prints without the number */

struct writer { /* the statements of one neighbour */
	struct arena *arena;
	struct frr_neighbor *neighbor;
	int error;
};

static void state(struct writer *writer, enum frr_section section, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void state(struct writer *writer, enum frr_section section, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct frr_neighbor *neighbor = writer->neighbor;
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	neighbor->statements[neighbor->n_statements] = (struct frr_statement){
		.section = section, .text = strbuf_failed(&text) ? NULL : arena_string(writer->arena, strbuf_text(&text))
	};
	if (!neighbor->statements[neighbor->n_statements++].text)
		writer->error = -ENOMEM;
}

#define STATEMENTS_MAX 32 /* what state_router() and state_family() may write, with room */

static void state_timers(struct writer *writer, const struct bgp_peer *peer)
{
	uint32_t hold = peer->hold_time_sec, keepalive = peer->keepalive_time_sec;

	if (!hold && !peer->hold_time_off)
		hold = keepalive >= HOLD_TIME_SEC ? keepalive * 3 : HOLD_TIME_SEC;
	if (hold > 65535)
		hold = 65535;
	if (!keepalive)
		keepalive = hold / 3; /* 0 0: holdTime 0, neither keepalives nor a hold timer */
	state(writer, FRR_ROUTER, "timers %u %u", keepalive, hold);
	state(writer, FRR_ROUTER, "timers connect %u",
	      peer->connect_time_sec ? peer->connect_time_sec : CONNECT_TIME_SEC);
}

static void state_asns(struct writer *writer, const struct render *render, const struct bgp_peer *peer)
{
	const char *interface = peer->interface ? "interface " : "";
	uint32_t local_asn = peer->local_asn ? peer->local_asn : peer->my_asn;

	switch (peer->dynamic_asn) {
	case DYNAMIC_ASN_NONE:
		state(writer, FRR_ROUTER, "%sremote-as %u", interface, peer->peer_asn);
		break;
	case DYNAMIC_ASN_INTERNAL:
		state(writer, FRR_ROUTER, "%sremote-as internal", interface);
		break;
	case DYNAMIC_ASN_EXTERNAL:
		state(writer, FRR_ROUTER, "%sremote-as external", interface);
		break;
	}
	if (local_asn != render->config->asn)
		state(writer, FRR_ROUTER, "local-as %u no-prepend replace-as", local_asn);
}

static void state_router(struct writer *writer, const struct render *render, const struct bgp_peer *peer)
{
	const struct frr_render *input = render->input;
	char text[ADDR_TEXT_MAX];
	const char *why, *profile;
	uint8_t ttl = peer->ebgp_multi_hop_ttl ? peer->ebgp_multi_hop_ttl : 255;

	state_asns(writer, render, peer);
	state(writer, FRR_ROUTER, "description " FRR_DESCRIPTION "%s", peer->meta.name);
	if (peer->password_secret && *peer->password_secret) /* routes_peers() has checked that it is there */
		state(writer, FRR_ROUTER, "password %s", peer_password(input->cluster, input->secret_namespace, peer, &why));
	if (peer->peer_port && peer->peer_port != 179)
		state(writer, FRR_ROUTER, "port %u", peer->peer_port);
	if (peer->ebgp_multi_hop && ttl > 1 && !peer_is_internal(peer)) /* FRR ignores it for internal ones */
		state(writer, FRR_ROUTER, "ebgp-multihop %u", ttl);
	if (peer->ttl_security)
		state(writer, FRR_ROUTER, "ttl-security hops %u", peer->ttl_security);
	if (peer->source_address.family != ADDR_NONE)
		state(writer, FRR_ROUTER, "update-source %s", addr_format(&peer->source_address, text));
	state_timers(writer, peer);
	if (peer_bfd_profile(input->cluster, peer)) {
		profile = render_short_name(writer->arena, peer->bfd_profile);
		state(writer, FRR_ROUTER, "bfd");
		state(writer, FRR_ROUTER, "bfd profile " FRR_BFD_PREFIX "%s", profile ? profile : "");
	}
	if (peer->enable_graceful_restart)
		state(writer, FRR_ROUTER, "graceful-restart");
	/* IPv4 with an IPv6 next hop (RFC 8950); what FRR does for interface peers anyway */
	if (peer->ipv4 && peer->peer_address.family == ADDR_IPV6)
		state(writer, FRR_ROUTER, "capability extended-nexthop");
}

static void state_family(struct writer *writer, const struct render *render, const struct bgp_peer *peer,
			 enum frr_section section, const char *out_map)
{
	bool receives = section == FRR_IPV4 ? render->receives_ipv4 : render->receives_ipv6;
	int allow_as_in = peer->allow_as_in;

	if (allow_as_in < 0) /* all nodes share one AS as a rule: each must take the others' PodCIDRs */
		allow_as_in = receives && !peer_is_internal(peer) ? ALLOW_AS_IN : 0;
	state(writer, section, "activate");
	if (allow_as_in == ALLOW_AS_IN_FRR)
		state(writer, section, "allowas-in");
	else if (allow_as_in)
		state(writer, section, "allowas-in %d", allow_as_in);
	if (peer->max_prefixes_received)
		state(writer, section, "maximum-prefix %u", peer->max_prefixes_received);
	state(writer, section, "route-map %s in", render->in_map);
	state(writer, section, "route-map %s out", out_map);
}

int render_neighbor(struct render *render, const struct bgp_peer *peer, struct frr_neighbor *ret)
{
	struct arena *arena = &render->config->arena;
	struct writer writer = { .arena = arena, .neighbor = ret };
	char text[ADDR_TEXT_MAX];
	const char *out_map;
	uint32_t n_routes;
	int r;

	r = render_peer_map(render, peer, &out_map, &n_routes);
	if (r < 0)
		return r;
	*ret = (struct frr_neighbor){
		.id = arena_string(arena, peer->interface ? peer->interface : addr_format(&peer->peer_address, text)),
		.peer = arena_string(arena, peer->meta.name),
		.n_routes = n_routes,
		.statements = arena_array(arena, STATEMENTS_MAX, sizeof(*ret->statements)),
	};
	if (!ret->id || !ret->peer || !ret->statements)
		return -ENOMEM;
	state_router(&writer, render, peer);
	if (peer->ipv4)
		state_family(&writer, render, peer, FRR_IPV4, out_map);
	if (peer->ipv6)
		state_family(&writer, render, peer, FRR_IPV6, out_map);
	if (peer->enable_graceful_restart && peer->bfd_profile)
		return problems_add_object(render->problems, OBJECT_BGP_PEER, &peer->meta, "spec.enableGracefulRestart",
					   "together with bfdProfile: the peer keeps the routes of a node that BFD has "
					   "declared dead; both are configured as asked");
	return writer.error;
}
