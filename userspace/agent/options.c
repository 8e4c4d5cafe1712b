// SPDX-License-Identifier: Apache-2.0
/* What each option of lbagent may be, and what is said when it may not: see options.h. */
#include "userspace/agent/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define DRAIN_DELAY_MSEC   1000
#define DURATION_MAX_MSEC  (24ull * 3600 * 1000)
#define SNAT_PORT_LOWEST   1024
#define INTERFACE_GLOB_MAX 63
#define OPTION_LIST_MAX	   64
#define METRICS_SERVICES	   1000
#define METRICS_SERVICES_MAX 100000

void agent_options_init(struct agent_options *options)
{
	*options = (struct agent_options){
		.pin_dir = AGENT_PIN_DIR,
		.run_dir = AGENT_RUN_DIR,
		.hook = HOOK_AUTO,
		.metrics_services = METRICS_SERVICES,
		.snat_port_first = 61000,
		.snat_port_last = 65535,
		.drain_delay_msec = DRAIN_DELAY_MSEC,
		.log_level = LOG_LEVEL_INFO,
	};
}

void agent_options_done(struct agent_options *options)
{
	size_t i;

	for (i = 0; i < options->n_interfaces; i++)
		free(options->interfaces[i]);
	free(options->interfaces);
	free(options->cluster_cidrs);
	free(options->api_servers);
	*options = (struct agent_options){ 0 };
}

int option_duration_parse(const char *text, uint64_t *ret_msec)
{
	static const struct {
		const char *unit;
		uint64_t msec;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 } };
	size_t digits = strspn(text, "0123456789"), i;
	char number[20];
	uint64_t value;

	if (!digits || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits, units[i].unit))
			continue;
		if (parse_number(number, 0, DURATION_MAX_MSEC / units[i].msec, &value) < 0)
			return -ERANGE;
		*ret_msec = value * units[i].msec;
		return 0;
	}
	return -EINVAL;
}

static int refuse(struct strbuf *why, const char *option, const char *value, const char *expected)
{
	strbuf_appendf(why, "--%s: '%s' is not %s", option, value, expected);
	return strbuf_failed(why) ? -ENOMEM : -EINVAL;
}

static int apply_text(const char **ret, const char *option, const char *value, const char *expected,
		      struct strbuf *why)
{
	if (!*value || !text_is_printable_ascii(value))
		return refuse(why, option, value, expected);
	*ret = value;
	return 0;
}

static int apply_node(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (!text_is_dns_subdomain(value))
		return refuse(why, "node", value,
			      "a node's name (RFC 1123: lower case letters, digits, '-' and '.')");
	options->node = value;
	return 0;
}

static int apply_interfaces(struct agent_options *options, const char *value, struct strbuf *why)
{
	cleanup(freep) char *copy = strdup(value), *glob = NULL;
	char *rest = copy, *item;

	if (!copy)
		return -ENOMEM;
	while ((item = strsep(&rest, ","))) {
		if (!*item || strlen(item) > INTERFACE_GLOB_MAX || !text_is_printable_ascii(item) ||
		    strchr(item, '/'))
			return refuse(why, "interfaces", value,
				      "a list of interface names or globs separated by commas");
		if (options->n_interfaces == OPTION_LIST_MAX)
			return refuse(why, "interfaces", value, "a list of at most 64 globs");
		if (array_reserve(options->interfaces, options->n_interfaces, options->interfaces_capacity) <
		    0)
			return -ENOMEM;
		glob = strdup(item);
		if (!glob)
			return -ENOMEM;
		options->interfaces[options->n_interfaces++] = take(glob);
	}
	return 0;
}

static int apply_api_server(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (strncmp(value, "https://", 8) || !value[8] || !text_is_printable_ascii(value))
		return refuse(why, "api-server", value, "a URL such as https://192.0.2.1:6443");
	if (options->n_api_servers == OPTION_LIST_MAX)
		return refuse(why, "api-server", value, "among the first 64");
	if (array_reserve(options->api_servers, options->n_api_servers, options->api_servers_capacity) < 0)
		return -ENOMEM;
	options->api_servers[options->n_api_servers++] = value;
	return 0;
}

static int apply_http_address(struct agent_options *options, const char *value, struct strbuf *why)
{
	struct addr addr;
	uint16_t port;

	if (*value && addr_port_parse(value, &addr, &port) < 0)
		return refuse(why, "http-address", value, "ADDRESS:PORT such as [::]:7472, or empty for none");
	options->http_address = value;
	return 0;
}

static int apply_metrics_services(struct agent_options *options, const char *value, struct strbuf *why)
{
	uint64_t number;

	if (parse_number(value, 0, METRICS_SERVICES_MAX, &number) < 0)
		return refuse(why, "metrics-services", value, "a number of 0 to 100000");
	options->metrics_services = (uint32_t)number;
	return 0;
}

static int apply_hook(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (text_equal(value, "auto"))
		options->hook = HOOK_AUTO;
	else if (text_equal(value, "xdp"))
		options->hook = HOOK_XDP;
	else if (text_equal(value, "tc"))
		options->hook = HOOK_TC;
	else
		return refuse(why, "hook", value, "one of auto, xdp, tc");
	return 0;
}

static int apply_snat_ports(struct agent_options *options, const char *value, struct strbuf *why)
{
	const char *dash = strchr(value, '-');
	uint64_t first, last;
	char text[16];

	if (!dash || (size_t)(dash - value) >= sizeof(text))
		return refuse(why, "snat-ports", value, "FIRST-LAST within 1024-65535");
	memcpy(text, value, (size_t)(dash - value));
	text[dash - value] = '\0';
	if (parse_number(text, SNAT_PORT_LOWEST, UINT16_MAX, &first) < 0 ||
	    parse_number(dash + 1, SNAT_PORT_LOWEST, UINT16_MAX, &last) < 0 || first > last)
		return refuse(why, "snat-ports", value, "FIRST-LAST within 1024-65535");
	options->snat_port_first = (uint16_t)first;
	options->snat_port_last = (uint16_t)last;
	return 0;
}

static int apply_cluster_cidr(struct agent_options *options, const char *value, struct strbuf *why)
{
	struct prefix prefix, masked;

	if (prefix_parse(value, &prefix) < 0)
		return refuse(why, "cluster-cidr", value, "a prefix such as 10.244.0.0/16");
	masked = prefix_mask(&prefix);
	if (prefix_compare(&prefix, &masked))
		return refuse(why, "cluster-cidr", value, "a prefix: it has host bits");
	if (!prefix.length) /* the default route is never received */
		return refuse(why, "cluster-cidr", value, "a cluster's range");
	if (options->n_cluster_cidrs == OPTION_LIST_MAX)
		return refuse(why, "cluster-cidr", value, "among the first 64");
	if (array_reserve(options->cluster_cidrs, options->n_cluster_cidrs, options->cluster_cidrs_capacity) <
	    0)
		return -ENOMEM;
	options->cluster_cidrs[options->n_cluster_cidrs++] = prefix;
	return 0;
}

static int apply_namespace(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (!text_is_dns_label(value))
		return refuse(why, "namespace", value, "a namespace's name");
	options->namespace = value;
	return 0;
}

static int apply_proxy_mode(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (text_equal(value, "full"))
		options->full_proxy = true;
	else if (text_equal(value, "loadbalancer"))
		options->full_proxy = false;
	else
		return refuse(why, "proxy-mode", value, "one of loadbalancer, full");
	return 0;
}

static int apply_drain_delay(struct agent_options *options, const char *value, struct strbuf *why)
{
	if (option_duration_parse(value, &options->drain_delay_msec) < 0)
		return refuse(why, "drain-delay", value,
			      "a time with its unit, such as 500ms or 2s (at most 24h)");
	return 0;
}

int agent_option_apply(struct agent_options *options, enum agent_option option, const char *value,
		       struct strbuf *why)
{
	switch (option) {
	case OPTION_NODE:
		return apply_node(options, value, why);
	case OPTION_MANIFESTS:
		return apply_text(&options->manifests, "manifests", value, "a directory", why);
	case OPTION_STATUS:
		return apply_text(&options->status_file, "status", value, "a file", why);
	case OPTION_KUBECONFIG:
		return apply_text(&options->kubeconfig, "kubeconfig", value, "a file", why);
	case OPTION_API_SERVER:
		return apply_api_server(options, value, why);
	case OPTION_HTTP_ADDRESS:
		return apply_http_address(options, value, why);
	case OPTION_METRICS_SERVICES:
		return apply_metrics_services(options, value, why);
	case OPTION_PIN_DIR:
		return apply_text(&options->pin_dir, "pin-dir", value, "a directory", why);
	case OPTION_RUN_DIR:
		return apply_text(&options->run_dir, "run-dir", value, "a directory", why);
	case OPTION_INTERFACES:
		return apply_interfaces(options, value, why);
	case OPTION_HOOK:
		return apply_hook(options, value, why);
	case OPTION_SNAT_PORTS:
		return apply_snat_ports(options, value, why);
	case OPTION_CLUSTER_CIDR:
		return apply_cluster_cidr(options, value, why);
	case OPTION_FRR_VTY_DIR:
		return apply_text(&options->frr_vty_dir, "frr-vty-dir", value, "a directory", why);
	case OPTION_FRR_CONFIG:
		return apply_text(&options->frr_config, "frr-config", value, "a file", why);
	case OPTION_NAMESPACE:
		return apply_namespace(options, value, why);
	case OPTION_DEFAULT_CLASS:
		options->default_class = true;
		return 0;
	case OPTION_PROXY_MODE:
		return apply_proxy_mode(options, value, why);
	case OPTION_DRAIN_DELAY:
		return apply_drain_delay(options, value, why);
	case OPTION_LOG_LEVEL:
		if (log_level_parse(value, &options->log_level) < 0)
			return refuse(why, "log-level", value, "one of error, warn, info, debug");
		return 0;
	case OPTION_CLEANUP:
		options->cleanup = true;
		return 0;
	case OPTION_CHECK_CONFIG:
		options->check_config = true;
		return 0;
	}
	return -EINVAL;
}

int agent_options_check(const struct agent_options *options, struct strbuf *why)
{
	if (options->manifests && (options->kubeconfig || options->n_api_servers)) {
		strbuf_append(why, "--manifests DIR excludes --kubeconfig and --api-server: objects come from one source");
		return -EINVAL;
	}
	if (options->check_config && !options->manifests) {
		strbuf_append(why, "--check-config goes with --manifests DIR");
		return -EINVAL;
	}
	if (options->status_file && !options->manifests) {
		strbuf_append(why, "--status FILE goes with --manifests DIR");
		return -EINVAL;
	}
	return 0;
}
