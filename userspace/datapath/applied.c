// SPDX-License-Identifier: Apache-2.0
/* From the maps to struct applied, after mending what a killed agent left half done: every used entry gets
 * its index entry, its address and its ranges; whatever names no used entry is removed. Mending changes
 * nothing that is whole. */
#include "userspace/datapath/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/log.h"

/* --- mending ---------------------------------------------------------------------------------- */

static bool frontend_in_use(const struct tables *tables, uint32_t id, uint64_t key)
{
	return id < tables->n_frontends && tables->frontends[id].life == LB_USED &&
	       frontend_index_key(&tables->frontends[id]) == key;
}

static bool backend_in_use(const struct tables *tables, uint32_t id, uint64_t key)
{
	return id < tables->n_backends && backend_life(&tables->backends[id]) != LB_EMPTY &&
	       backend_index_key(&tables->backends[id]) == key;
}

static void index_drop_strays(const struct tables *tables, const struct index_table *index,
			      bool (*in_use)(const struct tables *, uint32_t id, uint64_t key))
{
	for (uint32_t i = 0; i <= index->mask; i++) {
		for (int j = 0; j < LB_SLOTS; j++) {
			const struct lb_index_slot *slot = &index->buckets[i].slot[j];

			if (slot->key && !in_use(tables, lb_handle_id(slot->handle), slot->key))
				index_table_clear(index, slot->key, lb_handle_id(slot->handle));
		}
	}
}

static int mend_frontends(struct tables *tables)
{
	int r = 0;

	for (uint32_t id = 0; r == 0 && id < tables->n_frontends; id++) {
		const struct lb_frontend *entry = &tables->frontends[id];
		struct addr addr;

		if (entry->life != LB_USED)
			continue;
		addr = table_addr(entry->family, entry->addr);
		r = tables_use_address(tables, &addr, frontend_is_like_a_host(entry->type));
		if (r == 0)
			r = index_table_set(&tables->fe_index, frontend_index_key(entry),
					    lb_handle(id, entry->generation));
	}
	return r;
}

static int mend_backends(struct tables *tables)
{
	int r = 0;

	for (uint32_t id = 0; r == 0 && id < tables->n_backends; id++) {
		const struct lb_backend *entry = &tables->backends[id];

		if (backend_life(entry) != LB_EMPTY)
			r = index_table_set(&tables->be_index, backend_index_key(entry),
					    lb_handle(id, entry->generation));
	}
	return r;
}

/* A frontend whose switch was cut short has no digest; one that shares its table knows what stands there.
 * Without such a one it stays 0, and the table is written again. */
static void mend_digests(struct tables *tables)
{
	const uint64_t range = lb_choice(UINT32_MAX, UINT32_MAX, 0, 0, 0);

	for (uint32_t id = 0; id < tables->n_frontends; id++) {
		struct lb_frontend *entry = &tables->frontends[id];

		if (entry->life != LB_USED || entry->digest || !lb_choice_size(entry->choice))
			continue;
		for (uint32_t other = 0; other < tables->n_frontends && !entry->digest; other++)
			if (tables->frontends[other].life == LB_USED &&
			    ((tables->frontends[other].choice ^ entry->choice) & range) == 0)
				entry->digest = tables->frontends[other].digest;
	}
}

int tables_mend(struct tables *tables)
{
	int r;

	index_drop_strays(tables, &tables->fe_index, frontend_in_use);
	index_drop_strays(tables, &tables->be_index, backend_in_use);
	r = mend_frontends(tables);
	if (r == 0)
		r = mend_backends(tables);
	if (r == 0)
		r = ranges_read(tables);
	mend_digests(tables);
	return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum verdict verdict_from(enum lb_verdict verdict)
{
	switch (verdict) {
	case LB_FORWARD:
		return VERDICT_FORWARD;
	case LB_REJECT:
		return VERDICT_REJECT;
	case LB_DROP:
		return VERDICT_DROP;
	}
	return VERDICT_DROP;
}

static int read_frontend(const struct tables *tables, uint32_t id, struct applied *applied)
{
	const struct lb_frontend *entry = &tables->frontends[id];
	uint64_t choice = __atomic_load_n(&entry->choice, __ATOMIC_ACQUIRE);
	struct applied_frontend frontend = {
		.addr = table_addr(entry->family, entry->addr),
		.port = ntohs(entry->port),
		.protocol = entry->protocol,
		.id = id,
		.generation = entry->generation,
		.verdict = verdict_from(lb_choice_verdict(choice)),
		.ready_elsewhere = choice & LB_CHOICE_READY_ELSEWHERE,
		.type = entry->type,
		.policy = entry->policy,
		.table_offset = lb_choice_offset(choice),
		.table_size = lb_choice_size(choice),
		.digest = entry->digest,
		.affinity_sec = entry->affinity_sec,
		.source_ranges = tables->ranges[id].items,
		.n_source_ranges = tables->ranges[id].n,
		.source_ranges_deny = lb_choice_ranges(choice) == LB_RANGES_DENY,
		.source_ranges_closed = lb_choice_ranges(choice) == LB_RANGES_CLOSED,
	};

	return applied_add_frontend(applied, &frontend);
}

static int read_backend(const struct tables *tables, uint32_t id, struct applied *applied)
{
	const struct lb_backend *entry = &tables->backends[id];
	struct applied_backend backend = {
		.addr = table_addr(entry->family, entry->addr),
		.port = ntohs(entry->port),
		.protocol = entry->protocol,
		.id = id,
		.generation = entry->generation,
		.state = backend_life(entry) == LB_USED ? (enum backend_state)entry->state : BACKEND_GONE,
		.local = entry->flags & LB_BACKEND_LOCAL,
	};

	return applied_add_backend(applied, &backend);
}

/* An id that is free tells its last generation, so that its next life gets another one. */
int tables_read_applied(struct tables *tables, struct applied *applied)
{
	int r = 0;

	for (uint32_t id = 0; r == 0 && id < tables->n_backends; id++) {
		const struct lb_backend *entry = &tables->backends[id];

		if (backend_life(entry) != LB_EMPTY)
			r = read_backend(tables, id, applied);
		else if (entry->generation)
			r = applied_note_free_backend(applied, id, entry->generation);
	}
	for (uint32_t id = 0; r == 0 && id < tables->n_frontends; id++) {
		const struct lb_frontend *entry = &tables->frontends[id];

		if (entry->life == LB_USED)
			r = read_frontend(tables, id, applied);
		else if (entry->life == LB_RETIRED)
			r = applied_add_retired_frontend(applied, id, entry->generation);
		else if (entry->generation)
			r = applied_note_free_frontend(applied, id, entry->generation);
	}
	return r;
}

int tables_each_remote_backend(const struct tables *tables,
			       int (*fn)(void *userdata, uint32_t id, const struct addr *), void *userdata)
{
	int r = 0;

	for (uint32_t id = 0; r == 0 && id < tables->n_backends; id++) {
		const struct lb_backend *entry = &tables->backends[id];
		struct addr addr;

		if (backend_life(entry) == LB_EMPTY || entry->flags & LB_BACKEND_LOCAL)
			continue;
		addr = table_addr(entry->family, entry->addr);
		r = fn(userdata, id, &addr);
	}
	return r;
}
