/* SPDX-License-Identifier: Apache-2.0 */
/* What k8s/api.c, api_server.c and api_requests.c share; for nobody else (EDGE). */
#ifndef FAIRWAY_K8S_API_INSIDE_H
#define FAIRWAY_K8S_API_INSIDE_H

#include "k8s/api.h"
#include "k8s/api_link.h"
#include "k8s/api_pace.h"
#include "k8s/api_reach.h"
#include "k8s/credentials.h"

struct loop_timer;

enum request_kind { REQUEST_CALL, REQUEST_STREAM };

struct api_request {
	struct transfer transfer; /* first, so that both have one address */
	struct api *api;
	enum request_kind kind;
	api_reply_fn *done;
	bool (*may_leave)(void *userdata);
	struct api_stream_fns fns;
	void *userdata;
	char *method, *path, *content_type, *body;
	struct api_link *link; /* it was sent there */
	unsigned token;	       /* it was sent with the one of this number */
	bool repeated;	       /* once, after a 401 */
	bool queued, active;
	struct api_request *next, *previous; /* in the queue */
};

struct listener {
	api_reachable_fn *fn;
	void *userdata;
};

struct old_link { /* certificates were renewed: its calls may finish */
	struct api_link *link;
	struct old_link *next;
};

struct api {
	/* api.c */
	struct sd_event *event;
	struct credentials credentials;
	unsigned n_tokens; /* how often the token was renewed */
	char *user_agent;
	unsigned refresh_msec;
	struct loop_timer *refresh_timer;
	struct api_state state; /* its counters; the rest is made when somebody asks */
	struct listener *listeners;
	size_t n_listeners, listeners_capacity;

	/* api_server.c */
	struct reach reach;
	char *trouble;
	struct api_link *link; /* to the current server; NULL: none yet */
	struct old_link *old_links;
	struct transfer probe;
	struct probe_watch probe_watch;
	struct loop_timer *probe_timer, *probe_deadline;

	/* api_requests.c */
	struct api_request *queue_first, *queue_last;
	size_t n_calls, n_active; /* under way: calls, all */
	uint64_t used_msec;
	struct pace pace;
	struct loop_timer *pump, *story;
	unsigned n_cut; /* streams, since the last line about it */
	char cut_why[CURL_ERROR_SIZE];
	char ended_why[CURL_ERROR_SIZE]; /* what requests are told that end with the link */
};

/* --- api.c --------------------------------------------------------------------------------------------- */

void api_refresh(struct api *); /* reads the credentials again, now */
void api_tell_listeners(struct api *);

/* --- api_server.c: the connections to the current server, and whether it is there ----------------------- */

int server_init(struct api *);	/* timers; 0 or -errno */
void server_done(struct api *); /* after the requests' */
const char *server_url(const struct api *);
int server_link(struct api *);			    /* there is a link to the current server; 0 or -errno */
void server_answers(struct api *);		    /* something came from it */
void server_used(struct api *);			    /* a request was sent: the probe goes on */
void server_ask(struct api *);			    /* is it there? now */
void server_give_up(struct api *, const char *why); /* everything on it ends; the next one is the current */
/* New connections from now on: watches begin anew, calls may finish. */
void server_replace_link(struct api *);
void server_free_old_links(struct api *); /* those that are done */

/* --- api_requests.c: what is asked, in which order, how fast, and what comes back ----------------------- */

int requests_init(struct api *, const struct api_options *); /* timers; 0 or -errno */
void requests_done(struct api *);			     /* cancels them all */
/* Ends all that runs over the link: status 0, or cut. */
void requests_end(struct api *, struct api_link *, bool calls_too, const char *why);
void request_ended(struct api *, struct api_request *, enum transfer_end);

#endif
