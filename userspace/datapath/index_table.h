/* SPDX-License-Identifier: Apache-2.0 */
/* The index from (address, port, protocol) to a handle (PURE): where an entry goes in lb_fe_index and
 * lb_be_index, under the rules of lb_abi.h. Works on the mapped memory that programs read meanwhile: an entry
 * never moves, its handle is written before its key, and no change makes another entry unfindable at any
 * moment. */
#ifndef FAIRWAY_DATAPATH_INDEX_TABLE_H
#define FAIRWAY_DATAPATH_INDEX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/lb_abi.h"

struct index_table {
	struct lb_index_bucket *buckets; /* borrowed */
	uint32_t mask;			 /* buckets - 1; a power of two of them */
};

/* Enters the id, or gives it its new handle where it stands already. -ENOSPC: no free slot on the walk,
 * nothing changed. */
int index_table_set(const struct index_table *, uint64_t key, uint32_t handle);
void index_table_clear(const struct index_table *, uint64_t key,
		       uint32_t id); /* nothing happens if it is not there */
/* Calls fn with each id entered under the key until it returns true (the caller compares addresses: IPv6 keys
 * are hashes); that id, or -1. */
int64_t index_table_find(const struct index_table *, uint64_t key,
			 bool (*is_it)(const void *userdata, uint32_t id), const void *userdata);

#endif
