// SPDX-License-Identifier: Apache-2.0
/* What lbcontroller logs of problems: each once when it comes up, and of very many at once the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipam/problem_lines.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* How many lines are logged, and whether one of them ends with `last`. */
static unsigned say(struct problem_lines *lines, const struct problems *problems, const char *last,
		    bool *ret_last)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	char line[2000];
	unsigned n = 0;

	assert_non_null(file);
	assert_true(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	problem_lines_say(lines, problems);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(file);
	*ret_last = false;
	for (; fgets(line, sizeof(line), file); n++)
		*ret_last |= strstr(line, last) != NULL;
	fclose(file);
	return n;
}

static void add(struct problems *problems, const char *object)
{
	assert_int_equal(problems_add(problems, object, "spec.x", "is wrong"), 0);
}

static void test_once(void **state _unused_)
{
	cleanup(problem_lines_done) struct problem_lines lines = { 0 };
	cleanup(problems_done) struct problems none = { 0 }, one = { 0 }, two = { 0 };
	bool there;

	add(&one, "Service/w/b");
	add(&two, "Service/w/a");
	add(&two, "Service/w/b");
	assert_int_equal(say(&lines, &one, "Service/w/b: spec.x: is wrong\n", &there), 1);
	assert_true(there);
	assert_int_equal(say(&lines, &one, "", &there), 0);
	assert_int_equal(say(&lines, &two, "Service/w/a: spec.x: is wrong\n", &there), 1); /* the new one */
	assert_true(there);
	assert_int_equal(say(&lines, &none, "", &there), 0);
	assert_int_equal(say(&lines, &one, "", &there), 1); /* again: another story */
}

static void test_very_many(void **state _unused_)
{
	cleanup(problem_lines_done) struct problem_lines lines = { 0 };
	cleanup(problems_done) struct problems many = { 0 };
	char object[40];
	bool there;

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(object, sizeof(object), "Service/tenant/s%04u", i);
		add(&many, object);
	}
	assert_int_equal(say(&lines, &many, " 4900 more problems;", &there), 101);
	assert_true(there);
	assert_int_equal(say(&lines, &many, "", &there), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_once), cmocka_unit_test(test_very_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
