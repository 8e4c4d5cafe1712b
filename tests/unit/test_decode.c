// SPDX-License-Identifier: Apache-2.0
/* k8s/decode: objects as kubectl prints them, the API server's defaults, and what wrong fields are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/decode.h"
#include "k8s/decode_common.h"
#include "k8s/yaml.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct object *, object_free);

static enum decode_result decode_text(const char *text, struct object **ret_object, struct problems *problems)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct json_error error = { 0 };
	enum decode_result result;

	if (yaml_parse(text, strlen(text), &document, &error) < 0)
		fail_msg("line %u: %s\n%s", error.line, error.message, text);
	result = decode_object(document.first, "file.yaml", ret_object, problems);
	if (result == DECODED) /* whatever the decoders read is known */
		assert_null(decode_unknown_field(NULL, document.first));
	return result;
}

static struct object *decode(const char *text)
{
	cleanup(problems_done) struct problems problems = { 0 };
	struct object *object = NULL;
	enum decode_result result = decode_text(text, &object, &problems);

	for (size_t i = 0; i < problems.n; i++)
		print_message("%s %s: %s\n", problems.items[i].object, problems.items[i].field,
			      problems.items[i].message);
	assert_int_equal(result, DECODED);
	assert_int_equal(problems.n, 0);
	return object;
}

static char *text_of(const struct addr *addr)
{
	static char buffer[ADDR_TEXT_MAX];

	return addr_format(addr, buffer);
}

/* --- LBNode ---------------------------------------------------------------------------------------------- */

/* Whatever a token that may write LBNodes puts there: entries that are none are left out, the others count. */
static void test_lb_node(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(object_freep) struct object *object = NULL;
	const struct lb_node_group *group;

	assert_int_equal(decode_text("apiVersion: fairway.dev/v1alpha1\n"
				     "kind: LBNode\n"
				     "metadata: {name: n1}\n"
				     "status:\n"
				     "  agentVersion: 0.1.0\n"
				     "  heartbeatSeconds: 60\n"
				     "  services: {total: 7, programmed: 6, announced: 5, omitted: 3, omittedReleasing: 2, sampled: true}\n"
				     "  groups:\n"
				     "  - programmed: true\n"
				     "    announcedTo: [tor-a]\n"
				     "    services: [\"web/shop=192.0.2.1,2001:db8::1\", \"=192.0.2.2\", \"web/none=\",\n"
				     "      web/shop, web=192.0.2.1, \"web/x=192.0.2.1,\", \"web/x=192.0.2.256\",\n"
				     "      \"web/x=192.0.2.1;192.0.2.2\", 7]\n"
				     "  - {releasing: true, unannouncedFamilies: [IPv6, IPX]}\n"
				     "  conditions: [{type: Other}, {type: Ready, status: \"True\", reason: Fine}]\n",
				     &object, &problems),
			 DECODED);
	assert_int_equal(object->lb_node.n_services, 7);
	assert_int_equal(object->lb_node.n_programmed, 6);
	assert_int_equal(object->lb_node.n_announced, 5);
	assert_int_equal(object->lb_node.n_omitted, 3);
	assert_int_equal(object->lb_node.n_omitted_releasing, 2);
	assert_true(object->lb_node.sampled && object->lb_node.ready);
	assert_string_equal(object->lb_node.ready_reason, "Fine");
	assert_int_equal(object->lb_node.heartbeat_sec, 60);
	assert_false(object->lb_node.silent);
	assert_int_equal(object->lb_node.n_groups, 2);
	assert_true(object->lb_node.groups[1].releasing && !object->lb_node.groups[1].programmed);
	assert_true(!object->lb_node.groups[1].unannounced[0] && object->lb_node.groups[1].unannounced[1]);
	group = &object->lb_node.groups[0];
	assert_true(!group->unannounced[0] && !group->unannounced[1]); /* an older agent's */
	assert_int_equal(group->n_services, 4);
	assert_string_equal(group->services[0].name, "web/shop");
	assert_int_equal(group->services[0].n_vips, 2);
	assert_string_equal(text_of(&group->services[0].vips[1]), "2001:db8::1");
	assert_string_equal(group->services[1].name, "");
	assert_int_equal(group->services[2].n_vips, 0);
	assert_int_equal(group->services[3].n_vips, 1); /* a comma at the end */
	assert_int_equal(problems.n, 5);
	assert_string_equal(problems.items[0].object, "LBNode/n1");
	assert_string_equal(problems.items[0].field, "status.groups[0].services[3]");
}

/* lbcontroller's word, and nobody else's: an agent that says Unknown is not silent. */
static void test_lb_node_silent(void **state _unused_)
{
	static const struct {
		const char *condition;
		bool silent;
	} rows[] = {
		{ "status: Unknown, reason: AgentSilent", true },
		{ "status: Unknown, reason: Starting", false },
		{ "status: \"False\", reason: AgentSilent", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf text = { 0 };
		cleanup(object_freep) struct object *object = NULL;

		strbuf_appendf(&text,
			       "apiVersion: fairway.dev/v1alpha1\nkind: LBNode\nmetadata: {name: n1}\nstatus:\n"
			       "  conditions: [{type: Ready, %s}]\n",
			       rows[i].condition);
		object = decode(strbuf_text(&text));
		assert_int_equal(object->lb_node.silent, rows[i].silent);
		assert_false(object->lb_node.ready);
		assert_int_equal(object->lb_node.heartbeat_sec, 0); /* an older agent does not say */
	}
}

/* A node each, as ServiceLB has it: none of them may go to anybody else. */
static void test_many_status_addresses(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	cleanup(object_freep) struct object *object = NULL;

	strbuf_append(&text, "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n"
			     "status:\n  loadBalancer:\n    ingress:\n");
	for (unsigned i = 0; i < 1000; i++)
		strbuf_appendf(&text, "    - ip: 10.0.%u.%u\n", i / 250, i % 250 + 1);
	object = decode(strbuf_text(&text));
	assert_int_equal(object->service.n_ingress, 1000);
}

static void test_lb_node_new(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode("apiVersion: fairway.dev/v1alpha1\nkind: LBNode\nmetadata: {name: n1}\n");

	assert_int_equal(object->lb_node.n_groups + object->lb_node.n_peers, 0);
	assert_string_equal(object->lb_node.agent_version, "");
	assert_string_equal(object->lb_node.ready_message, "");
	assert_false(object->lb_node.ready);
}

/* --- good objects -------------------------------------------------------------------------------------- */

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
	cleanup(object_freep) struct object *object = decode(service_as_printed);
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
	assert_string_equal(text_of(&service->cluster_ips[1]), "fd00::10");
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
	cleanup(object_freep) struct object *object = decode(service_as_printed);
	const struct service *service = &object->service;
	const struct condition *allocated = conditions_find(&service->conditions, "fairway.dev/Allocated");

	assert_int_equal(service->meta.resource_version, 1234);
	assert_int_equal(service->meta.generation, 7);
	assert_true(strings_contain(&service->meta.finalizers, "service.kubernetes.io/load-balancer-cleanup"));
	assert_int_equal(service->conditions.n, 1); /* other people's are not kept */
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
		decode("{apiVersion: v1, kind: Service, metadata: {name: a, deletionTimestamp: "
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
	cleanup(object_freep) struct object *object = decode(
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {sessionAffinity: ClientIP}}");

	assert_int_equal(object->service.affinity_sec, 10800);
}

static void test_slice(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode(
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
	assert_string_equal(text_of(&slice->endpoints[0].addr), "fd00::1");
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
	cleanup(object_freep) struct object *old =
		decode("{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: s}, "
		       "addressType: IPv4,"
		       " endpoints: [{addresses: [10.0.0.1], topology: {kubernetes.io/hostname: n7}}]}");
	cleanup(object_freep) struct object *fqdn =
		decode("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, "
		       "addressType: FQDN,"
		       " endpoints: [{addresses: [www.example.com]}]}");

	assert_string_equal(old->slice.endpoints[0].node, "n7");
	assert_string_equal(old->slice.service, "");
	assert_int_equal(fqdn->slice.family, ADDR_NONE);
	assert_int_equal(fqdn->slice.n_endpoints, 0);
}

static void test_node(void **state _unused_)
{
	cleanup(object_freep) struct object *object = decode(
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
		decode("{apiVersion: v1, kind: Node, metadata: {name: n1, namespace: ignored}, spec: "
		       "{podCIDR: 10.1.0.0/16}}");

	assert_string_equal(object->meta.namespace, "");
	assert_int_equal(object->node.n_pod_cidrs, 1);
	assert_false(object->node.network_unavailable);
}

static void test_secret(void **state _unused_)
{
	cleanup(object_freep) struct object *encoded =
		decode("{apiVersion: v1, kind: Secret, metadata: {name: s},"
		       " data: {password: czNjcmV0, other: \"!\"}}");
	cleanup(object_freep) struct object *plain =
		decode("{apiVersion: v1, kind: Secret, metadata: {name: s},"
		       " data: {password: \"?\"}, stringData: {password: \"a b\"}}");
	cleanup(object_freep) struct object *none =
		decode("{apiVersion: v1, kind: Secret, type: kubernetes.io/basic-auth, metadata: {name: s}}");

	assert_string_equal(encoded->secret.password, "s3cret");
	assert_string_equal(encoded->secret.type, "Opaque");
	assert_string_equal(plain->secret.password, "a b");
	assert_null(none->secret.password);
	assert_string_equal(none->secret.type, "kubernetes.io/basic-auth");
}

static void test_namespace(void **state _unused_)
{
	cleanup(object_freep) struct object *bare =
		decode("{apiVersion: v1, kind: Namespace, metadata: {name: web}}");
	cleanup(object_freep) struct object *labelled = decode(
		"{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {a: \"1\", z: \"2\"}}}");

	assert_int_equal(bare->meta.labels.n, 1);
	assert_string_equal(labels_find(&bare->meta.labels, "kubernetes.io/metadata.name"), "web");
	assert_string_equal(labels_find(&labelled->meta.labels, "kubernetes.io/metadata.name"), "web");
	assert_string_equal(labels_find(&labelled->meta.labels, "a"), "1");
	assert_string_equal(labels_find(&labelled->meta.labels, "z"), "2");
}

static void test_pool(void **state _unused_)
{
	cleanup(object_freep) struct object *object =
		decode("apiVersion: fairway.dev/v1alpha1\n"
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
	cleanup(object_freep) struct object *object =
		decode("apiVersion: fairway.dev/v1alpha1\n"
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
	cleanup(object_freep) struct object *v6 =
		decode("{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: p},"
		       " spec: {myASN: 1, dynamicASN: external, peerAddress: \"2001:db8::1\", holdTime: 0s, "
		       "passwordSecret: pw}}");
	cleanup(object_freep) struct object *interface =
		decode("{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: p},"
		       " spec: {myASN: 1, dynamicASN: internal, interface: eth0.100}}");
	cleanup(object_freep) struct object *both = decode(
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
	cleanup(object_freep) struct object *object = decode(
		"apiVersion: fairway.dev/v1alpha1\n"
		"kind: BGPAdvertisement\n"
		"metadata: {name: a}\n"
		"spec: {serviceIPPools: [p], peers: [tor-a], aggregationLength: 24, localPref: 4294967295,\n"
		"  communities: [65000:1, \"large:1:2:3\", no-export], maxNextHops: 2, "
		"onlyNodesWithEndpoints: true,\n"
		"  drainOnTaints: {enabled: true, tolerations: [{operator: Exists, effect: NoSchedule}, "
		"{key: k, value: v}]}}\n");
	cleanup(object_freep) struct object *empty = decode(
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
	cleanup(object_freep) struct object *bfd =
		decode("{apiVersion: fairway.dev/v1alpha1, kind: BFDProfile, metadata: {name: fast}, spec: "
		       "{receiveInterval: 100}}");
	cleanup(object_freep) struct object *community =
		decode("{apiVersion: fairway.dev/v1alpha1, kind: Community, metadata: {name: c},"
		       " spec: {communities: [{name: edge, value: 65000:9}]}}");

	assert_int_equal(bfd->bfd_profile.receive_interval_msec, 100);
	assert_int_equal(bfd->bfd_profile.transmit_interval_msec, 300);
	assert_int_equal(bfd->bfd_profile.detect_multiplier, 3);
	assert_int_equal(bfd->bfd_profile.echo_interval_msec, 50);
	assert_int_equal(bfd->bfd_profile.minimum_ttl, 254);
	assert_string_equal(community->community.aliases[0].name, "edge");
	assert_string_equal(community->community.aliases[0].value, "65000:9");
}

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

/* --- bad objects --------------------------------------------------------------------------------------- */

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

/* Wrong entries that are left out while the object stays. */
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
		  "\"spec\":{\"minimumTtl\":-1}}",
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
			assert_int_equal(object->advertisement.conditions.n, 1);
			assert_true(object->advertisement.status_digest != 0);
			assert_int_equal(object->advertisement.aggregation_length, 0); /* nothing of the spec */
		}
		if (object->kind == OBJECT_BGP_PEER) {
			assert_string_equal(object->peer.meta.refused, rows[i].why);
			assert_int_equal(object->peer.conditions.n, 1);
			assert_true(object->peer.status_digest != 0);
			assert_null(object->peer.bfd_profile); /* nothing of the spec */
			assert_int_equal(object->peer.node_selectors.n, 0);
		}
		if (object->kind == OBJECT_SERVICE) {
			assert_int_equal(object->service.type, SERVICE_LOAD_BALANCER);
			assert_int_equal(object->service.n_ingress, rows[i].n_ingress);
			assert_int_equal(object->service.n_ports + object->service.health_check_node_port, 0);
			assert_string_equal(object->meta.uid, "u");
			assert_string_equal(object->service.load_balancer_class, "fairway.dev/lb"); /* whose problem it is */
		}
		object_free(object);
	}
}

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

/* --- small notations ----------------------------------------------------------------------------------- */

static void test_times(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		int64_t seconds;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2024-02-29T23:59:59Z", 0, 1709251199 },
		{ "2024-01-31T12:00:00.123456789Z", 0, 1706702400 },
		{ "2024-01-31T14:00:00+02:00", 0, 1706702400 },
		{ "2024-01-31T06:30:00-05:30", 0, 1706702400 },
		{ "1969-12-31T23:59:59Z", 0, -1 },
		{ "2000-02-29T00:00:00Z", 0, 951782400 },
		{ "1900-02-29T00:00:00Z", -EINVAL, 0 },
		{ "2023-02-29T00:00:00Z", -EINVAL, 0 },
		{ "2024-13-01T00:00:00Z", -EINVAL, 0 },
		{ "2024-04-31T00:00:00Z", -EINVAL, 0 },
		{ "2024-01-31 12:00:00Z", -EINVAL, 0 },
		{ "2024-01-31T12:00:00", -EINVAL, 0 },
		{ "2024-01-31T12:00:00.Z", -EINVAL, 0 },
		{ "2024-01-31T12:00:00Zx", -EINVAL, 0 },
		{ "24-01-31T12:00:00Z", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t seconds = 0;

		if (time_parse(cases[i].text, &seconds) != cases[i].r || seconds != cases[i].seconds)
			fail_msg("%s: %lld", cases[i].text, (long long)seconds);
	}
}

static void test_durations(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		uint64_t seconds;
	} cases[] = {
		{ "90s", 0, 90 },
		{ "1m30s", 0, 90 },
		{ "1.5h", 0, 5400 },
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "3000ms", 0, 3 },
		{ "1s1000000us", 0, 2 },
		{ ".5m", 0, 30 },
		{ "2500ms", -EDOM, 0 },
		{ "90", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ ".s", -EINVAL, 0 },
		{ "1000000000h", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seconds = 0;

		if (duration_parse(cases[i].text, &seconds) != cases[i].r || seconds != cases[i].seconds)
			fail_msg("%s: %llu", cases[i].text, (unsigned long long)seconds);
	}
}

static void test_base64(void **state _unused_)
{
	static const struct {
		const char *text, *plain;
	} cases[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9v\nYmFy\n", "foobar" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "Zg=", NULL },
		{ "Zg", NULL },
		{ "Z", NULL },
		{ "=", NULL },
		{ "Zg==Zg==", NULL },
		{ "Zm9v=", NULL },
		{ "Z===", NULL },
		{ "Zm 9", NULL },
		{ "Zm9-", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(arena_done) struct arena arena = { 0 };
		size_t length = 0;
		char *bytes = NULL;
		int r = base64_decode(&arena, cases[i].text, &bytes, &length);

		if (r != (cases[i].plain ? 0 : -EINVAL))
			fail_msg("%s: %d", cases[i].text, r);
		if (cases[i].plain) {
			assert_string_equal(bytes, cases[i].plain);
			assert_int_equal(length, strlen(cases[i].plain));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_as_printed), cmocka_unit_test(test_what_the_controller_needs),
		cmocka_unit_test(test_service_defaults),
		cmocka_unit_test(test_affinity_default),
		cmocka_unit_test(test_slice),
		cmocka_unit_test(test_slice_v1beta1_and_fqdn),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_node_single_pod_cidr),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_namespace),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_peer_defaults),
		cmocka_unit_test(test_advertisement),
		cmocka_unit_test(test_bfd_and_community),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_remains),
		cmocka_unit_test(test_reported),
		cmocka_unit_test(test_all_problems_but_bounded),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_many_status_addresses),
		cmocka_unit_test(test_lb_node),
		cmocka_unit_test(test_lb_node_silent),
		cmocka_unit_test(test_lb_node_new),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
