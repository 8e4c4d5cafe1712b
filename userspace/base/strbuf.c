// SPDX-License-Identifier: Apache-2.0
/* Growing text: see strbuf.h. */
#include "userspace/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
