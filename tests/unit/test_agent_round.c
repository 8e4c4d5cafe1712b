// SPDX-License-Identifier: Apache-2.0
/* The pure helpers of a reconcile round: sets of names, the difference of problems, frontends on their way
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "userspace/agent/names.h"
#include "userspace/agent/problem_log.h"
#include "userspace/agent/retiring.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* --- names --------------------------------------------------------------------------------------- */

static void names_are_united_sorted_and_once(void **state _unused_)
{
	static const char *const expected[] = { "a/a", "a/b", "a/c", "b/a" };
	const char *first[] = { "a/b", "b/a" }, *second[] = { "a/a", "a/b", "a/c" };
	cleanup(names_done) struct names names = { 0 };
	size_t i;

	assert_int_equal(names_unite(&names, &(struct strings){ first, 2 }), 0);
	assert_int_equal(names_unite(&names, &(struct strings){ second, 3 }), 0);
	assert_int_equal(names_unite(&names, &(struct strings){ second, 3 }), 0);
	assert_int_equal(names.n, 4);
	for (i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(names_view(&names).items[i], expected[i]);
}

/* --- problems ------------------------------------------------------------------------------------ */

static void note_appeared(void *userdata, const struct problem *problem)
{
	strbuf_appendf(userdata, "+%s ", problem->message);
}

static void note_vanished(void *userdata, const struct problem *problem)
{
	strbuf_appendf(userdata, "-%s ", problem->message);
}

static void problems_of(struct problems *problems, const char *messages)
{
	char message[2] = "";

	for (; *messages; messages++) {
		message[0] = *messages;
		assert_int_equal(problems_add(problems, "Service/a/b", "spec", "%s", message), 0);
	}
	problems_sort_unique(problems);
}

static void each_problem_is_told_when_it_comes_and_when_it_goes(void **state _unused_)
{
	static const struct {
		const char *before, *now, *told;
	} rows[] = { { "", "", "" },	   { "", "ba", "+a +b " },     { "ab", "", "-a -b " },
		     { "abc", "abc", "" }, { "abd", "bcd", "-a +c " }, { "z", "a", "+a -z " } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(problems_done) struct problems before = { 0 }, now = { 0 };
		cleanup(strbuf_done) struct strbuf told = { 0 };

		problems_of(&before, rows[i].before);
		problems_of(&now, rows[i].now);
		problems_compare(&before, &now, note_appeared, note_vanished, &told);
		assert_string_equal(strbuf_text(&told), rows[i].told);
	}
}

static void equal_digests_mean_equal_problems(void **state _unused_)
{
	static const struct problem shifted[] = { { "a", "bc", "d" },
						  { "ab", "c", "d" },
						  { "a", "b", "cd" } };
	struct problems one = { .n = 1 };
	uint64_t digests[3];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shifted); i++) {
		one.items = (struct problem *)&shifted[i];
		digests[i] = problems_digest(1, &one);
		assert_int_equal(digests[i], problems_digest(1, &one));
		assert_true(digests[i] != problems_digest(2, &one));
	}
	assert_true(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}

static void a_services_problem_is_found(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };

	assert_null(problems_find_service(&problems, "web", "shop"));
	assert_int_equal(problems_add(&problems, "Service/web/shop", "", "second"), 0);
	assert_int_equal(problems_add(&problems, "Service/web/shop", "", "first"), 0);
	assert_int_equal(problems_add(&problems, "Service/web/shopping", "", "other"), 0);
	assert_int_equal(problems_add(&problems, "BGPPeer/a", "", "other"), 0);
	problems_sort_unique(&problems);
	assert_string_equal(problems_find_service(&problems, "web", "shop")->message, "first");
	assert_null(problems_find_service(&problems, "web", "sho"));
}

/* An annotation nobody reads is not why. */
static void what_keeps_a_service_from_being_served(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };

	assert_null(problems_find_unserved(&problems, "web", "shop"));
	assert_int_equal(problems_add(&problems, "Service/web/shop", "metadata.annotations[x]", "ignored"),
			 0);
	assert_int_equal(problems_add(&problems, "Service/web/shopping", "spec.ports", "other"), 0);
	problems_sort_unique(&problems);
	assert_string_equal(problems_find_unserved(&problems, "web", "shop")->message, "ignored");
	assert_int_equal(problems_add(&problems, "Service/web/shop", "spec.ports", "SCTP"), 0);
	problems_sort_unique(&problems);
	assert_string_equal(problems_find_unserved(&problems, "web", "shop")->message, "SCTP");
}

/* --- retiring ------------------------------------------------------------------------------------ */

#define PORTS_MAX 8

static struct step deletion(uint16_t port, uint32_t table)
{
	struct step step = { .kind = STEP_FRONTEND_DELETE, .phase = STEP_BREAK };

	step.frontend.addr = addr_v4(0xc0000201);
	step.frontend.port = port;
	step.frontend.protocol = L4_TCP;
	step.frontend.table_offset = table;
	step.frontend.table_size = 1021;
	step.service = "web/gone";
	return step;
}

static struct step table_free(uint32_t table)
{
	return (struct step){
		.kind = STEP_TABLE_FREE, .phase = STEP_BREAK, .table_offset = table, .table_size = 1021
	};
}

static struct step backend_leaves(const char *service)
{
	return (struct step){ .kind = STEP_BACKEND_SET, .phase = STEP_BREAK, .service = service };
}

/* What may be executed now, as letters by step: x executed, - waits. */
static const char *selection(const struct retiring *retiring, const struct steps *steps, uint64_t now,
			     uint64_t *next)
{
	const struct retiring_times times = { .drain_msec = 1000, .limit_msec = 10000 };
	static char text[PORTS_MAX + 1];
	bool selected[PORTS_MAX];
	size_t i;

	retiring_select(retiring, steps, &times, now, selected, next);
	for (i = 0; i < steps->n; i++)
		text[i] = selected[i] ? 'x' : '-';
	text[i] = '\0';
	return text;
}

static void a_frontend_goes_after_withdrawal_and_drain_delay(void **state _unused_)
{
	struct step items[] = { deletion(80, 0), table_free(0), backend_leaves("web/gone") };
	struct steps steps = { .items = items, .n = 3 };
	cleanup(retiring_done) struct retiring retiring = { 0 };
	uint64_t next;

	assert_int_equal(retiring_update(&retiring, &steps, 5000), 0);
	assert_string_equal(selection(&retiring, &steps, 5000, &next), "---");
	assert_int_equal(next, 5000 + 10000 + 1000);
	retiring_withdrawn(&retiring.items[0], 5200);
	retiring_withdrawn(&retiring.items[0], 5900); /* the first time counts */
	assert_string_equal(selection(&retiring, &steps, 6199, &next), "---");
	assert_int_equal(next, 6200);
	assert_string_equal(selection(&retiring, &steps, 6200, &next), "xxx");
	assert_int_equal(next, UINT64_MAX);
}

static void an_unconfirmed_withdrawal_is_given_up(void **state _unused_)
{
	struct step items[] = { deletion(80, 0) };
	struct steps steps = { .items = items, .n = 1 };
	cleanup(retiring_done) struct retiring retiring = { 0 };
	uint64_t next;

	assert_int_equal(retiring_update(&retiring, &steps, 0), 0);
	assert_string_equal(selection(&retiring, &steps, 10999, &next), "-");
	assert_string_equal(selection(&retiring, &steps, 11000, &next), "x");
	retiring_withdrawn(&retiring.items[0], 10900); /* a late answer does not lengthen it */
	assert_string_equal(selection(&retiring, &steps, 11000, &next), "x");
}

static void times_survive_new_plans(void **state _unused_)
{
	struct step both[] = { deletion(443, 2000), deletion(80, 0) }, one[] = { deletion(80, 0) };
	struct steps first = { .items = one, .n = 1 }, second = { .items = both, .n = 2 };
	cleanup(retiring_done) struct retiring retiring = { 0 };
	uint64_t next;

	assert_int_equal(retiring_update(&retiring, &first, 1000), 0);
	retiring_withdrawn(&retiring.items[0], 1000);
	assert_int_equal(retiring_update(&retiring, &second, 1900), 0);
	assert_string_equal(selection(&retiring, &second, 2000, &next), "-x");
	assert_int_equal(retiring_update(&retiring, &(struct steps){ 0 }, 2000), 0);
	assert_int_equal(retiring.n, 0);
	assert_int_equal(retiring_update(&retiring, &first, 3000),
			 0); /* wanted again in between: a new story */
	assert_string_equal(selection(&retiring, &first, 3000, &next), "-");
}

static void what_nobody_waits_for_goes_at_once(void **state _unused_)
{
	struct step make = { .kind = STEP_TABLE_WRITE, .phase = STEP_MAKE };
	struct step freed = { .kind = STEP_BACKEND_DELETE, .phase = STEP_BREAK, .service = "" };
	struct step items[] = { deletion(80, 0),
				table_free(0),
				table_free(4000),
				backend_leaves("web/gone"),
				backend_leaves("web/shop"),
				backend_leaves(""),
				freed };
	struct step lone[] = { make, table_free(4000), backend_leaves("web/gone") };
	struct steps steps = { .items = items, .n = 7 }, without = { .items = lone, .n = 3 };
	cleanup(retiring_done) struct retiring retiring = { 0 };
	uint64_t next;

	assert_int_equal(retiring_update(&retiring, &steps, 0), 0);
	assert_string_equal(selection(&retiring, &steps, 0, &next), "--x-x-x");
	assert_int_equal(retiring_update(&retiring, &without, 0), 0);
	assert_string_equal(selection(&retiring, &without, 0, &next), "-xx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_united_sorted_and_once),
		cmocka_unit_test(each_problem_is_told_when_it_comes_and_when_it_goes),
		cmocka_unit_test(equal_digests_mean_equal_problems),
		cmocka_unit_test(a_services_problem_is_found),
		cmocka_unit_test(what_keeps_a_service_from_being_served),
		cmocka_unit_test(a_frontend_goes_after_withdrawal_and_drain_delay),
		cmocka_unit_test(an_unconfirmed_withdrawal_is_given_up),
		cmocka_unit_test(times_survive_new_plans),
		cmocka_unit_test(what_nobody_waits_for_goes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
