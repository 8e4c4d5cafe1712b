// SPDX-License-Identifier: Apache-2.0
/* What is asked of the API server: the queue, the pace, what is repeated, and how each request ends, once. */
#include "k8s/api_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/api_error.h"
#include "k8s/json.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define MOST_CALLS     64
#define CUT_STORY_MSEC 1000
#define NOT_SENT       "not sent: it is no longer wanted"

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

	if (api->n_cut && api->reach.reachable)
		log_info("API server: %s: %u watch%s cut off (%s); continued where %s ended", server_url(api),
			 api->n_cut, api->n_cut == 1 ? " was" : "es were", api->cut_why,
			 api->n_cut == 1 ? "it" : "they");
	api->n_cut = 0;
}

static void note_cut(struct api *api, const char *why)
{
	if (!api->n_cut++)
		snprintf(api->cut_why, sizeof(api->cut_why), "%s", why);
	loop_timer_set_earlier(api->story, CUT_STORY_MSEC);
}

void requests_end(struct api *api, struct api_link *link, bool calls_too, const char *why)
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
		server_answers(request->api);
	if (request->kind == REQUEST_STREAM && transfer->status == 200 && request->fns.begun)
		request->fns.begun(request->userdata);
}

static bool on_leaving(struct transfer *transfer)
{
	struct api_request *request = (struct api_request *)transfer;

	return request->may_leave(request->userdata);
}

static int start(struct api *api, struct api_request *request)
{
	struct transfer *transfer = &request->transfer;
	int r;

	r = server_link(api);
	if (r < 0)
		return r;
	transfer->method = request->method;
	transfer->path = request->path;
	transfer->content_type = request->content_type;
	transfer->body = request->body;
	transfer->data = request->kind == REQUEST_STREAM ? on_stream_data : NULL;
	transfer->begun = on_begun;
	transfer->may_leave = request->may_leave ? on_leaving : NULL;
	request->link = api->link; /* on_begun() asks */
	request->token = api->n_tokens;
	r = api_link_start(api->link, transfer, api->credentials.token.text);
	if (r < 0)
		return r;
	request->active = true;
	api->n_active++;
	api->n_calls += request->kind == REQUEST_CALL;
	api->state.n_requests++;
	server_used(api);
	return 0;
}

/* 401 with a token that has been renewed since it was sent: the request was not executed. */
static bool repeats(struct api *api, struct api_request *request)
{
	if (request->transfer.status != 401 || request->repeated || !api->credentials.token.text)
		return false;
	api_refresh(api);
	if (request->token == api->n_tokens)
		return false;
	settle(request);
	request->repeated = true;
	enqueue(api, request);
	return true;
}

void request_ended(struct api *api, struct api_request *request, enum transfer_end end)
{
	struct transfer *transfer = &request->transfer;
	bool current = request->link == api->link && api->link;
	const char *why = transfer->error;

	if (end == TRANSFER_ANSWERED) {
		if (current)
			server_answers(api);
		if (!repeats(api, request))
			deliver(request, NULL, false);
		return;
	}
	if (end == TRANSFER_HELD) {
		deliver(request, NOT_SENT, false);
		return;
	}
	if (end == TRANSFER_TIMED_OUT && transfer->status == 200 && request->kind == REQUEST_STREAM)
		why = "it did not end in time";
	if (current && reach_is_silence(&api->reach, end)) {
		cleanup(freep) char *copy = strdup(why);

		/* This one first: it is no longer among those that end with the link. */
		deliver(request, why, request->kind == REQUEST_STREAM && transfer->status == 200);
		if (api->link)
			server_give_up(api, copy ? copy : "cannot be connected");
		if (end == TRANSFER_NO_TLS)
			api_refresh(api);
		return;
	}
	/* This request's connection broke. Whether the server is there, the probe tells. */
	if (current)
		server_ask(api);
	if (request->kind == REQUEST_STREAM && transfer->status == 200)
		note_cut(api, why);
	deliver(request, why, request->kind == REQUEST_STREAM && transfer->status == 200);
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
	uint64_t wait_msec;

	server_free_old_links(api);
	while ((request = next_request(api))) {
		if (request->may_leave && !request->may_leave(request->userdata)) {
			unqueue(api, request);
			deliver(request, NOT_SENT, false);
			continue;
		}
		wait_msec = pace_take(&api->pace, loop_now_msec());
		if (wait_msec) {
			loop_timer_set_earlier(api->pump, wait_msec);
			return;
		}
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
	request->may_leave = call->may_leave;
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

/* --- lifetime ------------------------------------------------------------------------------------------ */

int requests_init(struct api *api, const struct api_options *options)
{
	int r;

	pace_init(&api->pace, options->qps, options->burst, loop_now_msec());
	r = loop_timer_new(api->event, pump, api, &api->pump);
	return r < 0 ? r : loop_timer_new(api->event, tell_cuts, api, &api->story);
}

static void cancel_all(struct api_link *link)
{
	while (link && api_link_first(link))
		api_cancel((struct api_request *)api_link_first(link));
}

void requests_done(struct api *api)
{
	transfer_done(&api->probe); /* it is no request */
	while (api->queue_first)
		api_cancel(api->queue_first);
	cancel_all(api->link);
	for (struct old_link *old = api->old_links; old; old = old->next)
		cancel_all(old->link);
	loop_timer_free(api->pump);
	loop_timer_free(api->story);
}
