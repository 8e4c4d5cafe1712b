// SPDX-License-Identifier: Apache-2.0
/* The JSON of the control socket and the metrics: whole texts, for `svc ls` is a contract (OUTPUTS). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "k8s/json.h"
#include "tests/unit/world.h"
#include "userspace/agent/metrics.h"
#include "userspace/agent/views.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

/* The text is JSON, whatever the names in it are. */
static void is_json(const struct strbuf *text)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;

	if (json_parse(strbuf_text(text), text->length, &document, &error))
		fail_msg("line %u: %s in:\n%s", error.line, error.message, strbuf_text(text));
}

static void services_are_the_contract(void **state _unused_)
{
	static const char expected[] =
		"{\"node\": \"n1\", \"generation\": 42, \"services\": [\n"
		"  {\"namespace\": \"web\", \"name\": \"late\", \"addresses\": [], \"ports\": [], "
		"\"policy\": \"Cluster\", "
		"\"mode\": \"snat\", \"backendsReady\": 0, \"backendsTotal\": 0, \"localBackends\": 0, "
		"\"programmed\": false, "
		"\"announcedTo\": [], \"flows\": 0, \"packets\": 0, \"bytes\": 0, \"drops\": 0, "
		"\"problem\": \"no \\\"address\\\" yet\"},\n"
		"  {\"namespace\": \"web\", \"name\": \"shop\", \"addresses\": [\"192.0.2.10\", "
		"\"2001:db8::a\"], "
		"\"ports\": [\"80/TCP\", \"53/UDP\"], \"policy\": \"Local\", \"mode\": \"snat\", "
		"\"backendsReady\": 2, "
		"\"backendsTotal\": 3, \"localBackends\": 1, \"programmed\": true, \"announcedTo\": "
		"[\"tor-a\", \"tor-b\"], "
		"\"flows\": 1203, \"packets\": 88123, \"bytes\": 61230021, \"drops\": 4, \"problem\": \"\"}\n"
		"]}\n";
	const char *peers[] = { "tor-a", "tor-b" };
	struct addr vips[] = { address("192.0.2.10"), address("2001:db8::a") };
	struct service_plan plan = { .vips = vips, .n_vips = 2, .n_ready = 2, .n_total = 3, .n_local = 1 };
	cleanup(world_done) struct world world = { 0 };
	cleanup(strbuf_done) struct strbuf out = { 0 };
	struct service *shop = world_service(&world, "web/shop");
	struct service_row rows[2] = {
		{ .service = world_service(&world, "web/late"),
		  .mode = "snat",
		  .problem = "no \"address\" yet" },
		{ .service = shop,
		  .plan = &plan,
		  .accepted = true,
		  .mode = "snat",
		  .announced_to = { peers, 2 },
		  .problem = "",
		  .counters = { .packets = 88123, .bytes = 61230021, .drops = 4, .flows = 1203 } }
	};

	shop->external_policy = POLICY_LOCAL;
	world_service_port(&world, shop, "http", L4_TCP, 80, 0);
	world_service_port(&world, shop, "dns", L4_UDP, 53, 0);
	view_services_json(&out, "n1", 42, rows, 2);
	assert_string_equal(strbuf_text(&out), expected);
	is_json(&out);
	strbuf_reset(&out);
	view_services_json(&out, "n1", 0, NULL, 0);
	assert_string_equal(strbuf_text(&out), "{\"node\": \"n1\", \"generation\": 0, \"services\": []}\n");
}

static void one_service_is_shown_in_full(void **state _unused_)
{
	struct backend backends[] = {
		{ .addr = address("10.244.1.5"), .port = 8080, .weight = 1, .local = true, .node = "n1" },
		{ .addr = address("10.244.2.5"), .port = 8080, .weight = 1 }
	};
	struct prefix range = { address("198.51.100.0"), 24 };
	struct backend_set set = { .active = { backends, 2 }, .table_size = 1021 };
	struct frontend frontend = { .addr = address("192.0.2.10"),
				     .port = 80,
				     .protocol = L4_TCP,
				     .port_name = "http",
				     .reason = "",
				     .source_ranges = &range,
				     .n_source_ranges = 1,
				     .affinity_sec = 60 };
	struct service_plan plan = { .frontends = &frontend, .n_frontends = 1, .sets = &set, .n_sets = 1 };
	struct frontend_state frontend_state = { .standing = true, .in_maps = true, .id = 7 };
	struct community community = { .global = 65000, .local1 = 1 };
	const char *services[] = { "web/shop" };
	struct route route = { .prefix = prefix_host(&frontend.addr),
			       .peer = "tor-a",
			       .communities = &community,
			       .n_communities = 1,
			       .services = { services, 1 },
			       .local_pref = 100 };
	struct route_row routes[] = { { .route = &route, .announced = true, .session = "Established" } };
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(world_done) struct world world = { 0 };
	cleanup(strbuf_done) struct strbuf out = { 0 };
	struct service_row row = {
		.service = world_service(&world, "web/shop"), .plan = &plan, .mode = "snat", .problem = ""
	};
	static const char *const parts[] = {
		"\"class\": \"fairway.dev/lb\"",
		"{\"type\": \"LoadBalancer\", \"address\": \"192.0.2.10\", \"port\": 80, \"protocol\": "
		"\"TCP\"",
		"\"verdict\": \"forward\", \"reason\": \"\", \"programmed\": true, \"id\": 7, \"tableSize\": "
		"1021",
		"{\"address\": \"10.244.1.5\", \"port\": 8080, \"node\": \"n1\", \"local\": true, "
		"\"weight\": 1}",
		"{\"address\": \"10.244.2.5\", \"port\": 8080, \"node\": \"\", \"local\": false, \"weight\": "
		"1}",
		"\"affinitySeconds\": 60, \"sourceRanges\": [\"198.51.100.0/24\"], \"sourceRangesPolicy\": "
		"\"allow\"",
		"{\"prefix\": \"192.0.2.10/32\", \"kind\": \"ServiceIP\", \"peer\": \"tor-a\", \"session\": "
		"\"Established\", "
		"\"announced\": true, \"localPref\": 100, \"communities\": [\"65000:1\"], \"services\": "
		"[\"web/shop\"]}",
		"{\"object\": \"Service/web/shop\", \"field\": \"spec\", \"message\": \"what\"}",
	};
	size_t i;

	assert_int_equal(problems_add(&problems, "Service/web/shop", "spec", "what"), 0);
	view_service_json(&out, "n1", &row, &frontend_state, routes, 1, &problems);
	is_json(&out);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(strbuf_text(&out), parts[i]))
			fail_msg("%s\nis not in:\n%s", parts[i], strbuf_text(&out));
}

static void pools_count_exactly(void **state _unused_)
{
	struct pool_usage usage[] = { { .name = "big",
					.assigned_v4 = 3,
					.available_v4 = 253,
					.assigned_v6 = 1,
					.available_v6 = ((addr_number)1 << 64) - 1,
					.ready = true,
					.reason = "",
					.message = "" } };
	cleanup(world_done) struct world world = { 0 };
	cleanup(strbuf_done) struct strbuf out = { 0 };

	world_pool(&world, "big", "192.0.2.0/24 2001:db8::/64");
	view_pools_json(&out, usage, 1, world_cluster(&world));
	is_json(&out);
	assert_non_null(strstr(strbuf_text(&out),
			       "\"addresses\": [\"192.0.2.0/24\", \"2001:db8::/64\"], \"autoAssign\": true, "
			       "\"assignedIPv4\": 3, \"availableIPv4\": 253, \"assignedIPv6\": \"1\", "
			       "\"availableIPv6\": \"18446744073709551615\", \"ready\": true"));
}

static void peers_flows_drops_and_node_are_json(void **state _unused_)
{
	struct frr_peer_view peers[] = {
		{ .name = "tor-a",
		  .address = address("10.0.0.1"),
		  .remote_asn = 65000,
		  .state = "Established",
		  .uptime_sec = 5,
		  .last_error = "",
		  .bfd = "up" },
		{ .name = "un", .interface = "eth0", .state = "Active", .last_error = "a\"b\\", .bfd = "" }
	};
	struct flow_view flow = { .client = address("198.51.100.7"),
				  .client_port = 40000,
				  .frontend = address("192.0.2.10"),
				  .frontend_port = 80,
				  .backend = address("10.244.1.5"),
				  .backend_port = 8080,
				  .protocol = L4_TCP,
				  .state = "open" };
	struct drop_counter drops[] = { { "no_frontend", "nothing is served there", 3 } };
	struct interface_view interfaces[] = {
		{ .name = "eth0", .ifindex = 2, .hook = "xdp", .why = "native", .attached = true }
	};
	struct host_finding findings[] = { { .what = "net.ipv4.ip_forward", .found = "0", .harmful = true } };
	struct problems none = { 0 };
	struct node_row node = { .node = "n1",
				 .version = "1",
				 .daemon_state = "connected",
				 .proxy_mode = "loadbalancer",
				 .interfaces = interfaces,
				 .n_interfaces = 1,
				 .findings = findings,
				 .n_findings = 1,
				 .problems = &none };
	cleanup(strbuf_done) struct strbuf out = { 0 };

	view_peers_json(&out, "n1", "connected", peers, 2);
	is_json(&out);
	assert_non_null(
		strstr(strbuf_text(&out), "{\"name\": \"un\", \"address\": \"\", \"interface\": \"eth0\""));
	strbuf_reset(&out);
	view_flows_begin(&out, "n1");
	view_flow(&out, &flow);
	view_flow(&out, &flow);
	view_flows_end(&out, true);
	is_json(&out);
	assert_non_null(strstr(strbuf_text(&out), "\"snat\": \"\", \"snatPort\": 0, \"state\": \"open\""));
	strbuf_reset(&out);
	view_flows_begin(&out, "n1");
	view_flows_end(&out, false);
	assert_string_equal(strbuf_text(&out), "{\"node\": \"n1\", \"flows\": [], \"truncated\": false}\n");
	strbuf_reset(&out);
	view_drops_json(&out, "n1", drops, 1);
	is_json(&out);
	strbuf_reset(&out);
	view_node_json(&out, &node);
	is_json(&out);
	strbuf_reset(&out);
	view_routes_json(&out, "n1", true, NULL, 0);
	assert_string_equal(strbuf_text(&out), "{\"node\": \"n1\", \"inSync\": true, \"routes\": []}\n");
}

/* Each line is a comment or "name{labels} value"; each metric has its HELP and TYPE before its first
 * sample. */
static void metrics_are_prometheus_text(void **state _unused_)
{
	struct drop_counter drops[] = { { "no_frontend", "t", 3 }, { "ttl", "t", 0 } };
	struct frr_peer_view peers[] = { { .name = "tor-a", .state = "Established", .prefixes_sent = 9 } };
	struct service_metrics services[] = { { .namespace = "web", .name = "shop", .counters = { .packets = 7 }, .n_ready = 2,
						.accepted = true } };
	struct histogram histogram = { 0 }, events = { 0 };
	struct metrics metrics = { .version = "1",
				   .is_api = true,
				   .maps_seconds = &histogram,
				   .event_to_maps = &events,
				   .maps_changed_sec = 1795658409.5,
				   .service_rows = services,
				   .n_service_rows = 1,
				   .drops = drops,
				   .n_drops = 2,
				   .peers = peers,
				   .n_peers = 1,
				   .n_frontends = 5,
				   .reconcile_seconds_sum = 0.25,
				   .delivered = true };
	cleanup(strbuf_done) struct strbuf out = { 0 };
	char *line, *rest, type[200] = "", name[100], value[100];

	histogram_add(&events, 0.25);
	histogram_add(&histogram, 0.0001);
	histogram_add(&histogram, 0.0005);
	histogram_add(&histogram, 0.004);
	histogram_add(&histogram, 100);
	view_metrics(&out, &metrics);
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_service_packets_total{namespace=\"web\",service=\"shop\"} 7\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_api_reachable 0\n"));
	assert_non_null(strstr(strbuf_text(&out), "_seconds_bucket{le=\"0.0005\"} 2\n"));
	assert_non_null(strstr(strbuf_text(&out), "_seconds_bucket{le=\"0.0025\"} 2\n"));
	assert_non_null(strstr(strbuf_text(&out), "_seconds_bucket{le=\"0.005\"} 3\n"));
	assert_non_null(strstr(strbuf_text(&out), "_seconds_bucket{le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(strbuf_text(&out), "_seconds_count 4\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_event_to_maps_seconds_sum 0.250000\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_maps_changed_timestamp_seconds 1795658409.500000\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_drops_total{reason=\"no_frontend\"} 3\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_bgp_session_up{peer=\"tor-a\"} 1\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_frontends 5\n"));
	assert_non_null(strstr(strbuf_text(&out), "\nfairway_reconcile_seconds_total 0.250000\n"));
	for (rest = out.text; (line = strsep(&rest, "\n")) && *line;) {
		if (sscanf(line, "# TYPE %99s %99s", name, value) == 2) {
			snprintf(type, sizeof(type), "%s", name);
		} else if (*line != '#') {
			assert_int_equal(sscanf(line, "%99[a-z0-9_]", name), 1);
			if (!strncmp(name, type, strlen(type)) && name[strlen(type)]) /* of a histogram */
				assert_true(!strcmp(name + strlen(type), "_bucket") || !strcmp(name + strlen(type), "_sum") ||
					    !strcmp(name + strlen(type), "_count"));
			else
				assert_string_equal(name, type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_the_contract),
		cmocka_unit_test(one_service_is_shown_in_full),
		cmocka_unit_test(pools_count_exactly),
		cmocka_unit_test(peers_flows_drops_and_node_are_json),
		cmocka_unit_test(metrics_are_prometheus_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
