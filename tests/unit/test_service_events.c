// SPDX-License-Identifier: Apache-2.0
/* Each Event of a Service: its type, reason and note, when it comes, and that it comes once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/service_write.h"
#include "k8s/json.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define NEXT_STORY_MSEC (EVENT_SERIES_MSEC + 1000) /* what is told after that long is no series */

struct fixture {
	struct world world;
	struct event_book *book;
	struct service *shop;
	struct condition conditions[4];
	struct event_clock clock;
	/* what is to be */
	struct allocation allocation;
	struct service_state state;
	struct service_problem problem;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->book = event_book_new();
	assert_non_null(fixture->book);
	fixture->shop = world_service(&fixture->world, "w/shop");
	fixture->shop->meta.uid = "u";
	fixture->allocation = (struct allocation){
		.namespace = "w", .name = "shop", .pool = "", .reason = "", .message = ""
	};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	world_done(&fixture->world);
	event_book_free(fixture->book);
	free(fixture);
	return 0;
}

/* What would be written, "TYPE REASON ACTION: NOTE" a line; a series is "again". */
static void expect_told(struct fixture *fixture, const char *what, const char *wanted)
{
	static const struct event_source source = { .instance = "a", .seed = 0x1000 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct event_write write;
	uint64_t due;

	while (event_book_next(fixture->book, &source, fixture->clock.now_msec, &write, &due)) {
		cleanup(json_document_done) struct json_document event = { 0 };
		struct json_error error;

		assert_int_equal(json_parse(write.body, write.length, &event, &error), 0);
		strbuf_append(&got, got.length ? "\n" : "");
		if (write.again) {
			strbuf_append(&got, "again");
		} else {
			const struct json *regarding = json_member(event.first, "regarding");

			strbuf_appendf(&got, "%s %s %s: %s", json_member(event.first, "type")->text,
				       json_member(event.first, "reason")->text,
				       json_member(event.first, "action")->text,
				       json_member(event.first, "note")->text);
			assert_string_equal(json_member(regarding, "kind")->text, "Service");
			assert_string_equal(json_member(regarding, "uid")->text, "u");
		}
		event_book_answer(fixture->book, write.token, EVENT_WRITTEN, fixture->clock.now_msec);
	}
	if (strcmp(strbuf_text(&got), wanted) != 0)
		fail_msg("%s: told '%s', expected '%s'", what, strbuf_text(&got), wanted);
}

static void see(struct fixture *fixture, const char *type, const char *reason, const char *message)
{
	struct conditions *seen = &fixture->shop->meta.conditions;

	fixture->conditions[seen->n++] = (struct condition){ .type = type,
							     .status = CONDITION_TRUE,
							     .reason = reason,
							     .message = message,
							     .transition_sec = 1 };
	seen->items = fixture->conditions;
}

/* The watch shows what was written. */
static void see_written(struct fixture *fixture)
{
	char text[2 * ADDR_TEXT_MAX] = "", one[ADDR_TEXT_MAX];

	for (size_t i = 0; i < fixture->allocation.n_addresses; i++) {
		strcat(text, i ? " " : "");
		strcat(text, addr_format(&fixture->allocation.addresses[i], one));
	}
	world_ingress(&fixture->world, fixture->shop, text);
	fixture->shop->meta.conditions.n = 0;
	see(fixture, CONDITION_ALLOCATED,
	    *fixture->allocation.reason ? fixture->allocation.reason : "Allocated",
	    fixture->allocation.message);
	if (fixture->state.announced.type) {
		see(fixture, CONDITION_PROGRAMMED, fixture->state.programmed.reason,
		    fixture->state.programmed.message);
		see(fixture, CONDITION_ANNOUNCED, fixture->state.announced.reason,
		    fixture->state.announced.message);
	}
	if (fixture->problem.reason)
		see(fixture, CONDITION_PROBLEM, fixture->problem.reason, fixture->problem.message);
}

static void write_it(struct fixture *fixture)
{
	cleanup(service_write_done) struct service_write write = { 0 };

	assert_int_equal(service_write_decide(fixture->shop, &fixture->allocation,
					      fixture->state.announced.type ? &fixture->state : NULL,
					      fixture->problem.reason ? &fixture->problem : NULL, 1, &write),
			 0);
	if (write.urgency == WRITE_NOTHING)
		return;
	assert_int_equal(service_events_sending(fixture->book, &fixture->shop->meta, &write, fixture->clock),
			 0);
	assert_int_equal(service_events_written(fixture->book, &fixture->shop->meta, &write, fixture->clock),
			 0);
}

static void give(struct fixture *fixture, const char *addresses)
{
	struct strings words = world_words(&fixture->world, addresses);

	fixture->allocation.n_addresses = words.n;
	for (size_t i = 0; i < words.n; i++)
		assert_int_equal(addr_parse(words.items[i], &fixture->allocation.addresses[i]), 0);
}

static void judge(struct fixture *fixture, enum condition_status status, const char *reason,
		  const char *message)
{
	fixture->state.programmed =
		(struct condition_want){ CONDITION_PROGRAMMED, CONDITION_TRUE, "Programmed", "all", 0 };
	fixture->state.announced = (struct condition_want){ CONDITION_ANNOUNCED, status, reason, message, 0 };
}

/* One after the other: each row changes what is to be, and says what is told of that. */
static const struct row {
	const char *addresses;		    /* NULL: as before */
	const char *reason, *message;	    /* of the allocation; NULL: as before */
	const char *announced, *why;	    /* reason and message of Announced; NULL: as before */
	const char *problem, *told_problem; /* "": none; NULL: as before */
	const char *told;
} rows[] = {
	{ "", "PoolExhausted", "pool p: 4 of 4", NULL, NULL, NULL, NULL,
	  "Warning SyncLoadBalancerFailed Allocate: PoolExhausted: pool p: 4 of 4" },
	{ NULL, NULL, "pool p: 5 of 5", NULL, NULL, NULL, NULL, "" }, /* other words */
	{ NULL, "NoMatchingPool", "none", NULL, NULL, NULL, NULL,
	  "Warning SyncLoadBalancerFailed Allocate: NoMatchingPool: none" },
	{ "192.0.2.1", "", "", NULL, NULL, NULL, NULL,
	  "Normal EnsuringLoadBalancer Allocate: Ensuring load balancer\n"
	  "Normal EnsuredLoadBalancer Allocate: 192.0.2.1" },
	/* nodes need a moment: that is no reason to worry anybody */
	{ NULL, NULL, NULL, "NotReported", "no node has reported it yet", NULL, NULL, "" },
	{ NULL, NULL, NULL, "NotProgrammed", "only what is programmed is announced", NULL, NULL, "" },
	{ NULL, NULL, NULL, "Announced", "to tor", NULL, NULL, "" },
	{ "192.0.2.1 2001:db8::1", NULL, NULL, NULL, NULL, NULL, NULL,
	  "Normal UpdatedLoadBalancer Allocate: 192.0.2.1, 2001:db8::1" },
	{ "192.0.2.1", "PoolExhausted", "no IPv6", NULL, NULL, NULL, NULL,
	  "Normal UpdatedLoadBalancer Allocate: 192.0.2.1\n"
	  "Warning SyncLoadBalancerFailed Allocate: PoolExhausted: no IPv6" },
	{ NULL, "", "", NULL, NULL, NULL, NULL, "" },
	/* somebody is there, and cannot help it */
	{ NULL, NULL, NULL, "NoEndpoints", "no usable endpoint", NULL, NULL, "" },
	{ NULL, NULL, NULL, "SessionDown", "no session with tor", NULL, NULL, "" },
	{ NULL, NULL, NULL, "NoPeers", "no peer", NULL, NULL, "" },
	{ NULL, NULL, NULL, REASON_NO_NODES, "no node runs lbagent", NULL, NULL,
	  "Warning UnAvailableLoadBalancer Announce: There are no available nodes for LoadBalancer: no node "
	  "runs lbagent" },
	{ NULL, NULL, NULL, "NotSelected", "node n1: excluded", NULL, NULL, "" }, /* still none */
	{ NULL, NULL, NULL, "Announced", "to tor", NULL, NULL, "" },
	{ NULL, NULL, NULL, AGENT_SILENT, "the first is n1", NULL, NULL,
	  "Warning UnAvailableLoadBalancer Announce: There are no available nodes for LoadBalancer: the "
	  "first is n1" },
	{ NULL, NULL, NULL, "Announced", "to tor", NULL, NULL, "" },
	{ NULL, NULL, NULL, "NotSelected", "node n1: excluded", NULL, NULL,
	  "Warning UnAvailableLoadBalancer Announce: There are no available nodes for LoadBalancer: node n1: "
	  "excluded" },
	{ NULL, NULL, NULL, "Announced", "to tor", NULL, NULL, "" },
	{ NULL, NULL, NULL, NULL, NULL, "InvalidAnnotation", "fairway.dev/pol: ignored",
	  "Warning Problem Read: InvalidAnnotation: fairway.dev/pol: ignored" },
	{ NULL, NULL, NULL, NULL, NULL, "InvalidAnnotation", "fairway.dev/pools: ignored",
	  "Warning Problem Read: InvalidAnnotation: fairway.dev/pools: ignored" },
	{ NULL, NULL, NULL, NULL, NULL, "Refused", "spec.ports: x",
	  "Warning Problem Read: Refused: spec.ports: x" },
	{ NULL, NULL, NULL, NULL, NULL, "", "", "" },
	{ "", "PoolExhausted", "gone", NULL, NULL, NULL, NULL,
	  "Warning SyncLoadBalancerFailed Allocate: PoolExhausted: gone" },
};

static void test_each_turn_is_told_once(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		char what[32];

		snprintf(what, sizeof(what), "row %zu", i);
		if (row->addresses)
			give(fixture, row->addresses);
		if (row->reason)
			fixture->allocation.reason = row->reason;
		if (row->message)
			fixture->allocation.message = row->message;
		if (row->announced)
			judge(fixture, CONDITION_TRUE, row->announced, row->why);
		if (row->problem)
			fixture->problem =
				(struct service_problem){ .reason = *row->problem ? row->problem : NULL,
							  .message = (char *)(uintptr_t)row->told_problem };
		write_it(fixture);
		expect_told(fixture, what, row->told);
		see_written(fixture);
		fixture->clock.now_msec += NEXT_STORY_MSEC;
		write_it(fixture); /* nothing is new */
		expect_told(fixture, what, "");
	}
}

/* What is not in a status. */
static void test_the_others(void **state)
{
	static const struct {
		enum service_event event;
		const char *note, *told;
	} events[] = {
		{ SERVICE_DELETING, NULL, "Normal DeletingLoadBalancer Release: Deleting load balancer" },
		{ SERVICE_OVERDUE, "node n1 holds it",
		  "Warning SyncLoadBalancerFailed Release: node n1 holds it" },
		{ SERVICE_WRITE_REFUSED, "403", "Warning SyncLoadBalancerFailed Write: 403" },
	};
	struct fixture *fixture = *state;
	cleanup(service_write_done) struct service_write write = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		assert_int_equal(service_event_tell(fixture->book, events[i].event, &fixture->shop->meta,
						    events[i].note, fixture->clock),
				 0);
		expect_told(fixture, events[i].told, events[i].told);
		fixture->clock.now_msec += 1000; /* once more, and it is the same one */
		assert_int_equal(service_event_tell(fixture->book, events[i].event, &fixture->shop->meta,
						    events[i].note, fixture->clock),
				 0);
		fixture->clock.now_msec += EVENT_REPEAT_MSEC;
		expect_told(fixture, events[i].told, "again");
	}
	fixture->shop->meta.finalizers = world_words(&fixture->world, CLEANUP_FINALIZER);
	assert_int_equal(service_write_clean(fixture->shop, &write), 0);
	assert_int_equal(service_events_sending(fixture->book, &fixture->shop->meta, &write, fixture->clock),
			 0);
	assert_int_equal(service_events_written(fixture->book, &fixture->shop->meta, &write, fixture->clock),
			 0);
	expect_told(fixture, "released", "Normal DeletedLoadBalancer Release: Deleted load balancer");
}

/* Nodes that come and go every second, for an hour: one Event that counts, and few writes. */
static void test_flapping(void **state)
{
	static const struct event_source source = { .instance = "a", .seed = 0x1000 };
	struct fixture *fixture = *state;
	size_t n_new = 0, n_again = 0;

	give(fixture, "192.0.2.1");
	for (unsigned i = 0; i < 3600; i++) {
		struct event_write write;
		uint64_t due;

		judge(fixture, CONDITION_TRUE, i % 2 ? "Announced" : REASON_NO_NODES, "m");
		see_written(fixture);
		judge(fixture, CONDITION_TRUE, i % 2 ? REASON_NO_NODES : "Announced", "m");
		write_it(fixture);
		fixture->clock.now_msec += 1000;
		while (event_book_next(fixture->book, &source, fixture->clock.now_msec, &write, &due)) {
			n_new += !write.again;
			n_again += write.again;
			event_book_answer(fixture->book, write.token, EVENT_WRITTEN, fixture->clock.now_msec);
		}
	}
	assert_int_equal(n_new, 1);
	assert_in_range(n_again, 1, 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_each_turn_is_told_once), TEST(test_the_others),
					    TEST(test_flapping) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
