/* SPDX-License-Identifier: Apache-2.0 */
/* From what runs to what is wanted: vty commands in an order that withdraws no route in between and touches no neighbour
 * that did not change (PURE).
 *
 * One call gives one round. What must not be done before the routers have taken over the new routes (swapping in the final
 * outgoing maps, deleting old maps) comes out of the next round, made from what runs then; when a round is empty, all is
 * done. Order in a round: definitions | router bgp | withdrawals | outgoing maps of known neighbours | networks |
 * neighbours. */
#ifndef FAIRWAY_BGP_FRR_DIFF_H
#define FAIRWAY_BGP_FRR_DIFF_H

#include "bgp/frr_config.h"

struct frr_command {
	const char *text;
	bool secret;	 /* never to be logged */
	bool is_network; /* once acknowledged, `network` is what stands for its prefix: class 0: nothing */
	struct frr_network network;
	const char *resets; /* the BGPPeer whose session this one resets, or NULL */
};

struct frr_commands {
	struct arena arena;
	struct frr_command *items;
	size_t n, capacity;
	bool networks_only; /* nothing else changes */
	const char *conflict; /* static text: why nothing can be done, or NULL */
};

/* Both: 0 or -ENOMEM. *ret is empty (n == 0) when nothing is to be done. */
int frr_diff_bgpd(const struct frr_config *running, const struct frr_config *wanted, struct frr_commands *ret);
/* `settled`: bgpd refers to no other profile any more, so that unused ones may go. */
int frr_diff_bfdd(const struct frr_config *running, const struct frr_config *wanted, bool settled,
		  struct frr_commands *ret);
void frr_commands_done(struct frr_commands *);

#endif
