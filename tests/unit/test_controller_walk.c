// SPDX-License-Identifier: Apache-2.0
/* The controller comes to what `lbctl allocate` says: random walks on a model of the API server
 * (controller_model.h), one edit at a time on a world at rest. What the edit must lead to is known at once:
 * the allocator's answers, written into the statuses round by round until nothing changes. Whatever happens
 * to writes, answers, watch and leader meanwhile, the controller must come to the same.
 *
 * One freedom it has: where one round changes several Services, their writes are executed in any order and
 * some later than the next round. Then the outcome must be that of rounds of which some answers only were
 * written (is_reachable()). After several edits, one directly after the other, it must rest where `lbctl
 * allocate` does, no more: what lies between them is a matter of time.
 *
 * FAIRWAY_SEED=N repeats one walk, FAIRWAY_RUNS=N does N of them, from that one or the first on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/controller_model.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define RUNS	      100
#define STEPS	      60
#define MOST_STEPS    20000  /* of the model, until it rests */
#define MOST_ROUNDS   100000 /* to look for another order */
#define MOST_FREEDOMS 4

struct walk {
	uint64_t seed;
	int number; /* of the step */
	struct controller_model model;
	struct random_world world;  /* the editor's: its dice and clock */
	struct random_world edited; /* right after the edit; what is there is to lose only for a cause */
	bool single;
	size_t emptied; /* the Service that is to get back what somebody took from its status */
};

/* What happened in all walks: a rule that never had its case was not tested. */
static struct {
	unsigned steps, bursts, given, lost, shared, moved, pending, reordered, reordered_smooth, smooth,
		emptied;
} seen;

static struct model_counts writes;

static _Noreturn void fail_walk(const struct walk *walk, const char *what)
{
	cleanup(strbuf_done) struct strbuf now = { 0 };
	struct random_world world = { 0 };

	controller_model_world(&walk->model, false, &world);
	random_world_say(&now, &world);
	fprintf(stderr, "what happened since it last was at rest:\n%s\nwhat is there now:\n%s\n",
		strbuf_text(&walk->model.story), strbuf_text(&now));
	fail_msg("FAIRWAY_SEED=%llu, step %d: %s", (unsigned long long)walk->seed, walk->number, what);
	abort();
}

#define CHECK(walk, condition, ...)                                                                          \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			char what_[400];                                                                     \
			snprintf(what_, sizeof(what_), __VA_ARGS__);                                         \
			fail_walk(walk, what_);                                                              \
		}                                                                                            \
	} while (0)

/* --- what it must come to ------------------------------------------------------------------------------ */

/* One round on statuses that say everything. */
static void ask(const struct random_world *world, struct allocations *ret)
{
	cleanup(world_done) struct world cluster = { 0 };

	random_world_build(&cluster, world);
	assert_int_equal(allocate(world_cluster(&cluster), false, ret), 0);
}

static bool do_instant_round(struct random_world *world)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };

	ask(world, &allocations);
	return random_take_answers(world, &allocations);
}

static void find_outcome(const struct walk *walk, struct random_world *world)
{
	for (int rounds = 0; do_instant_round(world); rounds++)
		CHECK(walk, rounds < 4 * RANDOM_SERVICES, "lbctl allocate never comes to rest");
}

static bool same_status(const struct random_service *a, const struct random_service *b)
{
	size_t i;

	for (i = 0; a->n_status == b->n_status && i < a->n_status; i++)
		if (!addr_equal(&a->status[i], &b->status[i]))
			return false;
	return a->n_status == b->n_status;
}

static bool same_statuses(const struct random_world *a, const struct random_world *b)
{
	for (size_t i = 0; i < RANDOM_SERVICES; i++)
		if (a->services[i].exists != b->services[i].exists ||
		    !same_status(&a->services[i], &b->services[i]))
			return false;
	return true;
}

/* --- in another order ---------------------------------------------------------------------------------- */

struct search {
	const struct random_world *target;
	size_t n_rounds;
};

/* Those of `changed` that are in the set of bits have their new status, the others the old one. */
static void take_some(struct random_world *world, const struct random_world *answered, const size_t *changed,
		      size_t n, uint32_t bits)
{
	for (size_t i = 0; i < n; i++)
		if (bits & 1u << i)
			world->services[changed[i]] = answered->services[changed[i]];
}

/* `freedoms`: how often from here on some answers only may be written. */
static bool reaches(struct search *search, const struct random_world *world, unsigned freedoms)
{
	struct random_world answered = *world;
	size_t changed[RANDOM_SERVICES], n = 0;
	uint32_t all;

	if (search->n_rounds++ >= MOST_ROUNDS)
		return false;
	do_instant_round(&answered);
	for (size_t i = 0; i < RANDOM_SERVICES; i++)
		if (world->services[i].exists && !same_status(&world->services[i], &answered.services[i]))
			changed[n++] = i;
	if (!n)
		return same_statuses(world, search->target);
	all = (1u << n) - 1;
	for (uint32_t bits = all; bits && (bits == all || freedoms); bits--) {
		struct random_world next = *world;

		take_some(&next, &answered, changed, n, bits);
		if (reaches(search, &next, freedoms - (bits != all)))
			return true;
	}
	return false;
}

static bool is_reachable(const struct random_world *from, const struct random_world *target)
{
	for (unsigned freedoms = 1; freedoms <= MOST_FREEDOMS; freedoms++) {
		struct search search = { .target = target };

		if (reaches(&search, from, freedoms))
			return true;
		if (search.n_rounds > MOST_ROUNDS)
			fprintf(stderr, "gave up after %d rounds with %u freedoms\n", MOST_ROUNDS, freedoms);
	}
	return false;
}

/* --- each write ---------------------------------------------------------------------------------------- */

/* Who has it in its status against an older one's right loses it anyway, and that one may share it meanwhile.
 */
static bool may_have(const struct random_world *server, const struct random_service *spec,
		     const struct random_service *other, const struct addr *addr)
{
	return random_may_share(spec, other) || random_lost_to_older(server, other, addr);
}

static void check_given(const struct walk *walk, const struct model_write *write, const struct addr *addr)
{
	struct random_world server = { 0 };
	const struct random_service *spec = &server.services[write->service];
	char text[ADDR_TEXT_MAX];

	controller_model_world(&walk->model, false, &server);
	if (random_among(addr, spec->status, spec->n_status) ||
	    write->service_edits != walk->model.server.service_edits || write->service == walk->emptied)
		return; /* decided before an edit that it had not seen, or nothing new */
	for (size_t i = 0; i < RANDOM_SERVICES; i++) {
		const struct random_service *other = &server.services[i];

		if (i != write->service && other->exists &&
		    random_among(addr, other->status, other->n_status))
			CHECK(walk, may_have(&server, spec, other, addr),
			      "%s is given to s%zu while s%zu has it", addr_format(addr, text),
			      write->service, i);
	}
}

static void on_executing(void *userdata, const struct model_write *write)
{
	const struct walk *walk = userdata;
	const struct random_service *was = &walk->edited.services[write->service];
	char text[ADDR_TEXT_MAX];

	if (!write->gives_addresses)
		return;
	for (size_t i = 0; i < write->n_addresses; i++)
		check_given(walk, write, &write->addresses[i]);
	for (size_t i = 0; walk->single && i < was->n_status; i++)
		if (!random_among(&was->status[i], write->addresses, write->n_addresses))
			CHECK(walk, random_may_lose(&walk->edited, was, &was->status[i]),
			      "%s is taken from s%zu without a cause", addr_format(&was->status[i], text),
			      write->service);
}

/* --- at rest ------------------------------------------------------------------------------------------- */

static void check_pair(const struct walk *walk, const struct random_service *a,
		       const struct random_service *b)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < a->n_status; i++) {
		if (!random_among(&a->status[i], b->status, b->n_status))
			continue;
		CHECK(walk, random_may_share(a, b) || (b->foreign && (a->foreign || random_older(a, b))),
		      "s%d and s%d have %s", a->name, b->name, addr_format(&a->status[i], text));
		seen.shared++;
	}
}

static void check_rest(const struct walk *walk, const struct random_world *world)
{
	struct random_world again = *world;

	for (size_t i = 0; i < RANDOM_SERVICES; i++) {
		const struct model_object *object = &walk->model.server.objects[i];
		bool ours = object->spec.exists && !object->spec.foreign && !object->spec.cluster_ip;

		CHECK(walk, !object->spec.deleting, "s%zu is still there", i);
		CHECK(walk, !object->spec.exists || object->finalizer == ours, "s%zu: finalizer", i);
		for (size_t j = 0; ours && j < RANDOM_SERVICES; j++)
			if (j != i && world->services[j].exists)
				check_pair(walk, &world->services[i], &world->services[j]);
		seen.pending += ours && !object->spec.n_status;
	}
	CHECK(walk, !do_instant_round(&again), "it rests, but lbctl allocate does not");
}

static void count_step(const struct random_world *before, const struct random_world *after)
{
	for (size_t i = 0; i < RANDOM_SERVICES; i++) {
		const struct random_service *was = &before->services[i], *is = &after->services[i];
		bool more = is->n_status > was->n_status, less = is->n_status < was->n_status;

		seen.given += is->exists && more;
		seen.lost += is->exists && less;
		seen.moved += was->exists && is->exists && !more && !less && !same_status(was, is);
	}
}

static void check_outcome(const struct walk *walk, const struct random_world *expected,
			  const struct random_world *after)
{
	cleanup(strbuf_done) struct strbuf words = { 0 };

	if (same_statuses(expected, after))
		return;
	if (is_reachable(&walk->edited, after)) {
		seen.reordered++;
		seen.reordered_smooth += walk->model.smooth;
		return;
	}
	random_world_say(&words, expected);
	fprintf(stderr, "what lbctl allocate comes to:\n%s\n", strbuf_text(&words));
	fail_walk(walk, "it came to something else than lbctl allocate, in no order of writes");
}

/* --- a step -------------------------------------------------------------------------------------------- */

static bool apply_edit(struct walk *walk)
{
	bool edited = false;

	for (size_t i = 0; i < RANDOM_SERVICES; i++)
		edited |= controller_model_edit(&walk->model, i, &walk->world.services[i]);
	for (size_t i = 0; i < RANDOM_POOLS; i++)
		edited |= controller_model_edit_pool(&walk->model, i, &walk->world.pools[i]);
	return edited;
}

static void switch_type(struct random_world *world)
{
	struct random_service *spec = &world->services[random_below(&world->random, RANDOM_SERVICES)];

	spec->cluster_ip = spec->exists && !spec->cluster_ip;
}

/* One that changes something. */
static void edit(struct walk *walk)
{
	do {
		controller_model_world(&walk->model, false, &walk->world);
		if (random_chance(&walk->world.random, 7))
			switch_type(&walk->world);
		else
			random_edit(&walk->world);
	} while (!apply_edit(walk));
}

static void disturb(struct walk *walk)
{
	struct random *random = &walk->world.random;

	if (random_chance(random, 3))
		controller_model_touch(&walk->model, random_below(random, RANDOM_SERVICES));
	if (random_chance(random, 1))
		controller_model_change_leader(&walk->model);
}

static void settle(struct walk *walk, struct random_world *ret)
{
	int steps = 0;

	do {
		if (!walk->model.smooth && steps < 200)
			disturb(walk);
		controller_model_step(&walk->model);
		CHECK(walk, steps++ < MOST_STEPS, "it never comes to rest");
	} while (!controller_model_rests(&walk->model));
	controller_model_world(&walk->model, false, ret);
}

static void edit_several_times(struct walk *walk)
{
	uint32_t n = 2 + random_below(&walk->world.random, 2);

	seen.bursts++;
	while (n--) {
		edit(walk);
		for (uint32_t i = random_below(&walk->world.random, 12); i; i--)
			controller_model_step(&walk->model);
	}
}

/* Somebody takes a status away: what the Service held it still holds, if no other leader comes meanwhile. */
static void empty_a_status(struct walk *walk)
{
	size_t i = random_below(&walk->world.random, RANDOM_SERVICES);
	const struct model_object *object = &walk->model.server.objects[i];
	struct random_world before = { 0 }, after = { 0 };

	if (!object->spec.n_status || object->spec.foreign)
		return;
	seen.emptied++;
	walk->model.smooth = true;
	controller_model_world(&walk->model, false, &before);
	controller_model_empty_status(&walk->model, i);
	walk->emptied = i;
	settle(walk, &after);
	walk->emptied = RANDOM_SERVICES;
	CHECK(walk, same_statuses(&before, &after), "an emptied status did not come back");
}

static void do_step(struct walk *walk)
{
	struct random_world before = { 0 }, expected, after = { 0 };
	struct random *random = &walk->world.random;

	strbuf_reset(&walk->model.story);
	walk->single = !random_chance(random, 15);
	walk->model.smooth = random_chance(random, 40);
	controller_model_world(&walk->model, false, &before);
	if (walk->single)
		edit(walk);
	else
		edit_several_times(walk);
	controller_model_world(&walk->model, true, &walk->edited);
	expected = walk->edited;
	find_outcome(walk, &expected);
	settle(walk, &after);
	check_rest(walk, &after);
	if (walk->single)
		check_outcome(walk, &expected, &after);
	count_step(&before, &after);
	seen.steps++;
	seen.smooth += walk->model.smooth;
	if (random_chance(random, 10))
		empty_a_status(walk);
	if (random_chance(random, 10)) {
		controller_model_change_leader(&walk->model);
		settle(walk, &before);
		CHECK(walk, same_statuses(&before, &after), "a new leader comes to something else");
	}
}

static void do_walk(uint64_t seed)
{
	struct walk walk = { .seed = seed, .emptied = RANDOM_SERVICES };

	random_world_init(&walk.world, seed);
	controller_model_init(&walk.model, &walk.world, seed * 0x9e3779b97f4a7c15u);
	walk.model.executing = on_executing;
	walk.model.userdata = &walk;
	for (; walk.number < STEPS; walk.number++)
		do_step(&walk);
	writes.written += walk.model.counts.written;
	writes.conflicts += walk.model.counts.conflicts;
	writes.refused += walk.model.counts.refused;
	writes.lost += walk.model.counts.lost;
	writes.ghosts += walk.model.counts.ghosts;
	writes.leaders += walk.model.counts.leaders;
	controller_model_done(&walk.model);
}

static void test_random_walks(void **state _unused_)
{
	const char *seed = getenv("FAIRWAY_SEED"), *runs = getenv("FAIRWAY_RUNS");
	uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t n = runs ? strtoull(runs, NULL, 10) : seed ? 1 : RUNS;

	for (uint64_t i = first; i < first + n; i++)
		do_walk(i);
	print_message("%u steps (%u smooth, %u bursts): given %u, moved %u, lost %u, shared %u, pending %u, "
		      "emptied %u, "
		      "in another order %u (%u smooth)\n",
		      seen.steps, seen.smooth, seen.bursts, seen.given, seen.moved, seen.lost, seen.shared,
		      seen.pending, seen.emptied, seen.reordered, seen.reordered_smooth);
	print_message("%u writes, %u conflicts, %u refused, %u without answer (%u executed later), %u new "
		      "leaders\n",
		      writes.written, writes.conflicts, writes.refused, writes.lost, writes.ghosts,
		      writes.leaders);
	if (n < RUNS)
		return;
	assert_true(seen.given && seen.moved && seen.lost && seen.shared && seen.pending && seen.emptied &&
		    seen.smooth && seen.bursts);
	assert_true(writes.written && writes.conflicts && writes.refused && writes.lost && writes.ghosts &&
		    writes.leaders);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_walks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
