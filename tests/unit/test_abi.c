// SPDX-License-Identifier: Apache-2.0
/* What of bpf/lb_abi.h other nodes, pinned maps and running programs rely on: hashes and packed words, as
 * numbers. A change here is a change of LB_ABI_VERSION, and of lb_maglev_hash() one of every client's backend
 * on every node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "userspace/base/attributes.h"

static const __u8 vip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x10 };
static const __u8 vip4[16] = { 192, 0, 2, 10 };

#define PORT(n) ((__be16)((n) >> 8 | ((n)&0xff) << 8))

static void test_hashes(void **state _unused_)
{
	__u64 client6 = lb_fold6(lb_load64(vip6), lb_load64(vip6 + 8)), client4 = lb_load64(vip4);

	assert_int_equal(lb_mix(1, 2), 0x60c8ecd117d008c8);
	assert_int_equal(lb_maglev_hash(client4, PORT(40000), PORT(80), 6, 0), 0xf63a6537);
	assert_int_equal(lb_maglev_hash(client4, PORT(40000), PORT(80), 17, 0), 0x443fa0c0);
	assert_int_equal(lb_maglev_hash(client4, PORT(40000), PORT(80), 6, 1), 0xf5e03945);
	assert_int_equal(lb_maglev_hash(client6, PORT(40000), PORT(80), 6, 0), 0xb0b7eb47);
	assert_int_equal(lb_filter_bit(vip4, 0), 0x437ea);
	assert_int_equal(lb_filter_bit(vip6, 1), 0x742ea);
	assert_int_equal(lb_index_key(vip4, 0, PORT(80), 6), 0x40650000a0200c0);
	assert_int_equal(lb_index_key(vip6, 1, PORT(80), 6), 0x6abab49d5e910ce);
	assert_int_equal(lb_index_bucket(lb_index_key(vip4, 0, PORT(80), 6)), 0x4bc28fb8);
	assert_int_equal(lb_flow_hash(7, 0x100005, client4, PORT(40000)), 0xa788353164bfb6fb);
	assert_int_equal(lb_reply_hash(7, 0x100005, client4, PORT(40000)), 0xb3be0a29da210f86);
}

/* With affinity ports and protocol play no part. */
static void test_affinity_hash(void **state _unused_)
{
	__u32 hash = lb_maglev_hash(5, PORT(1), PORT(2), 6, 1);

	assert_int_equal(lb_maglev_hash(5, PORT(3), PORT(4), 17, 1), hash);
	assert_int_not_equal(lb_maglev_hash(6, PORT(1), PORT(2), 6, 1), hash);
}

static void test_maglev_slot_bounds(void **state _unused_)
{
	assert_int_equal(lb_maglev_slot(0, 1021), 0);
	assert_int_equal(lb_maglev_slot(0xffffffff, 1021), 1020);
	assert_int_equal(lb_maglev_slot(0xffffffff, 131071), 131070);
}

static void test_choice_word(void **state _unused_)
{
	__u64 choice = lb_choice(0xfffffff0, 131071, LB_DROP, LB_RANGES_CLOSED, 1);

	assert_int_equal(lb_choice_offset(choice), 0xfffffff0);
	assert_int_equal(lb_choice_size(choice), 131071);
	assert_int_equal(lb_choice_verdict(choice), LB_DROP);
	assert_int_equal(lb_choice_ranges(choice), LB_RANGES_CLOSED);
	assert_true(choice & LB_CHOICE_AFFINITY);
	assert_false(choice & LB_CHOICE_READY_ELSEWHERE);
	choice |= LB_CHOICE_READY_ELSEWHERE;
	assert_int_equal(lb_choice_ranges(choice), LB_RANGES_CLOSED);
	assert_true(choice & LB_CHOICE_AFFINITY);
	assert_int_equal(lb_choice(0, 0, LB_FORWARD, LB_RANGES_NONE, 0), 0);
}

static void test_handles(void **state _unused_)
{
	assert_int_equal(lb_handle(0xfffff, 0), 0xfffff);
	assert_int_equal(lb_handle(3, 0x12), 0x200003);
	assert_int_equal(lb_handle_id(lb_handle(3, 0x12)), 3);
}

/* Each freeing is another version, and takes state and marks; the rest stays for who looks at the slot
 * meanwhile. */
static void test_control_free(void **state _unused_)
{
	__u64 control = (__u64)LB_CLOSING << LB_CTL_STATE_SHIFT | LB_CTL_RST | LB_CTL_SNAT | LB_CTL_VERSION |
			0x42 | (__u64)0x100005 << LB_CTL_FRONTEND_SHIFT |
			(__u64)0x200007 << LB_CTL_BACKEND_SHIFT;

	assert_int_equal(lb_control_frontend(control), 0x100005);
	assert_int_equal(lb_control_backend(control), 0x200007);
	assert_int_equal(lb_control_state(control), LB_CLOSING);
	assert_int_equal(lb_control_free(control),
			 control & (LB_CTL_FRONTEND | LB_CTL_BACKEND | LB_CTL_SEEN));
	assert_int_equal(lb_control_free(0) & LB_CTL_VERSION, 1u << LB_CTL_VERSION_SHIFT);
}

static void test_two_buckets_differ_and_are_near(void **state _unused_)
{
	for (__u64 i = 0; i < 100000; i++) {
		__u64 hash = lb_mix(i, 1);
		__u32 one = lb_bucket1(hash, 1023), other = lb_bucket2(hash, 1023);

		assert_true(one != other && one < 1024 && other < 1024);
		assert_int_equal(one / LB_BUCKET_GROUP, other / LB_BUCKET_GROUP);
	}
}

static void test_next_hop_word(void **state _unused_)
{
	const __u8 mac[6] = { 2, 0, 0, 0, 0, 0x31 };
	__u64 word = lb_next_hop(mac, 5);

	assert_memory_equal(&word, mac, 6);
	assert_int_equal(word >> 48 & 0xff, 5);
	assert_int_equal(word >> 56, LB_NEXT_HOP_VALID >> 56);
}

/* A label is a metric's: lower case, each once. */
static void test_reasons(void **state _unused_)
{
	static const char *const labels[] = {
#define LABEL(name, label, text) label,
		LB_REASONS(LABEL)
#undef LABEL
	};

	for (size_t i = 0; i < LB_REASON_COUNT; i++) {
		assert_true(strlen(labels[i]) > 0 && strlen(labels[i]) < 32);
		assert_int_equal(strspn(labels[i], "abcdefghijklmnopqrstuvwxyz_"), strlen(labels[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(labels[i], labels[j]);
	}
	assert_int_equal(LB_REASON_HELPER, 17); /* slots are ABI: new ones come behind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_affinity_hash),
		cmocka_unit_test(test_maglev_slot_bounds),
		cmocka_unit_test(test_choice_word),
		cmocka_unit_test(test_handles),
		cmocka_unit_test(test_control_free),
		cmocka_unit_test(test_two_buckets_differ_and_are_near),
		cmocka_unit_test(test_next_hop_word),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
