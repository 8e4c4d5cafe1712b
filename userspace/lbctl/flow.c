// SPDX-License-Identifier: Apache-2.0
/* lbctl flow ls: open flows of this node. */
#include <stdio.h>

#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/live.h"

enum { KEY_VIP = 0x300, KEY_BACKEND, KEY_CLIENT, KEY_LIMIT };

static const struct column columns[] = {
	{ .title = "PROTOCOL", .member = "protocol" },
	{ .title = "CLIENT", .member = "client", .kind = CELL_ENDPOINT, .second = "clientPort" },
	{ .title = "VIP", .member = "vip", .kind = CELL_ENDPOINT, .second = "vipPort" },
	{ .title = "BACKEND", .member = "backend", .kind = CELL_ENDPOINT, .second = "backendPort" },
	{ .title = "SNAT", .member = "snat", .kind = CELL_ENDPOINT, .second = "snatPort" },
	{ .title = "STATE", .member = "state" },
	{ .title = "IDLE", .member = "idleSeconds", .kind = CELL_DURATION },
};

struct flow_ls {
	struct live live;
	const char *vip, *backend, *client, *limit;
};

static const struct argp_option options[] = {
	{ "vip", KEY_VIP, "ADDRESS", 0, "only flows to this VIP", 0 },
	{ "backend", KEY_BACKEND, "ADDRESS", 0, "only flows to this backend", 0 },
	{ "client", KEY_CLIENT, "ADDRESS", 0, "only flows of this client", 0 },
	{ "limit", KEY_LIMIT, "N", 0, "at most so many (default 1000)", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct flow_ls *ls = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &ls->live;
		return 0;
	case KEY_VIP:
		ls->vip = argument;
		return 0;
	case KEY_BACKEND:
		ls->backend = argument;
		return 0;
	case KEY_CLIENT:
		ls->client = argument;
		return 0;
	case KEY_LIMIT:
		ls->limit = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void say_truncated(const struct json *answer)
{
	const struct json *truncated = json_member(answer, "truncated");

	if (truncated && truncated->boolean)
		fprintf(stderr, "lbctl: there are more; --limit N shows more of them\n");
}

int command_flow_ls(int argc, char **argv)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { .options = options, .parser = parse, .children = children,
				   .doc = "Lists open flows of this node." };
	struct flow_ls ls = { 0 };
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &ls);
	code = live_get(&ls.live, "/v1/flows",
			(struct query[]){ { "vip", ls.vip },
					  { "backend", ls.backend },
					  { "client", ls.client },
					  { "limit", ls.limit } },
			4);
	if (code == LBCTL_FINE) {
		code = live_print_list(&ls.live, "flows", columns, ARRAY_SIZE(columns));
		say_truncated(ls.live.document.first);
	}
	live_done(&ls.live);
	return code;
}
