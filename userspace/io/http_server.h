/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server on the loop (EDGE, libmicrohttpd): GET only, whole replies from memory.
 *
 * The handler runs on the loop and must not block. Requests are bounded (connections, header size, idle
 * time), bodies are refused. */
#ifndef FAIRWAY_IO_HTTP_SERVER_H
#define FAIRWAY_IO_HTTP_SERVER_H

#include "userspace/base/strbuf.h"

struct sd_event;
struct http_server;

struct http_request {
	const char *path; /* without the query, percent-decoded */
	void *connection; /* for http_query() */
};

struct http_reply {
	unsigned status;	  /* 200 unless the handler says otherwise */
	const char *content_type; /* application/json by default; static text */
	struct strbuf body;
};

/* The value of ?name=…, percent-decoded, or NULL; borrowed until the handler returns. */
const char *http_query(const struct http_request *, const char *name);

typedef void http_handler(void *userdata, const struct http_request *, struct http_reply *);

/* Takes the listening socket, also on failure. */
int http_server_new(struct sd_event *, int listen_fd, http_handler *, void *userdata,
		    struct http_server **ret);
void http_server_free(struct http_server *);

#endif
