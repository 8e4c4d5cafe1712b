// SPDX-License-Identifier: Apache-2.0
/* k8s/api and k8s/cluster_source against servers that misbehave (tests/edge/api_server.py), in a network
 * namespace of their own. Nothing is timed: each test waits for what must come, and what must not happen is
 * checked after a later thing came. Real API servers are tests/cluster's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "k8s/cluster_source.h"
#include "k8s/json.h"
#include "tests/edge/scratch.h"
#include "tests/edge/seen.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"

#define SERVICES "/api/v1/services"
#define FAIRWAY	 "/apis/fairway.dev/v1alpha1/"

struct server {
	struct scratch scratch; /* its certificates, and the client's service account */
	pid_t pid;
	FILE *to, *from;
	unsigned port;
	struct strbuf answer; /* to the last command */
};

struct fixture {
	struct server servers[2];
	size_t n_servers;
	struct seen seen;
	struct api *api;
	struct cluster_source *source;
	unsigned n_replies;
	int status; /* of the last reply */
	char message[500], body[500];
	int64_t retry_after_msec;
};

/* --- servers ------------------------------------------------------------------------------------------- */

static void read_answer(struct server *server)
{
	char line[4096];

	strbuf_reset(&server->answer);
	while (fgets(line, sizeof(line), server->from) && strcmp(line, "ok\n") != 0) {
		strbuf_append(&server->answer, line);
		if (sscanf(line, "port %u", &server->port) == 1)
			return;
	}
	assert_false(feof(server->from));
}

static void tell(struct server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct server *server, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(server->to, format, arguments);
	va_end(arguments);
	fputc('\n', server->to);
	fflush(server->to);
	read_answer(server);
}

static struct server *server_start(struct fixture *fixture)
{
	struct server *server = &fixture->servers[fixture->n_servers++];
	int to[2], from[2];

	server->scratch = scratch_new();
	assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
	server->pid = fork();
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execl("/usr/bin/python3", "python3", "tests/edge/api_server.py", server->scratch.path, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	server->to = fdopen(to[1], "w");
	server->from = fdopen(from[0], "r");
	read_answer(server);
	scratch_write(&server->scratch, "token", "first\n");
	scratch_write(&server->scratch, "namespace", "fairway-system");
	return server;
}

static void server_end(struct server *server)
{
	if (server->pid) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	fclose(server->to);
	fclose(server->from);
	strbuf_done(&server->answer);
	scratch_done(&server->scratch);
}

static void put_service(struct server *server, const char *name, unsigned port)
{
	tell(server,
	     "put " SERVICES " {\"metadata\":{\"namespace\":\"w\",\"name\":\"%s\",\"uid\":\"%s\"},"
	     "\"spec\":{\"ports\":[{\"port\":%u}]}}",
	     name, name, port);
}

/* --- the client ---------------------------------------------------------------------------------------- */

static int group_setup(void **state _unused_)
{
	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	server_start(fixture);
	seen_init(&fixture->seen);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	cluster_source_free(fixture->source);
	api_free(fixture->api);
	seen_done(&fixture->seen);
	for (size_t i = 0; i < fixture->n_servers; i++)
		server_end(&fixture->servers[i]);
	free(fixture);
	return 0;
}

/* Like a pod, with the service account that lies with the first server; *urls NULL ends them. */
static void connect_to(struct fixture *fixture, const char *const *urls)
{
	struct api_options options = { .servers = urls,
				       .service_account = fixture->servers[0].scratch.path,
				       .user_agent = "test",
				       .refresh_msec = 200 };

	while (urls[options.n_servers])
		options.n_servers++;
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), 0);
}

static void connect_first(struct fixture *fixture)
{
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", fixture->servers[0].port);
	connect_to(fixture, (const char *const[]){ url, NULL });
}

static void follow_those(struct fixture *fixture, uint32_t kinds, uint32_t dispensable)
{
	const struct cluster_source_options options = { .kinds = kinds,
							.dispensable = dispensable,
							.secret_namespace = "fairway-system" };

	assert_int_equal(cluster_source_new(fixture->seen.event, fixture->api, &options, fixture->seen.store,
					    seen_change, &fixture->seen, &fixture->source),
			 0);
}

static void follow(struct fixture *fixture, uint32_t kinds)
{
	follow_those(fixture, kinds, 0);
}

static const struct source_result *result(const struct fixture *fixture)
{
	return cluster_source_result(fixture->source);
}

/* For who waited in vain. */
static const struct source_result *told(const struct fixture *fixture)
{
	print_message("trouble: %s; last reply: %d %s\n", api_state(fixture->api).trouble, fixture->status,
		      fixture->message);
	return fixture->source ? result(fixture) : NULL;
}

#define wait_until(fixture, condition) seen_wait(&(fixture)->seen, told(fixture), condition)

static bool has_problem(const struct fixture *fixture, const char *object, const char *begin)
{
	const struct problems *problems = &result(fixture)->problems;

	for (size_t i = 0; i < problems->n; i++)
		if (!strcmp(problems->items[i].object, object) &&
		    !strncmp(problems->items[i].message, begin, strlen(begin)))
			return true;
	return false;
}

/* One more change gets through: whatever came before it has been taken up. */
static void expect_works(struct fixture *fixture, struct server *server)
{
	static unsigned mark = 1000;

	put_service(server, "mark", ++mark);
	wait_until(fixture, seen_port(&fixture->seen, "mark") == mark);
}

static void on_reply(void *userdata, const struct api_reply *reply)
{
	struct fixture *fixture = userdata;
	const struct json *body = json_member(reply->body, "body");

	fixture->n_replies++;
	fixture->status = reply->status;
	fixture->retry_after_msec = reply->retry_after_msec;
	snprintf(fixture->message, sizeof(fixture->message), "%s", reply->message);
	snprintf(fixture->body, sizeof(fixture->body), "%s", body ? body->text : "");
}

static void send_call(struct fixture *fixture, const char *method, const char *path, const char *body)
{
	const struct api_call call = { .method = method,
				       .path = path,
				       .content_type = body ? "application/apply-patch+yaml" : NULL,
				       .body = body,
				       .length = body ? strlen(body) : 0 };

	assert_int_equal(api_send(fixture->api, &call, on_reply, fixture, NULL), 0);
}

static void call(struct fixture *fixture, const char *method, const char *path, const char *body)
{
	unsigned n = fixture->n_replies;

	send_call(fixture, method, path, body);
	assert_int_equal(fixture->n_replies, n);
	wait_until(fixture, fixture->n_replies > n);
}

/* --- calls --------------------------------------------------------------------------------------------- */

static void test_calls(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	struct api_request *request;
	const struct api_call cancelled = { .method = "GET", .path = "/cancelled" };

	connect_first(fixture);
	assert_string_equal(api_namespace(fixture->api), "fairway-system");
	call(fixture, "PATCH", "/api/v1/x/status?fieldManager=f", "{\"a\":\"\xc3\xa4\"}");
	assert_int_equal(fixture->status, 200);
	assert_string_equal(fixture->body, "{\"a\":\"\xc3\xa4\"}");
	call(fixture, "DELETE", "/api/v1/y", NULL);
	assert_int_equal(fixture->status, 200);
	tell(server, "requests");
	assert_string_equal(
		strbuf_text(&server->answer),
		"PATCH /api/v1/x/status?fieldManager=f application/apply-patch+yaml {\"a\":\"\xc3\xa4\"}\n"
		"DELETE /api/v1/y -\n");
	tell(server, "answer 429 1 7");
	call(fixture, "GET", "/api/v1/z", NULL);
	assert_int_equal(fixture->status, 429);
	assert_int_equal(fixture->retry_after_msec, 7000);
	assert_string_equal(fixture->message, "HTTP 429 Busy: this is Busy");
	tell(server, "garbage 1");
	call(fixture, "GET", "/api/v1/z", NULL);
	assert_int_equal(fixture->status, 200);
	assert_int_equal(api_send(fixture->api, &cancelled, on_reply, fixture, &request), 0);
	api_cancel(request);
	tell(server, "requests");
	call(fixture, "GET", "/last", NULL);
	tell(server, "requests");
	assert_string_equal(strbuf_text(&server->answer), "GET /last -\n");
}

/* Falls from 1 to 0 after it was asked so often. */
struct fence {
	struct fixture *fixture;
	unsigned open, asked;
};

static bool fence_is_open(void *userdata)
{
	struct fence *fence = userdata;

	fence->asked++;
	return fence->open && fence->open--;
}

static void on_fenced_reply(void *userdata, const struct api_reply *reply)
{
	on_reply(((struct fence *)userdata)->fixture, reply);
}

static void send_fenced(struct fixture *fixture, struct fence *fence, const char *path)
{
	const struct api_call fenced = { .method = "GET", .path = path, .may_leave = fence_is_open };

	fence->fixture = fixture;
	fence->asked = 0;
	assert_int_equal(api_send(fixture->api, &fenced, on_fenced_reply, fence, NULL), 0);
}

/* The fence is asked when a call leaves the queue and when it goes out, not when it is queued, and again
 * before it is repeated. */
static void test_a_fence_that_falls(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	struct fence fence = { .open = 1 };

	connect_first(fixture);
	send_fenced(fixture, &fence, "/late");
	assert_int_equal(fence.asked, 0);
	fence.open = 0; /* while it waits */
	wait_until(fixture, fixture->n_replies == 1);
	assert_int_equal(fence.asked, 1);
	assert_int_equal(fixture->status, 0);
	assert_string_equal(fixture->message, "not sent: it is no longer wanted");
	fence.open = 2;
	send_fenced(fixture, &fence, "/good");
	wait_until(fixture, fixture->n_replies == 2);
	assert_int_equal(fence.asked, 2);
	assert_int_equal(fixture->status, 200);
	scratch_replace(&server->scratch, "token", "second");
	tell(server, "token second");
	fence.open = 2;
	send_fenced(fixture, &fence, "/repeated"); /* a 401 is repeated with the new token */
	wait_until(fixture, fixture->n_replies == 3);
	assert_int_equal(fence.asked, 3);
	assert_int_equal(fixture->status, 0);
	tell(server, "requests");
	assert_string_equal(strbuf_text(&server->answer), "GET /good -\nGET /repeated -\n");
}

/* A process that was stopped in between: what has a connection does not go out any more, and nothing else is
 * the matter. */
static void test_a_fence_that_falls_at_the_last_moment(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	struct fence fence = { 0 };

	connect_first(fixture);
	send_call(fixture, "GET", "/good", NULL);
	wait_until(fixture, fixture->n_replies == 1);
	assert_true(api_state(fixture->api).reachable);
	for (unsigned i = 2; i <= 4; i++) {
		fence.open = 1;
		send_fenced(fixture, &fence, "/late");
		wait_until(fixture, fixture->n_replies == i);
		assert_int_equal(fence.asked, 2);
		assert_int_equal(fixture->status, 0);
		assert_string_equal(fixture->message, "not sent: it is no longer wanted");
	}
	assert_true(api_state(fixture->api).reachable);
	send_call(fixture, "GET", "/next", NULL);
	wait_until(fixture, fixture->n_replies == 5);
	assert_int_equal(fixture->status, 200);
	tell(server, "requests");
	assert_string_equal(strbuf_text(&server->answer), "GET /good -\nGET /next -\n");
}

static void send_next(void *userdata, const struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	on_reply(fixture, reply);
	if (fixture->n_replies < 5)
		assert_int_equal(api_send(fixture->api,
					  &(struct api_call){ .method = "GET", .path = "/next" }, send_next,
					  fixture, NULL),
				 0);
}

static void test_calls_from_replies_and_many_at_once(void **state)
{
	struct fixture *fixture = *state;

	connect_first(fixture);
	send_next(fixture, &(struct api_reply){ .message = "" });
	wait_until(fixture, fixture->n_replies == 5);
	for (unsigned i = 0; i < 150; i++)
		send_call(fixture, "PUT", "/many", "{}");
	wait_until(fixture, fixture->n_replies == 155);
	assert_int_equal(fixture->status, 200);
}

/* --- objects ------------------------------------------------------------------------------------------- */

static void test_pages_and_events(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];

	for (unsigned i = 0; i < 7; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		put_service(server, name, 80 + i);
	}
	tell(server, "page 3");
	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE));
	wait_until(fixture, result(fixture)->delivered);
	assert_int_equal(store_count(fixture->seen.store, OBJECT_SERVICE), 7);
	assert_int_equal(fixture->seen.n_changes, 1);
	assert_int_equal(seen_port(&fixture->seen, "s6"), 86);
	put_service(server, "s6", 90);
	tell(server, "del " SERVICES " s5");
	put_service(server, "s7", 97);
	expect_works(fixture, server);
	assert_int_equal(seen_port(&fixture->seen, "s6"), 90);
	assert_int_equal(seen_port(&fixture->seen, "s5"), 0);
	assert_int_equal(seen_port(&fixture->seen, "s7"), 97);
	assert_int_equal(result(fixture)->problems.n, 0);
}

/* What somebody has written comes as initial events; what the cluster is large in comes in pages, compressed.
 */
static void test_initial_events(void **state)
{
	static const char pool[] =
		"put " FAIRWAY "serviceippools {\"kind\":\"ServiceIPPool\",\"apiVersion\":"
		"\"fairway.dev/v1alpha1\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"addresses\":"
		"[\"192.0.2.0/24\"]}}";
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	const char *asked;

	put_service(server, "a", 80);
	put_service(server, "b", 81);
	tell(server, "%s", pool);
	tell(server, "initial on");
	tell(server, "page 1");
	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_SERVICE_IP_POOL));
	wait_until(fixture, result(fixture)->delivered);
	assert_int_equal(seen_port(&fixture->seen, "a"), 80);
	assert_int_equal(seen_port(&fixture->seen, "b"), 81);
	assert_non_null(store_find(fixture->seen.store, OBJECT_SERVICE_IP_POOL, "", "p"));
	expect_works(fixture, server);
	tell(server, "requests");
	asked = strbuf_text(&server->answer);
	assert_non_null(strstr(asked, FAIRWAY "serviceippools?watch=1"));
	assert_null(strstr(asked, "serviceippools?limit="));
	assert_non_null(strstr(asked, "&limit=500&continue="));
	asked = strstr(asked, "sendInitialEvents=true");
	assert_non_null(asked);
	assert_null(strstr(asked + 1, "sendInitialEvents=true"));
}

static void test_refused_objects(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];

	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE));
	put_service(server, "a", 80);
	wait_until(fixture, seen_port(&fixture->seen, "a") == 80);
	put_service(server, "a", 70000);
	wait_until(fixture, has_problem(fixture, "Service/w/a",
					"not in 1..65535: 70000; the last good version stays in force"));
	assert_int_equal(seen_port(&fixture->seen, "a"), 80);
	put_service(server, "a", 81);
	wait_until(fixture, seen_port(&fixture->seen, "a") == 81 && !result(fixture)->problems.n);
}

static void test_secrets_that_peers_name(void **state)
{
	static const char peer[] =
		"put " FAIRWAY
		"bgppeers {\"kind\":\"BGPPeer\",\"apiVersion\":\"fairway.dev/v1alpha1\",\"metadata\":"
		"{\"name\":\"%s\"},\"spec\":{\"myASN\":1,\"peerASN\":2,\"peerAddress\":\"10.0.0.1\","
		"\"passwordSecret\":{\"name\":\"%s\"}}}";
	static const char secret[] = "put /api/v1/namespaces/fairway-system/secrets "
				     "{\"metadata\":{\"namespace\":\"fairway-system\","
				     "\"name\":\"%s\"},\"data\":{\"password\":\"%s\"}}";
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	const struct object *object;

	tell(server, peer, "tor-a", "a");
	tell(server, secret, "a", "eA==");
	tell(server, secret, "other", "eA==");
	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_BGP_PEER) | CLUSTER_KIND(OBJECT_SECRET));
	wait_until(fixture, result(fixture)->delivered);
	object = store_find(fixture->seen.store, OBJECT_SECRET, "fairway-system", "a");
	assert_non_null(object); /* `delivered` includes it */
	assert_string_equal(object->secret.password, "x");
	tell(server, secret, "b", "eQ==");
	tell(server, peer, "tor-b", "b");
	wait_until(fixture, store_find(fixture->seen.store, OBJECT_SECRET, "fairway-system", "b"));
	tell(server, secret, "a", "eg==");
	wait_until(fixture,
		   (object = store_find(fixture->seen.store, OBJECT_SECRET, "fairway-system", "a")) &&
			   !strcmp(object->secret.password, "z"));
	tell(server, "del " FAIRWAY "bgppeers tor-a");
	wait_until(fixture, !store_find(fixture->seen.store, OBJECT_SECRET, "fairway-system", "a"));
	assert_int_equal(store_count(fixture->seen.store, OBJECT_SECRET), 1);
	tell(server, "requests");
	assert_null(strstr(strbuf_text(&server->answer), "other"));
	assert_null(strstr(strbuf_text(&server->answer), "secrets?limit"));
}

static void test_a_kind_that_is_not_installed(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];

	put_service(server, "a", 80);
	tell(server, "missing " FAIRWAY "communities");
	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_COMMUNITY));
	wait_until(fixture,
		   has_problem(fixture, "CustomResourceDefinition/communities.fairway.dev", "not installed"));
	wait_until(fixture, seen_port(&fixture->seen, "a"));
	assert_false(result(fixture)->delivered);
	tell(server, "missing -");
	wait_until(fixture, result(fixture)->delivered);
	assert_int_equal(result(fixture)->problems.n, 0);
}

/* Under the Role and the CRDs of a former version. */
static void test_kinds_that_the_rest_does_without(void **state)
{
	const uint32_t dispensable = CLUSTER_KIND(OBJECT_COMMUNITY) | CLUSTER_KIND(OBJECT_BFD_PROFILE);
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];

	put_service(server, "a", 80);
	tell(server, "missing " FAIRWAY "communities");
	tell(server, "forbidden " FAIRWAY "bfdprofiles");
	tell(server, "forbidden " FAIRWAY "serviceippools");
	connect_first(fixture);
	follow_those(fixture,
		     CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_SERVICE_IP_POOL) | dispensable,
		     dispensable);
	wait_until(
		fixture,
		has_problem(
			fixture, "API server",
			"our role does not let us list and watch serviceippools (HTTP 403; apply the Roles "
			"of this version); nothing is decided until it is, tried again") &&
			has_problem(fixture, "API server",
				    "our role does not let us list and watch bfdprofiles (HTTP 403; apply "
				    "the Roles "
				    "of this version); all else goes on without, tried again") &&
			has_problem(
				fixture, "CustomResourceDefinition/communities.fairway.dev",
				"not installed (apply the CRDs of this version); all else goes on without, "
				"tried again"));
	wait_until(fixture, seen_port(&fixture->seen, "a"));
	assert_false(result(fixture)->delivered); /* the pools are not dispensable */
	tell(server, "forbidden -");
	tell(server, "forbidden " FAIRWAY "bfdprofiles");
	wait_until(fixture, result(fixture)->delivered);
	assert_int_equal(cluster_source_absent(fixture->source), dispensable);
	assert_int_equal(result(fixture)->problems.n,
			 2); /* the words did not change, so nobody tells them again */
	assert_true(has_problem(
		fixture, "API server",
		"our role does not let us list and watch bfdprofiles (HTTP 403; apply the Roles of "
		"this version); all else goes on without, tried again"));
	tell(server, "missing -");
	tell(server, "forbidden -");
	wait_until(fixture, !result(fixture)->problems.n);
	assert_int_equal(cluster_source_absent(fixture->source), 0);
}

/* --- bad days ------------------------------------------------------------------------------------------ */

/* Services a, b and c are there and followed. */
static struct server *three_services(struct fixture *fixture)
{
	struct server *server = &fixture->servers[0];

	put_service(server, "a", 80);
	put_service(server, "b", 81);
	put_service(server, "c", 82);
	connect_first(fixture);
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE));
	wait_until(fixture, result(fixture)->delivered);
	expect_works(fixture, server); /* the watch is open */
	fixture->seen.must_stay = "a";
	return server;
}

static void test_cut_within_an_event(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	tell(server, "cut");
	put_service(server, "d", 83);
	tell(server, "del " SERVICES " b");
	wait_until(fixture, seen_port(&fixture->seen, "d"));
	expect_works(fixture, server);
	assert_int_equal(seen_port(&fixture->seen, "b"), 0);
	assert_int_equal(cluster_source_state(fixture->source).n_lists, 1);
}

static void test_forgotten_history(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	/* The new list comes in pages, the second of which fails at first: nothing is gone before it is
	 * there. */
	tell(server, "page 1");
	tell(server, "del " SERVICES " b");
	wait_until(fixture, !seen_port(&fixture->seen, "b"));
	tell(server, "reset");
	tell(server, "del " SERVICES " c");
	put_service(server, "d", 84);
	tell(server, "forget");
	fixture->seen.must_stay = "a";
	wait_until(fixture, seen_port(&fixture->seen, "d") && !seen_port(&fixture->seen, "c"));
	assert_int_equal(cluster_source_state(fixture->source).n_lists, 2);
	expect_works(fixture, server);
}

/* etcd came back from a backup: its versions lie before ours, and a watch from ours would be silence. */
static void test_restored(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	tell(server, "version 50");
	tell(server, "del " SERVICES " b");
	tell(server, "reset");
	wait_until(fixture, !seen_port(&fixture->seen, "b"));
	expect_works(fixture, server);
}

static void test_busy_and_failing(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	tell(server, "answer 429 2 1");
	tell(server, "reset");
	wait_until(fixture, has_problem(fixture, "API server",
					"is too busy to answer (HTTP 429); the last good objects stay"));
	wait_until(fixture, !result(fixture)->problems.n);
	expect_works(fixture, server);
	tell(server, "answer 500 1");
	tell(server, "reset");
	wait_until(fixture, has_problem(fixture, "API server", "fails (HTTP 500)"));
	wait_until(fixture, !result(fixture)->problems.n);
	expect_works(fixture, server);
	assert_int_equal(cluster_source_state(fixture->source).n_lists, 1);
}

static void test_garbage(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	tell(server, "garbage 2");
	tell(server, "reset");
	wait_until(fixture, has_problem(fixture, "API server", "something answers with what is no answer"));
	put_service(server, "d", 83);
	wait_until(fixture, seen_port(&fixture->seen, "d") && !result(fixture)->problems.n);
	expect_works(fixture, server);
}

/* The kubelet writes a new token, and the API server does not accept the old one any more. */
static void test_token_renewed(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	call(fixture, "GET", "/x", NULL);
	assert_int_equal(fixture->status, 200);
	scratch_replace(&server->scratch, "token", "second");
	tell(server, "token second");
	call(fixture, "GET", "/x", NULL); /* a 401 is repeated with the new one */
	assert_int_equal(fixture->status, 200);
	tell(server, "reset");
	expect_works(fixture, server);
	/* nobody renews it: told, and over when it is */
	tell(server, "token third");
	tell(server, "reset");
	wait_until(fixture, has_problem(fixture, "API server", "does not accept our credentials (HTTP 401)"));
	call(fixture, "GET", "/x", NULL);
	assert_int_equal(fixture->status, 401);
	scratch_replace(&server->scratch, "token", "third");
	wait_until(fixture, !result(fixture)->problems.n);
	expect_works(fixture, server);
}

static void test_certificates_renewed(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);

	tell(server, "renew");
	put_service(server, "d", 83);
	wait_until(fixture, seen_port(&fixture->seen, "d"));
	expect_works(fixture, server);
	call(fixture, "GET", "/x", NULL);
	assert_int_equal(fixture->status, 200);
}

static void test_wrong_ca(void **state)
{
	struct fixture *fixture = *state;
	struct server *other = server_start(fixture);
	char url[64], text[1024];
	struct api_options options = { .kubeconfig = text };

	/* the CA of one server, the address of the other */
	snprintf(url, sizeof(url), "https://127.0.0.1:%u", fixture->servers[0].port);
	snprintf(text, sizeof(text),
		 "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: '%s', certificate-authority: ca.crt}}]\n"
		 "users: [{name: u, user: {token: first}}]\n",
		 url);
	scratch_write(&other->scratch, "kubeconfig", text);
	snprintf(text, sizeof(text), "%s/kubeconfig", other->scratch.path);
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), 0);
	call(fixture, "GET", "/x", NULL);
	assert_int_equal(fixture->status, 0);
	assert_non_null(strstr(fixture->message, "certificate"));
	assert_false(api_state(fixture->api).reachable);
	tell(&fixture->servers[0], "requests");
	assert_string_equal(strbuf_text(&fixture->servers[0].answer), "");
}

/* The name in the certificate is another than the address, and the kubeconfig says so. */
static void test_tls_server_name(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->servers[0];
	char text[1024];
	struct api_options options = { .kubeconfig = text };

	for (unsigned i = 0; i < 2; i++) {
		snprintf(
			text, sizeof(text),
			"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
			"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:%u', tls-server-name: %s, "
			"certificate-authority: ca.crt}}]\nusers: [{name: u, user: {tokenFile: token}}]\n",
			server->port, i ? "elsewhere" : "kubernetes");
		scratch_write(&server->scratch, "kubeconfig", text);
		snprintf(text, sizeof(text), "%s/kubeconfig", server->scratch.path);
		api_free(fixture->api);
		assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), 0);
		call(fixture, "GET", "/x", NULL);
		assert_int_equal(fixture->status, i ? 0 : 200);
	}
}

/* A server that is stopped: its connections stay open, and nothing comes. */
static void test_hanging_server(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = three_services(fixture);
	unsigned n;

	kill(server->pid, SIGSTOP);
	n = fixture->n_replies;
	send_call(fixture, "PATCH", "/x", "{}");
	wait_until(fixture, !api_state(fixture->api).reachable);
	assert_string_equal(api_state(fixture->api).trouble, "no answer within 3 s");
	wait_until(fixture, fixture->n_replies > n);
	assert_int_equal(fixture->status, 0);
	kill(server->pid, SIGCONT);
	wait_until(fixture, api_state(fixture->api).reachable);
	expect_works(fixture, server);
	assert_int_equal(cluster_source_state(fixture->source).n_lists, 1);
}

/* A watch alone, and packets that are dropped both ways: a firewall, a load balancer that forgot the flow. */
static void test_dropped_packets(void **state)
{
	struct fixture *fixture = *state;
	struct server *server;
	char command[300];

	if (system("nft list tables >/dev/null 2>&1") != 0) {
		print_message("skip: nft does not work here; apt install nftables, and run as root\n");
		skip();
	}
	server = three_services(fixture);
	snprintf(command, sizeof(command),
		 "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
		 "add rule inet t c tcp dport %u drop; add rule inet t c tcp sport %u drop'",
		 server->port, server->port);
	assert_int_equal(system(command), 0);
	wait_until(fixture, !api_state(fixture->api).reachable);
	assert_int_equal(system("nft delete table inet t"), 0);
	wait_until(fixture, api_state(fixture->api).reachable);
	expect_works(fixture, server);
}

static void test_several_servers(void **state)
{
	struct fixture *fixture = *state;
	char first[64], second[64], command[500];

	server_start(fixture);
	snprintf(first, sizeof(first), "https://127.0.0.1:%u", fixture->servers[0].port);
	snprintf(second, sizeof(second), "https://127.0.0.1:%u", fixture->servers[1].port);
	/* one CA for both: each would refuse the other's */
	snprintf(command, sizeof(command), "cat %s/ca.crt >> %s/ca.crt", fixture->servers[1].scratch.path,
		 fixture->servers[0].scratch.path);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < 2; i++) {
		put_service(&fixture->servers[i], "a", 80);
		/* they are no copies of each other: the one behind looks restored, the one ahead goes on */
		tell(&fixture->servers[i], "version %u", 1000 + i * 1000);
	}
	connect_to(fixture, (const char *const[]){ first, "https://127.0.0.1:1", second, NULL });
	follow(fixture, CLUSTER_KIND(OBJECT_SERVICE));
	wait_until(fixture, result(fixture)->delivered);
	fixture->seen.must_stay = "a";
	for (unsigned i = 0; i < 2; i++) {
		unsigned at = !strcmp(api_state(fixture->api).server, second);

		kill(fixture->servers[at].pid, SIGSTOP);
		wait_until(fixture, !strcmp(api_state(fixture->api).server, at ? first : second) &&
					    api_state(fixture->api).reachable);
		expect_works(fixture, &fixture->servers[!at]);
		kill(fixture->servers[at].pid, SIGCONT);
	}
}

static void test_credentials_that_are_missing(void **state)
{
	struct fixture *fixture = *state;
	struct api_options options = { .service_account = fixture->servers[0].scratch.path };
	enum log_level threshold = log_threshold;

	log_threshold = LOG_LEVEL_ERROR - 1;
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("FAIRWAY_API_SERVERS");
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), -ENOENT);
	setenv("FAIRWAY_API_SERVERS", "https://127.0.0.1:1,http://10.0.0.1", 1);
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), -EINVAL);
	setenv("FAIRWAY_API_SERVERS", "https://127.0.0.1:1, https://127.0.0.1:2/", 1);
	scratch_write(&fixture->servers[0].scratch, "token", "a\nb");
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), -EINVAL);
	scratch_write(&fixture->servers[0].scratch, "token", "a\n");
	assert_int_equal(api_new(fixture->seen.event, &options, &fixture->api), 0);
	log_threshold = threshold;
	unsetenv("FAIRWAY_API_SERVERS");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_calls),
		TEST(test_a_fence_that_falls),
		TEST(test_a_fence_that_falls_at_the_last_moment),
		TEST(test_calls_from_replies_and_many_at_once),
		TEST(test_pages_and_events),
		TEST(test_initial_events),
		TEST(test_refused_objects),
		TEST(test_secrets_that_peers_name),
		TEST(test_a_kind_that_is_not_installed),
		TEST(test_kinds_that_the_rest_does_without),
		TEST(test_cut_within_an_event),
		TEST(test_forgotten_history),
		TEST(test_restored),
		TEST(test_busy_and_failing),
		TEST(test_garbage),
		TEST(test_token_renewed),
		TEST(test_certificates_renewed),
		TEST(test_wrong_ca),
		TEST(test_tls_server_name),
		TEST(test_hanging_server),
		TEST(test_dropped_packets),
		TEST(test_several_servers),
		TEST(test_credentials_that_are_missing),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
