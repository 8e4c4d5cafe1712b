// SPDX-License-Identifier: Apache-2.0
/* Dropping capabilities: see privileges.h. */
#include "userspace/agent/privileges.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

static const struct {
	cap_value_t value;
	const char *name;
} needed[] = {
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" }, /* XDP, TC, netlink, reserved ports */
	{ CAP_BPF, "CAP_BPF" },		    /* maps and programs */
	{ CAP_PERFMON, "CAP_PERFMON" }, /* the verifier refuses arithmetic on packet pointers without it */
};
static const char *const frr_groups[] = { "frr", "frrvty" };

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

void privileges_missing(struct strbuf *out)
{
	cleanup(cap_freep) cap_t caps = cap_get_proc();
	cap_flag_value_t set;
	size_t i;

	for (i = 0; caps && i < ARRAY_SIZE(needed); i++)
		if (cap_get_flag(caps, needed[i].value, CAP_EFFECTIVE, &set) || set != CAP_SET)
			strbuf_appendf(out, "%s%s", out->length ? ", " : "", needed[i].name);
}

static int join_frr_groups(void)
{
	gid_t groups[ARRAY_SIZE(frr_groups)];
	const struct group *group;
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(frr_groups); i++) {
		group = getgrnam(frr_groups[i]);
		if (group)
			groups[n++] = group->gr_gid;
	}
	return setgroups(n, groups) ? -errno : 0;
}

int privileges_drop(void)
{
	cleanup(cap_freep) cap_t before = cap_get_proc(), after = cap_init();
	cap_flag_value_t permitted;
	cap_value_t capability;
	size_t i;
	int r;

	if (!before || !after)
		return -ENOMEM;
	r = cap_get_flag(before, CAP_SETGID, CAP_EFFECTIVE, &permitted) ? -errno : 0;
	if (!r && permitted == CAP_SET)
		r = join_frr_groups();
	if (r < 0)
		return r;
	/* What is not in the bounding set cannot come back, not even through a program with file
	 * capabilities. */
	for (capability = 0; cap_get_bound(capability) >= 0; capability++) {
		for (i = 0; i < ARRAY_SIZE(needed) && needed[i].value != capability; i++)
			;
		if (i == ARRAY_SIZE(needed) && cap_drop_bound(capability) && errno != EPERM)
			return -errno;
	}
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (cap_set_flag(after, CAP_PERMITTED, 1, &needed[i].value, CAP_SET) ||
		    cap_set_flag(after, CAP_EFFECTIVE, 1, &needed[i].value, CAP_SET))
			return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return cap_set_proc(after) ? -errno : 0;
}
