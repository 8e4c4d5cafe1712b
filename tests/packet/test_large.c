// SPDX-License-Identifier: Apache-2.0
/* Frames of several buffers, as a large MTU brings them to XDP: headers lie in the first, lengths count all
 * of them. And what GRO put together before TC: longer than the MTU, and none the less to be sent on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/packet/fixture.h"
#include "userspace/base/attributes.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define LARGE  6000 /* bytes of payload: two buffers */
#define MERGED 3000 /* more than an MTU, less than what a test run takes at TC */

static struct world *world;

static void check_at(enum hook hook, const struct frame *in, enum action wanted, const struct frame *out,
		     int family)
{
	struct frame quote, out_quote, sent = fixture_frame(in, family, &quote),
				       expected = fixture_frame(out, family, &out_quote);
	uint8_t frame[FRAME_MAX], wanted_frame[FRAME_MAX], found[FRAME_MAX];
	size_t n = frame_build(&sent, frame), n_wanted = frame_build(&expected, wanted_frame), n_found;

	assert_int_equal(world_run(world, hook, frame, n, found, &n_found), wanted);
	if (n_found != n_wanted || memcmp(wanted_frame, found, n_wanted)) {
		frame_print_difference("large", wanted_frame, n_wanted, found, n_found);
		fail();
	}
}

static void check(const struct frame *in, enum action wanted, const struct frame *out, int family)
{
	check_at(HOOK_XDP_INGRESS, in, wanted, out, family);
}

static void test_forwarded(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		struct frame in = { .src = "client",
				    .dst = "vip",
				    .protocol = UDP,
				    .sport = 40000,
				    .dport = 53,
				    .payload_size = LARGE };
		struct frame out = in;

		out.dst = "pod";
		out.dport = 5353;
		check(&in, PASS, &out, family);
		in = (struct frame){ .src = "client",
				     .dst = "vip-far",
				     .sport = 40000,
				     .dport = 80,
				     .flags = ACK,
				     .payload_size = LARGE };
		out = (struct frame){ .src_mac = MAC_NODE,
				      .dst_mac = MAC_FAR,
				      .src = "node",
				      .dst = "pod-far",
				      .sport = 61000,
				      .dport = 8080,
				      .flags = ACK,
				      .payload_size = LARGE,
				      .ttl = 63 };
		check(&in, TX, &out, family);
	}
}

static void test_answered(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		struct frame in = { .src = "client",
				    .dst = "vip",
				    .sport = 40000,
				    .dport = 81,
				    .flags = ACK,
				    .ack = 7,
				    .payload_size = LARGE };
		struct frame out = { .src_mac = MAC_NODE,
				     .dst_mac = MAC_ROUTER,
				     .src = "vip",
				     .dst = "client",
				     .sport = 81,
				     .dport = 40000,
				     .flags = RST,
				     .seq = 7,
				     .no_window = true,
				     .df = true };
		struct frame udp = { .src = "client",
				     .dst = "vip",
				     .protocol = UDP,
				     .sport = 40000,
				     .dport = 54,
				     .payload_size = LARGE };
		struct frame unreachable = { .src_mac = MAC_NODE,
					     .dst_mac = MAC_ROUTER,
					     .src = "vip",
					     .dst = "client",
					     .protocol = family == 4 ? ICMP : ICMP6,
					     .type = family == 4 ? 3 : 1,
					     .code = family == 4 ? 3 : 4,
					     .df = true,
					     .quote = &udp,
					     .quote_size = 160 };

		check(&in, TX, &out, family);
		check(&udp, TX, &unreachable, family);
	}
}

static void test_cut_short(void **state _unused_)
{
	struct frame udp = { .src = "client",
			     .dst = "vip",
			     .protocol = UDP,
			     .sport = 40000,
			     .dport = 53,
			     .payload_size = LARGE,
			     .total_delta = 1 };

	for (int family = 4; family <= 6; family += 2)
		check(&udp, DROP, &udp, family);
}

static void test_merged(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		struct frame in = { .src = "client",
				    .dst = "vip-far",
				    .sport = 40001,
				    .dport = 80,
				    .flags = ACK,
				    .payload_size = MERGED };
		struct frame out = { .src_mac = MAC_NODE,
				     .dst_mac = MAC_FAR,
				     .src = "node",
				     .dst = "pod-far",
				     .sport = 61000,
				     .dport = 8080,
				     .flags = ACK,
				     .payload_size = MERGED,
				     .ttl = 63 };
		struct frame reply = { .src_mac = MAC_FAR,
				       .src = "pod-far",
				       .dst = "node",
				       .sport = 8080,
				       .dport = 61000,
				       .flags = ACK,
				       .payload_size = MERGED };
		struct frame back = { .src_mac = MAC_NODE,
				      .dst_mac = MAC_ROUTER,
				      .src = "vip-far",
				      .dst = "client",
				      .sport = 80,
				      .dport = 40001,
				      .flags = ACK,
				      .payload_size = MERGED,
				      .ttl = 63 };

		world_forget_flows(world);
		check_at(HOOK_TC_INGRESS, &in, REDIRECT, &out, family);
		check_at(HOOK_TC_INGRESS, &reply, REDIRECT, &back, family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_merged),
	};
	int r;

	world = world_new(&(struct world_options){ .frags = true });
	fixture_fill(world);
	r = cmocka_run_group_tests_name("large frames", tests, NULL, NULL);
	world_free(world);
	return r;
}
