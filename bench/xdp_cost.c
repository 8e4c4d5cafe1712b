// SPDX-License-Identifier: Apache-2.0
/* What a packet costs in Fairway's programs, net of a program that only returns, beside the yardstick in the same rounds.
 *
 * usage: xdp_cost YARDSTICK.bpf.o   (root)
 *
 * The maps are filled the way the agent does it (plan, diff, datapath), in a network and a mount namespace of our own, with
 * one Service of ten local endpoints in each family: the packet gets its destination rewritten and is passed on. What a
 * flow table holds beside the measured flows matters, so each group of cases starts from empty tables:
 *   established  1, 65,536 and 1,048,576 flows of which each has been seen before
 *   aged         the same, after other flows have filled half of the table, so that with the measured million it is at 75%
 *   new          every packet a flow never seen
 *   not-ours     an address that Fairway does not serve
 * Results are JSON lines (report.h) with the names of OUTPUTS.md. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "bench/replay.h"
#include "bench/report.h"
#include "bench/yardstick.h"
#include "tests/unit/world.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/diff.h"
#include "userspace/core/plan.h"
#include "userspace/datapath/datapath.h"

#define BPFFS	   "/run/fairway-bench-bpf"
#define SLOTS_V4   (4u << 20) /* IPv6 gets half of it */
#define ROUNDS	   41
#define REPEATS	   20000
#define CASES_MAX  10
#define PROTO_TCP  6
#define PACKET_LEN 74 /* Ethernet, IPv6, TCP */

static const uint8_t vip4[4] = { 192, 0, 2, 1 }, other4[4] = { 203, 0, 113, 9 };
static const uint8_t vip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, other6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 9 };

struct bench {
	struct world world;
	struct datapath *datapath;
	struct sd_event *event;
	struct bpf_object *yardstick;
	int pass, tc_pass, yard, mac_tx;
	struct replay_packet v4, v6, not_ours4, not_ours6;
};

struct named_case {
	const char *name, *baseline;
	struct replay_case replay;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "xdp_cost: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* --- the place and the service ---------------------------------------------------------------------------- */

static void enter_sandbox(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	cpu_set_t cpu;

	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11; elsewhere of no consequence */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("namespaces (root is needed)", errno);
	if (mkdir(BPFFS, 0700) < 0 && errno != EEXIST)
		die(BPFFS, errno);
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") < 0)
		die("mount bpffs", errno);
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu() == 0 ? 0 : 1, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu); /* a drift between CPUs would look like a cost; not fatal */
	setpriority(PRIO_PROCESS, 0, -20);
}

static void add_service(struct world *world, const char *name, const char *vip, const char *endpoint_format)
{
	struct service *service = world_service(world, name);
	cleanup(strbuf_done) struct strbuf endpoints = { 0 };
	char slice[64];
	int i;

	world_service_port(world, service, "", L4_TCP, 80, 0);
	world_ingress(world, service, vip);
	for (i = 0; i < 10; i++) {
		strbuf_appendf(&endpoints, endpoint_format, i + 1);
		strbuf_append(&endpoints, "@n0 ");
	}
	snprintf(slice, sizeof(slice), "%s-slice", name);
	world_slice(world, slice, strrchr(name, '/') + 1, ":TCP:8080", strbuf_text(&endpoints));
}

static void program_maps(struct bench *bench)
{
	struct plan_options options = { .node = "n0" };
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	cleanup(steps_done) struct steps steps = { 0 };
	struct diff_limits limits = datapath_limits(bench->datapath);
	struct applied *applied = applied_new(&limits);
	cleanup(freep) bool *done = NULL;
	int r = plan_node(world_cluster(&bench->world), &options, &plan);

	if (r == 0)
		r = applied ? diff_plan(applied, &plan, NULL, 0, &steps) : -ENOMEM;
	if (r == 0 && steps.n)
		done = calloc(steps.n, sizeof(*done));
	if (r == 0)
		r = done ? datapath_execute(bench->datapath, &steps, STEP_MAKE, done) : -ENOMEM;
	if (r < 0)
		die("programming the service", r);
	applied_free(applied);
}

/* Empty tables, one service of each family. */
static void start_group(struct bench *bench)
{
	struct datapath_options options = {
		.pin_dir = BPFFS "/fairway",
		.max_flows = SLOTS_V4,
		.snat_port_first = 61000,
		.snat_port_last = 65535,
		.jit_bench = true,
	};
	int r = datapath_open(bench->event, &options, &bench->datapath);

	if (r < 0)
		die("datapath_open", r);
	program_maps(bench);
}

static void end_group(struct bench *bench)
{
	int r;

	datapath_close(bench->datapath);
	bench->datapath = NULL;
	r = datapath_cleanup(BPFFS "/fairway");
	if (r < 0)
		die("datapath_cleanup", r);
}

/* --- the yardstick ------------------------------------------------------------------------------------------ */

static int yardstick_map(const struct bench *bench, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(bench->yardstick, name);

	if (fd < 0)
		die(name, fd);
	return fd;
}

static int yardstick_program(const struct bench *bench, const char *name)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(bench->yardstick, name);

	if (!program)
		die(name, ENOENT);
	return bpf_program__fd(program);
}

static void fill_yardstick(const struct bench *bench)
{
	int services = yardstick_map(bench, "yard_services"), ring = yardstick_map(bench, "yard_ring");
	int backends = yardstick_map(bench, "yard_backends");
	struct yardstick_service_bucket bucket = { 0 };
	uint32_t vip, index, i;
	uint64_t key;

	memcpy(&vip, vip4, 4);
	key = yardstick_key(vip, htons(80), PROTO_TCP);
	memcpy(&bucket.slots[0], &key, sizeof(key));
	index = yardstick_bucket(vip, htons(80), PROTO_TCP);
	if (bpf_map_update_elem(services, &index, &bucket, 0) < 0)
		die("yard_services", errno);
	for (i = 0; i < 10; i++) {
		struct yardstick_backend backend = { .address = htonl(0x0af40001 + i), .port = htons(8080) };

		if (bpf_map_update_elem(backends, &i, &backend, 0) < 0)
			die("yard_backends", errno);
	}
	for (i = 0; i < YARDSTICK_RING; i++) {
		uint32_t backend = i % 10;

		if (bpf_map_update_elem(ring, &i, &backend, 0) < 0)
			die("yard_ring", errno);
	}
}

static void load_yardstick(struct bench *bench, const char *path)
{
	bench->yardstick = bpf_object__open_file(path, NULL);
	if (!bench->yardstick || bpf_object__load(bench->yardstick))
		die(path, errno);
	fill_yardstick(bench);
	bench->yard = yardstick_program(bench, "yardstick");
	bench->mac_tx = yardstick_program(bench, "mac_tx");
}

/* --- cases -------------------------------------------------------------------------------------------------- */

static void measure(struct named_case *cases, size_t n, int rounds, const char *hide)
{
	struct replay_settings settings = { .repeats = REPEATS, .rounds = rounds };
	struct replay_case replays[CASES_MAX];
	double baseline;
	size_t i, j;
	int r;

	for (i = 0; i < n; i++)
		replays[i] = cases[i].replay;
	r = replay_measure(replays, n, &settings);
	if (r < 0)
		die(cases[0].name, r);
	for (i = 0; i < n; i++) {
		for (baseline = 0, j = 0; j < n; j++)
			if (cases[i].baseline && !strcmp(cases[j].name, cases[i].baseline))
				baseline = replays[j].median;
		if (hide && strstr(hide, cases[i].name))
			continue; /* measured again for this group's baseline only */
		report(&(struct result){ .name = cases[i].name, .unit = "ns/packet", .median = replays[i].median,
					 .min = replays[i].min, .max = replays[i].max, .runs = rounds,
					 .baseline = cases[i].baseline ?: "", .net = replays[i].median - baseline,
					 .better = "lower" });
	}
}

static void check_verdict(struct bench *bench, const struct replay_packet *packet, int program, uint32_t want)
{
	struct replay_settings settings = { .repeats = 2, .rounds = 1 };
	struct replay_case once = { .program_fd = program, .xdp = true, .packet = packet, .flows = 1 };

	if (replay_measure(&once, 1, &settings) < 0 || once.verdict != want) {
		fprintf(stderr, "xdp_cost: a packet for the service gets verdict %u, expected %u: nothing to measure\n",
			once.verdict, want);
		exit(1);
	}
	(void)bench;
}

static struct replay_case xdp_case(int program, const struct replay_packet *packet, uint32_t flows)
{
	return (struct replay_case){ .program_fd = program, .xdp = true, .packet = packet, .flows = flows };
}

/* Other flows in `percent` of the slots of both families. */
static void crowd(struct bench *bench, int program, unsigned percent)
{
	struct replay_packet v4 = bench->v4, v6 = bench->v6;
	uint32_t n = SLOTS_V4 / 100 * percent;
	struct replay_settings settings = { .repeats = 0, .rounds = 1 };
	struct replay_case fill = xdp_case(program, &v4, REPLAY_NEW);

	v4.bytes[v4.source_offset] = 100; /* 100.18.0.0/10: clients that no measured flow has */
	v6.bytes[v6.source_offset] = 0x77;
	for (settings.repeats = 65536; n; n -= n < settings.repeats ? n : settings.repeats) {
		fill.packet = &v4;
		if (replay_measure(&fill, 1, &settings) < 0)
			die("crowding", EIO);
		fill.first_flow += settings.repeats + 1000; /* with those of warming up */
	}
	fill.first_flow = 0;
	for (n = SLOTS_V4 / 2 / 100 * percent; n; n -= n < settings.repeats ? n : settings.repeats) {
		fill.packet = &v6;
		if (replay_measure(&fill, 1, &settings) < 0)
			die("crowding", EIO);
		fill.first_flow += settings.repeats + 1000;
	}
}

static void measure_established(struct bench *bench, const char *kind, const char *first_hide)
{
	static const uint32_t counts[] = { 1, 65536, 1048576 };
	int program = datapath_program(bench->datapath, DATAPATH_XDP);
	char name4[64], name6[64], yard[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(name4, sizeof(name4), "xdp.%s.v4.flows-%u", kind, counts[i]);
		snprintf(name6, sizeof(name6), "xdp.%s.v6.flows-%u", kind, counts[i]);
		snprintf(yard, sizeof(yard), "xdp.yardstick.v4.flows-%u", counts[i]);
		struct named_case cases[] = {
			{ "xdp.pass", NULL, xdp_case(bench->pass, &bench->v4, counts[i]) },
			{ "xdp.mac-tx", NULL, xdp_case(bench->mac_tx, &bench->v4, counts[i]) },
			{ yard, "xdp.mac-tx", xdp_case(bench->yard, &bench->v4, counts[i]) },
			{ name4, "xdp.pass", xdp_case(program, &bench->v4, counts[i]) },
			{ name6, "xdp.pass", xdp_case(program, &bench->v6, counts[i]) },
		};
		measure(cases, ARRAY_SIZE(cases), ROUNDS,
			i || first_hide ? (first_hide ? "xdp.pass xdp.mac-tx xdp.yardstick.v4.flows-1 "
							"xdp.yardstick.v4.flows-65536 xdp.yardstick.v4.flows-1048576" :
							"xdp.pass xdp.mac-tx") : NULL);
	}
}

static void measure_new(struct bench *bench)
{
	int program = datapath_program(bench->datapath, DATAPATH_XDP);
	struct named_case cases[] = {
		{ "xdp.pass", NULL, xdp_case(bench->pass, &bench->v4, REPLAY_NEW) },
		{ "xdp.mac-tx", NULL, xdp_case(bench->mac_tx, &bench->v4, REPLAY_NEW) },
		{ "xdp.yardstick.v4.new", "xdp.mac-tx", xdp_case(bench->yard, &bench->v4, REPLAY_NEW) },
		{ "xdp.new.v4", "xdp.pass", xdp_case(program, &bench->v4, REPLAY_NEW) },
		{ "xdp.new.v6", "xdp.pass", xdp_case(program, &bench->v6, REPLAY_NEW) },
	};

	measure(cases, ARRAY_SIZE(cases), ROUNDS, "xdp.pass xdp.mac-tx");
}

static void measure_not_ours(struct bench *bench)
{
	int program = datapath_program(bench->datapath, DATAPATH_XDP);
	struct named_case cases[] = {
		{ "xdp.pass", NULL, xdp_case(bench->pass, &bench->not_ours4, 1) },
		{ "xdp.yardstick.v4.not-ours", "xdp.pass", xdp_case(bench->yard, &bench->not_ours4, 1) },
		{ "xdp.not-ours.v4", "xdp.pass", xdp_case(program, &bench->not_ours4, 1) },
		{ "xdp.not-ours.v6", "xdp.pass", xdp_case(program, &bench->not_ours6, 1) },
	};

	measure(cases, ARRAY_SIZE(cases), 101, "xdp.pass");
}

static void measure_tc(struct bench *bench)
{
	int program = datapath_program(bench->datapath, DATAPATH_TC_INGRESS);
	struct named_case cases[] = {
		{ "tc.pass", NULL, { .program_fd = bench->tc_pass, .packet = &bench->v4, .flows = 1 } },
		{ "tc.established.v4.flows-1", "tc.pass", { .program_fd = program, .packet = &bench->v4, .flows = 1 } },
		{ "tc.established.v6.flows-1", "tc.pass", { .program_fd = program, .packet = &bench->v6, .flows = 1 } },
	};

	measure(cases, ARRAY_SIZE(cases), ROUNDS, NULL);
}

static void bench_init(struct bench *bench, const char *yardstick)
{
	int r = sd_event_default(&bench->event);

	if (r < 0)
		die("sd_event", r);
	world_node(&bench->world, "n0", "198.51.100.1 2001:db8:64::1", "a");
	add_service(&bench->world, "bench/v4", "192.0.2.1", "10.244.0.%d");
	add_service(&bench->world, "bench/v6", "2001:db8::1", "fd00:244::%x");
	load_yardstick(bench, yardstick);
	bench->pass = replay_trivial_program(true, XDP_PASS);
	bench->tc_pass = replay_trivial_program(false, 0);
	replay_packet_init(&bench->v4, vip4, false, PROTO_TCP, 80, PACKET_LEN);
	replay_packet_init(&bench->v6, vip6, true, PROTO_TCP, 80, PACKET_LEN);
	replay_packet_init(&bench->not_ours4, other4, false, PROTO_TCP, 80, PACKET_LEN);
	replay_packet_init(&bench->not_ours6, other6, true, PROTO_TCP, 80, PACKET_LEN);
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: xdp_cost YARDSTICK.bpf.o\n");
		return 2;
	}
	enter_sandbox();
	bench_init(&bench, argv[1]);

	start_group(&bench);
	check_verdict(&bench, &bench.v4, datapath_program(bench.datapath, DATAPATH_XDP), XDP_PASS);
	measure_established(&bench, "established", NULL);
	measure_not_ours(&bench);
	measure_tc(&bench);
	end_group(&bench);

	start_group(&bench);
	crowd(&bench, datapath_program(bench.datapath, DATAPATH_XDP), 50);
	measure_established(&bench, "aged", "hide");
	end_group(&bench);

	start_group(&bench);
	measure_new(&bench);
	end_group(&bench);

	bpf_object__close(bench.yardstick);
	world_done(&bench.world);
	sd_event_unref(bench.event);
	umount(BPFFS);
	rmdir(BPFFS);
	return 0;
}
