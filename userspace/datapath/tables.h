/* SPDX-License-Identifier: Apache-2.0 */
/* Frontends, backends and Maglev slots in the mapped tables (EDGE): what a step changes, in the order that
 * lb_abi.h asks for, so that a program meets only whole entries and a killed agent leaves only what adoption
 * can mend.
 *
 *	tables.c	views of the mapped memory; backends, slots, next hops, links
 *	frontends.c	frontend entries with their index, addresses and source ranges
 *	applied.c	mending after a kill, and reading everything back */
#ifndef FAIRWAY_DATAPATH_TABLES_H
#define FAIRWAY_DATAPATH_TABLES_H

#include "bpf/lb_abi.h"
#include "userspace/core/diff.h"
#include "userspace/datapath/index_table.h"
#include "userspace/datapath/load.h"

struct address_use;
struct range_list { /* the source ranges that stand in the trie for one frontend */
	struct prefix *items;
	size_t n;
};

struct tables {
	const struct loaded_map *maps; /* MAP_COUNT of them, borrowed */
	struct lb_settings *settings;
	uint64_t *filter;
	struct index_table fe_index, be_index;
	struct lb_frontend *frontends;
	struct lb_backend *backends;
	struct lb_link *links;
	uint32_t *slots;
	uint32_t n_frontends, n_backends, n_slots;
	struct address_use *addresses; /* who uses which address, by uthash */
	uint16_t *filter_counts;       /* addresses per bit of the filter */
	struct range_list *ranges;     /* by frontend id */
	struct addr snat_v4, snat_v6;  /* what the filter counts as used by SNAT */
};

int tables_init(struct tables *, const struct loaded_map *maps);
void tables_done(struct tables *); /* the kernel's tables stay as they are */

/* --- steps: 0, -ERANGE (an id or range outside the tables), -ENOSPC, -EEXIST, or what the kernel says  */
int tables_set_backend(struct tables *, const struct applied_backend *);
int tables_delete_backend(struct tables *, const struct applied_backend *); /* 0 also if it is not there */
int tables_write_slots(struct tables *, uint32_t offset, uint32_t size, const uint32_t *ids);
int tables_set_frontend(struct tables *, const struct applied_frontend *);
int tables_delete_frontend(struct tables *, const struct applied_frontend *);
void tables_free_frontend(struct tables *, uint32_t id); /* no flow holds it: retired -> empty */

/* --- next hops -------------------------------------------------------------------------------- */
void tables_set_next_hop(struct tables *, uint32_t backend_id, const uint8_t *mac,
			 int link); /* mac NULL: none */
/* The link's number for next hops, entered or brought up to date; -ENOSPC: LB_MAX_LINKS are in use. */
int tables_set_link(struct tables *, uint32_t ifindex, const uint8_t mac[6], uint32_t mtu);
/* The link that the backend's present next hop names, -ENOENT: it has none. */
int tables_next_hop_link(const struct tables *, uint32_t backend_id);
int tables_find_link(const struct tables *, uint32_t ifindex); /* -ENOENT */
void tables_clear_link(struct tables *, uint32_t ifindex);

/* --- the node's own addresses ----------------------------------------------------------------- */
void tables_read_snat(const struct tables *, struct addr *ret_v4,
		      struct addr *ret_v6); /* as the maps have them */
int tables_set_snat(struct tables *, const struct addr *v4, const struct addr *v6, uint16_t port_first,
		    uint16_t port_last);

/* --- adoption --------------------------------------------------------------------------------- */
int tables_mend(
	struct tables *); /* counts who uses what, completes or removes what a killed agent left half done */
int tables_read_applied(struct tables *, struct applied *);
/* Calls fn for each backend on another node. Non-zero ends it. */
int tables_each_remote_backend(const struct tables *,
			       int (*fn)(void *userdata, uint32_t id, const struct addr *), void *userdata);

/* --- shared by the files above ---------------------------------------------------------------- */
int tables_use_address(struct tables *, const struct addr *, bool like_a_host);
void tables_release_address(struct tables *, const struct addr *, bool like_a_host);
int tables_mend_addresses(struct tables *); /* drops what no frontend uses from the filter and from lb_vips */
int ranges_add(struct tables *, uint32_t frontend_id, const struct prefix *items, size_t n);
int ranges_trim(struct tables *, uint32_t frontend_id, const struct prefix *items,
		size_t n);		    /* leaves just these */
int ranges_read(struct tables *);	    /* from the tries; entries of no used frontend are removed */
bool frontend_is_like_a_host(uint8_t type); /* its address answers ping and refuses closed ports */
uint64_t frontend_index_key(const struct lb_frontend *);
uint64_t backend_index_key(const struct lb_backend *);
struct addr table_addr(uint8_t family, const uint8_t *bytes);
uint8_t backend_life(const struct lb_backend *);
void backend_set_life(struct lb_backend *, enum lb_life);

#endif
