// SPDX-License-Identifier: Apache-2.0
/* Labels and selectors: matching as the API server does it, and kubectl's text syntax. Declared in cluster.h.
 */
#include "userspace/core/cluster.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"

bool strings_contain(const struct strings *strings, const char *text)
{
	size_t i;

	for (i = 0; text && i < strings->n; i++)
		if (!strcmp(strings->items[i], text))
			return true;
	return false;
}

const char *labels_find(const struct labels *labels, const char *key)
{
	size_t at = sorted_place(labels->n, i, strcmp(labels->items[i].key, key) < 0);

	return at < labels->n && !strcmp(labels->items[at].key, key) ? labels->items[at].value : NULL;
}

static bool requirement_matches(const struct selector_requirement *requirement, const struct labels *labels)
{
	const char *value = labels_find(labels, requirement->key);

	switch (requirement->operator) {
	case SELECTOR_IN:
		return value && strings_contain(&requirement->values, value);
	case SELECTOR_NOT_IN: /* an absent key is "not in" */
		return !value || !strings_contain(&requirement->values, value);
	case SELECTOR_EXISTS:
		return value;
	case SELECTOR_DOES_NOT_EXIST:
		return !value;
	}
	return false;
}

bool selector_matches(const struct selector *selector, const struct labels *labels)
{
	size_t i;

	for (i = 0; i < selector->n; i++)
		if (!requirement_matches(&selector->requirements[i], labels))
			return false;
	return true;
}

bool selectors_match_any(const struct selectors *selectors, const struct labels *labels)
{
	size_t i;

	for (i = 0; i < selectors->n; i++)
		if (selector_matches(&selectors->items[i], labels))
			return true;
	return false;
}

bool selectors_match_any_or_empty(const struct selectors *selectors, const struct labels *labels)
{
	return !selectors->n || selectors_match_any(selectors, labels);
}

/* --- kubectl's syntax ----------------------------------------------------------------------------------- */

#define SELECTOR_TEXT_MAX 4096 /* an annotation can be 256 KiB; nobody means a selector of that size */

struct parser {
	const char *at;
	struct arena *arena;
	const char *why;
};

struct word {
	const char *text;
	size_t length;
};

static int refuse(struct parser *parser, const char *why)
{
	parser->why = why;
	return -EINVAL;
}

static void skip_blanks(struct parser *parser)
{
	while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\r' || *parser->at == '\n')
		parser->at++;
}

static bool accept(struct parser *parser, const char *symbol)
{
	size_t length = strlen(symbol);

	skip_blanks(parser);
	if (strncmp(parser->at, symbol, length))
		return false;
	parser->at += length;
	return true;
}

/* A run of bytes that are neither blank nor part of the syntax; may be empty. */
static struct word next_word(struct parser *parser)
{
	struct word word;

	skip_blanks(parser);
	word.text = parser->at;
	word.length = strcspn(parser->at, " \t\r\n=!(),<>");
	parser->at += word.length;
	return word;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->length == strlen(text) && !memcmp(word->text, text, word->length);
}

/* The name part of a key, and a value that is not empty: [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?, at
 * most 63. */
static bool is_label_text(const char *text, size_t length)
{
	size_t i;

	if (!length || length > 63)
		return false;
	for (i = 0; i < length; i++) {
		if (isascii((unsigned char)text[i]) && isalnum((unsigned char)text[i]))
			continue;
		if (i == 0 || i == length - 1 || !strchr("-_.", text[i]))
			return false;
	}
	return true;
}

static bool is_label_key(const struct word *word)
{
	const char *slash = memchr(word->text, '/', word->length);
	char prefix[254];
	size_t length;

	if (!slash)
		return is_label_text(word->text, word->length);
	length = (size_t)(slash - word->text);
	if (length >= sizeof(prefix))
		return false;
	memcpy(prefix, word->text, length);
	prefix[length] = 0;
	return text_is_dns_subdomain(prefix) && is_label_text(slash + 1, word->length - length - 1);
}

static int parse_value(struct parser *parser, const char **ret)
{
	struct word word = next_word(parser);

	if (word.length && !is_label_text(word.text, word.length))
		return refuse(parser, "a value is not a valid label value");
	*ret = arena_string_n(parser->arena, word.text, word.length);
	return *ret ? 0 : -ENOMEM;
}

/* One value after = or !=; a list in parentheses after in or notin, where an empty place means the empty
 * value. */
static int parse_values(struct parser *parser, bool list, struct strings *ret)
{
	cleanup(freep) const char **items = NULL;
	size_t n = 0, capacity = 0;
	int r;

	if (list && !accept(parser, "("))
		return refuse(parser, "( expected after in or notin");
	if (list && accept(parser, ")"))
		return refuse(parser, "in and notin need at least one value");
	do {
		r = array_reserve(items, n, capacity);
		if (r < 0)
			return r;
		r = parse_value(parser, &items[n]);
		if (r < 0)
			return r;
		n++;
	} while (list && accept(parser, ","));
	if (list && !accept(parser, ")"))
		return refuse(parser, ") expected at the end of a list of values");
	ret->items = arena_array(parser->arena, n, sizeof(*items));
	if (!ret->items)
		return -ENOMEM;
	memcpy(ret->items, items, n * sizeof(*items));
	ret->n = n;
	return 0;
}

static int parse_requirement(struct parser *parser, struct selector_requirement *ret)
{
	struct selector_requirement requirement = { 0 };
	bool negated = accept(parser, "!"), list = false;
	struct word key = next_word(parser), operator;

	if (!key.length)
		return refuse(parser, "a label key is missing");
	if (!is_label_key(&key))
		return refuse(parser, "a key is not a valid label key");
	requirement.key = arena_string_n(parser->arena, key.text, key.length);
	if (!requirement.key)
		return -ENOMEM;
	skip_blanks(parser);
	if (!*parser->at || *parser->at == ',') {
		requirement.operator= negated ? SELECTOR_DOES_NOT_EXIST : SELECTOR_EXISTS;
		*ret = requirement;
		return 0;
	}
	if (negated)
		return refuse(parser, "!key takes no operator");
	if (accept(parser, "!=")) {
		requirement.operator= SELECTOR_NOT_IN;
	} else if (accept(parser, "==") || accept(parser, "=")) {
		requirement.operator= SELECTOR_IN;
	} else {
		operator= next_word(parser);
		list = true;
		if (word_is(&operator, "in"))
			requirement.operator= SELECTOR_IN;
		else if (word_is(&operator, "notin"))
			requirement.operator= SELECTOR_NOT_IN;
		else
			return refuse(parser, "an operator is not one of =, ==, !=, in, notin");
	}
	*ret = requirement;
	return parse_values(parser, list, &ret->values);
}

static int parse_requirements(struct parser *parser, struct selector *ret)
{
	cleanup(freep) struct selector_requirement *items = NULL;
	size_t n = 0, capacity = 0;
	int r;

	skip_blanks(parser);
	while (*parser->at) {
		r = array_reserve(items, n, capacity);
		if (r < 0)
			return r;
		r = parse_requirement(parser, &items[n]);
		if (r < 0)
			return r;
		n++;
		skip_blanks(parser);
		if (!*parser->at)
			break;
		if (!accept(parser, ","))
			return refuse(parser, "a comma is expected between requirements");
		skip_blanks(parser);
		if (!*parser->at)
			return refuse(parser, "a requirement is missing after the last comma");
	}
	ret->requirements = arena_array(parser->arena, n, sizeof(*items));
	if (!ret->requirements)
		return -ENOMEM;
	if (n)
		memcpy(ret->requirements, items, n * sizeof(*items));
	ret->n = n;
	return 0;
}

int selector_parse(struct arena *arena, const char *text, struct selector *ret, const char **ret_why)
{
	struct parser parser = { .at = text, .arena = arena };
	struct selector selector = { 0 };
	int r;

	if (strnlen(text, SELECTOR_TEXT_MAX + 1) > SELECTOR_TEXT_MAX)
		r = refuse(&parser, "longer than 4096 bytes");
	else
		r = parse_requirements(&parser, &selector);
	if (r < 0) {
		if (ret_why)
			*ret_why = parser.why ? parser.why : "out of memory";
		return r;
	}
	*ret = selector;
	return 0;
}
