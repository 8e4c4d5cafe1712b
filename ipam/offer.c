// SPDX-License-Identifier: Apache-2.0
/* What one pool would give one Service (PURE): it decides and changes nothing but the pool's cursor.
 *
 * For each family, in this order: the requested address; the address the Service has already, if the pool contains it;
 * an address that its sharing key holds; the lowest free one. */
#include <errno.h>

#include "ipam/run.h"

#define MANY_HOLDERS 16 /* from then on their ports are worth 24 KiB of bits */

struct sharer claim_sharer(const struct claim *claim)
{
	return (struct sharer){ claim->service, claim->ours ? &claim->request : NULL };
}

int note_holder(struct run *run, struct used_address *entry)
{
	struct holder *holder = entry->last_holder, *other;
	const struct claim *claim = &run->claims[holder->claim];
	const struct sharer self = claim_sharer(claim);

	for (other = entry->spokesmen; other; other = other->next_spokesman) {
		const struct sharer sharer = claim_sharer(&run->claims[other->claim]);

		if (sharing_same_terms(&self, &sharer))
			break;
	}
	if (!other) {
		holder->next_spokesman = entry->spokesmen;
		entry->spokesmen = holder;
	}
	if (entry->port_set) {
		port_set_add(entry->port_set, claim->service);
	} else if (entry->n_holders == MANY_HOLDERS) {
		entry->port_set = arena_alloc(&run->arena, sizeof(*entry->port_set));
		if (!entry->port_set)
			return -ENOMEM;
		for (other = entry->holders; other; other = other->next)
			port_set_add(entry->port_set, run->claims[other->claim].service);
	}
	return 0;
}

/* May the Service share the address with all its holders? The same as sharing_why_not() with each of them, without
 * walking over thousands: ports first, which is what differs most, then one holder for all with the same terms. */
static bool admits(const struct run *run, const struct claim *claim, const struct used_address *entry)
{
	const struct sharer self = claim_sharer(claim);
	const struct holder *holder;

	if (entry->port_set && port_set_meets(entry->port_set, claim->service))
		return false;
	for (holder = entry->port_set ? NULL : entry->holders; holder; holder = holder->next)
		if (sharing_port_in_common(run->claims[holder->claim].service, claim->service))
			return false;
	for (holder = entry->spokesmen; holder; holder = holder->next_spokesman) {
		const struct sharer sharer = claim_sharer(&run->claims[holder->claim]);

		if (sharing_why_not(&self, &sharer))
			return false;
	}
	return true;
}

const struct claim *holder_in_the_way(const struct run *run, const struct claim *claim, const struct addr *addr,
				      const char **ret_why)
{
	const struct used_address *entry = used_find(&run->used, addr);
	const struct sharer self = claim_sharer(claim);
	const struct holder *holder;

	if (!entry || admits(run, claim, entry))
		return NULL;
	for (holder = entry->holders; holder; holder = holder->next) {
		const struct claim *other = &run->claims[holder->claim];
		const struct sharer sharer = claim_sharer(other);
		const char *why = other == claim ? NULL : sharing_why_not(&self, &sharer);

		if (!why)
			continue;
		*ret_why = why;
		return other;
	}
	return NULL;
}

/* … that will go on holding it: whoever asks for its family no more gives it up, if not in this run. */
static bool held_by_another(const struct run *run, const struct claim *claim, const struct used_address *entry)
{
	const struct holder *holder;

	for (holder = entry->holders; holder; holder = holder->next) {
		const struct claim *other = &run->claims[holder->claim];

		if (!holder->leaving && other != claim && request_wants(&other->request, entry->addr.family))
			return true;
	}
	return false;
}

bool tenant_holds(const struct run *run, const struct claim *claim, const struct used_address *entry)
{
	const struct holder *holder;

	for (holder = entry ? entry->holders : NULL; holder; holder = holder->next) {
		const struct claim *other = &run->claims[holder->claim];

		if (!holder->leaving && other != claim && other->ours && other->tenant == claim->tenant)
			return true;
	}
	return false;
}

static bool find_join(const struct run *run, const struct claim *claim, const struct pool *pool,
		      enum addr_family family, struct addr *ret)
{
	const struct used_address *best = NULL;
	size_t i;

	for (i = 0; claim->group && i < claim->group->n_addresses; i++) {
		const struct group_address *candidate = &claim->group->addresses[i];
		const struct used_address *entry = candidate->entry;

		if (service_has_port(claim->service, candidate->a_port))
			continue;
		if (entry->owner != pool || entry->addr.family != family || pool_avoids(pool, &entry->addr))
			continue;
		if (best && addr_compare(&entry->addr, &best->addr) > 0)
			continue;
		if (admits(run, claim, entry) && held_by_another(run, claim, entry))
			best = entry;
	}
	if (best)
		*ret = best->addr;
	return best != NULL;
}

static bool is_used_address(const void *userdata, const struct addr *addr)
{
	return used_find(userdata, addr) != NULL;
}

static enum refusal gate(const struct claim *claim, const struct pool *pool)
{
	if (pool->health == POOL_INVALID || pool->health == POOL_CONFLICT)
		return REFUSED_UNHEALTHY;
	switch (pool_selects(pool, claim->service, claim->tenant)) {
	case POOL_NOT_NAMESPACE:
		return REFUSED_NAMESPACE;
	case POOL_NOT_LABELS:
		return REFUSED_LABELS;
	case POOL_SELECTS:
		break;
	}
	return pool->health == POOL_DISABLED ? REFUSED_DISABLED : REFUSED_NOT;
}

static enum refusal offer_exact(const struct run *run, const struct claim *claim, struct offer *offer, unsigned slot)
{
	const struct addr *wanted = &claim->request.ips[slot];

	if (!pool_contains(offer->pool, wanted))
		return REFUSED_OUTSIDE;
	if (pool_avoids(offer->pool, wanted))
		return REFUSED_AVOIDED;
	offer->in_the_way[slot] = holder_in_the_way(run, claim, wanted, &offer->sharing_why[slot]);
	if (offer->in_the_way[slot])
		return claim->request.sharing_key && offer->in_the_way[slot]->ours ? REFUSED_SHARING : REFUSED_IN_USE;
	offer->addrs[slot] = *wanted;
	return REFUSED_NOT;
}

static enum refusal offer_any(const struct run *run, const struct claim *claim, struct offer *offer,
			      enum addr_family family, bool only_join)
{
	struct addr *addr = &offer->addrs[family_slot(family)];

	if (!pool_has_family(offer->pool, family))
		return REFUSED_FAMILY;
	if (find_join(run, claim, offer->pool, family, addr))
		return REFUSED_NOT;
	if (only_join)
		return REFUSED_MANUAL;
	return pool_lowest_free(offer->pool, family, is_used_address, &run->used, addr) ? REFUSED_NOT : REFUSED_EXHAUSTED;
}

/* What the namespace holds of the pool without what this Service alone holds there. */
static uint32_t held_by_others(const struct run *run, const struct claim *claim, const struct pool *pool)
{
	uint32_t held = pool->held_by_tenant[claim->tenant - run->tenants];
	unsigned slot;

	for (slot = 0; slot < SLOT_COUNT; slot++) {
		const struct used_address *entry;

		if (claim->held[slot].family == ADDR_NONE)
			continue;
		entry = used_find(&run->used, &claim->held[slot]);
		if (entry && entry->owner == pool && !tenant_holds(run, claim, entry))
			held--;
	}
	return held;
}

struct offer offer_of_pool(const struct run *run, const struct claim *claim, struct pool *pool, bool by_name)
{
	struct offer offer = { .pool = pool, .gate = gate(claim, pool) };
	bool only_join = !pool->spec->auto_assign && !by_name;
	uint32_t held = 0;
	size_t i;

	if (offer.gate == REFUSED_NOT && only_join && !claim->group)
		offer.gate = REFUSED_MANUAL;
	if (offer.gate != REFUSED_NOT)
		return offer;
	if (pool->held_by_tenant)
		held = held_by_others(run, claim, pool);

	for (i = 0; i < claim->request.n_families; i++) {
		enum addr_family family = claim->request.families[i];
		unsigned slot = family_slot(family);
		const struct addr *own = &claim->held[slot], *wish = &claim->request.ips[slot];
		bool retain = own->family != ADDR_NONE &&
			      (wish->family != ADDR_NONE ? addr_equal(own, wish) : pool_contains(pool, own));

		if (retain)
			offer.addrs[slot] = *own;
		else if (wish->family != ADDR_NONE)
			offer.refusals[slot] = offer_exact(run, claim, &offer, slot);
		else
			offer.refusals[slot] = offer_any(run, claim, &offer, family, only_join);
		if (offer.refusals[slot] != REFUSED_NOT)
			continue;

		if (pool->held_by_tenant && !tenant_holds(run, claim, used_find(&run->used, &offer.addrs[slot]))) {
			if (!retain && held >= pool->spec->quota_per_namespace) {
				offer.refusals[slot] = REFUSED_QUOTA;
				offer.addrs[slot] = (struct addr){ 0 };
				continue;
			}
			held++;
		}
		offer.n_given++;
		offer.n_joined += !retain && used_find(&run->used, &offer.addrs[slot]) != NULL;
	}
	return offer;
}

/* A requested address and a family that the Service has already are never given up for a preference. */
bool offer_fits(const struct claim *claim, const struct offer *offer)
{
	size_t i;

	if (offer->gate != REFUSED_NOT || !offer->n_given)
		return false;
	for (i = 0; i < claim->request.n_families; i++) {
		unsigned slot = family_slot(claim->request.families[i]);

		if (offer->refusals[slot] == REFUSED_NOT)
			continue;
		if (claim->request.all_or_nothing || claim->request.ips[slot].family != ADDR_NONE ||
		    claim->held[slot].family != ADDR_NONE || offer->refusals[slot] == REFUSED_MANUAL)
			return false;
	}
	return true;
}

/* Joining before taking a free one; then the rank that an administrator gave the pools; of equal rank both families before
 * one, the first family before the second, and else the order in which the pools are tried. */
bool offer_is_better(const struct claim *claim, const struct offer *offer, const struct offer *than)
{
	unsigned first = family_slot(claim->request.families[0]);
	int rank;

	if (offer->n_joined != than->n_joined)
		return offer->n_joined > than->n_joined;
	rank = pool_compare_rank(offer->pool, than->pool);
	if (rank)
		return rank < 0;
	if (offer->n_given != than->n_given)
		return offer->n_given > than->n_given;
	return offer->addrs[first].family != ADDR_NONE && than->addrs[first].family == ADDR_NONE;
}
