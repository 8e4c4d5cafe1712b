// SPDX-License-Identifier: Apache-2.0
/* k8s/json: what is accepted, what is refused and where, exact numbers, paths. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/json.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static struct json_document parse(const char *text)
{
	struct json_document document = { 0 };
	struct json_error error = { 0 };
	int r = json_parse(text, strlen(text), &document, &error);

	if (r < 0)
		fail_msg("%s: line %u: %s", text, error.line, error.message);
	return document;
}

static void test_values(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document =
		parse("{\n \"a\": [1, -2.5e+3, true, false, null],\n \"b\": {\"c\": "
		      "\"x\\n\\u00e9\\ud83d\\ude00\\/\"}\n}");
	const struct json *list = json_member(document.first, "a"), *entry;

	assert_int_equal(document.first->type, JSON_OBJECT);
	assert_int_equal(document.first->n, 2);
	assert_int_equal(list->n, 5);
	assert_int_equal(list->line, 2);
	entry = list->child;
	assert_string_equal(entry->text, "1");
	assert_string_equal(entry->next->text, "-2.5e+3");
	assert_true(entry->next->next->boolean);
	assert_int_equal(entry->next->next->next->next->type, JSON_NULL);
	assert_null(entry->next->next->next->next->next);
	entry = json_member(json_member(document.first, "b"), "c");
	assert_string_equal(entry->text, "x\n\xc3\xa9\xf0\x9f\x98\x80/");
	assert_int_equal(entry->line, 3);
	assert_null(json_member(document.first, "c"));
	assert_null(json_member(list, "a"));
	assert_null(json_member(NULL, "a"));
}

static void test_several_values_and_none(void **state _unused_)
{
	cleanup(json_document_done) struct json_document two = parse("\xef\xbb\xbf{} \n[]"),
							 none = parse(" \n ");

	assert_int_equal(two.first->type, JSON_OBJECT);
	assert_int_equal(two.first->next->type, JSON_ARRAY);
	assert_int_equal(two.first->next->line, 2);
	assert_null(none.first);
	json_document_done(&none);
}

static void test_nul_does_not_cut(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document =
		parse("[\"10.0.0.1\\u0000evil\", \"\\ud800x\"]");

	assert_true(document.first->child->has_nul);
	assert_string_equal(document.first->child->text, "10.0.0.1\xef\xbf\xbd"
							 "evil");
	assert_false(document.first->child->next->has_nul);
	assert_string_equal(document.first->child->next->text, "\xef\xbf\xbdx");
}

static void test_broken(void **state _unused_)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *message;
	} cases[] = {
		{ "{", 1, "the text ends where a key in quotes is expected" },
		{ "{\"a\":1,\n}", 2, "a key in quotes is expected, not '}'" },
		{ "[1,]", 1, "a value is expected, not ']'" },
		{ "[1 2]", 1, "',' or ']' is expected, not '2'" },
		{ "{\"a\" 1}", 1, "':' is expected, not '1'" },
		{ "\n\n{\"a\":1,\n\"a\":2}", 4, "the key a stands twice" },
		{ "01", 1, "a number with a leading zero" },
		{ "1.", 1, "the text ends where a digit is expected" },
		{ "[.5]", 1, "a value is expected, not '.'" },
		{ "[+1]", 1, "a value is expected, not '+'" },
		{ "-", 1, "the text ends where a digit is expected" },
		{ "1e", 1, "the text ends where a digit is expected" },
		{ "tru", 1, "a value is expected, not 't'" },
		{ "nul", 1, "a value is expected, not 'n'" },
		{ "\"abc", 1, "a string that does not end" },
		{ "\"abc\\", 1, "a string that does not end" },
		{ "\"a\tb\"", 1, "a control character in a string" },
		{ "\"\\x\"", 1, "an escape is expected, not 'x'" },
		{ "\"\\u12g4\"", 1, "a hexadecimal digit is expected, not 'g'" },
		{ "\"\\u12\"", 1, "a hexadecimal digit is expected, not '\"'" },
		{ "\"\xff\"", 1, "a string that is not UTF-8" },
		{ "\"\xc0\x80\"", 1, "a string that is not UTF-8" },
		{ "\"\xed\xa0\x80\"", 1, "a string that is not UTF-8" },
		{ "{} x", 1, "a value is expected, not 'x'" },
		{ "\x01", 1, "a value is expected, not '?'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_document document = { 0 };
		struct json_error error = { 0 };

		assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), &document, &error),
				 -EINVAL);
		assert_string_equal(error.message, cases[i].message);
		assert_int_equal(error.line, cases[i].line);
		assert_null(document.first);
	}
}

/* Every prefix of a good text is refused or good, and never read beyond (run under ASan: the copy has no
 * NUL). */
static void test_truncated(void **state _unused_)
{
	static const char text[] =
		"{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\ud83d\\ude00\\n\"],\"b\":{\"c\":{}}}";
	struct json_document document;
	struct json_error error;

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		cleanup(freep) char *copy = malloc(length + !length);

		memcpy(copy, text, length);
		document = (struct json_document){ 0 };
		assert_int_equal(json_parse(copy, length, &document, &error), length ? -EINVAL : 0);
	}
}

static void test_bounds(void **state _unused_)
{
	struct json_document document = { 0 };
	struct json_error error;
	char deep[2 * JSON_MAX_DEPTH + 3];

	memset(deep, '[', JSON_MAX_DEPTH);
	memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	assert_int_equal(json_parse(deep, 2 * JSON_MAX_DEPTH, &document, &error), 0);
	json_document_done(&document);
	memset(deep, '[', JSON_MAX_DEPTH + 1);
	memset(deep + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	assert_int_equal(json_parse(deep, 2 * JSON_MAX_DEPTH + 2, &document, &error), -EINVAL);
	assert_string_equal(error.message, "nested deeper than 100");
	assert_int_equal(json_parse("", JSON_MAX_BYTES + 1, &document, &error), -EINVAL);
}

static void test_too_many_values(void **state _unused_)
{
	size_t length = 2 * (JSON_MAX_VALUES + 1) + 1;
	cleanup(freep) char *text = malloc(length);
	struct json_document document = { 0 };
	struct json_error error;

	for (size_t i = 0; i < length; i++)
		text[i] = i % 2 ? '1' : ',';
	text[0] = '[';
	text[length - 1] = ']';
	assert_int_equal(json_parse(text, length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "more than 4194304 values");
}

static void test_many_keys_twice(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_document document = { 0 };
	struct json_error error;

	strbuf_append(&text, "{");
	for (int i = 0; i < 100; i++)
		strbuf_appendf(&text, "\"k%d\": 1,\n", i);
	strbuf_append(&text, "\"k42\": 2}");
	assert_int_equal(json_parse(text.text, text.length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "the key k42 stands twice");
	assert_int_equal(error.line, 101);
}

static void test_integers(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} cases[] = {
		{ "80", 0, 80 },	  { "0", 0, 0 },	  { "65535", 0, 65535 },
		{ "65536", -ERANGE, 0 },  { "80.0", -EINVAL, 0 }, { "80.5", -EINVAL, 0 },
		{ "8e1", -EINVAL, 0 },	  { "-1", -ERANGE, 0 },	  { "18446744073709551617", -ERANGE, 0 },
		{ "\"80\"", -EINVAL, 0 }, { "true", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(json_document_done) struct json_document document = parse(cases[i].text);
		int64_t value = 0;

		assert_int_equal(json_integer(document.first, 0, 65535, &value), cases[i].r);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_path_and_digest(void **state _unused_)
{
	cleanup(json_document_done) struct json_document one =
		parse("{\"spec\":{\"ports\":[{},{\"port\":1}]},\"m\":{\"a/b.c\":1}}");
	cleanup(json_document_done) struct json_document same =
		parse("{\"m\":{\"a/b.c\":1},\"spec\":\n{\"ports\":[{},{\"port\":1}]}}");
	cleanup(json_document_done) struct json_document other =
		parse("{\"spec\":{\"ports\":[{\"port\":1},{}]},\"m\":{\"a/b.c\":1}}");
	cleanup(strbuf_done) struct strbuf path = { 0 };
	const struct json *ports = json_member(json_member(one.first, "spec"), "ports");

	json_append_path(&path, one.first, json_member(ports->child->next, "port"));
	assert_string_equal(strbuf_text(&path), "spec.ports[1].port");
	strbuf_reset(&path);
	json_append_path(&path, one.first, json_member(one.first, "m")->child);
	assert_string_equal(strbuf_text(&path), "m[a/b.c]");
	strbuf_reset(&path);
	json_append_path(&path, ports, ports->child->next);
	assert_string_equal(strbuf_text(&path), "[1]");
	assert_true(json_digest(one.first) == json_digest(same.first));
	assert_true(json_digest(one.first) != json_digest(other.first));
}

/* Keys count, but for the value's own: as a part of something it is what it is alone. */
static void test_digest_of_keys(void **state _unused_)
{
	cleanup(json_document_done) struct json_document one = parse("{\"a\":1,\"b\":2}");
	cleanup(json_document_done) struct json_document other = parse("{\"a\":2,\"b\":1}");
	cleanup(json_document_done) struct json_document third = parse("{\"a\":1,\"c\":2}");
	cleanup(json_document_done) struct json_document event = parse("{\"object\":{\"b\":2,\"a\":1}}");

	assert_true(json_digest(one.first) != json_digest(other.first));
	assert_true(json_digest(one.first) != json_digest(third.first));
	assert_true(json_digest(one.first) == json_digest(json_member(event.first, "object")));
	assert_true(json_digest(one.first) != json_digest(event.first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),		 cmocka_unit_test(test_several_values_and_none),
		cmocka_unit_test(test_nul_does_not_cut), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_truncated),	 cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_too_many_values),	 cmocka_unit_test(test_many_keys_twice),
		cmocka_unit_test(test_integers),	 cmocka_unit_test(test_path_and_digest),
		cmocka_unit_test(test_digest_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
