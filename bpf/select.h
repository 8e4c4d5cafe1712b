/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Packet -> flow: which frontend, which established flow, or which backend for a new one.
 *
 * The fast path is select_established(): index, flow table, backend entry. On a miss select_open() pays for
 * source ranges and Maglev, claims the reply's key and then the flow's; the fast path then finds it. */
#ifndef FAIRWAY_SELECT_H
#define FAIRWAY_SELECT_H

#include "bpf/packet.h"
#include "bpf/flow.h"

/* A SYN on a flow that has been silent for four minutes is a new connection. */
#define SELECT_REOPEN_TICKS 8
/* Steps in the search for a translated source port before it counts as exhausted: each tries a port, or takes
 * over the one just tried. */
#define SELECT_PORT_TRIES 128
#define LB_NO_HANDLE	  (~0u)

/* --- addresses of ours ---------------------------------------------------------------------------- */

lb_inline bool vip_filter_hit(const __u64 addr[2], const bool v6)
{
	__u32 bit = v6 ? lb_filter_bit6(addr[0], addr[1]) : lb_filter_bit4((__be32)addr[0]);
	__u32 index = bit >> 6;
	__u64 *word = bpf_map_lookup_elem(&lb_vip_filter, &index);

	return word && *word >> (bit & 63) & 1;
}

lb_inline bool vip_exists(const __u64 addr[2], const bool v6)
{
	struct lb_vip_key key = { 0 };

	if (v6) {
		__builtin_memcpy(key.addr, addr, 16);
	} else {
		key.addr[10] = key.addr[11] = 0xff;
		__builtin_memcpy(key.addr + 12, addr, 4);
	}
	return bpf_map_lookup_elem(&lb_vips, &key) != NULL;
}

lb_inline bool snat_address_is(const struct lb_settings *set, const __u64 addr[2], const bool v6)
{
	if (!v6)
		return set->snat_v4 && (__u32)addr[0] == set->snat_v4;
	/* :: never arrives as a destination, so an unset address matches nothing */
	return addr[0] == lb_load64(set->snat_v6) && addr[1] == lb_load64(set->snat_v6 + 8);
}

lb_inline bool snat_port_is(const struct lb_settings *set, __be16 port)
{
	__u16 number = bpf_ntohs(port);

	return number >= set->snat_port_first && number <= set->snat_port_last;
}

/* --- index ---------------------------------------------------------------------------------------- */

lb_inline struct lb_frontend *frontend_entry(__u32 handle)
{
	__u32 id = lb_handle_id(handle);

	return bpf_map_lookup_elem(&lb_frontends, &id);
}

lb_inline struct lb_backend *backend_entry(__u32 handle)
{
	__u32 id = lb_handle_id(handle);

	return bpf_map_lookup_elem(&lb_backends, &id);
}

lb_inline bool addr16_is(const __u8 *addr16, const __u64 addr[2])
{
	return lb_load64(addr16) == addr[0] && lb_load64(addr16 + 8) == addr[1];
}

/* A slot whose key matches: its handle, or LB_NO_HANDLE when the address behind a hashed key is another one,
 * or the slot changed hands meanwhile. */
lb_inline __u32 index_slot_handle(volatile struct lb_index_slot *slot, __u64 key, const __u64 addr[2],
				  bool backends, const bool v6)
{
	__u32 handle;

	memory_order();
	handle = slot->handle;
	memory_order();
	if (slot->key != key)
		return LB_NO_HANDLE;
	if (!v6)
		return handle;
	if (backends) {
		struct lb_backend *backend = backend_entry(handle);

		return backend && addr16_is(backend->addr, addr) ? handle : LB_NO_HANDLE;
	}
	struct lb_frontend *frontend = frontend_entry(handle);

	return frontend && addr16_is(frontend->addr, addr) ? handle : LB_NO_HANDLE;
}

lb_inline __u32 index_find(void *table, __u32 mask, const __u64 addr[2], __be16 port, __u8 protocol,
			   bool backends, const bool v6)
{
	__u64 key = v6 ? lb_index_key6(addr[0], addr[1], port, protocol)
		       : lb_index_key4((__be32)addr[0], port, protocol);
	__u32 at = lb_index_bucket(key);

	for (int probe = 0; probe < LB_INDEX_PROBES; probe++, at++) {
		__u32 index = at & mask;
		volatile struct lb_index_bucket *bucket = bpf_map_lookup_elem(table, &index);

		if (!bucket)
			return LB_NO_HANDLE;
#pragma unroll
		for (int i = 0; i < LB_SLOTS; i++) {
			if (bucket->slot[i].key == key) {
				__u32 handle = index_slot_handle(&bucket->slot[i], key, addr, backends, v6);

				if (handle != LB_NO_HANDLE)
					return handle;
			}
		}
		if (!bucket->slot[0].more)
			return LB_NO_HANDLE;
	}
	return LB_NO_HANDLE;
}

lb_inline __u32 frontend_find(const __u64 addr[2], __be16 port, __u8 protocol, const bool v6)
{
	return index_find(&lb_fe_index, lb_config.fe_index_mask, addr, port, protocol, false, v6);
}

lb_inline __u32 backend_find(const __u64 addr[2], __be16 port, __u8 protocol, const bool v6)
{
	return index_find(&lb_be_index, lb_config.be_index_mask, addr, port, protocol, true, v6);
}

/* --- a new flow ----------------------------------------------------------------------------------- */

lb_inline bool ranges_contain(__u32 id, const __u64 client[2], const bool v6)
{
	if (v6) {
		struct lb_range6_key key = { .prefixlen = 160, .frontend = bpf_htonl(id) };

		__builtin_memcpy(key.addr, client, 16);
		return bpf_map_lookup_elem(&lb_ranges6, &key) != NULL;
	}
	struct lb_range4_key key = { .prefixlen = 64, .frontend = bpf_htonl(id), .addr = (__be32)client[0] };

	return bpf_map_lookup_elem(&lb_ranges4, &key) != NULL;
}

lb_inline bool ranges_permit(enum lb_ranges ranges, __u32 id, const __u64 client[2], const bool v6)
{
	switch (ranges) {
	case LB_RANGES_NONE:
		return true;
	case LB_RANGES_ALLOW:
		return ranges_contain(id, client, v6);
	case LB_RANGES_DENY:
		return !ranges_contain(id, client, v6);
	case LB_RANGES_CLOSED:
		return false;
	}
	return false;
}

/* The client's backend by Maglev: its handle, or LB_NO_HANDLE for a table that names none in use. */
lb_inline __u32 maglev_pick(const struct flow_open *open, __u64 choice, const bool v6)
{
	__u32 hash = lb_maglev_hash(flow_client_hash(open->client, v6), open->client_port, open->vip_port,
				    open->protocol, !!(choice & LB_CHOICE_AFFINITY));
	__u32 at = lb_choice_offset(choice) + lb_maglev_slot(hash, lb_choice_size(choice));
	__u32 index = at / LB_MAGLEV_LINE, id;
	struct lb_maglev_line *line = lb_choice_size(choice) ? bpf_map_lookup_elem(&lb_maglev, &index) : NULL;
	struct lb_backend *backend;

	if (!line)
		return LB_NO_HANDLE;
	id = line->slot[at % LB_MAGLEV_LINE];
	backend = backend_entry(id);
	if (!backend || backend->life != LB_USED)
		return LB_NO_HANDLE;
	return lb_handle(id, backend->generation);
}

/* Does this flow's backend still serve this packet? */
lb_inline bool backend_serves(const struct lb_backend *backend, __u32 handle, __u8 protocol, __u8 tcp_flags)
{
	if ((backend->generation & 15) != handle >> LB_ID_BITS)
		return false;
	if (backend->state != LB_BACKEND_GONE)
		return true;
	return protocol == IPPROTO_TCP && (tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

lb_inline bool is_syn(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* A SYN on a flow that is over, or as good as over, is a new connection from the same port. One on an
 * embryonic flow is that flow's own, sent again. A connection whose end another node has seen (the router's
 * next hops changed) stays open here for hours: where its pod is leaving, a new one must not go there, for
 * the pod may be gone already and nobody able to say so (no API server). */
lb_inline bool flow_is_over(__u64 control, const struct lb_backend *backend, __u8 tcp_flags, __u32 tick)
{
	__u8 apart = tick - control, idle = apart & ~LB_SEEN_EMBRYONIC;

	if (!is_syn(tcp_flags))
		return false;
	return lb_control_state(control) == LB_CLOSING || idle >= SELECT_REOPEN_TICKS ||
	       (backend->state == LB_BACKEND_DRAINING && apart < LB_SEEN_EMBRYONIC);
}

/* Another CPU opened it while we waited for the lock, and it is good for this packet. */
lb_inline bool found_usable(const struct flow_open *open, __u32 tick)
{
	__u32 handle = lb_control_backend(open->value);
	struct lb_backend *backend = backend_entry(handle);

	return open->found && backend && backend_serves(backend, handle, open->protocol, open->tcp_flags) &&
	       !flow_is_over(open->value, backend, open->tcp_flags, tick);
}

/* A translated source port: from where the last search at this backend ended, so that a port comes up again
 * only after all others. So the one of a flow that is over is taken as it comes up: at low rates the
 * collector has freed it long before, at high ones it is the one that was over first. `before`: the port that
 * this flow had, tried first, or 0. */
lb_inline enum lb_reason claim_translated(struct flow_open *open, const struct lb_settings *set,
					  __be16 before, const bool v6)
{
	__u32 id = lb_handle_id(open->backend);
	__u32 range = set->snat_port_last - set->snat_port_first + 1u;
	__u32 *next = bpf_map_lookup_elem(&lb_snat_next, &id);
	int result;

	if (!next || set->snat_port_last < set->snat_port_first || !set->snat_port_last)
		return LB_REASON_SNAT_EXHAUSTED;
	open->reply_port = before;
	result = before ? FLOW_CALL(reply_claim, open, v6) : CLAIM_HELD;
	for (int i = 0; i < SELECT_PORT_TRIES && result >= CLAIM_HELD; i++) {
		if (result == CLAIM_RIPE) {
			result = FLOW_CALL(reply_reclaim, open, v6);
			continue;
		}
		open->reply_port = bpf_htons(set->snat_port_first + __sync_fetch_and_add(next, 1) % range);
		result = FLOW_CALL(reply_claim, open, v6);
	}
	if (result == CLAIM_DONE)
		return LB_REASON_COUNT;
	return result == CLAIM_FULL ? LB_REASON_REPLY_TABLE_FULL : LB_REASON_SNAT_EXHAUSTED;
}

/* The reply's key: the client's own port where the backend is local and no other VIP holds it, else a
 * translated one. */
lb_inline enum lb_reason claim_reply(struct flow_open *open, const struct lb_settings *set, const bool v6)
{
	bool same = open->found && lb_control_backend(open->value) == open->backend;
	__be16 before = same ? open->ports >> 16 : 0;
	int result;

	if (open->snat)
		return claim_translated(open, set, same && open->value & LB_CTL_SNAT ? before : 0, v6);
	open->reply_port = before ?: open->client_port;
	result = FLOW_CALL(reply_claim, open, v6);
	if (result == CLAIM_DONE)
		return LB_REASON_COUNT;
	if (result == CLAIM_HELD)
		return claim_translated(open, set, 0, v6);
	return result == CLAIM_FULL ? LB_REASON_REPLY_TABLE_FULL : LB_REASON_FLOW_BUSY;
}

lb_inline bool snat_address_set(const struct lb_settings *set, const bool v6)
{
	return v6 ? lb_load64(set->snat_v6) || lb_load64(set->snat_v6 + 8) : set->snat_v4 != 0;
}

/* Holds the flow's lock; what stands under its key is unusable, or nothing. */
lb_inline enum lb_reason open_locked(struct flow_open *open, const struct lb_settings *set, const bool v6)
{
	enum lb_reason reason;

	if (open->backend == LB_NO_HANDLE)
		return LB_REASON_NO_BACKEND;
	if (open->snat && !snat_address_set(set, v6))
		return LB_REASON_NO_SNAT_ADDRESS;
	reason = claim_reply(open, set, v6);
	if (reason != LB_REASON_COUNT)
		return reason;
	if (open->protocol == IPPROTO_TCP && is_syn(open->tcp_flags))
		open->seen ^= LB_SEEN_EMBRYONIC;
	if (FLOW_CALL(flow_store, open, v6) == CLAIM_DONE)
		return LB_REASON_COUNT;
	FLOW_CALL(reply_release, open, v6);
	return LB_REASON_FLOW_TABLE_FULL;
}

/* Its backend, by Maglev, and a first touch of where its reply's key will be. */
lb_inline void open_choose(struct flow_open *open, __u64 choice, const bool v6)
{
	struct lb_backend *backend;

	open->backend = maglev_pick(open, choice, v6);
	backend = open->backend == LB_NO_HANDLE ? NULL : backend_entry(open->backend);
	open->snat = backend && !(backend->flags & LB_BACKEND_LOCAL);
	open->reply_port = open->client_port;
	if (!open->snat)
		flow_warm(reply_table(v6), flow_open_reply_key(open, v6).hash, v6);
}

/* May the client come, and is there somebody to serve it? */
lb_inline enum lb_reason open_permitted(const struct flow_open *open, __u64 choice, const bool v6)
{
	if (!ranges_permit(lb_choice_ranges(choice), lb_handle_id(open->frontend), open->client, v6))
		return LB_REASON_SOURCE_RANGE;
	switch (lb_choice_verdict(choice)) {
	case LB_FORWARD:
		return LB_REASON_COUNT;
	case LB_REJECT:
		return LB_REASON_NO_ENDPOINTS;
	case LB_DROP:
		return LB_REASON_NO_LOCAL_ENDPOINTS;
	}
	return LB_REASON_NO_LOCAL_ENDPOINTS;
}

/* Opens the flow, or finds that another CPU has just done so: LB_REASON_COUNT, and the flow is established;
 * or why not. */
lb_inline int select_open(struct flow_open *open, const bool v6)
{
	struct lb_settings *set = settings();
	struct lb_frontend *frontend = frontend_entry(open->frontend);
	struct flow_ref ref = { 0 };
	enum lb_reason reason;
	struct flow_key key;
	__u64 choice;
	__u32 lock;

	if (!set || !frontend || (frontend->generation & 15) != open->frontend >> LB_ID_BITS)
		return LB_REASON_CLOSED_PORT;
	open->seed = set->seed;
	open->seen = (__u8)set->tick;
	choice = *(volatile __u64 *)&frontend->choice;
	reason = open_permitted(open, choice, v6);
	if (reason != LB_REASON_COUNT)
		return reason;
	open_choose(open, choice, v6);
	key = flow_open_key(open, v6);
	lock = flow_lock_index(key.hash, false);
	if (flow_lock(lock))
		return LB_REASON_FLOW_BUSY;
	if (flow_find(flow_table(v6), &key, &ref, v6))
		FLOW_CALL(flow_seek, open, v6);
	if (!found_usable(open, set->tick))
		reason = open_locked(open, set, v6);
	flow_unlock(lock);
	return reason;
}

/* --- the fast path -------------------------------------------------------------------------------- */

/* Where a packet of a client goes. */
struct selection {
	struct lb_backend *backend;
	__u32 handle;
	__be16 reply_port;
};

/* The established flow of the packet, if it has one and the flow's backend still serves it. */
lb_inline bool select_established(const struct packet *packet, __u32 frontend, const struct lb_settings *set,
				  struct selection *selection, const bool v6)
{
	struct flow_key key = flow_key_forward(set->seed, frontend, packet->src, packet->sport, v6);
	struct flow_ref ref = { 0 };

	if (!flow_find(flow_table(v6), &key, &ref, v6))
		return false;
	selection->handle = lb_control_backend(ref.value);
	selection->backend = backend_entry(selection->handle);
	if (!selection->backend ||
	    !backend_serves(selection->backend, selection->handle, packet->protocol, packet->tcp_flags) ||
	    flow_is_over(ref.value, selection->backend, packet->tcp_flags, set->tick))
		return false;
	selection->reply_port = ref.ports >> 16;
	if (!is_syn(packet->tcp_flags)) /* a SYN, and a SYN again, leave the flow embryonic */
		flow_touch(&ref, set->tick);
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		flow_mark_closing(&ref, packet->tcp_flags);
	return true;
}

/* The client behind a backend's packet. */
struct reply_selection {
	struct lb_frontend *frontend;
	__u64 client[2];
	__u64 control; /* of the reply's slot, as it was found */
	__u32 ports;
	__be16 client_port;
};

/* false: no flow of ours, or its frontend's id has another life. */
lb_inline bool select_reply(const struct packet *packet, const struct lb_settings *set, bool snat,
			    struct reply_selection *selection, const bool v6)
{
	__u32 backend = backend_find(packet->src, packet->sport, packet->protocol, v6);
	struct flow_key key;
	struct flow_ref ref = { 0 };
	__u32 handle;

	if (backend == LB_NO_HANDLE)
		return false;
	key = flow_key_reply(set->seed, backend, packet->dst, packet->dport, snat, v6);
	if (!flow_find(reply_table(v6), &key, &ref, v6))
		return false;
	handle = lb_control_frontend(ref.value);
	selection->frontend = frontend_entry(handle);
	if (!selection->frontend || (selection->frontend->generation & 15) != handle >> LB_ID_BITS)
		return false;
	selection->client[0] = ref.addr[0];
	selection->client[1] = ref.addr[1];
	selection->control = ref.value;
	selection->ports = ref.ports;
	selection->client_port = (__be16)ref.ports;
	flow_touch(&ref, set->tick);
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		flow_mark_closing(&ref, packet->tcp_flags);
	return true;
}

/* --- a refusal that is not brought to the client -------------------------------------------------- */

/* What answers a SYN to a port that nobody listens on. */
lb_inline bool is_refusal(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_RST | TCP_ACK)) == (TCP_RST | TCP_ACK);
}

/* Has the flow seen nothing of its client but the SYN? As the collector tells it (expiry.c). */
lb_inline bool flow_is_embryonic(__u64 flow, __u64 reply)
{
	__u8 apart = (__u8)reply - (__u8)flow;

	return lb_control_state(flow) == LB_OPEN && lb_control_state(reply) == LB_OPEN &&
	       apart >= LB_SEEN_EMBRYONIC && apart < LB_SEEN_EMBRYONIC + SELECT_REOPEN_TICKS;
}

/* Does the backend's reset, or an error about the client's packet, answer nothing but a SYN? Then the flow is
 * over at once, so that the SYN, sent again, chooses anew. `reply`, `ports`: of the reply's slot. */
lb_inline int reply_refuses(__u64 reply, __u32 ports, __u64 client_first, __u64 client_last, const bool v6)
{
	const __u64 client[2] = { client_first, client_last };
	struct lb_settings *set = settings();
	struct flow_ref flow = { 0 };
	struct flow_key key;

	if (!set)
		return false;
	key = flow_key_forward(set->seed, lb_control_frontend(reply), client, (__be16)ports, v6);
	if (!flow_find(flow_table(v6), &key, &flow, v6) || flow.ports != ports ||
	    (flow.value ^ reply) & LB_CTL_BACKEND || !flow_is_embryonic(flow.value, reply))
		return false;
	flow_mark_closing(&flow, TCP_RST);
	return true;
}

__weak __noinline int reply_refuses4(__u64 reply, __u32 ports, __u64 client_first, __u64 client_last)
{
	return reply_refuses(reply, ports, client_first, client_last, false);
}

__weak __noinline int reply_refuses6(__u64 reply, __u32 ports, __u64 client_first, __u64 client_last)
{
	return reply_refuses(reply, ports, client_first, client_last, true);
}

/* For what may be a refusal: is it one that a ready endpoint on another node makes needless? See lb_abi.h,
 * LB_CHOICE_READY_ELSEWHERE. */
lb_inline bool refusal_is_kept(const struct reply_selection *selection, const bool v6)
{
	if (!(*(volatile __u64 *)&selection->frontend->choice & LB_CHOICE_READY_ELSEWHERE))
		return false;
	return v6 ? reply_refuses6(selection->control, selection->ports, selection->client[0],
				   selection->client[1])
		  : reply_refuses4(selection->control, selection->ports, selection->client[0], 0);
}

#endif
