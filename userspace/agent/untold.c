// SPDX-License-Identifier: Apache-2.0
/* What is released, from one look to the next: see untold.h. */
#include "userspace/agent/untold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_rows(struct untold_row *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(rows[i].name);
	free(rows);
}

void untold_done(struct untold *untold)
{
	free_rows(untold->rows, untold->n);
	*untold = (struct untold){ 0 };
}

static int compare(const struct untold_row *known, const struct report_service *row)
{
	int order = strcmp(known->name, row->name);

	return order ? order : addr_compare(&known->addr, row->vips);
}

static const struct untold_row *find(const struct untold *untold, size_t *cursor,
				     const struct report_service *row)
{
	int order = -1;

	while (*cursor < untold->n && (order = compare(&untold->rows[*cursor], row)) < 0)
		(*cursor)++;
	return *cursor < untold->n && !order ? &untold->rows[*cursor] : NULL;
}

static size_t count_releasing(const struct report_service *rows, size_t n)
{
	size_t i, n_releasing = 0;

	for (i = 0; i < n; i++)
		n_releasing += rows[i].releasing;
	return n_releasing;
}

int untold_follow(struct untold *untold, const struct report_service *rows, size_t n, uint64_t since_msec)
{
	struct untold fresh = { .rows = calloc(count_releasing(rows, n) + 1, sizeof(*fresh.rows)) };
	const struct untold_row *known;
	struct untold_row *made;
	size_t i, cursor = 0;

	if (!fresh.rows)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (!rows[i].releasing)
			continue;
		known = find(untold, &cursor, &rows[i]);
		made = &fresh.rows[fresh.n++];
		*made = (struct untold_row){ .name = strdup(rows[i].name),
					     .addr = rows[i].vips[0],
					     .since_msec = known ? known->since_msec : since_msec,
					     .told = known && known->told };
		if (!made->name) {
			untold_done(&fresh);
			return -ENOMEM;
		}
	}
	untold_done(untold);
	*untold = fresh;
	return 0;
}

void untold_told(struct untold *untold)
{
	size_t i;

	for (i = 0; i < untold->n; i++)
		untold->rows[i].told = true;
}

uint64_t untold_due_msec(const struct untold *untold)
{
	uint64_t due_msec = UINT64_MAX;
	size_t i;

	for (i = 0; i < untold->n; i++)
		if (!untold->rows[i].told && untold->rows[i].since_msec + REPORT_QUIET_MSEC < due_msec)
			due_msec = untold->rows[i].since_msec + REPORT_QUIET_MSEC;
	return due_msec;
}
