// SPDX-License-Identifier: Apache-2.0
/* See kubectl_plugin.h. */
#include "userspace/lbctl/kubectl_plugin.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/io/files.h"
#include "userspace/lbctl/lbctl.h"

#define OUTPUT_MAX (4 * 1024 * 1024) /* a line for each node */

extern char **environ;

static int say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int say(const char *format, ...)
{
	va_list arguments;

	fputs("kubectl fairway: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return LBCTL_NO_AGENT;
}

static int say_kubectl(int error)
{
	if (error == ENOENT)
		return say("kubectl is not found in $PATH: it is what reaches the cluster");
	return say("kubectl cannot be run: %s", strerror(error));
}

/* What the command prints; its stderr is ours. 0, or an exit code that was explained. */
static int capture(const struct arguments *arguments, struct strbuf *out)
{
	cleanup(closep) int read_end = -1;
	posix_spawn_file_actions_t actions;
	int ends[2], status = 0, r, waited;
	pid_t pid;

	if (pipe(ends))
		return say("%s", strerror(errno));
	read_end = ends[0];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	r = posix_spawnp(&pid, arguments->items[0], &actions, NULL, arguments->items, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (r)
		return say_kubectl(r);
	r = file_read_rest(read_end, OUTPUT_MAX, out);
	close(read_end); /* a kubectl that has more to say ends by it */
	read_end = -1;
	do
		waited = waitpid(pid, &status, 0);
	while (waited < 0 && errno == EINTR);
	if (r < 0)
		return say("what kubectl says cannot be read: %s", strerror(-r));
	if (!WIFEXITED(status) || WEXITSTATUS(status)) /* its own words are on stderr */
		return say("the pods of lbagent cannot be listed");
	return 0;
}

static int find_pod(const struct kubectl_call *call, struct strbuf *printed, struct kubectl_pod *ret)
{
	cleanup(arguments_done) struct arguments arguments = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	int r = kubectl_pods_arguments(call, &arguments);

	if (r < 0)
		return say("%s", strerror(-r));
	r = capture(&arguments, printed);
	if (r)
		return r;
	strbuf_append(printed, ""); /* text even if nothing was printed */
	r = strbuf_failed(printed) ? -ENOMEM : kubectl_pod_choose(call, printed->text, ret, &why);
	if (r == -ENOENT)
		return say("%s", strbuf_text(&why));
	return r < 0 ? say("%s", strerror(-r)) : 0;
}

/* lbctl prints for people (units, colours) on a terminal: the one at the other end is asked for only if there
 * is one here. */
static bool on_terminal(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !(no_color && *no_color);
}

int kubectl_plugin_run(const struct kubectl_call *call)
{
	cleanup(arguments_done) struct arguments arguments = { 0 };
	cleanup(strbuf_done) struct strbuf printed = { 0 };
	struct kubectl_pod pod;
	int r = find_pod(call, &printed, &pod);

	if (r)
		return r;
	r = kubectl_exec_arguments(call, pod.name, on_terminal(), &arguments);
	if (r < 0)
		return say("%s", strerror(-r));
	if (!call->node)
		fprintf(stderr, "node %s (--node says another)\n", pod.node);
	execvp(arguments.items[0], arguments.items);
	return say_kubectl(errno);
}
