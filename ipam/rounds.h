/* SPDX-License-Identifier: Apache-2.0 */
/* When the leader decides, and what of the round before still stands (PURE).
 *
 * Nothing is decided before the first complete lists, and nothing once the leader is to stop. A round looks
 * at every Service. With thousands of them it rests for twice the processor time that it took, so that a
 * stream of changes leaves most of it to others; the first change after a rest waits for nothing. */
#ifndef FAIRWAY_IPAM_ROUNDS_H
#define FAIRWAY_IPAM_ROUNDS_H

#include "k8s/store.h"

#define ROUNDS_RETRY_MSEC 1000 /* after a round for which there was no memory */
#define ROUNDS_STOP_MSEC  2000 /* for the answers to what is under way */

struct rounds {		/* { 0 } */
	bool delivered; /* the first complete lists were there */
	bool stopped;
	bool reports_fresh; /* the nodes' reports are read as the store has them */
	bool allocated;	    /* there are allocations of an earlier round */
	uint64_t rest_until_msec;
};

enum round_verdict {
	ROUND_NONE,
	ROUND_FIRST, /* decide; the lists have come */
	ROUND_NOW,
	ROUND_RESTS, /* until rest_until_msec */
};

/* Something changed, or a time has come. */
enum round_verdict rounds_ask(struct rounds *, bool delivered, uint64_t now_msec);
void rounds_done(struct rounds *, double cpu_seconds, uint64_t now_msec);

bool rounds_reports_stand(const struct rounds *, const struct store_changes *);
/* Allocations follow from everything but the nodes' reports; those only let go what is leaving. */
bool rounds_allocations_stand(const struct rounds *, const struct store_changes *, size_t n_leaving);

/* It is to stop: how long it may take until nothing is without an answer. */
uint64_t rounds_stop(struct rounds *, bool idle);

enum rounds_next { ROUNDS_GO_ON, ROUNDS_WAIT, ROUNDS_END };
/* An answer came, or what was held back may go now. GO_ON: a round is due. */
enum rounds_next rounds_answered(const struct rounds *, bool idle);
/* The timer of the next round, or of the end, fired. */
enum rounds_next rounds_timed(const struct rounds *);

#endif
