/* SPDX-License-Identifier: Apache-2.0 */
/* A place for tests that load programs and change interfaces: the test's process moves into a network
 * namespace and a mount namespace of its own, with a bpffs that nobody else sees. All of it is gone when the
 * process ends. */
#ifndef FAIRWAY_TESTS_DATAPATH_SANDBOX_H
#define FAIRWAY_TESTS_DATAPATH_SANDBOX_H

#include <sys/types.h>

#define SANDBOX_BPFFS "/run/fairway-test-bpf"
#define SANDBOX_PINS  SANDBOX_BPFFS "/pins"

void sandbox_enter(void); /* once per process; ends the test if it may not */

/* Runs a command line; the test fails if it does. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Another host: a process in a network namespace of its own, reached by its pid (`nsenter -t PID -n`). */
pid_t host_start(void);
void host_stop(pid_t);
int host_socket(pid_t, int family, int type); /* of that host, held here; its calls give up after 10 s */

#endif
