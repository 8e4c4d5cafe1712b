// SPDX-License-Identifier: Apache-2.0
/* lbctl: looks up the command in the table and runs it. Help and dispatch both come from the table. */
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
#include "userspace/lbctl/live.h"
#include "userspace/lbctl/offline.h"

static int run_help(int argc, char **argv);

static const struct command commands[] = {
	{ "svc ls", command_svc_ls, "Services as this node serves and announces them" },
	{ "svc show", command_svc_show, "one Service in full: frontends, backends, routes, problems" },
	{ "why", command_why, "the first broken step of a Service's way from class to router" },
	{ "pool ls", command_pool_ls, "ServiceIPPools, used and free addresses" },
	{ "bgp peers", command_bgp_peers, "this node's BGP sessions" },
	{ "bgp routes", command_bgp_routes, "what each peer should receive" },
	{ "node show", command_node_show, "interfaces, hooks and why; what of the host is in the way" },
	{ "flow ls", command_flow_ls, "open flows, by VIP, backend or client" },
	{ "drops", command_drops, "refused packets by reason" },
	{ "plan", command_plan, "offline: what a node would do, from a directory of manifests" },
	{ "allocate", command_allocate,
	  "offline: which Service gets which address, from a directory of manifests" },
	{ "help", run_help, "this list" },
};

static void print_help(FILE *out, const char *group)
{
	size_t group_length = group ? strlen(group) : 0;

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

int main(int argc, char **argv)
{
	char program[64];

	argp_err_exit_status = LBCTL_USAGE;
	if (argc < 2) {
		print_help(stderr, NULL);
		return LBCTL_USAGE;
	}
	if (text_equal(argv[1], "--help") || text_equal(argv[1], "-h"))
		return run_help(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int words = words_matched(&commands[i], argc, argv);

		if (!words)
			continue;
		snprintf(program, sizeof(program), "lbctl %s", commands[i].name);
		argv[words] = program;
		return flushed(commands[i].run(argc - words, argv + words));
	}
	if (is_group(argv[1])) {
		bool asked = argc > 2 && (text_equal(argv[2], "--help") || text_equal(argv[2], "-h"));

		print_help(asked ? stdout : stderr, argv[1]);
		return asked ? LBCTL_FINE : LBCTL_USAGE;
	}
	fprintf(stderr, "lbctl: unknown command: %s; lbctl help lists them\n", argv[1]);
	return LBCTL_USAGE;
}
