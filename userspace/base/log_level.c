// SPDX-License-Identifier: Apache-2.0
/* Names of log levels (PURE: options are parsed without the log's I/O). See log.h. */
#include "userspace/base/log.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/cleanup.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };

int log_level_parse(const char *text, enum log_level *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(level_names); i++)
		if (!strcmp(text, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}
