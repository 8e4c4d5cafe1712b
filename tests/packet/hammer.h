/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What hammer.bpf.c and test_flows.c share: one struct a thread, in an array map that user space has mapped.
 */
#ifndef TESTS_PACKET_HAMMER_H
#define TESTS_PACKET_HAMMER_H

#include <linux/types.h>

#define HAMMER_THREADS	4
#define HAMMER_SLOTS	16 /* of the Maglev table: slot i names a backend whose address ends in i + 1 */
#define HAMMER_FRAME	78 /* IPv6 and TCP fit; IPv4 has padding */
#define HAMMER_VIP_PORT 80
#define HAMMER_POD_PORT 8080

struct hammer {
	__u32 v6;
	__u32 flows;		      /* flow numbers 0 .. flows - 1, in turn */
	__u32 stride;		      /* from one to the next; prime to flows */
	__u32 first;		      /* added to the number: disjoint sets */
	__u32 next;		      /* number of the next packet's flow */
	__u32 last;		      /* flow of the packet in the frame, or flows: none */
	__u64 good;		      /* reached the flow's own backend */
	__u64 lost;		      /* came back as they were: dropped with a reason */
	__u64 wrong;		      /* anything else */
	__u32 wrong_flow, wrong_addr; /* of the last wrong one */
	__u32 reserved[2];
};

#endif
