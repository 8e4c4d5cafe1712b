// SPDX-License-Identifier: Apache-2.0
/* Held and leaving addresses: see ledger.h. */
#include "ipam/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/overlay.h"
#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/plan.h"

#define INGRESS_MAX (4096 + 2) /* what a decoded status holds, and what a write adds */

/* --- when an address may go ---------------------------------------------------------------------------- */

enum release_answer release_decide(const struct release *release, uint64_t now_msec, uint64_t *ret_until_msec)
{
	uint64_t overdue_msec = release->leaving_msec + RELEASE_PATIENCE_MSEC;
	uint64_t since_msec = release->sampled && release->leaving_msec > release->given_msec ?
				      release->leaving_msec :
				      release->given_msec;
	uint64_t reported_msec = since_msec + RELEASE_REPORT_MSEC;

	if (!release->any_node)
		return RELEASE_NOW;
	if (release->named) {
		*ret_until_msec = overdue_msec;
		return now_msec < overdue_msec ? RELEASE_WAIT : RELEASE_OVERDUE;
	}
	*ret_until_msec = reported_msec;
	return now_msec < reported_msec ? RELEASE_WAIT : RELEASE_NOW;
}

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

/* The first entry that does not come before it. */
static size_t lower_bound(const struct ledger *ledger, const char *namespace, const char *name,
			  const char *uid)
{
	size_t low = 0, high = ledger->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_entry(ledger->entries[middle], namespace, name, uid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct ledger *ledger, size_t at, const char *namespace, const char *name,
		  const char *uid)
{
	return at < ledger->n && !compare_entry(ledger->entries[at], namespace, name, uid);
}

/* Mostly they are asked for in their own order: then it is the next one. */
static size_t place_of(const struct ledger *ledger, size_t *cursor, const char *namespace, const char *name,
		       const char *uid)
{
	if (!is_at(ledger, *cursor, namespace, name, uid))
		*cursor = lower_bound(ledger, namespace, name, uid);
	return (*cursor)++;
}

static struct ledger_entry *find(const struct ledger *ledger, const char *namespace, const char *name,
				 const char *uid)
{
	size_t at = lower_bound(ledger, namespace, name, uid);

	return is_at(ledger, at, namespace, name, uid) ? ledger->entries[at] : NULL;
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

static struct ledger_entry *add_at(struct ledger *ledger, size_t at, const char *namespace, const char *name,
				   const char *uid)
{
	struct ledger_entry *entry;

	if (is_at(ledger, at, namespace, name, uid))
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

static struct ledger_entry *find_or_add(struct ledger *ledger, const char *namespace, const char *name,
					const char *uid)
{
	return add_at(ledger, lower_bound(ledger, namespace, name, uid), namespace, name, uid);
}

static struct ledger_address *find_address(const struct ledger_entry *entry, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < entry->n; i++)
		if (addr_equal(&entry->addresses[i].addr, addr))
			return &entry->addresses[i];
	return NULL;
}

static int hold(struct ledger_entry *entry, const struct addr *addr, uint64_t now_msec)
{
	struct ledger_address *address = find_address(entry, addr);

	if (address) {
		address->leaving = false;
		return 0;
	}
	if (array_reserve(entry->addresses, entry->n, entry->capacity) < 0)
		return -ENOMEM;
	entry->addresses[entry->n++] = (struct ledger_address){ .addr = *addr, .given_msec = now_msec };
	return 0;
}

static void leave(struct ledger_address *address, uint64_t now_msec)
{
	if (address->leaving)
		return;
	address->leaving = true;
	address->leaving_msec = now_msec;
}

static bool contains(const struct addr *addresses, size_t n, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal(&addresses[i], addr))
			return true;
	return false;
}

/* From now on it holds these and no others. */
static int hold_only(struct ledger_entry *entry, const struct addr *addresses, size_t n, uint64_t now_msec)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = hold(entry, &addresses[i], now_msec);
		if (r < 0)
			return r;
	}
	for (i = 0; i < entry->n; i++)
		if (!contains(addresses, n, &entry->addresses[i].addr))
			leave(&entry->addresses[i], now_msec);
	return 0;
}

/* --- following one Service ----------------------------------------------------------------------------- */

/* The addresses that the Service has or may have now, those of a write without answer first; into
 * ret[INGRESS_MAX]. */
static size_t addresses_of(const struct ledger_entry *entry, const struct service *service, struct addr *ret)
{
	size_t i, n = 0;

	if (entry && entry->unsettled)
		for (i = 0; i < entry->n_written; i++)
			ret[n++] = entry->written[i];
	for (i = 0; i < service->n_ingress && n < INGRESS_MAX; i++)
		if (service->ingress[i].addr.family != ADDR_NONE &&
		    !contains(ret, n, &service->ingress[i].addr))
			ret[n++] = service->ingress[i].addr;
	return n;
}

static int follow_status(struct ledger_entry *entry, const struct service *service, uint64_t now_msec)
{
	bool settled = entry->unsettled && service->meta.resource_version > entry->over_version;
	bool given_up = settled && !entry->n_written;
	struct addr addresses[INGRESS_MAX];
	size_t n;

	if (settled)
		entry->unsettled = false;
	entry->known_version = service->meta.resource_version;
	n = addresses_of(entry, service, addresses);
	/* Emptied by somebody else: it still holds what it held. */
	return !n && !given_up ? 0 : hold_only(entry, addresses, n, now_msec);
}

/* It is being deleted, or no longer ours. What its status says counts once: later it may be let go already.
 */
static int end(struct ledger_entry *entry, const struct service *service, uint64_t now_msec)
{
	struct addr addresses[INGRESS_MAX];
	size_t i, n = 0;

	if (!entry->ending && service->meta.deleting)
		n = addresses_of(entry, service, addresses);
	for (i = 0; i < n; i++)
		if (!find_address(entry, &addresses[i]) && hold(entry, &addresses[i], now_msec) < 0)
			return -ENOMEM;
	entry->ends |= !entry->ending;
	entry->ending = true;
	return hold_only(entry, NULL, 0, now_msec);
}

/* One that cannot be decoded has no class; that it was ours says its condition, and only its end matters. */
static bool is_to_follow(const struct service *service, bool default_class)
{
	return service_is_ours(service, default_class) ||
	       (service->unusable && service->meta.deleting &&
		conditions_find(&service->conditions, CONDITION_ALLOCATED));
}

static int follow(struct ledger *ledger, size_t *cursor, const struct service *service, bool default_class,
		  uint64_t now_msec)
{
	bool ours = is_to_follow(service, default_class);
	const struct meta *meta = &service->meta;
	size_t at = place_of(ledger, cursor, meta->namespace, meta->name, meta->uid);
	struct ledger_entry *entry;

	if (!ours && !is_at(ledger, at, meta->namespace, meta->name, meta->uid))
		return 0;
	entry = add_at(ledger, at, meta->namespace, meta->name, meta->uid);
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

/* --- sets of addresses --------------------------------------------------------------------------------- */

static int compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* Sorted: every address that a Service has in its status, of whatever class it is. */
static struct addr *collect_held(const struct service *const *services, size_t n_services,
				 struct arena *arena, size_t *ret_n)
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

static bool is_among(const struct addr *sorted, size_t n, const struct addr *addr)
{
	return n && bsearch(addr, sorted, n, sizeof(*sorted), compare_addrs);
}

/* --- a new leader -------------------------------------------------------------------------------------- */

/* "namespace/name" -> an entry without uid: whose address it was before the leader changed, nobody knows any
 * more. */
static struct ledger_entry *entry_of_report(struct ledger *ledger, const char *name)
{
	const char *slash = strchr(name, '/');
	cleanup(freep) char *namespace = slash ? strndup(name, (size_t)(slash - name)) : strdup("");

	return namespace ? find_or_add(ledger, namespace, slash ? slash + 1 : "", "") : NULL;
}

/* What nodes name but no Service has: somebody's who was deleted or changed while no leader looked. */
static int fill_from_reports(struct ledger *ledger, const struct cluster *cluster,
			     const struct node_reports *reports, uint64_t now_msec)
{
	cleanup(arena_done) struct arena arena = { 0 };
	size_t i, j, n_held = 0;
	const struct addr *held = collect_held(cluster->services, cluster->n_services, &arena, &n_held);

	if (!held)
		return -ENOMEM;
	for (i = 0; i < reports->n_items; i++) {
		const struct lb_node_service *service = reports->items[i].service;

		for (j = 0; j < service->n_vips; j++) {
			struct ledger_entry *entry;

			if (is_among(held, n_held, &service->vips[j]))
				continue;
			entry = entry_of_report(ledger, service->name);
			if (!entry || hold(entry, &service->vips[j], now_msec) < 0)
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
				   .sampled = reports->sampled };
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
			    "%s is given up after %d s although a node still names it: is its lbagent alive?",
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

static void forget_empty(struct ledger *ledger)
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
	if (r < 0)
		return r;
	ledger->filled = true;
	for (i = 0; i < ledger->n && r == 0; i++) {
		if (!ledger->entries[i]->seen)
			hold_only(ledger->entries[i], NULL, 0, now_msec); /* gives nothing: it cannot fail */
		r = let_go(ledger, ledger->entries[i], reports, now_msec);
	}
	if (r == 0)
		forget_empty(ledger);
	return r;
}

/* --- over a cluster ------------------------------------------------------------------------------------ */

static size_t held_of(const struct ledger_entry *entry, const struct service *service, struct addr *ret)
{
	size_t i, n = 0;

	if (entry->unsettled)
		return addresses_of(entry, service, ret);
	for (i = 0; i < entry->n && n < INGRESS_MAX; i++)
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
		if (n_addresses == n || !contains(addresses, n, &service->ingress[i].addr))
			return false;
		n_addresses++;
	}
	return n_addresses == n;
}

static int overlay_service(struct overlay *overlay, const struct ledger *ledger, size_t *cursor,
			   const struct service *service, bool default_class)
{
	const struct meta *meta = &service->meta;
	size_t n, at = place_of(ledger, cursor, meta->namespace, meta->name, meta->uid);
	struct addr addresses[INGRESS_MAX];
	const struct ledger_entry *entry;

	entry = is_at(ledger, at, meta->namespace, meta->name, meta->uid) ? ledger->entries[at] : NULL;
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
	held = collect_held(overlay->services, overlay->n_services, overlay->arena, &n_held);
	if (!held)
		return -ENOMEM;
	for (i = 0; i < ledger->n; i++) {
		const struct ledger_entry *entry = ledger->entries[i];

		for (j = 0; j < entry->n && r == 0; j++)
			if (entry->addresses[j].leaving && !is_among(held, n_held, &entry->addresses[j].addr))
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

/* --- writes -------------------------------------------------------------------------------------------- */

int ledger_sent(struct ledger *ledger, const struct meta *meta, const struct addr *addresses,
		size_t n_addresses, uint64_t now_msec)
{
	struct ledger_entry *entry = find_or_add(ledger, meta->namespace, meta->name, meta->uid);
	size_t i;

	if (!entry)
		return -ENOMEM;
	for (i = 0; i < n_addresses; i++)
		if (hold(entry, &addresses[i], now_msec) < 0)
			return -ENOMEM;
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
	struct ledger_entry *entry = find(ledger, meta->namespace, meta->name, meta->uid);
	size_t i;

	if (!entry || !entry->unsettled || version <= entry->known_version)
		return; /* the watch was faster */
	entry->unsettled = false;
	entry->known_version = version;
	for (i = 0; i < entry->n; i++)
		if (!contains(entry->written, entry->n_written, &entry->addresses[i].addr))
			leave(&entry->addresses[i], now_msec);
}

bool ledger_is_ahead(const struct ledger *ledger, const struct service *service)
{
	const struct ledger_entry *entry =
		find(ledger, service->meta.namespace, service->meta.name, service->meta.uid);

	return entry && entry->known_version > service->meta.resource_version;
}

bool ledger_take_end(struct ledger *ledger, const struct service *service)
{
	struct ledger_entry *entry =
		find(ledger, service->meta.namespace, service->meta.name, service->meta.uid);
	bool ends = entry && entry->ends;

	if (ends)
		entry->ends = false;
	return ends;
}

bool ledger_has_let_go(const struct ledger *ledger, const char *namespace, const char *name)
{
	size_t i, j;

	for (i = lower_bound(ledger, namespace, name, "");
	     i < ledger->n && !strcmp(ledger->entries[i]->namespace, namespace) &&
	     !strcmp(ledger->entries[i]->name, name);
	     i++)
		for (j = 0; j < ledger->entries[i]->n; j++)
			if (ledger->entries[i]->addresses[j].leaving)
				return false;
	return true;
}
