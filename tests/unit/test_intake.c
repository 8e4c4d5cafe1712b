// SPDX-License-Identifier: Apache-2.0
/* k8s/intake: what comes from the API server against what the store then holds and what is reported. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/intake.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

struct fixture {
	struct store *store;
	struct intake intake;
	struct intake_list services, pools, nodes, slices, advertisements, peers, profiles, communities,
		lb_nodes;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->store = fixture->intake.store = store_new();
	fixture->services.kind = OBJECT_SERVICE;
	fixture->pools.kind = OBJECT_SERVICE_IP_POOL;
	fixture->nodes.kind = OBJECT_NODE;
	fixture->slices.kind = OBJECT_ENDPOINT_SLICE;
	fixture->advertisements.kind = OBJECT_BGP_ADVERTISEMENT;
	fixture->peers.kind = OBJECT_BGP_PEER;
	fixture->profiles.kind = OBJECT_BFD_PROFILE;
	fixture->communities.kind = OBJECT_COMMUNITY;
	fixture->lb_nodes.kind = OBJECT_LB_NODE;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	intake_list_done(&fixture->services);
	intake_list_done(&fixture->pools);
	intake_list_done(&fixture->nodes);
	intake_list_done(&fixture->slices);
	intake_list_done(&fixture->advertisements);
	intake_list_done(&fixture->peers);
	intake_list_done(&fixture->profiles);
	intake_list_done(&fixture->communities);
	intake_list_done(&fixture->lb_nodes);
	intake_done(&fixture->intake);
	store_free(fixture->store);
	free(fixture);
	return 0;
}

/* "kind apiVersion" of the list, and the object. */
static int act(struct fixture *fixture, struct intake_list *list, const char *text, bool remove, bool open)
{
	static const char *const types[OBJECT_KIND_COUNT] = {
		[OBJECT_SERVICE] = "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\"}",
		[OBJECT_NODE] = "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\"}",
		[OBJECT_ENDPOINT_SLICE] =
			"{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\"}",
		[OBJECT_LB_NODE] = "{\"kind\":\"LBNodeList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
		[OBJECT_BGP_PEER] = "{\"kind\":\"BGPPeerList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
		[OBJECT_BFD_PROFILE] =
			"{\"kind\":\"BFDProfileList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
		[OBJECT_COMMUNITY] = "{\"kind\":\"CommunityList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
		[OBJECT_BGP_ADVERTISEMENT] =
			"{\"kind\":\"BGPAdvertisementList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
		[OBJECT_SERVICE_IP_POOL] =
			"{\"kind\":\"ServiceIPPoolList\",\"apiVersion\":\"fairway.dev/v1alpha1\"}",
	};
	cleanup(json_document_done) struct json_document type = { 0 }, object = { 0 };
	cleanup(strbuf_done) struct strbuf event = { 0 };
	const struct json *value;
	struct json_error error;

	assert_int_equal(json_parse(types[list->kind], strlen(types[list->kind]), &type, &error), 0);
	/* Of a list the object stands alone, of a watch it is part of an event, and tells its kind. */
	strbuf_appendf(&event, open ? "%s" : "{\"type\":\"MODIFIED\",\"object\":%s}", text);
	if (json_parse(strbuf_text(&event), event.length, &object, &error) < 0)
		fail_msg("%s", error.message);
	value = open ? object.first : json_member(object.first, "object");
	return remove ? intake_remove(&fixture->intake, list, type.first, value)
		      : intake_put(&fixture->intake, list, type.first, value, open);
}

static void put(struct fixture *fixture, struct intake_list *list, const char *text)
{
	assert_int_equal(act(fixture, list, text, false, false), 0);
}

static void put_listed(struct fixture *fixture, struct intake_list *list, const char *text)
{
	assert_int_equal(act(fixture, list, text, false, true), 0);
}

/* Did objects change since the last question? */
static bool changed(struct fixture *fixture)
{
	bool result = fixture->intake.changed;
	struct store_changes changes = store_changes(fixture->store);

	assert_int_equal(result, changes.services.n || changes.others || changes.lb_nodes);
	store_changes_reset(fixture->store);
	fixture->intake.changed = false;
	return result;
}

static void problems_are(struct fixture *fixture, const char *expected)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };

	assert_int_equal(intake_append_problems(&fixture->intake, &problems), 0);
	for (size_t i = 0; i < problems.n; i++)
		strbuf_appendf(&text, "%s: %s: %s\n", problems.items[i].object, problems.items[i].field,
			       problems.items[i].message);
	assert_string_equal(strbuf_text(&text), expected);
}

static const struct service *service(struct fixture *fixture, const char *name)
{
	const struct object *object = store_find(fixture->store, OBJECT_SERVICE, "web", name);

	return object ? &object->service : NULL;
}

#define SERVICE_OF(name, uid, version, more, port)                                                           \
	"{\"metadata\":{\"namespace\":\"web\",\"name\":\"" name "\",\"uid\":\"" uid                          \
	"\",\"resourceVersion\":\"" version "\"" more                                                        \
	"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":" port "}]},"                            \
	"\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}}"
#define SERVICE(name, version, port) SERVICE_OF(name, "1", version, "", port)

static void test_put_and_remove(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, &fixture->services, SERVICE("a", "5", "80"));
	assert_true(changed(fixture));
	assert_int_equal(service(fixture, "a")->ports[0].port, 80);
	assert_int_equal(service(fixture, "a")->meta.resource_version, 5);
	put(fixture, &fixture->services, SERVICE("a", "6", "81"));
	assert_true(changed(fixture));
	assert_int_equal(service(fixture, "a")->ports[0].port, 81);
	assert_int_equal(act(fixture, &fixture->services, SERVICE("a", "7", "81"), true, false), 0);
	assert_true(changed(fixture));
	assert_null(service(fixture, "a"));
	assert_int_equal(act(fixture, &fixture->services, SERVICE("a", "7", "81"), true, false), 0);
	assert_false(changed(fixture));
	problems_are(fixture, "");
}

#define TYPED_SERVICE(version)                                                                               \
	"{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"web\",\"name\":\"a\","    \
	"\"uid\":\"1\",\"resourceVersion\":\"" version                                                       \
	"\"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":80}]},"                                \
	"\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}}"

static void test_nothing_new(void **state)
{
	struct fixture *fixture = *state;
	const struct service *before;

	put(fixture, &fixture->services, SERVICE("a", "5", "80"));
	changed(fixture);
	before = service(fixture, "a");
	put(fixture, &fixture->services, SERVICE("a", "5", "80"));
	put(fixture, &fixture->services,
	    SERVICE_OF("a", "1", "6", ",\"managedFields\":[{\"manager\":\"x\"}]", "80"));
	assert_false(changed(fixture));
	assert_ptr_equal(service(fixture, "a"), before);
	assert_int_equal(before->meta.resource_version, 6);
	/* as a list has it, which leaves kind and apiVersion out; its end is tested elsewhere */
	put_listed(fixture, &fixture->services, SERVICE("a", "7", "80"));
	put(fixture, &fixture->services, TYPED_SERVICE("8"));
	assert_false(changed(fixture));
	/* another object of the same name */
	put(fixture, &fixture->services, SERVICE_OF("a", "2", "6", "", "80"));
	assert_true(changed(fixture));
	assert_string_equal(service(fixture, "a")->meta.uid, "2");
	/* a label is something new, whatever it is called */
	put(fixture, &fixture->services,
	    SERVICE_OF("a", "2", "7", ",\"labels\":{\"managedFields\":\"x\"}", "80"));
	assert_true(changed(fixture));
}

#define NODE(version, label, heartbeat, images, unavailable)                                                 \
	"{\"metadata\":{\"name\":\"n1\",\"resourceVersion\":\"" version "\",\"labels\":{\"images\":\"" label \
	"\"}},"                                                                                              \
	"\"status\":{\"images\":[" images "],\"capacity\":{\"cpu\":\"" version "\"},\"conditions\":["        \
	"{\"type\":\"NetworkUnavailable\",\"status\":\"" unavailable "\",\"lastHeartbeatTime\":\"" heartbeat \
	"\"}]}}"

static void test_heartbeats(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, &fixture->nodes, NODE("1", "x", "2026-01-01T00:00:00Z", "1", "False"));
	assert_true(changed(fixture));
	put(fixture, &fixture->nodes, NODE("2", "x", "2026-01-01T00:05:00Z", "1,2", "False"));
	assert_false(changed(fixture));
	put(fixture, &fixture->nodes, NODE("3", "x", "2026-01-01T00:05:00Z", "1,2", "True"));
	assert_true(changed(fixture));
	put(fixture, &fixture->nodes, NODE("4", "y", "2026-01-01T00:05:00Z", "1,2", "True"));
	assert_true(changed(fixture));
}

#define LB_NODE(version, heartbeat, reason)                                                                  \
	"{\"metadata\":{\"name\":\"n1\",\"uid\":\"1\",\"resourceVersion\":\"" version                        \
	"\"},\"status\":{\"heartbeatTime\":\"" heartbeat                                                     \
	"\",\"conditions\":[{\"type\":\"Ready\",\"reason\":\"" reason "\"}]}}"

/* A sign of life is seen by the version, and brings no round. */
static void test_signs_of_life(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, &fixture->lb_nodes, LB_NODE("1", "2026-01-01T00:00:00Z", "A"));
	assert_true(changed(fixture));
	put(fixture, &fixture->lb_nodes, LB_NODE("2", "2026-01-01T00:01:00Z", "A"));
	assert_false(changed(fixture));
	assert_int_equal(store_find(fixture->store, OBJECT_LB_NODE, "", "n1")->meta.resource_version, 2);
	put(fixture, &fixture->lb_nodes, LB_NODE("3", "2026-01-01T00:02:00Z", "B"));
	assert_true(changed(fixture));
}

static void test_refused(void **state)
{
	struct fixture *fixture = *state;

	/* new: what remains of it holds its address */
	put(fixture, &fixture->services, SERVICE("a", "5", "99999"));
	assert_true(changed(fixture));
	assert_true(service(fixture, "a")->unusable);
	assert_int_equal(service(fixture, "a")->n_ingress, 1);
	problems_are(fixture, "Service/web/a: spec.ports[0].port: not in 1..65535: 99999\n");
	/* mended */
	put(fixture, &fixture->services, SERVICE("a", "6", "80"));
	assert_false(service(fixture, "a")->unusable);
	problems_are(fixture, "");
	/* broken again: the last good version */
	assert_true(changed(fixture));
	assert_null(service(fixture, "a")->meta.refused);
	put(fixture, &fixture->services, SERVICE("a", "7", "0"));
	assert_true(changed(fixture));
	assert_int_equal(service(fixture, "a")->ports[0].port, 80);
	assert_int_equal(service(fixture, "a")->meta.resource_version, 7);
	assert_string_equal(service(fixture, "a")->meta.refused, "spec.ports[0].port: not in 1..65535: 0");
	problems_are(fixture, "Service/web/a: spec.ports[0].port: not in 1..65535: 0; the last good version "
			      "stays in force\n");
	/* deleted and made anew, broken: the old one is gone */
	put(fixture, &fixture->services, SERVICE_OF("a", "2", "8", "", "0"));
	assert_true(service(fixture, "a")->unusable);
	problems_are(fixture, "Service/web/a: spec.ports[0].port: not in 1..65535: 0\n");
	assert_int_equal(act(fixture, &fixture->services, SERVICE_OF("a", "2", "9", "", "0"), true, false),
			 0);
	problems_are(fixture, "");
	assert_null(service(fixture, "a"));
}

#define ADVERTISEMENT(version, local_pref, condition)                                                        \
	"{\"metadata\":{\"name\":\"a\",\"uid\":\"1\",\"generation\":" version                                \
	",\"resourceVersion\":\"" version "\"},\"spec\":{\"localPref\":" local_pref                          \
	"},\"status\":{\"conditions\":[{\"type\":\"" condition "\",\"status\":\"True\"}]}}"

#define POOL_COUNTED(version, range, assigned)                                                               \
	"{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"" version                                       \
	"\"},\"spec\":{\"addresses\":[\"" range "\"]},\"status\":{\"assignedIPv4\":" assigned "}}"

/* To an agent what lbcontroller tells of a pool is no change of it; to lbcontroller it is, for it must see
 * what it wrote. */
static void test_specs_only(void **state)
{
	struct fixture *fixture = *state;
	const struct object *pool;

	put(fixture, &fixture->pools, POOL_COUNTED("1", "192.0.2.0/24", "1"));
	put(fixture, &fixture->pools, POOL_COUNTED("2", "192.0.2.0/24", "2"));
	changed(fixture);
	put(fixture, &fixture->pools, POOL_COUNTED("3", "192.0.2.0/24", "3"));
	assert_true(changed(fixture));

	fixture->intake.specs_only = true;
	put(fixture, &fixture->pools, POOL_COUNTED("4", "192.0.2.0/24", "4"));
	changed(fixture);
	put(fixture, &fixture->pools, POOL_COUNTED("5", "192.0.2.0/24", "5"));
	assert_false(changed(fixture));
	pool = store_find(fixture->store, OBJECT_SERVICE_IP_POOL, "", "a");
	assert_int_equal(pool->meta.resource_version, 5);
	put(fixture, &fixture->pools, POOL_COUNTED("6", "198.51.100.0/24", "5"));
	assert_true(changed(fixture));
	put(fixture, &fixture->advertisements, ADVERTISEMENT("1", "100", "A"));
	changed(fixture);
	put(fixture, &fixture->advertisements,
	    "{\"metadata\":{\"name\":\"a\",\"uid\":\"1\",\"generation\":1,\"resourceVersion\":\"2\"},"
	    "\"spec\":{"
	    "\"localPref\":100}}");
	assert_false(changed(fixture));
	/* A Service's status is its address. */
	put(fixture, &fixture->services, SERVICE("a", "1", "80"));
	changed(fixture);
	put(fixture, &fixture->services,
	    "{\"metadata\":{\"namespace\":\"web\",\"name\":\"a\",\"uid\":\"1\",\"resourceVersion\":\"2\"},"
	    "\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":80}]}}");
	assert_true(changed(fixture));
	assert_int_equal(service(fixture, "a")->n_ingress, 0);
}

#define REFUSED_EDIT(version, finalizer, condition, ip, port)                                                \
	"{\"metadata\":{\"namespace\":\"web\",\"name\":\"a\",\"uid\":\"1\",\"resourceVersion\":\"" version   \
	"\",\"generation\":" version ",\"labels\":{\"v\":\"" version "\"},\"finalizers\":[\"" finalizer      \
	"\"]},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":" port "}]},\"status\":{"             \
	"\"conditions\":[{\"type\":\"fairway.dev/Problem\",\"status\":\"True\",\"reason\":\"" condition      \
	"\"}],\"loadBalancer\":{\"ingress\":[{\"ip\":\"" ip "\"}]}}}"

/* What we write into it, and what others do, is seen: nothing is written twice, or for ever in vain. */
static void test_refused_and_written(void **state)
{
	struct fixture *fixture = *state;
	const struct service *kept;

	put(fixture, &fixture->services, REFUSED_EDIT("5", "f1", "A", "192.0.2.1", "80"));
	changed(fixture);
	for (unsigned i = 0; i < 2; i++) { /* what the first leaves goes with the second */
		put(fixture, &fixture->services,
		    i ? REFUSED_EDIT("7", "f3", "C", "192.0.2.3", "0")
		      : REFUSED_EDIT("6", "f2", "B", "192.0.2.2", "0"));
		assert_true(changed(fixture));
		kept = service(fixture, "a");
		assert_int_equal(kept->meta.resource_version, 6 + i);
		assert_string_equal(kept->meta.finalizers.items[0], i ? "f3" : "f2");
		assert_string_equal(kept->meta.conditions.items[0].reason, i ? "C" : "B");
		assert_int_equal(kept->ingress[0].addr.bytes[3], 2 + i);
		assert_int_equal(kept->meta.refused_generation, 6 + i);
		/* of the last good version */
		assert_int_equal(kept->meta.generation, 5);
		assert_string_equal(kept->meta.labels.items[0].value, "5");
		assert_int_equal(kept->ports[0].port, 80);
		assert_false(kept->unusable);
	}
	put(fixture, &fixture->services, REFUSED_EDIT("7", "f3", "C", "192.0.2.3", "0"));
	assert_false(changed(fixture)); /* the same once more, as a new list brings it */
	put(fixture, &fixture->services, REFUSED_EDIT("8", "f3", "C", "192.0.2.3", "80"));
	assert_null(service(fixture, "a")->meta.refused);
	problems_are(fixture, "");
}

#define POOL(version, more, quota, assigned)                                                                 \
	"{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"" version "\"" more                             \
	"},\"spec\":{\"addresses\":[\"192.0.2.0/24\"],\"quota\":{\"perNamespace\":" quota                    \
	"}},\"status\":{\"assigned\":" assigned "}}"

static void test_refused_pool_and_written(void **state)
{
	struct fixture *fixture = *state;
	const struct object *pool;
	uint64_t digest;

	put(fixture, &fixture->pools, POOL("5", ",\"generation\":5", "1", "1"));
	digest = store_find(fixture->store, OBJECT_SERVICE_IP_POOL, "", "a")->pool.meta.status_digest;
	put(fixture, &fixture->pools, POOL("6", ",\"generation\":6", "-1", "2"));
	pool = store_find(fixture->store, OBJECT_SERVICE_IP_POOL, "", "a");
	assert_false(object_is_remains(pool));
	assert_int_equal(pool->pool.quota_per_namespace, 1);
	assert_string_equal(pool->pool.meta.refused, "spec.quota.perNamespace: not in 0..2147483647: -1");
	assert_int_equal(pool->pool.meta.refused_generation, 6);
	assert_int_equal(pool->meta.generation, 5); /* of the version in force */
	assert_int_equal(pool->meta.resource_version, 6);
	assert_true(pool->pool.meta.status_digest != digest);
	assert_true(changed(fixture));
	put(fixture, &fixture->pools, POOL("7", ",\"generation\":6", "-1", "2")); /* nothing new */
	assert_false(changed(fixture));
	assert_int_equal(pool->meta.resource_version, 7);
	put(fixture, &fixture->pools,
	    POOL("8", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "-1", "2"));
	assert_true(pool->meta.deleting);
	assert_int_equal(pool->pool.quota_per_namespace, 1);
	put(fixture, &fixture->pools, POOL("9", "", "2", "2"));
	pool = store_find(fixture->store, OBJECT_SERVICE_IP_POOL, "", "a");
	assert_null(pool->pool.meta.refused);
	assert_int_equal(pool->pool.quota_per_namespace, 2);
}

/* An edit that breaks an advertisement leaves its last good version in force, and what is wrong with it is
 * seen by who tells it in its status. */
static void test_refused_advertisement(void **state)
{
	struct fixture *fixture = *state;
	const struct bgp_advertisement *advertisement;
	uint64_t digest;

	put(fixture, &fixture->advertisements, ADVERTISEMENT("1", "100", "A"));
	digest = store_find(fixture->store, OBJECT_BGP_ADVERTISEMENT, "", "a")
			 ->advertisement.meta.status_digest;
	put(fixture, &fixture->advertisements, ADVERTISEMENT("2", "-1", "B"));
	advertisement = &store_find(fixture->store, OBJECT_BGP_ADVERTISEMENT, "", "a")->advertisement;
	assert_false(advertisement->unusable);
	assert_int_equal(advertisement->local_pref, 100);
	assert_int_equal(advertisement->meta.generation, 1);
	assert_int_equal(advertisement->meta.resource_version, 2);
	assert_string_equal(advertisement->meta.refused, "spec.localPref: not in 0..4294967295: -1");
	assert_int_equal(advertisement->meta.refused_generation, 2);
	assert_string_equal(advertisement->meta.conditions.items[0].type, "B");
	assert_true(advertisement->meta.status_digest != digest);
	problems_are(
		fixture,
		"BGPAdvertisement/a: spec.localPref: not in 0..4294967295: -1; the last good version stays "
		"in force\n");
	changed(fixture);
	put(fixture, &fixture->advertisements, ADVERTISEMENT("3", "100", "B"));
	advertisement = &store_find(fixture->store, OBJECT_BGP_ADVERTISEMENT, "", "a")->advertisement;
	assert_null(advertisement->meta.refused);
	problems_are(fixture, "");
}

#define PEER(uid, version, hold_time, condition)                                                             \
	"{\"metadata\":{\"name\":\"a\",\"uid\":\"" uid "\",\"generation\":" version                          \
	",\"resourceVersion\":\"" version "\"},\"spec\":{\"myASN\":64513,\"peerASN\":64512,\"peerAddress\":" \
	"\"192.0.2.1\",\"holdTime\":\"" hold_time "\"},\"status\":{\"conditions\":[{\"type\":\"" condition   \
	"\",\"status\":\"True\"}]}}"

static const struct bgp_peer *peer(const struct fixture *fixture)
{
	return &store_find(fixture->store, OBJECT_BGP_PEER, "", "a")->peer;
}

/* An edit that breaks a peer takes no session down, and its status can be written: it would be a conflict
 * without the version of the refused one. */
static void test_refused_peer(void **state)
{
	struct fixture *fixture = *state;
	uint64_t digest;

	put(fixture, &fixture->peers, PEER("1", "1", "9s", "A"));
	digest = peer(fixture)->meta.status_digest;
	put(fixture, &fixture->peers, PEER("1", "2", "9s1us", "B"));
	assert_false(peer(fixture)->unusable);
	assert_int_equal(peer(fixture)->hold_time_sec, 9);
	assert_int_equal(peer(fixture)->my_asn, 64513);
	assert_int_equal(peer(fixture)->meta.generation, 1);
	assert_int_equal(peer(fixture)->meta.resource_version, 2);
	assert_non_null(strstr(peer(fixture)->meta.refused, "spec.holdTime: "));
	assert_int_equal(peer(fixture)->meta.refused_generation, 2);
	assert_string_equal(peer(fixture)->meta.conditions.items[0].type, "B");
	assert_true(peer(fixture)->meta.status_digest != digest);
	assert_true(changed(fixture));
	put(fixture, &fixture->peers, PEER("1", "3", "9s", "B"));
	assert_null(peer(fixture)->meta.refused);
	problems_are(fixture, "");
	/* Made anew under its name, it has no last good version. */
	put(fixture, &fixture->peers, PEER("2", "4", "9s1us", "B"));
	assert_true(peer(fixture)->unusable);
	assert_int_equal(peer(fixture)->my_asn, 0);
	assert_int_equal(peer(fixture)->meta.refused_generation, 4);
}

#define TOLD(condition) "\"status\":{\"conditions\":[{\"type\":\"" condition "\",\"status\":\"True\"}]}}"
#define PROFILE(uid, multiplier, condition)                                                                  \
	"{\"metadata\":{\"name\":\"a\",\"uid\":\"" uid "\"},\"spec\":{\"detectMultiplier\":" multiplier      \
	"}," TOLD(condition)
#define COMMUNITY(uid, value, condition)                                                                     \
	"{\"metadata\":{\"name\":\"a\",\"uid\":\"" uid                                                       \
	"\"},\"spec\":{\"communities\":[{\"name\":\"blackhole\",\"value\":" value "}]}," TOLD(condition)

/* The last good version stays, with what was said of the newest one, and goes with its object. */
static void test_refused_profile_and_community(void **state)
{
	struct fixture *fixture = *state;
	const struct object *object;

	put(fixture, &fixture->profiles, PROFILE("1", "5", "A"));
	put(fixture, &fixture->communities, COMMUNITY("1", "\"64512:1\"", "A"));
	assert_true(changed(fixture));
	put(fixture, &fixture->profiles, PROFILE("1", "1", "B"));
	put(fixture, &fixture->communities, COMMUNITY("1", "\"64512:1\\u0000\"", "B"));
	assert_true(changed(fixture));
	object = store_find(fixture->store, OBJECT_BFD_PROFILE, "", "a");
	assert_int_equal(object->bfd_profile.detect_multiplier, 5);
	assert_string_equal(object->meta.refused, "spec.detectMultiplier: not in 2..255: 1");
	assert_string_equal(object->meta.conditions.items[0].type, "B");
	object = store_find(fixture->store, OBJECT_COMMUNITY, "", "a");
	assert_string_equal(object->community.aliases[0].value, "64512:1");
	assert_true(strings_contain(&object->community.refused_aliases, "blackhole"));
	assert_non_null(strstr(object->meta.refused, "spec.communities[0].value: "));
	assert_string_equal(object->meta.conditions.items[0].type, "B");
	put(fixture, &fixture->profiles, PROFILE("2", "1", "B"));
	put(fixture, &fixture->communities, COMMUNITY("2", "1", "B"));
	assert_true(changed(fixture));
	assert_true(object_is_remains(store_find(fixture->store, OBJECT_BFD_PROFILE, "", "a")));
	assert_true(object_is_remains(store_find(fixture->store, OBJECT_COMMUNITY, "", "a")));
	problems_are(fixture, "BFDProfile/a: spec.detectMultiplier: not in 2..255: 1\n"
			      "Community/a: spec.communities[0].value: not a string: 1\n"
			      "Community/a: spec.communities[0].value: missing\n");
	/* What is told of them is nothing new to an agent. */
	fixture->intake.specs_only = true;
	put(fixture, &fixture->profiles, PROFILE("2", "5", "B"));
	put(fixture, &fixture->communities, COMMUNITY("2", "\"64512:1\"", "B"));
	assert_true(changed(fixture));
	object = store_find(fixture->store, OBJECT_COMMUNITY, "", "a");
	assert_int_equal(object->community.refused_aliases.n, 0);
	put(fixture, &fixture->profiles, PROFILE("2", "5", "C"));
	put(fixture, &fixture->communities, COMMUNITY("2", "\"64512:1\"", "C"));
	assert_false(changed(fixture));
}

/* It does not stay in force when it goes: nothing would take its finalizer away, and its namespace would stay
 * too. */
static void test_refused_and_deleted(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, &fixture->services, SERVICE("a", "5", "80"));
	put(fixture, &fixture->services, SERVICE("a", "6", "0"));
	assert_false(service(fixture, "a")->unusable);
	assert_true(changed(fixture));
	put(fixture, &fixture->services,
	    SERVICE_OF("a", "1", "7", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "0"));
	assert_true(changed(fixture));
	assert_true(service(fixture, "a")->unusable);
	assert_true(service(fixture, "a")->meta.deleting);
	assert_int_equal(service(fixture, "a")->meta.resource_version, 7);
	assert_int_equal(service(fixture, "a")->n_ingress, 1);
	problems_are(fixture, "Service/web/a: spec.ports[0].port: not in 1..65535: 0\n");
}

static void test_a_list_removes_what_it_does_not_name(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, &fixture->services, SERVICE("a", "1", "80"));
	put(fixture, &fixture->services, SERVICE("b", "2", "80"));
	put(fixture, &fixture->services, SERVICE("c", "3", "0"));
	put(fixture, &fixture->pools,
	    "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"4\"},\"spec\":{\"addresses\":[\"192.0.2.0/"
	    "24\"]}}");
	put(fixture, &fixture->slices,
	    "{\"metadata\":{\"namespace\":\"web\",\"name\":\"s\"}}"); /* refused without a trace */
	assert_true(changed(fixture));

	/* one that breaks off removes nothing */
	intake_begin(&fixture->services);
	put_listed(fixture, &fixture->services, SERVICE("b", "2", "80"));
	intake_begin(&fixture->services);
	assert_false(changed(fixture));
	put_listed(fixture, &fixture->services, SERVICE("a", "1", "80"));
	put_listed(fixture, &fixture->services, SERVICE("d", "9", "80"));
	assert_non_null(service(fixture, "b"));
	assert_non_null(service(fixture, "c"));
	assert_int_equal(intake_complete(&fixture->intake, &fixture->services), 0);
	assert_non_null(service(fixture, "a"));
	assert_null(service(fixture, "b"));
	assert_null(service(fixture, "c"));
	assert_non_null(service(fixture, "d"));
	assert_non_null(store_find(fixture->store, OBJECT_SERVICE_IP_POOL, "", "a"));
	problems_are(fixture, "EndpointSlice/web/s: addressType: missing\n");

	intake_begin(&fixture->slices);
	assert_int_equal(intake_complete(&fixture->intake, &fixture->slices), 0);
	problems_are(fixture, "");
	assert_int_equal(store_count(fixture->store, OBJECT_SERVICE), 2);
}

static void test_one_object_alone(void **state)
{
	struct fixture *fixture = *state;
	struct intake_list one = { .kind = OBJECT_SERVICE, .namespace = "web", .name = "a" };

	put(fixture, &fixture->services, SERVICE("b", "2", "80"));
	intake_begin(&one);
	put_listed(fixture, &one, SERVICE("a", "1", "80"));
	assert_int_equal(act(fixture, &one, SERVICE("b", "3", "80"), false, true), -EBADMSG);
	assert_int_equal(intake_complete(&fixture->intake, &one), 0);
	assert_int_equal(store_count(fixture->store, OBJECT_SERVICE), 2);
	intake_begin(&one);
	assert_int_equal(intake_complete(&fixture->intake, &one), 0);
	assert_null(service(fixture, "a"));
	assert_non_null(service(fixture, "b"));
	put(fixture, &one, SERVICE("a", "1", "0"));
	intake_forget(&fixture->intake, &one);
	assert_null(service(fixture, "a"));
	problems_are(fixture, "");
}

static void test_not_what_was_asked_for(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"metadata\":{}}",
		"{\"metadata\":{\"name\":\"a/b\"}}",
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
		"{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
		"7",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(act(fixture, &fixture->services, texts[i], false, true), -EBADMSG);
		assert_int_equal(act(fixture, &fixture->services, texts[i], true, false), -EBADMSG);
	}
	assert_false(changed(fixture));
	problems_are(fixture, "");
}

/* Many lists of many objects, some of them refused, against a model. */
static void test_random(void **state)
{
	struct fixture *fixture = *state;
	unsigned seed = 7, version = 1;

	for (unsigned round = 0; round < 50; round++) {
		bool named[200] = { false };

		intake_begin(&fixture->services);
		for (unsigned i = 0; i < 100; i++) {
			unsigned n = (unsigned)rand_r(&seed) % 200;
			char text[600];

			named[n] = true;
			snprintf(text, sizeof(text), SERVICE("s%u", "%u", "%u"), n, version++,
				 rand_r(&seed) % 5 ? 80u + (unsigned)rand_r(&seed) % 3 : 0);
			put_listed(fixture, &fixture->services, text);
		}
		assert_int_equal(intake_complete(&fixture->intake, &fixture->services), 0);
		for (unsigned n = 0; n < 200; n++) {
			char name[16];

			snprintf(name, sizeof(name), "s%u", n);
			assert_int_equal(service(fixture, name) != NULL, named[n]);
		}
		for (size_t i = 0; i < fixture->intake.n_refused; i++)
			assert_true(named[atoi(strrchr(fixture->intake.refused[i].object, 's') + 1)]);
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_put_and_remove),
		TEST(test_nothing_new),
		TEST(test_heartbeats),
		TEST(test_signs_of_life),
		TEST(test_refused),
		TEST(test_specs_only),
		TEST(test_refused_and_written),
		TEST(test_refused_pool_and_written),
		TEST(test_refused_advertisement),
		TEST(test_refused_peer),
		TEST(test_refused_profile_and_community),
		TEST(test_refused_and_deleted),
		TEST(test_a_list_removes_what_it_does_not_name),
		TEST(test_one_object_alone),
		TEST(test_not_what_was_asked_for),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
