// SPDX-License-Identifier: Apache-2.0
/* `lbctl why`: each row breaks one step of a healthy Service, and that step is named with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/agent/node_report.h"
#include "userspace/agent/why.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

/* A Service that is served and announced; tests break it in place. */
struct scene {
	struct world world;
	struct service *service;
	struct node *node;
	struct frontend frontend;
	struct addr vip;
	struct service_plan plan;
	struct frontend_state state;
	struct allocation allocation;
	struct route route;
	struct route_row route_row;
	struct problems problems;
	struct why_input input;
};

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){ 0 };
	scene->service = world_service(&scene->world, "web/shop");
	world_service_port(&scene->world, scene->service, "http", L4_TCP, 80, 0);
	world_ingress(&scene->world, scene->service, "192.0.2.10");
	world_pool(&scene->world, "public", "192.0.2.0/24");
	scene->node = world_node(&scene->world, "n1", "10.0.0.1", "");
	scene->vip = addr_v4(0xc000020a);
	scene->frontend =
		(struct frontend){ .addr = scene->vip, .port = 80, .protocol = L4_TCP, .reason = "" };
	scene->plan = (struct service_plan){ .frontends = &scene->frontend,
					     .n_frontends = 1,
					     .vips = &scene->vip,
					     .n_vips = 1,
					     .n_ready = 2,
					     .n_total = 3,
					     .n_local = 1 };
	scene->state = (struct frontend_state){ .standing = true, .in_maps = true };
	scene->allocation =
		(struct allocation){ .pool = "public", .reason = "", .message = "", .n_addresses = 1 };
	scene->route = (struct route){ .prefix = prefix_host(&scene->vip), .peer = "tor-a" };
	scene->route_row =
		(struct route_row){ .route = &scene->route, .announced = true, .session = "Established" };
	scene->input = (struct why_input){ .node = "n1",
					   .service = scene->service,
					   .plan = &scene->plan,
					   .allocation = &scene->allocation,
					   .states = &scene->state,
					   .accepted = true,
					   .routes = &scene->route_row,
					   .n_routes = 1,
					   .n_peers = 1,
					   .daemon_state = "connected",
					   .problems = &scene->problems };
}

static void scene_done(struct scene *scene)
{
	problems_done(&scene->problems);
	world_done(&scene->world);
}

static void wrong_type(struct scene *scene)
{
	scene->service->type = SERVICE_CLUSTER_IP;
}

static void refused(struct scene *scene)
{
	scene->service->unusable = true;
}

static void wrong_class(struct scene *scene)
{
	scene->service->load_balancer_class = "other.example/lb";
}

static void no_class(struct scene *scene)
{
	scene->service->load_balancer_class = NULL;
}

static void no_pool(struct scene *scene)
{
	scene->service->n_ingress = 0;
	scene->input.plan = NULL;
	scene->allocation =
		(struct allocation){ .pool = "", .reason = "PoolExhausted", .message = "pool public: full" };
}

static void no_controller(struct scene *scene)
{
	scene->service->n_ingress = 0;
	scene->input.plan = NULL;
}

static void refused_address(struct scene *scene)
{
	scene->plan.n_vips = 0;
	scene->plan.n_frontends = 0;
	assert_int_equal(
		problems_add(&scene->problems, "Service/web/shop", "status", "192.0.2.10 is a node's"), 0);
}

static void refused_address_and_a_typo(struct scene *scene)
{
	assert_int_equal(problems_add(&scene->problems, "Service/web/shop",
				      "metadata.annotations[fairway.dev/pol]", "ignored"),
			 0);
	refused_address(scene);
}

static void no_endpoints(struct scene *scene)
{
	scene->frontend.verdict = VERDICT_REJECT;
	scene->frontend.reason = "NoEndpoints";
}

static void no_local_endpoints(struct scene *scene)
{
	scene->frontend.verdict = VERDICT_DROP;
	scene->frontend.reason = "NoLocalEndpoints";
	scene->plan.external_policy = POLICY_LOCAL;
}

static void not_programmed(struct scene *scene)
{
	scene->state = (struct frontend_state){ 0 };
	scene->input.accepted = false;
}

static void stale(struct scene *scene)
{
	scene->state.standing = false;
}

static void no_peer(struct scene *scene)
{
	scene->input.n_routes = 0;
	scene->input.n_peers = 0;
}

static void excluded(struct scene *scene)
{
	scene->input.n_routes = 0;
	world_label(&scene->world, &scene->node->meta.labels,
		    "node.kubernetes.io/exclude-from-external-load-balancers", "");
}

/* What Go's ParseBool takes for false excludes nobody. */
static void not_excluded(struct scene *scene)
{
	scene->input.n_routes = 0;
	world_label(&scene->world, &scene->node->meta.labels,
		    "node.kubernetes.io/exclude-from-external-load-balancers", "False");
}

static void on_its_way_out(struct scene *scene)
{
	scene->input.n_routes = 0;
	scene->node->meta.deleting = true;
}

/* A port that no data path carries is no broken step. */
static void sctp_beside(struct scene *scene)
{
	static struct frontend frontends[2];
	static struct frontend_state states[2];

	frontends[0] = frontends[1] = scene->frontend;
	frontends[1].protocol = L4_SCTP;
	states[0] = scene->state;
	scene->plan.frontends = frontends;
	scene->plan.n_frontends = 2;
	scene->input.states = states;
}

static void not_selected(struct scene *scene)
{
	scene->input.n_routes = 0;
	world_advertisement(&scene->world, "some");
}

static void advertisement_broken(struct scene *scene)
{
	not_selected(scene);
	problems_add(&scene->problems, "BGPAdvertisement/some", "spec.communities",
		     "no-exprt; it is not used");
}

static void own_selector_broken(struct scene *scene)
{
	scene->input.n_routes = 0;
	problems_add(&scene->problems, "Service/web/shop", "metadata", "rack=(a: announced from no node");
}

/* In both families, each with a route. */
static void dual_stack(struct scene *scene)
{
	static struct frontend frontends[2];
	static struct frontend_state states[2];
	static struct addr vips[2];
	static struct route routes[2];
	static struct route_row route_rows[2];

	for (size_t i = 0; i < 2; i++) {
		vips[i] = scene->vip;
		if (i)
			assert_int_equal(addr_parse("2001:db8::a", &vips[i]), 0);
		frontends[i] = scene->frontend;
		frontends[i].addr = vips[i];
		states[i] = scene->state;
		routes[i] = (struct route){ .prefix = prefix_host(&vips[i]), .peer = "tor-a" };
		route_rows[i] = scene->route_row;
		route_rows[i].route = &routes[i];
		scene->input.n_peers_in[i] = 1;
	}
	scene->plan.frontends = frontends;
	scene->plan.n_frontends = 2;
	scene->plan.vips = vips;
	scene->plan.n_vips = 2;
	scene->input.states = states;
	scene->input.routes = route_rows;
	scene->input.n_routes = 2;
}

static void ipv6_not_here(struct scene *scene)
{
	dual_stack(scene);
	scene->input.n_routes = 1;
	world_advertisement(&scene->world, "some");
}

static void ipv4_not_here(struct scene *scene)
{
	ipv6_not_here(scene);
	scene->input.routes++;
}

static void ipv6_nowhere(struct scene *scene)
{
	ipv6_not_here(scene);
	scene->input.n_peers_in[1] = 0;
}

static void ipv6_without_endpoints(struct scene *scene)
{
	ipv6_not_here(scene);
	scene->plan.frontends[1].verdict = VERDICT_REJECT;
	scene->plan.frontends[1].reason = "NoEndpoints";
}

static void ipv6_without_local_endpoints(struct scene *scene)
{
	ipv6_not_here(scene);
	scene->plan.frontends[1].verdict = VERDICT_DROP;
	scene->plan.frontends[1].reason = "NoLocalEndpoints";
}

static void bgpd_away(struct scene *scene)
{
	scene->route_row.announced = false;
	scene->input.daemon_state = "not running";
}

static void session_down(struct scene *scene)
{
	scene->route_row.session = "Active";
}

static void nothing(struct scene *scene _unused_)
{
}

static const struct {
	const char *broken, *says;
	void (*harm)(struct scene *);
} rows[] = {
	{ "", "192.0.2.10/32 to tor-a: announced", nothing },
	{ "class", "refused when it was read", refused },
	{ "class", "type is not LoadBalancer", wrong_type },
	{ "class", "other.example/lb", wrong_class },
	{ "class", "--default-class", no_class },
	{ "pool", "PoolExhausted: pool public: full", no_pool },
	{ "address", "lbcontroller", no_controller },
	{ "address", "192.0.2.10 is a node's", refused_address },
	{ "address", "192.0.2.10 is a node's", refused_address_and_a_typo },
	{ "endpoints", "no usable endpoint", no_endpoints },
	{ "endpoints", "none on node n1", no_local_endpoints },
	{ "maps", "192.0.2.10 port 80/TCP does not (not in the maps)", not_programmed },
	{ "maps", "an older state serves", stale },
	{ "announcement", "no usable BGPPeer", no_peer },
	{ "announcement", "exclude-from-external-load-balancers", excluded },
	{ "announcement", "node selector leaves this node out", not_excluded },
	{ "announcement", "the node is being deleted", on_its_way_out },
	{ "", "192.0.2.10/32 to tor-a: announced", sctp_beside },
	{ "announcement", "no BGPAdvertisement selects", not_selected },
	{ "announcement", "; BGPAdvertisement/some: spec.communities: no-exprt; it is not used",
	  advertisement_broken },
	{ "announcement", "; Service/web/shop: metadata: rack=(a: announced from no node",
	  own_selector_broken },
	{ "", "192.0.2.10/32 to tor-a: announced; 2001:db8::a/128 to tor-a: announced", dual_stack },
	{ "announcement",
	  "192.0.2.10/32 to tor-a: announced; PartlyAnnounced: IPv6 to no peer: no usable BGPPeer of this "
	  "node has "
	  "it in addressFamilies; add it to one, or a peer that has it",
	  ipv6_nowhere },
	{ "announcement",
	  "announced; PartlyAnnounced: IPv6 to no peer: no BGPAdvertisement wants it of this node "
	  "(serviceIPPools, peers, nodeSelectors, maxNextHops)",
	  ipv6_not_here },
	{ "announcement",
	  "2001:db8::a/128 to tor-a: announced; PartlyAnnounced: IPv4 to no peer: no BGPAdvertisement wants "
	  "it",
	  ipv4_not_here },
	{ "announcement", "PartlyAnnounced: IPv6 to no peer: no usable endpoint has an address of it",
	  ipv6_without_endpoints },
	{ "announcement",
	  "PartlyAnnounced: IPv6 to no peer: externalTrafficPolicy Local, and no usable endpoint of it on "
	  "this "
	  "node",
	  ipv6_without_local_endpoints },
	{ "announcement", "FRR is not running", bgpd_away },
	{ "announcement", "session is Active", session_down },
};

static void the_first_broken_step_is_named(void **state _unused_)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf json = { 0 };
		cleanup(scene_done) struct scene scene;
		cleanup(why_done) struct why why;
		const char *text;

		scene_init(&scene);
		rows[i].harm(&scene);
		scene.input.cluster = world_cluster(&scene.world);
		why_decide(&scene.input, &why);
		text = strbuf_text(&why.steps[why.n - 1].text);
		if (strcmp(why_broken(&why), rows[i].broken) || !strstr(text, rows[i].says) ||
		    !strstr(rows[i].says, REPORT_PARTLY) != !strstr(text, REPORT_PARTLY))
			fail_msg("row %zu: broken '%s', said '%s'; expected '%s', '%s'", i, why_broken(&why),
				 text, rows[i].broken, rows[i].says);
		view_why_json(&json, "n1", scene.service, &why, &scene.problems, "waiting \"x\"");
		assert_non_null(strstr(strbuf_text(&json), "\"steps\": [\n  {\"step\": \"class\""));
	}
}

/* An annotation that is ignored breaks no step. */
static void problems_are_told_where_nothing_is_broken(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf json = { 0 };
	cleanup(scene_done) struct scene scene;
	cleanup(why_done) struct why why;

	scene_init(&scene);
	scene.input.cluster = world_cluster(&scene.world);
	assert_int_equal(
		problems_add(&scene.problems, "Service/web/shop", "metadata.annotations[x]", "ignored"), 0);
	why_decide(&scene.input, &why);
	assert_string_equal(why_broken(&why), "");
	view_why_json(&json, "n1", scene.service, &why, &scene.problems, "");
	assert_non_null(strstr(strbuf_text(&json),
			       "\"broken\": \"\", \"note\": \"\", \"problems\": [\n  {\"field\": "
			       "\"metadata.annotations[x]\", \"message\": \"ignored\"}], \"steps\": [\n  "
			       "{\"step\": \"class\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_are_told_where_nothing_is_broken),
		cmocka_unit_test(the_first_broken_step_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
