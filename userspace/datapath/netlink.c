// SPDX-License-Identifier: Apache-2.0
/* Questions to rtnetlink and its events, with libnl for sockets; what messages say: messages.h. */
#include "userspace/datapath/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
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
#include "userspace/datapath/messages.h"

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

	if (header->nlmsg_type == RTM_NEWLINK && link_parse(header, &link))
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

	if (header->nlmsg_type == RTM_NEWROUTE && route_parse(header, &route))
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

	if (header->nlmsg_type == RTM_NEWRULE && rule_parse(header, &rule))
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
		answer->found = route_hop_parse(header, answer->ret);
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
	    nla_put(message, RTA_DST, addr_bits(destination) / 8, destination->bytes) < 0)
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
		answer->found = nexthop_object_parse(header, answer->ret);
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
		answer->found = neighbour_parse(header, answer->ret);
}

static struct nl_msg *neighbour_message(int type, int flags, const struct ndmsg *header,
					const struct addr *addr)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (!message)
		return NULL;
	if (nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO) == 0 &&
	    nla_put(message, NDA_DST, addr_bits(addr) / 8, addr->bytes) == 0)
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
		if (handlers->link && link_parse(header, &link))
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
		if (handlers->neighbour && neighbour_parse(header, &neighbour))
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
