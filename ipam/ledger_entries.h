/* SPDX-License-Identifier: Apache-2.0 */
/* The table below the ledger (PURE), for ledger*.c alone: entries in their order, and the addresses of each.
 */
#ifndef FAIRWAY_IPAM_LEDGER_ENTRIES_H
#define FAIRWAY_IPAM_LEDGER_ENTRIES_H

#include "ipam/ledger.h"

#define LEDGER_ADDRESSES_MAX (4096 + 2) /* what a decoded status holds, and what a write adds */

/* Where the entry is, or would be: the first that does not come before it. */
size_t ledger_first(const struct ledger *, const char *namespace, const char *name, const char *uid);
/* The same. Mostly they are asked for in their own order: then it is the one after `cursor`, which moves on.
 */
size_t ledger_place(const struct ledger *, size_t *cursor, const char *namespace, const char *name,
		    const char *uid);
bool ledger_is_at(const struct ledger *, size_t at, const char *namespace, const char *name, const char *uid);
struct ledger_entry *ledger_find(const struct ledger *, const char *namespace, const char *name,
				 const char *uid); /* NULL: there is none */
struct ledger_entry *
ledger_add_at(struct ledger *, size_t at, const char *namespace, const char *name,
	      const char *uid); /* the one that is there, or a new one; NULL: out of memory */
struct ledger_entry *ledger_find_or_add(struct ledger *, const char *namespace, const char *name,
					const char *uid); /* NULL: out of memory */
void ledger_forget_empty(struct ledger *); /* entries without addresses that the last update has not seen */

struct ledger_address *entry_find_address(const struct ledger_entry *, const struct addr *); /* or NULL */
int entry_hold(struct ledger_entry *, const struct addr *, uint64_t now_msec); /* 0 or -ENOMEM */
void entry_leave(struct ledger_address *, uint64_t now_msec);
void entry_prove(struct ledger_entry *, const struct service *); /* what its status says was given to it */
/* From now on it holds these and no others. 0 or -ENOMEM; with none it cannot fail. */
int entry_hold_only(struct ledger_entry *, const struct addr *, size_t n, uint64_t now_msec);
/* The addresses that the Service has or may have now, those of a write without answer first; into
 * ret[LEDGER_ADDRESSES_MAX]. `entry` may be NULL. */
size_t entry_addresses_of(const struct ledger_entry *, const struct service *, struct addr *ret);

bool addrs_contain(const struct addr *, size_t n, const struct addr *);
/* Sorted: every address that a Service has in its status, of whatever class it is. NULL: out of memory. */
struct addr *held_collect(const struct service *const *services, size_t n_services, struct arena *,
			  size_t *ret_n);
/* Sorted: those that Services hold or that nodes may still serve for them, unproven ones left out; empty
 * while no write was settled without a proof. NULL: out of memory. */
struct addr *held_proven(const struct ledger *, struct arena *, size_t *ret_n);
bool held_has(const struct addr *sorted, size_t n, const struct addr *);

#endif
