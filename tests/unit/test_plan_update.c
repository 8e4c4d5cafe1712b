// SPDX-License-Identifier: Apache-2.0
/* A plan that was updated step by step is the plan that a fresh start would make: random changes of a small, crowded
 * world in which services contest addresses and pods have VIPs' addresses, and after each one both are compared whole.
 * And an update touches no more than it must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/explain.h"
#include "userspace/core/plan.h"

#define SERVICES 6

struct cast {
	struct world world;
	struct service *services[SERVICES];
	struct endpoint_slice *slices[SERVICES];
	char names[SERVICES][16];
	const struct service *present[SERVICES];
	struct cluster cluster; /* the world's, with the services that are present */
	uint64_t seed;
};

static uint32_t draw(struct cast *cast, uint32_t below)
{
	cast->seed ^= cast->seed << 13;
	cast->seed ^= cast->seed >> 7;
	cast->seed ^= cast->seed << 17;
	return (uint32_t)(cast->seed >> 20) % below;
}

static void cast_init(struct cast *cast, uint64_t seed)
{
	size_t i;

	*cast = (struct cast){ .seed = seed * 0x9E3779B97F4A7C15ull + 1 };
	world_node(&cast->world, "n1", "10.1.0.1", NULL);
	world_pool(&cast->world, "public", "192.0.2.0/29");
	for (i = 0; i < SERVICES; i++) {
		/* '-' sorts before '/': names of services and "namespace/name" differ in order */
		snprintf(cast->names[i], sizeof(cast->names[i]), "%s/%c", i % 2 ? "a-b" : "a", (char)('p' + i));
		cast->services[i] = world_service(&cast->world, cast->names[i]);
		world_ingress(&cast->world, cast->services[i], "192.0.2.1 192.0.2.1");
		world_service_port(&cast->world, cast->services[i], "http", L4_TCP, 80, 30000);
		cast->services[i]->external_ips = world_words(&cast->world, "192.0.2.2");
		cast->slices[i] = world_slice(&cast->world, cast->names[i], cast->services[i]->meta.name, "http:TCP:8080",
					      "10.244.0.1@n1 10.244.0.2");
	}
}

static void mutate(struct cast *cast, size_t i)
{
	struct service *service = cast->services[i];

	switch (draw(cast, 7)) {
	case 0:
		service->n_ingress = draw(cast, 3);
		service->ingress[0].addr = addr_v4(0xc0000201 + draw(cast, 4));
		service->ingress[1].addr = addr_v4(0xc0000201 + draw(cast, 12));
		break;
	case 1:
		service->meta.created_sec = draw(cast, 4);
		break;
	case 2:
		service->ports[0].port = (uint16_t)(80 + draw(cast, 2));
		break;
	case 3: /* an endpoint with a VIP's address, or no longer */
		cast->slices[i]->endpoints[1].addr = addr_v4(draw(cast, 2) ? 0xc0000201 + draw(cast, 4) : 0x0af40002);
		break;
	case 4:
		cast->slices[i]->endpoints[0].ready = draw(cast, 2);
		break;
	case 5:
		service->type = draw(cast, 2) ? SERVICE_LOAD_BALANCER : SERVICE_CLUSTER_IP;
		service->n_cluster_ips = 1;
		addr_parse("10.96.0.1", &service->cluster_ips[0]);
		break;
	default:
		cast->present[i] = cast->present[i] ? NULL : service;
		break;
	}
}

static int meta_compare(const void *a, const void *b)
{
	const struct service *left = *(const struct service *const *)a, *right = *(const struct service *const *)b;
	int order = strcmp(left->meta.namespace, right->meta.namespace);

	return order ? order : strcmp(left->meta.name, right->meta.name);
}

static const struct cluster *cluster_of(struct cast *cast)
{
	static const struct service *sorted[SERVICES];
	size_t i, n = 0;

	cast->cluster = *world_cluster(&cast->world);
	for (i = 0; i < SERVICES; i++)
		if (cast->present[i])
			sorted[n++] = cast->present[i];
	qsort(sorted, n, sizeof(*sorted), meta_compare);
	cast->cluster.services = sorted;
	cast->cluster.n_services = n;
	return &cast->cluster;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void compare(const struct node_plan *updated, const struct node_plan *fresh)
{
	cleanup(strbuf_done) struct strbuf left = { 0 }, right = { 0 };
	size_t i;

	explain_plan_json(&left, updated, NULL, NULL);
	explain_plan_json(&right, fresh, NULL, NULL);
	assert_string_equal(strbuf_text(&left), strbuf_text(&right));
	assert_int_equal(updated->n_services, fresh->n_services);
	for (i = 0; i < updated->n_services; i++)
		assert_int_equal(updated->services[i]->n_vips, fresh->services[i]->n_vips);
}

static void run(uint64_t seed, bool full_proxy)
{
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	struct plan_options options = { .node = "n1", .full_proxy = full_proxy };
	struct cast cast;
	size_t round, i;

	cast_init(&cast, seed);
	assert_int_equal(plan_node(cluster_of(&cast), &options, &plan), 0);
	for (round = 0; round < 150; round++) {
		cleanup(node_plan_done) struct node_plan fresh = { 0 };
		const char *changed[SERVICES];
		size_t n = 0;

		for (i = 0; i < SERVICES; i++)
			if (!draw(&cast, 3)) {
				mutate(&cast, i);
				changed[n++] = cast.names[i];
			}
		qsort(changed, n, sizeof(*changed), name_compare);
		assert_int_equal(plan_update(&plan, cluster_of(&cast), &options, &(struct strings){ changed, n }), 0);
		assert_int_equal(plan_node(cluster_of(&cast), &options, &fresh), 0);
		compare(&plan, &fresh);
		for (i = 0; i < n; i++)
			assert_non_null(bsearch(&changed[i], plan.touched.items, plan.touched.n, sizeof(char *), name_compare));
	}
	world_done(&cast.world);
}

static void test_same_as_fresh(void **state _unused_)
{
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++) {
		run(seed, false);
		run(seed, true);
	}
}

static void test_touches_only_what_it_must(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	struct plan_options options = { .node = "n1" };
	const struct cluster *cluster;
	const char *name = "load/svc-00007";
	const struct service_plan *before, *other;

	world_synthetic(&world, &(struct synthetic_options){ 100, 10, 5 });
	cluster = world_cluster(&world);
	assert_int_equal(plan_node(cluster, &options, &plan), 0);
	assert_int_equal(plan.n_services, 100);
	before = node_plan_find(&plan, "load", "svc-00007");
	other = node_plan_find(&plan, "load", "svc-00008");
	assert_int_equal(before->sets[0].active.n, 10);
	((struct endpoint_slice *)cluster->slices[7])->endpoints[3].ready = false;
	assert_int_equal(plan_update(&plan, cluster, &options, &(struct strings){ &name, 1 }), 0);
	assert_int_equal(plan.touched.n, 1);
	assert_ptr_equal(node_plan_find(&plan, "load", "svc-00008"), other);
	assert_int_equal(node_plan_find(&plan, "load", "svc-00007")->sets[0].active.n, 9);
}

static void test_conflict_names_the_other(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	struct plan_options options = { .node = "n1" };
	struct service *old = world_service(&world, "web/old"), *new = world_service(&world, "web/new");
	const char *name = "web/old";

	new->meta.created_sec = 2000;
	world_ingress(&world, old, "192.0.2.1");
	world_ingress(&world, new, "192.0.2.1");
	world_service_port(&world, old, "", L4_TCP, 80, 0);
	world_service_port(&world, new, "", L4_TCP, 80, 0);
	assert_int_equal(plan_node(world_cluster(&world), &options, &plan), 0);
	assert_int_equal(node_plan_find(&plan, "web", "new")->n_frontends, 0);
	old->n_ingress = 0;
	assert_int_equal(plan_update(&plan, world_cluster(&world), &options, &(struct strings){ &name, 1 }), 0);
	assert_int_equal(node_plan_find(&plan, "web", "new")->n_frontends, 1);
	assert_int_equal(plan.touched.n, 2);
	assert_string_equal(plan.touched.items[0], "web/new");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_fresh),
		cmocka_unit_test(test_touches_only_what_it_must),
		cmocka_unit_test(test_conflict_names_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
