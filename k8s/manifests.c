// SPDX-License-Identifier: Apache-2.0
/* Reading a directory of manifests into the store.
 *
 * Each file keeps the list of its objects (entries). An update reads the dirty files, sorts all entries of
 * all files by identity, and walks them once against what this source has put into the store before
 * (applied): the first file by name wins an identity, what nobody claims any more is removed. A file that
 * cannot be parsed keeps the entries of its last good reading, an object that is refused keeps its claim: so
 * the last good version stays in the store. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "k8s/manifests_source.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

#define MAX_FILES 10000

DEFINE_CLEANUP(DIR *, closedir);

/* --- lifetimes ----------------------------------------------------------------------------------------- */

int source_init(struct manifests_source *source, const char *directory, const char *status_file,
		struct store *store)
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
		manifest_file_free(source->files[i]);
	free(source->files);
	free(source->applied);
	manifest_statuses_free(source->statuses, source->n_statuses);
	problems_done(&source->status_problems);
	problems_done(&source->conflicts);
	source_result_done(&source->result);
	free(source->directory);
	free(source->status_path);
	*source = (struct manifests_source){ 0 };
}
/* --- the directory ------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
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

		if (!source_is_manifest(entry->d_name))
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
	if (!file || !file->name ||
	    array_reserve(source->files, source->n_files, source->files_capacity) < 0) {
		manifest_file_free(file);
		return -ENOMEM;
	}
	file->dirty = true;
	source->files[source->n_files++] = file;
	return 0;
}

int source_scan(struct manifests_source *source, uint64_t now_msec)
{
	cleanup(texts_done) struct strings names = { 0 };
	size_t n_known = source->n_files;
	int r;

	r = list_directory(source->directory, &names);
	if (r == -ENOMEM)
		return r;
	source->directory_trouble = r == -E2BIG ? "holds more than 10000 manifests"
				    : r < 0	? strerror(-r)
				    : names.n	? NULL
						: "holds no manifest (*.yaml, *.yml, *.json)";
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

		if (n_known &&
		    bsearch(&pointer, source->files, n_known, sizeof(*source->files), compare_files))
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
	if (file) {
		file->dirty = true;
		file->writing_since_msec = 0;
	}
}

void source_mark_readable(struct manifests_source *source, const char *file_name)
{
	struct manifest_file *file = find_file(source, file_name);

	if (file && file->broken)
		file->dirty = true;
}

int source_mark_writing(struct manifests_source *source, const char *file_name, uint64_t now_msec)
{
	struct manifest_file *file = find_file(source, file_name);
	int r;

	if (!file) {
		r = add_file(source, file_name);
		if (r < 0)
			return r;
		file = source->files[source->n_files - 1];
		qsort(source->files, source->n_files, sizeof(*source->files), compare_files);
	}
	file->writing_since_msec = now_msec ? now_msec : 1;
	return 0;
}

/* How many files could be read once; *ret_all: all of them. */
static size_t count_read(const struct manifests_source *source, bool *ret_all)
{
	size_t n = 0;

	for (size_t i = 0; i < source->n_files; i++)
		n += source->files[i]->read_once;
	*ret_all = n == source->n_files;
	return n;
}

bool source_is_waiting(const struct manifests_source *source)
{
	bool all;

	for (size_t i = 0; i < source->n_files; i++)
		if (source->files[i]->missing ||
		    (source->files[i]->dirty && source->files[i]->writing_since_msec))
			return true;
	return !source->result.delivered && count_read(source, &all);
}

static void forget_missing(struct manifests_source *source, uint64_t now_msec)
{
	size_t kept = 0;

	for (size_t i = 0; i < source->n_files; i++) {
		struct manifest_file *file = source->files[i];

		if (file->missing && now_msec - file->missing_since_msec >= MANIFESTS_GRACE_MSEC)
			manifest_file_free(file);
		else
			source->files[kept++] = file;
	}
	source->n_files = kept;
}

static bool is_readable(const struct manifest_file *file, uint64_t now_msec)
{
	return file->dirty && !file->missing &&
	       (!file->writing_since_msec || now_msec - file->writing_since_msec >= MANIFESTS_WRITING_MSEC);
}

static int read_dirty(struct manifests_source *source, uint64_t now_msec, size_t *ret_n_read)
{
	cleanup(closep) int fd = open(source->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	*ret_n_read = 0;
	for (size_t i = 0; i < source->n_files && fd >= 0; i++) {
		if (!is_readable(source->files[i], now_msec))
			continue;
		r = manifest_file_read(source, fd, source->files[i]);
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
	struct object_id id = { applied->object->kind, applied->object->meta.namespace,
				applied->object->meta.name };

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
		return problems_add_object(&source->conflicts, id->kind, &meta, "",
					   "stands twice in %s; the first is used", winner->file->name);
	return problems_add_object(&source->conflicts, id->kind, &meta, "",
				   "stands in %s and in %s; that of %s is used", winner->file->name,
				   loser->file->name, winner->file->name);
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
	if (applied->object &&
	    (applied->digest == entry->digest || (entry->refused && !object_is_remains(applied->object)))) {
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
		int order = i == n_claims ? 1
			    : j == source->n_applied
				    ? -1
				    : compare_claim_to_applied(&claims[i], &source->applied[j]);
		struct manifest_applied applied =
			order >= 0 ? source->applied[j++] : (struct manifest_applied){ 0 };
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
		if (problems_add(to, from->items[i].object, from->items[i].field, "%s",
				 from->items[i].message) < 0)
			return -ENOMEM;
	return 0;
}

static int append_notices(struct source_result *result, size_t *capacity, const struct strings *from)
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

static bool is_delivered(const struct manifests_source *source, uint64_t now_msec)
{
	bool all;

	if (source->result.delivered)
		return true;
	if (source->directory_trouble || !count_read(source, &all))
		return false;
	return all || !source->live || now_msec - source->started_msec >= MANIFESTS_PATIENCE_MSEC;
}

static int rebuild_result(struct manifests_source *source, uint64_t now_msec,
			  struct source_result *ret_before)
{
	struct source_result result = { .delivered = is_delivered(source, now_msec),
					   .statuses_missing = source->status_path && !source->status_read };
	size_t capacity = 0;
	int r = 0;

	for (size_t i = 0; i < source->n_files && !r; i++) {
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
		source_result_done(&result);
		return r;
	}
	problems_sort_unique(&result.problems);
	*ret_before = source->result;
	source->result = result;
	return 0;
}

/* The tree of a large file leaves holes between the objects that stay; the C library would keep them as ours
 * for ever. */
static void return_memory(struct manifests_source *source)
{
	if (source->bytes_read > 1024 * 1024)
		malloc_trim(0);
	source->bytes_read = 0;
}

int source_update(struct manifests_source *source, uint64_t now_msec, struct source_result *ret_before)
{
	size_t n_read;
	int r;

	forget_missing(source, now_msec);
	do {
		cleanup(freep) struct claim *claims = NULL;
		size_t n_claims = 0;

		r = read_dirty(source, now_msec, &n_read);
		if (r < 0)
			return r;
		r = collect_claims(source, &claims, &n_claims);
		if (r < 0)
			return r;
		problems_done(&source->conflicts);
		r = apply_claims(source, claims, n_claims);
	} while (r > 0 &&
		 n_read); /* a file that was read again has no shadowed winner any more, so this ends */
	return_memory(source);
	if (r < 0)
		return r;
	return rebuild_result(source, now_msec, ret_before);
}

int manifests_read(const char *directory, const char *status_file, struct store *store,
		   struct source_result *ret)
{
	cleanup(source_result_done) struct source_result before = { 0 };
	struct manifests_source source;
	int r;

	r = source_init(&source, directory, status_file, store);
	if (!r)
		r = source_scan(&source, 0);
	if (!r)
		r = source_read_status(&source);
	if (!r)
		r = source_update(&source, 0, &before);
	if (!r) {
		*ret = source.result;
		source.result = (struct source_result){ 0 };
	}
	source_done(&source);
	return r;
}
