// SPDX-License-Identifier: Apache-2.0
/* k8s/decode_core: Kubernetes' objects as kubectl prints them, and the API server's defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/decode_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const char service_as_printed[] = "apiVersion: v1\n"
					 "kind: Service\n"
					 "metadata:\n"
					 "  annotations:\n"
					 "    fairway.dev/ips: 192.0.2.10\n"
					 "    kubectl.kubernetes.io/last-applied-configuration: |\n"
					 "      {\"apiVersion\":\"v1\",\"kind\":\"Service\"}\n"
					 "  creationTimestamp: \"2024-01-31T12:00:00Z\"\n"
					 "  labels:\n"
					 "    tier: front\n"
					 "    app: shop\n"
					 "  managedFields:\n"
					 "  - apiVersion: v1\n"
					 "    fieldsV1:\n"
					 "      f:spec:\n"
					 "        f:ports:\n"
					 "          .: {}\n"
					 "          k:{\"port\":80,\"protocol\":\"TCP\"}:\n"
					 "            .: {}\n"
					 "    manager: kubectl\n"
					 "  name: shop\n"
					 "  namespace: web\n"
					 "  finalizers: [service.kubernetes.io/load-balancer-cleanup]\n"
					 "  generation: 7\n"
					 "  resourceVersion: \"1234\"\n"
					 "  uid: 0b6c2b0e-0000-4000-8000-000000000001\n"
					 "spec:\n"
					 "  allocateLoadBalancerNodePorts: false\n"
					 "  clusterIP: 10.96.0.10\n"
					 "  clusterIPs:\n"
					 "  - 10.96.0.10\n"
					 "  - fd00::10\n"
					 "  externalTrafficPolicy: Local\n"
					 "  healthCheckNodePort: 31234\n"
					 "  internalTrafficPolicy: Cluster\n"
					 "  ipFamilies:\n"
					 "  - IPv4\n"
					 "  - IPv6\n"
					 "  ipFamilyPolicy: RequireDualStack\n"
					 "  loadBalancerClass: fairway.dev/lb\n"
					 "  loadBalancerIP: 192.0.2.11\n"
					 "  loadBalancerSourceRanges:\n"
					 "  - 198.51.100.0/24\n"
					 "  externalIPs: [203.0.113.1]\n"
					 "  ports:\n"
					 "  - name: http\n"
					 "    nodePort: 30080\n"
					 "    port: 80\n"
					 "    protocol: TCP\n"
					 "    targetPort: web\n"
					 "  - name: dns\n"
					 "    port: 53\n"
					 "    protocol: UDP\n"
					 "    targetPort: 53\n"
					 "  selector:\n"
					 "    app: shop\n"
					 "  sessionAffinity: ClientIP\n"
					 "  sessionAffinityConfig:\n"
					 "    clientIP:\n"
					 "      timeoutSeconds: 600\n"
					 "  type: LoadBalancer\n"
					 "status:\n"
					 "  conditions:\n"
					 "  - {type: other.example/Ready, status: \"True\", reason: Fine}\n"
					 "  - lastTransitionTime: \"2024-01-31T12:00:00Z\"\n"
					 "    message: from pool public\n"
					 "    observedGeneration: 7\n"
					 "    reason: Allocated\n"
					 "    status: \"True\"\n"
					 "    type: fairway.dev/Allocated\n"
					 "  loadBalancer:\n"
					 "    ingress:\n"
					 "    - ip: 192.0.2.10\n"
					 "      ipMode: VIP\n"
					 "    - ip: 2001:db8::a\n"
					 "      ipMode: Proxy\n"
					 "    - hostname: lb.example.com\n";

static void test_service_as_printed(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(service_as_printed);
	const struct service *service = &object->service;

	assert_int_equal(object->kind, OBJECT_SERVICE);
	assert_string_equal(service->meta.namespace, "web");
	assert_string_equal(service->meta.name, "shop");
	assert_string_equal(service->meta.uid, "0b6c2b0e-0000-4000-8000-000000000001");
	assert_int_equal(service->meta.created_sec, 1706702400);
	assert_false(service->meta.deleting);
	assert_string_equal(service->meta.labels.items[0].key, "app"); /* sorted */
	assert_int_equal(service->meta.annotations.n, 1);
	assert_string_equal(labels_find(&service->meta.annotations, "fairway.dev/ips"), "192.0.2.10");
	assert_int_equal(service->type, SERVICE_LOAD_BALANCER);
	assert_int_equal(service->n_cluster_ips, 2);
	assert_string_equal(addr_text(&service->cluster_ips[1]), "fd00::10");
	assert_int_equal(service->n_ip_families, 2);
	assert_int_equal(service->ip_families[1], ADDR_IPV6);
	assert_int_equal(service->ip_family_policy, FAMILY_REQUIRE_DUAL_STACK);
	assert_int_equal(service->n_ports, 2);
	assert_int_equal(service->ports[0].node_port, 30080);
	assert_int_equal(service->ports[1].protocol, L4_UDP);
	assert_string_equal(service->ports[1].name, "dns");
	assert_int_equal(service->external_policy, POLICY_LOCAL);
	assert_int_equal(service->internal_policy, POLICY_CLUSTER);
	assert_int_equal(service->affinity_sec, 600);
	assert_string_equal(service->load_balancer_class, "fairway.dev/lb");
	assert_string_equal(service->load_balancer_ip, "192.0.2.11");
	assert_string_equal(service->external_ips.items[0], "203.0.113.1");
	assert_string_equal(service->source_ranges.items[0], "198.51.100.0/24");
	assert_int_equal(service->health_check_node_port, 31234);
	assert_false(service->allocate_node_ports);
	assert_int_equal(service->n_ingress, 3);
	assert_false(service->ingress[0].proxy_mode);
	assert_true(service->ingress[1].proxy_mode);
	assert_int_equal(service->ingress[2].addr.family, ADDR_NONE);
}

static void test_what_the_controller_needs(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(service_as_printed);
	const struct service *service = &object->service;
	const struct condition *allocated = conditions_find(&service->meta.conditions, "fairway.dev/Allocated");

	assert_int_equal(service->meta.resource_version, 1234);
	assert_int_equal(service->meta.generation, 7);
	assert_true(
		strings_contain(&service->meta.finalizers, "service.kubernetes.io/load-balancer-cleanup"));
	assert_int_equal(service->meta.conditions.n, 1); /* other people's are not kept */
	assert_non_null(allocated);
	assert_int_equal(allocated->status, CONDITION_TRUE);
	assert_string_equal(allocated->reason, "Allocated");
	assert_string_equal(allocated->message, "from pool public");
	assert_int_equal(allocated->transition_sec, 1706702400);
	assert_int_equal(allocated->generation, 7);
}

static void test_service_defaults(void **state _unused_)
{
	cleanup(object_freep) struct object *object =
		decode_good("{apiVersion: v1, kind: Service, metadata: {name: a, deletionTimestamp: "
			    "\"2024-01-31T12:00:00Z\"},"
			    " spec: {ports: [{port: 80}], sessionAffinity: null, clusterIP: None}}");
	const struct service *service = &object->service;

	assert_string_equal(service->meta.namespace, "default");
	assert_string_equal(service->meta.uid, "");
	assert_true(service->meta.created_sec == INT64_MAX);
	assert_true(service->meta.deleting);
	assert_int_equal(service->type, SERVICE_CLUSTER_IP);
	assert_true(service->headless);
	assert_int_equal(service->n_cluster_ips, 0);
	assert_string_equal(service->ports[0].name, "");
	assert_int_equal(service->ports[0].protocol, L4_TCP);
	assert_int_equal(service->external_policy, POLICY_CLUSTER);
	assert_int_equal(service->affinity_sec, 0);
	assert_null(service->load_balancer_class);
	assert_true(service->allocate_node_ports);
	assert_int_equal(service->ip_family_policy, FAMILY_POLICY_UNSET);
}

static void test_affinity_default(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {sessionAffinity: ClientIP}}");

	assert_int_equal(object->service.affinity_sec, 10800);
}

/* A node each, as ServiceLB has it: none of them may go to anybody else. */
static void test_many_status_addresses(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	cleanup(object_freep) struct object *object = NULL;

	strbuf_append(&text, "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, "
			     "ports: [{port: 80}]}\n"
			     "status:\n  loadBalancer:\n    ingress:\n");
	for (unsigned i = 0; i < 1000; i++)
		strbuf_appendf(&text, "    - ip: 10.0.%u.%u\n", i / 250, i % 250 + 1);
	object = decode_good(strbuf_text(&text));
	assert_int_equal(object->service.n_ingress, 1000);
}

static void test_slice(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(
		"apiVersion: discovery.k8s.io/v1\n"
		"kind: EndpointSlice\n"
		"metadata: {name: shop-abcde, namespace: web, labels: {kubernetes.io/service-name: shop}}\n"
		"addressType: IPv6\n"
		"endpoints:\n"
		"- addresses: [\"fd00::1\", \"fd00::2\"]\n"
		"  nodeName: n1\n"
		"  zone: a\n"
		"  hints: {forZones: [{name: a}], forNodes: [{name: n1}, {name: n2}]}\n"
		"- addresses: [\"fd00::3\"]\n"
		"  conditions: {ready: false, serving: true, terminating: true}\n"
		"- addresses: [\"fd00::4\"]\n"
		"  conditions: {ready: null}\n"
		"ports:\n"
		"- {name: http, port: 8080}\n"
		"- {port: null, protocol: UDP}\n");
	const struct endpoint_slice *slice = &object->slice;

	assert_string_equal(slice->service, "shop");
	assert_int_equal(slice->family, ADDR_IPV6);
	assert_int_equal(slice->n_endpoints, 3);
	assert_string_equal(addr_text(&slice->endpoints[0].addr), "fd00::1");
	assert_string_equal(slice->endpoints[0].node, "n1");
	assert_true(slice->endpoints[0].ready && slice->endpoints[0].serving &&
		    !slice->endpoints[0].terminating);
	assert_string_equal(slice->endpoints[0].hint_zones.items[0], "a");
	assert_int_equal(slice->endpoints[0].hint_nodes.n, 2);
	assert_null(slice->endpoints[1].node);
	assert_true(!slice->endpoints[1].ready && slice->endpoints[1].serving &&
		    slice->endpoints[1].terminating);
	assert_true(slice->endpoints[2].ready);
	assert_int_equal(slice->n_ports, 2);
	assert_int_equal(slice->ports[0].port, 8080);
	assert_int_equal(slice->ports[1].port, 0);
	assert_int_equal(slice->ports[1].protocol, L4_UDP);
}

static void test_slice_v1beta1_and_fqdn(void **state _unused_)
{
	cleanup(object_freep) struct object *old = decode_good(
		"{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: s}, "
		"addressType: IPv4,"
		" endpoints: [{addresses: [10.0.0.1], topology: {kubernetes.io/hostname: n7}}]}");
	cleanup(object_freep) struct object *fqdn =
		decode_good("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, "
			    "addressType: FQDN,"
			    " endpoints: [{addresses: [www.example.com]}]}");

	assert_string_equal(old->slice.endpoints[0].node, "n7");
	assert_string_equal(old->slice.service, "");
	assert_int_equal(fqdn->slice.family, ADDR_NONE);
	assert_int_equal(fqdn->slice.n_endpoints, 0);
}

static void test_node(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode_good(
		"apiVersion: v1\n"
		"kind: Node\n"
		"metadata: {name: n1, labels: {topology.kubernetes.io/zone: a}}\n"
		"spec:\n"
		"  podCIDR: 10.244.1.0/24\n"
		"  podCIDRs: [10.244.1.0/24, \"fd00:1::/64\"]\n"
		"  taints: [{key: gone, effect: NoExecute}, {key: k, value: v, effect: PreferNoSchedule}]\n"
		"  unschedulable: true\n"
		"status:\n"
		"  addresses:\n"
		"  - {type: InternalIP, address: 10.0.0.1}\n"
		"  - {type: Hostname, address: n1}\n"
		"  - {type: ExternalIP, address: 192.0.2.1}\n"
		"  conditions:\n"
		"  - {type: Ready, status: \"False\"}\n"
		"  - {type: NetworkUnavailable, status: \"True\"}\n");
	const struct node *node = &object->node;

	assert_int_equal(node->n_pod_cidrs, 2);
	assert_int_equal(node->pod_cidrs[1].length, 64);
	assert_int_equal(node->n_taints, 2);
	assert_int_equal(node->taints[0].effect, TAINT_NO_EXECUTE);
	assert_string_equal(node->taints[0].value, "");
	assert_string_equal(node->taints[1].value, "v");
	assert_true(node->unschedulable && node->network_unavailable);
	assert_int_equal(node->n_addresses, 2);
	assert_int_equal(node->n_internal_ips, 1);
}

static void test_node_single_pod_cidr(void **state _unused_)
{
	cleanup(object_freep) struct object *object =
		decode_good("{apiVersion: v1, kind: Node, metadata: {name: n1, namespace: ignored}, spec: "
			    "{podCIDR: 10.1.0.0/16}}");

	assert_string_equal(object->meta.namespace, "");
	assert_int_equal(object->node.n_pod_cidrs, 1);
	assert_false(object->node.network_unavailable);
}

static void test_secret(void **state _unused_)
{
	cleanup(object_freep) struct object *encoded =
		decode_good("{apiVersion: v1, kind: Secret, metadata: {name: s},"
			    " data: {password: czNjcmV0, other: \"!\"}}");
	cleanup(object_freep) struct object *plain =
		decode_good("{apiVersion: v1, kind: Secret, metadata: {name: s},"
			    " data: {password: \"?\"}, stringData: {password: \"a b\"}}");
	cleanup(object_freep) struct object *none = decode_good(
		"{apiVersion: v1, kind: Secret, type: kubernetes.io/basic-auth, metadata: {name: s}}");

	assert_string_equal(encoded->secret.password, "s3cret");
	assert_string_equal(encoded->secret.type, "Opaque");
	assert_string_equal(plain->secret.password, "a b");
	assert_null(none->secret.password);
	assert_string_equal(none->secret.type, "kubernetes.io/basic-auth");
}

static void test_namespace(void **state _unused_)
{
	cleanup(object_freep) struct object *bare =
		decode_good("{apiVersion: v1, kind: Namespace, metadata: {name: web}}");
	cleanup(object_freep) struct object *labelled = decode_good(
		"{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {a: \"1\", z: \"2\"}}}");

	assert_int_equal(bare->meta.labels.n, 1);
	assert_string_equal(labels_find(&bare->meta.labels, "kubernetes.io/metadata.name"), "web");
	assert_string_equal(labels_find(&labelled->meta.labels, "kubernetes.io/metadata.name"), "web");
	assert_string_equal(labels_find(&labelled->meta.labels, "a"), "1");
	assert_string_equal(labels_find(&labelled->meta.labels, "z"), "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_as_printed),
		cmocka_unit_test(test_what_the_controller_needs),
		cmocka_unit_test(test_service_defaults),
		cmocka_unit_test(test_affinity_default),
		cmocka_unit_test(test_many_status_addresses),
		cmocka_unit_test(test_slice),
		cmocka_unit_test(test_slice_v1beta1_and_fqdn),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_node_single_pod_cidr),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
