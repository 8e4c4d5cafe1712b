// SPDX-License-Identifier: Apache-2.0
/* LBNode's status: see node_report.h. */
#include "userspace/agent/node_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

#define API_VERSION "fairway.dev/v1alpha1"

/* --- the state of one Service --------------------------------------------------------------------- */

/* The frontends' own reason why nothing of the family (ADDR_NONE: of any) is to be announced, or NULL. */
static const char *reason_of_frontends(const struct service_plan *plan, enum addr_family family)
{
	const char *reason = NULL;
	size_t i;

	for (i = 0; plan && i < plan->n_frontends; i++) {
		if (plan->frontends[i].type != FRONTEND_LOAD_BALANCER ||
		    (family != ADDR_NONE && plan->frontends[i].addr.family != family))
			continue;
		if (plan->frontends[i].verdict == VERDICT_FORWARD)
			return NULL;
		if (!reason && *plan->frontends[i].reason)
			reason = plan->frontends[i].reason;
	}
	return reason;
}

static void judge_unannounced(const struct report_facts *facts, struct report_service *row,
			      struct strbuf *message)
{
	const char *reason = reason_of_frontends(facts->plan, ADDR_NONE);

	if (text_equal(reason, "NoLocalEndpoints")) {
		row->reason = "NoLocalEndpoints";
		strbuf_append(message, "externalTrafficPolicy Local, and no usable endpoint on this node");
	} else if (reason) {
		row->reason = "NoEndpoints";
		strbuf_append(message, "no usable endpoint: clients are refused, and nothing is announced");
	} else if (!facts->n_peers) {
		row->reason = "NoPeers";
		strbuf_append(message, "no usable BGPPeer selects this node");
	} else {
		row->reason = "NotSelected";
		strbuf_append(message, "no BGPAdvertisement, pool or selector lets this node announce it; ");
		strbuf_append_escaped(message, facts->problem ? facts->problem : "lbctl why tells more",
				      REPORT_MESSAGE_MAX);
	}
}

static void judge_announced(const struct report_facts *facts, struct report_service *row,
			    struct strbuf *message)
{
	const struct strings *missing_of = &facts->up;
	size_t i, told = 0;

	row->exception = facts->announced.n < facts->up.n;
	row->reason = row->exception ? "NotInBGP" : "SessionDown";
	strbuf_append(message, row->exception ? "bgpd does not announce it yet to " : "no session with ");
	if (!row->exception)
		missing_of = &facts->wanted;
	for (i = 0; i < missing_of->n; i++)
		if (!strings_contain(&facts->announced, missing_of->items[i]))
			strbuf_appendf(message, "%s%s", told++ ? ", " : "", missing_of->items[i]);
	if (row->exception)
		strbuf_appendf(message, " (FRR is %s)", facts->daemon_state);
}

/* Why no peer is to be told of this family, while some are told of the other: with the cure, for it goes into
 * the Service's condition. */
static void append_unrouted(const struct report_facts *facts, enum addr_family family, struct strbuf *out)
{
	const char *reason = reason_of_frontends(facts->plan, family),
		   *name = family == ADDR_IPV6 ? "IPv6" : "IPv4";

	strbuf_appendf(out, "%s%s to no peer: ", out->length ? "; " : "", name);
	if (text_equal(reason, "NoLocalEndpoints"))
		strbuf_append(out, "externalTrafficPolicy Local, and no usable endpoint of it on this node");
	else if (reason)
		strbuf_append(out, "no usable endpoint has an address of it");
	else if (!facts->n_peers_in[family == ADDR_IPV6])
		strbuf_append(
			out,
			"no usable BGPPeer of this node has it in addressFamilies; add it to one, or a peer "
			"that has it");
	else
		strbuf_append(
			out,
			"no BGPAdvertisement wants it of this node (serviceIPPools, peers, nodeSelectors, "
			"maxNextHops)");
}

bool report_unrouted(const struct report_facts *facts, struct strbuf *message)
{
	bool seen[2] = { false };
	size_t i;

	for (i = 0; facts->plan && i < facts->plan->n_vips; i++) {
		enum addr_family family = facts->plan->vips[i].family;
		bool v6 = family == ADDR_IPV6;

		if (!seen[v6] && !facts->wanted_in[v6])
			append_unrouted(facts, family, message);
		seen[v6] = true;
	}
	return (seen[0] && !facts->wanted_in[0]) || (seen[1] && !facts->wanted_in[1]);
}

/* The families of its VIPs that nobody is told of, though somebody is of the other. One that is wanted is the
 * sessions' or bgpd's trouble, which is told. */
static void judge_families(const struct report_facts *facts, struct report_service *row,
			   struct strbuf *message)
{
	size_t i;

	if (!row->announced_to.n)
		return;
	for (i = 0; i < row->n_vips; i++) {
		bool v6 = row->vips[i].family == ADDR_IPV6;

		row->unannounced[v6] = !facts->told_in[v6];
	}
	if (report_unrouted(facts, message) && !*row->reason)
		row->reason = REPORT_PARTLY;
}

static void judge_unprogrammed(const struct report_facts *facts, struct report_service *row,
			       struct strbuf *message)
{
	bool planned = facts->plan && facts->plan->n_vips;

	row->exception = planned; /* what no node would serve is no exception of this one */
	row->reason = !planned ? "Refused" : facts->unfit ? "NoRoomInMaps" : "NotProgrammed";
	strbuf_append_escaped(message,
			      facts->problem ? facts->problem
			      : planned	     ? "what the maps lack is tried again"
					     : "its addresses are not served",
			      REPORT_MESSAGE_MAX);
}

int report_judge(struct arena *arena, const struct report_facts *facts, struct report_service *ret)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct report_service row = { .name = facts->name,
				      .programmed = facts->accepted,
				      .reporter = facts->reporter,
				      .announced_to = facts->announced,
				      .reason = "" };

	if (facts->plan) {
		row.vips = facts->plan->vips;
		row.n_vips = facts->plan->n_vips;
	}
	if (!facts->accepted)
		judge_unprogrammed(facts, &row, &message);
	else if (!facts->wanted.n)
		judge_unannounced(facts, &row, &message);
	else if (facts->announced.n < facts->wanted.n)
		judge_announced(facts, &row, &message);
	if (facts->accepted)
		judge_families(facts, &row, &message);
	if (facts->problem && !*row.reason) {
		row.reason = "Problem";
		strbuf_append_escaped(&message, facts->problem, REPORT_MESSAGE_MAX);
	}
	row.message = strbuf_failed(&message) ? NULL : arena_string(arena, strbuf_text(&message));
	if (!row.message)
		return -ENOMEM;
	*ret = row;
	return 0;
}

/* --- order ---------------------------------------------------------------------------------------- */

static int rank(const struct report_service *row)
{
	return row->releasing ? 0 : row->exception ? 1 : !row->programmed ? 2 : 3;
}

static int compare_strings(const struct strings *a, const struct strings *b)
{
	size_t i;
	int order;

	for (i = 0; i < a->n && i < b->n; i++) {
		order = strcmp(a->items[i], b->items[i]);
		if (order)
			return order;
	}
	return (a->n > b->n) - (a->n < b->n);
}

/* Equal: of one group. */
static int compare_states(const struct report_service *a, const struct report_service *b)
{
	int order = rank(a) - rank(b);

	if (!order)
		order = (int)a->programmed - (int)b->programmed;
	if (!order)
		order = strcmp(a->reason, b->reason);
	if (!order)
		order = strcmp(a->message, b->message);
	if (!order)
		order = (a->unannounced[0] - b->unannounced[0]) * 2 + (a->unannounced[1] - b->unannounced[1]);
	return order ? order : compare_strings(&a->announced_to, &b->announced_to);
}

static int compare_rows(const void *left, const void *right)
{
	const struct report_service *a = left, *b = right;
	int order = compare_states(a, b);
	size_t i;

	if (!order)
		order = strcmp(a->name, b->name);
	for (i = 0; !order && i < a->n_vips && i < b->n_vips; i++)
		order = addr_compare(&a->vips[i], &b->vips[i]);
	return order;
}

/* --- JSON ----------------------------------------------------------------------------------------- */

static void put_text(struct strbuf *out, const char *before, const char *key, const char *value)
{
	cleanup(strbuf_done) struct strbuf bounded = { 0 };

	strbuf_append_escaped(&bounded, value, REPORT_MESSAGE_MAX);
	strbuf_appendf(out, "%s\"%s\":", before, key);
	json_append_string(out, strbuf_text(&bounded));
	out->failed |= strbuf_failed(&bounded);
}

static void put_time(struct strbuf *out, const char *before, const char *key, int64_t seconds)
{
	if (seconds == INT64_MAX)
		return;
	strbuf_appendf(out, "%s\"%s\":\"", before, key);
	strbuf_append_time(out, seconds);
	strbuf_append(out, "\"");
}

static void open_group(struct strbuf *out, const struct report_service *row)
{
	size_t i;

	strbuf_appendf(out, "{\"programmed\":%s", row->programmed ? "true" : "false");
	if (row->releasing)
		strbuf_append(out, ",\"releasing\":true");
	strbuf_append(out, ",\"announcedTo\":[");
	for (i = 0; i < row->announced_to.n; i++) {
		strbuf_append(out, i ? "," : "");
		json_append_string(out, row->announced_to.items[i]);
	}
	strbuf_append(out, "]");
	if (row->unannounced[0] || row->unannounced[1])
		strbuf_appendf(out, ",\"unannouncedFamilies\":[%s%s%s]",
			       row->unannounced[0] ? "\"IPv4\"" : "",
			       row->unannounced[0] && row->unannounced[1] ? "," : "",
			       row->unannounced[1] ? "\"IPv6\"" : "");
	put_text(out, ",", "reason", row->reason);
	put_text(out, ",", "message", row->message);
	strbuf_append(out, ",\"services\":[");
}

static void put_entry(struct strbuf *out, const struct report_service *row)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	strbuf_append(out, "\"");
	strbuf_append(out, row->name); /* DNS names: nothing to escape */
	for (i = 0; i < row->n_vips && i < REPORT_VIPS_MAX; i++) {
		strbuf_append(out, i ? "," : "=");
		strbuf_append(out, addr_format(&row->vips[i], text));
	}
	strbuf_append(out, row->n_vips ? "\"" : "=\"");
}

static bool is_named(const struct node_report *report, const struct report_service *row, size_t *n_exceptions)
{
	if (!report->sampled)
		return true;
	if (row->exception || row->releasing)
		return (*n_exceptions)++ < REPORT_EXCEPTIONS_MAX;
	return row->reporter;
}

struct omission { /* rows that should have been named and are not */
	size_t n, n_releasing;
};

static void omit(struct omission *omission, const struct report_service *row)
{
	omission->n++;
	omission->n_releasing += row->releasing;
}

static struct omission put_groups(struct strbuf *out, const struct node_report *report)
{
	const struct report_service *row, *last = NULL;
	struct omission omission = { 0 };
	size_t i, n_exceptions = 0, n_groups = 0;
	bool opens;

	for (i = 0; i < report->n_services; i++) {
		row = &report->services[i];
		if (row->releasing && report->without_releasing)
			continue;
		if (!is_named(report, row, &n_exceptions)) {
			if (row->exception || row->releasing)
				omit(&omission, row);
			continue;
		}
		opens = !last || compare_states(last, row);
		if (out->length > REPORT_BYTES_MAX || (opens && n_groups == REPORT_GROUPS_MAX)) {
			omit(&omission, row);
			continue;
		}
		if (opens) {
			n_groups++;
			strbuf_append(out, last ? "]},\n" : "");
			open_group(out, row);
		} else {
			strbuf_append(out, ",");
		}
		put_entry(out, row);
		last = row;
	}
	strbuf_append(out, last ? "]}" : "");
	return omission;
}

static void put_counts(struct strbuf *out, const struct node_report *report, const struct omission *omission)
{
	size_t i, total = 0, programmed = 0, announced = 0;

	for (i = 0; i < report->n_services && !report->uncounted; i++) {
		if (report->services[i].releasing)
			continue;
		total++;
		programmed += report->services[i].programmed;
		announced += report->services[i].announced_to.n > 0;
	}
	strbuf_appendf(out,
		       "\"services\":{\"total\":%zu,\"programmed\":%zu,\"announced\":%zu,\"omitted\":%zu,"
		       "\"sampled\":%s",
		       total, programmed, announced, omission->n, report->sampled ? "true" : "false");
	if (omission->n_releasing)
		strbuf_appendf(out, ",\"omittedReleasing\":%zu", omission->n_releasing);
	strbuf_append(out, "}");
}

static void put_peers(struct strbuf *out, const struct node_report *report)
{
	const struct lb_node_peer *peer;
	size_t i;

	strbuf_append(out, ",\n\"peers\":[");
	for (i = 0; i < report->n_peers && i < REPORT_LIST_MAX; i++) {
		peer = &report->peers[i];
		put_text(out, i ? ",\n{" : "{", "name", peer->name);
		put_text(out, ",", "address", peer->address);
		put_text(out, ",", "state", peer->state);
		put_time(out, ",", "since", peer->since_sec);
		strbuf_appendf(out, ",\"prefixesSent\":%u,\"prefixesReceived\":%u",
			       report->uncounted ? 0 : peer->prefixes_sent,
			       report->uncounted ? 0 : peer->prefixes_received);
		put_text(out, ",", "lastError", peer->last_error);
		strbuf_append(out, "}");
	}
	strbuf_append(out, "]");
}

static void put_interfaces(struct strbuf *out, const struct node_report *report)
{
	size_t i;

	strbuf_append(out, ",\n\"interfaces\":[");
	for (i = 0; i < report->n_interfaces && i < REPORT_LIST_MAX; i++) {
		put_text(out, i ? ",{" : "{", "name", report->interfaces[i].name);
		put_text(out, ",", "hook", report->interfaces[i].hook);
		put_text(out, ",", "message", report->interfaces[i].message);
		strbuf_append(out, "}");
	}
	strbuf_append(out, "]");
}

static void put_ready(struct strbuf *out, const struct node_report *report)
{
	strbuf_appendf(out, ",\n\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"",
		       report->ready ? "True" : "False");
	put_text(out, ",", "reason", report->ready_reason);
	put_text(out, ",", "message", report->ready_message);
	put_time(out, ",", "lastTransitionTime", report->ready_since_sec);
	strbuf_append(out, "}]");
}

void node_report_json(struct strbuf *out, struct node_report *report)
{
	cleanup(strbuf_done) struct strbuf groups = { 0 };
	struct omission omission;

	if (report->n_services)
		qsort(report->services, report->n_services, sizeof(*report->services), compare_rows);
	omission = put_groups(&groups, report);
	put_text(out, "{", "agentVersion", report->agent_version);
	strbuf_appendf(out, ",\"heartbeatSeconds\":%d,", REPORT_HEARTBEAT_SEC);
	put_counts(out, report, &omission);
	strbuf_append(out, ",\n\"groups\":[");
	strbuf_append(out, strbuf_text(&groups));
	strbuf_append(out, "]");
	put_peers(out, report);
	put_interfaces(out, report);
	put_ready(out, report);
	strbuf_append(out, "}");
	out->failed |= strbuf_failed(&groups);
}

static void open_body(struct strbuf *out, const char *node)
{
	strbuf_append(out, "{\"apiVersion\":\"" API_VERSION "\",\"kind\":\"LBNode\",\"metadata\":{\"name\":");
	json_append_string(out, node);
}

void node_report_object_body(struct strbuf *out, const char *node, const char *node_uid)
{
	open_body(out, node);
	strbuf_append(out, ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":");
	json_append_string(out, node);
	strbuf_append(out, ",\"uid\":");
	json_append_string(out, node_uid);
	strbuf_append(out, ",\"controller\":false,\"blockOwnerDeletion\":false}]}}");
}

void node_report_status_body(struct strbuf *out, const char *node, const char *status, int64_t now_sec)
{
	open_body(out, node);
	put_time(out, "},\"status\":{", "heartbeatTime", now_sec);
	strbuf_append(out, ",");
	strbuf_append(out, status + 1); /* without its brace */
	strbuf_append(out, "}");
}
