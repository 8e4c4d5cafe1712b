// SPDX-License-Identifier: Apache-2.0
/* Writing the LBNode: see reporter.h. At most one request is under way; what changes meanwhile is in the next
 * one. */
#include "userspace/agent/reporter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "k8s/backoff.h"
#include "userspace/agent/agent.h"
#include "userspace/agent/releasing.h"
#include "userspace/agent/report_collect.h"
#include "userspace/agent/untold.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/loop.h"

#define GATHER_MSEC   100
#define INTERVAL_MSEC 1000
#define REFRESH_MSEC                                                                                         \
	(REPORT_HEARTBEAT_SEC * 1000 * 3 / 4) /* … and up to a quarter of it more: not all at once */
#define BYTES_PER_SECOND 100000
#define API_PATH	 "/apis/fairway.dev/v1alpha1/lbnodes"

struct known_peer { /* since when a session is in its state */
	char *name, *state;
	int64_t since_sec;
};

struct reporter {
	struct agent *agent;
	struct api *api;
	struct loop_timer *timer;
	struct api_request *request;
	struct backoff backoff;
	uint64_t next_msec;    /* neither looked nor written before */
	uint64_t rested_msec;  /* … nor before this, but for what is released and must be told */
	uint64_t glance_msec;  /* meanwhile it is not even looked before this whether something is */
	uint64_t kicked_msec;  /* the first change that was not looked at; 0: none */
	uint64_t refresh_msec; /* an unchanged status is written again then, as a sign of life */
	uint64_t written,
		sending; /* digests of the status that stands there, and of the one under way; 0: none */
	struct untold untold;
	size_t sending_length;
	bool missing;	    /* there is no object to write to: make it first */
	bool made;	    /* that was just done */
	bool no_answer;	    /* the last write met no server */
	bool waiting_said;  /* that the Node's object is missing */
	int refused_status; /* the last refusal that was logged; 0: none */
	struct known_peer *peers;
	size_t n_peers;
	bool ready_known, ready;
	int64_t ready_since_sec;
	struct reporter_state state;
};

DEFINE_CLEANUP(struct reporter *, reporter_free);

static void write_due(void *userdata);

/* --- what has a history ----------------------------------------------------------------------------- */

static void forget_peers(struct known_peer *peers, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(peers[i].name);
		free(peers[i].state);
	}
	free(peers);
}

static const struct known_peer *known_peer(const struct reporter *reporter, const char *name)
{
	size_t i;

	for (i = 0; i < reporter->n_peers; i++)
		if (text_equal(reporter->peers[i].name, name))
			return &reporter->peers[i];
	return NULL;
}

static uint64_t uptime_of(const struct agent *agent, const char *name)
{
	const struct frr_peer_view *views;
	size_t i, n = frr_peers(agent->frr, &views);

	for (i = 0; i < n; i++)
		if (text_equal(views[i].name, name) && text_equal(views[i].state, "Established"))
			return views[i].uptime_sec;
	return 0;
}

/* The moment of a change is computed once: computed anew each time it would move by a second now and then. */
static int date_peers(struct reporter *reporter, struct node_report *report)
{
	struct lb_node_peer *peers = (struct lb_node_peer *)(uintptr_t)report->peers; /* in our arena */
	struct known_peer *fresh = calloc(report->n_peers + 1, sizeof(*fresh));
	const struct known_peer *known;
	size_t i;

	if (!fresh)
		return -ENOMEM;
	for (i = 0; i < report->n_peers; i++) {
		known = known_peer(reporter, peers[i].name);
		fresh[i].name = strdup(peers[i].name);
		fresh[i].state = strdup(peers[i].state);
		if (!fresh[i].name || !fresh[i].state) {
			forget_peers(fresh, i + 1);
			return -ENOMEM;
		}
		if (known && text_equal(known->state, peers[i].state))
			fresh[i].since_sec = known->since_sec;
		else
			fresh[i].since_sec =
				(int64_t)time(NULL) - (int64_t)uptime_of(reporter->agent, peers[i].name);
		peers[i].since_sec = fresh[i].since_sec;
	}
	forget_peers(reporter->peers, reporter->n_peers);
	reporter->peers = fresh;
	reporter->n_peers = report->n_peers;
	return 0;
}

static void date_ready(struct reporter *reporter, struct node_report *report)
{
	if (!reporter->ready_known || reporter->ready != report->ready)
		reporter->ready_since_sec = (int64_t)time(NULL);
	reporter->ready_known = true;
	reporter->ready = report->ready;
	report->ready_since_sec = reporter->ready_since_sec;
}

/* --- answers ---------------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a_msec, uint64_t b_msec)
{
	return a_msec < b_msec ? a_msec : b_msec;
}

static uint64_t later(uint64_t a_msec, uint64_t b_msec)
{
	return a_msec > b_msec ? a_msec : b_msec;
}

/* When all may be looked at: what must be told ends a rest. */
static uint64_t look_msec(const struct reporter *reporter)
{
	return later(reporter->next_msec, earlier(reporter->rested_msec, untold_due_msec(&reporter->untold)));
}

static void schedule(struct reporter *reporter, uint64_t at_least_msec)
{
	uint64_t now = loop_now_msec(), at_msec = look_msec(reporter);

	if (reporter->kicked_msec)
		at_msec = earlier(at_msec, later(reporter->next_msec, reporter->glance_msec));
	loop_timer_set_earlier(reporter->timer, later(at_msec, now + at_least_msec) - now);
}

/* Said once for each kind of refusal, until a write succeeds. What cannot be reached the API client tells. */
static void log_refusal(struct reporter *reporter, const struct api_reply *reply)
{
	if (reporter->refused_status == reply->status || !reply->status)
		return;
	reporter->refused_status = reply->status;
	log_warn("LBNode %s: HTTP status %d: %s%s; the node goes on serving, its state is not shown in the "
		 "cluster "
		 "until this works",
		 reporter->agent->node, reply->status, reply->message,
		 reply->status == 404	? " (is the CRD lbnodes.fairway.dev installed?)"
		 : reply->status == 403 ? " (lbagent's ClusterRole must allow create of lbnodes and patch of "
					  "lbnodes/status)"
					: "");
}

/* After a look: 10,000 Services cost some 10 ms of the loop, which is not to be had after each change of an
 * endpoint. */
static void rest(struct reporter *reporter, uint64_t least_msec, size_t length)
{
	reporter->next_msec = loop_now_msec() + least_msec;
	reporter->rested_msec = reporter->next_msec + length * 1000 / BYTES_PER_SECOND;
}

static void write_failed(struct reporter *reporter, const struct api_reply *reply)
{
	reporter->state.n_failures++;
	reporter->written =
		0; /* without an answer it may have been executed: what stands there is not known */
	reporter->no_answer = !reply->status;
	reporter->next_msec =
		loop_now_msec() + backoff_next(&reporter->backoff, loop_now_msec(), loop_random(),
					       (uint64_t)reply->retry_after_msec);
	schedule(reporter, 0);
}

static bool is_success(const struct api_reply *reply)
{
	return reply->status >= 200 && reply->status < 300;
}

static void object_answered(void *userdata, const struct api_reply *reply)
{
	struct reporter *reporter = userdata;

	reporter->request = NULL;
	if (!is_success(reply) && !text_equal(reply->reason, "AlreadyExists")) {
		log_refusal(reporter, reply);
		write_failed(reporter, reply);
		return;
	}
	reporter->missing = false;
	reporter->made = true;
	reporter->written = 0;
	write_due(reporter);
}

static void status_answered(void *userdata, const struct api_reply *reply)
{
	struct reporter *reporter = userdata;

	reporter->request = NULL;
	reporter->missing = reply->status == 404; /* a new node, or somebody removed it */
	if (reporter->missing && !reporter->made) {
		write_due(reporter);
		return;
	}
	reporter->made = false;
	if (!is_success(reply)) {
		log_refusal(reporter, reply);
		write_failed(reporter, reply);
		return;
	}
	if (reporter->refused_status)
		log_info("LBNode %s: written again", reporter->agent->node);
	reporter->refused_status = 0;
	reporter->waiting_said = reporter->no_answer = false;
	backoff_reset(&reporter->backoff);
	reporter->written = reporter->sending;
	untold_told(&reporter->untold); /* nothing was looked at since it was made */
	reporter->state.n_writes++;
	reporter->state.written_msec = loop_now_msec();
	rest(reporter, INTERVAL_MSEC, reporter->sending_length);
	reporter->refresh_msec = loop_now_msec() + REFRESH_MSEC + loop_random() % (REFRESH_MSEC / 3);
	schedule(reporter, 0); /* what changed meanwhile; nothing is sent if nothing did */
}

/* --- writing ---------------------------------------------------------------------------------------- */

static int send_body(struct reporter *reporter, struct api_call *call, const struct strbuf *body,
		     api_reply_fn *answered)
{
	if (strbuf_failed(body))
		return -ENOMEM;
	call->body = strbuf_text(body);
	call->length = body->length;
	return api_send(reporter->api, call, answered, reporter, &reporter->request);
}

static int write_object(struct reporter *reporter, const struct node *node)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct api_call call = { .method = "POST",
				 .path = API_PATH "?fieldManager=lbagent",
				 .content_type = "application/json" };

	node_report_object_body(&body, reporter->agent->node, node->meta.uid);
	return send_body(reporter, &call, &body, object_answered);
}

static uint64_t digest_of(const struct strbuf *status)
{
	return XXH64(strbuf_text(status), status->length, 1);
}

/* Of the report with these two left out, or not. */
static uint64_t digest_without(struct strbuf *scratch, struct node_report *report, bool counts,
			       bool releasing)
{
	strbuf_reset(scratch);
	report->uncounted = counts;
	report->without_releasing = releasing;
	node_report_json(scratch, report);
	report->uncounted = report->without_releasing = false;
	return digest_of(scratch);
}

/* Each Service that comes or goes changes the counts of every node: with so many nodes that they do not name
 * it these alone are no reason to write. The next sign of life has them. */
static uint64_t put_status(struct strbuf *out, struct node_report *report)
{
	uint64_t digest = digest_without(out, report, report->sampled, false);

	if (report->sampled) {
		strbuf_reset(out);
		node_report_json(out, report);
	}
	return digest;
}

/* And each that goes is released by every node within a second or two: two writes of each, if the first were
 * not left out. lbcontroller knows that nodes are silent so long (release.h). */
static bool only_releases(const struct reporter *reporter, struct node_report *report)
{
	cleanup(strbuf_done) struct strbuf scratch = { 0 };

	return report->sampled && digest_without(&scratch, report, true, true) == reporter->written &&
	       !strbuf_failed(&scratch);
}

/* When the status is to be written if it stays as it is. */
static uint64_t write_at_msec(struct reporter *reporter, struct node_report *report, uint64_t digest)
{
	uint64_t at_msec = 0;

	if (digest == reporter->written) {
		untold_told(&reporter->untold); /* what finds no room: their number stands there */
		at_msec = reporter->refresh_msec;
	} else if (only_releases(reporter, report)) {
		at_msec = untold_due_msec(&reporter->untold);
	}
	return earlier(at_msec, reporter->refresh_msec);
}

/* What is new began with the first change since the last look, or later. */
static int follow_releases(struct reporter *reporter, const struct report_service *rows, size_t n)
{
	uint64_t now = loop_now_msec();
	int r = untold_follow(&reporter->untold, rows, n,
			      reporter->kicked_msec ? reporter->kicked_msec : now);

	if (r < 0)
		return r;
	reporter->kicked_msec = 0;
	reporter->glance_msec = now + INTERVAL_MSEC;
	return 0;
}

/* In a rest: a small part of a look. */
static int glance(struct reporter *reporter)
{
	cleanup(arena_done) struct arena arena = { 0 };
	const struct agent *agent = reporter->agent;
	struct report_service *rows;
	size_t n;
	int r = releasing_collect(&arena, agent->applied, &agent->plan, &rows, &n);

	return r < 0 ? r : follow_releases(reporter, rows, n);
}

static int write_status(struct reporter *reporter)
{
	cleanup(strbuf_done) struct strbuf status = { 0 }, body = { 0 }, path = { 0 };
	struct api_call call = { .method = "PATCH", .content_type = "application/apply-patch+yaml" };
	cleanup(arena_done) struct arena arena = { 0 };
	struct node_report report;
	uint64_t digest, at_msec;
	int r;

	r = report_collect(reporter->agent, &arena, &report);
	if (r >= 0)
		r = date_peers(reporter, &report);
	if (r < 0)
		return r;
	date_ready(reporter, &report);
	r = follow_releases(reporter, report.services, report.n_services);
	if (r < 0)
		return r;
	digest = put_status(&status, &report);
	if (strbuf_failed(&status))
		return -ENOMEM;
	at_msec = write_at_msec(reporter, &report, digest);
	if (loop_now_msec() < at_msec) {
		rest(reporter, 0, status.length);
		schedule(reporter, at_msec - loop_now_msec());
		return 0;
	}
	node_report_status_body(&body, reporter->agent->node, strbuf_text(&status), (int64_t)time(NULL));
	reporter->sending = digest;
	reporter->sending_length = body.length;
	/* A node's name is a DNS subdomain: nothing to encode. */
	strbuf_appendf(&path, API_PATH "/%s/status?fieldManager=lbagent&force=true", reporter->agent->node);
	if (strbuf_failed(&path))
		return -ENOMEM;
	call.path = strbuf_text(&path);
	return send_body(reporter, &call, &body, status_answered);
}

/* Not before the first round: what an earlier agent said is truer than that there is nothing. Not without the
 * Node: its uid is the owner. */
static bool can_write(struct reporter *reporter, const struct node **ret_node)
{
	const struct cluster *cluster;

	if (reporter->request || !reporter->agent->accepted_known)
		return false;
	cluster = store_cluster(reporter->agent->store);
	*ret_node = cluster ? cluster_find_node(cluster, reporter->agent->node) : NULL;
	if (*ret_node && *(*ret_node)->meta.uid)
		return true;
	if (!reporter->waiting_said)
		log_warn("LBNode %s is not written: there is no Node of this name to own it; is --node "
			 "(NODE_NAME) right?",
			 reporter->agent->node);
	reporter->waiting_said = true;
	return false;
}

static void write_due(void *userdata)
{
	struct reporter *reporter = userdata;
	const struct node *node;
	int r = 0;

	if (!can_write(reporter, &node))
		return;
	if (loop_now_msec() >= reporter->next_msec && loop_now_msec() < look_msec(reporter) &&
	    reporter->kicked_msec && loop_now_msec() >= reporter->glance_msec)
		r = glance(reporter);
	if (r == 0 && loop_now_msec() < look_msec(reporter)) {
		schedule(reporter, 0);
		return;
	}
	if (r == 0)
		r = reporter->missing ? write_object(reporter, node) : write_status(reporter);
	if (r < 0) { /* out of memory */
		reporter->next_msec = loop_now_msec() + INTERVAL_MSEC;
		schedule(reporter, 0);
	}
}

void reporter_kick(struct reporter *reporter)
{
	if (!reporter)
		return;
	if (!reporter->kicked_msec)
		reporter->kicked_msec = loop_now_msec();
	if (reporter->request)
		return;
	if (reporter->no_answer && api_state(reporter->api).reachable) {
		reporter->no_answer =
			false; /* no reason to wait longer; but a thousand nodes not all at once */
		reporter->next_msec = loop_now_msec() + loop_random() % INTERVAL_MSEC;
		loop_timer_stop(reporter->timer);
	}
	schedule(reporter, GATHER_MSEC);
}

struct reporter_state reporter_state(const struct reporter *reporter)
{
	return reporter ? reporter->state : (struct reporter_state){ 0 };
}

int reporter_new(struct agent *agent, struct reporter **ret)
{
	cleanup(reporter_freep) struct reporter *reporter = calloc(1, sizeof(*reporter));
	int r;

	if (!reporter)
		return -ENOMEM;
	reporter->agent = agent;
	reporter->api = agent_source_api(agent->source);
	r = loop_timer_new(agent->event, write_due, reporter, &reporter->timer);
	if (r < 0)
		return r;
	*ret = take(reporter);
	return 0;
}

void reporter_free(struct reporter *reporter)
{
	if (!reporter)
		return;
	api_cancel(reporter->request);
	loop_timer_free(reporter->timer);
	forget_peers(reporter->peers, reporter->n_peers);
	untold_done(&reporter->untold);
	free(reporter);
}
