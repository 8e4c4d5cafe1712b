/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket (EDGE). */
#ifndef FAIRWAY_IO_TCP_LISTEN_H
#define FAIRWAY_IO_TCP_LISTEN_H

#include "userspace/base/addr.h"

/* Non-blocking, close-on-exec, SO_REUSEADDR. "::" listens for IPv4 too, and for IPv4 alone where the kernel
 * has no IPv6. 0 or -errno. */
int tcp_listen(const struct addr *, uint16_t port, int *ret_fd);

#endif
