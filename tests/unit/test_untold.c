// SPDX-License-Identifier: Apache-2.0
/* userspace/agent/untold: what is released from look to look, and when the next of it must be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/agent/untold.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define NEVER		UINT64_MAX
#define DUE(since_msec) ((since_msec) + REPORT_QUIET_MSEC)

struct step {
	const char
		*rows; /* "name=address …", as releasing_collect() has them; "!": one that is not released */
	uint64_t since_msec;
	bool told;	   /* afterwards */
	uint64_t due_msec; /* before that */
};

static const struct step alone[] = {
	{ "", 10, false, NEVER },
	{ "w/a=192.0.2.1", 20, false, DUE(20) },
	{ "w/a=192.0.2.1", 900, false, DUE(20) }, /* since when does not move */
	{ "", 1000, false, NEVER },
	{ "w/a=192.0.2.1", 1100, true, DUE(1100) }, /* once more is another time */
	{ "w/a=192.0.2.1", 9000, false, NEVER },
	{ "", 9100, true, NEVER },
	{ "w/a=192.0.2.1", 9200, false, DUE(9200) },
};

static const struct step several[] = {
	{ "w/b=192.0.2.2", 10, true, DUE(10) },
	{ "w/a=192.0.2.1 w/b=192.0.2.2", 500, false, DUE(500) },
	{ "w/a=192.0.2.1 w/b=192.0.2.2 w/c=2001:db8::3", 700, false, DUE(500) },
	{ "w/b=192.0.2.2 w/c=2001:db8::3", 800, true, DUE(700) },
	{ "w/b=192.0.2.2 w/c=2001:db8::3", 900, false, NEVER },
	{ "w/b=192.0.2.2 w/b=2001:db8::2 w/c=2001:db8::3", 950, true, DUE(950) }, /* each address alone */
	{ "=192.0.2.2 w/b=192.0.2.2", 990, false, DUE(990) },			  /* and whose it was */
	{ "w/a=192.0.2.1! w/b=192.0.2.2 w/z=192.0.2.9!", 995, false, NEVER },
};

static size_t rows_of(char *text, struct report_service *rows, struct addr *addrs)
{
	char *rest, *one;
	size_t n = 0;

	for (one = strtok_r(text, " ", &rest); one; one = strtok_r(NULL, " ", &rest), n++) {
		char *address = strchr(one, '='), *planned = strchr(one, '!');

		*address++ = '\0';
		if (planned)
			*planned = '\0';
		assert_int_equal(addr_parse(address, &addrs[n]), 0);
		rows[n] = (struct report_service){
			.name = one, .vips = &addrs[n], .n_vips = 1, .releasing = !planned
		};
	}
	return n;
}

static void play(const struct step *steps, size_t n)
{
	struct untold untold = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct report_service rows[8];
		struct addr addrs[8];
		char *text = strdup(steps[i].rows); /* gone when the next is followed */
		size_t n_rows = rows_of(text, rows, addrs);

		assert_int_equal(untold_follow(&untold, rows, n_rows, steps[i].since_msec), 0);
		free(text);
		if (untold_due_msec(&untold) != steps[i].due_msec)
			fail_msg("step %zu: due at %lld", i, (long long)untold_due_msec(&untold));
		if (!steps[i].told)
			continue;
		untold_told(&untold);
		assert_true(untold_due_msec(&untold) == NEVER);
	}
	untold_done(&untold);
}

static void test_one(void **state _unused_)
{
	play(alone, ARRAY_SIZE(alone));
}

static void test_several(void **state _unused_)
{
	play(several, ARRAY_SIZE(several));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
