// SPDX-License-Identifier: Apache-2.0
/* libcurl's multi interface on sd-event: see api_link.h.
 *
 * Each link has a multi handle of its own, and with it its own connections: freeing it closes them all, also
 * those that libcurl would keep for reuse. A request that times out on a dead HTTP/2 connection would leave
 * it there. */
#include "k8s/api_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define CONNECT_TIMEOUT_MSEC                                                                                 \
	4000 /* TCP and TLS; a server that is starting takes its time for the first handshakes */
#define KEEPALIVE_IDLE_SEC  3
#define KEEPALIVE_EACH_SEC  1
#define KEEPALIVE_COUNT	    4
#define UNACKED_MSEC	    7000 /* sent and not acknowledged: then the connection is dead */
#define TIMER_ACCURACY_USEC 1	 /* curl asks for its next turn by a timer of 0 ms */

struct api_link {
	sd_event *event;
	sd_event_source *timer;
	CURLM *multi;
	char *server, *connect_to_text, *user_agent, *ca, *certificate, *key;
	struct curl_slist *connect_to;
	const char *url_base;
	size_t ca_length, certificate_length, key_length;
	transfer_ended_fn *ended;
	void *userdata;
	struct transfer *first;
	uint64_t bytes_received;
	unsigned busy;
	bool freed;
};

DEFINE_CLEANUP(struct api_link *, api_link_free);

/* --- what comes ---------------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata)
{
	struct transfer *transfer = userdata;
	size_t length = size * n;

	transfer->link->bytes_received += length;
	if (!transfer->compressed)
		transfer->bytes_received += length;
	if (transfer->data && transfer->status == 200) {
		transfer->stopped = transfer->data(transfer, bytes, length) != 0;
		return transfer->stopped ? 0 : length;
	}
	if (length > TRANSFER_ANSWER_MAX - transfer->answer.length)
		return 0;
	strbuf_append_bytes(&transfer->answer, bytes, length);
	return strbuf_failed(&transfer->answer) ? 0 : length;
}

/* An empty line: the status is known, and a body may follow. */
static void head_is_there(struct transfer *transfer)
{
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return;
	transfer->status = (int)status;
	if (transfer->begun)
		transfer->begun(transfer);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *userdata)
{
	static const char name[] = "retry-after:";
	struct transfer *transfer = userdata;
	size_t length = size * n, at = sizeof(name) - 1, end = length;

	transfer->bytes_received += length;
	transfer->link->bytes_received += length;
	if (length <= 2 && (!length || bytes[0] == '\r' || bytes[0] == '\n'))
		head_is_there(transfer);
	if (length <= at || strncasecmp(bytes, name, at) != 0)
		return length;
	while (at < end && (bytes[at] == ' ' || bytes[at] == '\t'))
		at++;
	while (end > at && strchr(" \t\r\n", bytes[end - 1]))
		end--;
	if (end - at < sizeof(transfer->retry_after)) {
		memcpy(transfer->retry_after, bytes + at, end - at);
		transfer->retry_after[end - at] = 0;
	}
	return length;
}

static int on_leaving(void *userdata, char *server _unused_, char *client _unused_, int server_port _unused_,
		      int client_port _unused_)
{
	struct transfer *transfer = userdata;

	transfer->held = transfer->may_leave && !transfer->may_leave(transfer);
	return transfer->held ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* Takes it from curl; what came stays. */
static void detach(struct transfer *transfer)
{
	struct api_link *link = transfer->link;

	curl_multi_remove_handle(link->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->headers = NULL;
	if (transfer->previous)
		transfer->previous->next = transfer->next;
	else
		link->first = transfer->next;
	if (transfer->next)
		transfer->next->previous = transfer->previous;
	transfer->next = transfer->previous = NULL;
	transfer->link = NULL;
}

static enum transfer_end end_of(const struct transfer *transfer, CURLcode result)
{
	switch ((int)result) { /* of a hundred */
	case CURLE_OK:
		return TRANSFER_ANSWERED;
	case CURLE_WRITE_ERROR:
		return transfer->stopped ? TRANSFER_ANSWERED : TRANSFER_BROKEN;
	case CURLE_ABORTED_BY_CALLBACK:
		return transfer->held ? TRANSFER_HELD : TRANSFER_BROKEN;
	case CURLE_OPERATION_TIMEDOUT:
		return TRANSFER_TIMED_OUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return TRANSFER_NO_TLS;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return TRANSFER_NO_CONNECTION;
	default:
		return TRANSFER_BROKEN;
	}
}

static void conclude(struct api_link *link, struct transfer *transfer, CURLcode result)
{
	curl_off_t body = 0, sent = 0;
	long status = 0, head = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &head);
	transfer->status = (int)status;
	if (transfer->compressed)
		transfer->bytes_received += (uint64_t)body;
	transfer->bytes_sent = (uint64_t)sent + (uint64_t)head;
	if (!*transfer->error)
		strncpy(transfer->error, curl_easy_strerror(result), sizeof(transfer->error) - 1);
	detach(transfer);
	link->ended(link->userdata, transfer, end_of(transfer, result));
}

static void destroy(struct api_link *link);

/* After each call into curl. */
static void reap(struct api_link *link)
{
	struct transfer *transfer;
	CURLMsg *message;
	int left;

	link->busy++;
	while (!link->freed && (message = curl_multi_info_read(link->multi, &left))) {
		CURLcode result = message->data.result;

		transfer = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		if (message->msg == CURLMSG_DONE && transfer)
			conclude(link, transfer, result);
	}
	if (!--link->busy && link->freed)
		destroy(link);
}

/* --- curl's sockets and timer on the loop -------------------------------------------------------------- */

static void act(struct api_link *link, curl_socket_t fd, int mask)
{
	int running;

	link->busy++;
	curl_multi_socket_action(link->multi, fd, mask, &running);
	link->busy--;
	reap(link);
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t events, void *userdata)
{
	int mask = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	act(userdata, fd, mask);
	return 0;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	act(userdata, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int on_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct api_link *link = userdata;
	sd_event_source *source = socket_data;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(link->multi, fd, NULL);
	} else if (source) {
		sd_event_source_set_io_events(source, events);
	} else if (sd_event_add_io(link->event, &source, fd, events, on_io, link) >= 0) {
		curl_multi_assign(link->multi, fd, source);
	}
	return 0;
}

static int on_timeout(CURLM *multi _unused_, long after_msec, void *userdata)
{
	struct api_link *link = userdata;

	if (after_msec < 0)
		return sd_event_source_set_enabled(link->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(link->timer, (uint64_t)after_msec * 1000) < 0 ||
	    sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT) < 0)
		return -1;
	return 0;
}

/* --- what goes ----------------------------------------------------------------------------------------- */

/* A peer that is gone without a word: the kernel finds out. */
static int on_new_socket(void *userdata _unused_, curl_socket_t fd, curlsocktype purpose _unused_)
{
	int on = 1, idle = KEEPALIVE_IDLE_SEC, each = KEEPALIVE_EACH_SEC, count = KEEPALIVE_COUNT;
	unsigned unacked_msec = UNACKED_MSEC;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each, sizeof(each));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_msec, sizeof(unacked_msec));
	return CURL_SOCKOPT_OK;
}

static bool set_blob(CURL *easy, CURLoption option, char *text, size_t length)
{
	struct curl_blob blob = { .data = text, .len = length, .flags = CURL_BLOB_NOCOPY };

	return !text || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)

static bool set_tls(const struct api_link *link, CURL *easy)
{
	/* With a CA of the cluster's own the system's must not count besides. */
	if (link->ca && !(SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, NULL)))
		return false;
	return SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
	       SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       SET(CURLOPT_SSL_SESSIONID_CACHE,
		   0L) && /* a resumed session keeps the identity of an old certificate */
	       set_blob(easy, CURLOPT_CAINFO_BLOB, link->ca, link->ca_length) &&
	       set_blob(easy, CURLOPT_SSLCERT_BLOB, link->certificate, link->certificate_length) &&
	       set_blob(easy, CURLOPT_SSLKEY_BLOB, link->key, link->key_length);
}

static bool set_connection(const struct api_link *link, CURL *easy)
{
	return SET(CURLOPT_PROTOCOLS_STR, "https") && SET(CURLOPT_PROXY, "") &&
	       SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_PATH_AS_IS, 1L) &&
	       /* one connection for everything where the server speaks HTTP/2: wait for what it says */
	       SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) && SET(CURLOPT_PIPEWAIT, 1L) &&
	       SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MSEC) &&
	       SET(CURLOPT_SOCKOPTFUNCTION, on_new_socket) && SET(CURLOPT_USERAGENT, link->user_agent) &&
	       (!link->connect_to || SET(CURLOPT_CONNECT_TO, link->connect_to));
}

static bool add_header(struct transfer *transfer, const char *name, const char *value)
{
	cleanup(strbuf_done) struct strbuf line = { 0 };
	struct curl_slist *grown;

	strbuf_appendf(&line, "%s%s", name, value);
	grown = strbuf_failed(&line) ? NULL : curl_slist_append(transfer->headers, strbuf_text(&line));
	if (line.text)
		explicit_bzero(line.text, line.length);
	if (!grown)
		return false;
	transfer->headers = grown;
	return true;
}

static bool set_request(const struct api_link *link, struct transfer *transfer, const char *token)
{
	cleanup(strbuf_done) struct strbuf url = { 0 };
	CURL *easy = transfer->easy;

	strbuf_appendf(&url, "%s%s", link->url_base, transfer->path);
	if (strbuf_failed(&url) || !SET(CURLOPT_URL, strbuf_text(&url)) ||
	    !SET(CURLOPT_CUSTOMREQUEST, transfer->method) ||
	    !add_header(transfer, "Accept: ", "application/json") || !add_header(transfer, "Expect:", ""))
		return false;
	if (token && !add_header(transfer, "Authorization: Bearer ", token))
		return false;
	if (transfer->content_type && !(add_header(transfer, "Content-Type: ", transfer->content_type) &&
					SET(CURLOPT_POSTFIELDS, transfer->body ? transfer->body : "") &&
					SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->length)))
		return false;
	return SET(CURLOPT_HTTPHEADER, transfer->headers) &&
	       (!transfer->compressed || SET(CURLOPT_ACCEPT_ENCODING, "gzip")) &&
	       SET(CURLOPT_TIMEOUT_MS, (long)transfer->timeout_msec);
}

static bool set_callbacks(struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	return SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, transfer) &&
	       SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, transfer) &&
	       SET(CURLOPT_PREREQFUNCTION, on_leaving) && SET(CURLOPT_PREREQDATA, transfer) &&
	       SET(CURLOPT_PRIVATE, transfer) && SET(CURLOPT_ERRORBUFFER, transfer->error);
}

int api_link_start(struct api_link *link, struct transfer *transfer, const char *token)
{
	CURL *easy = curl_easy_init();

	transfer_done(transfer);
	transfer->easy = easy;
	if (!easy || !set_connection(link, easy) || !set_tls(link, easy) ||
	    !set_request(link, transfer, token) || !set_callbacks(transfer))
		goto fail;
	transfer->link = link;
	transfer->next = link->first;
	if (link->first)
		link->first->previous = transfer;
	link->first = transfer;
	if (curl_multi_add_handle(link->multi, easy) == CURLM_OK)
		return 0;
	detach(transfer);
	return -ENOMEM;
fail:
	curl_easy_cleanup(easy);
	curl_slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->headers = NULL;
	return -ENOMEM;
}

void transfer_stop(struct transfer *transfer)
{
	if (transfer->link)
		detach(transfer);
}

void transfer_done(struct transfer *transfer)
{
	transfer_stop(transfer);
	strbuf_done(&transfer->answer);
	transfer->status = 0;
	transfer->stopped = transfer->held = false;
	transfer->retry_after[0] = transfer->error[0] = 0;
	transfer->bytes_received = transfer->bytes_sent = 0;
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

/* tls-server-name: the URL has that name, the connection goes where the server is. */
static int redirect(struct api_link *link, const char *tls_server_name)
{
	const char *host = link->server + strlen("https://"), *path = host + strcspn(host, "/");
	const char *port = *host == '[' ? strchr(host, ']') : host;
	cleanup(strbuf_done) struct strbuf rule = { 0 };
	cleanup(strbuf_done) struct strbuf url = { 0 };
	size_t host_length;

	port = port ? strchr(port, ':') : NULL;
	if (port && port >= path)
		port = NULL;
	host_length = (size_t)((port ? port : path) - host);
	strbuf_appendf(&rule, "::%.*s:%.*s", (int)host_length, host, port ? (int)(path - port - 1) : 3,
		       port ? port + 1 : "443");
	strbuf_appendf(&url, "https://%s%s", tls_server_name, port ? port : path);
	link->connect_to = strbuf_failed(&rule) ? NULL : curl_slist_append(NULL, strbuf_text(&rule));
	link->connect_to_text = strbuf_take(&url);
	link->url_base = link->connect_to_text;
	return link->connect_to && link->url_base ? 0 : -ENOMEM;
}

static int copy(const struct credential *from, char **ret, size_t *ret_length)
{
	if (!from->text)
		return 0;
	*ret = malloc(from->length + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, from->text, from->length + 1);
	*ret_length = from->length;
	return 0;
}

static int set_multi(struct api_link *link)
{
	CURLM *multi = curl_multi_init();

	link->multi = multi;
	if (!multi || curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, link) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, link) != CURLM_OK)
		return -ENOMEM;
	return 0;
}

int api_link_prepare(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

int api_link_new(struct sd_event *event, const struct api_link_options *options, transfer_ended_fn *ended,
		 void *userdata, struct api_link **ret)
{
	cleanup(api_link_freep) struct api_link *link = calloc(1, sizeof(*link));
	const struct credentials *credentials = options->credentials;
	int r;

	if (!link)
		return -ENOMEM;
	link->event = sd_event_ref(event);
	link->ended = ended;
	link->userdata = userdata;
	link->server = strdup(options->server);
	link->user_agent = strdup(options->user_agent);
	link->url_base = link->server;
	if (!link->server || !link->user_agent)
		return -ENOMEM;
	r = copy(&credentials->ca, &link->ca, &link->ca_length);
	if (!r)
		r = copy(&credentials->certificate, &link->certificate, &link->certificate_length);
	if (!r)
		r = copy(&credentials->key, &link->key, &link->key_length);
	if (!r && credentials->tls_server_name)
		r = redirect(link, credentials->tls_server_name);
	if (!r)
		r = sd_event_add_time(event, &link->timer, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_USEC,
				      on_timer, link);
	if (r >= 0)
		r = sd_event_source_set_enabled(link->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = set_multi(link);
	if (r < 0)
		return r;
	*ret = take(link);
	return 0;
}

static void wipe(char *text, size_t length)
{
	if (text)
		explicit_bzero(text, length);
	free(text);
}

static void destroy(struct api_link *link)
{
	if (link->multi)
		curl_multi_cleanup(link->multi); /* closes the connections; calls on_socket() */
	sd_event_source_disable_unref(link->timer);
	sd_event_unref(link->event);
	curl_slist_free_all(link->connect_to);
	free(link->server);
	free(link->connect_to_text);
	free(link->user_agent);
	free(link->ca);
	free(link->certificate);
	wipe(link->key, link->key_length);
	free(link);
}

void api_link_free(struct api_link *link)
{
	if (!link)
		return;
	while (link->first)
		detach(link->first);
	link->freed = true;
	if (!link->busy)
		destroy(link);
}

struct transfer *api_link_first(struct api_link *link)
{
	return link->first;
}

uint64_t api_link_received(const struct api_link *link)
{
	return link->bytes_received;
}

const char *api_link_server(const struct api_link *link)
{
	return link->server;
}
