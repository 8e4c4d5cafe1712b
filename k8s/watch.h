/* SPDX-License-Identifier: Apache-2.0 */
/* One collection, followed for ever (EDGE): lends the reflector (k8s/reflector.h) streams, timers and a
 * backoff. */
#ifndef FAIRWAY_K8S_WATCH_H
#define FAIRWAY_K8S_WATCH_H

#include "k8s/reflector.h"

struct sd_event;
struct watch;

struct watch_options { /* texts are copied; see struct reflector */
	const char *path, *selector, *list_type;
	bool in_pages; /* the list, also where the server would send it as initial events of the watch */
	const struct reflector_fns *fns;
	/* `trouble` of watch_reflector() is another than before; also when it is over. Must not free the
	 * watch. */
	void (*on_trouble)(void *userdata);
	void *userdata;
};

/* Starts at once. 0 or -ENOMEM. */
int watch_new(struct sd_event *, struct api *, const struct watch_options *, struct watch **ret);
void watch_free(struct watch *); /* not from inside of the reflector's functions */
const struct reflector *watch_reflector(const struct watch *); /* its counters */
/* Why it does not get on; *ret_status is the HTTP status that said so. A server that is starting or
 * overloaded (429, 503) is trouble only when it says so twice, and trouble is over only when something was
 * really read. */
enum reflector_trouble watch_trouble(const struct watch *, int *ret_status);
uint64_t watch_event_usec(const struct watch *); /* loop_now_usec() when something came last; 0: never */

#endif
