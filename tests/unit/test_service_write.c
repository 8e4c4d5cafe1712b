// SPDX-License-Identifier: Apache-2.0
/* What is written to Services and pools: the whole body, how urgent it is, and when nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/pool_status.h"
#include "ipam/service_write.h"
#include "k8s/json.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define NOW	   1706702500 /* 2024-01-31T12:01:40Z */
#define HEAD	   "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"7\""
#define FINALIZERS ",\"finalizers\":[\"service.kubernetes.io/load-balancer-cleanup\"]"
#define SINCE_NOW  "\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}"

struct fixture {
	struct world world;
	struct service *shop;
	struct allocation allocation;
	const struct service_problem *problem;
	struct condition conditions[4];
};

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->shop = world_service(&fixture->world, "w/shop");
	fixture->shop->meta.uid = "u";
	fixture->shop->meta.resource_version = 7;
	fixture->allocation = (struct allocation){ .namespace = "w",
						   .name = "shop",
						   .pool = "public",
						   .reason = "",
						   .message = "",
						   .n_addresses = 1 };
	fixture->allocation.addresses[0] = address("192.0.2.1");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	world_done(&fixture->world);
	free(fixture);
	return 0;
}

static void set_condition(struct fixture *fixture, size_t i, const char *type, enum condition_status status,
			  const char *reason, const char *message)
{
	fixture->conditions[i] = (struct condition){ .type = type,
						     .status = status,
						     .reason = reason,
						     .message = message,
						     .transition_sec = 1706702400 };
	fixture->shop->meta.conditions.items = fixture->conditions;
	fixture->shop->meta.conditions.n = i + 1;
}

/* As the controller left it. */
static void settle(struct fixture *fixture)
{
	fixture->shop->meta.finalizers = world_words(&fixture->world, CLEANUP_FINALIZER);
	world_ingress(&fixture->world, fixture->shop, "192.0.2.1");
	set_condition(fixture, 0, CONDITION_ALLOCATED, CONDITION_TRUE, "Allocated", "from pool public");
}

static void expect(const struct fixture *fixture, const struct service_state *state,
		   enum write_urgency urgency, const char *body)
{
	cleanup(service_write_done) struct service_write write = { 0 };

	assert_int_equal(service_write_decide(fixture->shop, &fixture->allocation, state, fixture->problem,
					      NOW, &write),
			 0);
	assert_string_equal(strbuf_text(&write.body), body);
	assert_int_equal(write.urgency, urgency);
	assert_int_equal(write.gives_addresses, strstr(body, "ingress") != NULL);
}

static void test_new(void **state)
{
	struct fixture *fixture = *state;

	expect(fixture, NULL, WRITE_NOW,
	       HEAD FINALIZERS
	       "},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\",\"ipMode\":\"VIP\"}]},"
	       "\"conditions\":[{\"type\":\"fairway.dev/"
	       "Allocated\",\"status\":\"True\",\"reason\":\"Allocated\","
	       "\"message\":\"from pool public\"," SINCE_NOW "]}}");
	fixture->allocation.n_addresses = 2;
	fixture->allocation.addresses[1] = address("2001:db8::a");
	fixture->shop->meta.finalizers = world_words(&fixture->world, "other.example/it " CLEANUP_FINALIZER);
	set_condition(fixture, 0, CONDITION_ALLOCATED, CONDITION_TRUE, "Allocated", "from pool public");
	expect(fixture, NULL, WRITE_NOW,
	       HEAD "},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\",\"ipMode\":\"VIP\"},"
		    "{\"ip\":\"2001:db8::a\",\"ipMode\":\"VIP\"}]}}}");
}

static void test_nothing(void **state)
{
	struct fixture *fixture = *state;

	settle(fixture);
	expect(fixture, NULL, WRITE_NOTHING, "");
}

static void test_pending(void **state)
{
	struct fixture *fixture = *state;

	fixture->allocation.n_addresses = 0;
	fixture->allocation.pool = "";
	fixture->allocation.reason = "PoolExhausted";
	fixture->allocation.message = "pool public: 4 of 4 addresses in use";
	expect(fixture, NULL, WRITE_NOW,
	       HEAD FINALIZERS
	       "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/Allocated\",\"status\":\"False\","
	       "\"reason\":\"PoolExhausted\",\"message\":\"pool public: 4 of 4 addresses in use\"," SINCE_NOW
	       "]}}");
	settle(fixture); /* it had one, and lost it */
	expect(fixture, NULL, WRITE_NOW,
	       HEAD "},\"status\":{\"loadBalancer\":{\"ingress\":null},\"conditions\":[{\"type\":\"fairway."
		    "dev/Allocated\","
		    "\"status\":\"False\",\"reason\":\"PoolExhausted\",\"message\":\"pool public: 4 of 4 "
		    "addresses in use\"," SINCE_NOW "]}}");
	world_ingress(&fixture->world, fixture->shop, "");
	set_condition(fixture, 0, CONDITION_ALLOCATED, CONDITION_FALSE, "PoolExhausted",
		      "pool public: 3 of 3 addresses in use");
	expect(fixture, NULL, WRITE_LAZY, /* the same in other words, since the same time */
	       HEAD "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/"
		    "Allocated\",\"status\":\"False\",\"reason\":"
		    "\"PoolExhausted\",\"message\":\"pool public: 4 of 4 addresses in use\","
		    "\"lastTransitionTime\":\"2024-01-31T12:00:00Z\"}]}}");
}

static void test_somebody_else_wrote(void **state)
{
	struct fixture *fixture = *state;

	settle(fixture);
	world_ingress(&fixture->world, fixture->shop, "192.0.2.1/proxy");
	expect(fixture, NULL, WRITE_NOW,
	       HEAD
	       "},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\",\"ipMode\":\"VIP\"}]}}}");
	world_ingress(&fixture->world, fixture->shop, "192.0.2.1 192.0.2.2");
	expect(fixture, NULL, WRITE_NOW,
	       HEAD
	       "},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\",\"ipMode\":\"VIP\"}]}}}");
}

static void test_conditions(void **state)
{
	struct fixture *fixture = *state;
	struct service_state judged = {
		.programmed = { CONDITION_PROGRAMMED, CONDITION_TRUE, "Programmed", "all", 0 },
		.announced = { CONDITION_ANNOUNCED, CONDITION_FALSE, "NoEndpoints", "none", 0 },
	};

	settle(fixture);
	set_condition(fixture, 1, CONDITION_PROGRAMMED, CONDITION_TRUE, "Programmed", "all");
	set_condition(fixture, 2, CONDITION_ANNOUNCED, CONDITION_FALSE, "NotAnnounced", "none");
	expect(fixture, &judged, WRITE_SOON, /* a new reason is no transition */
	       HEAD
	       "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/"
	       "Announced\",\"status\":\"False\",\"reason\":"
	       "\"NoEndpoints\",\"message\":\"none\",\"lastTransitionTime\":\"2024-01-31T12:00:00Z\"}]}}");
	expect(fixture, NULL, WRITE_SOON, /* nothing is known of them any more */
	       HEAD
	       "},\"status\":{\"conditions\":[{\"$patch\":\"delete\",\"type\":\"fairway.dev/Programmed\"},"
	       "{\"$patch\":\"delete\",\"type\":\"fairway.dev/Announced\"}]}}");
	judged.announced.status = CONDITION_TRUE;
	judged.announced.reason = "Announced";
	judged.announced.message = "to tor\n\x1b[31m";
	expect(fixture, &judged, WRITE_SOON,
	       HEAD "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/"
		    "Announced\",\"status\":\"True\",\"reason\":"
		    "\"Announced\",\"message\":\"to tor\\\\x0a\\\\x1b[31m\"," SINCE_NOW "]}}");
	set_condition(fixture, 2, CONDITION_ANNOUNCED, CONDITION_TRUE, "Announced",
		      "to tor\\x0a\\x1b[31m"); /* as read back */
	expect(fixture, &judged, WRITE_NOTHING, "");
	fixture->shop->meta.generation = 3;
	set_condition(fixture, 2, CONDITION_ANNOUNCED, CONDITION_TRUE, "Announced", "to tor\\x0a\\x1b[31m");
	fixture->conditions[0].generation = fixture->conditions[1].generation = 3;
	expect(fixture, &judged, WRITE_LAZY,
	       HEAD "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/"
		    "Announced\",\"status\":\"True\",\"reason\":"
		    "\"Announced\",\"message\":\"to tor\\\\x0a\\\\x1b[31m\",\"observedGeneration\":3,"
		    "\"lastTransitionTime\":\"2024-01-31T12:00:00Z\"}]}}");
}

#define PROBLEM_OF(reason, message)                                                                          \
	HEAD "},\"status\":{\"conditions\":[{\"type\":\"fairway.dev/"                                        \
	     "Problem\",\"status\":\"True\",\"reason\":\"" reason "\",\"message\":\"" message                \
	     "\",\"observedGeneration\":4,"

static void test_problem(void **state)
{
	struct fixture *fixture = *state;
	struct service_problem problem = { .reason = "InvalidAnnotation",
					   .message = (char *)"m",
					   .generation = 4 };

	settle(fixture);
	fixture->problem = &problem;
	expect(fixture, NULL, WRITE_SOON, PROBLEM_OF("InvalidAnnotation", "m") SINCE_NOW "]}}");
	set_condition(fixture, 1, CONDITION_PROBLEM, CONDITION_TRUE, "InvalidAnnotation", "m");
	fixture->conditions[1].generation = 4;
	expect(fixture, NULL, WRITE_NOTHING, "");
	problem.message = (char *)"n";
	expect(fixture, NULL, WRITE_LAZY,
	       PROBLEM_OF("InvalidAnnotation", "n") "\"lastTransitionTime\":\"2024-01-31T12:00:00Z\"}]}}");
	fixture->problem = NULL; /* mended */
	expect(fixture, NULL, WRITE_SOON,
	       HEAD
	       "},\"status\":{\"conditions\":[{\"$patch\":\"delete\",\"type\":\"fairway.dev/Problem\"}]}}");
}

/* Of one that cannot be read nothing else is touched. */
static void test_problem_alone(void **state)
{
	struct service_problem problem = { .reason = "Refused", .message = (char *)"m", .generation = 4 };
	struct fixture *fixture = *state;

	settle(fixture);
	fixture->shop->unusable = true;
	for (unsigned i = 0; i < 2; i++) {
		cleanup(service_write_done) struct service_write write = { 0 };

		assert_int_equal(service_write_problem(fixture->shop, &problem, NOW, &write), 0);
		assert_string_equal(strbuf_text(&write.body),
				    i ? "" : PROBLEM_OF("Refused", "m") SINCE_NOW "]}}");
		assert_int_equal(write.urgency, i ? WRITE_NOTHING : WRITE_SOON);
		assert_int_equal(write.notes.n, i ? 0 : 1);
		assert_false(write.gives_addresses || write.adds_finalizer || write.removes_finalizer);
		set_condition(fixture, 1, CONDITION_PROBLEM, CONDITION_TRUE, "Refused", "m");
		fixture->conditions[1].generation = 4;
	}
}

/* --- what is taken away -------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	bool finalizer, marked, deleting, cluster_ip, to_clean, with_default_class;
	const char *class;
	bool unusable;
} cleanings[] = {
	{ "ours", true, true, false, false, false, false, "fairway.dev/lb", false },
	{ "ours, deleted", true, true, true, false, true, true, "fairway.dev/lb", false },
	{ "ours, deleted, its conditions lost", true, false, true, false, true, true, "fairway.dev/lb",
	  false },
	{ "ours, deleted, nothing left", false, true, true, false, false, false, "fairway.dev/lb", false },
	{ "of another type now", true, true, false, true, true, true, NULL, false },
	{ "of another type, and never ours", true, false, false, true, false, false, NULL, false },
	{ "another class", true, false, false, false, false, false, "other.example/lb", false },
	{ "another class, deleted", true, false, true, false, false, false, "other.example/lb", false },
	{ "another class, ours once", true, true, false, false, true, true, "other.example/lb", false },
	{ "another class, ours once, deleted", true, true, true, false, true, true, "other.example/lb",
	  false },
	{ "class-less, deleted, the cloud's", true, false, true, false, false, true, NULL, false },
	{ "class-less, deleted, ours once", true, true, true, false, true, true, NULL, false },
	{ "class-less, ours once", true, true, false, false, false, false, NULL, false },
	{ "cannot be decoded", true, true, false, false, false, false, NULL, true },
	{ "cannot be decoded, deleted, ours", true, true, true, false, true, true, NULL, true },
	{ "cannot be decoded, deleted, never ours", true, false, true, false, false, false, NULL, true },
};

static void test_what_is_to_clean(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cleanings); i++) {
		settle(fixture);
		if (!cleanings[i].finalizer)
			fixture->shop->meta.finalizers.n = 0;
		fixture->shop->meta.conditions.n = cleanings[i].marked;
		fixture->shop->meta.deleting = cleanings[i].deleting;
		fixture->shop->type = cleanings[i].cluster_ip ? SERVICE_CLUSTER_IP : SERVICE_LOAD_BALANCER;
		fixture->shop->load_balancer_class = cleanings[i].class;
		fixture->shop->unusable = cleanings[i].unusable;
		if (service_is_to_clean(fixture->shop, false) != cleanings[i].to_clean ||
		    service_is_to_clean(fixture->shop, true) != cleanings[i].with_default_class)
			fail_msg("%s", cleanings[i].what);
	}
}

static void test_cleaning(void **state)
{
	struct fixture *fixture = *state;
	cleanup(service_write_done) struct service_write write = { 0 };

	settle(fixture);
	set_condition(fixture, 1, "fairway.dev/Else", CONDITION_TRUE, "A", "");
	assert_int_equal(service_write_clean(fixture->shop, &write), 0);
	assert_string_equal(
		strbuf_text(&write.body), HEAD
		",\"$deleteFromPrimitiveList/finalizers\":[\"service.kubernetes.io/load-balancer-cleanup\"]},"
		"\"status\":{\"conditions\":[{\"$patch\":\"delete\",\"type\":\"fairway.dev/Allocated\"}]}}");
	assert_int_equal(write.urgency, WRITE_NOW);
	assert_false(write.gives_addresses);
}

/* One that could not be read got its Problem, and was mended into one that is not ours. */
static void test_cleaning_a_problem(void **state)
{
	struct fixture *fixture = *state;
	cleanup(service_write_done) struct service_write write = { 0 };

	set_condition(fixture, 0, CONDITION_PROBLEM, CONDITION_TRUE, "Refused", "m");
	assert_false(service_is_to_clean(fixture->shop, false)); /* the next write takes it away */
	fixture->shop->unusable = true;
	fixture->shop->load_balancer_class = NULL;
	assert_false(service_is_to_clean(fixture->shop, false));
	fixture->shop->unusable = false;
	fixture->shop->type = SERVICE_CLUSTER_IP;
	assert_true(service_is_to_clean(fixture->shop, false));
	assert_int_equal(service_write_clean(fixture->shop, &write), 0);
	assert_string_equal(
		strbuf_text(&write.body), HEAD
		"},\"status\":{\"conditions\":[{\"$patch\":\"delete\",\"type\":\"fairway.dev/Problem\"}]}}");
	assert_false(write.removes_finalizer);
	fixture->shop->meta.conditions.n = 0;
	assert_false(service_is_to_clean(fixture->shop, false));
}

/* --- pools --------------------------------------------------------------------------------------------- */

static struct pool_usage usage_of(uint64_t assigned_v4, uint64_t available_v4, addr_number assigned_v6,
				  addr_number available_v6)
{
	return (struct pool_usage){ .name = "p",
				    .assigned_v4 = assigned_v4,
				    .available_v4 = available_v4,
				    .assigned_v6 = assigned_v6,
				    .available_v6 = available_v6,
				    .ready = true,
				    .reason = "",
				    .message = "" };
}

/* "Ready=True/Ready Conflict=… Exhausted=…" of what would be written. */
static void expect_pool(const struct service_ip_pool *pool, const struct pool_usage *usage,
			const char *wanted)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf body = { 0 }, got = { 0 };
	const struct json *condition;
	struct json_error error;

	assert_int_equal(pool_status_patch(&body, pool, usage, NOW), 0);
	if (body.length)
		assert_int_equal(json_parse(strbuf_text(&body), body.length, &document, &error), 0);
	condition = json_member(json_member(document.first, "status"), "conditions");
	for (condition = condition ? condition->child : NULL; condition; condition = condition->next)
		strbuf_appendf(&got, "%s%s=%s/%s", got.length ? " " : "",
			       json_member(condition, "type")->text, json_member(condition, "status")->text,
			       json_member(condition, "reason")->text);
	assert_string_equal(strbuf_text(&got), wanted);
}

static void test_pool_conditions(void **state)
{
	struct fixture *fixture = *state;
	const struct service_ip_pool *pool = world_pool(&fixture->world, "p", "192.0.2.0/30");
	struct pool_usage usage = usage_of(1, 3, 0, 0);

	expect_pool(
		pool, &usage,
		"Ready=True/Ready Conflict=False/NoConflict Exhausted=False/AddressesFree Valid=True/Valid");
	usage = usage_of(4, 0, 0, 0);
	expect_pool(
		pool, &usage,
		"Ready=False/Exhausted Conflict=False/NoConflict Exhausted=True/Exhausted Valid=True/Valid");
	usage = usage_of(4, 0, 1, 1); /* one family is left */
	expect_pool(pool, &usage,
		    "Ready=True/Ready Conflict=False/NoConflict Exhausted=True/Exhausted Valid=True/Valid");
	usage = usage_of(4, 0, 1, 0);
	expect_pool(
		pool, &usage,
		"Ready=False/Exhausted Conflict=False/NoConflict Exhausted=True/Exhausted Valid=True/Valid");
	usage.ready = false;
	usage.reason = "Conflict";
	expect_pool(
		pool, &usage,
		"Ready=False/Conflict Conflict=True/Conflict Exhausted=Unknown/NotReady Valid=True/Valid");
	usage.reason = "Disabled";
	expect_pool(
		pool, &usage,
		"Ready=False/Disabled Conflict=False/NoConflict Exhausted=Unknown/NotReady Valid=True/Valid");
}

/* The API server's integers end where int64 does. */
static void test_pool_status_bodies(void **state)
{
	struct fixture *fixture = *state;
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct service_ip_pool *pool = world_pool(&fixture->world, "p", "2001:db8::/48");
	struct pool_usage usage = usage_of(0, 0, 1, ((addr_number)1 << 80) - 1);

	pool->meta.generation = 2;
	assert_int_equal(pool_status_patch(&body, pool, &usage, NOW), 0);
	assert_non_null(strstr(strbuf_text(&body), "\"assignedIPv6\":1,\"availableIPv6\":9223372036854775807,"
						   "\"observedGeneration\":2,\"conditions\":["));
}

/* A refused edit takes nothing away, and is told: what works stays Ready. */
static void test_pool_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup(strbuf_done) struct strbuf body = { 0 }, anew = { 0 };
	struct service_ip_pool *pool = world_pool(&fixture->world, "p", "192.0.2.0/30");
	struct pool_usage usage = usage_of(1, 3, 0, 0);

	pool->meta.generation = 2;
	pool->meta.refused = "spec.quota: not a map";
	pool->meta.refused_generation = 3;
	expect_pool(pool, &usage,
		    "Ready=True/Ready Conflict=False/NoConflict Exhausted=False/AddressesFree "
		    "Valid=False/Refused");
	assert_int_equal(pool_status_patch(&body, pool, &usage, NOW), 0);
	assert_non_null(strstr(strbuf_text(&body), "\"observedGeneration\":3,\"conditions\":["));
	assert_non_null(
		strstr(strbuf_text(&body), "\"reason\":\"Ready\",\"message\":\"\",\"observedGeneration\":2"));
	assert_non_null(
		strstr(strbuf_text(&body),
		       "\"message\":\"spec.quota: not a map; its last good version is in force until "
		       "lbcontroller starts anew; then it gives no address\",\"observedGeneration\":3"));
	pool->unusable = true;
	assert_int_equal(pool_status_patch(&anew, pool, &usage, NOW), 0);
	assert_non_null(strstr(strbuf_text(&anew),
			       "\"message\":\"spec.quota: not a map; it gives no address, and "
			       "what Services hold stays\""));
}

static void expect_finalizers(const struct service_ip_pool *pool, const struct pool_usage *usage,
			      const char *wanted)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	assert_int_equal(pool_finalizer_patch(&body, pool, usage), 0);
	assert_string_equal(strbuf_text(&body), wanted);
}

static void test_pool_finalizer(void **state)
{
	struct fixture *fixture = *state;
	struct service_ip_pool *pool = world_pool(&fixture->world, "p", "192.0.2.0/30");
	struct pool_usage used = usage_of(0, 0, 1, 1), free_again = usage_of(0, 4, 0, 2);

	pool->meta.resource_version = 9;
	expect_finalizers(pool, &free_again, "");
	expect_finalizers(
		pool, &used,
		"{\"metadata\":{\"resourceVersion\":\"9\",\"finalizers\":[\"fairway.dev/pool-in-use\"]}}");
	pool->meta.finalizers = world_words(&fixture->world, "a.example/b fairway.dev/pool-in-use");
	expect_finalizers(pool, &used, "");
	pool->unusable = true; /* nothing is known to be used: and nothing is known to be free */
	expect_finalizers(pool, &free_again, "");
	pool->unusable = false;
	pool->meta.refused = "spec.quota: not a map"; /* an edit: the last good version is known */
	expect_finalizers(pool, &free_again,
			  "{\"metadata\":{\"resourceVersion\":\"9\",\"finalizers\":[\"a.example/b\"]}}");
	pool->meta.finalizers = world_words(&fixture->world, "a.example/b");
	expect_finalizers(pool, &used,
			  "{\"metadata\":{\"resourceVersion\":\"9\",\"finalizers\":[\"a.example/"
			  "b\",\"fairway.dev/pool-in-use\"]}}");
	pool->meta.deleting = true; /* the API server takes no new ones then */
	expect_finalizers(pool, &used, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_nothing),
		TEST(test_pending),
		TEST(test_somebody_else_wrote),
		TEST(test_conditions),
		TEST(test_problem),
		TEST(test_problem_alone),
		TEST(test_what_is_to_clean),
		TEST(test_cleaning),
		TEST(test_cleaning_a_problem),
		TEST(test_pool_conditions),
		TEST(test_pool_status_bodies),
		TEST(test_pool_refused),
		TEST(test_pool_finalizer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
