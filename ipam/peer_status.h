/* SPDX-License-Identifier: Apache-2.0 */
/* What a BGPPeer's status should be, from what the nodes report (PURE). Nodes count as selected by the peer's
 * nodeSelectors; one of them that says nothing about the peer, or is silent, is Unknown. At most
 * PEER_STATUS_NODES are listed, those without an established session first: the LBNodes have them all. */
#ifndef FAIRWAY_IPAM_PEER_STATUS_H
#define FAIRWAY_IPAM_PEER_STATUS_H

#include "ipam/node_reports.h"

#define PEER_STATUS_NODES 100

/* The body of a merge patch of /status, appended. *ret_counts_only: its condition stands there already, so
 * what differs, if anything, are counts and words of single nodes. 0 or -ENOMEM. */
int peer_status_patch(struct strbuf *, const struct bgp_peer *, const struct cluster *,
		      const struct node_reports *, int64_t now_sec, bool *ret_counts_only);

#endif
