// SPDX-License-Identifier: Apache-2.0
/* From objects and routes to FRR's configuration: see frr_config.h. Statements are written exactly as FRR 8.4 prints them,
 * and those equal to its defaults are left out: then what runs can be compared with what is wanted as text. */
#include "bgp/frr_render.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/peers.h"

#define NAME_MAX_LENGTH 40 /* longer names of objects appear as a hash within FRR's names */

/* --- growing things in an arena -------------------------------------------------------------------------- */

/* Lines of one owner while they are being written; `items` moves as it grows, which an arena forgives. */
int render_addf(struct arena *arena, struct strings *strings, size_t *capacity, const char *format, ...)
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

const char *render_format(struct arena *arena, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	return strbuf_failed(&text) ? NULL : arena_string(arena, strbuf_text(&text));
}

uint64_t render_hash(const char *text, uint64_t seed)
{
	return XXH64(text, strlen(text), seed);
}

/* Names of objects are DNS subdomains; what is longer than FRR shows well, or is something else, becomes a hash. */
const char *render_short_name(struct arena *arena, const char *name)
{
	if (text_is_dns_subdomain(name) && strlen(name) <= NAME_MAX_LENGTH)
		return arena_string(arena, name);
	return render_format(arena, "%016llx", (unsigned long long)render_hash(name, 0));
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
	return render_addf(arena, &list->lines, &in->capacity[ipv6], "seq %zu %s %s%s", list->lines.n + 1,
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
	render->in_map = render_format(arena, FRR_IN_PREFIX "%016llx", (unsigned long long)in.hash);
	in.lists[0].name = render_format(arena, FRR_LIST4_PREFIX "%016llx", (unsigned long long)in.hash);
	in.lists[1].name = render_format(arena, FRR_LIST6_PREFIX "%016llx", (unsigned long long)in.hash);
	config->lists = arena_array(arena, 2, sizeof(*config->lists));
	r = render_map_new(arena, render->in_map, 2, &map);
	if (r < 0 || !in.lists[0].name || !in.lists[1].name || !config->lists)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		if (!in.lists[i].lines.n)
			continue;
		config->lists[config->n_lists++] = in.lists[i];
		match = (struct strings){ 0 };
		capacity = 0;
		r = render_addf(arena, &match, &capacity, "match %s address prefix-list %s", i ? "ipv6" : "ip",
				 in.lists[i].name);
		if (r < 0)
			return r;
		render_map_entry(&map, 10 * (i + 1), &match);
	}
	render_map_end(&map);
	render_add_map(render, &map);
	return 0;
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
		number = (uint32_t)render_hash(render->input->node, 0);
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
		r = render_addf(&config->arena, &config->globals, &capacity, "bgp router-id %s", addr_format(&id, text));
	if (r == 0)
		r = render_addf(&config->arena, &config->globals, &capacity, "no bgp default ipv4-unicast");
	if (r == 0 && restart_time)
		r = render_addf(&config->arena, &config->globals, &capacity, "bgp graceful-restart restart-time %u",
				 restart_time);
	if (r == 0 && graceful_restart)
		r = render_addf(&config->arena, &config->globals, &capacity, "bgp graceful-restart preserve-fw-state");
	if (r == 0)
		r = render_addf(&config->arena, &config->globals, &capacity, "no bgp network import-check");
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
	const char *name = render_short_name(arena, object->meta.name);
	size_t i, capacity = 0;
	int r = 0;

	*ret = (struct frr_profile){ .name = name ? render_format(arena, FRR_BFD_PREFIX "%s", name) : NULL };
	if (!ret->name)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(numbers) && r == 0; i++)
		if (numbers[i].value && numbers[i].value != numbers[i].usual)
			r = render_addf(arena, &ret->lines, &capacity, "%s %u", numbers[i].text, numbers[i].value);
	if (r == 0 && object->echo_mode)
		r = render_addf(arena, &ret->lines, &capacity, "echo-mode");
	if (r == 0 && object->passive_mode)
		r = render_addf(arena, &ret->lines, &capacity, "passive-mode");
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
			if (peer_bfd_profile(cluster, render->peers[j]) == cluster->bfd_profiles[i])
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
