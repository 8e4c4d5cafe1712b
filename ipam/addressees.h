/* SPDX-License-Identifier: Apache-2.0 */
/* Which objects may be written now (PURE): what is remembered of each that was written, by kind, namespace
 * and name. One write at a time for an object; then until the watch has shown what it made; after a failure
 * not before its backoff is over; a condition not at once after the write before. outbox.h has the rules. */
#ifndef FAIRWAY_IPAM_ADDRESSEES_H
#define FAIRWAY_IPAM_ADDRESSEES_H

#include "ipam/service_write.h"

#define ADDRESSEE_FIRST_RETRY_MSEC 100 /* after a failure; doubles */
#define ADDRESSEE_MOST_RETRY_MSEC  30000
#define ADDRESSEE_SOON_MSEC	   1000 /* WRITE_SOON, after the last write */
#define ADDRESSEE_LAZY_MSEC	   30000
#define ADDRESSEE_FORGET_MSEC	   60000 /* an object that was not written for so long */
/* The status was answered with 404 so often in a row, for 13 s: the watch would have shown that the object is
 * gone. */
#define ADDRESSEE_NO_STATUS_TRIES 8
#define ADDRESSEE_NO_STATUS_MSEC  300000

struct addressee {
	enum object_kind kind;
	char *namespace, *name;
	bool busy;		       /* a write is under way */
	uint64_t acknowledged_version; /* wait until the watch has shown it */
	unsigned failures;	       /* since the last write that was acknowledged */
	bool refusal_told;	       /* since then too: one that nothing of ours can mend */
	unsigned n_not_found;	       /* 404 to its status, in a row */
	uint64_t no_status_version, no_status_until_msec; /* it has none: as it was read then; 0: it has */
	uint64_t retry_msec, sent_msec;
};

struct addressees { /* { 0 } is an empty one */
	struct addressee **items;
	size_t n, capacity;
};

void addressees_done(struct addressees *);
struct addressee *addressees_find(const struct addressees *, enum object_kind,
				  const struct meta *); /* or NULL */
/* The one that is there, or a new one; NULL: out of memory. */
struct addressee *addressees_add(struct addressees *, enum object_kind, const struct meta *);
void addressees_forget_old(struct addressees *,
			   uint64_t now_msec); /* none that is busy or waits for its retry */

enum addressee_answer {
	ADDRESSEE_READY,
	ADDRESSEE_WAITS, /* for an answer or the watch: something comes */
	ADDRESSEE_RESTS, /* until a time: nothing else would come */
};
/* May something be decided about the object, as it was read at this version? NULL: it was never written. */
enum addressee_answer addressee_ask(const struct addressee *, uint64_t resource_version, uint64_t now_msec,
				    uint64_t *ret_until_msec);
/* … and may this be written? ADDRESSEE_READY or ADDRESSEE_RESTS. */
enum addressee_answer addressee_ask_urgency(const struct addressee *, enum write_urgency, uint64_t now_msec,
					    uint64_t *ret_until_msec);

void addressee_sent(struct addressee *, uint64_t now_msec);
void addressee_acknowledged(struct addressee *, uint64_t version);
/* `asked_msec`: what the server asked for. Returns for how long it rests. */
uint64_t addressee_failed(struct addressee *, uint64_t asked_msec, uint64_t now_msec);
/* The same for a status that was answered with 404. True: the object, as it was read at this version, has
 * none. Its status then rests until the object changes, or for ADDRESSEE_NO_STATUS_MSEC; it itself may be
 * written. */
bool addressee_not_found(struct addressee *, uint64_t resource_version, uint64_t now_msec,
			 uint64_t *ret_msec);
enum addressee_answer addressee_ask_status(const struct addressee *, uint64_t resource_version,
					   uint64_t now_msec, uint64_t *ret_until_msec); /* READY or RESTS */

#endif
