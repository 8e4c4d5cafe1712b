// SPDX-License-Identifier: Apache-2.0
/* A strict JSON parser into trees of struct json, and the few ways to look at such a tree: see json.h. */
#include "k8s/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

struct parser {
	const char *at, *end;
	unsigned line;
	struct json_builder builder;
	struct json_error *error;
};

void json_error_set(struct json_error *error, unsigned line, const char *format, ...)
{
	va_list arguments;
	char *p;

	error->line = line;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	for (p = error->message; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
}

#define fail(parser, ...) (json_error_set((parser)->error, (parser)->line, __VA_ARGS__), -EINVAL)

/* --- building ------------------------------------------------------------------------------------------ */

int json_build(struct json_builder *builder, struct json *parent, struct json *last, enum json_type type,
	       unsigned line, struct json **ret)
{
	struct json *value;

	if (builder->n_values >= JSON_MAX_VALUES)
		return -E2BIG;
	value = arena_alloc(builder->arena, sizeof(*value));
	if (!value)
		return -ENOMEM;
	builder->n_values++;
	value->type = type;
	value->line = line;
	value->parent = parent;
	if (last)
		last->next = value;
	else if (parent)
		parent->child = value;
	if (parent) {
		parent->n++;
	} else {
		if (builder->last)
			builder->last->next = value;
		else
			builder->first = value;
		builder->last = value;
	}
	*ret = value;
	return 0;
}

char *json_text(struct arena *arena, const char *text, size_t length, bool *ret_has_nul)
{
	size_t n_nul = 0, i, at = 0;
	char *copy;

	for (i = 0; i < length; i++)
		n_nul += text[i] == 0;
	copy = arena_alloc(arena, length + 2 * n_nul + 1);
	if (!copy)
		return NULL;
	for (i = 0; i < length; i++) {
		if (text[i]) {
			copy[at++] = text[i];
		} else {
			memcpy(copy + at, "\xef\xbf\xbd", 3);
			at += 3;
		}
	}
	copy[at] = 0;
	*ret_has_nul = n_nul > 0;
	return copy;
}

static int compare_keys(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

const struct json *json_duplicate_key(const struct json *object)
{
	const struct json *member, *other, *found = NULL;
	cleanup(freep) const struct json **sorted = NULL;
	size_t n = 0;

	if (object->n <= 16) {
		for (member = object->child; member; member = member->next)
			for (other = object->child; other != member; other = other->next)
				if (strcmp(member->key, other->key) == 0)
					return member;
		return NULL;
	}
	sorted = calloc(object->n, sizeof(*sorted));
	if (!sorted)
		return object->child; /* out of memory: refused rather than believed */
	for (member = object->child; member; member = member->next)
		sorted[n++] = member;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < n && !found; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			found = sorted[i]->line >= sorted[i - 1]->line ? sorted[i] : sorted[i - 1];
	return found;
}

/* --- parsing ------------------------------------------------------------------------------------------- */

static void skip_blanks(struct parser *parser)
{
	for (; parser->at < parser->end; parser->at++) {
		if (*parser->at == '\n')
			parser->line++;
		else if (*parser->at != ' ' && *parser->at != '\t' && *parser->at != '\r')
			return;
	}
}

static int unexpected(struct parser *parser, const char *wanted)
{
	if (parser->at >= parser->end)
		return fail(parser, "the text ends where %s is expected", wanted);
	return fail(parser, "%s is expected, not '%c'", wanted, *parser->at);
}

static bool is_digit(const struct parser *parser)
{
	return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

static int parse_json_number(struct parser *parser, struct json *value)
{
	const char *begin = parser->at;

	if (*parser->at == '-')
		parser->at++;
	if (!is_digit(parser))
		return unexpected(parser, "a digit");
	if (*parser->at == '0')
		parser->at++;
	else
		while (is_digit(parser))
			parser->at++;
	if (parser->at < parser->end && *parser->at == '.') {
		parser->at++;
		if (!is_digit(parser))
			return unexpected(parser, "a digit");
		while (is_digit(parser))
			parser->at++;
	}
	if (parser->at < parser->end && (*parser->at == 'e' || *parser->at == 'E')) {
		parser->at++;
		if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-'))
			parser->at++;
		if (!is_digit(parser))
			return unexpected(parser, "a digit");
		while (is_digit(parser))
			parser->at++;
	}
	if (is_digit(parser))
		return fail(parser, "a number with a leading zero");
	value->text = arena_string_n(parser->builder.arena, begin, (size_t)(parser->at - begin));
	return value->text ? 0 : -ENOMEM;
}

/* Four hex digits at parser->at. */
static int parse_hex4(struct parser *parser, unsigned *ret)
{
	unsigned number = 0;

	for (int i = 0; i < 4; i++, parser->at++) {
		char c = parser->at < parser->end ? *parser->at : 0;

		if (c >= '0' && c <= '9')
			number = number * 16 + (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			number = number * 16 + (unsigned)((c | 0x20) - 'a') + 10;
		else
			return unexpected(parser, "a hexadecimal digit");
	}
	*ret = number;
	return 0;
}

static char *append_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

/* \uXXXX; a lone surrogate and U+0000 become U+FFFD. */
static int parse_unicode_escape(struct parser *parser, char **to, bool *has_nul)
{
	unsigned code, low;
	int r;

	r = parse_hex4(parser, &code);
	if (r < 0)
		return r;
	if (code >= 0xd800 && code < 0xdc00 && parser->end - parser->at >= 6 && parser->at[0] == '\\' &&
	    parser->at[1] == 'u') {
		const char *before = parser->at;

		parser->at += 2;
		r = parse_hex4(parser, &low);
		if (r < 0)
			return r;
		if (low >= 0xdc00 && low < 0xe000)
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		else
			parser->at = before;
	}
	if (code == 0)
		*has_nul = true;
	if (code == 0 || (code >= 0xd800 && code < 0xe000))
		code = 0xfffd;
	*to = append_utf8(*to, code);
	return 0;
}

static int parse_escape(struct parser *parser, char **to, bool *has_nul)
{
	static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

	if (parser->at >= parser->end)
		return unexpected(parser, "an escape");
	if (*parser->at == 'u') {
		parser->at++;
		return parse_unicode_escape(parser, to, has_nul);
	}
	for (size_t i = 0; i + 1 < sizeof(escapes); i += 2) {
		if (escapes[i] != *parser->at)
			continue;
		*(*to)++ = escapes[i + 1];
		parser->at++;
		return 0;
	}
	return unexpected(parser, "an escape");
}

/* The length of the valid UTF-8 sequence at `text` (no overlong form, no surrogate), or 0. */
static size_t sequence_length(const unsigned char *text, size_t left)
{
	size_t length = text[0] < 0x80			    ? 1
			: text[0] >= 0xc2 && text[0] < 0xe0 ? 2
			: (text[0] & 0xf0) == 0xe0	    ? 3
			: text[0] >= 0xf0 && text[0] < 0xf5 ? 4
							    : 0;

	if (!length || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

static int parse_json_string(struct parser *parser, const char **ret, bool *ret_has_nul)
{
	const char *p;
	char *text, *to;
	int r;

	/* An escape never yields more bytes than it takes, so the raw length is enough. */
	for (p = ++parser->at; p < parser->end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	if (p >= parser->end)
		return fail(parser, "a string that does not end");
	text = to = arena_alloc(parser->builder.arena, (size_t)(p - parser->at) + 1);
	if (!text)
		return -ENOMEM;
	while (*parser->at != '"') {
		size_t length = sequence_length((const unsigned char *)parser->at,
						(size_t)(parser->end - parser->at));

		if (!length)
			return fail(parser, "a string that is not UTF-8");
		if ((unsigned char)*parser->at < 0x20)
			return fail(parser, "a control character in a string");
		if (*parser->at == '\\') {
			parser->at++;
			r = parse_escape(parser, &to, ret_has_nul);
			if (r < 0)
				return r;
			continue;
		}
		memcpy(to, parser->at, length);
		to += length;
		parser->at += length;
	}
	parser->at++;
	*ret = text;
	return 0;
}

static int parse_value(struct parser *parser, struct json *parent, struct json *last, unsigned depth,
		       struct json **ret);

static int parse_key(struct parser *parser, const char **ret_key)
{
	bool has_nul = false;
	int r;

	skip_blanks(parser);
	if (parser->at >= parser->end || *parser->at != '"')
		return unexpected(parser, "a key in quotes");
	r = parse_json_string(parser, ret_key, &has_nul);
	if (r < 0)
		return r;
	skip_blanks(parser);
	if (parser->at >= parser->end || *parser->at != ':')
		return unexpected(parser, "':'");
	parser->at++;
	return 0;
}

static int parse_children(struct parser *parser, struct json *parent, unsigned depth)
{
	char close = parent->type == JSON_OBJECT ? '}' : ']';
	struct json *last = NULL;
	int r;

	parser->at++;
	skip_blanks(parser);
	if (parser->at < parser->end && *parser->at == close) {
		parser->at++;
		return 0;
	}
	for (;;) {
		const char *key = NULL;

		if (parent->type == JSON_OBJECT) {
			r = parse_key(parser, &key);
			if (r < 0)
				return r;
		}
		r = parse_value(parser, parent, last, depth + 1, &last);
		if (r < 0)
			return r;
		last->key = key;
		skip_blanks(parser);
		if (parser->at >= parser->end || (*parser->at != ',' && *parser->at != close))
			return unexpected(parser, close == '}' ? "',' or '}'" : "',' or ']'");
		if (*parser->at++ == close)
			return 0;
	}
}

static int parse_word(struct parser *parser, struct json *value)
{
	static const struct {
		const char *word;
		enum json_type type;
		bool boolean;
	} words[] = { { "null", JSON_NULL, false },
		      { "true", JSON_BOOL, true },
		      { "false", JSON_BOOL, false } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t length = strlen(words[i].word);

		if ((size_t)(parser->end - parser->at) < length ||
		    memcmp(parser->at, words[i].word, length) != 0)
			continue;
		value->type = words[i].type;
		value->boolean = words[i].boolean;
		parser->at += length;
		return 0;
	}
	return unexpected(parser, "a value");
}

static int parse_value(struct parser *parser, struct json *parent, struct json *last, unsigned depth,
		       struct json **ret)
{
	const struct json *duplicate;
	struct json *value;
	int r;

	skip_blanks(parser);
	if (parser->at >= parser->end)
		return unexpected(parser, "a value");
	if (depth > JSON_MAX_DEPTH)
		return fail(parser, "nested deeper than %d", JSON_MAX_DEPTH);
	r = json_build(&parser->builder, parent, last, JSON_NULL, parser->line, &value);
	if (r == -E2BIG)
		return fail(parser, "more than %d values", JSON_MAX_VALUES);
	if (r < 0)
		return r;
	switch (*parser->at) {
	case '{':
	case '[':
		value->type = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		r = parse_children(parser, value, depth);
		if (r < 0 || value->type == JSON_ARRAY)
			break;
		duplicate = json_duplicate_key(value);
		if (duplicate) {
			json_error_set(parser->error, duplicate->line, "the key %s stands twice",
				       duplicate->key);
			return -EINVAL;
		}
		break;
	case '"':
		value->type = JSON_STRING;
		r = parse_json_string(parser, &value->text, &value->has_nul);
		break;
	case '-':
	case '0' ... '9':
		value->type = JSON_NUMBER;
		r = parse_json_number(parser, value);
		break;
	default:
		r = parse_word(parser, value);
	}
	if (r < 0)
		return r;
	*ret = value;
	return 0;
}

int json_parse(const char *text, size_t length, struct json_document *ret, struct json_error *ret_error)
{
	struct json_document document = { 0 };
	struct parser parser = { .at = text,
				 .end = text + length,
				 .line = 1,
				 .error = ret_error,
				 .builder = { .arena = &document.arena } };
	struct json *value;
	int r = 0;

	if (length > JSON_MAX_BYTES)
		return fail(&parser, "longer than %d bytes", JSON_MAX_BYTES);
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		parser.at += 3;
	for (skip_blanks(&parser); parser.at < parser.end && !r; skip_blanks(&parser))
		r = parse_value(&parser, NULL, NULL, 1, &value);
	document.first = parser.builder.first;
	if (r < 0) {
		json_document_done(&document);
		return r;
	}
	*ret = document;
	return 0;
}

void json_document_done(struct json_document *document)
{
	if (!document)
		return;
	arena_done(&document->arena);
	document->first = NULL;
}

/* --- looking ------------------------------------------------------------------------------------------- */

const char *json_type_name(enum json_type type)
{
	switch (type) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "true or false";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
		return "list";
	case JSON_OBJECT:
		return "map";
	}
	return "";
}

const struct json *json_member(const struct json *object, const char *key)
{
	const struct json *member;

	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (member = object->child; member; member = member->next)
		if (strcmp(member->key, key) == 0)
			return member;
	return NULL;
}

int json_integer(const struct json *value, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = value->type == JSON_NUMBER && value->text[0] == '-';
	const char *digits = value->text + negative;
	uint64_t magnitude;
	int64_t number;
	int r;

	if (value->type != JSON_NUMBER || (digits[0] == '0' && digits[1]))
		return -EINVAL;
	r = parse_number(digits, 0, INT64_MAX, &magnitude);
	if (r < 0)
		return r;
	number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

void json_append_path(struct strbuf *path, const struct json *root, const struct json *value)
{
	const struct json *sibling;
	size_t index = 0;

	if (value == root || !value->parent)
		return;
	json_append_path(path, root, value->parent);
	if (!value->key) {
		for (sibling = value->parent->child; sibling != value; sibling = sibling->next)
			index++;
		strbuf_appendf(path, "[%zu]", index);
	} else if (strpbrk(value->key, "./[] ")) {
		strbuf_appendf(path, "[%s]", value->key);
	} else {
		strbuf_appendf(path, "%s%s", strbuf_text(path)[0] ? "." : "", value->key);
	}
}

/* Of a value without its key, which is its parent's. Members of an object are added up, elements of a list
 * are chained. */
static uint64_t digest(const struct json *value, json_skip_fn *skip, const void *userdata)
{
	const unsigned char head[] = { (unsigned char)value->type, value->boolean, value->has_nul };
	const struct json *child;
	uint64_t sum = XXH3_64bits(head, sizeof(head));
	uint32_t n = 0;

	if (value->text)
		sum = XXH3_64bits_withSeed(value->text, strlen(value->text), sum);
	for (child = value->child; child; child = child->next) {
		uint64_t part;

		if (skip && skip(userdata, child))
			continue;
		part = digest(child, skip, userdata);
		if (child->key)
			part = XXH3_64bits_withSeed(child->key, strlen(child->key), part);
		sum = value->type == JSON_OBJECT ? sum + part
						 : XXH3_64bits_withSeed(&part, sizeof(part), sum);
		n++;
	}
	return XXH3_64bits_withSeed(&n, sizeof(n), sum);
}

uint64_t json_digest(const struct json *value)
{
	return json_digest_without(value, NULL, NULL);
}

uint64_t json_digest_without(const struct json *value, json_skip_fn *skip, const void *userdata)
{
	uint64_t result = digest(value, skip, userdata);

	return result ? result : 1;
}
