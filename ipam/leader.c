// SPDX-License-Identifier: Apache-2.0
/* The elected controller: see leader.h. */
#include "ipam/leader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/ledger.h"
#include "ipam/outbox.h"
#include "ipam/problem_lines.h"
#include "ipam/rounds.h"
#include "ipam/silence.h"
#include "ipam/wants.h"
#include "k8s/cluster_source.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/core/plan.h"
#include "userspace/io/loop.h"

/* None of these counts for who has which address. */
#define DISPENSABLE_KINDS                                                                                    \
	(CLUSTER_KIND(OBJECT_BGP_PEER) | CLUSTER_KIND(OBJECT_BGP_ADVERTISEMENT) |                            \
	 CLUSTER_KIND(OBJECT_BFD_PROFILE) | CLUSTER_KIND(OBJECT_COMMUNITY))
/* Without these an advertisement looks wrong that is not. */
#define KINDS_NAMED_BY_ADVERTISEMENTS (CLUSTER_KIND(OBJECT_BGP_PEER) | CLUSTER_KIND(OBJECT_COMMUNITY))

#define ROUND_MSEC		      20 /* answers and changes that come together make one round */

struct leader {
	struct leader_options options;
	struct api *api;
	struct store *store;
	struct cluster_source *source;
	struct debounce *round;
	struct loop_timer
		*next; /* the round that no change asks for, or the end of patience in leader_stop() */
	struct loop_timer *look; /* for silent agents */
	struct silence silence;
	struct event_book *book;
	struct outbox *outbox;
	struct ledger ledger;
	struct node_reports reports;
	struct allocations allocations; /* of the last round */
	struct rounds rounds;
	struct problem_lines problems;	      /* of any object, logged */
	struct problem_book problems_written; /* of Services, in their conditions */
	bool waiting_said;
	struct metrics counts; /* those that are the leader's own */
	void (*stopped)(void *userdata);
	void *stopped_userdata;
};

/* --- what is told -------------------------------------------------------------------------------------- */

static struct event_clock clock_now(void)
{
	return (struct event_clock){ loop_now_msec(), loop_wall_usec() };
}

static void warn_untold(int r)
{
	if (r < 0)
		log_warn("out of memory: an Event is not written");
}

static void tell(struct leader *leader, enum service_event event, const struct meta *meta, const char *note)
{
	warn_untold(service_event_tell(leader->book, event, meta, note, clock_now()));
}

static void log_written(struct leader *leader, const struct meta *meta, const struct service_write *write)
{
	cleanup(strbuf_done) struct strbuf addresses = { 0 };
	size_t i;

	if (write->gives_addresses) {
		service_addresses_append(&addresses, write);
		log_info("service %s/%s: %s", meta->namespace, meta->name, strbuf_text(&addresses));
		leader->counts.n_allocations += write->n_addresses > 0;
	}
	if (write->removes_finalizer)
		log_info("service %s/%s: released", meta->namespace, meta->name);
	for (i = 0; i < write->notes.n; i++) {
		if (write->notes.items[i].event != SERVICE_FAILED)
			continue;
		leader->counts.n_failures++;
		log_warn("service %s/%s: %s", meta->namespace, meta->name, write->notes.items[i].text);
	}
}

/* A problem's object is "Service/NAMESPACE/NAME". */
static void tell_overdue(struct leader *leader, const struct cluster *cluster)
{
	size_t i;

	for (i = 0; i < leader->ledger.overdue.n; i++) {
		const struct problem *problem = &leader->ledger.overdue.items[i];
		const char *namespace = strchr(problem->object, '/') + 1, *slash = strchr(namespace, '/');
		cleanup(freep) char *copy = strndup(namespace, (size_t)(slash - namespace));
		const struct service *service = copy ? cluster_find_service(cluster, copy, slash + 1) : NULL;

		log_warn("%s: %s", problem->object, problem->message);
		if (service)
			tell(leader, SERVICE_OVERDUE, &service->meta, problem->message);
	}
}

static void tell_ends(struct leader *leader, const struct cluster *cluster)
{
	size_t i;

	for (i = 0; i < cluster->n_services; i++)
		if (service_is_to_clean(cluster->services[i], leader->options.default_class) &&
		    ledger_take_end(&leader->ledger, cluster->services[i]))
			tell(leader, SERVICE_DELETING, &cluster->services[i]->meta, NULL);
}

/* --- the outbox's questions and answers ---------------------------------------------------------------- */

static bool may_write(void *userdata)
{
	struct leader *leader = userdata;

	return leader->options.may_write(leader->options.userdata);
}

static int on_sending(void *userdata, const struct meta *meta, const struct service_write *write)
{
	struct leader *leader = userdata;

	if (!write->gives_addresses)
		return 0;
	warn_untold(service_events_sending(leader->book, meta, write, clock_now()));
	return ledger_sent(&leader->ledger, meta, write->addresses, write->n_addresses, loop_now_msec());
}

static void on_acknowledged(void *userdata, const struct meta *meta, const struct service_write *write,
			    uint64_t version)
{
	struct leader *leader = userdata;

	if (!write)
		return;
	if (write->gives_addresses)
		ledger_acknowledged(&leader->ledger, meta, version, loop_now_msec());
	log_written(leader, meta, write);
	warn_untold(service_events_written(leader->book, meta, write, clock_now()));
}

static void on_refused(void *userdata, enum object_kind kind, const struct meta *meta, const char *message)
{
	struct leader *leader = userdata;

	if (kind == OBJECT_SERVICE)
		tell(leader, SERVICE_WRITE_REFUSED, meta, message);
}

static void on_due(void *userdata)
{
	struct leader *leader = userdata;

	switch (rounds_answered(&leader->rounds, outbox_is_idle(leader->outbox))) {
	case ROUNDS_GO_ON:
		debounce_kick(leader->round);
		break;
	case ROUNDS_END:
		loop_timer_set(leader->next, 0);
		break;
	case ROUNDS_WAIT:
		break;
	}
}

/* --- one round ----------------------------------------------------------------------------------------- */

static int refresh_reports(struct leader *leader, const struct cluster *cluster,
			   const struct store_changes *changes)
{
	int r;

	if (rounds_reports_stand(&leader->rounds, changes))
		return 0;
	node_reports_done(&leader->reports);
	r = node_reports_init(&leader->reports, cluster);
	leader->rounds.reports_fresh = r == 0;
	return r;
}

static void count_allocations(struct leader *leader)
{
	size_t i;

	leader->counts.n_services = leader->allocations.n_services;
	leader->counts.n_pending = 0;
	for (i = 0; i < leader->allocations.n_services; i++)
		leader->counts.n_pending += *leader->allocations.services[i].reason != '\0';
}

static int decide(struct leader *leader, const struct cluster *cluster)
{
	cleanup(arena_done) struct arena arena = { 0 };
	const struct store_changes changes = store_changes(leader->store);
	bool default_class = leader->options.default_class;
	bool stand = rounds_allocations_stand(&leader->rounds, &changes, leader->ledger.n_leaving);
	struct allocations allocations = { 0 };
	struct cluster overlay;
	int r = refresh_reports(leader, cluster, &changes);

	if (r == 0)
		r = problem_book_update(&leader->problems_written, cluster, default_class, &changes.services);
	if (r < 0 || stand)
		return r;
	r = ledger_update(&leader->ledger, cluster, default_class, &leader->reports, loop_now_msec());
	if (r == 0)
		tell_overdue(leader, cluster);
	if (r == 0)
		tell_ends(leader, cluster);
	if (r == 0)
		r = ledger_overlay(&leader->ledger, cluster, default_class, &arena, &overlay);
	if (r == 0)
		r = allocate(&overlay, default_class, &allocations);
	if (r < 0)
		return r;
	allocations_done(&leader->allocations);
	leader->allocations = allocations;
	leader->rounds.allocated = true;
	count_allocations(leader);
	return 0;
}

static bool sink_is_ready(void *userdata, enum object_kind kind, const struct meta *meta)
{
	return outbox_is_ready(((struct leader *)userdata)->outbox, kind, meta, loop_now_msec());
}

static bool sink_has_room(void *userdata, bool urgent)
{
	return outbox_has_room(((struct leader *)userdata)->outbox, urgent);
}

static bool sink_holds_back(void *userdata)
{
	return outbox_holds_back(((struct leader *)userdata)->outbox, loop_now_msec());
}

static int sink_add(void *userdata, const struct outbox_write *write)
{
	return outbox_add(((struct leader *)userdata)->outbox, write, loop_now_msec());
}

static int collect(struct leader *leader, const struct cluster *cluster)
{
	static const struct wants_sink sink = { sink_is_ready, sink_has_room, sink_holds_back, sink_add };

	return wants_collect(&(struct wants){ .cluster = cluster,
					      .allocations = &leader->allocations,
					      .ledger = &leader->ledger,
					      .reports = &leader->reports,
					      .problems = &leader->problems_written,
					      .silence = &leader->silence,
					      .default_class = leader->options.default_class,
					      .bgp_unknown = cluster_source_absent(leader->source) &
							     KINDS_NAMED_BY_ADVERTISEMENTS,
					      .now_sec = loop_wall_usec() / 1000000,
					      .sink = &sink,
					      .userdata = leader });
}

static int do_round(struct leader *leader)
{
	const struct cluster *cluster = store_cluster(leader->store);
	uint64_t now_msec = loop_now_msec();
	int r = cluster ? decide(leader, cluster) : -ENOMEM;

	if (r == 0)
		store_changes_reset(leader->store);
	outbox_begin(leader->outbox);
	if (r == 0)
		r = collect(leader, cluster);
	if (r < 0)
		return r;
	if (leader->ledger.next_msec != UINT64_MAX)
		loop_timer_set(leader->next,
			       leader->ledger.next_msec > now_msec ? leader->ledger.next_msec - now_msec : 0);
	outbox_send(leader->outbox);
	return 0;
}

static void note_duration(struct leader *leader, double seconds, double cpu_seconds)
{
	rounds_done(&leader->rounds, cpu_seconds, loop_now_msec());
	leader->counts.n_rounds++;
	leader->counts.round_seconds_last = seconds;
	leader->counts.round_seconds_sum += seconds;
}

static void on_round(void *userdata)
{
	struct leader *leader = userdata;
	const struct source_result *result = cluster_source_result(leader->source);
	uint64_t now_msec = loop_now_msec();
	double began = loop_seconds_of(CLOCK_MONOTONIC),
	       began_cpu = loop_seconds_of(CLOCK_PROCESS_CPUTIME_ID);

	problem_lines_say(&leader->problems, &result->problems);
	switch (rounds_ask(&leader->rounds, result->delivered, now_msec)) {
	case ROUND_NONE:
		return;
	case ROUND_RESTS:
		loop_timer_set_earlier(leader->next, leader->rounds.rest_until_msec - now_msec);
		return;
	case ROUND_FIRST:
		log_info("every list that addresses need is there: addresses in statuses count as given, now "
			 "others are given");
		break;
	case ROUND_NOW:
		break;
	}
	if (do_round(leader) < 0) {
		log_error("out of memory; every address stays as it is, next try in %d s",
			  ROUNDS_RETRY_MSEC / 1000);
		loop_timer_set(leader->next, ROUNDS_RETRY_MSEC);
	}
	note_duration(leader, loop_seconds_of(CLOCK_MONOTONIC) - began,
		      loop_seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began_cpu);
}

/* Signs of life are no change and bring no round: they are looked for here. */
static void on_look(void *userdata)
{
	struct leader *leader = userdata;
	const struct cluster *cluster = store_cluster(leader->store);
	uint64_t now_msec = loop_now_msec(), wait_msec = ROUNDS_RETRY_MSEC;

	if (cluster && leader->rounds.delivered &&
	    silence_look(&leader->silence, cluster, api_state(leader->api).reachable, now_msec) == 0) {
		wait_msec = leader->silence.next_msec - now_msec;
		if (leader->silence.n_due)
			debounce_kick(leader->round);
	}
	loop_timer_set(leader->look, wait_msec);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_change(void *userdata)
{
	struct leader *leader = userdata;

	debounce_kick(leader->round);
}

static void on_next(void *userdata)
{
	struct leader *leader = userdata;

	if (rounds_timed(&leader->rounds) == ROUNDS_END)
		leader->stopped(leader->stopped_userdata);
	else
		debounce_kick(leader->round);
}

void leader_stop(struct leader *leader, void (*done)(void *userdata), void *userdata)
{
	leader->stopped = done;
	leader->stopped_userdata = userdata;
	outbox_stop(leader->outbox);
	loop_timer_set(leader->next, rounds_stop(&leader->rounds, outbox_is_idle(leader->outbox)));
}

bool leader_is_idle(const struct leader *leader)
{
	return outbox_is_idle(leader->outbox);
}

bool leader_has_delivered(const struct leader *leader)
{
	return leader->rounds.delivered;
}

void leader_count(const struct leader *leader, struct metrics *metrics)
{
	struct outbox_counts writes = outbox_counts(leader->outbox);
	struct cluster_source_state source = cluster_source_state(leader->source);
	struct metrics counts = leader->counts;

	counts.version = metrics->version;
	counts.leader = metrics->leader;
	counts.delivered = leader->rounds.delivered;
	counts.pools = leader->allocations.pools;
	counts.n_pools = leader->allocations.n_pools;
	counts.n_silent_nodes = leader->silence.n_silent;
	counts.n_leaving = leader->ledger.n_leaving;
	counts.writes_good = writes.good;
	counts.writes_conflict = writes.conflicts;
	counts.writes_refused = writes.refused;
	counts.writes_failed = writes.failed;
	counts.writes_unanswered = writes.unanswered;
	counts.writes_queued = writes.n_queued;
	counts.writes_under_way = writes.n_under_way;
	counts.events_written = writes.events;
	counts.events_dropped = event_book_dropped(leader->book);
	counts.source_lists = source.n_lists;
	counts.source_watches = source.n_watches;
	counts.source_events = source.n_events;
	*metrics = counts;
}

void leader_free(struct leader *leader)
{
	if (!leader)
		return;
	outbox_free(leader->outbox);
	cluster_source_free(leader->source);
	debounce_free(leader->round);
	loop_timer_free(leader->next);
	loop_timer_free(leader->look);
	silence_done(&leader->silence);
	event_book_free(leader->book);
	node_reports_done(&leader->reports);
	allocations_done(&leader->allocations);
	ledger_done(&leader->ledger);
	problem_lines_done(&leader->problems);
	problem_book_done(&leader->problems_written);
	store_free(leader->store);
	free(leader);
}

DEFINE_CLEANUP(struct leader *, leader_free);

int leader_new(struct sd_event *event, struct api *api, const struct leader_options *options,
	       struct leader **ret)
{
	const struct cluster_source_options source = { .kinds = CLUSTER_KINDS_CONTROLLER,
						       .dispensable = DISPENSABLE_KINDS,
						       .all_services = true };
	const struct event_source reporter = { .instance = options->identity,
					       .seed = (uint64_t)loop_wall_usec() };
	const struct outbox_fns fns = { may_write, on_sending, on_acknowledged, on_refused, on_due };
	cleanup(leader_freep) struct leader *leader = calloc(1, sizeof(*leader));
	int r;

	if (!leader)
		return -ENOMEM;
	leader->options = *options;
	leader->api = api;
	leader->store = store_new();
	leader->book = event_book_new();
	if (!leader->store || !leader->book)
		return -ENOMEM;
	r = debounce_new(event, ROUND_MSEC, on_round, leader, &leader->round);
	if (r == 0)
		r = loop_timer_new(event, on_next, leader, &leader->next);
	if (r == 0)
		r = loop_timer_new(event, on_look, leader, &leader->look);
	if (r == 0)
		r = outbox_new(event, api, leader->book, &reporter, &fns, leader, &leader->outbox);
	if (r == 0)
		r = cluster_source_new(event, api, &source, leader->store, on_change, leader,
				       &leader->source);
	if (r < 0)
		return r;
	loop_timer_set(leader->look, 0);
	*ret = take(leader);
	return 0;
}
