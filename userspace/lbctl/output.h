/* SPDX-License-Identifier: Apache-2.0 */
/* How a live command prints (EDGE: stdout, libsmartcols): text, wide, json as the agent gave it, or yaml. */
#ifndef FAIRWAY_LBCTL_OUTPUT_H
#define FAIRWAY_LBCTL_OUTPUT_H

#include "userspace/lbctl/render.h"

enum output_kind { OUTPUT_AS_TEXT, OUTPUT_AS_WIDE, OUTPUT_AS_JSON, OUTPUT_AS_YAML };

int output_kind_parse(const char *text, enum output_kind *ret); /* 0 or -EINVAL */

/* True if stdout is a terminal and nobody asked for plain text (NO_COLOR, TERM=dumb). */
bool output_is_terminal(void);

/* One line per element of the array `rows`, under the titles. 0 or -ENOMEM. */
int output_table(const struct json *rows, const struct column *columns, size_t n_columns, bool wide);

/* "title: value" lines for one object, for the head of a `show`. */
void output_facts(const struct json *object, const struct column *columns, size_t n_columns);

#endif
