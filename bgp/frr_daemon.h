/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to one FRR daemon (EDGE): kept up, with one command at a time. It connects, enters the enable node, and
 * tells `ready`; when the daemon closes or does not answer in time it tells `lost` and tries again until it is back: quickly
 * for one that is not running, slower for one that hangs. */
#ifndef FAIRWAY_BGP_FRR_DAEMON_H
#define FAIRWAY_BGP_FRR_DAEMON_H

#include <stdbool.h>

struct sd_event;
struct frr_daemon;

enum frr_link { FRR_NOT_RUNNING, FRR_NOT_ANSWERING, FRR_CONNECTED };

const char *frr_link_name(enum frr_link); /* "not running", "not answering", "connected" */

struct frr_daemon_events {
	void (*ready)(void *userdata); /* connected: anything may have changed meanwhile */
	void (*lost)(void *userdata);  /* a command that was on its way is not answered any more; also when the link's kind changes */
};

/* `status` is FRR's (vty.h), `text` borrowed. */
typedef void frr_answer_fn(void *userdata, int status, const char *text);

int frr_daemon_new(struct sd_event *, const char *vty_dir, const char *name, const struct frr_daemon_events *,
		   void *userdata, struct frr_daemon **ret); /* name: "bgpd" */
void frr_daemon_free(struct frr_daemon *);

enum frr_link frr_daemon_link(const struct frr_daemon *);
bool frr_daemon_is_idle(const struct frr_daemon *); /* connected, and no command is on its way */
/* Only when idle. The answer comes from the loop, or `lost` does. */
void frr_daemon_ask(struct frr_daemon *, const char *command, unsigned timeout_msec, frr_answer_fn *);

#endif
