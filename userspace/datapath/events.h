/* SPDX-License-Identifier: Apache-2.0 */
/* What programs tell through the ring buffer (EDGE): next hops and neighbours that packets needed and did not
 * find. */
#ifndef FAIRWAY_DATAPATH_EVENTS_H
#define FAIRWAY_DATAPATH_EVENTS_H

#include "bpf/lb_abi.h"

struct sd_event;
struct events;

int events_new(struct sd_event *, int ring_fd, void (*fn)(void *userdata, const struct lb_event *),
	       void *userdata, struct events **ret);
void events_free(struct events *);

#endif
