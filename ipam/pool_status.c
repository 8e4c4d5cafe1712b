// SPDX-License-Identifier: Apache-2.0
/* A pool's counts, conditions and finalizer: see pool_status.h. */
#include "ipam/pool_status.h"

#include <errno.h>
#include <inttypes.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

/* --- conditions ---------------------------------------------------------------------------------------- */

/* The API server's integers end there. */
static uint64_t as_integer(addr_number number)
{
	return number > INT64_MAX ? INT64_MAX : (uint64_t)number;
}

struct fill { /* per family: does the pool have it, and is none free? */
	bool has_v4, has_v6, full_v4, full_v6;
};

static struct fill fill_of(const struct pool_usage *usage)
{
	struct fill fill = { .has_v4 = usage->assigned_v4 || usage->available_v4,
			     .has_v6 = usage->assigned_v6 || usage->available_v6 };

	fill.full_v4 = fill.has_v4 && !usage->available_v4;
	fill.full_v6 = fill.has_v6 && !usage->available_v6;
	return fill;
}

static struct condition_want ready_condition(const struct pool_usage *usage)
{
	struct condition_want want = { .type = "Ready", .status = CONDITION_FALSE };
	struct fill fill = fill_of(usage);

	if (!usage->ready) {
		want.reason = usage->reason;
		want.message = *usage->message ? usage->message
			       : text_equal(usage->reason, "Disabled")
				       ? "disabled: addresses are kept, none are given"
				       : "";
	} else if ((!fill.has_v4 || fill.full_v4) && (!fill.has_v6 || fill.full_v6)) {
		want.reason = "Exhausted";
		want.message = "every address is in use";
	} else {
		want.status = CONDITION_TRUE;
		want.reason = "Ready";
		want.message = "";
	}
	return want;
}

static struct condition_want conflict_condition(const struct pool_usage *usage)
{
	bool conflict = text_equal(usage->reason, "Conflict");

	return (struct condition_want){ .type = "Conflict",
					.status = conflict ? CONDITION_TRUE : CONDITION_FALSE,
					.reason = conflict ? "Conflict" : "NoConflict",
					.message = conflict ? usage->message : "" };
}

static struct condition_want exhausted_condition(const struct pool_usage *usage)
{
	struct fill fill = fill_of(usage);
	struct condition_want want = {
		.type = "Exhausted", .status = CONDITION_FALSE, .reason = "AddressesFree", .message = ""
	};

	if (!usage->ready) {
		want.status = CONDITION_UNKNOWN;
		want.reason = "NotReady";
	} else if (fill.full_v4 || fill.full_v6) {
		want.status = CONDITION_TRUE;
		want.reason = "Exhausted";
		want.message = fill.full_v4 && fill.full_v6 ? "no IPv4 and no IPv6 address is free"
			       : fill.full_v4		    ? "no IPv4 address is free"
							    : "no IPv6 address is free";
	}
	return want;
}

/* --- patches ------------------------------------------------------------------------------------------- */

static void append_condition(struct strbuf *out, const char *before, const struct service_ip_pool *pool,
			     struct condition_want want, int64_t now_sec)
{
	want.generation = pool->meta.generation;
	strbuf_append(out, before);
	condition_json(out, &pool->meta.conditions, &want, now_sec);
}

int pool_status_patch(struct strbuf *out, const struct service_ip_pool *pool, const struct pool_usage *usage,
		      int64_t now_sec)
{
	cleanup(strbuf_done) struct strbuf refusal = { 0 };
	struct condition_want valid =
		condition_valid(&pool->meta,
				pool->unusable ? "it gives no address, and what Services hold stays"
					       : "its last good version is in force until lbcontroller "
						 "starts anew; then it gives no address",
				&refusal);

	strbuf_appendf(out, "{\"status\":{\"assignedIPv4\":%" PRIu64 ",\"availableIPv4\":%" PRIu64,
		       usage->assigned_v4, usage->available_v4);
	strbuf_appendf(out, ",\"assignedIPv6\":%" PRIu64 ",\"availableIPv6\":%" PRIu64,
		       as_integer(usage->assigned_v6), as_integer(usage->available_v6));
	if (meta_newest_generation(&pool->meta))
		strbuf_appendf(out, ",\"observedGeneration\":%" PRId64, meta_newest_generation(&pool->meta));
	append_condition(out, ",\"conditions\":[", pool, ready_condition(usage), now_sec);
	append_condition(out, ",", pool, conflict_condition(usage), now_sec);
	append_condition(out, ",", pool, exhausted_condition(usage), now_sec);
	strbuf_append(out, ",");
	condition_json(out, &pool->meta.conditions, &valid, now_sec);
	strbuf_append(out, "]}}");
	return strbuf_failed(out) || strbuf_failed(&refusal) ? -ENOMEM : 0;
}

int pool_finalizer_patch(struct strbuf *out, const struct service_ip_pool *pool,
			 const struct pool_usage *usage)
{
	const struct strings *finalizers = &pool->meta.finalizers;
	bool wanted = usage->assigned_v4 || usage->assigned_v6,
	     there = strings_contain(finalizers, POOL_FINALIZER);
	const char *separator = "";
	size_t i;

	/* One that is being deleted may get no new finalizers. What one holds that could not be decoded is
	 * unknown: it keeps its own until somebody deletes it. */
	if (wanted == there || (wanted && pool->meta.deleting) || (pool->unusable && !pool->meta.deleting))
		return 0;
	strbuf_appendf(out, "{\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\",\"finalizers\":[",
		       pool->meta.resource_version);
	for (i = 0; i < finalizers->n; i++) {
		if (text_equal(finalizers->items[i], POOL_FINALIZER))
			continue;
		strbuf_append(out, separator);
		json_append_string(out, finalizers->items[i]);
		separator = ",";
	}
	if (wanted)
		strbuf_appendf(out, "%s\"" POOL_FINALIZER "\"", separator);
	strbuf_append(out, "]}}");
	return strbuf_failed(out) ? -ENOMEM : 0;
}
