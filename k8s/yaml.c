// SPDX-License-Identifier: Apache-2.0
/* YAML -> struct json: walks libyaml's events with a stack of open collections: see yaml.h. */
#include "k8s/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "userspace/base/cleanup.h"

#define MAX_ANCHORS 256 /* of one document */

struct open { /* a list or map that has not ended */
	struct json *value, *last;
	const char *key; /* of a map: read, its value not yet */
	const char *anchor;
};

struct loader {
	struct json_builder builder;
	struct json_error *error;
	struct open open[JSON_MAX_DEPTH];
	unsigned depth;
	struct {
		const char *name;
		const struct json *value;
	} anchors[MAX_ANCHORS];
	size_t n_anchors;
};

#define fail(loader, line, ...) (json_error_set((loader)->error, (line), __VA_ARGS__), -EINVAL)

/* --- scalars ------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* Whether the text is nonempty and all its characters are among `set`. */
static bool consists_of(const char *text, const char *set)
{
	return *text && text[strspn(text, set)] == 0;
}

static bool looks_like_number(const char *text)
{
	static const char digits[] = "0123456789";
	static const char *const special[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
	size_t whole, fraction = 0;

	text += *text == '+' || *text == '-';
	if (is_one_of(text, special))
		return true;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'b' || text[1] == 'o'))
		return consists_of(text + 2, text[1] == 'x'   ? "0123456789abcdefABCDEF_"
					     : text[1] == 'b' ? "01_"
							      : "01234567_");
	if (*text >= '0' && *text <= '9' && consists_of(text, "0123456789_"))
		return true;
	whole = strspn(text, digits);
	text += whole;
	if (*text == '.') {
		fraction = strspn(++text, digits);
		text += fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '+' || *text == '-';
		return consists_of(text, digits);
	}
	return !*text;
}

static void resolve_plain(struct json *value)
{
	static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const true_words[] = { "true", "True", "TRUE", "yes", "Yes",
						  "YES",  "on",	  "On",	  "ON",	 NULL };
	static const char *const false_words[] = { "false", "False", "FALSE", "no",  "No",
						   "NO",    "off",   "Off",   "OFF", NULL };

	value->type = JSON_STRING;
	if (value->has_nul)
		return;
	if (is_one_of(value->text, null_words)) {
		value->type = JSON_NULL;
	} else if (is_one_of(value->text, true_words)) {
		value->type = JSON_BOOL;
		value->boolean = true;
	} else if (is_one_of(value->text, false_words)) {
		value->type = JSON_BOOL;
	} else if (looks_like_number(value->text)) {
		value->type = JSON_NUMBER;
	}
	if (value->type == JSON_NULL || value->type == JSON_BOOL)
		value->text = NULL;
}

/* An explicit tag says how to read the scalar; without one, quotes do. */
static int resolve_scalar(struct loader *loader, const yaml_event_t *event, struct json *value)
{
	static const char *const resolved[] = { YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG,
						NULL };
	const char *tag = (const char *)event->data.scalar.tag;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	value->type = JSON_STRING;
	if (!tag) {
		if (plain)
			resolve_plain(value);
	} else if (is_one_of(tag, resolved)) {
		resolve_plain(value);
		if (value->type == JSON_STRING)
			return fail(loader, value->line, "the tag %s does not fit the value", tag);
	} else if (strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0) {
		return fail(loader, value->line, "the tag %s is not supported", tag);
	}
	return 0;
}

/* --- anchors ------------------------------------------------------------------------------------------- */

static int remember_anchor(struct loader *loader, const char *name, const struct json *value)
{
	if (!name)
		return 0;
	if (loader->n_anchors == MAX_ANCHORS)
		return fail(loader, value->line, "more than %d anchors", MAX_ANCHORS);
	loader->anchors[loader->n_anchors].name = name;
	loader->anchors[loader->n_anchors++].value = value;
	return 0;
}

static const struct json *find_anchor(const struct loader *loader, const char *name)
{
	for (size_t i = loader->n_anchors; i > 0; i--)
		if (strcmp(loader->anchors[i - 1].name, name) == 0)
			return loader->anchors[i - 1].value;
	return NULL;
}

static int copy_value(struct loader *loader, const struct json *from, struct json *to, unsigned depth)
{
	const struct json *child;
	struct json *last = NULL;
	int r;

	if (depth > JSON_MAX_DEPTH)
		return fail(loader, to->line, "nested deeper than %d", JSON_MAX_DEPTH);
	to->type = from->type;
	to->boolean = from->boolean;
	to->has_nul = from->has_nul;
	to->text = from->text;
	for (child = from->child; child; child = child->next) {
		r = json_build(&loader->builder, to, last, JSON_NULL, to->line, &last);
		if (r < 0)
			return r;
		last->key = child->key;
		r = copy_value(loader, child, last, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- events -------------------------------------------------------------------------------------------- */

/* A new value in the innermost open collection, or at the top. A map takes its key first. */
static int add_value(struct loader *loader, enum json_type type, unsigned line, struct json **ret)
{
	struct open *open = loader->depth ? &loader->open[loader->depth - 1] : NULL;
	struct json *value;
	int r;

	if (open && open->value->type == JSON_OBJECT && !open->key)
		return fail(loader, line, "a key must be a plain text");
	r = json_build(&loader->builder, open ? open->value : NULL, open ? open->last : NULL, type, line,
		       &value);
	if (r < 0)
		return r;
	if (open) {
		value->key = open->key;
		open->key = NULL;
		open->last = value;
	}
	*ret = value;
	return 0;
}

static int on_scalar(struct loader *loader, const yaml_event_t *event, unsigned line, const char *anchor)
{
	struct open *open = loader->depth ? &loader->open[loader->depth - 1] : NULL;
	bool has_nul = false;
	struct json *value;
	const char *text;
	int r;

	text = json_text(loader->builder.arena, (const char *)event->data.scalar.value,
			 event->data.scalar.length, &has_nul);
	if (!text)
		return -ENOMEM;
	if (open && open->value->type == JSON_OBJECT && !open->key) {
		if (strcmp(text, "<<") == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
			return fail(loader, line, "merge keys (<<) are not supported");
		open->key = text;
		return 0;
	}
	r = add_value(loader, JSON_STRING, line, &value);
	if (r < 0)
		return r;
	value->text = text;
	value->has_nul = has_nul;
	r = resolve_scalar(loader, event, value);
	if (r < 0)
		return r;
	return remember_anchor(loader, anchor, value);
}

static int on_alias(struct loader *loader, const char *name, unsigned line)
{
	const struct json *target = find_anchor(loader, name);
	struct json *value;
	int r;

	if (!target)
		return fail(loader, line, "the alias *%s has no anchor before it", name);
	r = add_value(loader, JSON_NULL, line, &value);
	if (r < 0)
		return r;
	return copy_value(loader, target, value, loader->depth + 1);
}

static int on_start(struct loader *loader, enum json_type type, unsigned line, const char *tag,
		    const char *anchor)
{
	const char *expected = type == JSON_OBJECT ? YAML_MAP_TAG : YAML_SEQ_TAG;
	struct json *value;
	int r;

	if (tag && strcmp(tag, expected) != 0 && strcmp(tag, "!") != 0)
		return fail(loader, line, "the tag %s is not supported", tag);
	if (loader->depth == JSON_MAX_DEPTH)
		return fail(loader, line, "nested deeper than %d", JSON_MAX_DEPTH);
	r = add_value(loader, type, line, &value);
	if (r < 0)
		return r;
	loader->open[loader->depth++] = (struct open){ .value = value, .anchor = anchor };
	return 0;
}

static int on_end(struct loader *loader)
{
	struct open *open = &loader->open[--loader->depth];
	const struct json *duplicate;

	duplicate = open->value->type == JSON_OBJECT ? json_duplicate_key(open->value) : NULL;
	if (duplicate)
		return fail(loader, duplicate->line, "the key %s stands twice", duplicate->key);
	return remember_anchor(loader, open->anchor, open->value);
}

/* libyaml frees the event's texts; an anchor's name must outlive it. */
static int keep_anchor(struct loader *loader, const yaml_char_t *name, const char **ret)
{
	*ret = name ? arena_string(loader->builder.arena, (const char *)name) : NULL;
	return name && !*ret ? -ENOMEM : 0;
}

static int on_event(struct loader *loader, const yaml_event_t *event)
{
	unsigned line = (unsigned)event->start_mark.line + 1;
	const char *anchor;
	int r;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		loader->n_anchors = 0;
		return 0;
	case YAML_SCALAR_EVENT:
		r = keep_anchor(loader, event->data.scalar.anchor, &anchor);
		return r < 0 ? r : on_scalar(loader, event, line, anchor);
	case YAML_ALIAS_EVENT:
		return on_alias(loader, (const char *)event->data.alias.anchor, line);
	case YAML_SEQUENCE_START_EVENT:
		r = keep_anchor(loader, event->data.sequence_start.anchor, &anchor);
		return r < 0 ? r
			     : on_start(loader, JSON_ARRAY, line, (char *)event->data.sequence_start.tag,
					anchor);
	case YAML_MAPPING_START_EVENT:
		r = keep_anchor(loader, event->data.mapping_start.anchor, &anchor);
		return r < 0 ? r
			     : on_start(loader, JSON_OBJECT, line, (char *)event->data.mapping_start.tag,
					anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(loader);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int parser_error(const yaml_parser_t *parser, struct json_error *error)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		json_error_set(error, (unsigned)parser->mark.line + 1, "%s (byte %zu)", parser->problem,
			       parser->problem_offset);
	else if (parser->context)
		json_error_set(error, line, "%s %s that begins at line %zu", parser->problem, parser->context,
			       parser->context_mark.line + 1);
	else
		json_error_set(error, line, "%s", parser->problem ? parser->problem : "not YAML");
	return -EINVAL;
}

static int load(yaml_parser_t *parser, struct loader *loader)
{
	bool done = false;
	int r = 0;

	while (!done && !r) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return parser_error(parser, loader->error);
		done = event.type == YAML_STREAM_END_EVENT;
		r = on_event(loader, &event);
		if (r == -E2BIG)
			r = fail(loader, (unsigned)event.start_mark.line + 1, "more than %d values",
				 JSON_MAX_VALUES);
		yaml_event_delete(&event);
	}
	return r;
}

int yaml_parse(const char *text, size_t length, struct json_document *ret, struct json_error *ret_error)
{
	struct json_document document = { 0 };
	cleanup(freep) struct loader *loader = NULL;
	yaml_parser_t parser;
	int r;

	if (length > JSON_MAX_BYTES) {
		json_error_set(ret_error, 1, "longer than %d bytes", JSON_MAX_BYTES);
		return -EINVAL;
	}
	loader = calloc(1, sizeof(*loader));
	if (!loader || !yaml_parser_initialize(&parser))
		return -ENOMEM;
	loader->builder.arena = &document.arena;
	loader->error = ret_error;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	if (length >= 3 &&
	    memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, which Windows editors like */
		text += 3;
		length -= 3;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	r = load(&parser, loader);
	yaml_parser_delete(&parser);
	if (r < 0) {
		json_document_done(&document);
		return r;
	}
	document.first = loader->builder.first;
	*ret = document;
	return 0;
}
