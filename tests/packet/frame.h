/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from a description: every byte of headers, lengths and checksums is made here, by plain arithmetic
 * that shares nothing with the programs under test.
 *
 * A row of a test says what goes in and what must come out, both as struct frame; zero means the usual value.
 */
#ifndef TESTS_PACKET_FRAME_H
#define TESTS_PACKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 9216

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };
enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58, SCTP = 132 };

/* What is behind IP when it is not TCP or UDP, or what an ICMP message carries. */
struct frame {
	const char *src_mac, *dst_mac; /* "02:…"; NULL: the router's and ours */
	const char *src, *dst;	       /* addresses; the family is that of src */
	uint8_t protocol;	       /* TCP if 0 */
	uint16_t sport, dport;
	uint8_t ttl;   /* 64 */
	uint8_t flags; /* of TCP */
	uint32_t seq, ack;
	uint16_t window; /* 1000; RST answers have 0: set no_window */
	bool no_window;
	const char *payload; /* text, "" if NULL */
	size_t payload_size; /* 0: strlen(payload); else payload is repeated or cut */
	uint16_t id;	     /* of IPv4 */
	bool df;
	uint8_t tos;
	/* ICMP: type, code, the four bytes behind the sum; the message repeats `quote`, cut to quote_size (0:
	 * whole) */
	uint8_t type, code;
	uint32_t rest;
	const struct frame *quote;
	size_t quote_size;
	/* what is wrong with it, or unusual */
	bool no_sum;	     /* UDP without checksum */
	bool bad_sum;	     /* L4's sum is off by one, and must stay so */
	uint16_t vlan;	     /* a tag in the frame */
	uint8_t ip_options;  /* bytes of IPv4 options, a multiple of 4 (NOPs) */
	uint8_t tcp_options; /* likewise */
	uint8_t ihl;	     /* in place of the right one */
	uint8_t version;
	uint8_t doff;
	uint16_t fragment; /* IPv4: flags and offset as in the header; IPv6: a fragment header with this
			      offset field */
	const uint8_t
		*extensions; /* IPv6: next header values, 0-terminated list (0xff stands for hop-by-hop, 0) */
	uint8_t routing_left; /* segments left in a routing header */
	int total_delta;      /* added to the IP length */
	int udp_delta;	      /* added to the UDP length */
	size_t pad;	      /* zero bytes behind */
	size_t cut;	      /* the frame ends here, if not 0 */
};

size_t frame_build(const struct frame *, uint8_t frame[static FRAME_MAX]); /* its length */

/* Prints both, 16 bytes a line, and marks the first difference. */
void frame_print_difference(const char *what, const uint8_t *expected, size_t n_expected,
			    const uint8_t *found, size_t n_found);

/* "192.0.2.1" or "2001:db8::1" to the bytes; 4 or 6, aborts on anything else. */
int address_bytes(const char *text, uint8_t bytes[static 16]);
void mac_bytes(const char *text, uint8_t mac[static 6]);

#define MAC_ROUTER "02:00:00:00:00:01"
#define MAC_NODE   "02:00:00:00:00:02"

#endif
