// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Programs that only pass, on the hooks that the data path uses: what the baselines of bench/lab_cost carry,
 * so that the price of having a hook at all (on veth: no segmentation offload, a copy into a page) is on both
 * sides. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bench_pass_xdp(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

SEC("tc")
int bench_pass_tc(struct __sk_buff *ctx __attribute__((unused)))
{
	return TC_ACT_UNSPEC; /* what comes after on the same hook decides: as without us */
}

char LICENSE[] SEC("license") = "GPL"; /* what the kernel is told; the source is dual, see above */
