/* SPDX-License-Identifier: Apache-2.0 */
/* lbcontroller's state and its one action (EDGE): objects from a manifests directory -> allocate() -> the status file.
 *
 * The book in memory follows the file, never the other way round: an address counts as given once the file that says so
 * is on disk. Nothing is decided before the directory has delivered its first complete list. */
#ifndef FAIRWAY_IPAM_CONTROLLER_H
#define FAIRWAY_IPAM_CONTROLLER_H

#include "ipam/problem_lines.h"
#include "ipam/status_book.h"
#include "k8s/manifests.h"

struct controller {
	const char *status_path;
	bool default_class;
	struct status_book book; /* what the status file says */
	bool satisfied;		 /* of the last round: every request was granted and no pool refused */
	bool waiting_said;
	struct problem_lines problems;
};

enum controller_result {
	CONTROLLER_AT_REST, /* nothing changed: the file says what is */
	CONTROLLER_CHANGED, /* the file was written; what was given up is free for the next round, which is due */
	CONTROLLER_WAITING, /* the directory has not delivered */
	CONTROLLER_FAILED,  /* logged; the old file stands, try again later */
};

int controller_init(struct controller *, const char *status_path, bool default_class); /* reads the file; logs why not */
void controller_done(struct controller *);
enum controller_result controller_round(struct controller *, struct store *, const struct source_result *,
					int64_t now_sec);

#endif
