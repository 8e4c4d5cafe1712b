// SPDX-License-Identifier: Apache-2.0
/* What the data path takes from the host: next hops by its routes and neighbours, and findings about its
 * settings. */
#include <bpf/bpf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "tests/datapath/small_world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/netlink.h"

static const struct host_finding *finding(struct datapath *datapath, const char *what)
{
	const struct host_finding *findings;
	size_t n = datapath_host_findings(datapath, &findings);

	for (size_t i = 0; i < n; i++)
		if (strcmp(findings[i].what, what) == 0)
			return &findings[i];
	return NULL;
}

/* --- next hops -------------------------------------------------------------------------------- */

static uint64_t next_hop(uint32_t id)
{
	int fd = bpf_obj_get(MAPS "/lb_backends");
	struct lb_backend entry;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &entry), 0);
	close(fd);
	return entry.next_hop;
}

static struct lb_link lb_link_of(uint64_t word)
{
	int fd = bpf_obj_get(MAPS "/lb_links");
	uint32_t index = word >> 48 & 0xff;
	struct lb_link link;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, &link), 0);
	close(fd);
	return link;
}

struct expected_hop {
	uint32_t id;
	uint8_t mac[6];
	const char *interface; /* NULL: no next hop */
};

static bool hop_is(void *userdata)
{
	const struct expected_hop *expected = userdata;
	uint64_t word = next_hop(expected->id);

	if (!expected->interface)
		return !(word & LB_NEXT_HOP_VALID);
	return word & LB_NEXT_HOP_VALID && memcmp(&word, expected->mac, 6) == 0 &&
	       lb_link_of(word).ifindex == if_nametoindex(expected->interface);
}

static void test_next_hops(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start(), other = host_start();
	struct datapath *datapath;
	struct step items[] = {
		backend_step(backend_of(1, "10.244.2.5", false)),    /* behind a gateway */
		backend_step(backend_of(2, "10.0.0.2", false)),	     /* on the link */
		backend_step(backend_of(3, "fd00:244:2::5", false)), /* IPv6, behind a gateway */
		backend_step(backend_of(4, "10.99.0.1", false)),     /* no route */
	};
	const uint8_t moved[6] = { 2, 0, 0, 0, 0, 9 };
	struct expected_hop expected = { 1, { 2, 0, 0, 0, 0, 2 }, "up1" };
	struct lb_link link;

	shell("ip link add up1 type veth peer name eth0 address 02:00:00:00:00:02 netns %d", peer);
	shell("ip link set up1 address 02:00:00:00:00:01 up; ip addr add 10.0.0.1/24 dev up1; ip addr add "
	      "fd00::1/64 dev up1 nodad");
	shell("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0; ip addr add "
	      "fd00::2/64 dev eth0 nodad'",
	      peer);
	shell("ip link set down0 netns %d; nsenter -t %d -n sh -c 'ip link set down0 address "
	      "02:00:00:00:00:09 up; "
	      "ip addr add 10.0.9.2/24 dev down0'; ip addr add 10.0.9.1/24 dev up0",
	      other, other);
	shell("ip route add 10.244.2.0/24 via 10.0.0.2; ip -6 route add fd00:244:2::/64 via fd00::2");

	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	loop_until(*state, hop_is, &expected, "next hop through a gateway");
	link = lb_link_of(next_hop(1));
	assert_memory_equal(link.mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 1 }), 6);
	expected.id = 2;
	loop_until(*state, hop_is, &expected, "next hop on the link");
	expected.id = 3;
	loop_until(*state, hop_is, &expected, "next hop of IPv6");
	assert_int_equal(next_hop(4), 0);

	/* The neighbour gets another MAC; then the route moves; then it goes. */
	shell("nsenter -t %d -n sh -c 'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:09 "
	      "up'; "
	      "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:09 dev up1 nud reachable",
	      peer);
	memcpy(expected.mac, moved, 6);
	expected.id = 1;
	loop_until(*state, hop_is, &expected, "another MAC");
	shell("ip route replace 10.244.2.0/24 via 10.0.9.2");
	expected.interface = "up0";
	loop_until(*state, hop_is, &expected, "another route");
	shell("ip route del 10.244.2.0/24");
	expected.interface = NULL;
	loop_until(*state, hop_is, &expected, "no route");

	/* A neighbour that fails takes the next hop along; asking for it goes on by itself, until it answers.
	 */
	expected = (struct expected_hop){ .id = 2 };
	shell("nsenter -t %d -n ip link set eth0 arp off; ip neigh change 10.0.0.2 dev up1 nud failed", peer);
	loop_until(*state, hop_is, &expected, "a neighbour that fails");
	assert_non_null(finding(datapath, "next hops"));
	expected = (struct expected_hop){ 2, { 2, 0, 0, 0, 0, 9 }, "up1" };
	shell("nsenter -t %d -n ip link set eth0 arp on", peer);
	loop_until(*state, hop_is, &expected, "a neighbour that answers again");

	/* An adopted next hop is not given up while the neighbour is asked for. */
	close_current();
	shell("ip neigh flush dev up1");
	datapath = open_with(*state, &options);
	assert_true(next_hop(2) & LB_NEXT_HOP_VALID);
	close_current();
	host_stop(peer);
	host_stop(other);
}

/* --- routes by nexthop objects ---------------------------------------------------------------- */

/* Behind up1, fd00::2 and 10.0.0.2 with this MAC; behind up0, 10.0.9.2. Object 16 leads to fd00::2, 26 to
 * 10.0.0.2; 18 and 28 are groups of such; by them go IPv6 and IPv4 prefixes. */
static const uint8_t shared_mac[6] = { 2, 0, 0, 0, 0, 2 };

static void make_shared_routes(pid_t peer)
{
	shell("ip link add up1 type veth peer name eth0 address 02:00:00:00:00:02 netns %d", peer);
	shell("ip link set up1 address 02:00:00:00:00:01 up; ip addr add fd00::1/64 dev up1 nodad; "
	      "ip addr add 10.0.0.1/24 dev up1; ip addr add 10.0.9.1/24 dev up0");
	shell("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add fd00::2/64 dev eth0 nodad; "
	      "ip addr add 10.0.0.2/24 dev eth0'",
	      peer);
	shell("for id in 16 17; do ip nexthop add id $id via fd00::2 dev up1; done; "
	      "for id in 26 27; do ip nexthop add id $id via 10.0.0.2 dev up1; done; "
	      "ip nexthop add id 18 group 16/17; ip nexthop add id 28 group 26/27; "
	      "for n in 2 3; do ip -6 route add fd00:244:$n::/64 nhid 16; "
	      "ip route add 10.244.$n.0/24 nhid 26; done; "
	      "for n in 4 5; do ip -6 route add fd00:244:$n::/64 nhid 18; "
	      "ip route add 10.244.$n.0/24 nhid 28; done");
	/* Each address that becomes valid makes void what the kernel has cached, also what lose_answers()
	 * needs. */
	shell("while ip -6 addr show tentative | grep -q inet6; do sleep 0.05; done");
}

/* The routes to fd00:244:3::/64 and fd00:244:5::/64 go, and with them what the kernel answers for 2 and 4: on
 * each CPU that has cached the object's destination for the one that went. A change of addresses makes what
 * was cached before void. */
static void lose_answers(void)
{
	shell("ip -6 addr del fd00:99::1/128 dev lo 2>/dev/null; ip -6 addr add fd00:99::1/128 dev lo nodad; "
	      "for c in $(seq 0 $(nproc)); do for n in 3 5; do taskset -c $c ip -6 route get "
	      "fd00:244:$n::9 2>/dev/null; done; done >/dev/null || true; "
	      "for n in 3 5; do ip -6 route del fd00:244:$n::/64; done");
}

/* FRR gives the kernel nexthop objects, which its routes share. When one of those routes goes, the kernel
 * answers for the others that the network is unreachable, though it forwards by them. */
static void test_routes_that_share_a_nexthop(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start();
	struct step items[] = {
		backend_step(backend_of(1, "fd00:244:2::5", false)), /* by the object */
		backend_step(backend_of(2, "fd00:244:3::5", false)), /* by the object; this route goes */
		backend_step(backend_of(3, "fd00:244:4::5", false)), /* by a group of two */
		backend_step(backend_of(4, "fd00:244:5::5", false)), /* by the group; this route goes */
	};
	struct expected_hop expected = { 0, { 0 }, "up1" };
	struct datapath *datapath;

	memcpy(expected.mac, shared_mac, 6);
	make_shared_routes(peer);
	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	for (expected.id = 1; expected.id <= 4; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop by an object");
	lose_answers();
	expected.interface = NULL;
	for (expected.id = 2; expected.id <= 4; expected.id += 2)
		loop_until(*state, hop_is, &expected, "no route");
	expected.interface = "up1";
	for (expected.id = 1; expected.id <= 3; expected.id += 2)
		loop_until(*state, hop_is, &expected, "the other route of the object");
	close_current();
	host_stop(peer);
}

/* A rule that forbids is no answer that got lost, whichever way it says so. (Rules come first here: a change
 * of them makes void what the kernel has cached.) */
static void test_rules_above_shared_routes(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start();
	struct step items[] = {
		backend_step(backend_of(0, "fd00:244:2::5", false)), /* forbidden: unreachable */
		backend_step(backend_of(1, "fd00:244:4::5", false)), /* forbidden: prohibit */
		backend_step(backend_of(2, "10.244.2.5", false)),    /* forbidden: unreachable */
		backend_step(backend_of(3, "10.244.4.5", false)),    /* forbidden: prohibit */
		backend_step(backend_of(4, "fd00:244:6::5", false)), /* forbidden to others */
		backend_step(backend_of(5, "10.244.3.5", false)),    /* forbidden to others */
	};
	struct expected_hop expected = { 0, { 0 }, "up1" };
	struct datapath *datapath;

	memcpy(expected.mac, shared_mac, 6);
	make_shared_routes(peer);
	shell("ip -6 route add fd00:244:6::/64 nhid 16; "
	      "ip -6 rule add to fd00:244:2::/64 unreachable; ip -6 rule add to fd00:244:4::/64 prohibit; "
	      "ip rule add to 10.244.2.0/24 unreachable; ip rule add to 10.244.4.0/24 prohibit; "
	      "for which in 'fwmark 1' 'from fd00:77::/64' 'iif up0' 'oif up0' 'ipproto tcp' 'dport 80' 'tos "
	      "4'; "
	      "do ip -6 rule add $which to fd00:244:6::/64 unreachable; done; "
	      "ip -6 rule add goto 40000; " /* where no rule is: it goes on with the next */
	      "ip rule add fwmark 1 to 10.244.3.0/24 unreachable");
	lose_answers();
	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	for (expected.id = 4; expected.id <= 5; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop under rules that do not hold");
	/* The gateways are known, so what had a route would have its next hop. */
	expected.interface = NULL;
	for (expected.id = 0; expected.id <= 3; expected.id++)
		assert_true(hop_is(&expected));
	shell("for family in -4 -6; do while ip $family rule del unreachable 2>/dev/null || ip $family rule "
	      "del prohibit 2>/dev/null; do :; done; done");
	expected.interface = "up1";
	for (expected.id = 0; expected.id <= 5; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop when the rules are gone");
	close_current();
	host_stop(peer);
}

/* Rules have events of their own, and may split what one route covers. */
static void test_rules_are_followed(void **state)
{
	static const struct {
		const char *option, *destination;
		uint32_t inside, beside; /* backends */
	} rules[] = { { "-4", "10.244.2.128/25", 1, 0 }, { "-6", "fd00:244:2:0:8000::/65", 3, 2 } };
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start();
	struct step items[] = {
		backend_step(backend_of(0, "10.244.2.5", false)),
		backend_step(backend_of(1, "10.244.2.200", false)),
		backend_step(backend_of(2, "fd00:244:2::5", false)),
		backend_step(backend_of(3, "fd00:244:2:0:8000::5", false)),
	};
	struct expected_hop expected = { 0, { 0 }, "up1" };
	struct datapath *datapath;

	memcpy(expected.mac, shared_mac, 6);
	make_shared_routes(peer);
	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	for (expected.id = 0; expected.id <= 3; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop without rules");
	for (size_t round = 0; round < 6; round++) { /* the first ones may be seen by events of links */
		size_t i = round / 3;

		shell("ip %s rule add to %s unreachable", rules[i].option, rules[i].destination);
		expected.id = rules[i].inside;
		expected.interface = NULL;
		loop_until(*state, hop_is, &expected, "a rule that appears");
		expected.id = rules[i].beside;
		expected.interface = "up1";
		assert_true(hop_is(&expected));
		shell("ip %s rule del to %s unreachable", rules[i].option, rules[i].destination);
		expected.id = rules[i].inside;
		loop_until(*state, hop_is, &expected, "a rule that goes");
	}
	close_current();
	host_stop(peer);
}

/* Which interface carries the route to a BGP peer that is several hops away. */
static void test_peers_by_shared_routes(void **state)
{
	struct addr peers[] = { addr_of("fd00:244:2::9"), addr_of("10.244.7.9") };
	struct datapath_options options = options_for(NULL, 0);
	const struct interface_view *views;
	pid_t peer = host_start();
	struct datapath *datapath;

	make_shared_routes(peer);
	shell("ip nexthop add id 30 via 10.0.9.2 dev up0; for n in 6 7; do ip route add 10.244.$n.0/24 nhid "
	      "30; "
	      "done; ip route get 10.244.6.9 >/dev/null; ip route del 10.244.6.0/24");
	lose_answers();
	options.peers = peers;
	options.n_peers = ARRAY_SIZE(peers);
	datapath = open_with(*state, &options);
	assert_int_equal(datapath_interfaces(datapath, &views), 2);
	assert_string_equal(views[0].name, "up0");
	assert_string_equal(views[1].name, "up1");
	close_current();
	host_stop(peer);
}

/* Routes are dumped and told without next hops then; of what becomes of objects only objects' events tell. */
static void test_objects_without_compatibility(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start(), other = host_start();
	struct step items[] = {
		backend_step(backend_of(0, "fd00:244:2::5", false)), /* by the object */
		backend_step(backend_of(1, "fd00:244:4::5", false)), /* by a group of two */
		backend_step(backend_of(2, "10.244.2.5", false)),
		backend_step(backend_of(3, "10.244.4.5", false)),
	};
	struct expected_hop expected = { 0, { 0 }, "up1" };
	struct datapath *datapath;

	memcpy(expected.mac, shared_mac, 6);
	make_shared_routes(peer);
	shell("ip link set down0 netns %d; nsenter -t %d -n sh -c 'ip link set down0 address "
	      "02:00:00:00:00:09 up; "
	      "ip addr add 10.0.9.2/24 dev down0; ip addr add fd00:9::2/64 dev down0 nodad'; "
	      "ip addr add fd00:9::1/64 dev up0 nodad",
	      other, other);
	shell("while ip -6 addr show tentative | grep -q inet6; do sleep 0.05; done; "
	      "sysctl -qw net.ipv4.nexthop_compat_mode=0");
	lose_answers();
	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	for (expected.id = 0; expected.id <= 3; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop by an object");

	shell("for id in 16 17; do ip nexthop replace id $id via fd00:9::2 dev up0; done; "
	      "for id in 26 27; do ip nexthop replace id $id via 10.0.9.2 dev up0; done");
	expected = (struct expected_hop){ 0, { 2, 0, 0, 0, 0, 9 }, "up0" };
	for (expected.id = 0; expected.id <= 3; expected.id++)
		loop_until(*state, hop_is, &expected, "an object that leads elsewhere");
	shell("for id in 16 17 26 27; do ip nexthop del id $id; done");
	expected.interface = NULL;
	for (expected.id = 0; expected.id <= 3; expected.id++)
		loop_until(*state, hop_is, &expected, "an object that goes");
	shell("sysctl -qw net.ipv4.nexthop_compat_mode=1");
	close_current();
	host_stop(peer);
	host_stop(other);
}

static bool two_interfaces(void *userdata)
{
	const struct interface_view *views;

	return datapath_interfaces(userdata, &views) == 2;
}

/* The default route of each family in turn, by a group: both of its interfaces carry it. */
static void test_default_routes_without_compatibility(void **state)
{
	static const char *const families[] = { "-4", "-6" };
	struct datapath_options options = options_for(NULL, 0);

	shell("sysctl -qw net.ipv4.nexthop_compat_mode=0");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct interface_view *views;
		struct datapath *datapath;

		shell("ip link add up1 type veth peer name down1; ip link set up1 up; ip link set down1 up; "
		      "ip addr add 10.0.9.1/24 dev up0; ip addr add 10.0.0.1/24 dev up1; "
		      "ip addr add fd00:9::1/64 dev up0 nodad; ip addr add fd00::1/64 dev up1 nodad; "
		      "ip nexthop add id 16 via fd00:9::2 dev up0; ip nexthop add id 17 via fd00::2 dev up1; "
		      "ip nexthop add id 26 via 10.0.9.2 dev up0; ip nexthop add id 27 via 10.0.0.2 dev up1; "
		      "ip nexthop add id 18 group 16/17; ip nexthop add id 28 group 26/27");
		datapath = open_with(*state, &options);
		assert_int_equal(datapath_interfaces(datapath, &views), 0);
		shell("ip %s route add default nhid %d", families[i], i ? 18 : 28);
		loop_until(*state, two_interfaces, datapath, "the default route's interfaces");
		close_current();
		datapath_cleanup(SANDBOX_PINS);
		shell("ip nexthop flush >/dev/null; ip link del up1; ip addr flush dev up0");
	}
	shell("sysctl -qw net.ipv4.nexthop_compat_mode=1");
}

/* --- routes with several next hops -------------------------------------------------------------- */

struct wanted_route {
	struct prefix destination;
	struct route_info found;
};

static void want_route(void *userdata, const struct route_info *route)
{
	struct wanted_route *wanted = userdata;

	if (prefix_compare(&route->destination, &wanted->destination) == 0)
		wanted->found = *route;
}

static struct route_info dumped_route(const char *text)
{
	struct wanted_route wanted = { 0 };
	struct netlink *netlink;

	assert_int_equal(prefix_parse(text, &wanted.destination), 0);
	assert_int_equal(netlink_open(NULL, NULL, &netlink), 0);
	assert_int_equal(netlink_each_route(netlink, wanted.destination.addr.family, want_route, &wanted), 0);
	netlink_close(netlink);
	return wanted.found;
}

/* The first next hop has lost its carrier: with the device's consent its route goes on, else it is dead. */
static void test_dead_next_hops(void **state _unused_)
{
	static const char *const both[] = { "10.244.2.0/24", "fd00:244:2::/64" };
	static const char *const one[] = { "10.244.3.0/24", "fd00:244:3::/64" };
	struct addr living[] = { addr_of("10.0.0.2"), addr_of("fd00::2") };

	shell("ip link add up1 type veth peer name down1; ip link set up1 up; ip link set down1 up; "
	      "ip addr add 10.0.9.1/24 dev up0; ip addr add 10.0.0.1/24 dev up1; "
	      "ip addr add fd00:9::1/64 dev up0 nodad; ip addr add fd00::1/64 dev up1 nodad; "
	      "ip route add 10.244.2.0/24 nexthop via 10.0.9.2 dev up0 nexthop via 10.0.0.2 dev up1; "
	      "ip -6 route add fd00:244:2::/64 nexthop via fd00:9::2 dev up0 nexthop via fd00::2 dev up1; "
	      "ip route add 10.244.3.0/24 via 10.0.9.2; ip -6 route add fd00:244:3::/64 via fd00:9::2");
	for (int i = 0; i < 2; i++)
		assert_int_equal(dumped_route(both[i]).hop.ifindex, if_nametoindex("up0"));
	shell("ip link set down0 down; until ip route show 10.244.3.0/24 | grep -q linkdown && "
	      "ip -6 route show fd00:244:3::/64 | grep -q linkdown; do sleep 0.05; done");
	for (int i = 0; i < 2; i++) {
		struct route_info route = dumped_route(both[i]);

		assert_int_equal(route.n_ifindex, 2);
		assert_int_equal(route.hop.ifindex, if_nametoindex("up1"));
		assert_true(addr_equal(&route.hop.gateway, &living[i]));
		assert_int_equal(dumped_route(one[i]).hop.ifindex, if_nametoindex("up0"));
	}
	shell("sysctl -qw net.ipv4.conf.up0.ignore_routes_with_linkdown=1 "
	      "net.ipv6.conf.up0.ignore_routes_with_linkdown=1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dumped_route(both[i]).hop.ifindex, if_nametoindex("up1"));
		assert_int_equal(dumped_route(one[i]).n_ifindex, 1);
		assert_int_equal(dumped_route(one[i]).hop.ifindex, 0);
	}
}

/* What the kernel says of a next hop is read of objects, too: of these it calls none dead, for it removes
 * them with their interface's carrier. */
static void test_flags_of_objects(void **state _unused_)
{
	static const char *const routes[] = { "10.244.2.0/24", "fd00:244:2::/64" };

	shell("ip addr add 10.0.9.1/24 dev up0; ip addr add fd00:9::1/64 dev up0 nodad; "
	      "ip nexthop add id 26 via 10.0.9.2 dev up0 onlink; ip nexthop add id 28 group 26; "
	      "ip nexthop add id 16 via fd00:9::2 dev up0 onlink; ip nexthop add id 18 group 16; "
	      "ip route add 10.244.2.0/24 nhid 28; ip route add fd00:244:2::/64 nhid 18");
	for (int compatible = 1; compatible >= 0; compatible--) {
		shell("sysctl -qw net.ipv4.nexthop_compat_mode=%d", compatible);
		for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
			struct route_info route = dumped_route(routes[i]);
			struct netlink *netlink;

			assert_int_equal(netlink_open(NULL, NULL, &netlink), 0);
			assert_int_equal(netlink_route_complete(netlink, &route), 0);
			netlink_close(netlink);
			assert_int_equal(route.n_ifindex, 1);
			assert_int_equal(route.hop.ifindex, if_nametoindex("up0"));
			assert_int_equal(route.hop_flags, RTNH_F_ONLINK);
		}
	}
	shell("sysctl -qw net.ipv4.nexthop_compat_mode=1");
}

/* --- the host --------------------------------------------------------------------------------- */

static void test_host(void **state)
{
	struct datapath_options options = options_for(up_globs, 1);
	struct datapath *datapath;
	const struct host_finding *ports;

	shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv4.ip_local_reserved_ports=8080");
	datapath = open_with(*state, &options);
	assert_non_null(finding(datapath, "net.ipv4.ip_forward"));
	assert_true(finding(datapath, "net.ipv4.ip_forward")->harmful);
	ports = finding(datapath, "net.ipv4.ip_local_reserved_ports");
	assert_non_null(ports);
	assert_string_equal(ports->found, "61000-65535, the SNAT ports: added by lbagent");
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 8080,61000-65535"),
			 0);
	shell("sysctl -qw net.ipv4.ip_forward=1");
	assert_null(finding(datapath, "net.ipv4.ip_forward"));
	close_current();
	datapath = open_with(*state, &options);
	assert_string_equal(finding(datapath, "net.ipv4.ip_local_reserved_ports")->found,
			    "61000-65535, the SNAT ports: added by lbagent");
	close_current();
	/* What we added goes with us; what was there before stays. */
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 8080"), 0);
	shell("sysctl -qw net.ipv4.ip_local_reserved_ports=61000-65535");
	datapath = open_with(*state, &options);
	assert_string_equal(finding(datapath, "net.ipv4.ip_local_reserved_ports")->found,
			    "61000-65535, the SNAT ports: reserved");
	close_current();
	assert_int_equal(datapath_cleanup(SANDBOX_PINS), 0);
	assert_int_equal(system("test \"$(sysctl -n net.ipv4.ip_local_reserved_ports)\" = 61000-65535"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SMALL_WORLD_TEST(test_next_hops),
		SMALL_WORLD_TEST(test_routes_that_share_a_nexthop),
		SMALL_WORLD_TEST(test_rules_above_shared_routes),
		SMALL_WORLD_TEST(test_rules_are_followed),
		SMALL_WORLD_TEST(test_peers_by_shared_routes),
		SMALL_WORLD_TEST(test_objects_without_compatibility),
		SMALL_WORLD_TEST(test_default_routes_without_compatibility),
		SMALL_WORLD_TEST(test_dead_next_hops),
		SMALL_WORLD_TEST(test_flags_of_objects),
		SMALL_WORLD_TEST(test_host),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
