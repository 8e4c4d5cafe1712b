// SPDX-License-Identifier: Apache-2.0
/* Stands where the FRR driver (bgp/frr.h) is not linked in yet: no daemon, nothing announced, nothing to withdraw. */
#include "bgp/frr.h"

#include <errno.h>
#include <stdlib.h>

struct frr {
	char unused;
};

int frr_new(struct sd_event *event, const struct frr_options *options, frr_change_fn *on_change, void *userdata, struct frr **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void frr_free(struct frr *frr)
{
	free(frr);
}

int frr_want(struct frr *frr, const struct cluster *cluster, const char *node, const struct routes *routes, struct problems *problems)
{
	return 0;
}

bool frr_in_sync(const struct frr *frr)
{
	return false;
}

bool frr_announces(const struct frr *frr, const struct prefix *prefix)
{
	return false;
}

size_t frr_peers(const struct frr *frr, const struct frr_peer_view **ret)
{
	*ret = NULL;
	return 0;
}

const char *frr_daemon_state(const struct frr *frr)
{
	return "not running";
}

int frr_withdraw_all(const struct frr_options *options)
{
	return 0;
}
