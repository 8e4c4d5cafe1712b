// SPDX-License-Identifier: Apache-2.0
/* Hostile objects: any bytes as JSON and as YAML, unfolded, decoded, stored, and the store walked. What must
 * hold beyond "no crash": a decoded object has the identity that decode_identity() tells, a refused one has a
 * problem, what is stored is found. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/decode.h"
#include "k8s/store.h"
#include "k8s/yaml.h"
#include "userspace/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_one(struct store *store, const struct json *list, const struct json *item, unsigned depth)
{
	struct problems problems = { 0 };
	const struct json *items, *child;
	struct object *object = NULL;
	enum decode_result result;
	struct object_id id;
	bool known;

	if (decode_is_list(item, &items)) {
		for (child = items ? items->child : NULL; child && depth < JSON_MAX_DEPTH;
		     child = child->next)
			decode_one(store, item, child, depth + 1);
		return;
	}
	known = decode_identity(list, item, &id);
	result = decode_item(list, item, "file", &object, &problems);
	assert((result == DECODED) == (object != NULL));
	assert(result != DECODE_REFUSED || problems.n);
	assert(result != DECODE_SKIPPED || !problems.n);
	if (object) {
		assert(known && id.kind == object->kind && !strcmp(id.name, object->meta.name) &&
		       !strcmp(id.namespace, object->meta.namespace));
		assert(store_put(store, object) == 0);
		assert(store_find(store, id.kind, id.namespace, id.name) == object);
	}
	problems_sort_unique(&problems);
	problems_done(&problems);
}

static void decode_all(const struct json_document *document)
{
	struct store *store = store_new();
	const struct cluster *cluster;
	const struct json *value;

	for (value = document->first; value; value = value->next)
		decode_one(store, NULL, value, 0);
	cluster = store_cluster(store);
	for (size_t i = 0; i < cluster->n_services; i++) {
		const struct meta *meta = &cluster->services[i]->meta;
		size_t n;

		cluster_service_slices(cluster, meta->namespace, meta->name, &n);
		assert(cluster_find_service(cluster, meta->namespace, meta->name) == cluster->services[i]);
	}
	while (cluster->n_slices) {
		const struct meta *meta = &cluster->slices[cluster->n_slices / 2]->meta;

		assert(store_remove(store, OBJECT_ENDPOINT_SLICE, meta->namespace, meta->name) == 0);
		cluster = store_cluster(store);
	}
	store_changes(store);
	store_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly this size: reading beyond the end is found. */
	char *text = malloc(size + !size);
	struct json_document document = { 0 };
	struct json_error error;

	memcpy(text, data, size);
	if (json_parse(text, size, &document, &error) == 0) {
		decode_all(&document);
		json_document_done(&document);
	}
	if (yaml_parse(text, size, &document, &error) == 0) {
		decode_all(&document);
		json_document_done(&document);
	}
	free(text);
	return 0;
}
