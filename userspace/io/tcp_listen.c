// SPDX-License-Identifier: Apache-2.0
/* See tcp_listen.h. */
#include "userspace/io/tcp_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

#define BACKLOG 64

static int listen_v4(const struct addr *addr, uint16_t port, int fd)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&address.sin_addr, addr->bytes, sizeof(address.sin_addr));
	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG) ? -errno
												   : 0;
}

static int listen_v6(const struct addr *addr, uint16_t port, int fd)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int off = 0;

	memcpy(&address.sin6_addr, addr->bytes, sizeof(address.sin6_addr));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
		return -errno;
	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG) ? -errno
												   : 0;
}

static int tcp_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd;
}

int tcp_listen(const struct addr *addr, uint16_t port, int *ret_fd)
{
	struct addr any_v4 = { .family = ADDR_IPV4 };
	cleanup(closep) int fd = tcp_socket(addr->family == ADDR_IPV6 ? AF_INET6 : AF_INET);
	int r;

	if (fd == -EAFNOSUPPORT && addr_is_unspecified(addr)) {
		addr = &any_v4;
		fd = tcp_socket(AF_INET);
	}
	if (fd < 0)
		return fd;
	r = addr->family == ADDR_IPV6 ? listen_v6(addr, port, fd) : listen_v4(addr, port, fd);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}
