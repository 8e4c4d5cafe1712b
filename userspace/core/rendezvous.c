// SPDX-License-Identifier: Apache-2.0
/* See rendezvous.h. */
#include "userspace/core/rendezvous.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t rendezvous_score(const char *node, const struct prefix *prefix)
{
	unsigned char key[256 + sizeof(prefix->addr.bytes) + 1] = { 0 };
	size_t length = strnlen(node, 255); /* a node's name is a DNS subdomain of at most 253 bytes */

	memcpy(key, node, length++);
	memcpy(key + length, prefix->addr.bytes, sizeof(prefix->addr.bytes));
	length += sizeof(prefix->addr.bytes);
	key[length++] = prefix->length;
	return XXH64(key, length, 0);
}
