// SPDX-License-Identifier: Apache-2.0
/* Clusters by hand: see world.h. */
#include "tests/unit/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"

static void *need(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static void must(bool holds, const char *text)
{
	if (!holds) {
		fprintf(stderr, "world: cannot read \"%s\"\n", text);
		abort();
	}
}

void world_done(struct world *world)
{
	size_t i;

	for (i = 0; i < WORLD_KINDS; i++)
		free(world->kinds[i].items);
	arena_done(&world->arena);
	*world = (struct world){ 0 };
}

static void *new_object(struct world *world, enum object_kind kind, size_t size, const char *name)
{
	const char *slash = strchr(name, '/');
	struct meta *meta = need(arena_alloc(&world->arena, size));

	meta->namespace = slash ? need(arena_string_n(&world->arena, name, (size_t)(slash - name))) : "";
	meta->name = need(arena_string(&world->arena, slash ? slash + 1 : name));
	meta->uid = "";
	meta->created_sec = 1000;
	if (array_reserve(world->kinds[kind].items, world->kinds[kind].n, world->kinds[kind].capacity) < 0)
		abort();
	world->kinds[kind].items[world->kinds[kind].n++] = meta;
	return meta;
}

struct strings world_words(struct world *world, const char *text)
{
	char *copy = need(arena_string(&world->arena, text)), *save = NULL, *word;
	struct strings words = { need(arena_array(&world->arena, strlen(text) + 1, sizeof(char *))), 0 };

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words.items[words.n++] = word;
	return words;
}

static struct addr address(const char *text)
{
	struct addr addr;

	must(addr_parse(text, &addr) == 0, text);
	return addr;
}

void world_label(struct world *world, struct labels *labels, const char *key, const char *value)
{
	struct label *items = need(arena_array(&world->arena, labels->n + 1, sizeof(*items)));
	size_t i, n = 0;

	for (i = 0; i < labels->n && strcmp(labels->items[i].key, key) < 0; i++)
		items[n++] = labels->items[i];
	items[n++] = (struct label){ need(arena_string(&world->arena, key)), need(arena_string(&world->arena, value)) };
	for (; i < labels->n; i++)
		if (strcmp(labels->items[i].key, key))
			items[n++] = labels->items[i];
	*labels = (struct labels){ items, n };
}

struct service *world_service(struct world *world, const char *name)
{
	struct service *service = new_object(world, OBJECT_SERVICE, sizeof(*service), name);

	service->type = SERVICE_LOAD_BALANCER;
	service->load_balancer_class = "fairway.dev/lb";
	service->allocate_node_ports = true;
	return service;
}

struct service_port *world_service_port(struct world *world, struct service *service, const char *name,
					enum l4_protocol protocol, uint16_t port, uint16_t node_port)
{
	struct service_port *ports = need(arena_array(&world->arena, service->n_ports + 1, sizeof(*ports)));

	if (service->n_ports)
		memcpy(ports, service->ports, service->n_ports * sizeof(*ports));
	ports[service->n_ports] = (struct service_port){ need(arena_string(&world->arena, name)), protocol, port, node_port };
	service->ports = ports;
	return &ports[service->n_ports++];
}

void world_ingress(struct world *world, struct service *service, const char *addresses)
{
	struct strings words = world_words(world, addresses);
	size_t i;

	service->ingress = need(arena_array(&world->arena, words.n, sizeof(*service->ingress)));
	service->n_ingress = words.n;
	for (i = 0; i < words.n; i++) {
		char *slash = strchr(words.items[i], '/');

		service->ingress[i].proxy_mode = slash;
		if (slash)
			*slash = 0;
		service->ingress[i].addr = address(words.items[i]);
	}
}

static struct slice_port slice_port(const char *text)
{
	struct slice_port port = { 0 };
	char *name = (char *)text, *protocol, *number;

	protocol = strchr(name, ':');
	must(protocol, text);
	*protocol++ = 0;
	number = strchr(protocol, ':');
	must(number, protocol);
	*number++ = 0;
	port.name = name;
	port.protocol = !strcmp(protocol, "TCP") ? L4_TCP : !strcmp(protocol, "UDP") ? L4_UDP : L4_SCTP;
	port.port = (uint16_t)atoi(number);
	return port;
}

static void add_hint(struct world *world, struct strings *hints, const char *text)
{
	const char **items = need(arena_array(&world->arena, hints->n + 1, sizeof(*items)));

	if (hints->n)
		memcpy(items, hints->items, hints->n * sizeof(*items));
	items[hints->n] = text;
	*hints = (struct strings){ items, hints->n + 1 };
}

static struct endpoint endpoint(struct world *world, const char *text)
{
	struct endpoint found = { .ready = true, .serving = true };
	char *at = (char *)text, *part;
	char kind;

	at += strcspn(at, "@/+");
	kind = *at;
	*at = 0;
	found.addr = address(text);
	while (kind) {
		part = ++at;
		at += strcspn(at, "@/+");
		char next = *at;
		*at = 0;
		if (kind == '@') {
			found.node = part;
		} else if (kind == '/') {
			found.ready = strchr(part, 'r');
			found.serving = strchr(part, 's');
			found.terminating = strchr(part, 't');
		} else {
			must(part[0] && part[1] == '=', part);
			add_hint(world, part[0] == 'z' ? &found.hint_zones : &found.hint_nodes, part + 2);
		}
		kind = next;
	}
	return found;
}

struct endpoint_slice *world_slice(struct world *world, const char *name, const char *service, const char *ports,
				   const char *endpoints)
{
	struct endpoint_slice *slice = new_object(world, OBJECT_ENDPOINT_SLICE, sizeof(*slice), name);
	struct strings port_words = world_words(world, ports), words = world_words(world, endpoints);
	size_t i;

	slice->service = need(arena_string(&world->arena, service));
	slice->ports = need(arena_array(&world->arena, port_words.n, sizeof(*slice->ports)));
	slice->n_ports = port_words.n;
	for (i = 0; i < port_words.n; i++)
		slice->ports[i] = slice_port(port_words.items[i]);
	slice->endpoints = need(arena_array(&world->arena, words.n, sizeof(*slice->endpoints)));
	slice->n_endpoints = words.n;
	slice->family = ADDR_IPV4;
	for (i = 0; i < words.n; i++) {
		slice->endpoints[i] = endpoint(world, words.items[i]);
		slice->family = slice->endpoints[i].addr.family;
	}
	return slice;
}

struct node *world_node(struct world *world, const char *name, const char *internal_ips, const char *zone)
{
	struct node *node = new_object(world, OBJECT_NODE, sizeof(*node), name);
	struct strings words = world_words(world, internal_ips);
	size_t i;

	node->internal_ips = need(arena_array(&world->arena, words.n, sizeof(struct addr)));
	node->n_internal_ips = words.n;
	for (i = 0; i < words.n; i++)
		node->internal_ips[i] = address(words.items[i]);
	node->addresses = node->internal_ips;
	node->n_addresses = words.n;
	if (zone)
		world_label(world, &node->meta.labels, "topology.kubernetes.io/zone", zone);
	return node;
}

struct lb_node *world_lb_node(struct world *world, const char *name)
{
	struct lb_node *node = new_object(world, OBJECT_LB_NODE, sizeof(*node), name);

	node->agent_version = node->ready_reason = node->ready_message = "";
	node->ready = true;
	return node;
}

static struct lb_node_service report_entry(struct world *world, const char *text)
{
	struct lb_node_service entry = { .name = need(arena_string(&world->arena, text)) };
	char *equals = strchr(entry.name, '='), *save = NULL, *vip;

	must(equals, text);
	*equals = 0;
	entry.vips = need(arena_array(&world->arena, strlen(text), sizeof(struct addr)));
	for (vip = strtok_r(equals + 1, ",", &save); vip; vip = strtok_r(NULL, ",", &save))
		entry.vips[entry.n_vips++] = address(vip);
	return entry;
}

struct lb_node_group *world_report(struct world *world, struct lb_node *node, bool programmed, const char *peers,
				   const char *entries)
{
	struct lb_node_group *groups = need(arena_array(&world->arena, node->n_groups + 1, sizeof(*groups)));
	struct strings words = world_words(world, entries);
	struct lb_node_group *group = &groups[node->n_groups];
	size_t i;

	if (node->n_groups)
		memcpy(groups, node->groups, node->n_groups * sizeof(*groups));
	node->groups = groups;
	node->n_groups++;
	*group = (struct lb_node_group){ .programmed = programmed,
					 .announced_to = world_words(world, peers),
					 .reason = "",
					 .message = "" };
	group->services = need(arena_array(&world->arena, words.n, sizeof(*group->services)));
	for (i = 0; i < words.n; i++)
		group->services[group->n_services++] = report_entry(world, words.items[i]);
	return group;
}

struct service_ip_pool *world_pool(struct world *world, const char *name, const char *ranges)
{
	struct service_ip_pool *pool = new_object(world, OBJECT_SERVICE_IP_POOL, sizeof(*pool), name);

	pool->addresses = world_words(world, ranges);
	pool->auto_assign = true;
	return pool;
}

struct namespace_object *world_namespace(struct world *world, const char *name)
{
	return new_object(world, OBJECT_NAMESPACE, sizeof(struct namespace_object), name);
}

struct bgp_peer *world_peer(struct world *world, const char *name, const char *peer_address)
{
	struct bgp_peer *peer = new_object(world, OBJECT_BGP_PEER, sizeof(*peer), name);

	peer->my_asn = 65001;
	peer->peer_asn = 65000;
	peer->peer_address = address(peer_address);
	peer->peer_port = 179;
	peer->allow_as_in = -1;
	peer->ipv4 = peer->peer_address.family == ADDR_IPV4;
	peer->ipv6 = !peer->ipv4;
	return peer;
}

struct bgp_advertisement *world_advertisement(struct world *world, const char *name)
{
	struct bgp_advertisement *advertisement = new_object(world, OBJECT_BGP_ADVERTISEMENT, sizeof(*advertisement), name);

	advertisement->aggregation_length = 32;
	advertisement->aggregation_length_v6 = 128;
	return advertisement;
}

struct bfd_profile *world_bfd_profile(struct world *world, const char *name)
{
	struct bfd_profile *profile = new_object(world, OBJECT_BFD_PROFILE, sizeof(*profile), name);

	profile->receive_interval_msec = profile->transmit_interval_msec = 300;
	profile->detect_multiplier = 3;
	profile->echo_interval_msec = 50;
	profile->minimum_ttl = 254;
	return profile;
}

struct secret *world_secret(struct world *world, const char *name, const char *password)
{
	struct secret *secret = new_object(world, OBJECT_SECRET, sizeof(*secret), name);

	secret->password = password;
	return secret;
}

struct community_object *world_community(struct world *world, const char *name, const char *alias, const char *value)
{
	struct community_object *object = new_object(world, OBJECT_COMMUNITY, sizeof(*object), name);

	object->aliases = need(arena_alloc(&world->arena, sizeof(*object->aliases)));
	object->aliases[0] = (struct community_alias){ .name = alias, .value = value };
	object->n_aliases = 1;
	return object;
}

struct selectors world_selectors(struct world *world, const char *text)
{
	struct selectors selectors = { .items = need(arena_alloc(&world->arena, sizeof(struct selector))), .n = 1 };
	const char *why;

	must(selector_parse(&world->arena, text, selectors.items, &why) == 0, text);
	return selectors;
}

void world_taint(struct world *world, struct node *node, const char *key, enum taint_effect effect)
{
	struct taint *taints = need(arena_array(&world->arena, node->n_taints + 1, sizeof(*taints)));

	if (node->n_taints)
		memcpy(taints, node->taints, node->n_taints * sizeof(*taints));
	taints[node->n_taints++] = (struct taint){ .key = key, .value = "", .effect = effect };
	node->taints = taints;
}

void world_pod_cidrs(struct world *world, struct node *node, const char *prefixes)
{
	struct strings words = world_words(world, prefixes);
	size_t i;

	node->pod_cidrs = need(arena_array(&world->arena, words.n, sizeof(*node->pod_cidrs)));
	node->n_pod_cidrs = words.n;
	for (i = 0; i < words.n; i++)
		must(prefix_parse(words.items[i], &node->pod_cidrs[i]) == 0, words.items[i]);
}

static int meta_compare(const void *a, const void *b)
{
	const struct meta *left = *(const struct meta *const *)a, *right = *(const struct meta *const *)b;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

static int slice_compare(const void *a, const void *b)
{
	const struct endpoint_slice *left = *(const struct endpoint_slice *const *)a;
	const struct endpoint_slice *right = *(const struct endpoint_slice *const *)b;
	int order = strcmp(left->meta.namespace, right->meta.namespace);

	if (!order)
		order = strcmp(left->service, right->service);
	return order ? order : strcmp(left->meta.name, right->meta.name);
}

const struct cluster *world_cluster(struct world *world)
{
	struct cluster *cluster = &world->cluster;
	size_t i;

	for (i = 0; i < WORLD_KINDS; i++)
		if (world->kinds[i].n)
			qsort(world->kinds[i].items, world->kinds[i].n, sizeof(void *),
			      i == OBJECT_ENDPOINT_SLICE ? slice_compare : meta_compare);
#define LEND(field, kind) \
	(cluster->field = (void *)world->kinds[kind].items, cluster->n_##field = world->kinds[kind].n)
	LEND(services, OBJECT_SERVICE);
	LEND(slices, OBJECT_ENDPOINT_SLICE);
	LEND(nodes, OBJECT_NODE);
	LEND(namespaces, OBJECT_NAMESPACE);
	LEND(secrets, OBJECT_SECRET);
	LEND(pools, OBJECT_SERVICE_IP_POOL);
	LEND(peers, OBJECT_BGP_PEER);
	LEND(advertisements, OBJECT_BGP_ADVERTISEMENT);
	LEND(bfd_profiles, OBJECT_BFD_PROFILE);
	LEND(communities, OBJECT_COMMUNITY);
	LEND(lb_nodes, OBJECT_LB_NODE);
#undef LEND
	return cluster;
}

/* --- many services --------------------------------------------------------------------------------------- */

static const char *numbered(struct world *world, const char *format, size_t i)
{
	char text[64];

	snprintf(text, sizeof(text), format, i);
	return need(arena_string(&world->arena, text));
}

static void synthetic_service(struct world *world, const struct synthetic_options *options, size_t i)
{
	enum addr_family family = i % 2 ? ADDR_IPV6 : ADDR_IPV4;
	addr_number vips = family == ADDR_IPV4 ? 0x0a800000 : (addr_number)0xfd80 << 112;
	addr_number pods = family == ADDR_IPV4 ? 0x0b000000 : (addr_number)0xfd0a << 112;
	struct service *service = world_service(world, numbered(world, "load/svc-%05zu", i));
	struct endpoint_slice *slice;
	size_t j;

	service->meta.created_sec = 1000 + (int64_t)i;
	service->ingress = need(arena_array(&world->arena, 1, sizeof(*service->ingress)));
	service->ingress[0].addr = addr_from_number(family, vips + i + 1);
	service->n_ingress = 1;
	world_service_port(world, service, "http", L4_TCP, 80, 0);
	slice = world_slice(world, numbered(world, "load/svc-%05zu-slice", i), service->meta.name, "http:TCP:8080", "");
	slice->family = family;
	slice->n_endpoints = options->endpoints;
	slice->endpoints = need(arena_array(&world->arena, options->endpoints, sizeof(*slice->endpoints)));
	for (j = 0; j < options->endpoints; j++)
		slice->endpoints[j] = (struct endpoint){
			.addr = addr_from_number(family, pods + i * options->endpoints + j + 1),
			.node = options->nodes ? numbered(world, "n%zu", (i + j) % options->nodes) : NULL,
			.ready = true,
			.serving = true,
		};
}

void world_synthetic(struct world *world, const struct synthetic_options *options)
{
	size_t i;

	for (i = 0; i < options->nodes; i++) {
		struct node *node = world_node(world, numbered(world, "n%zu", i), "", NULL);

		node->internal_ips = need(arena_array(&world->arena, 2, sizeof(struct addr)));
		node->internal_ips[0] = addr_v4(0x0a000000 + (uint32_t)i + 1);
		node->internal_ips[1] = addr_from_number(ADDR_IPV6, ((addr_number)0xfd00 << 112) + i + 1);
		node->addresses = node->internal_ips;
		node->n_internal_ips = node->n_addresses = 2;
	}
	world_pool(world, "synthetic", "10.128.0.0/9 fd80::/16");
	for (i = 0; i < options->services; i++)
		synthetic_service(world, options, i);
}
