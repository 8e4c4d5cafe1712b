// SPDX-License-Identifier: Apache-2.0
/* Growing text: see strbuf.h. */
#include "userspace/base/strbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool grow(struct strbuf *buffer, size_t more)
{
	size_t want = buffer->length + more + 1, capacity = buffer->capacity ? buffer->capacity : 64;
	char *text;

	if (buffer->failed)
		return false;
	if (want <= buffer->capacity)
		return true;
	while (capacity < want)
		capacity *= 2;
	text = realloc(buffer->text, capacity);
	if (!text) {
		buffer->failed = true;
		return false;
	}
	buffer->text = text;
	buffer->capacity = capacity;
	return true;
}

void strbuf_done(struct strbuf *buffer)
{
	if (!buffer)
		return;
	free(buffer->text);
	*buffer = (struct strbuf){ 0 };
}

void strbuf_reset(struct strbuf *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->text)
		buffer->text[0] = 0;
}

void strbuf_append_bytes(struct strbuf *buffer, const void *bytes, size_t length)
{
	if (!grow(buffer, length))
		return;
	memcpy(buffer->text + buffer->length, bytes, length);
	buffer->length += length;
	buffer->text[buffer->length] = 0;
}

void strbuf_append(struct strbuf *buffer, const char *text)
{
	strbuf_append_bytes(buffer, text, strlen(text));
}

/* Without the zone. */
static void append_seconds(struct strbuf *buffer, int64_t unix_sec)
{
	time_t since = (time_t)unix_sec;
	char text[64] = "";
	struct tm tm;

	if (!gmtime_r(&since, &tm) || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900 ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		strcpy(text, "1970-01-01T00:00:00");
	strbuf_append(buffer, text);
}

void strbuf_append_time(struct strbuf *buffer, int64_t unix_sec)
{
	append_seconds(buffer, unix_sec);
	strbuf_append(buffer, "Z");
}

void strbuf_append_time_usec(struct strbuf *buffer, int64_t unix_usec)
{
	append_seconds(buffer, unix_usec / 1000000);
	strbuf_appendf(buffer, ".%06" PRId64 "Z", unix_usec % 1000000);
}

void strbuf_vappendf(struct strbuf *buffer, const char *format, va_list arguments)
{
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) {
		buffer->failed = true;
		return;
	}
	if (!grow(buffer, (size_t)length))
		return;
	vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, arguments);
	buffer->length += (size_t)length;
}

void strbuf_appendf(struct strbuf *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(buffer, format, arguments);
	va_end(arguments);
}

size_t utf8_length(const char *text)
{
	const unsigned char *b = (const unsigned char *)text;

	/* The range of the second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
	static const struct {
		unsigned char first, last, second_min, second_max, length;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, j;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (b[0] < forms[i].first || b[0] > forms[i].last)
			continue;
		if (forms[i].length > 1 && (b[1] < forms[i].second_min || b[1] > forms[i].second_max))
			return 0;
		for (j = 2; j < forms[i].length; j++)
			if (b[j] < 0x80 || b[j] > 0xbf)
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* C1 controls, and what changes how the text around it looks without being seen itself: zero widths, marks and overrides of
 * the writing direction (U+200B-200F, U+2060-206F, U+FEFF), line and paragraph separators (U+2028-202E). */
static bool is_invisible(const unsigned char *b)
{
	if (b[0] == 0xc2)
		return b[1] < 0xa0;
	if (b[0] == 0xe2 && b[1] == 0x80)
		return (b[2] >= 0x8b && b[2] <= 0x8f) || (b[2] >= 0xa8 && b[2] <= 0xae);
	if (b[0] == 0xe2 && b[1] == 0x81)
		return b[2] >= 0xa0 && b[2] <= 0xaf;
	return b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf;
}

void strbuf_append_escaped(struct strbuf *buffer, const char *text, size_t limit)
{
	size_t start = buffer->length, length, width;
	bool plain;

	for (; *text; text += length ? length : 1) {
		const unsigned char *b = (const unsigned char *)text;

		length = utf8_length(text);
		plain = length > 1 ? !is_invisible(b) : length == 1 && b[0] >= 0x20 && b[0] != 0x7f;
		if (!plain)
			length = 1;
		width = plain ? length : 4;
		if (buffer->length - start + width > limit) {
			strbuf_append(buffer, "...");
			return;
		}
		if (plain)
			strbuf_append_bytes(buffer, text, length);
		else
			strbuf_appendf(buffer, "\\x%02x", b[0]);
		if (buffer->failed)
			return;
	}
}

const char *strbuf_text(const struct strbuf *buffer)
{
	return buffer->text ? buffer->text : "";
}

char *strbuf_take(struct strbuf *buffer)
{
	char *text = NULL;

	if (!buffer->failed) {
		strbuf_append(buffer, "");
		if (!buffer->failed) {
			text = buffer->text;
			buffer->text = NULL;
		}
	}
	strbuf_done(buffer);
	return text;
}

bool strbuf_failed(const struct strbuf *buffer)
{
	return buffer->failed;
}
