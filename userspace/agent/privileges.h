/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent may do once everything is open (EDGE, libcap). */
#ifndef FAIRWAY_AGENT_PRIVILEGES_H
#define FAIRWAY_AGENT_PRIVILEGES_H

#include "userspace/base/strbuf.h"

/* NULL if the capabilities that the data path needs are there, else which one is missing
 * ("CAP_NET_ADMIN"). */
const char *privileges_missing(void);

/* Keeps CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and CAP_NET_RAW of what the process has, drops all others for
 * ever, and sets no_new_privs. Before that it joins FRR's groups, where they exist: without
 * CAP_DAC_OVERRIDE root needs them for the vty sockets (0770 frr:frrvty). 0 or -errno. */
int privileges_drop(void);

#endif
