// SPDX-License-Identifier: Apache-2.0
/* Which services may be announced: what stands in the maps against what is planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "userspace/agent/accepted.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define DIGEST 77

/* web/shop: 192.0.2.10 with ports 80 and 443. */
struct scene {
	struct addr vip;
	struct frontend frontends[2];
	struct backend_set set;
	struct service_plan service;
	struct service_plan *services[1];
	struct node_plan plan;
	struct applied *applied;
};

static void scene_init(struct scene *scene)
{
	static const struct diff_limits limits = { .frontends = 16, .backends = 16, .table_slots = 4096 };

	*scene = (struct scene){ 0 };
	scene->vip = addr_v4(0xc000020a);
	scene->set = (struct backend_set){
		.family = ADDR_IPV4, .protocol = L4_TCP, .table_size = 1021, .digest = DIGEST
	};
	scene->frontends[0] = (struct frontend){ .addr = scene->vip, .port = 80, .protocol = L4_TCP };
	scene->frontends[1] = (struct frontend){ .addr = scene->vip, .port = 443, .protocol = L4_TCP };
	scene->service = (struct service_plan){ .namespace = "web",
						.name = "shop",
						.frontends = scene->frontends,
						.n_frontends = 2,
						.sets = &scene->set,
						.n_sets = 1,
						.vips = &scene->vip,
						.n_vips = 1 };
	scene->services[0] = &scene->service;
	scene->plan = (struct node_plan){ .services = scene->services, .n_services = 1 };
	scene->applied = applied_new(&limits);
	assert_non_null(scene->applied);
}

static void scene_done(struct scene *scene)
{
	applied_free(scene->applied);
}

static void stands(struct scene *scene, uint16_t port, enum verdict verdict, uint64_t digest)
{
	struct applied_frontend frontend = { .addr = scene->vip,
					     .port = port,
					     .protocol = L4_TCP,
					     .id = port,
					     .generation = 1,
					     .verdict = verdict,
					     .digest = digest };

	frontend.id = port == 80 ? 1 : 2;
	frontend.table_offset = frontend.id * 1024;
	frontend.table_size = digest ? 1021 : 0;
	assert_int_equal(applied_add_frontend(scene->applied, &frontend), 0);
}

/* "new": never accepted; "old": it was; "start": no agent has decided yet. */
static bool accepted_as(struct scene *scene, const char *history)
{
	const char *names[] = { "web/shop" };
	struct accepted_set before = { .services = names, .n = strcmp(history, "old") ? 0 : 1 };
	cleanup(accepted_done) struct accepted_set set = { 0 };

	assert_int_equal(accepted_decide(&scene->plan, scene->applied,
					 strcmp(history, "start") ? &before : NULL, &set),
			 0);
	return accepted_contains(&set, "web/shop");
}

static void a_new_service_needs_all_of_it(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	assert_false(accepted_as(&scene, "new"));
	stands(&scene, 80, VERDICT_FORWARD, DIGEST);
	assert_false(accepted_as(&scene, "new"));
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	assert_true(accepted_as(&scene, "new"));
}

static void another_table_is_not_the_wanted_state(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	stands(&scene, 80, VERDICT_FORWARD, DIGEST + 1);
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	assert_false(accepted_as(&scene, "new"));
	assert_true(accepted_as(&scene,
				"old")); /* it serves with the backends of before: no reason for an outage */
	assert_true(accepted_as(&scene, "start"));
}

static void another_verdict_is_not_the_wanted_state(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	stands(&scene, 80, VERDICT_REJECT, 0);
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	assert_false(accepted_as(&scene, "new"));
}

static void a_missing_mark_is_not_the_wanted_state(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	stands(&scene, 80, VERDICT_FORWARD, DIGEST);
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	scene.frontends[0].ready_elsewhere = true;
	assert_false(accepted_as(&scene, "new"));
	assert_true(accepted_as(&scene, "old"));
}

static void source_ranges_belong_to_the_state(void **state _unused_)
{
	struct prefix range = { addr_v4(0xc6336400), 24 };
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	stands(&scene, 80, VERDICT_FORWARD, DIGEST);
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	scene.frontends[0].source_ranges = &range;
	scene.frontends[0].n_source_ranges = 1;
	assert_false(accepted_as(&scene, "new"));
	scene.frontends[0].n_source_ranges = 0;
	scene.frontends[0].source_ranges_closed = true;
	assert_false(accepted_as(&scene, "new"));
}

static void a_service_loses_it_with_its_last_frontend(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	assert_false(accepted_as(&scene, "old"));
	assert_false(accepted_as(&scene, "start"));
	stands(&scene, 443, VERDICT_FORWARD, DIGEST);
	assert_true(accepted_as(&scene, "old"));
}

static void without_a_vip_there_is_nothing_to_announce(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;

	scene_init(&scene);
	scene.service.n_vips = 0;
	scene.service.n_frontends = 0;
	assert_false(accepted_as(&scene, "new"));
	assert_false(accepted_as(&scene, "start"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_service_needs_all_of_it),
		cmocka_unit_test(another_table_is_not_the_wanted_state),
		cmocka_unit_test(another_verdict_is_not_the_wanted_state),
		cmocka_unit_test(a_missing_mark_is_not_the_wanted_state),
		cmocka_unit_test(source_ranges_belong_to_the_state),
		cmocka_unit_test(a_service_loses_it_with_its_last_frontend),
		cmocka_unit_test(without_a_vip_there_is_nothing_to_announce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
