// SPDX-License-Identifier: Apache-2.0
/* k8s/store: order, replacement, removal, what changed; and a random walk against a model. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/store.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct store *, store_free);

static void put(struct store *store, enum object_kind kind, const char *namespace, const char *name,
		const char *service)
{
	struct object *object = object_new(kind);

	object->meta.namespace = arena_string(&object->arena, namespace);
	object->meta.name = arena_string(&object->arena, name);
	if (kind == OBJECT_ENDPOINT_SLICE)
		object->slice.service = arena_string(&object->arena, service);
	assert_int_equal(store_put(store, object), 0);
}

static void assert_changed(struct store *store, const char *services, bool others)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct store_changes changes = store_changes(store);

	for (size_t i = 0; i < changes.services.n; i++)
		strbuf_appendf(&text, "%s%s", i ? " " : "", changes.services.items[i]);
	assert_string_equal(strbuf_text(&text), services);
	assert_int_equal(changes.others, others);
	store_changes_reset(store);
}

static void test_empty(void **state _unused_)
{
	cleanup(store_freep) struct store *store = store_new();
	const struct cluster *cluster = store_cluster(store);

	assert_int_equal(cluster->n_services, 0);
	assert_null(store_find(store, OBJECT_SERVICE, "a", "b"));
	assert_int_equal(store_remove(store, OBJECT_SERVICE, "a", "b"), -ENOENT);
	assert_changed(store, "", false);
	store_free(NULL);
}

static void test_sorted(void **state _unused_)
{
	cleanup(store_freep) struct store *store = store_new();
	const struct cluster *cluster;

	put(store, OBJECT_SERVICE, "b", "a", NULL);
	put(store, OBJECT_SERVICE, "a", "z", NULL);
	put(store, OBJECT_SERVICE, "a", "b", NULL);
	put(store, OBJECT_NODE, "", "n2", NULL);
	put(store, OBJECT_NODE, "", "n1", NULL);
	cluster = store_cluster(store);
	assert_int_equal(cluster->n_services, 3);
	assert_string_equal(cluster->services[0]->meta.name, "b");
	assert_string_equal(cluster->services[1]->meta.name, "z");
	assert_string_equal(cluster->services[2]->meta.namespace, "b");
	assert_string_equal(cluster->nodes[0]->meta.name, "n1");
	assert_ptr_equal(cluster_find_service(cluster, "a", "z"), cluster->services[1]);
	assert_ptr_equal(&store_find(store, OBJECT_SERVICE, "a", "z")->service, cluster->services[1]);
	assert_changed(store, "a/b a/z b/a", true);
	assert_int_equal(store_remove(store, OBJECT_SERVICE, "a", "z"), 0);
	assert_int_equal(store_cluster(store)->n_services, 2);
	assert_changed(store, "a/z", false);
	assert_int_equal(store_remove(store, OBJECT_NODE, "", "n1"), 0);
	assert_changed(store, "", true);
}

/* What nodes say of themselves plans nothing anew. */
static void test_lb_nodes(void **state _unused_)
{
	cleanup(store_freep) struct store *store = store_new();

	put(store, OBJECT_LB_NODE, "", "n1", NULL);
	assert_int_equal(store_cluster(store)->n_lb_nodes, 1);
	assert_true(store_changes(store).lb_nodes);
	assert_changed(store, "", false);
	assert_false(store_changes(store).lb_nodes);
	assert_int_equal(store_remove(store, OBJECT_LB_NODE, "", "n1"), 0);
	assert_true(store_changes(store).lb_nodes);
}

/* Slices are looked up by service but known by name; one may move from a service to another. */
static void test_slices_by_service(void **state _unused_)
{
	cleanup(store_freep) struct store *store = store_new();
	const struct endpoint_slice *const *slices;
	size_t n;

	put(store, OBJECT_ENDPOINT_SLICE, "w", "zz-1", "a");
	put(store, OBJECT_ENDPOINT_SLICE, "w", "aa-1", "b");
	put(store, OBJECT_ENDPOINT_SLICE, "w", "zz-0", "a");
	assert_changed(store, "w/a w/b", false);
	slices = cluster_service_slices(store_cluster(store), "w", "a", &n);
	assert_int_equal(n, 2);
	assert_string_equal(slices[0]->meta.name, "zz-0");
	assert_string_equal(slices[1]->meta.name, "zz-1");
	put(store, OBJECT_ENDPOINT_SLICE, "w", "zz-1", "b");
	assert_changed(store, "w/a w/b", false);
	cluster_service_slices(store_cluster(store), "w", "a", &n);
	assert_int_equal(n, 1);
	slices = cluster_service_slices(store_cluster(store), "w", "b", &n);
	assert_int_equal(n, 2);
	assert_string_equal(slices[0]->meta.name, "aa-1");
	assert_int_equal(store_remove(store, OBJECT_ENDPOINT_SLICE, "w", "aa-1"), 0);
	assert_changed(store, "w/b", false);
	put(store, OBJECT_ENDPOINT_SLICE, "w", "lone", "");
	assert_changed(store, "", false);
	assert_int_equal(store_cluster(store)->n_slices, 3);
}

/* Whatever was done, both orders hold the same slices, sorted. */
static void test_random_walk(void **state _unused_)
{
	cleanup(store_freep) struct store *store = store_new();
	char service_of[40] = { 0 }; /* the model: of slice i, 0 if absent */
	unsigned seed = 1;

	for (int round = 0; round < 5000; round++) {
		unsigned i = (unsigned)rand_r(&seed) % ARRAY_SIZE(service_of),
			 s = (unsigned)rand_r(&seed) % 5;
		char name[16], service[2] = { (char)('a' + s), 0 };
		const struct cluster *cluster;
		size_t expected = 0;

		snprintf(name, sizeof(name), "s%u", i);
		if (s == 4) {
			assert_int_equal(store_remove(store, OBJECT_ENDPOINT_SLICE, "w", name),
					 service_of[i] ? 0 : -ENOENT);
			service_of[i] = 0;
		} else {
			put(store, OBJECT_ENDPOINT_SLICE, "w", name, service);
			service_of[i] = service[0];
		}
		cluster = store_cluster(store);
		for (size_t j = 0; j < ARRAY_SIZE(service_of); j++)
			expected += service_of[j] != 0;
		assert_int_equal(cluster->n_slices, expected);
		for (size_t j = 0; j < cluster->n_slices; j++) {
			const struct endpoint_slice *slice = cluster->slices[j];

			assert_int_equal(slice->service[0], service_of[atoi(slice->meta.name + 1)]);
			if (j)
				assert_true(
					strcmp(cluster->slices[j - 1]->service, slice->service) < 0 ||
					(strcmp(cluster->slices[j - 1]->service, slice->service) == 0 &&
					 strcmp(cluster->slices[j - 1]->meta.name, slice->meta.name) < 0));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_lb_nodes),
		cmocka_unit_test(test_slices_by_service),
		cmocka_unit_test(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
