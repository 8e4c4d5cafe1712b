// SPDX-License-Identifier: Apache-2.0
/* One condition, wanted and seen: see conditions.h. */
#include "ipam/conditions.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/core/explain.h"

#define MESSAGE_MAX                                                                                          \
	4096 /* Kubernetes takes 32 KiB, but nobody reads them, and they are kept once for each Service */
#define REASON_MAX 128

const char *condition_status_name(enum condition_status status)
{
	switch (status) {
	case CONDITION_TRUE:
		return "True";
	case CONDITION_FALSE:
		return "False";
	case CONDITION_UNKNOWN:
		break;
	}
	return "Unknown";
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const char *condition_reason_or(const char *reason, const char *fallback)
{
	size_t i;

	if (!is_letter(*reason))
		return fallback;
	for (i = 1; reason[i]; i++)
		if (i >= REASON_MAX || !(is_letter(reason[i]) || (reason[i] >= '0' && reason[i] <= '9')))
			return fallback;
	return reason;
}

/* As it will be read back: compared with what was seen it must not differ for ever. */
static void written_message(struct strbuf *out, const struct condition_want *want)
{
	strbuf_append_escaped(out, want->message, MESSAGE_MAX);
}

static bool says(const struct condition *condition, const struct condition_want *want)
{
	cleanup(strbuf_done) struct strbuf message = { 0 };

	if (text_equal(condition->message, want->message))
		return true; /* mostly, and without a copy */
	written_message(&message, want);
	return text_equal(condition->message, strbuf_text(&message));
}

enum condition_change condition_compare(const struct conditions *seen, const struct condition_want *want)
{
	const struct condition *condition = conditions_find(seen, want->type);

	if (!condition || condition->status != want->status || !text_equal(condition->reason, want->reason))
		return CONDITION_TURNED;
	return says(condition, want) && condition->generation == want->generation ? CONDITION_SAME
										  : CONDITION_REWORDED;
}

static void append_member(struct strbuf *out, const char *name, const char *value)
{
	strbuf_appendf(out, "\"%s\":", name);
	json_append_string(out, value);
	strbuf_append(out, ",");
}

void condition_json(struct strbuf *out, const struct conditions *seen, const struct condition_want *want,
		    int64_t now_sec)
{
	const struct condition *condition = conditions_find(seen, want->type);
	bool stays = condition && condition->status == want->status && condition->transition_sec;
	cleanup(strbuf_done) struct strbuf message = { 0 };

	written_message(&message, want);
	strbuf_append(out, "{");
	append_member(out, "type", want->type);
	append_member(out, "status", condition_status_name(want->status));
	append_member(out, "reason", want->reason);
	append_member(out, "message", strbuf_text(&message));
	if (want->generation)
		strbuf_appendf(out, "\"observedGeneration\":%" PRId64 ",", want->generation);
	strbuf_append(out, "\"lastTransitionTime\":\"");
	strbuf_append_time(out, stays ? condition->transition_sec : now_sec);
	strbuf_append(out, "\"}");
	if (strbuf_failed(&message))
		out->failed = true;
}

struct condition_want condition_valid(const struct meta *meta, const char *instead, struct strbuf *message)
{
	if (meta->refused)
		strbuf_appendf(message, "%s; %s", meta->refused, instead);
	return (struct condition_want){ .type = "Valid",
					.status = meta->refused ? CONDITION_FALSE : CONDITION_TRUE,
					.reason = meta->refused ? "Refused" : "Valid",
					.message = strbuf_text(message),
					.generation = meta_newest_generation(meta) };
}

void conditions_status_patch(struct strbuf *out, const struct meta *meta, const struct condition_want *wants,
			     size_t n, int64_t now_sec)
{
	int64_t generation = meta_newest_generation(meta);
	size_t i;

	strbuf_append(out, "{\"status\":{");
	if (generation)
		strbuf_appendf(out, "\"observedGeneration\":%" PRId64 ",", generation);
	strbuf_append(out, "\"conditions\":[");
	for (i = 0; i < n; i++) {
		struct condition_want want = wants[i];

		want.generation = generation;
		strbuf_append(out, i ? "," : "");
		condition_json(out, &meta->conditions, &want, now_sec);
	}
	strbuf_append(out, "]}}");
}
