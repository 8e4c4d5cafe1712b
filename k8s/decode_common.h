/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary of the decoders (PURE; only for k8s/decode*.c): read one field of one type, with its default
 * and its limits. A field that is wrong adds a problem that names it, marks the object refused, and yields
 * the fallback, so that decoding goes on and one run tells everything that is wrong with an object. Absent
 * and null are the same, as the API server has it. `parent` NULL: all below it is absent. */
#ifndef FAIRWAY_K8S_DECODE_COMMON_H
#define FAIRWAY_K8S_DECODE_COMMON_H

#include "k8s/json.h"
#include "userspace/core/cluster.h"

struct decoder {
	struct arena *arena; /* the object's: everything kept is copied into it */
	const struct json *root;
	const char *object; /* "BGPPeer/tor-b" */
	struct problems *problems;
	size_t n_problems; /* of this object */
	bool hide_values;  /* a secret's: nothing of it may appear in a message */
	bool refused, no_memory;
};

struct choice { /* a word and what it means; an array ends with { NULL } */
	const char *word;
	int value;
};

/* A problem at parent's member `name` (or at `parent` itself, name NULL). refuse: the object is not taken. */
void decode_refuse(struct decoder *, const struct json *parent, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void decode_report(struct decoder *, const struct json *parent, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The member, or NULL when it is absent, null, or (a problem) of another type. */
const struct json *field(struct decoder *, const struct json *parent, const char *name, enum json_type);
const struct json *field_list(struct decoder *, const struct json *parent, const char *name, size_t max);
const struct json *field_map(struct decoder *, const struct json *parent, const char *name, size_t max);
/* Is this entry of a list a map? Else it is a problem. */
bool entry_is_map(struct decoder *, const struct json *entry);

#define TEXT_MAX 1024 /* bytes of a text without a limit of its own */

bool field_bool(struct decoder *, const struct json *parent, const char *name, bool fallback);
int64_t field_number(struct decoder *, const struct json *parent, const char *name, int64_t min, int64_t max,
		     int64_t fallback);
const char *field_text(struct decoder *, const struct json *parent, const char *name); /* NULL: absent */
const char *field_text_or(struct decoder *, const struct json *parent, const char *name,
			  const char *fallback);
const char *field_name(struct decoder *, const struct json *parent,
		       const char *name); /* a DNS name; NULL: absent or "" */
int field_choice(struct decoder *, const struct json *parent, const char *name, const struct choice *,
		 int fallback);
struct addr field_addr(struct decoder *, const struct json *parent,
		       const char *name); /* ADDR_NONE: absent or "" */
/* A duration in whole seconds: "90s", "1m30s" (metav1.Duration) or a number of seconds. */
uint32_t field_seconds(struct decoder *, const struct json *parent, const char *name, uint32_t min,
		       uint32_t max, uint32_t fallback);
struct strings field_strings(struct decoder *, const struct json *parent, const char *name, size_t max);
struct selectors field_selectors(struct decoder *, const struct json *parent, const char *name);
enum l4_protocol field_protocol(struct decoder *, const struct json *parent,
				const char *name); /* default TCP */
enum taint_effect field_taint_effect(struct decoder *, const struct json *parent, const char *name,
				     bool *ret_any);
/* A map of texts as sorted labels: at most `max` of them, each value at most value_max bytes. */
struct labels field_labels(struct decoder *, const struct json *parent, const char *name, size_t max,
			   size_t value_max);

/* status.conditions; `prefix`: only those whose type begins with it. What is wrong with one leaves it out, unsaid: only
 * controllers write there. */
struct conditions field_conditions(struct decoder *, const struct json *status, const char *prefix);

const char *keep_text(struct decoder *, const char *text); /* a copy in the arena; NULL in, NULL out */
void *keep_array(struct decoder *, size_t n, size_t size); /* zeroed; NULL only with no_memory set */

/* RFC 3339 in UTC or with an offset. 0 or -EINVAL. */
int time_parse(const char *text, int64_t *ret_sec);
/* Go's duration syntax ("1m30s", "1.5h", "0"), whole seconds. 0, -EINVAL, or -EDOM: not whole seconds. */
int duration_parse(const char *text, uint64_t *ret_sec);
/* Standard base64 with padding; line breaks are skipped. *ret is NUL-terminated, in the arena. 0, -EINVAL,
 * -ENOMEM. */
int base64_decode(struct arena *, const char *text, char **ret, size_t *ret_length);

/* One per kind: `root` is the whole object, its meta is already there. */
typedef void decode_fn(struct decoder *, const struct json *root, struct object *);
decode_fn decode_service, decode_endpoint_slice, decode_node, decode_namespace, decode_secret;
decode_fn decode_service_ip_pool, decode_bgp_peer, decode_bgp_advertisement, decode_bfd_profile,
	decode_community, decode_lb_node;

/* Names of what stands in the spec of Fairway's kinds; each ends with NULL. */
extern const char *const service_ip_pool_fields[],
	*const bgp_peer_fields[], *const bgp_advertisement_fields[], *const bfd_profile_fields[],
									     *const community_fields[];

#endif
