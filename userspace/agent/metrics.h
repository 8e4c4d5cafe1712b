/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics answers: Prometheus text exposition (PURE); status.c collects the values.
 *
 * The number of series is bounded: labels are reasons of drops, BGPPeers of this node, and Services only
 * while there are at most --metrics-services of them; else their sums are all there is. */
#ifndef FAIRWAY_AGENT_METRICS_H
#define FAIRWAY_AGENT_METRICS_H

#include "bgp/frr.h"
#include "userspace/base/strbuf.h"
#include "userspace/datapath/datapath.h"

#define HISTOGRAM_BUCKETS 12

struct histogram { /* of seconds, half a millisecond to 2.5 s; `{ 0 }` is an empty one */
	uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* the last: longer than all bounds */
	double sum;
};
void histogram_add(struct histogram *, double seconds);

struct service_metrics {
	const char *namespace, *name;
	struct frontend_counters counters;
	size_t n_ready;
	bool accepted;
};

struct metrics {
	const char *version;
	bool ready, delivered, bgp_in_sync;
	bool is_api, api_reachable; /* the rest of these two lines: only with the API as source */
	uint64_t api_requests, api_failures, api_received, api_sent, lists, watches, events, report_writes,
		report_failures;
	const struct drop_counter *drops;
	size_t n_drops;
	const struct frr_peer_view *peers;
	size_t n_peers;
	size_t n_services, n_accepted, n_frontends, n_backends, n_routes, n_problems;
	struct diff_limits limits;
	uint64_t flows, packets, bytes;
	uint64_t reconciles, reconcile_failures;
	double reconcile_seconds_sum, reconcile_seconds_last, maps_seconds_last;
	double maps_changed_sec;
	const struct histogram *maps_seconds, *event_to_maps;
	const struct service_metrics *service_rows;
	size_t n_service_rows, n_services_left_out;
};
void view_metrics(struct strbuf *, const struct metrics *);

#endif
