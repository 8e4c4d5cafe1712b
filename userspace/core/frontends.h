/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses and ports a service asks for on this node, before endpoints or other services are looked
 * at: families, types, proxy mode, and the vetting of addresses against what is known of nodes and routers.
 * Used by plan alone. */
#ifndef FAIRWAY_CORE_FRONTENDS_H
#define FAIRWAY_CORE_FRONTENDS_H

#include "userspace/core/plan.h"

struct draft { /* sorted by type, address, port, protocol; each address, port and protocol once */
	enum frontend_type type;
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	size_t service_port; /* index into the service's ports */
	size_t source;	     /* index into status.loadBalancer.ingress or spec.externalIPs */
};

struct drafts {
	struct draft *items;
	size_t n, capacity;
};

void drafts_done(struct drafts *);
void drafts_trim(struct drafts *); /* gives back what was reserved beyond n */

/* Addresses that belong to somebody, sorted by address. */
struct own_address {
	struct addr addr;
	const char *whose; /* "node n1", "an interface of this node", "BGPPeer tor-a" */
	bool router;
};

struct own_addresses {
	struct own_address *items;
	size_t n, capacity;
};

/* Strings are in the arena. 0 or -ENOMEM. */
int own_addresses_collect(struct arena *, const struct cluster *, const struct plan_options *,
			  struct own_addresses *ret);
const struct own_address *own_addresses_find(const struct own_addresses *, const struct addr *);

/* Families that the service is served in (S0.3, S0.4). */
struct families {
	bool v4, v6;
};
struct families service_families(const struct service *, const struct plan_options *);
bool families_have(const struct families *, enum addr_family);

/* Drafts of a service; none for one that is not proxied. `problems` may be NULL. 0 or -ENOMEM. */
int drafts_make(const struct cluster *, const struct plan_options *, const struct own_addresses *,
		const struct service *, struct drafts *ret, struct problems *problems);

/* Ports that the data path does not carry, as a problem. 0 or -ENOMEM. */
int ports_check(const struct service *, struct problems *);

/* The field that a draft comes from, for problems. */
#define DRAFT_FIELD_MAX 64
char *draft_field(const struct draft *, char buffer[static DRAFT_FIELD_MAX]);

#endif
