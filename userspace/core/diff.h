/* SPDX-License-Identifier: Apache-2.0 */
/* From what is applied to what is wanted: ordered steps, make before break.
 *
 * `struct applied` is the truth about the data path: which ids, generations and table ranges stand in the maps. It is
 * read from the pinned maps at start, changed only by diff_commit() after a step was executed, and so stays truthful
 * through failures. Ids are decided here and nowhere else.
 *
 * Order: add backends, change backend states, write tables, set frontends | announce (not a step: the agent's) |
 * and in a second phase, after routes were withdrawn and the drain delay is over: delete frontends, free tables,
 * retire backends. An id returns to use only when the flow collector found no flow that holds it; a table range after
 * at least DIFF_TABLE_QUARANTINE_MSEC, for a packet in flight may still read it. */
#ifndef FAIRWAY_CORE_DIFF_H
#define FAIRWAY_CORE_DIFF_H

#include "userspace/core/plan.h"

#define DIFF_TABLE_QUARANTINE_MSEC 1000

enum backend_state {
	BACKEND_ACTIVE,
	BACKEND_DRAINING, /* serving and terminating: established flows stay, of every protocol */
	BACKEND_GONE,	  /* no longer an endpoint: TCP flows are left alone, UDP flows miss and choose anew (P10) */
};

struct applied_backend { /* sorted by addr, port, protocol */
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	uint32_t id, generation;
	enum backend_state state;
	bool local;
};

struct applied_frontend { /* sorted by addr, port, protocol */
	struct addr addr;
	uint16_t port;
	enum l4_protocol protocol;
	uint32_t id, generation;
	enum verdict verdict;
	bool ready_elsewhere;
	enum frontend_type type;
	enum traffic_policy policy;
	uint32_t table_offset, table_size; /* size 0: no table */
	uint64_t digest;		   /* of the table's backends; see maglev_digest() */
	uint32_t affinity_sec;
	struct prefix *source_ranges; /* owned */
	size_t n_source_ranges;
	bool source_ranges_deny, source_ranges_closed;
};

/* Limits of the data path, from the sizes of its maps. */
struct diff_limits {
	uint32_t frontends, backends, table_slots;
};

struct applied; /* opaque: records by id, an index by key, free ids, free table ranges, quarantine, who wants what */

struct applied *applied_new(const struct diff_limits *); /* NULL: out of memory */
void applied_free(struct applied *);
/* Filling it at start from the maps; -EEXIST if an id, a key or an overlapping range stands twice (frontends may share a
 * table: same offset, size and digest); -ENOSPC beyond the limits; -ENOMEM. */
int applied_add_backend(struct applied *, const struct applied_backend *);
int applied_add_frontend(struct applied *, const struct applied_frontend *); /* copies source_ranges */
/* At start: a deleted frontend whose id flows may still hold. Not given anew before applied_frontend_unused(). 0, -EEXIST, -ENOMEM. */
int applied_add_retired_frontend(struct applied *, uint32_t id, uint32_t generation);
/* At start: the last generation of an id that is free, so that the next one differs. Ids beyond the limits are ignored.
 * 0 or -ENOMEM. */
int applied_note_free_backend(struct applied *, uint32_t id, uint32_t generation);
int applied_note_free_frontend(struct applied *, uint32_t id, uint32_t generation);
const struct applied_frontend *applied_find_frontend(const struct applied *, const struct addr *, uint16_t port,
						     enum l4_protocol);
const struct applied_backend *applied_find_backend(const struct applied *, const struct addr *, uint16_t port,
						   enum l4_protocol);
/* Sorted copies, made when asked for after a change: for views and tests. Borrowed until the next change; NULL with n = 0 if
 * memory is short. */
const struct applied_frontend *applied_frontends(const struct applied *, size_t *ret_n);
const struct applied_backend *applied_backends(const struct applied *, size_t *ret_n);
/* Walks what stands in the maps, in no order: the next frontend from *cursor on (0 at first), and who asked for it last:
 * "namespace/name", "" if no plan did since the start. NULL: there is none. Borrowed until the next change. */
const struct applied_frontend *applied_next_frontend(const struct applied *, size_t *cursor, const char **ret_service);
/* The collector's finding: no flow holds this id any more. It must come from a round over all flows that began after the
 * backend was set to GONE, or the frontend deleted. A frontend's id is free then; a backend's after STEP_BACKEND_DELETE,
 * which the next diff_plan() gives, unless it was wanted again or a table still names it. Other ids are ignored. */
void applied_backend_unused(struct applied *, uint32_t id);
void applied_frontend_unused(struct applied *, uint32_t id);

enum step_kind {
	STEP_BACKEND_SET,     /* add, or change the state of, a backend: .backend */
	STEP_TABLE_WRITE,     /* write .table_ids[.table_size] at .table_offset */
	STEP_FRONTEND_SET,    /* add or switch a frontend in one update: .frontend */
	STEP_FRONTEND_DELETE, /* .frontend's key */
	STEP_TABLE_FREE,      /* .table_offset/.table_size: into quarantine */
	STEP_BACKEND_DELETE,  /* .backend: no flow holds it, the entry is cleared and the id free */
};

enum step_phase { STEP_MAKE, STEP_BREAK };

struct step {
	enum step_kind kind;
	enum step_phase phase;
	union { /* which one the kind says; there may be 100,000 steps */
		struct applied_backend backend;
		struct applied_frontend frontend;
	};
	uint32_t table_offset, table_size;
	uint32_t *table_ids; /* backend ids by slot, in that arena: 10,000 mallocs of a page would hold its neighbours */
	const char *service; /* "namespace/name" or "": who asked for it; in the arena of the steps that diff_plan() filled */
};

struct steps { /* MAKE steps first, both phases in the order in which they must be executed; what builds on a step that
		* failed must be left out (step_failures.h) */
	struct step *items; /* each owns .frontend.source_ranges */
	size_t n, capacity;
	struct arena arena;
	struct problems problems; /* services that did not fit: which limit, how many */
};

void steps_done(struct steps *);

/* Make and break steps that lead from applied to the plan. `changed` as in plan_update(), or NULL for everything (only
 * then frontends of unknown services are deleted; the first call after a start must be such a one). What plan_update()
 * touched besides is always included. `now_msec` is any monotonic clock. 0, or -ENOMEM: nothing is reserved, but call it
 * for everything next.
 *
 * Each step must be given to diff_commit() or diff_abort(), once; until then what it names is reserved. A service of which
 * a step was aborted or is still waiting must be in `changed` again next time. Backend states and freed tables need no
 * such care: each call looks at all that are not yet as they should be.
 *
 * A service that does not fit (ids or table slots run out) has a problem, in every result until it fits, and keeps its old
 * state whole; the others go on. SCTP ports are left out: the data path does not carry them, and the plan says so. */
int diff_plan(struct applied *, const struct node_plan *wanted, const struct strings *changed, uint64_t now_msec,
	      struct steps *ret);
void diff_commit(struct applied *, const struct step *, uint64_t now_msec); /* it was executed */
void diff_abort(struct applied *, const struct step *);			     /* it was not: reservations return */

#endif
