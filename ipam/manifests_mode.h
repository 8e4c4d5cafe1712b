/* SPDX-License-Identifier: Apache-2.0 */
/* lbcontroller beside a directory of manifests (EDGE): the answers are a file. One at a time writes it: a
 * lock beside the file sees to that. */
#ifndef FAIRWAY_IPAM_MANIFESTS_MODE_H
#define FAIRWAY_IPAM_MANIFESTS_MODE_H

#include "ipam/options.h"

/* Until a signal, or with --once until nothing is left to do. The exit status; logs why it could not run. */
int manifests_mode_run(const struct controller_options *);
/* In the directory the file would be read as a manifest: Services without a spec. */
bool manifests_mode_status_is_inside(const struct controller_options *);

#endif
