/* SPDX-License-Identifier: Apache-2.0 */
/* Honest nanoseconds a packet for an XDP or TC program with BPF_PROG_TEST_RUN.
 *
 * The kernel runs all repeats on one buffer and never restores it: a program that rewrites would see its own output from the
 * second repeat on, and always one flow. So each measured program is tail-called by a small wrapper, generated here as raw
 * instructions, that in each repeat undoes changes of head and tail, rewrites the headers from constants, and puts the next
 * of N flows into source address and port (checksums stay the template's: incremental updates cost the same). The wrapper
 * reads the clock in the first and the last repeat, so that neither the system call nor the dispatcher counts.
 *
 * Programs are interleaved round by round, so that a drift of the machine hits all alike; medians are reported, and `net` is
 * the median minus that of a trivial program with the same verdict in the same rounds. */
#ifndef FAIRWAY_BENCH_REPLAY_H
#define FAIRWAY_BENCH_REPLAY_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_PACKET_MAX 256
#define REPLAY_ROUNDS_MAX 501

struct replay_packet {
	uint8_t bytes[REPLAY_PACKET_MAX];
	size_t length, header; /* header: bytes restored each repeat, even */
	size_t source_offset;  /* of the 32-bit word that flows vary: source address (v6: its last word) */
	size_t port_offset;    /* of the source port */
};

enum replay_flows { REPLAY_NEW = 0 }; /* instead of a count: every packet a flow never seen before */

struct replay_case {
	int program_fd;
	bool xdp; /* else TC */
	const struct replay_packet *packet;
	uint32_t flows; /* a power of two, or REPLAY_NEW */
	uint64_t first_flow; /* where the flow counter starts: distinct ranges for distinct REPLAY_NEW cases */
	/* results */
	uint32_t verdict; /* of the last packet */
	double median, min, max;
};

struct replay_settings {
	uint32_t repeats; /* a round's packets: shorter than a scheduler slice */
	int rounds;
	uint32_t ifindex; /* XDP's ingress_ifindex; 0: the default */
};

/* A TCP (data, no flags but ACK) or UDP packet of `length` bytes from a template client to the given address and port. */
void replay_packet_init(struct replay_packet *, const uint8_t *destination, bool v6, uint8_t protocol, uint16_t port,
			size_t length);

/* Warms each case (every flow once, unless new), then measures all of them interleaved. 0 or -errno; what failed is on stderr. */
int replay_measure(struct replay_case *, size_t n, const struct replay_settings *);

/* A program that only returns `verdict`; a file descriptor or -errno. */
int replay_trivial_program(bool xdp, int verdict);

#endif
