// SPDX-License-Identifier: Apache-2.0
/* The index of frontends and backends: what a program's walk finds after any order of entering and deleting. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/datapath/index_table.h"

#define BUCKETS 64

/* The walk of a program, as lb_abi.h describes it, told apart from the code under test. */
static int64_t program_finds(const struct lb_index_bucket *buckets, uint32_t mask, uint64_t key)
{
	uint32_t at = lb_index_bucket(key);

	for (int probe = 0; probe < LB_INDEX_PROBES; probe++, at++) {
		const struct lb_index_bucket *bucket = &buckets[at & mask];

		for (int i = 0; i < LB_SLOTS; i++)
			if (bucket->slot[i].key == key)
				return bucket->slot[i].handle;
		if (!bucket->slot[0].more)
			return -1;
	}
	return -1;
}

static uint64_t key_of(uint32_t i)
{
	return lb_index_key4(i * 2654435761u, 80, 6);
}

static void test_random_order(void **state _unused_)
{
	static struct lb_index_bucket buckets[BUCKETS];
	const struct index_table table = { buckets, BUCKETS - 1 };
	bool present[BUCKETS * LB_SLOTS / 2] = { 0 };
	unsigned seed = 7;

	for (int step = 0; step < 20000; step++) {
		uint32_t id = rand_r(&seed) % (BUCKETS * LB_SLOTS / 2);

		if (present[id])
			index_table_clear(&table, key_of(id), id);
		else
			assert_int_equal(index_table_set(&table, key_of(id), lb_handle(id, 3)), 0);
		present[id] = !present[id];
		for (uint32_t i = 0; step % 50 == 0 && i < BUCKETS * LB_SLOTS / 2; i++)
			assert_int_equal(program_finds(buckets, BUCKETS - 1, key_of(i)),
					 present[i] ? (int64_t)lb_handle(i, 3) : -1);
	}
	/* Emptied, no bucket sends a walk on any more. */
	for (uint32_t i = 0; i < BUCKETS * LB_SLOTS / 2; i++)
		index_table_clear(&table, key_of(i), i);
	for (int i = 0; i < BUCKETS; i++)
		assert_int_equal(buckets[i].slot[0].more, 0);
}

static void test_full_walk(void **state _unused_)
{
	static struct lb_index_bucket buckets[BUCKETS], before[BUCKETS];
	const struct index_table table = { buckets, BUCKETS - 1 };
	uint32_t n = 0, id = 0;

	/* Keys that all begin at bucket 5: the walk holds LB_INDEX_PROBES * LB_SLOTS of them. */
	for (; n < LB_INDEX_PROBES * LB_SLOTS; id++) {
		if ((lb_index_bucket(key_of(id)) & (BUCKETS - 1)) != 5)
			continue;
		assert_int_equal(index_table_set(&table, key_of(id), lb_handle(id, 0)), 0);
		n++;
	}
	while ((lb_index_bucket(key_of(id)) & (BUCKETS - 1)) != 5)
		id++;
	memcpy(before, buckets, sizeof(buckets));
	assert_int_equal(index_table_set(&table, key_of(id), lb_handle(id, 0)), -ENOSPC);
	assert_memory_equal(before, buckets, sizeof(buckets));
}

static bool is_wanted(const void *userdata, uint32_t id)
{
	return *(const uint32_t *)userdata == id;
}

/* Two IPv6 frontends whose hashes are equal are two entries. */
static void test_equal_keys(void **state _unused_)
{
	static struct lb_index_bucket buckets[BUCKETS];
	const struct index_table table = { buckets, BUCKETS - 1 };
	uint64_t key = 6ull << 56 | 12345;
	uint32_t second = 2, absent = 9;

	assert_int_equal(index_table_set(&table, key, lb_handle(1, 0)), 0);
	assert_int_equal(index_table_set(&table, key, lb_handle(2, 0)), 0);
	assert_int_equal(index_table_find(&table, key, is_wanted, &second), 2);
	assert_int_equal(index_table_find(&table, key, is_wanted, &absent), -1);
	index_table_clear(&table, key, 1);
	assert_int_equal(program_finds(buckets, BUCKETS - 1, key), lb_handle(2, 0));
	assert_int_equal(index_table_set(&table, key, lb_handle(2, 5)),
			 0); /* another life of the id: the same entry */
	assert_int_equal(program_finds(buckets, BUCKETS - 1, key), lb_handle(2, 5));
	index_table_clear(&table, key, 2);
	assert_int_equal(program_finds(buckets, BUCKETS - 1, key), -1);
}

static void test_tiny_table(void **state _unused_)
{
	static struct lb_index_bucket buckets[2];
	const struct index_table table = { buckets, 1 };

	for (uint32_t id = 0; id < 8; id++)
		assert_int_equal(index_table_set(&table, key_of(id), lb_handle(id, 0)), 0);
	assert_int_equal(index_table_set(&table, key_of(8), lb_handle(8, 0)), -ENOSPC);
	for (uint32_t id = 0; id < 8; id++)
		assert_int_equal(program_finds(buckets, 1, key_of(id)), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_order),
		cmocka_unit_test(test_full_walk),
		cmocka_unit_test(test_equal_keys),
		cmocka_unit_test(test_tiny_table),
	};

	return cmocka_run_group_tests_name("index_table", tests, NULL, NULL);
}
