// SPDX-License-Identifier: Apache-2.0
/* Statuses that our role does not let us write: which answer says so, and who is tried when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipam/forbidden.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* As kube-apiserver 1.36 words them. */
#define BY_ROLE                                                                                              \
	"services \"shop\" is forbidden: User \"system:serviceaccount:fairway-system:lbcontroller\" cannot " \
	"patch resource \"services/status\" in API group \"\" in the namespace \"w\""
#define BY_POLICY                                                                                            \
	"services \"shop\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' denied request: "    \
	"nobody may"
/* What somebody may have written into an object that a webhook repeats. */
#define BY_WEBHOOK "admission webhook \"x\" denied the request: " BY_ROLE

static void test_answers(void **state _unused_)
{
	static const struct {
		int status;
		const char *message;
		bool by_role, let_through;
	} rows[] = {
		{ 403, "HTTP 403 Forbidden: " BY_ROLE, true, false },
		{ 403, "HTTP 403 Forbidden: " BY_ROLE ": no binding", true, false },
		{ 403, "HTTP 403 Forbidden: " BY_POLICY, false, true },
		{ 403, "HTTP 403 Forbidden: " BY_POLICY ": " BY_ROLE, false, true },
		{ 403, "HTTP 403 Forbidden: " BY_WEBHOOK, false, true },
		{ 403, "HTTP 403 Forbidden: services \"shop\" is forbidden: User \"x\" is tired", false,
		  true },
		/* of an object, or an account, with a long name */
		{ 403, "HTTP 403 Forbidden: services \"shop\" is forbidden: User \"system:service...", true,
		  false },
		{ 403, "HTTP 403 Forbidden: services \"shop\" is forbidden: ValidatingAdmis...", false,
		  true },
		{ 403, "HTTP 403: a proxy's page", false, false },
		{ 403, "HTTP 403: " BY_ROLE, false, false }, /* no Status */
		{ 403, "HTTP 403 Forbidden", false, false },
		{ 403, "", false, false },
		{ 409, "HTTP 409 Conflict: the object has been modified", false, true },
		{ 422, "HTTP 422 Invalid: x", false, true },
		{ 401, "HTTP 401 Unauthorized: x", false, false },
		{ 404, "HTTP 404: a proxy's page", false, false },
		{ 429, "HTTP 429", false, false },
		{ 500, "HTTP 500: " BY_ROLE, false, false },
		{ 200, "", false, false }, /* no object, or it would count as written */
		{ 0, "no answer", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (forbidden_by_role(rows[i].status, rows[i].message) != rows[i].by_role ||
		    forbidden_let_through(rows[i].status, rows[i].message) != rows[i].let_through)
			fail_msg("%d %s", rows[i].status, rows[i].message);
	}
}

static uint64_t until_msec(const struct forbidden *forbidden, enum object_kind kind)
{
	return forbidden_until_msec(forbidden, kind, "");
}

static void test_one_place(void **state _unused_)
{
	cleanup(forbidden_done) struct forbidden forbidden = { 0 };

	forbidden_sent(&forbidden, OBJECT_BGP_PEER, "", 1000); /* as any: nothing is known of it */
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 0);
	assert_false(forbidden_end(&forbidden, OBJECT_BGP_PEER, ""));
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_BGP_PEER, "", 10000), 1);
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 10200);
	/* those that were under way with it move nothing */
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_BGP_PEER, "", 10100), 0);
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 10200);
	forbidden_sent(&forbidden, OBJECT_BGP_PEER, "", 10300); /* the one that is tried, */
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 10700);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_BGP_PEER, "", 10350), 0); /* in vain */
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 10700);
	for (unsigned i = 0; i < 10; i++)
		forbidden_sent(&forbidden, OBJECT_BGP_PEER, "", 60000 * i);
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 570000);
	assert_int_equal(until_msec(&forbidden, OBJECT_COMMUNITY), 0);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_COMMUNITY, "", 50000),
			 1); /* a kind's own story */
	assert_int_equal(until_msec(&forbidden, OBJECT_COMMUNITY), 50200);
	assert_true(forbidden_end(&forbidden, OBJECT_BGP_PEER, ""));
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 0);
	assert_int_equal(until_msec(&forbidden, OBJECT_COMMUNITY), 50200);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_BGP_PEER, "", 600000), 1); /* told again, */
	assert_int_equal(until_msec(&forbidden, OBJECT_BGP_PEER), 600200);		 /* and tried soon */
}

static void test_namespaces_one_after_the_other(void **state _unused_)
{
	cleanup(forbidden_done) struct forbidden forbidden = { 0 };
	static const char *const names[] = { "m", "z", "a", "k" };
	char name[8];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, names[i], 0), i == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, names[i]), 200 * (i + 1));
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "b"), 0); /* its own right */
	assert_false(forbidden_end(&forbidden, OBJECT_SERVICE, "b"));
	forbidden_sent(&forbidden, OBJECT_SERVICE, "m", 200);
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "m"), 1200); /* behind the last */
	for (unsigned i = 0; i < 10; i++)
		forbidden_sent(&forbidden, OBJECT_SERVICE, "m", 1200);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, name, 30000), 0);
		assert_in_range(forbidden_until_msec(&forbidden, OBJECT_SERVICE, name), 60000,
				30000 + FORBIDDEN_MOST_MSEC);
	}
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "n999"),
			 30000 + FORBIDDEN_MOST_MSEC);
	assert_true(forbidden_end(&forbidden, OBJECT_SERVICE, "n500")); /* all may be tried */
	assert_int_equal(forbidden.n, 0);
}

/* Else it would be remembered for ever, and the next refusal of the kind be told to nobody. */
static void test_a_place_that_nobody_asks_for(void **state _unused_)
{
	cleanup(forbidden_done) struct forbidden forbidden = { 0 };

	assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, "gone", 1000), 1);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, "there", 1000), 0);
	for (unsigned i = 0; i < 10; i++)
		forbidden_sent(&forbidden, OBJECT_SERVICE, "there", 60000 * i); /* until 570000 */
	forbidden_forget_old(&forbidden, 1200 + FORBIDDEN_FORGET_MSEC - 1);
	assert_int_equal(forbidden.n, 2);
	forbidden_forget_old(&forbidden, 1200 + FORBIDDEN_FORGET_MSEC);
	assert_int_equal(forbidden.n, 1);
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "there"), 570000);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, "gone", 610000), 0);
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "gone"), 640000); /* one story */
	forbidden_forget_old(&forbidden, 640000 + FORBIDDEN_FORGET_MSEC);
	assert_int_equal(forbidden.n, 0);
	assert_int_equal(forbidden_refused(&forbidden, OBJECT_SERVICE, "there", 2000000), 1); /* another */
	assert_int_equal(forbidden_until_msec(&forbidden, OBJECT_SERVICE, "there"), 2000200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_one_place),
		cmocka_unit_test(test_namespaces_one_after_the_other),
		cmocka_unit_test(test_a_place_that_nobody_asks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
