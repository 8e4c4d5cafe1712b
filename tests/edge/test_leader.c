// SPDX-License-Identifier: Apache-2.0
/* When ipam/leader decides, and how it ends: with a clock, a source of objects and an API server that are
 * plain variables here. What it decides: tests/unit, tests/cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/leader.h"
#include "ipam/rounds.h"
#include "k8s/cluster_source.h"
#include "k8s/decode.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

/* --- the world of these tests -------------------------------------------------------------------------- */

struct loop_timer {
	loop_fn *fn;
	void *userdata;
	uint64_t due_msec; /* 0: not set */
};

static uint64_t now_msec;
static double cpu_seconds, round_costs; /* of a round, between two looks at the clock */
static struct loop_timer timers[8]; /* in the order in which they are made: the leader's first is `next` */
static size_t n_timers;
static struct loop_timer *const next = &timers[0];
static loop_fn *round_fn;
static void *round_userdata;
static bool kicked;
static struct store *store;
static struct source_result result;
static source_change_fn *changed;
static void *changed_userdata;
static struct call {
	api_reply_fn *answered; /* NULL: it was, or is not waited for */
	void *userdata;
	char path[256];
} calls[32];
static size_t n_calls;
enum log_level log_threshold;

void log_at(enum log_level level _unused_, const char *format _unused_, ...)
{
}

uint64_t loop_now_msec(void)
{
	return now_msec;
}

int64_t loop_wall_usec(void)
{
	return (int64_t)now_msec * 1000;
}

double loop_seconds_of(clockid_t clock)
{
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		cpu_seconds += round_costs;
	return cpu_seconds;
}

int loop_timer_new(struct sd_event *event _unused_, loop_fn *fn, void *userdata, struct loop_timer **ret)
{
	assert_true(n_timers < ARRAY_SIZE(timers));
	*ret = &timers[n_timers++];
	**ret = (struct loop_timer){ fn, userdata, 0 };
	return 0;
}

void loop_timer_free(struct loop_timer *timer _unused_)
{
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_msec)
{
	timer->due_msec = now_msec + after_msec;
}

void loop_timer_set_earlier(struct loop_timer *timer, uint64_t after_msec)
{
	if (!timer->due_msec || timer->due_msec > now_msec + after_msec)
		loop_timer_set(timer, after_msec);
}

int debounce_new(struct sd_event *event _unused_, uint64_t limit_msec _unused_, loop_fn *fn, void *userdata,
		 struct debounce **ret)
{
	round_fn = fn;
	round_userdata = userdata;
	*ret = NULL;
	return 0;
}

void debounce_free(struct debounce *debounce _unused_)
{
}

void debounce_kick(struct debounce *debounce _unused_)
{
	kicked = true;
}

int cluster_source_new(struct sd_event *event _unused_, struct api *api _unused_,
		       const struct cluster_source_options *options _unused_, struct store *into,
		       source_change_fn *fn, void *userdata, struct cluster_source **ret)
{
	store = into;
	changed = fn;
	changed_userdata = userdata;
	*ret = NULL;
	return 0;
}

const struct source_result *cluster_source_result(const struct cluster_source *source _unused_)
{
	return &result;
}

uint32_t cluster_source_absent(const struct cluster_source *source _unused_)
{
	return 0;
}

struct cluster_source_state cluster_source_state(const struct cluster_source *source _unused_)
{
	return (struct cluster_source_state){ 0 };
}

void cluster_source_free(struct cluster_source *source _unused_)
{
}

struct api_state api_state(const struct api *api _unused_)
{
	return (struct api_state){ .reachable = true };
}

int api_send(struct api *api _unused_, const struct api_call *sent, api_reply_fn *answered, void *userdata,
	     struct api_request **ret)
{
	struct call *call = &calls[n_calls++];

	assert_true(n_calls <= ARRAY_SIZE(calls));
	snprintf(call->path, sizeof(call->path), "%s", sent->path);
	call->answered = answered;
	call->userdata = userdata;
	*ret = (struct api_request *)call;
	return 0;
}

void api_cancel(struct api_request *request)
{
	if (request)
		((struct call *)request)->answered = NULL;
}

/* --- what the tests do with it ------------------------------------------------------------------------- */

static struct leader *leader;
static bool ended;

static bool may_write(void *userdata _unused_)
{
	return true;
}

static void on_end(void *userdata _unused_)
{
	ended = true;
}

static int set_up(void **state _unused_)
{
	const struct leader_options options = { .identity = "me", .may_write = may_write };

	now_msec = 1000000;
	cpu_seconds = round_costs = 0;
	n_timers = n_calls = 0;
	kicked = ended = false;
	result = (struct source_result){ 0 };
	return leader_new(NULL, NULL, &options, &leader);
}

static int tear_down(void **state _unused_)
{
	leader_free(leader);
	return 0;
}

static void read_object(const char *text)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	struct json_error error;
	struct object *object;

	assert_int_equal(json_parse(text, strlen(text), &document, &error), 0);
	assert_int_equal(decode_object(document.first, "", &object, &problems), DECODED);
	assert_int_equal(store_put(store, object), 0);
}

static void read_service(const char *name)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"namespace\": \"w\", "
		 "\"name\": \"%s\", "
		 "\"uid\": \"%s\", \"resourceVersion\": \"5\"}, \"spec\": {\"type\": \"LoadBalancer\", "
		 "\"loadBalancerClass\": \"fairway.dev/lb\", \"clusterIP\": \"10.96.0.1\", "
		 "\"ports\": [{\"port\": 80}]}}",
		 name, name);
	read_object(text);
	changed(changed_userdata);
}

static void read_lists(void)
{
	read_object("{\"apiVersion\": \"fairway.dev/v1alpha1\", \"kind\": \"ServiceIPPool\", \"metadata\": "
		    "{\"name\": "
		    "\"p\", \"uid\": \"p\", \"resourceVersion\": \"5\"}, \"spec\": {\"addresses\": "
		    "[\"192.0.2.0/28\"]}}");
	result.delivered = true;
	changed(changed_userdata);
}

/* The loop has nothing else to do. */
static void idle(void)
{
	while (kicked) {
		kicked = false;
		round_fn(round_userdata);
	}
}

static void fires(struct loop_timer *timer, uint64_t after_msec)
{
	assert_int_equal(timer->due_msec, now_msec + after_msec);
	now_msec = timer->due_msec;
	timer->due_msec = 0;
	timer->fn(timer->userdata);
}

/* The write of a Service's status that is without an answer, or NULL. */
static struct call *write_of(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/services/%s/status", name);
	for (size_t i = 0; i < n_calls; i++)
		if (calls[i].answered && strstr(calls[i].path, path))
			return &calls[i];
	return NULL;
}

/* Something that says nothing about the write. */
static void answer(struct call *call)
{
	api_reply_fn *answered = take(call->answered);

	answered(call->userdata, &(struct api_reply){ .status = 503, .reason = "", .message = "" });
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void test_nothing_before_the_lists(void **state _unused_)
{
	read_service("shop");
	idle();
	assert_int_equal(n_calls, 0);
	assert_false(leader_has_delivered(leader));
	read_lists();
	idle();
	assert_true(leader_has_delivered(leader));
	assert_non_null(write_of("shop"));
}

/* What comes while it rests brings nothing else about: it has to wake by itself. */
static void test_a_change_in_a_rest(void **state _unused_)
{
	read_lists();
	round_costs = 1;
	idle();
	now_msec += 500;
	read_service("late");
	idle();
	assert_null(write_of("late"));
	fires(next, 1500);
	idle();
	assert_non_null(write_of("late"));
}

static void test_the_end_waits_for_answers(void **state _unused_)
{
	read_lists();
	read_service("shop");
	idle();
	assert_false(leader_is_idle(leader));
	leader_stop(leader, on_end, NULL);
	assert_int_equal(next->due_msec, now_msec + ROUNDS_STOP_MSEC);
	read_service("late");
	idle();
	assert_null(write_of("late"));
	for (size_t i = 0; i < n_calls; i++)
		if (calls[i].answered)
			answer(&calls[i]);
	assert_true(leader_is_idle(leader));
	assert_false(ended); /* not from inside an answer */
	fires(next, 0);
	assert_true(ended);
}

static void test_the_end_does_not_wait_for_ever(void **state _unused_)
{
	read_lists();
	read_service("shop");
	idle();
	leader_stop(leader, on_end, NULL);
	fires(next, ROUNDS_STOP_MSEC);
	assert_true(ended);
}

static void test_the_end_of_one_that_is_idle(void **state _unused_)
{
	leader_stop(leader, on_end, NULL);
	assert_false(ended);
	fires(next, 0);
	assert_true(ended);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_before_the_lists),	TEST(test_a_change_in_a_rest),
		TEST(test_the_end_waits_for_answers),	TEST(test_the_end_does_not_wait_for_ever),
		TEST(test_the_end_of_one_that_is_idle),
	};

	return cmocka_run_group_tests_name("leader", tests, NULL, NULL);
}
