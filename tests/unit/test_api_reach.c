// SPDX-License-Identifier: Apache-2.0
/* k8s/api_reach and k8s/api_pace: which server, when it is asked and given up, what is told of it, how fast
 * requests go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "k8s/api_pace.h"
#include "k8s/api_reach.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* --- servers ------------------------------------------------------------------------------------------- */

static struct reach servers(size_t n)
{
	struct reach reach;

	reach_init(&reach, n, 0);
	return reach;
}

static enum reach_news answers(struct reach *reach, uint64_t now_msec)
{
	uint64_t away_msec;

	return reach_answered(reach, now_msec, &away_msec);
}

static enum reach_news silent(struct reach *reach, uint64_t now_msec)
{
	enum reach_news news = reach_silent(reach, now_msec);

	reach_turn(reach);
	return news;
}

static void test_one_line_when_it_begins_and_one_when_it_ends(void **state _unused_)
{
	struct reach reach = servers(1);
	uint64_t away_msec = 0;

	assert_int_equal(answers(&reach, 1000), NEWS_CONNECTED);
	assert_int_equal(answers(&reach, 1100), NEWS_NONE);
	assert_int_equal(reach.since_msec, 1000);
	assert_int_equal(silent(&reach, 5000), NEWS_AWAY);
	assert_int_equal(silent(&reach, 6000), NEWS_NONE);
	assert_int_equal(reach.since_msec, 5000);
	assert_int_equal(reach_answered(&reach, 9500, &away_msec), NEWS_BACK);
	assert_int_equal(away_msec, 4500);
	assert_int_equal(reach.since_msec, 9500);
	assert_int_equal(silent(&reach, 20000), NEWS_AWAY); /* another story */
}

static void test_nobody_answers_from_the_start(void **state _unused_)
{
	struct reach reach = servers(2);

	assert_int_equal(silent(&reach, 1000), NEWS_NEXT);
	assert_int_equal(silent(&reach, 1001), NEWS_AWAY);
	assert_int_equal(silent(&reach, 3000), NEWS_NONE);
	assert_int_equal(answers(&reach, 9000), NEWS_BACK);
	assert_true(reach.was_reachable);
}

static void test_each_server_once_then_with_a_backoff(void **state _unused_)
{
	struct reach reach = servers(3);
	uint64_t now_msec = 100000, after_msec, former_msec = 0;

	assert_int_equal(reach_probe_after(&reach, now_msec, 0), 3000); /* nothing was tried yet */
	assert_int_equal(answers(&reach, now_msec), NEWS_CONNECTED);
	assert_int_equal(reach_probe_after(&reach, now_msec, 0), 3000);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(silent(&reach, now_msec), NEWS_NEXT);
		assert_int_equal(reach.server, i);
		assert_int_equal(reach_probe_after(&reach, now_msec, 0), 0);
	}
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(silent(&reach, now_msec), i ? NEWS_NONE : NEWS_AWAY);
		assert_int_equal(reach.server, i % 3);
		after_msec = reach_probe_after(&reach, now_msec, 0);
		assert_true(after_msec >= BACKOFF_FIRST_MSEC && after_msec >= former_msec &&
			    after_msec <= 5000);
		former_msec = after_msec;
		now_msec += after_msec;
	}
	assert_int_equal(former_msec, 5000);
	after_msec =
		reach_probe_after(&reach, now_msec, UINT32_MAX); /* a thousand clients do not come at once */
	assert_true(after_msec > 3750 && after_msec < 5000);
	assert_int_equal(answers(&reach, now_msec), NEWS_BACK);
	assert_int_equal(silent(&reach, now_msec), NEWS_NEXT); /* again each of the others at once */
	assert_int_equal(reach_probe_after(&reach, now_msec, 0), 0);
	silent(&reach, now_msec);
	silent(&reach, now_msec);
	assert_int_equal(reach_probe_after(&reach, now_msec, 0),
			 BACKOFF_FIRST_MSEC); /* and from its beginning */
}

static void test_one_that_answers_in_time_makes_no_story(void **state _unused_)
{
	struct reach reach = servers(2);

	answers(&reach, 1000);
	assert_int_equal(silent(&reach, 2000), NEWS_NEXT);
	assert_int_equal(answers(&reach, 2010), NEWS_ANSWERS);
	assert_int_equal(reach.server, 1);
}

static void test_clients_spread(void **state _unused_)
{
	size_t seen[3] = { 0 };
	struct reach reach;

	for (uint32_t random = 0; random < 30; random++) {
		reach_init(&reach, ARRAY_SIZE(seen), random);
		seen[reach.server]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_int_equal(seen[i], 10);
}

static void test_who_needs_to_know(void **state _unused_)
{
	struct reach reach = servers(1);

	assert_true(reach_wants_probe(&reach, false, 0, 1000000));
	answers(&reach, 1000000);
	assert_true(reach_wants_probe(&reach, true, 0, 1000000));
	assert_true(reach_wants_probe(&reach, false, 1000000, 1015000));
	assert_false(reach_wants_probe(&reach, false, 1000000, 1015001));
	silent(&reach, 1020000);
	assert_true(reach_wants_probe(&reach, false, 1000000, 2000000));
}

static void test_which_ends_tell_of_the_server(void **state _unused_)
{
	static const struct {
		enum transfer_end end;
		bool while_reachable, while_away;
	} rows[] = {
		{ TRANSFER_ANSWERED, false, false }, { TRANSFER_TIMED_OUT, false, true },
		{ TRANSFER_BROKEN, false, false },   { TRANSFER_NO_CONNECTION, true, true },
		{ TRANSFER_NO_TLS, true, true },
	};
	struct reach reach = servers(1);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(reach_is_silence(&reach, rows[i].end), rows[i].while_away);
	answers(&reach, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(reach_is_silence(&reach, rows[i].end), rows[i].while_reachable);
}

/* --- the probe ----------------------------------------------------------------------------------------- */

static void test_silence_counts_not_a_late_answer(void **state _unused_)
{
	struct probe_watch watch = { 0 };
	struct reach reach = servers(1);

	assert_int_equal(probe_sent(&watch, &reach, 0, 1000), 5000); /* with a connection and TLS before it */
	answers(&reach, 1000);
	assert_int_equal(probe_sent(&watch, &reach, 700, 10000), 3000);
	assert_int_equal(probe_overdue(&watch, 701, 13000), 3000); /* a list is under way */
	assert_int_equal(probe_overdue(&watch, 900, 16000), 3000);
	assert_int_equal(probe_overdue(&watch, 900, 19000), 0);
}

static void test_our_own_delay_is_not_the_servers(void **state _unused_)
{
	struct probe_watch watch = { 0 };
	struct reach reach = servers(1);

	answers(&reach, 1000);
	probe_sent(&watch, &reach, 700, 10000);
	assert_int_equal(probe_overdue(&watch, 700, 13501), 200); /* the answer may lie there unread */
	assert_int_equal(probe_overdue(&watch, 700, 13701), 0);
	probe_sent(&watch, &reach, 700, 20000);
	assert_int_equal(probe_overdue(&watch, 700, 23500), 0); /* so late is in time */
}

static void test_a_probe_whose_connection_broke_is_repeated_once(void **state _unused_)
{
	struct probe_watch watch = { 0 };

	assert_int_equal(probe_ended(&watch, 0, TRANSFER_BROKEN), PROBE_REPEAT);
	assert_int_equal(probe_ended(&watch, 0, TRANSFER_BROKEN), PROBE_SILENT);
	assert_int_equal(probe_ended(&watch, 403, TRANSFER_ANSWERED), PROBE_ANSWERED);
	assert_int_equal(probe_ended(&watch, 0, TRANSFER_TIMED_OUT), PROBE_REPEAT);
	assert_int_equal(probe_ended(&watch, 200, TRANSFER_BROKEN), PROBE_ANSWERED); /* its head came */
	assert_int_equal(probe_ended(&watch, 0, TRANSFER_NO_CONNECTION), PROBE_SILENT);
	assert_int_equal(probe_ended(&watch, 0, TRANSFER_NO_TLS), PROBE_SILENT);
}

/* --- pace ---------------------------------------------------------------------------------------------- */

static unsigned sent_until_refused(struct pace *pace, uint64_t now_msec)
{
	unsigned n = 0;

	while (n < 1000 && !pace_take(pace, now_msec))
		n++;
	return n;
}

static void test_a_burst_then_so_many_a_second(void **state _unused_)
{
	struct pace pace;
	uint64_t wait_msec;

	pace_init(&pace, 10, 5, 1000);
	assert_int_equal(sent_until_refused(&pace, 1000), 5);
	wait_msec = pace_take(&pace, 1000);
	assert_in_range(wait_msec, 100, 101);
	assert_int_not_equal(pace_take(&pace, 1099), 0);
	assert_int_equal(pace_take(&pace, 1000 + wait_msec), 0);
	assert_int_equal(sent_until_refused(&pace, 1000 + wait_msec), 0);
	assert_int_equal(sent_until_refused(&pace, 100000),
			 5); /* no more than the burst, however long it rested */
}

static void test_pace_unsaid(void **state _unused_)
{
	struct pace pace;

	pace_init(&pace, 0, 0, 0);
	assert_int_equal(sent_until_refused(&pace, 0), 100);
	assert_int_equal(sent_until_refused(&pace, 1000), 50);
	pace_init(&pace, 0.1, 0, 0);
	assert_int_equal(sent_until_refused(&pace, 0), 1); /* one must get through */
	assert_in_range(pace_take(&pace, 0), 10000, 10001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line_when_it_begins_and_one_when_it_ends),
		cmocka_unit_test(test_nobody_answers_from_the_start),
		cmocka_unit_test(test_each_server_once_then_with_a_backoff),
		cmocka_unit_test(test_one_that_answers_in_time_makes_no_story),
		cmocka_unit_test(test_clients_spread),
		cmocka_unit_test(test_who_needs_to_know),
		cmocka_unit_test(test_which_ends_tell_of_the_server),
		cmocka_unit_test(test_silence_counts_not_a_late_answer),
		cmocka_unit_test(test_our_own_delay_is_not_the_servers),
		cmocka_unit_test(test_a_probe_whose_connection_broke_is_repeated_once),
		cmocka_unit_test(test_a_burst_then_so_many_a_second),
		cmocka_unit_test(test_pace_unsaid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
