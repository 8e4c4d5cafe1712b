// SPDX-License-Identifier: Apache-2.0
/* HTTP load: `http` opens a connection for each request, `hold` keeps connections and asks again and again.
 * Both are the same state machine over a fixed array of places, one request each at a time. */
#include "tests/lab/http.h"
#include "tests/lab/load.h"
#include "userspace/base/attributes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 2048

/* IDLE and CLOSING are of hold alone: between requests, and after the server has said that it will close. */
enum state { STATE_FREE, STATE_IDLE, STATE_CONNECTING, STATE_SENDING, STATE_READING, STATE_CLOSING };

struct place {
	enum state state;
	int fd;
	uint64_t number, began, next_at; /* next_at: of an idle connection in hold */
	struct flow flow;
	char own[64], pod[POD_SIZE], client[64], first_pod[POD_SIZE];
	char request[512];
	size_t request_size, sent;
	uint64_t post_sent;
	char head[HEAD_MAX];
	size_t n_head;
	bool head_done, close_after, wrong;
	uint64_t body_left, body_got;
	bool pattern; /* the body is lab-server's pattern */
};

struct load {
	const struct options *o;
	bool hold;
	int epoll_fd;
	struct place *places;
	size_t n_busy;
	uint64_t next_number;
};

static bool place_is_busy(const struct place *p)
{
	return p->state != STATE_FREE && p->state != STATE_IDLE;
}

static void place_close(struct load *l, struct place *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (place_is_busy(p))
		l->n_busy--;
	p->state = STATE_FREE;
}

static void place_fail(struct load *l, struct place *p, const char *reason)
{
	report_failure(&p->flow, p->own, reason, p->began);
	if (p->first_pod[0])
		report_ended(p->first_pod, reason);
	place_close(l, p);
	p->first_pod[0] = '\0';
	p->next_at = load_now_nsec() + (uint64_t)l->o->interval_msec * 1000000;
}

static void place_fail_errno(struct load *l, struct place *p, const char *doing, int error)
{
	char reason[64];

	snprintf(reason, sizeof(reason), "%s: %s", doing, strerror(error));
	place_fail(l, p, reason);
}

static void place_watch(struct load *l, struct place *p, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = p };

	epoll_ctl(l->epoll_fd, operation, p->fd, &event);
}

static void request_begin(struct load *l, struct place *p)
{
	const struct options *o = l->o;
	int n;

	if (o->post)
		n = snprintf(p->request, sizeof(p->request),
			     "POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: %llu\r\nConnection: %s\r\n\r\n",
			     (unsigned long long)o->post, l->hold ? "keep-alive" : "close");
	else
		n = snprintf(p->request, sizeof(p->request),
			     "GET %s HTTP/1.1\r\nHost: lab\r\nConnection: %s\r\n\r\n", o->path,
			     l->hold ? "keep-alive" : "close");
	p->request_size = (size_t)n;
	p->sent = p->n_head = 0;
	p->post_sent = p->body_left = p->body_got = 0;
	p->head_done = p->close_after = p->wrong = false;
	p->pattern = !o->post && !strncmp(o->path, "/bytes/", 7);
	p->began = load_now_nsec();
	report_sent();
}

/* Opens a connection for a new request. The state is STATE_FREE again if that failed at once. */
static void place_open(struct load *l, struct place *p, uint64_t number)
{
	p->number = number;
	load_flow(l->o, number, &p->flow);
	request_begin(l, p);
	p->own[0] = '\0';
	p->fd = load_socket(&p->flow, SOCK_STREAM);
	if (p->fd < 0) {
		int error = -p->fd;

		p->fd = -1;
		place_fail_errno(l, p, "connect", error);
		return;
	}
	load_own_address(p->fd, p->own);
	p->state = STATE_CONNECTING;
	l->n_busy++;
	place_watch(l, p, EPOLLOUT, EPOLL_CTL_ADD);
}

static void header_copy(const char *head, const char *name, char *ret, size_t size)
{
	const char *value = header_find(head, name);

	snprintf(ret, size, "%.*s", value ? (int)strcspn(value, "\r\n") : 0, value ? value : "");
}

static void body_take(struct place *p, const char *data, size_t size)
{
	static const char wrong_body[] = "\"intact\":false";

	if (p->pattern)
		for (size_t i = 0; i < size; i++)
			p->wrong |= data[i] != (char)('a' + (p->body_got + i) % 26);
	else if (memmem(data, size, wrong_body, sizeof(wrong_body) - 1))
		p->wrong = true;
	p->body_got += size;
	p->body_left -= size < p->body_left ? size : p->body_left;
}

static void place_finish(struct load *l, struct place *p)
{
	if (p->wrong) {
		place_fail(l, p, "wrong content");
		return;
	}
	report_ok(p->number, p->pod, p->client, p->own, load_now_nsec() - p->began);
	if (p->first_pod[0] && strcmp(p->first_pod, p->pod))
		report_moved(&p->flow, p->own, p->first_pod, p->pod);
	if (!l->hold) {
		place_close(l, p);
	} else {
		snprintf(p->first_pod, sizeof(p->first_pod), "%s", p->pod);
		if (!p->close_after)
			l->n_busy--;
		p->state = p->close_after ? STATE_CLOSING : STATE_IDLE;
		place_watch(l, p, EPOLLIN, EPOLL_CTL_MOD);
	}
	p->next_at = p->began + (uint64_t)l->o->interval_msec * 1000000;
}

/* Takes what stands in `head` after a read. False: the answer is not HTTP as we know it. */
static bool head_take(struct place *p)
{
	char *end;
	const char *value;

	p->head[p->n_head] = '\0';
	end = strstr(p->head, "\r\n\r\n");
	if (!end)
		return p->n_head < HEAD_MAX - 1;
	end[2] = '\0';
	value = header_find(p->head, "content-length");
	if (strncmp(p->head, "HTTP/1.1 200 ", 13) || !value)
		return false;
	p->body_left = strtoull(value, NULL, 10);
	value = header_find(p->head, "connection");
	p->close_after = value && !strncasecmp(value, "close", 5);
	header_copy(p->head, "x-pod", p->pod, sizeof(p->pod));
	header_copy(p->head, "x-client", p->client, sizeof(p->client));
	p->head_done = true;
	body_take(p, end + 4, p->n_head - (size_t)(end + 4 - p->head));
	return true;
}

static void place_read(struct load *l, struct place *p)
{
	static char data[65536];

	for (;;) {
		char *to = p->head_done ? data : p->head + p->n_head;
		size_t size = p->head_done ? sizeof(data) : HEAD_MAX - 1 - p->n_head;
		ssize_t n = recv(p->fd, to, size, 0);

		if (n < 0) {
			if (errno != EAGAIN)
				place_fail_errno(l, p, "read", errno);
			return;
		}
		if (n == 0) {
			place_fail(l, p, p->n_head ? "closed within the answer" : "closed before the answer");
			return;
		}
		if (p->head_done) {
			body_take(p, data, (size_t)n);
		} else {
			p->n_head += (size_t)n;
			if (!head_take(p)) {
				place_fail(l, p, "not the expected answer");
				return;
			}
		}
		if (p->head_done && !p->body_left) {
			place_finish(l, p);
			return;
		}
	}
}

/* 1: all sent, 0: later, -errno */
static int request_send(struct load *l, struct place *p)
{
	static char pattern[26 * 1024];

	if (!pattern[0])
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (char)('a' + i % 26);
	while (p->sent < p->request_size) {
		ssize_t n = send(p->fd, p->request + p->sent, p->request_size - p->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		p->sent += (size_t)n;
	}
	while (p->post_sent < l->o->post) {
		size_t offset = p->post_sent % 26, size = sizeof(pattern) - offset;
		ssize_t n;

		if (size > l->o->post - p->post_sent)
			size = (size_t)(l->o->post - p->post_sent);
		n = send(p->fd, pattern + offset, size, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		p->post_sent += (uint64_t)n;
	}
	return 1;
}

/* Something came on a kept connection to which nothing was sent: the server's FIN is the proper end, we open
 * another. */
static void place_ended(struct load *l, struct place *p)
{
	char byte;
	ssize_t n = recv(p->fd, &byte, 1, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n != 0) {
		p->began = load_now_nsec();
		if (n < 0)
			place_fail_errno(l, p, "idle", errno);
		else
			place_fail(l, p, "more than the answer");
		return;
	}
	report_ended(p->first_pod, "FIN");
	report_reopened();
	p->first_pod[0] = '\0';
	place_close(l, p);
}

static void place_event(struct load *l, struct place *p)
{
	int error = 0, r;
	socklen_t size = sizeof(error);

	switch (p->state) {
	case STATE_FREE:
		return;
	case STATE_IDLE:
	case STATE_CLOSING:
		place_ended(l, p);
		return;
	case STATE_CONNECTING:
		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) {
			place_fail_errno(l, p, "connect", error);
			return;
		}
		p->state = STATE_SENDING;
		/* fall through */
	case STATE_SENDING:
		r = request_send(l, p);
		if (r < 0) {
			place_fail_errno(l, p, "send", -r);
			return;
		}
		place_watch(l, p, r ? EPOLLIN : EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
		if (!r)
			return;
		p->state = STATE_READING;
		/* fall through */
	case STATE_READING:
		place_read(l, p);
		return;
	}
}

static void places_time_out(struct load *l)
{
	uint64_t now = load_now_nsec(), limit = (uint64_t)l->o->timeout_msec * 1000000;

	for (unsigned int i = 0; i < l->o->concurrency; i++) {
		struct place *p = &l->places[i];

		if (!place_is_busy(p) || now - p->began <= limit)
			continue;
		place_fail(l, p,
			   p->state == STATE_CONNECTING ? "timeout: connect"
			   : p->state == STATE_SENDING	? "timeout: send"
			   : p->state == STATE_CLOSING	? "timeout: announced close"
							: "timeout: answer");
	}
}

/* Opens what is due by now. Returns true while there is more to come. */
static bool http_feed(struct load *l, uint64_t begin)
{
	const struct options *o = l->o;
	uint64_t due =
		o->rate > 0 ? (uint64_t)((double)(load_now_nsec() - begin) / 1e9 * o->rate) + 1 : UINT64_MAX;

	if (o->requests && due > o->requests)
		due = o->requests;
	for (unsigned int i = 0; i < o->concurrency && l->next_number < due && !load_stop; i++)
		if (l->places[i].state == STATE_FREE)
			place_open(l, &l->places[i], l->next_number++);
	if (l->next_number < due && o->rate > 0)
		report_late();
	return !load_stop && (!o->requests || l->next_number < o->requests);
}

static bool hold_feed(struct load *l, uint64_t begin _unused_)
{
	uint64_t now = load_now_nsec();

	for (unsigned int i = 0; i < l->o->concurrency && !load_stop; i++) {
		struct place *p = &l->places[i];

		if (p->next_at > now)
			continue;
		if (p->state == STATE_FREE) {
			place_open(l, p, i);
		} else if (p->state == STATE_IDLE) {
			request_begin(l, p);
			p->state = STATE_SENDING;
			l->n_busy++;
			place_event(l, p);
		}
	}
	return !load_stop;
}

static int run(const struct options *o, bool hold, bool (*feed)(struct load *, uint64_t))
{
	struct load l = { .o = o, .hold = hold, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	uint64_t begin = load_now_nsec();
	bool more = true;

	l.places = calloc(o->concurrency, sizeof(*l.places));
	if (!l.places || l.epoll_fd < 0)
		return -ENOMEM;
	for (unsigned int i = 0; i < o->concurrency; i++) {
		l.places[i].fd = -1;
		if (hold) /* spread the first requests over one interval */
			l.places[i].next_at =
				begin + (uint64_t)o->interval_msec * 1000000 * i / o->concurrency;
	}
	while (more || l.n_busy) {
		struct epoll_event events[256];
		int n;

		more = feed(&l, begin);
		n = epoll_wait(l.epoll_fd, events, 256, more && o->rate <= 0 && !hold ? 10 : 1);
		for (int i = 0; i < n; i++)
			place_event(&l, events[i].data.ptr);
		places_time_out(&l);
	}
	for (unsigned int i = 0; i < o->concurrency; i++)
		place_close(&l, &l.places[i]);
	free(l.places);
	close(l.epoll_fd);
	return 0;
}

int load_http(const struct options *o)
{
	return run(o, false, http_feed);
}

int load_hold(const struct options *o)
{
	return run(o, true, hold_feed);
}
