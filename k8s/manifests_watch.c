// SPDX-License-Identifier: Apache-2.0
/* When to read a directory of manifests: inotify events mark files, one timer gathers a burst of them and
 * updates, a slow timer looks after directories that vanished or were replaced under their name.
 *
 * What people and programs do to files, and what happens: written in place (modify … close: read at close),
 * replaced by a rename (read at once), moved away and written anew as editors do (missing for less than the
 * grace period: nothing is removed), removed (its objects go after the grace period), renamed (the objects
 * stay, under the new file), a directory of symbolic links whose hidden target is switched, as the kubelet
 * does (all are read). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "k8s/manifests_source.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"

#define BURST_USEC    (10 * 1000)   /* from the first event of a burst until it is read… */
#define PACE_USEC     (50 * 1000)   /* …and from one reading to the next */
#define RECHECK_USEC  (200 * 1000)  /* while a file is missing or being written */
#define LOOK_USEC     (2 * 1000000) /* after the directories */
#define ACCURACY_USEC 1000	    /* sd-event's default of 250 ms is longer than a route takes */

#define DIRECTORY_EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB |      \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct watched { /* a directory */
	char *path;
	sd_event_source *source; /* NULL: it is not there */
	dev_t device;
	ino_t inode;
};

struct manifests {
	struct manifests_source source;
	sd_event *event;
	struct watched directory, status_directory; /* status_directory.path NULL: no status file */
	const char *status_name;		    /* in source.status_path */
	sd_event_source *burst, *look;
	uint64_t burst_usec; /* when the burst timer fires; 0: it is off */
	uint64_t paced_usec; /* when it may fire for the next burst: a pace after the last one */
	bool status_dirty, announce;
	source_change_fn *on_change;
	void *userdata;
};

static uint64_t now_msec(const struct manifests *manifests)
{
	uint64_t now_usec = 0;

	sd_event_now(manifests->event, CLOCK_MONOTONIC, &now_usec);
	return now_usec / 1000;
}

/* The first event of a burst starts the clock; later ones do not prolong it. */
static void arm(struct manifests *manifests, uint64_t delay_usec)
{
	uint64_t at_usec = 0;

	sd_event_now(manifests->event, CLOCK_MONOTONIC, &at_usec);
	at_usec += delay_usec;
	if (manifests->burst_usec && manifests->burst_usec <= at_usec)
		return;
	if (sd_event_source_set_time(manifests->burst, at_usec) >= 0 &&
	    sd_event_source_set_enabled(manifests->burst, SD_EVENT_ONESHOT) >= 0)
		manifests->burst_usec = at_usec;
}

static void arm_burst(struct manifests *manifests)
{
	uint64_t now_usec = 0;

	sd_event_now(manifests->event, CLOCK_MONOTONIC, &now_usec);
	arm(manifests,
	    now_usec + BURST_USEC >= manifests->paced_usec ? BURST_USEC : manifests->paced_usec - now_usec);
}

/* --- events -------------------------------------------------------------------------------------------- */

static void unwatch(struct watched *watched)
{
	watched->source = sd_event_source_disable_unref(watched->source);
}

/* A link (symbolic or hard) appears complete; a new file is about to be written, and its close is told. */
static bool appears_complete(const struct manifests *manifests, const char *name)
{
	cleanup(closep) int fd = open(manifests->source.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	return fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) ||
	       status.st_nlink > 1;
}

static void on_manifest_event(struct manifests *manifests, uint32_t mask, const char *name)
{
	struct manifests_source *source = &manifests->source;

	if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) {
		source_mark_dirty(source, name);
	} else if (mask & IN_MODIFY || (mask & IN_CREATE && !appears_complete(manifests, name))) {
		if (source_mark_writing(source, name, now_msec(manifests)) < 0)
			log_error("%s: out of memory, a change of %s is taken up late", source->directory,
				  name);
	} else if (mask & (IN_CREATE | IN_ATTRIB)) {
		source_mark_readable(source, name);
	}
	arm_burst(manifests);
}

static int on_directory_event(sd_event_source *event_source _unused_, const struct inotify_event *event,
			      void *userdata)
{
	struct manifests *manifests = userdata;

	if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) {
		unwatch(&manifests->directory);
		arm_burst(manifests);
	} else if (event->mask & IN_Q_OVERFLOW) {
		source_mark_dirty(&manifests->source, NULL);
		arm_burst(manifests);
	} else if (event->len && source_is_manifest(event->name)) {
		on_manifest_event(manifests, event->mask, event->name);
	} else if (event->len && !strncmp(event->name, "..", 2) && event->mask & IN_MOVED_TO) {
		source_mark_dirty(&manifests->source, NULL); /* the kubelet's ..data */
		arm_burst(manifests);
	}
	return 0;
}

static int on_status_event(sd_event_source *event_source _unused_, const struct inotify_event *event,
			   void *userdata)
{
	struct manifests *manifests = userdata;
	bool gone = event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF);

	if (gone)
		unwatch(&manifests->status_directory);
	if (!gone && !(event->mask & IN_Q_OVERFLOW) &&
	    !(event->len && strcmp(event->name, manifests->status_name) == 0 &&
	      event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)))
		return 0;
	manifests->status_dirty = true;
	arm_burst(manifests);
	return 0;
}

/* --- watching ------------------------------------------------------------------------------------------ */

/* Watches what stands under the path now. True: that is another directory than before. */
static bool look_after(struct manifests *manifests, struct watched *watched,
		       sd_event_inotify_handler_t handler)
{
	struct stat status;
	int r;

	if (!watched->path)
		return false;
	if (stat(watched->path, &status) < 0 || !S_ISDIR(status.st_mode)) {
		if (!watched->source)
			return false;
		unwatch(watched);
		return true;
	}
	if (watched->source && status.st_dev == watched->device && status.st_ino == watched->inode)
		return false;
	unwatch(watched);
	r = sd_event_add_inotify(manifests->event, &watched->source, watched->path, DIRECTORY_EVENTS, handler,
				 manifests);
	if (r < 0) {
		if (r != -ENOENT)
			log_error("%s: cannot be watched, the next try is in 2 s: %s", watched->path,
				  strerror(-r));
		watched->source = NULL;
		return false;
	}
	watched->device = status.st_dev;
	watched->inode = status.st_ino;
	return true;
}

static void look_after_all(struct manifests *manifests)
{
	if (look_after(manifests, &manifests->directory, on_directory_event)) {
		source_mark_dirty(&manifests->source, NULL);
		arm_burst(manifests);
	}
	if (look_after(manifests, &manifests->status_directory, on_status_event)) {
		manifests->status_dirty = true;
		arm_burst(manifests);
	}
}

static int on_look(sd_event_source *event_source, uint64_t usec _unused_, void *userdata)
{
	struct manifests *manifests = userdata;

	look_after_all(manifests);
	sd_event_source_set_time_relative(event_source, LOOK_USEC);
	return 0;
}

/* --- updates ------------------------------------------------------------------------------------------- */

static void log_new_notices(const struct source_result *before, const struct source_result *now)
{
	for (size_t i = 0; i < now->n_notices; i++) {
		bool known = false;

		for (size_t j = 0; j < before->n_notices && !known; j++)
			known = strcmp(before->notices[j], now->notices[i]) == 0;
		if (!known)
			log_info("%s", now->notices[i]);
	}
}

/* 0 or -ENOMEM: then the same is due again. */
static int update(struct manifests *manifests)
{
	struct manifests_source *source = &manifests->source;
	cleanup(source_result_done) struct source_result before = { 0 };
	int r;

	r = source_scan(source, now_msec(manifests));
	if (r == -ENOMEM)
		return r;
	if (manifests->status_dirty) {
		r = source_read_status(source);
		if (r < 0)
			return r;
		manifests->status_dirty = false;
	}
	r = source_update(source, now_msec(manifests), &before);
	if (r < 0)
		return r;
	log_new_notices(&before, &source->result);
	manifests->announce |= source->changed || before.delivered != source->result.delivered ||
			       before.statuses_missing != source->result.statuses_missing ||
			       !problems_equal(&before.problems, &source->result.problems);
	source->changed = false;
	return 0;
}

static int on_burst(sd_event_source *event_source _unused_, uint64_t usec, void *userdata)
{
	struct manifests *manifests = userdata;

	manifests->burst_usec = 0;
	manifests->paced_usec = usec + PACE_USEC;
	if (update(manifests) < 0) {
		log_error("%s: out of memory, reading is tried again in 1 s", manifests->source.directory);
		arm(manifests, 1000000);
		return 0;
	}
	if (source_is_waiting(&manifests->source))
		arm(manifests, RECHECK_USEC);
	if (manifests->announce) {
		manifests->announce = false;
		manifests->on_change(manifests->userdata);
	}
	return 0;
}

/* --- lifetime ------------------------------------------------------------------------------------------ */

static char *directory_of(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int start(struct manifests *manifests)
{
	int r;

	r = sd_event_add_time_relative(manifests->event, &manifests->burst, CLOCK_MONOTONIC, 0, ACCURACY_USEC,
				       on_burst, manifests);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(manifests->burst, SD_EVENT_OFF);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(manifests->event, &manifests->look, CLOCK_MONOTONIC, LOOK_USEC, 0,
				       on_look, manifests);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(manifests->look, SD_EVENT_ON);
	if (r < 0)
		return r;
	look_after_all(manifests); /* watch before reading, so that nothing between is lost */
	manifests->status_dirty = true;
	r = update(manifests);
	if (r < 0)
		return r;
	manifests->announce = true;
	arm(manifests, 0);
	return 0;
}

int manifests_watch(struct sd_event *event, const char *directory, const char *status_file,
		    struct store *store, source_change_fn *on_change, void *userdata,
		    struct manifests **ret)
{
	struct manifests *manifests = calloc(1, sizeof(*manifests));
	int r;

	if (!manifests)
		return -ENOMEM;
	manifests->event = sd_event_ref(event);
	manifests->on_change = on_change;
	manifests->userdata = userdata;
	r = source_init(&manifests->source, directory, status_file, store);
	if (r < 0)
		goto fail;
	manifests->source.live = true;
	manifests->source.started_msec = now_msec(manifests);
	manifests->directory.path = strdup(directory);
	if (status_file)
		manifests->status_directory.path =
			directory_of(manifests->source.status_path, &manifests->status_name);
	r = -ENOMEM;
	if (!manifests->directory.path || (status_file && !manifests->status_directory.path))
		goto fail;
	r = start(manifests);
	if (r < 0)
		goto fail;
	*ret = manifests;
	return 0;
fail:
	manifests_free(manifests);
	return r;
}

const struct source_result *manifests_result(const struct manifests *manifests)
{
	return &manifests->source.result;
}

void manifests_free(struct manifests *manifests)
{
	if (!manifests)
		return;
	unwatch(&manifests->directory);
	unwatch(&manifests->status_directory);
	sd_event_source_disable_unref(manifests->burst);
	sd_event_source_disable_unref(manifests->look);
	sd_event_unref(manifests->event);
	source_done(&manifests->source);
	free(manifests->directory.path);
	free(manifests->status_directory.path);
	free(manifests);
}
