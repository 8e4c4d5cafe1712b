// SPDX-License-Identifier: Apache-2.0
/* Preloaded before lbagent by test_capabilities.py: the program believes that it has the capability that
 * $CLAIM_CAPABILITY names, so its own look at start passes, and what needs the capability is refused by the
 * kernel or by nobody. Only libcap's answers change. */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/capability.h>

static cap_value_t claimed(void)
{
	const char *name = getenv("CLAIM_CAPABILITY");
	cap_value_t value;

	return name && cap_from_name(name, &value) == 0 ? value : -1;
}

int cap_get_flag(cap_t caps, cap_value_t value, cap_flag_t flag, cap_flag_value_t *ret)
{
	int (*real)(cap_t, cap_value_t, cap_flag_t, cap_flag_value_t *) = dlsym(RTLD_NEXT, "cap_get_flag");

	if (value != claimed())
		return real(caps, value, flag, ret);
	*ret = CAP_SET;
	return 0;
}

/* The program keeps what it believes to have: nobody can keep what he has not. */
int cap_set_proc(cap_t caps)
{
	int (*real)(cap_t) = dlsym(RTLD_NEXT, "cap_set_proc");
	cap_value_t value = claimed();

	if (value >= 0 && (cap_set_flag(caps, CAP_PERMITTED, 1, &value, CAP_CLEAR) ||
			   cap_set_flag(caps, CAP_EFFECTIVE, 1, &value, CAP_CLEAR)))
		return -1;
	return real(caps);
}
