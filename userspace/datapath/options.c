// SPDX-License-Identifier: Apache-2.0
/* Copying options. */
#include "userspace/datapath/options.h"

#include <errno.h>
#include <string.h>

#define SNAT_PORT_FIRST 61000
#define SNAT_PORT_LAST	65535

int options_copy_init(struct options_copy *copy, const struct datapath_options *from)
{
	struct options_copy made = { .options = *from };
	const char **interfaces = arena_array(&made.arena, from->n_interfaces, sizeof(*interfaces));
	struct addr *peers = arena_array(&made.arena, from->n_peers, sizeof(*peers));
	bool complete = interfaces && peers;

	for (size_t i = 0; complete && i < from->n_interfaces; i++) {
		interfaces[i] = arena_string(&made.arena, from->interfaces[i]);
		complete = interfaces[i] != NULL;
	}
	made.options.pin_dir = arena_string(&made.arena, from->pin_dir);
	if (!complete || !made.options.pin_dir) {
		arena_done(&made.arena);
		return -ENOMEM;
	}
	if (from->n_peers)
		memcpy(peers, from->peers, from->n_peers * sizeof(*peers));
	made.options.interfaces = interfaces;
	made.options.peers = peers;
	if (!from->snat_port_first && !from->snat_port_last) {
		made.options.snat_port_first = SNAT_PORT_FIRST;
		made.options.snat_port_last = SNAT_PORT_LAST;
	}
	*copy = made;
	return 0;
}

void options_copy_done(struct options_copy *copy)
{
	arena_done(&copy->arena);
	*copy = (struct options_copy){ 0 };
}
