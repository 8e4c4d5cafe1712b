// SPDX-License-Identifier: Apache-2.0
/* Prometheus text: see metrics.h. */
#include "userspace/agent/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"

static const double bounds[HISTOGRAM_BUCKETS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
						  0.05,	  0.1,	 0.25,	 0.5,	1,    2.5 };

void histogram_add(struct histogram *histogram, double seconds)
{
	size_t i;

	for (i = 0; i < HISTOGRAM_BUCKETS && seconds > bounds[i]; i++)
		;
	histogram->counts[i]++;
	histogram->sum += seconds;
}

static void metric_head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_appendf(out, "# HELP fairway_%s %s\n# TYPE fairway_%s %s\n", name, help, name, type);
}

static void metric(struct strbuf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	metric_head(out, name, type, help);
	strbuf_appendf(out, "fairway_%s %" PRIu64 "\n", name, value);
}

static void metric_seconds(struct strbuf *out, const char *name, const char *type, const char *help,
			   double value)
{
	metric_head(out, name, type, help);
	strbuf_appendf(out, "fairway_%s %.6f\n", name, value);
}

static void metric_histogram(struct strbuf *out, const char *name, const char *help,
			     const struct histogram *histogram)
{
	uint64_t n = 0;
	size_t i;

	metric_head(out, name, "histogram", help);
	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += histogram->counts[i];
		strbuf_appendf(out, "fairway_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds[i], n);
	}
	n += histogram->counts[HISTOGRAM_BUCKETS];
	strbuf_appendf(out, "fairway_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	strbuf_appendf(out, "fairway_%s_sum %.6f\nfairway_%s_count %" PRIu64 "\n", name, histogram->sum, name,
		       n);
}

static void metrics_drops(struct strbuf *out, const struct metrics *metrics)
{
	size_t i;

	metric_head(out, "drops_total", "counter", "Packets that the data path refused, by reason.");
	for (i = 0; i < metrics->n_drops; i++)
		strbuf_appendf(out, "fairway_drops_total{reason=\"%s\"} %" PRIu64 "\n",
			       metrics->drops[i].reason, metrics->drops[i].packets);
}

/* Label values: names of BGPPeers are DNS names, so nothing in them needs an escape. */
static void metrics_peers(struct strbuf *out, const struct metrics *metrics)
{
	const struct frr_peer_view *peer;
	size_t i;

	metric_head(out, "bgp_session_up", "gauge", "1 while the session with the peer is Established.");
	for (i = 0; i < metrics->n_peers; i++) {
		peer = &metrics->peers[i];
		strbuf_appendf(out, "fairway_bgp_session_up{peer=\"%s\"} %d\n", peer->name,
			       !strcmp(peer->state, "Established"));
	}
	metric_head(out, "bgp_prefixes_sent", "gauge", "Prefixes in the RIB-out of the peer.");
	for (i = 0; i < metrics->n_peers; i++)
		strbuf_appendf(out, "fairway_bgp_prefixes_sent{peer=\"%s\"} %u\n", metrics->peers[i].name,
			       metrics->peers[i].prefixes_sent);
	metric_head(out, "bgp_prefixes_wanted", "gauge",
		    "Prefixes that the peer shall receive: what the RIB-out comes to.");
	for (i = 0; i < metrics->n_peers; i++)
		strbuf_appendf(out, "fairway_bgp_prefixes_wanted{peer=\"%s\"} %u\n", metrics->peers[i].name,
			       metrics->peers[i].prefixes_wanted);
	metric_head(out, "bgp_prefixes_received", "gauge", "Prefixes received from the peer.");
	for (i = 0; i < metrics->n_peers; i++)
		strbuf_appendf(out, "fairway_bgp_prefixes_received{peer=\"%s\"} %u\n", metrics->peers[i].name,
			       metrics->peers[i].prefixes_received);
}

/* Names of Services are DNS names: nothing to escape here either. */
static void service_series(struct strbuf *out, const struct metrics *metrics, const char *name,
			   const char *type, const char *help,
			   uint64_t (*value)(const struct service_metrics *))
{
	size_t i;

	metric_head(out, name, type, help);
	for (i = 0; i < metrics->n_service_rows; i++)
		strbuf_appendf(out, "fairway_%s{namespace=\"%s\",service=\"%s\"} %" PRIu64 "\n", name,
			       metrics->service_rows[i].namespace, metrics->service_rows[i].name,
			       value(&metrics->service_rows[i]));
}

static uint64_t packets_of(const struct service_metrics *row)
{
	return row->counters.packets;
}

static uint64_t bytes_of(const struct service_metrics *row)
{
	return row->counters.bytes;
}

static uint64_t drops_of(const struct service_metrics *row)
{
	return row->counters.drops;
}

static uint64_t flows_of(const struct service_metrics *row)
{
	return row->counters.flows;
}

static uint64_t ready_of(const struct service_metrics *row)
{
	return row->n_ready;
}

static uint64_t accepted_of(const struct service_metrics *row)
{
	return row->accepted;
}

static void metrics_services(struct strbuf *out, const struct metrics *metrics)
{
	if (!metrics->n_service_rows)
		return;
	service_series(out, metrics, "service_packets_total", "counter", "Packets of the Service's VIPs.",
		       packets_of);
	service_series(out, metrics, "service_bytes_total", "counter", "Bytes of the Service's VIPs.",
		       bytes_of);
	service_series(out, metrics, "service_drops_total", "counter", "Packets refused for the Service.",
		       drops_of);
	service_series(out, metrics, "service_flows", "gauge", "Open flows of the Service.", flows_of);
	service_series(out, metrics, "service_endpoints_ready", "gauge", "Ready endpoints of the Service.",
		       ready_of);
	service_series(out, metrics, "service_accepted", "gauge", "1 while the data path serves the Service.",
		       accepted_of);
}

static void metrics_source(struct strbuf *out, const struct metrics *metrics)
{
	metric(out, "source_delivered", "gauge", "1 once the first complete list of objects was read.",
	       metrics->delivered);
	if (!metrics->is_api)
		return;
	metric(out, "api_reachable", "gauge", "1 while an API server answers.", metrics->api_reachable);
	metric(out, "api_requests_total", "counter", "Requests sent to the API server.",
	       metrics->api_requests);
	metric(out, "api_request_failures_total", "counter", "Requests without an answer.",
	       metrics->api_failures);
	metric(out, "api_received_bytes_total", "counter", "Bytes received from the API server, within TLS.",
	       metrics->api_received);
	metric(out, "api_sent_bytes_total", "counter", "Bytes sent to the API server, within TLS.",
	       metrics->api_sent);
	metric(out, "source_lists_total", "counter", "Complete lists read.", metrics->lists);
	metric(out, "source_watches_total", "counter", "Watches opened.", metrics->watches);
	metric(out, "source_events_total", "counter", "Events read from watches.", metrics->events);
	metric(out, "lbnode_writes_total", "counter", "Writes of this node's LBNode.",
	       metrics->report_writes);
	metric(out, "lbnode_write_failures_total", "counter", "Writes of this node's LBNode that failed.",
	       metrics->report_failures);
}

void view_metrics(struct strbuf *out, const struct metrics *metrics)
{
	metric_head(out, "build_info", "gauge", "The agent's version.");
	strbuf_appendf(out, "fairway_build_info{version=\"%s\"} 1\n", metrics->version);
	metric(out, "ready", "gauge", "1 once this agent has taken over, see /readyz.", metrics->ready);
	metrics_source(out, metrics);
	metric(out, "services", "gauge", "Services in the plan of this node.", metrics->n_services);
	metric(out, "services_accepted", "gauge", "LoadBalancer Services that the data path serves.",
	       metrics->n_accepted);
	metric(out, "frontends", "gauge", "Frontends in the maps.", metrics->n_frontends);
	metric(out, "frontends_max", "gauge", "Room for frontends.", metrics->limits.frontends);
	metric(out, "backends", "gauge", "Backends in the maps.", metrics->n_backends);
	metric(out, "backends_max", "gauge", "Room for backends.", metrics->limits.backends);
	metric(out, "flows", "gauge", "Open flows, from the collector's last round.", metrics->flows);
	metric(out, "packets_total", "counter", "Packets of all frontends in the maps.", metrics->packets);
	metric(out, "bytes_total", "counter", "Bytes of all frontends in the maps.", metrics->bytes);
	metrics_drops(out, metrics);
	metric(out, "routes", "gauge", "Routes that this node should announce, over all peers.",
	       metrics->n_routes);
	metric(out, "bgp_in_sync", "gauge", "1 while bgpd has acknowledged everything wanted.",
	       metrics->bgp_in_sync);
	metrics_peers(out, metrics);
	metric(out, "problems", "gauge", "Problems of objects, as lbctl node show lists them.",
	       metrics->n_problems);
	metric(out, "reconcile_total", "counter", "Reconcile rounds.", metrics->reconciles);
	metric(out, "reconcile_failures_total", "counter", "Rounds in which a step was not executed.",
	       metrics->reconcile_failures);
	metric_seconds(out, "reconcile_seconds_total", "counter", "Time spent in reconcile rounds.",
		       metrics->reconcile_seconds_sum);
	metric_seconds(out, "reconcile_last_seconds", "gauge", "Duration of the last round.",
		       metrics->reconcile_seconds_last);
	metric_seconds(out, "reconcile_maps_last_seconds", "gauge",
		       "From the beginning of the last round that had steps until the maps held them.",
		       metrics->maps_seconds_last);
	metric_histogram(out, "reconcile_maps_seconds",
			 "From the beginning of a round that had steps until the maps held them.",
			 metrics->maps_seconds);
	metric_histogram(out, "event_to_maps_seconds",
			 "From when the first event of such a round was read until the maps held it.",
			 metrics->event_to_maps);
	metric_seconds(out, "maps_changed_timestamp_seconds", "gauge",
		       "When the maps held the last such round, in seconds since 1970.",
		       metrics->maps_changed_sec);
	metric(out, "services_without_metrics", "gauge",
	       "Services that have no series of their own, for there are more than --metrics-services.",
	       metrics->n_services_left_out);
	metrics_services(out, metrics);
}
