/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service asks of the allocator (PURE), read from its spec and annotations alone.
 *
 * Each wish has one source: our annotation, else the first alias that is there and not empty, in the order MetalLB
 * (new prefix, old prefix), Cilium, Calico, OpenELB, and for addresses spec.loadBalancerIP last. Aliases are only read.
 * Text is hostile: whatever is not exactly what the wish allows makes the whole request invalid; nothing is cut or
 * guessed.
 *
 * Families, where spec.ipFamilies leaves something open (which only manifests written by hand do):
 *  - RequireDualStack, or two clusterIPs or families without a policy, as the API server has it: both.
 *  - PreferDualStack: both if possible; only those of the clusterIPs where these are said, because the cluster then has
 *    no other family.
 *  - neither families nor clusterIPs: the families of the requested addresses and of those in the status; without any,
 *    IPv4, or IPv6 if no pool that would serve has IPv4 (any_family; the allocator knows the pools). */
#ifndef FAIRWAY_IPAM_REQUEST_H
#define FAIRWAY_IPAM_REQUEST_H

#include "ipam/pool.h"

struct wish { /* as it was written, for messages */
	const char *source, *text; /* "fairway.dev/pool", what stands there; NULL: nothing was asked for */
};

struct request {
	enum addr_family families[2]; /* wanted, in order */
	size_t n_families;
	bool any_family;     /* nothing tells the family: families[0] is IPv4, and IPv6 would do */
	bool all_or_nothing; /* each of the families is needed; else whichever there are */
	struct addr ips[SLOT_COUNT]; /* ADDR_NONE: any */
	struct wish ips_wish;
	struct strings pools;	     /* names, any of them; counts if pools_given */
	struct wish pools_wish;
	bool pools_given;
	const char *sharing_key;     /* NULL: none */
	const char *sharing_namespaces; /* "a,b" or "*"; "" for none */
	const char *invalid;		/* NULL, or what is wrong: nothing else above counts then but the families */
};

int request_parse(struct request *ret, struct arena *, const struct service *); /* 0 or -ENOMEM */
bool request_wants(const struct request *, enum addr_family);
/* SOURCE "TEXT": WHY, with the text escaped and bounded. */
void wish_append_refusal(struct strbuf *, const struct wish *, const char *why);

#endif
