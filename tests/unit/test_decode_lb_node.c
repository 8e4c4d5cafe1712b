// SPDX-License-Identifier: Apache-2.0
/* k8s/decode_lb_node: what a node says of itself, be it ever so wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/decode_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

/* Whatever a token that may write LBNodes puts there: entries that are none are left out, the rest counts. */
static void test_lb_node(void **state _unused_)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(object_freep) struct object *object = NULL;
	const struct lb_node_group *group;

	assert_int_equal(
		decode_text(
			"apiVersion: fairway.dev/v1alpha1\n"
			"kind: LBNode\n"
			"metadata: {name: n1}\n"
			"status:\n"
			"  agentVersion: 0.1.0\n"
			"  heartbeatSeconds: 60\n"
			"  services: {total: 7, programmed: 6, announced: 5, omitted: 3, omittedReleasing: "
			"2, sampled: true}\n"
			"  groups:\n"
			"  - programmed: true\n"
			"    announcedTo: [tor-a]\n"
			"    services: [\"web/shop=192.0.2.1,2001:db8::1\", \"=192.0.2.2\", \"web/none=\",\n"
			"      web/shop, web=192.0.2.1, \"web/x=192.0.2.1,\", \"web/x=192.0.2.256\",\n"
			"      \"web/x=192.0.2.1;192.0.2.2\", 7]\n"
			"  - {releasing: true, unannouncedFamilies: [IPv6, IPX]}\n"
			"  conditions: [{type: Other}, {type: Ready, status: \"True\", reason: Fine}]\n",
			&object, &problems),
		DECODED);
	assert_int_equal(object->lb_node.n_services, 7);
	assert_int_equal(object->lb_node.n_programmed, 6);
	assert_int_equal(object->lb_node.n_announced, 5);
	assert_int_equal(object->lb_node.n_omitted, 3);
	assert_int_equal(object->lb_node.n_omitted_releasing, 2);
	assert_true(object->lb_node.sampled && object->lb_node.ready);
	assert_string_equal(object->lb_node.ready_reason, "Fine");
	assert_int_equal(object->lb_node.heartbeat_sec, 60);
	assert_false(object->lb_node.silent);
	assert_int_equal(object->lb_node.n_groups, 2);
	assert_true(object->lb_node.groups[1].releasing && !object->lb_node.groups[1].programmed);
	assert_true(!object->lb_node.groups[1].unannounced[0] && object->lb_node.groups[1].unannounced[1]);
	group = &object->lb_node.groups[0];
	assert_true(!group->unannounced[0] && !group->unannounced[1]); /* an older agent's */
	assert_int_equal(group->n_services, 4);
	assert_string_equal(group->services[0].name, "web/shop");
	assert_int_equal(group->services[0].n_vips, 2);
	assert_string_equal(addr_text(&group->services[0].vips[1]), "2001:db8::1");
	assert_string_equal(group->services[1].name, "");
	assert_int_equal(group->services[2].n_vips, 0);
	assert_int_equal(group->services[3].n_vips, 1); /* a comma at the end */
	assert_int_equal(problems.n, 5);
	assert_string_equal(problems.items[0].object, "LBNode/n1");
	assert_string_equal(problems.items[0].field, "status.groups[0].services[3]");
}

/* lbcontroller's word, and nobody else's: an agent that says Unknown is not silent. */
static void test_lb_node_silent(void **state _unused_)
{
	static const struct {
		const char *condition;
		bool silent;
	} rows[] = {
		{ "status: Unknown, reason: AgentSilent", true },
		{ "status: Unknown, reason: Starting", false },
		{ "status: \"False\", reason: AgentSilent", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf text = { 0 };
		cleanup(object_freep) struct object *object = NULL;

		strbuf_appendf(
			&text,
			"apiVersion: fairway.dev/v1alpha1\nkind: LBNode\nmetadata: {name: n1}\nstatus:\n"
			"  conditions: [{type: Ready, %s}]\n",
			rows[i].condition);
		object = decode_good(strbuf_text(&text));
		assert_int_equal(object->lb_node.silent, rows[i].silent);
		assert_false(object->lb_node.ready);
		assert_int_equal(object->lb_node.heartbeat_sec, 0); /* an older agent does not say */
	}
}

static void test_lb_node_new(void **state _unused_)
{
	cleanup(object_freep) struct object *object =
		decode_good("apiVersion: fairway.dev/v1alpha1\nkind: LBNode\nmetadata: {name: n1}\n");

	assert_int_equal(object->lb_node.n_groups + object->lb_node.n_peers, 0);
	assert_string_equal(object->lb_node.agent_version, "");
	assert_string_equal(object->lb_node.ready_message, "");
	assert_false(object->lb_node.ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lb_node),
		cmocka_unit_test(test_lb_node_silent),
		cmocka_unit_test(test_lb_node_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
