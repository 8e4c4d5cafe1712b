// SPDX-License-Identifier: Apache-2.0
/* A text as a JSON string, quotes included: declared in explain.h, used by every pure writer of JSON.
 *
 * The output is valid JSON and valid UTF-8 whatever the text holds: what is no UTF-8 becomes U+FFFD, and control
 * characters (DEL and the C1 ones as well, which terminals obey) are escaped. */
#include "userspace/core/explain.h"

static void append_character(struct strbuf *out, const char *text, size_t length)
{
	unsigned char c = (unsigned char)text[0];

	if (length == 0)
		strbuf_append(out, "\\ufffd");
	else if (length == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0)
		strbuf_appendf(out, "\\u00%02x", (unsigned char)text[1]);
	else if (length > 1)
		strbuf_append_bytes(out, text, length);
	else if (c == '"' || c == '\\')
		strbuf_appendf(out, "\\%c", c);
	else if (c == '\n')
		strbuf_append(out, "\\n");
	else if (c == '\t')
		strbuf_append(out, "\\t");
	else if (c < 0x20 || c == 0x7f)
		strbuf_appendf(out, "\\u%04x", c);
	else
		strbuf_append_bytes(out, text, 1);
}

void json_append_string(struct strbuf *out, const char *text)
{
	strbuf_append(out, "\"");
	while (*text && !out->failed) {
		size_t length = utf8_length(text);

		append_character(out, text, length);
		text += length ? length : 1;
	}
	strbuf_append(out, "\"");
}
