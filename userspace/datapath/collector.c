// SPDX-License-Identifier: Apache-2.0
/* An id is reported as unused when two whole rounds that began after it was retired met no flow with it: a
 * packet that was under way when it was retired may have opened one behind the first round's back. */
#include "userspace/datapath/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/datapath/clock.h"
#include "userspace/datapath/expiry.h"

#define TURN_USEC      (50 * 1000)
#define ROUND_TURNS    200  /* a round takes 10 s while flows are few: a flow clock tick is three rounds */
#define TURN_BUCKETS   256  /* or less time, where tables are small: this many cost nothing */
#define TURN_WORK_USEC 2000 /* and more where flows are many (760,000: 15 to 30 s) */
#define STEP_BUCKETS   32   /* between two looks at the clock */
#define RETIRED_ROUNDS 2

struct id_state {	     /* of a frontend or backend */
	uint32_t flows;	     /* met in this round */
	uint32_t last_flows; /* in the round before */
	uint8_t retired;     /* rounds that began while it was retired */
	bool met_since;	     /* a flow was met in one of those */
};

struct collector {
	struct tables *tables;
	struct flow_tables flows;
	sd_event_source *timer;
	uint64_t clock_base_sec, clock_start_sec;
	struct id_state *frontends, *backends;
	unsigned table;	 /* 0-1: flows, 2-3: replies */
	uint32_t bucket; /* next in it */
	struct collector_totals totals;
	uint64_t live; /* met in this round */
	datapath_unused_fn *on_unused;
	void *userdata;
	uint32_t *unused[2]; /* frontends, backends: room for the report */
	size_t n_unused[2], unused_capacity[2];
};

/* --- the flow clock --------------------------------------------------------------------------- */

/* It goes on from where the last agent left it: the time without an agent does not count as idle. */
static void clock_start(struct collector *collector)
{
	collector->clock_base_sec = (uint64_t)collector->tables->settings->tick * LB_TICK_SEC;
	collector->clock_start_sec = monotonic_usec() / 1000000;
}

static void clock_update(struct collector *collector)
{
	uint64_t now = collector->clock_base_sec + monotonic_usec() / 1000000 - collector->clock_start_sec;
	uint32_t tick = now / LB_TICK_SEC, *word = &collector->tables->settings->tick;

	if (*word != tick)
		__atomic_store_n(word, tick, __ATOMIC_RELEASE);
}

/* --- one slot --------------------------------------------------------------------------------- */

static bool frontend_known(const struct tables *tables, uint32_t handle)
{
	uint32_t id = lb_handle_id(handle);

	return id < tables->n_frontends && tables->frontends[id].life != LB_EMPTY &&
	       lb_handle(id, tables->frontends[id].generation) == handle;
}

static bool backend_known(const struct tables *tables, uint32_t handle)
{
	uint32_t id = lb_handle_id(handle);

	return id < tables->n_backends && backend_life(&tables->backends[id]) != LB_EMPTY &&
	       lb_handle(id, tables->backends[id].generation) == handle;
}

static struct flow_facts flow_facts(const struct collector *collector, const struct flow_slot *flow,
				    const struct flow_slot *reply)
{
	const struct tables *tables = collector->tables;
	uint32_t frontend = lb_control_frontend(flow->control), backend = lb_control_backend(flow->control);
	struct flow_facts facts = {
		.tick = tables->settings->tick,
		.second = (uint32_t)(monotonic_usec() / 1000000),
		.control = flow->control,
		.has_reply = reply != NULL,
		.reply_control = reply ? reply->control : 0,
		.frontend_known = frontend_known(tables, frontend),
		.backend_known = backend_known(tables, backend),
	};

	if (facts.frontend_known) {
		const struct lb_frontend *entry = &tables->frontends[lb_handle_id(frontend)];

		facts.protocol = entry->protocol;
		facts.frontend_retired = entry->life == LB_RETIRED;
	}
	if (facts.backend_known)
		facts.backend_gone = tables->backends[lb_handle_id(backend)].state == LB_BACKEND_GONE;
	return facts;
}

static void meet(struct id_state *ids, uint32_t n, uint32_t handle, bool count)
{
	uint32_t id = lb_handle_id(handle);

	if (id >= n)
		return;
	ids[id].flows += count;
	ids[id].met_since = true;
}

static void meet_slot(struct collector *collector, const struct flow_slot *slot, bool count)
{
	meet(collector->frontends, collector->tables->n_frontends, lb_control_frontend(slot->control), count);
	meet(collector->backends, collector->tables->n_backends, lb_control_backend(slot->control), count);
}

static void visit_flow(struct collector *collector, bool ipv6, const struct flow_slot *flow)
{
	struct flow_slot reply;
	bool has_reply = flow_find_reply(&collector->flows, ipv6, flow, &reply);
	struct flow_facts facts = flow_facts(collector, flow, has_reply ? &reply : NULL);

	/* The reply's control was read before the flow is freed: an opener that adopts it changes its
	 * version. */
	if (flow_is_over(&facts) && flow_slot_free(flow)) {
		collector->totals.freed++;
		if (!has_reply || flow_slot_free(&reply))
			return;
		flow = &reply; /* adopted by a new flow of the same client */
	}
	collector->live++;
	meet_slot(collector, flow, true);
}

/* A flow that chose another backend left this one behind. */
static void visit_reply(struct collector *collector, bool ipv6, const struct flow_slot *reply)
{
	struct flow_slot flow;
	bool known = frontend_known(collector->tables, lb_control_frontend(reply->control)) &&
		     backend_known(collector->tables, lb_control_backend(reply->control));

	if (!flow_find_forward(&collector->flows, ipv6, reply, &flow) &&
	    (!known || orphan_is_over(reply->control, collector->tables->settings->tick,
				      (uint32_t)(monotonic_usec() / 1000000))) &&
	    flow_slot_free(reply)) {
		collector->totals.freed_orphans++;
		return;
	}
	meet_slot(collector, reply, false);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static const struct flow_table *current_table(const struct collector *collector)
{
	return collector->table < 2 ? &collector->flows.flows[collector->table]
				    : &collector->flows.replies[collector->table - 2];
}

static void visit_bucket(struct collector *collector, const struct flow_table *table, uint32_t bucket)
{
	struct flow_slot slot;

	for (unsigned i = 0; i < LB_SLOTS; i++) {
		if (!flow_slot_read(table, bucket, i, &slot))
			continue;
		if (table->replies)
			visit_reply(collector, table->ipv6, &slot);
		else
			visit_flow(collector, table->ipv6, &slot);
	}
}

static void report(struct collector *collector, int which, uint32_t id)
{
	/* Without memory the report waits for the next round. */
	if (array_reserve(collector->unused[which], collector->n_unused[which],
			  collector->unused_capacity[which]) == 0)
		collector->unused[which][collector->n_unused[which]++] = id;
}

/* At the end of a round: whose id is free, and which ids wait from now on. */
static void settle_ids(struct collector *collector, int which, struct id_state *ids, uint32_t n)
{
	const struct tables *tables = collector->tables;

	for (uint32_t id = 0; id < n; id++) {
		bool retired = which == 0 ? tables->frontends[id].life == LB_RETIRED
					  : backend_life(&tables->backends[id]) != LB_EMPTY &&
						    (backend_life(&tables->backends[id]) == LB_RETIRED ||
						     tables->backends[id].state == LB_BACKEND_GONE);

		ids[id].last_flows = ids[id].flows;
		ids[id].flows = 0;
		if (!retired || ids[id].met_since)
			ids[id].retired = retired;
		else if (ids[id].retired < RETIRED_ROUNDS)
			ids[id].retired++;
		else
			report(collector, which, id);
		ids[id].met_since = false;
	}
}

static void round_end(struct collector *collector)
{
	struct tables *tables = collector->tables;

	collector->n_unused[0] = collector->n_unused[1] = 0;
	settle_ids(collector, 0, collector->frontends, tables->n_frontends);
	settle_ids(collector, 1, collector->backends, tables->n_backends);
	collector->totals.live = collector->live;
	collector->totals.rounds++;
	collector->live = 0;
	for (size_t i = 0; i < collector->n_unused[0]; i++)
		tables_free_frontend(tables, collector->unused[0][i]);
	if (collector->on_unused && (collector->n_unused[0] || collector->n_unused[1]))
		collector->on_unused(collector->userdata, collector->unused[1], collector->n_unused[1],
				     collector->unused[0], collector->n_unused[0]);
}

bool collector_step(struct collector *collector, uint32_t n_buckets)
{
	clock_update(collector);
	while (n_buckets--) {
		const struct flow_table *table = current_table(collector);

		visit_bucket(collector, table, collector->bucket);
		if (++collector->bucket < table->buckets)
			continue;
		collector->bucket = 0;
		if (++collector->table < 4)
			continue;
		collector->table = 0;
		round_end(collector);
		return true;
	}
	return false;
}

uint32_t collector_round_buckets(const struct collector *collector)
{
	return 2 * (collector->flows.flows[0].buckets + collector->flows.flows[1].buckets);
}

static int on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
	struct collector *collector = userdata;
	uint32_t share = collector_round_buckets(collector) / ROUND_TURNS, done = 0;
	uint64_t deadline = monotonic_usec() + TURN_WORK_USEC;

	if (share < TURN_BUCKETS)
		share = TURN_BUCKETS;
	while (done < share && monotonic_usec() < deadline && !collector_step(collector, STEP_BUCKETS))
		done += STEP_BUCKETS;
	return sd_event_source_set_time_relative(source, TURN_USEC);
}

/* --- life ------------------------------------------------------------------------------------- */

int collector_new(struct sd_event *event, struct tables *tables, struct collector **ret)
{
	struct collector *collector = calloc(1, sizeof(*collector));
	int r = 0;

	if (!collector)
		return -ENOMEM;
	collector->tables = tables;
	collector->frontends = calloc(tables->n_frontends, sizeof(*collector->frontends));
	collector->backends = calloc(tables->n_backends, sizeof(*collector->backends));
	if (!collector->frontends || !collector->backends)
		r = -ENOMEM;
	flow_tables_init(&collector->flows, tables->maps, tables->settings->seed);
	clock_start(collector);
	if (r == 0 && event)
		r = sd_event_add_time_relative(event, &collector->timer, CLOCK_MONOTONIC, TURN_USEC,
					       TURN_USEC / 4, on_timer, collector);
	if (r >= 0 && event)
		r = sd_event_source_set_enabled(collector->timer, SD_EVENT_ON);
	if (r < 0) {
		collector_free(collector);
		return r;
	}
	*ret = collector;
	return 0;
}

void collector_free(struct collector *collector)
{
	if (!collector)
		return;
	sd_event_source_disable_unref(collector->timer);
	free(collector->frontends);
	free(collector->backends);
	free(collector->unused[0]);
	free(collector->unused[1]);
	free(collector);
}

void collector_on_unused(struct collector *collector, datapath_unused_fn *fn, void *userdata)
{
	collector->on_unused = fn;
	collector->userdata = userdata;
}

uint32_t collector_frontend_flows(const struct collector *collector, uint32_t frontend_id)
{
	return frontend_id < collector->tables->n_frontends ? collector->frontends[frontend_id].last_flows
							    : 0;
}

struct collector_totals collector_totals(const struct collector *collector)
{
	return collector->totals;
}
