/* SPDX-License-Identifier: Apache-2.0 */
/* A node and a router in network namespaces of their own, each with real FRR daemons, and the driver for the node's on a
 * loop of the test's. Names carry the process id; everything is removed at exit, whatever the reason. Root is needed.
 *
 *	node  10.9.0.1, fd09::1  AS 65001  --- veth ---  router  10.9.0.2, fd09::2  AS 65000 */
#ifndef FAIRWAY_TESTS_FRR_LAB_H
#define FAIRWAY_TESTS_FRR_LAB_H

#include "bgp/frr.h"

struct sd_event;
struct store;

struct frr_lab {
	char node[32], router[32]; /* namespaces, and FRR's pathspaces */
	char vty_dir[64], config_file[96];
	struct sd_event *event;
	struct frr *frr; /* NULL: no driver now */
	struct store *store;
	unsigned changes; /* calls of frr_change_fn */
	bool router_is_bird;
};

void frr_lab_up(struct frr_lab *);
void frr_lab_down(struct frr_lab *);

void frr_lab_daemon(struct frr_lab *, const char *host, const char *daemon); /* starts "bgpd", … */
int frr_lab_pid(const char *host, const char *daemon);			     /* of its pid file; 0: none */
void frr_lab_kill(struct frr_lab *, const char *host, const char *daemon, int signal);
/* What vtysh prints there; valid until the next call. Lines of configuration: separated by line feeds. */
const char *frr_lab_ask(const char *host, const char *command);
void frr_lab_configure(const char *host, const char *lines);

void frr_lab_driver(struct frr_lab *); /* a new one, as a restarted agent has it */
void frr_lab_put(struct frr_lab *, const char *yaml, ...) __attribute__((format(printf, 2, 3))); /* objects */
void frr_lab_remove(struct frr_lab *, enum object_kind, const char *namespace, const char *name);
void frr_lab_service(struct frr_lab *, const char *name, const char *vip); /* with an endpoint on n1 */
/* Decides and wants; what it reports as problems, for a look: valid until the next call. */
const char *frr_lab_want(struct frr_lab *);

/* Runs the loop until the condition holds; fails the test, saying `what`, after half a minute. */
#define frr_lab_until(lab, condition, what)                                                                  \
	do {                                                                                                 \
		unsigned turns_ = 0;                                                                         \
		while (!(condition))                                                                         \
			frr_lab_turn(lab, what, &turns_);                                                    \
	} while (0)
void frr_lab_turn(struct frr_lab *, const char *what, unsigned *turns);
void frr_lab_run(struct frr_lab *, unsigned msec); /* let it run that long */

const struct frr_peer_view *frr_lab_peer(const struct frr_lab *, const char *name); /* NULL: none */
bool frr_lab_established(const struct frr_lab *, const char *name);
bool frr_lab_router_has(const struct frr_lab *, const char *prefix);
unsigned frr_lab_count(const char *text, const char *what); /* occurrences */

#endif
