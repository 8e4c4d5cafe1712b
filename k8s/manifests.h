/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of manifests as a source of objects (EDGE): YAML and JSON as `kubectl get -o yaml` prints them, several
 * documents a file, List kinds too. Read are *.json, *.yaml, *.yml, no dot files, no subdirectories.
 *
 * A broken file is reported with file, line and reason, and the last good version of its objects stays in force; an
 * unknown kind is skipped with a notice; an object that stands in two files is taken from the first by file name and
 * reported; a removed file removes its objects. The status file (the controller's answers, outside the directory) is a
 * List with metadata and status, merged over the directory: it fills status.loadBalancer of Services that have none. */
#ifndef FAIRWAY_K8S_MANIFESTS_H
#define FAIRWAY_K8S_MANIFESTS_H

#include "k8s/store.h"

struct sd_event;
struct manifests;

struct manifests_notice { /* not a problem: exit code stays 0 */
	char *text;
};

struct manifests_result {
	struct problems problems; /* what is wrong now, over all files */
	char **notices;
	size_t n_notices;
	bool delivered; /* the directory exists and holds at least one manifest: the first complete list is there */
};

/* Once, for offline commands and tests. `status_file` may be NULL. 0, -ENOMEM, or -errno of the directory itself. */
int manifests_read(const char *directory, const char *status_file, struct store *, struct manifests_result *ret);
void manifests_result_done(struct manifests_result *);

/* Live: inotify on the directory and the status file's directory. `on_change` is called from the loop after the store
 * was updated, at most once per 50 ms burst; also when the directory vanishes (objects stay: nothing is withdrawn because
 * a source is missing) or comes back. The store must outlive it. */
typedef void manifests_change_fn(void *userdata);
int manifests_watch(struct sd_event *, const char *directory, const char *status_file, struct store *,
		    manifests_change_fn *, void *userdata, struct manifests **ret);
const struct manifests_result *manifests_result(const struct manifests *); /* borrowed: the state now */
void manifests_free(struct manifests *);

#endif
