// SPDX-License-Identifier: Apache-2.0
/* The kernel's routes cannot be read: when it is tried again, and what is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/reading.h"

static void test_a_story(void **state _unused_)
{
	static const struct {
		int error;
		enum reading_news news;
		uint64_t retry_msec;
	} rows[] = {
		{ 0, READING_NO_NEWS, 0 },	  { -EINTR, READING_FAILS, 100 },
		{ -EIO, READING_NO_NEWS, 200 }, /* another error is no other story */
		{ -EINTR, READING_NO_NEWS, 400 }, { -ENOMEM, READING_NO_NEWS, 800 },
		{ 0, READING_IS_OVER, 0 },	  { 0, READING_NO_NEWS, 0 },
		{ -EINTR, READING_FAILS, 100 },	  { 0, READING_IS_OVER, 0 },
	};
	struct reading reading = { 0 };
	uint64_t retry_msec = 1;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(reading_note(&reading, rows[i].error, &retry_msec), rows[i].news);
		assert_int_equal(retry_msec, rows[i].retry_msec);
	}
}

static void test_the_wait_is_bounded(void **state _unused_)
{
	struct reading reading = { 0 };
	uint64_t before_msec = 0, retry_msec;

	for (unsigned i = 0; i < 200; i++, before_msec = retry_msec) {
		reading_note(&reading, -EINTR, &retry_msec);
		assert_in_range(retry_msec, before_msec, READING_MOST_RETRY_MSEC);
	}
	assert_int_equal(retry_msec, READING_MOST_RETRY_MSEC);
}

static void test_words(void **state _unused_)
{
	static const int words[] = { 0,	      -ENETUNREACH, -EHOSTUNREACH, -EINVAL,
				     -EACCES, -EOPNOTSUPP,  -EAFNOSUPPORT };
	static const int none[] = { -EINTR, -ENOMEM, -EIO, -EAGAIN, -EPERM };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_true(reading_is_word(words[i]));
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(reading_is_word(none[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_story),
		cmocka_unit_test(test_the_wait_is_bounded),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
