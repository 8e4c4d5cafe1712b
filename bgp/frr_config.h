/* SPDX-License-Identifier: Apache-2.0 */
/* FRR's configuration as data (PURE): what is wanted, rendered from objects and routes, and what runs, parsed from
 * `show running-config`, in one form, so that comparing them gives the commands (frr_diff.h).
 *
 * Names carry what they mean, and what a name means never changes:
 *   route-map LBC-<class>          on a network: sets the tag of its attribute class. A class is the set of peers that receive
 *                                  the route with what attributes each: few, however many routes there are
 *   route-map LBO-<peer>-<hash>    out, per neighbour: by tag, which classes this peer gets, with its attributes
 *   route-map LBI-<hash>           in, for all: PodCIDRs within --cluster-cidr, nothing else; prefix-lists LBI4-/LBI6-<hash>
 *   BFD profile LBB-<name>         in bfdd
 * A map is swapped by its name, never edited: FRR acts on the former at once and on the latter seconds later. Each ends
 * with `deny 65535`, which is defined last: a map without it is half defined and is defined again.
 * Our neighbours have the description "fairway <BGPPeer>". What carries none of these marks is somebody else's and is left
 * alone. All strings are checked before they come here: no control character, bounded length. */
#ifndef FAIRWAY_BGP_FRR_CONFIG_H
#define FAIRWAY_BGP_FRR_CONFIG_H

#include "userspace/core/routes.h"

#define FRR_LINE_MAX	  4000 /* a vty takes 4,095 bytes a line */
#define FRR_MAP_END	  65535
#define FRR_DESCRIPTION	  "fairway "
#define FRR_CLASS_PREFIX  "LBC-"
#define FRR_OUT_PREFIX	  "LBO-"
#define FRR_IN_PREFIX	  "LBI-"
#define FRR_LIST4_PREFIX  "LBI4-"
#define FRR_LIST6_PREFIX  "LBI6-"
#define FRR_BFD_PREFIX	  "LBB-"

struct frr_network { /* sorted by prefix */
	struct prefix prefix;
	bool gone; /* frr_sync's: withdrawn in the batch that is being applied */
	bool stuck; /* frr_sync's: does not run, but bgpd forgot to withdraw it from a peer; class 0 */
	uint32_t class; /* of route-map LBC-<class>, eight hex digits; 0: without one of ours */
};

struct frr_map_entry {
	uint32_t sequence;
	bool permit;
	struct strings lines; /* "match tag 7", … */
};

struct frr_map { /* sorted by name */
	const char *name;
	struct frr_map_entry *entries;
	size_t n_entries;
	bool complete; /* its last entry is there */
};

struct frr_list { /* a prefix-list of ours; sorted by name */
	const char *name;
	bool ipv6;
	struct strings lines; /* "seq 1 permit 10.244.0.0/16 le 32" */
};

enum frr_section { FRR_ROUTER, FRR_IPV4, FRR_IPV6 };

struct frr_statement { /* without its "neighbor X " */
	enum frr_section section;
	const char *text;
};

struct frr_neighbor { /* sorted by id */
	const char *id;	  /* address or interface as FRR prints it */
	const char *peer; /* the BGPPeer's name; NULL: not ours */
	struct frr_statement *statements;
	size_t n_statements;
	uint32_t n_routes; /* rendered: prefixes that it shall receive */
};

struct frr_profile { /* sorted by name */
	const char *name;
	struct strings lines; /* those that differ from bfdd's defaults, sorted */
};

struct frr_config {
	struct arena arena;
	uint32_t asn; /* 0: no `router bgp` */
	struct strings globals; /* directly below it: "bgp router-id …" */
	bool foreign; /* parsed: a neighbour or network of somebody else's is there */
	struct frr_neighbor *neighbors;
	size_t n_neighbors;
	struct frr_network *networks; /* malloc'ed: ten thousands of them come and go */
	size_t n_networks;
	struct frr_map *maps;
	size_t n_maps;
	struct frr_list *lists;
	size_t n_lists;
	struct frr_profile *profiles; /* bfdd's */
	size_t n_profiles;
};

struct frr_render {
	const struct cluster *cluster;
	const char *node;
	const char *secret_namespace; /* NULL: fairway-system */
	const struct prefix *cluster_cidrs;
	size_t n_cluster_cidrs;
	const struct routes *routes;
};

/* 0 or -ENOMEM. Problems are what routes_peers() does not say already: routers with two ids, attributes that don't fit. */
int frr_config_render(const struct frr_render *, struct frr_config *ret, struct problems *);
void frr_config_done(struct frr_config *);

/* bgpd's whole configuration file, for a bgpd that restarts. It holds passwords. */
void frr_config_text(const struct frr_config *, struct strbuf *);

const struct frr_neighbor *frr_config_find_neighbor(const struct frr_config *, const char *id);
const struct frr_map *frr_config_find_map(const struct frr_config *, const char *name);
const struct frr_list *frr_config_find_list(const struct frr_config *, const char *name, bool ipv6);
const struct frr_profile *frr_config_find_profile(const struct frr_config *, const char *name);
/* The name of its outgoing route-map in that section, or NULL. */
const char *frr_neighbor_map_out(const struct frr_neighbor *, enum frr_section);

/* Lists of `struct frr_map` and so on are sorted by this. */
void frr_config_sort(struct frr_config *);
/* An outgoing map with these entries' lines, numbered anew, ended, and named by its content. */
int frr_map_out(struct arena *, const char *peer, const struct strings *entries, size_t n, struct frr_map *ret);

#endif
