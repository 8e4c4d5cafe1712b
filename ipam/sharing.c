// SPDX-License-Identifier: Apache-2.0
/* The sharing rule: see sharing.h. */
#include "ipam/sharing.h"

#include <string.h>

#include "userspace/base/parse.h"

/* "a, b" or "*": does this list of namespaces permit that one? Pieces that are no namespace permit nobody. */
static bool list_permits(const char *list, const char *namespace)
{
	size_t wanted = strlen(namespace);

	while (*list) {
		const char *start = list + strspn(list, " "), *comma = strchrnul(start, ','), *end = comma;
		size_t length;

		while (end > start && end[-1] == ' ')
			end--;
		length = (size_t)(end - start);
		if ((length == 1 && *start == '*') || (length == wanted && !memcmp(start, namespace, wanted)))
			return true;
		list = *comma ? comma + 1 : comma;
	}
	return false;
}

static bool namespaces_permit(const struct sharer *a, const struct sharer *b)
{
	const char *left = a->service->meta.namespace, *right = b->service->meta.namespace;

	return text_equal(left, right) || (list_permits(a->request->sharing_namespaces, right) &&
					   list_permits(b->request->sharing_namespaces, left));
}

bool sharing_port_in_common(const struct service *a, const struct service *b)
{
	size_t i, j;

	for (i = 0; i < a->n_ports; i++)
		for (j = 0; j < b->n_ports; j++)
			if (a->ports[i].port == b->ports[j].port && a->ports[i].protocol == b->ports[j].protocol)
				return true;
	return false;
}

static bool same_selector(const struct labels *a, const struct labels *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (!text_equal(a->items[i].key, b->items[i].key) || !text_equal(a->items[i].value, b->items[i].value))
			return false;
	return true;
}

/* With policy Local a node announces the address when it has an endpoint of one of them; only equal selectors make that
 * right for the other. No selector at all says nothing about where the endpoints are. */
static const char *policies_why_not(const struct service *a, const struct service *b)
{
	if (a->external_policy != b->external_policy)
		return "one has externalTrafficPolicy Local, the other Cluster";
	if (a->external_policy == POLICY_LOCAL && (!a->selector.n || !same_selector(&a->selector, &b->selector)))
		return "with externalTrafficPolicy Local the selectors must be equal and not empty";
	return NULL;
}

const char *sharing_why_not(const struct sharer *a, const struct sharer *b)
{
	if (!a->request || !b->request)
		return "it is of another loadBalancerClass";
	if (!a->request->sharing_key || !b->request->sharing_key)
		return "not both have a sharing key";
	if (!text_equal(a->request->sharing_key, b->request->sharing_key))
		return "the sharing keys differ";
	if (!namespaces_permit(a, b))
		return "not both namespaces permit it";
	if (sharing_port_in_common(a->service, b->service))
		return "they have a port in common";
	return policies_why_not(a->service, b->service);
}

bool sharing_same_terms(const struct sharer *a, const struct sharer *b)
{
	if (!a->request || !b->request)
		return a->request == b->request;
	return text_equal(a->request->sharing_key, b->request->sharing_key) &&
	       text_equal(a->request->sharing_namespaces, b->request->sharing_namespaces) &&
	       text_equal(a->service->meta.namespace, b->service->meta.namespace) &&
	       a->service->external_policy == b->service->external_policy &&
	       (a->service->external_policy == POLICY_CLUSTER ||
		same_selector(&a->service->selector, &b->service->selector));
}

static uint32_t port_number(const struct service_port *port)
{
	return (uint32_t)port->port << 8 | (uint32_t)port->protocol;
}

uint32_t service_a_port(const struct service *service)
{
	return service->n_ports ? port_number(&service->ports[0]) : 0;
}

bool service_has_port(const struct service *service, uint32_t a_port)
{
	size_t i;

	for (i = 0; i < service->n_ports; i++)
		if (port_number(&service->ports[i]) == a_port)
			return true;
	return false;
}

static uint8_t *port_byte(const struct port_set *set, const struct service_port *port)
{
	unsigned row = port->protocol == L4_TCP ? 0 : port->protocol == L4_UDP ? 1 : 2;

	return (uint8_t *)&set->bits[row][port->port / 8];
}

void port_set_add(struct port_set *set, const struct service *service)
{
	size_t i;

	for (i = 0; i < service->n_ports; i++)
		*port_byte(set, &service->ports[i]) |= (uint8_t)(1 << service->ports[i].port % 8);
}

bool port_set_meets(const struct port_set *set, const struct service *service)
{
	size_t i;

	for (i = 0; i < service->n_ports; i++)
		if (*port_byte(set, &service->ports[i]) & 1 << service->ports[i].port % 8)
			return true;
	return false;
}
