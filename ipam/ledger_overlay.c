// SPDX-License-Identifier: Apache-2.0
/* The ledger laid over a cluster, as the allocator is to see it: see ledger.h. */
#include <errno.h>

#include "ipam/ledger_entries.h"
#include "ipam/overlay.h"
#include "userspace/core/plan.h"

static size_t held_of(const struct ledger_entry *entry, const struct service *service, struct addr *ret)
{
	size_t i, n = 0;

	if (entry->unsettled)
		return entry_addresses_of(entry, service, ret);
	for (i = 0; i < entry->n && n < LEDGER_ADDRESSES_MAX; i++)
		if (!entry->addresses[i].leaving)
			ret[n++] = entry->addresses[i].addr;
	return n;
}

static bool is_as_read(const struct service *service, const struct addr *addresses, size_t n)
{
	size_t i, n_addresses = 0;

	for (i = 0; i < service->n_ingress; i++) {
		if (service->ingress[i].addr.family == ADDR_NONE)
			continue;
		if (n_addresses == n || !addrs_contain(addresses, n, &service->ingress[i].addr))
			return false;
		n_addresses++;
	}
	return n_addresses == n;
}

static int overlay_service(struct overlay *overlay, const struct ledger *ledger, size_t *cursor,
			   const struct service *service, bool default_class)
{
	const struct meta *meta = &service->meta;
	size_t n, at = ledger_place(ledger, cursor, meta->namespace, meta->name, meta->uid);
	struct addr addresses[LEDGER_ADDRESSES_MAX];
	const struct ledger_entry *entry;

	entry = ledger_is_at(ledger, at, meta->namespace, meta->name, meta->uid) ? ledger->entries[at] : NULL;
	/* One that is being deleted holds what its status says until it is gone. */
	if (!entry || meta->deleting || !(service->unusable || service_is_ours(service, default_class)))
		return overlay_keep(overlay, service);
	n = held_of(entry, service, addresses);
	return is_as_read(service, addresses, n) ? overlay_keep(overlay, service)
						 : overlay_replace(overlay, service, addresses, n);
}

/* An address that is shared is not taken from the others by one's leaving. */
static int overlay_leaving(struct overlay *overlay, const struct ledger *ledger)
{
	size_t i, j, n_held = 0;
	const struct addr *held;
	int r = 0;

	if (!ledger->n_leaving)
		return 0;
	held = held_collect(overlay->services, overlay->n_services, overlay->arena, &n_held);
	if (!held)
		return -ENOMEM;
	for (i = 0; i < ledger->n; i++) {
		const struct ledger_entry *entry = ledger->entries[i];

		for (j = 0; j < entry->n && r == 0; j++)
			if (entry->addresses[j].leaving && !held_has(held, n_held, &entry->addresses[j].addr))
				r = overlay_stand_in(overlay, entry->namespace, entry->name, entry->uid,
						     &entry->addresses[j].addr, 1);
	}
	return r;
}

int ledger_overlay(const struct ledger *ledger, const struct cluster *cluster, bool default_class,
		   struct arena *arena, struct cluster *ret)
{
	struct overlay overlay;
	size_t i, cursor = 0;
	int r = overlay_init(&overlay, arena, cluster, ledger->n_leaving);

	for (i = 0; i < cluster->n_services && r == 0; i++)
		r = overlay_service(&overlay, ledger, &cursor, cluster->services[i], default_class);
	if (r == 0)
		r = overlay_leaving(&overlay, ledger);
	if (r == 0)
		overlay_finish(&overlay, cluster, ret);
	return r;
}
