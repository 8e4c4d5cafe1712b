// SPDX-License-Identifier: Apache-2.0
/* See source.h. */
#include "userspace/agent/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "k8s/manifests.h"
#include "userspace/agent/agent.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

struct agent_source {
	const struct agent_options *options;
	struct manifests *manifests;
	struct api *api;
	struct cluster_source *cluster;
};

DEFINE_CLEANUP(struct agent_source *, agent_source_free);

static int open_manifests(struct agent_source *source, struct sd_event *event, struct store *store,
			  source_change_fn *changed, void *userdata)
{
	const struct agent_options *options = source->options;
	int r = manifests_watch(event, options->manifests, options->status_file, store, changed, userdata,
				&source->manifests);

	if (r < 0)
		log_error("%s: %s", options->manifests, strerror(-r));
	else if (!manifests_result(source->manifests)->delivered)
		log_warn("%s: no manifests there yet; what stands in the maps and in FRR stays as it is "
			 "until there are",
			 options->manifests);
	return r;
}

static int open_cluster(struct agent_source *source, struct sd_event *event, struct store *store,
			source_change_fn *changed, void *userdata)
{
	const struct api_options api = {
		.kubeconfig = source->options->kubeconfig,
		.servers = source->options->api_servers,
		.n_servers = source->options->n_api_servers,
		.user_agent = "lbagent/" FAIRWAY_VERSION " (fairway)",
	};
	struct cluster_source_options wanted = { .kinds = CLUSTER_KINDS_AGENT, .specs_only = true };
	int r = api_new(event, &api, &source->api);

	if (r < 0)
		return r;
	wanted.secret_namespace = agent_source_namespace(source);
	r = cluster_source_new(event, source->api, &wanted, store, changed, userdata, &source->cluster);
	if (r < 0)
		log_error("watches of the API server: %s", strerror(-r));
	return r;
}

int agent_source_new(struct sd_event *event, const struct agent_options *options, struct store *store,
		     source_change_fn *changed, void *userdata, struct agent_source **ret)
{
	cleanup(agent_source_freep) struct agent_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->options = options;
	r = options->manifests ? open_manifests(source, event, store, changed, userdata)
			       : open_cluster(source, event, store, changed, userdata);
	if (r < 0)
		return r;
	*ret = take(source);
	return 0;
}

void agent_source_free(struct agent_source *source)
{
	if (!source)
		return;
	manifests_free(source->manifests);
	cluster_source_free(source->cluster);
	api_free(source->api);
	free(source);
}

const struct source_result *agent_source_result(const struct agent_source *source)
{
	return source->manifests ? manifests_result(source->manifests)
				 : cluster_source_result(source->cluster);
}

uint64_t agent_source_changed_usec(const struct agent_source *source)
{
	return source->cluster ? cluster_source_state(source->cluster).changed_usec : 0;
}

struct api *agent_source_api(const struct agent_source *source)
{
	return source->api;
}

const char *agent_source_namespace(const struct agent_source *source)
{
	bool in_pod = source->api && !source->options->kubeconfig;
	const char *own = in_pod ? api_namespace(source->api) : "";

	return source->options->namespace ? source->options->namespace : *own ? own : AGENT_NAMESPACE;
}

struct source_view agent_source_view(const struct agent_source *source)
{
	struct source_view view = { .name = source->options->manifests, .reachable = true, .trouble = "" };

	if (source->manifests)
		return view;
	view.is_api = true;
	view.api = api_state(source->api);
	view.events = cluster_source_state(source->cluster);
	view.name = view.api.server;
	view.reachable = view.api.reachable;
	view.trouble = view.api.trouble;
	view.since_sec = (int64_t)time(NULL) - (int64_t)((loop_now_msec() - view.api.since_msec) / 1000);
	return view;
}

void source_view_append_trouble(const struct source_view *view, struct strbuf *out)
{
	if (view->reachable)
		return;
	strbuf_appendf(out, "waiting for API server %s since ", view->name);
	strbuf_append_time(out, view->since_sec);
	if (*view->trouble) {
		strbuf_append(out, " (");
		strbuf_append_escaped(out, view->trouble, 200);
		strbuf_append(out, ")");
	}
}
