/* SPDX-License-Identifier: Apache-2.0 */
/* What the data path asks the kernel's routing tables, and is told by them (EDGE, libnl): links, routes,
 * neighbours. Two sockets: one for questions with an immediate answer, one for events on the loop. Everything
 * happens in the network namespace in which netlink_open() was called. */
#ifndef FAIRWAY_DATAPATH_NETLINK_H
#define FAIRWAY_DATAPATH_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"

struct sd_event;
struct netlink;

struct link_info {
	uint32_t ifindex;
	char name[16];
	uint16_t type;	/* ARPHRD_… */
	uint32_t flags; /* IFF_… */
	uint32_t mtu;
	uint8_t mac[6]; /* zeros if it has none of six bytes */
	char kind[16];	/* "veth", "bond", …; "" for a physical one */
};

struct hop_info {     /* where packets for a destination go */
	uint8_t type; /* RTN_… */
	uint32_t ifindex;
	struct addr gateway; /* may be of the other family (RFC 8950); ADDR_NONE: the destination is on the
				link */
};

struct route_info {
	struct prefix destination;
	uint32_t table;	     /* RT_TABLE_… */
	uint8_t type;	     /* RTN_… */
	uint32_t ifindex[8]; /* of its next hops; the first 8 of a wider multipath route */
	unsigned n_ifindex;
	struct hop_info hop; /* the first that is alive, best with a carrier; ifindex 0: none is */
	unsigned hop_flags;  /* RTNH_F_… of that */
	uint32_t metric;
	uint32_t nexthop_id;   /* of the nexthop object, which other routes may share; 0: none */
	uint8_t source_length; /* of the prefix of sources that it is for; 0: all */
};

struct rule_info { /* of `ip rule` */
	uint32_t priority;
	uint8_t action;	 /* FR_ACT_… */
	uint32_t table;	 /* of FR_ACT_TO_TBL */
	uint32_t target; /* of FR_ACT_GOTO, a priority */
	bool ours;	 /* holds for a packet of this node without source, mark, port … to `destination` */
	struct prefix destination; /* family ADDR_NONE: all */
	bool inverted;		   /* applies where that does not hold */
	int suppressed_length;	   /* routes with prefixes up to this length do not count; -1: all count */
};

struct neighbour_info {
	uint32_t ifindex;
	struct addr addr;
	uint16_t state; /* NUD_… */
	bool has_mac;
	uint8_t mac[6];
};

struct netlink_handlers { /* each may be NULL */
	void *userdata;
	void (*link)(void *userdata, const struct link_info *, bool gone);
	void (*route)(void *userdata); /* or a rule, or a nexthop object */
	void (*neighbour)(void *userdata, const struct neighbour_info *, bool gone);
	void (*lost)(void *userdata); /* events were lost: read everything anew */
};

/* `event` NULL: questions only. */
int netlink_open(struct sd_event *event, const struct netlink_handlers *, struct netlink **ret);
void netlink_close(struct netlink *);

/* The callbacks run before the call returns and must not ask anything. Dumps: 0 or -errno. */
int netlink_each_link(struct netlink *, void (*fn)(void *userdata, const struct link_info *), void *userdata);
int netlink_each_route(struct netlink *, enum addr_family,
		       void (*fn)(void *userdata, const struct route_info *), void *userdata);
/* With net.ipv4.nexthop_compat_mode 0 the kernel dumps a route by a nexthop object without next hops: this
 * asks for those of the object, as the dump has them otherwise: hops.h. -ENETUNREACH: it is gone, or has
 * none. */
int netlink_route_complete(struct netlink *, struct route_info *);
int netlink_each_rule(struct netlink *, enum addr_family,
		      void (*fn)(void *userdata, const struct rule_info *), void *userdata);
/* Where a packet to this destination would go, as the kernel says; routes_ask() knows when not to believe it.
 */
int netlink_route_get(struct netlink *, const struct addr *destination, struct hop_info *ret);
/* -ENOENT: the kernel knows no such neighbour. */
int netlink_neighbour_get(struct netlink *, uint32_t ifindex, const struct addr *,
			  struct neighbour_info *ret);
/* As if a packet were sent there: a missing neighbour is resolved, a stale one probed. */
int netlink_neighbour_use(struct netlink *, uint32_t ifindex, const struct addr *);

/* NETDEV_XDP_ACT_… of the device. -EOPNOTSUPP: the kernel does not tell (before 6.3). */
#define NETLINK_XDP_NDO_XMIT 4
int netlink_xdp_features(struct netlink *, uint32_t ifindex, uint64_t *ret);

/* How many filters are on the link's clsact qdisc, both directions; or -errno. */
int netlink_count_filters(struct netlink *, uint32_t ifindex);

#endif
