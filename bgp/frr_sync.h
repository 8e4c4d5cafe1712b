/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping one daemon's configuration at what is wanted (EDGE): seed from its running configuration | compare | apply one
 * command after the other | read back | compare again, until there is no difference.
 *
 * A batch that changes networks alone is trusted by its acknowledgements; anything else is verified by reading the whole
 * configuration again. A difference that stays after it was applied is told once and left until something changes: FRR
 * refused it, or says it in other words than we do, and repeating it would not help. */
#ifndef FAIRWAY_BGP_FRR_SYNC_H
#define FAIRWAY_BGP_FRR_SYNC_H

#include "bgp/frr_daemon.h"
#include "bgp/frr_diff.h"

struct frr_sync;

enum frr_sync_daemon { FRR_BGPD, FRR_BFDD };

/* `changed`: its link, or whether it is in sync, or (bgpd) which networks it has, changed. `idle`: it has nothing to do, the
 * daemon may be asked something else. */
struct frr_sync_events {
	void (*changed)(void *userdata);
	void (*idle)(void *userdata);
};

int frr_sync_new(struct sd_event *, const char *vty_dir, enum frr_sync_daemon, const struct frr_sync_events *,
		 void *userdata, struct frr_sync **ret);
void frr_sync_free(struct frr_sync *);

/* What is wanted, borrowed until the next call; NULL: nothing is known yet, so nothing is changed. */
void frr_sync_want(struct frr_sync *, const struct frr_config *);
void frr_sync_check(struct frr_sync *);	  /* read the running configuration again, for drift */
void frr_sync_settled(struct frr_sync *, bool); /* bfdd: bgpd is in sync, unused profiles may go */

enum frr_link frr_sync_link(const struct frr_sync *);
bool frr_sync_done(const struct frr_sync *); /* connected, and what runs is what was wanted last */
uint64_t frr_sync_commands(const struct frr_sync *); /* applied so far */
bool frr_sync_announces(const struct frr_sync *, const struct prefix *); /* as far as is known */

/* What bgpd sends to some peer now. Prefixes that neither run nor are wanted were forgotten by it: they are withdrawn again.
 * Returns how many those are; 0 also when something else is to be done first. */
size_t frr_sync_unstick(struct frr_sync *, const struct prefix *sent, size_t n);

/* When idle only: asks something that changes nothing. The answer ("" if FRR refused) comes from the loop, or the link is lost. */
typedef void frr_sync_answer_fn(void *userdata, const char *text);
void frr_sync_ask(struct frr_sync *, const char *command, frr_sync_answer_fn *);
bool frr_sync_is_idle(const struct frr_sync *);

#endif
