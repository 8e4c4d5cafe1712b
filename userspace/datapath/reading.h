/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's routes cannot be read for a while (PURE): which answers are none, when it is tried again, and
 * what is told of it: once when it begins, once when it is over. */
#ifndef FAIRWAY_DATAPATH_READING_H
#define FAIRWAY_DATAPATH_READING_H

#include <stdbool.h>
#include <stdint.h>

#define READING_FIRST_RETRY_MSEC 100 /* doubles with each failure in a row */
#define READING_MOST_RETRY_MSEC	 30000

/* Is that the kernel's word (0, or that a destination leads nowhere, or a whole family)? Else it could not be
 * asked. */
bool reading_is_word(int error);

struct reading {	     /* { 0 } */
	unsigned n_failures; /* in a row */
};

enum reading_news { READING_NO_NEWS, READING_FAILS, READING_IS_OVER };

/* Everything was read, or the first of its errors. *ret_retry_msec: when it is to be tried again; 0: only
 * when something changes. */
enum reading_news reading_note(struct reading *, int error, uint64_t *ret_retry_msec);

#endif
