// SPDX-License-Identifier: Apache-2.0
/* Random Services and pools: see random_services.h. */
#include "tests/unit/random_services.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t random_below(struct random *random, uint32_t n)
{
	random->state = random->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random->state >> 33) % n;
}

bool random_chance(struct random *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}

/* --- what is there ------------------------------------------------------------------------------------- */

static const char *const namespaces[] = { "a", "b", "c" };
/* The first row of each pool is disjoint from the others' first rows; the rest overlaps, is Invalid, or moves
 * away. */
static const char *const range_sets[RANDOM_POOLS][4] = {
	{ "192.0.2.0/30 2001:db8::/126", "192.0.2.0/29 2001:db8::/126", "192.0.2.2/31", "192.0.2.1/30" },
	{ "198.51.100.252-198.51.101.3 2001:db8:1::/64", "198.51.100.0/24", "192.0.2.3-192.0.2.9",
	  "2001:db8:1::/64" },
	{ "192.0.2.4-192.0.2.9", "192.0.2.6-192.0.2.9 2001:db8:2::/125", "2001:db8::2/127",
	  "192.0.2.4/31 192.0.2.4/32" },
	{ "2001:db8:3::/125", "203.0.113.0/29 2001:db8:3::7/128", "2001:db8:3::/126", "203.0.113.7/29" },
	{ "203.0.113.7/32 2001:db8:4::7/128", "203.0.113.6/31 2001:db8:4::6/127", "203.0.113.0/24",
	  "127.0.0.0/8" },
};
static const char *const wishes[] = {
	"192.0.2.1",	 "192.0.2.6", "198.51.100.255", "2001:db8::1", "192.0.2.2,2001:db8::2", "203.0.113.7",
	"2001:db8:1::9", "bad"
};

static void random_wishes(struct random_world *model, struct random_service *spec)
{
	struct random *random = &model->random;

	spec->ips[0] = spec->pool[0] = 0;
	if (random_chance(random, 15))
		snprintf(spec->ips, sizeof(spec->ips), "%s",
			 wishes[random_below(random, sizeof(wishes) / sizeof(*wishes))]);
	if (random_chance(random, 10))
		snprintf(spec->pool, sizeof(spec->pool), "p%u", random_below(random, RANDOM_POOLS));
}

static void random_sharing(struct random_world *model, struct random_service *spec)
{
	static const char *const lists[] = { "", "a,b", "*", "b, c" };

	spec->key = random_chance(&model->random, 70) ? 1 + (int)random_below(&model->random, 2) : 0;
	spec->key_namespaces = lists[random_below(&model->random, 4)];
	spec->port = 80 + (int)random_below(&model->random, 6);
	spec->local = random_chance(&model->random, 15);
}

static void random_families(struct random_world *model, struct random_service *spec)
{
	static const struct {
		const char *families;
		enum ip_family_policy policy;
	} choices[] = { { "4", FAMILY_SINGLE_STACK },	     { "6", FAMILY_SINGLE_STACK },
			{ "46", FAMILY_REQUIRE_DUAL_STACK }, { "64", FAMILY_PREFER_DUAL_STACK },
			{ "46", FAMILY_PREFER_DUAL_STACK },  { "", FAMILY_POLICY_UNSET } };
	size_t i = random_below(&model->random, 6);

	spec->families = choices[i].families;
	spec->policy = choices[i].policy;
}

static void new_service(struct random_world *model, size_t i)
{
	struct random_service *spec = &model->services[i];

	*spec = (struct random_service){ .exists = true, .name = (int)i };
	spec->namespace = (int)random_below(&model->random, 3);
	spec->created =
		random_chance(&model->random, 70) ? ++model->clock : (int)random_below(&model->random, 20);
	spec->foreign = random_chance(&model->random, 10);
	random_families(model, spec);
	random_wishes(model, spec);
	random_sharing(model, spec);
	if (spec->foreign && random_chance(&model->random, 70)) {
		addr_parse(wishes[random_below(&model->random, 4)], &spec->status[0]);
		spec->n_status = 1;
	}
}

static void new_pool(struct random_world *model, size_t i)
{
	struct random *random = &model->random;

	model->pools[i] = (struct random_pool){
		.exists = true,
		.created = (int)random_below(random, 10),
		.ranges = random_chance(random, 65) ? 0 : 1 + (int)random_below(random, 3),
		.disabled = random_chance(random, 15),
		.manual = random_chance(random, 15),
		.buggy = random_chance(random, 30),
		.only_a = random_chance(random, 8),
		.quota = random_chance(random, 25) ? 1 + (int)random_below(random, 3) : 0,
	};
}

void random_world_init(struct random_world *model, uint64_t seed)
{
	size_t i;

	*model = (struct random_world){ .random = { seed * 2654435761u + 1 } };
	for (i = 0; i < RANDOM_POOLS; i++)
		new_pool(model, i);
}

void random_edit(struct random_world *model)
{
	struct random *random = &model->random;
	size_t i = random_below(random, RANDOM_SERVICES), p = random_below(random, RANDOM_POOLS);
	struct random_service *spec = &model->services[i];

	switch (random_below(random, 10)) {
	case 0:
	case 1:
	case 2:
		if (!spec->exists)
			new_service(model, i);
		else if (random_chance(random, 30))
			*spec = (struct random_service){ 0 };
		else
			spec->deleting = random_chance(random, 10);
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
		if (random_chance(random, 20))
			model->pools[p].exists = false;
		else
			new_pool(model, p);
		break;
	case 8:
		model->pools[p].disabled = random_chance(random, 25);
		break;
	case 9:
		spec->foreign = spec->exists && random_chance(random, 10);
		break;
	}
}

/* --- the world as a cluster ---------------------------------------------------------------------------- */

struct service *random_service_add(struct world *world, const struct random_service *spec)
{
	char text[160];
	struct service *service;

	snprintf(text, sizeof(text), "%s/s%d", namespaces[spec->namespace], spec->name);
	service = world_service(world, text);
	service->meta.created_sec = spec->created;
	service->meta.deleting = spec->deleting;
	if (spec->foreign)
		service->load_balancer_class = "other.io/lb";
	if (spec->cluster_ip) {
		service->type = SERVICE_CLUSTER_IP;
		service->load_balancer_class = NULL;
	}
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
	world_label(world, &service->meta.annotations, "fairway.dev/shared-ip-namespaces",
		    spec->key_namespaces);
	world_label(world, &service->meta.annotations, "fairway.dev/ips", spec->ips);
	world_label(world, &service->meta.annotations, "fairway.dev/pool", spec->pool);
	service->ingress = arena_array(&world->arena, 2, sizeof(*service->ingress));
	for (; service->n_ingress < spec->n_status; service->n_ingress++)
		service->ingress[service->n_ingress].addr = spec->status[service->n_ingress];
	return service;
}

static void add_pool(struct world *world, const struct random_pool *spec, size_t i)
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

void random_pools_add(struct world *world, const struct random_world *model)
{
	size_t i;

	for (i = 0; i < RANDOM_POOLS; i++)
		if (model->pools[i].exists)
			add_pool(world, &model->pools[i], i);
}

void random_world_build(struct world *world, const struct random_world *model)
{
	size_t i;

	for (i = 0; i < RANDOM_SERVICES; i++)
		if (model->services[i].exists)
			random_service_add(world, &model->services[i]);
	random_pools_add(world, model);
}

/* --- in words ------------------------------------------------------------------------------------------ */

void random_addrs_say(struct strbuf *out, const struct addr *addresses, size_t n)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < n; i++)
		strbuf_appendf(out, "%s%s", i ? "," : "", addr_format(&addresses[i], text));
	strbuf_append(out, n ? "" : "nothing");
}

static const char *policy_word(enum ip_family_policy policy)
{
	switch (policy) {
	case FAMILY_POLICY_UNSET:
		break;
	case FAMILY_SINGLE_STACK:
		return " SingleStack";
	case FAMILY_PREFER_DUAL_STACK:
		return " PreferDualStack";
	case FAMILY_REQUIRE_DUAL_STACK:
		return " RequireDualStack";
	}
	return "";
}

void random_service_say(struct strbuf *out, const struct random_service *spec)
{
	strbuf_appendf(out, "%s/s%d%s%s%s created %d, families %s%s, port %d%s", namespaces[spec->namespace],
		       spec->name, spec->deleting ? " (deleting)" : "", spec->foreign ? " (foreign)" : "",
		       spec->cluster_ip ? " (ClusterIP)" : "", spec->created,
		       *spec->families ? spec->families : "any", policy_word(spec->policy), spec->port,
		       spec->local ? ", Local" : "");
	if (spec->key)
		strbuf_appendf(out, ", key%d for \"%s\"", spec->key, spec->key_namespaces);
	if (spec->ips[0] || spec->pool[0])
		strbuf_appendf(out, ", wants %s%s%s", spec->ips, spec->ips[0] && spec->pool[0] ? " of " : "",
			       spec->pool);
	strbuf_append(out, ": ");
	random_addrs_say(out, spec->status, spec->n_status);
}

static void say_pool(struct strbuf *out, const struct random_pool *pool, size_t i)
{
	strbuf_appendf(out, "p%zu created %d, %s%s%s%s%s", i, pool->created, range_sets[i][pool->ranges],
		       pool->disabled ? ", disabled" : "", pool->manual ? ", autoAssign false" : "",
		       pool->buggy ? ", avoidBuggyIPs" : "", pool->only_a ? ", for namespace a" : "");
	if (pool->quota)
		strbuf_appendf(out, ", quota %d", pool->quota);
}

void random_world_say(struct strbuf *out, const struct random_world *model)
{
	size_t i;

	for (i = 0; i < RANDOM_SERVICES; i++)
		if (model->services[i].exists) {
			random_service_say(out, &model->services[i]);
			strbuf_append(out, "\n");
		}
	for (i = 0; i < RANDOM_POOLS; i++)
		if (model->pools[i].exists) {
			say_pool(out, &model->pools[i], i);
			strbuf_append(out, "\n");
		}
}

/* --- the rules, a second time -------------------------------------------------------------------------- */

static bool permits(const struct random_service *spec, int namespace)
{
	return *spec->key_namespaces == '*' || strchr(spec->key_namespaces, *namespaces[namespace]);
}

bool random_may_share(const struct random_service *a, const struct random_service *b)
{
	return !a->foreign && !b->foreign && a->key && a->key == b->key && a->port != b->port &&
	       a->local == b->local &&
	       (a->namespace == b->namespace || (permits(a, b->namespace) && permits(b, a->namespace)));
}

bool random_older(const struct random_service *a, const struct random_service *b)
{
	char left[20], right[20];

	if (a->created != b->created)
		return a->created < b->created;
	snprintf(left, sizeof(left), "%s/s%d", namespaces[a->namespace], a->name);
	snprintf(right, sizeof(right), "%s/s%d", namespaces[b->namespace], b->name);
	return strcmp(left, right) < 0;
}

bool random_among(const struct addr *addr, const struct addr *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal(addr, &list[i]))
			return true;
	return false;
}

static bool in_ranges(const struct random_world *model, size_t i, const struct addr *addr)
{
	const struct random_pool *pool = &model->pools[i];
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

bool random_in_any_pool(const struct random_world *model, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < RANDOM_POOLS; i++)
		if (in_ranges(model, i, addr))
			return true;
	return false;
}

static bool asks_for_something_else(const struct random_world *model, const struct random_service *spec,
				    const struct addr *addr)
{
	char copy[100], *save = NULL, *word;
	struct addr wish;

	if (spec->pool[0] && !in_ranges(model, (size_t)(spec->pool[1] - '0'), addr))
		return true;
	/* A move into another pool takes both families along. */
	snprintf(copy, sizeof(copy), "%s", spec->ips);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (addr_parse(word, &wish) == 0 && !addr_equal(&wish, addr) &&
		    !random_among(&wish, spec->status, spec->n_status))
			return true;
	/* … and so does a pool named for the sake of the other family. */
	for (size_t i = 0; spec->pool[0] && i < spec->n_status; i++)
		if (!in_ranges(model, (size_t)(spec->pool[1] - '0'), &spec->status[i]))
			return true;
	return false;
}

bool random_unwanted(const struct random_service *spec, const struct addr *addr)
{
	return *spec->families && !strchr(spec->families, addr->family == ADDR_IPV4 ? '4' : '6');
}

bool random_lost_to_older(const struct random_world *model, const struct random_service *spec,
			  const struct addr *addr)
{
	size_t i;

	for (i = 0; i < RANDOM_SERVICES; i++) {
		const struct random_service *other = &model->services[i];

		if (other != spec && other->exists && random_among(addr, other->status, other->n_status) &&
		    random_older(other, spec) && !random_may_share(other, spec))
			return true;
	}
	return false;
}

bool random_may_lose(const struct random_world *model, const struct random_service *spec,
		     const struct addr *addr)
{
	return !random_in_any_pool(model, addr) || random_lost_to_older(model, spec, addr) ||
	       random_unwanted(spec, addr) || asks_for_something_else(model, spec, addr);
}

/* --- answers ------------------------------------------------------------------------------------------- */

const struct allocation *random_answer(const struct allocations *allocations,
				       const struct random_service *spec)
{
	char name[8];
	size_t i;

	snprintf(name, sizeof(name), "s%d", spec->name);
	for (i = 0; i < allocations->n_services; i++)
		if (!strcmp(allocations->services[i].name, name))
			return &allocations->services[i];
	return NULL;
}

bool random_take_answers(struct random_world *model, const struct allocations *allocations)
{
	bool changed = false;
	size_t i, j;

	for (i = 0; i < RANDOM_SERVICES; i++) {
		struct random_service *spec = &model->services[i];
		const struct allocation *answer = spec->exists ? random_answer(allocations, spec) : NULL;

		if (!answer)
			continue;
		changed |= answer->n_addresses != spec->n_status;
		for (j = 0; j < answer->n_addresses; j++) {
			changed |= !random_among(&answer->addresses[j], spec->status, spec->n_status);
			spec->status[j] = answer->addresses[j];
		}
		spec->n_status = answer->n_addresses;
	}
	return changed;
}
