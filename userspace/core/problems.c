// SPDX-License-Identifier: Apache-2.0
/* What is wrong with an object, as text that is safe to print anywhere. Declared in cluster.h. */
#include "userspace/core/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

/* Hostile objects may put a mebibyte into a field: what people read is bounded. */
#define OBJECT_MAX  400 /* a kind, a namespace of 63 and a name of 253 bytes fit */
#define FIELD_MAX   300
#define MESSAGE_MAX 1000

static void problem_done(struct problem *problem)
{
	free(problem->object);
	free(problem->field);
	free(problem->message);
}

void problems_done(struct problems *problems)
{
	size_t i;

	if (!problems)
		return;
	for (i = 0; i < problems->n; i++)
		problem_done(&problems->items[i]);
	free(problems->items);
	*problems = (struct problems){ 0 };
}

static int problem_compare(const void *a, const void *b)
{
	const struct problem *left = a, *right = b;
	int order = strcmp(left->object, right->object);

	if (!order)
		order = strcmp(left->field, right->field);
	return order ? order : strcmp(left->message, right->message);
}

void problems_sort_unique(struct problems *problems)
{
	size_t i, kept = 0;

	if (!problems->n)
		return;
	qsort(problems->items, problems->n, sizeof(*problems->items), problem_compare);
	for (i = 1; i < problems->n; i++) {
		if (problem_compare(&problems->items[kept], &problems->items[i]))
			problems->items[++kept] = problems->items[i];
		else
			problem_done(&problems->items[i]);
	}
	problems->n = kept + 1;
}

bool problems_equal(const struct problems *a, const struct problems *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (problem_compare(&a->items[i], &b->items[i]))
			return false;
	return true;
}

void problems_compare(const struct problems *before, const struct problems *now, problem_fn *appeared,
		      problem_fn *vanished, void *userdata)
{
	size_t i = 0, j = 0;
	int order;

	while (i < before->n || j < now->n) {
		if (i == before->n)
			order = 1;
		else if (j == now->n)
			order = -1;
		else
			order = problem_compare(&before->items[i], &now->items[j]);
		if (order < 0)
			vanished(userdata, &before->items[i]);
		else if (order > 0)
			appeared(userdata, &now->items[j]);
		i += order <= 0;
		j += order >= 0;
	}
}

static char *printable(const char *text, size_t limit)
{
	cleanup(strbuf_done) struct strbuf buffer = { 0 };

	strbuf_append_escaped(&buffer, text ? text : "", limit);
	return strbuf_take(&buffer);
}

static int problems_vadd(struct problems *problems, const char *object, const char *field, const char *format,
			 va_list arguments)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct problem problem;

	strbuf_vappendf(&message, format, arguments);
	if (strbuf_failed(&message) || array_reserve(problems->items, problems->n, problems->capacity) < 0)
		return -ENOMEM;
	problem = (struct problem){
		.object = printable(object, OBJECT_MAX),
		.field = printable(field, FIELD_MAX),
		.message = printable(strbuf_text(&message), MESSAGE_MAX),
	};
	if (!problem.object || !problem.field || !problem.message) {
		problem_done(&problem);
		return -ENOMEM;
	}
	problems->items[problems->n++] = problem;
	return 0;
}

int problems_add(struct problems *problems, const char *object, const char *field, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = problems_vadd(problems, object, field, format, arguments);
	va_end(arguments);
	return r;
}

int problems_add_object(struct problems *problems, enum object_kind kind, const struct meta *meta,
			const char *field, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf object = { 0 };
	bool namespaced = meta->namespace && *meta->namespace;
	va_list arguments;
	int r;

	strbuf_appendf(&object, "%s/%s%s%s", object_kind_name(kind), namespaced ? meta->namespace : "",
		       namespaced ? "/" : "", meta->name ? meta->name : "");
	if (strbuf_failed(&object))
		return -ENOMEM;
	va_start(arguments, format);
	r = problems_vadd(problems, strbuf_text(&object), field, format, arguments);
	va_end(arguments);
	return r;
}

int problems_add_all(struct problems *to, const struct problems *from)
{
	const struct problem *problem;
	size_t i;
	int r;

	for (i = 0; i < from->n; i++) {
		problem = &from->items[i];
		r = problems_add(to, problem->object, problem->field, "%s", problem->message);
		if (r < 0)
			return r;
	}
	return 0;
}
