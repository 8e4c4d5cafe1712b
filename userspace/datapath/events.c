// SPDX-License-Identifier: Apache-2.0
/* The ring buffer on the loop. It holds 2,000 events at most, so a turn is short; what did not fit is found
 * by the ticks of nexthop.c too. */
#include "userspace/datapath/events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"

struct events {
	struct ring_buffer *ring;
	sd_event_source *source;
	void (*fn)(void *userdata, const struct lb_event *);
	void *userdata;
};

static int on_record(void *userdata, void *record, size_t size)
{
	struct events *events = userdata;

	if (size >= sizeof(struct lb_event))
		events->fn(events->userdata, record);
	return 0;
}

static int on_readable(sd_event_source *source _unused_, int fd _unused_, uint32_t revents _unused_,
		       void *userdata)
{
	ring_buffer__consume(((struct events *)userdata)->ring);
	return 0;
}

int events_new(struct sd_event *event, int ring_fd, void (*fn)(void *userdata, const struct lb_event *),
	       void *userdata, struct events **ret)
{
	struct events *events = calloc(1, sizeof(*events));
	int r;

	if (!events)
		return -ENOMEM;
	events->fn = fn;
	events->userdata = userdata;
	events->ring = ring_buffer__new(ring_fd, on_record, events, NULL);
	r = events->ring ? sd_event_add_io(event, &events->source, ring_buffer__epoll_fd(events->ring),
					   EPOLLIN, on_readable, events)
			 : -errno;
	if (r < 0) {
		events_free(events);
		return r;
	}
	*ret = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	sd_event_source_disable_unref(events->source);
	ring_buffer__free(events->ring);
	free(events);
}
