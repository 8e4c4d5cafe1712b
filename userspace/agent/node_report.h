/* SPDX-License-Identifier: Apache-2.0 */
/* What this node says of itself in its LBNode (PURE): rows in, the JSON of .status out.
 *
 * It tells what is, not what was meant: a Service is programmed when the maps hold it as planned, and
 * announced to the peers whose session is Established and to which bgpd originates each VIP that they should
 * get; of a Service in two families it tells which of them no peer is told of, so that nobody takes one half
 * for the whole. Services of equal state share a group, so that ten thousand of them cost their names and
 * VIPs only; the VIPs stand there so that an entry that is older than the address is recognised.
 *
 * The size is bounded twice. In a cluster of more than ROUTE_REPORT_ALL_NODES a Service that is as it should
 * be is named only by nodes that `reporter` is true on (routes_book_is_reporter()); exceptions are named
 * always, up to REPORT_EXCEPTIONS_MAX. And the text never exceeds REPORT_BYTES_MAX. What finds no room is
 * counted as omitted; what matters most comes first: what is being released, what is not programmed, other
 * exceptions, the rest. What is being released and found no room has a count of its own: so long lbcontroller
 * takes no address that leaves for free.
 *
 * Equal reports give equal bytes, whatever the order of the rows: an unchanged node writes nothing. */
#ifndef FAIRWAY_AGENT_NODE_REPORT_H
#define FAIRWAY_AGENT_NODE_REPORT_H

#include "userspace/core/cluster.h"
#include "userspace/core/plan.h"

#define REPORT_EXCEPTIONS_MAX 2000
#define REPORT_BYTES_MAX      (900 * 1024) /* etcd takes 1.5 MiB a request */
#define REPORT_GROUPS_MAX     4000	   /* the CRD takes 4096 */
#define REPORT_VIPS_MAX	      16	   /* of one Service: what the decoder takes */
#define REPORT_LIST_MAX	      64	   /* peers, interfaces */
#define REPORT_MESSAGE_MAX    200
#define REPORT_PARTLY	      "PartlyAnnounced"
#define REPORT_QUIET_MSEC     3000 /* what is released is told so late, but not later (untold.h) */
#define REPORT_HEARTBEAT_SEC  60   /* a report is written at least so often, changed or not */

struct report_service {
	const char *name; /* "namespace/name"; "": whose it was is not known any more */
	const struct addr *vips;
	size_t n_vips;
	bool programmed;
	bool releasing; /* not wanted any more; its frontends wait for the routes' withdrawal */
	bool exception; /* not as it should be, and nothing that is told of the node as a whole explains it */
	bool reporter;	/* named here also if all is well, see above */
	struct strings announced_to; /* sorted */
	/* IPv4, IPv6: something is announced, but no peer is told of its VIP of that family. */
	bool unannounced[2];
	const char *reason;  /* static text, "" if all is well */
	const char *message; /* never NULL */
};

struct report_interface {
	const char *name, *hook, *message;
};

struct node_report {
	const char *agent_version;
	struct report_service *services; /* sorted in place by node_report_json() */
	size_t n_services;
	bool sampled;	/* more than ROUTE_REPORT_ALL_NODES nodes */
	bool uncounted; /* of Services and prefixes 0 is told: all that is worth a write of its own there */
	bool without_releasing; /* nothing is told of what is being released */
	const struct lb_node_peer *peers;
	size_t n_peers;
	const struct report_interface *interfaces;
	size_t n_interfaces;
	bool ready;
	const char *ready_reason, *ready_message;
	int64_t ready_since_sec;
};

/* Appends the object that .status is. */
void node_report_json(struct strbuf *, struct node_report *);

/* The object to be created, owned by its Node; the body of server-side apply of its status, which is what
 * node_report_json() made and the time of the write. */
void node_report_object_body(struct strbuf *, const char *node, const char *node_uid);
void node_report_status_body(struct strbuf *, const char *node, const char *status, int64_t now_sec);

/* What is known of one Service, and the row that it makes. `wanted` and `announced` are names of peers,
 * sorted, each once; `up`: those of `wanted` that are Established. */
struct report_facts {
	const char *name;
	const struct service_plan *plan; /* NULL: nothing of it is planned */
	bool accepted;
	bool unfit;	     /* the maps had no room for it */
	const char *problem; /* of the object, or NULL */
	struct strings wanted, up, announced;
	/* IPv4, IPv6: a route is wanted by a peer; … and one of those peers is told of it; how many usable
	 * peers of the node carry the family. */
	bool wanted_in[2], told_in[2];
	size_t n_peers_in[2];
	size_t n_peers;		  /* BGPPeers that select this node */
	const char *daemon_state; /* of FRR, as frr_daemon_state() */
	bool reporter;
};
/* 0 or -ENOMEM. The row borrows from the facts; its message is in the arena. */
int report_judge(struct arena *, const struct report_facts *, struct report_service *ret);
/* Of a Service that some peer is to be told of: is there a family of its VIPs that none is to be told of?
 * Why, with the cure, is appended. Of the facts only plan, wanted_in and n_peers_in count. The reason is
 * REPORT_PARTLY, unless more is wrong; `lbctl why` asks too. */
bool report_unrouted(const struct report_facts *, struct strbuf *);

#endif
