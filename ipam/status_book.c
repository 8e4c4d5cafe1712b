// SPDX-License-Identifier: Apache-2.0
/* The controller's memory laid over a cluster, and taken forward: see status_book.h. */
#include "ipam/status_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/overlay.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

void status_book_done(struct status_book *book)
{
	if (!book)
		return;
	arena_done(&book->arena);
	*book = (struct status_book){ 0 };
}

static int compare_entries(const void *a, const void *b)
{
	const struct status_entry *left = a, *right = b;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

void status_book_sort(struct status_book *book)
{
	if (book->n_entries)
		qsort(book->entries, book->n_entries, sizeof(*book->entries), compare_entries);
}

const struct status_entry *status_book_find(const struct status_book *book, const char *namespace, const char *name)
{
	const struct status_entry wanted = { .namespace = namespace, .name = name };

	if (!book->n_entries)
		return NULL;
	return bsearch(&wanted, book->entries, book->n_entries, sizeof(*book->entries), compare_entries);
}

/* --- over a cluster ------------------------------------------------------------------------------------ */

static bool is_of(const struct status_entry *entry, const struct service *service)
{
	return !*entry->uid || !*service->meta.uid || text_equal(entry->uid, service->meta.uid);
}

/* Is there a whole file that could not be read (its problem has the file's name, which has no '/')? What stood in it may be
 * there all the same. An object that was refused for itself is in the cluster: see decode_remains(). */
static bool a_file_is_hidden(const struct problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++)
		if (!strchr(problems->items[i].object, '/'))
			return true;
	return false;
}

/* A Service seen since the start would still be in the store. */
static bool may_be_hidden(const struct status_entry *entry, const struct problems *problems)
{
	return !entry->seen && entry->n_addresses && a_file_is_hidden(problems);
}

static int overlay_one(struct overlay *overlay, const struct service *service, const struct status_book *book)
{
	const struct status_entry *entry = status_book_find(book, service->meta.namespace, service->meta.name);

	if (!entry)
		return overlay_keep(overlay, service);
	if (!is_of(entry, service))
		return overlay_replace(overlay, service, NULL, 0); /* the manifest's status was the other one's as well */
	return overlay_replace(overlay, service, entry->addresses, entry->n_addresses);
}

/* A pool that stood in a hidden file is not gone: what it holds is unknown, as with one that was refused. One such pool in
 * the overlay is enough for allocate() to take no address away because no pool contains it. */
static int stand_in_pool(const struct cluster *cluster, struct arena *arena, struct cluster *overlay)
{
	const struct service_ip_pool **pools;
	struct service_ip_pool *pool;
	size_t i;

	pools = arena_array(arena, cluster->n_pools + 1, sizeof(*pools));
	pool = arena_alloc(arena, sizeof(*pool));
	if (!pools || !pool)
		return -ENOMEM;
	pool->meta = (struct meta){ .namespace = "", .name = "", .uid = "", .created_sec = INT64_MAX };
	pool->unusable = true;
	pool->meta.refused = "in a file that cannot be read";
	for (i = 0; i < cluster->n_pools; i++)
		pools[i] = cluster->pools[i];
	pools[i] = pool;
	overlay->pools = pools;
	overlay->n_pools = cluster->n_pools + 1;
	return 0;
}

int status_book_overlay(const struct status_book *book, const struct cluster *cluster, const struct problems *problems,
			struct arena *arena, struct cluster *ret)
{
	struct cluster result;
	struct overlay overlay;
	size_t i;
	int r = overlay_init(&overlay, arena, cluster, book->n_entries);

	for (i = 0; i < cluster->n_services && r == 0; i++)
		r = overlay_one(&overlay, cluster->services[i], book);
	for (i = 0; i < book->n_entries && r == 0; i++) {
		const struct status_entry *entry = &book->entries[i];

		if (!cluster_find_service(cluster, entry->namespace, entry->name) && may_be_hidden(entry, problems))
			r = overlay_stand_in(&overlay, entry->namespace, entry->name, entry->uid, entry->addresses,
					     entry->n_addresses);
	}
	if (r < 0)
		return r;
	overlay_finish(&overlay, cluster, &result);
	r = a_file_is_hidden(problems) ? stand_in_pool(cluster, arena, &result) : 0;
	if (r == 0)
		*ret = result;
	return r;
}

/* --- the next book ------------------------------------------------------------------------------------- */

static int copy_entry(struct status_book *book, const struct status_entry *from)
{
	struct status_entry *entry = &book->entries[book->n_entries++];

	*entry = *from;
	entry->namespace = arena_string(&book->arena, from->namespace);
	entry->name = arena_string(&book->arena, from->name);
	entry->uid = arena_string(&book->arena, from->uid);
	entry->reason = arena_string(&book->arena, from->reason);
	entry->message = arena_string(&book->arena, from->message);
	entry->addresses = arena_array(&book->arena, from->n_addresses, sizeof(*entry->addresses));
	if (!entry->namespace || !entry->name || !entry->uid || !entry->reason || !entry->message || !entry->addresses)
		return -ENOMEM;
	if (from->n_addresses)
		memcpy(entry->addresses, from->addresses, from->n_addresses * sizeof(*entry->addresses));
	return 0;
}

static int next_entry(struct status_book *next, const struct status_book *old, const struct cluster *cluster,
		      const struct allocation *allocation, int64_t now_sec)
{
	const struct service *service = cluster_find_service(cluster, allocation->namespace, allocation->name);
	const struct status_entry *before = status_book_find(old, allocation->namespace, allocation->name);
	struct status_entry entry = {
		.namespace = allocation->namespace,
		.name = allocation->name,
		.uid = service ? service->meta.uid : "",
		.addresses = (struct addr *)allocation->addresses, /* copied below */
		.n_addresses = allocation->n_addresses,
		.reason = allocation->reason,
		.message = allocation->message,
		.since_sec = now_sec,
		.seen = true,
	};

	/* As in Kubernetes, the time tells when the condition turned, not when its wording changed. */
	if (before && service && is_of(before, service) && !before->n_addresses == !entry.n_addresses &&
	    text_equal(before->reason, entry.reason))
		entry.since_sec = before->since_sec;
	return copy_entry(next, &entry);
}

/* A Service that cannot be read gets no new answer: the old one stays in the file, and its addresses with it. */
static bool stays_unanswered(const struct status_entry *entry, const struct service *service,
			     const struct problems *problems)
{
	return service ? service->unusable && is_of(entry, service) : may_be_hidden(entry, problems);
}

int status_book_next(const struct status_book *old, const struct cluster *cluster, const struct problems *problems,
		     const struct allocations *allocations, int64_t now_sec, struct status_book *ret)
{
	struct status_book next = { 0 };
	size_t i;
	int r = 0;

	next.entries = arena_array(&next.arena, allocations->n_services + old->n_entries, sizeof(*next.entries));
	if (!next.entries)
		r = -ENOMEM;
	for (i = 0; i < allocations->n_services && r == 0; i++)
		r = next_entry(&next, old, cluster, &allocations->services[i], now_sec);
	for (i = 0; i < old->n_entries && r == 0; i++) {
		const struct status_entry *entry = &old->entries[i];

		if (stays_unanswered(entry, cluster_find_service(cluster, entry->namespace, entry->name), problems))
			r = copy_entry(&next, entry);
	}
	if (r < 0) {
		status_book_done(&next);
		return r;
	}
	status_book_sort(&next);
	*ret = next;
	return 0;
}

/* --- the file ------------------------------------------------------------------------------------------ */

static void append_member(struct strbuf *out, const char *before, const char *key, const char *value)
{
	strbuf_appendf(out, "%s\"%s\": ", before, key);
	json_append_string(out, value);
}

static void append_condition(struct strbuf *out, const struct status_entry *entry)
{
	strbuf_append(out, "        \"conditions\": [\n          { \"type\": \"fairway.dev/Allocated\"");
	append_member(out, ", ", "status", entry->n_addresses ? "True" : "False");
	strbuf_append(out, ", \"lastTransitionTime\": \"");
	strbuf_append_time(out, entry->since_sec);
	strbuf_append(out, "\"");
	append_member(out, ",\n            ", "reason", *entry->reason ? entry->reason : "Allocated");
	append_member(out, ", ", "message", entry->message);
	strbuf_append(out, " }\n        ]\n");
}

static void append_entry(struct strbuf *out, const struct status_entry *entry)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	strbuf_append(out, "    {\n      \"apiVersion\": \"v1\",\n      \"kind\": \"Service\",\n      \"metadata\": { ");
	append_member(out, "", "namespace", entry->namespace);
	append_member(out, ", ", "name", entry->name);
	if (*entry->uid)
		append_member(out, ", ", "uid", entry->uid);
	strbuf_append(out, " },\n      \"status\": {\n        \"loadBalancer\": { \"ingress\": [");
	for (i = 0; i < entry->n_addresses; i++)
		strbuf_appendf(out, "%s{ \"ip\": \"%s\", \"ipMode\": \"VIP\" }", i ? ", " : " ",
			       addr_format(&entry->addresses[i], text));
	strbuf_append(out, entry->n_addresses ? " ] },\n" : "] },\n");
	append_condition(out, entry);
	strbuf_append(out, "      }\n    }");
}

void status_book_json(struct strbuf *out, const struct status_book *book)
{
	size_t i;

	strbuf_append(out, "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [");
	for (i = 0; i < book->n_entries; i++) {
		strbuf_append(out, i ? ",\n" : "\n");
		append_entry(out, &book->entries[i]);
	}
	strbuf_append(out, book->n_entries ? "\n  ]\n}\n" : "]\n}\n");
}
