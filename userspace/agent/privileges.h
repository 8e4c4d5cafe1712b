/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent may do once everything is open (EDGE, libcap). */
#ifndef FAIRWAY_AGENT_PRIVILEGES_H
#define FAIRWAY_AGENT_PRIVILEGES_H

#include "userspace/base/strbuf.h"

/* Appends the capabilities that the data path needs and this process has not: "CAP_BPF, CAP_PERFMON"; nothing
 * if all are there. */
void privileges_missing(struct strbuf *);

/* Keeps CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, drops all others for ever, and sets no_new_privs. Before that
 * it joins FRR's groups, where they exist and it may (a pod's manifest gives them): without CAP_DAC_OVERRIDE
 * root needs them for the vty sockets (0770 frr:frrvty). 0 or -errno. */
int privileges_drop(void);

#endif
