// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The far end of a node's uplink in the laboratory. veth delivers what the other end sends by XDP_TX only to
 * a device that has a native XDP program of its own; a NIC has no such rule. It also stands in for the switch
 * port that never looks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int lab_xdp_pass(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
