// SPDX-License-Identifier: Apache-2.0
/* ipam/outbox without an API server: what it lets go, and what it makes of a write that gets no answer.
 * Answers: test_outbox_answers.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <systemd/sd-event.h>

#include "ipam/outbox.h"
#include "k8s/json.h"
#include "ipam/rush.h"
#include "tests/edge/outbox_frame.h"
#include "tests/edge/scratch.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/io/loop.h"

#define LAST_RESORT_USEC 60000000 /* only a broken outbox takes that long */

struct fixture {
	struct scratch scratch;
	sd_event *event;
	struct api *api;
	struct event_book *book;
	struct outbox *outbox;
	bool leads;
	int refusal; /* of `sending` */
	unsigned n_sending, n_acknowledged, n_refused;
	bool due_in_calm;
};

static bool may_write(void *userdata)
{
	return ((struct fixture *)userdata)->leads;
}

static int on_sending(void *userdata, const struct meta *meta _unused_,
		      const struct service_write *write _unused_)
{
	struct fixture *fixture = userdata;

	fixture->n_sending++;
	return fixture->refusal;
}

static void on_acknowledged(void *userdata, const struct meta *meta _unused_,
			    const struct service_write *write _unused_, uint64_t version _unused_)
{
	((struct fixture *)userdata)->n_acknowledged++;
}

static void on_refused(void *userdata, enum object_kind kind _unused_, const struct meta *meta _unused_,
		       const char *message _unused_)
{
	((struct fixture *)userdata)->n_refused++;
}

static void on_due(void *userdata)
{
	struct fixture *fixture = userdata;

	fixture->due_in_calm |= !outbox_holds_back(fixture->outbox, loop_now_msec());
}

/* Nobody listens at port 1. */
static int set_up(void **state)
{
	static const struct outbox_fns fns = { may_write, on_sending, on_acknowledged, on_refused, on_due };
	const struct event_source source = { .instance = "test", .seed = 1 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char path[256];
	const struct api_options options = { .kubeconfig = path };

	assert_non_null(fixture);
	fixture->scratch = scratch_new();
	scratch_write(&fixture->scratch, "kubeconfig",
		      "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
		      "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
		      "users: [{name: u, user: {token: x}}]\n");
	snprintf(path, sizeof(path), "%s/kubeconfig", fixture->scratch.path);
	assert_int_equal(sd_event_new(&fixture->event), 0);
	assert_int_equal(api_new(fixture->event, &options, &fixture->api), 0);
	fixture->book = event_book_new();
	assert_non_null(fixture->book);
	assert_int_equal(outbox_new(fixture->event, fixture->api, fixture->book, &source, &fns, fixture,
				    &fixture->outbox),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	outbox_free(fixture->outbox);
	event_book_free(fixture->book);
	api_free(fixture->api);
	sd_event_unref(fixture->event);
	scratch_done(&fixture->scratch);
	free(fixture);
	return 0;
}

static const struct meta other = { .namespace = "w", .name = "other", .uid = "v" };

static void test_nothing_leaves_without_leadership(void **state)
{
	struct fixture *fixture = *state;

	tell_event(fixture->book);
	round_wants(fixture->outbox, &shop);
	assert_int_equal(fixture->n_sending, 0);
	assert_true(outbox_is_idle(fixture->outbox));
	assert_int_equal(outbox_counts(fixture->outbox).n_queued, 1);
	outbox_begin(fixture->outbox);
	outbox_send(fixture->outbox); /* the Event alone */
	assert_true(outbox_is_idle(fixture->outbox));
	assert_int_equal(outbox_counts(fixture->outbox).events, 0);

	fixture->leads = true;
	round_wants(fixture->outbox, &shop);
	assert_int_equal(fixture->n_sending, 1);
	assert_int_equal(outbox_counts(fixture->outbox).n_under_way, 1);
}

static void run_until_idle(struct fixture *fixture)
{
	uint64_t until_usec = loop_now_usec() + LAST_RESORT_USEC;

	while (!outbox_is_idle(fixture->outbox) && loop_now_usec() < until_usec)
		assert_true(sd_event_run(fixture->event, 1000000) >= 0);
}

/* Leadership is lost while a write and an Event wait in the API client's queue. */
static void test_nothing_leaves_when_leadership_is_lost_meanwhile(void **state)
{
	struct fixture *fixture = *state;

	fixture->leads = true;
	tell_event(fixture->book);
	outbox_send(fixture->outbox); /* the Event */
	round_wants(fixture->outbox, &shop);
	assert_int_equal(outbox_counts(fixture->outbox).n_under_way, 1);
	assert_int_equal(outbox_counts(fixture->outbox).events, 1);
	fixture->leads = false;
	run_until_idle(fixture);
	assert_int_equal(outbox_counts(fixture->outbox).unanswered, 1);
	assert_int_equal(api_state(fixture->api).n_requests, 0);
	fixture->leads = true; /* as it would have been */
	tell_event(fixture->book);
	round_wants(fixture->outbox, &other);
	run_until_idle(fixture);
	assert_true(api_state(fixture->api).n_requests > 0);
}

static void test_nothing_leaves_after_the_stop(void **state)
{
	struct fixture *fixture = *state;

	fixture->leads = true;
	outbox_stop(fixture->outbox);
	round_wants(fixture->outbox, &shop);
	assert_int_equal(fixture->n_sending, 0);
	assert_true(outbox_is_idle(fixture->outbox));
}

/* What the ledger could not note is not sent. */
static void test_nothing_leaves_unnoted(void **state)
{
	struct fixture *fixture = *state;

	fixture->leads = true;
	fixture->refusal = -ENOMEM;
	round_wants(fixture->outbox, &shop);
	assert_int_equal(fixture->n_sending, 1);
	assert_true(outbox_is_idle(fixture->outbox));
	assert_true(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, loop_now_msec()));
}

/* A status that says what was read is not written; one that says else, or was not there, is. */
static void test_nothing_new(void **state)
{
	static const char text[] = "{\"status\":{\"a\":1}}";
	cleanup(json_document_done) struct json_document read = { 0 };
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct fixture *fixture = *state;
	struct json_error error;
	uint64_t digest;

	assert_int_equal(json_parse(text, strlen(text), &read, &error), 0);
	digest = json_digest(json_member(read.first, "status"));
	strbuf_append(&body, text);
	for (unsigned i = 0; i < 3; i++) {
		const struct outbox_write write = { .kind = OBJECT_BGP_PEER,
						    .meta = &other,
						    .is_status = true,
						    .urgency = WRITE_SOON,
						    .content_type = "application/merge-patch+json",
						    .body = &body,
						    .seen_digest = i == 0   ? digest
								   : i == 1 ? digest + 1
									    : 0 };

		outbox_begin(fixture->outbox);
		assert_int_equal(outbox_add(fixture->outbox, &write, loop_now_msec()), 0);
		assert_int_equal(outbox_counts(fixture->outbox).n_queued, i > 0);
	}
}

static void test_no_answer(void **state)
{
	struct fixture *fixture = *state;

	fixture->leads = true;
	round_wants(fixture->outbox, &shop);
	assert_false(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, loop_now_msec()));
	round_wants(fixture->outbox, &shop); /* one at a time for each object */
	assert_int_equal(fixture->n_sending, 1);
	round_wants(fixture->outbox, &other);
	assert_int_equal(fixture->n_sending, 2);

	run_until_idle(fixture);
	assert_int_equal(outbox_counts(fixture->outbox).unanswered, 2);
	assert_int_equal(fixture->n_acknowledged + fixture->n_refused, 0);
	assert_false(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, 0)); /* not before its time */
	assert_true(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, loop_now_msec() + 60000));
}

/* Nothing else leaves while many addresses go out; it does when that is over. */
static void test_addresses_in_a_rush(void **state)
{
	static const char *const names[RUSH_WRITES] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct fixture *fixture = *state;
	uint64_t until_usec = loop_now_usec() + LAST_RESORT_USEC;
	size_t i;

	fixture->leads = true;
	tell_event(fixture->book);
	outbox_begin(fixture->outbox);
	add_write(fixture->outbox, &shop, WRITE_SOON);
	for (i = 0; i < RUSH_WRITES; i++)
		add_write(fixture->outbox,
			  &(struct meta){ .namespace = "w", .name = names[i], .uid = names[i] }, WRITE_NOW);
	outbox_send(fixture->outbox);
	assert_int_equal(fixture->n_sending, RUSH_WRITES);
	assert_int_equal(outbox_counts(fixture->outbox).n_queued, 1);
	assert_int_equal(outbox_counts(fixture->outbox).events, 0);
	assert_true(outbox_holds_back(fixture->outbox, loop_now_msec()));

	while (!fixture->due_in_calm && loop_now_usec() < until_usec)
		assert_true(sd_event_run(fixture->event, 1000000) >= 0);
	assert_true(fixture->due_in_calm); /* the next round is asked for */
	outbox_send(fixture->outbox);
	assert_int_equal(fixture->n_sending, RUSH_WRITES + 1);
	assert_int_equal(outbox_counts(fixture->outbox).n_queued, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_leaves_without_leadership),
		TEST(test_nothing_leaves_when_leadership_is_lost_meanwhile),
		TEST(test_nothing_leaves_after_the_stop),
		TEST(test_nothing_leaves_unnoted),
		TEST(test_nothing_new),
		TEST(test_no_answer),
		TEST(test_addresses_in_a_rush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
