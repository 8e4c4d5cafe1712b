/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster made by hand for tests and benchmarks: objects with the API server's defaults, changed in place, then
 * world_cluster() sorts them as the store would. Everything lives in the world's arena. Bad input to these functions
 * is a bug of the test and aborts. */
#ifndef FAIRWAY_TESTS_WORLD_H
#define FAIRWAY_TESTS_WORLD_H

#include "userspace/core/cluster.h"

#define WORLD_KINDS OBJECT_KIND_COUNT

struct world {
	struct arena arena;
	struct {
		void **items;
		size_t n, capacity;
	} kinds[WORLD_KINDS];
	struct cluster cluster;
};

void world_done(struct world *);
const struct cluster *world_cluster(struct world *); /* sorted; borrowed until the next call */

/* "namespace/name"; a LoadBalancer Service of class fairway.dev/lb, created at second 1000, without ports */
struct service *world_service(struct world *, const char *name);
struct service_port *world_service_port(struct world *, struct service *, const char *name, enum l4_protocol,
					uint16_t port, uint16_t node_port);
void world_ingress(struct world *, struct service *, const char *addresses); /* "192.0.2.1 2001:db8::1 192.0.2.2/proxy" */
/* `name` is "namespace/name". ports: "http:TCP:8080 dns:UDP:53"; an empty name: ":TCP:80".
 * endpoints: "ADDRESS[@NODE][/FLAGS][+z=ZONE][+n=NODE] …" with flags out of r(eady), s(erving), t(erminating); default rs */
struct endpoint_slice *world_slice(struct world *, const char *name, const char *service, const char *ports,
				   const char *endpoints);
struct node *world_node(struct world *, const char *name, const char *internal_ips, const char *zone);
struct namespace_object *world_namespace(struct world *, const char *name);
struct service_ip_pool *world_pool(struct world *, const char *name, const char *ranges);
struct bgp_peer *world_peer(struct world *, const char *name, const char *address); /* external: AS 65001 to 65000 */
struct bgp_advertisement *world_advertisement(struct world *, const char *name); /* Service, exact, selects everything */
struct bfd_profile *world_bfd_profile(struct world *, const char *name);	  /* the defaults */
struct secret *world_secret(struct world *, const char *name, const char *password); /* "namespace/name" */
struct community_object *world_community(struct world *, const char *name, const char *alias, const char *value);

struct lb_node *world_lb_node(struct world *, const char *name); /* a ready agent that names nothing so far */
/* One more group: `peers` and `entries` are separated by blanks, an entry is "web/shop=192.0.2.1,2001:db8::1". */
struct lb_node_group *world_report(struct world *, struct lb_node *, bool programmed, const char *peers, const char *entries);

struct strings world_words(struct world *, const char *text); /* split at blanks */
struct selectors world_selectors(struct world *, const char *text); /* one entry, in kubectl's syntax */
void world_taint(struct world *, struct node *, const char *key, enum taint_effect);
void world_pod_cidrs(struct world *, struct node *, const char *prefixes); /* separated by blanks */
void world_label(struct world *, struct labels *, const char *key, const char *value); /* sets or replaces */

/* N services with one TCP port and M endpoints each, spread over nodes n0 .. n(nodes-1), half of them IPv6, and the pool
 * that holds their addresses. The same arguments give the same world. */
struct synthetic_options {
	size_t services, endpoints, nodes;
};
void world_synthetic(struct world *, const struct synthetic_options *);

#endif
