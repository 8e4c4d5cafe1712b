// SPDX-License-Identifier: Apache-2.0
/* Cells of lbctl's tables and its YAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "k8s/yaml.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/render.h"

struct cell_row {
	const char *json;
	struct column column;
	const char *piped, *terminal;
	enum cell_mood mood;
};

static const struct cell_row cells[] = {
	{ "{\"a\": \"x\"}", { .member = "a" }, "x", "x", MOOD_PLAIN },
	{ "{\"a\": \"\"}", { .member = "a" }, "-", "-", MOOD_PLAIN },
	{ "{}", { .member = "a" }, "-", "-", MOOD_PLAIN },
	{ "{\"a\": \"x\\u001b[31m\\ny\"}", { .member = "a" }, "x?[31m?y", "x?[31m?y", MOOD_PLAIN },
	{ "{\"a\": 0}", { .member = "a", .kind = CELL_COUNT }, "0", "0", MOOD_PLAIN },
	{ "{\"a\": 88123}", { .member = "a", .kind = CELL_COUNT }, "88123", "88.1k", MOOD_PLAIN },
	{ "{\"a\": 1023}", { .member = "a", .kind = CELL_BYTES }, "1023", "1023 B", MOOD_PLAIN },
	{ "{\"a\": 61230021}", { .member = "a", .kind = CELL_BYTES }, "61230021", "58.4 MiB", MOOD_PLAIN },
	{ "{\"a\": 18446744073709551615}",
	  { .member = "a", .kind = CELL_BYTES },
	  "18446744073709551615",
	  "16384.0 PiB",
	  MOOD_PLAIN },
	{ "{\"a\": 59}", { .member = "a", .kind = CELL_DURATION }, "59", "59s", MOOD_PLAIN },
	{ "{\"a\": 7505}", { .member = "a", .kind = CELL_DURATION }, "7505", "2h05m", MOOD_PLAIN },
	{ "{\"a\": 180000}", { .member = "a", .kind = CELL_DURATION }, "180000", "2d02h", MOOD_PLAIN },
	{ "{\"a\": [\"x\", \"y\"]}", { .member = "a", .kind = CELL_LIST }, "x,y", "x,y", MOOD_PLAIN },
	{ "{\"a\": []}", { .member = "a", .kind = CELL_LIST }, "-", "-", MOOD_PLAIN },
	{ "{\"a\": 2, \"b\": 3}",
	  { .member = "a", .kind = CELL_RATIO, .second = "b" },
	  "2/3",
	  "2/3",
	  MOOD_PLAIN },
	{ "{\"a\": \"192.0.2.1\", \"b\": 80}",
	  { .member = "a", .kind = CELL_ENDPOINT, .second = "b" },
	  "192.0.2.1:80",
	  "192.0.2.1:80",
	  MOOD_PLAIN },
	{ "{\"a\": \"2001:db8::1\", \"b\": 80}",
	  { .member = "a", .kind = CELL_ENDPOINT, .second = "b" },
	  "[2001:db8::1]:80",
	  "[2001:db8::1]:80",
	  MOOD_PLAIN },
	{ "{\"a\": \"\", \"b\": 0}",
	  { .member = "a", .kind = CELL_ENDPOINT, .second = "b" },
	  "-",
	  "-",
	  MOOD_PLAIN },
	{ "{\"a\": true}", { .member = "a", .kind = CELL_YES_NO, .good = "yes" }, "yes", "yes", MOOD_GOOD },
	{ "{\"a\": true}", { .member = "a", .kind = CELL_YES_NO, .good = "no" }, "yes", "yes", MOOD_BAD },
	{ "{\"a\": false}", { .member = "a", .kind = CELL_YES_NO }, "no", "no", MOOD_PLAIN },
	{ "{\"a\": \"Active\"}",
	  { .member = "a", .kind = CELL_STATE, .good = "Established" },
	  "Active",
	  "Active",
	  MOOD_BAD },
	{ "{\"a\": \"Established\"}",
	  { .member = "a", .kind = CELL_STATE, .good = "Established" },
	  "Established",
	  "Established",
	  MOOD_GOOD },
	{ "{\"a\": \"\"}", { .member = "a", .kind = CELL_PROBLEM }, "-", "-", MOOD_PLAIN },
	{ "{\"a\": \"full\"}", { .member = "a", .kind = CELL_PROBLEM }, "full", "full", MOOD_BAD },
};

static void cells_read_well(void **state _unused_)
{
	size_t i;
	int terminal;

	for (i = 0; i < ARRAY_SIZE(cells) * 2; i++) {
		const struct cell_row *row = &cells[i / 2];
		cleanup(json_document_done) struct json_document document = { 0 };
		cleanup(strbuf_done) struct strbuf text = { 0 };
		struct json_error error;

		terminal = i % 2;
		assert_int_equal(json_parse(row->json, strlen(row->json), &document, &error), 0);
		assert_int_equal(render_cell(&row->column, document.first, terminal, &text), row->mood);
		assert_string_equal(strbuf_text(&text), terminal ? row->terminal : row->piped);
	}
}

static void yaml_has_blocks(void **state _unused_)
{
	static const char json[] = "{\"node\": \"n1\", \"services\": [{\"name\": \"shop\", \"ports\": "
				   "[\"80/TCP\"], \"empty\": [], "
				   "\"up\": true, \"n\": 7}, {\"name\": \"yes\"}], \"none\": null}";
	static const char expected[] = "node: n1\n"
				       "services:\n"
				       "- name: shop\n"
				       "  ports:\n"
				       "  - \"80/TCP\"\n"
				       "  empty: []\n"
				       "  up: true\n"
				       "  \"n\": 7\n"
				       "- name: \"yes\"\n"
				       "none: null\n";
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf yaml = { 0 };
	struct json_error error;

	assert_int_equal(json_parse(json, strlen(json), &document, &error), 0);
	render_yaml(document.first, &yaml);
	assert_string_equal(strbuf_text(&yaml), expected);
}

/* What is printed as YAML reads back as the same values, whatever the strings hold. */
static void yaml_reads_back(void **state _unused_)
{
	static const char *const texts[] = {
		"{\"a\": \"\", \"b\": \"12\", \"c\": \"0x1f\", \"d\": \"true\", \"e\": \"- x: y\", \"f\": "
		"\"#\", \"g\": \"a: b\"}",
		"{\"a\": \"line\\nline\\ttab\", \"b\": \"quote\\\"back\\\\slash\", \"c\": \"~\", \"d\": "
		"\"null\", \"e\": \"\\u001b\"}",
		"[[1, [2, 3]], [], {\"x\": {\"y\": [{\"z\": 1, \"w\": [4]}]}}, \"s\", -5, 1.5]",
		"{\"a\": \"2001:db8::1\", \"b\": \"192.0.2.1\", \"c\": \"fe80\", \"d\": \"1e3\", \"e\": "
		"\"caf\\u00e9\"}",
		"\"plain\"",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(json_document_done) struct json_document before = { 0 }, after = { 0 };
		cleanup(strbuf_done) struct strbuf yaml = { 0 };
		struct json_error error;

		assert_int_equal(json_parse(texts[i], strlen(texts[i]), &before, &error), 0);
		render_yaml(before.first, &yaml);
		if (yaml_parse(strbuf_text(&yaml), yaml.length, &after, &error))
			fail_msg("line %u: %s in:\n%s", error.line, error.message, strbuf_text(&yaml));
		if (json_digest(before.first) != json_digest(after.first))
			fail_msg("reads back as something else:\n%s", strbuf_text(&yaml));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_read_well),
		cmocka_unit_test(yaml_has_blocks),
		cmocka_unit_test(yaml_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
