// SPDX-License-Identifier: Apache-2.0
/* Source ports toward a remote backend when they run short: whose port the next flow gets, whose it never
 * gets, and that nobody's packets go astray by it; a rate of connections that once used up all ports; and
 * both CPUs taking ports over at the same time.
 *
 * Time passes by setting back what the slots say of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "tests/packet/fixture.h"
#include "userspace/base/attributes.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define FEW	    4 /* ports */
#define FIRST_PORT  61000
#define LAST_PORT   65535
#define BUCKETS	    4096
#define OLD_CLIENTS 20000 /* their ports, from here on */
#define NEW_CLIENT  30000
#define JUST_NOW    (-4) /* ahead of our clock, as another CPU's may be; and a slow machine does not matter */
#define TICK	    1000

static struct world *world;

static void restore(uint16_t n_ports)
{
	world_forget_flows(world);
	world_set_snat(world, "10.0.0.2", "fd00::2", FIRST_PORT, (uint16_t)(FIRST_PORT + n_ports - 1));
	world->settings->tick = TICK;
}

/* --- packets -------------------------------------------------------------------------------------- */

struct sent {
	enum action action;
	uint8_t out[FRAME_MAX];
	size_t n;
};

static void send_frame(struct frame frame, int family, struct sent *ret)
{
	struct frame quote, named = fixture_frame(&frame, family, &quote);
	uint8_t in[FRAME_MAX];
	size_t n = frame_build(&named, in);

	ret->action = world_run(world, HOOK_XDP_INGRESS, in, n, ret->out, &ret->n);
}

static uint16_t port_at(const struct sent *sent, int family, size_t offset)
{
	const uint8_t *l4 = sent->out + (family == 4 ? 34 : 54);

	return (uint16_t)(l4[offset] << 8 | l4[offset + 1]);
}

/* From the client; the source port that the pod sees, or 0: dropped. */
static uint16_t from_client(uint16_t sport, uint8_t protocol, uint8_t flags, int family)
{
	struct sent sent;

	send_frame((struct frame){ .src = "client",
				   .dst = "vip-far",
				   .protocol = protocol,
				   .sport = sport,
				   .dport = protocol == TCP ? 80 : 53,
				   .flags = protocol == TCP ? flags : 0 },
		   family, &sent);
	if (sent.action == DROP)
		return 0;
	assert_int_equal(sent.action, TX);
	return port_at(&sent, family, 0);
}

/* From the pod to that port of ours; the client's port that it goes on to, or 0: to no client. */
static uint16_t from_pod(uint16_t port, uint8_t protocol, uint8_t flags, int family)
{
	struct sent sent;

	send_frame((struct frame){ .src = "pod-far",
				   .dst = "node",
				   .protocol = protocol,
				   .sport = protocol == TCP ? 8080 : 5353,
				   .dport = port,
				   .flags = protocol == TCP ? flags : 0 },
		   family, &sent);
	return sent.action == TX ? port_at(&sent, family, 2) : 0;
}

/* --- slots ---------------------------------------------------------------------------------------- */

static uint32_t now_sec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

static _Atomic uint64_t *control_at(bool replies, uint32_t i, int family)
{
	void *control = family == 4 ? &(replies ? world->replies4 : world->flows4)[i / LB_SLOTS]
					       .slot[i % LB_SLOTS]
					       .control
				    : &(replies ? world->replies6 : world->flows6)[i / LB_SLOTS]
					       .slot[i % LB_SLOTS]
					       .control;

	return control;
}

/* What is to become of the `seen` of a closing slot. */
typedef uint8_t age_fn(uint8_t seen, int sec);

static uint8_t age_set(uint8_t seen _unused_, int sec)
{
	return (uint8_t)(now_sec() - (uint32_t)sec);
}

static uint8_t age_add(uint8_t seen, int sec)
{
	return (uint8_t)(seen - sec);
}

static void age_closing(bool replies, int family, age_fn *age, int sec)
{
	for (uint32_t i = 0; i < BUCKETS * LB_SLOTS; i++) {
		_Atomic uint64_t *control = control_at(replies, i, family);
		uint64_t was = *control;

		if (lb_control_state(was) == LB_CLOSING)
			atomic_compare_exchange_strong(control, &was,
						       (was & ~LB_CTL_SEEN) | age((uint8_t)was, sec));
	}
}

static size_t live(bool replies, int family)
{
	size_t n = 0;

	for (uint32_t i = 0; i < BUCKETS * LB_SLOTS; i++)
		n += lb_control_state(*control_at(replies, i, family)) >= LB_OPEN;
	return n;
}

static uint64_t exhausted(void)
{
	uint64_t counts[LB_REASON_COUNT];

	world_reasons(world, counts);
	return counts[LB_REASON_SNAT_EXHAUSTED];
}

/* --- whose port may be taken ---------------------------------------------------------------------- */

enum event { NOTHING, C_FIN, C_RST, P_FIN, P_RST, C_UDP, P_UDP };

static const struct row {
	const char *name;
	uint8_t protocol;
	enum event events[3];
	int client_sec, pod_sec; /* since the last packet of each, when it closed */
	uint32_t ticks;		 /* that pass before the events */
	bool taken;
} rows[] = {
	{ "open", TCP, { NOTHING }, 0, 0, 0, false },
	{ "open, silent for an hour", TCP, { NOTHING }, 0, 0, 110, false },
	{ "client's FIN", TCP, { C_FIN }, 100, 0, 0, false },
	{ "pod's FIN", TCP, { P_FIN }, 0, 100, 0, false },
	{ "both FIN, just now", TCP, { C_FIN, P_FIN }, JUST_NOW, JUST_NOW, 0, false },
	{ "both FIN, a packet of the client just now", TCP, { C_FIN, P_FIN }, JUST_NOW, 100, 0, false },
	{ "both FIN, a packet of the pod just now", TCP, { C_FIN, P_FIN }, 100, JUST_NOW, 0, false },
	{ "both FIN, two seconds ago", TCP, { C_FIN, P_FIN }, 2, 2, 0, true },
	{ "both FIN, the pod's first", TCP, { P_FIN, C_FIN }, 60, 61, 0, true },
	{ "both FIN, a minute ago", TCP, { C_FIN, P_FIN }, 60, 60, 0, true },
	{ "pod's RST", TCP, { P_RST }, 0, 2, 0, true },
	{ "pod's RST, just now", TCP, { P_RST }, 0, JUST_NOW, 0, false },
	{ "client's RST: anybody could have sent it", TCP, { C_RST }, 100, 0, 0, false },
	{ "both FIN, then the client's RST", TCP, { C_FIN, P_FIN, C_RST }, 2, 3, 0, true },
	{ "client's FIN, then its RST", TCP, { C_FIN, C_RST }, 100, 0, 0, false },
	{ "UDP, fresh", UDP, { NOTHING }, 0, 0, 0, false },
	{ "UDP, one tick", UDP, { NOTHING }, 0, 0, 1, false },
	{ "UDP, silent for more than a tick", UDP, { NOTHING }, 0, 0, 2, true },
	{ "UDP, the client still sends", UDP, { C_UDP }, 0, 0, 2, false },
	{ "UDP, the pod still sends", UDP, { P_UDP }, 0, 0, 2, false },
};

static void happen(enum event event, uint16_t client, uint16_t port, int family)
{
	switch (event) {
	case NOTHING:
		return;
	case C_FIN:
		assert_int_equal(from_client(client, TCP, FIN | ACK, family), port);
		return;
	case C_RST:
		assert_int_equal(from_client(client, TCP, RST, family), port);
		return;
	case C_UDP:
		assert_int_equal(from_client(client, UDP, 0, family), port);
		return;
	case P_FIN:
		assert_int_equal(from_pod(port, TCP, FIN | ACK, family), client);
		return;
	case P_RST:
		assert_int_equal(from_pod(port, TCP, RST, family), client);
		return;
	case P_UDP:
		assert_int_equal(from_pod(port, UDP, 0, family), client);
		return;
	}
}

/* The port is the new flow's alone: what the pod sends there goes to the new client, and what the old one
 * sends late does not come from there. */
static void assert_handed_over(const struct row *row, uint16_t port, uint16_t old, int family)
{
	assert_int_equal(from_pod(port, row->protocol, SYN | ACK, family), NEW_CLIENT);
	assert_int_equal(live(false, family), FEW);
	assert_int_equal(live(true, family), FEW);
	assert_int_not_equal(from_client(old, row->protocol, FIN | ACK, family), port);
	assert_int_equal(from_client(NEW_CLIENT, row->protocol, ACK, family), port);
	assert_int_equal(from_pod(port, row->protocol, ACK, family), NEW_CLIENT);
}

static void run_row(const struct row *row, int family)
{
	uint16_t ports[FEW], port;

	restore(FEW);
	for (uint16_t i = 0; i < FEW; i++) {
		ports[i] = from_client(OLD_CLIENTS + i, row->protocol, SYN, family);
		assert_int_equal(from_pod(ports[i], row->protocol, SYN | ACK, family), OLD_CLIENTS + i);
		assert_int_equal(from_client(OLD_CLIENTS + i, row->protocol, ACK, family), ports[i]);
	}
	world->settings->tick += row->ticks;
	for (uint16_t i = 0; i < FEW; i++)
		for (int e = 0; e < 3; e++)
			happen(row->events[e], OLD_CLIENTS + i, ports[i], family);
	age_closing(false, family, age_set, row->client_sec);
	age_closing(true, family, age_set, row->pod_sec);
	port = from_client(NEW_CLIENT, row->protocol, SYN, family);
	if (!!port != row->taken)
		fail_msg("IPv%d, %s: %s", family, row->name, port ? "taken" : "refused");
	if (row->taken) {
		assert_handed_over(row, port, (uint16_t)(OLD_CLIENTS + port - ports[0]), family);
		return;
	}
	assert_int_equal(exhausted(), 1);
	for (uint16_t i = 0; i < FEW; i++)
		assert_int_equal(from_pod(ports[i], row->protocol, ACK, family), OLD_CLIENTS + i);
}

static void test_rows(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			run_row(&rows[i], family);
}

/* The one that has waited longest comes up first, and the SYN of an old client that comes back in time keeps
 * its own port. */
static void test_order(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		uint16_t ports[FEW];

		restore(FEW);
		for (uint16_t i = 0; i < FEW; i++) {
			ports[i] = from_client(OLD_CLIENTS + i, TCP, SYN, family);
			happen(C_FIN, OLD_CLIENTS + i, ports[i], family);
			happen(P_FIN, OLD_CLIENTS + i, ports[i], family);
		}
		age_closing(false, family, age_set, 10);
		age_closing(true, family, age_set, 10);
		assert_int_equal(from_client(OLD_CLIENTS + 2, TCP, SYN, family), ports[2]);
		assert_int_equal(from_client(NEW_CLIENT, TCP, SYN, family), ports[0]);
		assert_int_equal(from_client(NEW_CLIENT + 1, TCP, SYN, family), ports[1]);
		assert_int_equal(from_client(NEW_CLIENT + 2, TCP, SYN, family), ports[3]);
		assert_int_equal(from_client(NEW_CLIENT + 3, TCP, SYN, family), 0);
	}
}

/* A reply slot whose flow has gone to another backend (or was freed) is taken by what it says itself. */
static void test_orphan(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		uint16_t port;

		restore(1);
		port = from_client(OLD_CLIENTS, TCP, SYN, family);
		happen(P_FIN, OLD_CLIENTS, port, family);
		for (uint32_t i = 0; i < BUCKETS * LB_SLOTS; i++)
			*control_at(false, i, family) = 0;
		age_closing(true, family, age_set, JUST_NOW);
		assert_int_equal(from_client(NEW_CLIENT, TCP, SYN, family), 0);
		age_closing(true, family, age_set, 2);
		assert_int_equal(from_client(NEW_CLIENT, TCP, SYN, family), port);
		assert_int_equal(live(true, family), 1);
	}
}

/* --- a rate --------------------------------------------------------------------------------------- */

/* 500 connections a second to one pod, for more than two minutes: ten times what all ports together could
 * serve if each stayed with its flow until the collector came. */
static void test_rate(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		uint32_t connection = 0;

		restore(LAST_PORT - FIRST_PORT + 1);
		for (int sec = 0; sec < 130; sec++) {
			for (int i = 0; i < 500; i++, connection++) {
				uint16_t client = (uint16_t)(1024 + connection % 60000);
				uint16_t port = from_client(client, TCP, SYN, family);

				assert_int_not_equal(port, 0);
				assert_int_equal(from_pod(port, TCP, FIN | ACK, family), client);
				assert_int_equal(from_client(client, TCP, FIN | ACK, family), port);
			}
			age_closing(false, family, age_add, 1);
			age_closing(true, family, age_add, 1);
			world->settings->tick = TICK + (uint32_t)sec / LB_TICK_SEC;
		}
		assert_int_equal(exhausted(), 0);
		assert_true(live(true, family) <= LAST_PORT - FIRST_PORT + 1);
	}
}

/* --- both CPUs ------------------------------------------------------------------------------------ */

#define CONNECTIONS 20000 /* of each thread */

struct client {
	uint16_t first_port;
	int family;
	uint32_t served, refused, astray;
};

static atomic_bool done;

/* Between SYN and FIN the port is this client's: what the pod sends there comes to nobody else. */
static void *connect_and_close(void *userdata)
{
	struct client *client = userdata;

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		uint16_t own = (uint16_t)(client->first_port + i % 16384);
		uint16_t port = from_client(own, TCP, SYN, client->family);

		if (!port) {
			client->refused++;
			continue;
		}
		client->astray += from_client(own, TCP, ACK, client->family) != port;
		client->astray += from_pod(port, TCP, ACK, client->family) != own;
		client->astray += from_pod(port, TCP, FIN | ACK, client->family) != own;
		client->astray += from_client(own, TCP, FIN | ACK, client->family) != port;
		client->served++;
	}
	return NULL;
}

/* For every closed flow years pass. */
static void *pass_time(void *userdata)
{
	int family = *(int *)userdata;

	while (!done) {
		age_closing(false, family, age_set, 100);
		age_closing(true, family, age_set, 100);
	}
	return NULL;
}

/* No port is two live flows'. */
static void assert_ports_unique(uint16_t n_ports, int family)
{
	uint8_t met[LAST_PORT - FIRST_PORT + 1] = { 0 };

	for (uint32_t i = 0; i < BUCKETS * LB_SLOTS; i++) {
		uint16_t port = family == 4 ? world->flows4[i / LB_SLOTS].slot[i % LB_SLOTS].reply_port
					    : world->flows6[i / LB_SLOTS].slot[i % LB_SLOTS].reply_port;

		if (lb_control_state(*control_at(false, i, family)) < LB_OPEN)
			continue;
		port = (uint16_t)(__builtin_bswap16(port) - FIRST_PORT);
		assert_true(port < n_ports);
		assert_false(met[port]++);
	}
}

static void test_both_cpus(void **state _unused_)
{
	for (int family = 4; family <= 6; family += 2) {
		struct client clients[2] = { { 1024, family }, { 32768, family } };
		pthread_t threads[2], clock;

		restore(8);
		done = false;
		assert_int_equal(pthread_create(&clock, NULL, pass_time, &family), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, connect_and_close, &clients[i]),
					 0);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		done = true;
		pthread_join(clock, NULL);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(clients[i].astray, 0);
			assert_true(clients[i].served > 0);
		}
		assert_ports_unique(8, family);
		assert_true(live(true, family) <= 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_order),     cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_rate), cmocka_unit_test(test_both_cpus),
	};
	int r;

	world = world_new(&(struct world_options){ .flow4_buckets = BUCKETS, .flow6_buckets = BUCKETS });
	fixture_fill(world);
	r = cmocka_run_group_tests_name("source ports", tests, NULL, NULL);
	world_free(world);
	return r;
}
