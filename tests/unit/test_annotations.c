// SPDX-License-Identifier: Apache-2.0
/* Annotations of Fairway's that have no effect: what is said of each, and what of none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/annotations.h"

#define NONE_SUCH "there is no such annotation: ignored; "
#define NAMES                                                                                                \
	"fairway.dev/ has pool, ips, shared-ip, shared-ip-namespaces, node-selector, source-ranges-policy, " \
	"forwarding-mode, lb-algorithm"
#define LONG_NAME "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg" /* 63 */

static const struct row {
	const char *key, *value, *says; /* "": nothing */
} rows[] = {
	{ "fairway.dev/pool", "public", "" },
	{ "fairway.dev/ips", "nonsense", "" }, /* its reader says that */
	{ "fairway.dev/shared-ip", "k", "" },
	{ "fairway.dev/shared-ip-namespaces", "*", "" },
	{ "fairway.dev/node-selector", "a=b", "" },
	{ "fairway.dev/source-ranges-policy", "nonsense", "" },
	{ "fairway.dev/forwarding-mode", "snat", "" },
	{ "fairway.dev/forwarding-mode", "", "" },
	{ "fairway.dev/forwarding-mode", "dsr", "only snat is built, and stays in force: \"dsr\": ignored" },
	{ "fairway.dev/forwarding-mode", "SNAT",
	  "only snat is built, and stays in force: \"SNAT\": ignored" },
	{ "fairway.dev/lb-algorithm", "maglev", "" },
	{ "fairway.dev/lb-algorithm", "random",
	  "only maglev is built, and stays in force: \"random\": ignored" },
	{ "fairway.dev/lb-algorithm", "a\nb",
	  "only maglev is built, and stays in force: \"a\\x0ab\": ignored" },
	/* one letter more, less, another, two swapped */
	{ "fairway.dev/pools", "x", NONE_SUCH "the nearest is fairway.dev/pool" },
	{ "fairway.dev/pol", "x", NONE_SUCH "the nearest is fairway.dev/pool" },
	{ "fairway.dev/poll", "x", NONE_SUCH "the nearest is fairway.dev/pool" },
	{ "fairway.dev/opol", "x", NONE_SUCH "the nearest is fairway.dev/pool" },
	{ "fairway.dev/isp", "x", NONE_SUCH "the nearest is fairway.dev/ips" },
	{ "fairway.dev/ip", "x", NONE_SUCH "the nearest is fairway.dev/ips" },
	{ "fairway.dev/shared-ips", "x", NONE_SUCH "the nearest is fairway.dev/shared-ip" },
	{ "fairway.dev/sharedip-namespace", "x",
	  NONE_SUCH "the nearest is fairway.dev/shared-ip-namespaces" },
	{ "fairway.dev/src-ranges-policy", "x", NONE_SUCH "the nearest is fairway.dev/source-ranges-policy" },
	{ "fairway.dev/forward-mode", "x", NONE_SUCH "the nearest is fairway.dev/forwarding-mode" },
	{ "fairway.dev/Pool", "x", NONE_SUCH "the nearest is fairway.dev/pool" },
	/* near to none */
	{ "fairway.dev/x", "x", NONE_SUCH NAMES },
	{ "fairway.dev/weight", "x", NONE_SUCH NAMES },
	{ "fairway.dev/", "x", NONE_SUCH NAMES },
	{ "fairway.dev/" LONG_NAME, "x", NONE_SUCH NAMES },
	{ "fairway.dev/" LONG_NAME "h", "x", NONE_SUCH NAMES }, /* manifests can say so */
	/* others' */
	{ "fairway.de/pool", "x", "" },
	{ "fairway.dev", "x", "" },
	{ "xfairway.dev/pool", "x", "" },
};

static void each_is_told(void **state _unused_)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(problems_done) struct problems problems = { 0 };
		struct label label = { rows[i].key, rows[i].value };
		struct service *service = world_service(&world, "web/shop");
		char field[128];

		service->meta.annotations = (struct labels){ .items = &label, .n = 1 };
		assert_int_equal(annotations_check(service, &problems), 0);
		if (problems.n != (*rows[i].says ? 1 : 0) ||
		    (problems.n && strcmp(problems.items[0].message, rows[i].says) != 0))
			fail_msg("%s=%s: '%s', expected '%s'", rows[i].key, rows[i].value,
				 problems.n ? problems.items[0].message : "", rows[i].says);
		if (!problems.n)
			continue;
		assert_string_equal(problems.items[0].object, "Service/web/shop");
		snprintf(field, sizeof(field), "metadata.annotations[%.75s]", rows[i].key);
		assert_string_equal(problems.items[0].field, field);
	}
}

/* A tenant writes a thousand. */
static void many_are_cut_short(void **state _unused_)
{
	static const char *const keys[] = { "fairway.dev/a", "fairway.dev/b",	"fairway.dev/c",
					    "fairway.dev/d", "fairway.dev/e",	"fairway.dev/f",
					    "fairway.dev/g", "fairway.dev/h",	"fairway.dev/i",
					    "fairway.dev/j", "fairway.dev/pool" };
	struct label labels[ARRAY_SIZE(keys)];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		labels[i] = (struct label){ keys[i], "x" };
	for (n = ANNOTATIONS_TOLD; n <= ARRAY_SIZE(keys); n++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(problems_done) struct problems problems = { 0 };
		struct service *service = world_service(&world, "web/shop");

		service->meta.annotations = (struct labels){ .items = labels, .n = n };
		assert_int_equal(annotations_check(service, &problems), 0);
		assert_int_equal(problems.n, n == ANNOTATIONS_TOLD ? n : ANNOTATIONS_TOLD + 1);
		if (n > ANNOTATIONS_TOLD)
			assert_string_equal(problems.items[ANNOTATIONS_TOLD].message,
					    "more of fairway.dev/ have no effect");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told),
		cmocka_unit_test(many_are_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
