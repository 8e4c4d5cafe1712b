// SPDX-License-Identifier: Apache-2.0
/* When the leader decides, what of the round before stands, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipam/rounds.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static void test_not_before_the_lists(void **state _unused_)
{
	struct rounds rounds = { 0 };

	for (uint64_t now_msec = 1000; now_msec < 5000; now_msec += 1000)
		assert_int_equal(rounds_ask(&rounds, false, now_msec), ROUND_NONE);
	assert_false(rounds.delivered);
	assert_int_equal(rounds_ask(&rounds, true, 5000), ROUND_FIRST);
	assert_true(rounds.delivered);
	assert_int_equal(rounds_ask(&rounds, true, 5000), ROUND_NOW);
}

static void test_rest(void **state _unused_)
{
	struct rounds rounds = { 0 };

	rounds_ask(&rounds, true, 1000);
	rounds_done(&rounds, 0.1, 2000); /* for twice that time */
	assert_int_equal(rounds_ask(&rounds, true, 2000), ROUND_RESTS);
	assert_int_equal(rounds_ask(&rounds, true, 2199), ROUND_RESTS);
	assert_int_equal(rounds.rest_until_msec, 2200);
	assert_int_equal(rounds_ask(&rounds, true, 2200), ROUND_NOW);
	rounds_done(&rounds, 0.0004, 2200); /* few Services: none */
	assert_int_equal(rounds_ask(&rounds, true, 2200), ROUND_NOW);
}

static void test_what_stands(void **state _unused_)
{
	static const struct {
		struct rounds rounds;
		struct store_changes changes;
		size_t n_leaving;
		bool reports, allocations;
	} rows[] = {
		{ { .reports_fresh = true, .allocated = true }, { { 0 }, false, false }, 0, true, true },
		{ { .allocated = true }, { { 0 }, false, false }, 0, false, true },
		{ { .reports_fresh = true }, { { 0 }, false, false }, 0, true, false },
		{ { .reports_fresh = true, .allocated = true }, { { 0 }, true, false }, 0, false, false },
		{ { .reports_fresh = true, .allocated = true }, { { 0 }, false, true }, 0, false, true },
		{ { .reports_fresh = true, .allocated = true },
		  { { .n = 1 }, false, false },
		  0,
		  true,
		  false },
		/* a report may let something go */
		{ { .reports_fresh = true, .allocated = true }, { { 0 }, false, true }, 1, false, false },
		{ { .reports_fresh = true, .allocated = true }, { { 0 }, false, false }, 1, true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rounds_reports_stand(&rows[i].rounds, &rows[i].changes) != rows[i].reports ||
		    rounds_allocations_stand(&rows[i].rounds, &rows[i].changes, rows[i].n_leaving) !=
			    rows[i].allocations)
			fail_msg("row %zu", i);
	}
}

static void test_the_end(void **state _unused_)
{
	struct rounds rounds = { 0 };

	assert_int_equal(rounds_ask(&rounds, true, 1000), ROUND_FIRST);
	assert_int_equal(rounds_answered(&rounds, true), ROUNDS_GO_ON);
	assert_int_equal(rounds_answered(&rounds, false), ROUNDS_GO_ON);
	assert_int_equal(rounds_timed(&rounds), ROUNDS_GO_ON);
	assert_int_equal(rounds_stop(&rounds, false), ROUNDS_STOP_MSEC); /* answers are waited for */
	assert_int_equal(rounds_ask(&rounds, true, 9000), ROUND_NONE);
	assert_int_equal(rounds_answered(&rounds, false), ROUNDS_WAIT);
	assert_int_equal(rounds_answered(&rounds, true), ROUNDS_END);
	assert_int_equal(rounds_timed(&rounds), ROUNDS_END); /* also without them */
	rounds = (struct rounds){ 0 };
	assert_int_equal(rounds_stop(&rounds, true), 0);
	assert_int_equal(rounds_timed(&rounds), ROUNDS_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_before_the_lists),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_what_stands),
		cmocka_unit_test(test_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
