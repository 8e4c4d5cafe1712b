/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller has given, as it remembers it (PURE): the truth of which Service has which address.
 *
 * In manifests mode the book is the status file, read at start and written after each change, so that addresses survive
 * a restart. It lies over the directory: where it has an entry for a Service, the addresses are the entry's, whatever
 * status the manifest came with. An entry whose Service is gone frees its addresses, unless the Service may just be
 * hidden: a file that cannot be read may hold it. */
#ifndef FAIRWAY_IPAM_STATUS_BOOK_H
#define FAIRWAY_IPAM_STATUS_BOOK_H

#include "ipam/allocator.h"

struct status_entry {
	const char *namespace, *name;
	const char *uid; /* "": unknown. Another uid is another Service of the same name */
	struct addr *addresses;
	size_t n_addresses;
	const char *reason, *message; /* of the condition fairway.dev/Allocated; reason "" if all was granted */
	int64_t since_sec;	      /* when the condition last changed */
	bool seen; /* its Service was there since the start: if it is gone now, it was removed and is not hidden */
};

struct status_book {
	struct arena arena;
	struct status_entry *entries; /* sorted by namespace, name; each once */
	size_t n_entries;
};

void status_book_done(struct status_book *);
void status_book_sort(struct status_book *);
const struct status_entry *status_book_find(const struct status_book *, const char *namespace, const char *name);

/* The cluster with the book laid over it, for allocate(): Services have the book's addresses; entries whose Service may be
 * hidden in a file that cannot be read stand in as Services of another class, so that their addresses are not given; and so
 * does a pool, so that nobody loses an address to a typing error. `problems` are the source's.
 * Borrows from all of them; lives in the arena. 0 or -ENOMEM. */
int status_book_overlay(const struct status_book *, const struct cluster *, const struct problems *, struct arena *,
			struct cluster *ret);

/* The book after an allocation from that overlay. *ret is the caller's. 0 or -ENOMEM. */
int status_book_next(const struct status_book *, const struct cluster *, const struct problems *,
		     const struct allocations *, int64_t now_sec, struct status_book *ret);

/* The status file: a List of Services with metadata and status. */
void status_book_json(struct strbuf *, const struct status_book *);

#endif
