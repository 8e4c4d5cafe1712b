// SPDX-License-Identifier: Apache-2.0
/* When an LBNode is written, and what is done after which answer: the reporter against a clock, a timer and
 * an API server that are plain variables here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ipam/release.h"
#include "k8s/backoff.h"
#include "k8s/decode.h"
#include "k8s/yaml.h"
#include "userspace/agent/agent.h"
#include "userspace/agent/releasing.h"
#include "userspace/agent/report_collect.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

/* --- the world of these tests -------------------------------------------------------------------- */

static uint64_t now_msec;
static uint32_t random_number;
static struct {
	loop_fn *fn;
	void *userdata;
	bool set;
	uint64_t due_msec;
} timer;
static struct {			/* the request under way */
	api_reply_fn *answered; /* NULL: none */
	void *userdata;
	char method[8], *body;
} call;
static unsigned n_calls;
static bool reachable;
static const char *says; /* what the report is about */
static bool sampled;
static uint32_t prefixes;
static const char *leaving; /* the service that is being released; NULL: none */
static size_t n_stuck;	    /* … and others that do not go */
static size_t n_others;	    /* services that are named and are as they should be: the report's size */
static unsigned n_looks, n_glances;

uint64_t loop_now_msec(void)
{
	return now_msec;
}

uint32_t loop_random(void)
{
	return random_number;
}

int loop_timer_new(struct sd_event *event _unused_, loop_fn *fn, void *userdata, struct loop_timer **ret)
{
	timer.fn = fn;
	timer.userdata = userdata;
	*ret = NULL;
	return 0;
}

void loop_timer_free(struct loop_timer *own _unused_)
{
	timer.fn = NULL;
}

void loop_timer_set_earlier(struct loop_timer *own _unused_, uint64_t after_msec)
{
	if (!timer.set || now_msec + after_msec < timer.due_msec)
		timer.due_msec = now_msec + after_msec;
	timer.set = true;
}

void loop_timer_stop(struct loop_timer *own _unused_)
{
	timer.set = false;
}

int api_send(struct api *api _unused_, const struct api_call *sent, api_reply_fn *answered, void *userdata,
	     struct api_request **ret)
{
	assert_null(call.answered); /* one at a time */
	snprintf(call.method, sizeof(call.method), "%s", sent->method);
	free(call.body);
	call.body = strndup(sent->body, sent->length);
	call.answered = answered;
	call.userdata = userdata;
	*ret = (struct api_request *)&call;
	n_calls++;
	return 0;
}

void api_cancel(struct api_request *request _unused_)
{
	call.answered = NULL;
}

struct api_state api_state(const struct api *api _unused_)
{
	return (struct api_state){ .reachable = reachable };
}

struct api *agent_source_api(const struct agent_source *source _unused_)
{
	return NULL;
}

size_t frr_peers(const struct frr *frr _unused_, const struct frr_peer_view **ret)
{
	*ret = NULL;
	return 0;
}

#define STUCK_MAX 100

static struct report_service leaving_row(const char *name)
{
	static struct addr addr;

	assert_int_equal(addr_parse("192.0.2.1", &addr), 0);
	return (struct report_service){ .name = name,
					.vips = &addr,
					.n_vips = 1,
					.releasing = true,
					.reason = "Releasing",
					.message = "" };
}

static size_t put_leaving(struct report_service *rows)
{
	static char names[STUCK_MAX][32];
	size_t n = 0;

	if (leaving)
		rows[n++] = leaving_row(leaving);
	for (size_t i = 0; i < n_stuck; i++) {
		snprintf(names[i], sizeof(names[i]), "w/stuck-%03zu", i);
		rows[n++] = leaving_row(names[i]);
	}
	return n;
}

int releasing_collect(struct arena *arena, const struct applied *applied _unused_,
		      const struct node_plan *plan _unused_, struct report_service **ret, size_t *ret_n)
{
	*ret = arena_array(arena, STUCK_MAX + 1, sizeof(**ret));
	*ret_n = put_leaving(*ret);
	n_glances++;
	return 0;
}

int report_collect(struct agent *agent _unused_, struct arena *arena, struct node_report *ret)
{
	struct report_service *rows = arena_array(arena, n_others + STUCK_MAX + 1, sizeof(*rows));
	struct lb_node_peer *peer = arena_array(arena, 1, sizeof(*peer));

	for (size_t i = 0; i < n_others; i++)
		rows[i] = (struct report_service){ .name = "a-namespace-of-some-length/and-a-service-of-it",
						   .programmed = true,
						   .reporter = true,
						   .reason = "",
						   .message = "" };
	*peer = (struct lb_node_peer){ .name = "tor",
				       .address = "",
				       .state = "Established",
				       .prefixes_sent = prefixes,
				       .last_error = "" };
	*ret = (struct node_report){ .agent_version = "1",
				     .sampled = sampled,
				     .peers = peer,
				     .n_peers = 1,
				     .services = rows,
				     .n_services = n_others + put_leaving(rows + n_others),
				     .ready = true,
				     .ready_reason = "Ready",
				     .ready_message = says };
	n_looks++;
	return 0;
}

/* --- what the tests do with it ------------------------------------------------------------------- */

static struct agent agent;

static void put_node(void)
{
	static const char text[] = "{apiVersion: v1, kind: Node, metadata: {name: n1, uid: u-1}}";
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	struct json_error error;
	struct object *object;

	assert_int_equal(yaml_parse(text, strlen(text), &document, &error), 0);
	assert_int_equal(decode_object(document.first, "test", &object, &problems), DECODED);
	assert_int_equal(store_put(agent.store, object), 0);
}

static void pass(uint64_t msec)
{
	uint64_t until = now_msec + msec;

	while (timer.set && timer.due_msec <= until) {
		now_msec = timer.due_msec > now_msec ? timer.due_msec : now_msec;
		timer.set = false;
		timer.fn(timer.userdata);
	}
	now_msec = until;
}

static void answer(int status)
{
	const struct api_reply reply = { .status = status, .reason = "", .message = "as it is" };
	api_reply_fn *answered = call.answered;

	assert_non_null(answered);
	call.answered = NULL;
	answered(call.userdata, &reply);
}

/* A PATCH is under way that says this. */
static void is_written(const char *text)
{
	assert_non_null(call.answered);
	assert_string_equal(call.method, "PATCH");
	assert_non_null(strstr(call.body, "\"heartbeatTime\":\"2"));
	if (!strstr(call.body, text))
		fail_msg("\"%s\" is not in %s", text, call.body);
}

static void is_written_before(const char *text)
{
	assert_non_null(strstr(call.body, text));
}

static void change(const char *text)
{
	says = text;
	reporter_kick(agent.reporter);
}

/* It said this, and the API server took it. */
static void told(const char *text)
{
	change(text);
	pass(1100);
	is_written(text);
	answer(200);
}

static int setup(void **state _unused_)
{
	now_msec = 1000000;
	random_number = 0;
	n_calls = 0;
	reachable = true;
	says = "";
	sampled = false;
	prefixes = 0;
	leaving = NULL;
	n_stuck = n_others = n_looks = n_glances = 0;
	timer.set = false;
	call.answered = NULL;
	agent = (struct agent){ .node = "n1", .store = store_new(), .accepted_known = true };
	put_node();
	return reporter_new(&agent, &agent.reporter);
}

static int teardown(void **state _unused_)
{
	reporter_free(agent.reporter);
	store_free(agent.store);
	free(call.body);
	call.body = NULL;
	return 0;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void the_object_is_made_when_it_is_missing(void **state _unused_)
{
	change("first");
	pass(99);
	assert_int_equal(n_calls, 0); /* bgpd's answer should be in it */
	pass(1);
	is_written("first");
	answer(404);
	assert_string_equal(call.method, "POST");
	assert_non_null(strstr(call.body, "\"uid\":\"u-1\""));
	answer(201);
	is_written("first");
	answer(200);
	assert_int_equal(reporter_state(agent.reporter).n_writes, 1);
}

/* A server that says of what it just made that it is not there is not asked in a circle. */
static void what_is_missing_again_is_waited_for(void **state _unused_)
{
	change("first");
	pass(100);
	answer(404);
	answer(201);
	answer(404);
	assert_null(call.answered);
	assert_int_equal(n_calls, 3);
	pass(BACKOFF_MOST_MSEC);
	assert_string_equal(call.method, "POST");
}

static void what_changes_is_written_once_a_second(void **state _unused_)
{
	told("first");
	n_calls = 0;
	for (int i = 0; i < 20; i++) {
		change(i % 2 ? "odd" : "even");
		pass(49); /* not a second */
	}
	assert_int_equal(n_calls, 0);
	pass(100);
	is_written("odd");
	change("later"); /* while it is under way */
	pass(5000);
	assert_int_equal(n_calls, 1);
	answer(200);
	pass(1100);
	is_written("later");
}

/* Who says nothing is not alive: within a minute something is written, and not by all nodes in one moment. */
static void a_sign_of_life_is_written(void **state _unused_)
{
	static const uint32_t randoms[] = { 0, 7, 14999, 15000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(randoms) / sizeof(*randoms); i++) {
		random_number = randoms[i];
		told(i % 2 ? "odd" : "even");
		n_calls = 0;
		for (unsigned beat = 0; beat < 3; beat++) {
			pass(44999);
			reporter_kick(agent.reporter); /* nothing has changed */
			assert_int_equal(n_calls, beat);
			pass(REPORT_HEARTBEAT_SEC * 1000 - 44999);
			assert_int_equal(n_calls, beat + 1);
			is_written(i % 2 ? "odd" : "even");
			answer(200);
		}
	}
	random_number = 14999; /* drawn, not fixed */
	told("late");
	n_calls = 0;
	pass(59998);
	assert_int_equal(n_calls, 0);
}

/* Each Service changes them: on a few nodes they are written as everything is, of a thousand that would be a
 * thousand writes for each. */
static void counts_of_many_nodes_wait_for_a_sign_of_life(void **state _unused_)
{
	told("first");
	prefixes = 7;
	told("first");
	sampled = true;
	told("first");
	is_written_before("\"prefixesSent\":7");
	n_calls = 0;
	prefixes = 8;
	change("first");
	pass(44000);
	assert_int_equal(n_calls, 0);
	pass(1000);
	is_written("\"prefixesSent\":8");
	answer(200);
	prefixes = 9;
	told("else");
	is_written_before("\"prefixesSent\":9");
}

/* On a thousand nodes a Service that goes would be two thousand writes. */
static void what_is_released_at_once_is_not_told_by_many_nodes(void **state _unused_)
{
	told("first"); /* on a few nodes it is, at once */
	leaving = "w/shop";
	told("first");
	is_written_before("w/shop=192.0.2.1");
	leaving = NULL;
	told("first");
	sampled = true;
	told("first");
	n_calls = 0;
	for (unsigned i = 0; i < 3; i++) {
		leaving = i % 2 ? "w/shop" : "w/other";
		prefixes++; /* of no weight here, either */
		change("first");
		pass(REPORT_QUIET_MSEC - 200);
		leaving = NULL;
		change("first");
		pass(1100);
		assert_int_equal(n_calls, 0);
	}
	leaving = "w/shop"; /* one that cannot go */
	change("first");
	pass(REPORT_QUIET_MSEC - 1);
	assert_int_equal(n_calls, 0);
	pass(1);
	is_written("w/shop=192.0.2.1");
	answer(200);
	leaving = NULL; /* having said so, it says the end, too */
	told("first");
	leaving = "w/shop"; /* what is new besides waits for nothing */
	told("second");
	is_written_before("w/shop=192.0.2.1");
	leaving = NULL;
	told("second");
	n_calls = 0;
	pass(44000);
	leaving = "w/other"; /* nor does a sign of life wait for it */
	change("second");
	pass(999);
	assert_int_equal(n_calls, 0);
	pass(1);
	is_written("w/other=192.0.2.1");
}

/* --- what lbcontroller relies on: ipam/release.h --------------------------------------------------- */

/* What is left are both watches, the round that begins the release and the request. */
_Static_assert(RELEASE_QUIET_MSEC >= 2 * REPORT_QUIET_MSEC, "a release is told in time");

static const size_t sizes[] = { 0, 1000, 3000, 6000, 30000 }; /* the last finds no room */

static void report_of(size_t size, bool in_large_cluster)
{
	n_others = size;
	sampled = in_large_cluster;
	change("a new size");
	pass(20000); /* any rest */
	is_written("a new size");
	answer(200);
}

/* It begins this long after a write was answered, and does not end. */
static void is_told_in_time(uint64_t after_msec)
{
	unsigned before = n_calls;
	uint64_t began_msec;

	pass(after_msec);
	assert_int_equal(n_calls, before);
	began_msec = now_msec;
	leaving = "w/shop";
	reporter_kick(agent.reporter);
	while (n_calls == before) {
		assert_true(now_msec - began_msec < REPORT_QUIET_MSEC);
		pass(1);
	}
	is_written("w/shop=192.0.2.1");
	answer(200);
	leaving = NULL;
	reporter_kick(agent.reporter);
	pass(20000);
	is_written("\"groups\"");
	if (strstr(call.body, "w/shop"))
		fail_msg("what is gone is named");
	answer(200);
}

static void what_cannot_go_is_told_in_time_however_large_the_report(void **state _unused_)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned large = 0; large < 2; large++) {
			report_of(sizes[i], large);
			for (uint64_t after_msec = 0; after_msec < 12000; after_msec += 1370)
				is_told_in_time(after_msec);
		}
	assert_true(strlen(call.body) > REPORT_BYTES_MAX);
}

/* Also if a write without it is under way when it begins. */
static void what_begins_during_a_write_is_told_in_time(void **state _unused_)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned large = 0; large < 2; large++) {
			report_of(sizes[i], large);
			change("second");
			pass(20000);
			is_written("second");
			leaving = "w/shop";
			reporter_kick(agent.reporter);
			pass(REPORT_QUIET_MSEC - 1000);
			answer(200);
			pass(1000);
			is_written("w/shop=192.0.2.1");
			answer(200);
			leaving = NULL;
		}
}

/* A new one each second, and none goes: one write tells of all that there are. */
static void many_that_cannot_go_do_not_make_many_writes(void **state _unused_)
{
	for (unsigned large = 0; large < 2; large++) {
		n_stuck = 0;
		report_of(30000, large);
		n_calls = 0;
		while (n_stuck < 60) {
			n_stuck++;
			reporter_kick(agent.reporter);
			for (unsigned i = 0; i < 20; i++) {
				pass(50);
				if (call.answered)
					answer(200);
			}
		}
		assert_in_range(n_calls, 60 / 4 - 1, 60 * 1000 / REPORT_QUIET_MSEC);
	}
}

/* Releases that take a second, one after the other, end no rest: in one it is looked once a second whether
 * something is being released, and at nothing else. */
static void what_goes_in_time_ends_no_rest(void **state _unused_)
{
	report_of(30000, true);
	n_calls = n_looks = n_glances = 0;
	for (unsigned i = 0; i < 90; i++) {
		leaving = i % 20 < 10 ? (i % 40 < 20 ? "w/shop" : "w/other") : NULL;
		reporter_kick(agent.reporter);
		pass(100);
	}
	assert_int_equal(n_calls, 0);
	assert_int_equal(n_looks, 0);
	assert_in_range(n_glances, 5, 9);
}

/* One that goes and comes back between two writes stands there already: no rest ends for it a second time. */
static void what_stands_there_already_ends_no_rest(void **state _unused_)
{
	report_of(30000, true);
	leaving = "w/shop";
	reporter_kick(agent.reporter);
	pass(REPORT_QUIET_MSEC);
	is_written("w/shop=192.0.2.1");
	answer(200);
	leaving = NULL;
	reporter_kick(agent.reporter);
	pass(1100);
	leaving = "w/shop";
	reporter_kick(agent.reporter);
	n_calls = n_looks = 0;
	pass(REPORT_QUIET_MSEC);
	assert_int_equal(n_looks, 1); /* as for one that is not told */
	for (unsigned i = 0; i < 50; i++) {
		reporter_kick(agent.reporter);
		pass(100);
	}
	assert_int_equal(n_looks, 1);
	assert_int_equal(n_calls, 0);
}

/* Nor does it cut the pause after a write that failed: the API server asked for it. */
static void what_must_be_told_waits_for_a_failed_write(void **state _unused_)
{
	report_of(30000, true);
	leaving = "w/shop";
	reporter_kick(agent.reporter);
	pass(REPORT_QUIET_MSEC);
	is_written("w/shop=192.0.2.1");
	for (unsigned i = 0; i < 8; i++) {
		answer(500);
		n_calls = 0;
		reporter_kick(agent.reporter);
		pass(BACKOFF_FIRST_MSEC - 1);
		assert_int_equal(n_calls, 0);
		pass(BACKOFF_MOST_MSEC);
		is_written("w/shop=192.0.2.1");
	}
}

/* A write without an answer may have been executed: what stands there is not known, and what stood before is
 * written again although it was acknowledged last. */
static void what_a_failed_write_left_is_not_known(void **state _unused_)
{
	static const int answers[] = { 0, 500, 403 };

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		const char *first = i % 2 ? "odd" : "even";

		told(first);
		change("second");
		pass(1100);
		is_written("second");
		says = first; /* meanwhile it is as before */
		answer(answers[i]);
		assert_null(call.answered);
		n_calls = 0;
		pass(BACKOFF_MOST_MSEC);
		assert_int_equal(n_calls, 1);
		is_written(first);
		answer(200);
		pass(10000);
		assert_int_equal(n_calls, 1); /* now it is */
	}
	assert_int_equal(reporter_state(agent.reporter).n_failures, 3);
}

static void before_the_first_round_nothing_is_said(void **state _unused_)
{
	agent.accepted_known = false;
	change("nothing");
	pass(100000);
	assert_int_equal(n_calls, 0);
	agent.accepted_known = true;
	told("something");
}

int main(void)
{
#define row(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		row(the_object_is_made_when_it_is_missing),
		row(what_is_missing_again_is_waited_for),
		row(what_changes_is_written_once_a_second),
		row(a_sign_of_life_is_written),
		row(what_is_released_at_once_is_not_told_by_many_nodes),
		row(counts_of_many_nodes_wait_for_a_sign_of_life),
		row(what_cannot_go_is_told_in_time_however_large_the_report),
		row(what_begins_during_a_write_is_told_in_time),
		row(many_that_cannot_go_do_not_make_many_writes),
		row(what_goes_in_time_ends_no_rest),
		row(what_stands_there_already_ends_no_rest),
		row(what_must_be_told_waits_for_a_failed_write),
		row(what_a_failed_write_left_is_not_known),
		row(before_the_first_round_nothing_is_said),
	};

	log_threshold = LOG_LEVEL_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
