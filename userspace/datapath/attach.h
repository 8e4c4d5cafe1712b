/* SPDX-License-Identifier: Apache-2.0 */
/* Programs on interfaces (EDGE). What is attached is pinned, so that it outlives the agent and the next one
 * finds it:
 *
 *	xdp_IFINDEX			a native XDP link
 *	tcin_IFINDEX, tcout_IFINDEX	a TCX link
 *	clsin_IFINDEX, clsout_IFINDEX	the program of a clsact filter, where the kernel has no TCX
 *	clsact_IFINDEX			any program: the clsact qdisc is ours too
 *
 * Programs are swapped in place (link update, filter replace): no packet passes in between. Where XDP runs,
 * TC ingress is ours only while the hooks change; TC egress always. */
#ifndef FAIRWAY_DATAPATH_ATTACH_H
#define FAIRWAY_DATAPATH_ATTACH_H

#include "userspace/datapath/datapath.h"
#include "userspace/datapath/netlink.h"

struct hook_programs { /* file descriptors, borrowed */
	int xdp, tc_ingress, tc_egress;
};

/* Attaches or swaps. 0: *ret tells the hook; -errno: *ret tells why (attached is false), and whether an
 * earlier agent's programs are still at work there (hook is not "none"). Never takes a hook from somebody
 * else's XDP program. `unsendable`: see struct hook_facts. */
int hooks_attach(const struct hook_programs *, const char *links_dir, enum hook_choice,
		 const struct link_info *, const char *unsendable, struct interface_view *ret);
void hooks_detach(const char *links_dir, uint32_t ifindex); /* whatever of ours is there */
int hooks_detach_all(const char *links_dir);

/* Calls fn for each interface that has something of ours, ascending, each once. */
int hooks_each_interface(const char *links_dir, void (*fn)(void *userdata, uint32_t ifindex), void *userdata);

/* One clsact filter: the fallback by itself. */
int clsact_attach(const char *links_dir, uint32_t ifindex, bool egress, int program_fd);

#endif
