// SPDX-License-Identifier: Apache-2.0
/* The tables of fixture.h. */
#include "tests/packet/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *v4, *v6;
} addresses[] = {
	{ "client", "198.51.100.7", "2001:db8:51::7" },
	{ "stranger", "192.88.99.7", "2001:db8:99::7" },
	{ "client-second", "203.0.113.7", "2001:db8:113::7" },	 /* its route leaves by the second uplink */
	{ "client-unresolved", "198.18.0.7", "2001:db8:18::7" }, /* its router has no neighbour entry */
	{ "client-unreachable", "198.18.1.7", "2001:db8:19::7" },
	{ "node", "10.0.0.2", "fd00::2" },
	{ "node-second", "10.0.1.2", "fd01::2" },
	{ "vip", "192.0.2.10", "2001:db8::10" },
	{ "vip-far", "192.0.2.11", "2001:db8::11" },
	{ "vip-none", "192.0.2.12", "2001:db8::12" },
	{ "vip-range", "192.0.2.13", "2001:db8::13" },
	{ "vip-twin", "192.0.2.14", "2001:db8::14" },
	{ "vip-many", "192.0.2.15", "2001:db8::15" },
	{ "not-ours", "192.0.2.200", "2001:db8::200" },
	{ "pod", "10.244.1.5", "fd00:244:1::5" },
	{ "pod-other", "10.244.1.6", "fd00:244:1::6" },
	{ "pod-far", "10.244.2.5", "fd00:244:2::5" },
	{ "pod-lost", "10.244.2.6", "fd00:244:2::6" },
	{ "pod-second", "10.244.3.5", "fd00:244:3::5" },
	{ "router", "10.0.0.1", "fd00::1" },
};

static const struct {
	const char *addr;
	uint16_t port;
	uint8_t protocol;
	bool local;
	const char *mac;
	uint8_t link;
} backends[BE_COUNT] = {
	[BE_POD] = { "pod", 8080, TCP, true, NULL, 0 },
	[BE_POD_DNS] = { "pod", 5353, UDP, true, NULL, 0 },
	[BE_FAR] = { "pod-far", 8080, TCP, false, MAC_FAR, 0 },
	[BE_FAR_DNS] = { "pod-far", 5353, UDP, false, MAC_FAR, 0 },
	[BE_LOST] = { "pod-lost", 8080, TCP, false, NULL, 0 },
	[BE_SECOND] = { "pod-second", 8080, TCP, false, MAC_SECOND, 1 },
	[BE_OTHER] = { "pod-other", 8080, TCP, true, NULL, 0 },
	[BE_OTHER_DNS] = { "pod-other", 5353, UDP, true, NULL, 0 },
};

static const struct {
	const char *addr;
	uint16_t port;
	uint8_t protocol;
	enum lb_verdict verdict;
	enum lb_ranges ranges;
	bool affinity;
	uint32_t backends[2];
	size_t n_backends;
} frontends[FE_COUNT] = {
	[FE_WEB] = { "vip", 80, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_POD }, 1 },
	[FE_DNS] = { "vip", 53, UDP, LB_FORWARD, LB_RANGES_NONE, false, { BE_POD_DNS }, 1 },
	[FE_FAR_WEB] = { "vip-far", 80, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_FAR }, 1 },
	[FE_FAR_DNS] = { "vip-far", 53, UDP, LB_FORWARD, LB_RANGES_NONE, false, { BE_FAR_DNS }, 1 },
	[FE_REJECT] = { "vip-none", 80, TCP, LB_REJECT, LB_RANGES_NONE, false, { 0 }, 0 },
	[FE_REJECT_DNS] = { "vip-none", 53, UDP, LB_REJECT, LB_RANGES_NONE, false, { 0 }, 0 },
	[FE_NO_LOCAL] = { "vip-none", 81, TCP, LB_DROP, LB_RANGES_NONE, false, { 0 }, 0 },
	[FE_ALLOW] = { "vip-range", 80, TCP, LB_FORWARD, LB_RANGES_ALLOW, false, { BE_POD }, 1 },
	[FE_DENY] = { "vip-range", 81, TCP, LB_FORWARD, LB_RANGES_DENY, false, { BE_POD }, 1 },
	[FE_CLOSED] = { "vip-range", 82, TCP, LB_FORWARD, LB_RANGES_CLOSED, false, { BE_POD }, 1 },
	[FE_UNRESOLVED] = { "vip-far", 81, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_LOST }, 1 },
	[FE_SECOND] = { "vip-far", 82, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_SECOND }, 1 },
	[FE_STALE] = { "vip-none", 82, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_MISSING }, 1 },
	[FE_TWIN] = { "vip-twin", 80, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_POD }, 1 },
	[FE_FAR_TWIN] = { "vip-twin", 81, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_FAR }, 1 },
	[FE_AFFINITY] = { "vip-many", 80, TCP, LB_FORWARD, LB_RANGES_NONE, true, { BE_POD, BE_OTHER }, 2 },
	[FE_MANY_DNS] = { "vip-many",
			  53,
			  UDP,
			  LB_FORWARD,
			  LB_RANGES_NONE,
			  false,
			  { BE_POD_DNS, BE_OTHER_DNS },
			  2 },
	[FE_LEAVING] = { "vip-twin", 82, TCP, LB_FORWARD, LB_RANGES_NONE, false, { BE_POD }, 1 },
};

const char *fixture_address(const char *name, int family)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (!strcmp(addresses[i].name, name))
			return family == 4 ? addresses[i].v4 : addresses[i].v6;
	address_bytes(name, bytes);
	return name;
}

struct frame fixture_frame(const struct frame *frame, int family, struct frame *quote)
{
	struct frame result = *frame;

	result.src = fixture_address(frame->src, family);
	result.dst = fixture_address(frame->dst, family);
	if (frame->quote) {
		*quote = *frame->quote;
		quote->src = fixture_address(quote->src, family);
		quote->dst = fixture_address(quote->dst, family);
		result.quote = quote;
	}
	return result;
}

struct world_backend fixture_backend(enum fixture_backend id, int family)
{
	return (struct world_backend){
		.id = id + (family == 6 ? FIXTURE_V6 : 0),
		.generation = 1,
		.addr = fixture_address(backends[id].addr, family),
		.port = backends[id].port,
		.protocol = backends[id].protocol,
		.local = backends[id].local,
		.mac = backends[id].mac,
		.link = backends[id].link,
	};
}

struct world_frontend fixture_frontend(enum fixture_frontend id, int family)
{
	static uint32_t ids[FE_COUNT][2][2];
	int v6 = family == 6;

	for (size_t i = 0; i < frontends[id].n_backends; i++)
		ids[id][v6][i] = frontends[id].backends[i] + (v6 ? FIXTURE_V6 : 0);
	return (struct world_frontend){
		.id = id + (v6 ? FIXTURE_V6 : 0),
		.generation = 1,
		.addr = fixture_address(frontends[id].addr, family),
		.port = frontends[id].port,
		.protocol = frontends[id].protocol,
		.verdict = frontends[id].verdict,
		.ranges = frontends[id].ranges,
		.affinity = frontends[id].affinity,
		.ready_elsewhere = id == FE_LEAVING,
		.backends = ids[id][v6],
		.n_backends = frontends[id].n_backends,
	};
}

void fixture_fill(struct world *world)
{
	for (int family = 4; family <= 6; family += 2) {
		unsigned length = family == 4 ? 24 : 64;

		for (int id = 0; id < BE_COUNT; id++)
			world_add_backend(world, &(struct world_backend[]){ fixture_backend(id, family) }[0]);
		for (int id = 0; id < FE_COUNT; id++)
			world_add_frontend(world,
					   &(struct world_frontend[]){ fixture_frontend(id, family) }[0]);
		world_add_range(world, FE_ALLOW + (family == 6 ? FIXTURE_V6 : 0),
				fixture_address("client", family), length);
		world_add_range(world, FE_DENY + (family == 6 ? FIXTURE_V6 : 0),
				fixture_address("client", family), length);
	}
}
