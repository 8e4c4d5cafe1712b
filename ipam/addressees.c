// SPDX-License-Identifier: Apache-2.0
/* Backoff and pauses of each object: see addressees.h. */
#include "ipam/addressees.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/doubling.h"
#include "userspace/base/sorted.h"

/* --- the table ----------------------------------------------------------------------------------------- */

static int compare(const struct addressee *object, enum object_kind kind, const char *namespace,
		   const char *name)
{
	int order = object->kind < kind ? -1 : object->kind > kind;

	if (!order)
		order = strcmp(object->namespace, namespace);
	return order ? order : strcmp(object->name, name);
}

static size_t lower_bound(const struct addressees *addressees, enum object_kind kind, const struct meta *meta)
{
	return sorted_place(addressees->n, i,
			    compare(addressees->items[i], kind, meta->namespace, meta->name) < 0);
}

struct addressee *addressees_find(const struct addressees *addressees, enum object_kind kind,
				  const struct meta *meta)
{
	size_t at = lower_bound(addressees, kind, meta);

	return at < addressees->n && !compare(addressees->items[at], kind, meta->namespace, meta->name)
		       ? addressees->items[at]
		       : NULL;
}

static void addressee_free(struct addressee *object)
{
	if (!object)
		return;
	free(object->namespace);
	free(object->name);
	free(object);
}

struct addressee *addressees_add(struct addressees *addressees, enum object_kind kind,
				 const struct meta *meta)
{
	size_t at = lower_bound(addressees, kind, meta);
	struct addressee *object = addressees_find(addressees, kind, meta);

	if (object)
		return object;
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->kind = kind;
	object->namespace = strdup(meta->namespace);
	object->name = strdup(meta->name);
	if (!object->namespace || !object->name ||
	    array_reserve(addressees->items, addressees->n, addressees->capacity) < 0) {
		addressee_free(object);
		return NULL;
	}
	memmove(addressees->items + at + 1, addressees->items + at,
		(addressees->n - at) * sizeof(struct addressee *));
	addressees->items[at] = object;
	addressees->n++;
	return object;
}

void addressees_forget_old(struct addressees *addressees, uint64_t now_msec)
{
	size_t i, kept = 0;

	for (i = 0; i < addressees->n; i++) {
		struct addressee *object = addressees->items[i];

		if (object->busy || now_msec < object->sent_msec + ADDRESSEE_FORGET_MSEC ||
		    now_msec < object->retry_msec ||
		    (object->no_status_until_msec &&
		     now_msec < object->no_status_until_msec + ADDRESSEE_FORGET_MSEC))
			addressees->items[kept++] = object;
		else
			addressee_free(object);
	}
	addressees->n = kept;
}

void addressees_done(struct addressees *addressees)
{
	size_t i;

	for (i = 0; i < addressees->n; i++)
		addressee_free(addressees->items[i]);
	free(addressees->items);
	*addressees = (struct addressees){ 0 };
}

/* --- one object ---------------------------------------------------------------------------------------- */

static enum addressee_answer rests_until(uint64_t until_msec, uint64_t now_msec, uint64_t *ret_until_msec)
{
	if (until_msec <= now_msec)
		return ADDRESSEE_READY;
	*ret_until_msec = until_msec;
	return ADDRESSEE_RESTS;
}

enum addressee_answer addressee_ask(const struct addressee *object, uint64_t resource_version,
				    uint64_t now_msec, uint64_t *ret_until_msec)
{
	if (!object)
		return ADDRESSEE_READY;
	if (object->busy || object->acknowledged_version > resource_version)
		return ADDRESSEE_WAITS;
	return rests_until(object->retry_msec, now_msec, ret_until_msec);
}

static uint64_t pause_of(enum write_urgency urgency)
{
	switch (urgency) {
	case WRITE_NOTHING:
	case WRITE_NOW:
		break;
	case WRITE_SOON:
		return ADDRESSEE_SOON_MSEC;
	case WRITE_LAZY:
		return ADDRESSEE_LAZY_MSEC;
	}
	return 0;
}

enum addressee_answer addressee_ask_urgency(const struct addressee *object, enum write_urgency urgency,
					    uint64_t now_msec, uint64_t *ret_until_msec)
{
	return object->sent_msec
		       ? rests_until(object->sent_msec + pause_of(urgency), now_msec, ret_until_msec)
		       : ADDRESSEE_READY;
}

void addressee_sent(struct addressee *object, uint64_t now_msec)
{
	object->busy = true;
	object->sent_msec = now_msec;
}

void addressee_acknowledged(struct addressee *object, uint64_t version)
{
	object->busy = false;
	object->failures = 0;
	object->refusal_told = false;
	object->n_not_found = 0;
	object->no_status_until_msec = 0;
	object->acknowledged_version = version;
}

static uint64_t rest(struct addressee *object, uint64_t asked_msec, uint64_t now_msec)
{
	uint64_t msec = doubled(ADDRESSEE_FIRST_RETRY_MSEC, object->failures, ADDRESSEE_MOST_RETRY_MSEC);

	if (msec < asked_msec)
		msec = asked_msec;
	object->busy = false;
	object->failures++;
	object->retry_msec = now_msec + msec;
	return msec;
}

uint64_t addressee_failed(struct addressee *object, uint64_t asked_msec, uint64_t now_msec)
{
	object->n_not_found = 0;
	return rest(object, asked_msec, now_msec);
}

bool addressee_not_found(struct addressee *object, uint64_t resource_version, uint64_t now_msec,
			 uint64_t *ret_msec)
{
	bool no_status = object->n_not_found + 1 >= ADDRESSEE_NO_STATUS_TRIES;

	if (no_status) {
		object->failures = 0;
		object->no_status_version = resource_version;
		object->no_status_until_msec = now_msec + ADDRESSEE_NO_STATUS_MSEC;
	} else {
		object->n_not_found++;
	}
	*ret_msec = rest(object, 0, now_msec);
	return no_status;
}

enum addressee_answer addressee_ask_status(const struct addressee *object, uint64_t resource_version,
					   uint64_t now_msec, uint64_t *ret_until_msec)
{
	return resource_version == object->no_status_version
		       ? rests_until(object->no_status_until_msec, now_msec, ret_until_msec)
		       : ADDRESSEE_READY;
}
