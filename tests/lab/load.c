// SPDX-License-Identifier: Apache-2.0
/* The load generator's main: options, the set of flows, sockets. */
#include "tests/lab/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/attributes.h"

volatile bool load_stop;

static const char usage[] =
	"usage: lab-load http|hold|udp --to ADDRESS:PORT [--to …] [options]\n"
	"  http  a new connection for each request; hold: kept-alive connections; udp: datagrams, one socket "
	"per flow\n"
	"  --from A,B…         source addresses           --ports FIRST-LAST  fixed source ports\n"
	"  --rate N            requests a second          --seconds S         at most so long\n"
	"  --requests N        requests (udp: rounds)     --concurrency N     requests at once, or kept "
	"connections\n"
	"  --interval MS       hold, udp: pace of a flow  --timeout MS        of one request (3000)\n"
	"  --path PATH         GET this (/)               --post BYTES        POST a body instead\n"
	"  --give-up N         stop after N failures\n"
	"  --per-flow          report which pod each flow reached\n";

static void stop(int signal _unused_)
{
	load_stop = true;
}

uint64_t load_now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void endpoint_set_port(struct endpoint *e, unsigned int port)
{
	char address[INET6_ADDRSTRLEN];

	if (e->address.sin6_family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&e->address;

		v4->sin_port = htons((uint16_t)port);
		inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
		snprintf(e->text, sizeof(e->text), "%s:%u", address, port);
	} else {
		e->address.sin6_port = htons((uint16_t)port);
		inet_ntop(AF_INET6, &e->address.sin6_addr, address, sizeof(address));
		snprintf(e->text, sizeof(e->text), "[%s]:%u", address, port);
	}
}

/* "192.0.2.1:80", "[2001:db8::1]:80"; without a port (sources) "192.0.2.1", "2001:db8::1". */
static int endpoint_parse(const char *text, bool with_port, struct endpoint *ret)
{
	struct endpoint e = { 0 };
	char copy[80];
	char *host = copy, *colon = NULL;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&e.address;
	long port = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	if (with_port) {
		colon = strrchr(copy, ':');
		if (!colon)
			return -EINVAL;
		*colon = '\0';
		port = strtol(colon + 1, NULL, 10);
		if (port < 1 || port > 65535)
			return -EINVAL;
	}
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		host++;
	}
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		e.size = sizeof(struct sockaddr_in);
	} else if (inet_pton(AF_INET6, host, &e.address.sin6_addr) == 1) {
		e.address.sin6_family = AF_INET6;
		e.size = sizeof(struct sockaddr_in6);
	} else {
		return -EINVAL;
	}
	endpoint_set_port(&e, (unsigned int)port);
	*ret = e;
	return 0;
}

static size_t ports_count(const struct options *o)
{
	return o->port_first ? o->port_last - o->port_first + 1 : 1;
}

size_t load_flow_count(const struct options *o)
{
	return o->n_targets * (o->n_sources ? o->n_sources : 1) * ports_count(o);
}

/* Targets turn fastest, then sources, then ports: equal ports of two clients or to two VIPs come one after
 * the other. */
void load_flow(const struct options *o, uint64_t number, struct flow *ret)
{
	uint64_t rest = number / o->n_targets;
	unsigned int port = 0;

	ret->target = &o->targets[number % o->n_targets];
	memset(&ret->source, 0, sizeof(ret->source));
	if (!o->n_sources)
		return;
	ret->source = o->sources[rest % o->n_sources];
	rest /= o->n_sources;
	if (o->port_first)
		port = o->port_first + (unsigned int)(rest % ports_count(o));
	endpoint_set_port(&ret->source, port);
}

int load_socket(const struct flow *flow, int type)
{
	int on = 1, fd = socket(flow->target->address.sin6_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (flow->source.size) {
		bool any_port = flow->source.address.sin6_port == 0; /* the same offset in both families */

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (any_port && type == SOCK_STREAM)
			setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		if (bind(fd, (const struct sockaddr *)&flow->source.address, flow->source.size) < 0)
			goto fail;
	}
	if (connect(fd, (const struct sockaddr *)&flow->target->address, flow->target->size) < 0 &&
	    errno != EINPROGRESS)
		goto fail;
	return fd;
fail:
	on = errno;
	close(fd);
	return -on;
}

void load_own_address(int fd, char ret[static 64])
{
	struct endpoint own = { .size = sizeof(own.address) };

	ret[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&own.address, &own.size) < 0)
		return;
	endpoint_set_port(&own, ntohs(own.address.sin6_port));
	memcpy(ret, own.text, sizeof(own.text));
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{ "to", required_argument, NULL, 't' },		 { "from", required_argument, NULL, 'f' },
		{ "ports", required_argument, NULL, 'p' },	 { "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },	 { "requests", required_argument, NULL, 'n' },
		{ "concurrency", required_argument, NULL, 'c' }, { "interval", required_argument, NULL, 'i' },
		{ "timeout", required_argument, NULL, 'w' },	 { "path", required_argument, NULL, 'g' },
		{ "post", required_argument, NULL, 'b' },	 { "per-flow", no_argument, NULL, 'l' },
		{ "give-up", required_argument, NULL, 'x' },	 { 0 },
	};
	bool good = argc > 1;
	char *word, *rest;
	int option;

	while (good && (option = getopt_long(argc - 1, argv + 1, "", table, NULL)) != -1) {
		switch (option) {
		case 't':
			good = o->n_targets < TARGETS_MAX &&
			       !endpoint_parse(optarg, true, &o->targets[o->n_targets++]);
			break;
		case 'f':
			for (word = strtok_r(optarg, ",", &rest); word && good;
			     word = strtok_r(NULL, ",", &rest))
				good = o->n_sources < SOURCES_MAX &&
				       !endpoint_parse(word, false, &o->sources[o->n_sources++]);
			break;
		case 'p':
			good = sscanf(optarg, "%u-%u", &o->port_first, &o->port_last) == 2 && o->port_first &&
			       o->port_last >= o->port_first && o->port_last <= 65535;
			break;
		case 'r':
			o->rate = strtod(optarg, NULL);
			break;
		case 's':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'n':
			o->requests = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			o->concurrency = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'i':
			o->interval_msec = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			o->timeout_msec = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'g':
			o->path = optarg;
			break;
		case 'b':
			o->post = strtoull(optarg, NULL, 10);
			break;
		case 'x':
			o->give_up = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			o->per_flow = true;
			break;
		default:
			good = false;
		}
	}
	if (!good || !o->n_targets || !o->concurrency || (o->port_first && !o->n_sources) ||
	    (!o->requests && o->seconds <= 0)) {
		fputs(usage, stderr);
		fputs("lab-load: --to, and --requests or --seconds, are needed; --ports needs --from\n",
		      stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .path = "/", .concurrency = 64, .interval_msec = 100, .timeout_msec = 3000 };
	struct sigaction action = { .sa_handler = stop };
	struct rlimit limit;
	int r;

	parse_options(argc, argv, &o);
	o.mode = argv[1];
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	if (o.seconds > 0) {
		struct itimerval timer = {
			.it_value = { (time_t)o.seconds,
				      (suseconds_t)((o.seconds - (double)(time_t)o.seconds) * 1e6) }
		};

		setitimer(ITIMER_REAL, &timer, NULL);
	}
	report_begin(&o);
	if (!strcmp(o.mode, "http")) {
		r = load_http(&o);
	} else if (!strcmp(o.mode, "hold")) {
		r = load_hold(&o);
	} else if (!strcmp(o.mode, "udp")) {
		r = load_udp(&o);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	if (r < 0) {
		fprintf(stderr, "lab-load: %s\n", strerror(-r));
		return 2;
	}
	return report_print();
}
