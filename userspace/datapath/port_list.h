/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's lists of ports, "80,8000-9000" (PURE). */
#ifndef FAIRWAY_DATAPATH_PORT_LIST_H
#define FAIRWAY_DATAPATH_PORT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/strbuf.h"

struct port_list {
	uint64_t words[65536 / 64]; /* a bit for each port */
};

int port_list_parse(const char *text, struct port_list *ret); /* 0, -ENOMEM, or -EINVAL: it is no such list */
void port_list_print(const struct port_list *,
		     struct strbuf *ret); /* as the kernel does: ascending, ranges merged */
size_t port_list_count(const struct port_list *, uint16_t first,
		       uint16_t last); /* how many of a range are in it */
void port_list_set(struct port_list *, uint16_t first, uint16_t last, bool value);

#endif
