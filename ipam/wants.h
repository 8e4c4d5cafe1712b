/* SPDX-License-Identifier: Apache-2.0 */
/* What should be written now (PURE): all that a round has decided, against each object as it was read -> one
 * PATCH at most for each Service, pool, peer, advertisement, BFDProfile, Community and silent node. Whether
 * an object may be written at all is the sink's to say. */
#ifndef FAIRWAY_IPAM_WANTS_H
#define FAIRWAY_IPAM_WANTS_H

#include "ipam/ledger.h"
#include "ipam/outbox_write.h"
#include "ipam/problem_book.h"
#include "ipam/silence.h"

struct wants_sink { /* the outbox, see there */
	bool (*is_ready)(void *userdata, enum object_kind, const struct meta *);
	bool (*has_room)(void *userdata, bool urgent);
	bool (*holds_back)(void *userdata);
	int (*add)(void *userdata, const struct outbox_write *); /* borrowed; 0 or -ENOMEM */
};

struct wants { /* all borrowed */
	const struct cluster *cluster;
	const struct allocations *allocations;
	const struct ledger *ledger;
	const struct node_reports *reports;
	const struct problem_book *problems;
	const struct silence *silence;
	bool default_class;
	bool bgp_unknown; /* BGPPeers or Communities are not known: nothing is said of advertisements */
	int64_t now_sec;
	const struct wants_sink *sink;
	void *userdata; /* of the sink */
};

int wants_collect(const struct wants *); /* 0 or -ENOMEM */

#endif
