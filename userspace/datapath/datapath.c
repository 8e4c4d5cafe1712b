// SPDX-License-Identifier: Apache-2.0
/* The data path as the agent holds it: opens the parts in order, hands events from one to the other, closes
 * them. What each part does is in its own file: pins, load, tables and applied, uplinks and attach, nexthop,
 * collector, counters, host. */
#include "userspace/datapath/datapath.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/core/step_failures.h"
#include "userspace/datapath/attach.h"
#include "userspace/datapath/collector.h"
#include "userspace/datapath/counters.h"
#include "userspace/datapath/events.h"
#include "userspace/datapath/flow_view.h"
#include "userspace/datapath/host.h"
#include "userspace/datapath/load.h"
#include "userspace/datapath/netlink.h"
#include "userspace/datapath/nexthop.h"
#include "userspace/datapath/options.h"
#include "userspace/datapath/pins.h"
#include "userspace/datapath/tables.h"
#include "userspace/datapath/uplinks.h"

struct datapath {
	sd_event *event;
	struct options_copy options;
	struct pins pins;
	struct loaded loaded;
	struct tables tables;
	struct counters counters;
	struct netlink *netlink;
	struct uplinks *uplinks; /* NULL: nothing is attached (tests, benchmarks) */
	struct nexthops *nexthops;
	struct collector *collector;
	struct events *events;
	struct host_findings findings;
	bool ports_reserved; /* by us, or by an agent before */
	bool adopting;	     /* next hops of the last agent are being checked */
};

/* --- events from one part to the others ------------------------------------------------------- */

static void on_link(void *userdata, const struct link_info *link, bool gone)
{
	struct datapath *datapath = userdata;

	if (gone)
		tables_clear_link(&datapath->tables, link->ifindex);
	else if (tables_find_link(&datapath->tables, link->ifindex) >= 0)
		tables_set_link(&datapath->tables, link->ifindex, link->mac, link->mtu);
	if (datapath->uplinks)
		uplinks_link_changed(datapath->uplinks, link, gone);
	/* A link that goes down takes its IPv4 routes along without an event for them. */
	if (datapath->nexthops)
		nexthops_routes_changed(datapath->nexthops);
}

static void on_route(void *userdata)
{
	struct datapath *datapath = userdata;

	if (datapath->uplinks)
		uplinks_routes_changed(datapath->uplinks);
	if (datapath->nexthops)
		nexthops_routes_changed(datapath->nexthops);
}

static void on_neighbour(void *userdata, const struct neighbour_info *neighbour, bool gone)
{
	struct datapath *datapath = userdata;

	if (datapath->nexthops)
		nexthops_neighbour_changed(datapath->nexthops, neighbour, gone);
}

static void on_lost(void *userdata)
{
	struct datapath *datapath = userdata;

	log_warn("datapath: the kernel had more network events than fit, reading everything anew");
	if (datapath->uplinks)
		uplinks_refresh(datapath->uplinks, true);
	if (datapath->nexthops)
		nexthops_reload(datapath->nexthops, true);
}

struct link_search {
	uint32_t ifindex;
	struct link_info found;
};

static void match_link(void *userdata, const struct link_info *link)
{
	struct link_search *search = userdata;

	if (link->ifindex == search->ifindex)
		search->found = *link;
}

/* The link's number in lb_links, entered when a next hop needs it first. */
static int link_number(struct datapath *datapath, uint32_t ifindex)
{
	struct link_search search = { .ifindex = ifindex };
	int number = tables_find_link(&datapath->tables, ifindex);

	if (number >= 0)
		return number;
	netlink_each_link(datapath->netlink, match_link, &search);
	if (!search.found.ifindex || search.found.type != ARPHRD_ETHER)
		return -ENODEV;
	number = tables_set_link(&datapath->tables, ifindex, search.found.mac, search.found.mtu);
	if (number >= 0 && datapath->uplinks)
		uplinks_next_hops_changed(datapath->uplinks);
	return number;
}

static void on_next_hop(void *userdata, uint32_t backend_id, uint32_t ifindex, const uint8_t *mac)
{
	struct datapath *datapath = userdata;
	int number = ifindex ? link_number(datapath, ifindex) : -ENODEV;

	/* While a new agent asks for the neighbours, what the old one knew of them holds. */
	if (!mac && datapath->adopting && number >= 0 &&
	    tables_next_hop_link(&datapath->tables, backend_id) == number)
		return;
	tables_set_next_hop(&datapath->tables, backend_id, number >= 0 ? mac : NULL, number);
}

static int watch_backend(void *userdata, uint32_t id, const struct addr *addr)
{
	struct datapath *datapath = userdata;

	return nexthops_watch(datapath->nexthops, id, addr);
}

static void on_event(void *userdata, const struct lb_event *event)
{
	struct datapath *datapath = userdata;
	struct addr addr = table_addr(event->family, event->addr);

	switch ((enum lb_event_kind)event->kind) {
	case LB_EVENT_NEXT_HOP:
		nexthops_wanted(datapath->nexthops, event->id);
		break;
	case LB_EVENT_NEIGHBOUR:
		netlink_neighbour_use(datapath->netlink, event->ifindex, &addr);
		break;
	}
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_kernel(struct datapath *datapath)
{
	const struct datapath_options *options = &datapath->options.options;
	struct map_sizes sizes = map_sizes_for(options->max_flows, options->max_frontends,
					       options->max_backends, options->max_table_slots);
	unsigned other = 0;
	int r;

	r = pins_open(options->pin_dir, LB_ABI_VERSION, &datapath->pins, &other);
	if (r == -EPROTO)
		log_error("datapath: %s holds layout v%u, this program has v%u; nothing was changed: run the "
			  "agent that made "
			  "it, or lbagent --cleanup (flows are lost)",
			  options->pin_dir, other, LB_ABI_VERSION);
	if (r == 0)
		r = loaded_open(&datapath->pins, &sizes, &datapath->loaded);
	if (r == 0)
		r = tables_init(&datapath->tables, datapath->loaded.maps);
	if (r == 0)
		r = counters_init(&datapath->counters, datapath->loaded.maps[MAP_FE_STATS].fd,
				  datapath->loaded.maps[MAP_DROPS].fd);
	return r;
}

static void note_ports(void *userdata, uint16_t first, uint16_t last)
{
	struct datapath *datapath = userdata;
	const struct datapath_options *options = &datapath->options.options;

	datapath->ports_reserved |= first == options->snat_port_first && last == options->snat_port_last;
}

static void reserve_ports(struct datapath *datapath)
{
	const struct datapath_options *options = &datapath->options.options;
	int r = host_reserve_ports(options->snat_port_first, options->snat_port_last);

	if (r > 0) {
		log_info("net.ipv4.ip_local_reserved_ports: added %u-%u, the source ports of SNATed flows",
			 options->snat_port_first, options->snat_port_last);
		r = pins_note_ports(datapath->pins.home, options->snat_port_first, options->snat_port_last);
	} else if (r < 0) {
		log_warn("net.ipv4.ip_local_reserved_ports: %u-%u cannot be added (%s); the host's own "
			 "connections may "
			 "meet SNATed flows on one port",
			 options->snat_port_first, options->snat_port_last, strerror(-r));
		return;
	}
	if (r < 0)
		log_warn("datapath: it cannot be noted that the ports are ours (%s): lbagent --cleanup will "
			 "leave them",
			 strerror(-r));
	datapath->ports_reserved = false;
	pins_each_ports(datapath->pins.home, note_ports, datapath);
}

/* What a killed agent left is mended before anything new is written, and nothing is taken out of the filter
 * before all that is ours has been counted: the node's own SNAT addresses too. */
static int adopt_tables(struct datapath *datapath)
{
	struct datapath_options *options = &datapath->options.options;
	int r = tables_mend(&datapath->tables);

	if (options->snat_unknown)
		tables_read_snat(&datapath->tables, &options->snat_v4, &options->snat_v6);
	if (r == 0)
		r = tables_set_snat(&datapath->tables, &options->snat_v4, &options->snat_v6,
				    options->snat_port_first, options->snat_port_last);
	return r == 0 ? tables_mend_addresses(&datapath->tables) : r;
}

static int open_network(struct datapath *datapath)
{
	const struct netlink_handlers handlers = { datapath, on_link, on_route, on_neighbour, on_lost };
	int r = netlink_open(datapath->event, &handlers, &datapath->netlink);

	if (r >= 0)
		r = nexthops_new(datapath->event, datapath->netlink, on_next_hop, datapath,
				 &datapath->nexthops);
	if (r < 0)
		return r;
	datapath->adopting = true;
	r = tables_each_remote_backend(&datapath->tables, watch_backend, datapath);
	datapath->adopting = false;
	return r;
}

static struct uplinks_config uplinks_config(const struct datapath *datapath,
					    const struct datapath_options *options)
{
	return (struct uplinks_config){
		.hook = options->hook,
		.globs = options->interfaces,
		.n_globs = options->n_interfaces,
		.peers = options->peers,
		.n_peers = options->n_peers,
		.peer_interfaces = options->peer_interfaces,
		.n_peer_interfaces = options->n_peer_interfaces,
		.next_hops = datapath->tables.links,
		.xdp_out = datapath->tables.settings->xdp_out,
	};
}

/* Links that were made in another network namespace (a node that was made anew, with its pin directory kept)
 * hold interfaces that only share a number with ours: swapping their programs would attach nothing here. */
static int leave_other_netns(struct datapath *datapath)
{
	int r = pins_note_netns(datapath->pins.home);

	if (r <= 0)
		return r;
	log_warn("datapath: programs below %s were attached in another network namespace; they are detached "
		 "there",
		 datapath->pins.links);
	return hooks_detach_all(datapath->pins.links);
}

static int open_hooks(struct datapath *datapath)
{
	const struct datapath_options *options = &datapath->options.options;
	struct uplinks_config config = uplinks_config(datapath, options);
	int r;

	if (options->jit_bench)
		return 0;
	r = leave_other_netns(datapath);
	if (r < 0)
		return r;
	reserve_ports(datapath);
	return uplinks_new(datapath->event, datapath->netlink, &datapath->loaded.programs,
			   datapath->pins.links, &config, &datapath->uplinks);
}

int datapath_open(struct sd_event *event, const struct datapath_options *options, struct datapath **ret)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	int r;

	if (!datapath)
		return -ENOMEM;
	datapath->event = event;
	datapath->pins.lock_fd = -1;
	r = options_copy_init(&datapath->options, options);
	if (r == 0)
		r = open_kernel(datapath);
	if (r == 0)
		r = adopt_tables(datapath);
	if (r == 0)
		r = open_network(datapath);
	if (r == 0)
		r = collector_new(event, &datapath->tables, &datapath->collector);
	if (r == 0 && event)
		r = events_new(event, datapath->loaded.maps[MAP_EVENTS].fd, on_event, datapath,
			       &datapath->events);
	if (r == 0)
		r = open_hooks(datapath);
	if (r < 0) {
		datapath_close(datapath);
		return r;
	}
	log_info("datapath: %s %s (layout v%u)",
		 datapath->loaded.adopted ? "adopted the maps below" : "new maps below", datapath->pins.maps,
		 LB_ABI_VERSION);
	*ret = datapath;
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	events_free(datapath->events);
	collector_free(datapath->collector);
	uplinks_free(datapath->uplinks);
	nexthops_free(datapath->nexthops);
	netlink_close(datapath->netlink);
	counters_done(&datapath->counters);
	tables_done(&datapath->tables);
	loaded_close(&datapath->loaded);
	pins_close(&datapath->pins);
	options_copy_done(&datapath->options);
	free(datapath->findings.items);
	free(datapath);
}

static void release_ports(void *userdata _unused_, uint16_t first, uint16_t last)
{
	host_release_ports(first, last);
}

static int detach_version(void *userdata _unused_, unsigned version _unused_, const char *dir)
{
	char links[PATH_MAX];
	int r;

	snprintf(links, sizeof(links), "%s/links", dir);
	r = hooks_detach_all(links);
	return r < 0 ? r : pins_each_ports(dir, release_ports, NULL);
}

bool datapath_is_held(const char *pin_dir)
{
	struct pins pins;
	int r = pins_lock_existing(pin_dir, &pins);

	if (r == 0)
		pins_close(&pins);
	return r == -EBUSY;
}

int datapath_cleanup(const char *pin_dir)
{
	struct pins pins;
	int r = pins_lock_existing(pin_dir, &pins);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = pins_each_version(&pins, detach_version, NULL);
	if (r < 0) {
		pins_close(&pins);
		return r;
	}
	return pins_remove(&pins);
}

/* --- steps ------------------------------------------------------------------------------------ */

struct diff_limits datapath_limits(const struct datapath *datapath)
{
	return (struct diff_limits){ datapath->tables.n_frontends, datapath->tables.n_backends,
				     datapath->tables.n_slots };
}

int datapath_read_applied(struct datapath *datapath, struct applied *applied)
{
	return tables_read_applied(&datapath->tables, applied);
}

static int set_backend(struct datapath *datapath, const struct applied_backend *backend)
{
	int r = tables_set_backend(&datapath->tables, backend);

	if (r < 0)
		return r;
	if (!backend->local)
		return nexthops_watch(datapath->nexthops, backend->id, &backend->addr);
	nexthops_forget(datapath->nexthops, backend->id);
	return 0;
}

static int delete_backend(struct datapath *datapath, const struct applied_backend *backend)
{
	int r = tables_delete_backend(&datapath->tables, backend);

	if (r == 0)
		nexthops_forget(datapath->nexthops, backend->id);
	return r;
}

static int execute_step(struct datapath *datapath, const struct step *step)
{
	switch (step->kind) {
	case STEP_BACKEND_SET:
		return set_backend(datapath, &step->backend);
	case STEP_TABLE_WRITE:
		return tables_write_slots(&datapath->tables, step->table_offset, step->table_size,
					  step->table_ids);
	case STEP_FRONTEND_SET:
		return tables_set_frontend(&datapath->tables, &step->frontend);
	case STEP_FRONTEND_DELETE:
		return tables_delete_frontend(&datapath->tables, &step->frontend);
	case STEP_TABLE_FREE:
		return 0; /* the range lies unused; its quarantine is kept in struct applied */
	case STEP_BACKEND_DELETE:
		return delete_backend(datapath, &step->backend);
	}
	return -EINVAL;
}

int datapath_execute(struct datapath *datapath, const struct steps *steps, enum step_phase phase,
		     bool *ret_done)
{
	cleanup(step_failures_done) struct step_failures failures = { 0 };
	int first_error = 0;

	for (size_t i = 0; i < steps->n; i++) {
		const struct step *step = &steps->items[i];
		int r;

		ret_done[i] = false;
		if (step->phase != phase)
			continue;
		r = step_failures_block(&failures, step) ? -ECANCELED : execute_step(datapath, step);
		ret_done[i] = r == 0;
		if (r < 0)
			step_failures_note(&failures, step);
		if (r < 0 && !first_error)
			first_error = r;
	}
	return first_error;
}

void datapath_on_unused(struct datapath *datapath, datapath_unused_fn *fn, void *userdata)
{
	collector_on_unused(datapath->collector, fn, userdata);
}

int datapath_program(const struct datapath *datapath, enum datapath_program_kind kind)
{
	const struct hook_programs *programs = &datapath->loaded.programs;

	switch (kind) {
	case DATAPATH_XDP:
		return programs->xdp;
	case DATAPATH_TC_INGRESS:
		return programs->tc_ingress;
	case DATAPATH_TC_EGRESS:
		return programs->tc_egress;
	}
	return -EINVAL;
}

int datapath_update_options(struct datapath *datapath, const struct datapath_options *options)
{
	struct uplinks_config config;
	struct options_copy copy;
	int r = options_copy_init(&copy, options);

	if (r < 0)
		return r;
	r = tables_set_snat(&datapath->tables, &copy.options.snat_v4, &copy.options.snat_v6,
			    copy.options.snat_port_first, copy.options.snat_port_last);
	if (r < 0) {
		options_copy_done(&copy);
		return r;
	}
	config = uplinks_config(datapath, &copy.options);
	if (datapath->uplinks)
		r = uplinks_configure(datapath->uplinks, &config);
	options_copy_done(&datapath->options);
	datapath->options = copy;
	if (datapath->uplinks)
		reserve_ports(datapath);
	return r;
}

/* --- views ------------------------------------------------------------------------------------ */

int datapath_frontend_counters(struct datapath *datapath, uint32_t id, struct frontend_counters *ret)
{
	struct frontend_counters counters;
	int r;

	if (id >= datapath->tables.n_frontends)
		return -ENOENT;
	r = counters_read_frontend(&datapath->counters, id, &counters);
	if (r < 0)
		return r;
	counters.flows = collector_frontend_flows(datapath->collector, id);
	*ret = counters;
	return 0;
}

size_t datapath_drops(struct datapath *datapath, const struct drop_counter **ret)
{
	return counters_read_drops(&datapath->counters, ret);
}

int datapath_each_flow(struct datapath *datapath, const struct flow_filter *filter, flow_view_fn *fn,
		       void *userdata)
{
	return flow_views_each(&datapath->tables, filter, fn, userdata);
}

size_t datapath_interfaces(struct datapath *datapath, const struct interface_view **ret)
{
	*ret = NULL;
	return datapath->uplinks ? uplinks_views(datapath->uplinks, ret) : 0;
}

size_t datapath_host_findings(struct datapath *datapath, const struct host_finding **ret)
{
	struct host_facts facts = {
		.snat_port_first = datapath->options.options.snat_port_first,
		.snat_port_last = datapath->options.options.snat_port_last,
		.reserved_by_us = datapath->ports_reserved,
	};

	facts.n_interfaces = datapath_interfaces(datapath, &facts.interfaces);
	nexthops_summary(datapath->nexthops, &facts.next_hops);
	host_read_findings(&facts, &datapath->findings);
	*ret = datapath->findings.items;
	return datapath->findings.n;
}
