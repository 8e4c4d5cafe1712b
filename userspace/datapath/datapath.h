/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel half of Fairway, as the agent sees it (EDGE): load, pin and attach the BPF programs, execute
 * steps, read back what stands in the maps, collect idle flows, count.
 *
 * A failure of one step never stops the others: the result tells which steps were executed, and the agent
 * commits only those. Nothing here decides; ids, order and content come in steps. */
#ifndef FAIRWAY_DATAPATH_H
#define FAIRWAY_DATAPATH_H

#include "userspace/core/diff.h"

struct sd_event;
struct datapath;

enum hook_choice {
	HOOK_AUTO,
	HOOK_XDP,
	HOOK_TC
}; /* auto: native XDP where the device has it and it is free, else TC */

struct datapath_options {
	const char *pin_dir; /* on a bpffs; made (and the bpffs mounted) if missing */
	const char *const
		*interfaces; /* globs; n == 0: those that carry a route to a peer or the default route */
	size_t n_interfaces;
	const struct addr *peers; /* for the default choice of interfaces */
	size_t n_peers;
	const char *const *peer_interfaces; /* likewise: names of those that unnumbered peers are on */
	size_t n_peer_interfaces;
	enum hook_choice hook;
	uint16_t snat_port_first, snat_port_last; /* 61000-65535 */
	struct addr snat_v4,
		snat_v6;   /* source of SNATed flows: the node's InternalIPs; ADDR_NONE: family has no SNAT */
	bool snat_unknown; /* at open: nobody has said yet; the addresses of the adopted maps stay in force */
	uint32_t max_flows, max_frontends, max_backends, max_table_slots; /* 0: defaults */
	bool jit_bench;							  /* tests and bench: do not attach */
};

/* Loads or adopts what is pinned under pin_dir. -EBUSY: another agent holds it (lock). */
int datapath_open(struct sd_event *, const struct datapath_options *, struct datapath **ret);
void datapath_close(struct datapath *);	    /* maps, links and programs stay pinned: traffic goes on */
bool datapath_is_held(const char *pin_dir); /* by a running agent */
int datapath_cleanup(
	const char *pin_dir); /* detach, unpin, remove the directory; 0 also when nothing is there */

struct diff_limits datapath_limits(const struct datapath *);
int datapath_read_applied(struct datapath *, struct applied *); /* at start, from the maps */

/* Executes one phase of steps in order. `ret_done[i]` tells whether step i was executed; steps of the other
 * phase are left out (false). 0, or the first -errno. */
int datapath_execute(struct datapath *, const struct steps *, enum step_phase, bool *ret_done);

/* Called from the loop when the collector finished a round: ids that no flow holds any more. */
typedef void datapath_unused_fn(void *userdata, const uint32_t *backend_ids, size_t n_backends,
				const uint32_t *frontend_ids, size_t n_frontends);
void datapath_on_unused(struct datapath *, datapath_unused_fn *, void *userdata);

/* A loaded program's file descriptor, borrowed: benchmarks and tests run it without attaching. */
enum datapath_program_kind { DATAPATH_XDP, DATAPATH_TC_INGRESS, DATAPATH_TC_EGRESS };
int datapath_program(const struct datapath *, enum datapath_program_kind);

/* What changes live: peers and this node's addresses, for the choice of interfaces and SNAT's source. */
int datapath_update_options(struct datapath *, const struct datapath_options *);

/* --- counters and views, for status, metrics and lbctl ---------------------------------------- */

struct frontend_counters {
	uint64_t packets, bytes, drops, flows; /* flows: open now, from the last collector round */
};
int datapath_frontend_counters(struct datapath *, uint32_t id, struct frontend_counters *ret);

struct drop_counter {
	const char *reason, *text; /* stable name; for people */
	uint64_t packets;
};
size_t datapath_drops(struct datapath *,
		      const struct drop_counter **ret); /* all reasons, zeros too; borrowed until next call */

struct flow_view {
	struct addr client, frontend, backend, snat; /* snat: ADDR_NONE when the client's address is kept */
	uint16_t client_port, frontend_port, backend_port, snat_port;
	enum l4_protocol protocol;
	uint32_t idle_sec;
	const char *state; /* "open", "closing", … */
};
struct flow_filter { /* ADDR_NONE: any */
	struct addr client, frontend, backend;
	size_t limit; /* 0: all */
};
typedef int flow_view_fn(void *userdata, const struct flow_view *); /* non-zero ends the walk */
int datapath_each_flow(struct datapath *, const struct flow_filter *, flow_view_fn *, void *userdata);

struct interface_view {
	char name[16];
	uint32_t ifindex;
	const char *hook; /* "xdp", "tc", "none" */
	char why[120]; /* why this hook: "driver has native XDP", "another XDP program (id 12) is attached" */
	bool attached;
};
size_t datapath_interfaces(struct datapath *,
			   const struct interface_view **ret); /* borrowed until the next call */

struct host_finding {	 /* what of the host is in the way, or worth knowing */
	char what[48];	 /* "net.ipv4.ip_forward" */
	char found[160]; /* "0: replies of local pods are not forwarded" */
	bool harmful;
};
size_t datapath_host_findings(struct datapath *, const struct host_finding **ret);

#endif
