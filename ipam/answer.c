// SPDX-License-Identifier: Apache-2.0
/* Why a Service did not get what it asked for (PURE): the stable CamelCase reason, and a message that goes through the
 * pools one by one, so that nobody has to guess which of them was meant to serve. */
#include <errno.h>
#include <string.h>

#include "ipam/run.h"
#include "userspace/base/cleanup.h"

#define POOLS_IN_MESSAGE 64 /* a condition's message holds 32 KiB, a pool's name 253 bytes */

struct refusal_kind {
	const char *reason;
	int rank; /* how near the pool came: the nearest one's reason is the Service's */
};

static struct refusal_kind refusal_kind(enum refusal refusal, bool by_name)
{
	switch (refusal) {
	case REFUSED_NOT:
		break;
	case REFUSED_NAMESPACE:
	case REFUSED_LABELS:
	case REFUSED_MANUAL:
		return (struct refusal_kind){ "NoMatchingPool", 1 };
	case REFUSED_UNHEALTHY: /* unasked it is no pool at all; asked for by name it must be said what is wrong */
		return (struct refusal_kind){ by_name ? "PoolNotReady" : "NoMatchingPool", 1 };
	case REFUSED_DISABLED:
		return (struct refusal_kind){ "PoolDisabled", 2 };
	case REFUSED_FAMILY:
		return (struct refusal_kind){ "FamilyUnavailable", 3 };
	case REFUSED_EXHAUSTED:
		return (struct refusal_kind){ "PoolExhausted", 4 };
	case REFUSED_QUOTA:
		return (struct refusal_kind){ QUOTA_EXCEEDED, 4 };
	case REFUSED_OUTSIDE:
	case REFUSED_AVOIDED:
		return (struct refusal_kind){ "AddressNotInPool", 5 };
	case REFUSED_IN_USE:
		return (struct refusal_kind){ "AddressInUse", 5 };
	case REFUSED_SHARING:
		return (struct refusal_kind){ "SharingRefused", 5 };
	}
	return (struct refusal_kind){ "", 0 };
}

void append_decimal(struct strbuf *out, addr_number number)
{
	char digits[40], *p = digits + sizeof(digits);

	*--p = 0;
	do
		*--p = (char)('0' + (int)(number % 10));
	while (number /= 10);
	strbuf_append(out, p);
}

static const char *family_word(unsigned slot)
{
	return slot == SLOT_IPV6 ? "IPv6 addresses" : "addresses";
}

static void append_service(struct strbuf *out, const struct service *service)
{
	strbuf_appendf(out, "%s/%s", service->meta.namespace, service->meta.name);
}

static void append_exhausted(struct strbuf *out, const struct pool *pool, unsigned slot)
{
	append_decimal(out, pool->slots[slot].in_use);
	strbuf_append(out, " of ");
	append_decimal(out, pool->slots[slot].usable);
	strbuf_appendf(out, " %s in use", family_word(slot));
}

static void append_refusal(struct strbuf *out, const struct claim *claim, const struct offer *offer,
			   enum refusal refusal, unsigned slot)
{
	const struct pool *pool = offer->pool;
	char wish[ADDR_TEXT_MAX];

	addr_format(&claim->request.ips[slot], wish);
	switch (refusal) {
	case REFUSED_NOT:
		break;
	case REFUSED_NAMESPACE:
		strbuf_appendf(out, "namespace %s not selected", claim->service->meta.namespace);
		break;
	case REFUSED_LABELS:
		strbuf_append(out, "labels not selected");
		break;
	case REFUSED_MANUAL:
		strbuf_append(out, "autoAssign is false");
		break;
	case REFUSED_UNHEALTHY:
		strbuf_append(out, pool->health == POOL_INVALID ? "Invalid" : "Conflict");
		break;
	case REFUSED_DISABLED:
		strbuf_append(out, pool->spec->meta.deleting ? "being deleted" : "disabled");
		break;
	case REFUSED_FAMILY:
		strbuf_appendf(out, "no %s addresses", slot == SLOT_IPV6 ? "IPv6" : "IPv4");
		break;
	case REFUSED_EXHAUSTED:
		append_exhausted(out, pool, slot);
		break;
	case REFUSED_QUOTA:
		strbuf_appendf(out, "namespace %s has its quota of %u addresses", claim->service->meta.namespace,
			       pool->spec->quota_per_namespace);
		break;
	case REFUSED_OUTSIDE:
		strbuf_appendf(out, "%s is not in it", wish);
		break;
	case REFUSED_AVOIDED:
		strbuf_appendf(out, "avoidBuggyIPs keeps %s out of use", wish);
		break;
	case REFUSED_IN_USE:
		strbuf_appendf(out, "%s is in use by ", wish);
		append_service(out, offer->in_the_way[slot]->service);
		break;
	case REFUSED_SHARING:
		strbuf_appendf(out, "%s is in use by ", wish);
		append_service(out, offer->in_the_way[slot]->service);
		strbuf_appendf(out, " and cannot be shared: %s", offer->sharing_why[slot]);
		break;
	}
}

static void append_pool(struct strbuf *out, const struct claim *claim, const struct offer *offer)
{
	const char *separator = "";
	size_t i;

	strbuf_appendf(out, "%spool %s: ", out->length ? "; " : "", offer->pool->spec->meta.name);
	if (offer->gate != REFUSED_NOT)
		append_refusal(out, claim, offer, offer->gate, SLOT_IPV4);
	for (i = 0; offer->gate == REFUSED_NOT && i < claim->request.n_families; i++) {
		unsigned slot = family_slot(claim->request.families[i]);

		if (offer->refusals[slot] == REFUSED_NOT)
			continue;
		strbuf_append(out, separator);
		append_refusal(out, claim, offer, offer->refusals[slot], slot);
		separator = ", ";
	}
}

static struct refusal_kind offer_kind(const struct claim *claim, const struct offer *offer, bool by_name)
{
	struct refusal_kind nearest = refusal_kind(offer->gate, by_name);
	size_t i;

	for (i = 0; i < claim->request.n_families; i++) {
		unsigned slot = family_slot(claim->request.families[i]);
		struct refusal_kind kind = refusal_kind(offer->refusals[slot], by_name);

		if (kind.rank > nearest.rank)
			nearest = kind;
	}
	return nearest;
}

static int set_answer(struct run *run, struct claim *claim, const char *reason, const struct strbuf *message)
{
	cleanup(strbuf_done) struct strbuf joined = { 0 };

	strbuf_append(&joined, claim->message);
	strbuf_appendf(&joined, "%s%s", joined.length && message->length ? "; " : "", strbuf_text(message));
	if (strbuf_failed(message) || strbuf_failed(&joined))
		return -ENOMEM;
	if (!*claim->reason)
		claim->reason = reason;
	claim->message = arena_string(&run->arena, strbuf_text(&joined));
	return claim->message ? 0 : -ENOMEM;
}

int answer_no_offer(struct run *run, struct claim *claim, struct pool *const *candidates, size_t n_candidates,
		    bool by_name)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct refusal_kind nearest = { "NoMatchingPool", 0 };
	size_t i, listed = 0, wanted;

	/* First the pools that select the Service, then those that do not. */
	for (wanted = 0; wanted < 2; wanted++)
		for (i = 0; i < n_candidates; i++) {
			struct offer offer = offer_of_pool(run, claim, candidates[i], by_name);
			struct refusal_kind kind = offer_kind(claim, &offer, by_name);

			if ((kind.rank > 1) != (wanted == 0))
				continue;
			if (kind.rank > nearest.rank)
				nearest = kind;
			if (listed++ < POOLS_IN_MESSAGE)
				append_pool(&message, claim, &offer);
		}
	if (listed > POOLS_IN_MESSAGE)
		strbuf_appendf(&message, "; and %zu more pools", listed - POOLS_IN_MESSAGE);
	if (!listed)
		strbuf_append(&message, "there is no ServiceIPPool");
	return set_answer(run, claim, nearest.reason, &message);
}

int answer_refused(struct run *run, struct claim *claim, const char *reason, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	va_list arguments;

	va_start(arguments, format);
	strbuf_vappendf(&message, format, arguments);
	va_end(arguments);
	return set_answer(run, claim, reason, &message);
}

int answer_wish_refused(struct run *run, struct claim *claim, const char *reason, const struct wish *wish, const char *why)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };

	wish_append_refusal(&message, wish, why);
	return set_answer(run, claim, reason, &message);
}

int answer_lost(struct run *run, struct claim *claim, const char *reason, const struct addr *addr,
		const struct claim *in_the_way, const char *sharing_why)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	char text[ADDR_TEXT_MAX];

	addr_format(addr, text);
	if (in_the_way) {
		strbuf_appendf(&message, "%s was taken away: it is in use by the older ", text);
		append_service(&message, in_the_way->service);
		strbuf_appendf(&message, ", and %s", sharing_why);
	} else {
		strbuf_appendf(&message, "%s was taken away: no pool contains it", text);
	}
	return set_answer(run, claim, reason, &message);
}
