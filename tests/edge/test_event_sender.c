// SPDX-License-Identifier: Apache-2.0
/* When ipam/event_sender looks at the book again: with a clock, a timer and an API server that are plain
 * variables here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipam/event_sender.h"
#include "userspace/base/attributes.h"
#include "userspace/io/loop.h"

/* --- the world of these tests -------------------------------------------------------------------------- */

static uint64_t now_msec, due_msec = UINT64_MAX;
static int send_result;
static unsigned n_sent;
static api_reply_fn *reply_to;
static void *reply_userdata;

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

void loop_timer_set(struct loop_timer *timer _unused_, uint64_t after_msec)
{
	due_msec = now_msec + after_msec;
}

void loop_timer_set_earlier(struct loop_timer *timer _unused_, uint64_t after_msec)
{
	if (now_msec + after_msec < due_msec)
		due_msec = now_msec + after_msec;
}

int api_send(struct api *api _unused_, const struct api_call *call _unused_, api_reply_fn *answered,
	     void *userdata, struct api_request **ret)
{
	if (send_result < 0)
		return send_result;
	n_sent++;
	reply_to = answered;
	reply_userdata = userdata;
	*ret = (struct api_request *)&n_sent;
	return 0;
}

void api_cancel(struct api_request *request _unused_)
{
}

static bool may_write(void *userdata _unused_)
{
	return true;
}

static void on_due(void *userdata _unused_)
{
}

/* ------------------------------------------------------------------------------------------------------- */

/* An Event for which there was no memory is tried again without anybody asking. */
static void test_no_memory(void **state _unused_)
{
	static const struct event_source source = { .instance = "a", .seed = 1 };
	static const struct event_sender_fns fns = { may_write, on_due };
	static const struct event event = { .kind = OBJECT_SERVICE,
					    .namespace = "w",
					    .name = "shop",
					    .uid = "u",
					    .reason = "Allocated",
					    .action = "Allocate",
					    .note = "" };
	struct event_book *book = event_book_new();
	struct event_sender *sender;

	assert_non_null(book);
	assert_int_equal(event_sender_new(NULL, NULL, book, &source, &fns, NULL, &sender), 0);
	now_msec = 1000;
	assert_int_equal(event_book_tell(book, &event, now_msec, 0), 0);
	send_result = -ENOMEM;
	event_sender_send(sender);
	assert_int_equal(n_sent, 0);
	assert_true(event_sender_is_idle(sender));
	assert_int_equal(due_msec, now_msec + EVENT_RETRY_MSEC);

	send_result = 0;
	now_msec = due_msec;
	due_msec = UINT64_MAX;
	event_sender_send(sender);
	assert_int_equal(n_sent, 1);
	assert_int_equal(event_sender_count(sender), 1);
	assert_false(event_sender_is_idle(sender));
	reply_to(reply_userdata, &(struct api_reply){ .status = 201, .reason = "", .message = "" });
	assert_true(event_sender_is_idle(sender));
	assert_true(due_msec == UINT64_MAX); /* nothing waits */
	event_sender_free(sender);
	event_book_free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
