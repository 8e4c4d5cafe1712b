// SPDX-License-Identifier: Apache-2.0
/* The elected controller: see leader.h. */
#include "ipam/leader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/advertisement_status.h"
#include "ipam/ledger.h"
#include "ipam/outbox.h"
#include "ipam/peer_status.h"
#include "ipam/pool_status.h"
#include "ipam/problem_lines.h"
#include "ipam/silence.h"
#include "k8s/cluster_source.h"
#include "k8s/json.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/core/plan.h"
#include "userspace/io/loop.h"

#define ROUND_MSEC 20	/* answers and changes that come together make one round */
#define RETRY_MSEC 1000 /* after a round for which there was no memory */
#define STOP_MSEC  2000 /* for the answers to what is under way */
#define STRATEGIC  "application/strategic-merge-patch+json"
#define MERGE	   "application/merge-patch+json"

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
	bool reports_fresh;
	struct allocations allocations; /* of the last round */
	bool allocated;
	uint64_t rest_until_msec;	      /* after a round */
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

	if (!leader->stopped)
		debounce_kick(leader->round);
	else if (outbox_is_idle(leader->outbox))
		loop_timer_set(leader->next, 0);
}

/* --- one round ----------------------------------------------------------------------------------------- */

static int judge(struct leader *leader, const struct allocation *allocation, struct arena *arena,
		 struct service_state *ret)
{
	cleanup(strbuf_done) struct strbuf name = { 0 };

	strbuf_appendf(&name, "%s/%s", allocation->namespace, allocation->name);
	if (strbuf_failed(&name))
		return -ENOMEM;
	return node_reports_judge(&leader->reports, strbuf_text(&name), allocation->addresses,
				  allocation->n_addresses, arena, ret);
}

static int add_service_write(struct leader *leader, const struct service *service,
			     const struct service_write *write)
{
	return outbox_add(leader->outbox,
			  &(struct outbox_write){ .kind = OBJECT_SERVICE,
						  .meta = &service->meta,
						  .is_status = true,
						  .urgency = write->urgency,
						  .content_type = STRATEGIC,
						  .body = &write->body,
						  .service = write },
			  loop_now_msec());
}

static int want_service(struct leader *leader, const struct service *service,
			const struct allocation *allocation, struct arena *arena)
{
	cleanup(service_write_done) struct service_write write = { 0 };
	struct service_state state;
	bool shown = allocation->n_addresses && service_shows(service, allocation);
	bool settled = service_is_settled(service, allocation);
	int r;

	if (!outbox_has_room(leader->outbox, !settled))
		return 0; /* of 10,000 due ones hardly a hundred would leave before they are decided anew */
	if (settled && outbox_holds_back(leader->outbox, loop_now_msec()))
		return 0;
	r = shown ? judge(leader, allocation, arena, &state) : 0;
	if (r == 0)
		r = service_write_decide(service, allocation, shown ? &state : NULL,
					 problem_book_find(&leader->problems_written, &service->meta),
					 loop_wall_usec() / 1000000, &write);
	return r < 0 || write.urgency == WRITE_NOTHING ? r : add_service_write(leader, service, &write);
}

static int want_services(struct leader *leader, const struct cluster *cluster)
{
	cleanup(arena_done) struct arena arena = { 0 };
	uint64_t now_msec = loop_now_msec();
	size_t i;
	int r = 0;

	leader->counts.n_services = leader->allocations.n_services;
	leader->counts.n_pending = 0;
	for (i = 0; i < leader->allocations.n_services && r == 0; i++) {
		const struct allocation *allocation = &leader->allocations.services[i];
		const struct service *service =
			cluster_find_service(cluster, allocation->namespace, allocation->name);

		leader->counts.n_pending += *allocation->reason != '\0';
		if (!service || service->meta.deleting || ledger_is_ahead(&leader->ledger, service) ||
		    !outbox_is_ready(leader->outbox, OBJECT_SERVICE, &service->meta, now_msec))
			continue;
		r = want_service(leader, service, allocation, &arena);
	}
	return r;
}

static int want_cleaning(struct leader *leader, const struct service *service)
{
	cleanup(service_write_done) struct service_write write = { 0 };
	int r;

	if (ledger_take_end(&leader->ledger, service))
		tell(leader, SERVICE_DELETING, &service->meta, NULL);
	if (!ledger_has_let_go(&leader->ledger, service->meta.namespace, service->meta.name) ||
	    !outbox_is_ready(leader->outbox, OBJECT_SERVICE, &service->meta, loop_now_msec()))
		return 0;
	r = service_write_clean(service, &write);
	return r < 0 ? r : add_service_write(leader, service, &write);
}

/* Of one that cannot be read: no allocation speaks of it. */
static int want_problem(struct leader *leader, const struct service *service)
{
	const struct service_problem *problem = problem_book_find(&leader->problems_written, &service->meta);
	cleanup(service_write_done) struct service_write write = { 0 };
	int r;

	if (!problem || service->meta.deleting || outbox_holds_back(leader->outbox, loop_now_msec()) ||
	    !outbox_is_ready(leader->outbox, OBJECT_SERVICE, &service->meta, loop_now_msec()))
		return 0;
	r = service_write_problem(service, problem, loop_wall_usec() / 1000000, &write);
	return r < 0 || write.urgency == WRITE_NOTHING ? r : add_service_write(leader, service, &write);
}

static int want_cleanings(struct leader *leader, const struct cluster *cluster)
{
	size_t i;
	int r = 0;

	for (i = 0; i < cluster->n_services && r == 0; i++)
		if (service_is_to_clean(cluster->services[i], leader->options.default_class))
			r = want_cleaning(leader, cluster->services[i]);
		else if (cluster->services[i]->unusable)
			r = want_problem(leader, cluster->services[i]);
	return r;
}

static int add_patch(struct leader *leader, enum object_kind kind, const struct meta *meta, bool is_status,
		     const struct strbuf *body)
{
	return outbox_add(leader->outbox,
			  &(struct outbox_write){ .kind = kind,
						  .meta = meta,
						  .is_status = is_status,
						  .urgency = is_status ? WRITE_SOON : WRITE_NOW,
						  .content_type = MERGE,
						  .body = body },
			  loop_now_msec());
}

/* Of a status that is ours alone, unless it is what was read. */
static int add_status(struct leader *leader, enum object_kind kind, const struct meta *meta,
		      uint64_t seen_digest, const struct strbuf *body)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error;
	int r = json_parse(strbuf_text(body), body->length, &document, &error);

	if (r < 0 || json_digest(json_member(document.first, "status")) == seen_digest)
		return r;
	return add_patch(leader, kind, meta, true, body);
}

static int want_pool(struct leader *leader, const struct service_ip_pool *pool,
		     const struct pool_usage *usage)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	int r = pool_finalizer_patch(&body, pool, usage);

	if (r < 0 || body.length)
		return r < 0 ? r : add_patch(leader, OBJECT_SERVICE_IP_POOL, &pool->meta, false, &body);
	if (outbox_holds_back(leader->outbox, loop_now_msec()))
		return 0;
	r = pool_status_patch(&body, pool, usage, loop_wall_usec() / 1000000);
	return r < 0 ? r
		     : add_status(leader, OBJECT_SERVICE_IP_POOL, &pool->meta, pool->status_digest, &body);
}

static int want_pools(struct leader *leader, const struct cluster *cluster)
{
	size_t i;
	int r = 0;

	for (i = 0; i < leader->allocations.n_pools && r == 0; i++) {
		const struct pool_usage *usage = &leader->allocations.pools[i];
		const struct service_ip_pool *pool = cluster_find_pool(cluster, usage->name);

		if (pool &&
		    outbox_is_ready(leader->outbox, OBJECT_SERVICE_IP_POOL, &pool->meta, loop_now_msec()))
			r = want_pool(leader, pool, usage);
	}
	return r;
}

static int want_peers(struct leader *leader, const struct cluster *cluster)
{
	size_t i;
	int r = 0;

	for (i = 0; i < cluster->n_peers && r == 0; i++) {
		cleanup(strbuf_done) struct strbuf body = { 0 };
		const struct bgp_peer *peer = cluster->peers[i];

		if (!outbox_is_ready(leader->outbox, OBJECT_BGP_PEER, &peer->meta, loop_now_msec()))
			continue;
		r = peer_status_patch(&body, peer, cluster, &leader->reports, loop_wall_usec() / 1000000);
		if (r == 0)
			r = add_status(leader, OBJECT_BGP_PEER, &peer->meta, peer->status_digest, &body);
	}
	return r;
}

static int want_advertisements(struct leader *leader, const struct cluster *cluster)
{
	size_t i;
	int r = 0;

	for (i = 0; i < cluster->n_advertisements && r == 0; i++) {
		cleanup(strbuf_done) struct strbuf body = { 0 };
		const struct bgp_advertisement *advertisement = cluster->advertisements[i];

		if (!outbox_is_ready(leader->outbox, OBJECT_BGP_ADVERTISEMENT, &advertisement->meta,
				     loop_now_msec()))
			continue;
		r = advertisement_status_patch(&body, advertisement, cluster, leader->options.default_class,
					       loop_wall_usec() / 1000000);
		if (r == 0)
			r = add_status(leader, OBJECT_BGP_ADVERTISEMENT, &advertisement->meta,
				       advertisement->status_digest, &body);
	}
	return r;
}

static int want_silent_node(struct leader *leader, const struct lb_node *node)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	int r;

	if (!silence_is_due(&leader->silence, node) ||
	    !outbox_is_ready(leader->outbox, OBJECT_LB_NODE, &node->meta, loop_now_msec()))
		return 0;
	r = silence_patch(&body, node, loop_wall_usec() / 1000000);
	return r < 0 ? r : add_patch(leader, OBJECT_LB_NODE, &node->meta, true, &body);
}

static int want_silent_nodes(struct leader *leader, const struct cluster *cluster)
{
	size_t i;
	int r = 0;

	for (i = 0; i < cluster->n_lb_nodes && r == 0; i++)
		r = want_silent_node(leader, cluster->lb_nodes[i]);
	return r;
}

static int refresh_reports(struct leader *leader, const struct cluster *cluster,
			   const struct store_changes *changes)
{
	int r = 0;

	if (!leader->reports_fresh || changes->lb_nodes || changes->others) {
		node_reports_done(&leader->reports);
		r = node_reports_init(&leader->reports, cluster);
		leader->reports_fresh = r == 0;
	}
	return r;
}

/* Allocations follow from everything but the nodes' reports; those only let go what is leaving. */
static bool allocations_stand(const struct leader *leader, const struct store_changes *changes)
{
	return leader->allocated && !changes->others && !changes->services.n && !leader->ledger.n_leaving;
}

static int decide(struct leader *leader, const struct cluster *cluster)
{
	cleanup(arena_done) struct arena arena = { 0 };
	const struct store_changes changes = store_changes(leader->store);
	bool default_class = leader->options.default_class, stand = allocations_stand(leader, &changes);
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
		r = ledger_overlay(&leader->ledger, cluster, default_class, &arena, &overlay);
	if (r == 0)
		r = allocate(&overlay, default_class, &allocations);
	if (r < 0)
		return r;
	allocations_done(&leader->allocations);
	leader->allocations = allocations;
	leader->allocated = true;
	return 0;
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
		r = want_services(leader, cluster);
	if (r == 0)
		r = want_cleanings(leader, cluster);
	if (r == 0)
		r = want_pools(leader, cluster);
	if (r == 0 && !outbox_holds_back(leader->outbox, loop_now_msec())) {
		r = want_peers(leader, cluster);
		if (r == 0)
			r = want_advertisements(leader, cluster);
		if (r == 0)
			r = want_silent_nodes(leader, cluster);
	}
	if (r < 0)
		return r;
	if (leader->ledger.next_msec != UINT64_MAX)
		loop_timer_set(leader->next,
			       leader->ledger.next_msec > now_msec ? leader->ledger.next_msec - now_msec : 0);
	outbox_send(leader->outbox);
	return 0;
}

/* A round looks at every Service. With thousands of them it rests for twice the processor time that it took,
 * so that a stream of changes leaves most of it to others; the first change after a rest waits for nothing.
 */
static void note_duration(struct leader *leader, double seconds, double cpu_seconds)
{
	leader->rest_until_msec = loop_now_msec() + (uint64_t)(cpu_seconds * 2000);
	leader->counts.n_rounds++;
	leader->counts.round_seconds_last = seconds;
	leader->counts.round_seconds_sum += seconds;
}

static void on_round(void *userdata)
{
	struct leader *leader = userdata;
	const struct source_result *result = cluster_source_result(leader->source);
	double began = loop_seconds_of(CLOCK_MONOTONIC),
	       began_cpu = loop_seconds_of(CLOCK_PROCESS_CPUTIME_ID);

	problem_lines_say(&leader->problems, &result->problems);
	if (leader->stopped || !result->delivered)
		return;
	if (!leader->counts.delivered)
		log_info("every list is there: addresses in statuses count as given, now others are given");
	leader->counts.delivered = true;
	if (loop_now_msec() < leader->rest_until_msec) {
		loop_timer_set_earlier(leader->next, leader->rest_until_msec - loop_now_msec());
		return;
	}
	if (do_round(leader) < 0) {
		log_error("out of memory; every address stays as it is, next try in %d s", RETRY_MSEC / 1000);
		loop_timer_set(leader->next, RETRY_MSEC);
	}
	note_duration(leader, loop_seconds_of(CLOCK_MONOTONIC) - began,
		      loop_seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began_cpu);
}

/* Signs of life are no change and bring no round: they are looked for here. */
static void on_look(void *userdata)
{
	struct leader *leader = userdata;
	const struct cluster *cluster = store_cluster(leader->store);
	uint64_t now_msec = loop_now_msec(), wait_msec = RETRY_MSEC;

	if (cluster && leader->counts.delivered &&
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

	if (leader->stopped)
		leader->stopped(leader->stopped_userdata);
	else
		debounce_kick(leader->round);
}

void leader_stop(struct leader *leader, void (*done)(void *userdata), void *userdata)
{
	leader->stopped = done;
	leader->stopped_userdata = userdata;
	outbox_stop(leader->outbox);
	loop_timer_set(leader->next, outbox_is_idle(leader->outbox) ? 0 : STOP_MSEC);
}

bool leader_is_idle(const struct leader *leader)
{
	return outbox_is_idle(leader->outbox);
}

bool leader_has_delivered(const struct leader *leader)
{
	return leader->counts.delivered;
}

void leader_count(const struct leader *leader, struct metrics *metrics)
{
	struct outbox_counts writes = outbox_counts(leader->outbox);
	struct cluster_source_state source = cluster_source_state(leader->source);
	struct metrics counts = leader->counts;

	counts.version = metrics->version;
	counts.leader = metrics->leader;
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
