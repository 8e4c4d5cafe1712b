// SPDX-License-Identifier: Apache-2.0
/* Which interfaces carry programs, at which hook: foreign ones, swaps that fail, the old TC attachment,
 * interfaces that come and go. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/datapath/small_world.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/attach.h"

static int load_foreign_xdp(void)
{
	const struct bpf_insn pass[] = { { .code = 0xb7, .dst_reg = 0, .imm = XDP_PASS }, { .code = 0x95 } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void test_foreign_xdp(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	int fd = load_foreign_xdp();
	uint32_t foreign;
	struct datapath *datapath;
	char why[120];

	assert_int_equal(bpf_xdp_attach(if_nametoindex("up0"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
	foreign = xdp_id("up0");
	datapath = open_with(*state, &options);
	snprintf(why, sizeof(why), "another XDP program (id %u) is attached", foreign);
	assert_string_equal(only_interface(datapath).hook, "tc");
	assert_string_equal(only_interface(datapath).why, why);
	assert_int_not_equal(link_info("tcin", "up0").id, 0);
	assert_int_equal(xdp_id("up0"), foreign);

	options.hook = HOOK_XDP; /* insisting takes nothing from anybody */
	assert_int_equal(datapath_update_options(datapath, &options), 0);
	assert_string_equal(only_interface(datapath).hook, "none");
	assert_false(only_interface(datapath).attached);
	assert_int_equal(xdp_id("up0"), foreign);
	assert_int_equal(link_info("tcout", "up0").id, 0);
	close_current();
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(xdp_id("up0"), foreign);
}

static void test_hook_moves(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);

	options.hook = HOOK_TC;
	assert_int_equal(datapath_update_options(datapath, &options), 0);
	assert_string_equal(only_interface(datapath).hook, "tc");
	assert_int_equal(xdp_id("up0"), 0);
	assert_int_not_equal(link_info("tcin", "up0").id, 0);
	options.hook = HOOK_AUTO;
	assert_int_equal(datapath_update_options(datapath, &options), 0);
	assert_string_equal(only_interface(datapath).hook, "xdp");
	assert_int_equal(link_info("tcin", "up0").id, 0);
	close_current();
}

/* Programs that cannot be swapped: the old ones stay at work. */
static void test_failing_swap(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	const struct hook_programs broken = { -1, -1, -1 };
	struct link_info link = { .ifindex = if_nametoindex("up0"), .name = "up0" };
	struct interface_view view;
	uint32_t before;

	open_with(*state, &options);
	close_current();
	before = xdp_id("up0");
	assert_true(hooks_attach(&broken, LINKS, HOOK_AUTO, &link, NULL, &view) < 0);
	assert_false(view.attached);
	assert_string_equal(view.hook, "xdp");
	assert_int_not_equal(before, 0);
	assert_int_equal(xdp_id("up0"), before);
	assert_int_not_equal(link_info("tcout", "up0").id, 0);
	hooks_detach(LINKS, link.ifindex);
	assert_true(hooks_attach(&broken, LINKS, HOOK_AUTO, &link, NULL, &view) <
		    0); /* nor does it leave half of a hook */
	assert_string_equal(view.hook, "none");
	assert_int_equal(link_info("tcout", "up0").id, 0);
}

static void test_jumbo_frames(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath;

	shell("ip link set up0 mtu 9000; ip link set down0 mtu 9000");
	datapath = open_with(*state, &options);
	assert_string_equal(only_interface(datapath).hook, "xdp");
}

static bool tc_has(const char *interface, const char *direction)
{
	char command[200];

	snprintf(command, sizeof(command), "tc filter show dev %s %s | grep -q 'handle 0x46574159'",
		 interface, direction);
	return system(command) == 0;
}

/* The way without TCX: filters at a fixed handle and priority, replaced in place, removed with the qdisc that
 * we made. */
static void test_clsact(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	const struct bpf_insn ok[] = { { .code = 0xb7, .dst_reg = 0, .imm = 0 }, { .code = 0x95 } };
	uint32_t ifindex = if_nametoindex("down0");
	int fd;

	open_with(*state, &options);
	close_current();
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ok", "GPL", ok, 2, NULL);
	assert_true(fd >= 0);
	assert_int_equal(clsact_attach(LINKS, ifindex, false, fd), 0);
	assert_int_equal(clsact_attach(LINKS, ifindex, true, fd), 0);
	assert_int_equal(clsact_attach(LINKS, ifindex, false, fd), 0);
	close(fd);
	assert_true(tc_has("down0", "ingress"));
	assert_true(tc_has("down0", "egress"));
	hooks_detach(LINKS, ifindex);
	assert_false(tc_has("down0", "ingress"));
	assert_int_not_equal(system("tc qdisc show dev down0 | grep -q clsact"), 0);
}

/* Somebody's clsact qdisc, and the filter in it, stay. */
static void test_clsact_of_others(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	const struct bpf_insn ok[] = { { .code = 0xb7, .dst_reg = 0, .imm = 0 }, { .code = 0x95 } };
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 7);
	uint32_t ifindex = if_nametoindex("down0");
	struct bpf_tc_hook hook;
	int fd;

	open_with(*state, &options);
	close_current();
	fd = opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ok", "GPL", ok, 2, NULL);
	assert_int_equal(clsact_attach(LINKS, ifindex, false, fd), 0);
	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = ifindex;
	hook.attach_point = BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	hooks_detach(LINKS, ifindex);
	assert_false(tc_has("down0", "ingress"));
	assert_int_equal(system("tc filter show dev down0 egress | grep -q 'pref 7'"), 0);
	close(fd);
}

/* --- interfaces that come and go
 * ---------------------------------------------------------------------------- */

static bool has_xdp(void *userdata)
{
	return xdp_id(userdata) != 0;
}

static bool one_interface(void *userdata)
{
	const struct interface_view *views;

	return datapath_interfaces(userdata, &views) == 1;
}

static void test_interfaces_followed(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	const char *narrower[] = { "up1" };
	char path[200];

	only_interface(datapath);
	shell("ip link add up1 type veth peer name other1 && ip link set up1 up");
	loop_until(*state, has_xdp, (void *)"up1", "an interface that appears");
	assert_int_equal(xdp_id("other1"), 0);
	snprintf(path, sizeof(path), LINKS "/xdp_%u", if_nametoindex("up0"));
	assert_int_equal(access(path, F_OK), 0);
	shell("ip link del up0");
	loop_until(*state, one_interface, datapath, "an interface that goes");
	assert_int_equal(access(path, F_OK), -1);
	shell("ip link add up0 type veth peer name down0");
	loop_until(*state, has_xdp, (void *)"up0", "an interface that comes back");

	options.interfaces = narrower;
	assert_int_equal(datapath_update_options(datapath, &options), 0);
	assert_int_equal(xdp_id("up0"), 0);
	assert_string_equal(only_interface(datapath).name, "up1");
	close_current();
}

static void test_interfaces_by_route(void **state)
{
	const char *const unnumbered[] = { "down0" };
	struct addr peer = addr_of("10.7.0.2");
	struct datapath_options options = options_for(NULL, 0);
	struct datapath *datapath;
	const struct interface_view *views;

	shell("ip link add up1 type veth peer name other1 && ip link set up1 up && ip link set other1 up");
	options.peers = &peer;
	options.n_peers = 1;
	datapath = open_with(*state, &options);
	assert_int_equal(datapath_interfaces(datapath, &views), 0);
	shell("ip addr add 10.7.0.1/24 dev up0");
	loop_until(*state, has_xdp, (void *)"up0", "the interface of a peer");
	assert_int_equal(xdp_id("up1"), 0);
	shell("ip addr add 10.8.0.1/24 dev up1 && ip route add default via 10.8.0.2 dev up1");
	loop_until(*state, has_xdp, (void *)"up1", "the interface of the default route");
	options.peer_interfaces = unnumbered;
	options.n_peer_interfaces = 1;
	assert_int_equal(datapath_update_options(datapath, &options), 0);
	assert_int_not_equal(xdp_id("down0"), 0);
	shell("ip route del default && ip addr del 10.7.0.1/24 dev up0");
	assert_true(sd_event_run(*state, 200000) >= 0);
	close_current();
	datapath = open_with(*state, &options); /* what once carried traffic keeps its hooks */
	assert_int_equal(datapath_interfaces(datapath, &views), 3);
	close_current();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SMALL_WORLD_TEST(test_foreign_xdp),
		SMALL_WORLD_TEST(test_hook_moves),
		SMALL_WORLD_TEST(test_failing_swap),
		SMALL_WORLD_TEST(test_jumbo_frames),
		SMALL_WORLD_TEST(test_clsact),
		SMALL_WORLD_TEST(test_clsact_of_others),
		SMALL_WORLD_TEST(test_interfaces_followed),
		SMALL_WORLD_TEST(test_interfaces_by_route),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
