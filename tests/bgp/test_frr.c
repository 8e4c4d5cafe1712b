// SPDX-License-Identifier: Apache-2.0
/* The driver against real FRR: what the router receives, what restarts and failures do, and that nothing flaps. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/bgp/frr_lab.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

static struct frr_lab lab;

static int setup(void **state _unused_)
{
	frr_lab_up(&lab);
	frr_lab_configure(lab.router, "ip route 10.244.9.0/24 blackhole\n"
				      "ip route 192.0.2.99/32 blackhole\n"
				      "ipv6 route fd00:244:0:9::/64 blackhole\n"
				      "route-map ALL permit 10\nexit\n"
				      "bfd\nprofile fast\ntransmit-interval 100\nreceive-interval 100\nexit\nexit\n"
				      "router bgp 65000\n"
				      "no bgp default ipv4-unicast\n"
				      "no bgp network import-check\n"
				      "neighbor 10.9.0.1 remote-as 65001\n"
				      "neighbor 10.9.0.1 timers connect 1\n"
				      "neighbor fd09::1 remote-as 65001\n"
				      "neighbor fd09::1 timers connect 1\n"
				      "address-family ipv4 unicast\n"
				      "network 10.244.9.0/24\nnetwork 192.0.2.99/32\n"
				      "neighbor 10.9.0.1 activate\n"
				      "neighbor 10.9.0.1 default-originate\n"
				      "neighbor 10.9.0.1 route-map ALL in\n"
				      "neighbor 10.9.0.1 route-map ALL out\n"
				      "exit-address-family\n"
				      "address-family ipv6 unicast\n"
				      "network fd00:244:0:9::/64\n"
				      "neighbor fd09::1 activate\n"
				      "neighbor fd09::1 route-map ALL in\n"
				      "neighbor fd09::1 route-map ALL out\n"
				      "exit-address-family\n");
	frr_lab_put(&lab, "apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\n"
			  "spec: { podCIDRs: [ 10.244.1.0/24, \"fd00:244:0:1::/64\" ] }\n"
			  "status: { addresses: [ { type: InternalIP, address: 10.9.0.1 } ] }\n---\n"
			  "apiVersion: fairway.dev/v1alpha1\nkind: ServiceIPPool\nmetadata: { name: public }\n"
			  "spec: { addresses: [ 192.0.2.0/24, 198.18.0.0/15, \"2001:db8:1::/112\" ] }\n---\n"
			  "apiVersion: fairway.dev/v1alpha1\nkind: BGPPeer\nmetadata: { name: tor4 }\n"
			  "spec: { myASN: 65001, peerASN: 65000, peerAddress: 10.9.0.2 }\n---\n"
			  "apiVersion: fairway.dev/v1alpha1\nkind: BGPPeer\nmetadata: { name: tor6 }\n"
			  "spec: { myASN: 65001, peerASN: 65000, peerAddress: \"fd09::2\" }\n");
	frr_lab_service(&lab, "shop", "192.0.2.10");
	frr_lab_service(&lab, "shop6", "2001:db8:1::10");
	frr_lab_driver(&lab);
	return 0;
}

static int teardown(void **state _unused_)
{
	frr_lab_down(&lab);
	return 0;
}

static void want_and_wait(void)
{
	frr_lab_want(&lab);
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync");
}

static unsigned drops_of_router(void)
{
	const char *text = frr_lab_ask(lab.router, "show bgp neighbors json"), *at;
	unsigned drops = 0;

	for (at = text; (at = strstr(at, "\"connectionsDropped\":")); at++)
		drops += (unsigned)atoi(at + strlen("\"connectionsDropped\":"));
	return drops;
}

/* Prefixes that the router has from the node. */
static unsigned received_by_router(const char *neighbor)
{
	const char *text = frr_lab_ask(lab.router, "show bgp summary json");

	text = strstr(text, neighbor);
	text = text ? strstr(text, "\"pfxRcd\":") : NULL;
	return text ? (unsigned)atoi(text + strlen("\"pfxRcd\":")) : 0;
}

static void test_nothing_is_changed_before_the_first_want(void **state _unused_)
{
	frr_lab_until(&lab, !strcmp(frr_daemon_state(lab.frr), "connected"), "connected");
	frr_lab_run(&lab, 300);
	assert_int_equal(frr_commands(lab.frr), 0);
	assert_false(frr_in_sync(lab.frr));
	assert_null(strstr(frr_lab_ask(lab.node, "show running-config"), "router bgp"));
}

static void test_routes_reach_the_router_and_pod_cidrs_come_back(void **state _unused_)
{
	const struct frr_peer_view *peer;
	struct prefix prefix;
	const char *table;

	assert_string_equal(frr_lab_want(&lab), "");
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync");
	prefix_parse("192.0.2.10/32", &prefix);
	assert_true(frr_announces(lab.frr, &prefix));
	prefix_parse("192.0.2.11/32", &prefix);
	assert_false(frr_announces(lab.frr, &prefix));
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4") && frr_lab_established(&lab, "tor6"), "established");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.10/32"), "the VIP at the router");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "10.244.1.0/24"), "the PodCIDR at the router");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "2001:db8:1::10/128"), "the IPv6 VIP at the router");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "fd00:244:0:1::/64"), "the IPv6 PodCIDR at the router");
	frr_lab_until(&lab, (peer = frr_lab_peer(&lab, "tor4"))->prefixes_received == 1 && peer->prefixes_sent == 2,
		      "one prefix taken of four (ours comes back), two sent");
	assert_int_equal(peer->remote_asn, 65000);
	assert_int_equal(peer->prefixes_wanted, 2);
	assert_string_equal(peer->last_error, "");
	table = frr_lab_ask(lab.node, "show bgp ipv4 unicast json");
	assert_non_null(strstr(table, "10.244.9.0/24"));
	assert_null(strstr(table, "192.0.2.99/32"));
	assert_null(strstr(table, "0.0.0.0/0"));
	frr_lab_until(&lab, strstr(frr_lab_ask(lab.node, "show bgp ipv6 unicast json"), "fd00:244:0:9::/64"), "its IPv6 PodCIDR");
}

/* A new driver, as of a restarted agent, finds everything as it shall be: not one command, before and after its want. */
static void test_restart_of_the_agent_changes_nothing(void **state _unused_)
{
	unsigned drops = drops_of_router();

	frr_lab_driver(&lab);
	frr_lab_until(&lab, !strcmp(frr_daemon_state(lab.frr), "connected"), "connected");
	frr_lab_run(&lab, 200);
	want_and_wait();
	assert_int_equal(frr_commands(lab.frr), 0);
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4"), "established as before");
	assert_int_equal(drops_of_router(), drops);
}

static void test_many_services_never_touch_a_session(void **state _unused_)
{
	unsigned drops = drops_of_router(), i;
	char name[16], vip[32];

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		snprintf(vip, sizeof(vip), "198.18.%u.%u", i / 250, i % 250);
		frr_lab_service(&lab, name, vip);
		if (i % 50 == 0) { /* in the midst of applying, too */
			frr_lab_want(&lab);
			frr_lab_run(&lab, 15);
		}
	}
	want_and_wait();
	frr_lab_until(&lab, received_by_router("10.9.0.1") == 502, "500 more at the router");
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		frr_lab_remove(&lab, OBJECT_SERVICE, "web", name);
		if (i % 100 == 0) {
			frr_lab_want(&lab);
			frr_lab_run(&lab, 15);
		}
	}
	want_and_wait();
	frr_lab_until(&lab, received_by_router("10.9.0.1") == 2, "none of the 500 left");
	/* bgpd counts a withdrawn prefix out at once and takes it from the table a little later */
	frr_lab_until(&lab, !strstr(frr_lab_ask(lab.router, "show bgp ipv4 unicast json"), "\"198.18."),
		      "none of the 500 in the table");
	assert_true(frr_lab_router_has(&lab, "192.0.2.10/32"));
	assert_int_equal(drops_of_router(), drops);
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4"), "established all the time");
}

/* Communities change: the router sees one update, never a withdrawal. */
static void test_attributes_change_without_a_gap(void **state _unused_)
{
	unsigned drops = drops_of_router();
	char log[64], line[256];
	FILE *file;

	snprintf(log, sizeof(log), "/tmp/%s.log", lab.router);
	snprintf(line, sizeof(line), "log file %s debugging", log);
	frr_lab_configure(lab.router, line);
	frr_lab_ask(lab.router, "debug bgp updates in");
	frr_lab_put(&lab, "apiVersion: fairway.dev/v1alpha1\nkind: BGPAdvertisement\nmetadata: { name: services }\n"
			  "spec: { communities: [ \"65001:7\", \"large:1:2:3\" ] }\n---\n"
			  "apiVersion: fairway.dev/v1alpha1\nkind: BGPAdvertisement\nmetadata: { name: pods }\n"
			  "spec: { advertisementType: PodCIDR }\n");
	want_and_wait();
	frr_lab_until(&lab, strstr(frr_lab_ask(lab.router, "show bgp ipv4 unicast 192.0.2.10/32"), "65001:7"),
		      "the community at the router");
	assert_non_null(strstr(frr_lab_ask(lab.router, "show bgp ipv4 unicast 192.0.2.10/32"), "1:2:3"));
	assert_null(strstr(frr_lab_ask(lab.router, "show bgp ipv4 unicast 10.244.1.0/24"), "65001:7"));
	frr_lab_ask(lab.router, "no debug bgp updates in");
	file = fopen(log, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "withdrawn") && strstr(line, "192.0.2.10"))
			fail_msg("withdrawn meanwhile: %s", line);
	fclose(file);
	unlink(log);
	assert_int_equal(drops_of_router(), drops);
	/* and nothing of the old class is left */
	assert_int_equal(frr_lab_count(frr_lab_ask(lab.node, "show running-config"), " deny 65535"), 2 + 2 + 2 + 1);
}

static bool sessions_stand(void)
{
	return frr_lab_established(&lab, "tor4") && frr_lab_established(&lab, "tor6");
}

/* Attributes change, then a Service goes, all within the first second of new sessions: bgpd must not forget the withdrawal. */
static void test_a_withdrawal_in_the_first_second_of_a_session(void **state _unused_)
{
	uint64_t uptime_sec;
	unsigned round;

	for (round = 0; round < 3; round++) {
		frr_lab_service(&lab, "brief", "192.0.2.11");
		frr_lab_service(&lab, "brief6", "2001:db8:1::11");
		want_and_wait();
		frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.11/32") && frr_lab_router_has(&lab, "2001:db8:1::11/128"),
			      "both VIPs at the router");
		uptime_sec = frr_lab_peer(&lab, "tor4")->uptime_sec;
		frr_lab_ask(lab.router, "clear bgp *");
		/* away for a second, looked at twice a second: or not, on a busy machine */
		frr_lab_until(&lab, !sessions_stand() || frr_lab_peer(&lab, "tor4")->uptime_sec < uptime_sec, "sessions end");
		frr_lab_until(&lab, sessions_stand(), "sessions again");
		frr_lab_put(&lab, "apiVersion: fairway.dev/v1alpha1\nkind: BGPAdvertisement\nmetadata: { name: services }\n"
				  "spec: { communities: [ \"65001:%u\" ] }\n", 20 + round);
		want_and_wait();
		frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.11/32") && frr_lab_router_has(&lab, "2001:db8:1::11/128"),
			      "both VIPs at the router by the new sessions");
		frr_lab_remove(&lab, OBJECT_SERVICE, "web", "brief");
		frr_lab_remove(&lab, OBJECT_SERVICE, "web", "brief6");
		want_and_wait();
		frr_lab_until(&lab, !frr_lab_router_has(&lab, "192.0.2.11/32"), "the VIP withdrawn");
		frr_lab_until(&lab, !frr_lab_router_has(&lab, "2001:db8:1::11/128"), "the IPv6 VIP withdrawn");
	}
}

static void test_bgpd_stopped(void **state _unused_)
{
	frr_lab_kill(&lab, lab.node, "bgpd", SIGSTOP);
	frr_lab_service(&lab, "late", "192.0.2.20");
	frr_lab_want(&lab);
	frr_lab_until(&lab, !strcmp(frr_daemon_state(lab.frr), "not answering"), "not answering");
	assert_string_equal(frr_lab_peer(&lab, "tor4")->state, "unreachable");
	assert_false(frr_in_sync(lab.frr));
	frr_lab_kill(&lab, lab.node, "bgpd", SIGCONT);
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync again");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.20/32"), "what came meanwhile at the router");
}

/* Half a second after everything is in sync, or when the loop gets to it. */
static void wait_for_file(void)
{
	struct stat status;

	frr_lab_until(&lab, !stat(lab.config_file, &status), "the file is written");
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_bgpd_killed(void **state _unused_)
{
	struct prefix prefix;

	prefix_parse("192.0.2.10/32", &prefix);
	wait_for_file();
	frr_lab_kill(&lab, lab.node, "bgpd", SIGKILL);
	frr_lab_until(&lab, !strcmp(frr_daemon_state(lab.frr), "not running"), "not running");
	assert_false(frr_announces(lab.frr, &prefix));
	unlink(lab.config_file); /* begins empty: everything is replayed */
	frr_lab_daemon(&lab, lab.node, "bgpd");
	frr_lab_until(&lab, frr_in_sync(lab.frr), "replayed");
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4") && frr_lab_router_has(&lab, "192.0.2.10/32"), "back at the router");

	frr_lab_driver(&lab); /* a new driver writes the file anew */
	want_and_wait();
	wait_for_file();
	frr_lab_kill(&lab, lab.node, "bgpd", SIGKILL);
	frr_lab_until(&lab, !strcmp(frr_daemon_state(lab.frr), "not running"), "not running");
	frr_free(lab.frr); /* without an agent, from the file alone */
	lab.frr = NULL;
	frr_lab_daemon(&lab, lab.node, "bgpd");
	frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.10/32"), "back at the router from the file");
	frr_lab_driver(&lab);
	want_and_wait();
	assert_int_equal(frr_commands(lab.frr), 0); /* the file is what was wanted, to the letter */
}

static void test_password_and_bfd(void **state _unused_)
{
	unsigned drops;

	frr_lab_put(&lab, "apiVersion: fairway.dev/v1alpha1\nkind: BGPPeer\nmetadata: { name: tor4 }\n"
			  "spec: { myASN: 65001, peerASN: 65000, peerAddress: 10.9.0.2, passwordSecret: { name: tor }, bfdProfile: fast,"
			  " maxPrefixesReceived: 100 }\n");
	assert_non_null(strstr(frr_lab_want(&lab), "BGPPeer/tor4: Secret fairway-system/tor not found"));
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync");
	assert_null(strstr(frr_lab_ask(lab.node, "show running-config"), "10.9.0.2")); /* no session without its password */
	frr_lab_until(&lab, frr_lab_established(&lab, "tor6"), "the other session established");
	frr_lab_put(&lab, "apiVersion: v1\nkind: Secret\nmetadata: { namespace: fairway-system, name: tor }\n"
			  "data: { password: czNjcmV0 }\n---\n"
			  "apiVersion: fairway.dev/v1alpha1\nkind: BFDProfile\nmetadata: { name: fast }\n"
			  "spec: { transmitInterval: 100, receiveInterval: 100 }\n");
	frr_lab_configure(lab.router, "router bgp 65000\nneighbor 10.9.0.1 password s3cret\nneighbor 10.9.0.1 bfd\n"
				      "neighbor 10.9.0.1 bfd profile fast");
	assert_string_equal(frr_lab_want(&lab), "");
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync");
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4"), "established with the password");
	frr_lab_until(&lab, !strcmp(frr_lab_peer(&lab, "tor4")->bfd, "up"), "BFD up");
	assert_non_null(strstr(frr_lab_ask(lab.node, "show bfd peers json"), "\"transmit-interval\":100"));
	frr_lab_driver(&lab);
	want_and_wait();
	frr_lab_run(&lab, 200);
	assert_int_equal(frr_commands(lab.frr), 0);
	/* a changed profile reaches bfdd, and no session is reset */
	frr_lab_until(&lab, frr_lab_established(&lab, "tor4") && !strcmp(frr_lab_peer(&lab, "tor4")->bfd, "up"), "both up");
	drops = drops_of_router();
	frr_lab_put(&lab, "apiVersion: fairway.dev/v1alpha1\nkind: BFDProfile\nmetadata: { name: fast }\nspec: { transmitInterval: 200 }\n");
	want_and_wait();
	frr_lab_until(&lab, strstr(frr_lab_ask(lab.node, "show bfd peers json"), "\"transmit-interval\":200"), "the new interval");
	assert_int_equal(drops_of_router(), drops);
}

#define PEER(name) "---\napiVersion: fairway.dev/v1alpha1\nkind: BGPPeer\nmetadata: { name: " name " }\nspec: "

/* What is written must be printed the same way, or every agent that starts would write it again: apply(apply(x)) is no
 * command, for every statement that there is. These peers are nowhere, and the one by interface is the router. */
static void test_every_statement_comes_back_as_written(void **state _unused_)
{
	const char *running;

	frr_lab_put(&lab,
		    "apiVersion: fairway.dev/v1alpha1\nkind: BFDProfile\nmetadata: { name: odd }\n"
		    "spec: { transmitInterval: 70, receiveInterval: 80, detectMultiplier: 5, echoInterval: 60, echoMode: true, "
		    "passiveMode: true, minimumTtl: 250 }\n" PEER(
			    "a1") "{ myASN: 65001, peerASN: 65100, peerAddress: 10.9.0.101, peerPort: 1790, sourceAddress: 10.9.0.1, "
				  "ebgpMultiHop: true, ebgpMultiHopTTL: 4, holdTime: 60s, keepaliveTime: 7s, connectTime: 9s, bfdProfile: odd }\n" PEER(
				  "a2") "{ myASN: 65001, peerASN: 65100, peerAddress: 10.9.0.102, localASN: 65009, ttlSecurity: 2, allowASIn: 3, "
					"maxPrefixesReceived: 12 }\n" PEER(
					"a3") "{ myASN: 65001, peerASN: 65001, peerAddress: 10.9.0.103, enableGracefulRestart: true, "
					      "gracefulRestartTime: 77s, passwordSecret: { name: tor }, allowASIn: 5 }\n" PEER(
					      "a4") "{ myASN: 65300, dynamicASN: external, peerAddress: \"fd09::104\", "
						    "addressFamilies: [ ipv4, ipv6 ], sourceAddress: \"fd09::1\" }\n" PEER(
						    "a5") "{ myASN: 65001, dynamicASN: internal, peerAddress: \"FD09:0:0::105\", ttlSecurity: 1 }\n" PEER(
							  "a6") "{ myASN: 65001, dynamicASN: external, interface: up0 }\n" PEER(
								"a7") "{ myASN: 65001, peerASN: 4200000000, interface: up9, addressFamilies: [ ipv6 ] }\n" PEER(
								"a8") "{ myASN: 65001, peerASN: 65100, peerAddress: 10.9.0.108, ebgpMultiHop: true, holdTime: 0s }\n" PEER(
								"a9") "{ myASN: 65001, peerASN: 65100, peerAddress: 10.9.0.109, routerID: 10.9.0.9, "
								      "holdTime: 180s, keepaliveTime: 60s, connectTime: 120s }\n");
	frr_lab_configure(lab.router, "router bgp 65000\nneighbor down0 interface remote-as external\nneighbor down0 timers connect 1\n"
				      "address-family ipv4 unicast\nneighbor down0 activate\nneighbor down0 route-map ALL in\n"
				      "neighbor down0 route-map ALL out\nexit-address-family\n"
				      "address-family ipv6 unicast\nneighbor down0 activate\nneighbor down0 route-map ALL in\n"
				      "neighbor down0 route-map ALL out\nexit-address-family");
	assert_string_equal(frr_lab_want(&lab), "");
	frr_lab_until(&lab, frr_in_sync(lab.frr), "in sync");
	running = frr_lab_ask(lab.node, "show running-config");
	assert_non_null(strstr(running, "neighbor 10.9.0.102 local-as 65009 no-prepend replace-as"));
	assert_non_null(strstr(running, "neighbor fd09::104 local-as 65300 no-prepend replace-as"));
	assert_non_null(strstr(running, "neighbor fd09::105 remote-as internal"));
	assert_non_null(strstr(running, "neighbor up9 interface remote-as 4200000000"));
	assert_non_null(strstr(running, "bgp graceful-restart restart-time 77"));
	frr_lab_driver(&lab);
	want_and_wait();
	frr_lab_run(&lab, 300); /* bfdd too */
	assert_int_equal(frr_commands(lab.frr), 0);
	frr_lab_until(&lab, frr_lab_established(&lab, "a6"), "unnumbered session established");
	assert_string_equal(frr_lab_peer(&lab, "a6")->interface, "up0");
	assert_int_equal(frr_lab_peer(&lab, "a6")->remote_asn, 65000);
	assert_string_not_equal(frr_lab_peer(&lab, "a1")->state, "Established");
	/* and away with all of it */
	for (const char *name = "123456789"; *name; name++)
		frr_lab_remove(&lab, OBJECT_BGP_PEER, "", (char[]){ 'a', *name, 0 });
	frr_lab_configure(lab.router, "router bgp 65000\nno neighbor down0 interface remote-as external");
	want_and_wait();
	running = frr_lab_ask(lab.node, "show running-config");
	assert_null(strstr(running, "10.9.0.10"));
	assert_null(strstr(running, "up0"));
	assert_null(strstr(running, "graceful-restart"));
	frr_lab_until(&lab, !strstr(frr_lab_ask(lab.node, "show running-config"), "LBB-odd"), "the BFD profile gone");
}

static void test_drift_of_neighbours_is_told_from_ours(void **state _unused_)
{
	frr_lab_configure(lab.node, "router bgp 65001\nneighbor 10.9.0.77 remote-as 65077\nneighbor 10.9.0.77 description theirs");
	frr_lab_driver(&lab);
	want_and_wait();
	assert_int_equal(frr_commands(lab.frr), 0);
	assert_non_null(strstr(frr_lab_ask(lab.node, "show running-config"), "10.9.0.77"));
	frr_lab_configure(lab.node, "router bgp 65001\nno neighbor 10.9.0.77\naddress-family ipv4 unicast\nno network 192.0.2.10/32");
	frr_lab_driver(&lab); /* what was taken away is put back */
	want_and_wait();
	frr_lab_until(&lab, frr_lab_router_has(&lab, "192.0.2.10/32"), "repaired");
}

/* A router of another make: BIRD takes bgpd's place there. */
static void test_bird_as_router(void **state _unused_)
{
	static const char config[] = "log \"/dev/null\" all;\nrouter id 10.9.0.2;\nprotocol device { }\n"
				     "protocol static { ipv4; route 10.244.9.0/24 blackhole; route 192.0.2.99/32 blackhole; }\n"
				     "protocol bgp n4 { local 10.9.0.2 as 65000; neighbor 10.9.0.1 as 65001; connect retry time 1; "
				     "password \"s3cret\"; ipv4 { import all; export all; }; }\n"
				     "protocol bgp n6 { local fd09::2 as 65000; neighbor fd09::1 as 65001; connect retry time 1; "
				     "ipv6 { import all; export all; }; }\n";
	char path[128], command[512], socket_path[128], line[256];
	bool vip = false, vip6 = false;
	unsigned turns = 0;
	FILE *file;

	frr_lab_kill(&lab, lab.router, "bgpd", SIGTERM);
	snprintf(path, sizeof(path), "/run/frr/%s/bird.conf", lab.router);
	snprintf(socket_path, sizeof(socket_path), "/run/frr/%s/bird.ctl", lab.router);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(config, file);
	fclose(file);
	snprintf(command, sizeof(command), "ip netns exec %s ss -Hltn 'sport = :179' | grep -q .", lab.router);
	frr_lab_until(&lab, system(command), "bgpd has left port 179");
	snprintf(command, sizeof(command), "ip netns exec %s bird -c %s -s %s -P /run/frr/%s/bird.pid </dev/null >/dev/null 2>&1",
		 lab.router, path, socket_path, lab.router);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "birdc -s %s show route 2>/dev/null </dev/null", socket_path);
	while (!vip || !vip6) {
		frr_lab_turn(&lab, "the VIPs in BIRD's table", &turns);
		file = popen(command, "re");
		assert_non_null(file);
		for (vip = vip6 = false; fgets(line, sizeof(line), file);) {
			vip |= !strncmp(line, "192.0.2.10/32 ", 14);
			vip6 |= !strncmp(line, "2001:db8:1::10/128 ", 19);
		}
		pclose(file);
	}
	frr_lab_until(&lab, frr_lab_peer(&lab, "tor4")->prefixes_received == 1, "its PodCIDR alone was taken");
	snprintf(command, sizeof(command), "birdc -s %s down >/dev/null 2>&1 </dev/null", socket_path);
	assert_int_equal(system(command), 0);
	frr_lab_until(&lab, !frr_lab_established(&lab, "tor4"), "BIRD gone");
	frr_lab_until(&lab, *frr_lab_peer(&lab, "tor4")->last_error, "a reason for it");
}

static void test_withdraw_all(void **state _unused_)
{
	const struct frr_options options = { .vty_dir = lab.vty_dir, .config_file = lab.config_file };
	const struct frr_options nobody = { .vty_dir = "/nonexistent" };
	const char *running;

	frr_free(lab.frr);
	lab.frr = NULL;
	assert_int_equal(frr_withdraw_all(&options), 0);
	running = frr_lab_ask(lab.node, "show running-config");
	assert_null(strstr(running, "router bgp"));
	assert_null(strstr(running, "LBB-"));
	assert_int_not_equal(access(lab.config_file, F_OK), 0);
	assert_int_equal(frr_withdraw_all(&nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_changed_before_the_first_want),
		cmocka_unit_test(test_routes_reach_the_router_and_pod_cidrs_come_back),
		cmocka_unit_test(test_restart_of_the_agent_changes_nothing),
		cmocka_unit_test(test_many_services_never_touch_a_session),
		cmocka_unit_test(test_attributes_change_without_a_gap),
		cmocka_unit_test(test_a_withdrawal_in_the_first_second_of_a_session),
		cmocka_unit_test(test_bgpd_stopped),
		cmocka_unit_test(test_bgpd_killed),
		cmocka_unit_test(test_password_and_bfd),
		cmocka_unit_test(test_every_statement_comes_back_as_written),
		cmocka_unit_test(test_drift_of_neighbours_is_told_from_ours),
		cmocka_unit_test(test_bird_as_router),
		cmocka_unit_test(test_withdraw_all),
	};

	if (getenv("FRR_DEBUG"))
		log_threshold = LOG_LEVEL_DEBUG;
	return cmocka_run_group_tests(tests, setup, teardown);
}
