// SPDX-License-Identifier: Apache-2.0
/* The waiting list of frontends on their way out: see retiring.h. */
#include "userspace/agent/retiring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"

static int compare(const void *a, const void *b)
{
	const struct retiring_frontend *left = a, *right = b;
	int order = addr_compare(&left->addr, &right->addr);

	if (!order)
		order = (left->port > right->port) - (left->port < right->port);
	return order ? order : (left->protocol > right->protocol) - (left->protocol < right->protocol);
}

static struct retiring_frontend key_of(const struct step *step)
{
	return (struct retiring_frontend){ .addr = step->frontend.addr, .port = step->frontend.port,
					   .protocol = step->frontend.protocol };
}

static const struct retiring_frontend *find(const struct retiring *retiring, const struct step *step)
{
	struct retiring_frontend key = key_of(step);

	return retiring->n ? bsearch(&key, retiring->items, retiring->n, sizeof(key), compare) : NULL;
}

static bool is_deletion(const struct step *step)
{
	return step->phase == STEP_BREAK && step->kind == STEP_FRONTEND_DELETE;
}

int retiring_update(struct retiring *retiring, const struct steps *steps, uint64_t now_msec)
{
	cleanup(retiring_done) struct retiring next = { 0 };
	const struct retiring_frontend *known;
	struct retiring_frontend *item;
	size_t i;

	for (i = 0; i < steps->n; i++) {
		if (!is_deletion(&steps->items[i]))
			continue;
		if (array_reserve(next.items, next.n, next.capacity) < 0)
			return -ENOMEM;
		item = &next.items[next.n++];
		*item = key_of(&steps->items[i]);
		known = find(retiring, &steps->items[i]);
		item->since_msec = known ? known->since_msec : now_msec;
		item->withdrawn_msec = known ? known->withdrawn_msec : UINT64_MAX;
	}
	if (next.n)
		qsort(next.items, next.n, sizeof(*next.items), compare);
	retiring_done(retiring);
	*retiring = next;
	next = (struct retiring){ 0 };
	return 0;
}

void retiring_done(struct retiring *retiring)
{
	free(retiring->items);
	*retiring = (struct retiring){ 0 };
}

void retiring_withdrawn(struct retiring_frontend *item, uint64_t now_msec)
{
	if (item->withdrawn_msec == UINT64_MAX)
		item->withdrawn_msec = now_msec;
}

uint64_t retiring_due_msec(const struct retiring_frontend *item, const struct retiring_times *times)
{
	uint64_t limit = item->since_msec + times->limit_msec + times->drain_msec;

	if (item->withdrawn_msec == UINT64_MAX || item->withdrawn_msec + times->drain_msec > limit)
		return limit;
	return item->withdrawn_msec + times->drain_msec;
}

/* What waiting frontends still use: their tables, and the backends of their services. Sorted. */
struct in_use {
	uint32_t *tables; /* offsets */
	const char **services;
	size_t n_tables, n_services;
};

static void in_use_done(struct in_use *use)
{
	free(use->tables);
	free(use->services);
}

static int compare_offsets(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_in_use(const struct steps *steps, const bool *selected, size_t n_waiting,
			  struct in_use *ret)
{
	const struct step *step;
	size_t i;

	if (!n_waiting)
		return 0;
	ret->tables = calloc(n_waiting, sizeof(*ret->tables));
	ret->services = calloc(n_waiting, sizeof(*ret->services));
	if (!ret->tables || !ret->services)
		return -ENOMEM;
	for (i = 0; i < steps->n; i++) {
		step = &steps->items[i];
		if (!is_deletion(step) || selected[i])
			continue;
		if (step->frontend.table_size)
			ret->tables[ret->n_tables++] = step->frontend.table_offset;
		ret->services[ret->n_services++] = step->service ? step->service : "";
	}
	qsort(ret->tables, ret->n_tables, sizeof(*ret->tables), compare_offsets);
	qsort(ret->services, ret->n_services, sizeof(*ret->services), compare_names);
	return 0;
}

static bool is_in_use(const struct in_use *use, const struct step *step)
{
	switch (step->kind) {
	case STEP_TABLE_FREE:
		return use->n_tables && bsearch(&step->table_offset, use->tables, use->n_tables,
						sizeof(*use->tables), compare_offsets);
	case STEP_BACKEND_SET: /* a backend that left; "": diff no longer knows whose it was */
		if (!step->service || !*step->service)
			return use->n_services > 0;
		return use->n_services && bsearch(&step->service, use->services, use->n_services,
						  sizeof(*use->services), compare_names);
	case STEP_BACKEND_DELETE: /* diff gives it only for what no table names */
	case STEP_TABLE_WRITE:
	case STEP_FRONTEND_SET:
	case STEP_FRONTEND_DELETE:
		return false;
	}
	return false;
}

/* Deletions first; tables and backends follow from what still waits. */
static size_t select_deletions(const struct retiring *retiring, const struct steps *steps,
			       const struct retiring_times *times, uint64_t now_msec, bool *selected,
			       uint64_t *ret_next_msec)
{
	const struct retiring_frontend *item;
	size_t i, n_waiting = 0;
	uint64_t due;

	*ret_next_msec = UINT64_MAX;
	for (i = 0; i < steps->n; i++) {
		selected[i] = false;
		if (!is_deletion(&steps->items[i]))
			continue;
		item = find(retiring, &steps->items[i]);
		due = item ? retiring_due_msec(item, times) : UINT64_MAX;
		selected[i] = due <= now_msec;
		n_waiting += !selected[i];
		if (!selected[i] && due < *ret_next_msec)
			*ret_next_msec = due;
	}
	return n_waiting;
}

size_t retiring_select(const struct retiring *retiring, const struct steps *steps,
		       const struct retiring_times *times, uint64_t now_msec, bool *ret_selected,
		       uint64_t *ret_next_msec)
{
	size_t n_waiting = select_deletions(retiring, steps, times, now_msec, ret_selected, ret_next_msec), i,
	       n = 0;
	cleanup(in_use_done) struct in_use use = { 0 };
	bool known = collect_in_use(steps, ret_selected, n_waiting, &use) == 0;
	const struct step *step;

	for (i = 0; i < steps->n; i++) {
		step = &steps->items[i];
		if (step->phase == STEP_BREAK && !is_deletion(step))
			ret_selected[i] = known && !is_in_use(&use, step);
		n += ret_selected[i];
	}
	return n;
}
