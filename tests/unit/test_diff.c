// SPDX-License-Identifier: Apache-2.0
/* Diff: single situations by their steps, then a model of the maps that executes steps of random plans with random
 * failures and checks after each one what the data path relies on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/diff.h"
#include "userspace/core/explain.h"
#include "userspace/core/maglev.h"
#include "userspace/core/plan.h"
#include "userspace/core/step_failures.h"

static const struct diff_limits roomy = { .frontends = 64, .backends = 128, .table_slots = 128 * 1024 };
static const struct plan_options on_n1 = { .node = "n1" };

static void make_plan(struct world *world, struct node_plan *ret)
{
	node_plan_done(ret);
	assert_int_equal(plan_node(world_cluster(world), &on_n1, ret), 0);
}

static struct service *make_service(struct world *world, const char *name, const char *ingress)
{
	struct service *service = world_service(world, name);

	world_ingress(world, service, ingress);
	world_service_port(world, service, "http", L4_TCP, 80, 0);
	return service;
}

/* One line a step; the frontend's digest and the like are not in it. */
static const char *lines(const struct steps *steps, struct strbuf *text)
{
	size_t i;

	strbuf_reset(text);
	for (i = 0; i < steps->n; i++) {
		explain_step(text, &steps->items[i]);
		strbuf_append(text, steps->items[i].phase == STEP_MAKE ? "\n" : " (break)\n");
	}
	return strbuf_text(text);
}

static void expect_steps(struct applied *applied, const struct node_plan *plan, const struct strings *changed,
			 uint64_t now, const char *want, bool commit)
{
	cleanup(steps_done) struct steps steps = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	size_t i;

	assert_int_equal(diff_plan(applied, plan, changed, now, &steps), 0);
	assert_string_equal(lines(&steps, &text), want);
	for (i = 0; i < steps.n; i++)
		commit ? diff_commit(applied, &steps.items[i], now) : diff_abort(applied, &steps.items[i]);
}

struct bench {
	struct world world;
	struct node_plan plan;
	struct applied *applied;
};

static void bench_done(struct bench *bench)
{
	node_plan_done(&bench->plan);
	world_done(&bench->world);
	applied_free(bench->applied);
}

static void bench_init(struct bench *bench, const struct diff_limits *limits)
{
	*bench = (struct bench){ .applied = applied_new(limits) };
	assert_non_null(bench->applied);
	world_node(&bench->world, "n1", "10.1.0.1", NULL);
	world_pool(&bench->world, "public", "192.0.2.0/24 2001:db8::/64");
}

static void test_life_of_a_service(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	struct endpoint_slice *slice;
	struct service *shop;
	const char *name = "web/shop";
	const struct strings changed = { &name, 1 };

	bench_init(&bench, &roomy);
	shop = make_service(&bench.world, name, "192.0.2.1 192.0.2.2");
	slice = world_slice(&bench.world, "web/shop-1", "shop", "http:TCP:8080", "10.244.1.5@n1 10.244.2.5@n2");
	make_plan(&bench.world, &bench.plan);
	/* two frontends share one table */
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 10.244.1.5:8080/TCP active local for web/shop\n"
		     "set backend 1.1 10.244.2.5:8080/TCP active remote for web/shop\n"
		     "write table 0+1021 for web/shop\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges for web/shop\n"
		     "set frontend 1.1 192.0.2.2:80/TCP forward table 0+1021, 0 source ranges for web/shop\n",
		     true);
	expect_steps(bench.applied, &bench.plan, NULL, 0, "", true);
	expect_steps(bench.applied, &bench.plan, &changed, 0, "", true);

	/* one endpoint terminates, one comes: the old table goes after the switch */
	*slice = *world_slice(&bench.world, "x/x", "shop", "http:TCP:8080",
			      "10.244.1.5@n1/st 10.244.2.5@n2 10.244.2.6@n2");
	slice->meta = (struct meta){ .namespace = "web", .name = "shop-1", .uid = "" };
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, &changed, 100,
		     "set backend 0.1 10.244.1.5:8080/TCP draining local for web/shop\n"
		     "set backend 2.1 10.244.2.6:8080/TCP active remote for web/shop\n"
		     "write table 1024+1021 for web/shop\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 1024+1021, 0 source ranges for web/shop\n"
		     "set frontend 1.1 192.0.2.2:80/TCP forward table 1024+1021, 0 source ranges for web/shop\n"
		     "free table 0+1021 (break)\n",
		     true);

	/* the terminating one vanishes; one address is withdrawn from the status; ranges come */
	slice->endpoints++;
	slice->n_endpoints--;
	world_ingress(&bench.world, shop, "192.0.2.1");
	shop->source_ranges = world_words(&bench.world, "10.0.0.0/8");
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, &changed, 200,
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 1024+1021, 1 source ranges for web/shop\n"
		     "delete frontend 1.1 192.0.2.2:80/TCP for web/shop (break)\n"
		     "set backend 0.1 10.244.1.5:8080/TCP gone local for web/shop (break)\n",
		     true);
	expect_steps(bench.applied, &bench.plan, &changed, 300, "", true);

	/* ids wait for the collector */
	applied_backend_unused(bench.applied, 0);
	applied_backend_unused(bench.applied, 1); /* in use: ignored */
	applied_frontend_unused(bench.applied, 1);
	expect_steps(bench.applied, &bench.plan, &changed, 300,
		     "delete backend 0.1 10.244.1.5:8080/TCP gone local (break)\n", true);

	/* another service gets them, with a new generation; the freed table rests until 1100 */
	make_service(&bench.world, "web/b", "192.0.2.9");
	world_slice(&bench.world, "web/b-1", "b", "http:TCP:8080", "10.244.9.9@n2");
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 1099,
		     "set backend 0.2 10.244.9.9:8080/TCP active remote for web/b\n"
		     "write table 2048+1021 for web/b\n"
		     "set frontend 1.2 192.0.2.9:80/TCP forward table 2048+1021, 0 source ranges for web/b\n",
		     false);
	expect_steps(bench.applied, &bench.plan, NULL, 1100,
		     "set backend 0.2 10.244.9.9:8080/TCP active remote for web/b\n"
		     "write table 0+1021 for web/b\n"
		     "set frontend 1.2 192.0.2.9:80/TCP forward table 0+1021, 0 source ranges for web/b\n",
		     true);
	assert_non_null(applied_find_frontend(bench.applied, &bench.plan.services[0]->frontends[0].addr, 80, L4_TCP));
}

/* Another node's readiness alone: its frontends are marked, the table stays; and from the maps the mark is known again. */
static void test_ready_elsewhere(void **state _unused_)
{
	static const char marked[] = "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges, ready ones are "
				     "elsewhere for web/shop\n";
	cleanup(bench_done) struct bench bench;
	struct applied *adopted = applied_new(&roomy);
	const struct applied_frontend *frontend;
	const char *name = "web/shop";
	const struct strings changed = { &name, 1 };
	struct endpoint_slice *slice;
	struct service *shop;
	size_t n;

	bench_init(&bench, &roomy);
	shop = make_service(&bench.world, name, "192.0.2.1");
	shop->external_policy = POLICY_LOCAL;
	slice = world_slice(&bench.world, "web/shop-1", "shop", "http:TCP:8080", "10.244.1.5@n1/st 10.244.2.5@n2/");
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 10.244.1.5:8080/TCP active local for web/shop\n"
		     "write table 0+1021 for web/shop\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges for web/shop\n",
		     true);
	slice->endpoints[1].ready = slice->endpoints[1].serving = true;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, &changed, 0, marked, false);
	expect_steps(bench.applied, &bench.plan, &changed, 0, marked, true);
	expect_steps(bench.applied, &bench.plan, &changed, 0, "", true);

	frontend = applied_frontends(bench.applied, &n);
	assert_int_equal(n, 1);
	assert_int_equal(applied_add_backend(adopted, applied_backends(bench.applied, &n)), 0);
	assert_int_equal(applied_add_frontend(adopted, frontend), 0);
	expect_steps(adopted, &bench.plan, NULL, 0, "", true);

	slice->endpoints[1].ready = false;
	make_plan(&bench.world, &bench.plan);
	expect_steps(adopted, &bench.plan, &changed, 0,
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges for web/shop\n", true);
	applied_free(adopted);
}

static void test_no_endpoints_and_back(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	struct endpoint_slice *slice;

	bench_init(&bench, &roomy);
	make_service(&bench.world, "web/shop", "2001:db8::1");
	slice = world_slice(&bench.world, "web/s", "shop", "http:TCP:8080", "fd10::1@n2");
	slice->n_endpoints = 0;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set frontend 0.1 [2001:db8::1]:80/TCP reject table 0+0, 0 source ranges for web/shop\n", true);
	slice->n_endpoints = 1;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 [fd10::1]:8080/TCP active remote for web/shop\n"
		     "write table 0+1021 for web/shop\n"
		     "set frontend 0.1 [2001:db8::1]:80/TCP forward table 0+1021, 0 source ranges for web/shop\n",
		     true);
	slice->n_endpoints = 0;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set frontend 0.1 [2001:db8::1]:80/TCP reject table 0+0, 0 source ranges for web/shop\n"
		     "free table 0+1021 (break)\n"
		     "set backend 0.1 [fd10::1]:8080/TCP gone remote for web/shop (break)\n",
		     true);
	slice->n_endpoints = 1; /* the same pod again, its id still held: the same life */
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 [fd10::1]:8080/TCP active remote for web/shop\n"
		     "write table 1024+1021 for web/shop\n"
		     "set frontend 0.1 [2001:db8::1]:80/TCP forward table 1024+1021, 0 source ranges for web/shop\n",
		     true);
}

static void test_shared_backend(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	struct endpoint_slice *slice;

	bench_init(&bench, &roomy);
	make_service(&bench.world, "web/a", "192.0.2.1");
	make_service(&bench.world, "web/b", "192.0.2.2");
	world_slice(&bench.world, "web/a-1", "a", "http:TCP:8080", "10.244.1.5@n1");
	slice = world_slice(&bench.world, "web/b-1", "b", "http:TCP:8080", "10.244.1.5@n1");
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 10.244.1.5:8080/TCP active local for web/b\n"
		     "write table 0+1021 for web/a\n"
		     "write table 1024+1021 for web/b\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges for web/a\n"
		     "set frontend 1.1 192.0.2.2:80/TCP forward table 1024+1021, 0 source ranges for web/b\n",
		     true);
	slice->endpoints[0].ready = false;
	slice->endpoints[0].terminating = true;
	slice->endpoints[0].serving = false;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set frontend 1.1 192.0.2.2:80/TCP reject table 0+0, 0 source ranges for web/b\n"
		     "free table 1024+1021 (break)\n",
		     true); /* web/a still has it */
}

static void test_vip_changes_hands(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	const char *names[] = { "web/new", "web/old" };
	struct service *old;

	bench_init(&bench, &roomy);
	old = make_service(&bench.world, "web/old", "192.0.2.1");
	make_service(&bench.world, "web/new", "192.0.2.1")->meta.created_sec = 2000;
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set frontend 0.1 192.0.2.1:80/TCP reject table 0+0, 0 source ranges for web/old\n", true);
	old->n_ingress = 0;
	world_slice(&bench.world, "web/new-1", "new", "http:TCP:8080", "10.244.1.5@n1");
	make_plan(&bench.world, &bench.plan);
	expect_steps(bench.applied, &bench.plan, &(struct strings){ names, 2 }, 0,
		     "set backend 0.1 10.244.1.5:8080/TCP active local for web/new\n"
		     "write table 0+1021 for web/new\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 0+1021, 0 source ranges for web/new\n",
		     true);
	expect_steps(bench.applied, &bench.plan, NULL, 0, "", true);
}

static void test_does_not_fit(void **state _unused_)
{
	static const struct {
		struct diff_limits limits;
		const char *lacking;
	} rows[] = {
		{ { 1, 100, 100 * 1024 }, "no more frontends (in use: 1 of 1 frontends, 1 of 100 backends, 1024 of 102400 table slots)" },
		{ { 100, 1, 100 * 1024 }, "no more backends (in use: 1 of 100 frontends, 1 of 1 backends, 1024 of 102400 table slots)" },
		{ { 100, 100, 2047 }, "no more table slots (in use: 1 of 100 frontends, 1 of 100 backends, 1024 of 2047 table slots)" },
	};
	const char *name = "web/b";
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(bench_done) struct bench bench;
		cleanup(steps_done) struct steps steps = { 0 }, again = { 0 };
		size_t j;

		bench_init(&bench, &rows[i].limits);
		make_service(&bench.world, "web/a", "192.0.2.1");
		make_service(&bench.world, "web/b", "192.0.2.2");
		world_slice(&bench.world, "web/a-1", "a", "http:TCP:8080", "10.244.1.5@n1");
		world_slice(&bench.world, "web/b-1", "b", "http:TCP:8080", "10.244.1.6@n1");
		make_plan(&bench.world, &bench.plan);
		assert_int_equal(diff_plan(bench.applied, &bench.plan, NULL, 0, &steps), 0);
		assert_int_equal(steps.n, 3); /* all of web/a */
		assert_int_equal(steps.problems.n, 1);
		assert_string_equal(steps.problems.items[0].object, "Service/web/b");
		if (!strstr(steps.problems.items[0].message, rows[i].lacking))
			fail_msg("row %zu: %s", i, steps.problems.items[0].message);
		for (j = 0; j < steps.n; j++)
			diff_commit(bench.applied, &steps.items[j], 0);
		assert_int_equal(diff_plan(bench.applied, &bench.plan, &(struct strings){ &name, 1 }, 5000, &again), 0);
		assert_int_equal(again.n, 0);
		assert_int_equal(again.problems.n, 1);
		applied_backends(bench.applied, &n);
		assert_int_equal(n, 1);
	}
}

static void test_sctp_is_left_out(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	cleanup(steps_done) struct steps steps = { 0 };
	struct service *service;

	bench_init(&bench, &roomy);
	service = make_service(&bench.world, "web/a", "192.0.2.1");
	world_service_port(&bench.world, service, "s", L4_SCTP, 80, 0);
	make_plan(&bench.world, &bench.plan);
	assert_int_equal(diff_plan(bench.applied, &bench.plan, NULL, 0, &steps), 0);
	assert_int_equal(steps.n, 1);
	assert_int_equal(steps.problems.n, 0); /* the plan's */
	diff_abort(bench.applied, &steps.items[0]);
}

static void test_adoption_is_strict(void **state _unused_)
{
	struct applied *applied = applied_new(&roomy);
	struct applied_backend backend = { .addr = addr_v4(0x0a000001), .port = 1, .protocol = L4_TCP, .id = 3, .generation = 7 };
	struct applied_frontend frontend = { .addr = addr_v4(0x0a000002), .port = 1, .protocol = L4_TCP, .id = 4,
					     .generation = 9, .table_offset = 1024, .table_size = 1021, .digest = 5 };

	assert_int_equal(applied_add_backend(applied, &backend), 0);
	assert_int_equal(applied_add_backend(applied, &backend), -EEXIST);
	backend.port = 2;
	assert_int_equal(applied_add_backend(applied, &backend), -EEXIST); /* the id */
	backend.id = roomy.backends;
	assert_int_equal(applied_add_backend(applied, &backend), -ENOSPC);
	assert_int_equal(applied_add_frontend(applied, &frontend), 0);
	frontend.id = 5;
	assert_int_equal(applied_add_frontend(applied, &frontend), -EEXIST); /* the key */
	frontend.port = 2;
	assert_int_equal(applied_add_frontend(applied, &frontend), 0); /* shares the table */
	frontend.id = 6;
	frontend.port = 3;
	frontend.digest = 6;
	assert_int_equal(applied_add_frontend(applied, &frontend), -EEXIST); /* the range, built otherwise */
	frontend.table_offset = 128 * 1024 - 1;
	assert_int_equal(applied_add_frontend(applied, &frontend), -ENOSPC);
	assert_int_equal(applied_add_retired_frontend(applied, 4, 1), -EEXIST);
	assert_int_equal(applied_add_retired_frontend(applied, 6, 1), 0);
	applied_free(applied);
	applied_free(NULL);
}

/* Tables of steps that were not executed take no room; written ones rest first. */
static void test_aborted_tables_come_back(void **state _unused_)
{
	static const struct diff_limits two_tables = { .frontends = 8, .backends = 8, .table_slots = 2 * 1024 };
	cleanup(bench_done) struct bench bench;
	uint64_t now = 0;
	int i;

	bench_init(&bench, &two_tables);
	make_service(&bench.world, "web/shop", "192.0.2.1");
	world_slice(&bench.world, "web/s", "shop", "http:TCP:8080", "10.244.1.5@n2");
	make_plan(&bench.world, &bench.plan);
	for (i = 0; i < 10; i++) {
		cleanup(steps_done) struct steps steps = { 0 };

		now += DIFF_TABLE_QUARANTINE_MSEC;
		assert_int_equal(diff_plan(bench.applied, &bench.plan, NULL, now, &steps), 0);
		assert_int_equal(steps.problems.n, 0);
		assert_int_equal(steps.n, i ? 2 : 3);
		if (!i)
			diff_commit(bench.applied, &steps.items[0], now);
		assert_int_equal(steps.items[steps.n - 2].kind, STEP_TABLE_WRITE);
		i % 2 ? diff_commit(bench.applied, &steps.items[steps.n - 2], now) :
			diff_abort(bench.applied, &steps.items[steps.n - 2]);
		diff_abort(bench.applied, &steps.items[steps.n - 1]);
	}
}

/* The frontend's digest fits the plan, but the backends that its table must name are not there. */
static void test_adopted_table_without_backends(void **state _unused_)
{
	cleanup(bench_done) struct bench bench;
	const struct service_plan *plan;
	struct applied_frontend frontend = { .port = 80, .protocol = L4_TCP, .generation = 1, .table_size = MAGLEV_SMALL };

	bench_init(&bench, &roomy);
	make_service(&bench.world, "web/shop", "192.0.2.1");
	world_slice(&bench.world, "web/s", "shop", "http:TCP:8080", "10.244.1.5@n2");
	make_plan(&bench.world, &bench.plan);
	plan = bench.plan.services[0];
	frontend.addr = plan->frontends[0].addr;
	frontend.digest = plan->sets[0].digest;
	assert_int_equal(applied_add_frontend(bench.applied, &frontend), 0);
	expect_steps(bench.applied, &bench.plan, NULL, 0,
		     "set backend 0.1 10.244.1.5:8080/TCP active remote for web/shop\n"
		     "write table 1024+1021 for web/shop\n"
		     "set frontend 0.1 192.0.2.1:80/TCP forward table 1024+1021, 0 source ranges for web/shop\n"
		     "free table 0+1021 (break)\n",
		     true);
}

/* --- the model ------------------------------------------------------------------------------------------------------------- */

#define M_FRONTENDS 24
#define M_BACKENDS  40
#define M_UNITS	    40
#define UNIT	    1024
#define M_SERVICES  8

struct model_backend {
	struct applied_backend entry;
	bool used, unused_said, held;
	uint32_t last_generation;
};

struct model {
	struct model_backend backends[M_BACKENDS];
	struct applied_frontend frontends[M_FRONTENDS]; /* by id */
	bool frontend_used[M_FRONTENDS], frontend_held[M_FRONTENDS];
	uint32_t frontend_generation[M_FRONTENDS];
	uint32_t slots[M_UNITS * UNIT];
	uint64_t freed_msec[M_UNITS]; /* + 1; 0: never */
	bool written[M_UNITS];	      /* by the first unit of a table */
	uint64_t now;
	uint64_t seed;
};

static uint32_t draw(struct model *model, uint32_t below)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return (uint32_t)(model->seed >> 20) % below;
}

static bool same_place(const struct addr *a, uint16_t port_a, enum l4_protocol protocol_a, const struct addr *b,
		       uint16_t port_b, enum l4_protocol protocol_b)
{
	return addr_equal(a, b) && port_a == port_b && protocol_a == protocol_b;
}

static bool range_is_named(const struct model *model, uint32_t offset, uint32_t size)
{
	size_t i;

	for (i = 0; i < M_FRONTENDS; i++) {
		const struct applied_frontend *frontend = &model->frontends[i];

		if (model->frontend_used[i] && frontend->table_size && frontend->table_offset < offset + size &&
		    offset < frontend->table_offset + frontend->table_size)
			return true;
	}
	return false;
}

/* What a packet relies on, at every moment. */
static void check_tables(const struct model *model)
{
	size_t i;
	uint32_t slot;

	for (i = 0; i < M_FRONTENDS; i++) {
		const struct applied_frontend *frontend = &model->frontends[i];

		if (!model->frontend_used[i] || !frontend->table_size)
			continue;
		for (slot = 0; slot < frontend->table_size; slot++)
			assert_true(model->backends[model->slots[frontend->table_offset + slot]].used);
	}
}

static void run_backend_set(struct model *model, const struct step *step)
{
	struct model_backend *backend = &model->backends[step->backend.id];

	assert_in_range(step->backend.id, 0, M_BACKENDS - 1);
	if (backend->used) {
		assert_true(same_place(&backend->entry.addr, backend->entry.port, backend->entry.protocol,
				       &step->backend.addr, step->backend.port, step->backend.protocol));
		assert_int_equal(backend->entry.generation, step->backend.generation);
	} else {
		assert_false(backend->held);
		assert_int_not_equal(backend->last_generation, step->backend.generation);
	}
	backend->entry = step->backend;
	backend->last_generation = step->backend.generation;
	backend->used = backend->held = true;
	backend->unused_said = false;
}

static void run_table_write(struct model *model, const struct step *step)
{
	uint32_t slot, unit;

	assert_true(step->table_offset + step->table_size <= M_UNITS * UNIT);
	assert_false(range_is_named(model, step->table_offset, step->table_size));
	for (unit = step->table_offset / UNIT; unit * UNIT < step->table_offset + step->table_size; unit++)
		assert_true(!model->freed_msec[unit] ||
			    model->freed_msec[unit] - 1 + DIFF_TABLE_QUARANTINE_MSEC <= model->now);
	for (slot = 0; slot < step->table_size; slot++) {
		assert_true(model->backends[step->table_ids[slot]].used);
		model->slots[step->table_offset + slot] = step->table_ids[slot];
	}
	model->written[step->table_offset / UNIT] = true;
}

static void run_frontend_set(struct model *model, const struct step *step)
{
	uint32_t id = step->frontend.id;

	if (step->frontend.table_size)
		assert_true(model->written[step->frontend.table_offset / UNIT]);
	assert_in_range(id, 0, M_FRONTENDS - 1);
	if (model->frontend_used[id]) {
		assert_int_equal(model->frontends[id].generation, step->frontend.generation);
	} else {
		assert_false(model->frontend_held[id]);
		assert_int_not_equal(model->frontend_generation[id], step->frontend.generation);
	}
	assert_int_equal(step->frontend.table_size > 0, step->frontend.verdict == VERDICT_FORWARD);
	model->frontends[id] = step->frontend;
	model->frontends[id].source_ranges = NULL; /* the step's */
	model->frontend_generation[id] = step->frontend.generation;
	model->frontend_used[id] = model->frontend_held[id] = true;
}

static void run_step(struct model *model, const struct step *step)
{
	uint32_t unit;

	switch (step->kind) {
	case STEP_BACKEND_SET:
		run_backend_set(model, step);
		break;
	case STEP_TABLE_WRITE:
		run_table_write(model, step);
		break;
	case STEP_FRONTEND_SET:
		run_frontend_set(model, step);
		break;
	case STEP_FRONTEND_DELETE:
		assert_true(model->frontend_used[step->frontend.id]);
		model->frontend_used[step->frontend.id] = false;
		break;
	case STEP_TABLE_FREE:
		if (range_is_named(model, step->table_offset, step->table_size))
			break; /* the switch away from it failed: nothing was freed, and diff must know */
		for (unit = step->table_offset / UNIT; unit * UNIT < step->table_offset + step->table_size; unit++)
			model->freed_msec[unit] = model->now + 1;
		model->written[step->table_offset / UNIT] = false;
		break;
	case STEP_BACKEND_DELETE:
		assert_true(model->backends[step->backend.id].used);
		assert_int_equal(model->backends[step->backend.id].entry.state, BACKEND_GONE);
		assert_true(model->backends[step->backend.id].unused_said);
		model->backends[step->backend.id].used = model->backends[step->backend.id].held = false;
		break;
	}
	check_tables(model);
}

/* Executes a phase in order, each step failing with the given chance; true if all went well. */
static bool execute(struct model *model, struct applied *applied, const struct steps *steps, enum step_phase phase,
		    uint32_t fail_percent)
{
	cleanup(step_failures_done) struct step_failures failures = { 0 };
	bool fine = true;
	size_t i;

	for (i = 0; i < steps->n; i++) {
		const struct step *step = &steps->items[i];

		if (step->phase != phase)
			continue;
		if (step_failures_block(&failures, step) || draw(model, 100) < fail_percent) {
			step_failures_note(&failures, step);
			diff_abort(applied, step);
			fine = false;
			continue;
		}
		run_step(model, step);
		diff_commit(applied, step, model->now);
	}
	return fine;
}

static void check_order(const struct steps *steps)
{
	static const int rank[] = { [STEP_BACKEND_SET] = 0, [STEP_TABLE_WRITE] = 1, [STEP_FRONTEND_SET] = 2,
				    [STEP_FRONTEND_DELETE] = 3, [STEP_TABLE_FREE] = 4, [STEP_BACKEND_DELETE] = 6 };
	int last = 0, now;
	size_t i;

	for (i = 0; i < steps->n; i++) {
		now = rank[steps->items[i].kind];
		if (steps->items[i].kind == STEP_BACKEND_SET && steps->items[i].phase == STEP_BREAK)
			now = 5;
		assert_true(now >= last);
		assert_int_equal(steps->items[i].phase, now <= 2 ? STEP_MAKE : STEP_BREAK);
		last = now;
	}
}

static void random_endpoints(struct model *model, struct endpoint_slice *slice)
{
	size_t i;

	slice->n_endpoints = draw(model, 14);
	for (i = 0; i < slice->n_endpoints; i++) {
		static const char *const nodes[] = { "n1", "n2" };
		uint32_t mood = draw(model, 8);

		slice->endpoints[i] = (struct endpoint){
			.addr = addr_v4(0x0af40001 + draw(model, 25)),
			.node = nodes[draw(model, 2)],
			.ready = mood < 5,
			.serving = mood < 6,
			.terminating = mood == 5 || mood == 6,
		};
	}
}

static void mutate(struct model *model, struct service *service, struct endpoint_slice *slice)
{
	switch (draw(model, 6)) {
	case 0: /* the address comes, goes or is another's */
		service->n_ingress = draw(model, 2);
		service->ingress[0].addr = addr_v4(0xc0000201 + draw(model, M_SERVICES));
		break;
	case 1:
		service->external_policy = draw(model, 2) ? POLICY_LOCAL : POLICY_CLUSTER;
		break;
	case 2:
		service->affinity_sec = draw(model, 2) * 10800;
		break;
	default:
		random_endpoints(model, slice);
		break;
	}
}

struct cast {
	struct world world;
	struct service *services[M_SERVICES];
	struct endpoint_slice *slices[M_SERVICES];
	const char *names[M_SERVICES];
};

static void cast_init(struct cast *cast)
{
	static const char *const names[] = { "web/a", "web/b", "web/c", "web/d", "web/e", "web/f", "web/g", "web/h" };
	char text[32];
	size_t i;

	*cast = (struct cast){ 0 };
	world_node(&cast->world, "n1", "10.1.0.1", NULL);
	world_pool(&cast->world, "public", "192.0.2.0/24");
	for (i = 0; i < M_SERVICES; i++) {
		snprintf(text, sizeof(text), "192.0.2.%zu", i + 1);
		cast->names[i] = names[i];
		cast->services[i] = make_service(&cast->world, names[i], text);
		cast->services[i]->meta.created_sec += (int64_t)i;
		if (i % 3 == 0)
			world_service_port(&cast->world, cast->services[i], "dns", L4_UDP, 53, 0);
		snprintf(text, sizeof(text), "%s-1", names[i]);
		cast->slices[i] = world_slice(&cast->world, text, names[i] + 4, "http:TCP:8080 dns:UDP:53",
					      "10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 "
					      "10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1 10.244.0.1");
		cast->slices[i]->n_endpoints = 0;
	}
}

/* Sometimes the collector finds that nobody holds an id that nobody should open flows to any more. */
static void collector(struct model *model, struct applied *applied)
{
	uint32_t id;

	for (id = 0; id < M_BACKENDS; id++)
		if (model->backends[id].used && model->backends[id].entry.state == BACKEND_GONE && draw(model, 2)) {
			model->backends[id].unused_said = true;
			applied_backend_unused(applied, id);
		}
	for (id = 0; id < M_FRONTENDS; id++)
		if (!model->frontend_used[id] && model->frontend_held[id] && draw(model, 2)) {
			model->frontend_held[id] = false;
			applied_frontend_unused(applied, id);
		}
}

static void check_wanted(const struct model *model, const struct applied *applied, const struct node_plan *plan)
{
	static uint32_t table[MAGLEV_MEDIUM];
	size_t i, j, n_wanted = 0, n;
	uint32_t slot;

	for (i = 0; i < plan->n_services; i++)
		for (j = 0; j < plan->services[i]->n_frontends; j++) {
			const struct frontend *want = &plan->services[i]->frontends[j];
			const struct backend_set *set = &plan->services[i]->sets[want->set];
			const struct applied_frontend *have =
				applied_find_frontend(applied, &want->addr, want->port, want->protocol);

			n_wanted++;
			assert_non_null(have);
			assert_true(model->frontend_used[have->id]);
			assert_int_equal(have->verdict, want->verdict);
			assert_int_equal(have->ready_elsewhere, want->ready_elsewhere);
			assert_int_equal(have->policy, want->policy);
			assert_int_equal(have->affinity_sec, want->affinity_sec);
			assert_int_equal(model->frontends[have->id].table_offset, have->table_offset);
			if (want->verdict != VERDICT_FORWARD)
				continue;
			assert_int_equal(maglev_build(&set->active, set->protocol, set->table_size, table), 0);
			for (slot = 0; slot < set->table_size; slot++) {
				const struct backend *backend = &set->active.items[table[slot]];
				const struct model_backend *found =
					&model->backends[model->slots[have->table_offset + slot]];

				assert_true(same_place(&found->entry.addr, found->entry.port, found->entry.protocol,
						       &backend->addr, backend->port, set->protocol));
				assert_int_equal(found->entry.state, BACKEND_ACTIVE);
			}
		}
	applied_frontends(applied, &n);
	assert_int_equal(n, n_wanted);
	for (i = n = 0; i < M_FRONTENDS; i++)
		n += model->frontend_used[i];
	assert_int_equal(n, n_wanted);
}

/* A new agent reads the maps and finds nothing to do. */
static void check_restart(const struct model *model, const struct diff_limits *limits, const struct node_plan *plan)
{
	struct applied *applied = applied_new(limits);
	cleanup(steps_done) struct steps steps = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	uint32_t id;

	for (id = 0; id < M_BACKENDS; id++)
		if (model->backends[id].used)
			assert_int_equal(applied_add_backend(applied, &model->backends[id].entry), 0);
	for (id = 0; id < M_FRONTENDS; id++)
		if (model->frontend_used[id])
			assert_int_equal(applied_add_frontend(applied, &model->frontends[id]), 0);
		else if (model->frontend_held[id])
			assert_int_equal(applied_add_retired_frontend(applied, id, model->frontend_generation[id]), 0);
	assert_int_equal(diff_plan(applied, plan, NULL, model->now, &steps), 0);
	assert_string_equal(lines(&steps, &text), "");
	applied_free(applied);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One mutation of some services, planned by update, executed with failures. `dirty` is as the agent keeps it. */
static void live_on(struct model *model, struct cast *cast, struct node_plan *plan, struct applied *applied,
		    bool *dirty, uint32_t fail_percent)
{
	cleanup(steps_done) struct steps steps = { 0 };
	const char *changed[M_SERVICES], *due[M_SERVICES];
	size_t n_changed = 0, n_due = 0, i, j;
	bool fine;

	for (i = 0; i < M_SERVICES; i++) {
		if (draw(model, 4))
			continue;
		mutate(model, cast->services[i], cast->slices[i]);
		changed[n_changed++] = cast->names[i];
		dirty[i] = true;
	}
	assert_int_equal(plan_update(plan, world_cluster(&cast->world), &on_n1, &(struct strings){ changed, n_changed }), 0);
	for (i = 0; i < plan->touched.n; i++)
		for (j = 0; j < M_SERVICES; j++)
			dirty[j] |= !strcmp(plan->touched.items[i], cast->names[j]);
	for (i = 0; i < M_SERVICES; i++)
		if (dirty[i])
			due[n_due++] = cast->names[i];
	qsort(due, n_due, sizeof(*due), name_compare);
	assert_int_equal(diff_plan(applied, plan, draw(model, 5) ? &(struct strings){ due, n_due } : NULL, model->now, &steps),
			 0);
	check_order(&steps);
	fine = execute(model, applied, &steps, STEP_MAKE, fail_percent);
	fine &= execute(model, applied, &steps, STEP_BREAK, fail_percent * 2);
	if (fine && !steps.problems.n)
		memset(dirty, 0, M_SERVICES * sizeof(*dirty));
	collector(model, applied);
	model->now += draw(model, 600);
}

/* Without failures all that is wanted stands after a few rounds, unless it does not fit. */
static void come_to_rest(struct model *model, struct cast *cast _unused_, struct node_plan *plan,
			 struct applied *applied, const struct diff_limits *limits)
{
	bool fits = true;
	size_t i, n_steps = 1;

	for (i = 0; i < 8; i++) {
		cleanup(steps_done) struct steps steps = { 0 };

		model->now += DIFF_TABLE_QUARANTINE_MSEC;
		assert_int_equal(diff_plan(applied, plan, NULL, model->now, &steps), 0);
		n_steps = steps.n;
		fits = steps.problems.n == 0;
		assert_true(execute(model, applied, &steps, STEP_MAKE, 0));
		assert_true(execute(model, applied, &steps, STEP_BREAK, 0));
		collector(model, applied);
		if (!n_steps && fits && i > 4)
			break;
	}
	if (!fits)
		return;
	check_wanted(model, applied, plan);
	{
		cleanup(steps_done) struct steps steps = { 0 };

		assert_int_equal(diff_plan(applied, plan, NULL, model->now, &steps), 0);
		execute(model, applied, &steps, STEP_BREAK, 0); /* ids that the collector freed last */
	}
	check_restart(model, limits, plan);
}

static void run_model(uint64_t seed, const struct diff_limits *limits)
{
	static struct model model;
	bool dirty[M_SERVICES] = { false };
	struct node_plan plan = { 0 };
	struct applied *applied = applied_new(limits);
	struct cast cast;
	size_t round;

	model = (struct model){ .seed = seed * 0x9E3779B97F4A7C15ull + 1, .now = 1 };
	cast_init(&cast);
	make_plan(&cast.world, &plan);
	for (round = 0; round < 60; round++) {
		live_on(&model, &cast, &plan, applied, dirty, round % 20 < 15 ? 10 : 0);
		if (round % 15 == 14) {
			come_to_rest(&model, &cast, &plan, applied, limits);
			memset(dirty, 0, sizeof(dirty));
		}
	}
	applied_free(applied);
	node_plan_done(&plan);
	world_done(&cast.world);
}

static void test_model(void **state _unused_)
{
	static const struct diff_limits limits = { M_FRONTENDS, M_BACKENDS, M_UNITS * UNIT };
	uint64_t seed;

	for (seed = 1; seed <= 60; seed++)
		run_model(seed, &limits);
}

/* So little room that services are turned away again and again. */
static void test_model_crowded(void **state _unused_)
{
	static const struct diff_limits limits = { 9, 22, 20 * UNIT };
	uint64_t seed;

	for (seed = 1; seed <= 60; seed++)
		run_model(seed, &limits);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_of_a_service), cmocka_unit_test(test_ready_elsewhere),
		cmocka_unit_test(test_no_endpoints_and_back),
		cmocka_unit_test(test_shared_backend),	  cmocka_unit_test(test_vip_changes_hands),
		cmocka_unit_test(test_does_not_fit),	  cmocka_unit_test(test_sctp_is_left_out),
		cmocka_unit_test(test_adoption_is_strict), cmocka_unit_test(test_aborted_tables_come_back),
		cmocka_unit_test(test_adopted_table_without_backends), cmocka_unit_test(test_model),
		cmocka_unit_test(test_model_crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
