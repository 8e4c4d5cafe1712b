// SPDX-License-Identifier: Apache-2.0
/* Problems of Services, each looked for once: see problem_book.h. */
#include "ipam/problem_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/node_reports.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"
#include "userspace/core/annotations.h"
#include "userspace/core/frontends.h"
#include "userspace/core/plan.h"
#include "userspace/core/route_offers.h"
#include "userspace/core/source_ranges.h"

#define MESSAGE_BYTES 900 /* an Event holds 1024 */

static void problem_done(struct service_problem *problem)
{
	free(problem->service);
	free(problem->message);
	*problem = (struct service_problem){ 0 };
}

void problem_book_done(struct problem_book *book)
{
	size_t i;

	for (i = 0; i < book->n; i++)
		problem_done(&book->items[i]);
	free(book->items);
	*book = (struct problem_book){ 0 };
}

/* --- one Service --------------------------------------------------------------------------------------- */

/* One that cannot be read at all is ours if it says so, or if we wrote to it. */
static bool is_ours(const struct service *service, bool default_class)
{
	return service->unusable ? text_equal(service->load_balancer_class, FAIRWAY_CLASS) ||
					   conditions_find(&service->meta.conditions, CONDITION_ALLOCATED)
				 : service_is_ours(service, default_class);
}

static int collect(const struct service *service, struct problems *problems)
{
	cleanup(arena_done) struct arena scratch = { 0 };
	struct source_ranges ranges;
	struct selector selector;
	bool valid;
	int r = annotations_check(service, problems);

	if (r == 0)
		r = ports_check(service, problems);
	if (r == 0) /* both families' problems come with either */
		r = source_ranges_of(&scratch, service, ADDR_IPV4, &ranges, problems);
	if (r == 0)
		r = route_node_selector(&scratch, service, &selector, &valid, problems);
	if (r == 0)
		problems_sort_unique(problems);
	return r;
}

/* Some that do not fit are left out whole. */
static void append_problems(struct strbuf *out, const struct problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++) {
		const struct problem *problem = &problems->items[i];

		if (i && out->length + strlen(problem->field) + strlen(problem->message) > MESSAGE_BYTES) {
			strbuf_appendf(out, "; and %zu more", problems->n - i);
			return;
		}
		strbuf_appendf(out, "%s%s: %s", i ? "; " : "", problem->field, problem->message);
	}
}

static const char *reason_of(const struct problem *first)
{
	if (text_equal(first->field, "spec.ports"))
		return "UnsupportedProtocol";
	return strncmp(first->field, "metadata.annotations", strlen("metadata.annotations"))
		       ? "InvalidSourceRanges"
		       : "InvalidAnnotation";
}

/* While the newest version is refused. */
static const char *in_force(const struct service *service)
{
	if (!service->unusable)
		return "; the last good version stays in force";
	return service->n_ingress ? "; nothing of it is served, its addresses stay its own"
				  : "; nothing of it is served, and it gets no address";
}

/* Fills reason, message and generation; reason NULL: nothing is wrong. */
static int look(const struct service *service, struct service_problem *ret)
{
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf message = { 0 };
	int r;

	if (service->meta.refused) {
		ret->reason = "Refused";
		ret->generation = service->meta.refused_generation;
		strbuf_append_escaped(&message, service->meta.refused, MESSAGE_BYTES);
		strbuf_append(&message, in_force(service));
	} else {
		r = collect(service, &problems);
		if (r < 0 || !problems.n)
			return r;
		ret->reason = reason_of(&problems.items[0]);
		ret->generation = service->meta.generation;
		append_problems(&message, &problems);
	}
	ret->message = strbuf_failed(&message) ? NULL : strdup(strbuf_text(&message));
	return ret->message ? 0 : -ENOMEM;
}

/* --- the book ------------------------------------------------------------------------------------------ */

static size_t lower_bound(const struct problem_book *book, const char *service)
{
	return sorted_place(book->n, i, strcmp(book->items[i].service, service) < 0);
}

static bool holds(const struct problem_book *book, size_t at, const char *service)
{
	return at < book->n && !strcmp(book->items[at].service, service);
}

/* Takes what is in *problem, also on failure. */
static int put(struct problem_book *book, const char *service, struct service_problem *problem)
{
	size_t at = lower_bound(book, service);

	if (holds(book, at, service)) {
		problem_done(&book->items[at]);
		memmove(&book->items[at], &book->items[at + 1], (--book->n - at) * sizeof(*book->items));
	}
	if (!problem->reason)
		return 0;
	problem->service = strdup(service);
	if (!problem->service || array_reserve(book->items, book->n, book->capacity) < 0) {
		problem_done(problem);
		return -ENOMEM;
	}
	memmove(&book->items[at + 1], &book->items[at], (book->n++ - at) * sizeof(*book->items));
	book->items[at] = *problem;
	return 0;
}

static int update(struct problem_book *book, const struct cluster *cluster, bool default_class,
		  const char *name)
{
	const char *slash = strchr(name, '/');
	cleanup(freep) char *namespace = strndup(name, (size_t)(slash - name));
	struct service_problem problem = { 0 };
	const struct service *service;
	int r = 0;

	if (!namespace)
		return -ENOMEM;
	service = cluster_find_service(cluster, namespace, slash + 1);
	if (service && is_ours(service, default_class))
		r = look(service, &problem);
	return r < 0 ? r : put(book, name, &problem);
}

int problem_book_update(struct problem_book *book, const struct cluster *cluster, bool default_class,
			const struct strings *changed)
{
	size_t i;
	int r = 0;

	for (i = 0; i < changed->n && r == 0; i++)
		r = update(book, cluster, default_class, changed->items[i]);
	return r;
}

const struct service_problem *problem_book_find(const struct problem_book *book, const struct meta *service)
{
	cleanup(strbuf_done) struct strbuf name = { 0 };
	size_t at;

	if (!book->n)
		return NULL; /* mostly, and asked for each Service in each round */
	strbuf_appendf(&name, "%s/%s", service->namespace, service->name);
	at = lower_bound(book, strbuf_text(&name));
	return holds(book, at, strbuf_text(&name)) ? &book->items[at] : NULL;
}
