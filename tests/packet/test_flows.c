// SPDX-License-Identifier: Apache-2.0
/* The invariants of the flow tables, with both CPUs at work: a hit is the flow's own backend, a key stands
 * once over all CPUs and hooks, a live flow is never evicted and each refusal is counted; and what makes a
 * flow choose anew.
 *
 * Packets come from hammer.bpf.c, which verifies each one's backend; here the tables are read afterwards,
 * slot by slot. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include "tests/packet/fixture.h"
#include "tests/packet/hammer.h"
#include "tests/packet/hammer.skel.h"
#include "userspace/base/attributes.h"

#define VIP_ID	       100 /* IPv4's frontend; IPv6's is the next */
#define MILLION	       (1u << 20)
#define BIG_BUCKETS    (1u << 19)
#define MEDIUM_BUCKETS (1u << 15)
#define SMALL_BUCKETS  64
#define PIECE	       65536 /* packets in one test run: it must not hold a CPU for long */

static const char *const vips[2] = { "192.0.2.1", "2001:db8::1" };

struct bench { /* a world with the hammer's services, and the hammer */
	struct world *world;
	struct hammer_bpf *programs;
	struct hammer *hammers;
};

static void add_services(struct world *world)
{
	static uint32_t ids[2][HAMMER_SLOTS];

	for (uint32_t v6 = 0; v6 < 2; v6++) {
		for (uint32_t i = 0; i < HAMMER_SLOTS; i++) {
			char addr[32];

			snprintf(addr, sizeof(addr), v6 ? "fd00:244:9::%x" : "10.244.9.%u", i + 1);
			ids[v6][i] = v6 * HAMMER_SLOTS + i;
			world_add_backend(world, &(struct world_backend){ .id = ids[v6][i],
									  .generation = 1,
									  .addr = addr,
									  .port = HAMMER_POD_PORT,
									  .protocol = TCP,
									  .local = true });
		}
		world_add_frontend(world, &(struct world_frontend){ .id = VIP_ID + v6,
								    .generation = 1,
								    .addr = vips[v6],
								    .port = HAMMER_VIP_PORT,
								    .protocol = TCP,
								    .backends = ids[v6],
								    .n_backends = HAMMER_SLOTS });
	}
}

/* `weak_memory`: the programs take barriers, which cost more time between two loads than the loads do. */
static struct bench bench_new(uint32_t buckets, bool weak_memory)
{
	struct bench bench = { .world = world_new(&(struct world_options){ .flow4_buckets = buckets,
									   .flow6_buckets = buckets,
									   .weak_memory = weak_memory }) };
	uint32_t zero = 0;
	int xdp, tc;

	add_services(bench.world);
	bench.programs = hammer_bpf__open_and_load();
	assert_non_null(bench.programs);
	xdp = world_fd(bench.world, HOOK_XDP_INGRESS);
	tc = world_fd(bench.world, HOOK_TC_INGRESS);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bench.programs->maps.next_xdp), &zero, &xdp, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bench.programs->maps.next_tc), &zero, &tc, 0), 0);
	bench.hammers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			     bpf_map__fd(bench.programs->maps.hammers), 0);
	assert_true(bench.hammers != MAP_FAILED);
	return bench;
}

static void bench_done(struct bench *bench)
{
	munmap(bench->hammers, 4096);
	hammer_bpf__destroy(bench->programs);
	world_free(bench->world);
}

/* --- threads -------------------------------------------------------------------------------------- */

struct task {
	int fd;
	int cpu;
	uint32_t packets;
	struct hammer *hammer;
};

static void *task_run(void *userdata)
{
	struct task *task = userdata;
	uint8_t frame[HAMMER_FRAME] = { 0 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(task->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);	 /* on a machine of one CPU: as it comes */
	for (uint32_t left = task->packets + 1; left;) { /* the last packet is verified by one more turn */
		uint32_t now = left < PIECE ? left : PIECE;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
			    .data_out = frame, .data_size_out = sizeof(frame), .repeat = (int)now);

		if (bpf_prog_test_run_opts(task->fd, &opts))
			break;
		left -= now;
	}
	return NULL;
}

/* Runs threads 0 .. n-1 at once: XDP, XDP, TC. */
static void run_at_once(struct bench *bench, const struct hammer *settings, uint32_t packets, int n)
{
	int fds[] = { bpf_program__fd(bench->programs->progs.hammer_xdp),
		      bpf_program__fd(bench->programs->progs.hammer_xdp_second),
		      bpf_program__fd(bench->programs->progs.hammer_tc) };
	struct task tasks[3];
	pthread_t threads[3];

	for (int i = 0; i < n; i++) {
		bench->hammers[i] = settings[i];
		bench->hammers[i].last = settings[i].flows;
		tasks[i] = (struct task){ fds[i], i % 2, packets, &bench->hammers[i] };
	}
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, task_run, &tasks[i]), 0);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void assert_none_wrong(const struct hammer *hammer)
{
	if (hammer->wrong)
		fprintf(stderr,
			"%llu packets reached another flow's backend; the last: flow %u at backend %u\n",
			(unsigned long long)hammer->wrong, hammer->wrong_flow, hammer->wrong_addr);
	assert_int_equal(hammer->wrong, 0);
}

/* Packets that opened no flow. Busy are those whose lock was held while its holder's CPU stood still: a
 * virtual one does. */
static uint64_t refusals(struct world *world)
{
	uint64_t counts[LB_REASON_COUNT];

	world_reasons(world, counts);
	return counts[LB_REASON_FLOW_TABLE_FULL] + counts[LB_REASON_REPLY_TABLE_FULL] +
	       counts[LB_REASON_FLOW_BUSY];
}

/* Each lost packet has a reason. The packet of a thread's last turn is counted, but nobody looks at it. */
static void assert_counted(uint64_t lost, uint64_t counted, uint64_t threads)
{
	assert_true(counted >= lost && counted <= lost + threads);
}

/* --- reading the tables --------------------------------------------------------------------------- */

struct entry { /* a live slot, by what must be unique: id (frontend's or backend's handle), client, port */
	uint8_t client[16];
	uint32_t id;
	uint16_t port;
	uint32_t place; /* bucket * LB_SLOTS + slot */
	uint64_t control;
};

static int entry_compare(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct entry, place));
}

/* Sorted by key. `replies`: keyed by backend and reply_port. The caller frees. */
static struct entry *read_table(struct world *world, bool v6, bool replies, size_t *ret_n)
{
	uint32_t buckets = v6 ? world->flow6_buckets : world->flow4_buckets;
	struct entry *entries = calloc((size_t)buckets * LB_SLOTS, sizeof(*entries));
	size_t n = 0;

	assert_non_null(entries);
	for (uint32_t place = 0; place < buckets * LB_SLOTS; place++) {
		const struct lb_flow4 *four =
			&(replies ? world->replies4 : world->flows4)[place / LB_SLOTS].slot[place % LB_SLOTS];
		const struct lb_flow6 *six =
			&(replies ? world->replies6 : world->flows6)[place / LB_SLOTS].slot[place % LB_SLOTS];
		uint64_t control = v6 ? six->control : four->control;
		struct entry *entry = &entries[n];

		if (v6 ? place / LB_SLOTS >= world->flow6_buckets : place / LB_SLOTS >= world->flow4_buckets)
			break;
		assert_int_not_equal(lb_control_state(control), LB_OPENING);
		if (lb_control_state(control) == LB_FREE)
			continue;
		if (v6)
			memcpy(entry->client, six->client, 16);
		else
			memcpy(entry->client, &four->client, 4);
		entry->id = replies ? lb_control_backend(control) : lb_control_frontend(control);
		entry->port = replies ? (v6 ? six->reply_port : four->reply_port)
				      : (v6 ? six->client_port : four->client_port);
		entry->place = place;
		entry->control = control;
		n++;
	}
	qsort(entries, n, sizeof(*entries), entry_compare);
	*ret_n = n;
	return entries;
}

static void assert_unique(const struct entry *entries, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (!entry_compare(&entries[i - 1], &entries[i]))
			fail_msg("a key stands twice, at slots %u and %u", entries[i - 1].place,
				 entries[i].place);
}

/* Each flow has its reply, under the same client and port (nothing here is translated). */
static void assert_paired(const struct entry *flows, size_t n_flows, const struct entry *replies,
			  size_t n_replies)
{
	for (size_t i = 0; i < n_flows; i++) {
		struct entry key = flows[i], *reply;

		key.id = lb_control_backend(flows[i].control);
		reply = bsearch(&key, replies, n_replies, sizeof(*replies), entry_compare);
		assert_non_null(reply);
		assert_int_equal(lb_control_frontend(reply->control), flows[i].id);
	}
}

static size_t assert_tables_sound(struct world *world, bool v6)
{
	size_t n_flows, n_replies;
	struct entry *flows = read_table(world, v6, false, &n_flows),
		     *replies = read_table(world, v6, true, &n_replies);

	assert_unique(flows, n_flows);
	assert_unique(replies, n_replies);
	assert_paired(flows, n_flows, replies, n_replies);
	free(flows);
	free(replies);
	return n_flows;
}

/* --- tests ---------------------------------------------------------------------------------------- */

/* Both CPUs open the same million flows in the same order: where they meet, one opens and the other finds. */
static void same_million(bool v6)
{
	struct bench bench = bench_new(BIG_BUCKETS, false);
	const struct hammer settings[2] = { { .v6 = v6, .flows = MILLION, .stride = 1 },
					    { .v6 = v6, .flows = MILLION, .stride = 1 } };
	size_t n;

	run_at_once(&bench, settings, MILLION, 2);
	for (int i = 0; i < 2; i++) {
		assert_none_wrong(&bench.hammers[i]);
		assert_int_equal(bench.hammers[i].good + bench.hammers[i].lost, MILLION);
	}
	assert_counted(bench.hammers[0].lost + bench.hammers[1].lost, refusals(bench.world), 2);
	n = assert_tables_sound(bench.world, v6);
	/* at half load hardly any finds its buckets full: each missing one was refused to both */
	assert_true(n <= MILLION && n >= MILLION - MILLION / 1000);
	assert_true(2 * (MILLION - n) <= refusals(bench.world) + n / 1000);
	bench_done(&bench);
}

static void test_same_million4(void **state _unused_)
{
	same_million(false);
}

static void test_same_million6(void **state _unused_)
{
	same_million(true);
}

/* Three quarters full, then as many new flows again: those that were there are where they were. */
static void never_evicted(bool v6)
{
	struct bench bench = bench_new(MEDIUM_BUCKETS, false);
	const uint32_t three_quarters = MEDIUM_BUCKETS * LB_SLOTS / 4 * 3;
	const struct hammer first[3] = { { .v6 = v6, .flows = three_quarters, .stride = 1 },
					 { .v6 = v6, .flows = three_quarters, .stride = 7 },
					 { .v6 = v6, .flows = three_quarters, .stride = 11 } };
	const struct hammer more[1] = {
		{ .v6 = v6, .flows = three_quarters, .stride = 1, .first = three_quarters }
	};
	struct entry *before, *after;
	size_t n_before, n_after;
	uint64_t refused;

	run_at_once(&bench, first, three_quarters, 3); /* the third at TC */
	for (int i = 0; i < 3; i++)
		assert_none_wrong(&bench.hammers[i]);
	assert_tables_sound(bench.world, v6);
	before = read_table(bench.world, v6, false, &n_before);
	assert_true(n_before > three_quarters - three_quarters / 50); /* 1% find both buckets full */
	refused = refusals(bench.world);
	run_at_once(&bench, more, three_quarters, 1);
	assert_none_wrong(&bench.hammers[0]);
	refused = refusals(bench.world) - refused;
	assert_counted(bench.hammers[0].lost, refused, 1);
	assert_true(refused > three_quarters / 3);
	assert_tables_sound(bench.world, v6);
	after = read_table(bench.world, v6, false, &n_after);
	assert_int_equal(n_after, n_before + three_quarters - bench.hammers[0].lost);
	for (size_t i = 0, j = 0; i < n_before; i++) {
		while (j < n_after && entry_compare(&after[j], &before[i]) < 0)
			j++;
		assert_true(j < n_after && !entry_compare(&after[j], &before[i]));
		assert_int_equal(after[j].place, before[i].place);
		assert_int_equal(lb_control_backend(after[j].control), lb_control_backend(before[i].control));
	}
	free(before);
	free(after);
	bench_done(&bench);
}

static void test_never_evicted4(void **state _unused_)
{
	never_evicted(false);
}

static void test_never_evicted6(void **state _unused_)
{
	never_evicted(true);
}

/* --- a collector at work: slots change hands under the readers ------------------------------------ */

static atomic_bool stop;
static atomic_ullong freed;

static _Atomic uint64_t *control_at(struct world *world, bool v6, bool replies, uint32_t place)
{
	if (v6)
		return (_Atomic uint64_t *)&(replies ? world->replies6 : world->flows6)[place / LB_SLOTS]
			.slot[place % LB_SLOTS]
			.control;
	return (_Atomic uint64_t *)&(replies ? world->replies4 : world->flows4)[place / LB_SLOTS]
		.slot[place % LB_SLOTS]
		.control;
}

static uint64_t client_of(struct world *world, bool v6, uint32_t place, uint16_t *ret_port)
{
	if (v6) {
		const struct lb_flow6 *flow = &world->flows6[place / LB_SLOTS].slot[place % LB_SLOTS];

		*ret_port = flow->client_port;
		return lb_fold6(lb_load64(flow->client), lb_load64(flow->client + 8));
	}
	*ret_port = world->flows4[place / LB_SLOTS].slot[place % LB_SLOTS].client_port;
	return world->flows4[place / LB_SLOTS].slot[place % LB_SLOTS].client;
}

/* The reply slot of a flow that nobody frees but us; -1: not there (yet). */
static int64_t reply_place(struct world *world, bool v6, uint64_t control, uint64_t client, uint16_t port)
{
	uint32_t mask = (v6 ? world->flow6_buckets : world->flow4_buckets) - 1;
	uint64_t hash = lb_reply_hash(world->settings->seed, lb_control_backend(control), client, port);

	for (int choice = 0; choice < 2; choice++)
		for (uint32_t i = 0; i < LB_SLOTS; i++) {
			uint32_t place =
				(choice ? lb_bucket2(hash, mask) : lb_bucket1(hash, mask)) * LB_SLOTS + i;
			uint64_t found = *control_at(world, v6, true, place);
			uint16_t reply_port = v6 ? world->replies6[place / LB_SLOTS].slot[i].reply_port
						 : world->replies4[place / LB_SLOTS].slot[i].reply_port;
			uint64_t owner =
				v6 ? lb_fold6(lb_load64(world->replies6[place / LB_SLOTS].slot[i].client),
					      lb_load64(world->replies6[place / LB_SLOTS].slot[i].client + 8))
				   : world->replies4[place / LB_SLOTS].slot[i].client;

			if (lb_control_state(found) >= LB_OPEN &&
			    lb_control_backend(found) == lb_control_backend(control) && reply_port == port &&
			    owner == client)
				return place;
		}
	return -1;
}

/* Frees flows by the protocol of lb_abi.h, whether idle or not, as fast as it can. */
static void collect_until_stopped(struct world *world, bool v6)
{
	uint64_t seed = 1;

	while (!stop) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		uint32_t place = (uint32_t)(seed >> 33) % (SMALL_BUCKETS * LB_SLOTS);
		_Atomic uint64_t *flow = control_at(world, v6, false, place), *reply;
		uint64_t c0 = *flow, r0;
		uint16_t port;
		uint64_t client = client_of(world, v6, place, &port);
		int64_t at;

		if (lb_control_state(c0) < LB_OPEN || *flow != c0)
			continue;
		at = reply_place(world, v6, c0, client, port);
		if (at < 0)
			continue;
		reply = control_at(world, v6, true, (uint32_t)at);
		r0 = *reply;
		if (lb_control_state(r0) < LB_OPEN || lb_control_backend(r0) != lb_control_backend(c0))
			continue;
		if (!atomic_compare_exchange_strong(flow, &c0, lb_control_free(c0)))
			continue;
		atomic_compare_exchange_strong(reply, &r0, lb_control_free(r0));
		freed++;
	}
}

/* Threads that send, again and again until enough was tried (or a minute is over), and the sum of what became
 * of it. */
struct hammering {
	struct bench *bench;
	const struct hammer *settings;
	int threads;
	uint64_t wanted_good, wanted_lost, wanted_freed;
	struct hammer sum;
};

static bool tried_enough(const struct hammering *hammering)
{
	return hammering->sum.good > hammering->wanted_good && hammering->sum.lost > hammering->wanted_lost &&
	       freed > hammering->wanted_freed;
}

static void *hammer_until_enough(void *userdata)
{
	struct hammering *hammering = userdata;
	time_t end = time(NULL) + 60;

	do {
		run_at_once(hammering->bench, hammering->settings, 400000, hammering->threads);
		for (int i = 0; i < hammering->threads; i++) {
			const struct hammer *hammer = &hammering->bench->hammers[i];

			hammering->sum.good += hammer->good;
			hammering->sum.lost += hammer->lost;
			hammering->sum.wrong += hammer->wrong;
			if (hammer->wrong) {
				hammering->sum.wrong_flow = hammer->wrong_flow;
				hammering->sum.wrong_addr = hammer->wrong_addr;
			}
		}
	} while (!tried_enough(hammering) && time(NULL) < end);
	stop = true;
	return NULL;
}

static void reader_against_reuse(bool v6)
{
	struct bench bench = bench_new(SMALL_BUCKETS, false);
	const struct hammer settings[3] = { { .v6 = v6, .flows = 1024, .stride = 1 },
					    { .v6 = v6, .flows = 1024, .stride = 5 },
					    { .v6 = v6, .flows = 1024, .stride = 3 } };
	struct hammering hammering = { &bench, settings, 3, 1000000, 0, 20000, { 0 } };
	pthread_t thread;

	stop = false;
	freed = 0;
	assert_int_equal(pthread_create(&thread, NULL, hammer_until_enough, &hammering), 0);
	collect_until_stopped(bench.world, v6);
	pthread_join(thread, NULL);
	assert_none_wrong(&hammering.sum);
	assert_true(tried_enough(&hammering));
	assert_tables_sound(bench.world, v6);
	bench_done(&bench);
}

static void test_reader_against_reuse4(void **state _unused_)
{
	reader_against_reuse(false);
}

static void test_reader_against_reuse6(void **state _unused_)
{
	reader_against_reuse(true);
}

/* --- one slot that changes hands all the time ----------------------------------------------------- */

/* The client of hammer.bpf.c's flow n. */
static void hammer_client(uint32_t n, bool v6, uint64_t client[2], uint16_t *ret_port)
{
	uint32_t address = __builtin_bswap32(0x64400000u + (n >> 15));

	client[0] = v6 ? __builtin_bswap64(0xfd64ull << 48) : address;
	client[1] = v6 ? (uint64_t)address << 32 : 0;
	*ret_port = __builtin_bswap16((uint16_t)(1024 + (n & 32767)));
}

static uint64_t hammer_fold(const uint64_t client[2], bool v6)
{
	return v6 ? lb_fold6(client[0], client[1]) : client[0];
}

static uint32_t hammer_bucket(struct world *world, uint32_t n, bool v6)
{
	uint64_t client[2];
	uint16_t port;

	hammer_client(n, v6, client, &port);
	return lb_bucket1(
		lb_flow_hash(world->settings->seed, lb_handle(VIP_ID + v6, 1), hammer_fold(client, v6), port),
		(v6 ? world->flow6_buckets : world->flow4_buckets) - 1);
}

static uint32_t hammer_backend(uint32_t n, bool v6)
{
	uint64_t client[2];
	uint16_t port;

	hammer_client(n, v6, client, &port);
	return lb_maglev_slot(lb_maglev_hash(hammer_fold(client, v6), port,
					     __builtin_bswap16(HAMMER_VIP_PORT), TCP, 0),
			      HAMMER_SLOTS) +
	       v6 * HAMMER_SLOTS;
}

/* Two flows that follow each other, meet in one bucket, and have different backends. */
static uint32_t find_twins(struct world *world, bool v6)
{
	uint32_t n = 0;

	while (hammer_bucket(world, n, v6) != hammer_bucket(world, n + 1, v6) ||
	       hammer_backend(n, v6) == hammer_backend(n + 1, v6))
		n++;
	return n;
}

/* A reader that begins a packet may meet what the writer had left of the last packet's turns, and then this
 * one's. */
#define TURNS_PER_PACKET 7
_Static_assert(2 * TURNS_PER_PACKET < LB_VERSIONS, "no read sees the versions wrap");

/* Slot 0 of the twins' bucket goes to one and the other in turn, as an opener would do it: many times in each
 * packet of the reader, but never once around all versions. No slot in use can do that within one read
 * (lb_abi.h), but a writer that did nothing else could, whenever the reader's CPU was taken away from it. */
static void take_in_turn(struct bench *bench, uint32_t twins, bool v6)
{
	struct world *world = bench->world;
	const volatile uint32_t *packet = &bench->hammers[0].next;
	uint32_t place = hammer_bucket(world, twins, v6) * LB_SLOTS;
	uint32_t met = 0, left = 0, waited = 0;
	volatile uint64_t *control = (uint64_t *)control_at(world, v6, false, place);
	volatile uint64_t *slot = control - (v6 ? 3 : 1);

	for (uint64_t turn = 0; !stop; turn++) {
		uint64_t version = turn << LB_CTL_VERSION_SHIFT & LB_CTL_VERSION, client[2];
		uint32_t n = twins + (turn & 1);
		uint16_t port;

		while (!left && !stop) {
			uint32_t now = *packet;

			left = now == met ? 0 : TURNS_PER_PACKET;
			met = now;
			if (!left && ++waited % 1024 == 0)
				sched_yield(); /* or a machine of one CPU would never read */
		}
		left--;
		hammer_client(n, v6, client, &port);
		*control = version | (uint64_t)LB_OPENING << LB_CTL_STATE_SHIFT;
		if (v6) {
			slot[0] = client[0];
			slot[1] = client[1];
			slot[2] = port | (uint64_t)port << 16;
		} else {
			slot[0] = client[0] | (uint64_t)port << 32 | (uint64_t)port << 48;
		}
		atomic_signal_fence(memory_order_seq_cst);
		*control = version | (uint64_t)LB_OPEN << LB_CTL_STATE_SHIFT |
			   (world->settings->tick & 0xff) |
			   (uint64_t)lb_handle(VIP_ID + v6, 1) << LB_CTL_FRONTEND_SHIFT |
			   (uint64_t)lb_handle(hammer_backend(n, v6), 1) << LB_CTL_BACKEND_SHIFT;
	}
}

/* All other slots are live, so that a miss opens nothing: what is found is found in that one slot. */
static void slot_changes_hands(bool v6)
{
	struct bench bench = bench_new(SMALL_BUCKETS, true);
	uint32_t twins = find_twins(bench.world, v6);
	const struct hammer settings = { .v6 = v6, .flows = 2, .stride = 1, .first = twins };
	struct hammering hammering = { &bench, &settings, 1, 500000, 500000, 0, { 0 } };
	cpu_set_t cpus, before;
	pthread_t thread;

	world_fill_flows(bench.world, false);
	world_fill_flows(bench.world, true);
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	stop = false;
	freed = 1;
	assert_int_equal(pthread_create(&thread, NULL, hammer_until_enough, &hammering), 0);
	take_in_turn(&bench, twins, v6);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(before), &before);
	assert_none_wrong(&hammering.sum);
	assert_true(tried_enough(&hammering));
	bench_done(&bench);
}

static void test_slot_changes_hands4(void **state _unused_)
{
	slot_changes_hands(false);
}

static void test_slot_changes_hands6(void **state _unused_)
{
	slot_changes_hands(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_million4),	      cmocka_unit_test(test_same_million6),
		cmocka_unit_test(test_never_evicted4),	      cmocka_unit_test(test_never_evicted6),
		cmocka_unit_test(test_reader_against_reuse4), cmocka_unit_test(test_reader_against_reuse6),
		cmocka_unit_test(test_slot_changes_hands4),   cmocka_unit_test(test_slot_changes_hands6),
	};

	return cmocka_run_group_tests_name("flow tables", tests, NULL, NULL);
}
