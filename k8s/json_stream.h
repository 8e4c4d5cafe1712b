/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts what an API server sends, as it comes, into pieces that are parsed one by one (PURE), so that neither
 *the text nor the tree of a list of 10,000 objects is ever in memory whole.
 *
 * Of a watch each top-level value is a piece; of a list each element of the top object's "items" is one, and
 *the rest of the text is kept as the head: a small object with an empty "items", for kind, resourceVersion
 *and continue. Only braces, brackets and strings are looked at: a piece may still be no JSON, which
 *json_parse() tells.
 *
 *	struct json_stream stream = { .list = true, .piece = take_item, .userdata = … };   init is this
 */
#ifndef FAIRWAY_K8S_JSON_STREAM_H
#define FAIRWAY_K8S_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/strbuf.h"

#define JSON_STREAM_PIECE_MAX (8 * 1024 * 1024) /* etcd keeps no object larger than 1.5 MiB */
#define JSON_STREAM_HEAD_MAX  (256 * 1024)

/* Borrowed for the call. Not 0 ends the feeding, which returns it. */
typedef int json_piece_fn(void *userdata, const char *text, size_t length);

struct json_stream {
	bool list;
	json_piece_fn *piece;
	void *userdata;
	/* inside */
	bool in_string, escaped;
	bool begun, ended;	     /* list: the top object */
	bool key_is_items, in_items; /* list */
	unsigned depth;
	size_t string_start;   /* list, depth 1: in head, where the last string began */
	struct strbuf head;    /* list */
	struct strbuf pending; /* the beginning of a piece whose end has not come */
};

/* 0, -ENOMEM, -EBADMSG (no piece can begin here), -EFBIG (a piece or the head is too long), or what `piece`
 * returned. After a failure only json_stream_done() is allowed. */
int json_stream_feed(struct json_stream *, const char *bytes, size_t length);
/* Is what was fed whole: a list that ended, a watch that does not end within a piece? */
bool json_stream_is_whole(const struct json_stream *);
void json_stream_done(struct json_stream *); /* ready for another answer of the same form */

#endif
