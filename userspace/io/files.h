/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing to the end, whatever read() and write() do at a time. */
#ifndef FAIRWAY_IO_FILES_H
#define FAIRWAY_IO_FILES_H

#include <stddef.h>

struct strbuf;

/* Appends what is still to be read. -EFBIG once the text is longer than `max`, -ENOMEM, or read()'s error. */
int file_read_rest(int fd, size_t max, struct strbuf *ret);

int file_write_all(int fd, const char *text, size_t length);

#endif
