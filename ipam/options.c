// SPDX-License-Identifier: Apache-2.0
/* What each option may be: see options.h. */
#include "ipam/options.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/parse.h"

void controller_options_init(struct controller_options *options)
{
	*options = (struct controller_options){ .log_level = LOG_LEVEL_INFO };
}

static int refuse(struct strbuf *why, const char *option, const char *value, const char *wanted)
{
	strbuf_appendf(why, "--%s ", option);
	strbuf_append_escaped(why, value, 200);
	strbuf_appendf(why, ": not %s", wanted);
	return -EINVAL;
}

static int apply_api_server(struct controller_options *options, const char *value, struct strbuf *why)
{
	if (strncmp(value, "https://", 8) != 0 || !value[8] || !text_is_printable_ascii(value))
		return refuse(why, "api-server", value, "a URL such as https://192.0.2.1:6443");
	if (options->n_api_servers == API_SERVERS_MAX)
		return refuse(why, "api-server", value, "among the first 16");
	options->api_servers[options->n_api_servers++] = value;
	return 0;
}

static int apply_identity(struct controller_options *options, const char *value, struct strbuf *why)
{
	if (!*value || strlen(value) > CONTROLLER_IDENTITY_MAX || !text_is_printable_ascii(value))
		return refuse(why, "identity", value, "a name of 1 to 253 printable characters");
	options->identity = value;
	return 0;
}

static int apply_http_address(struct controller_options *options, const char *value, struct strbuf *why)
{
	struct addr addr;
	uint16_t port;

	if (*value && addr_port_parse(value, &addr, &port) < 0)
		return refuse(why, "http-address", value,
			      "ADDRESS:PORT such as [::]:7473, or empty for none");
	options->http_address = value;
	return 0;
}

/* --leader-elect alone means true. */
static int apply_leader_elect(struct controller_options *options, const char *value, struct strbuf *why)
{
	if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return refuse(why, "leader-elect", value, "true or false");
	options->no_election = value && !strcmp(value, "false");
	return 0;
}

int controller_option_apply(struct controller_options *options, enum controller_option option,
			    const char *value, struct strbuf *why)
{
	switch (option) {
	case CONTROLLER_OPTION_MANIFESTS:
		options->manifests = value;
		return 0;
	case CONTROLLER_OPTION_STATUS:
		options->status = value;
		return 0;
	case CONTROLLER_OPTION_ONCE:
		options->once = true;
		return 0;
	case CONTROLLER_OPTION_KUBECONFIG:
		options->kubeconfig = value;
		return 0;
	case CONTROLLER_OPTION_API_SERVER:
		return apply_api_server(options, value, why);
	case CONTROLLER_OPTION_NAMESPACE:
		if (!text_is_dns_label(value))
			return refuse(why, "namespace", value, "the name of a namespace");
		options->namespace = value;
		return 0;
	case CONTROLLER_OPTION_IDENTITY:
		return apply_identity(options, value, why);
	case CONTROLLER_OPTION_HTTP_ADDRESS:
		return apply_http_address(options, value, why);
	case CONTROLLER_OPTION_LEADER_ELECT:
		return apply_leader_elect(options, value, why);
	case CONTROLLER_OPTION_DEFAULT_CLASS:
		options->default_class = true;
		return 0;
	case CONTROLLER_OPTION_LOG_LEVEL:
		if (log_level_parse(value, &options->log_level) < 0)
			return refuse(why, "log-level", value, "error, warn, info or debug");
		return 0;
	}
	return -EINVAL;
}

int controller_options_check(const struct controller_options *options, struct strbuf *why)
{
	bool api = options->kubeconfig || options->n_api_servers || options->namespace || options->identity ||
		   options->no_election || options->http_address;

	if (!options->manifests != !options->status)
		strbuf_append(why, "--manifests DIR and --status FILE need each other");
	else if (options->manifests && api)
		strbuf_append(why,
			      "--manifests excludes --kubeconfig, --api-server, --namespace, --identity, "
			      "--leader-elect and --http-address: there is no API");
	else if (!options->manifests && options->once)
		strbuf_append(why, "--once is for --manifests");
	else
		return 0;
	return -EINVAL;
}
