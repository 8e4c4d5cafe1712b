/* SPDX-License-Identifier: Apache-2.0 */
/* The flow collector (EDGE): walks the flow tables in rounds, a little with each turn of its timer; frees
 * flows that are over, counts those that live, and finds ids that no flow holds any more. It also runs the
 * flow clock. */
#ifndef FAIRWAY_DATAPATH_COLLECTOR_H
#define FAIRWAY_DATAPATH_COLLECTOR_H

#include "userspace/datapath/datapath.h"
#include "userspace/datapath/flows.h"
#include "userspace/datapath/tables.h"

struct collector;

/* `event` NULL: no timers, the caller drives collector_step(). */
int collector_new(struct sd_event *event, struct tables *, struct collector **ret);
void collector_free(struct collector *);
void collector_on_unused(struct collector *, datapath_unused_fn *, void *userdata);

/* Visits up to that many buckets; true when this ended a round. */
bool collector_step(struct collector *, uint32_t n_buckets);
uint32_t collector_round_buckets(const struct collector *); /* in one round, all tables together */
uint32_t collector_frontend_flows(const struct collector *,
				  uint32_t frontend_id); /* live ones, from the last round */

struct collector_totals {
	uint64_t live, freed, freed_orphans, rounds;
};
struct collector_totals collector_totals(const struct collector *);

#endif
