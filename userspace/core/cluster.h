/* SPDX-License-Identifier: Apache-2.0 */
/* The world as plain structs: what Kubernetes (or a manifests directory) says, decoded, before any decision.
 *
 * Each object lives in one `struct object` with an arena of its own that owns every string and array below it.
 * Objects never change once decoded: an update is a new object in place of the old one. Decisions (endpoints,
 * plan, routes, allocation) take `const struct cluster *`, which only borrows the objects.
 *
 * Decoding (k8s/decode) checks structure: types, numbers in range, sizes. What a decision must judge, and report
 * with its own words, stays text here (pool ranges, source ranges, requested addresses, communities). */
#ifndef FAIRWAY_CORE_CLUSTER_H
#define FAIRWAY_CORE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/arena.h"
#include "userspace/base/strbuf.h"

/* --- names, labels, selectors ------------------------------------------------------------------------- */

struct strings {
	const char **items;
	size_t n;
};

bool strings_contain(const struct strings *, const char *text); /* in any order; false for NULL */

struct label {
	const char *key, *value;
};

struct labels { /* sorted by key */
	struct label *items;
	size_t n;
};

enum selector_operator { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_DOES_NOT_EXIST };

struct selector_requirement {
	const char *key;
	enum selector_operator operator;
	struct strings values;
};

struct selector { /* metav1.LabelSelector; matchLabels became IN with one value. All must hold; none: selects everything */
	struct selector_requirement *requirements;
	size_t n;
};

struct selectors { /* []LabelSelector: OR between entries. n == 0: absent or empty; the field's owner says what that means */
	struct selector *items;
	size_t n;
};

enum condition_status { CONDITION_UNKNOWN, CONDITION_FALSE, CONDITION_TRUE };

struct condition { /* metav1.Condition */
	const char *type, *reason, *message; /* "" if none */
	enum condition_status status;
	int64_t transition_sec; /* lastTransitionTime; 0: none */
	int64_t generation;	/* observedGeneration; 0: none */
};

struct conditions { /* of status.conditions those with a type of fairway.dev on Services, all on Fairway's own kinds */
	struct condition *items;
	size_t n;
};

struct meta {
	const char *namespace; /* "" for cluster objects */
	const char *name;
	const char *uid;      /* "" if none */
	int64_t created_sec;  /* creationTimestamp, Unix seconds; INT64_MAX if none: the youngest */
	bool deleting;	      /* deletionTimestamp is set */
	int64_t deletion_sec; /* … to this, Unix seconds; 0: it is not */
	int64_t generation;   /* of the spec; 0: none */
	/* As the API server's number, to be given back as it came; 0: none, or none that is a decimal number. It changes
	 * in a stored object: see store_renew() and store_keep(). */
	uint64_t resource_version;
	struct strings finalizers;
	struct labels labels, annotations;
	/* Why its newest version was refused, "FIELD: WHAT"; NULL: it was not, or its kind keeps no remains. Then, unless the
	 * object is `unusable`, this is the last good version: see store_keep(). */
	const char *refused;
	int64_t refused_generation; /* metadata.generation of that */
	/* What the status said that lbcontroller writes, of Services and of the kinds of fairway.dev that configure. */
	struct conditions conditions;
	uint64_t status_digest; /* json_digest() of the whole status, of the latter; 0: none */
};

/* metadata.generation of the newest version, the refused one too. */
int64_t meta_newest_generation(const struct meta *);

const struct condition *conditions_find(const struct conditions *, const char *type); /* borrowed, or NULL */

const char *labels_find(const struct labels *, const char *key); /* borrowed, or NULL */
bool selector_matches(const struct selector *, const struct labels *);
bool selectors_match_any(const struct selectors *, const struct labels *); /* false for n == 0 */
bool selectors_match_any_or_empty(const struct selectors *, const struct labels *); /* true for n == 0 */
/* kubectl's syntax: "a=b,c!=d,e in (f,g),h notin (i),j,!k". 0, -EINVAL with *ret_why (static text), -ENOMEM */
int selector_parse(struct arena *, const char *text, struct selector *ret, const char **ret_why);

/* --- objects ------------------------------------------------------------------------------------------ */

enum l4_protocol { L4_TCP = 6, L4_UDP = 17, L4_SCTP = 132 }; /* IANA numbers */

const char *l4_protocol_name(enum l4_protocol); /* "TCP" … */

enum service_type { SERVICE_CLUSTER_IP, SERVICE_NODE_PORT, SERVICE_LOAD_BALANCER, SERVICE_EXTERNAL_NAME };
enum traffic_policy { POLICY_CLUSTER, POLICY_LOCAL };
enum ip_family_policy { FAMILY_POLICY_UNSET, FAMILY_SINGLE_STACK, FAMILY_PREFER_DUAL_STACK, FAMILY_REQUIRE_DUAL_STACK };

struct service_port {
	const char *name; /* "" if none */
	enum l4_protocol protocol;
	uint16_t port, node_port; /* node_port 0: none */
};

struct ingress_address { /* status.loadBalancer.ingress[] */
	struct addr addr;    /* ADDR_NONE: hostname only */
	bool proxy_mode;     /* ipMode: Proxy: not captured */
};

struct service {
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): it has no port and is nobody's, but keeps its addresses */
	enum service_type type;
	bool headless;		  /* clusterIP: None */
	struct addr cluster_ips[2]; /* in order of ip_families; ADDR_NONE: none */
	size_t n_cluster_ips;
	enum addr_family ip_families[2];
	size_t n_ip_families; /* 0: not said */
	enum ip_family_policy ip_family_policy;
	struct service_port *ports;
	size_t n_ports;
	struct labels selector;
	enum traffic_policy external_policy, internal_policy;
	uint32_t affinity_sec;		   /* 0: no session affinity */
	const char *load_balancer_class;   /* NULL: class-less */
	const char *load_balancer_ip;	   /* text as written; NULL or "": absent */
	struct strings external_ips;	   /* text */
	struct strings source_ranges;	   /* text, spec.loadBalancerSourceRanges */
	uint16_t health_check_node_port;   /* 0: none */
	bool allocate_node_ports;
	struct ingress_address *ingress;
	size_t n_ingress;
};

struct endpoint {
	struct addr addr;	/* addresses[0] */
	const char *node;	/* NULL: unknown, counts as remote */
	bool ready, serving, terminating; /* defaults of S0.8 applied */
	struct strings hint_zones, hint_nodes;
};

struct slice_port {
	const char *name; /* "" if none */
	enum l4_protocol protocol;
	uint16_t port; /* 0: nil, to be ignored */
};

struct endpoint_slice {
	struct meta meta;
	const char *service;		  /* label kubernetes.io/service-name; "" if none */
	enum addr_family family;	  /* ADDR_NONE: FQDN */
	struct slice_port *ports;
	size_t n_ports;
	struct endpoint *endpoints; /* in file order */
	size_t n_endpoints;
};

enum taint_effect { TAINT_NO_SCHEDULE, TAINT_PREFER_NO_SCHEDULE, TAINT_NO_EXECUTE };

struct taint {
	const char *key, *value;
	enum taint_effect effect;
};

struct node {
	struct meta meta;
	struct addr *internal_ips, *addresses; /* InternalIP only; every address of status.addresses that is an IP */
	size_t n_internal_ips, n_addresses;
	struct prefix *pod_cidrs;
	size_t n_pod_cidrs;
	struct taint *taints;
	size_t n_taints;
	bool unschedulable;	  /* bare cordon: withdraws nothing */
	bool network_unavailable; /* condition NetworkUnavailable=True */
};

struct namespace_object {
	struct meta meta;
};

struct secret { /* only what peers need */
	struct meta meta;
	const char *type;
	const char *password; /* data.password decoded, or NULL. Never logged, never in argv */
};

struct service_allocation {
	bool present;
	uint32_t priority; /* 0: unset, last */
	struct strings namespaces;
	struct selectors namespace_selectors, service_selectors;
};

struct service_ip_pool {
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): what it holds is unknown */
	struct strings addresses; /* text: "CIDR" or "a-b" */
	bool auto_assign, avoid_buggy_ips, disabled;
	struct service_allocation allocation;
	uint32_t quota_per_namespace; /* 0: none */
	struct selectors node_selectors; /* empty: all nodes announce */
};

enum dynamic_asn { DYNAMIC_ASN_NONE, DYNAMIC_ASN_INTERNAL, DYNAMIC_ASN_EXTERNAL };

struct bgp_peer {
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): whom it is about and which nodes it
			* selects is unknown, so no session is configured by it */
	uint32_t my_asn, peer_asn, local_asn; /* 0: unset */
	enum dynamic_asn dynamic_asn;
	struct addr peer_address;  /* ADDR_NONE if interface */
	const char *interface;	   /* NULL if peerAddress */
	uint16_t peer_port;	   /* default 179 */
	struct addr source_address; /* ADDR_NONE: unset */
	struct addr router_id;	    /* v4, ADDR_NONE: unset */
	uint32_t hold_time_sec, keepalive_time_sec, connect_time_sec; /* 0: unset */
	bool hold_time_off; /* holdTime 0 was asked for: neither keepalives nor hold timer */
	struct selectors node_selectors; /* empty: every node */
	const char *password_secret;	 /* name, or NULL */
	const char *bfd_profile;	 /* name, or NULL */
	int allow_as_in;		 /* -1: default */
	bool enable_graceful_restart;
	uint32_t graceful_restart_time_sec; /* 0: unset */
	bool ebgp_multi_hop;
	uint8_t ebgp_multi_hop_ttl; /* 0: unset */
	uint8_t ttl_security;	    /* hops; 0: off */
	const char *vrf;	    /* NULL: default */
	bool ipv4, ipv6;	    /* addressFamilies with defaults applied */
	uint32_t max_prefixes_received; /* 0: no limit */
};

enum advertisement_type { ADVERTISE_SERVICE, ADVERTISE_POD_CIDR };

struct toleration {
	const char *key, *value; /* key "": every key */
	bool exists;		 /* operator Exists, else Equal */
	bool any_effect;
	enum taint_effect effect;
};

struct bgp_advertisement {
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): it selects nothing, and like any other ends the rule that
			* without advertisements everything is announced */
	enum advertisement_type type;
	struct strings pools;
	struct selectors pool_selectors, service_selectors, node_selectors;
	struct strings peers; /* empty: every peer */
	uint8_t aggregation_length, aggregation_length_v6; /* 32 / 128 by default */
	uint32_t local_pref; /* 0: unset */
	struct strings communities; /* text: alias, "65000:1", "large:a:b:c", well-known name */
	uint32_t max_next_hops;	    /* 0: no limit */
	bool only_nodes_with_endpoints;
	bool drain_on_taints;
	struct toleration *tolerations;
	size_t n_tolerations;
};

struct bfd_profile { /* MetalLB's fields and defaults */
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): no peer is configured by it, see peer_bfd_profile() */
	uint32_t receive_interval_msec, transmit_interval_msec; /* 10..60000, 300 */
	uint32_t detect_multiplier;				/* 2..255, 3 */
	uint32_t echo_interval_msec;				/* 10..60000, 50 */
	bool echo_mode, passive_mode;
	uint32_t minimum_ttl; /* 1..254; 254 */
};

struct community_alias {
	const char *name, *value;
};

struct community_object {
	struct meta meta;
	bool unusable; /* refused when decoded, see decode_remains(): it has no aliases */
	struct community_alias *aliases;
	size_t n_aliases;
	struct strings refused_aliases; /* names in its refused version, as far as they could be read; for messages */
};

struct lb_node_service { /* one entry of a group: "web/shop=192.0.2.10,2001:db8::a" */
	const char *name;  /* "namespace/name"; "": a frontend that an earlier agent left, nobody knows whose */
	struct addr *vips; /* those that this node serves, or has not given up yet */
	size_t n_vips;
};

struct lb_node_group { /* services of equal state */
	bool programmed;
	bool releasing;		     /* withdrawn or on its way out, but something of it still stands on this node */
	struct strings announced_to; /* BGPPeers, sorted: Established, and bgpd originates to them what they should get */
	bool unannounced[2]; /* IPv4, IPv6: VIPs of this family are told to none of them */
	const char *reason, *message; /* why not all is as wanted, in the words of a condition; "" if it is */
	struct lb_node_service *services; /* sorted by name */
	size_t n_services;
};

struct lb_node_peer {
	const char *name, *address; /* address or interface */
	const char *state;	    /* "Established", … */
	int64_t since_sec;	    /* Unix seconds; INT64_MAX: unknown */
	uint32_t prefixes_sent, prefixes_received;
	const char *last_error; /* "" if none */
};

/* What one node's agent says of itself: named as its Node, written by nobody else (userspace/agent/node_report.h). `sampled`:
 * the cluster is large, and a service that is as it should be is named by eight nodes only; one that is missing here may
 * be fine. Else a service that is missing is not on this node. */
struct lb_node {
	struct meta meta;
	const char *agent_version;
	size_t n_services, n_programmed, n_announced; /* of all services, also those that are not named */
	size_t n_omitted; /* would have been named, had there been room */
	size_t n_omitted_releasing; /* those of them that are releasing: any address that leaves may be theirs */
	bool sampled;
	struct lb_node_group *groups;
	size_t n_groups;
	struct lb_node_peer *peers;
	size_t n_peers;
	bool ready; /* the condition; reason and message are its */
	const char *ready_reason, *ready_message;
	uint32_t heartbeat_sec; /* the agent writes at least so often; 0: it does not say */
	bool silent; /* it does not any more: the controller has written that, and so long nothing here is sure */
};

#define AGENT_SILENT "AgentSilent" /* the reason of the condition then */

enum object_kind { /* the order in which directories are reported; names in object_kind_name() */
	OBJECT_SERVICE,
	OBJECT_ENDPOINT_SLICE,
	OBJECT_NODE,
	OBJECT_NAMESPACE,
	OBJECT_SECRET,
	OBJECT_SERVICE_IP_POOL,
	OBJECT_BGP_PEER,
	OBJECT_BGP_ADVERTISEMENT,
	OBJECT_BFD_PROFILE,
	OBJECT_COMMUNITY,
	OBJECT_LB_NODE,
	OBJECT_KIND_COUNT
};

const char *object_kind_name(enum object_kind); /* "Service", "EndpointSlice", … as in manifests */

struct object {
	struct arena arena;
	struct arena later; /* of what store_keep() put into it */
	enum object_kind kind;
	uint64_t digest; /* of what was decoded, for the source that put it into the store; 0: none */
	union {
		struct meta meta; /* every kind begins with it */
		struct service service;
		struct endpoint_slice slice;
		struct node node;
		struct namespace_object namespace;
		struct secret secret;
		struct service_ip_pool pool;
		struct bgp_peer peer;
		struct bgp_advertisement advertisement;
		struct bfd_profile bfd_profile;
		struct community_object community;
		struct lb_node lb_node;
	};
};

struct object *object_new(enum object_kind); /* zeroed, kind set; NULL: out of memory */
void object_free(struct object *);	      /* accepts NULL; wipes a secret's password */
int object_compare(const struct object *, const struct object *); /* kind, namespace, name */
bool object_is_remains(const struct object *); /* of one that was refused: see decode_remains() */

/* Everything, borrowed. Arrays are sorted by namespace, name (bytes), slices by namespace, service, name.
 * The store (k8s/store.h) makes it; tests fill it by hand or from manifests. */
struct cluster {
	const struct service *const *services;
	size_t n_services;
	const struct endpoint_slice *const *slices;
	size_t n_slices;
	const struct node *const *nodes;
	size_t n_nodes;
	const struct namespace_object *const *namespaces;
	size_t n_namespaces;
	const struct secret *const *secrets;
	size_t n_secrets;
	const struct service_ip_pool *const *pools;
	size_t n_pools;
	const struct bgp_peer *const *peers;
	size_t n_peers;
	const struct bgp_advertisement *const *advertisements;
	size_t n_advertisements;
	const struct bfd_profile *const *bfd_profiles;
	size_t n_bfd_profiles;
	const struct community_object *const *communities;
	size_t n_communities;
	const struct lb_node *const *lb_nodes;
	size_t n_lb_nodes;
};

/* Binary searches; borrowed, or NULL. */
const struct service *cluster_find_service(const struct cluster *, const char *namespace, const char *name);
const struct node *cluster_find_node(const struct cluster *, const char *name);
const struct namespace_object *cluster_find_namespace(const struct cluster *, const char *name);
const struct secret *cluster_find_secret(const struct cluster *, const char *namespace, const char *name);
const struct service_ip_pool *cluster_find_pool(const struct cluster *, const char *name);
const struct bgp_peer *cluster_find_peer(const struct cluster *, const char *name);
const struct bfd_profile *cluster_find_bfd_profile(const struct cluster *, const char *name);
/* The slices of one service: *ret_n of them from the returned one on. */
const struct endpoint_slice *const *cluster_service_slices(const struct cluster *, const char *namespace,
							    const char *service, size_t *ret_n);
/* The pools whose ranges hold the address (broken ranges are ignored); the first by name, or NULL. */
const struct service_ip_pool *cluster_pool_of_address(const struct cluster *, const struct addr *);

/* --- what is wrong with an object ---------------------------------------------------------------------- */

/* `object` is "Kind/name", "Kind/namespace/name", or a file's name; `field` a path such as spec.ports[0].port;
 * `message` says what is wrong and what stays in force. Texts are bounded and hold no control character. */
struct problem {
	char *object, *field, *message;
};

struct problems {
	struct problem *items;
	size_t n, capacity;
};

void problems_done(struct problems *);
void problems_sort_unique(struct problems *); /* by object, field, message */
bool problems_equal(const struct problems *, const struct problems *); /* the same ones in the same order */
/* What appeared and what vanished between two sorted lists, so that each is logged once. */
typedef void problem_fn(void *userdata, const struct problem *);
void problems_compare(const struct problems *before, const struct problems *now, problem_fn *appeared,
		      problem_fn *vanished, void *userdata);
int problems_add_all(struct problems *, const struct problems *from); /* copies; 0 or -ENOMEM */
int problems_add(struct problems *, const char *object, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5))); /* 0 or -ENOMEM; copies and escapes */
int problems_add_object(struct problems *, enum object_kind, const struct meta *, const char *field,
			const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
