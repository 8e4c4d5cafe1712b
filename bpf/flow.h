/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The flow tables: finding a slot, opening one, marking its end. Layout and protocol: lb_abi.h, "flows".
 *
 * Both families and both directions share the code: a slot is read as words, and a struct flow_key says which
 * of its fields must match. The fast path (flow_find) takes no lock and writes nothing but `seen`. Opening
 * (flow_open) runs in functions of its own, not inlined: it is long, and the price of the call vanishes in
 * its cache misses.
 *
 * Why a key stands at most once: openers of one key hold the same word of lb_locks while they look and claim.
 * Why a hit is the flow's own: control is read before and after the rest, and a slot changes hands only
 * through LB_OPENING with another version. Why a live flow stays: a slot is claimed by compare-and-swap from
 * LB_FREE only. */
#ifndef FAIRWAY_FLOW_H
#define FAIRWAY_FLOW_H

#define LB_LOCK_SPINS  256
#define LB_CLAIM_TRIES 8
#define NSEC_PER_SEC   1000000000ull

struct flow_key {
	__u64 addr[2];
	__u64 hash;
	__u64 control, control_mask; /* what must be in control: the handle, SNAT, and a state that is open */
	__u32 ports, ports_mask;     /* client_port in the low half, reply_port in the high one */
	bool any_addr;		     /* a SNATed reply: the client is what we want to know */
};

/* A slot, as found. */
struct flow_ref {
	volatile __u64 *control;
	__u64 value; /* of control when it was read */
	__u64 addr[2];
	__u32 ports;
	__u32 bucket, slot; /* where it is: what an opener keeps, for pointers do not go through memory */
};

/* LB_OPEN and LB_CLOSING have this bit, the others not. */
#define LB_CTL_LIVE (2ull << LB_CTL_STATE_SHIFT)
/* What may change while a slot stays the same flow's. Were it taken for a change of owner, an opener could
 * miss a key that stands, and enter it twice. */
#define LB_CTL_MARKS (LB_CTL_SEEN | LB_CTL_RST | 1ull << LB_CTL_STATE_SHIFT)

lb_inline struct lb_settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_settings, &zero);
}

#define barrier() asm volatile("" ::: "memory")

/* Between two loads, or two stores, of a slot. x86 keeps the order by itself; elsewhere an atomic that
 * returns a value is the only full barrier that every kernel's BPF has. */
lb_inline void memory_order(void)
{
	barrier();
	if (lb_config.weak_memory) {
		__u64 word = 0;

		word = __sync_fetch_and_add(&word, 1);
		asm volatile("" ::"r"(word) : "memory");
	}
}

/* --- looking -------------------------------------------------------------------------------------- */

lb_inline __u64 flow_client_hash(const __u64 addr[2], const bool v6)
{
	return v6 ? lb_fold6(addr[0], addr[1]) : addr[0];
}

/* What a client's packet looks for in lb_flows. */
lb_inline struct flow_key flow_key_forward(__u64 seed, __u32 frontend, const __u64 client[2], __be16 port,
					   const bool v6)
{
	return (struct flow_key){
		.addr = { client[0], client[1] },
		.hash = lb_flow_hash(seed, frontend, flow_client_hash(client, v6), port),
		.control = (__u64)frontend << LB_CTL_FRONTEND_SHIFT | LB_CTL_LIVE,
		.control_mask = LB_CTL_FRONTEND | LB_CTL_LIVE,
		.ports = port,
		.ports_mask = 0xffff,
	};
}

/* What a backend's packet looks for in lb_replies. */
lb_inline struct flow_key flow_key_reply(__u64 seed, __u32 backend, const __u64 client[2], __be16 port,
					 bool snat, const bool v6)
{
	return (struct flow_key){
		.addr = { client[0], client[1] },
		.hash = lb_reply_hash(seed, backend, snat ? 0 : flow_client_hash(client, v6), port),
		.control = (__u64)backend << LB_CTL_BACKEND_SHIFT | LB_CTL_LIVE | (snat ? LB_CTL_SNAT : 0),
		.control_mask = LB_CTL_BACKEND | LB_CTL_LIVE | LB_CTL_SNAT,
		.ports = (__u32)port << 16,
		.ports_mask = 0xffff0000,
		.any_addr = snat,
	};
}

/* Slot `i` of a bucket, as words. */
lb_inline volatile __u64 *flow_slot(void *bucket, __u32 i, const bool v6)
{
	return (volatile __u64 *)bucket + (i & (LB_SLOTS - 1)) * (v6 ? 4 : 2);
}

lb_inline bool flow_words_match(volatile __u64 *slot, const struct flow_key *key, struct flow_ref *ref,
				const bool v6)
{
	if (v6) { /* ports first: most slots differ there, and one load tells */
		ref->ports = (__u32)slot[2];
		if ((ref->ports ^ key->ports) & key->ports_mask)
			return false;
		ref->addr[0] = slot[0];
		ref->addr[1] = slot[1];
	} else {
		__u64 word = slot[0];

		ref->addr[0] = (__u32)word;
		ref->addr[1] = 0;
		ref->ports = word >> 32;
	}
	if ((ref->ports ^ key->ports) & key->ports_mask)
		return false;
	return key->any_addr || (ref->addr[0] == key->addr[0] && (!v6 || ref->addr[1] == key->addr[1]));
}

lb_inline bool flow_slot_match(volatile __u64 *slot, const struct flow_key *key, struct flow_ref *ref,
			       const bool v6)
{
	volatile __u64 *control = slot + (v6 ? 3 : 1);
	__u64 before;

	if (!flow_words_match(slot, key, ref, v6)) /* most slots end here, after one load */
		return false;
	before = *control;
	if ((before & key->control_mask) != key->control)
		return false;
	memory_order();
	if (!flow_words_match(slot, key, ref, v6))
		return false;
	memory_order();
	ref->control = control;
	ref->value = before;
	return !((*control ^ before) & ~LB_CTL_MARKS);
}

lb_inline bool flow_bucket_find(void *bucket, const struct flow_key *key, struct flow_ref *ref, const bool v6)
{
#pragma unroll
	for (__u32 i = 0; i < LB_SLOTS; i++) {
		ref->slot = i;
		if (flow_slot_match(flow_slot(bucket, i, v6), key, ref, v6))
			return true;
	}
	return false;
}

lb_inline void *flow_bucket(void *table, __u32 bucket)
{
	return bpf_map_lookup_elem(table, &bucket);
}

lb_inline __u32 flow_mask(const bool v6)
{
	return v6 ? lb_config.flow6_mask : lb_config.flow4_mask;
}

/* IPv6 slots have a word to spare: in slot 0 it says whether any key of this first bucket had to go to its
 * second. Most did not, and a bucket of IPv6 is two cache lines. */
lb_inline volatile __u32 *flow_bucket_spilled(void *bucket)
{
	return bucket + offsetof(struct lb_flow6, spilled);
}

lb_inline bool flow_find(void *table, const struct flow_key *key, struct flow_ref *ref, const bool v6)
{
	void *bucket;

	ref->bucket = lb_bucket1(key->hash, flow_mask(v6));
	bucket = flow_bucket(table, ref->bucket);
	if (bucket && flow_bucket_find(bucket, key, ref, v6))
		return true;
	if (v6 && bucket && !*flow_bucket_spilled(bucket))
		return false;
	ref->bucket = lb_bucket2(key->hash, flow_mask(v6));
	bucket = flow_bucket(table, ref->bucket);
	return bucket && flow_bucket_find(bucket, key, ref, v6);
}

/* Asks for the lines that a search begins with, without waiting: an atomic waits for all loads before it, so
 * those that will be needed behind one are begun together before it. */
lb_inline void flow_warm(void *table, __u64 hash, const bool v6)
{
	volatile __u64 *first = flow_bucket(table, lb_bucket1(hash, flow_mask(v6)));
	volatile __u64 *second = flow_bucket(table, lb_bucket2(hash, flow_mask(v6)));

	if (!first || !second)
		return;
	if (v6)
		asm volatile("" ::"r"(first[0]), "r"(first[8]));
	else
		asm volatile("" ::"r"(first[0]), "r"(second[0]));
}

/* --- marks on a live slot ------------------------------------------------------------------------- */

/* What `seen` of a closing slot is counted in. */
lb_inline __u8 flow_second(void)
{
	return (__u8)(bpf_ktime_get_ns() / NSEC_PER_SEC);
}

/* A byte store: it cannot undo what others change in the word, and in a slot that went to another flow it
 * does no harm. */
lb_inline void flow_touch(const struct flow_ref *ref, __u32 tick)
{
	if ((__u8)ref->value != (__u8)tick)
		*(volatile __u8 *)ref->control =
			lb_control_state(ref->value) == LB_CLOSING ? flow_second() : (__u8)tick;
}

/* FIN or RST: lets the collector take the flow early. Lost when the word changes under it; the idle limit
 * remains. */
lb_inline void flow_mark_closing(const struct flow_ref *ref, __u8 tcp_flags)
{
	__u64 mark = (__u64)LB_CLOSING << LB_CTL_STATE_SHIFT | (tcp_flags & TCP_RST ? LB_CTL_RST : 0);
	__u64 now = *ref->control;

	if ((now ^ ref->value) & ~LB_CTL_SEEN || (now & mark) == mark)
		return;
	__sync_val_compare_and_swap(ref->control, now, (now & ~LB_CTL_SEEN) | mark | flow_second());
}

/* --- opening -------------------------------------------------------------------------------------- */

/* A flow on its way into the tables. It lives on the stack of the program; the functions below work on it one
 * after the other. They are global functions, not inlined: the verifier looks at each once and takes what
 * they leave here for unknown, so that the ways through one do not multiply with those through the next. */
struct flow_open {
	__u64 client[2];
	__u64 seed;
	__u32 frontend; /* handles */
	__u32 backend;	/* once chosen */
	__be16 client_port, vip_port;
	__be16 reply_port; /* once chosen */
	__u8 protocol, tcp_flags;
	__u8 seen, snat;
	/* what stands under the flow's key: flow_seek() */
	__u8 found;
	__u8 slot;
	__u32 ports;
	__u32 bucket;
	__u64 value;
};

/* From CLAIM_HELD on another port may be free. */
enum claim_result { CLAIM_DONE, CLAIM_FULL, CLAIM_HELD, CLAIM_BUSY, CLAIM_RIPE };

lb_inline void *flow_table(const bool v6)
{
	return v6 ? (void *)&lb_flows6 : (void *)&lb_flows4;
}

lb_inline void *reply_table(const bool v6)
{
	return v6 ? (void *)&lb_replies6 : (void *)&lb_replies4;
}

lb_inline struct flow_key flow_open_key(const struct flow_open *open, const bool v6)
{
	return flow_key_forward(open->seed, open->frontend, open->client, open->client_port, v6);
}

lb_inline struct flow_key flow_open_reply_key(const struct flow_open *open, const bool v6)
{
	return flow_key_reply(open->seed, open->backend, open->client, open->reply_port, open->snat, v6);
}

__noinline int flow_lock_wait(__u32 index)
{
	__u32 *word = bpf_map_lookup_elem(&lb_locks, &index);

	if (!word)
		return -1;
	for (int i = 0; i < LB_LOCK_SPINS; i++)
		if (!__sync_val_compare_and_swap(word, 0, 1))
			return 0;
	return -1;
}

/* 0, or -1 after LB_LOCK_SPINS failures. Who holds a word runs with softirqs off and lets it go within a
 * microsecond. */
lb_inline int flow_lock(__u32 index)
{
	__u32 *word = bpf_map_lookup_elem(&lb_locks, &index);

	return word && !__sync_val_compare_and_swap(word, 0, 1) ? 0 : flow_lock_wait(index);
}

lb_inline void flow_unlock(__u32 index)
{
	__u32 *word = bpf_map_lookup_elem(&lb_locks, &index);

	memory_order();
	if (word)
		*(volatile __u32 *)word = 0;
}

/* Openers of one key meet here. The halves of lb_locks are for flows and for replies: a reply's word is taken
 * while a flow's is held, never the other way round. */
lb_inline __u32 flow_lock_index(__u64 hash, bool reply)
{
	return (__u32)(hash >> 20) % (LB_LOCKS / 2) + (reply ? LB_LOCKS / 2 : 0);
}

lb_inline __u64 flow_next_version(__u64 control)
{
	return (control + (1ull << LB_CTL_VERSION_SHIFT)) & LB_CTL_VERSION;
}

lb_inline volatile __u64 *flow_slot_control(volatile __u64 *slot, const bool v6)
{
	return slot + (v6 ? 3 : 1);
}

/* Takes the slot over from `was` (free, or a flow of the same key), fills and publishes it. */
lb_inline bool flow_slot_take(volatile __u64 *slot, __u64 was, const struct flow_open *open, const bool v6)
{
	volatile __u64 *control = flow_slot_control(slot, v6);
	__u64 ports = open->client_port | (__u32)open->reply_port << 16;
	__u64 version = flow_next_version(was);

	if (__sync_val_compare_and_swap(control, was, version | (__u64)LB_OPENING << LB_CTL_STATE_SHIFT) !=
	    was)
		return false;
	if (v6) {
		slot[0] = open->client[0];
		slot[1] = open->client[1];
		*(volatile __u32 *)&slot[2] = (__u32)ports; /* and not the word behind: it is the bucket's */
	} else {
		slot[0] = (__u32)open->client[0] | ports << 32;
	}
	memory_order();
	*control = (__u64)open->frontend << LB_CTL_FRONTEND_SHIFT |
		   (__u64)open->backend << LB_CTL_BACKEND_SHIFT | (open->snat ? LB_CTL_SNAT : 0) |
		   open->seen | version | (__u64)LB_OPEN << LB_CTL_STATE_SHIFT;
	return true;
}

/* Bit i: slot i is free. No branches: they would multiply for the verifier, and mispredict. */
lb_inline __u32 flow_bucket_free(void *bucket, const bool v6)
{
	__u32 free = 0;

#pragma unroll
	for (__u32 i = 0; i < LB_SLOTS; i++)
		free |= (__u32)(((*flow_slot_control(flow_slot(bucket, i, v6), v6) & LB_CTL_STATE) - 1) >> 63)
			<< i;
	return free;
}

/* How many, and the first of them: four bits each, by the mask of flow_bucket_free(). */
lb_inline __u32 flow_free_count(__u32 free)
{
	return 0x4332322132212110ull >> (free * 4) & 7;
}

lb_inline __u32 flow_free_first(__u32 free)
{
	return 0x0102010301020100ull >> (free * 4) & 3;
}

/* Into the second bucket: who looks for the key must know that before it is there. */
lb_inline bool flow_spill(void *first, volatile __u64 *slot, __u64 was, const struct flow_open *open,
			  const bool v6)
{
	if (v6 && !*flow_bucket_spilled(first)) {
		*flow_bucket_spilled(first) = 1;
		memory_order();
	}
	return flow_slot_take(slot, was, open, v6);
}

/* Slot by slot, when another CPU was faster. */
lb_inline bool flow_claim_any(void *first, void *second, const struct flow_open *open, const bool v6)
{
	for (__u32 i = 0; i < 2 * LB_SLOTS; i++) {
		volatile __u64 *slot = flow_slot(i < LB_SLOTS ? first : second, i, v6);
		__u64 was = *flow_slot_control(slot, v6);

		if (!(was & LB_CTL_STATE) && (i < LB_SLOTS ? flow_slot_take(slot, was, open, v6)
							   : flow_spill(first, slot, was, open, v6)))
			return true;
	}
	return false;
}

/* Into a free slot of the two buckets; false: both are full of live flows. The first bucket is preferred
 * while it has three free slots (a hit there costs one cache line), then the emptier one: at half load 19%
 * are in the second. */
lb_inline bool flow_claim(void *table, __u64 hash, const struct flow_open *open, const bool v6)
{
	void *first = flow_bucket(table, lb_bucket1(hash, flow_mask(v6)));
	void *second = flow_bucket(table, lb_bucket2(hash, flow_mask(v6)));
	__u32 free, free_second = 0;
	volatile __u64 *slot;
	__u64 was;
	bool taken;

	if (!first || !second)
		return false;
	free = flow_bucket_free(first, v6);
	if (flow_free_count(free) < 3)
		free_second = flow_bucket_free(second, v6);
	if (flow_free_count(free_second) > flow_free_count(free)) {
		slot = flow_slot(second, flow_free_first(free_second), v6);
		was = *flow_slot_control(slot, v6);
		taken = !(was & LB_CTL_STATE) && flow_spill(first, slot, was, open, v6);
	} else {
		slot = flow_slot(first, flow_free_first(free), v6);
		was = *flow_slot_control(slot, v6);
		taken = !(was & LB_CTL_STATE) && flow_slot_take(slot, was, open, v6);
	}
	return taken || flow_claim_any(first, second, open, v6);
}

/* What stands under the flow's key, into `open`. Under the key's lock. */
lb_inline int flow_seek(struct flow_open *open, const bool v6)
{
	struct flow_key key = flow_open_key(open, v6);
	struct flow_ref ref = { 0 };

	open->found = flow_find(flow_table(v6), &key, &ref, v6);
	if (open->found) {
		open->value = ref.value;
		open->ports = ref.ports;
		open->bucket = ref.bucket;
		open->slot = (__u8)ref.slot;
	}
	return 0;
}

/* The slot of a flow that is over, for the next one under its key. False when the collector was faster: the
 * slot may be somebody else's by now, and the key is free. */
lb_inline bool flow_retake(const struct flow_open *open, const bool v6)
{
	void *bucket = flow_bucket(flow_table(v6), open->bucket);
	volatile __u64 *slot;

	if (!bucket)
		return false;
	slot = flow_slot(bucket, open->slot, v6);
	for (int i = 0; i < LB_CLAIM_TRIES; i++) {
		__u64 now = *flow_slot_control(slot, v6);

		if ((now ^ open->value) & ~LB_CTL_MARKS)
			return false;
		if (flow_slot_take(slot, now, open, v6))
			return true;
	}
	return false;
}

/* Publishes the flow, whose reply's key is claimed. Under the key's lock. */
lb_inline int flow_store(const struct flow_open *open, const bool v6)
{
	if (open->found && flow_retake(open, v6))
		return CLAIM_DONE;
	return flow_claim(flow_table(v6), flow_open_key(open, v6).hash, open, v6) ? CLAIM_DONE : CLAIM_FULL;
}

/* --- the reply's key ------------------------------------------------------------------------------ */

/* The same flow opens again: the slot is its own, and its version moves on so that a collector that is about
 * to free it fails. */
lb_inline bool reply_adopt(const struct flow_ref *ref, __u8 seen)
{
	for (int i = 0; i < LB_CLAIM_TRIES; i++) {
		__u64 now = *ref->control;
		__u64 wanted = (now & ~(LB_CTL_SEEN | LB_CTL_VERSION | LB_CTL_STATE | LB_CTL_RST)) |
			       flow_next_version(now) | (__u64)LB_OPEN << LB_CTL_STATE_SHIFT | seen;

		if ((now ^ ref->value) & ~LB_CTL_MARKS)
			return false;
		if (__sync_val_compare_and_swap(ref->control, now, wanted) == now)
			return true;
	}
	return false;
}

lb_inline bool reply_is_mine(const struct flow_ref *ref, const struct flow_open *open, const bool v6)
{
	return lb_control_frontend(ref->value) == open->frontend &&
	       ref->ports == (open->client_port | (__u32)open->reply_port << 16) &&
	       ref->addr[0] == open->client[0] && (!v6 || ref->addr[1] == open->client[1]);
}

/* --- ports that run short: the reply's key of a flow that is over ---------------------------------- */

/* Between the last packet of a closed flow and the next flow on its port. Late packets have come by then; a
 * pod in TIME_WAIT or LAST_ACK answers the new SYN with an ACK that the client resets, and takes the SYN that
 * follows at once. */
#define LB_REUSE_SEC	   2
#define LB_REUSE_UDP_TICKS 2 /* 32 to 64 s of silence in both directions */

/* `now` and `seen` are clocks of 8 bits; another CPU's may be ahead. */
lb_inline bool flow_silent_for(__u8 now, __u64 control, __u8 least)
{
	__u8 age = now - (__u8)control;

	return age >= least && age <= LB_MAX_TICKS;
}

/* By the reply's half alone. A backend's FIN or RST is believed; a client's RST may be anybody's. */
lb_inline bool reply_may_be_ripe(const struct flow_open *open, __u64 reply)
{
	if (!(reply & LB_CTL_SNAT))
		return false;
	if (open->protocol != IPPROTO_TCP)
		return flow_silent_for(open->seen, reply, LB_REUSE_UDP_TICKS);
	return lb_control_state(reply) == LB_CLOSING && flow_silent_for(flow_second(), reply, LB_REUSE_SEC);
}

/* By the other half. */
lb_inline bool reply_is_ripe(const struct flow_open *open, __u64 reply, __u64 flow)
{
	if (open->protocol != IPPROTO_TCP)
		return flow_silent_for(open->seen, flow, LB_REUSE_UDP_TICKS);
	if (lb_control_state(flow) != LB_CLOSING)
		return !!(reply & LB_CTL_RST);
	return flow_silent_for(flow_second(), flow, LB_REUSE_SEC);
}

/* As the collector would free the flow, and in its order; but the reply's slot goes to the new flow, whose
 * key is the same. A flow slot that leads elsewhere is left alone. */
lb_inline enum claim_result reply_reclaim_locked(const struct flow_open *open, const struct flow_key *key,
						 const bool v6)
{
	struct flow_ref reply = { 0 }, flow = { 0 };
	struct flow_key forward;

	if (!flow_find(reply_table(v6), key, &reply, v6) || !reply_may_be_ripe(open, reply.value))
		return CLAIM_HELD;
	forward = flow_key_forward(open->seed, lb_control_frontend(reply.value), reply.addr,
				   (__be16)reply.ports, v6);
	if (flow_find(flow_table(v6), &forward, &flow, v6) && flow.ports == reply.ports &&
	    !((flow.value ^ reply.value) & (LB_CTL_BACKEND | LB_CTL_SNAT))) {
		if (!reply_is_ripe(open, reply.value, flow.value) ||
		    __sync_val_compare_and_swap(flow.control, flow.value, lb_control_free(flow.value)) !=
			    flow.value)
			return CLAIM_HELD;
	}
	return flow_slot_take(reply.control - (v6 ? 3 : 1), reply.value, open, v6) ? CLAIM_DONE : CLAIM_HELD;
}

/* The key that reply_claim() called RIPE. */
lb_inline int reply_reclaim(const struct flow_open *open, const bool v6)
{
	struct flow_key key = flow_open_reply_key(open, v6);
	__u32 lock = flow_lock_index(key.hash, true);
	int result;

	if (flow_lock(lock))
		return CLAIM_BUSY;
	result = reply_reclaim_locked(open, &key, v6);
	flow_unlock(lock);
	return result;
}

/* --- the reply's key, claimed ---------------------------------------------------------------------- */

lb_inline enum claim_result reply_claim_locked(const struct flow_open *open, const struct flow_key *key,
					       const bool v6)
{
	struct flow_ref ref = { 0 };

	if (!flow_find(reply_table(v6), key, &ref, v6))
		return flow_claim(reply_table(v6), key->hash, open, v6) ? CLAIM_DONE : CLAIM_FULL;
	if (!reply_is_mine(&ref, open, v6))
		return reply_may_be_ripe(open, ref.value) ? CLAIM_RIPE : CLAIM_HELD;
	return reply_adopt(&ref, open->seen) ? CLAIM_DONE : CLAIM_BUSY;
}

/* The key {backend, client or node, reply_port} for this flow; HELD: it is another's; RIPE: another's that
 * may be over. */
lb_inline int reply_claim(const struct flow_open *open, const bool v6)
{
	struct flow_key key = flow_open_reply_key(open, v6);
	__u32 lock = flow_lock_index(key.hash, true);
	int result;

	if (flow_lock(lock))
		return CLAIM_BUSY;
	result = reply_claim_locked(open, &key, v6);
	flow_unlock(lock);
	return result;
}

/* The flow could not be opened after all. */
lb_inline int reply_release(const struct flow_open *open, const bool v6)
{
	struct flow_key key = flow_open_reply_key(open, v6);
	struct flow_ref ref = { 0 };

	if (flow_find(reply_table(v6), &key, &ref, v6) && reply_is_mine(&ref, open, v6))
		__sync_val_compare_and_swap(ref.control, ref.value, lb_control_free(ref.value));
	return 0;
}

/* The functions themselves, one for each family. A global function must take NULL for possible. */
#define FLOW_FUNCTION(name)                                                                                  \
	__noinline int name##4(struct flow_open * open)                                                      \
	{                                                                                                    \
		return open ? name(open, false) : -1;                                                        \
	}                                                                                                    \
	__noinline int name##6(struct flow_open * open)                                                      \
	{                                                                                                    \
		return open ? name(open, true) : -1;                                                         \
	}
#define FLOW_CALL(name, open, v6) ((v6) ? name##6(open) : name##4(open))

FLOW_FUNCTION(flow_seek)
FLOW_FUNCTION(flow_store)
FLOW_FUNCTION(reply_claim)
FLOW_FUNCTION(reply_reclaim)
FLOW_FUNCTION(reply_release)

#endif
