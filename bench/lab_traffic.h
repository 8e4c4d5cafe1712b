/* SPDX-License-Identifier: Apache-2.0 */
/* What lab_traffic (the client) and lab_sink (the pod) say to each other.
 *
 *	stream	  the client sends until it shuts down its half; the sink answers with the number of bytes it
 *got (u64) datagrams each begins with the session's number; a datagram of the size of a query asks what
 *arrived of the session connect	  the sink sends one byte on each connection it accepted, and nothing
 *else
 *
 * Both are on one machine: numbers are in its byte order. The sink discards without copying (MSG_TRUNC) and
 *client and sink are each pinned to a CPU, so that what limits is the way between them. */
#ifndef FAIRWAY_BENCH_LAB_TRAFFIC_H
#define FAIRWAY_BENCH_LAB_TRAFFIC_H

#include <stdint.h>

#define LAB_STREAM_PORT	  9000
#define LAB_DATAGRAM_PORT 9001
#define LAB_CONNECT_PORT  9002

#define LAB_DATAGRAM_SIZE 1400 /* the largest round figure that fits an MTU of 1500 in both families */
#define LAB_AT_ONCE	  64   /* connections of a connect run that are open at a time, at most */

struct lab_query {
	uint64_t session;
};

struct lab_count {
	uint64_t session, datagrams, bytes;
};

void lab_pin(const char *cpu); /* this process to that CPU; ends it if that cannot be */

#endif
