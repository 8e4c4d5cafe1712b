// SPDX-License-Identifier: Apache-2.0
/* Hostile requests: the bytes are lines, and each line becomes the text of a pool's range, an annotation, an address in a
 * status. What must hold beyond "no crash": the outcome is valid JSON, the same on every run; no address that can never be
 * a VIP is given; nobody has another's address unless both have one key; and who was satisfied keeps what it got. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/allocator.h"
#include "k8s/json.h"

#define MAX_POOLS    4
#define MAX_SERVICES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct arena arena;
	const char *text; /* NUL-terminated */
};

static const char *next_line(struct input *input)
{
	size_t length = strcspn(input->text, "\n");
	const char *line = arena_string_n(&input->arena, input->text, length);

	input->text += length + (input->text[length] == '\n');
	return line;
}

static unsigned next_byte(struct input *input)
{
	return *input->text ? (unsigned char)*input->text++ : 0;
}

static struct service_ip_pool *make_pool(struct input *input, size_t i)
{
	static const char *const names[MAX_POOLS] = { "a", "b", "c", "d" };
	struct service_ip_pool *pool = arena_alloc(&input->arena, sizeof(*pool));
	unsigned flags = next_byte(input);

	pool->meta = (struct meta){ .namespace = "", .name = names[i], .uid = "", .created_sec = flags >> 6 };
	pool->addresses.items = arena_array(&input->arena, 3, sizeof(char *));
	for (pool->addresses.n = 0; pool->addresses.n < 1 + flags % 3; pool->addresses.n++)
		pool->addresses.items[pool->addresses.n] = next_line(input);
	pool->auto_assign = !(flags & 4);
	pool->avoid_buggy_ips = flags & 8;
	pool->disabled = (flags & 48) == 48;
	pool->quota_per_namespace = (flags & 16) ? 2 : 0;
	return pool;
}

static struct labels make_annotations(struct input *input, unsigned flags)
{
	static const char *const keys[] = { /* sorted, as labels are */
					    "fairway.dev/ips",
					    "fairway.dev/pool",
					    "fairway.dev/shared-ip",
					    "fairway.dev/shared-ip-namespaces",
					    "lbipam.cilium.io/ips",
					    "projectcalico.org/ipv4pools",
					    "projectcalico.org/ipv6pools",
					    "projectcalico.org/loadBalancerIPs" };
	struct labels labels = { arena_array(&input->arena, 8, sizeof(struct label)), 0 };
	size_t i;

	for (i = 0; i < 8; i++)
		if (flags & 1u << i)
			labels.items[labels.n++] = (struct label){ keys[i], next_line(input) };
	return labels;
}

static struct service *make_service(struct input *input, size_t i)
{
	static const char *const names[MAX_SERVICES] = { "a", "b", "c", "d", "e", "f" };
	struct service *service = arena_alloc(&input->arena, sizeof(*service));
	unsigned flags = next_byte(input), shape = next_byte(input);

	service->meta = (struct meta){ .namespace = shape & 64 ? "m" : "n", .name = names[i], .uid = "" };
	service->meta.created_sec = shape % 4;
	service->meta.annotations = make_annotations(input, flags);
	service->meta.deleting = (shape & 60) == 60;
	service->type = SERVICE_LOAD_BALANCER;
	service->load_balancer_class = (shape & 60) == 56 ? "other" : "fairway.dev/lb";
	service->ip_family_policy = (enum ip_family_policy)(shape / 4 % 4);
	service->n_ip_families = shape / 16 % 3;
	service->ip_families[0] = shape & 128 ? ADDR_IPV6 : ADDR_IPV4;
	service->ip_families[1] = shape & 128 ? ADDR_IPV4 : ADDR_IPV6;
	service->load_balancer_ip = flags % 8 == 0 ? next_line(input) : NULL;
	service->ports = arena_alloc(&input->arena, sizeof(*service->ports));
	service->ports[0] = (struct service_port){ "", L4_TCP, (uint16_t)(80 + shape % 8), 0 };
	service->n_ports = 1;
	service->ingress = arena_array(&input->arena, 2, sizeof(*service->ingress));
	if (shape & 32 && addr_parse(next_line(input), &service->ingress[0].addr) == 0)
		service->n_ingress = 1;
	return service;
}

static bool was_in_status(const struct service *service, const struct addr *addr)
{
	for (size_t i = 0; i < service->n_ingress; i++)
		if (addr_equal(&service->ingress[i].addr, addr))
			return true;
	return false;
}

static const struct service *service_of(const struct cluster *cluster, const struct allocation *allocation)
{
	return cluster_find_service(cluster, allocation->namespace, allocation->name);
}

static bool have_one_key(const struct service *a, const struct service *b)
{
	const char *left = labels_find(&a->meta.annotations, "fairway.dev/shared-ip");
	const char *right = labels_find(&b->meta.annotations, "fairway.dev/shared-ip");

	return left && right && *left && !strcmp(left, right) && a->ports[0].port != b->ports[0].port;
}

static void check(const struct cluster *cluster, const struct allocations *allocations)
{
	struct json_document document;
	struct json_error error;
	struct strbuf json = { 0 };

	allocations_json(&json, allocations);
	assert(json_parse(json.text, json.length, &document, &error) == 0);
	json_document_done(&document);
	strbuf_done(&json);
	for (size_t i = 0; i < allocations->n_services; i++) {
		const struct allocation *a = &allocations->services[i];

		for (size_t k = 0; k < a->n_addresses; k++) {
			assert(!addr_why_unusable(&a->addresses[k]) || service_of(cluster, a)->meta.deleting);
			for (size_t j = 0; j < i; j++)
				for (size_t l = 0; l < allocations->services[j].n_addresses; l++)
					assert(!addr_equal(&a->addresses[k], &allocations->services[j].addresses[l]) ||
					       have_one_key(service_of(cluster, a),
							    service_of(cluster, &allocations->services[j])));
		}
	}
}

/* Writes the answers into the statuses. Who was satisfied before must have kept all it had. */
static void settle(struct service **services, const struct cluster *cluster, const struct allocations *allocations)
{
	for (size_t i = 0; i < allocations->n_services; i++) {
		const struct allocation *a = &allocations->services[i];
		struct service *service = NULL;

		for (size_t j = 0; j < cluster->n_services; j++)
			if (services[j] == service_of(cluster, a))
				service = services[j];
		assert(service);
		service->n_ingress = a->n_addresses;
		for (size_t k = 0; k < a->n_addresses; k++)
			service->ingress[k] = (struct ingress_address){ .addr = a->addresses[k] };
	}
}

static int compare_services(const void *a, const void *b)
{
	const struct meta *left = &(*(struct service *const *)a)->meta, *right = &(*(struct service *const *)b)->meta;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service *services[MAX_SERVICES];
	struct service_ip_pool *pools[MAX_POOLS];
	char *text = malloc(size + 1);
	struct input input = { .text = text };
	struct cluster cluster = { .services = (const struct service *const *)services,
				   .pools = (const struct service_ip_pool *const *)pools };
	struct allocations first, second;

	memcpy(text, data, size);
	text[size] = 0;
	for (cluster.n_pools = 0; cluster.n_pools < MAX_POOLS && *input.text; cluster.n_pools++)
		pools[cluster.n_pools] = make_pool(&input, cluster.n_pools);
	for (cluster.n_services = 0; cluster.n_services < MAX_SERVICES && *input.text; cluster.n_services++)
		services[cluster.n_services] = make_service(&input, cluster.n_services);
	qsort(services, cluster.n_services, sizeof(*services), compare_services);

	assert(allocate(&cluster, false, &first) == 0);
	check(&cluster, &first);
	settle(services, &cluster, &first);
	assert(allocate(&cluster, false, &second) == 0);
	check(&cluster, &second);
	assert(first.n_services == second.n_services);
	for (size_t i = 0; i < second.n_services; i++)
		for (size_t k = 0; k < first.services[i].n_addresses && !*first.services[i].reason; k++)
			assert(was_in_status(service_of(&cluster, &second.services[i]), &first.services[i].addresses[k]) &&
			       second.services[i].n_addresses >= first.services[i].n_addresses && second.services[i].kept ==
			       (second.services[i].n_addresses == first.services[i].n_addresses));
	allocations_done(&first);
	allocations_done(&second);
	arena_done(&input.arena);
	free(text);
	return 0;
}
