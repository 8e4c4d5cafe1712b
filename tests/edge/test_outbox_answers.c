// SPDX-License-Identifier: Apache-2.0
/* What ipam/outbox makes of answers: with a clock and an API server that are plain variables here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/addressees.h"
#include "ipam/forbidden.h"
#include "ipam/outbox.h"
#include "k8s/json.h"
#include "tests/edge/outbox_frame.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define CALLS_MAX 128

/* --- the world of these tests -------------------------------------------------------------------------- */

static uint64_t now_msec;
static struct call {
	api_reply_fn *answered; /* NULL: it was */
	void *userdata;
	char method[8], path[256];
} calls[CALLS_MAX];
static size_t n_calls;
static unsigned n_lines;	/* logged */
static char line[1024];		/* the last */
static uint64_t due_after_msec; /* the earliest that a timer was set to */
static const char *says;	/* every answer that is no success */
enum log_level log_threshold;

void log_at(enum log_level level _unused_, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	n_lines++;
}

uint64_t loop_now_msec(void)
{
	return now_msec;
}

int loop_timer_new(struct sd_event *event _unused_, loop_fn *fn _unused_, void *userdata _unused_,
		   struct loop_timer **ret)
{
	*ret = NULL;
	return 0;
}

void loop_timer_free(struct loop_timer *timer _unused_)
{
}

void loop_timer_set(struct loop_timer *timer _unused_, uint64_t after_msec _unused_)
{
}

void loop_timer_set_earlier(struct loop_timer *timer _unused_, uint64_t after_msec)
{
	if (after_msec < due_after_msec)
		due_after_msec = after_msec;
}

int api_send(struct api *api _unused_, const struct api_call *sent, api_reply_fn *answered, void *userdata,
	     struct api_request **ret)
{
	struct call *call = &calls[n_calls++];

	assert_true(n_calls <= CALLS_MAX);
	snprintf(call->method, sizeof(call->method), "%s", sent->method);
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

static void answer(struct call *call, int status, const char *body)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	api_reply_fn *answered = take(call->answered);
	struct json_error error;

	assert_non_null(answered);
	assert_int_equal(json_parse(body, strlen(body), &document, &error), 0);
	answered(call->userdata,
		 &(struct api_reply){
			 .status = status, .reason = "", .message = says, .body = document.first });
}

/* --- the owner ----------------------------------------------------------------------------------------- */

struct fixture {
	struct event_book *book;
	struct outbox *outbox;
	unsigned n_acknowledged, n_refused;
	uint64_t version;
};

static bool may_write(void *userdata _unused_)
{
	return true;
}

static int on_sending(void *userdata _unused_, const struct meta *meta _unused_,
		      const struct service_write *write _unused_)
{
	return 0;
}

static void on_acknowledged(void *userdata, const struct meta *meta _unused_,
			    const struct service_write *write _unused_, uint64_t version)
{
	struct fixture *fixture = userdata;

	fixture->n_acknowledged++;
	fixture->version = version;
}

static void on_refused(void *userdata, enum object_kind kind _unused_, const struct meta *meta _unused_,
		       const char *message)
{
	struct fixture *fixture = userdata;

	assert_string_equal(message, says);
	fixture->n_refused++;
}

static void on_due(void *userdata _unused_)
{
}

static int set_up(void **state)
{
	static const struct outbox_fns fns = { may_write, on_sending, on_acknowledged, on_refused, on_due };
	const struct event_source source = { .instance = "test", .seed = 1 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	now_msec = 1000000;
	n_calls = n_lines = 0;
	says = "said so";
	fixture->book = event_book_new();
	assert_non_null(fixture->book);
	assert_int_equal(outbox_new(NULL, NULL, fixture->book, &source, &fns, fixture, &fixture->outbox), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	outbox_free(fixture->outbox);
	event_book_free(fixture->book);
	free(fixture);
	return 0;
}

/* A round that wants these statuses (or the objects themselves) written. */
static void want_kind(struct fixture *fixture, enum object_kind kind, const struct meta *metas, size_t n,
		      bool is_status)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	strbuf_append(&body, "{}");
	outbox_begin(fixture->outbox);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			outbox_add(fixture->outbox,
				   &(struct outbox_write){ .kind = kind,
							   .meta = &metas[i],
							   .is_status = is_status,
							   .urgency = WRITE_SOON,
							   .content_type = "application/merge-patch+json",
							   .body = &body },
				   now_msec),
			0);
}

/* … and may send them; returns how many leave. */
static size_t write_kind(struct fixture *fixture, enum object_kind kind, const struct meta *metas, size_t n,
			 bool is_status)
{
	size_t before = n_calls;

	want_kind(fixture, kind, metas, n, is_status);
	outbox_send(fixture->outbox);
	return n_calls - before;
}

/* A round that wants its address written. */
static struct call *write_shop(struct fixture *fixture)
{
	size_t before = n_calls;

	round_wants(fixture->outbox, &shop);
	assert_int_equal(n_calls, before + 1);
	assert_string_equal(calls[before].path,
			    "/api/v1/namespaces/w/services/shop/status?fieldManager=lbcontroller");
	return &calls[before];
}

/* --- tests --------------------------------------------------------------------------------------------- */

/* What stands between us and the API server may answer 200 to anything. */
static void test_an_answer_that_is_not_the_object(void **state)
{
	static const char *const bodies[] = { "{\"metadata\":{\"uid\":\"v\",\"resourceVersion\":\"9\"}}",
					      "{\"metadata\":{\"resourceVersion\":\"9\"}}", "[]",
					      "{\"metadata\":{\"uid\":\"u\"}}" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++, now_msec += 60000) {
		answer(write_shop(fixture), 200, bodies[i]);
		assert_int_equal(fixture->n_acknowledged, 0);
		assert_int_equal(outbox_counts(fixture->outbox).unanswered, i + 1);
		assert_false(outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, now_msec));
	}
	assert_int_equal(fixture->n_refused, 0);
	answer(write_shop(fixture), 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"9\"}}");
	assert_int_equal(fixture->n_acknowledged, 1);
	assert_int_equal(fixture->version, 9);
	assert_true(outbox_is_idle(fixture->outbox));
	assert_false(
		outbox_is_ready(fixture->outbox, OBJECT_SERVICE, &shop, now_msec)); /* it was read at 5 */
}

/* Told once, when trying again cannot help, whatever came before; then again after a write that went through.
 */
static void test_refusals(void **state)
{
	static const struct {
		int status;
		unsigned n_refused; /* so far */
	} rows[] = { { 404, 0 }, { 429, 0 }, { 503, 0 }, { 0, 0 },   { 409, 0 }, { 403, 1 },
		     { 403, 1 }, { 409, 1 }, { 422, 1 }, { 200, 1 }, { 422, 2 }, { 409, 2 } };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++, now_msec += ADDRESSEE_MOST_RETRY_MSEC) {
		answer(write_shop(fixture), rows[i].status,
		       rows[i].status == 200 ? "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}}"
					     : "{}");
		assert_int_equal(fixture->n_refused, rows[i].n_refused);
		assert_int_equal(n_lines, rows[i].n_refused);
		if (rows[i].status == 403)
			assert_string_equal(
				line, "Service w/shop: not written: said so (does lbcontroller's ClusterRole "
				      "allow patch of services/status? Apply the Roles of this version); "
				      "trying again, less and less often");
	}
	assert_string_equal(line, "Service w/shop: not written: said so; trying again, less and less often");
}

static void test_each_kind_in_its_place(void **state)
{
	static const struct {
		enum object_kind kind;
		const char *resource;
	} rows[] = { { OBJECT_SERVICE_IP_POOL, "serviceippools" },
		     { OBJECT_BGP_PEER, "bgppeers" },
		     { OBJECT_BGP_ADVERTISEMENT, "bgpadvertisements" },
		     { OBJECT_BFD_PROFILE, "bfdprofiles" },
		     { OBJECT_COMMUNITY, "communities" },
		     { OBJECT_LB_NODE, "lbnodes" } };
	static const struct meta meta = { .namespace = "", .name = "x", .uid = "u", .resource_version = 5 };
	struct fixture *fixture = *state;
	char path[256];

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++, now_msec += ADDRESSEE_SOON_MSEC) {
		snprintf(path, sizeof(path), "/apis/fairway.dev/v1alpha1/%s/x%s?fieldManager=lbcontroller",
			 rows[i / 2].resource, i % 2 ? "/status" : "");
		assert_int_equal(write_kind(fixture, rows[i / 2].kind, &meta, 1, i % 2), 1);
		assert_string_equal(calls[i].method, "PATCH");
		assert_string_equal(calls[i].path, path);
		answer(&calls[i], 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}}");
		assert_int_equal(fixture->n_acknowledged, i + 1);
	}
}

/* A round that wants these written, and the answers. */
static size_t round_without_status(struct fixture *fixture, const struct meta *metas, size_t n, int status)
{
	size_t before = n_calls, sent = write_kind(fixture, OBJECT_BFD_PROFILE, metas, n, true);

	for (size_t i = before; i < n_calls; i++)
		answer(&calls[i], status,
		       status == 200 ? "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}}" : "{}");
	return sent;
}

/* A CRD of before the kind had a status. */
static void test_a_kind_without_status(void **state)
{
	struct meta metas[] = { { .namespace = "", .name = "a", .uid = "u", .resource_version = 5 },
				{ .namespace = "", .name = "b", .uid = "u", .resource_version = 5 },
				{ .namespace = "", .name = "new", .uid = "u", .resource_version = 5 } };
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < ADDRESSEE_NO_STATUS_TRIES; i++, now_msec += ADDRESSEE_MOST_RETRY_MSEC) {
		assert_int_equal(n_lines, 0);
		assert_int_equal(round_without_status(fixture, metas, 2, 404), 2);
	}
	assert_int_equal(n_lines, 1); /* for both */
	assert_string_equal(
		line, "CustomResourceDefinition/bfdprofiles.fairway.dev: has no status (HTTP 404 for that "
		      "of BFDProfile/a), so none is written of its kind; apply the CRDs of this version; "
		      "tried again every 5 minutes");
	assert_int_equal(round_without_status(fixture, metas, 3, 404), 1); /* what was never tried */
	assert_int_equal(write_kind(fixture, OBJECT_BFD_PROFILE, metas, 1, false),
			 1); /* no status: it may go */
	answer(&calls[n_calls - 1], 409, "{}");
	assert_int_equal(write_kind(fixture, OBJECT_COMMUNITY, metas, 2, true), 2); /* other kinds do */
	answer(write_shop(fixture), 404, "{}");
	now_msec += ADDRESSEE_MOST_RETRY_MSEC;
	metas[1].resource_version = 6; /* edited, perhaps with the CRD */
	assert_int_equal(round_without_status(fixture, metas, 2, 404), 1);
	now_msec += ADDRESSEE_MOST_RETRY_MSEC;
	assert_int_equal(round_without_status(fixture, metas, 2, 404), 0);
	now_msec += ADDRESSEE_NO_STATUS_MSEC;
	assert_int_equal(n_lines, 1);
	assert_int_equal(round_without_status(fixture, metas, 1, 200), 1); /* the CRD was applied */
	assert_int_equal(fixture->n_acknowledged, 1);
	for (unsigned i = 0; i < ADDRESSEE_NO_STATUS_TRIES; i++) {
		now_msec += ADDRESSEE_MOST_RETRY_MSEC;
		assert_int_equal(n_lines, 1);
		assert_int_equal(round_without_status(fixture, metas, 1, 404), 1);
	}
	assert_int_equal(n_lines, 2); /* … and another one */
	assert_int_equal(fixture->n_refused, 0);
}

#define GOOD "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}}"
#define BY_ROLE                                                                                              \
	"HTTP 403 Forbidden: bgppeers.fairway.dev \"p0\" is forbidden: User \"someone\" cannot patch "       \
	"resource \"bgppeers/status\" in API group \"fairway.dev\" at the cluster scope"
#define MANY 20

/* Enough to fill the queue. */
static void many(struct meta *metas, char (*names)[8])
{
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		metas[i] =
			(struct meta){ .namespace = "", .name = names[i], .uid = "u", .resource_version = 5 };
	}
}

/* Answers what is under way, and what follows from the answers; returns how many there were. */
static size_t answer_all(size_t from, int status)
{
	size_t n = 0;

	for (; from < n_calls; from++, n++)
		answer(&calls[from], status, status == 200 ? GOOD : "{}");
	return n;
}

/* With thousands of objects each would be refused, for ever: one is tried for all. */
static void test_a_kind_whose_status_is_forbidden(void **state)
{
	struct fixture *fixture = *state;
	struct meta metas[MANY];
	char names[MANY][8];
	size_t before = n_calls;

	many(metas, names);
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), OUTBOX_LATER_AT_ONCE);
	says = BY_ROLE;
	assert_int_equal(answer_all(before, 403), OUTBOX_LATER_AT_ONCE); /* the others do not even leave */
	assert_int_equal(n_lines, 1);
	assert_string_equal(line, "BGPPeer p0: status not written: " BY_ROLE
				  " (does lbcontroller's ClusterRole allow patch of bgppeers/status? Apply "
				  "the Roles of this version); the others of the kind wait, one is "
				  "tried, less and less often (every 30 s in the end)");
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 0);
	assert_int_equal(write_kind(fixture, OBJECT_COMMUNITY, metas, 1, true), 1);
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, &metas[MANY - 1], 1, false),
			 1); /* another right */
	answer_all(n_calls - 2, 200);
	want_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true);
	assert_int_equal(outbox_counts(fixture->outbox).n_queued, 0); /* they take nobody's room */
	for (unsigned i = 0; i < 10; i++) {
		uint64_t pause_msec = FORBIDDEN_FIRST_MSEC << i;

		now_msec += (pause_msec < FORBIDDEN_TRY_MSEC ? pause_msec : FORBIDDEN_TRY_MSEC) - 1;
		due_after_msec = UINT64_MAX;
		assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, &metas[MANY - 2], 1, true), 0);
		assert_int_equal(due_after_msec, 1); /* nothing else may ever ask */
		assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 0);
		now_msec++;
		assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 1);
		assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 0);
		assert_int_equal(answer_all(n_calls - 1, 403), 1);
	}
	assert_int_equal(n_lines, 1);

	now_msec += FORBIDDEN_TRY_MSEC;
	before = n_calls;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 1);
	assert_int_equal(answer_all(before, 200), 1); /* the Role was applied */
	assert_int_equal(n_lines, 2);
	assert_string_equal(line, "bgppeers/status may be written again");
	before = n_calls;
	now_msec += ADDRESSEE_SOON_MSEC; /* after the last write of the first */
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), OUTBOX_LATER_AT_ONCE);
	assert_int_equal(answer_all(before, 200), MANY); /* each makes room for one */
	assert_int_equal(n_lines, 2);

	now_msec += ADDRESSEE_SOON_MSEC;
	before = n_calls;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, 1, true), 1);
	answer_all(before, 403); /* taken away: another story */
	assert_int_equal(n_lines, 3);
	now_msec += FORBIDDEN_FIRST_MSEC + FORBIDDEN_FORGET_MSEC;
	before = n_calls;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), OUTBOX_LATER_AT_ONCE);
	answer_all(before, 403); /* and nobody has wanted anything for so long */
	assert_int_equal(n_lines, 4);
}

/* A conflict, too, shows that the role has the right. */
static void test_a_right_that_a_conflict_shows(void **state)
{
	struct fixture *fixture = *state;
	struct meta metas[MANY];
	char names[MANY][8];

	many(metas, names);
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, 1, true), 1);
	says = BY_ROLE;
	answer_all(n_calls - 1, 403);
	now_msec += FORBIDDEN_TRY_MSEC;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 1);
	answer_all(n_calls - 1, 503); /* shows nothing */
	now_msec += 2 * FORBIDDEN_FIRST_MSEC - 1;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 0);
	now_msec++;
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), 1);
	answer_all(n_calls - 1, 409);
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, metas, MANY, true), OUTBOX_LATER_AT_ONCE);
	answer_all(n_calls - OUTBOX_LATER_AT_ONCE, 200);
}

/* That to an object is another right than that to its status. */
static void test_a_forbidden_object_holds_up_no_status(void **state)
{
	struct fixture *fixture = *state;
	struct meta metas[MANY];
	char names[MANY][8];

	many(metas, names);
	says = "HTTP 403 Forbidden: serviceippools.fairway.dev \"p0\" is forbidden: User \"someone\" cannot "
	       "patch resource \"serviceippools\" in API group \"fairway.dev\" at the cluster scope";
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(write_kind(fixture, OBJECT_SERVICE_IP_POOL, &metas[i], 1, false), 1);
		answer_all(n_calls - 1, 403);
		assert_int_equal(n_lines, i + 1); /* each for itself */
	}
	assert_int_equal(write_kind(fixture, OBJECT_SERVICE_IP_POOL, &metas[2], 1, true), 1);
	answer_all(n_calls - 1, 200);
	assert_int_equal(n_lines, 2);
}

/* Rights are given by namespace; and what a policy refuses is one object's matter. */
static void test_what_is_forbidden_to_one_holds_up_no_other(void **state)
{
	static const char *const by_policy = "HTTP 403 Forbidden: services \"shop\" is forbidden: "
					     "ValidatingAdmissionPolicy 'x' denied: no";
	struct fixture *fixture = *state;
	struct meta same = shop, elsewhere = shop;
	size_t before;

	same.name = "same";
	elsewhere.namespace = "v";
	says = by_policy;
	answer(write_shop(fixture), 403, "{}");
	assert_int_equal(n_lines, 1);
	before = n_calls;
	round_wants(fixture->outbox, &same);
	assert_int_equal(n_calls, before + 1);
	says = BY_ROLE;
	answer(&calls[before], 403, "{}");
	assert_int_equal(n_lines, 2);
	assert_int_equal(fixture->n_refused, 2);
	assert_non_null(strstr(line, "; the others of the kind in w wait, one is tried, less"));
	now_msec += FORBIDDEN_FIRST_MSEC - 1;
	round_wants(fixture->outbox, &shop);
	assert_int_equal(n_calls, before + 1); /* it is of that namespace */
	round_wants(fixture->outbox, &elsewhere);
	assert_int_equal(n_calls, before + 2);
	answer(&calls[before + 1], 200, GOOD);
	assert_int_equal(n_lines, 2); /* nothing of it was forbidden, so nothing is over */
	round_wants(fixture->outbox, &shop);
	assert_int_equal(n_calls, before + 2);
}

static void test_events_wait_for_addresses(void **state)
{
	struct fixture *fixture = *state;
	struct call *write = write_shop(fixture);

	tell_event(fixture->book);
	outbox_send(fixture->outbox);
	assert_int_equal(n_calls, 1);
	answer(write, 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"9\"}}");
	assert_int_equal(n_calls, 2);
	assert_string_equal(calls[1].method, "POST");
	assert_false(outbox_is_idle(fixture->outbox));
	answer(&calls[1], 201, "{}");
	assert_true(outbox_is_idle(fixture->outbox));
}

/* Each round wants anew what rests: one that it asks for at once would bring the next one, and so on for half
 * a minute. */
static void test_what_rests_asks_for_no_round_before_its_time(void **state)
{
	static const struct meta read = { .name = "tor", .namespace = "", .uid = "u", .resource_version = 5 },
				 written = {
					 .name = "tor", .namespace = "", .uid = "u", .resource_version = 6
				 };
	struct fixture *fixture = *state;

	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, &read, 1, true), 1);
	answer(&calls[0], 200, "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"6\"}}");
	for (now_msec += 10; now_msec < 1000000 + ADDRESSEE_SOON_MSEC; now_msec += 330) {
		due_after_msec = UINT64_MAX;
		assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, &written, 1, true), 0);
		assert_int_equal(due_after_msec, 1000000 + ADDRESSEE_SOON_MSEC - now_msec);
	}
	assert_int_equal(write_kind(fixture, OBJECT_BGP_PEER, &written, 1, true), 1);
}

/* The API server forgets Events after an hour; what is told again then is a new one. */
static void test_an_event_that_expired(void **state)
{
	static const struct {
		const char *method;
		int status;
	} rows[] = { { "POST", 503 }, { "POST", 201 }, { "PATCH", 404 }, { "POST", 201 }, { "PATCH", 200 } };
	struct fixture *fixture = *state;

	tell_event(fixture->book);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		outbox_send(fixture->outbox);
		assert_int_equal(n_calls, i + 1);
		assert_string_equal(calls[i].method, rows[i].method);
		answer(&calls[i], rows[i].status, "{}");
		if (rows[i].status < 300)
			tell_event(fixture->book);
		if (rows[i].status != 404)
			now_msec += 2 * EVENT_REPEAT_MSEC;
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_answer_that_is_not_the_object),
		TEST(test_refusals),
		TEST(test_each_kind_in_its_place),
		TEST(test_a_kind_without_status),
		TEST(test_a_kind_whose_status_is_forbidden),
		TEST(test_a_right_that_a_conflict_shows),
		TEST(test_a_forbidden_object_holds_up_no_status),
		TEST(test_what_is_forbidden_to_one_holds_up_no_other),
		TEST(test_events_wait_for_addresses),
		TEST(test_what_rests_asks_for_no_round_before_its_time),
		TEST(test_an_event_that_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
