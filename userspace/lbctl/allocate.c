// SPDX-License-Identifier: Apache-2.0
/* lbctl allocate: what the controller would give to whom, from a directory of manifests. Reads and prints, changes
 * nothing. The decision is ipam/allocator's, the JSON is OUTPUTS.md's. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/allocator.h"
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/offline.h"
#include "userspace/lbctl/output.h"

static error_t parse(int key, char *argument, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- text: the tables show what the JSON says ----------------------------------------------------------- */

static const struct column service_columns[] = {
	{ .title = "NAMESPACE", .member = "namespace" },
	{ .title = "NAME", .member = "name" },
	{ .title = "POOL", .member = "pool" },
	{ .title = "ADDRESSES", .member = "addresses", .kind = CELL_LIST },
	{ .title = "KEPT", .member = "kept", .kind = CELL_YES_NO },
	{ .title = "REASON", .member = "reason", .kind = CELL_PROBLEM },
	{ .title = "MESSAGE", .member = "message" },
};

static const struct column pool_columns[] = {
	{ .title = "POOL", .member = "name" },
	{ .title = "USED IPv4", .member = "assignedIPv4", .kind = CELL_NUMBER },
	{ .title = "FREE IPv4", .member = "availableIPv4", .kind = CELL_NUMBER },
	{ .title = "USED IPv6", .member = "assignedIPv6", .kind = CELL_NUMBER },
	{ .title = "FREE IPv6", .member = "availableIPv6", .kind = CELL_NUMBER },
	{ .title = "READY", .member = "ready", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "REASON", .member = "reason", .kind = CELL_PROBLEM },
	{ .title = "MESSAGE", .member = "message" },
};

static int print_tables(const struct strbuf *json)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;
	int r = json_parse(strbuf_text(json), json->length, &document, &error);

	if (r < 0)
		return r;
	r = output_table(json_member(document.first, "services"), service_columns, ARRAY_SIZE(service_columns), false);
	if (r < 0)
		return r;
	printf("\n");
	return output_table(json_member(document.first, "pools"), pool_columns, ARRAY_SIZE(pool_columns), false);
}

static int print(const struct allocations *allocations, enum output_format format)
{
	cleanup(strbuf_done) struct strbuf json = { 0 };

	allocations_json(&json, allocations);
	if (strbuf_failed(&json))
		return -ENOMEM;
	switch (format) {
	case OUTPUT_TEXT:
		return print_tables(&json);
	case OUTPUT_JSON:
		fputs(strbuf_text(&json), stdout);
		return 0;
	}
	return -EINVAL;
}

/* --- the command --------------------------------------------------------------------------------------- */

static void report_problems(const struct problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++)
		fprintf(stderr, "lbctl: %s: %s%s%s\n", problems->items[i].object, problems->items[i].field,
			*problems->items[i].field ? ": " : "", problems->items[i].message);
}

static int allocate_and_print(const struct offline *offline)
{
	const struct cluster *cluster = store_cluster(offline->store);
	cleanup(allocations_done) struct allocations allocations = { 0 };

	int r = cluster ? allocate(cluster, offline->default_class, &allocations) : -ENOMEM;

	if (r == 0)
		r = print(&allocations, offline->format);
	if (r < 0) {
		fprintf(stderr, "lbctl allocate: %s\n", strerror(-r));
		return LBCTL_NOT_FINE;
	}
	report_problems(&offline->result.problems);
	return allocations_satisfied(&allocations) && !offline->result.problems.n ? LBCTL_FINE : LBCTL_NOT_FINE;
}

int command_allocate(int argc, char **argv)
{
	static const struct argp_child children[] = { { &offline_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.doc = "Which Service gets which address from which pool, as the controller would decide from these "
		       "manifests: addresses in statuses first, then the others, oldest first.",
		.children = children,
	};
	cleanup(offline_done) struct offline offline = { 0 };
	int r;

	if (argp_parse(&argp, argc, argv, 0, NULL, &offline))
		return LBCTL_USAGE;
	r = offline_open(&offline);
	return r == LBCTL_FINE ? allocate_and_print(&offline) : r;
}
