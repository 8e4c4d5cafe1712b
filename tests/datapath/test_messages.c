// SPDX-License-Identifier: Apache-2.0
/* What a message of rtnetlink says, byte by byte: what a test's own kernel would hardly send when told to.
 * The rest is in test_host.c, with a real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/messages.h"

DEFINE_CLEANUP(struct nl_msg *, nlmsg_free);

static const uint8_t v4[] = { 10, 0, 0, 1 }, v6[16] = { 0xfd, [15] = 1 }, mac[] = { 2, 0, 0, 0, 0, 1 };

static struct nl_msg *message(int type, const void *header, size_t size)
{
	struct nl_msg *made = nlmsg_alloc_simple(type, 0);

	assert_non_null(made);
	assert_int_equal(nlmsg_append(made, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO), 0);
	return made;
}

static void put(struct nl_msg *to, int type, const void *value, size_t size)
{
	assert_int_equal(nla_put(to, type, (int)size, value), 0);
}

static void put_u32(struct nl_msg *to, int type, uint32_t value)
{
	put(to, type, &value, sizeof(value));
}

static void is_addr(const struct addr *addr, enum addr_family family)
{
	assert_int_equal(addr->family, family);
	assert_memory_equal(addr->bytes, family == ADDR_IPV6 ? v6 : v4, family == ADDR_IPV6 ? 16 : 4);
}

/* --- routes -------------------------------------------------------------------------------------- */

static void test_a_gateway_of_the_other_family(void **state _unused_)
{
	const struct rtmsg header = { .rtm_family = AF_INET, .rtm_dst_len = 0, .rtm_type = RTN_UNICAST };
	cleanup(nlmsg_freep) struct nl_msg *route = message(RTM_NEWROUTE, &header, sizeof(header));
	_Alignas(struct rtvia) uint8_t via[sizeof(struct rtvia) + sizeof(v6)];
	struct route_info info;
	struct hop_info hop;

	((struct rtvia *)via)->rtvia_family = AF_INET6;
	memcpy(via + sizeof(struct rtvia), v6, sizeof(v6));
	put_u32(route, RTA_OIF, 7);
	put(route, RTA_VIA, via, sizeof(via));
	assert_true(route_parse(nlmsg_hdr(route), &info));
	assert_int_equal(info.hop.ifindex, 7);
	is_addr(&info.hop.gateway, ADDR_IPV6);
	assert_true(route_hop_parse(nlmsg_hdr(route), &hop));
	is_addr(&hop.gateway, ADDR_IPV6);
}

/* One that cannot be read is as good as dead, and no reason to lose the route. */
static void test_a_gateway_that_cannot_be_read(void **state _unused_)
{
	const struct rtmsg header = { .rtm_family = AF_INET6, .rtm_type = RTN_UNICAST };
	cleanup(nlmsg_freep) struct nl_msg *route = message(RTM_NEWROUTE, &header, sizeof(header));
	struct route_info info;
	struct hop_info hop;

	put_u32(route, RTA_OIF, 7);
	put(route, RTA_GATEWAY, v4, sizeof(v4));
	assert_true(route_parse(nlmsg_hdr(route), &info));
	assert_int_equal(info.hop.ifindex, 0);
	assert_int_equal(info.n_ifindex, 1);
	assert_false(route_hop_parse(nlmsg_hdr(route), &hop));
}

/* A dump has them, too: what was learnt of one destination's MTU. */
static void test_an_exception_is_no_route(void **state _unused_)
{
	struct rtmsg header = { .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_type = RTN_UNICAST };
	struct route_info info;

	for (int cloned = 0; cloned < 2; cloned++) {
		cleanup(nlmsg_freep) struct nl_msg *route = NULL;

		header.rtm_flags = cloned ? RTM_F_CLONED : 0;
		route = message(RTM_NEWROUTE, &header, sizeof(header));
		put(route, RTA_DST, v4, sizeof(v4));
		put_u32(route, RTA_OIF, 7);
		assert_int_equal(route_parse(nlmsg_hdr(route), &info), !cloned);
	}
	is_addr(&info.destination.addr, ADDR_IPV4);
	assert_int_equal(info.destination.length, 32);
}

/* The kernel has more attributes and families than these headers. */
static void test_what_is_not_understood(void **state _unused_)
{
	static const struct rtmsg other = { .rtm_family = AF_BRIDGE }, short_dst = { .rtm_family = AF_INET6 };
	cleanup(nlmsg_freep) struct nl_msg *bridge = message(RTM_NEWROUTE, &other, sizeof(other));
	cleanup(nlmsg_freep) struct nl_msg *cut = message(RTM_NEWROUTE, &short_dst, 1);
	cleanup(nlmsg_freep) struct nl_msg *odd = message(RTM_NEWROUTE, &short_dst, sizeof(short_dst));
	struct route_info info = { .metric = 42 };

	put(odd, RTA_DST, v4, sizeof(v4));
	assert_false(route_parse(nlmsg_hdr(bridge), &info));
	assert_false(route_parse(nlmsg_hdr(cut), &info));
	assert_false(route_parse(nlmsg_hdr(odd), &info));
	assert_int_equal(info.metric, 42);
}

static void test_a_group_of_objects(void **state _unused_)
{
	static const struct nhmsg header = { .nh_family = AF_UNSPEC };
	cleanup(nlmsg_freep) struct nl_msg *object = message(RTM_NEWNEXTHOP, &header, sizeof(header));
	struct nexthop_grp group[10] = { 0 };
	struct nexthop_object info;

	for (uint32_t i = 0; i < ARRAY_SIZE(group); i++)
		group[i].id = 100 + i;
	put(object, NHA_GROUP, group, sizeof(group));
	assert_true(nexthop_object_parse(nlmsg_hdr(object), &info));
	assert_int_equal(info.n_members, ARRAY_SIZE(info.members)); /* the first of a larger one */
	assert_int_equal(info.members[7], 107);
	assert_int_equal(info.hop.ifindex, 0);
}

/* --- rules --------------------------------------------------------------------------------------- */

/* Our question: a packet of this node, with a destination and nothing else. */
static void test_rules(void **state _unused_)
{
	static const struct {
		const char *what;
		uint8_t tos, flags;
		int attr; /* 0: none */
		uint32_t value;
		const char *text; /* in place of the value */
		bool ours, inverted;
		int suppressed_length;
	} rows[] = {
		{ "any", 0, 0, 0, 0, NULL, true, false, -1 },
		{ "not", 0, FIB_RULE_INVERT, 0, 0, NULL, true, true, -1 },
		{ "tos", 0x10, 0, 0, 0, NULL, false, false, -1 },
		{ "iif lo", 0, 0, FRA_IIFNAME, 0, "lo", true, false, -1 },
		{ "iif eth0", 0, 0, FRA_IIFNAME, 0, "eth0", false, false, -1 },
		{ "oif", 0, 0, FRA_OIFNAME, 0, "lo", false, false, -1 },
		{ "not oif", 0, FIB_RULE_INVERT, FRA_OIFNAME, 0, "lo", false, true, -1 },
		{ "fwmark 0", 0, 0, FRA_FWMARK, 0, NULL, true, false, -1 },
		{ "fwmark", 0, 0, FRA_FWMARK, 5, NULL, false, false, -1 },
		{ "from", 0, 0, FRA_SRC, 1, NULL, false, false, -1 },
		{ "l3mdev", 0, 0, FRA_L3MDEV, 1, NULL, false, false, -1 },
		{ "uidrange", 0, 0, FRA_UID_RANGE, 0, NULL, false, false, -1 },
		{ "newer than us", 0, 0, 60, 0, NULL, false, false, -1 },
		{ "suppress_prefixlength", 0, 0, FRA_SUPPRESS_PREFIXLEN, 0, NULL, true, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct fib_rule_hdr header = { .family = AF_INET6,
						     .tos = rows[i].tos,
						     .table = RT_TABLE_MAIN,
						     .action = FR_ACT_TO_TBL,
						     .flags = rows[i].flags };
		cleanup(nlmsg_freep) struct nl_msg *rule = message(RTM_NEWRULE, &header, sizeof(header));
		struct rule_info info;

		if (rows[i].text)
			put(rule, rows[i].attr, rows[i].text, strlen(rows[i].text) + 1);
		else if (rows[i].attr)
			put_u32(rule, rows[i].attr, rows[i].value);
		assert_true(rule_parse(nlmsg_hdr(rule), &info));
		if (info.ours != rows[i].ours || info.inverted != rows[i].inverted ||
		    info.suppressed_length != rows[i].suppressed_length)
			fail_msg("%s", rows[i].what);
		assert_int_equal(info.table, RT_TABLE_MAIN);
		assert_int_equal(info.destination.addr.family, ADDR_NONE);
	}
}

static void test_a_rule_that_goes_on_elsewhere(void **state _unused_)
{
	struct fib_rule_hdr header = { .family = AF_INET6, .dst_len = 128, .action = FR_ACT_GOTO };

	for (int unresolved = 0; unresolved < 2; unresolved++) {
		cleanup(nlmsg_freep) struct nl_msg *rule = NULL;
		struct rule_info info;

		header.flags = unresolved ? FIB_RULE_UNRESOLVED : 0;
		rule = message(RTM_NEWRULE, &header, sizeof(header));
		put(rule, FRA_DST, v6, sizeof(v6));
		put_u32(rule, FRA_GOTO, 500);
		put_u32(rule, FRA_TABLE, 1000); /* more than the header's byte holds */
		put_u32(rule, FRA_PRIORITY, 100);
		assert_true(rule_parse(nlmsg_hdr(rule), &info));
		assert_int_equal(info.action, unresolved ? FR_ACT_NOP : FR_ACT_GOTO);
		assert_int_equal(info.target, 500);
		assert_int_equal(info.table, 1000);
		assert_int_equal(info.priority, 100);
		is_addr(&info.destination.addr, ADDR_IPV6);
		assert_int_equal(info.destination.length, 128);
	}
}

/* --- neighbours ---------------------------------------------------------------------------------- */

static void test_neighbours(void **state _unused_)
{
	static const struct {
		const char *what;
		uint8_t family, flags;
		const uint8_t *addr;
		size_t addr_size, mac_size;
		bool one, has_mac;
	} rows[] = {
		{ "IPv4", AF_INET, 0, v4, 4, 6, true, true },
		{ "IPv6", AF_INET6, NTF_ROUTER, v6, 16, 6, true, true },
		{ "being asked for", AF_INET6, 0, v6, 16, 0, true, false },
		{ "of InfiniBand", AF_INET, 0, v4, 4, 4, true, false }, /* no six bytes */
		{ "a proxy's", AF_INET, NTF_PROXY, v4, 4, 6, false, false },
		{ "a bridge's", AF_BRIDGE, 0, v4, 4, 6, false, false },
		{ "without an address", AF_INET, 0, v4, 0, 6, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ndmsg header = { .ndm_family = rows[i].family,
					      .ndm_ifindex = 3,
					      .ndm_state = NUD_STALE,
					      .ndm_flags = rows[i].flags };
		cleanup(nlmsg_freep) struct nl_msg *neighbour =
			message(RTM_NEWNEIGH, &header, sizeof(header));
		struct neighbour_info info = { 0 };

		if (rows[i].addr_size)
			put(neighbour, NDA_DST, rows[i].addr, rows[i].addr_size);
		if (rows[i].mac_size)
			put(neighbour, NDA_LLADDR, mac, rows[i].mac_size);
		if (neighbour_parse(nlmsg_hdr(neighbour), &info) != rows[i].one ||
		    info.has_mac != rows[i].has_mac)
			fail_msg("%s", rows[i].what);
		if (!rows[i].one)
			continue;
		is_addr(&info.addr, rows[i].family == AF_INET6 ? ADDR_IPV6 : ADDR_IPV4);
		assert_int_equal(info.ifindex, 3);
		assert_int_equal(info.state, NUD_STALE);
		if (info.has_mac)
			assert_memory_equal(info.mac, mac, sizeof(mac));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gateway_of_the_other_family),
		cmocka_unit_test(test_a_gateway_that_cannot_be_read),
		cmocka_unit_test(test_an_exception_is_no_route),
		cmocka_unit_test(test_what_is_not_understood),
		cmocka_unit_test(test_a_group_of_objects),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_a_rule_that_goes_on_elsewhere),
		cmocka_unit_test(test_neighbours),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
