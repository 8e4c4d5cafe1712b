/* SPDX-License-Identifier: Apache-2.0 */
/* What the live commands share (EDGE): their common options, and one GET on the agent's socket.
 *
 *	struct live live = { 0 };
 *	… argp with { &live_argp, 0, NULL, 0 } among its children; in its ARGP_KEY_INIT:
 *		state->child_inputs[0] = &live;
 *	code = live_get(&live, "/v1/pools", …);        an exit code: what went wrong was said on stderr
 *	live_done(&live);
 */
#ifndef FAIRWAY_LBCTL_CLIENT_H
#define FAIRWAY_LBCTL_CLIENT_H

#include <argp.h>

#include "userspace/lbctl/output.h"

struct live {
	const char *socket, *run_dir; /* --socket PATH wins over --run-dir DIR */
	enum output_kind output;      /* -o text|wide|json|yaml */

	struct strbuf body; /* after live_get() */
	struct json_document document;
};

extern const struct argp live_argp; /* its input is a struct live */

/* One name and value of a query; a NULL value is left out. */
struct query {
	const char *name, *value;
};

/* LBCTL_FINE with the answer in body and document; LBCTL_NOT_FINE or LBCTL_USAGE: the agent refused,
 * its words are on stderr; LBCTL_NO_AGENT. */
int live_get(struct live *, const char *path, const struct query *, size_t n_queries);
void live_done(struct live *);

/* Prints json or yaml if that was asked for, and tells so. */
bool live_print_raw(const struct live *);

/* Prints the member `list` of the answer as a table, or the whole answer as json or yaml. An exit code. */
int live_print_list(const struct live *, const char *list, const struct column *, size_t n_columns);

/* A live command without options of its own: GET path, then the table. */
struct live_list {
	const char *path, *list;
	const struct column *columns;
	size_t n_columns;
};
int live_run_list(int argc, char **argv, const char *doc, const struct live_list *);

#endif
