/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions as Kubernetes means them (PURE): lastTransitionTime tells when the status turned, not when the
 * wording changed; observedGeneration which spec it was judged by. */
#ifndef FAIRWAY_IPAM_CONDITIONS_H
#define FAIRWAY_IPAM_CONDITIONS_H

#include "userspace/core/cluster.h"

struct condition_want { /* texts are borrowed */
	const char *type;
	enum condition_status status;
	const char *reason;  /* CamelCase, never "" */
	const char *message; /* may come from elsewhere: it is bounded and escaped when it is written */
	int64_t generation;  /* of the object; 0: it has none */
};

enum condition_change {
	CONDITION_SAME,
	CONDITION_REWORDED, /* only the message or the generation */
	CONDITION_TURNED,   /* status or reason */
};

enum condition_change condition_compare(const struct conditions *seen, const struct condition_want *);
/* As JSON. `seen` gives the time of the last transition, else it is now. */
void condition_json(struct strbuf *, const struct conditions *seen, const struct condition_want *,
		    int64_t now_sec);

/* The body of a merge patch of /status, appended: these conditions, all judged by the newest version, and
 * nothing else. */
void conditions_status_patch(struct strbuf *, const struct meta *, const struct condition_want *, size_t n,
			     int64_t now_sec);

/* Valid: was the newest version read? `instead`: what is in force if not. The words go into `message`, which
 * is borrowed. */
struct condition_want condition_valid(const struct meta *, const char *instead, struct strbuf *message);

const char *condition_status_name(enum condition_status); /* "True" … */
/* Kubernetes refuses a whole status for one bad reason: `reason` if it is a good one, else `fallback`. */
const char *condition_reason_or(const char *reason, const char *fallback);

#endif
