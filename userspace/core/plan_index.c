// SPDX-License-Identifier: Apache-2.0
/* Claims, and what an update does to them and to the shadows of plan_shadows.c: see plan_index.h. Sorted
 * arrays: a full build sorts once; an update touches them only if the claims of a service changed, with one
 * pass to remove and one merge to insert. */
#include "userspace/core/plan_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

/* --- owners
 * ------------------------------------------------------------------------------------------------- */

static void owner_free(struct owner *owner)
{
	if (!owner)
		return;
	free(owner->namespace);
	free(owner->name);
	drafts_done(&owner->drafts);
	free(owner);
}
DEFINE_CLEANUP(struct owner *, owner_free);

static int owner_name_compare(const struct owner *owner, const char *namespace, const char *name)
{
	int order = strcmp(owner->namespace, namespace);

	return order ? order : strcmp(owner->name, name);
}

static int owner_age_compare(const struct owner *a, const struct owner *b)
{
	if (a->created_sec != b->created_sec)
		return a->created_sec < b->created_sec ? -1 : 1;
	return owner_name_compare(a, b->namespace, b->name);
}

static size_t owner_position(const struct plan_index *index, const char *namespace, const char *name)
{
	return sorted_place(index->n_owners, i, owner_name_compare(index->owners[i], namespace, name) < 0);
}

static struct owner *owner_find(const struct plan_index *index, const char *namespace, const char *name)
{
	size_t position = owner_position(index, namespace, name);

	if (position == index->n_owners || owner_name_compare(index->owners[position], namespace, name))
		return NULL;
	return index->owners[position];
}

/* *ret is NULL for a service that claims nothing. */
static int owner_new(const struct plan_index *index, const struct cluster *cluster,
		     const struct plan_options *options, const struct service *service, struct owner **ret)
{
	cleanup(owner_freep) struct owner *owner = calloc(1, sizeof(*owner));
	int r;

	if (!owner)
		return -ENOMEM;
	r = drafts_make(cluster, options, &index->own, service, &owner->drafts, NULL);
	if (r < 0)
		return r;
	*ret = NULL;
	if (!owner->drafts.n)
		return 0;
	drafts_trim(&owner->drafts); /* these stay */
	owner->created_sec = service->meta.created_sec;
	owner->namespace = strdup(service->meta.namespace);
	owner->name = strdup(service->meta.name);
	if (!owner->namespace || !owner->name)
		return -ENOMEM;
	*ret = take(owner);
	return 0;
}

static bool owner_equal(const struct owner *a, const struct owner *b)
{
	size_t i;

	if (!a || !b || a->created_sec != b->created_sec || a->drafts.n != b->drafts.n)
		return a == b;
	for (i = 0; i < a->drafts.n; i++) {
		const struct draft *left = &a->drafts.items[i], *right = &b->drafts.items[i];

		if (left->type != right->type || left->port != right->port ||
		    left->protocol != right->protocol || !addr_equal(&left->addr, &right->addr))
			return false;
	}
	return true;
}

/* --- claims
 * ------------------------------------------------------------------------------------------------- */

static int place_compare(const struct claim *claim, const struct addr *addr, uint16_t port,
			 enum l4_protocol protocol)
{
	int order = addr_compare(&claim->addr, addr);

	if (order)
		return order;
	if (claim->port != port)
		return claim->port < port ? -1 : 1;
	return (claim->protocol > protocol) - (claim->protocol < protocol);
}

static int claim_compare(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = place_compare(left, &right->addr, right->port, right->protocol);

	/* Everything else is given by the control plane; an external IP is whatever its author wrote. */
	if (!order)
		order = (left->type == FRONTEND_EXTERNAL_IP) - (right->type == FRONTEND_EXTERNAL_IP);
	return order ? order : owner_age_compare(left->owner, right->owner);
}

size_t plan_index_claim_position(const struct plan_index *index, const struct addr *addr, uint16_t port,
				 enum l4_protocol protocol)
{
	return sorted_place(index->n_claims, i, place_compare(&index->claims[i], addr, port, protocol) < 0);
}

const struct owner *plan_index_winner(const struct plan_index *index, const struct addr *addr, uint16_t port,
				      enum l4_protocol protocol)
{
	size_t position = plan_index_claim_position(index, addr, port, protocol);

	if (position == index->n_claims || place_compare(&index->claims[position], addr, port, protocol))
		return NULL;
	return index->claims[position].owner;
}

bool plan_index_claims_vip(const struct plan_index *index, const struct addr *addr)
{
	size_t i;

	for (i = plan_index_claim_position(index, addr, 0, (enum l4_protocol)0); i < index->n_claims; i++) {
		if (!addr_equal(&index->claims[i].addr, addr))
			return false;
		if (index->claims[i].type == FRONTEND_LOAD_BALANCER)
			return true;
	}
	return false;
}

/* Appends unsorted. */
static int claims_append(struct plan_index *index, const struct owner *owner)
{
	size_t i;

	if (array_grow(&index->claims, index->n_claims + owner->drafts.n, &index->claims_capacity,
		       sizeof(*index->claims)) < 0)
		return -ENOMEM;
	for (i = 0; i < owner->drafts.n; i++) {
		const struct draft *draft = &owner->drafts.items[i];

		index->claims[index->n_claims++] =
			(struct claim){ draft->addr, draft->port, draft->protocol, draft->type, owner };
	}
	return 0;
}

/* Everybody else who claims what this owner claims. */
static int claims_rivals(const struct plan_index *index, const struct owner *owner,
			 struct service_names *affected)
{
	size_t i, j;
	int r;

	for (i = 0; i < owner->drafts.n; i++) {
		const struct draft *draft = &owner->drafts.items[i];

		for (j = plan_index_claim_position(index, &draft->addr, draft->port, draft->protocol);
		     j < index->n_claims &&
		     !place_compare(&index->claims[j], &draft->addr, draft->port, draft->protocol);
		     j++) {
			const struct owner *rival = index->claims[j].owner;

			if (!owner_name_compare(rival, owner->namespace, owner->name))
				continue;
			r = service_names_add(affected, rival->namespace, rival->name);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- pools, PodCIDRs --- */

static int pool_ranges_collect(struct plan_index *index, const struct cluster *cluster)
{
	struct addr_range range;
	size_t i, j;
	int r;

	for (i = 0; i < cluster->n_pools; i++)
		for (j = 0; j < cluster->pools[i]->addresses.n; j++) {
			if (addr_range_parse(cluster->pools[i]->addresses.items[j], &range) < 0)
				continue;
			r = array_reserve(index->pool_ranges, index->n_pool_ranges,
					  index->pool_ranges_capacity);
			if (r < 0)
				return r;
			index->pool_ranges[index->n_pool_ranges++] = range;
		}
	return 0;
}

static int pod_cidrs_collect(struct plan_index *index, const struct cluster *cluster)
{
	size_t i, j;
	int r;

	for (i = 0; i < cluster->n_nodes; i++)
		for (j = 0; j < cluster->nodes[i]->n_pod_cidrs; j++) {
			r = array_reserve(index->pod_cidrs, index->n_pod_cidrs, index->pod_cidrs_capacity);
			if (r < 0)
				return r;
			index->pod_cidrs[index->n_pod_cidrs++] = cluster->nodes[i]->pod_cidrs[j];
		}
	return 0;
}

bool plan_index_in_pod_cidr(const struct plan_index *index, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < index->n_pod_cidrs; i++)
		if (prefix_contains(&index->pod_cidrs[i], addr))
			return true;
	return false;
}

bool plan_index_in_pool(const struct plan_index *index, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < index->n_pool_ranges; i++)
		if (addr_range_contains(&index->pool_ranges[i], addr))
			return true;
	return false;
}

/* --- the whole
 * ------------------------------------------------------------------------------------------------ */

void plan_index_free(struct plan_index *index)
{
	size_t i;

	if (!index)
		return;
	for (i = 0; i < index->n_owners; i++)
		owner_free(index->owners[i]);
	for (i = 0; i < index->n_shadows; i++)
		free(index->shadows[i].by);
	free(index->owners);
	free(index->claims);
	free(index->shadows);
	free(index->own.items);
	free(index->pool_ranges);
	free(index->pod_cidrs);
	arena_done(&index->arena);
	free(index);
}
DEFINE_CLEANUP(struct plan_index *, plan_index_free);

struct plan_index *plan_index_new(const struct cluster *cluster, const struct plan_options *options)
{
	cleanup(plan_index_freep) struct plan_index *index = calloc(1, sizeof(*index));
	cleanup(plan_vips_done) struct plan_vips vips = { 0 };
	struct owner *owner;
	size_t i;

	if (!index || own_addresses_collect(&index->arena, cluster, options, &index->own) < 0 ||
	    pool_ranges_collect(index, cluster) < 0 || pod_cidrs_collect(index, cluster) < 0)
		return NULL;
	for (i = 0; i < cluster->n_services; i++) { /* sorted, so owners are */
		if (owner_new(index, cluster, options, cluster->services[i], &owner) < 0)
			return NULL;
		if (!owner)
			continue;
		if (array_reserve(index->owners, index->n_owners, index->owners_capacity) < 0) {
			owner_free(owner);
			return NULL;
		}
		index->owners[index->n_owners++] = owner;
		if (claims_append(index, owner) < 0 || plan_vips_add_owner(&vips, owner) < 0)
			return NULL;
	}
	if (index->n_claims)
		qsort(index->claims, index->n_claims, sizeof(*index->claims), claim_compare);
	plan_vips_sort(&vips);
	if (plan_shadows_scan(index, cluster->slices, cluster->n_slices, &vips, NULL) < 0)
		return NULL;
	plan_shadows_sort(index);
	return take(index);
}

static int split_name(const char *text, char **ret_namespace, const char **ret_name)
{
	const char *slash = strchr(text, '/');

	*ret_namespace = strndup(text, slash ? (size_t)(slash - text) : 0);
	*ret_name = slash ? slash + 1 : text;
	return *ret_namespace ? 0 : -ENOMEM;
}

/* What changes hands in one update: owners that go with all their claims, owners that come. */
struct exchange {
	struct owner **come;
	size_t n_come, come_capacity;
	bool any_goes;
};

static void exchange_done(struct exchange *exchange)
{
	size_t i;

	for (i = 0; i < exchange->n_come; i++)
		owner_free(exchange->come[i]);
	free(exchange->come);
}

static int exchange_one(struct plan_index *index, const struct cluster *cluster,
			const struct plan_options *options, const char *text, struct exchange *exchange,
			struct service_names *affected)
{
	cleanup(owner_freep) struct owner *fresh = NULL;
	cleanup(freep) char *namespace = NULL;
	const struct service *service;
	struct owner *old;
	const char *name;
	int r;

	r = split_name(text, &namespace, &name);
	if (r < 0)
		return r;
	service = cluster_find_service(cluster, namespace, name);
	old = owner_find(index, namespace, name);
	if (service) {
		r = owner_new(index, cluster, options, service, &fresh);
		if (r < 0)
			return r;
	}
	if (owner_equal(old, fresh))
		return 0;
	if (old) {
		r = claims_rivals(index, old, affected);
		if (r < 0)
			return r;
		old->stale = true;
		exchange->any_goes = true;
	}
	if (!fresh)
		return 0;
	r = array_reserve(exchange->come, exchange->n_come, exchange->come_capacity);
	if (r < 0)
		return r;
	exchange->come[exchange->n_come++] = take(fresh);
	return 0;
}

static void drop_stale(struct plan_index *index)
{
	size_t i, kept = 0;

	for (i = 0; i < index->n_claims; i++)
		if (!index->claims[i].owner->stale)
			index->claims[kept++] = index->claims[i];
	index->n_claims = kept;
	for (i = kept = 0; i < index->n_owners; i++) {
		if (index->owners[i]->stale)
			owner_free(index->owners[i]);
		else
			index->owners[kept++] = index->owners[i];
	}
	index->n_owners = kept;
}

/* The array is sorted but for its tail, which is sorted in itself; room for the tail in `spare`. */
static void merge_claims(struct claim *claims, size_t n_head, size_t n_tail, struct claim *spare)
{
	size_t head = n_head, tail = n_tail, out = n_head + n_tail;

	memcpy(spare, claims + n_head, n_tail * sizeof(*claims));
	while (tail) {
		if (head && claim_compare(&claims[head - 1], &spare[tail - 1]) > 0)
			claims[--out] = claims[--head];
		else
			claims[--out] = spare[--tail];
	}
}

static void merge_owners(struct owner **owners, size_t n_head, struct owner **come, size_t n_come)
{
	size_t head = n_head, out = n_head + n_come;

	while (n_come) {
		const struct owner *last = come[n_come - 1];

		if (head && owner_name_compare(owners[head - 1], last->namespace, last->name) > 0)
			owners[--out] = owners[--head];
		else
			owners[--out] = come[--n_come];
	}
}

/* `come` is in the order of names, as `changed` is sorted by bytes of "namespace/name": close to, but not the
 * same as, the order of owners ('-' and '.' sort before '/'), so it is sorted here. */
static int owner_pointer_compare(const void *a, const void *b)
{
	const struct owner *left = *(const struct owner *const *)a, *right = *(const struct owner *const *)b;

	return owner_name_compare(left, right->namespace, right->name);
}

static int take_in(struct plan_index *index, struct exchange *exchange)
{
	size_t n_head = index->n_claims, n_tail, i;
	cleanup(freep) struct claim *spare = NULL;

	if (array_grow(&index->owners, index->n_owners + exchange->n_come, &index->owners_capacity,
		       sizeof(*index->owners)) < 0)
		return -ENOMEM;
	for (i = 0; i < exchange->n_come; i++)
		if (claims_append(index, exchange->come[i]) < 0)
			return -ENOMEM;
	n_tail = index->n_claims - n_head;
	spare = malloc((n_tail ? n_tail : 1) * sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	qsort(index->claims + n_head, n_tail, sizeof(*index->claims), claim_compare);
	merge_claims(index->claims, n_head, n_tail, spare);
	qsort(exchange->come, exchange->n_come, sizeof(*exchange->come), owner_pointer_compare);
	merge_owners(index->owners, index->n_owners, exchange->come, exchange->n_come);
	index->n_owners += exchange->n_come;
	exchange->n_come = 0; /* they are the index's now */
	return 0;
}

static int rescan_changed(struct plan_index *index, const struct cluster *cluster,
			  const struct strings *changed, struct service_names *affected)
{
	const struct endpoint_slice *const *slices;
	size_t i, n_slices;
	const char *name;
	int r = 0;

	for (i = 0; r == 0 && i < changed->n; i++) {
		cleanup(freep) char *namespace = NULL;

		r = split_name(changed->items[i], &namespace, &name);
		if (r < 0)
			return r;
		slices = cluster_service_slices(cluster, namespace, name, &n_slices);
		r = plan_shadows_scan(index, slices, n_slices, NULL, affected);
	}
	return r;
}

static int update(struct plan_index *index, const struct cluster *cluster, const struct plan_options *options,
		  const struct strings *changed, struct exchange *exchange, struct service_names *affected)
{
	cleanup(plan_vips_done) struct plan_vips vips = { 0 };
	struct owner **come;
	size_t i, n_come;
	int r;

	for (i = 0; i < changed->n; i++) {
		r = exchange_one(index, cluster, options, changed->items[i], exchange, affected);
		if (r < 0)
			return r;
	}
	n_come = exchange->n_come;
	if (exchange->any_goes)
		drop_stale(index);
	if (n_come) {
		come = exchange->come;
		r = take_in(index, exchange);
		for (i = 0; r == 0 && i < n_come; i++) {
			r = claims_rivals(index, come[i], affected);
			if (r == 0)
				r = plan_vips_add_owner(&vips, come[i]);
		}
		if (r < 0)
			return r;
	}
	r = plan_shadows_drop(index, changed, affected);
	if (r < 0)
		return r;
	/* A new VIP may be the address of any pod: only then is every slice looked at. */
	plan_vips_sort(&vips);
	if (vips.n)
		r = plan_shadows_scan(index, cluster->slices, cluster->n_slices, &vips, affected);
	if (r == 0)
		r = rescan_changed(index, cluster, changed, affected);
	plan_shadows_sort(index);
	return r;
}

int plan_index_update(struct plan_index *index, const struct cluster *cluster,
		      const struct plan_options *options, const struct strings *changed,
		      struct service_names *affected)
{
	cleanup(exchange_done) struct exchange exchange = { 0 };
	int r = update(index, cluster, options, changed, &exchange, affected);

	if (r < 0)
		index->stale = true;
	return r;
}
