/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of diff, shared by its files. Nobody else includes it.
 *
 *   diff.c         the passes of one diff, and what is reported
 *   diff_want.c    what one service wants: whole, or not at all
 *   diff_settle.c  backends and tables whose state is perhaps not what it should be
 *   diff_steps.c   steps as they are collected
 *   diff_commit.c  what became of the steps */
#ifndef FAIRWAY_CORE_DIFF_ROUND_H
#define FAIRWAY_CORE_DIFF_ROUND_H

#include "userspace/core/applied.h"

/* Steps are collected by kind and put together at the end, so that their order over all services is make
 * before break. */
enum bucket {
	ADD_BACKENDS, /* and change their states */
	WRITE_TABLES,
	SET_FRONTENDS, /* the last one that makes */
	DELETE_FRONTENDS,
	FREE_TABLES,
	RETIRE_BACKENDS,
	DELETE_BACKENDS,
	BUCKETS
};

struct step_list {
	struct step *items;
	size_t n, capacity;
};

struct diff_round {
	struct applied *applied;
	const struct node_plan *plan;
	struct step_list buckets[BUCKETS];
	struct arena arena; /* of service names and tables in steps */
	struct problems problems;
};

/* --- diff_steps.c: 0 or -ENOMEM. `service` may be NULL; what the step names is reserved. --- */

int diff_emit_backend(struct diff_round *, enum bucket, enum step_kind, uint32_t id, enum backend_state,
		      bool local);
int diff_emit_table_write(struct diff_round *, struct table *, const struct backend_set *,
			  const char *service);
int diff_emit_table_free(struct diff_round *, const struct table *);
int diff_emit_frontend_set(struct diff_round *, uint32_t id, const struct applied_frontend *want,
			   struct table *, const char *service);
int diff_emit_frontend_delete(struct diff_round *, uint32_t id, const char *service);
/* Hands the steps, their arena and the problems over; 0, or -ENOMEM with all as it was. */
int diff_round_collect(struct diff_round *, struct steps *ret);
void diff_round_abort(struct diff_round *); /* diff_abort() of all that was collected */
void diff_round_done(struct diff_round *);

/* --- diff_want.c --- */

/* Gives the service what it wants, or notes why it does not fit (then 0, too). 0 or -ENOMEM. */
int diff_want_service(struct diff_round *, const struct service_plan *);
/* A service that is no longer planned lets go of its backends; its frontends go in delete_unwanted(). 0 or
 * -ENOMEM. */
int diff_release_service(struct diff_round *, struct applied_service *);
/* "namespace/name" in the round's arena. 0 or -ENOMEM. */
int diff_service_name(struct diff_round *, const struct service_plan *, const char **ret);

/* --- diff_settle.c --- */

int diff_settle_backends(struct diff_round *); /* 0 or -ENOMEM */
int diff_settle_tables(struct diff_round *);   /* 0 or -ENOMEM */
/* Ids that were planned for a service which is gone come back before others ask for some. */
void diff_forget_planned(struct applied *);

#endif
