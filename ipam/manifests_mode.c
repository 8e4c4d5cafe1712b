// SPDX-License-Identifier: Apache-2.0
/* Lock, loop, rounds; the work is controller.c's: see manifests_mode.h. */
#include "ipam/manifests_mode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "ipam/controller.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/io/loop.h"
#include "userspace/io/run_dir.h"

#define RETRY_MSEC 5000 /* after the status file could not be written */
#define MOST_ROUNDS                                                                                          \
	64 /* of --once: each frees what the one before gave up; real worlds need two or three               \
	    */

static char *directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return !slash ? strdup(".") : slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}

bool manifests_mode_status_is_inside(const struct controller_options *options)
{
	cleanup(freep) char *parent = directory_of(options->status);
	struct stat a, b;

	return parent && !stat(parent, &a) && !stat(options->manifests, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Two controllers on one file would give one address twice. The lock stands beside the file, under a dotted
 * name. */
static int lock_status(const char *path, int *ret_fd)
{
	const char *slash = strrchr(path, '/');
	cleanup(freep) char *directory = directory_of(path);
	cleanup(strbuf_done) struct strbuf name = { 0 };
	int r, holder = 0;

	strbuf_appendf(&name, ".%s.lock", slash ? slash + 1 : path);
	if (!directory || strbuf_failed(&name))
		return -ENOMEM;
	r = run_dir_make(directory);
	if (r == 0)
		r = run_dir_lock(directory, strbuf_text(&name), ret_fd, &holder);
	if (r == -EBUSY)
		log_error("%s: another lbcontroller (pid %d) writes it", path, holder);
	else if (r < 0)
		log_error("%s: cannot be locked: %s", path, strerror(-r));
	return r;
}

/* --- once ------------------------------------------------------------------------------------------------
 */

static int run_once(struct controller *controller, const struct controller_options *options,
		    struct store *store)
{
	cleanup(source_result_done) struct source_result read = { 0 };
	enum controller_result result = CONTROLLER_CHANGED;
	int r, rounds;

	r = manifests_read(options->manifests, NULL, store, &read);
	if (r < 0) {
		log_error("%s: cannot be read: %s", options->manifests, strerror(-r));
		return EXIT_FAILURE;
	}
	for (rounds = 0; result == CONTROLLER_CHANGED && rounds < MOST_ROUNDS; rounds++)
		result = controller_round(controller, store, &read, time(NULL));
	return result == CONTROLLER_AT_REST && controller->satisfied && !read.problems.n ? EXIT_SUCCESS
											 : EXIT_FAILURE;
}

/* --- live ------------------------------------------------------------------------------------------------
 */

struct live {
	struct controller *controller;
	struct store *store;
	struct manifests *manifests;
	struct loop_timer *timer; /* the next round that no change asks for */
};

static void do_round(void *userdata)
{
	struct live *live = userdata;

	switch (controller_round(live->controller, live->store, manifests_result(live->manifests),
				 time(NULL))) {
	case CONTROLLER_AT_REST:
	case CONTROLLER_WAITING:
		break;
	case CONTROLLER_CHANGED:
		loop_timer_set(live->timer, 0);
		break;
	case CONTROLLER_FAILED:
		loop_timer_set(live->timer, RETRY_MSEC);
		break;
	}
}

DEFINE_CLEANUP(struct manifests *, manifests_free);
DEFINE_CLEANUP(struct loop_timer *, loop_timer_free);

static int run_live(struct controller *controller, const struct controller_options *options,
		    struct store *store)
{
	cleanup(sd_event_unrefp) sd_event *event = NULL;
	cleanup(manifests_freep) struct manifests *manifests = NULL;
	cleanup(loop_timer_freep) struct loop_timer *timer = NULL;
	struct live live = { .controller = controller, .store = store };
	int r;

	r = sd_event_default(&event);
	if (r >= 0)
		r = loop_catch_signals(event, NULL, NULL); /* the loop ends */
	if (r >= 0)
		r = loop_timer_new(event, do_round, &live, &timer);
	live.timer = timer;
	if (r >= 0)
		r = manifests_watch(event, options->manifests, NULL, store, do_round, &live, &manifests);
	live.manifests = manifests;
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	do_round(&live);
	sd_notify(0, "READY=1");
	r = sd_event_loop(event);
	if (r < 0)
		log_error("the event loop ended: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int manifests_mode_run(const struct controller_options *options)
{
	struct controller controller;
	cleanup(closep) int lock = -1;
	struct store *store;
	int status = EXIT_FAILURE;

	if (lock_status(options->status, &lock) < 0 ||
	    controller_init(&controller, options->status, options->default_class) < 0)
		return EXIT_FAILURE;
	store = store_new();
	if (store)
		status = options->once ? run_once(&controller, options, store)
				       : run_live(&controller, options, store);
	else
		log_error("out of memory");
	store_free(store);
	controller_done(&controller);
	return status;
}
