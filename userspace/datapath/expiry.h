/* SPDX-License-Identifier: Apache-2.0 */
/* When a flow is over (PURE). Times are ticks of LB_TICK_SEC, in closing slots seconds, 8 bits wide either
 * way: no slot may stay unvisited for LB_MAX_TICKS, and a closed flow that is not visited for three minutes
 * waits as long again. */
#ifndef FAIRWAY_DATAPATH_EXPIRY_H
#define FAIRWAY_DATAPATH_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/lb_abi.h"

#define EXPIRY_TCP_TICKS (LB_MAX_TICKS - 8) /* 2 h 9 min: more than the keep-alive of a usual host */
#define EXPIRY_UDP_TICKS 5		    /* 160 to 192 s, as conntrack's 180 s for a stream */
#define EXPIRY_HALF_CLOSED_TICKS                                                                             \
	10			 /* one side said FIN; the other may still send for five minutes of silence */
#define EXPIRY_EMBRYONIC_TICKS 3 /* a SYN that the client never followed up: 96 to 128 s */
#define EXPIRY_LEFT_TICKS      1 /* nobody can come back: its frontend or its UDP backend is gone */

struct flow_facts {
	uint32_t tick;
	uint32_t second;  /* of the monotonic clock, read after the controls */
	uint64_t control; /* of the slot in lb_flows, OPEN or CLOSING */
	bool has_reply;
	uint64_t reply_control;
	uint8_t protocol;
	bool frontend_known, backend_known; /* the entry still has the generation that the flow repeats */
	bool frontend_retired, backend_gone;
};

bool flow_is_over(const struct flow_facts *);
bool orphan_is_over(uint64_t reply_control, uint32_t tick,
		    uint32_t second);		   /* a reply slot that no flow leads to */
uint32_t flow_idle_sec(const struct flow_facts *); /* since a packet of either direction, at most so long */

#endif
