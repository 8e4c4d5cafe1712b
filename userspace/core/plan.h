/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: everything that should be true on one node, without any kernel id.
 *
 * plan_node() is a pure function of the cluster, the node's name and a few switches; `lbctl plan`, golden tests and
 * the agent call the same one. A service's plan owns its memory (one arena), so that the objects it was made from may
 * go, and is recomputed alone when only its own objects changed (plan_update). Ids, generations and table ranges are
 * given later, by diff: they are history, the plan is not. */
#ifndef FAIRWAY_CORE_PLAN_H
#define FAIRWAY_CORE_PLAN_H

#include "userspace/core/cluster.h"
#include "userspace/core/endpoints.h"

struct plan_options {
	const char *node;	 /* this node's name */
	const char *secret_namespace; /* of the peers' passwordSecrets; NULL: fairway-system */
	bool default_class;	 /* class-less LoadBalancer Services are ours */
	bool full_proxy;	 /* --proxy-mode full: ClusterIP, NodePort, ExternalIP and foreign VIPs too */
	const struct addr *extra_addresses; /* addresses of this node's interfaces, never accepted as a VIP; may be NULL */
	size_t n_extra_addresses;
};

#define FAIRWAY_CLASS "fairway.dev/lb"

/* A LoadBalancer Service that Fairway allocates for and announces. */
bool service_is_ours(const struct service *, bool default_class);

enum frontend_type { FRONTEND_LOAD_BALANCER, FRONTEND_EXTERNAL_IP, FRONTEND_NODE_PORT, FRONTEND_CLUSTER_IP };
enum verdict { VERDICT_FORWARD, VERDICT_REJECT, VERDICT_DROP };

const char *frontend_type_name(enum frontend_type); /* "LoadBalancer" … */
const char *verdict_name(enum verdict);		    /* "forward" … */

/* One set of backends serves every frontend of the same service port, family and policy: they share a Maglev table.
 * `node` of a backend is "" if unknown. */
struct backend_set {
	enum addr_family family;
	enum l4_protocol protocol;
	enum traffic_policy policy;
	const char *port_name;
	struct backends active;	  /* get new flows */
	struct backends draining; /* keep established ones: serving and terminating */
	struct backends keep;	  /* neither of both, but still serving (other nodes' under Local, other zones'): backends that are
				   * in the maps already keep their flows (P10); never added for that */
	uint32_t table_size;	  /* maglev_size(active.n); a class less for services of many ports */
	uint64_t digest;	  /* maglev_digest(); 0 without active ones */
};

struct frontend { /* sorted by type, address, port, protocol */
	enum frontend_type type;
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	const char *port_name;
	enum traffic_policy policy;
	enum verdict verdict;
	const char *reason; /* "", "NoEndpoints", "NoLocalEndpoints" */
	bool ready_elsewhere; /* policy Local, an address that other nodes have too, and only they have ready endpoints: a
			       * refusal by one of this node's is not brought to the client */
	size_t set;	    /* index into the service plan's sets */
	uint32_t affinity_sec;
	struct prefix *source_ranges; /* of the frontend's family, masked, sorted; n == 0: everybody (see closed) */
	size_t n_source_ranges;
	bool source_ranges_deny; /* fairway.dev/source-ranges-policy: deny */
	bool source_ranges_closed; /* every range of this family was broken: nobody may pass, the service never opens by a typo */
};

struct service_plan {
	struct arena arena; /* owns everything below */
	const char *namespace, *name;
	struct frontend *frontends;
	size_t n_frontends;
	struct backend_set *sets;
	size_t n_sets;
	struct addr *vips; /* LoadBalancer addresses of ours that are served, sorted, each once: announced once accepted.
			    * Foreign classes' (proxy-mode full) are not in it: served, never announced */
	size_t n_vips;
	enum traffic_policy external_policy;
	size_t n_ready, n_total, n_local; /* endpoints, for `svc ls`: of the first port's larger family */
	uint16_t health_check_port; /* 0: none */
	uint32_t health_check_local;
	struct problems problems; /* what is wrong with this service, conflicts that it lost too */
};

struct plan_index; /* who claims which address and port, which VIPs are pods' addresses: what plan_update() decides from */

struct node_plan {
	char *node;
	struct service_plan **services; /* sorted by namespace, name; each owned. Only those with a frontend, a health check
					 * or a problem; n_frontends may be 0 */
	size_t n_services, capacity;
	struct problems problems; /* of no single service: an unknown node */
	struct plan_index *index;
	struct strings touched; /* "namespace/name", sorted: what the last plan_update() recomputed, `changed` and the services
				 * whose conflicts it decided anew */
	struct arena touched_arena;
};

/* 0 or -ENOMEM; *ret is untouched on failure. An unknown node is a problem, not an error: nothing is local then.
 *
 * Addresses. A VIP in a status is refused (a problem, no frontend) if it cannot be one (loopback, …) or is a node's, a
 * pod's or a router's own address; one that no pool contains is served, and reported. Of two services that claim one
 * address, port and protocol the older (creationTimestamp, namespace, name) gets it; the other has a problem. An SCTP
 * port is planned like any other, with a problem: the data path does not carry it, so diff leaves it out, and an address
 * that has no other port is not among the VIPs. */
int plan_node(const struct cluster *, const struct plan_options *, struct node_plan *ret);

/* Recomputes the services named in `changed` ("namespace/name", sorted, each once) in place; everything else that the
 * plan depends on (nodes, options) must be unchanged since. Cross-service conflicts are decided anew for the
 * addresses involved (see node_plan.touched). 0 or -ENOMEM (the plan is then as it was). */
int plan_update(struct node_plan *, const struct cluster *, const struct plan_options *, const struct strings *changed);

void node_plan_done(struct node_plan *);
const struct service_plan *node_plan_find(const struct node_plan *, const char *namespace, const char *name);

#endif
