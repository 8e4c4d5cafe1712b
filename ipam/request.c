// SPDX-License-Identifier: Apache-2.0
/* A Service's wishes: annotations with their aliases, families. See request.h. */
#include "ipam/request.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/annotations.h"

#define QUOTE_MAX 80 /* of hostile text in a message */

enum wish_syntax {
	SYNTAX_TEXT,	  /* as it stands */
	SYNTAX_LIST,	  /* a, b */
	SYNTAX_JSON_LIST, /* ["a", "b"] */
};

struct wish_source {
	const char *annotation;
	enum wish_syntax syntax;
};

static const struct wish_source address_sources[] = {
	{ ANNOTATION_IPS, SYNTAX_LIST },
	{ "metallb.io/loadBalancerIPs", SYNTAX_LIST },
	{ "metallb.universe.tf/loadBalancerIPs", SYNTAX_LIST },
	{ "lbipam.cilium.io/ips", SYNTAX_LIST },
	{ "projectcalico.org/loadBalancerIPs", SYNTAX_JSON_LIST },
};

static const struct wish_source pool_sources[] = {
	{ ANNOTATION_POOL, SYNTAX_TEXT },
	{ "metallb.io/address-pool", SYNTAX_TEXT },
	{ "metallb.universe.tf/address-pool", SYNTAX_TEXT },
};

/* Between MetalLB and OpenELB: a list for each family. */
static const struct wish_source calico_pools[SLOT_COUNT] = {
	{ "projectcalico.org/ipv4pools", SYNTAX_JSON_LIST },
	{ "projectcalico.org/ipv6pools", SYNTAX_JSON_LIST },
};
static const struct wish_source openelb_pool = { "eip.openelb.kubesphere.io/v1alpha2", SYNTAX_TEXT };

static const struct wish_source key_sources[] = {
	{ ANNOTATION_SHARED_IP, SYNTAX_TEXT },
	{ "metallb.io/allow-shared-ip", SYNTAX_TEXT },
	{ "metallb.universe.tf/allow-shared-ip", SYNTAX_TEXT },
	{ "lbipam.cilium.io/sharing-key", SYNTAX_TEXT },
};

static const struct wish_source namespace_sources[] = {
	{ ANNOTATION_SHARED_IP_NAMESPACES, SYNTAX_LIST },
	{ "lbipam.cilium.io/sharing-cross-namespace", SYNTAX_LIST },
};

/* --- text ---------------------------------------------------------------------------------------------- */

static const char *skip_json_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

/* An empty wish is none at all. A sharing key or a pool's name of blanks is not empty: it is taken as it stands. */
static bool wish_is_empty(const char *text, enum wish_syntax syntax)
{
	switch (syntax) {
	case SYNTAX_TEXT:
		return !*text;
	case SYNTAX_LIST:
		return !text[strspn(text, " ")];
	case SYNTAX_JSON_LIST:
		text = skip_json_blanks(text);
		if (*text == '[')
			text = skip_json_blanks(text + 1);
		if (*text == ']')
			text = skip_json_blanks(text + 1);
		return !*text;
	}
	return true;
}

/* The first source that is there and not empty, or NULL. */
static const struct wish_source *find_wish(const struct service *service, const struct wish_source *sources, size_t n,
					   const char **ret_text)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const char *text = labels_find(&service->meta.annotations, sources[i].annotation);

		if (!text || wish_is_empty(text, sources[i].syntax))
			continue;
		*ret_text = text;
		return &sources[i];
	}
	return NULL;
}

void wish_append_refusal(struct strbuf *out, const struct wish *wish, const char *why)
{
	strbuf_appendf(out, "%s \"", wish->source);
	strbuf_append_escaped(out, wish->text, QUOTE_MAX);
	strbuf_appendf(out, "\": %s", why);
}

static int set_invalid(struct request *request, struct arena *arena, const char *source, const char *text,
		       const char *why)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };

	wish_append_refusal(&message, &(struct wish){ source, text }, why);
	request->invalid = strbuf_failed(&message) ? NULL : arena_string(arena, strbuf_text(&message));
	return request->invalid ? 0 : -ENOMEM;
}

static int strings_add(struct strings *list, struct arena *arena, const char *start, size_t length)
{
	list->items[list->n] = arena_string_n(arena, start, length);
	return list->items[list->n] ? (list->n++, 0) : -ENOMEM;
}

static int strings_reserve(struct strings *list, struct arena *arena, const char *text, char separator)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == separator;
	*list = (struct strings){ .items = arena_array(arena, n, sizeof(*list->items)) };
	return list->items ? 0 : -ENOMEM;
}

/* "a, b": blanks around the pieces are not theirs. A blank is a space; a tab is a control character. */
static int split_list(struct strings *ret, struct arena *arena, const char *text)
{
	int r = strings_reserve(ret, arena, text, ',');

	while (r == 0) {
		const char *start = text + strspn(text, " "), *comma = strchrnul(start, ','), *end = comma;

		while (end > start && end[-1] == ' ')
			end--;
		r = strings_add(ret, arena, start, (size_t)(end - start));
		if (!*comma)
			break;
		text = comma + 1;
	}
	return r;
}

/* ["a", "b"]. Neither addresses nor names need an escape, so none is understood. 0, -EINVAL, -ENOMEM. */
static int split_json_list(struct strings *ret, struct arena *arena, const char *text)
{
	int r = strings_reserve(ret, arena, text, ',');

	text = skip_json_blanks(text);
	if (r == 0 && *text != '[')
		r = -EINVAL;
	while (r == 0) {
		const char *start = skip_json_blanks(text + 1), *end;

		if (*start != '"')
			return -EINVAL;
		end = strpbrk(++start, "\"\\");
		if (!end || *end != '"')
			return -EINVAL;
		r = strings_add(ret, arena, start, (size_t)(end - start));
		text = skip_json_blanks(end + 1);
		if (*text == ']')
			break;
		if (*text != ',')
			return -EINVAL;
	}
	return r == 0 && *skip_json_blanks(text + 1) ? -EINVAL : r;
}

static int split(struct strings *ret, struct arena *arena, const char *text, enum wish_syntax syntax)
{
	switch (syntax) {
	case SYNTAX_TEXT:
		*ret = (struct strings){ .items = arena_array(arena, 1, sizeof(*ret->items)) };
		return ret->items ? strings_add(ret, arena, text, strlen(text)) : -ENOMEM;
	case SYNTAX_LIST:
		return split_list(ret, arena, text);
	case SYNTAX_JSON_LIST:
		return split_json_list(ret, arena, text);
	}
	return -EINVAL;
}

/* --- addresses ----------------------------------------------------------------------------------------- */

static const char *take_address(struct request *request, enum wish_syntax syntax, const char *text)
{
	struct addr addr, *slot;

	if (addr_parse(text, &addr) < 0)
		return syntax == SYNTAX_TEXT ? "not a plain IPv4 or IPv6 address; " ANNOTATION_IPS " takes one of each" :
					       "not a list of plain IPv4 and IPv6 addresses";
	slot = &request->ips[family_slot(addr.family)];
	if (slot->family != ADDR_NONE)
		return "more than one address of a family";
	*slot = addr;
	return NULL;
}

static int parse_addresses(struct request *request, struct arena *arena, const struct service *service)
{
	static const struct wish_source spec = { "spec.loadBalancerIP", SYNTAX_TEXT };
	const struct wish_source *source;
	const char *text, *why = NULL;
	struct strings pieces;
	size_t i;
	int r;

	source = find_wish(service, address_sources, ARRAY_SIZE(address_sources), &text);
	if (!source) {
		source = &spec;
		text = service->load_balancer_ip;
		if (!text || !*text)
			return 0;
	}
	request->ips_wish = (struct wish){ source->annotation, text };
	r = split(&pieces, arena, text, source->syntax);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return set_invalid(request, arena, source->annotation, text, "not a JSON list of strings");
	for (i = 0; i < pieces.n && !why; i++)
		why = take_address(request, source->syntax, pieces.items[i]);
	return why ? set_invalid(request, arena, source->annotation, text, why) : 0;
}

/* --- families ------------------------------------------------------------------------------------------ */

bool request_wants(const struct request *request, enum addr_family family)
{
	size_t i;

	for (i = 0; i < request->n_families; i++)
		if (request->families[i] == family)
			return true;
	return false;
}

static void add_family(struct request *request, enum addr_family family)
{
	if (family != ADDR_NONE && request->n_families < 2 && !request_wants(request, family))
		request->families[request->n_families++] = family;
}

static bool in_status(const struct service *service, enum addr_family family)
{
	size_t i;

	for (i = 0; i < service->n_ingress; i++)
		if (service->ingress[i].addr.family == family)
			return true;
	return false;
}

/* Neither families nor clusterIPs: what the request says, then what the Service holds. IPv4 stands first. */
static void infer_families(struct request *request, const struct service *service)
{
	static const enum addr_family both[] = { ADDR_IPV4, ADDR_IPV6 };
	bool single = service->ip_family_policy == FAMILY_SINGLE_STACK;
	bool any_asked = request->ips[SLOT_IPV4].family || request->ips[SLOT_IPV6].family;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(both); i++) {
		bool asked = request->ips[family_slot(both[i])].family, held = in_status(service, both[i]);

		if (single ? !request->n_families && (any_asked ? asked : held) : asked || held)
			add_family(request, both[i]);
	}
	request->any_family = !request->n_families;
	if (request->any_family)
		add_family(request, ADDR_IPV4);
}

static void determine_families(struct request *request, const struct service *service)
{
	enum ip_family_policy policy = service->ip_family_policy;
	bool both = policy == FAMILY_REQUIRE_DUAL_STACK ||
		    (policy == FAMILY_PREFER_DUAL_STACK && !service->n_cluster_ips);
	size_t i;

	request->all_or_nothing = policy != FAMILY_PREFER_DUAL_STACK;
	for (i = 0; i < service->n_ip_families; i++)
		add_family(request, service->ip_families[i]);
	for (i = 0; i < service->n_cluster_ips; i++)
		add_family(request, service->cluster_ips[i].family);
	if (policy == FAMILY_SINGLE_STACK && request->n_families > 1)
		request->n_families = 1; /* the API server refuses two; the first is the primary */
	if (both) {
		add_family(request, ADDR_IPV4);
		add_family(request, ADDR_IPV6);
	} else if (!request->n_families) {
		infer_families(request, service);
	}
}

static int check_families(struct request *request, struct arena *arena)
{
	const struct wish *wish = &request->ips_wish;
	bool both = request->ips[SLOT_IPV4].family && request->ips[SLOT_IPV6].family;
	unsigned slot;

	for (slot = 0; slot < SLOT_COUNT; slot++) {
		if (!request->ips[slot].family || request_wants(request, request->ips[slot].family))
			continue;
		if (both)
			return set_invalid(request, arena, wish->source, wish->text,
					   "the Service has one family: leave the other one's address out, or set "
					   "spec.ipFamilyPolicy to RequireDualStack");
		return set_invalid(request, arena, wish->source, wish->text,
				   slot == SLOT_IPV6 ? "the Service has no IPv6 in spec.ipFamilies" :
						       "the Service has no IPv4 in spec.ipFamilies");
	}
	return 0;
}

/* --- pools --------------------------------------------------------------------------------------------- */

/* Calico lists pools for each family. Both families come from one pool here, so what counts is in both lists, in the
 * order of the first; a list for a family that the Service has not does not count. */
static int parse_calico_pools(struct request *request, struct arena *arena, const struct service *service)
{
	size_t slot, i, n;

	for (slot = 0; slot < SLOT_COUNT; slot++) {
		const struct wish_source *source = &calico_pools[slot];
		struct strings names;
		const char *text;
		int r;

		if (!request_wants(request, slot == SLOT_IPV6 ? ADDR_IPV6 : ADDR_IPV4) &&
		    !(request->any_family && !request->pools_given))
			continue;
		if (!find_wish(service, source, 1, &text))
			continue;
		r = split_json_list(&names, arena, text);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return set_invalid(request, arena, source->annotation, text, "not a JSON list of strings");
		request->pools_wish = (struct wish){ source->annotation, text };
		if (!request->pools_given) {
			request->pools_given = true;
			request->pools = names;
			continue;
		}
		for (i = n = 0; i < request->pools.n; i++)
			if (strings_contain(&names, request->pools.items[i]))
				request->pools.items[n++] = request->pools.items[i];
		request->pools.n = n;
		if (!n)
			return set_invalid(request, arena, source->annotation, text,
					   "no pool is in both lists, and both families come from one pool");
	}
	return 0;
}

static int take_pool(struct request *request, struct arena *arena, const char *source, const char *name)
{
	request->pools_given = true;
	request->pools_wish = (struct wish){ source, name };
	return split(&request->pools, arena, name, SYNTAX_TEXT);
}

static int parse_pools(struct request *request, struct arena *arena, const struct service *service)
{
	const struct wish_source *source;
	const char *text;
	int r;

	source = find_wish(service, pool_sources, ARRAY_SIZE(pool_sources), &text);
	if (source)
		return take_pool(request, arena, source->annotation, text);
	r = parse_calico_pools(request, arena, service);
	if (r < 0 || request->pools_given || request->invalid)
		return r;
	source = find_wish(service, &openelb_pool, 1, &text);
	return source ? take_pool(request, arena, source->annotation, text) : 0;
}

int request_parse(struct request *ret, struct arena *arena, const struct service *service)
{
	struct request request = { .sharing_namespaces = "" };
	int r;

	find_wish(service, key_sources, ARRAY_SIZE(key_sources), &request.sharing_key);
	find_wish(service, namespace_sources, ARRAY_SIZE(namespace_sources), &request.sharing_namespaces);
	r = parse_addresses(&request, arena, service);
	if (r < 0)
		return r;
	determine_families(&request, service);
	if (!request.invalid)
		r = check_families(&request, arena);
	if (r == 0 && !request.invalid)
		r = parse_pools(&request, arena, service);
	if (r < 0)
		return r;
	*ret = request;
	return 0;
}
