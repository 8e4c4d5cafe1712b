// SPDX-License-Identifier: Apache-2.0
/* lbctl allocate: what the controller would give to whom, from a directory of manifests. Reads and prints, changes
 * nothing. The decision is ipam/allocator's, the JSON is OUTPUTS.md's. */
#include <argp.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "ipam/allocator.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/offline.h"

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

/* --- text ---------------------------------------------------------------------------------------------- */

struct column {
	const char *name;
	int flags;
};

static struct libscols_table *table_new(const struct column *columns, size_t n)
{
	struct libscols_table *table = scols_new_table();
	size_t i;

	for (i = 0; table && i < n; i++)
		scols_table_new_column(table, columns[i].name, 0, columns[i].flags);
	return table;
}

static void add_line(struct libscols_table *table, const char *const *cells, size_t n)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	size_t i;

	for (i = 0; line && i < n; i++)
		scols_line_set_data(line, i, cells[i]);
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void print_services(const struct allocations *allocations)
{
	static const struct column columns[] = { { "NAMESPACE", 0 }, { "NAME", 0 },   { "POOL", 0 },	{ "ADDRESSES", 0 },
						 { "KEPT", 0 },	     { "REASON", 0 }, { "MESSAGE", 0 } };
	struct libscols_table *table = table_new(columns, ARRAY_SIZE(columns));
	size_t i, j;

	for (i = 0; table && i < allocations->n_services; i++) {
		const struct allocation *service = &allocations->services[i];
		cleanup(strbuf_done) struct strbuf addresses = { 0 };
		char text[ADDR_TEXT_MAX];

		for (j = 0; j < service->n_addresses; j++)
			strbuf_appendf(&addresses, "%s%s", j ? "," : "", addr_format(&service->addresses[j], text));
		add_line(table,
			 (const char *const[]){ service->namespace, service->name, or_dash(service->pool),
						or_dash(strbuf_text(&addresses)), service->kept ? "yes" : "no",
						or_dash(service->reason), service->message },
			 ARRAY_SIZE(columns));
	}
	if (table)
		scols_print_table(table);
	scols_unref_table(table);
}

static void append_count(struct strbuf *out, addr_number assigned, addr_number available)
{
	allocations_append_count(out, assigned);
	strbuf_append(out, "/");
	allocations_append_count(out, available);
}

static void print_pools(const struct allocations *allocations)
{
	static const struct column columns[] = { { "POOL", 0 },
						 { "IPV4 USED/FREE", SCOLS_FL_RIGHT },
						 { "IPV6 USED/FREE", SCOLS_FL_RIGHT },
						 { "READY", 0 },
						 { "REASON", 0 },
						 { "MESSAGE", 0 } };
	struct libscols_table *table = table_new(columns, ARRAY_SIZE(columns));
	size_t i;

	for (i = 0; table && i < allocations->n_pools; i++) {
		const struct pool_usage *pool = &allocations->pools[i];
		cleanup(strbuf_done) struct strbuf v4 = { 0 }, v6 = { 0 };

		append_count(&v4, pool->assigned_v4, pool->available_v4);
		append_count(&v6, pool->assigned_v6, pool->available_v6);
		add_line(table,
			 (const char *const[]){ pool->name, strbuf_text(&v4), strbuf_text(&v6),
						pool->ready ? "yes" : "no", or_dash(pool->reason), pool->message },
			 ARRAY_SIZE(columns));
	}
	if (table)
		scols_print_table(table);
	scols_unref_table(table);
}

static int print(const struct allocations *allocations, enum output_format format)
{
	cleanup(strbuf_done) struct strbuf json = { 0 };

	switch (format) {
	case OUTPUT_TEXT:
		print_services(allocations);
		printf("\n");
		print_pools(allocations);
		return 0;
	case OUTPUT_JSON:
		allocations_json(&json, allocations);
		if (strbuf_failed(&json))
			return -1;
		fputs(strbuf_text(&json), stdout);
		return 0;
	}
	return -1;
}

/* --- the command --------------------------------------------------------------------------------------- */

static void report_problems(const struct problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++)
		log_warn("%s: %s%s%s", problems->items[i].object, problems->items[i].field,
			 *problems->items[i].field ? ": " : "", problems->items[i].message);
}

static int allocate_and_print(const struct offline *offline)
{
	const struct cluster *cluster = store_cluster(offline->store);
	cleanup(allocations_done) struct allocations allocations = { 0 };

	if (!cluster || allocate(cluster, offline->default_class, &allocations) < 0 ||
	    print(&allocations, offline->format) < 0) {
		log_error("out of memory");
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
