/* SPDX-License-Identifier: Apache-2.0 */
/* Which API server is the current one, whether it can be reached, when to ask it, and what to tell of it
 * (PURE). The caller has the connections and the clock: it says what was seen and does what comes back.
 *
 * A server is given up when it cannot be connected, or when a probe finds it silent; then the next one is
 * asked at once, and when all were, one after the other with a backoff of at most 5 s. One line is worth
 * telling when that begins and one when it ends, not one for each try. */
#ifndef FAIRWAY_K8S_API_REACH_H
#define FAIRWAY_K8S_API_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/backoff.h"

enum transfer_end {		       /* how a request's transfer ended */
		    TRANSFER_ANSWERED, /* the answer is there, as much of it as was wanted */
		    TRANSFER_HELD,     /* it was not sent, for its owner does not want it any more */
		    TRANSFER_TIMED_OUT,
		    TRANSFER_BROKEN,	    /* its connection, or out of memory */
		    TRANSFER_NO_CONNECTION, /* and so nobody else has one either */
		    TRANSFER_NO_TLS,	    /* likewise; credentials may be what is wrong */
};

/* --- servers ------------------------------------------------------------------------------------------- */

struct reach {
	size_t n_servers, server; /* the current one */
	size_t n_silent;	  /* how many were given up since the last answer */
	bool reachable;		  /* the last that was tried answered, whatever it said */
	uint64_t since_msec;	  /* when that became so; 0: not yet */
	bool was_reachable;	  /* ever */
	bool story_told;	  /* that none answers */
	struct backoff backoff;
};

enum reach_news {
	NEWS_NONE,
	NEWS_CONNECTED, /* for the first time */
	NEWS_BACK,	/* one answers after it was told that none does */
	NEWS_ANSWERS,	/* one answers again; nothing was told before */
	NEWS_NEXT,	/* the current one is given up, the next is tried */
	NEWS_AWAY,	/* none answers */
};

void reach_init(struct reach *, size_t n_servers, uint32_t random); /* a thousand agents spread over them */
/* The current server answered. Any news but NEWS_NONE means: it was not reachable before. `ret_away_msec`:
 * for how long. */
enum reach_news reach_answered(struct reach *, uint64_t now_msec, uint64_t *ret_away_msec);
enum reach_news reach_silent(struct reach *, uint64_t now_msec); /* it is given up; it is still the current */
void reach_turn(struct reach *);				 /* to the next one */
/* In how many milliseconds the current server is to be asked. */
uint64_t reach_probe_after(struct reach *, uint64_t now_msec, uint32_t random);
/* Whether anybody needs to know: something is under way, or was a moment ago, or no server answers. */
bool reach_wants_probe(const struct reach *, bool under_way, uint64_t used_msec, uint64_t now_msec);
/* Whether a request that ended so tells that its server is silent. Else the probe will know. */
bool reach_is_silence(const struct reach *, enum transfer_end);

/* --- the probe: a small GET ---------------------------------------------------------------------------- */

/* Silence counts, not the missing answer: behind a list of many megabytes on a slow line it takes its time.
 */
struct probe_watch {
	uint64_t due_msec, received;
	bool repeated; /* a probe whose connection broke: a new one tells more */
};

/* It was sent, when so many bytes had been received over the link. Returns when to look after it. */
uint64_t probe_sent(struct probe_watch *, const struct reach *, uint64_t received, uint64_t now_msec);
/* That time is over without an answer. Returns when to look again; 0: the server is silent. */
uint64_t probe_overdue(struct probe_watch *, uint64_t received, uint64_t now_msec);

enum probe_verdict { PROBE_ANSWERED, PROBE_REPEAT, PROBE_SILENT };
enum probe_verdict probe_ended(struct probe_watch *, int status, enum transfer_end);

#endif
