// SPDX-License-Identifier: Apache-2.0
/* Leader election: single decisions as rows, then candidates with skewed clocks against a model of the API
 * server that loses answers and holds requests back: never may two write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/lease.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static struct lease lease_of(const char *holder, const char *version)
{
	struct lease lease = { .exists = true, .duration_sec = LEASE_DURATION_SEC };

	strcpy(lease.holder, holder);
	strcpy(lease.resource_version, version);
	strcpy(lease.renew_time, version);
	return lease;
}

static const struct {
	const char *what;
	bool known, exists, leading;
	const char *holder;
	uint64_t changed_msec, renewed_msec, now_msec;
	enum lease_action action;
	uint64_t after_msec;
} rows[] = {
	{ "nothing is known", false, false, false, "", 0, 0, 5, LEASE_READ, 0 },
	{ "there is none", true, false, false, "", 0, 0, 5, LEASE_ACQUIRE, 0 },
	{ "it was given up", true, true, false, "", 5, 0, 5, LEASE_ACQUIRE, 0 },
	{ "another's, fresh", true, true, false, "b", 1000, 0, 1000, LEASE_WAIT, 1000 },
	{ "another's, about to expire", true, true, false, "b", 1000, 0, 15500, LEASE_WAIT, 500 },
	{ "another's, one moment left", true, true, false, "b", 1000, 0, 15999, LEASE_WAIT, 1 },
	{ "another's, expired", true, true, false, "b", 1000, 0, 16000, LEASE_ACQUIRE, 0 },
	{ "ours from before a restart", true, true, false, "a", 1000, 0, 1000, LEASE_ACQUIRE, 0 },
	{ "leading, just renewed", true, true, true, "a", 1000, 1000, 1000, LEASE_RENEW, 2000 },
	{ "leading, renewal due", true, true, true, "a", 1000, 1000, 3000, LEASE_RENEW, 0 },
	{ "leading, last moment", true, true, true, "a", 1000, 1000, 10999, LEASE_RENEW, 0 },
	{ "leading, too late", true, true, true, "a", 1000, 1000, 11000, LEASE_LOST, 0 },
	{ "leading, but another has it", true, true, true, "b", 1000, 1000, 1001, LEASE_LOST, 0 },
	{ "leading, somebody deleted it", true, false, true, "", 1000, 1000, 3000, LEASE_RENEW, 0 },
};

static void test_rows(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lease_view view = { .known = rows[i].known,
					   .changed_msec = rows[i].changed_msec,
					   .leading = rows[i].leading,
					   .renewed_msec = rows[i].renewed_msec };
		struct lease_decision decision;

		if (rows[i].exists)
			view.lease = lease_of(rows[i].holder, "7");
		decision = lease_decide(&view, "a", rows[i].now_msec);
		if (decision.action != rows[i].action || decision.after_msec != rows[i].after_msec)
			fail_msg("%s: action %d after %d", rows[i].what, decision.action,
				 (int)decision.after_msec);
	}
}

static void test_clock_of_a_holder_counts_for_nothing(void **state _unused_)
{
	struct lease_view view = { 0 };
	struct lease lease = lease_of("b", "7");

	strcpy(lease.renew_time, "1999-01-01T00:00:00.000000Z"); /* long ago, says a wrong clock */
	lease_note(&view, &lease, 100000);
	assert_int_equal(lease_decide(&view, "a", 100000).action, LEASE_WAIT);
	lease_note(&view, &lease, 110000); /* the same again: the time runs on */
	assert_int_equal(view.changed_msec, 100000);
	assert_int_equal(lease_decide(&view, "a", 115000).action, LEASE_ACQUIRE);
	strcpy(lease.resource_version, "8");
	lease_note(&view, &lease, 114000); /* renewed: it begins anew */
	assert_int_equal(lease_decide(&view, "a", 115000).action, LEASE_WAIT);
	lease.duration_sec = 60; /* its holder's promise counts, not ours */
	strcpy(lease.resource_version, "9");
	lease_note(&view, &lease, 115000);
	assert_int_equal(lease_decide(&view, "a", 174999).action, LEASE_WAIT);
	assert_int_equal(lease_decide(&view, "a", 175000).action, LEASE_ACQUIRE);
}

static struct lease reread(const struct strbuf *body)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;
	struct lease lease;

	assert_int_equal(json_parse(strbuf_text(body), body->length, &document, &error), 0);
	assert_int_equal(lease_decode(document.first, &lease), 0);
	return lease;
}

static void test_bodies(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct lease_view view = { .known = true };
	struct lease lease;

	lease_json(&body, &view, "fairway-system", "lbcontroller", "a", 1706702400000042);
	assert_string_equal(strbuf_text(&body),
			    "{\"apiVersion\":\"coordination.k8s.io/"
			    "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"lbcontroller\","
			    "\"namespace\":\"fairway-system\"},\"spec\":{\"holderIdentity\":\"a\","
			    "\"leaseDurationSeconds\":15,"
			    "\"leaseTransitions\":0,\"acquireTime\":\"2024-01-31T12:00:00.000042Z\","
			    "\"renewTime\":\"2024-01-31T12:00:00.000042Z\"}}");
	view.lease = lease_of("b", "7");
	view.lease.transitions = 3;
	strbuf_reset(&body);
	lease_json(&body, &view, "n", "l", "a", 1706702400000042);
	lease = reread(&body);
	assert_string_equal(lease.resource_version, "7"); /* or two could take it over */
	assert_int_equal(lease.transitions, 4);
	view.lease = lease_of("a", "8");
	strcpy(view.lease.acquire_time, "2024-01-01T00:00:00.000000Z");
	strbuf_reset(&body);
	lease_json(&body, &view, "n", "l", "a", 1706702400000042);
	lease = reread(&body);
	assert_string_equal(lease.acquire_time, "2024-01-01T00:00:00.000000Z"); /* renewed, not acquired */
	assert_int_equal(lease.transitions, 0);
	strbuf_reset(&body);
	lease_release_json(&body, &view, "n", "l", 1706702400000042);
	lease = reread(&body);
	assert_string_equal(lease.holder, "");
	assert_string_equal(lease.resource_version, "8");
	assert_int_equal(lease.duration_sec, 1);
}

static void test_not_a_lease(void **state _unused_)
{
	static const char *const texts[] = {
		"{}", "{\"kind\":\"Status\"}", "[]",
		"{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"1234567890123456789012345\"}}"
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(json_document_done) struct json_document document = { 0 };
		struct lease lease = { .transitions = 42 };
		struct json_error error;

		assert_int_equal(json_parse(texts[i], strlen(texts[i]), &document, &error), 0);
		assert_int_equal(lease_decode(document.first, &lease), -EINVAL);
		assert_int_equal(lease.transitions, 42);
	}
}

/* --- candidates against a model ------------------------------------------------------------------------ */

#define CANDIDATES 3
#define STEP_MSEC  50

struct candidate {
	char name[4];
	int64_t offset_msec; /* of its clock, against the true time */
	unsigned rate;	     /* of its clock in per mille: 990 to 1010 */
	struct lease_view view;
	uint64_t next_msec;		      /* true time of its next step */
	bool writing;			      /* a write is on its way … */
	uint64_t arrives_msec, answered_msec; /* … and its answer */
	bool answer_lost;
	struct lease written; /* with the version that it is written over */
	uint64_t sent_msec;   /* its own clock */
	bool executed, accepted;
	struct lease result;
};

struct model {
	struct lease lease;
	unsigned version, seed;
	uint64_t now_msec, led_msec;
	struct candidate candidates[CANDIDATES];
};

static unsigned dice(struct model *model, unsigned sides)
{
	model->seed = model->seed * 1103515245u + 12345u;
	return (model->seed >> 8) % sides;
}

static uint64_t clock_of(const struct model *model, const struct candidate *candidate)
{
	return (uint64_t)((int64_t)(model->now_msec * candidate->rate / 1000) + candidate->offset_msec);
}

static void start_write(struct model *model, struct candidate *candidate)
{
	candidate->writing = true;
	candidate->executed = false;
	candidate->sent_msec = clock_of(model, candidate);
	candidate->arrives_msec = model->now_msec + (dice(model, 10) ? dice(model, 100) : dice(model, 4000));
	candidate->answered_msec =
		candidate->arrives_msec + (dice(model, 10) ? dice(model, 100) : dice(model, 4000));
	candidate->answer_lost = !dice(model, 8);
	candidate->written = candidate->view.lease;
	strcpy(candidate->written.holder, candidate->name);
}

static void execute(struct model *model, struct candidate *candidate)
{
	candidate->executed = true;
	candidate->accepted = model->lease.exists == candidate->written.exists &&
			      !strcmp(model->lease.resource_version, candidate->written.resource_version);
	if (!candidate->accepted)
		return;
	model->lease = lease_of(candidate->name, "");
	snprintf(model->lease.resource_version, sizeof(model->lease.resource_version), "%u",
		 ++model->version);
	candidate->result = model->lease;
}

static void take_answer(struct model *model, struct candidate *candidate)
{
	candidate->writing = false;
	candidate->next_msec = model->now_msec + LEASE_RETRY_MSEC;
	if (candidate->accepted && !candidate->answer_lost) {
		lease_note_written(&candidate->view, &candidate->result, candidate->sent_msec);
		return;
	}
	candidate->next_msec = model->now_msec;
	if (!candidate->view.leading)
		candidate->view.known = false;
	candidate->view.lease.resource_version[0] = '\0';
}

static void act(struct model *model, struct candidate *candidate)
{
	uint64_t now_msec = clock_of(model, candidate);
	struct lease_decision decision;

	if (!dice(model, 40)) { /* paused: a node that sleeps, a process that is stopped */
		candidate->next_msec = model->now_msec + dice(model, 30000);
		return;
	}
	if (!candidate->view.leading || !*candidate->view.lease.resource_version)
		lease_note(&candidate->view, &model->lease, now_msec);
	decision = lease_decide(&candidate->view, candidate->name, now_msec);
	candidate->next_msec = model->now_msec + decision.after_msec;
	switch (decision.action) {
	case LEASE_READ:
		break;
	case LEASE_ACQUIRE:
		start_write(model, candidate);
		break;
	case LEASE_RENEW:
		if (!decision.after_msec)
			start_write(model, candidate);
		break;
	case LEASE_WAIT:
		break;
	case LEASE_LOST:
		candidate->view = (struct lease_view){ 0 };
		candidate->next_msec = model->now_msec + LEASE_RETRY_MSEC;
		break;
	}
}

static void step(struct model *model)
{
	size_t writers = 0;

	for (size_t i = 0; i < CANDIDATES; i++) {
		struct candidate *candidate = &model->candidates[i];

		if (candidate->writing && !candidate->executed && model->now_msec >= candidate->arrives_msec)
			execute(model, candidate);
		if (candidate->writing && model->now_msec >= candidate->answered_msec)
			take_answer(model, candidate);
		if (!candidate->writing && model->now_msec >= candidate->next_msec)
			act(model, candidate);
		writers += lease_may_write(&candidate->view, clock_of(model, candidate));
	}
	if (writers > 1)
		fail_msg("%zu may write at %d ms", writers, (int)model->now_msec);
	model->led_msec += writers ? STEP_MSEC : 0;
}

static void test_never_two(void **state _unused_)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct model model = { .seed = seed };

		for (size_t i = 0; i < CANDIDATES; i++) {
			struct candidate *candidate = &model.candidates[i];

			snprintf(candidate->name, sizeof(candidate->name), "c%zu", i);
			candidate->offset_msec = (int64_t)dice(&model, 100000000);
			candidate->rate = 990 + dice(&model, 21);
		}
		for (; model.now_msec < 600000; model.now_msec += STEP_MSEC)
			step(&model);
		/* Nor is safety bought by nobody ever leading. */
		if (model.led_msec < 200000)
			fail_msg("seed %u: somebody led for %d ms of 600000 only", seed, (int)model.led_msec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	  cmocka_unit_test(test_clock_of_a_holder_counts_for_nothing),
		cmocka_unit_test(test_bodies),	  cmocka_unit_test(test_not_a_lease),
		cmocka_unit_test(test_never_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
