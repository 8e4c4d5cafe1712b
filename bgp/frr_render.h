/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of frr_config_render(): the state of one rendering, shared by its three files (frr_render.c the whole, globals, what
 * is received and BFD profiles; frr_render_routes.c networks, attribute classes and maps; frr_render_peers.c neighbours). */
#ifndef FAIRWAY_BGP_FRR_RENDER_H
#define FAIRWAY_BGP_FRR_RENDER_H

#include "bgp/frr_config.h"

/* All routes of one prefix (one per peer): equal sets of (peer, localPref, communities) are one class. */
struct render_class {
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
	struct render_class *classes; /* sorted by hash */
	size_t n_classes, class_capacity;
	bool receives_ipv4, receives_ipv6;
	const char *in_map;
};

/* Adds a line; `items` moves as it grows, which an arena forgives. 0 or -ENOMEM. */
int render_addf(struct arena *, struct strings *, size_t *capacity, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
const char *render_format(struct arena *, const char *format, ...) __attribute__((format(printf, 2, 3))); /* NULL: -ENOMEM */
uint64_t render_hash(const char *text, uint64_t seed);
/* Names of objects are DNS subdomains; what is longer than FRR shows well, or is something else, becomes a hash. */
const char *render_short_name(struct arena *, const char *name);

int render_networks(struct render *);	/* networks and classes, from the routes */
int render_class_maps(struct render *); /* LBC- */
int render_peer_map(struct render *, const struct bgp_peer *, const char **ret_name, uint32_t *ret_n_routes); /* LBO- */
int render_neighbor(struct render *, const struct bgp_peer *, struct frr_neighbor *ret); /* with its outgoing map */

/* A map is begun with room for its entries, filled, ended, and added to the configuration. */
int render_map_new(struct arena *, const char *name, size_t n_entries, struct frr_map *ret);
void render_map_entry(struct frr_map *, uint32_t sequence, const struct strings *lines);
void render_map_end(struct frr_map *);
void render_add_map(struct render *, const struct frr_map *);

#endif
