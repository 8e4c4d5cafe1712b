// SPDX-License-Identifier: Apache-2.0
/* Events: what is written at once, what becomes a series, and what a storm costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/event_book.h"
#include "k8s/json.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define MINUTE_MSEC 60000

static const struct event_source source = { .instance = "a", .seed = 0x1000 };

static int set_up(void **state)
{
	*state = event_book_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	event_book_free(*state);
	return 0;
}

static void tell(struct event_book *book, const char *name, const char *note, uint64_t now_msec)
{
	const struct event event = { .kind = OBJECT_SERVICE,
				     .namespace = "w",
				     .name = name,
				     .uid = "u",
				     .warning = true,
				     .reason = "SyncLoadBalancerFailed",
				     .action = "Allocate",
				     .note = note };

	assert_int_equal(event_book_tell(book, &event, now_msec, 1706702400000000 + (int64_t)now_msec * 1000),
			 0);
}

/* Writes all that is due: "POST", "PATCH" … in a row. */
static void expect(struct event_book *book, uint64_t now_msec, const char *wanted, uint64_t due_msec)
{
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct event_write write;
	uint64_t due;

	while (event_book_next(book, &source, now_msec, &write, &due)) {
		strbuf_appendf(&got, "%s%s", got.length ? " " : "", write.again ? "PATCH" : "POST");
		event_book_answer(book, write.token, EVENT_WRITTEN, now_msec);
	}
	assert_string_equal(strbuf_text(&got), wanted);
	assert_true(due == due_msec);
}

static void test_bodies(void **state)
{
	struct event_write write;
	uint64_t due;

	tell(*state, "shop", "PoolExhausted: \x01 all in use", 0);
	assert_true(event_book_next(*state, &source, 0, &write, &due));
	assert_string_equal(write.path, "/apis/events.k8s.io/v1/namespaces/w/events");
	assert_string_equal(
		write.body,
		"{\"apiVersion\":\"events.k8s.io/"
		"v1\",\"kind\":\"Event\",\"metadata\":{\"namespace\":\"w\",\"name\":"
		"\"shop.0000000000001001\"},\"eventTime\":\"2024-01-31T12:00:00.000000Z\","
		"\"reportingController\":"
		"\"fairway.dev/lbcontroller\",\"reportingInstance\":\"a\",\"type\":\"Warning\",\"reason\":"
		"\"SyncLoadBalancerFailed\",\"action\":\"Allocate\",\"note\":\"PoolExhausted: \\\\x01 all in "
		"use\","
		"\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"namespace\":\"w\",\"name\":"
		"\"shop\",\"uid\":\"u\"}}");
	assert_false(event_book_next(*state, &source, 0, &write, &due)); /* one at a time */
	event_book_answer(*state, write.token, EVENT_WRITTEN, 0);
	tell(*state, "shop", "PoolExhausted: \x01 all in use", 500);
	assert_true(event_book_next(*state, &source, MINUTE_MSEC, &write, &due));
	assert_true(write.again);
	assert_string_equal(write.path, "/apis/events.k8s.io/v1/namespaces/w/events/shop.0000000000001001");
	assert_string_equal(
		write.body,
		"{\"series\":{\"count\":2,\"lastObservedTime\":\"2024-01-31T12:00:00.500000Z\"}}");
	event_book_answer(*state, write.token, EVENT_GONE,
			  MINUTE_MSEC); /* it expired meanwhile: another one, under another name */
	assert_true(event_book_next(*state, &source, MINUTE_MSEC, &write, &due));
	assert_false(write.again);
	assert_non_null(strstr(write.body, "shop.0000000000001002"));
}

static void test_series(void **state)
{
	tell(*state, "shop", "a", 0);
	expect(*state, 0, "POST", UINT64_MAX);
	for (uint64_t now_msec = 1000; now_msec < MINUTE_MSEC; now_msec += 1000)
		tell(*state, "shop", "a", now_msec);
	expect(*state, MINUTE_MSEC - 1, "", MINUTE_MSEC); /* told 59 times more, and not due yet */
	expect(*state, MINUTE_MSEC, "PATCH", UINT64_MAX);
	tell(*state, "shop", "b", MINUTE_MSEC); /* another note is another story */
	tell(*state, "cart", "a", MINUTE_MSEC); /* so is another object */
	expect(*state, MINUTE_MSEC, "POST POST", UINT64_MAX);
	tell(*state, "shop", "a", MINUTE_MSEC + 2 * EVENT_SERIES_MSEC); /* too long ago for a series */
	expect(*state, MINUTE_MSEC + 2 * EVENT_SERIES_MSEC, "POST", UINT64_MAX);
}

/* Told three times before there was room to write it once: one Event, and then its series. */
static void test_told_again_before_it_is_written(void **state)
{
	struct event_write write;
	uint64_t due;

	for (uint64_t now_msec = 0; now_msec < 3; now_msec++)
		tell(*state, "shop", "a", now_msec);
	assert_true(event_book_next(*state, &source, 10, &write, &due));
	assert_false(write.again);
	assert_null(strstr(write.body, "series"));
	event_book_answer(*state, write.token, EVENT_WRITTEN, 40);
	assert_false(event_book_next(*state, &source, 40, &write, &due));
	assert_true(due == 10 + EVENT_REPEAT_MSEC);
	assert_true(event_book_next(*state, &source, due, &write, &due));
	assert_true(write.again);
	assert_string_equal(
		write.body,
		"{\"series\":{\"count\":3,\"lastObservedTime\":\"2024-01-31T12:00:00.002000Z\"}}");
	event_book_answer(*state, write.token, EVENT_WRITTEN, 60010);
	expect(*state, 60010, "", UINT64_MAX);
}

static void test_no_answer(void **state)
{
	struct event_write write;
	uint64_t due, now_msec = 0;

	tell(*state, "shop", "a", 0);
	for (int i = 0; i < EVENT_TRIES; i++) {
		assert_true(event_book_next(*state, &source, now_msec, &write, &due));
		assert_false(write.again);
		assert_non_null(strstr(write.body,
				       "shop.0000000000001001")); /* the same: it may have been executed */
		event_book_answer(*state, write.token, EVENT_LATER, now_msec);
		if (i < EVENT_TRIES - 1)
			expect(*state, now_msec + EVENT_RETRY_MSEC - 1, "", now_msec + EVENT_RETRY_MSEC);
		now_msec += EVENT_RETRY_MSEC;
	}
	expect(*state, now_msec, "", UINT64_MAX); /* enough */
	assert_int_equal(event_book_dropped(*state), 1);
}

static void test_bucket(void **state)
{
	cleanup(strbuf_done) struct strbuf all = { 0 };
	char note[16];

	for (int i = 0; i < 100; i++) {
		snprintf(note, sizeof(note), "%d", i);
		tell(*state, "shop", note, 0);
	}
	for (int i = 0; i < EVENT_BURST; i++)
		strbuf_append(&all, i ? " POST" : "POST");
	expect(*state, 0, strbuf_text(&all), UINT64_MAX);
	assert_int_equal(event_book_dropped(*state), 100 - EVENT_BURST);
	tell(*state, "cart", "a", 0); /* another's storm is not its */
	expect(*state, 0, "POST", UINT64_MAX);
	tell(*state, "shop", "new", EVENT_REFILL_MSEC - 1);
	expect(*state, EVENT_REFILL_MSEC - 1, "", UINT64_MAX);
	tell(*state, "shop", "new", EVENT_REFILL_MSEC);
	expect(*state, EVENT_REFILL_MSEC, "POST", UINT64_MAX);
}

static void test_bounded(void **state)
{
	char name[16];
	uint64_t due;
	struct event_write write;
	int i;

	for (i = 0; i < EVENT_RECORDS + 10; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		tell(*state, name, "a", (uint64_t)i);
	}
	assert_true(event_book_dropped(*state) >= 10); /* nothing was written, so there was no room */
	for (i = 0; event_book_next(*state, &source, 5000, &write, &due); i++)
		event_book_answer(*state, write.token, EVENT_WRITTEN, 0);
	assert_true(i > EVENT_RECORDS / 2);
	tell(*state, "late", "a", 6000); /* now there is */
	expect(*state, 6000, "POST", UINT64_MAX);
}

static void test_hostile_note(void **state)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;
	struct event_write write;
	char note[5000];
	uint64_t due;

	memset(note, '"', sizeof(note) - 1);
	note[sizeof(note) - 1] = 0;
	tell(*state, "shop", note, 0);
	assert_true(event_book_next(*state, &source, 0, &write, &due));
	assert_int_equal(json_parse(write.body, write.length, &document, &error), 0);
	assert_true(strlen(json_member(document.first, "note")->text) <= EVENT_NOTE_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bodies),	TEST(test_series), TEST(test_told_again_before_it_is_written),
		TEST(test_no_answer),	TEST(test_bucket), TEST(test_bounded),
		TEST(test_hostile_note)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
