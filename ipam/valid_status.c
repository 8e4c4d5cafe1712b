// SPDX-License-Identifier: Apache-2.0
/* Valid and nothing else: see valid_status.h. */
#include "ipam/valid_status.h"

#include <errno.h>

#include "userspace/base/cleanup.h"

static const char *instead_of(enum object_kind kind)
{
	return kind == OBJECT_BFD_PROFILE ? "nodes that have read its last good version go on with that, on "
					    "one that starts anew the "
					    "sessions of its BGPPeers are without BFD"
					  : "nodes that have read its last good version go on with that, one "
					    "that starts anew announces "
					    "nothing by a BGPAdvertisement that uses one of its names";
}

int valid_status_patch(struct strbuf *out, enum object_kind kind, const struct meta *meta, int64_t now_sec)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	const struct condition_want valid = condition_valid(meta, instead_of(kind), &message);

	conditions_status_patch(out, meta, &valid, 1, now_sec);
	return strbuf_failed(out) || strbuf_failed(&message) ? -ENOMEM : 0;
}
