/* SPDX-License-Identifier: Apache-2.0 */
/* What a ServiceIPPool's status and finalizer should be (PURE). The controller alone writes the whole status.
 *
 * Ready, Conflict and Exhausted are of the version in force, Valid of the newest: an edit that was refused
 * takes no address away, and whoever wrote it must see that it is not followed. */
#ifndef FAIRWAY_IPAM_POOL_STATUS_H
#define FAIRWAY_IPAM_POOL_STATUS_H

#include "ipam/allocator.h"
#include "ipam/conditions.h"

#define POOL_FINALIZER "fairway.dev/pool-in-use"

/* The body of a merge patch of /status, appended. 0 or -ENOMEM. */
int pool_status_patch(struct strbuf *, const struct service_ip_pool *, const struct pool_usage *,
		      int64_t now_sec);
/* The body of a merge patch of the pool itself, if its finalizer should come (an address of it is in use) or
 * go. Bound to the resourceVersion, for it replaces the list. 0 or -ENOMEM. */
int pool_finalizer_patch(struct strbuf *, const struct service_ip_pool *, const struct pool_usage *);

#endif
