// SPDX-License-Identifier: Apache-2.0
/* userspace/agent/node_report: what an LBNode says, read back by k8s/decode as the controller reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/decode.h"
#include "userspace/agent/node_report.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct object *, object_free);

static struct addr vip_v4, vip_v6;

static struct strings list(const char **items, size_t n)
{
	return (struct strings){ .items = items, .n = n };
}

static struct report_service fine(const char *name, const struct strings *peers)
{
	return (struct report_service){ .name = name,
					.vips = &vip_v4,
					.n_vips = 1,
					.programmed = true,
					.reporter = true,
					.announced_to = *peers,
					.reason = "",
					.message = "" };
}

static struct object *decode_body(const char *text)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	struct json_error error = { 0 };
	struct object *object = NULL;

	if (json_parse(text, strlen(text), &document, &error) < 0)
		fail_msg("line %u: %s\n%s", error.line, error.message, text);
	assert_int_equal(decode_object(document.first, "body", &object, &problems), DECODED);
	assert_int_equal(problems.n, 0);
	return object;
}

/* The object that the API server would hold after our status was applied. */
static struct object *read_back(struct node_report *report)
{
	cleanup(strbuf_done) struct strbuf status = { 0 }, body = { 0 };

	report->agent_version = "1.2.3";
	report->ready_reason = report->ready_reason ? report->ready_reason : "Ready";
	report->ready_message = report->ready_message ? report->ready_message : "";
	node_report_json(&status, report);
	node_report_status_body(&body, "n1", strbuf_text(&status), 1700000000);
	assert_non_null(strstr(strbuf_text(&body), "\"heartbeatTime\":\"2023-11-14T22:13:20Z\""));
	assert_false(strbuf_failed(&body) || strbuf_failed(&status));
	return decode_body(strbuf_text(&body));
}

static void test_groups(void **state _unused_)
{
	const char *both[] = { "tor-a", "tor-b" }, *one[] = { "tor-a" };
	struct strings to_both = list(both, 2), to_one = list(one, 1), to_none = { 0 };
	struct addr dual[] = { vip_v4, vip_v6 };
	struct report_service rows[] = { fine("web/z", &to_both),      fine("web/a", &to_both),
					 fine("db/one", &to_one),      fine("web/full", &to_none),
					 fine("web/going", &to_none),  fine("web/half", &to_both),
					 fine("web/neither", &to_both) };
	struct node_report report = {
		.services = rows, .n_services = 7, .ready = true, .ready_since_sec = 0
	};
	cleanup(object_freep) struct object *object = NULL;
	const struct lb_node *node;

	rows[1].vips = dual;
	rows[1].n_vips = 2;
	rows[2].reason = "SessionDown";
	rows[2].message = "no session with tor-b";
	rows[3].programmed = false;
	rows[3].exception = true;
	rows[3].reason = "NoRoomInMaps";
	rows[3].message = "table \"full\"\x1b[31m";
	rows[4].releasing = true;
	rows[4].reason = "Releasing";
	rows[5].unannounced[1] = true;
	rows[6].unannounced[0] = rows[6].unannounced[1] = true;
	object = read_back(&report);
	node = &object->lb_node;
	assert_string_equal(node->meta.name, "n1");
	assert_string_equal(node->agent_version, "1.2.3");
	assert_int_equal(node->heartbeat_sec, REPORT_HEARTBEAT_SEC);
	assert_int_equal(node->n_services, 6); /* what goes is not counted */
	assert_int_equal(node->n_programmed, 5);
	assert_int_equal(node->n_announced, 5);
	assert_int_equal(node->n_omitted, 0);
	assert_false(node->sampled);
	assert_int_equal(node->n_groups, 6);
	/* What matters most comes first. */
	assert_true(node->groups[0].releasing);
	assert_string_equal(node->groups[0].services[0].name, "web/going");
	assert_false(node->groups[1].programmed);
	assert_string_equal(node->groups[1].reason, "NoRoomInMaps");
	assert_string_equal(node->groups[1].message, "table \"full\"\\x1b[31m");
	assert_int_equal(node->groups[1].announced_to.n, 0);
	/* Equal ones share a group, sorted by name, each with its own VIPs. */
	assert_string_equal(node->groups[2].reason, "");
	assert_int_equal(node->groups[2].announced_to.n, 2);
	assert_int_equal(node->groups[2].n_services, 2);
	assert_string_equal(node->groups[2].services[0].name, "web/a");
	assert_int_equal(node->groups[2].services[0].n_vips, 2);
	assert_true(addr_equal(&node->groups[2].services[0].vips[1], &vip_v6));
	assert_string_equal(node->groups[2].services[1].name, "web/z");
	assert_false(node->groups[2].unannounced[0] || node->groups[2].unannounced[1]);
	assert_string_equal(node->groups[3].services[0].name, "web/half");
	assert_true(!node->groups[3].unannounced[0] && node->groups[3].unannounced[1]);
	assert_string_equal(node->groups[4].services[0].name, "web/neither");
	assert_true(node->groups[4].unannounced[0] && node->groups[4].unannounced[1]);
	assert_string_equal(node->groups[5].message, "no session with tor-b");
	assert_true(node->ready);
}

static void test_peers_and_ready(void **state _unused_)
{
	struct lb_node_peer peers[] = {
		{ .name = "tor-a",
		  .address = "10.0.0.1",
		  .state = "Established",
		  .since_sec = 1700000000,
		  .prefixes_sent = 12,
		  .prefixes_received = 3,
		  .last_error = "" },
		{ .name = "tor-b",
		  .address = "eth0",
		  .state = "Active",
		  .since_sec = INT64_MAX,
		  .last_error = "Hold Timer Expired" },
	};
	struct report_interface eth0 = { "eth0", "xdp", "" };
	struct node_report report = { .peers = peers,
				      .n_peers = 2,
				      .interfaces = &eth0,
				      .n_interfaces = 1,
				      .ready_reason = "NotDelivered",
				      .ready_message = "waiting",
				      .ready_since_sec = 1700000001 };
	cleanup(strbuf_done) struct strbuf status = { 0 };
	cleanup(object_freep) struct object *object = read_back(&report);
	const struct lb_node *node = &object->lb_node;

	assert_int_equal(node->n_peers, 2);
	assert_int_equal(node->peers[0].since_sec, 1700000000);
	assert_int_equal(node->peers[0].prefixes_sent, 12);
	assert_int_equal(node->peers[0].prefixes_received, 3);
	assert_string_equal(node->peers[1].address, "eth0");
	assert_string_equal(node->peers[1].last_error, "Hold Timer Expired");
	assert_true(node->peers[1].since_sec == INT64_MAX);
	assert_false(node->ready);
	assert_string_equal(node->ready_reason, "NotDelivered");
	node_report_json(&status, &report);
	assert_non_null(
		strstr(strbuf_text(&status), "{\"name\":\"eth0\",\"hook\":\"xdp\",\"message\":\"\"}"));
	assert_non_null(strstr(strbuf_text(&status), "\"lastTransitionTime\":\"2023-11-14T22:13:21Z\""));
}

/* The order of the rows is nobody's business: equal reports are equal bytes. */
static void test_stable(void **state _unused_)
{
	const char *peers[] = { "tor-a" };
	struct strings to = list(peers, 1), none = { 0 };
	struct report_service forth[] = { fine("a/a", &to), fine("b/b", &none), fine("c/c", &to) };
	struct report_service back[] = { forth[2], forth[1], forth[0] };
	struct node_report one = { .agent_version = "1",
				   .services = forth,
				   .n_services = 3,
				   .ready_reason = "",
				   .ready_message = "" };
	struct node_report two = one;
	cleanup(strbuf_done) struct strbuf first = { 0 }, second = { 0 };

	two.services = back;
	node_report_json(&first, &one);
	node_report_json(&second, &two);
	assert_string_equal(strbuf_text(&first), strbuf_text(&second));
}

static void test_sampled(void **state _unused_)
{
	const char *peers[] = { "tor-a" };
	struct strings to = list(peers, 1);
	struct report_service rows[] = { fine("a/mine", &to), fine("b/others", &to), fine("c/broken", &to) };
	struct node_report report = { .services = rows, .n_services = 3, .sampled = true };
	cleanup(object_freep) struct object *object = NULL;

	rows[1].reporter = rows[2].reporter = false;
	rows[2].programmed = false;
	rows[2].exception = true;
	object = read_back(&report);
	assert_true(object->lb_node.sampled);
	assert_int_equal(object->lb_node.n_services, 3);
	assert_int_equal(object->lb_node.n_omitted, 0);
	assert_int_equal(object->lb_node.n_groups, 2);
	assert_string_equal(object->lb_node.groups[0].services[0].name, "c/broken");
	assert_string_equal(object->lb_node.groups[1].services[0].name, "a/mine");
	/* what is worth a write: all but the counts */
	object_free(object);
	report.uncounted = true;
	object = read_back(&report);
	assert_int_equal(
		object->lb_node.n_services + object->lb_node.n_programmed + object->lb_node.n_announced, 0);
	assert_int_equal(object->lb_node.n_groups, 2);
	/* and what is on its way out */
	object_free(object);
	rows[1].releasing = true; /* a/mine, as the rows are sorted now */
	report.without_releasing = true;
	object = read_back(&report);
	assert_int_equal(object->lb_node.n_groups, 1);
	assert_string_equal(object->lb_node.groups[0].services[0].name, "c/broken");
	assert_int_equal(object->lb_node.n_omitted + object->lb_node.n_omitted_releasing, 0);
}

static void many(struct node_report *report, size_t n, struct report_service *rows, char (*names)[300])
{
	const struct strings none = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "namespace/%0*zu", 240, i);
		rows[i] = fine(names[i], &none);
	}
	report->services = rows;
	report->n_services = n;
}

static void test_bounds(void **state _unused_)
{
	enum { N = 10000 };
	struct report_service *rows = calloc(N, sizeof(*rows));
	char(*names)[300] = calloc(N, sizeof(*names));
	cleanup(object_freep) struct object *all = NULL, *sampled = NULL;
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct node_report report = { 0 };
	size_t i;

	many(&report, N, rows, names);
	all = read_back(&report);
	assert_int_equal(all->lb_node.n_services, N);
	assert_int_equal(all->lb_node.groups[0].n_services + all->lb_node.n_omitted, N);
	assert_in_range(all->lb_node.n_omitted, 6000, 7000);
	node_report_json(&text, &report);
	assert_in_range(text.length, REPORT_BYTES_MAX, REPORT_BYTES_MAX + 10000);
	for (i = 0; i < N; i++)
		rows[i].exception = true;
	report.sampled = true;
	sampled = read_back(&report);
	assert_int_equal(sampled->lb_node.groups[0].n_services, REPORT_EXCEPTIONS_MAX);
	assert_int_equal(sampled->lb_node.n_omitted, N - REPORT_EXCEPTIONS_MAX);
	assert_int_equal(sampled->lb_node.n_omitted_releasing, 0);
	free(rows);
	free(names);
}

/* What is released is the last to be left out, and is counted alone: addresses wait for it. */
static void test_omitted_releasing(void **state _unused_)
{
	enum { N = 5000 };
	static const struct {
		size_t n_releasing, n_omitted_releasing;
	} cases[] = { { 1500, 0 }, { REPORT_EXCEPTIONS_MAX, 0 }, { 2300, 300 } };
	struct report_service *rows = calloc(N, sizeof(*rows));
	char(*names)[300] = calloc(N, sizeof(*names));
	struct node_report report = { .sampled = true };
	cleanup(object_freep) struct object *full = NULL;

	many(&report, N, rows, names);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup(object_freep) struct object *object = NULL;

		many(&report, N, rows, names);
		for (size_t j = 0; j < N; j++) {
			rows[j].exception = true;
			rows[j].releasing = j >= N - cases[i].n_releasing; /* the last by name */
		}
		object = read_back(&report);
		assert_true(object->lb_node.groups[0].releasing);
		assert_int_equal(object->lb_node.n_omitted, N - REPORT_EXCEPTIONS_MAX);
		assert_int_equal(object->lb_node.n_omitted_releasing, cases[i].n_omitted_releasing);
	}
	for (size_t j = 0; j < N; j++)
		rows[j].releasing = true;
	report.sampled = false; /* the bytes bound it, too */
	full = read_back(&report);
	assert_in_range(full->lb_node.n_omitted, 1000, 2000);
	assert_int_equal(full->lb_node.n_omitted_releasing, full->lb_node.n_omitted);
	free(rows);
	free(names);
}

static void test_bodies(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	node_report_object_body(&body, "n1", "u-1");
	assert_string_equal(
		strbuf_text(&body),
		"{\"apiVersion\":\"fairway.dev/v1alpha1\",\"kind\":\"LBNode\",\"metadata\":{\"name\":\"n1\","
		"\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\",\"uid\":\"u-"
		"1\","
		"\"controller\":false,\"blockOwnerDeletion\":false}]}}");
}

/* --- the state of one Service --------------------------------------------------------------------- */

static struct frontend frontend = { .type = FRONTEND_LOAD_BALANCER,
				    .verdict = VERDICT_FORWARD,
				    .reason = "" };
static struct service_plan plan = { .frontends = &frontend, .n_frontends = 1, .vips = &vip_v4, .n_vips = 1 };

static struct report_service judged(struct arena *arena, const struct report_facts *facts)
{
	struct report_service row;

	assert_int_equal(report_judge(arena, facts, &row), 0);
	return row;
}

static void test_judge(void **state _unused_)
{
	const char *both[] = { "tor-a", "tor-b" };
	const struct report_facts good = { .name = "web/shop",
					   .plan = &plan,
					   .accepted = true,
					   .wanted = list(both, 2),
					   .up = list(both, 2),
					   .announced = list(both, 2),
					   .wanted_in = { true },
					   .told_in = { true },
					   .n_peers = 2,
					   .daemon_state = "connected" };
	static const struct {
		const char *reason, *message;
		size_t n_wanted, n_up, n_announced, n_peers;
		bool accepted, unfit, exception;
		const char *problem, *frontend_reason;
	} cases[] = {
		{ "", "", 2, 2, 2, 2, true, false, false, NULL, NULL },
		{ "Problem", "odd \\x1b", 2, 2, 2, 2, true, false, false, "odd \x1b", NULL },
		{ "SessionDown", "no session with tor-b", 2, 1, 1, 2, true, false, false, NULL, NULL },
		{ "SessionDown", "no session with tor-a, tor-b", 2, 0, 0, 2, true, false, false, NULL, NULL },
		{ "NotInBGP", "bgpd does not announce it yet to tor-b (FRR is connected)", 2, 2, 1, 2, true,
		  false, true, NULL, NULL },
		{ "NoPeers", "no usable BGPPeer selects this node", 0, 0, 0, 0, true, false, false, NULL,
		  NULL },
		{ "NotSelected",
		  "no BGPAdvertisement, pool or selector lets this node announce it; lbctl why tells more", 0,
		  0, 0, 2, true, false, false, NULL, NULL },
		{ "NotSelected",
		  "no BGPAdvertisement, pool or selector lets this node announce it; odd \\x1b", 0, 0, 0, 2,
		  true, false, false, "odd \x1b", NULL },
		{ "NoEndpoints", "no usable endpoint: clients are refused, and nothing is announced", 0, 0, 0,
		  2, true, false, false, NULL, "NoEndpoints" },
		{ "NoLocalEndpoints", "externalTrafficPolicy Local, and no usable endpoint on this node", 0,
		  0, 0, 2, true, false, false, NULL, "NoLocalEndpoints" },
		{ "NotProgrammed", "what the maps lack is tried again", 2, 2, 0, 2, false, false, true, NULL,
		  NULL },
		{ "NoRoomInMaps", "no slots", 2, 2, 0, 2, false, true, true, "no slots", NULL },
	};
	cleanup(arena_done) struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report_facts facts = good;
		struct report_service row;

		frontend.verdict = cases[i].frontend_reason ? VERDICT_REJECT : VERDICT_FORWARD;
		frontend.reason = cases[i].frontend_reason ? cases[i].frontend_reason : "";
		facts.wanted.n = cases[i].n_wanted;
		facts.up.n = cases[i].n_up;
		facts.announced.n = cases[i].n_announced;
		facts.n_peers = cases[i].n_peers;
		facts.accepted = cases[i].accepted;
		facts.unfit = cases[i].unfit;
		facts.problem = cases[i].problem;
		row = judged(&arena, &facts);
		assert_string_equal(row.reason, cases[i].reason);
		assert_string_equal(row.message, cases[i].message);
		assert_int_equal(row.exception, cases[i].exception);
		assert_int_equal(row.programmed, cases[i].accepted);
		assert_int_equal(row.announced_to.n, cases[i].n_announced);
		assert_ptr_equal(row.vips, &vip_v4);
	}
	frontend =
		(struct frontend){ .type = FRONTEND_LOAD_BALANCER, .verdict = VERDICT_FORWARD, .reason = "" };
}

/* A Service in two families, each with what may keep one of them to itself. */
static void test_judge_families(void **state _unused_)
{
	struct addr dual[] = { vip_v4, vip_v6, vip_v6 }; /* each family is told of once */
	struct frontend frontends[] = {
		{ .type = FRONTEND_LOAD_BALANCER, .addr = vip_v4, .verdict = VERDICT_FORWARD, .reason = "" },
		{ .type = FRONTEND_LOAD_BALANCER, .addr = vip_v6, .verdict = VERDICT_FORWARD, .reason = "" },
	};
	struct service_plan of_both = { .frontends = frontends, .n_frontends = 2, .vips = dual, .n_vips = 3 };
	const char *both[] = { "tor-a", "tor-b" };
	static const struct {
		const char *reason, *message;
		bool unannounced[2], wanted_in[2], told_in[2];
		size_t n_peers_in[2], n_announced;
		const char *frontend_reason[2];
	} cases[] = {
		{ "", "", { false, false }, { true, true }, { true, true }, { 1, 1 }, 2, { "", "" } },
		{ "PartlyAnnounced",
		  "IPv6 to no peer: no usable BGPPeer of this node has it in addressFamilies; add it to one, "
		  "or a peer "
		  "that has it",
		  { false, true },
		  { true, false },
		  { true, false },
		  { 2, 0 },
		  2,
		  { "", "" } },
		{ "PartlyAnnounced",
		  "IPv4 to no peer: no usable BGPPeer of this node has it in addressFamilies; add it to one, "
		  "or a peer "
		  "that has it",
		  { true, false },
		  { false, true },
		  { false, true },
		  { 0, 2 },
		  2,
		  { "", "" } },
		{ "PartlyAnnounced",
		  "IPv6 to no peer: no BGPAdvertisement wants it of this node (serviceIPPools, peers, "
		  "nodeSelectors, "
		  "maxNextHops)",
		  { false, true },
		  { true, false },
		  { true, false },
		  { 2, 1 },
		  2,
		  { "", "" } },
		{ "PartlyAnnounced",
		  "IPv4 to no peer: no usable endpoint has an address of it",
		  { true, false },
		  { false, true },
		  { false, true },
		  { 2, 2 },
		  2,
		  { "NoEndpoints", "" } },
		{ "PartlyAnnounced",
		  "IPv6 to no peer: externalTrafficPolicy Local, and no usable endpoint of it on this node",
		  { false, true },
		  { true, false },
		  { true, false },
		  { 2, 2 },
		  2,
		  { "", "NoLocalEndpoints" } },
		/* The session that would carry it is down: that is the reason, and it is unannounced all the
		 * same.
		 */
		{ "SessionDown",
		  "no session with tor-b",
		  { false, true },
		  { true, true },
		  { true, false },
		  { 1, 1 },
		  1,
		  { "", "" } },
		/* Both troubles: the session's comes first. */
		{ "SessionDown",
		  "no session with tor-b; IPv6 to no peer: no usable endpoint has an address of it",
		  { false, true },
		  { true, false },
		  { true, false },
		  { 2, 2 },
		  1,
		  { "", "NoEndpoints" } },
		/* Nothing at all is announced: the families are not told apart. */
		{ "SessionDown",
		  "no session with tor-a, tor-b",
		  { false, false },
		  { true, true },
		  { false, false },
		  { 1, 1 },
		  0,
		  { "", "" } },
	};
	cleanup(arena_done) struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report_facts facts = { .name = "web/shop",
					      .plan = &of_both,
					      .accepted = true,
					      .wanted = list(both, 2),
					      .up = list(both, cases[i].n_announced),
					      .announced = list(both, cases[i].n_announced),
					      .n_peers = 2,
					      .daemon_state = "connected" };
		struct report_service row;

		memcpy(facts.wanted_in, cases[i].wanted_in, sizeof(facts.wanted_in));
		memcpy(facts.told_in, cases[i].told_in, sizeof(facts.told_in));
		memcpy(facts.n_peers_in, cases[i].n_peers_in, sizeof(facts.n_peers_in));
		for (size_t j = 0; j < 2; j++) {
			frontends[j].reason = cases[i].frontend_reason[j];
			frontends[j].verdict = *frontends[j].reason ? VERDICT_REJECT : VERDICT_FORWARD;
		}
		row = judged(&arena, &facts);
		assert_string_equal(row.reason, cases[i].reason);
		assert_string_equal(row.message, cases[i].message);
		assert_int_equal(row.unannounced[0], cases[i].unannounced[0]);
		assert_int_equal(row.unannounced[1], cases[i].unannounced[1]);
		assert_false(row.exception); /* its reporters tell it, in large clusters too */
	}
}

/* What no node of the cluster serves is no exception of this one: thousand nodes would all say it. */
static void test_judge_refused(void **state _unused_)
{
	struct report_facts facts = { .name = "web/shop",
				      .problem = "192.0.2.1 is a node's address",
				      .n_peers = 1 };
	cleanup(arena_done) struct arena arena = { 0 };
	struct report_service row = judged(&arena, &facts);

	assert_string_equal(row.reason, "Refused");
	assert_string_equal(row.message, "192.0.2.1 is a node's address");
	assert_false(row.exception);
	assert_false(row.programmed);
	assert_int_equal(row.n_vips, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_peers_and_ready),
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_omitted_releasing),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_judge_refused),
		cmocka_unit_test(test_judge_families),
	};

	addr_parse("192.0.2.1", &vip_v4);
	addr_parse("2001:db8::1", &vip_v6);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
