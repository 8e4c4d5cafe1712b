/* SPDX-License-Identifier: Apache-2.0 */
/* Whether addresses are going out in a rush (PURE).
 *
 * Users wait for addresses; for conditions, counts and Events nobody does, yet each costs the API server, and
 * all who watch it, as much as an address. Written between the addresses of many Services made at once they
 * make the last of them wait twice as long. So what can wait does, from RUSH_WRITES urgent writes within
 * RUSH_SPAN_MSEC on, until RUSH_CALM_MSEC after the last of them, but RUSH_MOST_MSEC at most: in a cluster
 * that never rests it is written all the same. Fewer changes than that hold nothing back. */
#ifndef FAIRWAY_IPAM_RUSH_H
#define FAIRWAY_IPAM_RUSH_H

#include <stddef.h>
#include <stdint.h>

#define RUSH_WRITES    8
#define RUSH_SPAN_MSEC 1000
#define RUSH_CALM_MSEC 500
#define RUSH_MOST_MSEC 30000

struct rush {				 /* all 0: no write so far */
	uint64_t sent_msec[RUSH_WRITES]; /* the last ones, a ring; 0: none */
	size_t next;
	uint64_t began_msec; /* 0: there was none */
};

void rush_note(struct rush *, uint64_t now_msec); /* an urgent write is sent */
/* Until when what can wait has to; 0: not at all. */
uint64_t rush_until(const struct rush *, uint64_t now_msec);

#endif
