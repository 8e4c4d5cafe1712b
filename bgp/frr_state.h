/* SPDX-License-Identifier: Apache-2.0 */
/* What FRR says, read back (PURE): `show running-config` of bgpd and bfdd, and the JSON of sessions. FRR is trusted no more
 * than anybody: what can't be read is skipped, nothing is assumed about sizes or order. */
#ifndef FAIRWAY_BGP_FRR_STATE_H
#define FAIRWAY_BGP_FRR_STATE_H

#include "bgp/frr_config.h"

/* Of either daemon. Statements of others are kept as far as they must be left alone knowingly. 0 or -ENOMEM. */
int frr_state_parse_config(const char *text, struct frr_config *ret);

struct frr_session { /* sorted by id */
	const char *id;	   /* as frr_neighbor's */
	const char *state; /* "Established", "Active", … */
	uint64_t uptime_sec; /* 0 unless Established */
	uint32_t remote_asn;
	uint32_t sent, received; /* prefixes, all families */
	const char *last_error;	 /* of frr_state_parse_neighbor(); "" */
	const char *bfd;	 /* "", "up", "down": of frr_state_parse_bfd() */
};

struct frr_sessions {
	struct arena arena;
	struct frr_session *items;
	size_t n;
};

/* `show bgp summary json`. 0, -ENOMEM, -EINVAL: no JSON as expected. */
int frr_state_parse_summary(const char *json, struct frr_sessions *ret);
/* `show bgp neighbors json`: fills in last_error. Same results. */
int frr_state_parse_neighbors(const char *json, struct frr_sessions *);
/* `show bfd peers json`: fills in bfd. Same results. */
int frr_state_parse_bfd(const char *json, struct frr_sessions *);
/* `show bgp ipv4|ipv6 unicast neighbors ID advertised-routes json`: the prefixes, sorted; *ret is the caller's to free. Same
 * results. */
int frr_state_parse_advertised(const char *json, struct prefix **ret, size_t *ret_n);
void frr_sessions_done(struct frr_sessions *);
const struct frr_session *frr_sessions_find(const struct frr_sessions *, const char *id);

#endif
