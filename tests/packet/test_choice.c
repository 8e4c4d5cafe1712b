// SPDX-License-Identifier: Apache-2.0
/* Which backend a packet gets, and when a flow chooses anew: states, generations, ends of connections,
 * affinity; what is written into slots, counters and events on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "tests/packet/fixture.h"
#include "userspace/base/attributes.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static struct world *world;

/* --- sending -------------------------------------------------------------------------------------- */

struct sent {
	enum action action;
	uint8_t out[FRAME_MAX];
	size_t n;
};

static struct sent send_frame(enum hook hook, const struct frame *frame, int family)
{
	struct frame quote, named = fixture_frame(frame, family, &quote);
	uint8_t in[FRAME_MAX];
	struct sent sent;
	size_t n = frame_build(&named, in);

	sent.action = world_run(world, hook, in, n, sent.out, &sent.n);
	return sent;
}

static struct sent send_in(const struct frame *frame, int family)
{
	return send_frame(HOOK_XDP_INGRESS, frame, family);
}

static bool went_to(const struct sent *sent, const char *name, int family)
{
	uint8_t addr[16];

	address_bytes(fixture_address(name, family), addr);
	return !memcmp(sent->out + (family == 4 ? 30 : 38), addr, family == 4 ? 4 : 16);
}

/* The reply of a local backend, as it leaves. */
static bool leaves_from(const struct frame *reply, const char *name, int family)
{
	struct sent sent = send_frame(HOOK_TC_EGRESS, reply, family);
	uint8_t addr[16];

	address_bytes(fixture_address(name, family), addr);
	return sent.action == PASS && !memcmp(sent.out + (family == 4 ? 26 : 22), addr, family == 4 ? 4 : 16);
}

#define assert_goes_to(frame, name, family)                                                                  \
	do {                                                                                                 \
		struct sent sent_ = send_in(frame, family);                                                  \
		assert_int_equal(sent_.action, PASS);                                                        \
		assert_true(went_to(&sent_, name, family));                                                  \
	} while (0)

static struct frame dns(uint16_t sport)
{
	return (struct frame){
		.src = "client", .dst = "vip-many", .protocol = UDP, .sport = sport, .dport = 53
	};
}

static struct frame web(uint16_t sport, uint8_t flags)
{
	return (struct frame){ .src = "client", .dst = "vip", .sport = sport, .dport = 80, .flags = flags };
}

static uint32_t id_of(int id, int family)
{
	return (uint32_t)id + (family == 6 ? FIXTURE_V6 : 0);
}

/* A client port whose DNS flow gets BE_POD_DNS; the flow is open then. */
static uint16_t port_of_pod(int family)
{
	for (uint16_t port = 20000; port < 20100; port++) {
		struct frame frame = dns(port);
		struct sent sent = send_in(&frame, family);

		if (went_to(&sent, "pod", family))
			return port;
	}
	fail();
	return 0;
}

/* New flows of the DNS service get the other pod only. */
static void only_other(int family)
{
	struct world_frontend frontend = fixture_frontend(FE_MANY_DNS, family);
	uint32_t other = id_of(BE_OTHER_DNS, family);

	frontend.backends = &other;
	frontend.n_backends = 1;
	world_set_choice(world, &frontend);
}

static void restore(int family)
{
	for (int id = 0; id < BE_COUNT; id++) {
		struct world_backend backend = fixture_backend(id, family);

		world_add_backend(world, &backend);
	}
	for (int id = 0; id < FE_COUNT; id++) {
		struct world_frontend frontend = fixture_frontend(id, family);

		world_set_choice(world, &frontend);
	}
	world->settings->tick = 1000;
	world_forget_flows(world);
	world_events(world, &(struct lb_event){ 0 });
}

/* Runs a test for one family after the other, each on fresh tables. */
#define BOTH(name)                                                                                           \
	static void name(void **state _unused_)                                                              \
	{                                                                                                    \
		for (int family = 4; family <= 6; family += 2) {                                             \
			restore(family);                                                                     \
			name##_in(family);                                                                   \
			restore(family);                                                                     \
		}                                                                                            \
	}

/* The one live slot of a table: its control word. */
static uint64_t only_control(bool replies, int family)
{
	uint64_t control = 0;
	size_t n = 0;

	for (uint32_t i = 0; i < WORLD_FLOW_BUCKETS * LB_SLOTS; i++) {
		uint64_t found = family == 4 ? (replies ? world->replies4 : world->flows4)[i / LB_SLOTS]
						       .slot[i % LB_SLOTS]
						       .control
					     : (replies ? world->replies6 : world->flows6)[i / LB_SLOTS]
						       .slot[i % LB_SLOTS]
						       .control;

		if (lb_control_state(found) < LB_OPEN)
			continue;
		control = found;
		n++;
	}
	assert_int_equal(n, 1);
	return control;
}

static void free_flows_only(int family)
{
	for (uint32_t i = 0; i < WORLD_FLOW_BUCKETS * LB_SLOTS; i++) {
		__u64 *control = family == 4 ? &world->flows4[i / LB_SLOTS].slot[i % LB_SLOTS].control
					     : &world->flows6[i / LB_SLOTS].slot[i % LB_SLOTS].control;

		if (lb_control_state(*control) >= LB_OPEN)
			*control = lb_control_free(*control);
	}
}

/* --- states and generations ----------------------------------------------------------------------- */

static void test_gone_udp_moves_in(int family)
{
	uint16_t port = port_of_pod(family);
	struct frame frame = dns(port);

	only_other(family);
	world->backends[id_of(BE_POD_DNS, family)].state = LB_BACKEND_DRAINING;
	assert_goes_to(&frame, "pod", family);
	world->backends[id_of(BE_POD_DNS, family)].state = LB_BACKEND_GONE;
	assert_goes_to(&frame, "pod-other", family);
	world->backends[id_of(BE_POD_DNS, family)].state = LB_BACKEND_ACTIVE;
	assert_goes_to(&frame, "pod-other", family); /* it has moved for good */
}
BOTH(test_gone_udp_moves)

static void test_gone_tcp_stays_in(int family)
{
	struct frame syn = web(40000, SYN), data = web(40000, ACK), syn_ack = web(40000, SYN | ACK);
	struct world_frontend frontend = fixture_frontend(FE_WEB, family);
	uint32_t other = id_of(BE_OTHER, family);

	assert_goes_to(&syn, "pod", family);
	frontend.backends = &other;
	world_set_choice(world, &frontend);
	world->backends[id_of(BE_POD, family)].state = LB_BACKEND_GONE;
	assert_goes_to(&data, "pod", family);
	assert_goes_to(&syn_ack, "pod", family);
	assert_goes_to(&syn, "pod-other", family); /* a new connection from the same port */
	assert_goes_to(&data, "pod-other", family);
}
BOTH(test_gone_tcp_stays)

/* A connection stays at a leaving pod, and so does its SYN, sent again; the next connection from the same
 * port, which may be one whose end another node has seen, does not come to it. */
static void test_draining_tcp_in(int family)
{
	struct frame syn = web(40000, SYN), data = web(40000, ACK);
	struct world_frontend frontend = fixture_frontend(FE_WEB, family);
	uint32_t other = id_of(BE_OTHER, family);

	assert_goes_to(&syn, "pod", family);
	frontend.backends = &other;
	world_set_choice(world, &frontend);
	world->backends[id_of(BE_POD, family)].state = LB_BACKEND_DRAINING;
	assert_goes_to(&syn, "pod", family);
	assert_goes_to(&data, "pod", family);
	world->settings->tick++;
	assert_goes_to(&data, "pod", family);
	assert_goes_to(&syn, "pod-other", family);
	assert_goes_to(&data, "pod-other", family);
	world->backends[id_of(BE_OTHER, family)].state = LB_BACKEND_ACTIVE;
	assert_goes_to(&syn, "pod-other", family); /* a working one says itself what it makes of it */
}
BOTH(test_draining_tcp)

static void test_table_switch_moves_no_flow_in(int family)
{
	uint16_t port = port_of_pod(family);
	struct frame frame = dns(port);
	struct world_frontend frontend = fixture_frontend(FE_MANY_DNS, family);

	only_other(family);
	assert_goes_to(&frame, "pod", family);
	frontend.n_backends = 0;
	frontend.verdict = LB_REJECT;
	world_set_choice(world, &frontend);
	assert_goes_to(&frame, "pod", family); /* no new flows, but this one is established */
	frame = dns((uint16_t)(port + 1000));
	assert_int_equal(send_in(&frame, family).action, TX);
}
BOTH(test_table_switch_moves_no_flow)

static void test_other_life_of_a_backend_in(int family)
{
	uint16_t port = port_of_pod(family);
	struct frame frame = dns(port);

	only_other(family);
	world->backends[id_of(BE_POD_DNS, family)].generation++;
	assert_goes_to(&frame, "pod-other", family);
}
BOTH(test_other_life_of_a_backend)

static void test_other_life_of_a_frontend_in(int family)
{
	struct world_frontend old = fixture_frontend(FE_MANY_DNS, family), new = old;
	uint32_t other = id_of(BE_OTHER_DNS, family);
	uint16_t port = port_of_pod(family);
	struct frame frame = dns(port);
	struct frame reply = { .src = "pod", .dst = "client", .protocol = UDP, .sport = 5353, .dport = port };

	assert_true(leaves_from(&reply, "vip-many", family));
	new.generation++;
	new.backends = &other;
	new.n_backends = 1;
	world_remove_frontend(world, &old);
	assert_int_equal(send_in(&frame, family).action, TX); /* port unreachable */
	world_add_frontend(world, &new);
	assert_true(leaves_from(&reply, "pod", family)); /* whoever has the id now did not ask */
	assert_goes_to(&frame, "pod-other", family);
	world_remove_frontend(world, &new);
	world_add_frontend(world, &old);
	/* Between index and entry the id changed hands: nothing is opened for the one before. */
	frame.sport = port ^ 1;
	world->frontends[old.id].generation++;
	assert_int_equal(send_in(&frame, family).action, TX);
	world->frontends[old.id].generation--;
	assert_int_equal(send_in(&frame, family).action, PASS);
}
BOTH(test_other_life_of_a_frontend)

/* --- connections end ------------------------------------------------------------------------------ */

static void test_closing_marks_in(int family)
{
	struct frame syn = web(40000, SYN), fin = web(40000, FIN | ACK), rst = web(40000, RST);
	struct frame reply = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = FIN | ACK
	};

	send_in(&syn, family);
	assert_int_equal(lb_control_state(only_control(false, family)), LB_OPEN);
	assert_int_equal(lb_control_state(only_control(true, family)), LB_OPEN);
	send_frame(HOOK_TC_EGRESS, &reply, family);
	assert_int_equal(lb_control_state(only_control(false, family)),
			 LB_OPEN); /* each slot its own direction */
	assert_int_equal(lb_control_state(only_control(true, family)), LB_CLOSING);
	send_in(&fin, family);
	assert_int_equal(lb_control_state(only_control(false, family)), LB_CLOSING);
	assert_false(only_control(false, family) & LB_CTL_RST);
	send_in(&rst, family);
	assert_true(only_control(false, family) & LB_CTL_RST);
	send_in(&syn,
		family); /* the next connection from this port: both are open again, in the same slots */
	assert_int_equal(lb_control_state(only_control(false, family)), LB_OPEN);
	assert_int_equal(lb_control_state(only_control(true, family)), LB_OPEN);
	assert_false((only_control(false, family) | only_control(true, family)) & LB_CTL_RST);
}
BOTH(test_closing_marks)

/* A leaving pod refuses, and the client hears nothing: both halves of the flow are over, as of every flow
 * that the backend reset. */
static void refuse_unheard(int family, uint16_t sport)
{
	struct frame syn = { .src = "client", .dst = "vip-twin", .sport = sport, .dport = 82, .flags = SYN };
	struct frame refusal = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = sport, .flags = RST | ACK
	};

	assert_goes_to(&syn, "pod", family);
	assert_int_equal(send_frame(HOOK_TC_EGRESS, &refusal, family).action, DROP);
	for (int replies = 0; replies < 2; replies++) {
		assert_int_equal(lb_control_state(only_control(replies, family)), LB_CLOSING);
		assert_true(only_control(replies, family) & LB_CTL_RST);
	}
}

/* Its SYN, sent again, chooses anew, whether the pod that refused is still an endpoint or not. */
static void test_refused_syn_again_in(int family)
{
	struct frame syn = { .src = "client", .dst = "vip-twin", .sport = 40000, .dport = 82, .flags = SYN };
	struct world_frontend frontend = fixture_frontend(FE_LEAVING, family);
	uint64_t before[LB_REASON_COUNT], after[LB_REASON_COUNT];
	uint32_t other = id_of(BE_OTHER, family);

	refuse_unheard(family, 40000);
	frontend.backends = &other; /* a new pod of this node */
	world_set_choice(world, &frontend);
	world->backends[id_of(BE_POD, family)].state = LB_BACKEND_DRAINING;
	assert_goes_to(&syn, "pod-other", family);

	restore(family);
	refuse_unheard(family, 40000);
	frontend.n_backends = 0; /* none, and the route is withdrawn */
	frontend.verdict = LB_DROP;
	world_set_choice(world, &frontend);
	world->backends[id_of(BE_POD, family)].state = LB_BACKEND_GONE;
	world_reasons(world, before);
	assert_int_equal(send_in(&syn, family).action, DROP);
	world_reasons(world, after);
	assert_int_equal(after[LB_REASON_NO_LOCAL_ENDPOINTS], before[LB_REASON_NO_LOCAL_ENDPOINTS] + 1);
}
BOTH(test_refused_syn_again)

/* The refusal of a SYN `ticks` after the flow's last packet, or of a connection's packet: what becomes of it.
 */
static enum action refusal_after(uint32_t ticks, bool connected, int family)
{
	struct frame syn = { .src = "client", .dst = "vip-twin", .sport = 40000, .dport = 82, .flags = SYN },
		     ack = syn;
	struct frame refusal = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = RST | ACK
	};

	world_forget_flows(world);
	world->settings->tick = 1000;
	ack.flags = ACK;
	assert_goes_to(&syn, "pod", family);
	if (connected)
		assert_goes_to(&ack, "pod", family);
	world->settings->tick += ticks;
	return send_frame(HOOK_TC_EGRESS, &refusal, family).action;
}

/* A SYN's flow is told from a connection that was silent for hours in both directions. */
static void test_refusal_late_in(int family)
{
	for (uint32_t ticks = 0; ticks <= LB_MAX_TICKS; ticks++) {
		assert_int_equal(refusal_after(ticks, false, family), DROP);
		assert_int_equal(refusal_after(ticks, true, family), PASS);
	}
}
BOTH(test_refusal_late)

/* The flow has chosen another backend meanwhile, which has not answered yet: the one before ends nothing of
 * it. */
static void test_refusal_of_the_backend_before_in(int family)
{
	struct frame syn = { .src = "client", .dst = "vip-twin", .sport = 40000, .dport = 82, .flags = SYN };
	struct frame refusal = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = RST | ACK
	};
	struct world_frontend frontend = fixture_frontend(FE_LEAVING, family);
	uint32_t other = id_of(BE_OTHER, family);

	assert_goes_to(&syn, "pod", family);
	frontend.backends = &other;
	world_set_choice(world, &frontend);
	world->backends[id_of(BE_POD, family)].state = LB_BACKEND_GONE;
	assert_goes_to(&syn, "pod-other", family);
	assert_true(leaves_from(&refusal, "vip-twin", family));
	assert_int_equal(lb_control_state(only_control(false, family)), LB_OPEN);
}
BOTH(test_refusal_of_the_backend_before)

static void free_reply(uint16_t reply_port, int family)
{
	for (uint32_t i = 0; i < WORLD_FLOW_BUCKETS * LB_SLOTS; i++) {
		struct lb_flow4 *v4 = &world->replies4[i / LB_SLOTS].slot[i % LB_SLOTS];
		struct lb_flow6 *v6 = &world->replies6[i / LB_SLOTS].slot[i % LB_SLOTS];
		__u64 *control = family == 4 ? &v4->control : &v6->control;

		if (lb_control_state(*control) >= LB_OPEN &&
		    (family == 4 ? v4->reply_port : v6->reply_port) == __builtin_bswap16(reply_port))
			*control = lb_control_free(*control);
	}
}

/* The same backend, but the flow has opened anew with another source port: what comes to the old one ends
 * nothing. */
static void test_refusal_to_the_port_before_in(int family)
{
	struct frame syn = { .src = "client", .dst = "vip-twin", .sport = 40000, .dport = 82, .flags = SYN };
	struct frame other = web(40000, SYN);
	struct frame refusal = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = 61000, .flags = RST | ACK
	};

	assert_goes_to(&other, "pod", family); /* has the client's port at this pod */
	assert_goes_to(&syn, "pod", family);
	free_flows_only(family);
	free_reply(40000, family);
	assert_goes_to(&syn, "pod", family);
	assert_true(leaves_from(&refusal, "vip-twin", family));
	assert_int_equal(lb_control_state(only_control(false, family)), LB_OPEN);
	refusal.dport = 40000;
	assert_int_equal(send_frame(HOOK_TC_EGRESS, &refusal, family).action, DROP);
}
BOTH(test_refusal_to_the_port_before)

/* A closing half counts seconds, which may look half the clock apart from the other's ticks. */
static void test_reset_after_fin_in(int family)
{
	struct frame ack = { .src = "client", .dst = "vip-twin", .sport = 40000, .dport = 82, .flags = ACK },
		     fin = ack;
	struct frame reset = { .src = "pod",
			       .dst = "client",
			       .sport = 8080,
			       .dport = 40000,
			       .flags = RST | ACK },
		     reply_fin = reset;
	struct timespec now;

	fin.flags = reply_fin.flags = FIN | ACK;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	world->settings->tick = (uint32_t)now.tv_sec + LB_SEEN_EMBRYONIC - 2;
	assert_goes_to(&ack, "pod", family);
	send_frame(HOOK_TC_EGRESS, &reply_fin, family);
	assert_int_equal(send_frame(HOOK_TC_EGRESS, &reset, family).action, PASS);
	world_forget_flows(world);
	world->settings->tick = (uint32_t)now.tv_sec + LB_SEEN_EMBRYONIC + 4;
	assert_goes_to(&ack, "pod", family);
	assert_goes_to(&fin, "pod", family);
	assert_int_equal(send_frame(HOOK_TC_EGRESS, &reset, family).action, PASS);
}
BOTH(test_reset_after_fin)

/* Where a SYN goes that comes `ticks` after the last packet, when the table has changed meanwhile. */
static void assert_syn_after(uint32_t ticks, const char *name, int family)
{
	struct frame syn = web(40000, SYN);
	struct world_frontend frontend = fixture_frontend(FE_WEB, family);
	uint32_t other = id_of(BE_OTHER, family);

	restore(family);
	assert_goes_to(&syn, "pod", family);
	frontend.backends = &other;
	world_set_choice(world, &frontend);
	world->settings->tick += ticks;
	assert_goes_to(&syn, name, family);
}

static void test_idle_flow_and_syn_in(int family)
{
	assert_syn_after(0, "pod", family); /* a repeated SYN is the same connection */
	assert_syn_after(7, "pod", family);
	assert_syn_after(8, "pod-other", family);
	assert_syn_after(240, "pod-other", family);
}
BOTH(test_idle_flow_and_syn)

static void test_seen_in(int family)
{
	struct frame syn = web(40000, SYN), data = web(40000, ACK);
	struct frame reply = { .src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = ACK };

	world->settings->tick = 511;
	send_in(&syn, family);
	assert_int_equal(only_control(false, family) & LB_CTL_SEEN, 255 ^ LB_SEEN_EMBRYONIC);
	assert_int_equal(only_control(true, family) & LB_CTL_SEEN, 255);
	world->settings->tick = 512;
	send_in(&syn, family); /* sent again */
	assert_int_equal(only_control(false, family) & LB_CTL_SEEN, 255 ^ LB_SEEN_EMBRYONIC);
	world->settings->tick = 513;
	send_in(&data, family);
	assert_int_equal(only_control(false, family) & LB_CTL_SEEN, 1);
	assert_int_equal(only_control(true, family) & LB_CTL_SEEN, 255);
	send_frame(HOOK_TC_EGRESS, &reply, family);
	assert_int_equal(only_control(true, family) & LB_CTL_SEEN, 1);
}
BOTH(test_seen)

/* The collector freed the flow, but not yet its reply: a packet that comes between adopts the reply, and the
 * version that the collector has seen is gone. */
static void test_adoption_in(int family)
{
	struct frame syn = web(40000, SYN), data = web(40000, ACK);
	uint64_t before;

	send_in(&syn, family);
	before = only_control(true, family);
	free_flows_only(family);
	assert_goes_to(&data, "pod", family);
	assert_int_equal(lb_control_state(only_control(false, family)), LB_OPEN);
	assert_int_not_equal(only_control(true, family), before);
	assert_int_equal((only_control(true, family) ^ before) & ~LB_CTL_VERSION, 0);
}
BOTH(test_adoption)

/* The same for a SNATed flow: it keeps its port as long as its slot stands. */
static void test_snat_port_is_kept_in(int family)
{
	struct frame syn = { .src = "client", .dst = "vip-far", .sport = 40000, .dport = 80, .flags = SYN };
	struct frame fin = syn;
	size_t at = family == 4 ? 34 : 54;
	struct sent first, second;

	fin.flags = FIN | ACK;
	first = send_in(&syn, family);
	send_in(&fin, family);
	second = send_in(&syn, family); /* opens anew, at the same backend */
	assert_int_equal(second.action, TX);
	assert_memory_equal(first.out + at, second.out + at, 2);
	assert_true(only_control(true, family) & LB_CTL_SNAT);
}
BOTH(test_snat_port_is_kept)

/* --- affinity, spread ----------------------------------------------------------------------------- */

static unsigned count_pod(const struct frame *frames, size_t n, int family)
{
	unsigned pod = 0;

	for (size_t i = 0; i < n; i++) {
		struct sent sent = send_in(&frames[i], family);

		assert_int_equal(sent.action, PASS);
		pod += went_to(&sent, "pod", family);
	}
	return pod;
}

static void test_affinity_in(int family)
{
	struct frame frames[64];
	char addresses[64][40];
	unsigned pod;

	for (unsigned i = 0; i < 64; i++) {
		snprintf(addresses[i], sizeof(addresses[i]),
			 family == 4 ? "198.51.100.%u" : "2001:db8:51::%x", i + 1);
		frames[i] = (struct frame){ .src = "client",
					    .dst = "vip-many",
					    .sport = (uint16_t)(30000 + i),
					    .dport = 80,
					    .flags = SYN };
	}
	pod = count_pod(frames, 64, family);
	assert_true(pod == 0 || pod == 64); /* one client, one backend */
	for (unsigned i = 0; i < 64; i++)
		frames[i].src = addresses[i];
	pod = count_pod(frames, 64, family);
	assert_in_range(pod, 16, 48); /* many clients, both */
}
BOTH(test_affinity)

static void test_spread_in(int family)
{
	struct frame frames[64];
	unsigned pod;

	for (unsigned i = 0; i < 64; i++)
		frames[i] = dns((uint16_t)(30000 + i));
	pod = count_pod(frames, 64, family);
	assert_in_range(pod, 16, 48);
	assert_int_equal(count_pod(frames, 64, family), pod);
}
BOTH(test_spread)

/* --- index ---------------------------------------------------------------------------------------- */

#define CROWD 14 /* frontends that begin in one bucket: it and two more are full */

static void test_crowded_bucket_in(int family)
{
	static const uint32_t pod[2] = { BE_POD, BE_POD + FIXTURE_V6 };
	struct world_frontend crowd[CROWD];
	uint8_t addr[16];
	uint32_t n = 0, wanted = 0;

	address_bytes(fixture_address("vip", family), addr);
	for (uint16_t port = 1000; n < CROWD; port++) {
		uint32_t bucket =
			lb_index_bucket(lb_index_key(addr, family == 6, __builtin_bswap16(port), TCP)) & 63;

		if (port == 1000)
			wanted = bucket;
		if (bucket != wanted)
			continue;
		crowd[n] = (struct world_frontend){ .id = 80 + n,
						    .generation = 1,
						    .addr = fixture_address("vip", family),
						    .port = port,
						    .protocol = TCP,
						    .backends = &pod[family == 6],
						    .n_backends = 1 };
		world_add_frontend(world, &crowd[n++]);
	}
	for (uint32_t i = 0; i < CROWD; i++) {
		struct frame syn = {
			.src = "client", .dst = "vip", .sport = 40000, .dport = crowd[i].port, .flags = SYN
		};

		assert_int_equal(send_in(&syn, family).action, PASS);
		world_remove_frontend(world, &crowd[i]);
		assert_int_equal(send_in(&syn, family).action,
				 TX); /* reset; the others are found behind the gap */
	}
	for (uint32_t i = 0; i < CROWD; i++)
		world->frontends[80 + i] = (struct lb_frontend){ 0 };
}
BOTH(test_crowded_bucket)

/* An IPv6 key is a hash: what it names must have the address, or it is another's. */
static void test_hashed_key_is_verified(void **state _unused_)
{
	struct frame syn = { .src = "client", .dst = "vip", .sport = 40000, .dport = 80, .flags = SYN };
	struct frame reply = {
		.src = "pod", .dst = "client", .sport = 8080, .dport = 40000, .flags = SYN | ACK
	};
	struct lb_frontend *entry = &world->frontends[FE_WEB + FIXTURE_V6], saved = *entry;
	struct lb_backend *backend = &world->backends[BE_POD + FIXTURE_V6];

	restore(6);
	assert_int_equal(send_in(&syn, 6).action, PASS);
	entry->addr[15] ^= 1;
	assert_int_equal(send_in(&syn, 6).action, TX);
	*entry = saved;
	assert_true(leaves_from(&reply, "vip", 6));
	backend->addr[15] ^= 1;
	assert_true(leaves_from(&reply, "pod", 6));
	backend->addr[15] ^= 1;
}

/* --- counters and events -------------------------------------------------------------------------- */

static void test_counters_in(int family)
{
	struct frame syn = web(40000, SYN),
		     dropped = { .src = "stranger", .dst = "vip-range", .sport = 40000, .dport = 80 };
	struct lb_frontend_stats stats;

	syn.payload = "12345";
	syn.pad = 20; /* is not counted */
	send_in(&syn, family);
	send_frame(HOOK_TC_INGRESS, &syn, family);
	stats = world_stats(world, id_of(FE_WEB, family));
	assert_int_equal(stats.packets, 2);
	assert_int_equal(stats.bytes, 2 * (14 + (family == 4 ? 20 : 40) + 20 + 5));
	assert_int_equal(stats.drops, 0);
	send_in(&dropped, family);
	stats = world_stats(world, id_of(FE_ALLOW, family));
	assert_int_equal(stats.packets, 0);
	assert_int_equal(stats.drops, 1);
}
BOTH(test_counters)

static void test_next_hop_event_in(int family)
{
	struct frame syn = { .src = "client", .dst = "vip-far", .sport = 40000, .dport = 81, .flags = SYN };
	struct lb_backend *lost = &world->backends[id_of(BE_LOST, family)];
	struct lb_event event = { 0 };
	uint8_t mac[6];

	assert_int_equal(send_in(&syn, family).action, DROP);
	assert_int_equal(send_in(&syn, family).action, DROP);
	assert_int_equal(world_events(world, &event), 1); /* asked once */
	assert_int_equal(event.kind, LB_EVENT_NEXT_HOP);
	assert_int_equal(event.id, id_of(BE_LOST, family));
	assert_true(lost->next_hop & LB_NEXT_HOP_WANTED);
	mac_bytes(MAC_FAR, mac);
	lost->next_hop = lb_next_hop(mac, 0);
	assert_int_equal(send_in(&syn, family).action, TX);
	lost->next_hop = 0; /* lost again */
	assert_int_equal(send_in(&syn, family).action, DROP);
	assert_int_equal(world_events(world, &event), 1);
	lost->next_hop = lb_next_hop(mac, 7); /* a link that is not there */
	assert_int_equal(send_in(&syn, family).action, DROP);
}
BOTH(test_next_hop_event)

static void test_neighbour_event_in(int family)
{
	struct frame syn = {
		.src = "client-unresolved", .dst = "vip-far", .sport = 40000, .dport = 80, .flags = SYN
	};
	struct frame reply = {
		.src = "pod-far", .dst = "node", .sport = 8080, .dport = 61000, .flags = SYN | ACK
	};
	struct lb_event event = { 0 };
	uint8_t router[16];

	assert_int_equal(send_in(&syn, family).action, TX);
	assert_int_equal(send_in(&reply, family).action, DROP);
	assert_int_equal(world_events(world, &event), 1);
	assert_int_equal(event.kind, LB_EVENT_NEIGHBOUR);
	assert_int_equal(event.ifindex, WORLD_UPLINK);
	assert_int_equal(event.family, family);
	address_bytes(family == 4 ? "10.0.0.99" : "fd00::99", router);
	assert_memory_equal(event.addr, router, 16);
	/* at TC the kernel resolves it by itself */
	assert_int_equal(send_frame(HOOK_TC_INGRESS, &reply, family).action, REDIRECT);
}
BOTH(test_neighbour_event)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone_udp_moves),
		cmocka_unit_test(test_gone_tcp_stays),
		cmocka_unit_test(test_draining_tcp),
		cmocka_unit_test(test_table_switch_moves_no_flow),
		cmocka_unit_test(test_other_life_of_a_backend),
		cmocka_unit_test(test_other_life_of_a_frontend),
		cmocka_unit_test(test_closing_marks),
		cmocka_unit_test(test_refused_syn_again),
		cmocka_unit_test(test_refusal_late),
		cmocka_unit_test(test_refusal_of_the_backend_before),
		cmocka_unit_test(test_refusal_to_the_port_before),
		cmocka_unit_test(test_reset_after_fin),
		cmocka_unit_test(test_idle_flow_and_syn),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_adoption),
		cmocka_unit_test(test_snat_port_is_kept),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_crowded_bucket),
		cmocka_unit_test(test_hashed_key_is_verified),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_next_hop_event),
		cmocka_unit_test(test_neighbour_event),
	};
	int r;

	world = world_new(NULL);
	fixture_fill(world);
	r = cmocka_run_group_tests_name("choice", tests, NULL, NULL);
	world_free(world);
	return r;
}
