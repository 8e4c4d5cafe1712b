// SPDX-License-Identifier: Apache-2.0
/* The leader's pace: see rounds.h. */
#include "ipam/rounds.h"

enum round_verdict rounds_ask(struct rounds *rounds, bool delivered, uint64_t now_msec)
{
	bool first = !rounds->delivered;

	if (rounds->stopped || !delivered)
		return ROUND_NONE;
	rounds->delivered = true;
	if (now_msec < rounds->rest_until_msec)
		return ROUND_RESTS;
	return first ? ROUND_FIRST : ROUND_NOW;
}

void rounds_done(struct rounds *rounds, double cpu_seconds, uint64_t now_msec)
{
	rounds->rest_until_msec = now_msec + (uint64_t)(cpu_seconds * 2000);
}

bool rounds_reports_stand(const struct rounds *rounds, const struct store_changes *changes)
{
	return rounds->reports_fresh && !changes->lb_nodes && !changes->others;
}

bool rounds_allocations_stand(const struct rounds *rounds, const struct store_changes *changes,
			      size_t n_leaving)
{
	return rounds->allocated && !changes->others && !changes->services.n && !n_leaving;
}

uint64_t rounds_stop(struct rounds *rounds, bool idle)
{
	rounds->stopped = true;
	return idle ? 0 : ROUNDS_STOP_MSEC;
}

enum rounds_next rounds_answered(const struct rounds *rounds, bool idle)
{
	if (!rounds->stopped)
		return ROUNDS_GO_ON;
	return idle ? ROUNDS_END : ROUNDS_WAIT;
}

enum rounds_next rounds_timed(const struct rounds *rounds)
{
	return rounds->stopped ? ROUNDS_END : ROUNDS_GO_ON;
}
