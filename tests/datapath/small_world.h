/* SPDX-License-Identifier: Apache-2.0 */
/* One node in the sandbox with a data path of its own: a veth up0 (its peer is down0), and two Services with
 * two backends, one of each family. A failing call fails the test. */
#ifndef FAIRWAY_TESTS_DATAPATH_SMALL_WORLD_H
#define FAIRWAY_TESTS_DATAPATH_SMALL_WORLD_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/datapath/sandbox.h"
#include "userspace/datapath/datapath.h"

struct sd_event;

#define MAPS   SANDBOX_PINS "/v1/maps"
#define LINKS  SANDBOX_PINS "/v1/links"
#define VIP_ID 3    /* of the IPv4 frontend, 192.0.2.10:80; the IPv6 one is the next */
#define SLOTS  1021 /* of the one table, which both frontends have */

/* A test's state is the loop (sd_event *). */
#define SMALL_WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, small_world_begin, small_world_end)
int small_world_begin(void **state);
int small_world_end(void **state);

/* --- objects and steps --------------------------------------------------------------------------------- */

extern const char *const up_globs[1]; /* the interfaces up0, up1 … */
extern uint32_t table_ids[SLOTS];     /* the table, as the test wants it written */

struct addr addr_of(const char *text);
struct datapath_options options_for(const char *const *interfaces, size_t n);
struct applied_backend backend_of(uint32_t id, const char *addr, bool local);
struct applied_frontend frontend_of(uint32_t id, const char *addr);
struct step backend_step(struct applied_backend);
struct step frontend_step(struct applied_frontend);
/* Those of the phase are done, the others are left out. */
void execute(struct datapath *, enum step_phase, struct step *items, size_t n);
void make_world(struct datapath *);
void check_world(struct datapath *); /* the maps say what make_world() made */

/* --- the data path ------------------------------------------------------------------------------------- */

/* One at a time: the teardown closes it where a test failed half-way. */
struct datapath *open_with(struct sd_event *, const struct datapath_options *);
void close_current(void);
/* Turns the loop until the condition holds; a machine that is slow only takes longer. */
void loop_until(struct sd_event *, bool (*holds)(void *userdata), void *userdata, const char *what);

/* --- what is attached ---------------------------------------------------------------------------------- */

uint32_t xdp_id(const char *interface); /* of the native program there; 0: none */
struct bpf_link_info link_info(const char *name, const char *interface); /* of the pinned one; zeros: none */
struct interface_view only_interface(struct datapath *);

#endif
