/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next try (PURE): client-go's constants. The first wait is 0.8 to 1.6 s, each
 * further one twice as long, up to 15 to 30 s, drawn from the whole span so that a thousand clients do not
 * come back at once. After BACKOFF_RESET_MSEC without a failure it begins anew. `{ 0 }` is a fresh one. */
#ifndef FAIRWAY_K8S_BACKOFF_H
#define FAIRWAY_K8S_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MSEC 800
#define BACKOFF_MOST_MSEC  30000
#define BACKOFF_RESET_MSEC 120000

struct backoff {
	uint32_t base_msec;	 /* the last wait was base to twice base; 0: none yet */
	uint64_t last_fail_msec; /* when the last failure was told, plus its wait */
};

/* A try failed: how long to wait. `random` is any number; `at_least_msec` is what the server asked for
 * (Retry-After; 0: nothing), some jitter is added to it. */
uint64_t backoff_next(struct backoff *, uint64_t now_msec, uint32_t random, uint64_t at_least_msec);
void backoff_reset(struct backoff *); /* it works again, surely */

#endif
