/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own below $TMPDIR, removed with all that is in it. Failing calls fail the test. */
#ifndef FAIRWAY_TESTS_SCRATCH_H
#define FAIRWAY_TESTS_SCRATCH_H

struct scratch {
	char path[200];
};

struct scratch scratch_new(void);
void scratch_done(struct scratch *);
void scratch_write(const struct scratch *, const char *name,
		   const char *text); /* in place: truncates, writes, closes */
void scratch_replace(const struct scratch *, const char *name,
		     const char *text); /* by rename from a dot file */
void scratch_rename(const struct scratch *, const char *from, const char *to);
void scratch_remove(const struct scratch *, const char *name);
void scratch_mkdir(const struct scratch *, const char *name);
void scratch_mkfifo(const struct scratch *, const char *name);
void scratch_symlink(const struct scratch *, const char *target, const char *name);

#endif
