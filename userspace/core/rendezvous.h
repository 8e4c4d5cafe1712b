/* SPDX-License-Identifier: Apache-2.0 */
/* Rendezvous (highest random weight) hashing: every node computes, alone and alike, which nodes announce a prefix under
 * `maxNextHops`. A node that joins or leaves moves only the prefixes that it wins or had.
 *
 * The score is part of the contract between nodes of different versions: XXH64, seed 0, over the node's name, a NUL, the
 * prefix' 16 address bytes (IPv4 in the first four), and its length. The highest score wins; of equal ones the first name. */
#ifndef FAIRWAY_CORE_RENDEZVOUS_H
#define FAIRWAY_CORE_RENDEZVOUS_H

#include "userspace/base/addr.h"

uint64_t rendezvous_score(const char *node, const struct prefix *);

#endif
