// SPDX-License-Identifier: Apache-2.0
/* FRR's configuration as data: order, searches, text. See frr_config.h; it is made in frr_render.c and frr_state.c. */
#include "bgp/frr_config.h"

#include <stdlib.h>
#include <string.h>

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
