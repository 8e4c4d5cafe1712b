// SPDX-License-Identifier: Apache-2.0
/* Judging BGPPeers: see peers.h. Each check names the field and what follows from it. */
#include "userspace/core/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/parse.h"

#define INTERFACE_NAME_MAX 15 /* IFNAMSIZ without the NUL */
#define NO_SESSION	   "no session is configured"

struct judge {
	const struct cluster *cluster;
	const char *secret_namespace;
	struct problems *problems; /* may be NULL */
	int error;
};

#define report(judge, peer, field, ...)                                                                      \
	do {                                                                                                 \
		if ((judge)->problems && !(judge)->error)                                                    \
			(judge)->error = problems_add_object((judge)->problems, OBJECT_BGP_PEER, &(peer)->meta, \
							     field, __VA_ARGS__);                            \
	} while (0)

bool peer_is_internal(const struct bgp_peer *peer)
{
	return peer->dynamic_asn == DYNAMIC_ASN_INTERNAL ||
	       (peer->dynamic_asn == DYNAMIC_ASN_NONE && peer->peer_asn == peer->my_asn);
}

const struct bfd_profile *peer_bfd_profile(const struct cluster *cluster, const struct bgp_peer *peer)
{
	const struct bfd_profile *profile =
		peer->bfd_profile ? cluster_find_bfd_profile(cluster, peer->bfd_profile) : NULL;

	return profile && !profile->unusable ? profile : NULL;
}

bool peer_selects_node(const struct bgp_peer *peer, const struct node *node)
{
	return !peer->unusable && selectors_match_any_or_empty(&peer->node_selectors, &node->meta.labels);
}

const char *peer_password(const struct cluster *cluster, const char *secret_namespace, const struct bgp_peer *peer,
			  const char **ret_why)
{
	const struct secret *secret;

	secret = cluster_find_secret(cluster, secret_namespace ? secret_namespace : FAIRWAY_NAMESPACE,
				     peer->password_secret);
	*ret_why = NULL;
	if (!secret)
		*ret_why = "not found";
	else if (!secret->password || !*secret->password)
		*ret_why = "has no data.password";
	else if (strlen(secret->password) > PEER_PASSWORD_MAX)
		*ret_why = "has a password of more than 80 bytes";
	else if (!text_is_printable_ascii(secret->password))
		*ret_why = "has a password with a control character (a line feed at its end?) or beyond ASCII";
	else if (strchr(secret->password, ' '))
		*ret_why = "has a password with a blank";
	return *ret_why ? NULL : secret->password;
}

static bool interface_name_is_valid(const char *name)
{
	return *name && strlen(name) <= INTERFACE_NAME_MAX && text_is_printable_ascii(name) &&
	       !strpbrk(name, " /") && strcmp(name, ".") && strcmp(name, "..");
}

static bool where_is_valid(struct judge *judge, const struct bgp_peer *peer)
{
	const struct addr *addr = &peer->peer_address;
	char text[ADDR_TEXT_MAX];

	if ((addr->family == ADDR_NONE) == !peer->interface) {
		report(judge, peer, "spec.peerAddress", "one of peerAddress and interface is needed: " NO_SESSION);
		return false;
	}
	if (peer->interface) {
		if (interface_name_is_valid(peer->interface))
			return true;
		report(judge, peer, "spec.interface", "not the name of an interface: %s; " NO_SESSION,
		       peer->interface);
		return false;
	}
	if (addr_is_unspecified(addr) || addr_is_multicast(addr) || addr_is_reserved(addr) ||
	    addr_is_v4_mapped(addr)) {
		report(judge, peer, "spec.peerAddress", "not the address of a router: %s; " NO_SESSION,
		       addr_format(addr, text));
		return false;
	}
	if (addr->family == ADDR_IPV6 && addr_is_link_local(addr)) {
		report(judge, peer, "spec.peerAddress",
		       "%s is link-local: name the interface instead; " NO_SESSION, addr_format(addr, text));
		return false;
	}
	return true;
}

static bool asns_are_valid(struct judge *judge, const struct bgp_peer *peer)
{
	if (!peer->my_asn) {
		report(judge, peer, "spec.myASN", "missing: " NO_SESSION);
		return false;
	}
	if (!peer->peer_asn == (peer->dynamic_asn == DYNAMIC_ASN_NONE)) {
		report(judge, peer, "spec.peerASN", "one of peerASN and dynamicASN is needed: " NO_SESSION);
		return false;
	}
	if (peer->local_asn && peer->local_asn != peer->my_asn &&
	    (peer_is_internal(peer) || peer->local_asn == peer->peer_asn)) {
		report(judge, peer, "spec.localASN", "%u: another local AS needs an external peer of another AS; " NO_SESSION,
		       peer->local_asn);
		return false;
	}
	return true;
}

static bool transport_is_valid(struct judge *judge, const struct bgp_peer *peer)
{
	char text[ADDR_TEXT_MAX];

	if (peer->vrf && *peer->vrf) {
		report(judge, peer, "spec.vrf", "%s: peers in a VRF are not supported yet; " NO_SESSION, peer->vrf);
		return false;
	}
	if (peer->ebgp_multi_hop && peer->ttl_security) {
		report(judge, peer, "spec.ttlSecurity", "excludes ebgpMultiHop: " NO_SESSION);
		return false;
	}
	if (peer->source_address.family != ADDR_NONE && peer->peer_address.family != ADDR_NONE &&
	    peer->source_address.family != peer->peer_address.family) {
		report(judge, peer, "spec.sourceAddress", "%s is not of peerAddress' family: " NO_SESSION,
		       addr_format(&peer->source_address, text));
		return false;
	}
	return true;
}

static bool timers_are_valid(struct judge *judge, const struct bgp_peer *peer)
{
	/* RFC 4271 4.2: zero or at least three seconds. */
	if (peer->hold_time_sec && (peer->hold_time_sec < 3 || peer->hold_time_sec > 65535)) {
		report(judge, peer, "spec.holdTime", "%u s is not within 3 s and 65535 s: " NO_SESSION, peer->hold_time_sec);
		return false;
	}
	if (peer->keepalive_time_sec && peer->hold_time_sec && peer->keepalive_time_sec >= peer->hold_time_sec) {
		report(judge, peer, "spec.keepaliveTime", "%u s is not less than holdTime (%u s): " NO_SESSION,
		       peer->keepalive_time_sec, peer->hold_time_sec);
		return false;
	}
	return true;
}

static bool families_are_valid(struct judge *judge, const struct bgp_peer *peer)
{
	if (peer->ipv4 || peer->ipv6)
		return true;
	report(judge, peer, "spec.addressFamilies", "empty: " NO_SESSION);
	return false;
}

static bool fields_are_valid(struct judge *judge, const struct bgp_peer *peer)
{
	return where_is_valid(judge, peer) && asns_are_valid(judge, peer) && transport_is_valid(judge, peer) &&
	       timers_are_valid(judge, peer) && families_are_valid(judge, peer);
}

bool peer_is_sound(const struct bgp_peer *peer)
{
	struct judge quiet = { 0 };

	return !peer->unusable && fields_are_valid(&quiet, peer);
}

static bool password_is_valid(struct judge *judge, const struct bgp_peer *peer)
{
	const char *why;

	if (!peer->password_secret || !*peer->password_secret ||
	    peer_password(judge->cluster, judge->secret_namespace, peer, &why))
		return true;
	report(judge, peer, "spec.passwordSecret", "Secret %s/%s %s: " NO_SESSION,
	       judge->secret_namespace ? judge->secret_namespace : FAIRWAY_NAMESPACE, peer->password_secret, why);
	return false;
}

static bool peer_is_valid(struct judge *judge, const struct bgp_peer *peer)
{
	bool valid = fields_are_valid(judge, peer) && password_is_valid(judge, peer);

	if (peer->bfd_profile && *peer->bfd_profile && !peer_bfd_profile(judge->cluster, peer))
		report(judge, peer, "spec.bfdProfile", "BFDProfile/%s %s: the session goes on without BFD, so a "
		       "dead path shows after the hold time only", peer->bfd_profile,
		       cluster_find_bfd_profile(judge->cluster, peer->bfd_profile) ? "was refused" : "not found");
	return valid;
}

static bool same_neighbour(const struct bgp_peer *a, const struct bgp_peer *b)
{
	if (a->interface || b->interface)
		return text_equal(a->interface, b->interface);
	return addr_equal(&a->peer_address, &b->peer_address);
}

static bool is_elder(const struct bgp_peer *a, const struct bgp_peer *b)
{
	if (a->meta.created_sec != b->meta.created_sec)
		return a->meta.created_sec < b->meta.created_sec;
	return strcmp(a->meta.name, b->meta.name) < 0;
}

uint32_t peers_router_asn(const struct bgp_peer *const *peers, size_t n_peers)
{
	const struct bgp_peer *best = NULL;
	size_t i, j, votes, best_votes = 0;
	bool internal, best_internal = false, better;

	for (i = 0; i < n_peers; i++) {
		internal = peer_is_internal(peers[i]);
		for (votes = 0, j = 0; j < n_peers; j++)
			votes += peers[j]->my_asn == peers[i]->my_asn;
		better = internal != best_internal ? internal
			 : votes != best_votes	   ? votes > best_votes
						   : best && is_elder(peers[i], best);
		if (best && !better)
			continue;
		best = peers[i];
		best_votes = votes;
		best_internal = internal;
	}
	return best ? best->my_asn : 0;
}

/* One instance has one AS number, and what a neighbour is to FRR (internal or not) follows from it. */
static bool fits_router_asn(struct judge *judge, const struct bgp_peer *peer, uint32_t router_asn)
{
	if (peer->my_asn == router_asn)
		return true;
	if (!peer_is_internal(peer) && peer->peer_asn != router_asn)
		return true;
	report(judge, peer, "spec.myASN", "%u: this node speaks as AS %u to its other peers, and an internal session "
	       "can't be had beside it; " NO_SESSION, peer->my_asn, router_asn);
	return false;
}

static bool is_own_address(const struct node *node, const struct bgp_peer *peer)
{
	size_t i;

	for (i = 0; i < node->n_addresses; i++)
		if (peer->peer_address.family != ADDR_NONE && addr_equal(&node->addresses[i], &peer->peer_address))
			return true;
	return false;
}

static const struct bgp_peer *elder_twin(const struct bgp_peer *const *peers, size_t n, const struct bgp_peer *peer)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (peers[i] != peer && same_neighbour(peers[i], peer) && is_elder(peers[i], peer))
			return peers[i];
	return NULL;
}

/* Without the younger of two peers with one neighbour, and without those that can't share the instance. */
static size_t drop_conflicts(struct judge *judge, const struct bgp_peer *const *peers, size_t n,
			     const struct bgp_peer **kept)
{
	const struct bgp_peer *twin;
	size_t i, n_single = 0, n_kept = 0;
	uint32_t router_asn;

	for (i = 0; i < n; i++) {
		twin = elder_twin(peers, n, peers[i]);
		if (twin)
			report(judge, peers[i], peers[i]->interface ? "spec.interface" : "spec.peerAddress",
			       "the same neighbour as BGPPeer/%s, which is older: " NO_SESSION, twin->meta.name);
		else
			kept[n_single++] = peers[i];
	}
	router_asn = peers_router_asn(kept, n_single);
	for (i = 0; i < n_single; i++)
		if (fits_router_asn(judge, kept[i], router_asn))
			kept[n_kept++] = kept[i];
	return n_kept;
}

int peers_usable(struct arena *arena, const struct cluster *cluster, const struct node *node,
		 const char *secret_namespace, const struct bgp_peer ***ret_peers, size_t *ret_n,
		 struct problems *problems)
{
	struct judge judge = { .cluster = cluster, .secret_namespace = secret_namespace, .problems = problems };
	const struct bgp_peer **peers, **kept, *peer;
	size_t i, n = 0;
	char text[ADDR_TEXT_MAX];

	peers = arena_array(arena, cluster->n_peers, sizeof(*peers));
	kept = arena_array(arena, cluster->n_peers, sizeof(*kept));
	if (!peers || !kept)
		return -ENOMEM;
	for (i = 0; i < cluster->n_peers; i++) {
		peer = cluster->peers[i];
		if (peer->unusable || !peer_is_valid(&judge, peer) || !node)
			continue; /* who reads objects tells of those that cannot be read */
		if (!peer_selects_node(peer, node))
			continue;
		if (is_own_address(node, peer)) {
			report(&judge, peer, "spec.peerAddress", "%s is an address of node %s itself: " NO_SESSION,
			       addr_format(&peer->peer_address, text), node->meta.name);
			continue;
		}
		peers[n++] = peer;
	}
	n = drop_conflicts(&judge, peers, n, kept);
	if (judge.error)
		return judge.error;
	*ret_peers = kept;
	*ret_n = n;
	return 0;
}
