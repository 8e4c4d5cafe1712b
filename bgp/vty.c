// SPDX-License-Identifier: Apache-2.0
/* FRR's vty protocol, as vtysh speaks it: "command\0" there, text and "\0\0\0<status>" back. See vty.h. */
#include "bgp/vty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

#define ANSWER_MAX (64 * 1024 * 1024) /* 10,000 networks are 0.7 MB of running configuration */
#define READ_SIZE  (64 * 1024)
#define TRAILER	   4 /* three NULs and the status */

struct vty {
	int fd;
	struct sd_event *event;
	sd_event_source *io, *deadline;
	vty_reply_fn *reply;
	void *userdata;
	struct strbuf command, answer;
	size_t sent; /* of the command with its NUL */
	uint64_t give_up_usec; /* of the command that is on its way */
	uint64_t armed_usec;   /* what the timer is armed for */
	bool waiting, armed;   /* the timer is armed once per lull, not once per command: ten thousand go through here */
};

void vty_free(struct vty *vty)
{
	if (!vty)
		return;
	sd_event_source_disable_unref(vty->io);
	sd_event_source_disable_unref(vty->deadline);
	if (vty->fd >= 0)
		close(vty->fd);
	if (vty->command.text) /* it may hold a password */
		explicit_bzero(vty->command.text, vty->command.capacity);
	strbuf_done(&vty->command);
	strbuf_done(&vty->answer);
	free(vty);
}

DEFINE_CLEANUP(struct vty *, vty_free);

/* The last thing done with `vty` by whoever calls it: the callback may free it. */
static int finish(struct vty *vty, int error)
{
	cleanup(strbuf_done) struct strbuf answer = vty->answer;
	int status = 0;

	vty->answer = (struct strbuf){ 0 };
	vty->waiting = false;
	if (!error) {
		status = (unsigned char)answer.text[answer.length - 1];
		answer.text[answer.length - TRAILER] = '\0';
	}
	vty->reply(vty->userdata, error, status, error ? "" : answer.text);
	return 0;
}

static int flush(struct vty *vty)
{
	ssize_t n;

	while (vty->sent <= vty->command.length) {
		n = send(vty->fd, vty->command.text + vty->sent, vty->command.length + 1 - vty->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		vty->sent += (size_t)n;
	}
	return 0;
}

static bool answer_is_complete(const struct strbuf *answer)
{
	const char *trailer = answer->text + answer->length - TRAILER;

	return answer->length >= TRAILER && !trailer[0] && !trailer[1] && !trailer[2];
}

/* 1: the answer is there; 0: more to come; or -errno. */
static int receive(struct vty *vty)
{
	static char buffer[READ_SIZE]; /* one loop, no threads */
	ssize_t n;

	for (;;) {
		n = recv(vty->fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0 || !vty->waiting) /* closed, or it talks unasked */
			return -EPIPE;
		strbuf_append_bytes(&vty->answer, buffer, (size_t)n);
		if (strbuf_failed(&vty->answer))
			return -ENOMEM;
		if (vty->answer.length > ANSWER_MAX)
			return -EMSGSIZE;
		if (answer_is_complete(&vty->answer))
			return 1;
	}
}

static int arm(struct vty *vty)
{
	int r;

	r = sd_event_source_set_time(vty->deadline, vty->give_up_usec);
	if (r >= 0)
		r = sd_event_source_set_enabled(vty->deadline, SD_EVENT_ONESHOT);
	vty->armed = r >= 0;
	vty->armed_usec = vty->give_up_usec;
	return r < 0 ? r : 0;
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec, void *userdata)
{
	struct vty *vty = userdata;
	int r;

	vty->armed = false;
	if (!vty->waiting)
		return 0;
	if (usec < vty->give_up_usec) /* `usec` is what it was armed for */
		return arm(vty);
	r = receive(vty); /* the answer may be there, and only the loop was late */
	return finish(vty, r > 0 ? 0 : r < 0 ? r : -ETIMEDOUT);
}

static int watch(struct vty *vty)
{
	bool unsent = vty->waiting && vty->sent <= vty->command.length;

	return sd_event_source_set_io_events(vty->io, EPOLLIN | (unsent ? EPOLLOUT : 0));
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata)
{
	struct vty *vty = userdata;
	int r = 0;

	if (events & EPOLLOUT)
		r = flush(vty);
	if (r == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		r = receive(vty);
	if (r > 0)
		return finish(vty, 0);
	if (r < 0) {
		sd_event_source_set_enabled(vty->io, SD_EVENT_OFF);
		return finish(vty, r);
	}
	watch(vty);
	return 0;
}

int vty_open(struct sd_event *event, const char *path, vty_reply_fn *reply, void *userdata, struct vty **ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(vty_freep) struct vty *vty = NULL;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	vty = calloc(1, sizeof(*vty));
	if (!vty)
		return -ENOMEM;
	vty->event = event;
	vty->reply = reply;
	vty->userdata = userdata;
	vty->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (vty->fd < 0 || connect(vty->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = sd_event_add_io(event, &vty->io, vty->fd, EPOLLIN, on_io, vty);
	if (r >= 0)
		r = sd_event_add_time(event, &vty->deadline, CLOCK_MONOTONIC, 0, 1000, on_deadline, vty);
	if (r < 0)
		return r;
	sd_event_source_set_enabled(vty->deadline, SD_EVENT_OFF);
	*ret = take(vty);
	return 0;
}

int vty_send(struct vty *vty, const char *command, unsigned timeout_msec)
{
	uint64_t now_usec;
	int r;

	if (vty->waiting)
		return -EBUSY;
	if (vty->command.text)
		explicit_bzero(vty->command.text, vty->command.capacity);
	strbuf_reset(&vty->command);
	strbuf_append(&vty->command, command);
	if (strbuf_failed(&vty->command))
		return -ENOMEM;
	vty->sent = 0;
	vty->waiting = true;
	sd_event_now(vty->event, CLOCK_MONOTONIC, &now_usec);
	vty->give_up_usec = now_usec + (uint64_t)timeout_msec * 1000;
	r = flush(vty);
	if (r == 0)
		r = watch(vty);
	/* a timer that is armed for an earlier command looks again when it fires; one for a later time must not wait */
	if (r >= 0 && (!vty->armed || vty->give_up_usec < vty->armed_usec))
		r = arm(vty);
	return r < 0 ? r : 0;
}
