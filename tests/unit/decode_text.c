// SPDX-License-Identifier: Apache-2.0
/* See decode_text.h. */
#include "tests/unit/decode_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/yaml.h"

enum decode_result decode_text(const char *text, struct object **ret_object, struct problems *problems)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error = { 0 };
	enum decode_result result;

	if (yaml_parse(text, strlen(text), &document, &error) < 0)
		fail_msg("line %u: %s\n%s", error.line, error.message, text);
	result = decode_object(document.first, "file.yaml", ret_object, problems);
	if (result == DECODED) /* whatever the decoders read is known */
		assert_null(decode_unknown_field(NULL, document.first));
	return result;
}

struct object *decode_good(const char *text)
{
	cleanup(problems_done) struct problems problems = { 0 };
	struct object *object = NULL;
	enum decode_result result = decode_text(text, &object, &problems);

	for (size_t i = 0; i < problems.n; i++)
		print_message("%s %s: %s\n", problems.items[i].object, problems.items[i].field,
			      problems.items[i].message);
	assert_int_equal(result, DECODED);
	assert_int_equal(problems.n, 0);
	return object;
}

const char *addr_text(const struct addr *addr)
{
	static char buffer[ADDR_TEXT_MAX];

	return addr_format(addr, buffer);
}
