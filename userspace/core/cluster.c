// SPDX-License-Identifier: Apache-2.0
/* Objects and how to find them: see cluster.h. Selectors are in selector.c, problems in problems.c. */
#include "userspace/core/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

const char *l4_protocol_name(enum l4_protocol protocol)
{
	switch (protocol) {
	case L4_TCP:
		return "TCP";
	case L4_UDP:
		return "UDP";
	case L4_SCTP:
		return "SCTP";
	}
	return "unknown";
}

const char *object_kind_name(enum object_kind kind)
{
	switch (kind) {
	case OBJECT_SERVICE:
		return "Service";
	case OBJECT_ENDPOINT_SLICE:
		return "EndpointSlice";
	case OBJECT_NODE:
		return "Node";
	case OBJECT_NAMESPACE:
		return "Namespace";
	case OBJECT_SECRET:
		return "Secret";
	case OBJECT_SERVICE_IP_POOL:
		return "ServiceIPPool";
	case OBJECT_BGP_PEER:
		return "BGPPeer";
	case OBJECT_BGP_ADVERTISEMENT:
		return "BGPAdvertisement";
	case OBJECT_BFD_PROFILE:
		return "BFDProfile";
	case OBJECT_COMMUNITY:
		return "Community";
	case OBJECT_LB_NODE:
		return "LBNode";
	case OBJECT_KIND_COUNT:
		break;
	}
	return "unknown";
}

struct object *object_new(enum object_kind kind)
{
	struct object *object = calloc(1, sizeof(*object));

	if (object)
		object->kind = kind;
	return object;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	/* The arena owns the text, so casting the const away is ours to do. */
	if (object->kind == OBJECT_SECRET && object->secret.password)
		explicit_bzero((char *)object->secret.password, strlen(object->secret.password));
	arena_done(&object->arena);
	arena_done(&object->later);
	free(object);
}

static int meta_compare(const struct meta *meta, const char *namespace, const char *name)
{
	int order = text_compare(meta->namespace, namespace);

	return order ? order : text_compare(meta->name, name);
}

int object_compare(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return meta_compare(&a->meta, b->meta.namespace, b->meta.name);
}

int64_t meta_newest_generation(const struct meta *meta)
{
	return meta->refused ? meta->refused_generation : meta->generation;
}

bool object_is_remains(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		return object->service.unusable;
	case OBJECT_SERVICE_IP_POOL:
		return object->pool.unusable;
	case OBJECT_BGP_ADVERTISEMENT:
		return object->advertisement.unusable;
	case OBJECT_BGP_PEER:
		return object->peer.unusable;
	case OBJECT_BFD_PROFILE:
		return object->bfd_profile.unusable;
	case OBJECT_COMMUNITY:
		return object->community.unusable;
	case OBJECT_ENDPOINT_SLICE:
	case OBJECT_NODE:
	case OBJECT_NAMESPACE:
	case OBJECT_SECRET:
	case OBJECT_LB_NODE:
	case OBJECT_KIND_COUNT:
		break;
	}
	return false;
}

const struct condition *conditions_find(const struct conditions *conditions, const char *type)
{
	for (size_t i = 0; i < conditions->n; i++)
		if (strcmp(conditions->items[i].type, type) == 0)
			return &conditions->items[i];
	return NULL;
}

/* Every kind of object begins with its meta, so one search serves all arrays of pointers. The pointer is
 * copied by bytes because `struct service *` and `struct meta *` in memory are different types to the
 * compiler. */
static const struct meta *meta_at(const void *items, size_t i)
{
	const struct meta *meta;

	memcpy(&meta, (const char *)items + i * sizeof(meta), sizeof(meta));
	return meta;
}

static const void *find(const void *items, size_t n, const char *namespace, const char *name)
{
	size_t at = sorted_place(n, i, meta_compare(meta_at(items, i), namespace, name) < 0);

	return at < n && !meta_compare(meta_at(items, at), namespace, name) ? meta_at(items, at) : NULL;
}

const struct service *cluster_find_service(const struct cluster *cluster, const char *namespace,
					   const char *name)
{
	return find(cluster->services, cluster->n_services, namespace, name);
}

const struct node *cluster_find_node(const struct cluster *cluster, const char *name)
{
	return find(cluster->nodes, cluster->n_nodes, "", name);
}

const struct namespace_object *cluster_find_namespace(const struct cluster *cluster, const char *name)
{
	return find(cluster->namespaces, cluster->n_namespaces, "", name);
}

const struct secret *cluster_find_secret(const struct cluster *cluster, const char *namespace,
					 const char *name)
{
	return find(cluster->secrets, cluster->n_secrets, namespace, name);
}

const struct service_ip_pool *cluster_find_pool(const struct cluster *cluster, const char *name)
{
	return find(cluster->pools, cluster->n_pools, "", name);
}

const struct bgp_peer *cluster_find_peer(const struct cluster *cluster, const char *name)
{
	return find(cluster->peers, cluster->n_peers, "", name);
}

const struct bfd_profile *cluster_find_bfd_profile(const struct cluster *cluster, const char *name)
{
	return find(cluster->bfd_profiles, cluster->n_bfd_profiles, "", name);
}

static int slice_compare(const struct endpoint_slice *slice, const char *namespace, const char *service)
{
	int order = text_compare(slice->meta.namespace, namespace);

	return order ? order : text_compare(slice->service, service);
}

const struct endpoint_slice *const *cluster_service_slices(const struct cluster *cluster,
							   const char *namespace, const char *service,
							   size_t *ret_n)
{
	size_t end, at = sorted_place(cluster->n_slices, i,
				      slice_compare(cluster->slices[i], namespace, service) < 0);

	for (end = at; end < cluster->n_slices; end++)
		if (slice_compare(cluster->slices[end], namespace, service))
			break;
	*ret_n = end - at;
	return cluster->slices ? cluster->slices + at : NULL;
}

const struct service_ip_pool *cluster_pool_of_address(const struct cluster *cluster, const struct addr *addr)
{
	const struct service_ip_pool *pool;
	struct addr_range range;
	size_t i, j;

	for (i = 0; i < cluster->n_pools; i++) {
		pool = cluster->pools[i];
		for (j = 0; j < pool->addresses.n; j++)
			if (addr_range_parse(pool->addresses.items[j], &range) == 0 &&
			    addr_range_contains(&range, addr))
				return pool;
	}
	return NULL;
}
