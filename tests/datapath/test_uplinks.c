// SPDX-License-Identifier: Apache-2.0
/* What chooses interfaces cannot be read for a while: with a clock and a kernel that are plain variables
 * here. With a real kernel: test_hooks.c, test_host.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <linux/rtnetlink.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/datapath/reading.h"
#include "userspace/datapath/routes.h"
#include "userspace/datapath/uplinks.h"
#include "userspace/io/loop.h"

#define DEFAULT_BY 2 /* eth2 has the default route, */
#define PEER_BY	   3 /* eth3 that to the peer */

/* --- the world of these tests -------------------------------------------------------------------- */

static int links_error, routes_error[2], complete_error, ask_error;
static unsigned n_reads; /* of routes, whole */
static struct {
	loop_fn *fn;
	void *userdata;
	bool set;
	uint64_t after_msec;
} timer;
static unsigned n_lines; /* logged about routes */
static char line[256];	 /* the last of them */
enum log_level log_threshold;

void log_at(enum log_level level _unused_, const char *format, ...)
{
	char text[sizeof(line)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (strncmp(text, "interfaces: ", strlen("interfaces: ")) != 0)
		return;
	memcpy(line, text, sizeof(line));
	n_lines++;
}

int loop_timer_new(struct sd_event *event _unused_, loop_fn *fn, void *userdata, struct loop_timer **ret)
{
	timer.fn = fn;
	timer.userdata = userdata;
	*ret = (struct loop_timer *)&timer;
	return 0;
}

void loop_timer_free(struct loop_timer *own _unused_)
{
}

void loop_timer_set_earlier(struct loop_timer *own _unused_, uint64_t after_msec)
{
	if (!timer.set || after_msec < timer.after_msec)
		timer.after_msec = after_msec;
	timer.set = true;
}

static void put_link(void (*fn)(void *userdata, const struct link_info *), void *userdata, uint32_t ifindex)
{
	struct link_info link = { .ifindex = ifindex };

	snprintf(link.name, sizeof(link.name), "eth%u", ifindex);
	fn(userdata, &link);
}

int netlink_each_link(struct netlink *netlink _unused_, void (*fn)(void *userdata, const struct link_info *),
		      void *userdata)
{
	if (links_error)
		return links_error;
	put_link(fn, userdata, DEFAULT_BY);
	put_link(fn, userdata, PEER_BY);
	return 0;
}

/* A default route of each family, by an object. */
int netlink_each_route(struct netlink *netlink _unused_, enum addr_family family,
		       void (*fn)(void *userdata, const struct route_info *), void *userdata)
{
	const struct route_info route = { .destination.addr.family = family,
					  .table = RT_TABLE_MAIN,
					  .type = RTN_UNICAST,
					  .nexthop_id = 16 };
	int error = routes_error[family == ADDR_IPV6];

	n_reads++;
	if (error)
		return error;
	fn(userdata, &route);
	return 0;
}

int netlink_route_complete(struct netlink *netlink _unused_, struct route_info *route)
{
	if (complete_error)
		return complete_error;
	route->ifindex[route->n_ifindex++] = DEFAULT_BY;
	return 0;
}

int netlink_xdp_features(struct netlink *netlink _unused_, uint32_t ifindex _unused_, uint64_t *ret _unused_)
{
	return -EOPNOTSUPP;
}

int routes_ask(struct routes *routes _unused_, const struct addr *destination _unused_, struct hop_info *ret)
{
	if (ask_error)
		return ask_error;
	*ret = (struct hop_info){ .type = RTN_UNICAST, .ifindex = PEER_BY };
	return 0;
}

void routes_forget(struct routes *routes _unused_)
{
}

int hooks_attach(const struct hook_programs *programs _unused_, const char *links_dir _unused_,
		 enum hook_choice choice _unused_, const struct link_info *link,
		 const char *unsendable _unused_, struct interface_view *ret)
{
	*ret = (struct interface_view){ .ifindex = link->ifindex, .hook = "tc", .attached = true };
	memcpy(ret->name, link->name, sizeof(ret->name));
	return 0;
}

void hooks_detach(const char *links_dir _unused_, uint32_t ifindex _unused_)
{
}

int hooks_each_interface(const char *links_dir _unused_,
			 void (*fn)(void *userdata, uint32_t ifindex) _unused_, void *userdata _unused_)
{
	return 0;
}

/* --- what the tests do with it ------------------------------------------------------------------- */

static const struct addr peer = { .family = ADDR_IPV4, .bytes = { 192, 0, 2, 1 } };
static struct uplinks *uplinks;

static void begin(void)
{
	const struct uplinks_config config = { .peers = &peer, .n_peers = 1 };

	assert_int_equal(uplinks_new((struct sd_event *)&timer, NULL, &(struct hook_programs){ 0 }, "",
				     &config, &uplinks),
			 0);
}

static int set_up(void **state _unused_)
{
	links_error = routes_error[0] = routes_error[1] = complete_error = ask_error = 0;
	n_lines = n_reads = 0;
	timer.set = false;
	uplinks = NULL;
	return 0;
}

static int tear_down(void **state _unused_)
{
	uplinks_free(uplinks);
	return 0;
}

static void is_chosen(const char *names)
{
	const struct interface_view *views;
	size_t n = uplinks_views(uplinks, &views);
	char text[64] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 views[i].name);
	assert_string_equal(text, names);
}

/* Nothing happens on this host but that its timer fires. */
static void fires_after(uint64_t msec)
{
	assert_true(timer.set);
	assert_int_equal(timer.after_msec, msec);
	timer.set = false;
	timer.fn(timer.userdata);
}

/* --- tests --------------------------------------------------------------------------------------- */

static void test_all_is_well(void **state _unused_)
{
	begin();
	is_chosen("eth2 eth3");
	assert_false(timer.set);
	assert_int_equal(n_lines, 0);
}

static void test_it_is_tried_again_without_an_event(void **state _unused_)
{
	static int *const errors[] = { &routes_error[0], &routes_error[1], &complete_error, &ask_error };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const char *without = errors[i] == &ask_error ? "eth2" : "eth3";

		set_up(NULL);
		if (i < 2)
			routes_error[!i] = -EAFNOSUPPORT; /* is no failure */
		*errors[i] = -EINTR;
		begin();
		is_chosen(without);
		assert_int_equal(n_lines, 1);
		assert_string_equal(line, "interfaces: the routes that choose them cannot be read "
					  "(Interrupted system call); those that were chosen stay, tried "
					  "again, less and less often");
		fires_after(100);
		fires_after(200);
		is_chosen(without);
		assert_int_equal(n_lines, 1);
		*errors[i] = 0;
		fires_after(400);
		is_chosen("eth2 eth3");
		assert_int_equal(n_lines, 2);
		assert_string_equal(line, "interfaces: the routes that choose them are read again");
		assert_false(timer.set);
		uplinks_free(uplinks);
	}
	uplinks = NULL;
}

/* An event comes in between: it waits for no retry, and what it brings may end the story. */
static void test_an_event_waits_for_no_retry(void **state _unused_)
{
	unsigned n;

	routes_error[0] = routes_error[1] = -EINTR;
	begin();
	for (uint64_t msec = 100; msec < READING_MOST_RETRY_MSEC; msec *= 2)
		fires_after(msec);
	uplinks_routes_changed(uplinks);
	routes_error[0] = routes_error[1] = 0;
	n = n_reads;
	fires_after(50);
	assert_int_equal(n_reads, n + 2);
	is_chosen("eth2 eth3");
	assert_int_equal(n_lines, 2);
	assert_false(timer.set);
}

/* What the kernel says is no failure, be it that there is nothing. */
static void test_what_is_not_there_is_not_asked_for_again(void **state _unused_)
{
	routes_error[1] = -EAFNOSUPPORT; /* a kernel without IPv6 */
	complete_error = ask_error = -ENETUNREACH;
	begin();
	is_chosen("");
	assert_false(timer.set);
	assert_int_equal(n_lines, 0);
}

/* Interfaces that are named need no routes. */
static void test_names_end_it(void **state _unused_)
{
	static const char *const globs[] = { "eth2" };
	const struct uplinks_config config = { .globs = globs, .n_globs = 1 };

	routes_error[0] = -EINTR;
	begin();
	assert_int_equal(uplinks_configure(uplinks, &config), 0);
	assert_int_equal(n_lines, 1);
	fires_after(100);
	assert_false(timer.set);
	assert_int_equal(n_lines, 1);
}

static void test_links_that_cannot_be_read(void **state _unused_)
{
	begin();
	links_error = -EINTR;
	assert_int_equal(uplinks_refresh(uplinks, true), -EINTR);
	fires_after(10000);
	fires_after(10000);
	links_error = 0;
	fires_after(10000);
	assert_false(timer.set);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_all_is_well),
		TEST(test_it_is_tried_again_without_an_event),
		TEST(test_an_event_waits_for_no_retry),
		TEST(test_what_is_not_there_is_not_asked_for_again),
		TEST(test_names_end_it),
		TEST(test_links_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("uplinks", tests, NULL, NULL);
}
