// SPDX-License-Identifier: Apache-2.0
/* Whose an address is between statuses: single stories as rows of what is held and what is leaving, then
 * random histories of Services, lost answers, late watches and slow nodes against a model of the API server.
 * No address is ever two Services', nor given while a node still serves it for another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/allocator.h"
#include "ipam/ledger.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* --- when an address may go ---------------------------------------------------------------------------- */

static const struct {
	const char *what;
	bool any_node, named;
	uint64_t given_msec, leaving_msec, now_msec;
	enum release_answer answer;
	uint64_t until_msec;
	bool sampled, large;
} releases[] = {
	{ "no nodes", false, false, 0, 100, 100, RELEASE_NOW, 0, false, false },
	{ "a node names it", true, true, 0, 50000, 50000, RELEASE_WAIT, 80000, false, false },
	{ "and to the last moment", true, true, 0, 50000, 79999, RELEASE_WAIT, 80000, false, false },
	{ "and too long", true, true, 0, 50000, 80000, RELEASE_OVERDUE, 80000, false, false },
	{ "no node names it", true, false, 0, 50000, 50000, RELEASE_NOW, 3000, false, false },
	{ "given a moment ago: the nodes have not reported yet", true, false, 49000, 50000, 50000,
	  RELEASE_WAIT, 52000, false, false },
	{ "they would have by now", true, false, 49000, 50000, 52000, RELEASE_NOW, 52000, false, false },
	{ "nodes of a large cluster may not have seen yet that it goes, or not told", true, false, 0, 50000,
	  50000, RELEASE_WAIT, 56000, true, false },
	{ "to the last moment", true, false, 0, 50000, 55999, RELEASE_WAIT, 56000, true, false },
	{ "they have by now", true, false, 0, 50000, 56000, RELEASE_NOW, 56000, true, false },
	{ "a node with a large report may not have named it, nor told that it goes", true, false, 35001,
	  50000, 50000, RELEASE_WAIT, 56000, false, true },
	{ "to the last moment", true, false, 35001, 50000, 55999, RELEASE_WAIT, 56000, false, true },
	{ "it has by now", true, false, 35001, 50000, 56000, RELEASE_NOW, 56000, false, true },
	{ "it has named what was given so long ago", true, false, 35000, 50000, 50000, RELEASE_NOW, 38000,
	  false, true },
};

static void test_release(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		const struct release release = { releases[i].any_node,	 releases[i].named,
						 releases[i].given_msec, releases[i].leaving_msec,
						 releases[i].sampled,	 releases[i].large };
		uint64_t until_msec = 0;

		if (release_decide(&release, releases[i].now_msec, &until_msec) != releases[i].answer ||
		    until_msec != releases[i].until_msec)
			fail_msg("%s", releases[i].what);
	}
}

/* --- stories ------------------------------------------------------------------------------------------- */

struct story {
	struct world world;
	struct ledger ledger;
	struct node_reports reports;
	uint64_t now_msec;
};

static int set_up(void **state)
{
	struct story *story = calloc(1, sizeof(*story));

	assert_non_null(story);
	story->now_msec = 100000;
	*state = story;
	return 0;
}

static int tear_down(void **state)
{
	struct story *story = *state;

	ledger_done(&story->ledger);
	node_reports_done(&story->reports);
	world_done(&story->world);
	free(story);
	return 0;
}

/* The world anew, as the watch has it now. */
static void look_again(struct story *story)
{
	node_reports_done(&story->reports);
	world_done(&story->world);
}

static struct service *add_service(struct story *story, const char *name, const char *uid, uint64_t version,
				   const char *ingress)
{
	struct service *service = world_service(&story->world, name);

	service->meta.uid = uid;
	service->meta.resource_version = version;
	world_ingress(&story->world, service, ingress);
	return service;
}

static void append_stand_ins(struct strbuf *out, const struct cluster *cluster, size_t first)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = first; i < cluster->n_services; i++)
		for (size_t j = 0; j < cluster->services[i]->n_ingress; j++)
			strbuf_appendf(out, " (%s)",
				       addr_format(&cluster->services[i]->ingress[j].addr, text));
}

/* An update, and what allocate() sees then: "shop=192.0.2.1 (192.0.2.2)", with what stands in last. */
static void expect(struct story *story, const char *wanted)
{
	const struct cluster *cluster = world_cluster(&story->world);
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct cluster overlay;
	char text[ADDR_TEXT_MAX];

	node_reports_done(&story->reports);
	assert_int_equal(node_reports_init(&story->reports, cluster), 0);
	assert_int_equal(ledger_update(&story->ledger, cluster, false, &story->reports, story->now_msec), 0);
	assert_int_equal(ledger_overlay(&story->ledger, cluster, false, &arena, &overlay), 0);
	for (size_t i = 0; i < cluster->n_services; i++) {
		const struct service *service = overlay.services[i];

		strbuf_appendf(&got, "%s%s=", i ? " " : "", service->meta.name);
		for (size_t j = 0; j < service->n_ingress; j++)
			strbuf_appendf(&got, "%s%s", j ? "," : "",
				       addr_format(&service->ingress[j].addr, text));
	}
	append_stand_ins(&got, &overlay, cluster->n_services);
	assert_string_equal(strbuf_text(&got), wanted);
}

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void send_address(struct story *story, const struct service *service, const char *text)
{
	struct addr addr = address(text);

	assert_int_equal(ledger_sent(&story->ledger, &service->meta, &addr, 1, story->now_msec), 0);
}

static void test_acknowledged_before_seen(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "");

	expect(story, "shop=");
	send_address(story, shop, "192.0.2.1");
	expect(story, "shop=192.0.2.1"); /* on its way */
	ledger_acknowledged(&story->ledger, &shop->meta, 6, story->now_msec);
	expect(story, "shop=192.0.2.1"); /* the watch has not shown it yet */
	assert_true(ledger_is_ahead(&story->ledger, shop));
	look_again(story);
	shop = add_service(story, "w/shop", "u", 6, "192.0.2.1");
	expect(story, "shop=192.0.2.1");
	assert_false(ledger_is_ahead(&story->ledger, shop));
}

static void test_answer_lost(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	expect(story, "shop=192.0.2.9");
	send_address(story, shop, "192.0.2.1");
	expect(story, "shop=192.0.2.1,192.0.2.9"); /* one of the two */
	look_again(story);
	add_service(story, "w/shop", "u", 5, "192.0.2.9"); /* the same version: nothing is settled */
	expect(story, "shop=192.0.2.1,192.0.2.9");
	look_again(story);
	add_service(story, "w/shop", "u", 7,
		    "192.0.2.9"); /* a newer one: it was not executed and cannot be any more */
	expect(story, "shop=192.0.2.9");
}

static void test_moved(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");
	struct lb_node *node;

	world_node(&story->world, "n1", "10.0.0.1", NULL);
	node = world_lb_node(&story->world, "n1");
	world_report(&story->world, node, true, "", "w/shop=192.0.2.9");
	expect(story, "shop=192.0.2.9");
	send_address(story, shop, "192.0.2.1");
	ledger_acknowledged(&story->ledger, &shop->meta, 6, story->now_msec);
	story->now_msec += 10000;
	expect(story, "shop=192.0.2.1 (192.0.2.9)"); /* a node still serves the old one */
	look_again(story);
	add_service(story, "w/shop", "u", 6, "192.0.2.1");
	world_node(&story->world, "n1", "10.0.0.1", NULL);
	world_report(&story->world, world_lb_node(&story->world, "n1"), true, "", "w/shop=192.0.2.1");
	expect(story, "shop=192.0.2.1");
}

static void test_status_emptied(void **state)
{
	struct story *story = *state;

	add_service(story, "w/shop", "u", 5, "192.0.2.9");
	expect(story, "shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/shop", "u", 6, ""); /* by somebody else */
	expect(story, "shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/shop", "u", 7, "192.0.2.3"); /* another one there is the truth */
	expect(story, "shop=192.0.2.3");
}

static void test_taken_away(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	expect(story, "shop=192.0.2.9");
	assert_int_equal(ledger_sent(&story->ledger, &shop->meta, NULL, 0, story->now_msec), 0);
	look_again(story);
	add_service(story, "w/shop", "u", 6, ""); /* by us: the answer was lost, but here it is */
	expect(story, "shop=");
}

static void node_names(struct story *story, const char *entries)
{
	world_node(&story->world, "n1", "10.0.0.1", NULL);
	world_report(&story->world, world_lb_node(&story->world, "n1"), true, "", entries);
}

static void test_type_changed(void **state)
{
	struct story *story = *state;
	struct service *shop;

	add_service(story, "w/shop", "u", 5, "192.0.2.9");
	node_names(story, "w/shop=192.0.2.9");
	expect(story, "shop=192.0.2.9");
	story->now_msec += 10000;
	look_again(story);
	shop = add_service(story, "w/shop", "u", 6, ""); /* the API server itself cleared the status */
	shop->type = SERVICE_CLUSTER_IP;
	node_names(story, "w/shop=192.0.2.9");
	expect(story, "shop= (192.0.2.9)");
	assert_true(ledger_take_end(&story->ledger, shop));
	assert_false(ledger_has_let_go(&story->ledger, "w", "shop"));
	expect(story, "shop= (192.0.2.9)");
	assert_false(ledger_take_end(&story->ledger, shop)); /* told once */
	look_again(story);
	shop = add_service(story, "w/shop", "u", 6, "");
	shop->type = SERVICE_CLUSTER_IP;
	node_names(story, "");
	expect(story, "shop=");
	assert_true(ledger_has_let_go(&story->ledger, "w", "shop"));
}

/* Given again, it counts as given then: nodes may not have named it since. */
static void test_given_again_while_it_leaves(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	node_names(story, "");
	expect(story, "shop=192.0.2.9");
	shop->type = SERVICE_CLUSTER_IP;
	expect(story, "shop=192.0.2.9"); /* its status says so, but it is on its way out */
	story->now_msec += RELEASE_REPORT_MSEC - 1;
	look_again(story);
	shop = add_service(story, "w/shop", "u", 6, "192.0.2.9");
	node_names(story, "");
	expect(story, "shop=192.0.2.9");
	look_again(story);
	node_names(story, "");
	story->now_msec += RELEASE_REPORT_MSEC - 1;
	expect(story, " (192.0.2.9)");
	story->now_msec++;
	expect(story, "");
}

static void test_deleted_and_made_again(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	node_names(story, "w/shop=192.0.2.9");
	expect(story, "shop=192.0.2.9");
	story->now_msec += 10000;
	shop->meta.deleting = true;
	expect(story, "shop=192.0.2.9"); /* it holds what its status says, */
	assert_false(ledger_has_let_go(&story->ledger, "w", "shop"));
	look_again(story);
	add_service(story, "w/shop", "v", 9, ""); /* another of the same name: not its address */
	node_names(story, "w/shop=192.0.2.9");
	expect(story, "shop= (192.0.2.9)");
	story->now_msec += RELEASE_PATIENCE_MSEC;
	expect(story, "shop=");
	assert_int_equal(story->ledger.overdue.n, 1);
	assert_string_equal(story->ledger.overdue.items[0].object, "Service/w/shop");
	expect(story, "shop=");
	assert_int_equal(story->ledger.overdue.n, 0); /* told once */
}

static void node_names_many(struct story *story, bool releases_shop)
{
	cleanup(strbuf_done) struct strbuf entries = { 0 };
	struct lb_node *node;

	world_node(&story->world, "n1", "10.0.0.1", NULL);
	node = world_lb_node(&story->world, "n1");
	for (unsigned i = 0; i < 1000; i++)
		strbuf_appendf(&entries, "w/another-service-%04u=2001:db8::1 ", i);
	world_report(&story->world, node, true, "", strbuf_text(&entries));
	if (releases_shop)
		world_report(&story->world, node, true, "", "w/shop=192.0.2.9")->releasing = true;
}

/* A node with a large report rests after it: of a Service that comes and goes meanwhile it says nothing
 * before its release takes long. */
static void test_gone_before_a_large_report_named_it(void **state)
{
	struct story *story = *state;

	add_service(story, "w/shop", "u", 5, "192.0.2.9");
	node_names(story, "");
	expect(story, "shop=192.0.2.9");
	look_again(story);
	node_names_many(story, false);
	expect(story, " (192.0.2.9)");
	story->now_msec += RELEASE_QUIET_MSEC - 1;
	expect(story, " (192.0.2.9)");
	assert_true(story->ledger.next_msec == story->now_msec + 1);
	look_again(story);
	node_names_many(story, true);
	story->now_msec++;
	expect(story, " (192.0.2.9)");
	look_again(story);
	node_names_many(story, false);
	expect(story, "");
	assert_int_equal(story->ledger.overdue.n, 0);
}

/* The namespace of many Services is deleted: a node has no room to name all that it releases. */
static void test_omitted_by_a_node(void **state)
{
	struct story *story = *state;
	struct lb_node *node;

	add_service(story, "w/shop", "u", 5, "192.0.2.9");
	node_names(story, "w/shop=192.0.2.9");
	expect(story, "shop=192.0.2.9");
	story->now_msec += 10000;
	look_again(story);
	world_node(&story->world, "n1", "10.0.0.1", NULL);
	node = world_lb_node(&story->world, "n1");
	node->sampled = true;
	node->n_omitted = node->n_omitted_releasing = 7;
	expect(story, " (192.0.2.9)");
	story->now_msec += RELEASE_PATIENCE_MSEC - 1;
	expect(story, " (192.0.2.9)");
	node->n_omitted_releasing = 0; /* it still leaves out others, which are not on their way out */
	expect(story, "");
	assert_int_equal(story->ledger.overdue.n, 0);
}

/* Let go once, it stays so, whatever the status of a Service that is not gone yet says. */
static void test_deleting_lets_go_once(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	node_names(story, "");
	shop->meta.deleting = true;
	expect(story, "shop=192.0.2.9");
	assert_false(ledger_has_let_go(&story->ledger, "w", "shop"));
	story->now_msec = story->ledger.next_msec;
	expect(story, "shop=192.0.2.9");
	assert_true(ledger_has_let_go(&story->ledger, "w", "shop"));
	expect(story, "shop=192.0.2.9");
	assert_true(ledger_has_let_go(&story->ledger, "w", "shop"));
}

/* What it is nobody can read any more; that it had an address of ours says its condition. */
static void test_deleted_after_it_was_refused(void **state)
{
	static struct condition allocated = { .type = CONDITION_ALLOCATED, .reason = "", .message = "" };
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	node_names(story, "w/shop=192.0.2.9");
	shop->unusable = true;
	shop->meta.conditions = (struct conditions){ .items = &allocated, .n = 1 };
	expect(story, "shop=192.0.2.9");
	shop->meta.deleting = true;
	expect(story, "shop=192.0.2.9");
	assert_true(ledger_take_end(&story->ledger, shop));
	assert_false(ledger_has_let_go(&story->ledger, "w", "shop")); /* a node still serves it */
	look_again(story);
	shop = add_service(story, "w/shop", "u", 6, "192.0.2.9");
	shop->meta.deleting = shop->unusable = true;
	shop->meta.conditions = (struct conditions){ .items = &allocated, .n = 1 };
	node_names(story, "");
	story->now_msec += RELEASE_REPORT_MSEC;
	expect(story, "shop=192.0.2.9");
	assert_true(ledger_has_let_go(&story->ledger, "w", "shop"));
}

static void test_shared(void **state)
{
	struct story *story = *state;

	add_service(story, "w/a", "a", 5, "192.0.2.9");
	add_service(story, "w/b", "b", 5, "192.0.2.9");
	node_names(story, "w/a=192.0.2.9 w/b=192.0.2.9");
	expect(story, "a=192.0.2.9 b=192.0.2.9");
	look_again(story);
	add_service(story, "w/b", "b", 5, "192.0.2.9"); /* a is gone: b keeps what they shared */
	node_names(story, "w/a=192.0.2.9 w/b=192.0.2.9");
	expect(story, "b=192.0.2.9");
}

/* w/old is being given what w/shop has: the write is on its way. */
static struct service *join_shop(struct story *story, const char *named)
{
	struct service *old = add_service(story, "w/old", "o", 5, "");

	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, named);
	expect(story, "old= shop=192.0.2.9");
	send_address(story, old, "192.0.2.9");
	return old;
}

/* The write that gave w/old what others share was refused, for w/old was edited. */
static void test_shared_but_never_given(void **state)
{
	struct story *story = *state;

	join_shop(story, "");
	expect(story, "old=192.0.2.9 shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/old", "o", 6, "");
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	expect(story, "old= shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/old", "o", 6, ""); /* nobody has it any more: it is free for whoever is next */
	add_service(story, "w/shop", "s", 7, "192.0.2.1");
	expect(story, "old= shop=192.0.2.1");
}

/* Who shared it is deleted: it is on its way out for everybody, for whom it was never given, too. */
static void test_never_given_while_it_leaves(void **state)
{
	struct story *story = *state;

	join_shop(story, "w/shop=192.0.2.9");
	story->now_msec += 10000;
	look_again(story);
	add_service(story, "w/old", "o", 6, "");
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, "w/shop=192.0.2.9");
	expect(story, "old= shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/old", "o", 6, "");
	node_names(story, "w/shop=192.0.2.9"); /* it serves it still */
	expect(story, "old= (192.0.2.9)");
	look_again(story);
	add_service(story, "w/old", "o", 6, "");
	node_names(story, "");
	expect(story, "old="); /* free for whoever is next */
}

/* It had given up what it shares; that it has it again is not proven by that it once had it. */
static void test_shared_again_but_not_given(void **state)
{
	struct story *story = *state;
	struct service *old = add_service(story, "w/old", "o", 5, "192.0.2.9");

	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, "w/old=192.0.2.9 w/shop=192.0.2.9");
	expect(story, "old=192.0.2.9 shop=192.0.2.9");
	look_again(story);
	old = add_service(story, "w/old", "o", 6, "");
	old->type = SERVICE_CLUSTER_IP;
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, "w/old=192.0.2.9 w/shop=192.0.2.9");
	expect(story, "old= shop=192.0.2.9");
	look_again(story);
	old = add_service(story, "w/old", "o", 7, "");
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, "w/old=192.0.2.9 w/shop=192.0.2.9");
	send_address(story, old, "192.0.2.9");
	expect(story, "old=192.0.2.9 shop=192.0.2.9");
	look_again(story);
	add_service(story, "w/old", "o", 8, "");
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	node_names(story, "w/old=192.0.2.9 w/shop=192.0.2.9");
	expect(story, "old= shop=192.0.2.9");
}

/* Had it been executed, it holds what somebody emptied. */
static void test_shared_and_emptied(void **state)
{
	struct story *story = *state;
	struct service *old = join_shop(story, "");

	ledger_acknowledged(&story->ledger, &old->meta, 6, story->now_msec);
	look_again(story);
	add_service(story, "w/old", "o", 7, "");
	add_service(story, "w/shop", "s", 3, "192.0.2.9");
	expect(story, "old=192.0.2.9 shop=192.0.2.9");
}

static void test_new_leader_asks_the_nodes(void **state)
{
	struct story *story = *state;

	add_service(story, "w/shop", "u", 5, "192.0.2.1");
	node_names(story, "=192.0.2.5 w/gone=192.0.2.9,2001:db8::9 w/shop=192.0.2.1");
	expect(story, "shop=192.0.2.1 (192.0.2.5) (192.0.2.9) (2001:db8::9)");
	look_again(story);
	add_service(story, "w/shop", "u", 5, "192.0.2.1");
	node_names(story, "w/gone=2001:db8::9 w/shop=192.0.2.1");
	story->now_msec += RELEASE_REPORT_MSEC;
	expect(story, "shop=192.0.2.1 (2001:db8::9)");
	look_again(story);
	add_service(story, "w/shop", "u", 5, "192.0.2.1");
	node_names(story, "w/later=192.0.2.7 w/shop=192.0.2.1"); /* afterwards reports alone hold nothing */
	expect(story, "shop=192.0.2.1");
}

static void test_node_gone(void **state)
{
	struct story *story = *state;
	struct service *shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");

	node_names(story, "w/shop=192.0.2.9");
	shop->meta.deleting = true;
	expect(story, "shop=192.0.2.9");
	assert_false(ledger_has_let_go(&story->ledger, "w", "shop"));
	look_again(story);
	shop = add_service(story, "w/shop", "u", 5, "192.0.2.9");
	shop->meta.deleting = true;
	world_report(&story->world, world_lb_node(&story->world, "n1"), true, "",
		     "w/shop=192.0.2.9"); /* its Node is not there */
	expect(story, "shop=192.0.2.9");
	assert_true(ledger_has_let_go(&story->ledger, "w", "shop"));
}

/* --- random histories ---------------------------------------------------------------------------------- */

#define NAMES	  6
#define POOL_SIZE 4
#define STEPS	  1500
#define STEP_MSEC 200

struct state { /* of one Service, as the API server or the watch has it */
	bool exists, balanced, deleting;
	unsigned uid;
	uint64_t version;
	struct addr addr; /* ADDR_NONE: none */
	unsigned wish;	  /* 1 …: asks for that address of the pool */
};

struct write { /* on its way to the API server */
	bool under_way, executed, answered;
	struct state over; /* what it was decided on */
	struct addr addr;
	bool releases; /* takes the finalizer away: a Service that is being deleted is gone then */
	unsigned delay, answer_delay;
	bool answer_lost, accepted;
	uint64_t version;
};

struct model {
	struct ledger ledger;
	struct state server[NAMES], seen[NAMES];
	struct write writes[NAMES];
	struct addr served[NAMES],
		reported[NAMES]; /* by the node for each name, and as the controller has read it */
	uint64_t version, now_msec;
	unsigned uids, seed, n_given;
	bool nodes; /* else nobody reports, and nothing is waited for */
};

static unsigned dice(struct model *model, unsigned sides)
{
	model->seed = model->seed * 1103515245u + 12345u;
	return (model->seed >> 8) % sides;
}

static void change_services(struct model *model)
{
	struct state *state = &model->server[dice(model, NAMES)];

	if (dice(model, 4))
		return;
	if (!state->exists) {
		*state = (struct state){
			.exists = true, .balanced = true, .uid = ++model->uids, .version = ++model->version
		};
	} else if (state->deleting) {
		return;
	} else if (dice(model, 2)) {
		state->version = ++model->version;
		state->deleting = true;
	} else {
		state->version = ++model->version;
		state->wish = dice(model, POOL_SIZE + 1);
		if (dice(model, 3) == 0) {
			state->balanced = !state->balanced;
			state->addr = (struct addr){ 0 };
		}
	}
}

static void execute(struct model *model, struct write *write, struct state *state)
{
	write->executed = true;
	write->accepted =
		state->exists && state->uid == write->over.uid && state->version == write->over.version;
	if (!write->accepted)
		return;
	if (write->releases) {
		*state = (struct state){ 0 };
		return;
	}
	state->version = write->version = ++model->version;
	state->addr = write->addr;
	model->n_given += write->addr.family != ADDR_NONE;
}

static void meta_of(struct world *world, const struct state *state, struct meta *meta)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", state->uid);
	meta->uid = arena_string(&world->arena, uid);
	meta->resource_version = state->version;
	meta->deleting = state->deleting;
}

static void take_answer(struct model *model, size_t i)
{
	struct write *write = &model->writes[i];
	struct world world = { 0 };
	struct meta meta = { .namespace = "w" };
	char name[8];

	write->under_way = false;
	if (!write->accepted || write->answer_lost || write->releases)
		return;
	snprintf(name, sizeof(name), "s%zu", i);
	meta.name = name;
	meta_of(&world, &write->over, &meta);
	ledger_acknowledged(&model->ledger, &meta, write->version, model->now_msec);
	world_done(&world);
}

static void move_writes(struct model *model)
{
	for (size_t i = 0; i < NAMES; i++) {
		struct write *write = &model->writes[i];

		if (!write->under_way)
			continue;
		/* An answer that is lost ends the request for the controller, but the server may still
		 * execute it. */
		if (!write->executed && write->delay-- == 0)
			execute(model, write, &model->server[i]);
		else if (write->executed && write->answer_delay-- == 0)
			take_answer(model, i);
	}
}

static void move_watch_and_node(struct model *model)
{
	for (size_t i = 0; i < NAMES; i++) {
		const struct state *state = &model->server[i];

		if (!dice(model, 3))
			model->seen[i] = *state;
		/* The node serves what it sees, a while later, and reports within RELEASE_REPORT_MSEC of
		 * that. */
		if (model->nodes && !dice(model, 4))
			model->served[i] = state->exists && state->balanced && !state->deleting
						   ? state->addr
						   : (struct addr){ 0 };
		if (!dice(model, 3))
			model->reported[i] = model->served[i];
	}
}

static void see(struct model *model, struct world *world)
{
	struct lb_node *node;
	char name[64], text[ADDR_TEXT_MAX];

	world_pool(world, "p", "192.0.2.0-192.0.2.3");
	if (model->nodes)
		world_node(world, "n1", "10.0.0.1", NULL);
	node = world_lb_node(world, "n1");
	for (size_t i = 0; i < NAMES; i++) {
		const struct state *state = &model->seen[i];
		struct service *service;

		if (model->reported[i].family != ADDR_NONE) {
			snprintf(name, sizeof(name), "w/s%zu=%s", i, addr_format(&model->reported[i], text));
			world_report(world, node, true, "", name);
		}
		if (!state->exists)
			continue;
		snprintf(name, sizeof(name), "w/s%zu", i);
		service = world_service(world, name);
		meta_of(world, state, &service->meta);
		if (!state->balanced)
			service->type = SERVICE_CLUSTER_IP;
		snprintf(text, sizeof(text), "192.0.2.%u", state->wish - 1);
		if (state->wish)
			world_label(world, &service->meta.annotations, "fairway.dev/ips", text);
		if (state->addr.family != ADDR_NONE)
			world_ingress(world, service, addr_format(&state->addr, text));
	}
}

static void start_write(struct model *model, size_t i, struct addr addr, bool ends)
{
	model->writes[i] = (struct write){ .under_way = true,
					   .over = model->seen[i],
					   .addr = addr,
					   .releases = ends,
					   .delay = dice(model, 4),
					   .answer_delay = dice(model, 4),
					   .answer_lost = !dice(model, 4) };
}

static void want(struct model *model, const struct cluster *cluster, const struct allocation *allocation)
{
	const struct service *service = cluster_find_service(cluster, "w", allocation->name);
	size_t i = (size_t)atoi(allocation->name + 1);
	struct addr addr = allocation->n_addresses ? allocation->addresses[0] : (struct addr){ 0 };

	if (!service || service->meta.deleting || model->writes[i].under_way ||
	    ledger_is_ahead(&model->ledger, service) || addr_equal(&addr, &model->seen[i].addr))
		return;
	assert_int_equal(ledger_sent(&model->ledger, &service->meta, allocation->addresses,
				     allocation->n_addresses, model->now_msec),
			 0);
	start_write(model, i, addr, false);
}

static void do_round(struct model *model)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(allocations_done) struct allocations allocations = { 0 };
	const struct cluster *cluster;
	struct cluster overlay;

	see(model, &world);
	cluster = world_cluster(&world);
	assert_int_equal(node_reports_init(&reports, cluster), 0);
	assert_int_equal(ledger_update(&model->ledger, cluster, false, &reports, model->now_msec), 0);
	assert_int_equal(ledger_overlay(&model->ledger, cluster, false, &arena, &overlay), 0);
	assert_int_equal(allocate(&overlay, false, &allocations), 0);
	for (size_t i = 0; i < allocations.n_services; i++)
		want(model, cluster, &allocations.services[i]);
	for (size_t i = 0; i < NAMES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%zu", i);
		if (model->seen[i].exists && model->seen[i].deleting && !model->writes[i].under_way &&
		    ledger_has_let_go(&model->ledger, "w", name))
			start_write(model, i, (struct addr){ 0 }, true);
	}
}

/* A new leader: the old one's writes have ended, and it lists before it decides. */
static void change_leader(struct model *model)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (model->writes[i].under_way && !model->writes[i].executed)
			execute(model, &model->writes[i], &model->server[i]);
		model->writes[i].under_way = false;
		model->seen[i] = model->server[i];
		model->reported[i] = model->served[i];
	}
	ledger_done(&model->ledger);
}

static void check_truth(const struct model *model, unsigned step)
{
	for (size_t i = 0; i < NAMES; i++)
		for (size_t j = 0; j < NAMES; j++) {
			const struct addr *addr = &model->server[i].addr;

			if (i == j || addr->family == ADDR_NONE)
				continue;
			if (addr_equal(addr, &model->server[j].addr))
				fail_msg("step %u: s%zu and s%zu have one address", step, i, j);
			if (addr_equal(addr, &model->served[j]) && addr_equal(addr, &model->reported[j]))
				fail_msg("step %u: s%zu has what the node serves, and says it serves, for "
					 "s%zu",
					 step, i, j);
		}
}

static void settle(struct model *model)
{
	size_t n_wanting = 0, n_having = 0;

	for (size_t i = 0; i < NAMES; i++)
		model->server[i].wish = 0;
	for (unsigned i = 0; i < 400; i++) {
		move_writes(model);
		move_watch_and_node(model);
		do_round(model);
		check_truth(model, STEPS + i);
		model->now_msec += STEP_MSEC;
	}
	for (size_t i = 0; i < NAMES; i++) {
		n_wanting += model->server[i].exists && model->server[i].balanced;
		n_having += model->server[i].addr.family != ADDR_NONE;
	}
	/* Nothing leaked: all that can be given is given. */
	assert_int_equal(n_having, n_wanting < POOL_SIZE ? n_wanting : POOL_SIZE);
	assert_int_equal(model->ledger.n_leaving, 0);
}

static void test_random(void **state _unused_)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct model model = { .seed = seed, .now_msec = 1000000, .nodes = seed % 2 };

		for (unsigned step = 0; step < STEPS; step++) {
			change_services(&model);
			move_writes(&model);
			move_watch_and_node(&model);
			if (!dice(&model, 150))
				change_leader(&model);
			do_round(&model);
			check_truth(&model, step);
			model.now_msec += STEP_MSEC;
		}
		settle(&model);
		assert_true(model.n_given > 20);
		ledger_done(&model.ledger);
	}
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release),
		STORY(test_acknowledged_before_seen),
		STORY(test_answer_lost),
		STORY(test_moved),
		STORY(test_status_emptied),
		STORY(test_taken_away),
		STORY(test_type_changed),
		STORY(test_given_again_while_it_leaves),
		STORY(test_deleted_and_made_again),
		STORY(test_gone_before_a_large_report_named_it),
		STORY(test_omitted_by_a_node),
		STORY(test_deleting_lets_go_once),
		STORY(test_deleted_after_it_was_refused),
		STORY(test_shared),
		STORY(test_shared_but_never_given),
		STORY(test_never_given_while_it_leaves),
		STORY(test_shared_again_but_not_given),
		STORY(test_shared_and_emptied),
		STORY(test_new_leader_asks_the_nodes),
		STORY(test_node_gone),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
