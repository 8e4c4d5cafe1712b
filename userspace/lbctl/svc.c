// SPDX-License-Identifier: Apache-2.0
/* lbctl svc ls, svc show: Services as this node serves and announces them. */
#include <stdio.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/live.h"
#include "userspace/lbctl/service_name.h"

static const struct column service_columns[] = {
	{ .title = "NAMESPACE", .member = "namespace" },
	{ .title = "NAME", .member = "name" },
	{ .title = "VIP", .member = "addresses", .kind = CELL_LIST },
	{ .title = "PORTS", .member = "ports", .kind = CELL_LIST },
	{ .title = "POLICY", .member = "policy" },
	{ .title = "MODE", .member = "mode", .wide = true },
	{ .title = "READY", .member = "backendsReady", .kind = CELL_RATIO, .second = "backendsTotal" },
	{ .title = "LOCAL", .member = "localBackends", .kind = CELL_NUMBER, .wide = true },
	{ .title = "PROGRAMMED", .member = "programmed", .kind = CELL_YES_NO, .good = "yes", .wide = true },
	{ .title = "ANNOUNCED TO", .member = "announcedTo", .kind = CELL_LIST },
	{ .title = "FLOWS", .member = "flows", .kind = CELL_COUNT },
	{ .title = "PACKETS", .member = "packets", .kind = CELL_COUNT },
	{ .title = "BYTES", .member = "bytes", .kind = CELL_BYTES },
	{ .title = "DROPS", .member = "drops", .kind = CELL_COUNT, .wide = true },
	{ .title = "PROBLEM", .member = "problem", .kind = CELL_PROBLEM },
};

static const struct column head_columns[] = {
	{ .title = "Namespace:", .member = "namespace" },
	{ .title = "Name:", .member = "name" },
	{ .title = "Node:", .member = "node" },
	{ .title = "Class:", .member = "class" },
	{ .title = "VIP:", .member = "addresses", .kind = CELL_LIST },
	{ .title = "Ports:", .member = "ports", .kind = CELL_LIST },
	{ .title = "Policy:", .member = "policy" },
	{ .title = "Mode:", .member = "mode" },
	{ .title = "Backends:", .member = "backendsReady", .kind = CELL_RATIO, .second = "backendsTotal" },
	{ .title = "Local:", .member = "localBackends", .kind = CELL_NUMBER },
	{ .title = "Programmed:", .member = "programmed", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "Announced to:", .member = "announcedTo", .kind = CELL_LIST },
	{ .title = "Flows:", .member = "flows", .kind = CELL_COUNT },
	{ .title = "Packets:", .member = "packets", .kind = CELL_COUNT },
	{ .title = "Bytes:", .member = "bytes", .kind = CELL_BYTES },
	{ .title = "Drops:", .member = "drops", .kind = CELL_COUNT },
	{ .title = "Problem:", .member = "problem", .kind = CELL_PROBLEM },
};

static const struct column frontend_columns[] = {
	{ .title = "FRONTEND", .member = "address", .kind = CELL_ENDPOINT, .second = "port" },
	{ .title = "PROTOCOL", .member = "protocol" },
	{ .title = "TYPE", .member = "type" },
	{ .title = "VERDICT", .member = "verdict", .kind = CELL_STATE, .good = "forward" },
	{ .title = "REASON", .member = "reason" },
	{ .title = "PROGRAMMED", .member = "programmed", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "TABLE", .member = "tableSize", .kind = CELL_NUMBER },
	{ .title = "FLOWS", .member = "flows", .kind = CELL_COUNT },
	{ .title = "PACKETS", .member = "packets", .kind = CELL_COUNT },
	{ .title = "BYTES", .member = "bytes", .kind = CELL_BYTES },
	{ .title = "DROPS", .member = "drops", .kind = CELL_COUNT },
};

static const struct column backend_columns[] = {
	{ .title = "BACKEND", .member = "address", .kind = CELL_ENDPOINT, .second = "port" },
	{ .title = "NODE", .member = "node" },
	{ .title = "LOCAL", .member = "local", .kind = CELL_YES_NO },
	{ .title = "WEIGHT", .member = "weight", .kind = CELL_NUMBER },
};

static const struct column route_columns[] = {
	{ .title = "ROUTE", .member = "prefix" },
	{ .title = "PEER", .member = "peer" },
	{ .title = "SESSION", .member = "session", .kind = CELL_STATE, .good = "Established" },
	{ .title = "ANNOUNCED", .member = "announced", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "LOCALPREF", .member = "localPref", .kind = CELL_NUMBER },
	{ .title = "COMMUNITIES", .member = "communities", .kind = CELL_LIST },
};

static const struct column problem_columns[] = {
	{ .title = "OBJECT", .member = "object" },
	{ .title = "FIELD", .member = "field" },
	{ .title = "PROBLEM", .member = "message", .kind = CELL_PROBLEM },
};

/* --- svc ls -------------------------------------------------------------------------------------- */

struct ls {
	struct live live;
	const char *namespace;
};

static const struct argp_option ls_options[] = {
	{ "namespace", 'n', "NS", 0, "only this namespace", 0 },
	{ "all-namespaces", 'A', NULL, 0, "all namespaces (the default)", 0 },
	{ 0 },
};

static error_t parse_ls(int key, char *argument, struct argp_state *state)
{
	struct ls *ls = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &ls->live;
		return 0;
	case 'n':
		ls->namespace = argument;
		return 0;
	case 'A':
		ls->namespace = NULL;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_svc_ls(int argc, char **argv)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = {
		.options = ls_options,
		.parser = parse_ls,
		.children = children,
		.doc = "Lists LoadBalancer Services as this node serves and announces them."
	};
	struct ls ls = { 0 };
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &ls);
	code = live_get(&ls.live, "/v1/services", (struct query[]){ { "namespace", ls.namespace } }, 1);
	if (code == LBCTL_FINE)
		code = live_print_list(&ls.live, "services", service_columns, ARRAY_SIZE(service_columns));
	live_done(&ls.live);
	return code;
}

/* --- svc show ------------------------------------------------------------------------------------ */

static void print_section(const struct json *list, const char *title, const struct column *columns, size_t n)
{
	if (!list || !list->child)
		return;
	printf("\n%s\n", title);
	output_table(list, columns, n, true);
}

static void print_backends(const struct json *frontend)
{
	cleanup(strbuf_done) struct strbuf where = { 0 }, title = { 0 };

	render_cell(&frontend_columns[0], frontend, false, &where);
	strbuf_appendf(&title, "Backends of %s", strbuf_text(&where));
	print_section(json_member(frontend, "backends"), strbuf_text(&title), backend_columns,
		      ARRAY_SIZE(backend_columns));
	strbuf_append(&title, ", draining");
	print_section(json_member(frontend, "draining"), strbuf_text(&title), backend_columns,
		      ARRAY_SIZE(backend_columns));
}

static void print_service(const struct json *service)
{
	const struct json *frontends = json_member(service, "frontends"), *frontend;

	output_facts(service, head_columns, ARRAY_SIZE(head_columns));
	print_section(frontends, "Frontends", frontend_columns, ARRAY_SIZE(frontend_columns));
	for (frontend = frontends ? frontends->child : NULL; frontend; frontend = frontend->next)
		print_backends(frontend);
	print_section(json_member(service, "routes"), "Routes", route_columns, ARRAY_SIZE(route_columns));
	print_section(json_member(service, "problems"), "Problems", problem_columns,
		      ARRAY_SIZE(problem_columns));
}

static bool is_fine(const struct json *service)
{
	const struct json *programmed = json_member(service, "programmed"),
			  *problem = json_member(service, "problem");

	return programmed && programmed->boolean && !(problem && problem->text && *problem->text);
}

int command_svc_show(int argc, char **argv)
{
	cleanup(live_done) struct live live = { 0 };
	struct service_name name;
	int code;

	service_name_parse(argc, argv,
			   "Shows one Service in full. Exit code 1 if it is not served as planned.", &live,
			   &name);
	code = live_get(&live, "/v1/service",
			(struct query[]){ { "namespace", name.namespace }, { "name", name.name } }, 2);
	if (code != LBCTL_FINE)
		return code;
	if (!live_print_raw(&live))
		print_service(live.document.first);
	return is_fine(live.document.first) ? LBCTL_FINE : LBCTL_NOT_FINE;
}
