/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of struct datapath_options that owns its strings and arrays (PURE). */
#ifndef FAIRWAY_DATAPATH_OPTIONS_H
#define FAIRWAY_DATAPATH_OPTIONS_H

#include "userspace/base/arena.h"
#include "userspace/datapath/datapath.h"

struct options_copy {
	struct arena arena; /* owns everything below */
	struct datapath_options options;
};

int options_copy_init(struct options_copy *,
		      const struct datapath_options *); /* defaults filled in; 0 or -ENOMEM */
void options_copy_done(struct options_copy *);

#endif
