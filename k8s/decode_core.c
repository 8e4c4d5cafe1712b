// SPDX-License-Identifier: Apache-2.0
/* The kinds of Kubernetes that Fairway reads, with the defaults that the API server would apply (manifests
 * come without them) and its validation repeated where a wrong value could do harm. */
#include <errno.h>
#include <string.h>

#include "k8s/decode_common.h"
#include "userspace/base/attributes.h"
#include "userspace/base/parse.h"

#define MAX_PORTS	   100
#define MAX_ENDPOINTS	   1000
#define MAX_INGRESS	   4096 /* ServiceLB of k3s writes one for each node, and nobody else may get one of them */
#define MAX_SOURCE_RANGES  256
#define MAX_EXTERNAL_IPS   64
#define MAX_ADDRESSES	   100 /* of an endpoint; only the first counts */
#define MAX_HINTS	   64
#define MAX_NODE_ADDRESSES 64
#define MAX_POD_CIDRS	   64
#define MAX_TAINTS	   256
#define MAX_CONDITIONS	   256
#define MAX_SECRET_KEYS	   1000
#define PASSWORD_MAX	   80 /* what a TCP MD5 key may hold */

/* --- Service ------------------------------------------------------------------------------------------- */

static const struct choice policies[] = { { "Cluster", POLICY_CLUSTER },
					  { "Local", POLICY_LOCAL },
					  { NULL, 0 } };

/* Two ports that slices or packets could not tell apart. */
static void refuse_equal_ports(struct decoder *decoder, const struct json *entry,
			       const struct service *service, const struct service_port *port)
{
	for (size_t i = 0; i < service->n_ports; i++) {
		const struct service_port *other = &service->ports[i];

		if (other->protocol != port->protocol)
			continue;
		if (other->port == port->port)
			decode_refuse(decoder, entry, "port", "%u/%s stands twice", port->port,
				      l4_protocol_name(port->protocol));
		else if (strcmp(other->name, port->name) == 0)
			decode_refuse(decoder, entry, "name",
				      "%s: ports of one protocol need different names",
				      *port->name ? "stands twice" : "missing");
	}
}

static const char *field_port_name(struct decoder *decoder, const struct json *entry)
{
	const char *name = field_text_or(decoder, entry, "name", "");

	if (*name && !text_is_dns_label(name))
		decode_refuse(decoder, entry, "name", "not a port's name: %.100s", name);
	return name;
}

static void decode_ports(struct decoder *decoder, const struct json *spec, struct service *service)
{
	const struct json *list = field_list(decoder, spec, "ports", MAX_PORTS), *entry;

	if (!list || !list->n)
		return;
	service->ports = keep_array(decoder, list->n, sizeof(*service->ports));
	for (entry = list->child; entry && !decoder->no_memory; entry = entry->next) {
		struct service_port port;
		int64_t number;

		if (!entry_is_map(decoder, entry))
			continue;
		number = field_number(decoder, entry, "port", 1, 65535, 0);
		if (!number && !json_member(entry, "port"))
			decode_refuse(decoder, entry, "port", "missing");
		port = (struct service_port){
			.name = field_port_name(decoder, entry),
			.protocol = field_protocol(decoder, entry, "protocol"),
			.port = (uint16_t)number,
			.node_port = (uint16_t)field_number(decoder, entry, "nodePort", 0, 65535, 0),
		};
		if (decoder->no_memory)
			return;
		if (number)
			refuse_equal_ports(decoder, entry, service, &port);
		service->ports[service->n_ports++] = port;
	}
}

static void decode_cluster_ip(struct decoder *decoder, const struct json *value, struct service *service)
{
	struct addr *addr = &service->cluster_ips[service->n_cluster_ips];

	if (value->type != JSON_STRING) {
		decode_refuse(decoder, value, NULL, "not a string");
	} else if (strcmp(value->text, "None") == 0) {
		service->headless = true;
	} else if (*value->text) {
		if (value->has_nul || addr_parse(value->text, addr) < 0)
			decode_refuse(decoder, value, NULL, "not an address: %.100s", value->text);
		service->n_cluster_ips++;
	}
}

static void decode_families(struct decoder *decoder, const struct json *spec, struct service *service)
{
	static const struct choice family_policies[] = { { "SingleStack", FAMILY_SINGLE_STACK },
							 { "PreferDualStack", FAMILY_PREFER_DUAL_STACK },
							 { "RequireDualStack", FAMILY_REQUIRE_DUAL_STACK },
							 { NULL, 0 } };
	const struct json *list = field_list(decoder, spec, "clusterIPs", 2), *entry;
	const struct json *single = field(decoder, spec, "clusterIP", JSON_STRING);
	struct strings families = field_strings(decoder, spec, "ipFamilies", 2);

	if (list && list->n)
		for (entry = list->child; entry; entry = entry->next)
			decode_cluster_ip(decoder, entry, service);
	else if (single)
		decode_cluster_ip(decoder, single, service);
	service->ip_family_policy = (enum ip_family_policy)field_choice(decoder, spec, "ipFamilyPolicy",
									family_policies, FAMILY_POLICY_UNSET);
	for (size_t i = 0; i < families.n && !decoder->no_memory; i++) {
		bool v4 = strcmp(families.items[i], "IPv4") == 0, v6 = strcmp(families.items[i], "IPv6") == 0;

		if (!v4 && !v6)
			decode_refuse(decoder, spec, "ipFamilies", "not IPv4 or IPv6: %.100s",
				      families.items[i]);
		else if (service->n_ip_families && service->ip_families[0] == (v4 ? ADDR_IPV4 : ADDR_IPV6))
			decode_refuse(decoder, spec, "ipFamilies", "%s stands twice", families.items[i]);
		else
			service->ip_families[service->n_ip_families++] = v4 ? ADDR_IPV4 : ADDR_IPV6;
	}
}

static void decode_ingress(struct decoder *decoder, const struct json *status, struct service *service)
{
	static const struct choice modes[] = { { "VIP", false }, { "Proxy", true }, { NULL, 0 } };
	const struct json *balancer = field(decoder, status, "loadBalancer", JSON_OBJECT);
	const struct json *list = field_list(decoder, balancer, "ingress", MAX_INGRESS), *entry;

	if (!list || !list->n)
		return;
	service->ingress = keep_array(decoder, list->n, sizeof(*service->ingress));
	for (entry = list->child; entry && service->ingress; entry = entry->next) {
		struct ingress_address *ingress = &service->ingress[service->n_ingress];
		const char *ip;

		if (!entry_is_map(decoder, entry))
			continue;
		ip = field_text(decoder, entry, "ip");
		ingress->proxy_mode = field_choice(decoder, entry, "ipMode", modes, false);
		if (ip && *ip && addr_parse(ip, &ingress->addr) < 0)
			decode_report(decoder, entry, "ip",
				      "not an address: %.100s; this entry is not served", ip);
		else
			service->n_ingress++;
	}
}

static uint32_t decode_affinity(struct decoder *decoder, const struct json *spec)
{
	static const struct choice affinities[] = { { "None", 0 }, { "ClientIP", 1 }, { NULL, 0 } };
	const struct json *config = field(decoder, spec, "sessionAffinityConfig", JSON_OBJECT);
	const struct json *client_ip = field(decoder, config, "clientIP", JSON_OBJECT);
	int64_t timeout_sec = field_number(decoder, client_ip, "timeoutSeconds", 1, 86400, 10800);

	return field_choice(decoder, spec, "sessionAffinity", affinities, 0) ? (uint32_t)timeout_sec : 0;
}

void decode_service(struct decoder *decoder, const struct json *root, struct object *object)
{
	static const struct choice types[] = { { "ClusterIP", SERVICE_CLUSTER_IP },
					       { "NodePort", SERVICE_NODE_PORT },
					       { "LoadBalancer", SERVICE_LOAD_BALANCER },
					       { "ExternalName", SERVICE_EXTERNAL_NAME },
					       { NULL, 0 } };
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	struct service *service = &object->service;

	service->type = (enum service_type)field_choice(decoder, spec, "type", types, SERVICE_CLUSTER_IP);
	decode_families(decoder, spec, service);
	decode_ports(decoder, spec, service);
	service->selector = field_labels(decoder, spec, "selector", 256, TEXT_MAX);
	service->external_policy = (enum traffic_policy)field_choice(decoder, spec, "externalTrafficPolicy",
								     policies, POLICY_CLUSTER);
	service->internal_policy = (enum traffic_policy)field_choice(decoder, spec, "internalTrafficPolicy",
								     policies, POLICY_CLUSTER);
	service->affinity_sec = decode_affinity(decoder, spec);
	service->load_balancer_class = field_text(decoder, spec, "loadBalancerClass");
	service->load_balancer_ip = field_text(decoder, spec, "loadBalancerIP");
	service->external_ips = field_strings(decoder, spec, "externalIPs", MAX_EXTERNAL_IPS);
	service->source_ranges = field_strings(decoder, spec, "loadBalancerSourceRanges", MAX_SOURCE_RANGES);
	service->health_check_node_port =
		(uint16_t)field_number(decoder, spec, "healthCheckNodePort", 0, 65535, 0);
	service->allocate_node_ports = field_bool(decoder, spec, "allocateLoadBalancerNodePorts", true);
	decode_ingress(decoder, field(decoder, root, "status", JSON_OBJECT), service);
}

/* --- EndpointSlice ------------------------------------------------------------------------------------- */

static void decode_slice_ports(struct decoder *decoder, const struct json *root, struct endpoint_slice *slice)
{
	const struct json *list = field_list(decoder, root, "ports", MAX_PORTS), *entry;

	if (!list || !list->n)
		return;
	slice->ports = keep_array(decoder, list->n, sizeof(*slice->ports));
	for (entry = list->child; entry && slice->ports; entry = entry->next) {
		if (!entry_is_map(decoder, entry))
			continue;
		slice->ports[slice->n_ports++] = (struct slice_port){
			.name = field_port_name(decoder, entry),
			.protocol = field_protocol(decoder, entry, "protocol"),
			.port = (uint16_t)field_number(decoder, entry, "port", 0, 65535, 0),
		};
	}
}

/* Why the API server would not let this be an endpoint: traffic to it would stay on the forwarding node. */
static const char *why_not_endpoint(const struct addr *addr)
{
	if (addr_is_unspecified(addr))
		return "an unspecified address";
	if (addr_is_loopback(addr))
		return "a loopback address";
	if (addr_is_link_local(addr))
		return "a link-local address";
	if (addr_is_multicast(addr))
		return "a multicast address";
	return addr_is_v4_mapped(addr) ? "an IPv4-mapped address" : NULL;
}

/* False: this endpoint is left out, and reported. */
static bool decode_endpoint_addr(struct decoder *decoder, const struct json *entry, enum addr_family family,
				 struct addr *ret)
{
	const struct json *list = field_list(decoder, entry, "addresses", MAX_ADDRESSES);
	const char *text, *why;

	if (!list || !list->n) {
		decode_report(decoder, entry, "addresses", "missing; the other endpoints stay");
		return false;
	}
	text = list->child->type == JSON_STRING && !list->child->has_nul ? list->child->text : "";
	if (addr_parse(text, ret) < 0) {
		decode_report(decoder, list->child, NULL, "not an address: %.100s; the other endpoints stay",
			      text);
		return false;
	}
	why = why_not_endpoint(ret);
	if (!why && ret->family != family)
		why = family == ADDR_IPV4 ? "not an IPv4 address" : "not an IPv6 address";
	if (why)
		decode_report(decoder, list->child, NULL, "%s: %.100s; the other endpoints stay", why, text);
	return !why;
}

static struct strings decode_hints(struct decoder *decoder, const struct json *hints, const char *name)
{
	const struct json *list = field_list(decoder, hints, name, MAX_HINTS), *entry;
	struct strings strings = { 0 };

	if (!list || !list->n)
		return strings;
	strings.items = keep_array(decoder, list->n, sizeof(*strings.items));
	for (entry = list->child; entry && strings.items; entry = entry->next)
		if (entry_is_map(decoder, entry))
			strings.items[strings.n++] = field_text_or(decoder, entry, "name", "");
	return strings;
}

static void decode_endpoint(struct decoder *decoder, const struct json *entry, struct endpoint *endpoint)
{
	const struct json *conditions = field(decoder, entry, "conditions", JSON_OBJECT);
	const struct json *hints = field(decoder, entry, "hints", JSON_OBJECT);

	endpoint->node = field_name(decoder, entry, "nodeName");
	if (!endpoint->node) /* v1beta1 */
		endpoint->node = field_name(decoder, field(decoder, entry, "topology", JSON_OBJECT),
					    "kubernetes.io/hostname");
	endpoint->ready = field_bool(decoder, conditions, "ready", true);
	endpoint->serving = field_bool(decoder, conditions, "serving", true);
	endpoint->terminating = field_bool(decoder, conditions, "terminating", false);
	endpoint->hint_zones = decode_hints(decoder, hints, "forZones");
	endpoint->hint_nodes = decode_hints(decoder, hints, "forNodes");
}

static void decode_endpoints(struct decoder *decoder, const struct json *root, struct endpoint_slice *slice)
{
	const struct json *list = field_list(decoder, root, "endpoints", MAX_ENDPOINTS), *entry;

	if (!list || !list->n || slice->family == ADDR_NONE)
		return;
	slice->endpoints = keep_array(decoder, list->n, sizeof(*slice->endpoints));
	for (entry = list->child; entry && slice->endpoints; entry = entry->next) {
		struct endpoint *endpoint = &slice->endpoints[slice->n_endpoints];

		if (!entry_is_map(decoder, entry))
			continue;
		if (!decode_endpoint_addr(decoder, entry, slice->family, &endpoint->addr))
			continue;
		decode_endpoint(decoder, entry, endpoint);
		slice->n_endpoints++;
	}
}

void decode_endpoint_slice(struct decoder *decoder, const struct json *root, struct object *object)
{
	static const struct choice types[] = {
		{ "IPv4", ADDR_IPV4 }, { "IPv6", ADDR_IPV6 }, { "FQDN", ADDR_NONE }, { NULL, 0 }
	};
	struct endpoint_slice *slice = &object->slice;
	const char *service;
	int family = field_choice(decoder, root, "addressType", types, -1);

	if (family < 0 && !decoder->refused)
		decode_refuse(decoder, root, "addressType", "missing");
	slice->family = family < 0 ? ADDR_NONE : (enum addr_family)family;
	service = labels_find(&slice->meta.labels, "kubernetes.io/service-name");
	slice->service = service ? service : "";
	decode_slice_ports(decoder, root, slice);
	decode_endpoints(decoder, root, slice);
}

/* --- Node ---------------------------------------------------------------------------------------------- */

static void decode_node_addresses(struct decoder *decoder, const struct json *status, struct node *node)
{
	const struct json *list = field_list(decoder, status, "addresses", MAX_NODE_ADDRESSES), *entry;

	if (!list || !list->n)
		return;
	node->addresses = keep_array(decoder, list->n, sizeof(*node->addresses));
	node->internal_ips = keep_array(decoder, list->n, sizeof(*node->internal_ips));
	for (entry = list->child; entry && !decoder->no_memory; entry = entry->next) {
		const char *type, *text;
		struct addr addr;
		bool is_ip;

		if (!entry_is_map(decoder, entry))
			continue;
		type = field_text_or(decoder, entry, "type", "");
		text = field_text_or(decoder, entry, "address", "");
		is_ip = strcmp(type, "InternalIP") == 0 || strcmp(type, "ExternalIP") == 0;
		if (addr_parse(text, &addr) < 0) { /* host names stand there too */
			if (is_ip)
				decode_report(decoder, entry, "address",
					      "not an address: %.100s; the others stay", text);
			continue;
		}
		node->addresses[node->n_addresses++] = addr;
		if (strcmp(type, "InternalIP") == 0)
			node->internal_ips[node->n_internal_ips++] = addr;
	}
}

static void decode_pod_cidrs(struct decoder *decoder, const struct json *spec, struct node *node)
{
	struct strings texts = field_strings(decoder, spec, "podCIDRs", MAX_POD_CIDRS);
	const char *name = "podCIDRs", *single = field_text(decoder, spec, "podCIDR");

	if (!texts.n && single && *single) {
		texts = (struct strings){ .items = &single, .n = 1 };
		name = "podCIDR";
	}
	node->pod_cidrs = keep_array(decoder, texts.n, sizeof(*node->pod_cidrs));
	for (size_t i = 0; i < texts.n && !decoder->no_memory; i++) {
		struct prefix prefix, masked;

		if (prefix_parse(texts.items[i], &prefix) < 0) {
			decode_refuse(decoder, spec, name, "not a CIDR: %.100s", texts.items[i]);
			continue;
		}
		masked = prefix_mask(&prefix);
		if (prefix_compare(&prefix, &masked) != 0 || !prefix.length)
			decode_refuse(decoder, spec, name, "%s: %.100s",
				      prefix.length ? "has host bits" : "everything", texts.items[i]);
		node->pod_cidrs[node->n_pod_cidrs++] = masked;
	}
}

static void decode_taints(struct decoder *decoder, const struct json *spec, struct node *node)
{
	const struct json *list = field_list(decoder, spec, "taints", MAX_TAINTS), *entry;

	if (!list || !list->n)
		return;
	node->taints = keep_array(decoder, list->n, sizeof(*node->taints));
	for (entry = list->child; entry && node->taints; entry = entry->next) {
		struct taint *taint = &node->taints[node->n_taints];
		bool no_effect;

		if (!entry_is_map(decoder, entry))
			continue;
		taint->key = field_text_or(decoder, entry, "key", "");
		taint->value = field_text_or(decoder, entry, "value", "");
		taint->effect = field_taint_effect(decoder, entry, "effect", &no_effect);
		if (!*taint->key)
			decode_refuse(decoder, entry, "key", "missing");
		else if (no_effect && !decoder->refused)
			decode_refuse(decoder, entry, "effect", "missing");
		node->n_taints++;
	}
}

void decode_node(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	const struct json *status = field(decoder, root, "status", JSON_OBJECT);
	const struct json *list = field_list(decoder, status, "conditions", MAX_CONDITIONS), *entry;
	struct node *node = &object->node;

	decode_node_addresses(decoder, status, node);
	decode_pod_cidrs(decoder, spec, node);
	decode_taints(decoder, spec, node);
	node->unschedulable = field_bool(decoder, spec, "unschedulable", false);
	for (entry = list ? list->child : NULL; entry; entry = entry->next)
		if (entry_is_map(decoder, entry) &&
		    strcmp(field_text_or(decoder, entry, "type", ""), "NetworkUnavailable") == 0)
			node->network_unavailable =
				strcmp(field_text_or(decoder, entry, "status", ""), "True") == 0;
}

/* --- Namespace, Secret --------------------------------------------------------------------------------- */

#define NAME_LABEL "kubernetes.io/metadata.name"

/* The API server labels each namespace with its own name, and selectors rely on it. */
void decode_namespace(struct decoder *decoder, const struct json *root _unused_, struct object *object)
{
	struct labels *labels = &object->meta.labels;
	struct label *items;
	size_t at = 0;

	if (labels_find(labels, NAME_LABEL))
		return;
	items = keep_array(decoder, labels->n + 1, sizeof(*items));
	if (!items)
		return;
	while (at < labels->n && strcmp(labels->items[at].key, NAME_LABEL) < 0)
		at++;
	if (labels->n) {
		memcpy(items, labels->items, at * sizeof(*items));
		memcpy(items + at + 1, labels->items + at, (labels->n - at) * sizeof(*items));
	}
	items[at] = (struct label){ .key = NAME_LABEL, .value = object->meta.name };
	labels->items = items;
	labels->n++;
}

/* The password reaches FRR as a line of text. Nothing of it may appear in a message. */
static void check_password(struct decoder *decoder, const struct json *value, const char *password,
			   size_t length)
{
	if (!length)
		decode_refuse(decoder, value, NULL, "empty");
	else if (length > PASSWORD_MAX)
		decode_refuse(decoder, value, NULL, "longer than %d bytes", PASSWORD_MAX);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)password[i] >= 0x20 && password[i] != 0x7f)
			continue;
		decode_refuse(decoder, value, NULL, "holds a control character%s",
			      i + 1 == length && password[i] == '\n' ? " (a line feed at the end)" : "");
		return;
	}
}

void decode_secret(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *data, *plain, *encoded;
	struct secret *secret = &object->secret;
	size_t length;
	char *bytes;
	int r;

	decoder->hide_values = true;
	data = field_map(decoder, root, "data", MAX_SECRET_KEYS);
	plain = field(decoder, field_map(decoder, root, "stringData", MAX_SECRET_KEYS), "password",
		      JSON_STRING);
	encoded = field(decoder, data, "password", JSON_STRING);
	secret->type = field_text_or(decoder, root, "type", "Opaque");
	if (plain) { /* overrides data, as the API server has it */
		secret->password = keep_text(decoder, plain->text);
		if (plain->has_nul)
			decode_refuse(decoder, plain, NULL, "holds a control character");
		else
			check_password(decoder, plain, plain->text, strlen(plain->text));
	} else if (encoded) {
		r = base64_decode(decoder->arena, encoded->text, &bytes, &length);
		if (r == -ENOMEM) {
			decoder->no_memory = true;
		} else if (r < 0) {
			decode_refuse(decoder, encoded, NULL, "not base64");
		} else {
			secret->password = bytes;
			check_password(decoder, encoded, bytes, length);
		}
	}
}
