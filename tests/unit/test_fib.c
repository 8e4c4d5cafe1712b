// SPDX-License-Identifier: Apache-2.0
/* Which of the dumped routes a packet takes: each has a nexthop object of its own, by which it is told here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/fib.h"

#define MAIN RT_TABLE_MAIN

static const struct {
	const char *destination;
	uint32_t table, metric, nexthop_id;
	uint8_t type, source_length;
	bool dead; /* none of its next hops is alive */
} routes[] = {
	{ "fd00:2::/32", MAIN, 20, 1, RTN_UNICAST, 0, false },
	{ "fd00:2:2::/48", MAIN, 30, 2, RTN_UNICAST, 0, false },
	{ "fd00:2:2::/48", MAIN, 10, 3, RTN_UNICAST, 0, false },
	{ "fd00:2:2:2::/64", MAIN, 1, 4, RTN_UNICAST, 64, false },
	{ "fd00:2:2:2::/64", MAIN, 2, 0, RTN_UNICAST, 0, true },
	{ "fd00:3::/32", MAIN, 1, 5, RTN_UNREACHABLE, 0, true },
	{ "fd00:4::/32", 100, 1, 6, RTN_UNICAST, 0, false },
	{ "::/0", 100, 1, 7, RTN_UNICAST, 0, false },
	{ "::/0", MAIN, 1, 8, RTN_UNICAST, 0, false },
	{ "fd00:5::/32", 101, 1, 9, RTN_THROW, 0, true },
	{ "::/0", 101, 1, 10, RTN_UNICAST, 0, false },
};

#define TO(priority, table)                                                                                  \
	{                                                                                                    \
		priority, FR_ACT_TO_TBL, table, 0, true, { { 0 }, 0 }, false, -1                             \
	}
#define FORBID(priority, ours, not )                                                                         \
	{                                                                                                    \
		priority, FR_ACT_UNREACHABLE, 0, 0, ours, { { 0 }, 0 }, not, -1                              \
	}

static const struct {
	const char *what;
	struct rule_info rules[5]; /* action FR_ACT_UNSPEC: the last one was before */
	const char *rule_to;	   /* destination of the first rule */
	const char *destination;
	uint32_t nexthop_id; /* 0: no route */
} rows[] = {
	{ "no rule", { { 0 } }, NULL, "fd00:2::1", 0 },
	{ "the longest", { TO(9, MAIN) }, NULL, "fd00:2:1::1", 1 },
	{ "the lower metric", { TO(9, MAIN) }, NULL, "fd00:2:2::1", 3 },
	{ "dead, or for a source", { TO(9, MAIN) }, NULL, "fd00:2:2:2::1", 3 },
	{ "the default", { TO(9, MAIN) }, NULL, "fd00:9::1", 8 },
	{ "unreachable is a route", { TO(9, MAIN) }, NULL, "fd00:3::1", 5 },
	{ "another table first, rules unsorted", { TO(9, MAIN), TO(8, 100) }, NULL, "fd00:2:2::1", 7 },
	{ "equal ones in their order", { TO(9, 101), TO(9, MAIN), TO(8, 77), TO(9, 100) }, NULL, "fd00:2::1", 10 },
	{ "its longer prefix", { TO(8, 100), TO(9, MAIN) }, NULL, "fd00:4::1", 6 },
	{ "a table without one", { TO(8, 77), TO(9, MAIN) }, NULL, "fd00:2::1", 1 },
	{ "throw", { TO(8, 101), TO(9, MAIN) }, NULL, "fd00:5::1", 8 },
	{ "no throw", { TO(8, 101), TO(9, MAIN) }, NULL, "fd00:2::1", 10 },
	{ "forbidden", { FORBID(8, true, false), TO(9, MAIN) }, NULL, "fd00:2::1", 0 },
	{ "forbidden too late", { FORBID(9, true, false), TO(8, MAIN) }, NULL, "fd00:2::1", 1 },
	{ "forbidden there", { FORBID(8, true, false), TO(9, MAIN) }, "fd00:2::/32", "fd00:2:2::1", 0 },
	{ "forbidden elsewhere", { FORBID(8, true, false), TO(9, MAIN) }, "fd00:3::/32", "fd00:2::1", 1 },
	{ "forbidden to others", { FORBID(8, false, false), TO(9, MAIN) }, NULL, "fd00:2::1", 1 },
	{ "not to others", { FORBID(8, false, true), TO(9, MAIN) }, NULL, "fd00:2::1", 0 },
	{ "not there", { FORBID(8, true, true), TO(9, MAIN) }, "fd00:2::/32", "fd00:2::1", 1 },
	{ "not elsewhere", { FORBID(8, true, true), TO(9, MAIN) }, "fd00:3::/32", "fd00:2::1", 0 },
	{ "goto, past what forbids",
	  { { 7, FR_ACT_GOTO, 0, 9, true, { { 0 }, 0 }, false, -1 }, FORBID(8, true, false), TO(9, MAIN) },
	  "fd00:2::/32",
	  "fd00:2::1",
	  1 },
	{ "no goto",
	  { { 7, FR_ACT_GOTO, 0, 9, true, { { 0 }, 0 }, false, -1 }, FORBID(8, true, false), TO(9, MAIN) },
	  "fd00:3::/32",
	  "fd00:2::1",
	  0 },
	{ "nothing to do",
	  { { 7, FR_ACT_NOP, 0, 0, true, { { 0 }, 0 }, false, -1 }, TO(9, MAIN) },
	  NULL,
	  "fd00:2::1",
	  1 },
	{ "the default suppressed",
	  { { 7, FR_ACT_TO_TBL, 100, 0, true, { { 0 }, 0 }, false, 0 }, TO(9, MAIN) },
	  NULL,
	  "fd00:2::1",
	  1 },
	{ "a longer one not suppressed",
	  { { 7, FR_ACT_TO_TBL, 100, 0, true, { { 0 }, 0 }, false, 31 }, TO(9, MAIN) },
	  NULL,
	  "fd00:4::1",
	  6 },
};

static void add_routes(struct fib *fib)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		struct route_info route = {
			.table = routes[i].table,
			.type = routes[i].type,
			.metric = routes[i].metric,
			.nexthop_id = routes[i].nexthop_id,
			.source_length = routes[i].source_length,
			.hop = { .type = routes[i].type, .ifindex = routes[i].dead ? 0 : 3 },
		};

		assert_int_equal(prefix_parse(routes[i].destination, &route.destination), 0);
		assert_int_equal(fib_add_route(fib, &route), 0);
	}
}

static void test_fib(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(fib_done) struct fib fib = { 0 };
		const struct fib_route *found;
		struct addr addr;

		add_routes(&fib);
		for (size_t j = 0; j < ARRAY_SIZE(rows[i].rules) && rows[i].rules[j].action; j++) {
			struct rule_info rule = rows[i].rules[j];

			if (j == 0 && rows[i].rule_to)
				assert_int_equal(prefix_parse(rows[i].rule_to, &rule.destination), 0);
			assert_int_equal(fib_add_rule(&fib, &rule), 0);
		}
		fib_finish(&fib);
		assert_int_equal(addr_parse(rows[i].destination, &addr), 0);
		found = fib_lookup(&fib, &addr);
		if ((found ? found->nexthop_id : 0) != rows[i].nexthop_id)
			fail_msg("%s: object %u instead of %u", rows[i].what, found ? found->nexthop_id : 0,
				 rows[i].nexthop_id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fib) };

	return cmocka_run_group_tests_name("fib", tests, NULL, NULL);
}
