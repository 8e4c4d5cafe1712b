// SPDX-License-Identifier: Apache-2.0
/* The commands that make FRR run what is wanted: see frr_diff.h. */
#include "bgp/frr_diff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

/* --- statements that we write, and so may take away -------------------------------------------------------- */

static const struct statement_kind {
	const char *words;	/* it begins with them, and for route-maps ends with `last` */
	const char *last;
	bool undo_needs_all;	/* "no neighbor X" with the whole statement; else with its words alone */
	bool whole_neighbor;	/* can be changed, never taken away alone */
	bool resets;
	bool secret;
} statement_kinds[] = { /* longer words before their beginnings */
	{ .words = "interface remote-as", .whole_neighbor = true, .resets = true },
	{ .words = "remote-as", .whole_neighbor = true, .resets = true },
	{ .words = "description" },
	{ .words = "password", .resets = true, .secret = true },
	{ .words = "port", .resets = true },
	{ .words = "local-as", .resets = true },
	{ .words = "ebgp-multihop", .resets = true },
	{ .words = "ttl-security hops", .undo_needs_all = true, .resets = true },
	{ .words = "update-source", .resets = true },
	{ .words = "timers connect" },
	{ .words = "timers" },
	{ .words = "bfd profile", .undo_needs_all = true },
	{ .words = "bfd" },
	{ .words = "graceful-restart" },
	{ .words = "capability extended-nexthop", .resets = true },
	{ .words = "activate", .resets = true },
	{ .words = "allowas-in" },
	{ .words = "maximum-prefix" },
	{ .words = "route-map", .last = " in", .undo_needs_all = true },
	{ .words = "route-map", .last = " out", .undo_needs_all = true },
};

static const char *const global_kinds[] = {
	"bgp router-id",
	"no bgp default ipv4-unicast",
	"bgp graceful-restart restart-time",
	"bgp graceful-restart preserve-fw-state",
	"no bgp network import-check",
};

static bool begins_with(const char *text, const char *words)
{
	size_t length = strlen(words);

	return !strncmp(text, words, length) && (!text[length] || text[length] == ' ');
}

static const struct statement_kind *kind_of(const char *statement)
{
	size_t i, length = strlen(statement);

	for (i = 0; i < ARRAY_SIZE(statement_kinds); i++) {
		const struct statement_kind *kind = &statement_kinds[i];

		if (!begins_with(statement, kind->words))
			continue;
		if (!kind->last || (length > strlen(kind->last) &&
				    !strcmp(statement + length - strlen(kind->last), kind->last)))
			return kind;
	}
	return NULL;
}

/* The statement of that kind and section, or NULL. */
static const char *find_statement(const struct frr_neighbor *neighbor, enum frr_section section,
				  const struct statement_kind *kind)
{
	size_t i;

	for (i = 0; i < neighbor->n_statements; i++)
		if (neighbor->statements[i].section == section && kind_of(neighbor->statements[i].text) == kind)
			return neighbor->statements[i].text;
	return NULL;
}

/* --- writing commands ----------------------------------------------------------------------------------------- */

enum vty_node { AT_ENABLE, AT_CONFIG, AT_ROUTER, AT_IPV4, AT_IPV6 };

struct writer {
	struct frr_commands commands;
	const struct frr_config *running, *wanted;
	uint32_t asn; /* of the `router bgp` that commands are for */
	enum vty_node node;
	const char *between; /* the last map of a transition that was defined */
	int error;
};

static struct frr_command *emitf(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* NULL once memory is short; writer->error says so in the end. */
static struct frr_command *emitf(struct writer *writer, const char *format, ...)
{
	struct frr_commands *commands = &writer->commands;
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const char *copy;
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	copy = strbuf_failed(&text) ? NULL : arena_string(&commands->arena, strbuf_text(&text));
	if (!copy || array_reserve(commands->items, commands->n, commands->capacity) < 0) {
		writer->error = -ENOMEM;
		return NULL;
	}
	commands->items[commands->n] = (struct frr_command){ .text = copy };
	return &commands->items[commands->n++];
}

/* A line that the current node does not know is tried in its parents and moves the vty there, so every change of node is
 * made in full. */
static void go_to(struct writer *writer, enum vty_node node)
{
	if (writer->node == node)
		return;
	if (writer->node == AT_ENABLE)
		emitf(writer, "configure terminal");
	else if (writer->node == AT_IPV4 || writer->node == AT_IPV6)
		emitf(writer, "exit-address-family");
	if (node == AT_ENABLE) {
		emitf(writer, "end");
	} else if (node == AT_CONFIG) {
		if (writer->node != AT_ENABLE)
			emitf(writer, "exit");
	} else {
		if (writer->node == AT_ENABLE || writer->node == AT_CONFIG)
			emitf(writer, "router bgp %u", writer->asn);
		if (node != AT_ROUTER)
			emitf(writer, "address-family %s unicast", node == AT_IPV4 ? "ipv4" : "ipv6");
	}
	writer->node = node;
}

static enum vty_node node_of_section(enum frr_section section)
{
	switch (section) {
	case FRR_ROUTER:
		return AT_ROUTER;
	case FRR_IPV4:
		return AT_IPV4;
	case FRR_IPV6:
		return AT_IPV6;
	}
	return AT_ROUTER;
}

static void emit_statement(struct writer *writer, const struct frr_neighbor *neighbor, enum frr_section section,
			   const char *text, bool known)
{
	const struct statement_kind *kind = kind_of(text);
	struct frr_command *command;

	go_to(writer, node_of_section(section));
	command = emitf(writer, "neighbor %s %s", neighbor->id, text);
	if (!command)
		return;
	command->secret = kind && kind->secret;
	command->resets = known && kind && kind->resets ? neighbor->peer : NULL;
}

static void undo_statement(struct writer *writer, const struct frr_neighbor *neighbor, enum frr_section section,
			   const char *text)
{
	const struct statement_kind *kind = kind_of(text);
	struct frr_command *command;

	go_to(writer, node_of_section(section));
	command = emitf(writer, "no neighbor %s %s", neighbor->id, kind->undo_needs_all ? text : kind->words);
	if (command)
		command->resets = kind->resets ? neighbor->peer : NULL;
}

/* --- maps and lists ------------------------------------------------------------------------------------------- */

static void define_map(struct writer *writer, const struct frr_map *map)
{
	size_t i, j;

	for (i = 0; i < map->n_entries; i++) {
		go_to(writer, AT_CONFIG);
		emitf(writer, "route-map %s %s %u", map->name, map->entries[i].permit ? "permit" : "deny",
		      map->entries[i].sequence);
		for (j = 0; j < map->entries[i].lines.n; j++)
			emitf(writer, "%s", map->entries[i].lines.items[j]);
		emitf(writer, "exit");
	}
}

static void define_maps(struct writer *writer)
{
	const struct frr_map *running;
	size_t i;

	for (i = 0; i < writer->wanted->n_maps; i++) {
		running = frr_config_find_map(writer->running, writer->wanted->maps[i].name);
		if (!running || !running->complete)
			define_map(writer, &writer->wanted->maps[i]);
	}
}

static void define_lists(struct writer *writer)
{
	const struct frr_list *list, *running;
	size_t i, j;

	for (i = 0; i < writer->wanted->n_lists; i++) {
		list = &writer->wanted->lists[i];
		running = frr_config_find_list(writer->running, list->name, list->ipv6);
		if (running && running->lines.n == list->lines.n)
			continue;
		for (j = 0; j < list->lines.n; j++) {
			go_to(writer, AT_CONFIG);
			emitf(writer, "%s prefix-list %s %s", list->ipv6 ? "ipv6" : "ip", list->name, list->lines.items[j]);
		}
	}
}

/* Only in a round in which nothing else is left to do: then nothing refers to them any more. */
static void delete_leftovers(struct writer *writer)
{
	size_t i;

	for (i = 0; i < writer->running->n_maps; i++) {
		if (frr_config_find_map(writer->wanted, writer->running->maps[i].name))
			continue;
		go_to(writer, AT_CONFIG);
		emitf(writer, "no route-map %s", writer->running->maps[i].name);
	}
	for (i = 0; i < writer->running->n_lists; i++) {
		const struct frr_list *list = &writer->running->lists[i];

		if (frr_config_find_list(writer->wanted, list->name, list->ipv6))
			continue;
		go_to(writer, AT_CONFIG);
		emitf(writer, "no %s prefix-list %s", list->ipv6 ? "ipv6" : "ip", list->name);
	}
}

/* --- the instance ------------------------------------------------------------------------------------------------ */

static void set_globals(struct writer *writer)
{
	const struct strings *running = &writer->running->globals, *wanted = &writer->wanted->globals;
	size_t i, j, k;
	bool kept;

	for (i = 0; i < running->n; i++) {
		for (j = 0; j < ARRAY_SIZE(global_kinds); j++)
			if (begins_with(running->items[i], global_kinds[j]))
				break;
		if (j == ARRAY_SIZE(global_kinds))
			continue;
		for (kept = false, k = 0; k < wanted->n; k++)
			kept |= begins_with(wanted->items[k], global_kinds[j]);
		if (kept)
			continue; /* the same, or overwritten below */
		go_to(writer, AT_ROUTER);
		if (begins_with(running->items[i], "no"))
			emitf(writer, "%s", running->items[i] + strlen("no "));
		else
			emitf(writer, "no %s", global_kinds[j]);
	}
	for (i = 0; i < wanted->n; i++) {
		if (strings_contain(running, wanted->items[i]))
			continue;
		go_to(writer, AT_ROUTER);
		emitf(writer, "%s", wanted->items[i]);
	}
}

/* --- networks ----------------------------------------------------------------------------------------------------- */

static void emit_network(struct writer *writer, const struct prefix *prefix, uint32_t class, bool stuck)
{
	struct frr_command *command;
	char text[PREFIX_TEXT_MAX];

	go_to(writer, prefix->addr.family == ADDR_IPV4 ? AT_IPV4 : AT_IPV6);
	prefix_format(prefix, text);
	/* bgpd looks at a prefix again only if there is something to withdraw. Without a class no map of ours lets it out, and both
	 * commands come before bgpd looks. */
	if (stuck)
		emitf(writer, "network %s", text);
	if (class)
		command = emitf(writer, "network %s route-map " FRR_CLASS_PREFIX "%08x", text, class);
	else
		command = emitf(writer, "no network %s", text);
	if (!command)
		return;
	command->is_network = true;
	command->network = (struct frr_network){ .prefix = *prefix, .class = class };
}

struct network_walk { /* both arrays are sorted: one walk tells all differences */
	size_t removed, changed, added;
};

enum network_pass { COUNT, WITHDRAW, ANNOUNCE };

static struct network_walk walk_networks(struct writer *writer, enum network_pass pass)
{
	const struct frr_config *running = writer->running, *wanted = writer->wanted;
	struct network_walk walk = { 0 };
	size_t i = 0, j = 0;
	int order;

	while (i < running->n_networks || j < wanted->n_networks) {
		order = i == running->n_networks  ? 1
			: j == wanted->n_networks ? -1
						  : prefix_compare(&running->networks[i].prefix, &wanted->networks[j].prefix);
		if (order < 0) {
			if (running->networks[i].class || running->networks[i].stuck) { /* else somebody else's */
				walk.removed++;
				if (pass == WITHDRAW)
					emit_network(writer, &running->networks[i].prefix, 0, running->networks[i].stuck);
			}
			i++;
			continue;
		}
		if (order > 0 || running->networks[i].class != wanted->networks[j].class) {
			walk.changed += order == 0;
			walk.added += order > 0;
			if (pass == ANNOUNCE)
				emit_network(writer, &wanted->networks[j].prefix, wanted->networks[j].class, false);
		}
		i += order == 0;
		j++;
	}
	return walk;
}

/* --- neighbours --------------------------------------------------------------------------------------------------- */

static bool entry_is_in(const struct frr_map_entry *entry, const struct frr_map *map)
{
	size_t i;

	for (i = 0; i < map->n_entries; i++)
		if (map->entries[i].lines.n && entry->lines.n &&
		    !strcmp(map->entries[i].lines.items[0], entry->lines.items[0])) /* "match tag N" */
			return true;
	return false;
}

/* While networks move from one class to another, a neighbour takes both: what its map takes now and what it shall take.
 * Otherwise the moving ones would be withdrawn for a moment. */
static int transition_map(struct writer *writer, const struct frr_neighbor *neighbor, const struct frr_map *now,
			  const struct frr_map *then, struct frr_map *ret)
{
	cleanup(freep) struct strings *entries = calloc(now->n_entries + then->n_entries, sizeof(*entries));
	size_t i, n = 0;

	if (!entries)
		return -ENOMEM;
	for (i = 0; i < then->n_entries; i++)
		if (then->entries[i].lines.n)
			entries[n++] = then->entries[i].lines;
	for (i = 0; i < now->n_entries; i++)
		if (now->entries[i].lines.n && !entry_is_in(&now->entries[i], then))
			entries[n++] = now->entries[i].lines;
	return frr_map_out(&writer->commands.arena, neighbor->peer, entries, n, ret);
}

/* "route-map NAME out" -> NAME, cut out of the statement into `buffer`. */
static const char *map_name(const char *statement, char *buffer, size_t size)
{
	const char *name = statement + strlen("route-map ");
	size_t length = strcspn(name, " ");

	if (length >= size)
		return "";
	memcpy(buffer, name, length);
	buffer[length] = '\0';
	return buffer;
}

static void swap_map(struct writer *writer, const struct frr_neighbor *running, const struct frr_neighbor *wanted,
		     enum frr_section section, bool moving)
{
	const char *now = frr_neighbor_map_out(running, section), *then = frr_neighbor_map_out(wanted, section);
	const struct frr_map *now_map, *then_map;
	struct frr_map between;
	char name[256];

	if (!now || !then || !strcmp(now, then))
		return;
	now_map = frr_config_find_map(writer->running, map_name(now, name, sizeof(name)));
	then_map = frr_config_find_map(writer->wanted, map_name(then, name, sizeof(name)));
	if (!moving || !now_map || !then_map) {
		emit_statement(writer, wanted, section, then, false);
		return;
	}
	if (transition_map(writer, wanted, now_map, then_map, &between) < 0) {
		writer->error = -ENOMEM;
		return;
	}
	if (!strcmp(between.name, now_map->name))
		return;
	if (!frr_config_find_map(writer->running, between.name) && !frr_config_find_map(writer->wanted, between.name) &&
	    !text_equal(writer->between, between.name)) /* the other family's, just before */
		define_map(writer, &between);
	writer->between = between.name;
	go_to(writer, node_of_section(section));
	emitf(writer, "neighbor %s route-map %s out", wanted->id, between.name);
}

static void swap_maps(struct writer *writer, bool moving)
{
	const struct frr_neighbor *running;
	size_t i;

	for (i = 0; i < writer->wanted->n_neighbors; i++) {
		running = frr_config_find_neighbor(writer->running, writer->wanted->neighbors[i].id);
		if (!running)
			continue;
		swap_map(writer, running, &writer->wanted->neighbors[i], FRR_IPV4, moving);
		swap_map(writer, running, &writer->wanted->neighbors[i], FRR_IPV6, moving);
	}
}

static bool is_map_out(const struct statement_kind *kind)
{
	return kind->last && !strcmp(kind->last, " out");
}

/* Outgoing maps that are there already are swap_maps()' business. */
static void change_neighbor(struct writer *writer, const struct frr_neighbor *running, const struct frr_neighbor *wanted)
{
	const struct statement_kind *kind;
	const struct frr_statement *statement;
	const char *other;
	size_t i;

	for (i = running->n_statements; i-- > 0;) { /* backwards: "bfd profile" goes before "bfd" */
		statement = &running->statements[i];
		kind = kind_of(statement->text);
		if (kind && !kind->whole_neighbor && !find_statement(wanted, statement->section, kind))
			undo_statement(writer, wanted, statement->section, statement->text);
	}
	for (i = 0; i < wanted->n_statements; i++) {
		statement = &wanted->statements[i];
		kind = kind_of(statement->text);
		other = find_statement(running, statement->section, kind);
		if (other && (!strcmp(other, statement->text) || is_map_out(kind)))
			continue;
		emit_statement(writer, wanted, statement->section, statement->text, true);
	}
}

static void set_neighbors(struct writer *writer)
{
	const struct frr_neighbor *running, *wanted;
	size_t i, j;

	for (i = 0; i < writer->running->n_neighbors; i++) {
		running = &writer->running->neighbors[i];
		if (!running->peer || frr_config_find_neighbor(writer->wanted, running->id))
			continue;
		go_to(writer, AT_ROUTER);
		emitf(writer, "no neighbor %s", running->id);
	}
	for (i = 0; i < writer->wanted->n_neighbors; i++) {
		wanted = &writer->wanted->neighbors[i];
		running = frr_config_find_neighbor(writer->running, wanted->id);
		if (running) {
			change_neighbor(writer, running, wanted);
			continue;
		}
		for (j = 0; j < wanted->n_statements; j++)
			emit_statement(writer, wanted, wanted->statements[j].section, wanted->statements[j].text, false);
	}
}

/* --- the round ------------------------------------------------------------------------------------------------------- */

static void remove_router(struct writer *writer)
{
	go_to(writer, AT_CONFIG);
	emitf(writer, "no router bgp %u", writer->running->asn);
}

static void round_of(struct writer *writer)
{
	struct network_walk walk;
	size_t before;

	define_lists(writer);
	define_maps(writer);
	if (writer->wanted->asn && !writer->running->asn)
		go_to(writer, AT_ROUTER); /* creates it */
	if (writer->wanted->asn) /* else the instance goes as a whole, or is somebody else's too */
		set_globals(writer);
	walk = walk_networks(writer, COUNT);
	before = writer->commands.n;
	if (walk.removed)
		walk_networks(writer, WITHDRAW);
	writer->commands.networks_only = !before;
	before = writer->commands.n;
	swap_maps(writer, walk.changed);
	if (before != writer->commands.n)
		writer->commands.networks_only = false;
	if (walk.added + walk.changed)
		walk_networks(writer, ANNOUNCE);
	before = writer->commands.n;
	set_neighbors(writer);
	if (before != writer->commands.n)
		writer->commands.networks_only = false;
}

int frr_diff_bgpd(const struct frr_config *running, const struct frr_config *wanted, struct frr_commands *ret)
{
	static const struct frr_config nothing = { 0 };
	struct frr_config without_router;
	struct writer writer = { .running = running, .wanted = wanted, .asn = wanted->asn ? wanted->asn : running->asn };

	if (running->asn && wanted->asn && running->asn != wanted->asn) {
		if (running->foreign) {
			*ret = (struct frr_commands){ .conflict = "another AS with neighbours or networks of somebody "
								  "else's runs in bgpd" };
			return 0;
		}
		remove_router(&writer); /* one instance has one AS number: the sessions of the old one end here */
		without_router = nothing;
		without_router.maps = running->maps;
		without_router.n_maps = running->n_maps;
		without_router.lists = running->lists;
		without_router.n_lists = running->n_lists;
		writer.running = &without_router;
	}
	round_of(&writer);
	if (!writer.commands.n) {
		writer.commands.networks_only = false;
		if (running->asn && !wanted->asn && !running->foreign)
			remove_router(&writer);
		else
			delete_leftovers(&writer);
	}
	if (writer.commands.n)
		go_to(&writer, AT_ENABLE);
	if (writer.error) {
		frr_commands_done(&writer.commands);
		return writer.error;
	}
	*ret = writer.commands;
	return 0;
}

/* --- BFD profiles ------------------------------------------------------------------------------------------------------ */

/* How a line of a profile goes back to bfdd's default; NULL for what we never write. */
static const char *profile_default(const char *line)
{
	static const struct {
		const char *words, *undo;
	} kinds[] = {
		{ "detect-multiplier", "detect-multiplier 3" },
		{ "transmit-interval", "transmit-interval 300" },
		{ "receive-interval", "receive-interval 300" },
		{ "echo transmit-interval", "echo transmit-interval 50" },
		{ "echo receive-interval", "echo receive-interval 50" },
		{ "minimum-ttl", "minimum-ttl 254" },
		{ "echo-mode", "no echo-mode" },
		{ "passive-mode", "no passive-mode" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (begins_with(line, kinds[i].words))
			return kinds[i].undo;
	return NULL;
}

static bool sets_same(const struct strings *lines, const char *line)
{
	const char *kind = profile_default(line);
	size_t i;

	for (i = 0; i < lines->n; i++)
		if (profile_default(lines->items[i]) == kind)
			return true;
	return false;
}

static void set_profile(struct writer *writer, const struct frr_profile *running, const struct frr_profile *wanted)
{
	static const struct strings none = { 0 };
	const struct strings *old = running ? &running->lines : &none;
	size_t i, before = writer->commands.n;

	emitf(writer, "profile %s", wanted->name);
	for (i = 0; i < old->n; i++)
		if (profile_default(old->items[i]) && !sets_same(&wanted->lines, old->items[i]))
			emitf(writer, "%s", profile_default(old->items[i]));
	for (i = 0; i < wanted->lines.n; i++)
		if (!strings_contain(old, wanted->lines.items[i]))
			emitf(writer, "%s", wanted->lines.items[i]);
	emitf(writer, "exit");
	if (running && writer->commands.n == before + 2)
		writer->commands.n = before; /* as it is */
}

int frr_diff_bfdd(const struct frr_config *running, const struct frr_config *wanted, bool settled,
		  struct frr_commands *ret)
{
	struct writer writer = { .running = running, .wanted = wanted };
	size_t i, before;

	emitf(&writer, "configure terminal");
	emitf(&writer, "bfd");
	before = writer.commands.n;
	for (i = 0; i < wanted->n_profiles; i++)
		set_profile(&writer, frr_config_find_profile(running, wanted->profiles[i].name), &wanted->profiles[i]);
	for (i = 0; i < running->n_profiles && settled; i++)
		if (!frr_config_find_profile(wanted, running->profiles[i].name))
			emitf(&writer, "no profile %s", running->profiles[i].name);
	if (writer.commands.n == before)
		writer.commands.n = 0;
	else
		emitf(&writer, "end");
	if (writer.error) {
		frr_commands_done(&writer.commands);
		return writer.error;
	}
	*ret = writer.commands;
	return 0;
}

void frr_commands_done(struct frr_commands *commands)
{
	if (!commands)
		return;
	free(commands->items);
	arena_done(&commands->arena);
	*commands = (struct frr_commands){ 0 };
}
