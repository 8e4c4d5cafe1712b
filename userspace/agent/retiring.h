/* SPDX-License-Identifier: Apache-2.0 */
/* When a frontend may go (PURE): first its route is withdrawn, then the drain delay passes, then it is
 * deleted.
 *
 * One entry for each FRONTEND_DELETE step that waits. Entries keep their times when plans are made anew
 * meanwhile, so that steady change elsewhere never holds a deletion up. A withdrawal that is not confirmed
 * (bgpd hangs) is given up after a bounded time: the routers' hold timers have ended the session by then. */
#ifndef FAIRWAY_AGENT_RETIRING_H
#define FAIRWAY_AGENT_RETIRING_H

#include "userspace/core/diff.h"

struct retiring_frontend { /* sorted by address, port, protocol */
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	uint64_t since_msec;
	uint64_t withdrawn_msec; /* UINT64_MAX: still announced, as far as is known */
};

struct retiring {
	struct retiring_frontend *items;
	size_t n, capacity;
};

struct retiring_times {
	uint64_t drain_msec;  /* after the withdrawal */
	uint64_t limit_msec;  /* without a confirmed withdrawal */
};

/* Makes the list follow the BREAK steps. 0 or -ENOMEM (the list is then as it was). */
int retiring_update(struct retiring *, const struct steps *, uint64_t now_msec);
void retiring_done(struct retiring *);

/* Notes that the frontend's address is no longer announced for it. */
void retiring_withdrawn(struct retiring_frontend *, uint64_t now_msec);

/* The moment when the frontend may go, if nothing changes. */
uint64_t retiring_due_msec(const struct retiring_frontend *, const struct retiring_times *);

/* Which BREAK steps may be executed now: ret_selected[i] for steps->items[i]; returns their number. The
 * table of a waiting frontend, and the backends that left its service, wait with it. *ret_next_msec: when
 * to ask again (UINT64_MAX: never). */
size_t retiring_select(const struct retiring *, const struct steps *, const struct retiring_times *,
		       uint64_t now_msec, bool *ret_selected, uint64_t *ret_next_msec);

#endif
