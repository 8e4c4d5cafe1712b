// SPDX-License-Identifier: Apache-2.0
/* Which of a route's next hops counts, told one by one or by a nexthop object. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/rtnetlink.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/hops.h"

#define DOWN RTNH_F_LINKDOWN
#define DEAD RTNH_F_DEAD
#define GONE UINT32_MAX /* flags of a member that is not there any more */

/* The hops leave by interface 1, 2, 3 … */
static const struct row {
	const char *what;
	uint32_t flags[4];
	unsigned n;
	uint32_t wanted; /* interface */
	unsigned n_ifindex;
} rows[] = {
	{ "one", { 0 }, 1, 1, 1 },
	{ "one without carrier", { DOWN }, 1, 1, 1 },
	{ "one that is dead", { DEAD }, 1, 0, 1 },
	{ "the first", { 0, 0, 0 }, 3, 1, 3 },
	{ "the first is dead", { DEAD, 0 }, 2, 2, 2 },
	{ "dead, though not for want of a carrier", { DEAD | DOWN, DOWN }, 2, 2, 2 },
	{ "best with a carrier", { DOWN, DEAD, 0, 0 }, 4, 3, 4 },
	{ "none has one", { DEAD, DOWN, DOWN }, 3, 2, 3 },
	{ "a later one is no better", { 0, DOWN, DEAD }, 3, 1, 3 },
	{ "all are dead", { DEAD, DEAD | DOWN }, 2, 0, 2 },
	{ "what else the kernel says of it",
	  { RTNH_F_ONLINK | DEAD, RTNH_F_ONLINK | RTNH_F_OFFLOAD },
	  2,
	  2,
	  2 },
};

static struct hop_info hop_by(uint32_t ifindex)
{
	return (struct hop_info){ .type = RTN_UNICAST,
				  .ifindex = ifindex,
				  .gateway = { .family = ADDR_IPV4,
					       .bytes = { 10, 0, 0, (uint8_t)ifindex } } };
}

static void expect(const struct row *row, const struct route_info *route)
{
	const struct hop_info wanted = hop_by(row->wanted);

	if (route->hop.ifindex != row->wanted || route->n_ifindex != row->n_ifindex)
		fail_msg("%s: by %u of %u", row->what, route->hop.ifindex, route->n_ifindex);
	if (!row->wanted)
		return;
	assert_true(addr_equal(&route->hop.gateway, &wanted.gateway));
	assert_int_equal(route->hop_flags, row->flags[row->wanted - 1]);
}

static void test_one_by_one(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct route_info route = { .type = RTN_UNICAST };

		for (uint32_t j = 0; j < rows[i].n; j++) {
			struct hop_info hop = hop_by(j + 1);

			route_add_hop(&route, &hop, rows[i].flags[j]);
		}
		expect(&rows[i], &route);
	}
}

/* Objects 1, 2, 3 … are next hops of the row; 100 is the group of all. */
static int get(void *userdata, uint32_t id, struct nexthop_object *ret)
{
	const struct row *row = userdata;

	*ret = (struct nexthop_object){ .hop.type = RTN_UNICAST };
	if (id == 100) {
		for (ret->n_members = 0; ret->n_members < row->n; ret->n_members++)
			ret->members[ret->n_members] = ret->n_members + 1;
		return 0;
	}
	assert_in_range(id, 1, row->n);
	if (row->flags[id - 1] == GONE)
		return -ENETUNREACH;
	ret->hop = hop_by(id);
	ret->flags = row->flags[id - 1];
	return 0;
}

static int complete(const struct row *row, uint32_t id, struct route_info *route)
{
	*route = (struct route_info){ .type = RTN_UNICAST, .nexthop_id = id };
	return route_add_object(route, get, (void *)(uintptr_t)row);
}

static void test_by_an_object(void **state _unused_)
{
	struct route_info route;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(complete(&rows[i], 100, &route), 0);
		expect(&rows[i], &route);
		if (rows[i].n > 1)
			continue;
		assert_int_equal(complete(&rows[i], 1, &route), 0);
		expect(&rows[i], &route);
	}
}

static void test_objects_that_go(void **state _unused_)
{
	static const struct row some = { "some are gone", { GONE, DEAD, GONE, 0 }, 4, 4, 2 };
	static const struct row all = { "all are gone", { GONE, GONE }, 2, 0, 0 };
	struct route_info route;

	assert_int_equal(complete(&some, 100, &route), 0);
	expect(&some, &route);
	assert_int_equal(complete(&all, 100, &route), -ENETUNREACH);
	assert_int_equal(complete(&all, 1, &route), -ENETUNREACH);
}

static int get_fails(void *userdata, uint32_t id, struct nexthop_object *ret)
{
	return id == 2 ? -EINTR : get(userdata, id, ret);
}

static void test_what_cannot_be_asked(void **state _unused_)
{
	static const struct row two = { "", { 0, 0 }, 2, 0, 0 };
	struct route_info route = { .type = RTN_UNICAST, .nexthop_id = 100 };

	assert_int_equal(route_add_object(&route, get_fails, (void *)(uintptr_t)&two), -EINTR);
}

/* Only the first eight of a wide route are named, but any may be the one. */
static void test_a_wide_route(void **state _unused_)
{
	struct route_info route = { .type = RTN_UNICAST };
	struct hop_info none = hop_by(0);

	route_add_hop(&route, &none, 0); /* leads nowhere */
	assert_int_equal(route.n_ifindex, 0);
	for (uint32_t i = 1; i <= 12; i++) {
		struct hop_info hop = hop_by(i);

		route_add_hop(&route, &hop, i < 11 ? DEAD : 0);
	}
	assert_int_equal(route.n_ifindex, ARRAY_SIZE(route.ifindex));
	assert_int_equal(route.hop.ifindex, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one),	cmocka_unit_test(test_by_an_object),
		cmocka_unit_test(test_objects_that_go), cmocka_unit_test(test_what_cannot_be_asked),
		cmocka_unit_test(test_a_wide_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
