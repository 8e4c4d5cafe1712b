// SPDX-License-Identifier: Apache-2.0
/* The ledger's table: see ledger_entries.h. */
#include "ipam/ledger_entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/sorted.h"

/* --- entries ------------------------------------------------------------------------------------------- */

static void entry_free(struct ledger_entry *entry)
{
	if (!entry)
		return;
	free(entry->namespace);
	free(entry->name);
	free(entry->uid);
	free(entry->addresses);
	free(entry);
}

void ledger_done(struct ledger *ledger)
{
	size_t i;

	for (i = 0; i < ledger->n; i++)
		entry_free(ledger->entries[i]);
	free(ledger->entries);
	problems_done(&ledger->overdue);
	*ledger = (struct ledger){ 0 };
}

static int compare_entry(const struct ledger_entry *entry, const char *namespace, const char *name,
			 const char *uid)
{
	int order = strcmp(entry->namespace, namespace);

	if (!order)
		order = strcmp(entry->name, name);
	return order ? order : strcmp(entry->uid, uid);
}

size_t ledger_first(const struct ledger *ledger, const char *namespace, const char *name, const char *uid)
{
	return sorted_place(ledger->n, i, compare_entry(ledger->entries[i], namespace, name, uid) < 0);
}

bool ledger_is_at(const struct ledger *ledger, size_t at, const char *namespace, const char *name,
		  const char *uid)
{
	return at < ledger->n && !compare_entry(ledger->entries[at], namespace, name, uid);
}

size_t ledger_place(const struct ledger *ledger, size_t *cursor, const char *namespace, const char *name,
		    const char *uid)
{
	if (!ledger_is_at(ledger, *cursor, namespace, name, uid))
		*cursor = ledger_first(ledger, namespace, name, uid);
	return (*cursor)++;
}

struct ledger_entry *ledger_find(const struct ledger *ledger, const char *namespace, const char *name,
				 const char *uid)
{
	size_t at = ledger_first(ledger, namespace, name, uid);

	return ledger_is_at(ledger, at, namespace, name, uid) ? ledger->entries[at] : NULL;
}

static struct ledger_entry *entry_new(const char *namespace, const char *name, const char *uid)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->namespace = strdup(namespace);
	entry->name = strdup(name);
	entry->uid = strdup(uid);
	if (entry->namespace && entry->name && entry->uid)
		return entry;
	entry_free(entry);
	return NULL;
}

struct ledger_entry *ledger_add_at(struct ledger *ledger, size_t at, const char *namespace, const char *name,
				   const char *uid)
{
	struct ledger_entry *entry;

	if (ledger_is_at(ledger, at, namespace, name, uid))
		return ledger->entries[at];
	entry = entry_new(namespace, name, uid);
	if (!entry || array_reserve(ledger->entries, ledger->n, ledger->capacity) < 0) {
		entry_free(entry);
		return NULL;
	}
	memmove(ledger->entries + at + 1, ledger->entries + at,
		(ledger->n - at) * sizeof(struct ledger_entry *));
	ledger->entries[at] = entry;
	ledger->n++;
	return entry;
}

struct ledger_entry *ledger_find_or_add(struct ledger *ledger, const char *namespace, const char *name,
					const char *uid)
{
	return ledger_add_at(ledger, ledger_first(ledger, namespace, name, uid), namespace, name, uid);
}

void ledger_forget_empty(struct ledger *ledger)
{
	size_t i, kept = 0;

	for (i = 0; i < ledger->n; i++) {
		struct ledger_entry *entry = ledger->entries[i];

		if (entry->seen || entry->n)
			ledger->entries[kept++] = entry;
		else
			entry_free(entry);
	}
	ledger->n = kept;
}

/* --- addresses of one ---------------------------------------------------------------------------------- */

struct ledger_address *entry_find_address(const struct ledger_entry *entry, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < entry->n; i++)
		if (addr_equal(&entry->addresses[i].addr, addr))
			return &entry->addresses[i];
	return NULL;
}

int entry_hold(struct ledger_entry *entry, const struct addr *addr, uint64_t now_msec)
{
	struct ledger_address *address = entry_find_address(entry, addr);

	if (address) {
		if (address->leaving)
			address->given_msec = now_msec;
		address->leaving = false;
		return 0;
	}
	if (array_reserve(entry->addresses, entry->n, entry->capacity) < 0)
		return -ENOMEM;
	entry->addresses[entry->n++] = (struct ledger_address){ .addr = *addr, .given_msec = now_msec };
	return 0;
}

void entry_leave(struct ledger_address *address, uint64_t now_msec)
{
	if (address->leaving)
		return;
	address->leaving = true;
	address->leaving_msec = now_msec;
}

void entry_prove(struct ledger_entry *entry, const struct service *service)
{
	struct ledger_address *address;
	size_t i;

	for (i = 0; i < service->n_ingress; i++) {
		address = entry_find_address(entry, &service->ingress[i].addr);
		if (address)
			address->unproven = false;
	}
}

bool addrs_contain(const struct addr *addresses, size_t n, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal(&addresses[i], addr))
			return true;
	return false;
}

int entry_hold_only(struct ledger_entry *entry, const struct addr *addresses, size_t n, uint64_t now_msec)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = entry_hold(entry, &addresses[i], now_msec);
		if (r < 0)
			return r;
	}
	for (i = 0; i < entry->n; i++)
		if (!addrs_contain(addresses, n, &entry->addresses[i].addr))
			entry_leave(&entry->addresses[i], now_msec);
	return 0;
}

size_t entry_addresses_of(const struct ledger_entry *entry, const struct service *service, struct addr *ret)
{
	size_t i, n = 0;

	if (entry && entry->unsettled)
		for (i = 0; i < entry->n_written; i++)
			ret[n++] = entry->written[i];
	for (i = 0; i < service->n_ingress && n < LEDGER_ADDRESSES_MAX; i++)
		if (service->ingress[i].addr.family != ADDR_NONE &&
		    !addrs_contain(ret, n, &service->ingress[i].addr))
			ret[n++] = service->ingress[i].addr;
	return n;
}

/* --- sets of addresses --------------------------------------------------------------------------------- */

static int compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

struct addr *held_collect(const struct service *const *services, size_t n_services, struct arena *arena,
			  size_t *ret_n)
{
	size_t i, j, n = 0;
	struct addr *held;

	for (i = 0; i < n_services; i++)
		n += services[i]->n_ingress;
	held = arena_array(arena, n, sizeof(*held));
	if (!held)
		return NULL;
	for (i = n = 0; i < n_services; i++)
		for (j = 0; j < services[i]->n_ingress; j++)
			held[n++] = services[i]->ingress[j].addr;
	if (n)
		qsort(held, n, sizeof(*held), compare_addrs);
	*ret_n = n;
	return held;
}

struct addr *held_proven(const struct ledger *ledger, struct arena *arena, size_t *ret_n)
{
	size_t i, j, n = 0, n_unproven = 0;
	struct addr *held;

	for (i = 0; i < ledger->n; i++) {
		const struct ledger_entry *entry = ledger->entries[i];

		n += entry->n;
		for (j = 0; j < entry->n && !entry->unsettled; j++)
			n_unproven += entry->addresses[j].unproven;
	}
	held = arena_array(arena, n_unproven ? n : 0, sizeof(*held));
	if (!held)
		return NULL;
	for (i = n = 0; i < ledger->n && n_unproven; i++)
		for (j = 0; j < ledger->entries[i]->n; j++) {
			const struct ledger_address *address = &ledger->entries[i]->addresses[j];

			if (!address->unproven)
				held[n++] = address->addr;
		}
	if (n)
		qsort(held, n, sizeof(*held), compare_addrs);
	*ret_n = n;
	return held;
}

bool held_has(const struct addr *sorted, size_t n, const struct addr *addr)
{
	return n && bsearch(addr, sorted, n, sizeof(*sorted), compare_addrs);
}
