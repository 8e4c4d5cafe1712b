// SPDX-License-Identifier: Apache-2.0
/* Saying a problem once: see problem_lines.h. */
#include "ipam/problem_lines.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

void problem_lines_say(struct problem_lines *lines, const struct problems *problems)
{
	cleanup(strbuf_done) struct strbuf now = { 0 };
	size_t i;

	strbuf_append(&now, "\n");
	for (i = 0; i < problems->n; i++) {
		cleanup(strbuf_done) struct strbuf line = { 0 };
		const struct problem *problem = &problems->items[i];

		strbuf_appendf(&line, "\n%s: %s%s%s\n", problem->object, problem->field,
			       *problem->field ? ": " : "", problem->message);
		if (!lines->said || !strstr(lines->said, strbuf_text(&line)))
			log_warn("%.*s", (int)line.length - 2, strbuf_text(&line) + 1);
		strbuf_append(&now, strbuf_text(&line));
	}
	problem_lines_done(lines);
	lines->said = strbuf_take(&now);
}

void problem_lines_done(struct problem_lines *lines)
{
	free(lines->said);
	lines->said = NULL;
}
