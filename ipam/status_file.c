// SPDX-License-Identifier: Apache-2.0
/* The status file: see status_file.h. Whatever in it cannot be understood refuses the whole file, because a controller
 * that overlooks an address gives it to somebody else. */
#include "ipam/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "k8s/decode.h"
#include "k8s/yaml.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/io/files.h"

#define FILE_MAX (64u * 1024 * 1024)

/* --- reading ------------------------------------------------------------------------------------------- */

static int read_whole(const char *path, struct strbuf *ret)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_rest(fd, FILE_MAX, ret);
}

static const char *text_member(const struct json *object, const char *key)
{
	const struct json *value = json_member(object, key);

	return value && value->type == JSON_STRING ? value->text : "";
}

static void read_condition(struct status_entry *entry, const struct json *item)
{
	const struct json *conditions = json_member(json_member(item, "status"), "conditions"), *condition;

	entry->reason = entry->message = "";
	for (condition = conditions ? conditions->child : NULL; condition; condition = condition->next) {
		struct tm tm = { 0 };

		if (!text_equal(text_member(condition, "type"), "fairway.dev/Allocated"))
			continue;
		entry->reason = text_member(condition, "reason");
		if (text_equal(entry->reason, "Allocated"))
			entry->reason = "";
		entry->message = text_member(condition, "message");
		if (strptime(text_member(condition, "lastTransitionTime"), "%Y-%m-%dT%H:%M:%SZ", &tm))
			entry->since_sec = timegm(&tm);
	}
}

static int add_item(struct status_book *book, const struct json *item, struct strbuf *why)
{
	cleanup(problems_done) struct problems problems = { 0 };
	struct status_entry *entry = &book->entries[book->n_entries];
	struct object *object = NULL;
	size_t i;

	switch (decode_object(item, "", &object, &problems)) {
	case DECODED:
		break;
	case DECODE_NO_MEMORY:
		return -ENOMEM;
	case DECODE_SKIPPED:
	case DECODE_REFUSED:
		strbuf_appendf(why, "line %u: %s", item->line, problems.n ? problems.items[0].message : "not a Service");
		return -EINVAL;
	}
	if (object->kind != OBJECT_SERVICE) {
		strbuf_appendf(why, "line %u: not a Service", item->line);
		object_free(object);
		return -EINVAL;
	}
	*entry = (struct status_entry){
		.namespace = arena_string(&book->arena, object->meta.namespace),
		.name = arena_string(&book->arena, object->meta.name),
		.uid = arena_string(&book->arena, object->meta.uid),
		.addresses = arena_array(&book->arena, object->service.n_ingress, sizeof(*entry->addresses)),
	};
	read_condition(entry, item);
	entry->reason = arena_string(&book->arena, entry->reason);
	entry->message = arena_string(&book->arena, entry->message);
	for (i = 0; entry->addresses && i < object->service.n_ingress; i++)
		if (object->service.ingress[i].addr.family != ADDR_NONE)
			entry->addresses[entry->n_addresses++] = object->service.ingress[i].addr;
	object_free(object);
	if (!entry->namespace || !entry->name || !entry->uid || !entry->addresses || !entry->reason || !entry->message)
		return -ENOMEM;
	book->n_entries++;
	return 0;
}

static int check_unique(const struct status_book *book, struct strbuf *why)
{
	size_t i;

	for (i = 1; i < book->n_entries; i++)
		if (text_equal(book->entries[i - 1].namespace, book->entries[i].namespace) &&
		    text_equal(book->entries[i - 1].name, book->entries[i].name)) {
			strbuf_appendf(why, "Service %s/%s stands twice", book->entries[i].namespace,
				       book->entries[i].name);
			return -EINVAL;
		}
	return 0;
}

static int book_from(struct status_book *book, const struct json *list, struct strbuf *why)
{
	const struct json *items = json_member(list, "items"), *item;
	int r = 0;

	if (!items || items->type != JSON_ARRAY || list->next) {
		strbuf_append(why, "not one List with items");
		return -EINVAL;
	}
	book->entries = arena_array(&book->arena, items->n, sizeof(*book->entries));
	if (!book->entries)
		return -ENOMEM;
	for (item = items->child; item && r == 0; item = item->next)
		r = add_item(book, item, why);
	if (r < 0)
		return r;
	status_book_sort(book);
	return check_unique(book, why);
}

int status_file_read(const char *path, struct status_book *ret, struct strbuf *ret_why)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct status_book book = { 0 };
	struct json_error error;
	int r = read_whole(path, &text);

	if (r == -ENOENT) {
		*ret = book;
		return 0;
	}
	if (r < 0)
		return r;
	r = yaml_parse(strbuf_text(&text), text.length, &document, &error); /* JSON is YAML; people may have edited it */
	if (r == -EINVAL)
		strbuf_appendf(ret_why, "line %u: %s", error.line, error.message);
	if (r < 0)
		return r;
	r = book_from(&book, document.first, ret_why);
	if (r < 0) {
		status_book_done(&book);
		return r;
	}
	*ret = book;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static int write_whole(int fd, const char *text, size_t length)
{
	int r = file_write_all(fd, text, length);

	if (r < 0)
		return r;
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The rename itself must reach the disk too. */
static int sync_directory(const char *directory)
{
	cleanup(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int status_file_write(const char *path, const char *text, size_t length)
{
	const char *slash = strrchr(path, '/');
	cleanup(freep) char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	cleanup(freep) char *temporary = NULL;
	int fd, r;

	/* The dot keeps it from everybody who reads the directory. One name is enough, for there is one writer (the lock of
	 * main.c), and what a crash left of it is overwritten. */
	if (!directory || asprintf(&temporary, "%s.%s.new", directory, slash ? slash + 1 : path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, text, length);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_directory(directory);
}
