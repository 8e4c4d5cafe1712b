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

#include "ipam/allocator.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"

#define MAX_SERVICES 14
#define MAX_POOLS    5
#define STEPS	     150
#define RUNS	     12

struct random {
	uint64_t state;
};

static uint32_t next(struct random *random)
{
	random->state = random->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random->state >> 33);
}

static uint32_t below(struct random *random, uint32_t n)
{
	return next(random) % n;
}

static bool chance(struct random *random, uint32_t percent)
{
	return below(random, 100) < percent;
}

/* --- the world: what is there, apart from what was answered -------------------------------------------- */

struct spec { /* a Service as its author wrote it, and its status */
	bool exists, foreign, deleting, local;
	int namespace, name, created;
	const char *families; /* "4", "6", "46", "64", or "" for not said */
	enum ip_family_policy policy;
	int port, key; /* key 0: none */
	const char *key_namespaces;
	char ips[100], pool[8];
	struct addr status[2];
	size_t n_status;
};

struct pool_spec {
	bool exists, disabled, manual, buggy, only_a;
	int created, quota, ranges;
};

struct model {
	struct random random;
	struct spec specs[MAX_SERVICES];
	struct pool_spec pools[MAX_POOLS];
	int clock;
};

static const char *const namespaces[] = { "a", "b", "c" };
/* The first row of each pool is disjoint from the others' first rows; the rest overlaps, is Invalid, or moves away. */
static const char *const range_sets[MAX_POOLS][4] = {
	{ "192.0.2.0/30 2001:db8::/126", "192.0.2.0/29 2001:db8::/126", "192.0.2.2/31", "192.0.2.1/30" },
	{ "198.51.100.252-198.51.101.3 2001:db8:1::/64", "198.51.100.0/24", "192.0.2.3-192.0.2.9", "2001:db8:1::/64" },
	{ "192.0.2.4-192.0.2.9", "192.0.2.6-192.0.2.9 2001:db8:2::/125", "2001:db8::2/127", "192.0.2.4/31 192.0.2.4/32" },
	{ "2001:db8:3::/125", "203.0.113.0/29 2001:db8:3::7/128", "2001:db8:3::/126", "203.0.113.7/29" },
	{ "203.0.113.7/32 2001:db8:4::7/128", "203.0.113.6/31 2001:db8:4::6/127", "203.0.113.0/24", "127.0.0.0/8" },
};
static const char *const wishes[] = { "192.0.2.1", "192.0.2.6", "198.51.100.255", "2001:db8::1", "192.0.2.2,2001:db8::2", "203.0.113.7",
				      "2001:db8:1::9", "bad" };

static void random_wishes(struct model *model, struct spec *spec)
{
	struct random *random = &model->random;

	spec->ips[0] = spec->pool[0] = 0;
	if (chance(random, 15))
		snprintf(spec->ips, sizeof(spec->ips), "%s", wishes[below(random, sizeof(wishes) / sizeof(*wishes))]);
	if (chance(random, 10))
		snprintf(spec->pool, sizeof(spec->pool), "p%u", below(random, MAX_POOLS));
}

static void random_sharing(struct model *model, struct spec *spec)
{
	static const char *const lists[] = { "", "a,b", "*", "b, c" };

	spec->key = chance(&model->random, 70) ? 1 + (int)below(&model->random, 2) : 0;
	spec->key_namespaces = lists[below(&model->random, 4)];
	spec->port = 80 + (int)below(&model->random, 6);
	spec->local = chance(&model->random, 15);
}

static void random_families(struct model *model, struct spec *spec)
{
	static const struct {
		const char *families;
		enum ip_family_policy policy;
	} choices[] = { { "4", FAMILY_SINGLE_STACK }, { "6", FAMILY_SINGLE_STACK },	    { "46", FAMILY_REQUIRE_DUAL_STACK },
			{ "64", FAMILY_PREFER_DUAL_STACK }, { "46", FAMILY_PREFER_DUAL_STACK }, { "", FAMILY_POLICY_UNSET } };
	size_t i = below(&model->random, 6);

	spec->families = choices[i].families;
	spec->policy = choices[i].policy;
}

static void random_service(struct model *model, size_t i)
{
	struct spec *spec = &model->specs[i];

	*spec = (struct spec){ .exists = true, .name = (int)i };
	spec->namespace = (int)below(&model->random, 3);
	spec->created = chance(&model->random, 70) ? ++model->clock : (int)below(&model->random, 20);
	spec->foreign = chance(&model->random, 10);
	random_families(model, spec);
	random_wishes(model, spec);
	random_sharing(model, spec);
	if (spec->foreign && chance(&model->random, 70)) {
		addr_parse(wishes[below(&model->random, 4)], &spec->status[0]);
		spec->n_status = 1;
	}
}

static void random_pool(struct model *model, size_t i)
{
	struct random *random = &model->random;

	model->pools[i] = (struct pool_spec){
		.exists = true,
		.created = (int)below(random, 10),
		.ranges = chance(random, 65) ? 0 : 1 + (int)below(random, 3),
		.disabled = chance(random, 15),
		.manual = chance(random, 15),
		.buggy = chance(random, 30),
		.only_a = chance(random, 8),
		.quota = chance(random, 25) ? 1 + (int)below(random, 3) : 0,
	};
}

static void random_step(struct model *model)
{
	struct random *random = &model->random;
	size_t i = below(random, MAX_SERVICES), p = below(random, MAX_POOLS);
	struct spec *spec = &model->specs[i];

	switch (below(random, 10)) {
	case 0:
	case 1:
	case 2:
		if (!spec->exists)
			random_service(model, i);
		else if (chance(random, 30))
			*spec = (struct spec){ 0 };
		else
			spec->deleting = chance(random, 10);
		break;
	case 3:
	case 4:
		random_wishes(model, spec);
		break;
	case 5:
		random_sharing(model, spec);
		break;
	case 6:
		random_families(model, spec);
		break;
	case 7:
		if (chance(random, 20))
			model->pools[p].exists = false;
		else
			random_pool(model, p);
		break;
	case 8:
		model->pools[p].disabled = chance(random, 25);
		break;
	case 9:
		spec->foreign = spec->exists && chance(random, 10);
		break;
	}
}

/* --- the world as a cluster ---------------------------------------------------------------------------- */

static void add_service(struct world *world, const struct spec *spec)
{
	char text[160];
	struct service *service;

	snprintf(text, sizeof(text), "%s/s%d", namespaces[spec->namespace], spec->name);
	service = world_service(world, text);
	service->meta.created_sec = spec->created;
	service->meta.deleting = spec->deleting;
	if (spec->foreign)
		service->load_balancer_class = "other.io/lb";
	for (const char *f = spec->families; *f; f++)
		service->ip_families[service->n_ip_families++] = *f == '4' ? ADDR_IPV4 : ADDR_IPV6;
	service->ip_family_policy = spec->policy;
	service->external_policy = spec->local ? POLICY_LOCAL : POLICY_CLUSTER;
	world_label(world, &service->selector, "app", "x");
	world_service_port(world, service, "", L4_TCP, (uint16_t)spec->port, 0);
	if (spec->key) {
		snprintf(text, sizeof(text), "key%d", spec->key);
		world_label(world, &service->meta.annotations, "fairway.dev/shared-ip", text);
	}
	world_label(world, &service->meta.annotations, "fairway.dev/shared-ip-namespaces", spec->key_namespaces);
	world_label(world, &service->meta.annotations, "fairway.dev/ips", spec->ips);
	world_label(world, &service->meta.annotations, "fairway.dev/pool", spec->pool);
	service->ingress = arena_array(&world->arena, 2, sizeof(*service->ingress));
	for (; service->n_ingress < spec->n_status; service->n_ingress++)
		service->ingress[service->n_ingress].addr = spec->status[service->n_ingress];
}

static void add_pool(struct world *world, const struct pool_spec *spec, size_t i)
{
	static const char *only[] = { "a" };
	struct service_ip_pool *pool;
	char name[8];

	snprintf(name, sizeof(name), "p%zu", i);
	pool = world_pool(world, name, range_sets[i][spec->ranges]);
	pool->meta.created_sec = spec->created;
	pool->disabled = spec->disabled;
	pool->auto_assign = !spec->manual;
	pool->avoid_buggy_ips = spec->buggy;
	pool->quota_per_namespace = (uint32_t)spec->quota;
	if (spec->only_a)
		pool->allocation = (struct service_allocation){ .present = true, .namespaces = { only, 1 } };
}

static void build(struct world *world, const struct model *model)
{
	size_t i;

	for (i = 0; i < MAX_SERVICES; i++)
		if (model->specs[i].exists)
			add_service(world, &model->specs[i]);
	for (i = 0; i < MAX_POOLS; i++)
		if (model->pools[i].exists)
			add_pool(world, &model->pools[i], i);
}

/* --- the rules, a second time -------------------------------------------------------------------------- */

static bool permits(const struct spec *spec, int namespace)
{
	return *spec->key_namespaces == '*' || strchr(spec->key_namespaces, *namespaces[namespace]);
}

static bool may_share(const struct spec *a, const struct spec *b)
{
	return !a->foreign && !b->foreign && a->key && a->key == b->key && a->port != b->port && a->local == b->local &&
	       (a->namespace == b->namespace || (permits(a, b->namespace) && permits(b, a->namespace)));
}

static bool older(const struct spec *a, const struct spec *b)
{
	char left[20], right[20];

	if (a->created != b->created)
		return a->created < b->created;
	snprintf(left, sizeof(left), "%s/s%d", namespaces[a->namespace], a->name);
	snprintf(right, sizeof(right), "%s/s%d", namespaces[b->namespace], b->name);
	return strcmp(left, right) < 0;
}

static bool among(const struct addr *addr, const struct addr *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal(addr, &list[i]))
			return true;
	return false;
}

static bool in_ranges(const struct model *model, size_t i, const struct addr *addr)
{
	const struct pool_spec *pool = &model->pools[i];
	char copy[100], *save = NULL, *word;
	struct addr_range range;
	bool found = false;

	snprintf(copy, sizeof(copy), "%s", range_sets[i][pool->ranges]);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		int r = addr_range_parse(word, &range);

		found |= (r == 0 || r == -EDOM) && addr_range_contains(&range, addr);
	}
	return pool->exists && found;
}

static bool in_any_pool(const struct model *model, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < MAX_POOLS; i++)
		if (in_ranges(model, i, addr))
			return true;
	return false;
}

static bool asks_for_something_else(const struct model *model, const struct spec *spec, const struct addr *addr)
{
	char copy[100], *save = NULL, *word;
	struct addr wish;

	if (spec->pool[0] && !in_ranges(model, (size_t)(spec->pool[1] - '0'), addr))
		return true;
	/* A move into another pool takes both families along. */
	snprintf(copy, sizeof(copy), "%s", spec->ips);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (addr_parse(word, &wish) == 0 && !addr_equal(&wish, addr) && !among(&wish, spec->status, spec->n_status))
			return true;
	/* … and so does a pool named for the sake of the other family. */
	for (size_t i = 0; spec->pool[0] && i < spec->n_status; i++)
		if (!in_ranges(model, (size_t)(spec->pool[1] - '0'), &spec->status[i]))
			return true;
	return false;
}

static bool family_unwanted(const struct spec *spec, const struct addr *addr)
{
	return *spec->families && !strchr(spec->families, addr->family == ADDR_IPV4 ? '4' : '6');
}

static bool lost_to_older(const struct model *model, const struct spec *spec, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < MAX_SERVICES; i++) {
		const struct spec *other = &model->specs[i];

		if (other != spec && other->exists && among(addr, other->status, other->n_status) && older(other, spec) &&
		    !may_share(other, spec))
			return true;
	}
	return false;
}

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

static const struct allocation *answer_for(const struct allocations *allocations, const struct spec *spec)
{
	char name[8];
	size_t i;

	snprintf(name, sizeof(name), "s%d", spec->name);
	for (i = 0; i < allocations->n_services; i++)
		if (!strcmp(allocations->services[i].name, name))
			return &allocations->services[i];
	return NULL;
}

static void check_one(const struct model *model, const struct spec *spec, const struct allocation *answer)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < answer->n_addresses; i++) {
		const struct addr *addr = &answer->addresses[i];

		addr_format(addr, text);
		if (among(addr, spec->status, spec->n_status))
			continue;
		CHECK(!spec->deleting, "%s: %s given to a Service on its way out\n", answer->name, text);
		CHECK(in_any_pool(model, addr), "%s: %s is of no pool\n", answer->name, text);
		CHECK(!family_unwanted(spec, addr), "%s: %s not of its families\n", answer->name, text);
		seen.given++;
	}
	for (i = 0; i < spec->n_status; i++) {
		const struct addr *addr = &spec->status[i];

		if (among(addr, answer->addresses, answer->n_addresses))
			continue;
		addr_format(addr, text);
		seen.lost++;
		seen.moved += answer->n_addresses && in_any_pool(model, addr);
		CHECK(!in_any_pool(model, addr) || lost_to_older(model, spec, addr) || family_unwanted(spec, addr) ||
			      asks_for_something_else(model, spec, addr) || i > 1,
		      "%s: %s taken away without a cause (%s: %s)\n", answer->name, text, answer->reason, answer->message);
	}
	seen.refused += answer->reason[0] != 0;
	CHECK(answer->n_addresses || answer->reason[0] || spec->deleting, "%s: nothing, and no reason\n", answer->name);
	CHECK(!answer->reason[0] == !answer->message[0], "%s: reason \"%s\", message \"%s\"\n", answer->name,
	      answer->reason, answer->message);
	if (spec->policy == FAMILY_REQUIRE_DUAL_STACK && !answer->reason[0] && !spec->deleting)
		CHECK(answer->n_addresses == 2, "%s: half of RequireDualStack\n", answer->name);
}

static void check_pair(const struct spec *a, const struct allocation *left, const struct spec *b,
		       const struct allocation *right)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < left->n_addresses; i++)
		if (among(&left->addresses[i], right->addresses, right->n_addresses)) {
			CHECK(may_share(a, b), "%s is %s's and %s's\n", addr_format(&left->addresses[i], text),
			      left->name, right->name);
			seen.shared++;
			seen.shared_across += a->namespace != b->namespace;
		}
}

static void check_foreign(const struct spec *foreign, const struct spec *spec, const struct allocation *answer)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < answer->n_addresses; i++)
		if (among(&answer->addresses[i], foreign->status, foreign->n_status)) {
			CHECK(among(&answer->addresses[i], spec->status, spec->n_status) && older(spec, foreign),
			      "%s: %s is of another class\n", answer->name, addr_format(&answer->addresses[i], text));
			seen.over_foreign++;
		}
}

/* Sums over all pools: what pools count is what Services have. */
static void check_counts(const struct model *model, const struct allocations *allocations)
{
	size_t i, j, k, n = 0, counted = 0;
	struct addr found[MAX_SERVICES * 4];

	for (i = 0; i < MAX_SERVICES; i++) {
		const struct spec *spec = &model->specs[i];
		const struct allocation *answer = spec->exists ? answer_for(allocations, spec) : NULL;
		const struct addr *list = answer ? answer->addresses : spec->status;

		for (j = 0, k = !spec->exists ? 0 : answer ? answer->n_addresses : spec->n_status; j < k; j++)
			if (in_any_pool(model, &list[j]) && !among(&list[j], found, n))
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

static void check_answer(const struct model *model, const struct allocations *allocations)
{
	size_t i, j;

	for (i = 0; i < MAX_SERVICES; i++) {
		const struct spec *spec = &model->specs[i];
		const struct allocation *answer = spec->exists ? answer_for(allocations, spec) : NULL;

		CHECK(!spec->exists || spec->foreign == !answer, "s%zu listed or not\n", i);
		if (!answer)
			continue;
		check_one(model, spec, answer);
		for (j = 0; j < MAX_SERVICES; j++) {
			const struct spec *other = &model->specs[j];

			if (!other->exists || j == i)
				continue;
			if (other->foreign)
				check_foreign(other, spec, answer);
			else
				check_pair(spec, answer, other, answer_for(allocations, other));
		}
	}
	check_counts(model, allocations);
}

static void shuffle(struct random *random, const void **items, size_t n)
{
	size_t i;

	for (i = n; i > 1; i--) {
		size_t j = below(random, (uint32_t)i);
		const void *item = items[i - 1];

		items[i - 1] = items[j];
		items[j] = item;
	}
}

/* The same world in another order gives the same bytes. */
static void check_any_order(struct model *model, const struct cluster *cluster, const struct allocations *wanted)
{
	const void *services[MAX_SERVICES], *pools[MAX_POOLS];
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

static bool write_statuses(struct model *model, const struct allocations *allocations)
{
	bool changed = false;
	size_t i, j;

	for (i = 0; i < MAX_SERVICES; i++) {
		struct spec *spec = &model->specs[i];
		const struct allocation *answer = spec->exists ? answer_for(allocations, spec) : NULL;

		if (!answer)
			continue;
		changed |= answer->n_addresses != spec->n_status;
		for (j = 0; j < answer->n_addresses; j++) {
			changed |= !among(&answer->addresses[j], spec->status, spec->n_status);
			spec->status[j] = answer->addresses[j];
		}
		spec->n_status = answer->n_addresses;
	}
	return changed;
}

/* One round of the controller; did it change a status? A crash loses the answer before it was written. */
static bool reconcile(struct model *model, bool crash)
{
	struct world world = { 0 };
	struct allocations allocations;
	const struct cluster *cluster;
	bool changed;

	build(&world, model);
	cluster = world_cluster(&world);
	assert_int_equal(allocate(cluster, false, &allocations), 0);
	check_answer(model, &allocations);
	check_any_order(model, cluster, &allocations);
	changed = !crash && write_statuses(model, &allocations);
	allocations_done(&allocations);
	world_done(&world);
	return changed;
}

static void run(uint64_t seed)
{
	struct model model = { .random = { seed * 2654435761u + 1 } };
	size_t i;
	int rounds;

	current_seed = seed;
	for (i = 0; i < MAX_POOLS; i++)
		random_pool(&model, i);
	for (current_step = 0; current_step < STEPS; current_step++) {
		random_step(&model);
		if (reconcile(&model, chance(&model.random, 20)) && chance(&model.random, 50))
			continue; /* the next edit comes before the controller is through */
		for (rounds = 0; reconcile(&model, false); rounds++)
			CHECK(rounds < 2 * MAX_SERVICES, "it never comes to rest\n");
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
