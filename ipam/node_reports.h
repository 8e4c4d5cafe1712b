/* SPDX-License-Identifier: Apache-2.0 */
/* What the nodes say about Services, all LBNodes together (PURE): is a Service programmed, is it announced,
 * and does any node still hold an address for it?
 *
 * An LBNode counts while its Node is there. Of one whose agent is silent (silence.h) nothing is taken for
 * true; but what it named it may hold still, so addresses wait for it as before. An entry that does not name
 * all of a Service's addresses is older than they are. In a small cluster each node names each Service, so
 * one that misses it has not done its work yet; in a large one (`sampled`) eight nodes name it, and every
 * node on which something is wrong.
 *
 * Announced is judged for each address: one that no node announces to anybody makes the condition False
 * (PartlyAnnounced), and the message names it. What one node leaves out another may announce (maxNextHops).
 *
 * What is said about a Service is made so that it changes only when the Service's state does: counts of
 * nodes, which change whenever a node comes or goes, would have all Services written anew. */
#ifndef FAIRWAY_IPAM_NODE_REPORTS_H
#define FAIRWAY_IPAM_NODE_REPORTS_H

#include "ipam/conditions.h"

#define CONDITION_ALLOCATED  "fairway.dev/Allocated"
#define CONDITION_PROGRAMMED "fairway.dev/Programmed"
#define CONDITION_ANNOUNCED  "fairway.dev/Announced"
#define REASON_NO_NODES	     "NoNodes" /* of both, while no node runs lbagent */

struct node_report { /* borrowed from the cluster */
	const struct lb_node *node;
	const struct lb_node_group *group;
	const struct lb_node_service *service;
};

struct node_reports {
	struct arena arena;
	const struct lb_node **nodes; /* those that count; by name */
	size_t n_nodes;
	bool sampled; /* a node leaves Services out that are as they should be, or found no room for */
	bool large;   /* a node with such a report names what it was given late (release.h) */
	bool omits_releasing;	   /* a node releases more than it has room to name */
	struct node_report *items; /* by service, then node; one that nobody knows ("") first */
	size_t n_items;
};

int node_reports_init(struct node_reports *, const struct cluster *); /* 0 or -ENOMEM */
void node_reports_done(struct node_reports *);

/* Those about one Service: *ret_n of them from the returned one on. `name` is "namespace/name". */
const struct node_report *node_reports_find(const struct node_reports *, const char *name, size_t *ret_n);
/* Does a node still hold the address for this Service, or for one that it does not know? Any node may that
 * releases more than it has room to name. */
bool node_reports_list(const struct node_reports *, const char *name, const struct addr *);

/* The two conditions of a Service that has these addresses. Texts live in the arena. 0 or -ENOMEM. */
struct service_state {
	struct condition_want programmed, announced;
};
int node_reports_judge(const struct node_reports *, const char *name, const struct addr *, size_t n_addresses,
		       struct arena *, struct service_state *ret);

#endif
