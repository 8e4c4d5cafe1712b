// SPDX-License-Identifier: Apache-2.0
/* All wanted kinds, each followed by a watch into one intake: see cluster_source.h. */
#include "k8s/cluster_source.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/intake.h"
#include "k8s/source_trouble.h"
#include "k8s/watch.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/io/loop.h"

#define LIMIT_MSEC  50
#define MAX_SECRETS 1000

/* As many as the cluster is large, not as somebody has written. */
#define MANY_KINDS                                                                                           \
	(CLUSTER_KIND(OBJECT_SERVICE) | CLUSTER_KIND(OBJECT_ENDPOINT_SLICE) | CLUSTER_KIND(OBJECT_NODE) |    \
	 CLUSTER_KIND(OBJECT_NAMESPACE) | CLUSTER_KIND(OBJECT_LB_NODE))

#define FAIRWAY_PATH "/apis/fairway.dev/v1alpha1/"

static const struct collection {
	enum object_kind kind;
	const char *path, *selector;
	const char *list_type; /* what typed lists do not say in each item */
	const char *crd;       /* the name of the definition, for those that can be missing */
} collections[] = {
	{ OBJECT_SERVICE, "/api/v1/services", "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name",
	  "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\"}", NULL },
	{ OBJECT_ENDPOINT_SLICE, "/apis/discovery.k8s.io/v1/endpointslices",
	  "labelSelector=%21service.kubernetes.io%2Fheadless",
	  "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\"}", NULL },
	{ OBJECT_NODE, "/api/v1/nodes", NULL, "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\"}", NULL },
	{ OBJECT_NAMESPACE, "/api/v1/namespaces", NULL, "{\"kind\":\"NamespaceList\",\"apiVersion\":\"v1\"}",
	  NULL },
	{ OBJECT_SERVICE_IP_POOL, FAIRWAY_PATH "serviceippools", NULL, NULL, "serviceippools.fairway.dev" },
	{ OBJECT_BGP_PEER, FAIRWAY_PATH "bgppeers", NULL, NULL, "bgppeers.fairway.dev" },
	{ OBJECT_BGP_ADVERTISEMENT, FAIRWAY_PATH "bgpadvertisements", NULL, NULL,
	  "bgpadvertisements.fairway.dev" },
	{ OBJECT_BFD_PROFILE, FAIRWAY_PATH "bfdprofiles", NULL, NULL, "bfdprofiles.fairway.dev" },
	{ OBJECT_COMMUNITY, FAIRWAY_PATH "communities", NULL, NULL, "communities.fairway.dev" },
	{ OBJECT_LB_NODE, FAIRWAY_PATH "lbnodes", NULL, NULL, "lbnodes.fairway.dev" },
};

#define SECRET_LIST_TYPE "{\"kind\":\"SecretList\",\"apiVersion\":\"v1\"}"

struct followed {
	struct cluster_source *source;
	const struct collection *collection; /* NULL: a Secret */
	char *secret;			     /* its name */
	struct intake_list list;
	struct watch *watch;
	bool open;     /* a complete list is being read */
	bool complete; /* there was one */
	bool wanted;   /* mark, while Secrets are compared with what peers name */
};

struct cluster_source {
	struct sd_event *event;
	struct api *api;
	struct store *store;
	uint32_t kinds, dispensable;
	bool all_services;
	char *secret_namespace;
	struct intake intake;
	struct followed **followed;
	size_t n_followed, capacity;
	struct debounce *debounce;
	source_change_fn *on_change;
	void *userdata;
	struct source_result result;
	bool trouble_changed;
	uint64_t changed_usec; /* see struct cluster_source_state */
	bool trim;	       /* a list was read: the C library would keep the holes that it left */
};

DEFINE_CLEANUP(struct cluster_source *, cluster_source_free);

/* --- the reflectors' functions ------------------------------------------------------------------------- */

static int on_begin(void *userdata)
{
	struct followed *followed = userdata;

	followed->open = true;
	intake_begin(&followed->list);
	return 0;
}

static void note_change(struct followed *followed)
{
	struct cluster_source *source = followed->source;

	if (!source->intake.changed && !source->intake.problems_changed)
		return;
	if (!source->changed_usec)
		source->changed_usec = watch_event_usec(followed->watch);
	debounce_kick(source->debounce);
}

static int on_put(void *userdata, const struct json *type, const struct json *object)
{
	struct followed *followed = userdata;
	int r = intake_put(&followed->source->intake, &followed->list, type, object, followed->open);

	note_change(followed);
	return r;
}

static int on_remove(void *userdata, const struct json *type, const struct json *object)
{
	struct followed *followed = userdata;
	int r = intake_remove(&followed->source->intake, &followed->list, type, object);

	note_change(followed);
	return r;
}

static int on_complete(void *userdata)
{
	struct followed *followed = userdata;
	struct cluster_source *source = followed->source;
	int r = intake_complete(&source->intake, &followed->list);

	followed->open = false;
	source->trim = true;
	followed->complete = true;
	debounce_kick(source->debounce);
	return r;
}

static const struct reflector_fns reflector_fns = {
	.begin = on_begin,
	.put = on_put,
	.remove = on_remove,
	.complete = on_complete,
};

static void on_trouble(void *userdata)
{
	struct followed *followed = userdata;

	followed->source->trouble_changed = true;
	debounce_kick(followed->source->debounce);
}

/* --- what is followed ---------------------------------------------------------------------------------- */

static void followed_free(struct followed *followed)
{
	watch_free(followed->watch);
	intake_list_done(&followed->list);
	free(followed->secret);
	free(followed);
}

/* Takes it, also on failure. */
static int follow(struct cluster_source *source, struct followed *followed, const char *path,
		  const char *selector, const char *list_type)
{
	const struct collection *collection = followed->collection;
	const struct watch_options options = {
		.path = path,
		.selector = selector,
		.list_type = list_type,
		.in_pages = collection && MANY_KINDS & CLUSTER_KIND(collection->kind),
		.fns = &reflector_fns,
		.on_trouble = on_trouble,
		.userdata = followed,
	};
	int r;

	followed->source = source;
	r = array_reserve(source->followed, source->n_followed, source->capacity);
	if (r >= 0)
		r = watch_new(source->event, source->api, &options, &followed->watch);
	if (r < 0) {
		followed_free(followed);
		return r;
	}
	source->followed[source->n_followed++] = followed;
	return 0;
}

static int follow_collection(struct cluster_source *source, const struct collection *collection)
{
	struct followed *followed = calloc(1, sizeof(*followed));
	bool all = collection->kind == OBJECT_SERVICE && source->all_services;

	if (!followed)
		return -ENOMEM;
	followed->collection = collection;
	followed->list.kind = collection->kind;
	return follow(source, followed, collection->path, all ? NULL : collection->selector,
		      collection->list_type);
}

static int follow_secret(struct cluster_source *source, const char *name)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };
	cleanup(strbuf_done) struct strbuf selector = { 0 };
	struct followed *followed = calloc(1, sizeof(*followed));

	if (followed)
		followed->secret = strdup(name);
	/* Names of namespaces and Secrets need no encoding: the decoder has checked them. */
	strbuf_appendf(&path, "/api/v1/namespaces/%s/secrets", source->secret_namespace);
	strbuf_appendf(&selector, "fieldSelector=metadata.name%%3D%s", name);
	if (!followed || !followed->secret || strbuf_failed(&path) || strbuf_failed(&selector)) {
		if (followed)
			followed_free(followed);
		return -ENOMEM;
	}
	followed->list = (struct intake_list){
		.kind = OBJECT_SECRET,
		.namespace = source->secret_namespace,
		.name = followed->secret,
	};
	followed->wanted = true;
	return follow(source, followed, strbuf_text(&path), strbuf_text(&selector), SECRET_LIST_TYPE);
}

static void want_secret(struct cluster_source *source, const char *name)
{
	for (size_t i = 0; i < source->n_followed; i++) {
		if (source->followed[i]->secret && !strcmp(source->followed[i]->secret, name)) {
			source->followed[i]->wanted = true;
			return;
		}
	}
	if (source->n_followed < MAX_SECRETS)
		follow_secret(source, name); /* out of memory: with the next change */
}

/* The Secrets that peers name now. Those that nobody names any more leave the store. */
static void compare_secrets(struct cluster_source *source)
{
	const struct cluster *cluster;
	size_t kept = 0;

	if (!(source->kinds & CLUSTER_KIND(OBJECT_SECRET)))
		return;
	cluster = store_cluster(source->store);
	for (size_t i = 0; i < source->n_followed; i++)
		source->followed[i]->wanted = !source->followed[i]->secret;
	for (size_t i = 0; cluster && i < cluster->n_peers; i++)
		if (cluster->peers[i]->password_secret && *cluster->peers[i]->password_secret &&
		    text_is_dns_subdomain(cluster->peers[i]->password_secret))
			want_secret(source, cluster->peers[i]->password_secret);
	for (size_t i = 0; i < source->n_followed; i++) {
		struct followed *followed = source->followed[i];

		if (followed->wanted) {
			source->followed[kept++] = followed;
			continue;
		}
		intake_forget(&source->intake, &followed->list);
		followed_free(followed);
	}
	source->n_followed = kept;
}

/* --- the result ---------------------------------------------------------------------------------------- */

static struct source_trouble trouble_of(const struct followed *followed)
{
	const struct cluster_source *source = followed->source;
	const struct collection *collection = followed->collection;
	struct source_trouble trouble = {
		.path = collection ? collection->path : NULL,
		.crd = collection ? collection->crd : NULL,
		.namespace = followed->list.namespace,
		.secret = followed->secret,
		.dispensable = collection && source->dispensable & CLUSTER_KIND(collection->kind),
		.complete = followed->complete,
		.delivered = source->result.delivered,
	};

	trouble.trouble = watch_trouble(followed->watch, &trouble.status);
	return trouble;
}

static bool is_given_up(const struct followed *followed)
{
	const struct source_trouble trouble = trouble_of(followed);

	return source_trouble_is_given_up(&trouble);
}

static bool all_complete(const struct cluster_source *source)
{
	for (size_t i = 0; i < source->n_followed; i++)
		if (!source->followed[i]->complete && !is_given_up(source->followed[i]))
			return false;
	return true;
}

uint32_t cluster_source_absent(const struct cluster_source *source)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < source->n_followed; i++)
		if (!source->followed[i]->complete && source->followed[i]->collection)
			kinds |= CLUSTER_KIND(source->followed[i]->collection->kind);
	return kinds;
}

/* 0, -ENOMEM, or 1: they are others than before. */
static int rebuild_problems(struct cluster_source *source)
{
	struct problems problems = { 0 };
	int r;

	r = intake_append_problems(&source->intake, &problems);
	for (size_t i = 0; i < source->n_followed && !r; i++) {
		const struct source_trouble trouble = trouble_of(source->followed[i]);

		r = source_trouble_add(&problems, &trouble);
	}
	if (r < 0) {
		problems_done(&problems);
		return r;
	}
	problems_sort_unique(&problems);
	if (problems_equal(&problems, &source->result.problems)) {
		problems_done(&problems);
		return 0;
	}
	problems_done(&source->result.problems);
	source->result.problems = problems;
	return 1;
}

static void settle(void *userdata)
{
	struct cluster_source *source = userdata;
	struct intake *intake = &source->intake;
	bool delivered = source->result.delivered;
	int r = 0;

	compare_secrets(source);
	source->result.delivered |= all_complete(source);
	if (source->trim)
		malloc_trim(0);
	source->trim = false;
	/* With `delivered` the texts change that say what stays in force. */
	if (intake->problems_changed || source->trouble_changed || source->result.delivered != delivered)
		r = rebuild_problems(source);
	if (r < 0) {
		source->result.delivered = delivered;
		debounce_kick(source->debounce);
		return;
	}
	intake->problems_changed = source->trouble_changed = false;
	/* Before everything is there nobody may act on a part of it. */
	if ((!intake->changed || !source->result.delivered) && !r && source->result.delivered == delivered)
		return;
	intake->changed = false;
	source->on_change(source->userdata);
	source->changed_usec = 0;
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

int cluster_source_new(struct sd_event *event, struct api *api, const struct cluster_source_options *options,
		       struct store *store, source_change_fn *on_change, void *userdata,
		       struct cluster_source **ret)
{
	cleanup(cluster_source_freep) struct cluster_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->event = event;
	source->api = api;
	source->store = source->intake.store = store;
	source->intake.specs_only = options->specs_only;
	source->kinds = options->kinds;
	source->dispensable = options->dispensable;
	source->all_services = options->all_services;
	source->on_change = on_change;
	source->userdata = userdata;
	source->secret_namespace = strdup(options->secret_namespace ? options->secret_namespace : "");
	if (!source->secret_namespace)
		return -ENOMEM;
	r = debounce_new(event, LIMIT_MSEC, settle, source, &source->debounce);
	for (size_t i = 0; i < ARRAY_SIZE(collections) && r >= 0; i++)
		if (source->kinds & CLUSTER_KIND(collections[i].kind))
			r = follow_collection(source, &collections[i]);
	if (r < 0)
		return r;
	*ret = take(source);
	return 0;
}

void cluster_source_free(struct cluster_source *source)
{
	if (!source)
		return;
	for (size_t i = 0; i < source->n_followed; i++)
		followed_free(source->followed[i]);
	free(source->followed);
	debounce_free(source->debounce);
	intake_done(&source->intake);
	source_result_done(&source->result);
	free(source->secret_namespace);
	free(source);
}

const struct source_result *cluster_source_result(const struct cluster_source *source)
{
	return &source->result;
}

struct cluster_source_state cluster_source_state(const struct cluster_source *source)
{
	struct cluster_source_state state = { 0 };

	for (size_t i = 0; i < source->n_followed; i++) {
		const struct reflector *reflector = watch_reflector(source->followed[i]->watch);

		state.n_lists += reflector->n_lists;
		state.n_watches += reflector->n_watches;
		state.n_events += reflector->n_events;
		if (watch_event_usec(source->followed[i]->watch) > state.event_usec)
			state.event_usec = watch_event_usec(source->followed[i]->watch);
	}
	state.changed_usec = source->changed_usec;
	return state;
}
