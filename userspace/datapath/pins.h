/* SPDX-License-Identifier: Apache-2.0 */
/* The pin directory (EDGE): a directory on a bpffs that outlives the agent and belongs to one at a time.
 *
 *	PIN_DIR/			flock()ed while an agent runs
 *	PIN_DIR/v1/maps/NAME		maps of layout 1
 *	PIN_DIR/v1/links/HOOK_IFINDEX	what is attached (see attach.h)
 *	PIN_DIR/v1/netns_INODE/		the network namespace in which the links are
 *	PIN_DIR/v1/ports_FIRST_LAST/	these ports were reserved on the host by us; cleanup gives them back
 *
 * Only version directories are ever removed: others who use PIN_DIR lose nothing. */
#ifndef FAIRWAY_DATAPATH_PINS_H
#define FAIRWAY_DATAPATH_PINS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct pins {
	char root[PATH_MAX - 128]; /* PIN_DIR */
	char home[PATH_MAX - 96];  /* PIN_DIR/vN */
	char maps[PATH_MAX - 64];  /* PIN_DIR/vN/maps */
	char links[PATH_MAX - 64]; /* PIN_DIR/vN/links */
	int lock_fd;		   /* -1: not held */
};

/* Makes what is missing (the bpffs too) and takes the lock. -EBUSY: another agent has it. -EPROTO: a layout
 * other than `version` is pinned there; *ret_other tells which. */
int pins_open(const char *root, unsigned version, struct pins *ret, unsigned *ret_other);
void pins_close(
	struct pins *); /* gives the lock back, leaves everything in place; accepts { .lock_fd = -1 } */

/* Takes the lock of an existing directory without making anything. -ENOENT: there is none, or it is on no
 * bpffs. */
int pins_lock_existing(const char *root, struct pins *ret);
/* Calls fn for each version directory of a locked root, newest last. */
int pins_each_version(const struct pins *, int (*fn)(void *userdata, unsigned version, const char *dir),
		      void *userdata);
/* Remembers reserved ports, in a version's directory; tells of them. */
int pins_note_ports(const char *home, uint16_t first, uint16_t last);
int pins_each_ports(const char *home, void (*fn)(void *userdata, uint16_t first, uint16_t last),
		    void *userdata);
/* Notes the network namespace of this process. 1: another one was noted there before, 0, or -errno. */
int pins_note_netns(const char *home);
/* Removes every version directory, then the root and the bpffs that pins_open() mounted on it. Gives the lock
 * back. */
int pins_remove(struct pins *);

/* Calls fn for every entry of a directory, sorted by name; a missing directory is empty. Non-zero from fn
 * ends it. */
int pins_each_entry(const char *dir, int (*fn)(void *userdata, const char *name, const char *path),
		    void *userdata);

#endif
