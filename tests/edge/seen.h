/* SPDX-License-Identifier: Apache-2.0 */
/* What a source of objects (a directory, an API server) has told a test so far, and waiting for more of it.
 */
#ifndef FAIRWAY_TESTS_SEEN_H
#define FAIRWAY_TESTS_SEEN_H

#include <stdbool.h>
#include <time.h>

#include "k8s/source.h"
#include "k8s/store.h"

struct sd_event;

#define SEEN_LAST_RESORT_SEC 90 /* only a broken source takes that long */

struct seen {
	struct sd_event *event;
	struct store *store;
	unsigned n_changes;
	const char *must_stay; /* a Service w/… that every change must find */
};

void seen_init(struct seen *);
void seen_done(struct seen *);				   /* after the source */
void seen_change(void *userdata);			   /* a source_change_fn; userdata: the struct seen */
unsigned seen_port(const struct seen *, const char *name); /* of the Service w/NAME; 0: there is none */
void seen_run(struct seen *);				   /* the loop, for a moment */
void seen_give_up(const struct source_result *,
		  const char *condition); /* prints its problems, if it is not NULL */

/* Runs the loop until the condition holds; the result is one of the source, or NULL. */
#define seen_wait(seen, result, condition)                                                                   \
	do {                                                                                                 \
		time_t end_ = time(NULL) + SEEN_LAST_RESORT_SEC;                                             \
		while (!(condition)) {                                                                       \
			seen_run(seen);                                                                      \
			if (time(NULL) > end_)                                                               \
				seen_give_up(result, #condition);                                            \
		}                                                                                            \
	} while (0)

#endif
