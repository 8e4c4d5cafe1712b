// SPDX-License-Identifier: Apache-2.0
/* Keeping a vty to one daemon: see frr_daemon.h. */
#include "bgp/frr_daemon.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "bgp/vty.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

#define ENABLE_TIMEOUT_MSEC 2000
#define RETRY_GONE_MSEC	    100 /* a connect to a socket that nobody listens at costs microseconds */
#define RETRY_HANGING_MSEC  1000

struct frr_daemon {
	struct sd_event *event;
	sd_event_source *retry;
	char *path;
	const char *name;
	struct frr_daemon_events events;
	void *userdata;
	struct vty *vty;
	enum frr_link link;
	bool ready;
	bool known; /* `link` was told once */
	frr_answer_fn *answer; /* of the command that is on its way */
};

const char *frr_link_name(enum frr_link link)
{
	switch (link) {
	case FRR_NOT_RUNNING:
		return "not running";
	case FRR_NOT_ANSWERING:
		return "not answering";
	case FRR_CONNECTED:
		return "connected";
	}
	return "";
}

static void retry_in(struct frr_daemon *daemon, unsigned msec)
{
	sd_event_source_set_time_relative(daemon->retry, (uint64_t)msec * 1000);
	sd_event_source_set_enabled(daemon->retry, SD_EVENT_ONESHOT);
}

static void set_link(struct frr_daemon *daemon, enum frr_link link, const char *why)
{
	bool changed = !daemon->known || link != daemon->link;

	daemon->link = link;
	daemon->known = true;
	if (!changed)
		return;
	if (link == FRR_CONNECTED)
		log_info("%s: connected at %s", daemon->name, daemon->path);
	else
		log_warn("%s is %s (%s: %s); %s, trying again", daemon->name, frr_link_name(link), daemon->path, why,
			 link == FRR_NOT_RUNNING ? "it gets everything when it is back" : "what it has stays as it is");
}

/* A daemon that dies closes the socket; one that hangs lets deadlines pass or its queue of connections fill up. */
static void lose(struct frr_daemon *daemon, int error)
{
	bool hangs = error == -ETIMEDOUT || error == -EAGAIN;

	vty_free(daemon->vty);
	daemon->vty = NULL;
	daemon->ready = false;
	daemon->answer = NULL;
	set_link(daemon, hangs ? FRR_NOT_ANSWERING : FRR_NOT_RUNNING, strerror(-error));
	retry_in(daemon, hangs ? RETRY_HANGING_MSEC : RETRY_GONE_MSEC);
	daemon->events.lost(daemon->userdata);
}

static void on_reply(void *userdata, int error, int status, const char *text)
{
	struct frr_daemon *daemon = userdata;
	frr_answer_fn *answer = daemon->answer;

	if (error) {
		lose(daemon, error);
		return;
	}
	daemon->answer = NULL;
	if (!daemon->ready) { /* "enable" was answered */
		daemon->ready = true;
		set_link(daemon, FRR_CONNECTED, "");
		daemon->events.ready(daemon->userdata);
		return;
	}
	if (answer)
		answer(daemon->userdata, status, text);
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct frr_daemon *daemon = userdata;
	int r;

	r = vty_open(daemon->event, daemon->path, on_reply, daemon, &daemon->vty);
	if (r == 0)
		r = vty_send(daemon->vty, "enable", ENABLE_TIMEOUT_MSEC);
	if (r < 0)
		lose(daemon, r);
	return 0;
}

int frr_daemon_new(struct sd_event *event, const char *vty_dir, const char *name, const struct frr_daemon_events *events,
		   void *userdata, struct frr_daemon **ret)
{
	struct frr_daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->event = event;
	daemon->name = name;
	daemon->events = *events;
	daemon->userdata = userdata;
	r = asprintf(&daemon->path, "%s/%s.vty", vty_dir, name) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = sd_event_add_time(event, &daemon->retry, CLOCK_MONOTONIC, 0, 1000, on_retry, daemon);
	if (r < 0) {
		frr_daemon_free(daemon);
		return r;
	}
	retry_in(daemon, 0);
	*ret = daemon;
	return 0;
}

void frr_daemon_free(struct frr_daemon *daemon)
{
	if (!daemon)
		return;
	vty_free(daemon->vty);
	sd_event_source_disable_unref(daemon->retry);
	free(daemon->path);
	free(daemon);
}

enum frr_link frr_daemon_link(const struct frr_daemon *daemon)
{
	return daemon->link;
}

bool frr_daemon_is_idle(const struct frr_daemon *daemon)
{
	return daemon->ready && !daemon->answer;
}

void frr_daemon_ask(struct frr_daemon *daemon, const char *command, unsigned timeout_msec, frr_answer_fn *answer)
{
	int r;

	daemon->answer = answer;
	r = vty_send(daemon->vty, command, timeout_msec);
	if (r < 0)
		lose(daemon, r);
}
