/* SPDX-License-Identifier: Apache-2.0 */
/* Maglev consistent hashing (Eisenbud et al., NSDI 2016, section 3.4), weighted.
 *
 * A table has `size` slots (a prime), each naming a backend by its index in the sorted list that was given. Two nodes
 * with the same list build the same bytes: preferences come from XXH64, with fixed seeds, of each backend's address,
 * port and protocol, never from ids or history. This is part of the contract between nodes, across versions too.
 * A backend's share of the slots is its weight over the sum of weights; one of weight 0 has none. */
#ifndef FAIRWAY_CORE_MAGLEV_H
#define FAIRWAY_CORE_MAGLEV_H

#include "userspace/core/endpoints.h"

#define MAGLEV_SMALL  1021   /* up to 10 backends */
#define MAGLEV_MEDIUM 16381  /* up to 160 */
#define MAGLEV_LARGE  131071 /* above */

/* The table size for that many backends: a function of the object set alone. 0 for none. */
uint32_t maglev_size(size_t n_backends);

/* Fills table[0..size-1] with indices into backends. 0, -EINVAL (no backend with a weight, or size not one
 * of the three), -ENOMEM. */
int maglev_build(const struct backends *, enum l4_protocol, uint32_t size, uint32_t *table);

/* A digest of what the table is built from: equal digests mean equal tables. Never 0. */
uint64_t maglev_digest(const struct backends *, enum l4_protocol, uint32_t size);

#endif
