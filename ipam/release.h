/* SPDX-License-Identifier: Apache-2.0 */
/* When an address that is leaving may be given to somebody else (PURE). */
#ifndef FAIRWAY_IPAM_RELEASE_H
#define FAIRWAY_IPAM_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#define RELEASE_PATIENCE_MSEC 30000 /* a node that does not answer must not hold an address for ever */
#define RELEASE_REPORT_MSEC   3000  /* a node names an address this long after it was given, at the latest */
/* … and, where reports are sampled, this long after it leaves. lbagent names what it releases 3 s after the
 * beginning at the latest, whatever its report's size (REPORT_QUIET_MSEC, userspace/agent/untold.h). As much
 * is left for both watches, the round that begins the release, and the request. */
#define RELEASE_QUIET_MSEC 6000

struct release {
	bool any_node; /* without any there is nobody to wait for */
	bool named;    /* a node still names it, or may hold it and has no room to name it */
	uint64_t given_msec, leaving_msec;
	bool sampled; /* in a large cluster a node that holds it still may say nothing for a while */
};

enum release_answer { RELEASE_WAIT, RELEASE_NOW, RELEASE_OVERDUE };
/* RELEASE_WAIT: *ret_until_msec is when to ask again, if no report comes. */
enum release_answer release_decide(const struct release *, uint64_t now_msec, uint64_t *ret_until_msec);

#endif
