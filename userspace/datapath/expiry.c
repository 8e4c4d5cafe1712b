// SPDX-License-Identifier: Apache-2.0
/* The rules of flow expiry. */
#include "userspace/datapath/expiry.h"

static uint8_t idle_of(uint64_t control, uint32_t tick)
{
	return (uint8_t)(tick - (control & LB_CTL_SEEN));
}

static bool is_closing(uint64_t control)
{
	return lb_control_state(control) == LB_CLOSING;
}

/* A closing slot counts seconds; one that a program marked after our clock was read is not idle at all. */
static uint32_t half_idle_sec(uint64_t control, const struct flow_facts *flow)
{
	uint8_t age;

	if (!is_closing(control))
		return idle_of(control, flow->tick) * LB_TICK_SEC;
	age = (uint8_t)(flow->second - (control & LB_CTL_SEEN));
	return age > LB_MAX_TICKS ? 0 : age;
}

/* A SYN opens its flow with `seen` half the clock away, and the client's next packet puts it right. Half a
 * clock between the two directions is otherwise impossible for TCP: more than an hour of data without one
 * acknowledgement. */
static bool is_embryonic(const struct flow_facts *flow)
{
	uint8_t apart;

	if (flow->protocol != 6 || !flow->has_reply)
		return false;
	apart = idle_of(flow->control, flow->tick) - idle_of(flow->reply_control, flow->tick);
	return apart >= LB_SEEN_EMBRYONIC && apart <= LB_SEEN_EMBRYONIC + EXPIRY_EMBRYONIC_TICKS + 1;
}

static bool both_closed(const struct flow_facts *flow)
{
	if (flow->control & LB_CTL_RST || (flow->has_reply && flow->reply_control & LB_CTL_RST))
		return true;
	return is_closing(flow->control) && (!flow->has_reply || is_closing(flow->reply_control));
}

static bool one_closed(const struct flow_facts *flow)
{
	return is_closing(flow->control) || (flow->has_reply && is_closing(flow->reply_control));
}

/* Of a half-closed flow the open half counts: the other's seconds have come round before it is over. */
uint32_t flow_idle_sec(const struct flow_facts *flow)
{
	uint32_t idle = half_idle_sec(flow->control, flow), reply;

	if (!flow->has_reply)
		return idle;
	reply = half_idle_sec(flow->reply_control, flow);
	if (one_closed(flow) && !both_closed(flow))
		return is_closing(flow->control) ? reply : idle;
	return reply < idle ? reply : idle;
}

bool flow_is_over(const struct flow_facts *flow)
{
	uint32_t idle = flow_idle_sec(flow);

	if (!flow->frontend_known || !flow->backend_known)
		return true; /* every packet of it is a miss already */
	if (flow->frontend_retired)
		return half_idle_sec(flow->control, flow) > EXPIRY_LEFT_TICKS * LB_TICK_SEC;
	if (flow->protocol != 6)
		return idle > (flow->backend_gone ? EXPIRY_LEFT_TICKS : EXPIRY_UDP_TICKS) * LB_TICK_SEC;
	if (both_closed(flow))
		return idle >= LB_CLOSING_SEC;
	if (one_closed(flow))
		return idle > EXPIRY_HALF_CLOSED_TICKS * LB_TICK_SEC;
	if (is_embryonic(flow))
		return (uint8_t)(idle_of(flow->control, flow->tick) - LB_SEEN_EMBRYONIC) >=
		       EXPIRY_EMBRYONIC_TICKS;
	return idle > EXPIRY_TCP_TICKS * LB_TICK_SEC;
}

bool orphan_is_over(uint64_t reply_control, uint32_t tick, uint32_t second)
{
	const struct flow_facts clock = { .tick = tick, .second = second };
	uint32_t limit = is_closing(reply_control) ? LB_CLOSING_SEC : LB_ORPHAN_TICKS * LB_TICK_SEC;

	return half_idle_sec(reply_control, &clock) >= limit;
}
