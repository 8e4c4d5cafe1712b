/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct applied, shared by applied*.c (bookkeeping) and diff*.c (decisions). Nobody else
 * includes it.
 *
 * What stands in the maps is in the records' .backend and .frontend while their life is LIFE_APPLIED. What is
 * wanted is kept beside it as counts (backends) and owners (frontends), by service, so that one changed
 * service costs only its own size. Records are named by id, for their memory may move. */
#ifndef FAIRWAY_CORE_APPLIED_H
#define FAIRWAY_CORE_APPLIED_H

#include "userspace/core/diff.h"
#include "userspace/core/id_pool.h"
#include "userspace/core/table_space.h"

enum life {
	LIFE_FREE,    /* the id is nobody's; the generation of its last life is kept */
	LIFE_PLANNED, /* the id is given, the map does not hold it yet */
	LIFE_APPLIED,
	LIFE_RETIRED, /* frontends: deleted, flows may hold the id */
};

struct backend_record {
	struct applied_backend backend;
	enum life life;
	uint32_t want_active, want_other,
		want_local; /* how many sets list it: active; draining or keep; as local */
	uint32_t tables;    /* tables that name it */
	uint32_t reserved;  /* steps under way */
	bool adopted;	    /* found at start, no full diff since */
	bool unused;	    /* GONE, and the collector found no flow */
	bool listed;	    /* in applied.unsettled */
	const char *asker;  /* within one diff: the service to name in the step */
};

struct table {
	uint32_t offset, size;
	uint64_t digest;
	uint32_t refs;	   /* applied frontends that name it */
	uint32_t leaving;  /* within one diff: of them, those that a step takes away */
	uint32_t reserved; /* steps under way that write or name it */
	bool written,
		known; /* known: ids tell its backends; not those found at start, until a plan says so */
	bool listed;   /* in applied.orphans */
	uint32_t *ids; /* distinct backends */
	size_t n_ids;
};

struct applied_service;

struct frontend_record {
	struct applied_frontend frontend;
	enum life life;
	struct applied_service *owner; /* NULL: found at start, no plan wanted it yet */
	struct table *table;	       /* that .frontend names; NULL: none */
	struct prefix *next_ranges;    /* of the step under way */
	uint32_t reserved;
	uint64_t wanted_in; /* number of the last diff that wanted it */
};

struct applied_service {
	char *name;	    /* "namespace/name" */
	uint32_t *backends; /* ids with WANT_* bits: what its sets list, as counted in the records */
	size_t n_backends;
	uint32_t *frontends; /* ids that it owns or owned */
	size_t n_frontends, frontends_capacity;
	char *unfit;	  /* why it does not fit, or NULL */
	uint64_t seen_in; /* number of the last full diff whose plan held it */
};

#define WANT_ACTIVE 0x80000000u
#define WANT_LOCAL  0x40000000u
#define WANT_ID	    0x3fffffffu

/* Address, port, protocol -> id, open addressing. */
struct key_index {
	uint32_t *slots; /* id + 1; 0: empty */
	size_t mask, n;	 /* mask + 1 slots, at most half of them used; no slots: NULL */
};

struct applied {
	struct diff_limits limits;
	struct id_pool backend_ids, frontend_ids;
	struct backend_record *backends; /* by id */
	size_t n_backend_records, backends_capacity;
	struct frontend_record *frontends; /* by id */
	size_t n_frontend_records, frontends_capacity;
	struct key_index backend_index, frontend_index;
	struct table_space space;
	struct table **tables; /* by unit of their offset */
	size_t n_unknown_tables;
	struct applied_service **services; /* sorted by name */
	size_t n_services, services_capacity;
	size_t n_complaining; /* services with .unfit */
	uint32_t *unsettled;  /* backends whose state is perhaps not what is wanted */
	size_t n_unsettled, unsettled_capacity;
	struct table **orphans; /* tables that perhaps nobody names */
	size_t n_orphans, orphans_capacity;
	uint64_t diffs;	   /* how many there were */
	uint64_t now_msec; /* the latest that we were told */
	bool lost; /* memory ran out inside a diff, some services were not looked at: the next is a full one
		    */
	struct applied_backend *backend_view;
	struct applied_frontend *frontend_view;
	size_t n_backend_view, n_frontend_view;
	bool backend_view_fresh, frontend_view_fresh;
};

/* --- applied_keys.c: the indices. Reserve makes room for one more (0 or -ENOMEM); add and remove read the
 * key of the record. --- */

int applied_index_reserve_backend(struct applied *);
int applied_index_reserve_frontend(struct applied *);
void applied_index_add_backend(struct applied *, uint32_t id);
void applied_index_add_frontend(struct applied *, uint32_t id);
void applied_index_remove_backend(struct applied *, uint32_t id);
void applied_index_remove_frontend(struct applied *, uint32_t id);
int applied_backend_compare(const void *, const void *); /* of struct applied_backend, by key, for qsort */
int applied_frontend_compare(const void *, const void *);

/* Ids by key; UINT32_MAX: none. */
uint32_t applied_backend_id(const struct applied *, const struct addr *, uint16_t port, enum l4_protocol);
uint32_t applied_frontend_id(const struct applied *, const struct addr *, uint16_t port, enum l4_protocol);

/* --- applied.c
 * ------------------------------------------------------------------------------------------------- */

int applied_backend_records_reach(struct applied *, uint32_t id); /* the record exists; 0 or -ENOMEM */
int applied_frontend_records_reach(struct applied *, uint32_t id);
struct table *applied_add_table(struct applied *, uint32_t offset, uint32_t size,
				uint64_t digest); /* NULL: out of memory */

/* A free id for a key that has none: LIFE_PLANNED, a new generation. 0, -ENOSPC, -ENOMEM. */
int applied_plan_backend(struct applied *, const struct addr *, uint16_t port, enum l4_protocol,
			 uint32_t *ret_id);
int applied_plan_frontend(struct applied *, const struct addr *, uint16_t port, enum l4_protocol,
			  uint32_t *ret_id);
void applied_forget_backend(struct applied *, uint32_t id); /* the id is free */
void applied_forget_frontend(struct applied *, uint32_t id,
			     bool retired); /* retired: the id waits for the collector */

/* The table's backends are `ids` (copied). 0, -ENOSPC, -ENOMEM. */
int applied_plan_table(struct applied *, uint32_t size, uint64_t digest, const uint32_t *ids, size_t n_ids,
		       struct table **ret);
int applied_know_table(struct applied *, struct table *, const uint32_t *ids,
		       size_t n_ids); /* 0 or -ENOMEM */
struct table *applied_table_at(const struct applied *, uint32_t offset, uint32_t size);
void applied_drop_table(struct applied *, struct table *); /* its range is free, or rests if it was written */

int applied_list_backend(struct applied *, uint32_t id);   /* 0 or -ENOMEM */
int applied_list_orphan(struct applied *, struct table *); /* 0 or -ENOMEM */

struct applied_service *applied_find_service(const struct applied *, const char *name);
int applied_make_service(struct applied *, const char *name,
			 struct applied_service **ret); /* found or new; 0, -ENOMEM */
bool applied_service_is_empty(
	const struct applied_service *); /* owns and wants nothing, has nothing to say */
void applied_remove_service(struct applied *, struct applied_service *); /* must be empty */

#endif
