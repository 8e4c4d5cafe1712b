/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of this network namespace's interfaces, followed live (EDGE, rtnetlink): none of them may
 * be a VIP. */
#ifndef FAIRWAY_IO_HOST_ADDRESSES_H
#define FAIRWAY_IO_HOST_ADDRESSES_H

#include <stddef.h>

#include "userspace/base/addr.h"
#include "userspace/io/loop.h"

struct host_addresses;

/* `on_change` is called from the loop when the set differs from the last one. */
int host_addresses_new(struct sd_event *, loop_fn *on_change, void *userdata, struct host_addresses **ret);
void host_addresses_free(struct host_addresses *);

/* Sorted, each once, without loopback and link-local ones. Borrowed until the loop runs again. */
const struct addr *host_addresses_list(const struct host_addresses *, size_t *ret_n);

#endif
