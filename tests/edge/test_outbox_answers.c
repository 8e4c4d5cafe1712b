// SPDX-License-Identifier: Apache-2.0
/* What ipam/outbox makes of answers: with a clock and an API server that are plain variables here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/addressees.h"
#include "ipam/outbox.h"
#include "k8s/json.h"
#include "tests/edge/outbox_frame.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define CALLS_MAX 16

/* --- the world of these tests -------------------------------------------------------------------------- */

static uint64_t now_msec;
static struct call {
	api_reply_fn *answered; /* NULL: it was */
	void *userdata;
	char method[8], path[256];
} calls[CALLS_MAX];
static size_t n_calls;

uint64_t loop_now_msec(void)
{
	return now_msec;
}

int loop_timer_new(struct sd_event *event _unused_, loop_fn *fn _unused_, void *userdata _unused_,
		   struct loop_timer **ret)
{
	*ret = NULL;
	return 0;
}

void loop_timer_free(struct loop_timer *timer _unused_)
{
}

void loop_timer_set(struct loop_timer *timer _unused_, uint64_t after_msec _unused_)
{
}

void loop_timer_set_earlier(struct loop_timer *timer _unused_, uint64_t after_msec _unused_)
{
}

int api_send(struct api *api _unused_, const struct api_call *sent, api_reply_fn *answered, void *userdata,
	     struct api_request **ret)
{
	struct call *call = &calls[n_calls++];

	assert_true(n_calls <= CALLS_MAX);
	snprintf(call->method, sizeof(call->method), "%s", sent->method);
	snprintf(call->path, sizeof(call->path), "%s", sent->path);
	call->answered = answered;
	call->userdata = userdata;
	*ret = (struct api_request *)call;
	return 0;
}

void api_cancel(struct api_request *request)
{
	if (request)
		((struct call *)request)->answered = NULL;
}

static void answer(struct call *call, int status, const char *body)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	api_reply_fn *answered = take(call->answered);
	struct json_error error;

	assert_non_null(answered);
	assert_int_equal(json_parse(body, strlen(body), &document, &error), 0);
	answered(call->userdata,
		 &(struct api_reply){
			 .status = status, .reason = "", .message = "said so", .body = document.first });
}

/* --- the owner ----------------------------------------------------------------------------------------- */

struct fixture {
	struct event_book *book;
	struct outbox *outbox;
	unsigned n_acknowledged, n_refused;
	uint64_t version;
};

static bool may_write(void *userdata _unused_)
{
	return true;
}

static int on_sending(void *userdata _unused_, const struct meta *meta _unused_,
		      const struct service_write *write _unused_)
{
	return 0;
}

static void on_acknowledged(void *userdata, const struct meta *meta _unused_,
			    const struct service_write *write _unused_, uint64_t version)
{
	struct fixture *fixture = userdata;

	fixture->n_acknowledged++;
	fixture->version = version;
}

static void on_refused(void *userdata, enum object_kind kind _unused_, const struct meta *meta _unused_,
		       const char *message)
{
	struct fixture *fixture = userdata;

	assert_string_equal(message, "said so");
	fixture->n_refused++;
}

static void on_due(void *userdata _unused_)
{
}

static int set_up(void **state)
{
	static const struct outbox_fns fns = { may_write, on_sending, on_acknowledged, on_refused, on_due };
	const struct event_source source = { .instance = "test", .seed = 1 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	now_msec = 1000000;
	n_calls = 0;
	fixture->book = event_book_new();
	assert_non_null(fixture->book);
	assert_int_equal(outbox_new(NULL, NULL, fixture->book, &source, &fns, fixture, &fixture->outbox), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	outbox_free(fixture->outbox);
	event_book_free(fixture->book);
	free(fixture);
	return 0;
}

/* A round that wants its address written. */
static struct call *write_shop(struct fixture *fixture)
{
	size_t before = n_calls;

	round_wants(fixture->outbox, &shop);
	assert_int_equal(n_calls, before + 1);
	assert_string_equal(calls[before].path,
			    "/api/v1/namespaces/w/services/shop/status?fieldManager=lbcontroller");
	return &calls[before];
}

/* --- tests --------------------------------------------------------------------------------------------- */

/* What stands between us and the API server may answer 200 to anything. */
static void test_an_answer_that_is_not_the_object(void **state)
{
	static const char *const bodies[] = { "{\"metadata\":{\"uid\":\"v\",\"resourceVersion\":\"9\"}}",
					      "{\"metadata\":{\"resourceVersion\":\"9\"}}", "[]",
					      "{\"metadata\":{\"uid\":\"u\"}}" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++, now_msec += 60000) {
		answer(write_shop(fixture), 200, bodies[i]);
		assert_int_equal(fixture->n_acknowledged, 0);
		assert_int_equal(outbox_counts(fixture->outbox).unanswered, i + 1);
		assert_false(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, now_msec));
	}
	assert_int_equal(fixture->n_refused, 0);
	answer(write_shop(fixture), 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"9\"}}");
	assert_int_equal(fixture->n_acknowledged, 1);
	assert_int_equal(fixture->version, 9);
	assert_true(outbox_is_idle(fixture->outbox));
	assert_false(
		outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, now_msec)); /* it was read at 5 */
}

/* Told once, when trying again cannot help, whatever came before; then again after a write that went through.
 */
static void test_refusals(void **state)
{
	static const struct {
		int status;
		unsigned n_refused; /* so far */
	} rows[] = { { 404, 0 }, { 429, 0 }, { 503, 0 }, { 0, 0 },   { 409, 0 }, { 403, 1 },
		     { 403, 1 }, { 409, 1 }, { 422, 1 }, { 200, 1 }, { 422, 2 }, { 409, 2 } };
	struct fixture *fixture = *state;

	log_threshold = LOG_LEVEL_ERROR;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++, now_msec += ADDRESSEE_MOST_RETRY_MSEC) {
		answer(write_shop(fixture), rows[i].status,
		       rows[i].status == 200 ? "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}}"
					     : "{}");
		assert_int_equal(fixture->n_refused, rows[i].n_refused);
	}
}

static void test_events_wait_for_addresses(void **state)
{
	struct fixture *fixture = *state;
	struct call *write = write_shop(fixture);

	tell_event(fixture->book);
	outbox_send(fixture->outbox);
	assert_int_equal(n_calls, 1);
	answer(write, 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"9\"}}");
	assert_int_equal(n_calls, 2);
	assert_string_equal(calls[1].method, "POST");
	assert_false(outbox_is_idle(fixture->outbox));
	answer(&calls[1], 201, "{}");
	assert_true(outbox_is_idle(fixture->outbox));
}

/* The API server forgets Events after an hour; what is told again then is a new one. */
static void test_an_event_that_expired(void **state)
{
	static const struct {
		const char *method;
		int status;
	} rows[] = { { "POST", 503 }, { "POST", 201 }, { "PATCH", 404 }, { "POST", 201 }, { "PATCH", 200 } };
	struct fixture *fixture = *state;

	tell_event(fixture->book);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		outbox_send(fixture->outbox);
		assert_int_equal(n_calls, i + 1);
		assert_string_equal(calls[i].method, rows[i].method);
		answer(&calls[i], rows[i].status, "{}");
		if (rows[i].status < 300)
			tell_event(fixture->book);
		if (rows[i].status != 404)
			now_msec += 2 * EVENT_REPEAT_MSEC;
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_answer_that_is_not_the_object),
		TEST(test_refusals),
		TEST(test_events_wait_for_addresses),
		TEST(test_an_event_that_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
