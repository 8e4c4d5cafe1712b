/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of k8s/manifests*.c (EDGE): the files of a directory, what was read from each, and what of it is in
 * the store. manifests_file.c reads one file, manifests.c merges all of them into the store,
 * manifests_watch.c says when. */
#ifndef FAIRWAY_K8S_MANIFESTS_SOURCE_H
#define FAIRWAY_K8S_MANIFESTS_SOURCE_H

#include "k8s/decode.h"
#include "k8s/manifests.h"

struct manifest_entry {	       /* an object of a file */
	struct object_id id;   /* texts in the file's arena */
	uint64_t digest;       /* of its JSON and its merged status */
	struct object *object; /* decoded and not yet in the store; owned */
	bool refused; /* decoding failed: the last good version stays, else `object` is what remains of it, or
			 NULL */
	bool shadowed; /* an earlier file holds the same object */
};

struct manifest_file {
	char *name;
	bool dirty;		     /* to be read */
	uint64_t writing_since_msec; /* 0: nobody writes it; else it is not read, for MANIFESTS_WRITING_MSEC
					at most */
	bool missing;		     /* it vanished; kept for a while, see MANIFESTS_GRACE_MSEC */
	uint64_t missing_since_msec;
	bool broken; /* the last reading failed: entries are those of the last good one */
	bool read_once;
	struct arena arena; /* owns the entries and their texts */
	struct manifest_entry *entries;
	size_t n_entries;
	struct problems problems;
	struct strings notices; /* owned texts */
};

struct manifest_applied {	     /* an object that this source put into the store */
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
	uint64_t started_msec;
	bool live;		      /* a last good version may exist: messages say that it stays in force */
	struct manifest_file **files; /* sorted by name */
	size_t n_files, files_capacity;
	struct manifest_applied *applied; /* sorted as object_compare() */
	size_t n_applied;
	struct manifest_status *statuses; /* sorted by namespace, name */
	size_t n_statuses;
	bool status_read; /* at least once */
	struct problems status_problems;
	struct problems conflicts;     /* objects that stand twice */
	const char *directory_trouble; /* why the directory counts as missing now, or NULL; static text */
	struct source_result result;
	size_t bytes_read; /* since memory was last returned */
	bool changed;	   /* the store was changed; whoever tells others resets it */
};

/* A writer that keeps its file open for longer is not waited for. */
#define MANIFESTS_WRITING_MSEC 30000

/* manifests_file.c */
int manifest_file_read(struct manifests_source *, int directory_fd,
		       struct manifest_file *); /* 0 or -ENOMEM */
void manifest_file_free(struct manifest_file *);
void manifest_statuses_free(struct manifest_status *, size_t n);
void texts_done(struct strings *); /* texts and array were allocated each */
bool source_is_manifest(const char *file_name);
int source_read_status(
	struct manifests_source *); /* 0 or -ENOMEM; marks the files of Services whose status changed */

int source_init(struct manifests_source *, const char *directory, const char *status_file, struct store *);
void source_done(struct manifests_source *);

/* Lists the directory: new files become dirty, vanished ones missing. 0, -ENOMEM or -errno of the listing. */
int source_scan(struct manifests_source *, uint64_t now_msec);
void source_mark_dirty(struct manifests_source *,
		       const char *file_name); /* it was written and closed; NULL: all of them */
/* It may be readable now: dirty if it was broken, or is new. */
void source_mark_readable(struct manifests_source *, const char *file_name);
/* Somebody opened the file for writing and has not closed it. A file that is not known yet is added. 0 or
 * -ENOMEM. */
int source_mark_writing(struct manifests_source *, const char *file_name, uint64_t now_msec);
bool source_is_waiting(
	const struct manifests_source *); /* for a file, or for patience to end: update again later */
/* Reads dirty files, forgets files that are missing for long, brings the store in line and rebuilds the
 * result. *ret_before gets the former result, the caller's. 0 or -ENOMEM: nothing is lost, call it again. */
int source_update(struct manifests_source *, uint64_t now_msec, struct source_result *ret_before);

#endif
