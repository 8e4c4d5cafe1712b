// SPDX-License-Identifier: Apache-2.0
/* The flow collector over tables in ordinary memory, driven bucket by bucket: when ids are reported, and what
 * becomes of a flow's two halves. No kernel is needed; what the programs do meanwhile is done here by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "userspace/base/attributes.h"
#include "userspace/datapath/collector.h"

#define BUCKETS	 16 /* of each table */
#define IDS	 8
#define FRONTEND 3
#define BACKEND	 5
#define TICK	 1000

static struct lb_settings settings;
static struct lb_frontend frontends[IDS];
static struct lb_backend backends[IDS];
static struct lb_flow4_bucket flows4[BUCKETS], replies4[BUCKETS];
static struct lb_flow6_bucket flows6[BUCKETS], replies6[BUCKETS];
static struct loaded_map maps[MAP_COUNT];
static struct tables tables;
static struct collector *collector;
static unsigned frontend_reports, backend_reports;

static void note_unused(void *userdata _unused_, const uint32_t *backend_ids, size_t n_backends,
			const uint32_t *frontend_ids, size_t n_frontends)
{
	for (size_t i = 0; i < n_backends; i++)
		backend_reports += backend_ids[i] == BACKEND;
	for (size_t i = 0; i < n_frontends; i++)
		frontend_reports += frontend_ids[i] == FRONTEND;
}

static void set_map(enum map_id id, void *memory, uint32_t entries)
{
	maps[id] = (struct loaded_map){ .fd = -1, .memory = memory, .entries = entries };
}

static int begin(void **state _unused_)
{
	settings = (struct lb_settings){ .tick = TICK, .seed = 1 };
	memset(flows4, 0, sizeof(flows4));
	memset(replies4, 0, sizeof(replies4));
	memset(flows6, 0, sizeof(flows6));
	memset(replies6, 0, sizeof(replies6));
	set_map(MAP_FLOWS4, flows4, BUCKETS);
	set_map(MAP_REPLIES4, replies4, BUCKETS);
	set_map(MAP_FLOWS6, flows6, BUCKETS);
	set_map(MAP_REPLIES6, replies6, BUCKETS);
	memset(frontends, 0, sizeof(frontends));
	memset(backends, 0, sizeof(backends));
	frontends[FRONTEND] = (struct lb_frontend){ .life = LB_USED, .family = 4, .protocol = 17 };
	backends[BACKEND] = (struct lb_backend){ .life = LB_USED, .family = 4, .protocol = 17 };
	tables = (struct tables){
		.maps = maps,
		.settings = &settings,
		.frontends = frontends,
		.backends = backends,
		.n_frontends = IDS,
		.n_backends = IDS,
	};
	frontend_reports = backend_reports = 0;
	assert_int_equal(collector_new(NULL, &tables, &collector), 0);
	collector_on_unused(collector, note_unused, NULL);
	return 0;
}

static int end(void **state _unused_)
{
	collector_free(collector);
	return 0;
}

/* To the end of the round that is under way, or of a whole one. */
static void round_end(void)
{
	while (!collector_step(collector, 1))
		;
}

/* All flows of the test are of one client; the halves of one lie in the first of their buckets. */
static struct lb_flow4 *flow_slot(void)
{
	uint64_t hash = lb_flow_hash(settings.seed, FRONTEND, 7, 1);

	return &flows4[lb_bucket1(hash, BUCKETS - 1)].slot[0];
}

static struct lb_flow4 *reply_slot(void)
{
	uint64_t hash = lb_reply_hash(settings.seed, BACKEND, 7, 1);

	return &replies4[lb_bucket1(hash, BUCKETS - 1)].slot[0];
}

static void open_half(struct lb_flow4 *slot, uint8_t seen)
{
	*slot = (struct lb_flow4){
		.client = 7,
		.client_port = 1,
		.reply_port = 1,
		.control = (uint64_t)FRONTEND << LB_CTL_FRONTEND_SHIFT |
			   (uint64_t)BACKEND << LB_CTL_BACKEND_SHIFT |
			   (uint64_t)LB_OPEN << LB_CTL_STATE_SHIFT | seen,
	};
}

static bool is_free(const struct lb_flow4 *slot)
{
	return lb_control_state(slot->control) == LB_FREE;
}

static void retire(void)
{
	frontends[FRONTEND].life = LB_RETIRED;
	backends[BACKEND].state = LB_BACKEND_GONE;
}

static void assert_reports(unsigned n)
{
	assert_int_equal(frontend_reports, n);
	assert_int_equal(backend_reports, n);
}

/* --- ids -------------------------------------------------------------------------------------- */

static void test_two_whole_rounds(void **state _unused_)
{
	collector_step(collector, 1);
	retire();
	round_end(); /* had begun before */
	assert_reports(0);
	round_end();
	assert_reports(0);
	assert_int_equal(frontends[FRONTEND].life, LB_RETIRED);
	round_end();
	assert_reports(1);
	assert_int_equal(frontends[FRONTEND].life, LB_EMPTY);
}

/* A packet that was under way when the ids were retired opens its flow after the walk has passed there. */
static void test_opened_behind_the_walk(void **state _unused_)
{
	retire();
	round_end();
	collector_step(collector, 2 * BUCKETS);
	open_half(flow_slot(), (uint8_t)TICK);
	round_end();
	assert_reports(0);
	round_end(); /* meets it */
	assert_reports(0);
	flow_slot()->control = lb_control_free(flow_slot()->control);
	round_end();
	assert_reports(0);
	round_end();
	assert_reports(1);
}

static void test_a_reply_alone_holds_ids(void **state _unused_)
{
	open_half(reply_slot(), (uint8_t)TICK);
	retire();
	for (int i = 0; i < 5; i++)
		round_end();
	assert_reports(0);
	settings.tick = TICK; /* the clock that collector_step() keeps has not moved */
	open_half(reply_slot(), (uint8_t)(TICK - LB_ORPHAN_TICKS));
	round_end();
	assert_true(is_free(reply_slot()));
	assert_int_equal(collector_totals(collector).freed_orphans, 1);
}

static void test_used_ids_are_never_reported(void **state _unused_)
{
	for (int i = 0; i < 5; i++)
		round_end();
	assert_reports(0);
}

/* --- the halves of a flow --------------------------------------------------------------------- */

static void test_both_halves_go(void **state _unused_)
{
	uint64_t flow, reply;

	open_half(flow_slot(), (uint8_t)(TICK - 100));
	open_half(reply_slot(), (uint8_t)(TICK - 100));
	flow = flow_slot()->control;
	reply = reply_slot()->control;
	round_end();
	assert_true(flow_slot()->control == lb_control_free(flow));
	assert_true(reply_slot()->control == lb_control_free(reply));
	assert_int_equal(collector_totals(collector).freed, 1);
	assert_int_equal(collector_totals(collector).freed_orphans, 0); /* together, not one after the other */
	assert_int_equal(collector_totals(collector).live, 0);
}

static void test_either_half_keeps_both(void **state _unused_)
{
	open_half(flow_slot(), (uint8_t)(TICK - 100));
	open_half(reply_slot(), (uint8_t)TICK);
	round_end();
	assert_false(is_free(flow_slot()) || is_free(reply_slot()));
	open_half(flow_slot(), (uint8_t)TICK);
	open_half(reply_slot(),
		  (uint8_t)(TICK - 100)); /* nobody answers: no orphan, and the key stays taken */
	round_end();
	assert_false(is_free(flow_slot()) || is_free(reply_slot()));
	assert_int_equal(collector_frontend_flows(collector, FRONTEND), 1);
	assert_int_equal(collector_totals(collector).freed_orphans, 0);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void test_the_clock_goes_on(void **state _unused_)
{
	round_end();
	assert_in_range(settings.tick, TICK, TICK + 10); /* and not from 0, nor from the host's uptime */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_two_whole_rounds),	    TEST(test_opened_behind_the_walk),
		TEST(test_a_reply_alone_holds_ids), TEST(test_used_ids_are_never_reported),
		TEST(test_both_halves_go),	    TEST(test_either_half_keeps_both),
		TEST(test_the_clock_goes_on),
	};

	return cmocka_run_group_tests_name("collector", tests, NULL, NULL);
}
