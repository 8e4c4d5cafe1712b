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
#include <string.h>

#include "ipam/run.h"
#include "userspace/base/cleanup.h"

/* --- phase one: statuses ------------------------------------------------------------------------------- */

static bool is_repeated(const struct service *service, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (addr_equal(&service->ingress[j].addr, &service->ingress[i].addr))
			return true;
	return false;
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
		return 0; /* see import_surplus() */
	if (!deleting && !pool_book_owner(&run->book, addr)) {
		/* Which addresses an entry meant that cannot be read is unknown: better one kept too long than a typing
		 * error in a pool that takes addresses from running Services. */
		if (!run->book.any_unreadable || addr_why_unusable(addr))
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
	return run_hold(run, claim, addr);
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
		r = claim->ours ? import_own(run, claim, addr) : run_hold(run, claim, addr);
	}
	return r;
}

/* A Service has one address of each family: a further one is not kept, but stays taken in this run. Only when all that is
 * kept is known: one who gives an address up takes it from nobody who shares it. */
static int import_surplus(struct run *run, struct claim *claim)
{
	const struct service *service = claim->service;
	size_t i;
	int r;

	for (i = 0; claim->ours && i < service->n_ingress; i++) {
		const struct addr *addr = &service->ingress[i].addr;

		if (addr->family == ADDR_NONE || claim->held[family_slot(addr->family)].family == ADDR_NONE ||
		    used_find(&run->used, addr))
			continue;
		r = run_hold(run, claim, addr);
		if (r < 0)
			return r;
		run_leave(run, claim, addr);
	}
	return 0;
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
	const struct wish *wish;      /* what the message is about; NULL: no wish */
};

/* Both addresses of an exact request must be one pool's. */
static struct candidates exact_candidates(struct run *run, const struct claim *claim)
{
	struct candidates ret = { .pools = run->candidates, .by_name = true, .wish = &claim->request.ips_wish };
	unsigned slot;
	size_t i, n;
	struct pool *owner = NULL;

	for (slot = 0; slot < SLOT_COUNT; slot++) {
		const struct addr *wish = &claim->request.ips[slot];
		struct pool *pool = wish->family == ADDR_NONE ? owner : pool_book_owner(&run->book, wish);

		if (wish->family != ADDR_NONE && !pool) {
			ret.reason = "AddressNotInPool";
			ret.message = "no pool contains the address";
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
		ret.message = "there is no pool of this name";
		ret.wish = &claim->request.pools_wish;
	}
	if (move || !n_held_wanted(claim) || ret.reason)
		return ret;
	keep_only_own_pool(run, claim, &ret);
	if (!ret.n) {
		ret.reason = "NoMatchingPool";
		ret.wish = NULL;
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
			r = run_hold(run, claim, new);
			if (r < 0)
				return r;
		}
		if (old->family != ADDR_NONE)
			run_leave(run, claim, old);
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
	if (candidates.reason && candidates.wish)
		r = answer_wish_refused(run, claim, candidates.reason, candidates.wish, candidates.message);
	else if (candidates.reason)
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
		r = import_surplus(&run, &run.claims[i]);
	for (i = 0; i < run.n_claims && r == 0; i++)
		r = resolve(&run, &run.claims[i]);
	if (r == 0)
		r = allocations_write(&allocations, &run);
	if (r < 0) {
		allocations_done(&allocations);
		return r;
	}
	*ret = allocations;
	return 0;
}
