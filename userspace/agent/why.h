/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl why svc/NAME` (PURE): walks the way of a Service from its class to the router and names the first
 * broken step.
 *
 * class -> pool -> address -> endpoints -> maps -> announcement. Steps behind a broken one are left out:
 * what they would say follows from it. */
#ifndef FAIRWAY_AGENT_WHY_H
#define FAIRWAY_AGENT_WHY_H

#include "userspace/agent/views.h"

struct why_input {
	const struct cluster *cluster;
	const char *node;
	bool default_class;
	const struct service *service;
	const struct service_plan *plan;	/* NULL: not planned */
	const struct allocation *allocation;	/* what allocate() says of it; NULL: not ours */
	const struct frontend_state *states;	/* of plan->frontends */
	bool accepted;
	const struct route_row *routes; /* those of this service */
	size_t n_routes;
	size_t n_peers;		  /* that select this node */
	size_t n_peers_in[2];	  /* … and carry IPv4, IPv6 */
	const char *daemon_state; /* of FRR */
	const struct problems *problems; /* all of the node, sorted */
};

struct why_step {
	const char *name; /* "class", "pool", … */
	bool fine;
	struct strbuf text;
};

struct why {
	struct why_step steps[6];
	size_t n; /* the last one is the broken one, if any is */
};

void why_decide(const struct why_input *, struct why *ret);
void why_done(struct why *);
const char *why_broken(const struct why *); /* name of the broken step, "" if all is fine */

/* `problems`: those of the Service, also where no step is broken: an annotation that is ignored. `note`: what limits the
 * answer, as that the API server is away; "" for nothing. */
void view_why_json(struct strbuf *, const char *node, const struct service *, const struct why *,
		   const struct problems *problems, const char *note);

#endif
