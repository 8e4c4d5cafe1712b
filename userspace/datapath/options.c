// SPDX-License-Identifier: Apache-2.0
/* Copying options. */
#include "userspace/datapath/options.h"

#include <errno.h>
#include <string.h>

#define SNAT_PORT_FIRST 61000
#define SNAT_PORT_LAST	65535

/* NULL: out of memory. */
static const char *const *copy_strings(struct arena *arena, const char *const *from, size_t n)
{
	const char **copy = arena_array(arena, n, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = arena_string(arena, from[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

int options_copy_init(struct options_copy *copy, const struct datapath_options *from)
{
	struct options_copy made = { .options = *from };
	struct addr *peers = arena_array(&made.arena, from->n_peers, sizeof(*peers));

	made.options.pin_dir = arena_string(&made.arena, from->pin_dir);
	made.options.interfaces = copy_strings(&made.arena, from->interfaces, from->n_interfaces);
	made.options.peer_interfaces =
		copy_strings(&made.arena, from->peer_interfaces, from->n_peer_interfaces);
	made.options.peers = peers;
	if (!peers || !made.options.pin_dir || !made.options.interfaces || !made.options.peer_interfaces) {
		arena_done(&made.arena);
		return -ENOMEM;
	}
	if (from->n_peers)
		memcpy(peers, from->peers, from->n_peers * sizeof(*peers));
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
