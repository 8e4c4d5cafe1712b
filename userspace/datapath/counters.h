/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that programs keep per CPU, summed (EDGE). */
#ifndef FAIRWAY_DATAPATH_COUNTERS_H
#define FAIRWAY_DATAPATH_COUNTERS_H

#include "bpf/lb_abi.h"
#include "userspace/datapath/datapath.h"

struct counters {
	int frontends_fd, drops_fd;
	int n_cpus;
	void *buffer; /* one value of each CPU */
	struct drop_counter drops[LB_REASON_COUNT];
};

int counters_init(struct counters *, int frontends_fd, int drops_fd);
void counters_done(struct counters *);
int counters_read_frontend(struct counters *, uint32_t id, struct frontend_counters *ret); /* all but flows */
size_t counters_read_drops(struct counters *,
			   const struct drop_counter **ret); /* what cannot be read stays as it was */

#endif
