// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The yardstick: how cheap DNAT + flow table + Maglev can be with nothing else. IPv4 only, own tables in mmapable arrays, services first.
 *
 * It is measured beside Fairway's programs and never loaded for traffic: it keeps none of the flow table's invariants (two
 * CPUs may open a key twice, a slot may be reused between match and read), answers nothing, and counts little. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/yardstick.h"

#define TABLE(name, slot_type, n)                                                                    \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, n);                                                            \
		__type(key, __u32);                                                                \
		__type(value, slot_type);                                                            \
	} name SEC(".maps")

TABLE(yard_services, struct yardstick_service_bucket, YARDSTICK_SERVICE_MASK + 1);
TABLE(yard_ring, __u32, YARDSTICK_SERVICES * YARDSTICK_RING);
TABLE(yard_backends, struct yardstick_backend, 65536);
TABLE(yard_flows, struct yardstick_flow_bucket, 1 << YARDSTICK_BUCKET_BITS);
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, YARDSTICK_SERVICES);
	__type(key, __u32);
	__type(value, struct yardstick_counter);
} yard_counters SEC(".maps");

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline struct yardstick_service *find_service(const struct iphdr *ip, const struct udphdr *ports)
{
	__u32 index = yardstick_bucket(ip->daddr, ports->dest, ip->protocol);
	struct yardstick_service_bucket *bucket = bpf_map_lookup_elem(&yard_services, &index);
	__u64 want = yardstick_key(ip->daddr, ports->dest, ip->protocol);
	int i;

	if (!bucket)
		return 0;
#pragma unroll
	for (i = 0; i < 4; i++)
		if (*(__u64 *)&bucket->slots[i] == want)
			return &bucket->slots[i];
	return 0;
}

static __always_inline struct yardstick_backend *choose(__u64 addresses, __u64 ports, __u32 service, __u32 *ret_id)
{
	__u32 slot = service * YARDSTICK_RING + (__u32)yardstick_mix(addresses, ports) % YARDSTICK_RING;
	__u32 *id = bpf_map_lookup_elem(&yard_ring, &slot);

	if (!id)
		return 0;
	*ret_id = *id;
	return bpf_map_lookup_elem(&yard_backends, ret_id);
}

static __always_inline void rewrite(struct ethhdr *eth, struct iphdr *ip, struct tcphdr *tcp,
				    const struct yardstick_backend *backend)
{
	__u32 before = ~ip->daddr, after = backend->address;
	__u32 delta = (before & 0xffff) + (before >> 16) + (after & 0xffff) + (after >> 16);
	__u32 l4_delta = delta + (__u16)~tcp->dest + backend->port;
	struct udphdr *udp = (void *)tcp;

	ip->check = fold((__u16)~ip->check + delta);
	ip->daddr = after;
	if (ip->protocol == IPPROTO_TCP)
		tcp->check = fold((__u16)~tcp->check + l4_delta);
	else if (udp->check)
		udp->check = fold((__u16)~udp->check + l4_delta) ?: 0xffff;
	tcp->dest = backend->port;
	__builtin_memcpy(eth->h_dest, backend->target_mac, 6);
	__builtin_memcpy(eth->h_source, backend->source_mac, 6);
}

SEC("xdp")
int yardstick(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp = data + sizeof(*eth) + sizeof(*ip);
	__u32 bucket_index, now, backend_id = 0, service_id;
	struct yardstick_flow *flow = 0, *oldest = 0;
	struct yardstick_backend *backend;
	struct yardstick_flow_bucket *bucket;
	struct yardstick_service *service;
	struct yardstick_counter *counter;
	__u64 addresses, ports, was;
	int i;

	if ((void *)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->version != 4 ||
	    ip->frag_off & bpf_htons(0x3fff) || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return XDP_PASS;
	service = find_service(ip, (struct udphdr *)tcp);
	if (!service)
		return XDP_PASS;
	service_id = service->id;
	addresses = (__u64)ip->saddr << 32 | ip->daddr;
	ports = (__u64)tcp->source << 48 | (__u64)tcp->dest << 32 | (__u64)ip->protocol << 8 | 1;
	bucket_index = yardstick_mix(addresses, ports) >> (64 - YARDSTICK_BUCKET_BITS);
	now = bpf_jiffies64() >> 6;
	bucket = bpf_map_lookup_elem(&yard_flows, &bucket_index);
	if (!bucket)
		return XDP_DROP;
#pragma unroll
	for (i = 0; i < 4; i++) {
		struct yardstick_flow *slot = &bucket->slots[i];

		if (slot->addresses == addresses && slot->ports == ports) {
			flow = slot;
			break;
		}
		if (!oldest || slot->seen < oldest->seen)
			oldest = slot;
	}
	if (flow) {
		if (flow->seen != now)
			flow->seen = now;
		backend_id = flow->backend;
		backend = bpf_map_lookup_elem(&yard_backends, &backend_id);
	} else {
		backend = choose(addresses, ports, service_id, &backend_id);
		was = oldest ? oldest->ports : 0;
		if (oldest && __sync_val_compare_and_swap(&oldest->ports, was, 2) == was) {
			oldest->addresses = addresses;
			oldest->backend = backend_id;
			oldest->service = service_id;
			oldest->seen = now;
			asm volatile("" ::: "memory");
			*(volatile __u64 *)&oldest->ports = ports;
		}
	}
	if (!backend)
		return XDP_DROP;
	counter = bpf_map_lookup_elem(&yard_counters, &service_id);
	if (counter) {
		counter->packets++;
		counter->bytes += end - data;
	}
	rewrite(eth, ip, tcp, backend);
	return XDP_TX;
}

/* The floor of anything that sends a packet back: no lookup, only the addresses of the Ethernet header change places. */
SEC("xdp")
int mac_tx(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[6];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	__builtin_memcpy(mac, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, mac, 6);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
