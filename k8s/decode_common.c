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
#define LABEL_KEY_MAX	 317 /* a prefix of 253, '/', a name of 63 */

/* --- problems ------------------------------------------------------------------------------------------ */

static void add_problem(struct decoder *decoder, const struct json *parent, const char *name, const char *format,
			va_list arguments)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };
	cleanup(strbuf_done) struct strbuf message = { 0 };
	int r;

	if (++decoder->n_problems > MAX_PROBLEMS + 1)
		return;
	if (decoder->n_problems > MAX_PROBLEMS) {
		r = problems_add(decoder->problems, decoder->object, "", "more is wrong with it than is listed here");
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
	    problems_add(decoder->problems, decoder->object, strbuf_text(&path), "%s", strbuf_text(&message)) < 0)
		decoder->no_memory = true;
}

void decode_refuse(struct decoder *decoder, const struct json *parent, const char *name, const char *format, ...)
{
	va_list arguments;

	decoder->refused = true;
	va_start(arguments, format);
	add_problem(decoder, parent, name, format, arguments);
	va_end(arguments);
}

void decode_report(struct decoder *decoder, const struct json *parent, const char *name, const char *format, ...)
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

const struct json *field(struct decoder *decoder, const struct json *parent, const char *name, enum json_type type)
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

const struct json *field_list(struct decoder *decoder, const struct json *parent, const char *name, size_t max)
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

int64_t field_number(struct decoder *decoder, const struct json *parent, const char *name, int64_t min, int64_t max,
		     int64_t fallback)
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
		decode_refuse(decoder, value, NULL, "not in %lld..%lld: %.100s", (long long)min, (long long)max,
			      value->text);
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

const char *field_text_or(struct decoder *decoder, const struct json *parent, const char *name, const char *fallback)
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

int field_choice(struct decoder *decoder, const struct json *parent, const char *name, const struct choice *choices,
		 int fallback)
{
	cleanup(strbuf_done) struct strbuf known = { 0 };
	const struct choice *choice;
	const struct json *value;
	const char *text = peek_text(decoder, parent, name, &value);

	if (!text || !*text)
		return fallback;
	for (choice = choices; choice->word; choice++) {
		if (strcmp(choice->word, text) == 0)
			return choice->value;
		strbuf_appendf(&known, "%s%s", choice == choices ? "" : choice[1].word ? ", " : " or ", choice->word);
	}
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

uint32_t field_seconds(struct decoder *decoder, const struct json *parent, const char *name, uint32_t min, uint32_t max,
		       uint32_t fallback)
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
		const char *text = has_type(decoder, entry, JSON_STRING) ? usable_text(decoder, entry, TEXT_MAX) : NULL;

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
		if (!*member->key || strlen(member->key) > LABEL_KEY_MAX || !text_is_printable_ascii(member->key)) {
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

static void decode_requirement(struct decoder *decoder, const struct json *entry, struct selector_requirement *ret)
{
	static const struct choice operators[] = { { "In", SELECTOR_IN },
						   { "NotIn", SELECTOR_NOT_IN },
						   { "Exists", SELECTOR_EXISTS },
						   { "DoesNotExist", SELECTOR_DOES_NOT_EXIST },
						   { NULL, 0 } };
	int operator;
	bool wants_values;

	ret->key = field_text_or(decoder, entry, "key", "");
	if (!*ret->key)
		decode_refuse(decoder, entry, "key", "missing");
	operator = field_choice(decoder, entry, "operator", operators, -1);
	if (operator < 0) {
		if (!decoder->refused)
			decode_refuse(decoder, entry, "operator", "missing");
		return;
	}
	ret->operator = (enum selector_operator)operator;
	ret->values = field_strings(decoder, entry, "values", MAX_VALUES);
	wants_values = ret->operator== SELECTOR_IN || ret->operator== SELECTOR_NOT_IN;
	if (wants_values && !ret->values.n)
		decode_refuse(decoder, entry, "values", "missing: In and NotIn need some");
	else if (!wants_values && ret->values.n)
		decode_refuse(decoder, entry, "values", "Exists and DoesNotExist take none");
}

static void decode_selector(struct decoder *decoder, const struct json *entry, struct selector *ret)
{
	const struct json *expressions = field_list(decoder, entry, "matchExpressions", MAX_REQUIREMENTS), *expression;
	struct labels labels = field_labels(decoder, entry, "matchLabels", MAX_REQUIREMENTS, TEXT_MAX);

	ret->requirements = keep_array(decoder, labels.n + (expressions ? expressions->n : 0),
				       sizeof(*ret->requirements));
	if (!ret->requirements)
		return;
	for (size_t i = 0; i < labels.n; i++) {
		struct selector_requirement *requirement = &ret->requirements[ret->n++];

		requirement->key = labels.items[i].key;
		requirement->operator = SELECTOR_IN;
		requirement->values.items = keep_array(decoder, 1, sizeof(*requirement->values.items));
		if (!requirement->values.items)
			return;
		requirement->values.items[requirement->values.n++] = labels.items[i].value;
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

enum taint_effect field_taint_effect(struct decoder *decoder, const struct json *parent, const char *name, bool *ret_any)
{
	static const struct choice effects[] = { { "NoSchedule", TAINT_NO_SCHEDULE },
						 { "PreferNoSchedule", TAINT_PREFER_NO_SCHEDULE },
						 { "NoExecute", TAINT_NO_EXECUTE },
						 { NULL, 0 } };
	int effect = field_choice(decoder, parent, name, effects, -1);

	*ret_any = effect < 0;
	return effect < 0 ? TAINT_NO_SCHEDULE : (enum taint_effect)effect;
}

/* --- small notations ----------------------------------------------------------------------------------- */

/* `n` digits at *at; moves it. -1 if there are fewer. */
static int take_digits(const char **at, int n)
{
	int number = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		number = number * 10 + (**at - '0');
	}
	return number;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years are counted from March, so that the leap day is last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* "Z" or "+hh:mm" */
static int take_offset(const char **at, int *ret_sec)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes;

	if (take_char(at, 'Z')) {
		*ret_sec = 0;
		return 0;
	}
	if (!take_char(at, '+') && !take_char(at, '-'))
		return -EINVAL;
	hours = take_digits(at, 2);
	if (hours < 0 || hours > 23 || !take_char(at, ':'))
		return -EINVAL;
	minutes = take_digits(at, 2);
	if (minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_sec = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int time_parse(const char *text, int64_t *ret_sec)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int part[6], offset;
	static const char separators[] = "--T::";
	const char *at = text;

	for (int i = 0; i < 6; i++) {
		part[i] = take_digits(&at, i ? 2 : 4);
		if (part[i] < 0 || (i < 5 && !take_char(&at, separators[i])))
			return -EINVAL;
	}
	if (take_char(&at, '.')) {
		if (take_digits(&at, 1) < 0)
			return -EINVAL;
		at += strspn(at, "0123456789");
	}
	if (take_offset(&at, &offset) < 0 || *at || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
	    part[2] > month_days[part[1] - 1] || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return -EINVAL;
	if (part[1] == 2 && part[2] == 29 && (part[0] % 4 || (part[0] % 100 == 0 && part[0] % 400)))
		return -EINVAL;
	*ret_sec = days_from_date(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5] - offset;
	return 0;
}

/* One "1.5h" at *at, in nanoseconds. */
static int take_duration(const char **at, uint64_t *ret_nsec)
{
	static const struct {
		const char *unit;
		uint64_t nsec;
	} units[] = { { "ms", 1000000 }, { "us", 1000 }, { "\xc2\xb5s", 1000 }, { "ns", 1 },
		      { "h", 3600000000000 }, { "m", 60000000000 }, { "s", 1000000000 } };
	uint64_t whole = 0, fraction = 0, scale = 1;
	const char *begin = *at;
	size_t n_digits;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		whole = whole * 10 + (uint64_t)(**at - '0');
		if (whole > 1000000000) /* 30 years in seconds: more than anybody's timer */
			return -EINVAL;
	}
	n_digits = (size_t)(*at - begin);
	if (take_char(at, '.')) {
		for (; **at >= '0' && **at <= '9'; (*at)++, n_digits++) {
			if (scale >= 1000000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(**at - '0');
			scale *= 10;
		}
	}
	if (!n_digits)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strncmp(*at, units[i].unit, strlen(units[i].unit)) != 0)
			continue;
		*at += strlen(units[i].unit);
		*ret_nsec = 0;
		if (__builtin_mul_overflow(whole, units[i].nsec, &whole))
			return -EINVAL;
		*ret_nsec = whole + (uint64_t)((unsigned __int128)fraction * units[i].nsec / scale);
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, uint64_t *ret_sec)
{
	uint64_t total = 0, part;
	const char *at = text;

	if (strcmp(text, "0") == 0) {
		*ret_sec = 0;
		return 0;
	}
	do {
		if (take_duration(&at, &part) < 0 || __builtin_add_overflow(total, part, &total))
			return -EINVAL;
	} while (*at);
	if (total % 1000000000)
		return -EDOM;
	*ret_sec = total / 1000000000;
	return 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct arena *arena, const char *text, char **ret, size_t *ret_length)
{
	char *bytes = arena_alloc(arena, strlen(text) / 4 * 3 + 4);
	size_t length = 0, n = 0, padding = 0;
	uint32_t group = 0;

	if (!bytes)
		return -ENOMEM;
	for (; *text; text++) {
		int value = base64_value(*text);

		if (*text == '\n' || *text == '\r')
			continue;
		if (*text == '=' && (n % 4 == 2 || n % 4 == 3) && padding < 2)
			padding++;
		else if (value < 0 || padding)
			return -EINVAL;
		group = group << 6 | (uint32_t)(value < 0 ? 0 : value);
		if (++n % 4)
			continue;
		bytes[length++] = (char)(group >> 16);
		bytes[length++] = (char)(group >> 8);
		bytes[length++] = (char)group;
	}
	if (n % 4)
		return -EINVAL;
	length -= padding;
	bytes[length] = 0;
	*ret = bytes;
	*ret_length = length;
	return 0;
}
