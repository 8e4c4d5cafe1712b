// SPDX-License-Identifier: Apache-2.0
/* Usable endpoints of one service port: see endpoints.h. The letters name the rules in endpoints.h's terms:
 * E2 topology from hints of ready endpoints, E3 the cluster's list, E4 this node's, E5 whether there is any.
 */
#include "userspace/core/endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define LABEL_HEADLESS "service.kubernetes.io/headless"
#define LABEL_ZONE     "topology.kubernetes.io/zone"

/* One endpoint at one port; `order` is its place over all slices, which are sorted by name. */
struct candidate {
	const struct endpoint *endpoint;
	uint16_t port;
	uint32_t order;
};

struct candidates {
	struct candidate *items;
	size_t n, capacity;
};

static void candidates_done(struct candidates *candidates)
{
	free(candidates->items);
}

/* The API server's list is that for VIPs without the reserved ranges, which are no other kind too. */
const char *endpoint_why_unusable(const struct addr *addr)
{
	return addr_is_reserved(addr) ? NULL : addr_why_unusable(addr);
}

static bool is_local(const struct endpoint *endpoint, const char *node)
{
	return node && endpoint->node && !strcmp(endpoint->node, node);
}

static bool serves_while_terminating(const struct endpoint *endpoint)
{
	return endpoint->serving && endpoint->terminating;
}

/* By address and port; of equal ones the entry that counts comes first: not terminating before terminating,
 * of two that are not terminating a ready one, else the first by slice name. */
static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;
	int order = addr_compare(&left->endpoint->addr, &right->endpoint->addr);

	if (order)
		return order;
	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	if (left->endpoint->terminating != right->endpoint->terminating)
		return left->endpoint->terminating ? 1 : -1;
	if (!left->endpoint->terminating && left->endpoint->ready != right->endpoint->ready)
		return left->endpoint->ready ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

static bool same_place(const struct candidate *a, const struct candidate *b)
{
	return a->port == b->port && addr_equal(&a->endpoint->addr, &b->endpoint->addr);
}

static bool slice_counts(const struct endpoint_slice *slice, enum addr_family family)
{
	return slice->family == family && !labels_find(&slice->meta.labels, LABEL_HEADLESS);
}

static int collect_slice(struct candidates *candidates, const struct endpoint_slice *slice,
			 enum addr_family family, uint16_t port)
{
	const struct endpoint *endpoint;
	size_t i;
	int r;

	for (i = 0; i < slice->n_endpoints; i++) {
		endpoint = &slice->endpoints[i];
		if (endpoint->addr.family != family || endpoint_why_unusable(&endpoint->addr))
			continue;
		r = array_reserve(candidates->items, candidates->n, candidates->capacity);
		if (r < 0)
			return r;
		candidates->items[candidates->n] =
			(struct candidate){ endpoint, port, (uint32_t)candidates->n };
		candidates->n++;
	}
	return 0;
}

/* The endpoints of a service port over all its slices, sorted, each address:port once. */
static int collect(struct candidates *candidates, const struct cluster *cluster,
		   const struct service *service, const struct service_port *port, enum addr_family family)
{
	const struct endpoint_slice *const *slices;
	size_t n_slices, i, j, kept = 0;
	int r;

	slices = cluster_service_slices(cluster, service->meta.namespace, service->meta.name, &n_slices);
	for (i = 0; i < n_slices; i++) {
		if (!slice_counts(slices[i], family))
			continue;
		for (j = 0; j < slices[i]->n_ports; j++) {
			const struct slice_port *candidate = &slices[i]->ports[j];

			if (!candidate->port || candidate->protocol != port->protocol ||
			    !text_equal(candidate->name, port->name))
				continue;
			r = collect_slice(candidates, slices[i], family, candidate->port);
			if (r < 0)
				return r;
		}
	}
	if (!candidates->n)
		return 0;
	qsort(candidates->items, candidates->n, sizeof(*candidates->items), candidate_compare);
	for (i = 1; i < candidates->n; i++)
		if (!same_place(&candidates->items[kept], &candidates->items[i]))
			candidates->items[++kept] = candidates->items[i];
	candidates->n = kept + 1;
	return 0;
}

/* --- topology --------------------------------------------------------------------------------------------
 */

enum topology_mode { TOPOLOGY_NONE, TOPOLOGY_SAME_NODE, TOPOLOGY_SAME_ZONE };

struct topology {
	enum topology_mode mode;
	const char *node, *zone;
};

/* E2: hints hold only if every ready endpoint carries them and one of them means us; node hints come first.
 */
static struct topology topology_of(const struct candidates *candidates, const struct cluster *cluster,
				   const char *node)
{
	const struct node *self = node ? cluster_find_node(cluster, node) : NULL;
	struct topology topology = { TOPOLOGY_NONE, node,
				     self ? labels_find(&self->meta.labels, LABEL_ZONE) : NULL };
	bool all_nodes = true, all_zones = true, our_node = false, our_zone = false;
	const struct endpoint *endpoint;
	size_t i;

	for (i = 0; i < candidates->n; i++) {
		endpoint = candidates->items[i].endpoint;
		if (!endpoint->ready)
			continue;
		all_nodes &= endpoint->hint_nodes.n > 0;
		all_zones &= endpoint->hint_zones.n > 0;
		our_node |= strings_contain(&endpoint->hint_nodes, topology.node);
		our_zone |= strings_contain(&endpoint->hint_zones, topology.zone);
	}
	if (all_nodes && our_node)
		topology.mode = TOPOLOGY_SAME_NODE;
	else if (all_zones && our_zone)
		topology.mode = TOPOLOGY_SAME_ZONE;
	return topology;
}

static bool topology_allows(const struct topology *topology, const struct endpoint *endpoint)
{
	switch (topology->mode) {
	case TOPOLOGY_NONE:
		return true;
	case TOPOLOGY_SAME_NODE:
		return strings_contain(&endpoint->hint_nodes, topology->node);
	case TOPOLOGY_SAME_ZONE:
		return strings_contain(&endpoint->hint_zones, topology->zone);
	}
	return true;
}

/* --- the lists --------------------------------------------------------------------------------------------
 */

static int backends_reserve(struct arena *arena, struct backends *backends, size_t n)
{
	backends->items = arena_array(arena, n, sizeof(*backends->items));
	return backends->items ? 0 : -ENOMEM;
}

static void backends_push(struct backends *backends, const struct candidate *candidate, bool local,
			  uint16_t weight)
{
	backends->items[backends->n++] = (struct backend){
		.addr = candidate->endpoint->addr,
		.port = candidate->port,
		.weight = weight,
		.local = local,
		.node = candidate->endpoint->node,
	};
}

struct tally { /* how long each list becomes, so that an arena holds no slack */
	size_t ready, allowed, local_ready, placed_ready, serving_terminating, local_serving_terminating,
		leaving, serving;
};

static struct tally count(const struct candidates *candidates, const struct topology *topology)
{
	struct tally tally = { 0 };
	size_t i;

	for (i = 0; i < candidates->n; i++) {
		const struct endpoint *endpoint = candidates->items[i].endpoint;
		bool local = is_local(endpoint, topology->node);

		tally.ready += endpoint->ready;
		tally.allowed += endpoint->ready && topology_allows(topology, endpoint);
		tally.local_ready += endpoint->ready && local;
		tally.placed_ready += endpoint->ready && endpoint->node && *endpoint->node;
		tally.serving_terminating += serves_while_terminating(endpoint);
		tally.local_serving_terminating += serves_while_terminating(endpoint) && local;
		tally.leaving += endpoint->terminating && !endpoint->serving;
		tally.serving += endpoint->ready || endpoint->serving;
	}
	return tally;
}

static void fill(struct endpoint_choice *choice, const struct candidates *candidates,
		 const struct topology *topology, const struct tally *tally)
{
	size_t i;

	for (i = 0; i < candidates->n; i++) {
		const struct candidate *candidate = &candidates->items[i];
		const struct endpoint *endpoint = candidate->endpoint;
		bool local = is_local(endpoint, topology->node),
		     fallback = serves_while_terminating(endpoint);

		if (tally->allowed ? endpoint->ready && topology_allows(topology, endpoint)
				   : fallback) /* E3 */
			backends_push(&choice->cluster, candidate, local, 1);
		if (local && (tally->local_ready ? endpoint->ready : fallback)) /* E4 */
			backends_push(&choice->local, candidate, local, 1);
		if (fallback)
			backends_push(&choice->terminating, candidate, local, 0);
		if (endpoint->terminating && !endpoint->serving)
			backends_push(&choice->leaving, candidate, local, 0);
		if (endpoint->ready || endpoint->serving || !tally->serving)
			backends_push(&choice->keep, candidate, local, 0);
	}
}

int endpoints_choose(struct arena *arena, const struct cluster *cluster, const struct service *service,
		     const struct service_port *port, enum addr_family family, const char *node,
		     struct endpoint_choice *ret)
{
	cleanup(candidates_done) struct candidates candidates = { 0 };
	struct endpoint_choice choice = { 0 };
	struct topology topology;
	struct tally tally;
	int r;

	r = collect(&candidates, cluster, service, port, family);
	if (r < 0)
		return r;
	topology = topology_of(&candidates, cluster, node);
	tally = count(&candidates, &topology);
	if (backends_reserve(arena, &choice.cluster,
			     tally.allowed ? tally.allowed : tally.serving_terminating) < 0 ||
	    backends_reserve(arena, &choice.local,
			     tally.local_ready ? tally.local_ready : tally.local_serving_terminating) < 0 ||
	    backends_reserve(arena, &choice.terminating, tally.serving_terminating) < 0 ||
	    backends_reserve(arena, &choice.leaving, tally.leaving) < 0 ||
	    backends_reserve(arena, &choice.keep, tally.serving ? tally.serving : candidates.n) < 0)
		return -ENOMEM;
	fill(&choice, &candidates, &topology, &tally);
	/* E5. Whatever the policies are: an empty cluster list means that nothing is ready (hints hold only
	 * if they leave one) and nothing serves while it terminates, so there is nothing local either. */
	choice.any = choice.cluster.n > 0;
	choice.ready_elsewhere = !tally.local_ready && tally.placed_ready;
	choice.n_ready = tally.ready;
	choice.n_total = candidates.n;
	*ret = choice;
	return 0;
}

static int text_pointer_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int endpoints_nodes(struct arena *arena, const struct cluster *cluster, const struct service *service,
		    enum addr_family family, struct endpoint_nodes *ret)
{
	struct endpoint_nodes found = { 0 };
	cleanup(freep) const char **names = NULL;
	size_t n = 0, capacity = 0, i, j;
	int r;

	for (i = 0; i < service->n_ports; i++) {
		cleanup(candidates_done) struct candidates candidates = { 0 };

		r = collect(&candidates, cluster, service, &service->ports[i], family);
		if (r < 0)
			return r;
		for (j = 0; j < candidates.n; j++) {
			const struct endpoint *endpoint = candidates.items[j].endpoint;

			if (!endpoint->ready && !serves_while_terminating(endpoint))
				continue;
			found.anywhere = true;
			if (!endpoint->node || !*endpoint->node)
				continue;
			r = array_reserve(names, n, capacity);
			if (r < 0)
				return r;
			names[n++] = endpoint->node;
		}
	}
	if (n)
		qsort(names, n, sizeof(*names), text_pointer_compare);
	found.nodes.items = arena_array(arena, n, sizeof(*names));
	if (!found.nodes.items)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (!i || strcmp(names[i - 1], names[i]))
			found.nodes.items[found.nodes.n++] = names[i];
	*ret = found;
	return 0;
}

static int addr_pointer_compare(const void *a, const void *b)
{
	return addr_compare(*(const struct addr *const *)a, *(const struct addr *const *)b);
}

/* Adds the addresses behind one port that count. */
static int collect_local_ready(const struct candidates *candidates, const char *node,
			       const struct addr ***addresses, size_t *n, size_t *capacity)
{
	size_t i;
	int r;

	for (i = 0; i < candidates->n; i++) {
		const struct endpoint *endpoint = candidates->items[i].endpoint;

		if (!endpoint->ready || endpoint->terminating || !is_local(endpoint, node))
			continue;
		r = array_grow(addresses, *n + 1, capacity, sizeof(**addresses));
		if (r < 0)
			return r;
		(*addresses)[(*n)++] = &endpoint->addr;
	}
	return 0;
}

int endpoints_count_local_ready(const struct cluster *cluster, const struct service *service,
				enum addr_family family, const char *node, size_t *ret)
{
	cleanup(freep) const struct addr **addresses = NULL;
	size_t n = 0, capacity = 0, distinct = 0, i;
	int r;

	for (i = 0; i < service->n_ports; i++) {
		cleanup(candidates_done) struct candidates candidates = { 0 };

		r = collect(&candidates, cluster, service, &service->ports[i], family);
		if (r == 0)
			r = collect_local_ready(&candidates, node, &addresses, &n, &capacity);
		if (r < 0)
			return r;
	}
	if (n)
		qsort(addresses, n, sizeof(*addresses), addr_pointer_compare);
	for (i = 0; i < n; i++)
		distinct += !i || !addr_equal(addresses[i - 1], addresses[i]);
	*ret = distinct;
	return 0;
}
