// SPDX-License-Identifier: Apache-2.0
/* The places of refusals: see forbidden.h. */
#include "ipam/forbidden.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/doubling.h"
#include "userspace/base/sorted.h"

static void keep_others(struct forbidden *forbidden, enum object_kind kind, bool all_kinds)
{
	size_t i, kept = 0;

	for (i = 0; i < forbidden->n; i++) {
		if (all_kinds || forbidden->items[i].kind == kind)
			free(forbidden->items[i].namespace);
		else
			forbidden->items[kept++] = forbidden->items[i];
	}
	forbidden->n = kept;
}

void forbidden_done(struct forbidden *forbidden)
{
	keep_others(forbidden, 0, true);
	free(forbidden->items);
	*forbidden = (struct forbidden){ 0 };
}

#define REFUSED "HTTP 403 Forbidden: "

/* Of a long one the API client leaves the end out. */
static bool is_cut(const char *message)
{
	size_t length = strlen(message);

	return length >= 3 && !strcmp(message + length - 3, "...");
}

/* The API client's line for a refusal of the API server's own: `HTTP 403 Forbidden: services "shop" is
 * forbidden: User "…" cannot patch resource "services/status" in API group …`. To the letter up to the user:
 * behind that, or behind a webhook's name, may stand what somebody else wrote. */
bool forbidden_by_role(int status, const char *message)
{
	static const char middle[] = "\" is forbidden: User \"";
	const char *at = message;

	if (status != 403 || strncmp(at, REFUSED, strlen(REFUSED)) != 0)
		return false;
	at += strlen(REFUSED);
	at += strcspn(at, " ");
	if (strncmp(at, " \"", 2) != 0)
		return false;
	at += 2;
	at += strcspn(at, "\"");
	return strncmp(at, middle, strlen(middle)) == 0 &&
	       (strstr(at, "\" cannot patch resource \"") || is_cut(at));
}

bool forbidden_let_through(int status, const char *message)
{
	return status == 409 || status == 422 ||
	       (status == 403 && strncmp(message, REFUSED, strlen(REFUSED)) == 0 &&
		!forbidden_by_role(status, message));
}

static int compare(const struct forbidden_place *place, enum object_kind kind, const char *namespace)
{
	int order = place->kind < kind ? -1 : place->kind > kind;

	return order ? order : strcmp(place->namespace, namespace);
}

static size_t lower_bound(const struct forbidden *forbidden, enum object_kind kind, const char *namespace)
{
	return sorted_place(forbidden->n, i, compare(&forbidden->items[i], kind, namespace) < 0);
}

static struct forbidden_place *find(const struct forbidden *forbidden, enum object_kind kind,
				    const char *namespace)
{
	size_t at = lower_bound(forbidden, kind, namespace);

	return at < forbidden->n && !compare(&forbidden->items[at], kind, namespace) ? &forbidden->items[at]
										     : NULL;
}

uint64_t forbidden_until_msec(const struct forbidden *forbidden, enum object_kind kind, const char *namespace)
{
	const struct forbidden_place *place = find(forbidden, kind, namespace);

	return place ? place->try_msec : 0;
}

/* Behind the last that is to be tried: of a thousand namespaces without the right not all at once. */
static uint64_t next_try_msec(const struct forbidden *forbidden, enum object_kind kind, uint64_t now_msec)
{
	uint64_t at_msec = now_msec;
	size_t i;

	for (i = 0; i < forbidden->n; i++)
		if (forbidden->items[i].kind == kind && forbidden->items[i].try_msec > at_msec)
			at_msec = forbidden->items[i].try_msec;
	at_msec += doubled(FORBIDDEN_FIRST_MSEC, forbidden->n_tries[kind], FORBIDDEN_TRY_MSEC);
	return at_msec < now_msec + FORBIDDEN_MOST_MSEC ? at_msec : now_msec + FORBIDDEN_MOST_MSEC;
}

void forbidden_sent(struct forbidden *forbidden, enum object_kind kind, const char *namespace,
		    uint64_t now_msec)
{
	struct forbidden_place *place = find(forbidden, kind, namespace);

	if (!place)
		return;
	forbidden->n_tries[kind]++;
	place->try_msec = next_try_msec(forbidden, kind, now_msec);
}

static bool is_first(const struct forbidden *forbidden, enum object_kind kind)
{
	size_t i;

	for (i = 0; i < forbidden->n; i++)
		if (forbidden->items[i].kind == kind)
			return false;
	return true;
}

int forbidden_refused(struct forbidden *forbidden, enum object_kind kind, const char *namespace,
		      uint64_t now_msec)
{
	struct forbidden_place place = { kind, NULL, next_try_msec(forbidden, kind, now_msec) };
	size_t at = lower_bound(forbidden, kind, namespace);
	bool first = is_first(forbidden, kind);

	if (find(forbidden, kind,
		 namespace)) /* it was under way with the first, or was the one that is tried */
		return 0;
	place.namespace = strdup(namespace);
	if (!place.namespace || array_reserve(forbidden->items, forbidden->n, forbidden->capacity) < 0) {
		free(place.namespace);
		return -ENOMEM;
	}
	memmove(forbidden->items + at + 1, forbidden->items + at,
		(forbidden->n - at) * sizeof(*forbidden->items));
	forbidden->items[at] = place;
	forbidden->n++;
	return first;
}

void forbidden_forget_old(struct forbidden *forbidden, uint64_t now_msec)
{
	size_t i, kept = 0;

	for (i = 0; i < forbidden->n; i++) {
		if (now_msec < forbidden->items[i].try_msec + FORBIDDEN_FORGET_MSEC)
			forbidden->items[kept++] = forbidden->items[i];
		else
			free(forbidden->items[i].namespace);
	}
	forbidden->n = kept;
	for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (is_first(forbidden, kind))
			forbidden->n_tries[kind] = 0;
}

bool forbidden_end(struct forbidden *forbidden, enum object_kind kind, const char *namespace)
{
	if (!find(forbidden, kind, namespace))
		return false;
	keep_others(forbidden, kind, false);
	forbidden->n_tries[kind] = 0;
	return true;
}
