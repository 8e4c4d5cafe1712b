// SPDX-License-Identifier: Apache-2.0
/* Sums over CPUs. */
#include "userspace/datapath/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

int counters_init(struct counters *counters, int frontends_fd, int drops_fd)
{
#define REASON(name, label, text) [LB_REASON_##name] = { label, text, 0 },
	*counters = (struct counters){
		.frontends_fd = frontends_fd,
		.drops_fd = drops_fd,
		.n_cpus = libbpf_num_possible_cpus(),
		.drops = { LB_REASONS(REASON) },
	};
#undef REASON
	if (counters->n_cpus < 0)
		return counters->n_cpus;
	counters->buffer = calloc(counters->n_cpus, sizeof(struct lb_frontend_stats));
	return counters->buffer ? 0 : -ENOMEM;
}

void counters_done(struct counters *counters)
{
	free(counters->buffer);
	*counters = (struct counters){ 0 };
}

int counters_read_frontend(struct counters *counters, uint32_t id, struct frontend_counters *ret)
{
	const struct lb_frontend_stats *stats = counters->buffer;
	struct frontend_counters sum = { 0 };
	int r = bpf_map_lookup_elem(counters->frontends_fd, &id, counters->buffer);

	if (r < 0)
		return r;
	for (int cpu = 0; cpu < counters->n_cpus; cpu++) {
		sum.packets += stats[cpu].packets;
		sum.bytes += stats[cpu].bytes;
		sum.drops += stats[cpu].drops;
	}
	*ret = sum;
	return 0;
}

size_t counters_read_drops(struct counters *counters, const struct drop_counter **ret)
{
	const uint64_t *values = counters->buffer;

	for (uint32_t reason = 0; reason < LB_REASON_COUNT; reason++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(counters->drops_fd, &reason, counters->buffer) < 0)
			continue;
		for (int cpu = 0; cpu < counters->n_cpus; cpu++)
			sum += values[cpu];
		counters->drops[reason].packets = sum;
	}
	*ret = counters->drops;
	return LB_REASON_COUNT;
}
