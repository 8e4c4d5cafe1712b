// SPDX-License-Identifier: Apache-2.0
/* Reading slots that programs write at the same time: control, the rest, control again, as lb_abi.h says. */
#include "userspace/datapath/flows.h"

#include <string.h>

void flow_tables_init(struct flow_tables *tables, const struct loaded_map *maps, uint64_t seed)
{
	*tables = (struct flow_tables){
		.flows = { { maps[MAP_FLOWS4].memory, maps[MAP_FLOWS4].entries, false, false },
			   { maps[MAP_FLOWS6].memory, maps[MAP_FLOWS6].entries, true, false } },
		.replies = { { maps[MAP_REPLIES4].memory, maps[MAP_REPLIES4].entries, false, true },
			     { maps[MAP_REPLIES6].memory, maps[MAP_REPLIES6].entries, true, true } },
		.seed = seed,
	};
}

static bool is_live(uint64_t control)
{
	enum lb_flow_state state = lb_control_state(control);

	return state == LB_OPEN || state == LB_CLOSING;
}

/* What stays the same as long as a slot is one flow's. */
static bool same_owner(uint64_t a, uint64_t b)
{
	const uint64_t marks = LB_CTL_SEEN | LB_CTL_STATE | LB_CTL_RST;

	return is_live(a) && is_live(b) && ((a ^ b) & ~marks) == 0;
}

static uint64_t *control_of(const struct flow_table *table, uint32_t bucket, unsigned slot)
{
	if (table->ipv6)
		return (uint64_t *)&((struct lb_flow6_bucket *)table->memory)[bucket].slot[slot].control;
	return (uint64_t *)&((struct lb_flow4_bucket *)table->memory)[bucket].slot[slot].control;
}

static void copy_slot(const struct flow_table *table, uint32_t bucket, unsigned slot, struct flow_slot *ret)
{
	if (table->ipv6) {
		const struct lb_flow6 *from = &((struct lb_flow6_bucket *)table->memory)[bucket].slot[slot];

		memcpy(ret->client, from->client, 16);
		ret->client_port = from->client_port;
		ret->reply_port = from->reply_port;
	} else {
		const struct lb_flow4 *from = &((struct lb_flow4_bucket *)table->memory)[bucket].slot[slot];

		memset(ret->client, 0, sizeof(ret->client));
		memcpy(ret->client, &from->client, 4);
		ret->client_port = from->client_port;
		ret->reply_port = from->reply_port;
	}
}

bool flow_slot_read(const struct flow_table *table, uint32_t bucket, unsigned slot, struct flow_slot *ret)
{
	uint64_t *where = control_of(table, bucket, slot);
	uint64_t before = __atomic_load_n(where, __ATOMIC_ACQUIRE), after;

	if (!is_live(before))
		return false;
	copy_slot(table, bucket, slot, ret);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	after = __atomic_load_n(where, __ATOMIC_RELAXED);
	ret->where = where;
	ret->control = after;
	return same_owner(before, after);
}

static uint64_t client_word(const struct flow_slot *slot, bool ipv6)
{
	uint64_t first = lb_load64(slot->client);

	return ipv6 ? lb_fold6(first, lb_load64(slot->client + 8)) : first;
}

/* The other half of a flow repeats the client, both ports and both handles. */
static bool is_other_half(const struct flow_slot *a, const struct flow_slot *b)
{
	const uint64_t identity = LB_CTL_FRONTEND | LB_CTL_BACKEND | LB_CTL_SNAT;

	return ((a->control ^ b->control) & identity) == 0 && a->client_port == b->client_port &&
	       a->reply_port == b->reply_port && memcmp(a->client, b->client, sizeof(a->client)) == 0;
}

static bool find_half(const struct flow_table *table, uint64_t hash, const struct flow_slot *half,
		      struct flow_slot *ret)
{
	uint32_t buckets[2] = { lb_bucket1(hash, table->buckets - 1), lb_bucket2(hash, table->buckets - 1) };

	for (int i = 0; i < 2; i++)
		for (unsigned slot = 0; slot < LB_SLOTS; slot++) {
			struct flow_slot found;

			if (flow_slot_read(table, buckets[i], slot, &found) && is_other_half(half, &found)) {
				*ret = found;
				return true;
			}
		}
	return false;
}

bool flow_find_reply(const struct flow_tables *tables, bool ipv6, const struct flow_slot *flow,
		     struct flow_slot *ret)
{
	uint64_t client = flow->control & LB_CTL_SNAT ? 0 : client_word(flow, ipv6);
	uint64_t hash =
		lb_reply_hash(tables->seed, lb_control_backend(flow->control), client, flow->reply_port);

	return find_half(&tables->replies[ipv6], hash, flow, ret);
}

bool flow_find_forward(const struct flow_tables *tables, bool ipv6, const struct flow_slot *reply,
		       struct flow_slot *ret)
{
	uint64_t hash = lb_flow_hash(tables->seed, lb_control_frontend(reply->control),
				     client_word(reply, ipv6), reply->client_port);

	return find_half(&tables->flows[ipv6], hash, reply, ret);
}

bool flow_slot_free(const struct flow_slot *slot)
{
	uint64_t expected = slot->control;

	return __atomic_compare_exchange_n(slot->where, &expected, lb_control_free(expected), false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
