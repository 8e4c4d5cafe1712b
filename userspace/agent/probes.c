// SPDX-License-Identifier: Apache-2.0
/* /healthz, /readyz and /metrics, for the kubelet and for Prometheus: on the control socket, and as all that
 * is served over TCP. Nothing here tells a secret, a name of a Secret, or more of Services than their names
 * and counters. */
#include <string.h>

#include "userspace/agent/agent.h"
#include "userspace/agent/report_collect.h"
#include "userspace/agent/status.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

enum { STATUS_NOT_FOUND = 404, STATUS_UNAVAILABLE = 503 };

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void append_health(const struct agent *agent, const char *unready, struct http_reply *reply)
{
	struct source_view source = agent_source_view(agent->source);
	cleanup(strbuf_done) struct strbuf trouble = { 0 };

	source_view_append_trouble(&source, &trouble);
	strbuf_appendf(&reply->body, "{\"alive\": true, \"ready\": %s, \"converged\": %s", boolean(!unready),
		       boolean(agent->converged));
	if (unready) {
		strbuf_append(&reply->body, ", \"missing\": ");
		json_append_string(&reply->body, unready);
	}
	if (trouble.length) {
		strbuf_append(&reply->body, ", \"source\": ");
		json_append_string(&reply->body, strbuf_text(&trouble));
	}
	strbuf_append(&reply->body, "}\n");
}

/* Alive is whoever answers. An agent whose source is missing serves from its maps: a restart would not
 * help. */
static void answer_healthz(struct agent *agent, struct http_reply *reply)
{
	append_health(agent, agent_unready(agent), reply);
}

/* Ready is who has taken over: what it says then stays true while the API server is away. */
static void answer_readyz(struct agent *agent, struct http_reply *reply)
{
	const char *unready = agent_unready(agent);

	if (unready)
		reply->status = STATUS_UNAVAILABLE;
	append_health(agent, unready, reply);
}

static void answer_metrics(struct agent *agent, struct http_reply *reply)
{
	cleanup(arena_done) struct arena arena = { 0 };
	struct metrics metrics;

	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	if (status_metrics(agent, &arena, &metrics) < 0)
		reply->status = STATUS_UNAVAILABLE;
	else
		view_metrics(&reply->body, &metrics);
}

bool probe_answer(struct agent *agent, const struct http_request *request, struct http_reply *reply)
{
	static const struct {
		const char *path;
		void (*answer)(struct agent *, struct http_reply *);
	} paths[] = {
		{ "/healthz", answer_healthz },
		{ "/readyz", answer_readyz },
		{ "/metrics", answer_metrics },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		if (text_equal(paths[i].path, request->path)) {
			paths[i].answer(agent, reply);
			return true;
		}
	return false;
}

void probes_only_answer(void *agent, const struct http_request *request, struct http_reply *reply)
{
	if (probe_answer(agent, request, reply))
		return;
	reply->status = STATUS_NOT_FOUND;
	strbuf_append(&reply->body, "{\"error\": \"served here: /healthz, /readyz, /metrics\"}\n");
}
