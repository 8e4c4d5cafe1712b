// SPDX-License-Identifier: Apache-2.0
/* Advertisements against pools, peers and nodes: see route_policy.h. */
#include "userspace/core/route_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"
#include "userspace/core/peers.h"
#include "userspace/core/routes.h"

#define EXCLUDE_LABEL	 "node.kubernetes.io/exclude-from-external-load-balancers"
#define AUTOSCALER_TAINT "ToBeDeletedByClusterAutoscaler"
#define CORDON_TAINT	 "node.kubernetes.io/unschedulable"

/* Without any BGPAdvertisement everything goes to every peer. */
static const struct bgp_advertisement announce_services = {
	.type = ADVERTISE_SERVICE, .aggregation_length = 32, .aggregation_length_v6 = 128
};
static const struct bgp_advertisement announce_pod_cidrs = {
	.type = ADVERTISE_POD_CIDR, .aggregation_length = 32, .aggregation_length_v6 = 128
};

/* Go's strconv.ParseBool, which Kubernetes uses for the label; what it can't parse excludes. */
static bool text_is_false(const char *text)
{
	static const char *const words[] = { "0", "f", "F", "FALSE", "false", "False" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

const char *node_why_no_services(const struct node *node)
{
	const char *exclude = labels_find(&node->meta.labels, EXCLUDE_LABEL);
	size_t i;

	if (node->meta.deleting)
		return "the node is being deleted";
	if (exclude && !text_is_false(exclude))
		return "the node carries the label " EXCLUDE_LABEL;
	if (node->network_unavailable)
		return "the node's condition NetworkUnavailable is True";
	for (i = 0; i < node->n_taints; i++)
		if (text_equal(node->taints[i].key, AUTOSCALER_TAINT))
			return "the node has the taint " AUTOSCALER_TAINT;
	return NULL; /* also when it is not ready: health checks decide about that; also when it is cordoned */
}

/* As the scheduler matches them (corev1.Toleration). */
static bool tolerates(const struct toleration *toleration, const struct taint *taint)
{
	bool every_key = !toleration->key || !*toleration->key;

	if (!toleration->any_effect && toleration->effect != taint->effect)
		return false;
	if (every_key)
		return toleration->exists;
	return text_equal(toleration->key, taint->key) &&
	       (toleration->exists ||
		text_equal(toleration->value ? toleration->value : "", taint->value ? taint->value : ""));
}

/* drainOnTaints: a NoSchedule or NoExecute taint that is not tolerated withdraws. The one that `kubectl cordon` sets does
 * not count: a bare cordon withdraws nothing, or cordoning every node (an upgrade's first step) would be an outage. */
static bool is_draining(const struct bgp_advertisement *advertisement, const struct node *node)
{
	const struct taint *taint;
	size_t i, j;

	if (!advertisement->drain_on_taints)
		return false;
	for (i = 0; i < node->n_taints; i++) {
		taint = &node->taints[i];
		if (taint->effect == TAINT_PREFER_NO_SCHEDULE || text_equal(taint->key, CORDON_TAINT))
			continue;
		for (j = 0; j < advertisement->n_tolerations; j++)
			if (tolerates(&advertisement->tolerations[j], taint))
				break;
		if (j == advertisement->n_tolerations)
			return true;
	}
	return false;
}

bool route_policy_selects_peer(const struct bgp_advertisement *advertisement, const struct bgp_peer *peer)
{
	return !advertisement->peers.n || strings_contain(&advertisement->peers, peer->meta.name);
}

bool route_policy_selects_everything(const struct bgp_advertisement *advertisement)
{
	return !advertisement->pools.n && !advertisement->pool_selectors.n;
}

bool route_policy_selects_pool(const struct bgp_advertisement *advertisement, const struct service_ip_pool *pool)
{
	return strings_contain(&advertisement->pools, pool->meta.name) ||
	       selectors_match_any(&advertisement->pool_selectors, &pool->meta.labels);
}

bool policy_peer_takes(const struct policy_peer *peer, enum addr_family family)
{
	return family == ADDR_IPV4 ? peer->object->ipv4 : peer->object->ipv6;
}

/* --- pools -------------------------------------------------------------------------------------------- */

static int range_compare(const void *a, const void *b)
{
	const struct addr_range *left = a, *right = b;

	return addr_compare(&left->first, &right->first);
}

/* Does `next` begin inside the range or right after it? */
static bool range_continues(const struct addr_range *range, const struct addr_range *next)
{
	addr_number last = addr_to_number(&range->last), first = addr_to_number(&next->first);

	return range->last.family == next->first.family && (first <= last || first - last == 1);
}

static size_t ranges_join(struct addr_range *ranges, size_t n)
{
	size_t i, kept = 0;

	if (!n)
		return 0;
	qsort(ranges, n, sizeof(*ranges), range_compare);
	for (i = 1; i < n; i++) {
		if (!range_continues(&ranges[kept], &ranges[i]))
			ranges[++kept] = ranges[i];
		else if (addr_compare(&ranges[i].last, &ranges[kept].last) > 0)
			ranges[kept].last = ranges[i].last;
	}
	return kept + 1;
}

static int pool_init(struct route_policy *policy, const struct service_ip_pool *object, struct policy_pool *ret)
{
	size_t i;

	ret->object = object;
	ret->ranges = arena_array(&policy->arena, object->addresses.n, sizeof(*ret->ranges));
	ret->nodes = arena_array(&policy->arena, policy->n_nodes, sizeof(*ret->nodes));
	if (!ret->ranges || !ret->nodes)
		return -ENOMEM;
	for (i = 0; i < object->addresses.n; i++) /* broken ranges are the allocator's to report: they hold nothing */
		if (addr_range_parse(object->addresses.items[i], &ret->ranges[ret->n_ranges]) == 0)
			ret->n_ranges++;
	ret->n_ranges = ranges_join(ret->ranges, ret->n_ranges);
	for (i = 0; i < policy->n_nodes; i++)
		ret->nodes[i] = selectors_match_any_or_empty(&object->node_selectors, &policy->nodes[i]->meta.labels);
	return 0;
}

static int pool_compare_age(const void *a, const void *b)
{
	const struct meta *left = &((const struct policy_pool *)a)->object->meta;
	const struct meta *right = &((const struct policy_pool *)b)->object->meta;

	if (left->created_sec != right->created_sec)
		return left->created_sec < right->created_sec ? -1 : 1;
	return strcmp(left->name, right->name);
}

static int pools_init(struct route_policy *policy, const struct cluster *cluster)
{
	size_t i;
	int r;

	policy->pools = arena_array(&policy->arena, cluster->n_pools, sizeof(*policy->pools));
	if (!policy->pools)
		return -ENOMEM;
	for (i = 0; i < cluster->n_pools; i++) {
		r = pool_init(policy, cluster->pools[i], &policy->pools[i]);
		if (r < 0)
			return r;
	}
	policy->n_pools = cluster->n_pools;
	if (policy->n_pools)
		qsort(policy->pools, policy->n_pools, sizeof(*policy->pools), pool_compare_age);
	return 0;
}

/* The last range that begins at or before the address. */
static const struct addr_range *pool_find_range(const struct policy_pool *pool, const struct addr *addr)
{
	size_t at = sorted_place(pool->n_ranges, i, addr_compare(&pool->ranges[i].first, addr) <= 0);

	return at ? &pool->ranges[at - 1] : NULL;
}

const struct policy_pool *route_policy_pool(const struct route_policy *policy, const struct addr *addr)
{
	const struct addr_range *range;
	size_t i;

	for (i = 0; i < policy->n_pools; i++) {
		range = pool_find_range(&policy->pools[i], addr);
		if (range && addr_range_contains(range, addr))
			return &policy->pools[i];
	}
	return NULL;
}

bool policy_pool_covers(const struct policy_pool *pool, const struct prefix *prefix)
{
	struct addr_range wanted = prefix_range(prefix);
	const struct addr_range *range = pool ? pool_find_range(pool, &wanted.first) : NULL;

	return range && addr_range_contains(range, &wanted.first) && addr_range_contains(range, &wanted.last);
}

/* --- advertisements ----------------------------------------------------------------------------------- */

static int compare_communities(const void *a, const void *b)
{
	return community_compare(a, b);
}

static int add_bad_community(const struct cluster *cluster, const struct bgp_advertisement *object, const char *text,
			     bool ambiguous, struct problems *problems)
{
	const struct community_object *refused = ambiguous ? NULL : community_refused_with(cluster, text);

	if (refused)
		return problems_add_object(problems, OBJECT_BGP_ADVERTISEMENT, &object->meta, "spec.communities",
					   "%s is not known: Community/%s, which gives it, was refused; the advertisement "
					   "is not used",
					   text, refused->meta.name);
	return problems_add_object(problems, OBJECT_BGP_ADVERTISEMENT, &object->meta, "spec.communities",
				   ambiguous ? "%s has different values in two Community objects: the advertisement is not used" :
					       "neither a community nor a known alias: %s; the advertisement is not used",
				   text);
}

/* Resolved, into an array with room for all. Not usable if one of them is not known: the advertisement is not used at all
 * then, for a missing no-export would leak. */
static int resolve_communities(const struct cluster *cluster, const struct bgp_advertisement *object,
			       struct community *communities, bool *ret_usable, struct problems *problems)
{
	size_t i;
	int r;

	*ret_usable = true;
	for (i = 0; i < object->communities.n; i++) {
		r = community_resolve(cluster, object->communities.items[i], &communities[i]);
		if (r == 0)
			continue;
		*ret_usable = false;
		r = add_bad_community(cluster, object, object->communities.items[i], r == -EEXIST, problems);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_references(const struct cluster *cluster, const struct bgp_advertisement *object, struct problems *problems)
{
	size_t i;
	int r = 0;

	for (i = 0; i < object->peers.n && r == 0; i++)
		if (!cluster_find_peer(cluster, object->peers.items[i]))
			r = problems_add_object(problems, OBJECT_BGP_ADVERTISEMENT, &object->meta, "spec.peers",
						"BGPPeer/%s not found: nothing is announced to it",
						object->peers.items[i]);
	for (i = 0; i < object->pools.n && r == 0; i++)
		if (!cluster_find_pool(cluster, object->pools.items[i]))
			r = problems_add_object(problems, OBJECT_BGP_ADVERTISEMENT, &object->meta, "spec.serviceIPPools",
						"ServiceIPPool/%s not found: it selects no address", object->pools.items[i]);
	return r;
}

static int check_into(struct arena *arena, const struct cluster *cluster, const struct bgp_advertisement *object,
		      struct community **ret_communities, bool *ret_usable, struct problems *problems)
{
	int r;

	*ret_communities = arena_array(arena, object->communities.n, sizeof(**ret_communities));
	if (!*ret_communities)
		return -ENOMEM;
	r = resolve_communities(cluster, object, *ret_communities, ret_usable, problems);
	return r < 0 ? r : check_references(cluster, object, problems);
}

int route_policy_check(const struct cluster *cluster, const struct bgp_advertisement *object, struct problems *problems,
		       bool *ret_usable)
{
	cleanup(arena_done) struct arena scratch = { 0 };
	struct community *communities;

	return check_into(&scratch, cluster, object, &communities, ret_usable, problems);
}

static void sort_communities(struct policy_advert *advert)
{
	size_t i, kept = 0, n = advert->object->communities.n;

	if (!n)
		return;
	qsort(advert->communities, n, sizeof(*advert->communities), compare_communities);
	for (i = 1; i < n; i++)
		if (community_compare(&advert->communities[kept], &advert->communities[i]))
			advert->communities[++kept] = advert->communities[i];
	advert->n_communities = kept + 1;
}

/* The usable peers of any node, found once. 0 or -ENOMEM. */
static int node_peers(struct route_policy *policy, const struct cluster *cluster, const struct plan_options *options,
		      size_t node, const struct policy_node_peers **ret)
{
	struct policy_node_peers *peers;
	int r;

	if (!policy->node_peers)
		policy->node_peers = arena_array(&policy->arena, policy->n_nodes, sizeof(*policy->node_peers));
	if (!policy->node_peers)
		return -ENOMEM;
	*ret = peers = &policy->node_peers[node];
	if (peers->known)
		return 0;
	r = peers_usable(&policy->arena, cluster, policy->nodes[node], options->secret_namespace, &peers->items,
			 &peers->n, NULL);
	peers->known = r == 0;
	return r;
}

/* Does anybody ask which of the other nodes may announce under it? */
static bool asks_about_others(const struct route_policy *policy, const struct bgp_advertisement *object)
{
	return object->max_next_hops ||
	       (object->type == ADVERTISE_SERVICE && policy->n_nodes > ROUTE_REPORT_ALL_NODES);
}

/* Which nodes may announce under it: the node itself, nodeSelectors, drainOnTaints, and a peer to announce to. */
static int advert_nodes(struct route_policy *policy, const struct cluster *cluster, const struct plan_options *options,
			struct policy_advert *advert)
{
	const struct bgp_advertisement *object = advert->object;
	const struct policy_node_peers *peers;
	size_t i, j;
	int r;

	for (i = 0; i < 2; i++) {
		advert->nodes[i] = arena_array(&policy->arena, policy->n_nodes, sizeof(bool));
		if (!advert->nodes[i])
			return -ENOMEM;
	}
	for (i = 0; i < policy->n_nodes; i++) {
		const struct node *node = policy->nodes[i];

		if (!selectors_match_any_or_empty(&object->node_selectors, &node->meta.labels))
			continue;
		if (object->type == ADVERTISE_SERVICE && (node_why_no_services(node) || is_draining(object, node)))
			continue;
		if (i != policy->self && !asks_about_others(policy, object))
			continue;
		r = node_peers(policy, cluster, options, i, &peers);
		if (r < 0)
			return r;
		for (j = 0; j < peers->n; j++)
			if (route_policy_selects_peer(object, peers->items[j])) {
				advert->nodes[0][i] |= peers->items[j]->ipv4;
				advert->nodes[1][i] |= peers->items[j]->ipv6;
			}
	}
	return 0;
}

static int advert_init(struct route_policy *policy, const struct cluster *cluster, const struct plan_options *options,
		       struct policy_advert *advert)
{
	const struct bgp_advertisement *object = advert->object;
	size_t i;

	advert->peers = arena_array(&policy->arena, policy->n_peers, sizeof(bool));
	if (!advert->peers)
		return -ENOMEM;
	for (i = 0; i < policy->n_peers; i++)
		advert->peers[i] = route_policy_selects_peer(object, policy->peers[i].object);
	if (!route_policy_selects_everything(object)) {
		advert->pools = arena_array(&policy->arena, policy->n_pools, sizeof(bool));
		if (!advert->pools)
			return -ENOMEM;
		for (i = 0; i < policy->n_pools; i++)
			advert->pools[i] = route_policy_selects_pool(object, policy->pools[i].object);
	}
	return advert_nodes(policy, cluster, options, advert);
}

static int adverts_init(struct route_policy *policy, const struct cluster *cluster, const struct plan_options *options)
{
	struct policy_advert *advert;
	bool usable;
	size_t i;
	int r;

	policy->adverts = arena_array(&policy->arena, cluster->n_advertisements + 2, sizeof(*policy->adverts));
	if (!policy->adverts)
		return -ENOMEM;
	for (i = 0; i < cluster->n_advertisements; i++) {
		if (cluster->advertisements[i]->unusable)
			continue;
		advert = &policy->adverts[policy->n_adverts];
		advert->object = cluster->advertisements[i];
		r = check_into(&policy->arena, cluster, advert->object, &advert->communities, &usable, &policy->problems);
		if (r < 0)
			return r;
		if (!usable)
			continue;
		sort_communities(advert);
		policy->n_adverts++;
	}
	/* One object that can't be used is still one: it must not open everything. */
	if (!cluster->n_advertisements) {
		policy->adverts[policy->n_adverts++] = (struct policy_advert){ .object = &announce_services };
		policy->adverts[policy->n_adverts++] = (struct policy_advert){ .object = &announce_pod_cidrs };
	}
	for (i = 0; i < policy->n_adverts; i++) {
		r = advert_init(policy, cluster, options, &policy->adverts[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static int nodes_init(struct route_policy *policy, const struct cluster *cluster, const char *name)
{
	size_t i;

	policy->self = SIZE_MAX;
	policy->nodes = arena_array(&policy->arena, cluster->n_nodes, sizeof(*policy->nodes));
	if (!policy->nodes)
		return -ENOMEM;
	for (i = 0; i < cluster->n_nodes; i++) {
		policy->nodes[i] = cluster->nodes[i];
		if (text_equal(cluster->nodes[i]->meta.name, name))
			policy->self = i;
	}
	policy->n_nodes = cluster->n_nodes;
	return 0;
}

static int peers_init(struct route_policy *policy, const struct cluster *cluster, const struct plan_options *options)
{
	const struct node *node = policy->self == SIZE_MAX ? NULL : policy->nodes[policy->self];
	const struct bgp_peer **peers;
	size_t i, n;
	int r;

	r = peers_usable(&policy->arena, cluster, node, options->secret_namespace, &peers, &n, &policy->problems);
	if (r < 0)
		return r;
	policy->peers = arena_array(&policy->arena, n, sizeof(*policy->peers));
	if (!policy->peers)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		policy->peers[i] = (struct policy_peer){ .object = peers[i], .internal = peer_is_internal(peers[i]) };
	policy->n_peers = n;
	return 0;
}

int route_policy_init(const struct cluster *cluster, const struct plan_options *options, struct route_policy *ret)
{
	cleanup(route_policy_done) struct route_policy policy = { 0 };
	int r;

	r = nodes_init(&policy, cluster, options->node);
	if (r == 0)
		r = peers_init(&policy, cluster, options);
	if (r == 0)
		r = pools_init(&policy, cluster);
	if (r == 0)
		r = adverts_init(&policy, cluster, options);
	if (r == 0)
		r = communities_check(cluster, &policy.problems);
	if (r < 0)
		return r;
	*ret = policy;
	policy = (struct route_policy){ 0 };
	return 0;
}

void route_policy_done(struct route_policy *policy)
{
	if (!policy)
		return;
	arena_done(&policy->arena);
	problems_done(&policy->problems);
	*policy = (struct route_policy){ 0 };
}
