// SPDX-License-Identifier: Apache-2.0
/* What the pure decisions cost: Maglev tables, and plan and diff for 10,000 Services of 10 endpoints each, whole and with
 * one endpoint changed. No kernel and no root; results as JSON lines (report.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/report.h"
#include "tests/unit/world.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/diff.h"
#include "userspace/core/maglev.h"
#include "userspace/core/plan.h"

#define SERVICES     10000
#define ENDPOINTS    10
#define NODES	     100
#define FULL_ROUNDS  7
#define SMALL_ROUNDS 501

static void die(const char *what, int error)
{
	fprintf(stderr, "core_cost: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void report_samples(const char *name, const char *unit, double *samples, size_t n)
{
	struct result result = { .name = name, .unit = unit, .better = "lower" };

	summarise(samples, n, &result);
	report(&result);
}

static void measure_maglev(size_t n_backends)
{
	struct backend *items = calloc(n_backends, sizeof(*items));
	struct backends backends = { .items = items, .n = n_backends };
	uint32_t size = maglev_size(n_backends), *table = calloc(size, sizeof(*table));
	double samples[31];
	char name[64];
	size_t i;

	if (!items || !table)
		die("maglev", -ENOMEM);
	for (i = 0; i < n_backends; i++)
		items[i] = (struct backend){ .addr = addr_v4(0x0af40000 + (uint32_t)i), .port = 8080, .weight = 1 };
	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		double start = now_msec();
		int r = maglev_build(&backends, L4_TCP, size, table);

		if (r < 0)
			die("maglev_build", r);
		samples[i] = now_msec() - start;
	}
	snprintf(name, sizeof(name), "maglev.build.%zu", n_backends);
	report_samples(name, "ms", samples, ARRAY_SIZE(samples));
	free(table);
	free(items);
}

static void measure_plan_full(const struct cluster *cluster, const struct plan_options *options, struct node_plan *ret)
{
	double samples[FULL_ROUNDS];
	size_t i;

	for (i = 0; i < FULL_ROUNDS; i++) {
		double start = now_msec();
		int r;

		if (i)
			node_plan_done(ret);
		r = plan_node(cluster, options, ret);
		if (r < 0)
			die("plan_node", r);
		samples[i] = now_msec() - start;
	}
	report_samples("plan.full.10000x10", "ms", samples, FULL_ROUNDS);
}

/* Executes nothing, commits everything: what the data path would accept. */
static void commit(struct applied *applied, const struct steps *steps, uint64_t now)
{
	size_t i;

	for (i = 0; i < steps->n; i++)
		diff_commit(applied, &steps->items[i], now);
}

static void diff_once(struct applied *applied, const struct node_plan *plan, const struct strings *changed, uint64_t now,
		      double *ret_msec)
{
	cleanup(steps_done) struct steps steps = { 0 };
	double start = now_msec();
	int r = diff_plan(applied, plan, changed, now, &steps);

	if (r < 0)
		die("diff_plan", r);
	if (steps.problems.n)
		die(steps.problems.items[0].message, -ENOSPC);
	*ret_msec = now_msec() - start;
	commit(applied, &steps, now);
}

/* One endpoint of one Service comes and goes: what a pod's restart is to a node. */
static void measure_one_endpoint(struct world *world, const struct plan_options *options, struct node_plan *plan)
{
	struct diff_limits limits = { .frontends = 65536, .backends = 262144, .table_slots = 16u << 20 };
	struct applied *applied = applied_new(&limits);
	double plan_msec[SMALL_ROUNDS], diff_msec[SMALL_ROUNDS], whole;
	const struct cluster *cluster = world_cluster(world);
	struct endpoint_slice *slice;
	size_t i;

	if (!applied)
		die("applied_new", -ENOMEM);
	diff_once(applied, plan, NULL, 0, &whole);
	report_samples("diff.full.10000x10", "ms", &whole, 1);
	for (i = 0; i < SMALL_ROUNDS; i++) {
		char key[256];
		const char *keys[1] = { key };
		struct strings changed = { .items = keys, .n = 1 };
		double start;
		int r;

		slice = (struct endpoint_slice *)cluster->slices[i * 7 % cluster->n_slices]; /* the world's own, so writable */
		snprintf(key, sizeof(key), "%s/%s", slice->meta.namespace, slice->service);
		slice->endpoints[0].ready = slice->endpoints[0].serving = i & 1;
		start = now_msec();
		r = plan_update(plan, cluster, options, &changed);
		if (r < 0)
			die("plan_update", r);
		plan_msec[i] = (now_msec() - start) * 1000;
		diff_once(applied, plan, &changed, 2000 * (i + 1), &diff_msec[i]);
		diff_msec[i] *= 1000;
	}
	report_samples("plan.one-endpoint.10000x10", "us", plan_msec, SMALL_ROUNDS);
	report_samples("diff.one-endpoint.10000x10", "us", diff_msec, SMALL_ROUNDS);
	applied_free(applied);
}

int main(void)
{
	struct plan_options options = { .node = "n0" };
	struct node_plan plan = { 0 };
	struct world world = { 0 };

	measure_maglev(10);
	measure_maglev(100);
	measure_maglev(1000);
	world_synthetic(&world, &(struct synthetic_options){ SERVICES, ENDPOINTS, NODES });
	measure_plan_full(world_cluster(&world), &options, &plan);
	measure_one_endpoint(&world, &options, &plan);
	node_plan_done(&plan);
	world_done(&world);
	return 0;
}
