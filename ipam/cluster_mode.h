/* SPDX-License-Identifier: Apache-2.0 */
/* lbcontroller in a cluster (EDGE): takes part in the election, is a leader while it holds the Lease, and
 * answers probes all the time. A Lease that is lost ends the leader with all it knows, and it stands again.
 * On SIGTERM it stops writing, waits for the answers, and gives the Lease up, so that the next one need not
 * wait until it expires. */
#ifndef FAIRWAY_IPAM_CLUSTER_MODE_H
#define FAIRWAY_IPAM_CLUSTER_MODE_H

#include "ipam/options.h"

int cluster_mode_run(
	const struct controller_options *); /* until a signal. The exit status; logs why it could not run */

#endif
