/* SPDX-License-Identifier: Apache-2.0 */
/* What a BGPPeer's status should be, from what the nodes report (PURE). Nodes count as selected by the peer's
 * nodeSelectors; one of them that says nothing about the peer, or is silent, is Unknown. At most
 * PEER_STATUS_NODES are listed, those without an established session first: the LBNodes have them all.
 *
 *   Ready  each selected node has its session, by the version that is in force
 *   Valid  the newest version was read; if not, the last good one stays in force where it was read. Without
 *          one nobody knows which nodes are selected: those that report the peer are listed */
#ifndef FAIRWAY_IPAM_PEER_STATUS_H
#define FAIRWAY_IPAM_PEER_STATUS_H

#include "ipam/node_reports.h"

#define PEER_STATUS_NODES 100

/* The body of a merge patch of /status, appended. *ret_counts_only: its conditions stand there already, so
 * what differs, if anything, are counts and words of single nodes. 0 or -ENOMEM. */
int peer_status_patch(struct strbuf *, const struct bgp_peer *, const struct cluster *,
		      const struct node_reports *, int64_t now_sec, bool *ret_counts_only);

#endif
