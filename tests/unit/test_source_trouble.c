// SPDX-License-Identifier: Apache-2.0
/* What is told of collections that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "k8s/source_trouble.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define SERVICES "/api/v1/services"
#define COMMUNITIES                                                                                          \
	.path = "/apis/fairway.dev/v1alpha1/communities", .crd = "communities.fairway.dev",                  \
	.dispensable = true
#define SECRET .namespace = "fairway-system", .secret = "tor"

static void test_words(void **state _unused_)
{
	static const struct {
		struct source_trouble trouble;
		const char *object, *message; /* NULL: nothing is told */
	} rows[] = {
		{ { .path = SERVICES }, NULL, NULL },
		{ { REFLECTOR_UNREACHABLE, .path = SERVICES }, NULL, NULL },
		/* before anything is decided */
		{ { REFLECTOR_SERVER_ERROR, 500, .path = SERVICES },
		  "API server",
		  "fails (HTTP 500); nothing is decided until it is, tried again" },
		{ { REFLECTOR_SERVER_ERROR, 500, .path = SERVICES, .complete = true },
		  "API server",
		  "fails (HTTP 500); nothing is decided until it is, tried again" },
		{ { REFLECTOR_SERVER_ERROR, 503, COMMUNITIES },
		  "API server",
		  "fails (HTTP 503); nothing is decided until it is, tried again" },
		{ { REFLECTOR_NOT_INSTALLED, 404, .path = SERVICES },
		  "API server",
		  "does not know /api/v1/services (HTTP 404); nothing is decided until it is, tried again" },
		/* of what the rest does without */
		{ { REFLECTOR_FORBIDDEN, 403, COMMUNITIES },
		  "API server",
		  "our role does not let us list and watch communities (HTTP 403; apply the Roles of this "
		  "version); all else goes on without, tried again" },
		{ { REFLECTOR_NOT_INSTALLED, 404, COMMUNITIES, .delivered = true },
		  "CustomResourceDefinition/communities.fairway.dev",
		  "not installed (apply the CRDs of this version); all else goes on without, tried again" },
		/* … and what then fails in another way: there never was anything good */
		{ { REFLECTOR_SERVER_ERROR, 503, COMMUNITIES, .delivered = true },
		  "API server",
		  "fails (HTTP 503); none of the communities is in force until they are listed, tried "
		  "again" },
		{ { REFLECTOR_BUSY, 429, COMMUNITIES, .delivered = true },
		  "API server",
		  "is too busy to answer (HTTP 429); none of the communities is in force until they are "
		  "listed, tried again" },
		/* what was there stays */
		{ { REFLECTOR_SERVER_ERROR, 503, COMMUNITIES, .complete = true, .delivered = true },
		  "API server",
		  "fails (HTTP 503); the last good objects stay in force, tried again" },
		{ { REFLECTOR_FORBIDDEN, 403, COMMUNITIES, .complete = true, .delivered = true },
		  "API server",
		  "our role does not let us list and watch communities (HTTP 403; apply the Roles of this "
		  "version); the last good objects stay in force, tried again" },
		{ { REFLECTOR_GARBAGE, .path = SERVICES, .complete = true, .delivered = true },
		  "API server",
		  "something answers with what is no answer of an API server; the last good objects stay in "
		  "force, tried again" },
		{ { REFLECTOR_UNAUTHORIZED, 401, .path = SERVICES, .complete = true, .delivered = true },
		  "API server",
		  "does not accept our credentials (HTTP 401); the last good objects stay in force, tried "
		  "again" },
		{ { REFLECTOR_REFUSED, 400, .path = SERVICES, .complete = true, .delivered = true },
		  "API server",
		  "refuses what we ask (HTTP 400); the last good objects stay in force, tried again" },
		{ { REFLECTOR_NO_MEMORY, .path = SERVICES, .complete = true, .delivered = true },
		  "API server",
		  "what it sends does not fit into memory; the last good objects stay in force, tried "
		  "again" },
		/* a Secret that a peer names only now */
		{ { REFLECTOR_FORBIDDEN, 403, SECRET, .delivered = true },
		  "API server",
		  "our role does not let us list and watch the Secret tor in fairway-system (HTTP 403); the "
		  "Secret tor is not in force until it is read, tried again" },
		{ { REFLECTOR_FORBIDDEN, 403, SECRET, .complete = true, .delivered = true },
		  "API server",
		  "our role does not let us list and watch the Secret tor in fairway-system (HTTP 403); the "
		  "last good objects stay in force, tried again" },
		{ { REFLECTOR_NOT_INSTALLED, 404, SECRET },
		  "API server",
		  "does not know Secrets (HTTP 404); nothing is decided until it is, tried again" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(problems_done) struct problems problems = { 0 };

		assert_int_equal(source_trouble_add(&problems, &rows[i].trouble), 0);
		assert_int_equal(problems.n, rows[i].object != NULL);
		if (!problems.n)
			continue;
		assert_string_equal(problems.items[0].object, rows[i].object);
		assert_string_equal(problems.items[0].message, rows[i].message);
	}
}

/* Only where waiting would be for ever, and only until it was there once. */
static void test_what_is_given_up(void **state _unused_)
{
	static const struct {
		struct source_trouble trouble;
		bool given_up;
	} rows[] = {
		{ { REFLECTOR_FORBIDDEN, 403, COMMUNITIES }, true },
		{ { REFLECTOR_NOT_INSTALLED, 404, COMMUNITIES }, true },
		{ { REFLECTOR_FINE, 0, COMMUNITIES }, false },
		{ { REFLECTOR_SERVER_ERROR, 500, COMMUNITIES }, false },
		{ { REFLECTOR_FORBIDDEN, 403, COMMUNITIES, .complete = true }, false },
		{ { REFLECTOR_FORBIDDEN, 403, .path = SERVICES }, false },
		{ { REFLECTOR_FORBIDDEN, 403, SECRET }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(source_trouble_is_given_up(&rows[i].trouble), rows[i].given_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_what_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
