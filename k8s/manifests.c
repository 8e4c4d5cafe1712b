// SPDX-License-Identifier: Apache-2.0
/* Reading a directory of manifests into the store.
 *
 * Each file keeps the list of its objects (entries). An update reads the dirty files, sorts all entries of all files by
 * identity, and walks them once against what this source has put into the store before (applied): the first file by
 * name wins an identity, what nobody claims any more is removed. A file that cannot be parsed keeps the entries of its
 * last good reading, an object that is refused keeps its claim: so the last good version stays in the store. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "k8s/manifests_source.h"
#include "k8s/yaml.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define MAX_FILES   10000
#define MAX_NOTICES 20 /* of one file */

DEFINE_CLEANUP(DIR *, closedir);

/* --- lifetimes ----------------------------------------------------------------------------------------- */

static void entries_done(struct manifest_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		object_free(entries[i].object);
}

static void notices_done(struct strings *notices)
{
	for (size_t i = 0; i < notices->n; i++)
		free((char *)(uintptr_t)notices->items[i]);
	free(notices->items);
	*notices = (struct strings){ 0 };
}

static void file_free(struct manifest_file *file)
{
	if (!file)
		return;
	entries_done(file->entries, file->n_entries);
	arena_done(&file->arena);
	problems_done(&file->problems);
	notices_done(&file->notices);
	free(file->name);
	free(file);
}

static void statuses_free(struct manifest_status *statuses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		object_free(statuses[i].object);
	free(statuses);
}

void manifests_result_done(struct manifests_result *result)
{
	problems_done(&result->problems);
	for (size_t i = 0; i < result->n_notices; i++)
		free(result->notices[i]);
	free(result->notices);
	*result = (struct manifests_result){ 0 };
}

int source_init(struct manifests_source *source, const char *directory, const char *status_file, struct store *store)
{
	*source = (struct manifests_source){ .store = store, .directory = strdup(directory) };
	if (status_file)
		source->status_path = strdup(status_file);
	if (!source->directory || (status_file && !source->status_path)) {
		source_done(source);
		return -ENOMEM;
	}
	return 0;
}

void source_done(struct manifests_source *source)
{
	for (size_t i = 0; i < source->n_files; i++)
		file_free(source->files[i]);
	free(source->files);
	free(source->applied);
	statuses_free(source->statuses, source->n_statuses);
	problems_done(&source->status_problems);
	problems_done(&source->conflicts);
	manifests_result_done(&source->result);
	free(source->directory);
	free(source->status_path);
	*source = (struct manifests_source){ 0 };
}

/* --- bytes --------------------------------------------------------------------------------------------- */

/* The whole of a regular file. -EFBIG beyond JSON_MAX_BYTES, -EISDIR, -EINVAL: something that is not a file. */
static int read_file(int directory_fd, const char *name, struct strbuf *ret)
{
	/* O_NONBLOCK: a FIFO must not stop the loop. */
	cleanup(closep) int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char buffer[16384];
	struct stat status;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	while ((n = read(fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		strbuf_append_bytes(ret, buffer, (size_t)n);
		if (ret->length > JSON_MAX_BYTES)
			return -EFBIG;
	}
	return strbuf_failed(ret) ? -ENOMEM : 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), suffix_length = strlen(suffix);

	return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static bool is_manifest_name(const char *name)
{
	return name[0] != '.' && (has_suffix(name, ".yaml") || has_suffix(name, ".yml") || has_suffix(name, ".json"));
}

/* JSON where the name says so; a YAML file that begins as JSON is tried as that first, for JSON's escapes are not all
 * YAML's. */
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
	return r == -EFBIG ? "larger than 16 MiB" : r == -EINVAL ? "not a regular file" : strerror(-r);
}

/* --- statuses ------------------------------------------------------------------------------------------ */

static int compare_statuses(const void *a, const void *b)
{
	const struct manifest_status *x = a, *y = b;

	return object_compare(x->object, y->object);
}

static const struct manifest_status *find_status(const struct manifest_status *statuses, size_t n,
						 const struct object_id *id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct meta *meta = &statuses[middle].object->meta;
		int order = strcmp(meta->namespace, id->namespace);

		order = order ? order : strcmp(meta->name, id->name);
		if (!order)
			return &statuses[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The controller's answer lies over the manifest's own status, also when it is "no address": a manifest is written once
 * and may tell an address that was given up since. A Service of another uid is another one of the same name. */
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
	if (*object->meta.uid && *status->object->meta.uid && strcmp(object->meta.uid, status->object->meta.uid) != 0)
		return 0;
	service->ingress = arena_array(&object->arena, status->object->service.n_ingress, sizeof(*service->ingress));
	if (!service->ingress)
		return -ENOMEM;
	service->n_ingress = status->object->service.n_ingress;
	if (service->n_ingress)
		memcpy(service->ingress, status->object->service.ingress, service->n_ingress * sizeof(*service->ingress));
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
		statuses_free(list.items, list.n);
		if (source->n_statuses && r != -ENOMEM &&
		    problems_add(&problems, source->status_path, "", "%s; the last statuses stay in force",
				 r == -ENOENT ? "not there" : "cannot be read") < 0)
			r = -ENOMEM;
	} else {
		mark_status_changes(source, &list);
		statuses_free(source->statuses, source->n_statuses);
		source->statuses = list.items;
		source->n_statuses = list.n;
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
	strbuf_append_escaped(&escaped, reading->notices.n == MAX_NOTICES ? "more objects are skipped" : strbuf_text(&text),
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
	return add_notice(reading, "%s: line %u: %s is not a kind that Fairway reads, skipped", reading->name, item->line,
			  strbuf_text(&kind));
}

/* Problems of a refused object, with what stays in force. */
static int adopt_problems(struct reading *reading, const struct problems *from, bool last_good)
{
	for (size_t i = 0; i < from->n; i++)
		if (problems_add(&reading->problems, from->items[i].object, from->items[i].field, "%s%s",
				 from->items[i].message, last_good ? "; the last good version stays in force" : "") < 0)
			return -ENOMEM;
	return 0;
}

static int add_entry(struct reading *reading, const struct object_id *id, uint64_t digest, struct object *object)
{
	struct manifest_entry entry = { .id = { .kind = id->kind }, .digest = digest, .refused = !object };

	entry.id.namespace = arena_string(&reading->arena, id->namespace);
	entry.id.name = arena_string(&reading->arena, id->name);
	if (!entry.id.namespace || !entry.id.name || array_reserve(reading->entries, reading->n, reading->capacity) < 0) {
		object_free(object);
		return -ENOMEM;
	}
	entry.object = object;
	reading->entries[reading->n++] = entry;
	return 0;
}

static int read_item(struct reading *reading, const struct json *list, const struct json *item)
{
	const struct manifests_source *source = reading->source;
	cleanup(problems_done) struct problems problems = { 0 };
	uint64_t digest = json_digest(item);
	struct object *object = NULL;
	const struct json *items, *child;
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
	r = adopt_problems(reading, &problems,
			   result == DECODE_REFUSED && source->live && known &&
				   store_find(source->store, id.kind, id.namespace, id.name));
	if (!r && object)
		r = merge_status(source, object, &digest);
	if (r < 0 || !known) {
		object_free(object);
		return r;
	}
	return add_entry(reading, &id, digest, object);
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
			 file->n_entries ? "; the last good version of its objects stays in force" : "") < 0)
		return -ENOMEM;
	return -EINVAL;
}

/* 0, -ENOMEM, or -EINVAL: a problem was added. */
static int read_documents(struct reading *reading, int directory_fd, const struct manifest_file *file)
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
	/* Emptied by a program that is about to write it, or by a full disk: nobody removes a Service that way. */
	if (file->n_entries)
		return broken(reading, file, "empty");
	return add_notice(reading, "%s: holds no object", file->name);
}

static int file_read(struct manifests_source *source, int directory_fd, struct manifest_file *file)
{
	struct reading reading = { .source = source, .name = file->name };
	struct manifest_entry *entries = NULL;
	int r;

	r = read_documents(&reading, directory_fd, file);
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
		notices_done(&reading.notices);
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
	notices_done(&file->notices);
	file->problems = reading.problems;
	file->notices = reading.notices;
	return 0;
}

/* --- the directory ------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_done(struct strings *names)
{
	notices_done(names); /* owned texts, both */
}

static int list_directory(const char *path, struct strings *ret)
{
	cleanup(closedirp) DIR *directory = opendir(path);
	size_t capacity = 0;
	struct dirent *entry;

	if (!directory)
		return -errno;
	while ((errno = 0, entry = readdir(directory))) {
		struct stat status;
		char *name;

		if (!is_manifest_name(entry->d_name))
			continue;
		if (ret->n == MAX_FILES)
			return -E2BIG;
		/* A symbolic link that leads nowhere is listed: reading it tells. */
		if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode))
			continue;
		name = strdup(entry->d_name);
		if (!name || array_reserve(ret->items, ret->n, capacity) < 0) {
			free(name);
			return -ENOMEM;
		}
		ret->items[ret->n++] = name;
	}
	if (errno)
		return -errno;
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_names);
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp((*(struct manifest_file *const *)a)->name, (*(struct manifest_file *const *)b)->name);
}

static struct manifest_file *find_file(const struct manifests_source *source, const char *name)
{
	struct manifest_file key = { .name = (char *)(uintptr_t)name }, *pointer = &key, **found;

	if (!source->n_files)
		return NULL;
	found = bsearch(&pointer, source->files, source->n_files, sizeof(*source->files), compare_files);
	return found ? *found : NULL;
}

static int add_file(struct manifests_source *source, const char *name)
{
	struct manifest_file *file = calloc(1, sizeof(*file));

	if (file)
		file->name = strdup(name);
	if (!file || !file->name || array_reserve(source->files, source->n_files, source->files_capacity) < 0) {
		file_free(file);
		return -ENOMEM;
	}
	file->dirty = true;
	source->files[source->n_files++] = file;
	return 0;
}

int source_scan(struct manifests_source *source, uint64_t now_msec)
{
	cleanup(names_done) struct strings names = { 0 };
	size_t n_known = source->n_files;
	int r;

	r = list_directory(source->directory, &names);
	if (r == -ENOMEM)
		return r;
	source->directory_trouble = r == -E2BIG ? "holds more than 10000 manifests" :
				    r < 0	? strerror(-r) :
				    names.n	? NULL :
						  "holds no manifest (*.yaml, *.yml, *.json)";
	if (source->directory_trouble)
		return r; /* counts as not delivered: nothing vanishes */
	for (size_t i = 0; i < n_known; i++) {
		struct manifest_file *file = source->files[i];
		const char *const *found =
			bsearch(&file->name, names.items, names.n, sizeof(*names.items), compare_names);

		if (!found && !file->missing) {
			file->missing = true;
			file->missing_since_msec = now_msec;
		} else if (found && file->missing) {
			file->missing = false;
			file->dirty = true;
		}
	}
	for (size_t i = 0; i < names.n; i++) {
		struct manifest_file key = { .name = (char *)(uintptr_t)names.items[i] }, *pointer = &key;

		if (n_known && bsearch(&pointer, source->files, n_known, sizeof(*source->files), compare_files))
			continue;
		r = add_file(source, names.items[i]);
		if (r < 0)
			break;
	}
	if (source->n_files)
		qsort(source->files, source->n_files, sizeof(*source->files), compare_files);
	return r;
}

void source_mark_dirty(struct manifests_source *source, const char *file_name)
{
	struct manifest_file *file;

	for (size_t i = 0; i < source->n_files && !file_name; i++)
		source->files[i]->dirty = true;
	file = file_name ? find_file(source, file_name) : NULL;
	if (file)
		file->dirty = true;
}

bool source_has_missing(const struct manifests_source *source)
{
	for (size_t i = 0; i < source->n_files; i++)
		if (source->files[i]->missing)
			return true;
	return false;
}

static void forget_missing(struct manifests_source *source, uint64_t now_msec)
{
	size_t kept = 0;

	for (size_t i = 0; i < source->n_files; i++) {
		struct manifest_file *file = source->files[i];

		if (file->missing && now_msec - file->missing_since_msec >= MANIFESTS_GRACE_MSEC)
			file_free(file);
		else
			source->files[kept++] = file;
	}
	source->n_files = kept;
}

static int read_dirty(struct manifests_source *source, size_t *ret_n_read)
{
	cleanup(closep) int fd = open(source->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	*ret_n_read = 0;
	for (size_t i = 0; i < source->n_files && fd >= 0; i++) {
		if (!source->files[i]->dirty || source->files[i]->missing)
			continue;
		r = file_read(source, fd, source->files[i]);
		if (r < 0)
			return r;
		(*ret_n_read)++;
	}
	return 0;
}

/* --- claims against the store -------------------------------------------------------------------------- */

struct claim {
	struct manifest_file *file;
	struct manifest_entry *entry;
	size_t order; /* of the file by name; files that are missing come last */
};

static int compare_ids(const struct object_id *a, const struct object_id *b)
{
	int order = a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->namespace, b->namespace);

	return order ? order : strcmp(a->name, b->name);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = compare_ids(&x->entry->id, &y->entry->id);

	if (order)
		return order;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->entry < y->entry ? -1 : 1;
}

static int compare_claim_to_applied(const struct claim *claim, const struct manifest_applied *applied)
{
	struct object_id id = { applied->object->kind, applied->object->meta.namespace, applied->object->meta.name };

	return compare_ids(&claim->entry->id, &id);
}

static int collect_claims(const struct manifests_source *source, struct claim **ret, size_t *ret_n)
{
	size_t n = 0, at = 0;
	struct claim *claims;

	for (size_t i = 0; i < source->n_files; i++)
		n += source->files[i]->n_entries;
	claims = calloc(n + 1, sizeof(*claims));
	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < source->n_files; i++)
		for (size_t j = 0; j < source->files[i]->n_entries; j++)
			claims[at++] = (struct claim){
				.file = source->files[i],
				.entry = &source->files[i]->entries[j],
				.order = i + (source->files[i]->missing ? source->n_files : 0),
			};
	qsort(claims, n, sizeof(*claims), compare_claims);
	*ret = claims;
	*ret_n = n;
	return 0;
}

/* The losers of one identity. */
static int shadow(struct manifests_source *source, const struct claim *winner, struct claim *loser)
{
	const struct object_id *id = &winner->entry->id;
	struct meta meta = { .namespace = id->namespace, .name = id->name };

	loser->entry->shadowed = true;
	object_free(take(loser->entry->object));
	if (loser->file->missing)
		return 0; /* renamed: not a conflict */
	if (loser->file == winner->file)
		return problems_add_object(&source->conflicts, id->kind, &meta, "", "stands twice in %s; the first is used",
					   winner->file->name);
	return problems_add_object(&source->conflicts, id->kind, &meta, "", "stands in %s and in %s; that of %s is used",
				   winner->file->name, loser->file->name, winner->file->name);
}

/* Brings one identity into the store. `*applied` is what stands there (object NULL: nothing) and is updated.
 * 0, -ENOMEM, or 1: the winner's file must be read again. */
static int install(struct manifests_source *source, struct claim *winner, struct manifest_applied *applied)
{
	struct manifest_entry *entry = winner->entry;
	struct object *object = take(entry->object);
	bool was_shadowed = entry->shadowed;
	int r;

	entry->shadowed = false;
	if (!object) {
		if (entry->refused || (applied->object && !was_shadowed))
			return 0; /* the last good version, or nothing */
		entry->shadowed = true;
		if (winner->file->broken || winner->file->missing)
			return 0;
		winner->file->dirty = true;
		return 1;
	}
	if (applied->object && applied->digest == entry->digest) {
		object_free(object);
		return 0;
	}
	r = store_put(source->store, object);
	if (r < 0) {
		winner->file->dirty = true;
		return r;
	}
	source->changed = true;
	*applied = (struct manifest_applied){ .object = object, .digest = entry->digest };
	return 0;
}

static void uninstall(struct manifests_source *source, const struct manifest_applied *applied)
{
	const struct object *object = applied->object;

	store_remove(source->store, object->kind, object->meta.namespace, object->meta.name);
	source->changed = true;
}

/* One walk over claims and applied objects, both sorted by identity. 0, -ENOMEM, or 1: files became dirty. */
static int apply_claims(struct manifests_source *source, struct claim *claims, size_t n_claims)
{
	struct manifest_applied *now = calloc(n_claims + source->n_applied + 1, sizeof(*now));
	size_t n_now = 0, i = 0, j = 0;
	int r, result = 0;

	if (!now)
		return -ENOMEM;
	while (i < n_claims || j < source->n_applied) {
		int order = i == n_claims ? 1 : j == source->n_applied ? -1 :
			    compare_claim_to_applied(&claims[i], &source->applied[j]);
		struct manifest_applied applied = order >= 0 ? source->applied[j++] : (struct manifest_applied){ 0 };
		const struct claim *winner = &claims[i];

		if (order > 0) {
			uninstall(source, &applied);
			continue;
		}
		r = install(source, &claims[i], &applied);
		for (i++; i < n_claims && !compare_ids(&claims[i].entry->id, &winner->entry->id); i++)
			if (shadow(source, winner, &claims[i]) < 0)
				r = -ENOMEM;
		if (applied.object)
			now[n_now++] = applied;
		if (r && result >= 0)
			result = r;
	}
	free(source->applied);
	source->applied = now;
	source->n_applied = n_now;
	return result;
}

/* --- the result ---------------------------------------------------------------------------------------- */

static int append_problems(struct problems *to, const struct problems *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (problems_add(to, from->items[i].object, from->items[i].field, "%s", from->items[i].message) < 0)
			return -ENOMEM;
	return 0;
}

static int append_notices(struct manifests_result *result, size_t *capacity, const struct strings *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (array_reserve(result->notices, result->n_notices, *capacity) < 0)
			return -ENOMEM;
		result->notices[result->n_notices] = strdup(from->items[i]);
		if (!result->notices[result->n_notices])
			return -ENOMEM;
		result->n_notices++;
	}
	return 0;
}

static int rebuild_result(struct manifests_source *source)
{
	struct manifests_result result = { .delivered = source->result.delivered };
	bool complete = source->n_files > 0 && !source->directory_trouble;
	size_t capacity = 0;
	int r = 0;

	for (size_t i = 0; i < source->n_files && !r; i++) {
		complete &= source->files[i]->read_once;
		r = append_problems(&result.problems, &source->files[i]->problems);
		if (!r)
			r = append_notices(&result, &capacity, &source->files[i]->notices);
	}
	if (source->directory_trouble && !r)
		r = problems_add(&result.problems, source->directory, "", "%s%s", source->directory_trouble,
				 source->n_applied ? "; the last objects stay in force" : "");
	if (!r)
		r = append_problems(&result.problems, &source->conflicts);
	if (!r)
		r = append_problems(&result.problems, &source->status_problems);
	if (r < 0) {
		manifests_result_done(&result);
		return r;
	}
	problems_sort_unique(&result.problems);
	result.delivered |= complete;
	manifests_result_done(&source->result);
	source->result = result;
	return 0;
}

int source_update(struct manifests_source *source, uint64_t now_msec)
{
	size_t n_read;
	int r;

	source->changed = false;
	forget_missing(source, now_msec);
	do {
		cleanup(freep) struct claim *claims = NULL;
		size_t n_claims = 0;

		r = read_dirty(source, &n_read);
		if (r < 0)
			return r;
		r = collect_claims(source, &claims, &n_claims);
		if (r < 0)
			return r;
		problems_done(&source->conflicts);
		r = apply_claims(source, claims, n_claims);
	} while (r > 0 && n_read); /* a file that was read again has no shadowed winner any more, so this ends */
	if (r < 0)
		return r;
	return rebuild_result(source);
}

int manifests_read(const char *directory, const char *status_file, struct store *store, struct manifests_result *ret)
{
	struct manifests_source source;
	int r;

	r = source_init(&source, directory, status_file, store);
	if (!r)
		r = source_scan(&source, 0);
	if (!r)
		r = source_read_status(&source);
	if (!r)
		r = source_update(&source, 0);
	if (!r) {
		*ret = source.result;
		source.result = (struct manifests_result){ 0 };
	}
	source_done(&source);
	return r;
}
