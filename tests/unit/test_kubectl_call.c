// SPDX-License-Identifier: Apache-2.0
/* `kubectl fairway …`: what is whose, and which commands of kubectl it becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/kubectl_call.h"

#define GET                                                                                                  \
	"get pods --namespace %s --selector app.kubernetes.io/name=lbagent --output jsonpath={range "        \
	".items[*]}{.spec.nodeName}{\" \"}{.metadata.name}{\" "                                              \
	"\"}{.status.conditions[?(@.type==\"Ready\")].status}"                                               \
	"{\"\\n\"}{end}"

/* Splits at blanks; "_" stands for an empty word. */
static int parse(const char *line, struct kubectl_call *ret, struct strbuf *why)
{
	static char copy[512];
	char *argv[32], *rest = copy, *word;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")))
		argv[argc++] = strcmp(word, "_") ? word : word + 1;
	return kubectl_call_parse(argc, argv, ret, why);
}

static void assert_words(const struct arguments *arguments, const char *expected)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	size_t i;

	for (i = 0; i < arguments->n; i++)
		strbuf_appendf(&text, "%s%s", i ? " " : "", arguments->items[i]);
	assert_string_equal(strbuf_text(&text), expected);
	assert_true(!arguments->items || !arguments->items[arguments->n]);
}

static void what_is_whose(void **state _unused_)
{
	static const struct {
		const char *line, *node, *namespace, *options, *command;
	} cases[] = {
		{ "svc ls", NULL, "fairway-system", "", "svc ls" },
		{ "-n lb --node n1 svc ls -n web", "n1", "lb", "", "svc ls -n web" },
		{ "--namespace=lb svc ls --namespace web", NULL, "lb", "", "svc ls --namespace web" },
		{ "-nlb svc ls", NULL, "lb", "", "svc ls" },
		{ "svc ls --node=n1.example -o json", "n1.example", "fairway-system", "", "svc ls -o json" },
		{ "--context a --kubeconfig=/k/c svc ls --as=me", NULL, "fairway-system",
		  "--context a --kubeconfig /k/c --as me", "svc ls" },
		{ "-s https://x --insecure-skip-tls-verify drops", NULL, "fairway-system",
		  "--server https://x --insecure-skip-tls-verify", "drops" },
		{ "flow ls --client 192.0.2.1 --server=https://x", NULL, "fairway-system",
		  "--server https://x", "flow ls --client 192.0.2.1" },
		{ "flow ls --client-certificate c --client 192.0.2.1", NULL, "fairway-system",
		  "--client-certificate c", "flow ls --client 192.0.2.1" },
		{ "why web/shop -- --node n1", NULL, "fairway-system", "", "why web/shop -- --node n1" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(kubectl_call_done) struct kubectl_call call = { 0 };
		cleanup(strbuf_done) struct strbuf why = { 0 };

		if (parse(cases[i].line, &call, &why))
			fail_msg("%s: %s", cases[i].line, strbuf_text(&why));
		assert_true(cases[i].node ? call.node && !strcmp(call.node, cases[i].node) : !call.node);
		assert_string_equal(call.namespace, cases[i].namespace);
		assert_words(&call.options, cases[i].options);
		assert_words(&call.command, cases[i].command);
	}
}

static void refusals(void **state _unused_)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "--node", "--node: its value is missing" },
		{ "svc ls --context", "--context: its value is missing" },
		{ "--node n1,metadata.name=x svc ls", "--node: not a node's name: n1,metadata.name=x" },
		{ "--node _ svc ls", "not a node's name" },
		{ "-n a/b svc ls", "--namespace: not a namespace's name: a/b" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(kubectl_call_done) struct kubectl_call call = { 0 };
		cleanup(strbuf_done) struct strbuf why = { 0 };

		assert_int_equal(parse(cases[i].line, &call, &why), -EINVAL);
		assert_non_null(strstr(strbuf_text(&why), cases[i].says));
	}
}

static void commands(void **state _unused_)
{
	cleanup(arguments_done) struct arguments pods = { 0 }, exec = { 0 }, tty = { 0 };
	cleanup(kubectl_call_done) struct kubectl_call call = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	char expected[600];

	assert_int_equal(parse("-n lb --context c why web/$(reboot);x", &call, &why), 0);
	assert_int_equal(kubectl_pods_arguments(&call, &pods), 0);
	snprintf(expected, sizeof(expected), "kubectl --context c " GET, "lb");
	assert_words(&pods, expected);
	assert_int_equal(kubectl_exec_arguments(&call, "lbagent-x", false, &exec), 0);
	assert_words(&exec, "kubectl --context c exec --namespace lb lbagent-x --container lbagent -- lbctl "
			    "why web/$(reboot);x");
	assert_int_equal(kubectl_exec_arguments(&call, "lbagent-x", true, &tty), 0);
	assert_words(
		&tty,
		"kubectl --context c exec --namespace lb lbagent-x --container lbagent --tty -- lbctl why "
		"web/$(reboot);x");
}

static void which_pod(void **state _unused_)
{
	static const struct {
		const char *node, *printed, *pod, *says;
	} cases[] = {
		{ NULL, "n2 lbagent-b True\nn1 lbagent-a True\n", "lbagent-a", NULL },
		{ NULL, "n1 lbagent-a False\nn2 lbagent-b True\n", "lbagent-b", NULL },
		{ NULL, "n1 lbagent-a False\n", "lbagent-a", NULL }, /* it may tell why */
		{ "n2", "n1 lbagent-a True\nn2 lbagent-b False\nn2 lbagent-c True\n", "lbagent-c", NULL },
		{ NULL, " lbagent-pending \nn1 lbagent-a True\n", "lbagent-a", NULL },
		{ NULL, "", NULL, "there is no pod of lbagent in namespace fairway-system" },
		{ NULL, "n1 --all True\nn1 ; True\n", NULL, "there is no pod" },
		{ "n9", "n1 lbagent-a True\nn2 lbagent-b True\n", NULL,
		  "no pod of lbagent runs on node n9; there is one on: n1, n2" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kubectl_call call = { .node = cases[i].node, .namespace = KUBECTL_NAMESPACE };
		cleanup(strbuf_done) struct strbuf why = { 0 };
		struct kubectl_pod pod;
		char printed[200];
		int r;

		snprintf(printed, sizeof(printed), "%s", cases[i].printed);
		r = kubectl_pod_choose(&call, printed, &pod, &why);
		assert_int_equal(r, cases[i].pod ? 0 : -ENOENT);
		if (cases[i].pod)
			assert_string_equal(pod.name, cases[i].pod);
		else
			assert_non_null(strstr(strbuf_text(&why), cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whose),
		cmocka_unit_test(refusals),
		cmocka_unit_test(commands),
		cmocka_unit_test(which_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
