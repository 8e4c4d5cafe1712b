// SPDX-License-Identifier: Apache-2.0
/* k8s/yaml: scalars as kubectl types them, documents, anchors, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/yaml.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static struct json_document parse(const char *text)
{
	struct json_document document = { 0 };
	struct json_error error = { 0 };
	int r = yaml_parse(text, strlen(text), &document, &error);

	if (r < 0)
		fail_msg("%s: line %u: %s", text, error.line, error.message);
	return document;
}

static void test_scalar_types(void **state _unused_)
{
	static const struct {
		const char *text;
		enum json_type type;
		const char *value; /* NULL: has none */
	} cases[] = {
		{ "80", JSON_NUMBER, "80" },
		{ "-1", JSON_NUMBER, "-1" },
		{ "010", JSON_NUMBER, "010" },
		{ "0x1f", JSON_NUMBER, "0x1f" },
		{ "1_000", JSON_NUMBER, "1_000" },
		{ "1.5", JSON_NUMBER, "1.5" },
		{ ".5", JSON_NUMBER, ".5" },
		{ "1e3", JSON_NUMBER, "1e3" },
		{ ".inf", JSON_NUMBER, ".inf" },
		{ "\"80\"", JSON_STRING, "80" },
		{ "'80'", JSON_STRING, "80" },
		{ "|-\n  80", JSON_STRING, "80" },
		{ "!!str 80", JSON_STRING, "80" },
		{ "! 80", JSON_STRING, "80" },
		{ "!!int \"80\"", JSON_NUMBER, "80" },
		{ "true", JSON_BOOL, NULL },
		{ "off", JSON_BOOL, NULL },
		{ "Yes", JSON_BOOL, NULL },
		{ "\"yes\"", JSON_STRING, "yes" },
		{ "y", JSON_STRING, "y" },
		{ "n", JSON_STRING, "n" },
		{ "~", JSON_NULL, NULL },
		{ "", JSON_NULL, NULL },
		{ "null", JSON_NULL, NULL },
		{ "65000:1", JSON_STRING, "65000:1" },
		{ "10.0.0.1", JSON_STRING, "10.0.0.1" },
		{ "10.0.0.0/8", JSON_STRING, "10.0.0.0/8" },
		{ "2001:db8::1", JSON_STRING, "2001:db8::1" },
		{ "::1", JSON_STRING, "::1" },
		{ "2024-01-31T12:00:00Z", JSON_STRING, "2024-01-31T12:00:00Z" },
		{ "1e", JSON_STRING, "1e" },
		{ "1.2.3", JSON_STRING, "1.2.3" },
		{ ".", JSON_STRING, "." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(strbuf_done) struct strbuf text = { 0 };
		cleanup(json_document_done) struct json_document document = { 0 };
		const struct json *value;

		strbuf_appendf(&text, "a: %s\n", cases[i].text);
		document = parse(strbuf_text(&text));
		value = json_member(document.first, "a");
		if (value->type != cases[i].type)
			fail_msg("%s is a %s", cases[i].text, json_type_name(value->type));
		if (cases[i].value)
			assert_string_equal(value->text, cases[i].value);
		else
			assert_null(value->text);
	}
}

static void test_documents_and_lines(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document = parse(
		"# comment\nkind: A\nlist:\n- x\n-\n  b: 1\n---\n---\nkind: B\n...\n---\nkind: {c: [d]}\n");
	const struct json *first = document.first, *list = json_member(first, "list");

	assert_int_equal(first->line, 2);
	assert_int_equal(list->n, 2);
	assert_int_equal(list->child->line, 4);
	assert_int_equal(list->child->next->child->line, 6);
	assert_int_equal(first->next->type, JSON_NULL);
	assert_string_equal(json_member(first->next->next, "kind")->text, "B");
	assert_string_equal(json_member(first->next->next->next, "kind")->child->child->text, "d");
	assert_null(first->next->next->next->next);
}

static void test_line_ends_and_byte_order_mark(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document =
		parse("\xef\xbb\xbfkind: A\r\nlist:\r\n- x\r\n");

	assert_string_equal(json_member(document.first, "kind")->text, "A");
	assert_int_equal(json_member(document.first, "list")->child->line, 3);
}

static void test_json_is_yaml(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document =
		parse("{\"a\": [\"80\", 80], \"b\": \"x\\ny\"}");

	assert_int_equal(json_member(document.first, "a")->child->type, JSON_STRING);
	assert_int_equal(json_member(document.first, "a")->child->next->type, JSON_NUMBER);
	assert_string_equal(json_member(document.first, "b")->text, "x\ny");
}

static void test_aliases(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document =
		parse("a: &a {x: 1, y: [p, q]}\nb: *a\nc: [*a]\nd: &s text\ne: *s\n");
	const struct json *b = json_member(document.first, "b"), *c = json_member(document.first, "c");
	cleanup(strbuf_done) struct strbuf path = { 0 };

	assert_string_equal(json_member(b, "y")->child->next->text, "q");
	assert_string_equal(json_member(c->child, "x")->text, "1");
	assert_string_equal(json_member(document.first, "e")->text, "text");
	json_append_path(&path, document.first, json_member(c->child, "y")->child);
	assert_string_equal(strbuf_text(&path), "c[0].y[0]");
}

static void test_nul(void **state _unused_)
{
	cleanup(json_document_done) struct json_document document = parse("a: \"10.0.0.1\\0x\"\n");

	assert_true(document.first->child->has_nul);
	assert_string_equal(document.first->child->text, "10.0.0.1\xef\xbf\xbdx");
}

static void test_refused(void **state _unused_)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *message;
	} cases[] = {
		{ "a: 1\nb: 2\na: 3\n", 3, "the key a stands twice" },
		{ "x:\n  a: 1\n  'a': 3\n", 3, "the key a stands twice" },
		{ "a: 1\n b: 2\n", 2, "mapping values are not allowed in this context" },
		{ "a: [1\n", 2,
		  "did not find expected ',' or ']' while parsing a flow sequence that begins at line 1" },
		{ "a: \"x\n", 2,
		  "found unexpected end of stream while scanning a quoted scalar that begins at line 1" },
		{ "a: *b\n", 1, "the alias *b has no anchor before it" },
		{ "a: &a [*a]\n", 1, "the alias *a has no anchor before it" },
		{ "a: &a x\n---\nb: *a\n", 3, "the alias *a has no anchor before it" },
		{ "<<: {a: 1}\n", 1, "merge keys (<<) are not supported" },
		{ "? [a]\n: 1\n", 1, "a key must be a plain text" },
		{ "x: &k a\n*k : 1\n", 2, "a key must be a plain text" },
		{ "a: !!binary aGk=\n", 1, "the tag tag:yaml.org,2002:binary is not supported" },
		{ "a: !ruby {}\n", 1, "the tag !ruby is not supported" },
		{ "a: !!int x\n", 1, "the tag tag:yaml.org,2002:int does not fit the value" },
		{ "a: \xff\n", 1, "invalid leading UTF-8 octet (byte 3)" },
		{ "\ta: 1\n", 1,
		  "found character that cannot start any token while scanning for the next token that begins "
		  "at line 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_document document = { 0 };
		struct json_error error = { 0 };

		assert_int_equal(yaml_parse(cases[i].text, strlen(cases[i].text), &document, &error),
				 -EINVAL);
		assert_string_equal(error.message, cases[i].message);
		assert_int_equal(error.line, cases[i].line);
	}
}

static void test_billion_laughs(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_document document = { 0 };
	struct json_error error = { 0 };

	strbuf_append(&text, "a0: &a0 lol\n");
	for (int i = 1; i < 12; i++) {
		strbuf_appendf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			strbuf_appendf(&text, "%s*a%d", j ? "," : "", i - 1);
		strbuf_append(&text, "]\n");
	}
	assert_int_equal(yaml_parse(text.text, text.length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "more than 4194304 values");
}

/* Aliases of aliases nest deeper than the text does. */
static void test_deep_aliases(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_document document = { 0 };
	struct json_error error = { 0 };

	strbuf_append(&text, "a0: &a0 x\n");
	for (int i = 1; i < 150; i++)
		strbuf_appendf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_int_equal(yaml_parse(text.text, text.length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "nested deeper than 100");
}

static void test_too_deep_and_too_many_anchors(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_document document = { 0 };
	struct json_error error = { 0 };

	for (int i = 0; i < 101; i++)
		strbuf_append(&text, "[");
	assert_int_equal(yaml_parse(text.text, text.length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "nested deeper than 100");
	strbuf_reset(&text);
	for (int i = 0; i < 257; i++)
		strbuf_appendf(&text, "- &a%d x\n", i);
	assert_int_equal(yaml_parse(text.text, text.length, &document, &error), -EINVAL);
	assert_string_equal(error.message, "more than 256 anchors");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalar_types), cmocka_unit_test(test_documents_and_lines),
		cmocka_unit_test(test_json_is_yaml), cmocka_unit_test(test_line_ends_and_byte_order_mark),
		cmocka_unit_test(test_aliases),	     cmocka_unit_test(test_nul),
		cmocka_unit_test(test_refused),	     cmocka_unit_test(test_billion_laughs),
		cmocka_unit_test(test_deep_aliases), cmocka_unit_test(test_too_deep_and_too_many_anchors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
