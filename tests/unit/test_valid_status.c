// SPDX-License-Identifier: Apache-2.0
/* ipam/valid_status: what kubectl shows of a BFDProfile and a Community; each body is stated whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/valid_status.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define NOW 1706702500 /* 2024-01-31T12:01:40Z */

static void expect(enum object_kind kind, const struct meta *meta, const char *wanted)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	assert_int_equal(valid_status_patch(&body, kind, meta, NOW), 0);
	assert_string_equal(strbuf_text(&body), wanted);
}

static void test_read(void **state _unused_)
{
	static const char body[] =
		"{\"status\":{\"observedGeneration\":3,\"conditions\":[{\"type\":\"Valid\",\"status\":"
		"\"True\","
		"\"reason\":\"Valid\",\"message\":\"\",\"observedGeneration\":3,\"lastTransitionTime\":"
		"\"2024-01-31T12:01:40Z\"}]}}";

	expect(OBJECT_BFD_PROFILE, &(struct meta){ .generation = 3 }, body);
	expect(OBJECT_COMMUNITY, &(struct meta){ .generation = 3 }, body);
}

/* The generation is that of the edit, the time that of its turn. */
static void test_refused(void **state _unused_)
{
	struct condition seen = { .type = "Valid", .status = CONDITION_FALSE, .transition_sec = NOW - 60 };
	struct meta meta = { .generation = 3,
			     .refused = "spec.detectMultiplier: not in 2..255: 1",
			     .refused_generation = 4 };

	expect(OBJECT_BFD_PROFILE, &meta,
	       "{\"status\":{\"observedGeneration\":4,\"conditions\":[{\"type\":\"Valid\",\"status\":"
	       "\"False\","
	       "\"reason\":\"Refused\",\"message\":\"spec.detectMultiplier: not in 2..255: 1; nodes that "
	       "have read "
	       "its last good version go on with that, on one that starts anew the sessions of its BGPPeers "
	       "are "
	       "without BFD\",\"observedGeneration\":4,\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}]}}");
	meta.refused = "spec.communities[0].value: missing";
	meta.conditions = (struct conditions){ .items = &seen, .n = 1 };
	expect(OBJECT_COMMUNITY, &meta,
	       "{\"status\":{\"observedGeneration\":4,\"conditions\":[{\"type\":\"Valid\",\"status\":"
	       "\"False\","
	       "\"reason\":\"Refused\",\"message\":\"spec.communities[0].value: missing; nodes that have "
	       "read its "
	       "last good version go on with that, one that starts anew announces nothing by a "
	       "BGPAdvertisement "
	       "that uses one of its names\",\"observedGeneration\":4,\"lastTransitionTime\":"
	       "\"2024-01-31T12:00:40Z\"}]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
