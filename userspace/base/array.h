/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays: `struct foo *items; size_t n, capacity;` held by whoever owns them.
 *
 *	r = array_reserve(list->items, list->n, list->capacity);   0 or -ENOMEM; room for one more
 *	list->items[list->n++] = foo;
 *
 * The memory is plain malloc: free(list->items) releases it. */
#ifndef FAIRWAY_BASE_ARRAY_H
#define FAIRWAY_BASE_ARRAY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Grows *items (a pointer to the array's pointer) so that at least `want` elements fit. */
static inline int array_grow(void *items, size_t want, size_t *capacity, size_t element_size)
{
	size_t new_capacity = *capacity ? *capacity : 8;
	void *grown;

	if (want <= *capacity)
		return 0;
	while (new_capacity < want) {
		if (new_capacity > SIZE_MAX / 2)
			return -ENOMEM;
		new_capacity *= 2;
	}
	if (new_capacity > SIZE_MAX / element_size)
		return -ENOMEM;
	grown = realloc(*(void **)items, new_capacity * element_size);
	if (!grown)
		return -ENOMEM;
	*(void **)items = grown;
	*capacity = new_capacity;
	return 0;
}

#define array_reserve(items, n, capacity) array_grow(&(items), (n) + 1, &(capacity), sizeof(*(items)))

#endif
