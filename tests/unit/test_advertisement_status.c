// SPDX-License-Identifier: Apache-2.0
/* ipam/advertisement_status: what kubectl shows of a BGPAdvertisement; a row states both conditions whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/advertisement_status.h"
#include "k8s/json.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const char *text_of(const struct json *parent, const char *key)
{
	const struct json *member = json_member(parent, key);

	assert_non_null(member);
	return member->text;
}

/* "TYPE STATUS/REASON: MESSAGE" of both, a line each. */
static void expect(struct world *world, const struct bgp_advertisement *advertisement, const char *wanted)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf body = { 0 }, got = { 0 };
	const struct json *condition;
	struct json_error error;

	assert_int_equal(
		advertisement_status_patch(&body, advertisement, world_cluster(world), false, 1706702500), 0);
	assert_int_equal(json_parse(strbuf_text(&body), body.length, &document, &error), 0);
	condition = json_member(json_member(document.first, "status"), "conditions");
	for (condition = condition->child; condition; condition = condition->next)
		strbuf_appendf(&got, "%s %s/%s: %s\n", text_of(condition, "type"),
			       text_of(condition, "status"), text_of(condition, "reason"),
			       text_of(condition, "message"));
	assert_string_equal(strbuf_text(&got), wanted);
}

#define VALID	  "Valid True/Valid: \n"
#define SELECTING "Selecting True/Selecting: \n"

/* A node, a peer, a pool of both families, and a Service with an address of each. */
static struct bgp_advertisement *furnish(struct world *world, struct service **ret_service)
{
	struct service *service = world_service(world, "web/shop");

	world_label(world, &world_node(world, "n1", "10.0.0.1", NULL)->meta.labels, "rack", "a");
	world_peer(world, "tor", "10.0.0.9");
	world_pool(world, "public", "192.0.2.0/24 2001:db8::/64");
	world_ingress(world, service, "192.0.2.1 2001:db8::1");
	world_label(world, &service->meta.labels, "tier", "front");
	if (ret_service)
		*ret_service = service;
	return world_advertisement(world, "adv");
}

static void test_whole_body(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);

	advertisement->meta.generation = 3;
	assert_int_equal(
		advertisement_status_patch(&body, advertisement, world_cluster(&world), false, 1706702500),
		0);
	assert_string_equal(
		strbuf_text(&body),
		"{\"status\":{\"observedGeneration\":3,\"conditions\":[{\"type\":\"Valid\",\"status\":"
		"\"True\","
		"\"reason\":\"Valid\",\"message\":\"\",\"observedGeneration\":3,\"lastTransitionTime\":"
		"\"2024-01-31T12:01:40Z\"},{\"type\":\"Selecting\",\"status\":\"True\",\"reason\":"
		"\"Selecting\","
		"\"message\":\"\",\"observedGeneration\":3,\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}]}"
		"}");
}

static void test_valid(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);

	expect(&world, advertisement, VALID SELECTING);
	advertisement->communities = world_words(&world, "65000:1 no-export customer");
	expect(&world, advertisement,
	       "Valid False/UnknownCommunity: spec.communities: neither a community nor a known alias: "
	       "customer; the "
	       "advertisement is not used\n" SELECTING);
	world_community(&world, "edited", "known", "65000:2")->refused_aliases =
		world_words(&world, "known customer");
	expect(&world, advertisement,
	       "Valid False/UnknownCommunity: spec.communities: customer is not known: Community/edited, "
	       "which "
	       "gives it, was refused; the advertisement is not used\n" SELECTING);
	advertisement->communities = world_words(&world, "known"); /* of its last good version */
	expect(&world, advertisement, VALID SELECTING);
	advertisement->communities = world_words(&world, "65000:1 no-export customer");
	world_community(&world, "aliases", "customer", "65000:2");
	expect(&world, advertisement, VALID SELECTING);
	world_community(&world, "others", "customer", "65000:3");
	expect(&world, advertisement,
	       "Valid False/UnknownCommunity: spec.communities: customer has different values in two "
	       "Community objects: the "
	       "advertisement is not used\n" SELECTING);
	advertisement->communities = world_words(&world, "");
	advertisement->peers = world_words(&world, "tor gone");
	expect(&world, advertisement,
	       "Valid False/PeerNotFound: spec.peers: BGPPeer/gone not found: nothing is announced to "
	       "it\n" SELECTING);
	advertisement->peers = world_words(&world, "");
	advertisement->pools = world_words(&world, "public x1 x2 x3 x4 x5 x6");
	expect(&world, advertisement,
	       "Valid False/PoolNotFound: spec.serviceIPPools: ServiceIPPool/x1 not found: it selects no "
	       "address; "
	       "spec.serviceIPPools: ServiceIPPool/x2 not found: it selects no address; spec.serviceIPPools: "
	       "ServiceIPPool/x3 not found: it selects no address; spec.serviceIPPools: ServiceIPPool/x4 not "
	       "found: it "
	       "selects no address; spec.serviceIPPools: ServiceIPPool/x5 not found: it selects no address; "
	       "and 1 "
	       "more\n" SELECTING);
}

static void test_refused(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(strbuf_done) struct strbuf body = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);

	advertisement->meta.generation = 3;
	advertisement->meta.refused = "spec.localPref: not in 0..4294967295: -1";
	advertisement->meta.refused_generation = 4;
	expect(&world, advertisement,
	       "Valid False/Refused: spec.localPref: not in 0..4294967295: -1; nodes that have read its last "
	       "good version go on with that, one that starts anew announces nothing by it\n"
	       "Selecting Unknown/Refused: it could not be read\n");
	assert_int_equal(advertisement_status_patch(&body, advertisement, world_cluster(&world), false, 0),
			 0);
	assert_non_null(
		strstr(strbuf_text(&body), "\"observedGeneration\":4")); /* of the version that is told of */
	assert_null(strstr(strbuf_text(&body), "\"observedGeneration\":3"));
}

#define NO_POOLS                                                                                             \
	"Selecting False/NoPools: neither serviceIPPools nor serviceIPPoolSelectors select a ServiceIPPool " \
	"that exists\n"
#define NO_SERVICES                                                                                          \
	"Selecting False/NoServices: no Service that its serviceSelectors select has an address of its "     \
	"pools\n"
#define NO_PEERS                                                                                             \
	"Selecting False/NoPeers: no usable BGPPeer that it selects has one of its nodes: see its peers "    \
	"and "                                                                                               \
	"nodeSelectors, and "                                                                                \
	"those of the BGPPeers\n"

static void test_pools(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);
	struct service_ip_pool *pool = world_pool(&world, "other", "198.51.100.0/24");

	advertisement->pool_selectors = world_selectors(&world, "kind=extern");
	expect(&world, advertisement, VALID NO_POOLS);
	world_label(&world, &pool->meta.labels, "kind", "extern"); /* no Service has an address of it */
	expect(&world, advertisement, VALID NO_SERVICES);
	advertisement->pools = world_words(&world, "public"); /* one of the two is enough */
	expect(&world, advertisement, VALID SELECTING);
}

static void test_services(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct service *service;
	struct bgp_advertisement *advertisement = furnish(&world, &service);

	advertisement->service_selectors = world_selectors(&world, "tier=back");
	expect(&world, advertisement, VALID NO_SERVICES);
	advertisement->service_selectors = world_selectors(&world, "tier=front");
	expect(&world, advertisement, VALID SELECTING);
	advertisement->pools = world_words(&world, "public");
	world_ingress(&world, service, "2001:db8::1"); /* either family */
	expect(&world, advertisement, VALID SELECTING);
	world_ingress(&world, service, "203.0.113.1"); /* of no pool */
	expect(&world, advertisement, VALID NO_SERVICES);
	advertisement->pools = world_words(&world, "");
	expect(&world, advertisement, VALID SELECTING);
	world_ingress(&world, service, "");
	expect(&world, advertisement, VALID NO_SERVICES);
	world_ingress(&world, service, "192.0.2.1");
	service->meta.deleting = true;
	expect(&world, advertisement, VALID NO_SERVICES);
	service->meta.deleting = false;
	service->load_balancer_class = "example.org/other";
	expect(&world, advertisement, VALID NO_SERVICES);
	advertisement->type = ADVERTISE_POD_CIDR; /* asks for neither pools nor Services */
	advertisement->pool_selectors = world_selectors(&world, "kind=extern");
	expect(&world, advertisement, VALID SELECTING);
}

static void test_nodes_and_peers(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);
	struct bgp_peer *far = world_peer(&world, "far", "10.0.0.8");

	advertisement->node_selectors = world_selectors(&world, "rack=b");
	expect(&world, advertisement, VALID "Selecting False/NoNodes: its nodeSelectors select no node\n");
	advertisement->node_selectors = world_selectors(&world, "rack=a");
	expect(&world, advertisement, VALID SELECTING);
	far->node_selectors = world_selectors(&world, "rack=b");
	advertisement->peers = world_words(&world, "far");
	expect(&world, advertisement, VALID NO_PEERS);
	*far = (struct bgp_peer){ .meta = far->meta,
				  .unusable = true }; /* nobody knows which nodes it selects */
	expect(&world, advertisement, VALID NO_PEERS);
	advertisement->peers = world_words(&world, "far tor");
	expect(&world, advertisement, VALID SELECTING);
}

/* Peers with which no node can have a session. Of their Secrets the controller knows nothing. */
static void test_unusable_peers(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_advertisement *advertisement = furnish(&world, NULL);
	struct bgp_peer *tor = world_peer(&world, "only", "10.0.0.8"), sound = *tor;

	advertisement->peers = world_words(&world, "only");
	tor->password_secret = "only";
	expect(&world, advertisement, VALID SELECTING);
	tor->vrf = "red";
	expect(&world, advertisement, VALID NO_PEERS);
	*tor = sound;
	tor->my_asn = 0;
	expect(&world, advertisement, VALID NO_PEERS);
	*tor = sound;
	tor->hold_time_sec = 2;
	expect(&world, advertisement, VALID NO_PEERS);
	*tor = sound;
	tor->peer_address = (struct addr){ 0 };
	expect(&world, advertisement, VALID NO_PEERS);
	*tor = sound;
	tor->ipv4 = tor->ipv6 = false;
	expect(&world, advertisement, VALID NO_PEERS);
	tor->ipv6 = true;
	expect(&world, advertisement, VALID SELECTING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_body),     cmocka_unit_test(test_valid),
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_pools),
		cmocka_unit_test(test_services),       cmocka_unit_test(test_nodes_and_peers),
		cmocka_unit_test(test_unusable_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
