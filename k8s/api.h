/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the Kubernetes API (EDGE, libcurl multi on the loop; no threads of ours).
 *
 * One per program: one set of credentials, one or more servers. All requests go to the current server over as
 * few connections as its protocol allows (one with HTTP/2). While anything is under way, a small GET every
 * 3 s proves that the server still answers; if it does not within 3 s, or a connection cannot be made,
 * everything on that server ends (status 0) and the next server is the current one: a dead connection is
 * noticed within 10 s, by watches and writes alike.
 *
 * TLS is always verified, against the CA that the credentials name (else the system's). Tokens are read again
 * every minute and on 401 (the request is then repeated once by itself), certificates and keys when their
 * files change: new connections are made with them, and what is under way on the old ones may finish.
 *
 * Logged here, once each time: that no server answers and why, that one answers again and after how long,
 * credentials that were renewed or cannot be read. Answers are the callers' to judge and to log. */
#ifndef FAIRWAY_K8S_API_H
#define FAIRWAY_K8S_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;
struct sd_event;
struct api;
struct api_request;

struct api_options {		    /* texts are copied */
	const char *kubeconfig;	    /* file; NULL: the service account of the pod */
	const char *const *servers; /* https://HOST[:PORT] each, instead of those that the credentials name */
	size_t n_servers;	    /* 0: in a pod FAIRWAY_API_SERVERS (comma separated), then
				     * KUBERNETES_SERVICE_HOST and _PORT; else the kubeconfig's */
	const char *service_account; /* directory; NULL: /var/run/secrets/kubernetes.io/serviceaccount */
	double qps;		     /* requests per second, probes apart; 0: 50 */
	unsigned burst;		     /* 0: twice the qps */
	const char *user_agent;	     /* "lbagent/0.1.0 (fairway)"; NULL: "fairway" */
	unsigned refresh_msec;	     /* credentials are read again this often; 0: every minute */
};

/* 0 or -errno after it has logged what is wrong: credentials that are missing, malformed or of a kind that is
 * refused (exec, auth-provider, insecure-skip-tls-verify …). No server need answer yet. */
int api_new(struct sd_event *, const struct api_options *, struct api **ret);
/* NULL ok; no call-back follows. Not from inside one; streams and calls that are under way end with it, so
 * whoever holds an api_request must forget it before. */
void api_free(struct api *);

struct api_state {
	const char *server;  /* the current one; borrowed until the loop runs again */
	bool reachable;	     /* the last that was tried answered (whatever it said) */
	uint64_t since_msec; /* loop_now_msec() when that became so */
	const char *trouble; /* why it is not reachable; "" */
	/* counters since the start; bytes as they were on the wire within TLS (bodies still compressed, and
	 * headers) */
	uint64_t n_requests, n_failures, bytes_received, bytes_sent;
};
struct api_state api_state(const struct api *);
/* From the loop, each time a server answers after none did, also the first time: whoever waits for another
 * try need wait no longer. 0 or -ENOMEM. */
typedef void api_reachable_fn(void *userdata);
int api_on_reachable(struct api *, api_reachable_fn *, void *userdata);
void api_off_reachable(struct api *, api_reachable_fn *, void *userdata);
/* The namespace that the credentials name (the pod's own, or the kubeconfig context's); "" if none. Borrowed.
 */
const char *api_namespace(const struct api *);

/* --- calls: one request, one whole answer -------------------------------------------------------------- */

struct api_call {	    /* copied */
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *path; /* "/api/v1/namespaces/web/services/shop/status?fieldManager=…", already encoded */
	const char *content_type; /* of the body: "application/json", "application/apply-patch+yaml" (JSON is
				   * YAML), "application/merge-patch+json"; NULL without one */
	const char *body;
	size_t length;
	/* Asked with the call's `userdata` when it would leave the queue, which may be long after api_send()
	 * (qps, burst, no room), again when it has a connection and its bytes go out with the return (a
	 * process may be stopped at any time), and before it is repeated; must not call into the api. False:
	 * it ends with status 0. NULL: nobody asks. */
	bool (*may_leave)(void *userdata);
};

struct api_reply {  /* borrowed until the call-back returns */
	int status; /* HTTP status; 0: no answer (connection, TLS, time-out): it may have been executed or not
		     */
	const char *reason;	  /* Status.reason: "Conflict", "NotFound", "AlreadyExists" …; "" */
	const char *message;	  /* one printable line for logs, never empty for status 0 and 4xx, 5xx */
	const struct json *body;  /* parsed; NULL if there is none or it is not JSON */
	int64_t retry_after_msec; /* what the server asked for; 0: nothing */
};
typedef void api_reply_fn(void *userdata, const struct api_reply *);

#define API_DEADLINE_MSEC 10000 /* from when a call is sent until its whole answer is there */

/* 0 or -ENOMEM. Never calls back before it returns; calls back exactly once, unless it is cancelled. Calls
 * are sent in their order, as fast as qps and burst allow, at most 64 at a time; waiting is no part of the
 * deadline. 429, 5xx and no answer are the caller's to repeat: k8s/backoff.h, retry_after_msec. *ret may be
 * asked for with NULL; it is valid until the call-back begins. api_send() and api_cancel() may be called from
 * call-backs. */
int api_send(struct api *, const struct api_call *, api_reply_fn *, void *userdata, struct api_request **ret);
void api_cancel(struct api_request *); /* NULL ok; no call-back follows. The server may have executed it */

/* --- streams: a GET whose answer is read as it comes --------------------------------------------------- */

struct api_stream { /* what to ask; copied */
	const char *path;
	bool compressed;      /* gzip is welcome: lists, not watches */
	unsigned timeout_sec; /* the whole answer must be there by then */
};

struct api_stream_fns {
	/* Bytes of the body of an answer with status 200. Not 0: enough, end it (with status 200 and
	 * `stopped`). Must not call into the api. */
	int (*data)(void *userdata, const char *bytes, size_t length);
	/* The answer has begun, with status 200; its body may take its time. Must not call into the api.
	 * NULL: not of interest. */
	void (*begun)(void *userdata);
	/* It is over. `cut`: the answer was not whole; reply->message says why. Status 0: it did not even
	 * begin. Once only, never before api_stream_open() returns. Other answers than 200 were collected as
	 * with api_send(). */
	void (*end)(void *userdata, const struct api_reply *reply, bool cut);
};

int api_stream_open(struct api *, const struct api_stream *, const struct api_stream_fns *, void *userdata,
		    struct api_request **ret); /* as api_send(); api_cancel() ends it */

#endif
