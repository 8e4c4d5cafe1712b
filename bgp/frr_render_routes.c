// SPDX-License-Identifier: Apache-2.0
/* Networks, attribute classes and the maps that belong to them: see frr_config.h. */
#include "bgp/frr_render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

/* --- attribute classes ------------------------------------------------------------------------------------- */

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
	const struct render_class *left = a, *right = b;

	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

static int add_class(struct render *render, const struct render_class *class)
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

static struct render_class *find_class(const struct render *render, uint64_t hash) /* each network's class is there */
{
	const struct render_class key = { .hash = hash };

	return bsearch(&key, render->classes, render->n_classes, sizeof(key), compare_classes);
}

int render_networks(struct render *render)
{
	const struct routes *routes = render->input->routes;
	struct frr_config *config = render->config;
	cleanup(freep) uint64_t *hashes = malloc((routes->n + 1) * sizeof(*hashes)); /* by network */
	struct render_class class, *found;
	size_t i, end;

	config->networks = malloc((routes->n + 1) * sizeof(*config->networks));
	if (!config->networks || !hashes)
		return -ENOMEM;
	for (i = 0; i < routes->n; i = end) {
		for (end = i + 1; end < routes->n; end++)
			if (prefix_compare(&routes->items[end].prefix, &routes->items[i].prefix))
				break;
		class = (struct render_class){ .routes = &routes->items[i], .n_routes = end - i };
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

void render_map_entry(struct frr_map *map, uint32_t sequence, const struct strings *lines)
{
	map->entries[map->n_entries++] =
		(struct frr_map_entry){ .sequence = sequence, .permit = true, .lines = *lines };
}

int render_map_new(struct arena *arena, const char *name, size_t n_entries, struct frr_map *ret)
{
	*ret = (struct frr_map){ .name = name, .complete = true };
	ret->entries = arena_array(arena, n_entries + 1, sizeof(*ret->entries));
	return ret->entries && name ? 0 : -ENOMEM;
}

void render_map_end(struct frr_map *map)
{
	map->entries[map->n_entries++] = (struct frr_map_entry){ .sequence = FRR_MAP_END };
}

int frr_map_out(struct arena *arena, const char *peer, const struct strings *entries, size_t n, struct frr_map *ret)
{
	const char *name = render_short_name(arena, peer);
	uint64_t hash = 0;
	size_t i, j;
	int r;

	if (!name)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		for (j = 0; j < entries[i].n; j++)
			hash = render_hash(entries[i].items[j], hash);
		hash = XXH64("\n", 1, hash);
	}
	r = render_map_new(arena, render_format(arena, FRR_OUT_PREFIX "%s-%016llx", name, (unsigned long long)hash), n, ret);
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		render_map_entry(ret, i + 1, &entries[i]);
	render_map_end(ret);
	return 0;
}

void render_add_map(struct render *render, const struct frr_map *map)
{
	render->config->maps[render->config->n_maps++] = *map; /* render_all() made room */
}

int render_class_maps(struct render *render)
{
	struct arena *arena = &render->config->arena;
	struct frr_map map;
	size_t i;
	int r;

	for (i = 0; i < render->n_classes; i++) {
		struct strings lines = { 0 };
		size_t capacity = 0;

		r = render_map_new(arena, render_format(arena, FRR_CLASS_PREFIX "%08x", render->classes[i].id), 1, &map);
		if (r == 0)
			r = render_addf(arena, &lines, &capacity, "set tag %u", render->classes[i].id);
		if (r < 0)
			return r;
		render_map_entry(&map, 10, &lines);
		render_map_end(&map);
		render_add_map(render, &map);
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
	return render_addf(arena, lines, capacity, "set %scommunity%s", large ? "large-" : "", strbuf_text(&text));
}

/* What this peer gets of a class; no lines if nothing. */
static int class_lines(struct render *render, const struct render_class *class, const struct bgp_peer *peer,
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
	r = render_addf(arena, ret, &capacity, "match tag %u", class->id);
	if (r == 0)
		r = community_lines(arena, route, false, ret, &capacity, ret_fits);
	if (r == 0)
		r = community_lines(arena, route, true, ret, &capacity, ret_fits);
	if (r == 0 && route->local_pref)
		r = render_addf(arena, ret, &capacity, "set local-preference %u", route->local_pref);
	return r;
}

int render_peer_map(struct render *render, const struct bgp_peer *peer, const char **ret_name,
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
	render_add_map(render, &map);
	return 0;
}
