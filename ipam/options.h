/* SPDX-License-Identifier: Apache-2.0 */
/* lbcontroller's options as values (PURE): main.c hands over what argp read, one option at a time.
 *
 * Texts are borrowed. controller_option_apply() and controller_options_check() give 0, -EINVAL with the
 * reason in `why`, or -ENOMEM; the options are then as they were. */
#ifndef FAIRWAY_IPAM_OPTIONS_H
#define FAIRWAY_IPAM_OPTIONS_H

#include "userspace/base/addr.h"
#include "userspace/base/log.h"
#include "userspace/base/strbuf.h"

#define CONTROLLER_NAMESPACE	"fairway-system"
#define CONTROLLER_HTTP		"[::]:7473" /* in a cluster; with --manifests none */
#define CONTROLLER_LEASE	"lbcontroller"
#define CONTROLLER_IDENTITY_MAX 253
#define API_SERVERS_MAX		16

struct controller_options {
	const char *manifests, *status; /* both, or neither: then the Kubernetes API */
	bool once;
	const char *kubeconfig; /* NULL: the pod's service account */
	const char *api_servers[API_SERVERS_MAX];
	size_t n_api_servers;
	const char *namespace;	  /* NULL: the pod's own, else CONTROLLER_NAMESPACE */
	const char *identity;	  /* NULL: the host's name and a random part */
	const char *http_address; /* NULL: the default, "": none; see addr_port_parse() */
	bool no_election;
	bool default_class;
	enum log_level log_level;
};

enum controller_option { /* argp keys; beyond ASCII: none has a short form */
			 CONTROLLER_OPTION_MANIFESTS = 256,
			 CONTROLLER_OPTION_STATUS,
			 CONTROLLER_OPTION_ONCE,
			 CONTROLLER_OPTION_KUBECONFIG,
			 CONTROLLER_OPTION_API_SERVER,
			 CONTROLLER_OPTION_NAMESPACE,
			 CONTROLLER_OPTION_IDENTITY,
			 CONTROLLER_OPTION_HTTP_ADDRESS,
			 CONTROLLER_OPTION_LEADER_ELECT,
			 CONTROLLER_OPTION_DEFAULT_CLASS,
			 CONTROLLER_OPTION_LOG_LEVEL,
};

void controller_options_init(struct controller_options *);
int controller_option_apply(struct controller_options *, enum controller_option, const char *value,
			    struct strbuf *why);
int controller_options_check(const struct controller_options *, struct strbuf *why);

#endif
