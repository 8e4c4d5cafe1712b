// SPDX-License-Identifier: Apache-2.0
/* The decisions of api_reach.h. While no server answers, probes go on with a short backoff, so that the
 * others may wait as long as they like: they are told when one answers. */
#include "k8s/api_reach.h"

#define PROBE_EVERY_MSEC  3000
#define PROBE_WAIT_MSEC	  3000
#define CONNECT_WAIT_MSEC 5000 /* … with TLS before it */
#define PROBE_LATE_MSEC	  500 /* our own loop was busy for longer than this: the answer may lie there unread \
			       */
#define PROBE_GRACE_MSEC 200
#define RETRY_MOST_MSEC	 5000  /* between tries while no server answers */
#define IDLE_MSEC	 15000 /* without a request nobody needs to know whether the server is alive */

void reach_init(struct reach *reach, size_t n_servers, uint32_t random)
{
	*reach = (struct reach){ .n_servers = n_servers, .server = random % n_servers };
}

enum reach_news reach_answered(struct reach *reach, uint64_t now_msec, uint64_t *ret_away_msec)
{
	enum reach_news news = reach->story_told       ? NEWS_BACK
			       : !reach->was_reachable ? NEWS_CONNECTED
						       : NEWS_ANSWERS;

	if (reach->reachable)
		return NEWS_NONE;
	*ret_away_msec = now_msec - reach->since_msec;
	backoff_reset(&reach->backoff);
	reach->reachable = reach->was_reachable = true;
	reach->since_msec = now_msec;
	reach->story_told = false;
	reach->n_silent = 0;
	return news;
}

enum reach_news reach_silent(struct reach *reach, uint64_t now_msec)
{
	if (reach->reachable || !reach->since_msec)
		reach->since_msec = now_msec;
	reach->reachable = false;
	if (++reach->n_silent < reach->n_servers)
		return NEWS_NEXT;
	if (reach->story_told)
		return NEWS_NONE;
	reach->story_told = true;
	return NEWS_AWAY;
}

void reach_turn(struct reach *reach)
{
	reach->server = (reach->server + 1) % reach->n_servers;
}

uint64_t reach_probe_after(struct reach *reach, uint64_t now_msec, uint32_t random)
{
	uint64_t after_msec;

	if (reach->reachable || !reach->since_msec)
		return PROBE_EVERY_MSEC;
	if (reach->n_silent < reach->n_servers)
		return 0;
	after_msec = backoff_next(&reach->backoff, now_msec, random, 0);
	return after_msec > RETRY_MOST_MSEC ? RETRY_MOST_MSEC - random % (RETRY_MOST_MSEC / 4) : after_msec;
}

bool reach_wants_probe(const struct reach *reach, bool under_way, uint64_t used_msec, uint64_t now_msec)
{
	return !reach->reachable || under_way || now_msec <= used_msec + IDLE_MSEC;
}

bool reach_is_silence(const struct reach *reach, enum transfer_end end)
{
	return end == TRANSFER_NO_CONNECTION || end == TRANSFER_NO_TLS ||
	       (end == TRANSFER_TIMED_OUT && !reach->reachable);
}

/* --- the probe ----------------------------------------------------------------------------------------- */

uint64_t probe_sent(struct probe_watch *watch, const struct reach *reach, uint64_t received,
		    uint64_t now_msec)
{
	uint64_t wait_msec = reach->reachable ? PROBE_WAIT_MSEC : CONNECT_WAIT_MSEC;

	watch->received = received;
	watch->due_msec = now_msec + wait_msec;
	return wait_msec;
}

uint64_t probe_overdue(struct probe_watch *watch, uint64_t received, uint64_t now_msec)
{
	uint64_t wait_msec = 0;

	if (now_msec > watch->due_msec + PROBE_LATE_MSEC)
		wait_msec = PROBE_GRACE_MSEC;
	else if (received != watch->received)
		wait_msec = PROBE_WAIT_MSEC;
	if (wait_msec == PROBE_WAIT_MSEC)
		watch->received = received;
	watch->due_msec = now_msec + wait_msec;
	return wait_msec;
}

enum probe_verdict probe_ended(struct probe_watch *watch, int status, enum transfer_end end)
{
	bool no_link = end == TRANSFER_NO_CONNECTION || end == TRANSFER_NO_TLS;
	bool repeat = !status && !no_link && !watch->repeated;

	if (status || repeat)
		watch->repeated = repeat;
	return status ? PROBE_ANSWERED : repeat ? PROBE_REPEAT : PROBE_SILENT;
}
