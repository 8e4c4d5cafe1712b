/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a running daemon (EDGE): its directory, its lock, its listening Unix socket. */
#ifndef FAIRWAY_IO_RUN_DIR_H
#define FAIRWAY_IO_RUN_DIR_H

/* Makes the directory (0755) and its missing parents; 0 also when it is there. -errno, -ENOTDIR. */
int run_dir_make(const char *path);

/* Locks DIRECTORY/NAME for this process; the kernel drops the lock when the process dies, however it dies.
 * Writes the pid into it for people. -EBUSY: another process holds it, and its pid is in *ret_holder (0:
 * unknown). */
int run_dir_lock(const char *directory, const char *name, int *ret_fd, int *ret_holder);

/* A listening stream socket with mode 0600 from its first moment on. What is left of an earlier process at
 * the path is removed: hold the lock. -ENAMETOOLONG: Unix socket paths have at most 107 bytes. */
int unix_listen(const char *path, int *ret_fd);

#endif
