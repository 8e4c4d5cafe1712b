// SPDX-License-Identifier: Apache-2.0
/* lbctl node show: interfaces, hooks and why; what of the host is in the way; problems of objects. */
#include <stdio.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/live.h"

static const struct column head_columns[] = {
	{ .title = "Node:", .member = "node" },
	{ .title = "Version:", .member = "version" },
	{ .title = "Ready:", .member = "ready", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "Missing:", .member = "missing", .kind = CELL_PROBLEM },
	{ .title = "Objects from:", .member = "source" },
	{ .title = "State:", .member = "sourceState" },
	{ .title = "Objects read:", .member = "sourceDelivered", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "Converged:", .member = "converged", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "Proxy mode:", .member = "proxyMode" },
	{ .title = "FRR:", .member = "frr", .kind = CELL_STATE, .good = "connected" },
	{ .title = "Services:", .member = "services", .kind = CELL_NUMBER },
	{ .title = "Frontends:", .member = "frontends", .kind = CELL_RATIO, .second = "frontendsMax" },
	{ .title = "Backends:", .member = "backends", .kind = CELL_RATIO, .second = "backendsMax" },
};

static const struct column interface_columns[] = {
	{ .title = "INTERFACE", .member = "name" },
	{ .title = "INDEX", .member = "ifindex", .kind = CELL_NUMBER },
	{ .title = "HOOK", .member = "hook" },
	{ .title = "ATTACHED", .member = "attached", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "WHY", .member = "why" },
};

static const struct column finding_columns[] = {
	{ .title = "HOST", .member = "what" },
	{ .title = "HARMFUL", .member = "harmful", .kind = CELL_YES_NO, .good = "no" },
	{ .title = "FOUND", .member = "found" },
};

static const struct column problem_columns[] = {
	{ .title = "OBJECT", .member = "object" },
	{ .title = "FIELD", .member = "field" },
	{ .title = "PROBLEM", .member = "message", .kind = CELL_PROBLEM },
};

static error_t parse(int key, char *argument _unused_, struct argp_state *state)
{
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = state->input;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void print_section(const struct json *list, const struct column *columns, size_t n)
{
	if (!list || !list->child)
		return;
	printf("\n");
	output_table(list, columns, n, true);
}

static bool anything_harmful(const struct json *findings)
{
	const struct json *finding, *harmful;

	for (finding = findings ? findings->child : NULL; finding; finding = finding->next) {
		harmful = json_member(finding, "harmful");
		if (harmful && harmful->boolean)
			return true;
	}
	return false;
}

int command_node_show(int argc, char **argv)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = {
		.parser = parse,
		.children = children,
		.doc = "Shows this node: interfaces, hooks and why, and what of the host is in the way. Exit "
		       "code 1 if something of the host is harmful."
	};
	cleanup(live_done) struct live live = { 0 };
	const struct json *node;
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &live);
	code = live_get(&live, "/v1/node", NULL, 0);
	if (code != LBCTL_FINE)
		return code;
	node = live.document.first;
	if (!live_print_raw(&live)) {
		output_facts(node, head_columns, ARRAY_SIZE(head_columns));
		print_section(json_member(node, "interfaces"), interface_columns,
			      ARRAY_SIZE(interface_columns));
		print_section(json_member(node, "findings"), finding_columns, ARRAY_SIZE(finding_columns));
		print_section(json_member(node, "problems"), problem_columns, ARRAY_SIZE(problem_columns));
	}
	return anything_harmful(json_member(node, "findings")) ? LBCTL_NOT_FINE : LBCTL_FINE;
}
