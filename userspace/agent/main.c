// SPDX-License-Identifier: Apache-2.0
/* lbagent: options, lock, signals, privileges; everything else is agent.c's. Exit codes: 0 ended as asked,
 * 1 it could not run, 2 usage. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "k8s/manifests.h"
#include "userspace/agent/agent.h"
#include "userspace/agent/options.h"
#include "userspace/agent/privileges.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/run_dir.h"

#define LOCK_NAME "agent.lock"

enum { EXIT_USAGE = 2 };

DEFINE_CLEANUP(struct agent *, agent_free);

const char *argp_program_version = "lbagent " FAIRWAY_VERSION;

static const struct argp_option option_table[] = {
	{ "node", OPTION_NODE, "NAME", 0,
	  "name of this node's Node object (default: $NODE_NAME, else the host's name)", 0 },
	{ "kubeconfig", OPTION_KUBECONFIG, "FILE", 0,
	  "how to reach the Kubernetes API (default: as a pod, by its service account)", 0 },
	{ "api-server", OPTION_API_SERVER, "URL", 0,
	  "reach it there instead (repeatable; in a pod also $FAIRWAY_API_SERVERS, separated by commas)", 0 },
	{ "manifests", OPTION_MANIFESTS, "DIR", 0,
	  "no API: read objects from *.yaml, *.yml and *.json there, and follow changes", 0 },
	{ "status", OPTION_STATUS, "FILE", 0, "lbcontroller's answers, merged over the directory", 0 },
	{ "namespace", OPTION_NAMESPACE, "NS", 0,
	  "where passwordSecrets of peers are (default: the pod's own, elsewhere " AGENT_NAMESPACE ")", 0 },
	{ "default-class", OPTION_DEFAULT_CLASS, NULL, 0,
	  "LoadBalancer Services without a class are ours too", 0 },
	{ "proxy-mode", OPTION_PROXY_MODE, "MODE", 0, "loadbalancer (default) or full", 0 },
	{ "interfaces", OPTION_INTERFACES, "GLOBS", 0,
	  "where VIP traffic arrives, e.g. eth0,bond* (default: those with a route to a peer, or the default "
	  "route)",
	  1 },
	{ "hook", OPTION_HOOK, "HOOK", 0, "auto (default), xdp or tc", 1 },
	{ "snat-ports", OPTION_SNAT_PORTS, "A-B", 0,
	  "source ports of flows to other nodes (default 61000-65535)", 1 },
	{ "pin-dir", OPTION_PIN_DIR, "DIR", 0, "where maps and links are pinned (default " AGENT_PIN_DIR ")",
	  1 },
	{ "frr-vty-dir", OPTION_FRR_VTY_DIR, "DIR", 0,
	  "where bgpd.vty is (default /run/frr/NODE if there, else /run/frr)", 2 },
	{ "frr-config", OPTION_FRR_CONFIG, "FILE", 0, "written for restarts of bgpd; better on a tmpfs", 2 },
	{ "cluster-cidr", OPTION_CLUSTER_CIDR, "PREFIX", 0,
	  "PodCIDRs inside may be received from peers (repeatable)", 2 },
	{ "drain-delay", OPTION_DRAIN_DELAY, "TIME", 0,
	  "between a withdrawn route and its deleted frontend (default 1s)", 2 },
	{ "http-address", OPTION_HTTP_ADDRESS, "ADDRESS:PORT", 0,
	  "serve /healthz, /readyz and /metrics there (default " AGENT_HTTP ", with --manifests none; empty: none)", 3 },
	{ "metrics-services", OPTION_METRICS_SERVICES, "N", 0,
	  "up to so many Services have metrics of their own, more only sums (default 1000)", 3 },
	{ "run-dir", OPTION_RUN_DIR, "DIR", 0, "socket and lock (default " AGENT_RUN_DIR ")", 3 },
	{ "log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warn, info (default) or debug", 3 },
	{ "cleanup", OPTION_CLEANUP, NULL, 0, "withdraw all routes, detach, unpin, and exit", 4 },
	{ "check-config", OPTION_CHECK_CONFIG, NULL, 0, "check the options and the manifests, and exit", 4 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	struct agent_options *options = state->input;
	int r;

	if (key == ARGP_KEY_ARG)
		argp_error(state, "unexpected argument: %s", value);
	if (key == ARGP_KEY_END)
		r = agent_options_check(options, &why);
	else if (key >= OPTION_NODE && key <= OPTION_CHECK_CONFIG)
		r = agent_option_apply(options, (enum agent_option)key, value, &why);
	else
		return ARGP_ERR_UNKNOWN;
	if (r == -EINVAL)
		argp_error(state, "%s", strbuf_text(&why));
	return r < 0 ? -r : 0;
}

/* --node's, else the environment's (a pod's manifest knows it), else the host's name. -EINVAL: it cannot be a node's name. */
static int choose_node(const struct agent_options *options, char *ret, size_t size)
{
	const char *name = options->node ? options->node : getenv("NODE_NAME");

	if (name && *name) {
		if (snprintf(ret, size, "%s", name) >= (int)size)
			return -ENAMETOOLONG;
		return text_is_dns_subdomain(ret) ? 0 : -EINVAL;
	}
	if (gethostname(ret, size))
		return -errno;
	ret[size - 1] = '\0';
	return text_is_dns_subdomain(ret) ? 0 : -EINVAL;
}

static void choose_vty_dir(struct agent_options *options, const char *node, char *buffer, size_t size)
{
	struct stat status;

	if (options->frr_vty_dir)
		return;
	options->frr_vty_dir = "/run/frr";
	if (snprintf(buffer, size, "/run/frr/%s", node) < (int)size && !stat(buffer, &status) &&
	    S_ISDIR(status.st_mode))
		options->frr_vty_dir = buffer;
}

static int lock_run_dir(const struct agent_options *options, int *ret_fd)
{
	int r, holder = 0;

	r = run_dir_make(options->run_dir);
	if (r >= 0)
		r = run_dir_lock(options->run_dir, LOCK_NAME, ret_fd, &holder);
	if (r == -EBUSY)
		log_error("%s: another lbagent (pid %d) runs there; one agent for each --run-dir",
			  options->run_dir, holder);
	else if (r < 0)
		log_error("%s: %s", options->run_dir, strerror(-r));
	return r;
}

/* --- --check-config ------------------------------------------------------------------------------ */

static int check_config(const struct agent_options *options)
{
	struct store *store = store_new();
	struct source_result result = { 0 };
	size_t i;
	int r;

	r = store ? manifests_read(options->manifests, options->status_file, store, &result) : -ENOMEM;
	if (r < 0)
		log_error("%s: %s", options->manifests, strerror(-r));
	for (i = 0; i < result.problems.n; i++)
		log_error("%s: %s: %s", result.problems.items[i].object, result.problems.items[i].field,
			  result.problems.items[i].message);
	if (!r && !result.problems.n)
		log_info("options and manifests are fine");
	r = r < 0 || result.problems.n ? EXIT_FAILURE : EXIT_SUCCESS;
	source_result_done(&result);
	store_free(store);
	return r;
}

/* --- --cleanup ----------------------------------------------------------------------------------- */

static void sleep_msec(uint64_t msec)
{
	struct timespec left = { .tv_sec = (time_t)(msec / 1000), .tv_nsec = (long)(msec % 1000) * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void remove_files(const struct agent_options *options)
{
	static const char *const names[] = { AGENT_SOCKET, LOCK_NAME };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (snprintf(path, sizeof(path), "%s/%s", options->run_dir, names[i]) < (int)sizeof(path))
			unlink(path);
	rmdir(options->run_dir); /* stays if others put something there */
}

static int clean_up(const struct agent_options *options)
{
	const struct frr_options frr = { .vty_dir = options->frr_vty_dir,
					 .config_file = options->frr_config };
	int r, result;

	if (datapath_is_held(options->pin_dir)) { /* by an agent with another --run-dir */
		log_error("%s: an lbagent runs there: stop it first; nothing was changed", options->pin_dir);
		return EXIT_FAILURE;
	}
	result = frr_withdraw_all(&frr);
	if (result < 0)
		log_warn("FRR at %s: routes may not be withdrawn: %s", options->frr_vty_dir,
			 strerror(-result));
	sleep_msec(options->drain_delay_msec);
	r = datapath_cleanup(options->pin_dir);
	if (r < 0)
		log_error("%s: %s", options->pin_dir, strerror(-r));
	remove_files(options);
	if (r < 0 || result < 0)
		return EXIT_FAILURE;
	log_info("cleaned up: routes withdrawn, programs detached, %s removed", options->pin_dir);
	return EXIT_SUCCESS;
}

/* --- running ------------------------------------------------------------------------------------- */

static int end_asked(sd_event_source *source, const struct signalfd_siginfo *signal, void *userdata _unused_)
{
	log_info("signal %u: ending; maps, programs, sessions and routes stay", signal->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int add_signals(sd_event *event)
{
	static const int ends[] = { SIGTERM, SIGINT };
	sigset_t mask;
	size_t i;
	int r = 0;

	sigemptyset(&mask);
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&mask, ends[i]);
	if (sigprocmask(SIG_BLOCK, &mask, NULL))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(ends) && r >= 0; i++)
		r = sd_event_add_signal(event, NULL, ends[i], end_asked, NULL);
	return r;
}

static int run(const struct agent_options *options, const char *node)
{
	cleanup(sd_event_unrefp) sd_event *event = NULL;
	cleanup(agent_freep) struct agent *agent = NULL;
	int r;

	r = sd_event_new(&event);
	if (r >= 0)
		r = add_signals(event);
	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	if (agent_new(event, options, node, &agent) < 0)
		return EXIT_FAILURE;
	r = privileges_drop();
	if (r < 0) {
		log_error("capabilities cannot be dropped: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	sd_event_set_watchdog(event, true);
	sd_notify(0, "READY=1");
	r = sd_event_loop(event);
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int start(struct agent_options *options)
{
	cleanup(closep) int lock = -1;
	char node[256], vty_dir[PATH_MAX];
	cleanup(strbuf_done) struct strbuf missing = { 0 };
	int r;

	log_threshold = options->log_level;
	r = choose_node(options, node, sizeof(node));
	if (r < 0) {
		log_error("%s cannot be a node's name (%s): say --node NAME",
			  getenv("NODE_NAME") ? "$NODE_NAME" : "this host's name", strerror(-r));
		return EXIT_USAGE;
	}
	choose_vty_dir(options, node, vty_dir, sizeof(vty_dir));
	if (options->check_config)
		return check_config(options);
	privileges_missing(&missing);
	if (missing.length) {
		log_error("%s missing: run lbagent as root, or as root of a container with CAP_NET_ADMIN, CAP_BPF and "
			  "CAP_PERFMON added",
			  strbuf_text(&missing));
		return EXIT_FAILURE;
	}
	if (lock_run_dir(options, &lock) < 0)
		return EXIT_FAILURE;
	return options->cleanup ? clean_up(options) : run(options, node);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "The node agent of Fairway: programs the data path for LoadBalancer Services and "
		       "announces them by BGP "
		       "through FRRouting.",
	};
	struct agent_options options;
	int code;

	argp_err_exit_status = EXIT_USAGE;
	agent_options_init(&options);
	if (argp_parse(&argp, argc, argv, 0, NULL, &options)) {
		agent_options_done(&options);
		return EXIT_FAILURE;
	}
	code = start(&options);
	agent_options_done(&options);
	return code;
}
