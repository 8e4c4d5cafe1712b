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

#endif
