// SPDX-License-Identifier: Apache-2.0
/* What the allocator decided, as JSON: the contract of `lbctl allocate -o json` (OUTPUTS.md). Keys keep their order, IPv6
 * counts are decimal strings because they do not fit a JSON number. */
#include "ipam/run.h"
#include "userspace/core/explain.h"

static void append_texts(struct strbuf *out, const char *indent, const char *reason, const char *message)
{
	strbuf_appendf(out, ",\n%s\"reason\": ", indent);
	json_append_string(out, reason);
	strbuf_appendf(out, ",\n%s\"message\": ", indent);
	json_append_string(out, message);
}

static void append_service(struct strbuf *out, const struct allocation *service)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	strbuf_append(out, "    {\n      \"namespace\": ");
	json_append_string(out, service->namespace);
	strbuf_append(out, ",\n      \"name\": ");
	json_append_string(out, service->name);
	strbuf_append(out, ",\n      \"pool\": ");
	json_append_string(out, service->pool);
	strbuf_append(out, ",\n      \"addresses\": [");
	for (i = 0; i < service->n_addresses; i++)
		strbuf_appendf(out, "%s\"%s\"", i ? ", " : "", addr_format(&service->addresses[i], text));
	strbuf_appendf(out, "],\n      \"kept\": %s", service->kept ? "true" : "false");
	append_texts(out, "      ", service->reason, service->message);
	strbuf_append(out, "\n    }");
}

static void append_pool(struct strbuf *out, const struct pool_usage *pool)
{
	strbuf_append(out, "    {\n      \"name\": ");
	json_append_string(out, pool->name);
	strbuf_appendf(out, ",\n      \"assignedIPv4\": %llu,\n      \"availableIPv4\": %llu",
		       (unsigned long long)pool->assigned_v4, (unsigned long long)pool->available_v4);
	strbuf_append(out, ",\n      \"assignedIPv6\": \"");
	append_decimal(out, pool->assigned_v6);
	strbuf_append(out, "\",\n      \"availableIPv6\": \"");
	append_decimal(out, pool->available_v6);
	strbuf_appendf(out, "\",\n      \"ready\": %s", pool->ready ? "true" : "false");
	append_texts(out, "      ", pool->reason, pool->message);
	strbuf_append(out, "\n    }");
}

void allocations_json(struct strbuf *out, const struct allocations *allocations)
{
	size_t i;

	strbuf_append(out, "{\n  \"services\": [");
	for (i = 0; i < allocations->n_services; i++) {
		strbuf_append(out, i ? ",\n" : "\n");
		append_service(out, &allocations->services[i]);
	}
	strbuf_append(out, allocations->n_services ? "\n  ],\n  \"pools\": [" : "],\n  \"pools\": [");
	for (i = 0; i < allocations->n_pools; i++) {
		strbuf_append(out, i ? ",\n" : "\n");
		append_pool(out, &allocations->pools[i]);
	}
	strbuf_append(out, allocations->n_pools ? "\n  ]\n}\n" : "]\n}\n");
}
