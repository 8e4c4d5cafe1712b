// SPDX-License-Identifier: Apache-2.0
/* When many addresses go out: see rush.h. */
#include "ipam/rush.h"

static uint64_t last_msec(const struct rush *rush)
{
	return rush->sent_msec[(rush->next + RUSH_WRITES - 1) % RUSH_WRITES];
}

void rush_note(struct rush *rush, uint64_t now_msec)
{
	uint64_t first_msec;

	if (last_msec(rush) + RUSH_CALM_MSEC <= now_msec)
		*rush = (struct rush){ 0 };
	rush->sent_msec[rush->next] = now_msec;
	rush->next = (rush->next + 1) % RUSH_WRITES;
	first_msec = rush->sent_msec[rush->next];
	if (!rush->began_msec && first_msec && now_msec < first_msec + RUSH_SPAN_MSEC)
		rush->began_msec = now_msec;
}

uint64_t rush_until(const struct rush *rush, uint64_t now_msec)
{
	uint64_t calm_msec = last_msec(rush) + RUSH_CALM_MSEC, most_msec = rush->began_msec + RUSH_MOST_MSEC;
	uint64_t until_msec = calm_msec < most_msec ? calm_msec : most_msec;

	return rush->began_msec && now_msec < until_msec ? until_msec : 0;
}
