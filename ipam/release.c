// SPDX-License-Identifier: Apache-2.0
/* Waiting for the nodes: see release.h. */
#include "ipam/release.h"

/* May a node hold it that did not name it before it left? */
static bool may_be_unnamed(const struct release *release)
{
	return release->sampled ||
	       (release->large && release->leaving_msec < release->given_msec + RELEASE_LARGE_MSEC);
}

enum release_answer release_decide(const struct release *release, uint64_t now_msec, uint64_t *ret_until_msec)
{
	uint64_t overdue_msec = release->leaving_msec + RELEASE_PATIENCE_MSEC;
	uint64_t reported_msec = release->given_msec + RELEASE_REPORT_MSEC;

	if (may_be_unnamed(release) && release->leaving_msec + RELEASE_QUIET_MSEC > reported_msec)
		reported_msec = release->leaving_msec + RELEASE_QUIET_MSEC;
	if (!release->any_node)
		return RELEASE_NOW;
	if (release->named) {
		*ret_until_msec = overdue_msec;
		return now_msec < overdue_msec ? RELEASE_WAIT : RELEASE_OVERDUE;
	}
	*ret_until_msec = reported_msec;
	return now_msec < reported_msec ? RELEASE_WAIT : RELEASE_NOW;
}
