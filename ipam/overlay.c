// SPDX-License-Identifier: Apache-2.0
/* Other addresses than the statuses say: see overlay.h. */
#include "ipam/overlay.h"

#include <errno.h>

#define NOBODYS_CLASS "fairway.dev/hidden" /* a class that is not ours: its addresses are only taken */

int overlay_init(struct overlay *overlay, struct arena *arena, const struct cluster *cluster,
		 size_t n_stand_ins)
{
	*overlay = (struct overlay){ .arena = arena };
	overlay->services = arena_array(arena, cluster->n_services + n_stand_ins, sizeof(*overlay->services));
	return overlay->services ? 0 : -ENOMEM;
}

int overlay_keep(struct overlay *overlay, const struct service *service)
{
	overlay->services[overlay->n_services++] = service;
	return 0;
}

static int add(struct overlay *overlay, const struct service *from, const struct addr *addresses,
	       size_t n_addresses)
{
	struct service *service = arena_alloc(overlay->arena, sizeof(*service));
	size_t i;

	if (!service)
		return -ENOMEM;
	*service = *from;
	service->ingress = arena_array(overlay->arena, n_addresses, sizeof(*service->ingress));
	if (!service->ingress)
		return -ENOMEM;
	for (i = 0; i < n_addresses; i++)
		service->ingress[i] = (struct ingress_address){ .addr = addresses[i] };
	service->n_ingress = n_addresses;
	return overlay_keep(overlay, service);
}

int overlay_replace(struct overlay *overlay, const struct service *service, const struct addr *addresses,
		    size_t n_addresses)
{
	return add(overlay, service, addresses, n_addresses);
}

int overlay_stand_in(struct overlay *overlay, const char *namespace, const char *name, const char *uid,
		     const struct addr *addresses, size_t n_addresses)
{
	const struct service service = { .meta = { .namespace = namespace, .name = name, .uid = uid },
					 .type = SERVICE_LOAD_BALANCER,
					 .load_balancer_class = NOBODYS_CLASS };

	return add(overlay, &service, addresses, n_addresses);
}

void overlay_finish(const struct overlay *overlay, const struct cluster *cluster, struct cluster *ret)
{
	struct cluster result = *cluster;

	result.services = overlay->services;
	result.n_services = overlay->n_services;
	*ret = result;
}
