/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's lists of ports, "80,8000-9000" (PURE). */
#ifndef FAIRWAY_DATAPATH_PORT_LIST_H
#define FAIRWAY_DATAPATH_PORT_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/strbuf.h"

/* The list with a range united in; *ret_covered tells that the list held all of it already. 0, -ENOMEM, or
 * -EINVAL for a text that is no such list. *ret_list is the caller's. */
int port_list_unite(const char *list, uint16_t first, uint16_t last, struct strbuf *ret_list,
		    bool *ret_covered);

#endif
