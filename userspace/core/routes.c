// SPDX-License-Identifier: Apache-2.0
/* From offers to routes: what all services (and the node's PodCIDRs) want announced is kept as one sorted array of lines;
 * lines of the same prefix become one route for each peer, with attributes united. See routes.h. */
#include "userspace/core/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"
#include "userspace/core/peers.h"
#include "userspace/core/route_offers.h"

struct contributor { /* one service */
	char *key; /* "namespace/name" */
	struct route_offers offers;
	struct problems problems;
	bool changed, gone, accepted;
	const char *copy; /* of the key, in the arena of the routes being made */
};

struct line {
	struct prefix prefix;
	struct contributor *from; /* NULL: a PodCIDR of the node */
	size_t advert;
};

struct lines { /* sorted by prefix, contributor's key, advert */
	struct line *items;
	size_t n, capacity;
};

struct routes_book {
	bool decided; /* false: empty, or left half done by -ENOMEM */
	struct route_policy policy;
	struct contributor **contributors; /* sorted by key */
	size_t n, capacity;
	struct lines lines;
	struct problems node_problems;
};

const char *route_kind_name(enum route_kind kind)
{
	switch (kind) {
	case ROUTE_SERVICE_IP:
		return "ServiceIP";
	case ROUTE_POD_CIDR:
		return "PodCIDR";
	}
	return "";
}

/* --- contributors ------------------------------------------------------------------------------------- */

static void contributor_free(struct contributor *contributor)
{
	if (!contributor)
		return;
	free(contributor->key);
	free(contributor->offers.items);
	problems_done(&contributor->problems);
	free(contributor);
}

static void book_clear(struct routes_book *book)
{
	size_t i;

	for (i = 0; i < book->n; i++)
		contributor_free(book->contributors[i]);
	book->n = 0;
	book->lines.n = 0;
	route_policy_done(&book->policy);
	problems_done(&book->node_problems);
	book->decided = false;
}

struct routes_book *routes_book_new(void)
{
	return calloc(1, sizeof(struct routes_book));
}

void routes_book_free(struct routes_book *book)
{
	if (!book)
		return;
	book_clear(book);
	free(book->contributors);
	free(book->lines.items);
	free(book);
}

DEFINE_CLEANUP(struct routes_book *, routes_book_free);

/* Where the key is, or would be. */
static size_t book_position(const struct routes_book *book, const char *key, bool *ret_found)
{
	size_t at = sorted_place(book->n, i, strcmp(book->contributors[i]->key, key) < 0);

	*ret_found = at < book->n && !strcmp(book->contributors[at]->key, key);
	return at;
}

bool routes_book_is_reporter(const struct routes_book *book, const char *service)
{
	bool found;
	size_t position = book_position(book, service, &found);

	return found && book->contributors[position]->offers.reporter;
}

/* `key` is taken, also on failure. */
static struct contributor *book_insert(struct routes_book *book, size_t position, char *key)
{
	struct contributor *contributor = calloc(1, sizeof(*contributor));

	if (!contributor || array_reserve(book->contributors, book->n, book->capacity) < 0) {
		free(contributor);
		free(key);
		return NULL;
	}
	contributor->key = key;
	memmove(&book->contributors[position + 1], &book->contributors[position],
		(book->n - position) * sizeof(*book->contributors));
	book->contributors[position] = contributor;
	book->n++;
	return contributor;
}

static int contributor_decide(struct routes_book *book, struct contributor *contributor, const struct cluster *cluster,
			      const struct plan_options *options, const struct service_plan *plan)
{
	const struct service *service;

	contributor->changed = true;
	contributor->offers.n = 0;
	problems_done(&contributor->problems);
	service = plan ? cluster_find_service(cluster, plan->namespace, plan->name) : NULL;
	contributor->gone = !service;
	if (!service)
		return 0;
	return route_offers_of_service(&book->policy, cluster, options, service, plan, &contributor->offers,
				       &contributor->problems);
}

static int contributor_compare(const void *a, const void *b)
{
	return strcmp((*(struct contributor *const *)a)->key, (*(struct contributor *const *)b)->key);
}

static int decide_all(struct routes_book *book, const struct cluster *cluster, const struct plan_options *options,
		      const struct node_plan *plan)
{
	struct contributor *contributor;
	char *key;
	size_t i;
	int r;

	book_clear(book);
	r = route_policy_init(cluster, options, &book->policy);
	for (i = 0; i < plan->n_services && r == 0; i++) {
		if (asprintf(&key, "%s/%s", plan->services[i]->namespace, plan->services[i]->name) < 0)
			return -ENOMEM;
		contributor = book_insert(book, book->n, key);
		if (!contributor)
			return -ENOMEM;
		r = contributor_decide(book, contributor, cluster, options, plan->services[i]);
	}
	if (book->n) /* by namespace, then name is not quite the order of "namespace/name" */
		qsort(book->contributors, book->n, sizeof(*book->contributors), contributor_compare);
	return r;
}

static int decide_changed(struct routes_book *book, const struct cluster *cluster, const struct plan_options *options,
			  const struct node_plan *plan, const struct strings *changed)
{
	cleanup(strbuf_done) struct strbuf namespace = { 0 };
	struct contributor *contributor;
	const char *slash;
	char *key;
	size_t i, position;
	bool found;
	int r;

	for (i = 0; i < changed->n; i++) {
		slash = strchr(changed->items[i], '/');
		if (!slash)
			continue;
		position = book_position(book, changed->items[i], &found);
		if (found) {
			contributor = book->contributors[position];
		} else {
			key = strdup(changed->items[i]);
			contributor = key ? book_insert(book, position, key) : NULL;
		}
		strbuf_reset(&namespace);
		strbuf_append_bytes(&namespace, changed->items[i], slash - changed->items[i]);
		if (!contributor || strbuf_failed(&namespace))
			return -ENOMEM;
		r = contributor_decide(book, contributor, cluster, options,
				       node_plan_find(plan, strbuf_text(&namespace), slash + 1));
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- lines -------------------------------------------------------------------------------------------- */

static int line_compare(const struct line *a, const struct line *b)
{
	int order = prefix_compare(&a->prefix, &b->prefix);

	if (!order && a->from != b->from)
		order = !a->from ? -1 : !b->from ? 1 : strcmp(a->from->key, b->from->key);
	if (!order)
		order = a->advert < b->advert ? -1 : a->advert > b->advert;
	return order;
}

static int compare_lines(const void *a, const void *b)
{
	return line_compare(a, b);
}

static int lines_add(struct lines *lines, const struct route_offers *offers, struct contributor *from)
{
	size_t i;

	if (array_grow(&lines->items, lines->n + offers->n, &lines->capacity, sizeof(*lines->items)) < 0)
		return -ENOMEM;
	for (i = 0; i < offers->n; i++)
		lines->items[lines->n++] = (struct line){ .prefix = offers->items[i].prefix,
							  .from = from,
							  .advert = offers->items[i].advert };
	return 0;
}

static void lines_done(struct lines *lines)
{
	free(lines->items);
}

/* Merges `fresh` into what stays of the old lines: those of contributors that did not change. */
static int lines_merge(struct lines *lines, const struct lines *fresh)
{
	struct lines merged = { 0 };
	size_t i = 0, j = 0;

	if (array_grow(&merged.items, lines->n + fresh->n, &merged.capacity, sizeof(*merged.items)) < 0)
		return -ENOMEM;
	for (;;) {
		while (i < lines->n && lines->items[i].from && lines->items[i].from->changed)
			i++;
		if (i == lines->n && j == fresh->n)
			break;
		if (j == fresh->n || (i < lines->n && line_compare(&lines->items[i], &fresh->items[j]) < 0))
			merged.items[merged.n++] = lines->items[i++];
		else
			merged.items[merged.n++] = fresh->items[j++];
	}
	free(lines->items);
	*lines = merged;
	return 0;
}

static int book_lines(struct routes_book *book, bool all)
{
	cleanup(lines_done) struct lines fresh = { 0 };
	struct route_offers pod_cidrs = { 0 };
	struct contributor *contributor;
	size_t i, kept = 0;
	int r = 0;

	if (all) {
		r = route_offers_of_node(&book->policy, &pod_cidrs, &book->node_problems);
		if (r == 0)
			r = lines_add(&fresh, &pod_cidrs, NULL);
		free(pod_cidrs.items);
	}
	for (i = 0; i < book->n && r == 0; i++)
		if (book->contributors[i]->changed)
			r = lines_add(&fresh, &book->contributors[i]->offers, book->contributors[i]);
	if (r < 0)
		return r;
	if (fresh.n)
		qsort(fresh.items, fresh.n, sizeof(*fresh.items), compare_lines);
	r = lines_merge(&book->lines, &fresh);
	if (r < 0)
		return r;
	for (i = 0; i < book->n; i++) { /* no line mentions a gone one any more */
		contributor = book->contributors[i];
		contributor->changed = false;
		if (contributor->gone)
			contributor_free(contributor);
		else
			book->contributors[kept++] = contributor;
	}
	book->n = kept;
	return 0;
}

/* --- routes ------------------------------------------------------------------------------------------- */

struct maker { /* the state of one pass over the lines */
	struct routes_book *book;
	struct routes *routes;
	size_t capacity;		/* of routes->items, malloc'ed until the end */
	struct community **communities; /* by advert: its own, copied once */
	const char **peers;		/* by peer: its name, copied once */
	bool *localpref_told;		/* by advert */
};

static void mark_accepted(struct routes_book *book, const struct accepted *accepted)
{
	size_t i, j = 0;
	int order;

	for (i = 0; i < book->n; i++) {
		book->contributors[i]->copy = NULL;
		book->contributors[i]->accepted = !accepted;
		while (accepted && j < accepted->n) {
			order = strcmp(accepted->services[j], book->contributors[i]->key);
			book->contributors[i]->accepted = !order;
			if (order >= 0)
				break;
			j++;
		}
	}
}

static bool line_counts(const struct maker *maker, const struct line *line, size_t peer)
{
	return maker->book->policy.adverts[line->advert].peers[peer] && (!line->from || line->from->accepted);
}

static int tell_local_pref(struct maker *maker, size_t advert, size_t other, const struct prefix *prefix)
{
	const struct bgp_advertisement *object = maker->book->policy.adverts[advert].object;
	const struct bgp_advertisement *against = maker->book->policy.adverts[other].object;
	char text[PREFIX_TEXT_MAX];

	if (maker->localpref_told[advert])
		return 0;
	maker->localpref_told[advert] = true;
	return problems_add_object(&maker->routes->problems, OBJECT_BGP_ADVERTISEMENT, &object->meta, "spec.localPref",
				   "%u, but BGPAdvertisement/%s, which also announces %s, says %u: the highest is used",
				   object->local_pref, against->meta.name, prefix_format(prefix, text),
				   against->local_pref);
}

static int route_local_pref(struct maker *maker, const struct line *lines, size_t n, size_t peer, uint32_t *ret)
{
	const struct policy_advert *adverts = maker->book->policy.adverts;
	size_t i, best = SIZE_MAX;
	uint32_t value;
	int r;

	*ret = 0;
	for (i = 0; i < n; i++) {
		value = adverts[lines[i].advert].object->local_pref;
		if (!value || !line_counts(maker, &lines[i], peer))
			continue;
		if (*ret && value != *ret) {
			r = tell_local_pref(maker, lines[i].advert, best, &lines[i].prefix);
			if (r == 0)
				r = tell_local_pref(maker, best, lines[i].advert, &lines[i].prefix);
			if (r < 0)
				return r;
		}
		if (value > *ret) {
			*ret = value;
			best = lines[i].advert;
		}
	}
	if (!maker->book->policy.peers[peer].internal)
		*ret = 0;
	return 0;
}

static int compare_communities(const void *a, const void *b)
{
	return community_compare(a, b);
}

static int unite_communities(struct maker *maker, const struct line *lines, size_t n, size_t peer, struct route *route)
{
	const struct policy_advert *advert;
	size_t i, total = 0, kept = 0;

	for (i = 0; i < n; i++)
		if (line_counts(maker, &lines[i], peer))
			total += maker->book->policy.adverts[lines[i].advert].n_communities;
	route->communities = arena_array(&maker->routes->arena, total, sizeof(*route->communities));
	if (!route->communities)
		return -ENOMEM;
	for (total = 0, i = 0; i < n; i++) {
		advert = &maker->book->policy.adverts[lines[i].advert];
		if (!line_counts(maker, &lines[i], peer) || !advert->n_communities)
			continue;
		memcpy(&route->communities[total], advert->communities,
		       advert->n_communities * sizeof(*route->communities));
		total += advert->n_communities;
	}
	if (!total)
		return 0;
	qsort(route->communities, total, sizeof(*route->communities), compare_communities);
	for (i = 1; i < total; i++)
		if (community_compare(&route->communities[kept], &route->communities[i]))
			route->communities[++kept] = route->communities[i];
	route->n_communities = kept + 1;
	return 0;
}

/* Nearly every route comes from one advertisement: those share one copy of its communities. */
static int route_communities(struct maker *maker, const struct line *lines, size_t n, size_t peer, struct route *route)
{
	size_t i, advert = SIZE_MAX;
	const struct policy_advert *only;

	for (i = 0; i < n; i++) {
		if (!line_counts(maker, &lines[i], peer))
			continue;
		if (advert != SIZE_MAX && advert != lines[i].advert)
			return unite_communities(maker, lines, n, peer, route);
		advert = lines[i].advert;
	}
	only = &maker->book->policy.adverts[advert];
	if (!maker->communities[advert]) {
		maker->communities[advert] = arena_array(&maker->routes->arena, only->n_communities,
							 sizeof(*route->communities));
		if (!maker->communities[advert])
			return -ENOMEM;
		if (only->n_communities)
			memcpy(maker->communities[advert], only->communities,
			       only->n_communities * sizeof(*route->communities));
	}
	route->communities = maker->communities[advert];
	route->n_communities = only->n_communities;
	return 0;
}

static int route_services(struct maker *maker, const struct line *lines, size_t n, size_t peer, struct route *route)
{
	struct contributor *from, *last = NULL;
	size_t i;

	route->services.items = arena_array(&maker->routes->arena, n, sizeof(*route->services.items));
	if (!route->services.items)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		from = lines[i].from;
		if (!from || from == last || !line_counts(maker, &lines[i], peer))
			continue;
		if (!from->copy)
			from->copy = arena_string(&maker->routes->arena, from->key);
		if (!from->copy)
			return -ENOMEM;
		route->services.items[route->services.n++] = from->copy;
		last = from;
	}
	route->kind = route->services.n ? ROUTE_SERVICE_IP : ROUTE_POD_CIDR;
	return 0;
}

/* `lines` are all those of one prefix. */
static int make_route(struct maker *maker, const struct line *lines, size_t n, size_t peer)
{
	struct route *route;
	size_t i;
	int r;

	if (!policy_peer_takes(&maker->book->policy.peers[peer], lines[0].prefix.addr.family))
		return 0;
	for (i = 0; i < n; i++)
		if (line_counts(maker, &lines[i], peer))
			break;
	if (i == n)
		return 0;
	if (array_reserve(maker->routes->items, maker->routes->n, maker->capacity) < 0)
		return -ENOMEM;
	route = &maker->routes->items[maker->routes->n];
	*route = (struct route){ .prefix = lines[0].prefix, .peer = maker->peers[peer] };
	r = route_local_pref(maker, lines, n, peer, &route->local_pref);
	if (r == 0)
		r = route_communities(maker, lines, n, peer, route);
	if (r == 0)
		r = route_services(maker, lines, n, peer, route);
	if (r == 0)
		maker->routes->n++;
	return r;
}

static int problems_copy(struct problems *to, const struct problems *from)
{
	size_t i;
	int r = 0;

	for (i = 0; i < from->n && r == 0; i++)
		r = problems_add(to, from->items[i].object, from->items[i].field, "%s", from->items[i].message);
	return r;
}

static int collect_problems(const struct routes_book *book, struct problems *ret)
{
	size_t i;
	int r;

	r = problems_copy(ret, &book->policy.problems);
	if (r == 0)
		r = problems_copy(ret, &book->node_problems);
	for (i = 0; i < book->n && r == 0; i++)
		r = problems_copy(ret, &book->contributors[i]->problems);
	problems_sort_unique(ret);
	return r;
}

static int maker_init(struct maker *maker, struct arena *scratch)
{
	const struct route_policy *policy = &maker->book->policy;
	size_t i;

	maker->communities = arena_array(scratch, policy->n_adverts, sizeof(*maker->communities));
	maker->localpref_told = arena_array(scratch, policy->n_adverts, sizeof(*maker->localpref_told));
	maker->peers = arena_array(scratch, policy->n_peers, sizeof(*maker->peers));
	if (!maker->communities || !maker->localpref_told || !maker->peers)
		return -ENOMEM;
	for (i = 0; i < policy->n_peers; i++) {
		maker->peers[i] = arena_string(&maker->routes->arena, policy->peers[i].object->meta.name);
		if (!maker->peers[i])
			return -ENOMEM;
	}
	return 0;
}

static int make_routes(struct routes_book *book, struct routes *routes)
{
	cleanup(arena_done) struct arena scratch = { 0 };
	struct maker maker = { .book = book, .routes = routes };
	const struct line *lines = book->lines.items;
	size_t i, end, peer;
	int r;

	r = maker_init(&maker, &scratch);
	for (i = 0; i < book->lines.n && r == 0; i = end) {
		for (end = i + 1; end < book->lines.n; end++)
			if (prefix_compare(&lines[end].prefix, &lines[i].prefix))
				break;
		for (peer = 0; peer < book->policy.n_peers && r == 0; peer++)
			r = make_route(&maker, &lines[i], end - i, peer);
	}
	return r < 0 ? r : collect_problems(book, &routes->problems);
}

int routes_book_update(struct routes_book *book, const struct cluster *cluster, const struct plan_options *options,
		       const struct node_plan *plan, const struct strings *changed, const struct accepted *accepted,
		       struct routes *ret)
{
	cleanup(routes_done) struct routes routes = { 0 };
	bool all = !changed || !book->decided;
	int r;

	if (all)
		r = decide_all(book, cluster, options, plan);
	else
		r = decide_changed(book, cluster, options, plan, changed);
	if (r == 0)
		r = book_lines(book, all);
	if (r < 0) {
		book_clear(book);
		return r;
	}
	book->decided = true;
	mark_accepted(book, accepted);
	r = make_routes(book, &routes);
	if (r < 0)
		return r;
	*ret = routes;
	routes = (struct routes){ 0 };
	return 0;
}

int routes_decide(const struct cluster *cluster, const struct plan_options *options, const struct node_plan *plan,
		  const struct accepted *accepted, struct routes *ret)
{
	cleanup(routes_book_freep) struct routes_book *book = routes_book_new();

	return book ? routes_book_update(book, cluster, options, plan, NULL, accepted, ret) : -ENOMEM;
}

void routes_done(struct routes *routes)
{
	if (!routes)
		return;
	free(routes->items);
	arena_done(&routes->arena);
	problems_done(&routes->problems);
	*routes = (struct routes){ 0 };
}

int routes_peers(struct arena *arena, const struct cluster *cluster, const struct plan_options *options,
		 const struct bgp_peer ***ret_peers, size_t *ret_n, struct problems *problems)
{
	return peers_usable(arena, cluster, cluster_find_node(cluster, options->node), options->secret_namespace, ret_peers,
			    ret_n, problems);
}
