// SPDX-License-Identifier: Apache-2.0
/* Counts what became of the requests and prints it. Memory is bounded but for the per-flow table, which is as
 * large as the set of flows. */
#include "tests/lab/load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_MAX    512
#define FAILURES_MAX 200
#define ENDS_MAX     4096
#define SECONDS_MAX  3600
#define HISTOGRAM    4096 /* latency in 1 ms steps */

struct tally {
	char name[64];
	uint64_t count;
};

struct failure {
	double at, began;
	char reason[64], from[64], to[64];
};

struct end {
	double at;
	char pod[POD_SIZE], how[64];
};

static struct {
	const struct options *options;
	uint64_t sent, ok, failed, moved, reopened, late, preserved;
	uint32_t failed_in_second[SECONDS_MAX]; /* of the run, by the request's begin */
	double begin, first_failure, last_failure, last_failure_began;
	struct tally pods[NAMES_MAX], clients[NAMES_MAX], reasons[NAMES_MAX];
	struct failure failures[FAILURES_MAX], moves[FAILURES_MAX];
	struct end ends[ENDS_MAX];
	size_t n_failures, n_moves, n_ends;
	uint64_t latency[HISTOGRAM + 1], latency_max;
	char (*flow_pods)[POD_SIZE];
	size_t n_flow_pods;
} report;

static double now_real(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tally_add(struct tally *tallies, const char *name)
{
	size_t i = 0;

	while (i < NAMES_MAX - 1 && tallies[i].count && strcmp(tallies[i].name, name))
		i++;
	if (i == NAMES_MAX - 1)
		name = "(others)";
	snprintf(tallies[i].name, sizeof(tallies[i].name), "%s", name);
	tallies[i].count++;
}

void report_begin(const struct options *options)
{
	report.options = options;
	report.begin = now_real();
	if (options->per_flow) {
		report.n_flow_pods = load_flow_count(options);
		report.flow_pods = calloc(report.n_flow_pods, sizeof(*report.flow_pods));
	}
}

void report_sent(void)
{
	report.sent++;
}

void report_ok(uint64_t flow, const char *pod, const char *client, const char *own, uint64_t latency_nsec)
{
	uint64_t msec = latency_nsec / 1000000;
	char host[64];
	char *colon;

	report.ok++;
	report.latency[msec < HISTOGRAM ? msec : HISTOGRAM]++;
	if (latency_nsec > report.latency_max)
		report.latency_max = latency_nsec;
	tally_add(report.pods, pod);
	if (!strcmp(client, own))
		report.preserved++;
	snprintf(host, sizeof(host), "%s", client);
	colon = strrchr(host, ':');
	if (colon)
		*colon = '\0';
	tally_add(report.clients, host);
	if (report.flow_pods && report.n_flow_pods)
		snprintf(report.flow_pods[flow % report.n_flow_pods], sizeof(*report.flow_pods), "%s", pod);
}

static void failure_set(struct failure *f, const struct flow *flow, const char *own, const char *reason,
			double began)
{
	f->at = now_real();
	f->began = began;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	snprintf(f->from, sizeof(f->from), "%s", own);
	snprintf(f->to, sizeof(f->to), "%s", flow->target->text);
}

void report_failure(const struct flow *flow, const char *own, const char *reason, uint64_t began_nsec)
{
	double now = now_real(), began = now - (double)(load_now_nsec() - began_nsec) / 1e9;

	report.failed++;
	if (report.options->give_up && report.failed >= report.options->give_up)
		load_stop = true;
	if (report.first_failure == 0)
		report.first_failure = now;
	report.last_failure = now;
	if (began > report.last_failure_began)
		report.last_failure_began = began;
	if (began >= report.begin && began - report.begin < SECONDS_MAX)
		report.failed_in_second[(size_t)(began - report.begin)]++;
	tally_add(report.reasons, reason);
	if (report.n_failures < FAILURES_MAX)
		failure_set(&report.failures[report.n_failures++], flow, own, reason, began);
}

void report_moved(const struct flow *flow, const char *own, const char *from, const char *to)
{
	char text[64];

	report.moved++;
	snprintf(text, sizeof(text), "%.28s -> %.28s", from, to);
	if (report.n_moves < FAILURES_MAX)
		failure_set(&report.moves[report.n_moves++], flow, own, text, now_real());
}

void report_ended(const char *pod, const char *how)
{
	struct end *e = &report.ends[report.n_ends];

	if (report.n_ends == ENDS_MAX)
		return;
	report.n_ends++;
	e->at = now_real();
	snprintf(e->pod, sizeof(e->pod), "%s", pod);
	snprintf(e->how, sizeof(e->how), "%s", how);
}

void report_reopened(void)
{
	report.reopened++;
}

void report_late(void)
{
	report.late++;
}

static double percentile(double share)
{
	uint64_t wanted = (uint64_t)((double)report.ok * share), seen = 0;

	for (size_t i = 0; i <= HISTOGRAM; i++) {
		seen += report.latency[i];
		if (seen > wanted)
			return (double)i;
	}
	return 0;
}

static void print_tallies(const char *name, const struct tally *tallies)
{
	printf(" \"%s\": {", name);
	for (size_t i = 0; i < NAMES_MAX && tallies[i].count; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", tallies[i].name,
		       (unsigned long long)tallies[i].count);
	printf("},\n");
}

static void print_failures(const char *name, const struct failure *failures, size_t n)
{
	printf(" \"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		printf("%s\n  {\"at\": %.3f, \"began\": %.3f, \"reason\": \"%s\", \"from\": \"%s\", \"to\": "
		       "\"%s\"}",
		       i ? "," : "", failures[i].at, failures[i].began, failures[i].reason, failures[i].from,
		       failures[i].to);
	printf("],\n");
}

static void print_ends(void)
{
	printf(" \"ends\": [");
	for (size_t i = 0; i < report.n_ends; i++)
		printf("%s\n  {\"at\": %.3f, \"pod\": \"%s\", \"how\": \"%s\"}", i ? "," : "",
		       report.ends[i].at, report.ends[i].pod, report.ends[i].how);
	printf("],\n");
}

int report_print(void)
{
	double end = now_real(), seconds = end - report.begin;

	printf("{\"mode\": \"%s\", \"sent\": %llu, \"ok\": %llu, \"failed\": %llu, \"moved\": %llu, "
	       "\"preserved\": %llu,\n"
	       " \"reopened\": %llu, \"late\": %llu, \"begin\": %.3f, \"end\": %.3f, \"seconds\": %.3f, "
	       "\"rate\": %.1f,\n"
	       " \"firstFailure\": %.3f, \"lastFailure\": %.3f, \"lastFailureBegan\": %.3f,\n"
	       " \"latencyMsec\": {\"p50\": %.0f, \"p99\": %.0f, \"max\": %.1f},\n",
	       report.options->mode, (unsigned long long)report.sent, (unsigned long long)report.ok,
	       (unsigned long long)report.failed, (unsigned long long)report.moved,
	       (unsigned long long)report.preserved, (unsigned long long)report.reopened,
	       (unsigned long long)report.late, report.begin, end, seconds,
	       seconds > 0 ? (double)report.ok / seconds : 0, report.first_failure, report.last_failure,
	       report.last_failure_began, percentile(0.5), percentile(0.99),
	       (double)report.latency_max / 1e6);
	print_tallies("pods", report.pods);
	print_tallies("clients", report.clients);
	print_tallies("reasons", report.reasons);
	print_failures("moves", report.moves, report.n_moves);
	print_failures("failures", report.failures, report.n_failures);
	print_ends();
	printf(" \"failedInSecond\": {");
	for (size_t i = 0, n = 0; i < SECONDS_MAX; i++)
		if (report.failed_in_second[i])
			printf("%s\"%zu\": %u", n++ ? ", " : "", i, report.failed_in_second[i]);
	printf("},\n \"flows\": [");
	for (size_t i = 0; i < report.n_flow_pods && report.flow_pods; i++)
		printf("%s\"%s\"", i ? "," : "", report.flow_pods[i]);
	printf("]}\n");
	free(report.flow_pods);
	return report.failed || report.moved || !report.ok;
}
