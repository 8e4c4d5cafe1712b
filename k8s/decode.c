// SPDX-License-Identifier: Apache-2.0
/* From one JSON value to one object: which kind it is, its metadata, then its kind's decoder. The kinds of
 * Kubernetes are in decode_core.c, Fairway's own in decode_fairway.c. */
#include "k8s/decode.h"

#include <errno.h>
#include <string.h>

#include "k8s/decode_common.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

DEFINE_CLEANUP(struct object *, object_free);

#define MAX_LABELS	     256
#define LABEL_VALUE_MAX	     63
#define MAX_ANNOTATIONS	     1000
#define MAX_FINALIZERS	     64
#define ANNOTATION_VALUE_MAX (256 * 1024) /* the API server's limit for all of them */

#define FAIRWAY_API	     "fairway.dev/v1alpha1"

struct kind {
	const char *api_version, *name;
	enum object_kind kind;
	bool namespaced;
	decode_fn *decode;
	const char *const
		*fields; /* of its spec, ends with NULL; NULL: a kind of which Fairway reads a part */
};

static const struct kind kinds[] = {
	{ "v1", "Service", OBJECT_SERVICE, true, decode_service, NULL },
	{ "discovery.k8s.io/v1", "EndpointSlice", OBJECT_ENDPOINT_SLICE, true, decode_endpoint_slice, NULL },
	{ "discovery.k8s.io/v1beta1", "EndpointSlice", OBJECT_ENDPOINT_SLICE, true, decode_endpoint_slice,
	  NULL },
	{ "v1", "Node", OBJECT_NODE, false, decode_node, NULL },
	{ "v1", "Namespace", OBJECT_NAMESPACE, false, decode_namespace, NULL },
	{ "v1", "Secret", OBJECT_SECRET, true, decode_secret, NULL },
	{ FAIRWAY_API, "ServiceIPPool", OBJECT_SERVICE_IP_POOL, false, decode_service_ip_pool,
	  service_ip_pool_fields },
	{ FAIRWAY_API, "BGPPeer", OBJECT_BGP_PEER, false, decode_bgp_peer, bgp_peer_fields },
	{ FAIRWAY_API, "BGPAdvertisement", OBJECT_BGP_ADVERTISEMENT, false, decode_bgp_advertisement,
	  bgp_advertisement_fields },
	{ FAIRWAY_API, "BFDProfile", OBJECT_BFD_PROFILE, false, decode_bfd_profile, bfd_profile_fields },
	{ FAIRWAY_API, "Community", OBJECT_COMMUNITY, false, decode_community, community_fields },
	{ FAIRWAY_API, "LBNode", OBJECT_LB_NODE, false, decode_lb_node, NULL },
};

/* What can be said about a value before it has a name: with the line, for the object is known by its file
 * only. */
static enum decode_result refuse_nameless(struct problems *problems, const char *origin, const char *field,
					  unsigned line, const char *what)
{
	return problems_add(problems, origin, field, "line %u: %s", line, what) < 0 ? DECODE_NO_MEMORY
										    : DECODE_REFUSED;
}

static int64_t field_time(struct decoder *decoder, const struct json *parent, const char *name,
			  int64_t fallback)
{
	const char *text = field_text(decoder, parent, name);
	int64_t seconds;

	if (!text || !*text)
		return fallback;
	if (time_parse(text, &seconds) < 0) {
		decode_refuse(decoder, parent, name, "not a time such as 2024-01-31T12:00:00Z: %.100s", text);
		return fallback;
	}
	return seconds;
}

uint64_t decode_resource_version(const struct json *object)
{
	const struct json *text = json_member(json_member(object, "metadata"), "resourceVersion");
	uint64_t version;

	if (!text || text->type != JSON_STRING || parse_number(text->text, 0, UINT64_MAX, &version) < 0)
		return 0;
	return version;
}

struct ignored { /* a member `key` of the root's member `parent`, or of each entry of that one's list `list`
		  */
	const char *parent, *list, *key;
};

static const struct ignored ignored_of_all[] = {
	{ "metadata", NULL, "resourceVersion" },
	{ "metadata", NULL, "managedFields" },
};

/* A kubelet renews these every five minutes, and more often when images come and go: a thousand nodes would
 * keep everybody planning. */
static const struct ignored ignored_of_nodes[] = {
	{ "status", NULL, "images" },
	{ "status", NULL, "capacity" },
	{ "status", NULL, "allocatable" },
	{ "status", NULL, "nodeInfo" },
	{ "status", NULL, "volumesInUse" },
	{ "status", NULL, "volumesAttached" },
	{ "status", "conditions", "lastHeartbeatTime" },
};

static const struct ignored ignored_of_lb_nodes[] = { { "status", NULL, "heartbeatTime" } };

/* The object stands alone (in a list), or in an event: its own place is the root, not the document's. */
static bool is_ignored(const struct ignored *table, size_t n, const struct json *root,
		       const struct json *member)
{
	const struct json *parent = member->parent, *list = NULL;

	if (!member->key || member == root || parent == root)
		return false;
	if (!parent->key) { /* an entry of a list */
		list = parent->parent;
		parent = list->parent;
	}
	if (list == root || parent->parent != root)
		return false;
	for (size_t i = 0; i < n; i++)
		if (text_equal(table[i].list, list ? list->key : NULL) &&
		    !strcmp(table[i].parent, parent->key) && !strcmp(table[i].key, member->key))
			return true;
	return false;
}

struct digested {
	const struct json *root;
	enum object_kind kind;
	bool specs_only;
};

/* The kinds that tell what is configured, and whose status is lbcontroller's alone. */
static bool is_configuration(enum object_kind kind)
{
	return kind == OBJECT_SERVICE_IP_POOL || kind == OBJECT_BGP_PEER ||
	       kind == OBJECT_BGP_ADVERTISEMENT || kind == OBJECT_BFD_PROFILE || kind == OBJECT_COMMUNITY;
}

static bool is_told_status(const struct digested *digested, const struct json *member)
{
	return is_configuration(digested->kind) && member->key && member->parent == digested->root &&
	       !strcmp(member->key, "status");
}

/* Items of a list may leave them out; which they are the collection says. */
static bool is_type(const struct json *root, const struct json *member)
{
	return member->key && member->parent == root &&
	       (!strcmp(member->key, "kind") || !strcmp(member->key, "apiVersion"));
}

static bool skip_ignored(const void *userdata, const struct json *member)
{
	const struct digested *digested = userdata;
	const struct json *root = digested->root;

	return is_type(root, member) ||
	       is_ignored(ignored_of_all, ARRAY_SIZE(ignored_of_all), root, member) ||
	       (digested->kind == OBJECT_NODE &&
		is_ignored(ignored_of_nodes, ARRAY_SIZE(ignored_of_nodes), root, member)) ||
	       (digested->kind == OBJECT_LB_NODE &&
		is_ignored(ignored_of_lb_nodes, ARRAY_SIZE(ignored_of_lb_nodes), root, member)) ||
	       (digested->specs_only && is_told_status(digested, member));
}

uint64_t decode_digest(enum object_kind kind, const struct json *object, bool specs_only)
{
	return json_digest_without(
		object, skip_ignored,
		&(struct digested){ .root = object, .kind = kind, .specs_only = specs_only });
}

static void decode_meta(struct decoder *decoder, const struct json *metadata, struct meta *meta)
{
	struct labels *annotations = &meta->annotations;
	size_t kept = 0;

	meta->uid = field_text_or(decoder, metadata, "uid", "");
	meta->created_sec = field_time(decoder, metadata, "creationTimestamp", INT64_MAX);
	meta->deletion_sec = field_time(decoder, metadata, "deletionTimestamp", 0);
	meta->deleting = field_text(decoder, metadata, "deletionTimestamp") != NULL;
	meta->generation = field_number(decoder, metadata, "generation", 0, INT64_MAX, 0);
	meta->resource_version = decode_resource_version(decoder->root);
	meta->finalizers = field_strings(decoder, metadata, "finalizers", MAX_FINALIZERS);
	meta->labels = field_labels(decoder, metadata, "labels", MAX_LABELS, LABEL_VALUE_MAX);
	*annotations = field_labels(decoder, metadata, "annotations", MAX_ANNOTATIONS, ANNOTATION_VALUE_MAX);
	/* kubectl's copy of the whole object: nobody reads it, and it doubles the memory of every object. */
	for (size_t i = 0; i < annotations->n && !decoder->no_memory; i++)
		if (strcmp(annotations->items[i].key, "kubectl.kubernetes.io/last-applied-configuration") !=
		    0)
			annotations->items[kept++] = annotations->items[i];
	annotations->n = kept;
}

/* What lbcontroller wrote, as far as it reads it again. */
static void decode_told(struct decoder *decoder, enum object_kind kind, struct meta *meta)
{
	const struct json *status = json_member(decoder->root, "status");

	if (kind == OBJECT_SERVICE)
		meta->conditions = field_conditions(decoder, status, "fairway.dev/");
	if (!is_configuration(kind))
		return;
	meta->conditions = field_conditions(decoder, status, "");
	meta->status_digest = status ? json_digest(status) : 0;
}

/* Namespace and name, checked. NULL: *ret_why and *ret_field say what is wrong. */
static const char *find_name(const struct json *metadata, const struct kind *kind, const char **ret_namespace,
			     const char **ret_field, const char **ret_why)
{
	const struct json *name = json_member(metadata, "name"),
			  *namespace = json_member(metadata, "namespace");

	*ret_namespace = "";
	*ret_field = "metadata.name";
	*ret_why = "missing";
	if (!name || name->type == JSON_NULL)
		return NULL;
	*ret_why = "not a name";
	if (name->type != JSON_STRING || !text_is_dns_subdomain(name->text))
		return NULL;
	if (!kind->namespaced)
		return name->text;
	*ret_namespace = "default";
	if (!namespace || namespace->type == JSON_NULL ||
	    (namespace->type == JSON_STRING && !*namespace->text))
		return name->text;
	*ret_field = "metadata.namespace";
	if (namespace->type != JSON_STRING || !text_is_dns_label(namespace->text))
		return NULL;
	*ret_namespace = namespace->text;
	return name->text;
}

/* Fills a new object as far as its fields can be read. */
static enum decode_result decode_fields(const struct kind *kind, const struct json *root,
					const struct object_id *id, struct object *object,
					struct problems *problems)
{
	cleanup(strbuf_done) struct strbuf identity = { 0 };
	struct decoder decoder = { .root = root, .problems = problems };

	strbuf_appendf(&identity, "%s/%s%s%s", kind->name, id->namespace, *id->namespace ? "/" : "",
		       id->name);
	if (strbuf_failed(&identity))
		return DECODE_NO_MEMORY;
	decoder.arena = &object->arena;
	decoder.object = strbuf_text(&identity);
	object->meta.namespace = keep_text(&decoder, id->namespace);
	object->meta.name = keep_text(&decoder, id->name);
	decode_meta(&decoder, json_member(root, "metadata"), &object->meta);
	decode_told(&decoder, kind->kind, &object->meta);
	kind->decode(&decoder, root, object);
	return decoder.no_memory ? DECODE_NO_MEMORY : decoder.refused ? DECODE_REFUSED : DECODED;
}

static enum decode_result decode_kind(const struct kind *kind, const struct json *root,
				      const struct object_id *id, struct object **ret_object,
				      struct problems *problems)
{
	cleanup(object_freep) struct object *object = object_new(kind->kind);
	enum decode_result result;

	if (!object)
		return DECODE_NO_MEMORY;
	result = decode_fields(kind, root, id, object, problems);
	if (result == DECODED)
		*ret_object = take(object);
	return result;
}

static int reduce_community(struct object *object, const struct meta *meta)
{
	const struct community_object read = object->community;
	const char **names = arena_array(&object->arena, read.n_aliases, sizeof(*names));
	size_t i, n = 0;

	if (!names)
		return -ENOMEM;
	for (i = 0; i < read.n_aliases; i++)
		if (read.aliases[i].name && *read.aliases[i].name)
			names[n++] = read.aliases[i].name;
	object->community = (struct community_object){ .meta = *meta,
						       .unusable = true,
						       .refused_aliases = { .items = names, .n = n } };
	return 0;
}

/* Nothing else of a half-read object may be used: only what decode_remains() promises stays in it. */
static int reduce(struct object *object, const struct problem *why)
{
	struct service *service = &object->service;
	struct meta meta = object->meta;
	cleanup(strbuf_done) struct strbuf text = { 0 };

	strbuf_appendf(&text, "%s%s%s", why->field, *why->field ? ": " : "", why->message);
	meta.refused = strbuf_failed(&text) ? NULL : arena_string(&object->arena, strbuf_text(&text));
	if (!meta.refused)
		return -ENOMEM;
	meta.refused_generation = meta.generation;
	switch (object->kind) {
	case OBJECT_SERVICE:
		/* Who has addresses in a status was of the type, whatever its spec says now. */
		*service = (struct service){ .meta = meta,
					     .unusable = true,
					     .type = SERVICE_LOAD_BALANCER,
					     .load_balancer_class = service->load_balancer_class,
					     .ingress = service->ingress,
					     .n_ingress = service->n_ingress };
		return 0;
	case OBJECT_SERVICE_IP_POOL:
		object->pool = (struct service_ip_pool){ .meta = meta, .unusable = true };
		return 0;
	case OBJECT_BGP_ADVERTISEMENT:
		object->advertisement = (struct bgp_advertisement){ .meta = meta, .unusable = true };
		return 0;
	case OBJECT_BGP_PEER:
		object->peer = (struct bgp_peer){ .meta = meta, .unusable = true };
		return 0;
	case OBJECT_BFD_PROFILE:
		object->bfd_profile = (struct bfd_profile){ .meta = meta, .unusable = true };
		return 0;
	case OBJECT_COMMUNITY:
		return reduce_community(object, &meta);
	case OBJECT_ENDPOINT_SLICE:
	case OBJECT_NODE:
	case OBJECT_NAMESPACE:
	case OBJECT_SECRET:
	case OBJECT_LB_NODE:
	case OBJECT_KIND_COUNT:
		break;
	}
	return 1;
}

bool decode_is_list(const struct json *value, const struct json **ret_items)
{
	const struct json *kind = json_member(value, "kind"), *items = json_member(value, "items");
	size_t length = kind && kind->type == JSON_STRING ? strlen(kind->text) : 0;

	if (length < 4 || strcmp(kind->text + length - 4, "List") != 0)
		return false;
	if (items && items->type != JSON_NULL && items->type != JSON_ARRAY)
		return false;
	*ret_items = items && items->type == JSON_ARRAY ? items : NULL;
	return true;
}

/* Kind and apiVersion as texts; NULL what is neither said nor inherited. `kind` is not NUL-terminated where
 * inherited. */
struct type_meta {
	const char *api_version, *kind;
	size_t kind_length;
};

static const char *text_member(const struct json *value, const char *key)
{
	const struct json *member = json_member(value, key);

	return member && member->type == JSON_STRING && *member->text ? member->text : NULL;
}

static struct type_meta type_of(const struct json *list, const struct json *item)
{
	struct type_meta type = { .api_version = text_member(item, "apiVersion"),
				  .kind = text_member(item, "kind") };
	const char *list_kind = text_member(list, "kind");

	type.kind_length = type.kind ? strlen(type.kind) : 0;
	if (!type.kind && list_kind &&
	    strlen(list_kind) > 4) { /* "ServiceList" holds Services, "List" anything */
		type.kind = list_kind;
		type.kind_length = strlen(list_kind) - 4;
		if (!type.api_version)
			type.api_version = text_member(list, "apiVersion");
	}
	return type;
}

static const struct kind *find_kind(const struct type_meta *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].api_version, type->api_version) == 0 &&
		    strlen(kinds[i].name) == type->kind_length &&
		    strncmp(kinds[i].name, type->kind, type->kind_length) == 0)
			return &kinds[i];
	return NULL;
}

bool decode_identity(const struct json *list, const struct json *item, struct object_id *ret)
{
	struct type_meta type = type_of(list, item);
	const struct kind *kind = type.kind && type.api_version ? find_kind(&type) : NULL;
	const char *namespace, *name, *field, *why;

	name = kind ? find_name(json_member(item, "metadata"), kind, &namespace, &field, &why) : NULL;
	if (!name)
		return false;
	*ret = (struct object_id){ .kind = kind->kind, .namespace = namespace, .name = name };
	return true;
}

const struct json *decode_unknown_field(const struct json *list, const struct json *item)
{
	struct type_meta type = type_of(list, item);
	const struct kind *kind = type.kind && type.api_version ? find_kind(&type) : NULL;
	const struct json *spec = json_member(item, "spec"), *member;
	size_t i;

	if (!kind || !kind->fields || !spec || spec->type != JSON_OBJECT)
		return NULL;
	for (member = spec->child; member; member = member->next) {
		for (i = 0; kind->fields[i] && strcmp(kind->fields[i], member->key) != 0; i++)
			;
		if (!kind->fields[i])
			return member;
	}
	return NULL;
}

void decode_describe_kind(const struct json *list, const struct json *item, struct strbuf *text)
{
	struct type_meta type = type_of(list, item);

	strbuf_appendf(text, "%.*s (%.100s)", type.kind_length > 100 ? 100 : (int)type.kind_length,
		       type.kind ? type.kind : "", type.api_version ? type.api_version : "");
}

enum decode_result decode_item(const struct json *list, const struct json *root, const char *origin,
			       struct object **ret_object, struct problems *problems)
{
	struct type_meta type = type_of(list, root);
	const char *namespace, *name, *field, *why;
	const struct kind *kind;

	if (root->type != JSON_OBJECT)
		return refuse_nameless(problems, origin, "", root->line, "not an object: a map is expected");
	if (!type.kind)
		return refuse_nameless(problems, origin, "kind", root->line, "missing");
	if (!type.api_version)
		return refuse_nameless(problems, origin, "apiVersion", root->line, "missing");
	kind = find_kind(&type);
	if (!kind)
		return DECODE_SKIPPED;
	name = find_name(json_member(root, "metadata"), kind, &namespace, &field, &why);
	if (!name)
		return refuse_nameless(problems, origin, field, root->line, why);
	return decode_kind(kind, root, &(struct object_id){ kind->kind, namespace, name }, ret_object,
			   problems);
}

int decode_remains(const struct json *list, const struct json *item, struct object **ret)
{
	cleanup(problems_done) struct problems problems = { 0 };
	struct type_meta type = type_of(list, item);
	cleanup(object_freep) struct object *object = NULL;
	struct object_id id;
	int r;

	*ret = NULL;
	if (!decode_identity(list, item, &id))
		return 0;
	object = object_new(id.kind);
	if (!object || decode_fields(find_kind(&type), item, &id, object, &problems) == DECODE_NO_MEMORY ||
	    !problems.n)
		return -ENOMEM;
	r = reduce(object, &problems.items[0]);
	if (r < 0)
		return r;
	if (r == 0)
		*ret = take(object);
	return 0;
}

enum decode_result decode_object(const struct json *root, const char *origin, struct object **ret_object,
				 struct problems *problems)
{
	return decode_item(NULL, root, origin, ret_object, problems);
}
