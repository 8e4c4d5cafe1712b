// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* TC on the uplinks: ingress where XDP can't, egress for the replies of this node's backends. The way through
 * is in body.h. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lb_maps.h"
#include "bpf/hook_tc.h"
#include "bpf/body.h"

SEC("tc")
int lb_tc_ingress(struct __sk_buff *ctx)
{
	return lb_ingress(ctx);
}

SEC("tc")
int lb_tc_egress(struct __sk_buff *ctx)
{
	return lb_egress(ctx);
}

char LICENSE[] SEC("license") = "GPL"; /* what the kernel is told; the source is dual, see above */
