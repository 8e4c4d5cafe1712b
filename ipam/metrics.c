// SPDX-License-Identifier: Apache-2.0
/* Prometheus text: see metrics.h. */
#include "ipam/metrics.h"

#include <inttypes.h>

#include "ipam/run.h"

static void head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_appendf(out, "# HELP fairway_controller_%s %s\n# TYPE fairway_controller_%s %s\n", name, help,
		       name, type);
}

static void gauge(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
	strbuf_appendf(out, "fairway_controller_%s %" PRIu64 "\n", name, value);
}

static void counter(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	strbuf_appendf(out, "fairway_controller_%s %" PRIu64 "\n", name, value);
}

static void seconds(struct strbuf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	strbuf_appendf(out, "fairway_controller_%s %.6f\n", name, value);
}

/* Names of pools are DNS names: nothing in them needs an escape. */
static void pool_addresses(struct strbuf *out, const char *name, const struct pool_usage *pool, uint64_t v4,
			   addr_number v6)
{
	strbuf_appendf(out, "fairway_controller_%s{pool=\"%s\",family=\"ipv4\"} %" PRIu64 "\n", name,
		       pool->name, v4);
	strbuf_appendf(out, "fairway_controller_%s{pool=\"%s\",family=\"ipv6\"} ", name, pool->name);
	append_decimal(out, v6);
	strbuf_append(out, "\n");
}

static void pools(struct strbuf *out, const struct metrics *metrics)
{
	size_t i;

	head(out, "pool_addresses_assigned", "gauge", "Addresses of the pool that Services hold.");
	for (i = 0; i < metrics->n_pools; i++)
		pool_addresses(out, "pool_addresses_assigned", &metrics->pools[i],
			       metrics->pools[i].assigned_v4, metrics->pools[i].assigned_v6);
	head(out, "pool_addresses_available", "gauge", "Addresses of the pool that can be given.");
	for (i = 0; i < metrics->n_pools; i++)
		pool_addresses(out, "pool_addresses_available", &metrics->pools[i],
			       metrics->pools[i].available_v4, metrics->pools[i].available_v6);
	head(out, "pool_ready", "gauge", "1 while the pool is neither invalid, in conflict nor disabled.");
	for (i = 0; i < metrics->n_pools; i++)
		strbuf_appendf(out, "fairway_controller_pool_ready{pool=\"%s\"} %d\n", metrics->pools[i].name,
			       metrics->pools[i].ready);
}

static void writes(struct strbuf *out, const struct metrics *metrics)
{
	head(out, "writes_total", "counter", "Writes to objects, by the API server's answer.");
	strbuf_appendf(out, "fairway_controller_writes_total{answer=\"good\"} %" PRIu64 "\n",
		       metrics->writes_good);
	strbuf_appendf(out, "fairway_controller_writes_total{answer=\"conflict\"} %" PRIu64 "\n",
		       metrics->writes_conflict);
	strbuf_appendf(out, "fairway_controller_writes_total{answer=\"refused\"} %" PRIu64 "\n",
		       metrics->writes_refused);
	strbuf_appendf(out, "fairway_controller_writes_total{answer=\"failed\"} %" PRIu64 "\n",
		       metrics->writes_failed);
	strbuf_appendf(out, "fairway_controller_writes_total{answer=\"none\"} %" PRIu64 "\n",
		       metrics->writes_unanswered);
	gauge(out, "writes_queued", "Writes that wait for others to be answered.", metrics->writes_queued);
	gauge(out, "writes_under_way", "Writes without an answer so far.", metrics->writes_under_way);
	counter(out, "events_written_total", "Events sent.", metrics->events_written);
	counter(out, "events_dropped_total",
		"Events not sent, because there were too many about their object.", metrics->events_dropped);
}

void metrics_text(struct strbuf *out, const struct metrics *metrics)
{
	head(out, "info", "gauge", "The program's version.");
	strbuf_appendf(out, "fairway_controller_info{version=\"%s\"} 1\n", metrics->version);
	gauge(out, "leader", "1 while this one holds the Lease.", metrics->leader);
	gauge(out, "source_delivered", "1 once the first complete list of objects was read.",
	      metrics->delivered);
	pools(out, metrics);
	gauge(out, "services", "LoadBalancer Services that are ours.", metrics->n_services);
	gauge(out, "services_pending", "Those of them that do not have all that they ask for.",
	      metrics->n_pending);
	gauge(out, "nodes_silent", "Nodes whose lbagent is not heard of any more.", metrics->n_silent_nodes);
	gauge(out, "addresses_leaving", "Addresses that no Service has any more, but nodes may.",
	      metrics->n_leaving);
	counter(out, "allocations_total", "Services that were given addresses.", metrics->n_allocations);
	counter(out, "allocation_failures_total",
		"Times that a Service could not be given all that it asks for.", metrics->n_failures);
	counter(out, "rounds_total", "Rounds of decisions.", metrics->n_rounds);
	seconds(out, "round_seconds_total", "counter", "Time spent in rounds.", metrics->round_seconds_sum);
	seconds(out, "round_last_seconds", "gauge", "Duration of the last round.",
		metrics->round_seconds_last);
	writes(out, metrics);
	gauge(out, "api_reachable", "1 while an API server answers.", metrics->api_reachable);
	counter(out, "api_requests_total", "Requests to the API server.", metrics->api_requests);
	counter(out, "api_request_failures_total", "Those that failed.", metrics->api_failures);
	counter(out, "api_received_bytes_total", "Bytes received from the API server.",
		metrics->api_bytes_received);
	counter(out, "api_sent_bytes_total", "Bytes sent to the API server.", metrics->api_bytes_sent);
	counter(out, "source_lists_total", "Complete lists that were read.", metrics->source_lists);
	counter(out, "source_watches_total", "Watches that were opened.", metrics->source_watches);
	counter(out, "source_events_total", "Events of watches.", metrics->source_events);
}
