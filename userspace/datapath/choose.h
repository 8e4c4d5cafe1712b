/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces carry the data path, and by which hook (PURE). */
#ifndef FAIRWAY_DATAPATH_CHOOSE_H
#define FAIRWAY_DATAPATH_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/datapath/datapath.h"

struct uplink_rules {
	const char *const *globs; /* n == 0: the default, see `carriers` */
	size_t n_globs;
	const uint32_t *carriers; /* interfaces of a route to a BGP peer or of the default route */
	size_t n_carriers;
	const char *const *names; /* interfaces that are a BGP peer's by name */
	size_t n_names;
};

/* The loopback is never an uplink: what it carries was already delivered. */
bool uplink_is_chosen(const struct uplink_rules *, uint32_t ifindex, const char *name, bool loopback);

/* Can XDP on another interface send out of this device (one that cannot drops what it is given, and nobody is
 * told)? By the kernel's answer: 0 and NETDEV_XDP_ACT_…, or -errno and then by what is known of its kind. */
bool device_takes_xdp(int error, uint64_t xdp_features, const char *kind);

struct hook_facts {
	enum hook_choice choice;
	uint32_t foreign_xdp; /* id of somebody else's XDP program there; 0: none */
	int native_xdp; /* of trying to attach ours natively: 0 or -errno; not looked at when it must not be
			   tried */
	const char
		*unsendable; /* a device that backends are behind and XDP here cannot send to; NULL: none */
};

enum hook_decision { HOOK_TAKE_NONE, HOOK_TAKE_XDP, HOOK_TAKE_TC };

bool hook_may_try_xdp(const struct hook_facts *);
/* `why` is for people; it stands also when nothing can be taken. */
enum hook_decision hook_decide(const struct hook_facts *, char *why, size_t size);

#endif
