// SPDX-License-Identifier: Apache-2.0
/* See frr_lab.h. A failing command fails the test. */
#include "tests/bgp/frr_lab.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "k8s/decode.h"
#include "k8s/store.h"
#include "k8s/yaml.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"
#include "userspace/core/plan.h"

#define TURN_USEC 20000
#define TURNS_MAX 1000 /* some 20 s, and what the questions take */

static struct frr_lab *standing; /* for exit() */

static void try(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void try(const char *format, ...)
{
	char command[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command)) {
		/* the test says what it misses */
	}
}

#define must(...)                                                                                            \
	do {                                                                                                 \
		char command_[2048];                                                                         \
		snprintf(command_, sizeof(command_), __VA_ARGS__);                                           \
		if (system(command_))                                                                        \
			fail_msg("failed: %s", command_);                                                    \
	} while (0)

const char *frr_lab_ask(const char *host, const char *command)
{
	static struct strbuf text;
	char line[512], buffer[4096];
	FILE *pipe;
	size_t n;

	snprintf(line, sizeof(line), "vtysh -N %s -c '%s' 2>/dev/null </dev/null", host, command);
	strbuf_reset(&text);
	strbuf_append(&text, "");
	pipe = popen(line, "re");
	assert_non_null(pipe);
	while ((n = fread(buffer, 1, sizeof(buffer), pipe)))
		strbuf_append_bytes(&text, buffer, n);
	pclose(pipe);
	return strbuf_text(&text);
}

void frr_lab_configure(const char *host, const char *lines)
{
	char command[160];
	FILE *pipe;

	snprintf(command, sizeof(command), "vtysh -N %s >/dev/null 2>&1", host);
	pipe = popen(command, "we");
	assert_non_null(pipe);
	fprintf(pipe, "configure terminal\n%s\nend\n", lines);
	pclose(pipe);
}

int frr_lab_pid(const char *host, const char *daemon)
{
	char path[128];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/run/frr/%s/%s.pid", host, daemon);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

void frr_lab_kill(struct frr_lab *lab _unused_, const char *host, const char *daemon, int signal)
{
	int pid = frr_lab_pid(host, daemon);

	if (pid > 1)
		kill(pid, signal);
}

void frr_lab_daemon(struct frr_lab *lab, const char *host, const char *daemon)
{
	bool node_bgpd = !strcmp(host, lab->node) && !strcmp(daemon, "bgpd");

	/* no pipe of ours may live on in a daemon, or whoever waits for its end waits for ever */
	must("ip netns exec %s /usr/lib/frr/%s -d -N %s -P 0 %s -f %s </dev/null >/dev/null 2>&1", host, daemon, host,
	     !strcmp(daemon, "zebra") ? "-s 90000000" : node_bgpd ? "-p 0" : "",
	     node_bgpd && !access(lab->config_file, R_OK) ? lab->config_file : "/dev/null");
}

static void kill_host(struct frr_lab *lab, const char *host)
{
	static const char *const daemons[] = { "bgpd", "bfdd", "zebra" };
	size_t i;

	if (!*host)
		return;
	for (i = 0; i < ARRAY_SIZE(daemons); i++)
		frr_lab_kill(lab, host, daemons[i], SIGKILL);
	try("ip netns pids %s 2>/dev/null | xargs -r kill -9", host);
	try("ip netns del %s 2>/dev/null; rm -rf /run/frr/%s", host, host);
}

static void at_exit(void)
{
	if (!standing)
		return;
	kill_host(standing, standing->node);
	kill_host(standing, standing->router);
	unlink(standing->config_file);
	standing = NULL;
}

static void on_signal(int number)
{
	exit(128 + number); /* not safe in general; here the alternative is to leave namespaces behind */
}

static void lab_hosts(struct frr_lab *lab)
{
	static const struct {
		bool router;
		const char *text;
	} addresses[] = { { false, "10.9.0.1/24" }, { false, "fd09::1/64" }, { true, "10.9.0.2/24" }, { true, "fd09::2/64" } };
	size_t i;

	must("ip netns add %s && ip netns add %s", lab->node, lab->router);
	must("ip -n %s link add up0 type veth peer name down0 netns %s", lab->node, lab->router);
	/* an unnumbered peer's zebra sends router advertisements: no address must come of them */
	must("ip netns exec %s sh -c 'echo 0 >/proc/sys/net/ipv6/conf/up0/accept_ra'", lab->node);
	must("ip -n %s link set lo up && ip -n %s link set lo up", lab->node, lab->router);
	must("ip -n %s link set up0 up && ip -n %s link set down0 up", lab->node, lab->router);
	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		must("ip -n %s addr add %s dev %s %s", addresses[i].router ? lab->router : lab->node, addresses[i].text,
		     addresses[i].router ? "down0" : "up0", strchr(addresses[i].text, ':') ? "nodad" : "");
}

void frr_lab_up(struct frr_lab *lab)
{
	*lab = (struct frr_lab){ 0 };
	snprintf(lab->node, sizeof(lab->node), "fwbgp-%d-n", (int)getpid());
	snprintf(lab->router, sizeof(lab->router), "fwbgp-%d-r", (int)getpid());
	snprintf(lab->vty_dir, sizeof(lab->vty_dir), "/run/frr/%s", lab->node);
	snprintf(lab->config_file, sizeof(lab->config_file), "/tmp/%s.conf", lab->node);
	standing = lab;
	atexit(at_exit);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	try("mkdir -p /run/frr && chown frr:frr /run/frr");
	lab_hosts(lab);
	frr_lab_daemon(lab, lab->router, "zebra");
	frr_lab_daemon(lab, lab->router, "bfdd");
	frr_lab_daemon(lab, lab->router, "bgpd");
	frr_lab_daemon(lab, lab->node, "zebra");
	frr_lab_daemon(lab, lab->node, "bfdd");
	frr_lab_daemon(lab, lab->node, "bgpd");
	assert_true(sd_event_new(&lab->event) >= 0);
	lab->store = store_new();
	assert_non_null(lab->store);
}

void frr_lab_down(struct frr_lab *lab)
{
	frr_free(lab->frr);
	store_free(lab->store);
	sd_event_unref(lab->event);
	at_exit();
}

/* --- the driver ---------------------------------------------------------------------------------------- */

static void count_change(void *userdata)
{
	((struct frr_lab *)userdata)->changes++;
}

void frr_lab_driver(struct frr_lab *lab)
{
	struct prefix cidrs[2];
	struct frr_options options = { .vty_dir = lab->vty_dir, .config_file = lab->config_file, .cluster_cidrs = cidrs,
				       .n_cluster_cidrs = 2 };

	prefix_parse("10.244.0.0/16", &cidrs[0]);
	prefix_parse("fd00:244::/48", &cidrs[1]);
	frr_free(lab->frr);
	lab->frr = NULL;
	assert_int_equal(frr_new(lab->event, &options, count_change, lab, &lab->frr), 0);
}

void frr_lab_put(struct frr_lab *lab, const char *format, ...)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct json_error error;
	const struct json *value;
	struct object *object;
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	if (yaml_parse(strbuf_text(&text), text.length, &document, &error) < 0)
		fail_msg("line %u: %s in\n%s", error.line, error.message, strbuf_text(&text));
	for (value = document.first; value; value = value->next) {
		if (decode_object(value, "test", &object, &problems) != DECODED)
			fail_msg("%s: %s", problems.n ? problems.items[0].field : "",
				 problems.n ? problems.items[0].message : strbuf_text(&text));
		assert_int_equal(store_put(lab->store, object), 0);
	}
}

void frr_lab_remove(struct frr_lab *lab, enum object_kind kind, const char *namespace, const char *name)
{
	assert_int_equal(store_remove(lab->store, kind, namespace, name), 0);
}

void frr_lab_service(struct frr_lab *lab, const char *name, const char *vip)
{
	bool ipv6 = strchr(vip, ':');

	frr_lab_put(lab,
		    "apiVersion: v1\nkind: Service\nmetadata: { namespace: web, name: %s }\n"
		    "spec: { type: LoadBalancer, loadBalancerClass: fairway.dev/lb, ports: [ { name: http, port: 80 } ] }\n"
		    "status: { loadBalancer: { ingress: [ { ip: \"%s\" } ] } }\n---\n"
		    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		    "metadata: { namespace: web, name: %s-1, labels: { kubernetes.io/service-name: %s } }\n"
		    "addressType: %s\nports: [ { name: http, port: 8080, protocol: TCP } ]\n"
		    "endpoints: [ { addresses: [ \"%s\" ], nodeName: n1, conditions: { ready: true } } ]\n",
		    name, vip, name, name, ipv6 ? "IPv6" : "IPv4", ipv6 ? "fd00:244::5" : "10.244.1.5");
}

const char *frr_lab_want(struct frr_lab *lab)
{
	static struct strbuf text;
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	cleanup(routes_done) struct routes routes = { 0 };
	const struct plan_options options = { .node = "n1" };
	const struct cluster *cluster = store_cluster(lab->store);
	size_t i;

	assert_non_null(cluster);
	assert_int_equal(plan_node(cluster, &options, &plan), 0);
	assert_int_equal(routes_decide(cluster, &options, &plan, NULL, &routes), 0);
	assert_int_equal(frr_want(lab->frr, cluster, "n1", &routes, &problems), 0);
	strbuf_reset(&text);
	strbuf_append(&text, "");
	for (i = 0; i < routes.problems.n; i++)
		strbuf_appendf(&text, "%s: %s\n", routes.problems.items[i].object, routes.problems.items[i].message);
	for (i = 0; i < problems.n; i++)
		strbuf_appendf(&text, "%s: %s\n", problems.items[i].object, problems.items[i].message);
	return strbuf_text(&text);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

void frr_lab_turn(struct frr_lab *lab, const char *what, unsigned *turns)
{
	const struct frr_peer_view *peers;
	size_t i, n;

	if (++*turns > TURNS_MAX) {
		n = lab->frr ? frr_peers(lab->frr, &peers) : 0;
		for (i = 0; i < n; i++)
			print_message("%s: %s, \"%s\", BFD \"%s\", %u sent, %u received\n", peers[i].name, peers[i].state,
				      peers[i].last_error, peers[i].bfd, peers[i].prefixes_sent, peers[i].prefixes_received);
		print_message("%s\n", frr_lab_ask(lab->node, "show running-config"));
		fail_msg("still not: %s", what);
	}
	frr_lab_run(lab, TURN_USEC / 1000);
}

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void frr_lab_run(struct frr_lab *lab, unsigned msec)
{
	uint64_t end = now_msec() + msec, now;

	while ((now = now_msec()) < end)
		assert_true(sd_event_run(lab->event, (end - now) * 1000) >= 0);
}

const struct frr_peer_view *frr_lab_peer(const struct frr_lab *lab, const char *name)
{
	const struct frr_peer_view *peers;
	size_t i, n = frr_peers(lab->frr, &peers);

	for (i = 0; i < n; i++)
		if (!strcmp(peers[i].name, name))
			return &peers[i];
	return NULL;
}

bool frr_lab_established(const struct frr_lab *lab, const char *name)
{
	const struct frr_peer_view *peer = frr_lab_peer(lab, name);

	return peer && !strcmp(peer->state, "Established");
}

bool frr_lab_router_has(const struct frr_lab *lab, const char *prefix)
{
	char command[128];

	snprintf(command, sizeof(command), "show bgp %s unicast %s json", strchr(prefix, ':') ? "ipv6" : "ipv4", prefix);
	return strstr(frr_lab_ask(lab->router, command), "\"paths\"");
}

unsigned frr_lab_count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}
