/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster as the controller knows it to be (PURE): Services with the addresses that they have or may have,
 * whatever the statuses say that were read so far, and stand-ins for Services that are not there (any more)
 * but whose addresses must not be given to anybody. allocate() takes it as any other cluster.
 *
 * It borrows from the cluster and from what is laid over it; copies live in the arena. All return 0 or
 * -ENOMEM. */
#ifndef FAIRWAY_IPAM_OVERLAY_H
#define FAIRWAY_IPAM_OVERLAY_H

#include "userspace/core/cluster.h"

struct overlay {
	struct arena *arena;
	const struct service **services; /* in the cluster's order, the stand-ins last */
	size_t n_services;
};

int overlay_init(struct overlay *, struct arena *, const struct cluster *, size_t n_stand_ins);
int overlay_keep(struct overlay *, const struct service *); /* as it is */
int overlay_replace(struct overlay *, const struct service *, const struct addr *, size_t n_addresses);
/* A Service of nobody's class: it shares with nobody, and nobody gets what it has. */
int overlay_stand_in(struct overlay *, const char *namespace, const char *name, const char *uid,
		     const struct addr *, size_t n_addresses);
void overlay_finish(const struct overlay *, const struct cluster *, struct cluster *ret);

#endif
