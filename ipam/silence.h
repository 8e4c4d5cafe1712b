/* SPDX-License-Identifier: Apache-2.0 */
/* Which agents are not heard of any more (PURE). An LBNode tells how often its agent writes it at least
 * (heartbeatSeconds); one that stays the same version for SILENCE_MISSED times that long has a silent agent.
 *
 * As with leader election no clock of another machine is read: what counts is how long it is, by our own
 * monotonic clock, since we saw the object change. So the count begins anew with each leader, and after time
 * that we cannot vouch for: no API server answered, or we did not run ourselves. What was found stands in the
 * object (Ready=Unknown, reason AgentSilent) until the agent writes again; a new leader goes by that.
 *
 * A verdict on an old version harms nothing: the patch is bound to it. */
#ifndef FAIRWAY_IPAM_SILENCE_H
#define FAIRWAY_IPAM_SILENCE_H

#include "ipam/conditions.h"

#define SILENCE_MISSED	  3
#define SILENCE_LOOK_MSEC 10000 /* the longest time from one look to the next */

struct silence_node {
	char *name;
	uint64_t version, seen_msec;
};

struct silence {		    /* zeroed: nothing was seen */
	struct silence_node *nodes; /* by name */
	size_t n;
	uint64_t looked_msec; /* 0: never */
	uint64_t next_msec;   /* look again then */
	size_t n_silent;      /* told by the objects, or found by the last look */
	size_t n_due;	      /* … of which the objects do not tell yet */
};

void silence_done(struct silence *);
/* `attentive`: our view of the objects has been fresh since the last look. 0 or -ENOMEM: as before. */
int silence_look(struct silence *, const struct cluster *, bool attentive, uint64_t now_msec);
/* Is it to be written that this one is silent? Not if that stands there. */
bool silence_is_due(const struct silence *, const struct lb_node *);
/* The body of a merge patch of its status, appended. 0 or -ENOMEM. */
int silence_patch(struct strbuf *, const struct lb_node *, int64_t now_sec);

#endif
