// SPDX-License-Identifier: Apache-2.0
/* Reading one file: the status file into its table, a manifest into its entries. A manifest that cannot be
 * parsed keeps the entries of its last good reading. See manifests_source.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "k8s/manifests_source.h"
#include "k8s/yaml.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"
#include "userspace/io/files.h"

#define MAX_NOTICES 20 /* of one file */

/* --- lifetimes ----------------------------------------------------------------------------------------- */

static void entries_done(struct manifest_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		object_free(entries[i].object);
}

void texts_done(struct strings *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free((char *)(uintptr_t)texts->items[i]);
	free(texts->items);
	*texts = (struct strings){ 0 };
}

void manifest_file_free(struct manifest_file *file)
{
	if (!file)
		return;
	entries_done(file->entries, file->n_entries);
	arena_done(&file->arena);
	problems_done(&file->problems);
	texts_done(&file->notices);
	free(file->name);
	free(file);
}

void manifest_statuses_free(struct manifest_status *statuses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		object_free(statuses[i].object);
	free(statuses);
}

/* --- bytes --------------------------------------------------------------------------------------------- */

/* The whole of a regular file. -EFBIG beyond JSON_MAX_BYTES, -EISDIR, -EINVAL: it is no file. */
static int read_file(int directory_fd, const char *name, struct strbuf *ret)
{
	/* O_NONBLOCK: a FIFO must not stop the loop. */
	cleanup(closep) int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	return file_read_rest(fd, JSON_MAX_BYTES, ret);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), suffix_length = strlen(suffix);

	return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

bool source_is_manifest(const char *name)
{
	return name[0] != '.' &&
	       (has_suffix(name, ".yaml") || has_suffix(name, ".yml") || has_suffix(name, ".json"));
}

/* JSON where the name says so; a YAML file that begins as JSON is tried as that first, for JSON's escapes are
 * not all YAML's. */
static int parse_documents(const char *name, const struct strbuf *text, struct json_document *ret,
			   struct json_error *ret_error)
{
	const char *begin = strbuf_text(text) + strspn(strbuf_text(text), " \t\r\n");
	int r;

	if (has_suffix(name, ".json") || *begin == '{') {
		r = json_parse(strbuf_text(text), text->length, ret, ret_error);
		if (r != -EINVAL || has_suffix(name, ".json"))
			return r;
	}
	return yaml_parse(strbuf_text(text), text->length, ret, ret_error);
}

static const char *why_unreadable(int r)
{
	return r == -EFBIG ? "larger than 256 MiB" : r == -EINVAL ? "not a regular file" : strerror(-r);
}

/* --- statuses ------------------------------------------------------------------------------------------ */

static int compare_statuses(const void *a, const void *b)
{
	const struct manifest_status *x = a, *y = b;

	return object_compare(x->object, y->object);
}

static int compare_status(const struct manifest_status *status, const struct object_id *id)
{
	int order = strcmp(status->object->meta.namespace, id->namespace);

	return order ? order : strcmp(status->object->meta.name, id->name);
}

static const struct manifest_status *find_status(const struct manifest_status *statuses, size_t n,
						 const struct object_id *id)
{
	size_t at = sorted_place(n, i, compare_status(&statuses[i], id) < 0);

	return at < n && !compare_status(&statuses[at], id) ? &statuses[at] : NULL;
}

/* The controller's answer lies over the manifest's own status, also when it is "no address": a manifest is
 * written once and may tell an address that was given up since. A Service of another uid is another one of
 * the same name. */
static int merge_status(const struct manifests_source *source, struct object *object, uint64_t *digest)
{
	struct object_id id = { object->kind, object->meta.namespace, object->meta.name };
	struct service *service = &object->service;
	const struct manifest_status *status;

	if (object->kind != OBJECT_SERVICE || service->type != SERVICE_LOAD_BALANCER)
		return 0;
	status = find_status(source->statuses, source->n_statuses, &id);
	if (!status || !status->digest)
		return 0;
	*digest ^= status->digest;
	service->n_ingress = 0;
	if (*object->meta.uid && *status->object->meta.uid &&
	    strcmp(object->meta.uid, status->object->meta.uid) != 0)
		return 0;
	service->ingress =
		arena_array(&object->arena, status->object->service.n_ingress, sizeof(*service->ingress));
	if (!service->ingress)
		return -ENOMEM;
	service->n_ingress = status->object->service.n_ingress;
	if (service->n_ingress)
		memcpy(service->ingress, status->object->service.ingress,
		       service->n_ingress * sizeof(*service->ingress));
	return 0;
}

struct status_list {
	struct manifest_status *items;
	size_t n, capacity;
};

static int add_status(struct status_list *list, const struct json *parent, const struct json *item,
		      const char *origin, struct problems *problems)
{
	struct object *object = NULL;
	const struct json *items, *child;
	int r = 0;

	if (decode_is_list(item, &items)) {
		for (child = items ? items->child : NULL; child && !r; child = child->next)
			r = add_status(list, item, child, origin, problems);
		return r;
	}
	switch (decode_item(parent, item, origin, &object, problems)) {
	case DECODED:
		break;
	case DECODE_SKIPPED:
	case DECODE_REFUSED:
		return 0;
	case DECODE_NO_MEMORY:
		return -ENOMEM;
	}
	if (object->kind != OBJECT_SERVICE || array_reserve(list->items, list->n, list->capacity) < 0) {
		r = object->kind == OBJECT_SERVICE ? -ENOMEM : 0;
		object_free(object);
		return r;
	}
	list->items[list->n++] = (struct manifest_status){
		.object = object,
		.digest = json_member(item, "status") ? json_digest(json_member(item, "status")) : 0,
	};
	return 0;
}

/* Files with Services whose status differs between the two tables must be read again. */
static void mark_status_changes(struct manifests_source *source, const struct status_list *now)
{
	for (size_t i = 0; i < source->n_files; i++) {
		struct manifest_file *file = source->files[i];

		for (size_t j = 0; j < file->n_entries && !file->dirty; j++) {
			const struct object_id *id = &file->entries[j].id;
			const struct manifest_status *before, *after;

			if (id->kind != OBJECT_SERVICE)
				continue;
			before = find_status(source->statuses, source->n_statuses, id);
			after = find_status(now->items, now->n, id);
			if ((before ? before->digest : 0) != (after ? after->digest : 0))
				file->dirty = true;
		}
	}
}

static int load_statuses(const char *path, struct status_list *list, struct problems *problems)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_error error;
	const struct json *value;
	int r;

	r = read_file(AT_FDCWD, path, &text);
	if (r == -ENOMEM || r == -ENOENT)
		return r;
	if (r < 0)
		return problems_add(problems, path, "", "%s", why_unreadable(r)) < 0 ? -ENOMEM : -EINVAL;
	r = parse_documents(path, &text, &document, &error);
	if (r == -EINVAL && problems_add(problems, path, "", "line %u: %s", error.line, error.message) < 0)
		r = -ENOMEM;
	for (value = document.first; value && !r; value = value->next)
		if (value->type != JSON_NULL)
			r = add_status(list, NULL, value, path, problems);
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), compare_statuses);
	return r;
}

int source_read_status(struct manifests_source *source)
{
	struct status_list list = { 0 };
	struct problems problems = { 0 };
	int r;

	if (!source->status_path)
		return 0;
	r = load_statuses(source->status_path, &list, &problems);
	if (r < 0) { /* not there, broken, no memory: what was known stays */
		manifest_statuses_free(list.items, list.n);
		if (source->n_statuses && r != -ENOMEM &&
		    problems_add(&problems, source->status_path, "", "%s; the last statuses stay in force",
				 r == -ENOENT ? "not there" : "cannot be read") < 0)
			r = -ENOMEM;
	} else {
		mark_status_changes(source, &list);
		manifest_statuses_free(source->statuses, source->n_statuses);
		source->statuses = list.items;
		source->n_statuses = list.n;
		source->status_read = true;
	}
	problems_done(&source->status_problems);
	source->status_problems = problems;
	return r == -ENOMEM ? r : 0;
}

/* --- one file ------------------------------------------------------------------------------------------ */

struct reading { /* of one file: becomes the file's state if it can be parsed */
	const struct manifests_source *source;
	const char *name;
	struct arena arena;
	struct manifest_entry *entries;
	size_t n, capacity;
	struct problems problems;
	struct strings notices;
	size_t notices_capacity;
};

static int add_notice(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add_notice(struct reading *reading, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	cleanup(strbuf_done) struct strbuf escaped = { 0 };
	va_list arguments;

	if (reading->notices.n > MAX_NOTICES)
		return 0;
	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	strbuf_append_escaped(
		&escaped, reading->notices.n == MAX_NOTICES ? "more objects are skipped" : strbuf_text(&text),
		500);
	if (strbuf_failed(&text) || strbuf_failed(&escaped) ||
	    array_reserve(reading->notices.items, reading->notices.n, reading->notices_capacity) < 0)
		return -ENOMEM;
	reading->notices.items[reading->notices.n++] = strbuf_take(&escaped);
	return 0;
}

static int skip(struct reading *reading, const struct json *list, const struct json *item)
{
	cleanup(strbuf_done) struct strbuf kind = { 0 };

	decode_describe_kind(list, item, &kind);
	return add_notice(reading, "%s: line %u: %s is not a kind that Fairway reads, skipped", reading->name,
			  item->line, strbuf_text(&kind));
}

/* Problems of a refused object, with what stays in force. */
static int adopt_problems(struct reading *reading, const struct problems *from, bool last_good)
{
	for (size_t i = 0; i < from->n; i++)
		if (problems_add(&reading->problems, from->items[i].object, from->items[i].field, "%s%s",
				 from->items[i].message,
				 last_good ? "; the last good version stays in force" : "") < 0)
			return -ENOMEM;
	return 0;
}

static int add_entry(struct reading *reading, const struct object_id *id, uint64_t digest, bool refused,
		     struct object *object)
{
	struct manifest_entry entry = { .id = { .kind = id->kind }, .digest = digest, .refused = refused };

	entry.id.namespace = arena_string(&reading->arena, id->namespace);
	entry.id.name = arena_string(&reading->arena, id->name);
	if (!entry.id.namespace || !entry.id.name ||
	    array_reserve(reading->entries, reading->n, reading->capacity) < 0) {
		object_free(object);
		return -ENOMEM;
	}
	entry.object = object;
	reading->entries[reading->n++] = entry;
	return 0;
}

static bool has_last_good(const struct manifests_source *source, const struct object_id *id)
{
	const struct object *object =
		source->live ? store_find(source->store, id->kind, id->namespace, id->name) : NULL;

	return object && !object_is_remains(object);
}

static int read_item(struct reading *reading, const struct json *list, const struct json *item)
{
	const struct manifests_source *source = reading->source;
	cleanup(problems_done) struct problems problems = { 0 };
	uint64_t digest = json_digest(item);
	struct object *object = NULL;
	const struct json *items, *child, *unknown;
	enum decode_result result;
	struct object_id id;
	bool known;
	int r = 0;

	if (decode_is_list(item, &items)) {
		for (child = items ? items->child : NULL; child && !r; child = child->next)
			r = read_item(reading, item, child);
		return r;
	}
	result = decode_item(list, item, reading->name, &object, &problems);
	if (result == DECODE_NO_MEMORY)
		return -ENOMEM;
	if (result == DECODE_SKIPPED)
		return skip(reading, list, item);
	known = decode_identity(list, item, &id);
	unknown = decode_unknown_field(list, item);
	if (unknown && add_notice(reading, "%s: line %u: spec.%.100s is not a field of this kind, ignored",
				  reading->name, unknown->line, unknown->key) < 0) {
		object_free(object);
		return -ENOMEM;
	}
	r = adopt_problems(reading, &problems,
			   result == DECODE_REFUSED && known && has_last_good(source, &id));
	if (!r && result == DECODE_REFUSED && known)
		r = decode_remains(list, item, &object);
	if (!r && object)
		r = merge_status(source, object, &digest);
	if (r < 0 || !known) {
		object_free(object);
		return r;
	}
	return add_entry(reading, &id, digest, result == DECODE_REFUSED, object);
}

static int broken(struct reading *reading, const struct manifest_file *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int broken(struct reading *reading, const struct manifest_file *file, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	if (strbuf_failed(&text) ||
	    problems_add(&reading->problems, file->name, "", "%s%s", strbuf_text(&text),
			 file->n_entries	 ? "; the last good version of its objects stays in force"
			 : reading->source->live ? "; none of its objects is in force"
						 : "") < 0)
		return -ENOMEM;
	return -EINVAL;
}

/* 0, -ENOMEM, or -EINVAL: a problem was added. */
static int read_documents(struct reading *reading, int directory_fd, const struct manifest_file *file,
			  size_t *ret_length)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const struct json *value;
	struct json_error error;
	size_t n_values = 0;
	int r;

	r = read_file(directory_fd, file->name, &text);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return broken(reading, file, "%s", why_unreadable(r));
	*ret_length = text.length;
	r = parse_documents(file->name, &text, &document, &error);
	if (r == -EINVAL)
		return broken(reading, file, "line %u: %s", error.line, error.message);
	for (value = document.first; value && !r; value = value->next) {
		if (value->type == JSON_NULL)
			continue; /* an empty document, as between two "---" */
		n_values++;
		r = read_item(reading, NULL, value);
	}
	if (r < 0 || n_values)
		return r;
	/* Emptied by a program that is about to write it, or by a full disk: nobody removes a Service that
	 * way. */
	if (file->n_entries)
		return broken(reading, file, "empty");
	return add_notice(reading, "%s: holds no object", file->name);
}

int manifest_file_read(struct manifests_source *source, int directory_fd, struct manifest_file *file)
{
	struct reading reading = { .source = source, .name = file->name };
	struct manifest_entry *entries = NULL;
	size_t length = 0;
	int r;

	r = read_documents(&reading, directory_fd, file, &length);
	source->bytes_read += length;
	if (!r && reading.n) {
		entries = arena_array(&reading.arena, reading.n, sizeof(*entries));
		if (entries)
			memcpy(entries, reading.entries, reading.n * sizeof(*entries));
		else
			r = -ENOMEM;
	}
	if (r < 0)
		entries_done(reading.entries, reading.n);
	free(reading.entries);
	if (r == -ENOMEM) {
		arena_done(&reading.arena);
		problems_done(&reading.problems);
		texts_done(&reading.notices);
		return r;
	}
	file->broken = r < 0;
	file->dirty = false;
	if (r < 0) {
		arena_done(&reading.arena);
	} else {
		entries_done(file->entries, file->n_entries);
		arena_done(&file->arena);
		file->arena = reading.arena;
		file->entries = entries;
		file->n_entries = reading.n;
		file->read_once = true;
	}
	problems_done(&file->problems);
	texts_done(&file->notices);
	file->problems = reading.problems;
	file->notices = reading.notices;
	return 0;
}
