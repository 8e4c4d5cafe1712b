// SPDX-License-Identifier: Apache-2.0
/* k8s/decode_notation: times, durations, base64. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/decode_common.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static void test_times(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		int64_t seconds;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2024-02-29T23:59:59Z", 0, 1709251199 },
		{ "2024-01-31T12:00:00.123456789Z", 0, 1706702400 },
		{ "2024-01-31T14:00:00+02:00", 0, 1706702400 },
		{ "2024-01-31T06:30:00-05:30", 0, 1706702400 },
		{ "1969-12-31T23:59:59Z", 0, -1 },
		{ "2000-02-29T00:00:00Z", 0, 951782400 },
		{ "1900-02-29T00:00:00Z", -EINVAL, 0 },
		{ "2023-02-29T00:00:00Z", -EINVAL, 0 },
		{ "2024-13-01T00:00:00Z", -EINVAL, 0 },
		{ "2024-04-31T00:00:00Z", -EINVAL, 0 },
		{ "2024-01-31 12:00:00Z", -EINVAL, 0 },
		{ "2024-01-31T12:00:00", -EINVAL, 0 },
		{ "2024-01-31T12:00:00.Z", -EINVAL, 0 },
		{ "2024-01-31T12:00:00Zx", -EINVAL, 0 },
		{ "24-01-31T12:00:00Z", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t seconds = 0;

		if (time_parse(cases[i].text, &seconds) != cases[i].r || seconds != cases[i].seconds)
			fail_msg("%s: %lld", cases[i].text, (long long)seconds);
	}
}

static void test_durations(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		uint64_t seconds;
	} cases[] = {
		{ "90s", 0, 90 },
		{ "1m30s", 0, 90 },
		{ "1.5h", 0, 5400 },
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "3000ms", 0, 3 },
		{ "1s1000000us", 0, 2 },
		{ ".5m", 0, 30 },
		{ "2500ms", -EDOM, 0 },
		{ "90", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ ".s", -EINVAL, 0 },
		{ "1000000000h", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seconds = 0;

		if (duration_parse(cases[i].text, &seconds) != cases[i].r || seconds != cases[i].seconds)
			fail_msg("%s: %llu", cases[i].text, (unsigned long long)seconds);
	}
}

static void test_base64(void **state _unused_)
{
	static const struct {
		const char *text, *plain;
	} cases[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9v\nYmFy\n", "foobar" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "Zg=", NULL },
		{ "Zg", NULL },
		{ "Z", NULL },
		{ "=", NULL },
		{ "Zg==Zg==", NULL },
		{ "Zm9v=", NULL },
		{ "Z===", NULL },
		{ "Zm 9", NULL },
		{ "Zm9-", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(arena_done) struct arena arena = { 0 };
		size_t length = 0;
		char *bytes = NULL;
		int r = base64_decode(&arena, cases[i].text, &bytes, &length);

		if (r != (cases[i].plain ? 0 : -EINVAL))
			fail_msg("%s: %d", cases[i].text, r);
		if (cases[i].plain) {
			assert_string_equal(bytes, cases[i].plain);
			assert_int_equal(length, strlen(cases[i].plain));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
