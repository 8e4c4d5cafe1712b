/* SPDX-License-Identifier: Apache-2.0 */
/* One measured result as one JSON line on stdout: what bench/run gathers into the table and into build/bench.json. */
#ifndef FAIRWAY_BENCH_REPORT_H
#define FAIRWAY_BENCH_REPORT_H

#include <stddef.h>

struct result {
	const char *name;     /* of OUTPUTS.md: one name means one thing for ever */
	const char *unit;     /* "ns/packet", "ms", "us", "MiB", "ratio" … */
	double median, min, max;
	int runs;
	const char *baseline; /* name of the result that net is counted from; "" if none */
	double net;	      /* median minus the baseline's; the median itself without one */
	const char *better;   /* "lower", "higher" */
};

void report(const struct result *);

/* Sorts `samples` in place and fills median, min, max and runs. */
void summarise(double *samples, size_t n, struct result *);

double now_msec(void); /* monotonic, for what a program measures of itself */

#endif
