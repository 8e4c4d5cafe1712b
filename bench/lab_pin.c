// SPDX-License-Identifier: Apache-2.0
/* One CPU for each end: what the scheduler would choose differs from run to run by more than what is
 * measured. */
#include "bench/lab_traffic.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lab_pin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(strtoul(cpu, NULL, 10), &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		return;
	fprintf(stderr, "CPU %s: %s\n", cpu, strerror(errno));
	exit(1);
}
