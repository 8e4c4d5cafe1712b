// SPDX-License-Identifier: Apache-2.0
/* Cells and YAML: see render.h. */
#include "userspace/lbctl/render.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

/* --- cells --------------------------------------------------------------------------------------- */

static void append_printable(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		char byte = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;

		strbuf_append_bytes(out, &byte, 1);
	}
}

static const char *member_text(const struct json *row, const char *name)
{
	const struct json *value = name ? json_member(row, name) : NULL;

	return value && value->text ? value->text : "";
}

static uint64_t member_number(const struct json *row, const char *name)
{
	uint64_t number;

	return parse_number(member_text(row, name), 0, UINT64_MAX, &number) < 0 ? 0 : number;
}

static void append_scaled(struct strbuf *out, uint64_t value, unsigned base, const char *const *units,
			  size_t n_units)
{
	double scaled = (double)value;
	size_t unit = 0;

	while (scaled >= base && unit + 1 < n_units) {
		scaled /= base;
		unit++;
	}
	if (!unit)
		strbuf_appendf(out, "%" PRIu64 "%s", value, units[0]);
	else
		strbuf_appendf(out, "%.1f%s", scaled, units[unit]);
}

static void append_duration(struct strbuf *out, uint64_t seconds)
{
	if (seconds < 60)
		strbuf_appendf(out, "%" PRIu64 "s", seconds);
	else if (seconds < 3600)
		strbuf_appendf(out, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		strbuf_appendf(out, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600, seconds / 60 % 60);
	else
		strbuf_appendf(out, "%" PRIu64 "d%02" PRIu64 "h", seconds / 86400, seconds / 3600 % 24);
}

static void append_text(struct strbuf *out, const char *text)
{
	append_printable(out, *text ? text : "-");
}

static void append_list(struct strbuf *out, const struct json *list)
{
	const struct json *item = list && list->type == JSON_ARRAY ? list->child : NULL;

	if (!item)
		strbuf_append(out, "-");
	for (; item; item = item->next) {
		append_printable(out, item->text ? item->text : "");
		strbuf_append(out, item->next ? "," : "");
	}
}

static void append_endpoint(struct strbuf *out, const char *address, const char *port)
{
	bool brackets = strchr(address, ':') && *port;

	strbuf_append(out, brackets ? "[" : "");
	append_text(out, address);
	strbuf_append(out, brackets ? "]" : "");
	if (*address && *port) {
		strbuf_append(out, ":");
		append_printable(out, port);
	}
}

static enum cell_mood render_yes_no(const struct column *column, const struct json *row, struct strbuf *out)
{
	const struct json *value = json_member(row, column->member);
	const char *text = value && value->type == JSON_BOOL && value->boolean ? "yes" : "no";

	strbuf_append(out, text);
	if (!column->good)
		return MOOD_PLAIN;
	return text_equal(text, column->good) ? MOOD_GOOD : MOOD_BAD;
}

enum cell_mood render_cell(const struct column *column, const struct json *row, bool terminal,
			   struct strbuf *out)
{
	static const char *const byte_units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB" };
	static const char *const count_units[] = { "", "k", "M", "G", "T" };
	const char *text = member_text(row, column->member);

	switch (column->kind) {
	case CELL_TEXT:
		append_text(out, text);
		return MOOD_PLAIN;
	case CELL_NUMBER:
		append_text(out, text);
		return MOOD_PLAIN;
	case CELL_COUNT:
		if (terminal)
			append_scaled(out, member_number(row, column->member), 1000, count_units,
				      ARRAY_SIZE(count_units));
		else
			append_text(out, text);
		return MOOD_PLAIN;
	case CELL_BYTES:
		if (terminal)
			append_scaled(out, member_number(row, column->member), 1024, byte_units,
				      ARRAY_SIZE(byte_units));
		else
			append_text(out, text);
		return MOOD_PLAIN;
	case CELL_DURATION:
		if (terminal)
			append_duration(out, member_number(row, column->member));
		else
			append_text(out, text);
		return MOOD_PLAIN;
	case CELL_LIST:
		append_list(out, json_member(row, column->member));
		return MOOD_PLAIN;
	case CELL_RATIO:
		append_text(out, text);
		strbuf_append(out, "/");
		append_text(out, member_text(row, column->second));
		return MOOD_PLAIN;
	case CELL_ENDPOINT:
		append_endpoint(out, text, member_text(row, column->second));
		return MOOD_PLAIN;
	case CELL_YES_NO:
		return render_yes_no(column, row, out);
	case CELL_STATE:
		append_text(out, text);
		return text_equal(text, column->good) ? MOOD_GOOD : MOOD_BAD;
	case CELL_PROBLEM:
		append_text(out, text);
		return *text ? MOOD_BAD : MOOD_PLAIN;
	}
	return MOOD_PLAIN;
}

/* --- YAML ---------------------------------------------------------------------------------------- */

/* Plain only when no YAML reader could see anything but this string in it. */
static bool is_plain_string(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n" };
	const char *p;
	size_t i;

	if (!(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z'))
		return false;
	for (p = text; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", *p))
			return false;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i]))
			return false;
	return true;
}

static void yaml_string(struct strbuf *out, const char *text)
{
	if (is_plain_string(text)) {
		strbuf_append(out, text);
		return;
	}
	strbuf_append(out, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_appendf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			strbuf_appendf(out, "\\x%02x", (unsigned char)*text);
		else
			strbuf_append_bytes(out, text, 1);
	}
	strbuf_append(out, "\"");
}

static bool is_block(const struct json *value)
{
	return (value->type == JSON_ARRAY || value->type == JSON_OBJECT) && value->child;
}

static void yaml_scalar(struct strbuf *out, const struct json *value)
{
	switch (value->type) {
	case JSON_NULL:
		strbuf_append(out, "null");
		return;
	case JSON_BOOL:
		strbuf_append(out, value->boolean ? "true" : "false");
		return;
	case JSON_NUMBER:
		strbuf_append(out, value->text);
		return;
	case JSON_STRING:
		yaml_string(out, value->text);
		return;
	case JSON_ARRAY:
		strbuf_append(out, "[]");
		return;
	case JSON_OBJECT:
		strbuf_append(out, "{}");
		return;
	}
}

static void indentation(struct strbuf *out, unsigned depth)
{
	strbuf_appendf(out, "%*s", (int)depth * 2, "");
}

/* Depth is bounded by JSON_MAX_DEPTH. `inline_first`: the cursor stands behind "- " already. */
static void yaml_block(struct strbuf *out, const struct json *block, unsigned depth, bool inline_first)
{
	const struct json *child;

	for (child = block->child; child; child = child->next) {
		if (!inline_first)
			indentation(out, depth);
		inline_first = false;
		if (block->type == JSON_OBJECT) {
			yaml_string(out, child->key);
			strbuf_append(out, ":");
		} else {
			strbuf_append(out, "-");
		}
		if (!is_block(child)) {
			strbuf_append(out, " ");
			yaml_scalar(out, child);
			strbuf_append(out, "\n");
		} else if (block->type == JSON_ARRAY) {
			strbuf_append(out, " ");
			yaml_block(out, child, depth + 1, true);
		} else {
			strbuf_append(out, "\n");
			yaml_block(out, child, child->type == JSON_ARRAY ? depth : depth + 1, false);
		}
	}
}

void render_yaml(const struct json *value, struct strbuf *out)
{
	if (is_block(value)) {
		yaml_block(out, value, 0, false);
		return;
	}
	yaml_scalar(out, value);
	strbuf_append(out, "\n");
}
