// SPDX-License-Identifier: Apache-2.0
/* One BGPAdvertisement against the cluster: see advertisement_status.h. */
#include "ipam/advertisement_status.h"

#include <errno.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/peers.h"
#include "userspace/core/plan.h"
#include "userspace/core/route_policy.h"

#define PROBLEMS_MAX 5 /* of which the message tells */

/* --- Valid --------------------------------------------------------------------------------------------- */

static const char *reason_of(const struct problem *problem)
{
	static const struct {
		const char *field, *reason;
	} reasons[] = { { "spec.communities", "UnknownCommunity" },
			{ "spec.peers", "PeerNotFound" },
			{ "spec.serviceIPPools", "PoolNotFound" } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (text_equal(problem->field, reasons[i].field))
			return reasons[i].reason;
	return "Invalid";
}

static void append_problems(struct strbuf *out, const struct problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n && i < PROBLEMS_MAX; i++)
		strbuf_appendf(out, "%s%s: %s", i ? "; " : "", problems->items[i].field,
			       problems->items[i].message);
	if (i < problems->n)
		strbuf_appendf(out, "; and %zu more", problems->n - i);
}

/* Of what keeps it from being used as of what it lacks; communities come first. */
static int judge_valid(const struct bgp_advertisement *advertisement, const struct cluster *cluster,
		       struct strbuf *message, struct condition_want *ret)
{
	cleanup(problems_done) struct problems problems = { 0 };
	bool usable;
	int r;

	*ret = condition_valid(
		&advertisement->meta,
		"nodes that have read its last good version go on with that, one that starts anew announces "
		"nothing by it",
		message);
	if (advertisement->meta.refused)
		return 0;
	r = route_policy_check(cluster, advertisement, &problems, &usable);
	if (r < 0)
		return r;
	append_problems(message, &problems);
	ret->status = problems.n ? CONDITION_FALSE : CONDITION_TRUE;
	ret->reason = problems.n ? reason_of(&problems.items[0]) : "Valid";
	return 0;
}

/* --- Selecting ----------------------------------------------------------------------------------------- */

enum lack { LACK_NOTHING, LACK_POOLS, LACK_NODES, LACK_PEERS, LACK_SERVICES };

static const struct {
	const char *reason, *message;
} lacks[] = {
	[LACK_NOTHING] = { "Selecting", "" },
	[LACK_POOLS] = { "NoPools", "neither serviceIPPools nor serviceIPPoolSelectors select a "
				    "ServiceIPPool that exists" },
	[LACK_NODES] = { "NoNodes", "its nodeSelectors select no node" },
	[LACK_PEERS] = { "NoPeers",
			 "no usable BGPPeer that it selects has one of its nodes: see its peers and "
			 "nodeSelectors, and those of the BGPPeers" },
	[LACK_SERVICES] = { "NoServices",
			    "no Service that its serviceSelectors select has an address of its pools" },
};

static bool selects_a_pool(const struct bgp_advertisement *advertisement, const struct cluster *cluster)
{
	size_t i;

	if (route_policy_selects_everything(advertisement))
		return true;
	for (i = 0; i < cluster->n_pools; i++)
		if (route_policy_selects_pool(advertisement, cluster->pools[i]))
			return true;
	return false;
}

static bool has_peer(const struct bgp_advertisement *advertisement, const struct cluster *cluster,
		     const struct node *node)
{
	size_t i;

	for (i = 0; i < cluster->n_peers; i++)
		if (route_policy_selects_peer(advertisement, cluster->peers[i]) &&
		    peer_selects_node(cluster->peers[i], node) && peer_is_sound(cluster->peers[i]))
			return true;
	return false;
}

static enum lack lack_of_nodes(const struct bgp_advertisement *advertisement, const struct cluster *cluster)
{
	enum lack lack = LACK_NODES;
	size_t i;

	for (i = 0; i < cluster->n_nodes; i++) {
		if (!selectors_match_any_or_empty(&advertisement->node_selectors,
						  &cluster->nodes[i]->meta.labels))
			continue;
		if (has_peer(advertisement, cluster, cluster->nodes[i]))
			return LACK_NOTHING;
		lack = LACK_PEERS;
	}
	return lack;
}

static bool has_address(const struct bgp_advertisement *advertisement, const struct cluster *cluster,
			const struct service *service)
{
	const struct service_ip_pool *pool;
	size_t i;

	for (i = 0; i < service->n_ingress; i++) {
		if (service->ingress[i].addr.family == ADDR_NONE)
			continue;
		if (route_policy_selects_everything(advertisement))
			return true;
		pool = cluster_pool_of_address(cluster, &service->ingress[i].addr);
		if (pool && route_policy_selects_pool(advertisement, pool))
			return true;
	}
	return false;
}

static bool selects_a_service(const struct bgp_advertisement *advertisement, const struct cluster *cluster,
			      bool default_class)
{
	size_t i;

	for (i = 0; i < cluster->n_services; i++) {
		const struct service *service = cluster->services[i];

		if (service_is_ours(service, default_class) && !service->meta.deleting &&
		    selectors_match_any_or_empty(&advertisement->service_selectors, &service->meta.labels) &&
		    has_address(advertisement, cluster, service))
			return true;
	}
	return false;
}

static enum lack lack_of(const struct bgp_advertisement *advertisement, const struct cluster *cluster,
			 bool default_class)
{
	bool services = advertisement->type == ADVERTISE_SERVICE;
	enum lack lack;

	if (services && !selects_a_pool(advertisement, cluster))
		return LACK_POOLS;
	lack = lack_of_nodes(advertisement, cluster);
	if (lack == LACK_NOTHING && services && !selects_a_service(advertisement, cluster, default_class))
		lack = LACK_SERVICES;
	return lack;
}

static struct condition_want judge_selecting(const struct bgp_advertisement *advertisement,
					     const struct cluster *cluster, bool default_class)
{
	struct condition_want want = { .type = "Selecting", .status = CONDITION_UNKNOWN };
	enum lack lack;

	if (advertisement->meta.refused) {
		want.reason = "Refused";
		want.message = "it could not be read";
		return want;
	}
	lack = lack_of(advertisement, cluster, default_class);
	want.status = lack == LACK_NOTHING ? CONDITION_TRUE : CONDITION_FALSE;
	want.reason = lacks[lack].reason;
	want.message = lacks[lack].message;
	return want;
}

/* ------------------------------------------------------------------------------------------------------- */

int advertisement_status_patch(struct strbuf *out, const struct bgp_advertisement *advertisement,
			       const struct cluster *cluster, bool default_class, int64_t now_sec)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct condition_want wants[2];
	int r = judge_valid(advertisement, cluster, &message, &wants[0]);

	if (r < 0)
		return r;
	wants[0].message = strbuf_text(&message);
	wants[1] = judge_selecting(advertisement, cluster, default_class);
	conditions_status_patch(out, &advertisement->meta, wants, ARRAY_SIZE(wants), now_sec);
	return strbuf_failed(out) || strbuf_failed(&message) ? -ENOMEM : 0;
}
