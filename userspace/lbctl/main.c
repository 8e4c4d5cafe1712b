// SPDX-License-Identifier: Apache-2.0
/* lbctl: looks up the command in the table and runs it. Help and dispatch both come from the table. Invoked as
 * kubectl-fairway it is kubectl's plugin, and asks the agent of a cluster's node. */
#include "userspace/lbctl/lbctl.h"

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/lbctl/kubectl_plugin.h"
#include "userspace/lbctl/live.h"
#include "userspace/lbctl/offline.h"

static int run_help(int argc, char **argv);

static const struct command commands[] = {
	{ "svc ls", command_svc_ls, "Services as this node serves and announces them", false },
	{ "svc show", command_svc_show, "one Service in full: frontends, backends, routes, problems", false },
	{ "why", command_why, "the first broken step of a Service's way from class to router", false },
	{ "pool ls", command_pool_ls, "ServiceIPPools, used and free addresses", false },
	{ "bgp peers", command_bgp_peers, "this node's BGP sessions", false },
	{ "bgp routes", command_bgp_routes, "what each peer should receive", false },
	{ "node show", command_node_show, "interfaces, hooks and why; what of the host is in the way", false },
	{ "flow ls", command_flow_ls, "open flows, by VIP, backend or client", false },
	{ "drops", command_drops, "refused packets by reason", false },
	{ "plan", command_plan, "offline: what a node would do, from a directory of manifests", true },
	{ "allocate", command_allocate,
	  "offline: which Service gets which address, from a directory of manifests", true },
	{ "help", run_help, "this list", true },
};

static bool is_plugin; /* invoked as kubectl-fairway */

static const char *called(void)
{
	return is_plugin ? "kubectl fairway" : "lbctl";
}

static void print_help(FILE *out, const char *group)
{
	size_t group_length = group ? strlen(group) : 0;

	if (is_plugin)
		fprintf(out, "Usage: kubectl fairway [-n NS] [--node NODE] [kubectl's OPTIONS] COMMAND [OPTIONS]\n\n"
			     "Asks lbagent on NODE (else on the first one) through kubectl exec; NS is where Fairway is, by default "
			     KUBECTL_NAMESPACE ".\n\n");
	else
		fprintf(out, "Usage: lbctl COMMAND [OPTIONS]; lbctl COMMAND --help says more\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!group || (!strncmp(commands[i].name, group, group_length) &&
			       commands[i].name[group_length] == ' '))
			fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\nExit codes: 0 fine, 1 what was asked about is not fine or not found, 2 usage, "
		     "3 the agent is unreachable\n");
}

static int run_help(int argc _unused_, char **argv _unused_)
{
	print_help(stdout, NULL);
	return LBCTL_FINE;
}

/* Does argv[1], or argv[1] and argv[2], name this command? Returns the number of words, or 0. */
static int words_matched(const struct command *command, int argc, char **argv)
{
	size_t length = strlen(argv[1]);

	if (strncmp(command->name, argv[1], length) != 0)
		return 0;
	if (!command->name[length])
		return 1;
	return command->name[length] == ' ' && argc > 2 && text_equal(command->name + length + 1, argv[2])
		       ? 2
		       : 0;
}

static bool is_group(const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (length && !strncmp(commands[i].name, word, length) && commands[i].name[length] == ' ')
			return true;
	return false;
}

/* What a full disk swallowed was not answered. */
static int flushed(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "lbctl: standard output: %s\n", strerror(errno));
	return status == LBCTL_FINE ? LBCTL_NOT_FINE : status;
}

/* The command's entry, and how many words named it; NULL: none, or a group alone. */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		*ret_words = words_matched(&commands[i], argc, argv);
		if (*ret_words)
			return &commands[i];
	}
	return NULL;
}

static int run_here(const struct command *command, int words, int argc, char **argv)
{
	char program[64];

	snprintf(program, sizeof(program), "%s %s", called(), command->name);
	argv[words] = program;
	return flushed(command->run(argc - words, argv + words));
}

static int no_command(int argc, char **argv)
{
	bool asked = argc > 2 && (text_equal(argv[2], "--help") || text_equal(argv[2], "-h"));

	if (!is_group(argv[1])) {
		fprintf(stderr, "%s: unknown command: %s; %s help lists them\n", called(), argv[1], called());
		return LBCTL_USAGE;
	}
	print_help(asked ? stdout : stderr, argv[1]);
	return asked ? LBCTL_FINE : LBCTL_USAGE;
}

static int run(int argc, char **argv)
{
	const struct command *command;
	int words;

	if (argc < 2) {
		print_help(stderr, NULL);
		return LBCTL_USAGE;
	}
	if (text_equal(argv[1], "--help") || text_equal(argv[1], "-h"))
		return run_help(argc, argv);
	command = find_command(argc, argv, &words);
	return command ? run_here(command, words, argc, argv) : no_command(argc, argv);
}

/* An offline command keeps its words as they are: its --node is its own. */
static bool is_offline(int argc, char **argv)
{
	const struct command *command;
	int words;

	if (argc < 2 || text_equal(argv[1], "--help") || text_equal(argv[1], "-h"))
		return true;
	command = find_command(argc, argv, &words);
	return command && command->offline;
}

static bool asks_for_help(const struct arguments *command)
{
	for (size_t i = 0; i < command->n; i++)
		if (text_equal(command->items[i], "--help") || text_equal(command->items[i], "-?") ||
		    text_equal(command->items[i], "--usage"))
			return true;
	return false;
}

static int run_plugin(int argc, char **argv)
{
	cleanup(kubectl_call_done) struct kubectl_call call = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	const struct command *command;
	char **words;
	int r, n;

	if (is_offline(argc, argv))
		return run(argc, argv);
	r = kubectl_call_parse(argc - 1, argv + 1, &call, &why);
	if (r < 0) {
		fprintf(stderr, "kubectl fairway: %s\n", r == -EINVAL ? strbuf_text(&why) : strerror(-r));
		return LBCTL_USAGE;
	}
	words = calloc(call.command.n + 2, sizeof(*words)); /* as main() has them */
	if (!words)
		return LBCTL_NOT_FINE;
	words[0] = argv[0];
	if (call.command.n)
		memcpy(words + 1, call.command.items, call.command.n * sizeof(*words));
	command = call.command.n ? find_command((int)call.command.n + 1, words, &n) : NULL;
	if (command && command->offline) {
		fprintf(stderr, "kubectl fairway: %s runs here and takes no option of kubectl's before it\n", command->name);
		r = LBCTL_USAGE;
	} else if (!command || asks_for_help(&call.command)) {
		r = run((int)call.command.n + 1, words);
	} else {
		r = kubectl_plugin_run(&call);
	}
	free(words);
	return r;
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;

	argp_err_exit_status = LBCTL_USAGE;
	is_plugin = argc && text_equal(slash ? slash + 1 : argv[0], "kubectl-fairway");
	return is_plugin ? run_plugin(argc, argv) : run(argc, argv);
}
