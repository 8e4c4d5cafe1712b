/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps this node's LBNode true (EDGE): collects what is (node_report.h) after each change and writes it
 * through the API.
 *
 * The first change is written 100 ms after it (so that bgpd's answer is in it), then at most once per second
 * and one second more for each 100 kB of the report; so long it is not even looked whether something changed.
 * In a large cluster (`sampled`) what is being released is no reason to write before REPORT_QUIET_MSEC: by
 * then it is gone as a rule, and no node wrote about it.
 * What is still being released then is written at that moment, whatever the report's size and whenever the
 * last was written: lbcontroller relies on that (ipam/release.h), unless the API server fails or takes longer
 * than REPORT_QUIET_MSEC less a second for the write before. So in a rest it is looked once a second, after a
 * change, what is being released. As each report names all that is, none is written for this within
 * REPORT_QUIET_MSEC of the one before: at the most 0.3 MB a second, and while things are stuck.
 * An unchanged report is written again within REPORT_HEARTBEAT_SEC, with the time of that: who is not heard
 * of is not alive, and somebody may have removed it. A write that fails is repeated, with what is true by
 * then. The object is created when it is missing, owned by the Node, so that it goes with it. Before the
 * first round was made nothing is said: what an earlier agent said is truer than "nothing". */
#ifndef FAIRWAY_AGENT_REPORTER_H
#define FAIRWAY_AGENT_REPORTER_H

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct reporter;

int reporter_new(struct agent *, struct reporter **ret); /* 0 or -errno; borrows the agent and its API */
void reporter_free(struct reporter *);			 /* NULL ok */
void reporter_kick(struct reporter *);			 /* something may have changed; NULL ok */

struct reporter_state { /* for metrics */
	uint64_t n_writes, n_failures;
	uint64_t written_msec; /* loop_now_msec() of the last write that the API server took; 0: none */
};
struct reporter_state reporter_state(const struct reporter *); /* zeros for NULL */

#endif
