// SPDX-License-Identifier: Apache-2.0
/* Frontends that a service asks for: see frontends.h. */
#include "userspace/core/frontends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

#define LABEL_PROXY_NAME "service.kubernetes.io/service-proxy-name"

void drafts_done(struct drafts *drafts)
{
	free(drafts->items);
	*drafts = (struct drafts){ 0 };
}

void drafts_trim(struct drafts *drafts)
{
	struct draft *items = realloc(drafts->items, (drafts->n ? drafts->n : 1) * sizeof(*items));

	if (!items)
		return; /* they stay where they are */
	drafts->items = items;
	drafts->capacity = drafts->n ? drafts->n : 1;
}

bool service_is_ours(const struct service *service, bool default_class)
{
	if (service->type != SERVICE_LOAD_BALANCER || service->unusable)
		return false;
	if (!service->load_balancer_class)
		return default_class;
	return !strcmp(service->load_balancer_class, FAIRWAY_CLASS);
}

/* --- addresses that belong to somebody  --- */

static int own_compare(const void *a, const void *b)
{
	const struct own_address *left = a, *right = b;
	int order = addr_compare(&left->addr, &right->addr);

	if (!order)
		order = strcmp(left->whose, right->whose);
	return order ? order : left->router - right->router;
}

static int own_add(struct arena *arena, struct own_addresses *own, const struct addr *addr, const char *what,
		   const char *name, bool router)
{
	char *whose;

	if (addr->family == ADDR_NONE)
		return 0;
	if (array_reserve(own->items, own->n, own->capacity) < 0)
		return -ENOMEM;
	whose = arena_alloc(arena, strlen(what) + strlen(name) + 1);
	if (!whose)
		return -ENOMEM;
	strcat(strcpy(whose, what), name);
	own->items[own->n++] = (struct own_address){ *addr, whose, router };
	return 0;
}

static int own_collect(struct arena *arena, const struct cluster *cluster, const struct plan_options *options,
		       struct own_addresses *own)
{
	const struct node *node;
	size_t i, j;
	int r = 0;

	for (i = 0; r == 0 && i < cluster->n_nodes; i++) {
		node = cluster->nodes[i];
		for (j = 0; r == 0 && j < node->n_addresses; j++)
			r = own_add(arena, own, &node->addresses[j], "node ", node->meta.name, false);
		for (j = 0; r == 0 && j < node->n_internal_ips; j++)
			r = own_add(arena, own, &node->internal_ips[j], "node ", node->meta.name, false);
	}
	for (i = 0; r == 0 && i < options->n_extra_addresses; i++)
		r = own_add(arena, own, &options->extra_addresses[i], "an interface of this node", "", false);
	for (i = 0; r == 0 && i < cluster->n_peers; i++)
		r = own_add(arena, own, &cluster->peers[i]->peer_address, "BGPPeer ",
			    cluster->peers[i]->meta.name, true);
	return r;
}

int own_addresses_collect(struct arena *arena, const struct cluster *cluster,
			  const struct plan_options *options, struct own_addresses *ret)
{
	struct own_addresses own = { 0 };
	int r = own_collect(arena, cluster, options, &own);

	if (r < 0) {
		free(own.items);
		return r;
	}
	if (own.n)
		qsort(own.items, own.n, sizeof(*own.items), own_compare);
	*ret = own;
	return 0;
}

const struct own_address *own_addresses_find(const struct own_addresses *own, const struct addr *addr)
{
	size_t at = sorted_place(own->n, i, addr_compare(&own->items[i].addr, addr) < 0);

	return at < own->n && addr_equal(&own->items[at].addr, addr) ? &own->items[at] : NULL;
}

/* --- families
 * ----------------------------------------------------------------------------------------------- */

static void families_add(struct families *families, const struct addr *addr)
{
	families->v4 |= addr->family == ADDR_IPV4;
	families->v6 |= addr->family == ADDR_IPV6;
}

bool families_have(const struct families *families, enum addr_family family)
{
	return (family == ADDR_IPV4 && families->v4) || (family == ADDR_IPV6 && families->v6);
}

/* The cluster IP of a family is the one in the place that spec.ipFamilies gives it (S0.4). */
static struct addr cluster_ip_of_family(const struct service *service, enum addr_family family)
{
	size_t i;

	for (i = 0; i < service->n_cluster_ips; i++)
		if (service->cluster_ips[i].family == family &&
		    (!service->n_ip_families ||
		     (i < service->n_ip_families && service->ip_families[i] == family)))
			return service->cluster_ips[i];
	return (struct addr){ 0 };
}

static bool has_cluster_ip(const struct service *service)
{
	size_t i;

	for (i = 0; i < service->n_cluster_ips; i++)
		if (service->cluster_ips[i].family != ADDR_NONE)
			return true;
	return false;
}

static bool is_proxied(const struct service *service, const struct plan_options *options)
{
	if (service->type == SERVICE_EXTERNAL_NAME || service->headless ||
	    labels_find(&service->meta.labels, LABEL_PROXY_NAME))
		return false;
	return options->full_proxy || service_is_ours(service, options->default_class);
}

struct families service_families(const struct service *service, const struct plan_options *options)
{
	struct families families = { 0 };
	size_t i;

	if (!is_proxied(service, options))
		return families;
	if (has_cluster_ip(service)) {
		families.v4 = cluster_ip_of_family(service, ADDR_IPV4).family != ADDR_NONE;
		families.v6 = cluster_ip_of_family(service, ADDR_IPV6).family != ADDR_NONE;
	} else if (service->type == SERVICE_LOAD_BALANCER) { /* manifests: the families of its addresses */
		for (i = 0; i < service->n_ingress; i++)
			families_add(&families, &service->ingress[i].addr);
	}
	return families;
}

/* --- drafts
 * ------------------------------------------------------------------------------------------------- */

struct maker {
	const struct cluster *cluster;
	const struct plan_options *options;
	const struct own_addresses *own;
	const struct service *service;
	struct families families;
	struct drafts drafts;
	struct problems *problems; /* NULL: nobody listens */
};

char *draft_field(const struct draft *draft, char buffer[static DRAFT_FIELD_MAX])
{
	switch (draft->type) {
	case FRONTEND_LOAD_BALANCER:
		snprintf(buffer, DRAFT_FIELD_MAX, "status.loadBalancer.ingress[%zu].ip", draft->source);
		break;
	case FRONTEND_EXTERNAL_IP:
		snprintf(buffer, DRAFT_FIELD_MAX, "spec.externalIPs[%zu]", draft->source);
		break;
	case FRONTEND_NODE_PORT:
		snprintf(buffer, DRAFT_FIELD_MAX, "spec.ports[%zu].nodePort", draft->service_port);
		break;
	case FRONTEND_CLUSTER_IP:
		snprintf(buffer, DRAFT_FIELD_MAX, "spec.clusterIPs");
		break;
	}
	return buffer;
}

static int report(struct maker *maker, const char *field, const char *value, const char *why)
{
	if (!maker->problems)
		return 0;
	return problems_add_object(maker->problems, OBJECT_SERVICE, &maker->service->meta, field,
				   "%s %s: not served; the service's other addresses are", value, why);
}

static int add(struct maker *maker, enum frontend_type type, const struct addr *addr, size_t source,
	       size_t port, uint16_t number)
{
	struct drafts *drafts = &maker->drafts;

	if (array_reserve(drafts->items, drafts->n, drafts->capacity) < 0)
		return -ENOMEM;
	drafts->items[drafts->n++] = (struct draft){
		.type = type,
		.addr = *addr,
		.port = number,
		.protocol = maker->service->ports[port].protocol,
		.service_port = port,
		.source = source,
	};
	return 0;
}

static int add_all_ports(struct maker *maker, enum frontend_type type, const struct addr *addr, size_t source)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < maker->service->n_ports; i++)
		r = add(maker, type, addr, source, i, maker->service->ports[i].port);
	return r;
}

/* An address that cannot be one or belongs to somebody is refused; 0 with *ret_fine false, 0 or -ENOMEM. A
 * node may lend its own address as an external IP (the administrator wrote it), never as a VIP. */
static int vet(struct maker *maker, const struct draft *draft, bool *ret_fine)
{
	const char *unusable = addr_why_unusable(&draft->addr);
	const struct own_address *own = own_addresses_find(maker->own, &draft->addr);
	char field[DRAFT_FIELD_MAX], text[ADDR_TEXT_MAX], why[400];

	*ret_fine = false;
	draft_field(draft, field);
	addr_format(&draft->addr, text);
	if (unusable) {
		snprintf(why, sizeof(why), "is %s%s", strchr("aeiouI", unusable[0]) ? "an " : "a ", unusable);
		return report(maker, field, text, strcat(why, " address"));
	}
	if (own && (own->router || draft->type == FRONTEND_LOAD_BALANCER)) {
		snprintf(why, sizeof(why), "is the own address of %s", own->whose);
		return report(maker, field, text, why);
	}
	*ret_fine = true;
	return 0;
}

static int add_load_balancer(struct maker *maker)
{
	const struct service *service = maker->service;
	bool fine;
	size_t i;
	int r;

	/* One that is being deleted is withdrawn as if it were gone; its status keeps the addresses until every node has. */
	if (service->type != SERVICE_LOAD_BALANCER || service->meta.deleting)
		return 0;
	for (i = 0; i < service->n_ingress; i++) {
		const struct ingress_address *ingress = &service->ingress[i];
		struct draft draft = { .type = FRONTEND_LOAD_BALANCER, .addr = ingress->addr, .source = i };

		if (ingress->proxy_mode || !families_have(&maker->families, ingress->addr.family))
			continue;
		r = vet(maker, &draft, &fine);
		if (r == 0 && fine)
			r = add_all_ports(maker, FRONTEND_LOAD_BALANCER, &ingress->addr, i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_external_ips(struct maker *maker)
{
	const struct strings *texts = &maker->service->external_ips;
	struct draft draft = { .type = FRONTEND_EXTERNAL_IP };
	char field[DRAFT_FIELD_MAX];
	bool fine;
	size_t i;
	int r;

	for (i = 0; i < texts->n; i++) {
		draft.source = i;
		if (addr_parse(texts->items[i], &draft.addr) < 0) {
			r = report(maker, draft_field(&draft, field), texts->items[i], "is not an address");
		} else if (!families_have(&maker->families, draft.addr.family)) {
			continue;
		} else {
			r = vet(maker, &draft, &fine);
			if (r == 0 && fine)
				r = add_all_ports(maker, FRONTEND_EXTERNAL_IP, &draft.addr, i);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_node_ports(struct maker *maker)
{
	const struct node *node = cluster_find_node(maker->cluster, maker->options->node);
	const struct service *service = maker->service;
	size_t i, j;
	int r = 0;

	if (!node || (service->type != SERVICE_NODE_PORT && service->type != SERVICE_LOAD_BALANCER))
		return 0;
	for (i = 0; i < node->n_internal_ips; i++) {
		if (!families_have(&maker->families, node->internal_ips[i].family))
			continue;
		for (j = 0; r == 0 && j < service->n_ports; j++)
			if (service->ports[j].node_port)
				r = add(maker, FRONTEND_NODE_PORT, &node->internal_ips[i], 0, j,
					service->ports[j].node_port);
	}
	return r;
}

static int add_cluster_ips(struct maker *maker)
{
	static const enum addr_family families[] = { ADDR_IPV4, ADDR_IPV6 };
	struct addr addr;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		addr = cluster_ip_of_family(maker->service, families[i]);
		if (addr.family != ADDR_NONE)
			r = add_all_ports(maker, FRONTEND_CLUSTER_IP, &addr, 0);
	}
	return r;
}

static int place_compare(const struct draft *a, const struct draft *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	if (order)
		return order;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (a->protocol > b->protocol) - (a->protocol < b->protocol);
}

/* Equal places together, the one that is kept first: the earlier type, then the earlier port and source. */
static int draft_compare_by_place(const void *a, const void *b)
{
	const struct draft *left = a, *right = b;
	int order = place_compare(left, right);

	if (order)
		return order;
	if (left->type != right->type)
		return left->type < right->type ? -1 : 1;
	if (left->service_port != right->service_port)
		return left->service_port < right->service_port ? -1 : 1;
	return (left->source > right->source) - (left->source < right->source);
}

static int draft_compare_by_type(const void *a, const void *b)
{
	const struct draft *left = a, *right = b;

	if (left->type != right->type)
		return left->type < right->type ? -1 : 1;
	return place_compare(left, right);
}

static int report_twice(struct maker *maker, const struct draft *draft, size_t first)
{
	char field[48];

	if (!maker->problems)
		return 0;
	snprintf(field, sizeof(field), "spec.ports[%zu]", draft->service_port);
	return problems_add_object(maker->problems, OBJECT_SERVICE, &maker->service->meta, field,
				   "port %u/%s stands in ports[%zu] already: that one is served", draft->port,
				   l4_protocol_name(draft->protocol), first);
}

static int sort_unique(struct maker *maker)
{
	struct draft *items = maker->drafts.items;
	size_t i, kept = 0;
	int r;

	if (!maker->drafts.n)
		return 0;
	qsort(items, maker->drafts.n, sizeof(*items), draft_compare_by_place);
	for (i = 1; i < maker->drafts.n; i++) {
		if (place_compare(&items[kept], &items[i])) {
			items[++kept] = items[i];
		} else if (items[kept].type == items[i].type &&
			   items[kept].service_port != items[i].service_port) {
			r = report_twice(maker, &items[i], items[kept].service_port);
			if (r < 0)
				return r;
		}
	}
	maker->drafts.n = kept + 1;
	qsort(items, maker->drafts.n, sizeof(*items), draft_compare_by_type);
	return 0;
}

int ports_check(const struct service *service, struct problems *problems)
{
	size_t i, n = 0;

	for (i = 0; i < service->n_ports; i++)
		n += service->ports[i].protocol == L4_SCTP;
	if (!n)
		return 0;
	if (n == service->n_ports)
		return problems_add_object(problems, OBJECT_SERVICE, &service->meta, "spec.ports",
					   "SCTP is not carried, and no port has another protocol: nothing is "
					   "served or announced; write TCP or UDP");
	return problems_add_object(problems, OBJECT_SERVICE, &service->meta, "spec.ports",
				   "SCTP is not carried: %zu of %zu ports are not served, the others are; "
				   "write TCP or UDP",
				   n, service->n_ports);
}

int drafts_make(const struct cluster *cluster, const struct plan_options *options,
		const struct own_addresses *own, const struct service *service, struct drafts *ret,
		struct problems *problems)
{
	struct maker maker = { cluster, options, own, service, service_families(service, options),
			       { 0 },	problems };
	int r;

	if (!maker.families.v4 && !maker.families.v6) {
		*ret = (struct drafts){ 0 };
		return 0;
	}
	r = add_load_balancer(&maker);
	if (r == 0 && options->full_proxy)
		r = add_external_ips(&maker);
	if (r == 0 && options->full_proxy)
		r = add_node_ports(&maker);
	if (r == 0 && options->full_proxy)
		r = add_cluster_ips(&maker);
	if (r == 0)
		r = sort_unique(&maker);
	if (r < 0) {
		drafts_done(&maker.drafts);
		return r;
	}
	*ret = maker.drafts;
	return 0;
}
