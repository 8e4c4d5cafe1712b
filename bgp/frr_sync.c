// SPDX-License-Identifier: Apache-2.0
/* One daemon's configuration: see frr_sync.h. The commands of a batch are sent from the event loop one by one, so that ten
 * thousand networks block nothing; what is wanted anew meanwhile cuts the batch short, for a withdrawal must not wait. */
#include "bgp/frr_sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bgp/frr_state.h"
#include "bgp/vty.h"
#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/sorted.h"

#define COMMAND_TIMEOUT_MSEC 3000
#define TOLD_MAX	     20 /* lines of log about one batch */
#define READ_TIMEOUT_MSEC    10000 /* a bgpd with full tables takes its time */

enum doing { NOTHING, READING, APPLYING, LEAVING, ASKING };

struct frr_sync {
	struct frr_daemon *daemon;
	enum frr_sync_daemon which;
	struct frr_sync_events events;
	void *userdata;
	const struct frr_config *wanted; /* NULL: not known yet */
	struct frr_config running;
	size_t networks_capacity; /* of running.networks */
	bool seeded;		  /* `running` is what it ran when last read */
	bool stale;		  /* read it again first */
	bool dirty;		  /* compare again */
	bool done;		  /* compared: no difference */
	bool settled;
	enum doing doing;
	struct frr_commands batch;
	size_t next;		/* of the batch: what is on its way, or to be sent */
	bool cut;		/* end this batch before its end */
	uint64_t last_batch;	/* digest of the last batch that was applied in full; 0: none since something changed */
	bool told;		/* that this one does not take effect */
	uint64_t commands;
	frr_sync_answer_fn *answer;
};

static const char *daemon_name(const struct frr_sync *sync)
{
	return sync->which == FRR_BGPD ? "bgpd" : "bfdd";
}

static void step(struct frr_sync *sync);

static void set_done(struct frr_sync *sync, bool done)
{
	bool changed = sync->done != done;

	sync->done = done;
	if (changed)
		sync->events.changed(sync->userdata);
}

/* --- reading --------------------------------------------------------------------------------------------- */

static void on_running(void *userdata, int status, const char *text)
{
	struct frr_sync *sync = userdata;
	struct frr_config running;

	sync->doing = NOTHING;
	if (status != VTY_OK || frr_state_parse_config(text, &running) < 0) {
		log_warn("%s does not tell its running configuration (status %d); asking again in a while", daemon_name(sync),
			 status);
		sync->stale = false; /* the next check asks again */
		sync->dirty = false;
		set_done(sync, false);
		return;
	}
	frr_config_done(&sync->running);
	sync->running = running;
	sync->networks_capacity = running.n_networks;
	sync->seeded = true;
	sync->stale = false;
	sync->dirty = true;
	sync->events.changed(sync->userdata);
	step(sync);
}

/* --- applying -------------------------------------------------------------------------------------------- */

static size_t network_position(const struct frr_config *config, const struct prefix *prefix, bool *ret_found)
{
	size_t at =
		sorted_place(config->n_networks, i, prefix_compare(&config->networks[i].prefix, prefix) < 0);

	*ret_found = at < config->n_networks && !prefix_compare(&config->networks[at].prefix, prefix);
	return at;
}

static int network_insert(struct frr_sync *sync, size_t position, const struct frr_network *network)
{
	struct frr_config *running = &sync->running;

	if (array_reserve(running->networks, running->n_networks, sync->networks_capacity) < 0)
		return -ENOMEM;
	memmove(&running->networks[position + 1], &running->networks[position],
		(running->n_networks - position) * sizeof(*network));
	running->networks[position] = *network;
	running->n_networks++;
	return 0;
}

/* bgpd has acknowledged it: so it stands in what runs. One that goes is marked and taken out with the others at the end of
 * the batch: closing ten thousand gaps one by one would cost more than bgpd does. */
static void network_acknowledged(struct frr_sync *sync, const struct frr_network *network)
{
	struct frr_config *running = &sync->running;
	size_t position;
	bool found;

	position = network_position(running, &network->prefix, &found);
	if (found) {
		running->networks[position] = *network;
		running->networks[position].gone = !network->class;
	} else if (network->class && network_insert(sync, position, network) < 0) {
		sync->stale = true; /* read it again when there is memory */
	}
}

static void networks_compact(struct frr_config *running)
{
	size_t i, kept = 0;

	for (i = 0; i < running->n_networks; i++)
		if (!running->networks[i].gone)
			running->networks[kept++] = running->networks[i];
	running->n_networks = kept;
}

static uint64_t batch_digest(const struct frr_commands *batch)
{
	uint64_t digest = 1;
	size_t i;

	for (i = 0; i < batch->n; i++)
		digest = XXH64(batch->items[i].text, strlen(batch->items[i].text) + 1, digest);
	return digest;
}

static void log_resets(const struct frr_sync *sync)
{
	const char *last = NULL, *peer;
	size_t i;

	for (i = 0; i < sync->batch.n; i++) {
		peer = sync->batch.items[i].resets;
		if (peer && (!last || strcmp(peer, last)))
			log_warn("BGPPeer %s: a changed field resets its session (%s)", peer,
				 sync->batch.items[i].secret ? "password" : sync->batch.items[i].text);
		if (peer)
			last = peer;
	}
}

static void send_next(struct frr_sync *sync);

static void batch_end(struct frr_sync *sync, bool complete)
{
	networks_compact(&sync->running);
	if (!sync->batch.networks_only)
		sync->stale = true;
	sync->last_batch = complete ? batch_digest(&sync->batch) : 0;
	frr_commands_done(&sync->batch);
	sync->doing = NOTHING;
	sync->cut = false;
	step(sync);
}

static void on_left(void *userdata, int status _unused_, const char *text _unused_)
{
	batch_end(userdata, false);
}

/* "no network" of one that is not there is what we wanted. */
static bool is_harmless(const struct frr_command *command, int status)
{
	return status == VTY_OK || (status == VTY_FAILED && command->is_network && !command->network.class);
}

static void on_applied(void *userdata, int status, const char *text)
{
	struct frr_sync *sync = userdata;
	const struct frr_command *command = &sync->batch.items[sync->next++];

	sync->commands++;
	log_debug("%s: %s: %d", daemon_name(sync), command->secret ? "(a password)" : command->text, status);
	if (!is_harmless(command, status))
		log_warn("%s refuses \"%s\": %.*s", daemon_name(sync), command->secret ? "(a password)" : command->text,
			 command->secret ? 0 : (int)strcspn(text, "\r\n"), text);
	else if (command->is_network)
		network_acknowledged(sync, &command->network);
	send_next(sync);
}

static void send_next(struct frr_sync *sync)
{
	if (sync->next == sync->batch.n) {
		batch_end(sync, true);
	} else if (sync->cut) {
		sync->doing = LEAVING; /* out of whatever node it is in */
		frr_daemon_ask(sync->daemon, "end", COMMAND_TIMEOUT_MSEC, on_left);
	} else {
		frr_daemon_ask(sync->daemon, sync->batch.items[sync->next].text, COMMAND_TIMEOUT_MSEC, on_applied);
	}
}

static int compare(struct frr_sync *sync, struct frr_commands *ret)
{
	switch (sync->which) {
	case FRR_BGPD:
		return frr_diff_bgpd(&sync->running, sync->wanted, ret);
	case FRR_BFDD:
		return frr_diff_bfdd(&sync->running, sync->wanted, sync->settled, ret);
	}
	return -EINVAL;
}

/* This very batch was applied just before, and here it is again. */
static void tell_no_effect(struct frr_sync *sync, const struct frr_commands *batch)
{
	size_t i;

	if (sync->told)
		return;
	sync->told = true;
	for (i = 0; i < batch->n && i < TOLD_MAX; i++)
		log_warn("%s: \"%s\" (%zu of %zu) had no effect; trying again when something changes", daemon_name(sync),
			 batch->items[i].secret ? "(a password)" : batch->items[i].text, i + 1, batch->n);
}

static void start_batch(struct frr_sync *sync)
{
	struct frr_commands batch;

	sync->dirty = false;
	if (compare(sync, &batch) < 0) {
		log_error("out of memory while comparing %s's configuration; trying again in a while", daemon_name(sync));
		set_done(sync, false);
		return;
	}
	if (batch.conflict) {
		if (!sync->told)
			log_error("%s: %s: nothing is configured until it is gone", daemon_name(sync), batch.conflict);
		sync->told = true;
		set_done(sync, false);
		return;
	}
	if (!batch.n) {
		frr_commands_done(&batch);
		sync->last_batch = 0;
		sync->told = false;
		set_done(sync, true);
		return;
	}
	if (sync->last_batch && batch_digest(&batch) == sync->last_batch) {
		tell_no_effect(sync, &batch);
		frr_commands_done(&batch);
		set_done(sync, false);
		return;
	}
	sync->batch = batch;
	sync->next = 0;
	sync->doing = APPLYING;
	sync->dirty = true; /* compare again afterwards */
	set_done(sync, false);
	log_resets(sync);
	send_next(sync);
}

/* --- what to do next ------------------------------------------------------------------------------------- */

static void step(struct frr_sync *sync)
{
	if (sync->doing != NOTHING || !frr_daemon_is_idle(sync->daemon))
		return;
	if (sync->stale) {
		sync->doing = READING;
		frr_daemon_ask(sync->daemon, "show running-config", READ_TIMEOUT_MSEC, on_running);
		return;
	}
	if (sync->wanted && sync->seeded && sync->dirty)
		start_batch(sync);
	if (sync->doing == NOTHING && frr_daemon_is_idle(sync->daemon))
		sync->events.idle(sync->userdata);
}

static void on_ready(void *userdata)
{
	struct frr_sync *sync = userdata;

	sync->stale = true;
	sync->last_batch = 0;
	sync->told = false;
	sync->events.changed(sync->userdata);
	step(sync);
}

static void on_lost(void *userdata)
{
	struct frr_sync *sync = userdata;

	frr_commands_done(&sync->batch);
	sync->doing = NOTHING;
	sync->cut = false;
	sync->stale = true;
	sync->done = false;
	sync->events.changed(sync->userdata);
}

static void on_answer(void *userdata, int status, const char *text)
{
	struct frr_sync *sync = userdata;
	frr_sync_answer_fn *answer = sync->answer;

	sync->doing = NOTHING;
	sync->answer = NULL;
	answer(sync->userdata, status == VTY_OK ? text : "");
	step(sync);
}

/* --- for the driver ---------------------------------------------------------------------------------------- */

int frr_sync_new(struct sd_event *event, const char *vty_dir, enum frr_sync_daemon which,
		 const struct frr_sync_events *events, void *userdata, struct frr_sync **ret)
{
	static const struct frr_daemon_events daemon_events = { .ready = on_ready, .lost = on_lost };
	struct frr_sync *sync = calloc(1, sizeof(*sync));
	int r;

	if (!sync)
		return -ENOMEM;
	sync->which = which;
	sync->events = *events;
	sync->userdata = userdata;
	r = frr_daemon_new(event, vty_dir, daemon_name(sync), &daemon_events, sync, &sync->daemon);
	if (r < 0) {
		free(sync);
		return r;
	}
	*ret = sync;
	return 0;
}

void frr_sync_free(struct frr_sync *sync)
{
	if (!sync)
		return;
	frr_daemon_free(sync->daemon);
	frr_commands_done(&sync->batch);
	frr_config_done(&sync->running);
	free(sync);
}

void frr_sync_want(struct frr_sync *sync, const struct frr_config *wanted)
{
	sync->wanted = wanted;
	sync->dirty = true;
	sync->cut = sync->doing == APPLYING;
	sync->last_batch = 0;
	sync->told = false;
	sync->done = false; /* the caller knows */
	step(sync);
}

void frr_sync_check(struct frr_sync *sync)
{
	sync->stale = true;
	step(sync);
}

void frr_sync_settled(struct frr_sync *sync, bool settled)
{
	if (sync->settled == settled)
		return;
	sync->settled = settled;
	sync->dirty = true;
	sync->done = false; /* the caller knows */
	step(sync);
}

enum frr_link frr_sync_link(const struct frr_sync *sync)
{
	return frr_daemon_link(sync->daemon);
}

bool frr_sync_done(const struct frr_sync *sync)
{
	return sync->done && frr_sync_link(sync) == FRR_CONNECTED;
}

uint64_t frr_sync_commands(const struct frr_sync *sync)
{
	return sync->commands;
}

bool frr_sync_announces(const struct frr_sync *sync, const struct prefix *prefix)
{
	size_t position;
	bool found;

	if (frr_sync_link(sync) == FRR_NOT_RUNNING || !sync->seeded)
		return false;
	position = network_position(&sync->running, prefix, &found);
	return found && sync->running.networks[position].class;
}

size_t frr_sync_unstick(struct frr_sync *sync, const struct prefix *sent, size_t n)
{
	struct frr_network stuck = { .stuck = true };
	size_t i, position, count = 0;
	bool runs, wanted;

	if (!frr_sync_done(sync) || sync->stale || sync->dirty)
		return 0;
	for (i = 0; i < n; i++) {
		network_position(sync->wanted, &sent[i], &wanted);
		position = network_position(&sync->running, &sent[i], &runs);
		stuck.prefix = sent[i];
		if (!wanted && !runs && network_insert(sync, position, &stuck) == 0)
			count++;
	}
	sync->dirty = count;
	step(sync);
	return count;
}

bool frr_sync_is_idle(const struct frr_sync *sync)
{
	return sync->doing == NOTHING && frr_daemon_is_idle(sync->daemon);
}

void frr_sync_ask(struct frr_sync *sync, const char *command, frr_sync_answer_fn *answer)
{
	sync->doing = ASKING;
	sync->answer = answer;
	frr_daemon_ask(sync->daemon, command, READ_TIMEOUT_MSEC, on_answer);
}
