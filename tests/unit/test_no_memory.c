// SPDX-License-Identifier: Apache-2.0
/* Every allocation of plan and diff fails once: the call says -ENOMEM, what it promised to keep is kept, nothing leaks, and
 * the next call brings everything to where it would have been.
 *
 * malloc and its kin are replaced for this program. The sanitizers have replaced them already: with SAN=1 nothing fails
 * and the tests only run through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/applied.h"
#include "userspace/core/explain.h"
#include "userspace/core/plan.h"

static long fail_at;	/* the allocation that fails, from 1 on; 0: none */
static bool fail_on;	/* so do all after it */
static long n_allocations, n_live;
static bool counting;

#ifdef __SANITIZE_ADDRESS__
#define CAN_FAIL false
#else
#define CAN_FAIL true
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void __libc_free(void *pointer);

static bool fails(void)
{
	if (!counting)
		return false;
	n_allocations++;
	return fail_at && (n_allocations == fail_at || (fail_on && n_allocations > fail_at));
}

void *malloc(size_t size)
{
	void *pointer = fails() ? NULL : __libc_malloc(size);

	n_live += pointer != NULL;
	return pointer;
}

void *calloc(size_t n, size_t size)
{
	void *pointer = fails() ? NULL : __libc_calloc(n, size);

	n_live += pointer != NULL;
	return pointer;
}

void *realloc(void *old, size_t size)
{
	void *pointer = fails() ? NULL : __libc_realloc(old, size);

	n_live += pointer && !old;
	return pointer;
}

void free(void *pointer)
{
	n_live -= pointer != NULL;
	__libc_free(pointer);
}
#endif

/* Runs the statement with one allocation failing after the other until it gets through; `after` follows each time. */
#define WITH_EACH_FAILURE(call, after)                                                                        \
	do {                                                                                                  \
		long k_;                                                                                      \
		int r_;                                                                                       \
		for (k_ = 1;; k_++) {                                                                         \
			fail_at = k_;                                                                         \
			n_allocations = 0;                                                                    \
			counting = true;                                                                      \
			r_ = (call);                                                                          \
			counting = false;                                                                     \
			if (r_ != 0 && r_ != -ENOMEM)                                                         \
				fail_msg("allocation %ld: %d", k_, r_);                                       \
			after;                                                                                \
			if (r_ == 0 && n_allocations < k_)                                                    \
				break;                                                                        \
		}                                                                                             \
		fail_at = 0;                                                                                  \
		assert_true(!CAN_FAIL || k_ > 20); /* it did allocate, and each one failed */                 \
	} while (0)

struct scene {
	struct world world;
	struct plan_options options;
	struct service *shop, *rival;
	struct endpoint_slice *slice;
};

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){ .options = { .node = "n1", .full_proxy = true } };
	world_node(&scene->world, "n1", "10.1.0.1 fd01::1", NULL);
	world_peer(&scene->world, "tor", "10.1.0.254");
	world_pool(&scene->world, "public", "192.0.2.0/28");
	scene->shop = world_service(&scene->world, "web/shop");
	scene->rival = world_service(&scene->world, "web/rival");
	scene->rival->meta.created_sec = 2000;
	world_ingress(&scene->world, scene->shop, "192.0.2.1 192.0.2.77 10.1.0.254 10.244.1.1");
	world_ingress(&scene->world, scene->rival, "192.0.2.1 2001:db8::1");
	world_service_port(&scene->world, scene->shop, "http", L4_TCP, 80, 30080);
	world_service_port(&scene->world, scene->shop, "http2", L4_TCP, 80, 0);
	world_service_port(&scene->world, scene->rival, "http", L4_TCP, 80, 0);
	scene->shop->source_ranges = world_words(&scene->world, "10.0.0.0/8 rubbish 2001:db8::/32");
	scene->slice = world_slice(&scene->world, "web/s", "shop", "http:TCP:8080",
				   "10.244.1.1@n1 10.244.1.2@n2 127.0.0.1 10.244.1.3@n1/st 10.244.1.4@n1");
	world_slice(&scene->world, "web/r", "rival", "http:TCP:8080", "fd10::1@n1 fd10::2@n2");
	world_cluster(&scene->world);
}

static void scene_done(struct scene *scene)
{
	world_done(&scene->world);
}

static char *plan_text(const struct node_plan *plan)
{
	struct strbuf text = { 0 };

	explain_plan_json(&text, plan, NULL, NULL);
	return strbuf_take(&text);
}

static void test_plan_node(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;
	struct node_plan plan = { 0 };
	long live;

	scene_init(&scene);
	for (fail_on = false;; fail_on = true) {
		live = n_live;
		WITH_EACH_FAILURE(plan_node(&scene.world.cluster, &scene.options, &plan), {
			if (r_ < 0)
				assert_null(plan.node); /* untouched */
			node_plan_done(&plan);
			assert_int_equal(n_live, live);
		});
		if (fail_on)
			break;
	}
}

static void change(struct scene *scene, bool forth)
{
	addr_parse(forth ? "192.0.2.5" : "192.0.2.1", &scene->shop->ingress[0].addr);
	scene->slice->endpoints[1].ready = !forth;
	world_cluster(&scene->world);
}

static void test_plan_update(void **state _unused_)
{
	const char *names[] = { "web/shop" };
	const struct strings changed = { names, 1 };
	cleanup(scene_done) struct scene scene;
	struct node_plan plan = { 0 }, fresh = { 0 };
	cleanup(freep) char *before = NULL, *wanted = NULL;

	scene_init(&scene);
	assert_int_equal(plan_node(&scene.world.cluster, &scene.options, &plan), 0);
	before = plan_text(&plan);
	change(&scene, true);
	assert_int_equal(plan_node(&scene.world.cluster, &scene.options, &fresh), 0);
	wanted = plan_text(&fresh);
	node_plan_done(&fresh);
	assert_string_not_equal(before, wanted);
	fail_on = false;
	WITH_EACH_FAILURE(plan_update(&plan, &scene.world.cluster, &scene.options, &changed), {
		cleanup(freep) char *now = plan_text(&plan);

		assert_string_equal(now, r_ < 0 ? before : wanted);
		if (r_ < 0) { /* the next update makes up for it, whatever it is asked for */
			cleanup(freep) char *then = NULL;

			assert_int_equal(plan_update(&plan, &scene.world.cluster, &scene.options, &(struct strings){ 0 }), 0);
			then = plan_text(&plan);
			assert_string_equal(then, wanted);
			assert_true(plan.touched.n >= 2);
		}
		node_plan_done(&plan); /* each time from the same start */
		change(&scene, false);
		assert_int_equal(plan_node(&scene.world.cluster, &scene.options, &plan), 0);
		change(&scene, true);
	});
	node_plan_done(&plan);
}

static void finish(struct applied *applied, struct steps *steps)
{
	size_t i;

	for (i = 0; i < steps->n; i++)
		diff_commit(applied, &steps->items[i], 0);
	steps_done(steps);
}

static char *applied_text(const struct applied *applied)
{
	struct strbuf text = { 0 };
	const struct applied_frontend *frontends;
	const struct applied_backend *backends;
	char addr[ADDR_TEXT_MAX];
	size_t i, n;

	backends = applied_backends(applied, &n);
	for (i = 0; i < n; i++)
		strbuf_appendf(&text, "%s:%u state %d\n", addr_format(&backends[i].addr, addr), backends[i].port,
			       backends[i].state);
	frontends = applied_frontends(applied, &n);
	for (i = 0; i < n; i++)
		strbuf_appendf(&text, "%s:%u verdict %d digest %llx ranges %zu\n", addr_format(&frontends[i].addr, addr),
			       frontends[i].port, frontends[i].verdict, (unsigned long long)frontends[i].digest,
			       frontends[i].n_source_ranges);
	return strbuf_take(&text);
}

static void apply_all(struct applied *applied, const struct node_plan *plan)
{
	struct steps steps = { 0 };

	assert_int_equal(diff_plan(applied, plan, NULL, 0, &steps), 0);
	finish(applied, &steps);
}

/* All services go, the collector finds no flow: every id and every slot must be free again. */
static void tear_down(struct applied *applied)
{
	struct node_plan empty = { 0 };
	uint32_t id, resting = 0;
	size_t i;

	apply_all(applied, &empty);
	for (id = 0; id < applied->limits.backends; id++)
		applied_backend_unused(applied, id);
	for (id = 0; id < applied->limits.frontends; id++)
		applied_frontend_unused(applied, id);
	apply_all(applied, &empty);
	assert_int_equal(applied->backend_ids.n_taken, 0);
	assert_int_equal(applied->frontend_ids.n_taken, 0);
	for (i = 0; i < applied->space.n_resting; i++)
		resting += applied->space.resting[i].n;
	assert_int_equal(applied->space.n_taken, resting);
	assert_int_equal(applied->n_services, 0);
	applied_free(applied);
}

static void test_diff_plan(void **state _unused_)
{
	static const struct diff_limits limits = { 32, 32, 32 * 1024 };
	const char *names[] = { "web/rival", "web/shop" };
	const struct strings both = { names, 2 };
	cleanup(scene_done) struct scene scene;
	struct node_plan before = { 0 }, plan = { 0 };
	struct applied *applied = applied_new(&limits);
	struct steps steps = { 0 };
	cleanup(freep) char *wanted = NULL;
	long live = n_live;

	scene_init(&scene);
	assert_int_equal(plan_node(&scene.world.cluster, &scene.options, &before), 0);
	change(&scene, true);
	assert_int_equal(plan_node(&scene.world.cluster, &scene.options, &plan), 0);
	apply_all(applied, &before);
	apply_all(applied, &plan);
	wanted = applied_text(applied);
	applied_free(applied);
	for (fail_on = false;; fail_on = true) {
		applied = applied_new(&limits);
		apply_all(applied, &before);
		WITH_EACH_FAILURE(diff_plan(applied, &plan, k_ % 2 ? &both : NULL, 0, &steps), {
			cleanup(freep) char *now = NULL;

			if (r_ < 0) {
				assert_int_equal(steps.n, 0);
				/* the next diff makes up for it, whatever it is asked for */
				assert_int_equal(diff_plan(applied, &plan, &(struct strings){ 0 }, 0, &steps), 0);
			}
			finish(applied, &steps);
			now = applied_text(applied);
			assert_string_equal(now, wanted);
			tear_down(applied);
			applied = applied_new(&limits);
			apply_all(applied, &before);
		});
		applied_free(applied);
		if (fail_on)
			break;
	}
	node_plan_done(&plan);
	node_plan_done(&before);
	free(take(wanted));
	scene_done(&scene);
	assert_true(n_live <= live); /* the first struct applied was there before */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_node),
		cmocka_unit_test(test_plan_update),
		cmocka_unit_test(test_diff_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
