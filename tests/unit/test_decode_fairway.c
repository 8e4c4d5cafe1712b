// SPDX-License-Identifier: Apache-2.0
/* k8s/decode_fairway: the objects of fairway.dev, and their defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/decode_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static void test_pool(void **state _unused_)
{
	cleanup(object_freep) struct object *object =
		decode_good("apiVersion: fairway.dev/v1alpha1\n"
			    "kind: ServiceIPPool\n"
			    "metadata: {name: public}\n"
			    "spec:\n"
			    "  addresses: [192.0.2.0/24, 2001:db8::1-2001:db8::9, nonsense]\n"
			    "  autoAssign: false\n"
			    "  avoidBuggyIPs: true\n"
			    "  serviceAllocation:\n"
			    "    priority: 50\n"
			    "    namespaces: [web]\n"
			    "    namespaceSelectors: [{matchLabels: {team: a}}]\n"
			    "    serviceSelectors:\n"
			    "    - matchExpressions:\n"
			    "      - {key: app, operator: NotIn, values: [x, y]}\n"
			    "      - {key: tier, operator: Exists}\n"
			    "    - {}\n"
			    "  quota: {perNamespace: 3}\n"
			    "  nodeSelectors: [{matchLabels: {rack: r1, row: \"7\"}}]\n");
	const struct service_ip_pool *pool = &object->pool;
	const struct selector *selector = &pool->allocation.service_selectors.items[0];

	assert_int_equal(pool->addresses.n, 3); /* what they mean is the allocator's to say */
	assert_false(pool->auto_assign);
	assert_true(pool->avoid_buggy_ips);
	assert_false(pool->disabled);
	assert_true(pool->allocation.present);
	assert_int_equal(pool->allocation.priority, 50);
	assert_string_equal(pool->allocation.namespaces.items[0], "web");
	assert_int_equal(pool->allocation.service_selectors.n, 2);
	assert_int_equal(selector->n, 2);
	assert_int_equal(selector->requirements[0].operator, SELECTOR_NOT_IN);
	assert_int_equal(selector->requirements[0].values.n, 2);
	assert_int_equal(selector->requirements[1].operator, SELECTOR_EXISTS);
	assert_int_equal(pool->allocation.service_selectors.items[1].n, 0);
	assert_int_equal(pool->quota_per_namespace, 3);
	assert_int_equal(pool->node_selectors.items[0].n, 2);
	assert_string_equal(pool->node_selectors.items[0].requirements[1].values.items[0], "7");
}

static void test_peer(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(
		"apiVersion: fairway.dev/v1alpha1\n"
		"kind: BGPPeer\n"
		"metadata: {name: tor-a}\n"
		"spec: {myASN: 4200000000, peerASN: 65001, peerAddress: 10.0.0.254, sourceAddress: "
		"10.0.0.1,\n"
		"  routerID: 10.0.0.1, holdTime: 1m30s, keepaliveTime: 30, connectTime: 5s, "
		"ebgpMultiHop: true,\n"
		"  ebgpMultiHopTTL: 3, passwordSecret: {name: tor-a-password}, bfdProfile: fast, "
		"allowASIn: 2,\n"
		"  vrf: red, maxPrefixesReceived: 1000, enableGracefulRestart: true, "
		"gracefulRestartTime: 120,\n"
		"  localASN: 65010, nodeSelectors: [{matchLabels: {rack: r1}}]}\n");
	const struct bgp_peer *peer = &object->peer;

	assert_true(peer->my_asn == 4200000000);
	assert_int_equal(peer->peer_asn, 65001);
	assert_int_equal(peer->local_asn, 65010);
	assert_int_equal(peer->dynamic_asn, DYNAMIC_ASN_NONE);
	assert_null(peer->interface);
	assert_int_equal(peer->peer_port, 179);
	assert_int_equal(peer->hold_time_sec, 90);
	assert_false(peer->hold_time_off);
	assert_int_equal(peer->keepalive_time_sec, 30);
	assert_int_equal(peer->connect_time_sec, 5);
	assert_int_equal(peer->ebgp_multi_hop_ttl, 3);
	assert_string_equal(peer->password_secret, "tor-a-password");
	assert_string_equal(peer->bfd_profile, "fast");
	assert_int_equal(peer->allow_as_in, 2);
	assert_string_equal(peer->vrf, "red");
	assert_int_equal(peer->max_prefixes_received, 1000);
	assert_int_equal(peer->graceful_restart_time_sec, 120);
	assert_true(peer->ipv4 && !peer->ipv6);
	assert_int_equal(peer->node_selectors.n, 1);
}

static void test_peer_defaults(void **state _unused_)
{
	cleanup(object_freep) struct object *v6 = decode_good(
		"{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: p},"
		" spec: {myASN: 1, dynamicASN: external, peerAddress: \"2001:db8::1\", holdTime: 0s, "
		"passwordSecret: pw}}");
	cleanup(object_freep) struct object *interface =
		decode_good("{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: p},"
			    " spec: {myASN: 1, dynamicASN: internal, interface: eth0.100}}");
	cleanup(object_freep) struct object *both = decode_good(
		"{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: p},"
		" spec: {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, addressFamilies: [ipv4, ipv6]}}");

	assert_true(!v6->peer.ipv4 && v6->peer.ipv6);
	assert_int_equal(v6->peer.dynamic_asn, DYNAMIC_ASN_EXTERNAL);
	assert_int_equal(v6->peer.hold_time_sec, 0);
	assert_true(v6->peer.hold_time_off);
	assert_string_equal(v6->peer.password_secret, "pw");
	assert_int_equal(v6->peer.allow_as_in, -1);
	assert_true(interface->peer.ipv4 && interface->peer.ipv6);
	assert_string_equal(interface->peer.interface, "eth0.100");
	assert_int_equal(interface->peer.peer_address.family, ADDR_NONE);
	assert_false(interface->peer.hold_time_off);
	assert_true(both->peer.ipv4 && both->peer.ipv6);
}

static void test_advertisement(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(
		"apiVersion: fairway.dev/v1alpha1\n"
		"kind: BGPAdvertisement\n"
		"metadata: {name: a}\n"
		"spec: {serviceIPPools: [p], peers: [tor-a], aggregationLength: 24, localPref: 4294967295,\n"
		"  communities: [65000:1, \"large:1:2:3\", no-export], maxNextHops: 2, "
		"onlyNodesWithEndpoints: true,\n"
		"  drainOnTaints: {enabled: true, tolerations: [{operator: Exists, effect: NoSchedule}, "
		"{key: k, value: v}]}}\n");
	cleanup(object_freep) struct object *empty = decode_good(
		"{apiVersion: fairway.dev/v1alpha1, kind: BGPAdvertisement, metadata: {name: a}, spec: {}}");
	const struct bgp_advertisement *advertisement = &object->advertisement;

	assert_int_equal(advertisement->type, ADVERTISE_SERVICE);
	assert_int_equal(advertisement->aggregation_length, 24);
	assert_int_equal(advertisement->aggregation_length_v6, 128);
	assert_true(advertisement->local_pref == UINT32_MAX);
	assert_string_equal(advertisement->communities.items[0], "65000:1");
	assert_int_equal(advertisement->max_next_hops, 2);
	assert_true(advertisement->only_nodes_with_endpoints && advertisement->drain_on_taints);
	assert_true(advertisement->tolerations[0].exists && !advertisement->tolerations[0].any_effect);
	assert_true(!advertisement->tolerations[1].exists && advertisement->tolerations[1].any_effect);
	assert_int_equal(empty->advertisement.aggregation_length, 32);
	assert_false(empty->advertisement.drain_on_taints);
}

static void test_bfd_and_community(void **state _unused_)
{
	cleanup(object_freep) struct object *bfd = decode_good(
		"{apiVersion: fairway.dev/v1alpha1, kind: BFDProfile, metadata: {name: fast}, spec: "
		"{receiveInterval: 100}}");
	cleanup(object_freep) struct object *community =
		decode_good("{apiVersion: fairway.dev/v1alpha1, kind: Community, metadata: {name: c},"
			    " spec: {communities: [{name: edge, value: 65000:9}]}}");

	assert_int_equal(bfd->bfd_profile.receive_interval_msec, 100);
	assert_int_equal(bfd->bfd_profile.transmit_interval_msec, 300);
	assert_int_equal(bfd->bfd_profile.detect_multiplier, 3);
	assert_int_equal(bfd->bfd_profile.echo_interval_msec, 50);
	assert_int_equal(bfd->bfd_profile.minimum_ttl, 254);
	assert_string_equal(community->community.aliases[0].name, "edge");
	assert_string_equal(community->community.aliases[0].value, "65000:9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_peer_defaults),
		cmocka_unit_test(test_advertisement),
		cmocka_unit_test(test_bfd_and_community),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
