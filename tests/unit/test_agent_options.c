// SPDX-License-Identifier: Apache-2.0
/* lbagent's options: what is accepted, and what each refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "userspace/agent/options.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

struct refusal {
	enum agent_option option;
	const char *value, *says;
};

static const struct refusal refusals[] = {
	{ OPTION_NODE, "Node_1", "--node: 'Node_1'" },
	{ OPTION_NODE, "", "--node: ''" },
	{ OPTION_MANIFESTS, "", "--manifests: ''" },
	{ OPTION_MANIFESTS, "a\nb", "--manifests" },
	{ OPTION_INTERFACES, "eth0,,eth1", "--interfaces: 'eth0,,eth1'" },
	{ OPTION_INTERFACES, "a/b", "--interfaces" },
	{ OPTION_HOOK, "generic", "auto, xdp, tc" },
	{ OPTION_SNAT_PORTS, "61000", "FIRST-LAST" },
	{ OPTION_SNAT_PORTS, "62000-61000", "FIRST-LAST" },
	{ OPTION_SNAT_PORTS, "80-90", "1024-65535" },
	{ OPTION_SNAT_PORTS, "61000-65536", "FIRST-LAST" },
	{ OPTION_SNAT_PORTS, "-61000-62000", "FIRST-LAST" },
	{ OPTION_CLUSTER_CIDR, "10.244.0.0", "--cluster-cidr: '10.244.0.0'" },
	{ OPTION_CLUSTER_CIDR, "10.244.1.0/16", "host bits" },
	{ OPTION_CLUSTER_CIDR, "0.0.0.0/0", "cluster's range" },
	{ OPTION_CLUSTER_CIDR, "::/0", "cluster's range" },
	{ OPTION_NAMESPACE, "a/b", "--namespace" },
	{ OPTION_PROXY_MODE, "all", "loadbalancer, full" },
	{ OPTION_DRAIN_DELAY, "1", "with its unit" },
	{ OPTION_DRAIN_DELAY, "-1s", "with its unit" },
	{ OPTION_DRAIN_DELAY, "1.5s", "with its unit" },
	{ OPTION_DRAIN_DELAY, "25h", "with its unit" },
	{ OPTION_KUBECONFIG, "", "--kubeconfig: ''" },
	{ OPTION_API_SERVER, "http://192.0.2.1", "https://" },
	{ OPTION_API_SERVER, "https://", "--api-server" },
	{ OPTION_HTTP_ADDRESS, "7472", "--http-address: '7472'" },
	{ OPTION_HTTP_ADDRESS, ":7472", "--http-address" },
	{ OPTION_HTTP_ADDRESS, "::1:7472", "[::]:7472" },
	{ OPTION_HTTP_ADDRESS, "[192.0.2.1]:7472", "--http-address" },
	{ OPTION_HTTP_ADDRESS, "[]:7472", "--http-address" },
	{ OPTION_HTTP_ADDRESS, "192.0.2.1:0", "--http-address" },
	{ OPTION_HTTP_ADDRESS, "192.0.2.1:65536", "--http-address" },
	{ OPTION_HTTP_ADDRESS, "localhost:7472", "--http-address" },
	{ OPTION_METRICS_SERVICES, "-1", "--metrics-services" },
	{ OPTION_LOG_LEVEL, "verbose", "error, warn, info, debug" },
};

static void refused_values_are_named(void **state _unused_)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		cleanup(agent_options_done) struct agent_options options;
		cleanup(strbuf_done) struct strbuf why = { 0 };

		agent_options_init(&options);
		assert_int_equal(agent_option_apply(&options, refusals[i].option, refusals[i].value, &why),
				 -EINVAL);
		if (!strstr(strbuf_text(&why), refusals[i].says))
			fail_msg("'%s': said \"%s\", not \"%s\"", refusals[i].value, strbuf_text(&why),
				 refusals[i].says);
	}
}

static void apply(struct agent_options *options, enum agent_option option, const char *value)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };

	if (agent_option_apply(options, option, value, &why))
		fail_msg("'%s' was refused: %s", value, strbuf_text(&why));
}

static void good_values_are_kept(void **state _unused_)
{
	cleanup(agent_options_done) struct agent_options options;

	agent_options_init(&options);
	assert_string_equal(options.run_dir, "/run/fairway");
	assert_string_equal(options.pin_dir, "/sys/fs/bpf/fairway");
	assert_int_equal(options.drain_delay_msec, 1000);
	assert_int_equal(options.snat_port_first, 61000);
	assert_int_equal(options.snat_port_last, 65535);
	apply(&options, OPTION_NODE, "n1.example");
	apply(&options, OPTION_INTERFACES, "eth0,bond*");
	apply(&options, OPTION_INTERFACES, "up?");
	apply(&options, OPTION_HOOK, "tc");
	apply(&options, OPTION_SNAT_PORTS, "40000-40000");
	apply(&options, OPTION_CLUSTER_CIDR, "10.244.0.0/16");
	apply(&options, OPTION_CLUSTER_CIDR, "fd00:10::/32");
	apply(&options, OPTION_PROXY_MODE, "full");
	apply(&options, OPTION_DRAIN_DELAY, "250ms");
	apply(&options, OPTION_LOG_LEVEL, "debug");
	apply(&options, OPTION_API_SERVER, "https://192.0.2.1:6443");
	apply(&options, OPTION_API_SERVER, "https://[2001:db8::1]:6443");
	apply(&options, OPTION_HTTP_ADDRESS, "");
	apply(&options, OPTION_METRICS_SERVICES, "0");
	assert_int_equal(options.n_api_servers, 2);
	assert_string_equal(options.api_servers[1], "https://[2001:db8::1]:6443");
	assert_string_equal(options.http_address, "");
	assert_int_equal(options.metrics_services, 0);
	assert_string_equal(options.node, "n1.example");
	assert_int_equal(options.n_interfaces, 3);
	assert_string_equal(options.interfaces[1], "bond*");
	assert_string_equal(options.interfaces[2], "up?");
	assert_int_equal(options.hook, HOOK_TC);
	assert_int_equal(options.snat_port_first, 40000);
	assert_int_equal(options.n_cluster_cidrs, 2);
	assert_int_equal(options.cluster_cidrs[1].length, 32);
	assert_true(options.full_proxy);
	assert_int_equal(options.drain_delay_msec, 250);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
}

static void durations_need_a_unit(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t msec;
	} good[] = { { "0s", 0 }, { "1ms", 1 }, { "90s", 90000 }, { "2m", 120000 }, { "24h", 86400000 } };
	uint64_t msec;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(option_duration_parse(good[i].text, &msec), 0);
		assert_int_equal(msec, good[i].msec);
	}
	assert_int_equal(option_duration_parse("99999999999999999999s", &msec), -EINVAL);
	assert_int_equal(option_duration_parse("86401s", &msec), -ERANGE);
	assert_int_equal(option_duration_parse("s", &msec), -EINVAL);
	assert_int_equal(option_duration_parse("1 s", &msec), -EINVAL);
}

static void one_source(void **state _unused_)
{
	static const struct {
		enum agent_option first, second;
		const char *first_value, *second_value, *says;
	} refused[] = {
		{ OPTION_MANIFESTS, OPTION_KUBECONFIG, "d", "f", "--manifests DIR excludes --kubeconfig" },
		{ OPTION_MANIFESTS, OPTION_API_SERVER, "d", "https://192.0.2.1", "excludes" },
		{ OPTION_STATUS, OPTION_KUBECONFIG, "f", "f", "--status FILE goes with --manifests" },
		{ OPTION_CHECK_CONFIG, OPTION_KUBECONFIG, NULL, "f", "--check-config goes with --manifests" },
	};
	cleanup(agent_options_done) struct agent_options plain;
	cleanup(strbuf_done) struct strbuf none = { 0 };
	size_t i;

	agent_options_init(&plain); /* in a pod */
	assert_int_equal(agent_options_check(&plain, &none), 0);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		cleanup(agent_options_done) struct agent_options options;
		cleanup(strbuf_done) struct strbuf why = { 0 };

		agent_options_init(&options);
		apply(&options, refused[i].first, refused[i].first_value);
		apply(&options, refused[i].second, refused[i].second_value);
		assert_int_equal(agent_options_check(&options, &why), -EINVAL);
		assert_non_null(strstr(strbuf_text(&why), refused[i].says));
	}
}

static void http_addresses(void **state _unused_)
{
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	uint16_t port;

	assert_int_equal(addr_port_parse(AGENT_HTTP, &addr, &port), 0);
	assert_string_equal(addr_format(&addr, text), "::");
	assert_int_equal(port, 7472);
	assert_int_equal(addr_port_parse("192.0.2.1:80", &addr, &port), 0);
	assert_string_equal(addr_format(&addr, text), "192.0.2.1");
	assert_int_equal(port, 80);
	assert_int_equal(addr_port_parse("[2001:db8::1]:65535", &addr, &port), 0);
	assert_string_equal(addr_format(&addr, text), "2001:db8::1");
	assert_int_equal(port, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_values_are_named),
		cmocka_unit_test(good_values_are_kept),
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(one_source),
		cmocka_unit_test(http_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
