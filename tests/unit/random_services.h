/* SPDX-License-Identifier: Apache-2.0 */
/* A random world of Services and pools for tests of the allocator and of what stands on it: few Services, few
 * addresses, so that everything meets: sharing, several pools, both families, wishes, quotas, disabled pools,
 * pools that overlap, Services of other classes. One number tells all that ever happens in it.
 *
 * It holds what authors wrote, and each Service's status, which is the test's to write. The rules below are
 * DESIGN's, written a second time without a look at the allocator's code. */
#ifndef FAIRWAY_TESTS_RANDOM_SERVICES_H
#define FAIRWAY_TESTS_RANDOM_SERVICES_H

#include "ipam/allocator.h"
#include "tests/unit/world.h"

#define RANDOM_SERVICES 14
#define RANDOM_POOLS	5

struct random {
	uint64_t state; /* any */
};

uint32_t random_below(struct random *, uint32_t n);
bool random_chance(struct random *, uint32_t percent);

struct random_service { /* as its author wrote it, and its status */
	bool exists, foreign, deleting, local, cluster_ip;
	int namespace, name, created;
	const char *families; /* "4", "6", "46", "64", or "" for not said */
	enum ip_family_policy policy;
	int port, key; /* key 0: none */
	const char *key_namespaces;
	char ips[100], pool[8];
	struct addr status[2];
	size_t n_status;
};

struct random_pool {
	bool exists, disabled, manual, buggy, only_a;
	int created, quota, ranges;
};

struct random_world {
	struct random random;
	struct random_service
		services[RANDOM_SERVICES]; /* number i is called "s<i>", in whichever namespace */
	struct random_pool pools[RANDOM_POOLS];
	int clock;
};

void random_world_init(struct random_world *, uint64_t seed); /* pools, and no Service */
void random_edit(struct random_world *); /* one, of one object; often it changes nothing */

/* As a cluster. Returns the new Service. */
struct service *random_service_add(struct world *, const struct random_service *);
void random_pools_add(struct world *, const struct random_world *);
void random_world_build(struct world *, const struct random_world *);

/* In words: "a/s3 created 7, families 46, port 80, key1 for a,b: 192.0.2.1", a line for each Service and
 * pool. */
void random_addrs_say(struct strbuf *, const struct addr *, size_t n); /* "nothing" for none */
void random_service_say(struct strbuf *, const struct random_service *);
void random_world_say(struct strbuf *, const struct random_world *);

/* What was answered; NULL: it is not listed. */
const struct allocation *random_answer(const struct allocations *, const struct random_service *);
/* Writes the answers into the statuses. Did one change? */
bool random_take_answers(struct random_world *, const struct allocations *);

/* --- the rules ----------------------------------------------------------------------------------------- */

bool random_among(const struct addr *, const struct addr *list, size_t n);
bool random_may_share(const struct random_service *, const struct random_service *);
bool random_older(const struct random_service *, const struct random_service *than);
bool random_in_any_pool(const struct random_world *, const struct addr *);
bool random_unwanted(const struct random_service *,
		     const struct addr *); /* of a family that it does not ask for */
/* Has an older one that it may not share with the address in its status, too? */
bool random_lost_to_older(const struct random_world *, const struct random_service *, const struct addr *);
/* May the Service, which has it in its status, lose this address? */
bool random_may_lose(const struct random_world *, const struct random_service *, const struct addr *);

#endif
