/* SPDX-License-Identifier: Apache-2.0 */
/* A data path to test: both objects loaded with the same maps, in a network namespace of its own with two
 * uplinks, routes and neighbours; frontends and backends entered as bpf/lb_abi.h says. Nothing is pinned or
 * attached: all is gone with the process. */
#ifndef TESTS_PACKET_WORLD_H
#define TESTS_PACKET_WORLD_H

#include "bpf/lb_abi.h"
#include "tests/packet/frame.h"

struct lb_xdp_bpf;
struct lb_tc_bpf;

enum hook { HOOK_XDP_INGRESS, HOOK_TC_INGRESS, HOOK_TC_EGRESS };
enum action { PASS, DROP, TX, REDIRECT, OTHER }; /* what XDP and TC call by different names; TC has no TX */

#define WORLD_FLOW_BUCKETS 1024
#define WORLD_UPLINK	   2	/* ifindex; frames come in here */
#define WORLD_SECOND	   4	/* of the other uplink */
#define WORLD_MTU	   1500 /* of both */

struct world {
	struct lb_xdp_bpf *xdp;
	struct lb_tc_bpf *tc;
	/* mapped tables */
	struct lb_settings *settings;
	uint64_t *vip_filter;
	struct lb_index_bucket *fe_index, *be_index;
	struct lb_frontend *frontends;
	struct lb_backend *backends;
	struct lb_link *links;
	uint32_t *maglev;
	struct lb_flow4_bucket *flows4, *replies4;
	struct lb_flow6_bucket *flows6, *replies6;
	uint32_t flow4_buckets, flow6_buckets;
	uint32_t n_maglev; /* next free slot */
	bool weak_memory;
};

struct world_options {
	uint32_t flow4_buckets, flow6_buckets; /* WORLD_FLOW_BUCKETS if 0 */
	bool frags;			       /* XDP takes frames of several buffers */
	bool weak_memory;		       /* full barriers, as on CPUs that need them */
};

/* Aborts the test program with a message when the kernel refuses. */
struct world *world_new(const struct world_options *);
void world_free(struct world *);
void world_forget_flows(struct world *); /* all tables empty, counters zero */

struct world_frontend {
	uint32_t id, generation;
	const char *addr;
	uint16_t port;
	uint8_t protocol;
	enum lb_verdict verdict;
	enum lb_ranges ranges;
	bool affinity, ready_elsewhere;
	const uint32_t *backends; /* ids, a table of 16 slots is filled with them in turn */
	size_t n_backends;
	bool not_a_vip; /* a node address: other ports belong to the stack */
};

struct world_backend {
	uint32_t id, generation;
	const char *addr;
	uint16_t port;
	uint8_t protocol;
	bool local;
	enum lb_backend_state state;
	const char *mac; /* of the next hop; NULL: unknown */
	uint8_t link;
};

void world_add_frontend(struct world *, const struct world_frontend *);
void world_remove_frontend(struct world *, const struct world_frontend *);
void world_set_choice(struct world *, const struct world_frontend *); /* of one that stands */
void world_add_backend(struct world *, const struct world_backend *);
void world_add_range(struct world *, uint32_t frontend_id, const char *addr, unsigned length);
void world_set_snat(struct world *, const char *v4, const char *v6, uint16_t first, uint16_t last);

/* Runs one frame through a program. The frame that comes out, and its length, in `out`. */
enum action world_run(struct world *, enum hook, const uint8_t *frame, size_t n,
		      uint8_t out[static FRAME_MAX], size_t *ret_n);

void world_set_locks(struct world *, uint32_t value);
void world_fill_flows(struct world *, bool replies); /* every slot is a live flow of nobody's */
int world_fd(struct world *, enum hook);
void world_reasons(struct world *, uint64_t counts[static LB_REASON_COUNT]);
struct lb_frontend_stats world_stats(struct world *, uint32_t frontend_id);
/* Takes events off the ring; the last one in *ret. */
size_t world_events(struct world *, struct lb_event *ret);
/* LIVE slots of a table. */
size_t world_count4(const struct lb_flow4_bucket *, uint32_t buckets);
size_t world_count6(const struct lb_flow6_bucket *, uint32_t buckets);

#endif
