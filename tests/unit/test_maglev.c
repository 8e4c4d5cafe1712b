// SPDX-License-Identifier: Apache-2.0
/* Maglev tables: the same bytes everywhere, even shares, few moves, weights. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/maglev.h"

static struct backend *make_backends(size_t n, bool v6)
{
	struct backend *items = calloc(n, sizeof(*items));
	size_t i;

	assert_non_null(items);
	for (i = 0; i < n; i++) {
		items[i].addr = v6 ? addr_from_number(ADDR_IPV6, ((addr_number)0xfd00 << 112) + i + 1) :
				     addr_v4(0x0af40000u + (uint32_t)i + 1);
		items[i].port = 8080;
		items[i].weight = 1;
	}
	return items;
}

static void shares(const uint32_t *table, uint32_t size, size_t n, uint32_t *ret_share)
{
	uint32_t i;

	memset(ret_share, 0, n * sizeof(*ret_share));
	for (i = 0; i < size; i++) {
		assert_true(table[i] < n);
		ret_share[table[i]]++;
	}
}

static void test_sizes(void **state _unused_)
{
	static const struct {
		size_t n;
		uint32_t size;
	} rows[] = { { 0, 0 },	     { 1, 1021 },     { 10, 1021 },    { 11, 16381 },
		     { 160, 16381 }, { 161, 131071 }, { 5000, 131071 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(maglev_size(rows[i].n), rows[i].size);
}

/* Each backend's share is the mean within one slot a round: Maglev fills turn by turn, whatever the hashes are. */
static void test_even(void **state _unused_)
{
	static const size_t counts[] = { 1, 2, 3, 7, 10, 11, 100, 160, 161, 1000 };
	static uint32_t table[MAGLEV_LARGE], share[1000];
	size_t i, j;
	int v6;

	for (v6 = 0; v6 < 2; v6++)
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			cleanup(freep) struct backend *items = make_backends(counts[i], v6);
			struct backends backends = { items, counts[i] };
			uint32_t size = maglev_size(counts[i]);

			assert_int_equal(maglev_build(&backends, L4_TCP, size, table), 0);
			shares(table, size, counts[i], share);
			for (j = 0; j < counts[i]; j++)
				assert_in_range(share[j], size / counts[i], size / counts[i] + 1);
		}
}

/* Nodes of different versions must agree: if this fails, the hash, a seed or the key changed. */
static void test_bytes_are_stable(void **state _unused_)
{
	static const struct {
		size_t n;
		bool v6;
		enum l4_protocol protocol;
		uint64_t digest;
		uint32_t slots[8];
	} rows[] = {
		{ 3, false, L4_TCP, 0xc3a0048167da4ea6ULL, { 1, 2, 1, 1, 2, 0, 2, 2 } },
		{ 3, false, L4_UDP, 0xa86aadead96752eeULL, { 1, 0, 2, 0, 0, 1, 2, 2 } },
		{ 10, true, L4_TCP, 0xd9528f0501695f5dULL, { 7, 9, 8, 7, 9, 6, 3, 9 } },
		{ 100, false, L4_TCP, 0x2f8fd6ebcfdb68f0ULL, { 92, 95, 11, 26, 80, 29, 74, 19 } },
		{ 1000, true, L4_UDP, 0xc0be4435b0a1c0bdULL, { 224, 906, 988, 521, 645, 898, 174, 930 } },
	};
	static uint32_t table[MAGLEV_LARGE];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(freep) struct backend *items = make_backends(rows[i].n, rows[i].v6);
		struct backends backends = { items, rows[i].n };
		uint32_t size = maglev_size(rows[i].n);

		assert_int_equal(maglev_build(&backends, rows[i].protocol, size, table), 0);
		assert_true(maglev_digest(&backends, rows[i].protocol, size) == rows[i].digest);
		for (j = 0; j < 8; j++)
			assert_int_equal(table[j * (size / 8)], rows[i].slots[j]);
	}
}

/* One backend leaves: its slots move, of the others only a few. */
static void test_few_moves(void **state _unused_)
{
	static const struct {
		size_t n;
		unsigned percent; /* of the slots that did not belong to the one that left */
	} rows[] = { { 5, 12 }, { 10, 12 }, { 50, 10 }, { 160, 20 } };
	static uint32_t before[MAGLEV_LARGE], after[MAGLEV_LARGE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(freep) struct backend *items = make_backends(rows[i].n, false);
		struct backends all = { items, rows[i].n }, without = { items, rows[i].n - 1 };
		uint32_t size = maglev_size(rows[i].n), slot, moved = 0, stayed = 0;

		assert_int_equal(maglev_build(&all, L4_TCP, size, before), 0);
		assert_int_equal(maglev_build(&without, L4_TCP, size, after), 0);
		for (slot = 0; slot < size; slot++) {
			if (before[slot] == rows[i].n - 1)
				continue;
			stayed++;
			moved += before[slot] != after[slot];
		}
		if (moved * 100 > stayed * rows[i].percent)
			fail_msg("%zu backends: %u of %u slots moved", rows[i].n, moved, stayed);
	}
}

static void test_weights(void **state _unused_)
{
	static const struct {
		uint16_t weights[4];
	} rows[] = { { { 1, 1, 1, 1 } }, { { 1, 2, 3, 4 } }, { { 0, 1, 0, 1 } }, { { 65535, 1, 1, 1 } }, { { 100, 300, 0, 100 } } };
	static uint32_t table[MAGLEV_SMALL], share[4];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(freep) struct backend *items = make_backends(4, false);
		struct backends backends = { items, 4 };
		uint32_t sum = 0;

		for (j = 0; j < 4; j++) {
			items[j].weight = rows[i].weights[j];
			sum += items[j].weight;
		}
		assert_int_equal(maglev_build(&backends, L4_TCP, MAGLEV_SMALL, table), 0);
		shares(table, MAGLEV_SMALL, 4, share);
		for (j = 0; j < 4; j++) {
			double want = (double)MAGLEV_SMALL * items[j].weight / sum;

			if (share[j] < want - 2 || share[j] > want + 2)
				fail_msg("row %zu: backend %zu has %u slots, wanted %.1f", i, j, share[j], want);
		}
	}
}

static void test_refused(void **state _unused_)
{
	cleanup(freep) struct backend *items = make_backends(2, false);
	static uint32_t table[MAGLEV_SMALL];

	assert_int_equal(maglev_build(&(struct backends){ 0 }, L4_TCP, MAGLEV_SMALL, table), -EINVAL);
	assert_int_equal(maglev_build(&(struct backends){ items, 2 }, L4_TCP, 1000, table), -EINVAL);
	items[0].weight = items[1].weight = 0;
	assert_int_equal(maglev_build(&(struct backends){ items, 2 }, L4_TCP, MAGLEV_SMALL, table), -EINVAL);
}

static void test_digest_tells_apart(void **state _unused_)
{
	cleanup(freep) struct backend *items = make_backends(3, false);
	struct backends backends = { items, 3 };
	uint64_t first = maglev_digest(&backends, L4_TCP, MAGLEV_SMALL);

	assert_true(first == maglev_digest(&backends, L4_TCP, MAGLEV_SMALL));
	assert_true(first != maglev_digest(&backends, L4_UDP, MAGLEV_SMALL));
	assert_true(first != maglev_digest(&backends, L4_TCP, MAGLEV_MEDIUM));
	assert_true(first != maglev_digest(&(struct backends){ items, 2 }, L4_TCP, MAGLEV_SMALL));
	items[1].weight = 2;
	assert_true(first != maglev_digest(&backends, L4_TCP, MAGLEV_SMALL));
	items[1].weight = 1;
	items[2].port++;
	assert_true(first != maglev_digest(&backends, L4_TCP, MAGLEV_SMALL));
	assert_true(maglev_digest(&(struct backends){ 0 }, L4_TCP, 0) != 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	     cmocka_unit_test(test_even),
		cmocka_unit_test(test_bytes_are_stable), cmocka_unit_test(test_few_moves),
		cmocka_unit_test(test_weights),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_digest_tells_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
