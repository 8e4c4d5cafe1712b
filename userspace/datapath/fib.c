// SPDX-License-Identifier: Apache-2.0
/* Rules by priority; for each that names a table, its longest prefix by one binary search per length. */
#include "userspace/datapath/fib.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/sorted.h"

void fib_done(struct fib *fib)
{
	free(fib->routes);
	free(fib->rules);
	*fib = (struct fib){ 0 };
}

int fib_add_route(struct fib *fib, const struct route_info *route)
{
	bool without_hop = !route->hop.ifindex && !route->nexthop_id;

	if (route->source_length || (route->type == RTN_UNICAST && without_hop))
		return 0;
	if (array_reserve(fib->routes, fib->n_routes, fib->routes_capacity) < 0)
		return -ENOMEM;
	fib->routes[fib->n_routes++] = (struct fib_route){
		.prefix = prefix_mask(&route->destination),
		.table = route->table,
		.metric = route->metric,
		.nexthop_id = route->nexthop_id,
		.hop = route->hop,
	};
	fib->lengths[route->destination.length] = true;
	return 0;
}

int fib_add_rule(struct fib *fib, const struct rule_info *rule)
{
	if (array_reserve(fib->rules, fib->n_rules, fib->rules_capacity) < 0)
		return -ENOMEM;
	fib->rules[fib->n_rules++] = *rule;
	return 0;
}

static int order(uint32_t left, uint32_t right)
{
	return (left > right) - (left < right);
}

static int compare_key(const struct fib_route *left, uint32_t table, const struct prefix *prefix)
{
	int r = order(left->table, table);

	return r ? r : prefix_compare(&left->prefix, prefix);
}

static int compare_route(const void *a, const void *b)
{
	const struct fib_route *left = a, *right = b;
	int r = compare_key(left, right->table, &right->prefix);

	return r ? r : order(left->metric, right->metric);
}

/* Those of equal priority count in the order in which they were dumped; they are few, and nearly sorted. */
static void sort_rules(struct rule_info *rules, size_t n)
{
	struct rule_info rule;
	size_t i, j;

	for (i = 1; i < n; i++) {
		rule = rules[i];
		for (j = i; j && rules[j - 1].priority > rule.priority; j--)
			rules[j] = rules[j - 1];
		rules[j] = rule;
	}
}

void fib_finish(struct fib *fib)
{
	if (fib->n_routes)
		qsort(fib->routes, fib->n_routes, sizeof(*fib->routes), compare_route);
	sort_rules(fib->rules, fib->n_rules);
}

static const struct fib_route *longest(const struct fib *fib, uint32_t table, const struct addr *addr)
{
	for (int length = addr_bits(addr); length >= 0; length--) {
		struct prefix wanted = { *addr, length };
		size_t at;

		if (!fib->lengths[length])
			continue;
		wanted = prefix_mask(&wanted);
		at = sorted_place(fib->n_routes, i, compare_key(&fib->routes[i], table, &wanted) < 0);
		if (at < fib->n_routes && compare_key(&fib->routes[at], table, &wanted) == 0)
			return &fib->routes[at];
	}
	return NULL;
}

static bool rule_applies(const struct rule_info *rule, const struct addr *addr)
{
	bool applies =
		rule->ours && (!rule->destination.addr.family || prefix_contains(&rule->destination, addr));

	return applies != rule->inverted;
}

const struct fib_route *fib_lookup(const struct fib *fib, const struct addr *addr)
{
	uint32_t from = 0; /* goto's target */

	for (size_t i = 0; i < fib->n_rules; i++) {
		const struct rule_info *rule = &fib->rules[i];
		const struct fib_route *route;

		if (rule->priority < from || rule->action == FR_ACT_NOP || !rule_applies(rule, addr))
			continue;
		if (rule->action == FR_ACT_GOTO) {
			from = rule->target;
			continue;
		}
		if (rule->action != FR_ACT_TO_TBL)
			return NULL;
		route = longest(fib, rule->table, addr);
		if (route && route->hop.type != RTN_THROW && route->prefix.length > rule->suppressed_length)
			return route;
	}
	return NULL;
}
