// SPDX-License-Identifier: Apache-2.0
/* Log lines on stderr: see log.h. A line is written with one write(2), so that lines never mix. */
#include "userspace/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

enum log_level log_threshold = LOG_LEVEL_INFO;

#define LINE_MAX_BYTES 16384 /* a hostile name must not fill the journal */

void log_at(enum log_level level, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf text = { 0 }, line = { 0 };
	struct timespec now;
	struct tm utc;
	va_list arguments;
	char stamp[32];

	if (level > log_threshold)
		return;
	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	strbuf_appendf(&line, "%s.%03ldZ %-5s ", stamp, now.tv_nsec / 1000000, log_level_name(level));
	strbuf_append_escaped(&line, strbuf_text(&text), LINE_MAX_BYTES);
	strbuf_append(&line, "\n");
	if (write(STDERR_FILENO, strbuf_text(&line), line.length) < 0)
		return; /* nowhere left to tell it */
}
