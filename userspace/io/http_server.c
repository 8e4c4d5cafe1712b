// SPDX-License-Identifier: Apache-2.0
/* libmicrohttpd without threads of its own: its epoll descriptor is one source of the loop, its next
 * timeout another. See http_server.h. */
#include "userspace/io/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <microhttpd.h>
#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define CONNECTION_LIMIT    128
#define CONNECTIONS_PER_IP  8 /* over TCP: one that holds connections open keeps the kubelet's probe out by no more than that */
#define CONNECTION_IDLE_SEC 15
#define CONNECTION_MEMORY   (32 * 1024)

struct http_server {
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	struct loop_timer *timer;
	http_handler *handler;
	void *userdata;
};

DEFINE_CLEANUP(struct http_server *, http_server_free);

const char *http_query(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result reply_send(struct MHD_Connection *connection, struct http_reply *reply)
{
	size_t length = reply->body.length;
	struct MHD_Response *response;
	enum MHD_Result result;
	char *body;

	if (strbuf_failed(&reply->body))
		return MHD_NO;
	body = length ? strbuf_take(&reply->body) : strdup("");
	if (!body)
		return MHD_NO;
	response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result request_arrives(void *userdata, struct MHD_Connection *connection, const char *url,
				       const char *method, const char *version _unused_,
				       const char *upload _unused_, size_t *upload_size, void **state)
{
	struct http_request request = { .path = url, .connection = connection };
	struct http_reply reply = { .status = MHD_HTTP_OK, .content_type = "application/json" };
	struct http_server *server = userdata;
	enum MHD_Result result;
	static int seen;

	if (!*state) { /* headers only: the reply is queued at the next call, as the library asks for */
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0; /* a body is read and thrown away */
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET)) {
		reply.status = MHD_HTTP_METHOD_NOT_ALLOWED;
		strbuf_append(&reply.body, "{\"error\": \"only GET is served here\"}\n");
	} else {
		server->handler(server->userdata, &request, &reply);
	}
	result = reply_send(connection, &reply);
	strbuf_done(&reply.body);
	return result;
}

static void server_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_msec;

	if (MHD_run(server->daemon) != MHD_YES)
		log_error("control socket: the HTTP library gave up this round");
	if (MHD_get_timeout(server->daemon, &timeout_msec) == MHD_YES)
		loop_timer_set(server->timer, timeout_msec);
	else
		loop_timer_stop(server->timer);
}

static int server_ready(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_,
			void *userdata)
{
	server_run(userdata);
	return 0;
}

static void server_timeout(void *userdata)
{
	server_run(userdata);
}

static void library_log(void *userdata, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
static void library_log(void *userdata _unused_, const char *format, va_list arguments)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	strbuf_vappendf(&text, format, arguments);
	while (text.length && text.text[text.length - 1] == '\n')
		text.text[--text.length] = '\0';
	log_debug("control socket: %s", strbuf_text(&text));
}

int http_server_new(struct sd_event *event, int listen_fd, http_handler *handler, void *userdata,
		    struct http_server **ret)
{
	cleanup(http_server_freep) struct http_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;
	int r;

	if (!server) {
		close(listen_fd);
		return -ENOMEM;
	}
	server->handler = handler;
	server->userdata = userdata;
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_arrives,
					  server, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
					  MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned)CONNECTION_LIMIT, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
					  (unsigned)CONNECTIONS_PER_IP, MHD_OPTION_CONNECTION_TIMEOUT,
					  (unsigned)CONNECTION_IDLE_SEC, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					  (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	if (!server->daemon) {
		r = errno ? -errno : -EIO;
		close(listen_fd);
		return r;
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = loop_timer_new(event, server_timeout, server, &server->timer);
	if (r >= 0)
		r = sd_event_add_io(event, &server->io, info->epoll_fd, EPOLLIN, server_ready, server);
	if (r < 0)
		return r;
	*ret = take(server);
	return 0;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	sd_event_source_disable_unref(server->io);
	loop_timer_free(server->timer);
	if (server->daemon)
		MHD_stop_daemon(server->daemon); /* closes the listening socket */
	free(server);
}
