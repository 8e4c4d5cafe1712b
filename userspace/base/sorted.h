/* SPDX-License-Identifier: Apache-2.0 */
/* Where a key is, or would be, in a sorted array of whatever type: the first of `n` places that is not before
 *it.
 *
 *	at = sorted_place(list->n, i, strcmp(list->items[i].name, name) < 0);
 *	if (at < list->n && !strcmp(list->items[at].name, name))
 *
 * `i` is the caller's name for the place that the expression behind it asks about. */
#ifndef FAIRWAY_BASE_SORTED_H
#define FAIRWAY_BASE_SORTED_H

#include <stddef.h>

#define sorted_place(n, i, is_before)                                                                        \
	({                                                                                                   \
		size_t low_ = 0, high_ = (n);                                                                \
                                                                                                             \
		while (low_ < high_) {                                                                       \
			size_t i = low_ + (high_ - low_) / 2;                                                \
                                                                                                             \
			if (is_before)                                                                       \
				low_ = i + 1;                                                                \
			else                                                                                 \
				high_ = i;                                                                   \
		}                                                                                            \
		low_;                                                                                        \
	})

#endif
