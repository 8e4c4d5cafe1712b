// SPDX-License-Identifier: Apache-2.0
/* Addresses by getifaddrs(3), read again when rtnetlink says that one came or went: see host_addresses.h. */
#include "userspace/io/host_addresses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

struct list {
	struct addr *items;
	size_t n, capacity;
};

struct host_addresses {
	sd_event_source *io;
	int fd;
	struct list list;
	loop_fn *on_change;
	void *userdata;
};

DEFINE_CLEANUP(struct host_addresses *, host_addresses_free);
DEFINE_CLEANUP(struct ifaddrs *, freeifaddrs);

static struct addr from_sockaddr(const struct sockaddr *sockaddr)
{
	struct addr addr = { 0 };

	if (sockaddr && sockaddr->sa_family == AF_INET) {
		addr.family = ADDR_IPV4;
		memcpy(addr.bytes, &((const struct sockaddr_in *)sockaddr)->sin_addr, 4);
	} else if (sockaddr && sockaddr->sa_family == AF_INET6) {
		addr.family = ADDR_IPV6;
		memcpy(addr.bytes, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, 16);
	}
	return addr;
}

static int compare(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static void keep_each_once(struct list *list)
{
	size_t i, kept = 0;

	if (!list->n)
		return;
	qsort(list->items, list->n, sizeof(*list->items), compare);
	for (i = 1; i < list->n; i++)
		if (!addr_equal(&list->items[kept], &list->items[i]))
			list->items[++kept] = list->items[i];
	list->n = kept + 1;
}

static int read_list(struct list *ret)
{
	cleanup(freeifaddrsp) struct ifaddrs *all = NULL;
	struct list list = { 0 };
	struct ifaddrs *one;
	struct addr addr;

	if (getifaddrs(&all))
		return -errno;
	for (one = all; one; one = one->ifa_next) {
		addr = from_sockaddr(one->ifa_addr);
		if (addr.family == ADDR_NONE || addr_is_loopback(&addr) || addr_is_link_local(&addr))
			continue;
		if (array_reserve(list.items, list.n, list.capacity) < 0) {
			free(list.items);
			return -ENOMEM;
		}
		list.items[list.n++] = addr;
	}
	keep_each_once(&list);
	*ret = list;
	return 0;
}

static bool lists_equal(const struct list *a, const struct list *b)
{
	size_t i;

	for (i = 0; i < a->n && i < b->n; i++)
		if (!addr_equal(&a->items[i], &b->items[i]))
			return false;
	return a->n == b->n;
}

/* What the messages say does not matter: they mean that the list is to be read again. ENOBUFS means so,
 * too. */
static void drain(int fd)
{
	char buffer[8192];

	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0 || errno == EINTR)
		;
}

static int addresses_changed(sd_event_source *source _unused_, int fd, uint32_t events _unused_,
			     void *userdata)
{
	struct host_addresses *addresses = userdata;
	struct list list;
	int r;

	drain(fd);
	r = read_list(&list);
	if (r < 0) {
		log_warn("addresses of this host cannot be read, the last ones stay in force: %s",
			 strerror(-r));
		return 0;
	}
	if (lists_equal(&list, &addresses->list)) {
		free(list.items);
		return 0;
	}
	free(addresses->list.items);
	addresses->list = list;
	addresses->on_change(addresses->userdata);
	return 0;
}

int host_addresses_new(struct sd_event *event, loop_fn *on_change, void *userdata,
		       struct host_addresses **ret)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	cleanup(host_addresses_freep) struct host_addresses *addresses = calloc(1, sizeof(*addresses));
	int r;

	if (!addresses)
		return -ENOMEM;
	addresses->on_change = on_change;
	addresses->userdata = userdata;
	addresses->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (addresses->fd < 0 || bind(addresses->fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	r = read_list(&addresses->list); /* after the subscription: nothing is missed in between */
	if (r >= 0)
		r = sd_event_add_io(event, &addresses->io, addresses->fd, EPOLLIN, addresses_changed,
				    addresses);
	if (r < 0)
		return r;
	*ret = take(addresses);
	return 0;
}

void host_addresses_free(struct host_addresses *addresses)
{
	if (!addresses)
		return;
	sd_event_source_disable_unref(addresses->io);
	if (addresses->fd >= 0)
		close(addresses->fd);
	free(addresses->list.items);
	free(addresses);
}

const struct addr *host_addresses_list(const struct host_addresses *addresses, size_t *ret_n)
{
	*ret_n = addresses->list.n;
	return addresses->list.items;
}
