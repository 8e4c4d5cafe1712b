// SPDX-License-Identifier: Apache-2.0
/* Frames that nobody should send: cut at every length, and with bytes changed at random. Whatever comes in,
 * what goes out is either untouched, an answer whose sums are right, or the same packet with other addresses,
 * ports, MACs and TTL whose sums are exactly as right or as wrong as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/packet/fixture.h"
#include "userspace/base/attributes.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MUTATIONS 30000 /* per hook and family; some seconds */

static struct world *world;

static const uint8_t hop_and_options[] = { 0xff, 60, 0 };

/* ICMP frames: protocol and types are those of IPv4, and made IPv6's in build(). */
static const struct frame frames[] = {
	{ .src = "client",
	  .dst = "vip",
	  .sport = 40000,
	  .dport = 80,
	  .flags = SYN,
	  .tcp_options = 12,
	  .payload = "hello" },
	{ .src = "client", .dst = "vip", .protocol = UDP, .sport = 40000, .dport = 53, .payload = "hello" },
	{ .src = "client", .dst = "vip-far", .sport = 40000, .dport = 80, .flags = ACK, .payload = "hello" },
	{ .src = "client",
	  .dst = "vip-far",
	  .protocol = UDP,
	  .sport = 40000,
	  .dport = 53,
	  .payload = "hello" },
	{ .src = "client", .dst = "vip", .sport = 40000, .dport = 81, .flags = SYN },
	{ .src = "client", .dst = "vip", .protocol = UDP, .sport = 40000, .dport = 54, .payload = "hello" },
	{ .src = "client", .dst = "vip-none", .sport = 40000, .dport = 80, .flags = SYN },
	{ .src = "client", .dst = "vip", .protocol = ICMP, .type = 8, .payload = "hello" },
	{ .src = "client",
	  .dst = "vip",
	  .sport = 40000,
	  .dport = 80,
	  .flags = SYN,
	  .ip_options = 8,
	  .extensions = hop_and_options },
	{ .src = "router",
	  .dst = "vip",
	  .protocol = ICMP,
	  .type = 3,
	  .code = 4,
	  .quote =
		  &(struct frame){
			  .src = "vip", .dst = "client", .sport = 80, .dport = 40000, .payload = "hello" } },
	{ .src = "router",
	  .dst = "node",
	  .protocol = ICMP,
	  .type = 3,
	  .code = 3,
	  .quote =
		  &(struct frame){
			  .src = "node", .dst = "pod-far", .protocol = UDP, .sport = 61000, .dport = 5353 } },
	{ .src = "pod-far", .dst = "node", .sport = 8080, .dport = 61000, .flags = ACK },
	{ .src = "pod-far",
	  .dst = "node",
	  .protocol = UDP,
	  .sport = 5353,
	  .dport = 61000,
	  .payload = "hello" },
	/* leaving */
	{ .src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = ACK, .payload = "hello" },
	{ .src = "pod", .dst = "client", .protocol = UDP, .sport = 5353, .dport = 40000, .payload = "hello" },
	{ .src = "pod",
	  .dst = "client",
	  .protocol = ICMP,
	  .type = 3,
	  .code = 3,
	  .quote =
		  &(struct frame){
			  .src = "client", .dst = "pod", .protocol = UDP, .sport = 40000, .dport = 5353 } },
};

#define N_FRAMES  (sizeof(frames) / sizeof(*frames))
#define N_LEAVING 3 /* the last ones */

static size_t build(const struct frame *from, int family, uint8_t frame[FRAME_MAX])
{
	struct frame quote, f = fixture_frame(from, family, &quote);

	if (family == 4)
		f.extensions = NULL;
	if (family == 6 && f.protocol == ICMP) {
		f.protocol = ICMP6;
		f.code = f.type == 8 ? 0 : f.code == 4 ? 0 : 4;
		f.type = f.type == 8 ? 128 : from->code == 4 ? 2 : 1;
	}
	return frame_build(&f, frame);
}

/* The flows that the frames above belong to. */
static void open_flows(int family)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];
	size_t n_out;

	world_forget_flows(world);
	for (size_t i = 0; i < 4; i++) {
		size_t n = build(&frames[i], family, frame);

		world_run(world, HOOK_XDP_INGRESS, frame, n, out, &n_out);
	}
}

/* --- cut ------------------------------------------------------------------------------------------ */

static void cut_everywhere(enum hook hook, int family)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];

	for (size_t i = 0; i < N_FRAMES; i++) {
		size_t n = build(&frames[i], family, frame), n_out;

		open_flows(family);
		for (size_t length = 14; length < n; length++) {
			enum action action = world_run(world, hook, frame, length, out, &n_out);

			if (action == OTHER && length < (family == 4 ? 34 : 54))
				continue; /* newer kernels run no TC program on a frame without an IP header
					   */
			if ((action != PASS && action != DROP) || n_out != length ||
			    memcmp(frame, out, length)) {
				fprintf(stderr, "frame %zu, IPv%d, hook %d, cut to %zu of %zu: action %d\n",
					i, family, hook, length, n, action);
				frame_print_difference("cut", frame, length, out, n_out);
				fail();
			}
		}
	}
}

static void test_cut(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		cut_everywhere(HOOK_XDP_INGRESS, family);
		cut_everywhere(HOOK_TC_INGRESS, family);
		cut_everywhere(HOOK_TC_EGRESS, family);
	}
}

/* --- changed -------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

/* One's complement sum, folded: 0xffff for a header or segment whose checksum is right. */
static unsigned folded(const uint8_t *bytes, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct sums { /* how right they are; 0: there is none, or it cannot be told */
	unsigned ip, l4;
};

static unsigned l4_defect(const uint8_t *ip, size_t l4, size_t end, unsigned protocol, int family)
{
	size_t n = end - l4, sum_at = protocol == TCP ? 16 : protocol == UDP ? 6 : 2;
	const uint8_t *pseudo = family == 4 ? ip + 12 : ip + 8;

	if (protocol != TCP && protocol != UDP && protocol != (family == 4 ? ICMP : ICMP6))
		return 0;
	if (n < sum_at + 2 || (protocol == UDP && !ip[l4 + 6] && !ip[l4 + 7]))
		return 0;
	if (protocol == ICMP)
		return folded(ip + l4, n, 0);
	return folded(ip + l4, n, folded(pseudo, family == 4 ? 8 : 32, protocol + (uint32_t)n));
}

/* `ip` is what is behind the Ethernet header, n bytes. */
static struct sums sums_of(const uint8_t *ip, size_t n)
{
	struct sums sums = { 0, 0 };
	size_t l4, end;
	unsigned protocol;

	if (n >= 20 && ip[0] >> 4 == 4) {
		l4 = (ip[0] & 15u) * 4;
		end = (size_t)ip[2] << 8 | ip[3];
		if (l4 < 20 || end > n || l4 > end)
			return sums;
		sums.ip = folded(ip, l4, 0);
		sums.l4 = l4_defect(ip, l4, end, ip[9], 4);
	} else if (n >= 40 && ip[0] >> 4 == 6) {
		end = ((size_t)ip[4] << 8 | ip[5]) + 40;
		protocol = ip[6];
		l4 = 40;
		while ((protocol == 0 || protocol == 60 || protocol == 43) && l4 + 8 <= n) {
			protocol = ip[l4];
			l4 += 8 + ip[l4 + 1] * 8u;
		}
		if (end <= n && l4 <= end)
			sums.l4 = l4_defect(ip, l4, end, protocol, 6);
	}
	return sums;
}

static bool is_answer(const uint8_t *in, const uint8_t *out, int family)
{
	size_t at = family == 4 ? 26 : 22, size = family == 4 ? 4 : 16;

	return !memcmp(in + at, out + at + size, size) && !memcmp(in + at + size, out + at, size);
}

/* A UDP sum that comes out as 0 is sent as 0xffff, the other zero. */
static bool same_defect(unsigned before, unsigned after)
{
	return before == after || before % 0xffff == after % 0xffff;
}

static bool well_rewritten(const uint8_t *in, size_t n, const uint8_t *out, size_t n_out, int family)
{
	struct sums before = sums_of(in + 14, n - 14), after = sums_of(out + 14, n_out - 14);

	if (n == n_out && same_defect(before.ip, after.ip) && same_defect(before.l4, after.l4))
		return true;
	return is_answer(in, out, family) && (family == 6 || after.ip == 0xffff) && after.l4 == 0xffff;
}

static void mutate(uint8_t *frame, size_t n)
{
	for (uint32_t left = 1 + random_below(4); left; left--)
		frame[12 + random_below((uint32_t)n - 12)] ^= (uint8_t)(1u << random_below(8));
}

static void mutate_everything(enum hook hook, int family)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];
	uint32_t first = hook == HOOK_TC_EGRESS ? N_FRAMES - N_LEAVING : 0;
	uint32_t among = hook == HOOK_TC_EGRESS ? N_LEAVING : N_FRAMES - N_LEAVING;
	size_t changed = 0;

	random_state = (uint64_t)(hook * 10 + family);
	for (int i = 0; i < MUTATIONS; i++) {
		size_t n = build(&frames[first + random_below(among)], family, frame), n_out;
		enum action action;

		if (i % 500 == 0)
			open_flows(family);
		mutate(frame, n);
		action = world_run(world, hook, frame, n, out, &n_out);
		if (action == OTHER || action == DROP)
			continue;
		if (n == n_out && !memcmp(frame, out, n))
			continue;
		changed++;
		if (!well_rewritten(frame, n, out, n_out, family)) {
			fprintf(stderr, "mutation %d, IPv%d, hook %d: action %d\n", i, family, hook, action);
			frame_print_difference("changed", frame, n, out, n_out);
			fail();
		}
	}
	assert_true(changed > MUTATIONS / 20); /* or nothing was tried */
}

static void test_mutated(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		mutate_everything(HOOK_XDP_INGRESS, family);
		mutate_everything(HOOK_TC_INGRESS, family);
		mutate_everything(HOOK_TC_EGRESS, family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_mutated),
	};
	int r;

	world = world_new(NULL);
	fixture_fill(world);
	r = cmocka_run_group_tests_name("malformed packets", tests, NULL, NULL);
	world_free(world);
	return r;
}
