/* SPDX-License-Identifier: Apache-2.0 */
/* What one message of the kernel's routing tables says (libnl reads its attributes; nothing is asked). All of
 * them: false, and *ret as it was, if it cannot be read or is about something else than what netlink.h names.
 * The message's type was looked at before. */
#ifndef FAIRWAY_DATAPATH_MESSAGES_H
#define FAIRWAY_DATAPATH_MESSAGES_H

#include "userspace/datapath/hops.h"
#include "userspace/datapath/netlink.h"

struct nlmsghdr;

bool link_parse(struct nlmsghdr *, struct link_info *ret);
/* Of a dump; no route by a nexthop object has its hops if the kernel leaves them out. */
bool route_parse(struct nlmsghdr *, struct route_info *ret);
bool route_hop_parse(struct nlmsghdr *, struct hop_info *ret); /* of an answer about one destination */
bool rule_parse(struct nlmsghdr *, struct rule_info *ret);
bool nexthop_object_parse(struct nlmsghdr *, struct nexthop_object *ret);
bool neighbour_parse(struct nlmsghdr *, struct neighbour_info *ret);

#endif
