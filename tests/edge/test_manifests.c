// SPDX-License-Identifier: Apache-2.0
/* k8s/manifests on real directories: what is read, lists, broken files, objects that stand twice, the status
 * file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "k8s/manifests_source.h"
#include "tests/edge/scratch.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct store *, store_free);

#define SERVICE(name, port)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name                                              \
	", namespace: w}\nspec: {ports: [{port: " port "}]}\n"
#define LOAD_BALANCER(name)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name                                              \
	", namespace: w}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n"

static unsigned port_of(struct store *store, const char *name)
{
	const struct object *object = store_find(store, OBJECT_SERVICE, "w", name);

	return object ? object->service.ports[0].port : 0;
}

static void expect_problem(const struct source_result *result, size_t i, const char *object,
			   const char *field, const char *message)
{
	if (i >= result->problems.n)
		fail_msg("no problem %zu: %s", i, message);
	assert_string_equal(result->problems.items[i].object, object);
	assert_string_equal(result->problems.items[i].field, field);
	assert_string_equal(result->problems.items[i].message, message);
}

static void test_what_is_read(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };

	scratch_write(&scratch, "a.yaml", SERVICE("one", "1") "---\n" SERVICE("two", "2"));
	scratch_write(&scratch, "b.yml", SERVICE("three", "3"));
	scratch_write(&scratch, "c.json",
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"four\","
		      "\"namespace\":\"w\"},\"spec\":{\"ports\":[{\"port\":4}]}}");
	scratch_write(&scratch, "d.yaml",
		      "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"five\","
		      " \"namespace\": \"w\", \"annotations\": {\"a\": \"\\ud83d\\ude00\"}},"
		      " \"spec\": {\"ports\": [{\"port\": 5}]}}");
	scratch_write(&scratch, ".hidden.yaml", SERVICE("six", "6"));
	scratch_write(&scratch, "e.yaml~", SERVICE("seven", "7"));
	scratch_write(&scratch, "README", "not a manifest");
	scratch_mkdir(&scratch, "sub.yaml");
	assert_int_equal(manifests_read(scratch.path, NULL, store, &result), 0);
	assert_true(result.delivered);
	assert_int_equal(result.problems.n, 0);
	assert_int_equal(result.n_notices, 0);
	assert_int_equal(store_cluster(store)->n_services, 5);
	assert_int_equal(port_of(store, "two"), 2);
	assert_int_equal(port_of(store, "five"), 5);
}

static void test_lists(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };

	scratch_write(&scratch, "a.yaml",
		      "apiVersion: v1\nkind: List\nitems:\n"
		      "- {apiVersion: v1, kind: Service, metadata: {name: one, namespace: w}, spec: {ports: "
		      "[{port: 1}]}}\n"
		      "- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n"
		      "- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, "
		      "addressType: IPv4}\n");
	scratch_write(&scratch, "b.yaml",
		      "apiVersion: v1\nkind: ServiceList\nmetadata: {resourceVersion: \"1\"}\nitems:\n"
		      "- {metadata: {name: two, namespace: w}, spec: {ports: [{port: 2}]}}\n"
		      "- {metadata: {name: bad, namespace: w}, spec: {ports: [{port: x}]}}\n");
	scratch_write(&scratch, "c.yaml",
		      "apiVersion: fairway.dev/v1alpha1\nkind: ServiceIPPoolList\nitems:\n"
		      "- {metadata: {name: pool}, spec: {addresses: [192.0.2.0/24], autoassign: false}}\n");
	scratch_write(&scratch, "d.yaml", "apiVersion: v1\nkind: NodeList\nitems: null\n");
	assert_int_equal(manifests_read(scratch.path, NULL, store, &result), 0);
	assert_int_equal(port_of(store, "one"), 1);
	assert_int_equal(port_of(store, "two"), 2);
	assert_int_equal(store_cluster(store)->n_slices, 1);
	assert_int_equal(store_cluster(store)->n_pools, 1);
	assert_int_equal(result.problems.n, 1);
	expect_problem(&result, 0, "Service/w/bad", "spec.ports[0].port", "not a number: \"x\"");
	assert_int_equal(result.n_notices, 2);
	assert_string_equal(result.notices[0],
			    "a.yaml: line 5: Pod (v1) is not a kind that Fairway reads, skipped");
	assert_string_equal(result.notices[1], "c.yaml: line 4: spec.autoassign is not a field of this kind, ignored");
}

static void test_broken_files(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };

	scratch_write(&scratch, "a.yaml", SERVICE("one", "1") "---\nkind: [\n");
	scratch_write(&scratch, "b.json", "{\"kind\": 1,}");
	scratch_write(&scratch, "c.yaml", "- 1\n");
	scratch_write(&scratch, "d.yaml", "# nothing\n---\n");
	scratch_write(&scratch, "e.yaml", SERVICE("good", "5"));
	scratch_symlink(&scratch, "nowhere", "f.yaml");
	scratch_mkfifo(&scratch, "g.yaml");
	assert_int_equal(manifests_read(scratch.path, NULL, store, &result), 0);
	assert_int_equal(store_cluster(store)->n_services, 1);
	assert_int_equal(port_of(store, "good"), 5);
	assert_int_equal(result.problems.n, 5);
	expect_problem(
		&result, 0, "a.yaml", "",
		"line 7: did not find expected node content while parsing a flow node that begins at line 7");
	expect_problem(&result, 1, "b.json", "", "line 1: a key in quotes is expected, not '}'");
	expect_problem(&result, 2, "c.yaml", "", "line 1: not an object: a map is expected");
	expect_problem(&result, 3, "f.yaml", "", "No such file or directory");
	expect_problem(&result, 4, "g.yaml", "", "not a regular file");
	assert_int_equal(result.n_notices, 1);
	assert_string_equal(result.notices[0], "d.yaml: holds no object");
	assert_true(result.delivered);
}

static void test_twice(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };

	scratch_write(&scratch, "b.yaml",
		      SERVICE("one", "2") "---\n" SERVICE("two", "3") "---\n" SERVICE("two", "4"));
	scratch_write(&scratch, "a.yaml", SERVICE("one", "1"));
	assert_int_equal(manifests_read(scratch.path, NULL, store, &result), 0);
	assert_int_equal(port_of(store, "one"), 1);
	assert_int_equal(port_of(store, "two"), 3);
	assert_int_equal(result.problems.n, 2);
	expect_problem(&result, 0, "Service/w/one", "",
		       "stands in a.yaml and in b.yaml; that of a.yaml is used");
	expect_problem(&result, 1, "Service/w/two", "", "stands twice in b.yaml; the first is used");
}

static void test_empty_and_missing(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };

	assert_int_equal(manifests_read("/nonexistent/directory", NULL, store, &result), -ENOENT);
	assert_int_equal(manifests_read(scratch.path, NULL, store, &result), 0);
	assert_false(result.delivered);
	expect_problem(&result, 0, scratch.path, "", "holds no manifest (*.yaml, *.yml, *.json)");
}

static const struct ingress_address *ingress_of(struct store *store, const char *name, size_t n)
{
	const struct object *object = store_find(store, OBJECT_SERVICE, "w", name);

	assert_int_equal(object->service.n_ingress, n);
	return object->service.ingress;
}

static void test_status_file(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new(), other = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result result = { 0 };
	char path[256], text[ADDR_TEXT_MAX];

	scratch_write(&scratch, "a.yaml",
		      LOAD_BALANCER("fills") "---\n" LOAD_BALANCER(
			      "moved") "status: {loadBalancer: "
				       "{ingress: [{ip: 192.0.2.7}]}}\n---\n" SERVICE(
					       "internal",
					       "80") "---\n" LOAD_BALANCER("lost") "status: {loadBalancer: "
										   "{ingress: [{ip: "
										   "192.0.2.8}]}}\n");
	scratch_write(&other, "status.json",
		      "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"fills\","
		      "\"namespace\":\"w\"},"
		      "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"2001:db8::"
		      "1\"}]}}},"
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"moved\","
		      "\"namespace\":\"w\"},"
		      "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.2\"}]}}},"
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"internal\","
		      "\"namespace\":\"w\"},"
		      "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.3\"}]}}},"
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"lost\","
		      "\"namespace\":\"w\"},"
		      "\"status\":{\"loadBalancer\":{\"ingress\":[]}}},"
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"gone\","
		      "\"namespace\":\"w\"}}]}");
	snprintf(path, sizeof(path), "%s/status.json", other.path);
	assert_int_equal(manifests_read(scratch.path, path, store, &result), 0);
	assert_int_equal(result.problems.n, 0);
	assert_int_equal(store_cluster(store)->n_services, 4);
	assert_string_equal(addr_format(&ingress_of(store, "fills", 2)[1].addr, text), "2001:db8::1");
	assert_string_equal(addr_format(&ingress_of(store, "moved", 1)[0].addr, text), "192.0.2.2");
	ingress_of(store, "lost", 0);
	ingress_of(store, "internal", 0);
}

static void test_status_file_missing_or_broken(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new(), other = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_result_done) struct source_result none = { 0 }, broken = { 0 };
	char path[256];

	scratch_write(&scratch, "a.yaml", LOAD_BALANCER("one"));
	snprintf(path, sizeof(path), "%s/status.json", other.path);
	assert_int_equal(manifests_read(scratch.path, path, store, &none), 0);
	assert_int_equal(none.problems.n, 0);
	scratch_write(&other, "status.json", "{");
	assert_int_equal(manifests_read(scratch.path, path, store, &broken), 0);
	expect_problem(&broken, 0, path, "", "line 1: the text ends where a key in quotes is expected");
	assert_int_equal(port_of(store, "one"), 80);
}

/* --- the passing of time, by a clock of the test's ------------------------------------------------------ */

static void step(struct manifests_source *source, uint64_t now_msec)
{
	cleanup(source_result_done) struct source_result before = { 0 };

	assert_int_equal(source_scan(source, now_msec), 0);
	assert_int_equal(source_update(source, now_msec, &before), 0);
}

static void test_missing_for_a_while(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_done) struct manifests_source source;

	assert_int_equal(source_init(&source, scratch.path, NULL, store), 0);
	source.live = true;
	scratch_write(&scratch, "a.yaml", SERVICE("one", "1"));
	scratch_write(&scratch, "b.yaml", SERVICE("two", "1"));
	step(&source, 1000);
	scratch_rename(&scratch, "a.yaml", "a.yaml~"); /* as an editor does before it writes the new one */
	step(&source, 2000);
	step(&source, 2000 + MANIFESTS_GRACE_MSEC - 1);
	assert_int_equal(port_of(store, "one"), 1);
	assert_true(source_is_waiting(&source));
	scratch_write(&scratch, "a.yaml", SERVICE("one", "2"));
	step(&source, 2000 + MANIFESTS_GRACE_MSEC);
	assert_int_equal(port_of(store, "one"), 2);
	assert_false(source_is_waiting(&source));
	scratch_remove(&scratch, "a.yaml");
	step(&source, 10000);
	step(&source, 10000 + MANIFESTS_GRACE_MSEC);
	assert_int_equal(port_of(store, "one"), 0);
	assert_int_equal(port_of(store, "two"), 1);
}

static void test_written_for_long(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_done) struct manifests_source source;

	assert_int_equal(source_init(&source, scratch.path, NULL, store), 0);
	source.live = true;
	scratch_write(&scratch, "a.yaml", SERVICE("one", "1"));
	assert_int_equal(source_mark_writing(&source, "a.yaml", 1000), 0);
	step(&source, 1000 + MANIFESTS_WRITING_MSEC - 1);
	assert_int_equal(port_of(store, "one"), 0);
	assert_true(source_is_waiting(&source));
	assert_false(source.result.delivered);
	step(&source, 1000 + MANIFESTS_WRITING_MSEC);
	assert_int_equal(port_of(store, "one"), 1);
	assert_true(source.result.delivered);
}

/* A file that is broken from the start is waited for, but not for ever. */
static void test_broken_from_the_start(void **state _unused_)
{
	cleanup(scratch_done) struct scratch scratch = scratch_new();
	cleanup(store_freep) struct store *store = store_new();
	cleanup(source_done) struct manifests_source source;

	assert_int_equal(source_init(&source, scratch.path, NULL, store), 0);
	source.live = true;
	source.started_msec = 1000;
	scratch_write(&scratch, "a.yaml", "kind: [");
	step(&source, 1000 + MANIFESTS_PATIENCE_MSEC);
	assert_false(source.result.delivered); /* nothing at all could be read */
	expect_problem(
		&source.result, 0, "a.yaml", "",
		"line 2: did not find expected node content while parsing a flow node that begins at line 2; "
		"none of its objects is in force");
	scratch_write(&scratch, "b.yaml", SERVICE("one", "1"));
	step(&source, 1000 + MANIFESTS_PATIENCE_MSEC - 1);
	assert_int_equal(port_of(store, "one"), 1);
	assert_false(source.result.delivered);
	assert_true(source_is_waiting(&source));
	step(&source, 1000 + MANIFESTS_PATIENCE_MSEC);
	assert_true(source.result.delivered);
	assert_false(source_is_waiting(&source));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_empty_and_missing),
		cmocka_unit_test(test_status_file),
		cmocka_unit_test(test_status_file_missing_or_broken),
		cmocka_unit_test(test_missing_for_a_while),
		cmocka_unit_test(test_written_for_long),
		cmocka_unit_test(test_broken_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
