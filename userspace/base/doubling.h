/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses that double. With jitter, for what many clients do at once: k8s/backoff.h. */
#ifndef FAIRWAY_BASE_DOUBLING_H
#define FAIRWAY_BASE_DOUBLING_H

#include <stdint.h>

/* `first`, doubled so many times, and `most` (at most UINT64_MAX / 2) at the most. */
static inline uint64_t doubled(uint64_t first, unsigned times, uint64_t most)
{
	while (times-- && first < most)
		first *= 2;
	return first < most ? first : most;
}

#endif
