// SPDX-License-Identifier: Apache-2.0
/* From what the nodes say to conditions of Services and the status of peers: a row states the whole outcome.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/node_reports.h"
#include "ipam/peer_status.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void describe(struct strbuf *out, const struct condition_want *want)
{
	strbuf_appendf(out, "%s/%s: %s", condition_status_name(want->status), want->reason, want->message);
}

/* Of w/shop with these addresses. */
static void expect_of(struct world *world, const struct addr *addresses, size_t n, const char *programmed,
		      const char *announced)
{
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 }, other = { 0 };
	struct service_state state;

	assert_int_equal(node_reports_init(&reports, world_cluster(world)), 0);
	assert_int_equal(node_reports_judge(&reports, "w/shop", addresses, n, &arena, &state), 0);
	assert_string_equal(state.programmed.type, "fairway.dev/Programmed");
	assert_string_equal(state.announced.type, "fairway.dev/Announced");
	describe(&got, &state.programmed);
	describe(&other, &state.announced);
	assert_string_equal(strbuf_text(&got), programmed);
	assert_string_equal(strbuf_text(&other), announced);
}

/* Of w/shop with the address 192.0.2.1. */
static void expect(struct world *world, const char *programmed, const char *announced)
{
	const struct addr addr = address("192.0.2.1");

	expect_of(world, &addr, 1, programmed, announced);
}

static struct lb_node *add_node(struct world *world, const char *name)
{
	world_node(world, name, "10.0.0.1", NULL);
	return world_lb_node(world, name);
}

static void test_nobody(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	expect(&world, "Unknown/NoNodes: no node runs lbagent", "Unknown/NoNodes: no node runs lbagent");
	world_report(&world, world_lb_node(&world, "gone"), true, "tor",
		     "w/shop=192.0.2.1"); /* its Node is not there */
	expect(&world, "Unknown/NoNodes: no node runs lbagent", "Unknown/NoNodes: no node runs lbagent");
}

static void test_small_cluster(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");
	struct lb_node_group *group;

	expect(&world, "False/Pending: node n1: not there yet; not on other nodes either",
	       "False/NotProgrammed: only what is programmed is announced");
	world_report(&world, n1, true, "tor-b tor-a", "w/other=192.0.2.1 w/shop=192.0.2.1");
	expect(&world, "False/Pending: node n2: not there yet", "True/Announced: to tor-a, tor-b");
	group = world_report(&world, n2, false, "", "w/shop=192.0.2.1");
	group->reason = "NoRoomInMaps";
	group->message = "4096 of 4096 frontends are in use";
	expect(&world, "False/NoRoomInMaps: node n2: 4096 of 4096 frontends are in use",
	       "True/Announced: to tor-a, tor-b");
	group->programmed = true;
	group->announced_to = world_words(&world, "tor-c");
	expect(&world, "True/Programmed: every node that reports it serves it",
	       "True/Announced: to tor-a, tor-b, tor-c");
}

static void test_old_address(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	world_report(&world, add_node(&world, "n1"), true, "tor", "w/shop=192.0.2.9"); /* before it moved */
	expect(&world, "False/Pending: node n1: not there yet",
	       "False/NotProgrammed: only what is programmed is announced");
}

static void test_one_family_of_two(void **state _unused_)
{
	const struct addr addresses[] = { address("192.0.2.1"), address("2001:db8::1") };
	cleanup(world_done) struct world world = { 0 };

	world_report(&world, add_node(&world, "n1"), true, "tor", "w/shop=192.0.2.1");
	expect_of(&world, addresses, 2, "False/Pending: node n1: not there yet",
		  "False/NotProgrammed: only what is programmed is announced");
	world_report(&world, add_node(&world, "n2"), true, "tor", "w/shop=192.0.2.1,2001:db8::1");
	expect_of(&world, addresses, 2, "False/Pending: node n1: not there yet", "True/Announced: to tor");
}

static void expect_announced(struct world *world, const char *announced)
{
	const struct addr addresses[] = { address("192.0.2.1"), address("2001:db8::1") };

	expect_of(world, addresses, 2, "True/Programmed: every node that reports it serves it", announced);
}

/* Half of a Service is not the Service, whichever half it is. */
static void test_announced_in_part(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");
	struct lb_node_group *one = world_report(&world, n1, true, "tor", "w/shop=192.0.2.1,2001:db8::1"),
			     *two = world_report(&world, n2, true, "tor", "w/shop=192.0.2.1,2001:db8::1");

	expect_announced(&world, "True/Announced: to tor");
	one->message = "IPv6 to no peer: none has it";
	two->message = "IPv6 to no peer";
	one->unannounced[1] = two->unannounced[1] = true;
	expect_announced(
		&world, "False/PartlyAnnounced: 2001:db8::1 is not announced (node n1: IPv6 to no peer: none "
			"has it); the other to tor");
	one->unannounced[1] = false; /* maxNextHops: it is enough that one node does */
	expect_announced(&world, "True/Announced: to tor");
	one->unannounced[0] = true; /* … and another the other half */
	expect_announced(&world, "True/Announced: to tor");
	two->unannounced[0] = true;
	two->unannounced[1] = false;
	two->announced_to = world_words(&world, "tor-b");
	expect_announced(&world,
			 "False/PartlyAnnounced: 192.0.2.1 is not announced (node n1: IPv6 to no peer: none "
			 "has it); the other to tor, tor-b");
}

/* A node that announces nothing of it, or has not got so far, tells nothing of the halves; nor does it of one
 * half that the Service does not have. */
static void test_who_tells_of_the_halves(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");
	struct lb_node_group *one = world_report(&world, n1, true, "tor", "w/shop=192.0.2.1,2001:db8::1");

	n1->sampled = n2->sampled = true; /* of a large cluster no other node names it */
	one->unannounced[1] = true;
	one->message = "IPv6 to no peer";
	expect_announced(
		&world, "False/PartlyAnnounced: 2001:db8::1 is not announced (node n1: IPv6 to no peer); the "
			"other to tor");
	world_report(&world, n2, true, "", "w/shop=192.0.2.1,2001:db8::1");
	expect_announced(
		&world, "False/PartlyAnnounced: 2001:db8::1 is not announced (node n1: IPv6 to no peer); the "
			"other to tor");
	expect(&world, "True/Programmed: every node that reports it serves it", "True/Announced: to tor");
}

static void test_large_cluster(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");

	n1->sampled = n2->sampled = true;
	expect(&world, "Unknown/NotReported: no node has reported it yet",
	       "Unknown/NotReported: no node has reported it yet");
	world_report(&world, n1, true, "tor", "w/shop=192.0.2.1"); /* n2 is not one of those that name it */
	expect(&world, "True/Programmed: every node that reports it serves it", "True/Announced: to tor");
	world_report(&world, n2, false, "", "w/shop=192.0.2.1")->reason = "NotProgrammed";
	expect(&world, "False/NotProgrammed: node n2: not there yet", "True/Announced: to tor");
}

/* Of an agent that is not heard of nothing is taken for true, and its addresses are held all the same. */
static void test_silent_agents(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");
	const struct addr one = address("192.0.2.1");
	struct lb_node_group *group;

	world_report(&world, n1, true, "tor-a", "w/shop=192.0.2.1");
	group = world_report(&world, n2, true, "tor-b", "w/shop=192.0.2.1");
	n1->silent = true;
	expect(&world, "True/Programmed: every node that reports it serves it", "True/Announced: to tor-b");
	group->announced_to = world_words(&world, "");
	expect(&world, "True/Programmed: every node that reports it serves it",
	       "False/NotAnnounced: no node announces it: it has no usable endpoint, or no peer is to be "
	       "told");
	n2->silent = true;
	expect(&world,
	       "Unknown/AgentSilent: lbagent is silent on each node that reported it; the first is n1",
	       "Unknown/AgentSilent: lbagent is silent on each node that reported it; the first is n1");
	assert_int_equal(node_reports_init(&reports, world_cluster(&world)), 0);
	assert_true(node_reports_list(&reports, "w/shop", &one));
}

static bool are_large(struct world *world)
{
	cleanup(node_reports_done) struct node_reports reports = { 0 };

	assert_int_equal(node_reports_init(&reports, world_cluster(world)), 0);
	return reports.large;
}

/* After so many bytes a node rests for long, whatever they are. */
static void test_large_reports(void **state _unused_)
{
	static const struct {
		unsigned n_groups, n_entries;
		const char *entry;
		bool large;
		const char *peers;
	} reports[] = {
		{ 1, 1000, "w/s=192.0.2.1", false, "tor" },
		{ 1, 1000, "w/s=192.0.2.1,2001:db8::1", true, "tor" },
		{ 1, 1000, "web/a-longer-name=192.0.2.1", false, "tor" },
		{ 1, 2500, "w/s=192.0.2.1", true, "tor" },
		{ 100, 1, "w/s=192.0.2.1", false, "tor" },
		{ 1000, 1, "w/s=192.0.2.1", true, "tor" },
		{ 300, 1, "w/s=192.0.2.1", false, "tor" },
		{ 300, 1, "w/s=192.0.2.1", true, "a-router-of-a-long-name another-of-such-a-name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		cleanup(world_done) struct world world = { 0 };
		cleanup(strbuf_done) struct strbuf entries = { 0 };
		struct lb_node *node = add_node(&world, "n1");

		for (unsigned j = 0; j < reports[i].n_entries; j++)
			strbuf_appendf(&entries, "%s ", reports[i].entry);
		for (unsigned j = 0; j < reports[i].n_groups; j++)
			world_report(&world, node, true, reports[i].peers, strbuf_text(&entries));
		world_report(&world, add_node(&world, "n2"), true, "tor", "w/s=192.0.2.1");
		if (are_large(&world) != reports[i].large)
			fail_msg("row %zu", i);
	}
}

/* It may have named it by now: that it does not is no news. */
static void test_silent_and_missing(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	add_node(&world, "n1")->silent = true;
	world_report(&world, add_node(&world, "n2"), true, "tor", "w/shop=192.0.2.1");
	expect(&world, "True/Programmed: every node that reports it serves it", "True/Announced: to tor");
}

static void test_not_announced(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct lb_node_group *group =
		world_report(&world, add_node(&world, "n1"), true, "", "w/shop=192.0.2.1");

	expect(&world, "True/Programmed: every node that reports it serves it",
	       "False/NotAnnounced: no node announces it: it has no usable endpoint, or no peer is to be "
	       "told");
	group->reason = "NoEndpoints";
	group->message = "no usable endpoint anywhere";
	expect(&world, "True/Programmed: every node that reports it serves it",
	       "False/NoEndpoints: node n1: no usable endpoint anywhere");
	group->reason = "not a \"reason\""; /* the API server would refuse the whole status */
	expect(&world, "True/Programmed: every node that reports it serves it",
	       "False/NotAnnounced: node n1: no usable endpoint anywhere");
}

static void test_many_peers(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };

	world_report(&world, add_node(&world, "n1"), true, "p9 p8 p7 p6 p5 p4 p3 p2 p1 p0",
		     "w/shop=192.0.2.1");
	expect(&world, "True/Programmed: every node that reports it serves it",
	       "True/Announced: to p0, p1, p2, p3, p4, p5, p6, p7 and others");
}

static void test_who_names_it(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	const struct addr one = address("192.0.2.1"), two = address("2001:db8::2"),
			  three = address("192.0.2.3");

	world_report(&world, add_node(&world, "n1"), true, "", "w/shop=192.0.2.1 =2001:db8::2");
	assert_int_equal(node_reports_init(&reports, world_cluster(&world)), 0);
	assert_true(node_reports_list(&reports, "w/shop", &one));
	assert_false(node_reports_list(&reports, "w/other", &one));
	assert_true(node_reports_list(&reports, "w/other", &two)); /* whose it was the node does not know */
	assert_false(node_reports_list(&reports, "w/shop", &three));
}

/* Who releases more than it has room to name may hold anything; who leaves out what is as it should be names
 * all that it releases. */
static void test_who_has_no_room_to_name_it(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports before = { 0 }, after = { 0 };
	const struct addr one = address("192.0.2.1"), two = address("2001:db8::2");
	struct lb_node *n1 = add_node(&world, "n1");

	n1->sampled = true;
	n1->n_omitted = 9;
	assert_int_equal(node_reports_init(&before, world_cluster(&world)), 0);
	assert_false(node_reports_list(&before, "w/shop", &one));
	n1->n_omitted_releasing = 1;
	assert_int_equal(node_reports_init(&after, world_cluster(&world)), 0);
	assert_true(node_reports_list(&after, "w/shop", &one));
	assert_true(node_reports_list(&after, "w/shop", &two));
}

/* --- peers --------------------------------------------------------------------------------------------- */

static void add_session(struct world *world, struct lb_node *node, const char *peer, const char *state,
			const char *error)
{
	node->peers = arena_alloc(&world->arena, sizeof(*node->peers));
	assert_non_null(node->peers);
	node->n_peers = 1;
	node->peers[0] = (struct lb_node_peer){ .name = peer,
						.address = "10.0.0.1",
						.state = state,
						.since_sec = 1706702400,
						.prefixes_sent = 3,
						.prefixes_received = 1,
						.last_error = error };
}

/* Returns whether only counts differ. */
static bool expect_peer(struct world *world, const struct bgp_peer *peer, const char *wanted)
{
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	bool counts_only;

	assert_int_equal(node_reports_init(&reports, world_cluster(world)), 0);
	assert_int_equal(
		peer_status_patch(&got, peer, world_cluster(world), &reports, 1706702500, &counts_only), 0);
	if (wanted)
		assert_string_equal(strbuf_text(&got), wanted);
	return counts_only;
}

#define VALID(generation)                                                                                    \
	",{\"type\":\"Valid\",\"status\":\"True\",\"reason\":\"Valid\",\"message\":\"\"" generation          \
	",\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}]}}"

static void test_peer(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");
	struct lb_node *n1 = add_node(&world, "n1"), *n2 = add_node(&world, "n2");

	peer->meta.generation = 4;
	add_session(&world, n1, "tor", "Established", "");
	add_session(&world, n2, "tor", "Active", "Hold Timer Expired");
	world_node(&world, "n3", "10.0.0.3", NULL); /* runs no agent */
	expect_peer(&world, peer,
		    "{\"status\":{\"summary\":\"1/"
		    "3\",\"nodesSelected\":3,\"nodesEstablished\":1,\"observedGeneration\":4,\"nodes\":["
		    "{\"name\":\"n2\",\"state\":\"Active\",\"prefixesSent\":3,\"prefixesReceived\":1,"
		    "\"since\":\"2024-01-31T12:00:00Z\",\"lastError\":\"Hold Timer Expired\"},"
		    "{\"name\":\"n3\",\"state\":\"Unknown\"},"
		    "{\"name\":\"n1\",\"state\":\"Established\",\"prefixesSent\":3,\"prefixesReceived\":1,"
		    "\"since\":\"2024-01-31T12:00:00Z\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":"
		    "\"False\","
		    "\"reason\":\"NotEstablished\",\"message\":\"2 of 3 nodes have no session; node n2: "
		    "Active, Hold Timer Expired\","
		    "\"observedGeneration\":4,\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}" VALID(
			    ",\"observedGeneration\":4"));
}

static void test_peer_of_a_silent_node(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");
	struct lb_node *n1 = add_node(&world, "n1");

	add_session(&world, n1, "tor", "Established", "");
	n1->silent = true;
	expect_peer(&world, peer,
		    "{\"status\":{\"summary\":\"0/1\",\"nodesSelected\":1,\"nodesEstablished\":0,\"nodes\":["
		    "{\"name\":\"n1\",\"state\":\"Unknown\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":"
		    "\"False\",\"reason\":\"NotEstablished\",\"message\":\"1 of 1 nodes have no session; "
		    "node n1: it "
		    "does not report this peer\",\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}" VALID(""));
}

static void test_peer_of_no_node(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");

	peer->node_selectors = world_selectors(&world, "rack=b");
	add_session(&world, add_node(&world, "n1"), "tor", "Established", "");
	expect_peer(&world, peer,
		    "{\"status\":{\"summary\":\"0/"
		    "0\",\"nodesSelected\":0,\"nodesEstablished\":0,\"nodes\":[],\"conditions\":["
		    "{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"NoNodes\",\"message\":\"its "
		    "nodeSelectors select no node\","
		    "\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}" VALID(""));
}

#define REFUSED                                                                                              \
	",{\"type\":\"Valid\",\"status\":\"False\",\"reason\":\"Refused\",\"message\":\"spec.holdTime: not " \
	"whole "                                                                                             \
	"seconds: 9s1us; nodes that have read its last good version go on with that, one that starts anew "  \
	"has no session by "                                                                                 \
	"it\",\"observedGeneration\":5,\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}]}}"

/* Its sessions are those of the last good version; what is wrong is of the newest. */
static void test_peer_of_a_refused_edit(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");

	peer->meta.generation = 4;
	peer->meta.refused = "spec.holdTime: not whole seconds: 9s1us";
	peer->meta.refused_generation = 5;
	add_session(&world, add_node(&world, "n1"), "tor", "Established", "");
	expect_peer(&world, peer,
		    "{\"status\":{\"summary\":\"1/1\",\"nodesSelected\":1,\"nodesEstablished\":1,"
		    "\"observedGeneration\":5,\"nodes\":[{\"name\":\"n1\",\"state\":\"Established\","
		    "\"prefixesSent\":3,\"prefixesReceived\":1,\"since\":\"2024-01-31T12:00:00Z\"}],"
		    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"Established\","
		    "\"message\":\"every selected node has its session\",\"observedGeneration\":4,"
		    "\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}" REFUSED);
}

/* Refused from the start, for this reader: nodes that have an older version may have sessions. */
static void test_peer_that_cannot_be_read(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");

	*peer = (struct bgp_peer){ .meta = peer->meta, .unusable = true };
	peer->meta.refused = "spec.holdTime: not whole seconds: 9s1us";
	peer->meta.refused_generation = peer->meta.generation = 5;
	add_session(&world, add_node(&world, "n1"), "tor", "Established", "");
	add_session(&world, add_node(&world, "n2"), "other", "Established", "");
	expect_peer(&world, peer,
		    "{\"status\":{\"summary\":\"1/1\",\"nodesSelected\":1,\"nodesEstablished\":1,"
		    "\"observedGeneration\":5,\"nodes\":[{\"name\":\"n1\",\"state\":\"Established\","
		    "\"prefixesSent\":3,\"prefixesReceived\":1,\"since\":\"2024-01-31T12:00:00Z\"}],"
		    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\",\"reason\":\"Refused\","
		    "\"message\":\"it could not be read, so which nodes it selects is not known\","
		    "\"observedGeneration\":5,\"lastTransitionTime\":\"2024-01-31T12:01:40Z\"}" REFUSED);
}

/* A session that turns is told soon; prefixes, which are counted with each Service, are not. */
static void test_counts_of_a_peer(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");
	struct lb_node *n1 = add_node(&world, "n1");
	struct condition conditions[] = {
		{ .type = "Ready",
		  .status = CONDITION_TRUE,
		  .reason = "Established",
		  .message = "every selected node has its session" },
		{ .type = "Valid", .status = CONDITION_TRUE, .reason = "Valid", .message = "" },
	};

	add_session(&world, n1, "tor", "Established", "");
	assert_false(expect_peer(&world, peer, NULL)); /* nothing stands there */
	peer->meta.conditions = (struct conditions){ .items = conditions, .n = 2 };
	assert_true(expect_peer(&world, peer, NULL));
	n1->peers[0].prefixes_sent = 4;
	assert_true(expect_peer(&world, peer, NULL));
	peer->meta.generation = 2;
	assert_false(expect_peer(&world, peer, NULL));
	conditions[0].generation = 2;
	assert_false(expect_peer(&world, peer, NULL));
	conditions[1].generation = 2;
	assert_true(expect_peer(&world, peer, NULL));
	n1->peers[0].state = "Active";
	assert_false(expect_peer(&world, peer, NULL));
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		n++;
	return n;
}

static void test_peer_of_many_nodes(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct bgp_peer *peer = world_peer(&world, "tor", "10.0.0.1");
	bool counts_only;
	char name[16];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add_session(&world, add_node(&world, name), "tor", i == 250 ? "Idle" : "Established", "");
	}
	assert_int_equal(node_reports_init(&reports, world_cluster(&world)), 0);
	assert_int_equal(peer_status_patch(&got, peer, world_cluster(&world), &reports, 0, &counts_only), 0);
	assert_int_equal(count(strbuf_text(&got), "\"name\":"), PEER_STATUS_NODES);
	assert_non_null(strstr(strbuf_text(&got), "\"summary\":\"299/300\""));
	assert_non_null(strstr(strbuf_text(&got),
			       "\"name\":\"n250\"")); /* what is wrong is among those that are listed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_small_cluster),
		cmocka_unit_test(test_old_address),
		cmocka_unit_test(test_one_family_of_two),
		cmocka_unit_test(test_announced_in_part),
		cmocka_unit_test(test_who_tells_of_the_halves),
		cmocka_unit_test(test_large_cluster),
		cmocka_unit_test(test_silent_agents),
		cmocka_unit_test(test_large_reports),
		cmocka_unit_test(test_silent_and_missing),
		cmocka_unit_test(test_not_announced),
		cmocka_unit_test(test_many_peers),
		cmocka_unit_test(test_who_names_it),
		cmocka_unit_test(test_who_has_no_room_to_name_it),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_peer_of_a_silent_node),
		cmocka_unit_test(test_peer_of_no_node),
		cmocka_unit_test(test_peer_of_a_refused_edit),
		cmocka_unit_test(test_peer_that_cannot_be_read),
		cmocka_unit_test(test_peer_of_many_nodes),
		cmocka_unit_test(test_counts_of_a_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
