// SPDX-License-Identifier: Apache-2.0
/* The data path as a whole against a real kernel: opened, adopted, refused, cleaned up; steps, what is read
 * back of them, which ids are free again, counters. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "tests/datapath/small_world.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct applied *, applied_free);

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

/* --- adoption
 * ----------------------------------------------------------------------------------------------- */

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

/* --- the collector
 * ------------------------------------------------------------------------------------------ */

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

/* --- cleanup
 * ------------------------------------------------------------------------------------------------ */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SMALL_WORLD_TEST(test_steps_and_reading), SMALL_WORLD_TEST(test_failing_step),
		SMALL_WORLD_TEST(test_counters),	  SMALL_WORLD_TEST(test_adoption),
		SMALL_WORLD_TEST(test_another_netns),	  SMALL_WORLD_TEST(test_one_agent_at_a_time),
		SMALL_WORLD_TEST(test_foreign_layout),	  SMALL_WORLD_TEST(test_unused_ids),
		SMALL_WORLD_TEST(test_cleanup),		  SMALL_WORLD_TEST(test_own_bpffs),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("datapath", tests, NULL, NULL);
}
