// SPDX-License-Identifier: Apache-2.0
/* All LBNodes together: see node_reports.h. */
#include "ipam/node_reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

#define PEERS_IN_MESSAGE 8
#define GROUP_BYTES	 100   /* of a group that says nothing */
#define PROMPT_BYTES	 50000 /* after such a report lbagent rests for one second and a half */

/* --- the index ----------------------------------------------------------------------------------------- */

static int compare_reports(const void *a, const void *b)
{
	const struct node_report *left = a, *right = b;
	int order = strcmp(left->service->name, right->service->name);

	return order ? order : strcmp(left->node->meta.name, right->node->meta.name);
}

static size_t count_entries(const struct node_reports *reports)
{
	size_t i, j, n = 0;

	for (i = 0; i < reports->n_nodes; i++)
		for (j = 0; j < reports->nodes[i]->n_groups; j++)
			n += reports->nodes[i]->groups[j].n_services;
	return n;
}

static size_t size_of_group(const struct lb_node_group *group)
{
	size_t i, j, size = GROUP_BYTES + strlen(group->reason) + strlen(group->message);

	for (i = 0; i < group->announced_to.n; i++)
		size += strlen(group->announced_to.items[i]) + 3;
	for (i = 0; i < group->n_services; i++) {
		const struct lb_node_service *service = &group->services[i];

		size += strlen(service->name) + 3;
		for (j = 0; j < service->n_vips; j++)
			size += service->vips[j].family == ADDR_IPV6 ? 40 : 16;
	}
	return size;
}

/* About: what is not counted, peers above all, is bounded and leaves time enough. */
static bool is_large(const struct lb_node *node)
{
	size_t i, size = 0;

	for (i = 0; i < node->n_groups && size <= PROMPT_BYTES; i++)
		size += size_of_group(&node->groups[i]);
	return size > PROMPT_BYTES;
}

static void add_node(struct node_reports *reports, const struct lb_node *node)
{
	size_t i, j;

	reports->sampled = reports->sampled || node->sampled || node->n_omitted;
	reports->large = reports->large || is_large(node);
	reports->omits_releasing = reports->omits_releasing || node->n_omitted_releasing;
	for (i = 0; i < node->n_groups; i++)
		for (j = 0; j < node->groups[i].n_services; j++)
			reports->items[reports->n_items++] =
				(struct node_report){ node, &node->groups[i], &node->groups[i].services[j] };
}

int node_reports_init(struct node_reports *reports, const struct cluster *cluster)
{
	size_t i;

	*reports = (struct node_reports){ 0 };
	reports->nodes = arena_array(&reports->arena, cluster->n_lb_nodes, sizeof(struct lb_node *));
	if (!reports->nodes)
		return -ENOMEM;
	for (i = 0; i < cluster->n_lb_nodes; i++)
		if (cluster_find_node(cluster, cluster->lb_nodes[i]->meta.name))
			reports->nodes[reports->n_nodes++] = cluster->lb_nodes[i];
	reports->items = arena_array(&reports->arena, count_entries(reports), sizeof(*reports->items));
	if (!reports->items)
		return -ENOMEM;
	for (i = 0; i < reports->n_nodes; i++)
		add_node(reports, reports->nodes[i]);
	if (reports->n_items)
		qsort(reports->items, reports->n_items, sizeof(*reports->items), compare_reports);
	return 0;
}

void node_reports_done(struct node_reports *reports)
{
	arena_done(&reports->arena);
	*reports = (struct node_reports){ 0 };
}

const struct node_report *node_reports_find(const struct node_reports *reports, const char *name,
					    size_t *ret_n)
{
	size_t end, at = sorted_place(reports->n_items, i, strcmp(reports->items[i].service->name, name) < 0);

	for (end = at; end < reports->n_items && !strcmp(reports->items[end].service->name, name); end++)
		;
	*ret_n = end - at;
	return reports->items + at;
}

static bool names_address(const struct lb_node_service *service, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < service->n_vips; i++)
		if (addr_equal(&service->vips[i], addr))
			return true;
	return false;
}

static bool any_names(const struct node_reports *reports, const char *name, const struct addr *addr)
{
	size_t i, n;
	const struct node_report *items = node_reports_find(reports, name, &n);

	for (i = 0; i < n; i++)
		if (names_address(items[i].service, addr))
			return true;
	return false;
}

bool node_reports_list(const struct node_reports *reports, const char *name, const struct addr *addr)
{
	return reports->omits_releasing || any_names(reports, name, addr) || any_names(reports, "", addr);
}

/* --- one Service --------------------------------------------------------------------------------------- */

struct tally { /* what the nodes say about one Service */
	size_t n_good, n_bad;
	const struct node_report *first_bad; /* NULL: what is wrong is that `missing` does not name it */
	const struct lb_node *missing;
	const struct node_report *unannounced; /* programmed, but announced to nobody */
	struct strings peers;		       /* announced to; sorted, each once, at most PEERS_IN_MESSAGE */
	bool more_peers;
	bool told_in[2]; /* IPv4, IPv6: some node announces this family to somebody */
	const struct node_report
		*unannounced_in[2];	   /* the first that does not, though it announces the other */
	const struct node_report *unheard; /* the first of an agent that is silent */
};

static bool names_all(const struct lb_node_service *service, const struct addr *addresses, size_t n_addresses)
{
	size_t i;

	for (i = 0; i < n_addresses; i++)
		if (!names_address(service, &addresses[i]))
			return false;
	return true;
}

static void add_peer(struct tally *tally, const char *peer)
{
	size_t at;

	for (at = 0; at < tally->peers.n && strcmp(tally->peers.items[at], peer) < 0; at++)
		;
	if (at < tally->peers.n && !strcmp(tally->peers.items[at], peer))
		return;
	if (tally->peers.n == PEERS_IN_MESSAGE) {
		tally->more_peers = true;
		if (at == tally->peers.n)
			return;
		tally->peers.n--;
	}
	memmove(tally->peers.items + at + 1, tally->peers.items + at,
		(tally->peers.n - at) * sizeof(*tally->peers.items));
	tally->peers.items[at] = peer;
	tally->peers.n++;
}

static void count_report(struct tally *tally, const struct node_report *report, bool current)
{
	size_t i, family;

	if (report->node->silent) {
		if (!tally->unheard)
			tally->unheard = report;
		return;
	}
	if (!current || !report->group->programmed) {
		tally->n_bad++;
		if (!tally->first_bad)
			tally->first_bad = report;
		return;
	}
	tally->n_good++;
	for (i = 0; i < report->group->announced_to.n; i++)
		add_peer(tally, report->group->announced_to.items[i]);
	if (!report->group->announced_to.n) {
		if (!tally->unannounced)
			tally->unannounced = report;
		return;
	}
	for (family = 0; family < 2; family++) {
		tally->told_in[family] |= !report->group->unannounced[family];
		if (report->group->unannounced[family] && !tally->unannounced_in[family])
			tally->unannounced_in[family] = report;
	}
}

/* Nodes that name every Service, but not this one. Who is silent may have named it by now. */
static void count_missing(struct tally *tally, const struct node_reports *reports,
			  const struct node_report *items, size_t n)
{
	size_t i, at = 0;

	for (i = 0; i < reports->n_nodes; i++) {
		const struct lb_node *node = reports->nodes[i];

		while (at < n && strcmp(items[at].node->meta.name, node->meta.name) < 0)
			at++;
		if (node->sampled || node->n_omitted || node->silent || (at < n && items[at].node == node))
			continue;
		tally->n_bad++;
		if (!tally->missing)
			tally->missing = node;
	}
}

static void append_bad(struct strbuf *out, const struct tally *tally)
{
	const struct node_report *bad = tally->first_bad;

	if (bad)
		strbuf_appendf(out, "node %s: %s", bad->node->meta.name,
			       *bad->group->message ? bad->group->message : "not there yet");
	else
		strbuf_appendf(out, "node %s: not there yet", tally->missing->meta.name);
	if (tally->n_bad > 1)
		strbuf_append(out, "; not on other nodes either");
}

/* Nobody who is heard of says anything about it. */
static void judge_unreported(const struct node_reports *reports, const struct tally *tally,
			     struct condition_want *want, struct strbuf *message)
{
	want->status = CONDITION_UNKNOWN;
	want->reason = tally->unheard ? AGENT_SILENT : reports->n_nodes ? "NotReported" : REASON_NO_NODES;
	if (tally->unheard)
		strbuf_appendf(message, "lbagent is silent on each node that reported it; the first is %s",
			       tally->unheard->node->meta.name);
	else
		strbuf_append(message,
			      reports->n_nodes ? "no node has reported it yet" : "no node runs lbagent");
}

static struct condition_want judge_programmed(const struct node_reports *reports, const struct tally *tally,
					      struct strbuf *message)
{
	struct condition_want want = { .type = CONDITION_PROGRAMMED };

	if (tally->n_bad) {
		want.status = CONDITION_FALSE;
		want.reason = condition_reason_or(tally->first_bad ? tally->first_bad->group->reason : "",
						  "Pending");
		append_bad(message, tally);
	} else if (tally->n_good) {
		want.status = CONDITION_TRUE;
		want.reason = "Programmed";
		strbuf_append(message, "every node that reports it serves it");
	} else {
		judge_unreported(reports, tally, &want, message);
	}
	return want;
}

static void append_peers(struct strbuf *message, const struct tally *tally)
{
	size_t i;

	for (i = 0; i < tally->peers.n; i++)
		strbuf_appendf(message, "%s%s", i ? ", " : "to ", tally->peers.items[i]);
	strbuf_append(message, tally->more_peers ? " and others" : "");
}

/* Each address that no node announces to anybody, and why the first node does not. Returns how many. */
static size_t append_unannounced(struct strbuf *message, const struct tally *tally,
				 const struct addr *addresses, size_t n_addresses)
{
	char text[ADDR_TEXT_MAX];
	size_t i, n = 0;

	for (i = 0; i < n_addresses; i++) {
		bool v6 = addresses[i].family == ADDR_IPV6;
		const struct node_report *first = tally->unannounced_in[v6];

		if (!first || tally->told_in[v6])
			continue;
		strbuf_appendf(message, "%s%s is not announced (node %s: %s)", n++ ? "; " : "",
			       addr_format(&addresses[i], text), first->node->meta.name,
			       first->group->message);
	}
	return n;
}

/* Clients of one family that find nothing are an outage to them: what is announced in part is not announced.
 */
static struct condition_want judge_announced(const struct node_reports *reports, const struct tally *tally,
					     const struct addr *addresses, size_t n_addresses,
					     struct strbuf *message)
{
	const struct node_report *first = tally->unannounced;
	struct condition_want want = { .type = CONDITION_ANNOUNCED, .status = CONDITION_FALSE };

	if (tally->peers.n && append_unannounced(message, tally, addresses, n_addresses)) {
		want.reason = "PartlyAnnounced";
		strbuf_append(message, "; the other ");
		append_peers(message, tally);
	} else if (tally->peers.n) {
		want.status = CONDITION_TRUE;
		want.reason = "Announced";
		append_peers(message, tally);
	} else if (first) {
		want.reason = condition_reason_or(first->group->reason, "NotAnnounced");
		if (*first->group->message)
			strbuf_appendf(message, "node %s: %s", first->node->meta.name, first->group->message);
		else
			strbuf_append(
				message,
				"no node announces it: it has no usable endpoint, or no peer is to be told");
	} else if (tally->n_bad) {
		want.reason = "NotProgrammed";
		strbuf_append(message, "only what is programmed is announced");
	} else {
		judge_unreported(reports, tally, &want, message);
	}
	return want;
}

static const char *keep(struct arena *arena, const struct strbuf *text)
{
	return strbuf_failed(text) ? NULL : arena_string(arena, strbuf_text(text));
}

int node_reports_judge(const struct node_reports *reports, const char *name, const struct addr *addresses,
		       size_t n_addresses, struct arena *arena, struct service_state *ret)
{
	cleanup(strbuf_done) struct strbuf programmed = { 0 }, announced = { 0 };
	const char *peers[PEERS_IN_MESSAGE + 1];
	struct tally tally = { .peers = { .items = peers } };
	struct service_state state;
	size_t i, n;
	const struct node_report *items = node_reports_find(reports, name, &n);

	for (i = 0; i < n; i++)
		count_report(&tally, &items[i], names_all(items[i].service, addresses, n_addresses));
	count_missing(&tally, reports, items, n);
	state.programmed = judge_programmed(reports, &tally, &programmed);
	state.announced = judge_announced(reports, &tally, addresses, n_addresses, &announced);
	state.programmed.message = keep(arena, &programmed);
	state.announced.message = keep(arena, &announced);
	if (!state.programmed.message || !state.announced.message)
		return -ENOMEM;
	*ret = state;
	return 0;
}
