// SPDX-License-Identifier: Apache-2.0
/* The rounds of the agent on a real loop, with real plans, diffs and routes, against a data path and an
 * FRR that are plain variables here: what is executed and announced in which order, and what happens when
 * a step fails or nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include <systemd/sd-event.h>

#include "k8s/decode.h"
#include "k8s/yaml.h"
#include "userspace/agent/agent.h"
#include "userspace/agent/report_collect.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define PATIENCE_USEC 15000000
#define TURN_USEC     10000

/* --- the data path and the FRR of these tests ---------------------------------------------------- */

static struct strbuf story;   /* what was done, in order */
static uint16_t broken_port;  /* steps for frontends of this port fail */
static bool broken_tables;    /* so do all table writes */
static bool broken_deletions; /* … and all of frontends */
static unsigned attempts;     /* executions in which something failed */
static const char *frr_state = "connected";
static bool frr_synced;
static char announced[256]; /* ServiceIPs that bgpd originates, each followed by a blank */
static char wanted[256];
static struct frr_peer_view sessions[2]; /* those that report_collect() sees */
static size_t n_sessions;
static struct source_result source;

static void tell_frontend(const char *sign, const struct applied_frontend *frontend)
{
	char text[ADDR_TEXT_MAX];

	strbuf_appendf(&story, "%s%s:%u/%s ", sign, addr_format(&frontend->addr, text), frontend->port,
		       verdict_name(frontend->verdict));
}

static int execute_one(const struct step *step)
{
	switch (step->kind) {
	case STEP_FRONTEND_SET:
		if (step->frontend.port == broken_port)
			return -EIO;
		tell_frontend("+", &step->frontend);
		return 0;
	case STEP_FRONTEND_DELETE:
		if (broken_deletions)
			return -EIO;
		tell_frontend("-", &step->frontend);
		return 0;
	case STEP_TABLE_WRITE:
		return broken_tables ? -EIO : 0;
	case STEP_TABLE_FREE:
		strbuf_append(&story, "free ");
		return 0;
	case STEP_BACKEND_SET:
		if (step->backend.state == BACKEND_GONE)
			strbuf_append(&story, "gone ");
		return 0;
	case STEP_BACKEND_DELETE:
		strbuf_append(&story, "cleared ");
		return 0;
	}
	return -EINVAL;
}

int datapath_execute(struct datapath *datapath _unused_, const struct steps *steps, enum step_phase phase,
		     bool *ret_done)
{
	int first = 0, r;
	size_t i;

	for (i = 0; i < steps->n; i++) {
		assert_int_equal(steps->items[i].phase, phase);
		r = execute_one(&steps->items[i]);
		ret_done[i] = !r;
		if (r && !first)
			first = r;
	}
	attempts += first < 0;
	return first;
}

int datapath_update_options(struct datapath *datapath _unused_,
			    const struct datapath_options *options _unused_)
{
	return 0;
}

bool agent_datapath_options(struct agent *agent, const struct cluster *cluster,
			    struct datapath_options *ret _unused_)
{
	agent->n_peers = cluster->n_peers;
	return false;
}

int frr_want(struct frr *frr _unused_, const struct cluster *cluster _unused_, const char *node _unused_,
	     const struct routes *routes, struct problems *problems _unused_)
{
	char text[PREFIX_TEXT_MAX];
	char now[sizeof(wanted)] = "";
	size_t i;

	for (i = 0; i < routes->n; i++)
		if (routes->items[i].kind == ROUTE_SERVICE_IP) {
			strcat(now, prefix_format(&routes->items[i].prefix, text));
			strcat(now, " ");
		}
	if (strcmp(now, wanted)) {
		strbuf_appendf(&story, "want[%s] ", now);
		frr_synced = false;
	}
	strcpy(wanted, now);
	return 0;
}

bool frr_in_sync(const struct frr *frr _unused_)
{
	return frr_synced;
}

bool frr_announces(const struct frr *frr _unused_, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_MAX];

	return strstr(announced, prefix_format(prefix, text));
}

size_t frr_peers(const struct frr *frr _unused_, const struct frr_peer_view **ret)
{
	*ret = sessions;
	return n_sessions;
}

size_t datapath_interfaces(struct datapath *datapath _unused_, const struct interface_view **ret)
{
	*ret = NULL;
	return 0;
}

const char *frr_daemon_state(const struct frr *frr _unused_)
{
	return frr_state;
}

const char *agent_source_namespace(const struct agent_source *agent_source _unused_)
{
	return "fairway-system";
}

uint64_t agent_source_changed_usec(const struct agent_source *agent_source _unused_)
{
	return 0;
}

const struct source_result *agent_source_result(const struct agent_source *agent_source _unused_)
{
	return &source;
}

const struct addr *host_addresses_list(const struct host_addresses *addresses _unused_, size_t *ret_n)
{
	*ret_n = 0;
	return NULL;
}

/* --- the agent ----------------------------------------------------------------------------------- */

static struct agent_options options;

static void kicked(void *userdata)
{
	struct agent *agent = userdata;

	debounce_kick(agent->reconcile);
}

static void round_due(void *userdata)
{
	agent_reconcile(userdata);
}

static void break_due(void *userdata)
{
	agent_break(userdata);
}

static void put(struct agent *agent, const char *yaml)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	const struct json *value;
	struct json_error error;
	struct object *object;

	if (yaml_parse(yaml, strlen(yaml), &document, &error) < 0)
		fail_msg("line %u: %s in\n%s", error.line, error.message, yaml);
	for (value = document.first; value; value = value->next) {
		if (decode_object(value, "test", &object, &problems) != DECODED)
			fail_msg("%s: %s", problems.n ? problems.items[0].field : "",
				 problems.n ? problems.items[0].message : yaml);
		assert_int_equal(store_put(agent->store, object), 0);
	}
	debounce_kick(agent->reconcile);
}

static void put_service(struct agent *agent, const char *name, const char *address, unsigned port)
{
	cleanup(strbuf_done) struct strbuf yaml = { 0 };

	strbuf_appendf(&yaml,
		       "{apiVersion: v1, kind: Service, metadata: {namespace: web, name: %s}, spec: {type: "
		       "LoadBalancer, "
		       "loadBalancerClass: fairway.dev/lb, ports: [{name: http, port: %u}]}, "
		       "status: {loadBalancer: {ingress: [{ip: %s}]}}}\n",
		       name, port, address);
	put(agent, strbuf_text(&yaml));
}

static void put_endpoints(struct agent *agent, const char *service, const char *addresses)
{
	cleanup(strbuf_done) struct strbuf yaml = { 0 };
	char copy[200], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", addresses);
	strbuf_appendf(&yaml,
		       "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: web, "
		       "name: %s-a, labels: "
		       "{kubernetes.io/service-name: %s}}, addressType: IPv4, ports: [{name: http, port: "
		       "8080}], endpoints: [",
		       service, service);
	while ((one = strsep(&rest, " ")) && *one)
		strbuf_appendf(&yaml, "{addresses: [%s], nodeName: n1}%s", one, rest ? ", " : "");
	strbuf_append(&yaml, "]}\n");
	put(agent, strbuf_text(&yaml));
}

static void remove_service(struct agent *agent, const char *name)
{
	char slice[64];

	snprintf(slice, sizeof(slice), "%s-a", name);
	assert_int_equal(store_remove(agent->store, OBJECT_SERVICE, "web", name), 0);
	assert_int_equal(store_remove(agent->store, OBJECT_ENDPOINT_SLICE, "web", slice), 0);
	debounce_kick(agent->reconcile);
}

static void start_agent(struct agent *agent)
{
	static const struct diff_limits limits = { .frontends = 64, .backends = 64, .table_slots = 65536 };

	*agent = (struct agent){ .options = &options, .node = "n1" };
	assert_true(sd_event_new(&agent->event) >= 0);
	assert_int_equal(debounce_new(agent->event, 50, round_due, agent, &agent->reconcile), 0);
	assert_int_equal(loop_timer_new(agent->event, kicked, agent, &agent->retry), 0);
	assert_int_equal(loop_timer_new(agent->event, break_due, agent, &agent->breaking), 0);
	agent->store = store_new();
	agent->applied = applied_new(&limits);
	agent->routes_book = routes_book_new();
	assert_true(agent->store && agent->applied && agent->routes_book);
}

static int setup(void **state)
{
	struct agent *agent = calloc(1, sizeof(*agent));

	options = (struct agent_options){ .manifests = "test" };
	strbuf_reset(&story);
	broken_port = 0;
	broken_tables = broken_deletions = false;
	attempts = 0;
	frr_state = "connected";
	frr_synced = false;
	announced[0] = wanted[0] = '\0';
	n_sessions = 0;
	source = (struct source_result){ .delivered = true };
	start_agent(agent);
	put(agent, "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: "
		   "InternalIP, address: 10.0.0.1}]}}\n"
		   "---\n{apiVersion: fairway.dev/v1alpha1, kind: ServiceIPPool, metadata: {name: a}, spec: "
		   "{addresses: [192.0.2.0/24]}}\n"
		   "---\n{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: tor}, spec: "
		   "{myASN: 1, peerASN: 2, "
		   "peerAddress: 10.0.0.2}}\n");
	*state = agent;
	return 0;
}

static int teardown(void **state)
{
	struct agent *agent = *state;

	debounce_free(agent->reconcile);
	loop_timer_free(agent->retry);
	loop_timer_free(agent->breaking);
	steps_done(&agent->steps);
	retiring_done(&agent->retiring);
	names_done(&agent->dirty);
	names_done(&agent->unannounced);
	accepted_done(&agent->accepted);
	node_plan_done(&agent->plan);
	routes_done(&agent->routes);
	routes_book_free(agent->routes_book);
	applied_free(agent->applied);
	store_free(agent->store);
	problems_done(&agent->problems);
	problems_done(&agent->frr_problems);
	sd_event_unref(agent->event);
	free(agent);
	return 0;
}

static void turn(struct agent *agent)
{
	assert_true(sd_event_run(agent->event, TURN_USEC) >= 0);
}

/* Runs the loop until the story ends with `end`. */
static void until(struct agent *agent, const char *end)
{
	size_t length = strlen(end);
	unsigned turns = 0;

	while (story.length < length || strcmp(strbuf_text(&story) + story.length - length, end)) {
		if (turns++ > PATIENCE_USEC / TURN_USEC)
			fail_msg("the story is \"%s\", it should end with \"%s\"", strbuf_text(&story), end);
		turn(agent);
	}
}

/* Runs the loop until it has nothing to do: no round is due, and the timers that are set lie ahead. */
static void settle(struct agent *agent)
{
	unsigned quiet = 0;

	while (quiet < 12) /* longer than the debounce's deadline */
		quiet = sd_event_run(agent->event, TURN_USEC) == 0 ? quiet + 1 : 0;
}

static void story_is(const char *expected)
{
	assert_string_equal(strbuf_text(&story), expected);
	strbuf_reset(&story);
}

static void frr_follows(struct agent *agent)
{
	strcpy(announced, wanted);
	frr_synced = true;
	agent_break(agent); /* what the driver's callback does */
}

/* web/shop is served and announced; the story begins after that. */
static void serve_shop(struct agent *agent)
{
	put_service(agent, "shop", "192.0.2.10", 80);
	put_endpoints(agent, "shop", "10.244.1.5 10.244.1.6");
	until(agent, "want[192.0.2.10/32 ] ");
	frr_follows(agent);
	settle(agent);
	assert_true(agent->converged);
	strbuf_reset(&story);
}

/* What LBNode would say: "web/shop=192.0.2.10(releasing) ". lbcontroller gives an address to the next when no
 * node names it. */
static void report_is(struct agent *agent, const char *expected)
{
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	struct node_report report;
	char text[ADDR_TEXT_MAX];
	size_t i, j;

	assert_true(report_collect(agent, &arena, &report) >= 0);
	for (i = 0; i < report.n_services; i++)
		for (j = 0; j < report.services[i].n_vips; j++)
			strbuf_appendf(&got, "%s=%s%s ", report.services[i].name,
				       addr_format(&report.services[i].vips[j], text),
				       report.services[i].releasing ? "(releasing)" : "");
	assert_string_equal(strbuf_text(&got), expected);
}

/* What LBNode would say of web/shop's families: "to tor tor6, unannounced 4 6: REASON: MESSAGE". */
static void families_are(struct agent *agent, const char *expected)
{
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(strbuf_done) struct strbuf got = { 0 };
	const struct report_service *row;
	struct node_report report;
	size_t i;

	assert_true(report_collect(agent, &arena, &report) >= 0);
	assert_int_equal(report.n_services, 1);
	row = report.services;
	strbuf_append(&got, "to");
	for (i = 0; i < row->announced_to.n; i++)
		strbuf_appendf(&got, " %s", row->announced_to.items[i]);
	if (row->unannounced[0] || row->unannounced[1])
		strbuf_appendf(&got, ", unannounced%s%s", row->unannounced[0] ? " 4" : "", row->unannounced[1] ? " 6" : "");
	strbuf_appendf(&got, ": %s: %s", row->reason, row->message);
	assert_string_equal(strbuf_text(&got), expected);
}

static void add_session(const char *name, const char *state)
{
	sessions[n_sessions++] =
		(struct frr_peer_view){ .name = name, .interface = "eth0", .state = state, .last_error = "" };
}

/* --- tests --------------------------------------------------------------------------------------- */

static void the_maps_come_before_the_route(void **state)
{
	struct agent *agent = *state;

	put_service(agent, "shop", "192.0.2.10", 80);
	put_endpoints(agent, "shop", "10.244.1.5");
	settle(agent);
	story_is("+192.0.2.10:80/forward want[192.0.2.10/32 ] ");
	settle(agent);
	story_is(""); /* and then nothing more */
}

static void the_route_goes_before_the_frontend(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	report_is(agent, "web/shop=192.0.2.10 ");
	remove_service(agent, "shop");
	settle(agent);
	story_is("want[] "); /* bgpd has not confirmed it yet: clients still come */
	report_is(agent, "web/shop=192.0.2.10(releasing) ");
	frr_follows(agent);
	until(agent, "gone ");
	report_is(agent, "");
	assert_non_null(strstr(strbuf_text(&story), "-192.0.2.10:80/forward free gone gone "));
}

/* Nobody else may have the address while the maps hold it, whatever became of the step. */
static void what_cannot_be_deleted_is_still_named(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	broken_deletions = true;
	remove_service(agent, "shop");
	until(agent, "want[] ");
	frr_follows(agent);
	while (attempts < 2) {
		report_is(agent, "web/shop=192.0.2.10(releasing) ");
		turn(agent);
	}
	report_is(agent, "web/shop=192.0.2.10(releasing) ");
	broken_deletions = false;
	until(agent, "-192.0.2.10:80/forward free ");
	report_is(agent, "");
}

static void the_drain_delay_is_waited_for(void **state)
{
	struct agent *agent = *state;

	options.drain_delay_msec = 3600 * 1000;
	serve_shop(agent);
	remove_service(agent, "shop");
	settle(agent);
	frr_follows(agent);
	settle(agent);
	story_is("want[] ");
	put_service(agent, "shop", "192.0.2.10", 80); /* back in time: nothing was taken away */
	put_endpoints(agent, "shop", "10.244.1.5 10.244.1.6");
	settle(agent);
	story_is("want[192.0.2.10/32 ] ");
	assert_true(agent->converged);
}

static void an_address_that_is_not_announced_needs_no_confirmation(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	remove_service(agent, "shop");
	settle(agent);
	strbuf_reset(&story);
	announced[0] = '\0'; /* this one is withdrawn; something else keeps bgpd from being in sync */
	agent_break(agent);
	settle(agent);
	assert_non_null(strstr(strbuf_text(&story), "-192.0.2.10:80/forward "));
}

static void an_frr_that_does_not_answer_confirms_nothing(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	remove_service(agent, "shop");
	settle(agent);
	frr_state = "not answering";
	announced[0] = '\0';
	agent_break(agent);
	settle(agent);
	story_is("want[] ");
	frr_state = "connected";
	agent_break(agent);
	until(agent, "gone ");
}

static void without_the_first_list_nothing_is_done(void **state)
{
	struct agent *agent = *state;

	source.delivered = false;
	put_service(agent, "shop", "192.0.2.10", 80);
	put_endpoints(agent, "shop", "10.244.1.5");
	settle(agent);
	story_is("");
	assert_false(agent->planned);
	source.delivered = true;
	debounce_kick(agent->reconcile);
	until(agent, "want[192.0.2.10/32 ] ");
	source.delivered = false; /* a source that goes away later takes nothing along */
	put_service(agent, "more", "192.0.2.11", 81);
	put_endpoints(agent, "more", "10.244.1.5");
	until(agent, "want[192.0.2.10/32 192.0.2.11/32 ] ");
}

static void what_the_kernel_refuses_is_not_announced(void **state)
{
	struct agent *agent = *state;

	broken_port = 81;
	put_service(agent, "good", "192.0.2.10", 80);
	put_endpoints(agent, "good", "10.244.1.5");
	put_service(agent, "bad", "192.0.2.11", 81);
	put_endpoints(agent, "bad", "10.244.1.6");
	settle(agent);
	assert_string_equal(wanted, "192.0.2.10/32 ");
	assert_false(agent->converged);
	assert_true(agent->failures > 0);
	broken_port = 0;
	until(agent, "+192.0.2.11:81/forward want[192.0.2.10/32 192.0.2.11/32 ] "); /* by the retry alone */
	assert_int_equal(agent->failures, 0);
	assert_true(attempts > 0);
}

static void a_failed_change_leaves_what_served(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	broken_port = 80;
	put_endpoints(agent, "shop", "10.244.1.7");
	while (attempts < 2)
		turn(agent);
	/* The old table is still in use: neither it nor its backends may go, and the route stays. */
	story_is("");
	assert_string_equal(wanted, "192.0.2.10/32 ");
	broken_port = 0;
	until(agent, "gone ");
	assert_non_null(strstr(strbuf_text(&story), "+192.0.2.10:80/forward free gone gone "));
	settle(agent);
	assert_true(agent->converged);
}

static void a_table_that_cannot_be_written_is_not_used(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	broken_tables = true;
	broken_port = 80; /* the real data path leaves out what builds on a failed step */
	put_endpoints(agent, "shop", "10.244.1.8");
	while (attempts < 2)
		turn(agent);
	story_is("");
	broken_tables = false;
	broken_port = 0;
	until(agent, "gone ");
}

static void deletions_go_on_while_others_fail(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	broken_port = 81;
	put_service(agent, "bad", "192.0.2.11", 81);
	put_endpoints(agent, "bad", "10.244.1.6");
	settle(agent);
	remove_service(agent, "shop");
	until(agent, "want[] ");
	frr_follows(agent);
	while (!strstr(strbuf_text(&story), "-192.0.2.10:80/forward "))
		turn(agent);
	assert_null(strstr(strbuf_text(&story), "+192.0.2.11"));
}

static void without_endpoints_the_service_rejects_and_is_withdrawn(void **state)
{
	struct agent *agent = *state;

	serve_shop(agent);
	put_endpoints(agent, "shop", "");
	settle(agent);
	assert_non_null(strstr(strbuf_text(&story), "+192.0.2.10:80/reject want[] "));
	frr_follows(agent);
	settle(agent);
	assert_null(strstr(strbuf_text(&story), "-192.0.2.10")); /* the VIP still answers whoever comes */
	put_endpoints(agent, "shop", "10.244.1.5");
	until(agent, "+192.0.2.10:80/forward want[192.0.2.10/32 ] ");
}

static void copy_applied(const struct applied *from, struct applied *to)
{
	const struct applied_frontend *frontends;
	const struct applied_backend *backends;
	size_t i, n;

	backends = applied_backends(from, &n);
	for (i = 0; i < n; i++)
		assert_int_equal(applied_add_backend(to, &backends[i]), 0);
	frontends = applied_frontends(from, &n);
	for (i = 0; i < n; i++)
		assert_int_equal(applied_add_frontend(to, &frontends[i]), 0);
}

/* The peer of the fixture carries IPv4 alone, as one with an IPv4 address does by default. */
static void a_family_that_no_peer_carries_is_told(void **state)
{
	struct agent *agent = *state;

	put(agent, "{apiVersion: fairway.dev/v1alpha1, kind: ServiceIPPool, metadata: {name: b}, spec: "
		   "{addresses: [\"2001:db8::/64\"]}}\n");
	add_session("tor", "Established");
	put_service(agent, "shop", "192.0.2.10}, {ip: 2001:db8::a", 80);
	put_endpoints(agent, "shop", "10.244.1.5");
	put(agent, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: web, name: "
		   "shop-b, labels: "
		   "{kubernetes.io/service-name: shop}}, addressType: IPv6, ports: [{name: http, port: "
		   "8080}], endpoints: "
		   "[{addresses: [\"fd00:10:244:1::5\"], nodeName: n1}]}\n");
	until(agent, "want[192.0.2.10/32 ] ");
	frr_follows(agent);
	families_are(agent, "to tor, unannounced 6: PartlyAnnounced: IPv6 to no peer: no usable BGPPeer of this "
			    "node has it in "
			    "addressFamilies; add it to one, or a peer that has it");
	put(agent, "{apiVersion: fairway.dev/v1alpha1, kind: BGPPeer, metadata: {name: tor6}, spec: {myASN: "
		   "1, peerASN: 2, "
		   "peerAddress: \"fd00::2\"}}\n");
	until(agent, "want[192.0.2.10/32 2001:db8::a/128 ] ");
	add_session("tor6", "Active");
	frr_follows(agent);
	families_are(agent, "to tor, unannounced 6: SessionDown: no session with tor6");
	sessions[1].state = "Established";
	families_are(agent, "to tor tor6: : ");
	sessions[0].state = "Idle"; /* and the other way round */
	families_are(agent, "to tor6, unannounced 4: SessionDown: no session with tor");
	sessions[0].state = "Established";
	strcpy(announced, "192.0.2.10/32 "); /* not in bgpd yet */
	families_are(agent,
		     "to tor, unannounced 6: NotInBGP: bgpd does not announce it yet to tor6 (FRR is connected)");
	put(agent, "{apiVersion: fairway.dev/v1alpha1, kind: BGPAdvertisement, metadata: {name: four}, spec: "
		   "{peers: "
		   "[tor]}}\n");
	settle(agent);
	frr_follows(agent);
	families_are(agent, "to tor, unannounced 6: PartlyAnnounced: IPv6 to no peer: no BGPAdvertisement wants "
			    "it of this node "
			    "(serviceIPPools, peers, nodeSelectors, maxNextHops)");
}

static void a_restart_changes_nothing(void **state)
{
	struct agent *agent = *state, *next;
	void *next_state;

	serve_shop(agent);
	assert_int_equal(setup(&next_state), 0);
	next = next_state;
	copy_applied(agent->applied, next->applied);
	strcpy(announced, "192.0.2.10/32 ");
	strcpy(wanted, "192.0.2.10/32 "); /* what the agent before told FRR */
	put_service(next, "shop", "192.0.2.10", 80);
	put_endpoints(next, "shop", "10.244.1.5 10.244.1.6");
	settle(next);
	story_is("");
	assert_true(next->converged);
	teardown(&next_state);
}

int main(void)
{
#define row(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		row(the_maps_come_before_the_route),
		row(the_route_goes_before_the_frontend),
		row(what_cannot_be_deleted_is_still_named),
		row(the_drain_delay_is_waited_for),
		row(an_address_that_is_not_announced_needs_no_confirmation),
		row(an_frr_that_does_not_answer_confirms_nothing),
		row(without_the_first_list_nothing_is_done),
		row(what_the_kernel_refuses_is_not_announced),
		row(a_failed_change_leaves_what_served),
		row(a_table_that_cannot_be_written_is_not_used),
		row(deletions_go_on_while_others_fail),
		row(without_endpoints_the_service_rejects_and_is_withdrawn),
		row(a_family_that_no_peer_carries_is_told),
		row(a_restart_changes_nothing),
	};

	log_threshold = LOG_LEVEL_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
