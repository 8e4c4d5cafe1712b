// SPDX-License-Identifier: Apache-2.0
/* One round from what changed to what stands in the maps and in FRR (see DESIGN "One way for the data").
 *
 * A round: plan what changed, find the steps, execute those that make, tell FRR what may be announced, and
 * keep the steps that break until their routes are withdrawn and the drain delay is over. Whatever fails
 * stays dirty and is tried again with growing delay; a service is dirty until nothing of it is left to do,
 * so an interrupted round is only repeated, never remembered in part.
 *
 * Before every source has delivered its first complete list nothing is done at all: with a part of the
 * objects every step might remove something that serves. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/agent/agent.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/doubling.h"
#include "userspace/base/log.h"

#define RETRY_FIRST_MSEC 100
#define RETRY_MAX_MSEC	 30000
#define UNFIT_FIRST_MSEC DIFF_TABLE_QUARANTINE_MSEC /* what does not fit may fit after it */
#define NAMES_LOGGED	 4
#define LARGE_ROUND	 1000 /* tables and backends written in one round */

/* A withdrawal that bgpd does not confirm is waited for so long, or as long as the longest hold time of a
 * peer. */
#define WITHDRAW_LIMIT_MSEC 10000

/* --- planning ------------------------------------------------------------------------------------ */

struct plan_options agent_plan_options(const struct agent *agent)
{
	struct plan_options options = { .node = agent->node,
					.secret_namespace = agent_source_namespace(agent->source),
					.default_class = agent->options->default_class };

	options.extra_addresses = host_addresses_list(agent->host_addresses, &options.n_extra_addresses);
	return options;
}

static int plan_everything(struct agent *agent, const struct cluster *cluster,
			   const struct plan_options *options)
{
	struct node_plan fresh;
	int r = plan_node(cluster, options, &fresh);

	if (r < 0)
		return r;
	node_plan_done(&agent->plan);
	agent->plan = fresh;
	agent->dirty_all = agent->announce_all = true;
	return 0;
}

static int plan_changed(struct agent *agent, const struct cluster *cluster,
			const struct plan_options *options, const struct strings *changed)
{
	int r = plan_update(&agent->plan, cluster, options, changed);

	if (r < 0)
		return r;
	if (names_unite(&agent->dirty, &agent->plan.touched) < 0)
		agent->dirty_all = true;
	if (names_unite(&agent->unannounced, &agent->plan.touched) < 0)
		agent->announce_all = true;
	return 0;
}

/* Brings `plan` up to date and notes what it touched. *ret_changed: there was something. */
static int refresh_plan(struct agent *agent, const struct cluster *cluster, bool *ret_changed)
{
	struct plan_options options = agent_plan_options(agent);
	struct store_changes changes = store_changes(agent->store);
	int r;

	if (!agent->planned || agent->plan_all || changes.others)
		r = plan_everything(agent, cluster, &options);
	else if (changes.services.n)
		r = plan_changed(agent, cluster, &options, &changes.services);
	else
		return 0;
	if (r < 0)
		return r;
	agent->planned = true;
	agent->plan_all = false;
	agent->generation++;
	store_changes_reset(agent->store);
	*ret_changed = true;
	return 0;
}

static double seconds_now(void)
{
	return loop_seconds_of(CLOCK_MONOTONIC);
}

/* --- steps --------------------------------------------------------------------------------------- */

struct round {
	size_t n_kind[STEP_BACKEND_DELETE + 1];
	size_t n_failed;
	int error; /* the first */
	const char *names[NAMES_LOGGED];
	size_t n_names; /* distinct neighbours; more than NAMES_LOGGED: the rest is only counted */
	const char *last_name;
	double started, planned, made, announced; /* when each part was done, in seconds */
};

static void round_note(struct round *round, const struct step *step)
{
	round->n_kind[step->kind]++;
	if (!step->service || !*step->service ||
	    (round->last_name && !strcmp(round->last_name, step->service)))
		return;
	round->last_name = step->service;
	if (round->n_names < NAMES_LOGGED)
		round->names[round->n_names] = step->service;
	round->n_names++;
}

static void count_one(struct strbuf *out, size_t n, const char *one, const char *many)
{
	if (n)
		strbuf_appendf(out, "%s%zu %s", out->length ? ", " : "", n, n == 1 ? one : many);
}

/* One line for what a phase did; nothing for nothing. */
static void round_log(const struct round *round, const struct agent *agent)
{
	cleanup(strbuf_done) struct strbuf who = { 0 }, what = { 0 };
	size_t i;

	for (i = 0; i < round->n_names && i < NAMES_LOGGED; i++)
		strbuf_appendf(&who, "%s%s", i ? ", " : "", round->names[i]);
	if (round->n_names > NAMES_LOGGED)
		strbuf_appendf(&who, " and %zu more", round->n_names - NAMES_LOGGED);
	count_one(&what, round->n_kind[STEP_FRONTEND_SET], "frontend set", "frontends set");
	count_one(&what, round->n_kind[STEP_FRONTEND_DELETE], "frontend deleted", "frontends deleted");
	count_one(&what, round->n_kind[STEP_BACKEND_SET], "backend set", "backends set");
	count_one(&what, round->n_kind[STEP_BACKEND_DELETE], "backend id freed", "backend ids freed");
	if (what.length)
		log_info("plan %" PRIu64 ": %s%s%s", agent->generation, strbuf_text(&who),
			 who.length ? ": " : "", strbuf_text(&what));
}

/* Moves the selected steps out of `steps`, in order. 0 or -ENOMEM (nothing was moved). */
static int split(struct steps *steps, const bool *selected, size_t n_selected, struct steps *ret)
{
	struct step *moved = calloc(n_selected ? n_selected : 1, sizeof(*moved));
	size_t i, n = 0, kept = 0;

	if (!moved)
		return -ENOMEM;
	for (i = 0; i < steps->n; i++) {
		if (selected[i])
			moved[n++] = steps->items[i];
		else
			steps->items[kept++] = steps->items[i];
	}
	steps->n = kept;
	if (!kept) { /* most rounds leave nothing: the list of a first round is tens of MiB */
		free(steps->items);
		steps->items = NULL;
		steps->capacity = 0;
	}
	*ret = (struct steps){ .items = moved, .n = n, .capacity = n_selected };
	return 0;
}

/* Executes steps of one phase and makes `applied` follow. Those that failed are given back: they are found
 * again by the next round, for their services stay dirty. */
static void execute(struct agent *agent, const struct steps *steps, enum step_phase phase,
		    struct round *round)
{
	cleanup(freep) bool *done = calloc(steps->n ? steps->n : 1, sizeof(*done));
	uint64_t now = loop_now_msec();
	int r = -ENOMEM;
	size_t i;

	if (done && steps->n)
		r = datapath_execute(agent->datapath, steps, phase, done);
	for (i = 0; i < steps->n; i++) {
		if (done && done[i]) {
			diff_commit(agent->applied, &steps->items[i], now);
			round_note(round, &steps->items[i]);
			continue;
		}
		diff_abort(agent->applied, &steps->items[i]);
		round->n_failed++;
		if (!round->error)
			round->error = r < 0 ? r : -EIO;
	}
}

static void schedule_retry(struct agent *agent, const struct round *round)
{
	uint64_t delay = doubled(RETRY_FIRST_MSEC, agent->failures, RETRY_MAX_MSEC);

	if (!agent->failures++)
		log_warn("data path: %zu steps were not executed (%s); what stood before stays in force, "
			 "retry in %" PRIu64 " ms",
			 round->n_failed, strerror(-round->error), delay);
	agent->n_reconcile_failures++;
	loop_timer_set_earlier(agent->retry, delay);
}

static void note_success(struct agent *agent)
{
	if (agent->failures)
		log_info("data path: all steps are executed again, after %u rounds with failures",
			 agent->failures);
	agent->failures = 0;
}

/* Gives back what the last round left waiting; the next diff finds it again if it is still wanted. Before
 * the plan changes: steps borrow from it. */
static void abort_waiting(struct agent *agent)
{
	size_t i;

	for (i = 0; i < agent->steps.n; i++)
		diff_abort(agent->applied, &agent->steps.items[i]);
	steps_done(&agent->steps);
	agent->steps = (struct steps){ 0 };
}

/* Executes what makes; what breaks stays in agent->steps. */
static int make(struct agent *agent, struct round *round)
{
	struct strings dirty = names_view(&agent->dirty);
	cleanup(steps_done) struct steps steps = { 0 };
	cleanup(freep) bool *selected = NULL;
	size_t i, n = 0;
	int r;

	if (!agent->dirty_all && !agent->settle && !dirty.n)
		return 0;
	r = diff_plan(agent->applied, &agent->plan, agent->dirty_all ? NULL : &dirty, loop_now_msec(),
		      &agent->steps);
	if (r < 0) {
		agent->dirty_all = true; /* as diff_plan() asks for after a failure */
		return r;
	}
	agent->settle = false;
	selected = calloc(agent->steps.n ? agent->steps.n : 1, sizeof(*selected));
	if (!selected)
		return -ENOMEM;
	for (i = 0; i < agent->steps.n; i++)
		n += selected[i] = agent->steps.items[i].phase == STEP_MAKE;
	r = split(&agent->steps, selected, n, &steps);
	if (r < 0)
		return r;
	execute(agent, &steps, STEP_MAKE, round);
	round_log(round, agent);
	return retiring_update(&agent->retiring, &agent->steps, loop_now_msec());
}

/* --- announcing ---------------------------------------------------------------------------------- */

static int decide_routes(struct agent *agent, const struct cluster *cluster)
{
	struct plan_options options = agent_plan_options(agent);
	struct strings changed = names_view(&agent->unannounced);
	struct accepted accepted = accepted_view(&agent->accepted);
	struct routes routes;
	int r;

	r = routes_book_update(agent->routes_book, cluster, &options, &agent->plan,
			       agent->announce_all ? NULL : &changed, &accepted, &routes);
	if (r < 0) {
		agent->announce_all = true;
		return r;
	}
	routes_done(&agent->routes);
	agent->routes = routes;
	names_done(&agent->unannounced);
	agent->announce_all = false;
	return 0;
}

static int announce(struct agent *agent, const struct cluster *cluster)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(accepted_done) struct accepted_set accepted = { 0 };
	int r;

	r = accepted_decide(&agent->plan, agent->applied, agent->accepted_known ? &agent->accepted : NULL,
			    &accepted);
	if (r < 0)
		return r;
	accepted_done(&agent->accepted);
	agent->accepted = accepted;
	accepted = (struct accepted_set){ 0 };
	agent->accepted_known = true;
	r = decide_routes(agent, cluster);
	if (r < 0)
		return r;
	r = frr_want(agent->frr, cluster, agent->node, &agent->routes, &problems);
	problems_done(&agent->frr_problems);
	agent->frr_problems = problems;
	problems = (struct problems){ 0 };
	if (r < 0)
		agent->announce_all = true;
	return r;
}

/* --- breaking ------------------------------------------------------------------------------------ */

static struct retiring_times break_times(struct agent *agent)
{
	struct retiring_times times = { .drain_msec = agent->options->drain_delay_msec,
					.limit_msec = WITHDRAW_LIMIT_MSEC };
	const struct cluster *cluster = store_cluster(agent->store);
	uint64_t hold_msec;
	size_t i;

	for (i = 0; cluster && i < cluster->n_peers; i++) {
		hold_msec = (uint64_t)cluster->peers[i]->hold_time_sec * 1000;
		if (hold_msec > times.limit_msec)
			times.limit_msec = hold_msec;
	}
	return times;
}

/* Is it certain that no router sends to the address any more because of a route of ours? What FRR does not
 * announce is known only once it was in sync with us; an FRR that does not answer tells nothing, and
 * retiring's limit decides. */
static bool is_withdrawn(const struct agent *agent, const struct addr *addr)
{
	struct prefix prefix = prefix_host(addr);

	if (!strcmp(frr_daemon_state(agent->frr), "connected"))
		return frr_in_sync(agent->frr) || (agent->frr_known && !frr_announces(agent->frr, &prefix));
	return !agent->n_peers && !strcmp(frr_daemon_state(agent->frr), "not running");
}

static void mark_withdrawn(struct agent *agent, uint64_t now)
{
	size_t i;

	for (i = 0; i < agent->retiring.n; i++)
		if (agent->retiring.items[i].withdrawn_msec == UINT64_MAX &&
		    is_withdrawn(agent, &agent->retiring.items[i].addr))
			retiring_withdrawn(&agent->retiring.items[i], now);
}

static void log_given_up(const struct agent *agent, const struct steps *steps)
{
	size_t i, n = 0;

	for (i = 0; i < steps->n; i++)
		n += steps->items[i].kind == STEP_FRONTEND_DELETE &&
		     !is_withdrawn(agent, &steps->items[i].frontend.addr);
	if (n)
		log_warn("FRR is %s: %zu frontends are deleted without a confirmed withdrawal, for the "
			 "peers' hold time is over",
			 frr_daemon_state(agent->frr), n);
}

/* Nothing waits and nothing failed: all services are clean. */
static void finish(struct agent *agent)
{
	if (!agent->steps.n) /* names and tables of steps that are done; problems stay to be shown */
		arena_done(&agent->steps.arena);
	if (agent->steps.n || agent->failures || agent->steps.problems.n)
		return;
	names_done(&agent->dirty);
	agent->dirty_all = false;
	agent->converged = true;
}

/* While a step that makes has not been executed, the frontend that it was for still uses what was to go
 * after it. */
static size_t keep_deletions_only(const struct steps *steps, bool *selected)
{
	size_t i, n = 0;

	for (i = 0; i < steps->n; i++)
		n += selected[i] = selected[i] && steps->items[i].kind == STEP_FRONTEND_DELETE;
	return n;
}

static void break_now(struct agent *agent)
{
	cleanup(freep) bool *selected = calloc(agent->steps.n, sizeof(*selected));
	struct retiring_times times = break_times(agent);
	cleanup(steps_done) struct steps steps = { 0 };
	uint64_t now = loop_now_msec(), next = UINT64_MAX;
	struct round round = { 0 };
	size_t n;

	if (!selected)
		return;
	mark_withdrawn(agent, now);
	n = retiring_select(&agent->retiring, &agent->steps, &times, now, selected, &next);
	if (next != UINT64_MAX)
		loop_timer_set(agent->breaking, next > now ? next - now : 1);
	if (agent->failures)
		n = keep_deletions_only(&agent->steps, selected);
	if (!n || split(&agent->steps, selected, n, &steps) < 0)
		return;
	log_given_up(agent, &steps);
	execute(agent, &steps, STEP_BREAK, &round);
	round_log(&round, agent);
	if (round.n_failed)
		schedule_retry(agent, &round);
	if (round.n_kind[STEP_TABLE_FREE] || round.n_kind[STEP_FRONTEND_DELETE]) {
		agent->settle = true; /* a backend may have been named by such a table to the end */
		debounce_kick(agent->reconcile);
	}
	finish(agent);
}

void agent_break(struct agent *agent)
{
	agent->frr_known |= frr_in_sync(agent->frr);
	if (agent->steps.n)
		break_now(agent);
}

/* --- the round ----------------------------------------------------------------------------------- */

/* Without the controller's answers Services look as if they had no addresses: on a fresh node that may be so, but not where
 * frontends stand in the maps already. */
static bool sources_delivered(struct agent *agent)
{
	const struct source_result *result = agent_source_result(agent->source);

	if (!agent->delivered && result->delivered && !(result->statuses_missing && agent->adopted)) {
		agent->delivered = true;
		log_info("%s: read; from now on the objects there decide",
			 agent->options->manifests ? agent->options->manifests : "Kubernetes API");
	}
	return agent->delivered;
}

static int run_round(struct agent *agent, struct round *round)
{
	const struct cluster *cluster = store_cluster(agent->store);
	struct datapath_options datapath;
	bool changed = false;
	int r;

	if (!cluster)
		return -ENOMEM;
	abort_waiting(agent);
	r = refresh_plan(agent, cluster, &changed);
	if (r < 0)
		return r;
	round->planned = seconds_now();
	if (agent_datapath_options(agent, cluster, &datapath)) {
		r = datapath_update_options(agent->datapath, &datapath);
		agent->datapath_told = r >= 0;
		if (r < 0)
			log_warn("interfaces and SNAT addresses stay as they were: %s", strerror(-r));
	}
	r = make(agent, round);
	if (r < 0)
		return r;
	round->made = seconds_now();
	/* What is accepted depends on the plan and on frontends alone; a failed announcement is made up
	 * for. */
	if (changed || agent->announce_all || agent->unannounced.n || round->n_kind[STEP_FRONTEND_SET])
		r = announce(agent, cluster);
	round->announced = seconds_now();
	return r;
}

static void note_duration(struct agent *agent, const struct round *round)
{
	double now = seconds_now();

	agent->n_reconciles++;
	agent->reconcile_seconds_last = now - round->started;
	agent->reconcile_seconds_sum += agent->reconcile_seconds_last;
	if (round->made > 0 && (round->n_kind[STEP_FRONTEND_SET] || round->n_kind[STEP_BACKEND_SET])) {
		agent->maps_seconds_last = round->made - round->started;
		histogram_add(&agent->maps_seconds, agent->maps_seconds_last);
		if (agent->changed_usec)
			histogram_add(&agent->event_to_maps, round->made - (double)agent->changed_usec / 1e6);
		agent->maps_changed_sec = loop_seconds_of(CLOCK_REALTIME) - (now - round->made);
	}
	agent->changed_usec = 0;
	if (round->announced > 0)
		log_debug("round %" PRIu64
			  ": plan %.2f ms, maps %.2f ms, announcements %.2f ms, the rest %.2f ms",
			  agent->n_reconciles, (round->planned - round->started) * 1e3,
			  (round->made - round->planned) * 1e3, (round->announced - round->made) * 1e3,
			  (now - round->announced) * 1e3);
}

void agent_reconcile(struct agent *agent)
{
	struct round round = { .started = seconds_now() };
	int r;

	if (!sources_delivered(agent)) {
		agent_update_problems(agent);
		return;
	}
	agent->converged = false;
	if (!agent->changed_usec) /* the store may hold more than was told: this round takes it along */
		agent->changed_usec = agent_source_changed_usec(agent->source);
	r = run_round(agent, &round);
	if (r < 0) {
		round.n_failed += !round.n_failed;
		round.error = r;
	}
	agent_update_problems(agent);
	if (round.n_failed)
		schedule_retry(agent, &round);
	else
		note_success(agent);
	if (agent->steps.problems.n)
		loop_timer_set_earlier(agent->retry, doubled(UNFIT_FIRST_MSEC, agent->unfit_rounds++, RETRY_MAX_MSEC));
	else
		agent->unfit_rounds = 0;
	agent_break(agent);
	finish(agent);
	if (round.n_kind[STEP_TABLE_WRITE] + round.n_kind[STEP_BACKEND_SET] >= LARGE_ROUND)
		malloc_trim(0); /* its steps and tables were as large as all that stays */
	note_duration(agent, &round);
}
