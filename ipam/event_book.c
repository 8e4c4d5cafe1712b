// SPDX-License-Identifier: Apache-2.0
/* Series and buckets of Events: see event_book.h. Records stand in a table; both it and the buckets are
 * searched by hash. */
#include "ipam/event_book.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/cleanup.h"
#include "userspace/core/explain.h"

#define CONTROLLER  "fairway.dev/lbcontroller"
#define BUCKETS	    16384 /* objects share one if their hashes meet: then they are told of less, never more */
#define NAME_OF_MAX 200	  /* of the object's name in the Event's */

struct record {
	uint64_t key; /* of object, reason and note; 0: an empty place */
	enum object_kind kind;
	char *namespace, *name, *uid, *note;
	const char *reason, *action;
	bool warning;
	uint64_t number; /* in the order in which they were told; names the Event */
	uint32_t count, written_count,
		before_count; /* told, written, and written before the write under way */
	unsigned tries;
	int64_t first_usec, last_usec;
	uint64_t last_msec, due_msec; /* not written again before then */
	bool busy;
};

struct bucket {
	uint64_t filled_msec; /* when it was last filled up to `tokens` */
	unsigned tokens;
	bool used;
};

struct event_book {
	struct record records[EVENT_RECORDS];
	struct bucket buckets[BUCKETS];
	size_t n;
	uint64_t next_number, dropped;
	struct strbuf path, body;
};

struct event_book *event_book_new(void)
{
	return calloc(1, sizeof(struct event_book));
}

static void record_done(struct record *record)
{
	free(record->namespace);
	free(record->name);
	free(record->uid);
	free(record->note);
	*record = (struct record){ 0 };
}

void event_book_free(struct event_book *book)
{
	size_t i;

	if (!book)
		return;
	for (i = 0; i < book->n; i++)
		record_done(&book->records[i]);
	strbuf_done(&book->path);
	strbuf_done(&book->body);
	free(book);
}

uint64_t event_book_dropped(const struct event_book *book)
{
	return book->dropped;
}

/* --- keys and buckets ---------------------------------------------------------------------------------- */

static uint64_t object_hash(const struct event *event)
{
	uint64_t hash =
		XXH3_64bits_withSeed(event->namespace, strlen(event->namespace), (uint64_t)event->kind);

	hash = XXH3_64bits_withSeed(event->name, strlen(event->name), hash);
	return XXH3_64bits_withSeed(event->uid, strlen(event->uid), hash);
}

static uint64_t event_key(const struct event *event, const char *note)
{
	uint64_t hash = XXH3_64bits_withSeed(event->reason, strlen(event->reason), object_hash(event));

	hash = XXH3_64bits_withSeed(note, strlen(note), hash);
	return hash ? hash : 1;
}

static bool take_token(struct event_book *book, const struct event *event, uint64_t now_msec)
{
	struct bucket *bucket = &book->buckets[object_hash(event) % BUCKETS];
	uint64_t refills;

	if (!bucket->used)
		*bucket = (struct bucket){ .used = true, .tokens = EVENT_BURST, .filled_msec = now_msec };
	refills = (now_msec - bucket->filled_msec) / EVENT_REFILL_MSEC;
	bucket->filled_msec += refills * EVENT_REFILL_MSEC;
	bucket->tokens =
		refills >= EVENT_BURST - bucket->tokens ? EVENT_BURST : bucket->tokens + (unsigned)refills;
	if (!bucket->tokens)
		return false;
	bucket->tokens--;
	return true;
}

/* --- telling ------------------------------------------------------------------------------------------- */

static bool is_waiting(const struct record *record)
{
	return record->busy || record->count != record->written_count;
}

static struct record *find(struct event_book *book, uint64_t key)
{
	size_t i;

	for (i = 0; i < book->n; i++)
		if (book->records[i].key == key)
			return &book->records[i];
	return NULL;
}

static struct record *find_room(struct event_book *book)
{
	struct record *oldest = NULL;
	size_t i;

	if (book->n < EVENT_RECORDS)
		return &book->records[book->n++];
	for (i = 0; i < book->n; i++)
		if (!is_waiting(&book->records[i]) &&
		    (!oldest || book->records[i].last_msec < oldest->last_msec))
			oldest = &book->records[i];
	if (oldest)
		record_done(oldest);
	return oldest;
}

static int fill(struct event_book *book, struct record *record, const struct event *event, const char *note)
{
	*record = (struct record){ .kind = event->kind,
				   .namespace = strdup(event->namespace),
				   .name = strdup(event->name),
				   .uid = strdup(event->uid),
				   .note = strdup(note),
				   .reason = event->reason,
				   .action = event->action,
				   .warning = event->warning,
				   .number = ++book->next_number };
	if (record->namespace && record->name && record->uid && record->note)
		return 0;
	record_done(record);
	return -ENOMEM;
}

static int begin(struct event_book *book, const struct event *event, const char *note, uint64_t key,
		 uint64_t now_msec, int64_t now_usec)
{
	struct record *record;
	int r;

	if (!take_token(book, event, now_msec)) {
		book->dropped++;
		return 0;
	}
	record = find_room(book);
	if (!record) {
		book->dropped++;
		return 0;
	}
	r = fill(book, record, event, note);
	if (r < 0)
		return r;
	record->key = key;
	record->count = 1;
	record->first_usec = record->last_usec = now_usec;
	record->last_msec = now_msec;
	return 0;
}

int event_book_tell(struct event_book *book, const struct event *event, uint64_t now_msec, int64_t now_usec)
{
	cleanup(strbuf_done) struct strbuf note = { 0 };
	struct record *record;
	uint64_t key;

	strbuf_append_escaped(&note, event->note, EVENT_NOTE_MAX - 3); /* "..." */
	if (strbuf_failed(&note))
		return -ENOMEM;
	key = event_key(event, strbuf_text(&note));
	record = find(book, key);
	if (record && !is_waiting(record) && now_msec - record->last_msec > EVENT_SERIES_MSEC) {
		record->key = 0; /* too long ago: a new story */
		record = NULL;
	}
	if (!record)
		return begin(book, event, strbuf_text(&note), key, now_msec, now_usec);
	record->count++;
	record->last_msec = now_msec;
	record->last_usec = now_usec;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void append_time(struct strbuf *out, const char *name, int64_t usec)
{
	strbuf_appendf(out, "\"%s\":\"", name);
	strbuf_append_time_usec(out, usec);
	strbuf_append(out, "\"");
}

static void append_text(struct strbuf *out, const char *name, const char *value)
{
	strbuf_appendf(out, ",\"%s\":", name);
	json_append_string(out, value);
}

/* Events of objects without a namespace stand in `default`, as everybody's do. */
static const char *namespace_of(const struct record *record)
{
	return *record->namespace ? record->namespace : "default";
}

static void append_name(struct strbuf *out, const struct record *record, const struct event_source *source)
{
	size_t length = strnlen(record->name, NAME_OF_MAX);

	while (length > 1 && (record->name[length - 1] == '.' || record->name[length - 1] == '-'))
		length--; /* a name that was cut there would be none */
	strbuf_appendf(out, "%.*s.%016" PRIx64, (int)length, record->name, source->seed + record->number);
}

static void append_regarding(struct strbuf *out, const struct record *record)
{
	bool service = record->kind == OBJECT_SERVICE;

	strbuf_appendf(out, ",\"regarding\":{\"apiVersion\":\"%s\",\"kind\":\"%s\"",
		       service ? "v1" : "fairway.dev/v1alpha1", object_kind_name(record->kind));
	if (*record->namespace)
		append_text(out, "namespace", record->namespace);
	append_text(out, "name", record->name);
	append_text(out, "uid", record->uid);
	strbuf_append(out, "}");
}

static void append_new(struct strbuf *out, const struct record *record, const struct event_source *source)
{
	strbuf_appendf(out,
		       "{\"apiVersion\":\"events.k8s.io/"
		       "v1\",\"kind\":\"Event\",\"metadata\":{\"namespace\":\"%s\",\"name\":\"",
		       namespace_of(record));
	append_name(out, record, source);
	strbuf_append(out, "\"},");
	append_time(out, "eventTime", record->first_usec);
	append_text(out, "reportingController", CONTROLLER);
	append_text(out, "reportingInstance", source->instance);
	append_text(out, "type", record->warning ? "Warning" : "Normal");
	append_text(out, "reason", record->reason);
	append_text(out, "action", record->action);
	append_text(out, "note", record->note);
	append_regarding(out, record);
	strbuf_append(out, "}");
}

static void append_series(struct strbuf *out, const struct record *record)
{
	strbuf_appendf(out, "{\"series\":{\"count\":%u,", record->count);
	append_time(out, "lastObservedTime", record->last_usec);
	strbuf_append(out, "}}");
}

static void write_record(struct event_book *book, struct record *record, const struct event_source *source,
			 uint64_t now_msec, struct event_write *ret)
{
	bool again = record->written_count > 0;

	strbuf_reset(&book->path);
	strbuf_reset(&book->body);
	strbuf_appendf(&book->path, "/apis/events.k8s.io/v1/namespaces/%s/events", namespace_of(record));
	if (again) {
		strbuf_append(&book->path, "/");
		append_name(&book->path, record, source);
		append_series(&book->body, record);
	} else {
		append_new(&book->body, record, source);
	}
	record->busy = true;
	record->before_count = record->written_count;
	/* What was told twice before it was written once is written once, and then as a series. */
	record->written_count = again ? record->count : 1;
	record->due_msec = now_msec + EVENT_REPEAT_MSEC;
	*ret = (struct event_write){ .again = again,
				     .path = strbuf_text(&book->path),
				     .body = strbuf_text(&book->body),
				     .length = book->body.length,
				     .token = (size_t)(record - book->records) };
}

bool event_book_next(struct event_book *book, const struct event_source *source, uint64_t now_msec,
		     struct event_write *ret, uint64_t *ret_due_msec)
{
	struct record *next = NULL;
	size_t i;

	*ret_due_msec = UINT64_MAX;
	for (i = 0; i < book->n; i++) {
		struct record *record = &book->records[i];
		uint64_t due = record->due_msec;

		if (!record->key || record->busy || record->count == record->written_count)
			continue;
		if (due > now_msec)
			*ret_due_msec = due < *ret_due_msec ? due : *ret_due_msec;
		else if (!next || record->number < next->number)
			next = record;
	}
	if (!next)
		return false;
	write_record(book, next, source, now_msec, ret);
	if (!strbuf_failed(&book->path) && !strbuf_failed(&book->body))
		return true;
	next->busy = false;
	return false;
}

void event_book_answer(struct event_book *book, size_t token, enum event_answer answer, uint64_t now_msec)
{
	struct record *record = &book->records[token];

	record->busy = false;
	switch (answer) {
	case EVENT_WRITTEN:
		record->tries = 0;
		break;
	case EVENT_GONE: /* it expired: a new one, under a new name */
		record->written_count = 0;
		record->count = 1;
		record->number = ++book->next_number;
		record->due_msec = 0;
		break;
	case EVENT_LATER:
		if (++record->tries >= EVENT_TRIES) {
			record->tries = 0;
			book->dropped++;
			break;
		}
		record->written_count = record->before_count;
		record->due_msec = now_msec + EVENT_RETRY_MSEC;
		break;
	}
}
