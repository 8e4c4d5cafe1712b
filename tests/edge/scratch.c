// SPDX-License-Identifier: Apache-2.0
/* See scratch.h. */
#include "tests/edge/scratch.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/attributes.h"

#define PATH(buffer, scratch, name)                                                                          \
	char buffer[512];                                                                                    \
	snprintf(buffer, sizeof(buffer), "%s/%s", (scratch)->path, name)

static int remove_one(const char *path, const struct stat *status _unused_, int type _unused_,
		      struct FTW *ftw _unused_)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A test that fails jumps over its cleanups: what it made is removed at exit. */
static char made[64][sizeof(((struct scratch *)NULL)->path)];
static size_t n_made;

static void remove_made(void)
{
	for (size_t i = 0; i < n_made; i++)
		remove_tree(made[i]);
}

struct scratch scratch_new(void)
{
	const char *base = getenv("TMPDIR");
	struct scratch scratch;

	snprintf(scratch.path, sizeof(scratch.path), "%s/fairway-test-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(scratch.path));
	if (!n_made)
		atexit(remove_made);
	if (n_made < sizeof(made) / sizeof(made[0]))
		memcpy(made[n_made++], scratch.path, sizeof(scratch.path));
	return scratch;
}

void scratch_done(struct scratch *scratch)
{
	if (scratch->path[0])
		remove_tree(scratch->path);
	scratch->path[0] = 0;
}

void scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
	PATH(path, scratch, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

void scratch_replace(const struct scratch *scratch, const char *name, const char *text)
{
	scratch_write(scratch, ".new", text);
	scratch_rename(scratch, ".new", name);
}

void scratch_rename(const struct scratch *scratch, const char *from, const char *to)
{
	PATH(from_path, scratch, from);
	PATH(to_path, scratch, to);
	assert_int_equal(rename(from_path, to_path), 0);
}

void scratch_remove(const struct scratch *scratch, const char *name)
{
	PATH(path, scratch, name);
	assert_int_equal(remove(path), 0);
}

void scratch_mkdir(const struct scratch *scratch, const char *name)
{
	PATH(path, scratch, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

void scratch_mkfifo(const struct scratch *scratch, const char *name)
{
	PATH(path, scratch, name);
	assert_int_equal(mkfifo(path, 0644), 0);
}

void scratch_symlink(const struct scratch *scratch, const char *target, const char *name)
{
	PATH(path, scratch, name);
	assert_int_equal(symlink(target, path), 0);
}
