// SPDX-License-Identifier: Apache-2.0
/* Follows links and routes, decides with choose.c, acts with attach.c, and tells each interface's story once.
 */
#include "userspace/datapath/uplinks.h"

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "userspace/base/array.h"
#include "userspace/base/log.h"
#include "userspace/datapath/choose.h"
#include "userspace/datapath/reading.h"
#include "userspace/datapath/routes.h"
#include "userspace/io/loop.h"

#define SETTLE_MSEC 50	  /* a burst of link and route events is one refresh */
#define RETRY_MSEC  10000 /* an interface that could not be attached is tried again */
#define PASSES	    3 /* of a refresh: our program on one device can be what lets XDP on another send there */

struct uplink {
	struct link_info link;
	UT_hash_handle hh;
	bool present; /* met in the last dump of links */
	bool pinned;  /* an earlier agent attached it */
	bool chosen;
	bool takes_xdp;	     /* asked in this refresh: of uplinks and of devices that next hops use */
	char unsendable[16]; /* such a device that XDP here cannot send to, when the hook was chosen; "": none
			      */
	struct interface_view view; /* of chosen ones */
};

struct uplinks {
	struct netlink *netlink;
	struct hook_programs programs;
	char links_dir[PATH_MAX];
	struct uplinks_config config;
	struct uplink *by_ifindex;
	uint32_t *carriers;
	size_t n_carriers, carriers_capacity;
	struct interface_view *views;
	size_t n_views, views_capacity;
	struct reading reading;	    /* of what chooses: `carriers` */
	struct loop_timer *refresh; /* NULL: there is no loop */
};

/* --- links ------------------------------------------------------------------------------------ */

static struct uplink *uplink_find(const struct uplinks *uplinks, uint32_t ifindex)
{
	struct uplink *uplink;

	HASH_FIND(hh, uplinks->by_ifindex, &ifindex, sizeof(ifindex), uplink);
	return uplink;
}

const struct link_info *uplinks_find_link(const struct uplinks *uplinks, uint32_t ifindex)
{
	struct uplink *uplink = uplink_find(uplinks, ifindex);

	return uplink ? &uplink->link : NULL;
}

static void uplink_set(struct uplinks *uplinks, const struct link_info *link)
{
	struct uplink *uplink = uplink_find(uplinks, link->ifindex);

	if (!uplink) {
		uplink = calloc(1, sizeof(*uplink));
		if (!uplink)
			return; /* found again by the next refresh of all links */
		uplink->link.ifindex = link->ifindex;
		HASH_ADD(hh, uplinks->by_ifindex, link.ifindex, sizeof(uplink->link.ifindex), uplink);
	}
	uplink->link = *link;
	uplink->present = true;
	memcpy(uplink->view.name, link->name, sizeof(uplink->view.name));
}

static void uplink_drop(struct uplinks *uplinks, struct uplink *uplink)
{
	if (uplink->chosen || uplink->pinned)
		hooks_detach(uplinks->links_dir, uplink->link.ifindex); /* only pins are left of it */
	if (uplink->chosen)
		log_info("interface %s is gone", uplink->link.name);
	HASH_DEL(uplinks->by_ifindex, uplink);
	free(uplink);
}

static void read_link(void *userdata, const struct link_info *link)
{
	uplink_set(userdata, link);
}

static int links_read(struct uplinks *uplinks)
{
	struct uplink *uplink, *next;
	int r;

	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	uplink->present = false;
	r = netlink_each_link(uplinks->netlink, read_link, uplinks);
	if (r < 0)
		return r;
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	if (!uplink->present)
		uplink_drop(uplinks, uplink);
	return 0;
}

/* --- who carries routes ----------------------------------------------------------------------- */

static int carrier_add(struct uplinks *uplinks, uint32_t ifindex)
{
	if (!ifindex)
		return 0;
	if (array_reserve(uplinks->carriers, uplinks->n_carriers, uplinks->carriers_capacity) < 0)
		return -ENOMEM;
	uplinks->carriers[uplinks->n_carriers++] = ifindex;
	return 0;
}

struct default_routes {
	struct route_info *items;
	size_t n, capacity;
	int error;
};

static void read_default_route(void *userdata, const struct route_info *route)
{
	struct default_routes *routes = userdata;

	if (route->destination.length != 0 || route->type != RTN_UNICAST || route->table != RT_TABLE_MAIN)
		return;
	if (array_reserve(routes->items, routes->n, routes->capacity) == 0)
		routes->items[routes->n++] = *route;
	else
		routes->error = -ENOMEM;
}

static int first_error(int first, int second)
{
	return first < 0 ? first : second;
}

static int failure_of(int r)
{
	return reading_is_word(r) ? 0 : r;
}

static int default_carriers_read(struct uplinks *uplinks)
{
	struct default_routes routes = { 0 };
	int v4 = netlink_each_route(uplinks->netlink, ADDR_IPV4, read_default_route, &routes);
	int v6 = netlink_each_route(uplinks->netlink, ADDR_IPV6, read_default_route, &routes);
	int error = first_error(failure_of(v4), failure_of(v6));

	error = first_error(error, routes.error);
	for (size_t i = 0; i < routes.n; i++) {
		struct route_info *route = &routes.items[i];
		int r = netlink_route_complete(uplinks->netlink, route);

		/* What has no next hop chooses nothing, as with a peer without a route. */
		error = first_error(error, failure_of(r));
		for (unsigned j = 0; j < route->n_ifindex; j++)
			error = first_error(error, carrier_add(uplinks, route->ifindex[j]));
	}
	free(routes.items);
	return error;
}

static int peer_carriers_read(struct uplinks *uplinks)
{
	struct routes routes = { .netlink = uplinks->netlink };
	int error = 0;

	for (size_t i = 0; i < uplinks->config.n_peers; i++) {
		struct hop_info hop;
		int r = routes_ask(&routes, &uplinks->config.peers[i], &hop);

		/* A peer without a route at the moment chooses nothing; the route's event comes back here. */
		error = first_error(error, failure_of(r));
		if (r == 0 && hop.type == RTN_UNICAST)
			error = first_error(error, carrier_add(uplinks, hop.ifindex));
	}
	routes_forget(&routes);
	return error;
}

/* Whatever could be read counts: an interface that was chosen once stays so. 0 or the first error. */
static int carriers_read(struct uplinks *uplinks)
{
	int error;

	uplinks->n_carriers = 0;
	if (uplinks->config.n_globs) {
		uplinks->reading = (struct reading){ 0 }; /* it is over, and nobody cares */
		return 0;
	}
	error = peer_carriers_read(uplinks);
	return first_error(error, default_carriers_read(uplinks));
}

/* --- acting ----------------------------------------------------------------------------------- */

static void uplink_tell(const struct uplink *uplink, const struct interface_view *before, int error)
{
	const struct interface_view *view = &uplink->view;

	if (before->hook && strcmp(before->hook, view->hook) == 0 && strcmp(before->why, view->why) == 0)
		return;
	if (error < 0 && strcmp(view->hook, "none") != 0)
		log_error("interface %s: %s; the last agent's programs stay at work (%s), retry in %u s",
			  view->name, view->why, view->hook, RETRY_MSEC / 1000);
	else if (error < 0)
		log_error("interface %s: no hook: %s; its traffic is not balanced, retry in %u s", view->name,
			  view->why, RETRY_MSEC / 1000);
	else
		log_info("interface %s: hook %s (%s)", view->name, view->hook, view->why);
}

static int uplink_attach(struct uplinks *uplinks, struct uplink *uplink)
{
	struct interface_view before = uplink->view;
	int r = hooks_attach(&uplinks->programs, uplinks->links_dir, uplinks->config.hook, &uplink->link,
			     uplink->unsendable[0] ? uplink->unsendable : NULL, &uplink->view);

	uplink->chosen = true;
	uplink->pinned = true;
	uplink_tell(uplink, &before, r);
	return r;
}

static void uplink_detach(struct uplinks *uplinks, struct uplink *uplink)
{
	hooks_detach(uplinks->links_dir, uplink->link.ifindex);
	if (uplink->chosen)
		log_info("interface %s: detached, --interfaces no longer names it", uplink->link.name);
	uplink->chosen = uplink->pinned = false;
	uplink->view = (struct interface_view){ 0 };
}

static bool uplink_wanted(const struct uplinks *uplinks, const struct uplink *uplink)
{
	const struct uplinks_config *config = &uplinks->config;
	struct uplink_rules rules = {
		.globs = config->globs,
		.n_globs = config->n_globs,
		.carriers = uplinks->carriers,
		.n_carriers = uplinks->n_carriers,
		.names = config->peer_interfaces,
		.n_names = config->n_peer_interfaces,
	};

	if (!uplinks->config.n_globs && uplink->pinned)
		return true;
	return uplink_is_chosen(&rules, uplink->link.ifindex, uplink->link.name,
				uplink->link.flags & IFF_LOOPBACK);
}

/* A stream of events must not put a refresh off for ever, nor a retry an event. */
static void arm(struct uplinks *uplinks, uint64_t after_msec)
{
	if (uplinks->refresh)
		loop_timer_set_earlier(uplinks->refresh, after_msec);
}

/* --- where XDP cannot send -------------------------------------------------------------------- */

static struct uplink *next_hop_device(const struct uplinks *uplinks, size_t i)
{
	uint32_t ifindex = uplinks->config.next_hops
				   ? __atomic_load_n(&uplinks->config.next_hops[i].ifindex, __ATOMIC_RELAXED)
				   : 0;

	return ifindex ? uplink_find(uplinks, ifindex) : NULL;
}

static void device_ask(struct uplinks *uplinks, struct uplink *device)
{
	uint64_t features = 0;
	int error = netlink_xdp_features(uplinks->netlink, device->link.ifindex, &features);

	device->takes_xdp = device_takes_xdp(error, features, device->link.kind);
}

/* Those that next hops use, and our uplinks: replies leave by these. */
static void devices_ask(struct uplinks *uplinks)
{
	struct uplink *uplink, *next;

	for (size_t i = 0; i < LB_MAX_LINKS; i++) {
		struct uplink *device = next_hop_device(uplinks, i);

		if (device)
			device_ask(uplinks, device);
	}
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	if (uplink->chosen || uplink->pinned)
		device_ask(uplinks, uplink);
}

/* Word by word: a program that meets half of it sends a reply through the stack. */
static void xdp_out_write(const struct uplinks *uplinks)
{
	struct uplink *uplink, *next;
	size_t n = 0;

	if (!uplinks->config.xdp_out)
		return;
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	if ((uplink->chosen || uplink->pinned) && uplink->takes_xdp && n < LB_XDP_OUT)
		__atomic_store_n(&uplinks->config.xdp_out[n++], uplink->link.ifindex, __ATOMIC_RELAXED);
	while (n < LB_XDP_OUT)
		__atomic_store_n(&uplinks->config.xdp_out[n++], 0, __ATOMIC_RELAXED);
}

/* The name of the first, or "". A packet that goes back to where it came from needs nothing of the device. */
static const char *first_unsendable(const struct uplinks *uplinks, const struct uplink *from)
{
	for (size_t i = 0; i < LB_MAX_LINKS; i++) {
		const struct uplink *device = next_hop_device(uplinks, i);

		if (device && device != from && !device->takes_xdp)
			return device->link.name;
	}
	return "";
}

/* True if there was something to do; what failed is noted in *failed. */
static bool refresh_hooks(struct uplinks *uplinks, bool *failed)
{
	struct uplink *uplink, *next;
	bool changed = false;

	devices_ask(uplinks);
	xdp_out_write(uplinks);
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	{
		bool wanted = uplink_wanted(uplinks, uplink);
		const char *unsendable = wanted ? first_unsendable(uplinks, uplink) : "";

		if (wanted && (!uplink->view.attached || strcmp(uplink->unsendable, unsendable) != 0)) {
			snprintf(uplink->unsendable, sizeof(uplink->unsendable), "%s", unsendable);
			*failed |= uplink_attach(uplinks, uplink) < 0;
		} else if (!wanted && (uplink->chosen || uplink->pinned)) {
			uplink_detach(uplinks, uplink);
		} else {
			continue;
		}
		changed = true;
	}
	return changed;
}

/* The next event would choose them too, but on a quiet host there is none for hours. */
static void note_reading(struct uplinks *uplinks, int error)
{
	uint64_t retry_msec;

	switch (reading_note(&uplinks->reading, error, &retry_msec)) {
	case READING_NO_NEWS:
		break;
	case READING_FAILS:
		log_warn(
			"interfaces: the routes that choose them cannot be read (%s); those that were chosen "
			"stay, tried again, less and less often",
			strerror(-error));
		break;
	case READING_IS_OVER:
		log_info("interfaces: the routes that choose them are read again");
		break;
	}
	if (retry_msec)
		arm(uplinks, retry_msec);
}

int uplinks_refresh(struct uplinks *uplinks, bool links_too)
{
	int r = links_too ? links_read(uplinks) : 0;
	bool failed = false;

	note_reading(uplinks, carriers_read(uplinks));
	for (int pass = 0; pass < PASSES && !failed && refresh_hooks(uplinks, &failed); pass++)
		;
	if (failed || r < 0)
		arm(uplinks, RETRY_MSEC);
	return r;
}

static void on_refresh(void *userdata)
{
	uplinks_refresh(userdata, true);
}

void uplinks_link_changed(struct uplinks *uplinks, const struct link_info *link, bool gone)
{
	struct uplink *uplink;

	if (!gone) {
		uplink_set(uplinks, link);
	} else {
		uplink = uplink_find(uplinks, link->ifindex);
		if (uplink)
			uplink_drop(uplinks, uplink);
	}
	arm(uplinks, SETTLE_MSEC);
}

void uplinks_next_hops_changed(struct uplinks *uplinks)
{
	arm(uplinks, SETTLE_MSEC);
}

void uplinks_routes_changed(struct uplinks *uplinks)
{
	if (!uplinks->config.n_globs)
		arm(uplinks, SETTLE_MSEC);
}

/* --- life ------------------------------------------------------------------------------------- */

static void adopt(void *userdata, uint32_t ifindex)
{
	struct uplinks *uplinks = userdata;
	struct uplink *uplink = uplink_find(uplinks, ifindex);

	if (uplink)
		uplink->pinned = true;
	else
		hooks_detach(uplinks->links_dir, ifindex);
}

int uplinks_new(struct sd_event *event, struct netlink *netlink, const struct hook_programs *programs,
		const char *links_dir, const struct uplinks_config *config, struct uplinks **ret)
{
	struct uplinks *uplinks = calloc(1, sizeof(*uplinks));
	int r;

	if (!uplinks)
		return -ENOMEM;
	uplinks->netlink = netlink;
	uplinks->programs = *programs;
	uplinks->config = *config;
	snprintf(uplinks->links_dir, sizeof(uplinks->links_dir), "%s", links_dir);
	r = links_read(uplinks);
	if (r == 0)
		r = hooks_each_interface(links_dir, adopt, uplinks);
	if (r == 0 && event)
		r = loop_timer_new(event, on_refresh, uplinks, &uplinks->refresh);
	if (r >= 0)
		r = uplinks_refresh(uplinks, false);
	if (r < 0) {
		uplinks_free(uplinks);
		return r;
	}
	*ret = uplinks;
	return 0;
}

void uplinks_free(struct uplinks *uplinks)
{
	struct uplink *uplink, *next;

	if (!uplinks)
		return;
	loop_timer_free(uplinks->refresh);
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	{
		HASH_DEL(uplinks->by_ifindex, uplink);
		free(uplink);
	}
	free(uplinks->carriers);
	free(uplinks->views);
	free(uplinks);
}

int uplinks_configure(struct uplinks *uplinks, const struct uplinks_config *config)
{
	struct uplink *uplink, *next;
	bool hook_changed = uplinks->config.hook != config->hook;

	uplinks->config = *config;
	if (hook_changed)
		HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	uplink->view.attached = false; /* attaching again moves it, without a gap */
	return uplinks_refresh(uplinks, true);
}

static int compare_view(const void *a, const void *b)
{
	return strcmp(((const struct interface_view *)a)->name, ((const struct interface_view *)b)->name);
}

size_t uplinks_views(struct uplinks *uplinks, const struct interface_view **ret)
{
	struct uplink *uplink, *next;

	uplinks->n_views = 0;
	HASH_ITER(hh, uplinks->by_ifindex, uplink, next)
	if (uplink->chosen && array_reserve(uplinks->views, uplinks->n_views, uplinks->views_capacity) == 0)
		uplinks->views[uplinks->n_views++] = uplink->view;
	if (uplinks->n_views)
		qsort(uplinks->views, uplinks->n_views, sizeof(*uplinks->views), compare_view);
	*ret = uplinks->views;
	return uplinks->n_views;
}
