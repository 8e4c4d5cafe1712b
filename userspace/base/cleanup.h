/* SPDX-License-Identifier: Apache-2.0 */
/* Locals that clean themselves: `cleanup(strbuf_done) struct strbuf text = { 0 };`
 *
 * The named function takes a pointer to the variable and must accept a zeroed one. For heap objects
 * use DEFINE_CLEANUP(type *, type_free), then `cleanup(type_freep) struct type *object = NULL;`.
 * `take(p)` hands a pointer out and leaves NULL behind, so that the cleanup does nothing. */
#ifndef FAIRWAY_BASE_CLEANUP_H
#define FAIRWAY_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define cleanup(function) __attribute__((cleanup(function)))

#define DEFINE_CLEANUP(type, function)                                                             \
	static inline void function##p(type *pointer)                                              \
	{                                                                                          \
		if (*pointer)                                                                      \
			function(*pointer);                                                        \
	}                                                                                          \
	struct cleanup_needs_semicolon

static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define take(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
