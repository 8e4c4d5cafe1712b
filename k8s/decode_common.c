// SPDX-License-Identifier: Apache-2.0
/* Reading single fields of hostile objects: see decode_common.h. */
#include "k8s/decode_common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

#define MAX_PROBLEMS	 20 /* of one object: a tenant's slice of nonsense must not drown the others' */
#define MAX_SELECTORS	 64
#define MAX_REQUIREMENTS 64
#define MAX_VALUES	 256
#define MAX_CONDITIONS	 64
#define LABEL_KEY_MAX	 317 /* a prefix of 253, '/', a name of 63 */

/* --- problems ------------------------------------------------------------------------------------------ */

static void add_problem(struct decoder *decoder, const struct json *parent, const char *name,
			const char *format, va_list arguments)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };
	cleanup(strbuf_done) struct strbuf message = { 0 };
	int r;

	if (++decoder->n_problems > MAX_PROBLEMS + 1)
		return;
	if (decoder->n_problems > MAX_PROBLEMS) {
		r = problems_add(decoder->problems, decoder->object, "",
				 "more is wrong with it than is listed here");
		if (r < 0)
			decoder->no_memory = true;
		return;
	}
	if (parent)
		json_append_path(&path, decoder->root, parent);
	if (name)
		strbuf_appendf(&path, "%s%s", strbuf_text(&path)[0] ? "." : "", name);
	strbuf_vappendf(&message, format, arguments);
	if (strbuf_failed(&path) || strbuf_failed(&message) ||
	    problems_add(decoder->problems, decoder->object, strbuf_text(&path), "%s",
			 strbuf_text(&message)) < 0)
		decoder->no_memory = true;
}

void decode_refuse(struct decoder *decoder, const struct json *parent, const char *name, const char *format,
		   ...)
{
	va_list arguments;

	decoder->refused = true;
	va_start(arguments, format);
	add_problem(decoder, parent, name, format, arguments);
	va_end(arguments);
}

void decode_report(struct decoder *decoder, const struct json *parent, const char *name, const char *format,
		   ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_problem(decoder, parent, name, format, arguments);
	va_end(arguments);
}

/* A value as messages show it. */
static void refuse_value(struct decoder *decoder, const struct json *value, const char *what)
{
	switch (decoder->hide_values ? JSON_NULL : value->type) {
	case JSON_NULL:
		decode_refuse(decoder, value, NULL, "%s", what);
		break;
	case JSON_BOOL:
		decode_refuse(decoder, value, NULL, "%s: %s", what, value->boolean ? "true" : "false");
		break;
	case JSON_NUMBER:
		decode_refuse(decoder, value, NULL, "%s: %.100s", what, value->text);
		break;
	case JSON_STRING:
		decode_refuse(decoder, value, NULL, "%s: \"%.100s\"", what, value->text);
		break;
	case JSON_ARRAY:
		decode_refuse(decoder, value, NULL, "%s but a list", what);
		break;
	case JSON_OBJECT:
		decode_refuse(decoder, value, NULL, "%s but a map", what);
		break;
	}
}

/* --- memory -------------------------------------------------------------------------------------------- */

const char *keep_text(struct decoder *decoder, const char *text)
{
	const char *copy = arena_string(decoder->arena, text);

	if (text && !copy)
		decoder->no_memory = true;
	return copy;
}

void *keep_array(struct decoder *decoder, size_t n, size_t size)
{
	void *array = arena_array(decoder->arena, n, size);

	if (!array)
		decoder->no_memory = true;
	return array;
}

/* --- fields -------------------------------------------------------------------------------------------- */

static bool has_type(struct decoder *decoder, const struct json *value, enum json_type type)
{
	char what[32];

	if (value->type == type)
		return true;
	snprintf(what, sizeof(what), type == JSON_BOOL ? "not %s" : "not a %s", json_type_name(type));
	refuse_value(decoder, value, what);
	return false;
}

const struct json *field(struct decoder *decoder, const struct json *parent, const char *name,
			 enum json_type type)
{
	const struct json *value = json_member(parent, name);

	if (!value || value->type == JSON_NULL || !has_type(decoder, value, type))
		return NULL;
	return value;
}

static const struct json *bounded(struct decoder *decoder, const struct json *value, size_t max)
{
	if (!value || value->n <= max)
		return value;
	decode_refuse(decoder, value, NULL, "more than %zu entries: %u", max, value->n);
	return NULL;
}

const struct json *field_list(struct decoder *decoder, const struct json *parent, const char *name,
			      size_t max)
{
	return bounded(decoder, field(decoder, parent, name, JSON_ARRAY), max);
}

const struct json *field_map(struct decoder *decoder, const struct json *parent, const char *name, size_t max)
{
	return bounded(decoder, field(decoder, parent, name, JSON_OBJECT), max);
}

bool entry_is_map(struct decoder *decoder, const struct json *entry)
{
	return has_type(decoder, entry, JSON_OBJECT);
}

bool field_bool(struct decoder *decoder, const struct json *parent, const char *name, bool fallback)
{
	const struct json *value = field(decoder, parent, name, JSON_BOOL);

	return value ? value->boolean : fallback;
}

int64_t field_number(struct decoder *decoder, const struct json *parent, const char *name, int64_t min,
		     int64_t max, int64_t fallback)
{
	const struct json *value = field(decoder, parent, name, JSON_NUMBER);
	int64_t number;
	int r;

	if (!value)
		return fallback;
	r = json_integer(value, min, max, &number);
	if (!r)
		return number;
	if (r == -ERANGE)
		decode_refuse(decoder, value, NULL, "not in %lld..%lld: %.100s", (long long)min,
			      (long long)max, value->text);
	else
		refuse_value(decoder, value, "not a plain whole number");
	return fallback;
}

/* A text that may be used: bounded, without U+0000. */
static const char *usable_text(struct decoder *decoder, const struct json *value, size_t max)
{
	if (value->has_nul) {
		decode_refuse(decoder, value, NULL, "holds a NUL character");
		return NULL;
	}
	if (strlen(value->text) > max) {
		decode_refuse(decoder, value, NULL, "longer than %zu bytes", max);
		return NULL;
	}
	return value->text;
}

/* Borrowed from the JSON. */
static const char *peek_text(struct decoder *decoder, const struct json *parent, const char *name,
			     const struct json **ret_value)
{
	const struct json *value = field(decoder, parent, name, JSON_STRING);

	*ret_value = value;
	return value ? usable_text(decoder, value, TEXT_MAX) : NULL;
}

const char *field_text(struct decoder *decoder, const struct json *parent, const char *name)
{
	const struct json *value;

	return keep_text(decoder, peek_text(decoder, parent, name, &value));
}

const char *field_text_or(struct decoder *decoder, const struct json *parent, const char *name,
			  const char *fallback)
{
	const char *text = field_text(decoder, parent, name);

	return text ? text : fallback;
}

const char *field_name(struct decoder *decoder, const struct json *parent, const char *name)
{
	const struct json *value;
	const char *text = peek_text(decoder, parent, name, &value);

	if (!text || !*text)
		return NULL;
	if (!text_is_dns_subdomain(text)) {
		refuse_value(decoder, value, "not a name");
		return NULL;
	}
	return keep_text(decoder, text);
}

int field_choice(struct decoder *decoder, const struct json *parent, const char *name,
		 const struct choice *choices, int fallback)
{
	cleanup(strbuf_done) struct strbuf known = { 0 };
	const struct choice *choice;
	const struct json *value;
	const char *text = peek_text(decoder, parent, name, &value);

	if (!text || !*text)
		return fallback;
	for (choice = choices; choice->word; choice++)
		if (strcmp(choice->word, text) == 0)
			return choice->value;
	for (choice = choices; choice->word; choice++)
		strbuf_appendf(&known, "%s%s", choice > choices ? choice[1].word ? ", " : " or " : "",
			       choice->word);
	decode_refuse(decoder, value, NULL, "not %s: %.100s", strbuf_text(&known), text);
	return fallback;
}

struct addr field_addr(struct decoder *decoder, const struct json *parent, const char *name)
{
	const struct json *value;
	const char *text = peek_text(decoder, parent, name, &value);
	struct addr addr = { 0 };

	if (text && *text && addr_parse(text, &addr) < 0)
		decode_refuse(decoder, value, NULL, "not an address: %.100s", text);
	return addr;
}

uint32_t field_seconds(struct decoder *decoder, const struct json *parent, const char *name, uint32_t min,
		       uint32_t max, uint32_t fallback)
{
	const struct json *value = json_member(parent, name);
	const char *text;
	uint64_t seconds;
	int r;

	if (value && value->type == JSON_NUMBER)
		return (uint32_t)field_number(decoder, parent, name, min, max, fallback);
	text = peek_text(decoder, parent, name, &value);
	if (!text || !*text)
		return fallback;
	r = parse_number(text, 0, UINT32_MAX, &seconds);
	if (r < 0)
		r = duration_parse(text, &seconds);
	if (r == -EDOM)
		decode_refuse(decoder, value, NULL, "not whole seconds: %.100s", text);
	else if (r < 0)
		decode_refuse(decoder, value, NULL, "not a duration such as 90s: %.100s", text);
	else if (seconds < min || seconds > max)
		decode_refuse(decoder, value, NULL, "not in %us..%us: %.100s", min, max, text);
	else
		return (uint32_t)seconds;
	return fallback;
}

struct strings field_strings(struct decoder *decoder, const struct json *parent, const char *name, size_t max)
{
	const struct json *list = field_list(decoder, parent, name, max), *entry;
	struct strings strings = { 0 };

	if (!list || !list->n)
		return strings;
	strings.items = keep_array(decoder, list->n, sizeof(*strings.items));
	for (entry = list->child; entry && strings.items; entry = entry->next) {
		const char *text =
			has_type(decoder, entry, JSON_STRING) ? usable_text(decoder, entry, TEXT_MAX) : NULL;

		strings.items[strings.n++] = keep_text(decoder, text ? text : "");
	}
	return strings;
}

/* --- labels and selectors ------------------------------------------------------------------------------ */

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

struct labels field_labels(struct decoder *decoder, const struct json *parent, const char *name, size_t max,
			   size_t value_max)
{
	const struct json *map = field_map(decoder, parent, name, max), *member;
	struct labels labels = { 0 };

	if (!map || !map->n)
		return labels;
	labels.items = keep_array(decoder, map->n, sizeof(*labels.items));
	for (member = map->child; member && labels.items; member = member->next) {
		if (!*member->key || strlen(member->key) > LABEL_KEY_MAX ||
		    !text_is_printable_ascii(member->key)) {
			decode_refuse(decoder, map, NULL, "not a key: %.100s", member->key);
			continue;
		}
		if (member->type != JSON_NULL && !has_type(decoder, member, JSON_STRING))
			continue;
		if (member->text && strlen(member->text) > value_max) {
			decode_refuse(decoder, member, NULL, "longer than %zu bytes", value_max);
			continue;
		}
		labels.items[labels.n].key = keep_text(decoder, member->key);
		labels.items[labels.n++].value = keep_text(decoder, member->text ? member->text : "");
	}
	if (!decoder->no_memory)
		qsort(labels.items, labels.n, sizeof(*labels.items), compare_labels);
	return labels;
}

static void decode_requirement(struct decoder *decoder, const struct json *entry,
			       struct selector_requirement *ret)
{
	static const struct choice operators[] = { { "In", SELECTOR_IN },
						   { "NotIn", SELECTOR_NOT_IN },
						   { "Exists", SELECTOR_EXISTS },
						   { "DoesNotExist", SELECTOR_DOES_NOT_EXIST },
						   { NULL, 0 } };
	int relation = field_choice(decoder, entry, "operator", operators, -1);
	struct strings values = field_strings(decoder, entry, "values", MAX_VALUES);
	bool wants_values = relation == SELECTOR_IN || relation == SELECTOR_NOT_IN;
	const char *key = field_text_or(decoder, entry, "key", "");

	if (!*key)
		decode_refuse(decoder, entry, "key", "missing");
	if (relation < 0) {
		if (!decoder->refused)
			decode_refuse(decoder, entry, "operator", "missing");
		return;
	}
	if (wants_values && !values.n)
		decode_refuse(decoder, entry, "values", "missing: In and NotIn need some");
	else if (!wants_values && values.n)
		decode_refuse(decoder, entry, "values", "Exists and DoesNotExist take none");
	*ret = (struct selector_requirement){ key, (enum selector_operator)relation, values };
}

static void decode_selector(struct decoder *decoder, const struct json *entry, struct selector *ret)
{
	const struct json *expressions = field_list(decoder, entry, "matchExpressions", MAX_REQUIREMENTS),
			  *expression;
	struct labels labels = field_labels(decoder, entry, "matchLabels", MAX_REQUIREMENTS, TEXT_MAX);

	ret->requirements = keep_array(decoder, labels.n + (expressions ? expressions->n : 0),
				       sizeof(*ret->requirements));
	if (!ret->requirements)
		return;
	for (size_t i = 0; i < labels.n; i++) {
		const char **values = keep_array(decoder, 1, sizeof(*values));

		if (!values)
			return;
		values[0] = labels.items[i].value;
		ret->requirements[ret->n++] =
			(struct selector_requirement){ labels.items[i].key, SELECTOR_IN, { values, 1 } };
	}
	for (expression = expressions ? expressions->child : NULL; expression; expression = expression->next)
		if (entry_is_map(decoder, expression))
			decode_requirement(decoder, expression, &ret->requirements[ret->n++]);
}

struct selectors field_selectors(struct decoder *decoder, const struct json *parent, const char *name)
{
	const struct json *list = field_list(decoder, parent, name, MAX_SELECTORS), *entry;
	struct selectors selectors = { 0 };

	if (!list || !list->n)
		return selectors;
	selectors.items = keep_array(decoder, list->n, sizeof(*selectors.items));
	for (entry = list->child; entry && selectors.items; entry = entry->next)
		if (entry_is_map(decoder, entry))
			decode_selector(decoder, entry, &selectors.items[selectors.n++]);
	return selectors;
}

enum l4_protocol field_protocol(struct decoder *decoder, const struct json *parent, const char *name)
{
	static const struct choice protocols[] = {
		{ "TCP", L4_TCP }, { "UDP", L4_UDP }, { "SCTP", L4_SCTP }, { NULL, 0 }
	};

	return (enum l4_protocol)field_choice(decoder, parent, name, protocols, L4_TCP);
}

enum taint_effect field_taint_effect(struct decoder *decoder, const struct json *parent, const char *name,
				     bool *ret_any)
{
	static const struct choice effects[] = { { "NoSchedule", TAINT_NO_SCHEDULE },
						 { "PreferNoSchedule", TAINT_PREFER_NO_SCHEDULE },
						 { "NoExecute", TAINT_NO_EXECUTE },
						 { NULL, 0 } };
	int effect = field_choice(decoder, parent, name, effects, -1);

	*ret_any = effect < 0;
	return effect < 0 ? TAINT_NO_SCHEDULE : (enum taint_effect)effect;
}

static const char *condition_text(struct decoder *decoder, const struct json *entry, const char *name)
{
	const struct json *value = json_member(entry, name);

	return value && value->type == JSON_STRING ? keep_text(decoder, value->text) : "";
}

static int64_t condition_number(const struct json *entry, const char *name)
{
	const struct json *value = json_member(entry, name);
	int64_t number;

	return value && json_integer(value, 0, INT64_MAX, &number) == 0 ? number : 0;
}

static int64_t condition_time(const struct json *entry, const char *name)
{
	const struct json *value = json_member(entry, name);
	int64_t seconds;

	return value && value->type == JSON_STRING && time_parse(value->text, &seconds) == 0 ? seconds : 0;
}

static enum condition_status condition_status(const struct json *entry)
{
	const struct json *value = json_member(entry, "status");

	if (!value || value->type != JSON_STRING)
		return CONDITION_UNKNOWN;
	return !strcmp(value->text, "True") ? CONDITION_TRUE :
	       !strcmp(value->text, "False") ? CONDITION_FALSE :
					       CONDITION_UNKNOWN;
}

struct conditions field_conditions(struct decoder *decoder, const struct json *status, const char *prefix)
{
	const struct json *list = json_member(status, "conditions"), *entry;
	struct conditions conditions = { 0 };
	size_t n = 0;

	for (entry = list && list->type == JSON_ARRAY ? list->child : NULL; entry; entry = entry->next) {
		const struct json *type = json_member(entry, "type");

		n += type && type->type == JSON_STRING && strncmp(type->text, prefix, strlen(prefix)) == 0;
	}
	if (!n || n > MAX_CONDITIONS)
		return conditions;
	conditions.items = keep_array(decoder, n, sizeof(*conditions.items));
	for (entry = list->child; entry && conditions.items; entry = entry->next) {
		const struct json *type = json_member(entry, "type");

		if (!type || type->type != JSON_STRING || strncmp(type->text, prefix, strlen(prefix)) != 0)
			continue;
		conditions.items[conditions.n++] = (struct condition){
			.type = keep_text(decoder, type->text),
			.reason = condition_text(decoder, entry, "reason"),
			.message = condition_text(decoder, entry, "message"),
			.status = condition_status(entry),
			.transition_sec = condition_time(entry, "lastTransitionTime"),
			.generation = condition_number(entry, "observedGeneration"),
		};
	}
	return conditions;
}
