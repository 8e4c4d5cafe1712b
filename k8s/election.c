// SPDX-License-Identifier: Apache-2.0
/* One request at a time, a timer for the next, and one for the moment at which leadership ends: see
 * election.h. */
#include "k8s/election.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/lease.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/loop.h"

struct election {
	struct api *api;
	struct loop_timer *tick;  /* the next step */
	struct loop_timer *fence; /* leading: when the right to write ends */
	struct api_request *request;
	election_fn *on_change;
	void (*released)(void *userdata);
	void *userdata;
	char *namespace, *name, *identity, *path, *collection;
	struct lease_view view;
	uint64_t sent_msec;
	char said[LEASE_IDENTITY_MAX + 1]; /* the holder that was logged last */
	bool failure_said;
};

static void step(struct election *election);

bool election_may_write(const struct election *election)
{
	return lease_may_write(&election->view, loop_now_msec());
}

const char *election_holder(const struct election *election)
{
	return election->view.lease.holder;
}

/* Up to a fifth longer, so that candidates do not step in time. */
static uint64_t jitter(uint64_t msec)
{
	return msec + loop_random() % (msec / 5 + 1);
}

/* --- what is learned ----------------------------------------------------------------------------------- */

static void say_holder(struct election *election)
{
	const char *holder = election->view.lease.holder;

	if (!strcmp(election->said, holder))
		return;
	strcpy(election->said, holder);
	if (!election->view.leading && *holder && strcmp(holder, election->identity) != 0)
		log_info("lease %s/%s: held by %s, waiting", election->namespace, election->name, holder);
}

static void say_failure(struct election *election, const char *what, const struct api_reply *reply)
{
	if (!election->failure_said)
		log_warn("lease %s/%s: cannot be %s: %s; trying again every %d s", election->namespace,
			 election->name, what, reply->message, LEASE_RETRY_MSEC / 1000);
	election->failure_said = true;
}

static void begin(struct election *election, const struct lease *lease)
{
	bool was_leading = election->view.leading;

	lease_note_written(&election->view, lease, election->sent_msec);
	if (election->released)
		return;
	loop_timer_set(election->fence, LEASE_RENEW_DEADLINE_MSEC - (loop_now_msec() - election->sent_msec));
	if (was_leading)
		return;
	log_info("lease %s/%s: acquired by %s", election->namespace, election->name, election->identity);
	strcpy(election->said, lease->holder);
	election->on_change(election->userdata, true);
}

static void end(struct election *election)
{
	const char *holder = election->view.lease.holder;

	if (strcmp(holder, election->identity) != 0)
		log_warn("lease %s/%s: lost to %s; nothing is written any more", election->namespace,
			 election->name, *holder ? holder : "nobody");
	else
		log_warn("lease %s/%s: lost, it could not be renewed for %d s; nothing is written any more",
			 election->namespace, election->name, LEASE_RENEW_DEADLINE_MSEC / 1000);
	api_cancel(take(election->request));
	loop_timer_stop(election->fence);
	election->view = (struct lease_view){ 0 };
	loop_timer_set(election->tick, jitter(LEASE_RETRY_MSEC));
	election->on_change(election->userdata, false);
}

static void on_read(void *userdata, const struct api_reply *reply)
{
	struct election *election = userdata;
	struct lease lease = { 0 };

	election->request = NULL;
	if (reply->status == 404 || (reply->status == 200 && lease_decode(reply->body, &lease) == 0)) {
		election->failure_said = false;
		lease_note(&election->view, &lease, loop_now_msec());
		say_holder(election);
		if (election->released)
			loop_timer_set(election->tick, 0);
		else
			step(election);
		return;
	}
	say_failure(election, "read", reply);
	loop_timer_set(election->tick, jitter(LEASE_RETRY_MSEC));
}

static void on_written(void *userdata, const struct api_reply *reply)
{
	struct election *election = userdata;
	struct lease lease;

	election->request = NULL;
	if ((reply->status == 200 || reply->status == 201) && lease_decode(reply->body, &lease) == 0) {
		election->failure_said = false;
		begin(election, &lease);
		loop_timer_set(election->tick, election->released ? 0 : LEASE_RETRY_MSEC);
		return;
	}
	/* 409: somebody was faster. No answer: it may have been written. Either way what is there must be
	 * read. */
	if (reply->status != 409)
		say_failure(election, election->view.leading ? "renewed" : "acquired", reply);
	if (!election->view.leading)
		election->view.known = false;
	election->view.lease.resource_version[0] = '\0';
	loop_timer_set(election->tick, reply->status == 409 ? 0 : jitter(LEASE_RETRY_MSEC / 2));
}

/* --- what is asked ------------------------------------------------------------------------------------- */

static void ask(struct election *election, const struct api_call *call, api_reply_fn *on_reply)
{
	election->sent_msec = loop_now_msec();
	if (api_send(election->api, call, on_reply, election, &election->request) < 0)
		loop_timer_set(election->tick, LEASE_RETRY_MSEC);
}

static void ask_read(struct election *election)
{
	ask(election, &(struct api_call){ .method = "GET", .path = election->path }, on_read);
}

static void ask_write(struct election *election, const struct strbuf *body, api_reply_fn *on_reply)
{
	bool exists = election->view.lease.exists;

	ask(election,
	    &(struct api_call){ .method = exists ? "PUT" : "POST",
				.path = exists ? election->path : election->collection,
				.content_type = "application/json",
				.body = strbuf_text(body),
				.length = body->length },
	    on_reply);
}

static void write_lease(struct election *election)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	lease_json(&body, &election->view, election->namespace, election->name, election->identity,
		   loop_wall_usec());
	ask_write(election, &body, on_written);
}

static void step(struct election *election)
{
	struct lease_decision decision = lease_decide(&election->view, election->identity, loop_now_msec());

	switch (decision.action) {
	case LEASE_READ:
		ask_read(election);
		break;
	case LEASE_ACQUIRE:
		write_lease(election);
		break;
	case LEASE_RENEW:
		if (election->view.lease.exists && !*election->view.lease.resource_version)
			ask_read(election); /* a renewal had no good answer */
		else if (decision.after_msec)
			loop_timer_set(election->tick, decision.after_msec);
		else
			write_lease(election);
		break;
	case LEASE_WAIT:
		loop_timer_set(election->tick, jitter(decision.after_msec));
		break;
	case LEASE_LOST:
		end(election);
		break;
	}
}

static void give_up(struct election *election);

static void on_tick(void *userdata)
{
	struct election *election = userdata;

	if (election->request)
		return; /* its answer goes on */
	if (election->released)
		give_up(election);
	else if (!election->view.leading)
		ask_read(election); /* the next step of one who waits is to look again */
	else
		step(election);
}

static void on_fence(void *userdata)
{
	struct election *election = userdata;

	if (election->view.leading && !election->released)
		end(election);
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void finish_release(struct election *election)
{
	void (*done)(void *userdata) = election->released;

	election->view = (struct lease_view){ 0 };
	done(election->userdata);
}

static void on_released(void *userdata, const struct api_reply *reply)
{
	struct election *election = userdata;

	election->request = NULL;
	if (reply->status == 200)
		log_info("lease %s/%s: given up", election->namespace, election->name);
	else
		log_warn("lease %s/%s: could not be given up: %s; it expires in %d s", election->namespace,
			 election->name, reply->message, LEASE_DURATION_SEC);
	finish_release(election);
}

/* Only over the version that is known to be the last: else whoever has it now would lose it. */
static void give_up(struct election *election)
{
	cleanup(strbuf_done) struct strbuf body = { 0 };

	if (election_may_write(election) && *election->view.lease.resource_version) {
		lease_release_json(&body, &election->view, election->namespace, election->name, loop_wall_usec());
		ask_write(election, &body, on_released);
	}
	if (!election->request)
		finish_release(election);
}

void election_release(struct election *election, void (*done)(void *userdata))
{
	loop_timer_stop(election->fence);
	election->released = done;
	loop_timer_set(election->tick, 0);
}

void election_free(struct election *election)
{
	if (!election)
		return;
	api_cancel(election->request);
	loop_timer_free(election->tick);
	loop_timer_free(election->fence);
	free(election->namespace);
	free(election->name);
	free(election->identity);
	free(election->path);
	free(election->collection);
	free(election);
}

static int set_names(struct election *election, const struct election_options *options)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };

	election->namespace = strdup(options->namespace);
	election->name = strdup(options->name);
	election->identity = strdup(options->identity);
	strbuf_appendf(&path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases", options->namespace);
	election->collection = strdup(strbuf_text(&path));
	strbuf_appendf(&path, "/%s", options->name);
	election->path = strbuf_take(&path);
	return election->namespace && election->name && election->identity && election->path &&
			       election->collection
		       ? 0
		       : -ENOMEM;
}

DEFINE_CLEANUP(struct election *, election_free);

int election_new(struct sd_event *event, struct api *api, const struct election_options *options,
		 election_fn *on_change, void *userdata, struct election **ret)
{
	cleanup(election_freep) struct election *election = NULL;
	int r;

	if (!text_is_dns_label(options->namespace) || !text_is_dns_subdomain(options->name) ||
	    !*options->identity || strlen(options->identity) > LEASE_IDENTITY_MAX)
		return -EINVAL;
	election = calloc(1, sizeof(*election));
	if (!election)
		return -ENOMEM;
	election->api = api;
	election->on_change = on_change;
	election->userdata = userdata;
	r = set_names(election, options);
	if (r == 0)
		r = loop_timer_new(event, on_tick, election, &election->tick);
	if (r == 0)
		r = loop_timer_new(event, on_fence, election, &election->fence);
	if (r == 0) /* one that slept past its Lease must not even send what is half sent */
		r = loop_timer_overtake(election->fence);
	if (r < 0)
		return r;
	loop_timer_set(election->tick, 0);
	*ret = take(election);
	return 0;
}
