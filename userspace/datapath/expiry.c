// SPDX-License-Identifier: Apache-2.0
/* The rules of flow expiry. */
#include "userspace/datapath/expiry.h"

static uint8_t idle_of(uint64_t control, uint32_t tick)
{
	return (uint8_t)(tick - (control & LB_CTL_SEEN));
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

uint32_t flow_idle_ticks(const struct flow_facts *flow)
{
	uint8_t idle = idle_of(flow->control, flow->tick), reply;

	if (!flow->has_reply)
		return idle;
	reply = idle_of(flow->reply_control, flow->tick);
	return reply < idle ? reply : idle;
}

static bool both_closed(const struct flow_facts *flow)
{
	if (flow->control & LB_CTL_RST || (flow->has_reply && flow->reply_control & LB_CTL_RST))
		return true;
	return lb_control_state(flow->control) == LB_CLOSING &&
	       (!flow->has_reply || lb_control_state(flow->reply_control) == LB_CLOSING);
}

static bool one_closed(const struct flow_facts *flow)
{
	return lb_control_state(flow->control) == LB_CLOSING ||
	       (flow->has_reply && lb_control_state(flow->reply_control) == LB_CLOSING);
}

bool flow_is_over(const struct flow_facts *flow)
{
	uint32_t idle = flow_idle_ticks(flow);

	if (!flow->frontend_known || !flow->backend_known)
		return true; /* every packet of it is a miss already */
	if (flow->frontend_retired)
		return idle_of(flow->control, flow->tick) > EXPIRY_LEFT_TICKS;
	if (flow->protocol != 6)
		return idle > (flow->backend_gone ? EXPIRY_LEFT_TICKS : EXPIRY_UDP_TICKS);
	if (both_closed(flow))
		return idle >= LB_CLOSING_TICKS;
	if (one_closed(flow))
		return idle > EXPIRY_HALF_CLOSED_TICKS;
	if (is_embryonic(flow))
		return (uint8_t)(idle_of(flow->control, flow->tick) - LB_SEEN_EMBRYONIC) >=
		       EXPIRY_EMBRYONIC_TICKS;
	return idle > EXPIRY_TCP_TICKS;
}

bool orphan_is_over(uint64_t reply_control, uint32_t tick)
{
	return idle_of(reply_control, tick) >= LB_ORPHAN_TICKS;
}
