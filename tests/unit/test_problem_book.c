// SPDX-License-Identifier: Apache-2.0
/* What the condition Problem says of each Service, and that only what changed is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/problem_book.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const struct row {
	const char *annotations; /* "KEY=VALUE KEY=VALUE" */
	const char *source_ranges;
	const char *class;
	const char *refused;
	bool unusable;
	const char *says; /* "REASON: MESSAGE"; "": nothing is wrong */
} rows[] = {
	{ "", "", "fairway.dev/lb", NULL, false, "" },
	{ "fairway.dev/pool=a x.example/y=z", "10.0.0.0/8", "fairway.dev/lb", NULL, false, "" },
	{ "fairway.dev/pol=a", "", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[fairway.dev/pol]: there is no such annotation: ignored; "
	  "the nearest is "
	  "fairway.dev/pool" },
	{ "fairway.dev/pol=a", "", "other.example/lb", NULL, false, "" },
	{ "fairway.dev/pol=a", "", NULL, NULL, false, "" }, /* class-less */
	{ "fairway.dev/source-ranges-policy=denied", "10.0.0.0/8", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[fairway.dev/source-ranges-policy]: neither allow nor "
	  "deny: \"denied\": allow "
	  "is in force" },
	{ "fairway.dev/node-selector=a in b", "", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[fairway.dev/node-selector]: a in b: ( expected after in "
	  "or notin; the Service "
	  "is announced from no node until this is mended" },
	{ "fairway.dev/shared-ip-namespaces=a,*,b-1,", "", "fairway.dev/lb", NULL, false, "" },
	{ "fairway.dev/shared-ip-namespaces=a,b/c,*d", "", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[fairway.dev/shared-ip-namespaces]: not a namespace's name: \"b/c\": it "
	  "permits nobody; write a, b or *" },
	{ "service.beta.kubernetes.io/load-balancer-source-ranges=x", "", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
	  "not a prefix: \"x\": "
	  "left out" },
	{ "", "10.0.0.0/8 2001:db8::/129", "fairway.dev/lb", NULL, false,
	  "InvalidSourceRanges: spec.loadBalancerSourceRanges[1]: not a prefix: \"2001:db8::/129\": left "
	  "out" },
	{ "fairway.dev/lb-algorithm=random", "x", "fairway.dev/lb", NULL, false,
	  "InvalidAnnotation: metadata.annotations[fairway.dev/lb-algorithm]: only maglev is built, and "
	  "stays in force: "
	  "\"random\": ignored; spec.loadBalancerSourceRanges[0]: not a prefix: \"x\": left out" },
	{ "fairway.dev/pol=a", "", "fairway.dev/lb", "spec.ports[0].port: not in 1..65535: 0", false,
	  "Refused: spec.ports[0].port: not in 1..65535: 0; the last good version stays in force" },
	{ "", "", "fairway.dev/lb", "spec.ports: x", true,
	  "Refused: spec.ports: x; nothing of it is served, and it gets no address" },
	{ "", "", NULL, "spec.ports: x", true, "" }, /* whose it is cannot be told */
	{ "", "", "other.example/lb", "spec.ports: x", true, "" },
};

/* Annotations with blanks in their values come alone. */
static void annotate(struct world *world, struct service *service, const char *text)
{
	bool alone = strstr(text, " in ");
	struct strings words = world_words(world, text);
	size_t i;

	for (i = 0; i < (alone ? 1 : words.n); i++) {
		const char *word = alone ? text : words.items[i], *equals = strchr(word, '=');
		char *key = arena_string_n(&world->arena, word, (size_t)(equals - word));

		world_label(world, &service->meta.annotations, key, equals + 1);
	}
}

static struct service *make(struct world *world, const char *name, const struct row *row)
{
	struct service *service = world_service(world, name);

	annotate(world, service, row->annotations);
	service->source_ranges = world_words(world, row->source_ranges);
	service->load_balancer_class = row->class;
	service->meta.refused = row->refused;
	service->meta.refused_generation = 8;
	service->meta.generation = 7;
	service->unusable = row->unusable;
	return service;
}

static void look(struct world *world, struct problem_book *book, const char *changed)
{
	struct strings names = world_words(world, changed);

	assert_int_equal(problem_book_update(book, world_cluster(world), false, &names), 0);
}

static void test_each_is_told(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(problem_book_done) struct problem_book book = { 0 };
		cleanup(strbuf_done) struct strbuf got = { 0 };
		const struct service *service = make(&world, "web/shop", &rows[i]);
		const struct service_problem *problem;

		look(&world, &book, "web/shop");
		problem = problem_book_find(&book, &service->meta);
		if (problem)
			strbuf_appendf(&got, "%s: %s", problem->reason, problem->message);
		if (strcmp(strbuf_text(&got), rows[i].says) != 0)
			fail_msg("row %zu: '%s', expected '%s'", i, strbuf_text(&got), rows[i].says);
		if (problem)
			assert_int_equal(problem->generation, rows[i].refused ? 8 : 7);
	}
}

/* One that we wrote to is ours, though its class cannot be read. */
static void test_one_of_ours_that_cannot_be_read(void **state _unused_)
{
	struct condition allocated = { .type = "fairway.dev/Allocated", .reason = "", .message = "" };
	const struct row row = { "", "", NULL, "spec.loadBalancerClass: not a string: 7", true, "" };
	cleanup(world_done) struct world world = { 0 };
	cleanup(problem_book_done) struct problem_book book = { 0 };
	struct service *service = make(&world, "web/shop", &row);
	const struct service_problem *problem;

	service->meta.conditions = (struct conditions){ .items = &allocated, .n = 1 };
	world_ingress(&world, service, "192.0.2.1");
	look(&world, &book, "web/shop");
	problem = problem_book_find(&book, &service->meta);
	assert_non_null(problem);
	assert_string_equal(problem->message, "spec.loadBalancerClass: not a string: 7; nothing of it is served, its addresses stay its own");
}

static void test_what_is_not_carried_is_told(void **state _unused_)
{
	const struct row row = { "", "", "fairway.dev/lb", NULL, false, "" };
	cleanup(world_done) struct world world = { 0 };
	cleanup(problem_book_done) struct problem_book book = { 0 };
	struct service *service = make(&world, "web/shop", &row);
	const struct service_problem *problem;

	service->n_ports = 0;
	world_service_port(&world, service, "s", L4_SCTP, 80, 0);
	look(&world, &book, "web/shop");
	problem = problem_book_find(&book, &service->meta);
	assert_non_null(problem);
	assert_string_equal(problem->reason, "UnsupportedProtocol");
	assert_string_equal(problem->message, "spec.ports: SCTP is not carried, and no port has another protocol: "
					      "nothing is served or announced; write TCP or UDP");
	world_service_port(&world, service, "t", L4_TCP, 80, 0);
	look(&world, &book, "web/shop");
	assert_non_null(strstr(problem_book_find(&book, &service->meta)->message, "1 of 2 ports"));
}

/* What is wrong stands behind what was written, however long that is. */
static void test_a_long_selector_leaves_room_for_the_reason(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(problem_book_done) struct problem_book book = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct row row = { "", "", "fairway.dev/lb", NULL, false, "" };
	const struct service *service;

	strbuf_append(&text, "fairway.dev/node-selector=");
	for (unsigned i = 0; i < 500; i++)
		strbuf_appendf(&text, "%sk%u in (a)", i ? "," : "", i);
	row.annotations = strbuf_text(&text);
	service = make(&world, "web/shop", &row);
	look(&world, &book, "web/shop");
	assert_non_null(problem_book_find(&book, &service->meta));
	assert_non_null(strstr(problem_book_find(&book, &service->meta)->message,
			       "...: longer than 4096 bytes; the Service is announced from no node"));
}

static void test_what_changed_is_looked_at(void **state _unused_)
{
	const struct row typo = { "fairway.dev/pol=a", "", "fairway.dev/lb", NULL, false, "" };
	cleanup(world_done) struct world world = { 0 };
	cleanup(problem_book_done) struct problem_book book = { 0 };
	struct service *services[3];
	static const char *const names[] = { "a/z", "b/b", "b/c" };

	for (size_t i = 0; i < 3; i++)
		services[i] = make(&world, names[i], &typo);
	look(&world, &book, "b/c a/z b/b");
	for (size_t i = 0; i < 3; i++)
		assert_non_null(problem_book_find(&book, &services[i]->meta));
	for (size_t i = 0; i < 3; i++)
		services[i]->meta.annotations.n = 0;
	look(&world, &book, "b/b");
	assert_non_null(problem_book_find(&book, &services[0]->meta));
	assert_null(problem_book_find(&book, &services[1]->meta));
	assert_non_null(problem_book_find(&book, &services[2]->meta));
	look(&world, &book, "a/z b/c gone/away");
	assert_int_equal(book.n, 0);
}

/* A tenant writes a list of nonsense: the message has an end, and says that there is more. */
static void test_bounded(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(problem_book_done) struct problem_book book = { 0 };
	cleanup(strbuf_done) struct strbuf ranges = { 0 };
	struct row row = { "", "", "fairway.dev/lb", NULL, false, "" };
	const struct service *service;
	const struct service_problem *problem;

	for (unsigned i = 0; i < 256; i++)
		strbuf_appendf(&ranges, "%s10.0.0.0/%u", i ? " " : "", 100 + i);
	row.source_ranges = strbuf_text(&ranges);
	service = make(&world, "web/shop", &row);
	look(&world, &book, "web/shop");
	problem = problem_book_find(&book, &service->meta);
	assert_non_null(problem);
	assert_in_range(strlen(problem->message), 500, 1000);
	assert_non_null(
		strstr(problem->message, "left out; and 9 more")); /* of 20 and the one that ends them */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_told),
		cmocka_unit_test(test_one_of_ours_that_cannot_be_read),
		cmocka_unit_test(test_what_is_not_carried_is_told),
		cmocka_unit_test(test_a_long_selector_leaves_room_for_the_reason),
		cmocka_unit_test(test_what_changed_is_looked_at),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
