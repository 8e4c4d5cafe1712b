// SPDX-License-Identifier: Apache-2.0
/* How long each LBNode has been as it is: see silence.h. */
#include "ipam/silence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

#define LOOKS_PER_HEARTBEAT 4
#define GAP_MSEC	    (3 * SILENCE_LOOK_MSEC) /* between two looks: then we were away */

static void nodes_free(struct silence_node *nodes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(nodes[i].name);
	free(nodes);
}

void silence_done(struct silence *silence)
{
	nodes_free(silence->nodes, silence->n);
	*silence = (struct silence){ 0 };
}

static const struct silence_node *find(const struct silence *silence, const char *name)
{
	size_t at = sorted_place(silence->n, i, strcmp(silence->nodes[i].name, name) < 0);

	return at < silence->n && !strcmp(silence->nodes[at].name, name) ? &silence->nodes[at] : NULL;
}

/* The same objects as in the cluster, each seen now unless it is as it was. */
static int take_over(const struct silence *silence, const struct cluster *cluster, bool attentive,
		     uint64_t now_msec, struct silence_node *ret)
{
	size_t i;

	for (i = 0; i < cluster->n_lb_nodes; i++) {
		const struct meta *meta = &cluster->lb_nodes[i]->meta;
		const struct silence_node *before = find(silence, meta->name);
		bool same = attentive && before && before->version == meta->resource_version;

		ret[i] = (struct silence_node){ .name = strdup(meta->name),
						.version = meta->resource_version,
						.seen_msec = same ? before->seen_msec : now_msec };
		if (!ret[i].name)
			return -ENOMEM;
	}
	return 0;
}

static bool has_missed(const struct silence_node *known, const struct lb_node *node, uint64_t now_msec)
{
	return node->heartbeat_sec &&
	       now_msec - known->seen_msec >= (uint64_t)node->heartbeat_sec * 1000 * SILENCE_MISSED;
}

static void count(struct silence *silence, const struct cluster *cluster)
{
	uint64_t wait_msec = SILENCE_LOOK_MSEC;
	size_t i;

	silence->n_silent = silence->n_due = 0;
	for (i = 0; i < cluster->n_lb_nodes; i++) {
		const struct lb_node *node = cluster->lb_nodes[i];
		uint64_t own_msec = (uint64_t)node->heartbeat_sec * 1000 / LOOKS_PER_HEARTBEAT;
		bool due = !node->silent && has_missed(&silence->nodes[i], node, silence->looked_msec);

		silence->n_due += due;
		silence->n_silent += due || node->silent;
		if (own_msec && own_msec < wait_msec)
			wait_msec = own_msec;
	}
	silence->next_msec = silence->looked_msec + wait_msec;
}

int silence_look(struct silence *silence, const struct cluster *cluster, bool attentive, uint64_t now_msec)
{
	struct silence_node *nodes = calloc(cluster->n_lb_nodes + 1, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	if (silence->looked_msec && now_msec - silence->looked_msec > GAP_MSEC)
		attentive = false;
	if (take_over(silence, cluster, attentive, now_msec, nodes) < 0) {
		nodes_free(nodes, cluster->n_lb_nodes);
		return -ENOMEM;
	}
	nodes_free(silence->nodes, silence->n);
	silence->nodes = nodes;
	silence->n = cluster->n_lb_nodes;
	silence->looked_msec = now_msec;
	count(silence, cluster);
	return 0;
}

bool silence_is_due(const struct silence *silence, const struct lb_node *node)
{
	const struct silence_node *known = find(silence, node->meta.name);

	return known && !node->silent && known->version == node->meta.resource_version &&
	       has_missed(known, node, silence->looked_msec);
}

int silence_patch(struct strbuf *out, const struct lb_node *node, int64_t now_sec)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	const struct conditions seen = { 0 };
	struct condition_want want = { .type = "Ready", .status = CONDITION_UNKNOWN, .reason = AGENT_SILENT };

	strbuf_appendf(
		&message,
		"lbagent has not written for %u s, three times as long as it may: is its pod on this node "
		"running, and does it reach the API server? What it programmed may serve on",
		node->heartbeat_sec * SILENCE_MISSED);
	want.message = strbuf_text(&message);
	strbuf_appendf(out,
		       "{\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"},\"status\":{\"conditions\":[",
		       node->meta.resource_version);
	condition_json(out, &seen, &want, now_sec);
	strbuf_append(out, "]}}");
	return strbuf_failed(out) || strbuf_failed(&message) ? -ENOMEM : 0;
}
