// SPDX-License-Identifier: Apache-2.0
/* The latest of each object, in sorted arrays that are the cluster itself: a put or remove is a binary search
 * and a move of pointers, so the cluster is always ready; one changed endpoint rebuilds nothing. */
#include "k8s/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

/* Pointers to objects' bodies (all kinds begin with their meta, and an object's body is at one offset). */
struct bodies {
	const struct meta **items;
	size_t n, capacity;
};

struct store {
	struct bodies kinds[OBJECT_KIND_COUNT]; /* by namespace, name */
	struct bodies slices; /* the same slices by namespace, service, name: what struct cluster wants */
	struct cluster cluster;
	struct arena touched_arena;
	struct strings touched; /* "namespace/name" of services, in order of change */
	size_t touched_capacity;
	bool touched_sorted;
	bool others, lb_nodes;
};

static struct object *object_of(const struct meta *body)
{
	/* The store owns the objects; only the cluster's view of them is const. */
	return (struct object *)(uintptr_t)((const char *)body - offsetof(struct object, meta));
}

static const struct endpoint_slice *slice_of(const struct meta *body)
{
	return &object_of(body)->slice;
}

struct store *store_new(void)
{
	return calloc(1, sizeof(struct store));
}

void store_free(struct store *store)
{
	if (!store)
		return;
	for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		for (size_t i = 0; i < store->kinds[kind].n; i++)
			object_free(object_of(store->kinds[kind].items[i]));
		free(store->kinds[kind].items);
	}
	free(store->slices.items);
	free(store->touched.items);
	arena_done(&store->touched_arena);
	free(store);
}

/* --- sorted arrays ------------------------------------------------------------------------------------- */

static int compare_by_name(const struct meta *meta, const char *namespace, const char *name)
{
	int order = strcmp(meta->namespace, namespace);

	return order ? order : strcmp(meta->name, name);
}

static size_t place_of(const struct bodies *bodies, const char *namespace, const char *name)
{
	return sorted_place(bodies->n, i, compare_by_name(bodies->items[i], namespace, name) < 0);
}

static bool holds(const struct bodies *bodies, size_t at, const char *namespace, const char *name)
{
	return at < bodies->n && !compare_by_name(bodies->items[at], namespace, name);
}

static int compare_by_service(const struct meta *a, const struct meta *b)
{
	int order = strcmp(a->namespace, b->namespace);

	if (!order)
		order = strcmp(slice_of(a)->service, slice_of(b)->service);
	return order ? order : strcmp(a->name, b->name);
}

static size_t place_by_service(const struct bodies *bodies, const struct meta *body)
{
	return sorted_place(bodies->n, i, compare_by_service(bodies->items[i], body) < 0);
}

/* Room for it was reserved. */
static void insert_at(struct bodies *bodies, size_t at, const struct meta *body)
{
	memmove(bodies->items + at + 1, bodies->items + at, (bodies->n - at) * sizeof(*bodies->items));
	bodies->items[at] = body;
	bodies->n++;
}

static void remove_at(struct bodies *bodies, size_t at)
{
	bodies->n--;
	memmove(bodies->items + at, bodies->items + at + 1, (bodies->n - at) * sizeof(*bodies->items));
}

/* --- what changed -------------------------------------------------------------------------------------- */

/* Out of memory here must not lose a change: then everything is due. */
static void touch_service(struct store *store, const char *namespace, const char *name)
{
	size_t length = strlen(namespace) + strlen(name) + 2;
	char *text = arena_alloc(&store->touched_arena, length);

	if (!text || array_reserve(store->touched.items, store->touched.n, store->touched_capacity) < 0) {
		store->others = true;
		return;
	}
	memcpy(text, namespace, strlen(namespace));
	text[strlen(namespace)] = '/';
	memcpy(text + strlen(namespace) + 1, name, strlen(name));
	store->touched.items[store->touched.n++] = text;
	store->touched_sorted = false;
}

static void touch(struct store *store, const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		touch_service(store, object->meta.namespace, object->meta.name);
		break;
	case OBJECT_ENDPOINT_SLICE:
		if (*object->slice.service)
			touch_service(store, object->meta.namespace, object->slice.service);
		break;
	case OBJECT_NODE:
	case OBJECT_NAMESPACE:
	case OBJECT_SECRET:
	case OBJECT_SERVICE_IP_POOL:
	case OBJECT_BGP_PEER:
	case OBJECT_BGP_ADVERTISEMENT:
	case OBJECT_BFD_PROFILE:
	case OBJECT_COMMUNITY:
		store->others = true;
		break;
	case OBJECT_LB_NODE:
		store->lb_nodes = true;
		break;
	case OBJECT_KIND_COUNT:
		break;
	}
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct store_changes store_changes(struct store *store)
{
	struct strings *touched = &store->touched;
	size_t kept = 0;

	if (!store->touched_sorted && touched->n) {
		qsort(touched->items, touched->n, sizeof(*touched->items), compare_texts);
		for (size_t i = 1; i < touched->n; i++)
			if (strcmp(touched->items[kept], touched->items[i]) != 0)
				touched->items[++kept] = touched->items[i];
		touched->n = kept + 1;
		store->touched_sorted = true;
	}
	return (struct store_changes){ .services = *touched,
				       .others = store->others,
				       .lb_nodes = store->lb_nodes };
}

void store_changes_reset(struct store *store)
{
	arena_done(&store->touched_arena);
	store->touched.n = 0;
	store->others = store->lb_nodes = false;
}

/* --- put, remove, find --------------------------------------------------------------------------------- */

int store_put(struct store *store, struct object *object)
{
	struct bodies *bodies = &store->kinds[object->kind];
	size_t at = place_of(bodies, object->meta.namespace, object->meta.name);
	bool is_slice = object->kind == OBJECT_ENDPOINT_SLICE;

	if (array_reserve(bodies->items, bodies->n, bodies->capacity) < 0 ||
	    (is_slice && array_reserve(store->slices.items, store->slices.n, store->slices.capacity) < 0)) {
		object_free(object);
		return -ENOMEM;
	}
	if (holds(bodies, at, object->meta.namespace, object->meta.name)) {
		const struct meta *old = bodies->items[at];

		touch(store, object_of(old)); /* a slice may leave its service for another */
		if (is_slice)
			remove_at(&store->slices, place_by_service(&store->slices, old));
		bodies->items[at] = &object->meta;
		object_free(object_of(old));
	} else {
		insert_at(bodies, at, &object->meta);
	}
	if (is_slice)
		insert_at(&store->slices, place_by_service(&store->slices, &object->meta), &object->meta);
	touch(store, object);
	return 0;
}

int store_remove(struct store *store, enum object_kind kind, const char *namespace, const char *name)
{
	struct bodies *bodies = &store->kinds[kind];
	size_t at = place_of(bodies, namespace, name);
	const struct meta *old;

	if (!holds(bodies, at, namespace, name))
		return -ENOENT;
	old = bodies->items[at];
	touch(store, object_of(old));
	if (kind == OBJECT_ENDPOINT_SLICE)
		remove_at(&store->slices, place_by_service(&store->slices, old));
	remove_at(bodies, at);
	object_free(object_of(old));
	return 0;
}

const struct object *store_find(const struct store *store, enum object_kind kind, const char *namespace,
				const char *name)
{
	const struct bodies *bodies = &store->kinds[kind];
	size_t at = place_of(bodies, namespace, name);

	return holds(bodies, at, namespace, name) ? object_of(bodies->items[at]) : NULL;
}

void store_renew(struct store *store, const struct object *object, uint64_t resource_version)
{
	struct bodies *bodies = &store->kinds[object->kind];
	size_t at = place_of(bodies, object->meta.namespace, object->meta.name);

	if (holds(bodies, at, object->meta.namespace, object->meta.name))
		object_of(bodies->items[at])->meta.resource_version = resource_version;
}

static void keep_service(struct service *kept, const struct service *remains)
{
	kept->ingress = remains->ingress;
	kept->n_ingress = remains->n_ingress;
}

void store_keep(struct store *store, const struct object *object, struct object *remains)
{
	struct bodies *bodies = &store->kinds[object->kind];
	size_t at = place_of(bodies, object->meta.namespace, object->meta.name);
	struct object *kept;

	if (!holds(bodies, at, object->meta.namespace, object->meta.name)) {
		object_free(remains);
		return;
	}
	kept = object_of(bodies->items[at]);
	kept->digest = remains->digest;
	kept->meta.resource_version = remains->meta.resource_version;
	kept->meta.finalizers = remains->meta.finalizers;
	kept->meta.deleting = remains->meta.deleting;
	kept->meta.deletion_sec = remains->meta.deletion_sec;
	kept->meta.refused = remains->meta.refused;
	kept->meta.refused_generation = remains->meta.refused_generation;
	kept->meta.conditions = remains->meta.conditions;
	kept->meta.status_digest = remains->meta.status_digest;
	if (object->kind == OBJECT_SERVICE)
		keep_service(&kept->service, &remains->service);
	if (object->kind == OBJECT_COMMUNITY)
		kept->community.refused_aliases = remains->community.refused_aliases;
	arena_done(&kept->later);
	kept->later = remains->arena;
	remains->arena = (struct arena){ 0 };
	object_free(remains);
	touch(store, kept);
}

size_t store_count(const struct store *store, enum object_kind kind)
{
	return store->kinds[kind].n;
}

const struct object *store_at(const struct store *store, enum object_kind kind, size_t i)
{
	return object_of(store->kinds[kind].items[i]);
}

/* --- the cluster --------------------------------------------------------------------------------------- */

const struct cluster *store_cluster(struct store *store)
{
#define VIEW(field, bodies) .field = (const void *)(bodies).items, .n_##field = (bodies).n
	store->cluster = (struct cluster){
		VIEW(services, store->kinds[OBJECT_SERVICE]),
		VIEW(slices, store->slices),
		VIEW(nodes, store->kinds[OBJECT_NODE]),
		VIEW(namespaces, store->kinds[OBJECT_NAMESPACE]),
		VIEW(secrets, store->kinds[OBJECT_SECRET]),
		VIEW(pools, store->kinds[OBJECT_SERVICE_IP_POOL]),
		VIEW(peers, store->kinds[OBJECT_BGP_PEER]),
		VIEW(advertisements, store->kinds[OBJECT_BGP_ADVERTISEMENT]),
		VIEW(bfd_profiles, store->kinds[OBJECT_BFD_PROFILE]),
		VIEW(communities, store->kinds[OBJECT_COMMUNITY]),
		VIEW(lb_nodes, store->kinds[OBJECT_LB_NODE]),
	};
#undef VIEW
	return &store->cluster;
}
