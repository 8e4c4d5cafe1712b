/* SPDX-License-Identifier: Apache-2.0 */
/* One line per story on stderr: level, what, why, what happens next. Whoever knows the whole story logs; a function
 * that returns an error does not. Control characters in the text are escaped, so that no object can forge a line. */
#ifndef FAIRWAY_BASE_LOG_H
#define FAIRWAY_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern enum log_level log_threshold; /* default LOG_LEVEL_INFO */

int log_level_parse(const char *text, enum log_level *ret); /* "error" … "debug"; -EINVAL */
const char *log_level_name(enum log_level);
void log_at(enum log_level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_threshold >= LOG_LEVEL_DEBUG)                                              \
			log_at(LOG_LEVEL_DEBUG, __VA_ARGS__);                                      \
	} while (0)

#endif
