/* SPDX-License-Identifier: Apache-2.0 */
/* Where packets to a destination go (EDGE): the kernel's answer, and its dumped rules and routes where that
 * answer is known to be wrong.
 *
 * When one of several IPv6 routes by one nexthop object goes, Linux (6.18) answers for the others that the
 * network is unreachable: the destination that is cached for the object, on each CPU, has lost its route.
 * Packets go on. RTM_F_FIB_MATCH is answered from the same cache. FRR's routes share objects. So ENETUNREACH
 * for an IPv6 destination is believed only if fib.h finds no route by an object either; a rule or a route
 * that says unreachable stays the last word. */
#ifndef FAIRWAY_DATAPATH_ROUTES_H
#define FAIRWAY_DATAPATH_ROUTES_H

#include "userspace/datapath/fib.h"

struct routes { /* { .netlink = … } */
	struct netlink *netlink;
	struct fib fib; /* of IPv6; read when first needed */
	bool read;
};

/* 0 or -errno; which of those are the kernel's word: reading_is_word(). */
int routes_ask(struct routes *, const struct addr *destination, struct hop_info *ret);
void routes_forget(struct routes *); /* they changed, or are no longer needed */

#endif
