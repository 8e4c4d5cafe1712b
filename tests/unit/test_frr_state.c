// SPDX-License-Identifier: Apache-2.0
/* Reading FRR back: configuration as 8.4 prints it, JSON of sessions, and anything else that may come instead. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bgp/frr_state.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const char running[] = "frr version 8.4.4\n"
			      "frr defaults traditional\n"
			      "!\n"
			      "hostname n1\n"
			      "!\n"
			      "router bgp 65001\n"
			      " bgp router-id 10.0.0.1\n"
			      " no bgp default ipv4-unicast\n"
			      " neighbor vn interface remote-as external\n"
			      " neighbor vn description fairway unnumbered\n"
			      " neighbor 10.9.0.2 remote-as 65000\n"
			      " neighbor 10.9.0.2 description fairway tor-a\n"
			      " neighbor 10.9.0.2 password a b\n"
			      " neighbor fd09::2 remote-as external\n"
			      " !\n"
			      " address-family ipv4 unicast\n"
			      "  network 192.0.2.1/32 route-map LBC-0000abcd\n"
			      "  network 192.0.2.7/32 route-map THEIRS\n"
			      "  network 10.0.0.0/8\n"
			      "  neighbor 10.9.0.2 activate\n"
			      "  neighbor 10.9.0.2 route-map LBO-tor-a-0123456789abcdef out\n"
			      " exit-address-family\n"
			      " !\n"
			      " address-family l2vpn evpn\n"
			      "  neighbor 10.9.0.2 activate\n"
			      "  advertise-all-vni\n"
			      " exit-address-family\n"
			      " !\n"
			      " address-family ipv6 unicast\n"
			      "  network 2001:db8::1/128 route-map LBC-0000abcd\n"
			      " exit-address-family\n"
			      "!\n"
			      "exit\n"
			      "!\n"
			      "router bgp 65010 vrf red\n"
			      " neighbor 10.1.1.1 remote-as 1\n"
			      " address-family ipv4 unicast\n"
			      "  network 9.9.9.9/32 route-map LBC-0000abcd\n"
			      " exit-address-family\n"
			      "exit\n"
			      "!\n"
			      "ip prefix-list LBI4-ab seq 1 permit 10.244.0.0/16 le 32\n"
			      "ip prefix-list LBI4-ab seq 2 permit 10.245.0.0/16 le 32\n"
			      "ip prefix-list THEIRS seq 5 permit any\n"
			      "ipv6 prefix-list LBI6-ab seq 1 permit fd00::/48 le 128\n"
			      "!\n"
			      "route-map LBO-tor-a-0123456789abcdef permit 1\n"
			      " match tag 43981\n"
			      " set community 65000:1 no-export\n"
			      "exit\n"
			      "!\n"
			      "route-map LBO-tor-a-0123456789abcdef deny 65535\n"
			      "exit\n"
			      "!\n"
			      "route-map LBC-0000abcd permit 10\n"
			      " set tag 43981\n"
			      "exit\n"
			      "!\n"
			      "route-map THEIRS permit 10\n"
			      " set tag 1\n"
			      "exit\n"
			      "!\n";

static void test_running_configuration(void **state _unused_)
{
	cleanup(frr_config_done) struct frr_config config = { 0 };
	const struct frr_neighbor *neighbor;
	const struct frr_map *map;
	char text[PREFIX_TEXT_MAX];

	assert_int_equal(frr_state_parse_config(running, &config), 0);
	assert_int_equal(config.asn, 65001);
	assert_true(config.foreign);
	assert_int_equal(config.globals.n, 2);
	assert_int_equal(config.n_neighbors, 3);
	neighbor = frr_config_find_neighbor(&config, "10.9.0.2");
	assert_string_equal(neighbor->peer, "tor-a");
	assert_int_equal(neighbor->n_statements, 5);
	assert_string_equal(neighbor->statements[2].text, "password a b");
	assert_string_equal(frr_neighbor_map_out(neighbor, FRR_IPV4), "route-map LBO-tor-a-0123456789abcdef out");
	assert_null(frr_neighbor_map_out(neighbor, FRR_IPV6));
	assert_null(frr_config_find_neighbor(&config, "fd09::2")->peer);
	assert_string_equal(frr_config_find_neighbor(&config, "vn")->peer, "unnumbered");
	assert_int_equal(config.n_networks, 4);
	assert_string_equal(prefix_format(&config.networks[0].prefix, text), "10.0.0.0/8");
	assert_int_equal(config.networks[0].class, 0);
	assert_int_equal(config.networks[1].class, 0xabcd);
	assert_int_equal(config.networks[2].class, 0);
	assert_int_equal(config.networks[3].class, 0xabcd);
	assert_int_equal(config.n_lists, 2);
	assert_int_equal(config.lists[0].lines.n, 2);
	assert_int_equal(config.n_maps, 2);
	map = frr_config_find_map(&config, "LBO-tor-a-0123456789abcdef");
	assert_true(map->complete);
	assert_int_equal(map->n_entries, 2);
	assert_string_equal(map->entries[0].lines.items[1], "set community 65000:1 no-export");
	assert_false(frr_config_find_map(&config, "LBC-0000abcd")->complete);
}

/* Whatever is cut off or broken, reading ends, and ends well. */
static void test_truncated_at_every_byte(void **state _unused_)
{
	size_t length;
	char *copy;

	for (length = 0; length < sizeof(running); length++) {
		cleanup(frr_config_done) struct frr_config config = { 0 };

		copy = strndup(running, length);
		assert_int_equal(frr_state_parse_config(copy, &config), 0);
		free(copy);
	}
}

static void test_odd_lines(void **state _unused_)
{
	static const char *const texts[] = {
		"neighbor", "router bgp", "router bgp x", "router bgp 99999999999", "router bgp 1\nneighbor\n", "exit\nexit\nexit",
		"router bgp 1\nneighbor x\nnetwork\n", "router bgp 1\naddress-family ipv4 unicast\nnetwork 300.1.1.1/8\nnetwork",
		"route-map", "route-map LBC-x", "route-map LBC-x permit", "route-map LBC-x permit 99999", "ip prefix-list",
		"ip prefix-list LBI4-x", "bfd\nprofile", "bfd\nprofile LBB-x\nexit\nexit\nexit", "\t \r\n \n",
		"route-map LBC-00000001 permit 10 extra words\n set tag 1\n",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(frr_config_done) struct frr_config config = { 0 };

		assert_int_equal(frr_state_parse_config(texts[i], &config), 0);
		assert_int_equal(config.n_networks, 0);
	}
}

static const char summary[] = "{\"ipv4Unicast\":{\"routerId\":\"1.2.3.4\",\"peers\":{"
			      "\"vn\":{\"remoteAs\":0,\"pfxRcd\":0,\"pfxSnt\":0,\"state\":\"Idle\",\"peerUptimeMsec\":0},"
			      "\"10.9.0.2\":{\"remoteAs\":65000,\"pfxRcd\":1,\"pfxSnt\":7,\"state\":\"Established\",\"peerUptimeMsec\":2900}}},"
			      "\"ipv6Unicast\":{\"peers\":{"
			      "\"10.9.0.2\":{\"remoteAs\":65000,\"pfxRcd\":2,\"pfxSnt\":3,\"state\":\"Established\",\"peerUptimeMsec\":2900}}},"
			      "\"l2VpnEvpn\":{\"peers\":{\"x\":{}}}}";

static void test_sessions(void **state _unused_)
{
	static const char neighbors[] = "{\"10.9.0.2\":{\"lastResetDueTo\":\"Waiting for peer OPEN\"},"
					"\"vn\":{\"lastNotificationReason\":\"Cease/x\",\"lastResetDueTo\":\"y\"},\"zz\":{},\"q\":1}";
	static const char bfd[] = "[{\"peer\":\"10.9.0.2\",\"status\":\"up\"},"
				  "{\"peer\":\"fe80::1\",\"interface\":\"vn\",\"status\":\"down\"},{\"peer\":\"9.9.9.9\"},7]";
	cleanup(frr_sessions_done) struct frr_sessions sessions = { 0 };
	const struct frr_session *session;

	assert_int_equal(frr_state_parse_summary(summary, &sessions), 0);
	assert_int_equal(sessions.n, 2);
	assert_int_equal(frr_state_parse_neighbors(neighbors, &sessions), 0);
	assert_int_equal(frr_state_parse_bfd(bfd, &sessions), 0);
	session = frr_sessions_find(&sessions, "10.9.0.2");
	assert_string_equal(session->state, "Established");
	assert_int_equal(session->uptime_sec, 2);
	assert_int_equal(session->sent, 10);
	assert_int_equal(session->received, 3);
	assert_int_equal(session->remote_asn, 65000);
	assert_string_equal(session->last_error, "Waiting for peer OPEN");
	assert_string_equal(session->bfd, "up");
	session = frr_sessions_find(&sessions, "vn");
	assert_string_equal(session->last_error, "Cease/x");
	assert_string_equal(session->bfd, "down");
	assert_null(frr_sessions_find(&sessions, "x"));
}

static void test_advertised_routes(void **state _unused_)
{
	cleanup(freep) struct prefix *prefixes = NULL;
	char text[PREFIX_TEXT_MAX];
	size_t n = 0;

	assert_int_equal(frr_state_parse_advertised("{\"bgpTableVersion\":7,\"advertisedRoutes\":{"
						    "\"192.0.2.10\\/32\":{\"addrPrefix\":\"192.0.2.10\"},\"nonsense\":{},"
						    "\"10.244.1.0\\/24\":7},\"totalPrefixCounter\":3}",
						    &prefixes, &n),
			 0);
	assert_int_equal(n, 2);
	assert_string_equal(prefix_format(&prefixes[0], text), "10.244.1.0/24");
	assert_string_equal(prefix_format(&prefixes[1], text), "192.0.2.10/32");
	assert_int_equal(frr_state_parse_advertised("{\"bgpNoSuchNeighbor\":true}", &prefixes, &n), -EINVAL);
	assert_int_equal(frr_state_parse_advertised("{\"advertisedRoutes\":[]}", &prefixes, &n), -EINVAL);
	assert_int_equal(frr_state_parse_advertised("", &prefixes, &n), -EINVAL);
	assert_int_equal(n, 2);
}

static void test_broken_json(void **state _unused_)
{
	static const char *const texts[] = {
		"", "{", "[]", "7", "null", "% Unknown command", "{\"ipv4Unicast\":7}", "{\"ipv4Unicast\":{\"peers\":[1,2]}}",
		"{\"ipv4Unicast\":{\"peers\":{\"a\":7,\"b\":{\"state\":3,\"pfxSnt\":-5,\"pfxRcd\":1e99,\"peerUptimeMsec\":\"x\"}}}}",
		"{\"ipv4Unicast\":{\"peers\":{\"a\":{\"state\":\"Established\",\"peerUptimeMsec\":-1}}}}",
	};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(frr_sessions_done) struct frr_sessions sessions = { 0 };

		r = frr_state_parse_summary(texts[i], &sessions);
		assert_true(r == 0 || r == -EINVAL);
		assert_true(sessions.n <= 1);
		r = frr_state_parse_neighbors(texts[i], &sessions);
		assert_true(r == 0 || r == -EINVAL);
		r = frr_state_parse_bfd(texts[i], &sessions);
		assert_true(r == 0 || r == -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running_configuration), cmocka_unit_test(test_truncated_at_every_byte),
		cmocka_unit_test(test_odd_lines),	      cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_advertised_routes),     cmocka_unit_test(test_broken_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
