// SPDX-License-Identifier: Apache-2.0
/* Backends hang on gateways in linked lists, so that a neighbour event touches exactly the backends behind
 * it; a change of routes asks the kernel once for each longest prefix in use and moves the backends whose
 * gateway differs. */
#include "userspace/datapath/nexthop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <uthash.h>

#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/log.h"
#include "userspace/datapath/clock.h"
#include "userspace/datapath/prefix_set.h"
#include "userspace/datapath/reading.h"
#include "userspace/datapath/routes.h"

#define ROUTES_SETTLE_USEC  (20 * 1000) /* a burst of route events is one reload … */
#define ROUTES_REST_FACTOR  10 /* … and reloads take a tenth of the time at most, however many routes */
#define TICK_USEC	    (1000 * 1000)
#define TIMER_ACCURACY_USEC 1000 /* sd-event's default of 250 ms is longer than a flow should wait */
#define PROBES_PER_TICK	    256	 /* neighbours touched in one tick: bounded work, some 2 ms */
#define LINES_PER_TICK	    8	 /* of log: a dead switch is not a thousand stories */
#define NOBODY		    UINT32_MAX

struct gateway_key { /* zeroed before it is filled: hashed as bytes */
	uint32_t ifindex;
	struct addr addr;
};

struct gateway {
	struct gateway_key key;
	UT_hash_handle hh;
	size_t position; /* in nexthops.gateways */
	uint16_t state;	 /* NUD_…, 0: the kernel has no entry */
	bool known;	 /* mac is the last one that was good, until the kernel says that nobody answers */
	bool silent;	 /* it was logged that nobody answers */
	uint8_t mac[6];
	uint32_t first; /* backend id, NOBODY: none */
	size_t n_backends;
};

struct watch {			 /* by backend id */
	struct addr addr;	 /* ADDR_NONE: not watched */
	struct gateway *gateway; /* NULL: no route */
	uint32_t previous, next;
};

struct leaf { /* the kernel's answer for one prefix of routes */
	bool asked;
	int error;
	struct hop_info hop;
};

struct nexthops {
	struct netlink *netlink;
	sd_event *event;
	sd_event_source *tick, *settle;
	next_hop_fn *fn;
	void *userdata;
	struct gateway *by_key, **gateways;
	size_t n_gateways, gateways_capacity, cursor;
	struct watch *watches;
	size_t n_watches, watches_capacity;
	struct prefix_set prefixes; /* of routes and rules */
	struct leaf *leaves;	    /* beside prefixes.items */
	struct routes routes;
	bool routes_known;
	bool asked_in_vain;   /* since the routes were read: they are read again with the next tick */
	uint64_t reload_usec; /* what the last reload took */
	unsigned log_lines;   /* in this tick */
};

static bool resolved(const struct gateway *gateway)
{
	return gateway && gateway->known;
}

static void tell(struct nexthops *nexthops, uint32_t id)
{
	const struct gateway *gateway = nexthops->watches[id].gateway;

	nexthops->fn(nexthops->userdata, id, gateway ? gateway->key.ifindex : 0,
		     resolved(gateway) ? gateway->mac : NULL);
}

static void tell_all(struct nexthops *nexthops, const struct gateway *gateway)
{
	for (uint32_t id = gateway->first; id != NOBODY; id = nexthops->watches[id].next)
		tell(nexthops, id);
}

/* --- gateways --------------------------------------------------------------------------------- */

static struct gateway *gateway_find(struct nexthops *nexthops, uint32_t ifindex, const struct addr *addr)
{
	struct gateway_key key;
	struct gateway *gateway;

	memset(&key, 0, sizeof(key));
	key.ifindex = ifindex;
	key.addr = *addr;
	HASH_FIND(hh, nexthops->by_key, &key, sizeof(key), gateway);
	return gateway;
}

/* Its MAC may be written into frames. */
static bool neighbour_is_usable(const struct neighbour_info *neighbour)
{
	static const uint8_t none[6];

	return neighbour->has_mac && memcmp(neighbour->mac, none, sizeof(none)) != 0 &&
	       (neighbour->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)) != 0;
}

/* True if what its backends are told changed. An entry that is gone or being resolved proves nothing against
 * the MAC that was good until now (garbage collection, a flush by hand); one that failed does. */
static bool gateway_update(struct gateway *gateway, const struct neighbour_info *neighbour)
{
	bool changed = false;

	gateway->state = neighbour->state;
	if (neighbour_is_usable(neighbour)) {
		changed = !gateway->known || memcmp(gateway->mac, neighbour->mac, sizeof(gateway->mac)) != 0;
		gateway->known = true;
		memcpy(gateway->mac, neighbour->mac, sizeof(gateway->mac));
	} else if (neighbour->state == NUD_FAILED) {
		changed = true; /* also when nothing was known: an adopted entry may still hold a MAC */
		gateway->known = false;
	}
	return changed;
}

static void gateway_tell_story(struct nexthops *nexthops, struct gateway *gateway)
{
	bool silent = gateway->state == NUD_FAILED;
	char text[ADDR_TEXT_MAX];

	if (silent == gateway->silent || (!silent && !gateway->known))
		return;
	gateway->silent = silent;
	if (nexthops->log_lines++ >= LINES_PER_TICK)
		return;
	addr_format(&gateway->key.addr, text);
	if (silent)
		log_warn("next hop %s: does not answer; packets for the %zu backends behind it are dropped "
			 "until it does",
			 text, gateway->n_backends);
	else
		log_info("next hop %s: answers again (%zu backends)", text, gateway->n_backends);
}

static bool wants_probe(const struct gateway *gateway)
{
	return !gateway->state || gateway->state & (NUD_FAILED | NUD_STALE);
}

static void gateway_probe(struct nexthops *nexthops, struct gateway *gateway)
{
	/* A failure (the link is down, the table is full) is retried with the next tick and shows in the
	 * summary. */
	netlink_neighbour_use(nexthops->netlink, gateway->key.ifindex, &gateway->key.addr);
}

static struct gateway *gateway_new(struct nexthops *nexthops, uint32_t ifindex, const struct addr *addr)
{
	struct neighbour_info neighbour = { 0 };
	struct gateway *gateway;

	if (array_reserve(nexthops->gateways, nexthops->n_gateways, nexthops->gateways_capacity) < 0)
		return NULL;
	gateway = calloc(1, sizeof(*gateway));
	if (!gateway)
		return NULL;
	gateway->key.ifindex = ifindex;
	gateway->key.addr = *addr;
	gateway->first = NOBODY;
	gateway->position = nexthops->n_gateways;
	nexthops->gateways[nexthops->n_gateways++] = gateway;
	HASH_ADD(hh, nexthops->by_key, key, sizeof(gateway->key), gateway);
	netlink_neighbour_get(nexthops->netlink, ifindex, addr, &neighbour);
	gateway_update(gateway, &neighbour);
	if (wants_probe(gateway))
		gateway_probe(nexthops, gateway);
	return gateway;
}

static void gateway_free(struct nexthops *nexthops, struct gateway *gateway)
{
	struct gateway *last = nexthops->gateways[--nexthops->n_gateways];

	nexthops->gateways[gateway->position] = last;
	last->position = gateway->position;
	HASH_DEL(nexthops->by_key, gateway);
	free(gateway);
}

static void unlink_watch(struct nexthops *nexthops, uint32_t id)
{
	struct watch *watch = &nexthops->watches[id];
	struct gateway *gateway = watch->gateway;

	if (!gateway)
		return;
	if (watch->previous == NOBODY)
		gateway->first = watch->next;
	else
		nexthops->watches[watch->previous].next = watch->next;
	if (watch->next != NOBODY)
		nexthops->watches[watch->next].previous = watch->previous;
	watch->gateway = NULL;
	if (--gateway->n_backends == 0)
		gateway_free(nexthops, gateway);
}

static void link_watch(struct nexthops *nexthops, uint32_t id, struct gateway *gateway)
{
	struct watch *watch = &nexthops->watches[id];

	watch->gateway = gateway;
	watch->previous = NOBODY;
	watch->next = gateway->first;
	if (gateway->first != NOBODY)
		nexthops->watches[gateway->first].previous = id;
	gateway->first = id;
	gateway->n_backends++;
}

/* --- routes ----------------------------------------------------------------------------------- */

struct prefix_collection {
	struct prefix_set set;
	int error;
};

static void collect_route(void *userdata, const struct route_info *route)
{
	struct prefix_collection *collection = userdata;

	if (collection->error == 0)
		collection->error = prefix_set_add(&collection->set, &route->destination);
}

static void collect_rule(void *userdata, const struct rule_info *rule)
{
	struct prefix_collection *collection = userdata;

	if (collection->error == 0 && rule->destination.addr.family)
		collection->error = prefix_set_add(&collection->set, &rule->destination);
}

static int collect_family(struct nexthops *nexthops, enum addr_family family,
			  struct prefix_collection *collection)
{
	int r = netlink_each_rule(nexthops->netlink, family, collect_rule, collection);

	/* A kernel without rules, or without this family: then it says so again. */
	if (r == 0 || r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
		r = netlink_each_route(nexthops->netlink, family, collect_route, collection);
	return r;
}

static int prefixes_read(struct nexthops *nexthops)
{
	struct prefix_collection collection = { 0 };
	struct leaf *leaves;
	int r;

	r = collect_family(nexthops, ADDR_IPV4, &collection);
	if (r == 0)
		r = collect_family(nexthops, ADDR_IPV6, &collection);
	/* No IPv6 in this kernel: the v4 half is the whole truth. */
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
		r = 0;
	if (r == 0)
		r = collection.error;
	leaves = r == 0 ? calloc(collection.set.n + 1, sizeof(*leaves)) : NULL;
	if (!leaves) {
		prefix_set_done(&collection.set);
		return r < 0 ? r : -ENOMEM;
	}
	prefix_set_finish(&collection.set);
	prefix_set_done(&nexthops->prefixes);
	free(nexthops->leaves);
	routes_forget(&nexthops->routes);
	nexthops->asked_in_vain = false;
	nexthops->prefixes = collection.set;
	nexthops->leaves = leaves;
	nexthops->routes_known = true;
	return 0;
}

static void leaf_ask(struct nexthops *nexthops, struct leaf *leaf, const struct addr *addr)
{
	leaf->asked = true;
	leaf->error = routes_ask(&nexthops->routes, addr, &leaf->hop);
	nexthops->asked_in_vain |= !reading_is_word(leaf->error);
}

/* *ret NULL: it leads to no other node. 0, or -errno if the kernel could not be asked. */
static int hop_of(struct nexthops *nexthops, const struct addr *addr, const struct hop_info **ret)
{
	ptrdiff_t index = prefix_set_longest(&nexthops->prefixes, addr);
	struct leaf *leaf;

	*ret = NULL;
	if (index < 0)
		return 0;
	leaf = &nexthops->leaves[index];
	if (!leaf->asked)
		leaf_ask(nexthops, leaf, addr);
	/* Only a plain route leads to another node; a local address is ours, a blackhole nobody's. */
	if (leaf->error == 0 && leaf->hop.type == RTN_UNICAST && leaf->hop.ifindex)
		*ret = &leaf->hop;
	return reading_is_word(leaf->error) ? 0 : leaf->error;
}

/* Puts the backend behind the gateway that the kernel's routes name now; it stays where it is while the
 * kernel cannot be asked, which is done again with the next tick. */
static int resolve(struct nexthops *nexthops, uint32_t id)
{
	struct watch *watch = &nexthops->watches[id];
	const struct hop_info *hop;
	int r = hop_of(nexthops, &watch->addr, &hop);
	const struct addr *addr = hop && hop->gateway.family ? &hop->gateway : &watch->addr;
	struct gateway *gateway = NULL;

	if (r < 0)
		return 0;
	if (hop) {
		gateway = gateway_find(nexthops, hop->ifindex, addr);
		if (!gateway)
			gateway = gateway_new(nexthops, hop->ifindex, addr);
		if (!gateway)
			return -ENOMEM;
	}
	if (gateway == watch->gateway)
		return 0;
	unlink_watch(nexthops, id);
	if (gateway)
		link_watch(nexthops, id, gateway);
	tell(nexthops, id);
	return 0;
}

int nexthops_reload(struct nexthops *nexthops, bool neighbours_too)
{
	int r = prefixes_read(nexthops), failed = 0;

	if (r < 0)
		return r;
	for (uint32_t id = 0; id < nexthops->n_watches; id++)
		if (nexthops->watches[id].addr.family && resolve(nexthops, id) < 0)
			failed = -ENOMEM;
	for (size_t i = 0; neighbours_too && i < nexthops->n_gateways; i++) {
		struct gateway *gateway = nexthops->gateways[i];
		struct neighbour_info now = { 0 };

		netlink_neighbour_get(nexthops->netlink, gateway->key.ifindex, &gateway->key.addr, &now);
		if (gateway_update(gateway, &now))
			tell_all(nexthops, gateway);
	}
	return failed;
}

/* --- what backends there are ------------------------------------------------------------------ */

static int watches_grow(struct nexthops *nexthops, uint32_t id)
{
	int r = array_grow(&nexthops->watches, (size_t)id + 1, &nexthops->watches_capacity,
			   sizeof(*nexthops->watches));

	if (r < 0)
		return r;
	while (nexthops->n_watches <= id)
		nexthops->watches[nexthops->n_watches++] =
			(struct watch){ .previous = NOBODY, .next = NOBODY };
	return 0;
}

int nexthops_watch(struct nexthops *nexthops, uint32_t backend_id, const struct addr *addr)
{
	struct watch *watch;
	int r = 0;

	if (!nexthops->routes_known)
		r = prefixes_read(nexthops);
	if (r == 0)
		r = watches_grow(nexthops, backend_id);
	if (r < 0)
		return r;
	watch = &nexthops->watches[backend_id];
	if (!addr_equal(&watch->addr, addr)) {
		unlink_watch(nexthops, backend_id);
		watch->addr = *addr;
	}
	r = resolve(nexthops, backend_id);
	tell(nexthops, backend_id); /* also when nothing changed: the caller has a fresh entry */
	return r;
}

void nexthops_forget(struct nexthops *nexthops, uint32_t backend_id)
{
	if (backend_id >= nexthops->n_watches)
		return;
	unlink_watch(nexthops, backend_id);
	nexthops->watches[backend_id].addr.family = ADDR_NONE;
}

/* --- events and time -------------------------------------------------------------------------- */

static int on_settled(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct nexthops *nexthops = userdata;
	uint64_t begin = monotonic_usec();
	int r = nexthops_reload(nexthops, false);

	nexthops->reload_usec = monotonic_usec() - begin;
	if (r < 0) {
		log_warn("next hops: routes cannot be read (%s), keeping the old ones, retry in 1 s",
			 strerror(-r));
		nexthops->routes_known = false;
	}
	return 0;
}

void nexthops_routes_changed(struct nexthops *nexthops)
{
	uint64_t delay = nexthops->reload_usec * ROUTES_REST_FACTOR;

	/* Under way already: a stream of events must not put it off for ever. */
	if (!nexthops->settle || sd_event_source_get_enabled(nexthops->settle, NULL) > 0)
		return;
	if (delay < ROUTES_SETTLE_USEC)
		delay = ROUTES_SETTLE_USEC;
	sd_event_source_set_time_relative(nexthops->settle, delay);
	sd_event_source_set_enabled(nexthops->settle, SD_EVENT_ONESHOT);
}

void nexthops_neighbour_changed(struct nexthops *nexthops, const struct neighbour_info *neighbour, bool gone)
{
	const struct neighbour_info none = { 0 };
	struct gateway *gateway = gateway_find(nexthops, neighbour->ifindex, &neighbour->addr);

	if (!gateway)
		return;
	if (gateway_update(gateway, gone ? &none : neighbour))
		tell_all(nexthops, gateway);
	gateway_tell_story(nexthops, gateway);
	if (gone)
		gateway_probe(nexthops, gateway);
}

void nexthops_wanted(struct nexthops *nexthops, uint32_t backend_id)
{
	struct watch *watch = backend_id < nexthops->n_watches ? &nexthops->watches[backend_id] : NULL;

	if (!watch || !watch->addr.family)
		return;
	tell(nexthops, backend_id); /* also answers the mark that the program set */
	if (watch->gateway && wants_probe(watch->gateway))
		gateway_probe(nexthops, watch->gateway);
}

void nexthops_tick(struct nexthops *nexthops)
{
	size_t probes = 0;

	nexthops->log_lines = 0;
	if (!nexthops->routes_known && nexthops->n_watches)
		nexthops_reload(nexthops, true);
	else if (nexthops->asked_in_vain)
		nexthops_routes_changed(nexthops);
	for (size_t i = 0; i < nexthops->n_gateways && probes < PROBES_PER_TICK; i++) {
		struct gateway *gateway;

		if (++nexthops->cursor >= nexthops->n_gateways)
			nexthops->cursor = 0;
		gateway = nexthops->gateways[nexthops->cursor];
		if (!wants_probe(gateway))
			continue;
		gateway_probe(nexthops, gateway);
		probes++;
	}
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
	nexthops_tick(userdata);
	return sd_event_source_set_time_relative(source, TICK_USEC);
}

static int timer_new(sd_event *event, sd_event_time_handler_t handler, void *userdata, int enabled,
		     sd_event_source **ret)
{
	int r = sd_event_add_time_relative(event, ret, CLOCK_MONOTONIC, TICK_USEC, TIMER_ACCURACY_USEC,
					   handler, userdata);

	return r < 0 ? r : sd_event_source_set_enabled(*ret, enabled);
}

int nexthops_new(struct sd_event *event, struct netlink *netlink, next_hop_fn *fn, void *userdata,
		 struct nexthops **ret)
{
	struct nexthops *nexthops = calloc(1, sizeof(*nexthops));
	int r = 0;

	if (!nexthops)
		return -ENOMEM;
	nexthops->netlink = nexthops->routes.netlink = netlink;
	nexthops->fn = fn;
	nexthops->userdata = userdata;
	if (event)
		r = timer_new(event, on_tick, nexthops, SD_EVENT_ON, &nexthops->tick);
	if (event && r >= 0)
		r = timer_new(event, on_settled, nexthops, SD_EVENT_OFF, &nexthops->settle);
	if (r < 0) {
		nexthops_free(nexthops);
		return r;
	}
	*ret = nexthops;
	return 0;
}

void nexthops_free(struct nexthops *nexthops)
{
	if (!nexthops)
		return;
	sd_event_source_disable_unref(nexthops->tick);
	sd_event_source_disable_unref(nexthops->settle);
	while (nexthops->n_gateways)
		gateway_free(nexthops, nexthops->gateways[nexthops->n_gateways - 1]);
	prefix_set_done(&nexthops->prefixes);
	free(nexthops->leaves);
	routes_forget(&nexthops->routes);
	free(nexthops->gateways);
	free(nexthops->watches);
	free(nexthops);
}

void nexthops_summary(const struct nexthops *nexthops, struct next_hop_summary *ret)
{
	struct next_hop_summary summary = { .gateways = nexthops->n_gateways };

	for (size_t i = 0; i < nexthops->n_gateways; i++)
		summary.unresolved_gateways += !resolved(nexthops->gateways[i]);
	for (size_t id = 0; id < nexthops->n_watches; id++) {
		const struct watch *watch = &nexthops->watches[id];

		if (!watch->addr.family)
			continue;
		summary.backends++;
		if (resolved(watch->gateway))
			continue;
		summary.unresolved_backends++;
		if (summary.example.family && summary.no_route)
			continue;
		summary.no_route = !watch->gateway;
		summary.example = watch->gateway ? watch->gateway->key.addr : watch->addr;
	}
	*ret = summary;
}
