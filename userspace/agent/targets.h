/* SPDX-License-Identifier: Apache-2.0 */
/* To which peers each Service should be announced, and is (EDGE: FRR is read live). */
#ifndef FAIRWAY_AGENT_TARGETS_H
#define FAIRWAY_AGENT_TARGETS_H

#include "userspace/agent/agent.h"

struct target { /* sorted by service, peer; one for both */
	const char *service, *peer;
	bool up;	/* the session is Established */
	bool announced; /* … and bgpd originates each route of the service that the peer should get */
	bool wanted_in[2], told_in[2]; /* IPv4, IPv6: there is a route of it; … and each is announced */
};

struct targets {
	struct target *items;
	size_t n;
};

/* In the arena, texts borrowed from the routes until the next round. 0 or -ENOMEM. */
int targets_collect(struct agent *, struct arena *, struct targets *ret);

/* Those of one service ("namespace/name"): *ret_n from the returned one on. */
const struct target *targets_of(const struct targets *, const char *service, size_t *ret_n);

#endif
