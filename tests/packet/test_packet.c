// SPDX-License-Identifier: Apache-2.0
/* Whole packets through the data path: what goes in, what comes out, byte by byte, and which reason is
 * counted.
 *
 * A row is a few steps that share their flows; each step says the frame, the action, the frame that comes out
 * (unchanged if left out) and the reason. Rows run in both families and at XDP and TC unless they say
 * otherwise. The last test fails when a reason of lb_abi.h has no row that reaches it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include "tests/packet/cramped.skel.h"
#include "tests/packet/fixture.h"

/* Rows end where they have no more to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MAX_STEPS 6

enum way { INGRESS, EGRESS }; /* ingress is XDP or TC, as the row runs */
enum where { BOTH_HOOKS, XDP_ONLY, TC_ONLY };
enum families { BOTH_FAMILIES, V4_ONLY, V6_ONLY };

#define NO_REASON    0
#define REASON(name) (LB_REASON_##name + 1)

struct step {
	enum way way;
	struct frame in;
	enum action action; /* TX is a redirect at TC */
	struct frame out;   /* .src NULL: as it came */
	int reason;
};

struct row {
	const char *name;
	enum families families;
	enum where where;
	struct step steps[MAX_STEPS];
	void (*prepare)(void); /* something is wrong with the world while the row runs */
	void (*restore)(void);
};

static struct world *world;
static bool reached[LB_REASON_COUNT];

/* Frames that many rows begin with. */
#define SYN_TO(vip, port)                                                                                    \
	{                                                                                                    \
		.src = "client", .dst = vip, .sport = 40000, .dport = port, .flags = SYN, .seq = 1000        \
	}
#define DATA_TO(vip, port)                                                                                   \
	{                                                                                                    \
		.src = "client", .dst = vip, .sport = 40000, .dport = port, .flags = PSH | ACK, .seq = 1001, \
		.ack = 5001, .payload = "hello, pod"                                                         \
	}

/* --- worlds in which something is short ----------------------------------------------------------- */

static void few_ports(void)
{
	world_set_snat(world, fixture_address("node", 4), fixture_address("node", 6), 61000, 61002);
}

static void no_snat(void)
{
	world_set_snat(world, NULL, NULL, 61000, 65535);
}

static void usual_snat(void)
{
	world_set_snat(world, fixture_address("node", 4), fixture_address("node", 6), 61000, 65535);
}

static void only_back(void)
{
	world->settings->xdp_out[0] = 0;
}

static void both_uplinks(void)
{
	world->settings->xdp_out[0] = WORLD_SECOND;
}

static void narrow_link(void)
{
	world->links[0].mtu = 1280;
}

static void usual_link(void)
{
	world->links[0].mtu = 0;
}

static void locks_held(void)
{
	world_set_locks(world, 1);
}

static void locks_free(void)
{
	world_set_locks(world, 0);
}

static void flows_full(void)
{
	world_fill_flows(world, false);
}

static void replies_full(void)
{
	world_fill_flows(world, true);
}

static const uint8_t hop_and_options[] = { 0xff, 60, 0 };
static const uint8_t routing[] = { 43, 0 };
static const uint8_t too_many[] = { 60, 60, 60, 60, 60, 60, 60, 0 };

static const struct row rows[] = {
#include "tests/packet/rows_forward.inc"
#include "tests/packet/rows_refuse.inc"
#include "tests/packet/rows_icmp.inc"
#include "tests/packet/rows_leaving.inc"
#include "userspace/base/attributes.h"
};

/* --- running a row -------------------------------------------------------------------------------- */

static enum hook hook_of(enum way way, bool tc)
{
	return way == EGRESS ? HOOK_TC_EGRESS : tc ? HOOK_TC_INGRESS : HOOK_XDP_INGRESS;
}

static const char *const action_names[] = { "PASS", "DROP", "TX", "REDIRECT", "OTHER" };

static bool frames_equal(const char *what, const uint8_t *expected, size_t n_expected, const uint8_t *found,
			 size_t n_found)
{
	if (n_expected == n_found && !memcmp(expected, found, n_found))
		return true;
	frame_print_difference(what, expected, n_expected, found, n_found);
	return false;
}

static int only_reason(const uint64_t before[LB_REASON_COUNT], const uint64_t after[LB_REASON_COUNT])
{
	int reason = NO_REASON;

	for (int i = 0; i < LB_REASON_COUNT; i++) {
		if (after[i] == before[i])
			continue;
		if (reason || after[i] != before[i] + 1)
			return -1;
		reason = i + 1;
		reached[i] = true;
	}
	return reason;
}

static const char *reason_name(int reason)
{
	static const char *const names[] = {
#define NAME(name, label, text) label,
		LB_REASONS(NAME)
#undef NAME
	};

	return reason < 0 ? "several" : reason ? names[reason - 1] : "none";
}

static bool step_run(const struct step *step, int family, bool tc, const char *what)
{
	uint8_t in[FRAME_MAX], expected[FRAME_MAX], out[FRAME_MAX];
	uint64_t before[LB_REASON_COUNT], after[LB_REASON_COUNT];
	struct frame quote, frame = fixture_frame(&step->in, family, &quote);
	size_t n_in = frame_build(&frame, in), n_expected = n_in, n_out;
	enum hook hook = hook_of(step->way, tc);
	enum action action, wanted = step->action == TX && hook != HOOK_XDP_INGRESS ? REDIRECT : step->action;
	bool good = true;
	int reason;

	memcpy(expected, in, sizeof(in));
	if (step->out.src) {
		frame = fixture_frame(&step->out, family, &quote);
		n_expected = frame_build(&frame, expected);
	}
	world_reasons(world, before);
	action = world_run(world, hook, in, n_in, out, &n_out);
	world_reasons(world, after);
	reason = only_reason(before, after);
	if (action != wanted) {
		fprintf(stderr, "%s: action %s, not %s\n", what, action_names[action], action_names[wanted]);
		good = false;
	}
	if (reason != step->reason) {
		fprintf(stderr, "%s: reason %s, not %s\n", what, reason_name(reason),
			reason_name(step->reason));
		good = false;
	}
	return frames_equal(what, expected, n_expected, out, n_out) && good;
}

static bool row_run(const struct row *row, int family, bool tc)
{
	char what[200];
	bool good = true;

	world_forget_flows(world);
	if (row->prepare)
		row->prepare();
	for (int i = 0; good && i < MAX_STEPS && row->steps[i].in.src; i++) {
		snprintf(what, sizeof(what), "%s, IPv%d, %s, step %d", row->name, family, tc ? "TC" : "XDP",
			 i + 1);
		good = step_run(&row->steps[i], family, tc, what);
	}
	if (row->restore)
		row->restore();
	return good;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	bool good = true;

	for (int family = 4; family <= 6; family += 2) {
		if (row->families == (family == 4 ? V6_ONLY : V4_ONLY))
			continue;
		if (row->where != TC_ONLY)
			good &= row_run(row, family, false);
		if (row->where != XDP_ONLY)
			good &= row_run(row, family, true);
	}
	assert_true(good);
}

/* --- a UDP sum that comes out as zero is sent as 0xffff: zero would mean that there is none ------------- */

static void zero_sum_run(int family, enum hook hook)
{
	struct frame in = { .src = "client", .dst = "vip", .protocol = UDP, .sport = 40000, .dport = 53 },
		     out = in;
	uint8_t frame[FRAME_MAX], expected[FRAME_MAX], found[FRAME_MAX];
	size_t at = family == 4 ? 40 : 60, n, n_found;
	struct frame named, quote;
	char payload[3] = { 0 };

	out.dst = "pod";
	out.dport = 5353;
	in.payload = out.payload = payload;
	in.payload_size = out.payload_size = 2;
	for (unsigned i = 0x0101; i <= 0xffff; i++) {
		payload[0] = (char)(i >> 8);
		payload[1] = (char)i;
		named = fixture_frame(&out, family, &quote);
		n = frame_build(&named, expected);
		if (payload[0] && payload[1] && expected[at] == 0xff && expected[at + 1] == 0xff)
			break;
	}
	assert_true(expected[at] == 0xff && expected[at + 1] == 0xff);
	named = fixture_frame(&in, family, &quote);
	n = frame_build(&named, frame);
	assert_int_equal(world_run(world, hook, frame, n, found, &n_found), PASS);
	assert_true(frames_equal("zero sum", expected, n, found, n_found));
}

static void test_zero_sum(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		world_forget_flows(world);
		zero_sum_run(family, HOOK_XDP_INGRESS);
		zero_sum_run(family, HOOK_TC_INGRESS);
	}
}

/* --- no room for an answer: see cramped.bpf.c ----------------------------------------------------- */

static void cramped_run(struct cramped_bpf *cramped, int family)
{
	static const struct frame udp = {
		.src = "client",
		.dst = "vip",
		.protocol = UDP,
		.sport = 40000,
		.dport = 54,
	};
	struct frame quote, frame = fixture_frame(&udp, family, &quote);
	uint64_t before[LB_REASON_COUNT], after[LB_REASON_COUNT];
	uint8_t in[FRAME_MAX], out[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);

	frame.payload_size = family == 4 ? 20 : 0;
	opts.data_size_in = (uint32_t)frame_build(&frame, in);
	world_reasons(world, before);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(cramped->progs.cramped), &opts), 0);
	world_reasons(world, after);
	assert_int_equal(opts.retval, XDP_DROP);
	assert_int_equal(opts.data_size_out, opts.data_size_in);
	assert_memory_equal(in, out, opts.data_size_in);
	assert_int_equal(after[LB_REASON_CLOSED_PORT], before[LB_REASON_CLOSED_PORT] + 1);
	assert_int_equal(after[LB_REASON_HELPER], before[LB_REASON_HELPER] + 1);
	reached[LB_REASON_HELPER] = true;
}

static void test_no_room_for_an_answer(void **state _unused_)
{
	struct cramped_bpf *cramped = cramped_bpf__open_and_load();
	uint32_t zero = 0;
	int fd = world_fd(world, HOOK_XDP_INGRESS);

	assert_non_null(cramped);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(cramped->maps.next), &zero, &fd, 0), 0);
	cramped_run(cramped, 4);
	cramped_run(cramped, 6);
	cramped_bpf__destroy(cramped);
}

static void test_every_reason_is_reached(void **state _unused_)
{
	for (int i = 0; i < LB_REASON_COUNT; i++)
		if (!reached[i])
			fprintf(stderr, "no row reaches the reason %s\n", reason_name(i + 1));
	for (int i = 0; i < LB_REASON_COUNT; i++)
		assert_true(reached[i]);
}

int main(void)
{
	const size_t n_rows = sizeof(rows) / sizeof(*rows);
	static struct CMUnitTest tests[sizeof(rows) / sizeof(*rows) + 3];
	int r;

	for (size_t i = 0; i < n_rows; i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	tests[n_rows] =
		(struct CMUnitTest){ "no room for an answer", test_no_room_for_an_answer, NULL, NULL, NULL };
	tests[n_rows + 1] = (struct CMUnitTest){ "zero sum", test_zero_sum, NULL, NULL, NULL };
	tests[n_rows + 2] = (struct CMUnitTest){ "every reason is reached", test_every_reason_is_reached,
						 NULL, NULL, NULL };
	world = world_new(NULL);
	fixture_fill(world);
	r = _cmocka_run_group_tests("packets", tests, n_rows + 3, NULL, NULL);
	world_free(world);
	return r;
}
