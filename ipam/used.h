/* SPDX-License-Identifier: Apache-2.0 */
/* Every address that is taken, and by whom (PURE): a hash table for the time of one allocation run.
 *
 * Holders only come; one that gives its address up within the run stays as `leaving`, for its route and its frontends
 * are still there: such an address is given to nobody before the next run. */
#ifndef FAIRWAY_IPAM_USED_H
#define FAIRWAY_IPAM_USED_H

#include "ipam/pool.h"

struct holder {
	size_t claim; /* index of the Service */
	bool leaving;
	struct holder *next;
	struct holder *next_spokesman;
};

struct sharing_group { /* one sharing key, and the addresses that it holds */
	const char *key;
	struct group_address {
		struct used_address *entry;
		uint32_t a_port; /* one of those taken there, as port << 8 | protocol; 0: unknown. Refuses without a walk */
	} *addresses;
	size_t n_addresses, capacity;
};

struct used_address {
	struct addr addr; /* ADDR_NONE: an empty place of the table */
	struct pool *owner; /* or NULL: in no pool */
	struct holder *holders, *last_holder; /* in the order in which they came */
	size_t n_holders;
	struct holder *spokesmen;  /* one for all holders with the same sharing_same_terms() */
	struct port_set *port_set; /* of all holders, once there are many; else NULL */
	struct sharing_group *group;	      /* the sharing key that holds it, or NULL */
};

struct used {
	struct used_address *table; /* open addressing, never full; power of two */
	size_t size;
};

int used_init(struct used *ret, struct arena *, size_t n_addresses); /* room for so many; 0 or -ENOMEM */
struct used_address *used_find(const struct used *, const struct addr *); /* or NULL */
/* Finds or makes the entry and appends the holder. *ret_new tells whether it was made. NULL: out of memory. */
struct used_address *used_hold(struct used *, struct arena *, const struct addr *, size_t claim, bool *ret_new);
int group_add(struct sharing_group *, struct arena *, struct used_address *, uint32_t a_port); /* 0 or -ENOMEM */
void used_leave(struct used *, const struct addr *, size_t claim);
bool used_is_held(const struct used_address *); /* by one that does not leave */

#endif
