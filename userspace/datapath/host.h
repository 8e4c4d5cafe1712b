/* SPDX-License-Identifier: Apache-2.0 */
/* What of the host is in the way (EDGE): its settings, read and reported, never changed; but for one, because
 * SNAT is wrong without it: the SNAT ports are kept out of the host's own use. */
#ifndef FAIRWAY_DATAPATH_HOST_H
#define FAIRWAY_DATAPATH_HOST_H

#include "userspace/datapath/datapath.h"
#include "userspace/datapath/nexthop.h"

struct host_facts {
	uint16_t snat_port_first, snat_port_last;
	bool reserved_by_us; /* this agent or an earlier one added the range */
	const struct interface_view *interfaces;
	size_t n_interfaces;
	struct next_hop_summary next_hops;
};

struct host_findings {
	struct host_finding *items;
	size_t n, capacity;
};

/* Adds [first, last] to ip_local_reserved_ports of this network namespace. 1: added, and none of them was
 * there before; 0: they are there, all or some by somebody else; or -errno. */
int host_reserve_ports(uint16_t first, uint16_t last);
void host_release_ports(uint16_t first, uint16_t last); /* what host_reserve_ports() returned 1 for */
int host_read_findings(const struct host_facts *,
		       struct host_findings *); /* replaces what was there; 0 or -ENOMEM */

#endif
