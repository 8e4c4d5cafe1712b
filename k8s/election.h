/* SPDX-License-Identifier: Apache-2.0 */
/* Takes part in an election by Lease (EDGE): reads, acquires and renews it over the API as k8s/lease.h
 * decides.
 *
 * `on_change` is called from the loop when leadership begins, and when it ends: the Lease is another's, or
 * could not be renewed in time. It goes on as a candidate then. Between two calls leadership can already be
 * over by the clock, so whoever writes asks election_may_write() before each write. Who leads is logged here,
 * once per change. */
#ifndef FAIRWAY_K8S_ELECTION_H
#define FAIRWAY_K8S_ELECTION_H

#include "k8s/api.h"

struct election;
typedef void election_fn(void *userdata, bool leading);

struct election_options {	      /* texts are copied */
	const char *namespace, *name; /* of the Lease */
	const char *identity;
};

int election_new(struct sd_event *, struct api *, const struct election_options *, election_fn *on_change,
		 void *userdata,
		 struct election **ret); /* 0, -EINVAL (a name or identity that cannot be), -errno */
void election_free(struct election *);	 /* NULL ok; a Lease that is held stays so until it expires */
bool election_may_write(const struct election *);
const char *election_holder(const struct election *); /* as last seen; "" unknown or nobody. Borrowed */

/* Gives the Lease up, so that another need not wait until it expires. All writes must have been answered or
 * cancelled before. `done` is called from the loop, once, also if it fails or nothing is held; on_change is
 * not called any more. */
void election_release(struct election *, void (*done)(void *userdata));

#endif
