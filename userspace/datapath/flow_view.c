// SPDX-License-Identifier: Apache-2.0
/* A walk over the flow tables beside the programs that write them: each flow as it was at one moment, none
 * twice unless it was closed and opened again meanwhile. */
#include "userspace/datapath/flow_view.h"

#include <arpa/inet.h>
#include <string.h>

#include "userspace/datapath/clock.h"
#include "userspace/datapath/expiry.h"
#include "userspace/datapath/flows.h"

static const char *state_name(const struct flow_facts *facts)
{
	bool closing = lb_control_state(facts->control) == LB_CLOSING;
	bool reply_closing = facts->has_reply && lb_control_state(facts->reply_control) == LB_CLOSING;

	if ((facts->control | (facts->has_reply ? facts->reply_control : 0)) & LB_CTL_RST)
		return "reset";
	if (closing && reply_closing)
		return "closed";
	return closing || reply_closing ? "closing" : "open";
}

/* False: the id has another life by now, or none. */
static bool fill_frontend(const struct tables *tables, uint32_t handle, struct flow_view *view)
{
	uint32_t id = lb_handle_id(handle);
	const struct lb_frontend *entry;

	if (id >= tables->n_frontends)
		return false;
	entry = &tables->frontends[id];
	if (entry->life == LB_EMPTY || lb_handle(id, entry->generation) != handle)
		return false;
	view->frontend = table_addr(entry->family, entry->addr);
	view->frontend_port = ntohs(entry->port);
	view->protocol = entry->protocol;
	return true;
}

static bool fill_backend(const struct tables *tables, uint32_t handle, struct flow_view *view)
{
	uint32_t id = lb_handle_id(handle);
	const struct lb_backend *entry;

	if (id >= tables->n_backends)
		return false;
	entry = &tables->backends[id];
	if (backend_life(entry) == LB_EMPTY || lb_handle(id, entry->generation) != handle)
		return false;
	view->backend = table_addr(entry->family, entry->addr);
	view->backend_port = ntohs(entry->port);
	return true;
}

static bool flow_view_fill(const struct tables *tables, const struct flow_tables *flows, bool ipv6,
			   const struct flow_slot *flow, struct flow_view *view)
{
	struct flow_slot reply;
	struct flow_facts facts = { .tick = tables->settings->tick, .control = flow->control };

	*view = (struct flow_view){ 0 };
	if (!fill_frontend(tables, lb_control_frontend(flow->control), view) ||
	    !fill_backend(tables, lb_control_backend(flow->control), view))
		return false;
	facts.has_reply = flow_find_reply(flows, ipv6, flow, &reply);
	if (facts.has_reply)
		facts.reply_control = reply.control;
	view->client = table_addr(ipv6 ? 6 : 4, flow->client);
	view->client_port = ntohs(flow->client_port);
	view->snat_port = ntohs(flow->reply_port);
	if (flow->control & LB_CTL_SNAT)
		view->snat = ipv6 ? table_addr(6, tables->settings->snat_v6)
				  : table_addr(4, (const uint8_t *)&tables->settings->snat_v4);
	facts.second = (uint32_t)(monotonic_usec() / 1000000);
	view->idle_sec = flow_idle_sec(&facts);
	view->state = state_name(&facts);
	return true;
}

static bool wanted(const struct addr *filter, const struct addr *addr)
{
	return filter->family == ADDR_NONE || addr_equal(filter, addr);
}

static bool flow_wanted(const struct flow_filter *filter, const struct flow_view *view)
{
	return wanted(&filter->client, &view->client) && wanted(&filter->frontend, &view->frontend) &&
	       wanted(&filter->backend, &view->backend);
}

int flow_views_each(const struct tables *tables, const struct flow_filter *filter, flow_view_fn *fn,
		    void *userdata)
{
	struct flow_tables flows;
	size_t given = 0;

	flow_tables_init(&flows, tables->maps, tables->settings->seed);
	for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
		const struct flow_table *table = &flows.flows[ipv6];

		for (size_t i = 0; i < (size_t)table->buckets * LB_SLOTS; i++) {
			struct flow_slot slot;
			struct flow_view view;
			int r;

			if (!flow_slot_read(table, i / LB_SLOTS, i % LB_SLOTS, &slot) ||
			    !flow_view_fill(tables, &flows, ipv6, &slot, &view) ||
			    !flow_wanted(filter, &view))
				continue;
			r = fn(userdata, &view);
			if (r != 0)
				return r;
			if (filter->limit && ++given == filter->limit)
				return 0;
		}
	}
	return 0;
}
