// SPDX-License-Identifier: Apache-2.0
/* The API client as a whole: credentials and their renewal, who is told that a server answers, what is known
 * of it, its beginning and its end. Servers and connections: api_server.c; requests: api_requests.c. */
#include "k8s/api_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-event.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define REFRESH_MSEC 60000 /* client-go's period for token files */

void api_refresh(struct api *api)
{
	unsigned changed = credentials_refresh(&api->credentials);

	api->n_tokens += changed & CREDENTIALS_TOKEN ? 1 : 0;
	if (changed & CREDENTIALS_TLS)
		server_replace_link(api);
}

static void refresh_now(void *userdata)
{
	struct api *api = userdata;

	api_refresh(api);
	loop_timer_set(api->refresh_timer, api->refresh_msec);
}

struct api_state api_state(const struct api *api)
{
	struct api_state state = api->state;
	const struct transfer *transfer;

	for (transfer = api->link ? api_link_first(api->link) : NULL; transfer; transfer = transfer->next)
		state.bytes_received += transfer->bytes_received; /* watches end after minutes */
	state.server = server_url(api);
	state.reachable = api->reach.reachable;
	state.since_msec = api->reach.since_msec;
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

void api_tell_listeners(struct api *api)
{
	for (size_t i = 0; i < api->n_listeners; i++)
		api->listeners[i].fn(api->listeners[i].userdata);
}

DEFINE_CLEANUP(struct api *, api_free);

int api_new(struct sd_event *event, const struct api_options *options, struct api **ret)
{
	cleanup(api_freep) struct api *api = calloc(1, sizeof(*api));
	int r = -ENOMEM;

	if (!api || api_link_prepare() < 0)
		goto fail;
	api->event = sd_event_ref(event);
	api->refresh_msec = options->refresh_msec ? options->refresh_msec : REFRESH_MSEC;
	api->user_agent = strdup(options->user_agent ? options->user_agent : "fairway");
	r = api->user_agent ? requests_init(api, options) : -ENOMEM;
	if (r >= 0)
		r = server_init(api);
	if (r >= 0)
		r = loop_timer_new(event, refresh_now, api, &api->refresh_timer);
	if (r < 0)
		goto fail;
	r = credentials_load(&api->credentials, options);
	if (r < 0)
		return r;
	reach_init(&api->reach, api->credentials.n_servers, loop_random());
	loop_timer_set(api->refresh_timer, api->refresh_msec);
	*ret = take(api);
	return 0;
fail:
	log_error("API client: %s", strerror(-r));
	return r;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	requests_done(api);
	server_done(api);
	loop_timer_free(api->refresh_timer);
	credentials_done(&api->credentials);
	free(api->listeners);
	free(api->user_agent);
	sd_event_unref(api->event);
	free(api);
}
