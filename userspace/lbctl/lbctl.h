/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl's command table: one line per command in main.c, one file per command (or per family of live
 * commands).
 *
 * A command gets its own argv, argv[0] being "lbctl NAME" for argp's messages, and returns one of the exit
 * codes. It writes what was asked for to stdout and everything else to stderr. */
#ifndef FAIRWAY_LBCTL_LBCTL_H
#define FAIRWAY_LBCTL_LBCTL_H

#include <stdbool.h>

enum {
	LBCTL_FINE = 0,
	LBCTL_NOT_FINE = 1, /* the thing asked about is not fine, or not found */
	LBCTL_USAGE = 2,    /* argp's errors too: main() sets argp_err_exit_status */
	LBCTL_NO_AGENT = 3,
};

struct command {
	const char *name; /* one word, or two: "svc ls" */
	int (*run)(int argc, char **argv);
	const char *help; /* one line */
	bool offline;	  /* asks no agent: `kubectl fairway` runs it here */
};

#endif
