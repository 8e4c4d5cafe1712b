// SPDX-License-Identifier: Apache-2.0
/* k8s/json_stream: whatever an API server sends and wherever the network cuts it, the same pieces come out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/json_stream.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* Pieces as one text, each in angle brackets. */
static int collect(void *userdata, const char *text, size_t length)
{
	struct strbuf *pieces = userdata;

	strbuf_append(pieces, "<");
	strbuf_append_bytes(pieces, text, length);
	strbuf_append(pieces, ">");
	return 0;
}

/* Fed in three parts, cut at a and b; in one where both are at the ends. */
static int feed(struct json_stream *stream, const char *text, size_t a, size_t b)
{
	size_t length = strlen(text);
	int r;

	r = json_stream_feed(stream, text, a);
	if (!r)
		r = json_stream_feed(stream, text + a, b - a);
	return r ? r : json_stream_feed(stream, text + b, length - b);
}

static void expect(bool list, const char *text, const char *pieces, const char *head)
{
	size_t length = strlen(text);

	for (size_t a = 0; a <= length; a++) {
		for (size_t b = a; b <= length; b++) {
			cleanup(strbuf_done) struct strbuf got = { 0 };
			cleanup(json_stream_done) struct json_stream stream = { .list = list,
										.piece = collect,
										.userdata = &got };

			assert_int_equal(feed(&stream, text, a, b), 0);
			assert_string_equal(strbuf_text(&got), pieces);
			assert_string_equal(strbuf_text(&stream.head), head);
			assert_true(json_stream_is_whole(&stream));
		}
	}
}

static void test_watch(void **state _unused_)
{
	expect(false, "", "", "");
	expect(false, "{\"a\":1}\n{\"b\":[2,{}]} \r\n\t{}", "<{\"a\":1}><{\"b\":[2,{}]}><{}>", "");
	expect(false, "{\"}{\":\"\\\"}\\\\\"}{\"]\":\"[\"}", "<{\"}{\":\"\\\"}\\\\\"}><{\"]\":\"[\"}>", "");
}

static void test_list(void **state _unused_)
{
	/* typed lists */
	expect(true,
	       "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":[1]},\n{\"b\":\"]"
	       "\"}]}\n",
	       "<{\"a\":[1]}><{\"b\":\"]\"}>",
	       "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}");
	/* those of custom objects: the metadata come last, items hold items */
	expect(true, "{\"items\" : [ {\"items\":[{}]} ] , \"metadata\":{\"items\":[{\"x\":1}]}}",
	       "<{\"items\":[{}]}>", "{\"items\" : [] , \"metadata\":{\"items\":[{\"x\":1}]}}");
	expect(true, "{\"items\":null,\"x\":\"items\",\"y\":[{}]}", "",
	       "{\"items\":null,\"x\":\"items\",\"y\":[{}]}");
	expect(true, "{\"items\":[]}", "", "{\"items\":[]}");
}

static void expect_error(bool list, const char *text, int error)
{
	size_t length = strlen(text);

	for (size_t a = 0; a <= length; a++) {
		cleanup(strbuf_done) struct strbuf got = { 0 };
		cleanup(json_stream_done) struct json_stream stream = { .list = list,
									.piece = collect,
									.userdata = &got };

		assert_int_equal(feed(&stream, text, a, length), error);
	}
}

static void test_garbage(void **state _unused_)
{
	expect_error(false, "{} x", -EBADMSG);
	expect_error(false, "<html>", -EBADMSG);
	expect_error(false, "[{}]", -EBADMSG);
	expect_error(true, "<html>", -EBADMSG);
	expect_error(true, "[{}]", -EBADMSG);
	expect_error(true, "{\"items\":[1]}", -EBADMSG);
	expect_error(true, "{\"items\":[}", -EBADMSG);
	expect_error(true, "{\"items\":[]}{}", -EBADMSG);
}

static void test_cut(void **state _unused_)
{
	static const char *const halves[] = { "{", "{\"a\":\"", "{\"a\":\"\\", "{} {\"a\"" };
	static const char *const lists[] = { "", "{\"items\":[", "{\"items\":[{}", "{\"items\":[{}]",
					     "{\"a\":\"}" };

	for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
		cleanup(strbuf_done) struct strbuf got = { 0 };
		cleanup(json_stream_done) struct json_stream stream = { .piece = collect, .userdata = &got };

		assert_int_equal(json_stream_feed(&stream, halves[i], strlen(halves[i])), 0);
		assert_false(json_stream_is_whole(&stream));
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		cleanup(strbuf_done) struct strbuf got = { 0 };
		cleanup(json_stream_done) struct json_stream stream = { .list = true,
									.piece = collect,
									.userdata = &got };

		assert_int_equal(json_stream_feed(&stream, lists[i], strlen(lists[i])), 0);
		assert_false(json_stream_is_whole(&stream));
	}
}

static int count(void *userdata, const char *text _unused_, size_t length _unused_)
{
	(*(unsigned *)userdata)++;
	return 0;
}

static void test_limits(void **state _unused_)
{
	unsigned n = 0;
	cleanup(json_stream_done) struct json_stream stream = { .piece = count, .userdata = &n };
	cleanup(json_stream_done) struct json_stream list = { .list = true, .piece = count, .userdata = &n };
	char block[4096];
	int r;

	memset(block, 'x', sizeof(block));
	assert_int_equal(json_stream_feed(&stream, "{\"a\":\"", 6), 0);
	for (size_t fed = 0; !(r = json_stream_feed(&stream, block, sizeof(block))); fed += sizeof(block))
		assert_true(fed <= JSON_STREAM_PIECE_MAX);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(json_stream_feed(&list, "{\"a\":\"", 6), 0);
	for (size_t fed = 0; !(r = json_stream_feed(&list, block, sizeof(block))); fed += sizeof(block))
		assert_true(fed <= JSON_STREAM_HEAD_MAX);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(n, 0);
}

static int stop(void *userdata, const char *text _unused_, size_t length _unused_)
{
	return ++*(int *)userdata == 2 ? 77 : 0;
}

static void test_who_takes_the_pieces_may_stop(void **state _unused_)
{
	int n = 0;
	cleanup(json_stream_done) struct json_stream stream = { .piece = stop, .userdata = &n };

	assert_int_equal(json_stream_feed(&stream, "{}{}{}", 6), 77);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watch),	cmocka_unit_test(test_list),
		cmocka_unit_test(test_garbage), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_who_takes_the_pieces_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
