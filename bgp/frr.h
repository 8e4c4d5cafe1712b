/* SPDX-License-Identifier: Apache-2.0 */
/* FRRouting as this node's BGP speaker, as the agent sees it (EDGE; text is rendered by the pure frr_config).
 *
 * The driver talks to bgpd (and bfdd) over their vty sockets, lock-step, non-blocking with a deadline: a stopped bgpd
 * never stops the loop. It keeps the wanted configuration, compares it with what bgpd runs (seeded from the running
 * configuration at every connect and about every 30 s) and applies differences only: networks on the hot path, peers and
 * policy on the cold one. When a daemon restarts, everything is replayed, networks before neighbours. */
#ifndef FAIRWAY_BGP_FRR_H
#define FAIRWAY_BGP_FRR_H

#include "userspace/core/routes.h"

struct sd_event;
struct frr;

struct frr_options {
	const char *vty_dir;	  /* where bgpd.vty and bfdd.vty are, e.g. /run/frr/NODE */
	const char *config_file;  /* written atomically for restarts of bgpd, readable for FRR alone; NULL: none */
	const char *secret_namespace; /* where passwordSecret is looked up; default fairway-system */
	const struct prefix *cluster_cidrs; /* prefixes that may be received, with le 32/128; n == 0: none */
	size_t n_cluster_cidrs;
};

typedef void frr_change_fn(void *userdata); /* session or announcement state changed */

int frr_new(struct sd_event *, const struct frr_options *, frr_change_fn *, void *userdata, struct frr **ret);
void frr_free(struct frr *); /* sessions and routes stay */

/* The new wanted state; copies what it keeps. Applied from the loop within 50 ms. Problems are those that keep a peer from
 * being configured (missing secret, unknown BFD profile, …): they are added, the other peers go on. */
int frr_want(struct frr *, const struct cluster *, const char *node, const struct routes *, struct problems *);

/* True once everything wanted has been applied and acknowledged by bgpd: withdrawals too. */
bool frr_in_sync(const struct frr *);
/* The routes that bgpd has acknowledged: is this prefix originated now? */
bool frr_announces(const struct frr *, const struct prefix *);

struct frr_peer_view {
	const char *name;	/* BGPPeer */
	struct addr address;	/* ADDR_NONE for an interface peer */
	const char *interface;
	uint32_t remote_asn;
	const char *state;	/* "Established", "Active", "unreachable" when bgpd does not answer, … */
	uint64_t uptime_sec;
	uint32_t prefixes_sent, prefixes_received;
	uint32_t prefixes_wanted; /* what prefixes_sent comes to when all is well */
	const char *last_error; /* "" if none */
	const char *bfd;	/* "", "up", "down" */
};
size_t frr_peers(const struct frr *, const struct frr_peer_view **ret); /* borrowed until the loop runs again */
const char *frr_daemon_state(const struct frr *); /* "connected", "not running", "not answering" */
uint64_t frr_commands(const struct frr *); /* that changed something, sent so far: none for a want that runs already */

int frr_withdraw_all(const struct frr_options *); /* --cleanup: synchronous, bounded; 0 also when no daemon runs */

#endif
