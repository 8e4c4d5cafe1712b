/* SPDX-License-Identifier: Apache-2.0 */
/* lbcontroller's /metrics (PURE): Prometheus text, names by its conventions. The only label with many values
 * is the pool. */
#ifndef FAIRWAY_IPAM_METRICS_H
#define FAIRWAY_IPAM_METRICS_H

#include "ipam/allocator.h"

struct metrics {
	const char *version;
	bool leader, delivered, api_reachable;
	const struct pool_usage *pools; /* borrowed; of the last round */
	size_t n_pools;
	size_t n_silent_nodes; /* whose agent is not heard of */
	size_t n_services, n_pending,
		n_leaving; /* ours; those without all that they ask for; addresses not let go yet */
	uint64_t n_allocations,
		n_failures; /* addresses given and acknowledged; Services that turned pending */
	uint64_t n_rounds;
	double round_seconds_sum, round_seconds_last;
	uint64_t writes_good, writes_conflict, writes_refused, writes_failed, writes_unanswered;
	size_t writes_queued, writes_under_way;
	uint64_t events_written, events_dropped;
	uint64_t api_requests, api_failures, api_bytes_received, api_bytes_sent;
	uint64_t source_lists, source_watches, source_events;
};

void metrics_text(struct strbuf *, const struct metrics *);

#endif
