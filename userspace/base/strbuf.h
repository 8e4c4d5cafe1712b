/* SPDX-License-Identifier: Apache-2.0 */
/* A growing, always NUL-terminated text. `{ 0 }` is a valid empty one; text may be NULL only then
 * (strbuf_text() never is). Out of memory is remembered: later appends do nothing, and
 * strbuf_failed() tells once at the end, so that callers need no check after each append. */
#ifndef FAIRWAY_BASE_STRBUF_H
#define FAIRWAY_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf {
	char *text;
	size_t length, capacity;
	bool failed;
};

void strbuf_done(struct strbuf *);
void strbuf_reset(struct strbuf *); /* empty it, keep the memory */
void strbuf_append(struct strbuf *, const char *text);
void strbuf_append_bytes(struct strbuf *, const void *bytes, size_t length);
void strbuf_appendf(struct strbuf *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vappendf(struct strbuf *, const char *format, va_list) __attribute__((format(printf, 2, 0)));
/* Text of unknown origin for people's eyes: control characters (C0, DEL, C1), what turns or hides the text around it
 * (directions, zero widths, separators) and bytes that are no UTF-8 become \\xNN; what exceeds `limit` bytes of output is
 * cut and replaced by "...". */
void strbuf_append_escaped(struct strbuf *, const char *text, size_t limit);
void strbuf_append_time(struct strbuf *, int64_t unix_sec); /* RFC 3339 in UTC; the epoch for a year beyond 9999 */
void strbuf_append_time_usec(struct strbuf *, int64_t unix_usec); /* the same with microseconds, metav1.MicroTime */
/* Length of the valid UTF-8 sequence at text (1 to 4; no surrogates, nothing overlong), 0 if there is none. */
size_t utf8_length(const char *text);
const char *strbuf_text(const struct strbuf *);	   /* borrowed; "" for an empty one */
char *strbuf_take(struct strbuf *);		   /* the caller frees; NULL if it had failed */
bool strbuf_failed(const struct strbuf *);

#endif
