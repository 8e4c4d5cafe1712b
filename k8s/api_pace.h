/* SPDX-License-Identifier: Apache-2.0 */
/* How fast requests may be sent (PURE): a bucket of tokens, so many more each second, one for each request.
 */
#ifndef FAIRWAY_K8S_API_PACE_H
#define FAIRWAY_K8S_API_PACE_H

#include <stdint.h>

struct pace {
	double tokens, per_sec, most;
	uint64_t filled_msec;
};

void pace_init(struct pace *, double qps, unsigned burst, uint64_t now_msec); /* 0: 50; twice the qps */
/* 0: send it, the token is taken. Else after how many milliseconds to ask again. */
uint64_t pace_take(struct pace *, uint64_t now_msec);

#endif
