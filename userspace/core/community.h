/* SPDX-License-Identifier: Apache-2.0 */
/* BGP communities: standard ones (RFC 1997) and large ones (RFC 8092), by number, well-known name or an alias that a
 * Community object gives. A literal always means itself: an alias called "no-export" can't redefine no-export. */
#ifndef FAIRWAY_CORE_COMMUNITY_H
#define FAIRWAY_CORE_COMMUNITY_H

#include "userspace/core/cluster.h"

struct community {
	bool large;
	uint32_t global, local1, local2; /* standard: high half, low half, 0 */
};

#define COMMUNITY_TEXT_MAX 48
char *community_format(const struct community *, char buffer[static COMMUNITY_TEXT_MAX]); /* "65000:1", "large:1:2:3" */
int community_compare(const struct community *, const struct community *); /* standard before large, then by number */

/* "65000:1", "large:a:b:c" or a well-known name. 0 or -EINVAL. */
int community_parse(const char *text, struct community *ret);
/* The same, or an alias. 0, -EINVAL (not a community, unknown, or its alias has a bad value), -EEXIST (two Community
 * objects give the alias different values). */
int community_resolve(const struct cluster *, const char *text, struct community *ret);
/* Of an alias that is not known: the Community that was refused with it, or NULL. */
const struct community_object *community_refused_with(const struct cluster *, const char *alias);
/* What is wrong with the Community objects themselves. 0 or -ENOMEM. */
int communities_check(const struct cluster *, struct problems *);

#endif
