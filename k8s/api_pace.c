// SPDX-License-Identifier: Apache-2.0
/* The bucket of api_pace.h. It is full at first, and filled when somebody asks. */
#include "k8s/api_pace.h"

#define DEFAULT_QPS 50

void pace_init(struct pace *pace, double qps, unsigned burst, uint64_t now_msec)
{
	*pace = (struct pace){ .per_sec = qps > 0 ? qps : DEFAULT_QPS, .filled_msec = now_msec };
	pace->most = burst ? burst : 2 * pace->per_sec;
	if (pace->most < 1)
		pace->most = 1;
	pace->tokens = pace->most;
}

uint64_t pace_take(struct pace *pace, uint64_t now_msec)
{
	pace->tokens += (double)(now_msec - pace->filled_msec) / 1000 * pace->per_sec;
	if (pace->tokens > pace->most)
		pace->tokens = pace->most;
	pace->filled_msec = now_msec;
	if (pace->tokens < 1)
		return (uint64_t)((1 - pace->tokens) / pace->per_sec * 1000) + 1;
	pace->tokens--;
	return 0;
}
