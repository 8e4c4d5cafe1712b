/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are whose, beyond what statuses say (PURE): the controller's memory in a cluster.
 *
 * Statuses in the API server are the truth, but what was read of them is always a moment old, and they
 * forget: an address that was just written is not in them yet, one whose write got no answer may or may not
 * be, and a Service whose type changes loses its status while nodes still serve it. The ledger holds every
 * address from the moment at which a write that gives it is sent, until the nodes have let it go:
 *
 * - held: the Service has it, or may have it: in its status, in an acknowledged write that the watch has not
 *   shown yet, or in a write without answer. Each such write is bound to one resourceVersion, so a newer one
 *   settles whether it was executed. A status that is empty then tells that it was not, or that somebody
 *   emptied it: the address stays held, until another Service, which shared it by a key then, is seen to
 *   have it or to let it go; then it leaves here.
 * - leaving: the Service is being deleted, is gone, is no longer ours, or got another address: routes go
 *   first, then frontends, then the address. Nobody gets it until no node names it (release_decide()).
 *
 * A new leader has an empty ledger: statuses and the nodes' reports fill it in the first update, before
 * anything is given. A status that somebody else emptied loses nothing: what the Service held it still holds.
 */
#ifndef FAIRWAY_IPAM_LEDGER_H
#define FAIRWAY_IPAM_LEDGER_H

#include "ipam/node_reports.h"
#include "ipam/release.h"

struct ledger_address {
	struct addr addr;
	bool leaving;
	bool unproven; /* written, and neither an answer nor a status has told that it was executed */
	uint64_t given_msec, leaving_msec;
};

struct ledger_entry { /* of one Service; another uid is another Service */
	char *namespace, *name,
		*uid; /* all "": addresses that a node names for a Service that it does not know */
	struct ledger_address *addresses;
	size_t n, capacity;
	uint64_t known_version; /* the newest state that `addresses` follow */
	bool unsettled; /* a write was sent over `over_version`, and whether it was executed is not known */
	uint64_t over_version;
	struct addr written[2];
	size_t n_written;
	bool seen;   /* in the last update */
	bool ending; /* all its addresses are leaving or gone, whatever its status still says */
	bool ends;   /* and nobody asked so far */
};

struct ledger {
	struct ledger_entry **entries; /* by namespace, name, uid */
	size_t n, capacity;
	bool filled;	    /* by a first update */
	uint64_t next_msec; /* when the next update is due without any change; UINT64_MAX: never */
	size_t n_leaving;
	struct problems
		overdue; /* addresses given up by the last update although a node names them: "Service/…" */
};

void ledger_done(struct ledger *);

/* Follows the cluster, before each allocation. 0 or -ENOMEM (then ask again before anything is given). */
int ledger_update(struct ledger *, const struct cluster *, bool default_class, const struct node_reports *,
		  uint64_t now_msec);
/* The cluster with the ledger laid over it, for allocate(). 0 or -ENOMEM. */
int ledger_overlay(const struct ledger *, const struct cluster *, bool default_class, struct arena *,
		   struct cluster *ret);

/* Before a write that gives the Service these addresses, none included, is sent over its version. 0 or
 * -ENOMEM. */
int ledger_sent(struct ledger *, const struct meta *, const struct addr *, size_t n_addresses,
		uint64_t now_msec);
/* It was acknowledged, and made this version. */
void ledger_acknowledged(struct ledger *, const struct meta *, uint64_t version, uint64_t now_msec);
/* The Service was read at an older state than is known: a write for it would be decided on the past. */
bool ledger_is_ahead(const struct ledger *, const struct service *);
/* True once, when it was first seen to end: deleted, or no longer ours. */
bool ledger_take_end(struct ledger *, const struct service *);
/* No address of a Service of this name is on its way out: its finalizer may go. */
bool ledger_has_let_go(const struct ledger *, const char *namespace, const char *name);

#endif
