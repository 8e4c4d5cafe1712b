// SPDX-License-Identifier: Apache-2.0
/* The ServiceIP allocator: each row is a small world in words, and what must come of it.
 *
 * World, one object a line; a value is one word, in which ~ stands for a blank and ^ for a tab:
 *   pool NAME RANGE[,RANGE…] [created=N] [manual] [buggy] [disabled] [priority=N] [alloc] [ns=A,B] [nssel=K=V] [svcsel=K=V]
 *             [quota=N]
 *   ns NAME [K=V …]
 *   svc NS/NAME [created=N] [class=none|NAME] [type=ClusterIP] [port=N/TCP …] [local] [selector=K=V] [status=A,B] [deleting]
 *             [families=4|6|46|64] [cluster=A,B] [single|prefer|require] [lbip=A] [label=K=V] [ips=…] [pool=…] [key=…]
 *             [keyns=…] [@ANNOTATION=…]
 * Outcome: "NS/NAME POOL ADDRESSES kept|- REASON|-" for each of ours, then
 *          "pool NAME ASSIGNED/AVAILABLE ASSIGNED6/AVAILABLE6 REASON|-"; lines of pools only where the row has some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ipam/allocator.h"
#include "tests/unit/world.h"
#include "userspace/base/attributes.h"

struct row {
	const char *name, *world, *outcome;
	const char *message; /* must be within the first message that is not empty; NULL: any */
};

/* --- the world from words ------------------------------------------------------------------------------ */

static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);

	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static struct strings split_commas(struct world *world, const char *text)
{
	char *copy = arena_string(&world->arena, text), *p;

	for (p = copy; *p; p++)
		if (*p == ',')
			*p = ' ';
	return world_words(world, copy);
}

static void label_from(struct world *world, struct labels *labels, const char *text)
{
	char *key = arena_string(&world->arena, text), *equals = strchr(key, '=');

	assert_non_null(equals);
	*equals = 0;
	world_label(world, labels, key, equals + 1);
}

static struct selectors selector_from(struct world *world, const char *text)
{
	struct selectors ret = { arena_alloc(&world->arena, sizeof(*ret.items)), 1 };
	const char *why;

	assert_int_equal(selector_parse(&world->arena, text, &ret.items[0], &why), 0);
	return ret;
}

static void pool_word(struct world *world, struct service_ip_pool *pool, const char *word)
{
	struct service_allocation *allocation = &pool->allocation;
	const char *v;

	if ((v = value_of(word, "created")))
		pool->meta.created_sec = atoi(v);
	else if (!strcmp(word, "manual"))
		pool->auto_assign = false;
	else if (!strcmp(word, "buggy"))
		pool->avoid_buggy_ips = true;
	else if (!strcmp(word, "disabled"))
		pool->disabled = true;
	else if (!strcmp(word, "deleting"))
		pool->meta.deleting = true;
	else if ((v = value_of(word, "quota")))
		pool->quota_per_namespace = (uint32_t)atoi(v);
	else {
		allocation->present = true;
		if ((v = value_of(word, "priority")))
			allocation->priority = (uint32_t)atoi(v);
		else if ((v = value_of(word, "ns")))
			allocation->namespaces = split_commas(world, v);
		else if ((v = value_of(word, "nssel")))
			allocation->namespace_selectors = selector_from(world, v);
		else if ((v = value_of(word, "svcsel")))
			allocation->service_selectors = selector_from(world, v);
		else if (strcmp(word, "alloc"))
			fail_msg("pool word: %s", word);
	}
}

static void port_from(struct world *world, struct service *service, const char *text)
{
	enum l4_protocol protocol = strstr(text, "UDP") ? L4_UDP : strstr(text, "SCTP") ? L4_SCTP : L4_TCP;

	world_service_port(world, service, "", protocol, (uint16_t)atoi(text), 0);
}

static size_t families_from(enum addr_family families[2], const char *digits)
{
	size_t n = 0;

	for (; *digits && n < 2; digits++)
		families[n++] = *digits == '6' ? ADDR_IPV6 : ADDR_IPV4;
	return n;
}

static bool spec_word(struct world *world, struct service *service, const char *word)
{
	const char *v;

	if ((v = value_of(word, "created")))
		service->meta.created_sec = strcmp(v, "none") ? atoi(v) : INT64_MAX;
	else if ((v = value_of(word, "class")))
		service->load_balancer_class = strcmp(v, "none") ? v : NULL;
	else if ((v = value_of(word, "type")))
		service->type = SERVICE_CLUSTER_IP;
	else if ((v = value_of(word, "port")))
		port_from(world, service, v);
	else if (!strcmp(word, "local"))
		service->external_policy = POLICY_LOCAL;
	else if (!strcmp(word, "deleting"))
		service->meta.deleting = true;
	else if (!strcmp(word, "single"))
		service->ip_family_policy = FAMILY_SINGLE_STACK;
	else if (!strcmp(word, "prefer"))
		service->ip_family_policy = FAMILY_PREFER_DUAL_STACK;
	else if (!strcmp(word, "require"))
		service->ip_family_policy = FAMILY_REQUIRE_DUAL_STACK;
	else if ((v = value_of(word, "families")))
		service->n_ip_families = families_from(service->ip_families, v);
	else if ((v = value_of(word, "lbip")))
		service->load_balancer_ip = v;
	else
		return false;
	return true;
}

static void service_word(struct world *world, struct service *service, const char *word)
{
	struct labels *annotations = &service->meta.annotations;
	const char *v;

	if (spec_word(world, service, word))
		return;
	if ((v = value_of(word, "selector"))) {
		label_from(world, &service->selector, v);
	} else if ((v = value_of(word, "label"))) {
		label_from(world, &service->meta.labels, v);
	} else if ((v = value_of(word, "status"))) {
		struct strings parts = split_commas(world, v);
		char text[200] = "";

		for (size_t i = 0; i < parts.n; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", parts.items[i]);
		world_ingress(world, service, text);
	} else if ((v = value_of(word, "cluster"))) {
		struct strings parts = split_commas(world, v);

		for (; service->n_cluster_ips < parts.n; service->n_cluster_ips++)
			assert_int_equal(addr_parse(parts.items[service->n_cluster_ips],
						    &service->cluster_ips[service->n_cluster_ips]), 0);
	} else if ((v = value_of(word, "ips"))) {
		world_label(world, annotations, "fairway.dev/ips", v);
	} else if ((v = value_of(word, "pool"))) {
		world_label(world, annotations, "fairway.dev/pool", v);
	} else if ((v = value_of(word, "key"))) {
		world_label(world, annotations, "fairway.dev/shared-ip", v);
	} else if ((v = value_of(word, "keyns"))) {
		world_label(world, annotations, "fairway.dev/shared-ip-namespaces", v);
	} else if (*word == '@') {
		label_from(world, annotations, word + 1);
	} else {
		fail_msg("service word: %s", word);
	}
}

static void world_line(struct world *world, char *line)
{
	struct strings words = world_words(world, line);
	size_t i;

	for (i = 0; i < words.n; i++)
		for (char *p = (char *)words.items[i]; *p; p++)
			*p = *p == '~' ? ' ' : *p == '^' ? '\t' : *p;
	if (words.n < 2)
		return;
	if (!strcmp(words.items[0], "pool")) {
		struct service_ip_pool *pool = world_pool(world, words.items[1], "");

		pool->addresses = words.n > 2 && strcmp(words.items[2], "-") ? split_commas(world, words.items[2]) :
									       (struct strings){ 0 };
		for (i = 3; i < words.n; i++)
			pool_word(world, pool, words.items[i]);
	} else if (!strcmp(words.items[0], "ns")) {
		struct namespace_object *namespace = world_namespace(world, words.items[1]);

		for (i = 2; i < words.n; i++)
			label_from(world, &namespace->meta.labels, words.items[i]);
	} else if (!strcmp(words.items[0], "svc")) {
		struct service *service = world_service(world, words.items[1]);

		for (i = 2; i < words.n; i++)
			service_word(world, service, words.items[i]);
	} else {
		fail_msg("world line: %s", line);
	}
}

static void world_from(struct world *world, const char *text)
{
	char *copy = strdup(text), *save = NULL, *line;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		world_line(world, line);
	free(copy);
}

/* --- the outcome in words ------------------------------------------------------------------------------ */

static const char *decimal(addr_number number, char buffer[static 40])
{
	char *p = buffer + 39;

	*p = 0;
	do
		*--p = (char)('0' + (int)(number % 10));
	while (number /= 10);
	return p;
}

static void describe(struct strbuf *out, const struct allocations *allocations, bool pools)
{
	char text[ADDR_TEXT_MAX], a[40], b[40];
	size_t i, j;

	for (i = 0; i < allocations->n_services; i++) {
		const struct allocation *s = &allocations->services[i];

		strbuf_appendf(out, "%s/%s %s ", s->namespace, s->name, *s->pool ? s->pool : "-");
		for (j = 0; j < s->n_addresses; j++)
			strbuf_appendf(out, "%s%s", j ? "," : "", addr_format(&s->addresses[j], text));
		strbuf_appendf(out, "%s %s %s\n", s->n_addresses ? "" : "-", s->kept ? "kept" : "-",
			       *s->reason ? s->reason : "-");
	}
	for (i = 0; pools && i < allocations->n_pools; i++) {
		const struct pool_usage *p = &allocations->pools[i];

		strbuf_appendf(out, "pool %s %llu/%llu %s/%s %s\n", p->name, (unsigned long long)p->assigned_v4,
			       (unsigned long long)p->available_v4, decimal(p->assigned_v6, a),
			       decimal(p->available_v6, b), *p->reason ? p->reason : "-");
		assert_int_equal(p->ready, !*p->reason);
	}
}

static const char *first_message(const struct allocations *allocations)
{
	size_t i;

	for (i = 0; i < allocations->n_services; i++)
		if (*allocations->services[i].message)
			return allocations->services[i].message;
	for (i = 0; i < allocations->n_pools; i++)
		if (*allocations->pools[i].message)
			return allocations->pools[i].message;
	return "";
}

static void check_row(const struct row *row)
{
	struct world world = { 0 };
	struct allocations allocations;
	struct strbuf out = { 0 };

	world_from(&world, row->world);
	assert_int_equal(allocate(world_cluster(&world), false, &allocations), 0);
	describe(&out, &allocations, strstr(row->outcome, "pool ") != NULL);
	if (strcmp(strbuf_text(&out), row->outcome))
		fail_msg("%s:\n--- wanted\n%s--- got\n%s--- message: %s", row->name, row->outcome, strbuf_text(&out),
			 first_message(&allocations));
	if (row->message && !strstr(first_message(&allocations), row->message))
		fail_msg("%s: message \"%s\" lacks \"%s\"", row->name, first_message(&allocations), row->message);
	strbuf_done(&out);
	allocations_done(&allocations);
	world_done(&world);
}

#define CHECK_ROWS(rows)                                                                           \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++)                   \
			check_row(&(rows)[i_]);                                                    \
	} while (0)

/* --- rows ---------------------------------------------------------------------------------------------- */

static void test_order_of_pools(void **state _unused_)
{
	static const struct row rows[] = {
		{ "lowest free address, oldest Service first",
		  "pool p 192.0.2.0/30\nsvc a/young created=30\nsvc b/old created=10\nsvc a/mid created=20\n"
		  "svc z/none created=none\n",
		  "a/mid p 192.0.2.1 - -\na/young p 192.0.2.2 - -\nb/old p 192.0.2.0 - -\nz/none p 192.0.2.3 - -\n"
		  "pool p 4/0 0/0 -\n", NULL },
		{ "equal age: namespace, then name, by bytes",
		  "pool p 192.0.2.0/29\nsvc b/a\nsvc a/b\nsvc a/B\n",
		  "a/B p 192.0.2.0 - -\na/b p 192.0.2.1 - -\nb/a p 192.0.2.2 - -\n", NULL },
		{ "serviceAllocation before none, lowest priority first, 0 last, then by name",
		  "pool a 192.0.2.0/32\npool b 192.0.2.1/32 priority=0\npool c 192.0.2.2/32 priority=7\n"
		  "pool d 192.0.2.3/32 priority=3\npool e 192.0.2.4/32 alloc\npool f 192.0.2.5/32\n"
		  "svc x/1\nsvc x/2\nsvc x/3\nsvc x/4\nsvc x/5\nsvc x/6\n",
		  "x/1 d 192.0.2.3 - -\nx/2 c 192.0.2.2 - -\nx/3 b 192.0.2.1 - -\nx/4 e 192.0.2.4 - -\n"
		  "x/5 a 192.0.2.0 - -\nx/6 f 192.0.2.5 - -\n", NULL },
		{ "namespaces and namespaceSelectors are alternatives",
		  "pool p 192.0.2.0/28 ns=web nssel=team=a\nns lab team=a\nns dev team=b\nsvc web/s\nsvc lab/s\nsvc dev/s\n",
		  "dev/s - - - NoMatchingPool\nlab/s p 192.0.2.0 - -\nweb/s p 192.0.2.1 - -\n",
		  "pool p: namespace dev not selected" },
		{ "serviceSelectors must match besides",
		  "pool p 192.0.2.0/28 ns=web svcsel=tier=gold\nsvc web/a label=tier=gold\nsvc web/b label=tier=tin\n"
		  "svc lab/c label=tier=gold\n",
		  "lab/c - - - NoMatchingPool\nweb/a p 192.0.2.0 - -\nweb/b - - - NoMatchingPool\n", NULL },
		{ "serviceSelectors alone: every namespace",
		  "pool p 192.0.2.0/28 svcsel=tier=gold\nsvc lab/c label=tier=gold\n", "lab/c p 192.0.2.0 - -\n", NULL },
		{ "a namespace is known by its name without an object",
		  "pool p 192.0.2.0/28 nssel=kubernetes.io/metadata.name=web\nsvc web/a\nsvc lab/a\n",
		  "lab/a - - - NoMatchingPool\nweb/a p 192.0.2.0 - -\n", NULL },
		{ "no pool at all", "svc web/a\n", "web/a - - - NoMatchingPool\n", "there is no ServiceIPPool" },
		{ "of another class, class-less, another type",
		  "pool p 192.0.2.0/28\nsvc a/a class=other.io/lb\nsvc a/b class=none\nsvc a/c type=ClusterIP\nsvc a/d\n",
		  "a/d p 192.0.2.0 - -\n", NULL },
		{ "the message goes through the pools",
		  "pool public 192.0.2.0/31\npool lab 198.51.100.0/24 ns=lab\nsvc web/a\nsvc web/b\nsvc web/c\n",
		  "web/a public 192.0.2.0 - -\nweb/b public 192.0.2.1 - -\nweb/c - - - PoolExhausted\n",
		  "pool public: 2 of 2 addresses in use; pool lab: namespace web not selected" },
	};

	CHECK_ROWS(rows);
}

static void test_named_pools(void **state _unused_)
{
	static const struct row rows[] = {
		{ "by name only that pool", "pool a 192.0.2.0/32\npool b 192.0.2.1/32\nsvc x/1 pool=b\nsvc x/2 pool=b\n",
		  "x/1 b 192.0.2.1 - -\nx/2 - - - PoolExhausted\n", "pool b: 1 of 1 addresses in use" },
		{ "autoAssign false: by name and by address, not else",
		  "pool m 192.0.2.0/30 manual\nsvc x/1\nsvc x/2 pool=m\nsvc x/3 ips=192.0.2.3\n",
		  "x/1 - - - NoMatchingPool\nx/2 m 192.0.2.0 - -\nx/3 m 192.0.2.3 - -\n", "pool m: autoAssign is false" },
		{ "a pool that does not select gives nothing by name either",
		  "pool m 192.0.2.0/30 ns=lab\nsvc x/2 pool=m\nsvc x/3 ips=192.0.2.3\n",
		  "x/2 - - - NoMatchingPool\nx/3 - - - NoMatchingPool\n", "pool m: namespace x not selected" },
		{ "unknown and disabled",
		  "pool d 192.0.2.0/30 disabled\nsvc x/1 pool=nope\nsvc x/2 pool=d\nsvc x/3 ips=192.0.2.1\nsvc x/4\n",
		  "x/1 - - - PoolNotFound\nx/2 - - - PoolDisabled\nx/3 - - - PoolDisabled\nx/4 - - - PoolDisabled\n"
		  "pool d 0/0 0/0 Disabled\n", NULL },
		{ "a disabled pool keeps what it gave",
		  "pool d 192.0.2.0/30 disabled\nsvc x/1 status=192.0.2.2\n",
		  "x/1 d 192.0.2.2 kept -\npool d 1/0 0/0 Disabled\n", NULL },
		{ "a pool that is being deleted gives nothing",
		  "pool d 192.0.2.0/30 deleting\nsvc x/1 status=192.0.2.2\nsvc x/2\n",
		  "x/1 d 192.0.2.2 kept -\nx/2 - - - PoolDisabled\npool d 1/0 0/0 Disabled\n", "pool d: being deleted" },
		{ "empty means absent; a name is taken as it stands",
		  "pool p 192.0.2.0/30\nsvc x/1 pool=\nsvc x/2 pool=~p\n",
		  "x/1 p 192.0.2.0 - -\nx/2 - - - PoolNotFound\n", NULL },
		{ "named the one it is in, in any range of either family: it stays",
		  "pool p 192.0.2.0/30,198.51.100.0/30,2001:db8::/64,2001:db8:1::/64\npool q 203.0.113.0/30,2001:db8:2::/64\n"
		  "svc x/1 families=46 require status=192.0.2.1,2001:db8::5 pool=p\n"
		  "svc x/2 families=46 require status=198.51.100.1,2001:db8:1::5 pool=p\n",
		  "x/1 p 192.0.2.1,2001:db8::5 kept -\nx/2 p 198.51.100.1,2001:db8:1::5 kept -\n", NULL },
		{ "another pool named: it moves; named the one it is in: it stays",
		  "pool a 192.0.2.0/30\npool b 198.51.100.0/30\nsvc x/1 status=192.0.2.1 pool=b\n"
		  "svc x/2 status=192.0.2.2 pool=a\n",
		  "x/1 b 198.51.100.0 - -\nx/2 a 192.0.2.2 kept -\npool a 1/3 0/0 -\npool b 1/3 0/0 -\n", NULL },
		{ "a wish for a pool that cannot be granted leaves the address",
		  "pool a 192.0.2.0/30\npool b 198.51.100.0/32\nsvc x/0 created=1 status=198.51.100.0\n"
		  "svc x/1 status=192.0.2.1 pool=b\nsvc x/2 status=192.0.2.2 pool=c\n",
		  "x/0 b 198.51.100.0 kept -\nx/1 a 192.0.2.1 kept PoolExhausted\nx/2 a 192.0.2.2 kept PoolNotFound\n",
		  NULL },
		{ "nothing moves when selectors, autoAssign or health change",
		  "pool a 192.0.2.0/30 ns=lab\npool b 198.51.100.0/30 manual\nsvc x/1 status=192.0.2.1\n"
		  "svc x/2 status=198.51.100.2\n",
		  "x/1 a 192.0.2.1 kept -\nx/2 b 198.51.100.2 kept -\n", NULL },
		{ "aliases: MetalLB, its old prefix, Calico, OpenELB; ours first",
		  "pool a 192.0.2.0/28\npool b 198.51.100.0/28,2001:db8::/64\n"
		  "svc x/1 @metallb.io/address-pool=b\nsvc x/2 @metallb.universe.tf/address-pool=b\n"
		  "svc x/3 @projectcalico.org/ipv4pools=[\"b\"]\nsvc x/4 @eip.openelb.kubesphere.io/v1alpha2=b\n"
		  "svc x/5 pool=a @metallb.io/address-pool=b\nsvc x/6 @projectcalico.org/ipv6pools=[~\"zz\"~,\"b\"] families=6\n"
		  "svc x/7 @projectcalico.org/ipv4pools=nonsense\nsvc x/8 @projectcalico.org/ipv6pools=[\"zz\"] families=4\n",
		  "x/1 b 198.51.100.0 - -\nx/2 b 198.51.100.1 - -\nx/3 b 198.51.100.2 - -\nx/4 b 198.51.100.3 - -\n"
		  "x/5 a 192.0.2.0 - -\nx/6 b 2001:db8:: - -\nx/7 - - - InvalidRequest\nx/8 a 192.0.2.1 - -\n", NULL },
		{ "Calico's lists for both families: the pool in both",
		  "pool a 192.0.2.0/28,2001:db8:a::/64\npool b 198.51.100.0/28,2001:db8:b::/64\n"
		  "svc x/1 require @projectcalico.org/ipv4pools=[\"a\",\"b\"] @projectcalico.org/ipv6pools=[\"b\"]\n"
		  "svc x/2 require @projectcalico.org/ipv4pools=[\"a\"] @projectcalico.org/ipv6pools=[\"b\"]\n",
		  "x/1 b 198.51.100.0,2001:db8:b:: - -\nx/2 - - - InvalidRequest\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_exact_requests(void **state _unused_)
{
	static const struct row rows[] = {
		{ "one address, blanks allowed, both families",
		  "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/1 ips=192.0.2.9\nsvc x/2 ips=~192.0.2.10~,~2001:db8::a~\n",
		  "x/1 p 192.0.2.9 - -\nx/2 p 192.0.2.10,2001:db8::a - -\n", NULL },
		{ "the order of spec.ipFamilies",
		  "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/2 families=64 ips=192.0.2.10,2001:db8::a\n",
		  "x/2 p 2001:db8::a,192.0.2.10 - -\n", NULL },
		{ "what is no list of plain addresses",
		  "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/01 ips=192.0.2.010\nsvc x/02 ips=0xc0000201\nsvc x/03 ips=192.0.2.1/32\n"
		  "svc x/04 ips=2001:db8::1%eth0\nsvc x/05 ips=192.0.2.1,\nsvc x/06 ips=,\nsvc x/07 ips=192.0.2.1,192.0.2.2\n"
		  "svc x/08 ips=192.0.2.1^\nsvc x/09 ips=192.0.2.1~192.0.2.2\nsvc x/10 ips=192.0.2\nsvc x/11 ips=192.0.2.1;\n"
		  "svc x/12 ips=2001:db8::1,2001:db8::1\nsvc x/13 ips=192.0.2.1,2001:db8::1,192.0.2.1\nsvc x/14 ips=[\"192.0.2.1\"]\n"
		  "svc x/15 ips=192.0.2.256\nsvc x/16 ips=a\nsvc x/17 ips=1\n",
		  "x/01 - - - InvalidRequest\nx/02 - - - InvalidRequest\nx/03 - - - InvalidRequest\nx/04 - - - InvalidRequest\n"
		  "x/05 - - - InvalidRequest\nx/06 - - - InvalidRequest\nx/07 - - - InvalidRequest\nx/08 - - - InvalidRequest\n"
		  "x/09 - - - InvalidRequest\nx/10 - - - InvalidRequest\nx/11 - - - InvalidRequest\nx/12 - - - InvalidRequest\n"
		  "x/13 - - - InvalidRequest\nx/14 - - - InvalidRequest\nx/15 - - - InvalidRequest\nx/16 - - - InvalidRequest\n"
		  "x/17 - - - InvalidRequest\n", "fairway.dev/ips \"192.0.2.010\"" },
		{ "not of a family of the Service",
		  "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/1 families=4 ips=2001:db8::1\nsvc x/2 single ips=192.0.2.1,2001:db8::1\n"
		  "svc x/3 families=6 lbip=192.0.2.1\nsvc x/4 cluster=10.0.0.1 ips=192.0.2.1,2001:db8::1\n",
		  "x/1 - - - InvalidRequest\nx/2 - - - InvalidRequest\nx/3 - - - InvalidRequest\nx/4 - - - InvalidRequest\n",
		  "fairway.dev/ips \"2001:db8::1\": the Service has no IPv6 in spec.ipFamilies" },
		{ "an address of each, and one family", "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/1 single ips=192.0.2.1,2001:db8::1\n",
		  "x/1 - - - InvalidRequest\n",
		  "fairway.dev/ips \"192.0.2.1,2001:db8::1\": the Service has one family: leave the other one's address out, or set "
		  "spec.ipFamilyPolicy to RequireDualStack" },
		{ "loadBalancerIP takes one", "pool p 192.0.2.0/24,2001:db8::/64\nsvc x/1 require lbip=192.0.2.1,2001:db8::1\n",
		  "x/1 - - - InvalidRequest\n",
		  "spec.loadBalancerIP \"192.0.2.1,2001:db8::1\": not a plain IPv4 or IPv6 address; fairway.dev/ips takes one of each" },
		{ "blanks alone are no request", "pool p 192.0.2.0/24\nsvc x/1 ips=~~\nsvc x/2 ips= lbip=\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.1 - -\n", NULL },
		{ "taken, in no pool, avoided",
		  "pool p 192.0.2.0/24 buggy\nsvc x/1 created=1 ips=192.0.2.9\nsvc x/2 ips=192.0.2.9\nsvc x/3 ips=203.0.113.1\n"
		  "svc x/4 ips=192.0.2.0\nsvc x/5 ips=192.0.2.255\n",
		  "x/1 p 192.0.2.9 - -\nx/2 - - - AddressInUse\nx/3 - - - AddressNotInPool\nx/4 - - - AddressNotInPool\n"
		  "x/5 - - - AddressNotInPool\npool p 1/253 0/0 -\n", "pool p: 192.0.2.9 is in use by x/1" },
		{ "a wish granted moves the address, one refused leaves it",
		  "pool p 192.0.2.0/24\nsvc x/1 status=192.0.2.1 ips=192.0.2.7\nsvc x/2 status=192.0.2.2 ips=192.0.2.3\n"
		  "svc x/3 status=192.0.2.3\nsvc x/4 status=192.0.2.4 ips=203.0.113.1\nsvc x/5 status=192.0.2.5 ips=bad\n",
		  "x/1 p 192.0.2.7 - -\nx/2 p 192.0.2.2 kept AddressInUse\nx/3 p 192.0.2.3 kept -\n"
		  "x/4 p 192.0.2.4 kept AddressNotInPool\nx/5 p 192.0.2.5 kept InvalidRequest\npool p 5/251 0/0 -\n", NULL },
		{ "what is given up is in a status: nobody gets it in this run",
		  "pool p 192.0.2.0/30\nsvc x/1 created=1 status=192.0.2.0 ips=192.0.2.3\nsvc x/2\nsvc x/3 ips=192.0.2.0\n",
		  "x/1 p 192.0.2.3 - -\nx/2 p 192.0.2.1 - -\nx/3 - - - AddressInUse\npool p 2/2 0/0 -\n", NULL },
		{ "a request that stands is satisfied; a removed one keeps",
		  "pool p 192.0.2.0/24\nsvc x/1 status=192.0.2.9 ips=192.0.2.9\nsvc x/2 status=192.0.2.10\n",
		  "x/1 p 192.0.2.9 kept -\nx/2 p 192.0.2.10 kept -\n", NULL },
		{ "two pools",
		  "pool a 192.0.2.0/24\npool b 2001:db8::/64\nsvc x/1 ips=192.0.2.1,2001:db8::1\n",
		  "x/1 - - - InvalidRequest\n", "both families come from one pool" },
		{ "an address and a pool: both must hold",
		  "pool a 192.0.2.0/24\npool b 198.51.100.0/24\nsvc x/1 pool=a ips=192.0.2.1\nsvc x/2 pool=b ips=192.0.2.2\n"
		  "svc x/3 pool=c ips=192.0.2.3\n",
		  "x/1 a 192.0.2.1 - -\nx/2 - - - AddressNotInPool\nx/3 - - - PoolNotFound\n", NULL },
		{ "an address for one family of two: the other from the same pool",
		  "pool a 198.51.100.0/28,2001:db8:a::/64\npool b 192.0.2.0/28,2001:db8:b::/64\nsvc x/1 require ips=192.0.2.3\n",
		  "x/1 b 192.0.2.3,2001:db8:b:: - -\n", NULL },
		{ "aliases and loadBalancerIP, in order",
		  "pool p 192.0.2.0/24\nsvc x/1 @metallb.io/loadBalancerIPs=192.0.2.1\nsvc x/2 @metallb.universe.tf/loadBalancerIPs=192.0.2.2\n"
		  "svc x/3 @lbipam.cilium.io/ips=192.0.2.3\nsvc x/4 @projectcalico.org/loadBalancerIPs=[\"192.0.2.4\"]\nsvc x/5 lbip=192.0.2.5\n"
		  "svc x/6 ips=192.0.2.6 @metallb.io/loadBalancerIPs=192.0.2.60 lbip=192.0.2.61\n"
		  "svc x/7 ips= @metallb.io/loadBalancerIPs= @lbipam.cilium.io/ips=192.0.2.7 lbip=192.0.2.70\n"
		  "svc x/8 @projectcalico.org/loadBalancerIPs=[] lbip=192.0.2.8\nsvc x/9 @projectcalico.org/loadBalancerIPs=192.0.2.9\n",
		  "x/1 p 192.0.2.1 - -\nx/2 p 192.0.2.2 - -\nx/3 p 192.0.2.3 - -\nx/4 p 192.0.2.4 - -\nx/5 p 192.0.2.5 - -\n"
		  "x/6 p 192.0.2.6 - -\nx/7 p 192.0.2.7 - -\nx/8 p 192.0.2.8 - -\nx/9 - - - InvalidRequest\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_families(void **state _unused_)
{
	static const struct row rows[] = {
		{ "nothing said: IPv4; IPv6 if no pool that serves has IPv4",
		  "pool a 2001:db8::/64 ns=six\npool b 192.0.2.0/30 ns=x\nsvc x/1\nsvc six/1\n",
		  "six/1 a 2001:db8:: - -\nx/1 b 192.0.2.0 - -\n", NULL },
		{ "single stack IPv6",
		  "pool p 192.0.2.0/30,2001:db8::/64\nsvc x/1 single families=6\nsvc x/2 cluster=fd00::1\n",
		  "x/1 p 2001:db8:: - -\nx/2 p 2001:db8::1 - -\n", NULL },
		{ "no pool of the family", "pool p 192.0.2.0/30\nsvc x/1 families=6\n", "x/1 - - - FamilyUnavailable\n",
		  "pool p: no IPv6 addresses" },
		{ "both families come from one pool",
		  "pool a 192.0.2.0/30\npool b 2001:db8::/64\nsvc x/1 require\nsvc x/2 prefer\nsvc x/3 families=64\n",
		  "x/1 - - - FamilyUnavailable\nx/2 a 192.0.2.0 - -\nx/3 - - - FamilyUnavailable\n",
		  "pool a: no IPv6 addresses; pool b: no IPv4 addresses" },
		{ "RequireDualStack goes on to a pool that has both",
		  "pool a 192.0.2.0/30\npool b 198.51.100.0/30,2001:db8::/64\nsvc x/1 require families=64\n",
		  "x/1 b 2001:db8::,198.51.100.0 - -\n", NULL },
		{ "PreferDualStack prefers a pool that has both, then the first family",
		  "pool a 192.0.2.0/32\npool b 198.51.100.0/32,2001:db8::/64\nsvc x/1 prefer families=46\nsvc x/2 prefer families=46\n"
		  "svc x/3 prefer families=46\n",
		  "x/1 b 198.51.100.0,2001:db8:: - -\nx/2 a 192.0.2.0 - -\nx/3 b 2001:db8::1 - -\n", NULL },
		{ "RequireDualStack is all or nothing",
		  "pool p 192.0.2.0/30,2001:db8::/128\nsvc x/1 created=1 single families=6\nsvc x/2 require families=46\n",
		  "x/1 p 2001:db8:: - -\nx/2 - - - PoolExhausted\npool p 0/4 1/0 -\n",
		  "pool p: 1 of 1 IPv6 addresses in use" },
		{ "PreferDualStack in a cluster of one family", "pool p 192.0.2.0/30,2001:db8::/64\nsvc x/1 prefer cluster=10.0.0.1\n",
		  "x/1 p 192.0.2.0 - -\n", NULL },
		{ "a family is added from the same pool",
		  "pool a 198.51.100.0/30,2001:db8:a::/64\npool b 192.0.2.0/30,2001:db8:b::/64\nsvc x/1 require families=46 status=192.0.2.1\n",
		  "x/1 b 192.0.2.1,2001:db8:b:: - -\n", NULL },
		{ "a family that cannot be added leaves what there is",
		  "pool a 198.51.100.0/30,2001:db8:a::/64\npool b 192.0.2.0/30\nsvc x/1 require status=192.0.2.1\nsvc x/2 prefer status=192.0.2.2\n",
		  "x/1 b 192.0.2.1 kept FamilyUnavailable\nx/2 b 192.0.2.2 kept -\n", NULL },
		{ "a family that is no longer asked for is given up",
		  "pool p 192.0.2.0/30,2001:db8::/64\nsvc x/1 single families=4 status=192.0.2.1,2001:db8::1\n",
		  "x/1 p 192.0.2.1 kept -\npool p 1/3 0/18446744073709551616 -\n", NULL },
		{ "no families said: those of the status",
		  "pool p 192.0.2.0/30,2001:db8::/64\nsvc x/1 status=192.0.2.1,2001:db8::1\nsvc x/2 status=2001:db8::2\n",
		  "x/1 p 192.0.2.1,2001:db8::1 kept -\nx/2 p 2001:db8::2 kept -\n", NULL },
		{ "a move never costs a family",
		  "pool a 192.0.2.0/30,2001:db8::/64\npool b 198.51.100.0/30\nsvc x/1 prefer status=192.0.2.1,2001:db8::1 pool=b\n",
		  "x/1 a 192.0.2.1,2001:db8::1 kept FamilyUnavailable\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_sharing(void **state _unused_)
{
	static const struct row rows[] = {
		{ "one key joins before it takes a free one",
		  "pool p 192.0.2.0/28\nsvc x/0 created=1\nsvc x/1 created=2 key=k port=80/TCP\nsvc x/2 key=k port=443/TCP\nsvc x/3 key=k port=80/UDP\n"
		  "svc x/4 key=K port=81/TCP\n",
		  "x/0 p 192.0.2.0 - -\nx/1 p 192.0.2.1 - -\nx/2 p 192.0.2.1 - -\nx/3 p 192.0.2.1 - -\nx/4 p 192.0.2.2 - -\n"
		  "pool p 3/13 0/0 -\n", NULL },
		{ "a port in common: a free one; the next may join either",
		  "pool p 192.0.2.0/28\nsvc x/1 key=k port=80/TCP\nsvc x/2 key=k port=80/TCP\nsvc x/3 key=k port=81/TCP\nsvc x/4 key=k port=80/TCP\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.1 - -\nx/3 p 192.0.2.0 - -\nx/4 p 192.0.2.2 - -\n", NULL },
		{ "policies: both Cluster, or both Local with one selector that is not empty",
		  "pool p 192.0.2.0/28\nsvc x/1 key=a port=80\nsvc x/2 key=a port=81 local selector=app=a\nsvc x/3 key=a port=82 local selector=app=a\n"
		  "svc x/4 key=a port=83 local selector=app=b\nsvc x/5 key=a port=84 local\nsvc x/6 key=a port=85 local\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.1 - -\nx/3 p 192.0.2.1 - -\nx/4 p 192.0.2.2 - -\nx/5 p 192.0.2.3 - -\n"
		  "x/6 p 192.0.2.4 - -\n", NULL },
		{ "across namespaces both must permit it",
		  "pool p 192.0.2.0/28\nsvc a/1 key=k port=80 keyns=b,c\nsvc b/1 key=k port=81\nsvc c/1 key=k port=82 keyns=~b~,~a\n"
		  "svc d/1 key=k port=83 keyns=*\nsvc e/1 key=m port=80 keyns=*\nsvc f/1 key=m port=81 keyns=e\n",
		  "a/1 p 192.0.2.0 - -\nb/1 p 192.0.2.1 - -\nc/1 p 192.0.2.0 - -\nd/1 p 192.0.2.2 - -\ne/1 p 192.0.2.3 - -\n"
		  "f/1 p 192.0.2.3 - -\n", NULL },
		{ "an exact request for a held address",
		  "pool p 192.0.2.0/28\nsvc x/1 created=1 key=k port=80 ips=192.0.2.5\nsvc x/2 key=k port=81 ips=192.0.2.5\nsvc x/3 key=k port=80 ips=192.0.2.5\n"
		  "svc x/4 port=82 ips=192.0.2.5\nsvc y/5 key=k port=83 ips=192.0.2.5\n",
		  "x/1 p 192.0.2.5 - -\nx/2 p 192.0.2.5 - -\nx/3 - - - SharingRefused\nx/4 - - - AddressInUse\ny/5 - - - SharingRefused\n",
		  "they have a port in common" },
		{ "two in one status without the right: the older keeps, the other is new",
		  "pool p 192.0.2.0/28\nsvc x/1 created=2 status=192.0.2.5 port=80\nsvc x/2 created=1 status=192.0.2.5 port=81\n",
		  "x/1 p 192.0.2.0 - AddressInUse\nx/2 p 192.0.2.5 kept -\n", "in use by the older x/2" },
		{ "one who moves on, a write of it on its way, takes nothing from those who share on",
		  "pool p 192.0.2.0/28\nsvc x/1 created=1 status=192.0.2.5 port=80 key=k\nsvc x/2 created=2 status=192.0.2.7,192.0.2.5 port=81\n"
		  "svc x/3 created=3 status=192.0.2.5 port=82 key=k\nsvc x/4 created=4 port=81 key=k\nsvc x/5 created=5 ips=192.0.2.5 port=83\n",
		  "x/1 p 192.0.2.5 kept -\nx/2 p 192.0.2.7 kept -\nx/3 p 192.0.2.5 kept -\nx/4 p 192.0.2.5 - -\n"
		  "x/5 - - - AddressInUse\n", NULL },
		{ "nor if it is the oldest",
		  "pool p 192.0.2.0/28\nsvc x/1 created=1 status=192.0.2.7,192.0.2.5 port=80\nsvc x/2 created=2 status=192.0.2.5 port=81 key=k\n"
		  "svc x/3 created=3 status=192.0.2.5 port=82 key=k\n",
		  "x/1 p 192.0.2.7 kept -\nx/2 p 192.0.2.5 kept -\nx/3 p 192.0.2.5 kept -\n", NULL },
		{ "an address of a family that its holder asks for no more is nobody's to join",
		  "pool p 192.0.2.0/28,2001:db8::/64 quota=2\nsvc x/1 created=1 require port=80 key=k\n"
		  "svc x/2 created=2 families=6 status=2001:db8::5,192.0.2.5 port=81 key=k\nsvc x/3 created=3 families=6 status=2001:db8::7\n",
		  "x/1 - - - QuotaExceeded\nx/2 p 2001:db8::5 kept -\nx/3 p 2001:db8::7 kept -\n", NULL },
		{ "two in one status with the right",
		  "pool p 192.0.2.0/28\nsvc x/1 status=192.0.2.5 port=80 key=k\nsvc x/2 status=192.0.2.5 port=81 key=k\n",
		  "x/1 p 192.0.2.5 kept -\nx/2 p 192.0.2.5 kept -\npool p 1/15 0/0 -\n", NULL },
		{ "the rule was broken by an edit: the younger loses it, the third stays",
		  "pool p 192.0.2.0/28\nsvc x/1 created=1 status=192.0.2.5 port=80 key=k\nsvc x/2 created=2 status=192.0.2.5 port=80 key=k\n"
		  "svc x/3 created=3 status=192.0.2.5 port=81 key=k\n",
		  "x/1 p 192.0.2.5 kept -\nx/2 p 192.0.2.0 - AddressInUse\nx/3 p 192.0.2.5 kept -\n", NULL },
		{ "both families are joined",
		  "pool p 192.0.2.0/28,2001:db8::/64\nsvc x/1 require key=k port=80\nsvc x/2 require key=k port=81\nsvc x/3 families=6 key=k port=82\n",
		  "x/1 p 192.0.2.0,2001:db8:: - -\nx/2 p 192.0.2.0,2001:db8:: - -\nx/3 p 2001:db8:: - -\n", NULL },
		{ "joining goes before the order of pools",
		  "pool a 192.0.2.0/28\npool b 198.51.100.0/28\nsvc x/1 created=1 key=k port=80 pool=b\nsvc x/2 key=k port=81\n",
		  "x/1 b 198.51.100.0 - -\nx/2 b 198.51.100.0 - -\n", NULL },
		{ "a key's address in a pool that does not select is not joined",
		  "pool a 192.0.2.0/28\npool b 198.51.100.0/28 svcsel=t=1\nsvc x/1 created=1 label=t=1 key=k port=80\nsvc x/2 key=k port=81\n",
		  "x/1 b 198.51.100.0 - -\nx/2 a 192.0.2.0 - -\n", NULL },
		{ "aliases of key and namespaces",
		  "pool p 192.0.2.0/28\nsvc x/1 @metallb.io/allow-shared-ip=k port=80\nsvc x/2 @metallb.universe.tf/allow-shared-ip=k port=81\n"
		  "svc x/3 @lbipam.cilium.io/sharing-key=k @lbipam.cilium.io/sharing-cross-namespace=y port=82\nsvc y/4 key=q keyns=x port=83\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.0 - -\nx/3 p 192.0.2.0 - -\ny/4 p 192.0.2.1 - -\n", NULL },
		{ "an empty key is none; blanks are one",
		  "pool p 192.0.2.0/28\nsvc x/1 key= port=80\nsvc x/2 key= port=81\nsvc x/3 key=~ port=82\nsvc x/4 key=~ port=83\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.1 - -\nx/3 p 192.0.2.2 - -\nx/4 p 192.0.2.2 - -\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_statuses(void **state _unused_)
{
	static const struct row rows[] = {
		{ "statuses first, of whatever class; other types hold nothing",
		  "pool p 192.0.2.0/29\nsvc x/1 created=1\nsvc x/2 created=9 class=other.io/lb status=192.0.2.0\nsvc x/3 created=9 status=192.0.2.1\n"
		  "svc x/4 type=ClusterIP status=192.0.2.2\nsvc x/5 class=none status=192.0.2.3\n",
		  "x/1 p 192.0.2.2 - -\nx/3 p 192.0.2.1 kept -\npool p 4/4 0/0 -\n", NULL },
		{ "in no pool any more: treated as new",
		  "pool p 192.0.2.0/29\nsvc x/1 status=203.0.113.1\n", "x/1 p 192.0.2.0 - AddressNotInPool\n",
		  "203.0.113.1 was taken away: no pool contains it" },
		{ "in no pool, and there is no other",
		  "pool p 192.0.2.0/32\nsvc x/0 created=1 status=192.0.2.0\nsvc x/1 status=203.0.113.1\n",
		  "x/0 p 192.0.2.0 kept -\nx/1 - - - AddressNotInPool\n", "pool p: 1 of 1 addresses in use" },
		{ "one of two families lost: the other stays",
		  "pool p 192.0.2.0/29,2001:db8::/64\nsvc x/1 families=46 status=192.0.2.3,2001:db8:f::1\n",
		  "x/1 p 192.0.2.3,2001:db8:: - AddressNotInPool\n", NULL },
		{ "a Service being deleted holds, and gets nothing new",
		  "pool p 192.0.2.0/29\nsvc x/1 deleting status=192.0.2.0\nsvc x/2 deleting\nsvc x/3 deleting status=203.0.113.1 ips=192.0.2.7\nsvc x/4\n",
		  "x/1 p 192.0.2.0 kept -\nx/2 - - - -\nx/3 - 203.0.113.1 kept -\nx/4 p 192.0.2.1 - -\n", NULL },
		{ "ours older than a foreign one with the same address keeps it, younger loses it",
		  "pool p 192.0.2.0/29\nsvc x/1 created=1 status=192.0.2.1\nsvc x/2 created=2 class=other status=192.0.2.1\n"
		  "svc x/3 created=3 status=192.0.2.1\n",
		  "x/1 p 192.0.2.1 kept -\nx/3 p 192.0.2.0 - AddressInUse\npool p 2/6 0/0 -\n", NULL },
		{ "a second address of a family is not kept, and not given away yet",
		  "pool p 192.0.2.0/29\nsvc x/1 status=192.0.2.1,192.0.2.0\nsvc x/2\n",
		  "x/1 p 192.0.2.1 kept -\nx/2 p 192.0.2.2 - -\npool p 2/6 0/0 -\n", NULL },
		{ "hostnames and proxy mode",
		  "pool p 192.0.2.0/29\nsvc x/1 status=192.0.2.0/proxy\nsvc x/2\n",
		  "x/1 p 192.0.2.0 kept -\nx/2 p 192.0.2.1 - -\n", NULL },
		{ "avoidBuggyIPs came later",
		  "pool p 192.0.2.0/30 buggy\nsvc x/1 status=192.0.2.0\nsvc x/2\n",
		  "x/1 p 192.0.2.0 kept -\nx/2 p 192.0.2.1 - -\npool p 2/2 0/0 -\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_pool_health(void **state _unused_)
{
	static const struct row rows[] = {
		{ "of two that overlap the younger", "pool a 192.0.2.0/24 created=20\npool b 192.0.2.128/25 created=10\nsvc x/1\nsvc x/2 pool=a\n",
		  "x/1 b 192.0.2.128 - -\nx/2 - - - PoolNotReady\npool a 0/0 0/0 Conflict\npool b 1/127 0/0 -\n", NULL },
		{ "equally old: by name",
		  "pool b 192.0.2.0/24\npool a 192.0.2.255-192.0.3.5\n", "pool a 0/7 0/0 -\npool b 0/0 0/0 Conflict\n",
		  "192.0.2.0-192.0.2.255 overlaps 192.0.2.255-192.0.3.5 of the older pool a" },
		{ "pair by pair: b falls to a, c to b",
		  "pool a 192.0.2.0-192.0.2.10 created=1\npool b 192.0.2.10-192.0.2.20 created=2\npool c 192.0.2.20-192.0.2.30 created=3\n"
		  "pool d 192.0.2.31/32 created=4\n",
		  "pool a 0/11 0/0 -\npool b 0/0 0/0 Conflict\npool c 0/0 0/0 Conflict\npool d 0/1 0/0 -\n", NULL },
		{ "a long range far left is seen",
		  "pool a 192.0.2.0/24 created=1\npool b 192.0.3.1/32 created=1\npool z 192.0.2.100-192.0.2.101 created=2\n",
		  "pool a 0/256 0/0 -\npool b 0/1 0/0 -\npool z 0/0 0/0 Conflict\n", NULL },
		{ "within one pool", "pool a 192.0.2.0/24,192.0.2.7/32\n", "pool a 0/0 0/0 Conflict\n", "of this pool overlap" },
		{ "host bits: Invalid, with the rounded one, in conflict with nobody",
		  "pool a 192.0.2.5/24 created=1\npool b 192.0.2.0/24 created=2\npool c 2001:db8::1/64\n",
		  "pool a 0/0 0/0 Invalid\npool b 0/256 0/0 -\npool c 0/0 0/0 Invalid\n", "has host bits: write 192.0.2.0/24" },
		{ "what can never be a VIP",
		  "pool a 0.0.0.0/32\npool b 127.1.0.0/16\npool c 169.254.1.0/24\npool d 224.0.0.0/24\npool e 240.0.0.0/24\npool f ::/128\n"
		  "pool g ::1-::5\npool h fe80::/64\npool i ff02::/64\npool j ::ffff:192.0.2.0/120\npool k 223.255.255.0-224.0.0.1\n"
		  "pool l 0.0.0.0/0\npool m ::/0\npool n -\npool o 192.0.2.0/33\npool p 192.0.2.9-192.0.2.1\npool q 192.0.2.1-2001:db8::1\n"
		  "pool r 192.0.2.1\npool s 010.0.0.0/8\n",
		  "pool a 0/0 0/0 Invalid\npool b 0/0 0/0 Invalid\npool c 0/0 0/0 Invalid\npool d 0/0 0/0 Invalid\npool e 0/0 0/0 Invalid\n"
		  "pool f 0/0 0/0 Invalid\npool g 0/0 0/0 Invalid\npool h 0/0 0/0 Invalid\npool i 0/0 0/0 Invalid\npool j 0/0 0/0 Invalid\n"
		  "pool k 0/0 0/0 Invalid\npool l 0/0 0/0 Invalid\npool m 0/0 0/0 Invalid\npool n 0/0 0/0 Invalid\npool o 0/0 0/0 Invalid\n"
		  "pool p 0/0 0/0 Invalid\npool q 0/0 0/0 Invalid\npool r 0/0 0/0 Invalid\npool s 0/0 0/0 Invalid\n",
		  "contains unspecified addresses" },
		{ "Invalid and Conflict keep what they gave",
		  "pool a 192.0.2.5/24\npool b 198.51.100.0/24 created=1\npool c 198.51.100.0-198.51.101.255 created=2\n"
		  "svc x/1 status=192.0.2.77\nsvc x/2 status=198.51.101.1\nsvc x/3 status=198.51.100.1\n",
		  "x/1 a 192.0.2.77 kept -\nx/2 c 198.51.101.1 kept -\nx/3 b 198.51.100.1 kept -\n"
		  "pool a 1/0 0/0 Invalid\npool b 1/255 0/0 -\npool c 1/0 0/0 Conflict\n", NULL },
		{ "an entry that cannot be read takes nobody's address",
		  "pool a 192.0.2.0/244\nsvc x/1 status=192.0.2.77\nsvc x/2\n",
		  "x/1 - 192.0.2.77 kept AddressNotInPool\nx/2 - - - NoMatchingPool\npool a 0/0 0/0 Invalid\n",
		  "a pool has an entry that cannot be read" },
		{ "what can never be a VIP is not kept, whatever pools say",
		  "pool a 127.0.0.0/24\npool b 192.0.2.0/244\npool c 198.51.100.0/24\nsvc x/1 status=127.0.0.1\nsvc x/2 status=224.0.0.1\n"
		  "svc x/3 ips=127.0.0.2\n",
		  "x/1 c 198.51.100.0 - AddressNotInPool\nx/2 c 198.51.100.1 - AddressNotInPool\nx/3 - - - AddressNotInPool\n", NULL },
		{ "disabled pools take part in conflicts",
		  "pool a 192.0.2.0/24 created=1 disabled\npool b 192.0.2.0/25 created=2\npool c 198.51.100.0/24 created=1\n"
		  "pool d 198.51.100.0/25 created=2 disabled\n",
		  "pool a 0/0 0/0 Disabled\npool b 0/0 0/0 Conflict\npool c 0/256 0/0 -\npool d 0/0 0/0 Conflict\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_counts(void **state _unused_)
{
	static const struct row rows[] = {
		{ "large ranges, exactly",
		  "pool a 2001:db8::/64\npool b 2001:db9::/32\npool c 10.0.0.0/8 buggy\npool d 2002::-2fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n"
		  "svc x/1 families=6\n",
		  "x/1 a 2001:db8:: - -\npool a 0/0 1/18446744073709551615 -\npool b 0/0 0/79228162514264337593543950336 -\n"
		  "pool c 0/16646144 0/0 -\npool d 0/0 0/21257263338841584311203851971827073024 -\n", NULL },
		{ "avoided ones are skipped, at both ends",
		  "pool p 192.0.2.254-192.0.3.1,192.0.4.255/32,192.0.5.0/32,192.0.6.7/32 buggy\nsvc x/1\nsvc x/2\nsvc x/3\nsvc x/4\n",
		  "x/1 p 192.0.2.254 - -\nx/2 p 192.0.3.1 - -\nx/3 p 192.0.6.7 - -\nx/4 - - - PoolExhausted\npool p 3/0 0/0 -\n",
		  "pool p: 3 of 3 addresses in use" },
		{ "IPv6 is never buggy", "pool p 2001:db8::/127 buggy\nsvc x/1 families=6\n", "x/1 p 2001:db8:: - -\npool p 0/0 1/1 -\n",
		  NULL },
		{ "a range to the end of the space", "pool p 223.255.255.254/31,2fff::-2fff::1\nsvc x/1\nsvc x/2\nsvc x/3\n",
		  "x/1 p 223.255.255.254 - -\nx/2 p 223.255.255.255 - -\nx/3 - - - PoolExhausted\npool p 2/0 0/2 -\n", NULL },
	};

	CHECK_ROWS(rows);
}

static void test_quota(void **state _unused_)
{
	static const struct row rows[] = {
		{ "what is given up costs its quota until no status says it",
		  "pool p 192.0.2.0/28 quota=1\npool q 198.51.100.0/28\nsvc x/1 created=1 status=192.0.2.5 pool=q\n"
		  "svc x/2 created=2 pool=p\n",
		  "x/1 q 198.51.100.0 - -\nx/2 - - - QuotaExceeded\n", NULL },
		{ "and so while the write is on its way",
		  "pool p 192.0.2.0/28 quota=1\npool q 198.51.100.0/28\nsvc x/1 created=1 status=198.51.100.0,192.0.2.5 pool=q\n"
		  "svc x/2 created=2 pool=p\n",
		  "x/1 q 198.51.100.0 kept -\nx/2 - - - QuotaExceeded\n", NULL },
		{ "per namespace", "pool p 192.0.2.0/28 quota=2\nsvc x/1\nsvc x/2\nsvc x/3\nsvc y/1\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.1 - -\nx/3 - - - QuotaExceeded\ny/1 p 192.0.2.2 - -\n",
		  "pool p: namespace x has its quota of 2 addresses" },
		{ "a shared address counts once, and joining costs nothing",
		  "pool p 192.0.2.0/28 quota=1\nsvc x/1 key=k port=80\nsvc x/2 key=k port=81\nsvc x/3 key=k port=80\n",
		  "x/1 p 192.0.2.0 - -\nx/2 p 192.0.2.0 - -\nx/3 - - - QuotaExceeded\n", NULL },
		{ "both families count; PreferDualStack takes what there is",
		  "pool p 192.0.2.0/28,2001:db8::/64 quota=1\nsvc x/1 prefer families=46\nsvc y/1 require\n",
		  "x/1 p 192.0.2.0 - -\ny/1 - - - QuotaExceeded\n", NULL },
		{ "the next pool serves", "pool p 192.0.2.0/28 quota=1\npool q 198.51.100.0/28\nsvc x/1\nsvc x/2\n",
		  "x/1 p 192.0.2.0 - -\nx/2 q 198.51.100.0 - -\n", NULL },
		{ "what is held stays over quota, a move inside the pool costs nothing",
		  "pool p 192.0.2.0/28 quota=1\nsvc x/1 status=192.0.2.1\nsvc x/2 status=192.0.2.2\nsvc y/1 status=192.0.2.3 ips=192.0.2.9\n"
		  "svc x/3 ips=192.0.2.8\n",
		  "x/1 p 192.0.2.1 kept -\nx/2 p 192.0.2.2 kept -\nx/3 - - - QuotaExceeded\ny/1 p 192.0.2.9 - -\n", NULL },
	};

	CHECK_ROWS(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_pools), cmocka_unit_test(test_named_pools),
		cmocka_unit_test(test_exact_requests), cmocka_unit_test(test_families),
		cmocka_unit_test(test_sharing),	       cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_pool_health),    cmocka_unit_test(test_counts),
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
