// SPDX-License-Identifier: Apache-2.0
/* One-lifetime memory: see arena.h. Chunks double in size from 256 bytes, so that small objects stay small.
 */
#include "userspace/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK   256
#define LARGEST_CHUNK (64 * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

void arena_done(struct arena *arena)
{
	struct arena_chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
}

/* 16 on our machines, where sizeof(max_align_t) is 32: most pieces are short strings. */
static size_t round_up(size_t size)
{
	return (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t capacity)
{
	struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + capacity);

	if (!chunk)
		return NULL;
	chunk->size = capacity;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void arena_reserve(struct arena *arena, size_t size)
{
	if (size <= SIZE_MAX / 2)
		add_chunk(arena, round_up(size));
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t capacity;
	void *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = round_up(size);
	if (!chunk || chunk->size - chunk->used < size) {
		capacity = chunk ? chunk->size * 2 : FIRST_CHUNK;
		if (capacity > LARGEST_CHUNK)
			capacity = LARGEST_CHUNK;
		if (capacity < size)
			capacity = size;
		chunk = add_chunk(arena, capacity);
		if (!chunk)
			return NULL;
	}
	piece = (char *)chunk->bytes + chunk->used;
	chunk->used += size;
	return piece;
}

void *arena_array(struct arena *arena, size_t n, size_t element_size)
{
	if (element_size && n > SIZE_MAX / 2 / element_size)
		return NULL;
	return arena_alloc(arena, n * element_size);
}

char *arena_string_n(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

char *arena_string(struct arena *arena, const char *text)
{
	return text ? arena_string_n(arena, text, strlen(text)) : NULL;
}
