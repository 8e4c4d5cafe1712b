// SPDX-License-Identifier: Apache-2.0
/* Directory, lock and listening socket of a daemon: see run_dir.h. */
#include "userspace/io/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

static int make_directory(const char *path)
{
	struct stat status;

	if (!mkdir(path, 0755))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &status))
		return -errno;
	return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int run_dir_make(const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	char *slash;
	int r;

	if (!copy)
		return -ENOMEM;
	for (slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_directory(copy);
		if (r < 0)
			return r;
		*slash = '/';
	}
	return make_directory(copy);
}

static int lock_holder(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return atoi(text);
}

int run_dir_lock(const char *directory, const char *name, int *ret_fd, int *ret_holder)
{
	cleanup(closep) int fd = -1;
	char path[PATH_MAX], text[32];
	int length;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return -errno;
		*ret_holder = lock_holder(fd);
		return -EBUSY;
	}
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)length, 0) != length)
		return errno ? -errno : -EIO;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int unix_listen(const char *path, int *ret_fd)
{
	cleanup(closep) int fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(old);
	if (r < 0)
		return r;
	if (listen(fd, 64))
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}
