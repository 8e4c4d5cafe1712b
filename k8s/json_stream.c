// SPDX-License-Identifier: Apache-2.0
/* The cutting of streams: see json_stream.h. The state is a depth and whether a string is open, so any cut
 * between two reads is as good as another. Pieces that come in one read are handed on without being copied.
 */
#include "k8s/json_stream.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* To the end of the string that is open, which is after its quote. `end` if it does not end here. */
static const char *skip_string(struct json_stream *stream, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (stream->escaped) {
			stream->escaped = false;
		} else if (*at == '\\') {
			stream->escaped = true;
		} else if (*at == '"') {
			stream->in_string = false;
			return at + 1;
		}
	}
	return end;
}

/* To the end of the value that is open, `base` levels deep; *ret_whole: there it is. */
static const char *skip_value(struct json_stream *stream, const char *at, const char *end, unsigned base,
			      bool *ret_whole)
{
	*ret_whole = false;
	while (at < end) {
		if (stream->in_string) {
			at = skip_string(stream, at, end);
			continue;
		}
		switch (*at++) {
		case '"':
			stream->in_string = true;
			break;
		case '{':
		case '[':
			stream->depth++;
			break;
		case '}':
		case ']':
			if (--stream->depth == base) {
				*ret_whole = true;
				return at;
			}
			break;
		}
	}
	return end;
}

static int append(struct strbuf *buffer, const char *text, size_t length, size_t limit)
{
	if (length > limit - buffer->length)
		return -EFBIG;
	strbuf_append_bytes(buffer, text, length);
	return strbuf_failed(buffer) ? -ENOMEM : 0;
}

/* A piece is open or begins here. */
static int feed_piece(struct json_stream *stream, const char **at, const char *end, unsigned base)
{
	const char *start = *at;
	bool whole;
	int r;

	*at = skip_value(stream, start, end, base, &whole);
	if (whole && !stream->pending.length) {
		if (*at - start > JSON_STREAM_PIECE_MAX)
			return -EFBIG;
		return stream->piece(stream->userdata, start, (size_t)(*at - start));
	}
	r = append(&stream->pending, start, (size_t)(*at - start), JSON_STREAM_PIECE_MAX);
	if (r < 0 || !whole)
		return r;
	r = stream->piece(stream->userdata, stream->pending.text, stream->pending.length);
	/* One large object must not hold its memory for as long as a watch lasts. */
	if (stream->pending.capacity > 64 * 1024)
		strbuf_done(&stream->pending);
	else
		strbuf_reset(&stream->pending);
	return r;
}

static int feed_values(struct json_stream *stream, const char *at, const char *end)
{
	int r;

	while (at < end) {
		if (!stream->depth && is_blank(*at)) {
			at++;
			continue;
		}
		if (!stream->depth && *at != '{')
			return -EBADMSG;
		r = feed_piece(stream, &at, end, 0);
		if (r)
			return r;
	}
	return 0;
}

/* --- a list -------------------------------------------------------------------------------------------- */

#define ITEMS_DEPTH 2 /* the top object, and its array */

static int feed_items(struct json_stream *stream, const char **at, const char *end)
{
	int r;

	while (*at < end) {
		if (stream->depth == ITEMS_DEPTH && (is_blank(**at) || **at == ',')) {
			(*at)++;
			continue;
		}
		if (stream->depth == ITEMS_DEPTH && **at == ']') {
			stream->in_items = false;
			return 0; /* the bracket is the head's */
		}
		if (stream->depth == ITEMS_DEPTH && **at != '{')
			return -EBADMSG;
		r = feed_piece(stream, at, end, ITEMS_DEPTH);
		if (r)
			return r;
	}
	return 0;
}

/* Asked at a colon, which is the head's last byte. */
static bool key_is(const struct json_stream *stream, const char *quoted)
{
	const char *key = stream->head.text + stream->string_start;
	size_t length = strlen(quoted);

	return !strncmp(key, quoted, length) && !key[length + strspn(key + length, " \t\r\n:")];
}

/* What a byte of the head means; it was appended already. */
static int head_byte(struct json_stream *stream, char c)
{
	switch (c) {
	case '"':
		stream->in_string = true;
		stream->string_start = stream->head.length - 1;
		return 0;
	case '{':
	case '[':
		if (stream->key_is_items && c == '[' && stream->depth == 1)
			stream->in_items = true;
		stream->key_is_items = false;
		stream->depth++;
		return 0;
	case '}':
	case ']':
		stream->ended = --stream->depth == 0;
		return 0;
	case ':':
		stream->key_is_items = stream->depth == 1 && key_is(stream, "\"items\"");
		return 0;
	default:
		if (!is_blank(c))
			stream->key_is_items = false;
		return 0;
	}
}

static int feed_head(struct json_stream *stream, const char **at, const char *end)
{
	const char *start = *at;
	int r;

	if (stream->in_string) {
		*at = skip_string(stream, start, end);
		return append(&stream->head, start, (size_t)(*at - start), JSON_STREAM_HEAD_MAX);
	}
	(*at)++;
	if ((stream->ended || !stream->begun) && is_blank(*start))
		return 0;
	if (stream->ended || (!stream->begun && *start != '{'))
		return -EBADMSG;
	stream->begun = true;
	r = append(&stream->head, start, 1, JSON_STREAM_HEAD_MAX);
	return r < 0 ? r : head_byte(stream, *start);
}

static int feed_list(struct json_stream *stream, const char *at, const char *end)
{
	int r = 0;

	while (at < end && !r)
		r = stream->in_items ? feed_items(stream, &at, end) : feed_head(stream, &at, end);
	return r;
}

int json_stream_feed(struct json_stream *stream, const char *bytes, size_t length)
{
	return stream->list ? feed_list(stream, bytes, bytes + length)
			    : feed_values(stream, bytes, bytes + length);
}

bool json_stream_is_whole(const struct json_stream *stream)
{
	return stream->list ? stream->ended : !stream->depth;
}

void json_stream_done(struct json_stream *stream)
{
	struct json_stream fresh = { .list = stream->list,
				     .piece = stream->piece,
				     .userdata = stream->userdata };

	strbuf_done(&stream->head);
	strbuf_done(&stream->pending);
	*stream = fresh;
}
