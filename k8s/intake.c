// SPDX-License-Identifier: Apache-2.0
/* Objects on their way into the store: see intake.h. */
#include "k8s/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

/* --- what is wrong with objects ------------------------------------------------------------------------ */

static size_t lower_bound(const struct intake *intake, const char *object)
{
	return sorted_place(intake->n_refused, i, strcmp(intake->refused[i].object, object) < 0);
}

static struct intake_problems *find_refused(const struct intake *intake, const char *object, size_t *ret_at)
{
	*ret_at = lower_bound(intake, object);
	return *ret_at < intake->n_refused && !strcmp(intake->refused[*ret_at].object, object)
		       ? &intake->refused[*ret_at]
		       : NULL;
}

static void clear_problems(struct intake *intake, const char *object)
{
	size_t at;
	struct intake_problems *found = find_refused(intake, object, &at);

	if (!found)
		return;
	free(found->object);
	problems_done(&found->problems);
	intake->n_refused--;
	memmove(found, found + 1, (intake->n_refused - at) * sizeof(*found));
	intake->problems_changed = true;
}

/* Takes what is in *problems, also on failure. */
static int set_problems(struct intake *intake, const char *object, struct problems *problems)
{
	size_t at;
	struct intake_problems *found = find_refused(intake, object, &at);
	char *copy;

	if (!problems->n) {
		clear_problems(intake, object);
		return 0;
	}
	if (!found) {
		copy = strdup(object);
		if (!copy || array_reserve(intake->refused, intake->n_refused, intake->capacity) < 0) {
			free(copy);
			return -ENOMEM;
		}
		found = &intake->refused[at];
		memmove(found + 1, found, (intake->n_refused - at) * sizeof(*found));
		*found = (struct intake_problems){ .object = copy };
		intake->n_refused++;
	}
	problems_done(&found->problems);
	found->problems = *problems;
	*problems = (struct problems){ 0 };
	intake->problems_changed = true;
	return 0;
}

int intake_append_problems(const struct intake *intake, struct problems *ret)
{
	for (size_t i = 0; i < intake->n_refused; i++) {
		const struct problems *from = &intake->refused[i].problems;

		for (size_t j = 0; j < from->n; j++)
			if (problems_add(ret, from->items[j].object, from->items[j].field, "%s",
					 from->items[j].message) < 0)
				return -ENOMEM;
	}
	return 0;
}

static void append_object(struct strbuf *text, const struct object_id *id)
{
	strbuf_appendf(text, "%s/%s%s%s", object_kind_name(id->kind), id->namespace,
		       *id->namespace ? "/" : "", id->name);
}

/* --- put and remove ------------------------------------------------------------------------------------ */

static const char *uid_of(const struct json *item)
{
	const struct json *uid = json_member(json_member(item, "metadata"), "uid");

	return uid && uid->type == JSON_STRING ? uid->text : "";
}

static int note_seen(struct intake_list *list, const struct object_id *id)
{
	size_t length = strlen(id->namespace), name_length = strlen(id->name);
	char *text = arena_alloc(&list->arena, length + name_length + 2);

	if (!text || array_reserve(list->seen, list->n_seen, list->capacity) < 0)
		return -ENOMEM;
	memcpy(text, id->namespace, length);
	text[length] = '/';
	memcpy(text + length + 1, id->name, name_length);
	list->seen[list->n_seen++] = text;
	return 0;
}

static bool is_in(const struct intake_list *list, const struct object_id *id)
{
	return id->kind == list->kind &&
	       (!list->name || (!strcmp(id->namespace, list->namespace) && !strcmp(id->name, list->name)));
}

/* A Service that is being deleted: its last good version would be served, and keep its finalizer, for ever.
 */
static bool is_ending(enum object_kind kind, const struct json *item)
{
	const struct json *time = json_member(json_member(item, "metadata"), "deletionTimestamp");

	return kind == OBJECT_SERVICE && time && time->type == JSON_STRING;
}

/* Refused: its problems, and what stays of it. */
static int put_refused(struct intake *intake, const struct json *list, const struct json *item,
		       const struct object *before, uint64_t digest, const char *identity,
		       struct problems *problems)
{
	bool last_good = before && !object_is_remains(before) && !is_ending(before->kind, item) &&
			 !strcmp(before->meta.uid, uid_of(item));
	cleanup(problems_done) struct problems told = { 0 };
	struct object *remains = NULL;
	int r;

	for (size_t i = 0; i < problems->n; i++)
		if (problems_add(&told, problems->items[i].object, problems->items[i].field, "%s%s",
				 problems->items[i].message,
				 last_good ? "; the last good version stays in force" : "") < 0)
			return -ENOMEM;
	r = decode_remains(list, item, &remains);
	if (r < 0)
		return r;
	r = set_problems(intake, identity, &told);
	if (r < 0) {
		object_free(remains);
		return r;
	}
	if (remains) {
		remains->digest = digest;
		intake->changed = true;
		if (!last_good)
			return store_put(intake->store, remains);
		store_keep(intake->store, before, remains);
		return 0;
	}
	if (before &&
	    !last_good) { /* another object of this name is gone, and nothing of this one can be used */
		store_remove(intake->store, before->kind, before->meta.namespace, before->meta.name);
		intake->changed = true;
	}
	return 0;
}

static int put_new(struct intake *intake, const struct json *list, const struct json *item,
		   const struct object *before, uint64_t digest, const struct object_id *id)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf identity = { 0 };
	struct object *object = NULL;
	int r;

	append_object(&identity, id);
	if (strbuf_failed(&identity))
		return -ENOMEM;
	switch (decode_item(list, item, "API server", &object, &problems)) {
	case DECODED:
		break;
	case DECODE_SKIPPED:
		return 0;
	case DECODE_REFUSED:
		return put_refused(intake, list, item, before, digest, strbuf_text(&identity), &problems);
	case DECODE_NO_MEMORY:
		return -ENOMEM;
	}
	object->digest = digest;
	r = set_problems(intake, strbuf_text(&identity), &problems);
	if (r < 0) {
		object_free(object);
		return r;
	}
	intake->changed = true;
	return store_put(intake->store, object);
}

int intake_put(struct intake *intake, struct intake_list *list, const struct json *type,
	       const struct json *item, bool open)
{
	const struct object *before;
	struct object_id id;
	uint64_t digest, version;
	int r;

	/* The API server has validated names; what has none, or is of another kind, is no answer to what was
	 * asked. */
	if (!decode_identity(type, item, &id) || !is_in(list, &id))
		return -EBADMSG;
	if (open) {
		r = note_seen(list, &id);
		if (r < 0)
			return r;
	}
	before = store_find(intake->store, id.kind, id.namespace, id.name);
	version = decode_resource_version(item);
	if (before && version && before->meta.resource_version == version &&
	    !strcmp(before->meta.uid, uid_of(item)))
		return 0;
	digest = decode_digest(id.kind, item, intake->specs_only);
	if (before && before->digest == digest) {
		store_renew(intake->store, before, version);
		return 0;
	}
	return put_new(intake, type, item, before, digest, &id);
}

static void remove_id(struct intake *intake, const struct object_id *id)
{
	cleanup(strbuf_done) struct strbuf identity = { 0 };

	append_object(&identity, id);
	clear_problems(intake, strbuf_text(&identity));
	if (store_remove(intake->store, id->kind, id->namespace, id->name) == 0)
		intake->changed = true;
}

int intake_remove(struct intake *intake, struct intake_list *list, const struct json *type,
		  const struct json *item)
{
	struct object_id id;

	if (!decode_identity(type, item, &id) || !is_in(list, &id))
		return -EBADMSG;
	remove_id(intake, &id);
	return 0;
}

/* --- lists --------------------------------------------------------------------------------------------- */

void intake_list_done(struct intake_list *list)
{
	arena_done(&list->arena);
	free(list->seen);
	list->seen = NULL;
	list->n_seen = list->capacity = 0;
}

void intake_begin(struct intake_list *list)
{
	intake_list_done(list);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of "namespace/name" texts: is this one among them? *ret: out of memory while asking counts as yes. */
static bool was_seen(const struct intake_list *list, const char *namespace, const char *name)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const char *key;

	if (!list->n_seen)
		return false;
	strbuf_appendf(&text, "%s/%s", namespace, name);
	if (strbuf_failed(&text))
		return true;
	key = strbuf_text(&text);
	return bsearch(&key, list->seen, list->n_seen, sizeof(*list->seen), compare_texts) != NULL;
}

/* What is refused without a trace in the store has a problem alone. "Service/web/shop" -> "web/shop" */
static void clear_unseen_problems(struct intake *intake, const struct intake_list *list)
{
	const char *kind = object_kind_name(list->kind);
	size_t length = strlen(kind), i = 0;

	while (i < intake->n_refused) {
		const char *object = intake->refused[i].object, *rest = object + length + 1, *slash;
		cleanup(freep) char *copy = NULL;

		if (list->name || strncmp(object, kind, length) != 0 || object[length] != '/') {
			i++;
			continue;
		}
		slash = strchr(rest, '/');
		copy = strndup(rest, slash ? (size_t)(slash - rest) : 0);
		if (!copy || was_seen(list, copy, slash ? slash + 1 : rest))
			i++;
		else
			clear_problems(intake, object);
	}
}

static void remove_unseen(struct intake *intake, const struct intake_list *list)
{
	size_t i = store_count(intake->store, list->kind);

	/* From the end, so that what follows is not moved under the loop. */
	while (i--) {
		const struct meta *meta = &store_at(intake->store, list->kind, i)->meta;
		struct object_id id = { list->kind, meta->namespace, meta->name };

		if (is_in(list, &id) && !was_seen(list, id.namespace, id.name))
			remove_id(intake, &id);
	}
}

int intake_complete(struct intake *intake, struct intake_list *list)
{
	if (list->n_seen)
		qsort(list->seen, list->n_seen, sizeof(*list->seen), compare_texts);
	remove_unseen(intake, list);
	clear_unseen_problems(intake, list);
	intake_list_done(list);
	return 0;
}

void intake_forget(struct intake *intake, struct intake_list *list)
{
	intake_list_done(list);
	if (list->name)
		remove_id(intake, &(struct object_id){ list->kind, list->namespace, list->name });
	else
		intake_complete(intake, list);
}

void intake_done(struct intake *intake)
{
	for (size_t i = 0; i < intake->n_refused; i++) {
		free(intake->refused[i].object);
		problems_done(&intake->refused[i].problems);
	}
	free(intake->refused);
	*intake = (struct intake){ 0 };
}
