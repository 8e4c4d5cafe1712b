// SPDX-License-Identifier: Apache-2.0
/* The allocator under random edits: Services and pools come, change and go; after every step the answer is checked
 * against rules that are written here a second time, without a look at the allocator's own code. A seed tells a whole
 * run: FAIRWAY_SEED=N repeats it, and a failure prints it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/random_services.h"
#include "userspace/base/attributes.h"

#define STEPS 150
#define RUNS  12

/* --- checks -------------------------------------------------------------------------------------------- */

static uint64_t current_seed;
static int current_step;

/* What happened over all runs: a rule that never had its case was not tested. */
static struct {
	unsigned given, moved, lost, refused, shared, shared_across, over_foreign;
} seen;

#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, __VA_ARGS__);                                              \
			fail_msg("seed %llu, step %d: %s", (unsigned long long)current_seed,       \
				 current_step, #condition);                                        \
		}                                                                                  \
	} while (0)

static void check_one(const struct random_world *model, const struct random_service *spec, const struct allocation *answer)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < answer->n_addresses; i++) {
		const struct addr *addr = &answer->addresses[i];

		addr_format(addr, text);
		if (random_among(addr, spec->status, spec->n_status))
			continue;
		CHECK(!spec->deleting, "%s: %s given to a Service on its way out\n", answer->name, text);
		CHECK(random_in_any_pool(model, addr), "%s: %s is of no pool\n", answer->name, text);
		CHECK(!random_unwanted(spec, addr), "%s: %s not of its families\n", answer->name, text);
		seen.given++;
	}
	for (i = 0; i < spec->n_status; i++) {
		const struct addr *addr = &spec->status[i];

		if (random_among(addr, answer->addresses, answer->n_addresses))
			continue;
		addr_format(addr, text);
		seen.lost++;
		seen.moved += answer->n_addresses && random_in_any_pool(model, addr);
		CHECK(random_may_lose(model, spec, addr), "%s: %s taken away without a cause (%s: %s)\n", answer->name,
		      text, answer->reason, answer->message);
	}
	seen.refused += answer->reason[0] != 0;
	CHECK(answer->n_addresses || answer->reason[0] || spec->deleting, "%s: nothing, and no reason\n", answer->name);
	CHECK(!answer->reason[0] == !answer->message[0], "%s: reason \"%s\", message \"%s\"\n", answer->name,
	      answer->reason, answer->message);
	if (spec->policy == FAMILY_REQUIRE_DUAL_STACK && !answer->reason[0] && !spec->deleting)
		CHECK(answer->n_addresses == 2, "%s: half of RequireDualStack\n", answer->name);
}

static void check_pair(const struct random_service *a, const struct allocation *left, const struct random_service *b,
		       const struct allocation *right)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < left->n_addresses; i++)
		if (random_among(&left->addresses[i], right->addresses, right->n_addresses)) {
			CHECK(random_may_share(a, b), "%s is %s's and %s's\n", addr_format(&left->addresses[i], text),
			      left->name, right->name);
			seen.shared++;
			seen.shared_across += a->namespace != b->namespace;
		}
}

static void check_foreign(const struct random_service *foreign, const struct random_service *spec, const struct allocation *answer)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < answer->n_addresses; i++)
		if (random_among(&answer->addresses[i], foreign->status, foreign->n_status)) {
			CHECK(random_among(&answer->addresses[i], spec->status, spec->n_status) && random_older(spec, foreign),
			      "%s: %s is of another class\n", answer->name, addr_format(&answer->addresses[i], text));
			seen.over_foreign++;
		}
}

/* Sums over all pools: what pools count is what Services have. */
static void check_counts(const struct random_world *model, const struct allocations *allocations)
{
	size_t i, j, k, n = 0, counted = 0;
	struct addr found[RANDOM_SERVICES * 4];

	for (i = 0; i < RANDOM_SERVICES; i++) {
		const struct random_service *spec = &model->services[i];
		const struct allocation *answer = spec->exists ? random_answer(allocations, spec) : NULL;
		const struct addr *list = answer ? answer->addresses : spec->status;

		for (j = 0, k = !spec->exists ? 0 : answer ? answer->n_addresses : spec->n_status; j < k; j++)
			if (random_in_any_pool(model, &list[j]) && !random_among(&list[j], found, n))
				found[n++] = list[j];
	}
	for (i = 0; i < allocations->n_pools; i++) {
		const struct pool_usage *pool = &allocations->pools[i];

		counted += pool->assigned_v4 + (size_t)pool->assigned_v6;
		CHECK(pool->available_v4 <= 256 && pool->available_v6 <= (addr_number)1 << 64, "%s: below zero\n", pool->name);
		CHECK(pool->ready || (!pool->available_v4 && !pool->available_v6), "%s\n", pool->name);
	}
	CHECK(counted == n, "%zu counted, %zu in use\n", counted, n);
}

static void check_answer(const struct random_world *model, const struct allocations *allocations)
{
	size_t i, j;

	for (i = 0; i < RANDOM_SERVICES; i++) {
		const struct random_service *spec = &model->services[i];
		const struct allocation *answer = spec->exists ? random_answer(allocations, spec) : NULL;

		CHECK(!spec->exists || spec->foreign == !answer, "s%zu listed or not\n", i);
		if (!answer)
			continue;
		check_one(model, spec, answer);
		for (j = 0; j < RANDOM_SERVICES; j++) {
			const struct random_service *other = &model->services[j];

			if (!other->exists || j == i)
				continue;
			if (other->foreign)
				check_foreign(other, spec, answer);
			else
				check_pair(spec, answer, other, random_answer(allocations, other));
		}
	}
	check_counts(model, allocations);
}

static void shuffle(struct random *random, const void **items, size_t n)
{
	size_t i;

	for (i = n; i > 1; i--) {
		size_t j = random_below(random, (uint32_t)i);
		const void *item = items[i - 1];

		items[i - 1] = items[j];
		items[j] = item;
	}
}

/* The same world in another order gives the same bytes. */
static void check_any_order(struct random_world *model, const struct cluster *cluster, const struct allocations *wanted)
{
	const void *services[RANDOM_SERVICES], *pools[RANDOM_POOLS];
	struct strbuf a = { 0 }, b = { 0 };
	struct cluster other = *cluster;
	struct allocations allocations;
	size_t i;

	for (i = 0; i < cluster->n_services; i++)
		services[i] = cluster->services[i];
	for (i = 0; i < cluster->n_pools; i++)
		pools[i] = cluster->pools[i];
	shuffle(&model->random, services, cluster->n_services);
	shuffle(&model->random, pools, cluster->n_pools);
	other.services = (const struct service *const *)services;
	other.pools = (const struct service_ip_pool *const *)pools;
	assert_int_equal(allocate(&other, false, &allocations), 0);
	allocations_json(&a, wanted);
	allocations_json(&b, &allocations);
	CHECK(!strcmp(strbuf_text(&a), strbuf_text(&b)), "%s\n%s\n", strbuf_text(&a), strbuf_text(&b));
	strbuf_done(&a);
	strbuf_done(&b);
	allocations_done(&allocations);
}

/* One round of the controller; did it change a status? A crash loses the answer before it was written. */
static bool reconcile(struct random_world *model, bool crash)
{
	struct world world = { 0 };
	struct allocations allocations;
	const struct cluster *cluster;
	bool changed;

	random_world_build(&world, model);
	cluster = world_cluster(&world);
	assert_int_equal(allocate(cluster, false, &allocations), 0);
	check_answer(model, &allocations);
	check_any_order(model, cluster, &allocations);
	changed = !crash && random_take_answers(model, &allocations);
	allocations_done(&allocations);
	world_done(&world);
	return changed;
}

static void run(uint64_t seed)
{
	struct random_world model;
	int rounds;

	current_seed = seed;
	random_world_init(&model, seed);
	for (current_step = 0; current_step < STEPS; current_step++) {
		random_edit(&model);
		if (reconcile(&model, random_chance(&model.random, 20)) && random_chance(&model.random, 50))
			continue; /* the next edit comes before the controller is through */
		for (rounds = 0; reconcile(&model, false); rounds++)
			CHECK(rounds < 2 * RANDOM_SERVICES, "it never comes to rest\n");
	}
}

static void test_random_edits(void **state _unused_)
{
	const char *seed = getenv("FAIRWAY_SEED");
	uint64_t i;

	if (seed) {
		run(strtoull(seed, NULL, 10));
		return;
	}
	for (i = 1; i <= RUNS; i++)
		run(i);
	print_message("given %u, moved %u, lost %u, refused %u, shared %u (across namespaces %u), beside a foreign one %u\n",
		      seen.given, seen.moved, seen.lost, seen.refused, seen.shared, seen.shared_across, seen.over_foreign);
	assert_true(seen.given && seen.moved && seen.lost && seen.refused && seen.shared && seen.shared_across &&
		    seen.over_foreign);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_edits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
