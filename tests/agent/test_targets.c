// SPDX-License-Identifier: Apache-2.0
/* What each Service should be announced to, and is: routes, sessions and what bgpd originates -> targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "userspace/agent/targets.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const char *originated; /* by bgpd: prefixes, a blank after each */

size_t frr_peers(const struct frr *frr _unused_, const struct frr_peer_view **ret)
{
	static const struct frr_peer_view peers[] = { { .name = "a", .state = "Established" },
						      { .name = "b", .state = "Established" },
						      { .name = "down", .state = "Active" } };

	*ret = peers;
	return ARRAY_SIZE(peers);
}

bool frr_announces(const struct frr *frr _unused_, const struct prefix *prefix)
{
	cleanup(strbuf_done) struct strbuf word = { 0 };
	char text[PREFIX_TEXT_MAX];

	strbuf_appendf(&word, "%s ", prefix_format(prefix, text));
	return strstr(originated, strbuf_text(&word)) != NULL;
}

struct row {
	const char *prefix, *peer;
	const char *services[2];
};

/* "SERVICE PEER: up announced 4:told 6:wanted", a line each; what is not the case is left out. */
static void expect(const struct row *rows, size_t n, const char *announces, const char *wanted)
{
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct route routes[8] = { 0 };
	struct agent agent = { .routes = { .items = routes, .n = n } };
	struct targets targets;
	size_t i, family;

	originated = announces;
	for (i = 0; i < n; i++) {
		assert_int_equal(prefix_parse(rows[i].prefix, &routes[i].prefix), 0);
		routes[i].peer = rows[i].peer;
		routes[i].services.items = (const char **)(uintptr_t)rows[i].services;
		routes[i].services.n = rows[i].services[1] ? 2 : 1;
	}
	assert_int_equal(targets_collect(&agent, &arena, &targets), 0);
	for (i = 0; i < targets.n; i++) {
		const struct target *target = &targets.items[i];

		strbuf_appendf(&got, "%s%s %s:%s%s", i ? "\n" : "", target->service, target->peer,
			       target->up ? " up" : "", target->announced ? " announced" : "");
		for (family = 0; family < 2; family++)
			if (target->wanted_in[family] || target->told_in[family])
				strbuf_appendf(&got, " %d:%s", family ? 6 : 4,
					       target->told_in[family] ? "told" : "wanted");
	}
	assert_string_equal(strbuf_text(&got), wanted);
}

static void test_one_for_each_service_and_peer(void **state _unused_)
{
	static const struct row rows[] = { { "192.0.2.1/32", "a", { "w/x" } },
					   { "192.0.2.1/32", "down", { "w/x" } },
					   { "192.0.2.2/32", "b", { "w/y", "w/z" } } };

	expect(rows, ARRAY_SIZE(rows), "192.0.2.1/32 ",
	       "w/x a: up announced 4:told\n"
	       "w/x down: 4:wanted\n" /* what bgpd originates reaches nobody there */
	       "w/y b: up 4:wanted\n"
	       "w/z b: up 4:wanted");
	expect(rows, 0, "", "");
}

/* Several routes of a service to one peer: announced is who has them all, of each family for itself. */
static void test_several_routes(void **state _unused_)
{
	static const struct row both[] = { { "192.0.2.1/32", "a", { "w/x" } },
					   { "2001:db8::1/128", "a", { "w/x" } } },
				two[] = { { "192.0.2.1/32", "a", { "w/x" } },
					  { "192.0.2.2/32", "a", { "w/x" } } };

	expect(both, 2, "192.0.2.1/32 2001:db8::1/128 ", "w/x a: up announced 4:told 6:told");
	expect(both, 2, "192.0.2.1/32 ", "w/x a: up 4:told 6:wanted");
	expect(both, 2, "2001:db8::1/128 ", "w/x a: up 4:wanted 6:told");
	expect(two, 2, "192.0.2.1/32 192.0.2.2/32 ", "w/x a: up announced 4:told");
	expect(two, 2, "192.0.2.1/32 ", "w/x a: up 4:wanted");
	expect(two, 2, "192.0.2.2/32 ", "w/x a: up 4:wanted");
}

static void test_those_of_one_service(void **state _unused_)
{
	struct target items[] = {
		{ .service = "w/a" }, { .service = "w/b" }, { .service = "w/b" }, { .service = "w/d" }
	};
	const struct targets targets = { items, ARRAY_SIZE(items) };
	size_t n;

	assert_ptr_equal(targets_of(&targets, "w/b", &n), &items[1]);
	assert_int_equal(n, 2);
	assert_ptr_equal(targets_of(&targets, "w/d", &n), &items[3]);
	assert_int_equal(n, 1);
	targets_of(&targets, "w/c", &n);
	assert_int_equal(n, 0);
	targets_of(&targets, "w/e", &n);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_for_each_service_and_peer),
		cmocka_unit_test(test_several_routes),
		cmocka_unit_test(test_those_of_one_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
