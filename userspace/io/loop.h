/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over sd-event (EDGE): a timer that can be armed again, and a debounce.
 *
 * Everything in a program runs on one loop, in one thread; callbacks never overlap. Freeing a helper
 * inside its own callback is allowed. */
#ifndef FAIRWAY_IO_LOOP_H
#define FAIRWAY_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct sd_event;
struct sd_event_source;
struct signalfd_siginfo;

typedef void loop_fn(void *userdata);

uint64_t loop_now_msec(void); /* CLOCK_MONOTONIC */
int64_t loop_wall_usec(void); /* since the epoch, for what others read; it may jump */
double loop_seconds_of(clockid_t); /* a clock's time, for differences */
uint32_t loop_random(void);   /* for jitter, not for secrets; never waits */

/* SIGTERM and SIGINT come as events of the loop; without a function they end it, with code 0. 0 or -errno. */
typedef int loop_signal_fn(struct sd_event_source *, const struct signalfd_siginfo *, void *userdata);
int loop_catch_signals(struct sd_event *, loop_signal_fn *, void *userdata);
uint64_t loop_now_usec(void); /* the same, finer */

/* One-shot timer: set arms or moves it, stop disarms it. */
struct loop_timer;
int loop_timer_new(struct sd_event *, loop_fn *, void *userdata, struct loop_timer **ret);
void loop_timer_free(struct loop_timer *);
/* From now on it runs before everything else that is due, also after the whole process was stopped for a while. 0 or -errno. */
int loop_timer_overtake(struct loop_timer *);
void loop_timer_set(struct loop_timer *, uint64_t after_msec);
void loop_timer_set_earlier(struct loop_timer *,
			    uint64_t after_msec); /* keeps an earlier time that is already set */
void loop_timer_stop(struct loop_timer *);

/* Runs the function once after a burst: when the loop has nothing else to do, but at the latest
 * `limit_msec` after the first kick, however busy the loop is. */
struct debounce;
int debounce_new(struct sd_event *, uint64_t limit_msec, loop_fn *, void *userdata, struct debounce **ret);
void debounce_free(struct debounce *);
void debounce_kick(struct debounce *);

#endif
