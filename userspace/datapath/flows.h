/* SPDX-License-Identifier: Apache-2.0 */
/* The flow tables as user space reads them (EDGE): one slot of either family in one shape, and a flow's other
 * half. */
#ifndef FAIRWAY_DATAPATH_FLOWS_H
#define FAIRWAY_DATAPATH_FLOWS_H

#include "bpf/lb_abi.h"
#include "userspace/datapath/load.h"

struct flow_table {
	void *memory; /* borrowed */
	uint32_t buckets;
	bool ipv6, replies;
};

struct flow_tables {
	struct flow_table flows[2], replies[2]; /* IPv4, IPv6 */
	uint64_t seed;
};

struct flow_slot { /* a consistent copy, and where it came from */
	uint64_t *where, control;
	uint8_t client[16];
	__be16 client_port, reply_port;
};

void flow_tables_init(struct flow_tables *, const struct loaded_map *maps, uint64_t seed);

/* False: free, being opened, or changed while it was read. */
bool flow_slot_read(const struct flow_table *, uint32_t bucket, unsigned slot, struct flow_slot *ret);
bool flow_find_reply(const struct flow_tables *, bool ipv6, const struct flow_slot *flow,
		     struct flow_slot *ret);
bool flow_find_forward(const struct flow_tables *, bool ipv6, const struct flow_slot *reply,
		       struct flow_slot *ret);
/* False: it was used meanwhile and stays. */
bool flow_slot_free(const struct flow_slot *);

#endif
