// SPDX-License-Identifier: Apache-2.0
/* k8s/manifests_watch on real directories with a real loop: what people and programs do to files. Nothing is
 * timed: each test waits for what must come, and what must not happen is checked after a later thing came. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "k8s/manifests.h"
#include "tests/edge/scratch.h"
#include "tests/edge/seen.h"
#include "userspace/base/cleanup.h"

#define SERVICE(name, port)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name                                              \
	", namespace: w}\nspec: {ports: [{port: " port "}]}\n"
#define LOAD_BALANCER(name)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name                                              \
	", namespace: w}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n"
#define STATUS(name, ip)                                                                                     \
	"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: " name       \
	", namespace: w},"                                                                                   \
	" status: {loadBalancer: {ingress: [{ip: " ip "}]}}}\n"

struct fixture {
	struct scratch scratch, status;
	char status_path[256];
	struct seen seen;
	struct manifests *manifests;
};

static void start(struct fixture *fixture)
{
	assert_int_equal(manifests_watch(fixture->seen.event, fixture->scratch.path, fixture->status_path,
					 fixture->seen.store, seen_change, &fixture->seen,
					 &fixture->manifests),
			 0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->scratch = scratch_new();
	fixture->status = scratch_new();
	snprintf(fixture->status_path, sizeof(fixture->status_path), "%s/status.yaml", fixture->status.path);
	seen_init(&fixture->seen);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	manifests_free(fixture->manifests);
	seen_done(&fixture->seen);
	scratch_done(&fixture->scratch);
	scratch_done(&fixture->status);
	free(fixture);
	return 0;
}

static const struct problems *problems(const struct fixture *fixture)
{
	return &manifests_result(fixture->manifests)->problems;
}

static bool has_problem(const struct fixture *fixture, const char *object, const char *message)
{
	for (size_t i = 0; i < problems(fixture)->n; i++)
		if (strcmp(problems(fixture)->items[i].object, object) == 0 &&
		    strcmp(problems(fixture)->items[i].message, message) == 0)
			return true;
	return false;
}

#define wait_until(fixture, condition)                                                                       \
	seen_wait(&(fixture)->seen, manifests_result((fixture)->manifests), condition)

/* Everything that happened so far has been taken up: a later change of another file was. */
static void settle(struct fixture *fixture)
{
	static unsigned mark;
	char text[200];

	mark = mark % 60000 + 1;
	snprintf(text, sizeof(text), SERVICE("mark", "%u"), mark);
	scratch_replace(&fixture->scratch, "zz-mark.yaml", text);
	wait_until(fixture, seen_port(&fixture->seen, "mark") == mark);
}

static void test_start_and_changes(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1); /* before the loop runs */
	assert_true(manifests_result(fixture->manifests)->delivered);
	assert_int_equal(fixture->seen.n_changes, 0);
	wait_until(fixture, fixture->seen.n_changes == 1);
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "2"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 2);
	scratch_replace(&fixture->scratch, "a.yaml", SERVICE("one", "3") "---\n" SERVICE("two", "4"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 3);
	assert_int_equal(seen_port(&fixture->seen, "two"), 4);
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("two", "4"));
	wait_until(fixture, !seen_port(&fixture->seen, "one"));
	assert_int_equal(seen_port(&fixture->seen, "two"), 4);
	assert_int_equal(problems(fixture)->n, 0);
}

/* The same content again is no change. */
static void test_unchanged(void **state)
{
	struct fixture *fixture = *state;
	const struct object *before;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	wait_until(fixture, fixture->seen.n_changes == 1);
	settle(fixture);
	before = store_find(fixture->seen.store, OBJECT_SERVICE, "w", "one");
	store_changes_reset(fixture->seen.store);
	scratch_write(&fixture->scratch, "a.yaml", "# a comment\n" SERVICE("one", "1"));
	settle(fixture);
	assert_ptr_equal(store_find(fixture->seen.store, OBJECT_SERVICE, "w", "one"), before);
	assert_int_equal(store_changes(fixture->seen.store).services.n, 1);
	assert_string_equal(store_changes(fixture->seen.store).services.items[0], "w/mark");
}

static void test_half_written(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	FILE *file;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1") "---\n" SERVICE("two", "2"));
	start(fixture);
	fixture->seen.must_stay = "two";
	snprintf(path, sizeof(path), "%s/a.yaml", fixture->scratch.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(SERVICE("one", "11"), file); /* valid, but not all */
	fflush(file);
	settle(fixture);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
	fputs("---\n" SERVICE("two", "12"), file);
	fclose(file);
	wait_until(fixture, seen_port(&fixture->seen, "one") == 11);
	assert_int_equal(seen_port(&fixture->seen, "two"), 12);
}

/* A new file is not read before its writer has closed it, also when others change. */
static void test_new_half_written(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	FILE *file;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	snprintf(path, sizeof(path), "%s/b.yaml", fixture->scratch.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("apiVersion: v1\nkind: [", file);
	fflush(file);
	settle(fixture);
	assert_int_equal(problems(fixture)->n, 0);
	fclose(file);
	wait_until(fixture, problems(fixture)->n == 1);
}

static void test_editor(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_rename(&fixture->scratch, "a.yaml", "a.yaml~");
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "2"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 2);
	scratch_remove(&fixture->scratch, "a.yaml~");
	settle(fixture);
	assert_int_equal(seen_port(&fixture->seen, "one"), 2);
	assert_int_equal(problems(fixture)->n, 0);
}

static void test_removed_and_renamed(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	scratch_write(&fixture->scratch, "b.yaml", SERVICE("two", "2"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_remove(&fixture->scratch, "b.yaml");
	wait_until(fixture, !seen_port(&fixture->seen, "two"));
	scratch_rename(&fixture->scratch, "a.yaml", "c.yaml");
	settle(fixture);
	assert_int_equal(problems(fixture)->n, 0);
	scratch_write(&fixture->scratch, "c.yaml", SERVICE("one", "3"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 3);
}

static void test_broken_and_mended(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_write(&fixture->scratch, "a.yaml", "a: 1\na: 2\n");
	wait_until(fixture, has_problem(fixture, "a.yaml",
					"line 2: the key a stands twice; the last good version of its "
					"objects stays in force"));
	scratch_write(&fixture->scratch, "a.yaml", "");
	wait_until(fixture, has_problem(fixture, "a.yaml",
					"empty; the last good version of its objects stays in force"));
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "0"));
	wait_until(fixture, has_problem(fixture, "Service/w/one",
					"not in 1..65535: 0; the last good version stays in force"));
	assert_int_equal(problems(fixture)->n, 1);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
	scratch_write(&fixture->scratch, "b.yaml", SERVICE("new", "0"));
	wait_until(fixture, has_problem(fixture, "Service/w/new", "not in 1..65535: 0"));
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "5"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 5);
	assert_int_equal(problems(fixture)->n, 1);
}

static void test_delivered_once_mended(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	scratch_write(&fixture->scratch, "b.yaml", "kind: [");
	start(fixture);
	assert_false(manifests_result(fixture->manifests)->delivered);
	scratch_write(&fixture->scratch, "b.yaml", SERVICE("two", "2"));
	wait_until(fixture, seen_port(&fixture->seen, "two") == 2);
	assert_true(manifests_result(fixture->manifests)->delivered);
	scratch_write(&fixture->scratch, "b.yaml", "kind: [");
	wait_until(fixture, problems(fixture)->n == 1);
	assert_true(manifests_result(fixture->manifests)->delivered);
}

static void test_delivered_without_the_broken(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	scratch_write(&fixture->scratch, "b.yaml", "kind: [");
	start(fixture);
	wait_until(fixture, manifests_result(fixture->manifests)->delivered);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
}

/* The first file by name wins; the other takes over when the first goes. */
static void test_twice(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "b.yaml", SERVICE("one", "2"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 1);
	assert_true(has_problem(fixture, "Service/w/one",
				"stands in a.yaml and in b.yaml; that of a.yaml is used"));
	scratch_write(&fixture->scratch, "b.yaml", SERVICE("one", "3"));
	settle(fixture);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
	scratch_remove(&fixture->scratch, "a.yaml");
	wait_until(fixture, seen_port(&fixture->seen, "one") == 3);
	assert_int_equal(problems(fixture)->n, 0);
}

static void test_directory_emptied_and_removed(void **state)
{
	struct fixture *fixture = *state;
	char text[300];

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_remove(&fixture->scratch, "a.yaml");
	snprintf(text, sizeof(text),
		 "holds no manifest (*.yaml, *.yml, *.json); the last objects stay in force");
	wait_until(fixture, has_problem(fixture, fixture->scratch.path, text));
	rmdir(fixture->scratch.path);
	wait_until(fixture, has_problem(fixture, fixture->scratch.path,
					"No such file or directory; the last objects stay in force"));
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
	mkdir(fixture->scratch.path, 0755);
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "2"));
	wait_until(fixture, seen_port(&fixture->seen, "one") == 2);
	wait_until(fixture, problems(fixture)->n == 0);
}

static void test_directory_comes_late(void **state)
{
	struct fixture *fixture = *state;

	rmdir(fixture->scratch.path);
	start(fixture);
	assert_false(manifests_result(fixture->manifests)->delivered);
	wait_until(fixture, fixture->seen.n_changes == 1);
	mkdir(fixture->scratch.path, 0755);
	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	wait_until(fixture, manifests_result(fixture->manifests)->delivered);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
}

/* The whole directory is replaced under its name. */
static void test_directory_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct scratch other = scratch_new();
	char away[sizeof(other.path) - 1];

	scratch_write(&fixture->scratch, "a.yaml", SERVICE("one", "1"));
	scratch_write(&other, "b.yaml", SERVICE("one", "2") "---\n" SERVICE("two", "2"));
	start(fixture);
	fixture->seen.must_stay = "one";
	assert_true(snprintf(away, sizeof(away), "%s-away", fixture->scratch.path) < (int)sizeof(away));
	assert_int_equal(rename(fixture->scratch.path, away), 0);
	assert_int_equal(rename(other.path, fixture->scratch.path), 0);
	snprintf(other.path, sizeof(other.path), "%s", away);
	wait_until(fixture, seen_port(&fixture->seen, "one") == 2);
	assert_int_equal(seen_port(&fixture->seen, "two"), 2);
	wait_until(fixture, problems(fixture)->n == 0);
	scratch_done(&other);
}

/* As the kubelet mounts a ConfigMap. */
static void test_switched_links(void **state)
{
	struct fixture *fixture = *state;

	scratch_mkdir(&fixture->scratch, "..v1");
	scratch_mkdir(&fixture->scratch, "..v2");
	scratch_write(&fixture->scratch, "..v1/a.yaml", SERVICE("one", "1"));
	scratch_write(&fixture->scratch, "..v2/a.yaml", SERVICE("one", "2"));
	scratch_symlink(&fixture->scratch, "..v1", "..data");
	scratch_symlink(&fixture->scratch, "..data/a.yaml", "a.yaml");
	start(fixture);
	assert_int_equal(seen_port(&fixture->seen, "one"), 1);
	scratch_symlink(&fixture->scratch, "..v2", "..new");
	scratch_rename(&fixture->scratch, "..new", "..data");
	wait_until(fixture, seen_port(&fixture->seen, "one") == 2);
	scratch_symlink(&fixture->scratch, "..data/a.yaml", "b.yaml");
	wait_until(fixture, problems(fixture)->n == 1); /* stands twice */
}

static const char *address_of(const struct fixture *fixture, const char *name)
{
	const struct object *object = store_find(fixture->seen.store, OBJECT_SERVICE, "w", name);
	static char text[ADDR_TEXT_MAX];

	return object && object->service.n_ingress ? addr_format(&object->service.ingress[0].addr, text) : "";
}

static void test_status_file(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->scratch, "a.yaml", LOAD_BALANCER("one"));
	start(fixture);
	fixture->seen.must_stay = "one";
	scratch_replace(&fixture->status, "status.yaml", STATUS("one", "192.0.2.1"));
	wait_until(fixture, strcmp(address_of(fixture, "one"), "192.0.2.1") == 0);
	scratch_replace(&fixture->status, "status.yaml", STATUS("one", "192.0.2.2"));
	wait_until(fixture, strcmp(address_of(fixture, "one"), "192.0.2.2") == 0);
	scratch_write(&fixture->status, "status.yaml", "kind: [");
	wait_until(fixture, has_problem(fixture, fixture->status_path,
					"cannot be read; the last statuses stay in force"));
	scratch_remove(&fixture->status, "status.yaml");
	wait_until(fixture,
		   has_problem(fixture, fixture->status_path, "not there; the last statuses stay in force"));
	assert_string_equal(address_of(fixture, "one"), "192.0.2.2");
	scratch_write(&fixture->scratch, "a.yaml",
		      LOAD_BALANCER("one") "status: {loadBalancer: {ingress: "
					   "[{ip: 192.0.2.9}]}}\n---\n" SERVICE("two", "2"));
	wait_until(fixture, seen_port(&fixture->seen, "two") == 2);
	assert_string_equal(address_of(fixture, "one"),
			    "192.0.2.2"); /* the controller's answer lies over it */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_start_and_changes),
		TEST(test_unchanged),
		TEST(test_half_written),
		TEST(test_new_half_written),
		TEST(test_editor),
		TEST(test_removed_and_renamed),
		TEST(test_broken_and_mended),
		TEST(test_delivered_once_mended),
		TEST(test_delivered_without_the_broken),
		TEST(test_twice),
		TEST(test_directory_emptied_and_removed),
		TEST(test_directory_comes_late),
		TEST(test_directory_replaced),
		TEST(test_switched_links),
		TEST(test_status_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
