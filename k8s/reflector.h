/* SPDX-License-Identifier: Apache-2.0 */
/* How one collection of objects is followed: what to ask next, what the answer's bytes mean, and what follows
 * from how the answer ended (PURE: no clock, no connection; watch.c lends it both).
 *
 * It begins with a complete list: in pages of 500, which come compressed, or as initial events of a watch
 * (WatchList) where the server serves that and the owner has not asked for pages. Then it watches from that
 * list's resourceVersion, and goes on from the last event or bookmark whenever a watch ends, however it ends.
 * Only what the server has forgotten (410) leads to a new list.
 *
 * A watch from a resourceVersion that does not exist yet (etcd was restored from a backup) is answered with
 * 200 and silence. So after a watch that was cut off, and after a long silence, the collection's present
 * resourceVersion is asked for first; one that lies before ours means a new list. */
#ifndef FAIRWAY_K8S_REFLECTOR_H
#define FAIRWAY_K8S_REFLECTOR_H

#include "k8s/api.h"
#include "k8s/json.h"
#include "k8s/json_stream.h"

struct reflector_fns {
	/* A complete list begins. What was there and is not put until complete() is gone. A list that breaks
	 * off begins again with begin(). */
	int (*begin)(void *userdata);
	/* An object as it is now; `list` (may be NULL) says kind and apiVersion for objects that do not. 0,
	 * -ENOMEM: it all ends and is asked for again, -EBADMSG: no such object can be here. */
	int (*put)(void *userdata, const struct json *list, const struct json *object);
	int (*remove)(void *userdata, const struct json *list, const struct json *object);
	int (*complete)(void *userdata);
};

enum reflector_phase { REFLECTOR_LIST, REFLECTOR_CHECK, REFLECTOR_WATCH };

/* Why it does not get on. */
enum reflector_trouble {
	REFLECTOR_FINE,
	REFLECTOR_UNREACHABLE,	 /* no answer: the api tells, for all at once */
	REFLECTOR_NOT_INSTALLED, /* 404: the kind is not there */
	REFLECTOR_FORBIDDEN,	 /* 403 */
	REFLECTOR_UNAUTHORIZED,	 /* 401 */
	REFLECTOR_BUSY,		 /* 429 */
	REFLECTOR_SERVER_ERROR,	 /* 5xx, also as an ERROR event */
	REFLECTOR_GARBAGE,	 /* an answer that is not what was asked for */
	REFLECTOR_REFUSED,	 /* another 4xx */
	REFLECTOR_NO_MEMORY,
};

struct reflector {
	/* what the owner sets; borrowed */
	const char *path;      /* "/api/v1/services" */
	const char *selector;  /* "labelSelector=…" or "fieldSelector=…", encoded; NULL: none */
	const char *list_type; /* {"kind":"ServiceList","apiVersion":"v1"}, or what the list says itself is
				  used: NULL */
	const struct reflector_fns *fns;
	void *userdata;
	bool no_watch_list; /* the owner wants pages, or the server refused it (it is tried once) */
	/* what the owner reads */
	uint64_t n_lists, n_watches, n_events;
	enum reflector_trouble trouble; /* of the last end */
	int status;			/* its HTTP status, or an ERROR event's code; for messages */
	/* inside */
	enum reflector_phase phase;
	bool as_watch, in_list,
		whole_list; /* the request under way is a watch; a list is open; without pages */
	bool check_first;   /* before the next watch */
	bool got_event;	    /* in this watch */
	unsigned n_expired; /* lists in a row that ended with 410 */
	struct strbuf version, next_page;
	struct json_document type;
	struct json_stream stream;
	int failure;	/* of feeding: -errno */
	int error_code; /* of an ERROR event; 0: none came */
};

/* The owner's fields are set, the rest is zero. 0 or -ENOMEM. */
int reflector_init(struct reflector *);
void reflector_done(struct reflector *);

/* What to ask now: fills `path` and the rest of *ret. `random` spreads the ends of watches over 5 to 10
 * minutes. */
int reflector_request(struct reflector *, uint32_t random, struct strbuf *path, struct api_stream *ret);
/* Bytes of an answer with status 200. Not 0: end the stream, and tell reflector_ended(). */
int reflector_feed(struct reflector *, const char *bytes, size_t length);
/* The answer ended. True: ask again at once; false: it failed, `trouble` says how: ask again later (back
 * off). */
bool reflector_ended(struct reflector *, const struct api_reply *, bool cut);
/* Nothing came for long, not even a bookmark: the owner ends the stream, and calls this instead of
 * reflector_ended(). */
void reflector_silent(struct reflector *);

#endif
