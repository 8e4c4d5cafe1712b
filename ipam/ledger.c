// SPDX-License-Identifier: Apache-2.0
/* What a Service holds and what is leaving, from one look at the cluster to the next: see ledger.h. */
#include "ipam/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/ledger_entries.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/plan.h"

/* --- following one Service ----------------------------------------------------------------------------- */

static int follow_status(struct ledger_entry *entry, const struct service *service, uint64_t now_msec)
{
	bool settled = entry->unsettled && service->meta.resource_version > entry->over_version;
	bool given_up = settled && !entry->n_written;
	struct addr addresses[LEDGER_ADDRESSES_MAX];
	size_t n;

	if (settled)
		entry->unsettled = false;
	entry->known_version = service->meta.resource_version;
	n = entry_addresses_of(entry, service, addresses);
	entry_prove(entry, service);
	/* Emptied by somebody else: it still holds what it held. */
	return !n && !given_up ? 0 : entry_hold_only(entry, addresses, n, now_msec);
}

/* It is being deleted, or no longer ours. What its status says counts once: later it may be let go already.
 */
static int end(struct ledger_entry *entry, const struct service *service, uint64_t now_msec)
{
	struct addr addresses[LEDGER_ADDRESSES_MAX];
	size_t i, n = 0;

	if (!entry->ending && service->meta.deleting)
		n = entry_addresses_of(entry, service, addresses);
	for (i = 0; i < n; i++)
		if (!entry_find_address(entry, &addresses[i]) &&
		    entry_hold(entry, &addresses[i], now_msec) < 0)
			return -ENOMEM;
	entry->ends |= !entry->ending;
	entry->ending = true;
	return entry_hold_only(entry, NULL, 0, now_msec);
}

/* One that cannot be decoded has no class; that it was ours says its condition, and only its end matters. */
static bool is_to_follow(const struct service *service, bool default_class)
{
	return service_is_ours(service, default_class) ||
	       (service->unusable && service->meta.deleting &&
		conditions_find(&service->meta.conditions, CONDITION_ALLOCATED));
}

static int follow(struct ledger *ledger, size_t *cursor, const struct service *service, bool default_class,
		  uint64_t now_msec)
{
	bool ours = is_to_follow(service, default_class);
	const struct meta *meta = &service->meta;
	size_t at = ledger_place(ledger, cursor, meta->namespace, meta->name, meta->uid);
	struct ledger_entry *entry;

	if (!ours && !ledger_is_at(ledger, at, meta->namespace, meta->name, meta->uid))
		return 0;
	entry = ledger_add_at(ledger, at, meta->namespace, meta->name, meta->uid);
	if (!entry)
		return -ENOMEM;
	entry->seen = true;
	if (service->unusable && !meta->deleting)
		return 0; /* one that cannot be decoded is there as it was */
	if (!ours || meta->deleting)
		return end(entry, service, now_msec);
	entry->ending = false;
	return meta->resource_version < entry->known_version ? 0 : follow_status(entry, service, now_msec);
}

/* --- a new leader -------------------------------------------------------------------------------------- */

/* "namespace/name" -> an entry without uid: whose address it was before the leader changed, nobody knows any
 * more. */
static struct ledger_entry *entry_of_report(struct ledger *ledger, const char *name)
{
	const char *slash = strchr(name, '/');
	cleanup(freep) char *namespace = slash ? strndup(name, (size_t)(slash - name)) : strdup("");

	return namespace ? ledger_find_or_add(ledger, namespace, slash ? slash + 1 : "", "") : NULL;
}

/* What nodes name but no Service has: somebody's who was deleted or changed while no leader looked. */
static int fill_from_reports(struct ledger *ledger, const struct cluster *cluster,
			     const struct node_reports *reports, uint64_t now_msec)
{
	cleanup(arena_done) struct arena arena = { 0 };
	size_t i, j, n_held = 0;
	const struct addr *held = held_collect(cluster->services, cluster->n_services, &arena, &n_held);

	if (!held)
		return -ENOMEM;
	for (i = 0; i < reports->n_items; i++) {
		const struct lb_node_service *service = reports->items[i].service;

		for (j = 0; j < service->n_vips; j++) {
			struct ledger_entry *entry;

			if (held_has(held, n_held, &service->vips[j]))
				continue;
			entry = entry_of_report(ledger, service->name);
			if (!entry || entry_hold(entry, &service->vips[j], now_msec) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* --- letting go ---------------------------------------------------------------------------------------- */

static int may_go(struct ledger *ledger, const struct ledger_entry *entry,
		  const struct ledger_address *address, const struct node_reports *reports, uint64_t now_msec,
		  bool *ret)
{
	cleanup(strbuf_done) struct strbuf name = { 0 };
	char text[ADDR_TEXT_MAX];
	struct release release = { .any_node = reports->n_nodes > 0,
				   .given_msec = address->given_msec,
				   .leaving_msec = address->leaving_msec,
				   .sampled = reports->sampled,
				   .large = reports->large };
	uint64_t until_msec = UINT64_MAX;

	strbuf_appendf(&name, "%s/%s", entry->namespace, entry->name);
	if (strbuf_failed(&name))
		return -ENOMEM;
	release.named = node_reports_list(reports, *entry->name ? strbuf_text(&name) : "", &address->addr);
	*ret = true;
	switch (release_decide(&release, now_msec, &until_msec)) {
	case RELEASE_NOW:
		return 0;
	case RELEASE_WAIT:
		*ret = false;
		if (until_msec < ledger->next_msec)
			ledger->next_msec = until_msec;
		return 0;
	case RELEASE_OVERDUE:
		break;
	}
	strbuf_reset(&name);
	strbuf_appendf(&name, "Service/%s/%s", entry->namespace, entry->name);
	return problems_add(&ledger->overdue, strbuf_text(&name), "",
			    "%s is given up after %d s although a node still names it, or releases more than "
			    "its LBNode has room to name: is its lbagent alive?",
			    addr_format(&address->addr, text), RELEASE_PATIENCE_MSEC / 1000);
}

static int let_go(struct ledger *ledger, struct ledger_entry *entry, const struct node_reports *reports,
		  uint64_t now_msec)
{
	size_t i, kept = 0;
	bool goes;
	int r;

	for (i = 0; i < entry->n; i++) {
		goes = false;
		r = entry->addresses[i].leaving
			    ? may_go(ledger, entry, &entry->addresses[i], reports, now_msec, &goes)
			    : 0;
		if (r < 0)
			return r;
		if (goes)
			continue;
		ledger->n_leaving += entry->addresses[i].leaving;
		entry->addresses[kept++] = entry->addresses[i];
	}
	entry->n = kept;
	return 0;
}

/* What a Service holds only because a write may have given it takes nothing from another that has it, and is
 * not used before nodes have let it go for another. */
static int give_up_unproven(struct ledger *ledger, uint64_t now_msec)
{
	cleanup(arena_done) struct arena arena = { 0 };
	size_t i, j, n_held = 0;
	const struct addr *held = held_proven(ledger, &arena, &n_held);

	if (!held)
		return -ENOMEM;
	for (i = 0; i < ledger->n && n_held; i++) {
		struct ledger_entry *entry = ledger->entries[i];

		for (j = 0; j < entry->n && !entry->unsettled; j++)
			if (entry->addresses[j].unproven && held_has(held, n_held, &entry->addresses[j].addr))
				entry_leave(&entry->addresses[j], now_msec);
	}
	return 0;
}

int ledger_update(struct ledger *ledger, const struct cluster *cluster, bool default_class,
		  const struct node_reports *reports, uint64_t now_msec)
{
	size_t i, cursor = 0;
	int r = 0;

	ledger->next_msec = UINT64_MAX;
	ledger->n_leaving = 0;
	problems_done(&ledger->overdue);
	ledger->overdue = (struct problems){ 0 };
	for (i = 0; i < ledger->n; i++)
		ledger->entries[i]->seen = false;
	for (i = 0; i < cluster->n_services && r == 0; i++)
		r = follow(ledger, &cursor, cluster->services[i], default_class, now_msec);
	if (r == 0 && !ledger->filled)
		r = fill_from_reports(ledger, cluster, reports, now_msec);
	if (r == 0)
		r = give_up_unproven(ledger, now_msec);
	if (r < 0)
		return r;
	ledger->filled = true;
	for (i = 0; i < ledger->n && r == 0; i++) {
		if (!ledger->entries[i]->seen)
			entry_hold_only(ledger->entries[i], NULL, 0,
					now_msec); /* gives nothing: it cannot fail */
		r = let_go(ledger, ledger->entries[i], reports, now_msec);
	}
	if (r == 0)
		ledger_forget_empty(ledger);
	return r;
}

/* --- writes -------------------------------------------------------------------------------------------- */

int ledger_sent(struct ledger *ledger, const struct meta *meta, const struct addr *addresses,
		size_t n_addresses, uint64_t now_msec)
{
	struct ledger_entry *entry = ledger_find_or_add(ledger, meta->namespace, meta->name, meta->uid);
	size_t i;

	if (!entry)
		return -ENOMEM;
	for (i = 0; i < n_addresses; i++) {
		const struct ledger_address *known = entry_find_address(entry, &addresses[i]);
		bool held = known && !known->leaving; /* one that was given up is given anew */

		if (entry_hold(entry, &addresses[i], now_msec) < 0)
			return -ENOMEM;
		if (!held)
			entry_find_address(entry, &addresses[i])->unproven = true;
	}
	entry->unsettled = true;
	entry->over_version = meta->resource_version;
	entry->n_written =
		n_addresses < ARRAY_SIZE(entry->written) ? n_addresses : ARRAY_SIZE(entry->written);
	for (i = 0; i < entry->n_written; i++)
		entry->written[i] = addresses[i];
	return 0;
}

void ledger_acknowledged(struct ledger *ledger, const struct meta *meta, uint64_t version, uint64_t now_msec)
{
	struct ledger_entry *entry = ledger_find(ledger, meta->namespace, meta->name, meta->uid);
	size_t i;

	if (!entry || !entry->unsettled || version <= entry->known_version)
		return; /* the watch was faster */
	entry->unsettled = false;
	entry->known_version = version;
	for (i = 0; i < entry->n; i++) {
		if (!addrs_contain(entry->written, entry->n_written, &entry->addresses[i].addr))
			entry_leave(&entry->addresses[i], now_msec);
		else
			entry->addresses[i].unproven = false;
	}
}

bool ledger_is_ahead(const struct ledger *ledger, const struct service *service)
{
	const struct ledger_entry *entry =
		ledger_find(ledger, service->meta.namespace, service->meta.name, service->meta.uid);

	return entry && entry->known_version > service->meta.resource_version;
}

bool ledger_take_end(struct ledger *ledger, const struct service *service)
{
	struct ledger_entry *entry =
		ledger_find(ledger, service->meta.namespace, service->meta.name, service->meta.uid);
	bool ends = entry && entry->ends;

	if (ends)
		entry->ends = false;
	return ends;
}

bool ledger_has_let_go(const struct ledger *ledger, const char *namespace, const char *name)
{
	size_t i, j;

	for (i = ledger_first(ledger, namespace, name, "");
	     i < ledger->n && !strcmp(ledger->entries[i]->namespace, namespace) &&
	     !strcmp(ledger->entries[i]->name, name);
	     i++)
		for (j = 0; j < ledger->entries[i]->n; j++)
			if (ledger->entries[i]->addresses[j].leaving)
				return false;
	return true;
}
