// SPDX-License-Identifier: Apache-2.0
/* One Service's PATCH: see service_write.h. */
#include "ipam/service_write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"
#include "userspace/core/plan.h"

#define MOST_CONDITIONS 4

void service_write_done(struct service_write *write)
{
	service_notes_done(&write->notes);
	strbuf_done(&write->body);
}

static bool has_finalizer(const struct service *service)
{
	return strings_contain(&service->meta.finalizers, CLEANUP_FINALIZER);
}

/* Exactly these, in this order, as VIPs. */
static bool ingress_is(const struct service *service, const struct addr *addresses, size_t n)
{
	size_t i;

	if (service->n_ingress != n)
		return false;
	for (i = 0; i < n; i++)
		if (service->ingress[i].proxy_mode || !addr_equal(&service->ingress[i].addr, &addresses[i]))
			return false;
	return true;
}

bool service_shows(const struct service *service, const struct allocation *allocation)
{
	return ingress_is(service, allocation->addresses, allocation->n_addresses);
}

bool service_is_settled(const struct service *service, const struct allocation *allocation)
{
	return has_finalizer(service) && service_shows(service, allocation);
}

/* --- what it should say -------------------------------------------------------------------------------- */

struct wanted {
	struct condition_want conditions[MOST_CONDITIONS];
	size_t n;
	bool only; /* others of ours stay */
};

static struct condition_want allocated_condition(const struct allocation *allocation, struct strbuf *message)
{
	struct condition_want want = { .type = CONDITION_ALLOCATED,
				       .status = allocation->n_addresses ? CONDITION_TRUE : CONDITION_FALSE,
				       .reason = *allocation->reason ? allocation->reason : "Allocated" };

	if (*allocation->message)
		strbuf_append(message, allocation->message);
	else if (*allocation->pool)
		strbuf_appendf(message, "from pool %s", allocation->pool);
	else
		strbuf_append(message, "of no pool");
	want.message = strbuf_text(message);
	return want;
}

static void add_wanted(struct wanted *wanted, struct condition_want want, int64_t generation)
{
	want.generation = generation;
	wanted->conditions[wanted->n++] = want;
}

static void add_problem(struct wanted *wanted, const struct service_problem *problem)
{
	const struct condition_want want = { .type = CONDITION_PROBLEM,
					     .status = CONDITION_TRUE,
					     .reason = problem->reason,
					     .message = problem->message };

	add_wanted(wanted, want, problem->generation);
}

static bool is_wanted(const struct wanted *wanted, const char *type)
{
	size_t i;

	for (i = 0; i < wanted->n; i++)
		if (text_equal(wanted->conditions[i].type, type))
			return true;
	return false;
}

static bool is_to_remove(const struct wanted *wanted, const char *type)
{
	bool ours = text_equal(type, CONDITION_ALLOCATED) || text_equal(type, CONDITION_PROGRAMMED) ||
		    text_equal(type, CONDITION_ANNOUNCED) || text_equal(type, CONDITION_PROBLEM);

	return ours && !wanted->only && !is_wanted(wanted, type);
}

/* --- the patch ----------------------------------------------------------------------------------------- */

static void append_head(struct strbuf *out, const struct service *service)
{
	strbuf_append(out, "{\"metadata\":{\"uid\":");
	json_append_string(out, service->meta.uid);
	strbuf_appendf(out, ",\"resourceVersion\":\"%" PRIu64 "\"", service->meta.resource_version);
}

static void append_ingress(struct strbuf *out, const struct addr *addresses, size_t n)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	strbuf_append(out, "\"loadBalancer\":{\"ingress\":");
	for (i = 0; i < n; i++)
		strbuf_appendf(out, "%s{\"ip\":\"%s\",\"ipMode\":\"VIP\"}", i ? "," : "[",
			       addr_format(&addresses[i], text));
	strbuf_append(out, n ? "]}" : "null}");
}

/* Those that differ, and those of ours that should not be there. */
static void append_conditions(struct strbuf *out, const struct service *service, const struct wanted *wanted,
			      int64_t now_sec)
{
	const char *separator = "\"conditions\":[";
	size_t i;

	for (i = 0; i < wanted->n; i++) {
		if (condition_compare(&service->meta.conditions, &wanted->conditions[i]) == CONDITION_SAME)
			continue;
		strbuf_append(out, separator);
		condition_json(out, &service->meta.conditions, &wanted->conditions[i], now_sec);
		separator = ",";
	}
	for (i = 0; i < service->meta.conditions.n; i++) {
		const char *type = service->meta.conditions.items[i].type;

		if (!is_to_remove(wanted, type))
			continue;
		strbuf_appendf(out, "%s{\"$patch\":\"delete\",\"type\":\"%s\"}", separator, type);
		separator = ",";
	}
	strbuf_append(out, out->length ? "]" : "");
}

static enum write_urgency urgency_of(const struct service *service, const struct wanted *wanted)
{
	enum write_urgency urgency = WRITE_NOTHING;
	size_t i;

	for (i = 0; i < wanted->n; i++)
		switch (condition_compare(&service->meta.conditions, &wanted->conditions[i])) {
		case CONDITION_SAME:
			break;
		case CONDITION_REWORDED:
			urgency = urgency > WRITE_LAZY ? urgency : WRITE_LAZY;
			break;
		case CONDITION_TURNED:
			urgency = WRITE_SOON;
			break;
		}
	for (i = 0; i < service->meta.conditions.n; i++)
		if (is_to_remove(wanted, service->meta.conditions.items[i].type))
			urgency = WRITE_SOON;
	return urgency;
}

static int write_patch(const struct service *service, const struct wanted *wanted, int64_t now_sec,
		       struct service_write *write)
{
	cleanup(strbuf_done) struct strbuf ingress = { 0 }, conditions = { 0 };

	append_head(&write->body, service);
	if (write->adds_finalizer)
		strbuf_append(&write->body, ",\"finalizers\":[\"" CLEANUP_FINALIZER "\"]");
	if (write->removes_finalizer)
		strbuf_append(&write->body,
			      ",\"$deleteFromPrimitiveList/finalizers\":[\"" CLEANUP_FINALIZER "\"]");
	strbuf_append(&write->body, "}");
	if (write->gives_addresses)
		append_ingress(&ingress, write->addresses, write->n_addresses);
	append_conditions(&conditions, service, wanted, now_sec);
	if (ingress.length || conditions.length)
		strbuf_appendf(&write->body, ",\"status\":{%s%s%s}", strbuf_text(&ingress),
			       ingress.length && conditions.length ? "," : "", strbuf_text(&conditions));
	strbuf_append(&write->body, "}");
	return strbuf_failed(&write->body) || strbuf_failed(&ingress) || strbuf_failed(&conditions) ? -ENOMEM
												    : 0;
}

int service_write_decide(const struct service *service, const struct allocation *allocation,
			 const struct service_state *state, const struct service_problem *problem,
			 int64_t now_sec, struct service_write *ret)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };
	struct service_write write = { .n_addresses = allocation->n_addresses };
	struct wanted wanted = { 0 };
	int r;

	memcpy(write.addresses, allocation->addresses, sizeof(write.addresses));
	add_wanted(&wanted, allocated_condition(allocation, &message), service->meta.generation);
	if (state) {
		add_wanted(&wanted, state->programmed, service->meta.generation);
		add_wanted(&wanted, state->announced, service->meta.generation);
	}
	if (problem)
		add_problem(&wanted, problem);
	write.adds_finalizer = !has_finalizer(service);
	write.gives_addresses = !service_shows(service, allocation);
	write.had_addresses = service->n_ingress > 0;
	write.urgency =
		write.adds_finalizer || write.gives_addresses ? WRITE_NOW : urgency_of(service, &wanted);
	if (strbuf_failed(&message))
		return -ENOMEM;
	r = write.urgency == WRITE_NOTHING ? 0 : write_patch(service, &wanted, now_sec, &write);
	if (r == 0 && write.urgency != WRITE_NOTHING)
		r = service_notes_decide(service, allocation, state, problem, &write.notes);
	if (r < 0) {
		service_write_done(&write);
		return r;
	}
	*ret = write;
	return 0;
}

int service_write_problem(const struct service *service, const struct service_problem *problem,
			  int64_t now_sec, struct service_write *ret)
{
	struct service_write write = { 0 };
	struct wanted wanted = { .only = true };
	int r = 0;

	add_problem(&wanted, problem);
	write.urgency = urgency_of(service, &wanted);
	if (write.urgency != WRITE_NOTHING)
		r = write_patch(service, &wanted, now_sec, &write);
	if (r == 0 && write.urgency != WRITE_NOTHING && service_problem_is_new(service, problem))
		r = service_notes_add(&write.notes, SERVICE_PROBLEM, problem->reason, problem->message);
	if (r < 0) {
		service_write_done(&write);
		return r;
	}
	*ret = write;
	return 0;
}

/* --- taking it away ------------------------------------------------------------------------------------ */

bool service_is_to_clean(const struct service *service, bool default_class)
{
	bool marked = conditions_find(&service->meta.conditions, CONDITION_ALLOCATED);

	if (!has_finalizer(service)) /* all that one that could not be read ever had of us */
		return !service->unusable && !service_is_ours(service, default_class) &&
		       conditions_find(&service->meta.conditions, CONDITION_PROBLEM);
	if (service->unusable) /* its class cannot be read, but what was written to it */
		return service->meta.deleting && marked;
	if (service->type != SERVICE_LOAD_BALANCER)
		return marked;
	/* It was ours: its type went and came back with another class between two looks. */
	if (service->load_balancer_class && !service_is_ours(service, default_class))
		return marked;
	if (!service->meta.deleting)
		return false;
	/* Class-less Services were ours, until --default-class was taken away. */
	return service_is_ours(service, default_class) || marked;
}

int service_write_clean(const struct service *service, struct service_write *ret)
{
	struct service_write write = { .urgency = WRITE_NOW, .removes_finalizer = has_finalizer(service) };
	struct wanted nothing = { 0 };
	int r = write_patch(service, &nothing, 0, &write);

	if (r < 0) {
		service_write_done(&write);
		return r;
	}
	*ret = write;
	return 0;
}
