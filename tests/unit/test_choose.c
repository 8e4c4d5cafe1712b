// SPDX-License-Identifier: Apache-2.0
/* The data path's small decisions: which interface, which hook, which route, which ports. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/choose.h"
#include "userspace/datapath/port_list.h"
#include "userspace/datapath/prefix_set.h"

static void test_uplinks(void **state _unused_)
{
	const char *globs[] = { "eth*", "bond[01]" };
	const uint32_t carriers[] = { 7, 9 };
	const struct uplink_rules named = {
		.globs = globs, .n_globs = 2, .carriers = carriers, .n_carriers = 2
	};
	const struct uplink_rules by_route = { .carriers = carriers, .n_carriers = 2 };
	const char *names[] = { "eth7" };
	const struct uplink_rules unnumbered = { .names = names, .n_names = 1 };
	const char *all[] = { "*" };
	const struct uplink_rules every = { .globs = all, .n_globs = 1 };

	assert_true(uplink_is_chosen(&named, 3, "eth0", false));
	assert_true(uplink_is_chosen(&named, 3, "bond1", false));
	assert_false(uplink_is_chosen(&named, 3, "bond2", false));
	assert_false(uplink_is_chosen(&named, 7, "wan0", false)); /* globs alone count once there are some */
	assert_true(uplink_is_chosen(&by_route, 9, "wan0", false));
	assert_false(uplink_is_chosen(&by_route, 8, "eth0", false));
	assert_true(uplink_is_chosen(&unnumbered, 8, "eth7", false));
	assert_false(uplink_is_chosen(&unnumbered, 8, "eth70", false));
	assert_true(uplink_is_chosen(&every, 8, "eth0", false));
	assert_false(uplink_is_chosen(&every, 1, "lo", true));
}

static void test_hooks(void **state _unused_)
{
	static const struct {
		struct hook_facts facts;
		bool tries;
		enum hook_decision decision;
		const char *why;
	} rows[] = {
		{ { HOOK_AUTO, 0, 0, NULL }, true, HOOK_TAKE_XDP, "driver has native XDP" },
		{ { HOOK_AUTO, 0, -EOPNOTSUPP, NULL }, true, HOOK_TAKE_TC, "driver has no native XDP" },
		{ { HOOK_AUTO, 12, 0, NULL },
		  false,
		  HOOK_TAKE_TC,
		  "another XDP program (id 12) is attached" },
		{ { HOOK_AUTO, 0, -EBUSY, NULL }, true, HOOK_TAKE_TC, "another XDP program is attached" },
		{ { HOOK_AUTO, 0, -ERANGE, NULL },
		  true,
		  HOOK_TAKE_TC,
		  "native XDP was refused: Numerical result out of range" },
		{ { HOOK_XDP, 0, 0, NULL }, true, HOOK_TAKE_XDP, "driver has native XDP" },
		{ { HOOK_XDP, 12, 0, NULL },
		  false,
		  HOOK_TAKE_NONE,
		  "another XDP program (id 12) is attached" },
		{ { HOOK_XDP, 0, -EOPNOTSUPP, NULL }, true, HOOK_TAKE_NONE, "driver has no native XDP" },
		{ { HOOK_AUTO, 0, 0, "vxlan0" },
		  false,
		  HOOK_TAKE_TC,
		  "backends are behind vxlan0, which XDP cannot send to" },
		{ { HOOK_AUTO, 12, 0, "vxlan0" },
		  false,
		  HOOK_TAKE_TC,
		  "another XDP program (id 12) is attached" },
		{ { HOOK_XDP, 0, 0, "vxlan0" },
		  true,
		  HOOK_TAKE_XDP,
		  "asked for; packets to backends behind vxlan0 are lost: use TC" },
		{ { HOOK_TC, 0, 0, "vxlan0" }, false, HOOK_TAKE_TC, "asked for" },
		{ { HOOK_TC, 0, 0, NULL }, false, HOOK_TAKE_TC, "asked for" },
		{ { HOOK_TC, 12, 0, NULL }, false, HOOK_TAKE_TC, "asked for" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[120];

		assert_int_equal(hook_may_try_xdp(&rows[i].facts), rows[i].tries);
		assert_int_equal(hook_decide(&rows[i].facts, why, sizeof(why)), rows[i].decision);
		assert_string_equal(why, rows[i].why);
	}
}

static void test_devices(void **state _unused_)
{
	assert_true(device_takes_xdp(0, 7, "veth")); /* as the kernel says, whatever the kind */
	assert_false(device_takes_xdp(0, 3, "veth"));
	assert_false(device_takes_xdp(0, 0, ""));
	assert_true(device_takes_xdp(-EOPNOTSUPP, 0, "")); /* it says nothing: what usually holds */
	assert_true(device_takes_xdp(-EOPNOTSUPP, 0, "bond"));
	assert_false(device_takes_xdp(-EOPNOTSUPP, 0, "bridge"));
	assert_false(device_takes_xdp(-EOPNOTSUPP, 7, "vxlan"));
	assert_false(device_takes_xdp(-EOPNOTSUPP, 0, "veth")); /* depends on its peer */
}

static const char *longest(const struct prefix_set *set, const char *text, char buffer[PREFIX_TEXT_MAX])
{
	struct addr addr;
	ptrdiff_t index;

	assert_int_equal(addr_parse(text, &addr), 0);
	index = prefix_set_longest(set, &addr);
	return index < 0 ? "none" : prefix_format(&set->items[index], buffer);
}

static void test_prefix_set(void **state _unused_)
{
	static const char *const prefixes[] = { "10.244.0.0/16", "0.0.0.0/0",	  "10.244.2.64/26",
						"10.244.2.0/24", "10.244.2.0/24", "fd00::/8",
						"10.0.0.1/32",	 "fd00:1::/64" };
	cleanup(prefix_set_done) struct prefix_set set = { 0 };
	char buffer[PREFIX_TEXT_MAX];

	assert_string_equal(longest(&set, "10.1.1.1", buffer), "none");
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct prefix prefix;

		assert_int_equal(prefix_parse(prefixes[i], &prefix), 0);
		assert_int_equal(prefix_set_add(&set, &prefix), 0);
	}
	prefix_set_finish(&set);
	assert_int_equal(set.n, ARRAY_SIZE(prefixes) - 1);
	assert_string_equal(longest(&set, "10.244.2.70", buffer), "10.244.2.64/26");
	assert_string_equal(longest(&set, "10.244.2.128", buffer), "10.244.2.0/24");
	assert_string_equal(longest(&set, "10.244.3.1", buffer), "10.244.0.0/16");
	assert_string_equal(longest(&set, "10.0.0.1", buffer), "10.0.0.1/32");
	assert_string_equal(longest(&set, "192.0.2.1", buffer), "0.0.0.0/0");
	assert_string_equal(longest(&set, "fd00:1::5", buffer), "fd00:1::/64");
	assert_string_equal(longest(&set, "fd00:2::5", buffer), "fd00::/8");
	assert_string_equal(longest(&set, "2001:db8::1", buffer), "none");
}

static void test_port_list(void **state _unused_)
{
	static const struct {
		const char *list, *with, *without; /* 61000-65535 */
		size_t already;
	} rows[] = {
		{ "", "61000-65535", "", 0 },
		{ "80,8000-9000", "80,8000-9000,61000-65535", "80,8000-9000", 0 },
		{ "61000-65535", "61000-65535", "", 4536 },
		{ "1000,60999-65535", "1000,60999-65535", "1000,60999", 4536 },
		{ "65535", "61000-65535", "", 1 },
		{ "60999", "60999-65535", "60999", 0 },
	};
	static const char *const broken[] = { "eighty", "9000-8000", "80,70000", "80-", "-80" };
	struct port_list list;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf with = { 0 }, without = { 0 };

		assert_int_equal(port_list_parse(rows[i].list, &list), 0);
		assert_int_equal(port_list_count(&list, 61000, 65535), rows[i].already);
		port_list_set(&list, 61000, 65535, true);
		port_list_print(&list, &with);
		assert_string_equal(strbuf_text(&with), rows[i].with);
		port_list_set(&list, 61000, 65535, false);
		port_list_print(&list, &without);
		assert_string_equal(strbuf_text(&without), rows[i].without);
	}
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_int_equal(port_list_parse(broken[i], &list), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uplinks),	  cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_devices),	  cmocka_unit_test(test_prefix_set),
		cmocka_unit_test(test_port_list),
	};

	return cmocka_run_group_tests_name("datapath_choices", tests, NULL, NULL);
}
