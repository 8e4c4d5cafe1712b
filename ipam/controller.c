// SPDX-License-Identifier: Apache-2.0
/* One round of lbcontroller: see controller.h. It logs each story once, when it changes. */
#include "ipam/controller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipam/status_file.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"

int controller_init(struct controller *controller, const char *status_path, bool default_class)
{
	cleanup(strbuf_done) struct strbuf why = { 0 };
	int r;

	*controller = (struct controller){ .status_path = status_path, .default_class = default_class };
	r = status_file_read(status_path, &controller->book, &why);
	if (r < 0)
		log_error("%s: %s; addresses already given are in it, so nothing is done without it: mend it, or move it "
			  "away to give all addresses anew", status_path, why.length ? strbuf_text(&why) : strerror(-r));
	else
		log_info("%s: %zu Services with their addresses", status_path, controller->book.n_entries);
	return r;
}

void controller_done(struct controller *controller)
{
	status_book_done(&controller->book);
	problem_lines_done(&controller->problems);
}

/* --- what is said ---------------------------------------------------------------------------------------- */

static bool same_addresses(const struct status_entry *a, const struct status_entry *b)
{
	size_t i;

	if (a->n_addresses != b->n_addresses)
		return false;
	for (i = 0; i < a->n_addresses; i++)
		if (!addr_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

static void append_addresses(struct strbuf *out, const struct status_entry *entry)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (!entry || !entry->n_addresses)
		strbuf_append(out, "no address");
	for (i = 0; entry && i < entry->n_addresses; i++)
		strbuf_appendf(out, "%s%s", i ? ", " : "", addr_format(&entry->addresses[i], text));
}

static void say_entry(const struct status_entry *before, const struct status_entry *now)
{
	cleanup(strbuf_done) struct strbuf line = { 0 };

	strbuf_appendf(&line, "service %s/%s: ", now->namespace, now->name);
	append_addresses(&line, now);
	if (before && before->n_addresses && !same_addresses(before, now)) {
		strbuf_append(&line, ", before ");
		append_addresses(&line, before);
	}
	if (*now->reason)
		log_warn("%s: %s: %s", strbuf_text(&line), now->reason, now->message);
	else
		log_info("%s", strbuf_text(&line));
}

static void say_changes(const struct status_book *old, const struct status_book *new)
{
	size_t i;

	for (i = 0; i < new->n_entries; i++) {
		const struct status_entry *now = &new->entries[i];
		const struct status_entry *before = status_book_find(old, now->namespace, now->name);

		if (!before || !same_addresses(before, now) || !text_equal(before->reason, now->reason))
			say_entry(before, now);
	}
	for (i = 0; i < old->n_entries; i++) {
		cleanup(strbuf_done) struct strbuf freed = { 0 };
		const struct status_entry *before = &old->entries[i];

		if (!before->n_addresses || status_book_find(new, before->namespace, before->name))
			continue;
		append_addresses(&freed, before);
		log_info("service %s/%s: gone, %s is free", before->namespace, before->name, strbuf_text(&freed));
	}
}

/* --- one round ------------------------------------------------------------------------------------------- */

static int next_book(const struct controller *controller, const struct cluster *cluster, const struct problems *problems,
		     int64_t now_sec, struct status_book *ret, bool *ret_satisfied)
{
	cleanup(allocations_done) struct allocations allocations = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	struct cluster overlay;
	int r;

	r = status_book_overlay(&controller->book, cluster, problems, &arena, &overlay);
	if (r == 0)
		r = allocate(&overlay, controller->default_class, &allocations);
	if (r == 0)
		r = status_book_next(&controller->book, cluster, problems, &allocations, now_sec, ret);
	if (r == 0)
		*ret_satisfied = allocations_satisfied(&allocations);
	return r;
}

/* Are all of the new book's addresses and words in the file already? */
static bool same_text(const struct strbuf *a, const struct strbuf *b)
{
	return a->length == b->length && !memcmp(strbuf_text(a), strbuf_text(b), a->length);
}

static int commit(struct controller *controller, struct status_book *next, bool *ret_changed)
{
	cleanup(strbuf_done) struct strbuf before = { 0 }, after = { 0 };
	int r = 0;

	status_book_json(&before, &controller->book);
	status_book_json(&after, next);
	if (strbuf_failed(&before) || strbuf_failed(&after))
		return -ENOMEM;
	*ret_changed = !same_text(&before, &after);
	/* A file that somebody removed is written again, or the next start would know nothing. */
	if (*ret_changed || access(controller->status_path, F_OK) < 0)
		r = status_file_write(controller->status_path, strbuf_text(&after), after.length);
	if (r < 0)
		return r;
	if (*ret_changed)
		say_changes(&controller->book, next);
	status_book_done(&controller->book);
	controller->book = *next;
	*next = (struct status_book){ 0 };
	return 0;
}

enum controller_result controller_round(struct controller *controller, struct store *store,
					const struct source_result *result, int64_t now_sec)
{
	cleanup(status_book_done) struct status_book next = { 0 };
	const struct cluster *cluster = store_cluster(store);
	bool changed = false;
	int r = -ENOMEM;

	problem_lines_say(&controller->problems, &result->problems);
	if (!result->delivered) {
		if (!controller->waiting_said)
			log_warn("the directory is missing or holds no manifest: every address stays as it is");
		controller->waiting_said = true;
		return CONTROLLER_WAITING;
	}
	controller->waiting_said = false;
	if (cluster)
		r = next_book(controller, cluster, &result->problems, now_sec, &next, &controller->satisfied);
	if (r == 0)
		r = commit(controller, &next, &changed);
	if (r < 0) {
		log_error("%s: %s; the old one stands, next try in a moment", controller->status_path, strerror(-r));
		return CONTROLLER_FAILED;
	}
	return changed ? CONTROLLER_CHANGED : CONTROLLER_AT_REST;
}
