// SPDX-License-Identifier: Apache-2.0
/* k8s/reflector: what is asked next, after whatever was answered. Each test is a conversation: the request
 * that must come, the answer to it, and what the objects' owner was told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/reflector.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define WATCH_LIST                                                                                           \
	"/api/v1/things?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&sendInitialEvents=true&"         \
	"resourceVersionMatch=NotOlderThan"
#define LIST "/api/v1/things?limit=500"
#define WATCH(version)                                                                                       \
	"/api/v1/things?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=" version
#define CHECK			   "/api/v1/things?limit=1"

#define OBJECT(name, version)	   "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define BOOKMARK(version)                                                                                    \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define END_OF_LIST(version)                                                                                 \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version                    \
	"\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR(code) "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" code "}}\n"
#define PAGE(version, next, items)                                                                           \
	"{\"kind\":\"ThingList\",\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" next     \
	"\"},\"items\":[" items "]}"

struct talk {
	struct reflector reflector;
	struct strbuf told;
	int refuse; /* what the owner answers to the next object */
};

static const char *name_of(const struct json *object)
{
	return json_member(json_member(object, "metadata"), "name")->text;
}

static int begin(void *userdata)
{
	strbuf_append(&((struct talk *)userdata)->told, "[");
	return 0;
}

static int put(void *userdata, const struct json *list _unused_, const struct json *object)
{
	struct talk *talk = userdata;
	int refuse = talk->refuse;

	talk->refuse = 0;
	if (!refuse)
		strbuf_appendf(&talk->told, "+%s", name_of(object));
	return refuse;
}

static int drop(void *userdata, const struct json *list _unused_, const struct json *object)
{
	strbuf_appendf(&((struct talk *)userdata)->told, "-%s", name_of(object));
	return 0;
}

static int complete(void *userdata)
{
	strbuf_append(&((struct talk *)userdata)->told, "]");
	return 0;
}

static const struct reflector_fns fns = { begin, put, drop, complete };

static int setup(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	talk->reflector = (struct reflector){ .path = "/api/v1/things", .fns = &fns, .userdata = talk };
	assert_int_equal(reflector_init(&talk->reflector), 0);
	*state = talk;
	return 0;
}

static int teardown(void **state)
{
	struct talk *talk = *state;

	reflector_done(&talk->reflector);
	strbuf_done(&talk->told);
	free(talk);
	return 0;
}

static void asks(struct talk *talk, const char *path)
{
	cleanup(strbuf_done) struct strbuf asked = { 0 };
	struct api_stream stream;

	assert_int_equal(reflector_request(&talk->reflector, 0, &asked, &stream), 0);
	assert_string_equal(stream.path, path);
	assert_int_equal(stream.compressed, !strstr(path, "watch=1"));
	assert_true(stream.timeout_sec > (stream.compressed ? 10 : 300));
}

static void tells(struct talk *talk, const char *expected)
{
	assert_string_equal(strbuf_text(&talk->told), expected);
	strbuf_reset(&talk->told);
}

static bool ends(struct talk *talk, int status, bool cut)
{
	const struct api_reply reply = { .status = status, .reason = "", .message = "" };

	return reflector_ended(&talk->reflector, &reply, cut);
}

static bool answers(struct talk *talk, const char *body, bool cut)
{
	reflector_feed(&talk->reflector, body, strlen(body));
	return ends(talk, 200, cut);
}

/* --- beginnings ---------------------------------------------------------------------------------------- */

static void test_initial_events(void **state)
{
	struct talk *talk = *state;

	asks(talk, WATCH_LIST);
	assert_true(answers(talk,
			    EVENT("ADDED", "a", "5") EVENT("ADDED", "b", "3") END_OF_LIST("7")
				    EVENT("MODIFIED", "a", "9") EVENT("DELETED", "b", "10") BOOKMARK("12"),
			    false));
	tells(talk, "[+a+b]+a-b");
	asks(talk, WATCH("12"));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_FINE);
}

/* Only the bookmark that says so ends them: what is to come would be taken for removed. */
static void test_a_bookmark_among_initial_events(void **state)
{
	struct talk *talk = *state;

	asks(talk, WATCH_LIST);
	assert_true(answers(talk,
			    EVENT("ADDED", "a", "5") BOOKMARK("6") EVENT("ADDED", "b", "3") END_OF_LIST("7"),
			    false));
	tells(talk, "[+a+b]");
	asks(talk, WATCH("7"));
}

static void go_to_list(struct talk *talk)
{
	asks(talk, WATCH_LIST);
	assert_true(ends(talk, 422, false));
	asks(talk, LIST);
}

static void go_to_watch(struct talk *talk)
{
	go_to_list(talk);
	assert_true(answers(talk, PAGE("7", "", OBJECT("a", "5")), false));
	tells(talk, "[+a]");
}

static void test_pages(void **state)
{
	struct talk *talk = *state;

	go_to_list(talk);
	assert_true(answers(talk, PAGE("7", "x y=", OBJECT("a", "5") "," OBJECT("b", "6")), false));
	tells(talk, "[+a+b");
	asks(talk, LIST "&continue=x%20y%3D");
	assert_true(answers(talk, PAGE("7", "", OBJECT("c", "2")), false));
	tells(talk, "+c]");
	asks(talk, WATCH("7"));
	assert_true(answers(talk, "", false));
	asks(talk, WATCH("7"));
}

/* A server that does not know the parameters begins an ordinary watch, which never tells that a list is
 * complete. */
static void test_initial_events_unknown(void **state)
{
	struct talk *talk = *state;

	asks(talk, WATCH_LIST);
	assert_false(answers(talk, "", false));
	tells(talk, "");
	asks(talk, LIST);
}

/* As kube-apiserver 1.36 on etcd 3.4 says it. */
static void test_initial_events_without_storage_for_them(void **state)
{
	struct talk *talk = *state;

	asks(talk, WATCH_LIST);
	assert_false(answers(talk, ERROR("429"), false));
	asks(talk, WATCH_LIST);
	assert_true(answers(talk, ERROR("500"), false));
	tells(talk, "");
	asks(talk, LIST);
	/* one that breaks off later is no refusal */
	talk->reflector.no_watch_list = false;
	asks(talk, WATCH_LIST);
	assert_false(answers(talk, EVENT("ADDED", "a", "5") ERROR("500"), false));
	asks(talk, WATCH_LIST);
}

static void test_cut_while_listing(void **state)
{
	struct talk *talk = *state;

	asks(talk, WATCH_LIST);
	assert_false(answers(talk, EVENT("ADDED", "a", "5") "{\"type\":\"ADD", true));
	tells(talk, "[+a");
	asks(talk, WATCH_LIST);
	assert_true(ends(talk, 400, false));
	asks(talk, LIST);
	assert_false(answers(talk, "{\"kind\":\"ThingList\",\"items\":[" OBJECT("a", "5"), true));
	tells(talk, "[+a");
	asks(talk, LIST);
	/* cut, and nobody noticed: half of an object, an object too few, no version */
	assert_false(answers(talk, "{\"kind\":\"ThingList\",\"items\":[{", false));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_GARBAGE);
	asks(talk, LIST);
	assert_false(answers(talk, "{\"metadata\":{\"resourceVersion\":\"3\"},\"items\":[]", false));
	asks(talk, LIST);
	assert_false(answers(talk, "{\"metadata\":{},\"items\":[]}", false));
	tells(talk, "[[[");
	asks(talk, LIST);
}

/* --- ends of a watch ----------------------------------------------------------------------------------- */

static void test_resumes(void **state)
{
	struct talk *talk = *state;

	go_to_watch(talk);
	asks(talk, WATCH("7"));
	assert_true(answers(talk, EVENT("ADDED", "b", "8"), false));
	asks(talk, WATCH("8"));
	/* cut within an event: what was whole counts. The version is looked at first: it may be another etcd
	 * by now */
	assert_false(answers(talk, EVENT("MODIFIED", "b", "9") "{\"type\":\"DELETED\",\"obj", true));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_UNREACHABLE);
	tells(talk, "+b+b");
	asks(talk, CHECK);
	assert_true(answers(talk, PAGE("20", "", OBJECT("b", "9")), false));
	asks(talk, WATCH("9"));
	assert_false(ends(talk, 0, false));
	asks(talk, CHECK);
	assert_false(ends(talk, 0, false));
	asks(talk, CHECK);
	assert_true(answers(talk, PAGE("9", "y", ""), false));
	asks(talk, WATCH("9"));
	tells(talk, "");
}

static void test_restored_from_backup(void **state)
{
	struct talk *talk = *state;

	go_to_watch(talk);
	asks(talk, WATCH("7"));
	reflector_silent(&talk->reflector);
	asks(talk, CHECK);
	assert_true(answers(talk, PAGE("6", "", ""), false));
	tells(talk, "");
	asks(talk, LIST);
	assert_true(answers(talk, PAGE("6", "", ""), false));
	tells(talk, "[]");
	asks(talk, WATCH("6"));
}

static void test_forgotten(void **state)
{
	struct talk *talk = *state;

	go_to_watch(talk);
	asks(talk, WATCH("7"));
	assert_true(ends(talk, 410, false));
	asks(talk, LIST);
	assert_true(answers(talk, PAGE("20", "", OBJECT("b", "19")), false));
	tells(talk, "[+b]");
	asks(talk, WATCH("20"));
	assert_true(answers(talk, ERROR("410"), false));
	asks(talk, LIST);
}

/* Pages that expire before the last was read: once more, then all in one, then with a backoff. */
static void test_forgotten_while_listing(void **state)
{
	struct talk *talk = *state;

	go_to_list(talk);
	assert_true(answers(talk, PAGE("7", "x", OBJECT("a", "5")), false));
	asks(talk, LIST "&continue=x");
	assert_true(ends(talk, 410, false));
	asks(talk, LIST);
	assert_true(answers(talk, PAGE("8", "x", OBJECT("a", "5")), false));
	asks(talk, LIST "&continue=x");
	assert_true(ends(talk, 410, false));
	asks(talk, "/api/v1/things?");
	assert_false(ends(talk, 410, false));
	asks(talk, "/api/v1/things?");
	assert_true(answers(talk, PAGE("9", "", OBJECT("c", "5")), false));
	tells(talk, "[+a[+a[+c]");
	asks(talk, WATCH("9"));
}

static void test_garbage(void **state)
{
	static const char *const bodies[] = {
		"<html>",
		"{\"type\":1}",
		"{}",
		"{\"type\":\"ADDED\"}",
		"{\"type\":\"ADDED\",\"object\":[]}",
		"{\"type\":\"NEW\",\"object\":" OBJECT("x", "9") "}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}",
		"{\"type\":\"ERROR\",\"object\":{}}",
		"{\"a\":tru}",
		"{\"type\":\"BOOKMARK\",\"object\":{}}",
		"{\"half\":",
	};
	struct talk *talk = *state;

	go_to_watch(talk);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		asks(talk, WATCH("7"));
		assert_false(answers(talk, bodies[i], false));
		assert_int_equal(talk->reflector.trouble, REFLECTOR_GARBAGE);
	}
	strbuf_reset(&talk->told);
	asks(talk, WATCH("7"));
	assert_true(answers(talk, EVENT("ADDED", "b", "8"), false));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_FINE);
	tells(talk, "+b");
}

static void test_refusals(void **state)
{
	static const struct {
		int status;
		enum reflector_trouble trouble;
	} rows[] = {
		{ 0, REFLECTOR_UNREACHABLE },	 { 401, REFLECTOR_UNAUTHORIZED },
		{ 403, REFLECTOR_FORBIDDEN },	 { 404, REFLECTOR_NOT_INSTALLED },
		{ 429, REFLECTOR_BUSY },	 { 500, REFLECTOR_SERVER_ERROR },
		{ 504, REFLECTOR_SERVER_ERROR }, { 405, REFLECTOR_REFUSED },
		{ 301, REFLECTOR_GARBAGE },
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		asks(talk, WATCH_LIST);
		assert_false(ends(talk, rows[i].status, false));
		assert_int_equal(talk->reflector.trouble, rows[i].trouble);
		assert_int_equal(talk->reflector.status, rows[i].status);
	}
	go_to_watch(talk);
	asks(talk, WATCH("7"));
	assert_false(answers(talk, ERROR("500"), false));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_SERVER_ERROR);
	asks(talk, WATCH("7"));
	assert_false(answers(talk, ERROR("429"), false));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_BUSY);
	asks(talk, WATCH("7"));
}

/* A page that fails is asked for again, not the whole list. */
static void test_a_page_fails(void **state)
{
	struct talk *talk = *state;

	go_to_list(talk);
	assert_true(answers(talk, PAGE("7", "x", OBJECT("a", "5")), false));
	asks(talk, LIST "&continue=x");
	assert_false(ends(talk, 500, false));
	asks(talk, LIST "&continue=x");
	assert_true(answers(talk, PAGE("7", "", OBJECT("b", "5")), false));
	tells(talk, "[+a+b]");
}

/* What could not be taken is asked for again. */
static void test_no_memory(void **state)
{
	struct talk *talk = *state;

	go_to_watch(talk);
	asks(talk, WATCH("7"));
	reflector_feed(&talk->reflector, EVENT("ADDED", "b", "8"), strlen(EVENT("ADDED", "b", "8")));
	talk->refuse = -ENOMEM;
	assert_false(answers(talk, EVENT("ADDED", "c", "9") EVENT("ADDED", "d", "10"), false));
	assert_int_equal(talk->reflector.trouble, REFLECTOR_NO_MEMORY);
	tells(talk, "+b");
	asks(talk, WATCH("8"));
}

static void test_selectors(void **state)
{
	struct talk *talk = *state;

	talk->reflector.selector = "fieldSelector=metadata.name%3Dx";
	asks(talk,
	     "/api/v1/"
	     "things?fieldSelector=metadata.name%3Dx&watch=1&allowWatchBookmarks=true&timeoutSeconds=300&"
	     "sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	assert_true(ends(talk, 422, false));
	asks(talk, "/api/v1/things?fieldSelector=metadata.name%3Dx&limit=500");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_initial_events),
		TEST(test_a_bookmark_among_initial_events),
		TEST(test_pages),
		TEST(test_initial_events_unknown),
		TEST(test_initial_events_without_storage_for_them),
		TEST(test_cut_while_listing),
		TEST(test_resumes),
		TEST(test_restored_from_backup),
		TEST(test_forgotten),
		TEST(test_forgotten_while_listing),
		TEST(test_garbage),
		TEST(test_refusals),
		TEST(test_a_page_fails),
		TEST(test_no_memory),
		TEST(test_selectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
