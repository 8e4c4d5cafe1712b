/* SPDX-License-Identifier: Apache-2.0 */
/* Fairway's own annotations on Services, all of them (PURE): their names, and what is said about one that has
 * no effect. What a value means is read where it is used: ipam/request, source_ranges, route_offers. Aliases
 * of others' prefixes are only in ipam/request: who owns a prefix tells what stands under it. */
#ifndef FAIRWAY_CORE_ANNOTATIONS_H
#define FAIRWAY_CORE_ANNOTATIONS_H

#include "userspace/core/cluster.h"

#define ANNOTATION_PREFIX		"fairway.dev/"
#define ANNOTATION_POOL			ANNOTATION_PREFIX "pool"
#define ANNOTATION_IPS			ANNOTATION_PREFIX "ips"
#define ANNOTATION_SHARED_IP		ANNOTATION_PREFIX "shared-ip"
#define ANNOTATION_SHARED_IP_NAMESPACES ANNOTATION_PREFIX "shared-ip-namespaces"
#define ANNOTATION_NODE_SELECTOR	ANNOTATION_PREFIX "node-selector"
#define ANNOTATION_SOURCE_RANGES_POLICY ANNOTATION_PREFIX "source-ranges-policy"
#define ANNOTATION_FORWARDING_MODE	ANNOTATION_PREFIX "forwarding-mode"
#define ANNOTATION_LB_ALGORITHM		ANNOTATION_PREFIX "lb-algorithm"

/* Adds a problem for each annotation of the prefix that is unknown, naming the known one that is nearest, and
 * for each that asks for something that is not built. At most ANNOTATIONS_TOLD, then one that says that there
 * are more. For a Service that is ours. 0 or -ENOMEM. */
#define ANNOTATIONS_TOLD 8
int annotations_check(const struct service *, struct problems *);

#endif
