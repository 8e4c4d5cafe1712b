// SPDX-License-Identifier: Apache-2.0
/* The kinds of fairway.dev: field names and limits follow MetalLB's where both have a thing. What the CRDs'
 * CEL rules say is repeated here, for manifests have no API server in front of them. Whatever may reach FRR's
 * configuration is a number, an address, or a name without blanks and control characters. */
#include <string.h>

#include "k8s/decode_common.h"
#include "userspace/base/parse.h"

#define ASN_MAX		UINT32_MAX
#define MAX_ADDRESSES	1000
#define MAX_NAMES	256
#define MAX_COMMUNITIES 64
#define MAX_ALIASES	256
#define MAX_TOLERATIONS 64
#define INTERFACE_MAX	15 /* IFNAMSIZ without the NUL */

/* What decode_unknown_field() knows; the decoders below read them. */
const char *const service_ip_pool_fields[] = { "addresses",	    "autoAssign", "avoidBuggyIPs", "disabled",
					       "serviceAllocation", "quota",	  "nodeSelectors", NULL };
const char *const bgp_peer_fields[] = { "myASN",
					"peerASN",
					"dynamicASN",
					"localASN",
					"peerAddress",
					"interface",
					"peerPort",
					"sourceAddress",
					"routerID",
					"holdTime",
					"keepaliveTime",
					"connectTime",
					"nodeSelectors",
					"password",
					"passwordSecret",
					"bfdProfile",
					"allowASIn",
					"enableGracefulRestart",
					"gracefulRestartTime",
					"ebgpMultiHop",
					"ebgpMultiHopTTL",
					"ttlSecurity",
					"vrf",
					"addressFamilies",
					"maxPrefixesReceived",
					NULL };
const char *const bgp_advertisement_fields[] = { "advertisementType",
						 "serviceIPPools",
						 "serviceIPPoolSelectors",
						 "serviceSelectors",
						 "nodeSelectors",
						 "peers",
						 "aggregationLength",
						 "aggregationLengthV6",
						 "localPref",
						 "communities",
						 "maxNextHops",
						 "onlyNodesWithEndpoints",
						 "drainOnTaints",
						 NULL };
const char *const bfd_profile_fields[] = { "receiveInterval",  "transmitInterval",
					   "detectMultiplier", "echoInterval",
					   "echoMode",	       "passiveMode",
					   "minimumTtl",       NULL };
const char *const community_fields[] = { "communities", NULL };

/* --- ServiceIPPool ------------------------------------------------------------------------------------- */

void decode_service_ip_pool(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	const struct json *allocation = field(decoder, spec, "serviceAllocation", JSON_OBJECT);
	const struct json *quota = field(decoder, spec, "quota", JSON_OBJECT);
	struct service_ip_pool *pool = &object->pool;

	pool->addresses = field_strings(decoder, spec, "addresses", MAX_ADDRESSES);
	pool->auto_assign = field_bool(decoder, spec, "autoAssign", true);
	pool->avoid_buggy_ips = field_bool(decoder, spec, "avoidBuggyIPs", false);
	pool->disabled = field_bool(decoder, spec, "disabled", false);
	pool->allocation = (struct service_allocation){
		.present = allocation != NULL,
		.priority = (uint32_t)field_number(decoder, allocation, "priority", 0, INT32_MAX, 0),
		.namespaces = field_strings(decoder, allocation, "namespaces", MAX_NAMES),
		.namespace_selectors = field_selectors(decoder, allocation, "namespaceSelectors"),
		.service_selectors = field_selectors(decoder, allocation, "serviceSelectors"),
	};
	pool->quota_per_namespace = (uint32_t)field_number(decoder, quota, "perNamespace", 0, INT32_MAX, 0);
	pool->node_selectors = field_selectors(decoder, spec, "nodeSelectors");
}

/* --- BGPPeer ------------------------------------------------------------------------------------------- */

/* A name that the kernel would take for an interface; it goes into FRR's configuration as a word. */
static const char *field_interface(struct decoder *decoder, const struct json *spec, const char *name)
{
	const char *text = field_text(decoder, spec, name);

	if (!text || !*text)
		return NULL;
	if (strlen(text) > INTERFACE_MAX)
		decode_refuse(decoder, spec, name, "longer than %d bytes: %.100s", INTERFACE_MAX, text);
	else if (!text_is_printable_ascii(text) || strpbrk(text, "/ :") || text[0] == '-' ||
		 !strcmp(text, ".") || !strcmp(text, ".."))
		decode_refuse(decoder, spec, name, "not an interface's name: %.100s", text);
	return text;
}

static void decode_asns(struct decoder *decoder, const struct json *spec, struct bgp_peer *peer)
{
	static const struct choice dynamic[] = { { "internal", DYNAMIC_ASN_INTERNAL },
						 { "external", DYNAMIC_ASN_EXTERNAL },
						 { NULL, 0 } };

	peer->my_asn = (uint32_t)field_number(decoder, spec, "myASN", 1, ASN_MAX, 0);
	peer->peer_asn = (uint32_t)field_number(decoder, spec, "peerASN", 0, ASN_MAX, 0);
	peer->local_asn = (uint32_t)field_number(decoder, spec, "localASN", 0, ASN_MAX, 0);
	peer->dynamic_asn =
		(enum dynamic_asn)field_choice(decoder, spec, "dynamicASN", dynamic, DYNAMIC_ASN_NONE);
	if (decoder->refused)
		return;
	if (!peer->my_asn)
		decode_refuse(decoder, spec, "myASN", "missing");
	if (!peer->peer_asn && peer->dynamic_asn == DYNAMIC_ASN_NONE)
		decode_refuse(decoder, spec, "peerASN", "missing: one of peerASN and dynamicASN is needed");
	else if (peer->peer_asn && peer->dynamic_asn != DYNAMIC_ASN_NONE)
		decode_refuse(decoder, spec, "dynamicASN", "peerASN and dynamicASN exclude each other");
}

/* Why no session can be opened to this address. */
static const char *why_not_peer(const struct addr *addr)
{
	if (addr_is_unspecified(addr))
		return "an unspecified address";
	if (addr_is_multicast(addr))
		return "a multicast address";
	if (addr_is_v4_mapped(addr))
		return "an IPv4-mapped address";
	return addr->family == ADDR_IPV6 && addr_is_link_local(addr)
		       ? "a link-local address, which interface is for"
		       : NULL;
}

static void decode_endpoint_of_peer(struct decoder *decoder, const struct json *spec, struct bgp_peer *peer)
{
	char text[ADDR_TEXT_MAX];
	const char *why;
	bool refused = decoder->refused;

	decoder->refused = false;
	peer->peer_address = field_addr(decoder, spec, "peerAddress");
	peer->interface = field_interface(decoder, spec, "interface");
	peer->peer_port = (uint16_t)field_number(decoder, spec, "peerPort", 1, 65535, 179);
	peer->source_address = field_addr(decoder, spec, "sourceAddress");
	peer->router_id = field_addr(decoder, spec, "routerID");
	why = peer->peer_address.family != ADDR_NONE ? why_not_peer(&peer->peer_address) : NULL;
	if (why)
		decode_refuse(decoder, spec, "peerAddress", "%s: %s", why,
			      addr_format(&peer->peer_address, text));
	else if (decoder->refused)
		; /* one wrong address is told once */
	else if (peer->peer_address.family == ADDR_NONE && !peer->interface)
		decode_refuse(decoder, spec, "peerAddress",
			      "missing: one of peerAddress and interface is needed");
	else if (peer->peer_address.family != ADDR_NONE && peer->interface)
		decode_refuse(decoder, spec, "interface", "peerAddress and interface exclude each other");
	if (peer->source_address.family != ADDR_NONE && peer->peer_address.family != ADDR_NONE &&
	    peer->source_address.family != peer->peer_address.family)
		decode_refuse(decoder, spec, "sourceAddress", "not of peerAddress's family: %s",
			      addr_format(&peer->source_address, text));
	if (peer->router_id.family == ADDR_IPV6 ||
	    (peer->router_id.family == ADDR_IPV4 && addr_is_unspecified(&peer->router_id)))
		decode_refuse(decoder, spec, "routerID", "not an IPv4 address: %s",
			      addr_format(&peer->router_id, text));
	decoder->refused |= refused;
}

static void decode_timers(struct decoder *decoder, const struct json *spec, struct bgp_peer *peer)
{
	const struct json *hold = json_member(spec, "holdTime");
	bool refused = decoder->refused;

	decoder->refused = false; /* what was wrong before says nothing about the timers */
	peer->hold_time_sec = field_seconds(decoder, spec, "holdTime", 0, 65535, 0);
	peer->keepalive_time_sec = field_seconds(decoder, spec, "keepaliveTime", 0, 65535, 0);
	peer->connect_time_sec = field_seconds(decoder, spec, "connectTime", 1, 65535, 0);
	peer->enable_graceful_restart = field_bool(decoder, spec, "enableGracefulRestart", false);
	peer->graceful_restart_time_sec = field_seconds(decoder, spec, "gracefulRestartTime", 1, 4095, 0);
	peer->hold_time_off =
		hold && hold->type != JSON_NULL && hold->text && *hold->text && !peer->hold_time_sec;
	if (decoder->refused)
		; /* one wrong timer is told once */
	else if (peer->hold_time_sec && peer->hold_time_sec < 3)
		decode_refuse(decoder, spec, "holdTime", "neither 0 nor at least 3s: %us",
			      peer->hold_time_sec);
	else if (peer->hold_time_sec && peer->keepalive_time_sec > peer->hold_time_sec)
		decode_refuse(decoder, spec, "keepaliveTime", "longer than holdTime: %us and %us",
			      peer->keepalive_time_sec, peer->hold_time_sec);
	else if (peer->hold_time_off && peer->keepalive_time_sec)
		decode_refuse(decoder, spec, "keepaliveTime", "holdTime 0 allows no keepalives: %us",
			      peer->keepalive_time_sec);
	decoder->refused |= refused;
}

static bool is_internal(const struct bgp_peer *peer)
{
	return peer->dynamic_asn == DYNAMIC_ASN_INTERNAL ||
	       (peer->peer_asn && peer->peer_asn == peer->my_asn);
}

static void decode_hops(struct decoder *decoder, const struct json *spec, struct bgp_peer *peer)
{
	peer->ebgp_multi_hop = field_bool(decoder, spec, "ebgpMultiHop", false);
	peer->ebgp_multi_hop_ttl = (uint8_t)field_number(decoder, spec, "ebgpMultiHopTTL", 0, 255, 0);
	peer->ttl_security = (uint8_t)field_number(decoder, spec, "ttlSecurity", 0, 254, 0);
	if (peer->ebgp_multi_hop && peer->ttl_security)
		decode_refuse(decoder, spec, "ttlSecurity",
			      "ebgpMultiHop and ttlSecurity exclude each other");
	if (peer->ebgp_multi_hop && is_internal(peer))
		decode_refuse(decoder, spec, "ebgpMultiHop", "only for an external peer");
}

static void decode_address_families(struct decoder *decoder, const struct json *spec, struct bgp_peer *peer)
{
	struct strings families = field_strings(decoder, spec, "addressFamilies", 8);

	for (size_t i = 0; i < families.n && !decoder->no_memory; i++) {
		if (strcmp(families.items[i], "ipv4") == 0)
			peer->ipv4 = true;
		else if (strcmp(families.items[i], "ipv6") == 0)
			peer->ipv6 = true;
		else
			decode_refuse(decoder, spec, "addressFamilies", "not ipv4 or ipv6: %.100s",
				      families.items[i]);
	}
	if (families.n)
		return;
	peer->ipv4 = peer->interface || peer->peer_address.family == ADDR_IPV4;
	peer->ipv6 = peer->interface || peer->peer_address.family == ADDR_IPV6;
}

/* MetalLB's {name: …}; a bare name is taken too. */
static const char *field_secret_name(struct decoder *decoder, const struct json *spec)
{
	const struct json *value = json_member(spec, "passwordSecret");

	if (value && value->type == JSON_STRING)
		return field_name(decoder, spec, "passwordSecret");
	return field_name(decoder, field(decoder, spec, "passwordSecret", JSON_OBJECT), "name");
}

void decode_bgp_peer(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT),
			  *password = json_member(spec, "password");
	struct bgp_peer *peer = &object->peer;

	if (!spec) {
		decode_refuse(decoder, root, "spec", "missing");
		return;
	}
	decode_asns(decoder, spec, peer);
	decode_endpoint_of_peer(decoder, spec, peer);
	decode_timers(decoder, spec, peer);
	decode_hops(decoder, spec, peer);
	decode_address_families(decoder, spec, peer);
	peer->node_selectors = field_selectors(decoder, spec, "nodeSelectors");
	if (password && !(password->type == JSON_STRING && !*password->text))
		decode_refuse(decoder, spec, "password",
			      "plain passwords are not taken: name a Secret in passwordSecret");
	peer->password_secret = field_secret_name(decoder, spec);
	peer->bfd_profile = field_name(decoder, spec, "bfdProfile");
	peer->allow_as_in = (int)field_number(decoder, spec, "allowASIn", 0, 10, -1);
	peer->vrf = field_interface(decoder, spec, "vrf");
	peer->max_prefixes_received =
		(uint32_t)field_number(decoder, spec, "maxPrefixesReceived", 0, UINT32_MAX, 0);
}

/* --- BGPAdvertisement ---------------------------------------------------------------------------------- */

static void decode_toleration(struct decoder *decoder, const struct json *entry,
			      struct toleration *toleration)
{
	static const struct choice operators[] = { { "Equal", false }, { "Exists", true }, { NULL, 0 } };

	toleration->key = field_text_or(decoder, entry, "key", "");
	toleration->value = field_text_or(decoder, entry, "value", "");
	toleration->exists = field_choice(decoder, entry, "operator", operators, false);
	toleration->effect = field_taint_effect(decoder, entry, "effect", &toleration->any_effect);
	if (!*toleration->key && !toleration->exists)
		decode_refuse(decoder, entry, "operator", "Exists is needed without a key");
	if (*toleration->value && toleration->exists)
		decode_refuse(decoder, entry, "value", "Exists takes no value");
}

static void decode_drain(struct decoder *decoder, const struct json *spec,
			 struct bgp_advertisement *advertisement)
{
	const struct json *drain = field(decoder, spec, "drainOnTaints", JSON_OBJECT);
	const struct json *list = field_list(decoder, drain, "tolerations", MAX_TOLERATIONS), *entry;

	advertisement->drain_on_taints = field_bool(decoder, drain, "enabled", false);
	if (!list || !list->n)
		return;
	advertisement->tolerations = keep_array(decoder, list->n, sizeof(*advertisement->tolerations));
	for (entry = list->child; entry && advertisement->tolerations; entry = entry->next)
		if (entry_is_map(decoder, entry))
			decode_toleration(decoder, entry,
					  &advertisement->tolerations[advertisement->n_tolerations++]);
}

void decode_bgp_advertisement(struct decoder *decoder, const struct json *root, struct object *object)
{
	static const struct choice types[] = { { "Service", ADVERTISE_SERVICE },
					       { "PodCIDR", ADVERTISE_POD_CIDR },
					       { NULL, 0 } };
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	struct bgp_advertisement *advertisement = &object->advertisement;

	advertisement->type = (enum advertisement_type)field_choice(decoder, spec, "advertisementType", types,
								    ADVERTISE_SERVICE);
	advertisement->pools = field_strings(decoder, spec, "serviceIPPools", MAX_NAMES);
	advertisement->pool_selectors = field_selectors(decoder, spec, "serviceIPPoolSelectors");
	advertisement->service_selectors = field_selectors(decoder, spec, "serviceSelectors");
	advertisement->node_selectors = field_selectors(decoder, spec, "nodeSelectors");
	advertisement->peers = field_strings(decoder, spec, "peers", MAX_NAMES);
	advertisement->aggregation_length =
		(uint8_t)field_number(decoder, spec, "aggregationLength", 1, 32, 32);
	advertisement->aggregation_length_v6 =
		(uint8_t)field_number(decoder, spec, "aggregationLengthV6", 1, 128, 128);
	advertisement->local_pref = (uint32_t)field_number(decoder, spec, "localPref", 0, UINT32_MAX, 0);
	advertisement->communities = field_strings(decoder, spec, "communities", MAX_COMMUNITIES);
	advertisement->max_next_hops = (uint32_t)field_number(decoder, spec, "maxNextHops", 0, INT32_MAX, 0);
	advertisement->only_nodes_with_endpoints = field_bool(decoder, spec, "onlyNodesWithEndpoints", false);
	decode_drain(decoder, spec, advertisement);
}

/* --- BFDProfile, Community ----------------------------------------------------------------------------- */

void decode_bfd_profile(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	struct bfd_profile *profile = &object->bfd_profile;

	profile->receive_interval_msec =
		(uint32_t)field_number(decoder, spec, "receiveInterval", 10, 60000, 300);
	profile->transmit_interval_msec =
		(uint32_t)field_number(decoder, spec, "transmitInterval", 10, 60000, 300);
	profile->detect_multiplier = (uint32_t)field_number(decoder, spec, "detectMultiplier", 2, 255, 3);
	profile->echo_interval_msec = (uint32_t)field_number(decoder, spec, "echoInterval", 10, 60000, 50);
	profile->echo_mode = field_bool(decoder, spec, "echoMode", false);
	profile->passive_mode = field_bool(decoder, spec, "passiveMode", false);
	profile->minimum_ttl = (uint32_t)field_number(decoder, spec, "minimumTtl", 1, 254, 254);
}

void decode_community(struct decoder *decoder, const struct json *root, struct object *object)
{
	const struct json *spec = field(decoder, root, "spec", JSON_OBJECT);
	const struct json *list = field_list(decoder, spec, "communities", MAX_ALIASES), *entry;
	struct community_object *community = &object->community;

	if (!list || !list->n)
		return;
	community->aliases = keep_array(decoder, list->n, sizeof(*community->aliases));
	for (entry = list->child; entry && community->aliases; entry = entry->next) {
		struct community_alias *alias = &community->aliases[community->n_aliases];

		if (!entry_is_map(decoder, entry))
			continue;
		alias->name = field_text_or(decoder, entry, "name", "");
		alias->value = field_text_or(decoder, entry, "value", "");
		if (!*alias->name)
			decode_refuse(decoder, entry, "name", "missing");
		if (!*alias->value)
			decode_refuse(decoder, entry, "value", "missing");
		community->n_aliases++;
	}
}
