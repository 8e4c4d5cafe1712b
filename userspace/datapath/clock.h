/* SPDX-License-Identifier: Apache-2.0 */
/* The clock by which the data path's edge measures itself. */
#ifndef FAIRWAY_DATAPATH_CLOCK_H
#define FAIRWAY_DATAPATH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

#endif
