/* SPDX-License-Identifier: Apache-2.0 */
/* What the offline commands (plan, allocate) share: their common options and the opening of a manifests
 *directory.
 *
 *	struct offline offline = { 0 };
 *	… argp with { &offline_argp, 0, NULL, 0 } among its children; in its ARGP_KEY_INIT:
 *		state->child_inputs[0] = &offline;
 *	r = offline_open(&offline);                0, or an exit code: it was said on stderr
 *	cluster = store_cluster(offline.store);
 *	…
 *	offline_done(&offline);
 */
#ifndef FAIRWAY_LBCTL_OFFLINE_H
#define FAIRWAY_LBCTL_OFFLINE_H

#include <argp.h>

#include "k8s/manifests.h"

enum output_format { OUTPUT_TEXT, OUTPUT_JSON };

struct offline {
	const char *manifests, *status; /* --manifests DIR (required), --status FILE or NULL */
	bool default_class;		/* --default-class */
	enum output_format format;	/* -o text|json */

	/* After offline_open(): */
	struct store *store;
	struct source_result result; /* result.problems: of files and objects; others may be added */
};

extern const struct argp offline_argp; /* its input is a struct offline */

int command_plan(int argc, char **argv);
int command_allocate(int argc, char **argv);

int offline_open(
	struct offline *); /* LBCTL_FINE, or LBCTL_NOT_FINE with a line on stderr; prints notices to stderr */
void offline_done(struct offline *);

#endif
