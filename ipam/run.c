// SPDX-License-Identifier: Apache-2.0
/* The state of one allocation run: who takes part, by age; what they ask for; and who holds which address, with the
 * counts that follow from it. See run.h. */
#include "ipam/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/core/plan.h"

/* --- the run's state ----------------------------------------------------------------------------------- */

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
			.ours = service_is_ours(service, default_class),
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
	for (i = 0; i < run->n_claims; i++) {
		const char *namespace = run->claims[i].service->meta.namespace;

		if (run->claims[i].ours && !(n && text_equal(names[n - 1], namespace)))
			names[n++] = namespace;
	}
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

int run_init(struct run *run, const struct cluster *cluster, bool default_class)
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

void run_done(struct run *run)
{
	arena_done(&run->arena);
}

/* --- holding and leaving ------------------------------------------------------------------------------- */

static void count_quota(struct run *run, const struct used_address *entry, const struct claim *claim)
{
	uint32_t *held = entry->owner ? entry->owner->held_by_tenant : NULL;

	if (held && claim->ours && !tenant_holds(run, claim, entry))
		held[claim->tenant - run->tenants]++;
}

int run_hold(struct run *run, struct claim *claim, const struct addr *addr)
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
	count_quota(run, entry, claim);
	if (claim->group && !entry->group &&
	    group_add(claim->group, &run->arena, entry, service_a_port(claim->service)) < 0)
		return -ENOMEM;
	return note_holder(run, entry);
}

void run_leave(struct run *run, struct claim *claim, const struct addr *addr)
{
	struct used_address *entry = used_find(&run->used, addr);
	struct pool *owner = entry ? entry->owner : NULL;

	used_leave(&run->used, addr, (size_t)(claim - run->claims));
	/* One that is being deleted gives up nothing before it is gone. */
	if (owner && owner->left_by_tenant && claim->ours && !claim->service->meta.deleting &&
	    !tenant_holds(run, claim, entry))
		owner->left_by_tenant[claim->tenant - run->tenants] = true;
}
