// SPDX-License-Identifier: Apache-2.0
/* Communities: literals, well-known names, aliases, and text that is none of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/community.h"

static void test_text(void **state _unused_)
{
	static const struct {
		const char *text, *expected; /* NULL: refused */
	} rows[] = {
		{ "65000:1", "65000:1" },
		{ "0:0", "0:0" },
		{ "65535:65535", "65535:65535" },
		{ "large:4294967295:0:7", "large:4294967295:0:7" },
		{ "no-export", "65535:65281" },
		{ "no-advertise", "65535:65282" },
		{ "no-export-subconfed", "65535:65283" },
		{ "local-as", "65535:65283" },
		{ "local-AS", "65535:65283" },
		{ "no-peer", "65535:65284" },
		{ "blackhole", "65535:666" },
		{ "graceful-shutdown", "65535:0" },
		{ "accept-own", "65535:1" },
		{ "llgr-stale", "65535:6" },
		{ "", NULL },
		{ "65000", NULL },
		{ "65000:", NULL },
		{ ":1", NULL },
		{ "65000:1:", NULL },
		{ "65000:1:2", NULL },
		{ "65536:1", NULL },
		{ "1:65536", NULL },
		{ " 1:1", NULL },
		{ "1:1 ", NULL },
		{ "+1:1", NULL },
		{ "1:-1", NULL },
		{ "0x1:1", NULL },
		{ "large:1:2", NULL },
		{ "large:1:2:3:4", NULL },
		{ "large:4294967296:2:3", NULL },
		{ "large:", NULL },
		{ "Large:1:2:3", NULL },
		{ "NO-EXPORT", NULL },
		{ "no-export\n", NULL },
		{ "1:1\nno neighbor 192.0.2.1", NULL },
		{ "99999999999999999999:1", NULL },
	};
	char text[COMMUNITY_TEXT_MAX];
	struct community community;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = community_parse(rows[i].text, &community);

		if (r != (rows[i].expected ? 0 : -EINVAL))
			fail_msg("\"%s\": %d", rows[i].text, r);
		if (rows[i].expected)
			assert_string_equal(community_format(&community, text), rows[i].expected);
	}
}

static void test_alias(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	char text[COMMUNITY_TEXT_MAX];
	struct community community;
	const struct cluster *cluster;

	world_community(&world, "a", "rack", "65000:7");
	world_community(&world, "b", "rack", "65000:7"); /* the same again does no harm */
	world_community(&world, "c", "torn", "65000:1");
	world_community(&world, "d", "torn", "65000:2");
	world_community(&world, "e", "broken", "65000");
	world_community(&world, "f", "no-export", "65000:9");
	world_community(&world, "g", "chain", "rack");
	cluster = world_cluster(&world);
	assert_int_equal(community_resolve(cluster, "rack", &community), 0);
	assert_string_equal(community_format(&community, text), "65000:7");
	assert_int_equal(community_resolve(cluster, "no-export", &community), 0);
	assert_string_equal(community_format(&community, text), "65535:65281");
	assert_int_equal(community_resolve(cluster, "torn", &community), -EEXIST);
	assert_int_equal(community_resolve(cluster, "broken", &community), -EINVAL);
	assert_int_equal(community_resolve(cluster, "chain", &community), -EINVAL);
	assert_int_equal(community_resolve(cluster, "nobody", &community), -EINVAL);
}

static void test_objects_are_checked(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(world_done) struct world world = { 0 };

	world_community(&world, "fine", "rack", "65000:7");
	world_community(&world, "broken", "oops", "70000:7");
	world_community(&world, "shadow", "no-export", "65000:9");
	assert_int_equal(communities_check(world_cluster(&world), &problems), 0);
	assert_int_equal(problems.n, 2);
	assert_string_equal(problems.items[0].object, "Community/broken");
	assert_string_equal(problems.items[0].field, "spec.communities[0]");
	assert_string_equal(problems.items[1].object, "Community/shadow");
}

static void test_order(void **state _unused_)
{
	static const char *const sorted[] = { "1:1", "1:2", "2:0", "large:0:0:1", "large:0:1:0", "large:1:0:0" };
	struct community a, b;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sorted); i++)
		for (j = 0; j < ARRAY_SIZE(sorted); j++) {
			assert_int_equal(community_parse(sorted[i], &a), 0);
			assert_int_equal(community_parse(sorted[j], &b), 0);
			assert_int_equal(community_compare(&a, &b) < 0, i < j);
			assert_int_equal(community_compare(&a, &b) == 0, i == j);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_alias),
		cmocka_unit_test(test_objects_are_checked),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
