/* SPDX-License-Identifier: Apache-2.0 */
/* What a BGPAdvertisement's status should be (PURE). Who mistypes a community or a selector withdraws what
 * was selected, and nothing else tells those who only have kubectl.
 *
 *   Valid      it can be used as it is: it was read, its communities are known, the pools and peers that it
 *              names exist
 *   Selecting  it selects something: nodes, peers of them that can have a session (by their own fields:
 * Secrets are the agents'), and, unless it announces PodCIDRs, pools and a Service that has an address of
 * theirs
 *
 * Neither counts anything: each version of the object is sent to every agent. */
#ifndef FAIRWAY_IPAM_ADVERTISEMENT_STATUS_H
#define FAIRWAY_IPAM_ADVERTISEMENT_STATUS_H

#include "ipam/conditions.h"

/* The body of a merge patch of /status, appended. 0 or -ENOMEM. */
int advertisement_status_patch(struct strbuf *, const struct bgp_advertisement *, const struct cluster *,
			       bool default_class, int64_t now_sec);

#endif
