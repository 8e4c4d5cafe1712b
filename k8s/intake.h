/* SPDX-License-Identifier: Apache-2.0 */
/* From what the API server sends to what the store holds (PURE): decode, refuse, keep the last good version,
 * and after a complete list remove what is gone. What is kept takes from the refused version what others
 * write over it (store_keep()), so that writes to it go through. One intake for all kinds, one list for each
 * collection that is followed. A refused Service that is being deleted has no last good version: its end must
 * be seen. */
#ifndef FAIRWAY_K8S_INTAKE_H
#define FAIRWAY_K8S_INTAKE_H

#include "k8s/decode.h"
#include "k8s/store.h"

struct intake_problems { /* of one object, or of the name that a refused one gave itself */
	char *object;	 /* "Service/web/shop" */
	struct problems problems;
};

struct intake {
	struct store *store;		 /* borrowed */
	bool specs_only;		 /* see decode_digest() */
	struct intake_problems *refused; /* sorted by object */
	size_t n_refused, capacity;
	bool changed, problems_changed; /* objects in the store, problems; since the owner last reset them */
};

void intake_done(struct intake *); /* the store keeps its objects */

struct intake_list { /* one collection */
	enum object_kind kind;
	const char *namespace, *name; /* borrowed; NULL: all of the kind, else this one alone */
	struct arena arena;	      /* of a list that is open: what it named so far */
	const char **seen;	      /* "namespace/name" */
	size_t n_seen, capacity;
};

void intake_list_done(struct intake_list *);
void intake_begin(struct intake_list *); /* a complete list begins */
/* An object as it is now; `open`: it belongs to the list that is open. What is wrong with it becomes a
 * problem. 0 or -ENOMEM: nothing was changed. */
int intake_put(struct intake *, struct intake_list *, const struct json *list, const struct json *object,
	       bool open);
int intake_remove(struct intake *, struct intake_list *, const struct json *list, const struct json *object);
int intake_complete(struct intake *, struct intake_list *); /* what the list did not name is removed */
void intake_forget(struct intake *,
		   struct intake_list *); /* it is no longer followed: its objects are removed */
int intake_append_problems(const struct intake *, struct problems *); /* adds copies; 0 or -ENOMEM */

#endif
