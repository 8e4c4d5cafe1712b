// SPDX-License-Identifier: Apache-2.0
/* Each object against what it should say: see wants.h. */
#include "ipam/wants.h"

#include <errno.h>

#include "ipam/advertisement_status.h"
#include "ipam/peer_status.h"
#include "ipam/pool_status.h"
#include "ipam/valid_status.h"
#include "userspace/base/cleanup.h"

#define STRATEGIC "application/strategic-merge-patch+json"
#define MERGE	  "application/merge-patch+json"

static bool is_ready(const struct wants *wants, enum object_kind kind, const struct meta *meta)
{
	return wants->sink->is_ready(wants->userdata, kind, meta);
}

static bool has_room(const struct wants *wants, bool urgent)
{
	return wants->sink->has_room(wants->userdata, urgent);
}

static bool holds_back(const struct wants *wants)
{
	return wants->sink->holds_back(wants->userdata);
}

static int add(const struct wants *wants, const struct outbox_write *write)
{
	return wants->sink->add(wants->userdata, write);
}

/* --- Services ------------------------------------------------------------------------------------------- */

static int judge(const struct wants *wants, const struct allocation *allocation, struct arena *arena,
		 struct service_state *ret)
{
	cleanup(strbuf_done) struct strbuf name = { 0 };

	strbuf_appendf(&name, "%s/%s", allocation->namespace, allocation->name);
	if (strbuf_failed(&name))
		return -ENOMEM;
	return node_reports_judge(wants->reports, strbuf_text(&name), allocation->addresses,
				  allocation->n_addresses, arena, ret);
}

static int add_service_write(const struct wants *wants, const struct service *service,
			     const struct service_write *write)
{
	return add(wants, &(struct outbox_write){ .kind = OBJECT_SERVICE,
						  .meta = &service->meta,
						  .is_status = true,
						  .urgency = write->urgency,
						  .content_type = STRATEGIC,
						  .body = &write->body,
						  .service = write });
}

static int want_service(const struct wants *wants, const struct service *service,
			const struct allocation *allocation, struct arena *arena)
{
	cleanup(service_write_done) struct service_write write = { 0 };
	struct service_state state;
	bool shown = allocation->n_addresses && service_shows(service, allocation);
	bool settled = service_is_settled(service, allocation);
	int r;

	if (!has_room(wants, !settled))
		return 0; /* of 10,000 due ones hardly a hundred would leave before they are decided anew */
	if (settled && holds_back(wants))
		return 0;
	if (allocation->passing && service_shows(service, allocation))
		return 0; /* the write of the one that moves brings the next round */
	r = shown ? judge(wants, allocation, arena, &state) : 0;
	if (r == 0)
		r = service_write_decide(service, allocation, shown ? &state : NULL,
					 problem_book_find(wants->problems, &service->meta), wants->now_sec,
					 &write);
	return r < 0 || write.urgency == WRITE_NOTHING ? r : add_service_write(wants, service, &write);
}

static int want_services(const struct wants *wants)
{
	cleanup(arena_done) struct arena arena = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; i < wants->allocations->n_services && r == 0; i++) {
		const struct allocation *allocation = &wants->allocations->services[i];
		const struct service *service =
			cluster_find_service(wants->cluster, allocation->namespace, allocation->name);

		if (!service || service->meta.deleting || ledger_is_ahead(wants->ledger, service) ||
		    !is_ready(wants, OBJECT_SERVICE, &service->meta))
			continue;
		r = want_service(wants, service, allocation, &arena);
	}
	return r;
}

static int want_cleaning(const struct wants *wants, const struct service *service)
{
	cleanup(service_write_done) struct service_write write = { 0 };
	int r;

	if (!ledger_has_let_go(wants->ledger, service->meta.namespace, service->meta.name) ||
	    !is_ready(wants, OBJECT_SERVICE, &service->meta))
		return 0;
	r = service_write_clean(service, &write);
	return r < 0 ? r : add_service_write(wants, service, &write);
}

/* Of one that cannot be read: no allocation speaks of it. */
static int want_problem(const struct wants *wants, const struct service *service)
{
	const struct service_problem *problem = problem_book_find(wants->problems, &service->meta);
	cleanup(service_write_done) struct service_write write = { 0 };
	int r;

	if (!problem || service->meta.deleting || holds_back(wants) ||
	    !is_ready(wants, OBJECT_SERVICE, &service->meta))
		return 0;
	r = service_write_problem(service, problem, wants->now_sec, &write);
	return r < 0 || write.urgency == WRITE_NOTHING ? r : add_service_write(wants, service, &write);
}

static int want_cleanings(const struct wants *wants)
{
	size_t i;
	int r = 0;

	for (i = 0; i < wants->cluster->n_services && r == 0; i++)
		if (service_is_to_clean(wants->cluster->services[i], wants->default_class))
			r = want_cleaning(wants, wants->cluster->services[i]);
		else if (wants->cluster->services[i]->unusable)
			r = want_problem(wants, wants->cluster->services[i]);
	return r;
}

/* Of a status that is ours alone. */
static int add_status(const struct wants *wants, enum object_kind kind, const struct meta *meta,
		      enum write_urgency urgency, const struct strbuf *body)
{
	return add(wants, &(struct outbox_write){ .kind = kind,
						  .meta = meta,
						  .is_status = true,
						  .urgency = urgency,
						  .content_type = MERGE,
						  .body = body,
						  .seen_digest = meta->status_digest });
}

static int add_finalizer(const struct wants *wants, const struct service_ip_pool *pool,
			 const struct strbuf *body)
{
	return add(wants, &(struct outbox_write){ .kind = OBJECT_SERVICE_IP_POOL,
						  .meta = &pool->meta,
						  .urgency = WRITE_NOW,
						  .content_type = MERGE,
						  .body = body });
}

static int want_pool(const struct wants *wants, const struct service_ip_pool *pool,
		     const struct pool_usage *usage)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	int r = pool_finalizer_patch(&body, pool, usage);

	if (r < 0 || body.length)
		return r < 0 ? r : add_finalizer(wants, pool, &body);
	if (holds_back(wants))
		return 0;
	r = pool_status_patch(&body, pool, usage, wants->now_sec);
	return r < 0 ? r : add_status(wants, OBJECT_SERVICE_IP_POOL, &pool->meta, WRITE_SOON, &body);
}

static int want_pools(const struct wants *wants)
{
	size_t i;
	int r = 0;

	for (i = 0; i < wants->allocations->n_pools && r == 0; i++) {
		const struct pool_usage *usage = &wants->allocations->pools[i];
		const struct service_ip_pool *pool = cluster_find_pool(wants->cluster, usage->name);

		if (pool && is_ready(wants, OBJECT_SERVICE_IP_POOL, &pool->meta))
			r = want_pool(wants, pool, usage);
	}
	return r;
}

static int want_peers(const struct wants *wants)
{
	size_t i;
	int r = 0;

	for (i = 0; i < wants->cluster->n_peers && r == 0; i++) {
		cleanup(strbuf_done) struct strbuf body = { 0 };
		const struct bgp_peer *peer = wants->cluster->peers[i];
		bool counts_only;

		if (!is_ready(wants, OBJECT_BGP_PEER, &peer->meta))
			continue;
		r = peer_status_patch(&body, peer, wants->cluster, wants->reports, wants->now_sec,
				      &counts_only);
		if (r == 0) /* prefixes are counted with each Service, and who watches are all agents */
			r = add_status(wants, OBJECT_BGP_PEER, &peer->meta,
				       counts_only ? WRITE_LAZY : WRITE_SOON, &body);
	}
	return r;
}

static int want_advertisements(const struct wants *wants)
{
	size_t i;
	int r = 0;

	for (i = 0; i < wants->cluster->n_advertisements && r == 0; i++) {
		cleanup(strbuf_done) struct strbuf body = { 0 };
		const struct bgp_advertisement *advertisement = wants->cluster->advertisements[i];

		if (!is_ready(wants, OBJECT_BGP_ADVERTISEMENT, &advertisement->meta))
			continue;
		r = advertisement_status_patch(&body, advertisement, wants->cluster, wants->default_class,
					       wants->now_sec);
		if (r == 0)
			r = add_status(wants, OBJECT_BGP_ADVERTISEMENT, &advertisement->meta, WRITE_SOON,
				       &body);
	}
	return r;
}

static int want_valid(const struct wants *wants, enum object_kind kind, const struct meta *meta)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	int r;

	if (!is_ready(wants, kind, meta))
		return 0;
	r = valid_status_patch(&body, kind, meta, wants->now_sec);
	return r < 0 ? r : add_status(wants, kind, meta, WRITE_SOON, &body);
}

static int want_profiles_and_communities(const struct wants *wants)
{
	const struct cluster *cluster = wants->cluster;
	size_t i;
	int r = 0;

	for (i = 0; i < cluster->n_bfd_profiles && r == 0; i++)
		r = want_valid(wants, OBJECT_BFD_PROFILE, &cluster->bfd_profiles[i]->meta);
	for (i = 0; i < cluster->n_communities && r == 0; i++)
		r = want_valid(wants, OBJECT_COMMUNITY, &cluster->communities[i]->meta);
	return r;
}

static int want_silent_node(const struct wants *wants, const struct lb_node *node)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };
	int r;

	if (!silence_is_due(wants->silence, node) || !is_ready(wants, OBJECT_LB_NODE, &node->meta))
		return 0;
	r = silence_patch(&body, node, wants->now_sec);
	return r < 0 ? r : add_status(wants, OBJECT_LB_NODE, &node->meta, WRITE_SOON, &body);
}

static int want_silent_nodes(const struct wants *wants)
{
	size_t i;
	int r = 0;

	for (i = 0; i < wants->cluster->n_lb_nodes && r == 0; i++)
		r = want_silent_node(wants, wants->cluster->lb_nodes[i]);
	return r;
}

int wants_collect(const struct wants *wants)
{
	int r = want_services(wants);

	if (r == 0)
		r = want_cleanings(wants);
	if (r == 0)
		r = want_pools(wants);
	if (r < 0 || holds_back(wants))
		return r;
	r = want_peers(wants);
	if (r == 0 && !wants->bgp_unknown)
		r = want_advertisements(wants);
	if (r == 0)
		r = want_profiles_and_communities(wants);
	if (r == 0)
		r = want_silent_nodes(wants);
	return r;
}
