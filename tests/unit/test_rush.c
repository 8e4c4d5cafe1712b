// SPDX-License-Identifier: Apache-2.0
/* When what can wait is held back while addresses go out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipam/rush.h"
#include "userspace/base/attributes.h"

#define START_MSEC 1000000

static void write_every(struct rush *rush, uint64_t from_msec, uint64_t every_msec, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		rush_note(rush, START_MSEC + from_msec + i * every_msec);
}

/* 0: it may go. */
static uint64_t wait_at(const struct rush *rush, uint64_t msec)
{
	uint64_t until_msec = rush_until(rush, START_MSEC + msec);

	return until_msec ? until_msec - START_MSEC - msec : 0;
}

static void test_nothing_was_written(void **state _unused_)
{
	assert_int_equal(wait_at(&(struct rush){ 0 }, 0), 0);
}

static void test_a_few_hold_nothing_back(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 10, RUSH_WRITES - 1);
	assert_int_equal(wait_at(&rush, 60), 0);
}

static void test_a_slow_stream_holds_nothing_back(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 150, 100);
	assert_int_equal(wait_at(&rush, 99 * 150), 0);
}

static void test_many_hold_back_until_it_is_calm(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 10, RUSH_WRITES);
	assert_int_equal(wait_at(&rush, 70), RUSH_CALM_MSEC);
	assert_int_equal(wait_at(&rush, 70 + RUSH_CALM_MSEC - 1), 1);
	assert_int_equal(wait_at(&rush, 70 + RUSH_CALM_MSEC), 0);
}

/* The machine is busy: they come slower in the middle. */
static void test_a_gap_within_a_rush_ends_nothing(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 10, RUSH_WRITES);
	write_every(&rush, 70 + RUSH_CALM_MSEC - 1, 0, 1);
	assert_int_equal(wait_at(&rush, 70 + RUSH_CALM_MSEC), RUSH_CALM_MSEC - 1);
}

static void test_a_single_one_after_a_rush_holds_nothing_back(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 10, RUSH_WRITES);
	write_every(&rush, 70 + RUSH_CALM_MSEC, 0, 1);
	assert_int_equal(wait_at(&rush, 70 + RUSH_CALM_MSEC), 0);
}

static void test_a_rush_without_end_holds_back_for_so_long(void **state _unused_)
{
	struct rush rush = { 0 };
	uint64_t began_msec = (RUSH_WRITES - 1) * 10;

	write_every(&rush, 0, 10, 2 * RUSH_MOST_MSEC / 10);
	assert_int_equal(wait_at(&rush, 2 * RUSH_MOST_MSEC), 0);
	rush = (struct rush){ 0 };
	write_every(&rush, 0, 10, RUSH_MOST_MSEC / 10);
	assert_int_equal(wait_at(&rush, RUSH_MOST_MSEC - 10),
			 began_msec + 10); /* not calm, but long enough */
	assert_int_equal(wait_at(&rush, began_msec + RUSH_MOST_MSEC), 0);
}

static void test_the_next_rush_is_another(void **state _unused_)
{
	struct rush rush = { 0 };

	write_every(&rush, 0, 10, 2 * RUSH_MOST_MSEC / 10);
	write_every(&rush, 2 * RUSH_MOST_MSEC + RUSH_CALM_MSEC, 10, RUSH_WRITES);
	assert_int_equal(wait_at(&rush, 2 * RUSH_MOST_MSEC + RUSH_CALM_MSEC + 70), RUSH_CALM_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_was_written),
		cmocka_unit_test(test_a_few_hold_nothing_back),
		cmocka_unit_test(test_a_slow_stream_holds_nothing_back),
		cmocka_unit_test(test_many_hold_back_until_it_is_calm),
		cmocka_unit_test(test_a_gap_within_a_rush_ends_nothing),
		cmocka_unit_test(test_a_single_one_after_a_rush_holds_nothing_back),
		cmocka_unit_test(test_a_rush_without_end_holds_back_for_so_long),
		cmocka_unit_test(test_the_next_rush_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
