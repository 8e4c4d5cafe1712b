// SPDX-License-Identifier: Apache-2.0
/* Random histories against a model of bgpd: it obeys the commands of each round as bgpd does and prints what it runs. Every
 * history must converge, and at no moment may a route that a peer has and shall keep be missing or filtered. */
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
#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

/* --- the model -------------------------------------------------------------------------------------------- */

enum place { TOP, MAP, ROUTER, IPV4, IPV6 };

struct model_line {
	enum place place;
	char map[96];  /* MAP: "NAME permit 10" */
	char text[512];
};

struct model {
	struct model_line *lines;
	size_t n, capacity;
	enum place at;
	bool configuring, has_router;
	char map[96];
	unsigned asn;
};

static void model_done(struct model *model)
{
	free(model->lines);
}

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static struct model_line *model_add(struct model *model, enum place place, const char *text)
{
	struct model_line *line;

	assert_int_equal(array_reserve(model->lines, model->n, model->capacity), 0);
	line = &model->lines[model->n++];
	*line = (struct model_line){ .place = place };
	snprintf(line->map, sizeof(line->map), "%s", place == MAP ? model->map : "");
	assert_true((size_t)snprintf(line->text, sizeof(line->text), "%s", text) < sizeof(line->text));
	return line;
}

/* Removes the lines of a place that begin with `with` (a word's end follows); how many there were. */
static size_t model_remove(struct model *model, enum place place, const char *with)
{
	size_t i, kept = 0, removed, length = strlen(with);

	for (i = 0; i < model->n; i++) {
		const struct model_line *line = &model->lines[i];
		const char *text = place == MAP ? line->map : line->text;

		if (line->place != place || !starts(text, with) || (text[length] && text[length] != ' '))
			model->lines[kept++] = *line;
	}
	removed = model->n - kept;
	model->n = kept;
	return removed;
}

static bool model_has_map(const struct model *model, const char *name, bool whole)
{
	char end[96], any[96];
	size_t i;
	bool ends = false, begins = false;

	snprintf(end, sizeof(end), "%s deny 65535", name);
	snprintf(any, sizeof(any), "%s ", name);
	for (i = 0; i < model->n; i++)
		if (model->lines[i].place == MAP) {
			ends |= !strcmp(model->lines[i].map, end);
			begins |= starts(model->lines[i].map, any);
		}
	return whole ? ends : begins;
}

/* What replaces what: the words that make a statement of a kind, with the neighbour in front. */
static void statement_key(const char *text, char *key, size_t size)
{
	static const char *const kinds[] = { "interface remote-as", "remote-as", "description", "password", "port", "local-as",
					     "ebgp-multihop", "ttl-security hops", "update-source", "timers connect", "timers",
					     "bfd profile", "bfd", "graceful-restart", "capability extended-nexthop", "activate",
					     "allowas-in", "maximum-prefix" };
	char id[64];
	const char *rest;
	size_t i;

	assert_int_equal(sscanf(text, "neighbor %63s", id), 1);
	rest = text + strlen("neighbor ") + strlen(id);
	assert_true(*rest == ' ');
	rest++;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (starts(rest, kinds[i])) {
			snprintf(key, size, "neighbor %s %s", id, kinds[i]);
			return;
		}
	assert_true(starts(rest, "route-map "));
	snprintf(key, size, "neighbor %s route-map %s", id, strstr(rest, " out") ? "out" : "in");
}

static void model_neighbor(struct model *model, const char *text)
{
	char key[160], other[160], map[96];
	size_t i;

	statement_key(text, key, sizeof(key));
	if (!strstr(text, "remote-as")) { /* it must be there already */
		char id[64], remote[160], interface[160];
		bool known = false;

		sscanf(text, "neighbor %63s", id);
		snprintf(remote, sizeof(remote), "neighbor %s remote-as ", id);
		snprintf(interface, sizeof(interface), "neighbor %s interface remote-as ", id);
		for (i = 0; i < model->n; i++)
			known |= model->lines[i].place == ROUTER &&
				 (starts(model->lines[i].text, remote) || starts(model->lines[i].text, interface));
		if (!known)
			fail_msg("\"%s\" before its remote-as", text);
	}
	if (sscanf(text, "neighbor %*s route-map %95s", map) == 1 && !model_has_map(model, map, true))
		fail_msg("\"%s\": not defined whole", text);
	for (i = 0; i < model->n; i++) {
		if (model->lines[i].place != model->at || !starts(model->lines[i].text, "neighbor "))
			continue;
		statement_key(model->lines[i].text, other, sizeof(other));
		if (!strcmp(key, other)) {
			snprintf(model->lines[i].text, sizeof(model->lines[i].text), "%s", text);
			return;
		}
	}
	model_add(model, model->at, text);
}

static void model_no_neighbor(struct model *model, const char *what)
{
	size_t removed;

	if (strchr(what + strlen("neighbor "), ' ')) {
		removed = model_remove(model, model->at, what);
	} else {
		assert_int_equal(model->at, ROUTER);
		removed = model_remove(model, ROUTER, what) + model_remove(model, IPV4, what) + model_remove(model, IPV6, what);
	}
	if (!removed)
		fail_msg("\"no %s\" of what is not there", what);
}

static void model_network(struct model *model, const char *text)
{
	char prefix[64], map[96], key[80];

	assert_int_equal(sscanf(text, "network %63s route-map %95s", prefix, map), 2);
	if (!model_has_map(model, map, true))
		fail_msg("\"%s\": the map is not defined", text);
	snprintf(key, sizeof(key), "network %s", prefix);
	model_remove(model, model->at, key);
	model_add(model, model->at, text);
}

static void model_in_router(struct model *model, const char *text)
{
	if (!strcmp(text, "address-family ipv4 unicast"))
		model->at = IPV4;
	else if (!strcmp(text, "address-family ipv6 unicast"))
		model->at = IPV6;
	else if (!strcmp(text, "exit-address-family"))
		model->at = ROUTER;
	else if (!strcmp(text, "exit"))
		model->at = TOP;
	else if (starts(text, "network "))
		model_network(model, text);
	else if (starts(text, "no network "))
		assert_int_equal(model_remove(model, model->at, text + strlen("no ")), 1);
	else if (starts(text, "neighbor "))
		model_neighbor(model, text);
	else if (starts(text, "no neighbor "))
		model_no_neighbor(model, text + strlen("no "));
	else if (starts(text, "bgp router-id "))
		model_remove(model, ROUTER, "bgp router-id"), model_add(model, ROUTER, text);
	else if (starts(text, "bgp ") || starts(text, "no bgp "))
		model_add(model, ROUTER, text);
	else
		fail_msg("what is \"%s\" in router bgp?", text);
}

static void model_at_top(struct model *model, const char *text)
{
	char name[96];
	unsigned asn;

	if (sscanf(text, "router bgp %u", &asn) == 1) {
		assert_true(!model->has_router || model->asn == asn);
		model->has_router = true;
		model->asn = asn;
		model->at = ROUTER;
	} else if (sscanf(text, "no router bgp %u", &asn) == 1) {
		assert_int_equal(asn, model->asn);
		model->has_router = false;
		model_remove(model, ROUTER, "neighbor"), model_remove(model, ROUTER, "bgp"), model_remove(model, ROUTER, "no");
		model_remove(model, IPV4, "neighbor"), model_remove(model, IPV4, "network");
		model_remove(model, IPV6, "neighbor"), model_remove(model, IPV6, "network");
	} else if (starts(text, "route-map ")) {
		snprintf(model->map, sizeof(model->map), "%s", text + strlen("route-map "));
		model_remove(model, MAP, model->map);
		model->at = MAP;
		model_add(model, MAP, "");
	} else if (sscanf(text, "no route-map %95s", name) == 1) {
		assert_true(model_has_map(model, name, false));
		model_remove(model, MAP, name);
	} else if (starts(text, "ip prefix-list ") || starts(text, "ipv6 prefix-list ")) {
		model_add(model, TOP, text);
	} else if (starts(text, "no ip prefix-list ") || starts(text, "no ipv6 prefix-list ")) {
		assert_true(model_remove(model, TOP, text + strlen("no ")) > 0);
	} else {
		fail_msg("what is \"%s\" at the top?", text);
	}
}

static void model_obey(struct model *model, const char *text)
{
	if (!model->configuring) {
		assert_string_equal(text, "configure terminal");
		model->configuring = true;
		model->at = TOP;
	} else if (!strcmp(text, "end")) {
		model->configuring = false;
	} else if (model->at == TOP) {
		model_at_top(model, text);
	} else if (model->at == MAP) {
		if (!strcmp(text, "exit"))
			model->at = TOP;
		else
			model_add(model, MAP, text);
	} else {
		model_in_router(model, text);
	}
}

static int compare_map_lines(const void *a, const void *b)
{
	const struct model_line *left = *(struct model_line *const *)a, *right = *(struct model_line *const *)b;
	int order = strcmp(left->map, right->map);

	return order ? order : left < right ? -1 : left > right; /* lines of one entry in their order */
}

static void print_place(const struct model *model, enum place place, struct strbuf *text)
{
	size_t i;

	for (i = 0; i < model->n; i++)
		if (model->lines[i].place == place)
			strbuf_appendf(text, " %s\n", model->lines[i].text);
}

static void model_parse(const struct model *model, struct frr_config *ret)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const struct model_line **maps = calloc(model->n + 1, sizeof(*maps));
	size_t i, n = 0;

	assert_non_null(maps);
	print_place(model, TOP, &text);
	for (i = 0; i < model->n; i++)
		if (model->lines[i].place == MAP)
			maps[n++] = &model->lines[i];
	if (n)
		qsort(maps, n, sizeof(*maps), compare_map_lines);
	for (i = 0; i < n; i++)
		strbuf_appendf(&text, *maps[i]->text ? " %s%s\n" : "exit\nroute-map %s%s\n", *maps[i]->text ? maps[i]->text : maps[i]->map, "");
	strbuf_append(&text, "exit\n");
	free(maps);
	if (model->has_router) {
		strbuf_appendf(&text, "router bgp %u\n", model->asn);
		print_place(model, ROUTER, &text);
		strbuf_append(&text, " address-family ipv4 unicast\n");
		print_place(model, IPV4, &text);
		strbuf_append(&text, " exit-address-family\n address-family ipv6 unicast\n");
		print_place(model, IPV6, &text);
		strbuf_append(&text, " exit-address-family\nexit\n");
	}
	assert_int_equal(frr_state_parse_config(strbuf_text(&text), ret), 0);
}

/* --- what peers have --------------------------------------------------------------------------------------- */

/* Does this neighbour's outgoing map let the class out? The class' tag is its number. */
static bool lets_out(const struct frr_config *config, const struct frr_neighbor *neighbor, enum frr_section section,
		     uint32_t class)
{
	const char *statement = frr_neighbor_map_out(neighbor, section);
	const struct frr_map *map;
	char name[96], tag[32];
	size_t i;

	if (!statement || sscanf(statement, "route-map %95s", name) != 1)
		return false;
	map = frr_config_find_map(config, name);
	snprintf(tag, sizeof(tag), "match tag %u", class);
	for (i = 0; map && i < map->n_entries; i++)
		if (map->entries[i].lines.n && !strcmp(map->entries[i].lines.items[0], tag))
			return true;
	return false;
}

static const struct frr_network *find_network(const struct frr_config *config, const struct prefix *prefix)
{
	size_t i;

	for (i = 0; i < config->n_networks; i++)
		if (!prefix_compare(&config->networks[i].prefix, prefix))
			return &config->networks[i];
	return NULL;
}

static bool has_route(const struct frr_config *config, const char *neighbor_id, const struct prefix *prefix)
{
	const struct frr_neighbor *neighbor = frr_config_find_neighbor(config, neighbor_id);
	const struct frr_network *network = find_network(config, prefix);

	return neighbor && network &&
	       lets_out(config, neighbor, prefix->addr.family == ADDR_IPV4 ? FRR_IPV4 : FRR_IPV6, network->class);
}

/* Whatever a peer had before and shall have afterwards it has now. */
static void check_kept(const struct frr_config *before, const struct frr_config *now, const struct frr_config *wanted,
		       const char *after)
{
	char text[PREFIX_TEXT_MAX];
	size_t i, j;

	if (before->asn != wanted->asn)
		return; /* another AS number begins anew */
	for (i = 0; i < wanted->n_neighbors; i++)
		for (j = 0; j < wanted->n_networks; j++) {
			const char *id = wanted->neighbors[i].id;
			const struct prefix *prefix = &wanted->networks[j].prefix;

			if (has_route(before, id, prefix) && has_route(wanted, id, prefix) && !has_route(now, id, prefix))
				fail_msg("after \"%s\" %s lost %s", after, id, prefix_format(prefix, text));
		}
}

/* --- histories ------------------------------------------------------------------------------------------------ */

static void converge(struct model *model, const struct frr_config *wanted)
{
	unsigned rounds;
	size_t i;

	for (rounds = 0; rounds < 6; rounds++) {
		cleanup(frr_config_done) struct frr_config before = { 0 };
		cleanup(frr_commands_done) struct frr_commands commands = { 0 };

		model_parse(model, &before);
		assert_int_equal(frr_diff_bgpd(&before, wanted, &commands), 0);
		assert_null(commands.conflict);
		if (!commands.n)
			return;
		for (i = 0; i < commands.n; i++) {
			cleanup(frr_config_done) struct frr_config now = { 0 };

			model_obey(model, commands.items[i].text);
			model_parse(model, &now);
			check_kept(&before, &now, wanted, commands.items[i].text);
		}
		assert_false(model->configuring);
	}
	fail_msg("no end after %u rounds", rounds);
}

static void mutate(struct world *world, unsigned step _unused_)
{
	const struct cluster *cluster = world_cluster(world);
	struct bgp_peer *peer = (struct bgp_peer *)cluster->peers[random() % cluster->n_peers];
	struct bgp_advertisement *advertisement = (struct bgp_advertisement *)cluster->advertisements[random() % 2];
	struct service *service = (struct service *)cluster->services[random() % cluster->n_services];
	static const char *const communities[] = { "", "65000:1", "65000:2 no-export", "large:1:2:3" };
	static const char *const peers[] = { "", "tor-a", "tor-b", "tor-a tor-c", "rr" };

	switch (random() % 8) {
	case 0:
		advertisement->communities = world_words(world, communities[random() % 4]);
		break;
	case 1:
		advertisement->peers = world_words(world, peers[random() % 5]);
		break;
	case 2:
		advertisement->local_pref = random() % 3 * 100;
		break;
	case 3:
		peer->node_selectors = random() % 2 ? world_selectors(world, "nowhere") : (struct selectors){ 0 };
		break;
	case 4:
		peer->hold_time_sec = 9 + random() % 3;
		peer->max_prefixes_received = random() % 2 ? 5 : 0;
		break;
	case 5:
		peer->ebgp_multi_hop = random() % 2;
		peer->ttl_security = peer->ebgp_multi_hop ? 0 : random() % 3;
		peer->ipv6 = random() % 2;
		break;
	default:
		service->meta.deleting = !service->meta.deleting;
		break;
	}
}

static void test_histories(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(model_done) struct model model = { 0 };
	struct prefix cidr;
	unsigned step;
	size_t i;

	prefix_parse("10.244.0.0/16", &cidr);
	world_pod_cidrs(&world, world_node(&world, "n1", "192.168.0.1", NULL), "10.244.1.0/24");
	world_pool(&world, "public", "192.0.2.0/24 2001:db8:1::/112");
	world_peer(&world, "tor-a", "192.168.0.251");
	world_peer(&world, "tor-b", "192.168.0.252");
	world_peer(&world, "tor-c", "fd00::253");
	world_peer(&world, "rr", "192.168.0.254")->peer_asn = 65001;
	world_advertisement(&world, "one");
	world_advertisement(&world, "two")->service_selectors = world_selectors(&world, "odd");
	for (i = 0; i < 8; i++) {
		char name[16], vips[64];
		struct service *service;

		snprintf(name, sizeof(name), "web/s%zu", i);
		snprintf(vips, sizeof(vips), "192.0.2.%zu 2001:db8:1::%zu", i, i);
		service = routes_service(&world, name, vips, POLICY_CLUSTER, "n1");
		if (i % 2)
			world_label(&world, &service->meta.labels, "odd", "");
	}
	srandom(7);
	for (step = 0; step < 400; step++) {
		cleanup(frr_config_done) struct frr_config wanted = { 0 };
		cleanup(problems_done) struct problems problems = { 0 };
		cleanup(routes_done) struct routes routes = { 0 };
		struct plan_options options = { .node = "n1" };
		struct frr_render input = { .node = "n1", .cluster_cidrs = &cidr, .n_cluster_cidrs = 1, .routes = &routes };
		struct node_plan plan;

		routes_plan(&world, &plan);
		assert_int_equal(routes_decide(&world.cluster, &options, &plan, NULL, &routes), 0);
		input.cluster = &world.cluster;
		assert_int_equal(frr_config_render(&input, &wanted, &problems), 0);
		converge(&model, &wanted);
		mutate(&world, step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
