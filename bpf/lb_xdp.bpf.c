// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* XDP on the uplinks: everything that clients and remote backends send to us. The way through is in body.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lb_maps.h"
#include "bpf/hook_xdp.h"
#include "bpf/body.h"

SEC("xdp")
int lb_xdp(struct xdp_md *ctx)
{
	return lb_ingress(ctx);
}

char LICENSE[] SEC("license") = "GPL"; /* what the kernel is told; the source is dual, see above */
