/* SPDX-License-Identifier: Apache-2.0 */
/* The laboratory's load generator: what its modes share.
 *
 * A flow is (target, source address, source port). Without --ports the kernel chooses the port and the flows
 * of one target and source are told apart by number only; with it, flow number i always has the same
 * five-tuple, so that two runs can be compared. Sockets are connected: an answer from another address than
 * the one asked never counts.
 *
 * Every request ends in exactly one of report_ok() and report_failure(); the report is one JSON object on
 * stdout. Times in it are seconds of the real-time clock, to be laid beside the moment at which a test broke
 * something. */
#ifndef FAIRWAY_LAB_LOAD_H
#define FAIRWAY_LAB_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGETS_MAX 16
#define SOURCES_MAX 64
#define POD_SIZE    64 /* a pod's name, as far as it is kept */

struct endpoint {
	struct sockaddr_in6 address; /* large enough for both families; sin6_family tells */
	socklen_t size;
	char text[64]; /* as the server prints it */
};

struct options {
	const char *mode, *path;
	struct endpoint targets[TARGETS_MAX], sources[SOURCES_MAX];
	size_t n_targets, n_sources;
	unsigned int port_first, port_last; /* 0: the kernel chooses */
	uint64_t requests;		    /* http: in all; udp: rounds; 0: until the time is over */
	double rate, seconds;		    /* requests a second over all flows; 0: as fast as answers come */
	unsigned int concurrency;	    /* requests at once */
	unsigned int interval_msec;	    /* hold, udp: from one request of a flow to its next */
	unsigned int timeout_msec;
	uint64_t post;	  /* hold, http: size of a body to send; 0: GET */
	uint64_t give_up; /* stop after so many failures; 0: never */
	bool per_flow;	  /* report each flow's pod */
};

struct flow {
	const struct endpoint *target;
	struct endpoint source; /* size 0: the kernel chooses address and port */
};

extern volatile bool load_stop; /* SIGINT, SIGTERM, or the time is over */

uint64_t load_now_nsec(void);			/* monotonic */
size_t load_flow_count(const struct options *); /* different flows that --to, --from and --ports describe */
void load_flow(const struct options *, uint64_t number, struct flow *ret);
/* A non-blocking, connected (or connecting) socket; -errno. */
int load_socket(const struct flow *, int type);
void load_own_address(int fd, char ret[static 64]); /* as the server prints a client; "" if it is unknown */

int load_http(const struct options *);
int load_hold(const struct options *);
int load_udp(const struct options *);

/* --- report ----------------------------------------------------------------------------------------------
 */

void report_begin(const struct options *);
void report_sent(void);
/* `own` is the client's address as its socket has it ("": not known yet), `client` as the pod saw it. */
void report_ok(uint64_t flow, const char *pod, const char *client, const char *own, uint64_t latency_nsec);
void report_failure(const struct flow *, const char *own, const char *reason, uint64_t began_nsec);
void report_moved(const struct flow *, const char *own, const char *from,
		  const char *to); /* a flow answered by another pod than before */
/* A kept connection to this pod is over: "FIN" if the server ended it, else why it broke (a failure, too). */
void report_ended(const char *pod, const char *how);
void report_reopened(void); /* a kept connection that the server closed politely */
void report_late(void);	    /* a request that had to wait for a free place: the rate was not held */
int report_print(void);	    /* the exit code: 0 all fine, 1 something failed */

#endif
