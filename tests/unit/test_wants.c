// SPDX-License-Identifier: Apache-2.0
/* Which objects are to be written, and what the sink keeps back. What is written to each: test_service_write
 * and the tests of the other statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/wants.h"
#include "k8s/json.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define NOW_MSEC 100000

struct fixture {
	struct world world;
	struct service *shop;
	struct service_ip_pool *pool;
	struct condition allocated, problem;
	struct ledger ledger;
	struct silence silence;
	struct strbuf got; /* "KIND/NAME now", a line each */
	bool holds_back, no_room, no_urgent_room, bgp_unknown;
	const char *busy; /* the object of this name may not be written */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->shop = world_service(&fixture->world, "w/shop");
	fixture->shop->meta.uid = "u";
	fixture->shop->meta.resource_version = 7;
	fixture->pool = world_pool(&fixture->world, "public", "192.0.2.0/30");
	fixture->pool->meta.status_digest = 4;
	world_node(&fixture->world, "n1", "10.0.0.1", "");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	world_done(&fixture->world);
	ledger_done(&fixture->ledger);
	silence_done(&fixture->silence);
	strbuf_done(&fixture->got);
	free(fixture);
	return 0;
}

static bool is_ready(void *userdata, enum object_kind kind _unused_, const struct meta *meta)
{
	const struct fixture *fixture = userdata;

	return !fixture->busy || strcmp(fixture->busy, meta->name) != 0;
}

static bool has_room(void *userdata, bool urgent)
{
	const struct fixture *fixture = userdata;

	return urgent ? !fixture->no_urgent_room : !fixture->no_room;
}

static bool holds_back(void *userdata)
{
	return ((const struct fixture *)userdata)->holds_back;
}

static int add(void *userdata, const struct outbox_write *write)
{
	static const char *const urgencies[] = {
		[WRITE_NOTHING] = "nothing", [WRITE_LAZY] = "lazy", [WRITE_SOON] = "soon", [WRITE_NOW] = "now"
	};
	cleanup(json_document_done) struct json_document document = { 0 };
	struct fixture *fixture = userdata;
	struct json_error error;

	assert_int_equal(json_parse(strbuf_text(write->body), write->body->length, &document, &error), 0);
	assert_true((write->kind == OBJECT_SERVICE) == (write->service != NULL));
	assert_string_equal(write->content_type, write->service ? "application/strategic-merge-patch+json"
								: "application/merge-patch+json");
	strbuf_appendf(&fixture->got, "%s%s/%s%s %s", fixture->got.length ? "\n" : "",
		       object_kind_name(write->kind), write->meta->name, write->is_status ? "" : " itself",
		       urgencies[write->urgency]);
	if (write->seen_digest)
		strbuf_appendf(&fixture->got, " unless as read (%u)", (unsigned)write->seen_digest);
	return 0;
}

/* A round. */
static void expect(struct fixture *fixture, const char *wanted)
{
	static const struct wants_sink sink = { is_ready, has_room, holds_back, add };
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(allocations_done) struct allocations allocations = { 0 };
	struct node_reports reports;
	struct problem_book problems = { 0 };
	const struct cluster *cluster = world_cluster(&fixture->world);
	struct strings changed = world_words(&fixture->world, "w/shop");
	struct cluster overlay;
	struct wants wants = { .cluster = cluster,
			       .allocations = &allocations,
			       .ledger = &fixture->ledger,
			       .reports = &reports,
			       .problems = &problems,
			       .silence = &fixture->silence,
			       .bgp_unknown = fixture->bgp_unknown,
			       .now_sec = 1706702500,
			       .sink = &sink,
			       .userdata = fixture };

	assert_int_equal(node_reports_init(&reports, cluster), 0);
	assert_int_equal(problem_book_update(&problems, cluster, false, &changed), 0);
	assert_int_equal(ledger_update(&fixture->ledger, cluster, false, &reports, NOW_MSEC), 0);
	assert_int_equal(ledger_overlay(&fixture->ledger, cluster, false, &arena, &overlay), 0);
	assert_int_equal(allocate(&overlay, false, &allocations), 0);
	strbuf_reset(&fixture->got);
	assert_int_equal(wants_collect(&wants), 0);
	assert_string_equal(strbuf_text(&fixture->got), wanted);
	node_reports_done(&reports);
	problem_book_done(&problems);
}

/* The Service has its address, its finalizer and the condition of it. */
static void give(struct fixture *fixture)
{
	fixture->allocated = (struct condition){ .type = CONDITION_ALLOCATED,
						 .status = CONDITION_TRUE,
						 .reason = "Allocated",
						 .message = "from pool public" };
	fixture->shop->meta.conditions = (struct conditions){ .items = &fixture->allocated, .n = 1 };
	fixture->shop->meta.finalizers = world_words(&fixture->world, CLEANUP_FINALIZER);
	world_ingress(&fixture->world, fixture->shop, "192.0.2.0");
}

static void test_everything_that_is_new(void **state)
{
	struct fixture *fixture = *state;

	world_peer(&fixture->world, "tor", "10.0.0.254")->meta.status_digest = 5;
	world_advertisement(&fixture->world, "all")->meta.status_digest = 6;
	expect(fixture, "Service/shop now\n"
			"ServiceIPPool/public itself now\n" /* its finalizer: an address of it is taken */
			"BGPPeer/tor soon unless as read (5)\n"
			"BGPAdvertisement/all soon unless as read (6)");
	fixture->holds_back = true; /* in a rush */
	expect(fixture, "Service/shop now\nServiceIPPool/public itself now");
	fixture->holds_back = false;
	fixture->no_urgent_room = true;
	expect(fixture, "ServiceIPPool/public itself now\nBGPPeer/tor soon unless as read "
			"(5)\nBGPAdvertisement/all soon unless as read (6)");
	fixture->no_urgent_room = false;
	fixture->busy = "shop";
	expect(fixture, "ServiceIPPool/public itself now\nBGPPeer/tor soon unless as read "
			"(5)\nBGPAdvertisement/all soon unless as read (6)");
	fixture->busy = "public";
	expect(fixture, "Service/shop now\nBGPPeer/tor soon unless as read (5)\nBGPAdvertisement/all soon "
			"unless as read (6)");
	fixture->busy = "tor";
	expect(fixture, "Service/shop now\nServiceIPPool/public itself now\nBGPAdvertisement/all soon unless "
			"as read (6)");
	fixture->busy = "all";
	expect(fixture,
	       "Service/shop now\nServiceIPPool/public itself now\nBGPPeer/tor soon unless as read (5)");
}

/* Peers and Communities that cannot be read are missing, or so it looks. */
static void test_nothing_is_said_of_what_names_the_unknown(void **state)
{
	struct fixture *fixture = *state;

	world_advertisement(&fixture->world, "all")->meta.status_digest = 6;
	world_bfd_profile(&fixture->world, "fast");
	fixture->busy = "shop";
	fixture->bgp_unknown = true;
	expect(fixture, "ServiceIPPool/public itself now\nBFDProfile/fast soon");
}

static void test_profiles_and_communities(void **state)
{
	struct fixture *fixture = *state;

	fixture->shop->load_balancer_class = "other.example/lb";
	fixture->busy = "public";
	world_bfd_profile(&fixture->world, "fast")->meta.status_digest = 5;
	world_community(&fixture->world, "ours", "customer", "64512:7")->meta.status_digest = 6;
	expect(fixture, "BFDProfile/fast soon unless as read (5)\nCommunity/ours soon unless as read (6)");
	fixture->holds_back = true;
	expect(fixture, "");
	fixture->holds_back = false;
	fixture->busy = "fast";
	expect(fixture,
	       "ServiceIPPool/public soon unless as read (4)\nCommunity/ours soon unless as read (6)");
	fixture->busy = "ours";
	expect(fixture,
	       "ServiceIPPool/public soon unless as read (4)\nBFDProfile/fast soon unless as read (5)");
}

/* Each agent reads each version of it. */
static void test_counts_of_a_peer_can_wait_longer(void **state)
{
	struct condition conditions[] = {
		{ .type = "Ready",
		  .status = CONDITION_FALSE,
		  .reason = "NotEstablished",
		  .message = "1 of 1 nodes have no session; node n1: it does not report this peer" },
		{ .type = "Valid", .status = CONDITION_TRUE, .reason = "Valid", .message = "" },
	};
	struct fixture *fixture = *state;
	struct bgp_peer *peer = world_peer(&fixture->world, "tor", "10.0.0.254");

	peer->meta.status_digest = 5;
	peer->meta.conditions = (struct conditions){ .items = conditions, .n = 2 };
	fixture->busy = "public";
	expect(fixture, "Service/shop now\nBGPPeer/tor lazy unless as read (5)");
}

/* Another Service of the namespace wants an address of the pool, whose quota shop has used up; there is a
 * pool that shop may move to. */
static struct service *beside_a_used_up_quota(struct fixture *fixture)
{
	struct service *next = world_service(&fixture->world, "w/next");

	give(fixture);
	next->meta.created_sec = fixture->shop->meta.created_sec - 1; /* it is decided about first */
	fixture->pool->quota_per_namespace = 1;
	world_pool(&fixture->world, "other", "198.51.100.0/30")->auto_assign = false;
	world_label(&fixture->world, &next->meta.annotations, "fairway.dev/pool", "public");
	return next;
}

/* The quota of what is given up is free when no status says it any more: until then nobody is refused for it.
 */
static void test_a_quota_that_is_about_to_be_free(void **state)
{
	struct fixture *fixture = *state;
	struct service *next = beside_a_used_up_quota(fixture);

	fixture->busy = "public";
	expect(fixture, "Service/next now\nService/shop soon\nServiceIPPool/other soon"); /* refused */
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/pool", "other");
	expect(fixture, "Service/shop now\nServiceIPPool/other itself now");
	world_label(&fixture->world, &next->meta.annotations, "fairway.dev/pool",
		    "gone"); /* no matter of quota */
	expect(fixture, "Service/next now\nService/shop now\nServiceIPPool/other itself now");
	world_label(&fixture->world, &next->meta.annotations, "fairway.dev/pool", "public");
	world_ingress(&fixture->world, fixture->shop, "192.0.2.0 192.0.2.1"); /* one too many */
	fixture->shop->meta.deleting = true; /* it keeps both until it is gone */
	expect(fixture, "Service/next now\nService/shop now\nServiceIPPool/other soon");
}

/* Who leaves an address that another Service of the namespace shares frees nothing of the quota. */
static void test_a_quota_that_stays_taken(void **state)
{
	struct fixture *fixture = *state;
	struct service *next = world_service(&fixture->world, "w/next");
	struct service *sharer = world_service(&fixture->world, "w/sharer");

	give(fixture);
	next->meta.created_sec = fixture->shop->meta.created_sec - 1; /* it is decided about first */
	world_label(&fixture->world, &next->meta.annotations, "fairway.dev/pool", "public");
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/shared-ip", "k");
	world_label(&fixture->world, &sharer->meta.annotations, "fairway.dev/shared-ip", "k");
	world_ingress(&fixture->world, sharer, "192.0.2.0");
	fixture->pool->quota_per_namespace = 1;
	world_pool(&fixture->world, "other", "198.51.100.0/30")->auto_assign = false;
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/pool", "other");
	fixture->busy = "public";
	expect(fixture,
	       "Service/next now\nService/sharer now\nService/shop now\nServiceIPPool/other itself now");
}

/* What is free soon in a pool that is not for the Service is no reason to wait. */
static void test_a_quota_of_another_pool(void **state)
{
	struct fixture *fixture = *state;
	struct service *next = world_service(&fixture->world, "w/next");
	struct service_ip_pool *full = world_pool(&fixture->world, "full", "203.0.113.0/30");
	struct service *holder = world_service(&fixture->world, "w/holder");

	give(fixture);
	full->quota_per_namespace = fixture->pool->quota_per_namespace = 1;
	world_ingress(&fixture->world, holder, "203.0.113.0");
	world_label(&fixture->world, &next->meta.annotations, "fairway.dev/pool", "full");
	world_pool(&fixture->world, "other", "198.51.100.0/30")->auto_assign = false;
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/pool", "other");
	fixture->busy = "public";
	expect(fixture,
	       "Service/holder now\nService/next now\nService/shop now\nServiceIPPool/full itself now\n"
	       "ServiceIPPool/other itself now");
}

/* … whoever says so: the Service by a name, as above, or the pool by whom it selects. */
static void test_a_quota_of_a_pool_for_others(void **state)
{
	struct fixture *fixture = *state;
	struct service_ip_pool *full = world_pool(&fixture->world, "full", "203.0.113.0/30");
	struct service *holder = world_service(&fixture->world, "w/holder");

	give(fixture);
	world_service(&fixture->world, "w/next");
	full->quota_per_namespace = fixture->pool->quota_per_namespace = 1;
	world_ingress(&fixture->world, holder, "203.0.113.0");
	world_pool(&fixture->world, "other", "198.51.100.0/30")->auto_assign = false;
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/pool", "other");
	fixture->busy = "public";
	expect(fixture,
	       "Service/holder now\nService/shop now\nServiceIPPool/full itself now\n"
	       "ServiceIPPool/other itself now"); /* it is for all: the next round has an address of it */
	fixture->pool->allocation =
		(struct service_allocation){ .present = true,
					     .namespaces = world_words(&fixture->world, "elsewhere") };
	expect(fixture,
	       "Service/holder now\nService/next now\nService/shop now\nServiceIPPool/full itself now\n"
	       "ServiceIPPool/other itself now");
}

/* A status that says too much is written whatever is about to be free: it is what others wait for. */
static void test_what_must_leave_a_status_waits_for_no_quota(void **state)
{
	struct fixture *fixture = *state;
	struct service *next = beside_a_used_up_quota(fixture);

	world_ingress(&fixture->world, next, "198.51.100.0");
	world_label(&fixture->world, &fixture->shop->meta.annotations, "fairway.dev/pool", "other");
	fixture->busy = "public";
	expect(fixture, "Service/shop now\nServiceIPPool/other itself now");
	world_ingress(&fixture->world, next, "198.51.100.0 198.51.100.1"); /* one too many */
	expect(fixture, "Service/next now\nService/shop now\nServiceIPPool/other itself now");
}

static void test_conditions_can_wait(void **state)
{
	struct fixture *fixture = *state;

	give(fixture);
	fixture->busy = "public";
	expect(fixture, "Service/shop soon"); /* what nodes say of it */
	fixture->holds_back = true;
	expect(fixture, "");
	fixture->holds_back = false;
	fixture->no_room = true;
	expect(fixture, "");
	fixture->no_room = false;
	fixture->shop->meta.finalizers.n = 0; /* that is urgent */
	fixture->holds_back = true;
	expect(fixture, "Service/shop now");
}

static void test_a_state_that_is_older_than_known(void **state)
{
	struct fixture *fixture = *state;
	struct addr addr;

	fixture->busy = "public";
	expect(fixture, "Service/shop now");
	assert_int_equal(addr_parse("192.0.2.0", &addr), 0);
	assert_int_equal(ledger_sent(&fixture->ledger, &fixture->shop->meta, &addr, 1, NOW_MSEC), 0);
	ledger_acknowledged(&fixture->ledger, &fixture->shop->meta, 9, NOW_MSEC);
	expect(fixture, "");
	fixture->shop->meta.resource_version = 9;
	give(fixture);
	expect(fixture, "Service/shop soon");
}

/* Its finalizer stays until no node names its address. */
static void test_one_that_goes(void **state)
{
	struct fixture *fixture = *state;
	struct lb_node *node;

	give(fixture);
	node = world_lb_node(&fixture->world, "n1");
	world_report(&fixture->world, node, true, "", "w/shop=192.0.2.0");
	fixture->busy = "public";
	expect(fixture, "Service/shop soon");
	fixture->shop->meta.deleting = true;
	expect(fixture, "");
	node->n_groups = 0;
	ledger_done(&fixture->ledger); /* given long ago, for all that a new leader knows */
	fixture->shop->n_ingress = 0;
	expect(fixture, "Service/shop now");
	fixture->busy = "shop";
	expect(fixture, "ServiceIPPool/public soon unless as read (4)");
}

static void test_one_that_cannot_be_read(void **state)
{
	struct fixture *fixture = *state;

	fixture->shop->unusable = true;
	fixture->shop->meta.refused = "spec: x";
	fixture->shop->load_balancer_class = "fairway.dev/lb";
	fixture->busy = "public";
	expect(fixture, "Service/shop soon");
	fixture->holds_back = true;
	expect(fixture, "");
	fixture->holds_back = false;
	fixture->shop->meta.deleting = true;
	expect(fixture, "");
	fixture->shop->meta.deleting = false;
	fixture->problem =
		(struct condition){ .type = CONDITION_PROBLEM,
				    .status = CONDITION_TRUE,
				    .reason = "Refused",
				    .message = "spec: x; nothing of it is served, and it gets no address" };
	fixture->shop->meta.conditions = (struct conditions){ .items = &fixture->problem, .n = 1 };
	expect(fixture, "");
}

static void test_a_silent_node(void **state)
{
	struct fixture *fixture = *state;
	struct lb_node *node = world_lb_node(&fixture->world, "n1");
	uint64_t now_msec = 1000;

	node->heartbeat_sec = 10;
	node->meta.resource_version = 3;
	fixture->shop->load_balancer_class = "other.example/lb";
	fixture->busy = "public";
	for (unsigned i = 0; i < 60; i++, now_msec += 1000)
		assert_int_equal(
			silence_look(&fixture->silence, world_cluster(&fixture->world), true, now_msec), 0);
	expect(fixture, "LBNode/n1 soon");
	fixture->holds_back = true;
	expect(fixture, "");
	fixture->holds_back = false;
	fixture->busy = "n1";
	expect(fixture, "ServiceIPPool/public soon unless as read (4)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everything_that_is_new),
		TEST(test_conditions_can_wait),
		TEST(test_a_quota_that_is_about_to_be_free),
		TEST(test_a_quota_that_stays_taken),
		TEST(test_a_quota_of_another_pool),
		TEST(test_a_quota_of_a_pool_for_others),
		TEST(test_what_must_leave_a_status_waits_for_no_quota),
		TEST(test_nothing_is_said_of_what_names_the_unknown),
		TEST(test_profiles_and_communities),
		TEST(test_counts_of_a_peer_can_wait_longer),
		TEST(test_a_state_that_is_older_than_known),
		TEST(test_one_that_goes),
		TEST(test_one_that_cannot_be_read),
		TEST(test_a_silent_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
