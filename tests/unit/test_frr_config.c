// SPDX-License-Identifier: Apache-2.0
/* FRR's configuration: the whole text for one rich node, and the commands that lead from what runs to what is wanted. What
 * "runs" here is the text that we render, read back by the same parser that reads FRR's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bgp/frr_diff.h"
#include "bgp/frr_state.h"
#include "tests/unit/routes_text.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

struct rendered {
	struct frr_config config;
	struct routes routes;
	struct problems problems;
};

static void rendered_done(struct rendered *rendered)
{
	frr_config_done(&rendered->config);
	routes_done(&rendered->routes);
	problems_done(&rendered->problems);
}

static void render(struct world *world, struct rendered *ret)
{
	static struct prefix cidrs[2];
	struct plan_options options = { .node = "n1" };
	struct frr_render input = { .node = "n1", .cluster_cidrs = cidrs, .n_cluster_cidrs = 2 };
	struct node_plan plan;

	prefix_parse("10.244.0.0/16", &cidrs[0]);
	prefix_parse("fd00:244::/48", &cidrs[1]);
	*ret = (struct rendered){ 0 };
	routes_plan(world, &plan);
	assert_int_equal(routes_decide(&world->cluster, &options, &plan, NULL, &ret->routes), 0);
	input.cluster = &world->cluster;
	input.routes = &ret->routes;
	assert_int_equal(frr_config_render(&input, &ret->config, &ret->problems), 0);
}

static const char *config_text(struct world *world, const struct frr_config *config)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	frr_config_text(config, &text);
	assert_false(strbuf_failed(&text));
	return arena_string(&world->arena, strbuf_text(&text));
}

/* Commands from one configuration to another, a line each; "" for none. */
static const char *commands_between(struct world *world, const struct frr_config *running,
				    const struct frr_config *wanted)
{
	cleanup(frr_commands_done) struct frr_commands commands = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	size_t i;

	assert_int_equal(frr_diff_bgpd(running, wanted, &commands), 0);
	if (commands.conflict)
		return commands.conflict;
	for (i = 0; i < commands.n; i++)
		strbuf_appendf(&text, "%s\n", commands.items[i].text);
	return arena_string(&world->arena, strbuf_text(&text));
}

static void simple_world(struct world *world)
{
	world_pod_cidrs(world, world_node(world, "n1", "192.168.0.1", NULL), "10.244.1.0/24");
	world_node(world, "n2", "192.168.0.2", NULL);
	world_pool(world, "public", "192.0.2.0/24 2001:db8:1::/112");
	world_peer(world, "tor", "192.168.0.254");
	routes_service(world, "web/shop", "192.0.2.10", POLICY_CLUSTER, "n1");
}

static struct bgp_peer *peer_of(struct world *world, const char *name)
{
	return (struct bgp_peer *)cluster_find_peer(world_cluster(world), name);
}

/* --- the text ------------------------------------------------------------------------------------------ */

static void test_whole_text(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	struct bgp_advertisement *advertisement;
	struct bgp_peer *peer;

	simple_world(&world);
	world_secret(&world, "fairway-system/tor", "s3cret");
	world_bfd_profile(&world, "fast")->transmit_interval_msec = 50;
	peer = peer_of(&world, "tor");
	peer->password_secret = "tor";
	peer->bfd_profile = "fast";
	peer->peer_port = 1790;
	peer->hold_time_sec = 30;
	peer->ebgp_multi_hop = true;
	peer->max_prefixes_received = 500;
	addr_parse("192.168.0.1", &peer->source_address);
	peer = world_peer(&world, "spine6", "fd00::254");
	peer->ipv4 = true;
	peer->my_asn = 65009;
	peer->ttl_security = 1;
	peer->allow_as_in = 0;
	peer = world_peer(&world, "unnumbered", "192.168.0.253");
	peer->peer_address = (struct addr){ 0 };
	peer->interface = "eth1";
	peer->peer_asn = 0;
	peer->dynamic_asn = DYNAMIC_ASN_EXTERNAL;
	peer->ipv6 = true;
	peer->enable_graceful_restart = true;
	peer->graceful_restart_time_sec = 90;
	routes_service(&world, "web/dual", "2001:db8:1::9", POLICY_CLUSTER, "n2");
	advertisement = world_advertisement(&world, "services");
	advertisement->communities = world_words(&world, "65000:7 no-export large:1:2:3");
	world_advertisement(&world, "pods")->type = ADVERTISE_POD_CIDR;
	render(&world, &rendered);
	assert_string_equal(problems_text(&world, &rendered.problems), "");
	assert_string_equal(
		config_text(&world, &rendered.config),
		"! Written by Fairway for restarts of bgpd. Changes here are lost.\n"
		"ip prefix-list LBI4-360685b9d8d8afc4 seq 1 deny 10.244.1.0/24\n"
		"ip prefix-list LBI4-360685b9d8d8afc4 seq 2 permit 10.244.0.0/16 le 32\n"
		"ipv6 prefix-list LBI6-360685b9d8d8afc4 seq 1 permit fd00:244::/48 le 128\n"
		"route-map LBC-25a9290f permit 10\n"
		" set tag 631843087\n"
		"exit\n"
		"!\n"
		"route-map LBC-25a9290f deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBC-92496b2a permit 10\n"
		" set tag 2454285098\n"
		"exit\n"
		"!\n"
		"route-map LBC-92496b2a deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBC-b300a5fc permit 10\n"
		" set tag 3003164156\n"
		"exit\n"
		"!\n"
		"route-map LBC-b300a5fc deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBI-360685b9d8d8afc4 permit 10\n"
		" match ip address prefix-list LBI4-360685b9d8d8afc4\n"
		"exit\n"
		"!\n"
		"route-map LBI-360685b9d8d8afc4 permit 20\n"
		" match ipv6 address prefix-list LBI6-360685b9d8d8afc4\n"
		"exit\n"
		"!\n"
		"route-map LBI-360685b9d8d8afc4 deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBO-spine6-6ac512dc5f548169 permit 1\n"
		" match tag 3003164156\n"
		" set community 65000:7 65535:65281\n"
		" set large-community 1:2:3\n"
		"exit\n"
		"!\n"
		"route-map LBO-spine6-6ac512dc5f548169 permit 2\n"
		" match tag 631843087\n"
		" set community 65000:7 65535:65281\n"
		" set large-community 1:2:3\n"
		"exit\n"
		"!\n"
		"route-map LBO-spine6-6ac512dc5f548169 permit 3\n"
		" match tag 2454285098\n"
		"exit\n"
		"!\n"
		"route-map LBO-spine6-6ac512dc5f548169 deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBO-tor-43169451e71337ae permit 1\n"
		" match tag 3003164156\n"
		" set community 65000:7 65535:65281\n"
		" set large-community 1:2:3\n"
		"exit\n"
		"!\n"
		"route-map LBO-tor-43169451e71337ae permit 2\n"
		" match tag 2454285098\n"
		"exit\n"
		"!\n"
		"route-map LBO-tor-43169451e71337ae deny 65535\n"
		"exit\n"
		"!\n"
		"route-map LBO-unnumbered-6ac512dc5f548169 permit 1\n"
		" match tag 3003164156\n"
		" set community 65000:7 65535:65281\n"
		" set large-community 1:2:3\n"
		"exit\n"
		"!\n"
		"route-map LBO-unnumbered-6ac512dc5f548169 permit 2\n"
		" match tag 631843087\n"
		" set community 65000:7 65535:65281\n"
		" set large-community 1:2:3\n"
		"exit\n"
		"!\n"
		"route-map LBO-unnumbered-6ac512dc5f548169 permit 3\n"
		" match tag 2454285098\n"
		"exit\n"
		"!\n"
		"route-map LBO-unnumbered-6ac512dc5f548169 deny 65535\n"
		"exit\n"
		"!\n"
		"router bgp 65001\n"
		" bgp router-id 192.168.0.1\n"
		" no bgp default ipv4-unicast\n"
		" bgp graceful-restart restart-time 90\n"
		" bgp graceful-restart preserve-fw-state\n"
		" no bgp network import-check\n"
		" neighbor 192.168.0.254 remote-as 65000\n"
		" neighbor 192.168.0.254 description fairway tor\n"
		" neighbor 192.168.0.254 password s3cret\n"
		" neighbor 192.168.0.254 port 1790\n"
		" neighbor 192.168.0.254 ebgp-multihop 255\n"
		" neighbor 192.168.0.254 update-source 192.168.0.1\n"
		" neighbor 192.168.0.254 timers 10 30\n"
		" neighbor 192.168.0.254 timers connect 1\n"
		" neighbor 192.168.0.254 bfd\n"
		" neighbor 192.168.0.254 bfd profile LBB-fast\n"
		" neighbor eth1 interface remote-as external\n"
		" neighbor eth1 description fairway unnumbered\n"
		" neighbor eth1 timers 3 9\n"
		" neighbor eth1 timers connect 1\n"
		" neighbor eth1 graceful-restart\n"
		" neighbor fd00::254 remote-as 65000\n"
		" neighbor fd00::254 local-as 65009 no-prepend replace-as\n"
		" neighbor fd00::254 description fairway spine6\n"
		" neighbor fd00::254 ttl-security hops 1\n"
		" neighbor fd00::254 timers 3 9\n"
		" neighbor fd00::254 timers connect 1\n"
		" neighbor fd00::254 capability extended-nexthop\n"
		" !\n"
		" address-family ipv4 unicast\n"
		"  network 10.244.1.0/24 route-map LBC-92496b2a\n"
		"  network 192.0.2.10/32 route-map LBC-b300a5fc\n"
		"  neighbor 192.168.0.254 activate\n"
		"  neighbor 192.168.0.254 allowas-in 1\n"
		"  neighbor 192.168.0.254 maximum-prefix 500\n"
		"  neighbor 192.168.0.254 route-map LBI-360685b9d8d8afc4 in\n"
		"  neighbor 192.168.0.254 route-map LBO-tor-43169451e71337ae out\n"
		"  neighbor eth1 activate\n"
		"  neighbor eth1 allowas-in 1\n"
		"  neighbor eth1 route-map LBI-360685b9d8d8afc4 in\n"
		"  neighbor eth1 route-map LBO-unnumbered-6ac512dc5f548169 out\n"
		"  neighbor fd00::254 activate\n"
		"  neighbor fd00::254 route-map LBI-360685b9d8d8afc4 in\n"
		"  neighbor fd00::254 route-map LBO-spine6-6ac512dc5f548169 out\n"
		" exit-address-family\n"
		" !\n"
		" address-family ipv6 unicast\n"
		"  network 2001:db8:1::9/128 route-map LBC-25a9290f\n"
		"  neighbor eth1 activate\n"
		"  neighbor eth1 allowas-in 1\n"
		"  neighbor eth1 route-map LBI-360685b9d8d8afc4 in\n"
		"  neighbor eth1 route-map LBO-unnumbered-6ac512dc5f548169 out\n"
		"  neighbor fd00::254 activate\n"
		"  neighbor fd00::254 route-map LBI-360685b9d8d8afc4 in\n"
		"  neighbor fd00::254 route-map LBO-spine6-6ac512dc5f548169 out\n"
		" exit-address-family\n"
		"exit\n"
		"!\n");
}

/* --- from what runs to what is wanted -------------------------------------------------------------------- */

/* As bgpd would run it: through the text and the parser. */
static void run(struct world *world, const struct frr_config *config, struct frr_config *ret)
{
	assert_int_equal(frr_state_parse_config(config_text(world, config), ret), 0);
}

static const char *step(struct world *world, const struct rendered *from, const struct rendered *to)
{
	cleanup(frr_config_done) struct frr_config running = { 0 };

	run(world, &from->config, &running);
	return commands_between(world, &running, &to->config);
}

/* Every line of `lines` stands in `text` as a line, in this order. */
static void assert_order(const char *text, const char *const *lines, size_t n)
{
	const char *at = text, *found;
	size_t i;

	for (i = 0; i < n; i++) {
		found = strstr(at, lines[i]);
		if (!found)
			fail_msg("\"%s\" is not in its place in\n%s", lines[i], text);
		at = found + strlen(lines[i]);
	}
}

#define assert_lines(text, ...)                                                                              \
	do {                                                                                                 \
		static const char *const lines_[] = { __VA_ARGS__ };                                         \
		assert_order(text, lines_, ARRAY_SIZE(lines_));                                              \
	} while (0)

static void assert_lacks(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("\"%s\" is in\n%s", what, text);
}

static void test_same_is_nothing(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };

	simple_world(&world);
	world_peer(&world, "abc", "fd00::254")->ttl_security = 3;
	render(&world, &rendered);
	run(&world, &rendered.config, &running);
	assert_string_equal(commands_between(&world, &running, &rendered.config), "");
	assert_string_equal(config_text(&world, &running), config_text(&world, &rendered.config));
	assert_false(running.foreign);
	assert_string_equal(running.neighbors[0].peer, "tor");
}

static void test_from_nothing(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	struct frr_config nothing = { 0 };
	const char *commands;

	simple_world(&world);
	render(&world, &rendered);
	commands = commands_between(&world, &nothing, &rendered.config);
	/* definitions, then the instance and its globals, then networks, neighbours last, and back to where it began */
	assert_lines(commands, "configure terminal\nip prefix-list LBI4-", "route-map LBC-", " deny 65535\nexit\n",
		     "route-map LBO-tor-", "router bgp 65001\nbgp router-id 192.168.0.1\nno bgp default ipv4-unicast\n",
		     "address-family ipv4 unicast\nnetwork 10.244.1.0/24 route-map LBC-",
		     "network 192.0.2.10/32 route-map LBC-", "exit-address-family\nneighbor 192.168.0.254 remote-as 65000\n",
		     "address-family ipv4 unicast\nneighbor 192.168.0.254 activate\n", "route-map LBO-tor-", " out\n",
		     "exit-address-family\nend\n");
}

static void test_a_network_touches_nothing_else(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered one = { 0 }, two = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	cleanup(frr_commands_done) struct frr_commands commands = { 0 };
	const char *text;

	simple_world(&world);
	render(&world, &one);
	routes_service(&world, "web/more", "192.0.2.9", POLICY_CLUSTER, "n1");
	render(&world, &two);
	text = step(&world, &one, &two);
	assert_lacks(text, "neighbor");
	assert_lacks(text, "\nroute-map");
	assert_lines(text, "configure terminal\nrouter bgp 65001\naddress-family ipv4 unicast\nnetwork 192.0.2.9/32 route-map LBC-",
		     "\nexit-address-family\nend\n");
	assert_string_equal(step(&world, &two, &one),
			    "configure terminal\nrouter bgp 65001\naddress-family ipv4 unicast\nno network 192.0.2.9/32\n"
			    "exit-address-family\nend\n");
	run(&world, &one.config, &running);
	assert_int_equal(frr_diff_bgpd(&running, &two.config, &commands), 0);
	assert_true(commands.networks_only);
}

/* What a peer still has is announced where no map lets it out, and withdrawn; networks of somebody else's stay. */
static void test_stuck_ones_are_withdrawn_again(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	struct frr_network *networks;

	simple_world(&world);
	render(&world, &rendered);
	run(&world, &rendered.config, &running);
	networks = calloc(running.n_networks + 2, sizeof(*networks));
	assert_non_null(networks);
	memcpy(networks, running.networks, running.n_networks * sizeof(*networks));
	prefix_parse("203.0.113.0/24", &networks[running.n_networks].prefix);
	prefix_parse("2001:db8:1::9/128", &networks[running.n_networks + 1].prefix);
	networks[running.n_networks + 1].stuck = true;
	free(running.networks);
	running.networks = networks;
	running.n_networks += 2;
	assert_string_equal(commands_between(&world, &running, &rendered.config),
			    "configure terminal\nrouter bgp 65001\naddress-family ipv6 unicast\nnetwork 2001:db8:1::9/128\n"
			    "no network 2001:db8:1::9/128\nexit-address-family\nend\n");
}

/* Announced with one community more: the route moves to another class, and is never without a map that lets it out. */
static void test_moving_between_classes(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered plain = { 0 }, coloured = { 0 };
	struct bgp_advertisement *advertisement;
	const char *text, *old_tag;
	char expected[64];
	uint32_t old_class, new_class;

	simple_world(&world);
	world_advertisement(&world, "pods")->type = ADVERTISE_POD_CIDR;
	advertisement = world_advertisement(&world, "services");
	render(&world, &plain);
	advertisement->communities = world_words(&world, "65000:7");
	render(&world, &coloured);
	old_class = plain.config.networks[1].class;
	new_class = coloured.config.networks[1].class;
	assert_int_not_equal(old_class, new_class);
	text = step(&world, &plain, &coloured);
	/* the neighbour's map of the meantime takes both tags … */
	snprintf(expected, sizeof(expected), "match tag %u\n", new_class);
	assert_non_null(strstr(text, expected));
	snprintf(expected, sizeof(expected), "match tag %u\n", old_class);
	old_tag = strstr(text, expected);
	assert_non_null(old_tag);
	/* … is in place before the network moves, and nothing is withdrawn or deleted in this round */
	snprintf(expected, sizeof(expected), "network 192.0.2.10/32 route-map LBC-%08x\n", new_class);
	assert_true(strstr(old_tag, "neighbor 192.168.0.254 route-map LBO-tor-") < strstr(text, expected));
	assert_lacks(text, "no ");
	assert_lacks(text, "remote-as");
}

static void test_neighbour_statements(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered before = { 0 }, after = { 0 }, untimed = { 0 }, gone = { 0 };
	struct bgp_peer *peer;
	const char *text;

	simple_world(&world);
	world_bfd_profile(&world, "fast");
	world_secret(&world, "fairway-system/tor", "s3cret");
	world_peer(&world, "steady", "192.168.0.250");
	peer = peer_of(&world, "tor");
	peer->bfd_profile = "fast";
	peer->password_secret = "tor";
	peer->ebgp_multi_hop = true;
	render(&world, &before);
	peer->bfd_profile = NULL;
	peer->password_secret = NULL;
	peer->ebgp_multi_hop = false;
	peer->ttl_security = 2;
	peer->hold_time_sec = 60;
	peer->max_prefixes_received = 7;
	render(&world, &after);
	text = step(&world, &before, &after);
	assert_string_equal(text, "configure terminal\nrouter bgp 65001\n"
				  "no neighbor 192.168.0.254 bfd profile LBB-fast\n"
				  "no neighbor 192.168.0.254 bfd\n"
				  "no neighbor 192.168.0.254 ebgp-multihop\n"
				  "no neighbor 192.168.0.254 password\n"
				  "neighbor 192.168.0.254 ttl-security hops 2\n"
				  "neighbor 192.168.0.254 timers 20 60\n"
				  "address-family ipv4 unicast\n"
				  "neighbor 192.168.0.254 maximum-prefix 7\n"
				  "exit-address-family\nend\n");
	peer->hold_time_sec = 0;
	peer->hold_time_off = true;
	render(&world, &untimed);
	text = step(&world, &after, &untimed);
	assert_string_equal(text, "configure terminal\nrouter bgp 65001\nneighbor 192.168.0.254 timers 0 0\nend\n");
	peer->node_selectors = world_selectors(&world, "nowhere");
	render(&world, &gone);
	text = step(&world, &after, &gone);
	assert_lines(text, "router bgp 65001", "\nno neighbor 192.168.0.254\n", "end\n");
	assert_lacks(text, "192.168.0.250 remote-as");
}

static void test_resets_and_secrets_are_marked(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered before = { 0 }, after = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	cleanup(frr_commands_done) struct frr_commands commands = { 0 };
	struct bgp_peer *peer;
	size_t i, secrets = 0, resets = 0;

	simple_world(&world);
	world_secret(&world, "fairway-system/tor", "s3cret");
	peer = peer_of(&world, "tor");
	render(&world, &before);
	peer->password_secret = "tor";
	peer->hold_time_sec = 90;
	render(&world, &after);
	run(&world, &before.config, &running);
	assert_int_equal(frr_diff_bgpd(&running, &after.config, &commands), 0);
	for (i = 0; i < commands.n; i++) {
		bool holds = strstr(commands.items[i].text, "s3cret");

		assert_int_equal(commands.items[i].secret, holds);
		secrets += holds;
		if (commands.items[i].resets) {
			assert_true(holds);
			assert_string_equal(commands.items[i].resets, "tor");
			resets++;
		}
	}
	assert_int_equal(secrets, 1);
	assert_int_equal(resets, 1); /* timers do not reset it */
}

static void test_leftovers_go_last(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	cleanup(frr_commands_done) struct frr_commands raw = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const char *commands;

	simple_world(&world);
	render(&world, &rendered);
	strbuf_append(&text, "route-map LBO-old-0123456789abcdef deny 65535\nexit\n"
			     "route-map LBC-00000001 permit 10\n set tag 1\nexit\n"
			     "ip prefix-list LBI4-0000000000000001 seq 1 permit 10.0.0.0/8 le 32\n"
			     "ip prefix-list OTHERS seq 5 permit any\nroute-map THEIRS permit 10\nexit\n");
	frr_config_text(&rendered.config, &text);
	assert_int_equal(frr_state_parse_config(strbuf_text(&text), &running), 0);
	commands = commands_between(&world, &running, &rendered.config);
	assert_string_equal(commands, "configure terminal\nno route-map LBC-00000001\nno route-map LBO-old-0123456789abcdef\n"
				      "no ip prefix-list LBI4-0000000000000001\nend\n");
	assert_int_equal(frr_diff_bgpd(&running, &rendered.config, &raw), 0);
	assert_false(raw.networks_only);
	/* with anything else to do, they wait for the next round */
	running.n_networks--;
	assert_lacks(commands_between(&world, &running, &rendered.config), "no route-map");
}

static void test_half_defined_map_is_defined_again(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	char *text, *end;

	simple_world(&world);
	render(&world, &rendered);
	text = (char *)config_text(&world, &rendered.config);
	end = strstr(text, "route-map LBO-tor-");
	end = strstr(end, "deny 65535");
	memset(end, ' ', strlen("deny 65535")); /* "route-map LBO-tor-…" alone: not an entry */
	assert_int_equal(frr_state_parse_config(text, &running), 0);
	assert_lines(commands_between(&world, &running, &rendered.config), "route-map LBO-tor-", "permit 1\n", "match tag",
		     "deny 65535\nexit\n");
}

static void test_somebody_elses_is_left_alone(void **state _unused_)
{
	static const char theirs[] = "router bgp 65001\n"
				     " no bgp default ipv4-unicast\n"
				     " bgp router-id 192.168.0.1\n"
				     " no bgp network import-check\n"
				     " bgp log-neighbor-changes\n"
				     " neighbor 198.51.100.1 remote-as 65500\n"
				     " neighbor 198.51.100.1 description uplink\n"
				     " address-family ipv4 unicast\n"
				     "  network 203.0.113.0/24\n"
				     "  neighbor 198.51.100.1 activate\n"
				     " exit-address-family\nexit\n";
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 }, other = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	struct frr_config nothing = { 0 };
	const char *commands;

	simple_world(&world);
	render(&world, &rendered);
	assert_int_equal(frr_state_parse_config(theirs, &running), 0);
	assert_true(running.foreign);
	commands = commands_between(&world, &running, &rendered.config);
	assert_lacks(commands, "198.51.100.1");
	assert_lacks(commands, "203.0.113.0");
	assert_lacks(commands, "log-neighbor");
	assert_lacks(commands, "no ");
	assert_string_equal(commands_between(&world, &running, &nothing), "");
	peer_of(&world, "tor")->my_asn = 65002;
	render(&world, &other);
	assert_string_equal(commands_between(&world, &running, &other.config),
			    "another AS with neighbours or networks of somebody else's runs in bgpd");
}

static void test_another_as_number(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered before = { 0 }, after = { 0 };

	simple_world(&world);
	render(&world, &before);
	peer_of(&world, "tor")->my_asn = 65002;
	render(&world, &after);
	assert_lines(step(&world, &before, &after), "configure terminal\nno router bgp 65001\nrouter bgp 65002\n",
		     "network 192.0.2.10/32", "neighbor 192.168.0.254 remote-as 65000\n");
}

static void test_without_peers(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered before = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 }, empty = { 0 };
	struct frr_config nothing = { 0 };
	const char *commands;

	simple_world(&world);
	render(&world, &before);
	run(&world, &before.config, &running);
	commands = commands_between(&world, &running, &nothing);
	assert_lines(commands, "no network 10.244.1.0/24\nno network 192.0.2.10/32\n", "no neighbor 192.168.0.254\n");
	assert_int_equal(frr_state_parse_config("router bgp 65001\nexit\n", &empty), 0);
	assert_string_equal(commands_between(&world, &empty, &nothing), "configure terminal\nno router bgp 65001\nend\n");
}

static void test_bfd_profiles(void **state _unused_)
{
	static const char running_text[] = "bfd\n profile LBB-fast\n  transmit-interval 50\n  echo-mode\n  minimum-ttl 250\n"
					   " exit\n !\n profile LBB-old\n exit\n profile theirs\n  detect-multiplier 9\n exit\n"
					   " peer 192.0.2.1\n  profile theirs\n exit\nexit\n";
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	cleanup(frr_config_done) struct frr_config running = { 0 };
	cleanup(frr_commands_done) struct frr_commands commands = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct bfd_profile *profile;
	size_t i;

	simple_world(&world);
	profile = world_bfd_profile(&world, "fast");
	profile->transmit_interval_msec = 100;
	profile->receive_interval_msec = 100;
	profile->passive_mode = true;
	peer_of(&world, "tor")->bfd_profile = "fast";
	world_bfd_profile(&world, "unused");
	profile->unusable = true; /* refused: nothing of it is configured, and no peer names it */
	render(&world, &rendered);
	assert_int_equal(rendered.config.n_profiles, 0);
	assert_null(strstr(config_text(&world, &rendered.config), "bfd"));
	rendered_done(&rendered);
	profile->unusable = false;
	render(&world, &rendered);
	assert_int_equal(frr_state_parse_config(running_text, &running), 0);
	assert_int_equal(running.n_profiles, 2);
	assert_int_equal(frr_diff_bfdd(&running, &rendered.config, true, &commands), 0);
	for (i = 0; i < commands.n; i++)
		strbuf_appendf(&text, "%s\n", commands.items[i].text);
	assert_string_equal(strbuf_text(&text), "configure terminal\nbfd\nprofile LBB-fast\nno echo-mode\nminimum-ttl 254\n"
						"passive-mode\nreceive-interval 100\ntransmit-interval 100\nexit\n"
						"no profile LBB-old\nend\n");
	frr_commands_done(&commands);
	assert_int_equal(frr_diff_bfdd(&rendered.config, &rendered.config, true, &commands), 0);
	assert_int_equal(commands.n, 0);
}

/* A name of an object never adds a line or a word: it is checked long before, and hashed here if it is odd. */
static void test_odd_names(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(rendered_done) struct rendered rendered = { 0 };
	const char *text;

	simple_world(&world);
	world_peer(&world, "a-name-of-more-than-forty-characters-which-frr-would-print-badly", "192.168.0.250");
	render(&world, &rendered);
	text = config_text(&world, &rendered.config);
	assert_lacks(text, "route-map LBO-a-name");
	assert_lines(text, "description fairway a-name-of-more-than-forty-characters-which-frr-would-print-badly\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_text),
		cmocka_unit_test(test_same_is_nothing),
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_a_network_touches_nothing_else),
		cmocka_unit_test(test_stuck_ones_are_withdrawn_again),
		cmocka_unit_test(test_moving_between_classes),
		cmocka_unit_test(test_neighbour_statements),
		cmocka_unit_test(test_resets_and_secrets_are_marked),
		cmocka_unit_test(test_leftovers_go_last),
		cmocka_unit_test(test_half_defined_map_is_defined_again),
		cmocka_unit_test(test_somebody_elses_is_left_alone),
		cmocka_unit_test(test_another_as_number),
		cmocka_unit_test(test_without_peers),
		cmocka_unit_test(test_bfd_profiles),
		cmocka_unit_test(test_odd_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
