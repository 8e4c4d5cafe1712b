/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the addresses that this node releases its LBNode does not name yet, and when it must (PURE).
 *
 * lbcontroller gives an address that no node names to the next Service after a while (ipam/release.h). So a
 * node names what it releases REPORT_QUIET_MSEC after the beginning at the latest, however large its report
 * is and however long it rests after each. What is told is told for good: it stands there until a report
 * without it is written, and that is made of what is then. Each report names all that is being released: two
 * that are written for this reason alone are REPORT_QUIET_MSEC apart at least. */
#ifndef FAIRWAY_AGENT_UNTOLD_H
#define FAIRWAY_AGENT_UNTOLD_H

#include "userspace/agent/node_report.h"

struct untold_row {
	char *name;
	struct addr addr;
	uint64_t since_msec;
	bool told;
};

struct untold { /* by name and address */
	struct untold_row *rows;
	size_t n;
};

void untold_done(struct untold *);

/* Follows what is being released: those of the rows, in the order of releasing_collect(), that say so. What
 * is new among them began at since_msec. 0, or -ENOMEM with nothing changed. */
int untold_follow(struct untold *, const struct report_service *, size_t n, uint64_t since_msec);
/* All that was followed last stands in the LBNode now. */
void untold_told(struct untold *);
/* When the next must be told; UINT64_MAX: none is untold. */
uint64_t untold_due_msec(const struct untold *);

#endif
