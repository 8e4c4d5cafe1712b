// SPDX-License-Identifier: Apache-2.0
/* One BGPPeer over all nodes: see peer_status.h. */
#include "ipam/peer_status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"
#include "userspace/core/peers.h"

#define ERROR_MAX 200 /* bytes of a node's last error: there may be a hundred of them */
#define STATE_MAX 32

struct session {
	const char *node;
	const struct lb_node_peer *peer; /* NULL: the node says nothing */
	bool established;
};

static int compare_sessions(const void *a, const void *b)
{
	const struct session *left = a, *right = b;

	if (left->established != right->established)
		return left->established - right->established;
	return strcmp(left->node, right->node);
}

static int compare_to_node(const void *name, const void *node)
{
	return strcmp(name, (*(const struct lb_node *const *)node)->meta.name);
}

static const struct lb_node *find_node(const struct node_reports *reports, const char *name)
{
	const struct lb_node **found = NULL;

	if (reports->n_nodes)
		found = bsearch(name, reports->nodes, reports->n_nodes, sizeof(*reports->nodes),
				compare_to_node);
	return found && !(*found)->silent ? *found : NULL;
}

static const struct lb_node_peer *find_peer(const struct lb_node *node, const char *name)
{
	size_t i;

	for (i = 0; node && i < node->n_peers; i++)
		if (text_equal(node->peers[i].name, name))
			return &node->peers[i];
	return NULL;
}

static size_t collect_sessions(const struct bgp_peer *peer, const struct cluster *cluster,
			       const struct node_reports *reports, struct session *sessions)
{
	size_t i, n = 0;

	for (i = 0; i < cluster->n_nodes; i++) {
		const struct node *node = cluster->nodes[i];
		const struct lb_node_peer *said;

		said = find_peer(find_node(reports, node->meta.name), peer->meta.name);
		if (peer->unusable ? !said : !peer_selects_node(peer, node))
			continue;
		sessions[n++] =
			(struct session){ .node = node->meta.name,
					  .peer = said,
					  .established = said && text_equal(said->state, "Established") };
	}
	if (n)
		qsort(sessions, n, sizeof(*sessions), compare_sessions);
	return n;
}

/* --- as text ------------------------------------------------------------------------------------------- */

static void append_text(struct strbuf *out, const char *before, const char *name, const char *value,
			size_t limit)
{
	cleanup(strbuf_done) struct strbuf escaped = { 0 };

	strbuf_append_escaped(&escaped, value, limit);
	strbuf_appendf(out, "%s\"%s\":", before, name);
	json_append_string(out, strbuf_text(&escaped));
}

static void append_session(struct strbuf *out, const struct session *session)
{
	const struct lb_node_peer *peer = session->peer;

	append_text(out, "{", "name", session->node, 253);
	append_text(out, ",", "state", peer && *peer->state ? peer->state : "Unknown", STATE_MAX);
	if (peer) {
		strbuf_appendf(out, ",\"prefixesSent\":%u,\"prefixesReceived\":%u", peer->prefixes_sent,
			       peer->prefixes_received);
		if (peer->since_sec != INT64_MAX) {
			strbuf_append(out, ",\"since\":\"");
			strbuf_append_time(out, peer->since_sec);
			strbuf_append(out, "\"");
		}
		if (*peer->last_error)
			append_text(out, ",", "lastError", peer->last_error, ERROR_MAX);
	}
	strbuf_append(out, "}");
}

static struct condition_want ready_condition(const struct bgp_peer *of, const struct session *sessions,
					     size_t n, size_t n_established, struct strbuf *message)
{
	struct condition_want want = { .type = "Ready",
				       .status = CONDITION_FALSE,
				       .reason = "NotEstablished",
				       .generation = of->meta.generation };
	const struct lb_node_peer *peer;

	if (of->unusable) {
		want.status = CONDITION_UNKNOWN;
		want.reason = "Refused";
		strbuf_append(message, "it could not be read, so which nodes it selects is not known");
	} else if (!n) {
		want.reason = "NoNodes";
		strbuf_append(message, "its nodeSelectors select no node");
	} else if (n == n_established) {
		want.status = CONDITION_TRUE;
		want.reason = "Established";
		strbuf_append(message, "every selected node has its session");
	} else {
		peer = sessions[0].peer;
		strbuf_appendf(message, "%zu of %zu nodes have no session; node %s: %s%s%s",
			       n - n_established, n, sessions[0].node,
			       !peer ? "it does not report this peer" : peer->state,
			       peer && *peer->last_error ? ", " : "", peer ? peer->last_error : "");
	}
	want.message = strbuf_text(message);
	return want;
}

static size_t count_established(const struct session *sessions, size_t n)
{
	size_t i, established = 0;

	for (i = 0; i < n; i++)
		established += sessions[i].established;
	return established;
}

static void append_status(struct strbuf *out, const struct bgp_peer *peer, const struct session *sessions,
			  size_t n, int64_t now_sec, bool *ret_counts_only)
{
	cleanup(strbuf_done) struct strbuf message = { 0 }, refusal = { 0 };
	size_t i, n_established = count_established(sessions, n);
	struct condition_want ready = ready_condition(peer, sessions, n, n_established, &message);
	struct condition_want valid = condition_valid(&peer->meta,
						      "nodes that have read its last good version go on with "
						      "that, one that starts anew has no session by it",
						      &refusal);

	strbuf_appendf(out,
		       "{\"status\":{\"summary\":\"%zu/%zu\",\"nodesSelected\":%zu,\"nodesEstablished\":%zu",
		       n_established, n, n, n_established);
	if (meta_newest_generation(&peer->meta))
		strbuf_appendf(out, ",\"observedGeneration\":%" PRId64, meta_newest_generation(&peer->meta));
	strbuf_append(out, ",\"nodes\":[");
	for (i = 0; i < n && i < PEER_STATUS_NODES; i++) {
		strbuf_append(out, i ? "," : "");
		append_session(out, &sessions[i]);
	}
	strbuf_append(out, "],\"conditions\":[");
	*ret_counts_only = condition_compare(&peer->meta.conditions, &ready) == CONDITION_SAME &&
			   condition_compare(&peer->meta.conditions, &valid) == CONDITION_SAME;
	condition_json(out, &peer->meta.conditions, &ready, now_sec);
	strbuf_append(out, ",");
	condition_json(out, &peer->meta.conditions, &valid, now_sec);
	strbuf_append(out, "]}}");
	out->failed |= strbuf_failed(&message) || strbuf_failed(&refusal);
}

int peer_status_patch(struct strbuf *out, const struct bgp_peer *peer, const struct cluster *cluster,
		      const struct node_reports *reports, int64_t now_sec, bool *ret_counts_only)
{
	cleanup(freep) struct session *sessions = calloc(cluster->n_nodes + 1, sizeof(*sessions));

	if (!sessions)
		return -ENOMEM;
	append_status(out, peer, sessions, collect_sessions(peer, cluster, reports, sessions), now_sec,
		      ret_counts_only);
	return strbuf_failed(out) ? -ENOMEM : 0;
}
