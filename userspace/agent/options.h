/* SPDX-License-Identifier: Apache-2.0 */
/* lbagent's options as values (PURE): main.c hands over what argp read, one option at a time.
 *
 * Texts are borrowed from argv. agent_option_apply() gives 0, -EINVAL with the reason in `why` (option,
 * value, what was expected), or -ENOMEM; the options are then as they were. */
#ifndef FAIRWAY_AGENT_OPTIONS_H
#define FAIRWAY_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/log.h"
#include "userspace/base/strbuf.h"
#include "userspace/datapath/datapath.h"

#define AGENT_RUN_DIR	"/run/fairway"
#define AGENT_PIN_DIR	"/sys/fs/bpf/fairway"
#define AGENT_NAMESPACE "fairway-system"
#define AGENT_SOCKET	"agent.sock" /* in the run directory */
#define AGENT_HTTP	"[::]:7472"  /* in a cluster; with --manifests none */

struct agent_options {
	const char *node; /* NULL: the host's name */
	const char *manifests, *status_file; /* manifests NULL: the Kubernetes API */
	const char *kubeconfig;		     /* NULL: the pod's service account */
	const char **api_servers;	     /* instead of those that the credentials name; the array is owned */
	size_t n_api_servers, api_servers_capacity;
	const char *http_address; /* NULL: the default, "": none; see addr_port_parse() */
	uint32_t metrics_services; /* up to so many Services have metrics of their own */
	const char *pin_dir, *run_dir;
	const char *frr_vty_dir; /* NULL: /run/frr/NODE where that is, else /run/frr */
	const char *frr_config;	 /* NULL: none is written */
	const char *namespace;	 /* NULL: the pod's own, elsewhere AGENT_NAMESPACE */
	char **interfaces; /* globs, owned */
	size_t n_interfaces, interfaces_capacity;
	struct prefix *cluster_cidrs;
	size_t n_cluster_cidrs, cluster_cidrs_capacity;
	enum hook_choice hook;
	uint16_t snat_port_first, snat_port_last;
	bool default_class, full_proxy;
	uint64_t drain_delay_msec;
	enum log_level log_level;
	bool cleanup, check_config;
};

enum agent_option { /* argp keys; beyond ASCII: none has a short form */
	OPTION_NODE = 256,
	OPTION_MANIFESTS,
	OPTION_STATUS,
	OPTION_KUBECONFIG,
	OPTION_API_SERVER,
	OPTION_HTTP_ADDRESS,
	OPTION_METRICS_SERVICES,
	OPTION_PIN_DIR,
	OPTION_RUN_DIR,
	OPTION_INTERFACES,
	OPTION_HOOK,
	OPTION_SNAT_PORTS,
	OPTION_CLUSTER_CIDR,
	OPTION_FRR_VTY_DIR,
	OPTION_FRR_CONFIG,
	OPTION_NAMESPACE,
	OPTION_DEFAULT_CLASS,
	OPTION_PROXY_MODE,
	OPTION_DRAIN_DELAY,
	OPTION_LOG_LEVEL,
	OPTION_CLEANUP,
	OPTION_CHECK_CONFIG,
};

void agent_options_init(struct agent_options *); /* the defaults */
void agent_options_done(struct agent_options *);
int agent_option_apply(struct agent_options *, enum agent_option, const char *value, struct strbuf *why);
int agent_options_check(const struct agent_options *,
			struct strbuf *why); /* what options must not miss, together */

/* "250ms", "1s", "2m", "1h"; a number alone is refused, for its unit would be a guess. 0, -EINVAL, -ERANGE
 * (over a day). */
int option_duration_parse(const char *text, uint64_t *ret_msec);

#endif
