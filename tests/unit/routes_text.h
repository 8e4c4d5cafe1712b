/* SPDX-License-Identifier: Apache-2.0 */
/* Routes and problems as text, and services with the part of a plan that routes need, for tests of announcements. */
#ifndef FAIRWAY_TESTS_ROUTES_TEXT_H
#define FAIRWAY_TESTS_ROUTES_TEXT_H

#include "tests/unit/world.h"
#include "userspace/core/routes.h"

/* "PREFIX KIND PEER [pref=N] [communities] [services]\n" …; in the world's arena */
const char *routes_text(struct world *, const struct routes *);
const char *problems_text(struct world *, const struct problems *); /* "OBJECT FIELD: MESSAGE\n" … */

/* A node plan that serves every LoadBalancer Service at the addresses of its status; in the world's arena. */
void routes_plan(struct world *, struct node_plan *ret);

/* A Service with one port, these VIPs (separated by blanks) and one ready endpoint of each of their families on each of
 * `nodes`; "n1/st" is a terminating, serving one, "n1/" one that is not ready. */
struct service *routes_service(struct world *, const char *name, const char *vips, enum traffic_policy,
			       const char *nodes);
void routes_endpoints(struct world *, const struct service *, const char *slice, const char *nodes);

/* routes_decide() for one node as text; problems as text in *ret_problems unless NULL. */
const char *routes_of(struct world *, const char *node, const char **ret_problems);

#endif
