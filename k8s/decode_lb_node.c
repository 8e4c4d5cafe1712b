// SPDX-License-Identifier: Apache-2.0
/* LBNode: what a node's agent says of itself, read by the controller. Written by
 * userspace/agent/node_report.c, but any token that may write LBNodes can put anything there: an entry that
 * is no entry is left out with a problem, the rest counts. */
#include <string.h>

#include "k8s/decode_common.h"

#define MAX_GROUPS    10000
#define MAX_ENTRIES   100000
#define MAX_PEERS     256
#define MAX_NAMES     256
#define MAX_VIPS      16
#define ENTRY_MAX     1024 /* bytes of "namespace/name=VIP,…" */
#define COUNT_MAX     INT32_MAX
#define HEARTBEAT_MAX 3600 /* seconds */

/* "namespace/name=VIP,VIP"; the name may be empty, nothing else. */
static bool read_entry(struct decoder *decoder, const char *text, struct lb_node_service *ret)
{
	const char *equals = strchr(text, '='), *vip, *end;
	struct addr vips[MAX_VIPS];
	char word[ADDR_TEXT_MAX];
	size_t n = 0;

	if (!equals || (equals != text && !memchr(text, '/', (size_t)(equals - text))))
		return false;
	for (vip = equals + 1; *vip; vip = *end ? end + 1 : end) {
		end = vip + strcspn(vip, ",");
		if (n == MAX_VIPS || (size_t)(end - vip) >= sizeof(word))
			return false;
		memcpy(word, vip, (size_t)(end - vip));
		word[end - vip] = '\0';
		if (addr_parse(word, &vips[n++]) < 0)
			return false;
	}
	ret->name = arena_string_n(decoder->arena, text, (size_t)(equals - text));
	ret->vips = keep_array(decoder, n, sizeof(*vips));
	if (!ret->name || !ret->vips) {
		decoder->no_memory = true;
		return false;
	}
	memcpy(ret->vips, vips, n * sizeof(*vips));
	ret->n_vips = n;
	return true;
}

static void decode_entries(struct decoder *decoder, const struct json *parent, struct lb_node_group *group)
{
	const struct json *list = field_list(decoder, parent, "services", MAX_ENTRIES), *entry;

	if (!list || !list->n)
		return;
	group->services = keep_array(decoder, list->n, sizeof(*group->services));
	for (entry = list->child; entry && group->services && !decoder->no_memory; entry = entry->next) {
		if (entry->type == JSON_STRING && !entry->has_nul && strlen(entry->text) <= ENTRY_MAX &&
		    read_entry(decoder, entry->text, &group->services[group->n_services]))
			group->n_services++;
		else if (!decoder->no_memory)
			decode_report(decoder, entry, NULL,
				      "not namespace/name=ADDRESS,ADDRESS; the other entries count");
	}
}

static void decode_unannounced(struct decoder *decoder, const struct json *parent, bool unannounced[2])
{
	const struct strings families = field_strings(decoder, parent, "unannouncedFamilies", MAX_NAMES);

	unannounced[0] = strings_contain(&families, "IPv4");
	unannounced[1] = strings_contain(&families, "IPv6");
}

static void decode_groups(struct decoder *decoder, const struct json *status, struct lb_node *node)
{
	const struct json *list = field_list(decoder, status, "groups", MAX_GROUPS), *entry;
	struct lb_node_group *group;

	if (!list || !list->n)
		return;
	node->groups = keep_array(decoder, list->n, sizeof(*node->groups));
	for (entry = list->child; entry && node->groups; entry = entry->next) {
		if (!entry_is_map(decoder, entry))
			continue;
		group = &node->groups[node->n_groups++];
		group->programmed = field_bool(decoder, entry, "programmed", false);
		group->releasing = field_bool(decoder, entry, "releasing", false);
		group->announced_to = field_strings(decoder, entry, "announcedTo", MAX_NAMES);
		decode_unannounced(decoder, entry, group->unannounced);
		group->reason = field_text_or(decoder, entry, "reason", "");
		group->message = field_text_or(decoder, entry, "message", "");
		decode_entries(decoder, entry, group);
	}
}

static void decode_peers(struct decoder *decoder, const struct json *status, struct lb_node *node)
{
	const struct json *list = field_list(decoder, status, "peers", MAX_PEERS), *entry;
	struct lb_node_peer *peer;
	const char *since;

	if (!list || !list->n)
		return;
	node->peers = keep_array(decoder, list->n, sizeof(*node->peers));
	for (entry = list->child; entry && node->peers; entry = entry->next) {
		if (!entry_is_map(decoder, entry))
			continue;
		peer = &node->peers[node->n_peers++];
		peer->name = field_text_or(decoder, entry, "name", "");
		peer->address = field_text_or(decoder, entry, "address", "");
		peer->state = field_text_or(decoder, entry, "state", "");
		peer->last_error = field_text_or(decoder, entry, "lastError", "");
		peer->prefixes_sent = (uint32_t)field_number(decoder, entry, "prefixesSent", 0, COUNT_MAX, 0);
		peer->prefixes_received =
			(uint32_t)field_number(decoder, entry, "prefixesReceived", 0, COUNT_MAX, 0);
		since = field_text(decoder, entry, "since");
		if (!since || time_parse(since, &peer->since_sec) < 0)
			peer->since_sec = INT64_MAX;
	}
}

static void decode_ready(struct decoder *decoder, const struct json *status, struct lb_node *node)
{
	const struct json *list = field_list(decoder, status, "conditions", MAX_NAMES), *entry;
	const char *type, *state;

	node->ready_reason = node->ready_message = "";
	for (entry = list ? list->child : NULL; entry; entry = entry->next) {
		if (!entry_is_map(decoder, entry))
			continue;
		type = field_text_or(decoder, entry, "type", "");
		if (!type || strcmp(type, "Ready") != 0)
			continue;
		state = field_text_or(decoder, entry, "status", "");
		node->ready = state && strcmp(state, "True") == 0;
		node->ready_reason = field_text_or(decoder, entry, "reason", "");
		node->ready_message = field_text_or(decoder, entry, "message", "");
		node->silent = state && node->ready_reason && strcmp(state, "Unknown") == 0 &&
			       strcmp(node->ready_reason, AGENT_SILENT) == 0;
	}
}

void decode_lb_node(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *status = field(decoder, root, "status", JSON_OBJECT),
			  *services = field(decoder, status, "services", JSON_OBJECT);
	struct lb_node *node = &object->lb_node;

	node->agent_version = field_text_or(decoder, status, "agentVersion", "");
	node->n_services = (size_t)field_number(decoder, services, "total", 0, COUNT_MAX, 0);
	node->n_programmed = (size_t)field_number(decoder, services, "programmed", 0, COUNT_MAX, 0);
	node->n_announced = (size_t)field_number(decoder, services, "announced", 0, COUNT_MAX, 0);
	node->n_omitted = (size_t)field_number(decoder, services, "omitted", 0, COUNT_MAX, 0);
	node->n_omitted_releasing =
		(size_t)field_number(decoder, services, "omittedReleasing", 0, COUNT_MAX, 0);
	node->heartbeat_sec =
		(uint32_t)field_number(decoder, status, "heartbeatSeconds", 1, HEARTBEAT_MAX, 0);
	node->sampled = field_bool(decoder, services, "sampled", false);
	decode_groups(decoder, status, node);
	decode_peers(decoder, status, node);
	decode_ready(decoder, status, node);
}
