// SPDX-License-Identifier: Apache-2.0
/* The edge of the data path against a real kernel: steps, adoption, hooks, next hops, the collector, cleanup.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "tests/datapath/sandbox.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/attach.h"
#include "userspace/datapath/datapath.h"

DEFINE_CLEANUP(struct applied *, applied_free);

#define MAPS   SANDBOX_PINS "/v1/maps"
#define LINKS  SANDBOX_PINS "/v1/links"
#define VIP_ID 3
#define SLOTS  1021

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

/* --- a small world ---------------------------------------------------------------------------- */

static struct datapath_options options_for(const char *const *interfaces, size_t n)
{
	return (struct datapath_options){
		.pin_dir = SANDBOX_PINS,
		.interfaces = interfaces,
		.n_interfaces = n,
		.snat_v4 = addr_of("10.0.0.1"),
		.snat_v6 = addr_of("fd00::1"),
		.max_flows = 1024,
		.max_frontends = 64,
		.max_backends = 128,
		.max_table_slots = 4 * SLOTS,
	};
}

static struct applied_backend backend_of(uint32_t id, const char *addr, bool local)
{
	return (struct applied_backend){ .addr = addr_of(addr),
					 .port = 8080,
					 .protocol = L4_TCP,
					 .id = id,
					 .generation = 1,
					 .state = BACKEND_ACTIVE,
					 .local = local };
}

static struct applied_frontend frontend_of(uint32_t id, const char *addr)
{
	return (struct applied_frontend){ .addr = addr_of(addr),
					  .port = 80,
					  .protocol = L4_TCP,
					  .id = id,
					  .generation = 1,
					  .verdict = VERDICT_FORWARD,
					  .type = FRONTEND_LOAD_BALANCER,
					  .policy = POLICY_CLUSTER,
					  .table_offset = SLOTS,
					  .table_size = SLOTS,
					  .digest = 0x1234567890abcdefull };
}

static uint32_t table_ids[SLOTS];

static struct step backend_step(struct applied_backend backend)
{
	return (struct step){ .kind = STEP_BACKEND_SET, .phase = STEP_MAKE, .backend = backend };
}

static struct step frontend_step(struct applied_frontend frontend)
{
	return (struct step){ .kind = STEP_FRONTEND_SET, .phase = STEP_MAKE, .frontend = frontend };
}

static void execute(struct datapath *datapath, enum step_phase phase, struct step *items, size_t n)
{
	const struct steps steps = { .items = items, .n = n };
	bool done[16] = { 0 };

	assert_int_equal(datapath_execute(datapath, &steps, phase, done), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(done[i], items[i].phase == phase);
}

static void make_world(struct datapath *datapath)
{
	struct prefix range;
	struct applied_frontend v4 = frontend_of(VIP_ID, "192.0.2.10"),
				v6 = frontend_of(VIP_ID + 1, "2001:db8::a");
	struct step steps[] = {
		backend_step(backend_of(0, "10.244.1.5", true)),
		backend_step(backend_of(7, "fd00:244::5", true)),
		{ .kind = STEP_TABLE_WRITE,
		  .table_offset = SLOTS,
		  .table_size = SLOTS,
		  .table_ids = table_ids },
		{ .kind = STEP_FRONTEND_SET },
		{ .kind = STEP_FRONTEND_SET },
	};

	assert_int_equal(prefix_parse("198.51.100.0/24", &range), 0);
	v4.source_ranges = &range;
	v4.n_source_ranges = 1;
	v4.affinity_sec = 30;
	steps[3].frontend = v4;
	steps[4].frontend = v6;
	for (uint32_t i = 0; i < SLOTS; i++)
		table_ids[i] = i % 2 ? 7 : 0;
	execute(datapath, STEP_MAKE, steps, ARRAY_SIZE(steps));
}

static void check_world(struct datapath *datapath)
{
	const struct diff_limits limits = datapath_limits(datapath);
	cleanup(applied_freep) struct applied *applied = applied_new(&limits);
	const struct applied_frontend *frontend, expected = frontend_of(VIP_ID, "192.0.2.10");
	const struct applied_backend *backend;
	char text[PREFIX_TEXT_MAX];
	size_t n;

	assert_int_equal(datapath_read_applied(datapath, applied), 0);
	backend = applied_backends(applied, &n);
	assert_int_equal(n, 2);
	assert_int_equal(backend[0].id, 0);
	assert_true(addr_equal(&backend[0].addr, &(struct addr){ ADDR_IPV4, { 10, 244, 1, 5 } }));
	assert_true(backend[0].local);
	assert_int_equal(backend[1].id, 7);
	assert_int_equal(backend[1].addr.family, ADDR_IPV6);
	frontend = applied_frontends(applied, &n);
	assert_int_equal(n, 2);
	assert_int_equal(frontend->id, VIP_ID);
	assert_true(addr_equal(&frontend->addr, &expected.addr));
	assert_int_equal(frontend->port, 80);
	assert_int_equal(frontend->protocol, L4_TCP);
	assert_int_equal(frontend->generation, 1);
	assert_int_equal(frontend->verdict, VERDICT_FORWARD);
	assert_int_equal(frontend->type, FRONTEND_LOAD_BALANCER);
	assert_int_equal(frontend->table_offset, SLOTS);
	assert_int_equal(frontend->table_size, SLOTS);
	assert_int_equal(frontend->digest, expected.digest);
	assert_int_equal(frontend->affinity_sec, 30);
	assert_int_equal(frontend->n_source_ranges, 1);
	assert_string_equal(prefix_format(frontend->source_ranges, text), "198.51.100.0/24");
	assert_int_equal(frontend[1].n_source_ranges, 0);
}

static struct datapath *current; /* closed by the teardown where a test failed half-way */

static struct datapath *open_with(sd_event *event, const struct datapath_options *options)
{
	assert_int_equal(datapath_open(event, options, &current), 0);
	return current;
}

static void close_current(void)
{
	datapath_close(current);
	current = NULL;
}

static int setup(void **state)
{
	sd_event *event;

	shell("ip link add up0 type veth peer name down0 && ip link set up0 up && ip link set down0 up");
	assert_true(sd_event_new(&event) >= 0);
	*state = event;
	return 0;
}

static int teardown(void **state)
{
	close_current();
	sd_event_unref(*state);
	datapath_cleanup(SANDBOX_PINS);
	shell("ip link del up0 2>/dev/null; ip link del up1 2>/dev/null; ip -4 route flush table main; true");
	return 0;
}

/* Turns the loop until the condition holds; a machine that is slow only takes longer. */
static void loop_until(sd_event *event, bool (*holds)(void *userdata), void *userdata, const char *what)
{
	for (int turn = 0; turn < 1000; turn++) {
		if (holds(userdata))
			return;
		assert_true(sd_event_run(event, 20000) >= 0);
	}
	fail_msg("%s: not within 1000 turns of the loop", what);
}

/* --- what is attached ------------------------------------------------------------------------- */

static const char *const up_globs[] = { "up*" };

static uint32_t xdp_id(const char *name)
{
	__u32 id = 0;

	bpf_xdp_query_id(if_nametoindex(name), XDP_FLAGS_DRV_MODE, &id);
	return id;
}

static struct bpf_link_info link_info(const char *name, const char *interface)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), LINKS "/%s_%u", name, if_nametoindex(interface));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return info;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info;
}

static struct interface_view only_interface(struct datapath *datapath)
{
	const struct interface_view *views;

	assert_int_equal(datapath_interfaces(datapath, &views), 1);
	return views[0];
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_steps_and_reading(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct diff_limits limits = datapath_limits(datapath);

	assert_int_equal(limits.frontends, 64);
	assert_int_equal(limits.backends, 128);
	assert_true(limits.table_slots >= 4 * SLOTS);
	make_world(datapath);
	check_world(datapath);
	make_world(datapath); /* the same again changes nothing */
	check_world(datapath);
	close_current();
}

static void put_flow(uint32_t tick)
{
	int fd = bpf_obj_get(MAPS "/lb_flows4"), replies = bpf_obj_get(MAPS "/lb_replies4"), settings_fd;
	uint64_t handles = (uint64_t)lb_handle(VIP_ID, 1) << LB_CTL_FRONTEND_SHIFT |
			   (uint64_t)lb_handle(0, 1) << LB_CTL_BACKEND_SHIFT;
	struct lb_flow4 flow = { .client = htonl(0xc6336405),
				 .client_port = htons(40000),
				 .reply_port = htons(40000),
				 .control =
					 handles | (uint64_t)LB_OPEN << LB_CTL_STATE_SHIFT | (uint8_t)tick };
	struct lb_flow4_bucket bucket = { .slot = { flow } };
	struct lb_settings settings;
	uint32_t index, zero = 0, mask = 255;

	settings_fd = bpf_obj_get(MAPS "/lb_settings");
	assert_int_equal(bpf_map_lookup_elem(settings_fd, &zero, &settings), 0);
	index = lb_bucket1(lb_flow_hash(settings.seed, lb_handle(VIP_ID, 1), flow.client, flow.client_port),
			   mask);
	assert_int_equal(bpf_map_update_elem(fd, &index, &bucket, 0), 0);
	index = lb_bucket1(lb_reply_hash(settings.seed, lb_handle(0, 1), flow.client, flow.reply_port), mask);
	assert_int_equal(bpf_map_update_elem(replies, &index, &bucket, 0), 0);
	close(fd);
	close(replies);
	close(settings_fd);
}

struct seen_flows {
	struct flow_view last;
	int n;
};

static int see_flow(void *userdata, const struct flow_view *view)
{
	struct seen_flows *seen = userdata;

	seen->last = *view;
	seen->n++;
	return 0;
}

static int count_flows(struct datapath *datapath, const char *client)
{
	struct flow_filter filter = { .client = client ? addr_of(client) : (struct addr){ 0 } };
	struct seen_flows seen = { 0 };

	assert_int_equal(datapath_each_flow(datapath, &filter, see_flow, &seen), 0);
	return seen.n;
}

static void test_adoption(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct bpf_link_info xdp = link_info("xdp", "up0"), egress = link_info("tcout", "up0");

	make_world(datapath);
	put_flow(0);
	assert_string_equal(only_interface(datapath).hook, "xdp");
	assert_string_equal(only_interface(datapath).why, "driver has native XDP");
	assert_int_not_equal(xdp.id, 0);
	close_current();
	assert_int_equal(xdp_id("up0"), xdp.prog_id); /* traffic goes on without an agent */

	options.max_flows = 4096; /* what is pinned keeps its size */
	datapath = open_with(*state, &options);
	check_world(datapath);
	assert_int_equal(link_info("xdp", "up0").id, xdp.id); /* the link stayed, its program was swapped */
	assert_int_not_equal(link_info("xdp", "up0").prog_id, xdp.prog_id);
	assert_int_equal(link_info("xdp", "up0").prog_id, xdp_id("up0"));
	assert_int_equal(link_info("tcout", "up0").id, egress.id);
	assert_int_equal(count_flows(datapath, NULL), 1);
	assert_int_equal(count_flows(datapath, "198.51.100.5"), 1);
	assert_int_equal(count_flows(datapath, "198.51.100.6"), 0);
	close_current();
}

/* The node comes back as a new network namespace, with the same pin directory: nothing is taken for attached.
 */
static void test_another_netns(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	uint32_t ifindex = if_nametoindex("up0");
	int old;

	make_world(datapath);
	close_current();
	old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); /* the old one lives on */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	shell("ip link set lo up; ip link add up0 index %u type veth peer name down0; ip link set up0 up; "
	      "ip link set down0 up",
	      ifindex);
	datapath = open_with(*state, &options);
	check_world(datapath);
	assert_int_not_equal(xdp_id("up0"), 0);
	assert_int_equal(link_info("xdp", "up0").prog_id, xdp_id("up0"));
	close(old);
}

static void test_one_agent_at_a_time(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *second = NULL;

	open_with(*state, &options);
	assert_int_equal(datapath_open(*state, &options, &second), -EBUSY);
	assert_null(second);
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), -EBUSY);
	close_current();
	open_with(*state, &options);
}

/* What is pinned was made by a program with another layout: refused, and left as it was. */
static void test_foreign_layout(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	int fd;

	close_current();
	assert_int_equal(unlink(MAPS "/lb_backends"), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lb_backends", 4, 40, 128, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, MAPS "/lb_backends"), 0);
	close(fd);
	assert_int_equal(datapath_open(*state, &options, &datapath), -EPROTO);
	assert_int_not_equal(xdp_id("up0"), 0);
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);

	assert_int_equal(mkdir(SANDBOX_PINS, 0700), 0);
	assert_int_equal(mkdir(SANDBOX_PINS "/v99", 0700), 0);
	assert_int_equal(datapath_open(*state, &options, &datapath), -EPROTO);
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
}

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

static void test_cleanup(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);

	make_world(datapath);
	close_current();
	assert_int_not_equal(xdp_id("up0"), 0);
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(xdp_id("up0"), 0);
	assert_int_equal(access(SANDBOX_PINS, F_OK), -1);
	assert_int_equal(system("test -z \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\""), 0);
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(datapath_cleanup("/nowhere/at/all"), 0);
	assert_int_not_equal(system("tc filter show dev up0 egress | grep -q ."), 0);
}

/* A pin directory on no bpffs gets one, which goes with it. */
static void test_own_bpffs(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);

	options.pin_dir = "/run/fairway-test/pins";
	open_with(*state, &options);
	close_current();
	assert_int_equal(access("/run/fairway-test/pins/v1/maps/lb_flows4", F_OK), 0);
	assert_int_equal(datapath_cleanup("/run/fairway-test/pins"), 0);
	assert_int_equal(access("/run/fairway-test/pins", F_OK), -1);
	assert_int_not_equal(system("grep -q fairway-test/pins /proc/self/mountinfo"), 0);
}

static void test_failing_step(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct step items[] = {
		backend_step(backend_of(128, "10.244.1.9", true)), /* one beyond the table */
		{ .kind = STEP_TABLE_WRITE,
		  .table_offset = UINT32_MAX - 5,
		  .table_size = SLOTS,
		  .table_ids = table_ids },
		frontend_step(frontend_of(64, "192.0.2.99")),
		backend_step(backend_of(1, "10.244.1.6", true)),
		frontend_step(frontend_of(5, "192.0.2.11")),
		{ .kind = STEP_FRONTEND_DELETE,
		  .phase = STEP_BREAK,
		  .frontend = frontend_of(5, "192.0.2.11") },
	};
	const struct steps steps = { .items = items, .n = ARRAY_SIZE(items) };
	const bool expected[] = { false, false, false, true, true, false };
	bool done[ARRAY_SIZE(items)] = { true, true, true };
	const struct diff_limits limits = datapath_limits(datapath);
	cleanup(applied_freep) struct applied *applied = applied_new(&limits);
	size_t n;

	assert_int_equal(datapath_execute(datapath, &steps, STEP_MAKE, done), -ERANGE);
	assert_memory_equal(done, expected, sizeof(done));
	assert_int_equal(datapath_read_applied(datapath, applied), 0);
	applied_frontends(applied, &n);
	assert_int_equal(n, 1);
	applied_backends(applied, &n);
	assert_int_equal(n, 1);
	close_current();
}

/* --- entries that a killed agent left half made ----------------------------------------------- */

static void clear_index(const char *path, uint32_t buckets)
{
	int fd = bpf_obj_get(path);
	struct lb_index_bucket empty = { 0 };

	for (uint32_t i = 0; i < buckets; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, &empty, 0), 0);
	close(fd);
}

static uint32_t used_index_slots(const char *path, uint32_t buckets)
{
	int fd = bpf_obj_get(path);
	struct lb_index_bucket bucket;
	uint32_t n = 0;

	for (uint32_t i = 0; i < buckets; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &bucket), 0);
		for (int slot = 0; slot < LB_SLOTS; slot++)
			n += bucket.slot[slot].key != 0;
	}
	close(fd);
	return n;
}

static void forget_digest(uint32_t id)
{
	int fd = bpf_obj_get(MAPS "/lb_frontends");
	struct lb_frontend entry;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &entry), 0);
	entry.digest = 0;
	assert_int_equal(bpf_map_update_elem(fd, &id, &entry, 0), 0);
	close(fd);
}

/* Does a program look further at a packet to this address? */
static bool filter_says(const char *text)
{
	int fd = bpf_obj_get(MAPS "/lb_vip_filter");
	struct addr addr = addr_of(text);
	uint32_t bit = lb_filter_bit(addr.bytes, 0), word = bit >> 6;
	uint64_t bits;

	assert_int_equal(bpf_map_lookup_elem(fd, &word, &bits), 0);
	close(fd);
	return bits >> (bit & 63) & 1;
}

static void test_mending(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct lb_vip_key stray = { .addr = { [10] = 0xff, [11] = 0xff, 203, 0, 113, 1 } },
			  vip = { .addr = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 10 } };
	struct lb_vip value = { 1 };
	uint64_t zero = 0;
	int vips, filter;

	make_world(datapath);
	close_current();
	clear_index(MAPS "/lb_fe_index", 32);
	forget_digest(VIP_ID);
	vips = bpf_obj_get(MAPS "/lb_vips");
	filter = bpf_obj_get(MAPS "/lb_vip_filter");
	assert_int_equal(bpf_map_update_elem(vips, &stray, &value, 0), 0);
	assert_int_equal(bpf_map_delete_elem(vips, &vip), 0);
	for (uint32_t i = 0; i < LB_FILTER_WORDS; i++)
		assert_int_equal(bpf_map_update_elem(filter, &i, &zero, 0), 0);
	datapath = open_with(*state, &options);
	check_world(datapath);
	assert_int_equal(used_index_slots(MAPS "/lb_fe_index", 32), 2);
	assert_int_equal(bpf_map_lookup_elem(vips, &stray, &value), -ENOENT);
	assert_int_equal(bpf_map_lookup_elem(vips, &vip, &value), 0);
	assert_true(filter_says("192.0.2.10"));
	assert_true(filter_says("10.0.0.1")); /* the SNAT address */
	close_current();
	close(vips);
	close(filter);
}

static void test_deletion(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct step gone[] = {
		{ .kind = STEP_FRONTEND_DELETE,
		  .phase = STEP_BREAK,
		  .frontend = frontend_of(VIP_ID, "192.0.2.10") },
		{ .kind = STEP_TABLE_FREE, .phase = STEP_BREAK, .table_offset = SLOTS, .table_size = SLOTS },
		{ .kind = STEP_BACKEND_DELETE,
		  .phase = STEP_BREAK,
		  .backend = backend_of(0, "10.244.1.5", true) },
	};
	struct lb_range4_key key;
	int ranges, vips;
	struct lb_vip_key vip;

	make_world(datapath);
	assert_true(filter_says("192.0.2.10"));
	execute(datapath, STEP_BREAK, gone, ARRAY_SIZE(gone));
	execute(datapath, STEP_BREAK, gone, ARRAY_SIZE(gone)); /* twice is once */
	assert_false(filter_says("192.0.2.10"));
	assert_true(filter_says("10.0.0.1"));
	ranges = bpf_obj_get(MAPS "/lb_ranges4");
	vips = bpf_obj_get(MAPS "/lb_vips");
	assert_int_equal(bpf_map_get_next_key(ranges, NULL, &key), -ENOENT);
	assert_int_equal(bpf_map_get_next_key(vips, NULL, &vip), 0); /* the IPv6 one's */
	assert_int_equal(bpf_map_get_next_key(vips, &vip, &vip), -ENOENT);
	assert_int_equal(used_index_slots(MAPS "/lb_fe_index", 32), 1);
	assert_int_equal(used_index_slots(MAPS "/lb_be_index", 64), 1);
	close(ranges);
	close(vips);
	close_current();
}

/* --- killed at any moment ----------------------------------------------------------------------- */

/* An agent that changes its frontends and backends as fast as it can, until it is killed. Tables are shared
 * by some. */
static void churn(unsigned seed, int ready_fd)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath;
	struct prefix ranges[3];

	for (int i = 0; i < 3; i++)
		ranges[i] = (struct prefix){ addr_v4(0xc6336400 + (i << 8)), 24 };
	while (datapath_open(NULL, &options, &datapath) < 0)
		; /* the one before is dying */
	if (write(ready_fd, "", 1) != 1)
		return;
	for (;;) {
		uint32_t id = rand_r(&seed) % 60, table = rand_r(&seed) % 4;
		struct applied_frontend frontend = frontend_of(id, "192.0.2.1");
		struct step step = { .kind = STEP_FRONTEND_SET };
		const struct steps steps = { .items = &step, .n = 1 };
		bool done;

		frontend.addr = id % 2 ? addr_v4(0xc0000200 + id / 3) : frontend.addr;
		frontend.port = 1000 + id;
		frontend.table_offset = table * 1024; /* as core/diff gives them: in units */
		frontend.digest = 100 + table;
		frontend.source_ranges = ranges;
		frontend.n_source_ranges = rand_r(&seed) % 4;
		step.frontend = frontend;
		if (id < 10 && rand_r(&seed) % 40 == 0) /* for good: nobody finds their ids unused */
			step.kind = STEP_FRONTEND_DELETE;
		if (rand_r(&seed) % 3 == 0)
			step = backend_step(backend_of(id, "10.244.1.5", true)),
			step.backend.port = 1000 + id;
		datapath_execute(datapath, &steps, STEP_MAKE, &done);
	}
}

/* How many frontends stand. */
static size_t check_whole(struct datapath *datapath)
{
	const struct diff_limits limits = datapath_limits(datapath);
	cleanup(applied_freep) struct applied *applied = applied_new(&limits);
	const struct applied_frontend *frontends;
	int filter = bpf_obj_get(MAPS "/lb_vip_filter"), vips = bpf_obj_get(MAPS "/lb_vips");
	size_t n;

	assert_int_equal(datapath_read_applied(datapath, applied), 0);
	applied_backends(applied, &n);
	assert_int_equal(used_index_slots(MAPS "/lb_be_index", 64), n);
	frontends = applied_frontends(applied, &n);
	assert_int_equal(used_index_slots(MAPS "/lb_fe_index", 32), n);
	for (size_t i = 0; i < n; i++) {
		struct lb_vip_key key = { .addr = { [10] = 0xff, [11] = 0xff } };
		uint32_t bit = lb_filter_bit(frontends[i].addr.bytes, 0), word = bit >> 6;
		struct lb_vip vip;
		uint64_t bits;

		memcpy(key.addr + 12, frontends[i].addr.bytes, 4);
		assert_int_equal(bpf_map_lookup_elem(vips, &key, &vip), 0);
		assert_int_equal(bpf_map_lookup_elem(filter, &word, &bits), 0);
		assert_true(bits >> (bit & 63) & 1);
		assert_true(!frontends[i].digest ||
			    frontends[i].digest == 100 + frontends[i].table_offset / 1024);
	}
	close(filter);
	close(vips);
	return n;
}

/* Whatever moment it is, in the first start too: the next agent opens, and what it reads is whole. */
static void test_killed(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	unsigned seed = 4711;
	size_t standing = 0;

	for (int round = 0; round < 8; round++) {
		int ready[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			churn(round, ready[1]);
			_exit(1);
		}
		/* Every other time while it opens, else while it works. */
		if (round % 2)
			assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep(rand_r(&seed) % (round % 2 ? 50000 : 500000));
		close(ready[0]);
		close(ready[1]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		standing = check_whole(open_with(*state, &options));
		close_current();
	}
	assert_true(standing > 0);
}

/* --- the collector ---------------------------------------------------------------------------- */

struct unused {
	int calls;
	bool backend, frontend;
};

static void note_unused(void *userdata, const uint32_t *backends, size_t n_backends,
			const uint32_t *frontends, size_t n_frontends)
{
	struct unused *unused = userdata;

	unused->calls++;
	for (size_t i = 0; i < n_backends; i++)
		unused->backend |= backends[i] == 0;
	for (size_t i = 0; i < n_frontends; i++)
		unused->frontend |= frontends[i] == VIP_ID;
}

static bool both_unused(void *userdata)
{
	const struct unused *unused = userdata;

	return unused->backend && unused->frontend;
}

static void set_tick(uint32_t tick)
{
	int fd = bpf_obj_get(MAPS "/lb_settings");
	struct lb_settings settings;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &settings), 0);
	settings.tick = tick;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &settings, 0), 0);
	close(fd);
}

static void test_unused_ids(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct applied_backend gone = backend_of(0, "10.244.1.5", true);
	struct step make[1], delete = { .kind = STEP_FRONTEND_DELETE,
					.phase = STEP_BREAK,
					.frontend = frontend_of(VIP_ID, "192.0.2.10") };
	struct step again = frontend_step(frontend_of(VIP_ID, "192.0.2.10"));
	const struct steps again_steps = { .items = &again, .n = 1 };
	struct unused unused = { 0 };
	bool done;

	make_world(datapath);
	gone.state = BACKEND_GONE;
	make[0] = backend_step(gone);
	execute(datapath, STEP_MAKE, make, 1);
	execute(datapath, STEP_BREAK, &delete, 1);
	put_flow(0);
	/* The id waits for the flow that names it, also in the next agent. */
	assert_int_equal(datapath_execute(datapath, &again_steps, STEP_MAKE, &done), -EBUSY);
	close_current();
	set_tick(50);
	datapath = open_with(*state, &options);
	assert_int_equal(datapath_execute(datapath, &again_steps, STEP_MAKE, &done), -EBUSY);
	assert_int_equal(count_flows(datapath, NULL), 1);
	datapath_on_unused(datapath, note_unused, &unused);
	loop_until(*state, both_unused, &unused, "ids reported as unused");
	assert_int_equal(count_flows(datapath, NULL), 0);
	again.frontend.generation = 2;
	execute(datapath, STEP_MAKE, &again, 1);
	close_current();
}

/* --- next hops -------------------------------------------------------------------------------- */

static uint64_t next_hop(uint32_t id)
{
	int fd = bpf_obj_get(MAPS "/lb_backends");
	struct lb_backend entry;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &entry), 0);
	close(fd);
	return entry.next_hop;
}

static struct lb_link lb_link_of(uint64_t word)
{
	int fd = bpf_obj_get(MAPS "/lb_links");
	uint32_t index = word >> 48 & 0xff;
	struct lb_link link;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, &link), 0);
	close(fd);
	return link;
}

struct expected_hop {
	uint32_t id;
	uint8_t mac[6];
	const char *interface; /* NULL: no next hop */
};

static bool hop_is(void *userdata)
{
	const struct expected_hop *expected = userdata;
	uint64_t word = next_hop(expected->id);

	if (!expected->interface)
		return !(word & LB_NEXT_HOP_VALID);
	return word & LB_NEXT_HOP_VALID && memcmp(&word, expected->mac, 6) == 0 &&
	       lb_link_of(word).ifindex == if_nametoindex(expected->interface);
}

static const struct host_finding *finding(struct datapath *datapath, const char *what)
{
	const struct host_finding *findings;
	size_t n = datapath_host_findings(datapath, &findings);

	for (size_t i = 0; i < n; i++)
		if (strcmp(findings[i].what, what) == 0)
			return &findings[i];
	return NULL;
}

static void test_next_hops(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start(), other = host_start();
	struct datapath *datapath;
	struct step items[] = {
		backend_step(backend_of(1, "10.244.2.5", false)),    /* behind a gateway */
		backend_step(backend_of(2, "10.0.0.2", false)),	     /* on the link */
		backend_step(backend_of(3, "fd00:244:2::5", false)), /* IPv6, behind a gateway */
		backend_step(backend_of(4, "10.99.0.1", false)),     /* no route */
	};
	const uint8_t moved[6] = { 2, 0, 0, 0, 0, 9 };
	struct expected_hop expected = { 1, { 2, 0, 0, 0, 0, 2 }, "up1" };
	struct lb_link link;

	shell("ip link add up1 type veth peer name eth0 address 02:00:00:00:00:02 netns %d", peer);
	shell("ip link set up1 address 02:00:00:00:00:01 up; ip addr add 10.0.0.1/24 dev up1; ip addr add "
	      "fd00::1/64 dev up1 nodad");
	shell("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0; ip addr add "
	      "fd00::2/64 dev eth0 nodad'",
	      peer);
	shell("ip link set down0 netns %d; nsenter -t %d -n sh -c 'ip link set down0 address "
	      "02:00:00:00:00:09 up; "
	      "ip addr add 10.0.9.2/24 dev down0'; ip addr add 10.0.9.1/24 dev up0",
	      other, other);
	shell("ip route add 10.244.2.0/24 via 10.0.0.2; ip -6 route add fd00:244:2::/64 via fd00::2");

	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	loop_until(*state, hop_is, &expected, "next hop through a gateway");
	link = lb_link_of(next_hop(1));
	assert_memory_equal(link.mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 1 }), 6);
	expected.id = 2;
	loop_until(*state, hop_is, &expected, "next hop on the link");
	expected.id = 3;
	loop_until(*state, hop_is, &expected, "next hop of IPv6");
	assert_int_equal(next_hop(4), 0);

	/* The neighbour gets another MAC; then the route moves; then it goes. */
	shell("nsenter -t %d -n sh -c 'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:09 "
	      "up'; "
	      "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:09 dev up1 nud reachable",
	      peer);
	memcpy(expected.mac, moved, 6);
	expected.id = 1;
	loop_until(*state, hop_is, &expected, "another MAC");
	shell("ip route replace 10.244.2.0/24 via 10.0.9.2");
	expected.interface = "up0";
	loop_until(*state, hop_is, &expected, "another route");
	shell("ip route del 10.244.2.0/24");
	expected.interface = NULL;
	loop_until(*state, hop_is, &expected, "no route");

	/* A neighbour that fails takes the next hop along; asking for it goes on by itself, until it answers.
	 */
	expected = (struct expected_hop){ .id = 2 };
	shell("nsenter -t %d -n ip link set eth0 arp off; ip neigh change 10.0.0.2 dev up1 nud failed", peer);
	loop_until(*state, hop_is, &expected, "a neighbour that fails");
	assert_non_null(finding(datapath, "next hops"));
	expected = (struct expected_hop){ 2, { 2, 0, 0, 0, 0, 9 }, "up1" };
	shell("nsenter -t %d -n ip link set eth0 arp on", peer);
	loop_until(*state, hop_is, &expected, "a neighbour that answers again");

	/* An adopted next hop is not given up while the neighbour is asked for. */
	close_current();
	shell("ip neigh flush dev up1");
	datapath = open_with(*state, &options);
	assert_true(next_hop(2) & LB_NEXT_HOP_VALID);
	close_current();
	host_stop(peer);
	host_stop(other);
}

/* --- interfaces ------------------------------------------------------------------------------- */

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

/* --- the host --------------------------------------------------------------------------------- */

static void test_host(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath;
	const struct host_finding *ports;

	shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv4.ip_local_reserved_ports=8080");
	datapath = open_with(*state, &options);
	assert_non_null(finding(datapath, "net.ipv4.ip_forward"));
	assert_true(finding(datapath, "net.ipv4.ip_forward")->harmful);
	ports = finding(datapath, "net.ipv4.ip_local_reserved_ports");
	assert_non_null(ports);
	assert_string_equal(ports->found, "61000-65535, the SNAT ports: added by lbagent");
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 8080,61000-65535"),
			 0);
	shell("sysctl -qw net.ipv4.ip_forward=1");
	assert_null(finding(datapath, "net.ipv4.ip_forward"));
	close_current();
	datapath = open_with(*state, &options);
	assert_string_equal(finding(datapath, "net.ipv4.ip_local_reserved_ports")->found,
			    "61000-65535, the SNAT ports: added by lbagent");
	close_current();
	/* What we added goes with us; what was there before stays. */
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 8080"), 0);
	shell("sysctl -qw net.ipv4.ip_local_reserved_ports=61000-65535");
	datapath = open_with(*state, &options);
	assert_string_equal(finding(datapath, "net.ipv4.ip_local_reserved_ports")->found,
			    "61000-65535, the SNAT ports: reserved");
	close_current();
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 61000-65535"), 0);
}

static void test_counters(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath = open_with(*state, &options);
	struct frontend_counters counters = { .packets = 7 };
	int fd = bpf_obj_get(MAPS "/lb_fe_stats"), n_cpus = libbpf_num_possible_cpus();
	struct lb_frontend_stats *values = calloc(n_cpus, sizeof(*values));
	const struct drop_counter *drops;
	uint32_t id = VIP_ID;
	size_t n = datapath_drops(datapath, &drops);

	assert_int_equal(n, LB_REASON_COUNT);
	assert_string_equal(drops[LB_REASON_CLOSED_PORT].reason, "closed_port");
	for (int cpu = 0; cpu < n_cpus; cpu++)
		values[cpu] = (struct lb_frontend_stats){ .packets = 10, .bytes = 1000, .drops = 1 };
	assert_int_equal(bpf_map_update_elem(fd, &id, values, 0), 0);
	assert_int_equal(datapath_frontend_counters(datapath, VIP_ID, &counters), 0);
	assert_int_equal(counters.packets, 10 * n_cpus);
	assert_int_equal(counters.bytes, 1000 * n_cpus);
	assert_int_equal(counters.drops, n_cpus);
	make_world(datapath); /* the id's new owner begins at nothing */
	assert_int_equal(datapath_frontend_counters(datapath, VIP_ID, &counters), 0);
	assert_int_equal(counters.packets, 0);
	assert_int_equal(datapath_frontend_counters(datapath, 1u << 30, &counters), -ENOENT);
	free(values);
	close(fd);
	close_current();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_steps_and_reading),
		TEST(test_adoption),
		TEST(test_another_netns),
		TEST(test_one_agent_at_a_time),
		TEST(test_foreign_layout),
		TEST(test_foreign_xdp),
		TEST(test_hook_moves),
		TEST(test_failing_swap),
		TEST(test_jumbo_frames),
		TEST(test_clsact),
		TEST(test_clsact_of_others),
		TEST(test_cleanup),
		TEST(test_own_bpffs),
		TEST(test_failing_step),
		TEST(test_mending),
		TEST(test_deletion),
		TEST(test_killed),
		TEST(test_unused_ids),
		TEST(test_next_hops),
		TEST(test_interfaces_followed),
		TEST(test_interfaces_by_route),
		TEST(test_host),
		TEST(test_counters),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("datapath", tests, NULL, NULL);
}
