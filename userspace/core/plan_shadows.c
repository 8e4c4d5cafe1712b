// SPDX-License-Identifier: Apache-2.0
/* VIPs that are the address of some endpoint: see plan_index.h. Shadows are few, normally none; what costs is
 * to look for them, so that an update looks at the slices of changed services, and at all slices only for new
 * VIPs. */
#include "userspace/core/plan_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/sorted.h"

static int shadow_compare(const void *a, const void *b)
{
	const struct shadow *left = a, *right = b;
	int order = addr_compare(&left->addr, &right->addr);

	return order ? order : strcmp(left->by, right->by);
}

static size_t shadow_position(const struct plan_index *index, const struct addr *addr)
{
	return sorted_place(index->n_shadows, i, addr_compare(&index->shadows[i].addr, addr) < 0);
}

static bool is_in_namespace(const char *full_name, const char *namespace)
{
	size_t length = strlen(namespace);

	return !strncmp(full_name, namespace, length) && full_name[length] == '/';
}

const char *plan_index_shadow(const struct plan_index *index, const char *namespace, const struct addr *addr)
{
	size_t i = shadow_position(index, addr);
	bool anybodys = false;

	if (i < index->n_shadows && addr_equal(&index->shadows[i].addr, addr))
		anybodys = !plan_index_in_pool(index, addr) || plan_index_in_pod_cidr(index, addr);
	for (; i < index->n_shadows && addr_equal(&index->shadows[i].addr, addr); i++)
		if (anybodys || is_in_namespace(index->shadows[i].by, namespace))
			return index->shadows[i].by;
	return NULL;
}

/* Services that claim this VIP. */
static int vip_claimants(const struct plan_index *index, const struct addr *addr,
			 struct service_names *affected)
{
	size_t i;
	int r;

	for (i = plan_index_claim_position(index, addr, 0, (enum l4_protocol)0);
	     i < index->n_claims && addr_equal(&index->claims[i].addr, addr); i++) {
		r = service_names_add(affected, index->claims[i].owner->namespace,
				      index->claims[i].owner->name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int shadow_add(struct plan_index *index, const struct addr *addr, const struct endpoint_slice *slice,
		      struct service_names *affected)
{
	char *by;

	if (array_reserve(index->shadows, index->n_shadows, index->shadows_capacity) < 0)
		return -ENOMEM;
	by = service_full_name(slice->meta.namespace, slice->service);
	if (!by)
		return -ENOMEM;
	index->shadows[index->n_shadows++] = (struct shadow){ *addr, by };
	return affected ? vip_claimants(index, addr, affected) : 0;
}

void plan_vips_done(struct plan_vips *vips)
{
	free(vips->items);
}

int plan_vips_add_owner(struct plan_vips *vips, const struct owner *owner)
{
	size_t i;

	for (i = 0; i < owner->drafts.n; i++) {
		const struct draft *draft = &owner->drafts.items[i];

		if (draft->type != FRONTEND_LOAD_BALANCER ||
		    (vips->n && addr_equal(&vips->items[vips->n - 1], &draft->addr)))
			continue;
		if (array_reserve(vips->items, vips->n, vips->capacity) < 0)
			return -ENOMEM;
		vips->items[vips->n++] = draft->addr;
	}
	return 0;
}

static int addr_pointer_compare(const void *a, const void *b)
{
	return addr_compare(a, b);
}

void plan_vips_sort(struct plan_vips *vips)
{
	if (vips->n)
		qsort(vips->items, vips->n, sizeof(*vips->items), addr_pointer_compare);
}

static bool vips_hold(const struct plan_vips *vips, const struct addr *addr)
{
	if (!vips->n || addr_compare(addr, &vips->items[0]) < 0 ||
	    addr_compare(addr, &vips->items[vips->n - 1]) > 0)
		return false;
	return bsearch(addr, vips->items, vips->n, sizeof(*vips->items), addr_pointer_compare);
}

/* Looks for `vips`, or for every claimed VIP if that is NULL. Appends; call plan_shadows_sort() at the end.
 */
int plan_shadows_scan(struct plan_index *index, const struct endpoint_slice *const *slices, size_t n_slices,
		      const struct plan_vips *vips, struct service_names *affected)
{
	size_t i, j;
	int r;

	for (i = 0; i < n_slices; i++)
		for (j = 0; j < slices[i]->n_endpoints; j++) {
			const struct addr *addr = &slices[i]->endpoints[j].addr;

			if (vips ? !vips_hold(vips, addr) : !plan_index_claims_vip(index, addr))
				continue;
			r = shadow_add(index, addr, slices[i], affected);
			if (r < 0)
				return r;
		}
	return 0;
}

void plan_shadows_sort(struct plan_index *index)
{
	size_t i, kept = 0;

	if (!index->n_shadows)
		return;
	qsort(index->shadows, index->n_shadows, sizeof(*index->shadows), shadow_compare);
	for (i = 1; i < index->n_shadows; i++) {
		if (shadow_compare(&index->shadows[kept], &index->shadows[i]))
			index->shadows[++kept] = index->shadows[i];
		else
			free(index->shadows[i].by);
	}
	index->n_shadows = kept + 1;
}

static int text_pointer_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool strings_hold(const struct strings *sorted, const char *text)
{
	return bsearch(&text, sorted->items, sorted->n, sizeof(*sorted->items), text_pointer_compare);
}

int plan_shadows_drop(struct plan_index *index, const struct strings *changed, struct service_names *affected)
{
	size_t i, kept = 0;
	int r = 0;

	for (i = 0; i < index->n_shadows; i++) {
		struct shadow *shadow = &index->shadows[i];

		if (plan_index_claims_vip(index, &shadow->addr) && !strings_hold(changed, shadow->by)) {
			index->shadows[kept++] = *shadow;
			continue;
		}
		if (r == 0)
			r = vip_claimants(index, &shadow->addr, affected);
		free(shadow->by);
	}
	index->n_shadows = kept;
	return r;
}
