/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a collection that cannot be read (PURE): what is wrong, the cure, and what holds meanwhile.
 * What all collections suffer alike has one text where the same holds of them, and so is one problem. */
#ifndef FAIRWAY_K8S_SOURCE_TROUBLE_H
#define FAIRWAY_K8S_SOURCE_TROUBLE_H

#include "k8s/reflector.h"
#include "userspace/core/cluster.h"

struct source_trouble { /* borrowed */
	enum reflector_trouble trouble;
	int status;			/* HTTP status */
	const char *path;		/* of the collection; NULL: a Secret */
	const char *crd;		/* the name of its definition; NULL: it needs none */
	const char *namespace, *secret; /* of that one Secret */
	bool dispensable;		/* the rest does without, if it must */
	bool complete;			/* there was a complete list: its last good objects are in force */
	bool delivered; /* so there was one of everything that is waited for: decisions are taken */
};

/* It will not come before somebody installs or permits it, and the rest does without. */
bool source_trouble_is_given_up(const struct source_trouble *);
int source_trouble_add(struct problems *, const struct source_trouble *); /* 0 or -ENOMEM */

#endif
