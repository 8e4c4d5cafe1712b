// SPDX-License-Identifier: Apache-2.0
/* What a run has come to, as `struct allocations`: Services with their addresses, pools with their counts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/run.h"
#include "userspace/base/parse.h"

static bool was_in_status(const struct service *service, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < service->n_ingress; i++)
		if (addr_equal(&service->ingress[i].addr, addr))
			return true;
	return false;
}

static bool may_be_asked(const struct claim *claim, const struct pool *pool)
{
	const struct request *request = &claim->request;

	return pool_selects(pool, claim->service, claim->tenant) == POOL_SELECTS &&
	       (!request->pools_given || strings_contain(&request->pools, pool->spec->meta.name));
}

/* Might the Service have got something if those that move had moved already? */
static bool is_passing(const struct run *run, const struct claim *claim)
{
	size_t i;

	if (strcmp(claim->reason, QUOTA_EXCEEDED) != 0)
		return false;
	for (i = 0; i < run->book.n_pools; i++) {
		const struct pool *pool = &run->book.pools[i];

		if (pool->left_by_tenant && pool->left_by_tenant[claim->tenant - run->tenants] &&
		    may_be_asked(claim, pool))
			return true;
	}
	return false;
}

static int write_allocation(const struct run *run, const struct claim *claim, struct arena *arena,
			    struct allocation *ret)
{
	const struct service *service = claim->service;
	bool v6_first = service->n_ip_families && service->ip_families[0] == ADDR_IPV6;
	const struct used_address *entry;
	unsigned i;

	*ret = (struct allocation){ .pool = "", .reason = claim->reason, .passing = is_passing(run, claim) };
	for (i = 0; i < SLOT_COUNT; i++) {
		const struct addr *addr = &claim->result[v6_first ? SLOT_COUNT - 1 - i : i];

		if (addr->family != ADDR_NONE)
			ret->addresses[ret->n_addresses++] = *addr;
	}
	ret->kept = ret->n_addresses > 0;
	for (i = 0; i < ret->n_addresses; i++)
		ret->kept &= was_in_status(service, &ret->addresses[i]);
	entry = ret->n_addresses ? used_find(&run->used, &ret->addresses[0]) : NULL;
	if (entry && entry->owner)
		ret->pool = arena_string(arena, entry->owner->spec->meta.name);
	ret->namespace = arena_string(arena, service->meta.namespace);
	ret->name = arena_string(arena, service->meta.name);
	ret->message = arena_string(arena, claim->message);
	return ret->namespace && ret->name && ret->pool && ret->message ? 0 : -ENOMEM;
}

static int compare_allocations(const void *a, const void *b)
{
	const struct allocation *left = a, *right = b;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

static bool is_sorted(const struct allocations *allocations)
{
	size_t i;

	for (i = 1; i < allocations->n_services; i++)
		if (compare_allocations(&allocations->services[i - 1], &allocations->services[i]) > 0)
			return false;
	return true;
}

static int write_services(const struct run *run, struct allocations *ret)
{
	size_t i;
	int r;

	ret->services = arena_array(&ret->arena, run->n_claims, sizeof(*ret->services));
	if (!ret->services)
		return -ENOMEM;
	for (i = 0; i < run->n_claims; i++) {
		if (!run->claims[i].ours)
			continue;
		r = write_allocation(run, &run->claims[i], &ret->arena, &ret->services[ret->n_services]);
		if (r < 0)
			return r;
		ret->n_services++;
	}
	if (!is_sorted(ret)) /* they come by age, which often is the same order */
		qsort(ret->services, ret->n_services, sizeof(*ret->services), compare_allocations);
	return 0;
}

static const char *health_word(enum pool_health health)
{
	switch (health) {
	case POOL_READY:
		return "";
	case POOL_DISABLED:
		return "Disabled";
	case POOL_CONFLICT:
		return "Conflict";
	case POOL_INVALID:
		return "Invalid";
	}
	return "";
}

/* What every Service holds after the run counts as assigned, of whatever class it is. */
static void count_assigned(const struct run *run, struct pool_usage *usages)
{
	size_t i;

	for (i = 0; i < run->used.size; i++) {
		const struct used_address *entry = &run->used.table[i];
		struct pool_usage *usage;

		if (entry->addr.family == ADDR_NONE || !entry->owner || !used_is_held(entry))
			continue;
		usage = &usages[entry->owner - run->book.pools];
		if (entry->addr.family == ADDR_IPV6)
			usage->assigned_v6++;
		else
			usage->assigned_v4++;
		if (entry->owner->health != POOL_READY || pool_avoids(entry->owner, &entry->addr))
			continue;
		if (entry->addr.family == ADDR_IPV6)
			usage->available_v6--;
		else
			usage->available_v4--;
	}
}

static int write_pools(const struct run *run, struct allocations *ret)
{
	size_t i;

	ret->pools = arena_array(&ret->arena, run->book.n_pools, sizeof(*ret->pools));
	if (!ret->pools)
		return -ENOMEM;
	for (i = 0; i < run->book.n_pools; i++) {
		const struct pool *pool = &run->book.pools[i];
		struct pool_usage *usage = &ret->pools[i];

		usage->ready = pool->health == POOL_READY;
		usage->reason = health_word(pool->health);
		if (usage->ready) {
			usage->available_v4 = (uint64_t)pool->slots[SLOT_IPV4].usable;
			usage->available_v6 = pool->slots[SLOT_IPV6].usable;
		}
		usage->name = arena_string(&ret->arena, pool->spec->meta.name);
		usage->message = arena_string(&ret->arena, pool->message);
		if (!usage->name || !usage->message)
			return -ENOMEM;
	}
	ret->n_pools = run->book.n_pools;
	count_assigned(run, ret->pools);
	return 0;
}

int allocations_write(struct allocations *ret, const struct run *run)
{
	int r = write_services(run, ret);

	return r < 0 ? r : write_pools(run, ret);
}

void allocations_done(struct allocations *allocations)
{
	if (!allocations)
		return;
	arena_done(&allocations->arena);
	*allocations = (struct allocations){ 0 };
}

bool allocations_satisfied(const struct allocations *allocations)
{
	size_t i;

	for (i = 0; i < allocations->n_services; i++)
		if (*allocations->services[i].reason)
			return false;
	for (i = 0; i < allocations->n_pools; i++)
		if (!allocations->pools[i].ready && !text_equal(allocations->pools[i].reason, "Disabled"))
			return false;
	return true;
}
