/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Internet checksums, changed in place (RFC 1624, equation 3) or made anew.
 *
 * A change is collected as the plain 64-bit sum of ~old + new, 32 bits at a time, and folded once: that adds
 * at most a few dozen words, far from overflow. Words are taken as they lie in memory, for one's complement
 * sums do not mind. */
#ifndef FAIRWAY_CHECKSUM_H
#define FAIRWAY_CHECKSUM_H

#include "bpf/lb_abi.h"

lb_inline __u32 sum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

lb_inline __u16 sum_fold(__u64 sum)
{
	__u32 half = sum_fold32(sum);

	half = (half & 0xffff) + (half >> 16);
	return (__u16)((half & 0xffff) + (half >> 16));
}

lb_inline __u64 sum_change32(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

lb_inline __u64 sum_change64(__u64 from, __u64 to)
{
	return sum_change32((__u32)from, (__u32)to) + sum_change32(from >> 32, to >> 32);
}

lb_inline __u64 sum_change16(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

/* The sum after the change. Never 0xffff unless it was made so: callers of UDP map 0 to it. */
lb_inline __sum16 sum_replace(__sum16 sum, __u64 change)
{
	return (__sum16)~sum_fold((__u64)(__u16)~sum + change);
}

#endif
