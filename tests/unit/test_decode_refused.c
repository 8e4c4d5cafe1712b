// SPDX-License-Identifier: Apache-2.0
/* k8s/decode: objects that are none of ours or wrong: what is told, what is left out, and what remains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/decode.h"
#include "tests/unit/decode_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

static void test_skipped(void **state _unused_)
{
	static const char *const texts[] = {
		"{apiVersion: v1, kind: Pod, metadata: {name: p}}",
		"{apiVersion: v2, kind: Service, metadata: {name: s}}",
		"{apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: s}}",
		"{apiVersion: fairway.dev/v1, kind: BGPPeer}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(problems_done) struct problems problems = { 0 };
		struct object *object = NULL;

		assert_int_equal(decode_text(texts[i], &object, &problems), DECODE_SKIPPED);
		assert_int_equal(problems.n, 0);
	}
}

#define SERVICE(spec) "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: b}, " spec "}"
#define SLICE(rest)                                                                                          \
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: b}, " rest "}"
#define NODE(rest)   "{apiVersion: v1, kind: Node, metadata: {name: n}, " rest "}"
#define SECRET(rest) "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: b}, " rest "}"
#define FAIRWAY(kind, spec)                                                                                  \
	"{apiVersion: fairway.dev/v1alpha1, kind: " kind ", metadata: {name: x}, spec: {" spec "}}"
#define PEER(spec)    FAIRWAY("BGPPeer", "myASN: 65000, peerASN: 65001, " spec)
#define PEER_AT(spec) PEER("peerAddress: 10.0.0.1, " spec)

struct bad {
	const char *text, *object, *field, *message;
};

static const struct bad refused[] = {
	/* before it has a name */
	{ "[a]", "file.yaml", "", "line 1: not an object: a map is expected" },
	{ "\n\nfoo: bar", "file.yaml", "kind", "line 3: missing" },
	{ "kind: Service", "file.yaml", "apiVersion", "line 1: missing" },
	{ "{apiVersion: v1, kind: Service}", "file.yaml", "metadata.name", "line 1: missing" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: A_b}}", "file.yaml", "metadata.name",
	  "line 1: not a name" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: 7}}", "file.yaml", "metadata.name",
	  "line 1: not a name" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: \"a\\nb\"}}", "file.yaml", "metadata.name",
	  "line 1: not a name" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: a/b}}", "file.yaml",
	  "metadata.namespace", "line 1: not a name" },
	/* metadata */
	{ "{apiVersion: v1, kind: Service, metadata: {name: a, labels: {b: 1}}}", "Service/default/a",
	  "metadata.labels.b", "not a string: 1" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: a, labels: [b]}}", "Service/default/a",
	  "metadata.labels", "not a map but a list" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: a, labels: {\"k\\u0001\": v}}}",
	  "Service/default/a", "metadata.labels", "not a key: k\\x01" },
	{ "{apiVersion: v1, kind: Service, metadata: {name: a, creationTimestamp: yesterday}}",
	  "Service/default/a", "metadata.creationTimestamp",
	  "not a time such as 2024-01-31T12:00:00Z: yesterday" },
	/* Service */
	{ SERVICE("spec: 7"), "Service/b/a", "spec", "not a map: 7" },
	{ SERVICE("spec: {type: Foo}"), "Service/b/a", "spec.type",
	  "not ClusterIP, NodePort, LoadBalancer or ExternalName: Foo" },
	{ SERVICE("spec: {ports: [{port: \"80\"}]}"), "Service/b/a", "spec.ports[0].port",
	  "not a number: \"80\"" },
	{ SERVICE("spec: {ports: [{port: 80.5}]}"), "Service/b/a", "spec.ports[0].port",
	  "not a plain whole number: 80.5" },
	{ SERVICE("spec: {ports: [{port: 010}]}"), "Service/b/a", "spec.ports[0].port",
	  "not a plain whole number: 010" },
	{ SERVICE("spec: {ports: [{port: 0}]}"), "Service/b/a", "spec.ports[0].port", "not in 1..65535: 0" },
	{ SERVICE("spec: {ports: [{port: 65536}]}"), "Service/b/a", "spec.ports[0].port",
	  "not in 1..65535: 65536" },
	{ SERVICE("spec: {ports: [{port: 18446744073709551696}]}"), "Service/b/a", "spec.ports[0].port",
	  "not in 1..65535: 18446744073709551696" },
	{ SERVICE("spec: {ports: [{name: x}]}"), "Service/b/a", "spec.ports[0].port", "missing" },
	{ SERVICE("spec: {ports: [80]}"), "Service/b/a", "spec.ports[0]", "not a map: 80" },
	{ SERVICE("spec: {ports: [{port: 1, protocol: ICMP}]}"), "Service/b/a", "spec.ports[0].protocol",
	  "not TCP, UDP or SCTP: ICMP" },
	{ SERVICE("spec: {ports: [{port: 1, name: \"a b\"}]}"), "Service/b/a", "spec.ports[0].name",
	  "not a port's name: a b" },
	{ SERVICE("spec: {ports: [{port: 1, name: x}, {port: 1, name: y}]}"), "Service/b/a",
	  "spec.ports[1].port", "1/TCP stands twice" },
	{ SERVICE("spec: {ports: [{port: 1, name: x}, {port: 2, name: x}]}"), "Service/b/a",
	  "spec.ports[1].name", "stands twice: ports of one protocol need different names" },
	{ SERVICE("spec: {ports: [{port: 1}, {port: 2}]}"), "Service/b/a", "spec.ports[1].name",
	  "missing: ports of one protocol need different names" },
	{ SERVICE("spec: {externalTrafficPolicy: local}"), "Service/b/a", "spec.externalTrafficPolicy",
	  "not Cluster or Local: local" },
	{ SERVICE("spec: {clusterIP: 10.0.0.256}"), "Service/b/a", "spec.clusterIP",
	  "not an address: 10.0.0.256" },
	{ SERVICE("spec: {clusterIPs: [10.0.0.1, x]}"), "Service/b/a", "spec.clusterIPs[1]",
	  "not an address: x" },
	{ SERVICE("spec: {clusterIPs: [a, b, c]}"), "Service/b/a", "spec.clusterIPs",
	  "more than 2 entries: 3" },
	{ SERVICE("spec: {ipFamilies: [IPv4, IPv4]}"), "Service/b/a", "spec.ipFamilies",
	  "IPv4 stands twice" },
	{ SERVICE("spec: {ipFamilies: [ipv4]}"), "Service/b/a", "spec.ipFamilies", "not IPv4 or IPv6: ipv4" },
	{ SERVICE("spec: {sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}}"), "Service/b/a",
	  "spec.sessionAffinityConfig.clientIP.timeoutSeconds", "not in 1..86400: 86401" },
	{ SERVICE("spec: {loadBalancerSourceRanges: [1]}"), "Service/b/a", "spec.loadBalancerSourceRanges[0]",
	  "not a string: 1" },
	{ SERVICE("spec: {loadBalancerIP: \"192.0.2.1\\u0000\"}"), "Service/b/a", "spec.loadBalancerIP",
	  "holds a NUL character" },
	{ SERVICE("spec: {allocateLoadBalancerNodePorts: \"true\"}"), "Service/b/a",
	  "spec.allocateLoadBalancerNodePorts", "not true or false: \"true\"" },
	{ SERVICE("status: {loadBalancer: {ingress: [{ip: 1.2.3.4, ipMode: Vip}]}}"), "Service/b/a",
	  "status.loadBalancer.ingress[0].ipMode", "not VIP or Proxy: Vip" },
	/* EndpointSlice */
	{ SLICE("endpoints: []"), "EndpointSlice/b/a", "addressType", "missing" },
	{ SLICE("addressType: IPv5"), "EndpointSlice/b/a", "addressType", "not IPv4, IPv6 or FQDN: IPv5" },
	{ SLICE("addressType: IPv4, endpoints: [{addresses: [10.0.0.1], nodeName: N}]"), "EndpointSlice/b/a",
	  "endpoints[0].nodeName", "not a name: \"N\"" },
	{ SLICE("addressType: IPv4, endpoints: [{addresses: [10.0.0.1], conditions: {ready: 1}}]"),
	  "EndpointSlice/b/a", "endpoints[0].conditions.ready", "not true or false: 1" },
	{ SLICE("addressType: IPv4, ports: [{port: 70000}]"), "EndpointSlice/b/a", "ports[0].port",
	  "not in 0..65535: 70000" },
	/* Node */
	{ NODE("spec: {podCIDRs: [10.0.0.1/24]}"), "Node/n", "spec.podCIDRs", "has host bits: 10.0.0.1/24" },
	{ NODE("spec: {podCIDR: 10.0.0.0/33}"), "Node/n", "spec.podCIDR", "not a CIDR: 10.0.0.0/33" },
	{ NODE("spec: {podCIDR: 0.0.0.0/0}"), "Node/n", "spec.podCIDR", "everything: 0.0.0.0/0" },
	{ NODE("spec: {taints: [{key: a, effect: Never}]}"), "Node/n", "spec.taints[0].effect",
	  "not NoSchedule, PreferNoSchedule or NoExecute: Never" },
	{ NODE("spec: {taints: [{effect: NoSchedule}]}"), "Node/n", "spec.taints[0].key", "missing" },
	/* Secret: never a word of the password */
	{ SECRET("data: {password: \"hunter2\"}"), "Secret/b/s", "data.password", "not base64" },
	{ SECRET("data: {password: 12345678}"), "Secret/b/s", "data.password", "not a string" },
	{ SECRET("data: {password: cGFzcwo=}"), "Secret/b/s", "data.password",
	  "holds a control character (a line feed at the end)" },
	{ SECRET("data: {password: YQBi}"), "Secret/b/s", "data.password", "holds a control character" },
	{ SECRET("stringData: {password: \"\"}"), "Secret/b/s", "stringData.password", "empty" },
	{ SECRET("stringData: {password: \"a\\rb\"}"), "Secret/b/s", "stringData.password",
	  "holds a control character" },
	{ SECRET("stringData: {password: \"a\\0b\"}"), "Secret/b/s", "stringData.password",
	  "holds a control character" },
	{ SECRET("stringData: {password: "
		 "0123456789012345678901234567890123456789012345678901234567890123456789abcdefghijk}"),
	  "Secret/b/s", "stringData.password", "longer than 80 bytes" },
	/* fairway.dev */
	{ FAIRWAY("ServiceIPPool", "addresses: 192.0.2.0/24"), "ServiceIPPool/x", "spec.addresses",
	  "not a list: \"192.0.2.0/24\"" },
	{ FAIRWAY("ServiceIPPool", "quota: {perNamespace: -1}"), "ServiceIPPool/x", "spec.quota.perNamespace",
	  "not in 0..2147483647: -1" },
	{ FAIRWAY("ServiceIPPool", "nodeSelectors: [{matchExpressions: [{key: a, operator: In}]}]"),
	  "ServiceIPPool/x", "spec.nodeSelectors[0].matchExpressions[0].values",
	  "missing: In and NotIn need some" },
	{ FAIRWAY("ServiceIPPool", "nodeSelectors: [{matchExpressions: [{key: a, operator: Near}]}]"),
	  "ServiceIPPool/x", "spec.nodeSelectors[0].matchExpressions[0].operator",
	  "not In, NotIn, Exists or DoesNotExist: Near" },
	{ FAIRWAY("ServiceIPPool", "nodeSelectors: [{matchExpressions: [{operator: Exists}]}]"),
	  "ServiceIPPool/x", "spec.nodeSelectors[0].matchExpressions[0].key", "missing" },
	{ "{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: x}}", "BGPPeer/x", "spec",
	  "missing" },
	{ PEER("peerAddress: 10.0.0.300"), "BGPPeer/x", "spec.peerAddress", "not an address: 10.0.0.300" },
	{ PEER("peerAddress: 224.0.0.5"), "BGPPeer/x", "spec.peerAddress", "a multicast address: 224.0.0.5" },
	{ PEER("peerAddress: \"::\""), "BGPPeer/x", "spec.peerAddress", "an unspecified address: ::" },
	{ PEER("peerAddress: \"fe80::1\""), "BGPPeer/x", "spec.peerAddress",
	  "a link-local address, which interface is for: fe80::1" },
	{ PEER("vrf: red"), "BGPPeer/x", "spec.peerAddress",
	  "missing: one of peerAddress and interface is needed" },
	{ PEER_AT("interface: eth0"), "BGPPeer/x", "spec.interface",
	  "peerAddress and interface exclude each other" },
	{ PEER_AT("dynamicASN: internal"), "BGPPeer/x", "spec.dynamicASN",
	  "peerASN and dynamicASN exclude each other" },
	{ FAIRWAY("BGPPeer", "myASN: 1, peerAddress: 10.0.0.1"), "BGPPeer/x", "spec.peerASN",
	  "missing: one of peerASN and dynamicASN is needed" },
	{ FAIRWAY("BGPPeer", "peerASN: 1, peerAddress: 10.0.0.1"), "BGPPeer/x", "spec.myASN", "missing" },
	{ FAIRWAY("BGPPeer", "myASN: 4294967296, peerASN: 1, peerAddress: 10.0.0.1"), "BGPPeer/x",
	  "spec.myASN", "not in 1..4294967295: 4294967296" },
	{ PEER_AT("dynamicASN: auto"), "BGPPeer/x", "spec.dynamicASN", "not internal or external: auto" },
	{ PEER_AT("peerPort: 0"), "BGPPeer/x", "spec.peerPort", "not in 1..65535: 0" },
	{ PEER_AT("sourceAddress: \"2001:db8::1\""), "BGPPeer/x", "spec.sourceAddress",
	  "not of peerAddress's family: 2001:db8::1" },
	{ PEER_AT("routerID: \"::1\""), "BGPPeer/x", "spec.routerID", "not an IPv4 address: ::1" },
	{ PEER_AT("holdTime: 2s"), "BGPPeer/x", "spec.holdTime", "neither 0 nor at least 3s: 2s" },
	{ PEER_AT("holdTime: 1500ms"), "BGPPeer/x", "spec.holdTime", "not whole seconds: 1500ms" },
	{ PEER_AT("holdTime: soon"), "BGPPeer/x", "spec.holdTime", "not a duration such as 90s: soon" },
	{ PEER_AT("holdTime: -3s"), "BGPPeer/x", "spec.holdTime", "not a duration such as 90s: -3s" },
	{ PEER_AT("holdTime: 1000h"), "BGPPeer/x", "spec.holdTime", "not in 0s..65535s: 1000h" },
	{ PEER_AT("holdTime: 9s, keepaliveTime: 10s"), "BGPPeer/x", "spec.keepaliveTime",
	  "longer than holdTime: 10s and 9s" },
	{ PEER_AT("holdTime: 0, keepaliveTime: 10s"), "BGPPeer/x", "spec.keepaliveTime",
	  "holdTime 0 allows no keepalives: 10s" },
	{ PEER_AT("ebgpMultiHop: true, ttlSecurity: 1"), "BGPPeer/x", "spec.ttlSecurity",
	  "ebgpMultiHop and ttlSecurity exclude each other" },
	{ FAIRWAY("BGPPeer", "myASN: 1, peerASN: 1, peerAddress: 10.0.0.1, ebgpMultiHop: true"), "BGPPeer/x",
	  "spec.ebgpMultiHop", "only for an external peer" },
	{ PEER("interface: abcdefghijklmnop"), "BGPPeer/x", "spec.interface",
	  "longer than 15 bytes: abcdefghijklmnop" },
	{ PEER("interface: \"eth0\\n\""), "BGPPeer/x", "spec.interface",
	  "not an interface's name: eth0\\x0a" },
	{ PEER("interface: \"eth0 x\""), "BGPPeer/x", "spec.interface", "not an interface's name: eth0 x" },
	{ PEER_AT("vrf: ../red"), "BGPPeer/x", "spec.vrf", "not an interface's name: ../red" },
	{ PEER_AT("addressFamilies: [ipv5]"), "BGPPeer/x", "spec.addressFamilies", "not ipv4 or ipv6: ipv5" },
	{ PEER_AT("allowASIn: 11"), "BGPPeer/x", "spec.allowASIn", "not in 0..10: 11" },
	{ PEER_AT("password: hunter2"), "BGPPeer/x", "spec.password",
	  "plain passwords are not taken: name a Secret in passwordSecret" },
	{ PEER_AT("passwordSecret: {name: A B}"), "BGPPeer/x", "spec.passwordSecret.name",
	  "not a name: \"A B\"" },
	{ PEER_AT("bfdProfile: \"x\\ny\""), "BGPPeer/x", "spec.bfdProfile", "not a name: \"x\\x0ay\"" },
	{ FAIRWAY("BGPAdvertisement", "advertisementType: service"), "BGPAdvertisement/x",
	  "spec.advertisementType", "not Service or PodCIDR: service" },
	{ FAIRWAY("BGPAdvertisement", "aggregationLength: 33"), "BGPAdvertisement/x",
	  "spec.aggregationLength", "not in 1..32: 33" },
	{ FAIRWAY("BGPAdvertisement", "localPref: 4294967296"), "BGPAdvertisement/x", "spec.localPref",
	  "not in 0..4294967295: 4294967296" },
	{ FAIRWAY("BGPAdvertisement", "communities: [65000]"), "BGPAdvertisement/x", "spec.communities[0]",
	  "not a string: 65000" },
	{ FAIRWAY("BGPAdvertisement", "drainOnTaints: {tolerations: [{effect: NoExecute}]}"),
	  "BGPAdvertisement/x", "spec.drainOnTaints.tolerations[0].operator",
	  "Exists is needed without a key" },
	{ FAIRWAY("BFDProfile", "detectMultiplier: 1"), "BFDProfile/x", "spec.detectMultiplier",
	  "not in 2..255: 1" },
	{ FAIRWAY("BFDProfile", "receiveInterval: 9"), "BFDProfile/x", "spec.receiveInterval",
	  "not in 10..60000: 9" },
	{ FAIRWAY("Community", "communities: [{name: a}]"), "Community/x", "spec.communities[0].value",
	  "missing" },
};

static void expect_one(const struct bad *bad, const struct problems *problems)
{
	if (problems->n != 1 || strcmp(problems->items[0].object, bad->object) != 0 ||
	    strcmp(problems->items[0].field, bad->field) != 0 ||
	    strcmp(problems->items[0].message, bad->message) != 0) {
		for (size_t i = 0; i < problems->n; i++)
			print_message("%s | %s | %s\n", problems->items[i].object, problems->items[i].field,
				      problems->items[i].message);
		fail_msg("expected alone for %s:\n%s | %s | %s", bad->text, bad->object, bad->field,
			 bad->message);
	}
}

static void test_refused(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		cleanup(problems_done) struct problems problems = { 0 };
		struct object *object = NULL;
		enum decode_result result = decode_text(refused[i].text, &object, &problems);

		expect_one(&refused[i], &problems);
		assert_int_equal(result, DECODE_REFUSED);
		assert_null(object);
	}
}

/* What others must go on knowing of a refused object: see decode_remains(). */
static void test_remains(void **state)
{
	static const struct {
		const char *text,
			*why; /* why: of Fairway's own kinds; "": another kind; NULL: nothing remains */
		size_t n_ingress;
	} rows[] = {
		{ "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"},"
		  "\"spec\":{\"type\":7,\"loadBalancerClass\":\"fairway.dev/lb\","
		  "\"ports\":[{\"port\":80},{\"port\":0}],\"healthCheckNodePort\":31000},"
		  "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"2001:db8::1\"}"
		  "]}}}",
		  "", 2 },
		{ "{\"apiVersion\":\"fairway.dev/"
		  "v1alpha1\",\"kind\":\"ServiceIPPool\",\"metadata\":{\"name\":\"a\"},"
		  "\"spec\":{\"addresses\":[\"192.0.2.0/24\"],\"quota\":{\"perNamespace\":-1}}}",
		  "spec.quota.perNamespace: not in 0..2147483647: -1", 0 },
		{ "{\"apiVersion\":\"fairway.dev/"
		  "v1alpha1\",\"kind\":\"BGPAdvertisement\",\"metadata\":{\"name\":\"a\"},"
		  "\"spec\":{\"localPref\":-1},\"status\":{\"conditions\":[{\"type\":\"Valid\",\"status\":"
		  "\"False\"}]}}",
		  "spec.localPref: not in 0..4294967295: -1", 0 },
		{ "{\"apiVersion\":\"fairway.dev/"
		  "v1alpha1\",\"kind\":\"BGPPeer\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"myASN\":0,"
		  "\"nodeSelectors\":[{\"matchLabels\":{\"a\":\"b\"}}],\"bfdProfile\":\"fast\"},"
		  "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		  "spec.myASN: not in 1..4294967295: 0", 0 },
		{ "{\"apiVersion\":\"fairway.dev/"
		  "v1alpha1\",\"kind\":\"BFDProfile\",\"metadata\":{\"name\":\"a\"},"
		  "\"spec\":{\"minimumTtl\":-1,\"detectMultiplier\":5},"
		  "\"status\":{\"conditions\":[{\"type\":\"Valid\",\"status\":\"True\"}]}}",
		  "spec.minimumTtl: not in 1..254: -1", 0 },
		{ "{\"apiVersion\":\"fairway.dev/"
		  "v1alpha1\",\"kind\":\"Community\",\"metadata\":{\"name\":\"a\"},"
		  "\"spec\":{\"communities\":[{\"name\":\"b\",\"value\":\"1:1\"},{\"name\":\"c\"},{}]},"
		  "\"status\":{\"conditions\":[{\"type\":\"Valid\",\"status\":\"True\"}]}}",
		  "spec.communities[1].value: missing", 0 },
		{ "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"},\"data\":7}",
		  NULL, 0 },
		{ "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"A B\"}}", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(json_document_done) struct json_document document = { 0 };
		struct object *object = NULL;
		struct json_error error;

		assert_int_equal(json_parse(rows[i].text, strlen(rows[i].text), &document, &error), 0);
		assert_int_equal(decode_remains(NULL, document.first, &object), 0);
		assert_int_equal(object != NULL, rows[i].why != NULL);
		if (!object)
			continue;
		assert_true(object_is_remains(object));
		assert_string_equal(object->meta.name, "a");
		if (object->kind == OBJECT_SERVICE_IP_POOL)
			assert_string_equal(object->pool.meta.refused, rows[i].why);
		if (object->kind == OBJECT_BGP_ADVERTISEMENT) {
			assert_string_equal(object->advertisement.meta.refused, rows[i].why);
			assert_int_equal(object->meta.conditions.n, 1);
			assert_true(object->meta.status_digest != 0);
			assert_int_equal(object->advertisement.aggregation_length,
					 0); /* nothing of the spec */
		}
		if (object->kind == OBJECT_BGP_PEER) {
			assert_string_equal(object->peer.meta.refused, rows[i].why);
			assert_int_equal(object->meta.conditions.n, 1);
			assert_true(object->meta.status_digest != 0);
			assert_null(object->peer.bfd_profile); /* nothing of the spec */
			assert_int_equal(object->peer.node_selectors.n, 0);
		}
		if (object->kind == OBJECT_BFD_PROFILE || object->kind == OBJECT_COMMUNITY) {
			assert_string_equal(object->meta.refused, rows[i].why);
			assert_int_equal(object->meta.conditions.n, 1);
			assert_true(object->meta.status_digest != 0);
		}
		if (object->kind == OBJECT_BFD_PROFILE)
			assert_int_equal(object->bfd_profile.detect_multiplier, 0); /* nothing of the spec */
		if (object->kind == OBJECT_COMMUNITY) { /* what its aliases are called, and nothing else */
			assert_int_equal(object->community.n_aliases, 0);
			assert_int_equal(object->community.refused_aliases.n, 2);
			assert_string_equal(object->community.refused_aliases.items[0], "b");
			assert_string_equal(object->community.refused_aliases.items[1], "c");
		}
		if (object->kind == OBJECT_SERVICE) {
			assert_int_equal(object->service.type, SERVICE_LOAD_BALANCER);
			assert_int_equal(object->service.n_ingress, rows[i].n_ingress);
			assert_int_equal(object->service.n_ports + object->service.health_check_node_port, 0);
			assert_string_equal(object->meta.uid, "u");
			assert_string_equal(object->service.load_balancer_class,
					    "fairway.dev/lb"); /* whose problem it is */
		}
		object_free(object);
	}
}

/* Wrong entries that are left out while the object stays. */
static void test_reported(void **state _unused_)
{
	static const struct bad cases[] = {
		{ SERVICE("status: {loadBalancer: {ingress: [{ip: 192.0.2.300}, {ip: 192.0.2.3}]}}"),
		  "Service/b/a", "status.loadBalancer.ingress[0].ip",
		  "not an address: 192.0.2.300; this entry is not served" },
		{ SLICE("addressType: IPv4, endpoints: [{addresses: [10.0.0.300]}, {addresses: [10.0.0.3]}]"),
		  "EndpointSlice/b/a", "endpoints[0].addresses[0]",
		  "not an address: 10.0.0.300; the other endpoints stay" },
		{ SLICE("addressType: IPv4, endpoints: [{addresses: [\"fd00::1\"]}, {addresses: "
			"[10.0.0.3]}]"),
		  "EndpointSlice/b/a", "endpoints[0].addresses[0]",
		  "not an IPv4 address: fd00::1; the other endpoints stay" },
		{ SLICE("addressType: IPv4, endpoints: [{addresses: [127.0.0.1]}, {addresses: [10.0.0.3]}]"),
		  "EndpointSlice/b/a", "endpoints[0].addresses[0]",
		  "a loopback address: 127.0.0.1; the other endpoints stay" },
		{ SLICE("addressType: IPv4, endpoints: [{addresses: []}, {addresses: [10.0.0.3]}]"),
		  "EndpointSlice/b/a", "endpoints[0].addresses", "missing; the other endpoints stay" },
		{ NODE("status: {addresses: [{type: InternalIP, address: 10.0.0.}, {type: InternalIP, "
		       "address: 10.0.0.3}]}"),
		  "Node/n", "status.addresses[0].address", "not an address: 10.0.0.; the others stay" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(problems_done) struct problems problems = { 0 };
		cleanup(object_freep) struct object *object = NULL;

		assert_int_equal(decode_text(cases[i].text, &object, &problems), DECODED);
		expect_one(&cases[i], &problems);
		if (object->kind == OBJECT_SERVICE)
			assert_int_equal(object->service.n_ingress, 1);
		else if (object->kind == OBJECT_NODE)
			assert_int_equal(object->node.n_internal_ips, 1);
		else
			assert_int_equal(object->slice.n_endpoints, 1);
	}
}

/* All that is wrong is told in one run, but never without end. */
static void test_all_problems_but_bounded(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 }, many = { 0 }, peer_problems = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct object *object = NULL;

	assert_int_equal(decode_text(FAIRWAY("BGPPeer", "peerAddress: x, holdTime: 2s, vrf: a/b"), &object,
				     &peer_problems),
			 DECODE_REFUSED);
	assert_int_equal(peer_problems.n, 5); /* myASN, peerASN, peerAddress, holdTime, vrf */
	assert_int_equal(
		decode_text(SERVICE("spec: {type: X, ports: [{port: 0}], clusterIP: y}"), &object, &problems),
		DECODE_REFUSED);
	assert_int_equal(problems.n, 3);
	strbuf_append(&text, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, "
			     "addressType: IPv4,"
			     " endpoints: [");
	for (int i = 0; i < 1000; i++)
		strbuf_append(&text, "{addresses: [x]},");
	strbuf_append(&text, "]}");
	assert_int_equal(decode_text(strbuf_text(&text), &object, &many), DECODED);
	assert_int_equal(many.n, 21);
	assert_string_equal(many.items[20].message, "more is wrong with it than is listed here");
	object_free(object);
}

static void test_too_many(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct object *object = NULL;

	strbuf_append(&text, "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [");
	for (int i = 1; i <= 101; i++)
		strbuf_appendf(&text, "{port: %d, name: p%d},", i, i);
	strbuf_append(&text, "]}}");
	assert_int_equal(decode_text(strbuf_text(&text), &object, &problems), DECODE_REFUSED);
	assert_string_equal(problems.items[0].field, "spec.ports");
	assert_string_equal(problems.items[0].message, "more than 100 entries: 101");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_remains),
		cmocka_unit_test(test_reported),
		cmocka_unit_test(test_all_problems_but_bounded),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
