/* SPDX-License-Identifier: Apache-2.0 */
/* What the status of a BFDProfile and of a Community should be (PURE): the condition Valid alone, was the
 * newest version read? What they are used for is told where it is used, by the conditions of peers and
 * advertisements. */
#ifndef FAIRWAY_IPAM_VALID_STATUS_H
#define FAIRWAY_IPAM_VALID_STATUS_H

#include "ipam/conditions.h"

/* The body of a merge patch of /status, appended. 0 or -ENOMEM. */
int valid_status_patch(struct strbuf *, enum object_kind, const struct meta *, int64_t now_sec);

#endif
