// SPDX-License-Identifier: Apache-2.0
/* The connections to the current API server, and the probe that tells whether it is there: api_reach.h
 * decides, api_link.c has the sockets. One link is current; when its server is given up, everything on it
 * ends. */
#include "k8s/api_inside.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define PROBE_PATH	 "/livez?exclude=etcd" /* API servers exempt it from their queues; everybody may ask */
#define PROBE_AGAIN_MSEC 3000		       /* it could not even be sent */

const char *server_url(const struct api *api)
{
	return api->credentials.servers[api->reach.server];
}

/* --- reachable or not ---------------------------------------------------------------------------------- */

static void arm_probe(struct api *api)
{
	loop_timer_set_earlier(api->probe_timer,
			       reach_probe_after(&api->reach, loop_now_msec(), loop_random()));
}

void server_answers(struct api *api)
{
	uint64_t away_msec;
	enum reach_news news = reach_answered(&api->reach, loop_now_msec(), &away_msec);

	if (news == NEWS_NONE)
		return;
	if (news == NEWS_BACK)
		log_info("API server: %s answers, after %.1f s", server_url(api), (double)away_msec / 1000);
	else if (news == NEWS_CONNECTED)
		log_info("API server: connected to %s", server_url(api));
	free(take(api->trouble));
	api_tell_listeners(api);
}

static void tell_silent(struct api *api, const char *why)
{
	enum reach_news news = reach_silent(&api->reach, loop_now_msec());

	free(api->trouble);
	api->trouble = strdup(why);
	if (news == NEWS_NEXT)
		log_warn("API server: %s: %s; trying the next", server_url(api), why);
	else if (news == NEWS_AWAY)
		log_warn("API server: %s: %s; the last good state stays in force, tried again until one "
			 "answers",
			 server_url(api), why);
}

/* --- links --------------------------------------------------------------------------------------------- */

static void forget_probe(struct api *api)
{
	transfer_done(&api->probe);
	loop_timer_stop(api->probe_deadline);
}

static void drop_link(struct api *api, const char *why)
{
	struct api_link *link = take(api->link);

	forget_probe(api);
	if (!link)
		return;
	requests_end(api, link, true, why);
	api_link_free(link);
}

void server_give_up(struct api *api, const char *why)
{
	cleanup(freep) char *copy = strdup(why);

	tell_silent(api, why);
	drop_link(api, copy ? copy : "the server does not answer");
	reach_turn(&api->reach);
	loop_timer_stop(api->probe_timer);
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

void server_free_old_links(struct api *api)
{
	free_old_links(api, false);
}

void server_replace_link(struct api *api)
{
	struct old_link *old = api->link ? calloc(1, sizeof(*old)) : NULL;

	if (!api->link)
		return;
	if (!old) {
		drop_link(api, "certificates were renewed");
		return;
	}
	forget_probe(api);
	old->link = take(api->link);
	old->next = api->old_links;
	api->old_links = old;
	requests_end(api, old->link, false, "certificates were renewed");
	free_old_links(api, false);
	server_ask(api);
}

static void on_ended(void *userdata, struct transfer *, enum transfer_end);

int server_link(struct api *api)
{
	const struct api_link_options options = {
		.server = server_url(api),
		.credentials = &api->credentials,
		.user_agent = api->user_agent,
	};

	return api->link ? 0 : api_link_new(api->event, &options, on_ended, api, &api->link);
}

/* --- the probe ----------------------------------------------------------------------------------------- */

void server_used(struct api *api)
{
	api->used_msec = loop_now_msec();
	arm_probe(api);
}

void server_ask(struct api *api)
{
	loop_timer_set_earlier(api->probe_timer, 0);
}

static void send_probe(void *userdata)
{
	struct api *api = userdata;
	uint64_t now_msec = loop_now_msec();

	free_old_links(api, false);
	if (api->probe.link)
		return;
	if (!reach_wants_probe(&api->reach, api->n_active, api->used_msec, now_msec))
		return; /* armed again with the next request */
	api->probe.method = "GET";
	api->probe.path = PROBE_PATH;
	if (server_link(api) < 0 || api_link_start(api->link, &api->probe, api->credentials.token.text) < 0) {
		loop_timer_set(api->probe_timer, PROBE_AGAIN_MSEC);
		return;
	}
	loop_timer_set(api->probe_deadline,
		       probe_sent(&api->probe_watch, &api->reach, api_link_received(api->link), now_msec));
}

static void probe_is_late(void *userdata)
{
	struct api *api = userdata;
	uint64_t wait_msec;

	if (!api->link)
		return;
	wait_msec = probe_overdue(&api->probe_watch, api_link_received(api->link), loop_now_msec());
	if (wait_msec)
		loop_timer_set(api->probe_deadline, wait_msec);
	else
		server_give_up(api, "no answer within 3 s");
}

static void probe_is_over(struct api *api, enum transfer_end end)
{
	enum probe_verdict verdict = probe_ended(&api->probe_watch, api->probe.status, end);
	cleanup(freep) char *why = strdup(api->probe.error);

	api->state.bytes_received += api->probe.bytes_received;
	api->state.bytes_sent += api->probe.bytes_sent;
	forget_probe(api);
	switch (verdict) {
	case PROBE_ANSWERED:
		server_answers(api);
		arm_probe(api);
		break;
	case PROBE_REPEAT:
		loop_timer_set(api->probe_timer, 0);
		break;
	case PROBE_SILENT:
		server_give_up(api, why ? why : "no answer");
		if (end == TRANSFER_NO_TLS)
			api_refresh(api);
		break;
	}
}

static void on_ended(void *userdata, struct transfer *transfer, enum transfer_end end)
{
	struct api *api = userdata;

	if (transfer == &api->probe)
		probe_is_over(api, end);
	else
		request_ended(api, (struct api_request *)transfer, end);
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

int server_init(struct api *api)
{
	int r = loop_timer_new(api->event, send_probe, api, &api->probe_timer);

	return r < 0 ? r : loop_timer_new(api->event, probe_is_late, api, &api->probe_deadline);
}

void server_done(struct api *api)
{
	transfer_done(&api->probe);
	free_old_links(api, true);
	api_link_free(api->link);
	loop_timer_free(api->probe_timer);
	loop_timer_free(api->probe_deadline);
	free(api->trouble);
}
