/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket answers, as rows and as JSON (PURE): status.c collects the rows, the writers
 * here turn them into text. The JSON of services is the contract of OUTPUTS ("lbctl svc ls"): fields are
 * added, never renamed.
 *
 * Rows borrow everything from their collector. Lists are written one element a line, so that the text can
 * be read and compared without a tool. */
#ifndef FAIRWAY_AGENT_VIEWS_H
#define FAIRWAY_AGENT_VIEWS_H

#include "bgp/frr.h"
#include "ipam/allocator.h"
#include "userspace/base/strbuf.h"
#include "userspace/core/plan.h"
#include "userspace/core/routes.h"
#include "userspace/datapath/datapath.h"

struct service_row {
	const struct service *service;
	const struct service_plan *plan; /* NULL: not planned (no address, foreign class) */
	bool accepted; /* every LoadBalancer frontend is programmed, or was and still serves */
	const char *mode;		 /* forwarding to remote backends: "snat" */
	struct strings
		announced_to; /* peers that are Established and get each route of it that they should; sorted */
	struct frontend_counters counters; /* over its frontends */
	const char *problem;		 /* "" if none */
};

/* Addresses that the service has: those served, else those of its status. */
size_t service_row_addresses(const struct service_row *, struct addr *addresses, size_t capacity);

void view_services_json(struct strbuf *, const char *node, uint64_t generation, const struct service_row *,
			size_t n);

/* One service in full. `states[i]` belongs to plan->frontends[i]. */
struct frontend_state {
	bool standing;	  /* in the maps as wanted */
	bool in_maps;	  /* in the maps at all */
	uint32_t id;	  /* if it is */
	struct frontend_counters counters;
};
struct route_row {
	const struct route *route;
	bool announced;		/* bgpd originates it */
	const char *session;	/* state of the peer's session; "" if the peer is not known to FRR */
};
void view_service_json(struct strbuf *, const char *node, const struct service_row *,
		       const struct frontend_state *states, const struct route_row *routes, size_t n_routes,
		       const struct problems *);

void view_pools_json(struct strbuf *, const struct pool_usage *, size_t n, const struct cluster *);
void view_peers_json(struct strbuf *, const char *node, const char *daemon_state,
		     const struct frr_peer_view *, size_t n);
void view_routes_json(struct strbuf *, const char *node, bool in_sync, const struct route_row *, size_t n);
void view_drops_json(struct strbuf *, const char *node, const struct drop_counter *, size_t n);

struct node_row {
	const char *node, *version;
	const char *source;	  /* the manifests directory, or the API server */
	bool source_reachable;
	int64_t source_since_sec; /* so long it has been reachable or not; INT64_MAX: not known */
	const char *source_trouble; /* why it is not reachable; "" */
	const char *unready;	  /* what is missing for /readyz; NULL: it is ready */
	bool delivered;		  /* the sources' first complete list is there */
	bool converged;		  /* everything planned is applied */
	uint64_t generation;
	size_t n_services, n_frontends, n_backends;
	struct diff_limits limits;
	const char *daemon_state; /* of FRR */
	const char *proxy_mode;
	const struct interface_view *interfaces;
	size_t n_interfaces;
	const struct host_finding *findings;
	size_t n_findings;
	const struct problems *problems;
};
void view_node_json(struct strbuf *, const struct node_row *);

/* Flows are written while the table is walked: begin, any number of flows, end. */
void view_flows_begin(struct strbuf *, const char *node);
void view_flow(struct strbuf *, const struct flow_view *);
void view_flows_end(struct strbuf *, bool truncated);

#endif
