/* SPDX-License-Identifier: Apache-2.0 */
/* What every source of objects (a manifests directory, the API server) tells besides the objects themselves,
 * which it puts into the store (PURE). Borrowed from the source, and valid until the loop runs again. */
#ifndef FAIRWAY_K8S_SOURCE_H
#define FAIRWAY_K8S_SOURCE_H

#include "userspace/core/cluster.h"

struct source_result {
	struct problems problems; /* what is wrong now, sorted, each once */
	char **notices;		  /* what is worth a line but not wrong: the exit code stays 0 */
	size_t n_notices;
	/* The first complete list is there. Before that nothing may be removed, withdrawn or allocated. Stays
	 * true once it is. */
	bool delivered;
	/* Manifests only. A status file was named and could not be read so far: Services may have addresses
	 * that nobody has seen yet. On a fresh machine that is normal, for a restart it is not. */
	bool statuses_missing;
};

void source_result_done(struct source_result *);

/* Objects in the store, problems or `delivered` changed. From the loop, never from inside a call. */
typedef void source_change_fn(void *userdata);

#endif
