/* SPDX-License-Identifier: Apache-2.0 */
/* The interfaces that carry the data path (EDGE), followed live: links that appear get their hooks, links
 * that go leave nothing behind. By default those that carry a route to a BGP peer or the default route; one
 * that once did keeps its hooks while it exists, so that a flapping route never takes the programs away from
 * established flows. */
#ifndef FAIRWAY_DATAPATH_UPLINKS_H
#define FAIRWAY_DATAPATH_UPLINKS_H

#include "bpf/lb_abi.h"
#include "userspace/datapath/attach.h"
#include "userspace/datapath/netlink.h"

struct uplinks;

struct uplinks_config { /* borrowed until the next uplinks_configure() or uplinks_free() */
	enum hook_choice hook;
	const char *const *globs;
	size_t n_globs;
	const struct addr *peers;
	size_t n_peers;
	const char *const *peer_interfaces;
	size_t n_peer_interfaces;
	const struct lb_link *next_hops; /* the LB_MAX_LINKS devices of next hops; NULL: none */
	uint32_t *xdp_out;		 /* LB_XDP_OUT, written: uplinks that XDP can send to; or NULL */
};

/* `event` NULL: changes are acted upon by uplinks_refresh() alone. Adopts what is pinned. */
int uplinks_new(struct sd_event *event, struct netlink *, const struct hook_programs *, const char *links_dir,
		const struct uplinks_config *, struct uplinks **ret);
void uplinks_free(struct uplinks *); /* what is attached stays */
int uplinks_configure(struct uplinks *, const struct uplinks_config *);

void uplinks_link_changed(struct uplinks *, const struct link_info *, bool gone);
void uplinks_routes_changed(struct uplinks *);
void uplinks_next_hops_changed(struct uplinks *);      /* `next_hops` has a new device */
int uplinks_refresh(struct uplinks *, bool links_too); /* now; after lost events with every link */

const struct link_info *uplinks_find_link(const struct uplinks *,
					  uint32_t ifindex); /* any link; borrowed, or NULL */
size_t uplinks_views(struct uplinks *,
		     const struct interface_view **ret); /* by name; borrowed until the next call */

#endif
