/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to an FRR daemon's vty socket (EDGE): commands in lock-step, never blocking. FRR is not safe with
 * pipelined commands, so one is on its way at a time and has a deadline. After any error the connection is of no more use:
 * free it and open another. */
#ifndef FAIRWAY_BGP_VTY_H
#define FAIRWAY_BGP_VTY_H

struct sd_event;
struct vty;

enum vty_status { /* FRR's command results; others are failures too */
	VTY_OK = 0,
	VTY_WARNING = 1,
	VTY_FAILED = 13,
};

/* error 0: `status` and `text` (borrowed during the call) are the daemon's answer. Else -ETIMEDOUT (the deadline passed),
 * -EPIPE (it closed), -EMSGSIZE (the answer is absurdly long) or another -errno. The vty may be freed or used in here. */
typedef void vty_reply_fn(void *userdata, int error, int status, const char *text);

/* 0; -ENOENT, -ECONNREFUSED: no daemon; -EAGAIN: it does not accept; or another -errno. */
int vty_open(struct sd_event *, const char *path, vty_reply_fn *, void *userdata, struct vty **ret);
void vty_free(struct vty *);
int vty_send(struct vty *, const char *command, unsigned timeout_msec); /* 0, -EBUSY, or -errno */

#endif
