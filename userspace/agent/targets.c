// SPDX-License-Identifier: Apache-2.0
/* See targets.h: one walk over the routes. */
#include "userspace/agent/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

static int compare_targets(const void *a, const void *b)
{
	const struct target *left = a, *right = b;
	int order = strcmp(left->service, right->service);

	return order ? order : strcmp(left->peer, right->peer);
}

static bool is_up(const struct agent *agent, const char *name)
{
	const struct frr_peer_view *peers;
	size_t i, n = frr_peers(agent->frr, &peers);

	for (i = 0; i < n; i++)
		if (text_equal(peers[i].name, name))
			return text_equal(peers[i].state, "Established");
	return false;
}

/* Several routes of one service to one peer are one target: announced when each of them is. */
static void unite_two(struct target *target, const struct target *more)
{
	size_t family;

	target->announced &= more->announced;
	for (family = 0; family < 2; family++) {
		if (!more->wanted_in[family])
			continue;
		target->told_in[family] =
			more->told_in[family] && (target->told_in[family] || !target->wanted_in[family]);
		target->wanted_in[family] = true;
	}
}

static void unite(struct targets *targets)
{
	size_t i, kept = 0;

	for (i = 1; i < targets->n; i++) {
		if (compare_targets(&targets->items[kept], &targets->items[i]))
			targets->items[++kept] = targets->items[i];
		else
			unite_two(&targets->items[kept], &targets->items[i]);
	}
	if (targets->n)
		targets->n = kept + 1;
}

int targets_collect(struct agent *agent, struct arena *arena, struct targets *ret)
{
	size_t i, j, total = 0;

	for (i = 0; i < agent->routes.n; i++)
		total += agent->routes.items[i].services.n;
	*ret = (struct targets){ .items = arena_array(arena, total, sizeof(*ret->items)) };
	if (!ret->items)
		return -ENOMEM;
	for (i = 0; i < agent->routes.n; i++) {
		const struct route *route = &agent->routes.items[i];
		bool v6 = route->prefix.addr.family == ADDR_IPV6, up = is_up(agent, route->peer),
		     announced = up && frr_announces(agent->frr, &route->prefix);

		for (j = 0; j < route->services.n; j++)
			ret->items[ret->n++] =
				(struct target){ .service = route->services.items[j],
						 .peer = route->peer,
						 .up = up,
						 .announced = announced,
						 .wanted_in = { !v6, v6 },
						 .told_in = { !v6 && announced, v6 && announced } };
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_targets);
	unite(ret);
	return 0;
}

const struct target *targets_of(const struct targets *targets, const char *service, size_t *ret_n)
{
	size_t at = sorted_place(targets->n, i, strcmp(targets->items[i].service, service) < 0);

	for (*ret_n = 0;
	     at + *ret_n < targets->n && text_equal(targets->items[at + *ret_n].service, service);)
		++*ret_n;
	return targets->items + at;
}
