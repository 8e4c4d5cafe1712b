/* SPDX-License-Identifier: Apache-2.0 */
/* When an address that is leaving may be given to somebody else (PURE). */
#ifndef FAIRWAY_IPAM_RELEASE_H
#define FAIRWAY_IPAM_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#define RELEASE_PATIENCE_MSEC 30000 /* a node that does not answer must not hold an address for ever */
/* What a node holds it names. One that names every Service does so this long after the address was given, at
 * the latest; … */
#define RELEASE_REPORT_MSEC 3000
/* … this long where a report is large: lbagent rests up to 10 s after it wrote one
 * (userspace/agent/reporter.h). */
#define RELEASE_LARGE_MSEC 15000
/* Who did not name it, because reports are sampled or it rests, names it this long after it leaves. lbagent
 * names what it releases 3 s after the beginning at the latest, whatever its report's size
 * (REPORT_QUIET_MSEC, userspace/agent/untold.h). As much is left for both watches, the round that begins the
 * release, and the request. */
#define RELEASE_QUIET_MSEC 6000

struct release {
	bool any_node; /* without any there is nobody to wait for */
	bool named;    /* a node still names it, or may hold it and has no room to name it */
	uint64_t given_msec, leaving_msec;
	bool sampled; /* in a large cluster a node that holds it still may say nothing for a while */
	bool large;   /* so may one with a large report, of what was given a moment ago */
};

enum release_answer { RELEASE_WAIT, RELEASE_NOW, RELEASE_OVERDUE };
/* RELEASE_WAIT: *ret_until_msec is when to ask again, if no report comes. */
enum release_answer release_decide(const struct release *, uint64_t now_msec, uint64_t *ret_until_msec);

#endif
