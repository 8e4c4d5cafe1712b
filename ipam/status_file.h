/* SPDX-License-Identifier: Apache-2.0 */
/* The status file (EDGE): reading it into a book, and replacing it so that a reader or a crash sees the old one or the
 * new one, never a piece. */
#ifndef FAIRWAY_IPAM_STATUS_FILE_H
#define FAIRWAY_IPAM_STATUS_FILE_H

#include "ipam/status_book.h"

/* A file that is not there is an empty book. 0, -errno, or -EINVAL with *ret_why appended: what is wrong in it. */
int status_file_read(const char *path, struct status_book *ret, struct strbuf *ret_why);
/* Written beside it under a dotted name, synced, renamed over it; mode 0644. 0 or -errno; then the old file stands. */
int status_file_write(const char *path, const char *text, size_t length);

#endif
