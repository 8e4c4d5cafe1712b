// SPDX-License-Identifier: Apache-2.0
/* ServiceIP allocation in two phases, see allocator.h.
 *
 * Phase one takes every address that any LoadBalancer Service has in its status, oldest Service first; of two that hold
 * one address without the right to share it the younger loses it. Phase two goes through our Services, oldest first:
 * whoever holds what it asks for keeps it; the others get an offer from the pools that may serve them (offer.c), or
 * keep what they have and a reason (answer.c).
 *
 * What a Service gives up in phase two (a wish granted, a family no longer asked for) is given to nobody in the same
 * run: it is still in a status, and its routes and frontends go first. The next run, with the new statuses, has it. */
#include "ipam/allocator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/run.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define OUR_CLASS "fairway.dev/lb"

/* --- the run's state ----------------------------------------------------------------------------------- */

static bool is_ours(const struct service *service, bool default_class)
{
	return service->load_balancer_class ? text_equal(service->load_balancer_class, OUR_CLASS) : default_class;
}

static int compare_age(const void *a, const void *b)
{
	const struct meta *left = &((const struct claim *)a)->service->meta;
	const struct meta *right = &((const struct claim *)b)->service->meta;
	int order;

	if (left->created_sec != right->created_sec)
		return left->created_sec < right->created_sec ? -1 : 1;
	order = text_compare(left->namespace, right->namespace);
	return order ? order : text_compare(left->name, right->name);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts and drops repetitions. */
static size_t unique_texts(const char **texts, size_t n)
{
	size_t i, kept = 0;

	qsort(texts, n, sizeof(*texts), compare_texts);
	for (i = 0; i < n; i++)
		if (!kept || strcmp(texts[kept - 1], texts[i]) != 0)
			texts[kept++] = texts[i];
	return kept;
}

static int collect_claims(struct run *run, const struct cluster *cluster, bool default_class, size_t *ret_n_addresses)
{
	size_t i, n_addresses = 0;

	run->claims = arena_array(&run->arena, cluster->n_services, sizeof(*run->claims));
	if (!run->claims)
		return -ENOMEM;
	for (i = 0; i < cluster->n_services; i++) {
		const struct service *service = cluster->services[i];

		if (service->type != SERVICE_LOAD_BALANCER)
			continue;
		run->claims[run->n_claims++] = (struct claim){
			.service = service,
			.ours = is_ours(service, default_class),
			.reason = "",
			.message = "",
		};
		n_addresses += service->n_ingress + SLOT_COUNT;
	}
	qsort(run->claims, run->n_claims, sizeof(*run->claims), compare_age);
	*ret_n_addresses = n_addresses;
	return 0;
}

static int collect_tenants(struct run *run, const struct cluster *cluster)
{
	const char **names = arena_array(&run->arena, run->n_claims, sizeof(*names));
	size_t i, n = 0;
	int r;

	if (!names)
		return -ENOMEM;
	for (i = 0; i < run->n_claims; i++)
		if (run->claims[i].ours)
			names[n++] = run->claims[i].service->meta.namespace;
	n = unique_texts(names, n);
	run->tenants = arena_array(&run->arena, n, sizeof(*run->tenants));
	if (!run->tenants)
		return -ENOMEM;
	for (; run->n_tenants < n; run->n_tenants++) {
		r = tenant_init(&run->tenants[run->n_tenants], &run->arena, cluster, names[run->n_tenants]);
		if (r < 0)
			return r;
	}
	for (i = 0; i < run->n_claims; i++)
		if (run->claims[i].ours)
			run->claims[i].tenant = bsearch(&run->claims[i].service->meta.namespace, run->tenants, n,
							sizeof(*run->tenants), compare_texts);
	return 0;
}

static int collect_requests(struct run *run)
{
	const char **keys = arena_array(&run->arena, run->n_claims, sizeof(*keys));
	struct sharing_group *groups;
	size_t i, n = 0;
	int r;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < run->n_claims; i++) {
		struct claim *claim = &run->claims[i];

		if (!claim->ours)
			continue;
		r = request_parse(&claim->request, &run->arena, claim->service);
		if (r < 0)
			return r;
		if (claim->request.sharing_key)
			keys[n++] = claim->request.sharing_key;
	}
	n = unique_texts(keys, n);
	groups = arena_array(&run->arena, n, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		groups[i].key = keys[i];
	for (i = 0; i < run->n_claims; i++)
		if (run->claims[i].request.sharing_key)
			run->claims[i].group = bsearch(&run->claims[i].request.sharing_key, groups, n, sizeof(*groups),
						       compare_texts);
	return 0;
}

/* bsearch() above compares a name with an element by the element's first member. */
_Static_assert(offsetof(struct tenant, name) == 0 && offsetof(struct sharing_group, key) == 0,
	       "the text searched for comes first");

static int run_init(struct run *run, const struct cluster *cluster, bool default_class)
{
	size_t n_addresses;
	int r = collect_claims(run, cluster, default_class, &n_addresses);

	if (r == 0)
		r = collect_tenants(run, cluster);
	if (r == 0)
		r = collect_requests(run);
	if (r == 0)
		r = pool_book_init(&run->book, &run->arena, cluster, run->n_tenants);
	if (r == 0)
		r = used_init(&run->used, &run->arena, n_addresses);
	if (r < 0)
		return r;
	run->candidates = arena_array(&run->arena, run->book.n_pools, sizeof(*run->candidates));
	return run->candidates ? 0 : -ENOMEM;
}

static void run_done(struct run *run)
{
	arena_done(&run->arena);
}

/* --- holding and leaving ------------------------------------------------------------------------------- */

static void count_quota(struct run *run, const struct used_address *entry, const struct claim *claim, int change)
{
	uint32_t *held = entry->owner ? entry->owner->held_by_tenant : NULL;

	if (held && claim->ours && !tenant_holds(run, claim, entry))
		held[claim->tenant - run->tenants] += (uint32_t)change;
}

static int hold(struct run *run, struct claim *claim, const struct addr *addr)
{
	struct used_address *entry;
	bool is_new;

	entry = used_hold(&run->used, &run->arena, addr, (size_t)(claim - run->claims), &is_new);
	if (!entry)
		return -ENOMEM;
	if (is_new) {
		entry->owner = pool_book_owner(&run->book, addr);
		pool_book_count(entry->owner, addr);
	}
	count_quota(run, entry, claim, 1);
	if (claim->group && !entry->group &&
	    group_add(claim->group, &run->arena, entry, service_a_port(claim->service)) < 0)
		return -ENOMEM;
	return note_holder(run, entry);
}

static void leave(struct run *run, struct claim *claim, const struct addr *addr)
{
	const struct used_address *entry = used_find(&run->used, addr);

	used_leave(&run->used, addr, (size_t)(claim - run->claims));
	count_quota(run, entry, claim, -1);
}

/* --- phase one: statuses ------------------------------------------------------------------------------- */

static bool is_repeated(const struct service *service, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (addr_equal(&service->ingress[j].addr, &service->ingress[i].addr))
			return true;
	return false;
}

/* A Service has one address of each family: a further one is not kept, but stays taken in this run. */
static int import_surplus(struct run *run, struct claim *claim, const struct addr *addr)
{
	int r = hold(run, claim, addr);

	if (r == 0)
		leave(run, claim, addr);
	return r;
}

/* An address of ours: kept, or lost with a reason. */
static int import_own(struct run *run, struct claim *claim, const struct addr *addr)
{
	bool deleting = claim->service->meta.deleting, wanted = request_wants(&claim->request, addr->family);
	const struct claim *other;
	const char *why;
	char text[ADDR_TEXT_MAX];
	int r = 0;

	if (claim->held[family_slot(addr->family)].family != ADDR_NONE)
		return import_surplus(run, claim, addr);
	if (!deleting && !pool_book_owner(&run->book, addr)) {
		/* Which addresses an entry meant that cannot be read is unknown: better one kept too long than a typing
		 * error in a pool that takes addresses from running Services. */
		if (!run->book.any_unreadable)
			return wanted ? answer_lost(run, claim, "AddressNotInPool", addr, NULL, NULL) : 0;
		r = answer_refused(run, claim, "AddressNotInPool",
				   "%s is kept although no pool contains it: a pool has an entry that cannot be read",
				   addr_format(addr, text));
		if (r < 0)
			return r;
	}
	other = holder_in_the_way(run, claim, addr, &why);
	if (other)
		return wanted || deleting ? answer_lost(run, claim, "AddressInUse", addr, other, why) : 0;
	claim->held[family_slot(addr->family)] = *addr;
	return hold(run, claim, addr);
}

static int import_status(struct run *run, struct claim *claim)
{
	const struct service *service = claim->service;
	size_t i;
	int r = 0;

	for (i = 0; i < service->n_ingress && r == 0; i++) {
		const struct addr *addr = &service->ingress[i].addr;

		if (addr->family == ADDR_NONE || is_repeated(service, i))
			continue;
		r = claim->ours ? import_own(run, claim, addr) : hold(run, claim, addr);
	}
	return r;
}

/* --- phase two: requests ------------------------------------------------------------------------------- */

static bool holds_wanted(const struct claim *claim, size_t i)
{
	return claim->held[family_slot(claim->request.families[i])].family != ADDR_NONE;
}

static size_t n_held_wanted(const struct claim *claim)
{
	size_t i, n = 0;

	for (i = 0; i < claim->request.n_families; i++)
		n += holds_wanted(claim, i);
	return n;
}

static bool contains_all_held(const struct claim *claim, const struct pool *pool)
{
	size_t i;

	for (i = 0; i < claim->request.n_families; i++)
		if (holds_wanted(claim, i) && !pool_contains(pool, &claim->held[family_slot(claim->request.families[i])]))
			return false;
	return true;
}

static bool in_named_pools(const struct run *run, const struct claim *claim)
{
	size_t i;

	for (i = 0; i < claim->request.pools.n; i++) {
		const struct pool *pool = pool_book_find(&run->book, claim->request.pools.items[i]);

		if (pool && contains_all_held(claim, pool))
			return true;
	}
	return false;
}

/* Does the Service ask for something else than it holds? A missing family is no such wish. */
static bool wishes_to_move(const struct run *run, const struct claim *claim)
{
	unsigned slot;

	for (slot = 0; slot < SLOT_COUNT; slot++)
		if (claim->request.ips[slot].family != ADDR_NONE &&
		    !addr_equal(&claim->request.ips[slot], &claim->held[slot]))
			return true;
	return claim->request.pools_given && !in_named_pools(run, claim);
}

static size_t named_candidates(struct run *run, const struct claim *claim)
{
	size_t i, n = 0;

	for (i = 0; i < claim->request.pools.n && n < run->book.n_pools; i++) {
		struct pool *pool = pool_book_find(&run->book, claim->request.pools.items[i]);

		if (pool)
			run->candidates[n++] = pool;
	}
	return n;
}

/* Nothing tells the family: IPv4, unless only pools without it would serve. Disabled ones count too, so that the answer
 * follows from what is set up, not from what happens to be in use. */
static void settle_family(struct run *run, struct claim *claim)
{
	bool named = claim->request.pools_given, v4 = false, v6 = false;
	size_t i, n = named ? named_candidates(run, claim) : run->book.n_pools;

	for (i = 0; i < n; i++) {
		const struct pool *pool = named ? run->candidates[i] : &run->book.pools[i];

		if (pool->health == POOL_INVALID || (!named && !pool->spec->auto_assign) ||
		    pool_selects(pool, claim->service, claim->tenant) != POOL_SELECTS)
			continue;
		v4 |= pool_has_family(pool, ADDR_IPV4);
		v6 |= pool_has_family(pool, ADDR_IPV6);
	}
	if (v6 && !v4)
		claim->request.families[0] = ADDR_IPV6;
}

struct candidates {
	struct pool *const *pools;
	size_t n;
	bool by_name;
	const char *reason, *message; /* set: there is nothing to try */
};

/* Both addresses of an exact request must be one pool's. */
static struct candidates exact_candidates(struct run *run, const struct claim *claim)
{
	struct candidates ret = { .pools = run->candidates, .by_name = true };
	unsigned slot;
	size_t i, n;
	struct pool *owner = NULL;

	for (slot = 0; slot < SLOT_COUNT; slot++) {
		const struct addr *wish = &claim->request.ips[slot];
		struct pool *pool = wish->family == ADDR_NONE ? owner : pool_book_owner(&run->book, wish);

		if (wish->family != ADDR_NONE && !pool) {
			ret.reason = "AddressNotInPool";
			ret.message = "no pool contains the requested address";
			return ret;
		}
		if (owner && pool != owner) {
			ret.reason = "InvalidRequest";
			ret.message = "the requested addresses are of two pools, and both families come from one pool";
			return ret;
		}
		owner = pool;
	}
	n = claim->request.pools_given ? named_candidates(run, claim) : 0;
	if (claim->request.pools_given && !n)
		return ret;
	for (i = 0; i < n && run->candidates[i] != owner; i++)
		;
	if (n && i == n) {
		ret.reason = "AddressNotInPool";
		ret.message = "the requested address is not in the requested pool";
		return ret;
	}
	run->candidates[0] = owner;
	ret.n = 1;
	return ret;
}

/* A Service that holds an address of one family and lacks the other gets it from the pool that it is in. */
static void keep_only_own_pool(struct run *run, const struct claim *claim, struct candidates *candidates)
{
	size_t i, n = 0;

	for (i = 0; i < candidates->n; i++)
		if (contains_all_held(claim, candidates->pools[i]))
			run->candidates[n++] = candidates->pools[i];
	candidates->pools = run->candidates;
	candidates->n = n;
}

static struct candidates find_candidates(struct run *run, const struct claim *claim, bool move)
{
	struct candidates ret = { .pools = run->candidates, .by_name = true };
	bool exact = claim->request.ips[SLOT_IPV4].family || claim->request.ips[SLOT_IPV6].family;

	if (exact) {
		ret = exact_candidates(run, claim);
	} else if (claim->request.pools_given) {
		ret.n = named_candidates(run, claim);
	} else {
		ret.by_name = false;
		ret.pools = run->book.by_preference;
		ret.n = run->book.n_pools;
	}
	if (claim->request.pools_given && !ret.n && !ret.reason) {
		ret.reason = "PoolNotFound";
		ret.message = "there is no pool of the requested name";
	}
	if (move || !n_held_wanted(claim) || ret.reason)
		return ret;
	keep_only_own_pool(run, claim, &ret);
	if (!ret.n) {
		ret.reason = "NoMatchingPool";
		ret.message = "no pool contains what it holds, and both families come from one pool";
	}
	return ret;
}

static bool find_best_offer(const struct run *run, const struct claim *claim, const struct candidates *candidates,
			    struct offer *ret)
{
	bool found = false;
	size_t i;

	for (i = 0; i < candidates->n; i++) {
		struct offer offer = offer_of_pool(run, claim, candidates->pools[i], candidates->by_name);

		if (!offer_fits(claim, &offer) || (found && !offer_is_better(claim, &offer, ret)))
			continue;
		*ret = offer;
		found = true;
		if (!claim->group && offer.n_given == claim->request.n_families)
			break;
	}
	return found;
}

static int apply(struct run *run, struct claim *claim, const struct addr result[static SLOT_COUNT])
{
	unsigned slot;
	int r;

	memcpy(claim->result, result, sizeof(claim->result));
	for (slot = 0; slot < SLOT_COUNT; slot++) {
		const struct addr *old = &claim->held[slot], *new = &claim->result[slot];

		if (addr_equal(old, new))
			continue;
		if (new->family != ADDR_NONE) {
			r = hold(run, claim, new);
			if (r < 0)
				return r;
		}
		if (old->family != ADDR_NONE)
			leave(run, claim, old);
	}
	return 0;
}

static int apply_held_wanted(struct run *run, struct claim *claim)
{
	struct addr result[SLOT_COUNT] = { 0 };
	size_t i;

	for (i = 0; i < claim->request.n_families; i++) {
		unsigned slot = family_slot(claim->request.families[i]);

		result[slot] = claim->held[slot];
	}
	return apply(run, claim, result);
}

static int serve(struct run *run, struct claim *claim)
{
	struct candidates candidates;
	struct offer offer;
	bool move;
	int r;

	if (claim->request.any_family)
		settle_family(run, claim);
	move = wishes_to_move(run, claim);
	if (!move && n_held_wanted(claim) == claim->request.n_families)
		return apply_held_wanted(run, claim);

	candidates = find_candidates(run, claim, move);
	if (!candidates.reason && find_best_offer(run, claim, &candidates, &offer))
		return apply(run, claim, offer.addrs);
	if (!move && !claim->request.all_or_nothing && n_held_wanted(claim))
		return apply_held_wanted(run, claim); /* the second family is a preference, not a request */
	if (candidates.reason)
		r = answer_refused(run, claim, candidates.reason, "%s", candidates.message);
	else
		r = answer_no_offer(run, claim, candidates.pools, candidates.n, candidates.by_name);
	return r < 0 ? r : apply(run, claim, claim->held);
}

static int resolve(struct run *run, struct claim *claim)
{
	int r;

	if (!claim->ours)
		return 0;
	if (claim->service->meta.deleting)
		return apply(run, claim, claim->held); /* holds what it has until it is gone, and gets nothing more */
	if (!claim->request.invalid)
		return serve(run, claim);
	r = answer_refused(run, claim, "InvalidRequest", "%s", claim->request.invalid);
	return r < 0 ? r : apply(run, claim, claim->held);
}

/* --- the answer ---------------------------------------------------------------------------------------- */

static bool was_in_status(const struct service *service, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < service->n_ingress; i++)
		if (addr_equal(&service->ingress[i].addr, addr))
			return true;
	return false;
}

static int write_allocation(const struct run *run, const struct claim *claim, struct arena *arena,
			    struct allocation *ret)
{
	const struct service *service = claim->service;
	bool v6_first = service->n_ip_families && service->ip_families[0] == ADDR_IPV6;
	const struct used_address *entry;
	unsigned i;

	*ret = (struct allocation){ .pool = "", .reason = claim->reason };
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

int allocate(const struct cluster *cluster, bool default_class, struct allocations *ret)
{
	cleanup(run_done) struct run run = { 0 };
	struct allocations allocations = { 0 };
	size_t i;
	int r;

	r = run_init(&run, cluster, default_class);
	for (i = 0; i < run.n_claims && r == 0; i++)
		r = import_status(&run, &run.claims[i]);
	for (i = 0; i < run.n_claims && r == 0; i++)
		r = resolve(&run, &run.claims[i]);
	if (r == 0)
		r = write_services(&run, &allocations);
	if (r == 0)
		r = write_pools(&run, &allocations);
	if (r < 0) {
		allocations_done(&allocations);
		return r;
	}
	*ret = allocations;
	return 0;
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
