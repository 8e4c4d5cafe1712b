// SPDX-License-Identifier: Apache-2.0
/* Frontend entries. One 64-bit word, `choice`, says how packets are treated; everything that it points to
 * stands before it is written and stays until after. `digest` is zero while they may differ, so that a killed
 * agent's successor writes the table again rather than believing in it. */
#include "userspace/datapath/tables.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool frontend_is_like_a_host(uint8_t type)
{
	return type == FRONTEND_LOAD_BALANCER || type == FRONTEND_EXTERNAL_IP;
}

uint64_t frontend_index_key(const struct lb_frontend *entry)
{
	return lb_index_key(entry->addr, entry->family == 6, entry->port, entry->protocol);
}

static bool frontend_is(const struct lb_frontend *entry, const struct applied_frontend *frontend)
{
	struct addr addr = table_addr(entry->family, entry->addr);

	return addr_equal(&addr, &frontend->addr) && entry->port == htons(frontend->port) &&
	       entry->protocol == frontend->protocol;
}

static enum lb_verdict verdict_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_FORWARD:
		return LB_FORWARD;
	case VERDICT_REJECT:
		return LB_REJECT;
	case VERDICT_DROP:
		return LB_DROP;
	}
	return LB_DROP;
}

static enum lb_ranges ranges_of(const struct applied_frontend *frontend)
{
	if (frontend->source_ranges_closed)
		return LB_RANGES_CLOSED;
	if (!frontend->n_source_ranges)
		return LB_RANGES_NONE;
	return frontend->source_ranges_deny ? LB_RANGES_DENY : LB_RANGES_ALLOW;
}

static uint64_t choice_of(const struct applied_frontend *frontend)
{
	return lb_choice(frontend->table_offset, frontend->table_size, verdict_of(frontend->verdict),
			 ranges_of(frontend), frontend->affinity_sec != 0) |
	       (frontend->ready_elsewhere ? LB_CHOICE_READY_ELSEWHERE : 0);
}

static void write_choice(struct lb_frontend *entry, const struct applied_frontend *frontend)
{
	__atomic_store_n(&entry->digest, 0, __ATOMIC_RELEASE);
	entry->type = frontend->type;
	entry->policy = frontend->policy;
	entry->affinity_sec = frontend->affinity_sec;
	__atomic_store_n(&entry->choice, choice_of(frontend), __ATOMIC_RELEASE);
	__atomic_store_n(&entry->digest, frontend->digest, __ATOMIC_RELEASE);
}

/* A new owner of the id begins to count at nothing. */
static int zero_counters(struct tables *tables, uint32_t id)
{
	int n_cpus = libbpf_num_possible_cpus(), r;
	struct lb_frontend_stats *zeros;

	if (n_cpus < 0)
		return n_cpus;
	zeros = calloc(n_cpus, sizeof(*zeros));
	if (!zeros)
		return -ENOMEM;
	r = bpf_map_update_elem(tables->maps[MAP_FE_STATS].fd, &id, zeros, BPF_ANY);
	free(zeros);
	return r;
}

static int frontend_enter(struct tables *tables, struct lb_frontend *entry,
			  const struct applied_frontend *frontend)
{
	bool like_a_host = frontend_is_like_a_host(frontend->type);
	int r;

	r = zero_counters(tables, frontend->id);
	if (r == 0)
		r = ranges_add(tables, frontend->id, frontend->source_ranges, frontend->n_source_ranges);
	if (r < 0)
		goto undo_ranges;
	*entry = (struct lb_frontend){
		.port = htons(frontend->port),
		.protocol = frontend->protocol,
		.family = frontend->addr.family,
		.generation = frontend->generation,
	};
	memcpy(entry->addr, frontend->addr.bytes, sizeof(entry->addr));
	__atomic_store_n(&entry->life, LB_USED, __ATOMIC_RELEASE);
	write_choice(entry, frontend);
	r = tables_use_address(tables, &frontend->addr, like_a_host);
	if (r < 0)
		goto undo_life;
	r = index_table_set(&tables->fe_index, frontend_index_key(entry),
			    lb_handle(frontend->id, frontend->generation));
	if (r < 0)
		goto undo_address;
	return 0;

undo_address:
	tables_release_address(tables, &frontend->addr, like_a_host);
undo_life:
	__atomic_store_n(&entry->life, LB_EMPTY, __ATOMIC_RELEASE);
undo_ranges:
	ranges_trim(tables, frontend->id, NULL, 0);
	return r;
}

static int frontend_switch(struct tables *tables, struct lb_frontend *entry,
			   const struct applied_frontend *frontend)
{
	bool was_host = frontend_is_like_a_host(entry->type),
	     is_host = frontend_is_like_a_host(frontend->type);
	int r;

	r = ranges_add(tables, frontend->id, frontend->source_ranges, frontend->n_source_ranges);
	if (r == 0 && was_host != is_host)
		r = tables_use_address(tables, &frontend->addr, is_host);
	if (r < 0)
		return r;
	write_choice(entry, frontend);
	if (was_host != is_host)
		tables_release_address(tables, &frontend->addr, was_host);
	return ranges_trim(tables, frontend->id, frontend->source_ranges, frontend->n_source_ranges);
}

int tables_set_frontend(struct tables *tables, const struct applied_frontend *frontend)
{
	struct lb_frontend *entry;

	if (frontend->id >= tables->n_frontends || frontend->table_size > tables->n_slots ||
	    frontend->table_offset > tables->n_slots - frontend->table_size)
		return -ERANGE;
	entry = &tables->frontends[frontend->id];
	if (entry->life == LB_USED)
		return frontend_is(entry, frontend) && entry->generation == frontend->generation
			       ? frontend_switch(tables, entry, frontend)
			       : -EEXIST;
	if (entry->life == LB_RETIRED)
		return -EBUSY; /* flows may still name the id */
	return frontend_enter(tables, entry, frontend);
}

struct frontend_search {
	const struct tables *tables;
	const struct applied_frontend *wanted;
};

static bool frontend_has_key(const void *userdata, uint32_t id)
{
	const struct frontend_search *search = userdata;

	return id < search->tables->n_frontends &&
	       frontend_is(&search->tables->frontends[id], search->wanted);
}

int tables_delete_frontend(struct tables *tables, const struct applied_frontend *frontend)
{
	struct frontend_search search = { tables, frontend };
	uint64_t key = lb_index_key(frontend->addr.bytes, frontend->addr.family == ADDR_IPV6,
				    htons(frontend->port), frontend->protocol);
	int64_t id = index_table_find(&tables->fe_index, key, frontend_has_key, &search);
	struct lb_frontend *entry;

	if (id < 0)
		return 0;
	entry = &tables->frontends[id];
	index_table_clear(&tables->fe_index, key, id);
	tables_release_address(tables, &frontend->addr, frontend_is_like_a_host(entry->type));
	__atomic_store_n(&entry->life, LB_RETIRED, __ATOMIC_RELEASE);
	/* Whatever stays behind in the tries is found and removed by the next agent; no packet reads it. */
	ranges_trim(tables, id, NULL, 0);
	return 0;
}

void tables_free_frontend(struct tables *tables, uint32_t id)
{
	if (id < tables->n_frontends && tables->frontends[id].life == LB_RETIRED)
		__atomic_store_n(&tables->frontends[id].life, LB_EMPTY, __ATOMIC_RELEASE);
}
