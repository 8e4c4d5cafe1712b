// SPDX-License-Identifier: Apache-2.0
/* List and watch as a state machine: see reflector.h. */
#include "k8s/reflector.h"

#include <errno.h>
#include <string.h>

#include "k8s/api_error.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define PAGE_SIZE	 500
#define LIST_TIMEOUT_SEC 60 /* of one page; what the API server allows itself */
#define WATCH_MIN_SEC	 300
#define WATCH_SPREAD_SEC 300
#define WATCH_MARGIN_SEC 30
#define VERSION_MAX	 128
#define CONTINUE_MAX	 (64 * 1024)
#define PAGES_GIVE_UP	 2 /* lists whose pages expired before their end: then one without pages */

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *value = json_member(object, key);

	return value && value->type == JSON_STRING ? value->text : "";
}

/* --- asking -------------------------------------------------------------------------------------------- */

static void append_encoded(struct strbuf *path, const char *text)
{
	for (; *text; text++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *text))
			strbuf_append_bytes(path, text, 1);
		else
			strbuf_appendf(path, "%%%02X", (unsigned char)*text);
}

static void ask_list(struct reflector *reflector, struct strbuf *path)
{
	if (!reflector->whole_list)
		strbuf_appendf(path, "limit=%d", PAGE_SIZE);
	if (reflector->next_page.length) {
		strbuf_append(path, "&continue=");
		append_encoded(path, strbuf_text(&reflector->next_page));
	}
}

static void ask_watch(struct reflector *reflector, unsigned timeout_sec, struct strbuf *path)
{
	strbuf_appendf(path, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u", timeout_sec);
	if (reflector->phase == REFLECTOR_LIST) {
		strbuf_append(path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	} else {
		strbuf_append(path, "&resourceVersion=");
		append_encoded(path, strbuf_text(&reflector->version));
	}
}

static int take_piece(void *userdata, const char *text, size_t length);

int reflector_request(struct reflector *reflector, uint32_t random, struct strbuf *path,
		      struct api_stream *ret)
{
	unsigned watch_sec = WATCH_MIN_SEC + random % WATCH_SPREAD_SEC;
	bool pages = reflector->whole_list || reflector->next_page.length;

	if (reflector->phase == REFLECTOR_WATCH && reflector->check_first)
		reflector->phase = REFLECTOR_CHECK;
	reflector->as_watch = reflector->phase == REFLECTOR_WATCH ||
			      (reflector->phase == REFLECTOR_LIST && !reflector->no_watch_list && !pages);
	json_stream_done(&reflector->stream);
	reflector->stream.list = !reflector->as_watch;
	reflector->stream.piece = take_piece;
	reflector->stream.userdata = reflector;
	reflector->failure = reflector->error_code = 0;
	reflector->got_event = false;
	if (reflector->phase == REFLECTOR_LIST && !reflector->next_page.length)
		reflector->in_list = false; /* begins with the first byte of the answer */

	strbuf_appendf(path, "%s?%s%s", reflector->path, reflector->selector ? reflector->selector : "",
		       reflector->selector ? "&" : "");
	if (reflector->phase == REFLECTOR_CHECK)
		strbuf_append(path, "limit=1");
	else if (reflector->as_watch)
		ask_watch(reflector, watch_sec, path);
	else
		ask_list(reflector, path);
	if (strbuf_failed(path))
		return -ENOMEM;
	*ret = (struct api_stream){
		.path = strbuf_text(path),
		.compressed = !reflector->as_watch,
		.timeout_sec = reflector->as_watch ? watch_sec + WATCH_MARGIN_SEC : LIST_TIMEOUT_SEC,
	};
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static int remember(struct strbuf *where, const char *text, size_t limit)
{
	if (strlen(text) > limit)
		return -EBADMSG;
	strbuf_reset(where);
	strbuf_append(where, text);
	return strbuf_failed(where) ? -ENOMEM : 0;
}

static int remember_version(struct reflector *reflector, const struct json *object)
{
	const char *version = text_of(json_member(object, "metadata"), "resourceVersion");

	return *version ? remember(&reflector->version, version, VERSION_MAX) : -EBADMSG;
}

static int open_list(struct reflector *reflector)
{
	if (reflector->in_list)
		return 0;
	reflector->in_list = true;
	return reflector->fns->begin(reflector->userdata);
}

static int close_list(struct reflector *reflector)
{
	int r = reflector->fns->complete(reflector->userdata);

	if (r)
		return r;
	reflector->in_list = reflector->whole_list = reflector->check_first = false;
	reflector->n_expired = 0;
	reflector->n_lists++;
	reflector->phase = REFLECTOR_WATCH;
	return 0;
}

static bool ends_initial_events(const struct json *object)
{
	const struct json *annotations = json_member(json_member(object, "metadata"), "annotations");

	return !strcmp(text_of(annotations, "k8s.io/initial-events-end"), "true");
}

static int take_error(struct reflector *reflector, const struct json *object)
{
	reflector->error_code = api_error_code(object);
	if (!reflector->error_code)
		return -EBADMSG;
	return 1;
}

static int take_event(struct reflector *reflector, const struct json *event)
{
	const struct json *object = json_member(event, "object");
	const char *type = text_of(event, "type");
	int r = -EBADMSG;

	if (!object || object->type != JSON_OBJECT)
		return -EBADMSG;
	if (!strcmp(type, "ERROR"))
		return take_error(reflector, object);
	reflector->got_event = true;
	reflector->n_events++;
	if (reflector->phase == REFLECTOR_LIST) {
		r = open_list(reflector);
		if (r)
			return r;
	}
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
		r = reflector->fns->put(reflector->userdata, reflector->type.first, object);
	else if (!strcmp(type, "DELETED"))
		r = reflector->fns->remove(reflector->userdata, reflector->type.first, object);
	else if (!strcmp(type, "BOOKMARK"))
		r = reflector->phase == REFLECTOR_LIST && ends_initial_events(object) ? close_list(reflector)
										      : 0;
	else
		r = -EBADMSG;
	return r ? r : remember_version(reflector, object);
}

static int take_piece(void *userdata, const char *text, size_t length)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	struct reflector *reflector = userdata;
	struct json_error error;
	int r;

	r = json_parse(text, length, &document, &error);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	if (!document.first || document.first->next)
		return -EBADMSG;
	if (reflector->as_watch)
		return take_event(reflector, document.first);
	if (reflector->phase == REFLECTOR_CHECK)
		return 0;
	return reflector->fns->put(reflector->userdata, reflector->type.first, document.first);
}

int reflector_feed(struct reflector *reflector, const char *bytes, size_t length)
{
	int r = 0;

	if (reflector->phase == REFLECTOR_LIST && !reflector->as_watch)
		r = open_list(reflector);
	if (!r)
		r = json_stream_feed(&reflector->stream, bytes, length);
	reflector->failure = r < 0 ? r : 0;
	return r;
}

/* --- ends ---------------------------------------------------------------------------------------------- */

static enum reflector_trouble trouble_of_status(int status)
{
	if (status == 0)
		return REFLECTOR_UNREACHABLE;
	if (status >= 500)
		return REFLECTOR_SERVER_ERROR;
	switch (status) {
	case 401:
		return REFLECTOR_UNAUTHORIZED;
	case 403:
		return REFLECTOR_FORBIDDEN;
	case 404:
		return REFLECTOR_NOT_INSTALLED;
	case 429:
		return REFLECTOR_BUSY;
	}
	return status >= 400 ? REFLECTOR_REFUSED : REFLECTOR_GARBAGE;
}

static bool fails(struct reflector *reflector, enum reflector_trouble trouble, int status)
{
	reflector->trouble = trouble;
	reflector->status = status;
	return false;
}

static void list_anew(struct reflector *reflector)
{
	reflector->phase = REFLECTOR_LIST;
	reflector->in_list = false;
	reflector->check_first = false;
	strbuf_reset(&reflector->next_page);
}

/* The server has forgotten where we were. In a list of pages this may go on for ever when objects change
 * faster than the pages are read; one answer without pages ends it. */
static bool expired(struct reflector *reflector)
{
	bool first = reflector->phase != REFLECTOR_LIST;

	if (!first && ++reflector->n_expired >= PAGES_GIVE_UP)
		reflector->whole_list = true;
	list_anew(reflector);
	return first || reflector->n_expired <= PAGES_GIVE_UP ? true
							      : fails(reflector, REFLECTOR_REFUSED, 410);
}

/* The number that a list's head gives lies before ours: this is another etcd than the one that we knew. */
static bool is_restored(const struct reflector *reflector, const char *now)
{
	uint64_t ours, theirs;

	return parse_number(strbuf_text(&reflector->version), 0, UINT64_MAX, &ours) == 0 &&
	       parse_number(now, 0, UINT64_MAX, &theirs) == 0 && theirs < ours;
}

/* A page's head, all of its items were put. */
static int take_page(struct reflector *reflector, const struct json *head)
{
	const struct json *metadata = json_member(head, "metadata");
	int r;

	if (!*text_of(metadata, "resourceVersion"))
		return -EBADMSG;
	if (reflector->phase == REFLECTOR_CHECK) {
		reflector->check_first = false;
		reflector->phase = REFLECTOR_WATCH;
		if (is_restored(reflector, text_of(metadata, "resourceVersion")))
			list_anew(reflector);
		return 0;
	}
	r = remember(&reflector->next_page, text_of(metadata, "continue"), CONTINUE_MAX);
	if (!r)
		r = remember_version(reflector, head);
	if (!r && !reflector->next_page.length)
		r = close_list(reflector);
	return r;
}

static bool list_ended(struct reflector *reflector)
{
	cleanup(json_document_done) struct json_document head = { 0 };
	struct json_error error;
	int r = -EBADMSG;

	if (json_stream_is_whole(&reflector->stream))
		r = json_parse(strbuf_text(&reflector->stream.head), reflector->stream.head.length, &head,
			       &error);
	if (!r)
		r = take_page(reflector, head.first);
	if (!r) {
		reflector->trouble = REFLECTOR_FINE;
		return true;
	}
	if (reflector->phase == REFLECTOR_LIST)
		list_anew(reflector);
	return fails(reflector, r == -ENOMEM ? REFLECTOR_NO_MEMORY : REFLECTOR_GARBAGE, 200);
}

static bool watch_ended(struct reflector *reflector)
{
	if (reflector->phase == REFLECTOR_LIST) { /* before the initial events were complete */
		/* A server that does not know the parameters ends like this too. */
		reflector->no_watch_list |= !reflector->got_event;
		list_anew(reflector);
		return fails(reflector, REFLECTOR_GARBAGE, 200);
	}
	reflector->trouble = REFLECTOR_FINE;
	return json_stream_is_whole(&reflector->stream) ? true : fails(reflector, REFLECTOR_GARBAGE, 200);
}

static bool error_event(struct reflector *reflector)
{
	int code = reflector->error_code;

	if (code == 410)
		return expired(reflector);
	if (reflector->phase == REFLECTOR_LIST) {
		list_anew(reflector);
		/* etcd 3.4: "the required storage feature RequestWatchProgress is disabled", with 500 */
		reflector->no_watch_list |= !reflector->got_event && code != 429;
		if (reflector->no_watch_list)
			return true;
	}
	return fails(reflector, trouble_of_status(code), code);
}

/* API servers that are too old refuse the parameters that ask for initial events with 400 or 422. */
static bool refuses_watch_list(const struct reflector *reflector, int status)
{
	return reflector->phase == REFLECTOR_LIST && reflector->as_watch && (status == 400 || status == 422);
}

bool reflector_ended(struct reflector *reflector, const struct api_reply *reply, bool cut)
{
	int failure = reflector->failure;

	if (reply->status == 410)
		return expired(reflector);
	if (refuses_watch_list(reflector, reply->status)) {
		reflector->no_watch_list = true;
		return true;
	}
	if (reply->status != 200) {
		reflector->check_first |= !reply->status && reflector->phase == REFLECTOR_WATCH;
		return fails(reflector, trouble_of_status(reply->status), reply->status);
	}
	if (reflector->as_watch)
		reflector->n_watches++;
	if (reflector->error_code)
		return error_event(reflector);
	if (failure || cut) {
		reflector->check_first |= cut && reflector->phase == REFLECTOR_WATCH;
		if (reflector->phase == REFLECTOR_LIST)
			list_anew(reflector);
		return fails(reflector,
			     failure == -ENOMEM ? REFLECTOR_NO_MEMORY
			     : failure		? REFLECTOR_GARBAGE
						: REFLECTOR_UNREACHABLE,
			     200);
	}
	return reflector->as_watch ? watch_ended(reflector) : list_ended(reflector);
}

void reflector_silent(struct reflector *reflector)
{
	if (reflector->phase == REFLECTOR_WATCH)
		reflector->check_first = true;
	else
		list_anew(reflector);
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

int reflector_init(struct reflector *reflector)
{
	struct json_error error;

	if (!reflector->list_type)
		return 0;
	return json_parse(reflector->list_type, strlen(reflector->list_type), &reflector->type, &error) < 0
		       ? -ENOMEM
		       : 0;
}

void reflector_done(struct reflector *reflector)
{
	json_stream_done(&reflector->stream);
	json_document_done(&reflector->type);
	strbuf_done(&reflector->version);
	strbuf_done(&reflector->next_page);
}
