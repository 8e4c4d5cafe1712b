// SPDX-License-Identifier: Apache-2.0
/* The controller's book over a cluster, what it holds back, and its text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ipam/status_book.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

struct fixture {
	struct world world;
	struct status_book book;
	struct problems problems;
};

static void fixture_done(struct fixture *fixture)
{
	world_done(&fixture->world);
	status_book_done(&fixture->book);
	problems_done(&fixture->problems);
}

static struct status_entry *add_entry(struct fixture *fixture, const char *name, const char *uid, const char *addr)
{
	struct status_book *book = &fixture->book;
	struct status_entry *entries = arena_array(&book->arena, book->n_entries + 1, sizeof(*entries)), *entry;

	if (book->n_entries)
		memcpy(entries, book->entries, book->n_entries * sizeof(*entries));
	book->entries = entries;
	entry = &entries[book->n_entries++];
	*entry = (struct status_entry){ "w", name, uid, arena_alloc(&book->arena, sizeof(struct addr)), 0, "", "", 7, false };
	if (*addr) {
		assert_int_equal(addr_parse(addr, entry->addresses), 0);
		entry->n_addresses = 1;
	}
	return entry;
}

/* One round at second 100: the book becomes the next one, as text "name=address …". */
static const char *round_of(struct fixture *fixture, char *text, size_t size)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	const struct cluster *cluster = world_cluster(&fixture->world);
	struct status_book next;
	struct cluster overlay;
	size_t i, n = 0;

	assert_int_equal(status_book_overlay(&fixture->book, cluster, &fixture->problems, &arena, &overlay), 0);
	assert_int_equal(allocate(&overlay, false, &allocations), 0);
	assert_int_equal(status_book_next(&fixture->book, cluster, &fixture->problems, &allocations, 100, &next), 0);
	status_book_done(&fixture->book);
	fixture->book = next;
	*text = 0;
	for (i = 0; i < next.n_entries; i++) {
		char addr[ADDR_TEXT_MAX] = "-";

		if (next.entries[i].n_addresses)
			addr_format(&next.entries[i].addresses[0], addr);
		n += (size_t)snprintf(text + n, size - n, "%s%s=%s", i ? " " : "", next.entries[i].name, addr);
	}
	return text;
}

static void test_over_the_cluster(void **state _unused_)
{
	cleanup(fixture_done) struct fixture fixture = { 0 };
	char text[200];

	world_pool(&fixture.world, "p", "192.0.2.0/29");
	world_ingress(&fixture.world, world_service(&fixture.world, "w/a"), "192.0.2.5"); /* the manifest's own */
	world_ingress(&fixture.world, world_service(&fixture.world, "w/b"), "192.0.2.6");
	world_ingress(&fixture.world, world_service(&fixture.world, "w/c"), "192.0.2.7");
	world_service(&fixture.world, "w/d")->meta.uid = "new";
	add_entry(&fixture, "b", "", "192.0.2.1");
	add_entry(&fixture, "c", "", ""); /* it had lost its address */
	add_entry(&fixture, "d", "old", "192.0.2.2"); /* another d */
	add_entry(&fixture, "gone", "", "192.0.2.0");
	assert_string_equal(round_of(&fixture, text, sizeof(text)), "a=192.0.2.5 b=192.0.2.1 c=192.0.2.0 d=192.0.2.2");
}

static void test_hidden(void **state _unused_)
{
	static const struct {
		const char *problem, *outcome;
		bool seen;
	} rows[] = {
		{ "objects.yaml", "hidden=192.0.2.0 new=192.0.2.1", false },
		{ "Service/w/other", "new=192.0.2.0", false },
		{ "objects.yaml", "new=192.0.2.0", true }, /* the store would have kept it: it was removed */
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup(fixture_done) struct fixture fixture = { 0 };
		char text[200];

		world_pool(&fixture.world, "p", "192.0.2.0/29");
		world_service(&fixture.world, "w/new");
		add_entry(&fixture, "hidden", "", "192.0.2.0")->seen = rows[i].seen;
		problems_add(&fixture.problems, rows[i].problem, "", "broken");
		assert_string_equal(round_of(&fixture, text, sizeof(text)), rows[i].outcome);
	}
}

/* What remains of a refused Service gets no answer: the book's stays. */
static void test_refused_service(void **state _unused_)
{
	static const struct {
		const char *uid, *outcome;
	} rows[] = {
		{ "", "new=192.0.2.1 refused=192.0.2.0" },
		{ "u1", "new=192.0.2.1 refused=192.0.2.0" },
		{ "u2", "new=192.0.2.0" }, /* the book's was another one */
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup(fixture_done) struct fixture fixture = { 0 };
		struct service *refused;
		char text[200];

		world_pool(&fixture.world, "p", "192.0.2.0/29");
		world_service(&fixture.world, "w/new");
		refused = world_service(&fixture.world, "w/refused");
		refused->unusable = true;
		refused->meta.uid = rows[i].uid;
		add_entry(&fixture, "refused", "u1", "192.0.2.0")->seen = true;
		assert_string_equal(round_of(&fixture, text, sizeof(text)), rows[i].outcome);
	}
}

static void test_refused_pool(void **state _unused_)
{
	static const struct {
		const char *problem, *refused, *outcome;
	} rows[] = {
		{ "ServiceIPPool/other", "spec.quota: not a map", "a=203.0.113.1" },
		{ "objects.yaml", NULL, "a=203.0.113.1" },
		{ "ServiceIPPool/p", NULL, "a=192.0.2.0" }, /* there, with its last good spec */
		{ "BGPPeer/x", NULL, "a=192.0.2.0" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup(fixture_done) struct fixture fixture = { 0 };
		char text[200];

		world_pool(&fixture.world, "p", "192.0.2.0/29");
		if (rows[i].refused) {
			struct service_ip_pool *other = world_pool(&fixture.world, "other", "");

			other->unusable = true;
			other->meta.refused = rows[i].refused;
		}
		world_service(&fixture.world, "w/a");
		add_entry(&fixture, "a", "", "203.0.113.1");
		problems_add(&fixture.problems, rows[i].problem, "", "broken");
		assert_string_equal(round_of(&fixture, text, sizeof(text)), rows[i].outcome);
	}
}

static void test_time_of_the_condition(void **state _unused_)
{
	cleanup(fixture_done) struct fixture fixture = { 0 };
	char text[200];

	world_pool(&fixture.world, "p", "192.0.2.0/31");
	world_service(&fixture.world, "w/a");
	world_service(&fixture.world, "w/b");
	world_service(&fixture.world, "w/c");
	add_entry(&fixture, "a", "", "192.0.2.0");
	add_entry(&fixture, "b", "", "");
	add_entry(&fixture, "c", "", "")->reason = "PoolExhausted";
	assert_string_equal(round_of(&fixture, text, sizeof(text)), "a=192.0.2.0 b=192.0.2.1 c=-");
	assert_int_equal(fixture.book.entries[0].since_sec, 7);
	assert_int_equal(fixture.book.entries[1].since_sec, 100);
	assert_int_equal(fixture.book.entries[2].since_sec, 7);
}

static void test_text(void **state _unused_)
{
	cleanup(fixture_done) struct fixture fixture = { 0 };
	cleanup(strbuf_done) struct strbuf out = { 0 };
	struct status_entry *entry = add_entry(&fixture, "a", "u1", "2001:db8::1");

	entry->reason = "AddressInUse";
	entry->message = "a \"quoted\"\nline";
	entry->since_sec = 1767225600;
	status_book_json(&out, &fixture.book);
	assert_string_equal(
		strbuf_text(&out),
		"{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [\n    {\n      \"apiVersion\": \"v1\",\n"
		"      \"kind\": \"Service\",\n      \"metadata\": { \"namespace\": \"w\", \"name\": \"a\", \"uid\": \"u1\" },\n"
		"      \"status\": {\n        \"loadBalancer\": { \"ingress\": [ { \"ip\": \"2001:db8::1\", \"ipMode\": \"VIP\" } ] },\n"
		"        \"conditions\": [\n          { \"type\": \"fairway.dev/Allocated\", \"status\": \"True\", "
		"\"lastTransitionTime\": \"2026-01-01T00:00:00Z\",\n            \"reason\": \"AddressInUse\", "
		"\"message\": \"a \\\"quoted\\\"\\nline\" }\n        ]\n      }\n    }\n  ]\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_the_cluster), cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_refused_service),
		cmocka_unit_test(test_refused_pool),	 cmocka_unit_test(test_time_of_the_condition),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
