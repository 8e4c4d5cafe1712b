// SPDX-License-Identifier: Apache-2.0
/* ServiceIPPools: ranges, health, order, selection, the lowest free address. See pool.h. */
#include "ipam/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

#define ENTRY_TEXT_MAX	    64	/* of a broken entry, in a message */
#define INVALID_MESSAGE_MAX 800 /* broken entries beyond this are not listed */

/* --- health: what one pool says ------------------------------------------------------------------------ */

struct forbidden {
	const char *prefix, *what;
};

/* Never a VIP (DESIGN 5); 0/8 is "this network" as a whole, not only 0.0.0.0. */
static const struct forbidden forbidden_blocks[] = {
	{ "0.0.0.0/8", "unspecified" },	 { "127.0.0.0/8", "loopback" },	  { "169.254.0.0/16", "link-local" },
	{ "224.0.0.0/4", "multicast" },	 { "240.0.0.0/4", "reserved" },	  { "::/128", "unspecified" },
	{ "::1/128", "loopback" },	 { "fe80::/10", "link-local" },	  { "ff00::/8", "multicast" },
	{ "::ffff:0:0/96", "IPv4-mapped" },
};

static const struct forbidden *forbidden_find(const struct addr_range *range)
{
	struct addr_range block;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forbidden_blocks); i++)
		if (!addr_range_parse(forbidden_blocks[i].prefix, &block) && addr_range_overlaps(range, &block))
			return &forbidden_blocks[i];
	return NULL;
}

static void complain(struct strbuf *why, size_t entry, const char *text)
{
	strbuf_appendf(why, "%sspec.addresses[%zu] ", why->length ? "; " : "", entry);
	strbuf_append_escaped(why, text, ENTRY_TEXT_MAX);
}

static void explain_host_bits(struct strbuf *why, const char *text)
{
	char rounded[PREFIX_TEXT_MAX];
	struct prefix prefix, masked;

	if (prefix_parse(text, &prefix) < 0)
		return;
	masked = prefix_mask(&prefix);
	strbuf_appendf(why, " has host bits: write %s", prefix_format(&masked, rounded));
}

/* Adds the entry's range if it can be read, and to `why` whatever makes the pool Invalid. */
static void read_entry(struct pool *pool, size_t entry, struct strbuf *why)
{
	const char *text = pool->spec->addresses.items[entry];
	const struct forbidden *forbidden;
	struct addr_range range;
	int r = addr_range_parse(text, &range);
	bool silent = why->length > INVALID_MESSAGE_MAX;
	struct strbuf ignored = { 0 };
	struct strbuf *out = silent ? &ignored : why;

	if (r < 0 && r != -EDOM) {
		pool->unreadable = true;
		complain(out, entry, text);
		strbuf_append(out, r == -ERANGE ? " runs backwards or mixes IPv4 and IPv6" :
						  " is neither a CIDR nor FIRST-LAST");
	} else {
		pool->ranges[pool->n_ranges++] = range;
		forbidden = forbidden_find(&range);
		if (r == -EDOM) {
			complain(out, entry, text);
			explain_host_bits(out, text);
		} else if (forbidden) {
			complain(out, entry, text);
			strbuf_appendf(out, " contains %s addresses (%s)", forbidden->what, forbidden->prefix);
		}
	}
	strbuf_done(&ignored);
}

static int range_compare(const void *a, const void *b)
{
	const struct addr_range *left = a, *right = b;
	int order = addr_compare(&left->first, &right->first);

	return order ? order : addr_compare(&left->last, &right->last);
}

static void append_range(struct strbuf *out, const struct addr_range *range)
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];

	strbuf_appendf(out, "%s-%s", addr_format(&range->first, first), addr_format(&range->last, last));
}

static void explain_own_overlap(const struct pool *pool, struct strbuf *why)
{
	size_t i;

	/* Sorted by first address: an overlap always shows between neighbours. */
	for (i = 1; i < pool->n_ranges; i++) {
		if (!addr_range_overlaps(&pool->ranges[i - 1], &pool->ranges[i]))
			continue;
		append_range(why, &pool->ranges[i - 1]);
		strbuf_append(why, " and ");
		append_range(why, &pool->ranges[i]);
		strbuf_append(why, " of this pool overlap");
		return;
	}
}

/* How many of 0..limit end in .0 or .255; limit + 1 must not overflow, which IPv4 never does. */
static addr_number count_buggy_below(addr_number limit)
{
	return limit / 256 * 2 + (limit % 256 ? 1 : 0);
}

static void measure(struct pool *pool)
{
	size_t i;

	for (i = 0; i < pool->n_ranges; i++) {
		const struct addr_range *range = &pool->ranges[i];
		struct pool_slot *slot = &pool->slots[family_slot(range->first.family)];
		addr_number first = addr_to_number(&range->first), last = addr_to_number(&range->last);

		if (slot->first_range == slot->end_range) {
			slot->first_range = i;
			slot->cursor_range = i;
			slot->cursor = first;
		}
		slot->end_range = i + 1;
		slot->usable += last - first + 1;
		if (pool->spec->avoid_buggy_ips && range->first.family == ADDR_IPV4)
			slot->usable -= count_buggy_below(last + 1) - count_buggy_below(first);
	}
}

static int set_health(struct pool *pool, struct arena *arena, enum pool_health health, struct strbuf *why)
{
	if (strbuf_failed(why))
		return -ENOMEM;
	pool->message = arena_string(arena, strbuf_text(why));
	if (!pool->message)
		return -ENOMEM;
	pool->health = health;
	return 0;
}

static int pool_init(struct pool *pool, struct arena *arena, const struct service_ip_pool *spec, size_t n_tenants)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	size_t i;

	*pool = (struct pool){ .spec = spec, .health = POOL_READY, .message = "" };
	pool->ranges = arena_array(arena, spec->addresses.n, sizeof(*pool->ranges));
	if (!pool->ranges)
		return -ENOMEM;
	if (spec->quota_per_namespace) {
		pool->held_by_tenant = arena_array(arena, n_tenants, sizeof(*pool->held_by_tenant));
		pool->left_by_tenant = arena_array(arena, n_tenants, sizeof(*pool->left_by_tenant));
		if (!pool->held_by_tenant || !pool->left_by_tenant)
			return -ENOMEM;
	}
	for (i = 0; i < spec->addresses.n; i++)
		read_entry(pool, i, &why);
	if (spec->unusable) {
		pool->unreadable = true;
		strbuf_append(&why, spec->meta.refused);
	} else if (!spec->addresses.n)
		strbuf_append(&why, "spec.addresses is empty");
	qsort(pool->ranges, pool->n_ranges, sizeof(*pool->ranges), range_compare);
	measure(pool);
	if (why.length || why.failed)
		return set_health(pool, arena, POOL_INVALID, &why);
	explain_own_overlap(pool, &why);
	if (why.length || why.failed)
		return set_health(pool, arena, POOL_CONFLICT, &why);
	return 0;
}

/* --- health: pools against each other ------------------------------------------------------------------ */

struct claimed_range {
	struct addr_range range;
	const struct pool *pool;
	size_t furthest; /* index of the range up to here that ends last: it shows any overlap from the left */
};

static const struct claimed_range *find_overlap(const struct claimed_range *claimed, size_t n,
						const struct addr_range *range)
{
	/* how many begin at or before our end */
	size_t left = sorted_place(n, i, addr_compare(&claimed[i].range.first, &range->last) <= 0);

	if (!left)
		return NULL;
	claimed = &claimed[claimed[left - 1].furthest];
	return addr_range_overlaps(&claimed->range, range) ? claimed : NULL;
}

/* Merges the pool's sorted ranges into the sorted claimed ones, from the end so that it needs no second array. */
static size_t claim(struct claimed_range *claimed, size_t n, const struct pool *pool)
{
	size_t i = n, j = pool->n_ranges, k = n + pool->n_ranges, furthest = 0;

	while (j) {
		if (i && range_compare(&claimed[i - 1].range, &pool->ranges[j - 1]) > 0) {
			claimed[--k] = claimed[i - 1];
			i--;
		} else {
			claimed[--k] = (struct claimed_range){ .range = pool->ranges[--j], .pool = pool };
		}
	}
	for (i = 0; i < n + pool->n_ranges; i++) {
		if (addr_compare(&claimed[i].range.last, &claimed[furthest].range.last) > 0)
			furthest = i;
		claimed[i].furthest = furthest;
	}
	return n + pool->n_ranges;
}

static int judge_against_elders(struct pool *pool, struct arena *arena, const struct claimed_range *claimed,
				size_t n_claimed)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	const struct claimed_range *elder = NULL;
	size_t i;

	for (i = 0; i < pool->n_ranges && !elder; i++)
		elder = find_overlap(claimed, n_claimed, &pool->ranges[i]);
	if (!elder)
		return 0;
	if (pool->health == POOL_CONFLICT)
		strbuf_appendf(&why, "%s; ", pool->message);
	append_range(&why, &pool->ranges[i - 1]);
	strbuf_append(&why, " overlaps ");
	append_range(&why, &elder->range);
	strbuf_appendf(&why, " of the older pool %s", elder->pool->spec->meta.name);
	return set_health(pool, arena, POOL_CONFLICT, &why);
}

static int judge_conflicts(struct pool_book *book, struct arena *arena)
{
	cleanup(freep) struct claimed_range *claimed = NULL;
	size_t i, n_claimed = 0, total = 0;
	int r;

	for (i = 0; i < book->n_pools; i++)
		total += book->pools[i].n_ranges;
	claimed = calloc(total + 1, sizeof(*claimed));
	if (!claimed)
		return -ENOMEM;
	for (i = 0; i < book->n_pools && book->by_owner[i]->health != POOL_INVALID; i++) {
		r = judge_against_elders(book->by_owner[i], arena, claimed, n_claimed);
		if (r < 0)
			return r;
		n_claimed = claim(claimed, n_claimed, book->by_owner[i]);
	}
	return 0;
}

static void judge_disabled(struct pool *pool)
{
	/* A defect outlives the switch: Invalid and Conflict say more than Disabled does. A pool on its way out gives
	 * nothing either, or its finalizer would never go. */
	if (pool->health != POOL_READY || (!pool->spec->disabled && !pool->spec->meta.deleting))
		return;
	pool->health = POOL_DISABLED;
	pool->message = pool->spec->meta.deleting ? "being deleted: addresses are kept, none are given" :
						    "spec.disabled: addresses are kept, none are given";
}

/* --- orders -------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	const struct pool *left = a, *right = b;

	return text_compare(left->spec->meta.name, right->spec->meta.name);
}

static int compare_ownership(const void *a, const void *b)
{
	const struct pool *left = *(struct pool *const *)a, *right = *(struct pool *const *)b;
	const struct meta *l = &left->spec->meta, *r = &right->spec->meta;

	if ((left->health == POOL_INVALID) != (right->health == POOL_INVALID))
		return left->health == POOL_INVALID ? 1 : -1;
	if (l->created_sec != r->created_sec)
		return l->created_sec < r->created_sec ? -1 : 1;
	return text_compare(l->name, r->name);
}

int pool_compare_rank(const struct pool *left, const struct pool *right)
{
	const struct service_allocation *l = &left->spec->allocation, *r = &right->spec->allocation;

	if (l->present != r->present)
		return l->present ? -1 : 1;
	/* 0 is "unset, last": one less, unsigned, makes it the largest. */
	if (l->present && l->priority != r->priority)
		return l->priority - 1 < r->priority - 1 ? -1 : 1;
	return 0;
}

static int compare_preference(const void *a, const void *b)
{
	const struct pool *left = *(struct pool *const *)a, *right = *(struct pool *const *)b;
	int order = pool_compare_rank(left, right);

	return order ? order : compare_names(left, right);
}

int pool_book_init(struct pool_book *ret, struct arena *arena, const struct cluster *cluster, size_t n_tenants)
{
	struct pool_book book = { .n_pools = cluster->n_pools };
	size_t i;
	int r;

	book.pools = arena_array(arena, book.n_pools, sizeof(*book.pools));
	book.by_owner = arena_array(arena, book.n_pools, sizeof(*book.by_owner));
	book.by_preference = arena_array(arena, book.n_pools, sizeof(*book.by_preference));
	if (!book.pools || !book.by_owner || !book.by_preference)
		return -ENOMEM;
	for (i = 0; i < book.n_pools; i++) {
		r = pool_init(&book.pools[i], arena, cluster->pools[i], n_tenants);
		if (r < 0)
			return r;
		book.any_unreadable |= book.pools[i].unreadable;
	}
	qsort(book.pools, book.n_pools, sizeof(*book.pools), compare_names);
	for (i = 0; i < book.n_pools; i++)
		book.by_owner[i] = book.by_preference[i] = &book.pools[i];
	qsort(book.by_owner, book.n_pools, sizeof(*book.by_owner), compare_ownership);
	qsort(book.by_preference, book.n_pools, sizeof(*book.by_preference), compare_preference);
	r = judge_conflicts(&book, arena);
	if (r < 0)
		return r;
	for (i = 0; i < book.n_pools; i++)
		judge_disabled(&book.pools[i]);
	*ret = book;
	return 0;
}

/* --- questions ----------------------------------------------------------------------------------------- */

struct pool *pool_book_find(const struct pool_book *book, const char *name)
{
	size_t at = sorted_place(book->n_pools, i, text_compare(book->pools[i].spec->meta.name, name) < 0);

	return at < book->n_pools && text_equal(book->pools[at].spec->meta.name, name) ? &book->pools[at]
										       : NULL;
}

bool pool_contains(const struct pool *pool, const struct addr *addr)
{
	const struct pool_slot *slot = &pool->slots[family_slot(addr->family)];
	size_t first = slot->first_range;
	size_t at = first + sorted_place(slot->end_range - first, i,
					 addr_compare(&pool->ranges[first + i].first, addr) <= 0);

	/* In a sound pool only the last range that begins at or before the address can hold it; overlapping ranges of
	 * one in Conflict may hide a longer one further left. */
	while (at-- > first) {
		if (addr_range_contains(&pool->ranges[at], addr))
			return true;
		if (pool->health == POOL_READY || pool->health == POOL_DISABLED)
			break;
	}
	return false;
}

struct pool *pool_book_owner(const struct pool_book *book, const struct addr *addr)
{
	size_t i;

	if (addr_why_unusable(addr)) /* an Invalid pool may contain it, and it is never a VIP all the same */
		return NULL;
	for (i = 0; i < book->n_pools; i++)
		if (pool_contains(book->by_owner[i], addr))
			return book->by_owner[i];
	return NULL;
}

bool pool_has_family(const struct pool *pool, enum addr_family family)
{
	const struct pool_slot *slot = &pool->slots[family_slot(family)];

	return slot->first_range < slot->end_range;
}

bool pool_avoids(const struct pool *pool, const struct addr *addr)
{
	return pool->spec->avoid_buggy_ips && addr->family == ADDR_IPV4 &&
	       (addr->bytes[3] == 0 || addr->bytes[3] == 255);
}

void pool_book_count(struct pool *owner, const struct addr *addr)
{
	if (owner && !pool_avoids(owner, addr))
		owner->slots[family_slot(addr->family)].in_use++;
}

int tenant_init(struct tenant *ret, struct arena *arena, const struct cluster *cluster, const char *name)
{
	static const char name_label[] = "kubernetes.io/metadata.name";
	const struct namespace_object *object = cluster_find_namespace(cluster, name);
	size_t i = 0, n = object ? object->meta.labels.n : 0;
	struct labels labels = { 0 };

	labels.items = arena_array(arena, n + 1, sizeof(*labels.items));
	if (!labels.items)
		return -ENOMEM;
	for (; i < n && text_compare(object->meta.labels.items[i].key, name_label) < 0; i++)
		labels.items[labels.n++] = object->meta.labels.items[i];
	labels.items[labels.n++] = (struct label){ name_label, name };
	if (i < n && text_equal(object->meta.labels.items[i].key, name_label))
		i++;
	for (; i < n; i++)
		labels.items[labels.n++] = object->meta.labels.items[i];
	*ret = (struct tenant){ name, labels };
	return 0;
}

enum pool_choice pool_selects(const struct pool *pool, const struct service *service, const struct tenant *tenant)
{
	const struct service_allocation *allocation = &pool->spec->allocation;
	bool chosen = !allocation->namespaces.n && !allocation->namespace_selectors.n;
	size_t i;

	if (!allocation->present)
		return POOL_SELECTS;
	for (i = 0; i < allocation->namespaces.n && !chosen; i++)
		chosen = text_equal(allocation->namespaces.items[i], tenant->name);
	if (!chosen && !selectors_match_any(&allocation->namespace_selectors, &tenant->labels))
		return POOL_NOT_NAMESPACE;
	if (!selectors_match_any_or_empty(&allocation->service_selectors, &service->meta.labels))
		return POOL_NOT_LABELS;
	return POOL_SELECTS;
}

bool pool_lowest_free(struct pool *pool, enum addr_family family, pool_used_fn *is_used, const void *userdata,
		      struct addr *ret)
{
	struct pool_slot *slot = &pool->slots[family_slot(family)];

	while (slot->cursor_range < slot->end_range) {
		addr_number last = addr_to_number(&pool->ranges[slot->cursor_range].last);
		struct addr candidate = addr_from_number(family, slot->cursor);

		if (!pool_avoids(pool, &candidate) && !is_used(userdata, &candidate)) {
			*ret = candidate;
			return true;
		}
		if (slot->cursor < last) {
			slot->cursor++;
		} else if (++slot->cursor_range < slot->end_range) {
			slot->cursor = addr_to_number(&pool->ranges[slot->cursor_range].first);
		}
	}
	return false;
}
