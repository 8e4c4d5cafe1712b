// SPDX-License-Identifier: Apache-2.0
/* lbcontroller's options and metrics: each option taken and refused, what excludes what, and the text that
 * Prometheus reads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/metrics.h"
#include "ipam/options.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const struct {
	enum controller_option option;
	const char *value, *why; /* why NULL: taken */
} rows[] = {
	{ CONTROLLER_OPTION_API_SERVER, "https://192.0.2.1:6443", NULL },
	{ CONTROLLER_OPTION_API_SERVER, "http://192.0.2.1",
	  "--api-server http://192.0.2.1: not a URL such as https://192.0.2.1:6443" },
	{ CONTROLLER_OPTION_API_SERVER, "https://",
	  "--api-server https://: not a URL such as https://192.0.2.1:6443" },
	{ CONTROLLER_OPTION_NAMESPACE, "lb", NULL },
	{ CONTROLLER_OPTION_NAMESPACE, "a/b", "--namespace a/b: not the name of a namespace" },
	{ CONTROLLER_OPTION_IDENTITY, "lbcontroller-7d9_1", NULL },
	{ CONTROLLER_OPTION_IDENTITY, "", "--identity : not a name of 1 to 253 printable characters" },
	{ CONTROLLER_OPTION_IDENTITY, "a\nb",
	  "--identity a\\x0ab: not a name of 1 to 253 printable characters" },
	{ CONTROLLER_OPTION_HTTP_ADDRESS, "[::1]:7473", NULL },
	{ CONTROLLER_OPTION_HTTP_ADDRESS, "", NULL },
	{ CONTROLLER_OPTION_HTTP_ADDRESS, "::1:7473",
	  "--http-address ::1:7473: not ADDRESS:PORT such as [::]:7473, or empty for none" },
	{ CONTROLLER_OPTION_HTTP_ADDRESS, ":7473",
	  "--http-address :7473: not ADDRESS:PORT such as [::]:7473, or empty for none" },
	{ CONTROLLER_OPTION_LEADER_ELECT, NULL, NULL },
	{ CONTROLLER_OPTION_LEADER_ELECT, "false", NULL },
	{ CONTROLLER_OPTION_LEADER_ELECT, "no", "--leader-elect no: not true or false" },
	{ CONTROLLER_OPTION_LOG_LEVEL, "debug", NULL },
	{ CONTROLLER_OPTION_LOG_LEVEL, "loud", "--log-level loud: not error, warn, info or debug" },
};

static void test_each(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf why = { 0 };
		struct controller_options options;
		int r;

		controller_options_init(&options);
		r = controller_option_apply(&options, rows[i].option, rows[i].value, &why);
		assert_int_equal(r, rows[i].why ? -EINVAL : 0);
		assert_string_equal(strbuf_text(&why), rows[i].why ? rows[i].why : "");
	}
}

static void test_values(void **state _unused_)
{
	struct controller_options options;
	struct strbuf why = { 0 };

	controller_options_init(&options);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
	assert_false(options.no_election);
	assert_int_equal(controller_option_apply(&options, CONTROLLER_OPTION_LEADER_ELECT, "false", &why), 0);
	assert_true(options.no_election);
	assert_int_equal(controller_option_apply(&options, CONTROLLER_OPTION_LEADER_ELECT, NULL, &why), 0);
	assert_false(options.no_election);
	for (size_t i = 0; i < API_SERVERS_MAX; i++)
		assert_int_equal(
			controller_option_apply(&options, CONTROLLER_OPTION_API_SERVER, "https://a", &why),
			0);
	assert_int_equal(controller_option_apply(&options, CONTROLLER_OPTION_API_SERVER, "https://b", &why),
			 -EINVAL);
	strbuf_done(&why);
}

static void test_together(void **state _unused_)
{
	static const struct {
		struct controller_options options;
		const char *why;
	} cases[] = {
		{ { 0 }, "" },
		{ { .kubeconfig = "k", .no_election = true }, "" },
		{ { .manifests = "d", .status = "f", .once = true }, "" },
		{ { .manifests = "d" }, "--manifests DIR and --status FILE need each other" },
		{ { .status = "f" }, "--manifests DIR and --status FILE need each other" },
		{ { .manifests = "d", .status = "f", .kubeconfig = "k" },
		  "--manifests excludes --kubeconfig, --api-server, --namespace, --identity, --leader-elect "
		  "and "
		  "--http-address: there is no API" },
		{ { .manifests = "d", .status = "f", .http_address = "[::]:1" },
		  "--manifests excludes --kubeconfig, --api-server, --namespace, --identity, --leader-elect "
		  "and "
		  "--http-address: there is no API" },
		{ { .once = true }, "--once is for --manifests" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(strbuf_done) struct strbuf why = { 0 };

		assert_int_equal(controller_options_check(&cases[i].options, &why),
				 *cases[i].why ? -EINVAL : 0);
		assert_string_equal(strbuf_text(&why), cases[i].why);
	}
}

static void test_metrics(void **state _unused_)
{
	const struct pool_usage pool = { .name = "p",
					 .assigned_v4 = 1,
					 .available_v4 = 3,
					 .assigned_v6 = 2,
					 .available_v6 = ((addr_number)1 << 64) - 2,
					 .ready = true,
					 .reason = "",
					 .message = "" };
	const struct metrics metrics = {
		.version = "1", .leader = true, .pools = &pool, .n_pools = 1, .writes_conflict = 5
	};
	cleanup(strbuf_done) struct strbuf text = { 0 };
	const char *line;

	metrics_text(&text, &metrics);
	assert_non_null(strstr(strbuf_text(&text), "\nfairway_controller_leader 1\n"));
	assert_non_null(
		strstr(strbuf_text(&text),
		       "\nfairway_controller_pool_addresses_assigned{pool=\"p\",family=\"ipv4\"} 1\n"));
	assert_non_null(strstr(strbuf_text(&text),
			       "\nfairway_controller_pool_addresses_available{pool=\"p\",family=\"ipv6\"} "
			       "18446744073709551614\n"));
	assert_non_null(
		strstr(strbuf_text(&text), "\nfairway_controller_writes_total{answer=\"conflict\"} 5\n"));
	/* Each line is a comment or a value of something that was typed; the text ends with one. */
	for (line = strbuf_text(&text); *line; line = strchr(line, '\n') + 1)
		assert_true(!strncmp(line, "# HELP ", 7) || !strncmp(line, "# TYPE ", 7) ||
			    !strncmp(line, "fairway_controller_", 19));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each), cmocka_unit_test(test_values),
					    cmocka_unit_test(test_together), cmocka_unit_test(test_metrics) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
