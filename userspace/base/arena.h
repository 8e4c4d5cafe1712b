/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: many small pieces of memory with one lifetime, freed together. A decoded object or a
 * service's plan keeps all its strings and arrays in its own arena, so that ownership is one pointer.
 *
 * `{ 0 }` is a valid empty arena. All pieces are zeroed and aligned for any type. NULL means out of memory. */
#ifndef FAIRWAY_BASE_ARENA_H
#define FAIRWAY_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
};

void arena_done(struct arena *);
/* Room for about `size` bytes in one piece, for an owner that knows: chunks otherwise double, and half of the last one may
 * stay empty. A hint: failure shows in the next arena_alloc(). */
void arena_reserve(struct arena *, size_t size);
void *arena_alloc(struct arena *, size_t size);
void *arena_array(struct arena *, size_t n, size_t element_size); /* checks the product; n = 0 gives a valid pointer */
char *arena_string(struct arena *, const char *text);		  /* NULL in, NULL out */
char *arena_string_n(struct arena *, const char *text, size_t length);

#endif
