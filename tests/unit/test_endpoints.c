// SPDX-License-Identifier: Apache-2.0
/* Which endpoints are used: one row per situation, in kube-proxy's terms. The node is n1 in zone a. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/endpoints.h"

static const char *text_of(const struct backends *backends, struct strbuf *text)
{
	char addr[ADDR_TEXT_MAX];
	size_t i;

	strbuf_reset(text);
	for (i = 0; i < backends->n; i++)
		strbuf_appendf(text, "%s%s:%u%s", i ? " " : "", addr_format(&backends->items[i].addr, addr),
			       backends->items[i].port, backends->items[i].local ? "*" : "");
	return strbuf_text(text);
}

struct slice_row {
	const char *name, *service, *ports, *endpoints, *label;
};

static const struct {
	const char *what;
	struct slice_row slices[3];
	const char *cluster, *local, *terminating, *keep;
	enum addr_family family; /* 0: v4 */
} choices[] = {
	{ "no slice", { { 0 } }, "", "", "", "", 0 },
	{ "ready ones, sorted by address and by bytes",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.9@n1 10.0.0.10@n2 10.0.0.2", NULL } },
	  "10.0.0.2:8080 10.0.0.9:8080* 10.0.0.10:8080", "10.0.0.9:8080*", "",
	  "10.0.0.2:8080 10.0.0.9:8080* 10.0.0.10:8080", 0 },
	{ "not ready and not terminating is never used (E6)",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.1@n1/ 10.0.0.2@n1/s", NULL } },
	  "", "", "", "10.0.0.2:8080*", 0 },
	{ "none serves: what is there may keep its flows (P10)",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.1@n1/ 10.0.0.2@n2/t", NULL } },
	  "", "", "", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "serving-terminating only without ready ones (E3, E4), independently",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.1@n1/st 10.0.0.2@n2/rs 10.0.0.3@n1/t", NULL } },
	  "10.0.0.2:8080", "10.0.0.1:8080*", "10.0.0.1:8080*", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "all terminating",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.1@n2/st 10.0.0.2@n2/t", NULL } },
	  "10.0.0.1:8080", "", "10.0.0.1:8080", "10.0.0.1:8080", 0 },
	{ "publishNotReadyAddresses: ready though terminating",
	  { { "web/s", "shop", "http:TCP:8080", "10.0.0.1@n1/rst", NULL } },
	  "10.0.0.1:8080*", "10.0.0.1:8080*", "10.0.0.1:8080*", "10.0.0.1:8080*", 0 },
	{ "the port is joined by name and protocol, its number is the slice's",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1", NULL },
	    { "web/b", "shop", "http:TCP:9090", "10.0.0.2", NULL },
	    { "web/c", "shop", "http:UDP:7070 other:TCP:6060 :TCP:5050", "10.0.0.3", NULL } },
	  "10.0.0.1:8080 10.0.0.2:9090", "", "", "10.0.0.1:8080 10.0.0.2:9090", 0 },
	{ "port 0 is ignored",
	  { { "web/a", "shop", "http:TCP:0", "10.0.0.1", NULL } }, "", "", "", "", 0 },
	{ "another namespace, another service, a headless slice",
	  { { "other/a", "shop", "http:TCP:1", "10.0.0.1", NULL },
	    { "web/b", "shop2", "http:TCP:1", "10.0.0.2", NULL },
	    { "web/c", "shop", "http:TCP:1", "10.0.0.3", "service.kubernetes.io/headless" } },
	  "", "", "", "", 0 },
	{ "the other family is ignored",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1", NULL }, { "web/b", "shop", "http:TCP:8080", "fd00::1@n1", NULL } },
	  "fd00::1:8080*", "fd00::1:8080*", "", "fd00::1:8080*", ADDR_IPV6 },
	{ "one address in two slices: not terminating wins",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1/st", NULL }, { "web/b", "shop", "http:TCP:8080", "10.0.0.1@n2/", NULL } },
	  "", "", "", "10.0.0.1:8080", 0 },
	{ "… of two that are not terminating the ready one",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1/", NULL }, { "web/b", "shop", "http:TCP:8080", "10.0.0.1@n2/rs", NULL } },
	  "10.0.0.1:8080", "", "", "10.0.0.1:8080", 0 },
	{ "… else the first by slice name",
	  { { "web/b", "shop", "http:TCP:8080", "10.0.0.1@n2", NULL }, { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1", NULL } },
	  "10.0.0.1:8080*", "10.0.0.1:8080*", "", "10.0.0.1:8080*", 0 },
	{ "addresses that no endpoint can have",
	  { { "web/a", "shop", "http:TCP:8080", "127.0.0.1@n1 169.254.1.1 224.0.0.1 0.0.0.0 10.0.0.1", NULL } },
	  "10.0.0.1:8080", "", "", "10.0.0.1:8080", 0 },
	{ "zone hints for our zone",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=a 10.0.0.2@n2+z=b 10.0.0.3@n3+z=a+z=b", NULL } },
	  "10.0.0.1:8080* 10.0.0.3:8080", "10.0.0.1:8080*", "", "10.0.0.1:8080* 10.0.0.2:8080 10.0.0.3:8080", 0 },
	{ "zone hints, none for our zone: all",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=c 10.0.0.2@n2+z=b", NULL } },
	  "10.0.0.1:8080* 10.0.0.2:8080", "10.0.0.1:8080*", "", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "one ready endpoint without hints switches them off",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=a 10.0.0.2@n2", NULL } },
	  "10.0.0.1:8080* 10.0.0.2:8080", "10.0.0.1:8080*", "", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "… one that is not ready does not",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=a 10.0.0.2@n2/ 10.0.0.3@n2+z=b 10.0.0.4@n1/st", NULL } },
	  "10.0.0.1:8080*", "10.0.0.1:8080*", "10.0.0.4:8080*", "10.0.0.1:8080* 10.0.0.3:8080 10.0.0.4:8080*", 0 },
	{ "node hints come before zone hints",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=a+n=n1 10.0.0.2@n2+z=a+n=n2", NULL } },
	  "10.0.0.1:8080*", "10.0.0.1:8080*", "", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "node hints, none for our node: zone hints",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n3+z=a+n=n3 10.0.0.2@n2+z=b+n=n2", NULL } },
	  "10.0.0.1:8080", "", "", "10.0.0.1:8080 10.0.0.2:8080", 0 },
	{ "hints are ignored by policy Local",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=b+n=n2 10.0.0.2@n2+z=a+n=n1", NULL } },
	  "10.0.0.2:8080", "10.0.0.1:8080*", "", "10.0.0.1:8080* 10.0.0.2:8080", 0 },
	{ "hints of endpoints that are not ready never apply to the fallback",
	  { { "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1/st+z=b 10.0.0.2@n2/st+z=a", NULL } },
	  "10.0.0.1:8080* 10.0.0.2:8080", "10.0.0.1:8080*", "10.0.0.1:8080* 10.0.0.2:8080",
	  "10.0.0.1:8080* 10.0.0.2:8080", 0 },
};

static void expect(const char *what, const char *list, const struct backends *got, const char *want)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	if (strcmp(text_of(got, &text), want))
		fail_msg("%s: %s is \"%s\", wanted \"%s\"", what, list, strbuf_text(&text), want);
}

static void test_choose(void **state _unused_)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(choices); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(arena_done) struct arena arena = { 0 };
		struct service *service = world_service(&world, "web/shop");
		struct endpoint_choice choice;

		world_service_port(&world, service, "http", L4_TCP, 80, 0);
		world_node(&world, "n1", "192.168.0.1", "a");
		for (j = 0; j < 3 && choices[i].slices[j].name; j++) {
			const struct slice_row *row = &choices[i].slices[j];
			struct endpoint_slice *slice =
				world_slice(&world, row->name, row->service, row->ports, row->endpoints);

			if (row->label)
				world_label(&world, &slice->meta.labels, row->label, "");
		}
		assert_int_equal(endpoints_choose(&arena, world_cluster(&world), service, service->ports,
						  choices[i].family ? choices[i].family : ADDR_IPV4, "n1", &choice),
				 0);
		expect(choices[i].what, "cluster", &choice.cluster, choices[i].cluster);
		expect(choices[i].what, "local", &choice.local, choices[i].local);
		expect(choices[i].what, "terminating", &choice.terminating, choices[i].terminating);
		expect(choices[i].what, "keep", &choice.keep, choices[i].keep);
		assert_int_equal(choice.any, *choices[i].cluster != 0);
	}
}

static void test_ready_elsewhere(void **state _unused_)
{
	static const struct {
		const char *endpoints;
		bool elsewhere;
	} rows[] = {
		{ "10.0.0.1@n1/st 10.0.0.2@n2", true },
		{ "10.0.0.2@n2", true },
		{ "10.0.0.1@n1 10.0.0.2@n2", false },
		{ "10.0.0.1@n1/st 10.0.0.2@n2/st", false },
		{ "10.0.0.1@n1/st 10.0.0.2@n2/s", false },
		{ "10.0.0.1@n1/st 10.0.0.2", false }, /* on no node: none would have it as a local one */
		{ "10.0.0.1@n1/st", false },
		{ "", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(arena_done) struct arena arena = { 0 };
		struct service *shop = world_service(&world, "web/shop");
		struct endpoint_choice choice;

		world_service_port(&world, shop, "http", L4_TCP, 80, 0);
		world_slice(&world, "web/s", "shop", "http:TCP:8080", rows[i].endpoints);
		assert_int_equal(endpoints_choose(&arena, world_cluster(&world), shop, &shop->ports[0], ADDR_IPV4, "n1",
						  &choice),
				 0);
		assert_int_equal(choice.ready_elsewhere, rows[i].elsewhere);
	}
}

static void test_unknown_node(void **state _unused_)
{
	static const char *const names[] = { NULL, "n9" };
	cleanup(world_done) struct world world = { 0 };
	struct service *service = world_service(&world, "web/shop");
	struct endpoint_choice choice;
	size_t i, count;

	world_service_port(&world, service, "http", L4_TCP, 80, 0);
	world_slice(&world, "web/a", "shop", "http:TCP:8080", "10.0.0.1@n1+z=a 10.0.0.2+z=a");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup(arena_done) struct arena arena = { 0 };

		assert_int_equal(endpoints_choose(&arena, world_cluster(&world), service, service->ports, ADDR_IPV4, names[i],
						  &choice),
				 0);
		assert_int_equal(choice.cluster.n, 2);
		assert_int_equal(choice.local.n, 0);
		assert_int_equal(endpoints_count_local_ready(world_cluster(&world), service, ADDR_IPV4, names[i], &count), 0);
		assert_int_equal(count, 0);
	}
}

static void test_count_local_ready(void **state _unused_)
{
	static const struct {
		const char *ports[2], *endpoints[2];
		size_t count;
	} rows[] = {
		{ { "http:TCP:80", "" }, { "10.0.0.1@n1 10.0.0.2@n2", "" }, 1 },
		{ { "http:TCP:80 dns:UDP:53", "" }, { "10.0.0.1@n1 10.0.0.2@n1", "" }, 2 }, /* each address once, not per port */
		{ { "http:TCP:80", "dns:UDP:53" }, { "10.0.0.1@n1", "10.0.0.1@n1 10.0.0.3@n1" }, 2 },
		{ { "http:TCP:80", "" }, { "10.0.0.1@n1/st 10.0.0.2@n1/ 10.0.0.3@n1/rst", "" }, 0 },
		{ { "http:TCP:80", "http:TCP:80" }, { "10.0.0.1@n1/st", "10.0.0.1@n1/rs" }, 1 },
		{ { "http:TCP:0", "" }, { "10.0.0.1@n1", "" }, 0 },
		{ { "http:TCP:80", "" }, { "fd00::1@n1", "" }, 0 },
		{ { "http:TCP:80", "http:TCP:80" }, { "10.0.0.1", "10.0.0.1@n1" }, 0 }, /* the first slice's entry counts */
		{ { "other:TCP:80", "" }, { "10.0.0.1@n1", "" }, 0 },
	};
	size_t i, count;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		struct service *service = world_service(&world, "web/shop");

		world_service_port(&world, service, "http", L4_TCP, 80, 0);
		world_service_port(&world, service, "dns", L4_UDP, 53, 0);
		world_slice(&world, "web/a", "shop", rows[i].ports[0], rows[i].endpoints[0]);
		world_slice(&world, "web/b", "shop", rows[i].ports[1], rows[i].endpoints[1]);
		assert_int_equal(endpoints_count_local_ready(world_cluster(&world), service, ADDR_IPV4, "n1", &count), 0);
		if (count != rows[i].count)
			fail_msg("row %zu: %zu, wanted %zu", i, count, rows[i].count);
	}
}

static void test_nodes(void **state _unused_)
{
	static const struct {
		const char *endpoints, *other, *nodes;
		bool anywhere;
	} rows[] = {
		{ "", "", "", false },
		{ "10.0.0.1@n2 10.0.0.2@n1 10.0.0.3@n2", "", "n1 n2 ", true },
		{ "10.0.0.1@n2/ 10.0.0.2@n1/t", "", "", false },
		{ "10.0.0.1@n2/st 10.0.0.2@n1", "", "n1 n2 ", true },
		{ "10.0.0.1", "", "", true }, /* no node named: usable by Cluster, local to nobody */
		{ "10.0.0.1@n1", "10.0.0.5@n3", "n1 n3 ", true },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(arena_done) struct arena arena = { 0 };
		cleanup(strbuf_done) struct strbuf text = { 0 };
		struct service *service = world_service(&world, "web/shop");
		struct endpoint_nodes found;

		world_service_port(&world, service, "http", L4_TCP, 80, 0);
		world_service_port(&world, service, "dns", L4_UDP, 53, 0);
		world_slice(&world, "web/a", "shop", "http:TCP:8080", rows[i].endpoints);
		world_slice(&world, "web/b", "shop", "dns:UDP:53", rows[i].other);
		world_slice(&world, "web/c", "shop", "unused:TCP:1", "10.0.0.9@n9");
		assert_int_equal(endpoints_nodes(&arena, world_cluster(&world), service, ADDR_IPV4, &found), 0);
		for (j = 0; j < found.nodes.n; j++)
			strbuf_appendf(&text, "%s ", found.nodes.items[j]);
		assert_string_equal(strbuf_text(&text), rows[i].nodes);
		assert_int_equal(found.anywhere, rows[i].anywhere);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_ready_elsewhere),
		cmocka_unit_test(test_unknown_node),
		cmocka_unit_test(test_count_local_ready),
		cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
