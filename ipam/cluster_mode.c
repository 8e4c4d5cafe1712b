// SPDX-License-Identifier: Apache-2.0
/* Election, leader, probes, signals: see cluster_mode.h. */
#include "ipam/cluster_mode.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "ipam/leader.h"
#include "k8s/election.h"
#include "k8s/lease.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/base/version.h"
#include "userspace/io/http_server.h"
#include "userspace/io/loop.h"
#include "userspace/io/tcp_listen.h"

/* A burst of 500 Services is 1,500 writes with its Events, and the API server has its own fairness. */
#define REQUESTS_PER_SECOND 1000
#define REQUESTS_AT_ONCE    2000
#define PATIENCE_MSEC	    4000 /* from SIGTERM on; the kubelet's is 10 s at least */

_Static_assert(CONTROLLER_IDENTITY_MAX == LEASE_IDENTITY_MAX, "what the option takes fits into the Lease");

struct mode {
	const struct controller_options *options;
	sd_event *event;
	struct api *api;
	struct election *election; /* NULL: --leader-elect=false */
	struct leader *leader;	   /* NULL: not elected */
	struct http_server *probes;
	struct loop_timer *patience;
	char *identity;
	bool ending;
};

/* --- leading ------------------------------------------------------------------------------------------- */

static bool may_write(void *userdata)
{
	const struct mode *mode = userdata;

	return !mode->election || election_may_write(mode->election);
}

static int begin_leading(struct mode *mode)
{
	const struct leader_options options = { .default_class = mode->options->default_class,
						.identity = mode->identity,
						.may_write = may_write,
						.userdata = mode };
	int r = leader_new(mode->event, mode->api, &options, &mode->leader);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return r;
}

static void on_election(void *userdata, bool leading)
{
	struct mode *mode = userdata;

	leader_free(take(mode->leader));
	if (leading && begin_leading(mode) < 0)
		sd_event_exit(mode->event, EXIT_FAILURE);
}

/* --- probes -------------------------------------------------------------------------------------------- */

static void answer_metrics(const struct mode *mode, struct http_reply *reply)
{
	struct api_state api = api_state(mode->api);
	struct metrics metrics = { .version = FAIRWAY_VERSION, .leader = mode->leader != NULL };

	if (mode->leader)
		leader_count(mode->leader, &metrics);
	metrics.api_reachable = api.reachable;
	metrics.api_requests = api.n_requests;
	metrics.api_failures = api.n_failures;
	metrics.api_bytes_received = api.bytes_received;
	metrics.api_bytes_sent = api.bytes_sent;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_text(&reply->body, &metrics);
}

/* Ready is who could lead at once, or does. */
static void answer_ready(const struct mode *mode, struct http_reply *reply)
{
	struct api_state api = api_state(mode->api);

	reply->content_type = "text/plain";
	if (!api.reachable) {
		reply->status = 503;
		strbuf_appendf(&reply->body, "waiting for the API server %s: %s\n", api.server, api.trouble);
	} else if (mode->leader && !leader_has_delivered(mode->leader)) {
		reply->status = 503;
		strbuf_append(&reply->body, "leading; waiting for the first complete lists\n");
	} else {
		strbuf_append(&reply->body, mode->leader ? "leading\n" : "standing by\n");
	}
}

static void answer(void *userdata, const struct http_request *request, struct http_reply *reply)
{
	const struct mode *mode = userdata;

	if (!strcmp(request->path, "/metrics")) {
		answer_metrics(mode, reply);
	} else if (!strcmp(request->path, "/readyz")) {
		answer_ready(mode, reply);
	} else if (!strcmp(request->path, "/healthz")) {
		reply->content_type = "text/plain";
		strbuf_append(&reply->body, "ok\n");
	} else {
		reply->status = 404;
		reply->content_type = "text/plain";
		strbuf_append(&reply->body, "/healthz, /readyz and /metrics are here\n");
	}
}

static int open_probes(struct mode *mode)
{
	const char *text = mode->options->http_address ? mode->options->http_address : CONTROLLER_HTTP;
	struct addr addr;
	uint16_t port;
	int fd, r;

	if (!*text)
		return 0;
	r = addr_port_parse(text, &addr, &port);
	if (r == 0)
		r = tcp_listen(&addr, port, &fd);
	if (r == 0)
		r = http_server_new(mode->event, fd, answer, mode, &mode->probes);
	if (r < 0)
		log_error("--http-address %s: %s", text, strerror(-r));
	return r;
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void on_released(void *userdata)
{
	struct mode *mode = userdata;

	sd_event_exit(mode->event, EXIT_SUCCESS);
}

/* A write without an answer may still be executed, after the next leader has read the statuses: then that one
 * has to wait. */
static void on_leader_stopped(void *userdata)
{
	struct mode *mode = userdata;
	bool idle = !mode->leader || leader_is_idle(mode->leader);

	leader_free(take(mode->leader));
	if (mode->election && idle) {
		election_release(mode->election, on_released);
		return;
	}
	if (mode->election)
		log_warn("a write has no answer: the Lease is not given up, it expires");
	on_released(mode);
}

static void on_patience_over(void *userdata)
{
	struct mode *mode = userdata;

	log_warn("the API server does not answer: the Lease is not given up, it expires");
	sd_event_exit(mode->event, EXIT_SUCCESS);
}

static int on_signal(sd_event_source *source _unused_, const struct signalfd_siginfo *info, void *userdata)
{
	struct mode *mode = userdata;

	if (mode->ending)
		return sd_event_exit(mode->event, EXIT_SUCCESS); /* twice: at once */
	log_info("%s: ending", info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
	mode->ending = true;
	loop_timer_set(mode->patience, PATIENCE_MSEC);
	if (mode->leader)
		leader_stop(mode->leader, on_leader_stopped, mode);
	else
		on_leader_stopped(mode);
	return 0;
}

/* --- the beginning ------------------------------------------------------------------------------------- */

static int set_identity(struct mode *mode)
{
	char host[HOST_NAME_MAX + 1] = "";
	uint32_t random = (uint32_t)getpid();

	if (mode->options->identity) {
		mode->identity = strdup(mode->options->identity);
		return mode->identity ? 0 : -ENOMEM;
	}
	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		strcpy(host, "lbcontroller");
	if (getrandom(&random, sizeof(random), 0) < 0)
		log_warn("no random numbers (%s): the identity ends in the process id", strerror(errno));
	if (asprintf(&mode->identity, "%s_%08x", host, random) < 0) {
		mode->identity = NULL;
		return -ENOMEM;
	}
	return 0;
}

static const char *namespace_of(const struct mode *mode)
{
	const char *pods = mode->options->kubeconfig ? "" : api_namespace(mode->api);

	return mode->options->namespace ? mode->options->namespace : *pods ? pods : CONTROLLER_NAMESPACE;
}

static int open_api(struct mode *mode)
{
	const struct api_options options = { .kubeconfig = mode->options->kubeconfig,
					     .servers = mode->options->api_servers,
					     .n_servers = mode->options->n_api_servers,
					     .qps = REQUESTS_PER_SECOND,
					     .burst = REQUESTS_AT_ONCE,
					     .user_agent = "lbcontroller/" FAIRWAY_VERSION " (fairway)" };

	return api_new(mode->event, &options, &mode->api);
}

static int stand(struct mode *mode)
{
	const struct election_options options = { .namespace = namespace_of(mode),
						  .name = CONTROLLER_LEASE,
						  .identity = mode->identity };
	int r;

	if (mode->options->no_election)
		return begin_leading(mode);
	r = election_new(mode->event, mode->api, &options, on_election, mode, &mode->election);
	if (r < 0)
		log_error("lease %s/%s: %s", options.namespace, options.name, strerror(-r));
	return r;
}

static int start(struct mode *mode)
{
	int r = sd_event_default(&mode->event);

	if (r >= 0)
		r = loop_catch_signals(mode->event, on_signal, mode);
	if (r >= 0)
		r = loop_timer_new(mode->event, on_patience_over, mode, &mode->patience);
	if (r >= 0)
		r = set_identity(mode);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	r = open_api(mode);
	if (r == 0)
		r = open_probes(mode);
	return r < 0 ? r : stand(mode);
}

static void mode_done(struct mode *mode)
{
	leader_free(mode->leader);
	election_free(mode->election);
	http_server_free(mode->probes);
	loop_timer_free(mode->patience);
	api_free(mode->api);
	sd_event_unref(mode->event);
	free(mode->identity);
}

int cluster_mode_run(const struct controller_options *options)
{
	cleanup(mode_done) struct mode mode = { .options = options };
	int r = start(&mode);

	if (r < 0)
		return EXIT_FAILURE;
	log_info("lbcontroller " FAIRWAY_VERSION ", %s", mode.identity);
	sd_notify(0, "READY=1");
	r = sd_event_loop(mode.event);
	if (r < 0)
		log_error("the event loop ended: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : r;
}
