/* SPDX-License-Identifier: Apache-2.0 */
/* The agent: owns all state of a running node and moves it in one direction (EDGE).
 *
 *	sources -> store -> plan -> steps -> maps -> accepted -> routes -> FRR -> withdrawn -> last steps
 *
 * Every change, wherever it comes from, marks the world dirty and ends in one round of reconcile.c;
 * nothing else writes this struct. status.c and control.c only read it. `applied` is the truth about the
 * maps, also after a failure. */
#ifndef FAIRWAY_AGENT_AGENT_H
#define FAIRWAY_AGENT_AGENT_H

#include "bgp/frr.h"
#include "k8s/store.h"
#include "userspace/agent/accepted.h"
#include "userspace/agent/metrics.h"
#include "userspace/agent/names.h"
#include "userspace/agent/options.h"
#include "userspace/agent/reporter.h"
#include "userspace/agent/retiring.h"
#include "userspace/agent/source.h"
#include "userspace/base/version.h"
#include "userspace/core/diff.h"
#include "userspace/core/routes.h"
#include "userspace/datapath/datapath.h"
#include "userspace/io/host_addresses.h"
#include "userspace/io/http_server.h"
#include "userspace/io/loop.h"

struct peer_state { /* what was logged last of a session */
	char *name;
	bool told, established;
};

struct peer_ends { /* where this node's BGP peers are: behind an address, or on an interface */
	struct arena arena; /* owns everything below */
	struct addr *addresses;
	const char **interfaces;
	size_t n_addresses, n_interfaces;
};

struct agent {
	const struct agent_options *options;
	const char *node;
	struct sd_event *event;

	/* Sources. `delivered` never goes back: a source that vanishes later withdraws nothing. */
	struct store *store;
	struct agent_source *source;
	struct host_addresses *host_addresses;
	bool delivered;
	bool adopted; /* frontends of an earlier agent stood in the maps */

	/* What should be true. */
	struct node_plan plan;
	bool planned;	     /* `plan` stands for everything up to now, but for the changes of the store */
	bool plan_all;	     /* something that every service depends on changed: plan from scratch */
	uint64_t generation; /* rounds that planned something */

	/* What is true, and the way from here to there. */
	struct datapath *datapath;
	struct applied *applied;
	struct steps steps;	/* BREAK steps that wait; reserved in `applied` */
	struct retiring retiring;
	struct names dirty;	/* services whose way to the maps is not finished */
	bool dirty_all;
	bool settle;		/* ids or tables came back: there may be steps although nothing is dirty */
	bool converged;		/* the last round left nothing to do */
	unsigned failures;	/* rounds in a row in which a step was not executed */
	unsigned unfit_rounds;	/* rounds in a row in which a service found no room in the maps */

	/* What may be announced, and is. */
	struct accepted_set accepted;
	bool accepted_known; /* false at start: the maps were accepted by the agent that wrote them */
	struct routes_book *routes_book;
	struct routes routes;
	struct names unannounced; /* services planned anew since the routes were decided last */
	bool announce_all;	  /* … or more than services */
	struct frr *frr;
	bool frr_known; /* it was in sync at least once: what it does not announce then is not announced */
	size_t n_peers; /* BGPPeers that select this node */
	struct peer_state *peer_states;
	size_t n_peer_states;

	/* What the data path was told last of the cluster; `datapath_told` is false if it refused. */
	struct peer_ends peer_ends;
	struct addr snat_v4, snat_v6;
	bool datapath_told;

	struct problems problems; /* of all parts, sorted; what changed since the last round was logged */
	uint64_t problems_digest;
	struct problems frr_problems;

	struct debounce *reconcile;
	struct loop_timer *retry, *breaking;
	struct http_server *control, *probes; /* probes: NULL without --http-address */
	struct reporter *reporter;	      /* NULL with manifests */

	uint64_t n_reconciles, n_reconcile_failures;
	double reconcile_seconds_sum, reconcile_seconds_last, maps_seconds_last;
	struct histogram maps_seconds, event_to_maps;
	uint64_t changed_usec;	/* loop_now_usec() when the first event was read that no round has seen; 0: none */
	double maps_changed_sec; /* since 1970 */
	/* Frontends that go take their counters along; what was counted stays counted. */
	struct counted {
		uint64_t last, base;
	} packets, bytes;
};

/* Opens everything: pinned maps are adopted, nothing is changed yet. 0 or -errno; what is wrong was
 * logged. */
int agent_new(struct sd_event *, const struct agent_options *, const char *node, struct agent **ret);
/* Ends the agent and leaves maps, links, sessions and routes as they are. */
void agent_free(struct agent *);

/* reconcile.c */
void agent_reconcile(struct agent *); /* one round; called through agent->reconcile */
void agent_break(struct agent *);     /* executes the waiting steps whose time has come */

/* problem_report.c: brings agent->problems up to date and logs what is new and what is gone. */
void agent_update_problems(struct agent *);

/* What the data path must know of the cluster: peers (for the choice of interfaces), SNAT's sources; NULL:
 * nothing is known yet. `options` borrows from the agent. Returns true if the data path has to be told: it
 * differs from what it was told last. */
bool agent_datapath_options(struct agent *, const struct cluster *, struct datapath_options *ret);
struct plan_options agent_plan_options(const struct agent *);

/* control.c: a http_handler whose userdata is the agent. */
void control_answer(void *agent, const struct http_request *, struct http_reply *);

/* probes.c: the same for /healthz, /readyz and /metrics, which are all that is served to the network. False: another path. */
bool probe_answer(struct agent *, const struct http_request *, struct http_reply *);
void probes_only_answer(void *agent, const struct http_request *, struct http_reply *);

#endif
