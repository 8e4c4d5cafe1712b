// SPDX-License-Identifier: Apache-2.0
/* Next hops while the kernel cannot be asked, and which neighbours count: with a kernel that is plain
 * variables here. With a real one: test_host.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/datapath/nexthop.h"
#include "userspace/datapath/routes.h"

#define BACKEND 3
#define UPLINK	7

/* --- the world of these tests -------------------------------------------------------------------- */

static int ask_error;
static unsigned n_reads; /* of routes, whole */
static struct neighbour_info neighbour;
static struct { /* what the backend's owner was told last */
	uint32_t ifindex;
	bool has_mac;
} told;
enum log_level log_threshold;

void log_at(enum log_level level _unused_, const char *format _unused_, ...)
{
}

int netlink_each_rule(struct netlink *netlink _unused_, enum addr_family family _unused_,
		      void (*fn)(void *userdata, const struct rule_info *) _unused_, void *userdata _unused_)
{
	return 0;
}

/* A default route of each family. */
int netlink_each_route(struct netlink *netlink _unused_, enum addr_family family,
		       void (*fn)(void *userdata, const struct route_info *), void *userdata)
{
	const struct route_info route = { .destination.addr.family = family };

	n_reads++;
	fn(userdata, &route);
	return 0;
}

int netlink_neighbour_get(struct netlink *netlink _unused_, uint32_t ifindex _unused_,
			  const struct addr *addr _unused_, struct neighbour_info *ret)
{
	*ret = neighbour;
	return 0;
}

int netlink_neighbour_use(struct netlink *netlink _unused_, uint32_t ifindex _unused_,
			  const struct addr *addr _unused_)
{
	return 0;
}

int routes_ask(struct routes *routes _unused_, const struct addr *destination _unused_, struct hop_info *ret)
{
	if (ask_error)
		return ask_error;
	*ret = (struct hop_info){ .type = RTN_UNICAST, .ifindex = UPLINK };
	return 0;
}

void routes_forget(struct routes *routes _unused_)
{
}

/* --- what the tests do with it ------------------------------------------------------------------- */

static const char *const backends[] = { "10.244.2.5", "fd00:10:244:2::5" };
static struct nexthops *nexthops;

static void on_next_hop(void *userdata _unused_, uint32_t backend _unused_, uint32_t ifindex,
			const uint8_t *mac)
{
	told.ifindex = ifindex;
	told.has_mac = mac;
}

static void begin(sd_event *event, const char *backend)
{
	struct addr addr;

	ask_error = 0;
	neighbour = (struct neighbour_info){ .state = NUD_REACHABLE, .has_mac = true, .mac = { 2, 1 } };
	assert_int_equal(addr_parse(backend, &addr), 0);
	assert_int_equal(nexthops_new(event, NULL, on_next_hop, NULL, &nexthops), 0);
	assert_int_equal(nexthops_watch(nexthops, BACKEND, &addr), 0);
	assert_int_equal(told.ifindex, UPLINK);
	assert_true(told.has_mac);
}

/* --- tests --------------------------------------------------------------------------------------- */

/* Traffic to a pod must not end because netlink has no memory at a moment. */
static void test_what_cannot_be_asked_stays(void **state _unused_)
{
	static const int errors[] = { -EINTR, -ENOMEM, -EIO };

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		begin(NULL, backends[i]);
		for (size_t j = 0; j < ARRAY_SIZE(errors); j++) {
			ask_error = errors[j];
			assert_int_equal(nexthops_reload(nexthops, false), 0);
			assert_int_equal(told.ifindex, UPLINK);
		}
		ask_error = -ENETUNREACH; /* the kernel's word */
		assert_int_equal(nexthops_reload(nexthops, false), 0);
		assert_int_equal(told.ifindex, 0);
		ask_error = -EINTR; /* so does what leads nowhere */
		assert_int_equal(nexthops_reload(nexthops, false), 0);
		assert_int_equal(told.ifindex, 0);
		ask_error = 0;
		assert_int_equal(nexthops_reload(nexthops, false), 0);
		assert_int_equal(told.ifindex, UPLINK);
		nexthops_free(nexthops);
	}
}

/* Without any event. */
static void test_it_is_asked_again(void **state _unused_)
{
	for (int fails = 0; fails < 2; fails++) {
		sd_event *event = NULL;
		unsigned before;

		assert_true(sd_event_new(&event) >= 0);
		begin(event, backends[0]);
		ask_error = fails ? -EINTR : -ENETUNREACH;
		assert_int_equal(nexthops_reload(nexthops, false), 0);
		ask_error = 0;
		before = n_reads;
		nexthops_tick(nexthops);
		for (int i = 0; i < 2 && n_reads == before; i++) /* its timers: a read, or the next tick */
			assert_true(sd_event_run(event, UINT64_MAX) >= 0);
		assert_int_equal(n_reads > before, fails);
		assert_int_equal(told.ifindex, fails ? UPLINK : 0);
		nexthops_free(nexthops);
		sd_event_unref(event);
	}
}

static void test_which_neighbours_count(void **state _unused_)
{
	static const struct {
		uint16_t state;
		uint8_t mac;
		bool has_mac, usable;
	} rows[] = {
		{ NUD_REACHABLE, 2, true, true },   { NUD_STALE, 2, true, true },
		{ NUD_DELAY, 2, true, true },	    { NUD_PROBE, 2, true, true },
		{ NUD_PERMANENT, 2, true, true },   { NUD_NOARP, 2, true, false },
		{ NUD_REACHABLE, 0, true, false },  { NUD_REACHABLE, 0, false, false },
		{ NUD_INCOMPLETE, 2, true, false }, { NUD_FAILED, 2, true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct neighbour_info one = { .ifindex = UPLINK, .state = NUD_FAILED };

		begin(NULL, backends[1]);
		assert_int_equal(addr_parse(backends[1], &one.addr), 0);
		nexthops_neighbour_changed(nexthops, &one, false);
		assert_false(told.has_mac);
		one.state = rows[i].state;
		one.has_mac = rows[i].has_mac;
		one.mac[0] = rows[i].mac;
		nexthops_neighbour_changed(nexthops, &one, false);
		if (told.has_mac != rows[i].usable)
			fail_msg("row %zu", i);
		nexthops_free(nexthops);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_be_asked_stays),
		cmocka_unit_test(test_it_is_asked_again),
		cmocka_unit_test(test_which_neighbours_count),
	};

	return cmocka_run_group_tests_name("nexthop", tests, NULL, NULL);
}
