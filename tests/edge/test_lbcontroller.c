// SPDX-License-Identifier: Apache-2.0
/* lbcontroller as a process on real directories: addresses come, stay over restarts and kills, and go with their
 * Services. Nothing is timed: each test waits for what must come. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipam/status_file.h"
#include "tests/edge/scratch.h"
#include "userspace/base/cleanup.h"

#define LAST_RESORT_SEC 60 /* only a broken controller takes that long */

#define POOL(name, range)                                                                                       \
	"apiVersion: fairway.dev/v1alpha1\nkind: ServiceIPPool\nmetadata: {name: " name "}\nspec: {addresses: [\"" range \
	"\"]}\n---\n"
#define SERVICE_WITH(name, metadata, rest)                                                                      \
	"apiVersion: v1\nkind: Service\nmetadata: {namespace: w, name: " name metadata "}\nspec: {type: LoadBalancer, " \
	"loadBalancerClass: fairway.dev/lb, ports: [{port: 80}]}\n" rest "---\n"
#define SERVICE(name) SERVICE_WITH(name, "", "")

struct fixture {
	struct scratch manifests, status;
	char path[256], program[PATH_MAX + 32];
	pid_t pid; /* 0: not running */
};

static void find_program(struct fixture *fixture)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(fixture->program, sizeof(fixture->program), "%s/../lbcontroller", self);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	find_program(fixture);
	fixture->manifests = scratch_new();
	fixture->status = scratch_new();
	snprintf(fixture->path, sizeof(fixture->path), "%s/status.json", fixture->status.path);
	*state = fixture;
	return 0;
}

static int end(struct fixture *fixture, int signal)
{
	int status = 0;

	if (!fixture->pid)
		return -1;
	kill(fixture->pid, signal);
	waitpid(fixture->pid, &status, 0);
	fixture->pid = 0;
	return status;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	end(fixture, SIGKILL);
	scratch_done(&fixture->manifests);
	scratch_done(&fixture->status);
	free(fixture);
	return 0;
}

static pid_t spawn(const struct fixture *fixture, const char *status_path, const char *option)
{
	char *const argv[] = { "lbcontroller", "--manifests", (char *)fixture->manifests.path, "--status", (char *)status_path,
			       "--log-level=error", (char *)option, NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		execv(fixture->program, argv);
		_exit(127);
	}
	return pid;
}

static void start(struct fixture *fixture)
{
	fixture->pid = spawn(fixture, fixture->path, NULL);
}

static int run_to_end(const struct fixture *fixture, const char *status_path, const char *option)
{
	pid_t pid = spawn(fixture, status_path, option);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* "one=192.0.2.0 two=-": all entries of the status file. */
static void describe(const struct fixture *fixture, struct strbuf *out)
{
	cleanup(status_book_done) struct status_book book = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	char text[ADDR_TEXT_MAX];
	size_t i, j;

	assert_int_equal(status_file_read(fixture->path, &book, &why), 0); /* at any moment: old or new, never a piece */
	for (i = 0; i < book.n_entries; i++) {
		strbuf_appendf(out, "%s%s=%s", i ? " " : "", book.entries[i].name, book.entries[i].n_addresses ? "" : "-");
		for (j = 0; j < book.entries[i].n_addresses; j++)
			strbuf_appendf(out, "%s%s", j ? "," : "", addr_format(&book.entries[i].addresses[j], text));
	}
}

static void wait_for(const struct fixture *fixture, const char *wanted)
{
	time_t give_up = time(NULL) + LAST_RESORT_SEC;
	struct strbuf got = { 0 };

	for (;;) {
		strbuf_reset(&got);
		describe(fixture, &got);
		if (!strcmp(strbuf_text(&got), wanted))
			break;
		if (time(NULL) > give_up)
			fail_msg("wanted \"%s\", the file says \"%s\"", wanted, strbuf_text(&got));
		usleep(10000);
	}
	strbuf_done(&got);
}

static void test_come_stay_go(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;

	scratch_write(&fixture->manifests, "pool.yaml", POOL("p", "192.0.2.0/30"));
	scratch_write(&fixture->manifests, "one.yaml", SERVICE("one"));
	start(fixture);
	wait_for(fixture, "one=192.0.2.0");
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0644);

	scratch_write(&fixture->manifests, "two.yaml", SERVICE("two") SERVICE("three"));
	wait_for(fixture, "one=192.0.2.0 three=192.0.2.1 two=192.0.2.2");
	scratch_remove(&fixture->manifests, "one.yaml");
	wait_for(fixture, "three=192.0.2.1 two=192.0.2.2");
	scratch_write(&fixture->manifests, "zero.yaml", SERVICE("zero"));
	wait_for(fixture, "three=192.0.2.1 two=192.0.2.2 zero=192.0.2.0");

	scratch_remove(&fixture->status, "status.json");
	scratch_write(&fixture->manifests, "ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: w}\n");
	wait_for(fixture, "three=192.0.2.1 two=192.0.2.2 zero=192.0.2.0");
	assert_int_equal(end(fixture, SIGTERM), 0);
}

static void test_restarts(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("b") SERVICE("c"));
	start(fixture);
	wait_for(fixture, "b=192.0.2.0 c=192.0.2.1");
	end(fixture, SIGKILL);
	scratch_write(&fixture->manifests, "b.yaml", SERVICE("a")); /* older by name, yet it comes last */
	start(fixture);
	wait_for(fixture, "a=192.0.2.2 b=192.0.2.0 c=192.0.2.1");
	end(fixture, SIGTERM);
	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("c")); /* b went while nobody looked */
	start(fixture);
	wait_for(fixture, "a=192.0.2.2 c=192.0.2.1");
}

static void test_source_missing(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("b") SERVICE("c"));
	start(fixture);
	wait_for(fixture, "b=192.0.2.0 c=192.0.2.1");
	end(fixture, SIGTERM);
	scratch_remove(&fixture->manifests, "a.yaml");
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1); /* empty: not delivered */
	wait_for(fixture, "b=192.0.2.0 c=192.0.2.1");
	start(fixture);
	scratch_write(&fixture->manifests, "broken.yaml", "kind: [\n");
	scratch_write(&fixture->manifests, "c.yaml", POOL("p", "192.0.2.0/30") SERVICE("a"));
	scratch_write(&fixture->manifests, "broken.yaml", SERVICE("b") SERVICE("c"));
	wait_for(fixture, "a=192.0.2.2 b=192.0.2.0 c=192.0.2.1");
}

static void test_refused_objects(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("b") SERVICE("c"));
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 0);
	wait_for(fixture, "b=192.0.2.0 c=192.0.2.1");
	/* b cannot be decoded, and there is no last good version after a restart: its address is not free. */
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("p", "192.0.2.0/30") "apiVersion: v1\nkind: Service\nmetadata: {namespace: w, name: b}\n"
						"spec: {type: LoadBalancer, ports: [{port: 99999}]}\n---\n" SERVICE("c") SERVICE("a"));
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1);
	wait_for(fixture, "a=192.0.2.2 b=192.0.2.0 c=192.0.2.1");
	/* Neither does a pool that cannot be decoded take addresses away. */
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("q", "198.51.100.0/24") "apiVersion: fairway.dev/v1alpha1\nkind: ServiceIPPool\nmetadata: {name: p}\n"
						   "spec: {addresses: 7}\n---\n" SERVICE("a") SERVICE("b") SERVICE("c"));
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1);
	wait_for(fixture, "a=192.0.2.2 b=192.0.2.0 c=192.0.2.1");
}

static void test_moves_and_status_of_manifests(void **state)
{
	struct fixture *fixture = *state;

	/* The manifest's own status counts until the controller has answered. */
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("p", "192.0.2.0/30") SERVICE_WITH("one", "", "status: {loadBalancer: {ingress: [{ip: 192.0.2.3}]}}\n"));
	start(fixture);
	wait_for(fixture, "one=192.0.2.3");
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("p", "192.0.2.0/30") SERVICE_WITH("one", ", annotations: {fairway.dev/ips: 192.0.2.1}",
							     "status: {loadBalancer: {ingress: [{ip: 192.0.2.3}]}}\n"));
	wait_for(fixture, "one=192.0.2.1");
	scratch_write(&fixture->manifests, "b.yaml", SERVICE_WITH("two", ", annotations: {fairway.dev/ips: 192.0.2.3}", ""));
	wait_for(fixture, "one=192.0.2.1 two=192.0.2.3");
	/* In one round: one moves on, and two, which waits for that address, gets it in the round after. */
	scratch_write(&fixture->manifests, "b.yaml", SERVICE_WITH("two", ", annotations: {fairway.dev/ips: 192.0.2.1}", ""));
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("p", "192.0.2.0/30") SERVICE_WITH("one", ", annotations: {fairway.dev/ips: 192.0.2.2}", ""));
	wait_for(fixture, "one=192.0.2.2 two=192.0.2.1");
}

static void test_recreated(void **state)
{
	struct fixture *fixture = *state;

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE_WITH("b", ", uid: u1", "") SERVICE("c"));
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 0);
	scratch_write(&fixture->manifests, "a.yaml",
		      POOL("p", "192.0.2.0/30") SERVICE_WITH("b", ", uid: u2, annotations: {fairway.dev/ips: 192.0.2.3}", "")
			      SERVICE("c") SERVICE("a"));
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 0);
	wait_for(fixture, "a=192.0.2.0 b=192.0.2.3 c=192.0.2.1"); /* another b: its predecessor's address is free */
}

static void test_refuses_to_start(void **state)
{
	struct fixture *fixture = *state;
	char inside[300];

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("b"));
	snprintf(inside, sizeof(inside), "%s/status.yaml", fixture->manifests.path);
	assert_int_equal(run_to_end(fixture, inside, "--once"), 2);
	assert_int_equal(run_to_end(fixture, fixture->path, "--nonsense"), 2);

	start(fixture);
	wait_for(fixture, "b=192.0.2.0");
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1); /* one controller for each file */
	end(fixture, SIGTERM);

	scratch_write(&fixture->status, "status.json", "{\"kind\": \"List\", \"items\": [");
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1); /* what it knew is lost: do nothing */
	scratch_write(&fixture->status, "status.json",
		      "{\"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"x\"}}]}");
	assert_int_equal(run_to_end(fixture, fixture->path, "--once"), 1);
}

static void test_cannot_write(void **state)
{
	struct fixture *fixture = *state;
	char path[300];

	scratch_write(&fixture->manifests, "a.yaml", POOL("p", "192.0.2.0/30") SERVICE("b"));
	scratch_mkdir(&fixture->status, "status.json"); /* a directory stands where the file should go */
	snprintf(path, sizeof(path), "%s/status.json", fixture->status.path);
	assert_int_equal(run_to_end(fixture, path, "--once"), 1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(run_to_end(fixture, path, "--once"), 0);
	wait_for(fixture, "b=192.0.2.0");
	/* A directory that is not there yet is made. */
	snprintf(path, sizeof(path), "%s/var/lib/status.json", fixture->status.path);
	assert_int_equal(run_to_end(fixture, path, "--once"), 0);
	assert_int_equal(access(path, R_OK), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_come_stay_go),     TEST(test_restarts),
		TEST(test_source_missing),   TEST(test_refused_objects),
		TEST(test_moves_and_status_of_manifests), TEST(test_recreated),
		TEST(test_refuses_to_start), TEST(test_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
