/* SPDX-License-Identifier: Apache-2.0 */
/* Which statuses our role does not let us write (PURE): by kind and namespace, for so rights are given.
 *
 * With 10,000 objects of a kind each would be refused for itself, again and again. So after the first refusal
 * the others of the kind in its namespace wait, and one of them is tried: soon, for an API server that starts
 * refuses everybody until it has read its Roles, then less and less often. Of several namespaces one is tried
 * after the other, each every FORBIDDEN_MOST_MSEC at least. Namespaces that were not refused are written to
 * meanwhile. The first that is let through ends it for the whole kind. */
#ifndef FAIRWAY_IPAM_FORBIDDEN_H
#define FAIRWAY_IPAM_FORBIDDEN_H

#include "userspace/core/cluster.h"

#define FORBIDDEN_FIRST_MSEC  200 /* between two tries of a kind, doubles with each, up to … */
#define FORBIDDEN_TRY_MSEC    30000
#define FORBIDDEN_MOST_MSEC   600000
#define FORBIDDEN_FORGET_MSEC 600000 /* a place that was due for so long, and nobody tried */

struct forbidden_place {
	enum object_kind kind;
	char *namespace;
	uint64_t try_msec; /* not before */
};

struct forbidden { /* { 0 }: nothing is; by kind and namespace */
	struct forbidden_place *items;
	size_t n, capacity;
	unsigned n_tries[OBJECT_KIND_COUNT]; /* in vain, or without an answer yet */
};

void forbidden_done(struct forbidden *);

/* Is that the answer to a role that lacks the right? Policies and webhooks refuse single objects with 403,
 * too: those are told and tried again each for itself. */
bool forbidden_by_role(int status, const char *message);
/* Does the answer show that the role has the right, although nothing was written? */
bool forbidden_let_through(int status, const char *message);

uint64_t forbidden_until_msec(const struct forbidden *, enum object_kind, const char *namespace); /* 0: now */
/* One is being sent; of a place that is forbidden it is the one that is tried. */
void forbidden_sent(struct forbidden *, enum object_kind, const char *namespace, uint64_t now_msec);
/* It was refused. 1: as the first of its kind, 0, or -ENOMEM. */
int forbidden_refused(struct forbidden *, enum object_kind, const char *namespace, uint64_t now_msec);
/* Before each round. A namespace that is gone, say: what is refused later is another story. */
void forbidden_forget_old(struct forbidden *, uint64_t now_msec);
/* It was let through. True: the place was forbidden; now nothing of the kind is. */
bool forbidden_end(struct forbidden *, enum object_kind, const char *namespace);

#endif
