/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes API as a source of objects (EDGE): lists and watches the wanted kinds into a store, as
 * k8s/manifests.h does with a directory.
 *
 * Nothing is removed before a new list is complete, whatever happens to the connection; while the API cannot
 * be reached, the last good state stays. An object that cannot be decoded is reported, and its last good
 * version stays, or what decode_remains() says of it. Services of foreign proxies (label
 * service.kubernetes.io/service-proxy-name) and slices of headless Services are not even read. Of Secrets
 * only those are read that a BGPPeer names (spec.passwordSecret), one watch each.
 *
 * Objects whose resourceVersion alone changed do not count as changed (Nodes: nor those with other
 * heartbeats, images or capacities). */
#ifndef FAIRWAY_K8S_CLUSTER_SOURCE_H
#define FAIRWAY_K8S_CLUSTER_SOURCE_H

#include "k8s/api.h"
#include "k8s/source.h"
#include "k8s/store.h"

struct cluster_source;

#define CLUSTER_KIND(kind) (UINT32_C(1) << (kind))
/* What lbagent reads; with OBJECT_LB_NODE and without EndpointSlices and Secrets the
 * controller's. */
#define CLUSTER_KINDS_AGENT                                                                                  \
	(CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_ENDPOINT_SLICE) | CLUSTER_KIND(OBJECT_NODE) |    \
	 CLUSTER_KIND(OBJECT_NAMESPACE) | CLUSTER_KIND(OBJECT_SECRET) |                                      \
	 CLUSTER_KIND(OBJECT_SERVICE_IP_POOL) | CLUSTER_KIND(OBJECT_BGP_PEER) |                              \
	 CLUSTER_KIND(OBJECT_BGP_ADVERTISEMENT) | CLUSTER_KIND(OBJECT_BFD_PROFILE) |                         \
	 CLUSTER_KIND(OBJECT_COMMUNITY))
#define CLUSTER_KINDS_CONTROLLER                                                                             \
	(CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_NODE) | CLUSTER_KIND(OBJECT_NAMESPACE) |         \
	 CLUSTER_KIND(OBJECT_SERVICE_IP_POOL) | CLUSTER_KIND(OBJECT_BGP_PEER) |                              \
	 CLUSTER_KIND(OBJECT_BGP_ADVERTISEMENT) | CLUSTER_KIND(OBJECT_BFD_PROFILE) |                         \
	 CLUSTER_KIND(OBJECT_COMMUNITY) | CLUSTER_KIND(OBJECT_LB_NODE))

struct cluster_source_options {
	uint32_t kinds;	      /* CLUSTER_KIND() of each */
	uint32_t dispensable; /* of `kinds`: not waited for when they are not installed or not permitted */
	const char *secret_namespace; /* where the peers' Secrets are; copied; needed with OBJECT_SECRET */
	/* lbagent: what lbcontroller tells in the status of what configures is no change. Each of these
	 * objects concerns every Service, and counts of theirs are written each second. */
	bool specs_only;
	/* lbcontroller: read every Service, for one of a foreign proxy may hold an address too, and one that
	 * was given the label while it has our address must be seen to change. */
	bool all_services;
};

/* Starts at once. `on_change` is called from the loop when it is idle, at the latest 50 ms after a change of
 * objects, problems or `delivered` (until that, not for objects alone). Problems are the caller's to log (one
 * that comes with every object in a burst of failures stands there once). `delivered`: every wanted kind, and
 * each Secret that is named, has had its first complete list; a kind that is not installed (a CRD) or not
 * permitted holds it up unless it is dispensable, and the problem says so. api and store must outlive it. 0
 * or -ENOMEM. */
int cluster_source_new(struct sd_event *, struct api *, const struct cluster_source_options *, struct store *,
		       source_change_fn *, void *userdata, struct cluster_source **ret);
const struct source_result *
cluster_source_result(const struct cluster_source *); /* borrowed; the pointer stays */
/* Of these kinds there was no complete list yet, so what the store has of them says nothing. */
uint32_t cluster_source_absent(const struct cluster_source *);
void cluster_source_free(struct cluster_source *); /* NULL ok; the objects stay in the store */

struct cluster_source_state { /* for metrics */
	uint64_t n_lists, n_watches,
		n_events;      /* complete lists, watches opened, events read, over all kinds */
	uint64_t event_usec;   /* loop_now_usec() of the latest event or bookmark; 0: none */
	uint64_t changed_usec; /* … of the first event that on_change has not told yet, also while it does; 0:
				  none */
};
struct cluster_source_state cluster_source_state(const struct cluster_source *);

#endif
