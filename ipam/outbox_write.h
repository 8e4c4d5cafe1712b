/* SPDX-License-Identifier: Apache-2.0 */
/* One PATCH (PURE): what ipam/wants makes and the outbox sends. */
#ifndef FAIRWAY_IPAM_OUTBOX_WRITE_H
#define FAIRWAY_IPAM_OUTBOX_WRITE_H

#include "ipam/service_write.h"

struct outbox_write { /* borrowed; copied by outbox_add() */
	enum object_kind kind;
	const struct meta *meta; /* of the object as it was read */
	bool is_status;		 /* /status, else the object itself */
	enum write_urgency urgency;
	const char *content_type;
	const struct strbuf *body;
	uint64_t seen_digest; /* json_digest() of the status that was read: a body that says the same is not
				 written. 0: any is */
	const struct service_write *service; /* NULL: no Service */
};

#endif
