// SPDX-License-Identifier: Apache-2.0
/* UDP load: one socket per flow, kept for the whole run; in each round every flow sends one datagram and
 * waits for its echo. A flow that another pod answers than before is "moved". */
#include "tests/lab/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct udp_flow {
	int fd;
	struct flow flow;
	bool waiting;
	uint64_t began, sequence;
	char own[64], pod[POD_SIZE];
};

struct udp_load {
	const struct options *o;
	int epoll_fd;
	struct udp_flow *flows;
	size_t n, n_waiting;
};

static void value_copy(const char *text, const char *key, char *ret, size_t size)
{
	const char *value = strstr(text, key);

	value = value ? value + strlen(key) : "";
	snprintf(ret, size, "%.*s", (int)strcspn(value, "\""), value);
}

static void flow_fail(struct udp_load *l, struct udp_flow *f, const char *reason)
{
	f->waiting = false;
	l->n_waiting--;
	report_failure(&f->flow, f->own, reason, f->began);
}

static void flow_send(struct udp_load *l, struct udp_flow *f)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "flow-%zu-%llu", (size_t)(f - l->flows),
			 (unsigned long long)++f->sequence);

	f->waiting = true;
	f->began = load_now_nsec();
	l->n_waiting++;
	report_sent();
	if (send(f->fd, text, (size_t)n, 0) < 0) {
		char reason[64];

		snprintf(reason, sizeof(reason), "send: %s", strerror(errno));
		flow_fail(l, f, reason);
	}
}

static void flow_receive(struct udp_load *l, struct udp_flow *f)
{
	char text[2048], wanted[80], pod[POD_SIZE], client[64], reason[64];
	ssize_t n = recv(f->fd, text, sizeof(text) - 1, 0);

	if (n < 0) {
		snprintf(reason, sizeof(reason), "receive: %s", strerror(errno));
		if (errno != EAGAIN && f->waiting)
			flow_fail(l, f, reason);
		return;
	}
	text[n] = '\0';
	snprintf(wanted, sizeof(wanted), "\"echo\":\"flow-%zu-%llu\"", (size_t)(f - l->flows),
		 (unsigned long long)f->sequence);
	if (!f->waiting)
		return; /* late: its loss is counted already */
	if (!strstr(text, wanted)) {
		if (!strstr(text, "\"echo\":\"flow-")) /* not even an older answer of ours */
			flow_fail(l, f, "another flow's answer");
		return;
	}
	value_copy(text, "\"pod\":\"", pod, sizeof(pod));
	value_copy(text, "\"client\":\"", client, sizeof(client));
	f->waiting = false;
	l->n_waiting--;
	report_ok((uint64_t)(f - l->flows), pod, client, f->own, load_now_nsec() - f->began);
	if (f->pod[0] && strcmp(f->pod, pod))
		report_moved(&f->flow, f->own, f->pod, pod);
	snprintf(f->pod, sizeof(f->pod), "%s", pod);
}

static void run_events(struct udp_load *l, int timeout_msec)
{
	struct epoll_event events[256];
	int n = epoll_wait(l->epoll_fd, events, 256, timeout_msec);

	for (int i = 0; i < n; i++)
		flow_receive(l, events[i].data.ptr);
}

static void time_out(struct udp_load *l, bool all)
{
	uint64_t now = load_now_nsec(), limit = (uint64_t)l->o->timeout_msec * 1000000;

	for (size_t i = 0; i < l->n && l->n_waiting; i++)
		if (l->flows[i].waiting && (all || now - l->flows[i].began > limit))
			flow_fail(l, &l->flows[i], "no answer");
}

static int open_flows(struct udp_load *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct udp_flow *f = &l->flows[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = f };

		load_flow(l->o, i, &f->flow);
		f->fd = load_socket(&f->flow, SOCK_DGRAM);
		if (f->fd < 0)
			return f->fd;
		load_own_address(f->fd, f->own);
		epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, f->fd, &event);
	}
	return 0;
}

/* One datagram of every flow, at most `concurrency` under way and not faster than `rate`. */
static void round_run(struct udp_load *l)
{
	uint64_t begin = load_now_nsec(), checked = begin;

	for (size_t i = 0; i < l->n && !load_stop; i++) {
		uint64_t at = l->o->rate > 0 ? begin + (uint64_t)((double)i / l->o->rate * 1e9) : 0;

		while (!load_stop &&
		       (l->n_waiting >= l->o->concurrency || load_now_nsec() < at || l->flows[i].waiting)) {
			run_events(l, 1);
			if (load_now_nsec() - checked > 10000000) {
				checked = load_now_nsec();
				time_out(l, false);
			}
		}
		if (!load_stop)
			flow_send(l, &l->flows[i]);
		if (i % 32 == 31)
			run_events(l, 0);
	}
}

static void wait_until(struct udp_load *l, uint64_t at)
{
	while (!load_stop && load_now_nsec() < at) {
		run_events(l, 1);
		time_out(l, false);
	}
}

int load_udp(const struct options *o)
{
	struct udp_load l = { .o = o, .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .n = load_flow_count(o) };
	uint64_t at = load_now_nsec();
	int r;

	if (!o->port_first && o->concurrency > l.n)
		l.n = o->concurrency; /* the kernel's ports: as many flows as places */
	l.flows = calloc(l.n, sizeof(*l.flows));
	if (!l.flows || l.epoll_fd < 0)
		return -ENOMEM;
	r = open_flows(&l);
	if (r < 0)
		return r;
	for (uint64_t round = 0; !load_stop && (!o->requests || round < o->requests); round++) {
		wait_until(&l, at);
		at = load_now_nsec() + (uint64_t)o->interval_msec * 1000000;
		round_run(&l);
	}
	/* What is under way when the time is over still gets its full time to be answered. */
	for (uint64_t end = load_now_nsec() + (uint64_t)o->timeout_msec * 1000000;
	     l.n_waiting && load_now_nsec() < end;)
		run_events(&l, 1);
	time_out(&l, true);
	for (size_t i = 0; i < l.n; i++)
		close(l.flows[i].fd);
	close(l.epoll_fd);
	free(l.flows);
	return 0;
}
