// SPDX-License-Identifier: Apache-2.0
/* Who announces what to whom: a test per rule of DESIGN section 5. Outcomes are compared whole, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/routes_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/peers.h"
#include "userspace/core/rendezvous.h"

#define CLUSTER POLICY_CLUSTER
#define LOCAL	POLICY_LOCAL

DEFINE_CLEANUP(struct routes_book *, routes_book_free);

static struct strings words(struct world *world, const char *text)
{
	return world_words(world, text);
}

/* One pool, one peer, one service: what everybody begins with. */
static void simple_world(struct world *world)
{
	world_node(world, "n1", "192.168.0.1", NULL);
	world_node(world, "n2", "192.168.0.2", NULL);
	world_pool(world, "public", "192.0.2.0/24 2001:db8:1::/112");
	world_peer(world, "tor", "192.168.0.254");
	routes_service(world, "web/shop", "192.0.2.10", CLUSTER, "n1");
}

static void set_families(struct bgp_peer *peer, bool ipv4, bool ipv6)
{
	peer->ipv4 = ipv4;
	peer->ipv6 = ipv6;
}

static struct node *node_of(struct world *world, const char *name)
{
	return (struct node *)cluster_find_node(world_cluster(world), name);
}

static struct service *service_of(struct world *world, const char *name)
{
	return (struct service *)cluster_find_service(world_cluster(world), "web", name);
}

static struct bgp_peer *peer_of(struct world *world, const char *name)
{
	return (struct bgp_peer *)cluster_find_peer(world_cluster(world), name);
}

static struct service_ip_pool *pool_of(struct world *world, const char *name)
{
	return (struct service_ip_pool *)cluster_find_pool(world_cluster(world), name);
}

/* --- without advertisements ---------------------------------------------------------------------------- */

static void test_everything_without_advertisement(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *problems;

	simple_world(&world);
	set_families(peer_of(&world, "tor"), true, true);
	set_families(world_peer(&world, "abc", "192.168.0.253"), true, false);
	world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24 fd00:1::/64");
	routes_service(&world, "web/dual", "192.0.2.9 2001:db8:1::9", CLUSTER, "n2");
	assert_string_equal(routes_of(&world, "n1", &problems), "10.244.1.0/24 PodCIDR abc\n"
								"10.244.1.0/24 PodCIDR tor\n"
								"192.0.2.9/32 ServiceIP abc web/dual\n"
								"192.0.2.9/32 ServiceIP tor web/dual\n"
								"192.0.2.10/32 ServiceIP abc web/shop\n"
								"192.0.2.10/32 ServiceIP tor web/shop\n"
								"2001:db8:1::9/128 ServiceIP tor web/dual\n"
								"fd00:1::/64 PodCIDR tor\n");
	assert_string_equal(problems, "");
	assert_string_equal(routes_of(&world, "n2", NULL), "192.0.2.9/32 ServiceIP abc web/dual\n"
							   "192.0.2.9/32 ServiceIP tor web/dual\n"
							   "192.0.2.10/32 ServiceIP abc web/shop\n"
							   "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "2001:db8:1::9/128 ServiceIP tor web/dual\n");
	assert_string_equal(routes_of(&world, "unknown", NULL), "");
}

static void test_one_advertisement_of_any_type_selects_alone(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24");
	world_advertisement(&world, "pods")->type = ADVERTISE_POD_CIDR;
	assert_string_equal(routes_of(&world, "n1", NULL), "10.244.1.0/24 PodCIDR tor\n");
	world_advertisement(&world, "services");
	assert_string_equal(routes_of(&world, "n1", NULL), "10.244.1.0/24 PodCIDR tor\n"
							   "192.0.2.10/32 ServiceIP tor web/shop\n");
}

/* --- peers --------------------------------------------------------------------------------------------- */

static void test_peer_node_selectors(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	world_label(&world, &node_of(&world, "n1")->meta.labels, "rack", "a");
	peer_of(&world, "tor")->node_selectors = world_selectors(&world, "rack=a");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_string_equal(routes_of(&world, "n2", NULL), "");
}

static void test_unusable_peers(void **state _unused_)
{
	static const struct {
		const char *field, *problem;
	} rows[] = {
		{ "asn", "spec.peerASN" },     { "my-asn", "spec.myASN" },	    { "vrf", "spec.vrf" },
		{ "both", "spec.peerASN" },    { "ttl", "spec.ttlSecurity" },	    { "source", "spec.sourceAddress" },
		{ "secret", "passwordSecret" }, { "feed", "control character" },    { "blank", "blank" },
		{ "hold", "spec.holdTime" },   { "keepalive", "spec.keepaliveTime" }, { "families", "addressFamilies" },
		{ "multicast", "spec.peerAddress" }, { "link-local", "link-local" }, { "own", "node n1 itself" },
		{ "interface", "spec.interface" }, { "nowhere", "spec.peerAddress" }, { "local-as", "spec.localASN" },
		{ "no-password", "no data.password" }, { "long", "more than 80" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		const char *field = rows[i].field, *problems, *routes;
		struct bgp_peer *peer;

		simple_world(&world);
		world_secret(&world, "fairway-system/feed", "secret\n");
		world_secret(&world, "fairway-system/blank", "sec ret");
		world_secret(&world, "fairway-system/no-password", NULL);
		world_secret(&world, "fairway-system/long",
			     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901");
		world_secret(&world, "other/secret", "fine");
		peer = world_peer(&world, "bad", "192.168.0.253");
		if (!strcmp(field, "asn"))
			peer->peer_asn = 0;
		else if (!strcmp(field, "my-asn"))
			peer->my_asn = 0;
		else if (!strcmp(field, "both"))
			peer->dynamic_asn = DYNAMIC_ASN_EXTERNAL;
		else if (!strcmp(field, "vrf"))
			peer->vrf = "red";
		else if (!strcmp(field, "ttl"))
			peer->ttl_security = 1, peer->ebgp_multi_hop = true;
		else if (!strcmp(field, "source"))
			addr_parse("fd00::1", &peer->source_address);
		else if (!strcmp(field, "hold"))
			peer->hold_time_sec = 2;
		else if (!strcmp(field, "keepalive"))
			peer->hold_time_sec = peer->keepalive_time_sec = 9;
		else if (!strcmp(field, "families"))
			peer->ipv4 = false;
		else if (!strcmp(field, "multicast"))
			addr_parse("224.0.0.5", &peer->peer_address);
		else if (!strcmp(field, "link-local"))
			addr_parse("fe80::1", &peer->peer_address);
		else if (!strcmp(field, "own"))
			addr_parse("192.168.0.1", &peer->peer_address);
		else if (!strcmp(field, "nowhere"))
			peer->peer_address = (struct addr){ 0 };
		else if (!strcmp(field, "interface"))
			peer->peer_address = (struct addr){ 0 }, peer->interface = "eth0\nno router bgp";
		else if (!strcmp(field, "local-as"))
			peer->local_asn = peer->peer_asn;
		else
			peer->password_secret = field;
		routes = routes_of(&world, "n1", &problems);
		assert_string_equal(routes, "192.0.2.10/32 ServiceIP tor web/shop\n");
		if (strncmp(problems, "BGPPeer/bad ", 12) || !strstr(problems, rows[i].problem))
			fail_msg("%s: problems are \"%s\"", field, problems);
	}
}

/* Who read it has told what is wrong: once is enough. */
static void test_peer_that_was_refused(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *problems;
	struct bgp_peer *peer;

	simple_world(&world);
	peer = world_peer(&world, "bad", "192.168.0.253");
	peer->unusable = true;
	assert_false(peer_selects_node(peer, node_of(&world, "n1")));
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_string_equal(problems, "");
	*peer = (struct bgp_peer){ .meta = peer->meta, .unusable = true };
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_string_equal(problems, "");
}

static void test_peer_stays_without_its_bfd_profile(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bfd_profile *profile;
	const char *problems;

	simple_world(&world);
	peer_of(&world, "tor")->bfd_profile = "fast";
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_non_null(strstr(problems, "BGPPeer/tor spec.bfdProfile: BFDProfile/fast not found"));
	profile = world_bfd_profile(&world, "fast");
	routes_of(&world, "n1", &problems);
	assert_string_equal(problems, "");
	profile->unusable = true;
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_non_null(strstr(problems, "BGPPeer/tor spec.bfdProfile: BFDProfile/fast was refused: the session goes on"));
}

static void test_two_peers_with_one_neighbour(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *problems;

	simple_world(&world);
	world_peer(&world, "abc", "192.168.0.254")->meta.created_sec = 2000; /* first by name, but younger */
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_non_null(strstr(problems, "BGPPeer/abc spec.peerAddress: the same neighbour as BGPPeer/tor"));
}

static void test_one_as_number_per_node(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer;
	const char *problems;

	simple_world(&world);
	world_peer(&world, "tor2", "192.168.0.253");
	world_peer(&world, "other-as", "192.168.0.252")->my_asn = 65100; /* goes by local-as */
	peer = world_peer(&world, "rr", "192.168.0.251");
	peer->my_asn = peer->peer_asn = 65200; /* internal: its AS becomes the node's */
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP other-as web/shop\n"
								"192.0.2.10/32 ServiceIP rr web/shop\n"
								"192.0.2.10/32 ServiceIP tor web/shop\n"
								"192.0.2.10/32 ServiceIP tor2 web/shop\n");
	assert_string_equal(problems, "");
	peer = world_peer(&world, "rr2", "192.168.0.250");
	peer->my_asn = peer->peer_asn = 65300; /* internal in a second AS: impossible beside */
	assert_null(strstr(routes_of(&world, "n1", &problems), "rr2"));
	assert_non_null(strstr(problems, "BGPPeer/rr2 spec.myASN: 65300: this node speaks as AS 65200"));
}

/* --- which services ------------------------------------------------------------------------------------ */

static void test_endpoints_and_policies(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	routes_service(&world, "web/none", "192.0.2.11", CLUSTER, "");
	routes_service(&world, "web/unready", "192.0.2.12", CLUSTER, "n1/ n2/");
	routes_service(&world, "web/leaving", "192.0.2.13", CLUSTER, "n2/st");
	routes_service(&world, "web/local", "192.0.2.14", LOCAL, "n2");
	routes_service(&world, "web/local-both", "192.0.2.15", LOCAL, "n1 n2");
	routes_service(&world, "web/local-leaving", "192.0.2.16", LOCAL, "n1/st n2");
	routes_service(&world, "web/local-none", "192.0.2.17", LOCAL, "n1/ n2/");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "192.0.2.13/32 ServiceIP tor web/leaving\n"
							   "192.0.2.15/32 ServiceIP tor web/local-both\n"
							   "192.0.2.16/32 ServiceIP tor web/local-leaving\n");
	assert_string_equal(routes_of(&world, "n2", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "192.0.2.13/32 ServiceIP tor web/leaving\n"
							   "192.0.2.14/32 ServiceIP tor web/local\n"
							   "192.0.2.15/32 ServiceIP tor web/local-both\n"
							   "192.0.2.16/32 ServiceIP tor web/local-leaving\n");
}

static void test_families_have_endpoints_of_their_own(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct service *service;

	simple_world(&world);
	set_families(peer_of(&world, "tor"), true, true);
	service = routes_service(&world, "web/dual", "192.0.2.20 2001:db8:1::20", CLUSTER, "");
	world_slice(&world, "web/only6", service->meta.name, "http:TCP:8080", "fd00::5@n1");
	assert_string_equal(routes_of(&world, "n2", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "2001:db8:1::20/128 ServiceIP tor web/dual\n");
}

static void test_only_nodes_with_endpoints(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	world_advertisement(&world, "all")->only_nodes_with_endpoints = true;
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_string_equal(routes_of(&world, "n2", NULL), "");
}

static void test_not_ours_deleting_not_accepted(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(routes_done) struct routes routes = { 0 };
	static const char *const names[] = { "elsewhere/x", "web/shop", "web/zzz" };
	struct accepted accepted = { .services = names, .n = 3 };
	struct plan_options options = { .node = "n1", .default_class = true };
	struct node_plan plan;

	simple_world(&world);
	routes_service(&world, "web/foreign", "192.0.2.11", CLUSTER, "n1")->load_balancer_class = "example.com/other";
	routes_service(&world, "web/classless", "192.0.2.12", CLUSTER, "n1")->load_balancer_class = NULL;
	routes_service(&world, "web/deleting", "192.0.2.13", CLUSTER, "n1")->meta.deleting = true;
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
	routes_plan(&world, &plan);
	assert_int_equal(routes_decide(&world.cluster, &options, &plan, NULL, &routes), 0);
	assert_string_equal(routes_text(&world, &routes), "192.0.2.10/32 ServiceIP tor web/shop\n"
							  "192.0.2.12/32 ServiceIP tor web/classless\n");
	routes_done(&routes);
	assert_int_equal(routes_decide(&world.cluster, &options, &plan, &accepted, &routes), 0);
	assert_string_equal(routes_text(&world, &routes), "192.0.2.10/32 ServiceIP tor web/shop\n");
	routes_done(&routes);
	accepted.n = 0;
	assert_int_equal(routes_decide(&world.cluster, &options, &plan, &accepted, &routes), 0);
	assert_string_equal(routes_text(&world, &routes), "");
}

static void test_shared_address(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	routes_service(&world, "web/also", "192.0.2.10", CLUSTER, "n2");
	routes_service(&world, "a-b/also", "192.0.2.10", CLUSTER, "n2"); /* "a-b/" sorts before "a/" as text */
	routes_service(&world, "a/also", "192.0.2.10", CLUSTER, "n2");
	assert_string_equal(routes_of(&world, "n1", NULL),
			    "192.0.2.10/32 ServiceIP tor a-b/also a/also web/also web/shop\n");
}

/* --- which nodes --------------------------------------------------------------------------------------- */

static void test_exclude_label(void **state _unused_)
{
	static const struct {
		const char *value;
		bool excludes;
	} rows[] = {
		{ "false", false }, { "False", false }, { "FALSE", false }, { "f", false }, { "F", false },
		{ "0", false },	    { "true", true },	{ "1", true },	    { "", true },   { "no", true },
		{ "fALSE", true },  { "00", true },	{ " false", true },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };

		simple_world(&world);
		world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24");
		world_label(&world, &node_of(&world, "n1")->meta.labels,
			    "node.kubernetes.io/exclude-from-external-load-balancers", rows[i].value);
		assert_string_equal(routes_of(&world, "n1", NULL),
				    rows[i].excludes ? "10.244.1.0/24 PodCIDR tor\n"
						     : "10.244.1.0/24 PodCIDR tor\n192.0.2.10/32 ServiceIP tor web/shop\n");
	}
}

static void test_node_states(void **state _unused_)
{
	static const struct {
		const char *name;
		bool withdraws;
	} rows[] = {
		{ "network", true }, { "autoscaler", true }, { "deleted", true }, { "cordon", false }, { "other", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		struct node *node;

		simple_world(&world);
		node = node_of(&world, "n1");
		world_pod_cidrs(&world, node, "10.244.1.0/24");
		if (!strcmp(rows[i].name, "network"))
			node->network_unavailable = true;
		if (!strcmp(rows[i].name, "deleted"))
			node->meta.deleting = true;
		if (!strcmp(rows[i].name, "autoscaler"))
			world_taint(&world, node, "ToBeDeletedByClusterAutoscaler", TAINT_PREFER_NO_SCHEDULE);
		if (!strcmp(rows[i].name, "cordon")) {
			node->unschedulable = true;
			world_taint(&world, node, "node.kubernetes.io/unschedulable", TAINT_NO_SCHEDULE);
		}
		if (!strcmp(rows[i].name, "other"))
			world_taint(&world, node, "node.kubernetes.io/not-ready", TAINT_NO_EXECUTE);
		assert_string_equal(routes_of(&world, "n1", NULL),
				    rows[i].withdraws ? "10.244.1.0/24 PodCIDR tor\n"
						      : "10.244.1.0/24 PodCIDR tor\n192.0.2.10/32 ServiceIP tor web/shop\n");
	}
}

static void test_drain_on_taints(void **state _unused_)
{
	static const struct {
		const char *key;
		enum taint_effect effect;
		struct toleration toleration;
		bool withdraws;
	} rows[] = {
		{ "maintenance", TAINT_NO_SCHEDULE, { 0 }, true },
		{ "maintenance", TAINT_NO_EXECUTE, { 0 }, true },
		{ "maintenance", TAINT_PREFER_NO_SCHEDULE, { 0 }, false },
		{ "node.kubernetes.io/unschedulable", TAINT_NO_SCHEDULE, { 0 }, false }, /* a bare cordon */
		{ "a", TAINT_NO_SCHEDULE, { .key = "a", .exists = true, .any_effect = true }, false },
		{ "a", TAINT_NO_SCHEDULE, { .key = "b", .exists = true, .any_effect = true }, true },
		{ "a", TAINT_NO_SCHEDULE, { .key = "a", .value = "", .any_effect = true }, false },
		{ "a", TAINT_NO_SCHEDULE, { .key = "a", .value = "x", .any_effect = true }, true },
		{ "a", TAINT_NO_SCHEDULE, { .key = "a", .exists = true, .effect = TAINT_NO_EXECUTE }, true },
		{ "a", TAINT_NO_EXECUTE, { .key = "a", .exists = true, .effect = TAINT_NO_EXECUTE }, false },
		{ "a", TAINT_NO_EXECUTE, { .key = "", .exists = true, .any_effect = true }, false },
		{ "a", TAINT_NO_EXECUTE, { .key = "", .exists = false, .any_effect = true }, true },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		struct bgp_advertisement *advertisement;
		struct toleration toleration = rows[i].toleration;

		simple_world(&world);
		world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24");
		world_taint(&world, node_of(&world, "n1"), rows[i].key, rows[i].effect);
		advertisement = world_advertisement(&world, "pods");
		advertisement->type = ADVERTISE_POD_CIDR;
		advertisement->drain_on_taints = true;
		advertisement = world_advertisement(&world, "services");
		advertisement->tolerations = &toleration;
		advertisement->n_tolerations = toleration.key ? 1 : 0;
		assert_non_null(strstr(routes_of(&world, "n1", NULL), "192.0.2.10/32")); /* off by default */
		advertisement->drain_on_taints = true;
		if (!strstr(routes_of(&world, "n1", NULL), "192.0.2.10/32") != rows[i].withdraws)
			fail_msg("row %zu", i);
		assert_non_null(strstr(routes_of(&world, "n1", NULL), "10.244.1.0/24 PodCIDR tor\n"));
	}
}

static void test_service_node_selector(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *problems;

	simple_world(&world);
	world_label(&world, &node_of(&world, "n1")->meta.labels, "rack", "a");
	world_label(&world, &service_of(&world, "shop")->meta.annotations, "fairway.dev/node-selector", "rack in (a,b)");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
	assert_string_equal(routes_of(&world, "n2", NULL), "");
	world_label(&world, &service_of(&world, "shop")->meta.annotations, "fairway.dev/node-selector", "rack in a");
	assert_string_equal(routes_of(&world, "n1", &problems), "");
	assert_non_null(strstr(problems, "Service/web/shop metadata.annotations[fairway.dev/node-selector]: rack in a"));
}

static void test_pool_node_selectors(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	world_label(&world, &node_of(&world, "n2")->meta.labels, "edge", "");
	pool_of(&world, "public")->node_selectors = world_selectors(&world, "edge");
	assert_string_equal(routes_of(&world, "n1", NULL), "");
	assert_string_equal(routes_of(&world, "n2", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
}

/* --- advertisements ------------------------------------------------------------------------------------ */

static void test_pools_by_name_and_selector_unite(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement;

	simple_world(&world);
	world_label(&world, &world_pool(&world, "blue", "198.51.100.0/25")->meta.labels, "tier", "gold");
	world_pool(&world, "green", "198.51.100.128/25");
	routes_service(&world, "web/blue", "198.51.100.1", CLUSTER, "n1");
	routes_service(&world, "web/green", "198.51.100.200", CLUSTER, "n1");
	routes_service(&world, "web/poolless", "203.0.113.7", CLUSTER, "n1");
	advertisement = world_advertisement(&world, "some");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "198.51.100.1/32 ServiceIP tor web/blue\n"
							   "198.51.100.200/32 ServiceIP tor web/green\n"
							   "203.0.113.7/32 ServiceIP tor web/poolless\n");
	advertisement->pools = words(&world, "public");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
	advertisement->pool_selectors = world_selectors(&world, "tier=gold");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n"
							   "198.51.100.1/32 ServiceIP tor web/blue\n");
	advertisement->pools = (struct strings){ 0 };
	assert_string_equal(routes_of(&world, "n1", NULL), "198.51.100.1/32 ServiceIP tor web/blue\n");
}

static void test_advertisement_selectors(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement;
	const char *problems;

	simple_world(&world);
	world_peer(&world, "spine", "192.168.0.253");
	world_label(&world, &routes_service(&world, "web/gold", "192.0.2.11", CLUSTER, "n1")->meta.labels, "tier", "gold");
	world_label(&world, &node_of(&world, "n2")->meta.labels, "rack", "b");
	advertisement = world_advertisement(&world, "some");
	advertisement->service_selectors = world_selectors(&world, "tier=gold");
	advertisement->node_selectors = world_selectors(&world, "rack");
	advertisement->peers = words(&world, "spine gone");
	assert_string_equal(routes_of(&world, "n1", NULL), "");
	assert_string_equal(routes_of(&world, "n2", &problems), "192.0.2.11/32 ServiceIP spine web/gold\n");
	assert_string_equal(problems, "BGPAdvertisement/some spec.peers: BGPPeer/gone not found: nothing is announced to it\n");
	advertisement->peers = words(&world, "gone");
	assert_string_equal(routes_of(&world, "n2", NULL), "");
}

static void test_communities_unite_and_local_pref(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *a, *b;
	struct bgp_peer *internal;
	const char *problems;

	simple_world(&world);
	world_community(&world, "names", "rack", "65000:7");
	internal = world_peer(&world, "rr", "192.168.0.253");
	internal->peer_asn = internal->my_asn;
	a = world_advertisement(&world, "a");
	a->communities = words(&world, "no-export 65000:7 large:1:2:3");
	a->local_pref = 100;
	b = world_advertisement(&world, "b");
	b->communities = words(&world, "rack 65000:1");
	b->local_pref = 100;
	assert_string_equal(routes_of(&world, "n1", &problems),
			    "192.0.2.10/32 ServiceIP rr pref=100 65000:1 65000:7 65535:65281 large:1:2:3 web/shop\n"
			    "192.0.2.10/32 ServiceIP tor 65000:1 65000:7 65535:65281 large:1:2:3 web/shop\n");
	assert_string_equal(problems, "");
	b->local_pref = 200;
	assert_non_null(strstr(routes_of(&world, "n1", &problems), "rr pref=200 "));
	assert_non_null(strstr(problems, "BGPAdvertisement/a spec.localPref: 100, but BGPAdvertisement/b"));
	assert_non_null(strstr(problems, "BGPAdvertisement/b spec.localPref: 200, but BGPAdvertisement/a"));
	b->local_pref = 0; /* says nothing, so does not differ */
	assert_non_null(strstr(routes_of(&world, "n1", &problems), "rr pref=100 "));
	assert_string_equal(problems, "");
	b->local_pref = 200;
	b->peers = words(&world, "tor"); /* no prefix and peer in common with internal ones */
	a->peers = words(&world, "rr");
	assert_string_equal(routes_of(&world, "n1", &problems),
			    "192.0.2.10/32 ServiceIP rr pref=100 65000:7 65535:65281 large:1:2:3 web/shop\n"
			    "192.0.2.10/32 ServiceIP tor 65000:1 65000:7 web/shop\n");
	assert_string_equal(problems, "");
}

static void test_unknown_community_disables_the_advertisement(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement;
	const char *problems;

	simple_world(&world);
	advertisement = world_advertisement(&world, "leaky");
	advertisement->communities = words(&world, "65000:1 no-exprt");
	assert_string_equal(routes_of(&world, "n1", &problems), ""); /* it still is an advertisement: not everything */
	assert_string_equal(problems, "BGPAdvertisement/leaky spec.communities: neither a community nor a known alias: "
				      "no-exprt; the advertisement is not used\n");
	world_advertisement(&world, "other")->communities = words(&world, "65000:2");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor 65000:2 web/shop\n");
}

static void test_refused_advertisement_is_still_one(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	simple_world(&world);
	world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24");
	world_advertisement(&world, "refused")->unusable = true;
	assert_string_equal(routes_of(&world, "n1", NULL), "");
	world_advertisement(&world, "fine");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
}

static void test_aggregates(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement;
	const char *problems;

	simple_world(&world);
	set_families(peer_of(&world, "tor"), true, true);
	routes_service(&world, "web/next", "192.0.2.11 2001:db8:1::11", CLUSTER, "n1");
	routes_service(&world, "web/far", "192.0.2.200", CLUSTER, "n1");
	routes_service(&world, "web/local", "192.0.2.12", LOCAL, "n1");
	routes_service(&world, "web/idle", "192.0.2.13", CLUSTER, "");
	advertisement = world_advertisement(&world, "wide");
	advertisement->aggregation_length = 25;
	advertisement->aggregation_length_v6 = 120;
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.0/25 ServiceIP tor web/next web/shop\n"
								"192.0.2.12/32 ServiceIP tor web/local\n"
								"192.0.2.128/25 ServiceIP tor web/far\n"
								"2001:db8:1::/120 ServiceIP tor web/next\n");
	assert_string_equal(problems, "");
	advertisement->aggregation_length = 23;
	advertisement->aggregation_length_v6 = 111;
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.10/32 ServiceIP tor web/shop\n"
								"192.0.2.11/32 ServiceIP tor web/next\n"
								"192.0.2.12/32 ServiceIP tor web/local\n"
								"192.0.2.200/32 ServiceIP tor web/far\n"
								"2001:db8:1::11/128 ServiceIP tor web/next\n");
	assert_string_equal(problems,
			    "BGPAdvertisement/wide spec.aggregationLength: the aggregate 192.0.2.0/23 is wider than "
			    "ServiceIPPool/public: exact routes are announced\n"
			    "BGPAdvertisement/wide spec.aggregationLengthV6: the aggregate 2001:db8:1::/111 is wider than "
			    "ServiceIPPool/public: exact routes are announced\n");
}

/* Each advertisement announces in its own way: exact routes of one stand beside the aggregate of another. */
static void test_aggregate_beside_exact(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement;

	simple_world(&world);
	advertisement = world_advertisement(&world, "aggregate");
	advertisement->aggregation_length = 24;
	advertisement->communities = words(&world, "65000:24");
	world_advertisement(&world, "exact")->communities = words(&world, "no-export");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.0/24 ServiceIP tor 65000:24 web/shop\n"
							   "192.0.2.10/32 ServiceIP tor 65535:65281 web/shop\n");
}

static void test_aggregate_and_the_pool_s_ranges(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *problems;

	simple_world(&world);
	pool_of(&world, "public")->addresses = words(&world, "192.0.2.128/25 192.0.2.0-192.0.2.127"); /* together a /24 */
	world_advertisement(&world, "aggregate")->aggregation_length = 24;
	assert_string_equal(routes_of(&world, "n1", &problems), "192.0.2.0/24 ServiceIP tor web/shop\n");
	assert_string_equal(problems, "");
	pool_of(&world, "public")->addresses = words(&world, "192.0.2.128/25 192.0.2.0-192.0.2.126");
	assert_string_equal(routes_of(&world, "n1", NULL), "192.0.2.10/32 ServiceIP tor web/shop\n");
}

/* --- maxNextHops --------------------------------------------------------------------------------------- */

static size_t announcers(struct world *world, size_t n_nodes, char announced[][64])
{
	size_t i, total = 0;
	char name[8], line[80];

	for (i = 0; i < n_nodes; i++) {
		const char *routes;
		size_t j;

		snprintf(name, sizeof(name), "n%zu", i + 1);
		routes = routes_of(world, name, NULL);
		for (j = 0; j < 64; j++) {
			snprintf(line, sizeof(line), "192.0.2.%zu/32 ", j + 100);
			announced[i][j] = strstr(routes, line) != NULL;
			total += announced[i][j];
		}
	}
	return total;
}

static void many_world(struct world *world, size_t n_nodes, uint32_t max_next_hops)
{
	char name[32], address[32];
	size_t i;

	world_pool(world, "public", "192.0.2.0/24");
	world_peer(world, "tor", "192.168.0.254");
	world_advertisement(world, "few")->max_next_hops = max_next_hops;
	for (i = 0; i < n_nodes; i++) {
		snprintf(name, sizeof(name), "n%zu", i + 1);
		snprintf(address, sizeof(address), "192.168.0.%zu", i + 1);
		world_node(world, name, address, NULL);
	}
	for (i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "web/s%zu", i);
		snprintf(address, sizeof(address), "192.0.2.%zu", i + 100);
		routes_service(world, name, address, CLUSTER, "n1");
	}
}

static void test_max_next_hops(void **state _unused_)
{
	cleanup(world_done) struct world six = { 0 }, five = { 0 };
	char before[6][64], after[6][64];
	size_t i, j, count;

	many_world(&six, 6, 2);
	assert_int_equal(announcers(&six, 6, before), 128); /* two each: 64 services */
	for (j = 0; j < 64; j++) {
		for (count = 0, i = 0; i < 6; i++)
			count += before[i][j];
		assert_int_equal(count, 2);
	}
	for (i = 0; i < 6; i++) { /* spread: 21.3 on average; none idle, none with everything */
		for (count = 0, j = 0; j < 64; j++)
			count += before[i][j];
		assert_in_range(count, 8, 40);
	}
	many_world(&five, 5, 2); /* n6 left: only what it announced moves */
	assert_int_equal(announcers(&five, 5, after), 128);
	for (i = 0; i < 5; i++)
		for (j = 0; j < 64; j++)
			assert_true(before[5][j] ? after[i][j] >= before[i][j] : after[i][j] == before[i][j]);
}

/* Counted after every other filter: nodes that may not announce take no place. */
static void test_max_next_hops_counts_last(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	char announced[6][64];

	many_world(&world, 6, 2);
	world_label(&world, &node_of(&world, "n1")->meta.labels,
		    "node.kubernetes.io/exclude-from-external-load-balancers", "");
	node_of(&world, "n2")->network_unavailable = true;
	world_label(&world, &node_of(&world, "n3")->meta.labels, "no", "peer");
	peer_of(&world, "tor")->node_selectors = world_selectors(&world, "!no");
	world_label(&world, &node_of(&world, "n4")->meta.labels, "not", "wanted");
	pool_of(&world, "public")->node_selectors = world_selectors(&world, "!not");
	assert_int_equal(announcers(&world, 6, announced), 128);
	assert_int_equal(announcers(&world, 4, announced), 0);
}

static void test_max_next_hops_of_local(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	const char *routes[3];

	simple_world(&world);
	world_node(&world, "n3", "192.168.0.3", NULL);
	world_advertisement(&world, "one")->max_next_hops = 1;
	service_of(&world, "shop")->external_policy = LOCAL; /* its endpoint is on n1 alone */
	routes[0] = routes_of(&world, "n1", NULL);
	assert_string_equal(routes[0], "192.0.2.10/32 ServiceIP tor web/shop\n");
	routes_endpoints(&world, service_of(&world, "shop"), "more", "n3");
	routes[0] = routes_of(&world, "n1", NULL);
	routes[1] = routes_of(&world, "n2", NULL);
	routes[2] = routes_of(&world, "n3", NULL);
	assert_string_equal(routes[1], "");
	assert_int_equal(strlen(routes[0]) != 0, strlen(routes[2]) == 0);
}

/* --- who says so in its LBNode ------------------------------------------------------------------------- */

static bool reports(struct world *world, const char *node, const char *service, bool *ret_announces)
{
	cleanup(routes_book_freep) struct routes_book *book = routes_book_new();
	const struct plan_options options = { .node = node };
	struct node_plan plan;
	struct routes routes;
	size_t i, j;

	routes_plan(world, &plan);
	assert_int_equal(routes_book_update(book, &world->cluster, &options, &plan, NULL, NULL, &routes), 0);
	*ret_announces = false;
	for (i = 0; i < routes.n; i++)
		for (j = 0; j < routes.items[i].services.n; j++)
			*ret_announces |= !strcmp(routes.items[i].services.items[j], service);
	routes_done(&routes);
	return routes_book_is_reporter(book, service);
}

static void count_reporters(struct world *world, size_t n_nodes, const char *service, size_t *ret_announcing,
			    size_t *ret_others)
{
	bool announces;
	char name[8];
	size_t i;

	*ret_announcing = *ret_others = 0;
	for (i = 1; i <= n_nodes; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		if (reports(world, name, service, &announces))
			++*(announces ? ret_announcing : ret_others);
	}
}

static void test_reporters(void **state _unused_)
{
	cleanup(world_done) struct world everywhere = { 0 }, few = { 0 };
	size_t announcing, others;

	many_world(&everywhere, 40, 0);
	count_reporters(&everywhere, 40, "web/s7", &announcing, &others);
	assert_int_equal(announcing, ROUTE_REPORTERS);
	assert_int_equal(others, 0); /* everybody announces it */
	count_reporters(&everywhere, 40, "web/unknown", &announcing, &others);
	assert_int_equal(announcing + others, 0);
	service_of(&everywhere, "s7")->external_policy = LOCAL; /* its endpoint is on n1 alone, whatever its rank */
	count_reporters(&everywhere, 40, "web/s7", &announcing, &others);
	assert_int_equal(announcing, 1);
	assert_in_range(others, ROUTE_REPORTERS - 1, ROUTE_REPORTERS);
	many_world(&few, 40, 3);
	count_reporters(&few, 40, "web/s7", &announcing, &others);
	assert_int_equal(announcing, 3); /* each of those that were chosen */
	assert_int_equal(others, ROUTE_REPORTERS - 3);
}

/* An aggregate is one route: its next hops are chosen by its own address, not by those of its services. */
static void test_max_next_hops_of_an_aggregate(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	size_t i, announcing = 0;
	char name[8];

	many_world(&world, 6, 2);
	((struct bgp_advertisement *)world_cluster(&world)->advertisements[0])->aggregation_length = 24;
	for (i = 1; i <= 6; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		announcing += !strncmp(routes_of(&world, name, NULL), "192.0.2.0/24 ServiceIP tor web/s0 ", 34);
	}
	assert_int_equal(announcing, 2);
}

/* Nodes of different versions must agree: the scores are fixed for ever. */
static void test_rendezvous_scores(void **state _unused_)
{
	struct prefix prefix;

	prefix_parse("192.0.2.10/32", &prefix);
	assert_true(rendezvous_score("n1", &prefix) == UINT64_C(0xe5f440dd4df1af82));
	prefix_parse("2001:db8::a/128", &prefix);
	assert_true(rendezvous_score("node-17.example.com", &prefix) == UINT64_C(0xa20dd149524b5684));
}

/* --- the book ------------------------------------------------------------------------------------------ */

static void check_book(struct world *world, struct routes_book *book, const char *changed)
{
	cleanup(routes_done) struct routes routes = { 0 }, expected = { 0 };
	struct plan_options options = { .node = "n1" };
	struct strings names = words(world, changed ? changed : "");
	struct node_plan plan;

	routes_plan(world, &plan);
	assert_int_equal(routes_book_update(book, &world->cluster, &options, &plan, changed ? &names : NULL, NULL, &routes), 0);
	assert_int_equal(routes_decide(&world->cluster, &options, &plan, NULL, &expected), 0);
	assert_string_equal(routes_text(world, &routes), routes_text(world, &expected));
	assert_string_equal(problems_text(world, &routes.problems), problems_text(world, &expected.problems));
}

/* Any sequence of changes told to the book gives what a fresh decision gives. */
static void test_book_follows_changes(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(routes_book_freep) struct routes_book *book = routes_book_new();
	struct service *service;
	unsigned i;
	char name[32], vips[64];

	simple_world(&world);
	world_pod_cidrs(&world, node_of(&world, "n1"), "10.244.1.0/24");
	check_book(&world, book, NULL);
	srandom(1);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "web/x%ld", random() % 12);
		service = (struct service *)cluster_find_service(world_cluster(&world), "web", name + 4);
		snprintf(vips, sizeof(vips), "192.0.2.%ld 192.0.2.%ld", 50 + random() % 6, 100 + random() % 6);
		if (!service) {
			service = routes_service(&world, name, vips, random() % 2 ? CLUSTER : LOCAL, "n1");
		} else if (random() % 3) {
			world_ingress(&world, service, vips);
		} else {
			service->meta.deleting = !service->meta.deleting;
		}
		if (!(random() % 5))
			world_label(&world, &service->meta.annotations, "fairway.dev/node-selector",
				    random() % 2 ? "a b" : "!rack");
		check_book(&world, book, name);
	}
	check_book(&world, book, "web/never-was nonsense");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_without_advertisement),
		cmocka_unit_test(test_one_advertisement_of_any_type_selects_alone),
		cmocka_unit_test(test_peer_node_selectors),
		cmocka_unit_test(test_unusable_peers),
		cmocka_unit_test(test_peer_that_was_refused),
		cmocka_unit_test(test_peer_stays_without_its_bfd_profile),
		cmocka_unit_test(test_two_peers_with_one_neighbour),
		cmocka_unit_test(test_one_as_number_per_node),
		cmocka_unit_test(test_endpoints_and_policies),
		cmocka_unit_test(test_families_have_endpoints_of_their_own),
		cmocka_unit_test(test_only_nodes_with_endpoints),
		cmocka_unit_test(test_not_ours_deleting_not_accepted),
		cmocka_unit_test(test_shared_address),
		cmocka_unit_test(test_exclude_label),
		cmocka_unit_test(test_node_states),
		cmocka_unit_test(test_drain_on_taints),
		cmocka_unit_test(test_service_node_selector),
		cmocka_unit_test(test_pool_node_selectors),
		cmocka_unit_test(test_pools_by_name_and_selector_unite),
		cmocka_unit_test(test_advertisement_selectors),
		cmocka_unit_test(test_communities_unite_and_local_pref),
		cmocka_unit_test(test_unknown_community_disables_the_advertisement),
		cmocka_unit_test(test_refused_advertisement_is_still_one),
		cmocka_unit_test(test_aggregates),
		cmocka_unit_test(test_aggregate_beside_exact),
		cmocka_unit_test(test_aggregate_and_the_pool_s_ranges),
		cmocka_unit_test(test_max_next_hops),
		cmocka_unit_test(test_max_next_hops_counts_last),
		cmocka_unit_test(test_reporters),
		cmocka_unit_test(test_max_next_hops_of_local),
		cmocka_unit_test(test_max_next_hops_of_an_aggregate),
		cmocka_unit_test(test_rendezvous_scores),
		cmocka_unit_test(test_book_follows_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
