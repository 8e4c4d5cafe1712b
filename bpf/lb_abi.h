/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The contract between the BPF programs and user space: what stands in the maps, byte by byte, who writes it and how.
 *
 * It compiles in both worlds and includes <linux/types.h> only. Maps are declared in lb_maps.h. A change of anything
 * here that is laid out in a map raises LB_ABI_VERSION: maps are pinned below a directory of that name and outlive
 * binaries. Little-endian machines only (x86-64, arm64): words are composed from bytes as they lie in memory.
 *
 *   packet ── lb_vip_filter ── lb_fe_index ── lb_flows4|6 ── lb_backends                      established
 *             (one bit)        (one line)     (one line)     (one line: rewrite, next hop)
 *                                  └─ miss ─ lb_frontends ── lb_ranges4|6 ── lb_maglev ── lb_replies4|6, lb_flows4|6
 *
 * Byte order: fields named __be16/__be32 and all addresses are in network order, everything else in the host's.
 * An address of 16 bytes holds IPv4 in its first four bytes, the rest zero, except in lb_vips (IPv4-mapped).
 *
 * Who writes: "agent" is user space through mmap (BPF_F_MMAPABLE) or bpf(2); "programs" are ours in the kernel, on
 * several CPUs at once. Aligned stores up to 8 bytes are atomic on both sides; the agent must write with
 * __atomic_store_n(..., __ATOMIC_RELEASE) in the order given here.
 */
#ifndef FAIRWAY_LB_ABI_H
#define FAIRWAY_LB_ABI_H

#include <linux/types.h>

#define LB_ABI_VERSION 1

#define lb_inline static inline __attribute__((always_inline, unused))
#define lb_unused      __attribute__((unused)) /* a parameter that the shape of a function demands */

/* --- limits --------------------------------------------------------------------------------------- */

#define LB_ID_BITS	20		     /* frontend and backend ids: 0 .. 2^20 - 1; 0 is an id like any other */
#define LB_MAX_IDS	(1u << LB_ID_BITS)
#define LB_HANDLE_BITS	24		     /* id | low 4 bits of the generation << 20 */
#define LB_HANDLE_MASK	((1u << LB_HANDLE_BITS) - 1)
#define LB_SLOTS	4		     /* per bucket, in every table here */
#define LB_INDEX_PROBES 8		     /* buckets that an index lookup walks at most */
#define LB_FILTER_BITS	19		     /* lb_vip_filter: 2^19 bits in 2^13 words of 64 */
#define LB_FILTER_WORDS (1u << (LB_FILTER_BITS - 6))
#define LB_LOCKS	8192		     /* words in lb_locks */
#define LB_MAX_LINKS	256
#define LB_XDP_OUT	6
#define LB_TICK_SEC	32		     /* length of lb_settings.tick: idle times are counted in it, 8 bits wide */
#define LB_MAX_TICKS	250		     /* no flow may stay unvisited longer (8000 s): the counter wraps at 256 */

/* What the maps are created with when user space does not say otherwise. Buckets are powers of two. */
#define LB_DEFAULT_FRONTENDS	 65536
#define LB_DEFAULT_BACKENDS	 131072
#define LB_DEFAULT_MAGLEV_SLOTS	 (16u << 20)  /* 64 MiB; 10,000 small services take 10.2 million slots */
#define LB_DEFAULT_FLOW4_BUCKETS (1u << 18)   /* 1,048,576 flows, 16 MiB, and as much again for the replies */
#define LB_DEFAULT_FLOW6_BUCKETS (1u << 17)   /* 524,288 flows, 16 MiB, likewise */

/* --- handles -------------------------------------------------------------------------------------- */

/* An id with its incarnation, as flows repeat it. `generation` counts the lives of an id: it is raised when the id is
 * given to another frontend or backend, NEVER when a table is switched, a state changes or a next hop moves: every
 * flow that holds another generation is a miss. Only the low 4 bits are compared. That is the second defence; the
 * first is that an id returns to use only when the collector found no flow that holds it. */
lb_inline __u32 lb_handle(__u32 id, __u32 generation)
{
	return (id & (LB_MAX_IDS - 1)) | (generation & 15) << LB_ID_BITS;
}

lb_inline __u32 lb_handle_id(__u32 handle)
{
	return handle & (LB_MAX_IDS - 1);
}

/* --- rodata --------------------------------------------------------------------------------------- */

/* Set before load (skeleton: skel->rodata->lb_config.…). Masks are buckets - 1. lb_replies4|6 have lb_flows4|6's size. */
struct lb_config {
	__u32 fe_index_mask, be_index_mask;
	__u32 flow4_mask, flow6_mask;
	__u32 weak_memory; /* 1 on CPUs that reorder loads and stores (not x86): readers and publishers take full barriers */
};

/* --- hashing -------------------------------------------------------------------------------------- */

lb_inline __u64 lb_mix(__u64 a, __u64 b)
{
	__u64 h = (a * 0x9E3779B97F4A7C15ull) ^ (b * 0xC2B2AE3D27D4EB4Full);

	h ^= h >> 32;
	h *= 0xD6E8FEB86659FD93ull;
	return h ^ h >> 29;
}

/* Eight bytes of an address as they lie in memory. For BPF one load: addresses stand at multiples of 8 in all structs here,
 * and packets may be read at any offset on the CPUs in question; clang would else put eight single bytes together. */
lb_inline __u64 lb_load64(const __u8 *p)
{
#ifdef __bpf__
	return *(const __u64 *)(const void *)p;
#else
	__u64 v;

	__builtin_memcpy(&v, p, 8);
	return v;
#endif
}

/* --- lb_settings: one entry ----------------------------------------------------------------------- */

/* Written by the agent, field by field, at any time; read by programs for each packet (one hot line).
 * tick: seconds / LB_TICK_SEC of the agent's flow clock. The clock goes on from the value found in the map when an agent
 * starts, so that time without an agent does not count as idle; it stands still while there is none.
 * seed: random, set once when the map is made (before programs run), never changed: flow tables are hashed with it.
 * snat_*: the source of SNATed flows; all zero: none, and remote backends of that family drop with no_snat_address.
 * Changing them breaks the SNATed flows that exist.
 * xdp_out: devices that XDP can send to, 0: none; what else a reply's route leads to is reached through the stack. */
struct lb_settings {
	__u32 tick;
	__be32 snat_v4;
	__u8 snat_v6[16];
	__u64 seed;
	__u16 snat_port_first, snat_port_last; /* both inclusive, host order; the same for translated ports of local flows */
	__u32 xdp_out[LB_XDP_OUT];
	__u32 reserved;
};
_Static_assert(sizeof(struct lb_settings) == 64, "one cache line");

/* --- lb_vip_filter: is it worth a look at all? ---------------------------------------------------- */

/* Bit set: some frontend has this address, or it is a SNAT address. False positives cost a lookup, a missing bit makes
 * the address invisible. The agent sets the bit before the index entry, and clears it after the last address that
 * hashes there has gone (it counts per bit, or builds the words anew from all addresses). */
lb_inline __u32 lb_filter_bit4(__be32 addr)
{
	return ((__u32)addr * 0x9E3779B1u) >> (32 - LB_FILTER_BITS);
}

lb_inline __u32 lb_filter_bit6(__u64 addr_first, __u64 addr_last)
{
	return (__u32)(((addr_first ^ (addr_last << 32 | addr_last >> 32)) * 0x9E3779B97F4A7C15ull) >>
		       (64 - LB_FILTER_BITS));
}
/* Word bit >> 6, bit & 63 in it. `addr16` as in struct lb_frontend. */
lb_inline __u32 lb_filter_bit(const __u8 *addr16, int ipv6)
{
	if (ipv6)
		return lb_filter_bit6(lb_load64(addr16), lb_load64(addr16 + 8));
	return lb_filter_bit4((__be32)lb_load64(addr16));
}

/* --- lb_fe_index, lb_be_index: (address, port, protocol) -> handle -------------------------------- */

/* One bucket is one cache line. Both families share the table: an IPv4 key is stored whole, an IPv6 key as 56 bits of
 * its hash, which the reader then verifies in the entry the handle names (lb_frontends, lb_backends).
 *
 * Lookup: start at bucket lb_index_bucket(key) & mask (mask: buckets - 1); compare the four keys; while slot[0].more is
 * set and nothing was found, go to the next bucket (modulo), LB_INDEX_PROBES in all.
 * Insert (agent): the first empty slot (key 0) on that walk; set slot[0].more in each full bucket passed over, then write
 * handle, then key. Delete: key = 0; `more` stays (it may be cleared when a bucket and all it leads to are rebuilt).
 * At most half of the slots may be used: the walk then never ends without an empty slot in practice; if it does, the
 * insert fails with -ENOSPC and nothing was changed. An entry is never moved while packets may look for it.
 * Two keys of equal value (IPv6) are two entries: compare addresses before you replace or delete. */
struct lb_index_slot {
	__u64 key; /* lb_index_key4/6(); 0: empty */
	__u32 handle;
	__u8 more; /* slot 0 of a bucket: look into the next one too */
	__u8 reserved[3];
};

struct lb_index_bucket {
	struct lb_index_slot slot[LB_SLOTS];
};
_Static_assert(sizeof(struct lb_index_bucket) == 64, "one cache line");

lb_inline __u64 lb_index_key4(__be32 addr, __be16 port, __u8 protocol)
{
	return (__u64)addr | (__u64)port << 32 | (__u64)protocol << 48 | 4ull << 56;
}

lb_inline __u64 lb_index_key6(__u64 addr_first, __u64 addr_last, __be16 port, __u8 protocol)
{
	__u64 h = lb_mix(addr_first ^ ((__u64)port << 8 | protocol), addr_last);

	return h >> 8 | 6ull << 56;
}

lb_inline __u64 lb_index_key(const __u8 *addr16, int ipv6, __be16 port, __u8 protocol)
{
	if (ipv6)
		return lb_index_key6(lb_load64(addr16), lb_load64(addr16 + 8), port, protocol);
	return lb_index_key4((__be32)lb_load64(addr16), port, protocol);
}

lb_inline __u32 lb_index_bucket(__u64 key)
{
	__u64 h = key * 0x9E3779B97F4A7C15ull;

	return (__u32)((h ^ h >> 29) >> 24);
}

/* --- lb_vips: addresses that behave like a host --------------------------------------------------- */

/* A stock hash, looked at only when the filter said yes and no frontend matched: echo, closed ports, other protocols,
 * fragments of these addresses are answered or dropped, never passed to the stack. The agent enters addresses of
 * LoadBalancer and ExternalIP frontends (not node addresses of NodePort frontends, whose other ports belong to the
 * stack). Insert before the first frontend of the address, delete after the last. */
struct lb_vip_key {
	__u8 addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct lb_vip {
	__u32 frontends; /* how many name it: the agent's count, not read by programs */
};

/* --- lb_frontends: by frontend id ----------------------------------------------------------------- */

enum lb_verdict {
	LB_FORWARD,
	LB_REJECT, /* RST or port unreachable, reason no_endpoints */
	LB_DROP,   /* silence, reason no_local_endpoints */
};

enum lb_ranges {
	LB_RANGES_NONE, /* everybody may come */
	LB_RANGES_ALLOW,
	LB_RANGES_DENY,
	LB_RANGES_CLOSED, /* nobody may: every range of the family was broken */
};

enum lb_life {
	LB_EMPTY,   /* never used, or cleared: the id is free */
	LB_USED,
	LB_RETIRED, /* deleted, but flows may still name it: addresses stay for `flow ls`; the id is not free */
};

/* A flow hit reads nothing here but, for IPv6, the address. A miss reads `choice` once, and the table at its offset.
 *
 * Set (agent): new id: everything else, `life` = LB_USED, `choice`, then filter, lb_vips, index. Existing id: LPM entries
 * first, then `choice` in one 64-bit store; the fields that only user space reads (type, policy, digest, affinity_sec)
 * before it. A table range that `choice` no longer names stays as it is for 1 s: a packet in flight may read it.
 * Delete: index entry, lb_vips, filter, LPM entries, then `life` = LB_RETIRED; LB_EMPTY when the collector found no flow
 * that holds the id.
 * Start (agent): entries with LB_USED are what is applied; LB_RETIRED ids wait for the first collector round. */
struct lb_frontend {
	__u64 choice;	    /* lb_choice() */
	__u8 addr[16];
	__be16 port;
	__u8 protocol;	    /* IANA number */
	__u8 family;	    /* 4 or 6 */
	__u32 generation;   /* of the id, see lb_handle() */
	__u64 digest;	    /* the agent's: of the backends that the table was built from */
	__u32 affinity_sec; /* the agent's; programs read LB_CHOICE_AFFINITY */
	__u8 type;	    /* enum frontend_type, the agent's */
	__u8 policy;	    /* enum traffic_policy, the agent's */
	__u8 life;	    /* enum lb_life */
	__u8 reserved[13];
};
_Static_assert(sizeof(struct lb_frontend) == 64, "one cache line");

/* table offset | table size << 32 | verdict << 52 | ranges << 54 | affinity << 56 | ready elsewhere << 57; the rest is 0.
 * Older programs and agents leave bit 57 alone: it needed no new version. */
#define LB_CHOICE_AFFINITY (1ull << 56)
/* Policy Local, and the address is other nodes' too: no endpoint of this node is ready, but some of theirs are. Where a
 * backend then refuses a connection (its pod has ended, the endpoint not yet), the client is not told; its SYN, sent again,
 * finds another node. Read only when a local backend's reset, or an error about its client's packet, leaves. */
#define LB_CHOICE_READY_ELSEWHERE (1ull << 57)

lb_inline __u64 lb_choice(__u32 table_offset, __u32 table_size, enum lb_verdict verdict, enum lb_ranges ranges,
			  int affinity)
{
	return (__u64)table_offset | (__u64)(table_size & 0xfffff) << 32 | (__u64)verdict << 52 |
	       (__u64)ranges << 54 | (affinity ? LB_CHOICE_AFFINITY : 0);
}

lb_inline __u32 lb_choice_offset(__u64 choice)
{
	return (__u32)choice;
}

lb_inline __u32 lb_choice_size(__u64 choice)
{
	return choice >> 32 & 0xfffff;
}

lb_inline enum lb_verdict lb_choice_verdict(__u64 choice)
{
	return (enum lb_verdict)(choice >> 52 & 3);
}

lb_inline enum lb_ranges lb_choice_ranges(__u64 choice)
{
	return (enum lb_ranges)(choice >> 54 & 3);
}

/* lb_ranges4|6: LPM tries. prefixlen counts the 32 bits of the id too. Value: any byte, only presence is read.
 * Entries of an id stay until the frontend is deleted or its ranges change; new ones are entered before old ones go. */
struct lb_range4_key {
	__u32 prefixlen; /* 32 + length */
	__be32 frontend; /* id, network order: a trie compares from the first bit on */
	__be32 addr;
};

struct lb_range6_key {
	__u32 prefixlen;
	__be32 frontend;
	__u8 addr[16];
};
_Static_assert(sizeof(struct lb_range4_key) == 12 && sizeof(struct lb_range6_key) == 24, "no padding in LPM keys");

/* --- lb_maglev: slots, each the id of a backend (__u32) ------------------------------------------- */

/* Slot i is word i & 15 of element i >> 4: the kernel rounds each element of an array map up to 8 bytes, so that an array
 * of __u32 would take twice the memory and not be one run of words for the agent. */
#define LB_MAGLEV_LINE 16
struct lb_maglev_line {
	__u32 slot[LB_MAGLEV_LINE];
};
_Static_assert(sizeof(struct lb_maglev_line) == 64, "one cache line");

/* Written by memory copy into a free range, then named by `choice`. A slot that names a backend which is not LB_USED
 * drops the packet (reason no_backend).
 *
 * Which slot a client gets is part of the contract between nodes: the same on every node, with every seed and for ever.
 * Client and VIP as they lie in the packet; ports in network order; family, ids and history play no part.
 * With affinity the client's address alone counts (and the table, which belongs to the service port): the consistent
 * hash gives a client one backend on all nodes as long as the backends stay. Not remembered: a client's backend when
 * the set changes (Maglev moves few) and timeoutSeconds. */
lb_inline __u64 lb_fold6(__u64 addr_first, __u64 addr_last)
{
	return lb_mix(addr_first, addr_last);
}

lb_inline __u32 lb_maglev_hash(__u64 client, __be16 client_port, __be16 vip_port, __u8 protocol, int affinity)
{
	/* client: a v4 address in the low half, or lb_fold6() */
	__u64 rest = affinity ? 0 : (__u64)client_port << 32 | (__u64)vip_port << 8 | protocol;

	return (__u32)(lb_mix(client, rest ^ 0x5bd1e995u) >> 32);
}

lb_inline __u32 lb_maglev_slot(__u32 hash, __u32 table_size)
{
	return (__u32)((__u64)hash * table_size >> 32);
}

/* --- lb_backends: by backend id ------------------------------------------------------------------- */

enum lb_backend_state { /* as enum backend_state */
	LB_BACKEND_ACTIVE,
	LB_BACKEND_DRAINING, /* flows go on; a SYN of a connection's client chooses anew */
	LB_BACKEND_GONE, /* TCP flows go on; a UDP flow, and a SYN, choose anew */
};

/* One id per (address, port, protocol): reply keys are made of the id. Immutable while LB_USED but for `state` (one byte)
 * and `next_hop` (one 64-bit word); a pod address that moves to another node is another backend (generation + 1 at least). Set: fields, next_hop, life = LB_USED, index entry in lb_be_index; only then tables
 * that name it. Delete: life = LB_RETIRED and the index entry stays while flows may hold the id (replies need it); at the
 * end index entry, then LB_EMPTY, generation kept. */
struct lb_backend {
	__u8 addr[16];
	__be16 port;
	__u8 protocol;
	__u8 family : 4; /* 4 or 6 */
	__u8 life : 4;	 /* enum lb_life; the byte is written as a whole */
	__u8 state;	 /* enum lb_backend_state */
	__u8 flags;	 /* LB_BACKEND_LOCAL */
	__u16 generation; /* low 16 bits */
	__u64 next_hop;	 /* lb_next_hop(); for remote ones */
};
_Static_assert(sizeof(struct lb_backend) == 32, "two per cache line");

#define LB_BACKEND_LOCAL 1 /* its pod is on this node: DNAT, then the stack routes */

/* The MAC address as it goes onto the wire in bytes 0-5, the link (index into lb_links) in byte 6, flags in byte 7.
 * The agent keeps it: 0 while it does not know, VALID when neighbour and route are known, again when they change. A
 * program that needs one which is not VALID drops the packet (no_next_hop), sets WANTED by compare-and-swap, and if it
 * was the first, sends an event; the agent's next write answers it. */
#define LB_NEXT_HOP_VALID  (1ull << 56)
#define LB_NEXT_HOP_WANTED (1ull << 57)

lb_inline __u64 lb_next_hop(const __u8 mac[6], __u8 link)
{
	__u64 word = 0;

	__builtin_memcpy(&word, mac, 6);
	return word | (__u64)link << 48 | LB_NEXT_HOP_VALID;
}

/* lb_links: interfaces that remote backends are behind. Written by the agent before a next hop names the entry. */
struct lb_link {
	__u32 ifindex; /* 0: unused */
	__u8 mac[6];   /* ours on it */
	__u16 mtu;     /* 0: not known, or longer than any packet */
	__u8 reserved[4];
};
_Static_assert(sizeof(struct lb_link) == 16, "pinned layout");

/* --- flows ---------------------------------------------------------------------------------------- */

/* Two tables for each family with one kind of slot: lb_flowsN finds the backend of a client's packet, lb_repliesN finds
 * the client of a backend's packet. A flow has one slot in each, alike but for `seen`, closing marks and version.
 *
 *   table       key                                         lb_hash of
 *   lb_flows    frontend handle, client, client_port        lb_flow_hash(...)
 *   lb_replies  backend handle, client, reply_port          lb_reply_hash(...), when the backend sees the client's address
 *               backend handle, SNAT bit, reply_port        lb_reply_hash(...) with address 0, when it sees the node's
 *
 * reply_port is the source port that the backend sees: the client's own, or one of the SNAT range when the client's was
 * taken at this backend by another VIP, or for each SNATed flow (lb_snat_next: where the next search starts, by backend
 * id, so that a port comes up again only after all others of that backend: programs write, nobody else).
 *
 * A key may stand in bucket lb_bucket1() or lb_bucket2() of its hash. `control` makes a slot what it is:
 *   bits  0-7   seen: low byte of the tick when a packet last came (a plain byte store, by programs)
 *                in lb_flows half the clock away (LB_SEEN_EMBRYONIC) after the SYN, until the client's next packet
 *                of a CLOSING slot: low byte of the monotonic clock's second when a packet last came in its direction
 *         8-9   LB_FREE, LB_OPENING, LB_OPEN, LB_CLOSING (a FIN or RST came in this slot's direction; in both, when a
 *                refusal was kept from the client)
 *         10    SNAT: the backend sees the node's address (lb_settings.snat_*)
 *         11    RST: the closing packet was a reset, both directions are over
 *         12-15 version: raised by each change of owner
 *         16-39 frontend handle
 *         40-63 backend handle
 * Any other bit of a free slot is without meaning (but kept: the version goes on from it).
 *
 * Programs: claim a free slot by compare-and-swap FREE -> OPENING, write the other words, publish by storing control with
 * OPEN; openers of one key exclude each other by a word in lb_locks (held for less than a microsecond, by programs only;
 * user space never touches it). A reader loads control, compares, loads the rest, loads control again: a difference in
 * more than `seen` is a miss. The reply slot is claimed first, the flow slot published last.
 * There are LB_VERSIONS: a read would return another flow's backend if it stood still while its slot changed hands that
 * often, and in between at the right moments (each interleaving was tried). A slot is freed once in many seconds at most.
 *
 * Programs give the key of a SNATed flow that is over to the next one when its port comes up again (flow.h, LB_REUSE_SEC):
 * they free the flow and take its reply's slot over, in the collector's order.
 *
 * Collector (agent), for each slot of lb_flows that is OPEN or CLOSING: idle = (__u8)(tick - seen) of this slot and of its
 * reply slot, the smaller counts (a flow lives while either direction does; closing slots count seconds). To free a flow:
 *   1. find its reply slot and load its control r0 (before step 2!);
 *   2. compare-and-swap the flow's control c0 -> lb_control_free(c0); failed: the flow is in use, leave it;
 *   3. compare-and-swap the reply's control r0 -> lb_control_free(r0); failed: a new flow adopted it, leave it.
 * A reply slot whose flow is not found (same client, client_port, frontend handle, backend handle) is an orphan of a flow
 * that chose another backend: free it by compare-and-swap when idle for LB_ORPHAN_TICKS. OPENING lasts less than a
 * microsecond; never touch it. Each slot is visited at least every LB_MAX_TICKS / 2 ticks.
 * Both closing, or RST in either: free after LB_CLOSING_SEC. Suggested idle limits: TCP open LB_MAX_TICKS - 8, UDP 5. */
enum lb_flow_state { LB_FREE, LB_OPENING, LB_OPEN, LB_CLOSING };

#define LB_CLOSING_SEC	 64 /* more than TIME_WAIT, before the pod could see the tuple again */
#define LB_ORPHAN_TICKS	 8

#define LB_CTL_SEEN	      0xffull
#define LB_SEEN_EMBRYONIC     0x80 /* a flood of SYNs holds its slots for minutes then, not for hours */
#define LB_CTL_STATE_SHIFT    8
#define LB_CTL_STATE	      (3ull << LB_CTL_STATE_SHIFT)
#define LB_CTL_SNAT	      (1ull << 10)
#define LB_CTL_RST	      (1ull << 11)
#define LB_CTL_VERSION_SHIFT  12
#define LB_VERSIONS	      16
#define LB_CTL_VERSION	      ((LB_VERSIONS - 1ull) << LB_CTL_VERSION_SHIFT)
#define LB_CTL_FRONTEND_SHIFT 16
#define LB_CTL_FRONTEND	      ((__u64)LB_HANDLE_MASK << LB_CTL_FRONTEND_SHIFT)
#define LB_CTL_BACKEND_SHIFT  40
#define LB_CTL_BACKEND	      ((__u64)LB_HANDLE_MASK << LB_CTL_BACKEND_SHIFT)

struct lb_flow4 {
	__be32 client;
	__be16 client_port;
	__be16 reply_port;
	__u64 control;
};

struct lb_flow6 {
	__u8 client[16];
	__be16 client_port;
	__be16 reply_port;
	__u32 spilled; /* of slot 0: a key whose first choice is this bucket went to its second (programs; never cleared) */
	__u64 control;
};

struct lb_flow4_bucket {
	struct lb_flow4 slot[LB_SLOTS];
};

struct lb_flow6_bucket {
	struct lb_flow6 slot[LB_SLOTS];
};
_Static_assert(sizeof(struct lb_flow4_bucket) == 64, "one cache line");
_Static_assert(sizeof(struct lb_flow6_bucket) == 128, "two cache lines");

lb_inline enum lb_flow_state lb_control_state(__u64 control)
{
	return (enum lb_flow_state)((control & LB_CTL_STATE) >> LB_CTL_STATE_SHIFT);
}

lb_inline __u32 lb_control_frontend(__u64 control)
{
	return (control & LB_CTL_FRONTEND) >> LB_CTL_FRONTEND_SHIFT;
}

lb_inline __u32 lb_control_backend(__u64 control)
{
	return (__u32)(control >> LB_CTL_BACKEND_SHIFT);
}

/* What a slot's control becomes when it is freed: no state, the version goes on. */
lb_inline __u64 lb_control_free(__u64 control)
{
	__u64 version = (control + (1ull << LB_CTL_VERSION_SHIFT)) & LB_CTL_VERSION;

	return (control & ~(LB_CTL_VERSION | LB_CTL_STATE | LB_CTL_RST | LB_CTL_SNAT)) | version;
}

/* client: a v4 address in the low half, or lb_fold6() of a v6 one; 0 for a SNATed reply. */
lb_inline __u64 lb_flow_hash(__u64 seed, __u32 frontend_handle, __u64 client, __be16 client_port)
{
	return lb_mix(client ^ seed, (__u64)client_port << 32 | frontend_handle);
}

lb_inline __u64 lb_reply_hash(__u64 seed, __u32 backend_handle, __u64 client, __be16 reply_port)
{
	return lb_mix(client ^ seed, (__u64)reply_port << 32 | backend_handle | 1ull << 31);
}

/* mask: buckets - 1; 64 buckets at least. The second choice is another bucket of the same 64: of one page in IPv4, two in
 * IPv6, so that looking at both costs two cache lines but mostly one TLB entry. (Tried: anywhere in the table, which
 * refuses 3 instead of 7 of 100,000 flows at half load and costs a new flow a third more.) */
#define LB_BUCKET_GROUP 64

lb_inline __u32 lb_bucket1(__u64 hash, __u32 mask)
{
	return (__u32)hash & mask;
}

lb_inline __u32 lb_bucket2(__u64 hash, __u32 mask)
{
	return lb_bucket1(hash, mask) ^ (((__u32)(hash >> 32) & (LB_BUCKET_GROUP - 1)) | 1);
}

/* --- counters and events -------------------------------------------------------------------------- */

/* lb_fe_stats: per CPU, by frontend id; programs add, user space sums. The agent zeroes an id's when it gives it anew. */
struct lb_frontend_stats {
	__u64 packets; /* from clients, forwarded to a backend */
	__u64 bytes;   /* of those, from the Ethernet header on */
	__u64 drops;   /* from clients, not forwarded: whatever the reason, answered ones too */
};

/* lb_drops: per CPU, by reason: packets for an address of ours that reached no backend (or no client). A line here gives
 * the counter's slot, the metric's label and the text for people. Append only: slots are ABI. */
#define LB_REASONS(X)                                                                                                  \
	X(MALFORMED, "malformed", "headers cut short or contradictory")                                                \
	X(FRAGMENT, "fragment", "a fragment: ports are not in every one")                                              \
	X(PROTOCOL, "protocol", "a protocol that the address does not serve")                                          \
	X(EXTENSION_HEADERS, "extension_headers", "IPv6 extension headers too many or unknown")                        \
	X(TTL, "ttl_expired", "TTL or hop limit used up")                                                              \
	X(CLOSED_PORT, "closed_port", "no frontend on this port (answered unless a reset or multicast)")               \
	X(NO_ENDPOINTS, "no_endpoints", "the service has no endpoint (answered likewise)")                             \
	X(NO_LOCAL_ENDPOINTS, "no_local_endpoints", "policy Local, and no endpoint on this node")                      \
	X(SOURCE_RANGE, "source_range", "client outside loadBalancerSourceRanges")                                     \
	X(NO_BACKEND, "no_backend", "the table names a backend that is not in use")                                    \
	X(FLOW_TABLE_FULL, "flow_table_full", "no room for a new flow; live ones are never evicted")                   \
	X(REPLY_TABLE_FULL, "reply_table_full", "no room for a new flow's reply; live ones are never evicted")         \
	X(SNAT_EXHAUSTED, "snat_ports_exhausted", "no free source port toward this backend")                           \
	X(NO_SNAT_ADDRESS, "no_snat_address", "remote backend, but the node has no SNAT address in this family")       \
	X(NO_NEXT_HOP, "no_next_hop", "next hop unknown or unresolved")                                                \
	X(FLOW_BUSY, "flow_busy", "another CPU held the flow's lock for too long")                                     \
	X(ICMP, "icmp", "ICMP to the address that is neither an echo request nor about a flow of ours")                \
	X(HELPER, "helper", "the kernel refused to change the packet")                                                 \
	X(TOO_BIG, "too_big", "longer than the MTU toward its backend (answered: too big)")                            \
	X(REFUSED_LEAVING, "refused_while_leaving", "a leaving pod's refusal, kept from the client: it asks again, elsewhere")

enum lb_reason {
#define LB_REASON_ENUM(name, label, text) LB_REASON_##name,
	LB_REASONS(LB_REASON_ENUM)
#undef LB_REASON_ENUM
	LB_REASON_COUNT
};

/* lb_drops has room for reasons to come: it is adopted as it was pinned, and a program that finds no slot counts nothing. */
#define LB_MAX_REASONS 64
_Static_assert(LB_REASON_COUNT <= LB_MAX_REASONS, "each reason has its slot in a map of an older agent too");

/* lb_events, a ring buffer: what the agent should look after now. Lost when the ring is full: the agent also checks all
 * next hops on its own. */
enum lb_event_kind {
	LB_EVENT_NEXT_HOP = 1, /* backend `id` was needed and has no valid next hop */
	LB_EVENT_NEIGHBOUR,    /* a reply to `addr` on `ifindex` found no neighbour entry; addr is the gateway or the client */
};

struct lb_event {
	__u32 kind; /* enum lb_event_kind */
	__u32 id;
	__u32 ifindex;
	__u32 family; /* 4 or 6, of addr */
	__u8 addr[16];
};
_Static_assert(sizeof(struct lb_event) == 32, "pinned layout");

#endif
