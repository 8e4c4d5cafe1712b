// SPDX-License-Identifier: Apache-2.0
/* Attributes of rtnetlink, read by libnl: see messages.h. */
#include "userspace/datapath/messages.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/cleanup.h"

static bool addr_from_kernel(uint8_t family, const void *bytes, size_t length, struct addr *ret)
{
	struct addr addr = { .family = family == AF_INET6  ? ADDR_IPV6
				       : family == AF_INET ? ADDR_IPV4
							   : ADDR_NONE };

	if (!addr.family || length != addr_bits(&addr) / 8)
		return false;
	memcpy(addr.bytes, bytes, length);
	*ret = addr;
	return true;
}

static bool addr_from_attr(uint8_t family, const struct nlattr *attr, struct addr *ret)
{
	return attr && addr_from_kernel(family, nla_data(attr), nla_len(attr), ret);
}

static uint32_t attr_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr ? nla_get_u32(attr) : otherwise;
}

bool link_parse(struct nlmsghdr *header, struct link_info *ret)
{
	struct nlattr *attrs[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	const struct ifinfomsg *message = nlmsg_data(header);
	struct link_info link = { 0 };

	if (nlmsg_parse(header, sizeof(*message), attrs, IFLA_MAX, NULL) < 0 ||
	    message->ifi_family != AF_UNSPEC)
		return false;
	link.ifindex = message->ifi_index;
	link.type = message->ifi_type;
	link.flags = message->ifi_flags;
	if (attrs[IFLA_IFNAME])
		nla_strlcpy(link.name, attrs[IFLA_IFNAME], sizeof(link.name));
	if (attrs[IFLA_MTU])
		link.mtu = nla_get_u32(attrs[IFLA_MTU]);
	if (attrs[IFLA_ADDRESS] && nla_len(attrs[IFLA_ADDRESS]) == sizeof(link.mac))
		memcpy(link.mac, nla_data(attrs[IFLA_ADDRESS]), sizeof(link.mac));
	if (attrs[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, attrs[IFLA_LINKINFO], NULL) == 0 &&
	    info[IFLA_INFO_KIND])
		nla_strlcpy(link.kind, info[IFLA_INFO_KIND], sizeof(link.kind));
	*ret = link;
	return true;
}

static bool hop_read(int family, struct nlattr *attrs[static RTA_MAX + 1], struct hop_info *hop)
{
	if (attrs[RTA_OIF])
		hop->ifindex = nla_get_u32(attrs[RTA_OIF]);
	if (attrs[RTA_GATEWAY] && !addr_from_attr(family, attrs[RTA_GATEWAY], &hop->gateway))
		return false;
	if (attrs[RTA_VIA]) {
		const struct rtvia *via = nla_data(attrs[RTA_VIA]);
		size_t length = nla_len(attrs[RTA_VIA]);

		if (length < sizeof(*via) || !addr_from_kernel(via->rtvia_family, via->rtvia_addr,
							       length - sizeof(*via), &hop->gateway))
			return false;
	}
	return true;
}

/* What of it cannot be read leads nowhere. */
static void parse_one_of_many(int family, const struct rtnexthop *one, struct route_info *route)
{
	struct nlattr *attrs[RTA_MAX + 1];
	struct hop_info hop = { .type = route->type, .ifindex = one->rtnh_ifindex };
	bool read = nla_parse(attrs, RTA_MAX, (struct nlattr *)RTNH_DATA(one),
			      one->rtnh_len - (int)RTNH_LENGTH(0), NULL) >= 0 &&
		    hop_read(family, attrs, &hop);

	route_add_hop(route, &hop, read ? one->rtnh_flags : RTNH_F_DEAD);
}

static void parse_multipath(int family, struct nlattr *attr, struct route_info *route)
{
	const struct rtnexthop *hop = nla_data(attr);
	int left = nla_len(attr);

	while (RTNH_OK(hop, left)) {
		parse_one_of_many(family, hop, route);
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

bool route_parse(struct nlmsghdr *header, struct route_info *ret)
{
	struct nlattr *attrs[RTA_MAX + 1];
	const struct rtmsg *message = nlmsg_data(header);
	struct route_info route = { 0 };
	struct hop_info hop = { 0 };
	bool read;

	if (nlmsg_parse(header, sizeof(*message), attrs, RTA_MAX, NULL) < 0 ||
	    message->rtm_flags & RTM_F_CLONED)
		return false;
	if (message->rtm_family != AF_INET && message->rtm_family != AF_INET6)
		return false;
	route.destination.addr.family = message->rtm_family == AF_INET6 ? ADDR_IPV6 : ADDR_IPV4;
	route.destination.length = message->rtm_dst_len;
	if (attrs[RTA_DST] && !addr_from_attr(message->rtm_family, attrs[RTA_DST], &route.destination.addr))
		return false;
	route.table = attr_u32(attrs[RTA_TABLE], message->rtm_table);
	route.type = route.hop.type = hop.type = message->rtm_type;
	read = hop_read(message->rtm_family, attrs, &hop);
	route_add_hop(&route, &hop, read ? message->rtm_flags : RTNH_F_DEAD);
	if (attrs[RTA_MULTIPATH])
		parse_multipath(message->rtm_family, attrs[RTA_MULTIPATH], &route);
	route.metric = attr_u32(attrs[RTA_PRIORITY], 0);
	route.nexthop_id = attr_u32(attrs[RTA_NH_ID], 0);
	route.source_length = message->rtm_src_len;
	*ret = route;
	return true;
}

/* A selector that is not known here does not hold: it asks for something that our question does not have. */
static bool rule_is_ours(struct nlmsghdr *header, struct nlattr *attrs[static FRA_MAX + 1])
{
	const struct fib_rule_hdr *message = nlmsg_data(header);
	uint32_t mark = attr_u32(attrs[FRA_FWMARK], 0), mask = attr_u32(attrs[FRA_FWMASK], UINT32_MAX);
	struct nlattr *attr;
	int left;

	nlmsg_for_each_attr(attr, header, sizeof(*message), left)
	{
		switch (nla_type(attr)) {
		case FRA_DST:
		case FRA_PRIORITY:
		case FRA_FWMARK:
		case FRA_FWMASK:
		case FRA_TABLE:
		case FRA_GOTO:
		case FRA_FLOW:
		case FRA_PROTOCOL:
		case FRA_SUPPRESS_IFGROUP:
		case FRA_SUPPRESS_PREFIXLEN:
		case FRA_PAD:
			break;
		case FRA_IIFNAME: /* what this node sends comes in by lo */
			if (nla_strcmp(attr, "lo") != 0)
				return false;
			break;
		default:
			return false;
		}
	}
	return !message->tos && !(mark & mask);
}

bool rule_parse(struct nlmsghdr *header, struct rule_info *ret)
{
	struct nlattr *attrs[FRA_MAX + 1];
	const struct fib_rule_hdr *message = nlmsg_data(header);
	struct rule_info rule = { 0 };

	if (nlmsg_parse(header, sizeof(*message), attrs, FRA_MAX, NULL) < 0)
		return false;
	if (attrs[FRA_DST] && !addr_from_attr(message->family, attrs[FRA_DST], &rule.destination.addr))
		return false;
	rule.destination.length = message->dst_len;
	rule.priority = attr_u32(attrs[FRA_PRIORITY], 0);
	rule.action = message->flags & FIB_RULE_UNRESOLVED ? FR_ACT_NOP : message->action; /* goto nowhere */
	rule.table = attr_u32(attrs[FRA_TABLE], message->table);
	rule.target = attr_u32(attrs[FRA_GOTO], 0);
	rule.ours = rule_is_ours(header, attrs);
	rule.inverted = message->flags & FIB_RULE_INVERT;
	rule.suppressed_length = (int)attr_u32(attrs[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX);
	*ret = rule;
	return true;
}

bool route_hop_parse(struct nlmsghdr *header, struct hop_info *ret)
{
	struct nlattr *attrs[RTA_MAX + 1];
	const struct rtmsg *message = nlmsg_data(header);
	struct hop_info hop = { 0 };

	if (nlmsg_parse(header, sizeof(*message), attrs, RTA_MAX, NULL) < 0)
		return false;
	hop.type = message->rtm_type;
	if (!hop_read(message->rtm_family, attrs, &hop))
		return false;
	*ret = hop;
	return true;
}

bool nexthop_object_parse(struct nlmsghdr *header, struct nexthop_object *ret)
{
	struct nlattr *attrs[NHA_MAX + 1];
	const struct nhmsg *message = nlmsg_data(header);
	struct nexthop_object object = { .hop.type = RTN_UNICAST, .flags = message->nh_flags };

	if (nlmsg_parse(header, sizeof(*message), attrs, NHA_MAX, NULL) < 0)
		return false;
	if (attrs[NHA_GATEWAY] &&
	    !addr_from_attr(message->nh_family, attrs[NHA_GATEWAY], &object.hop.gateway))
		return false;
	object.hop.ifindex = attr_u32(attrs[NHA_OIF], 0);
	if (attrs[NHA_BLACKHOLE])
		object.hop.type = RTN_BLACKHOLE;
	if (attrs[NHA_GROUP]) {
		const struct nexthop_grp *group = nla_data(attrs[NHA_GROUP]);
		size_t n = (size_t)nla_len(attrs[NHA_GROUP]) / sizeof(*group);

		for (size_t i = 0; i < n && object.n_members < ARRAY_SIZE(object.members); i++)
			object.members[object.n_members++] = group[i].id;
	}
	*ret = object;
	return true;
}

bool neighbour_parse(struct nlmsghdr *header, struct neighbour_info *ret)
{
	struct nlattr *attrs[NDA_MAX + 1];
	const struct ndmsg *message = nlmsg_data(header);
	struct neighbour_info neighbour = { 0 };

	if (nlmsg_parse(header, sizeof(*message), attrs, NDA_MAX, NULL) < 0 || message->ndm_flags & NTF_PROXY)
		return false;
	if (!addr_from_attr(message->ndm_family, attrs[NDA_DST], &neighbour.addr))
		return false; /* a bridge's forwarding entry, or another family */
	neighbour.ifindex = message->ndm_ifindex;
	neighbour.state = message->ndm_state;
	if (attrs[NDA_LLADDR] && nla_len(attrs[NDA_LLADDR]) == sizeof(neighbour.mac)) {
		memcpy(neighbour.mac, nla_data(attrs[NDA_LLADDR]), sizeof(neighbour.mac));
		neighbour.has_mac = true;
	}
	*ret = neighbour;
	return true;
}
