// SPDX-License-Identifier: Apache-2.0
/* ipam/silence: LBNodes that are written, or not, against a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/silence.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define HEARTBEAT_SEC 60
#define LIMIT_MSEC    (3 * HEARTBEAT_SEC * 1000)

struct scene {
	struct world world;
	struct silence silence;
	struct lb_node *one, *two;
	uint64_t now_msec, version;
	bool attentive;
};

static void write_node(struct scene *scene, struct lb_node *node)
{
	node->meta.resource_version = ++scene->version;
	node->silent = false;
}

static struct lb_node *add(struct scene *scene, const char *name)
{
	struct lb_node *node = world_lb_node(&scene->world, name);

	node->heartbeat_sec = HEARTBEAT_SEC;
	write_node(scene, node);
	return node;
}

static void look(struct scene *scene)
{
	assert_int_equal(silence_look(&scene->silence, world_cluster(&scene->world), scene->attentive,
				      scene->now_msec),
			 0);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->now_msec = 5000000;
	scene->attentive = true;
	scene->one = add(scene, "n1");
	scene->two = add(scene, "n2");
	look(scene);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	silence_done(&scene->silence);
	world_done(&scene->world);
	free(scene);
	return 0;
}

/* Looks as often as it is asked for, until so much has passed. */
static void pass(struct scene *scene, uint64_t msec)
{
	uint64_t until = scene->now_msec + msec;

	while (scene->silence.next_msec < until) {
		assert_true(scene->silence.next_msec > scene->now_msec);
		scene->now_msec = scene->silence.next_msec;
		look(scene);
	}
	scene->now_msec = until;
	look(scene);
}

/* Which of the two is to be written. */
static void expect(struct scene *scene, bool one, bool two)
{
	assert_int_equal(silence_is_due(&scene->silence, scene->one), one);
	assert_int_equal(silence_is_due(&scene->silence, scene->two), two);
	assert_int_equal(scene->silence.n_due, one + two);
}

static void test_one_falls_silent(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < 3; i++) {
		pass(scene, HEARTBEAT_SEC * 1000 - 1);
		write_node(scene, scene->two);
		look(scene);
		expect(scene, false, false);
	}
	pass(scene, 3);
	expect(scene, true, false);
	assert_int_equal(scene->silence.n_silent, 1);
	/* It was written: nothing more is to be done, also after the write of ours, and for a new leader. */
	write_node(scene, scene->one);
	scene->one->silent = true;
	look(scene);
	expect(scene, false, false);
	assert_int_equal(scene->silence.n_silent, 1);
	pass(scene, 2 * LIMIT_MSEC);
	expect(scene, false, true);
	/* It comes back, and its time begins then. */
	write_node(scene, scene->one);
	pass(scene, LIMIT_MSEC - 1);
	expect(scene, false, true);
	pass(scene, SILENCE_LOOK_MSEC + 1); /* it was seen with the first look after that */
	expect(scene, true, true);
}

/* What was found about a version says nothing about the next one. */
static void test_it_writes_just_then(void **state)
{
	struct scene *scene = *state;

	pass(scene, LIMIT_MSEC);
	expect(scene, true, true);
	scene->one->meta.resource_version = ++scene->version;
	assert_false(silence_is_due(&scene->silence, scene->one));
	look(scene);
	expect(scene, false, true);
}

/* Who has not looked, or could not see, knows nothing: no agent is silent because we were away. */
static void test_we_were_away(void **state)
{
	struct scene *scene = *state;

	pass(scene, LIMIT_MSEC - 1000);
	scene->attentive = false; /* no API server answers */
	pass(scene, 10 * LIMIT_MSEC);
	expect(scene, false, false);
	scene->attentive = true;
	pass(scene, LIMIT_MSEC - 1);
	expect(scene, false, false);
	pass(scene, 1);
	expect(scene, true, true);

	write_node(scene, scene->one);
	write_node(scene, scene->two);
	look(scene);
	scene->now_msec += LIMIT_MSEC; /* stopped, or asleep: no look for three minutes */
	look(scene);
	expect(scene, false, false);
	pass(scene, LIMIT_MSEC);
	expect(scene, true, true);
}

/* An agent that promises nothing (of an earlier version) breaks no promise. */
static void test_no_promise(void **state)
{
	struct scene *scene = *state;

	scene->one->heartbeat_sec = 0;
	pass(scene, 10 * LIMIT_MSEC);
	expect(scene, false, true);
}

static void test_nodes_come_and_go(void **state)
{
	struct scene *scene = *state;
	struct lb_node *first;

	pass(scene, LIMIT_MSEC - 1);
	first = add(scene, "a"); /* before the others by name */
	look(scene);
	pass(scene, 1);
	expect(scene, true, true);
	assert_false(silence_is_due(&scene->silence, first));
	scene->world.kinds[OBJECT_LB_NODE].n = 0; /* all are gone */
	look(scene);
	assert_false(silence_is_due(&scene->silence, scene->one));
	assert_int_equal(scene->silence.n_silent, 0);
	scene->one = add(scene, "n1"); /* made anew: not as old as the one before */
	look(scene);
	assert_false(silence_is_due(&scene->silence, scene->one));
}

/* Who writes often is looked at often. */
static void test_short_promise(void **state)
{
	struct scene *scene = *state;

	scene->one->heartbeat_sec = 2;
	look(scene);
	assert_int_equal(scene->silence.next_msec, scene->now_msec + 500);
	pass(scene, 5999);
	expect(scene, false, false);
	pass(scene, 1);
	expect(scene, true, false);
}

static void test_patch(void **state)
{
	struct scene *scene = *state;
	cleanup(strbuf_done) struct strbuf body = { 0 };

	scene->one->meta.resource_version = 77;
	assert_int_equal(silence_patch(&body, scene->one, 1706702500), 0);
	assert_string_equal(strbuf_text(&body),
			    "{\"metadata\":{\"resourceVersion\":\"77\"},\"status\":{\"conditions\":[{"
			    "\"type\":\"Ready\",\"status\":"
			    "\"Unknown\",\"reason\":\"AgentSilent\",\"message\":\"lbagent has not written "
			    "for 180 s, three times as "
			    "long as it may: is its pod on this node running, and does it reach the API "
			    "server? What it programmed "
			    "may serve on\",\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}]}}");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_falls_silent),
		TEST(test_it_writes_just_then),
		TEST(test_we_were_away),
		TEST(test_no_promise),
		TEST(test_nodes_come_and_go),
		TEST(test_short_promise),
		TEST(test_patch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
