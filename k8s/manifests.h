/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of manifests as a source of objects (EDGE): YAML and JSON as `kubectl get -o yaml` prints them,
 * several documents a file, List kinds too. Read are *.json, *.yaml, *.yml, no dot files, no subdirectories.
 *
 * A broken file is reported with file, line and reason, and the last good version of its objects stays in
 * force; an unknown kind is skipped with a notice; an object that stands in two files is taken from the first
 * by file name and reported; a removed file removes its objects. The status file (the controller's answers,
 * outside the directory) is a List with metadata and status, merged over the directory: the addresses of a
 * LoadBalancer Service that it names are those that it says, whatever status the manifest came with. */
#ifndef FAIRWAY_K8S_MANIFESTS_H
#define FAIRWAY_K8S_MANIFESTS_H

#include "k8s/source.h"
#include "k8s/store.h"

struct sd_event;
struct manifests;

/* Once, for offline commands and tests. `status_file` may be NULL; one that does not exist is empty. 0,
 * -ENOMEM, or -errno of the directory itself. An empty directory is a problem. `delivered`: the directory
 * holds at least one manifest that could be read. A file that is broken from the start (somebody may be
 * writing it) is waited for, MANIFESTS_PATIENCE_MSEC at most: then the others go on without it. */
int manifests_read(const char *directory, const char *status_file, struct store *,
		   struct source_result *ret);

/* Live: inotify on the directory and the status file's directory. The first reading is done before this
 * returns. `on_change` is called from the loop, once soon after the start, then after each change of objects
 * or problems, at most once per 50 ms. A directory that vanishes or is empty takes nothing away: its objects
 * stay, with a problem; so do the statuses of a status file that vanishes. A file that vanishes takes its
 * objects along after MANIFESTS_GRACE_MSEC, so that an editor's rename removes nothing, and a file is not
 * read while somebody writes it. Problems are the caller's to log, new notices are logged here. The store
 * must outlive it. 0, -ENOMEM, or -errno of inotify; a directory that is not there yet is waited for. */
#define MANIFESTS_GRACE_MSEC	500
#define MANIFESTS_PATIENCE_MSEC 3000
int manifests_watch(struct sd_event *, const char *directory, const char *status_file, struct store *,
		    source_change_fn *, void *userdata, struct manifests **ret);
const struct source_result *manifests_result(const struct manifests *); /* borrowed: the state now */
void manifests_free(struct manifests *);

#endif
