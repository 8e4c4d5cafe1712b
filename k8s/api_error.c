// SPDX-License-Identifier: Apache-2.0
/* Reading the API server's refusals: see api_error.h. */
#include "k8s/api_error.h"

#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define MESSAGE_MAX 400
#define REASON_MAX  64

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *value = json_member(object, key);

	return value && value->type == JSON_STRING ? value->text : "";
}

static bool is_status(const struct json *object)
{
	return object && !strcmp(text_of(object, "kind"), "Status");
}

const char *api_error_reason(const struct json *object)
{
	return is_status(object) ? text_of(object, "reason") : "";
}

int api_error_code(const struct json *object)
{
	const struct json *value = is_status(object) ? json_member(object, "code") : NULL;
	int64_t code;

	return value && json_integer(value, 100, 599, &code) == 0 ? (int)code : 0;
}

void api_error_message(struct strbuf *message, int status, const struct json *object, const char *body,
		       size_t length)
{
	const char *reason = api_error_reason(object);
	cleanup(strbuf_done) struct strbuf text = { 0 };

	strbuf_appendf(message, "HTTP %d", status);
	if (*reason) {
		strbuf_append(message, " ");
		strbuf_append_escaped(message, reason, REASON_MAX);
	}
	if (is_status(object))
		strbuf_append(&text, text_of(object, "message"));
	else
		strbuf_append_bytes(&text, body, length < MESSAGE_MAX ? length : MESSAGE_MAX);
	/* A proxy's page of HTML or plain text: up to the end of its line. */
	if (text.length && text.text[strcspn(text.text, "\r\n")] && !is_status(object))
		text.text[strcspn(text.text, "\r\n")] = 0;
	if (*strbuf_text(&text)) {
		strbuf_append(message, ": ");
		strbuf_append_escaped(message, strbuf_text(&text), MESSAGE_MAX);
	}
}

int64_t api_error_retry_after_msec(const char *header, const struct json *object)
{
	const struct json *details = is_status(object) ? json_member(object, "details") : NULL;
	const struct json *value = details ? json_member(details, "retryAfterSeconds") : NULL;
	int64_t from_body = 0, most = API_RETRY_AFTER_MOST_MSEC / 1000;
	uint64_t seconds;

	if (value && json_integer(value, 0, INT64_MAX, &from_body) < 0)
		from_body = 0;
	if (header && parse_number(header, 0, UINT32_MAX, &seconds) == 0 && (int64_t)seconds > from_body)
		from_body = (int64_t)seconds;
	return (from_body > most ? most : from_body) * 1000;
}
