/* SPDX-License-Identifier: Apache-2.0 */
/* The services that the packet tests talk to, in both families, and the names that rows use for their
 * addresses. */
#ifndef TESTS_PACKET_FIXTURE_H
#define TESTS_PACKET_FIXTURE_H

#include "tests/packet/world.h"

/* Ids of IPv4; IPv6 has the same plus FIXTURE_V6. */
#define FIXTURE_V6 40

enum fixture_frontend {
	FE_WEB,	       /* vip:80/TCP    -> pod:8080, local */
	FE_DNS,	       /* vip:53/UDP    -> pod:5353, local */
	FE_FAR_WEB,    /* vip-far:80/TCP -> pod-far:8080, remote by the first uplink */
	FE_FAR_DNS,    /* vip-far:53/UDP -> pod-far:5353 */
	FE_REJECT,     /* vip-none:80/TCP: no endpoints */
	FE_REJECT_DNS, /* vip-none:53/UDP: no endpoints */
	FE_NO_LOCAL,   /* vip-none:81/TCP: policy Local, none here */
	FE_ALLOW,      /* vip-range:80/TCP: client only */
	FE_DENY,       /* vip-range:81/TCP: everybody but client */
	FE_CLOSED,     /* vip-range:82/TCP: nobody */
	FE_UNRESOLVED, /* vip-far:81/TCP -> pod-lost:8080, no next hop */
	FE_SECOND,     /* vip-far:82/TCP -> pod-second:8080, behind the second uplink */
	FE_STALE,      /* vip-none:82/TCP: its table names a backend that is not there */
	FE_TWIN,       /* vip-twin:80/TCP -> pod:8080, the pod of FE_WEB */
	FE_FAR_TWIN,   /* vip-twin:81/TCP -> pod-far:8080, the pod of FE_FAR_WEB */
	FE_AFFINITY,   /* vip-many:80/TCP -> pod:8080 and pod-other:8080 by client address */
	FE_MANY_DNS,   /* vip-many:53/UDP -> pod:5353 and pod-other:5353 */
	FE_LEAVING,    /* vip-twin:82/TCP -> pod:8080, which leaves; ready ones are on other nodes */
	FE_COUNT,
};

enum fixture_backend {
	BE_POD,
	BE_POD_DNS,
	BE_FAR,
	BE_FAR_DNS,
	BE_LOST,
	BE_SECOND,
	BE_OTHER,
	BE_OTHER_DNS,
	BE_COUNT,
	BE_MISSING = 39,
};

#define MAC_FAR	   "02:00:00:00:00:31"
#define MAC_SECOND "02:00:00:00:00:41"

void fixture_fill(struct world *);
struct world_frontend fixture_frontend(enum fixture_frontend, int family);
struct world_backend fixture_backend(enum fixture_backend, int family);

/* "client" -> "198.51.100.7" or "2001:db8:51::7"; aborts on an unknown name. Also reads literal addresses. */
const char *fixture_address(const char *name, int family);
/* The frame with its names, and those of its quote, replaced. `quote` is where the copy of the quote goes. */
struct frame fixture_frame(const struct frame *, int family, struct frame *quote);

#endif
