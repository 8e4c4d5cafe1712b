/* SPDX-License-Identifier: Apache-2.0 */
/* What a cell of a table says, and JSON as YAML (PURE). The live commands get JSON from the agent and
 * print it through one table of columns: `struct column` names members, the kind says how a value reads
 * for people.
 *
 * Units, rounding and colour are for terminals; what is piped gets plain numbers. */
#ifndef FAIRWAY_LBCTL_RENDER_H
#define FAIRWAY_LBCTL_RENDER_H

#include "k8s/json.h"
#include "userspace/base/strbuf.h"

enum cell_kind {
	CELL_TEXT,	/* as it is; "-" for an empty or missing one */
	CELL_NUMBER,	/* right-aligned */
	CELL_COUNT,	/* number; 1.2M on a terminal */
	CELL_BYTES,	/* number; 58.4 MiB on a terminal */
	CELL_DURATION,	/* seconds; 2h05m on a terminal */
	CELL_LIST,	/* array of texts, joined by commas */
	CELL_RATIO,	/* member/second */
	CELL_ENDPOINT,	/* address member and port second: 192.0.2.1:80, [2001:db8::1]:80 */
	CELL_YES_NO,	/* bool */
	CELL_STATE,	/* text that is red unless it is `good` */
	CELL_PROBLEM,	/* text that is red if there is any */
};

struct column {
	const char *title, *member;
	enum cell_kind kind;
	bool wide; /* only with -o wide */
	const char *second; /* CELL_RATIO, CELL_ENDPOINT */
	const char *good;   /* CELL_STATE; CELL_YES_NO: "yes" or "no" is the good one, NULL: neither is bad */
};

enum cell_mood { MOOD_PLAIN, MOOD_GOOD, MOOD_BAD };

/* Appends the cell's text. Bytes below 0x20 come out as '?': no object can move the cursor of a terminal. */
enum cell_mood render_cell(const struct column *, const struct json *row, bool terminal, struct strbuf *);

void render_yaml(const struct json *,
		 struct strbuf *); /* block style, strings quoted where YAML would misread them */

#endif
