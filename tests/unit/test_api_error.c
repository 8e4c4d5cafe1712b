// SPDX-License-Identifier: Apache-2.0
/* k8s/api_error and k8s/backoff: what a refusal says, and how long to wait after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/api_error.h"
#include "k8s/backoff.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static void expect_message(int status, const char *body, const char *expected)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct json_error error;

	json_parse(body, strlen(body), &document, &error);
	api_error_message(&message, status, document.first, body, strlen(body));
	assert_string_equal(strbuf_text(&message), expected);
}

static void test_messages(void **state _unused_)
{
	expect_message(
		409,
		"{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object\\nwas modified\"}",
		"HTTP 409 Conflict: the object\\x0awas modified");
	expect_message(500, "", "HTTP 500");
	expect_message(502, "<html>\r\n<body>", "HTTP 502: <html>");
	expect_message(502, "{\"kind\":\"Other\",\"message\":1}",
		       "HTTP 502: {\"kind\":\"Other\",\"message\":1}");
	expect_message(403, "{\"kind\":\"Status\",\"reason\":7}", "HTTP 403");
	expect_message(503, "bad \x1b[31m bytes", "HTTP 503: bad \\x1b[31m bytes");
}

static int64_t retry_after(const char *header, const char *body)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;

	assert_int_equal(json_parse(body, strlen(body), &document, &error), 0);
	return api_error_retry_after_msec(header, document.first);
}

static void test_retry_after(void **state _unused_)
{
	assert_int_equal(retry_after(NULL, "{}"), 0);
	assert_int_equal(retry_after("1", "{}"), 1000);
	assert_int_equal(retry_after("-1", "{}"), 0);
	assert_int_equal(retry_after("Thu, 26 Nov 2026 02:00:00 GMT", "{}"), 0);
	assert_int_equal(retry_after(NULL, "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":3}}"),
			 3000);
	assert_int_equal(retry_after("5", "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":3}}"),
			 5000);
	assert_int_equal(retry_after("4000000000", "{}"), API_RETRY_AFTER_MOST_MSEC);
	assert_int_equal(retry_after(NULL, "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":-3}}"),
			 0);
	assert_int_equal(retry_after(NULL, "{\"details\":{\"retryAfterSeconds\":3}}"), 0);
}

static void expect_wait(struct backoff *backoff, uint64_t now_msec, uint64_t base_msec)
{
	struct backoff low = *backoff, high = *backoff, wild = *backoff;
	uint64_t wait_msec;

	assert_int_equal(backoff_next(&low, now_msec, 0, 0), base_msec);
	assert_int_equal(backoff_next(&high, now_msec, (uint32_t)base_msec, 0), 2 * base_msec);
	wait_msec = backoff_next(&wild, now_msec, 0xdeadbeef, 0);
	assert_in_range(wait_msec, base_msec, 2 * base_msec);
	*backoff = low;
}

static void test_backoff(void **state _unused_)
{
	struct backoff backoff = { 0 };
	uint64_t now_msec = 1000;

	for (uint64_t base_msec = 800; base_msec < 15000; base_msec *= 2, now_msec += 40000)
		expect_wait(&backoff, now_msec, base_msec);
	for (int i = 0; i < 3; i++, now_msec += 40000)
		expect_wait(&backoff, now_msec, 15000);
	/* two minutes without a failure, after the wait: a new story */
	expect_wait(&backoff, now_msec - 40000 + 15000 + BACKOFF_RESET_MSEC - 1, 15000);
	expect_wait(&backoff, now_msec + 3 * BACKOFF_RESET_MSEC, 800);
	expect_wait(&backoff, now_msec + 3 * BACKOFF_RESET_MSEC + 1000, 1600);
	backoff_reset(&backoff);
	expect_wait(&backoff, now_msec + 3 * BACKOFF_RESET_MSEC + 2000, 800);
}

static void test_backoff_that_was_asked_for(void **state _unused_)
{
	struct backoff backoff = { 0 };

	assert_int_equal(backoff_next(&backoff, 0, 0, 5000), 5000);
	assert_in_range(backoff_next(&backoff, 6000, 12345, 5000), 5000, 6250);
	assert_in_range(backoff_next(&backoff, 12000, 12345, 100), 3200, 6400); /* ours is longer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_backoff_that_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
