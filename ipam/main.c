// SPDX-License-Identifier: Apache-2.0
/* lbcontroller: gives ServiceIPs to LoadBalancer Services. Options; the work is cluster_mode.c's or
 * manifests_mode.c's. Exit codes: 0 ended as asked, 1 it could not run (with --once also: something was
 * refused), 2 usage. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>

#include "ipam/cluster_mode.h"
#include "ipam/manifests_mode.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/version.h"

#define EXIT_USAGE 2

const char *argp_program_version = "lbcontroller " FAIRWAY_VERSION;

static const struct argp_option option_table[] = {
	{ "kubeconfig", CONTROLLER_OPTION_KUBECONFIG, "FILE", 0,
	  "how to reach the Kubernetes API (default: as a pod, by its service account)", 0 },
	{ "api-server", CONTROLLER_OPTION_API_SERVER, "URL", 0,
	  "reach it there instead (repeatable; in a pod also $FAIRWAY_API_SERVERS, separated by commas)", 0 },
	{ "default-class", CONTROLLER_OPTION_DEFAULT_CLASS, NULL, 0,
	  "LoadBalancer Services without a class are ours too", 0 },
	{ "namespace", CONTROLLER_OPTION_NAMESPACE, "NS", 0,
	  "where the Lease is (default: the pod's own, else " CONTROLLER_NAMESPACE ")", 0 },
	{ "identity", CONTROLLER_OPTION_IDENTITY, "NAME", 0,
	  "who holds the Lease; each process needs one of its own (default: the host's name and a random "
	  "part)",
	  0 },
	{ "leader-elect", CONTROLLER_OPTION_LEADER_ELECT, "true|false", OPTION_ARG_OPTIONAL,
	  "work only while holding the Lease (default); false: there is surely no other lbcontroller", 0 },
	{ "http-address", CONTROLLER_OPTION_HTTP_ADDRESS, "ADDRESS:PORT", 0,
	  "serve /healthz, /readyz and /metrics there (default " CONTROLLER_HTTP ", empty: none)", 0 },
	{ "manifests", CONTROLLER_OPTION_MANIFESTS, "DIR", 0,
	  "no API: read objects from *.yaml, *.yml and *.json there, and follow changes", 1 },
	{ "status", CONTROLLER_OPTION_STATUS, "FILE", 0,
	  "with --manifests: where the answers are kept, outside DIR; read at start", 1 },
	{ "once", CONTROLLER_OPTION_ONCE, NULL, 0,
	  "with --manifests: allocate what there is, write FILE, and exit", 1 },
	{ "log-level", CONTROLLER_OPTION_LOG_LEVEL, "LEVEL", 0, "error, warn, info (default) or debug", 2 },
	{ 0 },
};

static void check(const struct controller_options *options, struct argp_state *state)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };

	if (controller_options_check(options, &why) < 0)
		argp_error(state, "%s", strbuf_text(&why));
	else if (options->manifests && manifests_mode_status_is_inside(options))
		argp_error(state, "--status %s is inside --manifests %s; it must be outside", options->status,
			   options->manifests);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	int r;

	switch (key) {
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", value);
		return 0;
	case ARGP_KEY_END:
		check(state->input, state);
		return 0;
	default:
		if (key < CONTROLLER_OPTION_MANIFESTS || key > CONTROLLER_OPTION_LOG_LEVEL)
			return ARGP_ERR_UNKNOWN;
		r = controller_option_apply(state->input, (enum controller_option)key, value, &why);
		if (r == -EINVAL)
			argp_error(state, "%s", strbuf_text(&why));
		return r == -ENOMEM ? ENOMEM : 0;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Gives addresses of ServiceIPPools to Services of type LoadBalancer, and keeps them.",
};

int main(int argc, char **argv)
{
	struct controller_options options;

	argp_err_exit_status = EXIT_USAGE;
	controller_options_init(&options);
	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return EXIT_USAGE;
	log_threshold = options.log_level;
	return options.manifests ? manifests_mode_run(&options) : cluster_mode_run(&options);
}
