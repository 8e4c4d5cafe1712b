// SPDX-License-Identifier: Apache-2.0
/* When to ask, and when to stop listening: see watch.h. What is asked and what an answer means says the
 * reflector. */
#include "k8s/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/backoff.h"
#include "userspace/base/cleanup.h"
#include "userspace/io/loop.h"

#define SILENCE_MSEC   150000 /* bookmarks come about every minute */
#define SHORT_MSEC     1000   /* a watch that ends sooner, without an event, is not opened again at once */
#define PROVEN_MSEC    2000   /* a watch that has lasted for this long works, even without an event */
#define HEALTHY_MSEC   10000
#define KICK_SPAN_MSEC 500 /* all that waited for a server begin within this time */

struct watch {
	struct api *api;
	struct reflector reflector;
	struct api_request *request;
	struct loop_timer *retry, *silence, *proven;
	struct backoff backoff;
	char *path, *selector, *list_type;
	void (*on_trouble)(void *userdata);
	void *userdata;
	enum reflector_trouble told;
	int told_status;
	uint64_t begun_msec; /* of the answer under way; 0: it has not */
	uint64_t event_usec;
	unsigned n_busy;   /* answers with 429 or 503 in a row */
	uint64_t n_events; /* when it was asked for */
};

DEFINE_CLEANUP(struct watch *, watch_free);

static void tell_trouble(struct watch *watch, enum reflector_trouble trouble, int status)
{
	if (trouble == watch->told && (trouble == REFLECTOR_FINE || status == watch->told_status))
		return;
	watch->told = trouble;
	watch->told_status = status;
	watch->on_trouble(watch->userdata);
}

static void try_later(struct watch *watch, uint64_t at_least_msec)
{
	loop_timer_set(watch->retry,
		       backoff_next(&watch->backoff, loop_now_msec(), loop_random(), at_least_msec));
}

/* --- the stream ---------------------------------------------------------------------------------------- */

static int on_data(void *userdata, const char *bytes, size_t length)
{
	struct watch *watch = userdata;
	uint64_t n_events = watch->reflector.n_events, n_lists = watch->reflector.n_lists;
	int r;

	watch->event_usec = loop_now_usec();
	r = reflector_feed(&watch->reflector, bytes, length);
	loop_timer_set(watch->silence, SILENCE_MSEC);
	if (!r && watch->told != REFLECTOR_FINE &&
	    (watch->reflector.n_lists != n_lists ||
	     (watch->reflector.phase == REFLECTOR_WATCH && watch->reflector.n_events != n_events)))
		tell_trouble(watch, REFLECTOR_FINE, 0);
	return r;
}

static void on_begun(void *userdata)
{
	struct watch *watch = userdata;

	watch->begun_msec = loop_now_msec();
	if (watch->told != REFLECTOR_FINE && watch->reflector.phase == REFLECTOR_WATCH)
		loop_timer_set(watch->proven, PROVEN_MSEC);
}

static void is_proven(void *userdata)
{
	tell_trouble(userdata, REFLECTOR_FINE, 0);
}

static void ask(void *userdata);

static void on_end(void *userdata, const struct api_reply *reply, bool cut)
{
	struct watch *watch = userdata;
	bool was_watch = watch->reflector.as_watch, goes_on;
	uint64_t n_lists = watch->reflector.n_lists;
	uint64_t lasted_msec = watch->begun_msec ? loop_now_msec() - watch->begun_msec : 0;

	watch->request = NULL;
	loop_timer_stop(watch->silence);
	loop_timer_stop(watch->proven);
	goes_on = reflector_ended(&watch->reflector, reply, cut);
	/* It got on: the next failure is a new one. A proxy that cuts every few seconds must not slow events
	 * down. */
	if (was_watch && (lasted_msec >= HEALTHY_MSEC || watch->reflector.n_events != watch->n_events))
		backoff_reset(&watch->backoff);
	watch->n_busy = reply->status == 429 || reply->status == 503 ? watch->n_busy + 1 : 0;
	if (!goes_on) {
		if (watch->n_busy != 1) /* each new kind and each start of an API server begin like this */
			tell_trouble(watch, watch->reflector.trouble, watch->reflector.status);
		try_later(watch, (uint64_t)reply->retry_after_msec);
		return;
	}
	if (watch->reflector.n_lists != n_lists)
		tell_trouble(watch, REFLECTOR_FINE, 0);
	if (was_watch && reply->status == 200 && watch->reflector.phase == REFLECTOR_WATCH &&
	    lasted_msec < SHORT_MSEC && watch->reflector.n_events == watch->n_events) {
		try_later(watch, SHORT_MSEC);
		return;
	}
	ask(watch);
}

/* Nothing, not even a bookmark, on a watch that is open: see reflector_silent(). */
static void is_silent(void *userdata)
{
	struct watch *watch = userdata;

	if (!watch->request)
		return;
	api_cancel(take(watch->request));
	loop_timer_stop(watch->proven);
	reflector_silent(&watch->reflector);
	ask(watch);
}

static void ask(void *userdata)
{
	static const struct api_stream_fns fns = { .data = on_data, .begun = on_begun, .end = on_end };
	cleanup(strbuf_done) struct strbuf path = { 0 };
	struct watch *watch = userdata;
	struct api_stream stream;

	if (watch->request)
		return;
	watch->begun_msec = 0;
	watch->n_events = watch->reflector.n_events;
	if (reflector_request(&watch->reflector, loop_random(), &path, &stream) < 0 ||
	    api_stream_open(watch->api, &stream, &fns, watch, &watch->request) < 0) {
		tell_trouble(watch, REFLECTOR_NO_MEMORY, 0);
		try_later(watch, 0);
		return;
	}
	if (watch->reflector.as_watch)
		loop_timer_set(watch->silence, SILENCE_MSEC);
}

static void is_reachable(void *userdata)
{
	struct watch *watch = userdata;

	if (watch->request || watch->told != REFLECTOR_UNREACHABLE)
		return;
	/* How long it was gone says nothing about how soon it is ready: its first answers are often 429. */
	backoff_reset(&watch->backoff);
	loop_timer_set_earlier(watch->retry, loop_random() % KICK_SPAN_MSEC);
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

static int set_up(struct watch *watch, struct sd_event *event, const struct watch_options *options)
{
	int r;

	watch->path = strdup(options->path);
	watch->selector = options->selector ? strdup(options->selector) : NULL;
	watch->list_type = options->list_type ? strdup(options->list_type) : NULL;
	if (!watch->path || (options->selector && !watch->selector) ||
	    (options->list_type && !watch->list_type))
		return -ENOMEM;
	watch->reflector.path = watch->path;
	watch->reflector.selector = watch->selector;
	watch->reflector.list_type = watch->list_type;
	watch->reflector.no_watch_list = options->in_pages;
	watch->reflector.fns = options->fns;
	watch->reflector.userdata = options->userdata;
	r = reflector_init(&watch->reflector);
	if (r >= 0)
		r = loop_timer_new(event, ask, watch, &watch->retry);
	if (r >= 0)
		r = loop_timer_new(event, is_silent, watch, &watch->silence);
	if (r >= 0)
		r = loop_timer_new(event, is_proven, watch, &watch->proven);
	if (r >= 0)
		r = api_on_reachable(watch->api, is_reachable, watch);
	return r;
}

int watch_new(struct sd_event *event, struct api *api, const struct watch_options *options,
	      struct watch **ret)
{
	cleanup(watch_freep) struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->api = api;
	watch->on_trouble = options->on_trouble;
	watch->userdata = options->userdata;
	r = set_up(watch, event, options);
	if (r < 0)
		return r;
	ask(watch);
	*ret = take(watch);
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	api_cancel(watch->request);
	api_off_reachable(watch->api, is_reachable, watch);
	loop_timer_free(watch->retry);
	loop_timer_free(watch->silence);
	loop_timer_free(watch->proven);
	reflector_done(&watch->reflector);
	free(watch->path);
	free(watch->selector);
	free(watch->list_type);
	free(watch);
}

const struct reflector *watch_reflector(const struct watch *watch)
{
	return &watch->reflector;
}

uint64_t watch_event_usec(const struct watch *watch)
{
	return watch->event_usec;
}

enum reflector_trouble watch_trouble(const struct watch *watch, int *ret_status)
{
	*ret_status = watch->told_status;
	return watch->told;
}
