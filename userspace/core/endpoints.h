/* SPDX-License-Identifier: Apache-2.0 */
/* Which endpoints serve one port of a service: SEMANTICS sections 0 and 1 (kube-proxy's CategorizeEndpoints).
 * Pure: slices in, sorted lists out; the order of slices and files never shows through. */
#ifndef FAIRWAY_CORE_ENDPOINTS_H
#define FAIRWAY_CORE_ENDPOINTS_H

#include "userspace/core/cluster.h"

struct backend { /* sorted by address, then port */
	struct addr addr;
	uint16_t port;
	uint16_t weight;  /* 1; 0 for a draining one */
	bool local;	  /* endpoint.nodeName is this node */
	const char *node; /* borrowed from the slice; NULL: unknown */
};

struct backends {
	struct backend *items;
	size_t n;
};

/* All lists are in the caller's arena. */
struct endpoint_choice {
	struct backends cluster;     /* E3: for policy Cluster, topology applied */
	struct backends local;	     /* E4: for policy Local on this node */
	struct backends terminating; /* serving and terminating ones, any node: draining unless they are in use */
	struct backends leaving;     /* terminating that no longer serve: known, never given new flows */
	struct backends keep;	     /* P10: what may keep established flows of every protocol: all that serve, wherever
				      * they are and whatever the policy; if none serves: all */
	bool any;		     /* E5 hasAnyEndpoints, UsesLocal counted */
	bool ready_elsewhere;	     /* none of this node's is ready, but some on another one */
	size_t n_ready, n_total;     /* distinct address:port: ready ones, those of every condition */
};

/* `node` may be NULL (no node is local). 0 or -ENOMEM. Slices with the headless label are left out, and so are endpoints
 * whose address endpoint_why_unusable() refuses. */
int endpoints_choose(struct arena *, const struct cluster *, const struct service *, const struct service_port *,
		     enum addr_family, const char *node, struct endpoint_choice *ret);

/* Where a service has usable endpoints, all its ports and one family taken together; the base of announcements.
 * `nodes`: names, sorted, each once, that hold a usable one by E4 (ready, else serving-terminating);
 * `anywhere`: policy Cluster can forward. 0 or -ENOMEM. */
struct endpoint_nodes {
	struct strings nodes;
	bool anywhere;
};
int endpoints_nodes(struct arena *, const struct cluster *, const struct service *, enum addr_family,
		    struct endpoint_nodes *ret);

/* H3: distinct local ready endpoint addresses of one family, over all ports of the service. Terminating ones never count.
 * 0 or -ENOMEM. */
int endpoints_count_local_ready(const struct cluster *, const struct service *, enum addr_family, const char *node,
				size_t *ret);

/* NULL if the address may be an endpoint, else why not (a static string). The API server refuses the same ones. */
const char *endpoint_why_unusable(const struct addr *);

#endif
