// SPDX-License-Identifier: Apache-2.0
/* Timers and the debounce on sd-event: see loop.h. A failing sd_event call on an existing source means a
 * programming error or a dying process; the callers cannot do anything about it, so it is logged here. */
#include "userspace/io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

#define TIMER_ACCURACY_USEC 1 /* more is a delay: an idle loop sleeps to the end of it */

struct loop_timer {
	sd_event_source *source;
	loop_fn *run;
	void *userdata;
	uint64_t due_msec; /* 0: not armed */
};

struct debounce {
	sd_event_source *idle;
	struct loop_timer *deadline;
	loop_fn *run;
	void *userdata;
	uint64_t limit_msec;
	bool pending;
};

DEFINE_CLEANUP(struct loop_timer *, loop_timer_free);
DEFINE_CLEANUP(struct debounce *, debounce_free);

int loop_catch_signals(struct sd_event *event, loop_signal_fn *on_signal, void *userdata)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, userdata);
	return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, on_signal, userdata);
}

uint64_t loop_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_now_msec(void)
{
	return loop_now_usec() / 1000;
}

int64_t loop_wall_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

double loop_seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint32_t loop_random(void)
{
	uint32_t number;

	return getrandom(&number, sizeof(number), GRND_NONBLOCK) == sizeof(number)
		       ? number
		       : (uint32_t)loop_now_msec();
}

static int timer_fires(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct loop_timer *timer = userdata;

	timer->due_msec = 0;
	timer->run(timer->userdata);
	return 0;
}

int loop_timer_new(struct sd_event *event, loop_fn *run, void *userdata, struct loop_timer **ret)
{
	cleanup(loop_timer_freep) struct loop_timer *timer = calloc(1, sizeof(*timer));
	int r;

	if (!timer)
		return -ENOMEM;
	timer->run = run;
	timer->userdata = userdata;
	r = sd_event_add_time(event, &timer->source, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_USEC,
			      timer_fires, timer);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret = take(timer);
	return 0;
}

int loop_timer_overtake(struct loop_timer *timer)
{
	int r = sd_event_source_set_priority(timer->source, SD_EVENT_PRIORITY_IMPORTANT - 1);

	return r < 0 ? r : 0;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	sd_event_source_disable_unref(timer->source);
	free(timer);
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_msec)
{
	int r;

	timer->due_msec = loop_now_msec() + after_msec;
	r = sd_event_source_set_time(timer->source, timer->due_msec * 1000);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("cannot arm a timer: %s", strerror(-r));
}

void loop_timer_set_earlier(struct loop_timer *timer, uint64_t after_msec)
{
	if (!timer->due_msec || timer->due_msec > loop_now_msec() + after_msec)
		loop_timer_set(timer, after_msec);
}

void loop_timer_stop(struct loop_timer *timer)
{
	timer->due_msec = 0;
	sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
}

static void debounce_run(struct debounce *debounce)
{
	if (!debounce->pending)
		return;
	debounce->pending = false;
	loop_timer_stop(debounce->deadline);
	sd_event_source_set_enabled(debounce->idle, SD_EVENT_OFF);
	debounce->run(debounce->userdata);
}

static int debounce_idle(sd_event_source *source _unused_, void *userdata)
{
	debounce_run(userdata);
	return 0;
}

static void debounce_late(void *userdata)
{
	debounce_run(userdata);
}

int debounce_new(struct sd_event *event, uint64_t limit_msec, loop_fn *run, void *userdata,
		 struct debounce **ret)
{
	cleanup(debounce_freep) struct debounce *debounce = calloc(1, sizeof(*debounce));
	int r;

	if (!debounce)
		return -ENOMEM;
	debounce->run = run;
	debounce->userdata = userdata;
	debounce->limit_msec = limit_msec;
	r = loop_timer_new(event, debounce_late, debounce, &debounce->deadline);
	if (r < 0)
		return r;
	r = sd_event_add_defer(event, &debounce->idle, debounce_idle, debounce);
	if (r >= 0)
		r = sd_event_source_set_enabled(debounce->idle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(debounce->idle, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0) /* the deadline overtakes everything that keeps the loop busy */
		r = sd_event_source_set_priority(debounce->deadline->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return r;
	*ret = take(debounce);
	return 0;
}

void debounce_free(struct debounce *debounce)
{
	if (!debounce)
		return;
	sd_event_source_disable_unref(debounce->idle);
	loop_timer_free(debounce->deadline);
	free(debounce);
}

void debounce_kick(struct debounce *debounce)
{
	if (debounce->pending)
		return;
	debounce->pending = true;
	loop_timer_set(debounce->deadline, debounce->limit_msec);
	sd_event_source_set_enabled(debounce->idle, SD_EVENT_ONESHOT);
}
