/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of k8s/manifests*.c (EDGE): the files of a directory, what was read from each, and what of it is in the store.
 * manifests.c reads and merges; manifests_watch.c says when. */
#ifndef FAIRWAY_K8S_MANIFESTS_SOURCE_H
#define FAIRWAY_K8S_MANIFESTS_SOURCE_H

#include "k8s/decode.h"
#include "k8s/manifests.h"

struct manifest_entry { /* an object of a file */
	struct object_id id; /* texts in the file's arena */
	uint64_t digest;     /* of its JSON and its merged status */
	struct object *object; /* decoded and not yet in the store; owned */
	bool refused;	     /* decoding failed: the last good version stays */
	bool shadowed;	     /* an earlier file holds the same object */
};

struct manifest_file {
	char *name;
	bool dirty;   /* to be read */
	bool missing; /* it vanished; kept for a while, see MANIFESTS_GRACE_MSEC */
	uint64_t missing_since_msec;
	bool broken; /* the last reading failed: entries are those of the last good one */
	bool read_once;
	struct arena arena; /* owns the entries and their texts */
	struct manifest_entry *entries;
	size_t n_entries;
	struct problems problems;
	struct strings notices; /* owned texts */
};

struct manifest_applied { /* an object that this source put into the store */
	const struct object *object; /* the store's */
	uint64_t digest;
};

struct manifest_status { /* what the status file says about one Service; the object is owned */
	struct object *object;
	uint64_t digest;
};

struct manifests_source {
	char *directory, *status_path; /* status_path NULL: none */
	struct store *store;
	bool live; /* a last good version may exist: messages say that it stays in force */
	struct manifest_file **files; /* sorted by name */
	size_t n_files, files_capacity;
	struct manifest_applied *applied; /* sorted as object_compare() */
	size_t n_applied;
	struct manifest_status *statuses; /* sorted by namespace, name */
	size_t n_statuses;
	struct problems status_problems;
	struct problems conflicts;     /* objects that stand twice */
	const char *directory_trouble; /* why the directory counts as missing now, or NULL; static text */
	struct manifests_result result;
	bool changed; /* the store was changed by the last source_update() */
};

int source_init(struct manifests_source *, const char *directory, const char *status_file, struct store *);
void source_done(struct manifests_source *);

/* Lists the directory: new files become dirty, vanished ones missing. 0, -ENOMEM or -errno of the directory. */
int source_scan(struct manifests_source *, uint64_t now_msec);
void source_mark_dirty(struct manifests_source *, const char *file_name); /* NULL: all of them */
int source_read_status(struct manifests_source *); /* 0 or -ENOMEM; marks the files of Services whose status changed */
/* Reads dirty files, forgets files that are missing for long, brings the store in line and rebuilds the result. */
int source_update(struct manifests_source *, uint64_t now_msec);
bool source_has_missing(const struct manifests_source *); /* a grace period is running */

#endif
