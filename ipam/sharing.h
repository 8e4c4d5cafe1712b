/* SPDX-License-Identifier: Apache-2.0 */
/* May two Services hold one address? (PURE; DESIGN section 5, "Sharing")
 *
 * The rule is between two Services; an address with several holders takes a further one only if it may share with each
 * of them. It is symmetric and reads nothing but the two Services. */
#ifndef FAIRWAY_IPAM_SHARING_H
#define FAIRWAY_IPAM_SHARING_H

#include "ipam/request.h"

struct sharer {
	const struct service *service;
	const struct request *request; /* NULL: a Service of another class, which shares with nobody */
};

/* NULL if they may, else why not (a static string). */
const char *sharing_why_not(const struct sharer *, const struct sharer *);

/* Do both give every third Service the same answer, ports aside? Then asking one of them is enough. */
bool sharing_same_terms(const struct sharer *, const struct sharer *);
bool sharing_port_in_common(const struct service *, const struct service *);

/* One of its ports as port << 8 | protocol, 0 without any; and does it have such a port? */
uint32_t service_a_port(const struct service *);
bool service_has_port(const struct service *, uint32_t a_port);

/* All ports of many Services: one look-up for each port instead of a walk over the Services. */
struct port_set {
	uint8_t bits[3][65536 / 8]; /* TCP, UDP, SCTP */
};
void port_set_add(struct port_set *, const struct service *);
bool port_set_meets(const struct port_set *, const struct service *);

#endif
