/* SPDX-License-Identifier: Apache-2.0 */
/* The latest of each object, as `struct cluster` (PURE). Every source (a manifests directory, the API server)
 * puts and removes objects here; the store says which services that touches, so that planning can stay
 * incremental.
 *
 * Object identity is kind + namespace + name. The store owns its objects. The cluster that store_cluster()
 * returns is borrowed and valid until the next put, remove or store_free(). */
#ifndef FAIRWAY_K8S_STORE_H
#define FAIRWAY_K8S_STORE_H

#include "userspace/core/cluster.h"

struct store;

struct store *store_new(void); /* NULL: out of memory */
void store_free(struct store *);

int store_put(
	struct store *,
	struct object *); /* takes ownership, also on failure (-ENOMEM); an equal identity is replaced */
int store_remove(struct store *, enum object_kind, const char *namespace,
		 const char *name); /* 0 or -ENOENT */
const struct object *store_find(const struct store *, enum object_kind, const char *namespace,
				const char *name);
/* An object of the store came again and only its resourceVersion differs: nothing counts as changed. */
void store_renew(struct store *, const struct object *, uint64_t resource_version);
/* A newer version of an object of the store was refused: the spec, labels and annotations of the last good
 * one stay, and what is written over them comes from what remains of the newer (see decode_remains()): its
 * resourceVersion, without which every write of ours would be a conflict, finalizers, deletion, and what a
 * status says. `remains` is of the same identity; takes ownership. */
void store_keep(struct store *, const struct object *, struct object *remains);
/* All objects of a kind, by namespace and name; borrowed until the next put or remove. */
size_t store_count(const struct store *, enum object_kind);
const struct object *store_at(const struct store *, enum object_kind, size_t i);
const struct cluster *store_cluster(struct store *); /* sorts what changed; NULL: out of memory */

/* What changed since store_changes_reset(): `services` ("namespace/name", sorted, each once) touched through
 * Services or EndpointSlices; `others`: any other kind changed, so a full plan is due; `lb_nodes`: LBNodes
 * changed, which no plan reads. Borrowed, valid as the cluster is. */
struct store_changes {
	struct strings services;
	bool others, lb_nodes;
};
struct store_changes store_changes(struct store *);
void store_changes_reset(struct store *);

#endif
