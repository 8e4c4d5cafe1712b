// SPDX-License-Identifier: Apache-2.0
/* See seen.h. */
#include "tests/edge/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

void seen_init(struct seen *seen)
{
	*seen = (struct seen){ .store = store_new() };
	assert_non_null(seen->store);
	assert_int_equal(sd_event_new(&seen->event), 0);
}

void seen_done(struct seen *seen)
{
	sd_event_unref(seen->event);
	store_free(seen->store);
}

unsigned seen_port(const struct seen *seen, const char *name)
{
	const struct object *object = store_find(seen->store, OBJECT_SERVICE, "w", name);

	return object ? object->service.ports[0].port : 0;
}

void seen_change(void *userdata)
{
	struct seen *seen = userdata;

	seen->n_changes++;
	if (seen->must_stay)
		assert_int_not_equal(seen_port(seen, seen->must_stay), 0);
}

void seen_run(struct seen *seen)
{
	assert_true(sd_event_run(seen->event, 500000) >= 0);
}

void seen_give_up(const struct source_result *result, const char *condition)
{
	for (size_t i = 0; result && i < result->problems.n; i++)
		print_message("%s: %s\n", result->problems.items[i].object,
			      result->problems.items[i].message);
	fail_msg("never came true: %s", condition);
}
