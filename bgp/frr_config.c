// SPDX-License-Identifier: Apache-2.0
/* From objects and routes to FRR's configuration: see frr_config.h. Statements are written exactly as FRR 8.4 prints them,
 * and those equal to its defaults are left out: then what runs can be compared with what is wanted as text. */
#include "bgp/frr_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/peers.h"

#define HOLD_TIME_SEC	 9 /* FRR.md's defaults: a silent router is given up after 9 s */
#define CONNECT_TIME_SEC 1
#define NAME_MAX_LENGTH	 40 /* longer names of objects appear as a hash within FRR's names */
#define ALLOW_AS_IN	 1
#define ALLOW_AS_IN_FRR	 3 /* FRR's own default, which it prints without the number */

/* --- growing things in an arena -------------------------------------------------------------------------- */

/* Lines of one owner while they are being written; `items` moves as it grows, which an arena forgives. */
static int strings_addf(struct arena *arena, struct strings *strings, size_t *capacity, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int strings_addf(struct arena *arena, struct strings *strings, size_t *capacity, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const char **items;
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	if (strings->n == *capacity) {
		items = arena_array(arena, *capacity ? *capacity * 2 : 8, sizeof(*items));
		if (!items)
			return -ENOMEM;
		if (strings->n)
			memcpy(items, strings->items, strings->n * sizeof(*items));
		strings->items = items;
		*capacity = *capacity ? *capacity * 2 : 8;
	}
	strings->items[strings->n] = strbuf_failed(&text) ? NULL : arena_string(arena, strbuf_text(&text));
	return strings->items[strings->n++] ? 0 : -ENOMEM;
}

static const char *formatf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *formatf(struct arena *arena, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	return strbuf_failed(&text) ? NULL : arena_string(arena, strbuf_text(&text));
}

static uint64_t hash_text(const char *text, uint64_t seed)
{
	return XXH64(text, strlen(text), seed);
}

/* Names of objects are DNS subdomains; what is longer than FRR shows well, or is something else, becomes a hash. */
static const char *short_name(struct arena *arena, const char *name)
{
	if (text_is_dns_subdomain(name) && strlen(name) <= NAME_MAX_LENGTH)
		return arena_string(arena, name);
	return formatf(arena, "%016llx", (unsigned long long)hash_text(name, 0));
}

/* --- attribute classes ------------------------------------------------------------------------------------- */

/* All routes of one prefix (one per peer): equal sets of (peer, localPref, communities) are one class. */
struct class {
	uint64_t hash;
	uint32_t id; /* its name and tag; never 0 */
	uint32_t n_networks;
	const struct route *routes;
	size_t n_routes;
};

struct render {
	const struct frr_render *input;
	struct frr_config *config;
	struct problems *problems;
	const struct bgp_peer **peers;
	size_t n_peers;
	struct class *classes; /* sorted by hash */
	size_t n_classes, class_capacity;
	bool receives_ipv4, receives_ipv6;
	const char *in_map;
};

static uint64_t class_hash(const struct route *routes, size_t n)
{
	uint64_t hash = 0;
	size_t i, j;

	for (i = 0; i < n; i++) {
		hash = XXH64(routes[i].peer, strlen(routes[i].peer) + 1, hash);
		hash = XXH64(&routes[i].local_pref, sizeof(routes[i].local_pref), hash);
		for (j = 0; j < routes[i].n_communities; j++) {
			const struct community *community = &routes[i].communities[j];
			uint32_t numbers[4] = { community->large, community->global, community->local1,
						community->local2 };

			hash = XXH64(numbers, sizeof(numbers), hash);
		}
	}
	return hash;
}

static int compare_classes(const void *a, const void *b)
{
	const struct class *left = a, *right = b;

	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

static int add_class(struct render *render, const struct class *class)
{
	if (render->n_classes && render->classes[render->n_classes - 1].hash == class->hash)
		return 0; /* neighbouring prefixes mostly share one */
	if (array_reserve(render->classes, render->n_classes, render->class_capacity) < 0)
		return -ENOMEM;
	render->classes[render->n_classes++] = *class;
	return 0;
}

static bool id_is_taken(const struct render *render, size_t n, uint32_t id)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (render->classes[i].id == id)
			return true;
	return false;
}

/* A class is called by 32 bits of its hash, which are its tag too; of two with equal bits (improbable) the second gets the
 * next free number. So LBC-<id> always sets tag <id>, whatever class has that number now. */
static void number_classes(struct render *render)
{
	size_t i, kept = 0;
	uint32_t id;

	if (!render->n_classes)
		return;
	qsort(render->classes, render->n_classes, sizeof(*render->classes), compare_classes);
	for (i = 1; i < render->n_classes; i++)
		if (render->classes[kept].hash != render->classes[i].hash)
			render->classes[++kept] = render->classes[i];
	render->n_classes = kept + 1;
	for (i = 0; i < render->n_classes; i++) {
		id = (uint32_t)render->classes[i].hash;
		while (!id || id_is_taken(render, i, id))
			id++;
		render->classes[i].id = id;
	}
}

static struct class *find_class(const struct render *render, uint64_t hash) /* each network's class is there */
{
	const struct class key = { .hash = hash };

	return bsearch(&key, render->classes, render->n_classes, sizeof(key), compare_classes);
}

static int render_networks(struct render *render)
{
	const struct routes *routes = render->input->routes;
	struct frr_config *config = render->config;
	cleanup(freep) uint64_t *hashes = malloc((routes->n + 1) * sizeof(*hashes)); /* by network */
	struct class class, *found;
	size_t i, end;

	config->networks = malloc((routes->n + 1) * sizeof(*config->networks));
	if (!config->networks || !hashes)
		return -ENOMEM;
	for (i = 0; i < routes->n; i = end) {
		for (end = i + 1; end < routes->n; end++)
			if (prefix_compare(&routes->items[end].prefix, &routes->items[i].prefix))
				break;
		class = (struct class){ .routes = &routes->items[i], .n_routes = end - i };
		class.hash = class_hash(class.routes, class.n_routes);
		if (add_class(render, &class) < 0)
			return -ENOMEM;
		hashes[config->n_networks] = class.hash;
		config->networks[config->n_networks++].prefix = routes->items[i].prefix;
	}
	number_classes(render);
	for (i = 0; i < config->n_networks; i++) {
		found = find_class(render, hashes[i]);
		found->n_networks++;
		config->networks[i].class = found->id;
	}
	return 0;
}

/* --- route-maps -------------------------------------------------------------------------------------------- */

static void map_entry(struct frr_map *map, uint32_t sequence, const struct strings *lines)
{
	map->entries[map->n_entries++] =
		(struct frr_map_entry){ .sequence = sequence, .permit = true, .lines = *lines };
}

static int map_new(struct arena *arena, const char *name, size_t n_entries, struct frr_map *ret)
{
	*ret = (struct frr_map){ .name = name, .complete = true };
	ret->entries = arena_array(arena, n_entries + 1, sizeof(*ret->entries));
	return ret->entries && name ? 0 : -ENOMEM;
}

static void map_end(struct frr_map *map)
{
	map->entries[map->n_entries++] = (struct frr_map_entry){ .sequence = FRR_MAP_END };
}

int frr_map_out(struct arena *arena, const char *peer, const struct strings *entries, size_t n, struct frr_map *ret)
{
	const char *name = short_name(arena, peer);
	uint64_t hash = 0;
	size_t i, j;
	int r;

	if (!name)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		for (j = 0; j < entries[i].n; j++)
			hash = hash_text(entries[i].items[j], hash);
		hash = XXH64("\n", 1, hash);
	}
	r = map_new(arena, formatf(arena, FRR_OUT_PREFIX "%s-%016llx", name, (unsigned long long)hash), n, ret);
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		map_entry(ret, i + 1, &entries[i]);
	map_end(ret);
	return 0;
}

static void add_map(struct render *render, const struct frr_map *map)
{
	render->config->maps[render->config->n_maps++] = *map; /* render_all() made room */
}

static int render_class_maps(struct render *render)
{
	struct arena *arena = &render->config->arena;
	struct frr_map map;
	size_t i;
	int r;

	for (i = 0; i < render->n_classes; i++) {
		struct strings lines = { 0 };
		size_t capacity = 0;

		r = map_new(arena, formatf(arena, FRR_CLASS_PREFIX "%08x", render->classes[i].id), 1, &map);
		if (r == 0)
			r = strings_addf(arena, &lines, &capacity, "set tag %u", render->classes[i].id);
		if (r < 0)
			return r;
		map_entry(&map, 10, &lines);
		map_end(&map);
		add_map(render, &map);
	}
	return 0;
}

static int community_lines(struct arena *arena, const struct route *route, bool large, struct strings *lines,
			   size_t *capacity, bool *ret_fits)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	char one[COMMUNITY_TEXT_MAX];
	size_t i;

	for (i = 0; i < route->n_communities; i++) {
		if (route->communities[i].large != large)
			continue;
		community_format(&route->communities[i], one);
		strbuf_append(&text, " ");
		strbuf_append(&text, large ? one + strlen("large:") : one);
	}
	if (!text.length)
		return strbuf_failed(&text) ? -ENOMEM : 0;
	if (text.length > FRR_LINE_MAX - 100)
		*ret_fits = false;
	return strings_addf(arena, lines, capacity, "set %scommunity%s", large ? "large-" : "", strbuf_text(&text));
}

/* What this peer gets of a class; no lines if nothing. */
static int class_lines(struct render *render, const struct class *class, const struct bgp_peer *peer,
		       struct strings *ret, bool *ret_fits)
{
	struct arena *arena = &render->config->arena;
	const struct route *route = NULL;
	size_t i, capacity = 0;
	int r;

	*ret = (struct strings){ 0 };
	*ret_fits = true;
	for (i = 0; i < class->n_routes; i++)
		if (!strcmp(class->routes[i].peer, peer->meta.name))
			route = &class->routes[i];
	if (!route)
		return 0;
	r = strings_addf(arena, ret, &capacity, "match tag %u", class->id);
	if (r == 0)
		r = community_lines(arena, route, false, ret, &capacity, ret_fits);
	if (r == 0)
		r = community_lines(arena, route, true, ret, &capacity, ret_fits);
	if (r == 0 && route->local_pref)
		r = strings_addf(arena, ret, &capacity, "set local-preference %u", route->local_pref);
	return r;
}

static int render_peer_map(struct render *render, const struct bgp_peer *peer, const char **ret_name,
			   uint32_t *ret_n_routes)
{
	struct arena *arena = &render->config->arena;
	struct strings *entries = arena_array(arena, render->n_classes, sizeof(*entries));
	struct frr_map map;
	size_t i, n = 0;
	bool fits;
	int r;

	*ret_n_routes = 0;
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < render->n_classes && n < FRR_MAP_END - 1; i++) {
		r = class_lines(render, &render->classes[i], peer, &entries[n], &fits);
		if (r == 0 && !fits)
			r = problems_add_object(render->problems, OBJECT_BGP_PEER, &peer->meta, "",
						"routes with more communities than fit into one BGP message are not "
						"announced to it");
		if (r < 0)
			return r;
		if (!entries[n].n || !fits)
			continue;
		*ret_n_routes += render->classes[i].n_networks;
		n++;
	}
	r = frr_map_out(arena, peer->meta.name, entries, n, &map);
	if (r < 0)
		return r;
	*ret_name = map.name;
	add_map(render, &map);
	return 0;
}

/* --- what is received ---------------------------------------------------------------------------------------- */

struct in_lists { /* while they are being written */
	struct frr_list lists[2]; /* IPv4, IPv6 */
	size_t capacity[2];
	uint64_t hash;
};

static int in_line(struct arena *arena, struct in_lists *in, const struct prefix *from, bool permit)
{
	struct prefix prefix = prefix_mask(from);
	bool ipv6 = prefix.addr.family == ADDR_IPV6;
	struct frr_list *list = &in->lists[ipv6];
	char text[PREFIX_TEXT_MAX], le[16] = "";

	prefix_format(&prefix, text);
	if (permit && prefix.length < addr_bits(&prefix.addr))
		snprintf(le, sizeof(le), " le %u", addr_bits(&prefix.addr));
	in->hash = XXH64(text, strlen(text) + 1, in->hash + permit);
	return strings_addf(arena, &list->lines, &in->capacity[ipv6], "seq %zu %s %s%s", list->lines.n + 1,
			    permit ? "permit" : "deny", text, le);
}

/* Only PodCIDRs: within --cluster-cidr, so never a default route nor a ServiceIP. Not this node's own either: allowas-in lets
 * them come back from a router, and as soon as we withdraw one the router's echo would lead it in a circle. */
static int in_lines(struct render *render, struct in_lists *in)
{
	const struct frr_render *input = render->input;
	const struct node *node = cluster_find_node(input->cluster, input->node);
	struct arena *arena = &render->config->arena;
	size_t i;
	int r = 0;

	for (i = 0; i < input->n_cluster_cidrs; i++) {
		render->receives_ipv4 |= input->cluster_cidrs[i].addr.family == ADDR_IPV4;
		render->receives_ipv6 |= input->cluster_cidrs[i].addr.family == ADDR_IPV6;
	}
	for (i = 0; node && i < node->n_pod_cidrs && r == 0; i++)
		if (node->pod_cidrs[i].addr.family == ADDR_IPV4 ? render->receives_ipv4 : render->receives_ipv6)
			r = in_line(arena, in, &node->pod_cidrs[i], false);
	for (i = 0; i < input->n_cluster_cidrs && r == 0; i++)
		r = in_line(arena, in, &input->cluster_cidrs[i], true);
	return r;
}

static int render_in(struct render *render)
{
	struct frr_config *config = render->config;
	struct arena *arena = &config->arena;
	struct in_lists in = { .lists = { { .ipv6 = false }, { .ipv6 = true } } };
	struct strings match;
	struct frr_map map;
	size_t i, capacity;
	int r;

	r = in_lines(render, &in);
	if (r < 0)
		return r;
	render->in_map = formatf(arena, FRR_IN_PREFIX "%016llx", (unsigned long long)in.hash);
	in.lists[0].name = formatf(arena, FRR_LIST4_PREFIX "%016llx", (unsigned long long)in.hash);
	in.lists[1].name = formatf(arena, FRR_LIST6_PREFIX "%016llx", (unsigned long long)in.hash);
	config->lists = arena_array(arena, 2, sizeof(*config->lists));
	r = map_new(arena, render->in_map, 2, &map);
	if (r < 0 || !in.lists[0].name || !in.lists[1].name || !config->lists)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		if (!in.lists[i].lines.n)
			continue;
		config->lists[config->n_lists++] = in.lists[i];
		match = (struct strings){ 0 };
		capacity = 0;
		r = strings_addf(arena, &match, &capacity, "match %s address prefix-list %s", i ? "ipv6" : "ip",
				 in.lists[i].name);
		if (r < 0)
			return r;
		map_entry(&map, 10 * (i + 1), &match);
	}
	map_end(&map);
	add_map(render, &map);
	return 0;
}

/* --- neighbours ------------------------------------------------------------------------------------------------ */

struct writer { /* the statements of one neighbour */
	struct arena *arena;
	struct frr_neighbor *neighbor;
	size_t capacity;
	int error;
};

static void state(struct writer *writer, enum frr_section section, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void state(struct writer *writer, enum frr_section section, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct frr_neighbor *neighbor = writer->neighbor;
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	neighbor->statements[neighbor->n_statements] = (struct frr_statement){
		.section = section, .text = strbuf_failed(&text) ? NULL : arena_string(writer->arena, strbuf_text(&text))
	};
	if (!neighbor->statements[neighbor->n_statements++].text)
		writer->error = -ENOMEM;
}

#define STATEMENTS_MAX 32 /* what state_router() and state_family() may write, with room */

static void state_timers(struct writer *writer, const struct bgp_peer *peer)
{
	uint32_t hold = peer->hold_time_sec, keepalive = peer->keepalive_time_sec;

	if (!hold && !peer->hold_time_off)
		hold = keepalive >= HOLD_TIME_SEC ? keepalive * 3 : HOLD_TIME_SEC;
	if (hold > 65535)
		hold = 65535;
	if (!keepalive)
		keepalive = hold / 3; /* 0 0: holdTime 0, neither keepalives nor a hold timer */
	state(writer, FRR_ROUTER, "timers %u %u", keepalive, hold);
	state(writer, FRR_ROUTER, "timers connect %u",
	      peer->connect_time_sec ? peer->connect_time_sec : CONNECT_TIME_SEC);
}

static void state_asns(struct writer *writer, const struct render *render, const struct bgp_peer *peer)
{
	const char *interface = peer->interface ? "interface " : "";
	uint32_t local_asn = peer->local_asn ? peer->local_asn : peer->my_asn;

	switch (peer->dynamic_asn) {
	case DYNAMIC_ASN_NONE:
		state(writer, FRR_ROUTER, "%sremote-as %u", interface, peer->peer_asn);
		break;
	case DYNAMIC_ASN_INTERNAL:
		state(writer, FRR_ROUTER, "%sremote-as internal", interface);
		break;
	case DYNAMIC_ASN_EXTERNAL:
		state(writer, FRR_ROUTER, "%sremote-as external", interface);
		break;
	}
	if (local_asn != render->config->asn)
		state(writer, FRR_ROUTER, "local-as %u no-prepend replace-as", local_asn);
}

static void state_router(struct writer *writer, const struct render *render, const struct bgp_peer *peer)
{
	const struct frr_render *input = render->input;
	char text[ADDR_TEXT_MAX];
	const char *why, *profile;
	uint8_t ttl = peer->ebgp_multi_hop_ttl ? peer->ebgp_multi_hop_ttl : 255;

	state_asns(writer, render, peer);
	state(writer, FRR_ROUTER, "description " FRR_DESCRIPTION "%s", peer->meta.name);
	if (peer->password_secret && *peer->password_secret) /* routes_peers() has checked that it is there */
		state(writer, FRR_ROUTER, "password %s", peer_password(input->cluster, input->secret_namespace, peer, &why));
	if (peer->peer_port && peer->peer_port != 179)
		state(writer, FRR_ROUTER, "port %u", peer->peer_port);
	if (peer->ebgp_multi_hop && ttl > 1 && !peer_is_internal(peer)) /* FRR ignores it for internal ones */
		state(writer, FRR_ROUTER, "ebgp-multihop %u", ttl);
	if (peer->ttl_security)
		state(writer, FRR_ROUTER, "ttl-security hops %u", peer->ttl_security);
	if (peer->source_address.family != ADDR_NONE)
		state(writer, FRR_ROUTER, "update-source %s", addr_format(&peer->source_address, text));
	state_timers(writer, peer);
	if (peer->bfd_profile && cluster_find_bfd_profile(input->cluster, peer->bfd_profile)) {
		profile = short_name(writer->arena, peer->bfd_profile);
		state(writer, FRR_ROUTER, "bfd");
		state(writer, FRR_ROUTER, "bfd profile " FRR_BFD_PREFIX "%s", profile ? profile : "");
	}
	if (peer->enable_graceful_restart)
		state(writer, FRR_ROUTER, "graceful-restart");
	/* IPv4 with an IPv6 next hop (RFC 8950); what FRR does for interface peers anyway */
	if (peer->ipv4 && peer->peer_address.family == ADDR_IPV6)
		state(writer, FRR_ROUTER, "capability extended-nexthop");
}

static void state_family(struct writer *writer, const struct render *render, const struct bgp_peer *peer,
			 enum frr_section section, const char *out_map)
{
	bool receives = section == FRR_IPV4 ? render->receives_ipv4 : render->receives_ipv6;
	int allow_as_in = peer->allow_as_in;

	if (allow_as_in < 0) /* all nodes share one AS as a rule: each must take the others' PodCIDRs */
		allow_as_in = receives && !peer_is_internal(peer) ? ALLOW_AS_IN : 0;
	state(writer, section, "activate");
	if (allow_as_in == ALLOW_AS_IN_FRR)
		state(writer, section, "allowas-in");
	else if (allow_as_in)
		state(writer, section, "allowas-in %d", allow_as_in);
	if (peer->max_prefixes_received)
		state(writer, section, "maximum-prefix %u", peer->max_prefixes_received);
	state(writer, section, "route-map %s in", render->in_map);
	state(writer, section, "route-map %s out", out_map);
}

static int render_neighbor(struct render *render, const struct bgp_peer *peer, struct frr_neighbor *ret)
{
	struct arena *arena = &render->config->arena;
	struct writer writer = { .arena = arena, .neighbor = ret };
	char text[ADDR_TEXT_MAX];
	const char *out_map;
	uint32_t n_routes;
	int r;

	r = render_peer_map(render, peer, &out_map, &n_routes);
	if (r < 0)
		return r;
	*ret = (struct frr_neighbor){
		.id = arena_string(arena, peer->interface ? peer->interface : addr_format(&peer->peer_address, text)),
		.peer = arena_string(arena, peer->meta.name),
		.n_routes = n_routes,
		.statements = arena_array(arena, STATEMENTS_MAX, sizeof(*ret->statements)),
	};
	if (!ret->id || !ret->peer || !ret->statements)
		return -ENOMEM;
	state_router(&writer, render, peer);
	if (peer->ipv4)
		state_family(&writer, render, peer, FRR_IPV4, out_map);
	if (peer->ipv6)
		state_family(&writer, render, peer, FRR_IPV6, out_map);
	if (peer->enable_graceful_restart && peer->bfd_profile)
		return problems_add_object(render->problems, OBJECT_BGP_PEER, &peer->meta, "spec.enableGracefulRestart",
					   "together with bfdProfile: the peer keeps the routes of a node that BFD has "
					   "declared dead; both are configured as asked");
	return writer.error;
}

/* --- globals and profiles ------------------------------------------------------------------------------------------ */

/* Fixed by the objects: bgpd's own choice would follow the interfaces, and a change of it resets every session. */
static int router_id(struct render *render, struct addr *ret)
{
	const struct node *node = cluster_find_node(render->input->cluster, render->input->node);
	const struct bgp_peer *from = NULL;
	char text[ADDR_TEXT_MAX];
	uint32_t number;
	size_t i;
	int r;

	*ret = (struct addr){ 0 };
	for (i = 0; i < render->n_peers; i++) {
		if (render->peers[i]->router_id.family != ADDR_IPV4)
			continue;
		if (!from) {
			from = render->peers[i];
			*ret = from->router_id;
		} else if (!addr_equal(ret, &render->peers[i]->router_id)) {
			r = problems_add_object(render->problems, OBJECT_BGP_PEER, &render->peers[i]->meta,
						"spec.routerID",
						"a node has one router id, and BGPPeer/%s says %s: that one is used",
						from->meta.name, addr_format(ret, text));
			if (r < 0)
				return r;
		}
	}
	for (i = 0; node && i < node->n_internal_ips && ret->family == ADDR_NONE; i++)
		if (node->internal_ips[i].family == ADDR_IPV4)
			*ret = node->internal_ips[i];
	if (ret->family == ADDR_NONE) { /* a node with IPv6 alone: any number that is its own will do */
		number = (uint32_t)hash_text(render->input->node, 0);
		*ret = addr_v4(number ? number : 1);
	}
	return 0;
}

static int render_globals(struct render *render)
{
	struct frr_config *config = render->config;
	struct addr id;
	char text[ADDR_TEXT_MAX];
	size_t i, capacity = 0;
	uint32_t restart_time = 0;
	bool graceful_restart = false;
	int r;

	r = router_id(render, &id);
	for (i = 0; i < render->n_peers; i++)
		if (render->peers[i]->enable_graceful_restart) {
			graceful_restart = true;
			if (render->peers[i]->graceful_restart_time_sec > restart_time)
				restart_time = render->peers[i]->graceful_restart_time_sec;
		}
	if (r == 0)
		r = strings_addf(&config->arena, &config->globals, &capacity, "bgp router-id %s", addr_format(&id, text));
	if (r == 0)
		r = strings_addf(&config->arena, &config->globals, &capacity, "no bgp default ipv4-unicast");
	if (r == 0 && restart_time)
		r = strings_addf(&config->arena, &config->globals, &capacity, "bgp graceful-restart restart-time %u",
				 restart_time);
	if (r == 0 && graceful_restart)
		r = strings_addf(&config->arena, &config->globals, &capacity, "bgp graceful-restart preserve-fw-state");
	if (r == 0)
		r = strings_addf(&config->arena, &config->globals, &capacity, "no bgp network import-check");
	return r;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int render_profile(struct render *render, const struct bfd_profile *object, struct frr_profile *ret)
{
	struct arena *arena = &render->config->arena;
	const struct {
		const char *text;
		uint32_t value, usual;
	} numbers[] = {
		{ "detect-multiplier", object->detect_multiplier, 3 },
		{ "transmit-interval", object->transmit_interval_msec, 300 },
		{ "receive-interval", object->receive_interval_msec, 300 },
		{ "echo transmit-interval", object->echo_interval_msec, 50 },
		{ "echo receive-interval", object->echo_interval_msec, 50 },
		{ "minimum-ttl", object->minimum_ttl, 254 },
	};
	const char *name = short_name(arena, object->meta.name);
	size_t i, capacity = 0;
	int r = 0;

	*ret = (struct frr_profile){ .name = name ? formatf(arena, FRR_BFD_PREFIX "%s", name) : NULL };
	if (!ret->name)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(numbers) && r == 0; i++)
		if (numbers[i].value && numbers[i].value != numbers[i].usual)
			r = strings_addf(arena, &ret->lines, &capacity, "%s %u", numbers[i].text, numbers[i].value);
	if (r == 0 && object->echo_mode)
		r = strings_addf(arena, &ret->lines, &capacity, "echo-mode");
	if (r == 0 && object->passive_mode)
		r = strings_addf(arena, &ret->lines, &capacity, "passive-mode");
	if (ret->lines.n)
		qsort(ret->lines.items, ret->lines.n, sizeof(*ret->lines.items), compare_texts);
	return r;
}

/* Those in use; others would only stand there. */
static int render_profiles(struct render *render)
{
	const struct cluster *cluster = render->input->cluster;
	struct frr_config *config = render->config;
	size_t i, j;
	int r;

	config->profiles = arena_array(&config->arena, cluster->n_bfd_profiles, sizeof(*config->profiles));
	if (!config->profiles)
		return -ENOMEM;
	for (i = 0; i < cluster->n_bfd_profiles; i++) {
		for (j = 0; j < render->n_peers; j++)
			if (text_equal(render->peers[j]->bfd_profile, cluster->bfd_profiles[i]->meta.name))
				break;
		if (j == render->n_peers)
			continue;
		r = render_profile(render, cluster->bfd_profiles[i], &config->profiles[config->n_profiles++]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------------------------------- */

static int compare_neighbors(const void *a, const void *b)
{
	return strcmp(((const struct frr_neighbor *)a)->id, ((const struct frr_neighbor *)b)->id);
}

static int compare_maps(const void *a, const void *b)
{
	return strcmp(((const struct frr_map *)a)->name, ((const struct frr_map *)b)->name);
}

static int compare_lists(const void *a, const void *b)
{
	return strcmp(((const struct frr_list *)a)->name, ((const struct frr_list *)b)->name);
}

static int compare_profiles(const void *a, const void *b)
{
	return strcmp(((const struct frr_profile *)a)->name, ((const struct frr_profile *)b)->name);
}

static int compare_networks(const void *a, const void *b)
{
	return prefix_compare(&((const struct frr_network *)a)->prefix, &((const struct frr_network *)b)->prefix);
}

static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n)
		qsort(items, n, size, compare);
}

void frr_config_sort(struct frr_config *config)
{
	sort(config->neighbors, config->n_neighbors, sizeof(*config->neighbors), compare_neighbors);
	sort(config->maps, config->n_maps, sizeof(*config->maps), compare_maps);
	sort(config->lists, config->n_lists, sizeof(*config->lists), compare_lists);
	sort(config->profiles, config->n_profiles, sizeof(*config->profiles), compare_profiles);
	sort(config->networks, config->n_networks, sizeof(*config->networks), compare_networks);
}

static int render_all(struct render *render)
{
	struct frr_config *config = render->config;
	size_t i;
	int r;

	r = render_networks(render);
	if (r < 0)
		return r;
	config->maps = arena_array(&config->arena, render->n_classes + render->n_peers + 1, sizeof(*config->maps));
	config->neighbors = arena_array(&config->arena, render->n_peers, sizeof(*config->neighbors));
	if (!config->maps || !config->neighbors)
		return -ENOMEM;
	r = render_in(render);
	if (r == 0)
		r = render_class_maps(render);
	if (r == 0)
		r = render_globals(render);
	for (i = 0; i < render->n_peers && r == 0; i++)
		r = render_neighbor(render, render->peers[i], &config->neighbors[config->n_neighbors++]);
	if (r == 0)
		r = render_profiles(render);
	frr_config_sort(config);
	return r;
}

int frr_config_render(const struct frr_render *input, struct frr_config *ret, struct problems *problems)
{
	cleanup(frr_config_done) struct frr_config config = { 0 };
	cleanup(arena_done) struct arena scratch = { 0 };
	struct render render = { .input = input, .config = &config, .problems = problems };
	const struct node *node = cluster_find_node(input->cluster, input->node);
	int r;

	/* Their problems were told by the decision about routes. */
	r = peers_usable(&scratch, input->cluster, node, input->secret_namespace, &render.peers, &render.n_peers, NULL);
	if (r < 0)
		return r;
	config.asn = peers_router_asn(render.peers, render.n_peers);
	if (render.n_peers) /* without a peer there is nobody to announce to, and no AS to do it in */
		r = render_all(&render);
	free(render.classes);
	if (r < 0)
		return r;
	*ret = config;
	config = (struct frr_config){ 0 };
	return 0;
}

void frr_config_done(struct frr_config *config)
{
	if (!config)
		return;
	free(config->networks);
	arena_done(&config->arena);
	*config = (struct frr_config){ 0 };
}

/* --- as text ------------------------------------------------------------------------------------------------------------ */

static void text_map(const struct frr_map *map, struct strbuf *text)
{
	size_t i, j;

	for (i = 0; i < map->n_entries; i++) {
		strbuf_appendf(text, "route-map %s %s %u\n", map->name, map->entries[i].permit ? "permit" : "deny",
			       map->entries[i].sequence);
		for (j = 0; j < map->entries[i].lines.n; j++)
			strbuf_appendf(text, " %s\n", map->entries[i].lines.items[j]);
		strbuf_append(text, "exit\n!\n");
	}
}

static void text_neighbors(const struct frr_config *config, enum frr_section section, const char *indent,
			   struct strbuf *text)
{
	size_t i, j;

	for (i = 0; i < config->n_neighbors; i++)
		for (j = 0; j < config->neighbors[i].n_statements; j++)
			if (config->neighbors[i].statements[j].section == section)
				strbuf_appendf(text, "%sneighbor %s %s\n", indent, config->neighbors[i].id,
					       config->neighbors[i].statements[j].text);
}

static void text_family(const struct frr_config *config, enum frr_section section, struct strbuf *text)
{
	enum addr_family family = section == FRR_IPV4 ? ADDR_IPV4 : ADDR_IPV6;
	char prefix[PREFIX_TEXT_MAX];
	size_t i;

	strbuf_appendf(text, " !\n address-family %s unicast\n", section == FRR_IPV4 ? "ipv4" : "ipv6");
	for (i = 0; i < config->n_networks; i++) {
		const struct frr_network *network = &config->networks[i];

		if (network->prefix.addr.family == family)
			strbuf_appendf(text, "  network %s route-map " FRR_CLASS_PREFIX "%08x\n",
				       prefix_format(&network->prefix, prefix), network->class);
	}
	text_neighbors(config, section, "  ", text);
	strbuf_append(text, " exit-address-family\n");
}

void frr_config_text(const struct frr_config *config, struct strbuf *text)
{
	size_t i, j;

	strbuf_append(text, "! Written by Fairway for restarts of bgpd. Changes here are lost.\n");
	for (i = 0; i < config->n_lists; i++)
		for (j = 0; j < config->lists[i].lines.n; j++)
			strbuf_appendf(text, "%s prefix-list %s %s\n", config->lists[i].ipv6 ? "ipv6" : "ip",
				       config->lists[i].name, config->lists[i].lines.items[j]);
	for (i = 0; i < config->n_maps; i++)
		text_map(&config->maps[i], text);
	if (!config->asn)
		return;
	strbuf_appendf(text, "router bgp %u\n", config->asn);
	for (i = 0; i < config->globals.n; i++)
		strbuf_appendf(text, " %s\n", config->globals.items[i]);
	text_neighbors(config, FRR_ROUTER, " ", text);
	text_family(config, FRR_IPV4, text);
	text_family(config, FRR_IPV6, text);
	strbuf_append(text, "exit\n!\n");
}

/* --- searches -------------------------------------------------------------------------------------------------------------- */

static const void *find(const void *key, const void *items, size_t n, size_t size,
			int (*compare)(const void *, const void *))
{
	return n ? bsearch(key, items, n, size, compare) : NULL;
}

const struct frr_neighbor *frr_config_find_neighbor(const struct frr_config *config, const char *id)
{
	const struct frr_neighbor key = { .id = id };

	return find(&key, config->neighbors, config->n_neighbors, sizeof(key), compare_neighbors);
}

const struct frr_map *frr_config_find_map(const struct frr_config *config, const char *name)
{
	const struct frr_map key = { .name = name };

	return find(&key, config->maps, config->n_maps, sizeof(key), compare_maps);
}

const struct frr_list *frr_config_find_list(const struct frr_config *config, const char *name, bool ipv6)
{
	const struct frr_list key = { .name = name }, *list;

	list = find(&key, config->lists, config->n_lists, sizeof(key), compare_lists);
	return list && list->ipv6 == ipv6 ? list : NULL; /* names of the two families differ by prefix */
}

const struct frr_profile *frr_config_find_profile(const struct frr_config *config, const char *name)
{
	const struct frr_profile key = { .name = name };

	return find(&key, config->profiles, config->n_profiles, sizeof(key), compare_profiles);
}

const char *frr_neighbor_map_out(const struct frr_neighbor *neighbor, enum frr_section section)
{
	size_t i, length;
	const char *text;

	for (i = 0; i < neighbor->n_statements; i++) {
		text = neighbor->statements[i].text;
		length = strlen(text);
		if (neighbor->statements[i].section == section && !strncmp(text, "route-map ", 10) && length > 14 &&
		    !strcmp(text + length - 4, " out"))
			return text;
	}
	return NULL;
}
