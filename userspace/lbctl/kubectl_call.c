// SPDX-License-Identifier: Apache-2.0
/* See kubectl_call.h. */
#include "userspace/lbctl/kubectl_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define PODS_LISTED 8 /* names of nodes in a message */

/* kubectl's options for all of its commands, as far as they say whom to ask and as whom. */
static const struct {
	const char *name;
	bool has_value;
} options[] = {
	{ "--as", true },
	{ "--as-group", true },
	{ "--as-uid", true },
	{ "--cache-dir", true },
	{ "--certificate-authority", true },
	{ "--client-certificate", true },
	{ "--client-key", true },
	{ "--cluster", true },
	{ "--context", true },
	{ "--disable-compression", false },
	{ "--insecure-skip-tls-verify", false },
	{ "--kubeconfig", true },
	{ "--match-server-version", false },
	{ "--request-timeout", true },
	{ "--server", true },
	{ "--tls-server-name", true },
	{ "--token", true },
	{ "--user", true },
};

void arguments_done(struct arguments *arguments)
{
	size_t i;

	for (i = 0; i < arguments->n; i++)
		free(arguments->items[i]);
	free(arguments->items);
	*arguments = (struct arguments){ 0 };
}

static int add_n(struct arguments *arguments, const char *text, size_t length)
{
	char *copy;

	if (array_grow(&arguments->items, arguments->n + 2, &arguments->capacity, sizeof(*arguments->items)) <
	    0)
		return -ENOMEM;
	copy = strndup(text, length);
	if (!copy)
		return -ENOMEM;
	arguments->items[arguments->n++] = copy;
	arguments->items[arguments->n] = NULL;
	return 0;
}

static int add(struct arguments *arguments, const char *text)
{
	return add_n(arguments, text, strlen(text));
}

static int add_all(struct arguments *arguments, const char *const *texts, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++)
		r = add(arguments, texts[i]);
	return r;
}

void kubectl_call_done(struct kubectl_call *call)
{
	arguments_done(&call->options);
	arguments_done(&call->command);
}

/* --- the command line ------------------------------------------------------------------------------- */

struct words { /* what is left of argv */
	char **items;
	int n;
};

/* Is the next word this option? Then its value, from behind '=' or the word after it, and both are taken. 1,
 * 0 (another word), -EINVAL. */
static int take_option(struct words *words, const char *name, bool has_value, const char **ret_value,
		       struct strbuf *why)
{
	const char *word = words->items[0];
	size_t length = strlen(name);
	bool is_short = name[1] != '-';

	if (strncmp(word, name, length) != 0)
		return 0;
	if (!word[length]) {
		*ret_value = NULL;
		if (has_value && words->n < 2) {
			strbuf_appendf(why, "%s: its value is missing", name);
			return -EINVAL;
		}
		if (has_value)
			*ret_value = words->items[1];
		words->items += has_value ? 2 : 1;
		words->n -= has_value ? 2 : 1;
		return 1;
	}
	if (word[length] != '=' && !is_short)
		return 0;
	*ret_value = word + length + (word[length] == '=');
	words->items++;
	words->n--;
	return 1;
}

static int take_node(struct kubectl_call *call, const char *value, struct strbuf *why)
{
	if (!text_is_dns_subdomain(value)) {
		strbuf_append(why, "--node: not a node's name: ");
		strbuf_append_escaped(why, value, 100);
		return -EINVAL;
	}
	call->node = value;
	return 0;
}

static int take_namespace(struct kubectl_call *call, const char *value, struct strbuf *why)
{
	if (!text_is_dns_label(value)) {
		strbuf_append(why, "--namespace: not a namespace's name: ");
		strbuf_append_escaped(why, value, 100);
		return -EINVAL;
	}
	call->namespace = value;
	return 0;
}

static int keep_option(struct kubectl_call *call, const char *name, bool has_value, const char *value)
{
	int r = add(&call->options, name);

	return r == 0 && has_value ? add(&call->options, value) : r;
}

/* 1: an option of ours or of kubectl's was taken; 0: another word; -errno. */
static int take_kubectl_option(struct kubectl_call *call, struct words *words, struct strbuf *why)
{
	const char *value;
	size_t i;
	int r;

	r = take_option(words, "--node", true, &value, why);
	if (r == 1)
		r = take_node(call, value, why) < 0 ? -EINVAL : 1;
	for (i = 0; i < ARRAY_SIZE(options) && r == 0; i++) {
		r = take_option(words, options[i].name, options[i].has_value, &value, why);
		if (r == 1 && keep_option(call, options[i].name, options[i].has_value, value) < 0)
			return -ENOMEM;
	}
	return r;
}

/* -n and -s mean something else to lbctl, or might: only before the command. */
static int take_leading_option(struct kubectl_call *call, struct words *words, struct strbuf *why)
{
	const char *value;
	int r = take_option(words, "--namespace", true, &value, why);

	if (r == 0)
		r = take_option(words, "-n", true, &value, why);
	if (r == 1)
		return take_namespace(call, value, why) < 0 ? -EINVAL : 1;
	if (r == 0)
		r = take_option(words, "-s", true, &value, why);
	if (r == 1)
		return keep_option(call, "--server", true, value) < 0 ? -ENOMEM : 1;
	return r;
}

int kubectl_call_parse(int argc, char **argv, struct kubectl_call *ret, struct strbuf *why)
{
	cleanup(kubectl_call_done) struct kubectl_call call = { .namespace = KUBECTL_NAMESPACE };
	struct words words = { argv, argc };
	bool literal = false; /* behind "--" */
	int r;

	while (words.n) {
		r = literal ? 0 : take_kubectl_option(&call, &words, why);
		if (r == 0 && !call.command.n)
			r = take_leading_option(&call, &words, why);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		literal = literal || text_equal(words.items[0], "--");
		if (add(&call.command, words.items[0]) < 0)
			return -ENOMEM;
		words.items++;
		words.n--;
	}
	*ret = call;
	call = (struct kubectl_call){ 0 };
	return 0;
}

/* --- the commands ----------------------------------------------------------------------------------- */

static int begin(const struct kubectl_call *call, struct arguments *ret)
{
	int r = add(ret, "kubectl");

	return r == 0 ? add_all(ret, (const char *const *)call->options.items, call->options.n) : r;
}

int kubectl_pods_arguments(const struct kubectl_call *call, struct arguments *ret)
{
	const char *const words[] = {
		"get",
		"pods",
		"--namespace",
		call->namespace,
		"--selector",
		"app.kubernetes.io/name=lbagent",
		"--output",
		"jsonpath={range .items[*]}{.spec.nodeName}{\" \"}{.metadata.name}{\" \"}"
		"{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}",
	};
	cleanup(arguments_done) struct arguments arguments = { 0 };

	if (begin(call, &arguments) < 0 || add_all(&arguments, words, ARRAY_SIZE(words)) < 0)
		return -ENOMEM;
	*ret = arguments;
	arguments = (struct arguments){ 0 };
	return 0;
}

/* "NODE POD True"; the node is missing while none is chosen, the state while none is known. */
static bool read_pod(char *line, struct kubectl_pod *ret)
{
	char *node = strsep(&line, " "), *name = strsep(&line, " ");

	if (!name || !text_is_dns_subdomain(node) || !text_is_dns_subdomain(name))
		return false;
	*ret = (struct kubectl_pod){ .name = name, .node = node, .ready = line && text_equal(line, "True") };
	return true;
}

static void explain_none(const struct kubectl_call *call, const struct strbuf *nodes, size_t n,
			 struct strbuf *why)
{
	if (!n)
		strbuf_appendf(why,
			       "there is no pod of lbagent in namespace %s (kubectl fairway -n NS says where "
			       "Fairway is)",
			       call->namespace);
	else
		strbuf_appendf(why, "no pod of lbagent runs on node %s; there is one on: %s%s", call->node,
			       strbuf_text(nodes), n > PODS_LISTED ? ", …" : "");
}

int kubectl_pod_choose(const struct kubectl_call *call, char *printed, struct kubectl_pod *ret,
		       struct strbuf *why)
{
	cleanup(strbuf_done) struct strbuf nodes = { 0 };
	struct kubectl_pod pod, best = { 0 };
	size_t n = 0;
	char *line;

	while ((line = strsep(&printed, "\n"))) {
		if (!read_pod(line, &pod))
			continue;
		if (n++ < PODS_LISTED)
			strbuf_appendf(&nodes, "%s%s", nodes.length ? ", " : "", pod.node);
		if (call->node && !text_equal(call->node, pod.node))
			continue;
		/* One that is not ready may still tell why. */
		if (!best.name || pod.ready > best.ready ||
		    (pod.ready == best.ready && strcmp(pod.node, best.node) < 0))
			best = pod;
	}
	if (!best.name) {
		explain_none(call, &nodes, n, why);
		return strbuf_failed(why) ? -ENOMEM : -ENOENT;
	}
	*ret = best;
	return 0;
}

int kubectl_exec_arguments(const struct kubectl_call *call, const char *pod, bool terminal,
			   struct arguments *ret)
{
	const char *const words[] = { "exec", "--namespace", call->namespace, pod, "--container", "lbagent" };
	cleanup(arguments_done) struct arguments arguments = { 0 };
	int r = begin(call, &arguments);

	if (r == 0)
		r = add_all(&arguments, words, ARRAY_SIZE(words));
	if (r == 0 && terminal)
		r = add(&arguments, "--tty");
	if (r == 0)
		r = add_all(&arguments, (const char *const[]){ "--", "lbctl" }, 2);
	if (r == 0)
		r = add_all(&arguments, (const char *const *)call->command.items, call->command.n);
	if (r < 0)
		return r;
	*ret = arguments;
	arguments = (struct arguments){ 0 };
	return 0;
}
