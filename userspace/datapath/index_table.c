// SPDX-License-Identifier: Apache-2.0
/* An entry stands in the first bucket of its walk that had room; `more` on a bucket says that some walk leads
 * through it. Deleting clears those `more` that no entry needs any longer, so that tables which live for
 * months stay short to walk. */
#include "userspace/datapath/index_table.h"

#include <errno.h>
#include <stddef.h>

static struct lb_index_bucket *bucket_at(const struct index_table *table, uint32_t index)
{
	return &table->buckets[index & table->mask];
}

static uint32_t home_of(const struct index_table *table, uint64_t key)
{
	return lb_index_bucket(key) & table->mask;
}

/* A small table has fewer buckets than a walk: no bucket twice. */
static uint32_t walk_length(const struct index_table *table)
{
	return table->mask + 1 < LB_INDEX_PROBES ? table->mask + 1 : LB_INDEX_PROBES;
}

static struct lb_index_slot *slot_find(const struct index_table *table, uint64_t key, uint32_t id,
				       uint32_t *ret_distance)
{
	uint32_t home = home_of(table, key);

	for (uint32_t distance = 0; distance < walk_length(table); distance++) {
		struct lb_index_bucket *bucket = bucket_at(table, home + distance);

		for (int i = 0; i < LB_SLOTS; i++) {
			struct lb_index_slot *slot = &bucket->slot[i];

			if (slot->key == key && lb_handle_id(slot->handle) == id) {
				*ret_distance = distance;
				return slot;
			}
		}
		if (!bucket->slot[0].more)
			break;
	}
	return NULL;
}

static struct lb_index_slot *slot_free(const struct index_table *table, uint64_t key, uint32_t *ret_distance)
{
	uint32_t home = home_of(table, key);

	for (uint32_t distance = 0; distance < walk_length(table); distance++) {
		struct lb_index_bucket *bucket = bucket_at(table, home + distance);

		for (int i = 0; i < LB_SLOTS; i++) {
			if (bucket->slot[i].key)
				continue;
			*ret_distance = distance;
			return &bucket->slot[i];
		}
	}
	return NULL;
}

int index_table_set(const struct index_table *table, uint64_t key, uint32_t handle)
{
	uint32_t distance;
	struct lb_index_slot *slot = slot_find(table, key, lb_handle_id(handle), &distance);

	if (slot) {
		__atomic_store_n(&slot->handle, handle, __ATOMIC_RELEASE);
		return 0;
	}
	slot = slot_free(table, key, &distance);
	if (!slot)
		return -ENOSPC;
	for (uint32_t i = 0; i < distance; i++)
		__atomic_store_n(&bucket_at(table, home_of(table, key) + i)->slot[0].more, 1,
				 __ATOMIC_RELEASE);
	__atomic_store_n(&slot->handle, handle, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->key, key, __ATOMIC_RELEASE);
	return 0;
}

/* Whether some entry in the buckets after this one began its walk here or before. */
static bool is_passed_through(const struct index_table *table, uint32_t index)
{
	for (uint32_t after = 1; after < walk_length(table); after++) {
		const struct lb_index_bucket *bucket = bucket_at(table, index + after);

		for (int i = 0; i < LB_SLOTS; i++) {
			uint64_t key = bucket->slot[i].key;

			if (key && ((index + after - home_of(table, key)) & table->mask) >= after)
				return true;
		}
	}
	return false;
}

void index_table_clear(const struct index_table *table, uint64_t key, uint32_t id)
{
	uint32_t distance, home = home_of(table, key);
	struct lb_index_slot *slot = slot_find(table, key, id, &distance);

	if (!slot)
		return;
	__atomic_store_n(&slot->key, 0, __ATOMIC_RELEASE);
	for (uint32_t i = distance; i > 0; i--) {
		struct lb_index_bucket *bucket = bucket_at(table, home + i - 1);

		if (!is_passed_through(table, home + i - 1))
			__atomic_store_n(&bucket->slot[0].more, 0, __ATOMIC_RELEASE);
	}
}

int64_t index_table_find(const struct index_table *table, uint64_t key,
			 bool (*is_it)(const void *userdata, uint32_t id), const void *userdata)
{
	uint32_t home = home_of(table, key);

	for (uint32_t distance = 0; distance < walk_length(table); distance++) {
		const struct lb_index_bucket *bucket = bucket_at(table, home + distance);

		for (int i = 0; i < LB_SLOTS; i++) {
			const struct lb_index_slot *slot = &bucket->slot[i];

			if (slot->key == key && is_it(userdata, lb_handle_id(slot->handle)))
				return lb_handle_id(slot->handle);
		}
		if (!bucket->slot[0].more)
			break;
	}
	return -1;
}
