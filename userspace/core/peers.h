/* SPDX-License-Identifier: Apache-2.0 */
/* Which BGPPeers a node can have a session with, and what is wrong with the others. Declared by routes.h's
 * routes_peers(): the plan, the routes and FRR's configuration all take their peers from there. */
#ifndef FAIRWAY_CORE_PEERS_H
#define FAIRWAY_CORE_PEERS_H

#include "userspace/core/plan.h"

#define FAIRWAY_NAMESPACE "fairway-system" /* where Secrets of peers are, unless --namespace says otherwise */
#define PEER_PASSWORD_MAX 80		   /* TCP_MD5SIG_MAXKEYLEN */

/* iBGP: localPref is sent to these peers only. */
bool peer_is_internal(const struct bgp_peer *);

/* By its nodeSelectors; never if it could not be read. */
bool peer_selects_node(const struct bgp_peer *, const struct node *);

/* By its own fields it can have a session. What other peers, the node and its Secret may still forbid is
 * peers_usable()'s. */
bool peer_is_sound(const struct bgp_peer *);

/* The AS number of the node's one BGP instance: that of its internal peers if there are any (an internal session can't be
 * had with another), else the one that most peers ask for, then the eldest's. The others get theirs by local-as.
 * 0 without peers. */
uint32_t peers_router_asn(const struct bgp_peer *const *peers, size_t n_peers);

/* The usable peers that select this node (borrowed, sorted by name). Of an unusable peer nothing is configured and
 * nothing announced: a session without the password or with the wrong neighbour is worse than none. One whose BFDProfile
 * is missing stays, unprotected and with a problem: taking a working session down would make an outage of a typo.
 * An unknown node has no peers. 0 or -ENOMEM; `problems` may be NULL. */
int peers_usable(struct arena *, const struct cluster *, const struct node *, const char *secret_namespace,
		 const struct bgp_peer ***ret_peers, size_t *ret_n, struct problems *problems);

/* The BFDProfile that the peer names, if it is there and could be read; else NULL. */
const struct bfd_profile *peer_bfd_profile(const struct cluster *, const struct bgp_peer *);

/* The password of a peer with passwordSecret, or NULL with what is wrong in *ret_why (static text). Never log it. */
const char *peer_password(const struct cluster *, const char *secret_namespace, const struct bgp_peer *,
			  const char **ret_why);

#endif
