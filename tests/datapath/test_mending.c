// SPDX-License-Identifier: Apache-2.0
/* What stands in the maps after deletions, and after an agent was killed at any moment: nothing half done. */
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "tests/datapath/small_world.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct applied *, applied_free);

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SMALL_WORLD_TEST(test_mending),
		SMALL_WORLD_TEST(test_deletion),
		SMALL_WORLD_TEST(test_killed),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("mending", tests, NULL, NULL);
}
