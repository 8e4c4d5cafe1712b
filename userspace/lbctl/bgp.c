// SPDX-License-Identifier: Apache-2.0
/* lbctl bgp peers, bgp routes: this node's sessions, and what it announces to whom. */
#include <string.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/live.h"

static const struct column peer_columns[] = {
	{ .title = "PEER", .member = "name" },
	{ .title = "ADDRESS", .member = "address" },
	{ .title = "INTERFACE", .member = "interface", .wide = true },
	{ .title = "ASN", .member = "asn", .kind = CELL_NUMBER },
	{ .title = "STATE", .member = "state", .kind = CELL_STATE, .good = "Established" },
	{ .title = "UPTIME", .member = "uptimeSeconds", .kind = CELL_DURATION },
	{ .title = "SENT", .member = "prefixesSent", .kind = CELL_NUMBER },
	{ .title = "RECEIVED", .member = "prefixesReceived", .kind = CELL_NUMBER },
	{ .title = "BFD", .member = "bfd" },
	{ .title = "LAST ERROR", .member = "lastError" },
};

static const struct column route_columns[] = {
	{ .title = "PREFIX", .member = "prefix" },
	{ .title = "KIND", .member = "kind" },
	{ .title = "PEER", .member = "peer" },
	{ .title = "SESSION", .member = "session", .kind = CELL_STATE, .good = "Established" },
	{ .title = "ANNOUNCED", .member = "announced", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "LOCALPREF", .member = "localPref", .kind = CELL_NUMBER },
	{ .title = "COMMUNITIES", .member = "communities", .kind = CELL_LIST },
	{ .title = "SERVICES", .member = "services", .kind = CELL_LIST },
};

static error_t parse(int key, char *argument _unused_, struct argp_state *state)
{
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = state->input;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool all_established(const struct json *peers)
{
	const struct json *peer, *state;

	for (peer = peers ? peers->child : NULL; peer; peer = peer->next) {
		state = json_member(peer, "state");
		if (!state || !text_equal(state->text, "Established"))
			return false;
	}
	return true;
}

int command_bgp_peers(int argc, char **argv)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = {
		.parser = parse,
		.children = children,
		.doc = "Lists this node's BGP sessions. Exit code 1 if one is not Established."
	};
	cleanup(live_done) struct live live = { 0 };
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &live);
	code = live_get(&live, "/v1/bgp/peers", NULL, 0);
	if (code == LBCTL_FINE)
		code = live_print_list(&live, "peers", peer_columns, ARRAY_SIZE(peer_columns));
	if (code == LBCTL_FINE && !all_established(json_member(live.document.first, "peers")))
		return LBCTL_NOT_FINE;
	return code;
}

int command_bgp_routes(int argc, char **argv)
{
	static const struct live_list list = { "/v1/bgp/routes", "routes", route_columns,
					       ARRAY_SIZE(route_columns) };

	return live_run_list(argc, argv, "Lists the routes of this node, as each peer should receive them.",
			     &list);
}
