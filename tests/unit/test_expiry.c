// SPDX-License-Identifier: Apache-2.0
/* When flows are over: rows of a flow's two halves, and the verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/datapath/expiry.h"

#define TICK   1000 /* 232 in eight bits */
#define SECOND 5005 /* 141 */

enum mark { OPEN, FIN, RST, NONE /* no such half */ };

/* `idle` is in ticks while open, in seconds after. */
static uint64_t control(enum mark mark, int idle)
{
	uint64_t state = mark == OPEN ? LB_OPEN : LB_CLOSING;

	return (uint8_t)((mark == OPEN ? TICK : SECOND) - idle) | state << LB_CTL_STATE_SHIFT |
	       (mark == RST ? LB_CTL_RST : 0);
}

static const struct row {
	const char *name;
	uint8_t protocol;
	enum mark flow;
	int idle;
	enum mark reply;
	int reply_idle;
	bool retired, gone, unknown;
	bool over;
} rows[] = {
	{ "TCP, fresh", 6, OPEN, 0, OPEN, 0, .over = false },
	{ "TCP, idle for two hours", 6, OPEN, 240, OPEN, 240, .over = false },
	{ "TCP, idle for longer", 6, OPEN, EXPIRY_TCP_TICKS + 1, OPEN, EXPIRY_TCP_TICKS + 1, .over = true },
	{ "TCP, only the backend sends", 6, OPEN, EXPIRY_TCP_TICKS + 1, OPEN, 0, .over = false },
	{ "TCP, client's FIN", 6, FIN, 128, OPEN, 4, .over = false },
	{ "TCP, client's FIN, backend still sends", 6, FIN, 200, OPEN, 1, .over = false },
	{ "TCP, half closed and silent", 6, FIN, 96, OPEN, 11, .over = true }, /* 352 s: 96 come round */
	{ "TCP, half closed by the backend and silent", 6, OPEN, 11, FIN, 96, .over = true },
	{ "TCP, half closed, the client still sends", 6, OPEN, 10, FIN, 96, .over = false },
	{ "TCP, both FIN, TIME_WAIT", 6, FIN, LB_CLOSING_SEC - 1, FIN, LB_CLOSING_SEC + 9, .over = false },
	{ "TCP, both FIN, later", 6, FIN, LB_CLOSING_SEC, FIN, LB_CLOSING_SEC + 9, .over = true },
	{ "TCP, both FIN, marked since the clock was read", 6, FIN, -1, FIN, LB_CLOSING_SEC, .over = false },
	{ "TCP, FIN and no reply half", 6, FIN, LB_CLOSING_SEC, NONE, 0, .over = true },
	{ "TCP, reset by the backend", 6, OPEN, 3, RST, LB_CLOSING_SEC, .over = true },
	{ "TCP, reset by the backend, the SYN was all", 6, OPEN, 128, RST, LB_CLOSING_SEC, .over = true },
	{ "TCP, reset by the client", 6, RST, LB_CLOSING_SEC, OPEN, 3, .over = true },
	{ "TCP, reset by the client, backend still sends", 6, RST, LB_CLOSING_SEC, OPEN, 1, .over = false },
	{ "TCP, reset just now", 6, RST, 0, OPEN, 0, .over = false },
	{ "TCP, no reply half", 6, OPEN, 3, NONE, 0, .over = false },
	{ "TCP, a SYN just now", 6, OPEN, 128, OPEN, 0, .over = false },
	{ "TCP, a SYN never followed up", 6, OPEN, 128 + EXPIRY_EMBRYONIC_TICKS, OPEN, EXPIRY_EMBRYONIC_TICKS,
	  .over = true },
	{ "TCP, a SYN never followed up, SYN-ACK sent again", 6, OPEN, 128 + EXPIRY_EMBRYONIC_TICKS, OPEN, 1,
	  .over = true },
	{ "TCP, both silent for 68 minutes", 6, OPEN, 130, OPEN, 130, .over = false },
	{ "TCP, backend gone", 6, OPEN, 100, OPEN, 100, .gone = true, .over = false },
	{ "UDP, fresh", 17, OPEN, 0, OPEN, 0, .over = false },
	{ "UDP, idle", 17, OPEN, EXPIRY_UDP_TICKS + 1, OPEN, EXPIRY_UDP_TICKS + 1, .over = true },
	{ "UDP, backend streams", 17, OPEN, 200, OPEN, 0, .over = false },
	{ "UDP, backend gone", 17, OPEN, 2, OPEN, 2, .gone = true, .over = true },
	{ "frontend deleted just now", 6, OPEN, 0, OPEN, 0, .retired = true, .over = false },
	{ "frontend deleted", 6, OPEN, 2, OPEN, 0, .retired = true, .over = true },
	{ "another life of the id", 6, OPEN, 0, OPEN, 0, .unknown = true, .over = true },
};

static void test_rows(void **state _unused_)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct flow_facts facts = {
			.tick = TICK,
			.second = SECOND,
			.control = control(row->flow, row->idle),
			.has_reply = row->reply != NONE,
			.reply_control = row->reply != NONE ? control(row->reply, row->reply_idle) : 0,
			.protocol = row->protocol,
			.frontend_known = !row->unknown,
			.backend_known = true,
			.frontend_retired = row->retired,
			.backend_gone = row->gone,
		};

		if (flow_is_over(&facts) != row->over)
			fail_msg("%s: over %d, expected %d", row->name, !row->over, row->over);
	}
}

static void test_orphans(void **state _unused_)
{
	assert_false(orphan_is_over(control(OPEN, LB_ORPHAN_TICKS - 1), TICK, SECOND));
	assert_true(orphan_is_over(control(OPEN, LB_ORPHAN_TICKS), TICK, SECOND));
	assert_false(orphan_is_over(control(FIN, LB_CLOSING_SEC - 1), TICK, SECOND));
	assert_true(orphan_is_over(control(FIN, LB_CLOSING_SEC), TICK, SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_orphans),
	};

	return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
