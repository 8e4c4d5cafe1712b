// SPDX-License-Identifier: Apache-2.0
/* The FRR driver: what is wanted goes to bgpd and bfdd (frr_sync), what they say about sessions comes back as views, and
 * bgpd's configuration is kept in a file for its restarts. See frr.h.
 *
 * Times: a new want is applied at once, those that follow within 4 ms are gathered for 2 ms (bursts of objects were gathered
 * long before; a batch is cut short for a newer want); sessions are read every 500 ms (0.1 ms of bgpd's time), and what a peer
 * is sent when it is more than it should be for 2 s; the running configuration is checked for drift every 30 s. */
#include "bgp/frr.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "bgp/frr_config.h"
#include "bgp/frr_state.h"
#include "bgp/frr_sync.h"
#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"
#include "userspace/io/files.h"
#include "userspace/io/loop.h"

#define GATHER_USEC	     2000
#define GATHER_AGAIN_USEC    4000 /* after the last want that was applied */
#define ACCURACY_USEC	     1 /* more is a delay: an idle loop sleeps to the end of it */
#define TICK_USEC	     500000
#define TICKS_PER_CHECK	     60
#define TICKS_STUCK	     4 /* a route takes its way in well under a second, and bgpd gathers for one when a session begins */
#define TICKS_ASTRAY	     20
#define UNSTICK_TRIES	     6 /* in vain */
#define WITHDRAW_LIMIT_USEC  5000000
#define WITHDRAW_ABSENT_USEC 500000 /* a bgpd that was not found by then is not running */

enum question { ASK_NOTHING, ASK_SUMMARY, ASK_NEIGHBORS, ASK_SENT_IPV4, ASK_SENT_IPV6 };

struct frr {
	struct sd_event *event;
	frr_change_fn *changed;
	void *userdata;
	char *config_file, *secret_namespace;
	struct prefix *cluster_cidrs;
	size_t n_cluster_cidrs;

	struct frr_sync *bgpd, *bfdd;
	sd_event_source *debounce, *tick;
	unsigned ticks;
	unsigned astray_ticks; /* for so long some peer has not been sent what is wanted, though all is applied */
	uint64_t astray_sent; /* prefixes, to all of those */
	unsigned n_unstuck; /* how often something was withdrawn again since fewer were sent than before */
	size_t asked; /* of the views: whose routes were looked at last */
	char *sent_to; /* its id: the neighbour whose routes ASK_SENT asks for */
	bool wants, waiting; /* something is wanted at all; the debounce runs */
	uint64_t applied_usec; /* when the last want was handed on */
	struct frr_config wanted, next; /* what frr_sync works on; what comes after the debounce */

	enum question question; /* what to ask bgpd next */
	bool ask_bfd;
	struct frr_sessions sessions;
	char *bfd_json; /* the last answer: sessions are read anew twice a second, and BFD's beside them */
	struct frr_peer_view *views;
	size_t n_views;
	struct strbuf file; /* what was written to config_file */
	bool file_due;
};

/* --- views ------------------------------------------------------------------------------------------------ */

static uint32_t configured_asn(const struct frr_neighbor *neighbor)
{
	uint64_t asn;
	size_t i;

	for (i = 0; i < neighbor->n_statements; i++) {
		const char *text = neighbor->statements[i].text, *number = strstr(text, "remote-as ");

		if (number && parse_number(number + strlen("remote-as "), 1, UINT32_MAX, &asn) == 0)
			return asn;
	}
	return 0;
}

static bool wants_bfd(const struct frr_neighbor *neighbor)
{
	size_t i;

	for (i = 0; i < neighbor->n_statements; i++)
		if (!strcmp(neighbor->statements[i].text, "bfd"))
			return true;
	return false;
}

static struct frr_peer_view view_of(const struct frr *frr, const struct frr_neighbor *neighbor)
{
	const struct frr_session *session = frr_sessions_find(&frr->sessions, neighbor->id);
	struct frr_peer_view view = { .name = neighbor->peer, .remote_asn = configured_asn(neighbor), .last_error = "",
				      .bfd = "", .prefixes_wanted = neighbor->n_routes };

	if (addr_parse(neighbor->id, &view.address) < 0)
		view.interface = neighbor->id;
	if (frr_sync_link(frr->bgpd) != FRR_CONNECTED) {
		view.state = "unreachable";
		return view;
	}
	view.state = session ? session->state : "Idle";
	if (!session)
		return view;
	if (!view.remote_asn)
		view.remote_asn = session->remote_asn;
	view.uptime_sec = session->uptime_sec;
	view.prefixes_sent = session->sent;
	view.prefixes_received = session->received;
	view.last_error = session->last_error;
	view.bfd = !*session->bfd && wants_bfd(neighbor) ? "down" : session->bfd; /* bfdd knows nothing of it: unprotected */
	return view;
}

/* Uptime aside: it always changes. */
static bool view_equal(const struct frr_peer_view *a, const struct frr_peer_view *b)
{
	return text_equal(a->name, b->name) && text_equal(a->state, b->state) && text_equal(a->bfd, b->bfd) &&
	       text_equal(a->last_error, b->last_error) && a->prefixes_sent == b->prefixes_sent &&
	       a->prefixes_received == b->prefixes_received && a->prefixes_wanted == b->prefixes_wanted && a->remote_asn == b->remote_asn;
}

/* Views borrow from `wanted` and `sessions`: made anew whenever those are replaced. `sessions` is what they show now, to be
 * put in place of the old ones, which are freed. */
static void update_views(struct frr *frr, struct frr_sessions *sessions)
{
	const struct frr_config *wanted = &frr->wanted;
	struct frr_sessions old = frr->sessions;
	struct frr_peer_view *views;
	bool changed;
	size_t i;

	views = calloc(wanted->n_neighbors + 1, sizeof(*views));
	if (!views) { /* without views rather than with some of what is about to be freed */
		frr->n_views = 0;
		if (sessions)
			frr_sessions_done(sessions);
		return;
	}
	if (sessions)
		frr->sessions = *sessions;
	changed = wanted->n_neighbors != frr->n_views;
	for (i = 0; i < wanted->n_neighbors; i++) {
		views[i] = view_of(frr, &wanted->neighbors[i]);
		changed |= i >= frr->n_views || !view_equal(&views[i], &frr->views[i]);
	}
	free(frr->views);
	frr->views = views;
	frr->n_views = wanted->n_neighbors;
	if (sessions)
		frr_sessions_done(&old);
	if (changed)
		frr->changed(frr->userdata);
}

/* --- asking ----------------------------------------------------------------------------------------------- */

static bool all_established(const struct frr_sessions *sessions)
{
	size_t i;

	for (i = 0; i < sessions->n; i++)
		if (strcmp(sessions->items[i].state, "Established"))
			return false;
	return true;
}

static void on_summary(void *userdata, const char *text)
{
	struct frr *frr = userdata;
	struct frr_sessions sessions;
	const struct frr_session *before;
	size_t i;

	frr->question = ASK_NOTHING;
	if (frr_state_parse_summary(text, &sessions) < 0)
		return;
	for (i = 0; i < sessions.n; i++) { /* what other answers said lasts until they say something else */
		before = frr_sessions_find(&frr->sessions, sessions.items[i].id);
		if (!before || !strcmp(sessions.items[i].state, "Established"))
			continue;
		sessions.items[i].last_error = arena_string(&sessions.arena, before->last_error);
		if (!sessions.items[i].last_error)
			sessions.items[i].last_error = "";
	}
	if (frr->bfd_json)
		frr_state_parse_bfd(frr->bfd_json, &sessions);
	if (!all_established(&sessions))
		frr->question = ASK_NEIGHBORS;
	update_views(frr, &sessions);
}

static void on_neighbors(void *userdata, const char *text)
{
	struct frr *frr = userdata;
	struct frr_sessions sessions = { 0 };
	size_t i;

	frr->question = ASK_NOTHING;
	/* A copy with the errors filled in, so that views can be compared with the old ones. */
	sessions.items = arena_array(&sessions.arena, frr->sessions.n, sizeof(*sessions.items));
	if (!sessions.items)
		return;
	for (i = 0; i < frr->sessions.n; i++) {
		sessions.items[i] = frr->sessions.items[i];
		sessions.items[i].id = arena_string(&sessions.arena, frr->sessions.items[i].id);
		sessions.items[i].state = arena_string(&sessions.arena, frr->sessions.items[i].state);
		sessions.items[i].last_error = arena_string(&sessions.arena, frr->sessions.items[i].last_error);
		if (!sessions.items[i].id || !sessions.items[i].state || !sessions.items[i].last_error) {
			frr_sessions_done(&sessions);
			return;
		}
	}
	sessions.n = frr->sessions.n;
	frr_state_parse_neighbors(text, &sessions);
	for (i = 0; i < sessions.n; i++)
		if (!strcmp(sessions.items[i].state, "Established"))
			sessions.items[i].last_error = ""; /* of a time that is over */
	update_views(frr, &sessions);
}

/* bgpd 8.4 may forget a withdrawal: it gathers for a second what a new session begins with, skips withdrawals meanwhile, and
 * does not see them in the table afterwards if a swapped map had sent the routes already (FRRouting#17667). The router would
 * keep them until the session ends. */
static void on_sent(void *userdata, const char *text)
{
	struct frr *frr = userdata;
	cleanup(freep) struct prefix *sent = NULL;
	const struct frr_neighbor *neighbor;
	size_t n = 0;

	frr->question = frr->question == ASK_SENT_IPV4 ? ASK_SENT_IPV6 : ASK_SUMMARY; /* which had to wait */
	if (frr_in_sync(frr) && frr_state_parse_advertised(text, &sent, &n) == 0)
		n = frr_sync_unstick(frr->bgpd, sent, n);
	else
		n = 0;
	if (!n)
		return;
	frr->n_unstuck++;
	frr->astray_ticks = 0; /* it takes a while again */
	neighbor = frr_config_find_neighbor(&frr->wanted, frr->sent_to);
	log_warn("BGPPeer %s (neighbor %s): bgpd still sends it what was withdrawn (prefixes: %zu); withdrawn again",
		 neighbor ? neighbor->peer : "?", frr->sent_to, n);
}

static void ask_sent(struct frr *frr, const char *family)
{
	cleanup(freep) char *command = NULL;

	if (asprintf(&command, "show bgp %s unicast neighbors %s advertised-routes json", family, frr->sent_to) < 0)
		command = NULL;
	else
		frr_sync_ask(frr->bgpd, command, on_sent);
}

static void on_bgpd_idle(void *userdata)
{
	struct frr *frr = userdata;

	switch (frr->question) {
	case ASK_NOTHING:
		break;
	case ASK_SUMMARY:
		frr_sync_ask(frr->bgpd, "show bgp summary json", on_summary);
		break;
	case ASK_NEIGHBORS:
		frr_sync_ask(frr->bgpd, "show bgp neighbors json", on_neighbors);
		break;
	case ASK_SENT_IPV4:
		ask_sent(frr, "ipv4");
		break;
	case ASK_SENT_IPV6:
		ask_sent(frr, "ipv6");
		break;
	}
}

static void on_bfd(void *userdata, const char *text)
{
	struct frr *frr = userdata;
	char *copy = strdup(text);

	frr->ask_bfd = false;
	if (!copy)
		return;
	free(frr->bfd_json);
	frr->bfd_json = copy; /* shown with the next summary */
}

static void on_bfdd_idle(void *userdata)
{
	struct frr *frr = userdata;

	if (frr->ask_bfd)
		frr_sync_ask(frr->bfdd, "show bfd peers json", on_bfd);
}

/* --- the file --------------------------------------------------------------------------------------------- */

/* bgpd reads the file after it became user frr. An agent without CAP_CHOWN can still give it to a group that it is in. */
static int give_to_frr(int fd)
{
	const struct passwd *user = geteuid() ? NULL : getpwnam("frr");

	if (!user || fchown(fd, user->pw_uid, user->pw_gid) == 0)
		return 0;
	if (errno != EPERM || fchown(fd, (uid_t)-1, user->pw_gid) < 0 || fchmod(fd, 0640) < 0)
		return -errno;
	return 0;
}

/* For bgpd's eyes alone, which has no root any more when it reads it: passwords are in there. */
static int write_file(const char *path, const char *text, size_t length)
{
	cleanup(freep) char *temporary = NULL;
	cleanup(closep) int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return -errno;
	r = give_to_frr(fd);
	if (r == 0)
		r = file_write_all(fd, text, length);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

static void wipe(struct strbuf *text)
{
	if (text->text)
		explicit_bzero(text->text, text->capacity);
	strbuf_done(text);
}

/* Only what bgpd has taken over is written: a configuration that it refuses must not meet it again at its start. */
static void save(struct frr *frr)
{
	cleanup(wipe) struct strbuf text = { 0 };
	int r;

	if (!frr->config_file || !frr->file_due || !frr_sync_done(frr->bgpd))
		return;
	frr->file_due = false;
	frr_config_text(&frr->wanted, &text);
	if (strbuf_failed(&text) || (frr->file.text && !strcmp(strbuf_text(&text), strbuf_text(&frr->file))))
		return;
	r = write_file(frr->config_file, text.text, text.length);
	if (r < 0) {
		log_warn("%s: %s; a bgpd that restarts begins empty and gets everything from here", frr->config_file,
			 strerror(-r));
		return;
	}
	wipe(&frr->file);
	frr->file = text;
	text = (struct strbuf){ 0 };
}

/* --- what is wanted --------------------------------------------------------------------------------------- */

static void on_bgpd_changed(void *userdata)
{
	struct frr_sessions none = { 0 };
	struct frr *frr = userdata;

	if (!frr->bgpd || !frr->bfdd) /* still being made */
		return;
	if (frr_sync_done(frr->bgpd)) {
		frr->file_due = true;
		frr_sync_settled(frr->bfdd, true);
	}
	/* What a lost bgpd said of sessions is not shown as news when it comes back. */
	update_views(frr, frr_sync_link(frr->bgpd) == FRR_CONNECTED ? NULL : &none);
	frr->changed(frr->userdata);
}

static void on_bfdd_changed(void *userdata)
{
	struct frr *frr = userdata;

	if (!frr->bfdd || frr_sync_link(frr->bfdd) == FRR_CONNECTED)
		return;
	free(frr->bfd_json);
	frr->bfd_json = NULL;
}

static int on_debounce(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct frr *frr = userdata;
	struct frr_config old = frr->wanted;

	frr->waiting = false;
	frr->applied_usec = loop_now_usec();
	frr->wanted = frr->next;
	frr->next = (struct frr_config){ 0 };
	frr_sync_settled(frr->bfdd, false);
	frr_sync_want(frr->bfdd, &frr->wanted);
	frr_sync_want(frr->bgpd, &frr->wanted);
	update_views(frr, NULL);
	frr_config_done(&old); /* views compared themselves with it until here */
	return 0;
}

static bool is_astray(const struct frr_peer_view *view)
{
	return !strcmp(view->state, "Established") && view->prefixes_sent != view->prefixes_wanted;
}

/* Asks what is sent to the next neighbour, after the one that was asked last, to which too much is sent. */
static void look_for_stuck(struct frr *frr)
{
	size_t i, at;

	for (i = 1; i <= frr->n_views; i++) {
		at = (frr->asked + i) % frr->n_views;
		if (!is_astray(&frr->views[at]) || frr->views[at].prefixes_sent < frr->views[at].prefixes_wanted)
			continue;
		free(frr->sent_to);
		frr->sent_to = strdup(frr->wanted.neighbors[at].id); /* views have their order */
		frr->question = frr->sent_to ? ASK_SENT_IPV4 : ASK_NOTHING;
		frr->asked = at;
		return;
	}
}

/* bgpd has acknowledged everything and the sessions stand, yet the RIB-out is not what it should be, and no longer changes:
 * what is sent too much is withdrawn again, a few times if that does not help; what stays is said once. */
static void audit(struct frr *frr)
{
	const struct frr_peer_view *astray = NULL;
	uint64_t sent = 0;
	size_t i;

	if (!frr_in_sync(frr)) {
		frr->astray_ticks = 0;
		return;
	}
	for (i = 0; i < frr->n_views; i++) {
		if (!is_astray(&frr->views[i]))
			continue;
		astray = &frr->views[i];
		sent += astray->prefixes_sent;
	}
	if (sent < frr->astray_sent)
		frr->n_unstuck = 0;
	frr->astray_ticks = !astray ? 0 : sent != frr->astray_sent ? 1 : frr->astray_ticks + 1;
	frr->astray_sent = sent;
	if (frr->astray_ticks >= TICKS_STUCK && frr->astray_ticks < TICKS_ASTRAY && frr->n_unstuck < UNSTICK_TRIES &&
	    frr->question == ASK_NOTHING)
		look_for_stuck(frr);
	if (frr->astray_ticks == TICKS_ASTRAY)
		log_warn("BGPPeer %s: %u prefixes are sent to it where %u are wanted; `show bgp neighbors %s advertised-routes` "
			 "tells which", astray->name, astray->prefixes_sent, astray->prefixes_wanted,
			 astray->interface ? astray->interface : "ADDRESS");
}

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct frr *frr = userdata;

	sd_event_source_set_time_relative(frr->tick, TICK_USEC);
	sd_event_source_set_enabled(frr->tick, SD_EVENT_ONESHOT);
	save(frr);
	audit(frr);
	if (frr->question == ASK_NOTHING)
		frr->question = ASK_SUMMARY;
	frr->ask_bfd = true;
	if (++frr->ticks % TICKS_PER_CHECK == 0) {
		frr_sync_check(frr->bgpd);
		frr_sync_check(frr->bfdd);
	}
	if (frr_sync_is_idle(frr->bgpd))
		on_bgpd_idle(frr);
	if (frr_sync_is_idle(frr->bfdd))
		on_bfdd_idle(frr);
	return 0;
}

/* --- frr.h -------------------------------------------------------------------------------------------------- */

static int copy_options(struct frr *frr, const struct frr_options *options)
{
	frr->cluster_cidrs = calloc(options->n_cluster_cidrs + 1, sizeof(*frr->cluster_cidrs));
	if (!frr->cluster_cidrs)
		return -ENOMEM;
	if (options->n_cluster_cidrs)
		memcpy(frr->cluster_cidrs, options->cluster_cidrs,
		       options->n_cluster_cidrs * sizeof(*frr->cluster_cidrs));
	frr->n_cluster_cidrs = options->n_cluster_cidrs;
	if (options->config_file && !(frr->config_file = strdup(options->config_file)))
		return -ENOMEM;
	if (options->secret_namespace && !(frr->secret_namespace = strdup(options->secret_namespace)))
		return -ENOMEM;
	return 0;
}

DEFINE_CLEANUP(struct frr *, frr_free);

int frr_new(struct sd_event *event, const struct frr_options *options, frr_change_fn *changed, void *userdata,
	    struct frr **ret)
{
	static const struct frr_sync_events bgpd = { .changed = on_bgpd_changed, .idle = on_bgpd_idle };
	static const struct frr_sync_events bfdd = { .changed = on_bfdd_changed, .idle = on_bfdd_idle };
	cleanup(frr_freep) struct frr *frr = calloc(1, sizeof(*frr));
	int r;

	if (!frr)
		return -ENOMEM;
	frr->event = sd_event_ref(event);
	frr->changed = changed;
	frr->userdata = userdata;
	r = copy_options(frr, options);
	if (r == 0)
		r = frr_sync_new(event, options->vty_dir, FRR_BGPD, &bgpd, frr, &frr->bgpd);
	if (r == 0)
		r = frr_sync_new(event, options->vty_dir, FRR_BFDD, &bfdd, frr, &frr->bfdd);
	if (r == 0)
		r = sd_event_add_time_relative(event, &frr->debounce, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_debounce, frr);
	if (r >= 0)
		r = sd_event_source_set_enabled(frr->debounce, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &frr->tick, CLOCK_MONOTONIC, TICK_USEC, 1000, on_tick, frr);
	if (r < 0)
		return r;
	*ret = take(frr);
	return 0;
}

void frr_free(struct frr *frr)
{
	if (!frr)
		return;
	save(frr);
	sd_event_source_disable_unref(frr->debounce);
	sd_event_source_disable_unref(frr->tick);
	frr_sync_free(frr->bgpd);
	frr_sync_free(frr->bfdd);
	frr_config_done(&frr->wanted);
	frr_config_done(&frr->next);
	frr_sessions_done(&frr->sessions);
	wipe(&frr->file);
	free(frr->bfd_json);
	free(frr->sent_to);
	free(frr->views);
	free(frr->config_file);
	free(frr->secret_namespace);
	free(frr->cluster_cidrs);
	sd_event_unref(frr->event);
	free(frr);
}

/* A burst becomes one batch: the debounce is not moved by what comes later. */
static int want_next(struct frr *frr, struct frr_config *config)
{
	uint64_t wait_usec = 0;

	frr_config_done(&frr->next);
	frr->next = *config;
	frr->wants = true;
	if (frr->waiting)
		return 0;
	frr->waiting = true;
	if (loop_now_usec() < frr->applied_usec + GATHER_AGAIN_USEC)
		wait_usec = GATHER_USEC;
	sd_event_source_set_time_relative(frr->debounce, wait_usec);
	return sd_event_source_set_enabled(frr->debounce, SD_EVENT_ONESHOT) < 0 ? -ENOMEM : 0;
}

int frr_want(struct frr *frr, const struct cluster *cluster, const char *node, const struct routes *routes,
	     struct problems *problems)
{
	const struct frr_render input = {
		.cluster = cluster,
		.node = node,
		.secret_namespace = frr->secret_namespace,
		.cluster_cidrs = frr->cluster_cidrs,
		.n_cluster_cidrs = frr->n_cluster_cidrs,
		.routes = routes,
	};
	struct frr_config config;
	int r;

	r = frr_config_render(&input, &config, problems);
	return r < 0 ? r : want_next(frr, &config);
}

bool frr_in_sync(const struct frr *frr)
{
	return frr->wants && !frr->waiting && frr_sync_done(frr->bgpd);
}

bool frr_announces(const struct frr *frr, const struct prefix *prefix)
{
	return frr_sync_announces(frr->bgpd, prefix);
}

size_t frr_peers(const struct frr *frr, const struct frr_peer_view **ret)
{
	*ret = frr->views;
	return frr->n_views;
}

uint64_t frr_commands(const struct frr *frr)
{
	return frr_sync_commands(frr->bgpd) + frr_sync_commands(frr->bfdd);
}

const char *frr_daemon_state(const struct frr *frr)
{
	return frr_link_name(frr_sync_link(frr->bgpd));
}

static void ignore_change(void *userdata _unused_)
{
}

/* Nothing is wanted any more: the same driver, on a loop of its own, until bgpd says so or the time is over. */
int frr_withdraw_all(const struct frr_options *options)
{
	cleanup(sd_event_unrefp) struct sd_event *event = NULL;
	cleanup(frr_freep) struct frr *frr = NULL;
	struct frr_options without_file = *options;
	struct frr_config nothing = { 0 };
	uint64_t begin, now;
	int r;

	if (options->config_file && unlink(options->config_file) < 0 && errno != ENOENT)
		log_warn("%s: %m; a bgpd that restarts announces it again", options->config_file);
	without_file.config_file = NULL;
	r = sd_event_new(&event);
	if (r == 0)
		r = frr_new(event, &without_file, ignore_change, NULL, &frr);
	if (r == 0)
		r = want_next(frr, &nothing);
	if (r < 0)
		return r;
	sd_event_now(event, CLOCK_MONOTONIC, &begin);
	for (now = begin; now - begin < WITHDRAW_LIMIT_USEC; sd_event_now(event, CLOCK_MONOTONIC, &now)) {
		if (frr_in_sync(frr) && (frr_sync_done(frr->bfdd) || frr_sync_link(frr->bfdd) != FRR_CONNECTED))
			return 0;
		if (frr_sync_link(frr->bgpd) == FRR_NOT_RUNNING && now - begin > WITHDRAW_ABSENT_USEC)
			return 0;
		r = sd_event_run(event, 50000);
		if (r < 0)
			return r;
	}
	return -ETIMEDOUT;
}
