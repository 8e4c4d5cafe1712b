/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of the API server means, from its status, headers and body (PURE). */
#ifndef FAIRWAY_K8S_API_ERROR_H
#define FAIRWAY_K8S_API_ERROR_H

#include "k8s/json.h"

/* "HTTP 409 Conflict: Operation cannot be fulfilled on …", "HTTP 502: <html>…": one printable line of at most
 * some 500 bytes. `body` is the text, `status_object` it parsed (NULL: it is no JSON). */
void api_error_message(struct strbuf *, int status, const struct json *status_object, const char *body,
		       size_t length);
/* Status.reason if the body is a Status; "" else. Borrowed from the tree. */
const char *api_error_reason(const struct json *status_object);
/* Status.code; 0: none. */
int api_error_code(const struct json *status_object);
/* What the server asked for by Retry-After (seconds; a date is not read) or details.retryAfterSeconds, at
 * most API_RETRY_AFTER_MOST_MSEC; 0: nothing. `header` may be NULL. */
#define API_RETRY_AFTER_MOST_MSEC 120000
int64_t api_error_retry_after_msec(const char *header, const struct json *status_object);

#endif
