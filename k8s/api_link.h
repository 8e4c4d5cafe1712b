/* SPDX-License-Identifier: Apache-2.0 */
/* The connections to one API server (EDGE, libcurl multi on sd-event; only for k8s/api*.c). It sends what it
 * is given and tells how it ended; when to give up, whom to ask next and what to repeat is the others'. */
#ifndef FAIRWAY_K8S_API_LINK_H
#define FAIRWAY_K8S_API_LINK_H

#include <curl/curl.h>
#include <stdint.h>

#include "k8s/api_reach.h"
#include "k8s/credentials.h"
#include "userspace/base/strbuf.h"

struct sd_event;
struct api_link;

#define TRANSFER_ANSWER_MAX (16 * 1024 * 1024)

struct transfer { /* one request on its way */
	/* set by the owner, borrowed while it is under way */
	const char *method, *path, *content_type, *body;
	size_t length;
	bool compressed;
	uint64_t timeout_msec; /* 0: none */
	/* Bytes of an answer with status 200, or NULL: all answers are collected. Not 0: enough. */
	int (*data)(struct transfer *, const char *bytes, size_t length);
	void (*begun)(struct transfer *); /* the head of an answer is there; may be NULL */
	/* It has a connection, and goes out with the return. False: it does not, and ends. NULL: nobody
	 * asks. None of these may call into the link. */
	bool (*may_leave)(struct transfer *);
	void *userdata;
	/* what came */
	int status;   /* 0: nothing yet */
	bool stopped; /* data() had enough */
	bool held;    /* may_leave() said no */
	struct strbuf answer;
	char retry_after[32];
	char error[CURL_ERROR_SIZE];
	uint64_t bytes_received, bytes_sent;
	/* inside */
	struct api_link *link; /* NULL: not under way */
	struct transfer *next, *previous;
	CURL *easy;
	struct curl_slist *headers;
};

struct api_link_options { /* borrowed for the call */
	const char *server;
	const struct credentials *credentials;
	const char *user_agent;
};

/* It ended: the transfer is the owner's again. May start and stop others, and retire the link, but not free
 * it. */
typedef void transfer_ended_fn(void *userdata, struct transfer *, enum transfer_end);

int api_link_prepare(void); /* libcurl, before all others; 0 or -ENOMEM */
int api_link_new(struct sd_event *, const struct api_link_options *, transfer_ended_fn *, void *userdata,
		 struct api_link **ret);
/* Stops all transfers: they do not end any more. Inside of its own call-backs it is freed a moment later. */
void api_link_free(struct api_link *);
/* 0 or -ENOMEM. `token` may be NULL. Never ends before it returns. */
int api_link_start(struct api_link *, struct transfer *, const char *token);
void transfer_stop(struct transfer *);		     /* takes it back; nothing if it is not under way */
void transfer_done(struct transfer *);		     /* stops it, and forgets what came */
struct transfer *api_link_first(struct api_link *);  /* one that is under way, or NULL */
uint64_t api_link_received(const struct api_link *); /* bytes so far: does the server say anything? */
const char *api_link_server(const struct api_link *);

#endif
