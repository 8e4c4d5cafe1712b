/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of ipam/outbox put into one. Inline, for a test that stands in for edges links no helpers.
 */
#ifndef FAIRWAY_TESTS_OUTBOX_FRAME_H
#define FAIRWAY_TESTS_OUTBOX_FRAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipam/outbox.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"
#include "userspace/io/loop.h"

static const struct meta shop = { .namespace = "w", .name = "shop", .uid = "u", .resource_version = 5 };

/* A Service's status */
static inline void add_write(struct outbox *outbox, const struct meta *meta, enum write_urgency urgency)
{
	const struct service_write write = { .urgency = urgency };
	cleanup(strbuf_done) struct strbuf body = { 0 };

	strbuf_append(&body, "{}");
	assert_int_equal(outbox_add(outbox,
				    &(struct outbox_write){ .kind = OBJECT_SERVICE,
							    .meta = meta,
							    .is_status = true,
							    .urgency = urgency,
							    .content_type = "application/merge-patch+json",
							    .body = &body,
							    .service = &write },
				    loop_now_msec()),
			 0);
}

/* A round that wants this one written */
static inline void round_wants(struct outbox *outbox, const struct meta *meta)
{
	outbox_begin(outbox);
	add_write(outbox, meta, WRITE_NOW);
	outbox_send(outbox);
}

/* An Event of `shop` */
static inline void tell_event(struct event_book *book)
{
	const struct event event = { .kind = OBJECT_SERVICE,
				     .namespace = "w",
				     .name = "shop",
				     .uid = "u",
				     .reason = "R",
				     .action = "A",
				     .note = "n" };

	assert_int_equal(event_book_tell(book, &event, loop_now_msec(), 1), 0);
}

#endif
