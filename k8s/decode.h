/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON value -> one `struct object` (PURE). Input is hostile: sizes are bounded, numbers range-checked,
 * control characters refused; a bad object is a problem (object, field, what is wrong), never a crash, never
 * half taken. Defaults of the API server are applied (protocol TCP, port name "", policy Cluster,
 * conditions). */
#ifndef FAIRWAY_K8S_DECODE_H
#define FAIRWAY_K8S_DECODE_H

#include "k8s/json.h"
#include "userspace/core/cluster.h"

enum decode_result {
	DECODED,	/* *ret_object is the caller's */
	DECODE_SKIPPED, /* a kind or apiVersion that Fairway does not read */
	DECODE_REFUSED, /* problems were added */
	DECODE_NO_MEMORY,
};

/* `origin`: a file's name or "", for problems of a value without kind or name. Lists (kind List, ServiceList,
 * …) are the caller's to unfold: decode_list_items() and decode_item(). */
enum decode_result decode_object(const struct json *, const char *origin, struct object **ret_object,
				 struct problems *);

/* Is this value a list of objects ("…List" with items)? *ret_items is borrowed; NULL: the list is empty. */
bool decode_is_list(const struct json *, const struct json **ret_items);
/* As decode_object(); what `list` (may be NULL) says about kind and apiVersion holds for an item that says
 * nothing. */
enum decode_result decode_item(const struct json *list, const struct json *item, const char *origin,
			       struct object **ret_object, struct problems *);

/* What the others must go on knowing of an object that was refused, for it is there all the same: the
 * addresses in a Service's status (nobody else may get them), a ServiceIPPool's name and what is wrong with
 * it (the addresses it holds are unknown, so none is taken away), a BGPAdvertisement's existence (without
 * any, everything would be announced to every peer) and what is wrong with it, and what is wrong with a
 * BGPPeer, BFDProfile or Community, of the latter also what its aliases are called. A source puts it where no
 * last good version is. *ret is NULL for the other kinds. 0 or -ENOMEM. */
int decode_remains(const struct json *list, const struct json *item, struct object **ret);

struct object_id { /* borrowed from the JSON */
	enum object_kind kind;
	const char *namespace, *name;
};
/* Whose value this is, also if decoding would refuse it. False: a kind that is not read, or no valid name. */
bool decode_identity(const struct json *list, const struct json *item, struct object_id *ret);
/* The first member of a fairway.dev object's spec that is none of its fields, or NULL. The API server would
 * drop it and warn; unsaid, a mistyped or borrowed name (MetalLB's ipAddressPools) selects everything. */
const struct json *decode_unknown_field(const struct json *list, const struct json *item);
/* metadata.resourceVersion of an object or a list; 0: none, or none that is a decimal number. */
uint64_t decode_resource_version(const struct json *);
/* Equal digests: decoding would give an equal object but for meta.resource_version. Not looked at are
 * resourceVersion, managedFields, what a Node tells every few minutes and nobody here reads, an LBNode's
 * heartbeat, and with `specs_only` the status that lbcontroller writes of the kinds that configure. Never 0.
 */
uint64_t decode_digest(enum object_kind, const struct json *, bool specs_only);
/* "Pod (v1)", for notices about kinds that are not read. */
void decode_describe_kind(const struct json *list, const struct json *item, struct strbuf *);

#endif
