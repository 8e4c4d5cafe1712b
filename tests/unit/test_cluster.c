// SPDX-License-Identifier: Apache-2.0
/* Labels, selectors in kubectl's syntax, searches, and the texts of problems. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/cluster.h"

static struct label label_items[] = {
	{ "app", "web" }, { "empty", "" }, { "example.com/tier", "front" }, { "track", "stable" }
};
static const struct labels labels = { label_items, ARRAY_SIZE(label_items) };

static void test_labels_find(void **state _unused_)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "app", "web" },     { "empty", "" },	  { "example.com/tier", "front" }, { "track", "stable" },
		{ "nothing", NULL },  { "", NULL },	  { "aaa", NULL },		   { "zzz", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value = labels_find(&labels, rows[i].key);

		if (rows[i].value)
			assert_string_equal(value, rows[i].value);
		else
			assert_null(value);
	}
	assert_null(labels_find(&(struct labels){ 0 }, "app"));
}

static void test_selector_text(void **state _unused_)
{
	static const struct {
		const char *text;
		bool valid, matches;
	} rows[] = {
		{ "", true, true },
		{ "  ", true, true },
		{ "app=web", true, true },
		{ "app==web", true, true },
		{ " app = web ", true, true },
		{ "app=", true, false },
		{ "empty=", true, true },
		{ "app!=web", true, false },
		{ "app!=db", true, true },
		{ "missing!=db", true, true },
		{ "app in (db,web)", true, true },
		{ "app in(db , web)", true, true },
		{ "app notin (db,web)", true, false },
		{ "missing notin (db)", true, true },
		{ "empty in (,a)", true, true },
		{ "app", true, true },
		{ "missing", true, false },
		{ "!missing", true, true },
		{ "! app", true, false },
		{ "example.com/tier=front,app in (web),track,!gone", true, true },
		{ "app=web,app=db", true, false },
		{ "app=in", true, false },
		{ "in=in", true, false },
		{ "app in ()", false, false },
		{ "app in", false, false },
		{ "app in web", false, false },
		{ "app in (web", false, false },
		{ "app=web,", false, false },
		{ ",app=web", false, false },
		{ "app=web track", false, false },
		{ "app>1", false, false },
		{ "app like web", false, false },
		{ "!app=web", false, false },
		{ "=web", false, false },
		{ "!", false, false },
		{ "app==!web", false, false },
		{ "-app=web", false, false },
		{ "a/b/c=web", false, false },
		{ "UPPER.example/x=1", false, false },
		{ "/x=1", false, false },
		{ "app=we\x01z", false, false },
		{ "app=w\xc3\xa4", false, false },
		{ "app=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(arena_done) struct arena arena = { 0 };
		struct selector selector = { 0 };
		const char *why = NULL;
		int r = selector_parse(&arena, rows[i].text, &selector, &why);

		if (r != (rows[i].valid ? 0 : -EINVAL))
			fail_msg("'%s': %d (%s)", rows[i].text, r, why ? why : "-");
		if (!rows[i].valid) {
			assert_non_null(why);
			assert_int_equal(selector.n, 0);
		} else if (selector_matches(&selector, &labels) != rows[i].matches) {
			fail_msg("'%s' should%s match", rows[i].text, rows[i].matches ? "" : " not");
		}
	}
}

static void test_selector_too_long(void **state _unused_)
{
	cleanup(arena_done) struct arena arena = { 0 };
	static char text[5000];
	struct selector selector;
	const char *why;

	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(selector_parse(&arena, text, &selector, &why), -EINVAL);
}

static void test_selectors_any(void **state _unused_)
{
	const char *web[] = { "web" };
	struct selector_requirement is_web = { "app", SELECTOR_IN, { web, 1 } };
	struct selector_requirement gone = { "gone", SELECTOR_EXISTS, { 0 } };
	struct selector items[] = { { &gone, 1 }, { &is_web, 1 } };

	assert_true(selectors_match_any(&(struct selectors){ items, 2 }, &labels));
	assert_false(selectors_match_any(&(struct selectors){ items, 1 }, &labels));
	assert_false(selectors_match_any(&(struct selectors){ 0 }, &labels));
	assert_true(selectors_match_any_or_empty(&(struct selectors){ 0 }, &labels));
	assert_false(selectors_match_any_or_empty(&(struct selectors){ items, 1 }, &labels));
	assert_true(selector_matches(&(struct selector){ 0 }, &(struct labels){ 0 }));
}

static void test_find(void **state _unused_)
{
	struct service services[] = {
		{ .meta = { .namespace = "a", .name = "x" } },
		{ .meta = { .namespace = "a", .name = "y" } },
		{ .meta = { .namespace = "b", .name = "x" } },
	};
	const struct service *pointers[] = { &services[0], &services[1], &services[2] };
	struct node nodes[] = { { .meta = { .namespace = "", .name = "n1" } }, { .meta = { .namespace = "", .name = "n2" } } };
	const struct node *node_pointers[] = { &nodes[0], &nodes[1] };
	struct cluster cluster = {
		.services = pointers, .n_services = 3, .nodes = node_pointers, .n_nodes = 2
	};

	assert_ptr_equal(cluster_find_service(&cluster, "a", "x"), &services[0]);
	assert_ptr_equal(cluster_find_service(&cluster, "a", "y"), &services[1]);
	assert_ptr_equal(cluster_find_service(&cluster, "b", "x"), &services[2]);
	assert_null(cluster_find_service(&cluster, "b", "y"));
	assert_null(cluster_find_service(&cluster, "", "x"));
	assert_ptr_equal(cluster_find_node(&cluster, "n2"), &nodes[1]);
	assert_null(cluster_find_node(&cluster, "n3"));
	assert_null(cluster_find_pool(&cluster, "any"));
}

static void test_service_slices(void **state _unused_)
{
	struct endpoint_slice slices[] = {
		{ .meta = { .namespace = "a", .name = "1" }, .service = "" },
		{ .meta = { .namespace = "a", .name = "2" }, .service = "web" },
		{ .meta = { .namespace = "a", .name = "3" }, .service = "web" },
		{ .meta = { .namespace = "b", .name = "1" }, .service = "web" },
	};
	const struct endpoint_slice *pointers[] = { &slices[0], &slices[1], &slices[2], &slices[3] };
	struct cluster cluster = { .slices = pointers, .n_slices = 4 };
	static const struct {
		const char *namespace, *service;
		size_t first, n;
	} rows[] = { { "a", "web", 1, 2 }, { "b", "web", 3, 1 }, { "a", "", 0, 1 }, { "c", "web", 4, 0 }, { "a", "v", 1, 0 } };
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct endpoint_slice *const *found =
			cluster_service_slices(&cluster, rows[i].namespace, rows[i].service, &n);

		assert_int_equal(n, rows[i].n);
		if (n)
			assert_ptr_equal(*found, &slices[rows[i].first]);
	}
	cluster_service_slices(&(struct cluster){ 0 }, "a", "web", &n);
	assert_int_equal(n, 0);
}

static void test_pool_of_address(void **state _unused_)
{
	const char *wide[] = { "nonsense", "192.0.2.0/24" }, *other[] = { "192.0.2.10-192.0.2.20", "2001:db8::/120" };
	struct service_ip_pool pools[] = {
		{ .meta = { .namespace = "", .name = "a" }, .addresses = { wide, 2 } },
		{ .meta = { .namespace = "", .name = "b" }, .addresses = { other, 2 } },
	};
	const struct service_ip_pool *pointers[] = { &pools[0], &pools[1] };
	struct cluster cluster = { .pools = pointers, .n_pools = 2 };
	static const struct {
		const char *address;
		int pool;
	} rows[] = { { "192.0.2.15", 0 }, { "2001:db8::7", 1 }, { "192.0.3.1", -1 }, { "2001:db8::100", -1 } };
	struct addr addr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(addr_parse(rows[i].address, &addr), 0);
		assert_ptr_equal(cluster_pool_of_address(&cluster, &addr), rows[i].pool < 0 ? NULL : &pools[rows[i].pool]);
	}
}

static void test_object_compare(void **state _unused_)
{
	struct object *a = object_new(OBJECT_SERVICE), *b = object_new(OBJECT_SECRET);

	a->meta = (struct meta){ .namespace = "z", .name = "z" };
	b->meta = (struct meta){ .namespace = "a", .name = "a" };
	assert_true(object_compare(a, b) < 0);
	assert_true(object_compare(b, a) > 0);
	assert_int_equal(object_compare(a, a), 0);
	b->secret.password = arena_string(&b->arena, "hush");
	object_free(a);
	object_free(b);
	object_free(NULL);
}

static void test_problems(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };
	struct meta service = { .namespace = "web", .name = "shop" }, node = { .namespace = "", .name = "n1" };
	static char huge[100000];

	memset(huge, 'x', sizeof(huge) - 1);
	assert_int_equal(problems_add_object(&problems, OBJECT_SERVICE, &service, "spec.b", "value %d", 7), 0);
	assert_int_equal(problems_add_object(&problems, OBJECT_NODE, &node, "", "gone"), 0);
	assert_int_equal(problems_add_object(&problems, OBJECT_SERVICE, &service, "spec.a", "new\nline \x1b[31m %s", "\xff"), 0);
	assert_int_equal(problems_add_object(&problems, OBJECT_SERVICE, &service, "spec.b", "value %d", 7), 0);
	assert_int_equal(problems_add(&problems, huge, huge, "%s", huge), 0);
	problems_sort_unique(&problems);
	assert_int_equal(problems.n, 4);
	assert_string_equal(problems.items[0].object, "Node/n1");
	assert_string_equal(problems.items[1].object, "Service/web/shop");
	assert_string_equal(problems.items[1].message, "new\\x0aline \\x1b[31m \\xff");
	assert_string_equal(problems.items[2].message, "value 7");
	assert_true(strlen(problems.items[3].message) < 1100);
	problems_sort_unique(&(struct problems){ 0 });
}

static void test_names(void **state _unused_)
{
	int kind;

	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		assert_string_not_equal(object_kind_name((enum object_kind)kind), "unknown");
	assert_string_equal(object_kind_name(OBJECT_SERVICE_IP_POOL), "ServiceIPPool");
	assert_string_equal(l4_protocol_name(L4_SCTP), "SCTP");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_find),    cmocka_unit_test(test_selector_text),
		cmocka_unit_test(test_selector_too_long), cmocka_unit_test(test_selectors_any),
		cmocka_unit_test(test_find),	       cmocka_unit_test(test_service_slices),
		cmocka_unit_test(test_pool_of_address), cmocka_unit_test(test_object_compare),
		cmocka_unit_test(test_problems),       cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
