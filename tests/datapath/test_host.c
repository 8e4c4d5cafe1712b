// SPDX-License-Identifier: Apache-2.0
/* What the data path takes from the host: next hops by its routes and neighbours, and findings about its
 * settings. */
#include <bpf/bpf.h>
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
#include "userspace/base/cleanup.h"

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

/* FRR gives the kernel nexthop objects, which its routes share. When one of those routes goes, the kernel
 * answers for the others that the network is unreachable, though it forwards by them: on each CPU that has
 * cached the object's destination for the one that went. */
static void test_routes_that_share_a_nexthop(void **state)
{
	static const char ask[] =
		"for c in $(seq 0 $(nproc)); do for n in 3 5; do taskset -c $c ip -6 route get "
		"fd00:244:$n::9 2>/dev/null; done; done >/dev/null || true";
	struct datapath_options options = options_for(up_globs, 1);
	pid_t peer = host_start();
	struct step items[] = {
		backend_step(backend_of(1, "fd00:244:2::5", false)), /* by the object */
		backend_step(backend_of(2, "fd00:244:3::5", false)), /* by the object; this route goes */
		backend_step(backend_of(3, "fd00:244:4::5", false)), /* by a group of two */
		backend_step(backend_of(4, "fd00:244:5::5", false)), /* by the group; this route goes */
	};
	struct expected_hop expected = { 0, { 2, 0, 0, 0, 0, 2 }, "up1" };
	struct datapath *datapath;

	shell("ip link add up1 type veth peer name eth0 address 02:00:00:00:00:02 netns %d", peer);
	shell("ip link set up1 address 02:00:00:00:00:01 up; ip addr add fd00::1/64 dev up1 nodad");
	shell("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add fd00::2/64 dev eth0 nodad'", peer);
	shell("ip nexthop add id 16 via fd00::2 dev up1; ip nexthop add id 17 via fd00::2 dev up1; "
	      "ip nexthop add id 18 group 16/17");
	shell("for n in 2 3; do ip -6 route add fd00:244:$n::/64 nhid 16; done; "
	      "for n in 4 5; do ip -6 route add fd00:244:$n::/64 nhid 18; done");

	datapath = open_with(*state, &options);
	execute(datapath, STEP_MAKE, items, ARRAY_SIZE(items));
	for (expected.id = 1; expected.id <= 4; expected.id++)
		loop_until(*state, hop_is, &expected, "next hop by an object");
	/* A change of addresses makes what the kernel has cached void. */
	shell("ip -6 addr add fd00:99::1/128 dev lo nodad; %s; ip -6 route del fd00:244:3::/64; "
	      "ip -6 route del fd00:244:5::/64",
	      ask);
	expected.interface = NULL;
	for (expected.id = 2; expected.id <= 4; expected.id += 2)
		loop_until(*state, hop_is, &expected, "no route");
	expected.interface = "up1";
	for (expected.id = 1; expected.id <= 3; expected.id += 2)
		loop_until(*state, hop_is, &expected, "the other route of the object");
	close_current();
	host_stop(peer);
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
		SMALL_WORLD_TEST(test_host),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
