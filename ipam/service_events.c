// SPDX-License-Identifier: Apache-2.0
/* Events of Services: see service_events.h. */
#include "ipam/service_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/service_write.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

static const struct kind {
	bool warning;
	const char *reason, *action;
	const char *note; /* NULL: each has its own */
} kinds[] = {
	[SERVICE_ENSURING] = { false, "EnsuringLoadBalancer", "Allocate", "Ensuring load balancer" },
	[SERVICE_ENSURED] = { false, "EnsuredLoadBalancer", "Allocate", NULL },
	[SERVICE_UPDATED] = { false, "UpdatedLoadBalancer", "Allocate", NULL },
	[SERVICE_DELETING] = { false, "DeletingLoadBalancer", "Release", "Deleting load balancer" },
	[SERVICE_DELETED] = { false, "DeletedLoadBalancer", "Release", "Deleted load balancer" },
	[SERVICE_FAILED] = { true, "SyncLoadBalancerFailed", "Allocate", NULL },
	[SERVICE_OVERDUE] = { true, "SyncLoadBalancerFailed", "Release", NULL },
	[SERVICE_WRITE_REFUSED] = { true, "SyncLoadBalancerFailed", "Write", NULL },
	[SERVICE_UNAVAILABLE] = { true, "UnAvailableLoadBalancer", "Announce", NULL },
	[SERVICE_PROBLEM] = { true, "Problem", "Read", NULL },
};

int service_event_tell(struct event_book *book, enum service_event event, const struct meta *meta,
		       const char *note, struct event_clock clock)
{
	const struct kind *kind = &kinds[event];

	return event_book_tell(book,
			       &(struct event){ .kind = OBJECT_SERVICE,
						.namespace = meta->namespace,
						.name = meta->name,
						.uid = meta->uid,
						.warning = kind->warning,
						.reason = kind->reason,
						.action = kind->action,
						.note = note ? note : kind->note },
			       clock.now_msec, clock.wall_usec);
}

/* --- of a write ---------------------------------------------------------------------------------------- */

void service_addresses_append(struct strbuf *out, const struct service_write *write)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < write->n_addresses; i++)
		strbuf_appendf(out, "%s%s", i ? ", " : "", addr_format(&write->addresses[i], text));
	if (!write->n_addresses)
		strbuf_append(out, "no address");
}

int service_events_sending(struct event_book *book, const struct meta *meta,
			   const struct service_write *write, struct event_clock clock)
{
	if (!write->gives_addresses || !write->n_addresses || write->had_addresses)
		return 0;
	return service_event_tell(book, SERVICE_ENSURING, meta, NULL, clock);
}

/* That there is none is told with the condition. */
static int tell_addresses(struct event_book *book, const struct meta *meta, const struct service_write *write,
			  struct event_clock clock)
{
	cleanup(strbuf_done) struct strbuf note = { 0 };

	if (!write->gives_addresses || !write->n_addresses)
		return 0;
	service_addresses_append(&note, write);
	if (strbuf_failed(&note))
		return -ENOMEM;
	return service_event_tell(book, write->had_addresses ? SERVICE_UPDATED : SERVICE_ENSURED, meta,
				  strbuf_text(&note), clock);
}

int service_events_written(struct event_book *book, const struct meta *meta,
			   const struct service_write *write, struct event_clock clock)
{
	size_t i;
	int r = tell_addresses(book, meta, write, clock);

	if (r == 0 && write->removes_finalizer)
		r = service_event_tell(book, SERVICE_DELETED, meta, NULL, clock);
	for (i = 0; i < write->notes.n && r == 0; i++)
		r = service_event_tell(book, write->notes.items[i].event, meta, write->notes.items[i].text,
				       clock);
	return r;
}

/* --- of conditions ------------------------------------------------------------------------------------- */

void service_notes_done(struct service_notes *notes)
{
	size_t i;

	for (i = 0; i < notes->n; i++)
		free(notes->items[i].text);
	*notes = (struct service_notes){ 0 };
}

int service_notes_add(struct service_notes *notes, enum service_event event, const char *reason,
		      const char *message)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	struct service_note *note = &notes->items[notes->n];

	strbuf_appendf(&text, "%s: %s", reason, message);
	*note = (struct service_note){ event, strbuf_failed(&text) ? NULL : strdup(strbuf_text(&text)) };
	if (!note->text)
		return -ENOMEM;
	notes->n++;
	return 0;
}

int service_notes_copy(const struct service_notes *notes, struct service_notes *ret)
{
	struct service_notes copy = { 0 };

	for (; copy.n < notes->n; copy.n++) {
		copy.items[copy.n] = (struct service_note){ notes->items[copy.n].event,
							    strdup(notes->items[copy.n].text) };
		if (!copy.items[copy.n].text) {
			service_notes_done(&copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

static bool seen_with(const struct service *service, const char *type, const char *reason)
{
	const struct condition *seen = conditions_find(&service->meta.conditions, type);

	return seen && text_equal(seen->reason, reason);
}

bool service_problem_is_new(const struct service *service, const struct service_problem *problem)
{
	return condition_compare(&service->meta.conditions,
				 &(struct condition_want){ .type = CONDITION_PROBLEM,
							   .status = CONDITION_TRUE,
							   .reason = problem->reason,
							   .message = problem->message,
							   .generation = problem->generation }) !=
	       CONDITION_SAME;
}

/* Not one that is there and announces nothing for want of endpoints, sessions or peers. */
static bool says_no_node(const char *reason)
{
	return text_equal(reason, REASON_NO_NODES) || text_equal(reason, AGENT_SILENT) ||
	       text_equal(reason, "NotSelected");
}

static bool has_become_unavailable(const struct service *service, const struct service_state *state)
{
	const struct condition *seen = conditions_find(&service->meta.conditions, CONDITION_ANNOUNCED);

	return says_no_node(state->announced.reason) && !(seen && says_no_node(seen->reason));
}

int service_notes_decide(const struct service *service, const struct allocation *allocation,
			 const struct service_state *state, const struct service_problem *problem,
			 struct service_notes *ret)
{
	struct service_notes notes = { 0 };
	int r = 0;

	if (*allocation->reason && !seen_with(service, CONDITION_ALLOCATED, allocation->reason))
		r = service_notes_add(&notes, SERVICE_FAILED, allocation->reason, allocation->message);
	if (r == 0 && state && has_become_unavailable(service, state))
		r = service_notes_add(&notes, SERVICE_UNAVAILABLE,
				      "There are no available nodes for LoadBalancer",
				      state->announced.message);
	if (r == 0 && problem && service_problem_is_new(service, problem))
		r = service_notes_add(&notes, SERVICE_PROBLEM, problem->reason, problem->message);
	if (r < 0) {
		service_notes_done(&notes);
		return r;
	}
	*ret = notes;
	return 0;
}
