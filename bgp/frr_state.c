// SPDX-License-Identifier: Apache-2.0
/* Reading FRR back: see frr_state.h. The running configuration is read line by line with the node (in FRR's sense) that
 * each line belongs to; blanks in front mean nothing, "exit" and "exit-address-family" lead back. */
#include "bgp/frr_state.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

/* --- the running configuration --------------------------------------------------------------------------- */

enum context {
	AT_TOP,
	IN_ROUTER,
	IN_IPV4,
	IN_IPV6,
	IN_OTHER_FAMILY,
	IN_MAP,	    /* of ours */
	IN_BFD,
	IN_PROFILE, /* of ours */
	IN_BFD_OTHER, /* a peer below `bfd`, or somebody else's profile */
	IN_OTHER,   /* what we have no part in, down to its "exit" */
};

/* While reading, things grow on the heap, in the order in which FRR prints them. */
struct reader {
	struct frr_config config;
	enum context context;
	size_t globals_capacity, neighbors_capacity, networks_capacity, maps_capacity, lists_capacity, profiles_capacity;
	size_t *statement_capacity; /* by neighbour */
	size_t statement_capacity_n;
	size_t lines_capacity; /* of the map entry, list or profile that is being read: the last one */
};

/* Doubles an array that lives in the arena: the old copy stays behind, at most as much again. */
static int arena_grow(struct arena *arena, void *items, size_t n, size_t *capacity, size_t size)
{
	size_t larger = *capacity ? *capacity * 2 : 8;
	void *grown;

	if (n < *capacity)
		return 0;
	grown = arena_array(arena, larger, size);
	if (!grown)
		return -ENOMEM;
	if (n)
		memcpy(grown, *(void **)items, n * size);
	*(void **)items = grown;
	*capacity = larger;
	return 0;
}

#define READER_GROW(reader, array, count, capacity)                                                          \
	arena_grow(&(reader)->config.arena, &(array), (count), &(capacity), sizeof(*(array)))

static int add_string(struct reader *reader, struct strings *strings, size_t *capacity, const char *text)
{
	if (READER_GROW(reader, strings->items, strings->n, *capacity) < 0)
		return -ENOMEM;
	strings->items[strings->n] = arena_string(&reader->config.arena, text);
	return strings->items[strings->n++] ? 0 : -ENOMEM;
}

/* The rest of `line` after `word` and blanks, or NULL if it begins otherwise. "bfd" does not begin "bfdx". */
static char *after(char *line, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(line, word, length) || (line[length] && line[length] != ' '))
		return NULL;
	line += length;
	while (*line == ' ')
		line++;
	return line;
}

/* Cuts off the first word: *line moves behind it. */
static char *next_word(char **line)
{
	char *word = strsep(line, " ");

	while (*line && **line == ' ')
		(*line)++;
	return word;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static struct frr_neighbor *neighbor_of(struct reader *reader, const char *id)
{
	struct frr_config *config = &reader->config;
	size_t i;

	/* FRR prints neighbours in one order in each section: the one of the last line mostly */
	for (i = config->n_neighbors; i-- > 0;)
		if (!strcmp(config->neighbors[i].id, id))
			return &config->neighbors[i];
	if (READER_GROW(reader, config->neighbors, config->n_neighbors, reader->neighbors_capacity) < 0 ||
	    READER_GROW(reader, reader->statement_capacity, config->n_neighbors, reader->statement_capacity_n) < 0)
		return NULL;
	config->neighbors[config->n_neighbors] = (struct frr_neighbor){ .id = arena_string(&config->arena, id) };
	reader->statement_capacity[config->n_neighbors] = 0;
	return config->neighbors[config->n_neighbors].id ? &config->neighbors[config->n_neighbors++] : NULL;
}

static int read_neighbor(struct reader *reader, enum frr_section section, char *line)
{
	const char *id = next_word(&line);
	struct frr_neighbor *neighbor;
	size_t *capacity;
	char *peer;

	if (!line || !*line)
		return 0;
	neighbor = neighbor_of(reader, id);
	if (!neighbor)
		return -ENOMEM;
	capacity = &reader->statement_capacity[neighbor - reader->config.neighbors];
	if (READER_GROW(reader, neighbor->statements, neighbor->n_statements, *capacity) < 0)
		return -ENOMEM;
	neighbor->statements[neighbor->n_statements] = (struct frr_statement){
		.section = section, .text = arena_string(&reader->config.arena, line)
	};
	if (!neighbor->statements[neighbor->n_statements++].text)
		return -ENOMEM;
	peer = after(line, "description");
	if (peer && has_prefix(peer, FRR_DESCRIPTION)) {
		neighbor->peer = arena_string(&reader->config.arena, peer + strlen(FRR_DESCRIPTION));
		if (!neighbor->peer)
			return -ENOMEM;
	}
	return 0;
}

/* Eight hexadecimal digits; 0 if it is anything else. */
static uint32_t parse_class(const char *name)
{
	uint32_t class = 0;
	size_t i;

	if (!has_prefix(name, FRR_CLASS_PREFIX))
		return 0;
	name += strlen(FRR_CLASS_PREFIX);
	for (i = 0; i < 8; i++) {
		if (!isxdigit((unsigned char)name[i]))
			return 0;
		class = class << 4 | (uint32_t)(isdigit((unsigned char)name[i]) ? name[i] - '0'
										: (name[i] | 0x20) - 'a' + 10);
	}
	return name[8] ? 0 : class;
}

static int read_network(struct reader *reader, char *line)
{
	struct frr_config *config = &reader->config;
	struct frr_network network = { 0 };
	const char *text = next_word(&line);
	char *map;

	if (prefix_parse(text, &network.prefix) < 0)
		return 0;
	map = line ? after(line, "route-map") : NULL;
	if (map)
		network.class = parse_class(map);
	if (!network.class)
		config->foreign = true;
	if (array_reserve(config->networks, config->n_networks, reader->networks_capacity) < 0)
		return -ENOMEM;
	config->networks[config->n_networks++] = network;
	return 0;
}

static bool is_our_map(const char *name)
{
	return has_prefix(name, FRR_CLASS_PREFIX) || has_prefix(name, FRR_OUT_PREFIX) || has_prefix(name, FRR_IN_PREFIX);
}

static int read_map(struct reader *reader, char *line)
{
	struct frr_config *config = &reader->config;
	const char *name = next_word(&line), *permit, *number;
	struct frr_map *map = config->n_maps ? &config->maps[config->n_maps - 1] : NULL;
	struct frr_map_entry *entries;
	uint64_t sequence;

	permit = line ? next_word(&line) : "";
	number = line ? next_word(&line) : "";
	if (!is_our_map(name) || parse_number(number, 0, 65535, &sequence) < 0) {
		reader->context = IN_OTHER;
		return 0;
	}
	if (!map || strcmp(map->name, name)) { /* entries of one map follow each other */
		if (READER_GROW(reader, config->maps, config->n_maps, reader->maps_capacity) < 0)
			return -ENOMEM;
		map = &config->maps[config->n_maps];
		*map = (struct frr_map){ .name = arena_string(&config->arena, name) };
		if (!map->name)
			return -ENOMEM;
		config->n_maps++;
	}
	if (!(map->n_entries & (map->n_entries - 1))) { /* room for the next power of two */
		entries = arena_array(&config->arena, map->n_entries ? map->n_entries * 2 : 1, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		if (map->n_entries)
			memcpy(entries, map->entries, map->n_entries * sizeof(*entries));
		map->entries = entries;
	}
	map->entries[map->n_entries++] =
		(struct frr_map_entry){ .sequence = sequence, .permit = !strcmp(permit, "permit") };
	if (sequence == FRR_MAP_END)
		map->complete = true;
	reader->context = IN_MAP;
	reader->lines_capacity = 0;
	return 0;
}

static int read_list(struct reader *reader, bool ipv6, char *line)
{
	struct frr_config *config = &reader->config;
	const char *name = next_word(&line);
	struct frr_list *list = config->n_lists ? &config->lists[config->n_lists - 1] : NULL;

	if (!line || !has_prefix(name, ipv6 ? FRR_LIST6_PREFIX : FRR_LIST4_PREFIX))
		return 0;
	if (!list || strcmp(list->name, name)) {
		if (READER_GROW(reader, config->lists, config->n_lists, reader->lists_capacity) < 0)
			return -ENOMEM;
		list = &config->lists[config->n_lists];
		*list = (struct frr_list){ .name = arena_string(&config->arena, name), .ipv6 = ipv6 };
		if (!list->name)
			return -ENOMEM;
		config->n_lists++;
		reader->lines_capacity = 0;
	}
	return add_string(reader, &list->lines, &reader->lines_capacity, line);
}

static int read_profile(struct reader *reader, const char *name)
{
	struct frr_config *config = &reader->config;

	if (!has_prefix(name, FRR_BFD_PREFIX)) {
		reader->context = IN_BFD_OTHER;
		return 0;
	}
	if (READER_GROW(reader, config->profiles, config->n_profiles, reader->profiles_capacity) < 0)
		return -ENOMEM;
	config->profiles[config->n_profiles] = (struct frr_profile){ .name = arena_string(&config->arena, name) };
	if (!config->profiles[config->n_profiles++].name)
		return -ENOMEM;
	reader->context = IN_PROFILE;
	reader->lines_capacity = 0;
	return 0;
}

static int read_router(struct reader *reader, char *line)
{
	char *rest, *number;
	uint64_t asn;

	number = next_word(&line);
	rest = line;
	reader->context = IN_OTHER; /* another VRF's, or a view's */
	if ((rest && *rest) || parse_number(number, 1, UINT32_MAX, &asn) < 0)
		return 0;
	reader->config.asn = asn;
	reader->context = IN_ROUTER;
	return 0;
}

static int read_at_top(struct reader *reader, char *line)
{
	char *rest;

	if ((rest = after(line, "router bgp")))
		return read_router(reader, rest);
	if ((rest = after(line, "route-map")))
		return read_map(reader, rest);
	if ((rest = after(line, "ip prefix-list")))
		return read_list(reader, false, rest);
	if ((rest = after(line, "ipv6 prefix-list")))
		return read_list(reader, true, rest);
	if (after(line, "bfd"))
		reader->context = IN_BFD;
	return 0;
}

static int read_in_router(struct reader *reader, char *line)
{
	char *rest;

	if ((rest = after(line, "neighbor")))
		return read_neighbor(reader, FRR_ROUTER, rest);
	if (after(line, "address-family ipv4 unicast"))
		reader->context = IN_IPV4;
	else if (after(line, "address-family ipv6 unicast"))
		reader->context = IN_IPV6;
	else if (after(line, "address-family"))
		reader->context = IN_OTHER_FAMILY;
	else
		return add_string(reader, &reader->config.globals, &reader->globals_capacity, line);
	return 0;
}

static int read_in_family(struct reader *reader, char *line)
{
	char *rest;

	if ((rest = after(line, "neighbor")))
		return read_neighbor(reader, reader->context == IN_IPV4 ? FRR_IPV4 : FRR_IPV6, rest);
	if ((rest = after(line, "network")))
		return read_network(reader, rest);
	return 0;
}

static int read_leaf(struct reader *reader, char *line)
{
	struct frr_config *config = &reader->config;
	struct frr_map *map;

	if (reader->context == IN_PROFILE)
		return add_string(reader, &config->profiles[config->n_profiles - 1].lines, &reader->lines_capacity, line);
	map = &config->maps[config->n_maps - 1];
	return add_string(reader, &map->entries[map->n_entries - 1].lines, &reader->lines_capacity, line);
}

static int read_line(struct reader *reader, char *line)
{
	char *rest;

	if (!strcmp(line, "exit-address-family")) {
		reader->context = IN_ROUTER;
		return 0;
	}
	if (!strcmp(line, "exit")) {
		reader->context = reader->context == IN_PROFILE || reader->context == IN_BFD_OTHER ? IN_BFD : AT_TOP;
		return 0;
	}
	switch (reader->context) {
	case AT_TOP:
		return read_at_top(reader, line);
	case IN_ROUTER:
		return read_in_router(reader, line);
	case IN_IPV4:
	case IN_IPV6:
		return read_in_family(reader, line);
	case IN_MAP:
	case IN_PROFILE:
		return read_leaf(reader, line);
	case IN_BFD:
		if ((rest = after(line, "profile")))
			return read_profile(reader, rest);
		reader->context = IN_BFD_OTHER;
		return 0;
	case IN_OTHER_FAMILY:
	case IN_BFD_OTHER:
	case IN_OTHER:
		return 0;
	}
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void finish(struct frr_config *config)
{
	size_t i;

	for (i = 0; i < config->n_neighbors; i++)
		if (!config->neighbors[i].peer)
			config->foreign = true;
	for (i = 0; i < config->n_profiles; i++)
		if (config->profiles[i].lines.n)
			qsort(config->profiles[i].lines.items, config->profiles[i].lines.n,
			      sizeof(*config->profiles[i].lines.items), compare_texts);
	frr_config_sort(config);
}

int frr_state_parse_config(const char *text, struct frr_config *ret)
{
	struct reader reader = { .context = AT_TOP };
	cleanup(freep) char *copy = strdup(text);
	char *rest = copy, *line;
	size_t length;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		length = strlen(line);
		while (length && isspace((unsigned char)line[length - 1]))
			line[--length] = '\0';
		if (length && *line != '!')
			r = read_line(&reader, line);
	}
	if (r < 0) {
		frr_config_done(&reader.config);
		return r;
	}
	finish(&reader.config);
	*ret = reader.config;
	return 0;
}

/* --- sessions ------------------------------------------------------------------------------------------------ */

static void json_free(cJSON **json)
{
	cJSON_Delete(*json);
}

/* A number from FRR as a count: what is negative, fractional or absurd is nothing. */
static uint64_t json_count(const cJSON *object, const char *name, uint64_t max)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(number) || !(number->valuedouble > 0))
		return 0;
	return number->valuedouble < (double)max ? (uint64_t)number->valuedouble : max;
}

static const char *json_string(const cJSON *object, const char *name)
{
	const cJSON *string = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(string) && string->valuestring ? string->valuestring : "";
}

static int compare_sessions(const void *a, const void *b)
{
	return strcmp(((const struct frr_session *)a)->id, ((const struct frr_session *)b)->id);
}

static struct frr_session *find_session(struct frr_sessions *sessions, const char *id)
{
	size_t i;

	for (i = 0; i < sessions->n; i++)
		if (!strcmp(sessions->items[i].id, id))
			return &sessions->items[i];
	return NULL;
}

const struct frr_session *frr_sessions_find(const struct frr_sessions *sessions, const char *id)
{
	const struct frr_session key = { .id = id };

	return sessions->n ? bsearch(&key, sessions->items, sessions->n, sizeof(key), compare_sessions) : NULL;
}

static int read_summary_peer(struct frr_sessions *sessions, size_t *capacity, const cJSON *peer)
{
	struct frr_session *session = find_session(sessions, peer->string);
	const char *state = json_string(peer, "state");

	if (!session) {
		if (arena_grow(&sessions->arena, &sessions->items, sessions->n, capacity, sizeof(*sessions->items)) < 0)
			return -ENOMEM;
		session = &sessions->items[sessions->n];
		*session = (struct frr_session){
			.id = arena_string(&sessions->arena, peer->string),
			.state = arena_string(&sessions->arena, state),
			.remote_asn = json_count(peer, "remoteAs", UINT32_MAX),
			.last_error = "",
			.bfd = "",
		};
		if (!session->id || !session->state)
			return -ENOMEM;
		if (!strcmp(state, "Established"))
			session->uptime_sec = json_count(peer, "peerUptimeMsec", UINT64_MAX / 2) / 1000;
		sessions->n++;
	}
	session->sent += json_count(peer, "pfxSnt", UINT32_MAX / 4);
	session->received += json_count(peer, "pfxRcd", UINT32_MAX / 4);
	return 0;
}

int frr_state_parse_summary(const char *text, struct frr_sessions *ret)
{
	static const char *const families[] = { "ipv4Unicast", "ipv6Unicast" };
	cleanup(json_free) cJSON *json = cJSON_Parse(text);
	cleanup(frr_sessions_done) struct frr_sessions sessions = { 0 };
	const cJSON *peers, *peer;
	size_t i, capacity = 0;

	if (!cJSON_IsObject(json))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		peers = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, families[i]), "peers");
		if (!cJSON_IsObject(peers))
			continue;
		cJSON_ArrayForEach(peer, peers)
			if (cJSON_IsObject(peer) && peer->string && read_summary_peer(&sessions, &capacity, peer) < 0)
				return -ENOMEM;
	}
	if (sessions.n)
		qsort(sessions.items, sessions.n, sizeof(*sessions.items), compare_sessions);
	*ret = sessions;
	sessions = (struct frr_sessions){ 0 };
	return 0;
}

int frr_state_parse_neighbors(const char *text, struct frr_sessions *sessions)
{
	cleanup(json_free) cJSON *json = cJSON_Parse(text);
	struct frr_session *session;
	const cJSON *peer;
	const char *why;

	if (!cJSON_IsObject(json))
		return -EINVAL;
	cJSON_ArrayForEach(peer, json) {
		session = peer->string ? find_session(sessions, peer->string) : NULL;
		if (!session || !cJSON_IsObject(peer))
			continue;
		why = json_string(peer, "lastNotificationReason");
		if (!*why)
			why = json_string(peer, "lastResetDueTo");
		session->last_error = arena_string(&sessions->arena, why);
		if (!session->last_error) {
			session->last_error = "";
			return -ENOMEM;
		}
	}
	return 0;
}

int frr_state_parse_bfd(const char *text, struct frr_sessions *sessions)
{
	cleanup(json_free) cJSON *json = cJSON_Parse(text);
	struct frr_session *session;
	const cJSON *peer;
	const char *status;

	if (!cJSON_IsArray(json))
		return -EINVAL;
	cJSON_ArrayForEach(peer, json) {
		session = find_session(sessions, json_string(peer, "peer"));
		if (!session) /* an unnumbered one is called by its interface, BFD knows its link-local address */
			session = find_session(sessions, json_string(peer, "interface"));
		if (!session)
			continue;
		status = json_string(peer, "status");
		session->bfd = !strcmp(status, "up") ? "up" : "down";
	}
	return 0;
}

int frr_state_parse_advertised(const char *text, struct prefix **ret, size_t *ret_n)
{
	cleanup(json_free) cJSON *json = cJSON_Parse(text);
	const cJSON *routes = cJSON_GetObjectItemCaseSensitive(json, "advertisedRoutes"), *route;
	struct prefix *prefixes;
	size_t n = 0;

	if (!cJSON_IsObject(routes))
		return -EINVAL;
	prefixes = calloc((size_t)cJSON_GetArraySize(routes) + 1, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	cJSON_ArrayForEach(route, routes)
		if (route->string && prefix_parse(route->string, &prefixes[n]) == 0)
			n++;
	prefixes_sort(prefixes, n);
	*ret = prefixes;
	*ret_n = n;
	return 0;
}

void frr_sessions_done(struct frr_sessions *sessions)
{
	if (!sessions)
		return;
	arena_done(&sessions->arena);
	*sessions = (struct frr_sessions){ 0 };
}
