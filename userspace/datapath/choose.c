// SPDX-License-Identifier: Apache-2.0
/* The choice of interfaces and hooks. Generic XDP is no choice: it linearises every packet, where TC keeps
 * GSO. */
#include "userspace/datapath/choose.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "userspace/datapath/netlink.h"

bool uplink_is_chosen(const struct uplink_rules *rules, uint32_t ifindex, const char *name, bool loopback)
{
	if (loopback)
		return false;
	for (size_t i = 0; i < rules->n_globs; i++)
		if (fnmatch(rules->globs[i], name, 0) == 0)
			return true;
	if (rules->n_globs)
		return false;
	for (size_t i = 0; i < rules->n_carriers; i++)
		if (rules->carriers[i] == ifindex)
			return true;
	for (size_t i = 0; i < rules->n_names; i++)
		if (strcmp(rules->names[i], name) == 0)
			return true;
	return false;
}

bool device_takes_xdp(int error, uint64_t xdp_features, const char *kind)
{
	static const char *const kinds[] = { "", "bond", "tun" }; /* "": a physical one */

	if (error == 0)
		return (xdp_features & NETLINK_XDP_NDO_XMIT) != 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

bool hook_may_try_xdp(const struct hook_facts *facts)
{
	if (facts->choice == HOOK_AUTO && facts->unsendable)
		return false;
	return facts->choice != HOOK_TC && !facts->foreign_xdp;
}

static void explain_refusal(int error, char *why, size_t size)
{
	if (error == -EOPNOTSUPP || error == -ENOTSUP)
		snprintf(why, size, "driver has no native XDP");
	else if (error == -EBUSY || error == -EEXIST)
		snprintf(why, size, "another XDP program is attached");
	else
		snprintf(why, size, "native XDP was refused: %s", strerror(-error));
}

enum hook_decision hook_decide(const struct hook_facts *facts, char *why, size_t size)
{
	if (facts->choice == HOOK_TC) {
		snprintf(why, size, "asked for");
		return HOOK_TAKE_TC;
	}
	if (facts->foreign_xdp)
		snprintf(why, size, "another XDP program (id %u) is attached", facts->foreign_xdp);
	else if (facts->unsendable && facts->choice == HOOK_AUTO)
		snprintf(why, size, "backends are behind %s, which XDP cannot send to", facts->unsendable);
	else if (facts->native_xdp < 0)
		explain_refusal(facts->native_xdp, why, size);
	else {
		if (facts->unsendable)
			snprintf(why, size, "asked for; packets to backends behind %s are lost: use TC",
				 facts->unsendable);
		else
			snprintf(why, size, "driver has native XDP");
		return HOOK_TAKE_XDP;
	}
	return facts->choice == HOOK_XDP ? HOOK_TAKE_NONE : HOOK_TAKE_TC;
}
