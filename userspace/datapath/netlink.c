// SPDX-License-Identifier: Apache-2.0
/* Questions to rtnetlink and its events, with libnl for sockets and attributes. */
#include "userspace/datapath/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/datapath/hops.h"

#define EVENT_BUFFER_BYTES (4 << 20) /* some 10,000 neighbour events between two turns of the loop */
#define DUMP_ATTEMPTS	   3	     /* a dump that a change interrupted is asked again */

/* <linux/netdev.h>, which headers before 6.3 do not have. */
#define NETDEV_GENL_FAMILY	 "netdev"
#define NETDEV_GENL_DEV_GET	 1
#define NETDEV_ATTR_IFINDEX	 1
#define NETDEV_ATTR_XDP_FEATURES 3

struct netlink {
	struct nl_sock *ask, *events;
	struct nl_sock *generic; /* opened when first needed */
	uint16_t netdev_family;	 /* 0: not asked for yet */
	sd_event_source *source;
	struct netlink_handlers handlers;
};

DEFINE_CLEANUP(struct nl_msg *, nlmsg_free);

/* libnl's codes, as far as sockets yield them. */
static int nl_to_errno(int error)
{
	switch (-error) {
	case 0:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_DUMP_INTR:
		return -EINTR;
	case NLE_PERM:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	default:
		return -EIO;
	}
}

static uint8_t family_to_kernel(uint8_t family)
{
	return family == ADDR_IPV6 ? AF_INET6 : AF_INET;
}

static unsigned addr_length(uint8_t family)
{
	return family == ADDR_IPV6 ? 16 : 4;
}

static bool addr_from_kernel(uint8_t family, const void *bytes, size_t length, struct addr *ret)
{
	struct addr addr = { .family = family == AF_INET6  ? ADDR_IPV6
				       : family == AF_INET ? ADDR_IPV4
							   : ADDR_NONE };

	if (!addr.family || length != addr_length(addr.family))
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

/* --- messages -> plain structs ---------------------------------------------------------------- */

static bool parse_link(struct nlmsghdr *header, struct link_info *ret)
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

static bool hop_parse(int family, struct nlattr *attrs[static RTA_MAX + 1], struct hop_info *hop)
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
		    hop_parse(family, attrs, &hop);

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

static bool parse_route(struct nlmsghdr *header, struct route_info *ret)
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
	read = hop_parse(message->rtm_family, attrs, &hop);
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

static bool parse_rule(struct nlmsghdr *header, struct rule_info *ret)
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

static bool parse_hop(struct nlmsghdr *header, struct hop_info *ret)
{
	struct nlattr *attrs[RTA_MAX + 1];
	const struct rtmsg *message = nlmsg_data(header);
	struct hop_info hop = { 0 };

	if (nlmsg_parse(header, sizeof(*message), attrs, RTA_MAX, NULL) < 0)
		return false;
	hop.type = message->rtm_type;
	if (!hop_parse(message->rtm_family, attrs, &hop))
		return false;
	*ret = hop;
	return true;
}

static bool parse_nexthop_object(struct nlmsghdr *header, struct nexthop_object *ret)
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

static bool parse_neighbour(struct nlmsghdr *header, struct neighbour_info *ret)
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

bool neighbour_is_usable(const struct neighbour_info *neighbour)
{
	static const uint8_t none[6];

	return neighbour->has_mac && memcmp(neighbour->mac, none, sizeof(none)) != 0 &&
	       (neighbour->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)) != 0;
}

/* --- questions -------------------------------------------------------------------------------- */

struct answer {
	void (*on_message)(struct answer *, struct nlmsghdr *);
	void *fn, *userdata, *ret;
	bool done, found;
	int error; /* of the kernel's NLMSG_ERROR */
};

static int on_answer(struct nl_msg *message, void *userdata)
{
	struct answer *answer = userdata;

	if (answer->on_message)
		answer->on_message(answer, nlmsg_hdr(message));
	return NL_OK;
}

static int on_end(struct nl_msg *message _unused_, void *userdata)
{
	((struct answer *)userdata)->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from _unused_, struct nlmsgerr *error, void *userdata)
{
	struct answer *answer = userdata;

	answer->done = true;
	answer->error = error->error;
	return NL_STOP;
}

/* Sends one question and reads until its acknowledgement or the end of the dump. */
static int socket_ask(struct nl_sock *socket, struct nl_msg *message, struct answer *answer)
{
	struct nl_cb *callbacks;
	int r;

	callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	if (!callbacks)
		return -ENOMEM;
	nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_answer, answer);
	nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, on_end, answer);
	nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_end, answer);
	nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, answer);
	r = nl_send_auto(socket, message);
	if (r >= 0)
		r = 0;
	while (r >= 0 && !answer->done)
		r = nl_recvmsgs(socket, callbacks);
	nl_cb_put(callbacks);
	if (answer->error)
		return answer->error;
	return r < 0 ? nl_to_errno(r) : 0;
}

static int netlink_ask(struct netlink *netlink, struct nl_msg *message, struct answer *answer)
{
	return socket_ask(netlink->ask, message, answer);
}

static int netlink_dump(struct netlink *netlink, int type, const void *header, size_t size,
			const struct answer *template)
{
	int r = -EINTR;

	for (int attempt = 0; attempt < DUMP_ATTEMPTS && r == -EINTR; attempt++) {
		cleanup(nlmsg_freep) struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_DUMP);
		struct answer answer = *template;

		if (!message || nlmsg_append(message, (void *)header, size, NLMSG_ALIGNTO) < 0)
			return -ENOMEM;
		r = netlink_ask(netlink, message, &answer);
	}
	return r;
}

static void on_link(struct answer *answer, struct nlmsghdr *header)
{
	void (*fn)(void *, const struct link_info *) = answer->fn;
	struct link_info link;

	if (header->nlmsg_type == RTM_NEWLINK && parse_link(header, &link))
		fn(answer->userdata, &link);
}

int netlink_each_link(struct netlink *netlink, void (*fn)(void *userdata, const struct link_info *),
		      void *userdata)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct answer answer = { .on_message = on_link, .fn = fn, .userdata = userdata };

	return netlink_dump(netlink, RTM_GETLINK, &header, sizeof(header), &answer);
}

static void on_route(struct answer *answer, struct nlmsghdr *header)
{
	void (*fn)(void *, const struct route_info *) = answer->fn;
	struct route_info route;

	if (header->nlmsg_type == RTM_NEWROUTE && parse_route(header, &route))
		fn(answer->userdata, &route);
}

int netlink_each_route(struct netlink *netlink, enum addr_family family,
		       void (*fn)(void *userdata, const struct route_info *), void *userdata)
{
	struct rtmsg header = { .rtm_family = family_to_kernel(family) };
	struct answer answer = { .on_message = on_route, .fn = fn, .userdata = userdata };

	return netlink_dump(netlink, RTM_GETROUTE, &header, sizeof(header), &answer);
}

static void on_rule(struct answer *answer, struct nlmsghdr *header)
{
	void (*fn)(void *, const struct rule_info *) = answer->fn;
	struct rule_info rule;

	if (header->nlmsg_type == RTM_NEWRULE && parse_rule(header, &rule))
		fn(answer->userdata, &rule);
}

int netlink_each_rule(struct netlink *netlink, enum addr_family family,
		      void (*fn)(void *userdata, const struct rule_info *), void *userdata)
{
	struct fib_rule_hdr header = { .family = family_to_kernel(family) };
	struct answer answer = { .on_message = on_rule, .fn = fn, .userdata = userdata };

	return netlink_dump(netlink, RTM_GETRULE, &header, sizeof(header), &answer);
}

static void on_hop(struct answer *answer, struct nlmsghdr *header)
{
	if (header->nlmsg_type == RTM_NEWROUTE)
		answer->found = parse_hop(header, answer->ret);
}

int netlink_route_get(struct netlink *netlink, const struct addr *destination, struct hop_info *ret)
{
	cleanup(nlmsg_freep) struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	struct rtmsg header = { .rtm_family = family_to_kernel(destination->family),
				.rtm_dst_len = addr_bits(destination) };
	struct hop_info hop;
	struct answer answer = { .on_message = on_hop, .ret = &hop };
	int r;

	if (!message || nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, RTA_DST, addr_length(destination->family), destination->bytes) < 0)
		return -ENOMEM;
	r = netlink_ask(netlink, message, &answer);
	if (r < 0)
		return r;
	if (!answer.found)
		return -ENETUNREACH;
	*ret = hop;
	return 0;
}

static void on_nexthop_object(struct answer *answer, struct nlmsghdr *header)
{
	if (header->nlmsg_type == RTM_NEWNEXTHOP)
		answer->found = parse_nexthop_object(header, answer->ret);
}

static int nexthop_object_get(void *userdata, uint32_t id, struct nexthop_object *ret)
{
	cleanup(nlmsg_freep) struct nl_msg *message = nlmsg_alloc_simple(RTM_GETNEXTHOP, 0);
	struct nhmsg header = { .nh_family = AF_UNSPEC };
	struct answer answer = { .on_message = on_nexthop_object, .ret = ret };
	int r;

	if (!message || nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put_u32(message, NHA_ID, id) < 0)
		return -ENOMEM;
	r = netlink_ask(userdata, message, &answer);
	if (r < 0)
		return r == -ENOENT ? -ENETUNREACH : r;
	return answer.found ? 0 : -ENETUNREACH;
}

int netlink_route_complete(struct netlink *netlink, struct route_info *route)
{
	if (!route->nexthop_id || route->n_ifindex || route->type != RTN_UNICAST)
		return 0;
	return route_add_object(route, nexthop_object_get, netlink);
}

static void on_neighbour(struct answer *answer, struct nlmsghdr *header)
{
	if (header->nlmsg_type == RTM_NEWNEIGH)
		answer->found = parse_neighbour(header, answer->ret);
}

static struct nl_msg *neighbour_message(int type, int flags, const struct ndmsg *header,
					const struct addr *addr)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (!message)
		return NULL;
	if (nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO) == 0 &&
	    nla_put(message, NDA_DST, addr_length(addr->family), addr->bytes) == 0)
		return message;
	nlmsg_free(message);
	return NULL;
}

int netlink_neighbour_get(struct netlink *netlink, uint32_t ifindex, const struct addr *addr,
			  struct neighbour_info *ret)
{
	struct ndmsg header = { .ndm_family = family_to_kernel(addr->family), .ndm_ifindex = ifindex };
	cleanup(nlmsg_freep) struct nl_msg *message = neighbour_message(RTM_GETNEIGH, 0, &header, addr);
	struct neighbour_info neighbour;
	struct answer answer = { .on_message = on_neighbour, .ret = &neighbour };
	int r;

	if (!message)
		return -ENOMEM;
	r = netlink_ask(netlink, message, &answer);
	if (r < 0)
		return r;
	if (!answer.found)
		return -ENOENT;
	*ret = neighbour;
	return 0;
}

int netlink_neighbour_use(struct netlink *netlink, uint32_t ifindex, const struct addr *addr)
{
	struct ndmsg header = { .ndm_family = family_to_kernel(addr->family),
				.ndm_ifindex = ifindex,
				.ndm_state = NUD_NONE,
				.ndm_flags = NTF_USE };
	cleanup(nlmsg_freep) struct nl_msg *message =
		neighbour_message(RTM_NEWNEIGH, NLM_F_CREATE, &header, addr);
	struct answer answer = { 0 };

	return message ? netlink_ask(netlink, message, &answer) : -ENOMEM;
}

static void on_filter(struct answer *answer, struct nlmsghdr *header)
{
	const struct tcmsg *message = nlmsg_data(header);

	/* A classifier without a filter in it is listed too, with handle 0. */
	if (header->nlmsg_type == RTM_NEWTFILTER && message->tcm_handle)
		++*(int *)answer->userdata;
}

int netlink_count_filters(struct netlink *netlink, uint32_t ifindex)
{
	static const uint32_t directions[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		struct tcmsg header = { .tcm_ifindex = ifindex,
					.tcm_parent = TC_H_MAKE(TC_H_CLSACT, directions[i]) };
		struct answer answer = { .on_message = on_filter, .userdata = &n };
		int r = netlink_dump(netlink, RTM_GETTFILTER, &header, sizeof(header), &answer);

		if (r < 0)
			return r;
	}
	return n;
}

/* --- what XDP can do with a device ---------------------------------------------------------------- */

static void on_family(struct answer *answer, struct nlmsghdr *header)
{
	struct nlattr *id = nlmsg_find_attr(header, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);

	if (!id)
		return;
	*(uint16_t *)answer->ret = nla_get_u16(id);
	answer->found = true;
}

static void on_features(struct answer *answer, struct nlmsghdr *header)
{
	struct nlattr *features = nlmsg_find_attr(header, GENL_HDRLEN, NETDEV_ATTR_XDP_FEATURES);

	if (!features)
		return;
	*(uint64_t *)answer->ret = nla_get_u64(features);
	answer->found = true;
}

static struct nl_msg *generic_message(uint16_t family, uint8_t command)
{
	struct genlmsghdr header = { .cmd = command, .version = 1 };
	struct nl_msg *message = nlmsg_alloc_simple(family, 0);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static int generic_open(struct netlink *netlink)
{
	cleanup(nlmsg_freep) struct nl_msg *message = generic_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	struct answer answer = { .on_message = on_family, .ret = &netlink->netdev_family };
	int r;

	if (!message || nla_put_string(message, CTRL_ATTR_FAMILY_NAME, NETDEV_GENL_FAMILY) < 0)
		return -ENOMEM;
	if (!netlink->generic) {
		netlink->generic = nl_socket_alloc();
		if (!netlink->generic)
			return -ENOMEM;
		r = nl_to_errno(nl_connect(netlink->generic, NETLINK_GENERIC));
		if (r < 0) {
			nl_socket_free(netlink->generic);
			netlink->generic = NULL;
			return r;
		}
	}
	r = socket_ask(netlink->generic, message, &answer);
	return r == -ENOENT ? -EOPNOTSUPP : r;
}

int netlink_xdp_features(struct netlink *netlink, uint32_t ifindex, uint64_t *ret)
{
	struct answer answer = { .on_message = on_features, .ret = ret };
	int r = netlink->netdev_family ? 0 : generic_open(netlink);

	if (r < 0)
		return r;
	cleanup(nlmsg_freep) struct nl_msg *message =
		generic_message(netlink->netdev_family, NETDEV_GENL_DEV_GET);

	if (!message || nla_put_u32(message, NETDEV_ATTR_IFINDEX, ifindex) < 0)
		return -ENOMEM;
	r = socket_ask(netlink->generic, message, &answer);
	if (r < 0)
		return r;
	return answer.found ? 0 : -EOPNOTSUPP;
}

/* --- events ----------------------------------------------------------------------------------- */

static int on_event(struct nl_msg *message, void *userdata)
{
	struct netlink *netlink = userdata;
	const struct netlink_handlers *handlers = &netlink->handlers;
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct neighbour_info neighbour;
	struct link_info link;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (handlers->link && parse_link(header, &link))
			handlers->link(handlers->userdata, &link, header->nlmsg_type == RTM_DELLINK);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWNEXTHOP: /* with nexthop_compat_mode 0 this is all that is told of its routes */
	case RTM_DELNEXTHOP:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		if (handlers->route)
			handlers->route(handlers->userdata);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (handlers->neighbour && parse_neighbour(header, &neighbour))
			handlers->neighbour(handlers->userdata, &neighbour,
					    header->nlmsg_type == RTM_DELNEIGH);
		break;
	default:
		break;
	}
	return NL_OK;
}

static int on_readable(sd_event_source *source _unused_, int fd _unused_, uint32_t revents _unused_,
		       void *userdata)
{
	struct netlink *netlink = userdata;
	int r;

	do {
		r = nl_recvmsgs_default(netlink->events);
	} while (r >= 0);
	/* ENOBUFS comes as NLE_NOMEM: the kernel had more events than the buffer holds. */
	if (r != -NLE_AGAIN && netlink->handlers.lost)
		netlink->handlers.lost(netlink->handlers.userdata);
	return 0;
}

static int events_open(struct netlink *netlink, struct sd_event *event)
{
	int r;

	netlink->events = nl_socket_alloc();
	if (!netlink->events)
		return -ENOMEM;
	nl_socket_disable_seq_check(netlink->events);
	nl_socket_modify_cb(netlink->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, netlink);
	r = nl_connect(netlink->events, NETLINK_ROUTE);
	if (r < 0)
		return nl_to_errno(r);
	r = nl_socket_add_memberships(netlink->events, RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP, RTNLGRP_IPV4_RULE,
				      RTNLGRP_IPV6_RULE, RTNLGRP_NONE);
	if (r < 0)
		return nl_to_errno(r);
	nl_socket_set_buffer_size(netlink->events, EVENT_BUFFER_BYTES, 0);
	nl_socket_set_nonblocking(netlink->events);
	return sd_event_add_io(event, &netlink->source, nl_socket_get_fd(netlink->events), EPOLLIN,
			       on_readable, netlink);
}

int netlink_open(struct sd_event *event, const struct netlink_handlers *handlers, struct netlink **ret)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	int r;

	if (!netlink)
		return -ENOMEM;
	if (handlers)
		netlink->handlers = *handlers;
	netlink->ask = nl_socket_alloc();
	r = netlink->ask ? nl_to_errno(nl_connect(netlink->ask, NETLINK_ROUTE)) : -ENOMEM;
	if (r == 0 && event)
		r = events_open(netlink, event);
	if (r < 0) {
		netlink_close(netlink);
		return r;
	}
	*ret = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	sd_event_source_disable_unref(netlink->source);
	if (netlink->events)
		nl_socket_free(netlink->events);
	if (netlink->ask)
		nl_socket_free(netlink->ask);
	if (netlink->generic)
		nl_socket_free(netlink->generic);
	free(netlink);
}
