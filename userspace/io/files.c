// SPDX-License-Identifier: Apache-2.0
/* See files.h. */
#include "userspace/io/files.h"

#include <errno.h>
#include <unistd.h>

#include "userspace/base/strbuf.h"

int file_read_rest(int fd, size_t max, struct strbuf *ret)
{
	char buffer[16384];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		strbuf_append_bytes(ret, buffer, (size_t)n);
		if (strbuf_failed(ret))
			return -ENOMEM;
		if (ret->length > max)
			return -EFBIG;
	}
	return 0;
}

int file_write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}
