/* SPDX-License-Identifier: Apache-2.0 */
/* Plan, routes and steps as text: the JSON of OUTPUTS.md (lbctl plan), and lines for people, golden tests and the debug
 * log. One wording for all of them. */
#ifndef FAIRWAY_CORE_EXPLAIN_H
#define FAIRWAY_CORE_EXPLAIN_H

#include "userspace/base/strbuf.h"
#include "userspace/core/diff.h"
#include "userspace/core/plan.h"
#include "userspace/core/routes.h"

/* The contract of `lbctl plan -o json`; `problems` are those of sources and of decoding (may be NULL), the plan's and the
 * routes' own are merged in, sorted, each once. Services without frontend and health check are not listed. A frontend
 * that a broken source range closed has verdict "drop", reason "InvalidSourceRanges". `routes` may be NULL. */
void explain_plan_json(struct strbuf *, const struct node_plan *, const struct routes *, const struct problems *);
void explain_plan_text(struct strbuf *, const struct node_plan *, const struct routes *, const struct problems *);
/* Exit code 1 of `lbctl plan`: anything is listed in problems. */
bool explain_has_problems(const struct node_plan *, const struct routes *, const struct problems *);
void explain_step(struct strbuf *, const struct step *); /* one line, no newline */

/* JSON string with escapes, quotes included: shared by every pure writer of JSON. Bytes that are no UTF-8 become U+FFFD. */
void json_append_string(struct strbuf *, const char *text);

#endif
