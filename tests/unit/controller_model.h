/* SPDX-License-Identifier: Apache-2.0 */
/* A random world of Services on a model of the API server, and the controller's real decisions against it
 * (ledger, overlay, allocator, wants, addressees), in steps of 50 ms: writes are queued, under way, executed,
 * refused, answered late or never, executed after the controller gave up on them; the watch is late; leaders
 * change. No nodes report: what is given up may be given again once its write is acknowledged or seen.
 *
 * One seed tells everything. Time passes only in controller_model_step(). */
#ifndef FAIRWAY_TESTS_CONTROLLER_MODEL_H
#define FAIRWAY_TESTS_CONTROLLER_MODEL_H

#include "ipam/addressees.h"
#include "ipam/ledger.h"
#include "tests/unit/random_services.h"

#define MODEL_WRITES (3 * RANDOM_SERVICES)

struct model_object { /* a Service on the API server, or as the watch has shown it */
	struct random_service spec;
	unsigned uid;
	uint64_t version;
	bool finalizer; /* and with it the condition Allocated */
};

struct model_state {
	struct model_object objects[RANDOM_SERVICES];
	struct random_pool pools[RANDOM_POOLS];
	unsigned service_edits; /* by authors */
	unsigned pool_edits;
};

struct model_write {	 /* one PATCH of a Service */
	bool queued;	 /* decided, not sent */
	bool on_its_way; /* may be executed yet */
	bool awaited;	 /* the controller waits for the answer */
	size_t service;
	struct model_object over; /* what it was decided on */
	unsigned service_edits;	  /* that this had seen */
	bool gives_addresses, adds_finalizer, removes_finalizer;
	struct addr addresses[2];
	size_t n_addresses;
	unsigned execute_in, answer_in; /* steps */
	bool lost;	       /* no answer comes, and it may be executed later than that is found out */
	uint64_t made_version; /* 0: refused */
};

struct model_counts { /* since the beginning */
	unsigned written, conflicts, refused, lost;
	unsigned ghosts; /* executed after the controller had given up on them */
	unsigned leaders;
};

struct controller_model {
	struct random random;
	struct model_state server, seen;
	uint64_t version, now_msec;
	unsigned uids;
	struct model_write writes[MODEL_WRITES];
	unsigned room; /* how many writes this round may queue */
	struct ledger ledger;
	struct addressees addressees;
	bool smooth;	     /* no write is refused or lost, and each queued one leaves: set by the test */
	bool asleep;	     /* something was wanted in the last round and could not be written yet */
	unsigned n_wanted;   /* in the last round */
	struct strbuf story; /* what happened since the test emptied it */
	/* Before a write is executed. */
	void (*executing)(void *userdata, const struct model_write *);
	void *userdata;
	struct model_counts counts;
};

void controller_model_init(struct controller_model *, const struct random_world *, uint64_t seed);
void controller_model_done(struct controller_model *);

/* An author edits a Service, as the API server lets him: another type or class empties the status, one that
 * has the finalizer is deleting until that is gone. False: nothing to edit. */
bool controller_model_edit(struct controller_model *, size_t service, const struct random_service *wanted);
bool controller_model_edit_pool(struct controller_model *, size_t pool, const struct random_pool *wanted);
/* Somebody else changes something that is nothing to us: only the version is another. */
void controller_model_touch(struct controller_model *, size_t service);
void controller_model_empty_status(struct controller_model *, size_t service);

void controller_model_step(struct controller_model *);
/* A new leader: the old one's writes have ended, and it lists before it decides. */
void controller_model_change_leader(struct controller_model *);
/* The watch has shown everything, nothing is under way, and a round more wants nothing. */
bool controller_model_rests(struct controller_model *);

/* The server's Services and pools; without those that are being deleted if they are `gone` already. */
void controller_model_world(const struct controller_model *, bool gone, struct random_world *ret);

#endif
