// SPDX-License-Identifier: Apache-2.0
/* Exponential backoff with jitter: see backoff.h. */
#include "k8s/backoff.h"

uint64_t backoff_next(struct backoff *backoff, uint64_t now_msec, uint32_t random, uint64_t at_least_msec)
{
	uint64_t wait_msec;

	if (!backoff->base_msec || now_msec >= backoff->last_fail_msec + BACKOFF_RESET_MSEC)
		backoff->base_msec = BACKOFF_FIRST_MSEC;
	else if (backoff->base_msec < BACKOFF_MOST_MSEC / 2)
		backoff->base_msec *= 2;
	if (backoff->base_msec > BACKOFF_MOST_MSEC / 2)
		backoff->base_msec = BACKOFF_MOST_MSEC / 2;
	wait_msec = backoff->base_msec + random % (backoff->base_msec + 1);
	if (wait_msec < at_least_msec)
		wait_msec = at_least_msec + random % (at_least_msec / 4 + 1);
	backoff->last_fail_msec = now_msec + wait_msec;
	return wait_msec;
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){ 0 };
}
