// SPDX-License-Identifier: Apache-2.0
/* One try after the other: see reading.h. */
#include "userspace/datapath/reading.h"

#include <errno.h>

#include "userspace/base/doubling.h"

bool reading_is_word(int error)
{
	switch (error) {
	case 0:
	case -ENETUNREACH: /* no route, … */
	case -EHOSTUNREACH:
	case -EINVAL:	  /* … blackhole, … */
	case -EACCES:	  /* … prohibit; */
	case -EOPNOTSUPP: /* a kernel without this family */
	case -EAFNOSUPPORT:
		return true;
	default:
		return false;
	}
}

enum reading_news reading_note(struct reading *reading, int error, uint64_t *ret_retry_msec)
{
	unsigned n_before = reading->n_failures;

	*ret_retry_msec = 0;
	if (!error) {
		reading->n_failures = 0;
		return n_before ? READING_IS_OVER : READING_NO_NEWS;
	}
	*ret_retry_msec = doubled(READING_FIRST_RETRY_MSEC, n_before, READING_MOST_RETRY_MSEC);
	reading->n_failures++;
	return n_before ? READING_NO_NEWS : READING_FAILS;
}
