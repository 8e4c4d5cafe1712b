/* SPDX-License-Identifier: Apache-2.0 */
/* Where the agent's objects come from (EDGE): a directory of manifests or the Kubernetes API, whichever the
 * options say. Both fill the same store and tell the same things. */
#ifndef FAIRWAY_AGENT_SOURCE_H
#define FAIRWAY_AGENT_SOURCE_H

#include "k8s/api.h"
#include "k8s/cluster_source.h"
#include "userspace/agent/options.h"

struct agent_source;

/* 0 or -errno after it has logged what is wrong. `changed` as source_change_fn says. The store must outlive
 * it. */
int agent_source_new(struct sd_event *, const struct agent_options *, struct store *,
		     source_change_fn *changed, void *userdata, struct agent_source **ret);
void agent_source_free(struct agent_source *); /* NULL ok */

const struct source_result *
agent_source_result(const struct agent_source *); /* borrowed; the pointer stays */
/* loop_now_usec() when the first of the changes was read that `changed` has not told yet, or tells right now;
 * 0: none, or manifests, which tell at once. */
uint64_t agent_source_changed_usec(const struct agent_source *);
struct api *agent_source_api(const struct agent_source *); /* borrowed; NULL: manifests */

/* Where the peers' Secrets are: --namespace, in a pod its own, else AGENT_NAMESPACE. Borrowed from the
 * source. */
const char *agent_source_namespace(const struct agent_source *);

struct source_view {
	const char *name; /* the directory, or the API server's URL; borrowed until the loop runs again */
	bool is_api;
	bool reachable;	     /* manifests: always */
	int64_t since_sec;   /* Unix seconds: when that became so */
	const char *trouble; /* why it is not; "" */
	struct api_state api;
	struct cluster_source_state events;
};
struct source_view agent_source_view(const struct agent_source *);
/* "waiting for API server https://… since 2026-01-31T12:00:00Z (why)", or nothing while all is well.
 * Appended. */
void source_view_append_trouble(const struct source_view *, struct strbuf *);

#endif
