// SPDX-License-Identifier: Apache-2.0
/* The API client's policy: which server, when a request is sent, what is repeated, when a server is given up.
 * The connections are api_link.c's.
 *
 * One link is current. It is given up when it cannot be connected, or when a probe finds the server silent:
 * then everything on it ends, and the next server gets a new link. While no server answers, the probe goes on
 * by itself with a short backoff, so that the others may wait as long as they like: they are told when one
 * answers. */
#include "k8s/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-event.h>

#include "k8s/api_error.h"
#include "k8s/api_link.h"
#include "k8s/backoff.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define REFRESH_MSEC	  60000 /* client-go's period for token files */
#define PROBE_EVERY_MSEC  3000
#define PROBE_WAIT_MSEC	  3000
#define CONNECT_WAIT_MSEC 5000 /* … with TLS before it */
#define PROBE_LATE_MSEC                                                                                      \
	500 /* our own loop was busy for longer than this: the answer may lie there unread                   \
	     */
#define PROBE_GRACE_MSEC 200
#define RETRY_MOST_MSEC	 5000  /* between tries while no server answers */
#define IDLE_MSEC	 15000 /* without a request nobody needs to know whether the server is alive */
#define MOST_CALLS	 64
#define CUT_STORY_MSEC	 1000
#define DEFAULT_QPS	 50
#define PROBE_PATH	 "/livez?exclude=etcd" /* API servers exempt it from their queues; everybody may ask */

enum request_kind { REQUEST_CALL, REQUEST_STREAM };

struct api_request {
	struct transfer transfer; /* first, so that both have one address */
	struct api *api;
	enum request_kind kind;
	api_reply_fn *done;
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
	sd_event *event;
	struct credentials credentials;
	unsigned n_tokens; /* how often the token was renewed */
	char *user_agent;
	unsigned refresh_msec;
	size_t server;	       /* the current one */
	struct api_link *link; /* to it; NULL: none yet */
	struct old_link *old_links;

	struct api_request *queue_first, *queue_last;
	size_t n_calls, n_active; /* under way: calls, all */
	double tokens, qps, burst;
	uint64_t tokens_msec, used_msec;
	struct loop_timer *pump, *probe_timer, *probe_deadline, *refresh_timer, *story;

	struct transfer probe;
	uint64_t probe_due_msec, probe_received;
	bool probe_repeated;
	size_t n_silent; /* servers that were given up since the last answer */
	struct backoff backoff;

	struct api_state state;
	char *trouble;
	bool was_reachable, story_told; /* ever; that it is not */
	struct listener *listeners;
	size_t n_listeners, listeners_capacity;

	unsigned n_cut; /* streams, since the last line about it */
	char cut_why[CURL_ERROR_SIZE];
	char ended_why[CURL_ERROR_SIZE]; /* what requests are told that end with the link */
};

/* --- reachable or not ---------------------------------------------------------------------------------- */

static const char *current_server(const struct api *api)
{
	return api->credentials.servers[api->server];
}

static void arm_probe(struct api *api)
{
	uint64_t after_msec = PROBE_EVERY_MSEC;

	if (!api->state.reachable && api->state.since_msec) {
		after_msec = backoff_next(&api->backoff, loop_now_msec(), loop_random(), 0);
		if (after_msec > RETRY_MOST_MSEC)
			after_msec = RETRY_MOST_MSEC - loop_random() % (RETRY_MOST_MSEC / 4);
	}
	loop_timer_set_earlier(api->probe_timer, after_msec);
}

static void tell_reachable(struct api *api)
{
	uint64_t now_msec = loop_now_msec();

	if (api->state.reachable)
		return;
	if (api->story_told)
		log_info("API server: %s answers, after %.1f s", current_server(api),
			 (double)(now_msec - api->state.since_msec) / 1000);
	else if (!api->was_reachable)
		log_info("API server: connected to %s", current_server(api));
	free(take(api->trouble));
	backoff_reset(&api->backoff);
	api->state.reachable = api->was_reachable = true;
	api->state.since_msec = now_msec;
	api->story_told = false;
	api->n_silent = 0;
	for (size_t i = 0; i < api->n_listeners; i++)
		api->listeners[i].fn(api->listeners[i].userdata);
}

/* One line for each story, not one for each try. */
static void tell_unreachable(struct api *api, const char *why)
{
	if (api->state.reachable || !api->state.since_msec)
		api->state.since_msec = loop_now_msec();
	api->state.reachable = false;
	free(api->trouble);
	api->trouble = strdup(why);
	if (++api->n_silent < api->credentials.n_servers) {
		log_warn("API server: %s: %s; trying the next", current_server(api), why);
	} else if (!api->story_told) {
		log_warn("API server: %s: %s; the last good state stays in force, tried again until one "
			 "answers",
			 current_server(api), why);
		api->story_told = true;
	}
}

/* --- ends of requests ---------------------------------------------------------------------------------- */

static void request_free(struct api_request *request)
{
	transfer_done(&request->transfer);
	free(request->method);
	free(request->path);
	free(request->content_type);
	free(request->body);
	free(request);
}

static void unqueue(struct api *api, struct api_request *request)
{
	*(request->previous ? &request->previous->next : &api->queue_first) = request->next;
	*(request->next ? &request->next->previous : &api->queue_last) = request->previous;
	request->next = request->previous = NULL;
	request->queued = false;
}

static void enqueue(struct api *api, struct api_request *request)
{
	request->previous = api->queue_last;
	*(api->queue_last ? &api->queue_last->next : &api->queue_first) = request;
	api->queue_last = request;
	request->queued = true;
	loop_timer_set_earlier(api->pump, 0);
}

/* It is no longer under way. */
static void settle(struct api_request *request)
{
	struct api *api = request->api;

	if (!request->active)
		return;
	request->active = false;
	api->n_active--;
	if (request->kind == REQUEST_CALL)
		api->n_calls--;
	api->state.bytes_received += request->transfer.bytes_received;
	api->state.bytes_sent += request->transfer.bytes_sent;
	api->used_msec = loop_now_msec();
	if (api->queue_first)
		loop_timer_set_earlier(api->pump, 0);
}

/* Calls back, once, and forgets the request. `cut`: what came is not all. */
static void deliver(struct api_request *request, const char *trouble, bool cut)
{
	struct transfer *transfer = &request->transfer;
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct api_reply reply = { .status = trouble && !cut ? 0 : transfer->status, .reason = "" };
	struct json_error error;

	settle(request);
	if (transfer->answer.length && !trouble &&
	    json_parse(strbuf_text(&transfer->answer), transfer->answer.length, &document, &error) == 0)
		reply.body = document.first;
	if (trouble) {
		strbuf_append_escaped(&message, trouble, 400);
	} else if (reply.status >= 400) {
		reply.reason = api_error_reason(reply.body);
		reply.retry_after_msec = api_error_retry_after_msec(transfer->retry_after, reply.body);
		api_error_message(&message, reply.status, reply.body, strbuf_text(&transfer->answer),
				  transfer->answer.length);
	}
	reply.message = strbuf_text(&message);
	request->api->state.n_failures += trouble || reply.status >= 400;
	if (request->kind == REQUEST_CALL)
		request->done(request->userdata, &reply);
	else
		request->fns.end(request->userdata, &reply, cut);
	request_free(request);
}

static void tell_cuts(void *userdata)
{
	struct api *api = userdata;

	if (api->n_cut && api->state.reachable)
		log_info("API server: %s: %u watch%s cut off (%s); continued where %s ended",
			 current_server(api), api->n_cut, api->n_cut == 1 ? " was" : "es were", api->cut_why,
			 api->n_cut == 1 ? "it" : "they");
	api->n_cut = 0;
}

static void note_cut(struct api *api, const char *why)
{
	if (!api->n_cut++)
		snprintf(api->cut_why, sizeof(api->cut_why), "%s", why);
	loop_timer_set_earlier(api->story, CUT_STORY_MSEC);
}

/* --- links --------------------------------------------------------------------------------------------- */

/* Ends everything that runs over the link: status 0, or cut. */
static void end_all(struct api *api, struct api_link *link, bool calls_too, const char *why)
{
	struct transfer *transfer;
	bool again = true;

	snprintf(api->ended_why, sizeof(api->ended_why), "%s", why);
	while (again) {
		again = false;
		for (transfer = api_link_first(link); transfer; transfer = transfer->next) {
			struct api_request *request = (struct api_request *)transfer;

			if (transfer == &api->probe || (request->kind == REQUEST_CALL && !calls_too))
				continue;
			transfer_stop(transfer);
			deliver(request, api->ended_why,
				request->kind == REQUEST_STREAM && transfer->status == 200);
			again = true;
			break;
		}
	}
}

static void drop_link(struct api *api, const char *why)
{
	struct api_link *link = take(api->link);

	transfer_done(&api->probe);
	loop_timer_stop(api->probe_deadline);
	if (!link)
		return;
	end_all(api, link, true, why);
	api_link_free(link);
}

static void give_up_link(struct api *api, const char *why)
{
	cleanup(freep) char *copy = strdup(why);

	tell_unreachable(api, why);
	drop_link(api, copy ? copy : "the server does not answer");
	api->server = (api->server + 1) % api->credentials.n_servers;
	loop_timer_stop(api->probe_timer);
	if (api->n_silent < api->credentials.n_servers) /* each of the others at once, then with a backoff */
		loop_timer_set(api->probe_timer, 0);
	else
		arm_probe(api);
}

static void free_old_links(struct api *api, bool all)
{
	struct old_link **at = &api->old_links;

	while (*at) {
		struct old_link *old = *at;

		if (!all && api_link_first(old->link)) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		api_link_free(old->link);
		free(old);
	}
}

/* New connections from now on. Watches begin anew, calls may finish. */
static void replace_link(struct api *api)
{
	struct old_link *old = api->link ? calloc(1, sizeof(*old)) : NULL;

	if (!api->link)
		return;
	if (!old) {
		drop_link(api, "certificates were renewed");
		return;
	}
	transfer_done(&api->probe);
	loop_timer_stop(api->probe_deadline);
	old->link = take(api->link);
	old->next = api->old_links;
	api->old_links = old;
	end_all(api, old->link, false, "certificates were renewed");
	free_old_links(api, false);
	loop_timer_set_earlier(api->probe_timer, 0);
}

static void refresh(struct api *api)
{
	unsigned changed = credentials_refresh(&api->credentials);

	api->n_tokens += changed & CREDENTIALS_TOKEN ? 1 : 0;
	if (changed & CREDENTIALS_TLS)
		replace_link(api);
}

static void on_ended(void *userdata, struct transfer *, CURLcode);

static int get_link(struct api *api)
{
	const struct api_link_options options = {
		.server = current_server(api),
		.credentials = &api->credentials,
		.user_agent = api->user_agent,
	};

	return api->link ? 0 : api_link_new(api->event, &options, on_ended, api, &api->link);
}

/* --- the probe ----------------------------------------------------------------------------------------- */

static void send_probe(void *userdata)
{
	struct api *api = userdata;
	uint64_t now_msec = loop_now_msec(), wait_msec;

	free_old_links(api, false);
	if (api->probe.link)
		return;
	if (api->state.reachable && !api->n_active && now_msec > api->used_msec + IDLE_MSEC)
		return; /* armed again with the next request */
	api->probe.method = "GET";
	api->probe.path = PROBE_PATH;
	if (get_link(api) < 0 || api_link_start(api->link, &api->probe, api->credentials.token.text) < 0) {
		loop_timer_set(api->probe_timer, PROBE_EVERY_MSEC);
		return;
	}
	wait_msec = api->state.reachable ? PROBE_WAIT_MSEC : CONNECT_WAIT_MSEC;
	api->probe_received = api_link_received(api->link);
	api->probe_due_msec = now_msec + wait_msec;
	loop_timer_set(api->probe_deadline, wait_msec);
}

/* Silence counts, not the missing answer: behind a list of many megabytes on a slow line it takes its time.
 */
static void probe_is_late(void *userdata)
{
	struct api *api = userdata;
	uint64_t now_msec = loop_now_msec();

	if (!api->link)
		return;
	if (now_msec > api->probe_due_msec + PROBE_LATE_MSEC) {
		api->probe_due_msec = now_msec + PROBE_GRACE_MSEC;
		loop_timer_set(api->probe_deadline, PROBE_GRACE_MSEC);
	} else if (api_link_received(api->link) != api->probe_received) {
		api->probe_received = api_link_received(api->link);
		api->probe_due_msec = now_msec + PROBE_WAIT_MSEC;
		loop_timer_set(api->probe_deadline, PROBE_WAIT_MSEC);
	} else {
		give_up_link(api, "no answer within 3 s");
	}
}

/* Credentials may be what is wrong: then the next try has new ones. */
static bool is_tls_failure(CURLcode result)
{
	return result == CURLE_SSL_CONNECT_ERROR || result == CURLE_PEER_FAILED_VERIFICATION ||
	       result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CACERT_BADFILE ||
	       result == CURLE_SSL_ISSUER_ERROR;
}

/* There is no connection, so nobody else has one either. */
static bool is_link_failure(CURLcode result)
{
	return is_tls_failure(result) || result == CURLE_COULDNT_CONNECT ||
	       result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_COULDNT_RESOLVE_PROXY;
}

static void probe_ended(struct api *api, CURLcode result)
{
	int status = api->probe.status;
	cleanup(freep) char *why = strdup(api->probe.error);

	loop_timer_stop(api->probe_deadline);
	api->state.bytes_received += api->probe.bytes_received;
	api->state.bytes_sent += api->probe.bytes_sent;
	transfer_done(&api->probe);
	if (status) {
		api->probe_repeated = false;
		arm_probe(api);
		tell_reachable(api);
	} else if (!is_link_failure(result) && !api->probe_repeated) {
		api->probe_repeated = true; /* the connection broke under it: a new one tells more */
		loop_timer_set(api->probe_timer, 0);
	} else if (is_tls_failure(result)) {
		give_up_link(api, why ? why : "TLS");
		refresh(api);
	} else {
		give_up_link(api, why ? why : "no answer");
	}
}

/* --- requests ------------------------------------------------------------------------------------------ */

static int on_stream_data(struct transfer *transfer, const char *bytes, size_t length)
{
	struct api_request *request = (struct api_request *)transfer;

	return request->fns.data(request->userdata, bytes, length);
}

static void on_begun(struct transfer *transfer)
{
	struct api_request *request = (struct api_request *)transfer;

	if (request->link == request->api->link)
		tell_reachable(request->api);
	if (request->kind == REQUEST_STREAM && transfer->status == 200 && request->fns.begun)
		request->fns.begun(request->userdata);
}

static int start(struct api *api, struct api_request *request)
{
	struct transfer *transfer = &request->transfer;
	int r;

	r = get_link(api);
	if (r < 0)
		return r;
	transfer->method = request->method;
	transfer->path = request->path;
	transfer->content_type = request->content_type;
	transfer->body = request->body;
	transfer->data = request->kind == REQUEST_STREAM ? on_stream_data : NULL;
	transfer->begun = on_begun;
	request->link = api->link; /* on_begun() asks */
	request->token = api->n_tokens;
	r = api_link_start(api->link, transfer, api->credentials.token.text);
	if (r < 0)
		return r;
	request->active = true;
	api->n_active++;
	api->n_calls += request->kind == REQUEST_CALL;
	api->state.n_requests++;
	api->used_msec = loop_now_msec();
	arm_probe(api);
	return 0;
}

/* 401 with a token that has been renewed since it was sent: the request was not executed. */
static bool repeats(struct api *api, struct api_request *request)
{
	if (request->transfer.status != 401 || request->repeated || !api->credentials.token.text)
		return false;
	refresh(api);
	if (request->token == api->n_tokens)
		return false;
	settle(request);
	request->repeated = true;
	enqueue(api, request);
	return true;
}

static void request_ended(struct api *api, struct api_request *request, CURLcode result)
{
	struct transfer *transfer = &request->transfer;
	bool current = request->link == api->link && api->link;
	const char *why = transfer->error;

	if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && transfer->stopped)) {
		if (current)
			tell_reachable(api);
		if (!repeats(api, request))
			deliver(request, NULL, false);
		return;
	}
	if (result == CURLE_OPERATION_TIMEDOUT && transfer->status == 200 && request->kind == REQUEST_STREAM)
		why = "it did not end in time";
	if (current &&
	    (is_link_failure(result) || (result == CURLE_OPERATION_TIMEDOUT && !api->state.reachable))) {
		cleanup(freep) char *copy = strdup(why);

		/* This one first: it is no longer among those that end with the link. */
		deliver(request, why, request->kind == REQUEST_STREAM && transfer->status == 200);
		if (api->link)
			give_up_link(api, copy ? copy : "cannot be connected");
		if (is_tls_failure(result))
			refresh(api);
		return;
	}
	/* This request's connection broke. Whether the server is there, the probe tells. */
	if (current)
		loop_timer_set_earlier(api->probe_timer, 0);
	if (request->kind == REQUEST_STREAM && transfer->status == 200)
		note_cut(api, why);
	deliver(request, why, request->kind == REQUEST_STREAM && transfer->status == 200);
}

static void on_ended(void *userdata, struct transfer *transfer, CURLcode result)
{
	struct api *api = userdata;

	if (transfer == &api->probe)
		probe_ended(api, result);
	else
		request_ended(api, (struct api_request *)transfer, result);
}

static void fill_tokens(struct api *api)
{
	uint64_t now_msec = loop_now_msec();

	api->tokens += (double)(now_msec - api->tokens_msec) / 1000 * api->qps;
	if (api->tokens > api->burst)
		api->tokens = api->burst;
	api->tokens_msec = now_msec;
}

static struct api_request *next_request(const struct api *api)
{
	struct api_request *request = api->queue_first;

	while (request && request->kind == REQUEST_CALL && api->n_calls >= MOST_CALLS)
		request = request->next;
	return request;
}

/* Sends what is due. */
static void pump(void *userdata)
{
	struct api *api = userdata;
	struct api_request *request;

	free_old_links(api, false);
	fill_tokens(api);
	while ((request = next_request(api))) {
		if (api->tokens < 1) {
			loop_timer_set_earlier(api->pump,
					       (uint64_t)((1 - api->tokens) / api->qps * 1000) + 1);
			return;
		}
		api->tokens--;
		unqueue(api, request);
		if (start(api, request) < 0)
			deliver(request, "out of memory", false);
	}
}

static char *copy_text(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	*failed |= text && !copy;
	return copy;
}

static struct api_request *request_new(struct api *api, enum request_kind kind, const struct api_call *call)
{
	struct api_request *request = calloc(1, sizeof(*request));
	bool failed = !request;

	if (failed)
		return NULL;
	request->api = api;
	request->kind = kind;
	request->method = copy_text(call->method, &failed);
	request->path = copy_text(call->path, &failed);
	request->content_type = copy_text(call->content_type, &failed);
	if (call->content_type) {
		request->body = malloc(call->length + 1);
		failed |= !request->body;
		if (request->body && call->length)
			memcpy(request->body, call->body, call->length);
		request->transfer.length = call->length;
	}
	if (!failed)
		return request;
	request_free(request);
	return NULL;
}

int api_send(struct api *api, const struct api_call *call, api_reply_fn *done, void *userdata,
	     struct api_request **ret)
{
	struct api_request *request = request_new(api, REQUEST_CALL, call);

	if (!request)
		return -ENOMEM;
	request->done = done;
	request->userdata = userdata;
	request->transfer.timeout_msec = API_DEADLINE_MSEC;
	enqueue(api, request);
	if (ret)
		*ret = request;
	return 0;
}

int api_stream_open(struct api *api, const struct api_stream *stream, const struct api_stream_fns *fns,
		    void *userdata, struct api_request **ret)
{
	struct api_call call = { .method = "GET", .path = stream->path };
	struct api_request *request = request_new(api, REQUEST_STREAM, &call);

	if (!request)
		return -ENOMEM;
	request->fns = *fns;
	request->userdata = userdata;
	request->transfer.compressed = stream->compressed;
	request->transfer.timeout_msec = (uint64_t)stream->timeout_sec * 1000;
	enqueue(api, request);
	if (ret)
		*ret = request;
	return 0;
}

void api_cancel(struct api_request *request)
{
	if (!request)
		return;
	if (request->queued)
		unqueue(request->api, request);
	transfer_stop(&request->transfer);
	settle(request);
	request_free(request);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void refresh_now(void *userdata)
{
	struct api *api = userdata;

	refresh(api);
	loop_timer_set(api->refresh_timer, api->refresh_msec);
}

struct api_state api_state(const struct api *api)
{
	struct api_state state = api->state;
	const struct transfer *transfer;

	for (transfer = api->link ? api_link_first(api->link) : NULL; transfer; transfer = transfer->next)
		state.bytes_received += transfer->bytes_received; /* watches end after minutes */
	state.server = current_server(api);
	state.trouble = api->trouble ? api->trouble : "";
	return state;
}

const char *api_namespace(const struct api *api)
{
	return api->credentials.namespace ? api->credentials.namespace : "";
}

int api_on_reachable(struct api *api, api_reachable_fn *fn, void *userdata)
{
	if (array_reserve(api->listeners, api->n_listeners, api->listeners_capacity) < 0)
		return -ENOMEM;
	api->listeners[api->n_listeners++] = (struct listener){ fn, userdata };
	return 0;
}

void api_off_reachable(struct api *api, api_reachable_fn *fn, void *userdata)
{
	for (size_t i = 0; i < api->n_listeners; i++) {
		if (api->listeners[i].fn != fn || api->listeners[i].userdata != userdata)
			continue;
		api->listeners[i] = api->listeners[--api->n_listeners];
		return;
	}
}

static int make_timers(struct api *api)
{
	int r;

	r = loop_timer_new(api->event, pump, api, &api->pump);
	if (r >= 0)
		r = loop_timer_new(api->event, send_probe, api, &api->probe_timer);
	if (r >= 0)
		r = loop_timer_new(api->event, probe_is_late, api, &api->probe_deadline);
	if (r >= 0)
		r = loop_timer_new(api->event, refresh_now, api, &api->refresh_timer);
	if (r >= 0)
		r = loop_timer_new(api->event, tell_cuts, api, &api->story);
	return r;
}

DEFINE_CLEANUP(struct api *, api_free);

int api_new(struct sd_event *event, const struct api_options *options, struct api **ret)
{
	cleanup(api_freep) struct api *api = calloc(1, sizeof(*api));
	int r = -ENOMEM;

	if (!api || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	api->event = sd_event_ref(event);
	api->qps = options->qps > 0 ? options->qps : DEFAULT_QPS;
	api->burst = options->burst ? options->burst : 2 * api->qps;
	if (api->burst < 1)
		api->burst = 1;
	api->tokens = api->burst;
	api->tokens_msec = loop_now_msec();
	api->refresh_msec = options->refresh_msec ? options->refresh_msec : REFRESH_MSEC;
	api->user_agent = strdup(options->user_agent ? options->user_agent : "fairway");
	r = api->user_agent ? make_timers(api) : -ENOMEM;
	if (r < 0)
		goto fail;
	r = credentials_load(&api->credentials, options);
	if (r < 0)
		return r;
	/* A thousand agents spread over the servers. */
	api->server = loop_random() % api->credentials.n_servers;
	loop_timer_set(api->refresh_timer, api->refresh_msec);
	*ret = take(api);
	return 0;
fail:
	log_error("API client: %s", strerror(-r));
	return r;
}

void api_free(struct api *api)
{
	struct api_request *request;
	struct old_link *old;

	if (!api)
		return;
	transfer_done(&api->probe);
	while ((request = api->queue_first)) {
		unqueue(api, request);
		request_free(request);
	}
	while (api->link && api_link_first(api->link))
		api_cancel((struct api_request *)api_link_first(api->link));
	for (old = api->old_links; old; old = old->next)
		while (api_link_first(old->link))
			api_cancel((struct api_request *)api_link_first(old->link));
	free_old_links(api, true);
	api_link_free(api->link);
	loop_timer_free(api->pump);
	loop_timer_free(api->probe_timer);
	loop_timer_free(api->probe_deadline);
	loop_timer_free(api->refresh_timer);
	loop_timer_free(api->story);
	credentials_done(&api->credentials);
	free(api->listeners);
	free(api->user_agent);
	free(api->trouble);
	sd_event_unref(api->event);
	free(api);
}
