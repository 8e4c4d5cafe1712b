// SPDX-License-Identifier: Apache-2.0
/* Results as JSON lines: see report.h. */
#include "bench/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void report(const struct result *result)
{
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, \"min\": %.3f, \"max\": %.3f, \"runs\": %d, "
	       "\"baseline\": \"%s\", \"net\": %.3f, \"better\": \"%s\"}\n",
	       result->name, result->unit, result->median, result->min, result->max, result->runs,
	       result->baseline ? result->baseline : "", result->net, result->better ? result->better : "lower");
	fflush(stdout);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void summarise(double *samples, size_t n, struct result *result)
{
	qsort(samples, n, sizeof(*samples), compare_doubles);
	result->median = samples[n / 2];
	result->min = samples[0];
	result->max = samples[n - 1];
	result->runs = (int)n;
	result->net = result->median;
}

double now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
