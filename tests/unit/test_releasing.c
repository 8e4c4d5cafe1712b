// SPDX-License-Identifier: Apache-2.0
/* userspace/agent/releasing: plans that change against maps in which steps were executed, or were not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/agent/releasing.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

struct scene {
	struct world world;
	struct applied *applied;
	struct node_plan plan;
	struct service *shop, *other;
	bool full_proxy;
};

/* What the next diff asks for; what breaks is executed or, as if it had failed, lost. */
static void round_of(struct scene *scene, bool breaks)
{
	const struct plan_options options = { .node = "n1", .full_proxy = scene->full_proxy };
	cleanup(steps_done) struct steps steps = { 0 };
	size_t i;

	node_plan_done(&scene->plan);
	assert_int_equal(plan_node(world_cluster(&scene->world), &options, &scene->plan), 0);
	assert_int_equal(diff_plan(scene->applied, &scene->plan, NULL, 1, &steps), 0);
	for (i = 0; i < steps.n; i++)
		if (steps.items[i].phase == STEP_MAKE || breaks)
			diff_commit(scene->applied, &steps.items[i], 1);
		else
			diff_abort(scene->applied, &steps.items[i]);
}

static void expect(struct scene *scene, const char *wanted)
{
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct report_service *rows;
	char text[ADDR_TEXT_MAX];
	size_t i, n;

	assert_int_equal(releasing_collect(&arena, scene->applied, &scene->plan, &rows, &n), 0);
	for (i = 0; i < n; i++) {
		assert_true(rows[i].releasing && rows[i].programmed);
		assert_int_equal(rows[i].n_vips, 1);
		strbuf_appendf(&got, "%s=%s ", rows[i].name, addr_format(&rows[i].vips[0], text));
	}
	assert_string_equal(strbuf_text(&got), wanted);
}

/* Two Services in both families, one of two ports, in the maps as planned. */
static int setup(void **state)
{
	static const struct diff_limits limits = { .frontends = 64, .backends = 64, .table_slots = 65536 };
	struct scene *scene = calloc(1, sizeof(*scene));

	world_node(&scene->world, "n1", "10.0.0.1", NULL);
	scene->shop = world_service(&scene->world, "web/shop");
	world_service_port(&scene->world, scene->shop, "http", L4_TCP, 80, 0);
	world_service_port(&scene->world, scene->shop, "https", L4_TCP, 443, 0);
	world_ingress(&scene->world, scene->shop, "192.0.2.1 2001:db8::1");
	scene->other = world_service(&scene->world, "db/other");
	world_service_port(&scene->world, scene->other, "sql", L4_TCP, 5432, 0);
	world_ingress(&scene->world, scene->other, "192.0.2.2 2001:db8::2");
	scene->applied = applied_new(&limits);
	assert_non_null(scene->applied);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	node_plan_done(&scene->plan);
	applied_free(scene->applied);
	world_done(&scene->world);
	free(scene);
	return 0;
}

static void test_what_is_planned_stays(void **state)
{
	struct scene *scene = *state;

	expect(scene, "");
	round_of(scene, true);
	expect(scene, "");
	scene->shop->n_ports = 1; /* a port goes, its address does not */
	round_of(scene, false);
	expect(scene, "");
}

static void test_a_service_goes(void **state)
{
	struct scene *scene = *state;

	round_of(scene, true);
	scene->shop->meta.deleting = true;
	round_of(scene, false);
	expect(scene, "web/shop=192.0.2.1 web/shop=2001:db8::1 "); /* of its ports and addresses, each address
								      once */
	round_of(scene, true);
	expect(scene, "");
}

/* No step waits, and none was executed: the maps hold it all the same. */
static void test_steps_are_lost(void **state)
{
	struct scene *scene = *state;

	round_of(scene, true);
	scene->shop->n_ingress = scene->other->n_ingress = 0;
	round_of(scene, false);
	expect(scene, "db/other=192.0.2.2 db/other=2001:db8::2 web/shop=192.0.2.1 web/shop=2001:db8::1 ");
	scene->shop->meta.name = "gone"; /* not even the service is known any more */
	round_of(scene, false);
	expect(scene, "db/other=192.0.2.2 db/other=2001:db8::2 web/shop=192.0.2.1 web/shop=2001:db8::1 ");
}

static void test_one_address_moves(void **state)
{
	struct scene *scene = *state;

	round_of(scene, true);
	world_ingress(&scene->world, scene->shop, "192.0.2.9 2001:db8::1");
	round_of(scene, false);
	expect(scene, "web/shop=192.0.2.1 ");
	world_ingress(&scene->world, scene->shop, "192.0.2.9");
	round_of(scene, false);
	expect(scene, "web/shop=192.0.2.1 web/shop=2001:db8::1 ");
}

/* The next one has the address by another port already: it is not free of the one before. */
static void test_an_address_changes_hands(void **state)
{
	struct scene *scene = *state;

	round_of(scene, true);
	scene->shop->n_ingress = 0;
	world_ingress(&scene->world, scene->other, "192.0.2.1");
	round_of(scene, false);
	expect(scene, "db/other=192.0.2.2 db/other=2001:db8::2 web/shop=192.0.2.1 web/shop=2001:db8::1 ");
}

/* Of what an earlier agent left nobody knows whose it was, unless a plan wants it. */
static void test_found_at_start(void **state)
{
	struct scene *scene = *state;
	struct applied_frontend found = { .port = 80,
					  .protocol = L4_TCP,
					  .id = 3,
					  .generation = 1,
					  .verdict = VERDICT_REJECT,
					  .type = FRONTEND_LOAD_BALANCER };

	addr_parse("192.0.2.77", &found.addr);
	assert_int_equal(applied_add_frontend(scene->applied, &found), 0);
	addr_parse("2001:db8::1", &found.addr);
	found.id = 4;
	assert_int_equal(applied_add_frontend(scene->applied, &found), 0);
	round_of(scene, false);
	expect(scene, "=192.0.2.77 ");
}

/* lbcontroller gives neither external IPs nor cluster IPs. */
static void test_other_types(void **state)
{
	struct scene *scene = *state;
	const char *external = "203.0.113.5";

	scene->full_proxy = true;
	addr_parse("10.96.0.1", &scene->shop->cluster_ips[0]);
	addr_parse("fd00:10:96::1", &scene->shop->cluster_ips[1]);
	scene->shop->n_cluster_ips = 2;
	scene->shop->external_ips = (struct strings){ .items = &external, .n = 1 };
	round_of(scene, true);
	scene->shop->n_cluster_ips = scene->shop->external_ips.n = scene->shop->n_ingress = 0;
	round_of(scene, false);
	expect(scene, "web/shop=192.0.2.1 web/shop=2001:db8::1 ");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_planned_stays),
		TEST(test_a_service_goes),
		TEST(test_steps_are_lost),
		TEST(test_one_address_moves),
		TEST(test_an_address_changes_hands),
		TEST(test_found_at_start),
		TEST(test_other_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
