/* SPDX-License-Identifier: Apache-2.0 */
/* Who may write: leader election by a Lease of coordination.k8s.io, client-go's rules and times (PURE).
 *
 * Clocks of different machines are never compared. A candidate notes by its own clock when it first saw the
 * Lease as it is; a Lease that stays so for as long as its holder promised to renew it (15 s) is anybody's.
 * The holder counts from when it *sent* the last renewal that was acknowledged, and stops writing after 10 s
 * without one: 5 s before anybody else may begin, however far apart their clocks are.
 *
 * Each write carries the resourceVersion that was seen, so of two candidates one gets a conflict. */
#ifndef FAIRWAY_K8S_LEASE_H
#define FAIRWAY_K8S_LEASE_H

#include "k8s/json.h"

#define LEASE_DURATION_SEC	  15
#define LEASE_RENEW_DEADLINE_MSEC 10000
#define LEASE_LOOK_MSEC		  1000 /* of one who waits: the holder may give it up any time */
#define LEASE_RETRY_MSEC	  2000
#define LEASE_IDENTITY_MAX	  253

struct lease { /* as the API server has it */
	bool exists;
	char resource_version[24];
	char holder[LEASE_IDENTITY_MAX + 1];   /* "": nobody */
	char acquire_time[40], renew_time[40]; /* text, the holder's clock: only compared for equality */
	int64_t duration_sec, transitions;
};

/* An answer to GET, POST or PUT. -EINVAL: no Lease, *ret is untouched. */
int lease_decode(const struct json *, struct lease *ret);

struct lease_view { /* what a candidate knows; `{ 0 }` at the start. Times are of its own monotonic clock */
	bool known; /* `lease` was read */
	struct lease lease;
	uint64_t changed_msec; /* when it was first seen as it is */
	bool leading;
	uint64_t renewed_msec; /* leading: when the last acknowledged write was sent */
};

void lease_note(struct lease_view *, const struct lease *, uint64_t now_msec); /* it was read */
void lease_note_written(struct lease_view *, const struct lease *,
			uint64_t sent_msec); /* our write of it was acknowledged */

enum lease_action {
	LEASE_READ,    /* GET it, now */
	LEASE_ACQUIRE, /* nobody's: write our name into it, now */
	LEASE_RENEW,   /* it is ours: write it again, after `after_msec` */
	LEASE_WAIT,    /* another's: read it again, after `after_msec` */
	LEASE_LOST,    /* stop writing at once: it is another's, or was not renewed in time */
};

struct lease_decision {
	enum lease_action action;
	uint64_t after_msec;
};

struct lease_decision lease_decide(const struct lease_view *, const char *identity, uint64_t now_msec);
/* May the holder write, right now? The fence before every write. */
bool lease_may_write(const struct lease_view *, uint64_t now_msec);

/* The body of POST (the Lease does not exist) or PUT. `now_usec` is the wall clock, for people. */
void lease_json(struct strbuf *, const struct lease_view *, const char *namespace, const char *name,
		const char *identity, int64_t now_usec);
/* The body that gives it up: nobody's at once, for whoever reads it next. */
void lease_release_json(struct strbuf *, const struct lease_view *, const char *namespace, const char *name,
			int64_t now_usec);

#endif
