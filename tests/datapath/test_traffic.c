// SPDX-License-Identifier: Apache-2.0
/* Packets from a client to pods through one node, with the programs attached by the data path itself: a pod
 * behind the node and one behind another node, both families, TCP and UDP; and what goes on while no agent
 * runs.
 *
 *	client 10.0.0.100 ── up0 [node] ── pod0 ── 10.244.1.5
 *	                          └────── up1 ── other node, 10.244.2.5 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "bpf/lb_abi.h"
#include "tests/datapath/sandbox.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/datapath/datapath.h"

#define SLOTS 1021

struct place { /* all that a test needs, by family */
	pid_t client, pod, other;
	sd_event *event;
	struct datapath *datapath;
};

static struct place place;

static const struct side { /* who is who in one family */
	int family;
	const char *vip, *remote_vip, *pod, *remote_pod, *client, *node;
} sides[] = {
	{ AF_INET, "192.0.2.10", "192.0.2.20", "10.244.1.5", "10.244.2.5", "10.0.0.100", "10.0.0.1" },
	{ AF_INET6, "2001:db8::10", "2001:db8::20", "fd00:244:1::5", "fd00:244:2::5", "fd00::100",
	  "fd00::1" },
};

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

/* --- the node --------------------------------------------------------------------------------- */

/* A new agent does not know the node's addresses before its sources have delivered. */
static void open_datapath(bool knows_the_node)
{
	static const char *const globs[] = { "up*" };
	struct datapath_options options = {
		.pin_dir = SANDBOX_PINS,
		.interfaces = globs,
		.n_interfaces = 1,
		.snat_unknown = !knows_the_node,
		.max_flows = 1024,
		.max_frontends = 64,
		.max_backends = 64,
		.max_table_slots = 9 * SLOTS,
	};

	if (knows_the_node) {
		options.snat_v4 = addr_of("10.0.0.1");
		options.snat_v6 = addr_of("fd00::1");
	}
	assert_int_equal(datapath_open(place.event, &options, &place.datapath), 0);
}

static void close_datapath(void)
{
	datapath_close(place.datapath);
	place.datapath = NULL;
}

static void step(struct step item)
{
	const struct steps steps = { .items = &item, .n = 1 };
	bool done;

	assert_int_equal(datapath_execute(place.datapath, &steps, STEP_MAKE, &done), 0);
}

/* One VIP port, one backend behind it; ids count up with each. */
static void serve(uint32_t id, const char *vip, const char *pod, enum l4_protocol protocol, bool local)
{
	static uint32_t ids[64][SLOTS];

	for (uint32_t i = 0; i < SLOTS; i++)
		ids[id][i] = id;
	step((struct step){ .kind = STEP_BACKEND_SET,
			    .backend = { addr_of(pod), 8080, protocol, id, 1, BACKEND_ACTIVE, local } });
	step((struct step){ .kind = STEP_TABLE_WRITE,
			    .table_offset = id * SLOTS,
			    .table_size = SLOTS,
			    .table_ids = ids[id] });
	step((struct step){ .kind = STEP_FRONTEND_SET,
			    .frontend = { .addr = addr_of(vip),
					  .port = 80,
					  .protocol = protocol,
					  .id = id,
					  .generation = 1,
					  .table_offset = id * SLOTS,
					  .table_size = SLOTS,
					  .digest = id + 1 } });
}

static bool unresolved(void)
{
	const struct host_finding *findings;
	size_t n = datapath_host_findings(place.datapath, &findings);

	for (size_t i = 0; i < n; i++)
		if (strcmp(findings[i].what, "next hops") == 0)
			return true;
	return false;
}

static int build(void **state _unused_)
{
	static const enum l4_protocol protocols[] = { L4_TCP, L4_UDP };
	uint32_t id = 0;

	place.client = host_start();
	place.pod = host_start();
	place.other = host_start();
	shell("ip link add up0 type veth peer name eth0 netns %d; ip link add pod0 type veth peer name eth0 "
	      "netns %d; "
	      "ip link add up1 type veth peer name eth0 netns %d",
	      place.client, place.pod, place.other);
	shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	shell("for d in up0 up1 pod0; do ip link set $d up; done; ip addr add 10.0.0.1/24 dev up0; ip addr "
	      "add 10.0.1.1/24 dev up1; "
	      "ip addr add 10.244.1.1/24 dev pod0; for a in fd00::1/64,up0 fd00:1::1/64,up1 "
	      "fd00:244:1::1/64,pod0; do "
	      "ip addr add ${a%%,*} dev ${a#*,} nodad; done");
	/* A veth peer receives redirected frames with GRO on (switched on after the link is up: earlier goes
	 * unnoticed), and must send whole checksums to a native XDP program. */
	for (int i = 0; i < 3; i++) {
		pid_t host = (pid_t[]){ place.client, place.pod, place.other }[i];

		shell("nsenter -t %d -n sh -c 'ip link set lo up; ip link set eth0 up; ethtool -K eth0 gro "
		      "on tx off >/dev/null'",
		      host);
	}
	shell("nsenter -t %d -n sh -c 'ip addr add 10.0.0.100/24 dev eth0; ip route add default via "
	      "10.0.0.1; "
	      "ip addr add fd00::100/64 dev eth0 nodad; ip -6 route add default via fd00::1'",
	      place.client);
	shell("nsenter -t %d -n sh -c 'ip addr add 10.244.1.5/24 dev eth0; ip route add default via "
	      "10.244.1.1; "
	      "ip addr add fd00:244:1::5/64 dev eth0 nodad; ip -6 route add default via fd00:244:1::1'",
	      place.pod);
	shell("nsenter -t %d -n sh -c 'ip addr add 10.0.1.2/24 dev eth0; ip addr add 10.244.2.5/32 dev lo; "
	      "ip route add default via 10.0.1.1; "
	      "ip addr add fd00:1::2/64 dev eth0 nodad; ip addr add fd00:244:2::5/128 dev lo nodad; ip -6 "
	      "route add default via fd00:1::1'",
	      place.other);
	shell("ip route add 10.244.2.0/24 via 10.0.1.2; ip -6 route add fd00:244:2::/64 via fd00:1::2");
	assert_true(sd_event_new(&place.event) >= 0);
	open_datapath(true);
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		for (size_t j = 0; j < ARRAY_SIZE(protocols); j++) {
			serve(id++, sides[i].vip, sides[i].pod, protocols[j], true);
			serve(id++, sides[i].remote_vip, sides[i].remote_pod, protocols[j], false);
		}
	for (int turn = 0; unresolved(); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
	return 0;
}

static int demolish(void **state _unused_)
{
	close_datapath();
	datapath_cleanup(SANDBOX_PINS);
	sd_event_unref(place.event);
	host_stop(place.client);
	host_stop(place.pod);
	host_stop(place.other);
	return 0;
}

/* --- sockets ---------------------------------------------------------------------------------- */

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union any_address socket_address(int family, const char *text, uint16_t port, socklen_t *ret_size)
{
	union any_address address = { .any = { .sa_family = family } };

	if (family == AF_INET6) {
		address.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(family, text, &address.v6.sin6_addr), 1);
	} else {
		address.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(family, text, &address.v4.sin_addr), 1);
	}
	*ret_size = family == AF_INET6 ? sizeof(address.v6) : sizeof(address.v4);
	return address;
}

static int server(pid_t host, int family, int type, const char *addr)
{
	int fd = host_socket(host, family, type), on = 1;
	socklen_t size;
	union any_address address = socket_address(family, addr, 8080, &size);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, &address.any, size), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int client_on(pid_t host, int family, int type, const char *vip)
{
	int fd = host_socket(host, family, type);
	socklen_t size;
	union any_address address = socket_address(family, vip, 80, &size);

	if (connect(fd, &address.any, size) < 0)
		fail_msg("connect to %s: %s", vip, strerror(errno));
	return fd;
}

static int client(int family, int type, const char *vip)
{
	return client_on(place.client, family, type, vip);
}

/* The server's half: whom it saw. */
static uint16_t saw(const union any_address *peer, int family, const char *expected)
{
	char text[INET6_ADDRSTRLEN];
	const void *bytes =
		family == AF_INET6 ? (const void *)&peer->v6.sin6_addr : (const void *)&peer->v4.sin_addr;

	inet_ntop(family, bytes, text, sizeof(text));
	assert_string_equal(text, expected);
	return ntohs(family == AF_INET6 ? peer->v6.sin6_port : peer->v4.sin_port);
}

static uint16_t udp_exchange(int client_fd, int server_fd, const struct side *side, const char *seen)
{
	union any_address peer;
	socklen_t size = sizeof(peer);
	char text[64] = "";

	assert_int_equal(send(client_fd, "question", 8, 0), 8);
	assert_int_equal(recvfrom(server_fd, text, sizeof(text), 0, &peer.any, &size), 8);
	assert_memory_equal(text, "question", 8);
	assert_int_equal(sendto(server_fd, "an answer", 9, 0, &peer.any, size), 9);
	assert_int_equal(recv(client_fd, text, sizeof(text), 0), 9);
	assert_memory_equal(text, "an answer", 9);
	return saw(&peer, side->family, seen);
}

static void tcp_exchange(int client_fd, int accepted)
{
	static char big[40000], got[40000];

	memset(big, 'x', sizeof(big));
	assert_int_equal(send(client_fd, "question", 8, 0), 8);
	assert_int_equal(recv(accepted, got, 8, MSG_WAITALL), 8);
	assert_int_equal(send(accepted, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(recv(client_fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(big, got, sizeof(got));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_udp(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct side *side = &sides[i];
		int local = server(place.pod, side->family, SOCK_DGRAM, side->pod),
		    to_local = client(side->family, SOCK_DGRAM, side->vip);
		int remote = server(place.other, side->family, SOCK_DGRAM, side->remote_pod);
		int to_remote = client(side->family, SOCK_DGRAM, side->remote_vip);
		uint16_t port;

		udp_exchange(to_local, local, side, side->client); /* the pod sees the client */
		port = udp_exchange(to_remote, remote, side,
				    side->node); /* the other node's pod sees the node */
		assert_in_range(port, 61000, 65535);
		assert_int_equal(udp_exchange(to_remote, remote, side, side->node),
				 port); /* the flow keeps its port */
		close(local);
		close(to_local);
		close(remote);
		close(to_remote);
	}
}

static void test_tcp(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct side *side = &sides[i];

		for (int is_remote = 0; is_remote <= 1; is_remote++) {
			int listener = server(is_remote ? place.other : place.pod, side->family, SOCK_STREAM,
					      is_remote ? side->remote_pod : side->pod);
			int fd = client(side->family, SOCK_STREAM, is_remote ? side->remote_vip : side->vip);
			union any_address peer;
			socklen_t size = sizeof(peer);
			int accepted = accept(listener, &peer.any, &size);

			assert_true(accepted >= 0);
			saw(&peer, side->family, is_remote ? side->node : side->client);
			tcp_exchange(fd, accepted);
			close(fd);
			close(accepted);
			close(listener);
		}
	}
}

static int count_flow(void *userdata, const struct flow_view *view _unused_)
{
	++*(int *)userdata;
	return 0;
}

static int flows_of(const char *vip)
{
	const struct flow_filter filter = { .frontend = addr_of(vip) };
	int n = 0;

	assert_int_equal(datapath_each_flow(place.datapath, &filter, count_flow, &n), 0);
	return n;
}

/* The agent dies and comes back: established flows of both kinds go on, new ones open, nothing moves. */
static void test_without_an_agent(void **state _unused_)
{
	const struct side *side = &sides[0];
	int listener = server(place.pod, AF_INET, SOCK_STREAM, side->pod),
	    remote = server(place.other, AF_INET, SOCK_DGRAM, side->remote_pod);
	int fd = client(AF_INET, SOCK_STREAM, side->vip),
	    to_remote = client(AF_INET, SOCK_DGRAM, side->remote_vip);
	int accepted = accept(listener, NULL, NULL), second, second_accepted, before;
	uint16_t port = udp_exchange(to_remote, remote, side, side->node);

	tcp_exchange(fd, accepted);
	before = flows_of(side->vip);
	assert_true(before > 0);
	close_datapath();
	tcp_exchange(fd, accepted);
	assert_int_equal(udp_exchange(to_remote, remote, side, side->node), port);
	second = client(AF_INET, SOCK_STREAM, side->vip);
	second_accepted = accept(listener, NULL, NULL);
	tcp_exchange(second, second_accepted);

	open_datapath(false);
	assert_int_equal(flows_of(side->vip), before + 1);
	tcp_exchange(fd, accepted);
	tcp_exchange(second, second_accepted);
	assert_int_equal(udp_exchange(to_remote, remote, side, side->node), port);
	close(listener);
	close(remote);
	close(fd);
	close(to_remote);
	close(accepted);
	close(second);
	close(second_accepted);
}

/* The hook changes under established flows. */
static void test_hook_change(void **state _unused_)
{
	const struct side *side = &sides[1];
	static const char *const globs[] = { "up*" };
	struct datapath_options options = {
		.pin_dir = SANDBOX_PINS,
		.interfaces = globs,
		.n_interfaces = 1,
		.hook = HOOK_TC,
		.snat_v4 = addr_of("10.0.0.1"),
		.snat_v6 = addr_of("fd00::1"),
	};
	int listener = server(place.pod, AF_INET6, SOCK_STREAM, side->pod),
	    remote = server(place.other, AF_INET6, SOCK_DGRAM, side->remote_pod);
	int fd = client(AF_INET6, SOCK_STREAM, side->vip),
	    to_remote = client(AF_INET6, SOCK_DGRAM, side->remote_vip);
	int accepted = accept(listener, NULL, NULL);
	uint16_t port = udp_exchange(to_remote, remote, side, side->node);

	tcp_exchange(fd, accepted);
	assert_int_equal(datapath_update_options(place.datapath, &options), 0);
	tcp_exchange(fd, accepted);
	assert_int_equal(udp_exchange(to_remote, remote, side, side->node), port);
	options.hook = HOOK_AUTO;
	assert_int_equal(datapath_update_options(place.datapath, &options), 0);
	tcp_exchange(fd, accepted);
	assert_int_equal(udp_exchange(to_remote, remote, side, side->node), port);
	close(listener);
	close(remote);
	close(fd);
	close(to_remote);
	close(accepted);
}

static const char *hook_of(const char *name)
{
	const struct interface_view *views;
	size_t n = datapath_interfaces(place.datapath, &views);

	for (size_t i = 0; i < n; i++)
		if (strcmp(views[i].name, name) == 0)
			return views[i].hook;
	return "none";
}

static void loop_until_hook(const char *name, const char *hook)
{
	for (int turn = 0; strcmp(hook_of(name), hook) != 0; turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
}

static void exchange_with_the_other_node(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct side *side = &sides[i];
		int remote = server(place.other, side->family, SOCK_DGRAM, side->remote_pod);
		int to_remote = client(side->family, SOCK_DGRAM, side->remote_vip);

		udp_exchange(to_remote, remote, side, side->node);
		close(remote);
		close(to_remote);
	}
}

/* The way to the other node leads over a bridge, out of which XDP cannot send: the hooks become TC, and
 * packets arrive. When the bridge goes, they are XDP again. */
static void test_next_hop_behind_a_bridge(void **state _unused_)
{
	loop_until_hook("up0", "xdp");
	exchange_with_the_other_node();
	shell("ip addr flush dev up1; ip link add br0 type bridge; ip link set br0 up; ip link set up1 "
	      "master br0; "
	      "ip addr add 10.0.1.1/24 dev br0; ip addr add fd00:1::1/64 dev br0 nodad; "
	      "ip route add 10.244.2.0/24 via 10.0.1.2; ip -6 route replace fd00:244:2::/64 via fd00:1::2");
	loop_until_hook("up0", "tc");
	loop_until_hook("up1", "tc");
	for (int turn = 0; unresolved(); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
	exchange_with_the_other_node();
	close_datapath();
	open_datapath(true); /* an agent that starts knows it before it attaches anything */
	assert_string_equal(hook_of("up0"), "tc");
	exchange_with_the_other_node();
	shell("ip link del br0; ip addr add 10.0.1.1/24 dev up1; ip addr add fd00:1::1/64 dev up1 nodad; "
	      "ip route add 10.244.2.0/24 via 10.0.1.2; ip -6 route replace fd00:244:2::/64 via fd00:1::2");
	loop_until_hook("up0", "xdp");
	for (int turn = 0; unresolved(); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
	exchange_with_the_other_node();
}

/* A pod of this node calls the VIP by way of the router, which brings the packets back to us. The replies of
 * the other node's pod go to a device that XDP cannot send to: the stack takes them there. */
static void test_pod_through_the_router(void **state _unused_)
{
	shell("nsenter -t %d -n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
	      place.client);
	shell("nsenter -t %d -n ethtool -K eth0 gro off",
	      place.pod); /* a bare peer: XDP's frames would be lost */
	shell("ip route add 192.0.2.20/32 via 10.0.0.100; ip -6 route add 2001:db8::20/128 via fd00::100");
	assert_string_equal(hook_of("up1"), "xdp");
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct side *side = &sides[i];
		int remote = server(place.other, side->family, SOCK_DGRAM, side->remote_pod);
		int listener = server(place.other, side->family, SOCK_STREAM, side->remote_pod);
		int to_remote = client_on(place.pod, side->family, SOCK_DGRAM, side->remote_vip);
		int fd = client_on(place.pod, side->family, SOCK_STREAM, side->remote_vip);
		int accepted = accept(listener, NULL, NULL);

		udp_exchange(to_remote, remote, side, side->node);
		tcp_exchange(fd, accepted);
		close(remote);
		close(listener);
		close(to_remote);
		close(fd);
		close(accepted);
	}
	shell("ip route del 192.0.2.20/32; ip -6 route del 2001:db8::20/128");
}

static uint64_t dropped(const char *reason)
{
	const struct drop_counter *drops;
	size_t n = datapath_drops(place.datapath, &drops);

	for (size_t i = 0; i < n; i++)
		if (strcmp(drops[i].reason, reason) == 0)
			return drops[i].packets;
	fail();
	return 0;
}

static bool link_has_mtu(uint32_t ifindex, uint16_t mtu)
{
	int fd = bpf_obj_get(SANDBOX_PINS "/v1/maps/lb_links");
	struct lb_link link;
	bool has = false;

	for (uint32_t i = 0; i < LB_MAX_LINKS; i++)
		if (bpf_map_lookup_elem(fd, &i, &link) == 0 && link.ifindex == ifindex)
			has = link.mtu == mtu;
	close(fd);
	return has;
}

/* The link to the other node takes less than the client's: the client is told, and sends shorter segments. At
 * TC: what XDP sends back to a veth without a program waits there until something else comes. */
static void test_narrow_link(void **state _unused_)
{
	static const char *const globs[] = { "up*" };
	const struct datapath_options options = {
		.pin_dir = SANDBOX_PINS,
		.interfaces = globs,
		.n_interfaces = 1,
		.hook = HOOK_TC,
		.snat_v4 = addr_of("10.0.0.1"),
		.snat_v6 = addr_of("fd00::1"),
	};
	static char big[40000], got[40000];

	assert_int_equal(datapath_update_options(place.datapath, &options), 0);
	shell("ip link set up1 mtu 1300");
	for (int turn = 0; !link_has_mtu(if_nametoindex("up1"), 1300); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct side *side = &sides[i];
		int listener = server(place.other, side->family, SOCK_STREAM, side->remote_pod);
		int fd = client(side->family, SOCK_STREAM, side->remote_vip);
		int accepted = accept(listener, NULL, NULL);
		uint64_t before = dropped("too_big");

		memset(big, 'a' + (int)i, sizeof(big));
		assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
		assert_int_equal(recv(accepted, got, sizeof(got), MSG_WAITALL), sizeof(got));
		assert_memory_equal(big, got, sizeof(got));
		assert_true(dropped("too_big") > before);
		close(listener);
		close(fd);
		close(accepted);
	}
	shell("ip link set up1 mtu 1500");
	for (int turn = 0; !link_has_mtu(if_nametoindex("up1"), 1500); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
}

static void advance_clock(uint32_t ticks)
{
	int fd = bpf_obj_get(SANDBOX_PINS "/v1/maps/lb_settings");
	struct lb_settings settings;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &settings), 0);
	settings.tick += ticks;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &settings, 0), 0);
	close(fd);
}

/* A SYN that the client never followed up, whatever the pod says to it, soon gives its slot back; an
 * established connection that is as silent does not. */
static void test_half_open(void **state _unused_)
{
	const struct side *side = &sides[0];
	int listener = server(place.pod, AF_INET, SOCK_STREAM, side->pod),
	    fd = client(AF_INET, SOCK_STREAM, side->vip);
	int accepted = accept(listener, NULL, NULL),
	    half = host_socket(place.client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	socklen_t size;
	union any_address address = socket_address(AF_INET, "192.0.2.30", 80, &size);

	tcp_exchange(fd, accepted);
	serve(8, "192.0.2.30", "10.244.1.99", L4_TCP, true); /* nobody is there */
	assert_int_equal(connect(half, &address.any, size), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(flows_of("192.0.2.30"), 1);
	close(half);
	close_datapath();
	advance_clock(3);
	open_datapath(true);
	for (int turn = 0; flows_of("192.0.2.30"); turn++) {
		assert_true(turn < 1000);
		assert_true(sd_event_run(place.event, 20000) >= 0);
	}
	tcp_exchange(fd, accepted);
	close(listener);
	close(fd);
	close(accepted);
}

static void test_counted(void **state _unused_)
{
	struct frontend_counters counters;

	for (uint32_t id = 0; id < 8; id++) {
		assert_int_equal(datapath_frontend_counters(place.datapath, id, &counters), 0);
		assert_true(counters.packets > 0);
		assert_true(counters.bytes >= counters.packets * 42);
		assert_int_equal(counters.drops, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_without_an_agent),
		cmocka_unit_test(test_hook_change),
		cmocka_unit_test(test_next_hop_behind_a_bridge),
		cmocka_unit_test(test_pod_through_the_router),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_narrow_link),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("traffic", tests, build, demolish);
}
