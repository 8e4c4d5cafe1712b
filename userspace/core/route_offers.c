// SPDX-License-Identifier: Apache-2.0
/* One service against every advertisement: see route_offers.h. */
#include "userspace/core/route_offers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"
#include "userspace/core/annotations.h"
#include "userspace/core/rendezvous.h"
#include "userspace/core/routes.h"

#define SELECTOR_QUOTED_MAX 100 /* of a tenant's text in a message that ends with what is wrong */

struct candidate { /* a service in one family, asked about nodes */
	const struct route_policy *policy;
	const struct service *service;
	struct selector node_selector; /* its annotation's; none: every node */
	struct endpoint_nodes endpoints;
	enum traffic_policy traffic_policy;
};

int route_offer_compare(const struct route_offer *a, const struct route_offer *b)
{
	int order = prefix_compare(&a->prefix, &b->prefix);

	if (!order)
		order = a->advert < b->advert ? -1 : a->advert > b->advert;
	return order;
}

static int offer_compare(const void *a, const void *b)
{
	return route_offer_compare(a, b);
}

static void offers_sort(struct route_offers *offers)
{
	size_t i, kept = 0;

	if (offers->n < 2)
		return;
	qsort(offers->items, offers->n, sizeof(*offers->items), offer_compare);
	for (i = 1; i < offers->n; i++)
		if (route_offer_compare(&offers->items[kept], &offers->items[i]))
			offers->items[++kept] = offers->items[i];
	offers->n = kept + 1;
}

static int offers_add(struct route_offers *offers, const struct prefix *prefix, size_t advert)
{
	if (array_reserve(offers->items, offers->n, offers->capacity) < 0)
		return -ENOMEM;
	offers->items[offers->n++] = (struct route_offer){ .prefix = *prefix, .advert = advert };
	return 0;
}

static bool has_endpoint(const struct candidate *candidate, const char *node)
{
	size_t at = sorted_place(candidate->endpoints.nodes.n, i,
				 strcmp(candidate->endpoints.nodes.items[i], node) < 0);

	return at < candidate->endpoints.nodes.n && !strcmp(candidate->endpoints.nodes.items[at], node);
}

/* Every filter but maxNextHops. */
static bool node_qualifies(const struct candidate *candidate, const struct policy_advert *advert,
			   const struct policy_pool *pool, enum addr_family family, size_t node)
{
	const struct node *object = candidate->policy->nodes[node];

	if (!advert->nodes[family == ADDR_IPV6][node] || (pool && !pool->nodes[node]))
		return false;
	if (!selector_matches(&candidate->node_selector, &object->meta.labels))
		return false;
	if (candidate->traffic_policy == POLICY_LOCAL || advert->object->only_nodes_with_endpoints)
		return has_endpoint(candidate, object->meta.name);
	return candidate->endpoints.anywhere;
}

/* Is this node among the `limit` with the highest scores of those that qualify? */
static bool is_among_first(const struct candidate *candidate, const struct policy_advert *advert,
			   const struct policy_pool *pool, const struct prefix *prefix, uint32_t limit)
{
	const struct route_policy *policy = candidate->policy;
	uint64_t own, score;
	uint32_t before = 0;
	size_t i;

	own = rendezvous_score(policy->nodes[policy->self]->meta.name, prefix);
	for (i = 0; i < policy->n_nodes && before < limit; i++) {
		if (i == policy->self || !node_qualifies(candidate, advert, pool, prefix->addr.family, i))
			continue;
		score = rendezvous_score(policy->nodes[i]->meta.name, prefix);
		before += score > own || (score == own && i < policy->self);
	}
	return before < limit;
}

static bool is_next_hop(const struct candidate *candidate, const struct policy_advert *advert,
			const struct policy_pool *pool, const struct prefix *prefix)
{
	uint32_t limit = advert->object->max_next_hops;

	return !limit || is_among_first(candidate, advert, pool, prefix, limit);
}

/* Where this node announces nothing of a service, the first of all nodes tell why. */
static bool is_among_first_of_all(const struct route_policy *policy, const struct service_plan *plan)
{
	struct prefix prefix = { 0 };
	uint64_t own;
	uint32_t before = 0;
	size_t i;

	if (policy->self == SIZE_MAX || policy->n_nodes <= ROUTE_REPORT_ALL_NODES)
		return true;
	if (plan->n_vips)
		prefix = prefix_host(&plan->vips[0]);
	own = rendezvous_score(policy->nodes[policy->self]->meta.name, &prefix);
	for (i = 0; i < policy->n_nodes && before < ROUTE_REPORTERS; i++)
		before += i != policy->self &&
			  rendezvous_score(policy->nodes[i]->meta.name, &prefix) > own;
	return before < ROUTE_REPORTERS;
}

static bool advert_matches(const struct route_policy *policy, const struct policy_advert *advert,
			   const struct service *service, const struct policy_pool *pool)
{
	if (advert->object->type != ADVERTISE_SERVICE)
		return false;
	if (advert->pools && (!pool || !advert->pools[pool - policy->pools]))
		return false;
	return selectors_match_any_or_empty(&advert->object->service_selectors, &service->meta.labels);
}

/* The prefix in which an advertisement announces this VIP. An aggregate attracts traffic for each of its addresses to
 * each node that announces it: wrong for policy Local, and theft if some of them are not the pool's. */
static int advert_prefix(const struct candidate *candidate, const struct policy_advert *advert,
			 const struct policy_pool *pool, const struct addr *vip, struct prefix *ret,
			 struct problems *problems)
{
	const struct bgp_advertisement *object = advert->object;
	struct prefix host = prefix_host(vip), aggregate = host;
	char text[PREFIX_TEXT_MAX];

	*ret = host;
	aggregate.length = vip->family == ADDR_IPV4 ? object->aggregation_length : object->aggregation_length_v6;
	if (aggregate.length >= host.length || candidate->traffic_policy == POLICY_LOCAL)
		return 0;
	aggregate = prefix_mask(&aggregate);
	if (policy_pool_covers(pool, &aggregate)) {
		*ret = aggregate;
		return 0;
	}
	return problems_add_object(problems, OBJECT_BGP_ADVERTISEMENT, &object->meta,
				   vip->family == ADDR_IPV4 ? "spec.aggregationLength" : "spec.aggregationLengthV6",
				   "the aggregate %s is wider than %s%s: exact routes are announced",
				   prefix_format(&aggregate, text), pool ? "ServiceIPPool/" : "any pool",
				   pool ? pool->object->meta.name : "");
}

static int offer_vip(const struct candidate *candidate, const struct addr *vip, struct route_offers *offers,
		     struct problems *problems)
{
	const struct route_policy *policy = candidate->policy;
	const struct policy_pool *pool = route_policy_pool(policy, vip);
	const struct policy_advert *advert;
	struct prefix prefix;
	size_t i;
	int r;

	for (i = 0; i < policy->n_adverts; i++) {
		advert = &policy->adverts[i];
		if (!advert_matches(policy, advert, candidate->service, pool))
			continue;
		if (!node_qualifies(candidate, advert, pool, vip->family, policy->self))
			continue;
		r = advert_prefix(candidate, advert, pool, vip, &prefix, problems);
		if (r < 0)
			return r;
		if (!is_next_hop(candidate, advert, pool, &prefix))
			continue;
		r = offers_add(offers, &prefix, i);
		if (r < 0)
			return r;
		offers->reporter = offers->reporter || policy->n_nodes <= ROUTE_REPORT_ALL_NODES ||
				   is_among_first(candidate, advert, pool, &prefix, ROUTE_REPORTERS);
	}
	return 0;
}

int route_node_selector(struct arena *arena, const struct service *service, struct selector *ret, bool *ret_valid,
			struct problems *problems)
{
	const char *text = labels_find(&service->meta.annotations, ANNOTATION_NODE_SELECTOR), *why = "";
	cleanup(strbuf_done) struct strbuf quoted = { 0 };
	int r;

	*ret = (struct selector){ 0 };
	*ret_valid = true;
	if (!text)
		return 0;
	r = selector_parse(arena, text, ret, &why);
	if (r != -EINVAL)
		return r;
	*ret_valid = false;
	strbuf_append_escaped(&quoted, text, SELECTOR_QUOTED_MAX);
	if (strbuf_failed(&quoted))
		return -ENOMEM;
	return problems_add_object(problems, OBJECT_SERVICE, &service->meta, "metadata.annotations[" ANNOTATION_NODE_SELECTOR "]",
				   "%s: %s; the Service is announced from no node until this is mended", strbuf_text(&quoted), why);
}

static int offer_vips(const struct route_policy *policy, const struct cluster *cluster,
		      const struct plan_options *options, const struct service *service,
		      const struct service_plan *plan, struct route_offers *ret, struct problems *problems)
{
	cleanup(arena_done) struct arena scratch = { 0 };
	struct candidate candidate = { .policy = policy, .service = service, .traffic_policy = plan->external_policy };
	enum addr_family family = ADDR_NONE;
	bool valid;
	size_t i;
	int r;

	if (!plan->n_vips || service->meta.deleting || !service_is_ours(service, options->default_class))
		return 0;
	r = route_node_selector(&scratch, service, &candidate.node_selector, &valid, problems);
	if (r < 0 || !valid || policy->self == SIZE_MAX)
		return r;
	for (i = 0; i < plan->n_vips; i++) {
		if (plan->vips[i].family != family) { /* VIPs are sorted: once per family */
			family = plan->vips[i].family;
			r = endpoints_nodes(&scratch, cluster, service, family, &candidate.endpoints);
			if (r < 0)
				return r;
		}
		r = offer_vip(&candidate, &plan->vips[i], ret, problems);
		if (r < 0)
			return r;
	}
	offers_sort(ret);
	return 0;
}

int route_offers_of_service(const struct route_policy *policy, const struct cluster *cluster,
			    const struct plan_options *options, const struct service *service,
			    const struct service_plan *plan, struct route_offers *ret, struct problems *problems)
{
	int r;

	ret->reporter = false;
	r = offer_vips(policy, cluster, options, service, plan, ret, problems);
	if (r == 0 && !ret->n)
		ret->reporter = is_among_first_of_all(policy, plan);
	return r;
}

int route_offers_of_node(const struct route_policy *policy, struct route_offers *ret, struct problems *problems)
{
	const struct node *node;
	struct prefix prefix;
	size_t i, j;
	int r;

	if (policy->self == SIZE_MAX)
		return 0;
	node = policy->nodes[policy->self];
	for (i = 0; i < node->n_pod_cidrs; i++) {
		prefix = prefix_mask(&node->pod_cidrs[i]);
		if (!prefix.length) {
			r = problems_add_object(problems, OBJECT_NODE, &node->meta, "spec.podCIDRs",
						"a default route is no PodCIDR: not announced");
			if (r < 0)
				return r;
			continue;
		}
		for (j = 0; j < policy->n_adverts; j++) {
			if (policy->adverts[j].object->type != ADVERTISE_POD_CIDR ||
			    !policy->adverts[j].nodes[prefix.addr.family == ADDR_IPV6][policy->self])
				continue;
			r = offers_add(ret, &prefix, j);
			if (r < 0)
				return r;
		}
	}
	offers_sort(ret);
	return 0;
}
