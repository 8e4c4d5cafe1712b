// SPDX-License-Identifier: Apache-2.0
/* Leader election: see lease.h. */
#include "k8s/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

/* --- what the API server says -------------------------------------------------------------------------- */

/* False: longer than its place. Absent and null are "". */
static bool copy_text(const struct json *parent, const char *name, char *ret, size_t size)
{
	const struct json *value = json_member(parent, name);
	const char *text = value && value->type == JSON_STRING ? value->text : "";

	if (strlen(text) >= size)
		return false;
	strcpy(ret, text);
	return true;
}

static int64_t number_or(const struct json *parent, const char *name, int64_t fallback)
{
	const struct json *value = json_member(parent, name);
	int64_t number;

	return value && json_integer(value, 0, INT32_MAX, &number) == 0 ? number : fallback;
}

int lease_decode(const struct json *object, struct lease *ret)
{
	const struct json *kind = json_member(object, "kind"), *spec = json_member(object, "spec");
	struct lease lease = { .exists = true };

	if (!kind || !text_equal(kind->text, "Lease") ||
	    !copy_text(json_member(object, "metadata"), "resourceVersion", lease.resource_version,
		       sizeof(lease.resource_version)) ||
	    !copy_text(spec, "holderIdentity", lease.holder, sizeof(lease.holder)) ||
	    !copy_text(spec, "acquireTime", lease.acquire_time, sizeof(lease.acquire_time)) ||
	    !copy_text(spec, "renewTime", lease.renew_time, sizeof(lease.renew_time)))
		return -EINVAL;
	lease.duration_sec = number_or(spec, "leaseDurationSeconds", LEASE_DURATION_SEC);
	lease.transitions = number_or(spec, "leaseTransitions", 0);
	*ret = lease;
	return 0;
}

static bool same_lease(const struct lease *a, const struct lease *b)
{
	return a->exists == b->exists && !strcmp(a->resource_version, b->resource_version) &&
	       !strcmp(a->holder, b->holder) && !strcmp(a->renew_time, b->renew_time);
}

void lease_note(struct lease_view *view, const struct lease *lease, uint64_t now_msec)
{
	if (!view->known || !same_lease(&view->lease, lease))
		view->changed_msec = now_msec;
	view->known = true;
	view->lease = *lease;
}

void lease_note_written(struct lease_view *view, const struct lease *lease, uint64_t sent_msec)
{
	lease_note(view, lease, sent_msec);
	view->leading = true;
	view->renewed_msec = sent_msec;
}

/* --- decisions ----------------------------------------------------------------------------------------- */

static uint64_t until(uint64_t when_msec, uint64_t now_msec)
{
	return when_msec > now_msec ? when_msec - now_msec : 0;
}

bool lease_may_write(const struct lease_view *view, uint64_t now_msec)
{
	return view->leading && now_msec < view->renewed_msec + LEASE_RENEW_DEADLINE_MSEC;
}

static struct lease_decision decide_leading(const struct lease_view *view, const char *identity,
					    uint64_t now_msec)
{
	if (!lease_may_write(view, now_msec) ||
	    (view->lease.exists && strcmp(view->lease.holder, identity) != 0))
		return (struct lease_decision){ .action = LEASE_LOST };
	return (struct lease_decision){ LEASE_RENEW, until(view->renewed_msec + LEASE_RETRY_MSEC, now_msec) };
}

struct lease_decision lease_decide(const struct lease_view *view, const char *identity, uint64_t now_msec)
{
	const struct lease *lease = &view->lease;
	uint64_t expires_msec = view->changed_msec + (uint64_t)lease->duration_sec * 1000, wait;

	if (view->leading)
		return decide_leading(view, identity, now_msec);
	if (!view->known)
		return (struct lease_decision){ .action = LEASE_READ };
	/* One identity is one line of processes: the one before us has ended. */
	if (!lease->exists || !*lease->holder || !strcmp(lease->holder, identity) || now_msec >= expires_msec)
		return (struct lease_decision){ .action = LEASE_ACQUIRE };
	wait = until(expires_msec, now_msec);
	return (struct lease_decision){ LEASE_WAIT, wait < LEASE_LOOK_MSEC ? wait : LEASE_LOOK_MSEC };
}

/* --- what is written ----------------------------------------------------------------------------------- */

static void append_time(struct strbuf *out, const char *name, int64_t now_usec)
{
	strbuf_appendf(out, ",\"%s\":\"", name);
	strbuf_append_time_usec(out, now_usec);
	strbuf_append(out, "\"");
}

static void append_text(struct strbuf *out, const char *before, const char *name, const char *text)
{
	strbuf_appendf(out, "%s\"%s\":", before, name);
	json_append_string(out, text);
}

static void append_head(struct strbuf *out, const struct lease_view *view, const char *namespace,
			const char *name)
{
	strbuf_append(out, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{");
	append_text(out, "", "name", name);
	append_text(out, ",", "namespace", namespace);
	if (view->lease.exists)
		append_text(out, ",", "resourceVersion", view->lease.resource_version);
	strbuf_append(out, "},\"spec\":{");
}

void lease_json(struct strbuf *out, const struct lease_view *view, const char *namespace, const char *name,
		const char *identity, int64_t now_usec)
{
	const struct lease *lease = &view->lease;
	bool stays = lease->exists && !strcmp(lease->holder, identity);

	append_head(out, view, namespace, name);
	append_text(out, "", "holderIdentity", identity);
	strbuf_appendf(out, ",\"leaseDurationSeconds\":%d,\"leaseTransitions\":%" PRId64, LEASE_DURATION_SEC,
		       lease->transitions + (lease->exists && !stays));
	if (stays && *lease->acquire_time)
		append_text(out, ",", "acquireTime", lease->acquire_time);
	else
		append_time(out, "acquireTime", now_usec);
	append_time(out, "renewTime", now_usec);
	strbuf_append(out, "}}");
}

void lease_release_json(struct strbuf *out, const struct lease_view *view, const char *namespace,
			const char *name, int64_t now_usec)
{
	append_head(out, view, namespace, name);
	strbuf_appendf(out,
		       "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,\"leaseTransitions\":%" PRId64,
		       view->lease.transitions);
	append_time(out, "acquireTime", now_usec);
	append_time(out, "renewTime", now_usec);
	strbuf_append(out, "}}");
}
