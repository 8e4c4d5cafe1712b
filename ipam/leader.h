/* SPDX-License-Identifier: Apache-2.0 */
/* What the elected lbcontroller does, and all that it knows (EDGE): lists and watches the cluster, decides in
 * rounds, and hands what is to be written to the outbox.
 *
 * It is made when the Lease is acquired and freed when it is lost: a new leader lists anew, so that what it
 * decides on is at least as new as the last write of the one before. Nothing is decided before every kind has
 * delivered its first complete list; then the ledger takes every address that a status or a node names, and
 * only then any is given.
 *
 * A round: store -> cluster -> ledger laid over it -> allocate() -> wants: one PATCH at most for each object.
 * The pure parts decide: rounds (when), ledger, allocator, node_reports, problem_book, silence, wants with all that it asks,
 * and event_book. */
#ifndef FAIRWAY_IPAM_LEADER_H
#define FAIRWAY_IPAM_LEADER_H

#include "ipam/metrics.h"
#include "k8s/api.h"

struct leader;

struct leader_options {
	bool default_class;
	const char *identity;
	/* The fence: asked before every write. */
	bool (*may_write)(void *userdata);
	void *userdata;
};

int leader_new(struct sd_event *, struct api *, const struct leader_options *, struct leader **ret);
void leader_free(struct leader *); /* what is under way is cancelled */

bool leader_has_delivered(const struct leader *);
/* Writes nothing more; `done` is called from the loop once every answer is there, at the latest after two
 * seconds. */
void leader_stop(struct leader *, void (*done)(void *userdata), void *userdata);
bool leader_is_idle(const struct leader *); /* no write is without an answer: none can still be executed */
void leader_count(const struct leader *, struct metrics *); /* adds what it knows */

#endif
